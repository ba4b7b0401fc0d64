//! `cargo xtask bench send`: cost of a message in the gateway, compared with the cost of a request in nginx.
//!
//! **What is measured.** The same requests (a text message of about 300 bytes, a thousand recipients in turn) go over
//! kept-alive connections on loopback to three targets, one after the other, in several rounds:
//! * `mock`: the mock of Meta's API, a hyper server on one thread: the baseline of every response;
//! * `nginx`: `proxy_pass` to the mock with kept-alive connections, one worker per core: the baseline of every gateway;
//! * `waypost`: the release binary, a fresh SQLite database with `synchronous=FULL`, all checks on, in `sync` mode.
//!
//! The report contains for each target: requests per second, latency, CPU time of the target's processes per request
//! (user and system, from `/proc`), and their maximum resident memory. A run is valid only if every response has the
//! status 200 and a wamid, the mock received exactly as many messages as were answered, and the database (below
//! `target/`) was on a disk: in memory `fsync` costs nothing.
//!
//! **What is not.** The load generator, the target and the mock share the cores, so that the rates are valid for this
//! machine with all of them: compare the CPU time per request and the ratios within a round. The generator waits for a
//! response before it sends the next request on a connection (closed loop), so that a stall reduces the load. No TLS,
//! no network, no webhooks, no statuses, an empty database. Resident memory counts pages that nginx's processes share
//! once for each process.

mod load;
mod mock;
mod report;
mod targets;

pub(crate) use load::LoadOptions;
pub(crate) use report::float;

use crate::process::Usage;
use crate::repository;
use crate::terminal::print_line;
use anyhow::{Context, Result, bail};
use clap::Args;
use report::{Report, Sample};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use targets::{Kind, MockServer};

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct SendOptions {
    /// Number of measurements of each target.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Duration of one measurement in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,
    /// Duration of the warm-up before a measurement in seconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    warm_up_seconds: u32,
    /// Maximum number of requests of one measurement.
    #[arg(long, default_value_t = 500_000)]
    requests: u32,
    /// Number of connections; one measurement for each value.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4])]
    connections: Vec<u32>,
    /// Targets to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Mock, Kind::Nginx, Kind::Waypost])]
    targets: Vec<Kind>,
    /// A setting of the gateway, as its environment variable (`WAYPOST_X__Y=value`); may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Uses `waypost` and `xtask` in this folder instead of building them with the dist profile.
    #[arg(long, value_name = "FOLDER")]
    bin_dir: Option<PathBuf>,
    /// Writes all measurements to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures, prints the table, and fails if the run is not valid.
pub(crate) fn send(options: &SendOptions) -> Result<()> {
    let root = repository::root();
    let programs = match &options.bin_dir {
        Some(folder) => folder.canonicalize().with_context(|| format!("looking for {}", folder.display()))?,
        None => build(&root, &options.targets)?,
    };
    let kinds = available(&options.targets)?;
    let upstream = MockServer::start(&programs)?;
    let parent = repository::target_directory(&root)?.join("bench");
    // An interrupted run leaves its database here.
    if parent.exists() {
        fs::remove_dir_all(&parent).with_context(|| format!("emptying {}", parent.display()))?;
    }
    fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
    let report = Report::new(options.rounds, options.seconds, &parent)?;
    let mut run = Run { options, programs: &programs, parent: &parent, upstream: &upstream, report };
    for round in 0..options.rounds {
        // Each round starts with another target, so that no target is always measured first.
        let shift = usize::try_from(round).unwrap_or(0).checked_rem(kinds.len()).unwrap_or(0);
        for kind in kinds.iter().cycle().skip(shift).take(kinds.len()) {
            run.measure(*kind, round).with_context(|| format!("measuring {}", kind.name()))?;
        }
    }
    let report = run.report;
    print_line(report.table());
    if let Some(path) = &options.json {
        fs::write(path, report.json()?).with_context(|| format!("writing {}", path.display()))?;
    }
    let faults = report.faults();
    if !faults.is_empty() {
        bail!("this run is not valid:\n{}", faults.join("\n"));
    }
    Ok(())
}

/// A run of the benchmark.
struct Run<'a> {
    options: &'a SendOptions,
    programs: &'a Path,
    parent: &'a Path,
    upstream: &'a MockServer,
    report: Report,
}

