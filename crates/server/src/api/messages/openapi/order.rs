//! Orders to be paid, and how they stand: `domain::messages::content::order` checks them.

use crate::api::openapi::schema::{
    Schema, any_object, any_of, body, format, integer, integer_or_text, list, may, need, only, open_body,
    pattern, text, word,
};

/// Graph takes nested objects as JSON texts too.
fn or_json_text(schema: Schema) -> Schema {
    any_of([schema, pattern(r"^\s*\{").about("The same as JSON text, which is left to Meta.")])
}

fn reference() -> Schema {
    pattern("^[A-Za-z0-9_.-]{1,35}$")
}

fn amount(further: impl IntoIterator<Item = crate::api::openapi::schema::Field>) -> Schema {
    let fields = [need("value", integer(0..).about("In hundredths.")), need("offset", integer(100..=100))];
    body(fields.into_iter().chain(further))
}

/// Of `review_and_pay`.
pub(crate) fn details() -> Schema {
    let details = open_body([
        need("reference_id", reference()),
        need("currency", text(1..)),
        may("type", text(..).about("With INR required: `digital-goods` or `physical-goods`.")),
        may("beneficiaries", crate::api::openapi::schema::anything().about(BENEFICIARIES)),
        may("payment_settings", crate::api::openapi::schema::anything().about(SETTINGS)),
        need("total_amount", amount([]).about("subtotal + tax + shipping − discount.")),
        need("order", order()),
    ]);
    or_json_text(details).about(
        "With INR every field is checked, and unknown ones are refused; in another currency only what holds everywhere.",
    )
}

const BENEFICIARIES: &str = "With INR: a list of `name` (1 to 200), `address_line1` (1 to 100), `address_line2`, \
    `city`, `state`, `country` (`India`) and `postal_code` (6 digits).";
const SETTINGS: &str = "With INR required: a list of `{\"type\":\"payment_gateway\",\"payment_gateway\":{…}}`; the gateway \
    has `type` (`billdesk`, `razorpay`, `payu`, `zaakpay`), `configuration_name` (1 to 60), and perhaps the object \
    of its type, `preferred_payment_methods` and `enabled_payment_options`.";

fn order() -> Schema {
    let item = body([
        need("name", text(1..=60)),
        need("amount", amount([])),
        need("quantity", integer(1..)),
        may("sale_amount", amount([]).about("Less than `amount`.")),
        may("retailer_id", text(1..).about("Not together with `image`.")),
        may(
            "image",
            body([need("link", format("uri").set("pattern", "^[hH][tT][tT][pP][sS]?://"))])
                .about("At most 10 items then, and no catalog."),
        ),
        may("country_of_origin", text(1..)),
        may("importer_name", text(1..)),
        may("importer_address", any_object()),
    ]);
    let described = || may("description", text(..=60));
    open_body([
        need("status", only("pending")),
        may("type", only("quick_pay")),
        may("catalog_id", text(1..)),
        need("items", list(item, 1..)),
        need("subtotal", amount([]).about("The sum of (sale_amount or amount) × quantity.")),
        need("tax", amount([described()])),
        may("shipping", amount([described()])),
        may("discount", amount([described(), may("discount_program_name", text(..=60))])),
        may(
            "expiration",
            body([
                need("timestamp", integer_or_text(0..).about("Unix seconds, at least 300 from now.")),
                may("description", text(..=120)),
            ]),
        ),
    ])
}

/// Of `review_order`.
pub(crate) fn status() -> Schema {
    let words = ["processing", "partially_shipped", "shipped", "completed", "canceled"];
    let order = body([need("status", word(words)), may("description", text(..=120))]);
    or_json_text(body([need("reference_id", reference()), need("order", order)]))
}
