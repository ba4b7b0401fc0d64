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
    idle: Mutex<Idle<Line>>,
    /// Said when there is one again.
    filled: Notify,
}

/// Idle connections of each place, the one that has waited longest first.
struct Idle<L> {
    lines: BTreeMap<Place, VecDeque<(Timestamp, L)>>,
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
    fn idle(&self) -> MutexGuard<'_, Idle<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> Default for Idle<L> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), n_lines: 0 }
    }
}

impl<L> Idle<L> {
    fn push(&mut self, place: &Place, until: Timestamp, line: L) {
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

    fn pop_newest(&mut self, place: &Place) -> Option<(Timestamp, L)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Name;

    fn place(port: u16) -> Place {
        Place { is_tls: true, host: Name::Domain("shop.example".to_owned()), port }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn kept<L: Copy>(idle: &Idle<L>) -> Vec<L> {
        idle.lines.values().flatten().map(|(_, line)| *line).collect()
    }

    #[test]
    fn a_place_keeps_no_more_than_its_share_and_the_oldest_goes() {
        let mut idle = Idle::default();
        for n in 0..100 {
            idle.push(&place(1), at(n), n);
        }
        assert_eq!(kept(&idle), (36..100).collect::<Vec<_>>());
        assert_eq!(idle.n_lines, MAX_PER_PLACE);
        assert_eq!(idle.pop_newest(&place(1)), Some((at(99), 99)));
        assert_eq!(idle.pop_newest(&place(2)), None);
    }

    #[test]
    fn all_places_together_keep_no_more_than_is_allowed_and_the_oldest_goes() {
        let mut idle = Idle::default();
        for n in 0..600_u16 {
            idle.push(&place(n % 300), at(i64::from(n)), n);
        }
        let mut all = kept(&idle);
        all.sort_unstable();
        assert_eq!(all, (88..600).collect::<Vec<_>>());
        assert_eq!(idle.n_lines, MAX_IDLE);
    }

    #[test]
    fn those_whose_time_has_come_are_closed_and_empty_places_forgotten() {
        let mut idle = Idle::default();
        for n in 0..10_u16 {
            idle.push(&place(n), at(i64::from(n)), n);
        }
        idle.close_until(at(6));
        assert_eq!(kept(&idle), [7, 8, 9]);
        assert_eq!((idle.n_lines, idle.lines.len()), (3, 3));
        for n in 7..10 {
            assert_eq!(idle.pop_newest(&place(n)), Some((at(i64::from(n)), n)));
        }
        assert_eq!((idle.n_lines, idle.lines.len()), (0, 0));
    }
}
