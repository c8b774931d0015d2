//! Names of everything that snapshots hold, to search over all dates.

use datis_engine::format::listing::{ListingRoot, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{ChunkId, SnapshotId, SourceName};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::history::{self, Seen};
use super::values::{
    bytes_at, column_size, optional_bytes_at, optional_time_at, size_at, state_words, time_at, word_at,
};
use super::{CatalogError, MachineRow};

state_words! {
    /// What an entry is.
    EntryKind {
        /// A directory.
        Dir => "dir",
        /// A regular file.
        File => "file",
        /// A symbolic link.
        Symlink => "symlink",
        /// A block device.
        Block => "block",
        /// A character device.
        Char => "char",
        /// A named pipe.
        Fifo => "fifo",
        /// A socket.
        Socket => "socket",
    }
}

impl EntryKind {
    /// The sort of an entry.
    #[must_use]
    pub const fn of(node: &Node) -> Self {
        match node {
            Node::Directory => Self::Dir,
            Node::File { .. } => Self::File,
            Node::Symlink { .. } => Self::Symlink,
            Node::BlockDevice { .. } => Self::Block,
            Node::CharDevice { .. } => Self::Char,
            Node::Fifo => Self::Fifo,
            Node::Socket => Self::Socket,
        }
    }
}

/// A source whose names are indexed.
#[derive(Debug, Clone)]
pub struct NameSource {
    /// Its number in the index.
    pub row: i64,
    /// Whose it is.
    pub machine: MachineRow,
    /// Its name.
    pub source: SourceName,
    /// When the last snapshot was received that was looked at.
    pub indexed_at: Option<UnixMillis>,
    /// The listing that open rows are those of.
    pub root: Option<ListingRoot>,
    /// How many live snapshots stood behind the rows when they were last compared with what has expired.
    pub kept: u64,
}

/// What is to be done for a source.
#[derive(Debug)]
pub enum NameWork {
    /// The next snapshot is to be indexed.
    Index(NameSource, Box<Seen>),
    /// Snapshots have expired: rows that no snapshot stands behind any more are to be removed.
    Trim(NameSource),
}

/// Numbers of one source's names are below its own number times this.
const NAMES_PER_SOURCE: i64 = 1 << 40;

fn digest_of(path: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(path).as_bytes()[..8]);
    i64::from_le_bytes(first)
}

/// The name that is searched: the last component, as people see it.
#[must_use]
pub fn shown_name(path: &EntryPath) -> String {
    let name = EntryPath::parse(path.name().to_vec());
    name.map_or_else(|_| String::new(), |name| name.to_string())
}

/// The source that has waited longest to be brought up to date, and how many snapshots wait in all.
///
/// # Errors
/// [`CatalogError`].
pub fn next_work(c: &Connection) -> Result<Option<(NameWork, u64)>, CatalogError> {
    // A source that is gone altogether has no snapshot to be found by.
    let sql = "SELECT n.id FROM name_source n WHERE n.kept <> (
                   SELECT count(*) FROM snapshot s WHERE s.machine = n.machine AND s.source = n.source
                   AND s.lifecycle = 'live' AND s.received_at <= n.indexed_at)
               OR n.indexed_at IS NULL AND NOT EXISTS (
                   SELECT 1 FROM snapshot s WHERE s.machine = n.machine AND s.source = n.source
                   AND s.lifecycle = 'live') LIMIT 1";
    let stale: Option<i64> = c.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    if let Some(source) = stale.map(|row| source_by_row(c, row)).transpose()?.flatten() {
        return Ok(Some((NameWork::Trim(source), 0)));
    }
    let waiting = "FROM snapshot s LEFT JOIN name_source n ON n.machine = s.machine AND n.source = s.source
                   WHERE s.lifecycle = 'live' AND s.received_at > coalesce(n.indexed_at, -1)";
    let left: i64 = c.prepare_cached(&format!("SELECT count(*) {waiting}"))?.query_row([], |row| row.get(0))?;
    if left == 0 {
        return Ok(None);
    }
    let sql = format!("SELECT s.snapshot_id {waiting} ORDER BY s.received_at, s.id LIMIT 1");
    let id: SnapshotId = c.prepare_cached(&sql)?.query_row([], |row| bytes_at(row, 0))?;
    let Some(seen) = history::snapshot(c, &id)? else { return Ok(None) };
    let sql = "SELECT id FROM name_source WHERE machine = ?1 AND source = ?2";
    let known = c.prepare_cached(sql)?.query_row(params![seen.machine, seen.source.as_str()], |row| row.get(0));
    let source = match known.optional()?.map(|row| source_by_row(c, row)).transpose()?.flatten() {
        Some(source) => source,
        None => NameSource {
            row: 0,
            machine: seen.machine,
            source: seen.source.clone(),
            indexed_at: None,
            root: None,
            kept: 0,
        },
    };
    Ok(Some((NameWork::Index(source, Box::new(seen)), u64::try_from(left).unwrap_or(0))))
}

