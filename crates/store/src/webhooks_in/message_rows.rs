//! Rows of messages that Meta reports: inbound messages and message echoes.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::ContactId;
use domain::json::Value;
use domain::media::inbound_media;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::ports::{MediaState, RoutedChange};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::media::records;
use crate::row::{json, micros};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;
use crate::webhooks_in::webhook_archive::PayloadArchive;

/// Inserts the wamid of a message that Meta reports. Returns `false` if the wamid is stored already.
pub(crate) fn insert_wamid(
    connection: &Connection,
    scope: Scope,
    change: &RoutedChange,
    wamid: &str,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((
            scope.workspace.as_bytes(),
            wamid,
            scope.account.as_bytes(),
            change.ids.message.as_bytes(),
        ))?;
    Ok(n_rows == 1)
}

/// Message that Meta reports.
pub(crate) struct ReportedMessage<'a> {
    pub(crate) scope: Scope,
    pub(crate) contact: ContactId,
    pub(crate) direction: Direction,
    pub(crate) status: MessageStatus,
    pub(crate) kind: &'a str,
    pub(crate) wamid: &'a str,
    /// Sender of an inbound message, recipient of an echo.
    pub(crate) user: &'a WhatsAppUser,
    pub(crate) context_wamid: Option<&'a str>,
    /// Object named by `kind`.
    pub(crate) object: Option<&'a Value>,
    pub(crate) at: Timestamp,
}

/// Inserts a message, which points to its change in the archived payload, and its file. Returns the state of the file, if
/// the message has one.
pub(crate) fn insert_message(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    message: &ReportedMessage<'_>,
) -> SqlResult<Option<MediaState>> {
    let (connection, now) = (archive.connection, archive.payload.now);
    let (payload, start, length) = archive.payload_span(change)?;
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, direction, kind, status, wamid, wa_id, bsuid,
                 context_wamid, content, n_attempts, payload_seq, payload_start, payload_length, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute_one(params![
            change.ids.message.as_bytes(),
            message.scope.workspace.as_bytes(),
            message.scope.account.as_bytes(),
            message.contact.as_bytes(),
            message.direction.as_str(),
            message.kind,
            message.status.as_str(),
            message.wamid,
            message.user.wa_id,
            message.user.user_id,
            message.context_wamid,
            message.object.map(json).transpose()?,
            payload,
            start,
            length,
            micros(message.at.min(now)),
            micros(now),
        ])?;
    let file = inbound_media(message.kind, message.object);
    file.map(|file| records::insert_announced(connection, message.scope, &change.ids, &file, now)).transpose()
}
