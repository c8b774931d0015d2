//! What commissioning found is kept, so that the portal shows it and a later run sees what has become worse.

use super::OperationError;
use super::site::Site;
use crate::catalog::CatalogError;
use crate::catalog::checks::{self, CheckOutcome, KnownOutcome};

/// Keeps what a run found, in place of what the run before did.
///
/// # Errors
/// [`OperationError`]; nothing is kept then.
pub fn keep_outcomes(site: &Site, outcomes: &[CheckOutcome]) -> Result<(), OperationError> {
    let kept = site.catalog.writer().write(|tx| outcomes.iter().try_for_each(|outcome| checks::keep(tx, outcome)));
    kept.map_err(|e: CatalogError| site.noted(e.into()))
}

/// The last outcome of every check that was ever made, in no order.
///
/// # Errors
/// [`OperationError`].
pub fn known_outcomes(site: &Site) -> Result<Vec<KnownOutcome>, OperationError> {
    Ok(site.catalog.reader().read(|tx| checks::all(tx))?)
}

#[cfg(test)]
mod tests {
    use datis_engine::units::UnixMillis;

    use super::super::testing::TestBox;
    use super::*;
    use crate::catalog::checks::CheckState;

    #[test]
    fn what_was_found_is_kept_with_since_when_it_is_so() {
        let test = TestBox::start();
        let site = test.site();
        let outcome = |state: CheckState, at, facts: &str| CheckOutcome {
            check: "lan.link".to_owned(),
            state,
            finding: (state != CheckState::Skip).then(|| "found".to_owned()),
            because: (state == CheckState::Skip).then(|| "cause".to_owned()),
            facts: facts.to_owned(),
            started_at: UnixMillis(at),
            took_ms: 3,
        };
        let times = |at, state| {
            let facts = if state == CheckState::Skip { "[]" } else { "[1]" };
            keep_outcomes(site, &[outcome(state, at, facts)]).expect("keep");
            let known = known_outcomes(site).expect("read");
            assert_eq!(known.len(), 1);
            // What was skipped keeps what it saw before.
            assert_eq!(known[0].outcome, outcome(state, at, "[1]"));
            (known[0].since.0, known[0].passed_at.map(|at| at.0))
        };
        assert_eq!(times(1, CheckState::Fail), (1, None));
        assert_eq!(times(2, CheckState::Fail), (1, None));
        assert_eq!(times(3, CheckState::Pass), (3, Some(3)));
        assert_eq!(times(4, CheckState::Pass), (3, Some(4)));
        assert_eq!(times(5, CheckState::Skip), (5, Some(4)));
        assert_eq!(times(6, CheckState::Fail), (6, Some(4)));
    }
}
