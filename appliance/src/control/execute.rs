//! Runs a command on an open site.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use datis_engine::enrolment::EnrolmentUri;
use datis_engine::format::kit::RecoveryKit;
use datis_engine::ids::{MachineName, Profile};

use super::address::Address;
use super::command::{Answer, AuthCommand, Command, Failed, FailedKind, Outcome};
use super::{bandwidth, bundle, community, network, people, show};
use crate::certs::Certs;
use crate::commissioning::{self, Surroundings};
use crate::config::{BundleConfig, CommissioningConfig, DataDir};
use crate::host::Host;
use crate::locale::{Language, Locale};
use crate::operations::accounts::{self, AccountError, Actor, Secret};
use crate::operations::{self, OperationError, PolicyChange, Progress, PruneOptions, Site};
use crate::partner::Door;
use crate::peers::Peers;
use crate::recovery::{DrillError, drill};
use crate::sheets::{self, Whereabouts};
use crate::vault::VaultError;

/// What only the running daemon knows, for `status`: an object of further fields.
pub(crate) type Look = dyn Fn() -> serde_json::Value + Send + Sync;

/// What commands work on.
pub(crate) struct Desk {
    pub(crate) dir: DataDir,
    pub(crate) site: Arc<Site>,
    pub(crate) certs: Arc<Certs>,
    /// Where machines find the box, unless the one who asks for a code says otherwise.
    pub(crate) host: String,
    /// The machine port; `None` while no daemon runs and the port is chosen anew at each start.
    pub(crate) machine_port: Option<u16>,
    pub(crate) look: Arc<Look>,
    /// Where people find the portal, without a slash at its end.
    pub(crate) portal: String,
    /// How the site is checked.
    pub(crate) commissioning: CommissioningConfig,
    /// The machine port, for the checks that want to be dialled.
    pub(crate) door: Door,
    /// Whose bundles are believed, and where one is asked for.
    pub(crate) bundle: BundleConfig,
    /// The computer under it; `None` while no daemon runs.
    pub(crate) computer: Option<Arc<Host>>,
    /// The other boxes; `None` while no daemon runs.
    pub(crate) peers: Option<Arc<Peers>>,
}

/// Passes on how far a long operation is, once a second, so that neither the socket nor the reader is flooded.
pub(crate) struct Paced<'p> {
    progress: &'p mut dyn FnMut(&str),
    heard: Instant,
}

impl<'p> Paced<'p> {
    pub(crate) fn new(progress: &'p mut dyn FnMut(&str)) -> Self {
        Self { progress, heard: Instant::now() }
    }

    pub(crate) fn hear(&mut self, at: &Progress) {
        if self.heard.elapsed() >= Duration::from_secs(1) {
            self.heard = Instant::now();
            (self.progress)(&show::progress(at));
        }
    }
}

impl From<OperationError> for Failed {
    fn from(error: OperationError) -> Self {
        let kind = match &error {
            OperationError::Brake { .. } | OperationError::CatalogBehind { .. } | OperationError::ComingBack { .. } => {
                FailedKind::Brake
            }
            other if other.is_durability() => FailedKind::Durability,
            _ => FailedKind::Failed,
        };
        Self { sentence: show::with_causes(&error), kind }
    }
}

impl From<DrillError> for Failed {
    fn from(error: DrillError) -> Self {
        let kind = match error {
            DrillError::OtherKit | DrillError::Running => FailedKind::Failed,
            _ => FailedKind::Brake,
        };
        Self { sentence: show::with_causes(&error), kind }
    }
}

impl From<AccountError> for Failed {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Operation(error) => error.into(),
            refused => Self { sentence: show::with_causes(&refused), kind: FailedKind::Failed },
        }
    }
}

impl From<VaultError> for Failed {
    fn from(error: VaultError) -> Self {
        Self { sentence: show::with_causes(&error), kind: FailedKind::Failed }
    }
}

