//! Machines come in with a code, are asked to do what their policy says, and go when they are retired.

use datis_engine::enrolment::{CODE_VALID, EnrolmentCode};
use datis_engine::ids::{MachineId, MachineName, Profile};
use datis_engine::keys::{PublicKey, random_bytes};
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::{Heartbeat, Policy, Refusal, RefusalCode};

use super::accounts::{Action, Actor, Right, record};
use super::error::{Failure, OperationError};
use super::pauses::paused_until;
use super::site::Site;
use crate::catalog::CatalogError;
use crate::catalog::machines::{self, CodeGrant, Machine, MachinePolicy, MachineState, NewMachine};
use crate::catalog::putbacks;
use crate::plain::plain;

/// The longest client version that is kept, in characters.
const VERSION_MAX: usize = 64;

/// A change of a machine's policy; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// How often each source is backed up.
    pub every: Option<Seconds>,
    /// How long the box keeps snapshots.
    pub local: Option<RetentionPolicy>,
    /// How long peers keep them.
    pub external: Option<RetentionPolicy>,
}

/// A policy that somebody may choose without knowing how policies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionPreset {
    /// A week, for little room.
    Lean,
    /// A month: what machines start with.
    Month,
    /// A month in days, a quarter of a year in weeks.
    Quarter,
    /// Two years, in months.
    Years,
}

impl RetentionPreset {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Lean, Self::Month, Self::Quarter, Self::Years];

    /// The word for it in forms and tables of words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Years => "years",
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(self) -> RetentionPolicy {
        match self {
            Self::Lean => RetentionPolicy::lean(),
            Self::Month => RetentionPolicy::default_local(),
            Self::Quarter => RetentionPolicy::default_external(),
            Self::Years => RetentionPolicy::years(),
        }
    }

    /// The preset that is this policy.
    #[must_use]
    pub fn of(policy: &RetentionPolicy) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.policy() == *policy)
    }
}

/// What a machine begins with unless something else was set: servers every hour, workstations four times a day.
pub(super) fn usual_policy(profile: Profile) -> MachinePolicy {
    let every = match profile {
        Profile::Server => Seconds::HOUR,
        Profile::Desktop | Profile::Laptop => Seconds(6 * Seconds::HOUR.0),
    };
    MachinePolicy { every, local: RetentionPolicy::default_local(), external: RetentionPolicy::default_external() }
}

pub(super) fn new_machine(
    id: MachineId,
    name: MachineName,
    profile: Profile,
    public_key: PublicKey,
    created_at: UnixMillis,
) -> NewMachine {
    NewMachine { id, name, profile, public_key, state: MachineState::Active, policy: usual_policy(profile), created_at }
}

impl PolicyChange {
    /// The policy after it. A length of nothing changes nothing.
    pub(super) fn over(&self, before: MachinePolicy) -> MachinePolicy {
        MachinePolicy {
            every: self.every.filter(|every| every.0 > 0).unwrap_or(before.every),
            local: self.local.clone().unwrap_or(before.local),
            external: self.external.clone().unwrap_or(before.external),
        }
    }
}

/// Makes a code with which one machine can enrol, once and within an hour.
///
/// # Errors
/// [`OperationError::NameTaken`]; [`OperationError`].
pub fn create_enrolment_code(
    site: &Site,
    by: &Actor,
    name: &MachineName,
    profile: Profile,
) -> Result<EnrolmentCode, OperationError> {
    by.may(Right::EnrolMachines)?;
    let code = EnrolmentCode::generate()?;
    let now = site.clock.now();
    let grant = CodeGrant { machine_name: name.clone(), profile };
    let kept = site.catalog.writer().write(|tx| {
        if machines::active_by_name(tx, name)?.is_some() {
            return Err(OperationError::NameTaken { name: name.clone() });
        }
        machines::insert_code(tx, &code.digest(), &grant, now, now.plus(CODE_VALID))?;
        Ok(record(tx, site, by, Action::EnrolmentCode, name.as_str(), profile.word())?)
    });
    kept.map_err(|e| site.noted(e))?;
    Ok(code)
}

/// Enrols the machine that holds the private part of `key`. Whatever is wrong with the code, the answer is the same.
///
/// A machine that the box has seen before is the same machine again, with the name and profile of the code: its earlier
/// snapshots stay its own.
///
/// # Errors
/// [`RefusalCode::BadCode`]; [`Refusal`].
pub fn redeem_enrolment_code(site: &Site, code: &EnrolmentCode, key: PublicKey) -> Result<Machine, Refusal> {
    let refused = || {
        Failure::refuse(
            RefusalCode::BadCode,
            "the enrolment code is wrong, used or more than an hour old; ask the box's admin for a new one",
        )
    };
    let enrol = || -> Result<Machine, Failure> {
        let id = MachineId::from_bytes(random_bytes()?);
        let now = site.clock.now();
        site.catalog.writer().write(|tx| {
            let grant = machines::use_code(tx, &code.digest(), now)?.ok_or_else(refused)?;
            let known = machines::by_key(tx, &key)?.map(|machine| machine.row);
            let holder = machines::active_by_name(tx, &grant.machine_name)?.map(|machine| machine.row);
            if holder.is_some() && holder != known {
                return Err(refused());
            }
            let row = match known {
                Some(row) => machines::enrol_again(tx, row, &grant).map(|()| row)?,
                None => {
                    let policy = begins_with(tx, grant.profile)?;
                    let machine = new_machine(id, grant.machine_name, grant.profile, key, now);
                    machines::insert(tx, &NewMachine { policy, ..machine })?
                }
            };
            Ok(machines::by_row(tx, row)?)
        })
    };
    enrol().map_err(|failure| site.refusal(failure))
}

