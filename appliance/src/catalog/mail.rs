//! How mail is sent, and the queue of what is sent.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{MailRow, optional_time_at, size_at, state_words, time_at, word_at};

state_words! {
    /// How the way to the mail server is protected.
    MailSecurity {
        /// TLS from the first byte.
        Tls => "tls",
        /// TLS after a greeting in the clear; without it nothing is sent.
        StartTls => "starttls",
        /// Nothing: for a server on the box's own network.
        None => "none",
    }
}

state_words! {
    /// What a mail is.
    MailKind {
        /// The daily report.
        Report => "report",
        /// Something needs somebody now.
        Alert => "alert",
        /// Somebody wants to see that mail arrives.
        Test => "test",
    }
}

state_words! {
    /// How far a mail is.
    MailState {
        /// To be sent, for the first time or again.
        Waiting => "waiting",
        /// The server has taken it.
        Sent => "sent",
        /// It was given up.
        Failed => "failed",
    }
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSetting {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: MailSecurity,
    /// Whom to log in as.
    pub user: Option<String>,
    /// With what; sealed.
    pub password: Option<Vec<u8>>,
    /// From whom.
    pub sender: String,
    /// To whom.
    pub recipients: Vec<String>,
    /// BCP 47.
    pub language: String,
    /// When the daily report is made: minutes after midnight.
    pub report_minute: u16,
    /// Whether it comes on Saturdays and Sundays too.
    pub weekends: bool,
}

/// How mail is sent, if that was set.
///
/// # Errors
/// [`CatalogError`].
pub fn setting(c: &Connection) -> Result<Option<MailSetting>, CatalogError> {
    let found = c
        .prepare_cached(
            "SELECT host, port, security, user, password, sender, recipients, language, report_minute, weekends
             FROM mail_setting",
        )?
        .query_row([], |row| {
            Ok(MailSetting {
                host: row.get(0)?,
                port: row.get(1)?,
                security: word_at(row, 2)?,
                user: row.get(3)?,
                password: row.get(4)?,
                sender: row.get(5)?,
                recipients: row.get::<_, String>(6)?.lines().map(str::to_owned).collect(),
                language: row.get(7)?,
                report_minute: row.get(8)?,
                weekends: row.get(9)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Sets how mail is sent.
///
/// # Errors
/// [`CatalogError`].
pub fn set(tx: &Transaction<'_>, setting: &MailSetting) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO mail_setting
             (id, host, port, security, user, password, sender, recipients, language, report_minute, weekends)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            setting.host,
            setting.port,
            setting.security.word(),
            setting.user,
            setting.password,
            setting.sender,
            setting.recipients.join("\n"),
            setting.language,
            setting.report_minute,
            setting.weekends,
        ],
    )?;
    Ok(())
}

/// Nobody is to get mail.
///
/// # Errors
/// [`CatalogError`].
pub fn unset(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM mail_setting", [])?;
    Ok(())
}

/// A mail in the queue, or one that was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Number of its row.
    pub row: MailRow,
    /// What it is.
    pub kind: MailKind,
    /// How far.
    pub state: MailState,
    /// Its subject.
    pub subject: String,
    /// Its text for those who read no HTML.
    pub text: String,
    /// Its text.
    pub html: String,
    /// To whom.
    pub recipients: Vec<String>,
    /// How often it was tried.
    pub tries: u64,
    /// What the server said last.
    pub answer: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Not to be tried before.
    pub next_at: UnixMillis,
    /// When it was sent or given up.
    pub done_at: Option<UnixMillis>,
}

const COLUMNS: &str = "id, kind, state, subject, text, html, recipients, tries, answer, created_at, next_at, done_at";

fn mail_from(row: &Row<'_>) -> rusqlite::Result<Mail> {
    Ok(Mail {
        row: row.get(0)?,
        kind: word_at(row, 1)?,
        state: word_at(row, 2)?,
        subject: row.get(3)?,
        text: row.get(4)?,
        html: row.get(5)?,
        recipients: row.get::<_, String>(6)?.lines().map(str::to_owned).collect(),
        tries: size_at(row, 7)?,
        answer: row.get(8)?,
        created_at: time_at(row, 9)?,
        next_at: time_at(row, 10)?,
        done_at: optional_time_at(row, 11)?,
    })
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailContent {
    /// One line.
    pub subject: String,
    /// For those who read no HTML.
    pub text: String,
    /// A whole document.
    pub html: String,
    /// The same to be kept or printed, PDF.
    pub pdf: Option<Vec<u8>>,
}

/// Puts a mail into the queue.
///
/// # Errors
/// [`CatalogError`].
pub fn put(
    tx: &Transaction<'_>,
    kind: MailKind,
    content: &MailContent,
    recipients: &[String],
    now: UnixMillis,
) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT INTO mail (kind, state, subject, text, html, pdf, recipients, tries, answer, created_at, next_at)
         VALUES (?1, 'waiting', ?2, ?3, ?4, ?5, ?6, 0, '', ?7, ?7)",
        params![kind.word(), content.subject, content.text, content.html, content.pdf, recipients.join("\n"), now.0],
    )?;
    Ok(())
}

/// The mail that is to be tried first now.
///
/// # Errors
/// [`CatalogError`].
pub fn due(c: &Connection, now: UnixMillis) -> Result<Option<Mail>, CatalogError> {
    let sql =
        format!("SELECT {COLUMNS} FROM mail WHERE state = 'waiting' AND next_at <= ?1 ORDER BY next_at, id LIMIT 1");
    Ok(c.prepare_cached(&sql)?.query_row([now.0], mail_from).optional()?)
}

/// The newest mails, at most `limit`.
///
/// # Errors
/// [`CatalogError`].
pub fn newest(c: &Connection, limit: u32) -> Result<Vec<Mail>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM mail ORDER BY id DESC LIMIT ?1"))?;
    Ok(statement.query_map([limit], mail_from)?.collect::<Result<_, _>>()?)
}

/// When the newest mail of this kind was made.
///
/// # Errors
/// [`CatalogError`].
pub fn last_made(c: &Connection, kind: MailKind) -> Result<Option<UnixMillis>, CatalogError> {
    let found =
        c.query_row("SELECT max(created_at) FROM mail WHERE kind = ?1", [kind.word()], |row| optional_time_at(row, 0))?;
    Ok(found)
}

/// What goes with a mail that waits, PDF. Of mails that are done it is not kept.
///
/// # Errors
/// [`CatalogError`].
pub fn pdf(c: &Connection, mail: MailRow) -> Result<Option<Vec<u8>>, CatalogError> {
    let found =
        c.prepare_cached("SELECT pdf FROM mail WHERE id = ?1")?.query_row([mail], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

/// Notes how a try ended.
///
/// # Errors
/// [`CatalogError`].
pub fn note_try(
    tx: &Transaction<'_>,
    mail: MailRow,
    state: MailState,
    answer: &str,
    (now, next_at): (UnixMillis, UnixMillis),
) -> Result<(), CatalogError> {
    tx.execute(
        "UPDATE mail SET state = ?2, answer = ?3, tries = tries + 1, next_at = ?5,
                         done_at = CASE ?2 WHEN 'waiting' THEN NULL ELSE ?4 END,
                         pdf = CASE ?2 WHEN 'waiting' THEN pdf END
         WHERE id = ?1",
        params![mail, state.word(), answer, now.0, next_at.0],
    )?;
    Ok(())
}

/// Forgets mails that were done before `before`.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>, before: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM mail WHERE state <> 'waiting' AND done_at < ?1", [before.0])?;
    Ok(())
}
