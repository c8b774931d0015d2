//! What stands in the way of putting the box into service.

use super::catalogue::{Check, CheckState};
use super::memory::Remembered;
use super::outcome::Verdict;

/// The checks for which nobody may sign yet: those that block, have failed, were skipped or were never made, and
/// questions that nobody has answered.
#[must_use]
pub fn obstacles(known: &[Remembered]) -> Vec<Check> {
    let stands_in_the_way = |check: &Check| {
        let Some(known) = known.iter().find(|known| known.outcome.check == *check) else {
            return check.blocks_activation();
        };
        match known.outcome.verdict {
            Verdict::Found(finding) => {
                check.blocks_activation() && (finding.state() == CheckState::Fail || finding.is_undone())
            }
            Verdict::Skipped { .. } => check.blocks_activation(),
        }
    };
    Check::ALL.into_iter().filter(stands_in_the_way).collect()
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Finding;
    use super::super::outcome::Outcome;
    use super::*;
    use datis_engine::units::UnixMillis;

    fn remembered(check: Check, verdict: Verdict) -> Remembered {
        let outcome = Outcome { check, verdict, facts: Vec::new(), started_at: UnixMillis(1), took_ms: 1 };
        Remembered { outcome, since: UnixMillis(1), passed_at: None }
    }

    #[test]
    fn what_was_never_looked_at_stands_in_the_way_as_what_failed_does() {
        let blocking: Vec<Check> = Check::ALL.into_iter().filter(|check| check.blocks_activation()).collect();
        assert_eq!(obstacles(&[]), blocking);
        let fine = |check: &Check| remembered(*check, Verdict::Found(Finding::Untold));
        let mut known: Vec<Remembered> = blocking.iter().map(fine).collect();
        assert!(obstacles(&known).is_empty(), "cannot tell is no reason to stop");
        known.push(remembered(Check::InDialback, Verdict::Found(Finding::DialbackSilent)));
        assert!(obstacles(&known).is_empty(), "machines of the same network need no way in");
        known[0] = remembered(Check::LanLink, Verdict::Found(Finding::LinkDown));
        known[1] = remembered(Check::LanAddress, Verdict::Skipped { because: Check::LanLink });
        assert_eq!(obstacles(&known), [Check::LanLink, Check::LanAddress]);
        let undone = remembered(Check::SiteLine, Verdict::Found(Finding::QuestionOpen));
        assert_eq!(
            obstacles(
                &blocking
                    .iter()
                    .map(fine)
                    .chain([])
                    .map(|known| { if known.outcome.check == Check::SiteLine { undone.clone() } else { known } })
                    .collect::<Vec<_>>()
            ),
            [Check::SiteLine],
            "a warning by itself, and to be done all the same"
        );
    }
}
