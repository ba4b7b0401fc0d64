//! Phone numbers.
//!
//! A number is accepted if its country calling code exists and its length is *possible*. Numbers are not checked to be
//! *valid*: numbering plans change before the tables do, and numbers for examples (`+1 555 010 xxxx`, `+44 7700
//! 900xxx`) are invalid by design.
//!
//! **Invariant:** `Debug` never prints a whole number. Logs have the last four digits only.

use std::fmt;

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber as Parsed, PhoneNumberFormat, ValidationError,
};

/// A phone number in international form: the digits of E.164, without the `+`.
///
/// The number was parsed by [`PhoneNumber::parse`], or it is a `wa_id` of Meta.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber {
    digits: Box<str>,
}

impl PhoneNumber {
    /// Parses a number in international form: `+44 7700 900123`, `44-7700-900123`, `+44 (0)7700 900123`.
    ///
    /// The leading `+` is optional. Spaces, dashes, dots and brackets are ignored, also in their Unicode forms, and so
    /// are the invisible direction marks of copied numbers. A national prefix after the country code (the `0` in `+44
    /// (0)…`) is removed if the country has one.
    ///
    /// # Errors
    /// Returns the reason why the text is not a number; its `Display` is to be read after the name of a field.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let digits = digits_of(text)?;
        if digits.starts_with("00") {
            return Err(PhoneError::DialledPrefix);
        }
        if digits.starts_with('0') {
            return Err(PhoneError::NoCountryCode);
        }
        match possible(&digits) {
            // In most countries the zero is the prefix of national calls and not part of the number. The library knows
            // the exceptions (Italy, Gabon, Ivory Coast).
            Ok(national) if national.starts_with('0') => {
                Ok(Self::from_digits(without_national_prefix(&digits).unwrap_or(digits)))
            }
            Ok(_) => Ok(Self::from_digits(digits)),
            // Until 2019, mobile numbers in Mexico had a 1 after the country code; WhatsApp still uses this form.
            Err(_) if digits.len() == 13 && digits.starts_with("521") => Ok(Self::from_digits(digits)),
            Err(error) => without_national_prefix(&digits).map(Self::from_digits).ok_or(error),
        }
    }

    /// Creates a number from a `wa_id` of Meta, without a check against the numbering plans.
    ///
    /// # Errors
    /// [`PhoneError::Empty`], [`PhoneError::NotADigit`] or [`PhoneError::TooLong`] (more than 32) if the text is not a
    /// sequence of ASCII digits.
    pub fn from_wa_id(wa_id: &str) -> Result<Self, PhoneError> {
        if wa_id.is_empty() {
            return Err(PhoneError::Empty);
        }
        if let Some(other) = wa_id.chars().find(|character| !character.is_ascii_digit()) {
            return Err(PhoneError::NotADigit(other));
        }
        if wa_id.len() > 32 {
            return Err(PhoneError::TooLong);
        }
        Ok(Self { digits: wa_id.into() })
    }

    /// Returns the digits with the country code and without `+`: the stored form, and Meta's `wa_id`.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Returns the last four digits, the only part of a number that may be logged.
    #[must_use]
    pub fn last_four(&self) -> &str {
        // A number has ASCII digits only, so that each index is a character boundary.
        self.digits.get(self.digits.len().saturating_sub(4)..).unwrap_or_default()
    }

    /// Returns the other forms under which WhatsApp knows the same user: with or without Brazil's 9 after the area
    /// code, Mexico's 1 and Argentina's 9 after the country code. Most numbers have none. The variants of a variant
    /// include this number.
    ///
    /// A number of Brazil whose subscriber part starts with 2 to 5 has no variant: without the 9 it is a landline.
    #[must_use]
    pub fn variants(&self) -> Vec<Self> {
        self.variant().map(Self::from_digits).into_iter().collect()
    }

    /// Returns `true` if both are forms of the number of one user.
    #[must_use]
    pub fn is_same_user(&self, other: &Self) -> bool {
        self == other || self.variant().is_some_and(|variant| *variant == *other.digits)
    }

    /// Loads the numbering plans. Otherwise the first [`PhoneNumber::parse`] loads them, which takes some
    /// milliseconds.
    pub fn load_plans() {
        std::sync::LazyLock::force(&PHONE_NUMBER_UTIL);
    }

    fn from_digits(digits: String) -> Self {
        Self { digits: digits.into() }
    }

    fn variant(&self) -> Option<String> {
        let digits = &*self.digits;
        let is_own_mobile = |subscriber: &str| !subscriber.starts_with(['2', '3', '4', '5']);
        match (digits.get(..2)?, digits.len()) {
            ("55", 12) => {
                let (area, subscriber) = digits.split_at_checked(4)?;
                is_own_mobile(subscriber).then(|| format!("{area}9{subscriber}"))
            }
            ("55", 13) => {
                let (area, rest) = digits.split_at_checked(4)?;
                let subscriber = rest.strip_prefix('9')?;
                is_own_mobile(subscriber).then(|| format!("{area}{subscriber}"))
            }
            ("52", 12) => Some(format!("521{}", digits.get(2..)?)),
            ("52", 13) => Some(format!("52{}", digits.strip_prefix("521")?)),
            ("54", 12) => Some(format!("549{}", digits.get(2..)?)),
            ("54", 13) => Some(format!("54{}", digits.strip_prefix("549")?)),
            _ => None,
        }
    }
}

