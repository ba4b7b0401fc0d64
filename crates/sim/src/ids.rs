//! Ids, hashes and signatures: everything that looks random comes from the seed, a counter and the clock.
//!
//! **Invariant:** no id is made from anything else, so that the same calls on a fixed clock give the same ids; and with
//! a real clock no id of an earlier run comes again.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// 32 bytes that depend on all the arguments.
pub(crate) fn digest(seed: u64, label: &str, counter: u64, now: i64) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_be_bytes());
    hasher.update(label.as_bytes());
    hasher.update(counter.to_be_bytes());
    hasher.update(now.to_be_bytes());
    hasher.finalize().into()
}

/// The first eight bytes as a number.
pub(crate) fn number_of(bytes: &[u8; 32]) -> u64 {
    bytes.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// A Graph id: 15 digits, the first never 0.
pub(crate) fn graph_id(bytes: &[u8; 32]) -> String {
    (100_000_000_000_000 + number_of(bytes) % 900_000_000_000_000).to_string()
}

/// Lower-case hex of the bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    text
}

/// Direction of a message, which is a part of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the business to the customer.
    Out,
    /// From the customer to the business.
    In,
}

/// A message id in Meta's shape: base64 of the peer and of an id of 18 (out) or 20 (in) characters.
pub(crate) fn wamid(direction: Direction, peer: &str, bytes: &[u8; 32]) -> String {
    let hex: String = hex(bytes).to_uppercase().chars().take(18).collect();
    let (mark, own) = match direction {
        Direction::Out => (0x11, hex),
        Direction::In => (0x12, format!("3A{hex}")),
    };
    let mut raw = vec![0x1C, 0x18, short_len(peer)];
    raw.extend_from_slice(peer.as_bytes());
    raw.extend_from_slice(&[0x15, 0x02, 0x00, mark, 0x18, short_len(&own)]);
    raw.extend_from_slice(own.as_bytes());
    raw.push(0);
    format!("wamid.{}", STANDARD.encode(raw))
}

fn short_len(text: &str) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}

/// The trace id of an error, as Graph shows it.
pub(crate) fn trace(bytes: &[u8; 32]) -> String {
    let text: String = STANDARD.encode(bytes).chars().filter(char::is_ascii_alphanumeric).take(22).collect();
    format!("A{text}")
}

/// Lower-case hex HMAC-SHA256.
pub(crate) fn hmac_hex(key: &str, message: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(message);
    hex(&mac.finalize().into_bytes())
}

/// SHA-256 of some content.
pub(crate) fn sha256(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// Standard base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a base64 text; `None` when it is none.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Compares two secrets in constant time.
pub(crate) fn same_secret(left: &str, right: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(left.as_bytes(), right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wamid_has_the_shape_of_the_reference() {
        // The sample's own id is not ours to choose, so its bytes are rebuilt around a given one.
        let sample = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMEQxRTJGM0E0QjVDNkQ3RThGAA==";
        let mut bytes = [0; 32];
        bytes[..9].copy_from_slice(&[0x0D, 0x1E, 0x2F, 0x3A, 0x4B, 0x5C, 0x6D, 0x7E, 0x8F]);
        assert_eq!(wamid(Direction::Out, "447700900123", &bytes), sample);
        let inbound = wamid(Direction::In, "447700900123", &bytes);
        assert!(inbound.starts_with("wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0Ew"), "{inbound}");
    }

    #[test]
    fn the_vectors_of_the_reference_hold() {
        assert_eq!(
            hmac_hex("demo-app-secret", br#"{"object":"whatsapp_business_account","entry":[]}"#),
            "d6003bedf605fdf46943662e7d2065e132f4b26764d6ec946ba3fae527acafc2"
        );
        assert_eq!(
            hmac_hex("demo-app-secret", b"demo-access-token"),
            "aed6826bfacdf6c46c9b96c4dc4634d148ee2c2fd274a9976d9ef754c800814d"
        );
    }
}
