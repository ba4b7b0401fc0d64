//! Webhook endpoints of the application: creation, changes, secrets, tests, replays.

use std::sync::Arc;

use domain::access::audit::AuditAction;
use domain::events::{EventExample, EventKind, EventSelection};
use domain::id::{AccountId, ContactId, DeliveryId, MessageId, ReplayId, TemplateId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::{WebhookOrdering, WebhookStatus};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::ports::{NewReplay, StoreError, WebhookEndpoint, WebhookSecretRotation};
use crate::webhooks_out::audit::{audit_entry, with_change, without_secrets};
use crate::webhooks_out::{deliver, secret};
use crate::{AuditContext, Deps, directory};

/// Maximum number of endpoints of a workspace.
pub const MAX_WEBHOOKS: u32 = 100;
/// Time for which requests are signed with a replaced secret as well.
pub const OLD_SECRET_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Options of an endpoint that a request can set.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// Display name.
    pub name: String,
    /// URL.
    pub url: String,
    /// Events that the endpoint gets.
    pub events: EventSelection,
    /// Accounts whose events the endpoint gets; empty is all accounts.
    pub accounts: Vec<AccountId>,
    /// Additional request headers: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Order of the deliveries.
    pub ordering: WebhookOrdering,
    /// `true` if the endpoint is enabled.
    pub is_enabled: bool,
}

/// Creates an endpoint with a new signing secret. Returns `None` if the workspace has [`MAX_WEBHOOKS`] endpoints already.
///
/// # Errors
/// The store cannot be written.
pub async fn create_webhook(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    options: EndpointOptions,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let now = deps.now();
    let record = WebhookEndpoint {
        id: deps.new_id(WebhookId::from_parts),
        workspace,
        name: options.name,
        url: options.url,
        events: options.events,
        accounts: options.accounts,
        headers: options.headers,
        secret: secret::generate(&*deps.random),
        old_secret: None,
        ordering: options.ordering,
        is_enabled: options.is_enabled,
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
            audit_entry(deps, audit, AuditAction::WebhookAdded, &record)
                .with("url", without_secrets(&record.url)),
        )
        .await?;
    directory::refresh(deps).await?;
    Ok(is_added.then_some(record))
}

/// Changes the options of an endpoint. `is_enabling` reactivates an endpoint that the gateway disabled. Returns `None` if
/// the endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn update_webhook(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    options: EndpointOptions,
    is_enabling: bool,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let reactivates = is_enabling && record.status == WebhookStatus::Disabled;
    let updated = WebhookEndpoint {
        name: options.name,
        url: options.url,
        events: options.events,
        accounts: options.accounts,
        headers: options.headers,
        ordering: options.ordering,
        is_enabled: options.is_enabled,
        updated_at: deps.now(),
        ..record.clone()
    };
    let entry = audit_entry(deps, audit, AuditAction::WebhookChanged, &updated);
    let entry = with_change(entry, record, &updated);
    let is_updated = deps.webhook_endpoints.update_webhook_endpoint(&updated, reactivates, entry).await?;
    reload(deps, record, is_updated).await
}

/// Replaces the signing secret of an endpoint. Requests are signed with both secrets for [`OLD_SECRET_LIFETIME`]. Returns
/// `None` if the endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn rotate_webhook_secret(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let rotation = WebhookSecretRotation {
        workspace: record.workspace,
        webhook: record.id,
        secret: secret::generate(&*deps.random),
        old_secret_until: deps.now().saturating_add(OLD_SECRET_LIFETIME).unwrap_or(Timestamp::MAX),
    };
    let entry = audit_entry(deps, audit, AuditAction::WebhookSecretRotated, record);
    let is_updated = deps.webhook_endpoints.rotate_webhook_secret(rotation, entry).await?;
    reload(deps, record, is_updated).await
}

