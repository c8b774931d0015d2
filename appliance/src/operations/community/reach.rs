//! Whether others reach this box, as far as it outlives a restart: that somebody has to know when it gets worse.

use datis_engine::life::reach::Reach;
use datis_engine::units::UnixMillis;

use super::super::{OperationError, Site};
use crate::catalog::{CatalogError, community as catalog};

/// Writes down what the members have found. Too little heard is no news.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn note_reach(site: &Site, reach: Reach) -> Result<(), OperationError> {
    let now = site.clock.now();
    let noted = site.catalog.writer().write(|tx| match reach {
        Reach::Reachable => catalog::reached(tx, now),
        Reach::NotReachable => catalog::lost_reach(tx, now),
        Reach::NotKnown => Ok(()),
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Since when others do not reach this box that they have reached before. A box that nobody ever reached has lost nothing.
///
/// # Errors
/// [`OperationError`].
pub fn reach_lost_at(site: &Site) -> Result<Option<UnixMillis>, OperationError> {
    Ok(site.catalog.reader().read(|tx| catalog::reach_lost_at(tx))?)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::TestBox;
    use super::*;

    #[test]
    fn only_who_was_reached_can_lose_it_and_a_restart_forgets_nothing() {
        let test = TestBox::start();
        let site = test.site();
        let lost = || reach_lost_at(site).expect("read");
        note_reach(site, Reach::NotReachable).expect("note");
        assert_eq!(lost(), None, "nobody ever reached it");
        note_reach(site, Reach::Reachable).expect("note");
        assert_eq!(lost(), None);
        note_reach(site, Reach::NotReachable).expect("note");
        let since = lost().expect("lost");
        note_reach(site, Reach::NotKnown).expect("note");
        note_reach(site, Reach::NotReachable).expect("note");
        assert_eq!(lost(), Some(since), "the first time counts");
        note_reach(site, Reach::Reachable).expect("note");
        assert_eq!(lost(), None);
    }
}
