//! The box's own door: the machine port, as somebody outside has to find it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use datis_engine::ids::SpkiPin;
use datis_engine::wire::reach::DialledBack;
use rustls::ServerConfig;

/// Arrivals that are remembered.
const ARRIVALS_MAX: usize = 256;

/// From where connections have come lately. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<VecDeque<(IpAddr, Instant)>>>);

impl Arrivals {
    pub(crate) fn note(&self, from: IpAddr) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() == ARRIVALS_MAX {
            list.pop_front();
        }
        list.push_back((from.to_canonical(), Instant::now()));
    }

    /// Whether a connection has come from there since then.
    pub(crate) fn came(&self, from: IpAddr, since: Instant) -> bool {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().any(|(ip, at)| *ip == from.to_canonical() && *at >= since)
    }
}

/// What commissioning needs to know of the box's own port.
#[derive(Clone)]
pub(crate) struct Door {
    /// The port inside.
    pub(crate) port: u16,
    /// The port that others are told, if it is not the same.
    pub(crate) outside_port: Option<u16>,
    /// Whether the daemon listens there; otherwise whoever wants to be dialled has to.
    pub(crate) is_served: bool,
    /// Whether the running box announces itself in its network.
    pub(crate) is_announced: bool,
    /// Whether the router is asked to keep it open.
    pub(crate) keep_open: bool,
    /// The name or address that machines are told, if one is set.
    pub(crate) name: Option<String>,
    /// The box's key.
    pub(crate) pin: SpkiPin,
    /// Known to this box alone, and the same at each start: by it a router knows its own mapping again.
    pub(crate) nonce: [u32; 3],
    /// For whoever has to listen.
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) arrivals: Arrivals,
    /// Asks members of the box's community to dial it at a port; `None`: nobody can be asked.
    pub(crate) members: Option<AskMembers>,
}

/// What members find that dial the box at a port; none while it has no community, or reaches none of it.
pub(crate) type AskMembers = Arc<dyn Fn(u16) -> Vec<MemberDial> + Send + Sync>;

/// What a member found.
#[derive(Debug, Clone)]
pub(crate) struct MemberDial {
    /// Who.
    pub(crate) name: String,
    /// What, or why it did not dial.
    pub(crate) found: Result<DialledBack, String>,
}

#[cfg(test)]
impl Door {
    /// A door that nobody goes through.
    pub(crate) fn of_nobody() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let dir = crate::config::DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        let vault = datis_engine::ids::VaultId::from_bytes([7; 16]);
        let certs = crate::certs::Certs::open_or_make(&dir, vault, &mut |_| ()).expect("certs");
        Self {
            port: 20_600,
            outside_port: None,
            is_served: true,
            is_announced: false,
            keep_open: false,
            name: None,
            pin: certs.pin(),
            nonce: certs.router_nonce(),
            tls: super::server_config(certs.server()).expect("TLS"),
            arrivals: Arrivals::default(),
            members: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_known_by_address_and_time() {
        let (arrivals, before) = (Arrivals::default(), Instant::now());
        let ip: IpAddr = "44.128.1.1".parse().expect("address");
        arrivals.note("::ffff:44.128.1.1".parse().expect("address"));
        assert!(arrivals.came(ip, before));
        assert!(!arrivals.came("44.128.1.2".parse().expect("address"), before));
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(!arrivals.came(ip, Instant::now()));
        (0..=ARRIVALS_MAX).for_each(|_| arrivals.note("10.0.0.1".parse().expect("address")));
        assert!(!arrivals.came(ip, before), "the list is bounded");
    }
}
