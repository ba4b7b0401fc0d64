//! Checks of every call of every test against the OpenAPI document.
#![expect(clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use axum::http::Method;
use regex::Regex;
use serde_json::{Map, Value};

use crate::support::TestResponse;
use crate::time_format;

/// The committed document. Reading it is faster than generating it, and each test runs in its own process.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap());

/// Returns the operation of a route in the document.
pub(crate) fn described(method: &Method, path: &str) -> Option<&'static Value> {
    let is_it = |template: &str| {
        let (parts, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        let fits =
            |(part, wanted): (&&str, &&str)| part == wanted || wanted.starts_with('{') && !part.is_empty();
        parts.len() == wanted.len() && parts.iter().zip(&wanted).all(fits)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let found = paths.get(path).or_else(|| Some(paths.iter().find(|(template, _)| is_it(template))?.1))?;
    found.get(method.as_str().to_ascii_lowercase())
}

/// Returns the value, or the target of its reference.
pub(crate) fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// Checks a request and its response against the document.
pub(crate) fn check_call(method: &Method, uri: &str, sent: Option<&[u8]>, response: &TestResponse) {
    time_format::check_times(&response.body.to_string());
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let Some(operation) = described(method, path) else { return };
    let what = format!("{method} {path} → {}", response.status);
    let status = response.status.as_u16();
    let documented = resolve(
        operation["responses"]
            .get(status.to_string())
            .unwrap_or_else(|| panic!("{what} is not described: {:#}", response.body)),
    );
    for (name, header) in documented["headers"].as_object().into_iter().flatten() {
        if let Some(value) = response.headers.get(name) {
            let schema = resolve(header).get("schema").unwrap();
            let text = value.to_str().unwrap_or_default();
            let value = text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from);
            assert_fits(&value, schema, true, &format!("{what}, header {name}"));
        } else {
            // Responses to unauthenticated callers have no rate limit headers.
            let is_needed = resolve(header)["required"] == true && !name.starts_with("X-RateLimit");
            assert!(!is_needed, "{what} has no header {name}: {:#}", response.body);
        }
    }
    let kind = response.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match documented["content"].as_object() {
        Some(content) if kind.starts_with("application/json") && content.contains_key("application/json") => {
            assert_fits(&response.body, &content["application/json"]["schema"], true, &what);
            // The examples of an error response are named by the error codes of the operation.
            let codes = content["application/json"]["examples"].as_object();
            if let (Some(codes), Some(code)) = (codes, response.body["code"].as_str()) {
                assert!(codes.contains_key(code), "{what}: the code {code} is not described");
            }
        }
        Some(content) => {
            let is_it = |described: &String| described == "*/*" || kind.starts_with(described.as_str());
            assert!(content.keys().any(is_it), "{what} is {kind}");
        }
        None => assert!(response.body == "", "{what} has a body: {:#}", response.body),
    }
    if response.status.is_success() {
        check_request(operation, query, sent, &what);
    }
}

/// Checks that an accepted request matches the document.
fn check_request(operation: &'static Value, query: &str, sent: Option<&[u8]>, what: &str) {
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        let parameters = operation["parameters"].as_array();
        let is_known =
            parameters.into_iter().flatten().any(|one| one["name"] == *name && one["in"] == "query");
        assert!(is_known, "{what}: the parameter {name} is not described");
    }
    // A single item of a batch may be invalid.
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let is_batch =
        ["send_batch", "bulk_upsert_contacts"].contains(&operation["operationId"].as_str().unwrap());
    if is_batch || schema.get("$ref").is_none() && schema.get("type").is_none() {
        return;
    }
    if let Some(body) = sent.and_then(|sent| serde_json::from_slice::<Value>(sent).ok()) {
        assert_fits(&body, schema, false, &format!("the body of {what}"));
    }
}

/// Checks an event, as an endpoint receives it, against the document.
#[track_caller]
pub(crate) fn assert_event(body: &Value) {
    assert_fits(body, &DOCUMENT["components"]["schemas"]["Event"], true, "an event");
}

#[track_caller]
pub(crate) fn assert_fits(value: &Value, schema: &'static Value, is_answer: bool, what: &str) {
    if let Err(fault) = fits(value, schema, is_answer, "") {
        panic!("{what}: {fault}\n{value:#}");
    }
}

