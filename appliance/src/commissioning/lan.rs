//! The box in its network, for whoever has to write it down.

use super::network::Network;

/// The port that leads outside, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lan {
    /// Its name.
    pub(crate) port: String,
    /// Its hardware address.
    pub(crate) mac: String,
    /// Its address, without the length of its network.
    pub(crate) address: Option<String>,
    /// Where the way outside begins.
    pub(crate) gateway: Option<String>,
}

impl Lan {
    /// Asks the kernel. `None` while there is no port, or no answer.
    pub(crate) fn look() -> Option<Self> {
        let network = Network::look().inspect_err(|e| tracing::warn!(error = %e, "The network does not tell")).ok()?;
        let port = network.main_port()?;
        Some(Self {
            port: port.name.clone(),
            mac: port.mac.to_string(),
            address: network.main_address().map(|(_, address)| address.ip.to_string()),
            gateway: network.way_out.and_then(|way| way.gateway).map(|gateway| gateway.to_string()),
        })
    }
}
