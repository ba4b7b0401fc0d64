//! What a message says.
//!
//! [`Content`] is the object named by a message's `type`, checked against every limit of reference section A and
//! brought to exactly Meta's form. Apart from that it stays as the caller wrote it.
//!
//! **Invariant:** a [`Content`] is a message that Meta's synchronous validation takes, as far as that is documented. What
//! only Meta can know (whether a media id, a product or a flow exists) is left to Meta, and so is whatever the reference
//! marks as uncertain: a needless refusal is worse than Meta's own.

mod basic;
mod interactive;
mod kind;
mod media;
mod media_ref;
mod order;
mod template;

use jiff::Timestamp;

use crate::check::{Item, JsonPointer, Violation, Violations};
use crate::json::Value;
use crate::templates::TemplateMessage;

pub use kind::MessageKind;
pub use media_ref::{MediaKind, MediaRef, MediaSource};

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
            MessageKind::Text => basic::check_text(item),
            MessageKind::Template => template::check_template(item),
            MessageKind::Image => media::check(item, media::MediaShape::Image),
            MessageKind::Video => media::check(item, media::MediaShape::Video),
            MessageKind::Document => media::check(item, media::MediaShape::Document),
            MessageKind::Audio => media::check(item, media::MediaShape::Audio),
            MessageKind::Sticker => media::check(item, media::MediaShape::Sticker),
            MessageKind::Location => basic::check_location(item),
            MessageKind::Contacts => basic::check_contacts(item),
            MessageKind::Reaction => basic::check_reaction(item),
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
            MessageKind::Text => basic::normalize_text(&mut self.object),
            MessageKind::Template => template::normalize_template(&mut self.object),
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
