//! `lan.mdns`: is the box found in the network by its name? Looked for as a machine would look.

use std::time::Duration;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;
use crate::discovery::{self, Card};
use crate::operations::Site;
use crate::partner::Door;

/// An announcement begins with three questions, a quarter of a second apart (RFC 6762, 8.1).
const PATIENCE: Duration = Duration::from_millis(3_500);

pub(super) fn look(site: &Site, door: Option<&Door>, network: &Network) -> Found {
    let Some(door) = door else {
        return (Finding::Untold, vec![Fact::text("reason", "the box's own port is not known")]);
    };
    let card = card(site, door);
    if !door.is_announced && door.is_served {
        return (Finding::MdnsOff, Vec::new());
    }
    let outcome = (|| {
        // While no daemon runs, nobody announces it.
        let _announced = if door.is_served { None } else { Some(discovery::announce(&card)?) };
        discovery::look_for(&card, PATIENCE)
    })();
    match outcome {
        Ok(found) => judge(&card, &found, network),
        Err(error) => (Finding::MdnsDead, vec![Fact::text("error", error)]),
    }
}

/// What the box announces of itself.
pub(crate) fn card(site: &Site, door: &Door) -> Card {
    Card {
        name: site.vault.box_name.clone(),
        host: crate::vault::default_box_name(site.vault.id),
        id: site.vault.id.to_string(),
        port: door.port,
        pin: door.pin.to_string(),
    }
}

fn judge(card: &Card, found: &discovery::Found, network: &Network) -> Found {
    let name = Fact::text("name", found.host.clone().unwrap_or_else(|| card.host_name()));
    let addresses = found.own.iter().map(ToString::to_string).collect();
    let facts = vec![name, Fact::lines("addresses", addresses)];
    let own = network.main_address().map(|(_, address)| address.ip);
    let finding = match &found.host {
        None => Finding::MdnsSilent,
        Some(host) if *host != card.host_name() => Finding::MdnsTaken,
        Some(_) if own.is_some_and(|own| found.own.contains(&own)) => Finding::MdnsFound,
        Some(_) => Finding::MdnsSilent,
    };
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commissioning::network::{Address, Port, WayOut};

    #[test]
    fn the_box_is_found_by_its_own_name_at_its_own_address() {
        let ip = "192.168.77.60".parse().expect("address");
        let network = Network {
            ports: vec![Port { index: 2, ..Port::default() }],
            addresses: vec![Address { port: 2, ip, prefix: 24, valid_for: None }],
            way_out: Some(WayOut { port: 2, gateway: None, metric: 0 }),
        };
        let card = Card {
            name: "cellar".to_owned(),
            host: "datis-0a1b".to_owned(),
            id: "x".to_owned(),
            port: 20_600,
            pin: String::new(),
        };
        let found = |host: Option<&str>, own: &[&str]| discovery::Found {
            own: own.iter().map(|ip| ip.parse().expect("address")).collect(),
            host: host.map(str::to_owned),
        };
        for (found, expected) in [
            (found(Some("datis-0a1b.local"), &["192.168.77.60"]), Finding::MdnsFound),
            (found(Some("datis-0a1b-2.local"), &["192.168.77.60"]), Finding::MdnsTaken),
            (found(Some("datis-0a1b.local"), &["10.0.3.1"]), Finding::MdnsSilent),
            (found(None, &[]), Finding::MdnsSilent),
        ] {
            assert_eq!(judge(&card, &found, &network).0, expected, "{found:?}");
        }
    }
}
