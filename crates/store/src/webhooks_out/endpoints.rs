//! Webhook endpoints.

use std::sync::Arc;

use domain::access::audit::AuditEntry;
use domain::events::EventSelection;
use domain::id::{AccountId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::{WebhookOrdering, WebhookStatus};
use engine::ports::{EventFilter, WebhookEndpoint, WebhookSecretRotation};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};

use crate::access::audit;
use crate::error::{SqlError, SqlResult};
use crate::events::log;
use crate::revisions;
use crate::row::{Cells, SelectRow as _, json, micros, row};
use crate::seal::Sealer;
use crate::sqlite::execute::Execute as _;

/// Returns the context to which a secret of an endpoint is sealed.
fn seal_context(id: WebhookId, column: &str) -> String {
    format!("webhook_endpoints/{id}/{column}")
}

row! {
    struct EndpointRow {
        id: WebhookId = id "id",
        workspace: WorkspaceId = id "workspace_id",
        name: String = get "name",
        url: String = get "url",
        accounts: Vec<AccountId> = parsed_list "accounts",
        headers: Option<Vec<u8>> = get "headers",
        secret: Option<Vec<u8>> = get "secret",
        old_secret: Option<Vec<u8>> = get "old_secret",
        old_secret_until: Option<Timestamp> = opt_at "old_secret_until",
        ordering: WebhookOrdering = parsed "ordering",
        is_enabled: bool = flag "is_enabled",
        status: WebhookStatus = parsed "status",
        status_reason: Option<String> = get "status_reason",
        created_at: Timestamp = at "created_at",
        updated_at: Timestamp = at "updated_at",
        events: Vec<String> = json "events",
    }
}

