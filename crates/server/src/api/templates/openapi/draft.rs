//! Templates to be created or changed: `domain::templates::TemplateDraft` checks them.

use crate::api::openapi::schema::{
    Field, Schema, any_case, any_object, any_of, anything, at_least_one, body, boolean, exactly_one, integer,
    list, may, named, need, one_of, pattern, text, word,
};

/// The longest label of a button.
const LABEL: usize = 25;

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("NewTemplate", new()),
        ("TemplateChange", change()),
        ("NewTemplateComponent", one_of(components())),
        (
            "NewTemplateCardComponent",
            one_of([media_header(&["IMAGE", "VIDEO"]), product(), words(160), buttons(2)]),
        ),
        ("NewTemplateButton", one_of(all_buttons())),
    ]
}

fn category() -> Schema {
    any_case(&["AUTHENTICATION", "MARKETING", "UTILITY"]).about("`UTILITY`, `MARKETING` or `AUTHENTICATION`.")
}

fn parts() -> Schema {
    list(named("NewTemplateComponent"), 1..=10)
        .about("One of each type, in Meta's form; a body must be there.")
}

fn lifetime() -> Field {
    may(
        "message_send_ttl_seconds",
        integer(-1..=2_592_000).about(
            "How long Meta tries to deliver: authentication 30 to 900, utility 30 to 43,200, marketing 43,200 to \
             2,592,000; -1 is Meta's default.",
        ),
    )
}

fn new() -> Schema {
    one_of([own(), from_library()])
        .about("Meta's rules are checked before Meta is asked; docs/templates.md lists them.")
}

/// What a template has whoever wrote its words.
fn heads() -> [Field; 6] {
    [
        may(
            "account",
            text(1..=200).about(
                "Id or name; else the default account. Its WhatsApp Business Account gets the template.",
            ),
        ),
        need("name", pattern("^[a-z0-9_]{1,512}$")),
        need("language", pattern("^[a-z]{2,3}(_[A-Z]{2})?$").about("A code of Meta's.").example("en_GB")),
        lifetime(),
        may("sub_category", text(1..=60)),
        may("cta_url_link_tracking_opted_out", boolean()),
    ]
}

fn own() -> Schema {
    let fields = [
        need("category", category()),
        may(
            "parameter_format",
            any_case(&["POSITIONAL", "NAMED"])
                .about("`POSITIONAL` (`{{1}}`, the default) or `NAMED` (`{{port}}`)."),
        ),
        need("components", parts()),
        may("allow_category_change", boolean().about("Of the Cloud API; changes nothing.")),
    ];
    body(heads().into_iter().chain(fields)).about("With words of your own.")
}

fn from_library() -> Schema {
    let add = |name| may(name, boolean());
    let words = body([
        add("add_contact_number"),
        add("add_learn_more_link"),
        add("add_security_recommendation"),
        add("add_track_package_link"),
        may("code_expiration_minutes", integer(1..=90)),
    ]);
    let url = body([
        need("base_url", text(1..=2_000).about("With at most one parameter, at its end.")),
        may("url_suffix_example", text(1..=2_000).about("With a parameter: the whole URL with a sample.")),
    ]);
    let plain = ["QUICK_REPLY", "MPM", "CATALOG", "FLOW", "VOICE_CALL", "APP"];
    let button = one_of([
        of("URL", [need("url", url)]),
        of("PHONE_NUMBER", [need("phone_number", number())]),
        of("OTP", otp()),
        of_any(&plain, []),
    ]);
    let fields = [
        need("library_template_name", text(1..=512).about("The library's name of it.")),
        need("category", any_case(&["AUTHENTICATION", "UTILITY"]).about("`UTILITY` or `AUTHENTICATION`.")),
        may("library_template_body_inputs", words.about("What Meta adds to the words.")),
        may(
            "library_template_button_inputs",
            list(button, 1..=10).about("For each button what the business fills in."),
        ),
        may("allow_category_change", boolean().about("Of the Cloud API; changes nothing.")),
    ];
    body(heads().into_iter().chain(fields)).about("From Meta's library, which has the words and the buttons.")
}

fn number() -> Schema {
    text(1..=20).set("pattern", r"^[-+.() ]*([0-9][-+.() ]*){7,15}$")
}

/// What a button with a code has.
fn otp() -> [Field; 3] {
    let app = body([
        need("package_name", pattern(r"^[^.]+(\.[^.]+)+$").example("com.example")),
        need("signature_hash", pattern("^[A-Za-z0-9+/=]{11}$")),
    ]);
    let kinds =
        any_case(&["COPY_CODE", "ONE_TAP", "ZERO_TAP"]).about("`COPY_CODE`, `ONE_TAP` or `ZERO_TAP`.");
    [
        need("otp_type", kinds),
        may("supported_apps", list(app, ..=5).about("Not with `COPY_CODE`, else at least one.")),
        may("zero_tap_terms_accepted", boolean().about("With `ZERO_TAP` it must be `true`.")),
    ]
}

fn change() -> Schema {
    let fields = [
        may("components", parts()),
        may("category", category().about("Not of an approved template.")),
        lifetime(),
        may("name", text(..).about("Cannot be changed; may say what it is.")),
        may("language", text(..).about("Cannot be changed; may say what it is.")),
    ];
    at_least_one(body(fields), &["components", "category", "message_send_ttl_seconds"])
}

