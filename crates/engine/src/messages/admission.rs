//! Admission of a message: the checks of a request, in their order, and the request for the decision.
//!
//! The order is: account, recipient, template, fallback template, files, context, then the rules of
//! [`domain::messages::admission`].

use std::sync::Arc;

use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::messages::admission::{AdmissionFallback, AdmissionRequest, AdmissionStage, Rejection};
use domain::messages::content::Content;
use domain::messages::retry;
use domain::meta_error::{MetaError, MetaErrorClass};
use domain::templates::{TemplateCategory, TemplateMessage};
use jiff::Timestamp;

use crate::access::caller::Caller;
use crate::media::MediaCheck;
use crate::messages::outcome::{MissingTemplate, SendError, TemplateRef};
use crate::messages::request::{RecipientAddress, SendRequest, SendTiming};
use crate::messages::retry_wait;
use crate::ports::{
    AccountRecord, MessageKey, Recipient, StoreError, StoreErrorKind, StoredTemplate, TemplateNames,
    UpstreamError,
};
use crate::templates::{TemplateError, lookup};
use crate::{Deps, accounts, contacts, media};

/// JSON pointer of the fallback template in a request.
pub(crate) const FALLBACK_POINTER: &str = "/fallback_template";

/// Results of the checks of a request that do not depend on the state of the recipient.
pub(crate) struct CheckedRequest {
    pub(crate) record: Arc<AccountRecord>,
    pub(crate) recipient: Recipient,
    pub(crate) categories: TemplateCategories,
    /// Wamid of the message that the message replies to.
    pub(crate) context_wamid: Option<String>,
}

/// Categories of the templates of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TemplateCategories {
    /// `true` if the message is a marketing template.
    pub(crate) is_marketing: bool,
    /// `true` if the fallback template is a marketing template.
    pub(crate) is_fallback_marketing: bool,
}

/// Makes the checks of a request that do not depend on the state of the recipient.
pub(crate) async fn check_request(
    deps: &Deps,
    caller: &Caller,
    request: &SendRequest,
) -> Result<CheckedRequest, SendError> {
    let record = choose_account(deps, caller, request.account.as_deref())?;
    ensure_can_send(deps, &record)?;
    let recipient = resolve_recipient(deps, caller, &request.to).await?;
    let target = TemplateTarget { record: &record, recipient: Some(&recipient) };
    let content_pointer = content_pointer(&request.content);
    let mut categories = TemplateCategories {
        is_marketing: check_template(deps, target, &request.content, "/template").await?,
        is_fallback_marketing: false,
    };
    if let Some(fallback) = &request.fallback {
        categories.is_fallback_marketing = check_template(deps, target, fallback, FALLBACK_POINTER).await?;
    }
    let retain_until = Some(request.media_needed_until(deps.now()));
    let check = MediaCheck { content: &request.content, pointer: &content_pointer, retain_until };
    media::check(deps, caller, check).await?;
    if let Some(fallback) = &request.fallback {
        let check = MediaCheck { content: fallback, pointer: FALLBACK_POINTER, retain_until };
        media::check(deps, caller, check).await?;
    }
    let context_wamid = resolve_context(deps, caller, request.context_wamid.as_deref()).await?;
    Ok(CheckedRequest { record, recipient, categories, context_wamid })
}

/// Returns the JSON pointer of the object that the type of a message names.
pub(crate) fn content_pointer(content: &Content) -> String {
    format!("/{}", content.kind().as_str())
}

/// Returns the account with this identifier or name, or the default account.
///
/// # Errors
/// `AccountNotFound`, `AccountForbidden`.
pub fn choose_account(
    deps: &Deps,
    caller: &Caller,
    id_or_name: Option<&str>,
) -> Result<Arc<AccountRecord>, SendError> {
    let directory = deps.directory.current();
    let found = match id_or_name {
        Some(id_or_name) => directory.account(caller.workspace(), id_or_name),
        None => directory.default_account(caller.workspace()),
    };
    let record = found.cloned().ok_or_else(|| SendError::AccountNotFound(id_or_name.map(str::to_owned)))?;
    let account = &record.account;
    if !caller.can_use_account(account) {
        return Err(SendError::AccountForbidden {
            is_sandbox: account.is_sandbox,
            is_test_key: caller.is_test(),
        });
    }
    Ok(record)
}

/// Checks that an account can send messages.
///
/// # Errors
/// `AccountSuspended`.
pub(crate) fn ensure_can_send(deps: &Deps, record: &AccountRecord) -> Result<(), SendError> {
    if accounts::is_suspended(deps, &record.account) {
        return Err(SendError::AccountSuspended { account: Box::new(record.account.clone()), error: None });
    }
    Ok(())
}

