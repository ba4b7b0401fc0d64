//! The OpenAPI document: the handlers accept and return what the document shows.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use domain::access::api_key::KeyScope;
use domain::access::permission::Role;
use serde_json::{Value, json};

use crate::contract::{DOCUMENT, assert_fits, described, resolve};
use crate::openapi_fixture::{ExampleGateway, WAMID, upload};
use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Returns path template, method and description of each operation.
pub(crate) fn operations() -> Vec<(&'static str, Method, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| {
            (path.as_str(), method.to_ascii_uppercase().parse().unwrap(), operation)
        })
    });
    all.collect()
}

/// Returns the path with the example ids.
pub(crate) fn path_of(template: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array();
    let id = parameters.into_iter().flatten().find(|parameter| parameter["in"] == "path");
    let encoded = |id: &Value| -> String {
        url::form_urlencoded::byte_serialize(id["example"].as_str().unwrap().as_bytes()).collect()
    };
    id.map_or_else(|| template.to_owned(), |id| template.replace("{id}", &encoded(id)))
}

/// Returns the schema of the JSON body of an operation.
pub(crate) fn body_of(operation: &'static Value) -> &'static Value {
    resolve(&operation["requestBody"]["content"]["application/json"]["schema"])
}

/// Returns the example bodies of an operation; `None` if the operation has no body.
fn bodies(operation: &'static Value) -> Vec<(String, Option<&'static Value>)> {
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
    let mut bodies: Vec<_> = examples
        .into_iter()
        .flatten()
        .map(|(name, example)| (name.clone(), Some(&example["value"])))
        .collect();
    if bodies.is_empty() || operation["requestBody"]["required"] == false {
        bodies.push(("nothing".to_owned(), None));
    }
    bodies
}

/// Makes a call with the example values.
async fn try_out(
    gateway: &ExampleGateway,
    path: &str,
    method: &Method,
    body: Option<&Value>,
) -> TestResponse {
    let app = &gateway.app;
    let path = gateway.fill(&path.replace(
        &url::form_urlencoded::byte_serialize(WAMID.as_bytes()).collect::<String>(),
        &url::form_urlencoded::byte_serialize(gateway.fill(WAMID).as_bytes()).collect::<String>(),
    ));
    let body = body.map_or_else(String::new, |body| gateway.fill(&body.to_string()));
    match path.as_str() {
        "/api/auth/logout" => {
            let browser = app.log_in("owner@example.com").await;
            app.browse(&browser, "POST", &path, body).await
        }
        "/api/media" => app.call(upload()).await,
        "/api/contacts/import" => {
            let content = &described(method, &path).unwrap()["requestBody"]["content"]["text/csv"];
            let request = Request::post(path)
                .header("X-API-Key", engine::access::api_key::DEV_KEY)
                .header("Content-Type", "text/csv")
                .body(Body::from(content["example"].as_str().unwrap()));
            app.call(request.unwrap()).await
        }
        "/api/events/stream" => {
            app.deps.stopping.cancel();
            app.get(&path).await
        }
        _ => app.run_with_clock(app.request(method.as_str(), &path, body)).await,
    }
}

/// Calls each operation of these resources with each of its examples. Returns the number of calls.
async fn try_examples(tags: &[&str]) -> usize {
    let mut n_tried = 0;
    // Reads change nothing, so that all of them use the same gateway.
    let library = ExampleGateway::of("all").await;
    for (template, method, operation) in operations() {
        if !tags.contains(&operation["tags"][0].as_str().unwrap()) {
            continue;
        }
        let name = operation["operationId"].as_str().unwrap();
        let path = path_of(template, operation);
        if method == Method::GET && name != "stream_events" {
            let response = try_out(&library, &path, &method, None).await;
            assert!(response.status.is_success(), "{name}: {:#}", response.body);
            n_tried += 1;
            continue;
        }
        let mut gateway = ExampleGateway::of(name).await;
        for (index, (example, body)) in bodies(operation).into_iter().enumerate() {
            // Several sends are possible in one gateway; another action may be possible only once.
            if index > 0 && name == "send_message" {
                gateway.app.advance(60);
            } else if index > 0 {
                gateway = ExampleGateway::of(name).await;
            }
            if let Some(body) = body {
                let schema = body_of(operation);
                assert_fits(body, schema, false, &format!("{name}, {example}"));
            }
            let response = try_out(&gateway, &path, &method, body).await;
            assert!(response.status.is_success(), "{name}, {example}: {:#}", response.body);
            n_tried += 1;
        }
    }
    n_tried
}

/// The resources, in parts that take about the same time.
const PARTS: [&[&str]; 4] = [
    &["Sending", "Messages", "Media", "Events"],
    &["Accounts", "Webhooks"],
    &["Templates", "Contacts"],
    &["API keys", "Users", "Session", "Audit log", "Operations"],
];

#[tokio::test]
async fn each_message_example_is_accepted_and_answered_as_described() {
    let n_tried = try_examples(PARTS[0]).await;
    assert!(n_tried >= 28, "{n_tried}");
}

#[tokio::test]
async fn each_account_and_webhook_example_is_accepted_and_answered_as_described() {
    let n_tried = try_examples(PARTS[1]).await;
    assert!(n_tried >= 25, "{n_tried}");
}

#[tokio::test]
async fn each_template_and_contact_example_is_accepted_and_answered_as_described() {
    let n_tried = try_examples(PARTS[2]).await;
    assert!(n_tried >= 20, "{n_tried}");
}

#[tokio::test]
async fn each_access_example_is_accepted_and_answered_as_described() {
    let n_tried = try_examples(PARTS[3]).await;
    assert!(n_tried >= 20, "{n_tried}");
}

#[test]
fn every_resource_is_described() {
    for tag in DOCUMENT["tags"].as_array().unwrap() {
        // Requests to the webhook endpoint need Meta's signature: see `openapi_outside_api`.
        assert!(tag["name"] == "Meta" || PARTS.concat().contains(&tag["name"].as_str().unwrap()), "{tag}");
    }
}

#[tokio::test]
async fn each_response_example_matches_its_schema() {
    for (_, _, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &response["content"]["application/json"];
            if content["example"].is_object() {
                let what = format!("{}, {status}", operation["operationId"]);
                assert_fits(&content["example"], &content["schema"], true, &what);
            }
        }
    }
    for (name, example) in DOCUMENT["components"]["examples"].as_object().unwrap() {
        assert_fits(&example["value"], &DOCUMENT["components"]["schemas"]["Error"], true, name);
    }
}

