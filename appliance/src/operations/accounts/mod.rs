//! Accounts: who may do what, how people sign in, and the log of what they did.
//!
//! Whoever asks for something is an [`Actor`], which only signing in (or being on the console) can make; each verb asks it
//! for the [`Right`] that it needs, and writes into the audit log in the same transaction. Rules are those of ASVS 5.0
//! level 2: only digests of secrets are kept, a growing delay instead of a lock-out, no answer tells who has an account.

mod actor;
mod audit;
mod delays;
mod directory;
mod error;
mod login;
mod own;
mod password;
mod people;
mod second_factor;
mod secret;
mod support;
#[cfg(test)]
mod tests;

pub use crate::catalog::accounts::{AccountName, AccountState, Role, Service};
pub use crate::catalog::audit::AuditEntry;
pub use crate::catalog::directory::{DirectorySecurity, DirectorySetting, ServiceAccount};
pub use crate::catalog::entry::{ApiToken, Stage, TokenScope, WebSession};
pub use crate::catalog::support::SupportAccess;
pub use crate::catalog::{AccountRow, TokenRow};
pub use actor::{Actor, Needs, Right};
pub(super) use audit::record;
pub use audit::{Action, LogVerdict, audit_log, log_use, verify_audit_log};
pub(crate) use delays::Delays;
pub(crate) use directory::Questions;
pub use directory::{
    Directory, DirectoryError, Known, check_directory, directory_setting, set_directory, try_directory,
};
pub use error::AccountError;
pub use login::{
    Origin, Pending, SignedIn, Visitor, accept_invitation, authenticate, authenticate_folders, authenticate_token,
    begin_second_factor, confirm_password, finish_second_factor, give_code, invited, same_second_factor, sign_in,
    sign_out,
};
pub use own::{
    OwnAccount, change_password, end_other_sessions, end_session, make_token, new_recovery_codes, own_account,
    revoke_token, set_language,
};
pub use people::{
    AdminStanding, NewPerson, Person, PersonChange, admin_link, admins, change_person, invite, link_for, list_people,
    person, remove_person, reset_second_factor,
};
pub use second_factor::Enrolment;
#[cfg(test)]
pub(crate) use second_factor::code_for_tests;
pub use secret::Secret;
pub(crate) use support::end_support_in_time;
pub use support::{SupportHours, close_support, open_support, support_access};
