//! The identity of a WhatsApp user in webhooks.

/// Who wrote or called: at least one of the two ids is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatsAppUser {
    /// The phone number as Meta writes it: digits.
    pub wa_id: Option<String>,
    /// The business-scoped user id.
    pub user_id: Option<String>,
    /// The name that the person gave to the profile.
    pub name: Option<String>,
    /// The user name that the person has chosen.
    pub username: Option<String>,
}
