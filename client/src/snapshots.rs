//! This machine's snapshots at the box: the list, each with its signature checked, and the ways to name one.
//!
//! A snapshot is named by the first digits of its id (four at least), by `latest`, or by `SOURCE@latest`; `:PATH` after
//! it names something in it.

use std::fmt;
use std::str::FromStr;

use datis_engine::format::snapshot::{OpenRecordError, SnapshotRecord};
use datis_engine::ids::{SnapshotId, SourceName};
use datis_engine::keys::PublicKey;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{ListSnapshots, SnapshotInfo, SnapshotState};

use crate::link::{Connection, LinkError};

/// The fewest digits of an id that name a snapshot.
const PREFIX_MIN: usize = 4;

const LATEST: &str = "latest";

/// A snapshot whose record is signed by this machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name.
    pub id: SnapshotId,
    /// Its record.
    pub record: SnapshotRecord,
    /// When the box had all of it.
    pub received_at: UnixMillis,
    /// What the box knows of it now.
    pub state: SnapshotState,
    /// Whether the box keeps it outside only: reading it takes other boxes that answer.
    pub outside_only: bool,
}

/// A snapshot that cannot be used.
#[derive(Debug)]
pub struct Rejected {
    /// Its name.
    pub id: SnapshotId,
    /// Why.
    pub reason: OpenRecordError,
}

/// All snapshots of this machine, newest first.
#[derive(Debug, Default)]
pub struct SnapshotList {
    /// Those that can be used.
    pub snapshots: Vec<Snapshot>,
    /// Those whose record is altered, signed by another key, or of a later format.
    pub rejected: Vec<Rejected>,
}

/// Why a snapshot was not found.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Not a way to name a snapshot.
    #[error(
        "`{0}` names no snapshot: write the first {PREFIX_MIN} or more digits of its id, `latest`, or `SOURCE@latest`"
    )]
    Form(String),
    /// None with this id.
    #[error("there is no snapshot {0} of this machine; `datis snapshots` shows those that there are")]
    Unknown(String),
    /// Several with these digits.
    #[error("{0} is the beginning of {1} snapshot ids; write more digits")]
    Ambiguous(String, usize),
    /// None yet.
    #[error("there is no snapshot yet; make one with `datis backup`")]
    None,
    /// None of this source.
    #[error("there is no snapshot of a source named `{0}`; `datis snapshots` shows those that there are")]
    NoneOfSource(SourceName),
    /// It is there, but cannot be used.
    #[error("snapshot {id} cannot be used: {reason}")]
    Rejected {
        /// Which.
        id: SnapshotId,
        /// Why.
        reason: String,
    },
}

/// The most snapshots of one machine that are read; any policy keeps far fewer, and each takes some 500 bytes here.
const SNAPSHOTS_MAX: usize = 100_000;

impl SnapshotList {
    /// Asks the box for all of them.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn fetch(
        connection: &mut Connection,
        machine_key: &PublicKey,
        source: Option<&SourceName>,
    ) -> Result<Self, LinkError> {
        let mut list = Self::default();
        let mut after = None;
        loop {
            let page = connection.ask(&ListSnapshots { source: source.cloned(), after })?;
            let last = page.snapshots.last().map(|info| info.signed.id());
            page.snapshots.into_iter().for_each(|info| list.add(info, machine_key));
            if list.snapshots.len() + list.rejected.len() > SNAPSHOTS_MAX {
                return Err(connection.misunderstood("its list of snapshots does not end".into()));
            }
            match last {
                Some(last) if page.more => after = Some(last),
                Some(_) | None => return Ok(list),
            }
        }
    }

    fn add(&mut self, info: SnapshotInfo, machine_key: &PublicKey) {
        let id = info.signed.id();
        match info.signed.open(machine_key) {
            Ok(record) => {
                let (received_at, state, outside_only) = (info.received_at, info.state, info.outside_only);
                self.snapshots.push(Snapshot { id, record, received_at, state, outside_only });
            }
            Err(reason) => self.rejected.push(Rejected { id, reason }),
        }
    }

    /// The one that `selector` names.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn select(&self, selector: &Selector) -> Result<&Snapshot, SelectError> {
        match selector {
            Selector::Latest => self.snapshots.first().ok_or(SelectError::None),
            Selector::LatestOf(source) => {
                let found = self.snapshots.iter().find(|snapshot| snapshot.record.source == *source);
                found.ok_or_else(|| SelectError::NoneOfSource(source.clone()))
            }
            Selector::Id(prefix) => self.by_prefix(prefix),
        }
    }

    fn by_prefix(&self, prefix: &str) -> Result<&Snapshot, SelectError> {
        let starts = |id: &SnapshotId| id.to_string().starts_with(prefix);
        let sound: Vec<_> = self.snapshots.iter().filter(|s| starts(&s.id)).collect();
        let rejected: Vec<_> = self.rejected.iter().filter(|r| starts(&r.id)).collect();
        match (sound.as_slice(), rejected.as_slice()) {
            ([one], []) => Ok(one),
            ([], []) => Err(SelectError::Unknown(prefix.to_owned())),
            ([], [one]) => Err(SelectError::Rejected { id: one.id, reason: one.reason.to_string() }),
            _ => Err(SelectError::Ambiguous(prefix.to_owned(), sound.len() + rejected.len())),
        }
    }

    /// The newest one of each source.
    pub fn latest_of_each(&self) -> impl Iterator<Item = &Snapshot> {
        let mut seen = std::collections::HashSet::new();
        self.snapshots.iter().filter(move |snapshot| seen.insert(&snapshot.record.source))
    }
}

