//! Templates: what Meta approved, and whether a message fits it.
//!
//! A [`Template`] is read from Meta's own description of it (reference F.1, F.3) into the slots that a message has to
//! fill. [`Template::bind`] compares a message with them and tells every mismatch at once, so that a send that Meta
//! would refuse (132000, 132012, 131008, 132018, 132005) is refused before it costs anything.
//!
//! **Invariant:** what is not known is not judged. A component or button of a type that this code has never heard of is
//! kept, and nothing about it is a mismatch.

mod bind;
mod draft;
mod message;
mod mismatch;
mod parse;
mod render;
mod sample;
mod status;
mod template;
mod text;

pub use draft::{LibraryDraft, NewTemplate, TemplateDraft, TemplateEdit};
pub use message::TemplateMessage;
pub use mismatch::{TemplateMismatch, TemplateMismatchKind};
pub use render::RenderedTemplate;
pub use status::{TemplateChange, TemplateStatus};
pub use template::{
    LimitedTimeOffer, Template, TemplateButton, TemplateButtonKind, TemplateCard, TemplateCategory,
    TemplateComponents, TemplateHeader,
};
pub use text::{ParameterFormat, TemplateText};