/// Checks a value against a schema. Most formats are checked by the external tests. A strict check rejects members that
/// are not in the schema.
fn fits(value: &Value, schema: &'static Value, is_strict: bool, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    let wrong = |what: &str, wanted: &Value| Err(format!("{at}: {what} {wanted}"));
    if let Some(wanted) = schema.get("const").filter(|wanted| *wanted != value) {
        return wrong("must be", wanted);
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return wrong("must be one of", &schema["enum"]);
    }
    let is_of = |kind: &Value| match kind.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    };
    let kind_fits = match (schema.get("type"), schema["type"].as_array()) {
        (None, _) => true,
        (Some(_), Some(kinds)) => kinds.iter().any(is_of),
        (Some(kind), None) => is_of(kind),
    };
    if !kind_fits {
        return wrong("must be of the type", &schema["type"]);
    }
    counts(value, schema, at)?;
    if let Some(elements) = value.as_array()
        && let Some(items) = schema.get("items")
    {
        for (index, element) in elements.iter().enumerate() {
            fits(element, items, is_strict, &format!("{at}/{index}"))?;
        }
    }
    if let Some(object) = value.as_object() {
        members(object, schema, is_strict, at)?;
    }
    branches(value, schema, is_strict, at)
}

fn counts(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    let count = match value {
        Value::String(text) => Some(("Length", text.chars().count())),
        Value::Array(elements) => Some(("Items", elements.len())),
        Value::Object(members) => Some(("Properties", members.len())),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    };
    if let Some((name, n)) = count {
        let bound = |side: &str| schema[format!("{side}{name}")].as_u64();
        let n = u64::try_from(n).unwrap();
        if bound("min").is_some_and(|least| n < least) || bound("max").is_some_and(|most| n > most) {
            return Err(format!("{at}: {n} is not within the bounds of {name}"));
        }
    }
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema[name].as_f64();
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            return Err(format!("{at}: {number} is not within the bounds"));
        }
    }
    let is_formed = |text: &str| match schema["format"].as_str() {
        Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
        Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        Some(_) | None => true,
    };
    if !value.as_str().is_none_or(is_formed) {
        return Err(format!("{at}: is no {}", schema["format"]));
    }
    match (value.as_str(), schema["pattern"].as_str()) {
        (Some(text), Some(pattern)) if !matches(pattern, text) => {
            Err(format!("{at}: does not match {pattern}"))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// Returns `true` if the text matches the pattern. Each pattern is compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    static READ: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    read.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

fn members(
    object: &Map<String, Value>,
    schema: &'static Value,
    is_strict: bool,
    at: &str,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    let properties = schema["properties"].as_object();
    for (name, member) in object {
        let at = format!("{at}/{name}");
        if let Some(known) = properties.and_then(|properties| properties.get(name)) {
            fits(member, known, is_strict, &at)?;
            continue;
        }
        let may_have_more = !is_strict || properties.is_none();
        let others = schema.get("additionalProperties");
        match others.map_or(Some(may_have_more), Value::as_bool) {
            Some(true) => {}
            Some(false) => return Err(format!("{at}: is not described")),
            None => fits(member, &schema["additionalProperties"], is_strict, &at)?,
        }
    }
    Ok(())
}

fn branches(value: &Value, schema: &'static Value, is_strict: bool, at: &str) -> Result<(), String> {
    for (index, part) in schema["allOf"].as_array().into_iter().flatten().enumerate() {
        // The first part describes the whole object; the other parts restrict its members.
        fits(value, part, is_strict && index == 0, at)?;
    }
    if schema.get("not").is_some_and(|not| fits(value, not, is_strict, at).is_ok()) {
        return Err(format!("{at}: must not be {}", schema["not"]));
    }
    // Choices that only require one of several members do not describe the other members.
    let is_shape = |choice: &Value| choice.get("type").is_some() || choice.get("properties").is_none();
    for (name, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
        let Some(choices) = schema[name].as_array() else { continue };
        let ends: Vec<_> =
            choices.iter().map(|choice| fits(value, choice, is_strict && is_shape(choice), at)).collect();
        let n_good = ends.iter().filter(|end| end.is_ok()).count();
        if n_good == 0 {
            let faults: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
            return Err(format!("{at}: fits none of {name}: {}", faults.join(" | ")));
        }
        if n_good > most {
            return Err(format!("{at}: fits {n_good} of {name}"));
        }
    }
    Ok(())
}
