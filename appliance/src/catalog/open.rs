//! Opening the database: settings, checks, migrations. The only place that opens a connection.

use std::path::Path;
use std::time::Duration;

use datis_engine::ids::VaultId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::CatalogError;
use super::pool::is_damage;

/// All migrations in order; `user_version` counts those that were applied. Released ones are never edited.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_checks.sql"),
    include_str!("../../migrations/0003_accounts.sql"),
    include_str!("../../migrations/0004_names.sql"),
    include_str!("../../migrations/0005_mail.sql"),
    include_str!("../../migrations/0006_totals.sql"),
    include_str!("../../migrations/0007_signoff.sql"),
    include_str!("../../migrations/0008_machines.sql"),
    include_str!("../../migrations/0009_alerts.sql"),
    include_str!("../../migrations/0010_system.sql"),
    include_str!("../../migrations/0011_directory.sql"),
    include_str!("../../migrations/0012_post_order.sql"),
    include_str!("../../migrations/0013_report_pdf.sql"),
    include_str!("../../migrations/0014_restores.sql"),
    include_str!("../../migrations/0015_webdav.sql"),
    include_str!("../../migrations/0016_bundle.sql"),
    include_str!("../../migrations/0017_community.sql"),
    include_str!("../../migrations/0018_hosting.sql"),
    include_str!("../../migrations/0019_dispersal.sql"),
    include_str!("../../migrations/0020_proposals.sql"),
    include_str!("../../migrations/0021_ledger.sql"),
    include_str!("../../migrations/0022_heads.sql"),
    include_str!("../../migrations/0023_former_stripes.sql"),
    include_str!("../../migrations/0024_holder_check.sql"),
    include_str!("../../migrations/0025_bandwidth.sql"),
    include_str!("../../migrations/0026_kept_outside.sql"),
    include_str!("../../migrations/0027_hosted_scrub.sql"),
    include_str!("../../migrations/0028_reach.sql"),
    include_str!("../../migrations/0029_stripe_version.sql"),
];

/// The version of the present schema.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// 3.51.3: earlier versions have the WAL-reset bug.
const LIBRARY_MIN: i32 = 3_051_003;

/// Cache of the writing connection, in KiB. A few times what one batch of packs changes.
const WRITER_CACHE_KIB: i64 = 48 << 10;

/// Cache of each reading connection, in KiB. Inner pages of the largest catalogs fit; leaves come from the system's cache.
const READER_CACHE_KIB: i64 = 16 << 10;

/// Pages of WAL after which it is copied back: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4_096;

const STATEMENTS_CACHED: usize = 64;

