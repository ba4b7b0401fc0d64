//! Typed ids: UUIDv7, so that they sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id (a UUID such as 018f2f3e-0c1d-7a3b-9c55-0242ac120002)")]
pub struct NotAnId;

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
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                // Only the hyphenated form: one id has one spelling.
                if text.len() != 36 {
                    return Err(NotAnId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
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
        assert_eq!(id.replace('-', "").parse::<MessageId>(), Err(NotAnId));
        assert_eq!(format!("{{{id}}}").parse::<MessageId>(), Err(NotAnId));
        assert_eq!("".parse::<MessageId>(), Err(NotAnId));
    }
}
