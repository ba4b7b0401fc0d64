//! Sessions of users: login, authentication, logout, expiry.
//!
//! **Invariant:** an unknown user, a wrong password and a disabled user give the same response after the same time.
//!
//! **Invariant:** the secret of a session is not stored, only its SHA-256 digest. Each request reads the session from the
//! store, therefore a session that ends is rejected by all processes at once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::access::login_throttle::LoginAttempt;
use domain::access::user::User;
use domain::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::audit_context::user_actor;
use crate::access::base32::base32;
use crate::ports::{
    CredentialsQuery, NewSession, PasswordError, PasswordQueue, SessionDigest, StoreError, UserCredentials,
};
use crate::{AuditContext, Deps};

/// Number of characters of a session's secret: 32 bytes in base32.
const SECRET_CHARS: usize = 52;
/// Maximum number of expired sessions that one call deletes.
const EXPIRE_BATCH: u32 = 500;
/// Maximum number of sessions whose last use is remembered between two writes to the store.
const MAX_REMEMBERED_SESSIONS: usize = 10_000;

/// Session of a user.
#[derive(Clone)]
pub struct Session {
    /// User of the session.
    pub user: User,
    /// SHA-256 digest of the secret, by which the store finds the session.
    pub digest: SessionDigest,
    /// Required value of the header `X-CSRF-Token`.
    pub csrf_token: String,
    /// Time at which the session expires without a further request.
    pub ends_at: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user.id).finish_non_exhaustive()
    }
}

impl Session {
    /// Returns `true` if the value is the CSRF token of the session. Compares in constant time.
    pub fn is_csrf_token(&self, presented: &[u8]) -> bool {
        self.csrf_token.as_bytes().ct_eq(presented).into()
    }
}

/// Request to log in.
#[derive(Debug)]
pub struct LoginRequest {
    /// E-mail address in the normalized form that is unique in a workspace.
    pub email: String,
    /// Password.
    pub password: SecretString,
    /// Name of the workspace; `None` searches all workspaces.
    pub workspace: Option<String>,
    /// Client address of the request.
    pub client: Option<IpAddr>,
    /// `X-Request-Id` of the request.
    pub request_id: Arc<str>,
}

/// Reason why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown user, wrong password, or disabled user.
    #[error("the credentials are invalid")]
    InvalidCredentials,
    /// Too many failed logins. The next login is possible at this time.
    #[error("too many failed logins")]
    TooManyFailures(Timestamp),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a session. The returned secret cannot be read again.
///
/// # Errors
/// The login failed; see [`LoginError`].
pub async fn log_in(deps: &Deps, request: LoginRequest) -> Result<(Session, SecretString), LoginError> {
    let LoginRequest { email, password, workspace, client, request_id } = request;
    let attempt = LoginAttempt::new(email.clone(), client);
    begin_attempt(deps, &attempt)?;
    let credentials = match find_credentials(deps, email, workspace.as_deref()).await {
        Ok(credentials) => credentials,
        Err(error) => {
            cancel_attempt(deps, &attempt);
            return Err(error.into());
        }
    };
    let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let is_verified = verify(deps, &attempt, password, hash, PasswordQueue::Others).await?;
    let credentials = credentials
        .filter(|credentials| is_verified && !credentials.user.is_disabled)
        .ok_or(LoginError::InvalidCredentials)?;
    deps.logins.throttle().succeed(&attempt);

    let now = deps.now();
    let mut random = [0; 32];
    deps.random.fill(&mut random);
    let secret = SecretString::from(base32(&random));
    let digest = digest(&secret);
    let user = User { last_login_at: Some(now), ..credentials.user };
    let audit = AuditContext { actor: user_actor(&user), client, request_id: Some(request_id) };
    let subject = AuditTarget::named(AuditTargetKind::User, &user.id, user.email.as_str());
    let entry = audit.entry(deps, user.workspace, AuditAction::UserLoggedIn, subject);
    let new = NewSession {
        digest,
        workspace: user.workspace,
        user: user.id,
        password_hash: credentials.password_hash,
        now,
    };
    if !deps.users.insert_session(new, entry).await? {
        return Err(LoginError::InvalidCredentials);
    }
    let ends_at = deps.settings.sessions.ends_at(now, now);
    Ok((Session { user, digest, csrf_token: csrf_token(&secret), ends_at }, secret))
}

/// Returns the user with this e-mail address and the hash of the user's password.
async fn find_credentials(
    deps: &Deps,
    email: String,
    workspace: Option<&str>,
) -> Result<Option<UserCredentials>, StoreError> {
    let directory = deps.directory.current();
    let only = match workspace.map(|name| directory.workspace(name)) {
        // The workspace is unknown. The caller hashes the password all the same, so that the response takes as long.
        Some(None) => return Ok(None),
        only => only.flatten(),
    };
    let preferred = directory.workspace("default");
    deps.users.get_user_credentials(&CredentialsQuery::Email { email, only, preferred }).await
}

