//! A folder, two ports and the settings that all processes of an environment share.

use anyhow::{Context as _, Result, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// Ports below the range that the kernel uses for outgoing connections: a port stays free while no process listens on
/// it.
const PORTS: std::ops::Range<u16> = 21_000..31_000;
/// Last port that was found.
static LAST: Mutex<Option<u16>> = Mutex::new(None);
/// A secret key: 32 bytes in base64.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Directory of an environment.
#[derive(Debug)]
pub(crate) struct TestDirectory {
    /// Path of the program.
    program: PathBuf,
    /// Folder that is removed when this is dropped.
    folder: TempDir,
    /// Address of the gateway.
    pub(crate) gateway: SocketAddr,
    /// Address of the simulator.
    pub(crate) simulator: SocketAddr,
    /// Additional settings, as environment variables.
    settings: Vec<(String, String)>,
}

impl TestDirectory {
    /// Creates a directory below `parent`.
    ///
    /// # Errors
    /// If no folder or no port is available.
    pub(crate) fn make(program: &Path, parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("making a folder in {}", parent.display()))?;
        let gateway = free_address(0)?;
        let simulator = free_address(gateway.port())?;
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Self { program: program.to_owned(), folder, gateway, simulator, settings })
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps the folder after this is dropped.
    pub(crate) fn keeps_folder(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Returns the settings as environment variables.
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

    /// Returns a command of the program in this directory, with an environment that contains only the settings.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(self.variables());
        command
    }

    /// Runs a command and returns its output.
    ///
    /// # Errors
    /// If the command fails.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let mut command = self.command(arguments);
        let output = command.output().context("running waypost")?;
        if !output.status.success() {
            let error_output = String::from_utf8_lossy(&output.stderr);
            bail!("waypost {:?}: {}", command.get_args(), error_output.trim());
        }
        String::from_utf8(output.stdout).context("reading what waypost printed")
    }
}

/// Returns an address on which no process listens; its port is above `after`, if that is given.
pub(crate) fn free_address(after: u16) -> Result<SocketAddr> {
    // Environments of other processes start at another port, and environments of this process after the last port that
    // was found: a port is not reserved until a process listens on it.
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
