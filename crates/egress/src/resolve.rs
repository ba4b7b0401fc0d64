//! Name resolution.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// Running name resolution.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves names.
pub trait NameResolver: Send + Sync {
    /// Returns all addresses of a name, the preferred one first.
    fn resolve(&self, name: &str) -> Resolving;
}

/// Name resolution of the operating system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemResolver;

impl NameResolver for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
