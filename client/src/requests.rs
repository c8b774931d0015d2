//! Put-backs: an admin has asked on the box that something of a snapshot be put back on this machine. Nothing is done
//! before somebody here agrees, or has agreed beforehand to requests of that sort.
//!
//! What the box says is treated as hostile. It may name a snapshot: its record has to be signed by this machine's own
//! key, and every chunk has its hash for a name, so that nothing comes back but what was once there. It may name paths: they
//! have to lie within the roots that this record has, and no link is followed on the way to them. Beyond that a request can only ask.

mod carry;
mod consent;
mod mark;
mod serve;

use std::collections::HashSet;

use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{ListPutBacks, PUT_BACK_PATHS_MAX, PUT_BACKS_MAX, PutBack, PutBackMode};

use crate::exit::Exit;
use crate::link::{Connection, LinkError};
use crate::restore::RestoreError;
use crate::snapshots::{Snapshot, SnapshotList};
use crate::state::{State, StateError};

pub use carry::{Carried, carry_out, refuse};
pub use consent::{Beforehand, beforehand, set_beforehand};
pub use mark::Mark;
pub use serve::serve;

/// Characters of a name that are shown.
const NAME_MAX: usize = 100;

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The box, or the way to it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The restore itself.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// None with this number.
    #[error("there is no request {0} that waits; `datis requests` lists those that do")]
    Unknown(u64),
    /// What it asks for is not what somebody agreed to.
    #[error(
        "request {0} is not what it was when it was shown; nothing was done, look at it again with `datis requests`"
    )]
    Changed(u64),
    /// The box asks for something that no box may ask for.
    #[error("request {id} is not what a box may ask for: {reason}; nothing was done, tell the box's admin")]
    Unfit {
        /// Which one.
        id: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It was cancelled, has expired or was answered meanwhile.
    #[error(
        "request {0} is over: it was cancelled, has expired or was answered before; what was put back by then is whole"
    )]
    Over(u64),
}

impl RequestError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Link(error) => error.exit(),
            Self::State(error) => error.exit(),
            Self::Restore(error) => error.exit(),
            Self::Unknown(_) | Self::Changed(_) | Self::Unfit { .. } | Self::Over(_) => Exit::Failed,
        }
    }
}

/// A request that was looked at and may be agreed to.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its number on the box.
    pub id: u64,
    /// What it asks for, in a few letters.
    pub mark: Mark,
    /// Out of which snapshot, signed by this machine.
    pub snapshot: Snapshot,
    /// What is put back, each to where it was.
    pub paths: Vec<EntryPath>,
    /// What is done about names that are taken.
    pub mode: PutBackMode,
    /// Who has asked, as the box says.
    pub asked_by: String,
    /// When, by the box's clock.
    pub asked_at: UnixMillis,
    /// Until when it waits.
    pub expires_at: UnixMillis,
}

/// What waits for this machine: requests that may be agreed to, and what is wrong with the others.
///
/// # Errors
/// [`RequestError`].
pub fn waiting(state: &State, connection: &mut Connection) -> Result<Vec<Result<Request, RequestError>>, RequestError> {
    let asked = connection.ask(&ListPutBacks {})?.requests;
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(reason) = unusable(&asked) {
        return Err(connection.misunderstood(reason.to_owned()).into());
    }
    let list = SnapshotList::fetch(connection, &state.signing_key().public_key(), None)?;
    let key = state.own_key(mark::PURPOSE);
    Ok(asked.into_iter().map(|request| checked(request, &list, &key)).collect())
}

/// What is wrong with a list of requests as a whole.
fn unusable(asked: &[PutBack]) -> Option<&'static str> {
    let mut seen = HashSet::new();
    if asked.len() > PUT_BACKS_MAX {
        Some("its list of requests is too long")
    } else if asked.iter().all(|request| seen.insert(request.id)) {
        None
    } else {
        Some("its list of requests has a number twice")
    }
}

/// A path that was asked to be backed up, with everything below it.
enum Root {
    /// The whole system.
    System,
    Path(EntryPath),
}

impl Root {
    fn read(absolute: &[u8]) -> Option<Self> {
        match absolute {
            b"/" => Some(Self::System),
            path => EntryPath::from_user(path).ok().map(Self::Path),
        }
    }

    fn holds(&self, path: &EntryPath) -> bool {
        match self {
            Self::System => true,
            Self::Path(root) => path.is_within(root),
        }
    }
}

