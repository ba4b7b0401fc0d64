//! Cursors of lists: positions, encrypted with a key of their own and bound to the list and its workspace.
//!
//! The nonce is a keyed digest of what is encrypted. Equal positions of one list have equal cursors, and different ones
//! have different nonces. All processes with the same `secret_key` read the same cursors.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use domain::id::WorkspaceId;
use sha2::{Digest, Sha256};

const NONCE_BYTES: usize = 24;

const POSITION_BYTES: usize = 8;

/// Key of cursors, derived from the installation's `secret_key`.
#[derive(Clone)]
pub(crate) struct CursorKey {
    cipher: XChaCha20Poly1305,
    nonce_key: [u8; 32],
}

impl CursorKey {
    /// Derives the key from a secret key.
    pub(crate) fn derive(secret_key: &[u8]) -> Self {
        let derive = |name: &[u8]| Sha256::new().chain_update(name).chain_update(secret_key).finalize();
        let cipher = XChaCha20Poly1305::new(&derive(b"waypost cursor key"));
        Self { cipher, nonce_key: derive(b"waypost cursor nonce key").into() }
    }

    /// Encrypts a position.
    pub(crate) fn seal(
        &self,
        workspace: WorkspaceId,
        list: &str,
        position: i64,
    ) -> Result<Vec<u8>, chacha20poly1305::Error> {
        let context = context(workspace, list);
        let position = position.to_le_bytes();
        // The parts before the name of the list have a fixed length, so that no other parts have the same digest.
        let digest = Sha256::new()
            .chain_update(self.nonce_key)
            .chain_update(position)
            .chain_update(&context)
            .finalize();
        let mut nonce = [0; NONCE_BYTES];
        nonce.iter_mut().zip(digest).for_each(|(byte, digest_byte)| *byte = digest_byte);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: &position, aad: &context })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts a position; `None` if the bytes were not encrypted with this key for this list of this workspace.
    pub(crate) fn open(&self, workspace: WorkspaceId, list: &str, cursor: &[u8]) -> Option<i64> {
        let (nonce, sealed) = cursor.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &context(workspace, list) };
        let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        Some(i64::from_le_bytes(<[u8; POSITION_BYTES]>::try_from(opened).ok()?))
    }
}

fn context(workspace: WorkspaceId, list: &str) -> Vec<u8> {
    [workspace.as_bytes().as_slice(), list.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> CursorKey {
        CursorKey::derive(&[byte; 32])
    }

    fn workspace(byte: u8) -> WorkspaceId {
        WorkspaceId::from_bytes([byte; 16])
    }

    #[test]
    fn a_cursor_reads_back_with_the_same_key_list_and_workspace_only() {
        let cursor = key(7).seal(workspace(1), "messages", 42).unwrap();
        assert_eq!(key(7).open(workspace(1), "messages", &cursor), Some(42));
        assert_eq!(key(8).open(workspace(1), "messages", &cursor), None);
        assert_eq!(key(7).open(workspace(2), "messages", &cursor), None);
        assert_eq!(key(7).open(workspace(1), "messages.asc", &cursor), None);
        assert_eq!(key(7).open(workspace(1), "messages", b"42"), None);
        assert_eq!(key(7).open(workspace(1), "messages", b""), None);
    }

    #[test]
    fn a_changed_cursor_is_not_valid() {
        let cursor = key(7).seal(workspace(1), "messages", 42).unwrap();
        for index in 0..cursor.len() {
            let mut changed = cursor.clone();
            changed[index] ^= 1;
            assert_eq!(key(7).open(workspace(1), "messages", &changed), None, "byte {index}");
        }
        assert_eq!(key(7).open(workspace(1), "messages", &cursor[..cursor.len() - 1]), None);
    }

    #[test]
    fn cursors_of_neighbouring_positions_do_not_resemble_each_other() {
        let [one, two] = [42, 43].map(|position| key(7).seal(workspace(1), "messages", position).unwrap());
        assert_eq!(one, key(7).seal(workspace(1), "messages", 42).unwrap());
        assert!(one.iter().zip(&two).filter(|(one, two)| one != two).count() > 30);
    }
}
