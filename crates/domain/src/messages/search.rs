//! Search of messages: the words of a message, and the words of a search.

use crate::json::Value;

/// Maximum number of characters of a message in the search index: more than the text of any message.
const MAX_TEXT: usize = 10_000;

/// Minimum number of digits of a part of a phone number in a search.
const MIN_DIGITS: usize = 3;

/// Members of a content that people read. Other members have IDs, links and settings.
const TEXT_MEMBERS: [&str; 12] = [
    "address",
    "body",
    "caption",
    "description",
    "display_text",
    "filename",
    "formatted_name",
    "name",
    "org",
    "company",
    "text",
    "title",
];

/// Words that a search looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Words, each with at least one letter or digit. The last word is the beginning of a word.
    pub words: Vec<String>,
    /// Digits, if the search has the form of a phone number or of a part of one.
    pub digits: Option<String>,
}

impl SearchQuery {
    /// Parses the text of a search. Each text is a search: operators have no meaning.
    pub fn parse(text: &str) -> Self {
        let words = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
        let is_number = text.chars().all(|letter| letter.is_ascii_digit() || " +-.()/".contains(letter));
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Self {
            words: words.map(str::to_owned).collect(),
            digits: (is_number && digits.len() >= MIN_DIGITS).then_some(digits),
        }
    }
}

/// Returns the text of a message that a search finds.
pub fn search_text(content: &Value) -> String {
    let mut text = String::new();
    collect(content, "", &mut text);
    text
}

fn collect(value: &Value, parent: &str, text: &mut String) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, parent, text)),
        Value::Object(object) => {
            for (name, member) in object.iter() {
                match member {
                    // The name of an action of an interactive message, such as `cta_url`, is not visible.
                    Value::String(words) if TEXT_MEMBERS.contains(&name) && parent != "action" => {
                        add(words, text);
                    }
                    Value::Array(_) | Value::Object(_) => collect(member, name, text),
                    Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

fn add(words: &str, text: &mut String) {
    let left = MAX_TEXT.saturating_sub(text.chars().count());
    if left == 0 {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.extend(words.chars().take(left));
}

/// Returns the ends of a phone number, from the whole number to the last digits: a part of the number is the beginning of
/// one of them.
pub fn number_ends(digits: &str) -> impl Iterator<Item = &str> {
    let last = digits.len().saturating_sub(MIN_DIGITS);
    (0..=last).filter_map(|start| digits.get(start..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(json: &str) -> String {
        search_text(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_message_is_found_by_the_words_that_people_read() {
        for (json, text) in [
            (r#"{"body":"Hello Ada","preview_url":true}"#, "Hello Ada"),
            (
                r#"{"id":"77","caption":"Blue","filename":"menu.pdf","mime_type":"application/pdf"}"#,
                "Blue\nmenu.pdf",
            ),
            (r#"{"emoji":"👍","message_id":"wamid.A"}"#, ""),
            (
                r#"{"type":"button","body":{"text":"Come?"},"action":{"name":"x","buttons":[{"reply":{"id":"y","title":"Yes"}}]}}"#,
                "Come?\nYes",
            ),
            (
                r#"{"name":"order","language":{"code":"en"},"components":[{"parameters":[{"type":"text","text":"ORD-7"}]}]}"#,
                "order\nORD-7",
            ),
            (
                r#"[{"name":{"formatted_name":"Ada Byron"},"phones":[{"phone":"+447700900123"}]}]"#,
                "Ada Byron",
            ),
        ] {
            assert_eq!(text_of(json), text, "{json}");
        }
        let long = format!(r#"{{"body":"{}","caption":"x"}}"#, "a".repeat(20_000));
        assert_eq!(text_of(&long).len(), MAX_TEXT);
    }

    #[test]
    fn a_search_has_words_and_perhaps_a_number() {
        let parse = |text| {
            let SearchQuery { words, digits } = SearchQuery::parse(text);
            (words.join("|"), digits.unwrap_or_default())
        };
        let of = |words: &str, digits: &str| (words.to_owned(), digits.to_owned());
        assert_eq!(parse(" blue  shoes "), of("blue|shoes", ""));
        assert_eq!(parse("\" * ( order-7"), of("order-7", ""));
        assert_eq!(parse("***"), of("", ""));
        assert_eq!(parse("+44 7700 900-123"), of("+44|7700|900-123", "447700900123"));
        assert_eq!(parse("12"), of("12", ""));
        assert_eq!(parse("room 1234"), of("room|1234", ""));
    }

    #[test]
    fn a_part_of_a_number_is_the_beginning_of_an_end() {
        assert_eq!(number_ends("12345").collect::<Vec<_>>(), ["12345", "2345", "345"]);
        assert_eq!(number_ends("12").collect::<Vec<_>>(), ["12"]);
    }
}
