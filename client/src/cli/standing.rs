//! `datis mount` and `datis service`: commands that stay until they are stopped.

use std::io::Write;
use std::path::PathBuf;

use super::args::MountArguments;
use super::output::Failure;
use crate::exit::Exit;
use crate::mount::{self, MountRequest};
use crate::service;
use crate::state::State;

pub(super) fn mount(dir: PathBuf, arguments: MountArguments) -> Result<Exit, Failure> {
    let state = State::open(dir)?;
    let request = MountRequest { dir: arguments.dir, allow_other: arguments.allow_other };
    let shown = request.dir.display().to_string();
    let told = format!("datis: snapshots are in {shown}; end this with Ctrl-C or `fusermount -u {shown}`.");
    // Where standard error is closed, the mounted directory has to speak for itself.
    mount::run(state, &request, &mut || drop(writeln!(std::io::stderr(), "{told}")))?;
    Ok(Exit::Complete)
}

pub(super) fn service(dir: PathBuf) -> Result<Exit, Failure> {
    service::run(State::open(dir)?)?;
    Ok(Exit::Complete)
}
