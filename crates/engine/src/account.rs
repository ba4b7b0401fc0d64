//! Accounts: added, tried, held, resumed.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use domain::account::{Account, AccountStatus};
use domain::audit::{Action, Subject, SubjectKind};
use domain::id::{AccountId, WorkspaceId};
use domain::meta_error::MetaError;
use domain::reach::COUNTED_FOR;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ports::{
    AccountChanges, AccountRecord, Line, NewAccount, NumberInfo, StoreError, TokenInfo, UpstreamError,
};
use crate::{By, Deps, directory};

/// How Meta is reached for this account.
pub(crate) fn line(record: &AccountRecord) -> Line {
    Line { account: record.account.clone(), access_token: record.access_token.clone() }
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
}

/// Adds an account.
///
/// # Errors
/// `Conflict` when the name or the number is taken.
pub async fn add(deps: &Deps, by: &By, new: AddAccount) -> Result<Account, StoreError> {
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
    };
    let record = AccountRecord {
        account: account.clone(),
        access_token: new.access_token,
        app_secret: new.app_secret,
        old_app_secret: None,
        verify_token_digest: new.verify_token.as_ref().map(digest_of),
    };
    let act = by
        .act(deps, account.workspace, Action::AccountAdded, subject(&account))
        .with("phone_number_id", account.phone_number_id.as_str())
        .with("waba_id", account.waba_id.as_str())
        .with("default", account.is_default)
        .with("sandbox", account.is_sandbox);
    deps.accounts.account_add(NewAccount { record, created_at: deps.now() }, act).await?;
    directory::refresh(deps).await?;
    Ok(account)
}

/// An account, as the audit log names it.
fn subject(account: &Account) -> Subject {
    Subject::named(SubjectKind::Account, &account.id, account.name.as_str())
}

fn digest_of(verify_token: &SecretString) -> [u8; 32] {
    Sha256::digest(verify_token.expose_secret().as_bytes()).into()
}

/// What to change of an account; `None` stays as it is.
#[derive(Debug, Default)]
pub struct ChangeAccount {
    /// What people call it.
    pub name: Option<String>,
    /// Calls Meta.
    pub access_token: Option<SecretString>,
    /// Proves that a webhook is Meta's.
    pub app_secret: Option<SecretString>,
    /// How long the secret that is replaced proves it, too.
    pub keep_old_for: SignedDuration,
    /// The word with which Meta checks the callback.
    pub verify_token: Option<SecretString>,
    /// Whether a send that names no account uses it.
    pub is_default: Option<bool>,
}

/// Changes an account. `false`: it is no longer there.
///
/// # Errors
/// `Conflict` when the name is taken.
pub async fn change(
    deps: &Deps,
    by: &By,
    account: &Account,
    change: ChangeAccount,
) -> Result<bool, StoreError> {
    let now = deps.now();
    let is_kept = change.keep_old_for.is_positive();
    let changes = AccountChanges {
        name: change.name,
        access_token: change.access_token,
        app_secret: change.app_secret,
        old_app_secret_until: is_kept
            .then(|| now.saturating_add(change.keep_old_for).unwrap_or(Timestamp::MAX)),
        verify_token_digest: change.verify_token.as_ref().map(digest_of),
        is_default: change.is_default,
    };
    let act = by.act(deps, account.workspace, Action::AccountChanged, subject(account));
    let is_changed = deps.accounts.account_change(account.workspace, account.id, changes, act).await?;
    directory::refresh(deps).await?;
    Ok(is_changed)
}

/// Removes an account. `false`: there is none.
///
/// # Errors
/// When the store cannot be written.
pub async fn remove(deps: &Deps, by: &By, account: &Account) -> Result<bool, StoreError> {
    let act = by.act(deps, account.workspace, Action::AccountRemoved, subject(account));
    let is_removed = deps.accounts.account_remove(account.workspace, account.id, act).await?;
    directory::refresh(deps).await?;
    Ok(is_removed)
}

/// Holds an account: Meta refused it or its token, so nothing more leaves through it until someone acts.
///
/// # Errors
/// When the store cannot be written.
pub async fn hold(deps: &Deps, account: &Account, error: &MetaError) -> Result<(), StoreError> {
    let entry = error.entry();
    let title = error.title.as_deref().unwrap_or(entry.title).trim_end_matches('.');
    let reason = format!("Meta refused with code {}: {title}. {}", error.code, entry.advice);
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
        let act = By::gateway()
            .act(deps, account.workspace, Action::AccountHeld, subject(&account))
            .with("reason", reason.as_str());
        deps.accounts.account_hold(account.workspace, account.id, Some(&reason), act).await?;
        // Forgotten here only when the directory says so, or there would be a moment without any hold.
        directory::refresh(deps).await?;
        holds(deps).remove(&account.id);
    }
}

