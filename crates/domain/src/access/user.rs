//! Users who log in: e-mail address, lifetime of sessions.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::access::permission::Role;
use crate::id::{UserId, WorkspaceId};

/// Maximum length of an e-mail address in characters (RFC 5321).
pub const MAX_EMAIL: usize = 254;
/// Maximum length of the part before the `@`.
const MAX_LOCAL: usize = 64;

/// An e-mail address.
///
/// Two spellings that differ in case only are the same address: see [`Email::key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// A text that is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ada@example.com")]
pub struct ParseEmailError;

impl Email {
    /// Returns the address as it was entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form under which the address is unique.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Email {
    type Err = ParseEmailError;

    /// Parses an address. The check is of the form only; the mailbox may not exist.
    fn from_str(text: &str) -> Result<Self, ParseEmailError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(ParseEmailError)?;
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"@,;:<>()[]\"\\".contains(c);
        let has_labels = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        let is_address = text.chars().count() <= MAX_EMAIL
            && (1..=MAX_LOCAL).contains(&local.chars().count())
            && local.chars().all(is_plain)
            && has_labels;
        if is_address { Ok(Self(text.to_owned())) } else { Err(ParseEmailError) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user who can log in. The hash of the password is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id of the user.
    pub id: UserId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// E-mail address, used to log in.
    pub email: Email,
    /// Display name.
    pub name: Option<String>,
    /// Role of the user.
    pub role: Role,
    /// `true` if the user may not log in.
    pub is_disabled: bool,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Time of the last login.
    pub last_login_at: Option<Timestamp>,
}

/// Lifetime of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetime {
    /// Time after the last call.
    pub idle: SignedDuration,
    /// Time after the login.
    pub absolute: SignedDuration,
}

impl Default for SessionLifetime {
    fn default() -> Self {
        Self { idle: SignedDuration::from_hours(14 * 24), absolute: SignedDuration::from_hours(30 * 24) }
    }
}

impl SessionLifetime {
    /// Returns the time at which a session ends if it is not used any more.
    pub fn ends_at(self, begun_at: Timestamp, seen_at: Timestamp) -> Timestamp {
        let after = |at: Timestamp, span| at.saturating_add(span).unwrap_or(Timestamp::MAX);
        after(begun_at, self.absolute).min(after(seen_at, self.idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_e_mail_address_has_one_at_sign_and_a_domain() {
        for text in ["ada@example.com", " Ada.L+x@mail.example.co ", "o'neil@localhost", "ü@bücher.example"]
        {
            assert!(text.parse::<Email>().is_ok(), "{text}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "a@b@c.com",
            "a@.com",
            "a@b..c",
            "a@-b.c",
            "a@b c",
            "<ada@example.com>",
            "a\n@b.c",
            "a@b.c\0d",
            "a,b@c.d",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(ParseEmailError), "{text:?}");
        }
        let [one, other] =
            ["Ada@Example.com", "ada@example.COM"].map(|text| text.parse::<Email>().unwrap().key());
        assert_eq!(one, other);
    }

    #[test]
    fn a_session_ends_after_its_idle_time_and_after_its_absolute_time() {
        let day = |n: i64| Timestamp::from_second(n * 86_400).unwrap();
        let span = SessionLifetime::default();
        assert_eq!(span.ends_at(day(0), day(0)), day(14));
        assert_eq!(span.ends_at(day(0), day(10)), day(24));
        assert_eq!(span.ends_at(day(0), day(29)), day(30));
    }
}
