//! Slots of a new template's text, and the samples for Meta's reviewers.

use super::rules::Rules;
use crate::check::{Fields, Item};
use crate::json::{Object, Value};
use crate::templates::text::ParameterFormat;

/// Returns the names of the slots, each once; numbers in ascending order. Returns `None` after a violation.
pub(crate) fn read<'t>(item: &Item<'_, '_>, text: &'t str, format: ParameterFormat) -> Option<Vec<&'t str>> {
    let found = match scan(text) {
        Ok(found) => found,
        Err(reason) => {
            item.refuse(reason);
            return None;
        }
    };
    let mut names: Vec<&str> = Vec::new();
    for name in found {
        if format == ParameterFormat::Named && !is_name(name) {
            item.refuse(format!(
                "must name its parameters with lower-case letters, digits and underscores: found {{{{{name}}}}}"
            ));
            return None;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if format == ParameterFormat::Positional {
        names.sort_by_key(|name| number(name));
        if let Some((name, number)) = names.iter().zip(1..).find(|(name, n)| number(name) != *n) {
            item.refuse(format!(
                "must number its parameters from {{{{1}}}} without a gap: found {{{{{name}}}}}, expected {{{{{number}}}}}"
            ));
            return None;
        }
    }
    Some(names)
}

/// Returns the number of a slot; `usize::MAX` if its name is not a number.
fn number(name: &str) -> usize {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { name.parse().unwrap_or(usize::MAX) } else { usize::MAX }
}

fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_plain && name.bytes().any(|b| !b.is_ascii_digit())
}

/// Returns the slots in the order of the text.
fn scan(text: &str) -> Result<Vec<&str>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        match (rest.find("{{"), rest.find("}}")) {
            (None, None) => return Ok(found),
            (Some(start), Some(end)) if start < end => {
                let name = rest.get(start + 2..end).unwrap_or_default().trim();
                if name.contains("{{") {
                    return Err("opens a parameter within another");
                }
                found.push(name);
                rest = rest.get(end + 2..).unwrap_or_default();
            }
            (Some(_), _) => return Err("opens a parameter with {{ and does not close it with }}"),
            (None, Some(_)) => return Err("closes a parameter with }} that it has not opened with {{"),
        }
    }
}

/// Returns the number of words outside of the slots.
pub(crate) fn n_words(text: &str) -> usize {
    let mut n = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        n += words(before);
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    n + words(rest)
}

fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// Members of `example` with the samples of a text.
#[derive(Clone, Copy)]
pub(crate) struct SampleKeys {
    pub(crate) positional: &'static str,
    pub(crate) named: &'static str,
}

/// Reads the samples for the slots of a header or body, in Meta's form: `example.<key>` or
/// `example.<key>_named_params`.
pub(crate) fn samples(
    rules: &Rules<'_>,
    component: &Fields<'_, '_>,
    names: &[&str],
    SampleKeys { positional: key, named: named_key }: SampleKeys,
) -> Option<Value> {
    let item = component.optional("example");
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
