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
use domain::accounts::account::Account;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::AccountCheck;
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
                let mut checks =
                    accounts::test_account(&opened.deps, &record).await.context("testing the account")?;
                checks.extend(check_suspension(&record.account));
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

/// Returns a failed check with the reason if the account is suspended.
fn check_suspension(account: &Account) -> Option<AccountCheck> {
    let reason = account.status_reason.as_deref()?;
    let (status, name) = (account.status.as_str(), &account.name);
    let finding =
        format!("{status}: {} Fix the cause, then run `waypost accounts resume {name}`", reason.trim_end());
    Some(AccountCheck { name: "status", is_ok: false, finding })
}

#[cfg(test)]
mod tests {
    use domain::accounts::account::AccountStatus;
    use domain::id::{AccountId, WorkspaceId};

    use super::*;

    #[test]
    fn a_suspended_account_fails_a_check_with_its_reason_and_what_to_do() {
        let mut account = Account {
            id: AccountId::from_bytes([1; 16]),
            workspace: WorkspaceId::from_bytes([1; 16]),
            name: "main".to_owned(),
            phone_number_id: "440022110033998".to_owned(),
            waba_id: "320987650009876".to_owned(),
            display_phone_number: None,
            quality_rating: None,
            messaging_limit_tier: None,
            status: AccountStatus::Connected,
            status_reason: None,
            is_default: true,
            is_sandbox: false,
            fetches_links: None,
        };
        assert_eq!(check_suspension(&account), None);
        account.status = AccountStatus::Suspended;
        account.status_reason = Some("Meta refused with code 131042.".to_owned());
        let check = check_suspension(&account).expect("a failed check");
        assert!(!check.is_ok);
        assert_eq!(
            check.finding,
            "held: Meta refused with code 131042. Fix the cause, then run `waypost accounts resume main`"
        );
    }
}
