//! Business-scoped user ids.

use std::fmt;

/// A business-scoped user id (BSUID, reference C.3), such as `GB.77120394857261034`: how Meta names a person whose phone
/// number it withholds. Opaque: the reference has two forms of it, and more may come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bsuid(Box<str>);

impl Bsuid {
    /// The most characters that an id may have.
    pub const MAX: usize = 256;

    /// Takes an id: 3 to 256 characters around a dot, without blanks and control characters.
    ///
    /// # Errors
    /// What is wrong with it; its `Display` reads well after a field's name.
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

    /// The id as Meta writes it.
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

/// Why a text is not a business-scoped user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BsuidError {
    /// It has no dot with something on both sides.
    #[error("must be a business-scoped user id, as in GB.77120394857261034 (a phone number goes into `to`)")]
    NoDot,
    /// It holds a blank or a control character.
    #[error("must be a business-scoped user id without blanks")]
    Blank,
    /// It is longer than [`Bsuid::MAX`].
    #[error("must be at most 256 characters")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_opaque() {
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
