//! The router as one that can be asked to let connections in.

use super::network::Network;
use crate::mapping::{self, Asked, Wish};
use crate::partner::Door;

/// What the router was asked, and what it said.
#[derive(Debug, Clone)]
pub(super) struct Router {
    wish: Wish,
    pub(super) asked: Asked,
}

/// Why it was not asked.
pub(super) type NotAsked = String;

impl Router {
    /// Asks for the box's own port.
    pub(super) fn ask(network: &Network, door: &Door) -> Result<Self, NotAsked> {
        let gateway = network.way_out.and_then(|way| way.gateway).ok_or("there is no gateway")?;
        let own = network.main_address().map(|(_, address)| address.ip).ok_or("there is no address")?;
        let outside = door.outside_port.unwrap_or(door.port);
        let wish = Wish { gateway, own, port: door.port, outside, nonce: door.nonce };
        let asked = mapping::open(&wish).map_err(|error| error.to_string())?;
        Ok(Self { wish, asked })
    }

    /// The port outside, if it let one in.
    pub(super) fn outside(&self) -> Option<u16> {
        self.asked.opened().map(|(_, opened)| opened.outside)
    }

    /// Takes back what was asked for.
    pub(super) fn close(&self) {
        if let Some((method, opened)) = self.asked.opened()
            && let Err(error) = mapping::close(&self.wish, method, opened.outside)
        {
            tracing::warn!(%error, "The router was not asked to close the port again; its lease will end");
        }
    }
}

/// Asks the router to let connections in, and to go on doing so. Gives what it said in a word, and when to ask again.
///
/// # Errors
/// It does not, and why.
pub(crate) fn keep_open(door: &Door) -> Result<Kept, String> {
    let network = Network::look().map_err(|error| crate::operations::chain(&error))?;
    let router = Router::ask(&network, door)?;
    let Some((method, opened)) = router.asked.opened() else {
        let said = router.asked.answers.iter().map(|(method, said)| format!("{}: {said:?}", method.word()));
        return Err(format!("the router lets nothing in ({})", said.collect::<Vec<_>>().join(", ")));
    };
    Ok(Kept {
        what: format!("{} port {}", method.word(), opened.outside),
        half_life: opened.lease.map(|lease| lease / 2),
    })
}

/// A mapping that was made or renewed.
pub(crate) struct Kept {
    /// For people.
    pub(crate) what: String,
    /// After so long it has to be asked for again; `None` if it stays until the router forgets it.
    pub(crate) half_life: Option<std::time::Duration>,
}
