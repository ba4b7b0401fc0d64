//! A folder, two ports and the settings that every process of a environment shares.

use anyhow::{Context as _, Result, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// Ports below those that the kernel gives to outgoing connections: a port stays ours while nobody listens on it.
const PORTS: std::ops::Range<u16> = 21_000..31_000;
/// The last port that was found.
static LAST: Mutex<Option<u16>> = Mutex::new(None);
/// 32 bytes as base64.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Directory of an environment.
#[derive(Debug)]
pub(crate) struct TestDirectory {
    /// The program.
    program: PathBuf,
    /// Its folder, which goes when this is dropped.
    folder: TempDir,
    /// Address of the gateway.
    pub(crate) gateway: SocketAddr,
    /// Address of the simulator.
    pub(crate) simulator: SocketAddr,
    /// More settings, as environment variables.
    settings: Vec<(String, String)>,
}

impl TestDirectory {
    /// Makes one below `parent`.
    ///
    /// # Errors
    /// When there is no folder or port to be had.
    pub(crate) fn make(program: &Path, parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("making a folder in {}", parent.display()))?;
        let gateway = free_address(0)?;
        let simulator = free_address(gateway.port())?;
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Self { program: program.to_owned(), folder, gateway, simulator, settings })
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets the folder outlive this.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// The settings as environment variables.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let database = format!("sqlite:{}", self.path("waypost.db").display());
        let ours = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("WAYPOST_LISTEN", self.gateway.to_string()),
            ("WAYPOST_DATABASE_URL", database),
            ("WAYPOST_DATA_DIR", self.path("data").display().to_string()),
            ("WAYPOST_SECRET_KEY", SECRET_KEY.to_owned()),
            ("WAYPOST_SIMULATOR__LISTEN", self.simulator.to_string()),
        ];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        ours.chain(self.settings.iter().cloned()).collect()
    }

    /// A command of the program in this directory, with nothing of our own environment.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(self.variables());
        command
    }

    /// Runs a command to its end and hands back what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let mut command = self.command(arguments);
        let output = command.output().context("running waypost")?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("waypost {:?}: {}", command.get_args(), told.trim());
        }
        String::from_utf8(output.stdout).context("reading what waypost printed")
    }
}

/// An address of ours that nobody listens on; above `after` if that is a port.
pub(crate) fn free_address(after: u16) -> Result<SocketAddr> {
    // Worlds of other processes begin to look elsewhere, and those of this one where the last has found something: a port
    // is nobody's until its process listens.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let width = u32::from(PORTS.end - PORTS.start);
    let first = u16::try_from(std::process::id().wrapping_mul(37) % width)? + PORTS.start;
    let begin = last.map_or(first, |port| port + 1).max(after.saturating_add(1));
    let found = (begin..PORTS.end).chain(PORTS.start..begin.min(PORTS.end)).find_map(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).is_ok().then_some(address)
    });
    *last = found.map(|address| address.port());
    found.context("there is no free port")
}
