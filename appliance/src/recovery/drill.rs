//! A drill: with the kit and nothing else, in a folder apart, what a recovery would do up to the first files; then all of it is
//! thrown away. The community is not told that there is another box, since there is none.

use std::sync::{Arc, TryLockError};
use std::time::Instant;

use datis_engine::format::kit::RecoveryKit;
use datis_engine::keys::random_bytes;

use super::{Consent, Recovery, RecoveryError};
use crate::config::{Config, ConfigError, DataDir};
use crate::links::peers::AllowPrivate;
use crate::operations::accounts::{Action, Actor, Right, log_use};
use crate::operations::browse::{BrowseError, Scope, prove};
use crate::operations::community::note_own_drill;
use crate::operations::{self, Limits, OpenError, OperationError, Site, chain, list_machines};
use crate::vault::{Vault, VaultError};

/// Files that are restored to nowhere (mutual-backup 4.9).
const FILES: usize = 3;

/// What a drill came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drilled {
    /// Members that answered, and all there are.
    pub(crate) members: (usize, usize),
    /// Packs that a recovery would find.
    pub(crate) packs: usize,
    /// Snapshots that this box has and a recovery would find, and all that it would find: some were deleted here since.
    pub(crate) snapshots: (usize, usize),
    /// Files that were restored to nowhere, every chunk checked, and their bytes.
    pub(crate) files: (u64, u64),
    /// From the kit to the last of these files, in milliseconds.
    pub(crate) took_ms: u64,
}

/// Why a drill has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillError {
    /// The kit is that of another box.
    #[error("this is the kit of another box; take the one that was printed from this box")]
    OtherKit,
    /// Another one is under way.
    #[error("a recovery is being tried already; wait until that has ended")]
    Running,
    /// The recovery itself.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// What came back does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The same.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalog.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A file.
    #[error(transparent)]
    Browse(#[from] BrowseError),
    /// There is nothing to try it with.
    #[error("none of the backups is outside yet; the drill has nothing to restore")]
    Nothing,
    /// Something came back that is not what it was.
    #[error("{failures} of {files} files cannot be restored from what the other boxes keep: {first}")]
    Unreadable { files: u64, failures: u64, first: String },
    /// The other boxes have something else than this box.
    #[error(
        "none of the snapshots that came back is on this box; what the others keep is old, or another box writes under its name"
    )]
    Strange,
}

/// Tries a recovery of this box out of its kit, and writes into the log what came of it.
///
/// # Errors
/// [`DrillError`].
pub(crate) fn drill(
    site: &Arc<Site>,
    dir: &DataDir,
    kit: RecoveryKit,
    progress: &mut dyn FnMut(String),
) -> Result<Drilled, DrillError> {
    let _alone = match site.drilling.try_lock() {
        Ok(alone) => alone,
        // What it was about is in the folder, which is cleared.
        Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(DrillError::Running),
    };
    let side = sandbox(dir);
    clear(&side)?;
    let came = attempt(site, dir, &side, kit, progress);
    clear(&side)?;
    match &came {
        Ok(drilled) => {
            let seconds = drilled.took_ms.div_ceil(1_000).to_string();
            log_use(site, &Actor::console(), Right::SeeKit, Action::DrillPassed, &seconds, "")?;
        }
        Err(DrillError::OtherKit) => {}
        Err(error) => log_use(site, &Actor::console(), Right::SeeKit, Action::DrillFailed, "", &chain(error))?,
    }
    came
}

fn attempt(
    site: &Arc<Site>,
    dir: &DataDir,
    side: &DataDir,
    kit: RecoveryKit,
    progress: &mut dyn FnMut(String),
) -> Result<Drilled, DrillError> {
    let began = Instant::now();
    let config = Config::read(dir)?;
    let private = if config.community.allow_private { AllowPrivate::Yes } else { AllowPrivate::No };
    let recovery = Recovery::begin(side, kit, &[], private)?;
    if recovery.kit.vault != site.vault.id {
        return Err(DrillError::OtherKit);
    }
    // Before anybody sees it, and tells this box that its kit was shown.
    note_own_drill(site, &recovery.pin())?;
    // Nothing rests on it, so one box is enough.
    let (recovered, fetch) = recovery.fill(Consent { one_peer: true, ..Consent::default() }, progress)?;
    let vault = || Vault::open_or_make(side, None, &mut |_| ());
    operations::rebuild(side, vault()?, Some(Arc::clone(&fetch)), &mut |_| ())?;
    progress("the catalog is made; files are restored to nowhere".to_owned());
    let back = Arc::new(Site::open(side, vault()?, Limits::default())?);
    back.awaited.reach_by(fetch);
    let files = restore_some(&back)?;
    let (here, there) = (operations::snapshot_ids(site)?, operations::snapshot_ids(&back)?);
    let common = there.intersection(&here).count();
    if common == 0 {
        return Err(DrillError::Strange);
    }
    Ok(Drilled {
        members: recovered.members,
        packs: recovered.packs.0,
        snapshots: (common, there.len()),
        files,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Files of the newest backups, drawn anew each time; each chunk is checked by the name that its owner signed.
fn restore_some(back: &Arc<Site>) -> Result<(u64, u64), DrillError> {
    let (mut files, mut bytes) = (0, 0);
    for machine in list_machines(back)? {
        let left = FILES.saturating_sub(usize::try_from(files).unwrap_or(FILES));
        if left == 0 {
            break;
        }
        let proof = match prove(back, &Scope::All, &machine.id, left, random_bytes().map_err(OperationError::from)?) {
            Ok(proof) => proof,
            Err(BrowseError::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(first) = proof.failed.first() {
            let first = first.reason.clone();
            return Err(DrillError::Unreadable { files: proof.files, failures: proof.failures, first });
        }
        (files, bytes) = (files + proof.files, bytes + proof.bytes);
    }
    if files == 0 { Err(DrillError::Nothing) } else { Ok((files, bytes)) }
}

/// Clears away what a drill has left that was broken off, such as by a power cut: the keys of its sandbox are of no use to anybody.
///
/// # Errors
/// [`OperationError`] of the folder.
pub(crate) fn clear_sandbox(dir: &DataDir) -> Result<(), OperationError> {
    clear(&sandbox(dir))
}

/// Where the box is made that is thrown away.
fn sandbox(dir: &DataDir) -> DataDir {
    DataDir::new(dir.root().join("drill"))
}

fn clear(side: &DataDir) -> Result<(), OperationError> {
    match std::fs::remove_dir_all(side.root()) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OperationError::Io { step: "clear away what a drill has left", source })
        }
        _ => Ok(()),
    }
}
