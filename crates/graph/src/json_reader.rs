//! A reader of well-formed JSON, value by value, that allocates nothing.
//!
//! serde's derive does not fit Meta's payloads: it refuses the whole payload because of one duplicated member or one
//! member of an undocumented type, and it recurses. Here serde_json checks the text once; afterwards every value is a
//! slice of the text with typed accessors. A value of another type than the accessor's is `None`.
//!
//! **Invariant:** a [`Json`] is exactly the bytes of one value, and [`Json::start`] is their offset in the whole
//! text.
//!
//! **Invariant:** nothing here recurses, so nesting depth uses no stack.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// One value in a JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Json<'a> {
    /// Parses a whole text, which must be a single value.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        let value: &RawValue = serde_json::from_slice(bytes)?;
        Ok(Self { text: value.get(), start: bytes.iter().take_while(|byte| is_space(**byte)).count() })
    }

    /// Returns the bytes of the value.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    /// Returns the offset of the first byte in the whole text.
    pub(crate) fn start(self) -> usize {
        self.start
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.text.starts_with('[')
    }

    pub(crate) fn is_null(self) -> bool {
        self.text == "null"
    }

    /// Returns the type with its article, for error messages.
    pub(crate) fn kind_name(self) -> &'static str {
        match self.text.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            Some(_) | None => "a number",
        }
    }

    /// Returns the text of a string, or the digits of a number, because Meta writes ids and times as either. `None`
    /// if empty.
    pub(crate) fn scalar(self) -> Option<Cow<'a, str>> {
        match self.text.as_bytes().first()? {
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(self.text)),
            _ => self.string().filter(|text| !text.is_empty()),
        }
    }

    /// Returns the text of a string.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(self.text).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    /// Returns a boolean.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Returns a whole number, also if it is written as a string.
    pub(crate) fn integer(self) -> Option<i64> {
        self.scalar()?.parse().ok()
    }

    /// Returns the members of an object, duplicates included; nothing for any other type.
    pub(crate) fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        let mut content = self.content(self.is_object());
        std::iter::from_fn(move || {
            let key = content.value()?;
            Some((key.string().unwrap_or(Cow::Borrowed(key.text)), content.value()?))
        })
    }

    /// Returns the elements of an array; nothing for any other type.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        let mut content = self.content(self.is_array());
        std::iter::from_fn(move || content.value())
    }

    /// Returns the member `name` of an object; of duplicates the last, as most parsers do.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        self.members().filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    fn content(self, is_container: bool) -> Content<'a> {
        let next = if is_container { 1 } else { self.text.len() };
        Content { integer: self, next }
    }
}

/// Iterator over the content of a container.
struct Content<'a> {
    integer: Json<'a>,
    next: usize,
}

impl<'a> Content<'a> {
    /// Returns the next key or value.
    fn value(&mut self) -> Option<Json<'a>> {
        let bytes = self.integer.text.as_bytes();
        while bytes.get(self.next).is_some_and(|byte| is_space(*byte) || matches!(byte, b',' | b':')) {
            self.next += 1;
        }
        let start = self.next;
        if matches!(bytes.get(start)?, b'}' | b']') {
            return None;
        }
        self.next = end_of_value(bytes, start);
        Some(Json { text: self.integer.text.get(start..self.next)?, start: self.integer.start + start })
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Returns the offset after the last byte of the value that begins at `start`.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = bytes.get(at..).unwrap_or_default();
                let is_end = |byte: &u8| is_space(*byte) || matches!(byte, b',' | b'}' | b']');
                at += rest.iter().position(is_end).unwrap_or(rest.len());
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the offset after the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn members_and_elements_have_their_offsets() {
        let text = r#" { "a" : [ 1 , "x\"]" , { } , [ ] , null , true ] , "b\u0063" : -2.5e3 } "#;
        let integer = parse(text);
        let names: Vec<_> = integer.members().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["a", "bc"]);
        let elements: Vec<_> = integer.get("a").expect("a").elements().collect();
        let texts: Vec<_> = elements.iter().map(|element| element.text()).collect();
        assert_eq!(texts, ["1", r#""x\"]""#, "{ }", "[ ]", "null", "true"]);
        for element in elements {
            assert_eq!(&text[element.start()..element.start() + element.text().len()], element.text());
        }
        assert_eq!(integer.get("bc").expect("bc").text(), "-2.5e3");
    }

    #[test]
    fn of_duplicate_members_the_last_is_returned_and_both_are_iterated() {
        let integer = parse(r#"{"a":1,"a":2}"#);
        assert_eq!(integer.get("a").and_then(Json::integer), Some(2));
        assert_eq!(integer.members().count(), 2);
    }

    #[test]
    fn a_scalar_is_a_string_or_a_number_and_never_empty() {
        assert_eq!(parse(r#""a\/b""#).scalar().as_deref(), Some("a/b"));
        assert_eq!(parse("707001122334455").scalar().as_deref(), Some("707001122334455"));
        for none in [r#""""#, "null", "true", "{}", "[]"] {
            assert_eq!(parse(none).scalar(), None);
        }
        assert_eq!(parse(r#""17""#).integer(), Some(17));
        assert_eq!(parse("1.5").integer(), None);
    }

    #[test]
    fn a_hundred_thousand_levels_are_read() {
        let deep = format!(r#"{{"a":{}{},"b":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(&deep).get("b").and_then(Json::integer), Some(1));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[\\PC\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\]{0,3}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn rebuilt(json: Json<'_>) -> Value {
        if json.is_object() {
            return Value::Object(
                json.members().map(|(name, value)| (name.into_owned(), rebuilt(value))).collect(),
            );
        }
        if json.is_array() {
            return json.elements().map(rebuilt).collect();
        }
        serde_json::from_str(json.text()).expect("a scalar")
    }

    proptest! {
        #[test]
        fn the_reader_agrees_with_serde(value in json(), is_pretty in any::<bool>()) {
            let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.expect("JSON");
            prop_assert_eq!(rebuilt(parse(&text)), serde_json::from_str::<Value>(&text).expect("JSON"));
        }
    }
}
