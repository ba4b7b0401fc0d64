//! What the API answers when it says no.

#[cfg(test)]
mod reference;

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::check::Violation;
use domain::json::{Object, Value};
use engine::ports::{StoreError, StoreErrorKind};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $status:ident;)*) => {
        /// Every code that an answer can carry, and its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in the answer.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What it means: the words of its documentation.
            pub(crate) fn about(self) -> String {
                match self {
                    $(Self::$variant => [$($doc),+].map(str::trim).join(" "),)*
                }
            }

            /// The HTTP status that goes with it.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The request has the wrong shape: `details.errors` names each field with a JSON pointer and the reason.
    InvalidRequest = "invalid_request", BAD_REQUEST;
    /// The customer has not written in the last 24 hours: only a template can be sent.
    OutsideWindow = "outside_window", BAD_REQUEST;
    /// The template exists, but Meta has not approved it.
    TemplateNotApproved = "template_not_approved", BAD_REQUEST;
    /// Meta has paused the template.
    TemplatePaused = "template_paused", BAD_REQUEST;
    /// The parameters do not fit the template: `details.errors` says which are missing, extra or of the wrong kind.
    TemplateParameters = "template_parameters", BAD_REQUEST;
    /// The person takes no marketing from this business.
    RecipientOptedOut = "recipient_opted_out", BAD_REQUEST;
    /// Meta lets this person rest from marketing until `details.until`.
    RecipientResting = "recipient_resting", BAD_REQUEST;
    /// Meta refused for good: `details.meta` has Meta's own words.
    MetaError = "meta_error", BAD_REQUEST;
    /// No key and no session, or one that is wrong, expired or revoked.
    InvalidApiKey = "invalid_api_key", UNAUTHORIZED;
    /// Name or password are wrong.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED;
    /// The key or the role may not do this, or the key may not use this account.
    Forbidden = "forbidden", FORBIDDEN;
    /// A call with the session's cookie lacks its header `X-CSRF-Token`, or comes from another site.
    CsrfRequired = "csrf_required", FORBIDDEN;
    /// There is nothing at this address.
    NotFound = "not_found", NOT_FOUND;
    /// There is no such message.
    MessageNotFound = "message_not_found", NOT_FOUND;
    /// There is no template with this name and language for this account, here or at Meta.
    TemplateNotFound = "template_not_found", NOT_FOUND;
    /// There is no such contact.
    ContactNotFound = "contact_not_found", NOT_FOUND;
    /// There is no such file, or it is not for this key.
    MediaNotFound = "media_not_found", NOT_FOUND;
    /// There is no such account.
    AccountNotFound = "account_not_found", NOT_FOUND;
    /// There is no such webhook.
    WebhookNotFound = "webhook_not_found", NOT_FOUND;
    /// There is no such delivery, or its event is no longer kept.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND;
    /// There is an account with this name or number: `details.field` says which.
    AccountExists = "account_exists", CONFLICT;
    /// Messages wait in the account's queue: it is removed with `?force=true` only, which cancels them.
    AccountBusy = "account_busy", CONFLICT;
    /// Meta takes no changes of the template in its present state.
    TemplateNotEditable = "template_not_editable", CONFLICT;
    /// Somebody has this number or user id already, perhaps in another spelling: `details.contact_id` says who.
    ContactExists = "contact_exists", CONFLICT;
    /// The webhook is disabled: until it is enabled again nothing is sent to it but a test.
    WebhookDisabled = "webhook_disabled", CONFLICT;
    /// There are as many of these as there may be: `details.limit` says how many.
    TooMany = "too_many", CONFLICT;
    /// There is no such API key, or it was revoked.
    ApiKeyNotFound = "api_key_not_found", NOT_FOUND;
    /// There is no such user.
    UserNotFound = "user_not_found", NOT_FOUND;
    /// The message has left or ended: it cannot be canceled any more.
    NotCancelable = "not_cancelable", CONFLICT;
    /// The message is not unknown, or was sent again before: there is nothing to resolve.
    NotResolvable = "not_resolvable", CONFLICT;
    /// The key was rotated before, or is over: it cannot be rotated.
    NotRotatable = "not_rotatable", CONFLICT;
    /// Another user of the workspace has this address.
    EmailTaken = "email_taken", CONFLICT;
    /// The workspace would be without an owner.
    LastOwner = "last_owner", CONFLICT;
    /// The file is still being fetched from Meta: `Retry-After` says when to ask again.
    MediaPending = "media_pending", CONFLICT;
    /// The `Idempotency-Key` was used with another request.
    IdempotencyMismatch = "idempotency_mismatch", CONFLICT;
    /// The first request with this `Idempotency-Key` is still running: `Retry-After` says when to ask again.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT;
    /// The file could not be fetched from Meta, or is kept no longer: `details.reason` says why.
    MediaFailed = "media_failed", GONE;
    /// The address exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The body is larger than 5 MB, or the file larger than Meta takes of its type: `details.limit_bytes` is the most.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE;
    /// The file has no such part: `Content-Range` tells how long it is.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE;
    /// The caller has used up its calls, or too many logins failed: `Retry-After` says when there are more.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// The wait for a turn towards Meta would be longer than 5 seconds; nothing was stored.
    Pacing = "pacing", TOO_MANY_REQUESTS;
    /// Meta wants less from this number, or less to this recipient.
    MetaRateLimited = "meta_rate_limited", TOO_MANY_REQUESTS;
    /// A fault of ours; nothing was sent.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// Meta cannot be reached or has a bad moment; nothing was sent.
    MetaUnavailable = "meta_unavailable", SERVICE_UNAVAILABLE;
    /// The account is held until someone acts; nothing was sent.
    AccountDisconnected = "account_disconnected", SERVICE_UNAVAILABLE;
    /// As many messages wait in the account's queue as may; nothing was accepted.
    QueueFull = "queue_full", SERVICE_UNAVAILABLE;
    /// The store is down or full; nothing was sent.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE;
}

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    message: String,
    details: Object,
    retry_after: Option<u32>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// A no with this code, and a sentence for the developer who called.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Object::new(), retry_after: None, source: None }
    }

    /// The request has the wrong shape.
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

    /// The key may not use the account that this belongs to.
    pub(crate) fn forbidden_account() -> Self {
        Self::new(Code::Forbidden, "This API key may not use the account that this belongs to.")
    }

    /// The request has one thing wrong.
    pub(crate) fn invalid_at(pointer: &str, reason: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::new(pointer, reason)])
    }

    /// Adds to `details`.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name, value);
        self
    }

    /// Adds `Retry-After`, in seconds, at least 1.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Keeps what went wrong, for the log.
    fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Its code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Its sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Its details.
    pub(crate) fn details(&self) -> &Object {
        &self.details
    }

    /// Seconds to wait.
    pub(crate) fn wait(&self) -> Option<u32> {
        self.retry_after
    }

    /// What went wrong.
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

