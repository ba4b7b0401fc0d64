//! `waypost dev`: the gateway and a simulated WhatsApp in one process.
//!
//! **Invariant:** it listens on loopback only, because everybody knows its key.
//!
//! **Invariant:** its database is its own, below `data_dir`: whatever `database_url` is, nothing is seeded there.

mod banner;
mod seed;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::{By, Deps};
use sim::{Mode, Options, Sim};
use tokio_util::sync::CancellationToken;

use super::Ctx;
use super::serve::listen;
use super::signals::Signals;
use super::terminal::{Palette, complain, say, say_json};
use crate::cli::workspace_arg::make_sandbox;
use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::random::OsChance;
use crate::run::{self, OpenOptions};

#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Print one line of JSON with the addresses and the key, once all is ready
    #[arg(long)]
    json: bool,
}

impl Dev {
    /// Runs the sandbox until a signal.
    ///
    /// # Errors
    /// When it cannot start.
    pub(super) async fn run(self, ctx: Ctx) -> anyhow::Result<ExitCode> {
        refuse_strangers(&ctx.loaded)?;
        let signals = Signals::take(complain)?;
        let palette = Palette::of_stdout(ctx.environment.is_plain);
        let mut config = ctx.loaded.config;
        let gateway_listener = listen("listen", config.listen).await?;
        config.listen = gateway_listener.local_addr().context("asking for the address that was taken")?;
        let sim_listener = listen("simulator.listen", config.simulator.listen).await?;
        config.simulator.listen =
            sim_listener.local_addr().context("asking for the address that was taken")?;
        config.use_local_simulator_callback();
        make_sandbox(&mut config, &OsChance::new())?;

        let clock = Arc::new(SystemClock::new());
        let sim = simulator(&config, &clock)?;
        let deps =
            run::open(&config, OpenOptions { is_dev: true, clock }).await.context("opening the sandbox")?;
        let (stop, stop_sim) = (CancellationToken::new(), CancellationToken::new());
        let gateway = {
            let serving =
                run::serve(deps.clone(), config.http_options(), gateway_listener, stop.clone(), ctx.exporter);
            let stop_sim = stop_sim.clone();
            async move {
                let end = serving.await;
                // The simulator ends last: what drains still needs its answers.
                stop_sim.cancel();
                end
            }
        };
        let simulator = async {
            let end = sim.serve(sim_listener, stop_sim.clone()).await.context("serving the simulator");
            stop.cancel();
            end
        };
        let story = async {
            let opening = Box::pin(open_story(&deps, &sim, &config));
            tokio::select! {
                end = opening => end?,
                () = stop.cancelled() => return Ok(()),
            }
            if self.json {
                say_json(&banner::json(&config))?;
            } else {
                say(&banner::text(&config, palette))?;
            }
            Ok(())
        };
        let story = async {
            let end = story.await;
            if end.is_err() {
                stop.cancel();
            }
            end
        };
        let hush = async {
            stop.cancelled().await;
            // The gateway takes no new connections now: the simulator keeps its webhooks for the next start.
            sim.set_settings(sim::Settings { deliver: false, ..sim.settings() });
        };
        let all = async {
            let (gateway, simulator, story, ()) = tokio::join!(gateway, simulator, story, hush);
            story.and(gateway).and(simulator)
        };
        signals.during(&stop, Box::pin(all)).await
    }
}

/// Refuses addresses that others can reach.
fn refuse_strangers(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    for (name, address) in [("listen", config.listen), ("simulator.listen", config.simulator.listen)] {
        if !address.ip().to_canonical().is_loopback() {
            bail!(
                "{name} is {address} (from {}), but `waypost dev` only listens on loopback, because everybody knows its \
                 key: use --{} 127.0.0.1:{}",
                loaded.origin(name),
                name.replace('.', "-"),
                address.port()
            );
        }
    }
    Ok(())
}

fn simulator(config: &Config, clock: &Arc<SystemClock>) -> anyhow::Result<Sim> {
    let clock = clock.clone();
    Sim::new(Options {
        data_dir: Some(config.simulator_dir()),
        callback_url: Some(config.simulator_callback_url()),
        public_base_url: config.simulator_url(),
        mode: Mode::Auto,
        // A test that advances the simulator's day advances the gateway's, too: windows close in both.
        on_clock_advance: Some(Arc::new(move |by| clock.advance(by))),
        ..Options::default()
    })
    .with_context(|| format!("opening the simulator's state in {}", config.simulator_dir().display()))
}

/// Everything that is there when the sandbox is ready: account, key, templates, a customer who has just written.
async fn open_story(deps: &Deps, sim: &Sim, config: &Config) -> anyhow::Result<()> {
    let sandbox = sim.accounts().into_iter().next().context("the simulator has no account")?;
    let record = seed::account(deps, &sandbox).await?;
    seed::key(deps, config).await?;
    engine::templates::sync(deps, &By::gateway(), &record)
        .await
        .context("reading the simulator's templates")?;
    if record.account.display_phone_number.is_none() {
        // What is found stands in the account then; the number is what people want to see.
        engine::accounts::test(deps, &record).await.context("reading the simulator's number")?;
    }
    seed::customer(deps, sim, &record).await
}
