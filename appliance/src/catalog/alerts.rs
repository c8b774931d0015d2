//! What needs somebody, what has needed somebody, and how that is told.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{AlertRow, optional_time_at, size_at, state_words, time_at, word_at};
use super::webhook::{Webhook, WebhookUrl};

state_words! {
    /// What needs somebody.
    AlertKind {
        /// Stored packs are damaged.
        DamagedPacks => "damaged-packs",
        /// Backups are refused, or will be at once.
        DiskFull => "disk-full",
        /// The disk will be full.
        DiskLow => "disk-low",
        /// The certificate of the portal ends, and was not made anew.
        Certificate => "certificate",
        /// A check of the site fails.
        CheckFails => "check-fails",
        /// A check of the site that was in order should be looked at.
        CheckWarns => "check-warns",
        /// A backup of a machine rests on a damaged pack.
        MachineDamaged => "machine-damaged",
        /// A machine has not backed up for longer than it may.
        MachineLate => "machine-late",
        /// The last backup of a machine is not whole.
        MachineIncomplete => "machine-incomplete",
        /// What a machine has backed up could not be read back.
        ProofFailed => "proof-failed",
        /// Another box has lost what it kept for this one.
        PeerSuspect => "peer-suspect",
        /// Another box has not answered for days.
        PeerAbsent => "peer-absent",
        /// A member condemned more in a week than is usual: nothing of its data is deleted here for now.
        DeletionsFrozen => "deletions-frozen",
        /// Nothing was heard for half a year of a member whose data is here.
        OwnerSilent => "owner-silent",
        /// This box and another one do not agree on what one keeps for the other.
        BooksDiffer => "books-differ",
        /// A recovery was tried in vain.
        DrillFailed => "drill-failed",
        /// No recovery was tried for too long.
        DrillOverdue => "drill-overdue",
        /// The recovery kit on paper names no box that could be asked.
        KitOld => "kit-old",
        /// Another member has another log of the community, and people have to choose.
        CommunityParted => "community-parted",
        /// A member's kit was used: it is on a new box, which nobody has confirmed.
        MemberRebound => "member-rebound",
        /// Somebody has shown the kit of this box to another one.
        KitUsed => "kit-used",
        /// Others do not reach the box any more.
        ReachLost => "reach-lost",
    }
}

state_words! {
    /// How bad it is, the least first.
    Severity {
        /// Good to know.
        Information => "information",
        /// Somebody should look, in working hours.
        Warning => "warning",
        /// Somebody has to act, at any hour.
        Alarm => "alarm",
    }
}

state_words! {
    /// On which way somebody is told.
    Channel {
        /// By mail.
        Mail => "mail",
        /// A program of the company's, over HTTPS.
        Webhook => "webhook",
    }
}

impl AlertKind {
    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::DamagedPacks
            | Self::DiskFull
            | Self::CheckFails
            | Self::MachineDamaged
            | Self::ProofFailed
            | Self::DeletionsFrozen
            | Self::KitUsed => Severity::Alarm,
            Self::DiskLow
            | Self::Certificate
            | Self::MachineLate
            | Self::MachineIncomplete
            | Self::PeerSuspect
            | Self::PeerAbsent
            | Self::OwnerSilent
            | Self::DrillFailed
            | Self::DrillOverdue
            | Self::KitOld
            | Self::CommunityParted
            | Self::MemberRebound
            | Self::ReachLost => Severity::Warning,
            Self::CheckWarns | Self::BooksDiffer => Severity::Information,
        }
    }
}

/// What an alert is about: one of each is open at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertKey {
    /// What needs somebody.
    pub kind: AlertKind,
    /// The id of a machine or of a member, the word of a check, or nothing.
    pub subject: String,
}

/// That somebody has seen to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// What they wrote.
    pub note: String,
}

/// Something that needs somebody, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Number of its row.
    pub row: AlertRow,
    /// What it is about.
    pub key: AlertKey,
    /// From when on.
    pub opened_at: UnixMillis,
    /// Until when; `None`: still.
    pub closed_at: Option<UnixMillis>,
    /// Who has seen to it.
    pub acknowledged: Option<Acknowledgement>,
}

const COLUMNS: &str = "id, kind, subject, opened_at, closed_at, acknowledged_by, acknowledged_at, note";

