//! JSON Schemas of readers.
//!
//! A reader states names, types and limits once. Run on a value, it checks the value; run by [`RequestSchema::of`], it
//! writes down what it would check. [`Item::about`] and its neighbours add what only readers of documentation need: they
//! do nothing while a value is checked.
//!
//! **Invariant:** a reader takes each field on every path, and branches on values only within [`Fields::variants`],
//! [`Item::string_or`] and [`Fields::exactly_one`]: a field that is read only after another was found is not described.

use std::cell::RefCell;
use std::ops::RangeBounds;

use super::range::counts;
use super::{Fields, Item, JsonPointer, Step, Violations};
use crate::json::{Object, Value};

/// Prefix of a reference to a named schema of an OpenAPI document.
const REFERENCE: &str = "#/components/schemas/";

/// An object without members, which is what a described reader reads.
pub(super) static NOTHING: Object = Object::new();
/// A list of one element, of which a described reader reads nothing.
pub(super) static ONE_ELEMENT: [Value; 1] = [Value::Null];

/// JSON Schema (2020-12) of what a reader accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSchema {
    /// The schema itself.
    pub schema: Value,
    /// The named schemas that it refers to, each after those that it refers to itself.
    pub definitions: Object,
}

impl RequestSchema {
    /// Schema of a JSON object, as `read` reads it.
    pub fn of<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(false, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    /// Schema of a JSON value, as `read` reads it.
    pub fn of_value(read: impl FnOnce(Item<'_, '_>)) -> Self {
        Self::recorded(false, read)
    }

    /// Schema of an object of query parameters, as `read` reads it. The values are texts, so a number written as text is
    /// described as a number.
    pub fn of_query<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(true, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    fn recorded(is_query: bool, read: impl FnOnce(Item<'_, '_>)) -> Self {
        let recorder = SchemaRecorder { is_query, ..SchemaRecorder::default() };
        let found = Violations { list: RefCell::default(), recorder: Some(Box::new(recorder)) };
        read(Item { value: None, place: JsonPointer::root(), found: &found });
        let recorder = found.recorder.unwrap_or_default();
        Self { schema: recorder.root.into_inner().schema(), definitions: recorder.definitions.into_inner() }
    }
}

/// What the readers of a request have described so far.
#[derive(Debug, Default)]
pub(super) struct SchemaRecorder {
    root: RefCell<Node>,
    definitions: RefCell<Object>,
    is_query: bool,
}

/// A part of a schema: keywords, and the parts within it.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    keywords: Object,
    fields: Vec<Field>,
    items: Option<Box<Self>>,
    sentences: Vec<String>,
    is_query: bool,
    /// The keywords, if they are written by hand.
    written: Option<Object>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    node: Node,
    is_required: bool,
    is_nullable: bool,
}

impl SchemaRecorder {
    /// Calls `f` with the part of the schema at a place.
    fn at<T>(&self, place: &JsonPointer<'_>, f: impl FnOnce(&mut Node) -> T) -> T {
        let mut steps = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next {
            steps.push(place.step);
            next = place.parent;
        }
        self.root.borrow_mut().at(&steps, |node| {
            node.is_query = self.is_query;
            f(node)
        })
    }

    /// Describes what `read` reads at a place, beginning with `start`, apart from what is described there already.
    fn apart(&self, place: &JsonPointer<'_>, start: Node, read: impl FnOnce()) -> Node {
        let before = self.at(place, |node| std::mem::replace(node, start));
        read();
        self.at(place, |node| std::mem::replace(node, before))
    }

    /// Names a schema; returns the reference to it.
    fn define(&self, name: &str, node: Node) -> Value {
        let schema = node.schema();
        self.definitions.borrow_mut().insert(name, schema);
        reference(name)
    }
}

fn reference(name: &str) -> Value {
    let mut reference = Object::new();
    reference.insert("$ref", format!("{REFERENCE}{name}"));
    reference.into()
}

fn number_of(n: usize) -> Value {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}

/// One of several words in any case, as a pattern.
fn any_case_pattern(words: &[&str]) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphabetic() {
            format!("[{}{}]", letter.to_ascii_lowercase(), letter.to_ascii_uppercase())
        } else {
            letter.to_string()
        }
    };
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    format!("^({})$", words.join("|"))
}

