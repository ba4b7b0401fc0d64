//! The signature of Meta's webhooks: `X-Hub-Signature-256`, HMAC-SHA256 of the received bytes, keyed with the app
//! secret (Meta: Webhooks, Validating payloads,
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads>).
//!
//! **Invariant:** the duration of a comparison does not depend on the expected signature.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Returns `true` if `header`, the value of `X-Hub-Signature-256`, is the signature of exactly these bytes.
///
/// The header is `sha256=` and 64 hexadecimal digits in upper or lower case. Any other value, and a missing header,
/// is `false`.
#[must_use]
pub fn verify(header: Option<&[u8]>, body: &[u8], secret: &SecretString) -> bool {
    let Some(parse_digest) = header.and_then(parse_digest) else { return false };
    // HMAC accepts a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&parse_digest).is_ok()
}

/// Returns `true` if `header` has the form of a signature. No bytes are needed for this check.
#[must_use]
pub fn is_signature(header: &[u8]) -> bool {
    parse_digest(header).is_some()
}

/// Returns the digest in a header.
fn parse_digest(header: &[u8]) -> Option<[u8; 32]> {
    let (pairs, []) = header.strip_prefix(b"sha256=")?.as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // A fixed test vector.
    const BODY: &[u8] = br#"{"object":"whatsapp_business_account","entry":[]}"#;
    const HEX: &str = "d6003bedf605fdf46943662e7d2065e132f4b26764d6ec946ba3fae527acafc2";

    fn secret() -> SecretString {
        SecretString::from("demo-app-secret")
    }

    fn is_valid(header: &str) -> bool {
        verify(Some(header.as_bytes()), BODY, &secret())
    }

    #[test]
    fn the_test_vector_verifies_in_upper_and_lower_case() {
        assert!(is_valid(&format!("sha256={HEX}")));
        assert!(is_valid(&format!("sha256={}", HEX.to_uppercase())));
    }

    #[test]
    fn another_body_secret_or_signature_does_not_verify() {
        assert!(!verify(Some(format!("sha256={HEX}").as_bytes()), b"{}", &secret()));
        assert!(!verify(Some(format!("sha256={HEX}").as_bytes()), BODY, &SecretString::from("another")));
        assert!(!is_valid(&format!("sha256={}3", &HEX[..63])));
    }

    #[test]
    fn only_the_exact_format_is_accepted() {
        assert!(!verify(None, BODY, &secret()));
        for header in
            ["", "sha256=", HEX, &format!("sha1={HEX}"), &format!("SHA256={HEX}"), &format!(" sha256={HEX}")]
        {
            assert!(!is_valid(header), "{header:?}");
        }
        assert!(!is_valid(&format!("sha256={HEX} ")));
        assert!(!is_valid(&format!("sha256={HEX}00")));
        assert!(!is_valid(&format!("sha256={}", &HEX[..62])));
        assert!(!is_valid(&format!("sha256={}", &HEX[..63])));
        assert!(!is_valid(&format!("sha256={}zz", &HEX[..62])));
    }

    proptest! {
        #[test]
        fn no_other_header_verifies(header in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(!verify(Some(&header), BODY, &secret()));
        }

        #[test]
        fn no_random_signature_verifies(hex in "sha256=[0-9a-fA-F]{60,68}") {
            prop_assert!(!is_valid(&hex));
        }
    }
}
