//! Health of webhook endpoints: an endpoint that fails again and again is failing, and is disabled later.

use domain::events::{EventKind, WebhookData};
use domain::webhooks_out::delivery::{DISABLED_AFTER, DeliveryDecision, FAILING_AFTER_ATTEMPTS};
use engine::ports::{DeliveryAttemptResult, DeliveryLease};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::revisions;
use crate::row::{Cells, micros, row};
use crate::sqlite::execute::Execute as _;

/// Reason of a failure whose own reason may repeat the data of an erased contact.
const ERASED_REASON: &str = "the delivery of an event about an erased contact failed";

/// Updates the health of the endpoint after an attempt. `reason` is the reason of a failure; `None` if it must not be stored
/// because the event was erased.
pub(crate) fn update_endpoint_health(
    connection: &Connection,
    lease: &DeliveryLease,
    result: &DeliveryAttemptResult,
    reason: Option<&str>,
) -> SqlResult<()> {
    let key = (lease.workspace.as_bytes(), lease.webhook.as_bytes());
    if result.decision == DeliveryDecision::Succeeded {
        // The directory does not have the number of failures.
        connection
            .prepare_cached(
                "update webhook_endpoints set n_failures = 0, failing_since = null
                 where workspace_id = ?1 and id = ?2 and n_failures > 0 and status <> 'disabled'",
            )?
            .execute_any(key)?;
        let n_rows = connection
            .prepare_cached(
                "update webhook_endpoints set status = 'active', status_reason = null
                 where workspace_id = ?1 and id = ?2 and status = 'failing'",
            )?
            .execute(key)?;
        return if n_rows > 0 { revisions::increment(connection, "directory") } else { Ok(()) };
    }
    let Some(HealthRow { n_failures, failing_since }) = count_failure(connection, lease, result.now)? else {
        return Ok(());
    };
    if result.decision == DeliveryDecision::Gone {
        return disable_endpoint(connection, lease, "the endpoint returned 410 Gone", result.now);
    }
    let reason = reason.unwrap_or(ERASED_REASON);
    if result.now.duration_since(failing_since) >= DISABLED_AFTER {
        let reason = format!("the endpoint has failed for five days; last attempt: {reason}");
        return disable_endpoint(connection, lease, &reason, result.now);
    }
    if n_failures >= FAILING_AFTER_ATTEMPTS {
        let n_rows = connection
            .prepare_cached(
                "update webhook_endpoints set status = 'failing', status_reason = ?3
                 where workspace_id = ?1 and id = ?2 and (status <> 'failing' or status_reason is not ?3)",
            )?
            .execute((lease.workspace.as_bytes(), lease.webhook.as_bytes(), reason))?;
        if n_rows > 0 {
            revisions::increment(connection, "directory")?;
        }
    }
    Ok(())
}

row! {
    /// Failed attempts of an endpoint since the last success.
    struct HealthRow {
        n_failures: u32 = get "n_failures",
        failing_since: Timestamp = at "failing_since",
    }
}

/// Counts a failed attempt. Returns `None` if the endpoint is removed or disabled.
fn count_failure(
    connection: &Connection,
    lease: &DeliveryLease,
    now: Timestamp,
) -> SqlResult<Option<HealthRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "update webhook_endpoints set n_failures = n_failures + 1, failing_since = coalesce(failing_since, ?3)
         where workspace_id = ?1 and id = ?2 and removed_at is null and status <> 'disabled'
         returning {}",
        HealthRow::COLUMNS
    ))?;
    let mut rows = statement.query((lease.workspace.as_bytes(), lease.webhook.as_bytes(), micros(now)))?;
    rows.next()?.map(|row| HealthRow::read(&mut Cells::new("webhook_endpoints", row))).transpose()
}

/// Disables an endpoint and emits an event to the other endpoints. Its open deliveries become dead letters in steps.
fn disable_endpoint(
    connection: &Connection,
    lease: &DeliveryLease,
    reason: &str,
    now: Timestamp,
) -> SqlResult<()> {
    let name: String = connection
        .prepare_cached(
            "update webhook_endpoints set status = 'disabled', status_reason = ?3
             where workspace_id = ?1 and id = ?2 returning name",
        )?
        .query_row((lease.workspace.as_bytes(), lease.webhook.as_bytes(), reason), |row| row.get(0))?;
    let data = WebhookData { webhook_id: lease.webhook, name: &name, reason: Some(reason) };
    let about = About::workspace(lease.workspace, now);
    log::emit(connection, &about, EventKind::WebhookDisabled, &data)?;
    revisions::increment(connection, "directory")
}
