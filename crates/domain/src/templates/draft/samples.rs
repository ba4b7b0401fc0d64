//! Samples of a new template, for Meta's reviewers.

use std::ops::RangeBounds;

use super::rules::Rules;
use crate::check::{Fields, Item};
use crate::json::{Object, Value};
use crate::templates::text::ParameterFormat;

/// Reads the samples for the slots of a header or body from `example`, in Meta's form: `<key>` or `<key>_named_params`.
pub(crate) fn read(
    rules: &Rules<'_>,
    item: Item<'_, '_>,
    names: &[&str],
    [key, named_key]: [&'static str; 2],
) -> Option<Value> {
    if names.is_empty() {
        return None;
    }
    if !item.is_present() {
        item.refuse(format!("is required: a sample for each parameter, in `{key}`"));
        return None;
    }
    let example = item.object()?;
    let read = match rules.format {
        ParameterFormat::Positional => positional(&example, names, key).map(|value| (key, value)),
        ParameterFormat::Named => named(&example, names, named_key).map(|value| (named_key, value)),
    };
    // Definitions from Meta have both kinds of samples, and other members.
    example.finish_open();
    let (key, value) = read?;
    let mut example = Object::new();
    example.insert(key, value);
    Some(Value::Object(example))
}

/// Reads a list, a list in a list, or one text.
fn positional(example: &Fields<'_, '_>, names: &[&str], key: &'static str) -> Option<Value> {
    let item = example.required(key);
    let value = item.value()?;
    let given: Vec<&Value> = match value.as_array() {
        Some([Value::Array(inner), ..]) => inner.iter().collect(),
        Some(elements) => elements.iter().collect(),
        None => vec![value],
    };
    if given.len() != names.len() {
        item.refuse(format!(
            "must hold {}, one for each parameter, has {}",
            samples_of(names.len()),
            given.len()
        ));
        return None;
    }
    let is_text = |value: &&Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    if !given.iter().all(is_text) {
        item.refuse("must hold texts that are not empty");
        return None;
    }
    let list = Value::Array(given.into_iter().cloned().collect());
    // The samples of a body are a list of lists, those of a header a list.
    Some(if key == "body_text" { Value::Array(vec![list]) } else { list })
}

fn samples_of(n: usize) -> String {
    if n == 1 { "1 sample".to_owned() } else { format!("{n} samples") }
}

fn named(example: &Fields<'_, '_>, names: &[&str], key: &'static str) -> Option<Value> {
    let item = example.required(key);
    let items = item.array(1..)?;
    let mut given: Vec<(&str, &str)> = Vec::new();
    for item in items.iter() {
        let Some(sample) = item.object() else { continue };
        let name = sample.required("param_name").string(1..);
        let text = sample.required("example").string(1..);
        sample.finish();
        given.extend(name.zip(text));
    }
    if let Some(missing) = names.iter().find(|name| !given.iter().any(|(given, _)| given == *name)) {
        item.refuse(format!("must hold a sample for `{missing}`"));
        return None;
    }
    let samples = given.into_iter().map(|(name, text)| {
        let mut sample = Object::new();
        sample.insert("param_name", name);
        sample.insert("example", text);
        Value::Object(sample)
    });
    Some(Value::Array(samples.collect()))
}

/// Reads a text, or the first text of a list. `empty_reason` is the reason of a violation for an empty list.
pub(crate) fn text_or_first<'a>(
    item: Item<'a, '_>,
    length: impl RangeBounds<usize> + Clone,
    empty_reason: &str,
) -> Option<&'a str> {
    let first = |list: Item<'a, '_>| {
        let texts = list.array(..)?;
        let _described = list.keyword("minItems", 1);
        let Some(first) = texts.iter().next() else {
            list.refuse(empty_reason);
            return None;
        };
        first.string(length.clone())
    };
    item.either(|value| value.as_array().is_some(), first, |text| text.string(length.clone())).flatten()
}
