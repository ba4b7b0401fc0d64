//! What Meta posted, as it is kept.

use bytes::Bytes;
use domain::id::AccountId;
use jiff::Timestamp;

/// What shows that a POST is Meta's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The signature header, as it came.
    pub signature: Option<Bytes>,
    /// The accounts whose secret verified it when it came.
    pub signers: Vec<AccountId>,
}

/// A POST that is in the store already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Its place.
    pub seq: i64,
    /// When it came.
    pub heard_at: Timestamp,
}

/// A POST as it is kept.
#[derive(Clone, Debug)]
pub struct KeptPost {
    /// Where and since when it is kept.
    pub again: Again,
    /// The bytes that came.
    pub body: Bytes,
    /// What shows that it is Meta's.
    pub proof: Proof,
}

/// Which kept POSTs to take once more.
#[derive(Clone, Copy, Debug)]
pub struct KeptPosts {
    /// That came at this time or later.
    pub since: Timestamp,
    /// Only those with a part in this state.
    pub with: Option<PartState>,
    /// After this place.
    pub after: i64,
    /// At most this many.
    pub limit: u32,
}

/// What became of a part that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// Nobody here was concerned, or nobody whose secret signed it.
    Unrouted,
    /// It could not be understood.
    Undecodable,
}

impl PartState {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Undecodable => "undecodable",
        }
    }
}
