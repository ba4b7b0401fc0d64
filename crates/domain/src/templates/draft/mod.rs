//! New templates and changes of templates, checked before the call of Meta (Meta: Message templates,
//! <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components>).
//!
//! **Invariant:** accepted input is normalized: values of enumerations in upper case, samples as lists.
//!
//! **Invariant:** only violations of documented rules are rejected. Meta's review decides the rest.

mod button;
mod component;
mod components;
mod edit;
mod language;
mod library;
mod new_template;
mod own;
mod properties;
mod rules;
mod samples;
mod slots;

pub use edit::TemplateEdit;
pub use library::LibraryDraft;
pub use new_template::NewTemplate;
pub use own::TemplateDraft;
