//! Templates.

pub(crate) mod draft;

use crate::api::error::Code;
use crate::api::openapi::example::TEMPLATE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Schema, any_object, id, integer, list, named, need, shown, text, time, word,
};
use crate::api::templates::change::read_deletion;
use crate::api::templates::list::read_list;
use crate::api::templates::preview::read_preview;
use crate::api::templates::sync::read_sync;
use domain::check::RequestSchema;

const ID_OF: &str = "Waypost's ID of the template.";
/// What can go wrong when Meta is asked for something.
const AT_META: [Code; 4] =
    [Code::MetaError, Code::MetaRateLimited, Code::MetaUnavailable, Code::AccountDisconnected];

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        Operation::new("list_templates", "List templates", "Oldest first.")
            .reads_query(RequestSchema::of_query(read_list))
            .lists("templates", "StoredTemplate", SHOWN)
            .fails([Code::AccountNotFound]),
        Operation::new("get_template", "Get a template", "")
            .id(ID_OF, TEMPLATE)
            .gives(200, "The template.", named("StoredTemplate"), SHOWN)
            .fails([Code::TemplateNotFound]),
        Operation::new(
            "sync_templates",
            "Synchronize templates with Meta",
            "Reads the templates of an account, or of all accounts, from Meta. The response comes when the \
             synchronization is complete. Meta also reports changes by webhook.",
        )
        .may_read(RequestSchema::of(read_sync), r#"{"account":"sandbox"}"#)
        .gives(
            200,
            "Number of templates.",
            shown([
                need("added", integer(0..)),
                need("updated", integer(0..)),
                need("removed", integer(0..)),
                need("total", integer(0..)),
            ]),
            r#"{"added":2,"updated":0,"removed":1,"total":11}"#,
        )
        .fails([Code::AccountNotFound])
        .fails(AT_META),
    ];
    operations.extend(changes());
    operations
}

/// What is done at Meta, and what is shown without it.
fn changes() -> [Operation; 4] {
    let on = |operation: Operation| operation.id(ID_OF, TEMPLATE).fails([Code::TemplateNotFound]);
    [
        Operation::new(
            "create_template",
            "Create a template",
            "Checks Meta's rules, then submits the template to Meta for review. The response has the status \
             and the category that Meta assigned. After an error 503, Meta may have created the template: \
             synchronize the templates before you repeat the request.",
        )
        .takes(named("NewTemplate"), NEW)
        .gives(201, "The template.", named("StoredTemplate"), SHOWN)
        .fails([Code::AccountNotFound, Code::TemplateNotFound])
        .fails(AT_META),
        on(Operation::new(
            "update_template",
            "Update a template",
            "Submits a change to Meta, which reviews the template again. Meta accepts changes of approved, \
             rejected and paused templates. An approved template can be changed once in 24 hours and 10 times \
             in 30 days.",
        ))
        .takes(named("TemplateChange"), CHANGE)
        .gives(200, "The template.", named("StoredTemplate"), SHOWN)
        .fails([Code::AccountNotFound, Code::TemplateNotEditable])
        .fails(AT_META),
        on(Operation::new("delete_template", "Delete a template", "Deletes the template at Meta, in \
             its language or in all languages."))
            .reads_query(RequestSchema::of_query(read_deletion))
            .gives_nothing("The template is deleted.")
            .fails([Code::AccountNotFound])
            .fails(AT_META),
        on(Operation::new(
            "preview_template",
            "Preview a template",
            "Renders the template with the given parameters, which are validated as in a send, or with its \
             samples.",
        ))
        .may_read(RequestSchema::of(read_preview), PARAMETERS)
        .gives(200, "The rendered template.", named("TemplatePreview"), PREVIEW)
        .fails([Code::TemplateParameters]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let template = shown([
        need("id", id().about("Waypost's ID.")),
        need("template_id", text(1..).about("Meta's ID.")),
        need("waba_id", text(1..)),
        need("name", text(1..)),
        need("language", text(1..)),
        need(
            "category",
            text(1..).about("`MARKETING`, `UTILITY`, `AUTHENTICATION` or another category of Meta."),
        ),
        need(
            "status",
            text(1..).about("`APPROVED`, `PENDING`, `REJECTED`, `PAUSED` or another status of Meta."),
        ),
        need("parameter_format", word(["POSITIONAL", "NAMED"])),
        need("components", list(any_object(), ..).about("Components in Meta's format.")),
        need("quality", text(1..).or_null()),
        need("rejected_reason", text(1..).or_null()),
        need("synced_at", time()),
    ]);
    let seen = || {
        [
            need("header", text(..).or_null()),
            need("body", text(..)),
            need("footer", text(..).or_null()),
            need("buttons", list(text(..), ..).about("Labels of the buttons.")),
        ]
    };
    let card = shown(seen().into_iter().chain([need("cards", list(named("TemplatePreviewCard"), ..=0))]));
    let preview = shown(seen().into_iter().chain([
        need("cards", list(named("TemplatePreviewCard"), ..)),
        need("text", text(..).about("Whole text of the message.")),
        need("filled_with", word(["parameters", "samples"])),
    ]));
    let mut schemas =
        vec![("StoredTemplate", template), ("TemplatePreview", preview), ("TemplatePreviewCard", card)];
    schemas.extend(draft::schemas());
    schemas
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000004","template_id":"638556904220408",
    "waba_id":"555010000000201","name":"order_confirmation","language":"en","category":"UTILITY","status":"APPROVED",
    "parameter_format":"POSITIONAL","components":[{"type":"BODY","text":"Thank you, {{1}}. Your order {{2}} is confirmed."}],
    "quality":"GREEN","rejected_reason":null,"synced_at":"2026-05-29T10:30:00Z"}"#;

const NEW: [(&str, &str); 3] = [
    (
        "utility",
        r#"{"name":"ferry_delay","language":"en_GB","category":"UTILITY","components":[
            {"type":"BODY","text":"Sailing {{1}} leaves {{2}} minutes late today.","example":{"body_text":[["CM-22","45"]]}},
            {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Stop alerts"}]}]}"#,
    ),
    (
        "login_code",
        r#"{"name":"login_code","language":"en","category":"AUTHENTICATION","message_send_ttl_seconds":300,"components":[
            {"type":"BODY","add_security_recommendation":true},{"type":"FOOTER","code_expiration_minutes":5},
            {"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE","text":"Copy code"}]}]}"#,
    ),
    (
        "from_library",
        r#"{"name":"my_delivery_update","language":"en_US","category":"UTILITY",
            "library_template_name":"delivery_update_1","library_template_button_inputs":[
            {"type":"URL","url":{"base_url":"https://shop.example/t/{{1}}","url_suffix_example":"https://shop.example/t/7"}}]}"#,
    ),
];

const CHANGE: [(&str, &str); 1] = [(
    "words",
    r#"{"components":[{"type":"BODY","text":"Thank you, {{1}}. Your order {{2}} is on its way.","example":{"body_text":[["John","ORD-789"]]}}]}"#,
)];

const PARAMETERS: &str = r#"{"components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}"#;

const PREVIEW: &str = r#"{"header":null,"body":"Thank you, John. Your order ORD-789 is confirmed.","footer":null,"buttons":[],
    "cards":[],"text":"Thank you, John. Your order ORD-789 is confirmed.","filled_with":"parameters"}"#;
