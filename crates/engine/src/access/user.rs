//! Users: creation, changes, deletion.
//!
//! **Invariant:** a requester gives and takes only permissions that the requester has.

use std::net::IpAddr;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::access::login_throttle::LoginAttempt;
use domain::access::password::password_error;
use domain::access::permission::{Permission, Role};
use domain::access::user::{Email, User};
use domain::id::{UserId, WorkspaceId};
use domain::json::Value;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::access::caller::Caller;
use crate::access::session;
use crate::access::session::LoginError;
use crate::ports::{
    CredentialsQuery, PageRequest, PageStart, PasswordError, StoreError, StoreErrorKind, UpdateUserResult,
    UserFilter, UserUpdate,
};
use crate::{AuditContext, Deps};

/// Maximum number of attempts of a change. An attempt fails if the role of the user changed after it was read.
const MAX_ATTEMPTS: u32 = 3;

/// User to create.
#[derive(Debug)]
pub struct NewUser {
    /// E-mail address, used to log in.
    pub email: Email,
    /// Display name.
    pub name: Option<String>,
    /// Role.
    pub role: Role,
    /// Password.
    pub password: SecretString,
}

/// Request to change a user; `None` leaves a value unchanged.
#[derive(Debug, Default)]
pub struct UpdateUserRequest {
    /// New e-mail address.
    pub email: Option<Email>,
    /// New display name; `Some(None)` deletes the name.
    pub name: Option<Option<String>>,
    /// New role.
    pub role: Option<Role>,
    /// `true` disables the user, `false` enables the user.
    pub is_disabled: Option<bool>,
    /// New password.
    pub password: Option<SecretString>,
    /// Current password; required if users change their own password.
    pub current_password: Option<SecretString>,
}

/// Reason why a user was not created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The user does not exist.
    #[error("the user does not exist")]
    NotFound,
    /// Another user of the workspace has the e-mail address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The user is the last owner of the workspace.
    #[error("the user is the last owner of the workspace")]
    LastOwner,
    /// The requester does not have this permission.
    #[error("the permission `{}` is required", .0.as_str())]
    MissingPermission(Permission),
    /// The role has permissions that the requester does not have.
    #[error("the role `{}` has permissions that the requester does not have", .0.as_str())]
    RoleExceedsRequester(Role),
    /// The requester is a key that may not use all accounts; users may use all accounts.
    #[error("the key may not use all accounts")]
    RestrictedKey,
    /// The request has no current password.
    #[error("the current password is required")]
    CurrentPasswordRequired,
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The current password was wrong too often. The next attempt is possible at this time.
    #[error("the current password was wrong too often")]
    TooManyFailures(Timestamp),
    /// The new password is not allowed, with the reason, to be read after the name of the field.
    #[error("the password {0}")]
    PasswordNotAllowed(String),
    /// The password could not be hashed.
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
            StoreErrorKind::Unavailable
            | StoreErrorKind::TooExpensive
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Bug => Self::Store(error),
        }
    }
}

/// Caller that requests a change of users. The command line has all permissions.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// Caller of the API; `None` for the command line.
    pub caller: Option<&'a Caller>,
    /// Audit context of the request.
    pub audit: &'a AuditContext,
}

