//! Our WhatsApp senders.

use std::str::FromStr;

use crate::id::{AccountId, WorkspaceId};
use crate::message::UnknownWord;

/// A WhatsApp sender of a workspace, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The tenant that owns it.
    pub workspace: WorkspaceId,
    /// What people call it; one per workspace.
    pub name: String,
    /// Meta's id of the number, digits.
    pub phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account, digits.
    pub waba_id: String,
    /// The number as Meta shows it.
    pub display_phone_number: Option<String>,
    /// Meta's quality rating: `GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`.
    pub quality_rating: Option<String>,
    /// Meta's messaging limit, such as `TIER_2K`.
    pub messaging_limit_tier: Option<String>,
    /// Whether messages may leave through it.
    pub status: AccountStatus,
    /// Why it is held.
    pub status_reason: Option<String>,
    /// Whether a send that names no account uses it; one per workspace.
    pub is_default: bool,
    /// Whether it talks to the simulator.
    pub is_sandbox: bool,
}

/// Whether messages may leave through an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// They may.
    Connected,
    /// Meta refused the account or its token: nothing leaves until someone acts.
    Held,
    /// Switched off.
    Disconnected,
}

impl AccountStatus {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Held => "held",
            Self::Disconnected => "disconnected",
        }
    }
}

impl FromStr for AccountStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Connected, Self::Held, Self::Disconnected]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownWord)
    }
}
