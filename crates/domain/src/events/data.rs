//! Structures of the `data` of events.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::accounts::account::AccountChange;
use crate::id::{AccountId, ContactId, MediaId, MessageId, TemplateId, WebhookId};
use crate::json::{Object, Value};
use crate::messages::inbound::InboundMetadata;
use crate::messages::status::{MessageStatus, failure_title};
use crate::messages::status_report::Pricing;
use crate::meta_error::MetaError;
use crate::templates::TemplateChange;
use crate::time::{rfc3339, serialize_rfc3339};

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn optional_text<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn number<S: Serializer>(digits: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    match digits {
        Some(digits) => serializer.collect_str(&format_args!("+{digits}")),
        None => serializer.serialize_none(),
    }
}

/// Data of an event about an outbound message.
#[derive(Clone, Debug, Serialize)]
pub struct OutboundData<'a> {
    /// Our id of the message.
    #[serde(serialize_with = "text")]
    pub id: MessageId,
    /// Meta's id of the message; our id until Meta's is known.
    pub message_id: &'a str,
    /// Current status of the message.
    #[serde(serialize_with = "text")]
    pub status: MessageStatus,
    /// Status that this event reports; it may be earlier than `status`.
    #[serde(serialize_with = "text")]
    pub event_status: MessageStatus,
    /// Phone number of the recipient: digits, shown with a plus.
    #[serde(serialize_with = "number")]
    pub to: Option<&'a str>,
    /// Business-scoped user id of the recipient.
    pub recipient: Option<&'a str>,
    /// Type of the message.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Reference of the caller.
    pub client_reference: Option<&'a str>,
    /// Account that sends the message.
    #[serde(serialize_with = "text")]
    pub whatsapp_account_id: AccountId,
    /// Time of the event, from Meta if Meta reported it.
    #[serde(serialize_with = "serialize_rfc3339")]
    pub at: Timestamp,
    /// Reason of a failure.
    pub error: Option<ErrorData<'a>>,
    /// Pricing, as Meta reported it.
    pub pricing: Option<&'a Pricing>,
    /// `message`, or `template` if the fallback template was sent.
    pub sent_as: &'a str,
    /// Content of a message that the business sent with the WhatsApp Business app.
    #[serde(flatten)]
    pub echo: Option<EchoData<'a>>,
}

/// Content of a message echo. Only its event `message.sent` has these members.
#[derive(Clone, Copy, Debug)]
pub struct EchoData<'a> {
    /// Type of the message, in Meta's spelling.
    pub kind: &'a str,
    /// Text of the message, if its type has one.
    pub text: Option<&'a str>,
    /// Meta's id of the message to which this one replies.
    pub context_wamid: Option<&'a str>,
    /// Object that belongs to the type, as Meta sent it. Not written for `text`.
    pub object: Option<&'a Value>,
    /// Media file of the message, available at `GET /api/media/{id}`; absent if there is none.
    pub media_id: Option<MediaId>,
}

impl Serialize for EchoData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("mode", "echo")?;
        map.serialize_entry("text", &self.text)?;
        map.serialize_entry("context", &ContextData::of(self.context_wamid, &InboundMetadata::default()))?;
        if let Some(object) = self.object
            && self.kind != "text"
        {
            map.serialize_entry(self.kind, object)?;
        }
        if let Some(media_id) = &self.media_id {
            map.serialize_entry("media_id", &media_id.to_string())?;
        }
        map.end()
    }
}

/// Reason of a failure.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ErrorData<'a> {
    /// Error of Meta.
    Meta {
        /// Meta's error code.
        code: i64,
        /// Meta's short text.
        title: &'a str,
        /// Meta's long text.
        details: Option<&'a str>,
    },
    /// Error of the gateway.
    Ours {
        /// Code of the error.
        code: &'a str,
        /// Meaning of the code.
        title: &'a str,
        /// Always `null`.
        details: Option<&'a str>,
    },
}

