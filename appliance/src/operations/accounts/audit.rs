//! The audit log: every change, who made it, and a digest over it and all before it.
//!
//! A changed, inserted or missing entry shows. That the newest entries were cut off does not show by this alone: it
//! takes somebody else who remembers the last digest.

use rusqlite::Transaction;

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use crate::catalog::CatalogError;
use crate::catalog::audit::{self, AuditEntry};
use crate::plain::plain;

/// What separates digests of the audit log from all others.
const CONTEXT: &str = "datis 2026-11 audit entry";
/// The longest text of an entry, in characters; what outsiders send is cut there.
const TEXT_MAX: usize = 200;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident => $word:literal,)+) => {
        /// Something that is written into the log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])* $variant,)+ }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word of the program, which the pages have a sentence for (`audit-WORD`).
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

actions! {
    /// Somebody signed in.
    SignedIn => "signed-in",
    /// Somebody tried to, in vain.
    SignInFailed => "sign-in-failed",
    /// Somebody signed out.
    SignedOut => "signed-out",
    /// Sessions were ended.
    SessionsEnded => "sessions-ended",
    /// A password was changed.
    PasswordChanged => "password-changed",
    /// An authenticator was set up.
    SecondFactorSet => "second-factor-set",
    /// It was taken away.
    SecondFactorReset => "second-factor-reset",
    /// A recovery code was used in its place.
    RecoveryCodeUsed => "recovery-code-used",
    /// New recovery codes were made.
    RecoveryCodesMade => "recovery-codes-made",
    /// Somebody was invited.
    Invited => "invited",
    /// A link was made.
    LinkMade => "link-made",
    /// A link was used.
    LinkUsed => "link-used",
    /// What an account may do was changed.
    AccountChanged => "account-changed",
    /// An account was removed.
    AccountRemoved => "account-removed",
    /// A token was made.
    TokenMade => "token-made",
    /// A token was taken back.
    TokenRevoked => "token-revoked",
    /// A code for a new machine was made.
    EnrolmentCode => "enrolment-code",
    /// What is asked of a machine was changed.
    PolicyChanged => "policy-changed",
    /// A machine rests for a while.
    MachinePaused => "machine-paused",
    /// Its rest was ended.
    MachineResumed => "machine-resumed",
    /// A machine was shut out.
    MachineRetired => "machine-retired",
    /// The recovery kit was shown.
    KitShown => "kit-shown",
    /// The recovery kit was shown on three sheets.
    KitSheetsShown => "kit-sheets-shown",
    /// Somebody has shown that they have the recovery kit.
    KitProved => "kit-proved",
    /// Somebody tried to, in vain.
    KitMissed => "kit-missed",
    /// A recovery was tried out of the kit, up to the first files, in so many seconds.
    DrillPassed => "drill-passed",
    /// It was tried in vain.
    DrillFailed => "drill-failed",
    /// Something was taken out of a backup.
    Restored => "restored",
    /// A machine was asked to put something back.
    PutBackAsked => "put-back-asked",
    /// Somebody at the machine agreed.
    PutBackAgreed => "put-back-agreed",
    /// Somebody at the machine refused.
    PutBackRefused => "put-back-refused",
    /// Somebody at the box took the request back.
    PutBackCancelled => "put-back-cancelled",
    /// What came of a request.
    PutBackEnded => "put-back-ended",
    /// A proof that a machine's backups can be restored was asked for.
    Proved => "proved",
    /// The site was checked.
    Commissioned => "commissioned",
    /// How mail is sent was changed.
    MailSet => "mail-set",
    /// A mail was sent to try it.
    MailTested => "mail-tested",
    /// Somebody has shown that such a mail was read.
    MailProved => "mail-proved",
    /// What the box asks about its place was answered.
    SiteAnswered => "site-answered",
    /// The box was signed for.
    SignedOff => "signed-off",
    /// A community of boxes was founded.
    CommunityFounded => "community-founded",
    /// The box has asked to be let into one.
    CommunityAsked => "community-asked",
    /// It is in.
    CommunityJoined => "community-joined",
    /// A box was invited.
    MemberInvited => "member-invited",
    /// An invitation was taken back.
    InvitationRevoked => "invitation-revoked",
    /// A box was let in.
    MemberAdmitted => "member-admitted",
    /// A member on a new box was confirmed.
    MemberConfirmed => "member-confirmed",
    /// A member may let others in.
    MemberAppointed => "member-appointed",
    /// An admin vouches for a new member.
    MemberVouched => "member-vouched",
    /// A member was put out, or that was proposed.
    MemberRemoved => "member-removed",
    /// An admin of the community is none any more, or that was proposed.
    MemberDismissed => "member-dismissed",
    /// A member is called otherwise.
    MemberRenamed => "member-renamed",
    /// What a member has in common with others was said.
    MemberLabelled => "member-labelled",
    /// The box has left its community.
    CommunityLeft => "community-left",
    /// The box has forgotten its community.
    CommunityForgotten => "community-forgotten",
    /// The box has gone over to another member's log.
    LogTaken => "log-taken",
    /// Somebody agrees to what another admin of the community has proposed.
    ProposalAgreed => "proposal-agreed",
    /// More admins of the community have to agree than before.
    ThresholdSet => "threshold-set",
    /// A box was sent away.
    MemberRefused => "member-refused",
    /// A blank box has shown the recovery kit of a member.
    KitClaimed => "kit-claimed",
    /// A member's people let the brake go that held deletions of its data up.
    BrakeLifted => "brake-lifted",
    /// The defaults of a bundle were set.
    BundleApplied => "bundle-applied",
    /// How much of the line goes to the other boxes, and when, was changed.
    BandwidthSet => "bandwidth-set",
    /// Another address of the box was tried.
    NetworkTried => "network-tried",
    /// It was kept.
    NetworkKept => "network-kept",
    /// It was taken back.
    NetworkTakenBack => "network-taken-back",
    /// Somebody of the company's directory came in for the first time.
    CameByDirectory => "came-by-directory",
    /// How the directory is asked was changed.
    DirectorySet => "directory-set",
    /// Somebody has seen to an alert.
    AlertAcknowledged => "alert-acknowledged",
    /// How alerts are told was changed.
    AlertsSet => "alerts-set",
    /// A message was sent to the webhook to try it.
    WebhookTested => "webhook-tested",
    /// The computer was told to start again.
    Restarted => "restarted",
    /// The computer was told to switch itself off.
    SwitchedOff => "switched-off",
    /// The company's certificate was set.
    CertificateSet => "certificate-set",
    /// It was taken back.
    CertificateForgotten => "certificate-forgotten",
    /// Somebody from outside may help.
    SupportOpened => "support-opened",
    /// Not any more, since an admin said so.
    SupportClosed => "support-closed",
    /// Not any more, since the time was over.
    SupportEnded => "support-ended",
}

/// Writes into the log, in the transaction of what is done.
pub(in super::super) fn record(
    tx: &Transaction<'_>,
    site: &Site,
    by: &Actor,
    action: Action,
    subject: &str,
    detail: &str,
) -> Result<(), CatalogError> {
    let last = audit::last(tx)?;
    let mut entry = AuditEntry {
        seq: last.as_ref().map_or(1, |last| last.seq + 1),
        at: site.clock.now(),
        actor: short(&by.name),
        address: short(&by.address),
        action: action.word().to_owned(),
        subject: short(subject),
        detail: short(detail),
        digest: [0; 32],
    };
    entry.digest = digest(last.map(|last| last.digest), &entry);
    audit::append(tx, &entry)
}

fn short(text: &str) -> String {
    plain(text, TEXT_MAX)
}

/// Each field with its length before it, so that no two entries have the same bytes.
fn digest(before: Option<[u8; 32]>, entry: &AuditEntry) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&before.unwrap_or([0; 32]));
    hasher.update(&entry.seq.to_le_bytes());
    hasher.update(&entry.at.0.to_le_bytes());
    for text in [&entry.actor, &entry.address, &entry.action, &entry.subject, &entry.detail] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Lets through whoever may use this right now, and writes that they did: for looks that are worth remembering.