impl fmt::Display for PhoneNumber {
    /// Writes `+` and the digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+{}", self.digits)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PhoneNumber(…{})", self.last_four())
    }
}

/// Reason why a text is not a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// There is no digit.
    #[error("must be a phone number in international format, is empty")]
    Empty,
    /// There is a letter or another character that phone numbers do not have.
    #[error("must be a phone number: digits with the country code, as in +447700900123; it holds {0:?}")]
    NotADigit(char),
    /// There is a `+` that is not at the start.
    #[error("must have its + at the start only")]
    PlusInside,
    /// The number starts with `00`, the prefix for international calls.
    #[error("must have the country code after +, without 00")]
    DialledPrefix,
    /// The number starts with `0`, the prefix for national calls.
    #[error("must start with the country code, without the leading 0 of national calls")]
    NoCountryCode,
    /// No country has the calling code.
    #[error("must start with an existing country calling code")]
    UnknownCountryCode,
    /// The number is shorter than all numbers of the country.
    #[error("has too few digits for a number of its country")]
    TooShort,
    /// The area code is missing.
    #[error("has too few digits for a number of its country: the area code is missing")]
    NoAreaCode,
    /// The country has shorter and longer numbers, but none of this length.
    #[error("has a number of digits that no number of its country has")]
    WrongLength,
    /// The number is longer than all numbers of the country.
    #[error("has too many digits for a number of its country")]
    TooLong,
}

/// Removes separators between digits.
fn digits_of(text: &str) -> Result<String, PhoneError> {
    let mut digits = String::with_capacity(16);
    let mut has_plus = false;
    for character in text.chars() {
        match character {
            '0'..='9' if digits.len() >= 32 => return Err(PhoneError::TooLong),
            '0'..='9' => digits.push(character),
            '+' if has_plus || !digits.is_empty() => return Err(PhoneError::PlusInside),
            '+' => has_plus = true,
            '-' | '.' | '(' | ')' | '[' | ']' => {}
            // Soft hyphen, hyphens and dashes, minus, and their small and full-width forms.
            '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {}
            // Direction marks and zero-width spaces.
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {}
            _ if character.is_whitespace() => {}
            _ => return Err(PhoneError::NotADigit(character)),
        }
    }
    if digits.is_empty() { Err(PhoneError::Empty) } else { Ok(digits) }
}

/// Returns the part after the country calling code if the code exists and the country has numbers of this length.
fn possible(digits: &str) -> Result<&str, PhoneError> {
    // No calling code is the prefix of another one: the first match is the only one.
    let (code, national) = (1..=3)
        .filter_map(|length| digits.split_at_checked(length))
        .filter_map(|(code, national)| Some((code.parse::<i32>().ok()?, national)))
        .find(|(code, _)| PHONE_NUMBER_UTIL.get_region_for_country_code(*code).is_some())
        .ok_or(PhoneError::UnknownCountryCode)?;
    let n_digits = u32::try_from(national.len()).unwrap_or(u32::MAX);
    // Only the length matters, so that any number with this many digits can be checked.
    let of_length = match n_digits.checked_sub(1) {
        None => return Err(PhoneError::TooShort),
        Some(zeros) => 10_u64.checked_pow(zeros).ok_or(PhoneError::TooLong)?,
    };
    let number = Parsed { country_code: code, national_number: of_length, ..Parsed::default() };
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
        Ok(NumberLengthType::IsPossible) => Ok(national),
        Ok(NumberLengthType::IsPossibleLocalOnly) => Err(PhoneError::NoAreaCode),
        Err(ValidationError::InvalidCountryCode) => Err(PhoneError::UnknownCountryCode),
        Err(ValidationError::TooShort) => Err(PhoneError::TooShort),
        Err(ValidationError::InvalidLength) => Err(PhoneError::WrongLength),
        Err(ValidationError::TooLong) => Err(PhoneError::TooLong),
    }
}

