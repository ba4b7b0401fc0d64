//! Bounds of a body: size, time, and number of JSON values.

use domain::media::MAX_FILE_SIZE;
use jiff::SignedDuration;

/// Maximum size of a body of JSON: 5 MB.
pub(crate) const API: BodyBounds = BodyBounds::json(5_000_000);
/// Maximum size of the body of a login or logout: 16 KB.
pub(crate) const LOGIN: BodyBounds = BodyBounds::json(16_384);
/// Maximum size of a form without its file, in bytes.
pub(crate) const MAX_FORM_OVERHEAD: u64 = 64 << 10;
/// Maximum size of a table of contacts: 100 MB, which is about a million rows.
pub(crate) const MAX_TABLE: u64 = 100_000_000;
/// Bounds of a form with a file.
pub(crate) const UPLOAD: BodyBounds = BodyBounds::stream(MAX_FILE_SIZE + MAX_FORM_OVERHEAD);
/// Bounds of a table of contacts, which may be in a form.
pub(crate) const IMPORT: BodyBounds = BodyBounds::stream(MAX_TABLE + MAX_FORM_OVERHEAD);
/// Bounds of a webhook of Meta. Payloads of Meta are at most 3 MB (Meta: Cloud API, Webhooks,
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks>). The time protects against clients
/// that send slowly.
pub(crate) const META_WEBHOOK: BodyBounds = BodyBounds {
    max_bytes: 4 << 20,
    memory: MemoryUse::Whole,
    whole_within: Some(SignedDuration::from_secs(20)),
    progress_bytes: 1,
    progress_within: SignedDuration::from_secs(10),
};

/// Maximum number of values and names in a body of JSON. A batch of 1000 messages has at most some 100,000.
pub(crate) const MAX_JSON_VALUES: u64 = 500_000;
/// Memory of a value or a name in a parsed body, in bytes, besides its text.
pub(crate) const BYTES_PER_VALUE: u64 = 64;
/// Memory of a body that is processed in pieces: the pieces that wait to be written, and the decoder.
pub(crate) const BYTES_OF_PIECES: u64 = 1 << 20;

/// Memory that a body uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryUse {
    /// The body is processed in pieces.
    Pieces,
    /// The body is in memory as a whole.
    Whole,
    /// The body is in memory as a whole, and its values are in memory beside it.
    Json,
}

/// Bounds of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyBounds {
    /// Maximum number of bytes, both before and after decoding.
    pub(crate) max_bytes: u64,
    /// Memory that the body uses.
    pub(crate) memory: MemoryUse,
    /// Maximum time until the whole body has arrived.
    pub(crate) whole_within: Option<SignedDuration>,
    /// Number of bytes that must arrive in each period.
    pub(crate) progress_bytes: u64,
    /// Length of a period. Only the time in which the gateway waits for the client counts.
    pub(crate) progress_within: SignedDuration,
}

impl BodyBounds {
    const fn json(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            memory: MemoryUse::Json,
            whole_within: Some(SignedDuration::from_secs(60)),
            progress_bytes: 1,
            progress_within: SignedDuration::from_secs(20),
        }
    }

    const fn stream(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            memory: MemoryUse::Pieces,
            whole_within: None,
            progress_bytes: 32 << 10,
            progress_within: SignedDuration::from_secs(25),
        }
    }
}
