//! Users: added, changed, removed, by somebody who may not give more than they have.

use std::net::IpAddr;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::access::login_throttle::LoginAttempt;
use domain::access::permission::{Permission, Role};
use domain::access::user::{Email, User};
use domain::id::{UserId, WorkspaceId};
use domain::json::Value;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::access::api_key::Caller;
use crate::access::session;
use crate::access::session::LoginError;
use crate::ports::{
    CredentialsQuery, PageRequest, PageStart, PasswordError, StoreError, StoreErrorKind, UpdateUserResult,
    UserFilter, UserUpdate,
};
use crate::{AuditContext, Deps};

/// How often a change is judged again because the user was given another role meanwhile.
const TRIES: u32 = 3;

/// A user to add.
#[derive(Debug)]
pub struct NewUser {
    /// The name to log in with.
    pub email: Email,
    /// What people call them.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The password.
    pub password: SecretString,
}

/// What shall be different about a user; `None` stays.
#[derive(Debug, Default)]
pub struct UserEdit {
    /// The address.
    pub email: Option<Email>,
    /// The name; `Some(None)` clears it.
    pub name: Option<Option<String>>,
    /// The role.
    pub role: Option<Role>,
    /// Whether the user may not log in.
    pub is_disabled: Option<bool>,
    /// The new password.
    pub password: Option<SecretString>,
    /// The password until now: whoever changes their own has to know it.
    pub current_password: Option<SecretString>,
}

/// Why a user is not added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// The address belongs to another user of the workspace.
    #[error("the address is taken")]
    EmailTaken,
    /// Without this user the workspace would have no owner.
    #[error("it is the last owner")]
    LastOwner,
    /// Whoever asks lacks this permission.
    #[error("{} is needed", .0.as_str())]
    Lacks(Permission),
    /// Whoever asks may do less than this role.
    #[error("the role `{}` exceeds whoever asks", .0.as_str())]
    Exceeds(Role),
    /// The key may not use every account, but a user may.
    #[error("the key may not use every account")]
    KeyOfSomeAccounts,
    /// The password until now is needed.
    #[error("the current password is needed")]
    NeedsPassword,
    /// It is another one.
    #[error("the current password is wrong")]
    WrongPassword,
    /// It was wrong too often: not before this time.
    #[error("the current password was wrong too often")]
    TooMany(Timestamp),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Conflict => Self::EmailTaken,
            StoreErrorKind::Unavailable | StoreErrorKind::Corrupt | StoreErrorKind::Bug => Self::Store(error),
        }
    }
}

/// Who asks. At the command line nobody is asked who they are.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The caller; `None` is the command line.
    pub caller: Option<&'a Caller>,
    /// For the audit log.
    pub audit: &'a AuditContext,
}

impl Asking<'_> {
    fn needs(&self, permission: Permission) -> Result<(), UserError> {
        match self.caller {
            Some(caller) if !caller.may(permission) => Err(UserError::Lacks(permission)),
            Some(_) | None => Ok(()),
        }
    }

    fn is(&self, id: UserId) -> bool {
        matches!(self.caller, Some(Caller::User(session)) if session.user.id == id)
    }

    /// Whether whoever asks may do all that the role may: else they would give or take what is not theirs.
    ///
    /// A workspace that has no owner gets its first from anybody who may do all that a key can.
    async fn covers(&self, deps: &Deps, role: Role) -> Result<(), UserError> {
        let Some(caller) = self.caller else { return Ok(()) };
        if matches!(caller, Caller::Key(_)) && caller.visible(deps).is_some() {
            return Err(UserError::KeyOfSomeAccounts);
        }
        let mut lacking = role.permissions().filter(|permission| !caller.may(*permission)).peekable();
        if lacking.peek().is_none() {
            return Ok(());
        }
        let is_all_but_owners = lacking.all(|permission| permission.scope().is_none());
        if is_all_but_owners && role == Role::Owner {
            let owners = UserFilter { role: Some(Role::Owner), ..UserFilter::default() };
            if deps.users.list_users(caller.workspace(), &owners, ONE).await?.total == 0 {
                return Ok(());
            }
        }
        Err(UserError::Exceeds(role))
    }
}

const ONE: PageRequest = PageRequest { per_page: 1, start: PageStart::Page(1) };

fn entry(deps: &Deps, audit: &AuditContext, user: &User, action: AuditAction) -> AuditEntry {
    let subject = AuditTarget::named(AuditTargetKind::User, &user.id, user.email.as_str());
    audit.entry(deps, user.workspace, action, subject)
}

async fn hash(deps: &Deps, password: SecretString) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    deps.random.fill(&mut salt);
    deps.passwords.hash(password, salt).await
}

/// One user.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(deps: &Deps, workspace: WorkspaceId, id: UserId) -> Result<Option<User>, StoreError> {
    let filter = UserFilter { id: Some(id), ..UserFilter::default() };
    Ok(deps.users.list_users(workspace, &filter, ONE).await?.rows.pop())
}

