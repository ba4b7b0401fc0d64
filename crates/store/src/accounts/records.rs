//! Accounts: list, insert, update, delete.

use std::sync::Arc;

use domain::access::audit::AuditEntry;
use domain::accounts::account::{Account, AccountChange};
use domain::check::Patch;
use domain::id::{AccountId, WorkspaceId};
use engine::ports::{AccountChanges, AccountRecord, DeleteAccountResult, NewAccount};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::SecretString;

use crate::access::audit;
use crate::accounts::account_events;
use crate::accounts::account_events::AccountUpdateEvent;
use crate::accounts::status::REFUSED;
use crate::error::SqlResult;
use crate::messages::queue_depth;
use crate::revisions;
use crate::row::{Cells, SelectRow as _, columns, micros, row};
use crate::scope::Scope;
use crate::seal::Sealer;
use crate::sqlite::execute::Execute as _;

/// Returns the context to which a secret of an account is sealed.
fn seal_context(id: AccountId, column: &str) -> String {
    format!("accounts/{id}/{column}")
}

columns! {
    COLUMNS, read -> Account {
        id: id "id",
        workspace: id "workspace_id",
        name: get "name",
        phone_number_id: get "phone_number_id",
        waba_id: get "waba_id",
        display_phone_number: get "display_phone_number",
        quality_rating: get "quality_rating",
        messaging_limit_tier: get "messaging_limit_tier",
        status: parsed "status",
        status_reason: get "status_reason",
        is_default: flag "is_default",
        is_sandbox: flag "is_sandbox",
        fetches_links: get "fetches_links",
    }
}

row! {
    /// Columns of an account that are not part of [`Account`]; the secrets are sealed.
    struct RecordRow {
        access_token: Option<Vec<u8>> = get "access_token",
        app_secret: Option<Vec<u8>> = get "app_secret",
        verify_token_digest: Option<[u8; 32]> = get "verify_token_digest",
        old_app_secret: Option<Vec<u8>> = get "old_app_secret",
        old_app_secret_until: Option<Timestamp> = opt_at "old_app_secret_until",
        probe_at: Option<Timestamp> = opt_at "probe_at",
        resumed_at: Option<Timestamp> = opt_at "resumed_at",
    }
}

/// Lists the accounts of all workspaces, with their secrets.
pub(crate) fn list_accounts(connection: &Connection, sealer: &Sealer) -> SqlResult<Vec<Arc<AccountRecord>>> {
    let columns = RecordRow::COLUMNS;
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS}, {columns} from accounts where removed_at is null order by seq"
    ))?;
    let mut rows = statement.query(())?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("accounts", row);
        let account = read(&mut cells)?;
        let row = RecordRow::read(&mut cells)?;
        let id = account.id;
        let open = |column, sealed: Option<Vec<u8>>| -> SqlResult<Option<SecretString>> {
            Ok(sealed.map(|sealed| sealer.open(&seal_context(id, column), &sealed)).transpose()?)
        };
        let old_app_secret = open("old_app_secret", row.old_app_secret)?;
        accounts.push(Arc::new(AccountRecord {
            account,
            access_token: open("access_token", row.access_token)?.unwrap_or_default(),
            app_secret: open("app_secret", row.app_secret)?,
            old_app_secret: old_app_secret.zip(row.old_app_secret_until),
            verify_token_digest: row.verify_token_digest,
            probe_at: row.probe_at,
            resumed_at: row.resumed_at,
        }));
    }
    Ok(accounts)
}

pub(crate) fn insert_account(
    connection: &Connection,
    sealer: &Sealer,
    new: &NewAccount,
    entry: &AuditEntry,
) -> SqlResult<()> {
    let AccountRecord { account, access_token, app_secret, verify_token_digest, .. } = &new.record;
    if account.is_default {
        clear_default(connection, account.workspace)?;
    }
    let seal = |column, secret| sealer.seal(&seal_context(account.id, column), secret);
    connection
        .prepare_cached(
            "insert into accounts (
                 id, workspace_id, name, phone_number_id, waba_id, display_phone_number, quality_rating,
                 messaging_limit_tier, access_token, app_secret, verify_token_digest, status, status_reason,
                 is_default, is_sandbox, fetches_links, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)",
        )?
        .execute_one(params![
            account.id.as_bytes(),
            account.workspace.as_bytes(),
            account.name,
            account.phone_number_id,
            account.waba_id,
            account.display_phone_number,
            account.quality_rating,
            account.messaging_limit_tier,
            seal("access_token", access_token)?,
            app_secret.as_ref().map(|secret| seal("app_secret", secret)).transpose()?,
            verify_token_digest,
            account.status.as_str(),
            account.status_reason,
            account.is_default,
            account.is_sandbox,
            account.fetches_links,
            micros(new.created_at),
        ])?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")
}

row! {
    struct KindRow {
        is_default: bool = flag "is_default",
        is_sandbox: bool = flag "is_sandbox",
    } from "accounts where workspace_id = ?1 and id = ?2 and removed_at is null"
}

