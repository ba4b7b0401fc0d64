//! Number of connections: in total, and of each client address.
//!
//! **Invariant:** clients that do nothing cannot take the last connection from the others. When all connections are taken, a
//! new one replaces the connection that has waited longest for its client: first those without a request, then those whose
//! request is not complete, then those whose client does not take its response. Only if the gateway works on a request of
//! each connection, the new one is refused.
//!
//! **Invariant:** one client address has at most [`HttpOptions::max_connections_per_address`] connections. This machine and
//! trusted proxies are excepted: behind them are many clients.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::metrics::{Label, Metrics};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::client_ip::{Network, network_of};
use crate::http_options::HttpOptions;

/// Open files for the database, files of media and calls to others.
const OTHER_FILES: u64 = 1024;

domain::text_enum! {
    /// Reasons why a connection is refused.
    pub(super) enum Refusal {
        /// The client address has too many connections.
        Address = "address",
        /// All connections are taken.
        Total = "total",
    }
}

/// All connections of the process.
pub(super) struct Connections {
    max: usize,
    max_per_address: usize,
    trusted_proxies: Vec<Network>,
    metrics: Arc<Metrics>,
    open: Mutex<Open>,
    /// Notification that a place is free.
    freed: Notify,
}

/// Action of the client for which a connection waits, in the order in which connections are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientAction {
    /// The client sends a request.
    Request,
    /// The client sends the rest of the body of a request.
    Body,
    /// The client takes the next part of a response.
    Read,
}

/// Action, and number of the connection among those that wait for it.
type Turn = (ClientAction, u64);

#[derive(Default)]
struct Open {
    n_total: usize,
    /// Number of connections of each client.
    by_client: BTreeMap<IpAddr, usize>,
    /// Connections that wait for their client, in the order in which they are replaced, with the token that closes each.
    waiting: BTreeMap<Turn, CancellationToken>,
    /// Number of the next turn.
    next: u64,
}

impl Connections {
    /// Creates the state without a connection. Raises the process's limit of open files if it is too low.
    pub(super) fn new(options: &HttpOptions, metrics: Arc<Metrics>) -> Self {
        let configured = u64::from(options.max_connections);
        let max = usable_files(configured).min(configured);
        if max < configured {
            tracing::warn!(
                max,
                configured,
                "the limit of open files allows fewer connections than max_connections"
            );
        }
        Self {
            max: usize::try_from(max).unwrap_or(usize::MAX),
            max_per_address: usize::try_from(options.max_connections_per_address).unwrap_or(usize::MAX),
            trusted_proxies: options.trusted_proxies.clone(),
            metrics,
            open: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// Admits a connection of a peer. No request is being answered on it yet.
    ///
    /// # Errors
    /// If there are too many connections.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Refusal> {
        let client = self.client(peer);
        let admitted = self.open().admit(client, self);
        if let Err(refusal) = admitted {
            self.metrics.connections_refused.increment(&[Label::Static(refusal.as_str())]);
            return Err(refusal);
        }
        self.metrics.connections.increment();
        let close = CancellationToken::new();
        let place = Place { connections: self.clone(), client, close, turn: Mutex::default() };
        // Before the task of the connection runs, so that the next connection can replace this one.
        place.wait_for(Some(ClientAction::Request));
        Ok(place)
    }

    /// Waits until the last replaced connection is closed: at any time there is at most one connection more than allowed.
    pub(super) async fn settled(&self) {
        while self.open().n_total > self.max {
            self.freed.notified().await;
        }
    }

    /// Returns the address that counts for a peer; `None` for peers with any number of connections.
    fn client(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_excepted =
            peer.is_loopback() || self.trusted_proxies.iter().any(|network| network.contains(peer));
        (!is_excepted).then(|| network_of(peer))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn admit(&mut self, client: Option<IpAddr>, limits: &Connections) -> Result<(), Refusal> {
        if client.is_some_and(|client| self.n_of(client) >= limits.max_per_address) {
            return Err(Refusal::Address);
        }
        if self.n_total >= limits.max {
            let (_, oldest) = self.waiting.pop_first().ok_or(Refusal::Total)?;
            oldest.cancel();
        }
        self.n_total = self.n_total.saturating_add(1);
        if let Some(client) = client {
            let n = self.by_client.entry(client).or_default();
            *n = n.saturating_add(1);
        }
        Ok(())
    }

    fn n_of(&self, client: IpAddr) -> usize {
        self.by_client.get(&client).copied().unwrap_or(0)
    }
}

/// Place of one connection. It is free again when the value is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    client: Option<IpAddr>,
    close: CancellationToken,
    /// Turn of the connection to be replaced; `None` while the gateway works on a request.
    turn: Mutex<Option<Turn>>,
}

impl Place {
    /// Returns the token that is cancelled when another connection gets the place.
    pub(super) fn replaced(&self) -> CancellationToken {
        self.close.clone()
    }

    /// Returns the counters of the process.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.connections.metrics
    }

