//! Templates to be created or changed: `domain::templates::TemplateDraft` checks them.

use crate::api::openapi::schema::{Property, Schema, at_least_one, exactly_one, optional, required};
use domain::check::RequestSchema;
use domain::json::Value;

/// The longest label of a button.
const LABEL: usize = 25;

fn described(name: &str) -> RequestSchema {
    let definitions =
        schemas().into_iter().map(|(name, schema)| (name.to_owned(), Value::from(schema))).collect();
    RequestSchema { schema: Schema::reference(name).into(), definitions }
}

/// Returns the schema of a new template.
pub(crate) fn new_template() -> RequestSchema {
    described("NewTemplate")
}

/// Returns the schema of a change of a template.
pub(crate) fn template_change() -> RequestSchema {
    described("TemplateChange")
}

fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("NewTemplate", new()),
        ("TemplateChange", change()),
        ("NewTemplateComponent", Schema::one_of(components())),
        (
            "NewTemplateCardComponent",
            Schema::one_of([media_header(&["IMAGE", "VIDEO"]), product(), words(160), buttons(2)]),
        ),
        ("NewTemplateButton", Schema::one_of(all_buttons())),
    ]
}

fn category() -> Schema {
    Schema::any_case(&["AUTHENTICATION", "MARKETING", "UTILITY"])
        .about("`UTILITY`, `MARKETING` or `AUTHENTICATION`.")
}

fn parts() -> Schema {
    Schema::array(Schema::reference("NewTemplateComponent"), 1..=10)
        .about("One of each type, in Meta's form; a body must be there.")
}

fn lifetime() -> Property {
    optional(
        "message_send_ttl_seconds",
        Schema::integer(-1..=2_592_000).about(
            "How long Meta tries to deliver: authentication 30 to 900, utility 30 to 43,200, marketing 43,200 to \
             2,592,000; -1 is Meta's default.",
        ),
    )
}

fn new() -> Schema {
    Schema::one_of([own(), from_library()])
        .about("Meta's rules are checked before Meta is asked; docs/templates.md lists them.")
}

/// What a template has whoever wrote its words.
fn heads() -> [Property; 6] {
    [
        optional(
            "whatsapp_account",
            Schema::string(1..=200).about(
                "Id or name; else the default account. Its WhatsApp Business Account gets the template.",
            ),
        ),
        required("name", Schema::pattern("^[a-z0-9_]{1,512}$")),
        required(
            "language",
            Schema::pattern("^[a-z]{2,3}(_[A-Z]{2})?$").about("A code of Meta's.").example("en_GB"),
        ),
        lifetime(),
        optional("sub_category", Schema::string(1..=60)),
        optional("cta_url_link_tracking_opted_out", Schema::boolean()),
    ]
}

fn own() -> Schema {
    let fields = [
        required("category", category()),
        optional(
            "parameter_format",
            Schema::any_case(&["POSITIONAL", "NAMED"])
                .about("`POSITIONAL` (`{{1}}`, the default) or `NAMED` (`{{port}}`)."),
        ),
        required("components", parts()),
        optional("allow_category_change", Schema::boolean().about("Of the Cloud API; changes nothing.")),
    ];
    Schema::closed_object(heads().into_iter().chain(fields)).about("With words of your own.")
}

