//! Passwords: argon2id, on few threads at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use engine::ports::{PasswordError, Passwords};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// What a hash costs, as OWASP advises: 19 MiB, two passes, one lane.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// A hash of the same cost that belongs to nobody, so that an unknown name takes the same steps.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How many are hashed at once.
const AT_ONCE: usize = 2;
/// How many wait for it at most: a quarter of a second's worth.
const WAITING: usize = 32;

/// Hashes passwords with argon2id.
pub struct Argon2Passwords {
    /// Those at work and those that wait.
    inside: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
}

impl Default for Argon2Passwords {
    fn default() -> Self {
        Self {
            inside: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            at_work: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Argon2Passwords {
    /// Runs a job on a thread that may block.
    async fn run<T, F>(&self, job: F) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        F: FnOnce(&Argon2<'_>) -> Result<T, Error> + Send + 'static,
    {
        let inside = self.inside.clone().try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let at_work = self.at_work.clone().acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let end = tokio::task::spawn_blocking(move || {
            // Held by the job, which goes on when its caller has gone.
            let _permits = (inside, at_work);
            let (memory, passes, lanes) = COST;
            let params = Params::new(memory, passes, lanes, None).map_err(|_| Error::Internal)?;
            job(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        });
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a password could not be hashed");
            PasswordError::Failed
        };
        end.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: SecretString, salt: [u8; 16]) -> Result<String, PasswordError> {
        self.run(move |argon2| {
            let hash = argon2.hash_password_with_salt(password.expose_secret().as_bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await
    }

    async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, PasswordError> {
        self.run(move |argon2| {
            let is_somebodys = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
            let hash = PasswordHash::new(&hash).map_err(|_| Error::EncodingInvalid)?;
            match argon2.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(is_somebodys),
                Err(Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_with_its_salt_and_knows_its_password() {
        let passwords = Argon2Passwords::default();
        let hash = passwords.hash(password("correct horse"), [1; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(passwords.hash(password("correct horse"), [2; 16]).await.unwrap(), hash);
        for (text, is_right) in [("correct horse", true), ("correct horse ", false), ("", false)] {
            assert_eq!(passwords.verify(password(text), Some(hash.clone())).await, Ok(is_right));
        }
    }

    #[tokio::test]
    async fn nobodys_password_is_never_right_and_a_broken_hash_is_a_fault() {
        let passwords = Argon2Passwords::default();
        assert_eq!(passwords.verify(password("correct horse"), None).await, Ok(false));
        // Both go the same way: only the hash differs.
        let (memory, passes, lanes) = COST;
        assert!(NOBODYS.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$")));
        let broken = passwords.verify(password("x"), Some("$argon2id$nonsense".to_owned())).await;
        assert_eq!(broken, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_sent_away() {
        let passwords = Argon2Passwords::default();
        let taken = passwords.inside.clone().acquire_many_owned(34).await.unwrap();
        assert_eq!(passwords.verify(password("x"), None).await, Err(PasswordError::Busy));
        drop(taken);
        assert_eq!(passwords.verify(password("x"), None).await, Ok(false));
    }
}
