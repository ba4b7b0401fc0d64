//! The template object of a send: `domain::messages::content::sending` checks its shape, `domain::templates` whether it fits.

use super::content::header_value;
use crate::api::openapi::schema::{
    Field, Schema, any_case, any_object, any_of, body, integer, integer_or_text, list, may, named, need,
    one_of, only, open_body, pattern, text,
};

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("Template", template()),
        ("TemplateComponent", component()),
        ("CardComponent", card_component()),
        ("TemplateParameter", parameter()),
    ]
}

/// The kinds of button that take a parameter.
const BUTTONS: [&str; 8] =
    ["quick_reply", "url", "copy_code", "flow", "catalog", "mpm", "voice_call", "order_details"];

fn template() -> Schema {
    let code = || pattern("^[A-Za-z_]{2,15}$").example("pt_BR");
    let language = body([need("code", code()), may("policy", only("deterministic"))]);
    body([
        need("name", pattern("^[a-z0-9_]{1,512}$")),
        need("language", any_of([code(), language]).about("The code, or Meta's object.")),
        may("namespace", text(..)),
        may("components", list(named("TemplateComponent"), ..).about("The parts that have parameters.")),
    ])
    .about("A template that Meta has approved, with its parameters.")
}

fn parameters() -> Field {
    may("parameters", list(named("TemplateParameter"), ..))
}

fn button() -> Schema {
    body([
        need("type", any_case(&["button"])),
        need("sub_type", any_case(&BUTTONS).about("`quick_reply`, `url`, `copy_code`, `flow`, `catalog`, `mpm`, `voice_call` or `order_details`.")),
        need("index", integer_or_text(0..=9)),
        parameters(),
    ])
}

fn component() -> Schema {
    let plain = [
        "header",
        "body",
        "footer",
        "limited_time_offer",
        "tap_target_configuration",
        "order_status",
        "order_details",
    ];
    let card = body([
        need("card_index", integer_or_text(0..=9)),
        need("components", list(named("CardComponent"), ..)),
    ]);
    one_of([
        body([
            need("type", any_case(&plain).about("`header`, `body`, `footer`, `limited_time_offer`, `tap_target_configuration`, `order_status` or `order_details`.")),
            parameters(),
        ]),
        button(),
        body([need("type", any_case(&["carousel"])), need("cards", list(card, 1..=10))]),
    ])
}

fn card_component() -> Schema {
    one_of([
        body([need("type", any_case(&["header", "body"]).about("`header` or `body`.")), parameters()]),
        button(),
    ])
}

/// A kind of parameter, with its value in the field of its name.
fn of(kind: &'static str, value: Schema, further: Option<Field>) -> Schema {
    body([need("type", only(kind)), need(kind, value)].into_iter().chain(further))
}

fn parameter() -> Schema {
    let name = || Some(may("parameter_name", text(1..).about("With named parameters.")));
    let currency = body([
        need("fallback_value", text(1..)),
        need("code", pattern("^[A-Za-z]{3}$")),
        need("amount_1000", integer(..)),
    ]);
    let product = body([need("product_retailer_id", text(1..)), need("catalog_id", text(1..))]);
    let offer = body([need("expiration_time_ms", integer(0..))]);
    let url = crate::api::openapi::schema::format("uri").set("pattern", "^[hH][tT][tT][pP][sS]?://");
    let target = body([need("url", url), need("title", text(1..))]);
    let action = body([
        may("flow_token", text(..)),
        may("flow_action_data", any_object()),
        may("thumbnail_product_retailer_id", text(1..)),
        may("sections", named("ProductSections")),
        may("order_details", any_object()),
    ]);
    one_of([
        of("text", text(..=32_768), name()),
        of("currency", currency, name()),
        of("date_time", open_body([need("fallback_value", text(1..))]), name()),
        of("image", header_value("image"), None),
        of("video", header_value("video"), None),
        of("gif", header_value("gif"), None),
        of("document", header_value("document"), None),
        of("location", named("Location"), None),
        of("product", product, None),
        of("payload", text(..=1024), None),
        of("coupon_code", text(1..=20).about("Letters and digits."), None),
        of("action", action, None),
        of("ttl_minutes", integer(1..), None),
        of("limited_time_offer", offer, None),
        of("tap_target_configuration", list(target, 1..), None),
        of("order_status", any_object(), None),
    ])
}
