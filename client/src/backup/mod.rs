//! A backup: walk, compare with what is remembered, read, cut, ask, compress, seal, send, commit.
//!
//! ```text
//! walk ─► collector ─► workers (read, cut, name, ask) ─► collector ─► workers (compress) ─► packer ─► uploader ─► box
//!            │ entries in order, nodes, segments                        one pack open, one on the line
//! ```
//! All queues are bounded; memory does not depend on the tree. The box's receipt alone makes the snapshot: before it
//! nothing is remembered, after it the ledger is put in place.

mod collect;
mod packing;
mod reading;
mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use datis_engine::chunk::seal::{Effort, FrameEncoder, SealError};
use datis_engine::format::VERSION;
use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::{Receipt, SnapshotRecord};
use datis_engine::ids::{RunId, SnapshotId, SourceKind, SourceName};
use datis_engine::keys::{ChunkKeys, KeyError};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Abandon, Begin, Begun, Commit, RefusalCode};
use serde::Serialize;

use self::collect::{Batch, Collected, Collector, Listing, Order, Problems, Segments};
use self::packing::{Line, Packer, upload};
use self::work::{Seen, Shop, work};
use crate::exit::Exit;
use crate::ledger::{self, LedgerReader, LedgerWriter};
use crate::link::{Connection, Link, LinkError};
use crate::platform::names::bytes_of;
use crate::platform::scan::{Stat, open_stdin, stat_open};
use crate::progress::{Phase, Progress};
use crate::state::{State, StateError};
use crate::walk::{WalkError, WalkOptions, resolve_roots, walk};

/// How often a run begins again after the box lost its session (it restarted).
const RESTARTS_MAX: u32 = 5;

/// What to back up.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// Where the bytes come from.
    pub input: Input,
    /// The name of the source.
    pub source: SourceName,
    /// How it is cut.
    pub kind: SourceKind,
    /// What is left out.
    pub options: WalkOptions,
}

/// Where the bytes come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// Trees of files.
    Roots(Vec<PathBuf>),
    /// Standard input, as one file named like the source.
    Stdin,
}

/// What a backup did.
#[derive(Debug, Clone, Serialize)]
pub struct BackupSummary {
    /// The snapshot.
    pub snapshot: String,
    /// Whether something could not be read, or changed while it was.
    pub incomplete: bool,
    /// How many such entries.
    pub problems: u64,
    /// Entries in the snapshot.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of the files in it.
    pub bytes: u64,
    /// Bytes that were read from files.
    pub bytes_read: u64,
    /// Bytes that the box did not have.
    pub bytes_new: u64,
    /// Bytes sent, compressed and sealed.
    pub bytes_sent: u64,
    /// Packs sent.
    pub packs: u64,
    /// When the box had all of it, in milliseconds since 1970.
    pub received_at: i64,
    /// How long it took.
    pub seconds: f64,
}

/// Why a backup failed; nothing of it is visible then, and what was sent is used by the next run.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing to walk, or wrong patterns.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The box, or the way to it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Segments could not be made.
    #[error("a segment could not be made: {0}; run the backup again, and check this machine's memory if that recurs")]
    Seal(#[from] SealError),
    /// Keys or random numbers.
    #[error("a key could not be made or used: {0}")]
    Key(#[from] KeyError),
    /// Standard input broke off.
    #[error("standard input could not be read to its end ({reason}); nothing was stored")]
    Stream {
        /// What the system says.
        reason: String,
    },
    /// The state directory cannot be written.
    #[error("the ledger in the state folder cannot be written ({0}); check the room and the rights there")]
    Ledger(#[source] std::io::Error),
    /// The ledger was altered; the run begins again without it.
    #[error("the ledger in the state folder was altered")]
    LedgerDamaged,
    /// The receipt is not signed by the box.
    #[error("the box's receipt is not signed with its key; the snapshot cannot be relied on, ask the box's admin")]
    Receipt(#[source] KeyError),
    /// Ctrl-C, or the service is stopping.
    #[error("interrupted; what was sent so far will be used by the next run")]
    Interrupted,
    /// A thread ended because another one failed.
    #[error("the backup was stopped by an earlier error")]
    Stopped,
}

impl BackupError {
    /// What the program ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Link(error) => error.exit(),
            Self::State(error) => error.exit(),
            Self::Interrupted => Exit::Interrupted,
            Self::Walk(_)
            | Self::Seal(_)
            | Self::Key(_)
            | Self::Stream { .. }
            | Self::Ledger(_)
            | Self::LedgerDamaged
            | Self::Receipt(_)
            | Self::Stopped => Exit::Failed,
        }
    }
}

/// Makes a snapshot of a source on the box. Returns once the box has signed for it.
///
/// # Errors
/// [`BackupError`]; no snapshot is visible then.
pub fn run(
    state: &State,
    request: &BackupRequest,
    id: RunId,
    progress: &Progress,
) -> Result<BackupSummary, BackupError> {
    let clock = Instant::now();
    let roots = match &request.input {
        Input::Roots(roots) => resolve_roots(roots)?,
        Input::Stdin => Vec::new(),
    };
    let keys = ChunkKeys::derive(&state.secret);
    let run = Run { state, request, progress, keys: &keys, roots, id };
    let committed = run.until_committed()?;
    Ok(BackupSummary {
        snapshot: committed.snapshot.to_string(),
        incomplete: committed.record.problem_count > 0,
        problems: committed.record.problem_count,
        entries: committed.record.totals.entries,
        files: progress.files_seen.get(),
        bytes: committed.record.totals.bytes,
        bytes_read: progress.bytes_read.get(),
        bytes_new: progress.bytes_new.get(),
        bytes_sent: progress.bytes_sent.get(),
        packs: progress.packs_sent.get(),
        received_at: committed.receipt.received_at.0,
        seconds: clock.elapsed().as_secs_f64(),
    })
}

struct Run<'r> {
    state: &'r State,
    request: &'r BackupRequest,
    progress: &'r Progress,
    keys: &'r ChunkKeys,
    roots: Vec<PathBuf>,
    /// Tells the box that a second `Begin` is of the same run.
    id: RunId,
}

