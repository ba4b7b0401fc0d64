//! Load generator: a fixed number of connections, each of which sends its next message after the previous response.

use crate::bench::report;
use crate::terminal::now;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Number of recipients, used in turn: the numbers that Ofcom reserves for drama, +44 7700 900000 to 900999.
pub(super) const RECIPIENTS: u32 = 1_000;

/// Number of failures in a row after which a connection stops.
const PATIENCE: u32 = 20;

/// Options of the load generator.
#[derive(Debug, Args)]
pub(crate) struct LoadOptions {
    /// URL of the target; only loopback addresses are allowed.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Path of every request.
    #[arg(long)]
    pub(crate) path: String,
    /// Header of every request, `Name: value`; can be repeated.
    #[arg(long = "header")]
    pub(crate) headers: Vec<String>,
    /// Number of connections.
    #[arg(long)]
    pub(crate) connections: u32,
    /// Duration in seconds.
    #[arg(long)]
    pub(crate) seconds: u32,
    /// Maximum number of requests.
    #[arg(long)]
    pub(crate) requests: u32,
}

/// Result of a load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LoadResult {
    /// Number of requests with status 200 and a wamid.
    pub(super) responded: u64,
    /// Number of other results, by kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// Time from the first request to the last response.
    pub(super) seconds: f64,
    /// Median latency.
    pub(super) p50_us: u32,
    /// 99th percentile of the latency.
    pub(super) p99_us: u32,
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
    options: Requests,
    address: SocketAddr,
    left: Cell<u32>,
    next: Cell<u32>,
    until: Instant,
}

/// Parts of every request.
struct Requests {
    template: http1_request::Template,
    bodies: Vec<Bytes>,
}

/// Sends until the duration has passed or the maximum number of requests is reached.
pub(super) fn run(options: &LoadOptions) -> Result<LoadResult> {
    if !options.address.ip().is_loopback() {
        bail!("{} is not on this machine; the load is for loopback only", options.address);
    }
    let template = http1_request::Template::new(options)?;
    let bodies = (0..RECIPIENTS).map(|index| Bytes::from(body(&recipient(index)))).collect();
    let start = now();
    let shared = Rc::new(Shared {
        options: Requests { template, bodies },
        address: options.address,
        left: Cell::new(options.requests),
        next: Cell::new(0),
        until: start + Duration::from_secs(options.seconds.into()),
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let tasks = LocalSet::new();
    let connections: Vec<_> =
        (0..options.connections).map(|_| tasks.spawn_local(connection(Rc::clone(&shared)))).collect();
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
    let seconds = start.elapsed().as_secs_f64();
    all.latencies.sort_unstable();
    Ok(LoadResult {
        responded: u64::try_from(all.latencies.len()).unwrap_or(u64::MAX),
        errors: all.errors,
        seconds,
        p50_us: report::percentile(&all.latencies, 50),
        p99_us: report::percentile(&all.latencies, 99),
    })
}

/// Uses one connection, and opens another one when it fails.
async fn connection(shared: Rc<Shared>) -> ConnectionResults {
    let mut seen = ConnectionResults::default();
    let mut failures = 0;
    while failures < PATIENCE && shared.left.get() > 0 && now() < shared.until {
        let opened = async {
            let stream = TcpStream::connect(shared.address).await.ok()?;
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
        let start = now();
        let left = shared.left.get();
        if left == 0 || start >= shared.until || refused >= PATIENCE {
            return false;
        }
        shared.left.set(left.saturating_sub(1));
        let next = shared.next.get();
        shared.next.set(next.wrapping_add(1) % RECIPIENTS);
        let body = usize::try_from(next).ok().and_then(|index| shared.options.bodies.get(index)).cloned();
        let request = shared.options.template.request(body.unwrap_or_default());
        let response = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((head.status, body.collect().await?.to_bytes()))
        };
        match response.await {
            Ok((status, body)) if status == 200 && has_wamid(&body) => {
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

/// Returns `true` if a response contains a message id of Meta.
fn has_wamid(body: &[u8]) -> bool {
    body.windows(7).any(|window| window == b"\"wamid.")
}

/// Returns the n-th recipient in E.164; `n` is below [`RECIPIENTS`].
pub(super) fn recipient(index: u32) -> String {
    format!("+447700900{index:03}")
}

/// Returns a text message of about 300 bytes that the Cloud API and the gateway accept.
fn body(to: &str) -> String {
    let text = "Your table for two is booked for Saturday at 19:30. Reply 1 to confirm, 2 to change the time, or \
                3 to cancel. Parking is free after six, the bus stops at the door.";
    format!(
        "{{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"{to}\",\"type\":\"text\",\
         \"text\":{{\"preview_url\":false,\"body\":\"{text}\"}}}}"
    )
}

/// Requests that differ only in their body.
mod http1_request {
    use super::{
        Bytes, CONTENT_TYPE, Context, Full, HOST, HeaderName, HeaderValue, LoadOptions, Request, Result,
    };
    use hyper::{HeaderMap, Method, Uri};

    /// Common parts of the requests.
    pub(super) struct Template {
        uri: Uri,
        headers: HeaderMap,
    }

    impl Template {
        /// Parses the path and the headers once.
        pub(super) fn new(options: &LoadOptions) -> Result<Self> {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(&options.address.to_string())?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            for header in &options.headers {
                let (name, value) =
                    header.split_once(':').with_context(|| format!("{header} is not `Name: value`"))?;
                headers.insert(name.trim().parse::<HeaderName>()?, HeaderValue::from_str(value.trim())?);
            }
            Ok(Self { uri: options.path.parse()?, headers })
        }

        /// Returns a request with this body.
        pub(super) fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
            let mut request = Request::new(Full::new(body));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.uri.clone();
            *request.headers_mut() = self.headers.clone();
            request
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_about_300_bytes_of_json() {
        let body = body(&recipient(7));
        assert!((280..=320).contains(&body.len()), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["to"], "+447700900007");
    }

    #[test]
    fn only_loopback_addresses_are_targets() {
        let options = LoadOptions {
            address: "192.0.2.1:80".parse().unwrap(),
            path: "/".to_owned(),
            headers: Vec::new(),
            connections: 1,
            seconds: 1,
            requests: 1,
        };
        assert!(run(&options).is_err());
    }
}