impl Run<'_> {
    /// Measures one target in one round: starts it, then measures once for each number of connections.
    fn measure(&mut self, kind: Kind, round: u32) -> Result<()> {
        let target = targets::start(kind, self.programs, self.parent, self.upstream, &self.options.settings)?;
        for connections in &self.options.connections {
            let load = |seconds| LoadOptions {
                address: target.address,
                path: target.path.clone(),
                headers: target.headers.clone(),
                connections: *connections,
                seconds,
                requests: self.options.requests,
            };
            run_load(self.programs, &load(self.options.warm_up_seconds))?;
            let before = Usage::of(target.pid)?;
            let received = self.upstream.received()?;
            let result = run_load(self.programs, &load(self.options.seconds))?;
            let after = Usage::of(target.pid)?;
            let sample = Sample {
                round,
                target: kind.name().to_owned(),
                connections: *connections,
                cpu_us_per_request: after.cpu_us_since(&before) / float(result.responded.max(1)),
                peak_rss_kib: after.peak_rss_kib,
                reached_upstream: self.upstream.received()?.saturating_sub(received),
                load: result,
            };
            print_line(format_args!("round {}: {}", round.saturating_add(1), sample.line()));
            self.report.samples.push(sample);
        }
        Ok(())
    }
}

/// Builds the measured programs and the generator with the dist profile.
fn build(root: &Path, kinds: &[Kind]) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--profile", "dist", "--locked", "--package", "xtask"];
    if kinds.contains(&Kind::Waypost) {
        arguments.extend(["--package", "waypost"]);
    }
    let status =
        Command::new("cargo").args(&arguments).current_dir(root).status().context("running cargo build")?;
    if !status.success() {
        bail!("the dist build failed");
    }
    Ok(repository::target_directory(root)?.join("dist"))
}

/// Returns the targets that are available on this machine.
fn available(kinds: &[Kind]) -> Result<Vec<Kind>> {
    let mut kinds = kinds.to_vec();
    if kinds.contains(&Kind::Nginx) && !targets::nginx_is_installed() {
        print_line("nginx is not installed: asking apt-get for it");
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", "nginx-light"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|status| status.success());
        if !(installed && targets::nginx_is_installed()) {
            print_line("nginx cannot be installed here: measuring without it, so there are no ratios");
            kinds.retain(|kind| *kind != Kind::Nginx);
        }
    }
    if kinds.is_empty() {
        bail!("there is nothing to measure");
    }
    Ok(kinds)
}

/// Runs the generator as a separate process and reads its result.
fn run_load(programs: &Path, options: &LoadOptions) -> Result<load::LoadResult> {
    let mut command = Command::new(programs.join("xtask"));
    command.args(["load", "--address", &options.address.to_string(), "--path", &options.path]);
    for header in &options.headers {
        command.args(["--header", header]);
    }
    for (name, value) in [
        ("--connections", options.connections),
        ("--seconds", options.seconds),
        ("--requests", options.requests),
    ] {
        command.args([name, &value.to_string()]);
    }
    let output = command.output().context("running the load generator")?;
    if !output.status.success() {
        bail!("the load generator failed: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    serde_json::from_slice(&output.stdout).context("reading what the load generator found")
}

/// Serves the mock of Meta's API until the process ends.
pub(crate) fn mock_upstream(listen: SocketAddr) -> Result<()> {
    mock::serve(listen)
}

/// Generates the load and prints the result as JSON.
pub(crate) fn load(options: &LoadOptions) -> Result<()> {
    print_line(serde_json::to_string(&load::run(options)?)?);
    Ok(())
}