/// Lets an account send again.
///
/// # Errors
/// When the store cannot be written.
pub async fn resume(deps: &Deps, by: &By, account: &Account) -> Result<(), StoreError> {
    holds(deps).remove(&account.id);
    let act = by.act(deps, account.workspace, Action::AccountResumed, subject(account));
    deps.accounts.account_hold(account.workspace, account.id, None, act).await?;
    directory::refresh(deps).await
}

/// Whether this is the word with which Meta checks the callback of one of our accounts.
pub fn is_verify_token(deps: &Deps, presented: &str) -> bool {
    let digest: [u8; 32] = Sha256::digest(presented).into();
    deps.directory
        .current()
        .accounts
        .iter()
        .filter_map(|record| record.verify_token_digest.as_ref())
        .any(|known| bool::from(known.ct_eq(&digest)))
}

/// How many people templates have reached outside their window in 24 hours, by WhatsApp Business Account.
///
/// # Errors
/// When the store cannot be read.
pub async fn reached(deps: &Deps, workspace: WorkspaceId) -> Result<BTreeMap<String, u32>, StoreError> {
    let since = deps.now().saturating_sub(COUNTED_FOR).unwrap_or(Timestamp::MIN);
    deps.accounts.reached(workspace, since).await
}

/// Asks Meta about each account's number, and writes down what it says.
///
/// # Errors
/// When the store cannot be written. A number about which Meta does not answer keeps what is known of it.
pub async fn look_at_numbers(deps: &Deps) -> Result<(), StoreError> {
    for record in &deps.directory.current().accounts {
        let account = &record.account;
        match deps.upstream.number(&line(record)).await {
            Ok(number) => {
                deps.accounts.account_describe(account.workspace, account.id, &number, deps.now()).await?;
            }
            Err(error) => tracing::debug!(%error, account.id = %account.id, "meta tells nothing of a number"),
        }
    }
    directory::refresh(deps).await
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `token`, `scopes`, `number`, `webhook`.
    pub name: &'static str,
    /// Whether all is well.
    pub is_ok: bool,
    /// What was found, and what to do about it.
    pub finding: String,
}

/// Tries an account: token, scopes, number, webhook subscription, each its own line.
///
/// What Meta says of the number is written down.
///
/// # Errors
/// When the store cannot be written.
pub async fn test(deps: &Deps, record: &AccountRecord) -> Result<Vec<Check>, StoreError> {
    let line = line(record);
    let mut checks = Vec::new();
    match deps.upstream.token(&line).await {
        Ok(token) => {
            checks.push(check_token(&token, deps.now()));
            checks.push(check_scopes(&token));
        }
        Err(error) => checks.push(failed("token", &error)),
    }
    match deps.upstream.number(&line).await {
        Ok(number) => {
            checks.push(check_number(&number));
            let account = &record.account;
            deps.accounts.account_describe(account.workspace, account.id, &number, deps.now()).await?;
            directory::refresh(deps).await?;
        }
        Err(error) => checks.push(failed("number", &error)),
    }
    checks.push(match deps.upstream.subscribed_apps(&line).await {
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
    Ok(checks)
}

fn failed(name: &'static str, error: &UpstreamError) -> Check {
    let finding = match error {
        UpstreamError::Refused(error) => {
            let entry = error.entry();
            let said = error.details.as_deref().or(error.title.as_deref()).unwrap_or(entry.title);
            format!("Meta refused with code {}: {said}. {}", error.code, entry.advice)
        }
        UpstreamError::Unreachable(reason) => format!("Meta cannot be reached: {reason}"),
    };
    Check { name, is_ok: false, finding }
}

fn check_token(token: &TokenInfo, now: Timestamp) -> Check {
    let (is_ok, finding) = match token.expires_at {
        _ if !token.is_valid => {
            (false, "Meta does not take this token any more: give the account a new one".to_owned())
        }
        None => (true, "valid, never expires".to_owned()),
        Some(at) if at <= now => (false, format!("expired at {at}: give the account a new one")),
        Some(at) => (true, format!("valid until {at}")),
    };
    Check { name: "token", is_ok, finding }
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

fn check_number(number: &NumberInfo) -> Check {
    let shown = number.display_phone_number.as_deref().unwrap_or("the number");
    match number.status.as_deref() {
        None | Some("CONNECTED") => {
            let quality = number.quality_rating.as_deref().unwrap_or("UNKNOWN");
            Check { name: "number", is_ok: true, finding: format!("{shown} is connected, quality {quality}") }
        }
        Some(status) => Check {
            name: "number",
            is_ok: false,
            finding: format!("{shown} is {status} at Meta, only a CONNECTED number may send: register it"),
        },
    }
}
