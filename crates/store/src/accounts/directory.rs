//! Workspaces, accounts and keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::accounts::account::Account;
use domain::check::Patch;
use domain::events::AccountChange;
use domain::id::{AccountId, KeyId, WorkspaceId};
use engine::ports::{
    AccountChanges, AccountRecord, Directory, KeyFilter, NewAccount, NumberInfo, Page, PageRequest, Removal,
    Revision, Rotation,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::SecretString;

use crate::access::audit;
use crate::accounts::account_updates::REFUSED;
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::messages::queue_depth;
use crate::row::{Cells, json, micros};
use crate::seal::Sealer;
use crate::sqlite::page::{List, Order, bytes, containing};
use crate::webhooks_out::endpoints;

/// Counts a change, so that other processes notice it.
pub(crate) fn bump(connection: &Connection, what: &str) -> SqlResult<()> {
    connection.prepare_cached("update revisions set value = value + 1 where name = ?1")?.execute([what])?;
    Ok(())
}

pub(crate) fn revision(connection: &Connection) -> SqlResult<Revision> {
    let mut statement = connection.prepare_cached("select name, value from revisions")?;
    let mut rows = statement.query(())?;
    let mut revision = Revision::default();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        match name.as_str() {
            "directory" => revision.directory = row.get(1)?,
            "templates" => revision.templates = row.get(1)?,
            _ => {}
        }
    }
    Ok(revision)
}

pub(crate) fn read(connection: &Connection, sealer: &Sealer) -> SqlResult<Directory> {
    Ok(Directory {
        revision: revision(connection)?,
        workspaces: workspaces(connection)?,
        accounts: accounts(connection, sealer)?,
        webhooks: endpoints::all(connection, sealer)?,
        keys: keys(connection)?,
    })
}

fn workspaces(connection: &Connection) -> SqlResult<BTreeMap<WorkspaceId, String>> {
    let mut statement = connection.prepare_cached("select id, name from workspaces")?;
    let mut rows = statement.query(())?;
    let mut workspaces = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("workspaces", row);
        workspaces.insert(cells.id()?, cells.get()?);
    }
    Ok(workspaces)
}

/// Where a secret of an account is sealed for.
fn place(id: AccountId, column: &str) -> String {
    format!("accounts/{id}/{column}")
}

fn accounts(connection: &Connection, sealer: &Sealer) -> SqlResult<Vec<Arc<AccountRecord>>> {
    let mut statement = connection.prepare_cached(
        "select id, workspace_id, name, phone_number_id, waba_id, display_phone_number, quality_rating,
                messaging_limit_tier, status, status_reason, is_default, is_sandbox, fetches_links,
                access_token, app_secret, verify_token_digest, old_app_secret, old_app_secret_until
         from accounts where removed_at is null order by seq",
    )?;
    let mut rows = statement.query(())?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("accounts", row);
        let account = Account {
            id: cells.id()?,
            workspace: cells.id()?,
            name: cells.get()?,
            phone_number_id: cells.get()?,
            waba_id: cells.get()?,
            display_phone_number: cells.get()?,
            quality_rating: cells.get()?,
            messaging_limit_tier: cells.get()?,
            status: cells.word()?,
            status_reason: cells.get()?,
            is_default: cells.flag()?,
            is_sandbox: cells.flag()?,
            fetches_links: cells.get()?,
        };
        let id = account.id;
        let open = |column, sealed: Option<Vec<u8>>| -> SqlResult<Option<SecretString>> {
            Ok(sealed.map(|sealed| sealer.open(&place(id, column), &sealed)).transpose()?)
        };
        let access_token = open("access_token", cells.get()?)?.unwrap_or_default();
        let app_secret = open("app_secret", cells.get()?)?;
        let verify_token_digest = cells.get()?;
        let old_app_secret = open("old_app_secret", cells.get()?)?.zip(cells.opt_at()?);
        accounts.push(Arc::new(AccountRecord {
            account,
            access_token,
            app_secret,
            old_app_secret,
            verify_token_digest,
        }));
    }
    Ok(accounts)
}

const KEY_COLUMNS: &str = "seq, id, owner_id, workspace_id, name, prefix, digest, scopes, accounts, is_test, \
    rate_per_minute, rate_burst, expires_at, revoked_at, replaced_by, created_at, last_used_at";

