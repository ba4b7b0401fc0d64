//! Sending: everything that can be wrong is found before Meta sees the message.
//!
//! The order is that of http-api.md section 2: account, template, window, opt-out, then the durable record, then the
//! call. From the record on the send runs in a task of its own; a caller that goes away changes nothing.

use std::sync::Arc;

use domain::account::{Account, AccountStatus};
use domain::content::Content;
use domain::id::{AccountId, ContactId, MessageId};
use domain::inbound::Person;
use domain::message::Reference;
use domain::meta_error::MetaError;
use domain::phone::{PhoneNumber, UserId};
use domain::template::{Mismatch, TemplateCategory, TemplateStatus};
use domain::window::Window;
use jiff::Timestamp;

use crate::account::line;
use crate::deliver::{self, Delivery, Ended};
use crate::key::Caller;
use crate::ports::{
    AccountRecord, NewMessage, OutgoingMessage, Recipient, StoreError, StoredTemplate, UpstreamError,
};
use crate::template::{self, TemplateError};
use crate::{Deps, account};

/// A message that somebody wants sent; its shape is checked.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// Whom it goes to.
    pub to: Addressee,
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
}

/// Whom a message goes to, as the caller says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// A phone number.
    Phone(PhoneNumber),
    /// A business-scoped user id.
    User(UserId),
    /// A contact of ours.
    Contact(ContactId),
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Our id.
    pub id: MessageId,
    /// Meta's id; `None` while the outcome is not known.
    pub wamid: Option<String>,
    /// Whom it went to.
    pub recipient: Recipient,
    /// Through which account.
    pub account: AccountId,
    /// The caller's own reference.
    pub client_reference: Option<String>,
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
        mismatches: Vec<Mismatch>,
    },
    /// The customer has not written in the last 24 hours.
    OutsideWindow(Window),
    /// The person takes no marketing.
    OptedOut,
    /// The person takes no marketing before this time.
    Resting(Timestamp),
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

/// Sends a message, and waits for Meta's answer.
///
/// # Errors
/// Every [`SendError`] means that the message was certainly not sent.
pub async fn send(deps: &Arc<Deps>, caller: &Caller, request: SendRequest) -> Result<Sent, SendError> {
    let checked = check(deps, caller, &request).await?;
    let Checked { record, recipient, is_marketing } = checked;
    let now = deps.now();
    let id = deps.new_id(MessageId::from_parts);
    let token = deps.new_token();
    let kind = request.content.kind().as_str();
    let content = content_text(&request.content)?;
    let reference = Reference { message: id, attempt: 1 }.to_string();
    let body = deps.upstream.body(&OutgoingMessage {
        recipient: &recipient,
        kind,
        content: &content,
        context_wamid: request.context_wamid.as_deref(),
        recipient_identity_key_hash: request.recipient_identity_key_hash.as_deref(),
        reference: &reference,
    });
    let new = NewMessage {
        id,
        workspace: caller.workspace(),
        account: record.account.id,
        key: Some(caller.key.id),
        recipient: recipient.clone(),
        contact: deps.new_id(ContactId::from_parts),
        kind,
        content,
        needs_window: request.content.needs_window(),
        is_marketing,
        context_wamid: request.context_wamid,
        recipient_identity_key_hash: request.recipient_identity_key_hash,
        client_reference: request.client_reference.clone(),
        worker: deps.worker,
        token,
        now,
    };
    let ended = deliver::start(deps, Delivery { new, line: line(&record), body }).await;
    let wamid = match ended {
        Ended::Sent(accepted) => Some(accepted.wamid),
        Ended::Unknown => None,
        Ended::NotAccepted(error) => return Err(error),
        Ended::RateLimited { retry_after, error } => {
            return Err(SendError::MetaRateLimited { retry_after, error: error.map(Box::new) });
        }
        Ended::Unavailable(error) => return Err(SendError::MetaUnavailable(error.map(Box::new))),
        Ended::Held(error) => {
            return Err(SendError::AccountHeld {
                account: Box::new(record.account.clone()),
                error: Some(Box::new(error)),
            });
        }
        Ended::Refused(error) => return Err(SendError::Refused(Box::new(error))),
    };
    Ok(Sent { id, wamid, recipient, account: record.account.id, client_reference: request.client_reference })
}

fn content_text(content: &Content) -> Result<Arc<str>, SendError> {
    let text = serde_json::to_string(content.object()).map_err(|error| {
        StoreError::new(crate::ports::StoreErrorKind::Bug, "writing a message as JSON", error)
    })?;
    Ok(text.into())
}

/// What the checks before the record found.
struct Checked {
    record: Arc<AccountRecord>,
    recipient: Recipient,
    is_marketing: bool,
}

