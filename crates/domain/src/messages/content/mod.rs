//! What a message says.
//!
//! [`Content`] is the object named by a message's `type`, checked against every limit of reference section A and
//! brought to exactly Meta's form. Apart from that it stays as the caller wrote it.
//!
//! **Invariant:** a [`Content`] is a message that Meta's synchronous validation takes, as far as that is documented. What
//! only Meta can know (whether a media id, a product or a flow exists) is left to Meta, and so is whatever the reference
//! marks as uncertain: a needless refusal is worse than Meta's own.

mod interactive;
mod media;
mod order;
mod plain;
mod sending;

use jiff::Timestamp;

use crate::check::{Fields, Item, JsonPointer, Violation, Violations};
use crate::json::{Object, Value};

/// The types of message that can be sent (reference A.3 to A.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// Text (A.3).
    Text,
    /// A pre-approved template (A.14); the only kind that needs no open window.
    Template,
    /// A picture (A.4).
    Image,
    /// A video (A.4).
    Video,
    /// A file (A.4).
    Document,
    /// A sound, or a voice note (A.4).
    Audio,
    /// A sticker (A.4).
    Sticker,
    /// A place on the map (A.5).
    Location,
    /// Address cards (A.6).
    Contacts,
    /// An emoji on another message, or its removal (A.7).
    Reaction,
    /// Buttons, lists, products, flows and so on (A.8).
    Interactive,
}

impl MessageKind {
    /// Every kind with its name, in the order in which documents list them.
    pub const ALL: [(&'static str, Self); 11] = [
        ("text", Self::Text),
        ("template", Self::Template),
        ("image", Self::Image),
        ("video", Self::Video),
        ("document", Self::Document),
        ("audio", Self::Audio),
        ("sticker", Self::Sticker),
        ("location", Self::Location),
        ("contacts", Self::Contacts),
        ("reaction", Self::Reaction),
        ("interactive", Self::Interactive),
    ];

    /// The value of `type`, which is also the name of the object that goes with it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Template => "template",
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
            Self::Audio => "audio",
            Self::Sticker => "sticker",
            Self::Location => "location",
            Self::Contacts => "contacts",
            Self::Reaction => "reaction",
            Self::Interactive => "interactive",
        }
    }

    /// The kind of that name; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Whether an open customer service window is needed: for everything but a template (A.15).
    #[must_use]
    pub const fn needs_window(self) -> bool {
        !matches!(self, Self::Template)
    }

    /// Whether `context` (a reply) is allowed: for everything but a reaction, which names its message itself (A.1).
    #[must_use]
    pub const fn allows_context(self) -> bool {
        !matches!(self, Self::Reaction)
    }
}

/// A checked message, in Meta's form.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    kind: MessageKind,
    object: Value,
}

impl Content {
    /// Checks the object named by `type` and brings it to Meta's form: `"text": "Hi"` becomes `{"body": "Hi"}`, a
    /// template's `"language": "en"` becomes `{"code": "en"}`, a medium's `url` becomes `link`, `null` members go.
    ///
    /// `base` is the JSON pointer of the object in the caller's body (`/image`, `/messages/3/image`). `now` is for the
    /// one rule that needs it: an order expires 300 s from now or later (A.11). That no string holds U+0000 is checked
    /// by the caller, for the whole body at once.
    ///
    /// # Errors
    /// All violations, in the order of the checks; the pointers are into what the caller wrote, before it is brought to
    /// Meta's form.
    pub fn read(kind: MessageKind, value: Value, base: &str, now: Timestamp) -> Result<Self, Vec<Violation>> {
        let found = Violations::new();
        let item = Item::new(&value, JsonPointer::from_pointer(base), &found);
        match kind {
            MessageKind::Text => plain::check_text(item),
            MessageKind::Template => sending::check_template(item),
            MessageKind::Image => media::check(item, media::MediaShape::Image),
            MessageKind::Video => media::check(item, media::MediaShape::Video),
            MessageKind::Document => media::check(item, media::MediaShape::Document),
            MessageKind::Audio => media::check(item, media::MediaShape::Audio),
            MessageKind::Sticker => media::check(item, media::MediaShape::Sticker),
            MessageKind::Location => plain::check_location(item),
            MessageKind::Contacts => plain::check_contacts(item),
            MessageKind::Reaction => plain::check_reaction(item),
            MessageKind::Interactive => interactive::check(item, now),
        }
        found.result(())?;
        let mut content = Self { kind, object: value };
        content.bring_to_metas_form();
        Ok(content)
    }

    /// A content that was checked before and comes back from the store.
    #[must_use]
    pub const fn from_stored(kind: MessageKind, object: Value) -> Self {
        Self { kind, object }
    }