/// Verifies a password, within the limit of failed logins.
///
/// # Errors
/// `TooManyFailures`, `Password`.
pub(crate) async fn verify_password(
    deps: &Deps,
    attempt: &LoginAttempt,
    password: SecretString,
    hash: Option<String>,
) -> Result<bool, LoginError> {
    begin_attempt(deps, attempt)?;
    let is_verified = verify(deps, attempt, password, hash, PasswordQueue::Known).await?;
    if is_verified {
        deps.logins.throttle().succeed(attempt);
    }
    Ok(is_verified)
}

fn begin_attempt(deps: &Deps, attempt: &LoginAttempt) -> Result<(), LoginError> {
    let mut throttle = deps.logins.throttle();
    throttle.begin(attempt, deps.now()).map_err(LoginError::TooManyFailures)
}

fn cancel_attempt(deps: &Deps, attempt: &LoginAttempt) {
    deps.logins.throttle().cancel(attempt);
}

async fn verify(
    deps: &Deps,
    attempt: &LoginAttempt,
    password: SecretString,
    hash: Option<String>,
    queue: PasswordQueue,
) -> Result<bool, LoginError> {
    deps.passwords.verify(password, hash, queue).await.map_err(|error| {
        cancel_attempt(deps, attempt);
        error.into()
    })
}

/// Authenticates the secret of a session. Returns `None` if the session does not exist or has expired.
///
/// # Errors
/// The store cannot be read.
pub async fn authenticate(deps: &Deps, presented: &str) -> Result<Option<Session>, StoreError> {
    let is_secret = presented.len() == SECRET_CHARS
        && presented.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !is_secret {
        // The cookie is not a secret of this program: the store is not read.
        return Ok(None);
    }
    let secret = SecretString::from(presented);
    let digest = digest(&secret);
    let Some(stored) = deps.users.get_session(&digest).await? else { return Ok(None) };
    let now = deps.now();
    let (created_at, mut last_used_at) = (stored.created_at, stored.last_used_at);
    let mut last_used = deps.logins.last_used();
    if let Some(at) = last_used.get(&digest) {
        last_used_at = last_used_at.max(*at);
    }
    if stored.user.is_disabled || deps.settings.sessions.ends_at(created_at, last_used_at) <= now {
        return Ok(None);
    }
    if last_used.len() < MAX_REMEMBERED_SESSIONS || last_used.contains_key(&digest) {
        last_used.insert(digest, now);
    }
    let ends_at = deps.settings.sessions.ends_at(created_at, now);
    Ok(Some(Session { user: stored.user, digest, csrf_token: csrf_token(&secret), ends_at }))
}

/// Ends a session.
///
/// # Errors
/// The store cannot be written.
pub async fn log_out(deps: &Deps, session: &Session) -> Result<(), StoreError> {
    deps.users.delete_session(session.user.workspace, &session.digest).await
}

/// Writes the times at which sessions were last used to the store, and deletes expired sessions.
///
/// # Errors
/// The store cannot be written. The next call writes the same times.
pub async fn update_last_used(deps: &Deps) -> Result<(), StoreError> {
    let used: Vec<_> = {
        let last_used = deps.logins.last_used();
        last_used.iter().map(|(digest, at)| (*digest, *at)).collect()
    };
    if !used.is_empty() {
        deps.users.update_sessions_last_used(&used).await?;
        let mut unwritten = deps.logins.last_used();
        unwritten.retain(|digest, at| !used.contains(&(*digest, *at)));
    }
    let ago = |span: SignedDuration| deps.now().saturating_sub(span).unwrap_or(Timestamp::MIN);
    let lifetime = deps.settings.sessions;
    deps.users.expire_sessions(ago(lifetime.absolute), ago(lifetime.idle), EXPIRE_BATCH).await
}

fn digest(secret: &SecretString) -> SessionDigest {
    Sha256::digest(secret.expose_secret()).into()
}

/// Derives the CSRF token from the secret of the session. The secret cannot be computed from the token.
fn csrf_token(secret: &SecretString) -> String {
    let digest = Sha256::new().chain_update("waypost csrf\0").chain_update(secret.expose_secret()).finalize();
    base32(&digest)
}

/// Returns the name of a workspace; empty if the workspace is unknown.
pub fn workspace_name(deps: &Deps, workspace: WorkspaceId) -> String {
    deps.directory.current().workspaces.get(&workspace).cloned().unwrap_or_default()
}
