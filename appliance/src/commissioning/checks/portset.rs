//! `wan.portset`: which ports of the public address are this site's? Some providers give one address to several customers,
//! each a quarter of the ports (RFC 6346, RFC 7597). Sixteen connections from ports all over the range show it.

use std::net::SocketAddr;

use datis_engine::keys::random_bytes;

use super::{Found, nobody_outside};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Meeting, at_once};
use crate::commissioning::web::{self, Web};
use crate::partner::Reach;

const SAMPLES: u16 = 16;
/// Fewer say nothing about the rest.
const SAMPLES_MIN: usize = 8;
/// Ports below need a privilege.
const FIRST: u16 = 1_024;
/// A larger block is the whole range for all that sixteen samples can tell.
const BLOCK_BITS_MAX: u32 = 15;

/// A connection: its port here, and as the partner saw it.
type Sample = (u16, u16);

pub(super) fn look(meeting: &Meeting, wanted: Option<u16>) -> Found {
    if let Some(nobody) = nobody_outside(meeting) {
        return nobody;
    }
    let Some((_, partner, _)) = meeting.met().find(|(_, socket, _)| socket.is_ipv4()) else {
        return (Finding::PartnerSilent, vec![Fact::lines("partners", meeting.lines())]);
    };
    let Ok([high, low]) = random_bytes::<2>() else {
        return (Finding::Untold, vec![Fact::text("reason", "no random numbers")]);
    };
    let step = (u16::MAX - FIRST) / SAMPLES;
    let offset = u16::from_be_bytes([high, low]) % (step - 4);
    let ports: Vec<u16> = (0..SAMPLES).map(|at| FIRST + at * step + offset).collect();
    let samples: Vec<Sample> = at_once(&ports, |port| sample(partner, *port)).into_iter().flatten().collect();
    judge(&samples, wanted)
}

/// Another program may have the port: then one of its neighbours.
fn sample(partner: SocketAddr, port: u16) -> Option<Sample> {
    (port..port + 3).find_map(|port| match web::ask(partner, Some(port)) {
        Web::Genuine { seen } => Some(Some((port, seen?.port()))),
        Web::Unreached(Reach::Prohibited) => None,
        _ => Some(None),
    })?
}

fn judge(samples: &[Sample], wanted: Option<u16>) -> Found {
    let preserved = samples.iter().filter(|(own, seen)| own == seen).count();
    let mut seen: Vec<u16> = samples.iter().map(|(_, seen)| *seen).collect();
    seen.sort_unstable();
    let shown = seen.iter().map(ToString::to_string).collect();
    let mut facts = vec![Fact::lines("ports-seen", shown), Fact::number("ports-kept", preserved as f64)];
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        return (Finding::Untold, vec![Fact::text("reason", "no answers")]);
    };
    if seen.len() < SAMPLES_MIN {
        let reason = Fact::text("reason", format!("{} of {SAMPLES} answers", seen.len()));
        return (Finding::Untold, vec![reason]);
    }
    // The smallest aligned block with all of them: above the highest bit in which they differ.
    let bits = u16::BITS - (first ^ last).leading_zeros();
    if bits > BLOCK_BITS_MAX {
        return (Finding::PortsAll, facts);
    }
    // Sixteen samples out of a block do not reach its ends: providers cut in powers of two of at least 1 024.
    let bits = bits.max(10);
    let from = u32::from(*first) >> bits << bits;
    let to = from + (1 << bits) - 1;
    facts.splice(0..0, [Fact::text("ports-from", from), Fact::text("ports-to", to)]);
    let fits = wanted.is_some_and(|port| (from..=to).contains(&u32::from(port)));
    facts.extend(wanted.map(|port| Fact::text("outside-port", port)));
    (if fits { Finding::PortsFit } else { Finding::PortsPart }, facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_one_block_are_a_part_of_the_address() {
        let spread =
            |first: u16, step: u16| (0..16).map(|at| (first + at * step, first + at * step)).collect::<Vec<_>>();
        for (samples, wanted, expected) in [
            (spread(1_024, 4_000), Some(20_600), Finding::PortsAll),
            (spread(16_400, 1_000), Some(20_600), Finding::PortsFit),
            (spread(32_800, 1_000), Some(20_600), Finding::PortsPart),
            (spread(32_800, 1_000), None, Finding::PortsPart),
            (spread(40_000, 1), Some(40_500), Finding::PortsFit),
            (spread(1_024, 4_000)[..5].to_vec(), None, Finding::Untold),
            (vec![], None, Finding::Untold),
        ] {
            assert_eq!(judge(&samples, wanted).0, expected, "{samples:?}");
        }
        let (_, facts) = judge(&spread(16_400, 1_000), Some(20_600));
        assert!(facts.contains(&Fact::text("ports-from", 16_384)) && facts.contains(&Fact::text("ports-to", 32_767)));
    }
}
