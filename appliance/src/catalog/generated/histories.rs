//! Machines that have backed up every night for months.

use datis_engine::format::VERSION;
use datis_engine::format::listing::{ListingRoot, Totals};
use datis_engine::format::snapshot::{Receipt, SnapshotRecord};
use datis_engine::ids::{ChunkId, MachineId, MachineName, PackId, SourceKind, SourceName, Witness};
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;
use rusqlite::{Transaction, params};

use super::super::snapshots::{self, NewSnapshot};
use super::super::{Catalog, CatalogError, MachineRow, PackRow};

/// What a night adds.
const CHUNKS_PER_NIGHT: u64 = 16;
const CHUNK_LEN: u64 = 64 << 10;

const DAY_MS: i64 = 86_400_000;

/// The nights of one machine: each a snapshot, signed by the machine and the box, and a checked pack with what was new.
#[derive(Debug)]
pub struct GeneratedHistory<'h> {
    /// The machine.
    pub machine: MachineRow,
    /// Its id.
    pub id: MachineId,
    /// What it is called.
    pub name: &'h MachineName,
    /// What it signs with.
    pub key: &'h SigningKey,
    /// What the box signs with.
    pub box_key: &'h SigningKey,
    /// What it backs up.
    pub source: SourceName,
    /// When the last night was.
    pub last: UnixMillis,
    /// How many there were.
    pub nights: u32,
}

impl GeneratedHistory<'_> {
    /// Writes all rows; none of their objects exist. The index of names counts as made, empty.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn write(&self, catalog: &Catalog) -> Result<(), CatalogError> {
        catalog.writer().write(|tx| {
            for night in (0..self.nights).rev() {
                self.write_night(tx, night)?;
            }
            tx.prepare_cached(
                "INSERT INTO name_source (machine, source, indexed_at, kept, next_name) VALUES (?1, ?2, ?3, ?4, 0)",
            )?
            .execute(params![self.machine, self.source.as_str(), self.last.0, self.nights])?;
            Ok(())
        })
    }

    fn write_night(&self, tx: &Transaction<'_>, night: u32) -> Result<(), CatalogError> {
        let at = UnixMillis(self.last.0 - i64::from(night) * DAY_MS);
        let seed = blake3::hash(&[self.id.as_bytes().as_slice(), &night.to_le_bytes()].concat());
        let id = PackId::from_bytes(*seed.as_bytes());
        let bytes = CHUNKS_PER_NIGHT * CHUNK_LEN / 2;
        tx.prepare_cached(
            "INSERT INTO pack (pack_id, machine, state, bytes, chunks, received_at, verified_at, scrubbed_at)
             VALUES (?1, ?2, 'stored', ?3, ?4, ?5, ?5, ?6)",
        )?
        .execute(params![
            id.as_bytes(),
            self.machine,
            i64::try_from(bytes).unwrap_or(0),
            i64::try_from(CHUNKS_PER_NIGHT).unwrap_or(0),
            at.0,
            self.last.0
        ])?;
        let pack = PackRow(tx.last_insert_rowid());
        for number in 0..CHUNKS_PER_NIGHT {
            write_chunk(tx, pack, number, &blake3::keyed_hash(seed.as_bytes(), &number.to_le_bytes()))?;
        }
        let record = self.record(at, &seed);
        let signed = record.sign(self.key);
        let receipt = Receipt::sign(signed.id(), at, self.box_key);
        snapshots::insert(
            tx,
            &NewSnapshot { machine: self.machine, signed: &signed, record: &record, receipt: &receipt },
        )
    }

    fn record(&self, at: UnixMillis, seed: &blake3::Hash) -> SnapshotRecord {
        let mut listing = [0; ChunkId::LEN];
        listing.copy_from_slice(&seed.as_bytes()[..ChunkId::LEN]);
        SnapshotRecord {
            version: VERSION,
            machine: self.id,
            machine_name: self.name.clone(),
            source: self.source.clone(),
            kind: SourceKind::Files,
            started_at: UnixMillis(at.0 - 600_000),
            finished_at: at,
            roots: vec![b"/srv".to_vec()],
            listing: ListingRoot { id: ChunkId::from_bytes(listing), level: 0, len: 1_000 },
            totals: Totals { entries: 40_000, bytes: 8 << 30 },
            problem_count: 0,
            problems: None,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn write_chunk(tx: &Transaction<'_>, pack: PackRow, number: u64, name: &blake3::Hash) -> Result<(), CatalogError> {
    let (id, witness) = name.as_bytes().split_at(ChunkId::LEN);
    let (at, len) = (i64::try_from(number * CHUNK_LEN).unwrap_or(0), i64::try_from(CHUNK_LEN).unwrap_or(0));
    let witness: [u8; Witness::LEN] = witness.try_into().unwrap_or([0; Witness::LEN]);
    tx.prepare_cached("INSERT INTO chunk (id, pack, segment, start, len, witness) VALUES (?1, ?2, 0, ?3, ?4, ?5)")?
        .execute(params![id, pack, at, len, witness])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::status;
    use crate::operations::testing::{Client, TestBox, source};

    #[test]
    fn generated_nights_are_snapshots_like_any_other() {
        let test = TestBox::start();
        let site = test.site();
        let client = Client::enrol(site, "till-1");
        let last = UnixMillis(site.clock.now().0 - 1);
        let (machine, key) = (&client.machine, &client.key);
        let history = GeneratedHistory {
            machine: machine.row,
            id: machine.id,
            name: &machine.name,
            key,
            box_key: key,
            source: source(),
            last,
            nights: 30,
        };
        history.write(&site.catalog).expect("write");
        let seen = status(site).expect("status");
        let (totals, packs) = (&seen.machines[0].sources[0], &seen.machines[0].stored);
        assert_eq!((totals.snapshots, totals.damaged, totals.last_received_at), (30, 0, last.0));
        assert_eq!((packs.packs, packs.chunks), (30, 30 * CHUNKS_PER_NIGHT));
        let page = site.catalog.reader().read(|tx| snapshots::page(tx, machine.row, None, None, 100)).expect("page");
        let record = page[29].signed.open(&key.public_key()).expect("the machine's signature");
        assert_eq!(record.finished_at.0, last.0 - 29 * DAY_MS);
    }
}
