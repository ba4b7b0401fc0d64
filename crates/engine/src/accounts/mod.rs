//! Accounts: added, tried, held, resumed.

pub mod number;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::accounts::account::{Account, AccountStatus};
use domain::check::Patch;
use domain::id::{AccountId, WorkspaceId};
use domain::json::Value;
use domain::messages::messaging_limit::COUNTING_PERIOD;
use domain::meta_error::MetaError;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ports::{
    AccountChanges, AccountCredentials, AccountRecord, CallbackVerification, DeleteAccountResult, NewAccount,
    PhoneNumberInfo, StoreError, TokenInfo, UpstreamError,
};
use crate::{AuditContext, Deps, directory};

/// How Meta is reached for this account.
pub(crate) fn line(record: &AccountRecord) -> AccountCredentials {
    AccountCredentials { account: record.account.clone(), access_token: record.access_token.clone() }
}

/// What a new account shall be.
#[derive(Debug)]
pub struct AddAccount {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Meta's id of the number, digits.
    pub phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account, digits.
    pub waba_id: String,
    /// Calls Meta.
    pub access_token: SecretString,
    /// Proves that a webhook is Meta's.
    pub app_secret: Option<SecretString>,
    /// The word with which Meta checks the callback.
    pub verify_token: Option<SecretString>,
    /// Whether a send that names no account uses it.
    pub is_default: bool,
    /// Whether it talks to the simulator.
    pub is_sandbox: bool,
    /// Whether a link in its messages is fetched here and uploaded; `None`: as the configuration says.
    pub fetches_links: Option<bool>,
}

/// Adds an account.
///
/// # Errors
/// `Conflict` when the name or the number is taken.
pub async fn add(deps: &Deps, audit: &AuditContext, new: AddAccount) -> Result<Account, StoreError> {
    let account = Account {
        id: deps.new_id(AccountId::from_parts),
        workspace: new.workspace,
        name: new.name,
        phone_number_id: new.phone_number_id,
        waba_id: new.waba_id,
        display_phone_number: None,
        quality_rating: None,
        messaging_limit_tier: None,
        status: AccountStatus::Connected,
        status_reason: None,
        is_default: new.is_default,
        is_sandbox: new.is_sandbox,
        fetches_links: new.fetches_links,
    };
    let record = AccountRecord {
        account: account.clone(),
        access_token: new.access_token,
        app_secret: new.app_secret,
        old_app_secret: None,
        verify_token_digest: new.verify_token.as_ref().map(digest_of),
    };
    let entry = audit
        .entry(deps, account.workspace, AuditAction::AccountAdded, subject(&account))
        .with("phone_number_id", account.phone_number_id.as_str())
        .with("waba_id", account.waba_id.as_str())
        .with("default", account.is_default)
        .with("sandbox", account.is_sandbox);
    deps.accounts.insert_account(NewAccount { record, created_at: deps.now() }, entry).await?;
    directory::refresh(deps).await?;
    Ok(account)
}

/// An account, as the audit log names it.
pub(crate) fn subject(account: &Account) -> AuditTarget {
    AuditTarget::named(AuditTargetKind::Account, &account.id, account.name.as_str())
}

fn digest_of(verify_token: &SecretString) -> [u8; 32] {
    Sha256::digest(verify_token.expose_secret().as_bytes()).into()
}

