//! Oversized members of every request of the OpenAPI document: each is refused, and costs about as much as its bytes.
//!
//! The requests have 200,000 members in an array, in an object with any members, or in the body, or a string of 1 MB. A step of the handlers that took a time
//! proportional to the square of these numbers would exceed the time limit of a test.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::contract::{DOCUMENT, resolve};
use crate::openapi::{body_of, operations, path_of};
use crate::openapi_fixture::ExampleGateway;

const N_MEMBERS: usize = 200_000;
/// Number of members of an object within a body whose members are known: there are many of them.
const N_FIELDS: usize = 5_000;
const N_CHARACTERS: usize = 1_000_000;

/// Placeholders of the oversized values in a body.
const STRING: &str = "<string>";
const ARRAY: &str = "<array>";
const OBJECT: &str = "<object>";
const CLOSED_OBJECT: &str = "<closed object>";

/// A body whose member at `place` is a placeholder.
struct Oversized {
    place: String,
    body: Value,
}

impl Oversized {
    fn of(placeholder: &str) -> Self {
        Self { place: String::new(), body: placeholder.into() }
    }

    /// Puts the body into an array.
    fn in_array(self) -> Self {
        Self { place: format!("/0{}", self.place), body: json!([self.body]) }
    }

    /// Puts the body into an object, beside the members that select this object.
    fn in_object(self, name: &str, selecting: &Map<String, Value>) -> Self {
        let mut members = selecting.clone();
        members.insert(name.to_owned(), self.body);
        Self { place: format!("/{name}{}", self.place), body: members.into() }
    }

    /// Returns the JSON with an oversized value instead of the placeholder.
    fn text(&self) -> String {
        let mut values = String::new();
        let body = self.body.to_string();
        if body.contains(STRING) {
            values.push('"');
            values.extend(std::iter::repeat_n('x', N_CHARACTERS));
            values.push('"');
        } else if body.contains(ARRAY) {
            values = format!("[{}1]", "1,".repeat(N_MEMBERS - 1));
        } else {
            let n_members = if self.place.is_empty() || body.contains(OBJECT) { N_MEMBERS } else { N_FIELDS };
            for n in 0..n_members {
                write!(values, "{}\"k{n}\":1", if n == 0 { '{' } else { ',' }).unwrap();
            }
            values.push('}');
        }
        [STRING, ARRAY, OBJECT, CLOSED_OBJECT]
            .iter()
            .fold(body, |body, placeholder| body.replace(&format!("\"{placeholder}\""), &values))
    }
}

/// Returns a body for each string, array and object of a schema that was not visited before.
fn oversized(schema: &'static Value, visited: &mut BTreeSet<*const Value>) -> Vec<Oversized> {
    let schema = resolve(schema);
    if !visited.insert(std::ptr::from_ref(schema)) {
        return Vec::new();
    }
    let is = |kind: &str| {
        let named = &schema["type"];
        named == kind || named.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
    };
    let mut found = Vec::new();
    if is("string") && schema.get("enum").is_none() && schema.get("const").is_none() {
        found.push(Oversized::of(STRING));
    }
    if is("array") {
        found.push(Oversized::of(ARRAY));
        found.extend(oversized(&schema["items"], visited).into_iter().map(Oversized::in_array));
    }
    if is("object") {
        let is_closed = schema["additionalProperties"] == false;
        found.push(Oversized::of(if is_closed { CLOSED_OBJECT } else { OBJECT }));
    }
    let properties = schema["properties"].as_object();
    let selecting: Map<String, Value> = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, member)| {
            let member = resolve(member);
            let value = member.get("const").or_else(|| member["enum"].as_array()?.first())?;
            Some((name.clone(), value.clone()))
        })
        .collect();
    for (name, member) in properties.into_iter().flatten() {
        found.extend(oversized(member, visited).into_iter().map(|one| one.in_object(name, &selecting)));
    }
    if schema["additionalProperties"].is_object() {
        let members = oversized(&schema["additionalProperties"], visited);
        found.extend(members.into_iter().map(|one| one.in_object("key", &selecting)));
    }
    for choices in ["oneOf", "anyOf", "allOf"] {
        for choice in schema[choices].as_array().into_iter().flatten() {
            found.extend(oversized(choice, visited));
        }
    }
    found
}

/// Sends each oversized body of one part. Returns the number of requests.
async fn send_part(part: usize) -> usize {
    // A refused request changes nothing, so that all of them use the same gateway.
    let gateway = ExampleGateway::of("all").await;
    let mut visited = BTreeSet::new();
    let (mut n_bodies, mut n_sent) = (0, 0);
    for (template, method, operation) in operations() {
        let schema = body_of(operation);
        let bodies = if schema.is_object() { oversized(schema, &mut visited) } else { Vec::new() };
        for oversized in bodies {
            n_bodies += 1;
            if n_bodies % N_PARTS == part {
                refuse(&gateway, &path_of(template, operation), &method, &oversized).await;
                n_sent += 1;
            }
        }
    }
    n_sent
}

/// Sends an oversized body. It must be refused because of its size or of the named member.
async fn refuse(gateway: &ExampleGateway, path: &str, method: &Method, oversized: &Oversized) {
    let app = &gateway.app;
    app.advance(60);
    let path = gateway.fill(path);
    let response = app.request(method.as_str(), &path, oversized.text()).await;
    let what = format!("{method} {path}, {}", oversized.place);
    let answer = response.body.to_string();
    assert!(response.status.is_client_error(), "{what}: {} {answer:.300}", response.status);
    assert!(answer.len() < 3 * N_CHARACTERS, "{what}: the answer has {} bytes", answer.len());
    if response.status.as_u16() == 400 {
        let errors = response.body["details"]["errors"].as_array().unwrap();
        // A body with several faults can be refused because of another member.
        let is_named = |error: &Value| {
            let pointer = error["pointer"].as_str().unwrap();
            oversized.place.starts_with(pointer) || pointer.starts_with(&oversized.place)
        };
        let is_required = |error: &Value| error["reason"] == "is required";
        assert!(errors.iter().any(|error| is_named(error) || is_required(error)), "{what}: {answer:.300}");
    }
}

/// Number of parts, each a test of its own.
const N_PARTS: usize = 8;

#[tokio::test]
async fn oversized_members_are_refused_in_part_1() {
    assert!(send_part(0).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_2() {
    assert!(send_part(1).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_3() {
    assert!(send_part(2).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_4() {
    assert!(send_part(3).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_5() {
    assert!(send_part(4).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_6() {
    assert!(send_part(5).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_7() {
    assert!(send_part(6).await >= 25);
}

#[tokio::test]
async fn oversized_members_are_refused_in_part_8() {
    assert!(send_part(7).await >= 25);
}

#[test]
fn every_kind_of_member_is_oversized() {
    let mut visited = BTreeSet::new();
    let schemas = operations().into_iter().map(|(_, _, operation)| body_of(operation));
    let bodies: Vec<_> = schemas
        .filter(|schema| schema.is_object())
        .flat_map(|schema| oversized(schema, &mut visited))
        .collect();
    for place in
        ["/messages", "/custom_fields", "/headers", "/text", "template/components", "/tags", "/accounts/0"]
    {
        assert!(bodies.iter().any(|body| body.place.ends_with(place)), "{place}");
    }
    assert!(DOCUMENT["paths"].is_object());
}
