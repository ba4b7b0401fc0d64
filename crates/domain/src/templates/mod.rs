//! Message templates and the check of messages against them (Meta: Message templates,
//! <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates>).
//!
//! A [`Template`] is read from Meta's definition into the slots that a message fills. [`Template::bind`] compares a
//! message with them and returns all mismatches at once. So a send that Meta would refuse (132000, 132012, 131008,
//! 132018, 132005) is rejected before the call.
//!
//! **Invariant:** unknown parts are not checked. A component or button of an unknown type is kept and causes no
//! mismatch.

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
