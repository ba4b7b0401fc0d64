//! Benchmarks: `cargo xtask bench send`, `webhooks-in`, `webhooks-out`, `queue` and `start`.
//!
//! The load generator, the target and the mock of Meta's API are separate processes that share the cores, so that the
//! rates are valid for this machine with all of them: compare the CPU time per event and the ratios within a round. The
//! CPU time (user and system) and the memory of the target's processes are read from `/proc`. Resident memory counts
//! pages that nginx's processes share once for each process. There is no TLS and no network.
//!
//! A run is valid only if every response was the expected one, and the database (below `target/`) was on a disk: in
//! memory `fsync` costs nothing.

mod load;
mod mock;
mod queue;
mod receiver;
mod report;
mod send;
mod start;
mod targets;
mod webhooks_in;
mod webhooks_out;

pub(crate) use queue::{QueueOptions, queue};
pub(crate) use report::float;
pub(crate) use send::{SendOptions, send};
pub(crate) use start::{StartOptions, start};
pub(crate) use webhooks_in::{WebhooksInOptions, webhooks_in};
pub(crate) use webhooks_out::{WebhooksOutOptions, webhooks_out};

use crate::process::Usage;
use crate::repository;
use crate::terminal::print_line;
use anyhow::{Context, Result, bail};
use clap::Args;
use load::{Content, LoadPlan, LoadResult};
use report::{Report, Sample};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use targets::{Kind, MockServer, Target};

/// Options of every benchmark.
#[derive(Debug, Args)]
pub(crate) struct CommonOptions {
    /// Number of measurements of each target.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
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

impl CommonOptions {
    /// Returns the folder of the measured programs, which are built if no folder is given.
    fn programs(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.bin_dir {
            return folder.canonicalize().with_context(|| format!("looking for {}", folder.display()));
        }
        let root = repository::root();
        let build = ["build", "--profile", "dist", "--locked", "--package", "xtask", "--package", "waypost"];
        let status =
            Command::new("cargo").args(build).current_dir(&root).status().context("running cargo build")?;
        if !status.success() {
            bail!("the dist build failed");
        }
        Ok(repository::target_directory(&root)?.join("dist"))
    }

    /// Prints the table, writes the measurements, and fails if the run is not valid.
    fn finish(&self, report: &Report) -> Result<()> {
        print_line(report.table());
        if let Some(path) = &self.json {
            fs::write(path, report.json()?).with_context(|| format!("writing {}", path.display()))?;
        }
        let faults = report.faults();
        if !faults.is_empty() {
            bail!("this run is not valid:\n{}", faults.join("\n"));
        }
        Ok(())
    }
}

/// Creates the empty folder below which the databases are created.
fn database_folder() -> Result<PathBuf> {
    let parent = repository::target_directory(&repository::root())?.join("bench");
    // An interrupted run leaves its database here.
    if parent.exists() {
        fs::remove_dir_all(&parent).with_context(|| format!("emptying {}", parent.display()))?;
    }
    fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
    Ok(parent)
}

/// Returns the targets in the order of a round. Each round starts with another target, so that no target is always
/// measured first.
fn in_turn(kinds: &[Kind], round: u32) -> impl Iterator<Item = Kind> + '_ {
    let shift = usize::try_from(round).unwrap_or(0).checked_rem(kinds.len()).unwrap_or(0);
    kinds.iter().copied().cycle().skip(shift).take(kinds.len())
}

/// One measurement of a running target.
struct Measurement<'a> {
    programs: &'a Path,
    upstream: &'a MockServer,
    target: &'a Target,
    kind: Kind,
    round: u32,
}

impl Measurement<'_> {
    /// Runs a load and returns what it cost.
    fn run(&self, case: String, plan: &LoadPlan) -> Result<Sample> {
        let before = Usage::of(self.target.pid)?;
        let received = self.upstream.received()?;
        let load = run_load(self.programs, plan)?;
        let after = Usage::of(self.target.pid)?;
        let (events_per_request, is_message) = match &plan.content {
            Content::Messages(_) => (1, true),
            Content::Webhooks(webhooks) => (webhooks.batch, false),
        };
        let received = self.upstream.received()?.saturating_sub(received);
        let sample = Sample {
            round: self.round,
            target: self.kind.name().to_owned(),
            case,
            cpu_us: after.cpu_us_since(&before),
            peak_rss_kib: after.peak_rss_kib,
            events_per_request,
            reached_upstream: is_message.then_some(received),
            load,
        };
        print_line(format_args!("round {}: {}", self.round.saturating_add(1), sample.line()));
        Ok(sample)
    }
}

/// Runs the generator as a separate process and reads its result.
fn run_load(programs: &Path, plan: &LoadPlan) -> Result<LoadResult> {
    let mut generator = Command::new(programs.join("xtask"))
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the load generator")?;
    let mut input = generator.stdin.take().context("opening the input of the load generator")?;
    input.write_all(&serde_json::to_vec(plan)?).context("describing the load")?;
    drop(input);
    let output = generator.wait_with_output().context("running the load generator")?;
    if !output.status.success() {
        bail!("the load generator failed: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    serde_json::from_slice(&output.stdout).context("reading what the load generator found")
}

/// Serves the mock of Meta's API until the process ends.
pub(crate) fn mock_upstream(listen: SocketAddr) -> Result<()> {
    mock::serve(listen)
}

/// Serves the receiver of webhook deliveries until the process ends.
pub(crate) fn webhook_receiver(listen: SocketAddr) -> Result<()> {
    receiver::serve(listen)
}

/// Serves the bare reverse proxy until the process ends.
pub(crate) fn reverse_proxy(listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
    targets::proxy::serve(listen, upstream)
}

/// Generates the load that standard input describes, and prints the result as JSON.
pub(crate) fn load() -> Result<()> {
    let plan = serde_json::from_reader(std::io::stdin()).context("reading the description of the load")?;
    print_line(serde_json::to_string(&load::run(plan)?)?);
    Ok(())
}
