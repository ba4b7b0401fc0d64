//! Targets of the benchmark, each started as in production.

pub(super) mod fastify;
mod nginx;
pub(super) mod proxy;
pub(super) mod waypost;

use super::mock::{COUNT_PATH, TIMES_PATH};
use crate::call::call;
use crate::process::Running;
use crate::repository;
use crate::terminal::print_line;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Meta's ids of the sending account; any values work.
pub(super) const PHONE_NUMBER_ID: &str = "330011220099887";
/// Id of its WhatsApp Business Account.
pub(super) const WABA_ID: &str = "210987650001234";

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The mock of Meta's API.
    Mock,
    /// nginx as a reverse proxy to it.
    Nginx,
    /// A bare reverse proxy on hyper.
    Proxy,
    /// Fastify, undici and better-sqlite3 with `synchronous=NORMAL`.
    FastifyNormal,
    /// The same with `synchronous=FULL`.
    FastifyFull,
    /// The gateway.
    Waypost,
}

impl Kind {
    /// Returns the name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Nginx => "nginx",
            Self::Proxy => "proxy",
            Self::FastifyNormal => "fastify-normal",
            Self::FastifyFull => "fastify-full",
            Self::Waypost => "waypost",
        }
    }

    /// Returns `true` for a program of Node.js.
    fn is_fastify(self) -> bool {
        matches!(self, Self::FastifyNormal | Self::FastifyFull)
    }
}

/// A running target; it is stopped when this is dropped.
pub(super) struct Target {
    /// Address of the target.
    pub(super) address: SocketAddr,
    /// Path of the send endpoint.
    pub(super) path: String,
    /// Headers of every request.
    pub(super) headers: Vec<String>,
    /// Id of its first process.
    pub(super) pid: u32,
    // The fields are dropped in this order: the process ends before its folder is removed.
    _running: Option<Running>,
    _folder: Option<TempDir>,
}

/// The mock of Meta's API, which runs during the whole run.
pub(super) struct MockServer {
    /// Address of the mock.
    pub(super) address: SocketAddr,
    running: Running,
}

impl MockServer {
    /// Starts the mock.
    pub(super) fn start(programs: &Path) -> Result<Self> {
        let (running, address) = Running::start_listener(programs, "mock-upstream")?;
        Ok(Self { address, running })
    }

    /// Returns the number of received messages.
    pub(super) fn received(&self) -> Result<u64> {
        let response = call(self.address, "GET", COUNT_PATH, &[], b"")?;
        response.body.trim().parse().context("reading how many messages the mock upstream took")
    }

    /// Returns the times at which the messages arrived, in microseconds since the mock started, in ascending order.
    pub(super) fn times(&self) -> Result<Vec<u64>> {
        let response = call(self.address, "GET", TIMES_PATH, &[], b"")?;
        serde_json::from_str(&response.body).context("reading when the messages reached the mock upstream")
    }
}

/// Programs, folder and settings of the targets.
pub(super) struct Setting<'a> {
    /// Folder of `waypost` and `xtask`.
    pub(super) programs: &'a Path,
    /// Folder below which the databases are created: it must be on a disk.
    pub(super) parent: &'a Path,
    /// Mock of Meta's API.
    pub(super) upstream: &'a MockServer,
    /// Settings of the gateway, as environment variables.
    pub(super) settings: &'a [String],
}

impl Setting<'_> {
    /// Starts a target.
    pub(super) fn start(&self, kind: Kind) -> Result<Target> {
        let upstream = self.upstream.address;
        let fastify = |synchronous| {
            let root = repository::root();
            let program: PathBuf = fastify::install(&root, &repository::target_directory(&root)?)?;
            fastify::start(&program, self.parent, upstream, synchronous)
        };
        match kind {
            Kind::Mock => Ok(Target {
                address: upstream,
                path: graph_path(),
                headers: Vec::new(),
                pid: self.upstream.running.pid(),
                _running: None,
                _folder: None,
            }),
            Kind::Nginx => nginx::start(upstream),
            Kind::Proxy => proxy::start(self.programs, upstream),
            Kind::FastifyNormal => fastify("normal"),
            Kind::FastifyFull => fastify("full"),
            Kind::Waypost => waypost::start(self.programs, self.parent, upstream, self.settings),
        }
    }
}

/// Returns the path of the send endpoint of the Graph API.
fn graph_path() -> String {
    format!("/v24.0/{PHONE_NUMBER_ID}/messages")
}

/// Returns the targets that are available on this machine, and installs what they need.
pub(super) fn available(kinds: &[Kind]) -> Result<Vec<Kind>> {
    let mut kinds = kinds.to_vec();
    if kinds.contains(&Kind::Nginx) && !nginx::is_installed() {
        print_line("nginx is not installed: asking apt-get for it");
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", "nginx-light"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|status| status.success());
        if !(installed && nginx::is_installed()) {
            print_line("nginx cannot be installed here: measuring without it, so there are no ratios");
            kinds.retain(|kind| *kind != Kind::Nginx);
        }
    }
    if kinds.iter().any(|kind| kind.is_fastify()) {
        let root = repository::root();
        if let Err(error) = fastify::install(&root, &repository::target_directory(&root)?) {
            print_line(format_args!("measuring without Fastify: {error:#}"));
            kinds.retain(|kind| !kind.is_fastify());
        }
    }
    if kinds.is_empty() {
        bail!("there is nothing to measure");
    }
    Ok(kinds)
}