struct Committed {
    snapshot: SnapshotId,
    record: SnapshotRecord,
    receipt: Receipt,
}

impl Run<'_> {
    fn until_committed(&self) -> Result<Committed, BackupError> {
        let mut use_ledger = true;
        let mut restarts = 0;
        loop {
            let error = match self.attempt(use_ledger) {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            let lost_session =
                matches!(&error, BackupError::Link(e) if e.refusal() == Some(RefusalCode::SessionUnknown));
            let ledger_misled = matches!(&error, BackupError::LedgerDamaged)
                || matches!(&error, BackupError::Link(e) if e.refusal() == Some(RefusalCode::ChunksMissing));
            // Standard input cannot be read a second time.
            let can_repeat = matches!(self.request.input, Input::Roots(_));
            if can_repeat && lost_session && restarts < RESTARTS_MAX {
                restarts += 1;
                tracing::info!("the box has restarted; going on with what it has");
            } else if can_repeat && ledger_misled && use_ledger {
                use_ledger = false;
                tracing::warn!(%error, "what this machine remembers does not fit the box; reading everything again");
            } else {
                return Err(error);
            }
        }
    }

    fn attempt(&self, use_ledger: bool) -> Result<Committed, BackupError> {
        self.progress.begin_again();
        self.progress.enter(Phase::Scan);
        let ledger_path = ledger::path_of(&self.state.cache_dir()?, &self.request.source);
        let is_stream = matches!(self.request.input, Input::Stdin);
        let remembered = if use_ledger && !is_stream { LedgerReader::open(&ledger_path) } else { None };
        let link = self.state.link()?;
        let mut connection = link.connect()?;
        let begun = connection.ask(&Begin {
            source: self.request.source.clone(),
            base: remembered.as_ref().map(|ledger| ledger.base),
            run: self.id,
        })?;
        let started_at = now();
        let ledger =
            if is_stream { None } else { Some(LedgerWriter::create(&ledger_path).map_err(BackupError::Ledger)?) };
        let base = remembered.filter(|_| begun.base_kept);
        let collected = self.collect(&link, &begun, started_at, base, ledger);
        let result = collected.and_then(|collected| self.commit(&mut connection, &begun, started_at, collected));
        if result.is_err() {
            // Best effort: a session that is not abandoned ends by itself.
            let _answer = connection.ask(&Abandon { session: begun.session });
        }
        result
    }

    fn collect(
        &self,
        link: &Link,
        begun: &Begun,
        started_at: UnixMillis,
        base: Option<LedgerReader>,
        ledger: Option<LedgerWriter>,
    ) -> Result<Collected, BackupError> {
        self.progress.enter(if base.is_some() { Phase::Compare } else { Phase::Send });
        let (finished_packs, packs) = crossbeam_channel::bounded(0);
        let (task_sender, tasks) = crossbeam_channel::unbounded();
        let (outcome_sender, outcomes) = crossbeam_channel::unbounded();
        let line = Line::default();
        let shop = Shop {
            link,
            session: begun.session,
            keys: self.keys,
            kind: self.request.kind,
            nothing_known: begun.nothing_known,
            seen: Seen::default(),
            packer: Packer::new(&self.state.recipients, &line, finished_packs),
            progress: self.progress,
        };
        let collector = Collector {
            keys: self.keys,
            kind: self.request.kind,
            started_at,
            tasks: task_sender,
            outcomes,
            progress: self.progress,
            base,
            ledger,
            order: Order::default(),
            batch: Batch::default(),
            listing: Listing::new(self.keys),
            segments: Segments::default(),
            devices: HashMap::new(),
            problems: Problems::default(),
        };
        std::thread::scope(|scope| {
            let uploader = scope.spawn(|| upload(link, begun.session, packs, &line, self.progress));
            let workers: Vec<_> = (0..worker_count())
                .map(|_| {
                    let (shop, tasks, outcomes) = (&shop, &tasks, outcome_sender.clone());
                    scope.spawn(move || work(shop, tasks, &outcomes))
                })
                .collect();
            drop(outcome_sender);
            let collected = self.feed(collector);
            // The tasks' sender is gone with the collector, so the workers end; then the last pack can be sent.
            let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
            let finished = match &collected {
                Ok(_) if panicked == 0 => FrameEncoder::new(Effort::Passing)
                    .map_err(BackupError::from)
                    .and_then(|mut encoder| shop.packer.finish(&mut encoder)),
                _ => Err(BackupError::Stopped),
            };
            shop.packer.abort();
            let uploaded = uploader.join().unwrap_or(Err(BackupError::Stopped));
            first_cause([uploaded, finished], collected)
        })
    }

    /// Walks, or reads the stream, into the collector.
    fn feed(&self, mut collector: Collector<'_>) -> Result<Collected, BackupError> {
        match &self.request.input {
            Input::Roots(_) => walk(&self.roots, &self.request.options, &mut |step| collector.take(step))?,
            Input::Stdin => {
                let file = open_stdin().map_err(|e| stream_error(&e))?;
                let stat = stat_open(&file).map_err(|e| stream_error(&e))?;
                let path = EntryPath::from_user(self.request.source.as_str().as_bytes())
                    .map_err(|e| BackupError::Stream { reason: e.to_string() })?;
                collector.read_stream(&file, path, stream_stat(&stat))?;
            }
        }
        collector.finish()
    }

    fn commit(
        &self,
        connection: &mut Connection,
        begun: &Begun,
        started_at: UnixMillis,
        collected: Collected,
    ) -> Result<Committed, BackupError> {
        self.progress.enter(Phase::Commit);
        let record = SnapshotRecord {
            version: VERSION,
            machine: self.state.machine,
            machine_name: self.state.machine_name.clone(),
            source: self.request.source.clone(),
            kind: self.request.kind,
            started_at,
            finished_at: now(),
            roots: self.roots.iter().map(|root| bytes_of(root).into_owned()).collect(),
            listing: collected.root,
            totals: collected.totals,
            problem_count: collected.problem_count,
            problems: collected.problems,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let signed = record.sign(self.state.signing_key());
        let snapshot = signed.id();
        let receipt = connection.ask(&Commit { session: begun.session, signed })?;
        receipt.verify(&self.state.receipt_key).map_err(BackupError::Receipt)?;
        if receipt.snapshot != snapshot {
            return Err(BackupError::Receipt(KeyError::Signature));
        }
        if let Some(ledger) = collected.ledger {
            // The snapshot stands whatever becomes of the ledger; without it the next run reads everything.
            if let Err(error) = ledger.finish(&snapshot) {
                tracing::warn!(%error, "the ledger cannot be put in place; the next backup will read everything again");
            }
        }
        Ok(Committed { snapshot, record, receipt })
    }
}

/// The error that made the others: `Stopped` only tells that somebody else failed.
fn first_cause(
    others: [Result<(), BackupError>; 2],
    collected: Result<Collected, BackupError>,
) -> Result<Collected, BackupError> {
    let mut stopped = None;
    let mut keep = |error: BackupError| match error {
        BackupError::Stopped => {
            stopped = Some(BackupError::Stopped);
            None
        }
        error => Some(error),
    };
    let (collected, cause) = match collected {
        Ok(collected) => (Some(collected), None),
        Err(error) => (None, keep(error)),
    };
    let cause = cause.or_else(|| others.into_iter().filter_map(Result::err).find_map(keep));
    match (cause.or(stopped), collected) {
        (Some(error), _) => Err(error),
        (None, Some(collected)) => Ok(collected),
        (None, None) => Err(BackupError::Stopped),
    }
}

fn stream_error(error: &std::io::Error) -> BackupError {
    BackupError::Stream { reason: error.to_string() }
}

/// A stream has no owner, mode or time worth keeping: it becomes a private file of whoever ran the backup, of now.
fn stream_stat(stat: &Stat) -> Stat {
    let seconds = now().0.div_euclid(1_000);
    let time = datis_engine::units::FileTime { seconds, nanoseconds: 0 };
    Stat { mode: 0o600, links: 1, modified: time, changed: time, ..*stat }
}

fn worker_count() -> usize {
    // One more than there are cores: while one waits for the box's answer, the others compute.
    std::thread::available_parallelism().map_or(2, usize::from).min(8) + 1
}

fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
