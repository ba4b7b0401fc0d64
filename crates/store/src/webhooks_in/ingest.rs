//! What Meta posted: one POST, one transaction; each part stands alone.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::id::{AccountId, WorkspaceId};
use domain::messages::message::{Direction, MessageStatus};
use domain::webhooks_in::update::{InboundCall, InboundMessage, NumberChange, WebhookUpdate};
use engine::ports::{Ingested, Post, RoutedPart};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::accounts::account_updates;
use crate::contacts::{number_changes, opt_out, resolve};
use crate::error::{SqlError, SqlResult};
use crate::events::event_payloads;
use crate::maintenance::erasure;
use crate::media::records;
use crate::messages::finish::Effect;
use crate::messages::{counters, finish};
use crate::row::{json, micros};
use crate::templates;
use crate::webhooks_in::message_echoes;
use crate::webhooks_in::webhook_archive::{Keeper, KeptAs};

pub(crate) fn ingest(connection: &Connection, post: &Post) -> SqlResult<Ingested> {
    let mut keeper = Keeper::new(connection, post);
    let mut ingested = Ingested::default();
    for part in &post.parts {
        let (kept, n_steps) = (keeper.seq, counters::len());
        connection.prepare_cached("savepoint part")?.execute(())?;
        let end = take(&mut keeper, part, &mut ingested);
        match end {
            Ok(()) => {}
            // The store itself is in trouble: nothing of this POST is taken, Meta will send it again.
            Err(SqlError::Sqlite(error)) if connection.is_autocommit() => return Err(error.into()),
            Err(error) => {
                connection.prepare_cached("rollback to part")?.execute(())?;
                keeper.seq = kept;
                counters::back_to(n_steps);
                match &error {
                    SqlError::Corrupt { .. } | SqlError::Bug(_) | SqlError::Seal(_) => {}
                    SqlError::Sqlite(cause) if is_constraint(cause) => {}
                    SqlError::Sqlite(_) => return Err(error),
                }
                tracing::error!(%error, field = part.field, "a part of a webhook could not be applied");
                keeper.keep(part, KeptAs::Undecodable, Some(&error.to_string()))?;
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

fn take(keeper: &mut Keeper<'_>, part: &RoutedPart, ingested: &mut Ingested) -> SqlResult<()> {
    if keeper.is_erased(part) {
        ingested.repeated += 1;
        return Ok(());
    }
    let Some(route) = &part.route else {
        let reason = part.undecodable.as_deref();
        let is_new = keeper.keep(part, KeptAs::Unrouted, reason)?;
        *(if is_new { &mut ingested.unrouted } else { &mut ingested.repeated }) += 1;
        return Ok(());
    };
    if let Some(reason) = &part.undecodable {
        let is_new = keeper.keep(part, KeptAs::Undecodable, Some(reason))?;
        *(if is_new { &mut ingested.undecodable } else { &mut ingested.repeated }) += 1;
        return Ok(());
    }
    let effect = match (&part.update, route.account) {
        (WebhookUpdate::Message(message), Some(account)) => {
            inbound(keeper, part, (route.workspace, account), message, ingested)?
        }
        (WebhookUpdate::Call(call), Some(account)) => called(keeper, part, (route.workspace, account), call)?,
        (WebhookUpdate::Status(report), Some(account)) => finish::report(
            keeper.connection,
            (route.workspace, account),
            report,
            keeper.post.now,
            &mut || keeper.raw(part),
        )?,
        (WebhookUpdate::Echo(echo), Some(account)) => {
            message_echoes::keep(keeper, part, (route.workspace, account), echo)?
        }
        // What follows is known by its bytes: heard before, it could undo what came after it.
        (WebhookUpdate::Preference(preference), Some(account)) => once(keeper, part, |connection, now| {
            let place = (route.workspace, account);
            opt_out::prefer(connection, place, part.ids.contact, preference, now)
        })?,
        (WebhookUpdate::Moved(moved), Some(account)) => once(keeper, part, |connection, now| {
            let place = (route.workspace, account);
            number_changes::take(connection, place, part.ids.contact, moved, now).map(drop)
        })?,
        (WebhookUpdate::Template(update), _) => once(keeper, part, |connection, now| {
            let has_changed = templates::update(connection, route, update, (part.time, now))?;
            ingested.has_template_changes |= has_changed;
            ingested.has_new_words |= has_changed && update.text.is_some();
            Ok(())
        })?,
        (WebhookUpdate::Account(update), _) => once(keeper, part, |connection, now| {
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
            if keeper.keep(part, KeptAs::Other, None)? {
                Effect::Applied
            } else {
                Effect::Repeated
            }
        }
    };
    match effect {
        Effect::Applied => ingested.applied += 1,
        Effect::Repeated => ingested.repeated += 1,
        Effect::Early => ingested.early += 1,
        Effect::Erased => {
            keeper.drop_part(part, route.workspace);
            ingested.repeated += 1;
        }
    }
    Ok(())
}

/// Applies a part that is known by nothing but its bytes, unless it was applied before.
fn once(
    keeper: &mut Keeper<'_>,
    part: &RoutedPart,
    apply: impl FnOnce(&Connection, Timestamp) -> SqlResult<()>,
) -> SqlResult<Effect> {
    if !keeper.keep(part, KeptAs::Applied, None)? {
        return Ok(Effect::Repeated);
    }
    apply(keeper.connection, keeper.post.now)?;
    Ok(Effect::Applied)
}

fn inbound(
    keeper: &mut Keeper<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    message: &InboundMessage,
    ingested: &mut Ingested,
) -> SqlResult<Effect> {
    let (connection, now) = (keeper.connection, keeper.post.now);
    if erasure::is_erased_wamid(connection, workspace, &message.wamid)? {
        return Ok(Effect::Erased);
    }
    let is_new = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((workspace.as_bytes(), &message.wamid, account.as_bytes(), part.ids.message.as_bytes()))?
        == 1;
    if !is_new {
        return Ok(Effect::Repeated);
    }
    let place = (workspace, account);
    let contact = match &message.beside.moved_to {
        Some(to) => {
            let moved = NumberChange { from: message.from.clone(), to: to.clone(), at: message.at };
            number_changes::take(connection, place, part.ids.contact, &moved, now)?
        }
        None => {
            let from = number_changes::of_then(connection, workspace, &message.from, message.at)?;
            resolve::recognise(connection, place, part.ids.contact, &from, now)?
        }
    };
    if message.opens_window() {
        resolve::open_window(connection, (workspace, account), contact, message.at, now)?;
    }
    if let Some(wish) = part.wish {
        let said = (message.at, OptOutReason::Word);
        match wish {
            OptOutSignal::Stop => {
                opt_out::stop_marketing(connection, (workspace, Some(account)), contact, said, now)?;
            }
            OptOutSignal::Start => {
                opt_out::resume_marketing(connection, (workspace, Some(account)), contact, said, now)?;
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
    let has_media = records::announce(connection, (workspace, account), ids, message, now)?;
    ingested.has_media |= has_media;
    let media = has_media.then_some(part.ids.media);
    event_payloads::incoming(
        connection,
        (workspace, account),
        contact,
        (part.ids.message, media, message),
        now,
    )?;
    Ok(Effect::Applied)
}

fn called(
    keeper: &mut Keeper<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    call: &InboundCall,
) -> SqlResult<Effect> {
    once(keeper, part, |connection, now| {
        let from = number_changes::of_then(connection, workspace, &call.from, call.at)?;
        let contact = resolve::recognise(connection, (workspace, account), part.ids.contact, &from, now)?;
        resolve::open_window(connection, (workspace, account), contact, call.at, now)
    })
}
