//! Recovery of a store that was restored from a backup.

use domain::time::rfc3339;

use crate::Deps;
use crate::ports::StoreError;

/// Maximum number of messages of a restored store that are quarantined in one transaction.
const QUARANTINE_BATCH: u32 = 200;

/// Gives the status `unknown` to all messages of a restored store that may have been sent after the backup. Runs before
/// the first send. Returns the number of messages; 0 if the store was not restored from a backup.
///
/// # Errors
/// The store cannot be read or written. The process must not send messages.
pub async fn quarantine_restored_messages(deps: &Deps) -> Result<u32, StoreError> {
    let Some(backup_at) = deps.maintenance.get_restored_backup_time().await? else { return Ok(0) };
    let mut n_messages = 0;
    loop {
        match deps.maintenance.quarantine_messages(deps.now(), QUARANTINE_BATCH).await? {
            0 => break,
            n => n_messages += n,
        }
    }
    tracing::warn!(
        backup_at = rfc3339(backup_at),
        n_messages,
        "this database was restored from a backup: messages that may have been sent after the backup are `unknown`, and \
         are not sent again"
    );
    Ok(n_messages)
}
