//! Verify tokens, with which Meta verifies the callback URL.
//!
//! **Invariant:** the store has only the SHA-256 digest of a verify token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Deps;

/// Returns the digest of a verify token.
pub(super) fn verify_token_digest(verify_token: &SecretString) -> [u8; 32] {
    Sha256::digest(verify_token.expose_secret().as_bytes()).into()
}

/// Returns `true` if the text is the verify token of an account, or the token of the gateway's own check of the callback
/// URL. Compares in constant time.
pub fn is_verify_token(deps: &Deps, presented: &str) -> bool {
    let digest: [u8; 32] = Sha256::digest(presented).into();
    deps.directory.current().accounts.iter().filter_map(|record| record.verify_token_digest.as_ref()).any(
        |known| {
            let is_of_account = known.ct_eq(&digest);
            let is_of_check = check_token(known).as_bytes().ct_eq(presented.as_bytes());
            bool::from(is_of_account | is_of_check)
        },
    )
}

/// Returns the token with which the gateway checks its own callback URL. The verify token itself is not known: only its
/// digest is stored.
pub(super) fn check_token(verify_token_digest: &[u8; 32]) -> String {
    let digest =
        Sha256::new().chain_update("waypost callback probe").chain_update(verify_token_digest).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}
