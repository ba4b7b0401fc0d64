//! Ingestion of a webhook request: one transaction for the request, one savepoint for each change.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::direction::Direction;
use domain::messages::inbound::InboundMessage;
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::{InboundCall, NumberChange, WebhookUpdate};
use engine::ports::{IngestSummary, RoutedChange, WebhookPayload};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::accounts::account_updates;
use crate::contacts::{number_changes, opt_out, preferences, renumber, resolve, service_windows};
use crate::error::{SqlError, SqlResult};
use crate::media;
use crate::messages::statuses::ChangeOutcome;
use crate::messages::{message_events, messaging_limit, statuses, wamids};
use crate::row::{json, micros};
use crate::sqlite::step_counts;
use crate::templates::updates;
use crate::webhooks_in::message_echoes;
use crate::webhooks_in::webhook_archive::{PayloadArchive, UnappliedState};

pub(crate) fn insert_payload(connection: &Connection, post: &WebhookPayload) -> SqlResult<IngestSummary> {
    let mut archive = PayloadArchive::new(connection, post);
    let mut ingested = IngestSummary::default();
    for change in &post.changes {
        let (inserted_seq, n_steps) = (archive.seq, step_counts::n_recorded());
        connection.prepare_cached("savepoint part")?.execute(())?;
        let end = apply_change(&mut archive, change, &mut ingested);
        match end {
            Ok(()) => {}
            // The store failed: nothing of the request is stored, and Meta sends it again.
            Err(SqlError::Sqlite(error)) if connection.is_autocommit() => return Err(error.into()),
            Err(error) => {
                connection.prepare_cached("rollback to part")?.execute(())?;
                archive.seq = inserted_seq;
                step_counts::truncate(n_steps);
                match &error {
                    SqlError::Corrupt { .. } | SqlError::Bug(_) | SqlError::Seal(_) => {}
                    SqlError::Sqlite(cause) if is_constraint(cause) => {}
                    SqlError::Sqlite(_) => return Err(error),
                }
                tracing::error!(%error, field = change.change.field, "a change of a webhook could not be applied");
                archive.keep(change, UnappliedState::Undecodable, Some(&error.to_string()))?;
                ingested.undecodable += 1;
            }
        }
        connection.prepare_cached("release part")?.execute(())?;
    }
    archive.forget_understood()?;
    archive.forget_erased()?;
    Ok(ingested)
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn apply_change(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    ingested: &mut IngestSummary,
) -> SqlResult<()> {
    if archive.is_erased(change) {
        ingested.duplicates += 1;
        return Ok(());
    }
    let Some(route) = &change.route else {
        let reason = change.change.undecodable.as_deref();
        let is_new = archive.keep(change, UnappliedState::Unrouted, reason)?;
        *(if is_new { &mut ingested.unrouted } else { &mut ingested.duplicates }) += 1;
        return Ok(());
    };
    if let Some(reason) = &change.change.undecodable {
        let is_new = archive.keep(change, UnappliedState::Undecodable, Some(reason))?;
        *(if is_new { &mut ingested.undecodable } else { &mut ingested.duplicates }) += 1;
        return Ok(());
    }
    let effect = match (&change.change.update, route.account) {
        (WebhookUpdate::Message(message), Some(account)) => {
            insert_inbound(archive, change, (route.workspace, account), message, ingested)?
        }
        (WebhookUpdate::Call(call), Some(account)) => {
            apply_call(archive, change, (route.workspace, account), call)?
        }
        (WebhookUpdate::Status(report), Some(account)) => statuses::apply_report(
            archive.connection,
            (route.workspace, account),
            report,
            archive.post.now,
            &mut || archive.raw(change),
        )?,
        (WebhookUpdate::MessageEcho(echo), Some(account)) => {
            message_echoes::insert_echo(archive, change, (route.workspace, account), echo)?
        }
        // The following changes have no ID and are identified by their bytes: a repeated change must not undo a later
        // change.
        (WebhookUpdate::MarketingPreference(preference), Some(account)) => {
            apply_once(archive, change, |connection, now| {
                let place = (route.workspace, account);
                preferences::apply_preference(connection, place, change.ids.contact, preference, now)
            })?
        }
        (WebhookUpdate::NumberChange(moved), Some(account)) => {
            apply_once(archive, change, |connection, now| {
                let place = (route.workspace, account);
                renumber::apply_number_change(connection, place, change.ids.contact, moved, now).map(drop)
            })?
        }
        (WebhookUpdate::Template(update), _) => apply_once(archive, change, |connection, now| {
            let has_changed = updates::apply_update(connection, route, update, (change.change.time, now))?;
            ingested.has_template_changes |= has_changed;
            ingested.has_template_text_changes |= has_changed && update.text.is_some();
            Ok(())
        })?,
        (WebhookUpdate::Account(update), _) => apply_once(archive, change, |connection, now| {
            ingested.has_account_changes |= account_updates::apply(connection, (route, change), update, now)?;
            Ok(())
        })?,
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
            if archive.keep(change, UnappliedState::Other, None)? {
                ChangeOutcome::Applied
            } else {
                ChangeOutcome::Repeated
            }
        }
    };
    match effect {
        ChangeOutcome::Applied => ingested.applied += 1,
        ChangeOutcome::Repeated => ingested.duplicates += 1,
        ChangeOutcome::Early => ingested.pending_statuses += 1,
        ChangeOutcome::Erased => {
            archive.drop_part(change, route.workspace);
            ingested.duplicates += 1;
        }
    }
    Ok(())
}

