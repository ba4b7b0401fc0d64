//! Tests that the document is complete and consistent.

use std::collections::BTreeSet;

use expect_test::expect_file;

use super::*;
use crate::api::error::Code;
use crate::api::openapi::operation::json;

#[test]
fn the_document_in_docs_matches_the_code() {
    expect_file!["../../../../../docs/openapi.json"].assert_eq(&printed());
}

#[test]
fn each_route_is_described_and_each_description_has_its_route() {
    let described: Vec<_> = tags()
        .iter()
        .flat_map(|tag| tag.operations.iter().map(|operation| operation.name).collect::<Vec<_>>())
        .collect();
    let routes: Vec<_> = ROUTES.iter().map(|route| route.name()).collect();
    for name in &routes {
        assert_eq!(routes.iter().filter(|other| *other == name).count(), 1, "two routes are called {name}");
        assert!(described.contains(name), "the route {name} is not described");
    }
    for name in &described {
        assert_eq!(described.iter().filter(|other| *other == name).count(), 1, "{name} is described twice");
        assert!(routes.contains(name), "there is no route {name}");
    }
}

#[test]
fn operation_ids_are_unique() {
    let document = document();
    let mut names = BTreeSet::new();
    let paths = document.get("paths").and_then(Value::as_object).expect("there are paths");
    for (path, methods) in paths.iter() {
        for (method, operation) in methods.as_object().expect("a path has methods").iter() {
            let name = operation.get("operationId").and_then(Value::as_str).expect("an operation has a name");
            assert!(names.insert(name), "the operationId {name} of {method} {path} is not unique");
        }
    }
}

#[test]
fn each_route_with_an_id_describes_the_id() {
    for tag in tags() {
        for operation in &tag.operations {
            let Some(route) = ROUTES.iter().find(|route| route.name() == operation.name) else { continue };
            let n_ids = operation.parameters.iter().filter(|parameter| parameter.location == "path").count();
            assert_eq!(n_ids, route.path.matches('{').count(), "{}", operation.name);
            assert!(!operation.responses.is_empty(), "{} has no successful response", operation.name);
            let has_body = operation.body.is_some();
            assert!(!has_body || route.method != "GET", "{} is a GET with a body", operation.name);
        }
    }
}

#[test]
fn each_error_code_belongs_to_an_operation() {
    let document = document();
    let responses = document.at("/components/responses");
    let text = serde_json::to_string(&(document.get("paths"), responses)).expect("a document is JSON");
    for code in Code::ALL {
        let is_of_no_operation = *code == Code::MethodNotAllowed;
        let reference = format!("#/components/examples/{}\"", code.as_str());
        assert!(is_of_no_operation || text.contains(&reference), "{} belongs to no operation", code.as_str());
    }
}

#[test]
fn each_example_is_json() {
    for tag in tags() {
        for operation in tag.operations {
            for (name, text) in operation.body.iter().flat_map(|body| &body.examples) {
                assert!(json(text).as_object().is_some(), "{} {name}: {text}", operation.name);
            }
            for response in &operation.responses {
                let data = response.example.as_ref().and_then(|example| example.get("data"));
                assert!(data.is_none_or(|data| !data.is_null()), "{} {}", operation.name, response.status);
            }
        }
    }
    for code in Code::ALL {
        let (message, details) = errors::example(*code);
        assert!(!message.is_empty(), "{code:?} has no example");
        assert!(json(details).as_object().is_some(), "{code:?}: {details}");
    }
}

#[test]
fn each_reference_names_a_schema() {
    let document = document();
    let mut names = BTreeSet::new();
    gather(&document, &mut names);
    assert!(names.len() > 50);
    for name in names {
        let pointer = name.strip_prefix('#').expect("references stay within the document");
        assert!(document.at(pointer).is_some(), "{name}");
    }
}

fn gather(value: &Value, names: &mut BTreeSet<String>) {
    if let Some(name) = value.get("$ref").and_then(Value::as_str) {
        names.insert(name.to_owned());
    }
    for element in value.as_array().unwrap_or_default() {
        gather(element, names);
    }
    if let Some(object) = value.as_object() {
        object.iter().for_each(|(_, member)| gather(member, names));
    }
}

#[test]
fn each_post_that_changes_something_accepts_an_idempotency_key() {
    /// Operations that read only, or log in or out.
    const WITHOUT_KEY: [&str; 3] = ["/api/auth/login", "/api/auth/logout", "/api/templates/{id}/preview"];
    let document = document();
    let paths = document.get("paths").and_then(Value::as_object).expect("there are paths");
    let mut n_keyed = 0;
    for (path, methods) in paths.iter() {
        let Some(operation) = methods.get("post") else { continue };
        if !path.starts_with("/api/") || WITHOUT_KEY.contains(&path) {
            continue;
        }
        let parameters = operation.get("parameters").and_then(Value::as_array).unwrap_or_default();
        let is_key =
            |parameter: &&Value| parameter.get("name").and_then(Value::as_str) == Some("Idempotency-Key");
        assert_eq!(parameters.iter().filter(is_key).count(), 1, "POST {path} has no header Idempotency-Key");
        let text = serde_json::to_string(operation).expect("an operation is JSON");
        assert!(text.contains("Idempotent-Replayed"), "{path}");
        n_keyed += 1;
    }
    assert!(n_keyed > 20, "{n_keyed}");
}
