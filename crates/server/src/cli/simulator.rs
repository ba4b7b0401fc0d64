//! `waypost simulator`: runs only the simulated Graph API.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use sim::{Mode, Options, Sim, SimAccount};
use tokio_util::sync::CancellationToken;

use super::context::CommandContext;
use super::serve::listen;
use super::signals::Signals;
use super::terminal::{Palette, print_json, print_line, print_note};
use crate::cli::workspace_arg::create_folder;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct SimulatorArgs {
    /// Print one line of JSON with the URL and the credentials when the simulator is ready
    #[arg(long)]
    json: bool,
}

impl SimulatorArgs {
    /// Serves the simulated Graph API until a signal arrives.
    ///
    /// # Errors
    /// If the simulator cannot start.
    pub(super) async fn run(self, ctx: CommandContext) -> anyhow::Result<ExitCode> {
        let signals = Signals::listen(print_note)?;
        let palette = Palette::of_stdout(ctx.environment.is_plain);
        let mut config = ctx.loaded.config;
        let listener = listen("simulator.listen", config.simulator.listen).await?;
        config.simulator.listen = listener.local_addr().context("reading the address of the listener")?;
        create_folder(&config.data_dir)?;
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
            let accounts: Vec<_> = accounts.iter().map(account_json).collect();
            print_json(&json!({
                "base_url": config.simulator_url(),
                "callback_url": config.simulator_callback_url(),
                "accounts": accounts,
            }))?;
        } else {
            print_line(&text(&config, &accounts, palette))?;
        }
        let stop = CancellationToken::new();
        let serving = async { sim.serve(listener, stop.clone()).await.context("serving the simulator") };
        signals.during(&stop, Box::pin(serving)).await
    }
}

/// Returns the credentials of an account in JSON. They are valid only for the simulator.
fn account_json(account: &SimAccount) -> serde_json::Value {
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
    let mut text = format!("\n{title}  replaces graph.facebook.com\n\n");
    let row = |name: &str, value: &str| format!("  {}  {value}\n", palette.dim(&format!("{name:15}")));
    text.push_str(&row("Base URL", &config.simulator_url()));
    text.push_str(&row("Callback URL", &config.simulator_callback_url()));
    for account in accounts {
        text.push('\n');
        text.push_str(&row("Phone number", &account.display_phone_number));
        text.push_str(&row("Phone number ID", &account.phone_number_id));
        text.push_str(&row("WABA ID", &account.waba_id));
        text.push_str(&row("Access token", &account.access_token));
        text.push_str(&row("App secret", &account.app_secret));
        text.push_str(&row("Verify token", &account.verify_token));
    }
    text.push_str("\nPress Ctrl-C to stop. The state is kept for the next start.");
    text
}
