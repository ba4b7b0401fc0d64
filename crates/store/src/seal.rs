//! Secrets at rest: sealed with XChaCha20-Poly1305, bound to the row and column that they stand in.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use engine::ports::Chance;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

/// What a sealed value starts with: the version of this format.
const VERSION: u8 = 1;

const KEY_ID_BYTES: usize = 4;

const NONCE_BYTES: usize = 24;

/// Why a secret cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has another length.
    #[error("secret_key must be 32 bytes (base64)")]
    KeyLength,
    /// Sealed with another key.
    #[error("sealed with another secret_key")]
    OtherKey,
    /// Not what was sealed, or not where it was sealed.
    #[error("a sealed secret is damaged")]
    Damaged,
}

/// Seals and opens secrets with the installation's `secret_key`; opens what an old key has sealed, too.
#[derive(Clone)]
pub struct Sealer {
    present: Key,
    old: Option<Key>,
    chance: Arc<dyn Chance>,
}

/// One key, and by what its seals are known.
#[derive(Clone)]
struct Key {
    cipher: XChaCha20Poly1305,
    id: [u8; KEY_ID_BYTES],
}

impl Key {
    fn new(key: &SecretSlice<u8>) -> Result<Self, SealError> {
        let key = key.expose_secret();
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| SealError::KeyLength)?;
        let digest = Sha256::new().chain_update(b"waypost key id").chain_update(key).finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Ok(Self { cipher, id })
    }
}

/// Which key has sealed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedWith {
    /// The one that seals.
    Present,
    /// The one that only opens.
    Old,
    /// None of both.
    Other,
}

impl Sealer {
    /// A sealer with this key: 32 bytes.
    ///
    /// # Errors
    /// `KeyLength` for any other length.
    pub fn new(key: &SecretSlice<u8>, chance: Arc<dyn Chance>) -> Result<Self, SealError> {
        Ok(Self { present: Key::new(key)?, old: None, chance })
    }

    /// The same, and it opens what this key has sealed.
    ///
    /// # Errors
    /// `KeyLength` unless it has 32 bytes.
    pub fn with_old(self, key: &SecretSlice<u8>) -> Result<Self, SealError> {
        Ok(Self { old: Some(Key::new(key)?), ..self })
    }

    /// By what the seals of the present key are known.
    pub(crate) fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.present.id
    }

    /// Which key has sealed this.
    pub(crate) fn sealed_with(&self, sealed: &[u8]) -> SealedWith {
        let id = sealed.split_first().and_then(|(_, rest)| rest.first_chunk::<KEY_ID_BYTES>());
        match id {
            Some(id) if *id == self.present.id => SealedWith::Present,
            Some(id) if self.old.as_ref().is_some_and(|old| *id == old.id) => SealedWith::Old,
            Some(_) | None => SealedWith::Other,
        }
    }

    /// Seals `secret` for `place`, such as `accounts/<id>/access_token`.
    pub(crate) fn seal(&self, place: &str, secret: &SecretString) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        self.chance.fill(&mut nonce);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: place.as_bytes() };
        let sealed =
            self.present.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
        let mut bytes = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.present.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens what [`Sealer::seal`] sealed for the same place.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<SecretString, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(SealError::Damaged)?;
        let (nonce, message) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        if version != VERSION {
            return Err(SealError::Damaged);
        }
        let keys = std::iter::once(&self.present).chain(&self.old);
        let key = keys.into_iter().find(|key| key.id == *key_id).ok_or(SealError::OtherKey)?;
        let payload = Payload { msg: message, aad: place.as_bytes() };
        let opened = key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Damaged)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| SealError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Chance for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&SecretSlice::from(vec![key; 32]), Arc::new(Ones)).expect("a key")
    }

    #[test]
    fn a_sealed_secret_opens_in_its_place_only() {
        let sealed = sealer(7).seal("accounts/1/access_token", &"demo-token".into()).expect("sealed");
        assert!(!sealed.windows(4).any(|bytes| bytes == b"demo"));
        let opened = sealer(7).open("accounts/1/access_token", &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "demo-token");
        assert_eq!(sealer(7).open("accounts/2/access_token", &sealed).err(), Some(SealError::Damaged));
    }

    #[test]
    fn another_key_is_told_apart_from_damage() {
        let mut sealed = sealer(7).seal("place", &"demo-token".into()).expect("sealed");
        assert_eq!(sealer(8).open("place", &sealed).err(), Some(SealError::OtherKey));
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        assert_eq!(sealer(7).open("place", &sealed).err(), Some(SealError::Damaged));
        assert_eq!(sealer(7).open("place", &[]).err(), Some(SealError::Damaged));
    }

    #[test]
    fn an_old_key_opens_and_does_not_seal() {
        let sealed = sealer(7).seal("place", &"demo-token".into()).expect("sealed");
        let both = sealer(8).with_old(&SecretSlice::from(vec![7; 32])).expect("a key");
        assert_eq!(both.sealed_with(&sealed), SealedWith::Old);
        assert_eq!(both.open("place", &sealed).expect("opened").expose_secret(), "demo-token");
        let again = both.seal("place", &"demo-token".into()).expect("sealed");
        assert_eq!(both.sealed_with(&again), SealedWith::Present);
        assert_eq!(sealer(8).open("place", &again).expect("opened").expose_secret(), "demo-token");
        assert_eq!(sealer(9).sealed_with(&again), SealedWith::Other);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let short = Sealer::new(&SecretSlice::from(vec![1; 31]), Arc::new(Ones));
        assert_eq!(short.err(), Some(SealError::KeyLength));
    }
}
