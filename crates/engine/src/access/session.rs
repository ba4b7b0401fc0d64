//! Logins: a password becomes a session, a session becomes a caller.
//!
//! **Invariant:** whether a name is unknown, the password wrong or the user switched off cannot be told apart, by the
//! answer or by the time that it takes.
//!
//! **Invariant:** the secret of a session is kept nowhere: its SHA-256 is, and that is asked for at each call, so that a
//! session ends everywhere at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::access::login_throttle::{LoginAttempt, LoginThrottle};
use domain::access::user::User;
use domain::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::api_key::{Caller, letters, user_actor};
use crate::ports::{CredentialsQuery, NewSession, PasswordError, SessionDigest, StoreError, UserCredentials};
use crate::{AuditContext, Deps};

/// How many characters a session's secret has: 32 bytes.
const SECRET_CHARS: usize = 52;
/// Sessions that are forgotten in one round.
const FORGET_BATCH: u32 = 500;
/// How many sessions in use are remembered between two rounds; each costs a little memory.
const REMEMBERED: usize = 10_000;

/// A session in use.
#[derive(Clone)]
pub struct Session {
    /// Who.
    pub user: User,
    /// Under what it is kept.
    pub digest: SessionDigest,
    /// What the header `X-CSRF-Token` has to carry.
    pub csrf_token: String,
    /// When it ends if nobody uses it any more.
    pub ends_at: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// The logins that failed of late, and the sessions in use.
#[derive(Default)]
pub struct LoginThrottles {
    throttle: Mutex<LoginThrottle>,
    seen: Mutex<BTreeMap<SessionDigest, Timestamp>>,
}

/// Somebody at the door.
#[derive(Debug)]
pub struct LoginRequest {
    /// The address, in the form under which it is unique.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The workspace's name.
    pub workspace: Option<String>,
    /// Where the call comes from.
    pub client: Option<IpAddr>,
    /// The `X-Request-Id` of the call.
    pub request_id: Arc<str>,
}

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong in any way.
    #[error("the credentials are wrong")]
    Wrong,
    /// Too many failures: not before this time.
    #[error("too many failures")]
    TooMany(Timestamp),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a session. Its secret is given out here and nowhere else.
///
/// # Errors
/// As [`LoginError`] says.
pub async fn log_in(deps: &Deps, request: LoginRequest) -> Result<(Session, SecretString), LoginError> {
    let LoginRequest { email, password, workspace, client, request_id } = request;
    let attempt = LoginAttempt::new(email.clone(), client);
    begin(deps, &attempt)?;
    let found = match candidate(deps, email, workspace.as_deref()).await {
        Ok(found) => found,
        Err(error) => {
            take_back(deps, &attempt);
            return Err(error.into());
        }
    };
    let hash = found.as_ref().map(|found| found.password_hash.clone());
    let is_right = verify(deps, &attempt, password, hash).await?;
    let found = found.filter(|found| is_right && !found.user.is_disabled).ok_or(LoginError::Wrong)?;
    let throttle = &deps.logins.throttle;
    throttle.lock().unwrap_or_else(PoisonError::into_inner).succeed(&attempt);

    let now = deps.now();
    let mut random = [0; 32];
    deps.random.fill(&mut random);
    let secret = SecretString::from(letters(&random));
    let digest = digest(&secret);
    let user = User { last_login_at: Some(now), ..found.user };
    let audit = AuditContext { actor: user_actor(&user), client, request_id: Some(request_id) };
    let subject = AuditTarget::named(AuditTargetKind::User, &user.id, user.email.as_str());
    let entry = audit.entry(deps, user.workspace, AuditAction::UserLoggedIn, subject);
    let new = NewSession {
        digest,
        workspace: user.workspace,
        user: user.id,
        password_hash: found.password_hash,
        now,
    };
    if !deps.users.insert_session(new, entry).await? {
        return Err(LoginError::Wrong);
    }
    let ends_at = deps.settings.sessions.ends_at(now, now);
    Ok((Session { user, digest, csrf_token: csrf_token(&secret), ends_at }, secret))
}

/// Whose password it would be.
async fn candidate(
    deps: &Deps,
    email: String,
    workspace: Option<&str>,
) -> Result<Option<UserCredentials>, StoreError> {
    let directory = deps.directory.current();
    let only = match workspace.map(|name| directory.workspace(name)) {
        // Of an unknown workspace there is nobody; the password is hashed all the same.
        Some(None) => return Ok(None),
        only => only.flatten(),
    };
    let first = directory.workspace("default");
    deps.users.get_user_credentials(&CredentialsQuery::Email { email, only, first }).await
}

/// Tries a password, as often as it may be tried.
///
/// # Errors
/// `TooMany`, `Password`.
pub(crate) async fn try_password(
    deps: &Deps,
    attempt: &LoginAttempt,
    password: SecretString,
    hash: Option<String>,
) -> Result<bool, LoginError> {
    begin(deps, attempt)?;
    let is_right = verify(deps, attempt, password, hash).await?;
    if is_right {
        deps.logins.throttle.lock().unwrap_or_else(PoisonError::into_inner).succeed(attempt);
    }
    Ok(is_right)
}

fn begin(deps: &Deps, attempt: &LoginAttempt) -> Result<(), LoginError> {
    let mut throttle = deps.logins.throttle.lock().unwrap_or_else(PoisonError::into_inner);
    throttle.begin(attempt, deps.now()).map_err(LoginError::TooMany)
}

fn take_back(deps: &Deps, attempt: &LoginAttempt) {
    deps.logins.throttle.lock().unwrap_or_else(PoisonError::into_inner).cancel(attempt);
}

async fn verify(
    deps: &Deps,
    attempt: &LoginAttempt,
    password: SecretString,
    hash: Option<String>,
) -> Result<bool, LoginError> {
    deps.passwords.verify(password, hash).await.map_err(|error| {
        take_back(deps, attempt);
        error.into()
    })
}

/// The session with this secret. `None`: there is none, or it is over.
///
/// # Errors
/// When the store cannot be read.
pub async fn authenticate(deps: &Deps, presented: &str) -> Result<Option<Caller>, StoreError> {
    let is_secret = presented.len() == SECRET_CHARS
        && presented.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !is_secret {
        // Whatever else a browser holds under this name costs no look into the store.
        return Ok(None);
    }
    let secret = SecretString::from(presented);
    let digest = digest(&secret);
    let Some(stored) = deps.users.get_session(&digest).await? else { return Ok(None) };
    let now = deps.now();
    let (begun_at, mut seen_at) = (stored.begun_at, stored.seen_at);
    let mut seen = deps.logins.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = seen.get(&digest) {
        seen_at = seen_at.max(*at);
    }
    if stored.user.is_disabled || deps.settings.sessions.ends_at(begun_at, seen_at) <= now {
        return Ok(None);
    }
    if seen.len() < REMEMBERED || seen.contains_key(&digest) {
        seen.insert(digest, now);
    }
    let ends_at = deps.settings.sessions.ends_at(begun_at, now);
    let session = Session { user: stored.user, digest, csrf_token: csrf_token(&secret), ends_at };
    Ok(Some(Caller::User(Arc::new(session))))
}

/// Ends a session.
///
/// # Errors
/// When the store cannot be written.
pub async fn log_out(deps: &Deps, session: &Session) -> Result<(), StoreError> {
    deps.users.delete_session(session.user.workspace, &session.digest).await
}

/// Writes down when sessions were last used, and forgets those that are over.
///
/// # Errors
/// When the store cannot be written; the next round has the same and more to write.
pub async fn update_last_used(deps: &Deps) -> Result<(), StoreError> {
    let seen: Vec<_> = {
        let seen = deps.logins.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(digest, at)| (*digest, *at)).collect()
    };
    if !seen.is_empty() {
        deps.users.update_sessions_last_used(&seen).await?;
        let mut left = deps.logins.seen.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|digest, at| !seen.contains(&(*digest, *at)));
    }
    let ago = |span: SignedDuration| deps.now().saturating_sub(span).unwrap_or(Timestamp::MIN);
    let span = deps.settings.sessions;
    deps.users.expire_sessions(ago(span.absolute), ago(span.idle), FORGET_BATCH).await
}

fn digest(secret: &SecretString) -> SessionDigest {
    Sha256::digest(secret.expose_secret()).into()
}

/// Bound to the session's secret, which it does not tell.
fn csrf_token(secret: &SecretString) -> String {
    let digest = Sha256::new().chain_update("waypost csrf\0").chain_update(secret.expose_secret()).finalize();
    letters(&digest)
}

impl Session {
    /// Whether this is the session's token, in a time that tells nothing.
    pub fn is_csrf_token(&self, presented: &[u8]) -> bool {
        self.csrf_token.as_bytes().ct_eq(presented).into()
    }
}

/// The workspace's name.
pub fn workspace_name(deps: &Deps, workspace: WorkspaceId) -> String {
    deps.directory.current().workspaces.get(&workspace).cloned().unwrap_or_default()
}