/// How long an app secret that is replaced proves a webhook, too, unless somebody says otherwise: Meta may still sign
/// with it.
pub const KEEP_OLD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What shall change of an account.
#[derive(Debug, Default)]
pub struct ChangeAccount {
    /// Another name.
    pub name: Option<String>,
    /// Another access token.
    pub access_token: Option<SecretString>,
    /// Another app secret, or none.
    pub app_secret: Patch<SecretString>,
    /// How long the secret that is replaced by another proves a webhook, too.
    pub keep_old_for: SignedDuration,
    /// Another verify token, or none.
    pub verify_token: Patch<SecretString>,
    /// Whether a send that names no account uses it.
    pub is_default: Option<bool>,
    /// Whether a link in its messages is fetched here and uploaded, or as the configuration says.
    pub fetches_links: Patch<bool>,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such account any more.
    #[error("there is no such account")]
    NotFound,
    /// Meta does not take the new access token; nothing has changed.
    #[error("meta does not take the new access token: {0}")]
    TokenRefused(String),
    /// The store failed; `Conflict` when the name is taken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes an account. A new access token is tried at Meta first: one that works lifts a hold that was for the token, and
/// the queue goes on. While Meta cannot be reached it is kept untried, and a hold stays.
///
/// # Errors
/// See [`ChangeError`].
pub async fn change(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    change: ChangeAccount,
) -> Result<Arc<AccountRecord>, ChangeError> {
    let Account { workspace, id, .. } = record.account;
    let tried = match &change.access_token {
        Some(token) => try_token(deps, record, token).await?,
        None => None,
    };
    let lifts_hold = tried.as_ref().and_then(|_| token_hold(deps, &record.account));
    let is_lifting = lifts_hold.is_some();
    let until = || deps.now().saturating_add(change.keep_old_for).unwrap_or(Timestamp::MAX);
    let keeps_old = matches!(change.app_secret, Patch::Set(_)) && change.keep_old_for.is_positive();
    let changes = AccountChanges {
        name: change.name,
        access_token: change.access_token,
        app_secret: change.app_secret,
        old_app_secret_until: keeps_old.then(until),
        verify_token_digest: match change.verify_token {
            Patch::Unchanged => Patch::Unchanged,
            Patch::Clear => Patch::Clear,
            Patch::Set(token) => Patch::Set(digest_of(&token)),
        },
        is_default: change.is_default,
        fetches_links: change.fetches_links,
        lifts_hold,
    };
    let entry = audit
        .entry(deps, workspace, AuditAction::AccountChanged, subject(&record.account))
        .with("changed", changed_fields(&changes));
    if !deps.accounts.update_account(workspace, id, changes, entry).await? {
        return Err(ChangeError::NotFound);
    }
    if let Some(TokenInfo { expires_at, .. }) = tried {
        deps.accounts.update_account_token_expiry(workspace, id, expires_at, deps.now()).await?;
    }
    directory::refresh(deps).await?;
    if is_lifting {
        // What was refused until here was the old token: from here on its refusals hold nobody.
        holds(deps).remove(&id);
    }
    deps.queue_hint.notify_one();
    let directory = deps.directory.current();
    directory.account(workspace, &id.to_string()).cloned().ok_or(ChangeError::NotFound)
}

/// The names of the fields that a change sets or clears, for the audit log: never what they hold.
fn changed_fields(changes: &AccountChanges) -> Value {
    let AccountChanges {
        name, access_token, app_secret, verify_token_digest, is_default, fetches_links, ..
    } = changes;
    let all = [
        (name.is_some(), "name"),
        (access_token.is_some(), "access_token"),
        (!matches!(app_secret, Patch::Unchanged), "app_secret"),
        (!matches!(verify_token_digest, Patch::Unchanged), "verify_token"),
        (is_default.is_some(), "default"),
        (!matches!(fetches_links, Patch::Unchanged), "fetch_media"),
    ];
    Value::Array(all.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, name)| name.into()).collect())
}

/// What Meta says of a token that works; `None` when it cannot be asked.
async fn try_token(
    deps: &Deps,
    record: &AccountRecord,
    token: &SecretString,
) -> Result<Option<TokenInfo>, ChangeError> {
    let line = AccountCredentials { account: record.account.clone(), access_token: token.clone() };
    let told = match deps.upstream.get_token_info(&line).await {
        Ok(told) if !told.is_valid => {
            return Err(ChangeError::TokenRefused("it is expired, or none".to_owned()));
        }
        Ok(told) => told,
        Err(UpstreamError::Refused(error)) if error.is_token_error() => {
            return Err(ChangeError::TokenRefused(refused(&error)));
        }
        // It may not tell of itself and work all the same.
        Err(UpstreamError::Refused(_)) => TokenInfo { is_valid: true, ..TokenInfo::default() },
        Err(UpstreamError::Unreachable(_)) => return Ok(None),
    };
    match deps.upstream.get_phone_number(&line).await {
        Ok(_) => Ok(Some(told)),
        Err(UpstreamError::Refused(error)) if error.is_token_error() || error.is_permission_error() => {
            Err(ChangeError::TokenRefused(refused(&error)))
        }
        Err(UpstreamError::Refused(_) | UpstreamError::Unreachable(_)) => Ok(None),
    }
}

/// How many messages of a removed account are canceled in one transaction.
const CANCEL_BATCH: u32 = 500;