fn from_library() -> Schema {
    let add = |name| optional(name, Schema::boolean());
    let words = Schema::closed_object([
        add("add_contact_number"),
        add("add_learn_more_link"),
        add("add_security_recommendation"),
        add("add_track_package_link"),
        optional("code_expiration_minutes", Schema::integer(1..=90)),
    ]);
    let url = Schema::closed_object([
        required("base_url", Schema::string(1..=2_000).about("With at most one parameter, at its end.")),
        optional(
            "url_suffix_example",
            Schema::string(1..=2_000).about("With a parameter: the whole URL with a sample."),
        ),
    ]);
    let plain = ["QUICK_REPLY", "MPM", "CATALOG", "FLOW", "VOICE_CALL", "APP"];
    let button = Schema::one_of([
        of("URL", [required("url", url)]),
        of("PHONE_NUMBER", [required("phone_number", number())]),
        of("OTP", otp()),
        of_any(&plain, []),
    ]);
    let fields = [
        required("library_template_name", Schema::string(1..=512).about("The library's name of it.")),
        required(
            "category",
            Schema::any_case(&["AUTHENTICATION", "UTILITY"]).about("`UTILITY` or `AUTHENTICATION`."),
        ),
        optional("library_template_body_inputs", words.about("What Meta adds to the words.")),
        optional(
            "library_template_button_inputs",
            Schema::array(button, 1..=10).about("For each button what the business fills in."),
        ),
        optional("allow_category_change", Schema::boolean().about("Of the Cloud API; changes nothing.")),
    ];
    Schema::closed_object(heads().into_iter().chain(fields))
        .about("From Meta's library, which has the words and the buttons.")
}

fn number() -> Schema {
    Schema::string(1..=20).set("pattern", r"^[-+.() ]*([0-9][-+.() ]*){7,15}$")
}

/// What a button with a code has.
fn otp() -> [Property; 3] {
    let app = Schema::closed_object([
        required("package_name", Schema::pattern(r"^[^.]+(\.[^.]+)+$").example("com.example")),
        required("signature_hash", Schema::pattern("^[A-Za-z0-9+/=]{11}$")),
    ]);
    let kinds = Schema::any_case(&["COPY_CODE", "ONE_TAP", "ZERO_TAP"])
        .about("`COPY_CODE`, `ONE_TAP` or `ZERO_TAP`.");
    [
        required("otp_type", kinds),
        optional(
            "supported_apps",
            Schema::array(app, ..=5).about("Not with `COPY_CODE`, else at least one."),
        ),
        optional("zero_tap_terms_accepted", Schema::boolean().about("With `ZERO_TAP` it must be `true`.")),
    ]
}

fn change() -> Schema {
    let fields = [
        optional("components", parts()),
        optional("category", category().about("Not of an approved template.")),
        lifetime(),
        optional("name", Schema::string(..).about("Cannot be changed; may say what it is.")),
        optional("language", Schema::string(..).about("Cannot be changed; may say what it is.")),
    ];
    at_least_one(Schema::closed_object(fields), &["components", "category", "message_send_ttl_seconds"])
}

/// A component or a button.
fn of(kind: &str, fields: impl IntoIterator<Item = Property>) -> Schema {
    of_any(&[kind], fields)
}

/// Several components or buttons of one build.
fn of_any(kinds: &[&str], fields: impl IntoIterator<Item = Property>) -> Schema {
    let words: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    let kind = required("type", Schema::any_case(kinds).about(&format!("{}.", words.join(", "))));
    Schema::closed_object([kind].into_iter().chain(fields))
}

fn example(about: &str) -> Property {
    optional("example", Schema::any().about(about))
}

fn components() -> Vec<Schema> {
    let footer = "Not in an authentication template.";
    let card = Schema::closed_object([
        optional("card_index", Schema::any_of([Schema::integer(0..=9), Schema::pattern("^[0-9]$")])),
        required("components", Schema::array(Schema::reference("NewTemplateCardComponent"), 1..=3)),
    ]);
    let offer = Schema::closed_object([
        required("text", Schema::string(1..=16)),
        optional("has_expiration", Schema::boolean()),
    ]);
    vec![
        of(
            "HEADER",
            [
                required("format", Schema::any_case(&["TEXT"]).about("`TEXT`.")),
                required("text", Schema::string(1..=60).about("One line, with at most one parameter.")),
                example("With a parameter: `{\"header_text\":[\"…\"]}`, or `header_text_named_params`."),
            ],
        ),
        media_header(&["IMAGE", "VIDEO", "DOCUMENT", "GIF"]),
        of(
            "HEADER",
            [required(
                "format",
                Schema::any_case(&["LOCATION", "PRODUCT"]).about("`LOCATION` or `PRODUCT`."),
            )],
        ),
        words(1_024),
        of("BODY", [optional("add_security_recommendation", Schema::boolean())])
            .about("Of an authentication template: Meta writes its words."),
        of("FOOTER", [required("text", Schema::string(1..=60).about(footer))]),
        of("FOOTER", [required("code_expiration_minutes", Schema::integer(1..=90))])
            .about("Of an authentication template."),
        buttons(10),
        of("CAROUSEL", [required("cards", Schema::array(card, 2..=10).about("All of one build."))]),
        of("LIMITED_TIME_OFFER", [required("limited_time_offer", offer)])
            .about("In marketing templates only."),
        of("CALL_PERMISSION_REQUEST", []),
    ]
}

