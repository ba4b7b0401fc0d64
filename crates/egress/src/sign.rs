//! The signatures of a webhook call.
//!
//! There are two, so that a receiver can verify the one that it supports. `X-Webhook-Signature` is HMAC-SHA256 of the
//! body, keyed with the secret as text. The Standard Webhooks signature covers id, timestamp and body, keyed with the
//! bytes that the secret's base64 part encodes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::ports::WebhookRequest;
use engine::webhooks_out::secret::PREFIX;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::error::EgressError;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const PLAIN: HeaderName = HeaderName::from_static("x-webhook-signature");
const PLAIN_PREVIOUS: HeaderName = HeaderName::from_static("x-webhook-signature-previous");

/// Adds all signatures of a call to its headers.
pub(crate) fn sign(call: &WebhookRequest, headers: &mut HeaderMap) -> Result<(), EgressError> {
    if call.secrets.is_empty() {
        // No call is made without a signature.
        return Err(EgressError::Secret);
    }
    let id = HeaderValue::from_str(&call.event_id).map_err(|_| EgressError::Header)?;
    let timestamp = call.at.as_second();
    let mut standard = String::new();
    for secret in &call.secrets {
        let key = secret.expose_secret().strip_prefix(PREFIX).ok_or(EgressError::Secret)?;
        let key = STANDARD.decode(key).map_err(|_| EgressError::Secret)?;
        let head = format!("{}.{timestamp}.", call.event_id);
        let digest = hmac(&key, &[head.as_bytes(), &call.body])?;
        standard.push_str(if standard.is_empty() { "v1," } else { " v1," });
        STANDARD.encode_string(digest, &mut standard);
    }
    for (name, secret) in [PLAIN, PLAIN_PREVIOUS].into_iter().zip(&call.secrets) {
        let digest = hmac(secret.expose_secret().as_bytes(), &[&call.body])?;
        let value = HeaderValue::try_from(hex(&digest)).map_err(|_| EgressError::Header)?;
        headers.insert(name, value);
    }
    headers.insert(ID, id);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(SIGNATURE, HeaderValue::try_from(standard).map_err(|_| EgressError::Header)?);
    Ok(())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], EgressError> {
    // HMAC accepts a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| EgressError::Secret)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use secrecy::SecretString;
    use sha2::Digest as _;

    use super::*;

    /// The secret, id, time and body of the example in the Standard Webhooks specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OLD: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const EVENT: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn call(secrets: &[&str], id: &str, at: i64, body: &[u8]) -> WebhookRequest {
        WebhookRequest {
            url: String::new(),
            headers: Vec::new(),
            secrets: secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
            event_id: id.to_owned(),
            at: Timestamp::from_second(at).expect("a time"),
            body: Bytes::copy_from_slice(body),
            is_redelivery: false,
        }
    }

    fn signed(call: &WebhookRequest) -> HeaderMap {
        let mut headers = HeaderMap::new();
        sign(call, &mut headers).expect("a signature");
        headers
    }

    #[test]
    fn both_signatures_match_known_values() {
        let headers = signed(&call(&[SECRET], EVENT, 1_614_265_330, BODY));
        assert_eq!(headers["webhook-id"], EVENT);
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        // The vector of the Standard Webhooks specification.
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        // Computed with `openssl dgst -sha256 -hmac`.
        assert_eq!(
            headers["x-webhook-signature"],
            "80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c"
        );
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn during_a_rotation_both_secrets_sign() {
        let headers = signed(&call(&[SECRET, OLD], EVENT, 1_614_265_330, BODY));
        assert_eq!(
            headers["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI="
        );
        assert_eq!(
            headers["x-webhook-signature"],
            "80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c"
        );
        assert_eq!(
            headers["x-webhook-signature-previous"],
            "4685c9d16f64a759d47846eae0e4f6c75bedef25470e9a0e099c5a56f2f5571f"
        );
    }

    #[test]
    fn a_secret_with_another_format_is_not_used() {
        for secret in ["", "hunter2", "whsec_***", "whsec_AAEC=", "WHSEC_AAEC"] {
            let refused = sign(&call(&[secret], EVENT, 0, BODY), &mut HeaderMap::new());
            let failure = refused.expect_err(secret);
            assert!(secret.is_empty() || !failure.reason().contains(secret), "{failure}");
        }
    }

    #[test]
    fn without_a_secret_no_call_is_made() {
        assert!(sign(&call(&[], EVENT, 0, BODY), &mut HeaderMap::new()).is_err());
    }

    #[test]
    fn an_id_with_a_line_break_is_not_sent() {
        assert!(sign(&call(&[SECRET], "a\r\nb: c", 0, BODY), &mut HeaderMap::new()).is_err());
    }

    /// HMAC-SHA256, written out after RFC 2104.
    fn by_hand(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut block = [0; 64];
        let digest = Sha256::digest(key);
        let key = if key.len() > 64 { digest.as_slice() } else { key };
        block[..key.len()].copy_from_slice(key);
        let padded = |pad: u8, rest: &[u8]| {
            let mut bytes = block.map(|byte| byte ^ pad).to_vec();
            bytes.extend_from_slice(rest);
            Sha256::digest(&bytes)
        };
        padded(0x5c, padded(0x36, message).as_slice()).into()
    }

    proptest! {
        #[test]
        fn every_signature_matches_its_definition(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..3),
            id in "[a-zA-Z0-9_-]{1,40}",
            at in 0_i64..4_000_000_000,
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let secrets: Vec<_> = keys.iter().map(|key| format!("{PREFIX}{}", STANDARD.encode(key))).collect();
            let texts: Vec<_> = secrets.iter().map(String::as_str).collect();
            let headers = signed(&call(&texts, &id, at, &body));
            let mut content = format!("{id}.{at}.").into_bytes();
            content.extend_from_slice(&body);
            let signature = headers["webhook-signature"].to_str().expect("text");
            let parts: Vec<_> = signature.split(' ').collect();
            prop_assert_eq!(parts.len(), keys.len());
            for (part, key) in parts.iter().zip(&keys) {
                let digest = STANDARD.decode(part.strip_prefix("v1,").expect("a version")).expect("base64");
                prop_assert_eq!(digest, by_hand(key, &content));
            }
            for (name, secret) in ["x-webhook-signature", "x-webhook-signature-previous"].iter().zip(&secrets) {
                let digest = by_hand(secret.as_bytes(), &body);
                prop_assert_eq!(headers[*name].to_str().expect("text"), hex(&digest));
            }
        }
    }
}
