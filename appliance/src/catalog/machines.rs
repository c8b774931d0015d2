//! Machines, their policies, and the codes that new ones enrol with.

use datis_engine::ids::{MachineId, MachineName, Profile};
use datis_engine::keys::PublicKey;
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::values::{bytes_at, column_size, optional_time_at, size_at, state_words, time_at, word_at};
use super::{CatalogError, MachineRow};

state_words! {
    /// Whether a machine may come in.
    MachineState {
        /// It may.
        Active => "active",
        /// Not any more; what it backed up stays as long as its policy says.
        Retired => "retired",
    }
}

/// A workstation.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its number here.
    pub row: MachineRow,
    /// Its id.
    pub id: MachineId,
    /// Its name, as the admin chose it.
    pub name: MachineName,
    /// What it is for.
    pub profile: Profile,
    /// The key of its certificate and of its snapshot records.
    pub public_key: PublicKey,
    /// Whether it may come in.
    pub state: MachineState,
    /// What the box wants of it.
    pub policy: MachinePolicy,
    /// When it was enrolled.
    pub created_at: UnixMillis,
    /// When it last asked for anything.
    pub last_seen_at: Option<UnixMillis>,
    /// Version of its client, as it said last.
    pub client_version: Option<String>,
}

/// What the box wants of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachinePolicy {
    /// How often each source is backed up.
    pub every: Seconds,
    /// How long the box keeps snapshots.
    pub local: RetentionPolicy,
    /// How long peers keep them.
    pub external: RetentionPolicy,
}

/// A machine that is not in the catalog yet.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// Its id.
    pub id: MachineId,
    /// Its name.
    pub name: MachineName,
    /// What it is for.
    pub profile: Profile,
    /// Its key.
    pub public_key: PublicKey,
    /// Whether it may come in.
    pub state: MachineState,
    /// What the box wants of it.
    pub policy: MachinePolicy,
    /// When it was enrolled.
    pub created_at: UnixMillis,
}

const COLUMNS: &str = "id, machine_id, name, profile, public_key, state, every_seconds, local_policy, external_policy, \
                       created_at, last_seen_at, client_version";

fn machine_from(row: &Row<'_>) -> rusqlite::Result<Machine> {
    Ok(Machine {
        row: row.get(0)?,
        id: bytes_at(row, 1)?,
        name: word_at(row, 2)?,
        profile: word_at(row, 3)?,
        public_key: bytes_at(row, 4)?,
        state: word_at(row, 5)?,
        policy: MachinePolicy { every: Seconds(size_at(row, 6)?), local: word_at(row, 7)?, external: word_at(row, 8)? },
        created_at: time_at(row, 9)?,
        last_seen_at: optional_time_at(row, 10)?,
        client_version: row.get(11)?,
    })
}

/// Adds a machine.
///
/// # Errors
/// [`CatalogError`]; also when an active machine has the name, or any machine the key.
pub fn insert(tx: &Transaction<'_>, machine: &NewMachine) -> Result<MachineRow, CatalogError> {
    tx.prepare_cached(
        "INSERT INTO machine (machine_id, name, profile, state, public_key, every_seconds, local_policy,
                              external_policy, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        machine.id.as_bytes(),
        machine.name.as_str(),
        machine.profile.word(),
        machine.state.word(),
        machine.public_key.as_bytes(),
        column_size(machine.policy.every.0),
        machine.policy.local.to_string(),
        machine.policy.external.to_string(),
        machine.created_at.0,
    ])?;
    Ok(MachineRow(tx.last_insert_rowid()))
}

/// The machine with this key, in whatever state.
///
/// # Errors
/// [`CatalogError`].
pub fn by_key(c: &Connection, key: &PublicKey) -> Result<Option<Machine>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM machine WHERE public_key = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([key.as_bytes()], machine_from).optional()?)
}

/// The machine with this number.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: MachineRow) -> Result<Machine, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM machine WHERE id = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([row], machine_from)?)
}

/// The active machine of this name.
///
/// # Errors
/// [`CatalogError`].
pub fn active_by_name(c: &Connection, name: &MachineName) -> Result<Option<Machine>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM machine WHERE name = ?1 AND state = 'active'");
    Ok(c.prepare_cached(&sql)?.query_row([name.as_str()], machine_from).optional()?)
}

/// All machines, in the order of their enrolment.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<Machine>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM machine ORDER BY id");
    let machines = c.prepare_cached(&sql)?.query_map([], machine_from)?.collect::<Result<_, _>>()?;
    Ok(machines)
}