    /// Records the action of the client for which the connection waits; `None` while the gateway works on a request.
    pub(super) fn wait_for(&self, action: Option<ClientAction>) {
        let mut open = self.connections.open();
        let number = open.next;
        open.next = number.saturating_add(1);
        // A connection that was replaced does not wait again.
        let turn = action.filter(|_| !self.close.is_cancelled()).map(|action| (action, number));
        let old = std::mem::replace(&mut *self.turn.lock().unwrap_or_else(PoisonError::into_inner), turn);
        if let Some(old) = old {
            open.waiting.remove(&old);
        }
        if let Some(turn) = turn {
            open.waiting.insert(turn, self.close.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.wait_for(None);
        let mut open = self.connections.open();
        open.n_total = open.n_total.saturating_sub(1);
        if let Some(client) = self.client {
            let n = open.n_of(client).saturating_sub(1);
            if n == 0 {
                open.by_client.remove(&client);
            } else {
                open.by_client.insert(client, n);
            }
        }
        drop(open);
        self.connections.metrics.connections.decrement();
        self.connections.freed.notify_one();
    }
}

/// Returns the number of files that connections may use. Raises the limit of the process for `n_wanted` connections, if the
/// system allows it.
fn usable_files(n_wanted: u64) -> u64 {
    let needed = n_wanted.saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    let Some(mut current) = limit.current else { return u64::MAX };
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if current < raised {
        let new = Rlimit { current: Some(raised), maximum: limit.maximum };
        match setrlimit(Resource::Nofile, new) {
            Ok(()) => current = raised,
            Err(error) => tracing::debug!(%error, "the limit of open files could not be raised"),
        }
    }
    // Half of a low limit is left for other files.
    current.saturating_sub(OTHER_FILES.min(current / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max: u32, max_per_address: u32) -> Arc<Connections> {
        let options = HttpOptions {
            max_connections: max,
            max_connections_per_address: max_per_address,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..HttpOptions::default()
        };
        let clock = Arc::new(crate::clock::SystemClock::new());
        Arc::new(Connections::new(&options, Arc::new(Metrics::new(clock))))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_a_share_and_proxies_and_this_machine_are_excepted() {
        let connections = connections(100, 2);
        let mut places = Vec::new();
        for (peer, n) in [
            ("192.0.2.1", 2),
            ("::ffff:192.0.2.1", 0),
            ("192.0.2.2", 2),
            ("2001:db8::1", 2),
            ("2001:db8::ffff:2", 0),
            ("2001:db8:0:1::3", 2),
            ("10.1.2.3", 5),
            ("127.0.0.1", 5),
            ("::1", 5),
        ] {
            places.extend((0..n).map(|_| connections.admit(ip(peer)).expect(peer)));
            let is_full = n < 5;
            let more = connections.admit(ip(peer));
            assert_eq!(more.is_err(), is_full, "{peer}");
            if let Err(refusal) = more {
                assert_eq!(refusal, Refusal::Address);
            }
        }
        drop(places);
        assert!(connections.open().by_client.is_empty());
        assert_eq!(connections.open().n_total, 0);
    }

    #[test]
    fn a_new_connection_replaces_the_one_that_has_waited_longest() {
        let connections = connections(3, 100);
        let admit = || connections.admit(ip("192.0.2.1"));
        let (first, second, third) = (admit().unwrap(), admit().unwrap(), admit().unwrap());
        // The first one answers a request, and is idle again.
        first.wait_for(None);
        first.wait_for(Some(ClientAction::Request));
        third.wait_for(None);
        let fourth = admit().unwrap();
        assert!(second.replaced().is_cancelled() && !first.replaced().is_cancelled());
        second.wait_for(Some(ClientAction::Request));
        drop(second);
        let fifth = admit().unwrap();
        assert!(first.replaced().is_cancelled());
        drop(first);
        // The gateway works on a request of each connection.
        fourth.wait_for(None);
        fifth.wait_for(None);
        assert_eq!(admit().err(), Some(Refusal::Total));
        drop(fifth);
        assert!(admit().is_ok());
        drop((third, fourth));
        assert_eq!(connections.open().n_total, 0);
        assert!(connections.open().waiting.is_empty());
    }

    #[test]
    fn connections_without_a_request_are_replaced_before_those_with_one() {
        let connections = connections(4, 100);
        let admit = || connections.admit(ip("192.0.2.1")).unwrap();
        let actions = [ClientAction::Read, ClientAction::Body, ClientAction::Request];
        let waiting = actions.map(|action| {
            let place = admit();
            place.wait_for(Some(action));
            place
        });
        let busy = admit();
        busy.wait_for(None);
        let mut new = Vec::new();
        for n_replaced in 1..=3 {
            let place = admit();
            place.wait_for(None);
            new.push(place);
            let replaced = waiting.each_ref().map(|place| place.replaced().is_cancelled());
            assert_eq!(replaced, [n_replaced > 2, n_replaced > 1, true]);
        }
        assert!(!busy.replaced().is_cancelled());
        assert_eq!(connections.admit(ip("192.0.2.1")).err(), Some(Refusal::Total));
    }

    #[tokio::test]
    async fn the_next_connection_is_accepted_when_the_replaced_one_is_closed() {
        let connections = connections(2, 100);
        let admit = || connections.admit(ip("192.0.2.1")).unwrap();
        let (first, second) = (admit(), admit());
        connections.settled().await;
        let third = admit();
        assert!(first.replaced().is_cancelled() && !second.replaced().is_cancelled());
        let mut settled = std::pin::pin!(connections.settled());
        assert!(futures_util::poll!(settled.as_mut()).is_pending());
        drop(first);
        settled.await;
        drop((second, third));
    }
}
