//! Connections that are kept for the next call.
//!
//! **Invariant:** at most [`MAX_PER_PLACE`] of one place and [`MAX_IDLE`] of all; the one that has waited longest goes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::guard::Place;
use crate::line::Line;

/// The most idle connections to one place.
const MAX_PER_PLACE: usize = 64;

/// The most idle connections altogether.
const MAX_IDLE: usize = 512;

/// Idle connections, and the task that closes them when they get old.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    idle_timeout: SignedDuration,
    /// Ends with the pool.
    _keeper: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    idle: Mutex<Idle>,
    /// Said when there is one again.
    filled: Notify,
}

/// Idle connections of each place, the one that has waited longest first.
#[derive(Default)]
struct Idle {
    lines: BTreeMap<Place, VecDeque<(Timestamp, Line)>>,
    n_lines: usize,
}

impl Pool {
    /// An empty pool. Must be called within a Tokio runtime.
    pub(crate) fn new(clock: Arc<dyn Clock>, idle_timeout: SignedDuration) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(Arc::clone(&shared), Arc::clone(&clock)));
        Self { shared, clock, idle_timeout, _keeper: keeper }
    }

    /// A connection to this place that can take a request.
    pub(crate) async fn take(&self, place: &Place) -> Option<Line> {
        loop {
            let (until, mut line) = self.shared.idle().pop_newest(place)?;
            if until > self.clock.now() && line.is_ready().await {
                return Some(line);
            }
        }
    }

    /// Keeps a connection, if it can take another request.
    pub(crate) async fn put(&self, place: &Place, mut line: Line) {
        if !line.is_ready().await {
            return;
        }
        let now = self.clock.now();
        let until = now.saturating_add(self.idle_timeout).unwrap_or(now);
        self.shared.idle().push(place, until, line);
        self.shared.filled.notify_one();
    }
}

/// Closes connections whose time has come, for ever.
async fn keep(shared: Arc<Shared>, clock: Arc<dyn Clock>) {
    loop {
        let oldest = shared.idle().oldest();
        match oldest {
            Some((until, _)) => {
                clock.sleep_until(until).await;
                shared.idle().close_until(clock.now());
            }
            None => shared.filled.notified().await,
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn push(&mut self, place: &Place, until: Timestamp, line: Line) {
        let lines = self.lines.entry(place.clone()).or_default();
        lines.push_back((until, line));
        self.n_lines = self.n_lines.saturating_add(1);
        if lines.len() > MAX_PER_PLACE {
            self.pop_oldest(place);
        } else if self.n_lines > MAX_IDLE
            && let Some((_, place)) = self.oldest()
        {
            self.pop_oldest(&place);
        }
    }

    fn pop_newest(&mut self, place: &Place) -> Option<(Timestamp, Line)> {
        let popped = self.lines.get_mut(place)?.pop_back();
        self.count_off(place);
        popped
    }

    fn pop_oldest(&mut self, place: &Place) {
        if let Some(lines) = self.lines.get_mut(place) {
            drop(lines.pop_front());
            self.count_off(place);
        }
    }

    /// One of this place has gone. A place without connections is never kept.
    fn count_off(&mut self, place: &Place) {
        self.n_lines = self.n_lines.saturating_sub(1);
        if self.lines.get(place).is_some_and(VecDeque::is_empty) {
            self.lines.remove(place);
        }
    }

    /// When the first is to be closed, and where it leads.
    fn oldest(&self) -> Option<(Timestamp, Place)> {
        let firsts = self.lines.iter().filter_map(|(place, lines)| Some((lines.front()?.0, place)));
        firsts.min().map(|(until, place)| (until, place.clone()))
    }

    fn close_until(&mut self, now: Timestamp) {
        while let Some((until, place)) = self.oldest() {
            if until > now {
                break;
            }
            self.pop_oldest(&place);
        }
    }
}
