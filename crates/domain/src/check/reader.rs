//! Reading of objects, field by field, and checks of single values.

use std::cell::{Cell, RefCell};
use std::ops::RangeBounds;

use super::describe::{describe_bounds, describe_choices, describe_count, limits, quoted};
use super::nearest::nearest;
use super::patch::Patch;
use super::pointer::JsonPointer;
use super::url::is_http_url;
use super::violation::Violations;
use crate::json::{Object, Value, whole_of};

/// Fields of an object, requested by name.
///
/// [`Fields::finish`] at the end of the reading reports unknown fields.
#[derive(Debug)]
#[must_use = "without `finish` unknown fields go unnoticed"]
pub struct Fields<'a, 'p> {
    object: &'a Object,
    place: JsonPointer<'p>,
    found: &'p Violations,
    requested: FieldNames,
}

/// Names of the requested fields, on the stack up to a number that few objects exceed.
#[derive(Debug)]
struct FieldNames {
    /// Number of requested fields that are present.
    n_present: Cell<usize>,
    n_first: Cell<usize>,
    first: [Cell<&'static str>; 16],
    rest: RefCell<Vec<&'static str>>,
}

/// A value with its pointer, or an absent value. Each method checks the value for one type.
///
/// A check of an absent item returns `None` without a violation: [`Fields::required`] has reported the missing field.
#[derive(Clone, Copy, Debug)]
#[must_use = "an item that is not checked can be anything"]
pub struct Item<'a, 'p> {
    value: Option<&'a Value>,
    place: JsonPointer<'p>,
    found: &'p Violations,
}

/// Elements of an array whose length was checked.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a, 'p> {
    elements: &'a [Value],
    place: JsonPointer<'p>,
    found: &'p Violations,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// Starts the reading of an object at `place`.
    pub fn read(object: &'a Object, place: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { object, place, found, requested: FieldNames::new() }
    }

    /// Returns a required field; if it is absent or `null`, the violation "is required" is added.
    pub fn required(&self, name: &'static str) -> Item<'a, '_> {
        let item = self.optional(name);
        if item.value.is_none() {
            item.refuse("is required");
        }
        item
    }

    /// Returns an optional field; `null` is absent.
    pub fn optional(&self, name: &'static str) -> Item<'a, '_> {
        let value = self.lookup(name).filter(|value| !value.is_null());
        Item { value, place: self.place.key(name), found: self.found }
    }

    /// Returns a field whose absence and `null` differ, as in a partial update.
    pub fn change(&self, name: &'static str) -> Patch<Item<'a, '_>> {
        match self.lookup(name) {
            None => Patch::Unchanged,
            Some(Value::Null) => Patch::Clear,
            value @ Some(_) => Patch::Set(Item { value, place: self.place.key(name), found: self.found }),
        }
    }

    /// Adds a violation if the object has this field, with the reason: "is not allowed in a list message".
    pub fn forbidden(&self, name: &'static str, reason: &str) {
        let item = self.optional(name);
        if item.is_present() {
            item.refuse(reason);
        }
    }

    /// Returns the one present field of several. If none is present, the object has a violation ("needs exactly one of
    /// `id` or `link`"); if two are present, the later one has.
    pub fn exactly_one(&self, names: &[&'static str]) -> Option<(&'static str, Item<'a, '_>)> {
        let one = self.at_most_one(names);
        if one.is_none() {
            self.refuse(format!("needs exactly one of {}", describe_choices(names)));
        }
        one
    }

    /// Returns the one present field of several, if any; if two are present, the later one has a violation.
    pub fn at_most_one(&self, names: &[&'static str]) -> Option<(&'static str, Item<'a, '_>)> {
        let mut one = None;
        for name in names {
            let item = self.optional(name);
            match one {
                _ if !item.is_present() => {}
                None => one = Some((*name, item)),
                Some((first, _)) => item.refuse(format!(
                    "cannot be given together with `{first}`: exactly one of {} is allowed",
                    describe_choices(names)
                )),
            }
        }
        one
    }

    /// Adds a violation of the object as a whole.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.place, reason);
    }

    /// Returns the object.
    pub const fn object(&self) -> &'a Object {
        self.object
    }

