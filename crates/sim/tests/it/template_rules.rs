//! Template creation: Meta's rules and subcodes.

use serde_json::{Value, json};

use crate::harness::{World, ok};

fn made(name: &str, category: &str, components: Value) -> Value {
    json!({"name": name, "language": "en_GB", "category": category, "components": components})
}

fn simple(text: &str) -> Value {
    json!([{"type": "BODY", "text": text}])
}

fn with_buttons(buttons: Value) -> Value {
    json!([{"type": "BODY", "text": "Hello there"}, {"type": "BUTTONS", "buttons": buttons}])
}

#[tokio::test]
async fn the_sample_of_the_reference_is_taken() {
    let world = World::new();
    let template = json!({"name": "ferry_delay", "language": "en_GB", "category": "utility", "parameter_format": "NAMED",
        "components": [
        {"type": "header", "format": "document", "example": {"header_handle": ["4:ZmVycnk="]}},
        {"type": "body", "text": "Sailing from {{port}} leaves {{minutes}} minutes late today.",
            "example": {"body_text_named_params": [
                {"param_name": "port", "example": "Oban"}, {"param_name": "minutes", "example": "45"}]}},
        {"type": "buttons", "buttons": [
            {"type": "url", "text": "Track ferry", "url": "https://ferry.example/t/{{1}}",
                "example": ["https://ferry.example/t/CM-2291"]},
            {"type": "quick_reply", "text": "Stop alerts"}]}]});
    let answer = ok(world.post("/v24.0/{waba}/message_templates", template).await);
    assert_eq!((&answer["status"], &answer["category"]), (&json!("PENDING"), &json!("UTILITY")));
    let id = answer["id"].as_str().unwrap();
    assert!(id.parse::<u64>().is_ok());
    let node = ok(world.get(&format!("/v24.0/{id}")).await);
    assert_eq!(node["components"][0]["format"], "DOCUMENT", "upper case on the way out");
    assert!(
        node["components"][0]["example"]["header_handle"][0]
            .as_str()
            .unwrap()
            .starts_with("https://scontent")
    );
    assert_eq!(node["components"][2]["buttons"][0]["type"], "URL");
    assert_eq!(node["parameter_format"], "NAMED");
}

