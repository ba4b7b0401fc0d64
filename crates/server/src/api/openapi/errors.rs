//! An example of every error.

use super::example;
use super::schema::{Schema, any_of, id, integer, list, may, named, need, only, shown, text, time, word};
use crate::api::Code;

/// The sentence and the details of an answer with this code, as the handlers give it.
pub(crate) fn example(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::InvalidRequest => (
            "The request is not valid: `/type` is required.",
            r#"{"errors":[{"pointer":"/type","reason":"is required"}]}"#,
        ),
        Code::OutsideWindow => (
            "Outside 24-hour window. Use a template message.",
            r#"{"last_inbound_at":"2026-05-27T09:00:00Z","closed_at":"2026-05-28T09:00:00Z"}"#,
        ),
        Code::TemplateNotApproved => (
            "The template `spring_sale` (en) is still in Meta's review.",
            r#"{"template":"spring_sale","language":"en","status":"PENDING"}"#,
        ),
        Code::TemplatePaused => (
            "The template `spring_sale` (en) is paused by Meta because of negative feedback; it resumes on its own after some hours.",
            r#"{"template":"spring_sale","language":"en","status":"PAUSED"}"#,
        ),
        Code::TemplateParameters => (
            "The message does not fit the template `order_confirmation`: body has 1 parameter, needs 2.",
            r#"{"template":"order_confirmation","language":"en","errors":[{"pointer":"/template/components/0/parameters","reason":"has 1 parameter, needs 2","component":"body","problem":"missing"}]}"#,
        ),
        Code::RecipientOptedOut => {
            ("This person takes no marketing from this business: a marketing template cannot be sent.", "{}")
        }
        Code::RecipientResting => (
            "Meta gives this person a rest from marketing until 2026-05-30T10:30:00Z.",
            r#"{"until":"2026-05-30T10:30:00Z"}"#,
        ),
        Code::MetaError => (
            "Meta refused (code 131009): Parameter value is not valid. Mend the parameter that the details name. Nothing was sent.",
            r#"{"meta":{"code":131009,"subcode":null,"title":"Parameter value is not valid","details":null,"fbtrace_id":"AbCdEfGhIjK"}}"#,
        ),
        Code::InvalidApiKey => {
            ("Invalid API key. Send a valid one in the header X-API-Key, or log in.", "{}")
        }
        Code::InvalidCredentials => ("Name or password are wrong.", "{}"),
        Code::Forbidden => (
            "This API key may not do that: it missing_permission the scope `send`.",
            r#"{"permission":"messages.send","scope":"send"}"#,
        ),
        Code::CsrfRequired => (
            "This call could come from somebody else's page: it missing_permission the header `X-CSRF-Token`, whose value the login and `GET /api/me` tell.",
            "{}",
        ),
        Code::NotFound => ("There is nothing at this address.", "{}"),
        Code::MessageNotFound => ("There is no message with this id.", "{}"),
        Code::TemplateNotFound => (
            "There is no template `spring_sale` in the language `en` for the account `sandbox`, here or at Meta.",
            r#"{"template":"spring_sale","language":"en"}"#,
        ),
        Code::ContactNotFound => ("There is no such contact, or it has no number to write to.", "{}"),
        Code::MediaNotFound => ("There is no file with this id.", "{}"),
        Code::AccountNotFound => ("There is no account `clinic`.", r#"{"whatsapp_account":"clinic"}"#),
        Code::AccountExists => ("There is an account with this name.", r#"{"field":"name"}"#),
        Code::AccountBusy => (
            "2 messages wait in the queue of this account: let them leave, or remove it with `?force=true`, which cancels them.",
            r#"{"waiting":2}"#,
        ),
        Code::TemplateNotEditable => (
            "The template `spring_sale` (en) is still in Meta's review: Meta takes changes of approved, rejected and paused templates only.",
            r#"{"status":"PENDING"}"#,
        ),
        Code::ContactExists => (
            "There is a contact with this number or user id already.",
            r#"{"contact_id":"01a2b3c4-0000-7000-8000-000000000003"}"#,
        ),
        Code::WebhookNotFound => ("There is no webhook `shop`.", "{}"),
        Code::DeliveryNotFound => ("There is no delivery `1`.", "{}"),
        Code::WebhookDisabled => (
            "This webhook is disabled: nothing is sent to it. Enable it first (PUT with `enabled: true`).",
            "{}",
        ),
        Code::TooMany => ("There are 100 webhooks already, and no more may be made.", r#"{"limit":100}"#),
        Code::ApiKeyNotFound => ("There is no API key with this id, or it was revoked.", "{}"),
        Code::UserNotFound => ("There is no user with this id.", "{}"),
        Code::NotCancelable => {
            ("The message is sent: it cannot be canceled any more.", r#"{"status":"sent"}"#)
        }
        Code::NotResolvable => (
            "The message is sent: only an unknown one, not sent again before, can be resolved.",
            r#"{"status":"sent"}"#,
        ),
        Code::NotRotatable => {
            ("This key was rotated before, or is over: rotate its successor, or make a new one.", "{}")
        }
        Code::EmailTaken => ("Another user of this workspace has this address.", "{}"),
        Code::LastOwner => ("This is the workspace's last owner: make somebody else an owner first.", "{}"),
        Code::MediaPending => ("The file is still being fetched from Meta. Ask again in 2 s.", "{}"),
        Code::IdempotencyMismatch => {
            ("This Idempotency-Key was used with another request. Use a new key for a new message.", "{}")
        }
        Code::IdempotencyInProgress => {
            ("The first request with this Idempotency-Key is still running. Ask again for its answer.", "{}")
        }
        Code::MediaFailed => {
            ("The file is not here: it was deleted at Meta.", r#"{"reason":"it was deleted at Meta"}"#)
        }
        Code::MethodNotAllowed => ("This address does not take this method.", "{}"),
        Code::RequestTimeout => ("The body did not arrive within 60 s.", "{}"),
        Code::PayloadTooLarge => ("The body is larger than 5000000 bytes.", r#"{"limit_bytes":5000000}"#),
        Code::RangeNotSatisfiable => ("The file has 1024 bytes: there is no such part of it.", "{}"),
        Code::RateLimited => {
            ("Rate limit exceeded: this key may send 100 messages a minute. Try again in 12 s.", "{}")
        }
        Code::Pacing => (
            "This number or this recipient has no turn before 2026-05-29T10:31:00Z: a sync send waits 5 s at most. Nothing was sent; try again in 60 s, or use `mode: queue`.",
            r#"{"turn_at":"2026-05-29T10:31:00Z"}"#,
        ),
        Code::MetaRateLimited => ("Meta wants less. Nothing was sent; try again in 4 s.", "{}"),
        Code::Internal => ("Something went wrong here. Nothing was sent; try again.", "{}"),
        Code::MetaUnavailable => ("Meta cannot be reached. Nothing was sent; try again.", "{}"),
        Code::AccountDisconnected => (
            "The account `sandbox` sends nothing: Somebody has to resume it. Nothing was sent.",
            r#"{"account":"01a2b3c4-0000-7000-8000-000000000002"}"#,
        ),
        Code::QueueFull => (
            "As many messages wait in this account's queue as may. Nothing was accepted; try again later.",
            "{}",
        ),
        Code::StoreUnavailable => ("The store takes no writes right now. Nothing was sent; try again.", "{}"),
    }
}

/// Whether an answer with this code always says how long to wait.
pub(crate) fn has_wait(code: Code) -> bool {
    let status = code.status().as_u16();
    status == 429 || status == 503
}

/// An answer that says no.
pub(crate) fn error() -> Schema {
    shown([
        need("status", only("error")),
        need("message", text(1..).about("A sentence for the developer who called.")),
        need(
            "code",
            word(Code::ALL.iter().map(|code| code.as_str())).about("For programs; it stays the same."),
        ),
        may("details", named("ErrorDetails")),
        need("request_id", text(1..).example(example::REQUEST).about("As in the header `X-Request-Id`.")),
    ])
}

/// What is wrong with a request.
pub(crate) fn faults() -> Schema {
    let fault = shown([
        need(
            "pointer",
            text(..).about("Where: a JSON pointer into the body, or `/` and the name of a parameter."),
        ),
        need("reason", text(1..).about("What is wrong, to be read after the field's name.")),
        may(
            "component",
            text(1..).about("With `template_parameters`: the component, such as `body` or `button 0`."),
        ),
        may("problem", text(1..).about("With `template_parameters`: `missing`, `extra`, …")),
    ]);
    list(fault, ..).about("Everything that is wrong with the request.")
}

/// `details` of an error: what is there depends on the code.
pub(crate) fn details() -> Schema {
    shown([
        may("errors", named("Faults")),
        may("meta", named("MetaError")),
        may("last_inbound_at", time().or_null().about("`outside_window`: when the customer last wrote.")),
        may("closed_at", time().or_null().about("`outside_window`: when the window closed.")),
        may("until", time().about("`recipient_resting`: when the rest ends.")),
        may("turn_at", time().about("`pacing`: the next turn.")),
        may("permission", text(1..).about("`forbidden`: the permission that is missing.")),
        may("scope", text(1..).about("`forbidden`: the scope of a key that has it.")),
        may("role", text(1..).about("`forbidden`: the role that cannot be given.")),
        may("template", text(1..)),
        may("language", text(1..)),
        may("status", text(1..).about("Where the template or the message stands.")),
        may("account", text(1..).about("`account_disconnected`: the id of the account.")),
        may("whatsapp_account", text(..).about("`account_not_found`: what was asked for.")),
        may("field", word(["name", "phone_number_id"]).about("`account_exists`: what is taken.")),
        may("waiting", integer(1..).about("`account_busy`: how many messages wait.")),
        may("contact_id", id().about("`contact_exists`: who has the number or user id.")),
        may("imported", named("Import").about("An import that broke off: what became of the rows before.")),
        may("limit", integer(1..).about("`too_many`: how many there may be.")),
        may("limit_bytes", integer(1..).about("`payload_too_large`: the most bytes.")),
        may("reason", text(1..).about("`media_failed`, `media_pending`: why.")),
    ])
    .about("What is there depends on the code.")
}

/// An error of Meta's.
pub(crate) fn meta_error() -> Schema {
    shown([
        need("code", integer(..).about("Meta's code; see docs/errors.md.")),
        need("subcode", integer(..).or_null()),
        need("title", text(..)),
        need("details", text(..).or_null()),
        need("fbtrace_id", text(..).or_null().about("What Meta's support asks for.")),
    ])
    .about("What Meta said.")
}

/// Why a message failed: Meta's words, or ours.
pub(crate) fn failure() -> Schema {
    shown([
        need("code", any_of([integer(..), text(1..)]).about("Meta's number, or a code of ours.")),
        may("subcode", integer(..).or_null()),
        need("title", text(..)),
        need("details", text(..).or_null()),
        may("fbtrace_id", text(..).or_null()),
    ])
}

/// Whether one may.
pub(crate) fn may_have_wait(code: Code) -> bool {
    has_wait(code) || matches!(code, Code::IdempotencyInProgress | Code::MediaPending)
}
