//! Sending.

use crate::api::messages::batch::read_items;
use crate::api::messages::send_request::{Kind, describe};
use domain::check::{Items, RequestSchema};
use engine::messages::dry_run::DryRunCheckName;

use crate::api::error::Code;
use crate::api::messages::batch::MAX_ITEMS;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::parts::idempotency_key;
use crate::api::openapi::schema::{
    Schema, anything, boolean, id, integer, list, may, named, need, only, shown, text, word,
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
        "Sends one message. `type` names the kind of message; the object with that name has its content, as in \
         Meta's Cloud API.\n\nWith `mode: sync`, the response comes after Meta's answer. With `mode: queue` or \
         `send_at`, the response comes immediately (202). An error 429 or 5xx guarantees that nothing was \
         sent: send the request again after `Retry-After` seconds, with the same `Idempotency-Key`. With \
         `dry_run`, nothing is stored or sent: the response has the result of every check and the body for \
         Meta.",
    )
    .header(
        "Idempotency-Key",
        "Makes the request safe to repeat for 24 hours: a repeated request with the same body gets the first \
         response again.",
        idempotency_key(),
    )
    .reads(send_request(), EXAMPLES)
    .gives(
        200,
        "Meta accepted the message. With `dry_run`: the results of the checks.",
        crate::api::openapi::schema::any_of([named("SentMessage"), named("DryRun")]),
        SENT,
    )
    .with_header("Idempotent-Replayed", "`true`: the response is that to the first request with this key.", only("true"))
    .gives(
        202,
        "The message is in the queue (`queued`), or its outcome is not known (`unknown`). Do not send it \
         again; read its status with `GET /api/messages/{id}`.",
        named("SentMessage"),
        QUEUED,
    )
    .with_header("Idempotent-Replayed", "`true`: the response is that to the first request with this key.", only("true"))
    .fails(REFUSALS)
}

fn send_batch() -> Operation {
    let result = shown([
        need("index", integer(0..).about("Index of the message in `messages`.")),
        may("id", id().about("Accepted message: its ID.")),
        may("status", only("queued")),
        may(
            "replayed",
            boolean().about(
                "`true`: the message was accepted before, with the same \
             `idempotency_key`.",
            ),
        ),
        may("code", word(Code::ALL.iter().map(|code| code.as_str())).about("Refused message: error code.")),
        may("message", text(1..)),
        may("details", named("ErrorDetails")),
    ]);
    Operation::new(
        "send_batch",
        "Queue many messages",
        "Accepts or refuses each message separately, with the error codes of `POST /api/messages/send`. A \
         batch counts as one request; its messages are sent within the key's rate limit.",
    )
    .header(
        "Idempotency-Key",
        "Makes the whole batch safe to repeat for 24 hours. It applies to each message without an \
         `idempotency_key`.",
        idempotency_key(),
    )
    .reads(
        batch_request(),
        [("two", r#"{"messages":[
            {"to":"+15550100001","type":"text","text":"Your table is ready.","idempotency_key":"table-1"},
            {"to":"+15550100002","type":"template","template":{"name":"hello_world","language":"en_US"}}]}"#)],
    )
    .gives(
        202,
        "Result for each item.",
        shown([need("results", list(result, 1..=MAX_ITEMS))]),
        r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued"},
            {"index":1,"code":"template_not_found","message":"The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta.","details":{"template":"spring_sale","language":"en"}}]}"#,
    )
    .with_header("Idempotent-Replayed", "`true`: the batch was accepted before with this key.", only("true"))
    .fails([Code::IdempotencyMismatch, Code::IdempotencyInProgress])
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![("SentMessage", sent()), ("DryRun", rehearsal())]
}

/// Body of a send.
pub(crate) fn send_request() -> RequestSchema {
    let described = RequestSchema::of_value(|request| {
        request.shared("SendMessageRequest", |request| describe(request, Kind::Single));
    });
    RequestSchema { schema: named("SendMessageRequest").into(), ..described }
}

/// Body of a batch.
fn batch_request() -> RequestSchema {
    RequestSchema::of(|fields| {
        for item in read_items(fields).iter().flat_map(Items::iter) {
            item.shared("BatchMessage", |item| describe(item, Kind::Item(0)));
        }
    })
}

fn sent() -> Schema {
    shown([
        need("message_id", text(1..).about("Meta's message ID; Waypost's ID until Meta's is known.")),
        need("status", word(["sent", "queued", "unknown"])),
        need("id", id().about("Waypost's ID.")),
        need("to", text(1..).or_null()),
        need("recipient", text(1..).or_null()),
        need("whatsapp_account_id", id()),
        need("client_reference", text(1..).or_null()),
        need("sent_as", word(["message", "template"]).about("`template`: the fallback template was sent.")),
    ])
}

fn rehearsal() -> Schema {
    let check = shown([
        need("name", word(DryRunCheckName::ALL.iter().map(|name| name.as_str()))),
        need("ok", boolean()),
        need("code", text(1..).or_null()),
        need("reason", text(1..).or_null()),
        need("details", named("ErrorDetails").or_null()),
    ]);
    shown([
        need("would_send", boolean()),
        need("request", anything().about("Body that would be sent to Meta.")),
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