/// Notes that a machine was there, and with which client.
///
/// # Errors
/// [`CatalogError`].
pub fn note_seen(
    tx: &Transaction<'_>,
    machine: MachineRow,
    at: UnixMillis,
    client_version: Option<&str>,
) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "UPDATE machine SET last_seen_at = ?2, client_version = coalesce(?3, client_version) WHERE id = ?1",
    )?
    .execute(params![machine, at.0, client_version])?;
    Ok(())
}

/// Changes what the box wants of a machine.
///
/// # Errors
/// [`CatalogError`].
pub fn set_policy(tx: &Transaction<'_>, machine: MachineRow, policy: &MachinePolicy) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE machine SET every_seconds = ?2, local_policy = ?3, external_policy = ?4 WHERE id = ?1")?
        .execute(params![
            machine,
            column_size(policy.every.0),
            policy.local.to_string(),
            policy.external.to_string()
        ])?;
    Ok(())
}

/// Lets a machine in again under the name and profile of a new code.
///
/// # Errors
/// [`CatalogError`].
pub fn enrol_again(tx: &Transaction<'_>, machine: MachineRow, grant: &CodeGrant) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE machine SET name = ?2, profile = ?3, state = 'active' WHERE id = ?1")?
        .execute(params![machine, grant.machine_name.as_str(), grant.profile.word()])?;
    Ok(())
}

/// Shuts a machine out for good.
///
/// # Errors
/// [`CatalogError`].
pub fn retire(tx: &Transaction<'_>, machine: MachineRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE machine SET state = 'retired' WHERE id = ?1")?.execute([machine])?;
    Ok(())
}

/// What an enrolment code was made for.
#[derive(Debug, Clone)]
pub struct CodeGrant {
    /// The name that the machine will have.
    pub machine_name: MachineName,
    /// What it is for.
    pub profile: Profile,
}

/// Keeps the digest of a code until it is used or expires; forgets codes that expired before `now`.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_code(
    tx: &Transaction<'_>,
    digest: &[u8; 32],
    grant: &CodeGrant,
    now: UnixMillis,
    expires_at: UnixMillis,
) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM enrolment_code WHERE expires_at <= ?1", [now.0])?;
    tx.execute(
        "INSERT INTO enrolment_code (digest, machine_name, profile, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![digest, grant.machine_name.as_str(), grant.profile.word(), expires_at.0],
    )?;
    Ok(())
}

/// Uses a code up; `None` when it is unknown, used or expired.
///
/// # Errors
/// [`CatalogError`].
pub fn use_code(tx: &Transaction<'_>, digest: &[u8; 32], now: UnixMillis) -> Result<Option<CodeGrant>, CatalogError> {
    let grant = |row: &Row<'_>| Ok(CodeGrant { machine_name: word_at(row, 0)?, profile: word_at(row, 1)? });
    let used = tx
        .query_row(
            "UPDATE enrolment_code SET used_at = ?2 WHERE digest = ?1 AND used_at IS NULL AND expires_at > ?2
             RETURNING machine_name, profile",
            params![digest, now.0],
            grant,
        )
        .optional()?;
    Ok(used)
}

/// What machines of a profile begin with, if that was set.
///
/// # Errors
/// [`CatalogError`].
pub fn default_policy(c: &Connection, profile: Profile) -> Result<Option<MachinePolicy>, CatalogError> {
    let sql = "SELECT every_seconds, local_policy, external_policy FROM machine_default WHERE profile = ?1";
    let found = c.prepare_cached(sql)?.query_row([profile.word()], |row| {
        Ok(MachinePolicy { every: Seconds(size_at(row, 0)?), local: word_at(row, 1)?, external: word_at(row, 2)? })
    });
    Ok(found.optional()?)
}

/// Sets what machines of a profile begin with; those that are there keep what they have.
///
/// # Errors
/// [`CatalogError`].
pub fn set_default_policy(tx: &Transaction<'_>, profile: Profile, policy: &MachinePolicy) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO machine_default (profile, every_seconds, local_policy, external_policy)
         VALUES (?1, ?2, ?3, ?4)",
        params![profile.word(), column_size(policy.every.0), policy.local.to_string(), policy.external.to_string(),],
    )?;
    Ok(())
}

/// Machines begin with what the program gives them.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_default_policies(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM machine_default", [])?;
    Ok(())
}
