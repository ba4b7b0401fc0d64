//! Routes the changes of a webhook payload to accounts, and stores the payload in one transaction.
//!
//! **Invariant:** a change is applied only to an account whose own app secret signed the payload. All other changes are
//! archived and logged.

use std::sync::Arc;

use bytes::Bytes;
use domain::contacts::opt_out::OptOutSignal;
use domain::id::{AccountId, ContactId, MediaId, MessageId, WorkspaceId};
use domain::meta_error::MetaErrorClass;
use domain::webhooks_in::update::WebhookUpdate;
use jiff::Timestamp;

use crate::ports::{
    AccountRecord, ChangeRoute, IngestSummary, PayloadSignature, PreallocatedIds, ReportedAccountError,
    RoutedChange, StoreError, WebhookChange, WebhookPayload,
};
use crate::{AuditContext, Deps, accounts, chain, directory, templates};

/// A webhook payload whose signature is valid.
#[derive(Clone, Debug)]
pub struct VerifiedPayload<'a> {
    /// Request body as received.
    pub body: Bytes,
    /// Signature header as received.
    pub signature: Option<Bytes>,
    /// Accounts whose app secret verified the signature.
    pub signers: &'a [Arc<AccountRecord>],
}

/// Stores and applies a webhook payload.
///
/// # Errors
/// The store cannot be written. Meta sends the payload again.
pub async fn ingest_payload(
    deps: &Arc<Deps>,
    verified: VerifiedPayload<'_>,
    changes: Vec<WebhookChange>,
) -> Result<IngestSummary, StoreError> {
    let signature = PayloadSignature {
        header: verified.signature,
        signers: verified.signers.iter().map(|record| record.account.id).collect(),
    };
    let changes = route_changes(deps, changes, verified.signers);
    let text_changes = wabas_with_text_changes(&changes);
    let newest_event_at = changes.iter().filter_map(|routed| event_time(&routed.change.update)).max();
    let payload = WebhookPayload { body: verified.body, changes, signature, archived: None, now: deps.now() };
    let summary = deps.webhook_payloads.ingest_payload(payload).await?;
    deps.metrics.count_payload(&summary, newest_event_at);
    if summary.has_media {
        deps.media.hint.notify_one();
    }
    if summary.unrouted > 0 {
        tracing::warn!(
            n_changes = summary.unrouted,
            "a webhook names an account that is not configured; its changes were archived"
        );
    }
    if summary.undecodable > 0 {
        tracing::warn!(
            n_changes = summary.undecodable,
            "a webhook has changes that cannot be decoded; the changes were archived"
        );
    }
    follow_up(deps, &summary, text_changes).await;
    Ok(summary)
}

/// Returns Meta's time of the event.
fn event_time(update: &WebhookUpdate) -> Option<Timestamp> {
    match update {
        WebhookUpdate::Message(message) => Some(message.at),
        WebhookUpdate::Status(report) => Some(report.at),
        WebhookUpdate::Call(call) => Some(call.at),
        WebhookUpdate::MessageEcho(_)
        | WebhookUpdate::MarketingPreference(_)
        | WebhookUpdate::NumberChange(_)
        | WebhookUpdate::Account(_)
        | WebhookUpdate::Template(_)
        | WebhookUpdate::Other => None,
    }
}

/// Returns the opt-out or opt-in that a customer's message contains.
fn opt_out_signal(deps: &Deps, update: &WebhookUpdate) -> Option<OptOutSignal> {
    match update {
        WebhookUpdate::Message(message) => deps.settings.opt_out.signal(message.keyword_text()?),
        WebhookUpdate::Call(_)
        | WebhookUpdate::Status(_)
        | WebhookUpdate::MessageEcho(_)
        | WebhookUpdate::MarketingPreference(_)
        | WebhookUpdate::NumberChange(_)
        | WebhookUpdate::Account(_)
        | WebhookUpdate::Template(_)
        | WebhookUpdate::Other => None,
    }
}

/// Workspace and Meta's id of a WhatsApp Business Account.
type WabaKey = (WorkspaceId, String);

