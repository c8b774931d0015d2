//! The bundle that set the box's defaults, and the last one that was not taken.

use datis_engine::ids::Profile;
use datis_engine::keys::PublicKey;
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::accounts;
use super::machines::{self, MachinePolicy};
use super::values::{bytes_at, state_words, time_at, word_at};

state_words! {
    /// Why a bundle was not taken.
    BundleRefusal {
        /// It could not be read, or not be fetched.
        Unreachable => "unreachable",
        /// It is no bundle, or says what no box understands.
        Malformed => "malformed",
        /// It is not as it was signed.
        Signature => "signature",
        /// Nobody has vouched for the key that it is signed with.
        Untrusted => "untrusted",
        /// It is signed with another key than the one that is believed.
        OtherKey => "other-key",
        /// Its last day is over.
        Expired => "expired",
        /// A newer one was applied before.
        Older => "older",
    }
}

/// A bundle that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedBundle {
    /// Whose it is.
    pub key: PublicKey,
    /// Its number.
    pub serial: u32,
    /// What it says, JSON, as it was signed.
    pub content: String,
    /// When it was applied.
    pub applied_at: UnixMillis,
}

/// A bundle that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBundle {
    /// When.
    pub at: UnixMillis,
    /// Why.
    pub reason: BundleRefusal,
    /// The same as a sentence, with what there is to know.
    pub detail: String,
}

const COLUMNS: &str = "public_key, serial, content, applied_at";

fn bundle_from(row: &Row<'_>) -> rusqlite::Result<AppliedBundle> {
    Ok(AppliedBundle {
        key: bytes_at(row, 0)?,
        serial: row.get(1)?,
        content: row.get(2)?,
        applied_at: time_at(row, 3)?,
    })
}

/// The bundle that was applied last.
///
/// # Errors
/// [`CatalogError`].
pub fn applied(c: &Connection) -> Result<Option<AppliedBundle>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM bundle ORDER BY number DESC LIMIT 1");
    Ok(c.prepare_cached(&sql)?.query_row([], bundle_from).optional()?)
}

/// The bundle of this key that was applied last.
///
/// # Errors
/// [`CatalogError`].
pub fn applied_of(c: &Connection, key: &PublicKey) -> Result<Option<AppliedBundle>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM bundle WHERE public_key = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([key.as_bytes()], bundle_from).optional()?)
}

/// Whether there is an admin, or there are machines or backups: somebody has put the box into service, whoever may sign in
/// now.
///
/// # Errors
/// [`CatalogError`].
pub fn is_owned(c: &Connection) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM machine) OR EXISTS (SELECT 1 FROM snapshot)";
    let is_in_use: bool = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(is_in_use || accounts::count_active_admins(c)? > 0)
}

/// Keeps what was applied, in place of the one before of this key; nothing is refused any more.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, bundle: &AppliedBundle) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO bundle (public_key, serial, content, applied_at) VALUES (?1, ?2, ?3, ?4)",
        params![bundle.key.as_bytes(), bundle.serial, bundle.content, bundle.applied_at.0],
    )?;
    forget_refused(tx)
}

/// Nothing is refused any more.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_refused(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM bundle_refused", [])?;
    Ok(())
}

/// The last one that was not taken; `None` when one was applied after it.
///
/// # Errors
/// [`CatalogError`].
pub fn refused(c: &Connection) -> Result<Option<RefusedBundle>, CatalogError> {
    let found = c
        .prepare_cached("SELECT at, reason, detail FROM bundle_refused")?
        .query_row([], |row| Ok(RefusedBundle { at: time_at(row, 0)?, reason: word_at(row, 1)?, detail: row.get(2)? }));
    Ok(found.optional()?)
}

/// Notes that one was not taken.
///
/// # Errors
/// [`CatalogError`].
pub fn note_refused(tx: &Transaction<'_>, refused: &RefusedBundle) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO bundle_refused (id, at, reason, detail) VALUES (1, ?1, ?2, ?3)",
        params![refused.at.0, refused.reason.word(), refused.detail],
    )?;
    Ok(())
}

/// What outlives a rebuilt catalog.
#[derive(Debug, Clone)]
pub struct SavedDefaults {
    /// In their order.
    applied: Vec<AppliedBundle>,
    machines: Vec<(Profile, MachinePolicy)>,
}

/// Bundles, and what machines begin with.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn read_defaults(c: &Connection) -> Result<SavedDefaults, CatalogError> {
    let mut machines = Vec::new();
    for profile in Profile::ALL {
        machines.extend(machines::default_policy(c, *profile)?.map(|policy| (*profile, policy)));
    }
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM bundle ORDER BY number"))?;
    let applied = statement.query_map([], bundle_from)?.collect::<Result<_, _>>()?;
    Ok(SavedDefaults { applied, machines })
}

/// Puts them into an empty catalog.
///
/// # Errors
/// [`CatalogError`].
pub fn put_back(tx: &Transaction<'_>, saved: &SavedDefaults) -> Result<(), CatalogError> {
    saved.applied.iter().try_for_each(|bundle| keep(tx, bundle))?;
    saved.machines.iter().try_for_each(|(profile, policy)| machines::set_default_policy(tx, *profile, policy))
}
