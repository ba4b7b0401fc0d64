//! Templates that shall be created or changed at Meta: its rules, checked before it is asked (reference F.2, F.3).
//!
//! **Invariant:** what passes here is brought to one form: words of enumerations in upper case, samples as lists.
//!
//! **Invariant:** only what the reference is sure of is refused. The rest is for Meta's review to judge.

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
mod slots;

pub use edit::TemplateEdit;
pub use library::LibraryDraft;
pub use new_template::NewTemplate;
pub use own::TemplateDraft;