impl Desk {
    /// Runs `command`; `progress` hears of long ones.
    ///
    /// # Errors
    /// [`Failed`] says why in one sentence.
    pub(crate) fn execute(&self, command: &Command, progress: &mut dyn FnMut(&str)) -> Result<Answer, Failed> {
        let site = &*self.site;
        match command {
            Command::Status => Ok(show::status(&operations::status(site)?, (self.look)())),
            Command::EnrolCode { machine, profile, address } => self.enrol_code(machine, *profile, address.as_ref()),
            Command::Verify { sample } => {
                let mut paced = Paced::new(progress);
                Ok(show::verify(&operations::verify(site, *sample, &mut |at| paced.hear(&at))?))
            }
            Command::Prune { dry_run, force, grace } => {
                let usual = PruneOptions::default();
                let grace = grace.unwrap_or(usual.grace);
                let options = PruneOptions { dry_run: *dry_run, force: *force, grace, ..usual };
                Ok(show::prune(&operations::prune(site, &options)?))
            }
            Command::Commission { only } => {
                let locale = Locale::open(Language::English)
                    .map_err(|e| Failed { sentence: e.to_string(), kind: FailedKind::Failed })?;
                let around = Surroundings::look(site, &self.commissioning).with_door(&self.door);
                let outcomes = commissioning::commission(&around, only, &mut |outcome| {
                    progress(&show::outcome_line(outcome, &locale));
                })?;
                Ok(show::commission(&outcomes, &locale))
            }
            Command::Sheet { sheet, language } => {
                let failed = |sentence: String| Failed { sentence, kind: FailedKind::Failed };
                let locale = Locale::open(*language).map_err(|e| failed(e.to_string()))?;
                let place =
                    Whereabouts { host: &self.host, url: &self.portal, door: &self.door, config: &self.commissioning };
                let pdf = sheets::print(*sheet, site, &place, &locale).map_err(|e| failed(show::with_causes(&e)))?;
                let json = BASE64.encode(&pdf).into();
                Ok(Answer { text: String::new(), json, outcome: Outcome::Done })
            }
            Command::Kit { sheets, paper } => self.hand_out_kit(*sheets, paper.as_deref()),
            Command::Drill { kit } => {
                let kit = match kit {
                    Some(text) => RecoveryKit::parse(text).map_err(VaultError::from)?,
                    None => self.kit(None)?,
                };
                Ok(show::drilled(&drill(&self.site, &self.dir, kit, &mut |line| progress(&line))?))
            }
            Command::Policy { new: Some(profile), every, local, external, .. } => {
                let change = PolicyChange { every: *every, local: local.clone(), external: external.clone() };
                self.default_policy(*profile, &change)
            }
            Command::Policy { machine: None, .. } => {
                let machines = operations::list_machines(site)?;
                Ok(show::policies(machines.iter().map(|m| (&m.name, &m.policy))))
            }
            Command::Policy { machine: Some(name), every, local, external, .. } => {
                let change = PolicyChange { every: *every, local: local.clone(), external: external.clone() };
                self.policy(name, &change)
            }
            Command::Machines => Ok(show::machines(&operations::list_machines(site)?, site.clock.now())),
            Command::Network { what } => network::execute(self.computer.as_ref(), &self.portal, what),
            Command::Auth { what } => self.auth(what),
            Command::Bundle { what } => bundle::execute(self, what),
            Command::Community { what } => community::execute(self, what),
            Command::Bandwidth { what } => bandwidth::execute(site, what),
            Command::Pause { machine, length } => {
                let until = site.clock.now().plus(*length);
                operations::pause_machine(site, &Actor::console(), machine, until)?;
                let text = format!("Machine `{machine}` is paused for {length}; it goes on by itself afterwards.");
                let json = serde_json::json!({ "paused": machine.as_str(), "until": until.0 });
                Ok(Answer { text: format!("{text}\n"), json, outcome: Outcome::Done })
            }
            Command::Resume { machine } => {
                operations::resume_machine(site, &Actor::console(), machine)?;
                let text = format!("Machine `{machine}` is not paused.");
                let json = serde_json::json!({ "resumed": machine.as_str() });
                Ok(Answer { text: format!("{text}\n"), json, outcome: Outcome::Done })
            }
            Command::Retire { machine } => {
                operations::retire_machine(site, &Actor::console(), machine)?;
                let text = format!("Machine `{machine}` cannot come in any more. Its snapshots stay.");
                Ok(Answer {
                    text: format!("{text}\n"),
                    json: serde_json::json!({ "retired": machine.as_str() }),
                    outcome: Outcome::Done,
                })
            }
        }
    }

