//! Documentation of fields, and reading of values of several kinds.

use super::node::{Node, all_absent, both_present, listed};
use super::recorder::{REFERENCE, SchemaRecorder};
use crate::check::reader::{Fields, Item};
use crate::json::{Object, Value};

/// Kind of an object: the value of its tag, the name of its schema, and the parameter of the reader.
pub type Variant<T> = (&'static str, &'static str, T);

impl<'a, 'p> Item<'a, 'p> {
    /// Changes the description of the field, if the reader is described.
    pub(crate) fn describe(&self, f: impl FnOnce(&mut Node)) {
        if let Some(recorder) = &self.found.recorder {
            recorder.at(&self.pointer, f);
        }
    }

    /// Adds documentation of the field.
    pub fn about(self, about: &str) -> Self {
        self.describe(|node| node.about(about));
        self
    }

    /// Adds an example of a value.
    pub fn example(self, example: &str) -> Self {
        self.describe(|node| node.set("examples", vec![Value::from(example)]));
        self
    }

    /// Adds a pattern of the text, which the reader checks in another way.
    pub fn pattern(self, pattern: &str) -> Self {
        self.describe(|node| node.set("pattern", pattern));
        self
    }

    /// Adds a format of the text, which the reader checks in another way.
    pub fn format(self, format: &str) -> Self {
        self.describe(|node| {
            node.set("type", "string");
            node.set("format", format);
        });
        self
    }

    /// Adds a keyword of JSON Schema, for a rule that the reader checks in another way.
    pub fn keyword(self, keyword: &str, value: impl Into<Value>) -> Self {
        self.describe(|node| node.set(keyword, value));
        self
    }

    /// Sets the JSON Schema of a value that the reader checks in another way.
    pub fn written_as(self, schema: impl FnOnce() -> Value) -> Self {
        self.describe(|node| {
            if let Value::Object(keywords) = schema() {
                node.written = Some(keywords);
            }
        });
        self
    }

    /// Sets the default of a query parameter. Code generators treat a field of a body with a default as required: the
    /// default of a field of a body belongs in its documentation.
    pub fn default_of(self, value: impl Into<Value>) -> Self {
        self.keyword("default", value)
    }

    /// Reads a value whose schema has a name, because several readers share the schema or a client needs its type.
    pub fn shared<T>(self, name: &str, read: impl FnOnce(Self) -> T) -> Option<T> {
        let Some(recorder) = &self.found.recorder else { return Some(read(self)) };
        let about = recorder.at(&self.pointer, |node| std::mem::take(&mut node.sentences));
        if recorder.definitions.borrow().get(name).is_none() {
            let node = recorder.separately(&self.pointer, Node::default(), || drop(read(self)));
            recorder.define(name, node);
        }
        recorder.at(&self.pointer, |node| {
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
        let first = recorder.separately(&self.pointer, Node::default(), || drop(first(self)));
        let second = recorder.separately(&self.pointer, Node::default(), || drop(second(self)));
        recorder.at(&self.pointer, |node| node.set("anyOf", vec![first.schema(), second.schema()]));
        None
    }
}
impl<'a, 'p> Fields<'a, 'p> {
    fn recorder(&self) -> Option<&'p SchemaRecorder> {
        self.found.recorder.as_deref()
    }

    /// Changes the description of the object, if the reader is described.
    pub(crate) fn describe(&self, f: impl FnOnce(&mut Node)) {
        if let Some(recorder) = self.recorder() {
            recorder.at(&self.pointer, f);
        }
    }

    pub(crate) fn describe_field(&self, name: &str, is_required: bool, is_nullable: bool) {
        if let Some(recorder) = self.recorder() {
            let is_nullable = is_nullable && !recorder.is_query;
            recorder.at(&self.pointer, |node| {
                node.field(name, |field| {
                    field.is_required |= is_required;
                    field.is_nullable = is_nullable && !field.is_required;
                });
            });
        }
    }

    /// Returns `true` while the reader is described: fields that only some values have are described as optional.
    #[must_use]
    pub const fn is_described(&self) -> bool {
        self.found.is_describing()
    }

    /// Adds documentation of the object.
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
    pub(crate) fn describe_exactly_one(&self, names: &[&'static str]) {
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

    /// Reads an object of one of two kinds: with a field, and without the field. The names are those of the two schemas.
    /// Returns `None` if the reader is only described.
    pub fn with_or_without<T>(
        &self,
        field: &'static str,
        [with_name, without_name]: [&str; 2],
        with: impl FnOnce(&Self) -> T,
        without: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        let Some(recorder) = self.recorder() else {
            return Some(if self.optional(field).is_present() { with(self) } else { without(self) });
        };
        // The fields that were read before belong to both kinds.
        let start = recorder.at(&self.pointer, |node| node.clone());
        let mut with_node = recorder.separately(&self.pointer, start.clone(), || drop(with(self)));
        let mut without_node = recorder.separately(&self.pointer, start, || drop(without(self)));
        with_node.close();
        without_node.close();
        let choices =
            vec![recorder.define(without_name, without_node), recorder.define(with_name, with_node)];
        self.describe(|node| {
            node.keywords = Object::new();
            node.fields.clear();
            node.set("oneOf", choices);
        });
        None
    }

    /// Reads an object as [`Fields::variants`] does, for a tag in upper or lower case.
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
            let is_tag =
                |name: &str| if is_any_case { name.eq_ignore_ascii_case(text) } else { name == text };
            match variants.iter().find(|(name, _, _)| is_tag(name)) {
                Some((name, _, parameter)) => {
                    read(&self, name, *parameter);
                    self.finish();
                }
                None => {
                    let names: Vec<&str> = variants.iter().map(|(name, _, _)| *name).collect();
                    let _refused: Option<()> = item.not_among(text, &names, &[]);
                }
            }
            return;
        };
        // The fields that were read before the tag belong to each kind.
        let mut start = recorder.at(&self.pointer, |node| node.clone());
        // A reader that is described twice finds the choice that it described before.
        start.keywords = Object::new();
        let (mut choices, mut mapping) = (Vec::new(), Object::new());
        let mut done: Vec<&str> = Vec::new();
        for (_, name, _) in variants {
            if done.contains(name) {
                continue;
            }
            done.push(name);
            let alike: Vec<&Variant<T>> = variants.iter().filter(|(_, other, _)| other == name).collect();
            let words: Vec<&'static str> = alike.iter().map(|(word, _, _)| *word).collect();
            let node = recorder.separately(&self.pointer, start.clone(), || {
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
