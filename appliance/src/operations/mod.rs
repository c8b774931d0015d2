//! Every change of what the box keeps, one verb a function, and the reads that need more than one row.
//!
//! Nothing here knows HTTP or a screen: requests come in as `engine::wire` types and leave as such, or as the typed
//! results below. All functions block; callers in async code hop to a blocking thread first.

pub mod accounts;
mod alerts;
pub(crate) mod awaited;
pub mod bandwidth;
pub mod browse;
mod bundle;
mod capacity;
mod certificate;
mod check;
mod checks;
mod commit;
pub mod community;
mod compact;
mod copier;
pub mod dispersal;
mod error;
mod have;
pub mod hosting;
mod keeping;
mod lookups;
mod machines;
mod mail;
mod marks;
mod opened;
mod pace;
mod pauses;
mod prune;
mod put_back;
mod readable;
mod rebuild;
mod receive;
mod registrar;
mod restore;
mod runs;
mod scrub;
mod sessions;
mod signoff;
mod site;
mod status;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod webhook;

pub use crate::catalog::AlertRow;
pub use crate::catalog::MailRow;
pub use crate::catalog::PutBackRow;
pub use crate::catalog::alerts::{
    Acknowledgement, Alert, AlertKey, AlertKind, AlertSetting, Channel, QuietHours, Severity,
};
pub use crate::catalog::bundle::{AppliedBundle, BundleRefusal, RefusedBundle};
pub use crate::catalog::capacity::DiskDay;
pub use crate::catalog::checks::{CheckOutcome, CheckState, KnownOutcome};
pub use crate::catalog::machines::{Machine, MachinePolicy, MachineState};
pub use crate::catalog::mail::{Mail, MailContent, MailKind, MailSecurity, MailSetting, MailState};
pub use crate::catalog::packs::PackTotals;
pub use crate::catalog::putbacks::{PutBack, PutBackKind, PutBackState};
pub use crate::catalog::runs::{Day, DayRuns, MachineSize, Run, RunOutcome};
pub use crate::catalog::signoff::{Question, Signature, SiteAnswer};
pub use crate::catalog::snapshots::SnapshotBrief;
pub use crate::catalog::webhook::{Post, PostState, Webhook, WebhookEvent, WebhookUrl};
pub use alerts::{
    AlertChange, Judgement, NOTE_MAX, SECRET_MAX, SECRET_MIN, SetAlertsError, Telling, WebhookChange,
    acknowledge_alert, alert_history, alert_setting, alerts_over_untold, count_unseen_alerts, judge_alerts,
    open_alerts, set_alerts, tell_by_mail, tell_webhook, untold_alerts,
};
pub use bundle::{
    ApplyBundleError, BundleSettings, NewBundle, applied_bundle, apply_bundle, forget_refused_bundle, is_activated,
    note_refused_bundle, refused_bundle,
};
pub use capacity::{Forecast, disk_days, forecast, note_disk};
pub use certificate::{forget_own_certificate, own_certificate, own_certificate_end, set_own_certificate};
pub use checks::{keep_outcomes, known_outcomes};
pub use commit::commit;
pub(crate) use compact::count_compactable;
pub use compact::{CompactReport, compact};
pub(crate) use error::chain;
pub use error::{OperationError, PutBackProblem};
pub use have::have;
pub use keeping::{
    Deed, DrillStatus, can_be_recovered, drill_status, is_drill_due, is_kit_old, is_mail_code_awaited,
    is_recovery_possible, kit_last_taken, kit_question, last_done, note_kit_sheets_shown, note_kit_shown,
    note_kit_typed, prove_kit, send_mail_code, type_mail_code,
};
pub use machines::{
    PolicyChange, RetentionPreset, create_enrolment_code, default_policy, heartbeat, list_machines, machine_by_key,
    policy, redeem_enrolment_code, retire_machine, set_default_policy, set_policy,
};
pub use mail::{
    RECIPIENTS_MAX, due_mail, is_mail_host, last_report, mail_password, mail_pdf, mail_setting, newest_mail, note_mail,
    queue_mail, set_mail,
};
pub use pace::Pace;
pub use pauses::{PAUSE_MAX, pause_machine, resume_machine};
#[cfg(test)]
pub(crate) use prune::prune_with;
pub use prune::{
    ExpiredSnapshot, HeldBack, Kept, LeavesSoon, PolicyPreview, PolicyWeight, PruneOptions, PruneReport, SOON, Why,
    preview_policy, prune, weigh_policy,
};
pub use put_back::{
    ask_put_back, cancel_put_back, expire_put_backs, list_put_backs, put_back, put_backs_of, tell_put_back,
};
pub(crate) use rebuild::rebuild;
pub use rebuild::{MachineOrigin, RebuildReport, RebuiltMachine};
pub use receive::{PackIntake, receive_pack};
pub use restore::{list_snapshots, locate, read_segment};
pub use runs::{Past, last_machine_restore, past, report_restore, report_run};
pub(crate) use scrub::{next_unscrubbed, scrub_pack};
pub use sessions::{Sessions, abandon, begin};
pub use signoff::{
    answer_question, first_start, last_document, last_signature, note_first_start, sign_off, site_answers,
};
#[cfg(feature = "plant")]
pub(crate) use site::planted;
pub use site::{Clock, Limits, OpenError, Site};
pub use status::{MachineStatus, Status, is_blank, is_blank_at, room, snapshot_ids, status};
pub use verify::{DamagedPack, Progress, VerifyReport, verify};
pub(crate) use verify::{next_unverified, verify_pack};
pub use webhook::{due_post, newest_posts, note_post, test_webhook, webhook_secret};
