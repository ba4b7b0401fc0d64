//! Leases of messages, deliveries and files.

/// Token that proves the ownership of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub i64);

/// Validity of a lease when its result is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseCheck {
    /// The lease is valid.
    Valid,
    /// Another worker has leased or finished the message.
    Lost,
}
