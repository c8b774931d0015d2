//! What partners see of the box: `wan.tls` and `wan.public`.

use std::collections::BTreeSet;

use super::{Found, nobody_outside};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::Meeting;
use crate::partner::Unanswered;

/// `wan.tls`: does somebody open encrypted connections on their way? Partners are known by their keys, so whoever stands
/// in between cannot show the right one.
pub(super) fn tls(meeting: &Meeting) -> Found {
    if meeting.is_empty() {
        return (Finding::PartnerNone, Vec::new());
    }
    let facts = || vec![Fact::lines("partners", meeting.lines())];
    let found = |of: fn(&Unanswered) -> Option<&String>| {
        meeting.partners.iter().find_map(|partner| of(partner.answer.as_ref().err()?).map(|what| (partner, what)))
    };
    let opened = found(|why| if let Unanswered::Other(issuer) = why { Some(issuer) } else { None });
    let foreign = found(|why| if let Unanswered::Foreign(what) = why { Some(what) } else { None });
    let (finding, name, (partner, what)) = match (opened, foreign) {
        (Some(opened), _) => (Finding::TlsOpened, "issuer", opened),
        // One partner that is something else today is not the network's doing while others are as they should be.
        (None, Some(foreign)) if meeting.met().next().is_none() => (Finding::TlsForeign, "error", foreign),
        _ => return nobody_outside(meeting).unwrap_or_else(|| (Finding::TlsUntouched, facts())),
    };
    let own = match name {
        "issuer" => Fact::text("issuer", what),
        _ => Fact::text("error", what),
    };
    (finding, [Fact::text("partner", &partner.address), own].into_iter().chain(facts()).collect())
}

/// `wan.public`: the address that others see.
pub(super) fn public(meeting: &Meeting) -> Found {
    if let Some(nobody) = nobody_outside(meeting) {
        return nobody;
    }
    let addresses: BTreeSet<&str> =
        meeting.met().filter(|(_, socket, _)| socket.is_ipv4()).map(|(_, _, seen)| seen.address.as_str()).collect();
    let partners = Fact::lines("partners", meeting.lines());
    match addresses.iter().next() {
        Some(address) if addresses.len() == 1 => (Finding::PublicOne, vec![Fact::text("public", address), partners]),
        Some(_) => {
            let all = addresses.iter().map(|address| (*address).to_owned()).collect();
            (Finding::PublicSeveral, vec![Fact::lines("publics", all), partners])
        }
        None => (Finding::PartnerSilent, vec![partners]),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::commissioning::outside::Partner;
    use crate::config::PartnerAddress;
    use crate::partner::{Reach, Seen};

    /// A meeting at which each partner answered so.
    pub(in crate::commissioning::checks) fn meeting(answers: Vec<Result<&str, Unanswered>>) -> Meeting {
        let partner = |(at, answer): (usize, Result<&str, Unanswered>)| {
            let raw = format!("44.128.1.{}:20601#{}", at + 1, "ab".repeat(32));
            let address = PartnerAddress::try_from(raw).expect("partner");
            let socket = format!("{}:20601", address.host()).parse().ok();
            let seen = |address: &str| Seen { address: address.to_owned(), port: 1, now: 0, ports: vec![20_601] };
            Partner { address, socket, answer: answer.map(seen), took: Duration::ZERO }
        };
        Meeting { partners: answers.into_iter().enumerate().map(partner).collect() }
    }

    #[test]
    fn a_wrong_key_is_somebody_in_between() {
        let other = || Err(Unanswered::Other("CN=mitm-CA".to_owned()));
        let foreign = || Err(Unanswered::Foreign("no TLS".to_owned()));
        let gone = || Err(Unanswered::Unreached(Reach::Dropped));
        for (answers, expected) in [
            (vec![], Finding::PartnerNone),
            (vec![gone()], Finding::PartnerSilent),
            (vec![Ok("11.22.33.2"), gone()], Finding::TlsUntouched),
            (vec![Ok("11.22.33.2"), foreign()], Finding::TlsUntouched),
            (vec![foreign(), gone()], Finding::TlsForeign),
            (vec![foreign(), other()], Finding::TlsOpened),
            (vec![Ok("11.22.33.2"), other()], Finding::TlsOpened),
        ] {
            assert_eq!(tls(&meeting(answers.clone())).0, expected, "{answers:?}");
        }
    }

    #[test]
    fn the_public_address_is_what_all_see() {
        let gone = || Err(Unanswered::Unreached(Reach::Dropped));
        for (answers, expected) in [
            (vec![], Finding::PartnerNone),
            (vec![gone()], Finding::PartnerSilent),
            (vec![Ok("11.22.33.2"), gone()], Finding::PublicOne),
            (vec![Ok("11.22.33.2"), Ok("11.22.33.2")], Finding::PublicOne),
            (vec![Ok("11.22.33.2"), Ok("11.22.33.3")], Finding::PublicSeveral),
        ] {
            assert_eq!(public(&meeting(answers.clone())).0, expected, "{answers:?}");
        }
    }
}
