//! `lan.rebind`: do the resolvers give the box's own name with its own address? Many routers suppress names that lead to
//! private addresses, as a protection against rebinding; machines that were enrolled by name then find nothing.

use std::net::{IpAddr, Ipv4Addr};

use super::{Found, names};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::at_once;
use crate::partner::Door;

pub(super) fn look(door: Option<&Door>, network: &Network) -> Found {
    let name = door.and_then(|door| door.name.as_deref());
    let Some(name) = name.filter(|name| name.parse::<IpAddr>().is_err()) else {
        return (Finding::RebindNotNeeded, Vec::new());
    };
    let own = network.main_address().map(|(_, address)| address.ip);
    let answers = at_once(&names::resolvers(), |resolver| (*resolver, names::addresses(*resolver, name)));
    judge(name, own, &answers)
}

/// `None`: the resolver does not answer, which is another check's matter.
fn judge(name: &str, own: Option<Ipv4Addr>, answers: &[(IpAddr, Option<Vec<Ipv4Addr>>)]) -> Found {
    let line = |(resolver, told): &(IpAddr, Option<Vec<Ipv4Addr>>)| match told {
        None => format!("{resolver}: -"),
        Some(told) => format!("{resolver}: {}", told.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    };
    let facts = vec![Fact::text("name", name), Fact::lines("resolvers", answers.iter().map(line).collect())];
    let mut told = answers.iter().filter_map(|(_, told)| told.as_ref()).peekable();
    if told.peek().is_none() {
        return (Finding::Untold, vec![Fact::text("reason", "no resolver answers")]);
    }
    let finding = if told.clone().any(Vec::is_empty) {
        Finding::RebindFiltered
    } else if told.all(|told| own.is_some_and(|own| told.contains(&own))) {
        Finding::RebindKept
    } else {
        Finding::RebindElsewhere
    };
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boxs_name_has_to_lead_to_the_box_by_every_resolver() {
        let (own, other) = (Ipv4Addr::new(192, 168, 77, 60), Ipv4Addr::new(11, 22, 33, 2));
        for (told, expected) in [
            (vec![Some(vec![own])], Finding::RebindKept),
            (vec![Some(vec![own]), None], Finding::RebindKept),
            (vec![Some(vec![own]), Some(vec![])], Finding::RebindFiltered),
            (vec![Some(vec![other])], Finding::RebindElsewhere),
            (vec![None], Finding::Untold),
        ] {
            let answers: Vec<_> = told.into_iter().map(|told| (IpAddr::from([10, 0, 0, 1]), told)).collect();
            assert_eq!(judge("box.shop", Some(own), &answers).0, expected, "{answers:?}");
        }
    }
}
