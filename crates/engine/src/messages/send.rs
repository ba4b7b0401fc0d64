//! Sending: everything that can be wrong is found before Meta sees the message.
//!
//! The order is that of http-api.md section 2: account, template, window, opt-out, then the durable record, then the
//! call. From the record on the send runs in a task of its own; a caller that goes away changes nothing.

use std::sync::Arc;

use domain::accounts::account::{Account, AccountStatus};
use domain::check::Violation;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, MessageId};
use domain::messages::admission::{SentAs, check_sync_slot};
use domain::messages::content::Content;
use domain::messages::window::Window;
use domain::meta_error::MetaError;
use domain::templates::{TemplateCategory, TemplateMismatch, TemplateStatus};
use jiff::{SignedDuration, Timestamp};

use crate::access::caller::Caller;
use crate::access::rate_limits;
use crate::messages::admission;
use crate::messages::admission::TemplateCategories;
use crate::messages::attempt;
use crate::messages::attempt::{Delivery, Render};
use crate::messages::retry_wait;
use crate::ports::{
    AccountRecord, IdempotencyRecord, MessageKey, NewIdempotencyRecord, NewMessage, OnUnknown, Recipient,
    SendSchedule, StoreError, UpstreamError,
};
use crate::templates;
use crate::templates::TemplateError;
use crate::{Deps, accounts, contacts, media};

/// A message that somebody wants sent; its shape is checked.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// Whom it goes to.
    pub to: RecipientAddress,
    /// What it says.
    pub content: Content,
    /// Id or name of the account; `None` is the default.
    pub account: Option<String>,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// Meta's identity check.
    pub recipient_identity_key_hash: Option<String>,
    /// When it shall leave.
    pub when: When,
    /// How long it may wait, from when it shall leave.
    pub valid_for: Option<SignedDuration>,
    /// The template to send instead, should the window be closed.
    pub fallback: Option<Content>,
    /// What to do when the outcome is not known.
    pub on_unknown: OnUnknown,
}

/// When a message shall leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Now, while the caller waits for Meta's answer.
    #[default]
    Sync,
    /// From the queue, not before this time.
    Queue(Option<Timestamp>),
    /// As the n-th of a batch, from 0: from the queue, at the key's pace, not before this time.
    Batch(u32, Option<Timestamp>),
}

impl When {
    /// When it shall leave, for somebody who asks at `now`.
    pub(crate) fn leaves_at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Sync | Self::Queue(None) | Self::Batch(_, None) => now,
            Self::Queue(Some(at)) | Self::Batch(_, Some(at)) => at.max(now),
        }
    }
}

/// A caller's key for repeated requests.
pub struct Idempotency {
    /// The key, as the caller wrote it.
    pub key: String,
    /// SHA-256 of the request: path and body.
    pub digest: [u8; 32],
    /// Writes an end out as the answer that is kept.
    pub render: Render,
}

/// How long a caller's key for repeated requests is kept.
const IDEMPOTENCY_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Whom a message goes to, as the caller says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAddress {
    /// A phone number.
    Phone(PhoneNumber),
    /// A business-scoped user id.
    User(Bsuid),
    /// A contact of ours.
    Contact(ContactId),
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Our id.
    pub id: MessageId,
    /// How far it got.
    pub progress: Progress,
    /// Whom it went to.
    pub recipient: Recipient,
    /// Through which account.
    pub account: AccountId,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// Whether the message itself went out, or its fallback.
    pub sent_as: SentAs,
}

/// How far a message got while its caller waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Meta took it.
    Sent {
        /// Meta's id.
        wamid: String,
    },
    /// The outcome is not known.
    Unknown,
    /// It waits in the queue.
    Queued,
}

/// Why a message was not sent. Each of these means: it was certainly not.
#[derive(Debug)]
pub enum SendError {
    /// No such account, or no default one.
    AccountNotFound(Option<String>),
    /// The key may not use this account.
    AccountForbidden {
        /// Whether the account is a sandbox account.
        is_sandbox: bool,
        /// Whether the key is for sandbox accounts.
        is_test_key: bool,
    },
    /// The account sends nothing until someone acts.
    AccountHeld {
        /// The account.
        account: Box<Account>,
        /// Meta's refusal, if this very message met it.
        error: Option<Box<MetaError>>,
    },
    /// No such contact.
    ContactNotFound,
    /// The message that this one answers is not one that Meta knows.
    ContextNotFound,
    /// Meta sends authentication templates to phone numbers only (131062).
    PhoneNumberRequired(Box<TemplateRef>),
    /// There is no such template.
    TemplateNotFound(Box<TemplateRef>),
    /// The template may not be sent in this state.
    TemplateNotSendable {
        /// Which.
        template: Box<TemplateRef>,
        /// Its state.
        status: TemplateStatus,
    },
    /// The parameters do not fit the template.
    TemplateParameters {
        /// Which.
        template: Box<TemplateRef>,
        /// What does not fit.
        mismatches: Vec<TemplateMismatch>,
    },
    /// Files of the message are not here, do not fit, or cannot be fetched.
    Media(Vec<Violation>),
    /// The customer has not written in the last 24 hours.
    OutsideWindow(Window),
    /// The person takes no marketing.
    OptedOut,
    /// Meta limits marketing messages to the recipient (error 131049).
    MarketingLimited {
        /// End of the limitation.
        until: Timestamp,
    },
    /// The wait for a turn would be too long.
    Pacing {
        /// When the turn would come.
        slot_at: Timestamp,
        /// Seconds after which a sync send would wait for it.
        retry_after: u32,
    },
    /// The account's queue is full.
    QueueFull,
    /// The caller's key was used before.
    IdempotencyKeyUsed(Box<IdempotencyRecord>),
    /// Meta refused for good.
    Refused(Box<MetaError>),
    /// Meta wants less.
    MetaRateLimited {
        /// Seconds to wait.
        retry_after: u32,
        /// What Meta said, if it said it in its own form.
        error: Option<Box<MetaError>>,
    },
    /// Meta cannot be reached, or has a bad moment.
    MetaUnavailable(Option<Box<MetaError>>),
    /// The store failed.
    Store(StoreError),
}

