//! Encryption of secrets: sealed with XChaCha20-Poly1305, bound to the row and column of the value.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use engine::ports::Random;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

use crate::cursors::CursorKey;

/// Version of the format: the first byte of a sealed value.
const VERSION: u8 = 1;

const KEY_ID_BYTES: usize = 4;

const NONCE_BYTES: usize = 24;

/// Error of sealing or opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key does not have 32 bytes.
    #[error("secret_key must be 32 bytes (base64)")]
    KeyLength,
    /// The value was sealed with another key.
    #[error("the value was encrypted with another secret_key")]
    OtherKey,
    /// The value is damaged, or was sealed for another row or column.
    #[error("an encrypted secret is damaged")]
    Damaged,
}

/// Seals and opens secrets with the installation's `secret_key`, and opens values that were sealed with an old key.
#[derive(Clone)]
pub struct Sealer {
    present: Key,
    old: Option<Key>,
    random: Arc<dyn Random>,
}

/// Key with its identifier.
#[derive(Clone)]
struct Key {
    cipher: XChaCha20Poly1305,
    id: [u8; KEY_ID_BYTES],
    /// Key of [`Sealer::keyed_digest`].
    digest_key: [u8; 32],
    cursor_key: CursorKey,
}

impl Key {
    fn new(key: &SecretSlice<u8>) -> Result<Self, SealError> {
        let key = key.expose_secret();
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| SealError::KeyLength)?;
        let digest = Sha256::new().chain_update(b"waypost key id").chain_update(key).finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(byte, digest_byte)| *byte = digest_byte);
        let digest_key =
            Sha256::new().chain_update(b"waypost digest key").chain_update(key).finalize().into();
        Ok(Self { cipher, id, digest_key, cursor_key: CursorKey::derive(key) })
    }
}

impl Key {
    /// Both parts have a fixed length, so that no longer value has the same hash.
    fn keyed_digest(&self, digest: &[u8; 32]) -> [u8; 32] {
        Sha256::new().chain_update(self.digest_key).chain_update(digest).finalize().into()
    }
}

/// Key of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedWith {
    /// The present key.
    Present,
    /// The old key.
    Old,
    /// Another key.
    Other,
}

impl Sealer {
    /// Creates a sealer with a key of 32 bytes.
    ///
    /// # Errors
    /// `KeyLength` for any other length.
    pub fn new(key: &SecretSlice<u8>, random: Arc<dyn Random>) -> Result<Self, SealError> {
        Ok(Self { present: Key::new(key)?, old: None, random })
    }

    /// Adds an old key, with which values are only opened.
    ///
    /// # Errors
    /// `KeyLength` unless the key has 32 bytes.
    pub fn with_old(self, key: &SecretSlice<u8>) -> Result<Self, SealError> {
        Ok(Self { old: Some(Key::new(key)?), ..self })
    }

    /// Returns the identifier of the present key.
    pub(crate) fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.present.id
    }

    /// Returns the key of a sealed value.
    pub(crate) fn sealed_with(&self, sealed: &[u8]) -> SealedWith {
        let id = sealed.split_first().and_then(|(_, rest)| rest.first_chunk::<KEY_ID_BYTES>());
        match id {
            Some(id) if *id == self.present.id => SealedWith::Present,
            Some(id) if self.old.as_ref().is_some_and(|old| *id == old.id) => SealedWith::Old,
            Some(_) | None => SealedWith::Other,
        }
    }

    /// Returns the key that encrypts cursors.
    pub(crate) fn cursor_key(&self) -> &CursorKey {
        &self.present.cursor_key
    }

    /// Returns the keys that decrypt cursors.
    pub(crate) fn cursor_keys(&self) -> impl Iterator<Item = &CursorKey> {
        std::iter::once(&self.present).chain(&self.old).map(|key| &key.cursor_key)
    }

    /// Returns a hash of a digest that depends on the secret key. A digest of a password or of another value that can be
    /// guessed is stored only in this form.
    pub(crate) fn keyed_digest(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.present.keyed_digest(digest)
    }

    /// Returns `true` if `stored` is the hash of the digest with the present or the old key.
    pub(crate) fn is_keyed_digest(&self, stored: &[u8; 32], digest: &[u8; 32]) -> bool {
        std::iter::once(&self.present).chain(&self.old).any(|key| key.keyed_digest(digest) == *stored)
    }

    /// Seals `secret` for a context, such as `accounts/<id>/access_token`.
    pub(crate) fn seal(&self, context: &str, secret: &SecretString) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: context.as_bytes() };
        let sealed =
            self.present.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
        let mut bytes = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.present.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens a value that [`Sealer::seal`] sealed for the same context.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Result<SecretString, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(SealError::Damaged)?;
        let (nonce, message) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        if version != VERSION {
            return Err(SealError::Damaged);
        }
        let keys = std::iter::once(&self.present).chain(&self.old);
        let key = keys.into_iter().find(|key| key.id == *key_id).ok_or(SealError::OtherKey)?;
        let payload = Payload { msg: message, aad: context.as_bytes() };
        let opened = key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Damaged)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| SealError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Random for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&SecretSlice::from(vec![key; 32]), Arc::new(Ones)).expect("a key")
    }

    #[test]
    fn a_sealed_secret_opens_only_in_its_context() {
        let sealed = sealer(7).seal("accounts/1/access_token", &"demo-token".into()).expect("sealed");
        assert!(!sealed.windows(4).any(|bytes| bytes == b"demo"));
        let opened = sealer(7).open("accounts/1/access_token", &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "demo-token");
        assert_eq!(sealer(7).open("accounts/2/access_token", &sealed).err(), Some(SealError::Damaged));
    }

    #[test]
    fn a_value_of_another_key_and_a_damaged_value_have_different_errors() {
        let mut sealed = sealer(7).seal("context", &"demo-token".into()).expect("sealed");
        assert_eq!(sealer(8).open("context", &sealed).err(), Some(SealError::OtherKey));
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        assert_eq!(sealer(7).open("context", &sealed).err(), Some(SealError::Damaged));
        assert_eq!(sealer(7).open("context", &[]).err(), Some(SealError::Damaged));
    }

    #[test]
    fn an_old_key_opens_values_but_does_not_seal_them() {
        let sealed = sealer(7).seal("context", &"demo-token".into()).expect("sealed");
        let both = sealer(8).with_old(&SecretSlice::from(vec![7; 32])).expect("a key");
        assert_eq!(both.sealed_with(&sealed), SealedWith::Old);
        assert_eq!(both.open("context", &sealed).expect("opened").expose_secret(), "demo-token");
        let resealed = both.seal("context", &"demo-token".into()).expect("sealed");
        assert_eq!(both.sealed_with(&resealed), SealedWith::Present);
        assert_eq!(sealer(8).open("context", &resealed).expect("opened").expose_secret(), "demo-token");
        assert_eq!(sealer(9).sealed_with(&resealed), SealedWith::Other);
    }

    #[test]
    fn a_key_of_another_length_is_rejected() {
        let short = Sealer::new(&SecretSlice::from(vec![1; 31]), Arc::new(Ones));
        assert_eq!(short.err(), Some(SealError::KeyLength));
    }
}
