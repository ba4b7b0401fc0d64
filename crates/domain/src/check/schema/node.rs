//! Parts of a JSON Schema while a reader is described.

use std::ops::RangeBounds;

use crate::check::describe::{describe_choices, limits};
use crate::check::limits::{MAX_ELEMENTS, MAX_MEMBERS, MAX_NUMBER_TEXT, MAX_STRING};
use crate::check::pointer::Step;
use crate::json::{Object, Value};

/// A part of a schema: keywords, and the parts within it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) keywords: Object,
    pub(crate) fields: Vec<Field>,
    pub(crate) items: Option<Box<Self>>,
    pub(crate) sentences: Vec<String>,
    pub(crate) is_query: bool,
    /// Keywords that replace the recorded keywords.
    pub(crate) written: Option<Object>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) is_required: bool,
    pub(crate) is_nullable: bool,
}

pub(crate) fn number_of(n: usize) -> Value {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}

/// Returns a pattern for one of several texts in any case.
pub(crate) fn any_case_pattern(texts: &[&str]) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphabetic() {
            format!("[{}{}]", letter.to_ascii_lowercase(), letter.to_ascii_uppercase())
        } else {
            letter.to_string()
        }
    };
    let texts: Vec<String> = texts.iter().map(|text| text.chars().map(letter).collect()).collect();
    format!("^({})$", texts.join("|"))
}

impl Node {
    /// Calls `f` with the part that these steps lead to, the last step first.
    pub(crate) fn at<T>(&mut self, steps: &[Step<'_>], f: impl FnOnce(&mut Self) -> T) -> T {
        match steps.split_last() {
            None => f(self),
            Some((Step::Base(_), rest)) => self.at(rest, f),
            Some((Step::Index(_), rest)) => self.items.get_or_insert_with(Box::default).at(rest, f),
            Some((Step::Key(name), rest)) => self.field(name, |field| field.node.at(rest, f)),
        }
    }

    /// Calls `f` with a field, which is added if it is new.
    pub(crate) fn field<T>(&mut self, name: &str, f: impl FnOnce(&mut Field) -> T) -> T {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            return f(field);
        }
        let (name, node) = (name.to_owned(), Self::default());
        let mut field = Field { name, node, is_required: false, is_nullable: false };
        let value = f(&mut field);
        self.fields.push(field);
        value
    }

    pub(crate) fn set(&mut self, keyword: &str, value: impl Into<Value>) {
        self.keywords.insert(keyword, value);
    }

    pub(crate) fn string(&mut self, length: &impl RangeBounds<usize>) {
        self.set("type", "string");
        self.limit_count(length, MAX_STRING, "minLength", "maxLength");
    }

    pub(crate) fn array(&mut self, length: &impl RangeBounds<usize>) {
        self.set("type", "array");
        self.limit_count(length, MAX_ELEMENTS, "minItems", "maxItems");
    }

    pub(crate) fn limit_count(
        &mut self,
        length: &impl RangeBounds<usize>,
        default_most: usize,
        least_keyword: &str,
        most_keyword: &str,
    ) {
        let (least, most) = limits(length);
        if least > 0 {
            self.set(least_keyword, number_of(least));
        }
        self.set(most_keyword, number_of(most.unwrap_or(default_most)));
    }

    pub(crate) fn integer(&mut self, bounds: &impl RangeBounds<i64>) {
        self.set("type", "integer");
        self.bounds(bounds, Value::from);
    }

    pub(crate) fn number(&mut self, bounds: &impl RangeBounds<f64>) {
        self.set("type", "number");
        self.bounds(bounds, |number| crate::json::whole_of(number).map_or(Value::Float(number), Value::Int));
    }

    pub(crate) fn bounds<T: Copy>(&mut self, bounds: &impl RangeBounds<T>, value: impl Fn(T) -> Value) {
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

    /// Also allows a text with the pattern, in a body. All values of a query are texts.
    pub(crate) fn or_text(&mut self, pattern: &str) {
        if !self.is_query {
            let about = self.keywords.remove("description");
            let plain = std::mem::take(&mut self.keywords);
            let mut text = Object::new();
            text.insert("type", "string");
            text.insert("pattern", pattern);
            text.insert("maxLength", number_of(MAX_NUMBER_TEXT));
            self.set("anyOf", vec![plain.into(), Value::Object(text)]);
            if let Some(about) = about {
                self.set("description", about);
            }
        }
    }

    pub(crate) fn texts(&mut self, texts: &[&str]) {
        self.set("type", "string");
        match texts {
            [text] => self.set("const", *text),
            _ => self.set("enum", texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>()),
        }
    }

    pub(crate) fn texts_in_any_case(&mut self, texts: &[&str]) {
        self.set("type", "string");
        self.set("pattern", any_case_pattern(texts));
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        self.set("maxLength", number_of(longest));
        self.sentences.push(format!("{}, in any case.", describe_choices(texts)));
    }

    pub(crate) fn object(&mut self) {
        self.set("type", "object");
    }

    /// Allows no further fields. A choice of schemas is left alone, because each schema of the choice is closed.
    pub(crate) fn close(&mut self) {
        if self.keywords.get("oneOf").is_none() {
            self.set("additionalProperties", false);
        }
    }

    pub(crate) fn open(&mut self) {
        self.set("additionalProperties", true);
        self.set("maxProperties", number_of(MAX_MEMBERS));
    }

    pub(crate) fn take_any(&mut self) {
        self.set("type", "object");
        self.open();
    }

    pub(crate) fn about(&mut self, about: &str) {
        if !self.sentences.iter().any(|sentence| sentence == about) {
            self.sentences.insert(0, about.to_owned());
        }
    }

    /// Returns the part as JSON Schema.
    pub(crate) fn schema(self) -> Value {
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
        // The type is the first keyword.
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

/// Returns a schema that also accepts `null`.
pub(crate) fn or_null(schema: Value) -> Value {
    let Value::Object(mut keywords) = schema else { return schema };
    if let Some(Value::Array(texts)) = keywords.get_mut("enum") {
        texts.push(Value::Null);
    }
    if let Some(text) = keywords.remove("const") {
        keywords.insert("enum", vec![text, Value::Null]);
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

/// Returns the schema of an object in which each of these members is missing or `null`.
pub(crate) fn all_absent(names: &[&'static str]) -> Value {
    let mut null = Object::new();
    null.insert("type", "null");
    let properties: Object = names.iter().map(|name| ((*name).to_owned(), null.clone().into())).collect();
    let mut schema = Object::new();
    schema.insert("properties", properties);
    schema.into()
}

/// Returns the schema of an object in which both members are present and not `null`.
pub(crate) fn both_present(first: &'static str, second: &'static str) -> Value {
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

/// Lists names: "`a`, `b` and `c`".
pub(crate) fn listed(names: &[&str]) -> String {
    describe_choices(names).replace(" or ", " and ")
}
