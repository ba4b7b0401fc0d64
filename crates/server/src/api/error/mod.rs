//! Errors of the API: codes, messages, details.

#[cfg(test)]
mod reference;

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::check::Violation;
use domain::json::{Object, Value};
use engine::ports::{StoreError, StoreErrorKind};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:ident;)*) => {
        /// Error codes of the API, each with its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Code as in responses.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Description in the documentation.
            pub(crate) fn description(self) -> String {
                match self {
                    $(Self::$variant => [$($doc),+].map(str::trim).join(" "),)*
                }
            }

            /// HTTP status of responses with this code.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The request is malformed. `details.errors` lists each invalid field with a JSON pointer and a reason.
    InvalidRequest = "invalid_request", BAD_REQUEST;
    /// The customer service window is closed: the customer has not written in the last 24 hours. Only template
    /// messages can be sent.
    OutsideWindow = "outside_window", BAD_REQUEST;
    /// Meta has not approved the template. Waypost reads the template from Meta before the refusal, at most once a
    /// minute.
    TemplateNotApproved = "template_not_approved", BAD_REQUEST;
    /// Meta has paused the template. Waypost reads the template from Meta before the refusal, at most once a minute.
    TemplatePaused = "template_paused", BAD_REQUEST;
    /// The parameters do not match the template. `details.errors` lists each missing, unexpected or invalid
    /// parameter.
    TemplateParameters = "template_parameters", BAD_REQUEST;
    /// The recipient has opted out of marketing messages.
    RecipientOptedOut = "recipient_opted_out", BAD_REQUEST;
    /// Meta limits marketing messages to this recipient until `details.until`.
    RecipientMarketingLimited = "recipient_marketing_limited", BAD_REQUEST;
    /// Meta rejected the request permanently. `details.meta` contains the error from Meta.
    MetaError = "meta_error", BAD_REQUEST;
    /// The request has no API key and no session, or the key or session is invalid, expired or revoked.
    InvalidApiKey = "invalid_api_key", UNAUTHORIZED;
    /// The email address or the password is wrong.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED;
    /// The API key or the role lacks a permission, or the API key has no access to the account. `waypost dev` also
    /// answers so if `Host` or `Origin` names another site.
    Forbidden = "forbidden", FORBIDDEN;
    /// A request with a session cookie lacks the header `X-CSRF-Token`, or a page of another site sent the request.
    CsrfRequired = "csrf_required", FORBIDDEN;
    /// No resource exists at this path.
    NotFound = "not_found", NOT_FOUND;
    /// The message does not exist.
    MessageNotFound = "message_not_found", NOT_FOUND;
    /// The account has no template with this name and language, neither in Waypost nor at Meta. `details.languages` lists
    /// the languages in which the template exists, `details.similar_names` up to five similar names.
    TemplateNotFound = "template_not_found", NOT_FOUND;
    /// The contact does not exist.
    ContactNotFound = "contact_not_found", NOT_FOUND;
    /// The media file does not exist, or the API key has no access to it.
    MediaNotFound = "media_not_found", NOT_FOUND;
    /// The account does not exist.
    AccountNotFound = "account_not_found", NOT_FOUND;
    /// The webhook does not exist.
    WebhookNotFound = "webhook_not_found", NOT_FOUND;
    /// The delivery does not exist, or its event was deleted after the retention period.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND;
    /// Another account has this name or phone number id. `details.field` names the field.
    AccountExists = "account_exists", CONFLICT;
    /// The account has queued messages. `?force=true` cancels them and deletes the account.
    AccountBusy = "account_busy", CONFLICT;
    /// Meta does not accept changes to a template with this status.
    TemplateNotEditable = "template_not_editable", CONFLICT;
    /// Another contact has this phone number or user id. `details.contact_id` is the id of that contact.
    ContactExists = "contact_exists", CONFLICT;
    /// The webhook is disabled. It receives no events, except tests, until it is enabled.
    WebhookDisabled = "webhook_disabled", CONFLICT;
    /// The workspace has the maximum number of resources of this kind. `details.limit` is the maximum.
    TooMany = "too_many", CONFLICT;
    /// The API key does not exist, or it was revoked.
    ApiKeyNotFound = "api_key_not_found", NOT_FOUND;
    /// Another active API key of the workspace has this name. `details.field` is `name`.
    ApiKeyExists = "api_key_exists", CONFLICT;
    /// The user does not exist.
    UserNotFound = "user_not_found", NOT_FOUND;
    /// The message is not in the queue any more, so it cannot be canceled.
    NotCancelable = "not_cancelable", CONFLICT;
    /// A message that waits in the queue, or is being sent, needs the file. `details.message_id` is the message; cancel it
    /// first.
    MediaInUse = "media_in_use", CONFLICT;
    /// The delivery has succeeded or is a dead letter already, so it cannot be skipped. `details.status` is its status.
    NotSkippable = "not_skippable", CONFLICT;
    /// The message is being sent, or it is not in the queue any more, so it cannot be rescheduled.
    NotReschedulable = "not_reschedulable", CONFLICT;
    /// The status of the message is not `unknown`, or the message was already resent.
    NotResolvable = "not_resolvable", CONFLICT;
    /// The API key was already rotated, or it has expired.
    NotRotatable = "not_rotatable", CONFLICT;
    /// Another user of the workspace has this email address.
    EmailTaken = "email_taken", CONFLICT;
    /// The workspace must keep at least one owner.
    LastOwner = "last_owner", CONFLICT;
    /// Waypost is still downloading the file from Meta. Try again after `Retry-After` seconds.
    MediaPending = "media_pending", CONFLICT;
    /// The `Idempotency-Key` was already used with a different request.
    IdempotencyMismatch = "idempotency_mismatch", CONFLICT;
    /// The first request with this `Idempotency-Key` is still running. Send the request again after `Retry-After`
    /// seconds to get its response.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT;
    /// The first request with this `Idempotency-Key` was interrupted, or its response is not stored. The request may
    /// have had its effect. List the resource to see the result, then use a new key.
    IdempotencyInterrupted = "idempotency_interrupted", CONFLICT;
    /// The file could not be downloaded from Meta, or it was deleted after the retention period. `details.reason`
    /// names the reason.
    MediaFailed = "media_failed", GONE;
    /// The path exists, but it does not support this HTTP method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The request body did not arrive in time: within 60 seconds, with at least one byte in 20 seconds; for files and
    /// imports at least 32 KB in 25 seconds.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The body is larger than the operation allows: 16 KB for logins, 100 MB for files and imports, 5 MB for other
    /// operations, before and after decoding; or the file is larger than Meta accepts for its type.
    /// `details.limit_bytes` is the maximum.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE;
    /// The body has a media type or a `Content-Encoding` that this operation does not accept. The message names the
    /// accepted types.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// The requested byte range is outside the file. `Content-Range` contains the size of the file.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE;
    /// The caller exceeded its rate limit, too many logins failed, or too many event streams, long polls, lists or logins of
    /// the caller are open at the same time. Try again after `Retry-After` seconds.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// The next send slot is more than 5 seconds away. Nothing was sent. Try again after `Retry-After` seconds, or
    /// use `"mode":"queue"`.
    Pacing = "pacing", TOO_MANY_REQUESTS;
    /// Meta's rate limit for this phone number or for this recipient is exceeded. Nothing was sent.
    MetaRateLimited = "meta_rate_limited", TOO_MANY_REQUESTS;
    /// Internal error in Waypost. If the request was a send, nothing was sent.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// Meta is unreachable or temporarily unavailable. If the request was a send, nothing was sent.
    MetaUnavailable = "meta_unavailable", SERVICE_UNAVAILABLE;
    /// The account is held or disconnected. Nothing is sent until somebody fixes the cause and resumes the account.
    AccountDisconnected = "account_disconnected", SERVICE_UNAVAILABLE;
    /// The account's queue is full. The message was not accepted.
    QueueFull = "queue_full", SERVICE_UNAVAILABLE;
    /// The memory for the bodies of requests is in use. Nothing was changed or sent. Try again after `Retry-After` seconds.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE;
    /// The list would read too many rows. Add a filter of `details.filters`, or read a later page with a cursor instead of
    /// a page number.
    QueryTooExpensive = "query_too_expensive", SERVICE_UNAVAILABLE;
    /// The database is unavailable or its disk is full. If the request was a send, nothing was sent.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE;
}

