//! Signing secrets of webhook endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use crate::ports::Random;

/// Prefix of a signing secret, as Standard Webhooks specifies.
pub const PREFIX: &str = "whsec_";

/// Generates a signing secret: `whsec_` and 32 random bytes in base64.
pub fn generate(random: &dyn Random) -> SecretString {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let mut secret = String::with_capacity(PREFIX.len() + 44);
    secret.push_str(PREFIX);
    STANDARD.encode_string(bytes, &mut secret);
    SecretString::from(secret)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, value) in bytes.iter_mut().zip(0..) {
                *byte = value;
            }
        }
    }

    #[test]
    fn a_secret_is_its_prefix_and_32_random_bytes() {
        assert_eq!(generate(&Counting).expose_secret(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }
}
