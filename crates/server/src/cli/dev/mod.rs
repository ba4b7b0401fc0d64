//! `waypost dev`: the gateway and a simulated WhatsApp in one process.
//!
//! **Invariant:** it listens on loopback only and answers only requests to this machine, because its API key is public.
//!
//! **Invariant:** it uses its own database in `data_dir`; it never writes to the database of `database_url`.

mod banner;
mod seed;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::{AuditContext, Deps};
use sim::{ClockChange, Mode, Options, Sim};
use tokio_util::sync::CancellationToken;

use super::context::CommandContext;
use super::serve::listen;
use super::signals::Signals;
use super::terminal::{Palette, print_json, print_line, print_note};
use crate::cli::workspace_arg::create_sandbox;
use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::http_options::HttpOptions;
use crate::random::OsRandom;
use crate::run::{self, OpenOptions};

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Print one line of JSON with the addresses and the API key when the sandbox is ready
    #[arg(long)]
    json: bool,
}

impl DevArgs {
    /// Runs the sandbox until a signal arrives.
    ///
    /// # Errors
    /// If the sandbox cannot start.
    pub(super) async fn run(self, ctx: CommandContext) -> anyhow::Result<ExitCode> {
        require_loopback(&ctx.loaded)?;
        let signals = Signals::listen(print_note)?;
        let palette = Palette::of_stdout(ctx.environment.is_plain);
        let mut config = ctx.loaded.config;
        let gateway_listener = listen("listen", config.listen).await?;
        config.listen = gateway_listener.local_addr().context("reading the address of the listener")?;
        let sim_listener = listen("simulator.listen", config.simulator.listen).await?;
        config.simulator.listen = sim_listener.local_addr().context("reading the address of the listener")?;
        config.use_local_simulator_callback();
        create_sandbox(&mut config, &OsRandom::new())?;

        let clock = Arc::new(SystemClock::new());
        let options = OpenOptions { is_dev: true, clock: clock.clone() };
        let deps = run::open(&config, options).await.context("opening the sandbox")?;
        let sim = simulator(&config, &clock, &deps)?;
        let (stop, stop_sim) = (CancellationToken::new(), CancellationToken::new());
        let gateway = {
            let options = HttpOptions { is_local: true, ..config.http_options() };
            let serving = run::serve(deps.clone(), options, gateway_listener, stop.clone(), ctx.exporter);
            let stop_sim = stop_sim.clone();
            async move {
                let result = serving.await;
                // The simulator stops last, because pending sends need its responses.
                stop_sim.cancel();
                result
            }
        };
        let simulator = async {
            let result = sim.serve(sim_listener, stop_sim.clone()).await.context("serving the simulator");
            stop.cancel();
            result
        };
        let seeding = async {
            let opening = Box::pin(seed_sandbox(&deps, &sim, &config));
            tokio::select! {
                result = opening => result?,
                () = stop.cancelled() => return Ok(()),
            }
            if self.json {
                print_json(&banner::json(&config))?;
            } else {
                print_line(&banner::text(&config, palette))?;
            }
            Ok(())
        };
        let seeding = async {
            let result = seeding.await;
            if result.is_err() {
                stop.cancel();
            }
            result
        };
        let stop_deliveries = async {
            stop.cancelled().await;
            // The gateway accepts no new connections from now on: the simulator stores its webhooks until the next start.
            sim.set_settings(sim::Settings { deliver: false, ..sim.settings() });
        };
        let all = async {
            let (gateway, simulator, seeding, ()) =
                tokio::join!(gateway, simulator, seeding, stop_deliveries);
            seeding.and(gateway).and(simulator)
        };
        signals.during(&stop, Box::pin(all)).await
    }
}

/// Checks that both servers listen on loopback.
fn require_loopback(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    for (name, address) in [("listen", config.listen), ("simulator.listen", config.simulator.listen)] {
        if !address.ip().to_canonical().is_loopback() {
            bail!(
                "{name} is {address} (from {}), but `waypost dev` only listens on loopback, because its API key is public: \
                 use --{} 127.0.0.1:{}",
                loaded.origin(name),
                name.replace('.', "-"),
                address.port()
            );
        }
    }
    Ok(())
}

fn simulator(config: &Config, clock: &Arc<SystemClock>, deps: &Arc<Deps>) -> anyhow::Result<Sim> {
    let (clock, deps) = (clock.clone(), deps.clone());
    Sim::new(Options {
        data_dir: Some(config.simulator_dir()),
        callback_url: Some(config.simulator_callback_url()),
        public_base_url: config.simulator_url(),
        mode: Mode::Auto,
        // The simulator's clock moves the gateway's clock, so that windows close in both.
        on_clock_change: Some(Arc::new(move |change| match change {
            ClockChange::Advanced(by) => clock.advance(by),
            ClockChange::Reset => {
                clock.reset();
                deps.clear_rate_limits();
            }
        })),
        ..Options::default()
    })
    .with_context(|| format!("opening the simulator's state in {}", config.simulator_dir().display()))
}

/// Seeds the sandbox: account, API key, templates, and a customer with an open window.
async fn seed_sandbox(deps: &Deps, sim: &Sim, config: &Config) -> anyhow::Result<()> {
    let sandbox = sim.accounts().into_iter().next().context("the simulator has no account")?;
    let record = seed::account(deps, &sandbox).await?;
    seed::key(deps, config).await?;
    engine::templates::sync_templates(deps, &AuditContext::gateway(), &record)
        .await
        .context("reading the simulator's templates")?;
    if record.account.display_phone_number.is_none() {
        // The check stores the display phone number in the account.
        engine::accounts::test_account(deps, &record).await.context("reading the simulator's number")?;
    }
    seed::customer(deps, sim, &record).await
}