/// Returns the number or the business-scoped user ID of a recipient.
///
/// # Errors
/// `ContactNotFound`, `Store`.
pub(crate) async fn resolve_recipient(
    deps: &Deps,
    caller: &Caller,
    to: &RecipientAddress,
) -> Result<Recipient, SendError> {
    let id = match to {
        RecipientAddress::Phone(number) => return Ok(Recipient::Phone(number.clone())),
        RecipientAddress::User(user) => return Ok(Recipient::Bsuid(user.clone())),
        RecipientAddress::Contact(id) => *id,
    };
    // A contact that the caller must not read is not found: the response to a send contains the number.
    let contact = contacts::get_contact(deps, caller, id)
        .await?
        .and_then(contacts::ContactLookup::visible)
        .ok_or(SendError::ContactNotFound)?;
    let number = contact.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    let user = contact.user_id.as_deref().and_then(|user_id| Bsuid::parse(user_id).ok());
    number.map(Recipient::Phone).or(user.map(Recipient::Bsuid)).ok_or(SendError::ContactNotFound)
}

/// Returns the wamid of the message that a message replies to. The caller gives the wamid, or Waypost's ID.
///
/// # Errors
/// `ContextNotFound`, `Store`.
pub(crate) async fn resolve_context(
    deps: &Deps,
    caller: &Caller,
    given: Option<&str>,
) -> Result<Option<String>, SendError> {
    let Some(given) = given else { return Ok(None) };
    if given.starts_with("wamid.") {
        return Ok(Some(given.to_owned()));
    }
    let Ok(id) = given.parse() else { return Err(SendError::ContextNotFound) };
    let detail = deps.messages.get_message(caller.workspace(), &MessageKey::Id(id)).await?;
    // A message of an account that the caller must not read is not found: its wamid contains the number.
    let message =
        detail.map(|detail| detail.message).filter(|message| caller.can_see_account(deps, message.account));
    message.and_then(|message| message.wamid).map(Some).ok_or(SendError::ContextNotFound)
}

/// Account and recipient of a template message.
#[derive(Clone, Copy)]
pub(crate) struct TemplateTarget<'a> {
    pub(crate) record: &'a AccountRecord,
    /// Recipient, if the recipient is known.
    pub(crate) recipient: Option<&'a Recipient>,
}

/// Checks that the template of a message exists, can be sent and matches the parameters at the JSON pointer `base`.
/// Returns `true` if the message is a marketing template.
///
/// The stored definition of a template may be outdated: before a message is refused because of it, the template is
/// looked up at Meta. If Meta cannot be asked, the remembered template decides.
///
/// # Errors
/// Errors of templates, errors of Meta when Meta is asked for an unknown template, `Store`.
pub(crate) async fn check_template(
    deps: &Deps,
    target: TemplateTarget<'_>,
    content: &Content,
    base: &str,
) -> Result<bool, SendError> {
    let Some(message) = content.template() else { return Ok(false) };
    let record = target.record;
    let check = TemplateCheck { target, message, base };
    let TemplateMessage { name, language, .. } = check.message;
    let remembered = match lookup::get_template(deps, record, name, language).await? {
        Some(stored) => match check.decide(&stored) {
            Err(refusal) if is_refused_by_template(&refusal) => Some(refusal),
            decision => return decision,
        },
        None => None,
    };
    match lookup::look_up_template(deps, record, name, remembered.is_some()).await {
        Ok(()) => match lookup::get_template(deps, record, name, language).await? {
            Some(stored) => check.decide(&stored),
            None => {
                let TemplateNames { languages, names } =
                    lookup::list_alternatives(deps, record, name).await?;
                let template = check.reference();
                let missing = MissingTemplate { template, languages, similar_names: names };
                Err(SendError::TemplateNotFound(Box::new(missing)))
            }
        },
        Err(TemplateError::Store(error)) => Err(error.into()),
        Err(TemplateError::Upstream(error)) => Err(match (remembered, error) {
            (Some(refusal), _) => refusal,
            (None, UpstreamError::Refused(error)) => template_lookup_refused(deps, record, error).await,
            (None, UpstreamError::Throttled { retry_after }) => SendError::MetaRateLimited {
                retry_after: retry_after.unwrap_or(retry_wait::DEFAULT_WAIT).max(1),
                error: None,
            },
            (None, UpstreamError::Unreachable(_)) => SendError::MetaUnavailable(None),
        }),
    }
}

