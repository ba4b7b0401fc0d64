//! A process that is started, asked to end, or killed.

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
    /// Starts a command; both its channels are appended to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(what: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let doing = || format!("starting {what}");
        let log = OpenOptions::new().create(true).append(true).open(log).with_context(doing)?;
        let also = log.try_clone().with_context(doing)?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(also).spawn().with_context(doing)?;
        Ok(Self { child, what: what.to_owned() })
    }

    /// Sends a signal by its name (`TERM`, `INT`).
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        // The standard library can only kill; every shell has `kill` built in.
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
        if !sent.context("running sh")?.success() {
            bail!("SIG{name} could not be sent to {} (process {pid})", self.what);
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would end it.
    ///
    /// # Errors
    /// When it cannot be waited for.
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
    /// The status cannot be read.
    pub(crate) fn end(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking for {}", self.what))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it has not at the deadline.
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
        // It may have ended long ago; there is nobody to tell here.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
