//! Passwords: argon2id, on two threads with memory of their own.
//!
//! **Invariant:** the memory and the CPU time of hashing do not depend on the number of callers. Each thread hashes one
//! password at a time, in blocks that it allocates once.
//!
//! **Invariant:** logins of strangers do not delay callers with a session or a key: each [`PasswordQueue`] has a thread and a
//! bounded queue of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use argon2::password_hash::Error;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use engine::ports::{PasswordError, PasswordQueue, Passwords};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

/// Cost of a hash as OWASP recommends: 19 MiB of memory, two passes, one lane.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Hash of the same cost that no user has. It is verified for an unknown user, so that the response takes the same time.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Length of a hash in bytes.
const HASH_BYTES: usize = 32;
/// Maximum number of calls that wait in a queue, which corresponds to half a second.
const MAX_WAITING: usize = 32;

/// Hashes passwords with argon2id. When it is dropped, the threads end after the waiting jobs.
pub struct Argon2Passwords {
    known: HashingThread,
    others: HashingThread,
}

impl Argon2Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        Ok(Self {
            known: HashingThread::start("passwords-known")?,
            others: HashingThread::start("passwords-others")?,
        })
    }

    /// Runs a job on the thread of a queue.
    async fn run<T, F>(&self, queue: PasswordQueue, job: F) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Memory) -> Result<T, Error> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            // The caller may have disconnected while the job waited.
            if sender.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| job(memory))).unwrap_or(Err(Error::Internal));
            drop(sender.send(result));
        });
        let thread = match queue {
            PasswordQueue::Known => &self.known,
            PasswordQueue::Others => &self.others,
        };
        thread.jobs.try_send(job).map_err(|_| PasswordError::Busy)?;
        let result = receiver.await.map_err(|_| PasswordError::Failed)?;
        result.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            PasswordError::Failed
        })
    }
}

/// Hashing of one password.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Handle to a thread with a bounded queue.
struct HashingThread {
    jobs: mpsc::SyncSender<Job>,
}

impl HashingThread {
    fn start(name: &str) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(MAX_WAITING);
        // The thread ends when the sender is dropped. It has no state that must be written, so nobody waits for its end.
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut memory = Memory::default();
            while let Ok(job) = waiting.recv() {
                job(&mut memory);
            }
        })?;
        Ok(Self { jobs })
    }
}

/// Memory of a hashing thread: allocated for the first hash, then reused.
#[derive(Default)]
struct Memory {
    blocks: Vec<Block>,
}

impl Memory {
    /// Computes the hash of a password. The cost of a stored hash is at most [`COST`].
    fn hash(
        &mut self,
        password: &SecretString,
        salt: &[u8],
        params: Params,
    ) -> Result<[u8; HASH_BYTES], Error> {
        let (max_memory, max_passes, max_lanes) = COST;
        if params.m_cost() > max_memory || params.t_cost() > max_passes || params.p_cost() > max_lanes {
            return Err(Error::ParamsInvalid);
        }
        self.blocks.resize(cost()?.block_count(), Block::default());
        let blocks = self.blocks.get_mut(..params.block_count()).ok_or(Error::Internal)?;
        let mut hash = [0; HASH_BYTES];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into_with_memory(
            password.expose_secret().as_bytes(),
            salt,
            &mut hash,
            blocks,
        )?;
        Ok(hash)
    }
}