/// Components that are refused: category, components, subcode (0: none), a part of the explanation.
type Wrong = (&'static str, Value, i64, &'static str);

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn wrong() -> Vec<Wrong> {
    let long = |n: usize| "x".repeat(n);
    let body = |text: &str, example: Value| json!([{"type": "BODY", "text": text, "example": example}]);
    let header = |header: Value| json!([header, {"type": "BODY", "text": "Hello there"}]);
    let quick = |text: &str| json!({"type": "QUICK_REPLY", "text": text});
    let site = |text: &str| json!({"type": "URL", "text": text, "url": "https://a.example"});
    let otp = |button: Value| json!([{"type": "BODY"}, {"type": "BUTTONS", "buttons": [button]}]);
    let card = |format: &str| json!({"components": [{"type": "HEADER", "format": format, "example": {"header_handle": ["4:x"]}}]});
    let carousel =
        |cards: Value| json!([{"type": "BODY", "text": "Hello there"}, {"type": "CAROUSEL", "cards": cards}]);
    let offer = json!({"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Soon over"}});
    vec![
        ("UTILITY", json!([]), 2_388_072, "BODY component"),
        ("UTILITY", simple(""), 2_388_072, "needs a text"),
        ("UTILITY", simple(&long(1025)), 2_388_040, "1024"),
        (
            "UTILITY",
            json!([{"type": "BODY", "text": "a b"}, {"type": "body", "text": "c"}]),
            2_388_109,
            "twice",
        ),
        (
            "UTILITY",
            body("{{1}} is your table", json!({"body_text": [["4"]]})),
            2_388_299,
            "start or at the end",
        ),
        (
            "UTILITY",
            body("Your table is {{1}}", json!({"body_text": [["4"]]})),
            2_388_299,
            "start or at the end",
        ),
        (
            "UTILITY",
            body("Go {{1}} {{2}} {{3}} now", json!({"body_text": [["a", "b", "c"]]})),
            2_388_293,
            "too many parameters",
        ),
        (
            "UTILITY",
            body("Your table {{2}} is free", json!({"body_text": [["4"]]})),
            2_388_072,
            "count from 1",
        ),
        (
            "UTILITY",
            body("Your table {{name}} is free", json!({"body_text": [["4"]]})),
            2_388_072,
            "count from 1",
        ),
        ("UTILITY", body("Your table {{1} is free", json!({"body_text": [["4"]]})), 2_388_072, "not closed"),
        ("UTILITY", simple("Your table {{1}} is free"), 2_388_072, "example"),
        (
            "UTILITY",
            body("Table {{1}} or {{2}} is free", json!({"body_text": [["4"]]})),
            2_388_072,
            "example",
        ),
        ("UTILITY", header(json!({"type": "HEADER", "format": "TEXT"})), 2_388_047, "needs a text"),
        ("UTILITY", header(json!({"type": "HEADER", "format": "TEXT", "text": long(61)})), 2_388_040, "60"),
        (
            "UTILITY",
            header(
                json!({"type": "HEADER", "format": "TEXT", "text": "a {{1}} b {{2}}", "example": {"header_text": ["x", "y"]}}),
            ),
            2_388_047,
            "at most one",
        ),
        (
            "UTILITY",
            header(json!({"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}"})),
            2_388_047,
            "example",
        ),
        ("UTILITY", header(json!({"type": "HEADER", "format": "IMAGE"})), 2_388_047, "header_handle"),
        ("UTILITY", header(json!({"type": "HEADER", "format": "SONG"})), 2_388_047, "must be one of"),
        (
            "UTILITY",
            json!([{"type": "BODY", "text": "Hello"}, {"type": "FOOTER", "text": long(61)}]),
            2_388_040,
            "60",
        ),
        (
            "UTILITY",
            json!([{"type": "BODY", "text": "Hello"}, {"type": "FOOTER", "text": "a {{1}}"}]),
            2_388_073,
            "no parameters",
        ),
        ("UTILITY", with_buttons(json!([])), 2_388_109, "1 to 10"),
        ("UTILITY", with_buttons(json!([quick(&long(26))])), 2_388_040, "25"),
        ("UTILITY", with_buttons(json!([quick("a"), site("b"), quick("c")])), 2_388_109, "stand together"),
        ("UTILITY", with_buttons(json!([site("a"), site("b"), site("c")])), 2_388_109, "more than 2"),
        (
            "UTILITY",
            with_buttons(json!([{"type": "URL", "text": "a", "url": "nowhere"}])),
            2_388_109,
            "http or https",
        ),
        (
            "UTILITY",
            with_buttons(
                json!([{"type": "URL", "text": "a", "url": "https://a.example/{{1}}/b", "example": ["x"]}]),
            ),
            2_388_109,
            "at its end",
        ),
        (
            "UTILITY",
            with_buttons(json!([{"type": "URL", "text": "a", "url": "https://a.example/{{1}}"}])),
            2_388_109,
            "example",
        ),
        (
            "UTILITY",
            with_buttons(json!([{"type": "PHONE_NUMBER", "text": "Call", "phone_number": "nobody"}])),
            2_388_109,
            "phone number",
        ),
        ("UTILITY", with_buttons(json!([{"type": "COPY_CODE", "example": long(21)}])), 2_388_040, "20"),
        ("UTILITY", with_buttons(json!([{"type": "FLOW", "text": "Go"}])), 2_388_109, "exactly one of"),
        ("UTILITY", with_buttons(json!([{"type": "OTP", "otp_type": "COPY_CODE"}])), 2_388_109, "OTP"),
        ("AUTHENTICATION", simple("Your code"), 2_388_109, "OTP button"),
        (
            "AUTHENTICATION",
            json!([{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
            2_388_072,
            "no text of its own",
        ),
        ("AUTHENTICATION", otp(quick("a")), 2_388_109, "OTP"),
        ("AUTHENTICATION", otp(json!({"type": "OTP", "otp_type": "ONE_TAP"})), 2_388_109, "supported_apps"),
        (
            "AUTHENTICATION",
            otp(
                json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [{"package_name": "app", "signature_hash": "12345678901"}]}),
            ),
            2_388_109,
            "two parts",
        ),
        (
            "AUTHENTICATION",
            otp(
                json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [{"package_name": "my.app", "signature_hash": "123"}]}),
            ),
            2_388_109,
            "11 characters",
        ),
        (
            "AUTHENTICATION",
            otp(
                json!({"type": "OTP", "otp_type": "ZERO_TAP", "supported_apps": [{"package_name": "my.app", "signature_hash": "12345678901"}]}),
            ),
            2_388_109,
            "zero_tap_terms_accepted",
        ),
        (
            "AUTHENTICATION",
            json!([{"type": "BODY"}, {"type": "FOOTER", "code_expiration_minutes": 91}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
            2_388_073,
            "between 1 and 90",
        ),
        ("UTILITY", json!([{"type": "BODY", "text": "Hello"}, offer]), 2_388_109, "MARKETING"),
        (
            "MARKETING",
            json!([{"type": "BODY", "text": "Hello"}, offer, {"type": "FOOTER", "text": "x"}]),
            2_388_109,
            "no footer",
        ),
        ("MARKETING", json!([{"type": "BODY", "text": long(601)}, offer]), 2_388_040, "600"),
        ("MARKETING", carousel(json!([card("IMAGE")])), 2_388_109, "2 to 10"),
        ("MARKETING", carousel(json!([card("IMAGE"), card("VIDEO")])), 2_388_109, "same components"),
        ("MARKETING", carousel(json!([{"components": []}, {"components": []}])), 2_388_047, "needs a header"),
        ("UTILITY", json!([{"type": "BODY", "text": "Hello", "colour": "red"}]), 0, "Unexpected key"),
        ("UTILITY", json!([{"type": "SIDEBAR"}, {"type": "BODY", "text": "Hello"}]), 0, "must be one of"),
    ]
}

