//! Content of messages.
//!
//! [`Content`] is the object named by a message's `type`. It was checked against Meta's documented limits (Meta:
//! Messages, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>) and converted to Meta's form.
//! Otherwise it is as the caller wrote it.
//!
//! **Invariant:** Meta's documented synchronous validation accepts every [`Content`]. Facts that only Meta knows (if a
//! media id, a product or a flow exists) and limits that Meta's documentation leaves open are not checked here: an
//! unnecessary rejection would be worse than Meta's.

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

/// Checked content of a message, in Meta's form.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    kind: MessageKind,
    object: Value,
}

impl Content {
    /// Checks the object named by `type` and converts it to Meta's form: `"text": "Hi"` becomes `{"body": "Hi"}`, a
    /// template's `"language": "en"` becomes `{"code": "en"}`, the `url` of a media object becomes `link`, `null`
    /// members are removed.
    ///
    /// `base` is the JSON pointer of the object in the caller's body (`/image`, `/messages/3/image`). `now` is for one
    /// rule: an order expires 300 s from now or later. The caller checks the whole body for the character U+0000.
    ///
    /// # Errors
    /// All violations, in the order of the checks. The pointers are into the body that the caller wrote.
    pub fn read(kind: MessageKind, value: Value, base: &str, now: Timestamp) -> Result<Self, Vec<Violation>> {
        let found = Violations::new();
        Self::check(kind, Item::new(&value, JsonPointer::from_pointer(base), &found), now);
        found.result(())?;
        let mut content = Self { kind, object: value };
        content.bring_to_metas_form();
        Ok(content)
    }

    /// Checks the object named by `type`, as [`Content::read`] does, and notes the violations.
    pub fn check(kind: MessageKind, item: Item<'_, '_>, now: Timestamp) {
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
    }

    /// Checks the `components` of a template message.
    pub fn check_components(item: Item<'_, '_>) {
        template::check_components(item);
    }

    /// Creates a content from the store, where it was checked before.
    #[must_use]
    pub const fn from_stored(kind: MessageKind, object: Value) -> Self {
        Self { kind, object }
    }

    /// Returns the type of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the object named by `type` (for contacts: the array), in the form for Meta.
    #[must_use]
    pub const fn object(&self) -> &Value {
        &self.object
    }

    /// Returns the object named by `type` and consumes the content.
    #[must_use]
    pub fn into_object(self) -> Value {
        self.object
    }

    /// Returns `true` if the type needs an open window, as [`MessageKind::needs_window`].
    #[must_use]
    pub const fn needs_window(&self) -> bool {
        self.kind.needs_window()
    }

    /// Returns `true` if the type may have a `context`, as [`MessageKind::allows_context`].
    #[must_use]
    pub const fn allows_context(&self) -> bool {
        self.kind.allows_context()
    }

    /// Returns the `type` of an interactive message (`button`, `list`, …); `None` for any other type.
    #[must_use]
    pub fn interactive_type(&self) -> Option<&str> {
        if self.kind == MessageKind::Interactive { self.object.get("type")?.as_str() } else { None }
    }

    /// Returns the template message; `None` for any other type.
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

    /// Returns a line of text for lists and previews: text, caption, body of an interactive message, name of the
    /// location or contact, emoji or file name. `None` if there is no text; the text of a template is rendered with
    /// [`Template::render`](crate::templates::Template::render).
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

    /// Returns the references to media files, in document order: the message's own file, the headers of an interactive
    /// message and of carousel cards, header parameters of a template and of its cards.
    #[must_use]
    pub fn media_refs(&self) -> Vec<MediaRef<'_>> {
        media::refs(self.kind, &self.object)
    }

    /// Replaces our id or a link, at a pointer of [`Content::media_refs`], by Meta's media id. Returns `false` if
    /// there is no such reference.
    pub fn set_media_id(&mut self, pointer: &str, id: &str) -> bool {
        media::set_id(self.kind, &mut self.object, pointer, id)
    }

    /// Replaces the link at a pointer of [`Content::media_refs`]. Returns `false` if there is no such reference.
    pub fn set_media_link(&mut self, pointer: &str, link: &str) -> bool {
        media::set_member(self.kind, &mut self.object, pointer, "link", link)
    }

    /// Sets the file name of the document at a pointer of [`Content::media_refs`]. Returns `false` if there is no such
    /// reference.
    pub fn set_document_name(&mut self, pointer: &str, file_name: &str) -> bool {
        media::set_member(self.kind, &mut self.object, pointer, "filename", file_name)
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

/// Removes `null` members, which were checked as absent. The data of a flow is not changed.
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