pub(super) fn open_writer(path: &Path, vault: VaultId) -> Result<Connection, CatalogError> {
    let library = rusqlite::version_number();
    if library < LIBRARY_MIN {
        return Err(CatalogError::Library { found: library, needed: LIBRARY_MIN });
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| CatalogError::Folder { path: path.to_owned(), source })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|e| at(path, e))?;
    let settle = |c: &Connection| -> rusqlite::Result<()> {
        c.busy_timeout(Duration::from_secs(10))?;
        c.pragma_update(None, "journal_mode", "WAL")?;
        c.pragma_update(None, "synchronous", "FULL")?;
        c.pragma_update(None, "foreign_keys", true)?;
        c.pragma_update(None, "trusted_schema", false)?;
        c.pragma_update(None, "cell_size_check", true)?;
        c.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        c.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        c.pragma_update(None, "journal_size_limit", 64 << 20)
    };
    settle(&connection).map_err(|e| at(path, e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    migrate(&mut connection, path)?;
    belongs_to(&connection, path, vault)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, CatalogError> {
    // Read-only by pragma and not by flag: the last connection to close must be able to remove the WAL.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| at(path, e))?;
    let settle = |c: &Connection| -> rusqlite::Result<()> {
        c.busy_timeout(Duration::from_secs(10))?;
        c.pragma_update(None, "query_only", true)?;
        c.pragma_update(None, "trusted_schema", false)?;
        c.pragma_update(None, "cell_size_check", true)?;
        c.pragma_update(None, "cache_size", -READER_CACHE_KIB)
    };
    settle(&connection).map_err(|e| at(path, e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}

/// A catalog that may be damaged, to read what is left of it.
pub(super) fn open_old(path: &Path, vault: VaultId) -> Result<Connection, CatalogError> {
    let connection = open_reader(path)?;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| at(path, e))?;
    // What is salvaged is in the tables of every version until now.
    if found > SCHEMA_VERSION {
        return Err(CatalogError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    match vault_of(&connection, path)? {
        Some(id) if id == vault.as_bytes() => Ok(connection),
        Some(_) | None => Err(CatalogError::OtherVault { path: path.to_owned() }),
    }
}

/// Whether a damaged file is behind the error decides what the person is told to do.
/// Whether there is a table of this name.
pub(super) fn has_table(c: &Connection, name: &str) -> Result<bool, CatalogError> {
    Ok(c.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)", [name], |row| {
        row.get(0)
    })?)
}

fn at(path: &Path, source: rusqlite::Error) -> CatalogError {
    let path = path.to_owned();
    if is_damage(&source) { CatalogError::Damaged { path, source } } else { CatalogError::Open { path, source } }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), CatalogError> {
    let version = |c: &Connection| c.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
    let found = version(connection).map_err(|e| at(path, e))?;
    if found > SCHEMA_VERSION {
        return Err(CatalogError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    let steps = (1_u32..).zip(MIGRATIONS).skip(found as usize);
    for (number, sql) in steps {
        let apply = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()
        };
        apply(connection).map_err(|e| at(path, e))?;
    }
    Ok(())
}

fn belongs_to(connection: &Connection, path: &Path, vault: VaultId) -> Result<(), CatalogError> {
    match vault_of(connection, path)? {
        Some(id) if id == vault.as_bytes() => Ok(()),
        Some(_) => Err(CatalogError::OtherVault { path: path.to_owned() }),
        None => connection
            .execute("INSERT INTO meta (name, value) VALUES ('vault', ?1)", params![vault.as_bytes()])
            .map(drop)
            .map_err(|e| at(path, e)),
    }
}

fn vault_of(connection: &Connection, path: &Path) -> Result<Option<Vec<u8>>, CatalogError> {
    let read = "SELECT value FROM meta WHERE name = 'vault'";
    connection.query_row(read, [], |r| r.get(0)).optional().map_err(|e| at(path, e))
}

/// Reads through the whole database; `Ok` when SQLite finds nothing wrong.
pub(super) fn quick_check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error { code: ErrorCode::DatabaseCorrupt, extended_code: rusqlite::ffi::SQLITE_CORRUPT };
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict)))
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    /// The catalog as a box has it that was last run with the schema of `version`.
    fn of_version(version: usize) -> (tempfile::TempDir, std::path::PathBuf, VaultId) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("catalog.db");
        let vault = VaultId::from_bytes([7; 16]);
        let old = Connection::open(&path).expect("database");
        for sql in &MIGRATIONS[..version] {
            old.execute_batch(sql).expect("schema");
        }
        old.pragma_update(None, "user_version", version as i64).expect("version");
        belongs_to(&old, &path, vault).expect("vault");
        (folder, path, vault)
    }

    #[test]
    fn a_catalog_of_every_earlier_version_is_brought_to_the_present_one() {
        for version in 1..MIGRATIONS.len() {
            let (_folder, path, vault) = of_version(version);
            Catalog::open(&path, vault).expect("migrated");
            let version: u32 = open_reader(&path)
                .and_then(|c| c.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| at(&path, e)))
                .expect("version");
            assert_eq!(version, SCHEMA_VERSION);
        }
    }

    #[test]
    fn tokens_of_before_network_folders_stay_as_they_are_and_no_number_comes_again() {
        let (_folder, path, vault) = of_version(14);
        let old = Connection::open(&path).expect("database");
        let digest = "ab".repeat(32);
        old.execute_batch(&format!(
            "INSERT INTO account (id, name, role, state, password, created_at) VALUES (5, 'claire', 'admin', 'active', 'x', 1);
             INSERT INTO api_token VALUES (3, 5, 'till', x'{digest}', 'manage', 11, 12, 13);
             INSERT INTO api_token VALUES (9, 5, 'over', zeroblob(32), 'read', 14, 15, NULL);
             DELETE FROM api_token WHERE id = 9;"
        ))
        .expect("tokens");
        drop(old);
        Catalog::open(&path, vault).expect("migrated");
        let now = Connection::open(&path).expect("database");
        let told = |sql: &str| now.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
        let all = "SELECT group_concat(id || ' ' || account || ' ' || name || ' ' || lower(hex(digest)) || ' ' || scope || ' '
                   || created_at || ' ' || expires_at || ' ' || used_at) FROM api_token";
        assert_eq!(told(all), format!("3 5 till {digest} manage 11 12 13"));
        let next = "INSERT INTO api_token (account, name, digest, scope, created_at, expires_at)
                    VALUES (5, 'drive', zeroblob(32), 'webdav', 16, 17) RETURNING id || ''";
        assert_eq!(told(next), "10");
        assert_eq!(told("SELECT count(*) || '' FROM sqlite_sequence WHERE name LIKE 'api_token%'"), "1");
    }

    #[test]
    fn alerts_of_before_other_boxes_stay_with_what_the_webhook_was_told_of_them() {
        let (_folder, path, vault) = of_version(19);
        let old = Connection::open(&path).expect("database");
        old.execute_batch(
            "INSERT INTO alert (id, kind, subject, opened_at, note) VALUES (3, 'disk-low', '', 5, 'seen');
             INSERT INTO alert (id, kind, subject, opened_at, closed_at) VALUES (9, 'disk-full', '', 6, 7);
             INSERT INTO webhook_post (id, event, state, body, tries, answer, created_at, next_at, alert)
                 VALUES (1, 'opened', 'sent', '{}', 1, '', 8, 8, 3), (2, 'test', 'sent', '{}', 1, '', 8, 8, NULL);
             DELETE FROM alert WHERE id = 9;",
        )
        .expect("alerts");
        drop(old);
        Catalog::open(&path, vault).expect("migrated");
        let now = Connection::open(&path).expect("database");
        now.pragma_update(None, "foreign_keys", true).expect("keys");
        let told = |sql: &str| now.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
        assert_eq!(told("SELECT group_concat(id || kind || opened_at || note) FROM alert"), "3disk-low5seen");
        assert_eq!(told("SELECT group_concat(id || ' ' || coalesce(alert, '-')) FROM webhook_post"), "1 3,2 -");
        let next = "INSERT INTO alert (kind, subject, opened_at) VALUES ('peer-absent', 'ab', 10) RETURNING id || ''";
        assert_eq!(told(next), "10");
        let post = "INSERT INTO webhook_post (event, state, body, tries, answer, created_at, next_at, alert)
                    VALUES ('opened', 'waiting', '{}', 0, '', 8, 8, 10) RETURNING alert || ''";
        assert_eq!(told(post), "10");
        now.execute("DELETE FROM alert WHERE id = 10", []).expect("deleted");
        assert_eq!(told("SELECT coalesce(max(alert), 0) || '' FROM webhook_post"), "3");
    }

    #[test]
    fn what_was_outside_before_there_were_former_stripes_stays_known() {
        let (_folder, path, vault) = of_version(21);
        let old = Connection::open(&path).expect("database");
        old.execute_batch(
            "INSERT INTO holder (id, member) VALUES (2, zeroblob(32));
             INSERT INTO stripe (id, pack_id, kind, epoch, data, parity, pack_len, placed_at, safe_at, mapped)
                 VALUES (4, zeroblob(32), 'pack', 1, 2, 2, 1000, 5, 6, 1), (7, randomblob(32), 'map', 1, 2, 2, 1000, 5, 6, 1);
             INSERT INTO shard (stripe, shard_index, holder, shard_id, state, at) VALUES (4, 3, 2, zeroblob(32), 'durable', 6);
             DELETE FROM stripe WHERE id = 7;",
        )
        .expect("stripes");
        drop(old);
        Catalog::open(&path, vault).expect("migrated");
        let now = Connection::open(&path).expect("database");
        now.pragma_update(None, "foreign_keys", true).expect("keys");
        let told = |sql: &str| now.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
        assert_eq!(told("SELECT id || kind || safe_at || mapped || former FROM stripe"), "4pack610");
        assert_eq!(told("SELECT stripe || ' ' || shard_index || ' ' || holder || state FROM shard"), "4 3 2durable");
        now.execute("DELETE FROM stripe WHERE id = 4", []).expect_err("a shard is left");
        let again = "INSERT INTO stripe (pack_id, kind, epoch, data, parity, pack_len, placed_at, mapped)
                     VALUES (zeroblob(32), 'pack', 2, 1, 1, 1000, 8, 0) RETURNING id || ''";
        now.query_row(again, [], |row| row.get::<_, String>(0)).expect_err("one is enough");
        now.execute("UPDATE stripe SET former = 1", []).expect("former");
        assert_eq!(told(again), "8");
    }

    #[test]
    fn machines_are_salvaged_out_of_every_earlier_version() {
        for version in 1..=MIGRATIONS.len() {
            let (_folder, path, vault) = of_version(version);
            assert!(Catalog::salvage_machines(&path, vault).expect("salvaged").is_empty(), "{version}");
        }
        let (_folder, path, vault) = of_version(MIGRATIONS.len());
        let newer = Connection::open(&path).expect("database");
        newer.pragma_update(None, "user_version", 9_000).expect("version");
        assert!(matches!(Catalog::salvage_machines(&path, vault), Err(CatalogError::Newer { .. })));
    }
}
