//! Dry runs: all checks of a send, without storing or sending the message.

use std::sync::Arc;

use bytes::Bytes;
use domain::id::MessageId;
use domain::messages::admission::{AdmissionCheck, AdmissionCheckResult, AdmissionFacts, SentAs, assess};
use domain::messages::status_report::AttemptReference;
use domain::text_enum;

use crate::access::caller::Caller;
use crate::media::MediaCheck;
use crate::messages::admission::{
    FALLBACK_POINTER, TemplateCategories, TemplateTarget, admission_request, check_template, choose_account,
    content_pointer, content_text, ensure_can_send, rejected, resolve_context, resolve_recipient,
};
use crate::messages::outcome::SendError;
use crate::messages::request::SendRequest;
use crate::ports::{AccountRecord, OutgoingMessage, Recipient, StoreError};
use crate::{Deps, media};

text_enum! {
    /// Name of a check of a dry run.
    pub enum DryRunCheckName {
        /// The account exists, the API key may use the account, and the account can send messages.
        Account = "account",
        /// The recipient is known, if the request names a contact.
        Recipient = "recipient",
        /// The template exists, can be sent, and its parameters match.
        Template = "template",
        /// The same for the fallback template.
        FallbackTemplate = "fallback_template",
        /// The files of the message exist and are supported.
        Media = "media",
        /// The message that the message replies to is known to Meta.
        Context = "context",
        /// The next send slot is early enough for a synchronous send.
        Pacing = "pacing",
        /// The customer service window is open, or the message has a fallback template.
        Window = "window",
        /// The recipient may get marketing messages.
        OptOut = "opt_out",
        /// The queue of the account has capacity.
        Queue = "queue",
    }
}

impl From<AdmissionCheck> for DryRunCheckName {
    fn from(check: AdmissionCheck) -> Self {
        match check {
            AdmissionCheck::Pacing => Self::Pacing,
            AdmissionCheck::Window => Self::Window,
            AdmissionCheck::OptOut => Self::OptOut,
            AdmissionCheck::Queue => Self::Queue,
        }
    }
}

/// Check of a dry run.
#[derive(Debug)]
pub struct DryRunCheck {
    /// Name of the check.
    pub name: DryRunCheckName,
    /// Error that a send would return; `None` if the check succeeded.
    pub error: Option<SendError>,
}

/// Result of a dry run.
#[derive(Debug)]
pub struct DryRun {
    /// All checks, in the order of a send.
    pub checks: Vec<DryRunCheck>,
    /// Body of the request to Meta; `None` if the recipient is not known.
    pub request: Option<Bytes>,
}

impl DryRun {
    /// Returns `true` if a send would be accepted.
    pub fn would_send(&self) -> bool {
        self.checks.iter().all(|check| check.error.is_none())
    }
}

