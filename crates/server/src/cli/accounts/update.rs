//! `waypost accounts update`: another name, other secrets.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::accounts::account::AccountStatus;
use domain::check::Patch;
use engine::By;
use engine::accounts;
use engine::accounts::{ChangeAccount, ChangeError};
use engine::ports::StoreErrorKind;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use super::steps::quoted;
use super::{FetchMedia, find, name, show};
use crate::cli::Ctx;
use crate::cli::duration::span;
use crate::cli::secret_arg::secret;
use crate::cli::terminal::{complain, say, say_json};
use crate::cli::workspace_arg::Place;

#[derive(Debug, Args)]
pub(in crate::cli) struct Update {
    /// The account's id or name
    #[arg(value_name = "ID|NAME")]
    account: String,
    /// What you call it from now on
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Another access token: it is tried at Meta, and a hold that was for the old one ends
    #[arg(long, value_name = "TOKEN", conflicts_with = "access_token_file")]
    access_token: Option<SecretString>,
    /// A file that holds the access token
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// The app's other secret
    #[arg(long, value_name = "SECRET", conflicts_with = "app_secret_file")]
    app_secret: Option<SecretString>,
    /// A file that holds the app's secret
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// How long webhooks that are signed with the replaced app secret are taken, too; `0` ends it at once
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "24h")]
    keep_old_for: SignedDuration,
    /// Another verify token
    #[arg(long, value_name = "WORD", conflicts_with = "verify_token_file")]
    verify_token: Option<SecretString>,
    /// A file that holds the verify token
    #[arg(long, value_name = "FILE")]
    verify_token_file: Option<PathBuf>,
    /// Use it for messages that name no account
    #[arg(long, conflicts_with = "no_default")]
    default: bool,
    /// Do not use it for messages that name no account
    #[arg(long)]
    no_default: bool,
    /// Whether links in its messages are fetched here and uploaded; `default`: as `media.fetch` says
    #[arg(long, value_name = "WHEN")]
    fetch_media: Option<FetchMedia>,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let app_secret = secret("app-secret", self.app_secret.as_ref(), self.app_secret_file.as_deref())?;
        let verify_token =
            secret("verify-token", self.verify_token.as_ref(), self.verify_token_file.as_deref())?;
        let (has_secret, has_word) = (app_secret.is_some(), verify_token.is_some());
        let is_default = self.default.then_some(true).or(self.no_default.then_some(false));
        let change = ChangeAccount {
            name: self.name.clone(),
            access_token: secret(
                "access-token",
                self.access_token.as_ref(),
                self.access_token_file.as_deref(),
            )?,
            app_secret: app_secret.map_or(Patch::Unchanged, Patch::Set),
            keep_old_for: self.keep_old_for,
            verify_token: verify_token.map_or(Patch::Unchanged, Patch::Set),
            is_default,
            fetches_links: match self.fetch_media.map(FetchMedia::choice) {
                None => Patch::Unchanged,
                Some(None) => Patch::Clear,
                Some(Some(fetches)) => Patch::Set(fetches),
            },
        };
        if change.name.is_none()
            && change.access_token.is_none()
            && !has_secret
            && !has_word
            && change.is_default.is_none()
            && self.fetch_media.is_none()
        {
            bail!("nothing to change: name --name, a secret, --default, --no-default or --fetch-media");
        }
        let opened = self.place.open(ctx).await?;
        let before = find(&opened, &self.account)?;
        let has_token = change.access_token.is_some();
        let keeps_old = has_secret && before.app_secret.is_some() && change.keep_old_for.is_positive();
        let after = match accounts::change(&opened.deps, &By::command_line(), &before, change).await {
            Err(ChangeError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {
                bail!("another account has this name already: choose another one")
            }
            Err(ChangeError::NotFound) => {
                bail!("account `{}` was removed by somebody else just now", before.account.name)
            }
            Err(ChangeError::TokenRefused(reason)) => {
                bail!("nothing is changed, Meta does not take the new access token: {reason}")
            }
            end => end.context("changing the account")?,
        };
        let until = after.old_app_secret.as_ref().map(|(_, until)| *until).filter(|_| keeps_old);
        if self.json {
            let mut shown = show(&after.account);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("old_app_secret_until".to_owned(), json!(until.map(|until| until.to_string())));
            }
            say_json(&shown)?;
            return Ok(ExitCode::SUCCESS);
        }
        say(&format!("account `{}` is changed", after.account.name))?;
        if let Some(until) = until {
            say(&format!("webhooks signed with the replaced app secret are taken until {until}"))?;
        }
        if has_token && after.account.status == AccountStatus::Suspended {
            let name = quoted(&after.account.name);
            if let Some(reason) = &after.account.status_reason {
                complain(&format!("it is still held: {reason}"));
            }
            complain(&format!(
                "`waypost accounts test {name}` tries the token, \
                 `waypost accounts resume {name}` lets it send again"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
