//! The command `datis`: reads the command line, does what it says, prints what came of it, and ends with a number.
//!
//! Results go to standard output, everything else to standard error. No command here decides anything about backups.

mod args;
mod backup;
mod browse;
mod entries;
mod output;
mod requests;
mod restore;
mod snapshots;
mod standing;
mod status;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Parser;
use datis_engine::enrolment::{EnrolmentError, EnrolmentUri};

use self::args::{Arguments, Command, EnrolArguments};
use self::output::{Failure, Output};
use crate::enrol;
use crate::errors::shown;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::state::State;

/// Does what the command line `arguments` (the program's name first) says, and tells how the process should end.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no errors; where nobody reads, there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Complete };
        }
    };
    log_to_stderr(if matches!(arguments.command, Command::Service) { "info" } else { "warn" });
    if let Err(error) = crate::platform::signals::forbid_core_dumps() {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    match dispatch(arguments) {
        Ok(exit) => exit,
        Err(failure) => {
            tell(&failure);
            failure.exit()
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    let dir = State::locate(arguments.state)?;
    match arguments.command {
        Command::Enrol(arguments) => enrol_machine(dir, &arguments),
        Command::Backup(arguments) => backup::run(dir, arguments),
        Command::Snapshots(arguments) => snapshots::list(dir, &arguments),
        Command::Problems(arguments) => snapshots::problems(dir, &arguments),
        Command::Ls(arguments) => browse::ls(dir, &arguments),
        Command::Find(arguments) => browse::find(dir, &arguments),
        Command::Diff(arguments) => browse::diff(dir, &arguments),
        Command::Cat(arguments) => browse::cat(dir, arguments),
        Command::Restore(arguments) => restore::run(dir, arguments),
        Command::Mount(arguments) => standing::mount(dir, arguments),
        Command::Requests(arguments) => requests::run(dir, arguments),
        Command::Status(arguments) => status::run(dir, &arguments),
        Command::Service => standing::service(dir),
    }
}

fn enrol_machine(dir: PathBuf, arguments: &EnrolArguments) -> Result<Exit, Failure> {
    let uri: EnrolmentUri = arguments.uri.parse().map_err(|e: EnrolmentError| Failure::usage(e.to_string()))?;
    let enrolment = enrol::enrol(&uri, &dir, arguments.again)?;
    let mut output = Output::new();
    output.line(&format!(
        "This machine is enrolled with {} as `{}` ({}); back something up with `datis backup PATH`.",
        enrolment.box_name, enrolment.machine_name, enrolment.profile
    ))?;
    output.finish()?;
    Ok(Exit::Complete)
}

/// The one sentence about a failure.
fn tell(failure: &Failure) {
    match failure {
        // Where standard error is closed too, the exit code alone has to do.
        Failure::Said { sentence, .. } => drop(writeln!(std::io::stderr(), "datis: {}.", shown(sentence.as_bytes()))),
        Failure::ReaderGone => {}
    }
}

/// What is at least of `level`, or what `DATIS_LOG` asks for (`debug`, `datis_client=trace`). What the FUSE library warns of
/// is part of being unmounted from outside.
fn log_to_stderr(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DATIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("{level},fuser=error")));
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_target(false).with_ansi(is_terminal);
    // A second call in one process, as in tests, leaves the first one's log in place.
    let _ = log.try_init();
}

/// The counters of a long command, which comes to a clean end when it is asked to stop, and at once when asked again.
fn interruptible() -> Progress {
    let progress = Progress::new();
    let asked = progress.clone();
    let watching = crate::platform::signals::on_stop_request(move || {
        if asked.is_interrupted() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        asked.interrupt();
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "signals cannot be watched; Ctrl-C ends this command at once");
    }
    progress
}
