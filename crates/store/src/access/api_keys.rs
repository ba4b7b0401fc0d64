//! API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, KeyId, WorkspaceId};
use engine::ports::{ApiKeyFilter, ApiKeyRotation, Page, PageRequest};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::error::{SqlError, SqlResult};
use crate::revisions;
use crate::row::{Cells, columns, json, micros};
use crate::sqlite::execute::Execute as _;
use crate::sqlite::page::{ListQuery, Order, bytes, containing};

pub(crate) fn all_keys(connection: &Connection) -> SqlResult<BTreeMap<[u8; 32], Arc<ApiKey>>> {
    let mut statement = connection.prepare_cached(&format!("select {COLUMNS} from api_keys order by seq"))?;
    let mut rows = statement.query(())?;
    let mut keys = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("api_keys", row);
        let key = read(&mut cells)?;
        keys.insert(key.digest, Arc::new(key));
    }
    Ok(keys)
}

columns! {
    COLUMNS, read -> ApiKey {
        id: id "id",
        owner: id "owner_id",
        workspace: id "workspace_id",
        name: get "name",
        prefix: get "prefix",
        digest: get "digest",
        scopes: parsed_list "scopes",
        accounts: parsed_list "accounts",
        is_test: flag "is_test",
        rate_per_minute: get "rate_per_minute",
        rate_burst: get "rate_burst",
        expires_at: opt_at "expires_at",
        revoked_at: opt_at "revoked_at",
        replaced_by: opt_id "replaced_by",
        created_at: at "created_at",
        last_used_at: opt_at "last_used_at",
    }
}

pub(crate) fn list_keys(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &ApiKeyFilter,
    page: PageRequest,
) -> SqlResult<Page<ApiKey>> {
    let mut list = ListQuery::new("api_keys", COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]).with("revoked_at is null", []);
    if let Some(id) = &filter.id {
        list.with("id = ?", [bytes(id.as_bytes())]);
    }
    if let Some(search) = &filter.search {
        let found = containing(search);
        list.with("(name like ? escape '\\' or prefix like ? escape '\\')", [found.clone(), found]);
    }
    list.read_page(connection, page, read)
}

/// Inserts a key, if no other key with its name is active. A replaced key is not active: its successor has the same name.
pub(crate) fn insert_key(connection: &Connection, key: &ApiKey, entry: &AuditEntry) -> SqlResult<()> {
    let is_name_used: bool = connection
        .prepare_cached(
            "select exists (
                 select 1 from api_keys
                 where workspace_id = ?1 and name = ?2 and revoked_at is null and replaced_by is null
                       and (expires_at is null or expires_at > ?3))",
        )?
        .query_row((key.workspace.as_bytes(), &key.name, micros(key.created_at)), |row| row.get(0))?;
    if is_name_used {
        return Err(SqlError::Conflict("another active key has this name"));
    }
    insert_row(connection, key)?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")
}

/// Replaces a key by a new key. Returns `false` if the old key is revoked, expired or already replaced.
pub(crate) fn rotate_key(
    connection: &Connection,
    rotation: &ApiKeyRotation,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let ApiKeyRotation { new, old, old_expires_at, now } = rotation;
    let n_rows = connection
        .prepare_cached(
            "update api_keys set replaced_by = ?3, expires_at = min(coalesce(expires_at, ?4), ?4)
             where workspace_id = ?1 and id = ?2 and revoked_at is null and replaced_by is null
                   and (expires_at is null or expires_at > ?5)",
        )?
        .execute((
            new.workspace.as_bytes(),
            old.as_bytes(),
            new.id.as_bytes(),
            micros(*old_expires_at),
            micros(*now),
        ))?;
    if n_rows == 0 {
        return Ok(false);
    }
    insert_row(connection, new)?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

fn insert_row(connection: &Connection, key: &ApiKey) -> SqlResult<()> {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let accounts: Vec<_> = key.accounts.iter().map(AccountId::to_string).collect();
    connection
        .prepare_cached(
            "insert into api_keys (
                 id, owner_id, workspace_id, name, prefix, digest, scopes, accounts, is_test, rate_per_minute,
                 rate_burst, created_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute_one(params![
            key.id.as_bytes(),
            key.owner.as_bytes(),
            key.workspace.as_bytes(),
            key.name,
            key.prefix,
            key.digest,
            json(&scopes)?,
            json(&accounts)?,
            key.is_test,
            key.rate_per_minute,
            key.rate_burst,
            micros(key.created_at),
            key.expires_at.map(micros),
        ])
}

pub(crate) fn revoke_key(
    connection: &Connection,
    workspace: WorkspaceId,
    id: KeyId,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update api_keys set revoked_at = ?3 where workspace_id = ?1 and id = ?2 and revoked_at is null",
        )?
        .execute((workspace.as_bytes(), id.as_bytes(), micros(entry.at)))?;
    if n_rows == 1 {
        audit::insert_entry(connection, entry)?;
    }
    revisions::increment(connection, "directory")?;
    Ok(n_rows == 1)
}

/// Updates the last use of keys, which may have been deleted.
pub(crate) fn update_last_used(connection: &Connection, uses: &[(KeyId, Timestamp)]) -> SqlResult<()> {
    let mut statement = connection.prepare_cached(
        "update api_keys set last_used_at = max(coalesce(last_used_at, 0), ?2) where id = ?1",
    )?;
    for (id, at) in uses {
        statement.execute_any((id.as_bytes(), micros(*at)))?;
    }
    Ok(())
}
