//! Who asks for something, and what they may do: the one table of rights.

use std::collections::BTreeSet;

use datis_engine::ids::MachineId;
use datis_engine::units::UnixMillis;

use super::super::{Machine, OperationError};
use crate::catalog::AccountRow;
use crate::catalog::accounts::{Role, Service};
use crate::catalog::entry::Digest;

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To look at the box: all machines, checks, background work.
    LookAtBox,
    /// To let new machines in.
    EnrolMachines,
    /// To change what is asked of machines.
    ChangeMachines,
    /// To shut machines out.
    RetireMachines,
    /// To see what is in backups, and to take it out.
    Restore,
    /// To read backups as a network folder.
    OpenFolders,
    /// To have the site checked.
    Commission,
    /// To change how the box works: mail and the like.
    ChangeBox,
    /// To change what can shut everybody out: its network, its certificate, its power.
    RunBox,
    /// To decide who may come in.
    ManageAccounts,
    /// To read who did what.
    ReadAudit,
    /// To see the recovery kit.
    SeeKit,
    /// To say which other boxes this one belongs together with.
    ManageCommunity,
}

/// Whether a right is only for those who have just given their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Being signed in is enough.
    SignIn,
    /// A password given a short time ago.
    FreshPassword,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::LookAtBox,
        Self::EnrolMachines,
        Self::ChangeMachines,
        Self::RetireMachines,
        Self::Restore,
        Self::OpenFolders,
        Self::Commission,
        Self::ChangeBox,
        Self::RunBox,
        Self::ManageAccounts,
        Self::ReadAudit,
        Self::SeeKit,
        Self::ManageCommunity,
    ];

    /// Whether somebody with this role has it.
    #[must_use]
    pub const fn is_of(self, role: Role) -> bool {
        match self {
            Self::LookAtBox => matches!(role, Role::Admin | Role::Technician | Role::Auditor),
            Self::EnrolMachines | Self::ChangeMachines | Self::Commission | Self::ChangeBox | Self::RunBox => {
                matches!(role, Role::Admin | Role::Technician)
            }
            Self::Restore | Self::OpenFolders => matches!(role, Role::Admin | Role::Member),
            Self::ReadAudit => matches!(role, Role::Admin | Role::Auditor),
            Self::RetireMachines | Self::ManageAccounts | Self::SeeKit | Self::ManageCommunity => {
                matches!(role, Role::Admin)
            }
        }
    }

    /// The service that an account must be meant for to have it.
    const fn service(self) -> Option<Service> {
        match self {
            Self::Restore => Some(Service::Restore),
            Self::OpenFolders => Some(Service::Webdav),
            Self::LookAtBox
            | Self::EnrolMachines
            | Self::ChangeMachines
            | Self::RetireMachines
            | Self::Commission
            | Self::ChangeBox
            | Self::RunBox
            | Self::ManageAccounts
            | Self::ReadAudit
            | Self::SeeKit
            | Self::ManageCommunity => None,
        }
    }

    /// What it takes besides the role.
    #[must_use]
    pub const fn needs(self) -> Needs {
        match self {
            Self::ManageAccounts | Self::SeeKit | Self::ManageCommunity | Self::RetireMachines | Self::RunBox => {
                Needs::FreshPassword
            }
            Self::LookAtBox
            | Self::EnrolMachines
            | Self::ChangeMachines
            | Self::Restore
            | Self::OpenFolders
            | Self::Commission
            | Self::ChangeBox
            | Self::ReadAudit => Needs::SignIn,
        }
    }
}

/// How far the rights of somebody reach, by what they came in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that they have.
    Everything,
    /// Those that only look.
    Looks,
    /// Network folders, and nothing else.
    Folders,
}

impl Reach {
    const fn holds(self, right: Right) -> bool {
        match self {
            Self::Everything => true,
            Self::Looks => matches!(right, Right::LookAtBox | Right::ReadAudit),
            Self::Folders => matches!(right, Right::OpenFolders),
        }
    }
}

