//! A lost box that is brought back from the portal of a blank one.
//!
//! It is made in a folder within the blank box's, while that one runs and tells how far it is. The two change places when the
//! process starts again, in steps that can each be done twice.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::format::kit::RecoveryKit;

use super::{AppError, Lock, LockError};
use crate::config::{Config, DataDir};
use crate::control;
use crate::files::{self, FileError};
use crate::operations::accounts::{self, AccountError, Actor};
use crate::operations::{self, OperationError, Site};
use crate::peers::AllowPrivate;
use crate::portal::{BackProblem, BackStage, BackStanding, BringBack};
use crate::recovery::{Consent, Recovery, RecoveryError};
use crate::vault;

/// So long an answer that is under way has before the box starts again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Where the lost box is made.
const MADE_IN: &str = "back";
/// There once somebody has said that it is to take the place of the blank one.
const READY: &str = "ready";
/// Where what the blank box had made for itself stays.
const BLANK: &str = "blank";
/// What changes places: all that makes a box, but not what it keeps for others.
const PARTS: [&str; 4] = ["keys", "catalog", "store", "awaited"];

/// What came of a try; shared with the portal.
pub(super) struct Back {
    dir: DataDir,
    private: AllowPrivate,
    site: Arc<Site>,
    standing: Mutex<BackStanding>,
    again: tokio::sync::Notify,
}

impl Back {
    pub(super) fn new(dir: &DataDir, private: AllowPrivate, site: &Arc<Site>) -> Arc<Self> {
        let (dir, site, standing) = (dir.clone(), Arc::clone(site), Mutex::new(BackStanding::NotBegun));
        Arc::new(Self { dir, private, site, standing, again: tokio::sync::Notify::new() })
    }

    /// Ends when the box is to start again as the one that came back.
    pub(super) async fn is_to_start_again(&self) {
        self.again.notified().await;
        // The page that says so goes out first.
        tokio::time::sleep(ANSWERED_WITHIN).await;
    }

    fn lock(&self) -> MutexGuard<'_, BackStanding> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, stage: BackStage) {
        *self.lock() = BackStanding::UnderWay(stage);
    }

    /// Makes the lost box; where its first admin comes in.
    fn bring(&self, kit: RecoveryKit, one_peer: bool) -> Result<String, BackError> {
        let side = DataDir::new(self.dir.root().join(MADE_IN));
        self.prepare(&side, &kit)?;
        let lock = Lock::take(&side).map_err(AppError::from)?;
        let recovery = Recovery::begin(&side, kit, &[], self.private)?;
        let mut say = |line: String| tracing::info!(line, "A lost box is brought back");
        let (recovered, fetch) = recovery.fill(Consent { one_peer, ..Consent::default() }, &mut say)?;
        tracing::info!(packs = recovered.packs.0, snapshots = recovered.snapshots, "What a catalog is made of is here");
        self.note(BackStage::Catalog);
        let config = Config::read(&self.dir).map_err(AppError::from)?;
        let vault =
            vault::Vault::open_or_make(&side, config.box_name.as_deref(), &mut |_| ()).map_err(AppError::from)?;
        operations::rebuild(&side, vault, Some(fetch), &mut |_| ())?;
        self.note(BackStage::Place);
        let opened = super::open_marked(&side, lock, &mut |_| ())?;
        let _told = recovery.take_the_place(&opened.site, &mut say)?;
        let link = accounts::admin_link(&opened.site, &Actor::console())?;
        drop(opened);
        if !operations::is_blank(&self.site)? {
            return Err(BackError::InUse);
        }
        Ok(format!("/welcome/{}", link.expose()))
    }

    /// Writes down that somebody wants the lost box in the place of this one, which is still blank.
    fn decide_to_start(&self) -> Result<(), BackError> {
        if !operations::is_blank(&self.site)? {
            return Err(BackError::InUse);
        }
        let mark = self.dir.root().join(MADE_IN).join(READY);
        if !mark.exists() {
            files::put_new(&mark, b"")?;
        }
        Ok(())
    }

    /// The box keeps the key by which it is known, and its portal the certificate that the browser knows. What an earlier try with
    /// another kit has left goes.
    fn prepare(&self, side: &DataDir, kit: &RecoveryKit) -> Result<(), BackError> {
        if let Some(disk) = own_disk(&self.dir) {
            return Err(BackError::OwnDisk { disk });
        }
        let vault = kit.vault.to_string();
        let mark = side.recovery_mark();
        if side.root().exists() && files::read_if_there(&mark, 64)?.is_none_or(|of| of != vault.as_bytes()) {
            std::fs::remove_dir_all(side.root()).map_err(|source| AppError::System { step: "begin anew", source })?;
        }
        files::make_private_dir(side.root())?;
        if !mark.exists() {
            files::put_new(&mark, vault.as_bytes())?;
        }
        files::make_private_dir(&side.keys_dir())?;
        Ok(vault::hand_on_own_keys(&self.dir, side)?)
    }
}