fn source_by_row(c: &Connection, row: i64) -> Result<Option<NameSource>, CatalogError> {
    let sql =
        "SELECT id, machine, source, indexed_at, root_id, root_level, root_len, kept FROM name_source WHERE id = ?1";
    let source = |row: &Row<'_>| {
        let root = match optional_bytes_at::<ChunkId>(row, 4)? {
            Some(id) => Some(ListingRoot { id, level: row.get(5)?, len: row.get(6)? }),
            None => None,
        };
        Ok(NameSource {
            row: row.get(0)?,
            machine: row.get(1)?,
            source: word_at(row, 2)?,
            indexed_at: optional_time_at(row, 3)?,
            root,
            kept: size_at(row, 7)?,
        })
    };
    Ok(c.prepare_cached(sql)?.query_row([row], source).optional()?)
}

/// Enters a source that is to be indexed for the first time; gives it with its number.
///
/// # Errors
/// [`CatalogError`].
pub fn enter_source(tx: &Transaction<'_>, source: NameSource) -> Result<NameSource, CatalogError> {
    if source.row != 0 {
        return Ok(source);
    }
    let sql = "INSERT INTO name_source (machine, source, kept, next_name) VALUES (?1, ?2, 0, 0)";
    tx.prepare_cached(sql)?.execute(params![source.machine, source.source.as_str()])?;
    Ok(NameSource { row: tx.last_insert_rowid(), ..source })
}

/// One change of what a source holds.
#[derive(Debug)]
pub enum NameChange {
    /// It is there now, new or changed: path, sort, length in bytes.
    There(EntryPath, EntryKind, u64),
    /// It is not there any more.
    Gone(EntryPath),
}

