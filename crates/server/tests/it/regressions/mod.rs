//! Regressions: each test is named for the wrong behaviour that was fixed.

mod access;
mod fallback_templates;
mod messages;
mod webhooks;
