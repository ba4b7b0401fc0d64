//! From the engine's refusals to answers, in one place.

use domain::access::api_key::PrivilegeEscalation;
use domain::accounts::account::AccountStatus;
use domain::check::Violation;
use domain::json::{Object, Value};
use domain::meta_error::MetaError;
use domain::templates::{TemplateMismatch, TemplateStatus};
use engine::access::api_key::grant::KeyError;
use engine::accounts::ChangeError;
use engine::accounts::number::NumberError;
use engine::messages::mark_read::ReadError;
use engine::messages::queue::ActError;
use engine::messages::send::{SendError, TemplateRef};
use engine::ports::{PasswordError, UpstreamError};
use engine::templates::TemplateError;
use jiff::Timestamp;

use super::error::violation_json;
use super::{ApiError, Code};
use crate::api::response::object;

/// Seconds to wait when Meta cannot be reached.
const META_WAIT: u32 = 5;
/// Seconds to wait when a queue is full.
const QUEUE_WAIT: u32 = 10;
/// Seconds to wait when an account is held: somebody has to act first.
const HELD_WAIT: u32 = 60;

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::AccountNotFound(None) => Self::new(
                Code::AccountNotFound,
                "There is no default account: name one in `whatsapp_account`, or make one the default.",
            ),
            SendError::AccountNotFound(Some(name)) => {
                Self::new(Code::AccountNotFound, format!("There is no account `{name}`."))
                    .with("whatsapp_account", name)
            }
            SendError::AccountForbidden { is_sandbox, is_test_key } => {
                Self::new(Code::Forbidden, forbidden(is_sandbox, is_test_key))
            }
            SendError::AccountHeld { account, error } => {
                let reason = match (&account.status_reason, &error) {
                    (_, Some(error)) => meta_sentence(error),
                    (Some(reason), None) => reason.clone(),
                    (None, None) if account.status == AccountStatus::Disconnected => {
                        "It is switched off.".to_owned()
                    }
                    (None, None) => "Somebody has to resume it.".to_owned(),
                };
                let message =
                    format!("The account `{}` sends nothing: {reason} Nothing was sent.", account.name);
                Self::new(Code::AccountDisconnected, message)
                    .with("account", account.id.to_string())
                    .with_meta(error.as_deref())
                    .retry_after(HELD_WAIT)
            }
            SendError::ContactNotFound => {
                Self::new(Code::ContactNotFound, "There is no such contact, or it has no number to write to.")
            }
            SendError::ContextNotFound => Self::invalid_at(
                "/context/message_id",
                "must be the wamid of a message, or our id of one that Meta has taken",
            ),
            SendError::NeedsNumber(template) => Self::invalid_at(
                "/recipient",
                format!("cannot get the authentication template `{}`: it goes to phone numbers only", template.name),
            ),
            SendError::TemplateNotFound(template) => {
                let TemplateRef { name, language, account } = *template;
                let message = format!(
                    "There is no template `{name}` in the language `{language}` for the account `{account}`, here or \
                     at Meta."
                );
                Self::new(Code::TemplateNotFound, message).with("template", name).with("language", language)
            }
            SendError::TemplateNotSendable { template, status } => not_sendable(&template, &status),
            SendError::TemplateParameters { template, mismatches } => parameters(&template, mismatches),
            SendError::Media(violations) => Self::invalid(violations),
            SendError::OutsideWindow(window) => {
                // The words of the seed, to the letter.
                Self::new(Code::OutsideWindow, "Outside 24-hour window. Use a template message.")
                    .with("last_inbound_at", time(window.last_inbound_at))
                    .with("closed_at", time(window.closes_at()))
            }
            SendError::OptedOut => Self::new(
                Code::RecipientOptedOut,
                "This person takes no marketing from this business: a marketing template cannot be sent.",
            ),
            SendError::Resting(until) => Self::new(
                Code::RecipientResting,
                format!("Meta gives this person a rest from marketing until {until}."),
            )
            .with("until", until.to_string()),
            SendError::Pacing { turn_at, retry_after } => Self::new(
                Code::Pacing,
                format!(
                    "This number or this recipient has no turn before {turn_at}: a sync send waits 5 s at most. \
                     Nothing was sent; try again in {retry_after} s, or use `mode: queue`."
                ),
            )
            .with("turn_at", turn_at.to_string())
            .retry_after(retry_after),
            SendError::QueueFull => Self::new(
                Code::QueueFull,
                "As many messages wait in this account's queue as may. Nothing was accepted; try again later.",
            )
            .retry_after(QUEUE_WAIT),
            SendError::KeyKnown(_) => crate::api::messages::idempotency::in_progress(),
            SendError::Refused(error) => {
                Self::new(Code::MetaError, format!("{} Nothing was sent.", meta_sentence(&error)))
                    .with_meta(Some(&error))
            }
            SendError::MetaRateLimited { retry_after, error } => {
                let why = error.as_deref().map_or_else(|| "Meta wants less.".to_owned(), meta_sentence);
                Self::new(
                    Code::MetaRateLimited,
                    format!("{why} Nothing was sent; try again in {retry_after} s."),
                )
                .with_meta(error.as_deref())
                .retry_after(retry_after)
            }
            SendError::MetaUnavailable(error) => {
                let why =
                    error.as_deref().map_or_else(|| "Meta cannot be reached.".to_owned(), meta_sentence);
                Self::new(Code::MetaUnavailable, format!("{why} Nothing was sent; try again."))
                    .with_meta(error.as_deref())
                    .retry_after(META_WAIT)
            }
            SendError::Store(error) => error.into(),
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
        let UpstreamError::Refused(error) = error else {
            return SendError::MetaUnavailable(None).into();
        };
        match error.class() {
            MetaErrorClass::Retry => SendError::MetaUnavailable(Some(Box::new(error))).into(),
            MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottlePair => {
                let retry_after = error.retry_after.unwrap_or(1);
                SendError::MetaRateLimited { retry_after, error: Some(Box::new(error)) }.into()
            }
            MetaErrorClass::SuspendAccount => {
                let message = format!("The account is refused by Meta: {}", meta_sentence(&error));
                Self::new(Code::AccountDisconnected, message).with_meta(Some(&error)).retry_after(HELD_WAIT)
            }
            MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => {
                Self::new(Code::MetaError, meta_sentence(&error)).with_meta(Some(&error))
            }
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::new(Code::AccountNotFound, "There is no such account any more."),
            ChangeError::TokenRefused(reason) => Self::invalid_at(
                "/access_token",
                format!("is not taken by Meta: {}", reason.trim_end_matches('.')),
            ),
            ChangeError::Store(error) => crate::api::accounts::change::or_taken(error, Some("name")),
        }
    }
}

