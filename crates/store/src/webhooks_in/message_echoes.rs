//! Message echoes: messages that the business sent with the WhatsApp Business app.
//!
//! An echo opens no window. Its statuses are found by its wamid.

use domain::id::{AccountId, WorkspaceId};
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::MessageEcho;
use engine::ports::RoutedChange;
use rusqlite::params;

use crate::contacts::{number_changes, resolve};
use crate::error::SqlResult;
use crate::messages::statuses::ChangeOutcome;
use crate::messages::timeline::TimelineRow;
use crate::messages::{outbound_state, statuses, timeline, wamids};
use crate::row::{json, micros};
use crate::webhooks_in::webhook_archive::PayloadArchive;

pub(crate) fn insert_echo(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    (workspace, account): (WorkspaceId, AccountId),
    echo: &MessageEcho,
) -> SqlResult<ChangeOutcome> {
    let (connection, now) = (archive.connection, archive.post.now);
    if wamids::is_erased_wamid(connection, workspace, &echo.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    let id = change.ids.message;
    let is_new = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((workspace.as_bytes(), &echo.wamid, account.as_bytes(), id.as_bytes()))?
        == 1;
    if !is_new {
        return Ok(ChangeOutcome::Repeated);
    }
    let to = number_changes::current_identifiers(connection, workspace, &echo.to, echo.at)?;
    let contact = resolve::resolve_contact(connection, (workspace, account), change.ids.contact, &to, now)?;
    let (payload, start, length) = archive.raw(change)?;
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, direction, kind, status, wamid, wa_id, bsuid,
                 context_wamid, content, n_attempts, payload_seq, payload_start, payload_length, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            id.as_bytes(),
            workspace.as_bytes(),
            account.as_bytes(),
            contact.as_bytes(),
            Direction::Outbound.as_str(),
            echo.kind,
            MessageStatus::Sent.as_str(),
            echo.wamid,
            echo.to.wa_id,
            echo.to.user_id,
            echo.context_wamid,
            echo.object.as_ref().map(json).transpose()?,
            payload,
            start,
            length,
            micros(echo.at.min(now)),
            micros(now),
        ])?;
    if let Some(current) = outbound_state::get_state(connection, workspace, id)? {
        let entry = TimelineRow::ours(MessageStatus::Sent, now).at(echo.at.min(now));
        timeline::insert_entry(connection, &current, &entry)?;
        statuses::apply_pending(connection, &current, &echo.wamid)?;
    }
    Ok(ChangeOutcome::Applied)
}