impl Node {
    /// Calls `f` with the part that these steps lead to, the last step first.
    fn at<T>(&mut self, steps: &[Step<'_>], f: impl FnOnce(&mut Self) -> T) -> T {
        match steps.split_last() {
            None => f(self),
            Some((Step::Base(_), rest)) => self.at(rest, f),
            Some((Step::Index(_), rest)) => self.items.get_or_insert_with(Box::default).at(rest, f),
            Some((Step::Key(name), rest)) => self.field(name, |field| field.node.at(rest, f)),
        }
    }

    /// Calls `f` with a field, which is added if it is new.
    fn field<T>(&mut self, name: &str, f: impl FnOnce(&mut Field) -> T) -> T {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            return f(field);
        }
        let (name, node) = (name.to_owned(), Self::default());
        let mut field = Field { name, node, is_required: false, is_nullable: false };
        let value = f(&mut field);
        self.fields.push(field);
        value
    }

    pub(super) fn set(&mut self, keyword: &str, value: impl Into<Value>) {
        self.keywords.insert(keyword, value);
    }

    pub(super) fn string(&mut self, length: &impl RangeBounds<usize>) {
        self.set("type", "string");
        self.counts(length, ("minLength", "maxLength"));
    }

    pub(super) fn array(&mut self, length: &impl RangeBounds<usize>) {
        self.set("type", "array");
        self.counts(length, ("minItems", "maxItems"));
    }

    fn counts(&mut self, length: &impl RangeBounds<usize>, (least_name, most_name): (&str, &str)) {
        let (least, most) = counts(length);
        if least > 0 {
            self.set(least_name, number_of(least));
        }
        if let Some(most) = most.filter(|most| *most < usize::MAX) {
            self.set(most_name, number_of(most));
        }
    }

    pub(super) fn integer(&mut self, bounds: &impl RangeBounds<i64>) {
        self.set("type", "integer");
        self.bounds(bounds, Value::from);
    }

    pub(super) fn number(&mut self, bounds: &impl RangeBounds<f64>) {
        self.set("type", "number");
        self.bounds(bounds, |number| crate::json::whole_of(number).map_or(Value::Float(number), Value::Int));
    }

    fn bounds<T: Copy>(&mut self, bounds: &impl RangeBounds<T>, value: impl Fn(T) -> Value) {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        match bounds.start_bound() {
            Included(least) => self.set("minimum", value(*least)),
            Excluded(least) => self.set("exclusiveMinimum", value(*least)),
            Unbounded => {}
        }
        match bounds.end_bound() {
            Included(most) => self.set("maximum", value(*most)),
            Excluded(most) => self.set("exclusiveMaximum", value(*most)),
            Unbounded => {}
        }
    }

    /// Allows the same as a text, in a body. A query has nothing but texts.
    pub(super) fn or_text(&mut self, pattern: &str) {
        if !self.is_query {
            let about = self.keywords.remove("description");
            let plain = std::mem::take(&mut self.keywords);
            let mut text = Object::new();
            text.insert("type", "string");
            text.insert("pattern", pattern);
            self.set("anyOf", vec![plain.into(), Value::Object(text)]);
            if let Some(about) = about {
                self.set("description", about);
            }
        }
    }

    pub(super) fn words(&mut self, words: &[&str]) {
        self.set("type", "string");
        match words {
            [word] => self.set("const", *word),
            _ => self.set("enum", words.iter().map(|word| Value::from(*word)).collect::<Vec<_>>()),
        }
    }

    pub(super) fn words_in_any_case(&mut self, words: &[&str]) {
        self.set("type", "string");
        self.set("pattern", any_case_pattern(words));
        self.sentences.push(format!("{}, in any case.", super::range::choice_words(words)));
    }

    pub(super) fn object(&mut self) {
        self.set("type", "object");
    }

    pub(super) fn close(&mut self) {
        self.set("additionalProperties", false);
    }

    pub(super) fn open(&mut self) {
        self.set("additionalProperties", true);
    }

    pub(super) fn take_any(&mut self) {
        self.set("type", "object");
        self.set("additionalProperties", true);
    }

    fn about(&mut self, about: &str) {
        if !self.sentences.iter().any(|sentence| sentence == about) {
            self.sentences.insert(0, about.to_owned());
        }
    }