/// Lists the endpoints of all workspaces, with their secrets.
pub(crate) fn all_endpoints(
    connection: &Connection,
    sealer: &Sealer,
) -> SqlResult<Vec<Arc<WebhookEndpoint>>> {
    let sql = format!(
        "select {} from webhook_endpoints where removed_at is null order by seq",
        EndpointRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(())?;
    let mut webhooks = Vec::new();
    while let Some(row) = rows.next()? {
        webhooks.push(Arc::new(read(&mut Cells::new("webhook_endpoints", row), sealer)?));
    }
    Ok(webhooks)
}

fn read(cells: &mut Cells<'_>, sealer: &Sealer) -> SqlResult<WebhookEndpoint> {
    let row = EndpointRow::read(cells)?;
    let open = |column, sealed: Option<Vec<u8>>| -> SqlResult<Option<SecretString>> {
        Ok(sealed.map(|sealed| sealer.open(&seal_context(row.id, column), &sealed)).transpose()?)
    };
    let headers = match open("headers", row.headers)? {
        None => Vec::new(),
        Some(headers) => {
            let headers: Vec<(String, String)> = serde_json::from_str(headers.expose_secret())
                .map_err(|_| cells.corrupt("headers that are not valid JSON".to_owned()))?;
            headers.into_iter().map(|(name, value)| (name, value.into())).collect()
        }
    };
    Ok(WebhookEndpoint {
        id: row.id,
        workspace: row.workspace,
        name: row.name,
        url: row.url,
        events: EventSelection::from_stored(row.events),
        accounts: row.accounts,
        headers,
        secret: open("secret", row.secret)?.unwrap_or_default(),
        old_secret: open("old_secret", row.old_secret)?.zip(row.old_secret_until),
        ordering: row.ordering,
        is_enabled: row.is_enabled,
        status: row.status,
        status_reason: row.status_reason,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Columns that a user sets.
struct SettingColumns {
    events: String,
    accounts: String,
    headers: Option<Vec<u8>>,
}

impl SettingColumns {
    fn from_endpoint(webhook: &WebhookEndpoint, sealer: &Sealer) -> SqlResult<Self> {
        let accounts: Vec<_> = webhook.accounts.iter().map(AccountId::to_string).collect();
        let headers: Vec<_> =
            webhook.headers.iter().map(|(name, value)| (name, value.expose_secret())).collect();
        let headers = if headers.is_empty() {
            None
        } else {
            Some(sealer.seal(&seal_context(webhook.id, "headers"), &SecretString::from(json(&headers)?))?)
        };
        Ok(Self { events: json(&webhook.events.patterns())?, accounts: json(&accounts)?, headers })
    }
}

pub(crate) fn insert_endpoint(
    connection: &Connection,
    sealer: &Sealer,
    new: &WebhookEndpoint,
    limit: u32,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let n_webhooks: u32 = connection
        .prepare_cached(
            "select count(*) from webhook_endpoints where workspace_id = ?1 and removed_at is null",
        )?
        .query_row([new.workspace.as_bytes()], |row| row.get(0))?;
    if n_webhooks >= limit {
        return Ok(false);
    }
    let columns = SettingColumns::from_endpoint(new, sealer)?;
    connection
        .prepare_cached(
            "insert into webhook_endpoints (
                 id, workspace_id, name, url, events, accounts, headers, secret, is_enabled, status, after_seq,
                 created_at, updated_at, ordering)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'active', ?10, ?11, ?11, ?12)",
        )?
        .execute_one(params![
            new.id.as_bytes(),
            new.workspace.as_bytes(),
            new.name,
            new.url,
            columns.events,
            columns.accounts,
            columns.headers,
            sealer.seal(&seal_context(new.id, "secret"), &new.secret)?,
            new.is_enabled,
            log::last_position(connection, new.workspace)?,
            micros(new.created_at),
            new.ordering.as_str(),
        ])?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

/// Updates the columns that a user sets. The secrets are not among them.
pub(crate) fn update_endpoint(
    connection: &Connection,
    sealer: &Sealer,
    changed: &WebhookEndpoint,
    reactivates: bool,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let columns = SettingColumns::from_endpoint(changed, sealer)?;
    let n_rows = connection
        .prepare_cached(
            "update webhook_endpoints
             set name = ?3, url = ?4, events = ?5, accounts = ?6, headers = ?7, is_enabled = ?8, updated_at = ?9, ordering = ?11,
                 status = case when ?10 then 'active' else status end,
                 status_reason = case when ?10 then null else status_reason end,
                 n_failures = case when ?10 then 0 else n_failures end,
                 failing_since = case when ?10 then null else failing_since end
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute(params![
            changed.workspace.as_bytes(),
            changed.id.as_bytes(),
            changed.name,
            changed.url,
            columns.events,
            columns.accounts,
            columns.headers,
            changed.is_enabled,
            micros(changed.updated_at),
            reactivates,
            changed.ordering.as_str(),
        ])?;
    if n_rows == 0 {
        return Ok(false);
    }
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

/// Replaces the secret of an endpoint. Returns `false` if the endpoint does not exist.
pub(crate) fn rotate_secret(
    connection: &Connection,
    sealer: &Sealer,
    rotation: &WebhookSecretRotation,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let WebhookSecretRotation { workspace, webhook: id, secret, old_secret_until } = rotation;
    let (workspace, id) = (*workspace, *id);
    let sealed: Option<Option<Vec<u8>>> = connection
        .prepare_cached(
            "select secret from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), id.as_bytes()), |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else { return Ok(false) };
    // A sealed value is bound to its column, so the secret is sealed again for the other column.
    let old = match sealed {
        Some(sealed) => {
            let old = sealer.open(&seal_context(id, "secret"), &sealed)?;
            Some(sealer.seal(&seal_context(id, "old_secret"), &old)?)
        }
        None => None,
    };
    connection
        .prepare_cached(
            "update webhook_endpoints set secret = ?3, old_secret = ?4, old_secret_until = ?5, updated_at = ?6
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one(params![
            workspace.as_bytes(),
            id.as_bytes(),
            sealer.seal(&seal_context(id, "secret"), secret)?,
            old,
            micros(*old_secret_until),
            micros(entry.at),
        ])?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

/// Deletes an endpoint: its secrets at once, its deliveries in steps.
pub(crate) fn delete_endpoint(
    connection: &Connection,
    workspace: WorkspaceId,
    id: WebhookId,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update webhook_endpoints
             set removed_at = ?3, updated_at = ?3, is_enabled = 0, secret = null, old_secret = null, headers = null
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((workspace.as_bytes(), id.as_bytes(), micros(entry.at)))?;
    if n_rows == 0 {
        return Ok(false);
    }
    audit::insert_entry(connection, entry)?;
    connection.prepare_cached("delete from replays where webhook_id = ?1")?.execute_any([id.as_bytes()])?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

/// Filter of an endpoint.
pub(crate) struct EndpointFilter {
    pub(crate) id: WebhookId,
    /// Position of the last event before the endpoint was created.
    pub(crate) after: i64,
    pub(crate) filter: EventFilter,
}

row! {
    struct FilterRow {
        id: WebhookId = id "id",
        after: i64 = get "after_seq",
        events: Vec<String> = json "events",
        accounts: Vec<AccountId> = parsed_list "accounts",
    } from "webhook_endpoints
        where workspace_id = ?1 and removed_at is null and status <> 'disabled' order by seq"
}

/// Lists the endpoints that receive events. Deliveries to an endpoint that a user has switched off are still written;
/// an endpoint that was disabled by failures receives none.
pub(crate) fn list_filters(
    connection: &Connection,
    workspace: WorkspaceId,
) -> SqlResult<Vec<EndpointFilter>> {
    let mut endpoints = Vec::new();
    for row in FilterRow::list(connection, [workspace.as_bytes()])? {
        // The patterns are read once for a batch of events, not for each event.
        let kinds = Some(EventSelection::from_stored(row.events).kinds());
        let accounts = if row.accounts.is_empty() {
            None
        } else {
            Some(with_waba_ids(connection, workspace, &row.accounts)?)
        };
        let filter = EventFilter { kinds, accounts, includes_workspace_events: false };
        endpoints.push(EndpointFilter { id: row.id, after: row.after, filter });
    }
    Ok(endpoints)
}

/// Returns the accounts with their WhatsApp Business Accounts.
fn with_waba_ids(
    connection: &Connection,
    workspace: WorkspaceId,
    accounts: &[AccountId],
) -> SqlResult<Vec<(AccountId, String)>> {
    let mut statement =
        connection.prepare_cached("select waba_id from accounts where workspace_id = ?1 and id = ?2")?;
    let mut found = Vec::new();
    for account in accounts {
        let mut rows = statement.query((workspace.as_bytes(), account.as_bytes()))?;
        let waba_id = rows.next()?.map(|row| row.get(0)).transpose()?;
        found.push((*account, waba_id.ok_or(SqlError::Bug("the account of an endpoint does not exist"))?));
    }
    Ok(found)
}
