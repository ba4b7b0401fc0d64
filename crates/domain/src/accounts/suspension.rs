//! Suspension of accounts: nothing is sent until the cause is gone.

use crate::text_enum;
/// Whether Meta lets a WhatsApp Business Account send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuspensionChange {
    /// Nothing leaves until Meta, or somebody here, takes it back.
    Suspend(SuspensionCause, &'static str),
    /// What held it for this cause is over.
    Resume(SuspensionCause),
}

text_enum! {
    /// Why an account is held.
    pub enum SuspensionCause {
        /// Meta refused a message or the access token.
        Refused = "refused",
        /// Meta has disabled the WhatsApp Business Account.
        Disabled = "disabled",
        /// The app was taken off the WhatsApp Business Account.
        AppRemoved = "app_removed",
    }
}
