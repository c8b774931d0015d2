//! `datis backup`.

use std::io::Write;
use std::path::PathBuf;

use datis_engine::ids::SnapshotId;
use datis_engine::ids::SourceName;
use serde_json::json;

use super::args::BackupArguments;
use super::output::{Failure, Output, count, short, size, summary, timestamp};
use super::snapshots::problems_of;
use crate::backup::{BackupRequest, BackupSummary, Input};
use crate::exit::Exit;
use crate::progress::{Display, Progress, Renderer};
use crate::reader::ChunkReader;
use crate::runs;
use crate::snapshots::{Selector, SnapshotList};
use crate::state::State;
use crate::walk::WalkOptions;
use datis_engine::units::UnixMillis;

/// The longest name of a source, in characters.
const NAME_MAX: usize = 64;

/// The source of several paths without a name.
const SEVERAL: &str = "files";

/// The source of `/` without a name.
const ROOT: &str = "root";

/// How many problems are shown at once; `datis problems` shows all.
const PROBLEMS_SHOWN: usize = 10;

pub(super) fn run(dir: PathBuf, arguments: BackupArguments) -> Result<Exit, Failure> {
    let json = arguments.json;
    let progress = super::interruptible();
    let done = back_up(dir, arguments, &progress);
    if let (Err(failure), true) = (&done, json) {
        let message = if let Failure::Said { sentence, .. } = failure { sentence.as_str() } else { "" };
        summary(failure.exit(), json!({ "message": message }))?;
    }
    done
}

fn back_up(dir: PathBuf, arguments: BackupArguments, progress: &Progress) -> Result<Exit, Failure> {
    let mut state = State::open(dir)?;
    let json = arguments.json;
    let request = request(&state, arguments)?;
    let renderer = Renderer::start(progress, Display::choose(json));
    let result = runs::back_up(&mut state, &request, progress);
    renderer.finish();
    let done = result?;
    let exit = runs::exit_of(&done);
    if json {
        summary(exit, fields(&done))?;
    } else {
        let mut output = Output::new();
        output.line(&sentence(&done, &request.source))?;
        output.finish()?;
    }
    if done.incomplete {
        tell_problems(&state, &done);
    }
    Ok(exit)
}

fn request(state: &State, arguments: BackupArguments) -> Result<BackupRequest, Failure> {
    let kind = arguments.kind.unwrap_or(runs::default_kind(arguments.stdin));
    let options = WalkOptions { excludes: arguments.exclude, one_file_system: arguments.one_file_system };
    let source = match arguments.source {
        Some(source) => source,
        None => unnamed_source(state, &arguments.paths)?,
    };
    let input = if arguments.stdin { Input::Stdin } else { Input::Roots(arguments.paths) };
    Ok(BackupRequest { input, source, kind, options })
}

/// A name made of the paths; refused where a source of other paths has it already.
fn unnamed_source(state: &State, paths: &[PathBuf]) -> Result<SourceName, Failure> {
    let roots = crate::walk::resolve_roots(paths).map_err(crate::backup::BackupError::from)?;
    let name = name_of(&roots);
    let taken = state.sources()?.into_iter().find(|known| known.name == name);
    let is_other = taken.is_some_and(|known| !known.roots.iter().map(|root| &root.0).eq(roots.iter()));
    if is_other {
        return Err(Failure::usage(format!(
            "`{name}` is already the name of a source with other paths; give this one a name with --source NAME"
        )));
    }
    Ok(name)
}

fn name_of(roots: &[PathBuf]) -> SourceName {
    let raw = match roots {
        [one] => one.file_name().unwrap_or(ROOT.as_ref()).to_string_lossy().into_owned(),
        _ => SEVERAL.to_owned(),
    };
    let allowed = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ') { c } else { '_' };
    let name: String = raw.chars().map(allowed).take(NAME_MAX).collect();
    name.trim().parse().or_else(|_| SEVERAL.parse()).unwrap_or_else(|_| unreachable!("a plain word is a name"))
}

fn fields(done: &BackupSummary) -> serde_json::Value {
    json!({
        "snapshot": done.snapshot,
        "entries": done.entries,
        "files": done.files,
        "bytes": done.bytes,
        "read_bytes": done.bytes_read,
        "new_bytes": done.bytes_new,
        "sent_bytes": done.bytes_sent,
        "packs": done.packs,
        "problems": done.problems,
        "received_at": timestamp(UnixMillis(done.received_at)),
        "seconds": done.seconds,
    })
}

fn sentence(done: &BackupSummary, source: &SourceName) -> String {
    let state = if done.incomplete { "incomplete" } else { "complete" };
    format!(
        "Snapshot {} of `{source}` is {state}: {}, {}; {} new, {} sent in {}, {:.1} s.",
        &done.snapshot[..16.min(done.snapshot.len())],
        count(done.entries, "entry", "entries"),
        size(done.bytes),
        size(done.bytes_new),
        size(done.bytes_sent),
        count(done.packs, "pack", "packs"),
        done.seconds
    )
}

/// Reads the list back from the snapshot: what is shown is what is stored.
fn tell_problems(state: &State, done: &BackupSummary) {
    let listed = ChunkReader::connect(state).map_err(Failure::from).and_then(|mut reader| {
        let list = SnapshotList::fetch(reader.connection(), &state.signing_key().public_key(), None)?;
        let id: SnapshotId = done.snapshot.parse().map_err(|_| Failure::ReaderGone)?;
        problems_of(list.select(&Selector::Id(id.to_string()))?, &mut reader)
    });
    let mut stderr = std::io::stderr().lock();
    // The snapshot is there and the exit code tells that it is incomplete, whoever reads this.
    let _ = match listed {
        Ok(problems) => problems
            .iter()
            .take(PROBLEMS_SHOWN)
            .try_for_each(|p| writeln!(stderr, "datis: {}: {}", short(&p.path), p.reason)),
        Err(_) => Ok(()),
    };
    let all = format!("`datis problems {}` lists them", &done.snapshot[..16.min(done.snapshot.len())]);
    let _ = writeln!(stderr, "datis: {} not backed up whole; {all}.", count(done.problems, "entry is", "entries are"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_after_the_last_part_of_its_path() {
        let name = |paths: &[&str]| name_of(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).to_string();
        assert_eq!(name(&["/usr/share"]), "share");
        assert_eq!(name(&["/"]), "root");
        assert_eq!(name(&["/a", "/b"]), "files");
        assert_eq!(name(&["/home/a<b>/x;y"]), "x_y");
        assert_eq!(name(&["/home/  "]), "files");
        assert_eq!(name(&[&format!("/{}", "n".repeat(200))]).len(), NAME_MAX);
    }
}
