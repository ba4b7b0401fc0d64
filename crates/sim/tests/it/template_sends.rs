//! Template sends: parameters that fit and that do not.

use serde_json::{Value, json};

use crate::harness::{MAYA, World, ok};

fn text(value: &str) -> Value {
    json!({"type": "text", "text": value})
}

fn body(parameters: Value) -> Value {
    json!({"type": "body", "parameters": parameters})
}

fn url(index: &str, suffix: &str) -> Value {
    json!({"type": "button", "sub_type": "url", "index": index, "parameters": [text(suffix)]})
}

fn image() -> Value {
    json!({"type": "header", "parameters": [{"type": "image", "image": {"link": "https://cdn.example/a.png"}}]})
}

fn coupon(index: usize, code: &str) -> Value {
    json!({"type": "button", "sub_type": "copy_code", "index": index,
        "parameters": [{"type": "coupon_code", "coupon_code": code}]})
}

fn card(index: usize) -> Value {
    json!({"card_index": index, "components": [image(), body(json!([text("12 EUR")])), url("1", "7"),
        {"type": "button", "sub_type": "quick_reply", "index": "0",
            "parameters": [{"type": "payload", "payload": "more"}]}]})
}

fn template(name: &str, language: &str, components: Value) -> Value {
    json!({"name": name, "language": {"code": language}, "components": components})
}

/// Sends that fit the seeded templates.
fn fitting() -> Vec<(&'static str, &'static str, Value)> {
    let named = |name: &str, value: &str| json!({"type": "text", "parameter_name": name, "text": value});
    let offer = json!({"type": "limited_time_offer", "parameters": [
        {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_767_312_000_000_i64}}]});
    vec![
        ("hello_world", "en_US", json!([])),
        ("order_confirmation", "en", json!([body(json!([text("Maya"), text("WP-1")]))])),
        (
            "order_confirmation",
            "en",
            json!([body(json!([
            {"type": "currency", "currency": {"fallback_value": "12 EUR", "code": "EUR", "amount_1000": 12_000}},
            {"type": "date_time", "date_time": {"fallback_value": "Thursday"}}]))]),
        ),
        (
            "sandbox_named_parameters",
            "en_GB",
            json!([
            {"type": "header", "parameters": [named("customer", "Maya")]},
            body(json!([named("hour", "10:30"), named("day", "Thursday")]))]),
        ),
        ("sandbox_image_header", "en", json!([image(), body(json!([text("P-77")])), url("0", "P-77")])),
        (
            "sandbox_image_header",
            "en",
            json!([
            {"type": "HEADER", "parameters": [{"type": "IMAGE", "image": {"link": "https://cdn.example/a.png"}}]},
            {"type": "BODY", "parameters": [text("P-77")]},
            {"type": "BUTTON", "sub_type": "URL", "index": 0, "parameters": [text("P-77")]}]),
        ),
        (
            "sandbox_document_header",
            "en",
            json!([
            {"type": "header", "parameters": [
                {"type": "document", "document": {"link": "https://cdn.example/a.pdf", "filename": "invoice.pdf"}}]},
            body(json!([text("WP-1")]))]),
        ),
        (
            "sandbox_location_header",
            "en",
            json!([{"type": "header", "parameters": [
            {"type": "location", "location": {"latitude": "1.5", "longitude": "2", "name": "Shop", "address": "1 Pier"}}]}]),
        ),
        (
            "sandbox_marketing",
            "en",
            json!([body(json!([text("Maya")])),
            {"type": "button", "sub_type": "quick_reply", "index": "0",
                "parameters": [{"type": "payload", "payload": "stop"}]}]),
        ),
        ("sandbox_marketing", "en", json!([body(json!([text("Maya")]))])),
        ("sandbox_coupon", "en", json!([coupon(0, "BLUE25")])),
        (
            "sandbox_limited_offer",
            "en",
            json!([image(), body(json!([text("Maya")])), coupon(0, "BLUE25"), url("1", "blue"), offer]),
        ),
        ("sandbox_login_code", "en", json!([body(json!([text("123456")])), url("0", "123456")])),
        (
            "sandbox_carousel",
            "en",
            json!([body(json!([text("Maya")])),
            {"type": "carousel", "cards": [card(0), card(1)]}]),
        ),
    ]
}