/// Removes an account. Messages that wait in its queue keep it, unless it `is_forced`: then they are canceled.
///
/// # Errors
/// When the store cannot be written.
pub async fn remove(
    deps: &Deps,
    audit: &AuditContext,
    account: &Account,
    is_forced: bool,
) -> Result<DeleteAccountResult, StoreError> {
    let entry = audit
        .entry(deps, account.workspace, AuditAction::AccountRemoved, subject(account))
        .with("forced", is_forced);
    let removal = deps.accounts.delete_account(account.workspace, account.id, is_forced, entry).await?;
    if removal == DeleteAccountResult::Deleted {
        directory::refresh(deps).await?;
        // What another process puts into the queue before it hears of this is canceled by its next round.
        while is_forced && deps.message_queue.expire_messages(deps.now(), CANCEL_BATCH).await? > 0 {}
    }
    Ok(removal)
}

/// How the reason of a hold begins; Meta's code follows.
const HELD: &str = "Meta refused with code ";

/// The reason for which an account is held, if it is that Meta did not take its access token.
fn token_hold(deps: &Deps, account: &Account) -> Option<String> {
    let here = holds(deps).get(&account.id).map(|(_, reason)| reason.clone());
    let written = || account.status_reason.clone().filter(|_| account.status == AccountStatus::Suspended);
    let reason = here.or_else(written)?;
    let (code, _) = reason.strip_prefix(HELD)?.split_once(':')?;
    let error = MetaError { code: code.parse().ok()?, ..MetaError::default() };
    error.is_token_error().then_some(reason)
}

/// Holds an account: Meta refused it or its token, so nothing more leaves through it until someone acts.
///
/// # Errors
/// When the store cannot be written.
pub async fn hold(deps: &Deps, account: &Account, error: &MetaError) -> Result<(), StoreError> {
    let entry = error.entry();
    let title = error.title.as_deref().unwrap_or(entry.title).trim_end_matches('.');
    let reason = format!("{HELD}{}: {title}. {}", error.code, entry.advice);
    // Known here first: should the store not take it, nothing leaves all the same.
    holds(deps).insert(account.id, (account.clone(), reason));
    write_holds(deps).await
}

/// The accounts that are held, as far as the store does not know it yet.
fn holds(deps: &Deps) -> MutexGuard<'_, BTreeMap<AccountId, (Account, String)>> {
    deps.holds.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an account is held, and the store does not know it yet.
pub(crate) fn is_held_here(deps: &Deps, id: AccountId) -> bool {
    holds(deps).contains_key(&id)
}

/// Writes down the holds that the store could not take so far.
///
/// # Errors
/// When it still cannot.
pub(crate) async fn write_holds(deps: &Deps) -> Result<(), StoreError> {
    loop {
        let next = holds(deps).first_key_value().map(|(_, hold)| hold.clone());
        let Some((account, reason)) = next else { return Ok(()) };
        let entry = AuditContext::gateway()
            .entry(deps, account.workspace, AuditAction::AccountHeld, subject(&account))
            .with("reason", reason.as_str());
        deps.accounts
            .update_account_suspension(account.workspace, account.id, Some(reason.clone()), entry)
            .await?;
        // Forgotten here only when the directory says so, or there would be a moment without any hold.
        directory::refresh(deps).await?;
        holds(deps).remove(&account.id);
    }
}

/// Holds an account because of what Meta answered to a call of its. An answer to a token that has been replaced since
/// says nothing of the new one.
///
/// # Errors
/// When the store cannot be written.
pub(crate) async fn hold_sender(
    deps: &Deps,
    sender: &AccountRecord,
    error: &MetaError,
) -> Result<(), StoreError> {
    let account = &sender.account;
    let directory = deps.directory.current();
    let known = directory.account(account.workspace, &account.id.to_string());
    let is_replaced =
        known.is_some_and(|known| known.access_token.expose_secret() != sender.access_token.expose_secret());
    if is_replaced && error.is_token_error() {
        return Ok(());
    }
    hold(deps, account, error).await
}

/// Lets an account send again.
///
/// # Errors
/// When the store cannot be written.
pub async fn resume(deps: &Deps, audit: &AuditContext, account: &Account) -> Result<(), StoreError> {
    holds(deps).remove(&account.id);
    let entry = audit.entry(deps, account.workspace, AuditAction::AccountResumed, subject(account));
    deps.accounts.update_account_suspension(account.workspace, account.id, None, entry).await?;
    directory::refresh(deps).await?;
    deps.queue_hint.notify_one();
    Ok(())
}

/// Whether this is the word with which Meta checks the callback of one of our accounts, or the one with which we try it
/// ourselves.
pub fn is_verify_token(deps: &Deps, presented: &str) -> bool {
    let digest: [u8; 32] = Sha256::digest(presented).into();
    deps.directory.current().accounts.iter().filter_map(|record| record.verify_token_digest.as_ref()).any(
        |known| {
            let is_metas = known.ct_eq(&digest);
            let is_probe = probe_word(known).as_bytes().ct_eq(presented.as_bytes());
            bool::from(is_metas | is_probe)
        },
    )
}

