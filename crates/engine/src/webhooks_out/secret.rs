//! The secrets that sign what we post to our customers' endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use crate::ports::Random;

/// What each secret begins with, as the Standard Webhooks have it.
pub const PREFIX: &str = "whsec_";

/// A fresh secret: `whsec_` and 32 random bytes as base64.
pub fn fresh(random: &dyn Random) -> SecretString {
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
    fn a_secret_is_32_bytes_of_chance_behind_its_prefix() {
        assert_eq!(fresh(&Counting).expose_secret(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }
}