impl<'a> ErrorData<'a> {
    /// Returns Meta's error if there is one, or else ours.
    #[must_use]
    pub fn of(meta: Option<&'a MetaError>, code: Option<&'a str>) -> Option<Self> {
        match (meta, code) {
            (Some(meta), _) => Some(Self::Meta {
                code: meta.code,
                title: meta.title.as_deref().unwrap_or(meta.entry().title),
                details: meta.details.as_deref(),
            }),
            (None, Some(code)) => Some(Self::Ours { code, title: failure_title(code), details: None }),
            (None, None) => None,
        }
    }
}

/// Data of an event about an inbound message.
#[derive(Clone, Debug)]
pub struct IncomingData<'a> {
    /// Our id of the message.
    pub id: MessageId,
    /// Meta's id of the message.
    pub message_id: &'a str,
    /// Phone number of the customer: digits.
    pub from: Option<&'a str>,
    /// Business-scoped user id of the customer.
    pub user_id: Option<&'a str>,
    /// User name of the customer at WhatsApp.
    pub username: Option<&'a str>,
    /// Contact.
    pub contact_id: ContactId,
    /// Name of the contact: ours, or else the one in the user's profile.
    pub contact_name: Option<&'a str>,
    /// Type of the message, in Meta's spelling.
    pub kind: &'a str,
    /// Text of the message, if its type has one.
    pub text: Option<&'a str>,
    /// Account that received the message.
    pub whatsapp_account_id: AccountId,
    /// Time of the message, from Meta.
    pub at: Timestamp,
    /// Message to which this one replies.
    pub context: Option<ContextData<'a>>,
    /// Object that belongs to the type, as Meta sent it. Not written for `text`.
    pub object: Option<&'a Value>,
    /// Media file of the message, available at `GET /api/media/{id}`; absent if there is none.
    pub media_id: Option<MediaId>,
    /// Further members from Meta; each is absent if Meta did not send it.
    pub metadata: &'a InboundMetadata,
}

/// Context of a message: the message to which it replies, forwarding and product.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ContextData<'a> {
    /// Meta's id of the message to which this one replies.
    pub message_id: Option<&'a str>,
    /// `true` if the message was forwarded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// `true` if the message was forwarded many times.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frequently_forwarded: bool,
    /// Product that the message asks about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_product: Option<&'a Value>,
}

impl<'a> ContextData<'a> {
    /// Creates a context; `None` if the message is no reply, was not forwarded and names no product.
    #[must_use]
    pub fn of(wamid: Option<&'a str>, metadata: &'a InboundMetadata) -> Option<Self> {
        let context = Self {
            message_id: wamid,
            forwarded: metadata.is_forwarded,
            frequently_forwarded: metadata.is_frequently_forwarded,
            referred_product: metadata.referred_product.as_ref(),
        };
        let has_content = wamid.is_some()
            || context.forwarded
            || context.frequently_forwarded
            || context.referred_product.is_some();
        has_content.then_some(context)
    }
}

impl Serialize for IncomingData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id.to_string())?;
        map.serialize_entry("message_id", self.message_id)?;
        map.serialize_entry("from", &self.from.map(|digits| format!("+{digits}")))?;
        map.serialize_entry("user_id", &self.user_id)?;
        map.serialize_entry("username", &self.username)?;
        map.serialize_entry("contact_id", &self.contact_id.to_string())?;
        map.serialize_entry("contact_name", &self.contact_name)?;
        map.serialize_entry("type", self.kind)?;
        map.serialize_entry("text", &self.text)?;
        map.serialize_entry("whatsapp_account_id", &self.whatsapp_account_id.to_string())?;
        map.serialize_entry("at", &rfc3339(self.at))?;
        map.serialize_entry("context", &self.context)?;
        if let Some(object) = self.object
            && !COMMON.contains(&self.kind)
        {
            map.serialize_entry(self.kind, object)?;
        }
        if let Some(media_id) = &self.media_id {
            map.serialize_entry("media_id", &media_id.to_string())?;
        }
        let InboundMetadata { referral, errors, group_id, .. } = self.metadata;
        for (name, value) in [("referral", referral), ("errors", errors)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(group_id) = group_id {
            map.serialize_entry("group_id", group_id)?;
        }
        map.end()
    }
}

