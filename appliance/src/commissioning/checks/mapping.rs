//! What the router says of itself: `wan.cgnat` and `in.map`.

use std::net::Ipv4Addr;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::Meeting;
use crate::commissioning::router::{NotAsked, Router};
use crate::mapping::{Asked, Method, RouterAddress, Said};

/// `in.map`: does the router let connections in when it is asked to?
pub(super) fn map(router: &Result<Router, NotAsked>) -> Found {
    match router {
        Ok(router) => judge_map(&router.asked),
        Err(reason) => (Finding::Untold, vec![Fact::text("reason", reason)]),
    }
}

fn judge_map(asked: &Asked) -> Found {
    let said = Fact::lines("router-says", asked.answers.iter().map(line).collect());
    if let Some((method, opened)) = asked.opened() {
        let finding = if opened.is_kept { Finding::MapOpened } else { Finding::MapUnproved };
        let mut facts = vec![Fact::text("method", method.word()), Fact::text("outside-port", opened.outside)];
        facts.extend(opened.lease.map(|lease| Fact::number("mapping-minutes", (lease.as_secs() / 60) as f64)));
        facts.push(said);
        return (finding, facts);
    }
    let is_nobody = asked.answers.iter().all(|(_, said)| *said == Said::Nothing);
    (if is_nobody { Finding::MapNobody } else { Finding::MapRefused }, vec![said])
}

fn line((method, said): &(Method, Said)) -> String {
    let method = method.word();
    match said {
        Said::Opened(opened) => format!("{method}: {}", opened.outside),
        Said::Refused(reason) => format!("{method}: {reason}"),
        Said::NoAddress => format!("{method}: no public address"),
        Said::Nothing => format!("{method}: -"),
    }
}

/// `wan.cgnat`: is the router's own address the one that the world sees? `is_reached`: whether partners reach the box all
/// the same, which is the better proof; asked only when it matters.
pub(super) fn cgnat(
    meeting: &Meeting,
    router: &Result<Router, NotAsked>,
    own: Option<Ipv4Addr>,
    is_reached: impl Fn() -> bool,
) -> Found {
    let told = router.as_ref().map_or(RouterAddress::Untold, |router| router.asked.address);
    let seen = meeting.met().find_map(|(_, _, seen)| seen.address.parse::<Ipv4Addr>().ok());
    let shown = if let RouterAddress::Told(address) = told { address.to_string() } else { "-".to_owned() };
    let mut facts = vec![Fact::text("router-address", shown)];
    facts.extend(seen.map(|seen| Fact::text("public", seen)));
    let finding = match judge_cgnat(told, seen, own) {
        Some(Finding::CgnatShared | Finding::CgnatSecond) if is_reached() => Finding::CgnatForwarded,
        Some(finding) => finding,
        None if meeting.is_empty() => Finding::PartnerNone,
        None => {
            facts.push(Fact::lines("partners", meeting.lines()));
            Finding::PartnerSilent
        }
    };
    (finding, facts)
}

/// `None` when it takes somebody outside to tell.
fn judge_cgnat(told: RouterAddress, seen: Option<Ipv4Addr>, own: Option<Ipv4Addr>) -> Option<Finding> {
    if seen.is_some() && seen == own {
        return Some(Finding::CgnatNone);
    }
    match (told, seen) {
        (RouterAddress::None, _) => Some(Finding::CgnatShared),
        (RouterAddress::Told(address), _) if is_shared(address) => Some(Finding::CgnatShared),
        (RouterAddress::Told(address), _) if address.is_private() => Some(Finding::CgnatSecond),
        (RouterAddress::Told(address), Some(seen)) if address == seen => Some(Finding::CgnatNone),
        (RouterAddress::Told(_), Some(_)) => Some(Finding::CgnatSecond),
        (RouterAddress::Untold, Some(_)) => Some(Finding::CgnatUntold),
        (RouterAddress::Told(_) | RouterAddress::Untold, None) => None,
    }
}

/// 100.64.0.0/10 (RFC 6598): what providers give to customers who share an address.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mapping::Opened;

    #[test]
    fn the_routers_address_is_compared_with_what_the_world_sees() {
        let public: Ipv4Addr = "11.22.33.2".parse().expect("address");
        let told = |text: &str| RouterAddress::Told(text.parse().expect("address"));
        for (router, seen, own, expected) in [
            (told("11.22.33.2"), Some(public), None, Some(Finding::CgnatNone)),
            (told("11.22.33.9"), Some(public), None, Some(Finding::CgnatSecond)),
            (told("192.168.1.2"), Some(public), None, Some(Finding::CgnatSecond)),
            (told("192.168.1.2"), None, None, Some(Finding::CgnatSecond)),
            (told("100.64.9.2"), Some(public), None, Some(Finding::CgnatShared)),
            (told("100.127.0.1"), None, None, Some(Finding::CgnatShared)),
            (RouterAddress::None, Some(public), None, Some(Finding::CgnatShared)),
            (RouterAddress::Untold, Some(public), None, Some(Finding::CgnatUntold)),
            (RouterAddress::Untold, Some(public), Some(public), Some(Finding::CgnatNone)),
            (RouterAddress::Untold, None, Some(public), None),
            (told("11.22.33.2"), None, None, None),
        ] {
            assert_eq!(judge_cgnat(router, seen, own), expected, "{router:?} {seen:?} {own:?}");
        }
        assert!(!is_shared("100.128.0.1".parse().expect("address")));
    }

    #[test]
    fn what_the_router_said_decides_about_the_mapping() {
        let opened =
            |is_kept| Said::Opened(Opened { outside: 20_600, lease: Some(Duration::from_secs(7_200)), is_kept });
        for (answers, expected) in [
            (vec![(Method::Pcp, opened(true))], Finding::MapOpened),
            (vec![(Method::Pcp, Said::Nothing), (Method::Upnp, opened(false))], Finding::MapUnproved),
            (vec![(Method::Pcp, Said::Nothing), (Method::Upnp, Said::Nothing)], Finding::MapNobody),
            (vec![(Method::Pcp, Said::Nothing), (Method::Upnp, Said::Refused("606".into()))], Finding::MapRefused),
            (vec![(Method::Pcp, Said::NoAddress), (Method::Upnp, Said::Nothing)], Finding::MapRefused),
        ] {
            let asked = Asked { answers, address: RouterAddress::Untold };
            assert_eq!(judge_map(&asked).0, expected, "{asked:?}");
        }
    }
}