/// Returns the cost of a new hash.
fn cost() -> Result<Params, Error> {
    let (memory, passes, lanes) = COST;
    Ok(Params::new(memory, passes, lanes, None)?)
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: SecretString, salt: [u8; 16]) -> Result<String, PasswordError> {
        self.run(PasswordQueue::Known, move |memory| {
            let params = cost()?;
            let hash = memory.hash(&password, &salt, params.clone())?;
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params)?,
                salt: Some(Salt::new(&salt)?),
                hash: Some(Output::new(&hash)?),
            };
            Ok(hash.to_string())
        })
        .await
    }

    async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
        queue: PasswordQueue,
    ) -> Result<bool, PasswordError> {
        self.run(queue, move |memory| {
            let stored = PasswordHash::new(hash.as_deref().unwrap_or(DUMMY_HASH))?;
            let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
                return Err(Error::EncodingInvalid);
            };
            if stored.algorithm != Algorithm::Argon2id.ident()
                || stored.version != Some(Version::V0x13.into())
            {
                return Err(Error::Algorithm);
            }
            let computed = memory.hash(&password, &salt, Params::try_from(&stored)?)?;
            let is_equal: bool = computed.as_slice().ct_eq(expected.as_bytes()).into();
            Ok(is_equal && hash.is_some())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use PasswordQueue::{Known, Others};

    fn password(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_with_its_salt_and_matches_its_password_only() {
        let passwords = Argon2Passwords::start().unwrap();
        let hash = passwords.hash(password("correct horse"), [1; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(passwords.hash(password("correct horse"), [2; 16]).await.unwrap(), hash);
        for (text, is_right) in [("correct horse", true), ("correct horse ", false), ("", false)] {
            for queue in [Known, Others] {
                let verified = passwords.verify(password(text), Some(hash.clone()), queue).await;
                assert_eq!(verified, Ok(is_right));
            }
        }
    }

    #[tokio::test]
    async fn a_hash_that_the_library_made_is_verified_and_one_that_costs_more_is_an_error() {
        use argon2::PasswordHasher;
        let passwords = Argon2Passwords::start().unwrap();
        let made = |params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string()
        };
        let hash = made(cost().unwrap());
        assert_eq!(passwords.hash(password("correct horse"), [7; 16]).await.unwrap(), hash);
        assert_eq!(passwords.verify(password("correct horse"), Some(hash), Known).await, Ok(true));
        // Blocks that an expensive hash has used do not change a cheaper one.
        let cheaper = made(Params::new(64, 1, 1, None).unwrap());
        assert_eq!(passwords.verify(password("correct horse"), Some(cheaper), Known).await, Ok(true));
        let dearer = made(Params::new(64, 3, 1, None).unwrap());
        let result = passwords.verify(password("correct horse"), Some(dearer), Known).await;
        assert_eq!(result, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn a_password_of_an_unknown_user_is_never_correct_and_a_broken_hash_is_an_error() {
        let passwords = Argon2Passwords::start().unwrap();
        assert_eq!(passwords.verify(password("correct horse"), None, Others).await, Ok(false));
        // The dummy hash has the same cost.
        let (memory, passes, lanes) = COST;
        assert!(DUMMY_HASH.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$")));
        let broken = passwords.verify(password("x"), Some("$argon2id$nonsense".to_owned()), Others).await;
        assert_eq!(broken, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn a_full_queue_of_strangers_refuses_a_stranger_and_no_known_caller() {
        let passwords = Argon2Passwords::start().unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel::<()>();
        // The first job occupies the thread, the others the queue.
        passwords
            .others
            .jobs
            .try_send(Box::new(move |_| {
                begun.send(()).unwrap();
                assert!(blocked.recv().is_err());
            }))
            .unwrap_or_else(|_| panic!("the queue is full"));
        has_begun.recv().unwrap();
        for _ in 0..MAX_WAITING {
            passwords.others.jobs.try_send(Box::new(|_| ())).unwrap_or_else(|_| panic!("the queue is full"));
        }
        assert_eq!(passwords.verify(password("x"), None, Others).await, Err(PasswordError::Busy));
        assert_eq!(passwords.verify(password("x"), None, Known).await, Ok(false));
        drop(release);
    }

    #[tokio::test]
    async fn a_job_that_panics_does_not_end_its_thread() {
        let passwords = Argon2Passwords::start().unwrap();
        let result = passwords.run::<(), _>(Others, |_| panic!("a bug")).await;
        assert_eq!(result, Err(PasswordError::Failed));
        assert_eq!(passwords.verify(password("x"), None, Others).await, Ok(false));
    }
}
