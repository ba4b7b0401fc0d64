//! Sending.

use domain::messages::content::MessageKind;

use super::{content, interactive, template_message};
use crate::api::error::Code;
use crate::api::messages::batch::MAX_ITEMS;
use crate::api::messages::send_request::{MAX_KEY, MAX_REFERENCE, MAX_VALID_FOR, MAX_WAMID};
use crate::api::openapi::operation::Operation;
use crate::api::openapi::parts::idempotency_key;
use crate::api::openapi::schema::{
    Field, Schema, anything, body, boolean, exactly_one, id, integer, list, may, named, need, one_of, only,
    shown, text, time, word,
};

/// What a send can be refused for, beside its shape.
pub(crate) const REFUSALS: [Code; 17] = [
    Code::OutsideWindow,
    Code::TemplateNotApproved,
    Code::TemplatePaused,
    Code::TemplateParameters,
    Code::RecipientOptedOut,
    Code::RecipientMarketingLimited,
    Code::MetaError,
    Code::AccountNotFound,
    Code::ContactNotFound,
    Code::TemplateNotFound,
    Code::IdempotencyMismatch,
    Code::IdempotencyInProgress,
    Code::Pacing,
    Code::MetaRateLimited,
    Code::MetaUnavailable,
    Code::AccountDisconnected,
    Code::QueueFull,
];

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    vec![send_message(), send_batch()]
}

fn send_message() -> Operation {
    Operation::new(
        "send_message",
        "Send a message",
        "Sends one message; `type` says what it is, the object of that name says the rest, as in Meta's Cloud API.\n\n\
         With `mode: sync` the answer comes when Meta has answered; with `queue`, or with `send_at`, at once (202). \
         An error 429 or 5xx means that nothing was sent: try again after `Retry-After`, with the same \
         `Idempotency-Key`. With `dry_run` nothing is stored or sent: the answer shows every check, and the body that \
         Meta would get.",
    )
    .header(
        "Idempotency-Key",
        "Makes the request safe to repeat for 24 hours: the same body gets the first answer again.",
        idempotency_key(),
    )
    .takes(named("SendRequest"), EXAMPLES)
    .gives(
        200,
        "Meta took it; or, with `dry_run`, what would happen.",
        crate::api::openapi::schema::any_of([named("SentMessage"), named("Rehearsal")]),
        SENT,
    )
    .with_header("Idempotent-Replayed", "`true`: this is the answer to the first request with this key.", only("true"))
    .gives(
        202,
        "It waits in the queue (`queued`), or its outcome is not known (`unknown`): do not send it again, read it \
         with `GET /api/messages/{id}`.",
        named("SentMessage"),
        QUEUED,
    )
    .with_header("Idempotent-Replayed", "`true`: this is the answer to the first request with this key.", only("true"))
    .fails(REFUSALS)
}

fn send_batch() -> Operation {
    let result = shown([
        need("index", integer(0..).about("Its place in `messages`.")),
        may("id", id().about("Of an accepted message.")),
        may("status", only("queued")),
        may("replayed", boolean().about("`true`: it was accepted before, under the same `idempotency_key`.")),
        may("code", word(Code::ALL.iter().map(|code| code.as_str())).about("Of a refused message.")),
        may("message", text(1..)),
        may("details", named("ErrorDetails")),
    ]);
    Operation::new(
        "send_batch",
        "Queue many messages",
        "Each message is accepted or refused by itself, with the codes of `POST /api/messages/send`. A batch counts as \
         one call; its messages leave at the key's pace.",
    )
    .header(
        "Idempotency-Key",
        "Makes the whole batch safe to repeat for 24 hours: it stands for a key of each message that has none.",
        idempotency_key(),
    )
    .takes(
        body([need("messages", list(named("BatchItem"), 1..=MAX_ITEMS))]),
        [("two", r#"{"messages":[
            {"to":"+15550100001","type":"text","text":"Your table is ready.","idempotency_key":"table-1"},
            {"to":"+15550100002","type":"template","template":{"name":"hello_world","language":"en_US"}}]}"#)],
    )
    .gives(
        202,
        "What became of each.",
        shown([need("results", list(result, 1..=MAX_ITEMS))]),
        r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued"},
            {"index":1,"code":"template_not_found","message":"The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta.","details":{"template":"spring_sale","language":"en"}}]}"#,
    )
    .with_header("Idempotent-Replayed", "`true`: the batch was sent before with this key.", only("true"))
    .fails([Code::IdempotencyMismatch, Code::IdempotencyInProgress])
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas = vec![
        ("SendRequest", requests(false)),
        ("BatchItem", requests(true)),
        ("SentMessage", sent()),
        ("Rehearsal", rehearsal()),
    ];
    schemas.extend(content::schemas());
    schemas.extend(template_message::schemas());
    schemas.extend(interactive::schemas());
    schemas
}

