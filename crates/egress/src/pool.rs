//! Idle connections that the next call can use.
//!
//! **Invariant:** there are at most [`MAX_PER_HOST_PORT`] idle connections to one host and port and at most
//! [`MAX_IDLE`] in total. Beyond that, the connection that has been idle longest is closed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::connection::HttpConnection;
use crate::url_guard::HostPort;

/// Maximum number of idle connections to one host and port.
const MAX_PER_HOST_PORT: usize = 64;

/// Maximum number of idle connections in total.
const MAX_IDLE: usize = 512;

/// Idle connections, and the task that closes expired ones.
pub(crate) struct IdleConnections {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    idle_timeout: SignedDuration,
    /// Task that ends with the pool.
    _closer: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    idle: Mutex<Idle<HttpConnection>>,
    /// Notified when a connection is added.
    filled: Notify,
}

/// Idle connections by host and port, the one that has been idle longest first.
struct Idle<L> {
    connections: BTreeMap<HostPort, VecDeque<(Timestamp, L)>>,
    n_connections: usize,
}

impl IdleConnections {
    /// Creates an empty pool. It must be called within a Tokio runtime.
    pub(crate) fn new(clock: Arc<dyn Clock>, idle_timeout: SignedDuration) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let mut closer = JoinSet::new();
        closer.spawn(close_idle(Arc::clone(&shared), Arc::clone(&clock)));
        Self { shared, clock, idle_timeout, _closer: closer }
    }

    /// Takes an idle connection that can take a request.
    pub(crate) async fn take(&self, host_port: &HostPort) -> Option<HttpConnection> {
        loop {
            let (until, mut connection) = self.shared.idle().pop_newest(host_port)?;
            if until > self.clock.now() && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Adds a connection, if it can take another request.
    pub(crate) async fn put(&self, host_port: &HostPort, mut connection: HttpConnection) {
        if !connection.is_ready().await {
            return;
        }
        let now = self.clock.now();
        let until = now.saturating_add(self.idle_timeout).unwrap_or(now);
        self.shared.idle().push(host_port, until, connection);
        self.shared.filled.notify_one();
    }
}

/// Closes expired connections; never returns.
async fn close_idle(shared: Arc<Shared>, clock: Arc<dyn Clock>) {
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
    fn idle(&self) -> MutexGuard<'_, Idle<HttpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> Default for Idle<L> {
    fn default() -> Self {
        Self { connections: BTreeMap::new(), n_connections: 0 }
    }
}

impl<L> Idle<L> {
    fn push(&mut self, host_port: &HostPort, until: Timestamp, connection: L) {
        let connections = self.connections.entry(host_port.clone()).or_default();
        connections.push_back((until, connection));
        self.n_connections = self.n_connections.saturating_add(1);
        if connections.len() > MAX_PER_HOST_PORT {
            self.pop_oldest(host_port);
        } else if self.n_connections > MAX_IDLE
            && let Some((_, host_port)) = self.oldest()
        {
            self.pop_oldest(&host_port);
        }
    }

    fn pop_newest(&mut self, host_port: &HostPort) -> Option<(Timestamp, L)> {
        let popped = self.connections.get_mut(host_port)?.pop_back();
        self.count_off(host_port);
        popped
    }

    fn pop_oldest(&mut self, host_port: &HostPort) {
        if let Some(connections) = self.connections.get_mut(host_port) {
            drop(connections.pop_front());
            self.count_off(host_port);
        }
    }

    /// Counts one connection less. An entry without connections is removed.
    fn count_off(&mut self, host_port: &HostPort) {
        self.n_connections = self.n_connections.saturating_sub(1);
        if self.connections.get(host_port).is_some_and(VecDeque::is_empty) {
            self.connections.remove(host_port);
        }
    }

    /// Returns the earliest expiry and its host and port.
    fn oldest(&self) -> Option<(Timestamp, HostPort)> {
        let firsts = self
            .connections
            .iter()
            .filter_map(|(host_port, connections)| Some((connections.front()?.0, host_port)));
        firsts.min().map(|(until, host_port)| (until, host_port.clone()))
    }

    fn close_until(&mut self, now: Timestamp) {
        while let Some((until, host_port)) = self.oldest() {
            if until > now {
                break;
            }
            self.pop_oldest(&host_port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url_guard::HostName;

    fn host_port(port: u16) -> HostPort {
        HostPort { is_tls: true, host: HostName::Domain("shop.example".to_owned()), port }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn remaining<L: Copy>(idle: &Idle<L>) -> Vec<L> {
        idle.connections.values().flatten().map(|(_, connection)| *connection).collect()
    }

    #[test]
    fn the_oldest_connection_above_the_limit_per_host_is_closed() {
        let mut idle = Idle::default();
        for n in 0..100 {
            idle.push(&host_port(1), at(n), n);
        }
        assert_eq!(remaining(&idle), (36..100).collect::<Vec<_>>());
        assert_eq!(idle.n_connections, MAX_PER_HOST_PORT);
        assert_eq!(idle.pop_newest(&host_port(1)), Some((at(99), 99)));
        assert_eq!(idle.pop_newest(&host_port(2)), None);
    }

    #[test]
    fn the_oldest_connection_above_the_total_limit_is_closed() {
        let mut idle = Idle::default();
        for n in 0..600_u16 {
            idle.push(&host_port(n % 300), at(i64::from(n)), n);
        }
        let mut all = remaining(&idle);
        all.sort_unstable();
        assert_eq!(all, (88..600).collect::<Vec<_>>());
        assert_eq!(idle.n_connections, MAX_IDLE);
    }

    #[test]
    fn expired_connections_are_closed_and_empty_entries_removed() {
        let mut idle = Idle::default();
        for n in 0..10_u16 {
            idle.push(&host_port(n), at(i64::from(n)), n);
        }
        idle.close_until(at(6));
        assert_eq!(remaining(&idle), [7, 8, 9]);
        assert_eq!((idle.n_connections, idle.connections.len()), (3, 3));
        for n in 7..10 {
            assert_eq!(idle.pop_newest(&host_port(n)), Some((at(i64::from(n)), n)));
        }
        assert_eq!((idle.n_connections, idle.connections.len()), (0, 0));
    }
}
