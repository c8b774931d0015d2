//! Asking the router to let connections in: PCP, then NAT-PMP, then UPnP.
//!
//! A mapping is asked for, asked for again, and taken back under the same nonce, which only this box knows and which stays
//! the same: so a router knows its own mapping again after the box has restarted.

mod pmp;
mod upnp;

use std::net::Ipv4Addr;
use std::time::Duration;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The router.
    pub(crate) gateway: Ipv4Addr,
    /// The box's own address.
    pub(crate) own: Ipv4Addr,
    /// Its port.
    pub(crate) port: u16,
    /// The port outside that would be best.
    pub(crate) outside: u16,
    /// Known to this box alone.
    pub(crate) nonce: [u32; 3],
}

/// The protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// UPnP IGD, WANIPConnection.
    Upnp,
}

impl Method {
    /// Its name.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        }
    }
}

/// What the router said to one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It let the port in.
    Opened(Opened),
    /// It does not want to, and why.
    Refused(String),
    /// It has no address that the world could come to.
    NoAddress,
    /// Nobody speaks the protocol.
    Nothing,
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The port outside.
    pub(crate) outside: u16,
    /// For how long; `None` until somebody takes it back.
    pub(crate) lease: Option<Duration>,
    /// Whether the router, asked again, still has it.
    pub(crate) is_kept: bool,
}

/// The router's own idea of its address outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouterAddress {
    /// It said one.
    Told(Ipv4Addr),
    /// It says that it has none that is public.
    None,
    /// It says nothing.
    Untold,
}

/// All that the router said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// In the order in which it was asked.
    pub(crate) answers: Vec<(Method, Said)>,
    pub(crate) address: RouterAddress,
}

impl Asked {
    /// The mapping, and by what it was made.
    pub(crate) fn opened(&self) -> Option<(Method, &Opened)> {
        self.answers.iter().find_map(|(method, said)| match said {
            Said::Opened(opened) => Some((*method, opened)),
            _ => None,
        })
    }
}

/// So long a mapping is asked for; the recommendation of RFC 6886, section 3.3.
const LEASE_SECONDS: u32 = 7_200;

/// Asks for a mapping, by one protocol after another until one gives it, and looks whether the router keeps it. Takes some
/// seconds when nobody answers.
///
/// # Errors
/// The system gives no sockets.
pub(crate) fn open(wish: &Wish) -> std::io::Result<Asked> {
    runtime()?.block_on(async {
        let mut answers = Vec::new();
        let (said, mut address) = pmp::pcp(wish).await;
        let speaks_older = said == Said::Nothing;
        answers.push((Method::Pcp, said));
        if !is_open(&answers) && speaks_older {
            let (said, told) = pmp::nat_pmp(wish).await;
            answers.push((Method::NatPmp, said));
            address = better(address, told);
        }
        if !is_open(&answers) {
            let (said, told) = upnp::open(wish).await;
            answers.push((Method::Upnp, said));
            address = better(address, told);
        }
        Ok(Asked { answers, address })
    })
}

/// Takes a mapping back.
///
/// # Errors
/// The system gives no sockets. That the router does not want to is not told: its lease ends.
pub(crate) fn close(wish: &Wish, method: Method, outside: u16) -> std::io::Result<()> {
    runtime()?.block_on(async {
        match method {
            Method::Pcp => pmp::close_pcp(wish).await,
            Method::NatPmp => pmp::close_nat_pmp(wish).await,
            Method::Upnp => upnp::close(wish, outside).await,
        }
    });
    Ok(())
}

fn is_open(answers: &[(Method, Said)]) -> bool {
    answers.iter().any(|(_, said)| matches!(said, Said::Opened(_)))
}

fn better(one: RouterAddress, other: RouterAddress) -> RouterAddress {
    match (one, other) {
        (RouterAddress::Told(_), _) | (RouterAddress::None, RouterAddress::Untold) => one,
        _ => other,
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_was_told_counts_more_than_silence() {
        use RouterAddress::{None, Told, Untold};
        let told = Told(Ipv4Addr::new(11, 22, 33, 2));
        for (one, other, expected) in [
            (told, None, told),
            (None, told, told),
            (Untold, None, None),
            (None, Untold, None),
            (Untold, told, told),
            (Untold, Untold, Untold),
        ] {
            assert_eq!(better(one, other), expected, "{one:?} {other:?}");
        }
    }
}
