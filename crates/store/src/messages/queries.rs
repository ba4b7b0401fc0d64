//! Messages: get and list.

use domain::id::WorkspaceId;
use engine::ports::{MessageDetail, MessageFilter, MessageKey, Page, PageRequest, StoredMessage};
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::{message_filter, timeline, wamids};
use crate::row::{Cells, columns};
use crate::{media, payloads};

// `due_at`: a deferred message is due when the first counted recipient expires.
columns! {
    COLUMNS, read -> StoredMessage {
        id: id "id",
        account: id "account_id",
        contact: id "contact_id",
        batch: opt_id "batch_id",
        direction: parsed "direction",
        kind: get "kind",
        status: parsed "status",
        wamid: get "wamid",
        wa_id: get "wa_id",
        user_id: get "bsuid",
        client_reference: get "client_reference",
        content: get "content",
        context_wamid: get "context_wamid",
        failure_code: get "failure_code",
        error: opt_json "error",
        pricing: opt_json "pricing",
        sent_as: parsed "sent_as",
        is_queued_mode: flag "mode = 'queue'",
        is_echo: flag "direction = 'outbound' and n_attempts = 0 and wamid is not null",
        send_at: opt_at "send_at",
        read_at: opt_at "read_at",
        due_at: opt_at "case when deferred_by is null then due_at else coalesce((
                select r.counted_at + 86400000000 from messaging_limit_recipients r
                where r.workspace_id = messages.workspace_id
                  and r.waba_id = (select a.waba_id from accounts a where a.id = messages.account_id)
                order by r.counted_at limit 1), due_at) end",
        waiting_for: opt_parsed "deferred_by",
        expires_at: opt_at "expires_at",
        media: opt_id "(select f.id from media f where f.message_id = messages.id and f.workspace_id = messages.workspace_id
                        and f.state <> 'gone')",
        created_at: at "created_at",
        updated_at: at "updated_at",
    }
}

pub(crate) fn get_message(
    connection: &Connection,
    workspace: WorkspaceId,
    key: &MessageKey,
) -> SqlResult<Option<MessageDetail>> {
    let Some(id) = wamids::find_message(connection, workspace, key)? else { return Ok(None) };
    let sql = format!(
        "select {COLUMNS}, payload_seq, payload_start, payload_length from messages where workspace_id = ?1 and id = ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("messages", row);
    let message = read(&mut cells)?;
    let payload: Option<i64> = cells.get()?;
    let raw = match payload {
        Some(payload) => payloads::get_bytes(connection, payload, cells.get()?, cells.get()?)?,
        None => None,
    };
    Ok(Some(MessageDetail {
        message,
        timeline: timeline::list_entries(connection, workspace, id)?,
        raw,
        media: media::records::get_media_of_message(connection, workspace, id)?,
    }))
}

pub(crate) fn list_messages(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &MessageFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredMessage>> {
    match message_filter::list_query(connection, workspace, filter, COLUMNS)? {
        Some(list) => list.read_page(connection, page, read),
        None => Ok(Page { rows: Vec::new(), total: 0, is_total_capped: false, next: None }),
    }
}
