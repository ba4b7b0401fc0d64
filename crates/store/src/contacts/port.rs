//! The port of people.

use std::time::Duration;

use async_trait::async_trait;
use domain::access::audit::AuditEntry;
use domain::id::{ContactId, WorkspaceId};
use engine::ports::{ContactUpsert, Contacts, ErasureStep, StoreError, UpsertContactResult, Windows};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::audit;
use crate::contacts;
use crate::contacts::{service_windows, upsert};
use crate::error::SqlResult;
use crate::maintenance::erasure;
use crate::maintenance::erasure::begin;
use crate::sqlite::SqliteStore;
use crate::sqlite::connection::BUSY_TIMEOUT;

#[async_trait]
impl Contacts for SqliteStore {
    async fn upsert_contacts(
        &self,
        workspace: WorkspaceId,
        puts: Vec<ContactUpsert>,
        act: Option<AuditEntry>,
        now: Timestamp,
    ) -> Result<Vec<UpsertContactResult>, StoreError> {
        self.write("writing down contacts", move |tx| {
            upsert::upsert_contacts(tx, workspace, &puts, (act.as_ref(), now))
        })
        .await
    }

    async fn list_custom_field_names(
        &self,
        workspace: WorkspaceId,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.read("reading the names of custom fields", move |connection| {
            contacts::records::list_custom_field_keys(connection, workspace, limit)
        })
        .await
    }

    async fn list_contact_windows(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<Windows, StoreError> {
        self.read("reading a contact's windows", move |connection| {
            service_windows::list_windows(connection, workspace, contact)
        })
        .await
    }

    async fn begin_erasure(&self, contact: ContactId, act: AuditEntry) -> Result<bool, StoreError> {
        self.write("erasing a contact", move |tx| {
            let is_erased = begin::begin_erasure(tx, act.workspace, contact, act.at)?;
            if is_erased {
                audit::insert_entry(tx, &act)?;
            }
            Ok(is_erased)
        })
        .await
    }

    async fn run_erasure_step(&self, limit: u32, now: Timestamp) -> Result<ErasureStep, StoreError> {
        self.write("erasing what is left of a contact", move |tx| erasure::run_step(tx, limit, now)).await
    }

    async fn finish_erasures(&self) -> Result<bool, StoreError> {
        let is_clean = self.alone("emptying the write-ahead log", empty_log).await?;
        if is_clean {
            self.write("ending erasures", erasure::finish_erasures).await?;
        }
        Ok(is_clean)
    }
}

/// How long those may take who were reading when the log was to be emptied: writes wait as long.
const READERS_END_WITHIN: Duration = Duration::from_millis(250);

/// Writes the log into the database and empties it. `false`: a reader still looks at what is in it.
fn empty_log(connection: &Connection) -> SqlResult<bool> {
    // Who begins to read once all is in the database does not look at the log; who is slower than this is not waited for.
    connection.busy_timeout(READERS_END_WITHIN)?;
    let end = connection.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(end? == 0)
}
