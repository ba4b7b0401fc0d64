//! Verification at Meta that an access token belongs to a phone number and to its WhatsApp Business Account.
//!
//! **Invariant:** a workspace gets a live phone number only with an access token that can read the number and its WhatsApp
//! Business Account, so that no workspace takes the number of another business. The command line, whose user has full access
//! anyway, skips the verification. A sandbox account uses the simulator and is not verified.

use domain::meta_error::MetaError;

use super::upstream_error::meta_error_message;
use crate::Deps;
use crate::ports::{AccountCredentials, PhoneNumberInfo, UpstreamError};

/// Decision about the verification of a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The account is not created if it cannot be verified.
    Required,
    /// The account is created without verification.
    Skipped,
}

/// Field of an account that Meta refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedField {
    /// The access token.
    AccessToken,
    /// The id of the phone number.
    PhoneNumberId,
    /// The id of the WhatsApp Business Account.
    WabaId,
}

impl VerifiedField {
    /// Returns the name of the field in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::PhoneNumberId => "phone_number_id",
            Self::WabaId => "waba_id",
        }
    }
}

/// Reason why an account is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// Meta refused a field of the account.
    #[error("meta refused {}: {reason}", field.as_str())]
    Refused {
        /// Refused field.
        field: VerifiedField,
        /// Reason, as sentences.
        reason: String,
    },
    /// Meta limits the rate of calls or cannot be reached: the same request may succeed later.
    #[error(transparent)]
    Upstream(UpstreamError),
}

/// Verifies that the access token can read the phone number and its WhatsApp Business Account, and that the number belongs
/// to that WhatsApp Business Account. Returns Meta's information about the number.
///
/// # Errors
/// Meta refused a field, or cannot be reached.
pub(super) async fn verify_account(
    deps: &Deps,
    credentials: &AccountCredentials,
) -> Result<PhoneNumberInfo, VerificationError> {
    let number = deps.upstream.get_phone_number(credentials).await;
    let number = number.map_err(|error| refused(VerifiedField::PhoneNumberId, error))?;
    let has_number = deps.upstream.has_phone_number(credentials).await;
    if has_number.map_err(|error| refused(VerifiedField::WabaId, error))? {
        return Ok(number);
    }
    let reason = "this WhatsApp Business Account does not have the phone number".to_owned();
    Err(VerificationError::Refused { field: VerifiedField::WabaId, reason })
}

/// Returns the error of a call that reads the object of a field.
fn refused(field: VerifiedField, error: UpstreamError) -> VerificationError {
    let refusal = |field, error: &MetaError| VerificationError::Refused {
        field,
        reason: meta_error_message(error).trim_end_matches('.').to_owned(),
    };
    match &error {
        UpstreamError::Refused(meta) if meta.is_token_error() => refusal(VerifiedField::AccessToken, meta),
        UpstreamError::Refused(meta) if meta.is_permission_error() => refusal(field, meta),
        UpstreamError::Refused(_) | UpstreamError::Throttled { .. } | UpstreamError::Unreachable(_) => {
            VerificationError::Upstream(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_token_or_the_object_that_the_token_may_not_read() {
        let refused_field = |code, subcode| {
            let error = MetaError { code, subcode, ..MetaError::default() };
            match refused(VerifiedField::WabaId, UpstreamError::Refused(error)) {
                VerificationError::Refused { field, reason } => {
                    assert!(reason.contains(&code.to_string()) && !reason.ends_with('.'), "{reason}");
                    Some(field)
                }
                VerificationError::Upstream(_) => None,
            }
        };
        assert_eq!(refused_field(190, None), Some(VerifiedField::AccessToken));
        for (code, subcode) in [(100, Some(33)), (10, None), (200, None)] {
            assert_eq!(refused_field(code, subcode), Some(VerifiedField::WabaId), "{code}");
        }
        // The account may be right: the same request may succeed later.
        for code in [1, 2, 4, 80_008] {
            assert_eq!(refused_field(code, None), None, "{code}");
        }
        let unreachable = UpstreamError::Unreachable("no route".to_owned());
        assert!(matches!(
            refused(VerifiedField::PhoneNumberId, unreachable),
            VerificationError::Upstream(UpstreamError::Unreachable(_))
        ));
    }
}
