//! What a request needs to be let through, and from where requests may come.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderValue, ORIGIN};

use crate::operations::accounts::Right;

/// Who may ask for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Public,
    /// Whoever is between password and second factor.
    HalfSignedIn,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever has this right.
    Has(Right),
    /// This computer, and tokens that may read figures.
    Figures,
    /// Programs that show name and token for network folders, with each request.
    Folders,
}

/// Whether `peer` is in the local network of `local`, as far as addresses tell: private and link-local ones (RFC 1918,
/// 4193, 3927, 4291), this computer, and the same /64.
pub(super) fn is_near(peer: IpAddr, local: Option<IpAddr>) -> bool {
    match (peer.to_canonical(), local.map(|address| address.to_canonical())) {
        (IpAddr::V4(v4), local) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || local == Some(IpAddr::V4(v4))
        }
        (IpAddr::V6(v6), local) => {
            let network = |address: std::net::Ipv6Addr| address.to_bits() >> 64;
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || matches!(local, Some(IpAddr::V6(own)) if network(own) == network(v6))
        }
    }
}

/// Whether a request that changes something was made by a page of this portal: browsers say so in `Sec-Fetch-Site`, the
/// older ones in `Origin` (Fetch Standard; OWASP's advice against cross-site request forgery).
pub(super) fn is_from_here(headers: &HeaderMap, host: &str) -> bool {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    match (headers.get("sec-fetch-site").and_then(text), headers.get(ORIGIN).and_then(text)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == format!("https://{host}"),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn near_is_what_the_local_network_can_be() {
        let near = |peer: &str, local: &str| is_near(peer.parse().expect("peer"), local.parse().ok());
        for (peer, local) in [
            ("127.0.0.1", "127.0.0.1"),
            ("192.168.7.9", "192.168.7.1"),
            ("10.1.2.3", "192.168.7.1"),
            ("172.31.0.1", ""),
            ("169.254.1.1", ""),
            ("::1", ""),
            ("::ffff:192.168.1.2", ""),
            ("fd00::1", ""),
            ("fe80::1", ""),
            ("2001:db8:1:2::9", "2001:db8:1:2::1"),
            ("203.0.113.5", "203.0.113.5"),
        ] {
            assert!(near(peer, local), "{peer} to {local}");
        }
        for (peer, local) in [
            ("203.0.113.5", "203.0.113.6"),
            ("172.32.0.1", "172.31.0.1"),
            ("100.64.0.1", "192.168.1.1"),
            ("2001:db8:1:3::9", "2001:db8:1:2::1"),
            ("::ffff:203.0.113.5", ""),
        ] {
            assert!(!near(peer, local), "{peer} to {local}");
        }
    }

    #[test]
    fn only_own_pages_change_anything() {
        let judged = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name = HeaderName::try_from(*name).expect("name");
                headers.insert(name, HeaderValue::from_str(value).expect("value"));
            }
            is_from_here(&headers, "box.local:8443")
        };
        assert!(judged(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(judged(&[("origin", "https://box.local:8443")]));
        for refused in [
            &[][..],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://box.local:8443")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://box.local:8443")],
            &[("origin", "https://box.local")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            assert!(!judged(refused), "{refused:?}");
        }
    }
}
