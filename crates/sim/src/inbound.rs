//! Inbound messages: the message, its media, and the window that it opens.
//!
//! **Invariant:** every inbound message except `system`, `edit` and `revoke` opens the window, never later than now.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::{DAY, SECOND, seconds};
use crate::graph::FilePart;
use crate::hooks::Update;
use crate::ids::Direction;
use crate::journal::{Inbound, Person, Record, pair};
use crate::state::State;
use crate::{ids, phone};

/// Time for which received media can be fetched.
const RECEIVED_MEDIA_FOR: i64 = 7 * DAY;

/// A message of a customer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundMessage {
    /// The phone number id that is written to; the first account when absent.
    #[serde(default)]
    pub account: Option<String>,
    /// The customer's phone number.
    #[serde(default)]
    pub from: Option<String>,
    /// The customer's business-scoped user id; alone, the webhook carries no number.
    #[serde(default)]
    pub from_user_id: Option<String>,
    /// The name in the customer's profile.
    #[serde(default)]
    pub name: Option<String>,
    /// The user name in the customer's profile.
    #[serde(default)]
    pub username: Option<String>,
    /// An inbound message object of the Cloud API; `id`, `from` and `timestamp` are filled in when missing.
    pub message: Value,
    /// Base64 content for a media message that names no id; a few sample bytes when absent.
    #[serde(default)]
    pub media_base64: Option<String>,
}

impl InboundMessage {
    /// A text from a number to the first account.
    pub fn text(from: &str, body: &str) -> Self {
        Self {
            from: Some(from.to_owned()),
            message: json!({"type": "text", "text": {"body": body}}),
            ..Self::default()
        }
    }
}

/// The media types of messages, each with the MIME type of its sample.
const MEDIA: [(&str, &str); 5] = [
    ("image", "image/png"),
    ("video", "video/mp4"),
    ("audio", "audio/ogg; codecs=opus"),
    ("document", "application/pdf"),
    ("sticker", "image/webp"),
];