/// The word with which we try our own callback: of the verify token itself only a digest is kept.
fn probe_word(verify_token_digest: &[u8; 32]) -> String {
    let digest =
        Sha256::new().chain_update("waypost callback probe").chain_update(verify_token_digest).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// How many people templates have reached outside their window in 24 hours, by WhatsApp Business Account.
///
/// # Errors
/// When the store cannot be read.
pub async fn reached(deps: &Deps, workspace: WorkspaceId) -> Result<BTreeMap<String, u32>, StoreError> {
    let since = deps.now().saturating_sub(COUNTING_PERIOD).unwrap_or(Timestamp::MIN);
    deps.message_queue.get_messaging_limit_usage(workspace, since).await
}

/// Asks Meta about each account's number and token, and writes down what it says.
///
/// # Errors
/// When the store cannot be written. A number about which Meta does not answer keeps what is known of it.
pub async fn look_at_numbers(deps: &Deps) -> Result<(), StoreError> {
    for record in &deps.directory.current().accounts {
        let account = &record.account;
        match deps.upstream.get_phone_number(&line(record)).await {
            Ok(number) => {
                deps.accounts
                    .update_account_number(account.workspace, account.id, &number, deps.now())
                    .await?;
            }
            Err(error) => tracing::debug!(%error, account.id = %account.id, "meta tells nothing of a number"),
        }
        match deps.upstream.get_token_info(&line(record)).await {
            Ok(token) => note_token(deps, account, &token).await?,
            Err(error) => tracing::debug!(%error, account.id = %account.id, "meta tells nothing of a token"),
        }
    }
    directory::refresh(deps).await
}

async fn note_token(deps: &Deps, account: &Account, token: &TokenInfo) -> Result<(), StoreError> {
    if !token.is_valid {
        return Ok(());
    }
    deps.accounts
        .update_account_token_expiry(account.workspace, account.id, token.expires_at, deps.now())
        .await
}

/// What is tried of an account.
pub const CHECKS: [&str; 7] = ["token", "expiry", "scopes", "number", "quality", "webhook", "callback"];

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: one of [`CHECKS`].
    pub name: &'static str,
    /// Whether all is well.
    pub is_ok: bool,
    /// What was found, and what to do about it.
    pub finding: String,
}

/// Tries an account: token, its end, scopes, number, quality, webhook subscription, callback, each its own line.
///
/// What Meta says of the number and the token is written down.
///
/// # Errors
/// When the store cannot be written.
pub async fn test(deps: &Deps, record: &AccountRecord) -> Result<Vec<Check>, StoreError> {
    let line = line(record);
    let mut checks = Vec::new();
    match deps.upstream.get_token_info(&line).await {
        Ok(token) => {
            checks.extend(check_token(&token, deps.now()));
            checks.push(check_scopes(&token));
            note_token(deps, &record.account, &token).await?;
        }
        Err(error) => checks.push(failed("token", &error)),
    }
    match deps.upstream.get_phone_number(&line).await {
        Ok(number) => {
            checks.push(check_number(&number));
            checks.push(check_quality(&number));
            let account = &record.account;
            deps.accounts.update_account_number(account.workspace, account.id, &number, deps.now()).await?;
            directory::refresh(deps).await?;
        }
        Err(error) => checks.push(failed("number", &error)),
    }
    checks.push(match deps.upstream.list_subscribed_apps(&line).await {
        Ok(apps) if apps.is_empty() => Check {
            name: "webhook",
            is_ok: false,
            finding:
                "no app is subscribed to this WhatsApp Business Account: Meta will report nothing; subscribe \
                      yours"
                    .to_owned(),
        },
        Ok(apps) => {
            Check { name: "webhook", is_ok: true, finding: format!("subscribed: {}", apps.join(", ")) }
        }
        Err(error) => failed("webhook", &error),
    });
    checks.push(check_callback(deps, record).await);
    Ok(checks)
}

