//! Command line.
//!
//! **Invariant:** results go to standard output, everything else to standard error, and only success exits with 0.
//!
//! **Invariant:** a secret is printed by the one command that makes it, once.

mod accounts;
mod api_commands;
mod api_error;
mod backup;
mod context;
mod dev;
mod doctor;
mod duration;
mod event_log;
mod event_tail;
mod file_arg;
mod gateway_arg;
mod gateway_client;
mod health;
mod key_arg;
mod key_rotation;
mod keys;
mod listen;
mod migrate;
mod name_arg;
mod redrive;
#[cfg(test)]
mod reference;
mod secret_arg;
mod secrets;
mod send;
mod serve;
mod setting_flags;
mod signals;
mod simulator;
mod terminal;
mod trigger;
mod users;
mod workspace_arg;
mod workspaces;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::api::document;
use crate::cli::api_commands::ApiInvocation;
use crate::cli::context::CommandContext;
use crate::cli::setting_flags::SettingFlags;
use crate::config::{self, Environment, Origin};
use crate::observability::logging;

/// A self-hosted WhatsApp Business messaging gateway.
///
/// Start with `waypost dev`: it runs the gateway and a simulated WhatsApp on this machine.
#[derive(Debug, Parser)]
#[command(name = "waypost", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway and a simulated WhatsApp on this machine
    Dev(dev::DevArgs),
    /// Run the gateway
    Serve,
    /// Run only the simulated Graph API, to test any client of the WhatsApp Cloud API
    Simulator(simulator::SimulatorArgs),
    /// Migrate the database to the current version (`serve` does this when it starts)
    Migrate(migrate::MigrateArgs),
    /// Process stored webhooks from Meta again: after an upgrade, or after an account was added late
    Redrive(redrive::RedriveArgs),
    /// Check configuration, database, disk, accounts and callback, and report what to fix
    Doctor(doctor::DoctorArgs),
    /// Check whether the gateway on this machine is ready; the exit code is 0 if it is
    Health(health::HealthArgs),
    /// Back up the database to a file while the gateway runs
    Backup(backup::BackupArgs),
    /// Restore the database from a backup
    Restore(backup::RestoreArgs),
    /// Secrets in the database: encrypt them with a new key
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// WhatsApp accounts: add, list, update, test, subscribe, register, resume, remove
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// API keys: create, list, rotate, revoke
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Users: add, list, change the password, remove
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Workspaces, which are isolated from each other: add, list
    #[command(subcommand)]
    Workspaces(workspaces::WorkspacesCommand),
    /// Send a message through a running gateway, for scripts and cron
    Send(Box<send::SendArgs>),
    /// Post the events of a running gateway to a program on this machine, signed as webhooks are
    Listen(Box<listen::ListenArgs>),
    /// Make something happen in the sandbox: a customer writes, a message is read, a template is rejected
    Trigger(Box<trigger::TriggerArgs>),
    #[command(flatten)]
    Api(ApiInvocation),
    /// Print the OpenAPI 3.1 description of the API
    Openapi,
    /// Configuration: check the effective values, print the reference
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration and the source of each value; secrets are masked
    Check(Output),
    /// Print the reference of all settings in Markdown
    Reference,
}

/// Format of the output.
#[derive(Clone, Copy, Debug, Args)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            terminal::print_note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if matches!(cli.command, Command::Config(ConfigCommand::Reference)) {
        // The reference must be available without a valid configuration.
        terminal::print_line(config::reference().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(cli.command, Command::Openapi) {
        // The description does not depend on the configuration.
        terminal::print_line(document::printed().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Doctor(doctor) = &cli.command {
        // `doctor` reports an invalid configuration as a finding.
        match Environment::read().and_then(|environment| cli.settings.load(&environment)) {
            Ok(_) => {}
            Err(error) => return doctor.report_invalid_configuration(error),
        }
    }
    let environment = Environment::read()?;
    let loaded = cli.settings.load(&environment)?;
    let mut log = loaded.config.log.clone();
    if !matches!(cli.command, Command::Serve) && *loaded.origin("log.filter") == Origin::Default {
        // Interactive commands print their own output; the log shows problems only.
        "warn".clone_into(&mut log.filter);
    }
    if !matches!(cli.command, Command::Serve | Command::Dev(_)) {
        log.otlp_endpoint = None;
    }
    let exporter = logging::start(&log)?;
    let ctx = CommandContext { loaded, environment, exporter };
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(Box::pin(dispatch(ctx, cli.command)))
}

async fn dispatch(ctx: CommandContext, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(dev) => Box::pin(dev.run(ctx)).await,
        Command::Serve => Box::pin(serve::run(ctx)).await,
        Command::Simulator(simulator) => Box::pin(simulator.run(ctx)).await,
        Command::Migrate(migrate) => migrate.run(&ctx),
        Command::Redrive(redrive) => Box::pin(redrive.run(&ctx)).await,
        Command::Doctor(doctor) => Box::pin(doctor.run(&ctx)).await,
        Command::Health(health) => Box::pin(health.run(&ctx)).await,
        Command::Backup(backup) => backup.run(&ctx),
        Command::Restore(restore) => restore.run(&ctx),
        Command::Secrets(secrets) => secrets.run(&ctx),
        Command::Accounts(accounts) => Box::pin(accounts.run(&ctx)).await,
        Command::Keys(keys) => Box::pin(keys.run(&ctx)).await,
        Command::Users(users) => Box::pin(users.run(&ctx)).await,
        Command::Workspaces(workspaces) => Box::pin(workspaces.run(&ctx)).await,
        Command::Send(send) => Box::pin(send.run(&ctx)).await,
        Command::Listen(listen) => Box::pin(listen.run(&ctx)).await,
        Command::Trigger(trigger) => Box::pin(trigger.run(&ctx)).await,
        Command::Api(invocation) => Box::pin(invocation.run(&ctx)).await,
        Command::Config(ConfigCommand::Check(output)) => check(&ctx, output),
        Command::Config(ConfigCommand::Reference) | Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

fn check(ctx: &CommandContext, output: Output) -> anyhow::Result<ExitCode> {
    if output.json {
        terminal::print_json(&config::effective_json(&ctx.loaded))?;
    } else {
        terminal::print_line(config::effective(&ctx.loaded).trim_end())?;
    }
    if !ctx.loaded.config.has_secret_key() {
        terminal::print_note(
            "note: secret_key is not set; `waypost serve` does not start without a secret key",
        );
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        Cli::command().debug_assert();
    }
}