/// Error codes of calls of Meta.
pub(crate) const META_ERRORS: [Code; 4] =
    [Code::MetaError, Code::MetaRateLimited, Code::MetaUnavailable, Code::AccountDisconnected];

/// Value of `Retry-After` while the first request with an idempotency key is running, in seconds.
const IDEMPOTENCY_WAIT: u32 = 1;

/// Value of `Retry-After` after a list that would read too many rows, in seconds.
const EXPENSIVE_QUERY_WAIT: u32 = 5;

/// An error response.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    message: String,
    details: Object,
    retry_after: Option<u32>,
    has_changes: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// An error with a message for the developer of the client.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Object::new(),
            retry_after: None,
            has_changes: false,
            source: None,
        }
    }

    /// An `invalid_request` error that lists violations.
    pub(crate) fn invalid(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [] => "The request is not valid.".to_owned(),
            [only] => format!("The request is not valid: {}.", sentence(only)),
            [first, rest @ ..] => {
                format!("The request is not valid: {} ({} more).", sentence(first), rest.len())
            }
        };
        let errors: Vec<Value> = violations.into_iter().map(violation_json).collect();
        Self::new(Code::InvalidRequest, message).with("errors", Value::Array(errors))
    }

    /// The error of an API key that has no access to the account of a resource.
    pub(crate) fn forbidden_account() -> Self {
        Self::new(Code::Forbidden, "This API key has no access to the account of this resource.")
    }

    /// An `invalid_request` error with one violation.
    pub(crate) fn invalid_at(pointer: &str, reason: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::new(pointer, reason)])
    }

    /// The error of a fault in Waypost itself.
    pub(crate) fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Internal error. The server's log has the cause under the id of this request.",
        )
    }

    /// The error of an unknown or revoked API key.
    pub(crate) fn api_key_not_found() -> Self {
        Self::new(Code::ApiKeyNotFound, "There is no API key with this id, or it was revoked.")
    }

    /// The error of an account whose name or phone number id belongs to another account. `field` is `None` if the field
    /// is unknown.
    pub(crate) fn account_exists(field: Option<&'static str>) -> Self {
        let message = match field {
            Some("name") => "Another account has this name.",
            Some(_) => "Another account has this phone number id.",
            None => "Another account has this name or phone number id.",
        };
        let error = Self::new(Code::AccountExists, message);
        match field {
            Some(field) => error.with("field", field),
            None => error,
        }
    }

    /// The error of a failed write of an account. A conflict means that a concurrent request used the name or number.
    pub(crate) fn account_conflict(error: StoreError, field: Option<&'static str>) -> Self {
        match error.kind() {
            StoreErrorKind::Conflict => Self::account_exists(field),
            StoreErrorKind::Unavailable
            | StoreErrorKind::TooExpensive
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Bug => error.into(),
        }
    }

    /// The error of an `Idempotency-Key` that was used with a different request.
    pub(crate) fn idempotency_mismatch() -> Self {
        Self::new(
            Code::IdempotencyMismatch,
            "This Idempotency-Key was already used with a different request. Use a new key for each request.",
        )
    }

    /// The error of an `Idempotency-Key` whose first request is still running.
    pub(crate) fn idempotency_in_progress() -> Self {
        Self::new(
            Code::IdempotencyInProgress,
            "The first request with this Idempotency-Key is still running. Send this request again to get its response.",
        )
        .retry_after(IDEMPOTENCY_WAIT)
    }

    /// The error of an `Idempotency-Key` whose first request has no response, and does not run any more.
    pub(crate) fn idempotency_interrupted() -> Self {
        Self::new(
            Code::IdempotencyInterrupted,
            "The first request with this Idempotency-Key was interrupted, or its response is not stored. List the \
             resource to see the result, then use a new key.",
        )
    }

    /// Appends a sentence to the message.
    pub(crate) fn with_sentence(mut self, sentence: &str) -> Self {
        self.append(sentence);
        self
    }

    /// Appends a sentence to the message.
    pub(crate) fn append(&mut self, sentence: &str) {
        self.message.push(' ');
        self.message.push_str(sentence);
    }

    /// Adds a member to `details`.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name, value);
        self
    }

    /// Adds `Retry-After` in seconds, at least 1.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Marks the error of a request that has made a part of its changes.
    pub(crate) fn after_changes(mut self) -> Self {
        self.has_changes = true;
        self
    }

    /// `true` if the request has made a part of its changes.
    pub(crate) fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// Adds the cause, which is logged and not part of the response.
    fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Code of the error.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Message of the error.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Details of the error.
    pub(crate) fn details(&self) -> &Object {
        &self.details
    }

    /// Value of `Retry-After` in seconds.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after
    }

    /// Cause of the error, for the log.
    pub(crate) fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source;
            source
        })
    }
}

