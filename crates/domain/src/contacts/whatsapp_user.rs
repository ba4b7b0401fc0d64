//! Identity of a WhatsApp user in webhooks.

/// A WhatsApp user. At least one of `wa_id` and `user_id` is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatsAppUser {
    /// Phone number in Meta's form: digits.
    pub wa_id: Option<String>,
    /// Business-scoped user id.
    pub user_id: Option<String>,
    /// Name in the user's profile.
    pub name: Option<String>,
    /// Username that the user has chosen.
    pub username: Option<String>,
}
