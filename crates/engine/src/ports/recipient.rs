//! Recipient of a message.

use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;

/// Recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Phone number.
    Phone(PhoneNumber),
    /// Business-scoped user ID.
    Bsuid(Bsuid),
}

impl Recipient {
    /// Returns the key of the recipient in pacing: the digits of the number, or the business-scoped user ID.
    pub fn key(&self) -> &str {
        match self {
            Self::Phone(number) => number.digits(),
            Self::Bsuid(user) => user.as_str(),
        }
    }
}
