//! Load generator: a fixed number of connections that send requests one after the other, or at fixed times.

mod plan;

pub(super) use plan::{
    Account, Content, LoadPlan, Message, RECIPIENTS, STATUSES, TEMPLATE, Webhooks, recipient, wamid,
};

use crate::bench::report;
use crate::terminal::now;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Number of failures in a row after which a connection stops.
const PATIENCE: u32 = 20;
/// Header of the signature of a webhook.
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// Result of a load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LoadResult {
    /// Number of requests with the expected response: status 200, and for a message its wamid.
    pub(super) responded: u64,
    /// Number of other results, by kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// Time from the first request to the last response.
    pub(super) seconds: f64,
    /// Median latency.
    pub(super) p50_us: u32,
    /// 99th percentile of the latency.
    pub(super) p99_us: u32,
    /// Maximum latency.
    pub(super) max_us: u32,
}

/// Results of one connection, or of all connections.
#[derive(Default)]
struct ConnectionResults {
    latencies: Vec<u32>,
    errors: BTreeMap<String, u64>,
}

impl ConnectionResults {
    fn failed(&mut self, kind: impl Into<String>) {
        let count = self.errors.entry(kind.into()).or_default();
        *count = count.saturating_add(1);
    }
}

/// State that the connections share. They run on one thread.
struct Shared {
    plan: LoadPlan,
    uri: Uri,
    headers: HeaderMap,
    /// Messages to the recipients; empty for webhooks.
    messages: Vec<Bytes>,
    n_started: Cell<u32>,
    start: Instant,
    until: Instant,
}

impl Shared {
    fn new(plan: LoadPlan) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&plan.address.to_string())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for header in &plan.headers {
            let (name, value) =
                header.split_once(':').with_context(|| format!("{header} is not `Name: value`"))?;
            headers.insert(name.trim().parse::<HeaderName>()?, HeaderValue::from_str(value.trim())?);
        }
        let messages = match &plan.content {
            Content::Messages(message) => {
                (0..RECIPIENTS).map(|index| Bytes::from(message.body(&recipient(index)))).collect()
            }
            Content::Webhooks(_) => Vec::new(),
        };
        let start = now();
        let until = start + Duration::from_secs(plan.seconds.into());
        let uri = plan.path.parse().context("parsing the path")?;
        Ok(Self { plan, uri, headers, messages, n_started: Cell::new(0), start, until })
    }

    /// Returns the number of the next request; `None` if the maximum number is reached.
    fn next(&self) -> Option<u32> {
        let number = self.n_started.get();
        if number >= self.plan.requests {
            return None;
        }
        self.n_started.set(number.saturating_add(1));
        Some(number)
    }

    /// Returns the time at which a request is due; `None` if it is due at once.
    fn due(&self, number: u32) -> Option<Instant> {
        let per_second = self.plan.per_second?;
        Some(self.start + Duration::from_secs_f64(f64::from(number) / f64::from(per_second)))
    }

    /// Returns the n-th request.
    fn request(&self, number: u32) -> Result<Request<Full<Bytes>>> {
        let mut signature = None;
        let body = match &self.plan.content {
            Content::Messages(_) => {
                let index = usize::try_from(number % RECIPIENTS).unwrap_or(0);
                self.messages.get(index).cloned().unwrap_or_default()
            }
            Content::Webhooks(webhooks) => {
                let body = webhooks.body(number);
                signature = Some(HeaderValue::try_from(webhooks.account.signature(&body)?)?);
                Bytes::from(body)
            }
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(signature) = signature {
            request.headers_mut().insert(SIGNATURE, signature);
        }
        Ok(request)
    }
}

