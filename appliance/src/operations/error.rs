//! What can go wrong in an operation, and what of it a machine is told.

use std::error::Error;
use std::io;

use datis_engine::chunk::seal::SealError;
use datis_engine::format::FormatError;
use datis_engine::ids::{MachineName, PackId};
use datis_engine::keys::KeyError;
use datis_engine::store::StoreError;
use datis_engine::wire::{Refusal, RefusalCode};

use crate::catalog::CatalogError;

/// What can go wrong in an operation that a person or a worker asked for.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store.
    #[error("the store of packs failed")]
    Store(#[from] StoreError),
    /// A key cannot be made or used.
    #[error("a key could not be made or used")]
    Key(#[from] KeyError),
    /// Something cannot be sealed.
    #[error("a pack could not be sealed")]
    Seal(#[from] SealError),
    /// A sentence cannot be written: an error of the build.
    #[error("a text cannot be written: {0}")]
    Words(String),
    /// Whoever asked may not do this.
    #[error("your account may not do this; ask an admin of the box")]
    Forbidden,
    /// Whoever asked may do this only after giving the password again.
    #[error("give your password again first")]
    ConfirmFirst,
    /// No active machine of this name.
    #[error("there is no active machine `{name}`; `datisd status` shows those there are")]
    NoSuchMachine {
        /// The name.
        name: MachineName,
    },
    /// An active machine has the name.
    #[error("there is a machine `{name}` already; choose another name, or retire that machine first")]
    NameTaken {
        /// The name.
        name: MachineName,
    },
    /// Something cannot be put back on its machine.
    #[error("nothing is put back: {0}")]
    NotToBePutBack(PutBackProblem),
    /// A machine can rest neither until a time that has passed nor for more than a year.
    #[error("a machine can be paused until a time in the next 366 days; retire one that is gone for good")]
    PauseLength,
    /// A pack is damaged or gone.
    #[error("pack {pack} is damaged: {reason}")]
    DamagedPack {
        /// Which one.
        pack: PackId,
        /// What does not hold.
        reason: String,
    },
    /// A part of the map or a head cannot be sealed or read.
    #[error("what is outside cannot be written down")]
    Outside(#[from] datis_engine::outside::OutsideError),
    /// The map has more parts than a head can name.
    #[error(
        "the map of what is outside has become too long for a head: packs still go out, but what is new cannot be found with the \
         recovery kit; delete backups that are not needed, or report this"
    )]
    MapTooLong,
    /// The secret that seals shards is not the one that sealed those that peers hold.
    #[error(
        "keys/dispersal.key is not the key that sealed what peers hold; put it back from a copy of the box's folder"
    )]
    OtherDispersalSecret,
    /// A peer keeps a later head than this box has ever made.
    #[error("another box makes heads for this member: a peer keeps number {theirs}, this box has made {ours}")]
    OtherBox {
        /// The last one of this box.
        ours: u64,
        /// What a peer keeps.
        theirs: u64,
    },
    /// A node is not what it should be.
    #[error("a node of a listing cannot be read")]
    Node(#[from] FormatError),
    /// A chunk that a snapshot needs is in no pack that its machine may use.
    #[error("chunk {0} is in no pack")]
    ChunkGone(datis_engine::ids::ChunkId),
    /// Collection would remove too much at once.
    #[error(
        "nothing was deleted: this run would remove {days_lost} of {days} days with backups and {doomed_bytes} of \
         {stored_bytes} bytes, more than the 10 % allowed at once; look at `datisd prune --dry-run`, and add `--force` if \
         that is what you want"
    )]
    Brake {
        /// Days with backups (of one source each) that would have none.
        days_lost: u64,
        /// Days with backups.
        days: u64,
        /// What would go, in bytes.
        doomed_bytes: u64,
        /// What is stored, in bytes.
        stored_bytes: u64,
    },
    /// The store has snapshots that the catalog does not know: collection would take what they rest on.
    #[error(
        "nothing was deleted: the store has snapshots that the catalog does not know ({snapshots}), so the catalog is older \
         than the store; stop the box and run `datisd rebuild`, which brings them back"
    )]
    CatalogBehind {
        /// How many.
        snapshots: u64,
    },
    /// Packs are still on their way back: what a policy does not want cannot be told from what is needed before.
    #[error(
        "nothing was deleted: the box is coming back, and {packs} packs are still with other boxes only; this waits until they \
         are here (`datisd status` tells how far that is)"
    )]
    ComingBack {
        /// How many.
        packs: usize,
    },
    /// What a new catalog is made in cannot be opened.
    #[error("the new catalog cannot be made")]
    Open(#[source] Box<super::OpenError>),
    /// What is kept for other members cannot be reached; nothing of it counts as lost.
    #[error("the folder of other members' shards is not there, or is another one; mount its disk again")]
    HostedAway {
        /// What the system said of its marker file.
        #[source]
        source: std::io::Error,
    },
    /// A sync of that folder has failed: what is there is read, and nothing is added.
    #[error(
        "the disk with what is kept for other members could not make data durable, so nothing more is written to it until another \
         disk is in its place or the box starts again"
    )]
    HostedBarred {
        /// What failed first, or that something has.
        #[source]
        source: StoreError,
    },
    /// The same operation is running already.
    #[error("another {what} is running; wait for it to end")]
    Running {
        /// Which operation.
        what: &'static str,
    },
    /// The caller asked to stop.
    #[error("stopped before its end")]
    Stopped,
    /// A file or folder beside the store failed.
    #[error("cannot {step}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// After a failed sync or commit nothing is promised any more.
    #[error("the box must start again: {reason}")]
    Poisoned {
        /// What failed first.
        reason: String,
    },
}

