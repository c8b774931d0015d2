//! What earlier runs found: kept in the catalog as words, read back as far as this version still knows them.

use super::catalogue::{Check, Finding};
use super::outcome::{Fact, Outcome, Verdict};
use crate::operations::{self, CheckOutcome, KnownOutcome, OperationError, Site};
use datis_engine::units::UnixMillis;

/// An outcome, and what was before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The last outcome.
    pub outcome: Outcome,
    /// From when on the check has been in this state.
    pub since: UnixMillis,
    /// When it last passed; `None` if it never did.
    pub passed_at: Option<UnixMillis>,
}

/// What the last runs found, in the order of [`Check::ALL`].
///
/// # Errors
/// [`OperationError`].
pub fn remembered(site: &Site) -> Result<Vec<Remembered>, OperationError> {
    let mut all: Vec<Remembered> =
        operations::known_outcomes(site)?.into_iter().filter_map(|known| read(&known)).collect();
    all.sort_by_key(|remembered| remembered.outcome.check);
    Ok(all)
}

pub(super) fn keep(site: &Site, outcomes: &[Outcome]) -> Result<(), OperationError> {
    let written: Vec<CheckOutcome> = outcomes.iter().map(write).collect();
    operations::keep_outcomes(site, &written)
}

fn write(outcome: &Outcome) -> CheckOutcome {
    let (finding, because) = match outcome.verdict {
        Verdict::Found(finding) => (Some(finding.word().to_owned()), None),
        Verdict::Skipped { because } => (None, Some(because.word().to_owned())),
    };
    CheckOutcome {
        check: outcome.check.word().to_owned(),
        state: outcome.state(),
        finding,
        because,
        facts: serde_json::json!(outcome.facts).to_string(),
        started_at: outcome.started_at,
        took_ms: outcome.took_ms,
    }
}

/// `None` for what another version of the program has found and this one has no words for: the next run says it anew.
fn read(known: &KnownOutcome) -> Option<Remembered> {
    let KnownOutcome { outcome, since, passed_at } = known;
    let verdict = match (&outcome.finding, &outcome.because) {
        (Some(word), _) => Verdict::Found(*Finding::ALL.iter().find(|finding| finding.word() == word)?),
        (None, Some(word)) => Verdict::Skipped { because: word.parse().ok()? },
        (None, None) => return None,
    };
    let check: Check = outcome.check.parse().ok()?;
    let facts: Vec<Fact> = serde_json::from_str(&outcome.facts).ok()?;
    let outcome = Outcome { check, verdict, facts, started_at: outcome.started_at, took_ms: outcome.took_ms };
    Some(Remembered { outcome, since: *since, passed_at: *passed_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::TestBox;

    #[test]
    fn what_was_kept_is_remembered_in_order_and_word_for_word() {
        let test = TestBox::start();
        let outcome = |check, verdict, facts| Outcome { check, verdict, facts, started_at: UnixMillis(7), took_ms: 3 };
        let outcomes = [
            outcome(Check::WanGateway, Verdict::Skipped { because: Check::LanLink }, Vec::new()),
            outcome(
                Check::LanLink,
                Verdict::Found(Finding::LinkSlow),
                vec![
                    Fact::text("port", "eth0"),
                    Fact::number("speed", 100.0),
                    Fact::lines("addresses", vec!["a".to_owned()]),
                ],
            ),
        ];
        keep(test.site(), &outcomes).expect("keep");
        let found: Vec<Outcome> = remembered(test.site()).expect("read").into_iter().map(|r| r.outcome).collect();
        let [gateway, link] = outcomes;
        assert_eq!(found, [link, gateway]);
    }

    #[test]
    fn words_of_another_version_are_passed_over() {
        let known = |check: &str, finding: &str, facts: &str| KnownOutcome {
            outcome: CheckOutcome {
                check: check.to_owned(),
                state: super::super::catalogue::CheckState::Fail,
                finding: Some(finding.to_owned()),
                because: None,
                facts: facts.to_owned(),
                started_at: UnixMillis(1),
                took_ms: 1,
            },
            since: UnixMillis(1),
            passed_at: None,
        };
        assert!(read(&known("lan.link", "link-down", "[]")).is_some());
        for (check, finding, facts) in
            [("lan.nothing", "link-down", "[]"), ("lan.link", "link-lost", "[]"), ("lan.link", "link-down", "{")]
        {
            assert_eq!(read(&known(check, finding, facts)), None, "{check} {finding} {facts}");
        }
    }
}