/// The active machine with this key.
///
/// # Errors
/// [`RefusalCode::UnknownMachine`]; [`Refusal`].
pub fn machine_by_key(site: &Site, key: &PublicKey) -> Result<Machine, Refusal> {
    let found = site.catalog.reader().read(|tx| machines::by_key(tx, key).map_err(Failure::from));
    let found = found.map_err(|failure| site.refusal(failure))?;
    found.filter(|machine| machine.state == MachineState::Active).ok_or_else(|| {
        Refusal::new(
            RefusalCode::UnknownMachine,
            "this machine is not enrolled on this box, or was retired; enrol it again",
        )
    })
}

/// Notes that the machine is there, and tells it what the box wants.
///
/// # Errors
/// [`Refusal`].
pub fn heartbeat(site: &Site, machine: &Machine, message: &Heartbeat) -> Result<Policy, Refusal> {
    let version = plain(&message.client_version, VERSION_MAX);
    let now = site.clock.now();
    let policy = site.catalog.writer().write(|tx| {
        machines::note_seen(tx, machine.row, now, Some(&version))?;
        Ok(machines::by_row(tx, machine.row)?.policy)
    });
    let MachinePolicy { every, local, external } = policy.map_err(|failure| site.refusal(failure))?;
    let paused_until = paused_until(site, machine).map_err(|e| site.refusal(e.into()))?;
    let requests = site.catalog.reader().read(|tx| putbacks::count_waiting(tx, machine.row, now));
    let requests = requests.map_err(|e: CatalogError| site.refusal(e.into()))?;
    Ok(Policy { every, local, external, now, paused_until, requests: (requests > 0).then_some(requests) })
}

/// All machines, retired ones too, in the order of their enrolment.
///
/// # Errors
/// [`OperationError`].
pub fn list_machines(site: &Site) -> Result<Vec<Machine>, OperationError> {
    Ok(site.catalog.reader().read(|tx| machines::all(tx))?)
}

/// What the box wants of a machine.
///
/// # Errors
/// [`OperationError::NoSuchMachine`]; [`OperationError`].
pub fn policy(site: &Site, name: &MachineName) -> Result<MachinePolicy, OperationError> {
    site.catalog.reader().read(|tx| active(tx, name)).map(|machine| machine.policy)
}

/// Changes what the box wants of a machine; gives the policy as it is now.
///
/// # Errors
/// [`OperationError::NoSuchMachine`]; [`OperationError`].
pub fn set_policy(
    site: &Site,
    by: &Actor,
    name: &MachineName,
    change: &PolicyChange,
) -> Result<MachinePolicy, OperationError> {
    by.may(Right::ChangeMachines)?;
    let changed = site.catalog.writer().write(|tx| {
        let machine = active(tx, name)?;
        let policy = change.over(machine.policy);
        machines::set_policy(tx, machine.row, &policy)?;
        record(tx, site, by, Action::PolicyChanged, name.as_str(), &in_words(&policy))?;
        Ok(policy)
    });
    changed.map_err(|e| site.noted(e))
}

/// What new machines of a profile begin with.
///
/// # Errors
/// [`OperationError`].
pub fn default_policy(site: &Site, profile: Profile) -> Result<MachinePolicy, OperationError> {
    Ok(site.catalog.reader().read(|tx| begins_with(tx, profile))?)
}

/// Changes what new machines of a profile begin with; gives the policy as it is now. Machines that are there keep theirs.
///
/// # Errors
/// [`OperationError`].
pub fn set_default_policy(
    site: &Site,
    by: &Actor,
    profile: Profile,
    change: &PolicyChange,
) -> Result<MachinePolicy, OperationError> {
    by.may(Right::ChangeMachines)?;
    let changed = site.catalog.writer().write(|tx| {
        let policy = change.over(begins_with(tx, profile)?);
        machines::set_default_policy(tx, profile, &policy)?;
        record(tx, site, by, Action::PolicyChanged, &format!("new {}", profile.word()), &in_words(&policy))?;
        Ok(policy)
    });
    changed.map_err(|e: CatalogError| site.noted(e.into()))
}

fn begins_with(tx: &rusqlite::Transaction<'_>, profile: Profile) -> Result<MachinePolicy, CatalogError> {
    Ok(machines::default_policy(tx, profile)?.unwrap_or_else(|| usual_policy(profile)))
}

fn in_words(policy: &MachinePolicy) -> String {
    format!("{}; {}; {}", policy.every, policy.local, policy.external)
}

/// Shuts a machine out. Its snapshots stay as long as its policy says.
///
/// # Errors
/// [`OperationError::NoSuchMachine`]; [`OperationError`].
pub fn retire_machine(site: &Site, by: &Actor, name: &MachineName) -> Result<(), OperationError> {
    by.may(Right::RetireMachines)?;
    let retired = site.catalog.writer().write(|tx| {
        machines::retire(tx, active(tx, name)?.row)?;
        Ok(record(tx, site, by, Action::MachineRetired, name.as_str(), "")?)
    });
    retired.map_err(|e| site.noted(e))
}

pub(super) fn active(tx: &rusqlite::Transaction<'_>, name: &MachineName) -> Result<Machine, OperationError> {
    machines::active_by_name(tx, name)?.ok_or_else(|| OperationError::NoSuchMachine { name: name.clone() })
}
