//! An example of every error.

use super::example;
use super::schema::{Schema, any_of, id, integer, list, may, named, need, only, shown, text, time, word};
use crate::api::error::Code;

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
            "The parameters do not match the template `order_confirmation`: body has 1 parameter, needs 2.",
            r#"{"template":"order_confirmation","language":"en","errors":[{"pointer":"/template/components/0/parameters","reason":"has 1 parameter, needs 2","component":"body","problem":"missing"}]}"#,
        ),
        Code::RecipientOptedOut => ("The recipient has opted out of marketing messages.", "{}"),
        Code::RecipientMarketingLimited => (
            "Meta limits marketing messages to this recipient until 2026-05-30T10:30:00Z.",
            r#"{"until":"2026-05-30T10:30:00Z"}"#,
        ),
        Code::MetaError => (
            "Meta rejected the request (code 131009): Parameter value is not valid. Fix the parameter listed in `details`. Nothing was sent.",
            r#"{"meta":{"code":131009,"subcode":null,"title":"Parameter value is not valid","details":null,"fbtrace_id":"AbCdEfGhIjK"}}"#,
        ),
        Code::InvalidApiKey => {
            ("Invalid API key. Send a valid key in the header X-API-Key, or log in.", "{}")
        }
        Code::InvalidCredentials => ("The email address or the password is wrong.", "{}"),
        Code::Forbidden => {
            ("This API key lacks the scope `send`.", r#"{"permission":"messages.send","scope":"send"}"#)
        }
        Code::CsrfRequired => (
            "CSRF check failed: the header `X-CSRF-Token` is missing; `POST /api/auth/login` and `GET /api/me` return its value.",
            "{}",
        ),
        Code::NotFound => ("No resource exists at this path.", "{}"),
        Code::MessageNotFound => ("There is no message with this id.", "{}"),
        Code::TemplateNotFound => (
            "The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta.",
            r#"{"template":"spring_sale","language":"en"}"#,
        ),
        Code::ContactNotFound => {
            ("The contact does not exist, or it has no phone number and no user id.", "{}")
        }
        Code::MediaNotFound => ("There is no file with this id.", "{}"),
        Code::AccountNotFound => ("There is no account `clinic`.", r#"{"whatsapp_account":"clinic"}"#),
        Code::AccountExists => ("Another account has this name.", r#"{"field":"name"}"#),
        Code::AccountBusy => (
            "The account has 2 queued messages. Wait until they are sent, or use `?force=true` to cancel them and delete the account.",
            r#"{"waiting":2}"#,
        ),
        Code::TemplateNotEditable => (
            "The template `spring_sale` (en) is still in Meta's review. Only approved, rejected and paused templates can be changed.",
            r#"{"status":"PENDING"}"#,
        ),
        Code::ContactExists => (
            "Another contact has this phone number or user id.",
            r#"{"contact_id":"01a2b3c4-0000-7000-8000-000000000003"}"#,
        ),
        Code::WebhookNotFound => ("There is no webhook `shop`.", "{}"),
        Code::DeliveryNotFound => ("There is no delivery `1`.", "{}"),
        Code::WebhookDisabled => (
            "This webhook is disabled and receives no events. Enable it first: `PUT` with `\"enabled\":true`.",
            "{}",
        ),
        Code::TooMany => ("The workspace has the maximum of 100 webhooks.", r#"{"limit":100}"#),
        Code::ApiKeyNotFound => ("There is no API key with this id, or it was revoked.", "{}"),
        Code::UserNotFound => ("There is no user with this id.", "{}"),
        Code::NotCancelable => {
            ("The message cannot be canceled: its status is `sent`.", r#"{"status":"sent"}"#)
        }
        Code::NotResolvable => (
            "The status of the message is `sent`. Only messages with the status `unknown` that were not resent can be resolved.",
            r#"{"status":"sent"}"#,
        ),
        Code::NotRotatable => (
            "This key was already rotated, or it has expired. Rotate the key that replaced it, or create a new key.",
            "{}",
        ),
        Code::EmailTaken => ("Another user of the workspace has this email address.", "{}"),
        Code::LastOwner => {
            ("This user is the last owner of the workspace. Make another user an owner first.", "{}")
        }
        Code::MediaPending => ("The file is still being downloaded from Meta. Try again in 2 s.", "{}"),
        Code::IdempotencyMismatch => (
            "This Idempotency-Key was already used with a different request. Use a new key for each message.",
            "{}",
        ),
        Code::IdempotencyInProgress => (
            "The first request with this Idempotency-Key is still running. Send this request again to get its response.",
            "{}",
        ),
        Code::MediaFailed => {
            ("The file is not available: it was deleted at Meta.", r#"{"reason":"it was deleted at Meta"}"#)
        }
        Code::MethodNotAllowed => ("This path does not support this method.", "{}"),
        Code::RequestTimeout => ("The body did not arrive within 60 s.", "{}"),
        Code::PayloadTooLarge => ("The body is larger than 5000000 bytes.", r#"{"limit_bytes":5000000}"#),
        Code::RangeNotSatisfiable => ("The requested range is outside the file, which has 1024 bytes.", "{}"),
        Code::RateLimited => {
            ("Rate limit exceeded: this key can send 100 messages per minute. Try again in 12 s.", "{}")
        }
        Code::Pacing => (
            "Next send slot for this number or this recipient: 2026-05-29T10:31:00Z. Synchronous sends wait at most 5 seconds; use `\"mode\":\"queue\"`, or try again in 60 s. Nothing was sent.",
            r#"{"turn_at":"2026-05-29T10:31:00Z"}"#,
        ),
        Code::MetaRateLimited => ("Meta's rate limit is exceeded. Nothing was sent. Try again in 4 s.", "{}"),
        Code::Internal => {
            ("Internal error. The server's log has the cause under the id of this request.", "{}")
        }
        Code::MetaUnavailable => ("Meta is unreachable. Nothing was sent. Try again in 5 s.", "{}"),
        Code::AccountDisconnected => (
            "The account `sandbox` cannot send messages: It must be resumed with `POST /api/accounts/{id}/resume`. Nothing was sent.",
            r#"{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002"}"#,
        ),
        Code::QueueFull => {
            ("The queue of this account is full. The message was not accepted. Try again later.", "{}")
        }
        Code::StoreUnavailable => ("The storage is unavailable. Try again in 1 s.", "{}"),
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
        may("until", time().about("`recipient_marketing_limited`: when the rest ends.")),
        may("turn_at", time().about("`pacing`: the next turn.")),
        may("permission", text(1..).about("`forbidden`: the permission that is missing.")),
        may("scope", text(1..).about("`forbidden`: the scope of a key that has it.")),
        may("role", text(1..).about("`forbidden`: the role that cannot be given.")),
        may("template", text(1..)),
        may("language", text(1..)),
        may("status", text(1..).about("Where the template or the message stands.")),
        may("whatsapp_account_id", id().about("`account_disconnected`: id of the account.")),
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
