//! Changes to the computer under the box, which need a privilege that the daemon must not have: asked of the helper
//! `datis-hand`, a program that does these few things and nothing else.
//!
//! The helper reads one order and writes its answer, each a line of JSON. Under systemd it stands behind a socket and is
//! started for each order; where there is no such socket, the daemon starts the helper that lies beside it, which works
//! for root. An order to try an address keeps the line open: the helper puts the address on, waits for the word to keep it,
//! and takes it back when the word does not come in time or the daemon goes away. The journal of the try is on disk before
//! anything is changed, and what is tried is kept where a restart of the computer forgets it (decision 0021).

pub mod addressing;
mod helper;
mod journal;
mod manager;
mod networkd;
mod profiles;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::helpers::HelperError;
use crate::helpers::{Helper, Line};
pub use crate::probe::PortName;
use addressing::Addressing;
pub use helper::main;
pub use manager::Manager;

const HELPER: Helper = Helper { program: "datis-hand", socket: "/run/datis-hand.sock" };
/// Managers of networks are given less than this by the helper.
const PATIENCE: Duration = Duration::from_secs(60);
/// The word that keeps what is tried.
const KEEP: &str = "keep";

/// What the helper can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Say who manages the addresses of this port.
    Look {
        /// On which port.
        port: PortName,
    },
    /// Try this, for so long.
    Try {
        /// On which port.
        port: PortName,
        /// What.
        wanted: Addressing,
        /// Until it is taken back.
        seconds: TrialSeconds,
    },
    /// Take back what was being tried when a helper or the computer stopped.
    Settle,
    /// Start the computer again, or switch it off.
    Power {
        /// Which.
        switch: Switch,
    },
}

/// What becomes of the computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It starts again.
    Restart,
    /// It stays off until somebody switches it on.
    Off,
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Who manages the port; `None`: nobody that the helper can speak to.
    Managed {
        /// Its name.
        by: Option<Manager>,
    },
    /// It will be tried after a moment, so that this answer still gets through.
    Trying,
    /// It is on, and its time begins. What is said before this does not keep it.
    On,
    /// It was kept.
    Kept,
    /// It was taken back, and all is as before.
    TakenBack,
    /// It was taken back, but what was there before does not come up.
    Down {
        /// Why.
        reason: String,
    },
    /// There was nothing to take back.
    Nothing,
    /// The computer was told.
    Told,
    /// It could not be taken back. Whoever comes next tries again.
    Stuck {
        /// Why.
        reason: String,
    },
    /// It could not be done; nothing is changed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// For how long something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct TrialSeconds(u16);

impl TrialSeconds {
    /// The usual time.
    pub const USUAL: Self = Self(60);

    /// As a number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// As a time.
    #[must_use]
    pub fn time(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl TryFrom<u16> for TrialSeconds {
    type Error = String;

    fn try_from(seconds: u16) -> Result<Self, String> {
        if (5..=600).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} is no time to try a network: from 5 to 600 seconds"))
        }
    }
}

impl From<TrialSeconds> for u16 {
    fn from(seconds: TrialSeconds) -> Self {
        seconds.0
    }
}

/// Gives an order and waits for its answer.
///
/// # Errors
/// [`HelperError`].
pub fn tell(order: &Order) -> Result<Answer, HelperError> {
    let line = Line::open(&HELPER)?;
    line.say(order)?;
    line.finish();
    hear(&line, PATIENCE)
}

/// An address that is being tried. It is taken back when this is dropped.
#[derive(Debug)]
pub struct Trial {
    line: Line,
    time: Duration,
}

/// Begins to try an address.
///
/// # Errors
/// [`HelperError`]; nothing is changed then.
pub fn begin(port: PortName, wanted: Addressing, seconds: TrialSeconds) -> Result<Trial, HelperError> {
    let line = Line::open(&HELPER)?;
    line.say(&Order::Try { port, wanted, seconds })?;
    match hear(&line, PATIENCE)? {
        Answer::Trying => Ok(Trial { line, time: seconds.time() }),
        _ => Err(strange()),
    }
}

fn hear(line: &Line, patience: Duration) -> Result<Answer, HelperError> {
    match line.hear(patience)? {
        Answer::Failed { reason } => Err(HELPER.failed(reason)),
        answer => Ok(answer),
    }
}

/// The helper's answer is none to what it was told.
#[must_use]
pub const fn strange() -> HelperError {
    HELPER.strange()
}

impl Trial {
    /// Says that it is to be kept; [`Trial::next`] tells whether it was.
    ///
    /// # Errors
    /// [`HelperError::Silent`].
    pub fn keep(&self) -> Result<(), HelperError> {
        self.line.write(format!("{KEEP}\n").as_bytes())
    }

    /// Says that it is to be taken back now.
    pub fn take_back(&self) {
        self.line.finish();
    }

    /// Waits for what comes next: [`Answer::On`], and the end: [`Answer::Kept`], [`Answer::TakenBack`],
    /// [`Answer::Down`] or [`Answer::Stuck`].
    ///
    /// # Errors
    /// [`HelperError::Failed`]: it could not be put on or kept, and all is as before. Others: nobody knows.
    pub fn next(&self) -> Result<Answer, HelperError> {
        hear(&self.line, self.time + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_back_and_everything_in_them_is_checked_again() {
        let port = PortName::try_from("eth0".to_owned()).expect("a name");
        let fixed = addressing::Fixed::parse("192.168.7.9/24", "192.168.7.1", "192.168.7.1, 9.9.9.9").expect("fixed");
        let order = Order::Try { port, wanted: Addressing::Fixed(fixed), seconds: TrialSeconds::USUAL };
        let text = serde_json::to_string(&order).expect("encode");
        assert_eq!(serde_json::from_str::<Order>(&text).expect("decode"), order);
        for (from, to) in [
            ("eth0", "../eth0"),
            ("192.168.7.9", "192.168.7.255"),
            ("\"192.168.7.1\",\"names\"", "\"192.168.8.1\",\"names\""),
            ("24", "40"),
            ("60", "0"),
            ("seconds", "second"),
        ] {
            let bad = text.replace(from, to);
            assert_ne!(bad, text, "{from}");
            assert!(serde_json::from_str::<Order>(&bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Order>(r#"{"do":"power","switch":"explode"}"#).is_err());
    }
}
