//! Bytes of Ethernet frames: ARP probes and DHCP questions, and what comes back.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr,
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UDP_HEADER_LEN, UdpPacket, UdpRepr,
};

use super::Offer;

/// What a DHCP server is asked for: mask, router, resolvers, lease time, server id (RFC 2132).
const PARAMETERS: [u8; 5] = [1, 3, 6, 51, 54];
/// As RFC 1122 has it for what may cross routers; this does not.
const HOPS: u8 = 64;

/// An ARP probe (RFC 5227, 2.1.1): a question for `address` by somebody who has none.
pub(super) fn arp_probe(from: EthernetAddress, address: Ipv4Addr) -> Vec<u8> {
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: from,
        source_protocol_addr: Ipv4Addr::UNSPECIFIED,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: address,
    };
    let mut frame = ethernet(from, EthernetProtocol::Arp, arp.buffer_len());
    arp.emit(&mut ArpPacket::new_unchecked(payload(&mut frame)));
    frame
}

/// Who says in `frame` to have `address`, other than `own`.
pub(super) fn holder(frame: &[u8], address: Ipv4Addr, own: EthernetAddress) -> Option<EthernetAddress> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let arp = (ethernet.ethertype() == EthernetProtocol::Arp).then(|| ArpPacket::new_checked(ethernet.payload()))?;
    let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, .. } = ArpRepr::parse(&arp.ok()?).ok()?
    else {
        return None;
    };
    (source_protocol_addr == address && source_hardware_addr != own).then_some(source_hardware_addr)
}

/// A question to all DHCP servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Discover {
    pub(super) from: EthernetAddress,
    pub(super) transaction: u32,
    /// Who asks; without it the hardware address says so.
    pub(super) client: Option<EthernetAddress>,
    /// The address that would be liked.
    pub(super) liked: Option<Ipv4Addr>,
}

impl Discover {
    /// DHCPDISCOVER (RFC 2131, 4.4.1). The answer is wanted as a broadcast, since the box takes no address by it.
    ///
    /// `None` when it does not fit its own length, which would be an error here.
    pub(super) fn frame(&self) -> Option<Vec<u8>> {
        self.send(&self.repr(), (DHCP_CLIENT_PORT, DHCP_SERVER_PORT))
    }

    fn send(&self, dhcp: &DhcpRepr<'_>, (src_port, dst_port): (u16, u16)) -> Option<Vec<u8>> {
        let (source, target) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let ip = Ipv4Repr {
            src_addr: source,
            dst_addr: target,
            next_header: IpProtocol::Udp,
            payload_len: UDP_HEADER_LEN + dhcp.buffer_len(),
            hop_limit: HOPS,
        };
        let sums = ChecksumCapabilities::default();
        let mut frame = ethernet(self.from, EthernetProtocol::Ipv4, ip.buffer_len() + ip.payload_len);
        let mut packet = Ipv4Packet::new_unchecked(payload(&mut frame));
        ip.emit(&mut packet, &sums);
        let mut fits = false;
        UdpRepr { src_port, dst_port }.emit(
            &mut UdpPacket::new_unchecked(packet.payload_mut()),
            &IpAddress::Ipv4(source),
            &IpAddress::Ipv4(target),
            dhcp.buffer_len(),
            |bytes| fits = dhcp.emit(&mut DhcpPacket::new_unchecked(bytes)).is_ok(),
            &sums,
        );
        fits.then_some(frame)
    }

    fn repr(&self) -> DhcpRepr<'static> {
        DhcpRepr {
            message_type: DhcpMessageType::Discover,
            transaction_id: self.transaction,
            secs: 0,
            client_hardware_address: self.from,
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: true,
            requested_ip: self.liked,
            client_identifier: self.client,
            server_identifier: None,
            parameter_request_list: Some(&PARAMETERS),
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        }
    }
}

/// An offer in `frame`, and which question it answers.
pub(super) fn offer(frame: &[u8]) -> Option<(u32, Offer)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let udp = (ip.next_header() == IpProtocol::Udp).then(|| UdpPacket::new_checked(ip.payload()))?.ok()?;
    // Sums are not checked: of frames from the same computer the card would have computed them.
    if (udp.src_port(), udp.dst_port()) != (DHCP_SERVER_PORT, DHCP_CLIENT_PORT) {
        return None;
    }
    let packet = DhcpPacket::new_checked(udp.payload()).ok()?;
    let dhcp = DhcpRepr::parse(&packet).ok()?;
    let server = dhcp.server_identifier.unwrap_or_else(|| ip.src_addr());
    let offer = Offer { server, address: dhcp.your_ip, lease_seconds: dhcp.lease_duration };
    (dhcp.message_type == DhcpMessageType::Offer).then_some((dhcp.transaction_id, offer))
}

