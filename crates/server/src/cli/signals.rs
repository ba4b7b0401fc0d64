//! Ctrl-C and SIGTERM: the first signal starts a graceful shutdown, the second one stops the process immediately.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals that stop the process.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Reports the effect of a signal.
    report: fn(&str),
}

impl Signals {
    /// Starts to listen for signals.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn listen(report: fn(&str)) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, report })
    }

    /// Runs `work` to its end. The first signal cancels `stop`; the second one exits the process.
    ///
    /// # Errors
    /// The errors of `work`.
    pub(super) async fn during(
        mut self,
        stop: &CancellationToken,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<ExitCode> {
        tokio::select! {
            result = work => result.map(|()| ExitCode::SUCCESS),
            code = self.second(stop) => {
                // A destructor might wait for pending work, so the process exits without running destructors.
                std::process::exit(code)
            }
        }
    }

    /// Returns after the second signal, with the exit code that shells expect.
    async fn second(&mut self, stop: &CancellationToken) -> i32 {
        self.next().await;
        stop.cancel();
        (self.report)("finishing pending work; a second signal stops immediately");
        let code = self.next().await;
        (self.report)("stopped immediately; messages that were being sent are recovered at the next start");
        code
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
