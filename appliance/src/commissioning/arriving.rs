//! Connections that are on their way in: the kernel lists them before anybody accepts them (proc(5), `/proc/self/net/tcp`; `/proc/net` is not there in the sandbox of the unit). So
//! a connection whose answers get lost is told from one that never came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The state of a connection whose first packet came and whose second has not been answered yet.
const SYN_RECEIVED: &str = "03";

/// From where somebody is trying to come to this port.
pub(super) fn knocking(port: u16) -> Vec<IpAddr> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    tables.iter().flat_map(|table| read(&std::fs::read_to_string(table).unwrap_or_default(), port)).collect()
}

fn read(table: &str, port: u16) -> Vec<IpAddr> {
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (own, other, state) = (words.next()?, words.next()?, words.next()?);
        let own_port = u16::from_str_radix(own.rsplit_once(':')?.1, 16).ok()?;
        if own_port != port || state != SYN_RECEIVED {
            return None;
        }
        address(other.rsplit_once(':')?.0)
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

/// Groups of four bytes, each as a number of this computer.
fn address(hex: &str) -> Option<IpAddr> {
    let group = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(group(0)?).into()),
        32 => {
            let bytes = [group(0)?, group(8)?, group(16)?, group(24)?].concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_that_are_on_their_way_in_to_the_port_count() {
        // As a little-endian computer writes it.
        if cfg!(target_endian = "big") {
            return;
        }
        let table = "  sl  local_address rem_address   st tx_queue\n\
             0: 00000000:5078 00000000:0000 0A 00000000:00000000\n\
             1: 3C4DA8C0:5078 0101802C:C350 03 00000000:00000000\n\
             2: 3C4DA8C0:5078 0201802C:C350 01 00000000:00000000\n\
             3: 3C4DA8C0:0050 0301802C:C350 03 00000000:00000000\n";
        assert_eq!(read(table, 20_600), [IpAddr::from([44, 128, 1, 1])]);
        let mapped = "x\n 0: 0:5078 0000000000000000FFFF00000101802C:C350 03 0\n";
        assert_eq!(read(mapped, 20_600), [IpAddr::from([44, 128, 1, 1])]);
        assert!(read("x\n 0: nonsense\n 1:\n", 20_600).is_empty());
    }
}
