//! Commands that call the API of a running gateway, as a table: `templates`, `messages`, `events`, `webhooks`, `contacts`.
//!
//! **Invariant:** a command is a row of the table in [`table`]. Options, calls, output and errors are the same for all rows.

mod arguments;
mod call;
mod definition;
mod output;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches, Subcommand};

use super::context::CommandContext;
use crate::cli::event_tail;
use crate::cli::gateway_arg::GatewayArg;

use self::definition::{ApiCommand, CommandEffect, CommandGroup, ResultFormat};
use self::table::GROUPS;

/// Number of rows of a list without `--limit`.
const DEFAULT_LIMIT: u32 = 50;

/// A command of the table with the values of its arguments.
#[derive(Debug)]
pub(super) struct ApiInvocation {
    command: &'static ApiCommand,
    /// Values of the arguments by name; absent arguments are not contained.
    values: BTreeMap<&'static str, Vec<String>>,
    gateway: GatewayArg,
    limit: u32,
    is_json: bool,
}

impl ApiInvocation {
    /// Runs the command.
    ///
    /// # Errors
    /// If there is no response, or an argument cannot be used.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let client = self.gateway.client(ctx)?;
        match &self.command.effect {
            CommandEffect::Call(call) => Box::pin(self.run_call(&client, call)).await,
            CommandEffect::FollowEvents => {
                let query = self.query(&self.command.parameters_in_query())?;
                Box::pin(event_tail::run(&client, query, self.is_json)).await
            }
        }
    }
}

impl Subcommand for ApiInvocation {
    fn augment_subcommands(command: Command) -> Command {
        GROUPS.iter().fold(command, |command, group| command.subcommand(group_command(group)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        GROUPS.iter().any(|group| group.name == name)
    }
}

impl FromArgMatches for ApiInvocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (group_name, matches) = matches.subcommand().ok_or_else(missing)?;
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let group = GROUPS.iter().find(|group| group.name == group_name).ok_or_else(missing)?;
        let command = group.commands.iter().find(|command| command.name == name).ok_or_else(missing)?;
        let mut values = BTreeMap::new();
        for parameter in command.parameters {
            if parameter.is_flag() {
                if matches.get_flag(parameter.name) {
                    values.insert(parameter.name, vec!["true".to_owned()]);
                }
            } else if let Some(given) = matches.get_many::<String>(parameter.name) {
                values.insert(parameter.name, given.cloned().collect());
            }
        }
        let limit = if command.is_list() { matches.get_one::<u32>("limit").copied() } else { None };
        Ok(Self {
            command,
            values,
            gateway: GatewayArg::from_arg_matches(matches)?,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            is_json: matches.get_flag("json"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn group_command(group: &CommandGroup) -> Command {
    let command =
        Command::new(group.name).about(group.about).subcommand_required(true).arg_required_else_help(true);
    group.commands.iter().fold(command, |command, definition| command.subcommand(api_command(definition)))
}

fn api_command(definition: &ApiCommand) -> Command {
    let mut command = Command::new(definition.name);
    for parameter in definition.parameters {
        command = command.arg(parameter.to_arg());
    }
    if definition.is_list() {
        let limit = Arg::new("limit")
            .long("limit")
            .value_name("N")
            .value_parser(clap::value_parser!(u32).range(1..))
            .help(format!("Maximum number of rows [default: {DEFAULT_LIMIT}]"));
        command = command.arg(limit);
    }
    // The description of the shared arguments would become the description of the command.
    command = GatewayArg::augment_args(command).about(definition.about);
    let help = match &definition.effect {
        CommandEffect::FollowEvents => "Print one JSON object per line",
        CommandEffect::Call(call) if matches!(call.format, ResultFormat::Text) => "Print errors in JSON",
        CommandEffect::Call(_) => "Print JSON",
    };
    command.arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help(help))
}

#[cfg(test)]
mod tests;
