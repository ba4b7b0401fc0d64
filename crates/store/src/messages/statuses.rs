//! Statuses that Meta reports, in any order.
//!
//! **Invariant:** a status never moves back, so that the same reports in any order have the same result (I5).

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::messages::status_report::{Pricing, StatusReport};
use domain::meta_error::MetaError;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::contacts::resolve;
use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;
use crate::messages::timeline::{EarlierEntries, TimelineRow};
use crate::messages::{error_effects, outbound_state, pending_statuses, timeline, wamids};
use crate::payloads::PayloadSpan;
use crate::row::{Cells, json, micros, row};
use crate::scope::Scope;

row! {
    struct PendingRow {
        status: MessageStatus = parsed "status",
        occurred_at: Timestamp = at "occurred_at",
        received_at: Timestamp = at "received_at",
        error: Option<MetaError> = opt_json "error",
        pricing: Option<Pricing> = opt_json "pricing",
        payload: Option<i64> = get "payload_seq",
        start: Option<u32> = get "payload_start",
        length: Option<u32> = get "payload_length",
    }
}

/// Applies the statuses that were received before the wamid was known.
pub(crate) fn apply_pending(connection: &Connection, current: &OutboundState, wamid: &str) -> SqlResult<()> {
    let key = (current.workspace.as_bytes(), current.account.as_bytes(), wamid);
    let sql = format!(
        "select {} from pending_statuses where workspace_id = ?1 and account_id = ?2 and wamid = ?3",
        PendingRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(key)?;
    let mut reports = Vec::new();
    while let Some(row) = rows.next()? {
        let row = PendingRow::read(&mut Cells::new("pending_statuses", row))?;
        let report = StatusReport {
            wamid: wamid.to_owned(),
            status: row.status,
            at: row.occurred_at,
            reference: None,
            recipient: None,
            user_id: None,
            error: row.error,
            pricing: row.pricing,
        };
        let raw = row.payload.zip(row.start.zip(row.length));
        reports.push((
            report,
            row.received_at,
            raw.map(|(payload, (start, length))| (payload, start, length)),
        ));
    }
    if reports.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "delete from pending_statuses where workspace_id = ?1 and account_id = ?2 and wamid = ?3",
        )?
        .execute(key)?;
    for (report, received_at, raw) in reports {
        let earlier = EarlierEntries::of(connection, current.message)?;
        if !earlier.contains(&report) {
            let received = ReceivedReport { report: &report, at: received_at, raw };
            apply_to_message(connection, current.workspace, current.message, &received, &earlier)?;
        }
    }
    Ok(())
}

/// Result of applying a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeOutcome {
    Applied,
    Repeated,
    Early,
    /// The contact is erased: nothing is stored.
    Erased,
}

