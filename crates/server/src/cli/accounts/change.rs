//! `waypost accounts subscribe`, `register` and `remove`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::accounts::number;
use engine::accounts::number::NumberError;
use engine::ports::DeleteAccountResult;
use engine::{By, accounts};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{One, find};
use crate::cli::Ctx;
use crate::cli::secret_arg::secret;
use crate::cli::terminal::{say, say_json};

#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    #[command(flatten)]
    one: One,
    /// Six digits: the number's PIN for two-step verification, or the one that it shall have
    #[arg(long, value_name = "DIGITS", conflicts_with = "pin_file", required_unless_present = "pin_file")]
    pin: Option<SecretString>,
    /// A file that holds the PIN
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl Register {
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let pin = secret("pin", self.pin.as_ref(), self.pin_file.as_deref())?.context("--pin is missing")?;
        let digits = pin.expose_secret();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("--pin must be six digits");
        }
        let opened = self.one.place.open(ctx).await?;
        let record = find(&opened, &self.one.account)?;
        match number::register(&opened.deps, &By::command_line(), &record, &pin).await {
            Err(NumberError::Upstream(error)) => {
                bail!("registering the number: {}", accounts::explain(&error))
            }
            end => end.context("registering the number")?,
        }
        let text = format!("the number of account `{}` is registered", record.account.name);
        self.one.done("registered", &record.account, &text)
    }
}

/// Subscribes the app.
pub(super) async fn subscribe(one: &One, ctx: &Ctx) -> anyhow::Result<ExitCode> {
    let opened = one.place.open(ctx).await?;
    let record = find(&opened, &one.account)?;
    let apps = match number::subscribe(&opened.deps, &By::command_line(), &record).await {
        Ok(apps) => apps,
        Err(NumberError::Upstream(error)) => {
            bail!("subscribing the app: {}", accounts::explain(&error))
        }
        Err(NumberError::Store(error)) => return Err(error).context("subscribing the app"),
    };
    if one.json {
        say_json(&json!({ "id": record.account.id.to_string(), "subscribed_apps": apps }))?;
    } else {
        say(&format!("subscribed to {}: {}", record.account.waba_id, apps.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    #[command(flatten)]
    one: One,
    /// Cancel the messages that wait in its queue
    #[arg(long)]
    force: bool,
}

impl Remove {
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let opened = self.one.place.open(ctx).await?;
        let record = find(&opened, &self.one.account)?;
        let account = &record.account;
        let removal = accounts::remove(&opened.deps, &By::command_line(), account, self.force).await;
        match removal.context("removing the account")? {
            DeleteAccountResult::Deleted => {
                let text = format!("account `{}` is removed; its messages stay", account.name);
                self.one.done("removed", account, &text)
            }
            DeleteAccountResult::NotFound => {
                bail!("account `{}` was removed by somebody else just now", account.name)
            }
            DeleteAccountResult::HasQueuedMessages(n_waiting) => bail!(
                "{n_waiting} messages wait in the queue of account `{}`: --force cancels them",
                account.name
            ),
        }
    }
}
