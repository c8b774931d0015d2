//! How the program ends: one number for each thing that a caller may want to tell apart.
//!
//! The numbers are part of the interface: scripts and schedulers act on them. A number that is not in this table means
//! failure. `docs/OPERATING.md` shows the same table.

use datis_engine::wire::RefusalCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// All of it was done.
    Complete,
    /// It failed; the message says why.
    Failed,
    /// The command line is wrong.
    Usage,
    /// It was done but for some entries; the message lists them.
    Incomplete,
    /// Not done now, will be done later; no command ends with it yet.
    Postponed,
    /// There is no enrolment in the state directory.
    NotEnrolled,
    /// Another run has the source or the state directory, or the box has too much to do just now.
    Busy,
    /// The box's key is another one, or the box does not accept this machine's certificate.
    KeyRefused,
    /// The box does not answer.
    Unreachable,
    /// The box has no room left.
    BoxFull,
    /// Ended by a signal.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Complete,
        Self::Failed,
        Self::Usage,
        Self::Incomplete,
        Self::Postponed,
        Self::NotEnrolled,
        Self::Busy,
        Self::KeyRefused,
        Self::Unreachable,
        Self::BoxFull,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Postponed => 4,
            Self::NotEnrolled => 10,
            Self::Busy => 11,
            Self::KeyRefused => 12,
            Self::Unreachable => 13,
            Self::BoxFull => 14,
            Self::Interrupted => 130,
        }
    }

    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::Postponed => "postponed",
            Self::NotEnrolled => "not-enrolled",
            Self::Busy => "busy",
            Self::KeyRefused => "key-refused",
            Self::Unreachable => "unreachable",
            Self::BoxFull => "box-full",
            Self::Interrupted => "interrupted",
        }
    }

    /// What a refusal of the box means for the command that met it.
    #[must_use]
    pub const fn of_refusal(code: RefusalCode) -> Self {
        match code {
            RefusalCode::NoCertificate
            | RefusalCode::UnknownMachine
            | RefusalCode::BadCode
            | RefusalCode::BadSignature => Self::KeyRefused,
            RefusalCode::Busy | RefusalCode::SessionTaken => Self::Busy,
            RefusalCode::Full => Self::BoxFull,
            RefusalCode::Stopping => Self::Unreachable,
            RefusalCode::Malformed
            | RefusalCode::TooLarge
            | RefusalCode::SessionUnknown
            | RefusalCode::Corrupt
            | RefusalCode::ChunksMissing
            | RefusalCode::NotFound
            | RefusalCode::Damaged
            | RefusalCode::Fault => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_a_number_of_its_own() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 130]);
    }
}