///
/// # Errors
/// [`OperationError`].
pub fn log_use(
    site: &Site,
    by: &Actor,
    right: Right,
    action: Action,
    subject: &str,
    detail: &str,
) -> Result<(), OperationError> {
    by.may(right)?;
    let written = site.catalog.writer().write(|tx| record(tx, site, by, action, subject, detail));
    written.map_err(|e| site.noted(e.into()))
}

/// At most `limit` entries before `before` (or the newest), the newest first.
///
/// # Errors
/// [`OperationError`].
pub fn audit_log(site: &Site, by: &Actor, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, OperationError> {
    by.may(Right::ReadAudit)?;
    Ok(site.catalog.reader().read(|tx| audit::newest(tx, before, limit))?)
}

/// What the verifier of the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogVerdict {
    /// Every entry follows from the one before.
    Whole {
        /// How many there are.
        entries: u64,
        /// The digest of the last one, to be kept elsewhere.
        head: [u8; 32],
    },
    /// The chain breaks.
    Broken {
        /// At this entry: it, or one before it, was changed, added or taken out.
        seq: i64,
    },
}

/// Reads the whole log and follows its chain.
///
/// # Errors
/// [`OperationError`].
pub fn verify_audit_log(site: &Site, by: &Actor) -> Result<LogVerdict, OperationError> {
    by.may(Right::ReadAudit)?;
    let (mut entries, mut before, mut broken) = (0_u64, None, None);
    site.catalog.reader().read(|tx| {
        audit::each(tx, &mut |entry| {
            let follows = i64::try_from(entries).is_ok_and(|n| entry.seq == n + 1);
            if !follows || entry.digest != digest(before, entry) {
                broken = Some(entry.seq);
                return false;
            }
            (entries, before) = (entries + 1, Some(entry.digest));
            true
        })
    })?;
    Ok(match broken {
        Some(seq) => LogVerdict::Broken { seq },
        None => LogVerdict::Whole { entries, head: before.unwrap_or([0; 32]) },
    })
}
