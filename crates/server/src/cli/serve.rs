//! `waypost serve`: runs the gateway.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::context::CommandContext;
use super::signals::Signals;
use crate::clock::SystemClock;
use crate::run::{self, OpenOptions};

/// Runs the gateway until a signal arrives.
///
/// # Errors
/// If the gateway cannot start.
pub(super) async fn run(ctx: CommandContext) -> anyhow::Result<ExitCode> {
    let mut config = ctx.loaded.config;
    config.secret_key()?;
    let signals = Signals::listen(|text| tracing::info!("{text}"))?;
    let listener = listen("listen", config.listen).await?;
    config.listen = listener.local_addr().context("reading the address of the listener")?;
    let options = OpenOptions { is_dev: false, clock: Arc::new(SystemClock::new()) };
    let deps = run::open(&config, options).await?;
    tracing::info!(
        listen = %config.listen,
        public_url = config.public_url(),
        database = %config.database.display(),
        version = env!("CARGO_PKG_VERSION"),
        "waypost started"
    );
    let stop = CancellationToken::new();
    let result = signals
        .during(&stop, run::serve(deps, config.http_options(), listener, stop.clone(), ctx.exporter))
        .await;
    tracing::info!("waypost stopped");
    result
}

/// Listens on the address of a setting.
///
/// # Errors
/// If the address cannot be used; the message names the setting.
pub(super) async fn listen(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let action = format!("listening on {address} ({setting})");
        let kind = error.kind();
        if kind == ErrorKind::AddrInUse {
            anyhow!("{action}: the port is in use, perhaps by another waypost process: stop the other process, or change {setting}")
        } else if kind == ErrorKind::AddrNotAvailable {
            anyhow!("{action}: this machine does not have this address")
        } else {
            anyhow::Error::new(error).context(action)
        }
    })
}
