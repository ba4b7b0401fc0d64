//! Ingestion of a webhook request: one transaction for the request, one savepoint for each change.

use domain::contacts::opt_out::OptOutReason;
use domain::id::ContactId;
use domain::messages::direction::Direction;
use domain::messages::inbound::InboundMessage;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::StatusReport;
use domain::meta_error::MetaErrorClass;
use domain::webhooks_in::update::{InboundCall, NumberChange, WebhookUpdate};
use engine::ports::{
    ChangeRoute, IngestSummary, MediaState, ReportedAccountError, RoutedChange, WebhookPayload,
};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::accounts::{account_updates, status};
use crate::contacts::opt_out::OptOutUpdate;
use crate::contacts::{number_changes, opt_out, preferences, renumber, resolve, service_windows};
use crate::error::{SqlError, SqlResult};
use crate::messages::message_events::IncomingMessage;
use crate::messages::statuses::ChangeOutcome;
use crate::messages::{message_events, messaging_limit, statuses, wamids};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;
use crate::sqlite::step_counts;
use crate::templates::updates;
use crate::webhooks_in::message_rows::ReportedMessage;
use crate::webhooks_in::webhook_archive::{ArchivedState, PayloadArchive};
use crate::webhooks_in::{message_echoes, message_rows};

pub(crate) fn insert_payload(connection: &Connection, payload: &WebhookPayload) -> SqlResult<IngestSummary> {
    let mut archive = PayloadArchive::new(connection, payload);
    let mut summary = IngestSummary::default();
    for change in &payload.changes {
        let (inserted_seq, n_steps) = (archive.seq, step_counts::n_recorded());
        connection.prepare_cached("savepoint change")?.execute_any(())?;
        match apply_change(&mut archive, change, &mut summary) {
            Ok(()) => {}
            // The store failed: nothing of the request is stored, and Meta sends the request again.
            Err(SqlError::Sqlite(error)) if connection.is_autocommit() => return Err(error.into()),
            Err(error) => {
                connection.prepare_cached("rollback to change")?.execute_any(())?;
                archive.seq = inserted_seq;
                step_counts::truncate(n_steps);
                match &error {
                    SqlError::Corrupt { .. }
                    | SqlError::Bug(_)
                    | SqlError::Conflict(_)
                    | SqlError::Seal(_) => {}
                    SqlError::Sqlite(cause) if is_constraint(cause) => {}
                    SqlError::Sqlite(_) => return Err(error),
                }
                tracing::error!(%error, field = change.change.field, "a change of a webhook could not be applied");
                archive.insert_change(change, ArchivedState::Undecodable, Some(&error.to_string()))?;
                summary.undecodable += 1;
            }
        }
        connection.prepare_cached("release change")?.execute_any(())?;
    }
    archive.delete_decoded()?;
    archive.redact_erased()?;
    Ok(summary)
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn apply_change(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    summary: &mut IngestSummary,
) -> SqlResult<()> {
    if archive.is_erased(change) {
        summary.duplicates += 1;
        return Ok(());
    }
    let undecodable = change.change.undecodable.as_deref();
    let Some(route) = &change.route else {
        let is_new = archive.insert_change(change, ArchivedState::Unrouted, undecodable)?;
        *(if is_new { &mut summary.unrouted } else { &mut summary.duplicates }) += 1;
        return Ok(());
    };
    if undecodable.is_some() {
        let is_new = archive.insert_change(change, ArchivedState::Undecodable, undecodable)?;
        *(if is_new { &mut summary.undecodable } else { &mut summary.duplicates }) += 1;
        return Ok(());
    }
    match apply_update(archive, change, route, summary)? {
        ChangeOutcome::Applied => summary.applied += 1,
        ChangeOutcome::Repeated => summary.duplicates += 1,
        ChangeOutcome::Early => summary.pending_statuses += 1,
        ChangeOutcome::Erased => {
            archive.record_erased(change, route.workspace);
            summary.duplicates += 1;
        }
    }
    Ok(())
}

fn apply_update(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    route: &ChangeRoute,
    summary: &mut IngestSummary,
) -> SqlResult<ChangeOutcome> {
    let workspace = route.workspace;
    let scope = route.account.map(|account| Scope { workspace, account });
    match (&change.change.update, scope) {
        (WebhookUpdate::Message(message), Some(scope)) => {
            insert_inbound(archive, change, scope, message, summary)
        }
        (WebhookUpdate::Call(call), Some(scope)) => apply_call(archive, change, scope, call),
        (WebhookUpdate::Status(report), Some(scope)) => apply_report(archive, change, scope, report, summary),
        (WebhookUpdate::MessageEcho(echo), Some(scope)) => {
            message_echoes::insert_echo(archive, change, scope, echo, summary)
        }
        // The following changes have no ID and are identified by their bytes: a repeated change must not undo a later
        // change.
        (WebhookUpdate::MarketingPreference(preference), Some(scope)) => {
            apply_once(archive, change, |connection, now| {
                preferences::apply_preference(connection, scope, change.ids.contact, preference, now)
            })
        }
        (WebhookUpdate::NumberChange(number_change), Some(scope)) => {
            apply_once(archive, change, |connection, now| {
                renumber::apply_number_change(connection, scope, change.ids.contact, number_change, now)
                    .map(drop)
            })
        }
        (WebhookUpdate::Template(update), _) => apply_once(archive, change, |connection, now| {
            let has_changed = updates::apply_update(connection, route, update, change.change.time, now)?;
            summary.has_template_changes |= has_changed;
            summary.has_template_text_changes |= has_changed && update.text.is_some();
            Ok(())
        }),
        (WebhookUpdate::Account(update), _) => apply_once(archive, change, |connection, now| {
            summary.has_account_changes |=
                account_updates::apply(connection, route, &change.change, update, now)?;
            Ok(())
        }),
        (
            WebhookUpdate::Message(_)
            | WebhookUpdate::Call(_)
            | WebhookUpdate::Status(_)
            | WebhookUpdate::MessageEcho(_)
            | WebhookUpdate::MarketingPreference(_)
            | WebhookUpdate::NumberChange(_)
            | WebhookUpdate::Other,
            _,
        ) => {
            let is_new = archive.insert_change(change, ArchivedState::Other, None)?;
            Ok(if is_new { ChangeOutcome::Applied } else { ChangeOutcome::Repeated })
        }
    }
}

/// Applies a status. Adds its error to the summary if the error concerns the whole account at present.
fn apply_report(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    scope: Scope,
    report: &StatusReport,
    summary: &mut IngestSummary,
) -> SqlResult<ChangeOutcome> {
    let (connection, now) = (archive.connection, archive.payload.now);
    let Scope { workspace, account } = scope;
    let outcome =
        statuses::apply_report(connection, scope, report, now, &mut || archive.payload_span(change))?;
    if let Some(error) = &report.error
        && matches!(error.class(), MetaErrorClass::SuspendAccount | MetaErrorClass::ThrottleSpam)
        && matches!(outcome, ChangeOutcome::Applied | ChangeOutcome::Early)
        && status::is_present(connection, scope, report.at, now)?
        && summary.account_errors.iter().all(|reported| reported.account != account)
    {
        let error = error.clone();
        summary.account_errors.push(ReportedAccountError { workspace, account, error });
    }
    Ok(outcome)
}

/// Applies a change that has no ID, unless it was applied before.
fn apply_once(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    apply: impl FnOnce(&Connection, Timestamp) -> SqlResult<()>,
) -> SqlResult<ChangeOutcome> {
    if !archive.insert_change(change, ArchivedState::Applied, None)? {
        return Ok(ChangeOutcome::Repeated);
    }
    apply(archive.connection, archive.payload.now)?;
    Ok(ChangeOutcome::Applied)
}

fn insert_inbound(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    scope: Scope,
    message: &InboundMessage,
    summary: &mut IngestSummary,
) -> SqlResult<ChangeOutcome> {
    let workspace = scope.workspace;
    let (connection, now) = (archive.connection, archive.payload.now);
    if wamids::is_erased_wamid(connection, workspace, &message.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    if !message_rows::insert_wamid(connection, scope, change, &message.wamid)? {
        return Ok(ChangeOutcome::Repeated);
    }
    let contact = resolve_sender(connection, scope, change, message, now)?;
    if message.opens_window() {
        open_window(connection, scope, contact, message.at, now)?;
    }
    if let Some(signal) = change.opt_out_signal {
        let (at, reason) = (message.at, OptOutReason::Keyword);
        opt_out::apply_signal(connection, &OptOutUpdate { scope, contact, signal, at, reason }, now)?;
    }
    let row = ReportedMessage {
        scope,
        contact,
        direction: Direction::Inbound,
        status: MessageStatus::Received,
        kind: &message.kind,
        wamid: &message.wamid,
        user: &message.from,
        context_wamid: message.context_wamid.as_deref(),
        object: message.object.as_ref(),
        at: message.at,
    };
    let file = message_rows::insert_message(archive, change, &row)?;
    summary.has_media |= file == Some(MediaState::Pending);
    let media = file.map(|_| change.ids.media);
    message_events::emit_incoming(
        connection,
        scope,
        contact,
        &IncomingMessage { id: change.ids.message, media, message },
        now,
    )?;
    Ok(ChangeOutcome::Applied)
}

/// Returns the contact that sent a message. A message from a new number may report a number change.
fn resolve_sender(
    connection: &Connection,
    scope: Scope,
    change: &RoutedChange,
    message: &InboundMessage,
    now: Timestamp,
) -> SqlResult<ContactId> {
    match &message.metadata.new_identity {
        Some(to) => {
            let number_change = NumberChange { from: message.from.clone(), to: to.clone(), at: message.at };
            renumber::apply_number_change(connection, scope, change.ids.contact, &number_change, now)
        }
        None => {
            let from =
                number_changes::current_identifiers(connection, scope.workspace, &message.from, message.at)?;
            resolve::resolve_contact(connection, scope, change.ids.contact, &from, now)
        }
    }
}

fn apply_call(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    scope: Scope,
    call: &InboundCall,
) -> SqlResult<ChangeOutcome> {
    apply_once(archive, change, |connection, now| {
        let from = number_changes::current_identifiers(connection, scope.workspace, &call.from, call.at)?;
        let contact = resolve::resolve_contact(connection, scope, change.ids.contact, &from, now)?;
        open_window(connection, scope, contact, call.at, now)
    })
}

/// Opens the window, and releases the contact's messages that the messaging limit deferred: messages inside the window
/// do not count against the limit.
fn open_window(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<()> {
    service_windows::open_window(connection, scope, contact, at, now)?;
    messaging_limit::release(connection, scope.workspace, contact)
}
