//! Synchronous validation of message contents, by message type (Meta: Cloud API, Messages,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).
//!
//! **Invariant:** a check never reads the simulator's state. References to state (media ids, windows, templates) are
//! collected here and checked when the message is accepted.

mod carousel;
mod interactive;
mod payments;
mod people;

use crate::error::{Checked, GraphError};
use crate::validate::Pointed;

/// References of a checked message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// Uploaded media that must exist, and as which kind they are used.
    pub(crate) media: Vec<MediaUse>,
    /// An audio that asks to be shown as a voice note.
    pub(crate) is_voice: bool,
    /// The message that a reaction is for.
    pub(crate) reacts_to: Option<String>,
}

/// One use of an uploaded medium.
#[derive(Clone, Debug)]
pub(crate) struct MediaUse {
    pub(crate) kind: MediaKind,
    pub(crate) id: String,
}

/// The kinds of media of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Image,
    Video,
    Audio,
    Voice,
    Document,
    Sticker,
}

impl MediaKind {
    /// `true` if Meta accepts this MIME type for this kind of media.
    pub(crate) fn takes(self, mime: &str) -> bool {
        let base = mime.split(';').next().unwrap_or_default().trim();
        match self {
            Self::Image => matches!(base, "image/jpeg" | "image/png"),
            Self::Video => matches!(base, "video/mp4" | "video/3gpp"),
            Self::Audio => base.starts_with("audio/"),
            Self::Voice => base == "audio/ogg",
            Self::Document => true,
            Self::Sticker => base == "image/webp",
        }
    }
}

/// The types a message may have.
pub(crate) const TYPES: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

/// Checks the object of a message's type; templates are matched elsewhere.
pub(crate) fn check(kind: &str, at: &Pointed<'_>) -> Checked<Content> {
    let mut content = Content::default();
    match kind {
        "text" => {
            let text = at.object(&["body", "preview_url"])?;
            text.need("body")?.text_of("Text body", 1, 4096)?;
            text.get("preview_url").map(|at| at.flag()).transpose()?;
        }
        "image" | "video" => {
            let media = at.object(&["id", "link", "caption", "provider"])?;
            let kind = if kind == "image" { MediaKind::Image } else { MediaKind::Video };
            source(&media, kind, &mut content)?;
            media.get("caption").map(|at| at.text_of("Caption", 0, 1024)).transpose()?;
        }
        "document" => {
            let media = at.object(&["id", "link", "caption", "filename", "provider"])?;
            source(&media, MediaKind::Document, &mut content)?;
            media.get("caption").map(|at| at.text_of("Caption", 0, 1024)).transpose()?;
            media.get("filename").map(|at| at.text_of("Filename", 0, 240)).transpose()?;
        }
        "audio" => {
            let media = at.object(&["id", "link", "voice", "provider"])?;
            content.is_voice = media.get("voice").map(|at| at.flag()).transpose()?.unwrap_or(false);
            let kind = if content.is_voice { MediaKind::Voice } else { MediaKind::Audio };
            source(&media, kind, &mut content)?;
        }
        "sticker" => {
            source(&at.object(&["id", "link", "provider"])?, MediaKind::Sticker, &mut content)?;
        }
        "location" => location(at)?,
        "contacts" => people::check(at)?,
        "reaction" => {
            let reaction = at.object(&["message_id", "emoji"])?;
            let target = reaction.need("message_id")?.text_of("Message id", 1, 512)?;
            reaction.need("emoji")?.text_of("Emoji", 0, 40)?;
            content.reacts_to = Some(target.to_owned());
        }
        "interactive" => interactive::check(at, &mut content)?,
        _ => {
            return Err(GraphError::of(131051).details(format!("Messages of type \"{kind}\" cannot be sent")));
        }
    }
    Ok(content)
}

/// Exactly one of `id` and `link`.
pub(crate) fn source(
    media: &crate::validate::PointedObject<'_>,
    kind: MediaKind,
    content: &mut Content,
) -> Checked<()> {
    match (media.get("id"), media.get("link")) {
        (Some(_), Some(_)) => {
            Err(GraphError::invalid(format!("{} takes either id or link, not both", media.path)))
        }
        (None, None) => Err(GraphError::missing(&format!("{0}['id'] or {0}['link']", media.path))),
        (Some(id), None) => {
            // Ids are strings; Graph reads a number as one.
            let id = match id.value.as_u64() {
                Some(number) => number.to_string(),
                None => id.text()?.to_owned(),
            };
            content.media.push(MediaUse { kind, id });
            Ok(())
        }
        (None, Some(link)) => link.link("Media link").map(|_| ()),
    }
}

/// The product sections of a multi-product template, which follow the rules of the message.
pub(crate) fn interactive_products(action: &crate::validate::PointedObject<'_>) -> Checked<()> {
    action.text("thumbnail_product_retailer_id")?;
    interactive::product_sections(action, 10)
}

pub(crate) fn location(at: &Pointed<'_>) -> Checked<()> {
    let location = at.object(&["latitude", "longitude", "name", "address"])?;
    for (key, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
        let degrees = location.need(key)?.number()?;
        if degrees.abs() > limit {
            return Err(GraphError::invalid(format!("Location {key} must be between -{limit} and {limit}")));
        }
    }
    location.text("name")?;
    location.text("address")?;
    Ok(())
}
