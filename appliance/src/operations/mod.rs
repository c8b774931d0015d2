//! Every change of what the box keeps, one verb a function, and the reads that need more than one row.
//!
//! Nothing here knows HTTP or a screen: requests come in as `engine::wire` types and leave as such, or as the typed
//! results below. All functions block; callers in async code hop to a blocking thread first.

pub mod accounts;
pub mod browse;
mod check;
mod checks;
mod commit;
mod compact;
mod copier;
mod error;
mod have;
mod lookups;
mod machines;
mod mail;
mod marks;
mod opened;
mod pace;
mod prune;
mod rebuild;
mod receive;
mod registrar;
mod restore;
mod scrub;
mod sessions;
mod site;
mod status;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use crate::catalog::checks::{CheckOutcome, CheckState, KnownOutcome};
pub use crate::catalog::machines::{Machine, MachinePolicy, MachineState};
pub use crate::catalog::mail::{Mail, MailContent, MailKind, MailSecurity, MailSetting, MailState};
pub use crate::catalog::packs::PackTotals;
pub use checks::{keep_outcomes, known_outcomes};
pub use commit::commit;
pub(crate) use compact::count_compactable;
pub use compact::{CompactReport, compact};
pub use error::OperationError;
pub(crate) use error::chain;
pub use have::have;
pub use machines::{
    PolicyChange, create_enrolment_code, heartbeat, list_machines, machine_by_key, policy, redeem_enrolment_code,
    retire_machine, set_policy,
};
pub use mail::{
    due_mail, last_report, mail_password, mail_setting, newest_mail, note_mail, queue_mail, set_mail, tell,
    untold_alerts,
};
pub use pace::Pace;
pub use prune::{ExpiredSnapshot, HeldBack, PruneOptions, PruneReport, prune};
pub use rebuild::{MachineOrigin, RebuildReport, RebuiltMachine, rebuild};
pub use receive::{PackIntake, receive_pack};
pub use restore::{list_snapshots, locate, read_segment};
pub(crate) use scrub::{next_unscrubbed, scrub_pack};
pub use sessions::{Sessions, abandon, begin};
pub use site::{Clock, Limits, OpenError, Site};
pub use status::{MachineStatus, Status, room, status};
pub use verify::{DamagedPack, Progress, VerifyReport, verify};
pub(crate) use verify::{next_unverified, verify_pack};