    /// Returns the pointer to the object.
    pub const fn place(&self) -> &JsonPointer<'p> {
        &self.place
    }

    /// Returns the list of violations.
    pub const fn violations(&self) -> &'p Violations {
        self.found
    }

    /// Ends the reading. Each field that was not requested is unknown; the reason suggests the most similar known
    /// field or lists all of them.
    pub fn finish(self) {
        if self.requested.n_present.get() == self.object.len() {
            return;
        }
        let names = self.requested.names();
        for (key, _) in self.object.iter().filter(|(key, _)| !names.contains(key)) {
            if self.found.is_full() {
                return;
            }
            let unknown = quoted(key);
            let reason = match nearest(key, &names) {
                Some(name) => format!("unknown field {unknown}; did you mean `{name}`?"),
                None if names.is_empty() => format!("unknown field {unknown}; this object has no fields"),
                None => format!("unknown field {unknown}; known are {}", describe_choices(&names)),
            };
            self.found.refuse(&self.place.key(key), reason);
        }
    }

    /// Ends the reading of an object that may have other fields.
    pub fn finish_open(self) {
        drop(self);
    }

    fn lookup(&self, name: &'static str) -> Option<&'a Value> {
        let value = self.object.get(name);
        if self.requested.note(name) && value.is_some() {
            self.requested.n_present.set(self.requested.n_present.get() + 1);
        }
        value
    }
}

impl FieldNames {
    fn new() -> Self {
        Self {
            n_present: Cell::new(0),
            n_first: Cell::new(0),
            first: [const { Cell::new("") }; 16],
            rest: RefCell::new(Vec::new()),
        }
    }

    /// Stores a name; returns `false` if the name is known already.
    fn note(&self, name: &'static str) -> bool {
        let n_first = self.n_first.get();
        if self.first.iter().take(n_first).any(|known| known.get() == name) {
            return false;
        }
        if let Some(free) = self.first.get(n_first) {
            free.set(name);
            self.n_first.set(n_first + 1);
            return true;
        }
        let mut rest = self.rest.borrow_mut();
        if rest.contains(&name) {
            return false;
        }
        rest.push(name);
        true
    }

    fn names(&self) -> Vec<&'static str> {
        let first = self.first.iter().take(self.n_first.get()).map(Cell::get);
        first.chain(self.rest.borrow().iter().copied()).collect()
    }
}

impl<'a, 'p> Item<'a, 'p> {
    /// Creates an item for a value that is not part of an object.
    pub const fn new(value: &'a Value, place: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { value: Some(value), place, found }
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
    pub const fn place(&self) -> &JsonPointer<'p> {
        &self.place
    }

