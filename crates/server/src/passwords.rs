//! Passwords: argon2id, with a limit on concurrent hashes.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use engine::ports::{PasswordError, Passwords};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// Cost of a hash as OWASP recommends: 19 MiB of memory, two passes, one lane.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Hash of the same cost that no user has. It is verified for an unknown user, so that the response takes the same time.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Maximum number of concurrent hashes.
const MAX_CONCURRENT: usize = 2;
/// Maximum number of waiting calls, which corresponds to a quarter of a second.
const MAX_WAITING: usize = 32;

/// Hashes passwords with argon2id.
pub struct Argon2Passwords {
    /// Permits of running and waiting calls.
    admitted: Arc<Semaphore>,
    /// Permits of running calls.
    running: Arc<Semaphore>,
}

impl Default for Argon2Passwords {
    fn default() -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(MAX_CONCURRENT + MAX_WAITING)),
            running: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }
}

impl Argon2Passwords {
    /// Runs a job on a blocking thread.
    async fn run<T, F>(&self, job: F) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        F: FnOnce(&Argon2<'_>) -> Result<T, Error> + Send + 'static,
    {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let result = tokio::task::spawn_blocking(move || {
            // The job holds the permits, because it continues when its caller disconnects.
            let _permits = (admitted, running);
            let (memory, passes, lanes) = COST;
            let params = Params::new(memory, passes, lanes, None).map_err(|_| Error::Internal)?;
            job(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        });
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a password could not be hashed");
            PasswordError::Failed
        };
        result.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
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
            let is_known = hash.is_some();
            let hash = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            let hash = PasswordHash::new(&hash).map_err(|_| Error::EncodingInvalid)?;
            match argon2.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(is_known),
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
    async fn a_hash_is_argon2id_with_its_salt_and_matches_its_password_only() {
        let passwords = Argon2Passwords::default();
        let hash = passwords.hash(password("correct horse"), [1; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(passwords.hash(password("correct horse"), [2; 16]).await.unwrap(), hash);
        for (text, is_right) in [("correct horse", true), ("correct horse ", false), ("", false)] {
            assert_eq!(passwords.verify(password(text), Some(hash.clone())).await, Ok(is_right));
        }
    }

    #[tokio::test]
    async fn a_password_of_an_unknown_user_is_never_correct_and_a_broken_hash_is_an_error() {
        let passwords = Argon2Passwords::default();
        assert_eq!(passwords.verify(password("correct horse"), None).await, Ok(false));
        // The dummy hash has the same cost.
        let (memory, passes, lanes) = COST;
        assert!(DUMMY_HASH.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$")));
        let broken = passwords.verify(password("x"), Some("$argon2id$nonsense".to_owned())).await;
        assert_eq!(broken, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn a_call_is_rejected_if_too_many_calls_wait() {
        let passwords = Argon2Passwords::default();
        let permits = passwords.admitted.clone().acquire_many_owned(34).await.unwrap();
        assert_eq!(passwords.verify(password("x"), None).await, Err(PasswordError::Busy));
        drop(permits);
        assert_eq!(passwords.verify(password("x"), None).await, Ok(false));
    }
}
