//! The `data` of events, in the form in which receivers get it.

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

fn shown<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn shown_if_any<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
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

/// A step in the life of a message that we send.
#[derive(Clone, Debug, Serialize)]
pub struct OutboundData<'a> {
    /// Our id.
    #[serde(serialize_with = "shown")]
    pub id: MessageId,
    /// Meta's id; ours until Meta's is known.
    pub message_id: &'a str,
    /// Where the message stands.
    #[serde(serialize_with = "shown")]
    pub status: MessageStatus,
    /// What this event tells: it may be behind `status`.
    #[serde(serialize_with = "shown")]
    pub reported: MessageStatus,
    /// The number that it goes to: digits, shown with a plus.
    #[serde(serialize_with = "number")]
    pub to: Option<&'a str>,
    /// The business-scoped user id that it goes to.
    pub recipient: Option<&'a str>,
    /// The message's `type`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The caller's own reference.
    pub client_reference: Option<&'a str>,
    /// The account that it goes out from.
    #[serde(serialize_with = "shown")]
    pub whatsapp_account_id: AccountId,
    /// When it happened: by Meta's time where Meta reported it.
    pub at: Timestamp,
    /// Why it failed.
    pub error: Option<ErrorData<'a>>,
    /// What it costs, as Meta reported it.
    pub pricing: Option<&'a Pricing>,
    /// `message`, or `template` where the fallback went out.
    pub sent_as: &'a str,
}

/// Why a message failed.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ErrorData<'a> {
    /// Meta's reason.
    Meta {
        /// Meta's code.
        code: i64,
        /// Meta's short text.
        title: &'a str,
        /// Meta's long text.
        details: Option<&'a str>,
    },
    /// Our own reason.
    Ours {
        /// One of the codes of the API.
        code: &'a str,
        /// What it means.
        title: &'a str,
        /// Nothing more is known.
        details: Option<&'a str>,
    },
}

impl<'a> ErrorData<'a> {
    /// Meta's reason if there is one, else ours.
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

/// A message of a customer.
#[derive(Clone, Debug)]
pub struct IncomingData<'a> {
    /// Our id.
    pub id: MessageId,
    /// Meta's id.
    pub message_id: &'a str,
    /// The customer's number: digits.
    pub from: Option<&'a str>,
    /// The customer's business-scoped user id.
    pub user_id: Option<&'a str>,
    /// The person.
    pub contact_id: ContactId,
    /// What we call the person, or the person does.
    pub contact_name: Option<&'a str>,
    /// Meta's `type`.
    pub kind: &'a str,
    /// The words, where the type has words.
    pub text: Option<&'a str>,
    /// The account that was written to.
    pub whatsapp_account_id: AccountId,
    /// When, by Meta's time.
    pub at: Timestamp,
    /// The message that this one answers.
    pub context: Option<ContextData<'a>>,
    /// The object that belongs to the type, as Meta sent it; for `text` it is nothing but the words.
    pub object: Option<&'a Value>,
    /// The file that came with it, to be had from `GET /api/media/{id}`; left out without one.
    pub media_id: Option<MediaId>,
    /// What else Meta put beside it; each stands there only if Meta sent it.
    pub metadata: &'a InboundMetadata,
}

/// The message that is answered, and where the words come from.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ContextData<'a> {
    /// Meta's id of the message that is answered.
    pub message_id: Option<&'a str>,
    /// It was forwarded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// It was forwarded many times.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frequently_forwarded: bool,
    /// The product that is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_product: Option<&'a Value>,
}