#[tokio::test]
async fn fitting_parameters_are_accepted() {
    for (name, language, components) in fitting() {
        let world = World::new();
        let answer = world.template(template(name, language, components.clone())).await;
        assert_eq!(answer.status, 200, "{name} {components} {}", answer.body);
        assert_eq!(world.words().await, ["sent", "delivered", "read"], "{name}");
    }
}

/// Sends that do not fit: name, language, components, HTTP status, code, a part of the details.
type Misfit = (&'static str, &'static str, Value, u16, i64, &'static str);

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn misfits() -> Vec<Misfit> {
    let named = |name: &str| json!({"type": "text", "parameter_name": name, "text": "x"});
    let two = || json!([body(json!([text("Maya"), text("WP-1")]))]);
    let carousel = |cards: Value| json!([body(json!([text("Maya")])), {"type": "carousel", "cards": cards}]);
    let mut half_card = card(1);
    half_card["components"].as_array_mut().unwrap().remove(2);
    vec![
        ("nobody", "en", json!([]), 404, 132_001, "template name (nobody) does not exist in en"),
        ("hello_world", "en", json!([]), 404, 132_001, "template name (hello_world) does not exist in en"),
        (
            "order_confirmation",
            "en",
            json!([]),
            400,
            132_000,
            "body: number of localizable_params (0) does not match the expected number of params (2)",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("Maya")]))]),
            400,
            132_000,
            "body: number of localizable_params (1) does not match the expected number of params (2)",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), text("b"), text("c")]))]),
            400,
            132_000,
            "(3)",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), {"type": "image", "image": {"link": "https://cdn.example/a"}}]))]),
            400,
            132_012,
            "body: Format mismatch, expected TEXT, received IMAGE",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), text("")]))]),
            400,
            131_008,
            "missing text value",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), text("b\nc")]))]),
            400,
            132_018,
            "new-lines",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), text("b     c")]))]),
            400,
            132_018,
            "four spaces",
        ),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), text(&"x".repeat(33_000))]))]),
            400,
            132_005,
            "longer than",
        ),
        (
            "order_confirmation",
            "en",
            json!([two()[0], image()]),
            400,
            132_000,
            "header: number of localizable_params (1)",
        ),
        ("order_confirmation", "en", json!([two()[0], url("0", "x")]), 400, 132_000, "no button at index 0"),
        ("order_confirmation", "en", json!([two()[0], two()[0]]), 400, 131_009, "twice"),
        (
            "order_confirmation",
            "en",
            json!([body(json!([text("a"), {"type": "text", "text": "b", "bold": true}]))]),
            400,
            100,
            "",
        ),
        (
            "sandbox_named_parameters",
            "en_GB",
            json!([{"type": "header", "parameters": [named("customer")]}, body(json!([text("a"), text("b")]))]),
            400,
            100,
            "parameter_name is missing",
        ),
        (
            "sandbox_named_parameters",
            "en_GB",
            json!([{"type": "header", "parameters": [named("customer")]}, body(json!([named("day"), named("minute")]))]),
            400,
            132_012,
            "hour",
        ),
        (
            "sandbox_named_parameters",
            "en_GB",
            json!([{"type": "header", "parameters": [named("customer")]}, body(json!([named("day")]))]),
            400,
            132_000,
            "body",
        ),
        (
            "sandbox_named_parameters",
            "en_GB",
            json!([body(json!([named("day"), named("hour")]))]),
            400,
            132_000,
            "header: number of localizable_params (0) does not match the expected number of params (1)",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([body(json!([text("P")])), url("0", "P")]),
            400,
            132_012,
            "header: Format mismatch, expected IMAGE, received UNKNOWN",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([{"type": "header", "parameters": [{"type": "video", "video": {"link": "https://cdn.example/a"}}]}, body(json!([text("P")])), url("0", "P")]),
            400,
            132_012,
            "expected IMAGE, received VIDEO",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([{"type": "header", "parameters": [{"type": "image", "image": {"id": "77"}}]}, body(json!([text("P")])), url("0", "P")]),
            400,
            100,
            "77",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([image(), body(json!([text("P")]))]),
            400,
            131_008,
            "buttons: Button at index 0 of type Url requires a parameter",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([image(), body(json!([text("P")])), coupon(0, "A")]),
            400,
            132_012,
            "expected URL, received COPY_CODE",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([image(), body(json!([text("P")])), url("1", "x"), url("0", "x")]),
            400,
            132_000,
            "index 1",
        ),
        (
            "sandbox_image_header",
            "en",
            json!([image(), body(json!([text("P")])), url("0", "a b")]),
            400,
            131_009,
            "blanks",
        ),
        ("sandbox_coupon", "en", json!([]), 400, 131_008, "type CopyCode requires a parameter"),
        (
            "sandbox_coupon",
            "en",
            json!([coupon(0, &"A".repeat(21))]),
            400,
            131_009,
            "Coupon code length invalid. Min length: 1, Max length: 20",
        ),
        ("sandbox_coupon", "en", json!([coupon(0, "A-B")]), 400, 131_009, "letters and digits"),
        (
            "sandbox_limited_offer",
            "en",
            json!([image(), body(json!([text("M")])), coupon(0, "B"), url("1", "b")]),
            400,
            131_008,
            "limited_time_offer",
        ),
        (
            "sandbox_limited_offer",
            "en",
            json!([image(), body(json!([text("M")])), coupon(0, "BBBBBBBBBBBBBBBB"), url("1", "b")]),
            400,
            131_009,
            "Max length: 15",
        ),
        (
            "sandbox_login_code",
            "en",
            json!([body(json!([text("123456")]))]),
            400,
            131_008,
            "requires a parameter",
        ),
        ("sandbox_login_code", "en", json!([url("0", "123456")]), 400, 132_000, "body"),
        (
            "sandbox_login_code",
            "en",
            json!([body(json!([text("1234567890123456")])), url("0", "1")]),
            400,
            131_009,
            "Max length: 15",
        ),
        ("sandbox_carousel", "en", json!([body(json!([text("Maya")]))]), 400, 131_008, "carousel"),
        (
            "sandbox_carousel",
            "en",
            carousel(json!([card(0)])),
            400,
            132_000,
            "number of cards (1) does not match the expected number of cards (2)",
        ),
        ("sandbox_carousel", "en", carousel(json!([card(0), card(0)])), 400, 131_009, "Card indexes"),
        (
            "sandbox_carousel",
            "en",
            carousel(json!([card(0), half_card])),
            400,
            131_008,
            "carousel card 1: buttons",
        ),
        ("hello_world", "en_US", json!([{"type": "footnote"}]), 400, 100, ""),
        ("hello_world", "en_US", json!([{"type": "carousel", "cards": []}]), 400, 132_000, "carousel"),
    ]
}

