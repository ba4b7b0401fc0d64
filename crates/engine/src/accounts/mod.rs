//! WhatsApp accounts: creation, changes, deletion, suspension, checks, phone numbers.
//!
//! **Invariant:** no message is sent through an account that is suspended, also if the store does not know of the
//! suspension yet.

mod audit;
pub mod checks;
pub mod create;
pub mod delete;
pub mod messaging_limit;
pub mod phone_number;
pub(crate) mod state;
pub mod suspension;
pub mod update;
pub mod upstream_error;
pub mod verification;
pub mod verify_token;

pub use checks::{ACCOUNT_CHECKS, AccountCheck, test_account};
pub use create::{CreateAccountError, NewAccountRequest, create_account};
pub use delete::delete_account;
pub use messaging_limit::messaging_limit_usage;
pub use phone_number::refresh_phone_numbers;
pub(crate) use suspension::{
    is_probe_due, is_suspended, resume_after_probe, suspend_sender, write_suspensions,
};
pub use suspension::{resume_account, suspend_account};
pub use update::{OLD_APP_SECRET_LIFETIME, UpdateAccountError, UpdateAccountRequest, update_account};
pub use upstream_error::upstream_error_message;
pub use verification::{Verification, VerificationError, VerifiedField};
pub use verify_token::is_verify_token;