/// Finds the accounts that each change concerns. A change that concerns several workspaces is returned once for each.
pub(crate) fn route_changes(
    deps: &Deps,
    changes: Vec<WebhookChange>,
    signers: &[Arc<AccountRecord>],
) -> Vec<RoutedChange> {
    let mut routed = Vec::with_capacity(changes.len());
    for change in changes {
        let mut routes = routes(&change, signers);
        let last = routes.pop();
        let opt_out_signal = opt_out_signal(deps, &change.update);
        let ids = || PreallocatedIds {
            message: deps.new_id(MessageId::from_parts),
            contact: deps.new_id(ContactId::from_parts),
            media: deps.new_id(MediaId::from_parts),
        };
        for route in routes {
            let change = change.clone();
            routed.push(RoutedChange { change, route: Some(route), ids: ids(), opt_out_signal });
        }
        routed.push(RoutedChange { change, route: last, ids: ids(), opt_out_signal });
    }
    routed
}

/// Returns the account of the change's phone number. If the change names no number, returns one route for each workspace
/// that has an account of the change's WhatsApp Business Account.
fn routes(change: &WebhookChange, signers: &[Arc<AccountRecord>]) -> Vec<ChangeRoute> {
    let route_to = |record: &Arc<AccountRecord>, account: Option<AccountId>| ChangeRoute {
        workspace: record.account.workspace,
        waba_id: record.account.waba_id.clone(),
        account,
    };
    let mut routes: Vec<ChangeRoute> = Vec::new();
    if let Some(number) = &change.phone_number_id {
        let records = signers.iter().filter(|record| record.account.phone_number_id == *number);
        // A live account is verified at Meta; a sandbox account may have any number.
        let record = records.min_by_key(|record| record.account.is_sandbox);
        routes.extend(record.map(|record| route_to(record, Some(record.account.id))));
    } else if let Some(waba_id) = &change.waba_id {
        for record in signers.iter().filter(|record| record.account.waba_id == *waba_id) {
            if routes.iter().all(|route| route.workspace != record.account.workspace) {
                routes.push(route_to(record, None));
            }
        }
    }
    routes
}

/// Returns the WhatsApp Business Accounts for which a change carries new template text.
pub(crate) fn wabas_with_text_changes(changes: &[RoutedChange]) -> Vec<WabaKey> {
    let has_text = |routed: &&RoutedChange| matches!(&routed.change.update, WebhookUpdate::Template(update) if update.text.is_some());
    let mut wabas: Vec<WabaKey> = changes
        .iter()
        .filter(has_text)
        .filter_map(|routed| routed.route.as_ref())
        .map(|route| (route.workspace, route.waba_id.clone()))
        .collect();
    wabas.sort_unstable();
    wabas.dedup();
    wabas
}

/// Suspends or slows an account after Meta reported an error of the whole account for one of its messages.
async fn suspend_reported(deps: &Deps, reported: &ReportedAccountError) {
    if reported.error.class() == MetaErrorClass::ThrottleSpam {
        deps.pacer.record_spam(reported.account, deps.now());
        return;
    }
    let directory = deps.directory.current();
    let Some(record) = directory.account(reported.workspace, &reported.account.to_string()) else { return };
    if accounts::is_suspended(deps, &record.account) {
        return;
    }
    if let Err(error) = accounts::suspend_account(deps, &record.account, &reported.error).await {
        tracing::error!(error = %chain(&error), account.id = %reported.account,
            "an account that meta refuses could not be suspended");
    }
}

/// Does the work that follows the transaction of a payload: reloads accounts and templates, suspends accounts
/// that Meta refuses, synchronizes templates whose text changed.
pub(crate) async fn follow_up(deps: &Arc<Deps>, summary: &IngestSummary, text_changes: Vec<WabaKey>) {
    if (summary.has_template_changes || summary.has_account_changes)
        && let Err(error) = directory::refresh(deps).await
    {
        // The payload is committed. The next refresh loads the change.
        tracing::warn!(error = %chain(&error), "accounts and templates could not be reloaded");
    }
    for reported in &summary.account_errors {
        suspend_reported(deps, reported).await;
    }
    if !summary.has_template_text_changes {
        return;
    }
    // The webhook carries only the text; Meta's list has the whole template. The response to Meta does not wait for it.
    let syncing = deps.clone();
    deps.tasks.spawn(async move {
        for (workspace, waba_id) in text_changes {
            let directory = syncing.directory.current();
            let record = directory.accounts_of(workspace).find(|record| record.account.waba_id == waba_id);
            let Some(record) = record else { continue };
            if let Err(error) = templates::sync_templates(&syncing, &AuditContext::gateway(), record).await {
                tracing::warn!(error = %chain(&error), waba.id = waba_id,
                    "a template changed, but meta's list of templates could not be read");
            }
        }
    });
}