fn sentence(violation: &Violation) -> String {
    let Violation { pointer, reason } = violation;
    if pointer.is_empty() { reason.clone() } else { format!("`{pointer}` {reason}") }
}

/// JSON of a violation in `details.errors`.
pub(crate) fn violation_json(violation: Violation) -> Value {
    let mut object = Object::new();
    object.insert("pointer", violation.pointer);
    object.insert("reason", violation.reason);
    Value::Object(object)
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Unavailable => {
                Self::new(Code::StoreUnavailable, "The storage is unavailable. Try again in 1 s.")
                    .retry_after(1)
                    .with_source(error)
            }
            StoreErrorKind::TooExpensive => Self::new(
                Code::QueryTooExpensive,
                "The list would read too many rows. Add a filter that selects fewer rows.",
            )
            .retry_after(EXPENSIVE_QUERY_WAIT)
            .with_source(error),
            StoreErrorKind::Conflict | StoreErrorKind::Corrupt | StoreErrorKind::Bug => {
                Self::internal().with_source(error)
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for ApiError {
    /// Stores the error in the extensions of the response; the middleware writes the body, with the id of the request.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_have_an_error_status() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }

    #[test]
    fn an_unavailable_store_suggests_a_retry_and_a_corrupt_store_hides_the_reason() {
        let down =
            StoreError::new(StoreErrorKind::Unavailable, "accepting a message", "disk full at /srv/secret");
        let error = ApiError::from(down);
        assert_eq!((error.code(), error.retry_after_seconds()), (Code::StoreUnavailable, Some(1)));
        let slow = StoreError::new(StoreErrorKind::TooExpensive, "listing messages", "interrupted");
        let error = ApiError::from(slow);
        assert_eq!((error.code(), error.retry_after_seconds()), (Code::QueryTooExpensive, Some(5)));
        let broken =
            StoreError::new(StoreErrorKind::Corrupt, "accepting a message", "messages.status holds gone");
        let error = ApiError::from(broken);
        assert_eq!(error.code(), Code::Internal);
        assert!(!error.message().contains("status"));
    }
}
