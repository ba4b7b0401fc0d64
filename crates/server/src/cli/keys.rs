//! `waypost keys`: API keys.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use domain::access::api_key::{ApiKey, KeyScope};
use domain::check::nearest;
use domain::time::rfc3339;
use engine::AuditContext;
use engine::access::api_key::delegation;
use engine::access::api_key::delegation::{ApiKeyError, NewApiKeyRequest};
use engine::ports::Directory;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::context::CommandContext;
use super::key_rotation::RotateKeyArgs;
use super::name_arg::name;
use super::terminal::{print_json, print_line, print_note, print_table};
use crate::cli::key_arg::{find_key, key_json, key_json_with_secret, keys_of};
use crate::cli::workspace_arg::{Opened, WorkspaceArg};

/// Maximum rate limit.
const MAX_RATE: i64 = 1_000_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Create an API key; the key is printed only once
    Create(Box<CreateKeyArgs>),
    /// List the API keys and their scopes; the keys themselves are never printed
    List(ListKeysArgs),
    /// Replace an API key by a new key with the same rights; the old key stays valid for a while
    Rotate(RotateKeyArgs),
    /// Revoke an API key; a running gateway rejects it within one second
    Revoke(RevokeKeyArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateKeyArgs {
    /// Name of the key, such as `ci`
    #[arg(long, value_parser = name)]
    name: String,
    /// Scopes, separated by commas: send, read, manage; or, for one subject, contacts, templates, media, accounts,
    /// webhooks (needs read as well), keys, users, audit
    #[arg(long, required = true, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<KeyScope>,
    /// Maximum number of sends in any 60 seconds [default: the setting limits.per_minute]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_RATE))]
    rate_per_minute: Option<u32>,
    /// Maximum number of sends in any second [default: the setting limits.burst]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_RATE))]
    rate_burst: Option<u32>,
    /// Expiry time, such as 2030-01-01T00:00:00.000Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_at: Option<Timestamp>,
    /// Accounts that the key can use, by ID or name, separated by commas [default: all]
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',')]
    accounts: Vec<String>,
    /// Create a test key: it can use sandbox accounts only
    #[arg(long)]
    test: bool,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListKeysArgs {
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeKeyArgs {
    /// ID or prefix of the key, or its name if the name is unique
    #[arg(value_name = "ID|PREFIX|NAME")]
    key: String,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn scope(text: &str) -> Result<KeyScope, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let names = KeyScope::ALL.map(KeyScope::as_str);
        let guess = nearest(text, &names).map(|name| format!("; did you mean `{name}`?"));
        format!("must be one of {}{}", names.join(", "), guess.unwrap_or_default())
    })
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "must be a time with its time zone, such as 2030-01-01T00:00:00.000Z".to_owned())
}

impl KeysCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the database cannot be opened, or the named object does not exist.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(create) => create.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
            Self::Rotate(rotate) => rotate.run(ctx).await,
            Self::Revoke(revoke) => revoke.run(ctx).await,
        }
    }
}