fn keys(connection: &Connection) -> SqlResult<BTreeMap<[u8; 32], Arc<ApiKey>>> {
    let mut statement =
        connection.prepare_cached(&format!("select {KEY_COLUMNS} from api_keys order by seq"))?;
    let mut rows = statement.query(())?;
    let mut keys = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("api_keys", row);
        let _seq: i64 = cells.get()?;
        let key = key(&mut cells)?;
        keys.insert(key.digest, Arc::new(key));
    }
    Ok(keys)
}

fn key(cells: &mut Cells<'_>) -> SqlResult<ApiKey> {
    Ok(ApiKey {
        id: cells.id()?,
        owner: cells.id()?,
        workspace: cells.id()?,
        name: cells.get()?,
        prefix: cells.get()?,
        digest: cells.get()?,
        scopes: words(cells)?,
        accounts: words(cells)?,
        is_test: cells.flag()?,
        rate_per_minute: cells.get()?,
        rate_burst: cells.get()?,
        expires_at: cells.opt_at()?,
        revoked_at: cells.opt_at()?,
        replaced_by: cells.get::<Option<[u8; 16]>>()?.map(KeyId::from_bytes),
        created_at: cells.at()?,
        last_used_at: cells.opt_at()?,
    })
}

pub(crate) fn key_page(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &KeyFilter,
    page: PageRequest,
) -> SqlResult<Page<ApiKey>> {
    let mut list = List::of("api_keys", KEY_COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]).with("revoked_at is null", []);
    if let Some(id) = &filter.id {
        list.with("id = ?", [bytes(id.as_bytes())]);
    }
    if let Some(search) = &filter.search {
        let found = containing(search);
        list.with("(name like ? escape '\\' or prefix like ? escape '\\')", [found.clone(), found]);
    }
    list.page(connection, page, key)
}

/// A JSON list of words of a closed list, or of ids.
pub(crate) fn words<T: std::str::FromStr>(cells: &mut Cells<'_>) -> SqlResult<Vec<T>> {
    let words: Vec<String> = cells.json()?;
    words.into_iter().map(|word| word.parse().map_err(|_| cells.corrupt(word))).collect()
}

