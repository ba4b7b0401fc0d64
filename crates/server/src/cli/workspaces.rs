//! `waypost workspaces`: isolated tenants of one gateway.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use engine::AuditContext;
use engine::ports::StoreErrorKind;
use engine::workspace;
use serde_json::json;

use super::context::CommandContext;
use super::name_arg::name;
use super::terminal::{print_json, print_line, print_table};
use crate::cli::workspace_arg::WorkspaceArg;

#[derive(Debug, Subcommand)]
pub(super) enum WorkspacesCommand {
    /// Add a workspace with its own accounts, keys and users
    Add(AddWorkspaceArgs),
    /// List the workspaces
    List(ListWorkspacesArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddWorkspaceArgs {
    /// Name, for the flag --workspace of other commands
    #[arg(long, value_parser = name)]
    name: String,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListWorkspacesArgs {
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl WorkspacesCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the database cannot be opened, or another workspace has the name.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
        }
    }
}

impl AddWorkspaceArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let id = match workspace::create_workspace(&opened.deps, &AuditContext::command_line(), &self.name)
            .await
        {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                bail!("there is already a workspace `{}`", self.name)
            }
            result => result.context("adding the workspace")?,
        };
        if self.json {
            print_json(&json!({ "id": id.to_string(), "name": self.name }))?;
        } else {
            print_line(&format!("added workspace `{}`, id {id}", self.name))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ListWorkspacesArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let directory = opened.deps.directory.current();
        if self.json {
            let workspaces: Vec<_> = directory
                .workspaces
                .iter()
                .map(|(id, name)| json!({ "id": id.to_string(), "name": name }))
                .collect();
            print_json(&json!({ "workspaces": workspaces }))?;
        } else {
            let rows: Vec<_> = directory
                .workspaces
                .iter()
                .map(|(id, name)| {
                    let n_accounts = directory.accounts_of(*id).count();
                    let n_keys = directory
                        .keys
                        .values()
                        .filter(|key| key.workspace == *id && key.is_valid(opened.deps.now()))
                        .count();
                    [name.clone(), n_accounts.to_string(), n_keys.to_string(), id.to_string()]
                })
                .collect();
            print_table(["NAME", "ACCOUNTS", "KEYS", "ID"], &rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
