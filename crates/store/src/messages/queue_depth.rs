//! Number of queued messages of each account.
//!
//! **Invariant:** every change of a message's status updates the depth in the same transaction.

use std::collections::BTreeMap;

use domain::id::AccountId;
use domain::messages::status::MessageStatus;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::Cells;

/// Updates the depth after a change of a message's status.
pub(crate) fn update_depth(
    connection: &Connection,
    account: AccountId,
    is_queued_mode: bool,
    before: Option<MessageStatus>,
    after: MessageStatus,
) -> SqlResult<()> {
    let (was_waiting, is_waiting) = (before == Some(MessageStatus::Queued), after == MessageStatus::Queued);
    if !is_queued_mode || was_waiting == is_waiting {
        return Ok(());
    }
    let by = if is_waiting { 1 } else { -1 };
    connection
        .prepare_cached(
            "insert into queue_depths (account_id, n_messages) values (?1, ?2)
             on conflict (account_id) do update set n_messages = n_messages + excluded.n_messages",
        )?
        .execute((account.as_bytes(), by))?;
    Ok(())
}

/// Returns the number of queued messages of an account.
pub(crate) fn get_depth(connection: &Connection, account: AccountId) -> SqlResult<u32> {
    let mut statement =
        connection.prepare_cached("select n_messages from queue_depths where account_id = ?1")?;
    let mut rows = statement.query([account.as_bytes()])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(0))
}

/// Returns the number of queued messages of each account that has any.
pub(crate) fn list_depths(connection: &Connection) -> SqlResult<BTreeMap<AccountId, u32>> {
    let mut statement =
        connection.prepare_cached("select account_id, n_messages from queue_depths where n_messages > 0")?;
    let mut rows = statement.query(())?;
    let mut depths = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("queue_depths", row);
        depths.insert(cells.id()?, cells.get()?);
    }
    Ok(depths)
}
