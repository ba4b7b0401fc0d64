//! Tasks of the repository: `cargo xtask <task>`.
//!
//! **Invariant:** no code here is part of the gateway. The gateway's crates are used only by starting
//! their programs.

mod bench;
mod call;
mod chaos;
mod ci;
mod digest;
mod dist;
mod interop;
mod junit;
mod process;
mod repository;
mod terminal;
mod tidy;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::process::ExitCode;

/// Tasks of the repository.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run all checks that must pass before a change is merged: format, lints, tests, documentation, tidy.
    Ci,
    /// Check the rules of the repository that neither the compiler nor clippy checks.
    Tidy {
        /// First add the checksums of new migrations to crates/store/migrations.sha256.
        #[arg(long)]
        bless_migrations: bool,
    },
    /// Run tests with programs of third parties: API clients, webhook libraries, code generators.
    Interop,
    /// Kill a gateway repeatedly under load, and check that no message is lost, duplicated or stuck.
    Chaos(chaos::ChaosOptions),
    /// Create a release archive with its checksums in target/dist.
    Dist(dist::DistOptions),
    /// Run benchmarks.
    #[command(subcommand)]
    Bench(Bench),
    /// Serve a mock of Meta's API that accepts every message; part of `bench`.
    #[command(hide = true)]
    MockUpstream {
        /// Address to listen on.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Serve a receiver of webhook deliveries; part of `bench`.
    #[command(hide = true)]
    WebhookReceiver {
        /// Address to listen on.
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Serve a bare reverse proxy; part of `bench`.
    #[command(hide = true)]
    ReverseProxy {
        /// Address to listen on.
        #[arg(long)]
        listen: SocketAddr,
        /// Address of the server behind the proxy.
        #[arg(long)]
        upstream: SocketAddr,
    },
    /// Generate the load that standard input describes; part of `bench`.
    #[command(hide = true)]
    Load,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Measure the cost of a sent message, compared with a proxied request.
    Send(bench::SendOptions),
    /// Measure the cost and the latency of webhooks of Meta.
    WebhooksIn(bench::WebhooksInOptions),
    /// Measure the rate and the cost of deliveries to one webhook endpoint.
    WebhooksOut(bench::WebhooksOutOptions),
    /// Measure how exactly the queue keeps the throughput of a phone number.
    Queue(bench::QueueOptions),
    /// Measure the time until the gateway answers, and its memory when it has nothing to do.
    Start(bench::StartOptions),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => return if ci::run() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Task::Tidy { bless_migrations } => tidy::run(bless_migrations),
        Task::Interop => interop::run(),
        Task::Dist(options) => dist::run(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Bench(Bench::Send(options)) => bench::send(&options),
        Task::Bench(Bench::WebhooksIn(options)) => bench::webhooks_in(&options),
        Task::Bench(Bench::WebhooksOut(options)) => bench::webhooks_out(&options),
        Task::Bench(Bench::Queue(options)) => bench::queue(&options),
        Task::Bench(Bench::Start(options)) => bench::start(&options),
        Task::MockUpstream { listen } => bench::mock_upstream(listen),
        Task::WebhookReceiver { listen } => bench::webhook_receiver(listen),
        Task::ReverseProxy { listen, upstream } => bench::reverse_proxy(listen, upstream),
        Task::Load => bench::load(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::print_line(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
