//! Data of the sandbox, which every start of `waypost dev` checks and completes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use domain::access::api_key::KeyScope;
use domain::accounts::account::AccountStatus;
use domain::contacts::phone::PhoneNumber;
use domain::id::WorkspaceId;
use engine::access::api_key;
use engine::access::api_key::{DEV_KEY, NewApiKey};
use engine::accounts;
use engine::accounts::NewAccountRequest;
use engine::ports::{AccountRecord, Recipient};
use engine::{AuditContext, Deps};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sim::{InboundMessage, Sim, SimAccount};

use super::super::terminal::print_note;
use crate::config::Config;

/// Name of the sandbox account.
const ACCOUNT: &str = "sandbox";
/// Phone number of the customer who writes at each start.
pub(super) const CUSTOMER: &str = "+15550100001";
/// Maximum time for the first message from the simulator to the database.
const FIRST_MESSAGE_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
/// Interval in which the database is checked for the first message.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_millis(5);

fn workspace(deps: &Deps) -> anyhow::Result<WorkspaceId> {
    deps.directory.current().workspace("default").context("there is no workspace `default`")
}

/// Returns the sandbox account. Creates or replaces it if it does not match the simulator.
///
/// # Errors
/// If the store cannot be written, or the name belongs to a live account.
pub(super) async fn account(deps: &Deps, sandbox: &SimAccount) -> anyhow::Result<Arc<AccountRecord>> {
    let workspace = workspace(deps)?;
    let directory = deps.directory.current();
    let mut is_default = !directory.accounts_of(workspace).any(|record| record.account.is_default);
    let known = directory.accounts_of(workspace).find(|record| record.account.name == ACCOUNT);
    let is_known = match known {
        None => false,
        Some(known) if !known.account.is_sandbox => {
            bail!(
                "the account `{ACCOUNT}` of this database is not a sandbox account: remove it with `waypost accounts remove --dev`"
            );
        }
        Some(known) if is_current(known, sandbox) => {
            if known.account.status != AccountStatus::Connected {
                accounts::resume_account(deps, &AuditContext::gateway(), &known.account)
                    .await
                    .context("resuming the sandbox account")?;
            }
            true
        }
        Some(known) => {
            is_default |= known.account.is_default;
            accounts::delete_account(deps, &AuditContext::gateway(), &known.account, true)
                .await
                .context("replacing the sandbox account")?;
            false
        }
    };
    if !is_known {
        let new = NewAccountRequest {
            workspace,
            name: ACCOUNT.to_owned(),
            phone_number_id: sandbox.phone_number_id.clone(),
            waba_id: sandbox.waba_id.clone(),
            access_token: sandbox.access_token.as_str().into(),
            app_secret: Some(sandbox.app_secret.as_str().into()),
            verify_token: Some(sandbox.verify_token.as_str().into()),
            is_default,
            is_sandbox: true,
            fetches_links: None,
            verification: accounts::Verification::Skipped,
        };
        accounts::create_account(deps, &AuditContext::gateway(), new)
            .await
            .context("adding the sandbox account")?;
    }
    let record = deps.directory.current().account(workspace, ACCOUNT).cloned();
    record.context("the sandbox account does not exist")
}

fn is_current(record: &AccountRecord, sandbox: &SimAccount) -> bool {
    let verify_token: [u8; 32] = Sha256::digest(&sandbox.verify_token).into();
    record.account.phone_number_id == sandbox.phone_number_id
        && record.account.waba_id == sandbox.waba_id
        && record.access_token.expose_secret() == sandbox.access_token
        && record.app_secret.as_ref().is_some_and(|secret| secret.expose_secret() == sandbox.app_secret)
        && record.verify_token_digest == Some(verify_token)
}

/// Creates the public API key of the sandbox if it does not exist.
///
/// # Errors
/// If the store cannot be written.
pub(super) async fn key(deps: &Deps, config: &Config) -> anyhow::Result<()> {
    if let Some(key) = deps.directory.current().key(&api_key::digest(DEV_KEY)) {
        if key.revoked_at.is_some() {
            let folder = config.data_dir.display();
            print_note(&format!(
                "note: the API key `dev` of this sandbox is revoked; delete {folder} to create a new sandbox"
            ));
        }
        return Ok(());
    }
    let new = NewApiKey {
        workspace: workspace(deps)?,
        name: "dev".to_owned(),
        scopes: KeyScope::ALL.to_vec(),
        accounts: Vec::new(),
        is_test: true,
        rate_per_minute: None,
        rate_burst: None,
        expires_at: None,
    };
    api_key::import_api_key(deps, &AuditContext::gateway(), new, &DEV_KEY.into())
        .await
        .context("adding the dev key")?;
    Ok(())
}

/// Receives a message from a customer and returns when the customer service window is open.
///
/// # Errors
/// If the simulator or the store fails.
pub(super) async fn customer(deps: &Deps, sim: &Sim, record: &AccountRecord) -> anyhow::Result<()> {
    let message = InboundMessage {
        account: Some(record.account.phone_number_id.clone()),
        name: Some("Sandbox Customer".to_owned()),
        ..InboundMessage::text(CUSTOMER, "Hello! This message opened the window: reply within 24 hours.")
    };
    sim.inbound(&message).map_err(anyhow::Error::msg).context("sending the customer's message")?;
    let recipient = Recipient::Phone(PhoneNumber::parse(CUSTOMER).context("parsing the customer's number")?);
    let account = &record.account;
    let until = deps.now().saturating_add(FIRST_MESSAGE_TIMEOUT).unwrap_or(Timestamp::MAX);
    loop {
        let known = deps.messages.get_admission_facts(account.workspace, account.id, &recipient).await;
        if known.context("reading the customer's window")?.window.is_open(deps.now()) {
            return Ok(());
        }
        if deps.now() >= until {
            // The sandbox is usable; only the window of this contact is closed.
            print_note("note: the simulator's first message did not arrive; check simulator.callback_url");
            return Ok(());
        }
        deps.clock.sleep_until(deps.now().saturating_add(POLL_INTERVAL).unwrap_or(until)).await;
    }
}