/// Members of every inbound message. An object of a type with such a name is not written.
const COMMON: [&str; 16] = [
    "media_id",
    "referral",
    "errors",
    "group_id",
    "id",
    "message_id",
    "from",
    "user_id",
    "username",
    "contact_id",
    "contact_name",
    "type",
    "text",
    "whatsapp_account_id",
    "at",
    "context",
];

/// Data of an event about a contact.
#[derive(Clone, Debug, Serialize)]
pub struct ContactData<'a> {
    /// Our id of the contact.
    #[serde(serialize_with = "text")]
    pub id: ContactId,
    /// Phone number: digits, shown with a plus.
    #[serde(serialize_with = "number")]
    pub phone_number: Option<&'a str>,
    /// Business-scoped user id.
    pub user_id: Option<&'a str>,
    /// Name of the contact: ours, or else the one in the user's profile.
    pub name: Option<&'a str>,
    /// User name at WhatsApp.
    pub username: Option<&'a str>,
    /// Labels by which contacts are grouped.
    pub tags: &'a [String],
    /// Stage in the application's process.
    pub stage: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
    /// Further fields of the application.
    pub custom_fields: &'a Object,
    /// `true` if the contact has opted out of marketing.
    pub opted_out: bool,
    /// Source of the opt-out: `word`, `meta`, `api` or `import`.
    pub opted_out_reason: Option<&'a str>,
    /// Names of the changed fields; empty for a new contact.
    pub changes: &'a [&'static str],
    /// Id of the contact that was merged into this one and deleted.
    #[serde(serialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub merged_contact_id: Option<ContactId>,
}

/// Data of an event about a template.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateData<'a> {
    /// Our id of the template; `null` for an unknown template.
    #[serde(serialize_with = "optional_text")]
    pub id: Option<TemplateId>,
    /// Meta's id of the WhatsApp Business Account that owns the template.
    pub waba_id: &'a str,
    /// Name of the template.
    pub name: &'a str,
    /// Language of the template.
    pub language: &'a str,
    /// Property that has changed.
    #[serde(serialize_with = "text")]
    pub change: TemplateChange,
    /// Status of the template.
    pub status: Option<&'a str>,
    /// Category of the template.
    pub category: Option<&'a str>,
    /// Quality score of the template.
    pub quality: Option<&'a str>,
    /// Meta's reason for a rejection or a pause.
    pub reason: Option<&'a str>,
}

/// Data of an event about an account.
#[derive(Clone, Debug, Serialize)]
pub struct AccountData<'a> {
    /// Id of the account; `null` if Meta named only the WhatsApp Business Account.
    #[serde(serialize_with = "optional_text")]
    pub whatsapp_account_id: Option<AccountId>,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: &'a str,
    /// Name of the account.
    pub name: Option<&'a str>,
    /// Property that has changed.
    #[serde(serialize_with = "text")]
    pub change: AccountChange,
    /// `connected`, `held` or `disconnected`.
    pub status: Option<&'a str>,
    /// Reason for the suspension.
    pub status_reason: Option<&'a str>,
    /// Quality rating of the phone number.
    pub quality_rating: Option<&'a str>,
    /// Messaging limit and its use.
    pub messaging_limit: Option<MessagingLimitData<'a>>,
    /// Meta's name of the webhook field; `null` if the gateway found the change.
    pub field: Option<&'a str>,
    /// Meta's value, unchanged.
    pub details: Option<&'a Value>,
}

/// Messaging limit: number of recipients of templates outside of an open window in 24 hours.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MessagingLimitData<'a> {
    /// Meta's tier, such as `TIER_2K`.
    pub tier: Option<&'a str>,
    /// Number of recipients in the last 24 hours, if it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_24h: Option<u32>,
}

/// Data of an event about a webhook endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookData<'a> {
    /// Id of the endpoint.
    #[serde(serialize_with = "text")]
    pub webhook_id: WebhookId,
    /// Name of the endpoint.
    pub name: &'a str,
    /// Reason for which the endpoint was disabled; `null` in a test.
    pub reason: Option<&'a str>,
}
