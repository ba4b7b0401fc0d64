//! Reading of objects, field by field, and checks of single values.

use std::cell::{Cell, RefCell};
use std::ops::RangeBounds;

use super::describe::{describe_bounds, describe_choices, describe_count, limits, quoted};
use super::limits::{MAX_ELEMENTS, MAX_JSON_TEXT, MAX_MEMBERS, MAX_NUMBER_TEXT, MAX_STRING, MAX_VALUES};
use super::nearest::nearest_of;
use super::pointer::JsonPointer;
use super::schema::node::Node;
use super::schema::recorder::{EMPTY_OBJECT, ONE_ELEMENT};
use super::url::{is_http_url, request_url};
use super::violation::Violations;
use crate::json::{Object, Value, whole_of};

/// Pattern of an absolute URL, as far as a pattern can say it.
const HTTP_URL: &str = "^[hH][tT][tT][pP][sS]?://";

/// Fields of an object, requested by name.
///
/// [`Fields::finish`] at the end of the reading reports unknown fields.
#[derive(Debug)]
#[must_use = "without `finish` unknown fields go unnoticed"]
pub struct Fields<'a, 'p> {
    pub(super) object: &'a Object,
    pub(super) pointer: JsonPointer<'p>,
    pub(super) found: &'p Violations,
    pub(super) requested: FieldNames,
}

/// Names of the requested fields, on the stack up to a number that few objects exceed.
#[derive(Debug)]
pub(super) struct FieldNames {
    /// Number of requested fields that are present.
    pub(super) n_present: Cell<usize>,
    pub(super) n_first: Cell<usize>,
    pub(super) first: [Cell<&'static str>; 16],
    pub(super) rest: RefCell<Vec<&'static str>>,
}

/// A value with its pointer, or an absent value. Each method checks the value for one type.
///
/// A check of an absent item returns `None` without a violation: [`Fields::required`] has reported the missing field.
#[derive(Clone, Copy, Debug)]
#[must_use = "an item that is not checked can be anything"]
pub struct Item<'a, 'p> {
    pub(super) value: Option<&'a Value>,
    pub(super) pointer: JsonPointer<'p>,
    pub(super) found: &'p Violations,
}

/// Elements of an array whose length was checked.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a, 'p> {
    pub(super) elements: &'a [Value],
    pub(super) pointer: JsonPointer<'p>,
    pub(super) found: &'p Violations,
}

impl<'a, 'p> Item<'a, 'p> {
    /// Creates an item for a value that is not part of an object.
    pub const fn new(value: &'a Value, pointer: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { value: Some(value), pointer, found }
    }