/// Applies a status: finds its message by wamid or by Waypost's reference, or stores the status until the wamid is
/// known.
pub(crate) fn apply_report(
    connection: &Connection,
    scope: Scope,
    report: &StatusReport,
    now: Timestamp,
    raw: &mut dyn FnMut() -> SqlResult<PayloadSpan>,
) -> SqlResult<ChangeOutcome> {
    let Scope { workspace, account } = scope;
    let owner: Option<([u8; 16], [u8; 16])> = connection
        .prepare_cached("select message_id, account_id from wamids where workspace_id = ?1 and wamid = ?2")?
        .query_row((workspace.as_bytes(), &report.wamid), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let message = match owner {
        Some((message, owner)) if owner == *account.as_bytes() => Some(MessageId::from_bytes(message)),
        Some(_) => None,
        None => find_by_reference(connection, scope, report)?,
    };
    if let Some(message) = message {
        let earlier = EarlierEntries::of(connection, message)?;
        if earlier.contains(report) {
            return Ok(ChangeOutcome::Repeated);
        }
        let received = ReceivedReport { report, at: now, raw: Some(raw()?) };
        return apply_to_message(connection, workspace, message, &received, &earlier);
    }
    if wamids::is_erased_wamid(connection, workspace, &report.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    let is_new = pending_statuses::insert_status(connection, scope, report, now, raw)?;
    Ok(if is_new { ChangeOutcome::Early } else { ChangeOutcome::Repeated })
}

/// Finds the message of Waypost's own reference, if it belongs to the account, and stores its wamid.
fn find_by_reference(
    connection: &Connection,
    scope: Scope,
    report: &StatusReport,
) -> SqlResult<Option<MessageId>> {
    let Some(reference) = report.reference else { return Ok(None) };
    let Some(current) = outbound_state::get_state(connection, scope.workspace, reference.message)? else {
        return Ok(None);
    };
    if current.account != scope.account {
        return Ok(None);
    }
    if !current.is_erased {
        wamids::insert_wamid(connection, &current, &report.wamid, reference.attempt)?;
    }
    Ok(Some(reference.message))
}

/// Status with its time of receipt and its payload.
pub(crate) struct ReceivedReport<'a> {
    pub(crate) report: &'a StatusReport,
    pub(crate) at: Timestamp,
    pub(crate) raw: Option<PayloadSpan>,
}

/// Applies a status to its message. `earlier` does not contain the status.
fn apply_to_message(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    received: &ReceivedReport<'_>,
    earlier: &EarlierEntries,
) -> SqlResult<ChangeOutcome> {
    let ReceivedReport { report, at: received_at, raw } = *received;
    let Some(mut current) = outbound_state::get_state(connection, workspace, message)? else {
        return Ok(ChangeOutcome::Repeated);
    };
    if current.is_erased {
        return Ok(ChangeOutcome::Erased);
    }
    // The first attempt with a reported status determines the wamid. Statuses of another attempt belong to a
    // duplicate.
    let is_duplicate = match &current.wamid {
        Some(wamid) if *wamid != report.wamid => earlier.has_report(wamid),
        Some(_) | None => false,
    };
    if !is_duplicate {
        let before = current.status;
        current.status = before.after(report.status);
        current.moved_from(connection, before)?;
        // The pricing of the most advanced status counts, so that the order of the reports does not matter.
        let pricing = report.pricing.as_ref().filter(|_| !earlier.has_pricing_after(report.status));
        let error = report.error.as_ref().filter(|_| current.status == MessageStatus::Failed);
        connection
            .prepare_cached(
                "update messages
                 set status = ?3, wamid = ?4, updated_at = ?5, pricing = coalesce(?6, pricing),
                     failure_code = case when ?3 <> 'failed' then null when ?7 is not null then 'meta_error'
                                    else failure_code end,
                     error = case when ?3 <> 'failed' then null else coalesce(?7, error) end
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute(params![
                workspace.as_bytes(),
                message.as_bytes(),
                current.status.as_str(),
                report.wamid,
                micros(received_at),
                pricing.map(json).transpose()?,
                error.map(json).transpose()?,
            ])?;
    }
    timeline::insert_entry_after(
        connection,
        &current,
        earlier,
        &TimelineRow {
            status: report.status,
            at: report.at,
            received_at,
            is_report: true,
            wamid: Some(&report.wamid),
            is_duplicate,
            error: report.error.as_ref(),
            failure_code: None,
            pricing: report.pricing.as_ref(),
            raw,
            echo: None,
        },
    )?;
    // The number of the recipient is known, and may belong to another contact now.
    let wa_id = report.recipient.clone().filter(|wa_id| current.wa_id.as_ref() != Some(wa_id));
    if wa_id.is_some() || report.user_id.is_some() {
        let person = WhatsAppUser { wa_id, user_id: report.user_id.clone(), ..WhatsAppUser::default() };
        resolve::enrich_contact(
            connection,
            Scope { workspace, account: current.account },
            current.contact,
            &person,
            received_at,
        )?;
    }
    if let Some(error) = &report.error {
        error_effects::apply_error_effects(
            connection,
            &current,
            error,
            report.at.min(received_at),
            received_at,
        )?;
    }
    Ok(ChangeOutcome::Applied)
}
