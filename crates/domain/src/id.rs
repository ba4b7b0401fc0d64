//! Typed ids: UUIDv7, so that they sort by the time they were made.

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
            /// An id made at `unix_ms` (milliseconds since 1970) from ten random bytes.
            pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
            }

            /// The id with exactly these sixteen bytes, as a store keeps them.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes to keep.
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
                // Only the hyphenated form: one id has one spelling.
                if text.len() != 36 {
                    return Err(ParseIdError);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    WorkspaceId;
    /// A WhatsApp sender of ours.
    AccountId;
    /// A key that calls the API.
    KeyId;
    /// Whose a rate limit and an `Idempotency-Key` are: an API key with its rotations, or a user.
    OwnerId;
    /// Somebody who logs in.
    UserId;
    /// An entry of the audit log.
    AuditEntryId;
    /// A person.
    ContactId;
    /// A message, in or out; also the reference that Meta echoes in its statuses.
    MessageId;
    /// A template as we keep it.
    TemplateId;
    /// A file, of a customer or for one.
    MediaId;
    /// A running process that holds messages.
    WorkerId;
    /// Something that the application may hear of; made by [`EventId::at`].
    EventId;
    /// An endpoint of the application that hears of events.
    WebhookId;
    /// One event on its way to one endpoint; made by [`DeliveryId::at`].
    DeliveryId;
    /// A wish to hear of past events again.
    ReplayId;
}

macro_rules! positions {
    ($($name:ident)*) => {$(
        impl $name {
            /// The id of the row at `position` (from 1) of the workspace's list, made at `at`.
            ///
            /// The id holds the position, so that it need not be kept, nor searched for: see [`Self::position`].
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

            /// The position that the id holds, if it is an id of this workspace.
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

/// A UUIDv7 has 62 bits of its own beside the twelve of the check.
const MASK: u64 = (1 << 62) - 1;
/// An odd number and its inverse modulo 2^62: neighbouring positions look nothing alike.
const SPREAD: u64 = 0x1e37_79b9_7f4a_7c15;
const GATHER: u64 = inverse(SPREAD) & MASK;

/// The inverse of an odd number modulo 2^64, by Newton's method: each round doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut round = 0;
    while round < 6 {
        guess = guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess)));
        round += 1;
    }
    guess
}

/// What is particular about a workspace.
fn salt(workspace: WorkspaceId) -> u64 {
    workspace.0.as_u64_pair().1 & MASK
}

fn mix(workspace: WorkspaceId, position: u64) -> u64 {
    (position & MASK).wrapping_add(salt(workspace)).wrapping_mul(SPREAD) & MASK
}

fn unmix(workspace: WorkspaceId, mixed: u64) -> u64 {
    mixed.wrapping_mul(GATHER).wrapping_sub(salt(workspace)) & MASK
}

/// Twelve bits that follow from the others: a foreign id is not taken for a position.
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
    fn an_id_reads_back_from_its_text() {
        let id = MessageId::from_parts(1_767_225_600_000, &[7; 10]);
        assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = MessageId::from_parts(1_000, &[255; 10]);
        let late = MessageId::from_parts(1_001, &[0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn other_spellings_of_an_id_are_refused() {
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
        fn an_event_id_holds_its_position(position in 1_i64..1 << 61, ms in 0_i64..1 << 45, byte: u8) {
            let id = EventId::at(workspace(byte), position, Timestamp::from_millisecond(ms).unwrap());
            proptest::prop_assert_eq!(id.position(workspace(byte)), Some(position));
            proptest::prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }
    }

    #[test]
    fn a_foreign_id_is_hardly_ever_taken_for_a_position() {
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