/// Deletes an account. An account whose queue has messages is deleted only by force.
pub(crate) fn delete_account(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    is_forced: bool,
    entry: &AuditEntry,
) -> SqlResult<DeleteAccountResult> {
    let key = (workspace.as_bytes(), id.as_bytes());
    let Some(kind) = KindRow::find(connection, key)? else { return Ok(DeleteAccountResult::NotFound) };
    let n_waiting = queue_depth::get_depth(connection, id)?;
    if n_waiting > 0 && !is_forced {
        return Ok(DeleteAccountResult::HasQueuedMessages(n_waiting));
    }
    connection
        .prepare_cached(
            "update accounts
             set removed_at = ?3, updated_at = ?3, access_token = null, app_secret = null,
                 old_app_secret = null, old_app_secret_until = null, verify_token_digest = null, is_default = 0
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute_one((key.0, key.1, micros(entry.at)))?;
    if kind.is_default {
        // The next default account is of the same kind: messages for customers must not be sent to the simulator.
        // No account of this kind may be left.
        connection
            .prepare_cached(
                "update accounts set is_default = 1, updated_at = ?3
                 where seq = (select min(seq) from accounts
                              where workspace_id = ?1 and is_sandbox = ?2 and removed_at is null)",
            )?
            .execute_any((key.0, kind.is_sandbox, micros(entry.at)))?;
    }
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(DeleteAccountResult::Deleted)
}

/// Updates an account. Returns `false` if the account does not exist.
pub(crate) fn update_account(
    connection: &Connection,
    sealer: &Sealer,
    scope: Scope,
    changes: &AccountChanges,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let key = (scope.workspace.as_bytes(), scope.account.as_bytes());
    if KindRow::find(connection, key)?.is_none() {
        return Ok(false);
    }
    if changes.is_default == Some(true) {
        clear_default(connection, scope.workspace)?;
    }
    if !matches!(changes.app_secret, Patch::Unchanged) {
        replace_secret(connection, sealer, scope, changes.old_app_secret_until)?;
    }
    update_columns(connection, sealer, scope, changes, entry.at)?;
    if let Some(reason) = &changes.lifts_suspension {
        resume(connection, scope, reason, entry.at)?;
    }
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")?;
    Ok(true)
}

/// Clears the default account of a workspace, if it has a default account.
fn clear_default(connection: &Connection, workspace: WorkspaceId) -> SqlResult<()> {
    connection
        .prepare_cached("update accounts set is_default = 0 where workspace_id = ?1 and is_default = 1")?
        .execute_any([workspace.as_bytes()])
}

fn update_columns(
    connection: &Connection,
    sealer: &Sealer,
    scope: Scope,
    changes: &AccountChanges,
    now: Timestamp,
) -> SqlResult<()> {
    let seal = |column, secret| sealer.seal(&seal_context(scope.account, column), secret);
    let token = changes.access_token.as_ref().map(|token| seal("access_token", token)).transpose()?;
    let app_secret = match &changes.app_secret {
        Patch::Set(secret) => Some(seal("app_secret", secret)?),
        Patch::Unchanged | Patch::Clear => None,
    };
    let digest = match &changes.verify_token_digest {
        Patch::Set(digest) => Some(*digest),
        Patch::Unchanged | Patch::Clear => None,
    };
    let fetches_links = match changes.fetches_links {
        Patch::Set(fetches) => Some(fetches),
        Patch::Unchanged | Patch::Clear => None,
    };
    connection
        .prepare_cached(
            "update accounts
             set name = coalesce(?3, name), access_token = coalesce(?4, access_token),
                 app_secret = case when ?5 then ?6 else app_secret end,
                 verify_token_digest = case when ?7 then ?8 else verify_token_digest end,
                 is_default = coalesce(?9, is_default),
                 fetches_links = case when ?11 then ?12 else fetches_links end,
                 token_expires_at = case when ?4 is null then token_expires_at end,
                 token_notice_days = case when ?4 is null then token_notice_days end,
                 updated_at = ?10
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute_one(params![
            scope.workspace.as_bytes(),
            scope.account.as_bytes(),
            changes.name,
            token,
            !matches!(changes.app_secret, Patch::Unchanged),
            app_secret,
            !matches!(changes.verify_token_digest, Patch::Unchanged),
            digest,
            changes.is_default,
            micros(now),
            !matches!(changes.fetches_links, Patch::Unchanged),
            fetches_links,
        ])
}

/// Ends the suspension of an account whose credentials Meta refused, if the account is suspended for this reason.
fn resume(connection: &Connection, scope: Scope, reason: &str, now: Timestamp) -> SqlResult<()> {
    let n_rows = connection
        .prepare_cached(
            "update accounts
             set status = 'connected', status_reason = null, suspension_cause = null, resumed_at = ?5,
                 probe_at = null, probe_wait = null
             where workspace_id = ?1 and id = ?2 and removed_at is null and status = 'held'
               and status_reason = ?3 and coalesce(suspension_cause, ?4) = ?4",
        )?
        .execute((scope.workspace.as_bytes(), scope.account.as_bytes(), reason, REFUSED, micros(now)))?;
    if n_rows > 0 {
        let event = AccountUpdateEvent::new(AccountChange::Status);
        account_events::emit_account(connection, scope, &event, now)?;
    }
    Ok(())
}

/// Moves the present app secret to the old app secret until a time, or deletes the old app secret if no time is given.
fn replace_secret(
    connection: &Connection,
    sealer: &Sealer,
    scope: Scope,
    until: Option<Timestamp>,
) -> SqlResult<()> {
    let key = (scope.workspace.as_bytes(), scope.account.as_bytes());
    let sealed: Option<Option<Vec<u8>>> = connection
        .prepare_cached("select app_secret from accounts where workspace_id = ?1 and id = ?2")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    // A sealed value is bound to its column, so the secret is sealed again for the other column.
    let old = match sealed.flatten().filter(|_| until.is_some()) {
        Some(sealed) => {
            let secret = sealer.open(&seal_context(scope.account, "app_secret"), &sealed)?;
            Some(sealer.seal(&seal_context(scope.account, "old_app_secret"), &secret)?)
        }
        None => None,
    };
    connection
        .prepare_cached(
            "update accounts set old_app_secret = ?3, old_app_secret_until = ?4
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((key.0, key.1, &old, old.as_ref().and(until).map(micros)))
}
