//! Makes every string of a JSON text decodable without changing its length.
//!
//! Phones produce NUL characters and lone surrogates. Meta passes them on as escapes, which are well-formed JSON (RFC
//! 8259, section 8.2) but not valid text: serde refuses lone surrogates, PostgreSQL refuses NUL. Each such escape is
//! replaced by `\ufffd`, the escape of U+FFFD, which has the same length. An offset into the result is therefore the
//! same offset into the received bytes.
//!
//! **Invariant:** the length never changes, and a text without such escapes is returned unchanged.

use std::borrow::Cow;

const REPLACEMENT: &[u8] = b"\\ufffd";

/// Returns the text with each `\u0000` and each lone surrogate escape replaced by `\ufffd`.
pub(crate) fn replace_invalid_escapes(text: &[u8]) -> Cow<'_, [u8]> {
    let mut replaced = Cow::Borrowed(text);
    let mut at = 0;
    // In JSON, a backslash occurs only inside a string and always begins an escape. In any other text nothing is
    // lost.
    while let Some(skipped) = text.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        let start = at + skipped;
        at = start
            + match unit(text, start) {
                Escape::Unit(0xd800..=0xdbff)
                    if matches!(unit(text, start + 6), Escape::Unit(0xdc00..=0xdfff)) =>
                {
                    12
                }
                Escape::Unit(0 | 0xd800..=0xdfff) => {
                    if let Some(position) = replaced.to_mut().get_mut(start..start + 6) {
                        position.copy_from_slice(REPLACEMENT);
                    }
                    6
                }
                Escape::Unit(_) => 6,
                Escape::Other => 2,
            };
    }
    replaced
}

enum Escape {
    /// `\u` and four digits.
    Unit(u16),
    /// A backslash and another character, or no backslash.
    Other,
}

fn unit(text: &[u8], start: usize) -> Escape {
    let unit = text.get(start..start + 6).and_then(|escape| {
        let digits = escape.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0_u16, |unit, digit| {
            let value = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(value).ok()?)
        })
    });
    unit.map_or(Escape::Other, Escape::Unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn replaced(text: &str) -> String {
        String::from_utf8(replace_invalid_escapes(text.as_bytes()).into_owned()).expect("UTF-8 stays UTF-8")
    }

    #[test]
    fn nul_and_lone_surrogates_become_the_replacement_character() {
        assert_eq!(replaced(r#""a\u0000b""#), r#""a\ufffdb""#);
        assert_eq!(replaced(r#""\ud83d""#), r#""\ufffd""#);
        assert_eq!(replaced(r#""\uDE00!""#), r#""\ufffd!""#);
        assert_eq!(replaced(r#""\ud83d\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        assert_eq!(replaced(r#""\ude00\ud83d""#), r#""\ufffd\ufffd""#);
        assert_eq!(replaced(r#""\ud83d\n""#), r#""\ufffd\n""#);
    }

    #[test]
    fn text_that_resembles_an_escape_is_unchanged() {
        for text in [
            r#""\\u0000""#,
            r#""\\\\ud83d""#,
            r#""\ud83d\ude00""#,
            r#""\u00000""#,
            r#""é\/\u0001""#,
            "\\",
            "\\u",
            "\\u00",
        ] {
            if text == r#""\u00000""# {
                assert_eq!(replaced(text), r#""\ufffd0""#);
            } else {
                assert!(
                    matches!(replace_invalid_escapes(text.as_bytes()), Cow::Borrowed(same) if same == text.as_bytes()),
                    "{text}"
                );
            }
        }
        assert_eq!(replaced(r#""\\\u0000""#), r#""\\\ufffd""#);
    }

    /// Fragments of the strings that Meta sends, with their UTF-16 units.
    fn piece() -> impl Strategy<Value = (String, Vec<u16>)> {
        prop_oneof![
            "[a-z0-9u{}\\[\\], 😀é]".prop_map(|text| (text.clone(), text.encode_utf16().collect())),
            prop::sample::select(vec![
                (r"\\", 0x5c),
                (r#"\""#, 0x22),
                (r"\/", 0x2f),
                (r"\n", 0x0a),
                (r"\u0000", 0),
                (r"\u0041", 0x41),
                (r"\ud83d", 0xd83d),
                (r"\uDBFF", 0xdbff),
                (r"\uDE00", 0xde00),
                (r"\udfff", 0xdfff),
            ])
            .prop_map(|(text, unit)| (text.to_owned(), vec![unit])),
        ]
    }

    proptest! {
        #[test]
        fn every_string_decodes_to_its_text_with_replacements(segments in prop::collection::vec(piece(), 0..40)) {
            let json = format!("\"{}\"", segments.iter().map(|(text, _)| text.as_str()).collect::<String>());
            prop_assert!(serde_json::from_str::<&RawValue>(&json).is_ok());
            let units: Vec<u16> = segments.iter().flat_map(|(_, units)| units.clone()).collect();
            let wanted = String::from_utf16_lossy(&units).replace('\0', "\u{fffd}");
            let replaced = replaced(&json);
            prop_assert_eq!(replaced.len(), json.len());
            prop_assert_eq!(serde_json::from_str::<String>(&replaced).ok(), Some(wanted));
        }

        #[test]
        fn a_valid_text_without_nul_is_unchanged(text in "\\PC*") {
            let json = serde_json::to_string(&text).expect("a string");
            prop_assert!(matches!(replace_invalid_escapes(json.as_bytes()), Cow::Borrowed(_)));
        }

        #[test]
        fn any_bytes_keep_their_length(bytes in prop::collection::vec(prop::sample::select(b"\\u0d8c\"x".to_vec()), 0..60)) {
            prop_assert_eq!(replace_invalid_escapes(&bytes).len(), bytes.len());
            let again = replace_invalid_escapes(&bytes).into_owned();
            prop_assert!(matches!(replace_invalid_escapes(&again), Cow::Borrowed(_)));
        }
    }
}
