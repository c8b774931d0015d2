//! The checks: each asks the system or the network, then decides by a plain function what the answer means.

mod address;
mod around;
mod captive;
mod clock;
mod dialback;
mod disks;
mod first_machine;
mod found;
mod gateway;
mod keeping;
mod lending;
mod link;
mod mapping;
mod matrix;
pub(super) mod names;
mod owner;
mod path;
mod place;
mod portset;
mod power;
mod proxy;
mod rebind;
mod room;
mod seen;
mod stability;
mod uplink;

use super::catalogue::{Check, Finding};
use super::network::{Network, NetworkError};
use super::outcome::Fact;
use super::outside::Meeting;
use super::run::Surroundings;
use crate::operations::{Question, chain};
pub(crate) use found::card;

/// What a check found, and what that rests on.
type Found = (Finding, Vec<Fact>);

/// Runs one check.
pub(super) fn look(check: Check, around: &Surroundings<'_>) -> Found {
    match check {
        Check::LanLink => with_network(around, link::judge),
        Check::LanAddress => with_network(around, address::judge),
        Check::LanDuplicate => with_network(around, lending::duplicate),
        Check::LanDhcp => with_network(around, |network| lending::servers(around.scan(network))),
        Check::LanReserved => with_network(around, |network| stability::reserved(network, around.scan(network))),
        Check::LanStable => with_network(around, |network| {
            let last = around.last(Check::LanStable).and_then(stability::Standing::of);
            stability::look(network, around.scan(network), last, around.site.clock.now())
        }),
        Check::WanGateway => with_network(around, gateway::look),
        Check::LanDns => names::look(),
        Check::LanFound => with_network(around, |network| found::look(around.site, around.door, network)),
        Check::LanRebind => with_network(around, |network| rebind::look(around.door, network)),
        Check::WanProxy => with_network(around, |network| proxy::look(around.meeting(), network)),
        Check::WanUplink => with_network(around, uplink::look),
        Check::WanCaptive => captive::look(around.meeting()),
        Check::WanTls => seen::tls(around.meeting()),
        Check::OutMatrix => matrix::look(around.meeting()),
        Check::WanPublic => seen::public(around.meeting()),
        Check::WanShared => {
            let own = around.network.as_ref().ok().and_then(|network| network.main_address().map(|(_, own)| own.ip));
            mapping::cgnat(around.meeting(), around.router(), own, || around.dialling().reached().0 > 0)
        }
        Check::WanPorts => portset::look(around.meeting(), around.wanted_port()),
        Check::InMap => mapping::map(around.router()),
        Check::InHairpin => {
            around.attend();
            around::hairpin(around.meeting(), around.door, around.outside_port())
        }
        Check::InV6 => {
            around.attend();
            around::v6(around.meeting(), around.door)
        }
        Check::PathMtu => with_network(around, |network| path::mtu(around.meeting(), network)),
        Check::PathRate => path::rate(around.meeting()),
        Check::InDialback => dialback::judge(around.meeting(), around.dialling()),
        Check::Time => clock::look(&around.config.time_servers),
        Check::Room => room::look(around.site),
        Check::Power => power::look(around.config.nut_server),
        Check::Disks => disks::look(around.config.smartctl.as_deref()),
        Check::Admin => owner::look(around.site),
        Check::Kit => keeping::kit(around.site),
        Check::Mail => keeping::mail(around.site),
        Check::FirstMachine => first_machine::look(around.site),
        Check::SitePlace => place::look(around.site, around.config, Question::Place),
        Check::SitePower => place::look(around.site, around.config, Question::Power),
        Check::SiteAccess => place::look(around.site, around.config, Question::Access),
        Check::SiteLine => place::look(around.site, around.config, Question::Line),
        Check::SiteShared => place::look(around.site, around.config, Question::Shared),
        Check::SiteOperator => place::look(around.site, around.config, Question::Operator),
    }
}

/// Whether anybody outside can be asked; else what is to be said instead.
fn nobody_outside(meeting: &Meeting) -> Option<Found> {
    if meeting.is_empty() {
        return Some((Finding::PartnerNone, Vec::new()));
    }
    meeting.met().next().is_none().then(|| (Finding::PartnerSilent, vec![Fact::lines("partners", meeting.lines())]))
}

fn with_network(around: &Surroundings<'_>, look: impl FnOnce(&Network) -> Found) -> Found {
    match &around.network {
        Ok(network) => look(network),
        Err(error) => untold(error),
    }
}

/// The system does not tell what a check needs to know: no verdict, and never a reason to stop.
fn untold(error: &NetworkError) -> Found {
    (Finding::Untold, vec![Fact::text("reason", chain(error))])
}
