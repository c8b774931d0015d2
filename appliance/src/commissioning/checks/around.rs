//! Other ways to the box: `in.hairpin`, its outside address seen from inside, and `in.v6`, IPv6.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Found, dialback, nobody_outside};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Dialling, Meeting};
use crate::partner::{Door, Reach, greet};

/// For connecting, and again for the handshake.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// `in.hairpin`: is the box found from inside by its outside address? Good to know, and nothing to be mended: many routers
/// do not do it.
pub(super) fn hairpin(meeting: &Meeting, door: Option<&Door>, port: Option<u16>) -> Found {
    if let Some(nobody) = nobody_outside(meeting) {
        return nobody;
    }
    let public = meeting.met().find_map(|(_, socket, seen)| seen.address.parse().ok().filter(|_| socket.is_ipv4()));
    let (Some(door), Some(port), Some(public)) = (door, port, public) else {
        return (Finding::Untold, vec![Fact::text("reason", "no address outside")]);
    };
    let public: IpAddr = public;
    let (reach, _, stream) = Reach::try_tcp(SocketAddr::new(public, port), PATIENCE);
    let shown = stream.and_then(|stream| greet(stream, PATIENCE, false).ok()).map(|greeting| greeting.pin);
    let is_own = shown == Some(door.pin);
    let told = if is_own || reach != Reach::Open { reach.word() } else { "other" };
    let facts = vec![Fact::text("public", public), Fact::text("outside-port", port), Fact::text("inside", told)];
    (if is_own { Finding::HairpinWorks } else { Finding::HairpinNone }, facts)
}

/// `in.v6`: IPv6 out, and in. Asked of partners that are named by an IPv6 address.
pub(super) fn v6(meeting: &Meeting, door: Option<&Door>) -> Found {
    let has_way = own_v6();
    let named = meeting.partners.iter().any(|partner| partner.socket.is_some_and(|socket| socket.is_ipv6()));
    let address = meeting.met().find(|(_, socket, _)| socket.is_ipv6()).map(|(_, _, seen)| seen.address.clone());
    let dialling = match address {
        Some(_) => Dialling::of(meeting, door, door.map(|door| door.port), SocketAddr::is_ipv6),
        None => Dialling::default(),
    };
    judge(has_way, named, address.as_deref(), &dialling)
}

fn judge(own: Option<IpAddr>, is_partner_named: bool, seen: Option<&str>, dialling: &Dialling) -> Found {
    let Some(own) = own else { return (Finding::V6None, Vec::new()) };
    if !is_partner_named {
        return (Finding::PartnerNone, vec![Fact::text("address", own)]);
    }
    let Some(seen) = seen else { return (Finding::V6Dead, vec![Fact::text("address", own)]) };
    let votes = dialling.votes.iter().map(dialback::line).collect();
    let facts = vec![Fact::text("public", seen), Fact::lines("votes", votes)];
    (if dialling.reached().0 > 0 { Finding::V6In } else { Finding::V6Out }, facts)
}

/// The address from which the box would talk to the world; nothing is sent.
fn own_v6() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("[::]:0").ok()?;
    // Any address of the world will do: the kernel only looks for the way (2000::/3, RFC 4291).
    socket.connect("[2600::1]:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commissioning::outside::Vote;
    use crate::partner::{DialVerdict, Dialled};

    #[test]
    fn ipv6_is_there_leads_out_or_leads_in() {
        let vote = |verdict| {
            let answer = Ok(Dialled { verdict, millis: 1, from: String::new() });
            Dialling { port: 1, votes: vec![Vote { partner: String::new(), answer, arrived: false }] }
        };
        let own = "2001:db8::60".parse().ok();
        for (own, named, seen, dialling, expected) in [
            (None, true, None, Dialling::default(), Finding::V6None),
            (own, false, None, Dialling::default(), Finding::PartnerNone),
            (own, true, None, Dialling::default(), Finding::V6Dead),
            (own, true, Some("2001:db8::60"), vote(DialVerdict::TimedOut), Finding::V6Out),
            (own, true, Some("2001:db8::60"), vote(DialVerdict::Ours), Finding::V6In),
        ] {
            assert_eq!(judge(own, named, seen, &dialling).0, expected);
        }
    }
}
