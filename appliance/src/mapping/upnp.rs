//! UPnP IGD: found by multicast, asked over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, GetExternalIpError, PortMappingProtocol, RequestError, SearchOptions};

use super::{LEASE_SECONDS, Opened, RouterAddress, Said, Wish};

/// For the router to answer the search: it is allowed three seconds (the `MX` of the question).
const PATIENCE: Duration = Duration::from_millis(3_300);
/// Entries that are looked through to find one's own.
const ENTRIES_MAX: u32 = 256;
/// For looking through them.
const READING: Duration = Duration::from_secs(3);
/// What the router's page shows.
const DESCRIPTION: &str = "Datis";

async fn find(wish: &Wish) -> Option<Gateway<Tokio>> {
    let mut options = SearchOptions::default();
    // From the address in the network, or computers with several ask the wrong one.
    options.bind_addr = SocketAddr::new(wish.own.into(), 0);
    options.timeout = Some(PATIENCE);
    options.single_search_timeout = Some(PATIENCE);
    search_gateway(options).await.ok()
}

pub(super) async fn open(wish: &Wish) -> (Said, RouterAddress) {
    let Some(gateway) = find(wish).await else { return (Said::Nothing, RouterAddress::Untold) };
    let address = address(gateway.get_external_ip().await);
    let own = SocketAddr::new(wish.own.into(), wish.port);
    let add = |seconds| gateway.add_port(PortMappingProtocol::TCP, wish.outside, own, seconds, DESCRIPTION);
    let mut outcome = add(LEASE_SECONDS).await;
    let mut is_forever = false;
    if matches!(outcome, Err(AddPortError::OnlyPermanentLeasesSupported)) {
        is_forever = true;
        outcome = add(0).await;
    }
    match outcome {
        Ok(()) => {
            let entry = tokio::time::timeout(READING, entry(&gateway, wish)).await.ok().flatten();
            let granted = entry.unwrap_or(if is_forever { 0 } else { LEASE_SECONDS });
            let lease = (granted != 0).then(|| Duration::from_secs(granted.into()));
            (Said::Opened(Opened { outside: wish.outside, lease, is_kept: entry.is_some() }), address)
        }
        Err(_) if address == RouterAddress::None => (Said::NoAddress, address),
        Err(error) => (Said::Refused(error.to_string()), address),
    }
}

/// An empty address is what routers tell that have none, or none that is public.
fn address(told: Result<IpAddr, GetExternalIpError>) -> RouterAddress {
    match told {
        Ok(IpAddr::V4(v4)) if v4.is_unspecified() => RouterAddress::None,
        Ok(IpAddr::V4(v4)) => RouterAddress::Told(v4),
        Err(GetExternalIpError::RequestError(RequestError::InvalidResponse(_))) => RouterAddress::None,
        Ok(IpAddr::V6(_)) | Err(_) => RouterAddress::Untold,
    }
}

/// The lease of the box's own entry, seconds; `None` when the router does not show it.
async fn entry(gateway: &Gateway<Tokio>, wish: &Wish) -> Option<u32> {
    for index in 0..ENTRIES_MAX {
        let entry = gateway.get_generic_port_mapping_entry(index).await.ok()?;
        let is_own = entry.external_port == wish.outside
            && entry.internal_port == wish.port
            && entry.protocol == PortMappingProtocol::TCP
            && entry.internal_client == wish.own.to_string();
        if is_own {
            return Some(entry.lease_duration);
        }
    }
    None
}

pub(super) async fn close(wish: &Wish, outside: u16) {
    if let Some(gateway) = find(wish).await {
        // What it does not take back ends by itself.
        let _ = gateway.remove_port(PortMappingProtocol::TCP, outside).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_address_is_an_answer() {
        let empty = GetExternalIpError::RequestError(RequestError::InvalidResponse(String::new()));
        assert_eq!(address(Err(empty)), RouterAddress::None);
        assert_eq!(address(Err(GetExternalIpError::ActionNotAuthorized)), RouterAddress::Untold);
        assert_eq!(address(Ok([0, 0, 0, 0].into())), RouterAddress::None);
        assert_eq!(address(Ok([11, 22, 33, 2].into())), RouterAddress::Told([11, 22, 33, 2].into()));
    }
}
