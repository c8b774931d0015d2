//! What there is to say about the box at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use datis_engine::ids::MachineId;
use datis_engine::units::UnixMillis;

use super::health::Health;
use crate::commissioning::{self, CheckState, Remembered};
use crate::locale::Locale;
use crate::operations::browse::{self, BrowseError, Proof, Scope};
use crate::operations::community::{Community, KitUse, Worry, kit_use, reach_lost_at, worries};
use crate::operations::{self, Alert, Machine, MachineStatus, OperationError, Site, Status};

/// The company's certificate is asked for again so many days before it ends.
const CERTIFICATE_DAYS: i64 = 21;

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
    /// The last proof of restoring of each machine that has one.
    pub(crate) proofs: Vec<(MachineId, Proof)>,
    /// Those that are open, the oldest first.
    pub(crate) alerts: Vec<Alert>,
    /// Who belongs to the community of the box, and ever has; `None`: it is in none.
    pub(super) community: Option<Arc<Community>>,
    /// What goes wrong between this box and others.
    pub(crate) worries: Vec<Worry>,
    /// Whether the recovery kit should be printed again.
    pub(crate) is_kit_old: bool,
    /// That somebody has shown the kit of this box to others lately.
    pub(crate) kit_use: Option<KitUse>,
    /// Whether other boxes have reached this one, and do not any more.
    pub(crate) is_reach_lost: bool,
    /// When the company's own certificate ends, if there is one.
    certificate_ends: Option<UnixMillis>,
}

impl Standing {
    /// Blocks on the catalog.
    pub(crate) fn look(site: &Site) -> Result<Self, OperationError> {
        Ok(Self {
            status: operations::status(site)?,
            machines: operations::list_machines(site)?,
            checks: commissioning::remembered(site)?,
            proofs: browse::last_proofs(site, &Scope::All).map_err(fault)?,
            alerts: operations::open_alerts(site)?,
            community: site.community(),
            worries: worries(site)?,
            is_kit_old: operations::is_kit_old(site)?,
            kit_use: kit_use(site)?,
            is_reach_lost: reach_lost_at(site)?.is_some(),
            certificate_ends: operations::own_certificate_end(site)?,
        })
    }

    /// The same, with the alerts as they are now.
    pub(crate) fn with_alerts_of_now(self, site: &Site) -> Result<Self, OperationError> {
        Ok(Self { alerts: operations::open_alerts(site)?, ..self })
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
        if whole_box && let Some(days) = self.certificate_days() {
            match days {
                ..=0 => say(Tone::Bad, "notice-certificate-over", None, Some(About::Box)),
                1..=CERTIFICATE_DAYS => {
                    say(Tone::Warn, "notice-certificate-ends", Some(days.unsigned_abs()), Some(About::Box));
                }
                _ => {}
            }
        }
        for (health, key) in [(Health::Late, "notice-late"), (Health::Incomplete, "notice-incomplete")] {
            let count = healths.iter().filter(|h| **h == health).count() as u64;
            if count > 0 {
                say(Tone::Warn, key, Some(count), Some(About::Machines));
            }
        }
        let paused = healths.iter().filter(|health| **health == Health::Paused).count() as u64;
        if paused > 0 {
            say(Tone::Plain, "notice-paused", Some(paused), Some(About::Machines));
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

    /// Days until the company's certificate ends, rounded up; none or less when it is over.
    fn certificate_days(&self) -> Option<i64> {
        let left = self.certificate_ends?.0.saturating_sub(self.status.now);
        Some(left.div_euclid(86_400_000) + i64::from(left.rem_euclid(86_400_000) > 0))
    }

    /// Whether somebody has to bring another certificate.
    pub(crate) fn is_certificate_ending(&self) -> bool {
        self.certificate_days().is_some_and(|days| days <= CERTIFICATE_DAYS)
    }

    /// Backups are refused at 2 %; this leaves time to act.
    pub(crate) fn is_disk_low(&self) -> bool {
        self.is_free_below(20)
    }

    pub(super) fn is_disk_full(&self) -> bool {
        self.is_free_below(50)
    }

    fn is_free_below(&self, part: u64) -> bool {
        let disk = self.status.disk_free_bytes.zip(self.status.disk_total_bytes);
        disk.is_some_and(|(free, total)| free < total / part)
    }
}

/// Why nothing can be said of proofs.
fn fault(error: BrowseError) -> OperationError {
    match error {
        BrowseError::Fault(error) | BrowseError::Unreadable(error) => error,
        other @ (BrowseError::NotFound | BrowseError::NoFile { .. } | BrowseError::Sink(_)) => {
            OperationError::Words(other.to_string())
        }
    }
}
