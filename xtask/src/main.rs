//! The chores of the repository: `cargo xtask <task>`.
//!
//! **Invariant:** nothing here is part of the gateway, and the gateway's crates are only used by starting
//! their programs.

mod bench;
mod call;
mod chaos;
mod ci;
mod digest;
mod dist;
mod junit;
mod outside;
mod process;
mod repository;
mod terminal;
mod tidy;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::process::ExitCode;

/// The chores of the repository.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change goes in: format, lints, tests, documentation, tidy.
    Ci,
    /// Checks of the tree that neither the compiler nor clippy makes.
    Tidy {
        /// Adds the checksums of new migrations to crates/store/migrations.sha256 first.
        #[arg(long)]
        bless_migrations: bool,
    },
    /// A public Cloud API client against the simulator.
    Outside,
    /// A real gateway, killed again and again under load: nothing may be lost, doubled or stuck.
    Chaos(chaos::ChaosOptions),
    /// A release archive with its checksums, in target/dist.
    Dist,
    /// Measurements.
    #[command(subcommand)]
    Bench(Bench),
    /// A stand-in for Meta that takes any message at once; part of `bench`.
    #[command(hide = true)]
    MockUpstream {
        /// The address to listen on.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// The load generator; part of `bench`.
    #[command(hide = true)]
    Load(bench::LoadOptions),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The cost of one sent message, compared with one proxied request.
    Send(bench::SendOptions),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => return if ci::run() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Task::Tidy { bless_migrations } => tidy::run(bless_migrations),
        Task::Outside => outside::run(),
        Task::Dist => dist::run(),
        Task::Chaos(options) => chaos::run(&options),
        Task::Bench(Bench::Send(options)) => bench::send(&options),
        Task::MockUpstream { listen } => bench::mock_upstream(listen),
        Task::Load(options) => bench::load(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
