//! Messages of customers.

use jiff::Timestamp;

use crate::contacts::whatsapp_user::WhatsAppUser;
use crate::json::Value;

/// Message of a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundMessage {
    /// Meta's id of the message.
    pub wamid: String,
    /// Sender.
    pub from: WhatsAppUser,
    /// Time of the message, from Meta.
    pub at: Timestamp,
    /// Type of the message, in Meta's spelling; `unsupported` for an unknown type.
    pub kind: String,
    /// Text of the message, if its type has one: text body, caption, button title.
    pub text: Option<String>,
    /// Object that belongs to the type, as Meta sent it.
    pub object: Option<Value>,
    /// Meta's id of the message to which this one replies.
    pub context_wamid: Option<String>,
    /// Further members.
    pub metadata: InboundMetadata,
}

/// Members of a webhook message besides the object of its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InboundMetadata {
    /// `true` if the message was forwarded.
    pub is_forwarded: bool,
    /// `true` if the message was forwarded many times.
    pub is_frequently_forwarded: bool,
    /// Product that the message asks about.
    pub referred_product: Option<Value>,
    /// Advertisement or post that led to the message.
    pub referral: Option<Value>,
    /// Errors for which Meta could not deliver the original message.
    pub errors: Option<Value>,
    /// Group to which the message was sent.
    pub group_id: Option<String>,
    /// New identity of the sender, from a `system` message about a changed phone number or user id.
    pub new_identity: Option<WhatsAppUser>,
}

impl InboundMessage {
    /// Returns `true` if the message opens the customer service window. A message to a group is not addressed to the
    /// business alone.
    pub fn opens_window(&self) -> bool {
        self.metadata.group_id.is_none() && !matches!(self.kind.as_str(), "system" | "edit" | "revoke")
    }

    /// Returns the text in which opt-out keywords count: that of a text message or of a quick reply, but not of a message
    /// to a group.
    #[must_use]
    pub fn keyword_text(&self) -> Option<&str> {
        let may_hold_keyword = match self.kind.as_str() {
            "text" | "button" => true,
            "interactive" => self.object.as_ref().is_some_and(|object| object.get("button_reply").is_some()),
            _ => false,
        };
        self.text.as_deref().filter(|_| may_hold_keyword && self.metadata.group_id.is_none())
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
    fn a_message_to_a_group_opens_no_window_and_holds_no_keyword() {
        let metadata =
            InboundMetadata { group_id: Some("Y2FwaV9ncm91cDox".to_owned()), ..Default::default() };
        for kind in ["text", "button", "image"] {
            assert!(message(kind, "Stop").opens_window());
            let to_group = InboundMessage { metadata: metadata.clone(), ..message(kind, "Stop") };
            assert!(!to_group.opens_window());
            assert_eq!(to_group.keyword_text(), None);
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
