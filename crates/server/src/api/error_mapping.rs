//! Conversion of errors of the engine to error responses.

use domain::access::api_key::PrivilegeEscalation;
use domain::accounts::account::{Account, AccountStatus};
use domain::check::Violation;
use domain::json::{Object, Value};
use domain::meta_error::{MetaError, MetaErrorEntry};
use domain::templates::{TemplateMismatch, TemplateStatus};
use domain::time::rfc3339;
use engine::access::api_key::delegation::ApiKeyError;
use engine::accounts::phone_number::PhoneNumberError;
use engine::accounts::{CreateAccountError, UpdateAccountError, VerificationError};
use engine::media::MediaStoreError;
use engine::messages::actions::MessageActionError;
use engine::messages::mark_read::MarkReadError;
use engine::messages::outcome::{MissingTemplate, SendError, TemplateRef};
use engine::ports::{BlobError, PasswordError, StoreError, StoreErrorKind, UpstreamError};
use engine::templates::TemplateError;

use crate::api::error::{ApiError, Code, violation_json};
use crate::api::serialize::{meta_json, time, time_or_null};

/// `Retry-After` when Meta is unreachable, in seconds.
const META_WAIT: u32 = 5;
/// `Retry-After` when a queue is full, in seconds.
const QUEUE_WAIT: u32 = 10;
/// `Retry-After` when an account is held, in seconds. Somebody must resume the account first.
const HELD_WAIT: u32 = 60;

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::AccountNotFound(None) => Self::new(
                Code::AccountNotFound,
                "There is no default account. Set `whatsapp_account`, or make one account the default.",
            ),
            SendError::AccountNotFound(Some(name)) => {
                Self::new(Code::AccountNotFound, format!("There is no account `{name}`."))
                    .with("whatsapp_account", name)
            }
            SendError::AccountForbidden { is_sandbox, is_test_key } => {
                Self::new(Code::Forbidden, forbidden(is_sandbox, is_test_key))
            }
            SendError::AccountSuspended { account, error } => account_held(&account, error.as_deref()),
            SendError::ContactNotFound => Self::new(
                Code::ContactNotFound,
                "The contact does not exist, or has neither a phone number nor a user id.",
            ),
            SendError::ContextNotFound => Self::invalid_at(
                "/context/message_id",
                "must be the wamid of a message, or the id of a message that Meta has accepted",
            ),
            SendError::PhoneNumberRequired(template) => Self::invalid_at(
                "/recipient",
                format!("must be a phone number in `to`: `{}` is an authentication template", template.name),
            ),
            SendError::TemplateNotFound(template) => template_not_found(*template),
            SendError::TemplateNotSendable { template, status } => not_sendable(&template, &status),
            SendError::TemplateParameters { template, mismatches } => parameters(&template, mismatches),
            SendError::Media(violations) => Self::invalid(violations),
            SendError::OutsideWindow(window) => {
                // The contract fixes this text.
                Self::new(Code::OutsideWindow, "Outside 24-hour window. Use a template message.")
                    .with("last_inbound_at", time_or_null(window.last_inbound_at))
                    .with("closed_at", time_or_null(window.closes_at()))
            }
            SendError::OptedOut => {
                Self::new(Code::RecipientOptedOut, "The recipient has opted out of marketing messages.")
            }
            SendError::MarketingLimited { until } => Self::new(
                Code::RecipientMarketingLimited,
                format!("Meta limits marketing messages to this recipient until {}.", rfc3339(until)),
            )
            .with("until", time(until)),
            SendError::Pacing { slot_at, retry_after } => Self::new(
                Code::Pacing,
                format!(
                    "Next send slot for this number or this recipient: {}. Synchronous sends wait at most 5 \
                     seconds; use `\"mode\":\"queue\"`, or try again in {retry_after} s. Nothing was sent.",
                    rfc3339(slot_at)
                ),
            )
            .with("next_slot_at", time(slot_at))
            .retry_after(retry_after),
            SendError::QueueFull => Self::new(
                Code::QueueFull,
                "The queue of this account is full. The message was not accepted. Try again later.",
            )
            .retry_after(QUEUE_WAIT),
            SendError::IdempotencyKeyUsed(_) => Self::idempotency_in_progress(),
            SendError::Refused(error) => {
                Self::new(Code::MetaError, format!("{} Nothing was sent.", meta_sentence(&error)))
                    .with_meta(Some(&error))
            }
            SendError::MetaRateLimited { retry_after, error } => meta_refusal(
                Code::MetaRateLimited,
                "Meta's rate limit is exceeded.",
                error.as_deref(),
                retry_after,
            ),
            SendError::MetaUnavailable(error) => {
                let wait = error.as_deref().and_then(MetaError::wait).unwrap_or(META_WAIT);
                meta_refusal(Code::MetaUnavailable, "Meta is unreachable.", error.as_deref(), wait)
            }
            SendError::Store(error) => Self::from(error).with_sentence("Nothing was sent."),
        }
    }
}

