//! `waypost accounts add`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::{CreateAccountError, NewAccountRequest, Verification};
use engine::ports::StoreErrorKind;
use secrecy::SecretString;
use serde_json::json;

use super::account_arg::{FetchMedia, find};
use super::serialize::{account_json, checks_json, exit_code, print_checks};
use super::setup_steps::{Missing, setup_steps};
use crate::cli::context::CommandContext;
use crate::cli::name_arg::name;
use crate::cli::secret_arg::secret;
use crate::cli::terminal::{print_json, print_line};
use crate::cli::workspace_arg::{Opened, WorkspaceArg};

/// Maximum length of an id of Meta in digits.
const MAX_META_ID_LENGTH: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct AddAccountArgs {
    /// Name of the account, such as `main`
    #[arg(long, value_parser = name)]
    name: String,
    /// Phone number ID (WhatsApp > API Setup in Meta's app dashboard), digits
    #[arg(long, value_name = "DIGITS", value_parser = meta_id)]
    phone_number_id: String,
    /// WhatsApp Business Account ID, digits
    #[arg(long, value_name = "DIGITS", value_parser = meta_id)]
    waba_id: String,
    /// Access token of a system user
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "access_token_file",
        required_unless_present = "access_token_file"
    )]
    access_token: Option<SecretString>,
    /// File that contains the access token
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// App secret (App settings > Basic); it authenticates webhooks from Meta
    #[arg(long, value_name = "SECRET", conflicts_with = "app_secret_file")]
    app_secret: Option<SecretString>,
    /// File that contains the app secret
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// Verify token of your choice; enter the same token with the callback URL at Meta
    #[arg(long, value_name = "TOKEN", conflicts_with = "verify_token_file")]
    verify_token: Option<SecretString>,
    /// File that contains the verify token
    #[arg(long, value_name = "FILE")]
    verify_token_file: Option<PathBuf>,
    /// Make this account the default account, which sends messages without `whatsapp_account`
    #[arg(long)]
    default: bool,
    /// Create a sandbox account: a sandbox account uses the simulator, and only test keys can use a sandbox account
    #[arg(long)]
    sandbox: bool,
    /// Download linked files and upload them to Meta; `default` uses the setting `media.fetch`
    #[arg(long, value_name = "CHOICE", default_value = "default")]
    fetch_media: FetchMedia,
    /// Check the account at Meta, like `accounts test`
    #[arg(long)]
    test: bool,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn meta_id(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must be digits: the ID at Meta, not the phone number".to_owned());
    }
    if text.len() > MAX_META_ID_LENGTH {
        return Err(format!("must be at most {MAX_META_ID_LENGTH} digits"));
    }
    Ok(text.to_owned())
}

impl AddAccountArgs {
    /// Adds the account.
    ///
    /// # Errors
    /// If the database cannot be opened, or the account conflicts with another one.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let token = secret("access-token", self.access_token.as_ref(), self.access_token_file.as_deref())?;
        let access_token = token.context("--access-token is missing")?;
        let app_secret = secret("app-secret", self.app_secret.as_ref(), self.app_secret_file.as_deref())?;
        let verify_token =
            secret("verify-token", self.verify_token.as_ref(), self.verify_token_file.as_deref())?;
        let opened = self.workspace.open(ctx).await?;
        self.check_conflicts(&opened)?;
        let missing = Missing { app_secret: app_secret.is_none(), verify_token: verify_token.is_none() };
        let new = NewAccountRequest {
            workspace: opened.workspace,
            name: self.name.clone(),
            phone_number_id: self.phone_number_id.clone(),
            waba_id: self.waba_id.clone(),
            access_token,
            app_secret,
            verify_token,
            is_default: self.default,
            is_sandbox: self.sandbox,
            fetches_links: self.fetch_media.choice(),
            // `--test` asks Meta, and reports what it finds.
            verification: Verification::Skipped,
        };
        let account = match accounts::create_account(&opened.deps, &AuditContext::command_line(), new).await {
            Err(CreateAccountError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {
                bail!("another account with this name or phone number ID was added at the same time")
            }
            result => result.context("adding the account")?,
        };
        let checks = if self.test {
            let record = find(&opened, &account.id.to_string())?;
            accounts::test_account(&opened.deps, &record).await.context("testing the account")?
        } else {
            Vec::new()
        };
        let callback_url = opened.config.callback_url();
        if self.json {
            let mut printed = account_json(&account);
            if let Some(printed) = printed.as_object_mut() {
                printed.insert("callback_url".to_owned(), json!(callback_url));
                if self.test {
                    printed.insert("checks".to_owned(), checks_json(&checks));
                }
            }
            print_json(&printed)?;
        } else {
            print_line(&format!("added account `{}`, id {}", account.name, account.id))?;
            print_checks(ctx, &checks)?;
            print_line(&setup_steps(&callback_url, &account, &missing))?;
        }
        Ok(exit_code(&checks))
    }

    fn check_conflicts(&self, opened: &Opened) -> anyhow::Result<()> {
        let directory = opened.deps.directory.current();
        if directory.accounts_of(opened.workspace).any(|record| record.account.name == self.name) {
            bail!("an account `{}` already exists: choose another name, or remove that account", self.name);
        }
        let existing = directory.accounts.iter().find(|record| {
            record.account.phone_number_id == self.phone_number_id
                && record.account.is_sandbox == self.sandbox
        });
        if let Some(record) = existing {
            bail!(
                "account `{1}` already has the phone number ID {0}",
                self.phone_number_id,
                record.account.name
            );
        }
        Ok(())
    }
}