    /// The part as JSON Schema.
    fn schema(self) -> Value {
        let Self { mut keywords, fields, items, sentences, written, .. } = self;
        if let Some(mut keywords) = written {
            if !sentences.is_empty() {
                keywords.insert("description", sentences.join(" "));
            }
            return keywords.into();
        }
        if let Some(items) = items {
            keywords.insert("items", items.schema());
        }
        let (mut properties, mut required) = (Object::new(), Vec::new());
        for Field { name, node, is_required, is_nullable } in fields {
            if is_required {
                required.push(Value::from(name.as_str()));
            }
            let schema = node.schema();
            properties.insert(&name, if is_nullable { or_null(schema) } else { schema });
        }
        if keywords.get("type").and_then(Value::as_str) == Some("object")
            && keywords.get("properties").is_none()
        {
            if !properties.is_empty() {
                let is_closed = keywords.remove("additionalProperties");
                let not = keywords.remove("not");
                keywords.insert("properties", properties);
                if !required.is_empty() {
                    keywords.insert("required", required);
                }
                for (name, value) in [("additionalProperties", is_closed), ("not", not)] {
                    if let Some(value) = value {
                        keywords.insert(name, value);
                    }
                }
            } else if keywords.get("additionalProperties").is_none() {
                keywords.insert("additionalProperties", true);
            }
        }
        if !sentences.is_empty() {
            keywords.insert("description", sentences.join(" "));
        }
        // The type first, as people write it.
        let mut schema = Object::new();
        if let Some(kind) = keywords.remove("type") {
            schema.insert("type", kind);
        }
        for (keyword, value) in keywords {
            schema.insert(&keyword, value);
        }
        schema.into()
    }
}

/// The schema, or `null`.
fn or_null(schema: Value) -> Value {
    let Value::Object(mut keywords) = schema else { return schema };
    if let Some(Value::Array(words)) = keywords.get_mut("enum") {
        words.push(Value::Null);
    }
    if let Some(word) = keywords.remove("const") {
        keywords.insert("enum", vec![word, Value::Null]);
    }
    match keywords.get("type").cloned() {
        Some(Value::String(kind)) => {
            keywords.insert("type", vec![kind.into(), "null".into()]);
            keywords.into()
        }
        Some(_) => keywords.into(),
        None if keywords.iter().all(|(name, _)| name == "description") => keywords.into(),
        None => {
            let about = keywords.remove("description");
            let mut null = Object::new();
            null.insert("type", "null");
            let choices = match keywords.remove("anyOf") {
                Some(Value::Array(choices)) if keywords.is_empty() => choices,
                Some(choices) => {
                    keywords.insert("anyOf", choices);
                    vec![keywords.into()]
                }
                None => vec![keywords.into()],
            };
            let mut either = Object::new();
            either.insert("anyOf", choices.into_iter().chain([null.into()]).collect::<Vec<Value>>());
            if let Some(about) = about {
                either.insert("description", about);
            }
            either.into()
        }
    }
}

