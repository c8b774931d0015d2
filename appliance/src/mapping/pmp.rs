//! PCP and NAT-PMP, which share a port of the router.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{InternetProtocol, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp, pcp};

use super::{LEASE_SECONDS, Opened, RouterAddress, Said, Wish};

/// 250 and 500 ms: the router is one cable away.
const PATIENCE: TimeoutConfig =
    TimeoutConfig { initial_timeout: Duration::from_millis(250), max_retries: 1, max_retry_timeout: None };

fn options(wish: &Wish) -> PortMappingOptions {
    PortMappingOptions {
        external_port: NonZeroU16::new(wish.outside),
        lifetime_seconds: Some(LEASE_SECONDS),
        timeout_config: Some(PATIENCE),
    }
}

fn opened(mapping: &PortMapping, again: Option<&PortMapping>) -> Said {
    let seconds = mapping.lifetime();
    Said::Opened(Opened {
        outside: mapping.external_port().get(),
        lease: (seconds != 0).then(|| Duration::from_secs(seconds.into())),
        is_kept: again.is_some_and(|again| again.external_port() == mapping.external_port()),
    })
}

/// Asks by PCP, and once more: the same request by the same nonce is answered with the same mapping (RFC 6887, 11.3).
pub(super) async fn pcp(wish: &Wish) -> (Said, RouterAddress) {
    let Some(port) = NonZeroU16::new(wish.port) else { return (Said::Nothing, RouterAddress::Untold) };
    let ask = || {
        let base = pcp::BaseMapRequest::new(wish.gateway.into(), wish.own.into(), InternetProtocol::Tcp, port);
        pcp::port_mapping(base, Some(wish.nonce), None, options(wish))
    };
    match ask().await {
        Ok(mapping) => {
            let address = match mapping.mapping_type() {
                PortMappingType::Pcp { external_ip, .. } => told(external_ip),
                PortMappingType::NatPmp => RouterAddress::Untold,
            };
            (opened(&mapping, ask().await.ok().as_ref()), address)
        }
        Err(failure) => said_by_pcp(&failure),
    }
}

fn said_by_pcp(failure: &pcp::Failure) -> (Said, RouterAddress) {
    match failure {
        pcp::Failure::Socket(_) | pcp::Failure::Timeout | pcp::Failure::UnsupportedVersion(_) => {
            (Said::Nothing, RouterAddress::Untold)
        }
        // What a router says whose own address is not a public one.
        pcp::Failure::NoResources(_) | pcp::Failure::NetworkFailure(_) => (Said::NoAddress, RouterAddress::None),
        failure => (Said::Refused(failure.to_string()), RouterAddress::Untold),
    }
}

pub(super) async fn nat_pmp(wish: &Wish) -> (Said, RouterAddress) {
    let Some(port) = NonZeroU16::new(wish.port) else { return (Said::Nothing, RouterAddress::Untold) };
    let ask = || natpmp::port_mapping(wish.gateway.into(), InternetProtocol::Tcp, port, options(wish));
    let address = match natpmp::external_address(wish.gateway.into(), Some(PATIENCE)).await {
        Ok(address) => told(address.into()),
        Err(failure) => said_by_nat_pmp(&failure).1,
    };
    if address == RouterAddress::Untold {
        return (Said::Nothing, address);
    }
    match ask().await {
        Ok(mapping) => (opened(&mapping, ask().await.ok().as_ref()), address),
        Err(failure) => (said_by_nat_pmp(&failure).0, address),
    }
}

fn said_by_nat_pmp(failure: &natpmp::Failure) -> (Said, RouterAddress) {
    match failure {
        natpmp::Failure::Socket(_) | natpmp::Failure::Timeout | natpmp::Failure::UnsupportedVersion(_) => {
            (Said::Nothing, RouterAddress::Untold)
        }
        natpmp::Failure::NetworkFailure => (Said::NoAddress, RouterAddress::None),
        failure => (Said::Refused(failure.to_string()), RouterAddress::Untold),
    }
}

fn told(address: IpAddr) -> RouterAddress {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => RouterAddress::None,
        IpAddr::V4(address) => RouterAddress::Told(address),
        IpAddr::V6(_) => RouterAddress::Untold,
    }
}

pub(super) async fn close_pcp(wish: &Wish) {
    if let Some(internal_port) = NonZeroU16::new(wish.port) {
        let range = pcp::DropMappingRange::Single { internal_port, protocol: InternetProtocol::Tcp };
        // What it does not take back ends by itself.
        let _ = pcp::try_drop_mapping(wish.gateway.into(), wish.own.into(), wish.nonce, range, Some(PATIENCE)).await;
    }
}

pub(super) async fn close_nat_pmp(wish: &Wish) {
    let port = NonZeroU16::new(wish.port);
    // The same.
    let _ = natpmp::try_drop_mapping(wish.gateway.into(), InternetProtocol::Tcp, port, Some(PATIENCE)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_without_a_public_address_is_told_from_one_that_refuses() {
        for (failure, expected) in [
            (pcp::Failure::NoResources(30), (Said::NoAddress, RouterAddress::None)),
            (pcp::Failure::NetworkFailure(30), (Said::NoAddress, RouterAddress::None)),
            (pcp::Failure::Timeout, (Said::Nothing, RouterAddress::Untold)),
        ] {
            assert_eq!(said_by_pcp(&failure), expected, "{failure}");
        }
        assert!(matches!(said_by_pcp(&pcp::Failure::NotAuthorized(1)).0, Said::Refused(_)));
        assert_eq!(said_by_nat_pmp(&natpmp::Failure::NetworkFailure).0, Said::NoAddress);
        assert!(matches!(said_by_nat_pmp(&natpmp::Failure::OutOfResources).0, Said::Refused(_)));
    }
}
