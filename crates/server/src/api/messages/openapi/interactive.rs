//! Interactive messages, type by type: `domain::messages::content::interactive` checks them.

use super::content::header_value;
use crate::api::openapi::schema::{
    Field, Schema, any_object, any_of, body, exactly_one, format, integer, list, may, named, need, one_of,
    only, open_body, text, word,
};

/// What a header may be.
const ANY_HEADER: &[&str] = &["text", "image", "video", "document"];
/// The length of most bodies.
const BODY: usize = 1024;

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas = vec![
        ("InteractiveBody", worded(BODY)),
        ("InteractiveFooter", worded(60)),
        ("InteractiveHeader", header(ANY_HEADER)),
        ("UrlParameters", url()),
        ("ProductSections", product_sections()),
    ];
    let types = types();
    let names: Vec<_> = types.iter().map(|(name, _)| *name).collect();
    schemas.extend(types);
    schemas.push((
        "Interactive",
        one_of(names.into_iter().map(named)).about("Buttons, lists, products, flows and so on."),
    ));
    schemas
}

fn worded(most: usize) -> Schema {
    body([need("text", text(1..=most))])
}

fn header(kinds: &[&'static str]) -> Schema {
    one_of(kinds.iter().map(|kind| body([need("type", only(kind)), need(kind, header_value(kind))])))
}

fn url() -> Schema {
    let url = format("uri").set("pattern", "^[hH][tT][tT][pP][sS]?://");
    body([need("display_text", text(1..=20)), need("url", url)])
}

/// One type: its name, and what is around its action.
fn of(kind: &str, around: impl IntoIterator<Item = Field>, action: Schema) -> Schema {
    let kind = [need("type", only(kind))];
    body(kind.into_iter().chain(around).chain([need("action", action)]))
}

fn words() -> Field {
    need("body", named("InteractiveBody"))
}

fn footer() -> Field {
    may("footer", named("InteractiveFooter"))
}

fn any_header() -> Field {
    may("header", named("InteractiveHeader"))
}

/// An action that has a name and perhaps parameters.
fn called(name: &str, parameters: Option<Field>) -> Schema {
    body([need("name", only(name))].into_iter().chain(parameters))
}

fn types() -> Vec<(&'static str, Schema)> {
    let product = body([need("catalog_id", text(1..)), need("product_retailer_id", text(1..))]);
    let products = body([need("catalog_id", text(1..)), need("sections", named("ProductSections"))]);
    let thumbnail = may("parameters", body([may("thumbnail_product_retailer_id", text(1..))]));
    let voice_call = may(
        "parameters",
        body([may("display_text", text(1..=20)), may("ttl_minutes", integer(1..)), may("payload", text(..))]),
    );
    let text_header = || header(&["text"]);
    let image_header = || may("header", header(&["image"]));
    let around = || [any_header(), words(), footer()];
    let cta_url = called("cta_url", Some(need("parameters", named("UrlParameters"))));
    vec![
        ("InteractiveButtons", of("button", around(), buttons())),
        (
            "InteractiveList",
            of("list", [may("header", text_header()), need("body", worded(4096)), footer()], choices()),
        ),
        ("InteractiveUrl", of("cta_url", around(), cta_url)),
        ("InteractiveProduct", of("product", [may("body", named("InteractiveBody")), footer()], product)),
        (
            "InteractiveProductList",
            of("product_list", [need("header", text_header()), words(), footer()], products),
        ),
        (
            "InteractiveCatalog",
            of("catalog_message", [words(), footer()], called("catalog_message", Some(thumbnail))),
        ),
        ("InteractiveFlow", of("flow", around(), called("flow", Some(need("parameters", flow()))))),
        (
            "InteractiveLocationRequest",
            of("location_request_message", [words()], called("send_location", None)),
        ),
        ("InteractiveCarousel", of("carousel", [words()], carousel())),
        (
            "InteractiveAddress",
            of("address_message", around(), called("address_message", Some(need("parameters", address())))),
        ),
        (
            "InteractiveOrderDetails",
            of(
                "order_details",
                [image_header(), words(), footer()],
                called("review_and_pay", Some(need("parameters", super::order::details()))),
            ),
        ),
        (
            "InteractiveOrderStatus",
            of(
                "order_status",
                [image_header(), words(), footer()],
                called("review_order", Some(need("parameters", super::order::status()))),
            ),
        ),
        (
            "InteractiveCallPermission",
            of(
                "call_permission_request",
                [may("body", named("InteractiveBody"))],
                called("call_permission_request", None),
            ),
        ),
        ("InteractiveVoiceCall", of("voice_call", around(), called("voice_call", Some(voice_call)))),
        (
            "InteractiveContactRequest",
            body(
                [need("type", only("request_contact_info"))]
                    .into_iter()
                    .chain(around())
                    .chain([may("action", any_object())]),
            ),
        ),
    ]
}

fn buttons() -> Schema {
    let reply = body([
        need("id", text(1..=256).about("Comes back when it is pressed; unique in the message.")),
        need("title", text(1..=20).about("Unique in the message.")),
    ]);
    body([need("buttons", list(body([need("type", only("reply")), need("reply", reply)]), 1..=3))])
}

fn choices() -> Schema {
    let row = body([
        need("id", text(1..=200).about("Comes back when it is chosen; unique in the message.")),
        need("title", text(1..=24)),
        may("description", text(..=72)),
    ]);
    let section = body([
        may("title", text(..=24).about("Required when there are several sections.")),
        need("rows", list(row, 1..=10)),
    ]);
    body([
        need("button", text(1..=20).about("What opens the list.")),
        need("sections", list(section, 1..=10).about("At most 10 rows in all of them together.")),
    ])
}

fn product_sections() -> Schema {
    let item = body([need("product_retailer_id", text(1..))]);
    let section = body([
        may("title", text(..=24).about("Required when there are several sections.")),
        need("product_items", list(item, 1..=30)),
    ]);
    list(section, 1..=10).about("At most 30 products in all of them together.")
}

fn flow() -> Schema {
    let payload = body([may("screen", text(1..)), may("data", any_object().set("minProperties", 1))]);
    let flow = body([
        need("flow_message_version", only("3")),
        may("flow_id", text(1..)),
        may("flow_name", text(1..)),
        need("flow_cta", text(1..=30).about("What opens the flow.")),
        may("mode", word(["published", "draft"])),
        may("flow_token", text(1..)),
        may("flow_action", word(["navigate", "data_exchange"])),
        may("flow_action_payload", payload.about("Not with `data_exchange`.")),
    ]);
    exactly_one(flow, &["flow_id", "flow_name"])
}

fn address() -> Schema {
    let names = [
        "name",
        "phone_number",
        "house_number",
        "floor_number",
        "tower_number",
        "building_name",
        "address",
        "landmark_area",
        "city",
        "state",
    ];
    let parts = |pin_code: Schema| {
        body(names.into_iter().map(|name| may(name, text(..))).chain([may("in_pin_code", pin_code)]))
    };
    let saved = body([need("id", text(1..)), need("value", parts(text(..=6)))]);
    body([
        need("country", only("IN")),
        may("values", parts(text(..=6))),
        may("saved_addresses", list(saved, ..)),
        may("validation_errors", parts(text(..)).about("What to say of a field that was wrong.")),
    ])
}

fn carousel() -> Schema {
    let index = || need("card_index", integer(0..=9).about("Unique in the message."));
    let product = body([need("catalog_id", text(1..)), need("product_retailer_id", text(1..))]);
    let product_card = body([index(), need("type", only("product")), need("action", product)]);
    let quick_reply =
        open_body([may("quick_reply", open_body([need("id", text(1..=256)), need("title", text(1..=20))]))]);
    let replies = open_body([need("buttons", list(quick_reply, 1..=10))]);
    let link = called("cta_url", Some(need("parameters", named("UrlParameters"))));
    let media_card = body([
        index(),
        need("type", word(["cta_url", "quick_reply"])),
        need("header", header(&["image", "video"])),
        may("body", worded(160).about("At most 2 line breaks.")),
        need("action", any_of([link, replies])),
    ]);
    let cards = list(one_of([product_card, media_card]), 2..=10);
    body([need("cards", cards.about("All of one kind: products of one catalog, or media of one type."))])
}
