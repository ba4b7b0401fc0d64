//! What Meta tells us, decoded as far as it is understood.

use jiff::Timestamp;

use crate::json::Value;
use crate::message::StatusReport;

/// One thing that Meta told us.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A customer wrote.
    Message(Inbound),
    /// A customer called, which opens the window too.
    Call(Call),
    /// Something happened to a message that we sent.
    Status(StatusReport),
    /// A template changed.
    Template(TemplateUpdate),
    /// Anything else: kept as it came.
    Other,
}

/// Who wrote or called: at least one of the two ids is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The phone number as Meta writes it: digits.
    pub wa_id: Option<String>,
    /// The business-scoped user id.
    pub user_id: Option<String>,
    /// The name that the person gave to the profile.
    pub name: Option<String>,
}

/// One message of a customer (reference C.4).
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// Meta's id of the message.
    pub wamid: String,
    /// Who wrote.
    pub from: Person,
    /// When, by Meta's time.
    pub at: Timestamp,
    /// Meta's own `type`; one that is not known is `unsupported`.
    pub kind: String,
    /// The words, where the type has words: text body, caption, button title.
    pub text: Option<String>,
    /// The object that belongs to the type, as Meta sent it.
    pub object: Option<Value>,
    /// The message that this one answers.
    pub context_wamid: Option<String>,
}

impl Inbound {
    /// Whether this message opens the customer service window.
    pub fn opens_window(&self) -> bool {
        !matches!(self.kind.as_str(), "system" | "edit" | "revoke")
    }
}

/// A call from a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who called.
    pub from: Person,
    /// When, by Meta's time.
    pub at: Timestamp,
}

/// A change of a template that Meta made (reference C.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateUpdate {
    /// The template's name.
    pub name: String,
    /// The template's language.
    pub language: String,
    /// The new status, upper case, in a `message_template_status_update`.
    pub status: Option<String>,
    /// The new category, upper case, where it has changed.
    pub category: Option<String>,
    /// The new quality score, upper case.
    pub quality: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
}
