//! Background loops of the process.

use std::sync::Arc;

use engine::background::PollInterval;
use engine::maintenance::retention;
use engine::messages::{queue, search_index};
use engine::webhooks_out::{deliver, tasks};
use engine::{Deps, background, contacts, directory, media};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Period in which panics are counted.
const PANIC_PERIOD: SignedDuration = SignedDuration::from_secs(60);
/// Number of panics in the period that stops the process.
const MAX_PANICS: usize = 3;

/// Running background loops.
pub(super) struct Loops {
    deps: Arc<Deps>,
    stop: CancellationToken,
    /// Stops the heartbeat.
    stop_heartbeat: CancellationToken,
    running: JoinSet<()>,
    names: Vec<(tokio::task::Id, Loop)>,
    panics: Vec<jiff::Timestamp>,
}

impl Loops {
    /// Starts all loops.
    pub(super) fn start(deps: &Arc<Deps>, stop: &CancellationToken) -> Self {
        let mut loops = Self {
            deps: deps.clone(),
            stop: stop.clone(),
            stop_heartbeat: CancellationToken::new(),
            running: JoinSet::new(),
            names: Vec::new(),
            panics: Vec::new(),
        };
        for name in Loop::ALL {
            loops.spawn(name);
        }
        loops
    }

    fn spawn(&mut self, name: Loop) {
        let until = if name == Loop::Recovery { &self.stop_heartbeat } else { &self.stop };
        let id = self.running.spawn(name.run(self.deps.clone(), until.clone())).id();
        self.names.push((id, name));
    }

    /// Restarts a loop that panicked. The other loops continue.
    ///
    /// # Errors
    /// If too many loops panicked.
    pub(super) async fn watch(&mut self) -> anyhow::Result<()> {
        let Some(Err(error)) = self.running.join_next().await else {
            // No loop panicked and no loop is left to panic: loops end only when they are stopped.
            return std::future::pending().await;
        };
        let now = self.deps.now();
        self.panics.push(now);
        self.panics.retain(|at| now.duration_since(*at) < PANIC_PERIOD);
        if self.panics.len() >= MAX_PANICS {
            anyhow::bail!("background loops panic repeatedly; see the log");
        }
        let id = error.id();
        let name = self.names.iter().find(|(other, _)| *other == id).map(|(_, name)| *name);
        self.names.retain(|(other, _)| *other != id);
        tracing::error!(%error, loop.name = ?name, "a background loop panicked and is restarted");
        if let Some(name) = name {
            self.spawn(name);
        }
        Ok(())
    }

    /// Waits until all loops except the heartbeat have ended. Each loop finishes its current round.
    pub(super) async fn end_workers(&mut self) {
        while self.running.len() > 1 {
            if self.running.join_next().await.is_none() {
                return;
            }
        }
    }

    /// Stops the heartbeat and aborts all loops that are still running.
    pub(super) async fn result(mut self) {
        self.stop_heartbeat.cancel();
        if self.running.len() > 1 {
            self.running.abort_all();
        }
        while self.running.join_next().await.is_some() {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    Recovery,
    Directory,
    KeyUse,
    Queue,
    PhoneNumbers,
    Templates,
    Deliveries,
    Media,
    MediaCleanup,
    Retention,
    Erasures,
    SearchIndex,
}

impl Loop {
    const ALL: [Self; 12] = [
        Self::Recovery,
        Self::Directory,
        Self::KeyUse,
        Self::Queue,
        Self::PhoneNumbers,
        Self::Templates,
        Self::Deliveries,
        Self::Media,
        Self::MediaCleanup,
        Self::Retention,
        Self::Erasures,
        Self::SearchIndex,
    ];

    async fn run(self, deps: Arc<Deps>, stop: CancellationToken) {
        let clock = deps.clock.clone();
        let interval = |every| PollInterval { interval: every, hint: None };
        match self {
            Self::Recovery => {
                let interval = interval(background::HEARTBEAT_INTERVAL);
                background::run("recovery", &*clock, interval, &stop, || background::tick_recovery(&deps))
                    .await;
            }
            Self::Directory => {
                let interval = interval(directory::REFRESH_INTERVAL);
                background::run("directory", &*clock, interval, &stop, || background::tick_directory(&deps))
                    .await;
            }
            Self::KeyUse => {
                let interval = interval(background::LAST_USED_INTERVAL);
                background::run("key use", &*clock, interval, &stop, || background::tick_last_used(&deps))
                    .await;
            }
            Self::PhoneNumbers => {
                let interval = interval(background::PHONE_NUMBERS_INTERVAL);
                let run = background::run("numbers", &*clock, interval, &stop, || {
                    background::tick_phone_numbers(&deps)
                });
                // The shutdown does not wait for calls to Meta that only read.
                tokio::select! {
                    () = run => {}
                    () = stop.cancelled() => {}
                }
            }
            Self::Templates => {
                let interval = interval(background::TEMPLATES_INTERVAL);
                let run = background::run("templates", &*clock, interval, &stop, || {
                    background::tick_templates(&deps)
                });
                // The shutdown does not wait for calls to Meta that only read.
                tokio::select! {
                    () = run => {}
                    () = stop.cancelled() => {}
                }
            }
            Self::Deliveries => {
                let interval = PollInterval { interval: tasks::POLL_INTERVAL, hint: Some(&deps.committed) };
                background::run("webhooks", &*clock, interval, &stop, || deliver::tick(&deps)).await;
            }
            Self::Media => {
                let interval = PollInterval { interval: media::POLL_INTERVAL, hint: Some(&deps.media.hint) };
                background::run("media", &*clock, interval, &stop, || media::tick(&deps)).await;
            }
            Self::MediaCleanup => {
                let interval =
                    PollInterval { interval: media::EXPIRY_INTERVAL, hint: Some(&deps.media.expiry_hint) };
                background::run("media cleanup", &*clock, interval, &stop, || media::delete_expired(&deps))
                    .await;
            }
            Self::Retention => {
                let interval = interval(retention::RETENTION_INTERVAL);
                background::run("retention", &*clock, interval, &stop, || retention::delete_expired(&deps))
                    .await;
            }
            Self::Erasures => {
                let interval =
                    PollInterval { interval: contacts::ERASURE_INTERVAL, hint: Some(&deps.erasure_hint) };
                background::run("erasures", &*clock, interval, &stop, || contacts::run_erasures(&deps)).await;
            }
            Self::SearchIndex => {
                let interval = interval(search_index::POLL_INTERVAL);
                background::run("search index", &*clock, interval, &stop, || search_index::tick(&deps)).await;
            }
            Self::Queue => {
                let interval = PollInterval { interval: queue::POLL_INTERVAL, hint: Some(&deps.queue_hint) };
                background::run("queue", &*clock, interval, &stop, || queue::tick(&deps)).await;
            }
        }
    }
}
