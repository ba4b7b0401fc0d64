//! The command line.
//!
//! **Invariant:** results go to standard output, everything else to standard error, and only success exits with 0.
//!
//! **Invariant:** a secret is printed by the one command that makes it, once.

mod accounts;
mod backup;
mod dev;
mod doctor;
mod duration;
mod gateway_client;
mod health;
mod keys;
mod migrate;
mod redrive;
mod secret_arg;
mod secrets;
mod send;
mod serve;
mod setting_flags;
mod signals;
mod simulator;
mod terminal;
mod users;
mod workspace_arg;
mod workspaces;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::api::openapi;
use crate::cli::setting_flags::SettingFlags;
use crate::config::{self, Environment, Loaded, Origin};
use crate::observability::logging;
use crate::observability::traces::Exporter;

/// What a command is given beside its own arguments.
struct Ctx {
    loaded: Loaded,
    environment: Environment,
    /// Where spans go, in a command that serves.
    exporter: Option<Exporter>,
}

/// A self-hosted WhatsApp Business messaging gateway.
///
/// `waypost dev` is a whole simulated WhatsApp on this machine: start there.
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
    /// Run the gateway with a simulated WhatsApp on this machine, to try things out
    Dev(dev::Dev),
    /// Run the gateway
    Serve,
    /// Run the simulated Graph API alone, to test any client of the WhatsApp Cloud API
    Simulator(simulator::Simulator),
    /// Bring the database up to date (`serve` does it at its start, too)
    Migrate(migrate::Migrate),
    /// Take what Meta posted once more: after an upgrade that understands more, or when an account was added late
    Redrive(redrive::Redrive),
    /// Look at configuration, database, accounts and callback, and say what to mend
    Doctor(doctor::Doctor),
    /// Ask the gateway on this machine whether it is ready: exit with 0 if it is
    Health(health::Health),
    /// Copy the database to a file while the gateway runs
    Backup(backup::Backup),
    /// Put a copy in the place of the database
    Restore(backup::Restore),
    /// The secrets in the database: seal them with another key
    #[command(subcommand)]
    Secrets(crate::cli::secrets::Secrets),
    /// WhatsApp senders: add, list, update, test, subscribe, register, resume, remove
    #[command(subcommand)]
    Accounts(accounts::Accounts),
    /// Keys of the API: create, list, revoke
    #[command(subcommand)]
    Keys(keys::Keys),
    /// People who log in: add, list, change their password, remove
    #[command(subcommand)]
    Users(users::Users),
    /// Workspaces, which see nothing of each other: add, list
    #[command(subcommand)]
    Workspaces(workspaces::Workspaces),
    /// Send one message through a running gateway, for scripts and cron
    Send(Box<send::Send>),
    /// Print the description of the API (OpenAPI 3.1)
    Openapi,
    /// The configuration: check what is in effect, print the reference
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration and where each value came from, secrets masked
    Check(Output),
    /// Print the reference of all settings, as Markdown
    Reference,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Args)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if matches!(cli.command, Command::Config(ConfigCommand::Reference)) {
        // Needs no valid configuration: it is what helps to make one.
        terminal::say(config::reference().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(cli.command, Command::Openapi) {
        // The same whatever the configuration.
        terminal::say(openapi::printed().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Doctor(doctor) = &cli.command {
        // It says what is wrong with a configuration that nothing else can start with.
        match Environment::read().and_then(|environment| cli.settings.load(&environment)) {
            Ok(_) => {}
            Err(error) => return doctor.unreadable(error),
        }
    }
    let environment = Environment::read()?;
    let loaded = cli.settings.load(&environment)?;
    let mut log = loaded.config.log.clone();
    if !matches!(cli.command, Command::Serve) && *loaded.origin("log.filter") == Origin::Default {
        // What a person started and looks at speaks for itself.
        "warn".clone_into(&mut log.filter);
    }
    if !matches!(cli.command, Command::Serve | Command::Dev(_)) {
        log.otlp_endpoint = None;
    }
    let exporter = logging::start(&log)?;
    let ctx = Ctx { loaded, environment, exporter };
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(Box::pin(dispatch(ctx, cli.command)))
}

async fn dispatch(ctx: Ctx, command: Command) -> anyhow::Result<ExitCode> {
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
        Command::Config(ConfigCommand::Check(output)) => check(&ctx, output),
        Command::Config(ConfigCommand::Reference) | Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

fn check(ctx: &Ctx, output: Output) -> anyhow::Result<ExitCode> {
    if output.json {
        terminal::say_json(&config::effective_json(&ctx.loaded))?;
    } else {
        terminal::say(config::effective(&ctx.loaded).trim_end())?;
    }
    if !ctx.loaded.config.has_secret_key() {
        terminal::complain("note: secret_key is not set; `waypost serve` does not start without it");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
