use serde_json::Value;

use super::definition::{CommandEffect, ParameterLocation};
use super::table::GROUPS;
use crate::api::document;

/// Returns what a command uses and the OpenAPI document does not describe.
fn unknown_parts(api: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    for command in GROUPS.iter().flat_map(|group| group.commands) {
        let CommandEffect::Call(call) = &command.effect else { continue };
        let method = call.method.as_str().to_ascii_lowercase();
        let Some(operation) = api["paths"].get(call.path).and_then(|path| path.get(&method)) else {
            unknown.push(format!("{} {}", call.method, call.path));
            continue;
        };
        let query: Vec<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|p| p["name"].as_str())
            .collect();
        let mut body = operation["requestBody"].to_string();
        if let Some(reference) = operation.pointer("/requestBody/content/application~1json/schema/$ref") {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            body = api.pointer(pointer).unwrap().to_string();
        }
        for parameter in command.parameters {
            let is_known = match parameter.location {
                ParameterLocation::Query => query.contains(&parameter.field),
                ParameterLocation::Body => body.contains(&format!("\"{}\"", parameter.field)),
                ParameterLocation::Path(_) | ParameterLocation::File => true,
            };
            if !is_known {
                unknown.push(format!("{} {} {}", call.method, call.path, parameter.field));
            }
        }
    }
    unknown
}

#[test]
fn every_command_calls_an_operation_of_the_api_with_its_parameters() {
    let api: Value = serde_json::from_str(&document::printed()).unwrap();
    assert_eq!(unknown_parts(&api), Vec::<String>::new());
}
