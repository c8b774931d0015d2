//! Putting the box into service: when it began, what people said of the place, and the sheets that were signed.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::CatalogError;
use super::values::{state_words, time_at, word_at};

state_words! {
    /// What only people can tell about the place. The seed's list of what is to be found out before the visit.
    Question {
        /// Where the box stands.
        Place => "place",
        /// How its power is protected.
        Power => "power",
        /// Whether somebody can work at the workstations as their admin.
        Access => "access",
        /// What kind of line leads to the Internet.
        Line => "line",
        /// Whether others use that line too.
        Shared => "shared",
        /// Whether the contract is one without an address of its own.
        Operator => "operator",
    }
}

/// What was answered, in words of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAnswer {
    /// To what.
    pub question: Question,
    /// One word, or several where several may be true.
    pub words: Vec<String>,
    /// What else was said.
    pub note: String,
    /// By whom.
    pub actor: String,
    /// When.
    pub at: UnixMillis,
}

/// A sheet that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// When.
    pub signed_at: UnixMillis,
    /// By whom.
    pub signed_by: String,
    /// When the box was made.
    pub started_at: UnixMillis,
}

/// Notes when the box was made, unless that is known.
///
/// # Errors
/// [`CatalogError`].
pub fn note_first_start(tx: &Transaction<'_>, at: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("INSERT OR IGNORE INTO first_start (id, at) VALUES (1, ?1)", [at.0])?;
    Ok(())
}

/// When the box was made.
///
/// # Errors
/// [`CatalogError`].
pub fn first_start(c: &Connection) -> Result<Option<UnixMillis>, CatalogError> {
    Ok(c.query_row("SELECT at FROM first_start", [], |row| time_at(row, 0)).optional()?)
}

/// Keeps an answer in place of the one before.
///
/// # Errors
/// [`CatalogError`].
pub fn answer(tx: &Transaction<'_>, answer: &SiteAnswer) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO site_answer (question, answer, note, actor, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![answer.question.word(), answer.words.join(" "), answer.note, answer.actor, answer.at.0],
    )?;
    Ok(())
}

/// All answers, in no order.
///
/// # Errors
/// [`CatalogError`].
pub fn answers(c: &Connection) -> Result<Vec<SiteAnswer>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT question, answer, note, actor, at FROM site_answer")?;
    let answers = statement.query_map([], |row| {
        Ok(SiteAnswer {
            question: word_at(row, 0)?,
            words: row.get::<_, String>(1)?.split_whitespace().map(str::to_owned).collect(),
            note: row.get(2)?,
            actor: row.get(3)?,
            at: time_at(row, 4)?,
        })
    })?;
    Ok(answers.collect::<Result<_, _>>()?)
}

/// Keeps a sheet; of older ones the newest `kept` stay.
///
/// # Errors
/// [`CatalogError`].
pub fn sign(tx: &Transaction<'_>, signature: &Signature, document: &[u8], kept: u32) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT INTO certificate (signed_at, signed_by, started_at, document) VALUES (?1, ?2, ?3, ?4)",
        params![signature.signed_at.0, signature.signed_by, signature.started_at.0, document],
    )?;
    tx.execute(
        "DELETE FROM certificate WHERE id NOT IN (SELECT id FROM certificate ORDER BY id DESC LIMIT ?1)",
        [kept],
    )?;
    Ok(())
}

/// The last signature.
///
/// # Errors
/// [`CatalogError`].
pub fn last_signature(c: &Connection) -> Result<Option<Signature>, CatalogError> {
    let sql = "SELECT signed_at, signed_by, started_at FROM certificate ORDER BY id DESC LIMIT 1";
    let signature = c.prepare_cached(sql)?.query_row([], |row| {
        Ok(Signature { signed_at: time_at(row, 0)?, signed_by: row.get(1)?, started_at: time_at(row, 2)? })
    });
    Ok(signature.optional()?)
}

/// The sheet that was signed last, PDF.
///
/// # Errors
/// [`CatalogError`].
pub fn last_document(c: &Connection) -> Result<Option<Vec<u8>>, CatalogError> {
    Ok(c.query_row("SELECT document FROM certificate ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).optional()?)
}

/// The code that the last test mail brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCode {
    /// Number of the mail.
    pub mail: i64,
    /// To be typed back.
    pub code: String,
    /// When it was made.
    pub at: UnixMillis,
    /// How often something else was typed.
    pub tries: u32,
}

/// Keeps a code in place of the one before.
///
/// # Errors
/// [`CatalogError`].
pub fn set_mail_code(tx: &Transaction<'_>, code: &MailCode) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO mail_code (id, mail, code, at, tries) VALUES (1, ?1, ?2, ?3, ?4)",
        params![code.mail, code.code, code.at.0, code.tries],
    )?;
    Ok(())
}

/// The code, while one is to be typed back.
///
/// # Errors
/// [`CatalogError`].
pub fn mail_code(c: &Connection) -> Result<Option<MailCode>, CatalogError> {
    let code = c.query_row("SELECT mail, code, at, tries FROM mail_code", [], |row| {
        Ok(MailCode { mail: row.get(0)?, code: row.get(1)?, at: time_at(row, 2)?, tries: row.get(3)? })
    });
    Ok(code.optional()?)
}

/// Forgets it.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_mail_code(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM mail_code", [])?;
    Ok(())
}

/// Which groups of the kit's letters are asked for next.
///
/// # Errors
/// [`CatalogError`].
pub fn set_kit_question(tx: &Transaction<'_>, (first, second): (u32, u32)) -> Result<(), CatalogError> {
    tx.execute("INSERT OR REPLACE INTO kit_question (id, first, second) VALUES (1, ?1, ?2)", params![first, second])?;
    Ok(())
}

/// The same, while a question stands.
///
/// # Errors
/// [`CatalogError`].
pub fn kit_question(c: &Connection) -> Result<Option<(u32, u32)>, CatalogError> {
    let question = c.query_row("SELECT first, second FROM kit_question", [], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(question.optional()?)
}
