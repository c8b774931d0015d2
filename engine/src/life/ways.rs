//! Which way to a member is tried first. The better way comes first, unless it failed a short time ago; then it comes last, until
//! it is worth another try. So a box that cannot be dialled costs nobody a wait, and one that can be again is found again.
//!
//! Source: mutual-backup 4.12.

use super::clock::since;
use crate::units::{Seconds, UnixMillis};

/// A way that failed is tried last for this long.
pub const WORSE_FOR: Seconds = Seconds(600);

/// How a member is reached, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// By dialling one of its addresses.
    Direct,
    /// On a connection that it has opened itself.
    Reverse,
    /// Through another member that both reach.
    Relay,
}

impl Way {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Reverse, Self::Relay];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Reverse => "reverse",
            Self::Relay => "relay",
        }
    }
}

/// What is remembered of the ways to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// When each failed, if it has not worked since.
    failed: [Option<UnixMillis>; Way::ALL.len()],
    /// The one that worked last.
    worked: Option<Way>,
}

impl Ways {
    /// All ways, in the order in which they are to be tried.
    #[must_use]
    pub fn order(&self, now: UnixMillis) -> [Way; 3] {
        let mut order = Way::ALL;
        // Stable: of equals the better one stays first.
        order.sort_by_key(|way| self.is_bad(*way, now));
        order
    }

    /// The way that worked last; `None`: none has yet, or that one failed since.
    #[must_use]
    pub fn worked(&self) -> Option<Way> {
        self.worked
    }

    /// A connection stands.
    pub fn works(&mut self, way: Way) {
        self.failed[way as usize] = None;
        self.worked = Some(way);
    }

    /// It did not come about.
    pub fn fails(&mut self, way: Way, now: UnixMillis) {
        self.failed[way as usize] = Some(now);
        if self.worked == Some(way) {
            self.worked = None;
        }
    }

    /// Whether a worse way is used, or none, and dialling is worth a try beside it: before it is due, so that nobody waits for it.
    #[must_use]
    pub fn is_direct_due(&self, now: UnixMillis) -> bool {
        let is_old = |failed| since(failed, now).0 >= WORSE_FOR.0 / 2;
        self.failed[Way::Direct as usize].is_some_and(is_old)
    }

    fn is_bad(&self, way: Way, now: UnixMillis) -> bool {
        self.failed[way as usize].is_some_and(|failed| since(failed, now) < WORSE_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_800_000_000_000).plus(Seconds(seconds))
    }

    #[test]
    fn the_better_way_comes_first_and_comes_back() {
        use Way::{Direct, Relay, Reverse};
        let mut ways = Ways::default();
        assert_eq!(ways.order(at(0)), [Direct, Reverse, Relay]);
        ways.fails(Direct, at(0));
        assert_eq!(ways.order(at(0)), [Reverse, Relay, Direct], "what failed comes last, and is not given up");
        ways.fails(Reverse, at(1));
        assert_eq!(ways.order(at(1)), [Relay, Direct, Reverse]);
        ways.works(Relay);
        assert_eq!(ways.worked(), Some(Relay));
        assert!(!ways.is_direct_due(at(299)) && ways.is_direct_due(at(300)), "looked for before somebody waits for it");
        assert_eq!(ways.order(at(599)), [Relay, Direct, Reverse]);
        assert_eq!(ways.order(at(601)), [Direct, Reverse, Relay]);
        ways.works(Direct);
        assert_eq!((ways.worked(), ways.is_direct_due(at(9_999))), (Some(Direct), false));
        ways.fails(Direct, at(700));
        assert_eq!(ways.worked(), None);
    }
}
