//! Typed ids. They are UUIDv7 and sort by time of creation.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

/// A text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id (a UUID such as 018f2f3e-0c1d-7a3b-9c55-0242ac120002)")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates an id from a time `unix_ms` (milliseconds since 1970) and ten random bytes.
            pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
            }

            /// Creates the id with exactly these sixteen bytes, as a store has them.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Returns the sixteen bytes of the id.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                // Only the hyphenated form is accepted, so that an id has one spelling.
                if text.len() != 36 {
                    return Err(ParseIdError);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
            }
        }
    )*};
}

ids! {
    /// Id of a workspace.
    WorkspaceId;
    /// Id of a WhatsApp account.
    AccountId;
    /// Id of an API key.
    KeyId;
    /// Id of the owner of rate limits and idempotency records: an API key with its rotations, or a user.
    OwnerId;
    /// Id of a user who logs in.
    UserId;
    /// Id of an entry of the audit log.
    AuditEntryId;
    /// Id of a contact.
    ContactId;
    /// Id of a message. For an outbound message it is also the reference that Meta returns in its statuses.
    MessageId;
    /// Id of a batch of messages.
    BatchId;
    /// Id of a stored template.
    TemplateId;
    /// Id of a media file.
    MediaId;
    /// Id of a running process that leases messages.
    WorkerId;
    /// Id of an event; created by [`EventId::at`].
    EventId;
    /// Id of a webhook endpoint.
    WebhookId;
    /// Id of the delivery of one event to one webhook endpoint; created by [`DeliveryId::at`].
    DeliveryId;
    /// Id of a replay of past events.
    ReplayId;
    /// Id of a request with an `Idempotency-Key`.
    RequestId;
}

macro_rules! positions {
    ($($name:ident)*) => {$(
        impl $name {
            /// Creates the id of the row at `position` (from 1) of the workspace's list, created at `at`.
            ///
            /// The position is part of the id and does not have to be stored: see [`Self::position`].
            #[must_use]
            pub fn at(workspace: WorkspaceId, position: i64, at: Timestamp) -> Self {
                let unix_ms = u64::try_from(at.as_millisecond()).unwrap_or_default();
                let mixed = mix(workspace, position.cast_unsigned());
                let mut random = [0; 10];
                let (check, number) = random.split_at_mut(2);
                check.copy_from_slice(&check_of(unix_ms, mixed).to_be_bytes());
                number.copy_from_slice(&mixed.to_be_bytes());
                Self::from_parts(unix_ms, &random)
            }

            /// Returns the position in the id; `None` if it is not an id of this workspace.
            #[must_use]
            pub fn position(self, workspace: WorkspaceId) -> Option<i64> {
                let (whole, mixed) = (u128::from_be_bytes(*self.as_bytes()), self.0.as_u64_pair().1);
                let mixed = mixed & MASK;
                let unix_ms = u64::try_from(whole >> 80).ok()?;
                let position = unmix(workspace, mixed).cast_signed();
                let is_ours = position > 0 && Self::at(workspace, position, millisecond(unix_ms)?) == self;
                is_ours.then_some(position)
            }
        }
    )*};
}

positions! { EventId DeliveryId }

/// Mask of the 62 random bits of a UUIDv7 that follow the twelve bits of the checksum.
const MASK: u64 = (1 << 62) - 1;
/// An odd number and its inverse modulo 2^62. The multiplication makes the ids of neighboring positions look
/// unrelated.
const SPREAD: u64 = 0x1e37_79b9_7f4a_7c15;
const GATHER: u64 = inverse(SPREAD) & MASK;

/// Returns the inverse of an odd number modulo 2^64 by Newton's method. Each round doubles the number of correct bits.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut round = 0;
    while round < 6 {
        guess = guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess)));
        round += 1;
    }
    guess
}

/// Returns bits that differ between workspaces.
fn salt(workspace: WorkspaceId) -> u64 {
    workspace.0.as_u64_pair().1 & MASK
}

fn mix(workspace: WorkspaceId, position: u64) -> u64 {
    (position & MASK).wrapping_add(salt(workspace)).wrapping_mul(SPREAD) & MASK
}

fn unmix(workspace: WorkspaceId, mixed: u64) -> u64 {
    mixed.wrapping_mul(GATHER).wrapping_sub(salt(workspace)) & MASK
}

/// Returns twelve bits of a checksum, by which ids of other origin are recognized.
fn check_of(unix_ms: u64, mixed: u64) -> u16 {
    let folded = (unix_ms ^ mixed.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u16::try_from(folded >> 52).unwrap_or_default()
}

fn millisecond(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_from_its_text() {
        let id = MessageId::from_parts(1_767_225_600_000, &[7; 10]);
        assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
    }

    #[test]
    fn ids_are_ordered_by_their_creation_time() {
        let early = MessageId::from_parts(1_000, &[255; 10]);
        let late = MessageId::from_parts(1_001, &[0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn other_spellings_of_an_id_are_rejected() {
        let id = MessageId::from_parts(1_000, &[1; 10]).to_string();
        assert_eq!(id.replace('-', "").parse::<MessageId>(), Err(ParseIdError));
        assert_eq!(format!("{{{id}}}").parse::<MessageId>(), Err(ParseIdError));
        assert_eq!("".parse::<MessageId>(), Err(ParseIdError));
    }

    fn workspace(byte: u8) -> WorkspaceId {
        WorkspaceId::from_parts(1_767_225_600_000, &[byte; 10])
    }

    proptest::proptest! {
        #[test]
        fn an_event_id_contains_its_position(position in 1_i64..1 << 61, ms in 0_i64..1 << 45, byte: u8) {
            let id = EventId::at(workspace(byte), position, Timestamp::from_millisecond(ms).unwrap());
            proptest::prop_assert_eq!(id.position(workspace(byte)), Some(position));
            proptest::prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }
    }

    #[test]
    fn another_id_is_almost_never_decoded_as_a_position() {
        let at = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
        let theirs = EventId::at(workspace(7), 1, at);
        assert_eq!(theirs.position(workspace(7)), Some(1));
        let n_taken = (0..100_u8)
            .filter(|byte| {
                EventId::from_parts(1_767_225_600_000, &[*byte; 10]).position(workspace(7)).is_some()
            })
            .count();
        assert!(n_taken <= 1, "{n_taken} of 100");
    }
}
