//! Lets time pass, for tests.

use datis_engine::units::Seconds;
use rusqlite::{Transaction, params};

use super::CatalogError;

fn millis(time: Seconds) -> i64 {
    i64::try_from(time.0).expect("a short time") * 1_000
}

/// Makes everything in the catalog older.
pub(crate) fn age(tx: &Transaction<'_>, by: Seconds) -> Result<(), CatalogError> {
    for sql in [
        "UPDATE snapshot SET received_at = received_at - ?1",
        "UPDATE pack SET received_at = received_at - ?1, condemned_at = condemned_at - ?1, scrubbed_at = scrubbed_at - ?1",
        "UPDATE orphan_pack SET seen_at = seen_at - ?1",
    ] {
        tx.execute(sql, params![millis(by)])?;
    }
    Ok(())
}

/// The chunk rows of everything in one text, to compare two catalogs of the same store.
pub(crate) fn digest(tx: &Transaction<'_>) -> Result<Vec<String>, CatalogError> {
    let mut statement = tx.prepare(
        "SELECT 'chunk ' || hex(c.id) || ' ' || hex(p.pack_id) || ' ' || c.segment || ' ' || c.start || ' ' || c.len
             FROM chunk c JOIN pack p ON p.id = c.pack
         UNION ALL SELECT 'pack ' || hex(p.pack_id) || ' ' || hex(m.machine_id) || ' ' || p.state || ' ' || p.bytes || ' ' || p.chunks
             FROM pack p JOIN machine m ON m.id = p.machine
         UNION ALL SELECT 'segments ' || hex(p.pack_id) || ' ' || hex(s.segments)
             FROM pack_segments s JOIN pack p ON p.id = s.pack
         UNION ALL SELECT 'snapshot ' || hex(s.snapshot_id) || ' ' || hex(m.machine_id) || ' ' || s.source || ' ' || s.kind || ' ' || s.state
                 || ' ' || s.received_at || ' ' || hex(s.receipt) || ' ' || s.entries || ' ' || s.bytes
             FROM snapshot s JOIN machine m ON m.id = s.machine
         UNION ALL SELECT 'right ' || hex(f.chunk_id) || ' ' || hex(m.machine_id)
             FROM foreign_ref f JOIN machine m ON m.id = f.machine
         ORDER BY 1",
    )?;
    let lines = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(lines)
}