/// A frame to everybody, with room for so many bytes.
fn ethernet(from: EthernetAddress, protocol: EthernetProtocol, room: usize) -> Vec<u8> {
    let repr = EthernetRepr { src_addr: from, dst_addr: EthernetAddress::BROADCAST, ethertype: protocol };
    let mut frame = vec![0; EthernetFrame::<&[u8]>::buffer_len(room)];
    repr.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame
}

fn payload(frame: &mut [u8]) -> &mut [u8] {
    let header = EthernetFrame::<&[u8]>::header_len();
    &mut frame[header..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 60);

    /// The answer of whoever has the address.
    fn arp_reply(from: EthernetAddress, address: Ipv4Addr) -> Vec<u8> {
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: from,
            source_protocol_addr: address,
            target_hardware_addr: OWN,
            target_protocol_addr: Ipv4Addr::UNSPECIFIED,
        };
        let mut frame = ethernet(from, EthernetProtocol::Arp, arp.buffer_len());
        arp.emit(&mut ArpPacket::new_unchecked(payload(&mut frame)));
        frame
    }

    #[test]
    fn an_arp_probe_is_the_one_of_the_rfc() {
        let frame = arp_probe(OWN, ADDRESS);
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[..6], [0xFF; 6], "to everybody");
        assert_eq!(frame[28..32], [0; 4], "by nobody");
        assert_eq!(frame[38..42], ADDRESS.octets());
        assert_eq!(holder(&frame, ADDRESS, OWN), None, "a question says nothing of who has the address");
    }

    #[test]
    fn whoever_answers_for_the_address_has_it() {
        assert_eq!(holder(&arp_reply(OTHER, ADDRESS), ADDRESS, OWN), Some(OTHER));
        assert_eq!(holder(&arp_reply(OWN, ADDRESS), ADDRESS, OWN), None);
        assert_eq!(holder(&arp_reply(OTHER, Ipv4Addr::new(192, 168, 77, 61)), ADDRESS, OWN), None);
    }

    #[test]
    fn a_question_to_dhcp_servers_is_well_formed() {
        let liked = Ipv4Addr::new(192, 168, 77, 99);
        let discover = Discover { from: OWN, transaction: 7, client: Some(OTHER), liked: Some(liked) };
        let frame = discover.frame().expect("a frame");
        let ethernet = EthernetFrame::new_checked(&frame[..]).expect("ethernet");
        let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("ip");
        assert!(ip.verify_checksum());
        let udp = UdpPacket::new_checked(ip.payload()).expect("udp");
        assert!(udp.verify_checksum(&IpAddress::Ipv4(ip.src_addr()), &IpAddress::Ipv4(ip.dst_addr())));
        let packet = DhcpPacket::new_checked(udp.payload()).expect("dhcp");
        let dhcp = DhcpRepr::parse(&packet).expect("dhcp");
        assert_eq!((dhcp.client_identifier, dhcp.requested_ip, dhcp.transaction_id), (Some(OTHER), Some(liked), 7));
        assert!(dhcp.broadcast);
        assert_eq!(offer(&frame), None, "a question is no offer");
    }

    #[test]
    fn noise_is_nobodys_answer() {
        for length in 0..400_usize {
            let noise: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8).collect();
            assert_eq!((holder(&noise, ADDRESS, OWN), offer(&noise)), (None, None));
        }
    }

    #[test]
    fn an_offer_is_read_and_a_cut_one_is_not() {
        // What a server sends: the question turned around.
        let question = Discover { from: OTHER, transaction: 7, client: None, liked: None };
        let dhcp = DhcpRepr {
            message_type: DhcpMessageType::Offer,
            your_ip: ADDRESS,
            server_identifier: Some(Ipv4Addr::new(192, 168, 77, 1)),
            lease_duration: Some(7_200),
            parameter_request_list: None,
            ..question.repr()
        };
        let mut frame = question.send(&dhcp, (DHCP_SERVER_PORT, DHCP_CLIENT_PORT)).expect("a frame");
        let server = Ipv4Addr::new(192, 168, 77, 1);
        let expected = Offer { server, address: ADDRESS, lease_seconds: Some(7_200) };
        assert_eq!(offer(&frame), Some((7, expected)));
        while frame.pop().is_some() {
            assert_eq!(offer(&frame), None, "{} bytes", frame.len());
        }
    }
}