impl Requester<'_> {
    fn require_permission(&self, permission: Permission) -> Result<(), UserError> {
        match self.caller {
            Some(caller) if !caller.has_permission(permission) => {
                Err(UserError::MissingPermission(permission))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn is_user(&self, id: UserId) -> bool {
        matches!(self.caller, Some(Caller::User(session)) if session.user.id == id)
    }

    /// Checks that the requester has all permissions of the role.
    ///
    /// Exception: a requester with all permissions that a key can have may create the first owner of a workspace.
    async fn require_role(&self, deps: &Deps, role: Role) -> Result<(), UserError> {
        let Some(caller) = self.caller else { return Ok(()) };
        if matches!(caller, Caller::Key(_)) && caller.visible_accounts(deps).is_some() {
            return Err(UserError::RestrictedKey);
        }
        let mut missing =
            role.permissions().filter(|permission| !caller.has_permission(*permission)).peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        let are_all_for_users_only = missing.all(|permission| permission.scopes().is_empty());
        if are_all_for_users_only && role == Role::Owner {
            let owners = UserFilter { role: Some(Role::Owner), ..UserFilter::default() };
            if deps.users.list_users(caller.workspace(), &owners, ONE_ROW).await?.total == 0 {
                return Ok(());
            }
        }
        Err(UserError::RoleExceedsRequester(role))
    }
}

const ONE_ROW: PageRequest = PageRequest { per_page: 1, start: PageStart::Page(1) };

fn entry(deps: &Deps, audit: &AuditContext, user: &User, action: AuditAction) -> AuditEntry {
    let subject = AuditTarget::named(AuditTargetKind::User, &user.id, user.email.as_str());
    audit.entry(deps, user.workspace, action, subject)
}

/// Checks a new password of the user with this e-mail address.
fn check_password(password: &SecretString, email: &Email) -> Result<(), UserError> {
    match password_error(password.expose_secret(), Some(email)) {
        Some(reason) => Err(UserError::PasswordNotAllowed(reason)),
        None => Ok(()),
    }
}

async fn hash(deps: &Deps, password: SecretString) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    deps.random.fill(&mut salt);
    deps.passwords.hash(password, salt).await
}

/// Returns a user.
///
/// # Errors
/// The store cannot be read.
pub async fn get_user(deps: &Deps, workspace: WorkspaceId, id: UserId) -> Result<Option<User>, StoreError> {
    let filter = UserFilter { id: Some(id), ..UserFilter::default() };
    Ok(deps.users.list_users(workspace, &filter, ONE_ROW).await?.rows.pop())
}

/// Creates a user.
///
/// # Errors
/// The user was not created; see [`UserError`].
pub async fn create_user(
    deps: &Deps,
    requester: Requester<'_>,
    workspace: WorkspaceId,
    new: NewUser,
) -> Result<User, UserError> {
    requester.require_permission(Permission::ManageUsers)?;
    requester.require_role(deps, new.role).await?;
    check_password(&new.password, &new.email)?;
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
    let entry = entry(deps, requester.audit, &user, AuditAction::UserAdded).with("role", user.role.as_str());
    deps.users.insert_user(user.clone(), &password_hash, entry).await?;
    Ok(user)
}

/// Changes a user. All sessions of the user end if the password changes or the user is disabled.
///
/// # Errors
/// The user was not changed; see [`UserError`].
pub async fn update_user(
    deps: &Deps,
    requester: Requester<'_>,
    workspace: WorkspaceId,
    id: UserId,
    mut request: UpdateUserRequest,
) -> Result<User, UserError> {
    let mut password_hash = None;
    for _ in 0..MAX_ATTEMPTS {
        let user = get_user(deps, workspace, id).await?.ok_or(UserError::NotFound)?;
        check_update(deps, requester, &user, &request).await?;
        if let Some(password) = request.password.take() {
            check_password(&password, request.email.as_ref().unwrap_or(&user.email))?;
            if requester.is_user(id) {
                let current = request.current_password.take().ok_or(UserError::CurrentPasswordRequired)?;
                verify_current_password(deps, &user, current, requester.audit.client).await?;
            }
            password_hash = Some(hash(deps, password).await?);
        }
        let update = UserUpdate {
            workspace,
            id,
            expected_role: user.role,
            email: request.email.clone(),
            name: request.name.clone(),
            role: request.role,
            is_disabled: request.is_disabled,
            password_hash: password_hash.clone(),
            now: deps.now(),
        };
        let entry = entry(deps, requester.audit, &user, AuditAction::UserChanged);
        let entry = with_changes(entry, &update);
        match deps.users.update_user(update, entry).await? {
            UpdateUserResult::Updated(user) => return Ok(user),
            UpdateUserResult::NotFound => return Err(UserError::NotFound),
            UpdateUserResult::LastOwner => return Err(UserError::LastOwner),
            UpdateUserResult::Stale => {}
        }
    }
    Err(UserError::NotFound)
}

/// Checks the permissions for a change. Users may change their own name and password. All other changes require the
/// permission to manage users, the permissions of the user's role and the permissions of the new role.
async fn check_update(
    deps: &Deps,
    requester: Requester<'_>,
    user: &User,
    request: &UpdateUserRequest,
) -> Result<(), UserError> {
    let is_own = requester.is_user(user.id);
    if !is_own || request.email.is_some() || request.role.is_some() || request.is_disabled.is_some() {
        requester.require_permission(Permission::ManageUsers)?;
        requester.require_role(deps, user.role).await?;
        if let Some(role) = request.role {
            requester.require_role(deps, role).await?;
        }
    }
    if request.password.is_some() && !is_own {
        requester.require_permission(Permission::ResetPasswords)?;
    }
    Ok(())
}

/// Verifies the current password of a user with the limit of failed logins: a stolen session does not allow faster guesses
/// of the password than the login.
async fn verify_current_password(
    deps: &Deps,
    user: &User,
    password: SecretString,
    client: Option<IpAddr>,
) -> Result<(), UserError> {
    let query = CredentialsQuery::Id(user.workspace, user.id);
    let credentials = deps.users.get_user_credentials(&query).await?;
    let hash = credentials.map(|credentials| credentials.password_hash);
    let attempt = LoginAttempt::new(user.email.key(), client);
    match session::verify_password(deps, &attempt, password, hash).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(UserError::WrongPassword),
        Err(LoginError::TooManyFailures(until)) => Err(UserError::TooManyFailures(until)),
        Err(LoginError::Password(error)) => Err(error.into()),
        Err(LoginError::Store(error)) => Err(error.into()),
        Err(LoginError::InvalidCredentials) => Err(UserError::WrongPassword),
    }
}