#[tokio::test]
async fn misfits_are_refused_with_code_and_details() {
    for (name, language, components, status, code, part) in misfits() {
        let world = World::new();
        let answer = world.template(template(name, language, components.clone())).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{name} {components} {}", answer.body);
        assert!(answer.details().contains(part), "{:?} lacks {part:?}", answer.details());
        assert!(world.sim.messages().is_empty());
    }
}

#[tokio::test]
async fn the_template_object_is_checked() {
    let world = World::new();
    for (object, code) in [
        (json!({"language": {"code": "en"}}), 131_008),
        (json!({"name": "hello_world"}), 100),
        (json!({"name": "hello_world", "language": {}}), 100),
        (json!({"name": "hello_world", "language": "en"}), 100),
        (json!({"name": "hello_world", "language": {"code": "en_US", "policy": "loose"}}), 100),
        (json!({"name": "hello_world", "language": {"code": "en_US"}, "components": {}}), 100),
        (json!({"name": "hello_world", "language": {"code": "en_US"}, "colour": "red"}), 100),
    ] {
        assert_eq!(world.template(object.clone()).await.code(), code, "{object}");
    }
    let fine = json!({"name": "hello_world", "language": {"code": "en_US", "policy": "deterministic"}, "namespace": "x"});
    ok(world.template(fine).await);
}

