//! Meta's message IDs, each with the message that it belongs to.

use domain::id::{MessageId, WorkspaceId};
use engine::ports::MessageKey;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;

/// Returns the value that replaces the wamid of an erased message.
pub(crate) fn erased_wamid(wamid: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(wamid).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns `true` if the wamid belongs to an erased message.
pub(crate) fn is_erased_wamid(
    connection: &Connection,
    workspace: WorkspaceId,
    wamid: &str,
) -> SqlResult<bool> {
    let mut statement = connection
        .prepare_cached("select exists (select 1 from wamids where workspace_id = ?1 and wamid = ?2)")?;
    Ok(statement.query_row((workspace.as_bytes(), erased_wamid(wamid)), |row| row.get(0))?)
}

pub(crate) fn find_message(
    connection: &Connection,
    workspace: WorkspaceId,
    key: &MessageKey,
) -> SqlResult<Option<MessageId>> {
    let wamid = match key {
        MessageKey::Id(id) => return Ok(Some(*id)),
        MessageKey::Wamid(wamid) => wamid,
    };
    let mut statement =
        connection.prepare_cached("select message_id from wamids where workspace_id = ?1 and wamid = ?2")?;
    let found = statement.query_row((workspace.as_bytes(), wamid), |row| row.get(0)).optional()?;
    Ok(found.map(MessageId::from_bytes))
}

/// Stores the message of a wamid. Returns `false` if the wamid is stored already.
pub(crate) fn insert_wamid(
    connection: &Connection,
    current: &OutboundState,
    wamid: &str,
    attempt: u32,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, ?5) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((
            current.workspace.as_bytes(),
            wamid,
            current.account.as_bytes(),
            current.message.as_bytes(),
            attempt,
        ))?;
    Ok(n_rows == 1)
}