impl From<NumberError> for ApiError {
    fn from(error: NumberError) -> Self {
        match error {
            NumberError::Upstream(error) => error.into(),
            NumberError::Store(error) => error.into(),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => {
                Self::new(Code::MessageNotFound, "There is no message of a customer with this id.")
            }
            ReadError::Account(error) => error.into(),
            ReadError::Upstream(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NotFound => Self::new(Code::MessageNotFound, "There is no message with this id."),
            ActError::NotPossible(status) => {
                let message = format!(
                    "The message is {status}: only an unknown one, not sent again before, can be resolved."
                );
                Self::new(Code::NotResolvable, message).with("status", status.as_str())
            }
            ActError::Send(error) => error.into(),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NoSuchAccount { index, account } => {
                Self::invalid_at(&format!("/accounts/{index}"), format!("there is no account `{account}`"))
            }
            KeyError::OtherKind { index, is_sandbox, .. } => {
                let reason = if is_sandbox {
                    "is a sandbox account, which only test keys may use"
                } else {
                    "is no sandbox account, and a test key may use no other"
                };
                Self::invalid_at(&format!("/accounts/{index}"), reason)
            }
            KeyError::Past => Self::invalid_at("/expires_at", "must be in the future"),
            KeyError::Beyond(beyond) => {
                let lacking = match beyond {
                    PrivilegeEscalation::Kind => {
                        "test keys have to do with test keys only, and live keys with live ones".to_owned()
                    }
                    PrivilegeEscalation::Scope(scope) => format!("you lack the scope `{}`", scope.as_str()),
                    PrivilegeEscalation::Accounts => "you may not use all its accounts".to_owned(),
                    PrivilegeEscalation::Expiry => "it would live longer than yours".to_owned(),
                };
                Self::new(Code::Forbidden, format!("This key may do more than you: {lacking}."))
            }
            KeyError::NotFound => crate::api::access::api_keys::not_found(),
            KeyError::Over => Self::new(
                Code::NotRotatable,
                "This key was rotated before, or is over: rotate its successor, or make a new one.",
            ),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Self::new(Code::RateLimited, "Too many people log in at once. Try again in 1 s.")
                    .retry_after(1)
            }
            PasswordError::Failed => {
                Self::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.")
            }
        }
    }
}

fn forbidden(is_sandbox: bool, is_test_key: bool) -> &'static str {
    match (is_sandbox, is_test_key) {
        (true, false) => "This is a sandbox account: only a test key (`wp_test_…`) may use it.",
        (false, true) => "This is a live account: a test key (`wp_test_…`) may use sandbox accounts only.",
        (true, true) | (false, false) => "This API key may not use this account.",
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
    let message = format!("The message does not fit the template `{}`{first}.", template.name);
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

/// What Meta said, and what to do about it.
fn meta_sentence(error: &MetaError) -> String {
    let entry = error.entry();
    let title = error.title.as_deref().unwrap_or(entry.title);
    let said = match &error.details {
        Some(details) if details != title => format!("{title}: {details}"),
        Some(_) | None => title.to_owned(),
    };
    let said = said.trim_end_matches('.');
    format!("Meta refused (code {}): {said}. {}", error.code, entry.advice)
}

impl ApiError {
    fn with_meta(self, error: Option<&MetaError>) -> Self {
        match error {
            None => self,
            Some(error) => self.with("meta", meta_json(error)),
        }
    }
}

/// Meta's error as answers show it.
pub(crate) fn meta_json(error: &MetaError) -> Value {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    object([
        ("code", error.code.into()),
        ("subcode", error.subcode.map_or(Value::Null, Value::from)),
        ("title", error.title.as_deref().unwrap_or(error.entry().title).into()),
        ("details", text(&error.details)),
        ("fbtrace_id", text(&error.fbtrace_id)),
    ])
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_string().into())
}
