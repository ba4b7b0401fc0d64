//! Processes of a task, and their resource usage.

use crate::terminal::now;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Maximum time for a graceful end of a process.
const GRACE: Duration = Duration::from_secs(10);

/// Interval between two checks of a condition.
const GLANCE: Duration = Duration::from_millis(20);

/// A process that ends with this process: it is stopped when this is dropped, and killed by the kernel if this process
/// dies.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a command.
    pub(crate) fn start(command: &Command) -> Result<Self> {
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            tied.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => tied.env(name, value),
                None => tied.env_remove(name),
            };
        }
        // Standard output is not needed; errors are on standard error.
        tied.stdin(Stdio::null()).stdout(Stdio::null());
        let child = tied.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Starts a task of this program in `programs` that listens, and waits until it accepts connections. Returns its address.
    pub(crate) fn start_listener(programs: &Path, task: &str) -> Result<(Self, SocketAddr)> {
        let address = free_address()?;
        let mut command = Command::new(programs.join("xtask"));
        command.args([task, "--listen", &address.to_string()]);
        let mut running = Self::start(&command)?;
        running.wait_until(task, || TcpStream::connect(address).is_ok())?;
        Ok((running, address))
    }

    /// Returns the id of the process: `setpriv` is replaced by the command.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready` returns `true`; fails if the process ends first, or at the deadline.
    pub(crate) fn wait_until(&mut self, what: &str, is_ready: impl Fn() -> bool) -> Result<()> {
        let deadline = now() + GRACE;
        while !is_ready() {
            if let Some(status) = self.child.try_wait().context("asking for a process")? {
                bail!("{what} ended with {status} before it was ready");
            }
            if now() >= deadline {
                bail!("{what} was not ready after {} s", GRACE.as_secs());
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }
}

/// Returns an address on loopback on which no process listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

impl Drop for Running {
    fn drop(&mut self) {
        // The standard library can only kill, and nginx's workers survive the kill of their master.
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().is_ok();
        let deadline = now() + GRACE;
        while asked && now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(GLANCE);
        }
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            crate::terminal::print_line(format_args!("process {} could not be ended", self.pid()));
        }
    }
}

/// Resources used by a process and its children.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// CPU time, user and system, in microseconds.
    cpu_us: f64,
    /// Maximum resident memory of each process, added up.
    pub(crate) peak_rss_kib: u64,
}

impl Usage {
    /// Reads the usage from `/proc`.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let ticks =
            Command::new("getconf").arg("CLK_TCK").output().context("asking for the length of a tick")?;
        let ticks: u32 =
            String::from_utf8_lossy(&ticks.stdout).trim().parse().context("reading the length of a tick")?;
        let processes = processes()?;
        let mut tree = vec![pid];
        let mut usage = Self::default();
        while let Some(pid) = tree.pop() {
            let Some(process) = processes.get(&pid) else { bail!("process {pid} has ended") };
            usage.cpu_us += crate::bench::float(process.ticks) * 1e6 / f64::from(ticks);
            usage.peak_rss_kib = usage.peak_rss_kib.saturating_add(peak_rss_kib(pid)?);
            tree.extend(processes.iter().filter(|(_, child)| child.parent == pid).map(|(pid, _)| *pid));
        }
        Ok(usage)
    }

    /// Returns the CPU time in microseconds since an earlier reading.
    pub(crate) fn cpu_us_since(&self, before: &Self) -> f64 {
        self.cpu_us - before.cpu_us
    }
}

/// Content of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// CPU time of the process and of its ended children.
    ticks: u64,
}

/// Returns all processes of the machine.
fn processes() -> Result<BTreeMap<u32, Stat>> {
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let path = entry.context("reading /proc")?.path();
        let pid = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        // A process can end between the two reads.
        let stat = fs::read_to_string(path.join("stat")).ok().and_then(|text| stat(&text));
        if let (Some(pid), Some(stat)) = (pid, stat) {
            processes.insert(pid, stat);
        }
    }
    Ok(processes)
}

/// Parses one `stat`. The name of the command is in parentheses and can contain any character.
fn stat(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let times: Vec<u64> = fields.skip(9).take(4).map(|time| time.parse().unwrap_or(0)).collect();
    (times.len() == 4).then(|| Stat { parent, ticks: times.iter().sum() })
}

/// Returns the maximum resident memory of a process.
fn peak_rss_kib(pid: u32) -> Result<u64> {
    let path = Path::new("/proc").join(pid.to_string()).join("status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{} has no peak memory", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_parsed_with_any_command_name() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 3 4 20 0 1 0 1 2 3\n";
        assert_eq!(stat(text), Some(Stat { parent: 7, ticks: 40 }));
    }

    #[test]
    fn the_usage_of_this_process_can_be_read() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.peak_rss_kib > 0);
    }
}