/// A violation as `details.errors` shows it.
pub(crate) fn violation_json(violation: Violation) -> Value {
    let mut object = Object::new();
    object.insert("pointer", violation.pointer);
    object.insert("reason", violation.reason);
    Value::Object(object)
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Unavailable => Self::new(
                Code::StoreUnavailable,
                "The store takes no writes right now. Nothing was sent; try again.",
            )
            .retry_after(1)
            .because(error),
            StoreErrorKind::Conflict | StoreErrorKind::Corrupt | StoreErrorKind::Bug => {
                Self::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.")
                    .because(error)
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
    /// The error travels in the response's extensions; [`crate::api::middleware::process_request`] writes it out, with the request's id.
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
    fn each_code_has_a_word_of_its_own_and_an_error_status() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }

    #[test]
    fn a_store_that_is_down_invites_to_try_again_and_a_broken_one_hides_its_reasons() {
        let down =
            StoreError::new(StoreErrorKind::Unavailable, "accepting a message", "disk full at /srv/secret");
        let error = ApiError::from(down);
        assert_eq!((error.code(), error.wait()), (Code::StoreUnavailable, Some(1)));
        let broken =
            StoreError::new(StoreErrorKind::Corrupt, "accepting a message", "messages.status holds gone");
        let error = ApiError::from(broken);
        assert_eq!(error.code(), Code::Internal);
        assert!(!error.message().contains("status"));
    }
}