    /// Adds a violation of a rule beyond type and limit.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.place, reason);
    }

    /// Returns a string with a length in Unicode characters: `1..=20`, `..=60`, `1..`, `..`.
    pub fn string(&self, length: impl RangeBounds<usize>) -> Option<&'a str> {
        let Value::String(text) = self.value? else { return self.wrong_kind("a string") };
        let (least, most) = limits(&length);
        // A character has one to four bytes, so that the length in bytes usually decides.
        if text.len() / 4 >= least && most.is_none_or(|most| text.len() <= most) {
            return Some(text);
        }
        let n_characters = text.chars().count();
        if n_characters >= least && most.is_none_or(|most| n_characters <= most) {
            return Some(text);
        }
        self.refuse(format!("must be {}, is {n_characters}", describe_count(least, most, "character")));
        None
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
        self.string_that(is_http_url, "must be an absolute URL that starts with https:// or http://")
    }

    /// Returns a boolean.
    pub fn boolean(&self) -> Option<bool> {
        let Value::Bool(truth) = self.value? else { return self.wrong_kind("a boolean") };
        Some(*truth)
    }

    /// Returns a whole number within bounds; `5.0` is whole.
    pub fn integer(&self, bounds: impl RangeBounds<i64>) -> Option<i64> {
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
        let Some(number) = self.value?.as_f64() else { return self.wrong_kind("a number") };
        self.within(number, &bounds)
    }

    /// Returns a whole number, which may be written as a string: query parameters, and Meta's `"index": "0"`.
    pub fn integer_or_text(&self, bounds: impl RangeBounds<i64>) -> Option<i64> {
        let Value::String(text) = self.value? else { return self.integer(bounds) };
        // Rust's parser accepts `+1`, which is not a JSON number.
        match text.parse::<i64>() {
            Ok(number) if !text.starts_with('+') => self.within(number, &bounds),
            _ => {
                self.refuse(format!("must be a whole number, is {}", quoted(text)));
                None
            }
        }
    }

    /// Returns a number, which may be written as a string: query parameters, and Meta's `"latitude": "56.4"`.
    pub fn number_or_text(&self, bounds: impl RangeBounds<f64>) -> Option<f64> {
        let Value::String(text) = self.value? else { return self.number(bounds) };
        // Rust's parser accepts `inf`, `nan` and `+1`, which are not JSON numbers.
        let is_plain = |text: &str| text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && is_plain(text) => self.within(number, &bounds),
            _ => {
                self.refuse(format!("must be a number, is {}", quoted(text)));
                None
            }
        }
    }

    /// Returns a boolean, which may be written as a string: query parameters.
    pub fn boolean_or_text(&self) -> Option<bool> {
        let Value::String(text) = self.value? else { return self.boolean() };
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
        let text = self.string(..)?;
        words.iter().copied().find(|word| *word == text).or_else(|| self.not_among(text, words))
    }

    /// Returns one of several values in any case, spelled as in the list.
    pub fn one_of_any_case(&self, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(..)?;
        words
            .iter()
            .copied()
            .find(|word| word.eq_ignore_ascii_case(text))
            .or_else(|| self.not_among(text, words))
    }

    /// Returns the value that belongs to a text in a list.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string(..)?;
        if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.not_among(text, &words)
    }

    /// Returns the elements of an array with a length within bounds. If the array is too long, its first elements are
    /// read, so that their violations are reported too.
    pub fn array(&self, length: impl RangeBounds<usize>) -> Option<Items<'a, 'p>> {
        let Value::Array(elements) = self.value? else { return self.wrong_kind("an array") };
        let (least, most) = limits(&length);
        let count = elements.len();
        let mut elements = elements.as_slice();
        if count < least || most.is_some_and(|most| count > most) {
            self.refuse(format!("must have {}, has {count}", describe_count(least, most, "element")));
            elements = most.and_then(|most| elements.get(..most)).unwrap_or(elements);
        }
        Some(Items { elements, place: self.place, found: self.found })
    }

    /// Returns an object to be read field by field.
    pub fn object(&self) -> Option<Fields<'a, 'p>> {
        self.open_object().map(|object| Fields::read(object, self.place, self.found))
    }

    /// Returns an object with any fields.
    pub fn open_object(&self) -> Option<&'a Object> {
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

    fn not_among<T>(&self, text: &str, words: &[&str]) -> Option<T> {
        let guess = nearest(text, words).map(|word| format!("; did you mean `{word}`?"));
        self.refuse(format!(
            "must be {}, is {}{}",
            describe_choices(words),
            quoted(text),
            guess.unwrap_or_default()
        ));
        None
    }
}

impl<'a> Items<'a, '_> {
    /// Returns the elements, each with its pointer.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Item<'a, '_>> {
        self.elements.iter().enumerate().map(|(index, value)| Item {
            value: Some(value),
            place: self.place.index(index),
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
        self.found.refuse(&self.place, reason);
    }
}
