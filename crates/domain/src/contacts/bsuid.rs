//! Business-scoped user ids.

use std::fmt;

/// A business-scoped user id (BSUID), such as `GB.77120394857261034`: Meta's id of a WhatsApp user whose phone number
/// is hidden. Meta has used two forms of the id; so the id is opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bsuid(Box<str>);

impl Bsuid {
    /// Maximum length in characters.
    pub const MAX: usize = 256;

    /// Parses an id: 3 to 256 characters around a dot, without whitespace and control characters.
    ///
    /// # Errors
    /// Returns the violated rule; its `Display` is to be read after the name of a field.
    pub fn parse(text: &str) -> Result<Self, BsuidError> {
        if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(BsuidError::Blank);
        }
        match text.split_once('.') {
            Some((country, rest)) if !country.is_empty() && !rest.is_empty() => {}
            _ => return Err(BsuidError::NoDot),
        }
        if text.chars().count() > Self::MAX {
            return Err(BsuidError::TooLong);
        }
        Ok(Self(text.into()))
    }

    /// Returns the id in Meta's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Bsuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reason why a text is not a business-scoped user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BsuidError {
    /// The text has no dot with characters on both sides.
    #[error("must be a business-scoped user id, as in GB.77120394857261034 (a phone number goes into `to`)")]
    NoDot,
    /// The text has whitespace or a control character.
    #[error("must be a business-scoped user id without blanks")]
    Blank,
    /// The text is longer than [`Bsuid::MAX`].
    #[error("must be at most 256 characters")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_user_id_are_not_checked() {
        let longest = format!("GB.{}", "a".repeat(253));
        for good in ["GB.77120394857261034", "IN.ENT.abc", "user.0f", &longest] {
            assert_eq!(Bsuid::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Bsuid::parse(&format!("GB.{}", "a".repeat(254))), Err(BsuidError::TooLong));
        assert_eq!(Bsuid::parse("GB. 1"), Err(BsuidError::Blank));
        for bad in ["", "447700900123", ".1", "GB."] {
            assert_eq!(Bsuid::parse(bad), Err(BsuidError::NoDot));
        }
    }
}
