//! Receiver of webhook deliveries for benchmarks: it accepts every delivery and checks their order.

use crate::call::call;
use crate::process::Running;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// Path that a GET request reads the summary of the deliveries from.
const SUMMARY_PATH: &str = "/summary";

/// Summary of all deliveries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// Number of requests.
    pub(super) requests: u64,
    /// Number of different events.
    pub(super) events: u64,
    /// Number of events that arrived after a later event of the same contact.
    pub(super) out_of_order: u64,
    /// Seconds from the first request to the last one.
    pub(super) seconds: f64,
}

/// Members of an event that the receiver reads.
#[derive(Deserialize)]
struct Event {
    id: String,
    sequence: u64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    to: String,
}

/// Record of the deliveries so far.
#[derive(Default)]
struct Deliveries {
    summary: Summary,
    ids: BTreeSet<String>,
    last_sequences: BTreeMap<String, u64>,
    first: Option<Instant>,
}

impl Deliveries {
    fn record(&mut self, event: Event, at: Instant) {
        let first = *self.first.get_or_insert(at);
        self.summary.requests += 1;
        self.summary.seconds = at.duration_since(first).as_secs_f64();
        if !self.ids.insert(event.id) {
            return;
        }
        self.summary.events += 1;
        let last = self.last_sequences.entry(event.data.to).or_default();
        if event.sequence < *last {
            self.summary.out_of_order += 1;
        } else {
            *last = event.sequence;
        }
    }
}

/// Serves until the process ends. It uses one thread.
pub(super) fn serve(listen: SocketAddr) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        let deliveries = Rc::new(RefCell::new(Deliveries::default()));
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            stream.set_nodelay(true).context("setting up a connection")?;
            let deliveries = Rc::clone(&deliveries);
            let connection = http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| respond(Rc::clone(&deliveries), request)),
            );
            // An error of a connection means that the client disconnected.
            drop(tokio::task::spawn_local(connection));
        }
    })
}

async fn respond(
    deliveries: Rc<RefCell<Deliveries>>,
    request: Request<Incoming>,
) -> Result<Response<String>> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.path() == SUMMARY_PATH {
        let summary = serde_json::to_string(&deliveries.borrow().summary)?;
        return Ok(Response::new(summary));
    }
    let body: Bytes = body.collect().await?.to_bytes();
    let event = serde_json::from_slice(&body).context("reading an event")?;
    deliveries.borrow_mut().record(event, crate::terminal::now());
    Ok(Response::new(String::new()))
}

/// A receiver in a process of its own.
pub(super) struct Receiver {
    /// Address of the receiver.
    pub(super) address: SocketAddr,
    _running: Running,
}

impl Receiver {
    /// Starts a receiver.
    pub(super) fn start(programs: &Path) -> Result<Self> {
        let (running, address) = Running::start_listener(programs, "webhook-receiver")?;
        Ok(Self { address, _running: running })
    }

    /// Returns the summary of the deliveries so far.
    pub(super) fn summary(&self) -> Result<Summary> {
        let response = call(self.address, "GET", SUMMARY_PATH, &[], b"")?;
        serde_json::from_str(&response.body).context("reading the summary of the receiver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_late_events_are_counted() {
        let mut deliveries = Deliveries::default();
        let start = crate::terminal::now();
        for (id, sequence, to) in
            [("a", 1, "+447700900001"), ("b", 3, "+447700900001"), ("a", 1, "+447700900001")]
                .into_iter()
                .chain([("c", 2, "+447700900001"), ("d", 1, "+447700900002")])
        {
            let event = Event { id: id.to_owned(), sequence, data: Data { to: to.to_owned() } };
            deliveries.record(event, start);
        }
        let Summary { requests, events, out_of_order, .. } = deliveries.summary;
        assert_eq!((requests, events, out_of_order), (5, 4, 1));
    }
}
