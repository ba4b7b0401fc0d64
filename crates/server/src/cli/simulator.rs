//! `waypost simulator`: the simulated Graph API alone.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use sim::{Mode, Options, Sim, SimAccount};
use tokio_util::sync::CancellationToken;

use super::Ctx;
use super::serve::listen;
use super::signals::Signals;
use super::terminal::{Palette, complain, say, say_json};
use crate::cli::workspace_arg::make_folder;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Simulator {
    /// Print one line of JSON with the address and the credentials, once it is ready
    #[arg(long)]
    json: bool,
}

impl Simulator {
    /// Serves the simulated Graph API until a signal.
    ///
    /// # Errors
    /// When it cannot start.
    pub(super) async fn run(self, ctx: Ctx) -> anyhow::Result<ExitCode> {
        let signals = Signals::take(complain)?;
        let palette = Palette::of_stdout(ctx.environment.is_plain);
        let mut config = ctx.loaded.config;
        let listener = listen("simulator.listen", config.simulator.listen).await?;
        config.simulator.listen = listener.local_addr().context("asking for the address that was taken")?;
        make_folder(&config.data_dir)?;
        let sim = Sim::new(Options {
            data_dir: Some(config.simulator_dir()),
            callback_url: Some(config.simulator_callback_url()),
            public_base_url: config.simulator_url(),
            mode: Mode::Auto,
            ..Options::default()
        })
        .with_context(|| format!("opening the simulator's state in {}", config.simulator_dir().display()))?;
        let accounts = sim.accounts();
        if self.json {
            let accounts: Vec<_> = accounts.iter().map(show).collect();
            say_json(&json!({
                "base_url": config.simulator_url(),
                "callback_url": config.simulator_callback_url(),
                "accounts": accounts,
            }))?;
        } else {
            say(&text(&config, &accounts, palette))?;
        }
        let stop = CancellationToken::new();
        let serving = async { sim.serve(listener, stop.clone()).await.context("serving the simulator") };
        signals.during(&stop, Box::pin(serving)).await
    }
}

/// The credentials open nothing but the simulator.
fn show(account: &SimAccount) -> serde_json::Value {
    json!({
        "phone_number_id": account.phone_number_id,
        "waba_id": account.waba_id,
        "access_token": account.access_token,
        "app_secret": account.app_secret,
        "verify_token": account.verify_token,
        "display_phone_number": account.display_phone_number,
    })
}

fn text(config: &Config, accounts: &[SimAccount], palette: Palette) -> String {
    let title = palette.bold(&format!("waypost {} simulator", env!("CARGO_PKG_VERSION")));
    let mut text = format!("\n{title}  a stand-in for graph.facebook.com\n\n");
    let row = |name: &str, value: &str| format!("  {}  {value}\n", palette.dim(&format!("{name:15}")));
    text.push_str(&row("Base URL", &config.simulator_url()));
    text.push_str(&row("Webhooks go to", &config.simulator_callback_url()));
    for account in accounts {
        text.push('\n');
        text.push_str(&row("Phone number", &account.display_phone_number));
        text.push_str(&row("Phone number ID", &account.phone_number_id));
        text.push_str(&row("WABA ID", &account.waba_id));
        text.push_str(&row("Access token", &account.access_token));
        text.push_str(&row("App secret", &account.app_secret));
        text.push_str(&row("Verify token", &account.verify_token));
    }
    text.push_str("\nCtrl-C ends it; its state is kept for the next start.");
    text
}
