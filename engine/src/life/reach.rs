//! Whether a box is reached from outside, by what members found that it asked to dial it.
//!
//! | state | comes from | by |
//! |---|---|---|
//! | not known | | the start |
//! | reachable | not known, not reachable | two rounds in a row in which all who dialled reached it |
//! | not reachable | not known, reachable | two rounds in a row in which nobody who dialled reached it |
//!
//! A round in which members differ, or too few answer, says nothing and begins the count anew: a state that flaps helps nobody.
//! Source: mutual-backup 4.12.

use super::peer::ROUNDS_TO_CHANGE;

/// How many members are asked in a round, and have to agree; in a smaller community all that can be asked.
pub const DIALLERS: usize = 3;

/// Whether others reach the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reach {
    /// Too little was heard.
    #[default]
    NotKnown,
    /// They do.
    Reachable,
    /// They do not.
    NotReachable,
}

impl Reach {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotKnown => "not known",
            Self::Reachable => "reachable",
            Self::NotReachable => "not reachable",
        }
    }
}

/// What one round has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Votes {
    /// Members that could be asked.
    pub askable: usize,
    /// Members that dialled and reached the box.
    pub reached: usize,
    /// Members that dialled in vain.
    pub missed: usize,
}

impl Votes {
    /// What the round says, if anything.
    #[must_use]
    pub fn verdict(self) -> Reach {
        let needed = self.askable.clamp(1, DIALLERS);
        if self.reached >= needed && self.missed == 0 {
            Reach::Reachable
        } else if self.missed >= needed && self.reached == 0 {
            Reach::NotReachable
        } else {
            Reach::NotKnown
        }
    }
}

/// The state, and what the last rounds have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reachability {
    state: Reach,
    said: Reach,
    rounds: u8,
}

impl Reachability {
    /// The state.
    #[must_use]
    pub const fn state(&self) -> Reach {
        self.state
    }

    /// What the last round said, and how many in a row have said it.
    #[must_use]
    pub const fn said(&self) -> (Reach, u8) {
        (self.said, self.rounds)
    }

    /// A round is over. What the state was, if it is another one now.
    pub fn round(&mut self, votes: Votes) -> Option<Reach> {
        let verdict = votes.verdict();
        self.rounds = if verdict == self.said { self.rounds.saturating_add(1) } else { 1 };
        self.said = verdict;
        let is_settled = self.rounds >= ROUNDS_TO_CHANGE && verdict != Reach::NotKnown && verdict != self.state;
        is_settled.then(|| std::mem::replace(&mut self.state, verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Votes = Votes { askable: 5, reached: 3, missed: 0 };
    const NO: Votes = Votes { askable: 5, reached: 0, missed: 3 };

    #[test]
    fn all_three_have_to_agree_or_all_that_there_are() {
        let votes = |askable, reached, missed| Votes { askable, reached, missed }.verdict();
        for (said, expected) in [
            (votes(5, 3, 0), Reach::Reachable),
            (votes(5, 2, 1), Reach::NotKnown),
            (votes(5, 2, 0), Reach::NotKnown),
            (votes(5, 0, 3), Reach::NotReachable),
            (votes(5, 0, 2), Reach::NotKnown),
            (votes(5, 1, 3), Reach::NotKnown),
            (votes(2, 2, 0), Reach::Reachable),
            (votes(1, 0, 1), Reach::NotReachable),
            (votes(1, 1, 0), Reach::Reachable),
            (votes(0, 0, 0), Reach::NotKnown),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn it_takes_two_rounds_in_a_row_to_change_and_flapping_changes_nothing() {
        let mut reach = Reachability::default();
        assert_eq!((reach.round(YES), reach.state()), (None, Reach::NotKnown));
        assert_eq!((reach.round(YES), reach.state()), (Some(Reach::NotKnown), Reach::Reachable));
        for votes in [NO, YES, NO, Votes::default(), NO, YES] {
            assert_eq!((reach.round(votes), reach.state()), (None, Reach::Reachable), "{votes:?}");
        }
        assert_eq!(reach.round(NO), None);
        assert_eq!((reach.round(NO), reach.state()), (Some(Reach::Reachable), Reach::NotReachable));
        assert_eq!((reach.round(Votes::default()), reach.state()), (None, Reach::NotReachable));
        assert_eq!(
            (reach.round(Votes::default()), reach.state()),
            (None, Reach::NotReachable),
            "nothing heard is no news"
        );
        assert_eq!(reach.said(), (Reach::NotKnown, 2));
    }
}