/// A way to name a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest of all.
    Latest,
    /// The newest of one source.
    LatestOf(SourceName),
    /// The one whose id starts with these digits.
    Id(String),
}

impl FromStr for Selector {
    type Err = SelectError;

    fn from_str(raw: &str) -> Result<Self, SelectError> {
        let refuse = || SelectError::Form(raw.chars().take(80).collect());
        if raw == LATEST {
            return Ok(Self::Latest);
        }
        if let Some(source) = raw.strip_suffix("@latest") {
            return source.parse().map(Self::LatestOf).map_err(|_| refuse());
        }
        let digits = raw.to_ascii_lowercase();
        let sound = (PREFIX_MIN..=2 * SnapshotId::LEN).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if sound { Ok(Self::Id(digits)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(LATEST),
            Self::LatestOf(source) => write!(f, "{source}@{LATEST}"),
            Self::Id(prefix) => f.write_str(prefix),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use datis_engine::format::content::Content;
    use datis_engine::format::listing::{ListingRoot, Totals};
    use datis_engine::ids::{ChunkId, MachineId, SourceKind};
    use datis_engine::keys::SigningKey;

    use super::*;

    fn key() -> SigningKey {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        SigningKey::from_pkcs8(&pair.serialize_der()).expect("key")
    }

    /// What this machine might sign of `source`, at a time.
    pub(crate) fn record(source: &str, at: i64) -> SnapshotRecord {
        SnapshotRecord {
            version: datis_engine::format::VERSION,
            machine: MachineId::from_bytes([1; 16]),
            machine_name: "pc".parse().expect("name"),
            source: source.parse().expect("name"),
            kind: SourceKind::Files,
            started_at: UnixMillis(at),
            finished_at: UnixMillis(at),
            roots: vec![b"/home".to_vec()],
            listing: ListingRoot { id: ChunkId::from_bytes([2; ChunkId::LEN]), level: 0, len: 10 },
            totals: Totals::default(),
            problem_count: 0,
            problems: None::<Content>,
            client_version: "1".to_owned(),
        }
    }

    fn info(source: &str, at: i64, key: &SigningKey) -> SnapshotInfo {
        SnapshotInfo {
            signed: record(source, at).sign(key),
            received_at: UnixMillis(at),
            state: SnapshotState::Complete,
            outside_only: false,
        }
    }

    #[test]
    fn snapshots_are_named_by_digits_or_by_latest_and_no_other_way() {
        for (text, selector) in [
            ("latest", Selector::Latest),
            ("my docs@latest", Selector::LatestOf("my docs".parse().expect("name"))),
            ("A1b2", Selector::Id("a1b2".to_owned())),
        ] {
            assert_eq!(text.parse::<Selector>().expect(text), selector);
        }
        for bad in ["", "a1", "newest", "@latest", "../x@latest", &"a".repeat(65)] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_that_somebody_else_signed_is_set_apart() {
        let (mine, other) = (key(), key());
        let mut list = SnapshotList::default();
        for (source, at, key) in [("b", 3, &mine), ("a", 2, &mine), ("b", 1, &other)] {
            list.add(info(source, at, key), &mine.public_key());
        }
        let select = |text: &str| list.select(&text.parse().expect("selector"));
        assert_eq!(select("latest").expect("one").received_at, UnixMillis(3));
        assert_eq!(select("a@latest").expect("one").received_at, UnixMillis(2));
        assert!(matches!(select("c@latest"), Err(SelectError::NoneOfSource(_))));
        let id = list.snapshots[1].id.to_string();
        assert_eq!(select(&id[..20]).expect("one").id, list.snapshots[1].id);
        let forged = list.rejected[0].id.to_string();
        assert!(matches!(select(&forged), Err(SelectError::Rejected { .. })));
        assert_eq!(list.latest_of_each().count(), 2);
    }
}
