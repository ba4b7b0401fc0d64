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
    pub metadata: InboundMetadata,
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
    pub new_identity: Option<WhatsAppUser>,
}

impl InboundMessage {
    /// Whether this message opens the customer service window.
    pub fn opens_window(&self) -> bool {
        !matches!(self.kind.as_str(), "system" | "edit" | "revoke")
    }

    /// Returns the text in which opt-out keywords count: that of a text message or of a quick reply.
    #[must_use]
    pub fn keyword_text(&self) -> Option<&str> {
        let may_hold_keyword = match self.kind.as_str() {
            "text" | "button" => true,
            "interactive" => self.object.as_ref().is_some_and(|object| object.get("button_reply").is_some()),
            _ => false,
        };
        self.text.as_deref().filter(|_| may_hold_keyword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Object;

    fn message(kind: &str, text: &str) -> InboundMessage {
        InboundMessage {
            wamid: "wamid.1".to_owned(),
            from: WhatsAppUser::default(),
            at: Timestamp::UNIX_EPOCH,
            kind: kind.to_owned(),
            text: Some(text.to_owned()),
            object: None,
            context_wamid: None,
            metadata: InboundMetadata::default(),
        }
    }

    #[test]
    fn keywords_count_in_texts_and_quick_replies_but_not_in_captions() {
        assert_eq!(message("text", "Stop").keyword_text(), Some("Stop"));
        assert_eq!(message("button", "Stop").keyword_text(), Some("Stop"));
        assert_eq!(message("image", "Stop").keyword_text(), None);
        assert_eq!(message("edit", "Stop").keyword_text(), None);
        let with = |name: &str| {
            let object = Object::from_iter([(name.to_owned(), Value::Object(Object::new()))]);
            InboundMessage { object: Some(object.into()), ..message("interactive", "Stop") }
        };
        assert_eq!(with("button_reply").keyword_text(), Some("Stop"));
        assert_eq!(with("list_reply").keyword_text(), None);
    }
}