/// Which template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// Its language code.
    pub language: String,
    /// The name of the account.
    pub account: String,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Accepts a message; sends it and waits for Meta's answer, unless it goes to the queue.
///
/// # Errors
/// Every [`SendError`] means that the message was certainly not sent.
pub async fn send(
    deps: &Arc<Deps>,
    caller: &Caller,
    request: SendRequest,
    idempotency: Option<Idempotency>,
) -> Result<Sent, SendError> {
    let Checked { record, recipient, categories } = check(deps, caller, &request).await?;
    let context_wamid = context(deps, caller, request.context_wamid.as_deref()).await?;
    let now = deps.now();
    if request.when == When::Sync {
        let slot_at = deps.pacer.next_slot(record.account.id, &recipient, now);
        check_sync_slot(slot_at, now).map_err(|rejection| admission::rejected(rejection, now))?;
    }
    let admission = admission::admission_request(deps, &request, categories, now);
    let leaves_at = admission.leaves_at;
    let schedule = match request.when {
        When::Sync => SendSchedule::Immediate,
        When::Queue(_) => SendSchedule::Queued { due_at: leaves_at, order_at: leaves_at },
        When::Batch(n, _) => {
            // Items are accepted side by side; to one contact they leave in the order of the batch.
            let order_at =
                leaves_at.saturating_add(SignedDuration::from_micros(n.into())).unwrap_or(leaves_at);
            SendSchedule::Queued { due_at: rate_limits::reserve(deps, caller).max(leaves_at), order_at }
        }
    };
    let id = deps.new_id(MessageId::from_parts);
    let mut new = NewMessage {
        id,
        workspace: caller.workspace(),
        account: record.account.id,
        key: caller.key_id(),
        recipient,
        contact: deps.new_id(ContactId::from_parts),
        kind: request.content.kind().as_str(),
        content: content_text(&request.content)?,
        admission,
        context_wamid,
        recipient_identity_key_hash: request.recipient_identity_key_hash,
        client_reference: request.client_reference,
        fallback: request.fallback.as_ref().map(content_text).transpose()?,
        on_unknown: request.on_unknown,
        schedule,
        expires_at: request.valid_for.and_then(|span| leaves_at.saturating_add(span).ok()),
        idempotency: None,
        worker: deps.worker,
        token: deps.new_token(),
        now,
    };
    let render = idempotency.map(|idempotency| {
        let Idempotency { key, digest, render } = idempotency;
        // What goes to the queue is answered the same whatever becomes of it: its answer is known now.
        let answer = match new.schedule {
            SendSchedule::Queued { .. } => render(&Ok(attempt::queued(&new))),
            SendSchedule::Immediate | SendSchedule::Paced => None,
        };
        let expires_at = now.saturating_add(IDEMPOTENCY_FOR).unwrap_or(Timestamp::MAX);
        new.idempotency =
            Some(NewIdempotencyRecord { owner: caller.owner(), key, digest, expires_at, answer });
        render
    });
    attempt::start(deps, Delivery { new, record, render }).await
}

pub(crate) fn content_text(content: &Content) -> Result<Arc<str>, SendError> {
    let text = serde_json::to_string(content.object()).map_err(|error| {
        StoreError::new(crate::ports::StoreErrorKind::Bug, "writing a message as JSON", error)
    })?;
    Ok(text.into())
}

/// What the checks before the record found.
struct Checked {
    record: Arc<AccountRecord>,
    recipient: Recipient,
    categories: TemplateCategories,
}