async fn check(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<Checked, SendError> {
    let record = choose_account(deps, caller, request.account.as_deref())?;
    let recipient = resolve(deps, caller, &request.to).await?;
    may_leave(&record)?;
    let template = check_template(deps, &record, &request.content).await?;
    let is_marketing =
        template.is_some_and(|template| template.listed.template.category == TemplateCategory::Marketing);
    Ok(Checked { record, recipient, is_marketing })
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
    if !caller.key.may_use(account.id, account.is_sandbox) {
        return Err(SendError::AccountForbidden {
            is_sandbox: account.is_sandbox,
            is_test_key: caller.key.is_test,
        });
    }
    Ok(record)
}

fn may_leave(record: &AccountRecord) -> Result<(), SendError> {
    match record.account.status {
        AccountStatus::Connected => Ok(()),
        AccountStatus::Held | AccountStatus::Disconnected => {
            Err(SendError::AccountHeld { account: Box::new(record.account.clone()), error: None })
        }
    }
}

async fn resolve(deps: &Deps, caller: &Caller, to: &Addressee) -> Result<Recipient, SendError> {
    let id = match to {
        Addressee::Phone(number) => return Ok(Recipient::Phone(number.clone())),
        Addressee::User(user) => return Ok(Recipient::User(user.clone())),
        Addressee::Contact(id) => *id,
    };
    let contact = deps.messages.contact(caller.workspace(), id).await?.ok_or(SendError::ContactNotFound)?;
    let person = Person { wa_id: contact.wa_id, user_id: contact.user_id, name: None };
    let number = person.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    let user = person.user_id.as_deref().and_then(|user_id| UserId::parse(user_id).ok());
    number.map(Recipient::Phone).or(user.map(Recipient::User)).ok_or(SendError::ContactNotFound)
}

/// Finds the template of a template message and checks that the message fits it.
async fn check_template(
    deps: &Deps,
    record: &AccountRecord,
    content: &Content,
) -> Result<Option<Arc<StoredTemplate>>, SendError> {
    let Some(message) = content.template() else { return Ok(None) };
    let reference = || {
        Box::new(TemplateRef {
            name: message.name.to_owned(),
            language: message.language.to_owned(),
            account: record.account.name.clone(),
        })
    };
    let found = template::find(deps, record, message.name, message.language).await;
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
    definition
        .bind(&message, "/template")
        .map_err(|mismatches| SendError::TemplateParameters { template: reference(), mismatches })?;
    Ok(Some(found))
}

/// What a refused look-up means for the message: nothing was sent, and most refusals concern the account.
async fn refused_look_up(deps: &Deps, record: &AccountRecord, error: MetaError) -> SendError {
    use domain::meta_error::Class;
    match error.class() {
        Class::HoldAccount => {
            if let Err(error) = account::hold(deps, &record.account, &error).await {
                return error.into();
            }
            SendError::AccountHeld { account: Box::new(record.account.clone()), error: Some(Box::new(error)) }
        }
        Class::SlowNumber | Class::SlowPair => SendError::MetaRateLimited {
            retry_after: deliver::wait_after(&error),
            error: Some(Box::new(error)),
        },
        Class::Retry => SendError::MetaUnavailable(Some(Box::new(error))),
        Class::PauseTemplate | Class::Suppress | Class::Rest | Class::WindowClosed | Class::Permanent => {
            SendError::Refused(Box::new(error))
        }
    }
}

/// One thing that a rehearsal looked at.
#[derive(Debug)]
pub struct Rehearsed {
    /// What: `account`, `recipient`, `template`, `window`, `opt_out`.
    pub name: &'static str,
    /// `None`: all is well.
    pub error: Option<SendError>,
}

/// What would happen to a message.
#[derive(Debug)]
pub struct Rehearsal {
    /// Everything that was looked at.
    pub checks: Vec<Rehearsed>,
    /// The body that Meta would get; `None` when it is not known whom it would go to.
    pub request: Option<bytes::Bytes>,
}

impl Rehearsal {
    /// Whether the message would be sent.
    pub fn would_send(&self) -> bool {
        self.checks.iter().all(|check| check.error.is_none())
    }
}

/// Does everything that a send does, except storing and sending. Every check runs, whatever the others found.
///
/// # Errors
/// When the store cannot be read.
pub async fn rehearse(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<Rehearsal, StoreError> {
    let mut checks = Vec::new();
    let mut note = |name, end: Result<(), SendError>| -> Result<(), StoreError> {
        match end {
            Err(SendError::Store(error)) => Err(error),
            Ok(()) => {
                checks.push(Rehearsed { name, error: None });
                Ok(())
            }
            Err(error) => {
                checks.push(Rehearsed { name, error: Some(error) });
                Ok(())
            }
        }
    };
    let mut record = None;
    note(
        "account",
        choose_account(deps, caller, request.account.as_deref()).and_then(|found| {
            let end = may_leave(&found);
            record = Some(found);
            end
        }),
    )?;
    let mut recipient = None;
    note("recipient", resolve(deps, caller, &request.to).await.map(|found| recipient = Some(found)))?;
    let mut is_marketing = false;
    if let Some(record) = record.as_ref().filter(|_| request.content.template().is_some()) {
        let end = check_template(deps, record, &request.content).await.map(|found| {
            is_marketing =
                found.is_some_and(|found| found.listed.template.category == TemplateCategory::Marketing);
        });
        note("template", end)?;
    }
    if let (Some(record), Some(recipient)) = (&record, &recipient) {
        let known = deps.messages.look_up(caller.workspace(), record.account.id, recipient).await?;
        let now = deps.now();
        if request.content.needs_window() {
            let is_open = known.window.is_open(now);
            note("window", if is_open { Ok(()) } else { Err(SendError::OutsideWindow(known.window)) })?;
        }
        if is_marketing {
            let resting = known.resting_until.filter(|until| now < *until);
            note(
                "opt_out",
                match resting {
                    _ if known.has_opted_out => Err(SendError::OptedOut),
                    Some(until) => Err(SendError::Resting(until)),
                    None => Ok(()),
                },
            )?;
        }
    }
    let content = match content_text(&request.content) {
        Ok(content) => content,
        Err(SendError::Store(error)) => return Err(error),
        Err(_) => return Ok(Rehearsal { checks, request: None }),
    };
    let reference = Reference { message: deps.new_id(MessageId::from_parts), attempt: 1 }.to_string();
    let body = recipient.map(|recipient| {
        deps.upstream.body(&OutgoingMessage {
            recipient: &recipient,
            kind: request.content.kind().as_str(),
            content: &content,
            context_wamid: request.context_wamid.as_deref(),
            recipient_identity_key_hash: request.recipient_identity_key_hash.as_deref(),
            reference: &reference,
        })
    });
    Ok(Rehearsal { checks, request: body })
}
