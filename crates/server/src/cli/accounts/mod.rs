//! `waypost accounts`: WhatsApp accounts.

mod account_arg;
mod add;
mod change;
mod list;
mod serialize;
mod setup_steps;
mod update;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use engine::AuditContext;
use engine::accounts;
use serde_json::json;

use super::context::CommandContext;
use super::terminal::print_json;
use account_arg::AccountArg;
use serialize::{checks_json, exit_code, print_checks};

#[derive(Debug, Subcommand)]
pub(super) enum AccountsCommand {
    /// Add a WhatsApp account
    Add(Box<add::AddAccountArgs>),
    /// List the accounts
    List(list::ListAccountsArgs),
    /// Update an account: its name, its secrets, the default account, the download of links
    Update(Box<update::UpdateAccountArgs>),
    /// Check an account at Meta: token, scopes, number, webhook subscription, callback
    Test(AccountArg),
    /// Subscribe the app of the access token to the account's webhooks
    Subscribe(AccountArg),
    /// Register the account's phone number with its PIN
    Register(change::RegisterNumberArgs),
    /// Resume sending from a held account
    Resume(AccountArg),
    /// Remove an account and keep its messages
    Remove(change::RemoveAccountArgs),
}

impl AccountsCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the database cannot be opened, or the named object does not exist.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
            Self::Test(account) => {
                let opened = account.workspace.open(ctx).await?;
                let record = account_arg::find(&opened, &account.id_or_name)?;
                let checks =
                    accounts::test_account(&opened.deps, &record).await.context("testing the account")?;
                if account.json {
                    print_json(
                        &json!({ "id": record.account.id.to_string(), "checks": checks_json(&checks) }),
                    )?;
                } else {
                    print_checks(ctx, &checks)?;
                }
                Ok(exit_code(&checks))
            }
            Self::Update(update) => update.run(ctx).await,
            Self::Resume(account) => {
                let opened = account.workspace.open(ctx).await?;
                let record = account_arg::find(&opened, &account.id_or_name)?;
                let name = &record.account.name;
                accounts::resume_account(&opened.deps, &AuditContext::command_line(), &record.account)
                    .await
                    .context("resuming the account")?;
                account.print_result(
                    "connected",
                    &record.account,
                    &format!("account `{name}` can send again"),
                )
            }
            Self::Subscribe(account) => change::subscribe(&account, ctx).await,
            Self::Register(register) => register.run(ctx).await,
            Self::Remove(remove) => remove.run(ctx).await,
        }
    }
}
