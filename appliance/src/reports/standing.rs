//! What there is to say about the box at one moment.

use std::collections::HashMap;

use super::health::Health;
use crate::commissioning::{self, CheckState, Remembered};
use crate::locale::Locale;
use crate::operations::{self, Machine, MachineStatus, OperationError, Site, Status};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    Good,
    /// Neither good nor bad: something is not there yet.
    Plain,
    Warn,
    Bad,
}

impl Tone {
    /// Style class.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// Where to look further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Machines,
    Site,
    Box,
}

/// One sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) tone: Tone,
    key: &'static str,
    count: Option<u64>,
    pub(crate) about: Option<About>,
}

impl Notice {
    pub(crate) fn text(&self, locale: &Locale) -> String {
        self.count.map_or_else(|| locale.word(self.key), |n| locale.count(self.key, n))
    }
}

/// The box at one moment.
pub(crate) struct Standing {
    pub(crate) status: Status,
    pub(crate) machines: Vec<Machine>,
    pub(crate) checks: Vec<Remembered>,
}

impl Standing {
    /// Blocks on the catalog.
    pub(crate) fn look(site: &Site) -> Result<Self, OperationError> {
        Ok(Self {
            status: operations::status(site)?,
            machines: operations::list_machines(site)?,
            checks: commissioning::remembered(site)?,
        })
    }

    /// Each machine with how it is.
    pub(crate) fn machines_by_health(&self) -> impl Iterator<Item = (Health, &Machine, &MachineStatus)> {
        let by_id: HashMap<String, &Machine> = self.machines.iter().map(|m| (m.id.to_string(), m)).collect();
        self.status.machines.iter().filter_map(move |status| {
            let machine = by_id.get(&status.id)?;
            Some((Health::of(machine, status, self.status.now), *machine, status))
        })
    }

    /// What needs somebody, the worst first; one that says that all is well when nothing does. `healths`: of the machines
    /// that the reader may see. `whole_box`: whether the reader looks after more than those.
    pub(crate) fn notices(&self, healths: &[Health], whole_box: bool) -> Vec<Notice> {
        let status = &self.status;
        let mut all = Vec::new();
        let mut say = |tone, key, count, about| all.push(Notice { tone, key, count, about });
        if status.poisoned.is_some() {
            say(Tone::Bad, "notice-must-restart", None, None);
        }
        if whole_box && status.damaged.packs > 0 {
            say(Tone::Bad, "notice-damaged", Some(status.damaged.packs), Some(About::Box));
        }
        let failed = self.failed_checks().count() as u64;
        if whole_box && failed > 0 {
            say(Tone::Bad, "notice-site", Some(failed), Some(About::Site));
        }
        if whole_box && self.is_disk_low() {
            say(Tone::Warn, "notice-disk-low", None, None);
        }
        for (health, key) in [(Health::Late, "notice-late"), (Health::Incomplete, "notice-incomplete")] {
            let count = healths.iter().filter(|h| **h == health).count() as u64;
            if count > 0 {
                say(Tone::Warn, key, Some(count), Some(About::Machines));
            }
        }
        if healths.iter().all(|health| *health == Health::Retired) {
            let key = if whole_box { "notice-nobody" } else { "notice-no-machine" };
            say(Tone::Plain, key, None, None);
        } else if all.is_empty() {
            all.push(Notice { tone: Tone::Good, key: "notice-well", count: None, about: None });
        }
        all
    }

    pub(crate) fn failed_checks(&self) -> impl Iterator<Item = &Remembered> {
        self.checks.iter().filter(|check| check.outcome.state() == CheckState::Fail)
    }

    /// Backups are refused at 2 %; this leaves time to act.
    pub(crate) fn is_disk_low(&self) -> bool {
        matches!((self.status.disk_free_bytes, self.status.disk_total_bytes), (Some(free), Some(total)) if free < total / 20)
    }
}