/// A component or a button.
fn of(kind: &str, fields: impl IntoIterator<Item = Field>) -> Schema {
    of_any(&[kind], fields)
}

/// Several components or buttons of one build.
fn of_any(kinds: &[&str], fields: impl IntoIterator<Item = Field>) -> Schema {
    let words: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    let kind = need("type", any_case(kinds).about(&format!("{}.", words.join(", "))));
    body([kind].into_iter().chain(fields))
}

fn example(about: &str) -> Field {
    may("example", anything().about(about))
}

fn components() -> Vec<Schema> {
    let footer = "Not in an authentication template.";
    let card = body([
        may("card_index", any_of([integer(0..=9), pattern("^[0-9]$")])),
        need("components", list(named("NewTemplateCardComponent"), 1..=3)),
    ]);
    let offer = body([need("text", text(1..=16)), may("has_expiration", boolean())]);
    vec![
        of(
            "HEADER",
            [
                need("format", any_case(&["TEXT"]).about("`TEXT`.")),
                need("text", text(1..=60).about("One line, with at most one parameter.")),
                example("With a parameter: `{\"header_text\":[\"…\"]}`, or `header_text_named_params`."),
            ],
        ),
        media_header(&["IMAGE", "VIDEO", "DOCUMENT", "GIF"]),
        of("HEADER", [need("format", any_case(&["LOCATION", "PRODUCT"]).about("`LOCATION` or `PRODUCT`."))]),
        words(1_024),
        of("BODY", [may("add_security_recommendation", boolean())])
            .about("Of an authentication template: Meta writes its words."),
        of("FOOTER", [need("text", text(1..=60).about(footer))]),
        of("FOOTER", [need("code_expiration_minutes", integer(1..=90))])
            .about("Of an authentication template."),
        buttons(10),
        of("CAROUSEL", [need("cards", list(card, 2..=10).about("All of one build."))]),
        of("LIMITED_TIME_OFFER", [need("limited_time_offer", offer)]).about("In marketing templates only."),
        of("CALL_PERMISSION_REQUEST", []),
    ]
}

fn media_header(formats: &[&str]) -> Schema {
    let handle =
        any_of([text(1..), list(text(1..), 1..)]).about("Of a sample that was uploaded to Meta: `4:…`.");
    let words: Vec<String> = formats.iter().map(|format| format!("`{format}`")).collect();
    of(
        "HEADER",
        [
            need("format", any_case(formats).about(&format!("{}.", words.join(", ")))),
            need("example", crate::api::openapi::schema::open_body([need("header_handle", handle)])),
        ],
    )
}

/// The header of a card with a product.
fn product() -> Schema {
    of("HEADER", [need("format", any_case(&["PRODUCT"]).about("`PRODUCT`."))])
}

fn words(most: usize) -> Schema {
    let about =
        "With parameters between other words, `{{1}}`, `{{2}}`, …; beside an offer at most 600 characters.";
    of(
        "BODY",
        [
            need("text", text(1..=most).about(about)),
            example("With parameters: `{\"body_text\":[[\"…\",\"…\"]]}`, or `body_text_named_params`."),
        ],
    )
}

fn buttons(most: usize) -> Schema {
    let about = "Quick replies stand together; 2 URLs, and one of each other kind.";
    of("BUTTONS", [need("buttons", list(named("NewTemplateButton"), 1..=most).about(about))])
}

fn all_buttons() -> Vec<Schema> {
    let label = || need("text", text(1..=LABEL));
    let code = || text(1..=20);
    vec![
        of_any(&["QUICK_REPLY", "ORDER_DETAILS"], [label()]),
        of("VOICE_CALL", [label(), may("ttl_minutes", integer(1..))]),
        of(
            "URL",
            [
                label(),
                need("url", text(1..=2_000).about("With at most one parameter, at its end.")),
                example("With a parameter: the whole URL with a sample, in a list."),
                may("app_deep_link", any_object()),
            ],
        ),
        of("PHONE_NUMBER", [label(), need("phone_number", number())]),
        of(
            "COPY_CODE",
            [
                may("text", text(..).about("Meta writes it.")),
                need(
                    "example",
                    any_of([code(), list(code(), 1..)])
                        .about("A sample code; beside an offer at most 15 characters."),
                ),
            ],
        ),
        exactly_one(
            of(
                "FLOW",
                [
                    label(),
                    may("flow_id", text(1..)),
                    may("flow_name", text(1..)),
                    may("flow_json", text(1..)),
                    may("flow_action", word(["navigate", "data_exchange"])),
                    may("navigate_screen", text(1..)),
                    may("icon", text(1..)),
                ],
            ),
            &["flow_id", "flow_name", "flow_json"],
        ),
        of(
            "OTP",
            otp().into_iter().chain([may("text", text(1..=LABEL)), may("autofill_text", text(1..=LABEL))]),
        )
        .about("The one button of an authentication template."),
        of_any(&["CATALOG", "MPM", "SPM"], [may("text", text(1..=LABEL).about("Meta writes it."))]),
    ]
}
