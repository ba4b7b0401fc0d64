//! Bare reverse proxy on hyper, with the client that the gateway uses: the baseline of a gateway in Rust.

use super::{Target, graph_path};
use crate::process::{Running, free_address};
use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Starts the proxy as a process of its own.
pub(super) fn start(programs: &Path, upstream: SocketAddr) -> Result<Target> {
    let address = free_address()?;
    let mut command = Command::new(programs.join("xtask"));
    command.args(["reverse-proxy", "--listen", &address.to_string(), "--upstream", &upstream.to_string()]);
    let mut running = Running::start(&command)?;
    running.wait_until("the reverse proxy", || TcpStream::connect(address).is_ok())?;
    let pid = running.pid();
    Ok(Target {
        address,
        path: graph_path(),
        headers: Vec::new(),
        pid,
        _running: Some(running),
        _folder: None,
    })
}

/// Serves until the process ends, with one thread per core.
pub(in crate::bench) fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            stream.set_nodelay(true).context("setting up a connection")?;
            while connections.try_join_next().is_some() {}
            let client = client.clone();
            // An error of a connection means that the client disconnected.
            connections.spawn(http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| forward(client.clone(), upstream, request)),
            ));
        }
    })
}

/// Forwards one request.
async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{upstream}{path}").parse::<Uri>()?;
    request.headers_mut().remove(HOST);
    Ok(client.request(request).await?)
}
