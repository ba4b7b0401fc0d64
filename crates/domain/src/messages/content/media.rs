//! Media objects and the members that have them.

use super::kind::MessageKind;
use super::media_ref::{MediaKind, MediaRef, MediaSource};
use crate::check::{Fields, Item};
use crate::json::{Object, Value};

/// Members that a media object may have besides `id` or `link`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum MediaShape {
    Image,
    Video,
    Document,
    Audio,
    Sticker,
    /// Media of a header: no caption.
    Bare,
    /// Document of a header: a file name, no caption.
    BareDocument,
}

/// Members of headers and header parameters that have a media object.
const KEYS: [(&str, MediaKind); 4] = [
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("document", MediaKind::Document),
    ("gif", MediaKind::Video),
];

impl MediaShape {
    /// Name and description of its schema.
    const fn documentation(self) -> (&'static str, &'static str) {
        match self {
            Self::Image => ("Image", "Image: JPEG or PNG, at most 5 MB."),
            Self::Video => ("Video", "Video: MP4 or 3GPP, at most 16 MB."),
            Self::Document => ("Document", "Document: a file of at most 100 MB."),
            Self::Audio => ("Audio", "Audio: AAC, M4A, MP3, AMR or OGG, at most 16 MB."),
            Self::Sticker => ("Sticker", "Sticker: WebP, at most 100 kB, or 500 kB if it is animated."),
            Self::Bare => ("HeaderMedia", "Image or video of a header."),
            Self::BareDocument => ("HeaderDocument", "Document of a header."),
        }
    }
}

pub(crate) fn check(item: Item<'_, '_>, shape: MediaShape) {
    item.shared(shape.documentation().0, |item| check_object(item, shape));
}

fn check_object(item: Item<'_, '_>, shape: MediaShape) {
    let Some(medium) = item.object() else { return };
    medium.about(shape.documentation().1);
    check_source(&medium);
    if matches!(shape, MediaShape::Image | MediaShape::Video | MediaShape::Document) {
        medium.optional("caption").about("Text shown with the file.").string(..=1024);
    }
    if matches!(shape, MediaShape::Document | MediaShape::BareDocument) {
        medium.optional("filename").about("File name that the recipient sees.").string(1..);
    }
    if shape == MediaShape::Audio {
        medium
            .optional("voice")
            .about("`true`: WhatsApp shows the file as a voice message. Requires OGG with the Opus codec.")
            .boolean();
    }
    medium.finish();
}

/// Checks that there is exactly one of `id`, `link` and `url`, our own name for `link`.
fn check_source(medium: &Fields<'_, '_>) {
    medium.exactly_one(&["id", "link", "url"], |name, item| match name {
        "id" => {
            let is_id = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            item.about("Meta's media ID, or the ID of a file that was uploaded with `POST /api/media`.")
                .pattern(r"^\S+$")
                .string_that(is_id, "must be a media id, without blanks")
        }
        "link" => item.about("URL of the file.").link(),
        _ => item.about("Same as `link`.").link(),
    });
}

pub(crate) fn normalize(medium: &mut Value) {
    if let Some(medium) = medium.as_object_mut() {
        medium.rename("url", "link");
    }
}

/// Converts the media object of a header or a parameter to Meta's form.
pub(crate) fn normalize_within(holder: &mut Value) {
    let Some(holder) = holder.as_object_mut() else { return };
    for (key, _) in KEYS {
        if let Some(medium) = holder.get_mut(key) {
            normalize(medium);
        }
    }
}

pub(crate) fn refs(kind: MessageKind, object: &Value) -> Vec<MediaRef<'_>> {
    let mut refs = Vec::new();
    let whole = match kind {
        MessageKind::Image => Some(MediaKind::Image),
        MessageKind::Video => Some(MediaKind::Video),
        MessageKind::Document => Some(MediaKind::Document),
        MessageKind::Audio => Some(MediaKind::Audio),
        MessageKind::Sticker => Some(MediaKind::Sticker),
        MessageKind::Interactive => {
            in_header(object, "", &mut refs);
            let cards = object.get("action").and_then(|action| action.get("cards"));
            for (index, card) in elements(cards) {
                in_header(card, &format!("/action/cards/{index}"), &mut refs);
            }
            None
        }
        MessageKind::Template => {
            in_components(object, "", &mut refs);
            None
        }
        MessageKind::Text | MessageKind::Location | MessageKind::Contacts | MessageKind::Reaction => None,
    };
    if let Some(kind) = whole
        && let Some(source) = source_of(object)
    {
        refs.push(MediaRef { pointer: String::new(), kind, source, file_name: file_name_of(object) });
    }
    refs
}

pub(crate) fn set_id(kind: MessageKind, object: &mut Value, pointer: &str, id: &str) -> bool {
    let Some(medium) = medium_at(kind, object, pointer) else { return false };
    medium.rename("link", "id");
    medium.insert("id", id);
    true
}

pub(crate) fn set_member(
    kind: MessageKind,
    object: &mut Value,
    pointer: &str,
    name: &str,
    value: &str,
) -> bool {
    let Some(medium) = medium_at(kind, object, pointer) else { return false };
    medium.insert(name, value);
    true
}

/// Returns the media object at a pointer of [`refs`].
fn medium_at<'a>(kind: MessageKind, object: &'a mut Value, pointer: &str) -> Option<&'a mut Object> {
    if !refs(kind, object).iter().any(|known| known.pointer == pointer) {
        return None;
    }
    object.at_mut(pointer).and_then(Value::as_object_mut)
}

fn elements(array: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    array.and_then(Value::as_array).unwrap_or_default().iter().enumerate()
}

fn in_header<'a>(holder: &'a Value, base: &str, refs: &mut Vec<MediaRef<'a>>) {
    if let Some(header) = holder.get("header").and_then(Value::as_object) {
        in_holder(header, || format!("{base}/header"), refs);
    }
}

/// Adds the header parameters of a template's components and of the components of its cards.
fn in_components<'a>(holder: &'a Value, base: &str, refs: &mut Vec<MediaRef<'a>>) {
    for (index, component) in elements(holder.get("components")) {
        match component.get("type").and_then(Value::as_str) {
            Some("header") => {
                for (number, parameter) in elements(component.get("parameters")) {
                    if let Some(parameter) = parameter.as_object() {
                        let pointer_of = || format!("{base}/components/{index}/parameters/{number}");
                        in_holder(parameter, pointer_of, refs);
                    }
                }
            }
            Some("carousel") => {
                for (number, card) in elements(component.get("cards")) {
                    in_components(card, &format!("{base}/components/{index}/cards/{number}"), refs);
                }
            }
            _ => {}
        }
    }
}

/// Adds the media object of a header or a parameter: the member named by its `type`.
fn in_holder<'a>(holder: &'a Object, pointer_of: impl Fn() -> String, refs: &mut Vec<MediaRef<'a>>) {
    for (key, kind) in KEYS {
        if let Some(medium) = holder.get(key)
            && let Some(source) = source_of(medium)
        {
            let pointer = format!("{}/{key}", pointer_of());
            refs.push(MediaRef { pointer, kind, source, file_name: file_name_of(medium) });
        }
    }
}

fn file_name_of(medium: &Value) -> Option<&str> {
    medium.get("filename").and_then(Value::as_str)
}

fn source_of(medium: &Value) -> Option<MediaSource<'_>> {
    let text = |key| medium.get(key).and_then(Value::as_str);
    text("id").map(MediaSource::Id).or_else(|| text("link").map(MediaSource::Link))
}
