//! `cargo xtask bench start`: time until the gateway answers, and its memory and CPU time while it has nothing to do.
//!
//! `dev` starts with an empty folder, and `serve` with an empty database. The time begins with the start of the process
//! and ends with the first response of `GET /readyz`, within 20 ms. Afterwards the gateway is left alone, and the CPU
//! time and the resident memory of the process are read.

use super::targets::MockServer;
use super::targets::waypost::Installation;
use super::{CommonOptions, database_folder, float};
use crate::process::Usage;
use crate::terminal::{now, print_line};
use anyhow::Result;
use clap::Args;
use std::fs;
use std::thread;
use std::time::Duration;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct StartOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Duration in seconds for which the gateway is left alone.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    idle_seconds: u32,
}

/// Measures and prints the figures.
pub(crate) fn start(options: &StartOptions) -> Result<()> {
    let common = &options.common;
    let (programs, parent) = (common.programs()?, database_folder()?);
    let upstream = MockServer::start(&programs)?;
    let mut lines = Vec::new();
    for round in 1..=common.rounds {
        for name in ["dev", "serve"] {
            let installation = Installation::new(&programs, &parent, upstream.address, &common.settings)?;
            let command =
                if name == "dev" { installation.dev() } else { installation.command(&["serve"])? };
            let begin = now();
            let running = installation.start(&command)?;
            let ready = begin.elapsed();
            let before = Usage::of(running.pid())?;
            thread::sleep(Duration::from_secs(options.idle_seconds.into()));
            let after = Usage::of(running.pid())?;
            let line = format!(
                "round {round}: {:<6} ready after {:>4} ms; idle: {:>6.0} CPU µs per second, {:>5.1} MiB peak",
                name,
                ready.as_millis(),
                after.cpu_us_since(&before) / f64::from(options.idle_seconds),
                float(after.peak_rss_kib) / 1024.0,
            );
            print_line(&line);
            lines.push(line);
        }
    }
    if let Some(path) = &common.json {
        fs::write(path, serde_json::to_string_pretty(&lines)?)?;
    }
    Ok(())
}