fn requests(is_item: bool) -> Schema {
    one_of(MessageKind::ALL.into_iter().map(|kind| request(kind, is_item)))
}

fn request(kind: MessageKind, is_item: bool) -> Schema {
    let mut fields = vec![need("type", only(kind.as_str())), need(kind.as_str(), content_of(kind))];
    fields.extend([
        may("to", text(1..).about("A phone number in international form.").example("+447700900123")),
        may("recipient", text(1..).about("A business-scoped user id.")),
        may("contact", id().about("The id of a contact.")),
    ]);
    fields.push(may(
        "whatsapp_account",
        text(1..=200).about("Id or name of the sender; else the default one."),
    ));
    if kind.allows_context() {
        fields.push(may(
            "context",
            body([need("message_id", text(1..=MAX_WAMID))]).about("The message that this one answers."),
        ));
    } else {
        fields.push(may("context", Schema::default().set("type", "null")));
    }
    fields.extend(envelope(is_item));
    exactly_one(body(fields), &["to", "recipient", "contact"]).set("title", title(kind))
}

fn title(kind: MessageKind) -> String {
    let word = kind.as_str();
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
}

fn envelope(is_item: bool) -> Vec<Field> {
    let reference = || text(1..=MAX_REFERENCE);
    let mut fields = vec![
        may("client_reference", reference().about("Yours; answers, lists and events carry it.")),
        may("send_at", time().about("When it shall leave: at most 30 days ahead.")),
        may("valid_for", integer(1..=MAX_VALID_FOR).about("Seconds after which it expires unsent.")),
        may("fallback_template", named("Template").about("Is sent instead when the window is closed.")),
        may(
            "on_unknown",
            word(["hold", "resend"]).default_of("hold").about(
                "When nobody knows whether Meta took it: wait for Meta's report, or send it once more.",
            ),
        ),
        may("messaging_product", only("whatsapp").about("Of the Cloud API; changes nothing.")),
        may("recipient_type", only("individual").about("Of the Cloud API; changes nothing.")),
        may("recipient_identity_key_hash", text(1..=256)),
        may("biz_opaque_callback_data", reference().about("The same as `client_reference`.")),
    ];
    if is_item {
        fields.push(may("mode", only("queue")));
        fields.push(may("idempotency_key", text(1..=MAX_KEY).about("Makes this message safe to repeat.")));
    } else {
        fields.push(may("mode", word(["sync", "queue"]).default_of("sync")));
        fields.push(may("dry_run", boolean().default_of(false).about("Nothing is stored or sent.")));
    }
    fields
}

fn content_of(kind: MessageKind) -> Schema {
    match kind {
        MessageKind::Text => named("Text"),
        MessageKind::Template => named("Template"),
        MessageKind::Image => named("Image"),
        MessageKind::Video => named("Video"),
        MessageKind::Document => named("Document"),
        MessageKind::Audio => named("Audio"),
        MessageKind::Sticker => named("Sticker"),
        MessageKind::Location => named("Location"),
        MessageKind::Contacts => list(named("AddressCard"), 1..=257),
        MessageKind::Reaction => named("Reaction"),
        MessageKind::Interactive => named("Interactive"),
    }
}

fn sent() -> Schema {
    shown([
        need("message_id", text(1..).about("Meta's id; ours until Meta's is known.")),
        need("status", word(["sent", "queued", "unknown"])),
        need("id", id().about("Ours.")),
        need("to", text(1..).or_null()),
        need("recipient", text(1..).or_null()),
        need("whatsapp_account_id", id()),
        need("client_reference", text(1..).or_null()),
        need("sent_as", word(["message", "template"]).about("`template`: the fallback was sent.")),
    ])
}