/// Returns `true` if a field or a parameter is unknown to the handler.
fn unknown_faults(response: &TestResponse) -> bool {
    response.reasons().contains("unknown field")
}

#[tokio::test]
async fn each_described_field_is_known_to_its_handler() {
    // Rejected requests have no effect: one gateway is enough.
    let gateway = ExampleGateway::of("all").await;
    for (template, method, operation) in operations() {
        let Some(fields) = body_of(operation)["properties"].as_object() else { continue };
        let name = operation["operationId"].as_str().unwrap();
        for field in fields.keys() {
            // No field accepts such an object: the handler rejects the value, or reports an unknown field.
            let mut body = serde_json::Map::new();
            body.insert(field.clone(), json!({"": []}));
            let response =
                try_out(&gateway, &path_of(template, operation), &method, Some(&Value::Object(body))).await;
            assert_eq!(response.status, 400, "{name}, {field}: {:#}", response.body);
            assert!(!unknown_faults(&response), "{name}, {field}: {:#}", response.body);
        }
    }
}

#[tokio::test]
async fn each_field_of_a_send_is_known_whatever_the_type() {
    let app = TestApp::new().await;
    let sends = [
        ("/api/messages/send", "SendMessageRequest"),
        ("/v1/messages", "SendMessageRequest"),
        ("/api/messages/batch", "BatchMessage"),
    ];
    for (path, shape) in sends {
        for variant in DOCUMENT["components"]["schemas"][shape]["oneOf"].as_array().unwrap() {
            let variant = resolve(variant);
            let kind = &variant["properties"]["type"]["const"];
            for field in variant["properties"].as_object().unwrap().keys() {
                if field == "type" {
                    continue;
                }
                let mut message = serde_json::Map::new();
                message.insert("type".to_owned(), kind.clone());
                message.insert(field.clone(), json!([[[]]]));
                let body =
                    if shape == "BatchMessage" { json!({"messages": [message]}) } else { json!(message) };
                let response = app.post(path, &body).await;
                let text = response.body.to_string();
                assert!(text.contains(&format!("/{field}")), "{kind} {field}: {text}");
                assert!(!text.contains("unknown field"), "{kind} {field}: {text}");
                app.advance(1);
            }
        }
        app.advance(60);
    }
}