impl CreateKeyArgs {
    async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let Self { name, scopes, rate_per_minute, rate_burst, expires_at, accounts, test, json, .. } = self;
        let accounts = accounts.iter().map(|account| account.trim().to_owned()).collect();
        let request = NewApiKeyRequest {
            name,
            scopes,
            accounts,
            is_test: Some(test),
            rate_per_minute,
            rate_burst,
            expires_at,
        };
        // The command line has access to the whole database: its keys are not limited by the rights of a caller.
        let created = delegation::create_api_key(
            &opened.deps,
            &AuditContext::command_line(),
            opened.workspace,
            None,
            request,
        )
        .await;
        let (key, secret) = created.map_err(|error| describe_error(error, expires_at))?;
        if json {
            print_json(&key_json_with_secret(&key, &secret))?;
        } else {
            print_line(secret.expose_secret())?;
            print_note(&format!(
                "This is the API key `{}` ({}). It is printed only once: store it as a secret.\n\
                 Send it in the header `X-API-Key`.",
                key.name,
                scope_list(&key.scopes)
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe_error(error: ApiKeyError, expires_at: Option<Timestamp>) -> anyhow::Error {
    match error {
        ApiKeyError::ExpiresInPast => {
            let time = expires_at.map_or_else(String::new, |at| format!(" {}", rfc3339(at)));
            anyhow!("--expires-at{time} has passed: it must be in the future")
        }
        ApiKeyError::AccountNotFound { account, .. } => {
            anyhow!("--accounts: there is no account `{account}`")
        }
        ApiKeyError::SandboxMismatch { account, is_sandbox, .. } => {
            let (kind, fix) = if is_sandbox {
                ("is a sandbox account, which only test keys can use", "add --test")
            } else {
                ("is not a sandbox account, and a test key can use sandbox accounts only", "remove --test")
            };
            anyhow!("--accounts: account `{account}` {kind}: {fix}")
        }
        ApiKeyError::NameTaken => anyhow!(
            "--name: another active key of this workspace has this name: use another name, or revoke that key"
        ),
        error @ (ApiKeyError::PrivilegeEscalation(_)
        | ApiKeyError::NotFound
        | ApiKeyError::NotActive
        | ApiKeyError::Store(_)) => anyhow::Error::new(error).context("creating the key"),
    }
}

impl ListKeysArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let directory = opened.deps.directory.current();
        let keys = keys_of(&opened, &directory);
        if self.json {
            let keys: Vec<_> = keys.iter().map(|key| key_json(key)).collect();
            print_json(&json!({ "keys": keys }))?;
        } else if keys.is_empty() {
            print_note("there are no keys; create a key with `waypost keys create`");
        } else {
            let headings = [
                "NAME",
                "PREFIX",
                "SCOPES",
                "ACCOUNTS",
                "PER MINUTE",
                "PER SECOND",
                "CREATED",
                "EXPIRES",
                "LAST USED",
                "ID",
            ];
            let rows: Vec<_> = keys.iter().map(|key| row(key, &opened, &directory)).collect();
            print_table(headings, &rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(key: &ApiKey, opened: &Opened, directory: &Directory) -> [String; 10] {
    let none = || "-".to_owned();
    let time = |at: Option<Timestamp>| at.map_or_else(none, rfc3339);
    let accounts: Vec<_> = key
        .accounts
        .iter()
        .map(|id| {
            let record = directory.accounts_of(opened.workspace).find(|record| record.account.id == *id);
            record.map_or_else(|| id.to_string(), |record| record.account.name.clone())
        })
        .collect();
    let limits = opened.deps.settings.limits;
    let now = opened.deps.now();
    [
        key.name.clone(),
        format!("{}…", key.prefix),
        scope_list(&key.scopes),
        if accounts.is_empty() { "all".to_owned() } else { accounts.join(",") },
        key.rate_per_minute.unwrap_or(limits.per_minute).to_string(),
        key.rate_burst.unwrap_or(limits.burst).to_string(),
        rfc3339(key.created_at),
        match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(at)) if at <= now => "expired".to_owned(),
            (None, at) => time(at),
        },
        time(key.last_used_at),
        key.id.to_string(),
    ]
}

fn scope_list(scopes: &[KeyScope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

impl RevokeKeyArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let key = find_key(&opened, &self.key, |key| key.revoked_at.is_none())?;
        if let Some(at) = key.revoked_at {
            bail!("key `{}` was already revoked at {}", key.name, rfc3339(at));
        }
        let audit = AuditContext::command_line();
        match delegation::revoke_api_key(&opened.deps, &audit, opened.workspace, None, key.id).await {
            Err(ApiKeyError::NotFound) => bail!("key `{}` was revoked at the same time", key.name),
            result => result.context("revoking the key")?,
        }
        if self.json {
            print_json(&json!({ "id": key.id.to_string(), "name": key.name, "status": "revoked" }))?;
        } else {
            print_line(&format!("key `{}` ({}…) was revoked", key.name, key.prefix))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
