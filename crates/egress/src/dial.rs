//! Opening a connection to a place that a stranger chose.
//!
//! **Invariant:** of the addresses that a look-up brings all are allowed, or none is called.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use engine::ports::{Clock, UrlError};
use jiff::SignedDuration;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::config::{HookConfig, HookConfigError};
use crate::failure::Failure;
use crate::guard::{Name, Target};
use crate::line::Line;
use crate::resolve::Resolve;
use crate::wire::{Heard, Wire};

/// The most addresses of one name that are tried.
const MAX_TRIED: usize = 8;

/// How long one address has before the next is tried beside it (RFC 8305).
const HEAD_START: SignedDuration = SignedDuration::from_millis(250);

/// Opens connections.
pub(crate) struct Dialler {
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
}

impl Dialler {
    pub(crate) fn new(
        config: &HookConfig,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, HookConfigError> {
        Ok(Self { resolver, tls: TlsConnector::from(Arc::new(tls(config)?)), clock })
    }

    /// Opens a connection to where the target leads, if all of that may be called.
    pub(crate) async fn dial(&self, target: &Target) -> Result<Line, Failure> {
        let addresses = match &target.place.host {
            Name::Address(address) => vec![*address],
            Name::Domain(name) => self.resolver.resolve(name).await.map_err(|_| Failure::NoSuchName)?,
        };
        if addresses.is_empty() {
            return Err(Failure::NoSuchName);
        }
        if !addresses.iter().all(|address| target.may.call(*address)) {
            return Err(UrlError::NotPublic.into());
        }
        let stream = self.connect(&addresses, target.place.port).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let heard = Heard::default();
        let wire = if target.place.is_tls {
            let name = target.place.host.for_tls().ok_or(Failure::NoSuchName)?;
            let stream = self.tls.connect(name, stream).await.map_err(Failure::Tls)?;
            Wire::tls(stream, heard.clone())
        } else {
            Wire::plain(stream, heard.clone())
        };
        Ok(Line::over(wire, heard).await?)
    }

    /// Connects to the first of these that answers. Each has a head start before the next.
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

/// The time after `span`.
pub(crate) fn later(clock: &dyn Clock, span: SignedDuration) -> jiff::Timestamp {
    let now = clock.now();
    now.saturating_add(span).unwrap_or(now)
}

fn tls(config: &HookConfig) -> Result<ClientConfig, HookConfigError> {
    let mut roots = RootCertStore::empty();
    if config.authorities.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for authority in &config.authorities {
        roots.add(authority.clone()).map_err(HookConfigError::Tls)?;
    }
    // Named, not taken from the process: then no one has to install a default first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(HookConfigError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
