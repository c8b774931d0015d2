//! Where machines find the box: a host name or an address, and perhaps a port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::plain::plain;

/// `box.lan`, `192.0.2.7:20600`, `[2001:db8::7]:20600` or `2001:db8::7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host name or address; IPv6 addresses without brackets.
    pub(crate) host: String,
    /// `None`: the machine port.
    pub(crate) port: Option<u16>,
}

/// Text that is no address.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not where a box could be; write a host name or an address, and perhaps a port, such as box.lan:20600"
)]
pub(crate) struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(raw: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError(plain(raw, 80));
        if raw.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: raw.to_owned(), port: None });
        }
        let (host, port) = match raw.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(refuse)?;
                host.parse::<Ipv6Addr>().map_err(|_| refuse())?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(refuse)?) })
            }
            None => {
                let (host, port) = raw.split_once(':').map_or((raw, None), |(host, port)| (host, Some(port)));
                let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
                if host.is_empty() || host.len() > 253 || !host.chars().all(of_a_name) {
                    return Err(refuse());
                }
                (host, port)
            }
        };
        let port = port.map(str::parse::<u16>).transpose().map_err(|_| refuse())?;
        if port == Some(0) { Err(refuse()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_what_they_print() {
        for (text, host, port) in [
            ("box.lan", "box.lan", None),
            ("192.0.2.7:20600", "192.0.2.7", Some(20_600)),
            ("[2001:db8::7]:1", "2001:db8::7", Some(1)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[::1]", "::1", None),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string().parse::<Address>().expect("printed form"), address);
        }
        for bad in ["", ":1", "a b", "a:b", "a:0", "a:70000", "[::1", "[::1]x", "[a]:1", "a/b", "a:1:2"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
