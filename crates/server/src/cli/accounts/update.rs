//! `waypost accounts update`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::accounts::account::AccountStatus;
use domain::check::Patch;
use domain::time::rfc3339;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::{UpdateAccountError, UpdateAccountRequest};
use engine::ports::{AccountRecord, StoreErrorKind};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;

use super::account_arg::{FetchMedia, find};
use super::serialize::account_json;
use super::setup_steps::quoted;
use crate::cli::context::CommandContext;
use crate::cli::duration::parse_duration;
use crate::cli::name_arg::name;
use crate::cli::secret_arg::secret;
use crate::cli::terminal::{print_json, print_line, print_note};
use crate::cli::workspace_arg::WorkspaceArg;

#[derive(Debug, Args)]
pub(crate) struct UpdateAccountArgs {
    /// ID or name of the account
    #[arg(value_name = "ID|NAME")]
    account: String,
    /// New name
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// New access token. Meta checks the token. An account that was held because of the old token is resumed
    #[arg(long, value_name = "TOKEN", conflicts_with = "access_token_file")]
    access_token: Option<SecretString>,
    /// File that contains the access token
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// New app secret
    #[arg(long, value_name = "SECRET", conflicts_with = "app_secret_file")]
    app_secret: Option<SecretString>,
    /// File that contains the app secret
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// Time for which webhooks signed with the old app secret are still accepted; `0` rejects them at once
    #[arg(
        long = "keep-old-for",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "24h"
    )]
    old_app_secret_lifetime: SignedDuration,
    /// New verify token
    #[arg(long, value_name = "TOKEN", conflicts_with = "verify_token_file")]
    verify_token: Option<SecretString>,
    /// File that contains the verify token
    #[arg(long, value_name = "FILE")]
    verify_token_file: Option<PathBuf>,
    /// Make this account the default account, which sends messages without `whatsapp_account`
    #[arg(long, conflicts_with = "no_default")]
    default: bool,
    /// Stop using this account as the default account
    #[arg(long)]
    no_default: bool,
    /// Download linked files and upload them to Meta; `default` uses the setting `media.fetch`
    #[arg(long, value_name = "CHOICE")]
    fetch_media: Option<FetchMedia>,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl UpdateAccountArgs {
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let app_secret = secret("app-secret", self.app_secret.as_ref(), self.app_secret_file.as_deref())?;
        let verify_token =
            secret("verify-token", self.verify_token.as_ref(), self.verify_token_file.as_deref())?;
        let (has_secret, has_verify_token) = (app_secret.is_some(), verify_token.is_some());
        let is_default = self.default.then_some(true).or(self.no_default.then_some(false));
        let change = UpdateAccountRequest {
            name: self.name.clone(),
            access_token: secret(
                "access-token",
                self.access_token.as_ref(),
                self.access_token_file.as_deref(),
            )?,
            requires_verification: false,
            app_secret: app_secret.map_or(Patch::Unchanged, Patch::Set),
            old_app_secret_lifetime: self.old_app_secret_lifetime,
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
            && !has_verify_token
            && change.is_default.is_none()
            && self.fetch_media.is_none()
        {
            bail!("nothing to change: use --name, a secret, --default, --no-default or --fetch-media");
        }
        let opened = self.workspace.open(ctx).await?;
        let before = find(&opened, &self.account)?;
        let has_token = change.access_token.is_some();
        let keeps_old =
            has_secret && before.app_secret.is_some() && change.old_app_secret_lifetime.is_positive();
        let after = match accounts::update_account(
            &opened.deps,
            &AuditContext::command_line(),
            &before,
            change,
        )
        .await
        {
            Err(UpdateAccountError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {
                bail!("another account has this name: choose another name")
            }
            Err(UpdateAccountError::NotFound) => {
                bail!("account `{}` was removed at the same time", before.account.name)
            }
            Err(UpdateAccountError::TokenRefused(reason)) => {
                bail!("the account was not changed, because Meta rejects the new access token: {reason}")
            }
            result => result.context("changing the account")?,
        };
        let until = after.old_app_secret.as_ref().map(|(_, until)| *until).filter(|_| keeps_old);
        if self.json {
            print_updated_json(&after, until)?;
        } else {
            print_updated(&after, until, has_token)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints the updated account as JSON. `until` is the time until which the old app secret is accepted.
fn print_updated_json(after: &AccountRecord, until: Option<Timestamp>) -> anyhow::Result<()> {
    let mut printed = account_json(&after.account);
    if let Some(printed) = printed.as_object_mut() {
        printed.insert("old_app_secret_until".to_owned(), json!(until.map(rfc3339)));
    }
    print_json(&printed)?;
    Ok(())
}

/// Prints what was updated and, if a new token did not end a suspension, what to do.
fn print_updated(after: &AccountRecord, until: Option<Timestamp>, has_token: bool) -> anyhow::Result<()> {
    print_line(&format!("account `{}` was updated", after.account.name))?;
    if let Some(until) = until {
        print_line(&format!(
            "webhooks signed with the old app secret are accepted until {}",
            rfc3339(until)
        ))?;
    }
    if has_token && after.account.status == AccountStatus::Suspended {
        let name = quoted(&after.account.name);
        if let Some(reason) = &after.account.status_reason {
            print_note(&format!("the account is still held: {reason}"));
        }
        print_note(&format!(
            "`waypost accounts test {name}` checks the token, \
             `waypost accounts resume {name}` resumes sending"
        ));
    }
    Ok(())
}
