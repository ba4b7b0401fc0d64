//! What would happen to a message: every check of a send, and nothing stored or sent.

use domain::id::MessageId;
use domain::messages::status_report::AttemptReference;

use crate::access::caller::Caller;
use crate::messages::send::{
    SendError, SendRequest, check_template, choose_account, content_text, context, may_leave, resolve,
};
use crate::ports::{OutgoingMessage, StoreError};
use crate::{Deps, media};

/// One thing that a rehearsal looked at.
#[derive(Debug)]
pub struct DryRunCheck {
    /// What: `account`, `recipient`, `template`, `fallback_template`, `window`, `opt_out`, `media`, `context`.
    pub name: &'static str,
    /// `None`: all is well.
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

/// Does everything that a send does, except storing and sending. Every check runs, whatever the others found.
///
/// # Errors
/// When the store cannot be read.
pub async fn dry_run(deps: &Deps, caller: &Caller, request: &SendRequest) -> Result<DryRun, StoreError> {
    let mut checks = Vec::new();
    let mut note = |name, end: Result<(), SendError>| -> Result<(), StoreError> {
        match end {
            Err(SendError::Store(error)) => Err(error),
            Ok(()) => {
                checks.push(DryRunCheck { name, error: None });
                Ok(())
            }
            Err(error) => {
                checks.push(DryRunCheck { name, error: Some(error) });
                Ok(())
            }
        }
    };
    let mut record = None;
    note(
        "account",
        choose_account(deps, caller, request.account.as_deref()).and_then(|found| {
            let end = may_leave(deps, &found);
            record = Some(found);
            end
        }),
    )?;
    let mut recipient = None;
    note("recipient", resolve(deps, caller, &request.to).await.map(|found| recipient = Some(found)))?;
    let mut is_marketing = false;
    if let Some(record) = record.as_ref().filter(|_| request.content.template().is_some()) {
        let end = check_template(deps, (record, recipient.as_ref()), &request.content, "/template").await;
        note("template", end.map(|found| is_marketing = found))?;
    }
    let mut is_fallback_marketing = false;
    if let Some((record, fallback)) = record.as_ref().zip(request.fallback.as_ref()) {
        let end = check_template(deps, (record, recipient.as_ref()), fallback, "/fallback_template").await;
        note("fallback_template", end.map(|found| is_fallback_marketing = found))?;
    }
    // The fallback that goes out instead.
    let mut instead = None;
    if let (Some(record), Some(recipient)) = (&record, &recipient) {
        let known =
            deps.messages.get_recipient_state(caller.workspace(), record.account.id, recipient).await?;
        let leaves_at = request.when.leaves_at(deps.now());
        if request.content.needs_window() {
            let is_open = known.window.is_open(leaves_at);
            instead = request.fallback.as_ref().filter(|_| !is_open);
            let may_go = is_open || instead.is_some();
            note("window", if may_go { Ok(()) } else { Err(SendError::OutsideWindow(known.window)) })?;
        }
        if if instead.is_some() { is_fallback_marketing } else { is_marketing } {
            let resting = known.marketing_limited_until.filter(|until| leaves_at < *until);
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
    let base = format!("/{}", request.content.kind().as_str());
    let fallback = request.fallback.as_ref().map(|fallback| (fallback, "/fallback_template"));
    let contents = std::iter::once((&request.content, &*base)).chain(fallback);
    for (content, base) in contents.filter(|(content, _)| !content.media_refs().is_empty()) {
        note("media", media::check(deps, caller, (content, base), None).await)?;
    }
    let mut context_wamid = None;
    if request.context_wamid.is_some() {
        let end = context(deps, caller, request.context_wamid.as_deref()).await;
        note("context", end.map(|found| context_wamid = found))?;
    }
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
