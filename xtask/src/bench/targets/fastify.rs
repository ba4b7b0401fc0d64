//! Gateway in Node.js as it is usually written: Fastify, undici and better-sqlite3 (`xtask/bench/fastify/server.js`).

use super::{Target, graph_path};
use crate::bench::load::{RECIPIENTS, recipient};
use crate::digest::sha256_hex;
use crate::process::{Running, free_address};
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folder of the program and its list of libraries, from the root of the repository.
const FOLDER: &str = "xtask/bench/fastify";
/// API key of the measured requests.
const KEY: &str = "bench-fastify-key";

/// Installs the libraries below `target`, once for each list of libraries. Returns their folder.
pub(in crate::bench) fn install(root: &Path, target: &Path) -> Result<PathBuf> {
    let source = root.join(FOLDER);
    let folder = target.join("bench-fastify");
    let stamp = folder.join("installed.sha256");
    let wanted =
        sha256_hex(&fs::read(source.join("package-lock.json")).context("reading the lock file of npm")?);
    fs::create_dir_all(&folder).context("making a folder for the libraries of Node.js")?;
    for file in ["package.json", "package-lock.json", "server.js"] {
        fs::copy(source.join(file), folder.join(file)).with_context(|| format!("copying {file}"))?;
    }
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
        return Ok(folder);
    }
    // better-sqlite3 compiles SQLite when it is installed.
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&folder)
        .status()
        .context("running npm")?;
    if !status.success() {
        bail!("npm could not install the libraries of {FOLDER}");
    }
    fs::write(&stamp, wanted).context("stamping the libraries of Node.js")?;
    Ok(folder)
}

/// Starts the program with a new database below `parent`. `synchronous` is the setting of SQLite.
pub(super) fn start(
    program: &Path,
    parent: &Path,
    upstream: SocketAddr,
    synchronous: &str,
) -> Result<Target> {
    let folder = tempfile::tempdir_in(parent).context("making a folder for Fastify")?;
    let address = free_address()?;
    let recipients: Vec<String> = (0..RECIPIENTS).map(recipient).collect();
    let mut command = Command::new("node");
    command.arg(program.join("server.js"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("NODE_ENV", "production");
    command.env("BENCH_PORT", address.port().to_string());
    command.env("BENCH_DATABASE", folder.path().join("bench.db"));
    command.env("BENCH_SYNCHRONOUS", synchronous);
    command.env("BENCH_UPSTREAM", format!("http://{upstream}"));
    command.env("BENCH_PATH", graph_path());
    command.env("BENCH_KEY", KEY);
    command.env("BENCH_RECIPIENTS", recipients.join(","));
    let mut running = Running::start(&command)?;
    running.wait_until("Fastify", || TcpStream::connect(address).is_ok())?;
    let pid = running.pid();
    Ok(Target {
        address,
        path: "/send".to_owned(),
        headers: vec![format!("X-API-Key: {KEY}")],
        pid,
        _running: Some(running),
        _folder: Some(folder),
    })
}