/// Applies a change that has no ID, unless it was applied before.
fn apply_once(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    apply: impl FnOnce(&Connection, Timestamp) -> SqlResult<()>,
) -> SqlResult<ChangeOutcome> {
    if !archive.keep(change, UnappliedState::Applied, None)? {
        return Ok(ChangeOutcome::Repeated);
    }
    apply(archive.connection, archive.post.now)?;
    Ok(ChangeOutcome::Applied)
}

fn insert_inbound(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    (workspace, account): (WorkspaceId, AccountId),
    message: &InboundMessage,
    ingested: &mut IngestSummary,
) -> SqlResult<ChangeOutcome> {
    let (connection, now) = (archive.connection, archive.post.now);
    if wamids::is_erased_wamid(connection, workspace, &message.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    let is_new = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((workspace.as_bytes(), &message.wamid, account.as_bytes(), change.ids.message.as_bytes()))?
        == 1;
    if !is_new {
        return Ok(ChangeOutcome::Repeated);
    }
    let place = (workspace, account);
    let contact = match &message.metadata.new_identity {
        Some(to) => {
            let moved = NumberChange { from: message.from.clone(), to: to.clone(), at: message.at };
            renumber::apply_number_change(connection, place, change.ids.contact, &moved, now)?
        }
        None => {
            let from = number_changes::current_identifiers(connection, workspace, &message.from, message.at)?;
            resolve::resolve_contact(connection, place, change.ids.contact, &from, now)?
        }
    };
    if message.opens_window() {
        open_window(connection, (workspace, account), contact, (message.at, now))?;
    }
    if let Some(wish) = change.opt_out_signal {
        let signal = (message.at, OptOutReason::Keyword);
        match wish {
            OptOutSignal::Stop => {
                opt_out::opt_out(connection, (workspace, Some(account)), contact, signal, now)?;
            }
            OptOutSignal::Start => {
                opt_out::opt_in(connection, (workspace, Some(account)), contact, signal, now)?;
            }
        }
    }
    let (post, start, length) = archive.raw(change)?;
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, direction, kind, status, wamid, wa_id, bsuid,
                 context_wamid, content, n_attempts, payload_seq, payload_start, payload_length, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            change.ids.message.as_bytes(),
            workspace.as_bytes(),
            account.as_bytes(),
            contact.as_bytes(),
            Direction::Inbound.as_str(),
            message.kind,
            MessageStatus::Received.as_str(),
            message.wamid,
            message.from.wa_id,
            message.from.user_id,
            message.context_wamid,
            message.object.as_ref().map(json).transpose()?,
            post,
            start,
            length,
            micros(message.at.min(now)),
            micros(now),
        ])?;
    let ids = (change.ids.media, change.ids.message);
    let has_media = media::records::insert_announced(connection, (workspace, account), ids, message, now)?;
    ingested.has_media |= has_media;
    let media = has_media.then_some(change.ids.media);
    message_events::emit_incoming(
        connection,
        (workspace, account),
        contact,
        (change.ids.message, media, message),
        now,
    )?;
    Ok(ChangeOutcome::Applied)
}

fn apply_call(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    (workspace, account): (WorkspaceId, AccountId),
    call: &InboundCall,
) -> SqlResult<ChangeOutcome> {
    apply_once(archive, change, |connection, now| {
        let from = number_changes::current_identifiers(connection, workspace, &call.from, call.at)?;
        let contact =
            resolve::resolve_contact(connection, (workspace, account), change.ids.contact, &from, now)?;
        open_window(connection, (workspace, account), contact, (call.at, now))
    })
}

/// Opens the window, and releases the contact's messages that the messaging limit deferred: inside the window they do not
/// count against the limit.
fn open_window(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    (at, now): (Timestamp, Timestamp),
) -> SqlResult<()> {
    service_windows::open_window(connection, (workspace, account), contact, at, now)?;
    messaging_limit::release(connection, workspace, contact)
}