#[tokio::test]
async fn bad_characters_have_an_older_code_before_version_23() {
    let world = World::new();
    let message = json!({"messaging_product": "whatsapp", "to": MAYA, "type": "template",
        "template": template("order_confirmation", "en", json!([body(json!([text("a"), text("b\tc")]))]))});
    assert_eq!(world.post("/v22.0/{number}/messages", message.clone()).await.code(), 100);
    assert_eq!(world.post("/v23.0/{number}/messages", message).await.code(), 132_018);
}

#[tokio::test]
async fn only_approved_templates_are_sent() {
    for (status, http, code) in [
        ("APPROVED", 200, 0),
        ("PENDING", 404, 132_001),
        ("REJECTED", 404, 132_001),
        ("PAUSED", 400, 132_015),
        ("DISABLED", 400, 132_016),
    ] {
        let world = World::new();
        let made = json!({"name": "probe", "language": "en", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Hello there"}]});
        world.sim.add_template(None, made.as_object().unwrap(), status).unwrap();
        let answer = world.template(template("probe", "en", json!([]))).await;
        assert_eq!((answer.status, answer.code()), (http, code), "{status}");
    }
}

#[tokio::test]
async fn a_login_code_needs_a_phone_number() {
    let world = World::new();
    let components = json!([body(json!([text("123456")])), url("0", "123456")]);
    let message = json!({"recipient": "GB.77120394857261034", "type": "template",
        "template": template("sandbox_login_code", "en", components)});
    assert_eq!(world.send(message).await.code(), 131_062);
}

#[tokio::test]
async fn marketing_can_be_switched_off_for_the_cloud_api() {
    let world = World::new();
    ok(world.post("/v24.0/{waba}", json!({"disable_marketing_messages_on_cloud_api": true})).await);
    let object = template("sandbox_marketing", "en", json!([body(json!([text("Maya")]))]));
    assert_eq!(world.template(object.clone()).await.code(), 131_063);
    let message =
        json!({"messaging_product": "whatsapp", "to": MAYA, "type": "template", "template": object});
    ok(world.post("/v24.0/{number}/marketing_messages", message).await);
}

#[tokio::test]
async fn a_product_carousel_may_grow_to_ten_cards() {
    let world = World::new();
    let made_card = json!({"components": [{"type": "HEADER", "format": "PRODUCT"},
        {"type": "BUTTONS", "buttons": [{"type": "SPM", "text": "View"}]}]});
    let made = json!({"name": "products", "language": "en", "category": "MARKETING", "components": [
        {"type": "BODY", "text": "Look at these"}, {"type": "CAROUSEL", "cards": [made_card, made_card]}]});
    world.sim.add_template(None, made.as_object().unwrap(), "APPROVED").unwrap();
    let card = |index: usize| {
        json!({"card_index": index, "components": [{"type": "header", "parameters": [
            {"type": "product", "product": {"product_retailer_id": "MUG", "catalog_id": "88"}}]}]})
    };
    for (n, status) in [(2, 200), (10, 200), (11, 400), (1, 400)] {
        let cards: Vec<Value> = (0..n).map(card).collect();
        let answer =
            world.template(template("products", "en", json!([{"type": "carousel", "cards": cards}]))).await;
        assert_eq!(answer.status, status, "{n} {}", answer.body);
    }
}
