//! Messages of customers.

use jiff::Timestamp;

use crate::contacts::whatsapp_user::WhatsAppUser;
use crate::json::Value;

/// One message of a customer (reference C.4).
#[derive(Clone, Debug, PartialEq)]
pub struct InboundMessage {
    /// Meta's id of the message.
    pub wamid: String,
    /// Who wrote.
    pub from: WhatsAppUser,
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
    /// What else it says.
    pub beside: InboundMetadata,
}

/// What Meta puts beside the object of a message's type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InboundMetadata {
    /// It was forwarded.
    pub is_forwarded: bool,
    /// It was forwarded many times.
    pub is_frequently_forwarded: bool,
    /// The product that it asks about.
    pub referred_product: Option<Value>,
    /// The advertisement or post that led to it.
    pub referral: Option<Value>,
    /// Why Meta could not deliver it as it was.
    pub errors: Option<Value>,
    /// The group that it was written to.
    pub group_id: Option<String>,
    /// Who the sender is from now on: a `system` message tells of another number or user id.
    pub moved_to: Option<WhatsAppUser>,
}

impl InboundMessage {
    /// Whether this message opens the customer service window.
    pub fn opens_window(&self) -> bool {
        !matches!(self.kind.as_str(), "system" | "edit" | "revoke")
    }
}
