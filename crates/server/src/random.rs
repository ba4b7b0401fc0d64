//! Random numbers.

use std::sync::{Mutex, PoisonError};

use engine::ports::Random;
use rand::Rng;
use rand::rngs::StdRng;

/// Cryptographic generator, seeded by the operating system.
pub(crate) struct OsRandom {
    generator: Mutex<StdRng>,
}

impl OsRandom {
    /// Creates a generator with a new seed.
    pub(crate) fn new() -> Self {
        Self { generator: Mutex::new(rand::make_rng()) }
    }
}

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