/// Template message to check.
struct TemplateCheck<'a> {
    target: TemplateTarget<'a>,
    message: TemplateMessage<'a>,
    /// JSON pointer of the template in the request.
    base: &'a str,
}

impl TemplateCheck<'_> {
    /// Decides with a definition of the template. Returns `true` if the message is a marketing template.
    fn decide(&self, stored: &StoredTemplate) -> Result<bool, SendError> {
        let definition = &stored.listed.template;
        let reference = || Box::new(self.reference());
        if !definition.status.is_sendable() {
            return Err(SendError::TemplateNotSendable {
                template: reference(),
                status: definition.status.clone(),
            });
        }
        if definition.category == TemplateCategory::Authentication
            && matches!(self.target.recipient, Some(Recipient::Bsuid(_)))
        {
            return Err(SendError::PhoneNumberRequired(reference()));
        }
        definition
            .bind(&self.message, self.base)
            .map_err(|mismatches| SendError::TemplateParameters { template: reference(), mismatches })?;
        Ok(definition.category == TemplateCategory::Marketing)
    }

    fn reference(&self) -> TemplateRef {
        TemplateRef {
            name: self.message.name.to_owned(),
            language: self.message.language.to_owned(),
            account: self.target.record.account.name.clone(),
        }
    }
}

/// Returns `true` if another definition of the template could change the decision.
fn is_refused_by_template(error: &SendError) -> bool {
    matches!(error, SendError::TemplateNotSendable { .. } | SendError::TemplateParameters { .. })
}

/// Returns the error of a message whose template Meta did not return. Most of these errors concern the account.
async fn template_lookup_refused(deps: &Deps, record: &AccountRecord, error: MetaError) -> SendError {
    match error.call_class() {
        MetaErrorClass::SuspendAccount => {
            if let Err(error) = accounts::suspend_sender(deps, record, &error).await {
                return error.into();
            }
            SendError::AccountSuspended {
                account: Box::new(record.account.clone()),
                error: Some(Box::new(error)),
            }
        }
        MetaErrorClass::ThrottleNumber
        | MetaErrorClass::ThrottlePair
        | MetaErrorClass::ThrottleSpam
        | MetaErrorClass::RetryLater => SendError::MetaRateLimited {
            retry_after: retry_wait::call_wait(&error),
            error: Some(Box::new(error)),
        },
        MetaErrorClass::Retry => SendError::MetaUnavailable(Some(Box::new(error))),
        MetaErrorClass::PauseTemplate
        | MetaErrorClass::OptOut
        | MetaErrorClass::LimitMarketing
        | MetaErrorClass::WindowClosed
        | MetaErrorClass::Permanent => SendError::Refused(Box::new(error)),
    }
}

/// Returns the content of a message as JSON text.
///
/// # Errors
/// `Store`, if the content cannot be written as JSON.
pub(crate) fn content_text(content: &Content) -> Result<Arc<str>, StoreError> {
    match serde_json::to_string(content.object()) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(StoreError::new(StoreErrorKind::Bug, "writing a message as JSON", error)),
    }
}

/// Returns the request for the decision about a message that is sent, or would be sent, at `now`.
pub(crate) fn admission_request(
    deps: &Deps,
    request: &SendRequest,
    categories: TemplateCategories,
    now: Timestamp,
) -> AdmissionRequest {
    let stage = match request.timing {
        SendTiming::Sync => AdmissionStage::Sync,
        SendTiming::Queue(_) | SendTiming::Batch { .. } => {
            AdmissionStage::Enqueue { max_queued: deps.settings.queue_per_account }
        }
    };
    let fallback = request.fallback.as_ref();
    AdmissionRequest {
        stage,
        leaves_at: request.timing.leaves_at(now),
        needs_window: request.content.needs_window(),
        is_marketing: categories.is_marketing,
        fallback: fallback.map(|_| AdmissionFallback { is_marketing: categories.is_fallback_marketing }),
    }
}

/// Returns the error of a send that was rejected at `now`.
pub(crate) fn rejected(rejection: Rejection, now: Timestamp) -> SendError {
    match rejection {
        Rejection::Pacing { slot_at } => {
            // From this time on, a synchronous send can wait for the slot.
            let retry_at = slot_at.saturating_sub(retry::SYNC_TIMEOUT).unwrap_or(now);
            SendError::Pacing { slot_at, retry_after: retry_wait::seconds_until(retry_at, now) }
        }
        Rejection::OutsideWindow(window) => SendError::OutsideWindow(window),
        Rejection::OptedOut => SendError::OptedOut,
        Rejection::MarketingLimited { until } => SendError::MarketingLimited { until },
        Rejection::QueueFull => SendError::QueueFull,
    }
}