impl From<TemplateError> for ApiError {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Store(error) => error.into(),
            TemplateError::Upstream(error) => error.into(),
        }
    }
}

impl From<UpstreamError> for ApiError {
    fn from(error: UpstreamError) -> Self {
        use domain::meta_error::MetaErrorClass;
        let error = match error {
            UpstreamError::Refused(error) => error,
            UpstreamError::Throttled { retry_after } => {
                let wait = retry_after.unwrap_or(META_WAIT);
                let message = format!("Meta's rate limit is exceeded. Try again in {wait} s.");
                return Self::new(Code::MetaRateLimited, message).retry_after(wait);
            }
            UpstreamError::Unreachable(_) => {
                let message = format!("Meta is unreachable. Try again in {META_WAIT} s.");
                return Self::new(Code::MetaUnavailable, message).retry_after(META_WAIT);
            }
        };
        let reason = meta_sentence(&error);
        let mapped = match error.call_class() {
            MetaErrorClass::Retry => {
                let wait = error.wait().unwrap_or(META_WAIT);
                Self::new(Code::MetaUnavailable, format!("{reason} Try again in {wait} s.")).retry_after(wait)
            }
            MetaErrorClass::ThrottleNumber
            | MetaErrorClass::ThrottlePair
            | MetaErrorClass::ThrottleSpam
            | MetaErrorClass::RetryLater => {
                let wait = error.wait().unwrap_or(META_WAIT);
                Self::new(Code::MetaRateLimited, format!("{reason} Try again in {wait} s.")).retry_after(wait)
            }
            MetaErrorClass::SuspendAccount => {
                Self::new(Code::AccountDisconnected, format!("Meta refuses this account: {reason}"))
                    .retry_after(held_wait(Some(&error)))
            }
            MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => Self::new(Code::MetaError, reason),
        };
        mapped.with_meta(Some(&error))
    }
}

impl From<UpdateAccountError> for ApiError {
    fn from(error: UpdateAccountError) -> Self {
        match error {
            UpdateAccountError::NotFound => Self::new(Code::AccountNotFound, "The account was deleted."),
            UpdateAccountError::TokenRefused(reason) => Self::invalid_at(
                "/access_token",
                format!("was rejected by Meta: {}", reason.trim_end_matches('.')),
            ),
            UpdateAccountError::Upstream(error) => error.into(),
            UpdateAccountError::Store(error) => Self::account_conflict(error, Some("name")),
        }
    }
}

impl From<CreateAccountError> for ApiError {
    fn from(error: CreateAccountError) -> Self {
        match error {
            CreateAccountError::Verification(VerificationError::Refused { field, reason }) => {
                Self::invalid_at(&format!("/{}", field.as_str()), format!("was not verified: {reason}"))
            }
            CreateAccountError::Verification(VerificationError::Upstream(error)) => error.into(),
            CreateAccountError::Store(error) => Self::account_conflict(error, None),
        }
    }
}

impl From<PhoneNumberError> for ApiError {
    fn from(error: PhoneNumberError) -> Self {
        match error {
            PhoneNumberError::Upstream(error) => error.into(),
            PhoneNumberError::Store(error) => error.into(),
        }
    }
}

impl From<MarkReadError> for ApiError {
    fn from(error: MarkReadError) -> Self {
        match error {
            MarkReadError::NotFound => {
                Self::new(Code::MessageNotFound, "There is no inbound message with this id.")
            }
            MarkReadError::Account(error) => error.into(),
            MarkReadError::Upstream(error) => error.into(),
            MarkReadError::Store(error) => error.into(),
        }
    }
}

