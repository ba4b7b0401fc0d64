//! `waypost accounts subscribe`, `register` and `remove`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::accounts::phone_number;
use engine::accounts::phone_number::PhoneNumberError;
use engine::ports::DeleteAccountResult;
use engine::{AuditContext, accounts};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::account_arg::{AccountArg, find};
use crate::cli::context::CommandContext;
use crate::cli::secret_arg::secret;
use crate::cli::terminal::{print_json, print_line};

#[derive(Debug, Args)]
pub(crate) struct RegisterNumberArgs {
    #[command(flatten)]
    account: AccountArg,
    /// PIN for two-step verification: six digits; the number's PIN, or a new PIN if the number has none
    #[arg(long, value_name = "DIGITS", conflicts_with = "pin_file", required_unless_present = "pin_file")]
    pin: Option<SecretString>,
    /// File that contains the PIN
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl RegisterNumberArgs {
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let pin = secret("pin", self.pin.as_ref(), self.pin_file.as_deref())?.context("--pin is missing")?;
        let digits = pin.expose_secret();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("--pin must be six digits");
        }
        let opened = self.account.workspace.open(ctx).await?;
        let record = find(&opened, &self.account.id_or_name)?;
        match phone_number::register_phone_number(&opened.deps, &AuditContext::command_line(), &record, &pin)
            .await
        {
            Err(PhoneNumberError::Upstream(error)) => {
                bail!("registering the number: {}", accounts::upstream_error_message(&error))
            }
            result => result.context("registering the number")?,
        }
        let text = format!("the number of account `{}` is registered", record.account.name);
        self.account.print_result("registered", &record.account, &text)
    }
}

/// Subscribes the app of the access token to the webhooks of the account.
pub(super) async fn subscribe(account: &AccountArg, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
    let opened = account.workspace.open(ctx).await?;
    let record = find(&opened, &account.id_or_name)?;
    let apps = match phone_number::subscribe_app(&opened.deps, &AuditContext::command_line(), &record).await {
        Ok(apps) => apps,
        Err(PhoneNumberError::Upstream(error)) => {
            bail!("subscribing the app: {}", accounts::upstream_error_message(&error))
        }
        Err(PhoneNumberError::Store(error)) => return Err(error).context("subscribing the app"),
    };
    if account.json {
        print_json(&json!({ "id": record.account.id.to_string(), "subscribed_apps": apps }))?;
    } else {
        print_line(&format!("subscribed to {}: {}", record.account.waba_id, apps.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
pub(crate) struct RemoveAccountArgs {
    #[command(flatten)]
    account: AccountArg,
    /// Cancel the messages in the queue of the account
    #[arg(long)]
    force: bool,
}

impl RemoveAccountArgs {
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.account.workspace.open(ctx).await?;
        let record = find(&opened, &self.account.id_or_name)?;
        let account = &record.account;
        let removal =
            accounts::delete_account(&opened.deps, &AuditContext::command_line(), account, self.force).await;
        match removal.context("removing the account")? {
            DeleteAccountResult::Deleted => {
                let text = format!("account `{}` was removed; its messages are kept", account.name);
                self.account.print_result("removed", account, &text)
            }
            DeleteAccountResult::NotFound => {
                bail!("account `{}` was removed at the same time", account.name)
            }
            DeleteAccountResult::HasQueuedMessages(n_waiting) => bail!(
                "{n_waiting} messages are in the queue of account `{}`: use --force to cancel them",
                account.name
            ),
        }
    }
}