#[tokio::test]
async fn handlers_know_exactly_the_described_parameters() {
    // Rejected requests have no effect: one gateway is enough.
    let gateway = ExampleGateway::of("all").await;
    for (template, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        if name == "stream_events" || !template.starts_with("/api/") {
            continue;
        }
        let path = path_of(template, operation);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let parameter = parameter["name"].as_str().unwrap();
            let response = try_out(&gateway, &format!("{path}?{parameter}=%00"), &method, None).await;
            assert_eq!(response.pointers(), [format!("/{parameter}")], "{name}: {:#}", response.body);
            if method == Method::GET {
                let response = try_out(&gateway, &format!("{path}?{parameter}="), &method, None).await;
                assert!(!unknown_faults(&response), "{name}, {parameter}: {:#}", response.body);
            }
        }
        let response = try_out(&gateway, &format!("{path}?nobody_has_this=1"), &method, None).await;
        assert!(response.reasons().contains("unknown"), "{name}: {:#}", response.body);
    }
}

#[tokio::test]
async fn the_document_is_public_and_has_an_etag() {
    let app = TestApp::new().await;
    let request = |tag: Option<&str>| {
        let request = Request::get("/api/openapi.json");
        let request = match tag {
            Some(tag) => request.header("If-None-Match", tag),
            None => request,
        };
        request.body(Body::empty()).unwrap()
    };
    let response = app.call(request(None)).await.expect(200);
    assert_eq!(response.body, *DOCUMENT);
    assert_eq!(response.body["openapi"], "3.1.0");
    let tag = response.headers["etag"].to_str().unwrap().to_owned();
    let again = app.call(request(Some(&tag))).await.expect(304);
    assert_eq!(again.body, "");
    app.call(request(Some("\"other\""))).await.expect(200);
}

#[tokio::test]
async fn the_described_errors_match_the_handlers() {
    let app = TestApp::new().await;
    app.add_user("owner@example.com", Role::Owner).await;
    let reader = app.key(|new| new.scopes = vec![KeyScope::Read]).await;
    let text = |to: &str| json!({"to": to, "type": "text", "text": "Hi"}).to_string();
    let no_such = "/api/messages/01a2b3c4-0000-7000-8000-000000000001";
    let cases = [
        ("outside_window", app.send_text("+447700900123").await),
        ("invalid_api_key", app.request_as("wp_test_wrong", "GET", "/api/me", "").await),
        ("message_not_found", app.get(no_such).await),
        ("not_found", app.get("/api/nothing").await),
        // The method is rejected before the parameter.
        ("method_not_allowed", app.request("PATCH", "/api/messages?page=1", "").await),
        ("forbidden", app.request_as(&reader, "POST", "/api/messages/send", text(CUSTOMER)).await),
        ("media_not_found", app.get("/api/media/1").await),
        ("user_not_found", app.get("/api/users/1").await),
        ("api_key_not_found", app.get("/api/api-keys/1").await),
        ("invalid_credentials", {
            let body = json!({"email": "owner@example.com", "password": "wrong"});
            app.post("/api/auth/login", &body).await
        }),
        ("last_owner", {
            let owner = app.get("/api/users").await.data()["users"][0]["id"].as_str().unwrap().to_owned();
            let browser = app.log_in("owner@example.com").await;
            app.browse(&browser, "DELETE", &format!("/api/users/{owner}"), "").await
        }),
        ("account_exists", {
            let body =
                json!({"name": "sandbox", "phone_number_id": "1", "waba_id": "1", "access_token": "t"});
            app.post("/api/accounts", &body).await
        }),
        ("account_busy", {
            for _ in 0..2 {
                let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
                app.send(body).await.expect(202);
            }
            app.request("DELETE", &format!("/api/accounts/{}", app.account), "").await
        }),
        ("contact_exists", {
            app.customer_writes(CUSTOMER, "Hello").await;
            app.post("/api/contacts", &json!({"phone_number": CUSTOMER})).await
        }),
        ("template_not_editable", {
            let components = json!([{"type": "BODY", "text": "It is spring."}]);
            let body = json!({"name": "spring_sale", "language": "en", "category": "MARKETING", "components": components});
            let created = app.post("/api/templates", &body).await.expect(201);
            let path = format!("/api/templates/{}", created.data()["id"].as_str().unwrap());
            app.request("PUT", &path, json!({"components": components}).to_string()).await
        }),
        ("payload_too_large", { app.request("POST", "/api/messages/send", vec![b' '; 5_000_001]).await }),
    ];
    for (code, response) in cases {
        let shown = &DOCUMENT["components"]["examples"][code]["value"];
        assert_eq!(response.body["code"], code, "{:#}", response.body);
        assert_eq!(response.body["message"], shown["message"], "{code}");
        let names = |value: &Value| -> Vec<String> {
            value["details"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&response.body), names(shown), "{code}");
    }
    assert!(described(&Method::PATCH, "/api/messages").is_none());
}