/// Everything that has to hold before anybody is asked.
fn checked(request: PutBack, list: &SnapshotList, key: &[u8; 32]) -> Result<Request, RequestError> {
    let id = request.id;
    let unfit = |reason: &str| RequestError::Unfit { id, reason: reason.to_owned() };
    if request.paths.is_empty() || request.paths.len() > PUT_BACK_PATHS_MAX {
        return Err(unfit("it names no path, or too many"));
    }
    let snapshot = list.snapshots.iter().find(|snapshot| snapshot.id == request.snapshot);
    let snapshot = snapshot.ok_or_else(|| unfit("its snapshot is none that this machine has signed"))?;
    // A stream has none: only its user knows where that came from.
    let roots = snapshot.record.roots.iter();
    let own: Vec<Root> = roots.filter_map(|root| Root::read(root)).collect();
    let mut paths: Vec<EntryPath> = Vec::with_capacity(request.paths.len());
    for path in request.paths {
        let path = EntryPath::parse(path.into()).map_err(|e| unfit(&format!("one of its paths is none ({e})")))?;
        if !own.iter().any(|root| root.holds(&path)) {
            return Err(unfit(&format!("`/{path}` is in none of the folders that were backed up")));
        }
        paths.push(path);
    }
    // Each once, and nothing below what is put back anyway.
    paths.sort();
    paths.dedup_by(|later, earlier| later.is_within(earlier));
    Ok(Request {
        id,
        mark: Mark::of(key, id, &snapshot.id, request.mode, &paths),
        snapshot: snapshot.clone(),
        paths,
        mode: request.mode,
        asked_by: request.asked_by.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect(),
        asked_at: request.asked_at,
        expires_at: request.expires_at,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use datis_engine::format::snapshot::SnapshotRecord;
    use datis_engine::ids::SnapshotId;
    use datis_engine::wire::SnapshotState;

    use super::*;
    use crate::snapshots::tests::record;

    fn asked(paths: &[&[u8]]) -> PutBack {
        PutBack {
            id: 7,
            snapshot: SnapshotId::from_bytes([1; 32]),
            paths: paths.iter().map(|path| path.to_vec().into()).collect(),
            mode: PutBackMode::Overwrite,
            asked_by: "cl\u{1b}[2Jaire".to_owned(),
            asked_at: UnixMillis(1),
            expires_at: UnixMillis(2),
        }
    }

    /// As it is in the list once its signature was checked.
    fn signed(id: u8, roots: &[&[u8]]) -> Snapshot {
        let roots = roots.iter().map(|root| root.to_vec()).collect();
        let record = SnapshotRecord { roots, ..record("docs", 1) };
        let state = SnapshotState::Complete;
        Snapshot {
            id: SnapshotId::from_bytes([id; 32]),
            record,
            received_at: UnixMillis(1),
            state,
            outside_only: false,
        }
    }

    /// One that may be agreed to, of files 0 and up; its snapshot was made on 13 September 2020.
    pub(crate) fn request(files: u64) -> Request {
        let roots = vec![b"/home/claire".to_vec()];
        let record = SnapshotRecord { roots, ..record("docs", 1_600_000_000_000) };
        let list = SnapshotList { snapshots: vec![Snapshot { record, ..signed(1, &[]) }], ..SnapshotList::default() };
        let paths = (0..files).map(|n| format!("home/claire/{n:02}").into_bytes().into()).collect();
        checked(PutBack { paths, asked_by: "claire".to_owned(), ..asked(&[]) }, &list, &[1; 32]).expect("sound")
    }

    #[test]
    fn a_list_with_more_requests_than_there_can_be_or_with_a_number_twice_is_not_used() {
        let list = |len: u64| -> Vec<PutBack> { (0..len).map(|id| PutBack { id, ..asked(&[b"a"]) }).collect() };
        assert_eq!(unusable(&list(16)), None);
        assert!(unusable(&list(17)).is_some());
        assert!(unusable(&[asked(&[b"a"]), asked(&[b"b"])]).is_some());
    }

    fn path(text: &str) -> EntryPath {
        EntryPath::from_user(text.as_bytes()).expect("a path")
    }

    #[test]
    fn a_box_cannot_ask_for_anything_but_what_this_machine_backs_up_itself() {
        let list = SnapshotList {
            snapshots: vec![signed(2, &[b"/home/claire"]), signed(3, &[]), signed(4, &[b"/"])],
            ..SnapshotList::default()
        };
        let of = |id: u8, paths: &[&[u8]]| {
            checked(PutBack { snapshot: SnapshotId::from_bytes([id; 32]), ..asked(paths) }, &list, &[1; 32])
        };
        let check = |paths: &[&[u8]]| of(2, paths);

        let sound = check(&[b"home/claire/b/x", b"home/claire/a", b"home/claire/b", b"home/claire/a"]).expect("sound");
        assert_eq!(sound.paths, [path("/home/claire/a"), path("/home/claire/b")], "each once, nothing within another");
        assert_eq!(sound.asked_by, "cl[2Jaire", "no control character reaches the terminal");

        let hostile: [&[&[u8]]; 10] = [
            &[],
            &[b""],
            &[b"/etc/passwd"],
            &[b"../etc/passwd"],
            &[b"home/claire/../../etc/passwd"],
            &[b"home/claire/a\0b"],
            &[b"home/claire//a"],
            &[b"etc/passwd"],
            &[b"home/claire2/a"],
            &[b"home/claire/a", b"etc/cron.d/x"],
        ];
        for paths in hostile {
            assert!(matches!(check(paths), Err(RequestError::Unfit { id: 7, .. })), "{paths:?}");
        }
        let many: Vec<Vec<u8>> = (0..=PUT_BACK_PATHS_MAX).map(|n| format!("home/claire/{n}").into_bytes()).collect();
        assert!(check(&many.iter().map(Vec::as_slice).collect::<Vec<_>>()).is_err());
        assert!(of(9, &[b"home/claire/a"]).is_err(), "a snapshot that this machine has not signed is in no list");
        assert!(of(3, &[b"home/claire/a"]).is_err(), "a stream has no place");
        assert!(of(4, &[b"etc/hosts"]).is_ok(), "the whole system was backed up");
    }
}
