//! Templates.

pub(crate) mod draft;

use crate::api::error::Code;
use crate::api::openapi::example::TEMPLATE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Schema, any_object, boolean, id, integer, list, may, named, need, shown, text, time, word,
};

const ID_OF: &str = "Our id of the template.";
/// What can go wrong when Meta is asked for something.
const AT_META: [Code; 4] =
    [Code::MetaError, Code::MetaRateLimited, Code::MetaUnavailable, Code::AccountDisconnected];

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let some = || text(1..=512);
    let mut operations = vec![
        Operation::new("list_templates", "List templates", "Oldest first.")
            .query("name", "The name.", some())
            .query("language", "The language code.", some())
            .query("status", "Meta's status, such as `APPROVED`, in any case.", some())
            .query("category", "`MARKETING`, `UTILITY` or `AUTHENTICATION`, in any case.", some())
            .query("account", "Id or name of an account.", some())
            .search("A part of the name.", 512)
            .lists("templates", "StoredTemplate", SHOWN)
            .fails([Code::AccountNotFound]),
        Operation::new("get_template", "Read a template", "")
            .id(ID_OF, TEMPLATE)
            .gives(200, "The template.", named("StoredTemplate"), SHOWN)
            .fails([Code::TemplateNotFound]),
        Operation::new(
            "sync_templates",
            "Read the templates from Meta again",
            "Answers when done. Meta's webhooks tell of changes by themselves; this is for the first time, and when in doubt.",
        )
        .may_take(
            [may("account", text(1..=200).about("Id or name; without it all accounts that you may use."))],
            r#"{"account":"sandbox"}"#,
        )
        .gives(
            200,
            "How many there are.",
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
            "Submit a template to Meta",
            "Meta's rules are checked first, all at once. The answer has the template as Meta took it: mostly `PENDING`, and \
             in the category that Meta gave it. If Meta cannot be reached (503), it may have taken it all the same: sync \
             before you try again.",
        )
        .takes(named("NewTemplate"), NEW)
        .gives(201, "The template.", named("StoredTemplate"), SHOWN)
        .fails([Code::AccountNotFound, Code::TemplateNotFound])
        .fails(AT_META),
        on(Operation::new(
            "update_template",
            "Change a template",
            "It goes through Meta's review again. Meta takes changes of approved, rejected and paused templates: of an \
             approved one once in 24 hours and ten times in 30 days.",
        ))
        .takes(named("TemplateChange"), CHANGE)
        .gives(200, "The template.", named("StoredTemplate"), SHOWN)
        .fails([Code::AccountNotFound, Code::TemplateNotEditable])
        .fails(AT_META),
        on(Operation::new("delete_template", "Delete a template at Meta", "In its language, or in all."))
            .query("all_languages", "`true`: in every language.", boolean())
            .gives_nothing("It is deleted.")
            .fails([Code::AccountNotFound])
            .fails(AT_META),
        on(Operation::new(
            "preview_template",
            "Show a template as customers see it",
            "With the parameters of a send, which are checked as a send's are, or with the samples that it was made with.",
        ))
        .may_take([may("components", list(named("TemplateComponent"), ..).about("As in a send."))], PARAMETERS)
        .gives(200, "What customers see.", named("Preview"), PREVIEW)
        .fails([Code::TemplateParameters]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let template = shown([
        need("id", id().about("Ours.")),
        need("template_id", text(1..).about("Meta's.")),
        need("waba_id", text(1..)),
        need("name", text(1..)),
        need("language", text(1..)),
        need("category", text(1..).about("`MARKETING`, `UTILITY`, `AUTHENTICATION`, or what Meta says.")),
        need("status", text(1..).about("`APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, …, or what Meta says.")),
        need("parameter_format", word(["POSITIONAL", "NAMED"])),
        need("components", list(any_object(), ..).about("As Meta shows them.")),
        need("quality", text(1..).or_null()),
        need("rejected_reason", text(1..).or_null()),
        need("synced_at", time()),
    ]);
    let seen = || {
        [
            need("header", text(..).or_null()),
            need("body", text(..)),
            need("footer", text(..).or_null()),
            need("buttons", list(text(..), ..).about("Their labels.")),
        ]
    };
    let card = shown(seen().into_iter().chain([need("cards", list(named("PreviewCard"), ..=0))]));
    let preview = shown(seen().into_iter().chain([
        need("cards", list(named("PreviewCard"), ..)),
        need("text", text(..).about("All of it, line by line.")),
        need("filled_with", word(["parameters", "samples"])),
    ]));
    let mut schemas = vec![("StoredTemplate", template), ("Preview", preview), ("PreviewCard", card)];
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