/// Returns the number without the prefix for national calls if the result is possible. This is slow because the
/// library uses regular expressions.
fn without_national_prefix(digits: &str) -> Option<String> {
    let parsed = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
    let plain = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164);
    let plain = plain.strip_prefix('+')?;
    possible(plain).is_ok().then(|| plain.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digits(text: &str) -> String {
        PhoneNumber::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).digits().to_owned()
    }

    #[test]
    fn a_number_is_parsed_in_the_usual_spellings() {
        for text in [
            "+447700900123",
            "447700900123",
            " +44 7700 900-123 ",
            "+44 (7700) 900.123",
            "(+44) 7700 900123",
            "+44\u{a0}7700\u{202f}900\u{2011}123",
            "+44 7700\u{2013}900\u{2212}123",
            "\u{202a}+44 7700 900123\u{202c}",
            "[44] 7700 900123",
            "+44 (0)7700 900123",
        ] {
            assert_eq!(digits(text), "447700900123", "{text:?}");
        }
    }

    #[test]
    fn fictional_numbers_are_possible_numbers() {
        for text in [
            "+15550100001",
            "+15550101049",
            "+919876543210",
            "+447700900999",
            "+442079460018",
            "+61550000000",
        ] {
            assert_eq!(digits(text), text.trim_start_matches('+'));
        }
    }

    #[test]
    fn the_spellings_of_brazil_mexico_and_argentina_pass() {
        for text in [
            "+5511987654321",
            "+551187654321",
            "+525512345678",
            "+5215512345678",
            "+5491123456789",
            "+541123456789",
        ] {
            assert_eq!(digits(text), text.trim_start_matches('+'));
        }
    }

    #[test]
    fn a_leading_zero_that_is_part_of_the_number_stays() {
        assert_eq!(digits("+39 06 6982 0000"), "390669820000");
        assert_eq!(digits("+225 01 23 45 67 89"), "2250123456789");
        assert_eq!(digits("+49 (0)1512 3456789"), "4915123456789");
    }

    #[test]
    fn a_text_that_is_not_a_number_is_rejected_with_a_reason() {
        use PhoneError::*;
        for (text, error) in [
            ("", Empty),
            (" + ", Empty),
            ("+44 7700 9OO123", NotADigit('O')),
            ("+44/7700", NotADigit('/')),
            ("tel:+447700900123", NotADigit('t')),
            ("+44770090012٣", NotADigit('٣')),
            ("44+7700900123", PlusInside),
            ("++447700900123", PlusInside),
            ("00447700900123", DialledPrefix),
            ("+0044 7700 900123", DialledPrefix),
            ("07700 900123", NoCountryCode),
            ("+9991234567", UnknownCountryCode),
            ("+2101234567", UnknownCountryCode),
            ("+44", TooShort),
            ("+1 555", TooShort),
            ("+1 5550100", NoAreaCode),
            ("+155501000012", TooLong),
            ("+447700900123456", TooLong),
            ("+1234567890123456789012345678901234567890", TooLong),
            ("+33 1 2345", TooShort),
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(error), "{text}");
        }
        assert_eq!(
            PhoneNumber::parse("+44 7700 x").unwrap_err().to_string(),
            "must be a phone number: digits with the country code, as in +447700900123; it holds 'x'"
        );
    }

    #[test]
    fn any_wa_id_of_meta_is_accepted() {
        for wa_id in ["447700900123", "1", "99912345678901234567", "5215512345678"] {
            assert_eq!(PhoneNumber::from_wa_id(wa_id).unwrap().digits(), wa_id);
        }
        assert_eq!(PhoneNumber::from_wa_id(""), Err(PhoneError::Empty));
        assert_eq!(PhoneNumber::from_wa_id("+44"), Err(PhoneError::NotADigit('+')));
        assert_eq!(PhoneNumber::from_wa_id(&"1".repeat(33)), Err(PhoneError::TooLong));
    }

    #[test]
    fn a_number_is_displayed_with_a_plus_and_logged_with_its_last_digits() {
        let number = PhoneNumber::parse("447700900123").unwrap();
        assert_eq!(number.to_string(), "+447700900123");
        assert_eq!(number.last_four(), "0123");
        assert_eq!(format!("{number:?}"), "PhoneNumber(…0123)");
        assert_eq!(PhoneNumber::from_wa_id("12").unwrap().last_four(), "12");
    }

    #[test]
    fn the_number_of_one_user_has_several_spellings() {
        for (a, b) in [
            ("5531987654321", "553187654321"),
            ("5511912345678", "551112345678"),
            ("525512345678", "5215512345678"),
            ("541123456789", "5491123456789"),
        ] {
            let a = PhoneNumber::from_wa_id(a).unwrap();
            let b = PhoneNumber::from_wa_id(b).unwrap();
            assert_eq!(a.variants(), std::slice::from_ref(&b));
            assert_eq!(b.variants(), std::slice::from_ref(&a));
            assert!(a.is_same_user(&b) && b.is_same_user(&a) && a.is_same_user(&a));
        }
        for alone in ["447700900123", "551133334444", "5511933334444", "15550100001", "52155123456"] {
            assert_eq!(PhoneNumber::from_wa_id(alone).unwrap().variants(), []);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_parsed_or_rejected(text in ".{0,24}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(number.digits()), Ok(number.clone()));
            }
        }

        #[test]
        fn parsing_a_parsed_number_changes_nothing(text in "\\+?[1-9][0-9 ()-]{5,18}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(&number.to_string()), Ok(number.clone()));
            }
        }

        #[test]
        fn the_variant_of_a_variant_is_the_number(wa_id in "(55|52|521|54|549|)[0-9]{8,11}") {
            let number = PhoneNumber::from_wa_id(&wa_id).unwrap();
            for variant in number.variants() {
                prop_assert_ne!(&variant, &number);
                prop_assert_eq!(variant.variants(), vec![number.clone()]);
            }
        }
    }
}
