//! Schemas of errors, and an example of each error code.

use crate::api::error::Code;
use crate::api::openapi::example;
use crate::api::openapi::schema::{Schema, optional, required};

/// Examples of errors: the code, the message and the JSON of the details.
const EXAMPLES: &[(Code, &str, &str)] = &[
    (
        Code::InvalidRequest,
        "The request is not valid: `/type` is required.",
        r#"{"errors":[{"pointer":"/type","reason":"is required"}]}"#,
    ),
    (
        Code::OutsideWindow,
        "Outside 24-hour window. Use a template message.",
        r#"{"last_inbound_at":"2026-05-27T09:00:00.000Z","closed_at":"2026-05-28T09:00:00.000Z"}"#,
    ),
    (
        Code::TemplateNotApproved,
        "The template `spring_sale` (en) is still in Meta's review.",
        r#"{"template":"spring_sale","language":"en","status":"PENDING"}"#,
    ),
    (
        Code::TemplatePaused,
        "The template `spring_sale` (en) is paused by Meta because of negative feedback: improve and resubmit it, or unpause it in WhatsApp Manager. Only a pause because of low quality ends on its own, after 3 or 6 hours.",
        r#"{"template":"spring_sale","language":"en","status":"PAUSED"}"#,
    ),
    (
        Code::TemplateParameters,
        "The parameters do not match the template `order_confirmation`: body has 1 parameter, needs 2.",
        r#"{"template":"order_confirmation","language":"en","errors":[{"pointer":"/template/components/0/parameters","reason":"has 1 parameter, needs 2","component":"body","problem":"missing"}]}"#,
    ),
    (Code::RecipientOptedOut, "The recipient has opted out of marketing messages.", "{}"),
    (
        Code::RecipientMarketingLimited,
        "Meta limits marketing messages to this recipient until 2026-05-30T10:30:00.000Z.",
        r#"{"until":"2026-05-30T10:30:00.000Z"}"#,
    ),
    (
        Code::MetaError,
        "Meta rejected the request (code 131009): Parameter value is not valid. Fix the fields listed in `details`, then send again. Nothing was sent.",
        r#"{"meta":{"code":131009,"subcode":null,"title":"Parameter value is not valid","details":null,"fbtrace_id":"AbCdEfGhIjK"}}"#,
    ),
    (
        Code::InvalidApiKey,
        "Invalid API key or session: unknown, expired or revoked. Send a valid key in the header `X-API-Key: <key>` or `Authorization: Bearer <key>`, or log in.",
        "{}",
    ),
    (Code::InvalidCredentials, "The email address or the password is wrong.", "{}"),
    (
        Code::Forbidden,
        "This API key lacks the scope `send`.",
        r#"{"permission":"messages.send","scope":"send"}"#,
    ),
    (
        Code::CsrfRequired,
        "CSRF check failed: the header `X-CSRF-Token` is missing; `POST /api/auth/login` and `GET /api/me` return its value.",
        "{}",
    ),
    (Code::NotFound, "No resource exists at this path.", "{}"),
    (Code::MessageNotFound, "There is no message with this id.", "{}"),
    (
        Code::TemplateNotFound,
        "The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta. The template exists in `en_GB`, `es`. Similar names: `spring_sales`.",
        r#"{"template":"spring_sale","language":"en","languages":["en_GB","es"],"similar_names":["spring_sales"]}"#,
    ),
    (Code::ContactNotFound, "The contact does not exist, or has neither a phone number nor a user id.", "{}"),
    (Code::MediaNotFound, "There is no file with this id.", "{}"),
    (Code::AccountNotFound, "There is no account `clinic`.", r#"{"whatsapp_account":"clinic"}"#),
    (Code::AccountExists, "Another account has this name.", r#"{"field":"name"}"#),
    (
        Code::AccountBusy,
        "The account has 2 queued messages. Wait until they are sent, or use `?force=true` to cancel them and delete the account.",
        r#"{"waiting":2}"#,
    ),
    (
        Code::TemplateNotEditable,
        "The template `spring_sale` (en) is still in Meta's review. Only approved, rejected and paused templates can be changed.",
        r#"{"status":"PENDING"}"#,
    ),
    (
        Code::ContactExists,
        "Another contact has this phone number or user id.",
        r#"{"contact_id":"01a2b3c4-0000-7000-8000-000000000003"}"#,
    ),
    (Code::WebhookNotFound, "There is no webhook `shop`.", "{}"),
    (Code::DeliveryNotFound, "There is no delivery `1`.", "{}"),
    (
        Code::WebhookDisabled,
        "This webhook is disabled and receives no events. Enable it first: `PUT` with `\"enabled\":true`.",
        "{}",
    ),
    (Code::TooMany, "The workspace has the maximum of 100 webhooks.", r#"{"limit":100}"#),
    (Code::ApiKeyNotFound, "There is no API key with this id, or it was revoked.", "{}"),
    (Code::UserNotFound, "There is no user with this id.", "{}"),
    (
        Code::MediaInUse,
        "The message 01a2b3c4-0000-7000-8000-000000000001 is waiting and needs the file. Cancel the message first.",
        r#"{"message_id":"01a2b3c4-0000-7000-8000-000000000001"}"#,
    ),
    (
        Code::NotSkippable,
        "The delivery has the status `succeeded`. Only a delivery with the status `pending` or `failed` can be skipped.",
        r#"{"status":"succeeded"}"#,
    ),
    (Code::NotCancelable, "The message cannot be canceled: its status is `sent`.", r#"{"status":"sent"}"#),
    (
        Code::NotReschedulable,
        "The message cannot be rescheduled: its status is `sent`.",
        r#"{"status":"sent"}"#,
    ),
    (
        Code::NotResolvable,
        "The status of the message is `sent`. Only messages with the status `unknown` that were not resent can be resolved.",
        r#"{"status":"sent"}"#,
    ),
    (
        Code::NotRotatable,
        "This key was already rotated, or it has expired. Rotate the key that replaced it, or create a new key.",
        "{}",
    ),
    (Code::ApiKeyExists, "Another active API key of this workspace has this name.", r#"{"field":"name"}"#),
    (Code::EmailTaken, "Another user of the workspace has this email address.", "{}"),
    (
        Code::LastOwner,
        "This user is the last owner of the workspace. Make another user an owner first.",
        "{}",
    ),
    (Code::MediaPending, "The file is still being downloaded from Meta. Try again in 2 s.", "{}"),
    (
        Code::IdempotencyMismatch,
        "This Idempotency-Key was already used with a different request. Use a new key for each request.",
        "{}",
    ),
    (
        Code::IdempotencyInProgress,
        "The first request with this Idempotency-Key is still running. Send this request again to get its response.",
        "{}",
    ),
    (
        Code::IdempotencyInterrupted,
        "The first request with this Idempotency-Key was interrupted, or its response is not stored. List the resource to see the result, then use a new key.",
        "{}",
    ),
    (
        Code::MediaFailed,
        "The file is not available: it was deleted at Meta.",
        r#"{"reason":"it was deleted at Meta"}"#,
    ),
    (Code::MethodNotAllowed, "This path does not support this method.", "{}"),
    (Code::RequestTimeout, "The body did not arrive within 60 s.", "{}"),
    (Code::PayloadTooLarge, "The body is larger than 5000000 bytes.", r#"{"limit_bytes":5000000}"#),
    (
        Code::UnsupportedMediaType,
        "The body has the type `application/x-www-form-urlencoded`. Send JSON, with the header `Content-Type: application/json`.",
        "{}",
    ),
    (Code::RangeNotSatisfiable, "The requested range is outside the file, which has 1024 bytes.", "{}"),
    (
        Code::RateLimited,
        "Rate limit exceeded: this key can send 100 messages per minute. Try again in 12 s.",
        "{}",
    ),
    (
        Code::Pacing,
        "Next send slot for this number or this recipient: 2026-05-29T10:31:00.000Z. Synchronous sends wait at most 5 seconds; use `\"mode\":\"queue\"`, or try again in 60 s. Nothing was sent.",
        r#"{"next_slot_at":"2026-05-29T10:31:00.000Z"}"#,
    ),
    (Code::MetaRateLimited, "Meta's rate limit is exceeded. Nothing was sent. Try again in 4 s.", "{}"),
    (Code::Internal, "Internal error. The server's log has the cause under the id of this request.", "{}"),
    (Code::MetaUnavailable, "Meta is unreachable. Nothing was sent. Try again in 5 s.", "{}"),
    (
        Code::AccountDisconnected,
        "The account `sandbox` cannot send messages: Resume the account with `POST /api/accounts/{id}/resume`. Nothing was sent.",
        r#"{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002"}"#,
    ),
    (
        Code::QueueFull,
        "The queue of this account is full. The message was not accepted. Try again later.",
        "{}",
    ),
    (
        Code::Overloaded,
        "The memory for the bodies of requests is in use. Nothing was changed or sent. Try again in 1 s.",
        "{}",
    ),
    (
        Code::QueryTooExpensive,
        "The list would read too many rows. Add a filter that selects fewer rows. Filters that help: `contact`, `since`, `status`.",
        r#"{"filters":["contact","since","status"]}"#,
    ),
    (Code::StoreUnavailable, "The storage is unavailable. Try again in 1 s.", "{}"),
];

/// Returns an example of the message and of the JSON of the details for an error code.
pub(crate) fn example(code: Code) -> (&'static str, &'static str) {
    let example = EXAMPLES.iter().find(|(known, _, _)| *known == code);
    example.map_or(("", "{}"), |(_, message, details)| (*message, *details))
}

/// `true` if every response with this code has `Retry-After`.
pub(crate) fn has_retry_after(code: Code) -> bool {
    let status = code.status().as_u16();
    status == 429 || status == 503
}

/// Schema of an error response.
pub(crate) fn error() -> Schema {
    Schema::object([
        required("status", Schema::constant("error")),
        required("message", Schema::string(1..).about("Error message for developers.")),
        required(
            "code",
            Schema::enumeration(Code::ALL.iter().map(|code| code.as_str())).about("Stable error code."),
        ),
        optional("details", Schema::reference("ErrorDetails")),
        required(
            "request_id",
            Schema::string(1..).example(example::REQUEST).about("Same as the header `X-Request-Id`."),
        ),
    ])
}

/// Schema of the validation errors of a request.
pub(crate) fn validation_errors() -> Schema {
    let fault = Schema::object([
        required(
            "pointer",
            Schema::string(..).about("JSON pointer into the body, or `/` and the name of a parameter."),
        ),
        required("reason", Schema::string(1..).about("Error, to be read after the name of the field.")),
        optional(
            "component",
            Schema::string(1..).about("`template_parameters`: component, such as `body` or `button 0`."),
        ),
        optional(
            "problem",
            Schema::string(1..).about("`template_parameters`: kind of error, such as `missing` or `extra`."),
        ),
    ]);
    Schema::array(fault, ..).about("All validation errors of the request.")
}

/// Schema of `details`. The fields depend on the code.
pub(crate) fn details() -> Schema {
    Schema::object([
        optional("errors", Schema::reference("ValidationErrors")),
        optional("meta", Schema::reference("MetaError")),
        optional(
            "last_inbound_at",
            Schema::time().or_null().about("`outside_window`: time of the customer's last message."),
        ),
        optional(
            "closed_at",
            Schema::time().or_null().about("`outside_window`: time at which the window closed."),
        ),
        optional("until", Schema::time().about("`recipient_marketing_limited`: end of the limitation.")),
        optional("next_slot_at", Schema::time().about("`pacing`: time of the next send slot.")),
        optional("permission", Schema::string(1..).about("`forbidden`: missing permission.")),
        optional("scope", Schema::string(1..).about("`forbidden`: scope that includes the permission.")),
        optional("role", Schema::string(1..).about("`forbidden`: role that the caller cannot assign.")),
        optional("template", Schema::string(1..)),
        optional("language", Schema::string(1..)),
        optional(
            "languages",
            Schema::array(Schema::string(1..), ..)
                .about("`template_not_found`: languages in which the template exists."),
        ),
        optional(
            "similar_names",
            Schema::array(Schema::string(1..), ..=5)
                .about("`template_not_found`: names of similar templates."),
        ),
        optional(
            "filters",
            Schema::array(Schema::string(1..), ..).about("`query_too_expensive`: filters that help."),
        ),
        optional("status", Schema::string(1..).about("Status of the template or the message.")),
        optional("whatsapp_account_id", Schema::uuid().about("`account_disconnected`: ID of the account.")),
        optional("whatsapp_account", Schema::string(..).about("`account_not_found`: requested account.")),
        optional(
            "field",
            Schema::enumeration(["name", "phone_number_id"])
                .about("`account_exists`: field whose value is in use."),
        ),
        optional("waiting", Schema::integer(1..).about("`account_busy`: number of queued messages.")),
        optional(
            "contact_id",
            Schema::uuid().about("`contact_exists`: ID of the contact that has the phone number or user ID."),
        ),
        optional(
            "imported",
            Schema::reference("ContactImport").about("Interrupted import: result until the interruption."),
        ),
        optional("message_id", Schema::uuid().about("`media_in_use`: message that needs the file.")),
        optional("limit", Schema::integer(1..).about("`too_many`: largest allowed number.")),
        optional(
            "limit_bytes",
            Schema::integer(1..).about("`payload_too_large`: largest allowed size in bytes."),
        ),
        optional("reason", Schema::string(1..).about("`media_failed`, `media_pending`: reason.")),
    ])
    .about("The fields depend on the code.")
}

/// Schema of an error from Meta.
pub(crate) fn meta_error() -> Schema {
    Schema::object([
        required("code", Schema::integer(..).about("Meta's error code; see docs/errors.md.")),
        required("subcode", Schema::integer(..).or_null()),
        required("title", Schema::string(..)),
        required("details", Schema::string(..).or_null()),
        required("fbtrace_id", Schema::string(..).or_null().about("Trace ID for Meta's support.")),
    ])
    .about("Error that Meta returned.")
}

/// Schema of the reason of a failed message: an error from Meta, or an error of Waypost.
pub(crate) fn failure() -> Schema {
    Schema::object([
        required(
            "code",
            Schema::any_of([Schema::integer(..), Schema::string(1..)])
                .about("Meta's error code, or an error code of Waypost."),
        ),
        optional("subcode", Schema::integer(..).or_null()),
        required("title", Schema::string(..)),
        required("details", Schema::string(..).or_null()),
        optional("fbtrace_id", Schema::string(..).or_null()),
    ])
}

/// `true` if a response with this code can have `Retry-After`.
pub(crate) fn may_have_retry_after(code: Code) -> bool {
    has_retry_after(code) || matches!(code, Code::IdempotencyInProgress | Code::MediaPending)
}
