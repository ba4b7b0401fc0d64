//! Users.

use domain::access::audit::AuditEntry;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{UserId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::row::{Cells, SelectRow as _, columns, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::sqlite::page::{ListQuery, Order, bytes, containing, text};

use engine::ports::{
    CredentialsQuery, Page, PageRequest, UpdateUserResult, UserCredentials, UserFilter, UserUpdate,
};

columns! {
    COLUMNS, read -> User {
        id: id "id",
        workspace: id "workspace_id",
        email: parsed "email",
        name: get "name",
        role: parsed "role",
        is_disabled: flag "is_disabled",
        created_at: at "created_at",
        updated_at: at "updated_at",
        last_login_at: opt_at "last_login_at",
    }
}

pub(crate) fn insert_user(
    connection: &Connection,
    user: &User,
    password_hash: &str,
    entry: &AuditEntry,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into users (
                 id, workspace_id, email, email_key, name, role, password_hash, is_disabled, created_at,
                 updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute_one(params![
            user.id.as_bytes(),
            user.workspace.as_bytes(),
            user.email.as_str(),
            user.email.key(),
            user.name,
            user.role.as_str(),
            password_hash,
            user.is_disabled,
            micros(user.created_at),
            micros(user.updated_at),
        ])?;
    audit::insert_entry(connection, entry)
}

pub(crate) fn list_users(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &UserFilter,
    page: PageRequest,
) -> SqlResult<Page<User>> {
    let mut list = ListQuery::new("users", COLUMNS, Order::OldestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    if let Some(id) = &filter.id {
        list.with("id = ?", [bytes(id.as_bytes())]);
    }
    if let Some(email) = &filter.email {
        list.with("email_key = ?", [text(email)]);
    }
    if let Some(role) = filter.role {
        list.with("role = ?", [text(role.as_str())]);
    }
    if let Some(search) = &filter.search {
        let found = containing(search);
        list.with("(name like ? escape '\\' or email like ? escape '\\')", [found.clone(), found]);
    }
    list.read_page(connection, page, read)
}

pub(crate) fn get_user(
    connection: &Connection,
    workspace: WorkspaceId,
    id: UserId,
) -> SqlResult<Option<User>> {
    let sql = format!("select {COLUMNS} from users where workspace_id = ?1 and id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("users", row);
    read(&mut cells).map(Some)
}

/// Returns `true` if the workspace has another owner who may log in.
fn has_another_owner(connection: &Connection, user: &User) -> SqlResult<bool> {
    let found = connection
        .prepare_cached(
            "select exists (
                 select 1 from users where workspace_id = ?1 and role = 'owner' and is_disabled = 0 and id <> ?2)",
        )?
        .query_row((user.workspace.as_bytes(), user.id.as_bytes()), |row| row.get(0))?;
    Ok(found)
}

fn is_active_owner(user: &User) -> bool {
    user.role == Role::Owner && !user.is_disabled
}

fn delete_sessions(connection: &Connection, user: &User) -> SqlResult<()> {
    connection
        .prepare_cached("delete from sessions where workspace_id = ?1 and user_id = ?2")?
        .execute_any((user.workspace.as_bytes(), user.id.as_bytes()))
}

pub(crate) fn update_user(
    connection: &Connection,
    change: &UserUpdate,
    entry: &AuditEntry,
) -> SqlResult<UpdateUserResult> {
    let Some(before) = get_user(connection, change.workspace, change.id)? else {
        return Ok(UpdateUserResult::NotFound);
    };
    if before.role != change.expected_role {
        return Ok(UpdateUserResult::Stale);
    }
    let after = User {
        email: change.email.clone().unwrap_or_else(|| before.email.clone()),
        name: change.name.clone().unwrap_or_else(|| before.name.clone()),
        role: change.role.unwrap_or(before.role),
        is_disabled: change.is_disabled.unwrap_or(before.is_disabled),
        updated_at: change.now,
        ..before.clone()
    };
    if is_active_owner(&before) && !is_active_owner(&after) && !has_another_owner(connection, &before)? {
        return Ok(UpdateUserResult::LastOwner);
    }
    connection
        .prepare_cached(
            "update users
             set email = ?3, email_key = ?4, name = ?5, role = ?6, is_disabled = ?7,
                 password_hash = coalesce(?8, password_hash), updated_at = ?9
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one(params![
            change.workspace.as_bytes(),
            change.id.as_bytes(),
            after.email.as_str(),
            after.email.key(),
            after.name,
            after.role.as_str(),
            after.is_disabled,
            change.password_hash,
            micros(change.now),
        ])?;
    if after.is_disabled || change.password_hash.is_some() {
        delete_sessions(connection, &after)?;
    }
    audit::insert_entry(connection, entry)?;
    Ok(UpdateUserResult::Updated(after))
}

pub(crate) fn delete_user(
    connection: &Connection,
    workspace: WorkspaceId,
    id: UserId,
    expected_role: Role,
    entry: &AuditEntry,
) -> SqlResult<UpdateUserResult> {
    let Some(user) = get_user(connection, workspace, id)? else { return Ok(UpdateUserResult::NotFound) };
    if user.role != expected_role {
        return Ok(UpdateUserResult::Stale);
    }
    if is_active_owner(&user) && !has_another_owner(connection, &user)? {
        return Ok(UpdateUserResult::LastOwner);
    }
    delete_sessions(connection, &user)?;
    connection
        .prepare_cached("delete from users where workspace_id = ?1 and id = ?2")?
        .execute_one((workspace.as_bytes(), id.as_bytes()))?;
    audit::insert_entry(connection, entry)?;
    Ok(UpdateUserResult::Updated(user))
}

row! {
    struct UserKeyRow {
        workspace: WorkspaceId = id "workspace_id",
        id: UserId = id "id",
    } from "users
        where email_key = ?1 and (?2 is null or workspace_id = ?2)
        order by workspace_id is ?3 desc, seq limit 1"
}

pub(crate) fn get_credentials(
    connection: &Connection,
    query: &CredentialsQuery,
) -> SqlResult<Option<UserCredentials>> {
    let key = match query {
        CredentialsQuery::Id(workspace, id) => Some(UserKeyRow { workspace: *workspace, id: *id }),
        CredentialsQuery::Email { email, only, preferred } => UserKeyRow::find(
            connection,
            (email, only.as_ref().map(WorkspaceId::as_bytes), preferred.as_ref().map(WorkspaceId::as_bytes)),
        )?,
    };
    let Some(UserKeyRow { workspace, id }) = key else { return Ok(None) };
    let Some(user) = get_user(connection, workspace, id)? else { return Ok(None) };
    let password_hash = connection
        .prepare_cached("select password_hash from users where workspace_id = ?1 and id = ?2")?
        .query_row((workspace.as_bytes(), id.as_bytes()), |row| row.get(0))?;
    Ok(Some(UserCredentials { user, password_hash }))
}
