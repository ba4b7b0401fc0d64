//! Ctrl-C and SIGTERM: the first drains, the second stops at once.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that end a process, listened to from now on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Tells whoever sent the signal what it does.
    tell: fn(&str),
}

impl Signals {
    /// Takes the signals over from the operating system.
    ///
    /// # Errors
    /// When it does not give them.
    pub(super) fn take(tell: fn(&str)) -> anyhow::Result<Self> {
        let take = |kind| signal(kind).context("listening to signals");
        let (interrupt, terminate) = (take(SignalKind::interrupt())?, take(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, tell })
    }

    /// Does `work` to its end. The first signal asks it to end through `stop`; the second ends the process.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn during(
        mut self,
        stop: &CancellationToken,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<ExitCode> {
        tokio::select! {
            end = work => end.map(|()| ExitCode::SUCCESS),
            code = self.second(stop) => {
                // A destructor may wait for what is under way, which is what nobody wants any more.
                std::process::exit(code)
            }
        }
    }

    /// Returns at the second signal, with the exit code that shells expect for it.
    async fn second(&mut self, stop: &CancellationToken) -> i32 {
        self.next().await;
        stop.cancel();
        (self.tell)("finishing what is under way; a second signal stops at once");
        let code = self.next().await;
        (self.tell)("stopped at once; what was being sent is settled at the next start");
        code
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
