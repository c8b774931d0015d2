//! A workstation: a state directory and the real `datis`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Finished, Invocation, Programs};

/// A workstation. Its folders are its own: nothing of the user who runs the tests is looked at.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name at the box.
    pub name: String,
    programs: Programs,
    folder: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Machine {
    /// A workstation that keeps its state below `folder`.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn new(programs: &Programs, folder: impl Into<PathBuf>, name: &str) -> Self {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).expect("the machine's folder can be made");
        Self { name: name.to_owned(), programs: programs.clone(), folder, environment: Vec::new() }
    }

    /// The same machine with an environment variable set for all its commands.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// `datis --state … WORDS`, to be run.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Invocation {
        let mut command = Invocation::new(self.programs.datis()).arg("--state").arg(self.state()).args(words);
        command = command.env("HOME", &self.folder);
        for (name, value) in &self.environment {
            command = command.env(name, value);
        }
        command
    }

    /// Runs `datis --state … WORDS`.
    ///
    /// # Panics
    /// When it does not start or does not end.
    #[track_caller]
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Finished {
        self.command(words).run()
    }

    /// `datis backup --json SOURCE…` with further `words`, to be run.
    #[must_use]
    pub fn backup_command<A: AsRef<OsStr>>(&self, path: &Path, words: impl IntoIterator<Item = A>) -> Invocation {
        self.command(["backup", "--json"]).args(words).arg(path)
    }

    /// Backs up `path` completely.
    ///
    /// # Panics
    /// When the backup is not complete.
    #[track_caller]
    #[must_use]
    pub fn backup(&self, path: &Path) -> Summary {
        self.backup_with(path, [""; 0])
    }

    /// Backs up `path` completely, with further words on the command line.
    ///
    /// # Panics
    /// When the backup is not complete.
    #[track_caller]
    #[must_use]
    pub fn backup_with<A: AsRef<OsStr>>(&self, path: &Path, words: impl IntoIterator<Item = A>) -> Summary {
        let summary = Summary::of(&self.backup_command(path, words).run().expect_success());
        assert_eq!(summary.outcome, "complete", "{:?}", summary.all);
        summary
    }

    /// Its snapshots, as the box lists them.
    ///
    /// # Panics
    /// When they cannot be listed.
    #[track_caller]
    #[must_use]
    pub fn snapshots(&self) -> Vec<SnapshotRow> {
        let finished = self.run(["snapshots", "--json"]).expect_success();
        let rows = finished.json();
        let rows = rows.as_array().unwrap_or_else(|| panic!("not a list\n{finished}"));
        rows.iter()
            .map(|row| SnapshotRow::read(row).unwrap_or_else(|| panic!("not a snapshot: {row}\n{finished}")))
            .collect()
    }

    /// Restores `what` (`SNAPSHOT` or `SNAPSHOT:PATH`) into `target`, all of it.
    ///
    /// # Panics
    /// When anything was left out.
    #[track_caller]
    pub fn restore(&self, what: impl AsRef<OsStr>, target: &Path) {
        let _summary = self.command(["restore", "--json"]).arg(what).arg("--to").arg(target).run().expect_success();
    }

    /// Restores the backed up folder `path` of `snapshot` into `target`, so that `target` equals it.
    ///
    /// # Panics
    /// When anything was left out.
    #[track_caller]
    pub fn restore_folder(&self, snapshot: &str, path: &Path, target: &Path) {
        self.restore(within(snapshot, path), target);
    }
}

/// `SNAPSHOT:PATH`, as commands take it.
///
/// # Panics
/// When `path` is not absolute.
#[must_use]
pub fn within(snapshot: &str, path: &Path) -> OsString {
    let mut what = OsString::from(snapshot);
    what.push(":");
    what.push(path.strip_prefix("/").expect("paths in a snapshot are those of the whole system"));
    what
}

/// What `datis backup --json` says at its end.
#[derive(Debug, Clone)]
pub struct Summary {
    /// How it ended, in one word.
    pub outcome: String,
    /// The snapshot's id; empty when there is none.
    pub snapshot: String,
    /// Packs sent.
    pub packs: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Regular files in the snapshot.
    pub files: u64,
    /// Bytes in the snapshot.
    pub bytes: u64,
    /// Everything that it says.
    pub all: Value,
}

impl Summary {
    /// Reads the last line.
    ///
    /// # Panics
    /// When it is no summary.
    #[track_caller]
    #[must_use]
    pub fn of(finished: &Finished) -> Self {
        let all = finished.json_lines().pop().unwrap_or_else(|| panic!("it says nothing\n{finished}"));
        assert_eq!(all["event"], "summary", "the last line is no summary\n{finished}");
        let text = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        let number =
            |key: &str| all[key].as_u64().unwrap_or_else(|| panic!("no number `{key}` in the summary\n{finished}"));
        Self {
            outcome: text("outcome"),
            snapshot: text("snapshot"),
            packs: number("packs"),
            sent_bytes: number("sent_bytes"),
            files: number("files"),
            bytes: number("bytes"),
            all,
        }
    }
}

/// A line of `datis snapshots --json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Its id.
    pub id: String,
    /// Its machine's name.
    pub machine: String,
    /// Its source.
    pub source: String,
    /// The source's kind.
    pub kind: String,
    /// `complete`, `incomplete` or `damaged`.
    pub state: String,
}

impl SnapshotRow {
    fn read(row: &Value) -> Option<Self> {
        // Its presence is part of the interface; its form is the caller's matter.
        row.get("received_at")?;
        let text = |key: &str| row.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            id: text("id")?,
            machine: text("machine")?,
            source: text("source")?,
            kind: text("kind")?,
            state: text("state")?,
        })
    }
}
