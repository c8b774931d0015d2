//! `datis snapshots` and `datis problems`.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::args::{ProblemsArguments, SnapshotsArguments};
use super::output::{Array, Failure, Output, count, local_time, size, timestamp};
use crate::errors::shown;
use crate::exit::Exit;
use crate::reader::ChunkReader;
use crate::snapshots::{Snapshot, SnapshotList};
use crate::state::State;

/// The longest list of problems that is read, in bytes.
const PROBLEMS_MAX: usize = 64 << 20;

/// Digits of an id that are shown; more than enough to name it.
pub(super) const ID_SHOWN: usize = 16;

pub(super) fn list(dir: PathBuf, arguments: &SnapshotsArguments) -> Result<Exit, Failure> {
    let state = State::open(dir)?;
    let mut connection = state.link()?.connect()?;
    let list = SnapshotList::fetch(&mut connection, &state.signing_key().public_key(), arguments.source.as_ref())?;
    if arguments.json {
        let mut array = Array::new();
        list.snapshots.iter().try_for_each(|snapshot| array.item(&fields(snapshot)))?;
        array.finish()?;
    } else {
        table(&list)?;
    }
    Ok(tell_rejected(&list))
}

fn fields(snapshot: &Snapshot) -> serde_json::Value {
    let record = &snapshot.record;
    json!({
        "id": snapshot.id.to_string(),
        "machine": record.machine_name.as_str(),
        "machine_id": record.machine.to_string(),
        "source": record.source.as_str(),
        "kind": record.kind.word(),
        "received_at": timestamp(snapshot.received_at),
        "state": snapshot.state.word(),
        "outside_only": snapshot.outside_only,
        "started_at": timestamp(record.started_at),
        "finished_at": timestamp(record.finished_at),
        "roots": record.roots.iter().map(|root| String::from_utf8_lossy(root)).collect::<Vec<_>>(),
        "entries": record.totals.entries,
        "bytes": record.totals.bytes,
        "problems": record.problem_count,
        "client_version": record.client_version,
    })
}

fn table(list: &SnapshotList) -> Result<(), Failure> {
    let mut output = Output::new();
    if list.snapshots.is_empty() {
        output.line("There is no snapshot yet; make one with `datis backup PATH`.")?;
        return output.finish();
    }
    let width = list.snapshots.iter().map(|s| s.record.source.as_str().chars().count()).max().unwrap_or(0).max(6);
    output.line(&format!(
        "{:ID_SHOWN$}  {:19}  {:width$}  {:8}  {:10}  {:>10}  {:>10}",
        "SNAPSHOT", "RECEIVED", "SOURCE", "KIND", "STATE", "ENTRIES", "SIZE"
    ))?;
    for snapshot in &list.snapshots {
        let record = &snapshot.record;
        output.line(&format!(
            "{}  {:19}  {:width$}  {:8}  {:10}  {:>10}  {:>10}{}",
            &snapshot.id.to_string()[..ID_SHOWN],
            local_time(snapshot.received_at),
            record.source.as_str(),
            record.kind.word(),
            snapshot.state.word(),
            record.totals.entries,
            size(record.totals.bytes),
            if snapshot.outside_only { "  outside only" } else { "" }
        ))?;
    }
    output.finish()
}

/// Snapshots that cannot be used are named, and make the command incomplete.
fn tell_rejected(list: &SnapshotList) -> Exit {
    for rejected in &list.rejected {
        let reason = crate::errors::chain(&rejected.reason);
        // The exit code tells it too, should nobody read this.
        let _ = writeln!(std::io::stderr(), "datis: snapshot {} cannot be used: {reason}.", rejected.id);
    }
    if list.rejected.is_empty() { Exit::Complete } else { Exit::Incomplete }
}

/// An entry that a snapshot lacks, or has in a state that may be mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StoredProblem {
    pub(super) path: String,
    pub(super) reason: String,
}

pub(super) fn problems(dir: PathBuf, arguments: &ProblemsArguments) -> Result<Exit, Failure> {
    let state = State::open(dir)?;
    let mut reader = ChunkReader::connect(&state)?;
    let list = SnapshotList::fetch(reader.connection(), &state.signing_key().public_key(), None)?;
    let snapshot = list.select(&arguments.snapshot)?;
    let problems = problems_of(snapshot, &mut reader)?;
    if arguments.json {
        let mut array = Array::new();
        problems.iter().try_for_each(|problem| array.item(problem))?;
        array.finish()?;
        return Ok(Exit::Complete);
    }
    let mut output = Output::new();
    problems.iter().try_for_each(|problem| output.line(&format!("{}: {}", problem.path, problem.reason)))?;
    let unlisted = snapshot.record.problem_count.saturating_sub(problems.len() as u64);
    if snapshot.record.problem_count == 0 {
        output.line("This snapshot lacks nothing.")?;
    } else if unlisted > 0 {
        output.line(&format!("and {} that the snapshot does not name", count(unlisted, "more", "more")))?;
    }
    output.finish()?;
    Ok(Exit::Complete)
}

/// What `snapshot` lacks, as far as it is listed.
pub(super) fn problems_of(snapshot: &Snapshot, reader: &mut ChunkReader) -> Result<Vec<StoredProblem>, Failure> {
    let Some(content) = &snapshot.record.problems else { return Ok(Vec::new()) };
    let text = reader.whole(content, PROBLEMS_MAX)?;
    Ok(text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(stored_problem).collect())
}

/// The reason, a tab, the path.
fn stored_problem(line: &[u8]) -> StoredProblem {
    let tab = line.iter().position(|b| *b == b'\t');
    let (reason, path) = tab.map_or((&b""[..], line), |at| (&line[..at], &line[at + 1..]));
    StoredProblem { path: shown(path), reason: shown(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_problem_list_is_a_reason_and_a_path() {
        let problem = stored_problem(b"Permission denied\t/home/a\xff");
        assert_eq!((problem.reason.as_str(), problem.path.as_str()), ("Permission denied", "/home/a\u{fffd}"));
    }
}