#[tokio::test]
async fn wrong_templates_are_refused_with_metas_subcode() {
    for (category, components, subcode, part) in wrong() {
        let world = World::new();
        let answer =
            world.post("/v24.0/{waba}/message_templates", made("probe", category, components.clone())).await;
        assert_eq!((answer.status, answer.code()), (400, 100), "{components} {}", answer.body);
        let error = &answer.body["error"];
        assert_eq!(error["error_subcode"].as_i64().unwrap_or(0), subcode, "{components} {}", answer.body);
        let text = format!("{} {}", error["error_user_msg"].as_str().unwrap_or_default(), answer.message());
        assert!(text.contains(part), "{text:?} lacks {part:?}");
        if subcode != 0 {
            assert!(error["error_user_title"].is_string());
            assert_eq!(error["is_transient"], false);
        }
    }
}

#[tokio::test]
async fn name_language_and_category_are_checked() {
    let world = World::new();
    let components = simple("Hello there");
    for (template, subcode) in [
        (made("Wrong Name", "UTILITY", components.clone()), 2_388_109),
        (made(&"x".repeat(513), "UTILITY", components.clone()), 2_388_040),
        (made("probe", "GOSSIP", components.clone()), 0),
        (json!({"name": "probe", "language": "English", "category": "UTILITY", "components": components}), 0),
        (json!({"name": "probe", "category": "UTILITY", "components": components}), 0),
        (json!({"name": "probe", "language": "en", "category": "UTILITY"}), 0),
        (
            json!({"name": "probe", "language": "en", "category": "UTILITY", "components": components, "parameter_format": "LOOSE"}),
            0,
        ),
        (
            json!({"name": "probe", "language": "en", "category": "UTILITY", "components": components, "message_send_ttl_seconds": 5}),
            0,
        ),
    ] {
        let answer = world.post("/v24.0/{waba}/message_templates", template.clone()).await;
        assert_eq!(answer.code(), 100, "{template}");
        assert_eq!(answer.body["error"]["error_subcode"].as_i64().unwrap_or(0), subcode, "{template}");
    }
}

#[tokio::test]
async fn good_templates_of_many_kinds_are_taken() {
    let world = World::new();
    let site = json!({"type": "URL", "text": "Go", "url": "https://a.example"});
    let quick = json!({"type": "QUICK_REPLY", "text": "Yes"});
    for (n, components) in [
        json!([{"type": "BODY", "text": "Hello {{1}}!", "example": {"body_text": "Maya"}}]),
        json!([{"type": "BODY", "text": "Hello {{1}} and {{2}}.", "example": {"body_text": ["a", "b"]}}]),
        json!([{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Here"}]),
        with_buttons(json!([quick, quick, site])),
        with_buttons(
            json!([site, {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550109999"}, quick]),
        ),
        with_buttons(json!([{"type": "CATALOG", "text": "View catalog"}])),
        with_buttons(json!([{"type": "MPM", "text": "View items"}])),
        with_buttons(json!([{"type": "FLOW", "text": "Book", "flow_id": "66", "flow_action": "navigate"}])),
        with_buttons(json!([{"type": "VOICE_CALL", "text": "Call us"}])),
        json!([{"type": "BODY", "text": "May we call you?"}, {"type": "call_permission_request"}]),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = world
            .post(
                "/v24.0/{waba}/message_templates",
                made(&format!("good_{n}"), "MARKETING", components.clone()),
            )
            .await;
        assert_eq!(answer.status, 200, "{components} {}", answer.body);
    }
    let one_tap = json!([{"type": "BODY", "add_security_recommendation": true}, {"type": "BUTTONS", "buttons": [
        {"type": "OTP", "otp_type": "ONE_TAP", "text": "Copy", "autofill_text": "Fill",
            "supported_apps": [{"package_name": "com.example.app", "signature_hash": "K8a/AINcGX7"}]}]}]);
    let id = ok(world.post("/v24.0/{waba}/message_templates", made("code", "AUTHENTICATION", one_tap)).await)
        ["id"]
        .clone();
    let node = ok(world.get(&format!("/v24.0/{}", id.as_str().unwrap())).await);
    assert_eq!(node["components"][1]["buttons"][0]["type"], "URL", "an OTP button is stored as a URL button");
}