    /// The recovery kit with the other boxes as they are now: with the key that is on the box, or with that on `paper`.
    fn kit(&self, paper: Option<&str>) -> Result<RecoveryKit, Failed> {
        let community = operations::community::kit_community(&self.site)?;
        let vault = &self.site.vault;
        let kit = paper.map_or_else(|| vault.recovery_kit(&self.dir), |text| vault.kit_on_paper(text))?;
        Ok(RecoveryKit { community, ..kit })
    }

    fn hand_out_kit(&self, on_sheets: bool, paper: Option<&str>) -> Result<Answer, Failed> {
        let (site, by) = (&*self.site, Actor::console());
        let kit = self.kit(paper)?;
        if paper.is_some() {
            operations::note_kit_typed(site, &by)?;
        }
        if on_sheets {
            let sheets = kit.to_sheets(&sheets::day(site.clock.now())).map_err(VaultError::Make)?;
            operations::note_kit_sheets_shown(site, &by, &kit, sheets[0].share.set())?;
            return Ok(show::kit_sheets(&sheets));
        }
        operations::note_kit_shown(site, &by, &kit)?;
        Ok(show::kit(&kit))
    }

    fn auth(&self, what: &AuthCommand) -> Result<Answer, Failed> {
        let (site, by) = (&*self.site, Actor::console());
        Ok(match what {
            AuthCommand::List => people::list(&accounts::list_people(site, &by)?, site.clock.now()),
            AuthCommand::AdminLink => self.link(&accounts::admin_link(site, &by)?),
            AuthCommand::Link { account } => self.link(&accounts::link_for(site, &by, account)?),
            AuthCommand::ResetSecondFactor { account } => {
                accounts::reset_second_factor(site, &by, account)?;
                people::second_factor_reset(account)
            }
            AuthCommand::Support { hours: Some(hours) } => self.link(&accounts::open_support(site, &by, *hours)?.0),
            AuthCommand::Support { hours: None } => people::support_closed(accounts::close_support(site, &by)?),
            AuthCommand::VerifyLog => people::log_verdict(accounts::verify_audit_log(site, &by)?),
        })
    }

    fn link(&self, link: &Secret) -> Answer {
        show::line(format!("{}/welcome/{}", self.portal, link.expose()))
    }

    fn enrol_code(&self, machine: &MachineName, profile: Profile, address: Option<&Address>) -> Result<Answer, Failed> {
        let port = address.and_then(|a| a.port).or(self.machine_port).ok_or_else(|| Failed {
            sentence: "the machine port is chosen when the daemon starts; start it first, or name the port with \
                       `--address HOST:PORT`"
                .to_owned(),
            kind: FailedKind::Failed,
        })?;
        let host = address.map_or_else(|| self.host.clone(), |a| a.host.clone());
        let code = operations::create_enrolment_code(&self.site, &Actor::console(), machine, profile)?;
        Ok(show::line(EnrolmentUri { host, port, code, pin: self.certs.pin() }.to_string()))
    }

    fn policy(&self, name: &MachineName, change: &PolicyChange) -> Result<Answer, Failed> {
        let policy = if *change == PolicyChange::default() {
            operations::policy(&self.site, name)?
        } else {
            operations::set_policy(&self.site, &Actor::console(), name, change)?
        };
        Ok(show::policies(std::iter::once((name, &policy))))
    }

    fn default_policy(&self, profile: Profile, change: &PolicyChange) -> Result<Answer, Failed> {
        let policy = if *change == PolicyChange::default() {
            operations::default_policy(&self.site, profile)?
        } else {
            operations::set_default_policy(&self.site, &Actor::console(), profile, change)?
        };
        Ok(show::default_policy(profile, &policy))
    }

    /// Whether a daemon runs, which has read its configuration already.
    pub(super) fn is_running(&self) -> bool {
        self.computer.is_some()
    }
}