/// An object in which each of these members is missing or `null`.
fn all_absent(names: &[&'static str]) -> Value {
    let mut null = Object::new();
    null.insert("type", "null");
    let properties: Object = names.iter().map(|name| ((*name).to_owned(), null.clone().into())).collect();
    let mut schema = Object::new();
    schema.insert("properties", properties);
    schema.into()
}

/// An object in which both members are present and not `null`.
fn both_present(first: &'static str, second: &'static str) -> Value {
    let mut null = Object::new();
    null.insert("type", "null");
    let mut not_null = Object::new();
    not_null.insert("not", null);
    let properties: Object =
        [first, second].map(|name| (name.to_owned(), not_null.clone().into())).into_iter().collect();
    let mut schema = Object::new();
    schema.insert("required", vec![Value::from(first), second.into()]);
    schema.insert("properties", properties);
    schema.into()
}

/// "`a`, `b` and `c`".
fn listed(names: &[&str]) -> String {
    super::range::choice_words(names).replace(" or ", " and ")
}

impl Violations {
    /// `true` while a reader is described, and no value is checked.
    pub(super) const fn is_describing(&self) -> bool {
        self.recorder.is_some()
    }
}

impl<'a, 'p> Item<'a, 'p> {
    /// Adds to the description of the field, if a description is being made.
    pub(super) fn describe(&self, f: impl FnOnce(&mut Node)) {
        if let Some(recorder) = &self.found.recorder {
            recorder.at(&self.place, f);
        }
    }

    /// Documentation of the field.
    pub fn about(self, about: &str) -> Self {
        self.describe(|node| node.about(about));
        self
    }

    /// An example of a value.
    pub fn example(self, example: &str) -> Self {
        self.describe(|node| node.set("examples", vec![Value::from(example)]));
        self
    }

    /// Pattern of the text, which the reader checks in another way.
    pub fn pattern(self, pattern: &str) -> Self {
        self.describe(|node| node.set("pattern", pattern));
        self
    }

    /// Format of the text, which the reader checks in another way.
    pub fn format(self, format: &str) -> Self {
        self.describe(|node| {
            node.set("type", "string");
            node.set("format", format);
        });
        self
    }

    /// A further keyword of JSON Schema, for a rule that the reader checks in another way.
    pub fn keyword(self, keyword: &str, value: impl Into<Value>) -> Self {
        self.describe(|node| node.set(keyword, value));
        self
    }

    /// JSON Schema of a value that the reader checks in a way of its own.
    pub fn written_as(self, schema: impl FnOnce() -> Value) -> Self {
        self.describe(|node| {
            if let Value::Object(keywords) = schema() {
                node.written = Some(keywords);
            }
        });
        self
    }

    /// Default of a query parameter. Code generators take a field of a body with a default for a required one, so in a
    /// body the default belongs in the documentation.
    pub fn default_of(self, value: impl Into<Value>) -> Self {
        self.keyword("default", value)
    }

    /// Reads a value whose schema has a name, because several readers share it or a client needs its type.
    pub fn shared<T>(self, name: &str, read: impl FnOnce(Self) -> T) -> Option<T> {
        let Some(recorder) = &self.found.recorder else { return Some(read(self)) };
        let about = recorder.at(&self.place, |node| std::mem::take(&mut node.sentences));
        if recorder.definitions.borrow().get(name).is_none() {
            let node = recorder.apart(&self.place, Node::default(), || drop(read(self)));
            recorder.define(name, node);
        }
        recorder.at(&self.place, |node| {
            node.set("$ref", format!("{REFERENCE}{name}"));
            node.sentences = about;
        });
        None
    }

    /// Reads a text with `text`, and any other value with `other`.
    pub fn string_or<T>(self, text: impl FnOnce(Self) -> T, other: impl FnOnce(Self) -> T) -> Option<T> {
        self.either(|value| value.as_str().is_some(), text, other)
    }

    /// Reads a value for which `is_first` is true with `first`, and any other value with `second`.
    pub fn either<T>(
        self,
        is_first: impl FnOnce(&Value) -> bool,
        first: impl FnOnce(Self) -> T,
        second: impl FnOnce(Self) -> T,
    ) -> Option<T> {
        let Some(recorder) = &self.found.recorder else {
            return Some(if self.value.is_some_and(is_first) { first(self) } else { second(self) });
        };
        let first = recorder.apart(&self.place, Node::default(), || drop(first(self)));
        let second = recorder.apart(&self.place, Node::default(), || drop(second(self)));
        recorder.at(&self.place, |node| node.set("anyOf", vec![first.schema(), second.schema()]));
        None
    }
}

/// One kind of an object: the value of its tag, the name of its schema, and what the reader makes of it.
pub type Variant<T> = (&'static str, &'static str, T);

impl<'a, 'p> Fields<'a, 'p> {
    fn recorder(&self) -> Option<&'p SchemaRecorder> {
        self.found.recorder.as_deref()
    }

    /// Adds to the description of the object, if a description is being made.
    pub(super) fn describe(&self, f: impl FnOnce(&mut Node)) {
        if let Some(recorder) = self.recorder() {
            recorder.at(&self.place, f);
        }
    }

    pub(super) fn describe_field(&self, name: &str, is_required: bool, is_nullable: bool) {
        if let Some(recorder) = self.recorder() {
            let is_nullable = is_nullable && !recorder.is_query;
            recorder.at(&self.place, |node| {
                node.field(name, |field| {
                    field.is_required |= is_required;
                    field.is_nullable = is_nullable && !field.is_required;
                });
            });
        }
    }

    /// `true` while the reader is described: fields that only some values have are described as optional then.
    #[must_use]
    pub const fn is_described(&self) -> bool {
        self.found.is_describing()
    }

    /// Documentation of the object.
    pub fn about(&self, about: &str) {
        self.describe(|node| node.about(about));
    }

    /// States that at least one of these fields is required, which the reader checks in another way.
    pub fn describe_at_least_one(&self, names: &[&'static str]) {
        self.describe(|node| {
            node.set("not", all_absent(names));
            node.sentences.push(format!("At least one of {} is required.", listed(names)));
        });
    }

    /// States that exactly one of these fields is required.
    pub(super) fn describe_exactly_one(&self, names: &[&'static str]) {
        self.describe(|node| {
            let mut wrong = vec![all_absent(names)];
            for (index, first) in names.iter().enumerate() {
                wrong.extend(
                    names.iter().skip(index.saturating_add(1)).map(|second| both_present(first, second)),
                );
            }
            let mut any = Object::new();
            any.insert("anyOf", wrong);
            node.set("not", any);
            node.sentences.push(format!("Exactly one of {} is required.", listed(names)));
        });
    }

    /// Reads an object whose further fields depend on the text of one field, the tag, and ends the reading. An object
    /// with an unknown tag is not read further.
    pub fn variants<T: Copy>(
        self,
        tag: &'static str,
        variants: &[Variant<T>],
        read: impl FnMut(&Self, &'static str, T),
    ) {
        self.tagged(tag, variants, false, read);
    }

    /// As [`Fields::variants`], for a tag in upper or lower case.
    pub fn variants_in_any_case<T: Copy>(
        self,
        tag: &'static str,
        variants: &[Variant<T>],
        read: impl FnMut(&Self, &'static str, T),
    ) {
        self.tagged(tag, variants, true, read);
    }

    fn tagged<T: Copy>(
        self,
        tag: &'static str,
        variants: &[Variant<T>],
        is_any_case: bool,
        mut read: impl FnMut(&Self, &'static str, T),
    ) {
        let Some(recorder) = self.recorder() else {
            let item = self.required(tag);
            let Some(text) = item.text() else { return };
            let is_it = |word: &str| if is_any_case { word.eq_ignore_ascii_case(text) } else { word == text };
            match variants.iter().find(|(word, _, _)| is_it(word)) {
                Some((word, _, meaning)) => {
                    read(&self, word, *meaning);
                    self.finish();
                }
                None => {
                    let words: Vec<&str> = variants.iter().map(|(word, _, _)| *word).collect();
                    let _refused: Option<()> = item.not_among(text, &words);
                }
            }
            return;
        };
        // The fields that were read before the tag belong to each kind.
        let start = recorder.at(&self.place, |node| node.clone());
        let (mut choices, mut mapping) = (Vec::new(), Object::new());
        let mut done: Vec<&str> = Vec::new();
        for (_, name, _) in variants {
            if done.contains(name) {
                continue;
            }
            done.push(name);
            let alike: Vec<&Variant<T>> = variants.iter().filter(|(_, other, _)| other == name).collect();
            let words: Vec<&'static str> = alike.iter().map(|(word, _, _)| *word).collect();
            let node = recorder.apart(&self.place, start.clone(), || {
                self.describe(Node::object);
                let item = self.required(tag);
                if is_any_case {
                    let _described = item.one_of_any_case(&words);
                } else {
                    let _described = item.one_of(&words);
                }
                for (word, _, meaning) in alike {
                    read(&self, word, *meaning);
                }
                self.describe(|node| {
                    if node.keywords.get("additionalProperties").is_none() {
                        node.close();
                    }
                });
            });
            let reference = recorder.define(name, node);
            for word in words {
                mapping.insert(word, format!("{REFERENCE}{name}"));
            }
            choices.push(reference);
        }
        self.describe(|node| {
            node.keywords = Object::new();
            node.fields.clear();
            if let [Value::Object(only)] = choices.as_slice() {
                node.keywords = only.clone();
                return;
            }
            node.set("oneOf", choices);
            if !is_any_case {
                let mut discriminator = Object::new();
                discriminator.insert("propertyName", tag);
                discriminator.insert("mapping", mapping);
                node.set("discriminator", discriminator);
            }
        });
    }
}