    /// Returns `true` if there is a value; `null` is none.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// Returns the value without a check.
    #[must_use]
    pub const fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Returns the pointer to the value.
    #[must_use]
    pub const fn pointer(&self) -> &JsonPointer<'p> {
        &self.pointer
    }

    /// Adds a violation of a rule beyond type and limit.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.pointer, reason);
    }

    /// Returns a string with a length in Unicode characters: `1..=20`, `..=60`. A range without an end (`1..`, `..`) ends at
    /// [`MAX_STRING`].
    pub fn string(&self, length: impl RangeBounds<usize>) -> Option<&'a str> {
        self.describe(|node| node.string(&length));
        let Value::String(text) = self.value? else { return self.wrong_kind("a string") };
        let (least, given_most) = limits(&length);
        let most = given_most.unwrap_or(MAX_STRING);
        // A character has one to four bytes, so that the length in bytes usually decides.
        if text.len() / 4 >= least && text.len() <= most {
            return Some(text);
        }
        let n_characters = text.chars().count();
        if (least..=most).contains(&n_characters) {
            return Some(text);
        }
        // A maximum that the reader did not set is only mentioned if it is the reason.
        let most = if n_characters < least { given_most } else { Some(most) };
        self.refuse(format!("must be {}, is {n_characters}", describe_count(least, most, "character")));
        None
    }

    /// Returns a string of any length.
    pub(super) fn text(&self) -> Option<&'a str> {
        let Value::String(text) = self.value? else { return self.wrong_kind("a string") };
        Some(text)
    }

    /// Returns a string for which `holds` returns `true`; the reason describes the rule ("must be `YYYY-MM-DD`").
    pub fn string_that(&self, holds: impl FnOnce(&str) -> bool, reason: &str) -> Option<&'a str> {
        let text = self.string(..)?;
        if holds(text) {
            return Some(text);
        }
        self.refuse(reason);
        None
    }

    /// Returns an absolute `http://` or `https://` URL.
    pub fn http_url(&self) -> Option<&'a str> {
        self.describe(|node| {
            node.set("format", "uri");
            node.set("pattern", HTTP_URL);
        });
        self.string_that(is_http_url, "must be an absolute URL that starts with https:// or http://")
    }

    /// Returns the URL of a file. Blanks in it are allowed: [`request_url`] encodes them.
    pub fn link(&self) -> Option<&'a str> {
        self.describe(|node| {
            node.set("format", "uri");
            node.set("pattern", HTTP_URL);
        });
        let is_link = |text: &str| !text.starts_with(char::is_whitespace) && is_http_url(&request_url(text));
        self.string_that(is_link, "must be an absolute URL that starts with https:// or http://")
    }

    /// Checks an object that is written as JSON text; its content is not checked.
    pub fn json_text(&self) {
        self.describe(|node| {
            node.set("type", "string");
            node.set("pattern", r"^\s*\{");
            node.limit_count(&(..=MAX_JSON_TEXT), MAX_JSON_TEXT, "minLength", "maxLength");
        });
        let length = self.value.and_then(Value::as_str).map_or(0, |text| text.chars().count());
        if length > MAX_JSON_TEXT {
            self.refuse(format!("must be at most {MAX_JSON_TEXT} characters, is {length}"));
        }
        if self.value.and_then(Value::as_str).is_some_and(|text| !text.trim_start().starts_with('{')) {
            let _refused: Option<()> = self.wrong_kind("an object");
        }
    }

    /// Returns a boolean.
    pub fn boolean(&self) -> Option<bool> {
        self.describe(|node| node.set("type", "boolean"));
        let Value::Bool(truth) = self.value? else { return self.wrong_kind("a boolean") };
        Some(*truth)
    }

    /// Returns a whole number within bounds; `5.0` is whole.
    pub fn integer(&self, bounds: impl RangeBounds<i64>) -> Option<i64> {
        self.describe(|node| node.integer(&bounds));
        let number = match self.value? {
            Value::Int(number) => *number,
            Value::Float(number) => match whole_of(*number) {
                Some(number) => number,
                None => {
                    self.refuse(format!("must be a whole number, is {number:?}"));
                    return None;
                }
            },
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return self.wrong_kind("a whole number");
            }
        };
        self.within(number, &bounds)
    }

    /// Returns a number within bounds.
    pub fn number(&self, bounds: impl RangeBounds<f64>) -> Option<f64> {
        self.describe(|node| node.number(&bounds));
        let Some(number) = self.value?.as_f64() else { return self.wrong_kind("a number") };
        self.within(number, &bounds)
    }

    /// Returns a whole number, which may be written as a string: query parameters, and Meta's `"index": "0"`.
    pub fn integer_or_text(&self, bounds: impl RangeBounds<i64>) -> Option<i64> {
        self.describe(|node| {
            node.integer(&bounds);
            node.or_text("^-?[0-9]+$");
        });
        let Some(Value::String(text)) = self.value else {
            return self.value.and_then(|_| self.integer(bounds));
        };
        // Rust's parser accepts `+1`, which is not a JSON number.
        match text.parse::<i64>() {
            Ok(number) if !text.starts_with('+') && text.len() <= MAX_NUMBER_TEXT => {
                self.within(number, &bounds)
            }
            _ => {
                self.refuse(format!("must be a whole number, is {}", quoted(text)));
                None
            }
        }
    }

    /// Returns a number, which may be written as a string: query parameters, and Meta's `"latitude": "56.4"`.
    pub fn number_or_text(&self, bounds: impl RangeBounds<f64>) -> Option<f64> {
        self.describe(|node| {
            node.number(&bounds);
            node.or_text(r"^-?[0-9]+(\.[0-9]+)?$");
        });
        let Some(Value::String(text)) = self.value else {
            return self.value.and_then(|_| self.number(bounds));
        };
        // Rust's parser accepts `inf`, `nan` and `+1`, which are not JSON numbers.
        let is_plain = |text: &str| text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && is_plain(text) && text.len() <= MAX_NUMBER_TEXT => {
                self.within(number, &bounds)
            }
            _ => {
                self.refuse(format!("must be a number, is {}", quoted(text)));
                None
            }
        }
    }

    /// Returns a boolean, which may be written as a string: query parameters.
    pub fn boolean_or_text(&self) -> Option<bool> {
        let Some(Value::String(text)) = self.value else { return self.boolean() };
        match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.refuse(format!("must be `true` or `false`, is {}", quoted(text)));
                None
            }
        }
    }

    /// Returns one of several values, with exact spelling.
    pub fn one_of(&self, words: &[&'static str]) -> Option<&'static str> {
        self.one_of_with(words, &[])
    }

    /// Does the same as [`Item::one_of`]. `synonyms` are words that callers know from other APIs, each with the value that
    /// the violation suggests instead.
    pub fn one_of_with(
        &self,
        words: &[&'static str],
        synonyms: &[(&str, &'static str)],
    ) -> Option<&'static str> {
        self.describe(|node| node.texts(words));
        let text = self.text()?;
        words.iter().copied().find(|word| *word == text).or_else(|| self.not_among(text, words, synonyms))
    }

    /// Returns one of several values in any case, spelled as in the list.
    pub fn one_of_any_case(&self, words: &[&'static str]) -> Option<&'static str> {
        self.describe(|node| node.texts_in_any_case(words));
        let text = self.text()?;
        words
            .iter()
            .copied()
            .find(|word| word.eq_ignore_ascii_case(text))
            .or_else(|| self.not_among(text, words, &[]))
    }

    /// Returns the value that belongs to a text in a list.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        self.choice_with(choices, &[])
    }

    /// Does the same as [`Item::choice`], with synonyms as in [`Item::one_of_with`].
    pub fn choice_with<T: Copy>(
        &self,
        choices: &[(&'static str, T)],
        synonyms: &[(&str, &'static str)],
    ) -> Option<T> {
        self.describe(|node| node.texts(&choices.iter().map(|(word, _)| *word).collect::<Vec<_>>()));
        let text = self.text()?;
        if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.not_among(text, &words, synonyms)
    }

    /// Returns the elements of an array with a length within bounds; a range without an end ends at [`MAX_ELEMENTS`]. If the array is too long, its first elements are
    /// read, so that their violations are reported too.
    pub fn array(&self, length: impl RangeBounds<usize>) -> Option<Items<'a, 'p>> {
        if self.found.is_describing() {
            self.describe(|node| node.array(&length));
            return Some(Items { elements: &ONE_ELEMENT, pointer: self.pointer, found: self.found });
        }
        let Value::Array(elements) = self.value? else { return self.wrong_kind("an array") };
        let (least, given_most) = limits(&length);
        let most = given_most.unwrap_or(MAX_ELEMENTS);
        let count = elements.len();
        let mut elements = elements.as_slice();
        if count < least || count > most {
            let described = if count < least { given_most } else { Some(most) };
            self.refuse(format!("must have {}, has {count}", describe_count(least, described, "element")));
            elements = elements.get(..most).unwrap_or(elements);
        }
        Some(Items { elements, pointer: self.pointer, found: self.found })
    }

    /// Returns an object to be read field by field.
    pub fn object(&self) -> Option<Fields<'a, 'p>> {
        if self.found.is_describing() {
            self.describe(Node::object);
            return Some(Fields::read(&EMPTY_OBJECT, self.pointer, self.found));
        }
        self.any_object().map(|object| Fields::read(object, self.pointer, self.found))
    }

    /// Returns an object with any fields, at most [`MAX_MEMBERS`], and at most [`MAX_VALUES`] values within them.
    pub fn open_object(&self) -> Option<&'a Object> {
        self.describe(Node::take_any);
        let object = self.any_object()?;
        if let Some(reason) = excess(object) {
            self.refuse(reason);
            return None;
        }
        Some(object)
    }

    fn any_object(&self) -> Option<&'a Object> {
        let Value::Object(object) = self.value? else { return self.wrong_kind("an object") };
        Some(object)
    }

    fn within<T: std::fmt::Debug + std::fmt::Display + PartialOrd>(
        &self,
        number: T,
        bounds: &impl RangeBounds<T>,
    ) -> Option<T> {
        if bounds.contains(&number) {
            return Some(number);
        }
        self.refuse(format!("must be {}, is {number}", describe_bounds(bounds)));
        None
    }

    fn wrong_kind<T>(&self, wanted: &str) -> Option<T> {
        let kind = self.value.map_or("absent", Value::kind_name);
        self.refuse(format!("must be {wanted}, is {kind}"));
        None
    }

    pub(super) fn not_among<T>(&self, text: &str, words: &[&str], synonyms: &[(&str, &str)]) -> Option<T> {
        let guess = nearest_of(text, words, synonyms).map(|word| format!("; did you mean `{word}`?"));
        self.refuse(format!(
            "must be {}, is {}{}",
            describe_choices(words),
            quoted(text),
            guess.unwrap_or_default()
        ));
        None
    }
}

/// Returns the reason why an object with any fields is refused, if it is too large.
pub(super) fn excess(object: &Object) -> Option<String> {
    if object.len() > MAX_MEMBERS {
        return Some(format!("must have at most {MAX_MEMBERS} members, has {}", object.len()));
    }
    let mut left = MAX_VALUES;
    let is_within = object.iter().all(|(_, value)| value.is_within(&mut left));
    (!is_within).then(|| format!("must have at most {MAX_VALUES} values"))
}

impl<'a> Items<'a, '_> {
    /// Returns the elements, each with its pointer.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Item<'a, '_>> {
        self.elements.iter().enumerate().map(|(index, value)| Item {
            value: if self.found.is_describing() { None } else { Some(value) },
            pointer: self.pointer.index(index),
            found: self.found,
        })
    }

    /// Returns the number of elements that are read.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.elements.len()
    }

    /// Returns `true` if there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Adds a violation of the array as a whole.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.pointer, reason);
    }
}