async fn check(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<Checked, SendError> {
    let record = choose_account(deps, caller, request.account.as_deref())?;
    may_leave(deps, &record)?;
    let recipient = resolve(deps, caller, &request.to).await?;
    let is_marketing =
        check_template(deps, (&record, Some(&recipient)), &request.content, "/template").await?;
    let is_fallback_marketing = match &request.fallback {
        None => false,
        Some(fallback) => {
            check_template(deps, (&record, Some(&recipient)), fallback, "/fallback_template").await?
        }
    };
    let base = format!("/{}", request.content.kind().as_str());
    media::check(deps, caller, (&request.content, &base), Some(request)).await?;
    if let Some(fallback) = &request.fallback {
        media::check(deps, caller, (fallback, "/fallback_template"), Some(request)).await?;
    }
    Ok(Checked { record, recipient, categories: TemplateCategories { is_marketing, is_fallback_marketing } })
}

/// The account that a call means: by id or name, else the default one.
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

pub(crate) fn may_leave(deps: &Deps, record: &AccountRecord) -> Result<(), SendError> {
    match record.account.status {
        AccountStatus::Connected if !accounts::is_suspended_here(deps, record.account.id) => Ok(()),
        AccountStatus::Connected | AccountStatus::Suspended | AccountStatus::Disconnected => {
            Err(SendError::AccountHeld { account: Box::new(record.account.clone()), error: None })
        }
    }
}

pub(crate) async fn resolve(
    deps: &Deps,
    caller: &Caller,
    to: &RecipientAddress,
) -> Result<Recipient, SendError> {
    let id = match to {
        RecipientAddress::Phone(number) => return Ok(Recipient::Phone(number.clone())),
        RecipientAddress::User(user) => return Ok(Recipient::Bsuid(user.clone())),
        RecipientAddress::Contact(id) => *id,
    };
    // One that the caller may not see is not there: the answer would tell the number.
    let contact = contacts::get_contact(deps, caller, id)
        .await?
        .and_then(contacts::ContactLookup::visible)
        .ok_or(SendError::ContactNotFound)?;
    let person = WhatsAppUser { wa_id: contact.wa_id, user_id: contact.user_id, ..WhatsAppUser::default() };
    let number = person.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    let user = person.user_id.as_deref().and_then(|user_id| Bsuid::parse(user_id).ok());
    number.map(Recipient::Phone).or(user.map(Recipient::Bsuid)).ok_or(SendError::ContactNotFound)
}

/// Meta's id of the message that is answered: given as such, or by our id.
///
/// # Errors
/// `ContextNotFound` when it is neither.
pub(crate) async fn context(
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
    // Nor is another account's message here: Meta's id of it holds the number.
    let message =
        detail.map(|detail| detail.message).filter(|message| caller.can_see_account(deps, message.account));
    message.and_then(|message| message.wamid).map(Some).ok_or(SendError::ContextNotFound)
}

/// Finds the template of a template message, whose object stands at `base`, and checks that the message fits it.
/// Returns whether it is marketing.
pub(crate) async fn check_template(
    deps: &Deps,
    (record, recipient): (&AccountRecord, Option<&Recipient>),
    content: &Content,
    base: &str,
) -> Result<bool, SendError> {
    let Some(message) = content.template() else { return Ok(false) };
    let reference = || {
        Box::new(TemplateRef {
            name: message.name.to_owned(),
            language: message.language.to_owned(),
            account: record.account.name.clone(),
        })
    };
    let found = templates::resolve_template(deps, record, message.name, message.language).await;
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Err(SendError::TemplateNotFound(reference())),
        Err(TemplateError::Store(error)) => return Err(error.into()),
        Err(TemplateError::Upstream(UpstreamError::Refused(error))) => {
            return Err(refused_look_up(deps, record, error).await);
        }
        Err(TemplateError::Upstream(UpstreamError::Unreachable(_))) => {
            return Err(SendError::MetaUnavailable(None));
        }
    };
    let definition = &found.listed.template;
    if !definition.status.is_sendable() {
        return Err(SendError::TemplateNotSendable {
            template: reference(),
            status: definition.status.clone(),
        });
    }
    if definition.category == TemplateCategory::Authentication
        && matches!(recipient, Some(Recipient::Bsuid(_)))
    {
        return Err(SendError::PhoneNumberRequired(reference()));
    }
    definition
        .bind(&message, base)
        .map_err(|mismatches| SendError::TemplateParameters { template: reference(), mismatches })?;
    Ok(definition.category == TemplateCategory::Marketing)
}

/// What a refused look-up means for the message: nothing was sent, and most refusals concern the account.
async fn refused_look_up(deps: &Deps, record: &AccountRecord, error: MetaError) -> SendError {
    use domain::meta_error::MetaErrorClass;
    match error.class() {
        MetaErrorClass::SuspendAccount => {
            if let Err(error) = accounts::suspend_sender(deps, record, &error).await {
                return error.into();
            }
            SendError::AccountHeld { account: Box::new(record.account.clone()), error: Some(Box::new(error)) }
        }
        MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottlePair => SendError::MetaRateLimited {
            retry_after: retry_wait::wait_after(&error),
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