impl State {
    /// Takes a customer's message; gives back its id, or what is wrong with the request.
    pub(crate) fn inbound(&mut self, given: &InboundMessage) -> Result<String, String> {
        let number_id = match &given.account {
            Some(account) => account.clone(),
            None => self.order.first().cloned().unwrap_or_default(),
        };
        let Some(number) = self.numbers.get(&number_id).cloned() else {
            return Err(format!("account: there is no phone number id {number_id}"));
        };
        let Value::Object(mut message) = given.message.clone() else {
            return Err(
                "message: must be an object, for example {\"type\":\"text\",\"text\":{\"body\":\"hi\"}}"
                    .to_owned(),
            );
        };
        let kind = kind_of(&message)?;
        let sender = self.sender(given, &message, &number.id)?;
        let at = self.time_of(&message)?;

        if let Some(wa_id) = &sender.wa_id {
            message.entry("from").or_insert_with(|| json!(wa_id));
        }
        if let Some(user_id) = &sender.user_id {
            message.entry("from_user_id").or_insert_with(|| json!(user_id));
        }
        message.insert("timestamp".to_owned(), json!(seconds(at).to_string()));
        message.entry("type").or_insert_with(|| json!(kind));
        let id = match message.get("id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => ids::wamid(Direction::In, &sender.person, &self.mint("inbound")),
        };
        message.insert("id".to_owned(), json!(id));
        if let Some(context) = message.get_mut("context").and_then(Value::as_object_mut)
            && context.contains_key("id")
        {
            context.entry("from").or_insert_with(|| json!(number.digits));
        }
        self.media_of(&kind, &mut message, &number.id, given.media_base64.as_deref())?;

        if given.name.is_some() || !self.journal.people.contains_key(&sender.person) {
            let name = given.name.clone().unwrap_or_else(|| default_name(&sender.person));
            let record = Record::Person(sender.person.clone(), Person { name: Some(name) });
            self.journal.put(record, self.env.is_kept);
        }
        self.note(&number.id, &sender.person, &message, at);
        let inbound = Inbound {
            id: id.clone(),
            number_id: number.id.clone(),
            person: sender.person.clone(),
            kind: kind.clone(),
            at,
            is_read: false,
        };
        self.journal.put(Record::Inbound(inbound), self.env.is_kept);

        let mut value = json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": number.digits, "phone_number_id": number.id},
            "messages": [message],
        });
        if kind != "system"
            && let Some(value) = value.as_object_mut()
        {
            value.insert(
                "contacts".to_owned(),
                json!([self.sender_contact(&sender, given, &number.settings)]),
            );
        }
        self.emit(&[Update {
            waba_id: number.waba_id,
            number_id: Some(number.id),
            field: "messages".to_owned(),
            value,
            conversation: None,
        }]);
        Ok(id)
    }

    fn sender(
        &mut self,
        given: &InboundMessage,
        message: &Map<String, Value>,
        number_id: &str,
    ) -> Result<Sender, String> {
        let from = given.from.as_deref().or_else(|| message.get("from").and_then(Value::as_str));
        let user_id = given
            .from_user_id
            .clone()
            .or_else(|| message.get("from_user_id").and_then(Value::as_str).map(str::to_owned));
        if let Some(user_id) = &user_id
            && !phone::is_user_id(user_id)
        {
            return Err("from_user_id: must look like GB.77120394857261034".to_owned());
        }
        let Some(from) = from else {
            let Some(user_id) = user_id else {
                return Err("from: a phone number is needed, or a from_user_id".to_owned());
            };
            // A user id that belongs to a known number keeps its window, but the number is not shown.
            let person = self.journal.user_ids.get(&user_id).cloned().unwrap_or_else(|| user_id.clone());
            return Ok(Sender { person, wa_id: None, user_id: Some(user_id) });
        };
        let digits = phone::digits(from)
            .filter(|digits| (7..=15).contains(&digits.len()))
            .ok_or_else(|| format!("from: {from} is not a phone number"))?;
        let wa_id = self.wa_id(&digits);
        let user_id = user_id
            .or_else(|| self.settings.user_ids.then(|| phone::user_id(self.business_of(number_id), &wa_id)));
        if let Some(user_id) = &user_id {
            self.learn_user_id(user_id, &wa_id);
        }
        Ok(Sender { person: wa_id.clone(), wa_id: Some(wa_id), user_id })
    }

    /// Remembers whose a user id is.
    pub(crate) fn learn_user_id(&mut self, user_id: &str, person: &str) {
        if self.journal.user_ids.get(user_id).is_none_or(|known| known != person) {
            let record = Record::UserId(user_id.to_owned(), person.to_owned());
            self.journal.put(record, self.env.is_kept);
        }
    }

    fn time_of(&self, message: &Map<String, Value>) -> Result<i64, String> {
        let Some(timestamp) = message.get("timestamp") else { return Ok(self.env.now) };
        timestamp
            .as_i64()
            .or_else(|| timestamp.as_str().and_then(|text| text.parse().ok()))
            .map(|seconds: i64| seconds.saturating_mul(SECOND))
            .ok_or_else(|| "message.timestamp: must be Unix seconds".to_owned())
    }

    /// Opens the windows that a message opens.
    fn note(&mut self, number_id: &str, person: &str, message: &Map<String, Value>, at: i64) {
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
        if matches!(kind, "system" | "edit" | "revoke") {
            return;
        }
        let key = pair(number_id, person);
        let mut window = self.journal.windows.get(&key).copied().unwrap_or_default();
        let at = at.min(self.env.now);
        window.last_inbound_at = Some(window.last_inbound_at.map_or(at, |known| known.max(at)));
        if message.contains_key("referral") {
            window.came_at = Some(at);
        }
        self.journal.put(Record::Window(key, window), self.env.is_kept);
    }

    /// Fills in the media object of a message that names no id.
    fn media_of(
        &mut self,
        kind: &str,
        message: &mut Map<String, Value>,
        number_id: &str,
        base64: Option<&str>,
    ) -> Result<(), String> {
        let Some((_, sample_mime)) = MEDIA.iter().find(|(name, _)| *name == kind) else { return Ok(()) };
        if message.contains_key("errors") && !message.contains_key(kind) {
            return Ok(());
        }
        let mut media = match message.get(kind) {
            Some(Value::Object(media)) => media.clone(),
            None => Map::new(),
            Some(_) => return Err(format!("message.{kind}: must be an object")),
        };
        if media.contains_key("id") {
            return Ok(());
        }
        let content = match base64 {
            Some(text) => ids::unbase64(text).ok_or("media_base64: is not base64")?,
            None => format!("sample {kind} of the simulator").into_bytes(),
        };
        let mime = media.get("mime_type").and_then(Value::as_str).unwrap_or(sample_mime).to_owned();
        let name = media.get("filename").and_then(Value::as_str).map(str::to_owned);
        let sha256 = ids::base64(&ids::sha256(&content));
        let file = FilePart { name, mime: mime.clone(), content: content.into() };
        let id = self.keep_media(number_id, file, RECEIVED_MEDIA_FOR);
        let url = self.media_url(&id);
        media.insert("id".to_owned(), json!(id));
        media.insert("mime_type".to_owned(), json!(mime));
        media.insert("sha256".to_owned(), json!(sha256));
        media.insert("url".to_owned(), json!(url));
        if kind == "audio" {
            media.entry("voice").or_insert(json!(true));
        }
        if kind == "sticker" {
            media.entry("animated").or_insert(json!(false));
        }
        message.insert(kind.to_owned(), Value::Object(media));
        Ok(())
    }

    fn sender_contact(
        &self,
        sender: &Sender,
        given: &InboundMessage,
        settings: &Map<String, Value>,
    ) -> Value {
        let name = self.journal.people.get(&sender.person).and_then(|person| person.name.clone());
        let mut profile = json!({"name": name.unwrap_or_else(|| default_name(&sender.person))});
        if let (Some(username), Some(profile)) = (&given.username, profile.as_object_mut()) {
            profile.insert("username".to_owned(), json!(username));
        }
        let mut contact = Map::new();
        contact.insert("profile".to_owned(), profile);
        if let Some(wa_id) = &sender.wa_id {
            contact.insert("wa_id".to_owned(), json!(wa_id));
        }
        if let Some(user_id) = &sender.user_id {
            contact.insert("user_id".to_owned(), json!(user_id));
        }
        if checks_identity(settings) {
            contact.insert("identity_key_hash".to_owned(), json!(identity_hash(&sender.person)));
        }
        Value::Object(contact)
    }
}

