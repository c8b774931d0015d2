//! `HOST:PORT#PIN`: a box outside that may be asked, and the key it is known by.

use std::net::Ipv6Addr;

use datis_engine::ids::SpkiPin;
use serde::Deserialize;

/// A partner outside.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PartnerAddress {
    host: String,
    port: u16,
    pin: SpkiPin,
}

impl PartnerAddress {
    /// Name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its coordinator's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its key.
    #[must_use]
    pub fn pin(&self) -> SpkiPin {
        self.pin
    }
}

impl TryFrom<String> for PartnerAddress {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let parsed = raw.split_once('#').and_then(|(place, pin)| {
            let (host, port) = place.rsplit_once(':')?;
            let host = match host.strip_prefix('[') {
                Some(v6) => v6.strip_suffix(']').filter(|v6| v6.parse::<Ipv6Addr>().is_ok())?,
                None => host,
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            let is_host = host.contains(':') == place.starts_with('[')
                && (1..=253).contains(&host.len())
                && (host.contains(':') || host.chars().all(is_name));
            let port = port.parse().ok().filter(|port| *port != 0)?;
            is_host.then_some(Self { host: host.to_owned(), port, pin: pin.parse().ok()? })
        });
        parsed.ok_or_else(|| {
            format!(
                "`{raw}` is no partner; write HOST:PORT#PIN as `datisd status` of the other box prints it, an IPv6 \
                 address in brackets"
            )
        })
    }
}

impl std::fmt::Display for PartnerAddress {
    /// Without the pin, which says nothing to people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_is_a_host_a_port_and_a_key() {
        let pin = "ab".repeat(32);
        for (place, host) in [
            ("box.example.org:20601", "box.example.org"),
            ("11.22.33.4:80", "11.22.33.4"),
            ("[2001:db8::1]:1", "2001:db8::1"),
        ] {
            let partner = PartnerAddress::try_from(format!("{place}#{pin}")).expect(place);
            assert_eq!((partner.host(), partner.to_string().as_str()), (host, place));
        }
        for raw in ["", "a:1", "a#", "a:0#PIN", "a:1#abab", "2001:db8::1:1#PIN", "[a]:1#PIN", "a b:1#PIN", ":1#PIN"] {
            let raw = raw.replace("PIN", &pin);
            assert!(PartnerAddress::try_from(raw.clone()).is_err(), "{raw}");
        }
    }
}