/// Whether Meta would find us at our public address. From here, so not every firewall shows.
async fn check_callback(deps: &Deps, record: &AccountRecord) -> Check {
    let url = &deps.settings.callback_url;
    let (is_ok, finding) = match &record.verify_token_digest {
        None => (false, format!("this account has no verify token, so Meta cannot check {url}: give it one")),
        Some(_) if !record.account.is_sandbox && !url.starts_with("https://") => {
            (false, format!("Meta calls https only, and the callback is {url}: set public_url"))
        }
        Some(digest) => {
            let mut random = [0; 12];
            deps.random.fill(&mut random);
            let callback = CallbackVerification {
                url: url.clone(),
                verify_token: probe_word(digest),
                challenge: URL_SAFE_NO_PAD.encode(random),
            };
            match deps.upstream_admin.verify_callback(&callback).await {
                Ok(()) => (true, format!("{url} answers")),
                Err(reason) => (false, format!("{url} does not answer as it should: {reason}")),
            }
        }
    };
    Check { name: "callback", is_ok, finding }
}

fn failed(name: &'static str, error: &UpstreamError) -> Check {
    Check { name, is_ok: false, finding: explain(error) }
}

/// What went wrong at Meta, and what to do about it, in sentences.
pub fn explain(error: &UpstreamError) -> String {
    match error {
        UpstreamError::Refused(error) => refused(error),
        UpstreamError::Unreachable(reason) => format!("Meta cannot be reached: {reason}"),
    }
}

fn refused(error: &MetaError) -> String {
    let entry = error.entry();
    let said = error.details.as_deref().or(error.title.as_deref()).unwrap_or(entry.title);
    format!("Meta refused with code {}: {}. {}", error.code, said.trim_end_matches('.'), entry.advice)
}

fn check_token(token: &TokenInfo, now: Timestamp) -> [Check; 2] {
    let taken = if token.is_valid {
        "Meta takes it"
    } else {
        "Meta does not take this token any more: give the account a new one"
    };
    let (is_ok, finding) = match token.expires_at {
        None => (true, "never".to_owned()),
        Some(at) if at <= now => (false, format!("it ended at {at}: give the account a new one")),
        Some(at) => {
            let days = at.duration_since(now).as_hours() / 24;
            (true, format!("at {at}, in {days} days"))
        }
    };
    [
        Check { name: "token", is_ok: token.is_valid, finding: taken.to_owned() },
        Check { name: "expiry", is_ok, finding },
    ]
}

/// What people say of the messages: a number that is rated RED is soon limited.
fn check_quality(number: &PhoneNumberInfo) -> Check {
    let rating = number.quality_rating.as_deref().unwrap_or("UNKNOWN");
    if rating == "RED" {
        let finding =
            "RED: people block or report this number; send less, and to who asked for it".to_owned();
        return Check { name: "quality", is_ok: false, finding };
    }
    Check { name: "quality", is_ok: true, finding: rating.to_owned() }
}

fn check_scopes(token: &TokenInfo) -> Check {
    let missing: Vec<_> = ["whatsapp_business_messaging", "whatsapp_business_management"]
        .into_iter()
        .filter(|scope| !token.scopes.iter().any(|granted| granted == scope))
        .collect();
    if missing.is_empty() {
        Check { name: "scopes", is_ok: true, finding: token.scopes.join(", ") }
    } else {
        Check { name: "scopes", is_ok: false, finding: format!("the token lacks {}", missing.join(" and ")) }
    }
}

fn check_number(number: &PhoneNumberInfo) -> Check {
    let shown = number.display_phone_number.as_deref().unwrap_or("the number");
    match number.status.as_deref() {
        None | Some("CONNECTED") => {
            Check { name: "number", is_ok: true, finding: format!("{shown} is connected") }
        }
        Some(status) => Check {
            name: "number",
            is_ok: false,
            finding: format!("{shown} is {status} at Meta, only a CONNECTED number may send: register it"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_that_is_rated_red_is_of_poor_quality() {
        for (rating, is_ok) in
            [(None, true), (Some("GREEN"), true), (Some("YELLOW"), true), (Some("RED"), false)]
        {
            let number =
                PhoneNumberInfo { quality_rating: rating.map(str::to_owned), ..PhoneNumberInfo::default() };
            assert_eq!(check_quality(&number).is_ok, is_ok, "{rating:?}");
        }
    }

    #[test]
    fn a_token_that_has_ended_is_told_twice_and_one_that_never_ends_is_well() {
        let now = Timestamp::UNIX_EPOCH;
        let told = |is_valid, expires_at| {
            check_token(&TokenInfo { is_valid, expires_at, ..TokenInfo::default() }, now)
                .map(|check| check.is_ok)
        };
        assert_eq!(told(true, None), [true, true]);
        assert_eq!(told(true, Some(now + SignedDuration::from_hours(1))), [true, true]);
        assert_eq!(told(false, Some(now)), [false, false]);
    }
}
