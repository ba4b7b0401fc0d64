//! What would happen to a message: every check of a send, and nothing stored or sent.

use domain::id::MessageId;
use domain::messages::admission::{AdmissionCheck, AdmissionCheckResult, AdmissionFacts, SentAs, assess};
use domain::messages::status_report::AttemptReference;
use domain::text_enum;

use crate::access::caller::Caller;
use crate::messages::admission::{TemplateCategories, admission_request, rejected};
use crate::messages::send::{
    SendError, SendRequest, check_template, choose_account, content_text, context, may_leave, resolve,
};
use crate::ports::{OutgoingMessage, StoreError};
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

/// What would happen to a message.
#[derive(Debug)]
pub struct DryRun {
    /// Everything that was looked at.
    pub checks: Vec<DryRunCheck>,
    /// The body that Meta would get; `None` when it is not known whom it would go to.
    pub request: Option<bytes::Bytes>,
}

impl DryRun {
    /// Whether the message would be sent.
    pub fn would_send(&self) -> bool {
        self.checks.iter().all(|check| check.error.is_none())
    }
}

/// Makes all checks of a send, in the order of a send, and neither stores nor sends the message.
///
/// # Errors
/// The store cannot be read.
pub async fn dry_run(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<DryRun, StoreError> {
    let now = deps.now();
    let mut checks = Checks::default();
    let record =
        checks.add(DryRunCheckName::Account, choose_account(deps, caller, request.account.as_deref()))?;
    if let Some(record) = &record {
        checks.amend(may_leave(deps, record));
    }
    let recipient = checks.add(DryRunCheckName::Recipient, resolve(deps, caller, &request.to).await)?;
    let mut categories = TemplateCategories::default();
    if let Some(record) = record.as_ref().filter(|_| request.content.template().is_some()) {
        let result = check_template(deps, (record, recipient.as_ref()), &request.content, "/template").await;
        categories.is_marketing = checks.add(DryRunCheckName::Template, result)?.unwrap_or_default();
    }
    if let Some((record, fallback)) = record.as_ref().zip(request.fallback.as_ref()) {
        let result = check_template(deps, (record, recipient.as_ref()), fallback, "/fallback_template").await;
        let is_marketing = checks.add(DryRunCheckName::FallbackTemplate, result)?;
        categories.is_fallback_marketing = is_marketing.unwrap_or_default();
    }
    let base = format!("/{}", request.content.kind().as_str());
    let fallback = request.fallback.as_ref().map(|fallback| (fallback, "/fallback_template"));
    let contents = std::iter::once((&request.content, &*base)).chain(fallback);
    for (content, base) in contents.filter(|(content, _)| !content.media_refs().is_empty()) {
        checks.add(DryRunCheckName::Media, media::check(deps, caller, (content, base), None).await)?;
    }
    let mut context_wamid = None;
    if request.context_wamid.is_some() {
        let result = context(deps, caller, request.context_wamid.as_deref()).await;
        context_wamid = checks.add(DryRunCheckName::Context, result)?.flatten();
    }
    let mut sent_as = None;
    if let (Some(record), Some(recipient)) = (&record, &recipient) {
        let account = record.account.id;
        let facts = AdmissionFacts {
            next_slot_at: Some(deps.pacer.next_slot(account, recipient, now)),
            ..deps.messages.get_admission_facts(caller.workspace(), account, recipient).await?
        };
        let admission = admission_request(deps, request, categories, now);
        let assessment = assess(&facts, &admission, now);
        sent_as = assessment.sent_as;
        for AdmissionCheckResult { check, result } in assessment.checks {
            checks.add(check.into(), result.map_err(|rejection| rejected(rejection, now)))?;
        }
    }
    let checks = checks.0;
    let instead = request.fallback.as_ref().filter(|_| sent_as == Some(SentAs::Template));
    let leaving = instead.unwrap_or(&request.content);
    let content = match content_text(leaving) {
        Ok(content) => content,
        Err(SendError::Store(error)) => return Err(error),
        Err(_) => return Ok(DryRun { checks, request: None }),
    };
    let reference = AttemptReference { message: deps.new_id(MessageId::from_parts), attempt: 1 }.to_string();
    let body = recipient.map(|recipient| {
        deps.upstream.message_body(&OutgoingMessage {
            recipient: &recipient,
            kind: leaving.kind().as_str(),
            content: &content,
            // A fallback answers nothing.
            context_wamid: context_wamid.as_deref().filter(|_| instead.is_none()),
            recipient_identity_key_hash: request.recipient_identity_key_hash.as_deref(),
            reference: &reference,
        })
    });
    Ok(DryRun { checks, request: body })
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
