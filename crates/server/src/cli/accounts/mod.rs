//! `waypost accounts`: WhatsApp senders.

mod change;
mod steps;
mod update;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use domain::accounts::account::Account;
use engine::By;
use engine::accounts;
use engine::accounts::{AddAccount, Check};
use engine::ports::{AccountRecord, StoreErrorKind};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::Ctx;
use super::terminal::{Palette, complain, say, say_json, say_table};
use crate::cli::secret_arg::secret;
use crate::cli::workspace_arg::{Opened, Place};
use steps::{Missing, steps};

/// The most characters of a name.
const LONGEST_NAME: usize = 100;
/// The most digits of one of Meta's ids.
const LONGEST_ID: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum Accounts {
    /// Add a WhatsApp sender
    Add(Box<Add>),
    /// List the accounts
    List(List),
    /// Change an account: its name, its secrets, whether it is the default, who fetches links
    Update(Box<update::Update>),
    /// Ask Meta about an account: token, scopes, number, webhook subscription, callback
    Test(One),
    /// Subscribe the token's app to the account's webhooks
    Subscribe(One),
    /// Register the account's number with its PIN
    Register(change::Register),
    /// Let an account that is held send again
    Resume(One),
    /// Remove an account; its messages stay
    Remove(change::Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What you call it, such as `main`
    #[arg(long, value_parser = name)]
    name: String,
    /// The number's id at Meta (WhatsApp > API Setup: "Phone number ID"), digits
    #[arg(long, value_name = "DIGITS", value_parser = meta_id)]
    phone_number_id: String,
    /// The WhatsApp Business Account's id at Meta, digits
    #[arg(long, value_name = "DIGITS", value_parser = meta_id)]
    waba_id: String,
    /// The access token of a system user
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "access_token_file",
        required_unless_present = "access_token_file"
    )]
    access_token: Option<SecretString>,
    /// A file that holds the access token
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// The app's secret (App settings > Basic): proves that a webhook is Meta's
    #[arg(long, value_name = "SECRET", conflicts_with = "app_secret_file")]
    app_secret: Option<SecretString>,
    /// A file that holds the app's secret
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// A word of your choice; Meta gets the same one with the callback URL
    #[arg(long, value_name = "WORD", conflicts_with = "verify_token_file")]
    verify_token: Option<SecretString>,
    /// A file that holds the verify token
    #[arg(long, value_name = "FILE")]
    verify_token_file: Option<PathBuf>,
    /// Use it for messages that name no account
    #[arg(long)]
    default: bool,
    /// It talks to the simulator; only test keys may use it
    #[arg(long)]
    sandbox: bool,
    /// Whether links in its messages are fetched here and uploaded; `default`: as `media.fetch` says
    #[arg(long, value_name = "WHEN", default_value = "default")]
    fetch_media: FetchMedia,
    /// Ask Meta about it at once, as `accounts test` does
    #[arg(long)]
    test: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whether links are fetched here.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FetchMedia {
    On,
    Off,
    Default,
}

impl FetchMedia {
    fn choice(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Default => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The account's id or name
    #[arg(value_name = "ID|NAME")]
    account: String,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A name that people give: something to see, on one line.
///
/// # Errors
/// When it is empty, too long or holds control characters.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NAME {
        return Err(format!("must be 1 to {LONGEST_NAME} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn meta_id(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must be digits: Meta's id, not the phone number".to_owned());
    }
    if text.len() > LONGEST_ID {
        return Err(format!("must be at most {LONGEST_ID} digits"));
    }
    Ok(text.to_owned())
}

impl Accounts {
    /// Does what was asked.
    ///
    /// # Errors
    /// When the database cannot be opened, or what was named is not there.
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
            Self::Test(one) => {
                let opened = one.place.open(ctx).await?;
                let record = find(&opened, &one.account)?;
                let checks = accounts::test(&opened.deps, &record).await.context("testing the account")?;
                if one.json {
                    say_json(
                        &json!({ "id": record.account.id.to_string(), "checks": checks_json(&checks) }),
                    )?;
                } else {
                    say_checks(ctx, &checks)?;
                }
                Ok(exit_code(&checks))
            }
            Self::Update(update) => update.run(ctx).await,
            Self::Resume(one) => {
                let opened = one.place.open(ctx).await?;
                let record = find(&opened, &one.account)?;
                let name = &record.account.name;
                accounts::resume(&opened.deps, &By::command_line(), &record.account)
                    .await
                    .context("resuming the account")?;
                one.done("connected", &record.account, &format!("account `{name}` may send again"))
            }
            Self::Subscribe(one) => change::subscribe(&one, ctx).await,
            Self::Register(register) => register.run(ctx).await,
            Self::Remove(remove) => remove.run(ctx).await,
        }
    }
}

