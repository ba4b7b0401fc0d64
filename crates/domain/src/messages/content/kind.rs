//! Types of messages.

crate::text_enum! {
    /// The types of message that can be sent (reference A.3 to A.14).
    pub enum MessageKind {
        /// Text (A.3).
        Text = "text",
        /// A pre-approved template (A.14); the only kind that needs no open window.
        Template = "template",
        /// A picture (A.4).
        Image = "image",
        /// A video (A.4).
        Video = "video",
        /// A file (A.4).
        Document = "document",
        /// A sound, or a voice note (A.4).
        Audio = "audio",
        /// A sticker (A.4).
        Sticker = "sticker",
        /// A place on the map (A.5).
        Location = "location",
        /// Address cards (A.6).
        Contacts = "contacts",
        /// An emoji on another message, or its removal (A.7).
        Reaction = "reaction",
        /// Buttons, lists, products, flows and so on (A.8).
        Interactive = "interactive",
    }
}

impl MessageKind {
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
