//! The simulator, tested in this process and (for what needs it) over a bound port.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::needless_pass_by_value, reason = "JSON is written in place")]

mod accounts;
mod control;
mod harness;
mod kept;
mod limits;
mod magic;
mod media;
mod messages;
mod progress;
mod refusals;
mod template_rules;
mod template_sends;
mod templates;
mod webhooks;
mod wire;