    /// The type of message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The object named by `type` (for contacts: the array), exactly as Meta gets it.
    #[must_use]
    pub const fn object(&self) -> &Value {
        &self.object
    }

    /// The same, given away.
    #[must_use]
    pub fn into_object(self) -> Value {
        self.object
    }

    /// As [`MessageKind::needs_window`].
    #[must_use]
    pub const fn needs_window(&self) -> bool {
        self.kind.needs_window()
    }

    /// As [`MessageKind::allows_context`].
    #[must_use]
    pub const fn allows_context(&self) -> bool {
        self.kind.allows_context()
    }

    /// The `type` of an interactive message (`button`, `list`, …); `None` for every other kind.
    #[must_use]
    pub fn interactive_type(&self) -> Option<&str> {
        if self.kind == MessageKind::Interactive { self.object.get("type")?.as_str() } else { None }
    }

    /// The template that a template message names; `None` for every other kind.
    #[must_use]
    pub fn template(&self) -> Option<TemplateMessage<'_>> {
        if self.kind != MessageKind::Template {
            return None;
        }
        Some(TemplateMessage {
            name: self.object.get("name")?.as_str()?,
            language: self.object.get("language")?.get("code")?.as_str()?,
            components: self.object.get("components").and_then(Value::as_array).unwrap_or_default(),
        })
    }

    /// A line of text for lists and previews: the text, the caption, the body of an interactive message, the place's or
    /// the contact's name, the emoji, the file's name. `None` when the message has none (a template's is made with
    /// [`Template::render`](crate::templates::Template::render)).
    #[must_use]
    pub fn preview_text(&self) -> Option<&str> {
        let text =
            |pointer: &str| self.object.at(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        match self.kind {
            MessageKind::Text => text("/body"),
            MessageKind::Image | MessageKind::Video => text("/caption"),
            MessageKind::Document => text("/caption").or_else(|| text("/filename")),
            MessageKind::Location => text("/name").or_else(|| text("/address")),
            MessageKind::Contacts => text("/0/name/formatted_name"),
            MessageKind::Reaction => text("/emoji"),
            MessageKind::Interactive => text("/body/text"),
            MessageKind::Template | MessageKind::Audio | MessageKind::Sticker => None,
        }
    }

    /// Every place of the message that names a medium, in document order: the medium itself, an interactive header, the
    /// headers of carousel cards, header parameters of a template and of its cards.
    #[must_use]
    pub fn media_refs(&self) -> Vec<MediaRef<'_>> {
        media::refs(self.kind, &self.object)
    }

    /// Puts Meta's media id into the place that [`Content::media_refs`] named, instead of our id or a link. False when
    /// there is no such place.
    pub fn set_media_id(&mut self, pointer: &str, id: &str) -> bool {
        media::set_id(self.kind, &mut self.object, pointer, id)
    }

    fn bring_to_metas_form(&mut self) {
        drop_nulls(&mut self.object);
        match self.kind {
            MessageKind::Text => plain::normalize_text(&mut self.object),
            MessageKind::Template => sending::normalize_template(&mut self.object),
            MessageKind::Image
            | MessageKind::Video
            | MessageKind::Document
            | MessageKind::Audio
            | MessageKind::Sticker => media::normalize(&mut self.object),
            MessageKind::Interactive => interactive::normalize(&mut self.object),
            MessageKind::Location | MessageKind::Contacts | MessageKind::Reaction => {}
        }
    }
}

/// Drops `null` members, which were checked as absent: Meta may see them otherwise. What a flow is given is the caller's
/// own data and stays.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|name, member| {
            if !matches!(name, "data" | "flow_action_data") {
                drop_nulls(member);
            }
            !member.is_null()
        }),
        Value::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// What a template message says about its template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateMessage<'a> {
    /// The template's name.
    pub name: &'a str,
    /// The language code, such as `en` or `pt_BR`.
    pub language: &'a str,
    /// The components that carry parameters, in Meta's form; empty when there are none.
    pub components: &'a [Value],
}

/// What kind of file a place of a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video; also Meta's `gif` headers of marketing templates, which are videos.
    Video,
    /// A file.
    Document,
    /// A sound.
    Audio,
    /// A sticker.
    Sticker,
}

/// One place of a message that names a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRef<'a> {
    /// JSON pointer of the media object within [`Content::object`]: `""`, `/header/image`,
    /// `/components/0/parameters/0/image`.
    pub pointer: String,
    /// What kind of file belongs there.
    pub kind: MediaKind,
    /// What names the medium.
    pub source: MediaSource<'a>,
}

/// What names a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaSource<'a> {
    /// An id: Meta's, or ours to be replaced by Meta's.
    Id(&'a str),
    /// A URL from which Meta fetches it.
    Link(&'a str),
}