fn rehearsal() -> Schema {
    let check = shown([
        need("name", text(1..)),
        need("ok", boolean()),
        need("code", text(1..).or_null()),
        need("reason", text(1..).or_null()),
        need("details", named("ErrorDetails").or_null()),
    ]);
    shown([
        need("would_send", boolean()),
        need("request", anything().about("The body that Meta would get.")),
        need("checks", list(check, 1..)),
    ])
}

const SENT: &str = r#"{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","status":"sent",
    "id":"01a2b3c4-0000-7000-8000-000000000001","to":"+15550100001","recipient":null,
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","client_reference":null,"sent_as":"message"}"#;

const QUEUED: &str = r#"{"message_id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued",
    "id":"01a2b3c4-0000-7000-8000-000000000001","to":"+15550100001","recipient":null,
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","client_reference":"order 7","sent_as":"message"}"#;

const EXAMPLES: [(&str, &str); 16] = [
    ("text", r#"{"to":"+15550100001","type":"text","text":"Hello from Waypost"}"#),
    (
        "template",
        r#"{"to":"+15550100001","type":"template","template":{"name":"order_confirmation","language":"en",
            "components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}}"#,
    ),
    (
        "image",
        r#"{"to":"+15550100001","type":"image","image":{"link":"https://shop.example/blue.jpg","caption":"Blue"}}"#,
    ),
    (
        "uploaded_document",
        r#"{"to":"+15550100001","type":"document","document":{"id":"01a2b3c4-0000-7000-8000-00000000000a","filename":"invoice.pdf"}}"#,
    ),
    ("video", r#"{"to":"+15550100001","type":"video","video":{"link":"https://shop.example/blue.mp4"}}"#),
    ("audio", r#"{"to":"+15550100001","type":"audio","audio":{"link":"https://shop.example/hello.ogg"}}"#),
    (
        "sticker",
        r#"{"to":"+15550100001","type":"sticker","sticker":{"link":"https://shop.example/wave.webp"}}"#,
    ),
    (
        "location",
        r#"{"to":"+15550100001","type":"location","location":{"latitude":51.5014,"longitude":-0.1419,"name":"The shop","address":"1 High Street"}}"#,
    ),
    (
        "contacts",
        r#"{"to":"+15550100001","type":"contacts","contacts":[{"name":{"formatted_name":"Ada Byron","first_name":"Ada"},
            "phones":[{"phone":"+447700900123","type":"WORK"}]}]}"#,
    ),
    (
        "reaction",
        r#"{"to":"+15550100001","type":"reaction","reaction":{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=","emoji":"👍"}}"#,
    ),
    (
        "buttons",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"button","body":{"text":"Will you come?"},
            "action":{"buttons":[{"type":"reply","reply":{"id":"yes","title":"Yes"}},{"type":"reply","reply":{"id":"no","title":"No"}}]}}}"#,
    ),
    (
        "list",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"list","body":{"text":"When does it suit you?"},
            "action":{"button":"Times","sections":[{"title":"Monday","rows":[{"id":"mo-9","title":"9:00"},{"id":"mo-10","title":"10:00","description":"The last one"}]}]}}}"#,
    ),
    (
        "link_button",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"cta_url","body":{"text":"Your parcel is on its way."},
            "action":{"name":"cta_url","parameters":{"display_text":"Follow it","url":"https://shop.example/track/7"}}}}"#,
    ),
    (
        "reply",
        r#"{"to":"+15550100001","type":"text","text":{"body":"Yes, we do: https://shop.example","preview_url":true},
            "context":{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA="},"client_reference":"ticket 12"}"#,
    ),
    (
        "queued",
        r#"{"to":"+15550100001","type":"text","text":"Your table is ready.","mode":"queue","valid_for":900,
            "fallback_template":{"name":"hello_world","language":"en_US"},"on_unknown":"resend","whatsapp_account":"sandbox"}"#,
    ),
    (
        "dry_run",
        r#"{"contact":"01a2b3c4-0000-7000-8000-000000000003","type":"text","text":"Hello","dry_run":true}"#,
    ),
];