/// Returns the endpoint from the refreshed directory; `None` if the change did not find it.
async fn reload(
    deps: &Deps,
    record: &WebhookEndpoint,
    is_updated: bool,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    directory::refresh(deps).await?;
    let record = deps.directory.current().webhook(record.workspace, record.id).cloned();
    Ok(record.filter(|_| is_updated).map(|record| WebhookEndpoint::clone(&record)))
}

/// Deletes an endpoint. Returns `false` if the endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn delete_webhook(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
) -> Result<bool, StoreError> {
    let entry = audit_entry(deps, audit, AuditAction::WebhookRemoved, record);
    let is_deleted =
        deps.webhook_endpoints.delete_webhook_endpoint(record.workspace, record.id, entry).await?;
    directory::refresh(deps).await?;
    Ok(is_deleted)
}

/// Requests a replay of the events since a time. Returns the id of the replay, and the number of events that it reads.
///
/// # Errors
/// The store cannot be written.
pub async fn replay_webhook(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    since: Timestamp,
) -> Result<(ReplayId, u64), StoreError> {
    let id = deps.new_id(ReplayId::from_parts);
    let replay = NewReplay { id, workspace: record.workspace, webhook: record.id, since };
    let entry = audit_entry(deps, audit, AuditAction::WebhookReplayed, record);
    Ok((id, deps.deliveries.insert_replay(replay, entry).await?))
}

/// Repeats one delivery. Returns `None` if the delivery, its event or its endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn redeliver_delivery(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    delivery: DeliveryId,
) -> Result<Option<DeliveryId>, StoreError> {
    let Some(position) = delivery.position(record.workspace) else { return Ok(None) };
    let replay = deps.new_id(ReplayId::from_parts);
    let entry = audit_entry(deps, audit, AuditAction::DeliveryRepeated, record)
        .with("delivery_id", delivery.to_string());
    deps.deliveries.insert_redelivery(record.workspace, position, replay, entry).await
}

/// Skips an open delivery, so that the next delivery of its queue is due. Returns `false` if the delivery is not open.
///
/// # Errors
/// The store cannot be written.
pub async fn skip_delivery(
    deps: &Deps,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    delivery: DeliveryId,
) -> Result<bool, StoreError> {
    let Some(position) = delivery.position(record.workspace) else { return Ok(false) };
    let entry = audit_entry(deps, audit, AuditAction::DeliverySkipped, record)
        .with("delivery_id", delivery.to_string());
    deps.deliveries.finish_skipped_delivery(record.workspace, position, entry).await
}

/// Delivers an example of an event to an endpoint, once, and waits for the result. The endpoint need not have subscribed
/// to the kind. Returns the position of the delivery in the workspace; `None` if the endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn test_webhook(
    deps: &Arc<Deps>,
    audit: &AuditContext,
    record: &WebhookEndpoint,
    kind: EventKind,
) -> Result<Option<i64>, StoreError> {
    let entry = audit_entry(deps, audit, AuditAction::WebhookTested, record).with("event", kind.as_str());
    deliver::deliver_test_event(deps, record, example(deps, record, kind), entry).await
}

/// Returns an example of an event for an endpoint. The account exists, if the workspace has one that the endpoint covers;
/// the message, the contact and the template do not exist.
fn example(deps: &Deps, record: &WebhookEndpoint, kind: EventKind) -> EventExample {
    let directory = deps.directory.current();
    let covers = |id: AccountId| record.accounts.is_empty() || record.accounts.contains(&id);
    let account = directory
        .accounts_of(record.workspace)
        .map(|record| &record.account)
        .find(|account| covers(account.id));
    EventExample {
        kind,
        at: deps.now(),
        account: account.map_or_else(|| deps.new_id(AccountId::from_parts), |account| account.id),
        account_name: account.map_or_else(|| "main".to_owned(), |account| account.name.clone()),
        waba_id: account.map_or_else(|| "102290129340398".to_owned(), |account| account.waba_id.clone()),
        message: deps.new_id(MessageId::from_parts),
        contact: deps.new_id(ContactId::from_parts),
        template: deps.new_id(TemplateId::from_parts),
        webhook: record.id,
        webhook_name: record.name.clone(),
    }
}