/// Sends until the duration has passed or the maximum number of requests is reached.
pub(super) fn run(plan: LoadPlan) -> Result<LoadResult> {
    if !plan.address.ip().is_loopback() {
        bail!("{} is not on this machine; the load is for loopback only", plan.address);
    }
    let n_connections = plan.connections;
    let shared = Rc::new(Shared::new(plan)?);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let tasks = LocalSet::new();
    let connections: Vec<_> =
        (0..n_connections).map(|_| tasks.spawn_local(connection(Rc::clone(&shared)))).collect();
    let mut all = ConnectionResults::default();
    tasks.block_on(&runtime, async {
        for connection in connections {
            let seen = connection.await.context("a connection's task panicked")?;
            all.latencies.extend(seen.latencies);
            for (kind, count) in seen.errors {
                let total = all.errors.entry(kind).or_default();
                *total = total.saturating_add(count);
            }
        }
        anyhow::Ok(())
    })?;
    let seconds = shared.start.elapsed().as_secs_f64();
    all.latencies.sort_unstable();
    Ok(LoadResult {
        responded: u64::try_from(all.latencies.len()).unwrap_or(u64::MAX),
        errors: all.errors,
        seconds,
        p50_us: report::percentile(&all.latencies, 50),
        p99_us: report::percentile(&all.latencies, 99),
        max_us: all.latencies.last().copied().unwrap_or(0),
    })
}

/// Uses one connection, and opens another one when it fails.
async fn connection(shared: Rc<Shared>) -> ConnectionResults {
    let mut seen = ConnectionResults::default();
    let mut failures = 0;
    while failures < PATIENCE && shared.n_started.get() < shared.plan.requests && now() < shared.until {
        let opened = async {
            let stream = TcpStream::connect(shared.plan.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.ok()
        };
        let Some((sender, driver)) = opened.await else {
            seen.failed("no connection");
            failures += 1;
            continue;
        };
        // The driver ends when the sender is dropped.
        let (_, broke) = tokio::join!(driver, requests(&shared, sender, &mut seen));
        failures = if broke { failures + 1 } else { PATIENCE };
    }
    seen
}

/// Sends one request after the other; returns `true` if the connection failed.
async fn requests(
    shared: &Shared,
    mut sender: SendRequest<Full<Bytes>>,
    seen: &mut ConnectionResults,
) -> bool {
    let mut refused = 0;
    loop {
        if now() >= shared.until || refused >= PATIENCE {
            return false;
        }
        let Some(number) = shared.next() else { return false };
        let request = match shared.request(number) {
            Ok(request) => request,
            Err(error) => {
                seen.failed(format!("no request: {error:#}"));
                return false;
            }
        };
        let start = match shared.due(number) {
            Some(due) => {
                wait_until(due).await;
                due
            }
            None => now(),
        };
        let response = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((head.status, body.collect().await?.to_bytes()))
        };
        let is_message = matches!(shared.plan.content, Content::Messages(_));
        match response.await {
            Ok((status, body)) if status == 200 && (!is_message || has_wamid(&body)) => {
                seen.latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
                refused = 0;
            }
            Ok((status, _)) if status == 200 => {
                seen.failed("200 without a wamid");
                refused += 1;
            }
            Ok((status, body)) => {
                seen.failed(format!(
                    "{status}: {}",
                    String::from_utf8_lossy(&body).chars().take(160).collect::<String>()
                ));
                refused += 1;
            }
            Err(error) => {
                seen.failed(format!("broken: {error}"));
                return true;
            }
        }
    }
}

/// Waits until a request is due.
async fn wait_until(due: Instant) {
    tokio::time::sleep_until(due.into()).await;
}

/// Returns `true` if a response contains a message id of Meta.
fn has_wamid(body: &[u8]) -> bool {
    body.windows(7).any(|window| window == b"\"wamid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(address: &str) -> LoadPlan {
        LoadPlan {
            address: address.parse().unwrap(),
            path: "/".to_owned(),
            headers: Vec::new(),
            connections: 1,
            seconds: 1,
            requests: 2,
            per_second: Some(4),
            content: Content::Messages(Message::Text),
        }
    }

    #[test]
    fn only_loopback_addresses_are_targets() {
        assert!(run(plan("192.0.2.1:80")).is_err());
    }

    #[test]
    fn the_requests_of_a_fixed_rate_are_due_at_fixed_times() {
        let shared = Shared::new(plan("127.0.0.1:80")).unwrap();
        assert_eq!((shared.next(), shared.next(), shared.next()), (Some(0), Some(1), None));
        assert_eq!(shared.due(1).unwrap() - shared.start, Duration::from_millis(250));
    }
}
