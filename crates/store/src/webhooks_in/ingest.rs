//! What Meta posted: one POST, one transaction; each part stands alone.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::message::{Direction, MessageStatus};
use domain::webhooks_in::update::{InboundCall, InboundMessage, NumberChange, WebhookUpdate};
use engine::ports::{Ingested, Post, RoutedPart};
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
use crate::webhooks_in::webhook_archive::{ChangeState, PayloadArchive};

pub(crate) fn insert_payload(connection: &Connection, post: &Post) -> SqlResult<Ingested> {
    let mut keeper = PayloadArchive::new(connection, post);
    let mut ingested = Ingested::default();
    for part in &post.parts {
        let (kept, n_steps) = (keeper.seq, step_counts::n_recorded());
        connection.prepare_cached("savepoint part")?.execute(())?;
        let end = apply_change(&mut keeper, part, &mut ingested);
        match end {
            Ok(()) => {}
            // The store itself is in trouble: nothing of this POST is taken, Meta will send it again.
            Err(SqlError::Sqlite(error)) if connection.is_autocommit() => return Err(error.into()),
            Err(error) => {
                connection.prepare_cached("rollback to part")?.execute(())?;
                keeper.seq = kept;
                step_counts::truncate(n_steps);
                match &error {
                    SqlError::Corrupt { .. } | SqlError::Bug(_) | SqlError::Seal(_) => {}
                    SqlError::Sqlite(cause) if is_constraint(cause) => {}
                    SqlError::Sqlite(_) => return Err(error),
                }
                tracing::error!(%error, field = part.field, "a part of a webhook could not be applied");
                keeper.keep(part, ChangeState::Undecodable, Some(&error.to_string()))?;
                ingested.undecodable += 1;
            }
        }
        connection.prepare_cached("release part")?.execute(())?;
    }
    keeper.forget_understood()?;
    keeper.forget_erased()?;
    Ok(ingested)
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn apply_change(
    keeper: &mut PayloadArchive<'_>,
    part: &RoutedPart,
    ingested: &mut Ingested,
) -> SqlResult<()> {
    if keeper.is_erased(part) {
        ingested.repeated += 1;
        return Ok(());
    }
    let Some(route) = &part.route else {
        let reason = part.undecodable.as_deref();
        let is_new = keeper.keep(part, ChangeState::Unrouted, reason)?;
        *(if is_new { &mut ingested.unrouted } else { &mut ingested.repeated }) += 1;
        return Ok(());
    };
    if let Some(reason) = &part.undecodable {
        let is_new = keeper.keep(part, ChangeState::Undecodable, Some(reason))?;
        *(if is_new { &mut ingested.undecodable } else { &mut ingested.repeated }) += 1;
        return Ok(());
    }
    let effect = match (&part.update, route.account) {
        (WebhookUpdate::Message(message), Some(account)) => {
            insert_inbound(keeper, part, (route.workspace, account), message, ingested)?
        }
        (WebhookUpdate::Call(call), Some(account)) => {
            apply_call(keeper, part, (route.workspace, account), call)?
        }
        (WebhookUpdate::Status(report), Some(account)) => statuses::apply_report(
            keeper.connection,
            (route.workspace, account),
            report,
            keeper.post.now,
            &mut || keeper.raw(part),
        )?,
        (WebhookUpdate::Echo(echo), Some(account)) => {
            message_echoes::insert_echo(keeper, part, (route.workspace, account), echo)?
        }
        // What follows is known by its bytes: heard before, it could undo what came after it.
        (WebhookUpdate::Preference(preference), Some(account)) => {
            apply_once(keeper, part, |connection, now| {
                let place = (route.workspace, account);
                preferences::apply_preference(connection, place, part.ids.contact, preference, now)
            })?
        }
        (WebhookUpdate::Moved(moved), Some(account)) => apply_once(keeper, part, |connection, now| {
            let place = (route.workspace, account);
            renumber::apply_number_change(connection, place, part.ids.contact, moved, now).map(drop)
        })?,
        (WebhookUpdate::Template(update), _) => apply_once(keeper, part, |connection, now| {
            let has_changed = updates::apply_update(connection, route, update, (part.time, now))?;
            ingested.has_template_changes |= has_changed;
            ingested.has_new_words |= has_changed && update.text.is_some();
            Ok(())
        })?,
        (WebhookUpdate::Account(update), _) => apply_once(keeper, part, |connection, now| {
            ingested.has_account_changes |= account_updates::apply(connection, (route, part), update, now)?;
            Ok(())
        })?,
        (
            WebhookUpdate::Message(_)
            | WebhookUpdate::Call(_)
            | WebhookUpdate::Status(_)
            | WebhookUpdate::Echo(_)
            | WebhookUpdate::Preference(_)
            | WebhookUpdate::Moved(_)
            | WebhookUpdate::Other,
            _,
        ) => {
            if keeper.keep(part, ChangeState::Other, None)? {
                ChangeOutcome::Applied
            } else {
                ChangeOutcome::Repeated
            }
        }
    };
    match effect {
        ChangeOutcome::Applied => ingested.applied += 1,
        ChangeOutcome::Repeated => ingested.repeated += 1,
        ChangeOutcome::Early => ingested.early += 1,
        ChangeOutcome::Erased => {
            keeper.drop_part(part, route.workspace);
            ingested.repeated += 1;
        }
    }
    Ok(())
}

/// Applies a part that is known by nothing but its bytes, unless it was applied before.
fn apply_once(
    keeper: &mut PayloadArchive<'_>,
    part: &RoutedPart,
    apply: impl FnOnce(&Connection, Timestamp) -> SqlResult<()>,
) -> SqlResult<ChangeOutcome> {
    if !keeper.keep(part, ChangeState::Applied, None)? {
        return Ok(ChangeOutcome::Repeated);
    }
    apply(keeper.connection, keeper.post.now)?;
    Ok(ChangeOutcome::Applied)
}

fn insert_inbound(
    keeper: &mut PayloadArchive<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    message: &InboundMessage,
    ingested: &mut Ingested,
) -> SqlResult<ChangeOutcome> {
    let (connection, now) = (keeper.connection, keeper.post.now);
    if wamids::is_erased_wamid(connection, workspace, &message.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    let is_new = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((workspace.as_bytes(), &message.wamid, account.as_bytes(), part.ids.message.as_bytes()))?
        == 1;
    if !is_new {
        return Ok(ChangeOutcome::Repeated);
    }
    let place = (workspace, account);
    let contact = match &message.beside.moved_to {
        Some(to) => {
            let moved = NumberChange { from: message.from.clone(), to: to.clone(), at: message.at };
            renumber::apply_number_change(connection, place, part.ids.contact, &moved, now)?
        }
        None => {
            let from = number_changes::current_identifiers(connection, workspace, &message.from, message.at)?;
            resolve::resolve_contact(connection, place, part.ids.contact, &from, now)?
        }
    };
    if message.opens_window() {
        open_window(connection, (workspace, account), contact, (message.at, now))?;
    }
    if let Some(wish) = part.wish {
        let said = (message.at, OptOutReason::Word);
        match wish {
            OptOutSignal::Stop => {
                opt_out::opt_out(connection, (workspace, Some(account)), contact, said, now)?;
            }
            OptOutSignal::Start => {
                opt_out::opt_in(connection, (workspace, Some(account)), contact, said, now)?;
            }
        }
    }
    let (post, start, length) = keeper.raw(part)?;
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, direction, kind, status, wamid, wa_id, bsuid,
                 context_wamid, content, n_attempts, payload_seq, payload_start, payload_length, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            part.ids.message.as_bytes(),
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
    let ids = (part.ids.media, part.ids.message);
    let has_media = media::records::insert_announced(connection, (workspace, account), ids, message, now)?;
    ingested.has_media |= has_media;
    let media = has_media.then_some(part.ids.media);
    message_events::emit_incoming(
        connection,
        (workspace, account),
        contact,
        (part.ids.message, media, message),
        now,
    )?;
    Ok(ChangeOutcome::Applied)
}

fn apply_call(
    keeper: &mut PayloadArchive<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    call: &InboundCall,
) -> SqlResult<ChangeOutcome> {
    apply_once(keeper, part, |connection, now| {
        let from = number_changes::current_identifiers(connection, workspace, &call.from, call.at)?;
        let contact =
            resolve::resolve_contact(connection, (workspace, account), part.ids.contact, &from, now)?;
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