#[tokio::test]
async fn the_page_is_served_and_loads_nothing_from_other_hosts() {
    let app = TestApp::new().await;
    for (path, kind) in
        [("/docs", "text/html"), ("/docs/page.css", "text/css"), ("/docs/page.js", "text/javascript")]
    {
        let response = app.call(Request::get(path).body(Body::empty()).unwrap()).await.expect(200);
        assert!(response.headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        let policy = response.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = response.body.as_str().unwrap();
        for foreign in ["http://", "https://", "innerHTML", "eval(", " style=\"", " onclick="] {
            assert!(!text.contains(foreign), "{path} holds {foreign}");
        }
    }
}

/// Adds the texts, lists and objects of a request without a maximum to `found`.
fn find_unbounded(schema: &'static Value, path: &str, depth: usize, found: &mut BTreeSet<String>) {
    let schema = resolve(schema);
    let is = |kind: &str| {
        let named = &schema["type"];
        named == kind || named.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
    };
    let has = |keyword: &str| schema.get(keyword).is_some();
    let unbounded = [
        (
            "string",
            is("string")
                && !has("enum")
                && !has("const")
                && !has("maxLength")
                && schema["format"] != "binary",
        ),
        ("array", is("array") && !has("maxItems")),
        ("object", is("object") && schema["additionalProperties"] != false && !has("maxProperties")),
    ];
    found.extend(unbounded.iter().filter(|(_, is_it)| *is_it).map(|(kind, _)| format!("{path}: {kind}")));
    // Components of templates contain components.
    if depth > 24 {
        return;
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(member, &format!("{path}.{name}"), depth + 1, found);
    }
    for (keyword, sign) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[keyword].is_object() {
            find_unbounded(&schema[keyword], &format!("{path}{sign}"), depth + 1, found);
        }
    }
    for choice in
        ["oneOf", "anyOf", "allOf"].iter().flat_map(|name| schema[*name].as_array().into_iter().flatten())
    {
        find_unbounded(choice, path, depth + 1, found);
    }
}

#[test]
fn every_text_list_and_object_of_a_request_has_a_maximum() {
    let mut found = BTreeSet::new();
    for (path, method, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            find_unbounded(&parameter["schema"], &format!("{method} {path} {name}"), 0, &mut found);
        }
        for kind in ["application/json", "multipart/form-data"] {
            let schema = &operation["requestBody"]["content"][kind]["schema"];
            find_unbounded(schema, &format!("{method} {path}"), 0, &mut found);
        }
    }
    assert_eq!(found, BTreeSet::new());
}
