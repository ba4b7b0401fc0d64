//! Types of messages.

crate::text_enum! {
    /// Type of a message (Meta: Messages, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).
    pub enum MessageKind {
        /// Text.
        Text = "text",
        /// Approved template; the only type that needs no open window.
        Template = "template",
        /// Image.
        Image = "image",
        /// Video.
        Video = "video",
        /// Document.
        Document = "document",
        /// Audio or voice message.
        Audio = "audio",
        /// Sticker.
        Sticker = "sticker",
        /// Location.
        Location = "location",
        /// Contact cards.
        Contacts = "contacts",
        /// Emoji on another message, or its removal.
        Reaction = "reaction",
        /// Interactive message: buttons, lists, products, flows and others.
        Interactive = "interactive",
    }
}

impl MessageKind {
    /// Returns `true` if the type needs an open customer service window: every type except a template.
    #[must_use]
    pub const fn needs_window(self) -> bool {
        !matches!(self, Self::Template)
    }

    /// Returns `true` if the type may have a `context`: every type except a reaction, which names its message itself.
    #[must_use]
    pub const fn allows_context(self) -> bool {
        !matches!(self, Self::Reaction)
    }
}
