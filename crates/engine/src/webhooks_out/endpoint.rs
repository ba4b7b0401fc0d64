//! The application's endpoints: made, changed, switched on again, given new secrets, asked to hear of the past.

use std::sync::Arc;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::events::EventKind;
use domain::id::{AccountId, DeliveryId, ReplayId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::WebhookStatus;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::ports::{NewReplay, StoreError, WebhookEndpoint};
use crate::webhooks_out::{deliver, secret};
use crate::{AuditContext, Deps, directory};

/// Endpoints that a workspace may have.
pub const MAX_WEBHOOKS: u32 = 100;
/// For how long the secret before signs as well.
pub const OLD_SECRET_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What somebody chooses of an endpoint.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it hears of; `None` is everything.
    pub events: Option<Vec<EventKind>>,
    /// The accounts of which it hears; empty means all.
    pub accounts: Vec<AccountId>,
    /// Headers of its own: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Whether it is switched on.
    pub is_enabled: bool,
}

/// Makes an endpoint; its secret is in it. `None`: there are [`MAX_WEBHOOKS`] already.
///
/// # Errors
/// When the store cannot be written.
pub async fn create(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    choice: Choice,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let now = deps.now();
    let record = WebhookEndpoint {
        id: deps.new_id(WebhookId::from_parts),
        workspace,
        name: choice.name,
        url: choice.url,
        events: choice.events,
        accounts: choice.accounts,
        headers: choice.headers,
        secret: secret::fresh(&*deps.random),
        old_secret: None,
        is_enabled: choice.is_enabled,
        status: WebhookStatus::Active,
        status_reason: None,
        created_at: now,
        updated_at: now,
    };
    let is_added = deps
        .webhook_endpoints
        .insert_webhook_endpoint(
            &record,
            MAX_WEBHOOKS,
            entry(deps, audit, AuditAction::WebhookAdded, &record),
        )
        .await?;
    directory::refresh(deps).await?;
    Ok(is_added.then_some(record))
}

/// Changes an endpoint to what was chosen. One that had failed for good and is switched on begins anew.
/// `None`: it is no longer there.
///
/// # Errors
/// When the store cannot be written.
pub async fn change(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    choice: Choice,
    switches_on: bool,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let revives = switches_on && record.status == WebhookStatus::Disabled;
    let changed = WebhookEndpoint {
        name: choice.name,
        url: choice.url,
        events: choice.events,
        accounts: choice.accounts,
        headers: choice.headers,
        is_enabled: choice.is_enabled,
        updated_at: deps.now(),
        ..record.clone()
    };
    let entry = entry(deps, audit, AuditAction::WebhookChanged, &changed);
    let is_there = deps.webhook_endpoints.update_webhook_endpoint(&changed, revives, entry).await?;
    as_it_is(deps, record, is_there).await
}

/// Gives an endpoint a new secret; the old one signs as well for a day. `None`: it is no longer there.
///
/// # Errors
/// When the store cannot be written.
pub async fn rotate(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let until = deps.now().saturating_add(OLD_SECRET_FOR).unwrap_or(Timestamp::MAX);
    let secret = secret::fresh(&*deps.random);
    let entry = entry(deps, audit, AuditAction::WebhookSecretRotated, record);
    let is_there = deps
        .webhook_endpoints
        .rotate_webhook_secret((record.workspace, record.id), &secret, until, entry)
        .await?;
    as_it_is(deps, record, is_there).await
}

/// An endpoint as the directory has it after a change: what became of it meanwhile is not ours to say.
async fn as_it_is(
    deps: &Deps,
    record: &WebhookEndpoint,
    is_there: bool,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    directory::refresh(deps).await?;
    let record = deps.directory.current().webhook(record.workspace, record.id).cloned();
    Ok(record.filter(|_| is_there).map(|record| WebhookEndpoint::clone(&record)))
}

/// Removes an endpoint. `false`: it is no longer there.
///
/// # Errors
/// When the store cannot be written.
pub async fn remove(deps: &Deps, audit: &AuditContext, record: &WebhookEndpoint) -> Result<bool, StoreError> {
    let entry = entry(deps, audit, AuditAction::WebhookRemoved, record);
    let is_removed =
        deps.webhook_endpoints.delete_webhook_endpoint(record.workspace, record.id, entry).await?;
    directory::refresh(deps).await?;
    Ok(is_removed)
}

/// Asks for the events since a time again. Returns the wish's id, and how many events are looked through.
///
/// # Errors
/// When the store cannot be written.
pub async fn replay(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    since: Timestamp,
) -> Result<(ReplayId, u64), StoreError> {
    let id = deps.new_id(ReplayId::from_parts);
    let replay = NewReplay { id, workspace: record.workspace, webhook: record.id, since, now: deps.now() };
    let entry = entry(deps, audit, AuditAction::WebhookReplayed, record);
    Ok((id, deps.deliveries.insert_replay(replay, entry).await?))
}

/// Repeats one delivery. `None`: it, its event or its endpoint is no longer there.
///
/// # Errors
/// When the store cannot be written.
pub async fn redeliver(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    delivery: DeliveryId,
) -> Result<Option<DeliveryId>, StoreError> {
    let Some(position) = delivery.position(record.workspace) else { return Ok(None) };
    let replay = deps.new_id(ReplayId::from_parts);
    let entry =
        entry(deps, audit, AuditAction::DeliveryRepeated, record).with("delivery_id", delivery.to_string());
    deps.deliveries.insert_redelivery(record.workspace, position, replay, entry).await
}

/// Tries an endpoint with a test event, and writes down how it went.
/// Returns the delivery's place in the list of the workspace; `None`: there is no such endpoint.
///
/// # Errors
/// When the store cannot be written.
pub async fn test(
    deps: &Arc<Deps>,
    audit: &AuditContext,
    record: &WebhookEndpoint,
) -> Result<Option<i64>, StoreError> {
    deliver::test(deps, record, entry(deps, audit, AuditAction::WebhookTested, record)).await
}

fn entry(deps: &Deps, audit: &AuditContext, action: AuditAction, record: &WebhookEndpoint) -> AuditEntry {
    let subject = AuditTarget::named(AuditTargetKind::Webhook, &record.id, record.name.as_str());
    audit.entry(deps, record.workspace, action, subject)
}