/// Why something is not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PutBackProblem {
    /// Nothing was chosen, or too much.
    #[error("choose between one and 200 files and folders")]
    Choice,
    /// The machine does not come any more.
    #[error("the machine is retired, so that it never comes to fetch it; download the files instead")]
    Retired,
    /// Not one of the machine's.
    #[error("the snapshot is none of this machine's")]
    Snapshot,
    /// It was nowhere on the machine.
    #[error("the backup is of a stream, which has no place on the machine to go back to; download it instead")]
    Stream,
    /// As many are open as may be.
    #[error("too many requests of this machine are open; cancel some, or wait until they are done")]
    TooMany,
    /// It has come to its end.
    #[error("the request is over already")]
    Over,
}

impl OperationError {
    /// Whether the process must stop and start again from what is on disk.
    #[must_use]
    pub fn is_durability(&self) -> bool {
        match self {
            Self::Catalog(e) => e.is_durability(),
            Self::Store(e) => matches!(e, StoreError::Durability { .. }),
            Self::Poisoned { .. } => true,
            Self::Key(_)
            | Self::Seal(_)
            | Self::Words(_)
            | Self::Forbidden
            | Self::ConfirmFirst
            | Self::NoSuchMachine { .. }
            | Self::NameTaken { .. }
            | Self::PauseLength
            | Self::NotToBePutBack(_)
            | Self::DamagedPack { .. }
            | Self::Outside(_)
            | Self::MapTooLong
            | Self::OtherDispersalSecret
            | Self::OtherBox { .. }
            | Self::Node(_)
            | Self::ChunkGone(_)
            | Self::Brake { .. }
            | Self::CatalogBehind { .. }
            | Self::ComingBack { .. }
            | Self::Open(_)
            | Self::HostedAway { .. }
            | Self::HostedBarred { .. }
            | Self::Running { .. }
            | Self::Stopped
            | Self::Io { .. } => false,
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Catalog(e) => e.is_full(),
            Self::Store(e) => matches!(e, StoreError::Full { .. }),
            _ => false,
        }
    }

    fn is_read_only(&self) -> bool {
        match self {
            Self::Store(StoreError::Io { source, .. }) => source.kind() == io::ErrorKind::ReadOnlyFilesystem,
            _ => false,
        }
    }
}

/// An error with all its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Transparent errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What happens inside an operation that a machine asked for: a refusal that it is told, or a fault that is logged.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The machine is told exactly this.
    Refused(Refusal),
    /// The box has a fault of its own.
    Fault(OperationError),
}

impl Failure {
    pub(crate) fn refuse(code: RefusalCode, sentence: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(code, sentence))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<OperationError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// The refusal for a box whose disk has no room.
pub(crate) fn full() -> Refusal {
    Refusal::new(
        RefusalCode::Full,
        "the disk of the box is full: nothing was lost, but nothing new can be kept until its admin makes room",
    )
}

/// The refusal for a disk that has turned read-only, as after an error of its own.
pub(crate) fn read_only() -> Refusal {
    let sentence = "the disk of the box takes nothing now, it is read-only; what it holds is still read";
    Refusal::new(RefusalCode::Full, sentence)
}

/// What a machine is told of a fault; the log is told everything.
pub(crate) fn refusal_of(error: &OperationError) -> Refusal {
    if error.is_full() {
        return full();
    }
    // Not each file system says of itself that it is: ext4 goes on as if it were not, and refuses each write.
    if error.is_read_only() {
        tracing::error!(error = %chain(error), "A disk takes nothing any more");
        return read_only();
    }
    if let OperationError::DamagedPack { pack, .. } = error {
        return Refusal::new(
            RefusalCode::Damaged,
            format!("pack {pack} on the box is damaged; what does not need it can still be restored"),
        );
    }
    // Said once by whoever found it, and not each time that somebody asks.
    if let OperationError::HostedAway { .. } = error {
        let sentence = "the disk with what the box keeps for others is not there at present; nothing is lost by that";
        return Refusal::new(RefusalCode::Fault, sentence);
    }
    if let OperationError::HostedBarred { .. } = error {
        let sentence =
            "the disk with what the box keeps for others does not take anything more; what it holds is still read";
        return Refusal::new(RefusalCode::Fault, sentence);
    }
    if let OperationError::Store(StoreError::Away { .. }) = error {
        tracing::warn!(error = %chain(error), "A pack that is with other boxes cannot be read now");
        let sentence = "what is asked for is still with other boxes, and too few of them answer now; nothing is lost by that, try again later";
        return Refusal::new(RefusalCode::Fault, sentence);
    }
    if matches!(error, OperationError::Stopped) {
        return Refusal::new(RefusalCode::Stopping, "the box is stopping; try again in a minute");
    }
    tracing::error!(error = %chain(error), "An operation failed");
    if error.is_durability() {
        return Refusal::new(
            RefusalCode::Stopping,
            "the box could not make data durable and starts again; try again in a minute",
        );
    }
    Refusal::new(RefusalCode::Fault, "the box has a fault of its own; its log says which")
}
