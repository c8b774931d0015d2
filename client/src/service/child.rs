//! One backup as a process of its own: whatever becomes of it, the service goes on, and its memory is given back.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use crate::platform::process::{Handle, own_program};
use crate::state::KnownSource;

/// A longer line of a backup's output is cut.
const LINE_MAX: u64 = 256 << 10;

/// How a backup ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub(super) code: Option<u8>,
    /// The last line of its output: the summary, if it came that far.
    pub(super) summary: serde_json::Value,
}

/// Starts the backup of `source`; `ended` is called in a thread of its own when it is over.
pub(super) fn start(
    state_dir: &Path,
    source: &KnownSource,
    ended: impl FnOnce(io::Result<Ended>) + Send + 'static,
) -> io::Result<Handle> {
    let mut child =
        own_program().args(arguments(state_dir, source)).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let watched = Handle::of(&child).inspect_err(|_| drop(child.kill()))?;
    let watcher = std::thread::Builder::new().name("backup".to_owned()).spawn(move || ended(watch(&mut child)));
    // A backup that nobody watches would not be known to run.
    watcher.inspect_err(|_| watched.kill())?;
    Ok(watched)
}

/// Starts carrying out the requests that were agreed to beforehand, as a process of its own; `served` is called in a thread
/// of its own when it is over.
pub(super) fn serve_requests(state_dir: &Path, served: impl FnOnce() + Send + 'static) -> io::Result<Handle> {
    let arguments: [OsString; 4] = ["--state".into(), state_dir.into(), "requests".into(), "serve".into()];
    let mut child = own_program().args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let watched = Handle::of(&child).inspect_err(|_| drop(child.kill()))?;
    let watcher = std::thread::Builder::new().name("requests".to_owned()).spawn(move || {
        if let Err(error) = child.wait() {
            tracing::error!(%error, "how the requests ended is not known");
        }
        served();
    });
    watcher.inspect_err(|_| watched.kill())?;
    Ok(watched)
}

fn arguments(state_dir: &Path, source: &KnownSource) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--state".into(), state_dir.into(), "backup".into(), "--json".into()];
    arguments.extend(["--source".into(), source.name.as_str().into(), "--kind".into(), source.kind.word().into()]);
    arguments.extend(source.excludes.iter().map(|pattern| format!("--exclude={pattern}").into()));
    if source.one_file_system {
        arguments.push("--one-file-system".into());
    }
    arguments.push("--".into());
    arguments.extend(source.roots.iter().map(|root| root.0.clone().into_os_string()));
    arguments
}

fn watch(child: &mut Child) -> io::Result<Ended> {
    let summary = child.stdout.take().map(last_line).unwrap_or_default();
    let status = child.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Ended { code, summary: serde_json::from_slice(&summary).unwrap_or_default() })
}

/// Reads to the end, so that the child never waits for room.
fn last_line(output: ChildStdout) -> Vec<u8> {
    let mut lines = BufReader::new(output);
    let (mut last, mut line) = (Vec::new(), Vec::new());
    while lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        std::mem::swap(&mut last, &mut line);
        line.clear();
    }
    last
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use datis_engine::ids::SourceKind;

    use super::*;
    use crate::state::SourceRoot;

    #[test]
    fn a_run_is_asked_for_as_the_user_asked_for_it() {
        let source = KnownSource {
            name: "my docs".parse().expect("name"),
            kind: SourceKind::Database,
            roots: vec![SourceRoot(PathBuf::from("/-odd"))],
            excludes: vec!["-x".to_owned(), "*.tmp".to_owned()],
            one_file_system: true,
        };
        let arguments: Vec<_> =
            arguments(Path::new("/s"), &source).into_iter().map(|a| a.into_string().expect("text")).collect();
        let expected = "--state|/s|backup|--json|--source|my docs|--kind|database|--exclude=-x|--exclude=*.tmp|--one-file-system|--|/-odd";
        assert_eq!(arguments.join("|"), expected);
    }
}
