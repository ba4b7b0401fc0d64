//! An account as an argument.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};
use domain::accounts::account::Account;
use engine::ports::AccountRecord;
use serde_json::json;

use crate::cli::terminal::{print_json, print_line};
use crate::cli::workspace_arg::{Opened, WorkspaceArg};

#[derive(Debug, Args)]
pub(crate) struct AccountArg {
    /// ID or name of the account
    #[arg(value_name = "ID|NAME")]
    pub(super) id_or_name: String,
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl AccountArg {
    /// Prints the result of a command.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(super) fn print_result(
        &self,
        status: &str,
        account: &Account,
        text: &str,
    ) -> anyhow::Result<ExitCode> {
        if self.json {
            print_json(&json!({ "id": account.id.to_string(), "name": account.name, "status": status }))?;
        } else {
            print_line(text)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the account with this id or name.
///
/// # Errors
/// If there is no such account.
pub(super) fn find(opened: &Opened, id_or_name: &str) -> anyhow::Result<Arc<AccountRecord>> {
    let directory = opened.deps.directory.current();
    if let Some(record) = directory.account(opened.workspace, id_or_name) {
        return Ok(record.clone());
    }
    let names: Vec<_> =
        directory.accounts_of(opened.workspace).map(|record| format!("`{}`", record.account.name)).collect();
    if names.is_empty() {
        bail!("there is no account `{id_or_name}`; add an account with `waypost accounts add`");
    }
    bail!("there is no account `{id_or_name}`; existing accounts: {}", names.join(", "))
}

/// Choice for linked files.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FetchMedia {
    On,
    Off,
    Default,
}

impl FetchMedia {
    /// Returns the choice; `None` means the default.
    pub(super) fn choice(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Default => None,
        }
    }
}
