//! Media in messages.

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
