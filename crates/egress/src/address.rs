//! How far an IP address reaches, after IANA's registries of special-purpose addresses.
//!
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.
//!
//! **Invariant:** in IPv6 only global unicast that is not listed here is public: what nobody has assigned yet is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The internet.
    Public,
    /// A network that somebody runs for themselves.
    Private,
    /// This machine.
    Loopback,
    /// No host that anybody should call.
    Never,
}

/// IPv4 that is not public; the first that fits counts.
const V4: [(Ipv4Addr, u32, Reach); 20] = [
    // Alibaba's metadata, within the space that carriers share.
    (Ipv4Addr::new(100, 100, 100, 200), 32, Reach::Never),
    // Azure's metadata, a public address that leads to the host of the machine.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Reach::Never),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Loopback),
    // Link-local, with the metadata of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Reach::Never),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Private),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never),
    // Reserved, and the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never),
];

/// IPv6 that is not public within global unicast, and what may be allowed outside of it; the first that fits counts.
const V6: [(Ipv6Addr, u32, Reach); 11] = [
    (Ipv6Addr::LOCALHOST, 128, Reach::Loopback),
    // The metadata of Amazon and of Google, within unique local addresses.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Reach::Private),
    // Protocol assignments: Teredo, benchmarks, ORCHID and others.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Reach::Never),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    // 6to4 holds an IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Reach::Never),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, Reach::Never),
    // Once for trials, handed back.
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, Reach::Never),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reach::Never),
    // Global unicast; what is left of it is public. All else, such as IPv4 within IPv6, NAT64, link-local and
    // multicast, is never called.
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Reach::Public),
];

/// How far an address reaches.
pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => {
            let fits = |&&(net, length, _): &&(Ipv4Addr, u32, Reach)| {
                let shift = u32::BITS.saturating_sub(length);
                address.to_bits() >> shift == net.to_bits() >> shift
            };
            V4.iter().find(fits).map_or(Reach::Public, |&(_, _, reach)| reach)
        }
        IpAddr::V6(address) => {
            let fits = |&&(net, length, _): &&(Ipv6Addr, u32, Reach)| {
                let shift = u128::BITS.saturating_sub(length);
                address.to_bits() >> shift == net.to_bits() >> shift
            };
            V6.iter().find(fits).map_or(Reach::Never, |&(_, _, reach)| reach)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_net_reaches_as_far_as_its_registry_says_at_both_of_its_ends() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", Reach::Never),
            ("10.0.0.0", "10.255.255.255", Reach::Private),
            ("100.64.0.0", "100.127.255.255", Reach::Private),
            ("100.100.100.200", "100.100.100.200", Reach::Never),
            ("127.0.0.0", "127.255.255.255", Reach::Loopback),
            ("168.63.129.16", "168.63.129.16", Reach::Never),
            ("169.254.0.0", "169.254.255.255", Reach::Never),
            ("172.16.0.0", "172.31.255.255", Reach::Private),
            ("192.0.0.0", "192.0.0.255", Reach::Never),
            ("192.0.2.0", "192.0.2.255", Reach::Never),
            ("192.88.99.0", "192.88.99.255", Reach::Never),
            ("192.168.0.0", "192.168.255.255", Reach::Private),
            ("198.18.0.0", "198.19.255.255", Reach::Private),
            ("198.51.100.0", "198.51.100.255", Reach::Never),
            ("203.0.113.0", "203.0.113.255", Reach::Never),
            ("224.0.0.0", "255.255.255.255", Reach::Never),
            ("::", "::", Reach::Never),
            ("::1", "::1", Reach::Loopback),
            ("::2", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("::ffff:0.0.0.0", "::ffff:255.255.255.255", Reach::Never),
            ("64:ff9b::", "64:ff9b::ffff:ffff", Reach::Never),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("100::", "100::ffff:ffff:ffff:ffff", Reach::Never),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
            ("4000::", "5f00::ffff", Reach::Never),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Private),
            ("fd00:ec2::254", "fd00:ec2::254", Reach::Never),
            ("fe80::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::Never),
        ] {
            for address in [first, last] {
                assert_eq!(reach(address.parse().expect("an address")), expected, "{address}");
            }
        }
    }

    #[test]
    fn their_neighbours_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7:ffff::1",
            "2001:db9::",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00::1",
            "3fff:1000::1",
        ] {
            assert_eq!(reach(address.parse().expect("an address")), Reach::Public, "{address}");
        }
    }
}
