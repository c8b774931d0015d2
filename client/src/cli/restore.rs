//! `datis restore`.

use std::io::Write;
use std::path::PathBuf;

use datis_engine::wire::RestoreReport;
use serde_json::json;

use super::args::RestoreArguments;
use super::output::{Failure, Output, count, short, size, summary, to_json};
use crate::errors::shown;
use crate::exit::Exit;
use crate::progress::{Display, Progress, Renderer};
use crate::reader::ChunkReader;
use crate::restore::{self, Mode, Place, RestoreRequest, RestoreSummary, Survey, Warnings};
use crate::runs;
use crate::snapshots::SnapshotList;
use crate::state::State;

/// How many problems are shown; with `--json` all that are kept are in the summary.
const PROBLEMS_SHOWN: usize = 20;

pub(super) fn run(dir: PathBuf, arguments: RestoreArguments) -> Result<Exit, Failure> {
    let json = arguments.json;
    let progress = super::interruptible();
    let done = restore(dir, arguments, &progress);
    if let (Err(failure), true) = (&done, json) {
        let message = if let Failure::Said { sentence, .. } = failure { sentence.as_str() } else { "" };
        summary(failure.exit(), json!({ "message": message }))?;
    }
    done
}

fn restore(dir: PathBuf, arguments: RestoreArguments, progress: &Progress) -> Result<Exit, Failure> {
    let state = State::open(dir)?;
    let mut reader = ChunkReader::connect(&state)?;
    let list = SnapshotList::fetch(reader.connection(), &state.signing_key().public_key(), None)?;
    let snapshot = list.select(&arguments.what.snapshot)?.clone();
    drop(reader);
    let RestoreArguments { what, to, mode, sync, dry_run, json } = arguments;
    let request = RestoreRequest { snapshot, path: what.path, to, place: Place::Inside, mode, sync };
    if dry_run {
        show_survey(&restore::survey(&state, &request)?, &request, json)
    } else {
        write(&state, &request, json, progress)
    }
}

fn write(state: &State, request: &RestoreRequest, json: bool, progress: &Progress) -> Result<Exit, Failure> {
    let renderer = Renderer::start(progress, Display::choose(json));
    let result = restore::run(state, request, progress);
    renderer.finish();
    let done = result?;
    // Whether backups can be restored is what the people who look at the box want to know first.
    let (files, bytes, problems) = (done.files, done.bytes, done.problem_count);
    runs::tell_the_box(state, &RestoreReport { snapshot: request.snapshot.id, files, bytes, problems });
    let exit = done.exit();
    if json {
        summary(exit, to_json(&done))?;
    } else {
        let mut output = Output::new();
        output.line(&format!(
            "Restored {} and {} with {} into {} in {:.1} s; every byte was checked.",
            count(done.files, "file", "files"),
            count(done.others, "other entry", "other entries"),
            size(done.bytes),
            request.to.display(),
            done.seconds
        ))?;
        output.finish()?;
    }
    tell_problems(&done);
    tell_warnings(done.warnings);
    Ok(exit)
}

fn tell_problems(done: &RestoreSummary) {
    let mut stderr = std::io::stderr().lock();
    for problem in done.problems.iter().take(PROBLEMS_SHOWN) {
        let place = if problem.path.is_empty() { String::new() } else { format!("{}: ", short(&problem.path)) };
        // The exit code tells it too, should nobody read this.
        let _ = writeln!(stderr, "datis: {place}{}.", shown(problem.reason.as_bytes()));
    }
    if done.problem_count > 0 {
        let _ = writeln!(
            stderr,
            "datis: {} not restored; everything else was.",
            count(done.problem_count, "entry was", "entries were")
        );
    }
}

fn tell_warnings(warnings: Warnings) {
    let Warnings { owners, set_id, xattrs, devices } = warnings;
    let as_root = "restore as root to have them";
    for (n, what) in [
        (owners, "belong to you, because only root can give files away"),
        (set_id, "came without their set-id bits, because they belong to you"),
        (xattrs, "came without some extended attributes or ACLs, which you or this file system cannot set"),
        (devices, "are device nodes, which only root can make, and are not there"),
    ] {
        if n > 0 {
            // A warning changes nothing about how the command ends.
            let _ = writeln!(std::io::stderr(), "datis: {} {what}; {as_root}.", count(n, "entry", "entries"));
        }
    }
}

fn show_survey(survey: &Survey, request: &RestoreRequest, json: bool) -> Result<Exit, Failure> {
    if json {
        summary(Exit::Complete, to_json(survey))?;
        return Ok(Exit::Complete);
    }
    let mut output = Output::new();
    output.line(&format!(
        "Would restore {}, {} and {} with {} into {}.",
        count(survey.files, "file", "files"),
        count(survey.directories, "directory", "directories"),
        count(survey.others, "link or special file", "links and special files"),
        size(survey.bytes),
        request.to.display()
    ))?;
    let fits = if survey.fits { "which is enough" } else { "which is NOT enough" };
    output.line(&format!("{} are free there, {fits}.", size(survey.free_bytes)))?;
    if survey.taken > 0 {
        let fate = match request.mode {
            Mode::Empty => "in the way",
            Mode::Beside => "taken there, so that what is restored gets a name with a date",
            Mode::Overwrite => "taken there, and what has them would be replaced",
        };
        output.line(&format!("{} {fate}:", count(survey.taken, "name is", "names are")))?;
        survey.taken_examples.iter().try_for_each(|path| output.line(&format!("  {}", short(path))))?;
    }
    output.finish()?;
    Ok(Exit::Complete)
}