pub(crate) fn account_add(
    connection: &Connection,
    sealer: &Sealer,
    new: &NewAccount,
    act: &AuditEntry,
) -> SqlResult<()> {
    let AccountRecord { account, access_token, app_secret, verify_token_digest, .. } = &new.record;
    if account.is_default {
        connection
            .prepare_cached("update accounts set is_default = 0 where workspace_id = ?1 and is_default = 1")?
            .execute([account.workspace.as_bytes()])?;
    }
    let seal = |column, secret| sealer.seal(&place(account.id, column), secret);
    connection
        .prepare_cached(
            "insert into accounts (
                 id, workspace_id, name, phone_number_id, waba_id, display_phone_number, quality_rating,
                 messaging_limit_tier, access_token, app_secret, verify_token_digest, status, status_reason,
                 is_default, is_sandbox, fetches_links, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)",
        )?
        .execute(params![
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
    audit::write(connection, act)?;
    bump(connection, "directory")
}

/// Removes an account, unless messages wait in its queue.
pub(crate) fn account_remove(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    is_forced: bool,
    act: &AuditEntry,
) -> SqlResult<Removal> {
    let keys = (workspace.as_bytes(), id.as_bytes());
    let known: Option<(bool, bool)> = connection
        .prepare_cached(
            "select is_default, is_sandbox from accounts
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row(keys, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((was_default, is_sandbox)) = known else { return Ok(Removal::NotFound) };
    let n_waiting = queue_depth::of(connection, id)?;
    if n_waiting > 0 && !is_forced {
        return Ok(Removal::Busy(n_waiting));
    }
    connection
        .prepare_cached(
            "update accounts
             set removed_at = ?3, updated_at = ?3, access_token = null, app_secret = null,
                 old_app_secret = null, old_app_secret_until = null, verify_token_digest = null, is_default = 0
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((keys.0, keys.1, micros(act.at)))?;
    if was_default {
        // Never from live to sandbox or back: what was meant for customers must not end in the simulator.
        connection
            .prepare_cached(
                "update accounts set is_default = 1, updated_at = ?3
                 where seq = (select min(seq) from accounts
                              where workspace_id = ?1 and is_sandbox = ?2 and removed_at is null)",
            )?
            .execute((keys.0, is_sandbox, micros(act.at)))?;
    }
    audit::write(connection, act)?;
    bump(connection, "directory")?;
    Ok(Removal::Removed)
}

/// Changes an account. `false`: there is none.
pub(crate) fn account_change(
    connection: &Connection,
    sealer: &Sealer,
    (workspace, id): (WorkspaceId, AccountId),
    changes: &AccountChanges,
    act: &AuditEntry,
) -> SqlResult<bool> {
    if described(connection, workspace, id)?.is_none() {
        return Ok(false);
    }
    let keys = (workspace.as_bytes(), id.as_bytes());
    if changes.is_default == Some(true) {
        connection
            .prepare_cached("update accounts set is_default = 0 where workspace_id = ?1 and is_default = 1")?
            .execute([workspace.as_bytes()])?;
    }
    if !matches!(changes.app_secret, Patch::Keep) {
        replace_secret(connection, sealer, (workspace, id), changes.old_app_secret_until)?;
    }
    let seal = |column, secret| sealer.seal(&place(id, column), secret);
    let token = changes.access_token.as_ref().map(|token| seal("access_token", token)).transpose()?;
    let app_secret = match &changes.app_secret {
        Patch::Set(secret) => Some(seal("app_secret", secret)?),
        Patch::Keep | Patch::Clear => None,
    };
    let digest = match &changes.verify_token_digest {
        Patch::Set(digest) => Some(*digest),
        Patch::Keep | Patch::Clear => None,
    };
    let fetches_links = match changes.fetches_links {
        Patch::Set(fetches) => Some(fetches),
        Patch::Keep | Patch::Clear => None,
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
        .execute(params![
            keys.0,
            keys.1,
            changes.name,
            token,
            !matches!(changes.app_secret, Patch::Keep),
            app_secret,
            !matches!(changes.verify_token_digest, Patch::Keep),
            digest,
            changes.is_default,
            micros(act.at),
            !matches!(changes.fetches_links, Patch::Keep),
            fetches_links,
        ])?;
    if let Some(reason) = &changes.lifts_hold {
        let n_lifted = connection
            .prepare_cached(
                "update accounts set status = 'connected', status_reason = null, suspension_cause = null
                 where workspace_id = ?1 and id = ?2 and removed_at is null and status = 'held'
                   and status_reason = ?3 and coalesce(suspension_cause, ?4) = ?4",
            )?
            .execute((keys.0, keys.1, reason, REFUSED))?;
        if n_lifted > 0 {
            event_payloads::account(
                connection,
                (workspace, id),
                AccountChange::Status,
                (None, None),
                act.at,
            )?;
        }
    }
    audit::write(connection, act)?;
    bump(connection, "directory")?;
    Ok(true)
}

/// The secret that is about to be replaced or cleared lives on until a time, if one is given.
fn replace_secret(
    connection: &Connection,
    sealer: &Sealer,
    (workspace, id): (WorkspaceId, AccountId),
    until: Option<Timestamp>,
) -> SqlResult<()> {
    let sealed: Option<Option<Vec<u8>>> = connection
        .prepare_cached("select app_secret from accounts where workspace_id = ?1 and id = ?2")?
        .query_row((workspace.as_bytes(), id.as_bytes()), |row| row.get(0))
        .optional()?;
    // A sealed value is bound to its column: it is sealed anew for the other one.
    let old = match sealed.flatten().filter(|_| until.is_some()) {
        Some(sealed) => {
            let secret = sealer.open(&place(id, "app_secret"), &sealed)?;
            Some(sealer.seal(&place(id, "old_app_secret"), &secret)?)
        }
        None => None,
    };
    connection
        .prepare_cached(
            "update accounts set old_app_secret = ?3, old_app_secret_until = ?4
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), id.as_bytes(), &old, old.as_ref().and(until).map(micros)))?;
    Ok(())
}

pub(crate) fn account_hold(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    reason: Option<&str>,
    act: &AuditEntry,
) -> SqlResult<()> {
    let status = if reason.is_some() { "held" } else { "connected" };
    let n_rows = connection
        .prepare_cached(
            "update accounts
             set status = ?3, status_reason = ?4, updated_at = ?5,
                 suspension_cause = case when ?4 is not null then coalesce(suspension_cause, ?6) end
             where workspace_id = ?1 and id = ?2 and removed_at is null
               and (status <> ?3 or status_reason is not ?4)",
        )?
        .execute((workspace.as_bytes(), id.as_bytes(), status, reason, micros(act.at), REFUSED))?;
    if n_rows == 0 {
        return Ok(());
    }
    event_payloads::account(connection, (workspace, id), AccountChange::Status, (None, None), act.at)?;
    audit::write(connection, act)?;
    bump(connection, "directory")
}

pub(crate) fn account_describe(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    number: &NumberInfo,
    now: Timestamp,
) -> SqlResult<()> {
    let before = described(connection, workspace, id)?;
    connection
        .prepare_cached(
            "update accounts
             set display_phone_number = coalesce(?3, display_phone_number),
                 verified_name = coalesce(?4, verified_name), quality_rating = coalesce(?5, quality_rating),
                 messaging_limit_tier = coalesce(?6, messaging_limit_tier), updated_at = ?7
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((
            workspace.as_bytes(),
            id.as_bytes(),
            &number.display_phone_number,
            &number.verified_name,
            &number.quality_rating,
            &number.messaging_limit_tier,
            micros(now),
        ))?;
    let after = described(connection, workspace, id)?;
    if before == after {
        return Ok(());
    }
    let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
    let changes =
        [AccountChange::Name, AccountChange::Quality, AccountChange::MessagingLimit].into_iter().enumerate();
    for (i, change) in changes {
        // What was not known before has not changed.
        if before.get(i).is_some_and(Option::is_some) && before.get(i) != after.get(i) {
            event_payloads::account(connection, (workspace, id), change, (None, None), now)?;
        }
    }
    bump(connection, "directory")
}

/// What Meta says of a number, as far as changes are told: its name, quality and limit; and how it is written.
fn described(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
) -> SqlResult<Option<[Option<String>; 4]>> {
    let mut statement = connection.prepare_cached(
        "select verified_name, quality_rating, messaging_limit_tier, display_phone_number
         from accounts where workspace_id = ?1 and id = ?2 and removed_at is null",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
}

pub(crate) fn key_add(connection: &Connection, key: &ApiKey, act: &AuditEntry) -> SqlResult<()> {
    key_insert(connection, key)?;
    audit::write(connection, act)?;
    bump(connection, "directory")
}

/// Puts a key in the place of another. `false`: that one is gone, over or was replaced before.
pub(crate) fn key_rotate(connection: &Connection, rotation: &Rotation, act: &AuditEntry) -> SqlResult<bool> {
    let Rotation { new, old, old_expires_at, now } = rotation;
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
    key_insert(connection, new)?;
    audit::write(connection, act)?;
    bump(connection, "directory")?;
    Ok(true)
}

fn key_insert(connection: &Connection, key: &ApiKey) -> SqlResult<()> {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let accounts: Vec<_> = key.accounts.iter().map(AccountId::to_string).collect();
    connection
        .prepare_cached(
            "insert into api_keys (
                 id, owner_id, workspace_id, name, prefix, digest, scopes, accounts, is_test, rate_per_minute,
                 rate_burst, created_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
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
        ])?;
    Ok(())
}

pub(crate) fn key_revoke(
    connection: &Connection,
    workspace: WorkspaceId,
    id: KeyId,
    act: &AuditEntry,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update api_keys set revoked_at = ?3 where workspace_id = ?1 and id = ?2 and revoked_at is null",
        )?
        .execute((workspace.as_bytes(), id.as_bytes(), micros(act.at)))?;
    if n_rows == 1 {
        audit::write(connection, act)?;
    }
    bump(connection, "directory")?;
    Ok(n_rows == 1)
}

/// Adds a workspace.
pub(crate) fn workspace_add(
    connection: &Connection,
    id: WorkspaceId,
    name: &str,
    act: &AuditEntry,
) -> SqlResult<()> {
    connection
        .prepare_cached("insert into workspaces (id, name, created_at) values (?1, ?2, ?3)")?
        .execute((id.as_bytes(), name, micros(act.at)))?;
    audit::write(connection, act)?;
    bump(connection, "directory")
}

pub(crate) fn keys_used(connection: &Connection, used: &[(KeyId, Timestamp)]) -> SqlResult<()> {
    let mut statement = connection.prepare_cached(
        "update api_keys set last_used_at = max(coalesce(last_used_at, 0), ?2) where id = ?1",
    )?;
    for (id, at) in used {
        statement.execute((id.as_bytes(), micros(*at)))?;
    }
    Ok(())
}
