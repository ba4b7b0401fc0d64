//! Name resolution.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// Running name resolution.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves names.
pub trait NameResolver: Send + Sync {
    /// Returns all addresses of a name, the preferred one first. An error of the kind `NotFound` means that the name does
    /// not exist, or has no address; another error means that no DNS server answered.
    fn resolve(&self, name: &str) -> Resolving;
}

/// Name resolution of the operating system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemResolver;

impl NameResolver for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(with_kind)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Errors of `getaddrinfo` that mean that a name does not exist or has no address (`EAI_NONAME`, `EAI_NODATA`), as glibc,
/// musl and macOS write them. The standard library passes the text on, but not the code.
const NOT_FOUND: [&str; 6] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided",
    "No address associated with nodename",
];

/// Gives the error of a name that does not exist the kind `NotFound`.
fn with_kind(error: io::Error) -> io::Error {
    let text = error.to_string();
    if NOT_FOUND.iter().any(|known| text.contains(known)) {
        return io::Error::new(io::ErrorKind::NotFound, error);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_distinguished_from_a_failed_look_up() {
        let kind = |text: &str| {
            with_kind(io::Error::other(format!("failed to lookup address information: {text}"))).kind()
        };
        assert_eq!(kind("Name or service not known"), io::ErrorKind::NotFound);
        assert_eq!(kind("Name does not resolve"), io::ErrorKind::NotFound);
        assert_eq!(kind("Temporary failure in name resolution"), io::ErrorKind::Other);
        assert_eq!(kind("Non-recoverable failure in name resolution"), io::ErrorKind::Other);
    }
}
