//! Address of the client: the peer's address, or the address that a trusted proxy reports.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Network: all addresses with the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    n_bits: u8,
}

impl Network {
    /// Returns `true` if the address belongs to the network.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.n_bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.n_bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    /// Parses an address, or an address with a prefix length.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, n_bits) = match text.split_once('/') {
            Some((address, n_bits)) => (address, Some(n_bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let max_bits = if address.is_ipv4() { 32 } else { 128 };
        let n_bits = n_bits.map_or(Ok(max_bits), |n_bits| n_bits.parse().map_err(|_| ()))?;
        if n_bits > max_bits { Err(()) } else { Ok(Self { address, n_bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.n_bits)
    }
}

/// Returns the address that stands for a client in limits: an IPv6 client usually owns the 2^64 addresses of a network.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(address) => IpAddr::from((address.to_bits() >> 64 << 64).to_be_bytes()),
    }
}

/// Returns the address of the client.
///
/// Each proxy appends the address of its peer to `X-Forwarded-For` (or to `Forwarded`, if there is no `X-Forwarded-For`).
/// The client is the rightmost address that is not a trusted proxy. Addresses to the left of it can be forged.
pub(crate) fn address(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let mut client = peer?.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(client) {
        return Some(client);
    }
    for hop in hops(headers).into_iter().rev() {
        // An entry that cannot be parsed ends the chain: the addresses to the left of it are not trustworthy.
        let Some(address) = hop else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    Some(client)
}

/// Returns the addresses in the headers, in their order; `None` for an entry that cannot be parsed.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let elements = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values
            .flat_map(|value| value.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>())
            .collect()
    };
    if headers.contains_key(X_FORWARDED_FOR) {
        return elements(&X_FORWARDED_FOR).iter().map(|element| node(element)).collect();
    }
    let forwarded = |element: &String| {
        let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        node(nodes.next()?.1.trim().trim_matches('"'))
    };
    elements(&header::FORWARDED).iter().map(forwarded).collect()
}

/// Parses an address in a forwarding header, with or without port and brackets.
fn node(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &'static str)], trusted: &[&str]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        address(Some(peer.parse().unwrap()), &map, &trusted).unwrap().to_string()
    }

    #[test]
    fn without_trusted_proxies_the_client_is_the_peer() {
        let spoofed = [("x-forwarded-for", "192.0.2.9"), ("forwarded", "for=192.0.2.9")];
        assert_eq!(client("198.51.100.1:5", &spoofed, &[]), "198.51.100.1");
        assert_eq!(client("198.51.100.1:5", &spoofed, &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(client("[::ffff:198.51.100.1]:5", &spoofed, &[]), "198.51.100.1");
        assert_eq!(address(None, &HeaderMap::new(), &[]), None);
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"];
        for (peer, headers, expected) in [
            ("10.0.0.1:5", vec![("x-forwarded-for", "203.0.113.7")], "203.0.113.7"),
            // The client forged the first address.
            ("10.0.0.1:5", vec![("x-forwarded-for", "192.0.2.9, 203.0.113.7, 10.1.1.1")], "203.0.113.7"),
            (
                "10.0.0.1:5",
                vec![("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", "203.0.113.7")],
                "203.0.113.7",
            ),
            ("[2001:db8::1]:5", vec![("x-forwarded-for", "[2a00::1]:443")], "2a00::1"),
            ("[::ffff:10.0.0.1]:5", vec![("x-forwarded-for", "203.0.113.7:5000")], "203.0.113.7"),
            ("127.0.0.1:5", vec![("forwarded", "for=192.0.2.9, For=\"[2a00::1]:9\";proto=https")], "2a00::1"),
            (
                "127.0.0.1:5",
                vec![("forwarded", "for=192.0.2.9"), ("x-forwarded-for", "203.0.113.7")],
                "203.0.113.7",
            ),
            // All addresses are trusted proxies: the first one is the client.
            ("10.0.0.1:5", vec![("x-forwarded-for", "10.9.9.9, 10.1.1.1")], "10.9.9.9"),
            // An entry that cannot be parsed ends the chain.
            ("10.0.0.1:5", vec![("x-forwarded-for", "203.0.113.7, unknown")], "10.0.0.1"),
            ("10.0.0.1:5", vec![("x-forwarded-for", "203.0.113.7, _hidden, 10.2.2.2")], "10.2.2.2"),
            ("10.0.0.1:5", vec![("forwarded", "proto=https")], "10.0.0.1"),
            ("10.0.0.1:5", vec![], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, &headers, &trusted), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_network_is_an_address_with_an_optional_prefix_length() {
        for text in
            ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "example.com", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.7".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        let one: Network = "192.0.2.1".parse().unwrap();
        assert!(one.contains("192.0.2.1".parse().unwrap()) && !one.contains("192.0.2.2".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("2a00::1".parse().unwrap()));
    }
}