fn media_header(formats: &[&str]) -> Schema {
    let handle = Schema::any_of([Schema::string(1..), Schema::array(Schema::string(1..), 1..)])
        .about("Of a sample that was uploaded to Meta: `4:…`.");
    let words: Vec<String> = formats.iter().map(|format| format!("`{format}`")).collect();
    of(
        "HEADER",
        [
            required("format", Schema::any_case(formats).about(&format!("{}.", words.join(", ")))),
            required("example", Schema::open_object([required("header_handle", handle)])),
        ],
    )
}

/// The header of a card with a product.
fn product() -> Schema {
    of("HEADER", [required("format", Schema::any_case(&["PRODUCT"]).about("`PRODUCT`."))])
}

fn words(most: usize) -> Schema {
    let about =
        "With parameters between other words, `{{1}}`, `{{2}}`, …; beside an offer at most 600 characters.";
    of(
        "BODY",
        [
            required("text", Schema::string(1..=most).about(about)),
            example("With parameters: `{\"body_text\":[[\"…\",\"…\"]]}`, or `body_text_named_params`."),
        ],
    )
}

fn buttons(most: usize) -> Schema {
    let about = "Quick replies stand together; 2 URLs, and one of each other kind.";
    of(
        "BUTTONS",
        [required("buttons", Schema::array(Schema::reference("NewTemplateButton"), 1..=most).about(about))],
    )
}

fn all_buttons() -> Vec<Schema> {
    let label = || required("text", Schema::string(1..=LABEL));
    let code = || Schema::string(1..=20);
    vec![
        of_any(&["QUICK_REPLY", "ORDER_DETAILS"], [label()]),
        of("VOICE_CALL", [label(), optional("ttl_minutes", Schema::integer(1..))]),
        of(
            "URL",
            [
                label(),
                required("url", Schema::string(1..=2_000).about("With at most one parameter, at its end.")),
                example("With a parameter: the whole URL with a sample, in a list."),
                optional("app_deep_link", Schema::any_object()),
            ],
        ),
        of("PHONE_NUMBER", [label(), required("phone_number", number())]),
        of(
            "COPY_CODE",
            [
                optional("text", Schema::string(..).about("Meta writes it.")),
                required(
                    "example",
                    Schema::any_of([code(), Schema::array(code(), 1..)])
                        .about("A sample code; beside an offer at most 15 characters."),
                ),
            ],
        ),
        exactly_one(
            of(
                "FLOW",
                [
                    label(),
                    optional("flow_id", Schema::string(1..)),
                    optional("flow_name", Schema::string(1..)),
                    optional("flow_json", Schema::string(1..)),
                    optional("flow_action", Schema::enumeration(["navigate", "data_exchange"])),
                    optional("navigate_screen", Schema::string(1..)),
                    optional("icon", Schema::string(1..)),
                ],
            ),
            &["flow_id", "flow_name", "flow_json"],
        ),
        of(
            "OTP",
            otp().into_iter().chain([
                optional("text", Schema::string(1..=LABEL)),
                optional("autofill_text", Schema::string(1..=LABEL)),
            ]),
        )
        .about("The one button of an authentication template."),
        of_any(
            &["CATALOG", "MPM", "SPM"],
            [optional("text", Schema::string(1..=LABEL).about("Meta writes it."))],
        ),
    ]
}