/// Adds a user.
///
/// # Errors
/// As [`UserError`] says.
pub async fn add(
    deps: &Deps,
    asking: Asking<'_>,
    workspace: WorkspaceId,
    new: NewUser,
) -> Result<User, UserError> {
    asking.needs(Permission::ManageUsers)?;
    asking.covers(deps, new.role).await?;
    let password_hash = hash(deps, new.password).await?;
    let now = deps.now();
    let user = User {
        id: deps.new_id(UserId::from_parts),
        workspace,
        email: new.email,
        name: new.name,
        role: new.role,
        is_disabled: false,
        created_at: now,
        updated_at: now,
        last_login_at: None,
    };
    let entry = entry(deps, asking.audit, &user, AuditAction::UserAdded).with("role", user.role.as_str());
    deps.users.insert_user(user.clone(), &password_hash, entry).await?;
    Ok(user)
}

/// Changes a user. A new password, and a user who may not log in any more, end all sessions.
///
/// # Errors
/// As [`UserError`] says; nothing was changed then.
pub async fn change(
    deps: &Deps,
    asking: Asking<'_>,
    (workspace, id): (WorkspaceId, UserId),
    mut edit: UserEdit,
) -> Result<User, UserError> {
    let mut password_hash = None;
    for _ in 0..TRIES {
        let user = find(deps, workspace, id).await?.ok_or(UserError::NotFound)?;
        may_change(deps, asking, &user, &edit).await?;
        if let Some(password) = edit.password.take() {
            if asking.is(id) {
                let current = edit.current_password.take().ok_or(UserError::NeedsPassword)?;
                check_password(deps, &user, current, asking.audit.client).await?;
            }
            password_hash = Some(hash(deps, password).await?);
        }
        let change = UserUpdate {
            workspace,
            id,
            seen_role: user.role,
            email: edit.email.clone(),
            name: edit.name.clone(),
            role: edit.role,
            is_disabled: edit.is_disabled,
            password_hash: password_hash.clone(),
            now: deps.now(),
        };
        let entry = describe(entry(deps, asking.audit, &user, AuditAction::UserChanged), &change);
        match deps.users.update_user(change, entry).await? {
            UpdateUserResult::Done(user) => return Ok(user),
            UpdateUserResult::Gone => return Err(UserError::NotFound),
            UpdateUserResult::LastOwner => return Err(UserError::LastOwner),
            UpdateUserResult::Stale => {}
        }
    }
    Err(UserError::NotFound)
}

/// A name and a password are one's own matter; the rest needs the right to manage users, over both the role that the user
/// has and the one that the user gets.
async fn may_change(deps: &Deps, asking: Asking<'_>, user: &User, edit: &UserEdit) -> Result<(), UserError> {
    let is_own = asking.is(user.id);
    if !is_own || edit.email.is_some() || edit.role.is_some() || edit.is_disabled.is_some() {
        asking.needs(Permission::ManageUsers)?;
        asking.covers(deps, user.role).await?;
        if let Some(role) = edit.role {
            asking.covers(deps, role).await?;
        }
    }
    if edit.password.is_some() && !is_own {
        asking.needs(Permission::ResetPasswords)?;
    }
    Ok(())
}

/// Whoever sits at somebody's open session does not know the password: it is guessed here no faster than at the door.
async fn check_password(
    deps: &Deps,
    user: &User,
    password: SecretString,
    client: Option<IpAddr>,
) -> Result<(), UserError> {
    let found = deps.users.get_user_credentials(&CredentialsQuery::Id(user.workspace, user.id)).await?;
    let hash = found.map(|found| found.password_hash);
    let attempt = LoginAttempt::new(user.email.key(), client);
    match session::try_password(deps, &attempt, password, hash).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(UserError::WrongPassword),
        Err(LoginError::TooMany(until)) => Err(UserError::TooMany(until)),
        Err(LoginError::Password(error)) => Err(error.into()),
        Err(LoginError::Store(error)) => Err(error.into()),
        Err(LoginError::Wrong) => Err(UserError::WrongPassword),
    }
}

fn describe(mut entry: AuditEntry, change: &UserUpdate) -> AuditEntry {
    if let Some(email) = &change.email {
        entry = entry.with("email", email.as_str());
    }
    if let Some(name) = &change.name {
        entry = entry.with("name", name.as_deref().map_or(Value::Null, Value::from));
    }
    if let Some(role) = change.role {
        entry = entry.with("role_before", change.seen_role.as_str()).with("role", role.as_str());
    }
    if let Some(is_disabled) = change.is_disabled {
        entry = entry.with("disabled", is_disabled);
    }
    if change.password_hash.is_some() {
        entry = entry.with("password", "changed");
    }
    entry
}

/// Removes a user with all sessions.
///
/// # Errors
/// As [`UserError`] says; nothing was removed then.
pub async fn remove(
    deps: &Deps,
    asking: Asking<'_>,
    workspace: WorkspaceId,
    id: UserId,
) -> Result<User, UserError> {
    for _ in 0..TRIES {
        let user = find(deps, workspace, id).await?.ok_or(UserError::NotFound)?;
        asking.needs(Permission::ManageUsers)?;
        asking.covers(deps, user.role).await?;
        let entry =
            entry(deps, asking.audit, &user, AuditAction::UserRemoved).with("role", user.role.as_str());
        match deps.users.delete_user(workspace, id, user.role, entry).await? {
            UpdateUserResult::Done(user) => return Ok(user),
            UpdateUserResult::Gone => return Err(UserError::NotFound),
            UpdateUserResult::LastOwner => return Err(UserError::LastOwner),
            UpdateUserResult::Stale => {}
        }
    }
    Err(UserError::NotFound)
}
