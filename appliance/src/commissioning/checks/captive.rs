//! `wan.captive`: does somebody answer in the name of others? Log-in pages of hotels and guest networks do.
//!
//! A partner is asked over plain HTTP by its address, with a challenge that has to come back: that is what they catch.

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Meeting, at_once};
use crate::commissioning::web::{self, Web};

/// The port that log-in pages are shown on, if a partner has it.
const WEB_PORT: u16 = 80;

pub(super) fn look(meeting: &Meeting) -> Found {
    if meeting.is_empty() {
        return (Finding::PartnerNone, Vec::new());
    }
    let own = meeting.partners.iter().filter_map(|partner| partner.socket);
    let web = meeting.met().filter(|(_, _, seen)| seen.ports.contains(&WEB_PORT));
    let web = web.map(|(_, mut socket, _)| {
        socket.set_port(WEB_PORT);
        socket
    });
    let sockets: Vec<_> = own.chain(web).collect();
    let answers = at_once(&sockets, |socket| (socket.to_string(), web::ask(*socket, None)));
    judge(&answers)
}

fn judge(answers: &[(String, Web)]) -> Found {
    let shown = answers.iter().map(|(partner, web)| match web {
        Web::Genuine { .. } => format!("{partner}: 204"),
        Web::Other { status, location: Some(location) } => format!("{partner}: {status} {location}"),
        Web::Other { status, location: None } => format!("{partner}: {status}"),
        Web::Unreached(reach) => format!("{partner}: {}", reach.word()),
        Web::Mute => format!("{partner}: -"),
    });
    let facts = vec![Fact::lines("asked", shown.collect())];
    let other = answers.iter().find_map(|(_, web)| match web {
        Web::Other { status, location } => Some((status, location)),
        _ => None,
    });
    let is_genuine = answers.iter().any(|(_, web)| matches!(web, Web::Genuine { .. }));
    match other {
        Some((status, location)) => {
            let place = location.clone().unwrap_or_else(|| "-".to_owned());
            let own = [Fact::number("status", f64::from(*status)), Fact::text("location", place)];
            (Finding::CaptivePortal, own.into_iter().chain(facts).collect())
        }
        None if is_genuine => (Finding::CaptiveFree, facts),
        None => {
            (Finding::PartnerSilent, vec![Fact::lines("partners", answers.iter().map(|(p, _)| p.clone()).collect())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partner::Reach;

    #[test]
    fn one_answer_of_somebody_else_is_a_log_in_page() {
        let genuine = || Web::Genuine { seen: None };
        let other = || Web::Other { status: 302, location: Some("http://login/".to_owned()) };
        for (answers, expected) in [
            (vec![genuine()], Finding::CaptiveFree),
            (vec![genuine(), Web::Unreached(Reach::Dropped)], Finding::CaptiveFree),
            (vec![other()], Finding::CaptivePortal),
            (vec![genuine(), other()], Finding::CaptivePortal),
            (vec![Web::Other { status: 204, location: None }], Finding::CaptivePortal),
            (vec![Web::Unreached(Reach::Dropped), Web::Mute], Finding::PartnerSilent),
        ] {
            let answers: Vec<_> = answers.into_iter().map(|web| (String::new(), web)).collect();
            assert_eq!(judge(&answers).0, expected, "{answers:?}");
        }
    }
}
