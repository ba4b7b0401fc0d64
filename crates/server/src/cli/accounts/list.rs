//! `waypost accounts list`.

use std::process::ExitCode;

use clap::Args;
use domain::accounts::account::Account;
use serde_json::json;

use super::serialize::account_json;
use crate::cli::context::CommandContext;
use crate::cli::terminal::{print_json, print_note, print_table};
use crate::cli::workspace_arg::WorkspaceArg;

#[derive(Debug, Args)]
pub(crate) struct ListAccountsArgs {
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ListAccountsArgs {
    /// Prints the accounts.
    ///
    /// # Errors
    /// If the database cannot be opened.
    pub(super) async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let directory = opened.deps.directory.current();
        let accounts: Vec<_> =
            directory.accounts_of(opened.workspace).map(|record| &record.account).collect();
        if self.json {
            let accounts: Vec<_> = accounts.into_iter().map(account_json).collect();
            print_json(&json!({ "accounts": accounts }))?;
        } else if accounts.is_empty() {
            print_note("there are no accounts; add an account with `waypost accounts add`");
        } else {
            let headings = ["NAME", "ID", "PHONE NUMBER ID", "WABA ID", "NUMBER", "STATUS", ""];
            let rows: Vec<_> = accounts.iter().copied().map(row).collect();
            print_table(headings, &rows)?;
            for account in accounts {
                if let Some(reason) = &account.status_reason {
                    print_note(&format!("{} is {}: {reason}", account.name, account.status.as_str()));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(account: &Account) -> [String; 7] {
    let labels = [(account.is_default, "default"), (account.is_sandbox, "sandbox")];
    let labels: Vec<_> = labels.into_iter().filter_map(|(is_set, label)| is_set.then_some(label)).collect();
    [
        account.name.clone(),
        account.id.to_string(),
        account.phone_number_id.clone(),
        account.waba_id.clone(),
        account.display_phone_number.clone().unwrap_or_else(|| "-".to_owned()),
        account.status.as_str().to_owned(),
        labels.join(", "),
    ]
}