/// Somebody who asks for something. Only signing in makes one, and [`Actor::console`].
#[derive(Debug, Clone)]
pub struct Actor {
    pub(super) account: Option<AccountRow>,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) services: Vec<Service>,
    /// The machines of a member.
    pub(super) machines: BTreeSet<MachineId>,
    pub(super) language: Option<String>,
    pub(super) address: String,
    pub(super) is_fresh: bool,
    /// The browser's session; a token has none.
    pub(super) session: Option<Digest>,
    /// A token reaches no further than its scope.
    pub(super) reach: Reach,
    /// For admins: until when somebody from outside may help.
    pub(super) support_until: Option<UnixMillis>,
}

impl Actor {
    /// Whoever is on the box's own console can read all its files, so there is nothing to refuse them.
    #[must_use]
    pub fn console() -> Self {
        Self {
            account: None,
            name: "console".to_owned(),
            role: Role::Admin,
            services: Service::ALL.to_vec(),
            machines: BTreeSet::new(),
            language: None,
            address: String::new(),
            is_fresh: true,
            session: None,
            reach: Reach::Everything,
            support_until: None,
        }
    }

    /// The box itself, for what it does without anybody asking.
    #[must_use]
    pub(crate) fn the_box() -> Self {
        Self { name: "box".to_owned(), ..Self::console() }
    }

    /// Somebody with this role who has just signed in.
    #[cfg(test)]
    pub(crate) fn for_tests(role: Role) -> Self {
        Self { name: role.word().to_owned(), role, ..Self::console() }
    }

    /// A machine that tells what came of something; it may nothing by this.
    pub(in super::super) fn machine(machine: &Machine) -> Self {
        Self {
            account: None,
            name: format!("machine {}", machine.name),
            role: Role::Member,
            services: Vec::new(),
            machines: BTreeSet::new(),
            language: None,
            address: String::new(),
            is_fresh: false,
            session: None,
            reach: Reach::Looks,
            support_until: None,
        }
    }

    /// What they signed in with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What they are to the box.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The language they chose.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// For admins: until when somebody from outside may help.
    #[must_use]
    pub fn support_until(&self) -> Option<UnixMillis> {
        self.support_until
    }

    /// Whether they have it, fresh password or not: for showing what can be done.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        right.is_of(self.role)
            && right.service().is_none_or(|service| self.services.contains(&service))
            && self.reach.holds(right)
    }

    /// Lets through whoever may do this now.
    ///
    /// # Errors
    /// [`OperationError::Forbidden`]; [`OperationError::ConfirmFirst`] when the password has to be given again.
    pub fn may(&self, right: Right) -> Result<(), OperationError> {
        if !self.has(right) {
            return Err(OperationError::Forbidden);
        }
        match right.needs() {
            Needs::FreshPassword if !self.is_fresh => Err(OperationError::ConfirmFirst),
            Needs::FreshPassword | Needs::SignIn => Ok(()),
        }
    }

    /// The machines that a member may see; `None`: all of them.
    #[must_use]
    pub fn only_machines(&self) -> Option<&BTreeSet<MachineId>> {
        match self.role {
            Role::Member => Some(&self.machines),
            Role::Admin | Role::Technician | Role::Auditor => None,
        }
    }

    /// Whether they may know that this machine is there.
    #[must_use]
    pub fn sees(&self, machine: &MachineId) -> bool {
        self.only_machines().is_none_or(|machines| machines.contains(machine))
    }

    /// Their own account; the console has none.
    pub(super) fn own(&self) -> Result<AccountRow, OperationError> {
        self.account.ok_or(OperationError::Forbidden)
    }

    /// Whether this is their account.
    pub(super) fn is(&self, account: AccountRow) -> bool {
        self.account == Some(account)
    }
}