fn alert_from(row: &Row<'_>) -> rusqlite::Result<Alert> {
    let (by, at, note) = (row.get::<_, Option<String>>(5)?, optional_time_at(row, 6)?, row.get(7)?);
    Ok(Alert {
        row: row.get(0)?,
        key: AlertKey { kind: word_at(row, 1)?, subject: row.get(2)? },
        opened_at: time_at(row, 3)?,
        closed_at: optional_time_at(row, 4)?,
        acknowledged: by.zip(at).map(|(by, at)| Acknowledgement { by, at, note }),
    })
}

/// All that are open, the oldest first.
///
/// # Errors
/// [`CatalogError`].
pub fn open(c: &Connection) -> Result<Vec<Alert>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM alert WHERE closed_at IS NULL ORDER BY id");
    Ok(c.prepare_cached(&sql)?.query_map([], alert_from)?.collect::<Result<_, _>>()?)
}

/// How many are open that nobody has seen to.
///
/// # Errors
/// [`CatalogError`].
pub fn count_unseen(c: &Connection) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM alert WHERE closed_at IS NULL AND acknowledged_at IS NULL";
    Ok(c.prepare_cached(sql)?.query_row([], |row| size_at(row, 0))?)
}

/// At most `limit` that are over, the last one first.
///
/// # Errors
/// [`CatalogError`].
pub fn history(c: &Connection, limit: u32) -> Result<Vec<Alert>, CatalogError> {
    let sql =
        format!("SELECT {COLUMNS} FROM alert WHERE closed_at IS NOT NULL ORDER BY closed_at DESC, id DESC LIMIT ?1");
    Ok(c.prepare_cached(&sql)?.query_map([limit], alert_from)?.collect::<Result<_, _>>()?)
}

/// Opens an alert.
///
/// # Errors
/// [`CatalogError`], also when it is open already.
pub fn insert(tx: &Transaction<'_>, key: &AlertKey, now: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("INSERT INTO alert (kind, subject, opened_at) VALUES (?1, ?2, ?3)")?.execute(params![
        key.kind.word(),
        key.subject,
        now.0
    ])?;
    Ok(())
}

/// Closes an alert.
///
/// # Errors
/// [`CatalogError`].
pub fn close(tx: &Transaction<'_>, alert: AlertRow, now: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE alert SET closed_at = ?2 WHERE id = ?1")?.execute(params![alert, now.0])?;
    Ok(())
}

/// Forgets what was over before `before`.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>, before: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM alert WHERE closed_at < ?1", [before.0])?;
    Ok(())
}

/// Notes that somebody has seen to an open alert; gives what it is about, or `None` when there is no such one.
///
/// # Errors
/// [`CatalogError`].
pub fn acknowledge(
    tx: &Transaction<'_>,
    alert: AlertRow,
    seen: &Acknowledgement,
) -> Result<Option<AlertKey>, CatalogError> {
    let key = tx
        .query_row(
            "UPDATE alert SET acknowledged_by = ?2, acknowledged_at = ?3, note = ?4
             WHERE id = ?1 AND closed_at IS NULL RETURNING kind, subject",
            params![alert, seen.by, seen.at.0, seen.note],
            |row| Ok(AlertKey { kind: word_at(row, 0)?, subject: row.get(1)? }),
        )
        .optional()?;
    Ok(key)
}

/// Those that are open and were not told on this way yet.
///
/// # Errors
/// [`CatalogError`].
pub fn untold(c: &Connection, channel: Channel) -> Result<Vec<Alert>, CatalogError> {
    let told_at = match channel {
        Channel::Mail => "mailed_at",
        Channel::Webhook => "posted_at",
    };
    let sql = format!("SELECT {COLUMNS} FROM alert WHERE closed_at IS NULL AND {told_at} IS NULL ORDER BY id");
    Ok(c.prepare_cached(&sql)?.query_map([], alert_from)?.collect::<Result<_, _>>()?)
}

/// Those that the webhook knows of, and does not know yet that they are over.
///
/// # Errors
/// [`CatalogError`].
pub fn over_untold(c: &Connection) -> Result<Vec<Alert>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM alert
         WHERE closed_at IS NOT NULL AND posted_at IS NOT NULL AND over_posted_at IS NULL ORDER BY closed_at, id"
    );
    Ok(c.prepare_cached(&sql)?.query_map([], alert_from)?.collect::<Result<_, _>>()?)
}