impl<'a> ContextData<'a> {
    /// `None` for a message that answers nothing and was not forwarded.
    #[must_use]
    pub fn of(wamid: Option<&'a str>, metadata: &'a InboundMetadata) -> Option<Self> {
        let context = Self {
            message_id: wamid,
            forwarded: metadata.is_forwarded,
            frequently_forwarded: metadata.is_frequently_forwarded,
            referred_product: metadata.referred_product.as_ref(),
        };
        let says_something = wamid.is_some()
            || context.forwarded
            || context.frequently_forwarded
            || context.referred_product.is_some();
        says_something.then_some(context)
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
        map.serialize_entry("contact_id", &self.contact_id.to_string())?;
        map.serialize_entry("contact_name", &self.contact_name)?;
        map.serialize_entry("type", self.kind)?;
        map.serialize_entry("text", &self.text)?;
        map.serialize_entry("whatsapp_account_id", &self.whatsapp_account_id.to_string())?;
        map.serialize_entry("at", &self.at)?;
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

/// Names that every incoming message uses: an object of a type with such a name would stand there twice.
const COMMON: [&str; 15] = [
    "media_id",
    "referral",
    "errors",
    "group_id",
    "id",
    "message_id",
    "from",
    "user_id",
    "contact_id",
    "contact_name",
    "type",
    "text",
    "whatsapp_account_id",
    "at",
    "context",
];

/// A person.
#[derive(Clone, Debug, Serialize)]
pub struct ContactData<'a> {
    /// Our id.
    #[serde(serialize_with = "shown")]
    pub id: ContactId,
    /// The number: digits, shown with a plus.
    #[serde(serialize_with = "number")]
    pub phone_number: Option<&'a str>,
    /// The business-scoped user id.
    pub user_id: Option<&'a str>,
    /// What we call the person, or the person does.
    pub name: Option<&'a str>,
    /// Words that sort people into groups.
    pub tags: &'a [String],
    /// How far the person is on the way to whatever the application wants.
    pub stage: Option<&'a str>,
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// Whatever else the application keeps.
    pub custom_fields: &'a Object,
    /// Whether the person takes no marketing.
    pub opted_out: bool,
    /// Why: `word`, `meta`, `api` or `import`.
    pub opted_out_reason: Option<&'a str>,
    /// What has changed: names of fields; empty for a person who is new.
    pub changes: &'a [&'static str],
    /// The contact that turned out to be the same person, and is no more.
    #[serde(serialize_with = "shown_if_any", skip_serializing_if = "Option::is_none")]
    pub merged_contact_id: Option<ContactId>,
}

/// A change of a template.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateData<'a> {
    /// Our id; `null` for a template that is not known here.
    #[serde(serialize_with = "shown_if_any")]
    pub id: Option<TemplateId>,
    /// Meta's id of the WhatsApp Business Account that owns it.
    pub waba_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its language.
    pub language: &'a str,
    /// What has changed.
    #[serde(serialize_with = "shown")]
    pub change: TemplateChange,
    /// Its status.
    pub status: Option<&'a str>,
    /// Its category.
    pub category: Option<&'a str>,
    /// Its quality score.
    pub quality: Option<&'a str>,
    /// Why Meta refused or paused it.
    pub reason: Option<&'a str>,
}

/// A change of an account.
#[derive(Clone, Debug, Serialize)]
pub struct AccountData<'a> {
    /// The account; `null` where Meta named the WhatsApp Business Account alone.
    #[serde(serialize_with = "shown_if_any")]
    pub whatsapp_account_id: Option<AccountId>,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: &'a str,
    /// The account's name.
    pub name: Option<&'a str>,
    /// What has changed.
    #[serde(serialize_with = "shown")]
    pub change: AccountChange,
    /// `connected`, `held` or `disconnected`.
    pub status: Option<&'a str>,
    /// Why it is held.
    pub status_reason: Option<&'a str>,
    /// The quality of its number.
    pub quality_rating: Option<&'a str>,
    /// How far its templates may reach, and have.
    pub messaging_limit: Option<MessagingLimitData<'a>>,
    /// Meta's name of the webhook field that told it; `null` where we found out ourselves.
    pub field: Option<&'a str>,
    /// Meta's own words.
    pub details: Option<&'a Value>,
}

/// How many people templates may reach outside their window in 24 hours.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MessagingLimitData<'a> {
    /// Meta's tier, such as `TIER_2K`.
    pub tier: Option<&'a str>,
    /// How many were reached, where that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_24h: Option<u32>,
}

/// An endpoint, in events about endpoints.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookData<'a> {
    /// The endpoint.
    #[serde(serialize_with = "shown")]
    pub webhook_id: WebhookId,
    /// Its name.
    pub name: &'a str,
    /// Why it was switched off; `null` in a test.
    pub reason: Option<&'a str>,
}