/// A part of the box that is a disk of its own: it cannot change places by its name.
fn own_disk(dir: &DataDir) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).ok().map(|about| about.dev());
    let root = device(dir.root());
    PARTS.iter().map(|part| dir.root().join(part)).find(|part| device(part).is_some_and(|own| Some(own) != root))
}

/// Why it was not brought back.
#[derive(Debug, thiserror::Error)]
enum BackError {
    #[error("{disk} is a disk of its own; bring the box back at its console, with `datisd recover`")]
    OwnDisk { disk: PathBuf },
    #[error(
        "somebody has begun to use this box meanwhile, so the lost one does not take its place; bring it back in another box"
    )]
    InUse,
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
}

fn problem(error: &BackError) -> BackProblem {
    let BackError::Recovery(error) = error else { return BackProblem::Other(control::with_causes(error)) };
    match error {
        RecoveryError::NoCommunity => BackProblem::NoCommunity,
        RecoveryError::Nobody(_) => BackProblem::Nobody,
        RecoveryError::OneWord { silent } => BackProblem::OneWord { silent: silent.clone() },
        RecoveryError::NoHead { unheard, .. } if unheard.is_empty() => BackProblem::NothingKept,
        RecoveryError::NoHead { .. } | RecoveryError::Packs { .. } | RecoveryError::Map { .. } => BackProblem::TooFew,
        other => BackProblem::Other(control::with_causes(other)),
    }
}

impl BringBack for Arc<Back> {
    fn standing(&self) -> Result<BackStanding, OperationError> {
        // Somebody may have begun to use it while the lost one was made.
        if operations::is_blank(&self.site)? { Ok(self.lock().clone()) } else { Ok(BackStanding::NotBlank) }
    }

    fn begin(&self, kit: RecoveryKit, one_peer: bool) {
        {
            let mut standing = self.lock();
            match *standing {
                BackStanding::NotBegun | BackStanding::Failed(_) => {}
                BackStanding::UnderWay(_) | BackStanding::Ready { .. } | BackStanding::NotBlank => return,
            }
            *standing = BackStanding::UnderWay(BackStage::Find);
        }
        let back = Arc::clone(self);
        let begun = std::thread::Builder::new().name("back".into()).spawn(move || {
            let came = back.bring(kit, one_peer);
            *back.lock() = match came {
                Ok(link) => BackStanding::Ready { link },
                Err(error) => {
                    tracing::warn!(error = %control::with_causes(&error), "A lost box is not brought back");
                    BackStanding::Failed(problem(&error))
                }
            };
        });
        if let Err(error) = begun {
            *self.lock() = BackStanding::Failed(BackProblem::Other(error.to_string()));
        }
    }

    fn start_again(&self) {
        if !matches!(*self.lock(), BackStanding::Ready { .. }) {
            return;
        }
        match self.decide_to_start() {
            Ok(()) => self.again.notify_one(),
            Err(error) => {
                tracing::warn!(error = %control::with_causes(&error), "The lost box does not take the place of this one");
                *self.lock() = BackStanding::Failed(problem(&error));
            }
        }
    }
}

/// Lets a box that was made beside take the place of the blank one. Nothing runs in the folder; the caller holds its lock.
///
/// # Errors
/// [`AppError`]; done again, it goes on where it was.
pub(super) fn change_places(dir: &DataDir) -> Result<(), AppError> {
    let made = dir.root().join(MADE_IN);
    if !made.join(READY).exists() {
        return Ok(());
    }
    let blank = dir.root().join(BLANK);
    let has_begun = PARTS.iter().any(|part| blank.join(part).exists());
    if !has_begun && !is_still_blank(dir) {
        tracing::error!(
            folder = %made.display(),
            "A lost box was brought back, and this one is in use meanwhile: it stays, and the other one does not take its place"
        );
        return Ok(());
    }
    files::make_private_dir(&blank).map_err(LockError::from)?;
    for part in PARTS {
        let (new, here, old) = (made.join(part), dir.root().join(part), blank.join(part));
        if new.exists() {
            if here.exists() && !old.exists() {
                step(&here, &old)?;
            }
            step(&new, &here)?;
        }
    }
    std::fs::remove_dir_all(&made).map_err(|source| AppError::System { step: "clear away what is done", source })?;
    tracing::info!("The lost box has taken the place of the blank one");
    Ok(())
}

