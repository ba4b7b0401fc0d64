//! Phone numbers as WhatsApp sees them: digits, the rewriting of some countries, and the user ids made from them.
//!
//! **Invariant:** one person has one key: every spelling of a number that WhatsApp takes for the same ends in the same
//! `wa_id`.

use crate::ids;

/// The digits of a number as a caller wrote it; `None` when it holds anything that no phone number holds.
pub(crate) fn digits(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    for (position, letter) in text.trim().chars().enumerate() {
        match letter {
            '0'..='9' => digits.push(letter),
            '+' if position == 0 => {}
            '-' | '(' | ')' | ' ' | '.' | '\u{a0}' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some(digits)
}

/// Only the digits of any text, for comparing numbers in filters.
pub(crate) fn only_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The id that WhatsApp uses for a number. Brazil's 9 goes or comes by area code, Mexico's 1 and Argentina's 9 are added.
pub(crate) fn wa_id(digits: &str) -> String {
    if let Some(rest) = digits.strip_prefix("55") {
        let area = rest.get(..2).and_then(|area| area.parse::<u8>().ok()).unwrap_or(0);
        let local = rest.get(2..).unwrap_or_default();
        if area >= 31 && local.len() == 9 && local.starts_with('9') {
            return format!("55{area}{}", local.get(1..).unwrap_or_default());
        }
        if (11..31).contains(&area) && local.len() == 8 && local.starts_with(['6', '7', '8', '9']) {
            return format!("55{area}9{local}");
        }
    }
    if let Some(rest) = digits.strip_prefix("52").filter(|rest| rest.len() == 10) {
        return format!("521{rest}");
    }
    if let Some(rest) = digits.strip_prefix("54").filter(|rest| rest.len() == 10 && !rest.starts_with('9')) {
        return format!("549{rest}");
    }
    digits.to_owned()
}

/// The ISO country of a number, for its user id. A few are told apart; the rest is `ZZ`.
pub(crate) fn country(digits: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 24] = [
        ("1", "US"),
        ("234", "NG"),
        ("254", "KE"),
        ("27", "ZA"),
        ("31", "NL"),
        ("33", "FR"),
        ("34", "ES"),
        ("351", "PT"),
        ("353", "IE"),
        ("39", "IT"),
        ("41", "CH"),
        ("43", "AT"),
        ("44", "GB"),
        ("46", "SE"),
        ("49", "DE"),
        ("52", "MX"),
        ("54", "AR"),
        ("55", "BR"),
        ("57", "CO"),
        ("62", "ID"),
        ("65", "SG"),
        ("91", "IN"),
        ("966", "SA"),
        ("971", "AE"),
    ];
    PREFIXES.iter().find(|(prefix, _)| digits.starts_with(prefix)).map_or("ZZ", |(_, country)| country)
}

/// The business-scoped id of the person behind a number: the same for one business, another for the next.
pub(crate) fn user_id(business_id: &str, digits: &str) -> String {
    let bytes = ids::sha256(format!("{business_id}/{digits}").as_bytes());
    format!(
        "{}.{}",
        country(digits),
        10_000_000_000_000_000 + ids::number_of(&bytes) % 90_000_000_000_000_000
    )
}

/// `true` if a text has the form of a business-scoped user id, parent ids included.
pub(crate) fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_digits_in_every_spelling() {
        for spelling in ["+44 7700 900123", "447700900123", "+44 (7700) 900-123", " +447700900123 "] {
            assert_eq!(digits(spelling).as_deref(), Some("447700900123"), "{spelling}");
        }
        for wrong in ["", "+", "44x", "4+4", "wamid"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn some_countries_are_rewritten() {
        for (given, expected) in [
            ("5531987654321", "553187654321"),
            ("553187654321", "553187654321"),
            ("551187654321", "5511987654321"),
            ("5511987654321", "5511987654321"),
            ("525512345678", "5215512345678"),
            ("5215512345678", "5215512345678"),
            ("541112345678", "5491112345678"),
            ("447700900123", "447700900123"),
        ] {
            assert_eq!(wa_id(given), expected, "{given}");
            assert_eq!(wa_id(expected), expected, "rewriting is settled after once");
        }
    }

    #[test]
    fn a_user_id_belongs_to_one_business() {
        let id = user_id("600", "447700900123");
        assert!(is_user_id(&id) && id.starts_with("GB."), "{id}");
        assert_eq!(id, user_id("600", "447700900123"));
        assert_ne!(id, user_id("601", "447700900123"));
        assert!(is_user_id("GB.ENT.77120394857261034"));
        assert!(!is_user_id("447700900123") && !is_user_id("gb.1") && !is_user_id("GB."));
    }
}
