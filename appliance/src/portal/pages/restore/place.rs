//! Where somebody looks: a source of a machine, one of its snapshots, a path; and the addresses for that.
//!
//! Paths are bytes, addresses and forms are text: bytes that are no text, control characters and `%` itself stand in an
//! address as `%` and two digits, before the address is encoded as all of them are. So every path has an address, and no
//! two have the same.

use data_encoding::HEXUPPER;
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{MachineId, SnapshotId, SourceName};

use super::super::super::answer::{PageError, encoded};
use super::super::super::visit::Visit;
use crate::operations;
use crate::operations::browse::{self, Moment, Scope};

/// A source of a machine that the visitor may see, with its snapshots, newest first.
pub(super) struct Place {
    pub(super) scope: Scope,
    pub(super) machine: MachineId,
    pub(super) machine_name: String,
    pub(super) source: SourceName,
    pub(super) moments: Vec<Moment>,
    pub(super) addresses: Addresses,
}

impl Place {
    /// What is not there, not for this visitor, or no name at all is answered alike.
    pub(super) fn find(visit: &Visit, machine: &str, source: &str) -> Result<Self, PageError> {
        let scope = visit.scope()?;
        let machine: MachineId = machine.parse().map_err(|_| PageError::NotFound)?;
        let source: SourceName = source.parse().map_err(|_| PageError::NotFound)?;
        let moments = browse::timeline(visit.site(), &scope, &machine, &source)?;
        let known = operations::list_machines(visit.site())?.into_iter().find(|known| known.id == machine);
        let machine_name = known.map(|known| known.name.as_str().to_owned()).ok_or(PageError::NotFound)?;
        let addresses = Addresses::of(&machine, source.as_str());
        Ok(Self { scope, machine, machine_name, source, moments, addresses })
    }

    /// The snapshot of this name, if it is one of this place.
    pub(super) fn moment(&self, snapshot: &str) -> Result<&Moment, PageError> {
        let id: SnapshotId = snapshot.parse().map_err(|_| PageError::NotFound)?;
        self.moments.iter().find(|moment| moment.id == id).ok_or(PageError::NotFound)
    }

    /// For the audit log.
    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.machine_name, self.source.as_str())
    }
}

/// The addresses of what is in a source.
pub(super) struct Addresses(String);

impl Addresses {
    pub(super) fn of(machine: &MachineId, source: &str) -> Self {
        Self(format!("/restore/{machine}/{}", encoded(source)))
    }

    /// Of the source itself.
    pub(super) fn base(&self) -> String {
        self.0.clone()
    }

    pub(super) fn versions(&self, path: &EntryPath) -> String {
        at_path(&format!("{}/versions", self.0), Some(path))
    }

    pub(super) fn folder(&self, snapshot: &SnapshotId, path: Option<&EntryPath>) -> String {
        at_path(&format!("{}/{snapshot}", self.0), path)
    }

    pub(super) fn file(&self, snapshot: &SnapshotId, path: &EntryPath) -> String {
        at_path(&format!("{}/{snapshot}/file", self.0), Some(path))
    }

    pub(super) fn put_back(&self, snapshot: &SnapshotId) -> String {
        format!("{}/{snapshot}/put-back", self.0)
    }

    pub(super) fn archive(&self, snapshot: &SnapshotId, path: Option<&EntryPath>) -> String {
        at_path(&format!("{}/{snapshot}/archive", self.0), path)
    }
}

fn at_path(address: &str, path: Option<&EntryPath>) -> String {
    match path {
        Some(path) => format!("{address}?path={}", encoded(&text_of(path.as_bytes()))),
        None => address.to_owned(),
    }
}

/// The text for a path or a name, from which [`bytes_of`] makes the same bytes again.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '%' {
                escape(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            } else {
                text.push(c);
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push('%');
        text.push_str(&HEXUPPER.encode(&[*byte]));
    }
}

/// The bytes that a text stands for; `None` for a `%` without its two digits.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.as_bytes().split(|b| *b == b'%');
    let mut bytes = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(HEXUPPER.decode(digits).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

/// The path that a query or a form names; `None` is the top.
pub(super) fn path_of(text: Option<&str>) -> Result<Option<EntryPath>, PageError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let path = bytes_of(text).and_then(|bytes| EntryPath::parse(bytes).ok());
    path.map(Some).ok_or(PageError::NotFound)
}

/// A name as people see it.
pub(in crate::portal) fn shown_name(name: &[u8]) -> String {
    // A component is a path of its own, and is shown as paths are.
    EntryPath::parse(name.to_vec()).map_or_else(|_| text_of(name), |path| path.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths_read_as_they_are() {
        assert_eq!(text_of("srv/été/Отчёт 1.pdf".as_bytes()), "srv/été/Отчёт 1.pdf");
        assert_eq!(text_of(b"a%41\n\xff\xc3"), "a%2541%0A%FF%C3");
        for bad in ["%", "a%4", "%zz", "%e9", "100%"] {
            assert_eq!(bytes_of(bad), None, "{bad}");
        }
        assert!(matches!(path_of(Some("../x")), Err(PageError::NotFound)));
        assert!(matches!(path_of(Some("a%00")), Err(PageError::NotFound)));
        assert!(matches!(path_of(Some("")), Ok(None)));
    }

    proptest! {
        #[test]
        fn every_path_comes_back_from_its_address(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let text = text_of(&bytes);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(bytes_of(&text), Some(bytes));
        }
    }
}
