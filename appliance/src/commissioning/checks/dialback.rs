//! `in.dialback`: do others reach the box? Members of its community, or partners where it has none, dial the address that they see, at the port that the box names, and
//! look for the box's key there. Two of three decide: one that is off or has no way itself must not fail the site.

use super::{Found, nobody_outside};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Dialling, Meeting, Vote, absence};
use crate::partner::DialVerdict;

pub(super) fn judge(meeting: &Meeting, dialling: &Dialling) -> Found {
    // Members of the box's community may have dialled it without any partner.
    if let (true, Some(nobody)) = (dialling.votes.is_empty(), nobody_outside(meeting)) {
        return nobody;
    }
    let facts = vec![
        Fact::text("outside-port", dialling.port),
        Fact::lines("votes", dialling.votes.iter().map(line).collect()),
        Fact::number("arrivals", dialling.votes.iter().filter(|vote| vote.arrived).count() as f64),
    ];
    (decide(dialling), facts)
}

fn decide(dialling: &Dialling) -> Finding {
    let verdicts: Vec<DialVerdict> =
        dialling.votes.iter().filter_map(|vote| vote.answer.as_ref().ok()).map(|dialled| dialled.verdict).collect();
    let (ours, all) = dialling.reached();
    if all == 0 {
        return Finding::PartnerSilent;
    }
    if ours >= all.min(2) {
        return Finding::DialbackReached;
    }
    if ours > 0 {
        return Finding::DialbackPartly;
    }
    // What most say; of as many, what tells more.
    let tells = [DialVerdict::TimedOut, DialVerdict::Prohibited, DialVerdict::Refused, DialVerdict::Other];
    let said = |verdict: &DialVerdict| verdicts.iter().filter(|said| *said == verdict).count();
    match tells.into_iter().max_by_key(said) {
        Some(DialVerdict::Refused) => Finding::DialbackRefused,
        Some(DialVerdict::Prohibited) => Finding::DialbackProhibited,
        Some(DialVerdict::Other) => Finding::DialbackOther,
        _ if dialling.votes.iter().any(|vote| vote.arrived) => Finding::DialbackHalfway,
        _ => Finding::DialbackSilent,
    }
}

pub(super) fn line(vote: &Vote) -> String {
    let word = match &vote.answer {
        Err(why) => return format!("{}: {}", vote.partner, absence(why)),
        Ok(dialled) => {
            let word = match dialled.verdict {
                DialVerdict::Ours => "ours",
                DialVerdict::Other => "other",
                DialVerdict::Refused => "refused",
                DialVerdict::TimedOut => "timeout",
                DialVerdict::Prohibited => "prohibited",
            };
            format!("{word} {} ms", dialled.millis)
        }
    };
    format!("{}: {word}", vote.partner)
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::meeting;
    use super::*;
    use crate::partner::{Dialled, Refusal, Unanswered};

    #[test]
    fn two_of_three_decide() {
        use DialVerdict::{Other, Ours, Prohibited, Refused, TimedOut};
        let vote = |verdict, arrived| {
            let answer = Ok(Dialled { verdict, millis: 1, from: String::new() });
            Vote { partner: String::new(), answer, arrived }
        };
        let off =
            || Vote { partner: String::new(), answer: Err(Unanswered::Refused(Refusal::TooOften)), arrived: false };
        for (votes, expected) in [
            (vec![vote(Ours, true)], Finding::DialbackReached),
            (vec![vote(Ours, true), off(), off()], Finding::DialbackReached),
            (vec![vote(Ours, true), vote(Ours, true), vote(TimedOut, false)], Finding::DialbackReached),
            (vec![vote(Ours, true), vote(TimedOut, false), vote(TimedOut, false)], Finding::DialbackPartly),
            (vec![vote(Ours, true), vote(Refused, false)], Finding::DialbackPartly),
            (vec![vote(Refused, false), vote(Refused, false), vote(TimedOut, false)], Finding::DialbackRefused),
            (vec![vote(TimedOut, false), vote(Other, false)], Finding::DialbackOther),
            (vec![vote(Prohibited, false)], Finding::DialbackProhibited),
            (vec![vote(TimedOut, false)], Finding::DialbackSilent),
            (vec![vote(TimedOut, true)], Finding::DialbackHalfway),
            (vec![off()], Finding::PartnerSilent),
        ] {
            let dialling = Dialling { port: 20_600, votes };
            for met in [vec![Ok("11.22.33.2")], vec![]] {
                assert_eq!(judge(&meeting(met), &dialling).0, expected, "{:?}", dialling.votes);
            }
        }
        assert_eq!(judge(&meeting(vec![]), &Dialling::default()).0, Finding::PartnerNone);
    }
}
