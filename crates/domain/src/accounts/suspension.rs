//! Suspension of accounts: nothing is sent until the account is resumed.

use crate::text_enum;
/// Change of the suspension of the accounts of a WhatsApp Business Account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuspensionChange {
    /// The accounts are suspended.
    Suspend(SuspensionCause, &'static str),
    /// The suspension for this cause ends.
    Resume(SuspensionCause),
}

text_enum! {
    /// Cause of a suspension.
    pub enum SuspensionCause {
        /// Meta refused a message or the access token.
        Refused = "refused",
        /// Meta has disabled the WhatsApp Business Account.
        Disabled = "disabled",
        /// The app was removed from the WhatsApp Business Account.
        AppRemoved = "app_removed",
    }
}