/// Makes all checks of a send, in the order of a send, and neither stores nor sends the message.
///
/// # Errors
/// The store cannot be read.
pub async fn dry_run(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<DryRun, StoreError> {
    let mut checks = Checks::default();
    let checked = check_request(deps, caller, request, &mut checks).await?;
    let mut sent_as = None;
    if let (Some(record), Some(recipient)) = (&checked.record, &checked.recipient) {
        let now = deps.now();
        let account = record.account.id;
        let facts = AdmissionFacts {
            next_slot_at: Some(deps.pacer.next_slot(account, recipient, now)),
            ..deps.messages.get_admission_facts(caller.workspace(), account, recipient).await?
        };
        let admission = admission_request(deps, request, checked.categories, now);
        let assessment = assess(&facts, &admission, now);
        sent_as = assessment.sent_as;
        for AdmissionCheckResult { check, result } in assessment.checks {
            checks.add(check.into(), result.map_err(|rejection| rejected(rejection, now)))?;
        }
    }
    let body = checked.body(deps, request, sent_as)?;
    Ok(DryRun { checks: checks.0, request: body })
}

/// Results of the checks that do not depend on the state of the recipient, as far as the checks succeeded.
struct PartlyChecked {
    record: Option<Arc<AccountRecord>>,
    recipient: Option<Recipient>,
    categories: TemplateCategories,
    context_wamid: Option<String>,
}

/// Makes the checks of [`admission::check_request`](crate::messages::admission::check_request), all of them.
async fn check_request(
    deps: &Deps,
    caller: &Caller,
    request: &SendRequest,
    checks: &mut Checks,
) -> Result<PartlyChecked, StoreError> {
    let record =
        checks.add(DryRunCheckName::Account, choose_account(deps, caller, request.account.as_deref()))?;
    if let Some(record) = &record {
        checks.amend(ensure_can_send(deps, record));
    }
    let recipient =
        checks.add(DryRunCheckName::Recipient, resolve_recipient(deps, caller, &request.to).await)?;
    let mut categories = TemplateCategories::default();
    if let Some(record) = &record {
        let target = TemplateTarget { record, recipient: recipient.as_ref() };
        if request.content.template().is_some() {
            let result = check_template(deps, target, &request.content, "/template").await;
            categories.is_marketing = checks.add(DryRunCheckName::Template, result)?.unwrap_or_default();
        }
        if let Some(fallback) = &request.fallback {
            let result = check_template(deps, target, fallback, FALLBACK_POINTER).await;
            let is_marketing = checks.add(DryRunCheckName::FallbackTemplate, result)?;
            categories.is_fallback_marketing = is_marketing.unwrap_or_default();
        }
    }
    let pointer = content_pointer(&request.content);
    let fallback = request.fallback.as_ref().map(|fallback| (fallback, FALLBACK_POINTER));
    for (content, pointer) in std::iter::once((&request.content, &*pointer)).chain(fallback) {
        if !content.media_refs().is_empty() {
            let check = MediaCheck { content, pointer, retain_until: None };
            let result = media::check(deps, caller, check).await.map_err(SendError::from);
            checks.add(DryRunCheckName::Media, result)?;
        }
    }
    let mut context_wamid = None;
    if request.context_wamid.is_some() {
        let result = resolve_context(deps, caller, request.context_wamid.as_deref()).await;
        context_wamid = checks.add(DryRunCheckName::Context, result)?.flatten();
    }
    Ok(PartlyChecked { record, recipient, categories, context_wamid })
}

impl PartlyChecked {
    /// Returns the body of the request to Meta; `None` if the recipient is not known.
    fn body(
        &self,
        deps: &Deps,
        request: &SendRequest,
        sent_as: Option<SentAs>,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(recipient) = &self.recipient else { return Ok(None) };
        let fallback = request.fallback.as_ref().filter(|_| sent_as == Some(SentAs::Template));
        let content = fallback.unwrap_or(&request.content);
        let reference =
            AttemptReference { message: deps.new_id(MessageId::from_parts), attempt: 1 }.to_string();
        Ok(Some(deps.upstream.message_body(&OutgoingMessage {
            recipient,
            kind: content.kind().as_str(),
            content: &content_text(content)?,
            // A fallback template replies to no message.
            context_wamid: self.context_wamid.as_deref().filter(|_| fallback.is_none()),
            recipient_identity_key_hash: request.recipient_identity_key_hash.as_deref(),
            reference: &reference,
        })))
    }
}

/// Results of the checks.
#[derive(Default)]
struct Checks(Vec<DryRunCheck>);

impl Checks {
    /// Adds the result of a check. Returns the value of a successful check.
    fn add<T>(
        &mut self,
        name: DryRunCheckName,
        result: Result<T, SendError>,
    ) -> Result<Option<T>, StoreError> {
        let (value, error) = match result {
            Ok(value) => (Some(value), None),
            Err(SendError::Store(error)) => return Err(error),
            Err(error) => (None, Some(error)),
        };
        self.0.push(DryRunCheck { name, error });
        Ok(value)
    }

    /// Adds an error to the last check, which succeeded.
    fn amend(&mut self, result: Result<(), SendError>) {
        if let Some(last) = self.0.last_mut() {
            last.error = result.err();
        }
    }
}
