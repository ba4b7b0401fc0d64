//! Media in messages.

/// Kind of a media file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Image.
    Image,
    /// Video; also a `gif` header of a marketing template, which is a video.
    Video,
    /// Document.
    Document,
    /// Audio.
    Audio,
    /// Sticker.
    Sticker,
}

/// Reference to a media file in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRef<'a> {
    /// JSON pointer of the media object in [`Content::object`](super::Content::object): `""`, `/header/image`,
    /// `/components/0/parameters/0/image`.
    pub pointer: String,
    /// Kind of the file.
    pub kind: MediaKind,
    /// Source of the file.
    pub source: MediaSource<'a>,
    /// File name of a document, as the caller gave it.
    pub file_name: Option<&'a str>,
}

/// Source of a media file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaSource<'a> {
    /// Id: Meta's, or ours, which is replaced by Meta's.
    Id(&'a str),
    /// URL from which Meta downloads the file.
    Link(&'a str),
}
