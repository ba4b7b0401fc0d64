//! Opens connections to addresses that users configured.
//!
//! **Invariant:** a call is made only if the policy allows every address that the name resolves to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use engine::ports::{Clock, UrlError};
use jiff::SignedDuration;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::config::{EgressConfig, EgressConfigError};
use crate::connection::HttpConnection;
use crate::error::EgressError;
use crate::resolve::NameResolver;
use crate::stream::{ReceivedFlag, TransportStream};
use crate::url_guard::{HostName, UrlTarget};

/// Maximum number of addresses of one name that are tried.
const MAX_TRIED: usize = 8;

/// Time that one address has before the next is tried in parallel (RFC 8305).
const HEAD_START: SignedDuration = SignedDuration::from_millis(250);

/// Opens connections.
pub(crate) struct Dialer {
    resolver: Arc<dyn NameResolver>,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
}

impl Dialer {
    pub(crate) fn new(
        config: &EgressConfig,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn NameResolver>,
    ) -> Result<Self, EgressConfigError> {
        Ok(Self { resolver, tls: TlsConnector::from(Arc::new(tls(config)?)), clock })
    }

    /// Opens a connection to the target, if the policy allows all of its addresses.
    pub(crate) async fn dial(&self, target: &UrlTarget) -> Result<HttpConnection, EgressError> {
        let addresses = match &target.host_port.host {
            HostName::Address(address) => vec![*address],
            HostName::Domain(name) => {
                self.resolver.resolve(name).await.map_err(|error| EgressError::of_resolver(name, error))?
            }
        };
        if let (HostName::Domain(name), []) = (&target.host_port.host, addresses.as_slice()) {
            return Err(EgressError::NameNotFound(name.clone()));
        }
        addresses.iter().try_for_each(|address| target.allowed.check(*address))?;
        let stream = self.connect(&addresses, target.host_port.port).await.map_err(EgressError::Connect)?;
        stream.set_nodelay(true).map_err(EgressError::Connect)?;
        let received = ReceivedFlag::default();
        let stream = if target.host_port.is_tls {
            let host = &target.host_port.host;
            let name = host.for_tls().ok_or(UrlError::NotAUrl)?;
            let connected = self.tls.connect(name, stream).await;
            let stream = connected.map_err(|error| EgressError::Tls { host: host.to_string(), error })?;
            TransportStream::tls(stream, received.clone())
        } else {
            TransportStream::plain(stream, received.clone())
        };
        Ok(HttpConnection::over(stream, received).await?)
    }

    /// Connects to the first address that accepts a connection. The next address is tried after a delay.
    async fn connect(&self, addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
        let mut waiting = addresses.iter().take(MAX_TRIED);
        let mut tries = JoinSet::new();
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        loop {
            if let Some(address) = waiting.next() {
                tries.spawn(TcpStream::connect(SocketAddr::new(*address, port)));
            }
            let ended = tokio::select! {
                biased;
                ended = tries.join_next() => ended,
                () = self.clock.sleep_until(later(&*self.clock, HEAD_START)), if waiting.len() > 0 => continue,
            };
            match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = error.into(),
                None => return Err(last),
            }
        }
    }
}

/// Returns the time after `span`.
pub(crate) fn later(clock: &dyn Clock, span: SignedDuration) -> jiff::Timestamp {
    let now = clock.now();
    now.saturating_add(span).unwrap_or(now)
}

fn tls(config: &EgressConfig) -> Result<ClientConfig, EgressConfigError> {
    let mut roots = RootCertStore::empty();
    if config.authorities.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for authority in &config.authorities {
        roots.add(authority.clone()).map_err(EgressConfigError::Tls)?;
    }
    // The provider is named explicitly, so that no process-wide default must be installed first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EgressConfigError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
