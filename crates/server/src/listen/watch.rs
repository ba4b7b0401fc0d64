//! Deadlines of one connection.
//!
//! **Invariant:** a connection without a request that is being answered has a deadline; nothing that the client sends moves
//! the deadline, except a whole request. A response has a deadline for each part of [`PART_BYTES`] bytes. The time of a
//! request's body is bounded where it is read, in `request_bodies`.
//!
//! The deadlines are of the whole connection, because hyper has none for the start of a connection, for HTTP/2 requests and
//! for responses: its `header_read_timeout` concerns HTTP/1 only, and includes the time between two requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connections::{ClientAction, Place};

/// Maximum time from the start of a connection until its first bytes show the protocol: the start of an HTTP/1 request, or
/// the whole preface of HTTP/2.
pub(super) const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum time from the first byte of an HTTP/1 request to the end of its head.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time between two requests, and from the preface of HTTP/2 to the end of the head of a request. It is longer than
/// the 60 seconds for which nginx and load balancers keep idle connections, so that the client closes first.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Maximum time for which a client does not take the next part of a response.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum size of a part of a response in bytes.
pub(super) const PART_BYTES: usize = 64 * 1024;

/// First bytes of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

domain::text_enum! {
    /// Reasons why the gateway closes a connection.
    pub(super) enum CloseReason {
        /// The first bytes did not show the protocol in time.
        FirstBytes = "first_bytes",
        /// The head of a request was not complete in time.
        Head = "head",
        /// No request came.
        Idle = "idle",
        /// The client did not take the response.
        Write = "write",
        /// Another connection got the place.
        Replaced = "replaced",
    }
}

/// Protocol, requests and waiting responses of a connection.
pub(super) struct Watch {
    state: Mutex<State>,
    place: Place,
}

struct State {
    protocol: Protocol,
    /// Start of the connection, or end of the last response.
    idle_since: Instant,
    /// Arrival of the first bytes of an HTTP/1 request whose head is not complete.
    head_since: Option<Instant>,
    n_requests: usize,
    /// Number of requests whose body is not complete.
    n_bodies: usize,
    /// Action of the client for which the connection waits, as its place knows it.
    waits_for: Option<ClientAction>,
    /// `true` if the gateway has answered a request without reading its whole body.
    has_unread_body: bool,
    /// Responses whose last part is not taken yet: number of the response, and time of the part.
    waiting: BTreeMap<u64, Instant>,
    /// Number of the next response.
    next: u64,
}

#[derive(Clone, Copy)]
enum Protocol {
    /// These bytes of the preface of HTTP/2 have arrived.
    Unknown(usize),
    Http1,
    Http2,
}

impl Watch {
    /// Watches a new connection.
    pub(super) fn new(place: Place) -> Self {
        let state = State {
            protocol: Protocol::Unknown(0),
            idle_since: Instant::now(),
            head_since: None,
            n_requests: 0,
            n_bodies: 0,
            waits_for: Some(ClientAction::Request),
            has_unread_body: false,
            waiting: BTreeMap::new(),
            next: 0,
        };
        Self { state: Mutex::new(state), place }
    }

    /// Returns the place of the connection.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Records bytes that the client has sent.
    pub(super) fn received(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.state().received(bytes);
        }
    }

    /// Returns the earliest deadline of the connection.
    pub(super) fn deadline(&self) -> Option<(Instant, CloseReason)> {
        self.state().deadline()
    }

    /// Records a request whose head is complete. Returns the number of its response.
    pub(super) fn begin(&self, has_body: bool) -> u64 {
        let mut state = self.state();
        state.head_since = None;
        state.n_requests = state.n_requests.saturating_add(1);
        state.n_bodies = state.n_bodies.saturating_add(usize::from(has_body));
        let response = state.next;
        state.next = response.saturating_add(1);
        self.update_place(&mut state);
        response
    }

    /// Records that a part of a response waits until the client takes it.
    pub(super) fn part_waits(&self, response: u64) {
        let mut state = self.state();
        state.waiting.insert(response, Instant::now());
        self.update_place(&mut state);
    }

    /// Records that the client has taken the last part of a response.
    pub(super) fn part_taken(&self, response: u64) {
        let mut state = self.state();
        state.waiting.remove(&response);
        self.update_place(&mut state);
    }

    /// Records that the body of a request is complete, or that the gateway does not need the rest of it.
    pub(super) fn end_body(&self, is_read: bool) {
        let mut state = self.state();
        state.n_bodies = state.n_bodies.saturating_sub(1);
        state.has_unread_body |= !is_read;
        self.update_place(&mut state);
    }

    /// Returns `true` if the rest of a request's body was not read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.state().has_unread_body
    }

    /// Records the end of a response.
    pub(super) fn end(&self, response: u64) {
        let mut state = self.state();
        state.waiting.remove(&response);
        state.n_requests = state.n_requests.saturating_sub(1);
        if state.n_requests == 0 {
            state.idle_since = Instant::now();
        }
        self.update_place(&mut state);
    }

    fn update_place(&self, state: &mut State) {
        let action = state.waits_for();
        if action != state.waits_for {
            state.waits_for = action;
            self.place.wait_for(action);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn received(&mut self, bytes: &[u8]) {
        if let Protocol::Unknown(n_known) = self.protocol {
            let rest = PREFACE.get(n_known..).unwrap_or_default();
            self.protocol = if bytes.starts_with(rest) {
                Protocol::Http2
            } else if rest.starts_with(bytes) {
                Protocol::Unknown(n_known.saturating_add(bytes.len()))
            } else {
                Protocol::Http1
            };
            if matches!(self.protocol, Protocol::Http2) {
                self.idle_since = Instant::now();
            }
        }
        if matches!(self.protocol, Protocol::Http1) && self.n_requests == 0 {
            self.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// Returns the action of the client for which all requests wait.
    fn waits_for(&self) -> Option<ClientAction> {
        if self.n_requests == 0 {
            return Some(ClientAction::Request);
        }
        let n_waiting = self.n_bodies.saturating_add(self.waiting.len());
        let action = if self.waiting.is_empty() { ClientAction::Body } else { ClientAction::Read };
        Some(action).filter(|_| n_waiting >= self.n_requests)
    }

    fn deadline(&self) -> Option<(Instant, CloseReason)> {
        if self.n_requests > 0 {
            let oldest = self.waiting.values().min()?;
            return Some((*oldest + WRITE_TIMEOUT, CloseReason::Write));
        }
        Some(match (self.protocol, self.head_since) {
            (Protocol::Unknown(_), _) => (self.idle_since + FIRST_BYTES_TIMEOUT, CloseReason::FirstBytes),
            (Protocol::Http1, Some(since)) => (since + HEAD_TIMEOUT, CloseReason::Head),
            (Protocol::Http1 | Protocol::Http2, _) => (self.idle_since + IDLE_TIMEOUT, CloseReason::Idle),
        })
    }
}