impl One {
    fn done(&self, status: &str, account: &Account, text: &str) -> anyhow::Result<ExitCode> {
        if self.json {
            say_json(&json!({ "id": account.id.to_string(), "name": account.name, "status": status }))?;
        } else {
            say(text)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn find(opened: &Opened, id_or_name: &str) -> anyhow::Result<Arc<AccountRecord>> {
    let directory = opened.deps.directory.current();
    if let Some(record) = directory.account(opened.workspace, id_or_name) {
        return Ok(record.clone());
    }
    let names: Vec<_> =
        directory.accounts_of(opened.workspace).map(|record| format!("`{}`", record.account.name)).collect();
    if names.is_empty() {
        bail!("there is no account `{id_or_name}`, nor any other: `waypost accounts add` adds one");
    }
    bail!("there is no account `{id_or_name}`; there are {}", names.join(", "))
}

impl Add {
    async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let token = secret("access-token", self.access_token.as_ref(), self.access_token_file.as_deref())?;
        let access_token = token.context("--access-token is missing")?;
        let app_secret = secret("app-secret", self.app_secret.as_ref(), self.app_secret_file.as_deref())?;
        let verify_token =
            secret("verify-token", self.verify_token.as_ref(), self.verify_token_file.as_deref())?;
        let opened = self.place.open(ctx).await?;
        self.refuse_taken(&opened)?;
        let missing = Missing { app_secret: app_secret.is_none(), verify_token: verify_token.is_none() };
        let new = AddAccount {
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
        };
        let account = match accounts::add(&opened.deps, &By::command_line(), new).await {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                bail!("another account has this name or phone number id; it was added just now")
            }
            end => end.context("adding the account")?,
        };
        let checks = if self.test {
            let record = find(&opened, &account.id.to_string())?;
            accounts::test(&opened.deps, &record).await.context("testing the account")?
        } else {
            Vec::new()
        };
        let callback_url = opened.config.callback_url();
        if self.json {
            let mut shown = show(&account);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("callback_url".to_owned(), json!(callback_url));
                if self.test {
                    shown.insert("checks".to_owned(), checks_json(&checks));
                }
            }
            say_json(&shown)?;
        } else {
            say(&format!("added account `{}`, id {}", account.name, account.id))?;
            say_checks(ctx, &checks)?;
            say(&steps(&callback_url, &account, &missing))?;
        }
        Ok(exit_code(&checks))
    }

    fn refuse_taken(&self, opened: &Opened) -> anyhow::Result<()> {
        let directory = opened.deps.directory.current();
        if directory.accounts_of(opened.workspace).any(|record| record.account.name == self.name) {
            bail!("there is an account `{}` already: choose another name, or remove that one", self.name);
        }
        let taken =
            directory.accounts.iter().find(|record| record.account.phone_number_id == self.phone_number_id);
        if let Some(record) = taken {
            bail!(
                "the phone number id {} belongs to account `{}` already",
                self.phone_number_id,
                record.account.name
            );
        }
        Ok(())
    }
}

impl List {
    async fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let opened = self.place.open(ctx).await?;
        let directory = opened.deps.directory.current();
        let accounts: Vec<_> =
            directory.accounts_of(opened.workspace).map(|record| &record.account).collect();
        if self.json {
            let accounts: Vec<_> = accounts.into_iter().map(show).collect();
            say_json(&json!({ "accounts": accounts }))?;
        } else if accounts.is_empty() {
            complain("there are no accounts: `waypost accounts add` adds one");
        } else {
            let headings = ["NAME", "ID", "PHONE NUMBER ID", "WABA ID", "NUMBER", "STATUS", ""];
            let rows: Vec<_> = accounts.iter().copied().map(row).collect();
            say_table(headings, &rows)?;
            for account in accounts {
                if let Some(reason) = &account.status_reason {
                    complain(&format!("{} is {}: {reason}", account.name, account.status.as_str()));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(account: &Account) -> [String; 7] {
    let marks = [(account.is_default, "default"), (account.is_sandbox, "sandbox")];
    let marks: Vec<_> = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect();
    [
        account.name.clone(),
        account.id.to_string(),
        account.phone_number_id.clone(),
        account.waba_id.clone(),
        account.display_phone_number.clone().unwrap_or_else(|| "-".to_owned()),
        account.status.as_str().to_owned(),
        marks.join(", "),
    ]
}

fn show(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(),
        "name": account.name,
        "phone_number_id": account.phone_number_id,
        "waba_id": account.waba_id,
        "display_phone_number": account.display_phone_number,
        "quality_rating": account.quality_rating,
        "status": account.status.as_str(),
        "status_reason": account.status_reason,
        "default": account.is_default,
        "sandbox": account.is_sandbox,
        "fetch_media": account.fetches_links,
    })
}

fn say_checks(ctx: &Ctx, checks: &[Check]) -> anyhow::Result<()> {
    let palette = Palette::of_stdout(ctx.environment.is_plain);
    for check in checks {
        let mark = if check.is_ok { palette.green("ok  ") } else { palette.red("FAIL") };
        say(&format!("{mark}  {:8}  {}", check.name, check.finding))?;
    }
    Ok(())
}

fn checks_json(checks: &[Check]) -> Value {
    checks
        .iter()
        .map(|check| json!({ "name": check.name, "ok": check.is_ok, "finding": check.finding }))
        .collect()
}

fn exit_code(checks: &[Check]) -> ExitCode {
    if checks.iter().all(|check| check.is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
