//! What a scenario may find. A healthy product gives none; each planted bug has to give one.

use std::fmt;

use harness::TestBox;

/// A promise that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An acknowledged snapshot is not listed any more, or does not restore as it was.
    Loss,
    /// A snapshot is listed that is none of the trees that were backed up.
    HalfWritten,
    /// `datisd verify` finds damage.
    Damage,
    /// The box does not come back by itself, or not in time.
    NotBack,
    /// A backup or another command fails although nothing is in its way.
    Refusal,
    /// An enrolment that was confirmed is forgotten.
    LostMachine,
}

/// What was found, and where.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) broken: Broken,
    told: String,
}

impl Finding {
    pub(crate) fn new(broken: Broken, told: impl fmt::Display) -> Self {
        Self { broken, told: told.to_string() }
    }

    /// What it is, without the box's log.
    pub(crate) fn first_line(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }

    /// Adds when it was found, and what the box said last.
    pub(crate) fn at(mut self, cycle: u32, test_box: &TestBox) -> Self {
        let log = test_box.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(60)..].join("\n");
        self.told = format!("{}\nin cycle {cycle}; the box's last log lines:\n{last}", self.told);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.broken, self.told)
    }
}

/// How a part of a scenario ended.
pub(crate) type Outcome<T = ()> = Result<T, Finding>;