/// Whether nothing would be lost with the box that is here. What cannot be read is not given away.
fn is_still_blank(dir: &DataDir) -> bool {
    let catalog = dir.catalog_file();
    !catalog.exists() || operations::is_blank_at(&catalog).unwrap_or(false)
}

fn step(from: &Path, to: &PathBuf) -> Result<(), AppError> {
    let step = "put the lost box in place";
    std::fs::rename(from, to).map_err(|source| AppError::System { step, source })?;
    for folder in [from.parent(), to.parent()].into_iter().flatten() {
        let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| AppError::System { step, source })?;
    }
    Ok(())
}

/// Starts this program again in its own place, with what it was started with. `machine`, `portal`: where free ports were taken,
/// the same ones are taken again, so that whoever waits finds the box where it was.
pub(super) fn start_again((machine, portal): (u16, u16)) -> AppError {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    for (option, port) in [("--machine-port", machine), ("--portal-port", portal)] {
        let at = words.windows(2).position(|two| two[0] == option && two[1] == "0");
        if let Some(word) = at.and_then(|at| words.get_mut(at + 1)) {
            *word = port.to_string().into();
        }
    }
    let source = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(words).exec(),
        Err(error) => error,
    };
    AppError::System { step: "start again", source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Client, TestBox};

    fn folder(of: &Path, content: &str) {
        std::fs::create_dir_all(of).expect("folder");
        std::fs::write(of.join("what"), content).expect("file");
    }

    fn content(of: &Path) -> String {
        std::fs::read_to_string(of.join("what")).expect("file")
    }

    #[test]
    fn the_two_change_places_wherever_it_was_broken_off() {
        // As many steps as were done before the power went.
        for done in 0..=7 {
            let place = tempfile::tempdir().expect("folder");
            let dir = DataDir::new(place.path());
            let made = place.path().join(MADE_IN);
            for part in ["keys", "catalog", "store", "hosted"] {
                folder(&place.path().join(part), "blank");
            }
            for part in ["keys", "catalog", "store", "awaited"] {
                folder(&made.join(part), "lost");
            }
            std::fs::write(made.join(READY), "").expect("ready");
            std::fs::create_dir(place.path().join(BLANK)).expect("folder");
            let mut left = done;
            for part in PARTS {
                for (from, to) in [
                    (place.path().join(part), place.path().join(BLANK).join(part)),
                    (made.join(part), place.path().join(part)),
                ] {
                    if left > 0 && from.exists() {
                        std::fs::rename(from, to).expect("a step");
                        left -= 1;
                    }
                }
            }
            change_places(&dir).expect("changed");
            for part in ["keys", "catalog", "store", "awaited"] {
                assert_eq!(content(&place.path().join(part)), "lost", "{part} after {done} steps");
            }
            assert_eq!(content(&place.path().join("hosted")), "blank", "what it keeps for nobody stays");
            assert_eq!(content(&place.path().join(BLANK).join("keys")), "blank");
            assert!(!made.exists());
            change_places(&dir).expect("nothing is left to do");
        }
    }

    #[test]
    fn a_box_that_somebody_began_to_use_meanwhile_keeps_its_place() {
        for is_used in [false, true] {
            let mut here = TestBox::start();
            if is_used {
                Client::enrol(here.site(), "front-desk");
            }
            here.stop();
            let dir = here.dir();
            let made = dir.root().join(MADE_IN);
            folder(&made.join("keys"), "lost");
            std::fs::write(made.join(READY), "").expect("ready");
            change_places(&dir).expect("looked");
            assert_eq!(dir.keys_dir().join("what").exists(), !is_used);
            assert_eq!(made.exists(), is_used, "what was brought back is not thrown away");
            if is_used {
                here.restart();
                assert_eq!(operations::list_machines(here.site()).expect("machines").len(), 1);
            }
        }
    }

    #[test]
    fn what_is_not_ready_changes_nothing() {
        let place = tempfile::tempdir().expect("folder");
        folder(&place.path().join("keys"), "blank");
        folder(&place.path().join(MADE_IN).join("keys"), "lost");
        change_places(&DataDir::new(place.path())).expect("nothing to do");
        assert_eq!(content(&place.path().join("keys")), "blank");
    }
}