/// Enters changes that came with the snapshot received at `at`; `before` is the one before it. Entering a change again
/// changes nothing.
///
/// # Errors
/// [`CatalogError`].
pub fn apply(
    tx: &Transaction<'_>,
    source: &NameSource,
    before: UnixMillis,
    at: UnixMillis,
    changes: &[NameChange],
) -> Result<(), CatalogError> {
    let (low, high) = range_of(source.row);
    let mut find = tx.prepare_cached(
        "SELECT id FROM name WHERE digest = ?1 AND last IS NULL AND path = ?2 AND id BETWEEN ?3 AND ?4",
    )?;
    let mut insert =
        tx.prepare_cached("INSERT INTO name (id, digest, path, kind, bytes, first) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut words = tx.prepare_cached("INSERT INTO name_words (rowid, shown) VALUES (?1, ?2)")?;
    let mut update = tx.prepare_cached("UPDATE name SET kind = ?2, bytes = ?3 WHERE id = ?1")?;
    let mut close = tx.prepare_cached("UPDATE name SET last = ?2 WHERE id = ?1")?;
    let next = "SELECT next_name FROM name_source WHERE id = ?1";
    let mut next: i64 = tx.prepare_cached(next)?.query_row([source.row], |row| row.get(0))?;
    for change in changes {
        let path = match change {
            NameChange::There(path, ..) | NameChange::Gone(path) => path,
        };
        let digest = digest_of(path.as_bytes());
        let open: Option<i64> =
            find.query_row(params![digest, path.as_bytes(), low, high], |row| row.get(0)).optional()?;
        match (change, open) {
            (NameChange::There(_, kind, bytes), Some(row)) => {
                update.execute(params![row, kind.word(), column_size(*bytes)])?;
            }
            (NameChange::There(path, kind, bytes), None) => {
                let row = low + next;
                next += 1;
                insert.execute(params![row, digest, path.as_bytes(), kind.word(), column_size(*bytes), at.0])?;
                words.execute(params![row, shown_name(path)])?;
            }
            (NameChange::Gone(_), Some(row)) => {
                close.execute(params![row, before.0])?;
            }
            (NameChange::Gone(_), None) => {}
        }
    }
    tx.prepare_cached("UPDATE name_source SET next_name = ?2 WHERE id = ?1")?.execute(params![source.row, next])?;
    Ok(())
}

/// Ends the indexing of a snapshot. Without `root` its listing could not be read, and rows stay those of the one before.
///
/// # Errors
/// [`CatalogError`].
pub fn end_snapshot(
    tx: &Transaction<'_>,
    source: &NameSource,
    at: UnixMillis,
    root: Option<ListingRoot>,
) -> Result<(), CatalogError> {
    let sql = "UPDATE name_source SET indexed_at = ?2, kept = kept + 1,
                      root_id = coalesce(?3, root_id), root_level = coalesce(?4, root_level),
                      root_len = coalesce(?5, root_len)
               WHERE id = ?1";
    let id = root.map(|root| root.id.as_bytes().to_vec());
    tx.prepare_cached(sql)?.execute(params![source.row, at.0, id, root.map(|r| r.level), root.map(|r| r.len)])?;
    Ok(())
}

/// Removes some rows that no live snapshot stands behind, at most `limit`, from `after` on. Gives where to go on; `None`
/// once all are looked at, and then the source is up to date.
///
/// # Errors
/// [`CatalogError`].
pub fn trim(tx: &Transaction<'_>, source: &NameSource, after: i64, limit: i64) -> Result<Option<i64>, CatalogError> {
    let (low, high) = range_of(source.row);
    let live = "FROM snapshot s WHERE s.machine = ?1 AND s.source = ?2 AND s.lifecycle = 'live'";
    let whose = params![source.machine, source.source.as_str()];
    let newest: Option<i64> =
        tx.prepare_cached(&format!("SELECT max(received_at) {live}"))?.query_row(whose, |row| row.get(0))?;
    let indexed_at = source.indexed_at.map_or(-1, |at| at.0);
    // While something is live, only rows that have ended can be without a snapshot, unless what they are of has expired.
    let ended_only = newest.is_some_and(|newest| newest >= indexed_at);
    let sql = match ended_only {
        true => {
            "SELECT id, first, last FROM name INDEXED BY name_gone
                 WHERE id > ?1 AND id <= ?2 AND last IS NOT NULL AND ?4 = ?4
                 ORDER BY id LIMIT ?3"
        }
        false => "SELECT id, first, coalesce(last, ?4) FROM name WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
    };
    let looked: Vec<(i64, i64, i64)> = tx
        .prepare_cached(sql)?
        .query_map([after.max(low - 1), high, limit, indexed_at], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut stands = tx.prepare_cached(&format!("SELECT 1 {live} AND s.received_at BETWEEN ?3 AND ?4"))?;
    for (row, first, last) in &looked {
        if !stands.exists(params![source.machine, source.source.as_str(), first, last])? {
            tx.prepare_cached("DELETE FROM name WHERE id = ?1")?.execute([row])?;
            tx.prepare_cached("DELETE FROM name_words WHERE rowid = ?1")?.execute([row])?;
        }
    }
    if looked.len() as i64 == limit {
        return Ok(looked.last().map(|(row, ..)| *row));
    }
    let left = "SELECT 1 FROM name WHERE id BETWEEN ?1 AND ?2";
    if newest.is_none() && !tx.prepare_cached(left)?.exists([low, high])? {
        tx.prepare_cached("DELETE FROM name_source WHERE id = ?1")?.execute([source.row])?;
        return Ok(None);
    }
    let sql = format!("UPDATE name_source SET kept = (SELECT count(*) {live} AND s.received_at <= ?3) WHERE id = ?4");
    tx.prepare_cached(&sql)?.execute(params![source.machine, source.source.as_str(), indexed_at, source.row])?;
    Ok(None)
}

/// Forgets some of the names of a source, at most `limit`, so that it can be indexed anew. False: nothing is left of it.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>, source: &NameSource, limit: i64) -> Result<bool, CatalogError> {
    let (low, high) = range_of(source.row);
    let sql = "SELECT id FROM name WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
    let rows: Vec<i64> =
        tx.prepare_cached(sql)?.query_map([low, high, limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for row in &rows {
        tx.prepare_cached("DELETE FROM name WHERE id = ?1")?.execute([row])?;
        tx.prepare_cached("DELETE FROM name_words WHERE rowid = ?1")?.execute([row])?;
    }
    if rows.is_empty() {
        tx.prepare_cached("DELETE FROM name_source WHERE id = ?1")?.execute([source.row])?;
    }
    Ok(!rows.is_empty())
}

fn range_of(source: i64) -> (i64, i64) {
    let low = source.saturating_mul(NAMES_PER_SOURCE);
    (low, low.saturating_add(NAMES_PER_SOURCE - 1))
}

/// A name that may be what is searched for.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The whole path.
    pub path: EntryPath,
    /// What it was the last time.
    pub kind: EntryKind,
    /// How long it was the last time, in bytes.
    pub bytes: u64,
    /// When it was first seen.
    pub first: UnixMillis,
    /// When it was last seen; `None`: it is there.
    pub last: Option<UnixMillis>,
}

/// The sources of a machine that are indexed, or of all.
///
/// # Errors
/// [`CatalogError`].
pub fn sources(c: &Connection) -> Result<Vec<NameSource>, CatalogError> {
    let rows: Vec<i64> = c
        .prepare_cached("SELECT id FROM name_source WHERE indexed_at IS NOT NULL ORDER BY machine, source")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(source_by_row(c, row)?);
    }
    Ok(found)
}

/// The first source from number `from` on that has a name with all the three letters of `words` somewhere.
///
/// # Errors
/// [`CatalogError`].
pub fn next_with_match(c: &Connection, words: &str, from: i64) -> Result<Option<i64>, CatalogError> {
    let sql = "SELECT rowid FROM name_words WHERE name_words MATCH ?1 AND rowid >= ?2 ORDER BY rowid LIMIT 1";
    let name = c.prepare_cached(sql)?.query_row(params![words, range_of(from).0], |row| row.get::<_, i64>(0));
    Ok(name.optional()?.map(|name| name / NAMES_PER_SOURCE))
}

/// Shows names of a source to `visit` until it says stop (false): those that have all the three letters of `words`
/// somewhere, or without any such words all of them.
///
/// # Errors
/// [`CatalogError`].
pub fn for_each_candidate(
    c: &Connection,
    source: &NameSource,
    words: Option<&str>,
    visit: &mut dyn FnMut(Candidate) -> bool,
) -> Result<(), CatalogError> {
    let (low, high) = range_of(source.row);
    let columns = "n.path, n.kind, n.bytes, n.first, n.last";
    let sql = match words {
        Some(_) => format!(
            "SELECT {columns} FROM name_words w JOIN name n ON n.id = w.rowid
             WHERE w.name_words MATCH ?3 AND w.rowid BETWEEN ?1 AND ?2"
        ),
        None => format!("SELECT {columns} FROM name n WHERE n.id BETWEEN ?1 AND ?2 AND ?3 IS NULL"),
    };
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query(params![low, high, words])?;
    while let Some(row) = rows.next()? {
        let path: Vec<u8> = row.get(0)?;
        // What is entered was parsed before.
        let Ok(path) = EntryPath::parse(path) else { continue };
        let (kind, bytes) = (word_at(row, 1)?, size_at(row, 2)?);
        let candidate = Candidate { path, kind, bytes, first: time_at(row, 3)?, last: optional_time_at(row, 4)? };
        if !visit(candidate) {
            break;
        }
    }
    Ok(())
}

/// The newest live snapshot of a source within a span of time, both ends included, a damaged one only if there is no
/// other.
///
/// # Errors
/// [`CatalogError`].
pub fn newest_between(
    c: &Connection,
    source: &NameSource,
    first: UnixMillis,
    last: UnixMillis,
) -> Result<Option<SnapshotId>, CatalogError> {
    let sql = "SELECT snapshot_id FROM snapshot WHERE machine = ?1 AND source = ?2 AND lifecycle = 'live'
               AND received_at BETWEEN ?3 AND ?4
               ORDER BY state = 'damaged', received_at DESC, id DESC LIMIT 1";
    let found = c
        .prepare_cached(sql)?
        .query_row(params![source.machine, source.source.as_str(), first.0, last.0], |row| bytes_at(row, 0))
        .optional()?;
    Ok(found)
}

/// How many names the index holds.
///
/// # Errors
/// [`CatalogError`].
pub fn count(c: &Connection) -> Result<u64, CatalogError> {
    Ok(c.query_row("SELECT count(*) FROM name", [], |row| size_at(row, 0))?)
}
