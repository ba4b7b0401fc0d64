//! Rule for new passwords: length, common passwords, passwords that follow from the user.
//!
//! The rule is that of NIST SP 800-63B, section 3.1.1.2 (<https://pages.nist.gov/800-63-4/sp800-63b.html>): a minimum length,
//! a list of refused passwords, and no demand for kinds of characters. Stored passwords are not checked again.

use crate::access::user::Email;

/// Minimum length of a password in characters.
pub const MIN_PASSWORD: usize = 12;
/// Maximum length of a password in characters.
pub const MAX_PASSWORD: usize = 256;
/// Name of the product: a password that follows from the name is refused.
const PRODUCT: &str = "waypost";
/// Minimum length of a word that is removed from the password before the rest is measured. Shorter words are in many good
/// passwords.
const MIN_CONTEXT_WORD: usize = 4;
/// Minimum length of the rest of a password without the words that follow from the user.
const MIN_REST: usize = 6;
/// Minimum number of different characters of a password.
const MIN_DIFFERENT: usize = 5;
/// Minimum number of characters of a password that do not continue a sequence such as `abc` or `321`.
const MIN_UNPREDICTABLE: usize = 5;

/// Common passwords in lower case, one a line, sorted. The source is in `docs/decisions/0041-passwords.md`.
const COMMON: &str = include_str!("common_passwords.txt");

/// Returns the reason why a new password is not allowed, to be read after the name of the field; `None` if it is allowed.
/// Without an address, the address is not compared.
pub fn password_error(password: &str, email: Option<&Email>) -> Option<String> {
    let n_chars = password.chars().count();
    if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&n_chars) {
        return Some(format!("must be {MIN_PASSWORD} to {MAX_PASSWORD} characters, is {n_chars}"));
    }
    let password = password.to_lowercase();
    let reason = if is_common(&password) {
        "is a common password: choose another, such as four random words"
    } else if is_monotonous(&password) {
        "repeats few characters or is a sequence of characters: choose another, such as four random words"
    } else if follows_from_context(&password, email) {
        "follows from the email address or from the name of the product: choose another, such as four random words"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// `true` if the password is common, or a common password with digits and punctuation around.
fn is_common(password: &str) -> bool {
    let core = password.trim_matches(|c: char| !c.is_alphabetic());
    COMMON.lines().any(|common| common == password || common == core)
}

/// `true` if the password has few different characters, or consists mostly of sequences.
fn is_monotonous(password: &str) -> bool {
    let codes: Vec<u32> = password.chars().map(u32::from).collect();
    let mut different = codes.clone();
    different.sort_unstable();
    different.dedup();
    let n_predictable = codes.array_windows().filter(|[before, after]| before.abs_diff(*after) <= 1).count();
    different.len() < MIN_DIFFERENT || codes.len().saturating_sub(n_predictable) < MIN_UNPREDICTABLE
}

/// `true` if little is left of the password without the e-mail address, its parts and the name of the product.
fn follows_from_context(password: &str, email: Option<&Email>) -> bool {
    let address = email.map(Email::key).unwrap_or_default();
    let (local, domain) = address.rsplit_once('@').unwrap_or_default();
    let host = domain.split('.').next().unwrap_or_default();
    let mut words: Vec<&str> = vec![&address, local, domain, host, PRODUCT];
    words.extend(local.split(|c: char| !c.is_alphanumeric()));
    words.retain(|word| word.chars().count() >= MIN_CONTEXT_WORD);
    // Longer words first: the address contains the others.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(password.to_owned(), |rest, word| rest.replace(word, ""));
    rest.len() < password.len() && rest.chars().filter(|c| c.is_alphanumeric()).count() < MIN_REST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(password: &str) -> Option<String> {
        password_error(password, Some(&"Ada.Lovelace@analytical.example".parse().unwrap()))
    }

    #[test]
    fn a_password_has_twelve_to_256_characters() {
        let long = |n: usize| "pässwörd of a user ".chars().cycle().take(n).collect::<String>();
        assert_eq!(error(&long(12)), None);
        assert_eq!(error(&long(256)), None);
        assert_eq!(error("xkcd936 hors").as_deref(), None);
        for n in [0, 1, 8, 11, 257] {
            assert_eq!(error(&long(n)), Some(format!("must be 12 to 256 characters, is {n}")));
        }
    }

    #[test]
    fn a_common_password_is_refused_in_any_case_and_with_digits_around() {
        for text in [
            "administrator",
            "Administrator",
            "1q2w3e4r5t6y",
            "Password1234",
            "2026sunshine!",
            "password12345!",
            "***iloveyou***",
            "morganstanley",
        ] {
            assert!(error(text).is_some_and(|reason| reason.starts_with("is a common password")), "{text}");
        }
    }

    #[test]
    fn a_repetition_or_a_sequence_is_refused() {
        for text in [
            "aaaaaaaaaaaa",
            "abababababab",
            "123123123123",
            "123456789012",
            "abcdefghijkl",
            "zyxwvutsrqpo",
            "1111222233334444",
        ] {
            let reason = error(text);
            assert!(
                reason.as_ref().is_some_and(|reason| !reason.starts_with("must be")),
                "{text}: {reason:?}"
            );
        }
    }

    #[test]
    fn a_password_that_follows_from_the_address_or_the_product_is_refused() {
        for text in [
            "ada.lovelace@analytical.example",
            "Ada.Lovelace",
            "LovelaceLovelace1",
            "lovelace-ada-2026"[..15].trim_end_matches('-'),
            "analytical.example",
            "analytical-2026",
            "WaypostWaypost",
            "waypost-2026!",
        ] {
            assert!(error(text).is_some(), "{text}");
        }
        assert!(password_error("Ada.Lovelace", None).is_none());
        for text in ["my lovelace biography is thick", "waypost owner of the north", "correct horse battery"]
        {
            assert_eq!(error(text), None, "{text}");
        }
    }

    #[test]
    fn the_list_of_common_passwords_is_sorted_and_in_lower_case() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted());
        assert!(
            lines.len() > 2_000 && lines.iter().all(|line| line.len() >= 4 && *line == line.to_lowercase())
        );
    }
}
