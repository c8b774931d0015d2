//! Which addresses may be dialled at all.
//!
//! What stands in address records and invitations is a stranger's word about where this box should connect to, so every
//! address goes through [`check_ip`] right before it is dialled, after a name was looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What to do with an address that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dial<'a> {
    /// Connect.
    Connect(SocketAddr),
    /// Look the name up, put each result through [`check_ip`], and connect to that very result.
    Resolve {
        /// To be looked up.
        name: &'a str,
        /// To connect to.
        port: u16,
    },
}

/// Whether addresses of a local network may be dialled: between boxes of one site, and in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowPrivate {
    /// Dial them.
    Yes,
    /// Dial public addresses only.
    No,
}

/// An address that is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not dialled: it is {why}")]
pub struct NotDialled {
    /// Which.
    pub address: String,
    /// What it is.
    pub why: &'static str,
}

/// What kind of address one is, by the special-purpose registries of IANA (RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpClass {
    /// Of the internet.
    Public,
    /// Of a local network or of the machine itself.
    Private(&'static str),
    /// Never another box.
    Forbidden(&'static str),
}

impl IpClass {
    /// The class of an address; an IPv4 address inside an IPv6 one counts as itself.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [255, 255, 255, 255] => Self::Forbidden("a broadcast address"),
            [168, 63, 129, 16] | [100, 100, 100, 200] => Self::Forbidden("a cloud's metadata service"),
            [0, ..] => Self::Forbidden("unspecified"),
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private("an address of a local network"),
            [100, 64..=127, ..] => Self::Private("an address of a provider's inner network"),
            [127, ..] => Self::Private("a loopback address"),
            [169, 254, ..] => Self::Forbidden("a link-local address"),
            [192, 0, 0, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => {
                Self::Forbidden("an address for protocols")
            }
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Forbidden("an address for documentation"),
            [192, 88, 99, _] => Self::Forbidden("an address of a retired relay"),
            [198, 18..=19, ..] => Self::Forbidden("an address for measurements"),
            [224..=239, ..] => Self::Forbidden("a multicast address"),
            [240..=255, ..] => Self::Forbidden("a reserved address"),
            _ => Self::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let inner = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Ipv4Addr::new(a, b, c, d)
        };
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Forbidden("unspecified"),
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Private("a loopback address"),
            [0, 0, 0, 0, 0, 0xffff, high, low] => Self::of_v4(inner(high, low)),
            // A translator of the network reaches public IPv4 addresses only.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => match Self::of_v4(inner(high, low)) {
                Self::Public => Self::Public,
                Self::Private(why) | Self::Forbidden(why) => Self::Forbidden(why),
            },
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0x0ce, 0, 0, 0, 0, 0, 0x254] => {
                Self::Forbidden("a cloud's metadata service")
            }
            [0xfc00..=0xfdff, ..] => Self::Private("an address of a local network"),
            [0xfe80..=0xfebf, ..] => Self::Forbidden("a link-local address"),
            [0xff00..=0xffff, ..] => Self::Forbidden("a multicast address"),
            [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Self::Forbidden("an address for documentation"),
            [0x2001, 0..=0x01ff, ..] => Self::Forbidden("an address for protocols"),
            [0x2002, ..] => Self::Forbidden("an address of a retired tunnel"),
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Forbidden("a reserved address"),
        }
    }
}

/// Whether an address may be dialled.
///
/// # Errors
/// [`NotDialled`].
pub fn check_ip(ip: IpAddr, private: AllowPrivate) -> Result<(), NotDialled> {
    match (IpClass::of(ip), private) {
        (IpClass::Public, _) | (IpClass::Private(_), AllowPrivate::Yes) => Ok(()),
        (IpClass::Private(why), AllowPrivate::No) | (IpClass::Forbidden(why), _) => {
            Err(NotDialled { address: ip.to_string(), why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_s_record_makes_this_box_dial_what_is_not_another_box() {
        use AllowPrivate::{No, Yes};
        let check = |ip: &str, open: bool, local: bool| {
            let ip: IpAddr = ip.parse().expect(ip);
            assert_eq!((check_ip(ip, No).is_ok(), check_ip(ip, Yes).is_ok()), (open, local), "{ip}");
        };
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "81.2.69.142",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2a00:1450::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            check(public, true, true);
        }
        for private in [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "192.168.255.255",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "fdff:ffff::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
        ] {
            check(private, false, true);
        }
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.0.0.1",
            "255.255.255.255",
            "::",
            "::2",
            "::1.2.3.4",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe00::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(never, false, false);
        }
    }
}
