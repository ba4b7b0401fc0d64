//! `waypost workspaces`: tenants of one gateway.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use engine::By;
use engine::ports::StoreErrorKind;
use engine::workspace;
use serde_json::json;

use super::Ctx;
use super::accounts::name;
use super::terminal::{say, say_json, say_table};
use crate::cli::workspace_arg::Place;

#[derive(Debug, Subcommand)]
pub(super) enum Workspaces {
    /// Add a workspace: accounts, keys and users of its own
    Add(Add),
    /// List the workspaces
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What you call it; other commands take it as --workspace
    #[arg(long, value_parser = name)]
    name: String,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Workspaces {
    /// Does what was asked.
    ///
    /// # Errors
    /// When the database cannot be opened, or the name is taken.
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
        }
    }
}

impl Add {
    async fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let opened = self.place.open(ctx).await?;
        let id = match workspace::add(&opened.deps, &By::command_line(), &self.name).await {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                bail!("there is a workspace `{}` already", self.name)
            }
            end => end.context("adding the workspace")?,
        };
        if self.json {
            say_json(&json!({ "id": id.to_string(), "name": self.name }))?;
        } else {
            say(&format!("added workspace `{}`, id {id}", self.name))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let opened = self.place.open(ctx).await?;
        let directory = opened.deps.directory.current();
        if self.json {
            let workspaces: Vec<_> = directory
                .workspaces
                .iter()
                .map(|(id, name)| json!({ "id": id.to_string(), "name": name }))
                .collect();
            say_json(&json!({ "workspaces": workspaces }))?;
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
            say_table(["NAME", "ACCOUNTS", "KEYS", "ID"], &rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
