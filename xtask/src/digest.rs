//! SHA-256 and HMAC-SHA256 as lower-case hexadecimal text.

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Returns the SHA-256 of some bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the HMAC-SHA256 of some bytes, as Meta signs its webhooks.
pub(crate) fn hmac_sha256_hex(key: &str, bytes: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).context("making a signature key")?;
    mac.update(bytes);
    Ok(hex(&mac.finalize().into_bytes()))
}

/// Returns bytes as hexadecimal text.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            text.clear();
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_signature_matches_the_test_vector() {
        let signature =
            hmac_sha256_hex("demo-app-secret", br#"{"object":"whatsapp_business_account","entry":[]}"#);
        assert_eq!(signature.unwrap(), "d6003bedf605fdf46943662e7d2065e132f4b26764d6ec946ba3fae527acafc2");
    }
}