impl From<MessageActionError> for ApiError {
    fn from(error: MessageActionError) -> Self {
        match error {
            MessageActionError::NotFound => {
                Self::new(Code::MessageNotFound, "There is no message with this id.")
            }
            MessageActionError::NotPossible(status) => {
                let message = format!(
                    "The status of the message is `{status}`. Only messages with the status `unknown` that were not resent \
                     can be resolved."
                );
                Self::new(Code::NotResolvable, message).with("status", status.as_str())
            }
            MessageActionError::Send(error) => error.into(),
            MessageActionError::Store(error) => error.into(),
        }
    }
}

impl From<ApiKeyError> for ApiError {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::AccountNotFound { index, account } => {
                Self::invalid_at(&format!("/accounts/{index}"), format!("there is no account `{account}`"))
            }
            ApiKeyError::SandboxMismatch { index, is_sandbox, .. } => {
                let reason = if is_sandbox {
                    "is a sandbox account; only test keys have access to sandbox accounts"
                } else {
                    "is not a sandbox account; test keys have access to sandbox accounts only"
                };
                Self::invalid_at(&format!("/accounts/{index}"), reason)
            }
            ApiKeyError::ExpiresInPast => Self::invalid_at("/expires_at", "must be in the future"),
            ApiKeyError::PrivilegeEscalation(beyond) => {
                let lacking = match beyond {
                    PrivilegeEscalation::Kind => {
                        "test keys can manage test keys only, and live keys can manage live keys only"
                            .to_owned()
                    }
                    PrivilegeEscalation::Scope(scope) => {
                        format!("the caller lacks the scope `{}`", scope.as_str())
                    }
                    PrivilegeEscalation::Accounts => {
                        "the caller has no access to all accounts of the key".to_owned()
                    }
                    PrivilegeEscalation::Expiry => {
                        "the key would be valid for longer than the key of the caller".to_owned()
                    }
                };
                Self::new(
                    Code::Forbidden,
                    format!("A caller can manage only keys with fewer or equal permissions: {lacking}."),
                )
            }
            ApiKeyError::NameTaken => {
                Self::new(Code::ApiKeyExists, "Another active API key of this workspace has this name.")
                    .with("field", "name")
            }
            ApiKeyError::NotFound => Self::api_key_not_found(),
            ApiKeyError::NotActive => Self::new(
                Code::NotRotatable,
                "This key was already rotated, or it has expired. Rotate the key that replaced it, or create a new key.",
            ),
            ApiKeyError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Self::new(Code::RateLimited, "Too many logins are in progress. Try again in 1 s.")
                    .retry_after(1)
            }
            PasswordError::Failed => Self::internal(),
        }
    }
}

fn account_held(account: &Account, error: Option<&MetaError>) -> ApiError {
    let reason = match (&account.status_reason, error) {
        (_, Some(error)) => sentence_with_advice(error, &error.send_entry()),
        (Some(reason), None) => reason.clone(),
        (None, None) if account.status == AccountStatus::Disconnected => {
            "The account is disconnected.".to_owned()
        }
        (None, None) => "Resume the account with `POST /api/accounts/{id}/resume`.".to_owned(),
    };
    let message = format!("The account `{}` cannot send messages: {reason} Nothing was sent.", account.name);
    ApiError::new(Code::AccountDisconnected, message)
        .with("whatsapp_account_id", account.id.to_string())
        .with_meta(error)
        .retry_after(held_wait(error))
}

/// Returns `Retry-After` when an account is held: the end of a temporary block, if Meta's response names it.
fn held_wait(error: Option<&MetaError>) -> u32 {
    error.and_then(|error| error.retry_after).unwrap_or_default().max(HELD_WAIT)
}

fn template_not_found(missing: MissingTemplate) -> ApiError {
    let MissingTemplate { template: TemplateRef { name, language, account }, languages, similar_names } =
        missing;
    let mut message = format!(
        "The account `{account}` has no template `{name}` in the language `{language}`, neither in Waypost nor at Meta."
    );
    if !languages.is_empty() {
        message.push_str(&format!(" The template exists in {}.", quoted_list(&languages)));
    }
    if !similar_names.is_empty() {
        message.push_str(&format!(" Similar names: {}.", quoted_list(&similar_names)));
    }
    let array = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::from).collect());
    ApiError::new(Code::TemplateNotFound, message)
        .with("template", name)
        .with("language", language)
        .with("languages", array(languages))
        .with("similar_names", array(similar_names))
}