/// Remembers that an alert is told by mail.
///
/// # Errors
/// [`CatalogError`].
pub fn note_mailed(tx: &Transaction<'_>, alert: AlertRow, now: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE alert SET mailed_at = ?2 WHERE id = ?1")?.execute(params![alert, now.0])?;
    Ok(())
}

/// Remembers that the webhook is told of an alert as it is now: open, or over.
///
/// # Errors
/// [`CatalogError`].
pub fn note_posted(tx: &Transaction<'_>, alert: AlertRow, now: UnixMillis, is_over: bool) -> Result<(), CatalogError> {
    let column = if is_over { "over_posted_at" } else { "posted_at" };
    tx.prepare_cached(&format!("UPDATE alert SET {column} = ?2 WHERE id = ?1"))?.execute(params![alert, now.0])?;
    Ok(())
}

/// Forgets what the webhook was told: there is none any more, and the next one knows of nothing.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_posted(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("UPDATE alert SET posted_at = NULL WHERE posted_at IS NOT NULL", [])?;
    Ok(())
}

/// When warnings wait. Minutes after midnight of the box's own time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuietHours {
    /// From when until when; over midnight where the first is the later one.
    pub hours: Option<(u16, u16)>,
    /// Whether all of Saturday and Sunday is quiet.
    pub weekends: bool,
}

/// How alerts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSetting {
    /// What is told on which way.
    pub routes: Vec<(Channel, Severity)>,
    /// When warnings wait.
    pub quiet: QuietHours,
    /// The program that is told over HTTPS.
    pub webhook: Option<Webhook>,
}

impl Default for AlertSetting {
    /// As migration 0009 has it: warnings and alarms are told on both ways, at any hour.
    fn default() -> Self {
        let severities = [Severity::Warning, Severity::Alarm];
        let routes = Channel::ALL.iter().flat_map(|channel| severities.map(|severity| (*channel, severity)));
        Self { routes: routes.collect(), quiet: QuietHours::default(), webhook: None }
    }
}

impl AlertSetting {
    /// Whether this severity is told on this way.
    #[must_use]
    pub fn tells(&self, channel: Channel, severity: Severity) -> bool {
        self.routes.contains(&(channel, severity))
    }
}

/// How alerts are told.
///
/// # Errors
/// [`CatalogError`].
pub fn setting(c: &Connection) -> Result<AlertSetting, CatalogError> {
    let mut routes = c.prepare_cached("SELECT channel, severity FROM alert_route")?;
    let routes = routes.query_map([], |row| Ok((word_at(row, 0)?, word_at(row, 1)?)))?.collect::<Result<_, _>>()?;
    let sql = "SELECT quiet_from, quiet_until, quiet_weekends, webhook_url, webhook_secret, webhook_authority
               FROM alert_setting";
    let setting = c.prepare_cached(sql)?.query_row([], |row| {
        let (from, until): (Option<u16>, Option<u16>) = (row.get(0)?, row.get(1)?);
        let url: Option<WebhookUrl> = match row.get_ref(3)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(word_at(row, 3)?),
        };
        let (secret, authority): (Option<Vec<u8>>, Option<String>) = (row.get(4)?, row.get(5)?);
        Ok(AlertSetting {
            routes,
            quiet: QuietHours { hours: from.zip(until), weekends: row.get(2)? },
            webhook: url.zip(secret).map(|(url, secret)| Webhook { url, secret, authority }),
        })
    })?;
    Ok(setting)
}

/// Sets how alerts are told.
///
/// # Errors
/// [`CatalogError`].
pub fn set(tx: &Transaction<'_>, setting: &AlertSetting) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM alert_route", [])?;
    let mut route = tx.prepare_cached("INSERT OR IGNORE INTO alert_route (channel, severity) VALUES (?1, ?2)")?;
    for (channel, severity) in &setting.routes {
        route.execute(params![channel.word(), severity.word()])?;
    }
    let webhook = setting.webhook.as_ref();
    tx.execute(
        "UPDATE alert_setting SET quiet_from = ?1, quiet_until = ?2, quiet_weekends = ?3,
                                  webhook_url = ?4, webhook_secret = ?5, webhook_authority = ?6",
        params![
            setting.quiet.hours.map(|(from, _)| from),
            setting.quiet.hours.map(|(_, until)| until),
            setting.quiet.weekends,
            webhook.map(|webhook| webhook.url.as_str()),
            webhook.map(|webhook| webhook.secret.as_slice()),
            webhook.and_then(|webhook| webhook.authority.as_deref()),
        ],
    )?;
    Ok(())
}
