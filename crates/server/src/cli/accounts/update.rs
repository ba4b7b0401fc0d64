//! `waypost accounts update`: another name, other secrets.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::account::AccountStatus;
use domain::check::Change;
use engine::account::{self, ChangeAccount, ChangeError};
use engine::ports::StoreErrorKind;
use secrecy::SecretString;

use super::{find, name, show};
use crate::cli::Ctx;
use crate::cli::place::Place;
use crate::cli::secrets::secret;
use crate::cli::terminal::{complain, say, say_json};

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
    /// Another secret of the app
    #[arg(long, value_name = "SECRET", conflicts_with = "app_secret_file")]
    app_secret: Option<SecretString>,
    /// A file that holds the app's secret
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// Another word with which Meta checks the callback
    #[arg(long, value_name = "WORD", conflicts_with = "verify_token_file")]
    verify_token: Option<SecretString>,
    /// A file that holds the verify token
    #[arg(long, value_name = "FILE")]
    verify_token_file: Option<PathBuf>,
    /// Use it for messages that name no account
    #[arg(long)]
    default: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let Self { name, default, .. } = &self;
        let access_token =
            secret("access-token", self.access_token.as_ref(), self.access_token_file.as_deref())?;
        let app_secret = secret("app-secret", self.app_secret.as_ref(), self.app_secret_file.as_deref())?;
        let verify_token =
            secret("verify-token", self.verify_token.as_ref(), self.verify_token_file.as_deref())?;
        let is_nothing = name.is_none()
            && access_token.is_none()
            && app_secret.is_none()
            && verify_token.is_none()
            && !default;
        if is_nothing {
            bail!(
                "nothing to change: give --name, --access-token, --app-secret, --verify-token or --default"
            );
        }
        let opened = self.place.open(ctx).await?;
        let record = find(&opened, &self.account)?;
        let changes = ChangeAccount {
            name: name.clone(),
            access_token,
            app_secret: app_secret.map_or(Change::Keep, Change::Set),
            verify_token: verify_token.map_or(Change::Keep, Change::Set),
            is_default: default.then_some(true),
        };
        let changed = match account::change(&opened.deps, &record, changes).await {
            Err(ChangeError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {
                bail!("there is an account with this name already: choose another")
            }
            end => end.context("changing the account")?,
        };
        let account = &changed.account;
        if self.json {
            say_json(&show(account))?;
        } else {
            say(&format!("account `{}` is changed", account.name))?;
            if let (AccountStatus::Held, Some(reason)) = (account.status, &account.status_reason) {
                complain(&format!("it is still held: {reason}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
