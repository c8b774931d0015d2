//! The way to a helper: a small program that has a privilege which the daemon must not have, does a few typed things with
//! it and nothing else (`datis-probe`, `datis-hand`).
//!
//! Each thing that is said is a line of JSON. Under systemd a helper stands behind a socket and is started for each line;
//! where there is no such socket, the daemon starts the helper that lies beside it, which works for root. The helper's own
//! input and output are then the other end of a pair of sockets, so that waiting for it has a limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line, in bytes.
pub(crate) const LINE_MAX: u64 = 64 << 10;

/// How long a helper may take to take a line.
const WRITE_PATIENCE: Duration = Duration::from_secs(15);

/// One of the helpers.
#[derive(Debug)]
pub(crate) struct Helper {
    /// The program beside the daemon.
    pub(crate) program: &'static str,
    /// Where it answers under systemd.
    pub(crate) socket: &'static str,
}

/// Why a helper did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It cannot be started.
    #[error("the helper `{program}` cannot be started")]
    Start {
        /// Which.
        program: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It went away, or was too slow.
    #[error("the helper `{program}` does not answer")]
    Silent {
        /// Which.
        program: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It says something else.
    #[error("the helper `{program}` answers in a form that is not understood; is it of another version?")]
    Strange {
        /// Which.
        program: &'static str,
    },
    /// It could not do it.
    #[error("the helper `{program}` could not do it: {reason}")]
    Failed {
        /// Which.
        program: &'static str,
        /// In its own words.
        reason: String,
    },
}

impl Helper {
    /// What it says is not an answer to what was asked.
    pub(crate) const fn strange(&self) -> HelperError {
        HelperError::Strange { program: self.program }
    }

    /// It says that it could not do it.
    pub(crate) const fn failed(&self, reason: String) -> HelperError {
        HelperError::Failed { program: self.program, reason }
    }

    const fn start(&self, source: std::io::Error) -> HelperError {
        HelperError::Start { program: self.program, source }
    }

    const fn silent(&self, source: std::io::Error) -> HelperError {
        HelperError::Silent { program: self.program, source }
    }
}

/// The way to one helper.
#[derive(Debug)]
pub(crate) struct Line {
    helper: &'static Helper,
    stream: UnixStream,
    /// The helper, if the daemon has started it.
    child: Option<Child>,
}

impl Line {
    pub(crate) fn open(helper: &'static Helper) -> Result<Self, HelperError> {
        match UnixStream::connect(helper.socket) {
            Ok(stream) => Ok(Self { helper, stream, child: None }),
            Err(_) => Self::start(helper).map_err(|source| helper.start(source)),
        }
    }

    fn start(helper: &'static Helper) -> std::io::Result<Self> {
        let beside = std::env::current_exe()?.with_file_name(helper.program);
        let (ours, theirs) = UnixStream::pair()?;
        let input = theirs.try_clone()?;
        let mut command = Command::new(beside);
        command.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(theirs)));
        let child = command.stderr(Stdio::null()).spawn()?;
        // Its ends of the pair are the child's alone once `command` is gone: when it goes away, reading ends.
        Ok(Self { helper, stream: ours, child: Some(child) })
    }

    pub(crate) fn say(&self, what: &impl Serialize) -> Result<(), HelperError> {
        self.write(&line_of(what).map_err(|source| self.helper.silent(source))?)
    }

    /// Bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), HelperError> {
        let mut writer = &self.stream;
        let written = self.stream.set_write_timeout(Some(WRITE_PATIENCE)).and_then(|()| writer.write_all(bytes));
        written.map_err(|source| self.helper.silent(source))
    }

    /// Nothing more will be said.
    pub(crate) fn finish(&self) {
        // A helper that went away has ended it already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(crate) fn hear<A: DeserializeOwned>(&self, patience: Duration) -> Result<A, HelperError> {
        let line = self.stream.set_read_timeout(Some(patience)).and_then(|()| read_line(&self.stream));
        let line = line.map_err(|source| self.helper.silent(source))?;
        serde_json::from_str(&line).map_err(|_| self.helper.strange())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Not only half of it: the helper must not wait for what nobody can say any more.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(mut child) = self.child.take() {
            // It ends what it has begun before it goes; waiting for that here would hold up whoever drops the line.
            std::thread::spawn(move || child.wait());
        }
    }
}

pub(crate) fn line_of(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// A byte at a time: what comes after the line belongs to the next one.
pub(crate) fn read_line(from: impl Read) -> std::io::Result<String> {
    let mut line = String::new();
    match BufReader::with_capacity(1, from.take(LINE_MAX)).read_line(&mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}