/// Adds the changed values to an audit entry.
fn with_changes(mut entry: AuditEntry, update: &UserUpdate) -> AuditEntry {
    if let Some(email) = &update.email {
        entry = entry.with("email", email.as_str());
    }
    if let Some(name) = &update.name {
        entry = entry.with("name", name.as_deref().map_or(Value::Null, Value::from));
    }
    if let Some(role) = update.role {
        entry = entry.with("role_before", update.expected_role.as_str()).with("role", role.as_str());
    }
    if let Some(is_disabled) = update.is_disabled {
        entry = entry.with("disabled", is_disabled);
    }
    if update.password_hash.is_some() {
        entry = entry.with("password", "changed");
    }
    entry
}

/// Deletes a user and all sessions of the user.
///
/// # Errors
/// The user was not deleted; see [`UserError`].
pub async fn delete_user(
    deps: &Deps,
    requester: Requester<'_>,
    workspace: WorkspaceId,
    id: UserId,
) -> Result<User, UserError> {
    for _ in 0..MAX_ATTEMPTS {
        let user = get_user(deps, workspace, id).await?.ok_or(UserError::NotFound)?;
        requester.require_permission(Permission::ManageUsers)?;
        requester.require_role(deps, user.role).await?;
        let entry =
            entry(deps, requester.audit, &user, AuditAction::UserRemoved).with("role", user.role.as_str());
        match deps.users.delete_user(workspace, id, user.role, entry).await? {
            UpdateUserResult::Updated(user) => return Ok(user),
            UpdateUserResult::NotFound => return Err(UserError::NotFound),
            UpdateUserResult::LastOwner => return Err(UserError::LastOwner),
            UpdateUserResult::Stale => {}
        }
    }
    Err(UserError::NotFound)
}
