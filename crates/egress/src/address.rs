//! The scope of an IP address, after IANA's registries of special-purpose addresses.
//!
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.
//!
//! **Invariant:** an IPv6 address is public only if it is global unicast and not listed here. Unassigned addresses
//! are not public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Scope of an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressScope {
    /// An address on the public internet.
    Public,
    /// An address in a private network.
    Private,
    /// An address of this machine.
    Loopback,
    /// An address that must never be called.
    Forbidden,
}

/// IPv4 networks that are not public. The first network that contains an address decides.
const V4: [(Ipv4Addr, u32, AddressScope); 20] = [
    // Alibaba Cloud's metadata service, within the shared address space of carriers.
    (Ipv4Addr::new(100, 100, 100, 200), 32, AddressScope::Forbidden),
    // Azure's metadata service: a public address that leads to the host of the virtual machine.
    (Ipv4Addr::new(168, 63, 129, 16), 32, AddressScope::Forbidden),
    (Ipv4Addr::new(0, 0, 0, 0), 8, AddressScope::Forbidden),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressScope::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressScope::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressScope::Loopback),
    // Link-local addresses, which include the metadata services of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressScope::Forbidden),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressScope::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(192, 31, 196, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(192, 52, 193, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressScope::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressScope::Private),
    (Ipv4Addr::new(198, 51, 100, 0), 24, AddressScope::Forbidden),
    (Ipv4Addr::new(203, 0, 113, 0), 24, AddressScope::Forbidden),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4, AddressScope::Forbidden),
    // Reserved addresses and the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4, AddressScope::Forbidden),
];

/// IPv6 networks that are not public within global unicast, and networks outside of it that a policy can allow. The
/// first network that contains an address decides.
const V6: [(Ipv6Addr, u32, AddressScope); 11] = [
    (Ipv6Addr::LOCALHOST, 128, AddressScope::Loopback),
    // The metadata services of Amazon and Google, within unique local addresses.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, AddressScope::Forbidden),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, AddressScope::Forbidden),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, AddressScope::Private),
    // Protocol assignments: Teredo, benchmarking, ORCHID and others.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, AddressScope::Forbidden),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, AddressScope::Forbidden),
    // 6to4 addresses contain an IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, AddressScope::Forbidden),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, AddressScope::Forbidden),
    // The former 6bone, returned to IANA.
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, AddressScope::Forbidden),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, AddressScope::Forbidden),
    // Global unicast: public, apart from the networks above. Every other address (IPv4 in IPv6, NAT64, link-local,
    // multicast) is forbidden.
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, AddressScope::Public),
];

/// Returns the scope of an address.
pub(crate) fn scope_of(address: IpAddr) -> AddressScope {
    match address {
        IpAddr::V4(address) => {
            let fits = |&&(net, length, _): &&(Ipv4Addr, u32, AddressScope)| {
                let shift = u32::BITS.saturating_sub(length);
                address.to_bits() >> shift == net.to_bits() >> shift
            };
            V4.iter().find(fits).map_or(AddressScope::Public, |&(_, _, scope)| scope)
        }
        IpAddr::V6(address) => {
            let fits = |&&(net, length, _): &&(Ipv6Addr, u32, AddressScope)| {
                let shift = u128::BITS.saturating_sub(length);
                address.to_bits() >> shift == net.to_bits() >> shift
            };
            V6.iter().find(fits).map_or(AddressScope::Forbidden, |&(_, _, scope)| scope)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_address_of_each_network_have_its_scope() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", AddressScope::Forbidden),
            ("10.0.0.0", "10.255.255.255", AddressScope::Private),
            ("100.64.0.0", "100.127.255.255", AddressScope::Private),
            ("100.100.100.200", "100.100.100.200", AddressScope::Forbidden),
            ("127.0.0.0", "127.255.255.255", AddressScope::Loopback),
            ("168.63.129.16", "168.63.129.16", AddressScope::Forbidden),
            ("169.254.0.0", "169.254.255.255", AddressScope::Forbidden),
            ("172.16.0.0", "172.31.255.255", AddressScope::Private),
            ("192.0.0.0", "192.0.0.255", AddressScope::Forbidden),
            ("192.0.2.0", "192.0.2.255", AddressScope::Forbidden),
            ("192.88.99.0", "192.88.99.255", AddressScope::Forbidden),
            ("192.168.0.0", "192.168.255.255", AddressScope::Private),
            ("198.18.0.0", "198.19.255.255", AddressScope::Private),
            ("198.51.100.0", "198.51.100.255", AddressScope::Forbidden),
            ("203.0.113.0", "203.0.113.255", AddressScope::Forbidden),
            ("224.0.0.0", "255.255.255.255", AddressScope::Forbidden),
            ("::", "::", AddressScope::Forbidden),
            ("::1", "::1", AddressScope::Loopback),
            ("::2", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("::ffff:0.0.0.0", "::ffff:255.255.255.255", AddressScope::Forbidden),
            ("64:ff9b::", "64:ff9b::ffff:ffff", AddressScope::Forbidden),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("100::", "100::ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
            ("4000::", "5f00::ffff", AddressScope::Forbidden),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Private),
            ("fd00:ec2::254", "fd00:ec2::254", AddressScope::Forbidden),
            ("fe80::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::Forbidden),
        ] {
            for address in [first, last] {
                assert_eq!(scope_of(address.parse().expect("an address")), expected, "{address}");
            }
        }
    }

    #[test]
    fn the_addresses_next_to_each_network_are_public() {
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
            assert_eq!(scope_of(address.parse().expect("an address")), AddressScope::Public, "{address}");
        }
    }
}
