//! `datis ls`, `find`, `diff` and `cat`: results are printed as they are read.

use std::io::Write;
use std::path::PathBuf;

use datis_engine::format::listing::Entry;
use datis_engine::format::path::EntryPath;
use serde_json::{Value, json};

use super::args::{CatArguments, DiffArguments, FindArguments, LsArguments};
use super::entries::{long_line, object};
use super::output::{Array, Failure, Output};
use super::snapshots::ID_SHOWN;
use crate::browse::{self, CatError, Depth, Difference, Pattern, Version};
use crate::errors::shown;
use crate::exit::Exit;
use crate::reader::{ChunkReader, ReadError};
use crate::snapshots::SnapshotList;
use crate::state::State;

pub(super) fn ls(dir: PathBuf, arguments: &LsArguments) -> Result<Exit, Failure> {
    let (list, mut reader) = open(dir)?;
    let snapshot = list.select(&arguments.what.snapshot)?;
    let depth = if arguments.recursive { Depth::All } else { Depth::Children };
    let mut printer = Printer::new(arguments.json);
    let mut exit = Exit::Complete;
    let path = arguments.what.path.as_ref();
    browse::list(&snapshot.record.listing, path, depth, &mut reader, &mut |found| match found {
        Ok((path, entry)) => printer.print(
            || Value::Object(object(&path, &entry)),
            || if arguments.long { long_line(&path, &entry) } else { path.to_string() },
        ),
        Err(error) => {
            exit = tell(&error);
            Ok::<_, Failure>(())
        }
    })?;
    printer.finish()?;
    Ok(exit)
}

pub(super) fn find(dir: PathBuf, arguments: &FindArguments) -> Result<Exit, Failure> {
    let pattern = Pattern::new(&arguments.pattern, arguments.ignore_case).map_err(|e| Failure::usage(e.to_string()))?;
    let (mut list, mut reader) = open(dir)?;
    if let Some(source) = &arguments.source {
        list.snapshots.retain(|snapshot| snapshot.record.source == *source);
    }
    let mut printer = Printer::new(arguments.json);
    let mut exit = Exit::Complete;
    let mut give = |found: Result<Version<'_>, (&crate::snapshots::Snapshot, ReadError)>| match found {
        Ok(version) => printer.print(|| version_object(&version), || version_line(&version)),
        Err((_, error)) => {
            exit = tell(&error);
            Ok::<_, Failure>(())
        }
    };
    match &arguments.snapshot {
        Some(selector) => browse::find_in(list.select(selector)?, &pattern, &mut reader, &mut give)?,
        None => browse::find(&list, &pattern, &mut reader, &mut give)?,
    }
    printer.finish()?;
    Ok(exit)
}

fn version_object(version: &Version<'_>) -> Value {
    let mut fields = object(&version.path, &version.entry);
    fields.insert("snapshot".to_owned(), version.snapshot.id.to_string().into());
    fields.insert("source".to_owned(), version.snapshot.record.source.as_str().into());
    Value::Object(fields)
}

fn version_line(version: &Version<'_>) -> String {
    let id = version.snapshot.id.to_string();
    format!("{}  {}", &id[..ID_SHOWN], long_line(&version.path, &version.entry))
}

pub(super) fn diff(dir: PathBuf, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let (list, mut reader) = open(dir)?;
    let (before, after) = (list.select(&arguments.before)?, list.select(&arguments.after)?);
    let mut printer = Printer::new(arguments.json);
    browse::diff(before, after, &mut reader, &mut |difference| {
        printer.print(|| difference_object(&difference), || difference_line(&difference))
    })?;
    printer.finish()?;
    Ok(Exit::Complete)
}

fn difference_object(difference: &Difference) -> Value {
    let with = |change: &str, path: &EntryPath, entry: &Entry, more: Value| {
        let mut fields = object(path, entry);
        fields.insert("change".to_owned(), change.into());
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        Value::Object(fields)
    };
    match difference {
        Difference::Added(path, entry) => with("added", path, entry, Value::Null),
        Difference::Removed(path, entry) => with("removed", path, entry, Value::Null),
        Difference::Type(path, a, b) => with("type", path, b, json!({ "before": object(path, a) })),
        Difference::Changed(path, aspects, a, b) => {
            let what: Vec<&str> = aspects.iter().map(|aspect| aspect.word()).collect();
            with("changed", path, b, json!({ "what": what, "before": object(path, a) }))
        }
    }
}

/// `+` added, `-` removed, `T` another sort, `M` changed.
fn difference_line(difference: &Difference) -> String {
    match difference {
        Difference::Added(path, _) => format!("+ {path}"),
        Difference::Removed(path, _) => format!("- {path}"),
        Difference::Type(path, a, b) => format!("T {path} ({} → {})", a.node.word(), b.node.word()),
        Difference::Changed(path, aspects, ..) => {
            let what: Vec<&str> = aspects.iter().map(|aspect| aspect.word()).collect();
            format!("M {path} ({})", what.join(", "))
        }
    }
}

pub(super) fn cat(dir: PathBuf, arguments: CatArguments) -> Result<Exit, Failure> {
    let Some(path) = arguments.what.path else {
        return Err(Failure::usage("name a file after the snapshot: SNAPSHOT:PATH".to_owned()));
    };
    let (list, mut reader) = open(dir)?;
    let snapshot = list.select(&arguments.what.snapshot)?;
    let mut output = Output::new();
    browse::cat(&snapshot.record.listing, &path, &mut reader, &mut |bytes| output.bytes(bytes))?;
    output.finish()?;
    Ok(Exit::Complete)
}

impl From<CatError> for Failure {
    fn from(error: CatError) -> Self {
        Self::Said { exit: error.exit(), sentence: crate::errors::chain(&error) }
    }
}

fn open(dir: PathBuf) -> Result<(SnapshotList, ChunkReader), Failure> {
    let state = State::open(dir)?;
    let mut reader = ChunkReader::connect(&state)?;
    let list = SnapshotList::fetch(reader.connection(), &state.signing_key().public_key(), None)?;
    Ok((list, reader))
}

/// A part that cannot be read: said, and the rest is shown all the same.
fn tell(error: &ReadError) -> Exit {
    // The exit code tells it too, should nobody read this.
    let _ = writeln!(std::io::stderr(), "datis: {}.", shown(error.chain().as_bytes()));
    Exit::Incomplete
}

/// Lines, or one JSON array.
enum Printer {
    Lines(Output),
    Json(Array),
}

impl Printer {
    fn new(json: bool) -> Self {
        if json { Self::Json(Array::new()) } else { Self::Lines(Output::new()) }
    }

    fn print(&mut self, object: impl FnOnce() -> Value, line: impl FnOnce() -> String) -> Result<(), Failure> {
        match self {
            Self::Lines(output) => output.line(&line()),
            Self::Json(array) => array.item(&object()),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Lines(output) => output.finish(),
            Self::Json(array) => array.finish(),
        }
    }
}
