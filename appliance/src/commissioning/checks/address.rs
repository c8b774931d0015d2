//! `lan.addr`: has the box an address in the network that leads outside?

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::{Address, Network};
use crate::commissioning::outcome::Fact;

pub(super) fn judge(network: &Network) -> Found {
    let Some(port) = network.main_port() else { return (Finding::AddressNone, Vec::new()) };
    let all: Vec<&Address> = network.addresses_of(port.index).collect();
    let given: Vec<&Address> = all.iter().filter(|address| !address.ip.is_link_local()).copied().collect();
    let mut facts = vec![Fact::text("port", &port.name), Fact::text("mac", &port.mac)];
    if let [first, more @ ..] = given.as_slice() {
        facts.push(Fact::text("address", shown(first)));
        if !more.is_empty() {
            facts.push(Fact::lines("addresses", given.iter().map(|address| shown(address)).collect()));
        }
    }
    if let Some(way) = &network.way_out {
        facts.extend(way.gateway.map(|gateway| Fact::text("gateway", gateway)));
        facts.push(Fact::number("metric", f64::from(way.metric)));
    }
    let finding = match (given.len(), network.way_out) {
        (0, _) if all.is_empty() => Finding::AddressNone,
        (0, _) => Finding::AddressSelfAssigned,
        (_, None) => Finding::AddressWithoutRoute,
        (1, Some(_)) => Finding::AddressOne,
        (_, Some(_)) => Finding::AddressSeveral,
    };
    (finding, facts)
}

fn shown(address: &Address) -> String {
    format!("{}/{}", address.ip, address.prefix)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::commissioning::network::{Port, WayOut};

    #[test]
    fn one_address_and_a_way_outside_is_what_a_box_should_have() {
        let address = |port, ip: [u8; 4]| Address { port, ip: Ipv4Addr::from(ip), prefix: 24, valid_for: None };
        let way_out = Some(WayOut { port: 2, gateway: Some(Ipv4Addr::new(192, 168, 1, 1)), metric: 100 });
        let (lan, other) = (address(2, [192, 168, 1, 60]), address(9, [172, 17, 0, 1]));
        for (addresses, way_out, expected) in [
            (vec![lan.clone(), other.clone()], way_out, Finding::AddressOne),
            (vec![lan.clone(), address(2, [169, 254, 3, 4])], way_out, Finding::AddressOne),
            (vec![lan.clone(), address(2, [10, 0, 0, 5])], way_out, Finding::AddressSeveral),
            (vec![lan.clone()], None, Finding::AddressWithoutRoute),
            (vec![address(2, [169, 254, 3, 4])], None, Finding::AddressSelfAssigned),
            (vec![other], way_out, Finding::AddressNone),
        ] {
            let ports = vec![Port { index: 2, name: "eth0".to_owned(), carrier: true, ..Port::default() }];
            let network = Network { ports, addresses, way_out };
            assert_eq!(judge(&network).0, expected, "{network:?}");
        }
        assert_eq!(judge(&Network::default()).0, Finding::AddressNone);
    }
}
