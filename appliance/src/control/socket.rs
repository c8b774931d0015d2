//! The daemon's control socket: one command a connection, as one JSON line; JSON lines come back.
//!
//! It is a file in the box's folder that only its owner can open, and that is all the proof that is asked for. Plain
//! blocking threads serve it, a few at a time: commands are rare, long, and none of the machine port's business.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::command::{Answer, Command, Failed, FailedKind, Line};

/// Commands at a time.
const COMMANDS_MAX: usize = 8;
/// The longest command, in bytes.
const COMMAND_MAX: u64 = 64 << 10;
/// The longest line that comes back, in bytes.
const LINE_MAX: u64 = 64 << 20;
/// A command must be written within this time.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of Unix sockets are no longer than this (`sun_path` in unix(7)).
const ADDRESS_MAX: usize = 107;

/// What the daemon does with a command; progress goes into the second argument.
pub(crate) type Run = dyn Fn(&Command, &mut dyn FnMut(&str)) -> Result<Answer, Failed> + Send + Sync;

/// Serves the socket at `path` on threads of its own until the process ends. A leftover of an earlier run is replaced:
/// the caller holds the folder's lock.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn serve(path: &Path, run: Arc<Run>) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = with_short_address(path, |address| UnixListener::bind(address))?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::thread::Builder::new().name("control".into()).spawn(move || accept(&listener, &run))?;
    Ok(())
}

fn accept(listener: &UnixListener, run: &Arc<Run>) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(e) => {
                tracing::warn!(error = %e, "The control socket did not accept a connection");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if busy.fetch_add(1, Ordering::SeqCst) >= COMMANDS_MAX {
            busy.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (run, done) = (Arc::clone(run), Arc::clone(&busy));
        let spawned = std::thread::Builder::new().name("command".into()).spawn(move || {
            if let Err(e) = answer(&stream, &*run) {
                tracing::debug!(error = %e, "A command's caller went away");
            }
            done.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(e) = spawned {
            busy.fetch_sub(1, Ordering::SeqCst);
            tracing::warn!(error = %e, "No thread could be started for a command");
        }
    }
}

fn answer(stream: &UnixStream, run: &Run) -> std::io::Result<()> {
    stream.set_read_timeout(Some(COMMAND_TIMEOUT))?;
    let mut text = String::new();
    BufReader::new(stream.take(COMMAND_MAX)).read_line(&mut text)?;
    let send = |line: &Line| -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut stream = stream;
        stream.write_all(&bytes)
    };
    let result = match serde_json::from_str::<Command>(&text) {
        // A caller that went away does not stop what it asked for; its next line fails as well, and so does the answer.
        Ok(command) => run(&command, &mut |progress| {
            let _ = send(&Line::Progress(progress.to_owned()));
        }),
        Err(e) => Err(Failed {
            sentence: format!("the running daemon does not understand the command ({e}); is it of another version?"),
            kind: FailedKind::Failed,
        }),
    };
    send(&match result {
        Ok(answer) => Line::Answer(answer),
        Err(failed) => Line::Failed(failed),
    })
}

/// Reaches the daemon that serves the socket at `path`.
///
/// # Errors
/// Nobody does.
pub(crate) fn connect(path: &Path) -> std::io::Result<UnixStream> {
    with_short_address(path, |address| UnixStream::connect(address))
}

/// Has the daemon at the other end run `command`.
///
/// # Errors
/// What the daemon says, or that it went away.
pub(crate) fn ask(stream: &UnixStream, command: &Command, progress: &mut dyn FnMut(&str)) -> Result<Answer, Failed> {
    let unreachable = |what: &str| Failed {
        sentence: format!("the daemon works in this folder but {what}; look at its log and try again"),
        kind: FailedKind::Failed,
    };
    let mut request = serde_json::to_vec(command).map_err(|_| unreachable("the command cannot be written"))?;
    request.push(b'\n');
    let mut writer = stream;
    writer.write_all(&request).map_err(|_| unreachable("took no command, since it has too many already"))?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let read = (&mut lines).take(LINE_MAX).read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            return Err(unreachable("ended before the command did"));
        }
        match serde_json::from_str(&line).map_err(|_| unreachable("answers in a form that is not understood"))? {
            Line::Progress(text) => progress(&text),
            Line::Answer(answer) => return Ok(answer),
            Line::Failed(failed) => return Err(failed),
        }
    }
}

/// A socket deep in the file system is reached through its open folder, since its own path is too long an address.
fn with_short_address<T>(path: &Path, act: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    if path.as_os_str().as_bytes().len() <= ADDRESS_MAX {
        return act(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let folder = File::open(folder)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::command::Outcome;
    use super::*;

    fn echo() -> Arc<Run> {
        Arc::new(|command, progress| {
            progress("first");
            progress("second");
            match command {
                Command::Kit { .. } => Err(Failed { sentence: "no kit".into(), kind: FailedKind::Brake }),
                other => {
                    Ok(Answer { text: format!("{other:?}"), json: serde_json::json!(1), outcome: Outcome::Attention })
                }
            }
        })
    }

    #[test]
    fn a_command_goes_there_and_its_lines_come_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("control.sock");
        serve(&path, echo()).expect("serve");
        let mode = std::fs::metadata(&path).expect("stat").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mut heard = Vec::new();
        let ask = |command: &Command, progress: &mut dyn FnMut(&str)| {
            ask(&connect(&path).expect("connect"), command, progress)
        };
        let answer = ask(&Command::Machines, &mut |text| heard.push(text.to_owned())).expect("answer");
        assert_eq!((answer.text.as_str(), answer.outcome), ("Machines", Outcome::Attention));
        assert_eq!(heard, ["first", "second"]);
        let failed = ask(&Command::Kit { sheets: false, paper: None }, &mut |_| ()).expect_err("failure");
        assert_eq!((failed.sentence.as_str(), failed.kind), ("no kit", FailedKind::Brake));
    }

    #[test]
    fn a_folder_with_a_very_long_path_works_too() {
        let folder = tempfile::tempdir().expect("folder");
        let deep = folder.path().join("x".repeat(120));
        std::fs::create_dir(&deep).expect("deep");
        let path = deep.join("control.sock");
        std::fs::write(&path, b"leftover").expect("leftover");
        serve(&path, echo()).expect("serve");
        ask(&connect(&path).expect("connect"), &Command::Status, &mut |_| ()).expect("answer");
    }

    #[test]
    fn noise_is_answered_with_a_sentence() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("control.sock");
        serve(&path, echo()).expect("serve");
        for noise in ["\n", "{}\n", "{\"command\":\"retire\",\"machine\":\"../x\"}\n"] {
            let mut stream = UnixStream::connect(&path).expect("connect");
            stream.write_all(noise.as_bytes()).expect("write");
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).expect("read");
            assert!(line.contains("does not understand"), "{line}");
        }
    }
}
