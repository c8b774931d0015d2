//! What the commands print, and how they end when they cannot.

use std::io::{self, BufWriter, StdoutLock, Write};

use data_encoding::HEXLOWER;
use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;
use serde::Serialize;
use serde_json::{Value, json};

use crate::backup::BackupError;
use crate::enrol::EnrolError;
use crate::errors::chain;
use crate::exit::Exit;
use crate::link::LinkError;
use crate::mount::MountError;
use crate::reader::ReadError;
use crate::requests::RequestError;
use crate::restore::RestoreError;
use crate::service::ServiceError;
use crate::snapshots::SelectError;
use crate::state::StateError;

/// Why a command ended before its time.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something the person has to know.
    Said { exit: Exit, sentence: String },
    /// Whoever reads standard output has seen enough (`datis ls … | head`).
    ReaderGone,
}

impl Failure {
    pub(super) fn usage(sentence: String) -> Self {
        Self::Said { exit: Exit::Usage, sentence }
    }

    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Said { exit, .. } => *exit,
            Self::ReaderGone => Exit::Complete,
        }
    }
}

macro_rules! failures {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Said { exit: error.exit(), sentence: chain(&error) }
            }
        }
    )+};
}
failures!(
    BackupError,
    EnrolError,
    LinkError,
    MountError,
    ReadError,
    RequestError,
    RestoreError,
    ServiceError,
    StateError
);

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        Self::Said { exit: Exit::Failed, sentence: chain(&error) }
    }
}

impl From<io::Error> for Failure {
    /// Of standard output, the only thing that is written here.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Said { exit: Exit::Failed, sentence: format!("standard output cannot be written: {error}") },
        }
    }
}

/// Standard output, buffered; [`Self::finish`] tells whether all of it arrived.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.0.write_all(line.as_bytes())?;
        Ok(self.0.write_all(b"\n")?)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.0.write_all(bytes)?)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

/// One JSON array of objects, written item by item.
pub(super) struct Array {
    output: Output,
    is_empty: bool,
}

impl Array {
    pub(super) fn new() -> Self {
        Self { output: Output::new(), is_empty: true }
    }

    pub(super) fn item(&mut self, item: &impl Serialize) -> Result<(), Failure> {
        self.output.bytes(if self.is_empty { b"[" } else { b"," })?;
        self.is_empty = false;
        self.output.bytes(b"\n ")?;
        self.output.bytes(to_json(item).to_string().as_bytes())
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.output.line(if self.is_empty { "[]" } else { "\n]" })?;
        self.output.finish()
    }
}

/// Our own structs have string keys and numbers alone, which always become JSON.
pub(super) fn to_json(item: &impl Serialize) -> Value {
    serde_json::to_value(item).unwrap_or(Value::Null)
}

/// Prints the last JSON line of a long command.
pub(super) fn summary(exit: Exit, fields: Value) -> Result<(), Failure> {
    let mut line = json!({ "event": "summary", "outcome": exit.word() });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    let mut output = Output::new();
    output.line(&line.to_string())?;
    output.finish()
}

/// A path for JSON: `path`, and its bytes in hexadecimal where they are no text.
pub(super) fn path_fields(path: &EntryPath) -> serde_json::Map<String, Value> {
    let bytes = path.as_bytes();
    let mut fields = serde_json::Map::new();
    fields.insert("path".to_owned(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        fields.insert("path_bytes".to_owned(), HEXLOWER.encode(bytes).into());
    }
    fields
}

/// A path for one line of text: its middle is left out where it is very long.
pub(super) fn short(path: &str) -> String {
    const SHOWN: usize = 120;
    let chars: Vec<char> = path.chars().collect();
    if chars.len() <= 2 * SHOWN {
        return path.to_owned();
    }
    let part = |chars: &[char]| chars.iter().collect::<String>();
    format!("{}…{}", part(&chars[..SHOWN]), part(&chars[chars.len() - SHOWN..]))
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A number of things for people: `1 entry`, `12 345 entries`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A time for JSON: RFC 3339 in UTC, to the millisecond.
pub(super) fn timestamp(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |t| format!("{t:.3}"))
}

/// A time for people, in this machine's time zone.
pub(super) fn local_time(at: UnixMillis) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0).map(|t| t.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or_else(|_| at.0.to_string(), |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(count(1, "entry", "entries"), "1 entry");
        assert_eq!(count(1_234_567, "entry", "entries"), "1 234 567 entries");
        assert_eq!(timestamp(UnixMillis(1_700_000_000_007)), "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn a_path_that_is_no_text_keeps_its_bytes() {
        let fields = path_fields(&EntryPath::parse(b"a/\xff".to_vec()).expect("path"));
        assert_eq!(fields["path_bytes"], "612fff");
        assert!(!path_fields(&EntryPath::parse(b"a/b".to_vec()).expect("path")).contains_key("path_bytes"));
    }

    #[test]
    fn a_very_long_path_keeps_its_beginning_and_its_end() {
        assert_eq!(short("a/b"), "a/b");
        let long = format!("home/{}/é.txt", "n".repeat(5_000));
        assert!(short(&long).starts_with("home/nnn") && short(&long).ends_with("nnn/é.txt"));
        assert_eq!(short(&long).chars().count(), 241);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Complete);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::Failed);
    }
}