fn quoted_list(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

/// The error of a send that Meta did not accept temporarily. `default_reason` is the reason without an error from Meta.
fn meta_refusal(code: Code, default_reason: &str, error: Option<&MetaError>, wait: u32) -> ApiError {
    let reason = error.map_or_else(|| default_reason.to_owned(), meta_sentence);
    ApiError::new(code, format!("{reason} Nothing was sent. Try again in {wait} s."))
        .with_meta(error)
        .retry_after(wait)
}

fn forbidden(is_sandbox: bool, is_test_key: bool) -> &'static str {
    match (is_sandbox, is_test_key) {
        (true, false) => {
            "This is a sandbox account. Only test keys (`wp_test_…`) have access to sandbox accounts."
        }
        (false, true) => {
            "This is a live account. Test keys (`wp_test_…`) have access to sandbox accounts only."
        }
        (true, true) | (false, false) => "This API key has no access to this account.",
    }
}

fn not_sendable(template: &TemplateRef, status: &TemplateStatus) -> ApiError {
    let code = if matches!(status, TemplateStatus::Paused) {
        Code::TemplatePaused
    } else {
        Code::TemplateNotApproved
    };
    let message =
        format!("The template `{}` ({}) {}.", template.name, template.language, status.explanation());
    ApiError::new(code, message)
        .with("template", template.name.clone())
        .with("language", template.language.clone())
        .with("status", status.as_str())
}

fn parameters(template: &TemplateRef, mismatches: Vec<TemplateMismatch>) -> ApiError {
    let first = mismatches
        .first()
        .map_or_else(String::new, |first| format!(": {} {}", first.component, first.reason));
    let message = format!("The parameters do not match the template `{}`{first}.", template.name);
    let errors: Vec<_> = mismatches
        .into_iter()
        .map(|mismatch| {
            let TemplateMismatch { pointer, component, kind, reason } = mismatch;
            let mut error = match violation_json(Violation { pointer, reason }) {
                Value::Object(error) => error,
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::String(_)
                | Value::Array(_) => Object::new(),
            };
            error.insert("component", component);
            error.insert("problem", kind.as_str());
            Value::Object(error)
        })
        .collect();
    ApiError::new(Code::TemplateParameters, message)
        .with("template", template.name.clone())
        .with("language", template.language.clone())
        .with("errors", Value::Array(errors))
}

/// Error from Meta in one sentence, followed by advice.
fn meta_sentence(error: &MetaError) -> String {
    sentence_with_advice(error, &error.entry())
}

/// Error from Meta in one sentence, followed by the advice of its entry.
fn sentence_with_advice(error: &MetaError, entry: &MetaErrorEntry) -> String {
    let title = error.title.as_deref().unwrap_or(entry.title);
    let reported = match &error.details {
        Some(details) if details != title => format!("{title}: {details}"),
        Some(_) | None => title.to_owned(),
    };
    let reported = reported.trim_end_matches('.');
    format!("Meta rejected the request (code {}): {reported}. {}", error.code, entry.advice)
}

impl ApiError {
    fn with_meta(self, error: Option<&MetaError>) -> Self {
        match error {
            None => self,
            Some(error) => self.with("meta", meta_json(error)),
        }
    }
}

/// The error of a failed access to the file storage. Nothing was stored, and a later request can succeed.
pub(crate) fn blob_error(error: BlobError) -> ApiError {
    StoreError::new(StoreErrorKind::Unavailable, "storing a file", error).into()
}

impl From<MediaStoreError> for ApiError {
    fn from(error: MediaStoreError) -> Self {
        match error {
            MediaStoreError::Unsupported(error) => Self::invalid_at("/file", error.to_string()),
            MediaStoreError::TooLarge { media_type, max_bytes } => Self::new(
                Code::PayloadTooLarge,
                format!("The maximum size of a file of the type {} is {max_bytes} bytes.", media_type.mime),
            )
            .with("limit_bytes", i64::try_from(max_bytes).unwrap_or(i64::MAX)),
            MediaStoreError::Incomplete(_) => Self::invalid_at("", "the body is incomplete"),
            MediaStoreError::Blob(error) => blob_error(error),
            MediaStoreError::Store(error) => error.into(),
        }
    }
}