struct Sender {
    person: String,
    wa_id: Option<String>,
    user_id: Option<String>,
}

/// `true` if a number checks the identity keys of its customers.
fn checks_identity(settings: &Map<String, Value>) -> bool {
    settings
        .get("user_identity_change")
        .and_then(|group| group.get("enable_identity_key_check"))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// The identity key hash of a person.
pub(crate) fn identity_hash(person: &str) -> String {
    ids::base64(&ids::sha256(format!("identity {person}").as_bytes())).chars().take(12).collect()
}

fn kind_of(message: &Map<String, Value>) -> Result<String, String> {
    if let Some(kind) = message.get("type") {
        return kind.as_str().map(str::to_owned).ok_or_else(|| "message.type: must be a string".to_owned());
    }
    const KINDS: [&str; 16] = [
        "text",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "button",
        "reaction",
        "order",
        "system",
        "edit",
        "revoke",
        "unsupported",
    ];
    KINDS
        .iter()
        .find(|kind| message.contains_key(**kind))
        .map(|kind| (*kind).to_owned())
        .ok_or_else(|| "message.type: is needed".to_owned())
}

fn default_name(person: &str) -> String {
    let tail: Vec<char> = person.chars().rev().take(4).collect();
    format!("Customer {}", tail.into_iter().rev().collect::<String>())
}
