//! A process that is started, stopped, or killed.

use super::{now, sleep};
use anyhow::{Context as _, Result, bail};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts a command; standard output and standard error are appended to a file.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub(crate) fn start(what: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let action = || format!("starting {what}");
        let log = OpenOptions::new().create(true).append(true).open(log).with_context(action)?;
        let also = log.try_clone().with_context(action)?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(also).spawn().with_context(action)?;
        Ok(Self { child, what: what.to_owned() })
    }

    /// Returns the number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name (`TERM`, `INT`).
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        // The standard library can only kill; `kill` is a builtin of every shell.
        let pid = self.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
        if !sent.context("running sh")?.success() {
            bail!("SIG{name} could not be sent to {} (process {pid})", self.what);
        }
        Ok(())
    }

    /// Kills the process immediately, as a power failure would.
    ///
    /// # Errors
    /// If waiting for the process fails.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .with_context(|| format!("killing {}", self.what))?;
        Ok(())
    }

    /// Returns the exit status, if the process has ended.
    ///
    /// # Errors
    /// If the status cannot be read.
    pub(crate) fn end(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking for {}", self.what))
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// If the process has not ended at the deadline.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = now() + within;
        loop {
            if let Some(status) = self.end()? {
                return Ok(status);
            }
            if now() >= deadline {
                bail!("{} had not ended after {} ms", self.what, within.as_millis());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already; the error cannot be reported here.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
