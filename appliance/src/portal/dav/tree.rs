//! What stands where: `/dav/MACHINE/SOURCE/DATE/` and then the folders and files of that snapshot.
//!
//! Whatever is not there, and whatever is not for the one who asks, is answered alike.

use std::collections::HashMap;
use std::sync::Arc;

use datis_engine::format::path::EntryPath;
use datis_engine::ids::{MachineId, SnapshotId, SourceName};
use datis_engine::units::{FileTime, UnixMillis};

use super::super::answer::{PageError, encoded};
use super::super::download::version_of;
use super::ROOT;
use super::multistatus::{FileFacts, Item};
use super::names::{meant, shown};
use crate::operations::browse::{self, BrowseError, EntryKind, FolderEntry, FolderReader, Moment, Scope};
use crate::operations::{self, Machine, MachineState, Site};

/// What an address leads to.
pub(super) struct Found {
    /// Its address; that of a folder ends in `/`.
    pub(super) address: String,
    pub(super) item: Item,
    pub(super) node: Node,
}

pub(super) enum Node {
    /// A folder with these folders.
    Few(Vec<Item>),
    /// A folder of a snapshot.
    Folder(Box<SnapshotFolder>),
    /// A file of a snapshot.
    File(SnapshotFile),
}

pub(super) struct SnapshotFolder {
    snapshot: SnapshotId,
    path: Option<EntryPath>,
    reader: FolderReader,
}

pub(super) struct SnapshotFile {
    pub(super) snapshot: SnapshotId,
    pub(super) received_at: UnixMillis,
    pub(super) path: EntryPath,
    /// `MACHINE/SOURCE`, for the audit log.
    pub(super) subject: String,
}

/// The names on the way to something, as they are shown; `None` for what cannot be an address. Empty ones are passed over:
/// programs double their slashes.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix(ROOT)?;
    rest.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}

/// RFC 3986, 2.1, once and no more.
fn decoded(part: &str) -> Option<String> {
    let mut pieces = part.as_bytes().split(|b| *b == b'%');
    let mut bytes = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(digits).ok()?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok()
}

/// Finds what `names` lead to.
pub(super) fn find(site: &Arc<Site>, scope: &Scope, names: &[String]) -> Result<Found, PageError> {
    let mut address = format!("{ROOT}/");
    let mut go_on = |name: &String| {
        address.push_str(&encoded(name));
        address.push('/');
    };
    names.iter().for_each(&mut go_on);
    let item = |modified| Item::folder(names.last().cloned().unwrap_or_default(), modified);
    let Some((machine, names)) = names.split_first() else {
        let machines = machines(site, scope)?.into_iter().map(|(name, _)| Item::folder(name, None));
        return Ok(Found { address, item: item(None), node: Node::Few(machines.collect()) });
    };
    let machine = machines(site, scope)?.into_iter().find(|(name, _)| name == machine).ok_or(PageError::NotFound)?.1;
    let Some((source, names)) = names.split_first() else {
        let sources = browse::sources(site, scope, &machine.id)?;
        let sources = sources.into_iter().map(|(name, newest)| Item::folder(source_name(&name), Some(newest)));
        return Ok(Found { address, item: item(None), node: Node::Few(sources.collect()) });
    };
    let source = source_meant(source)?;
    let moments = browse::timeline(site, scope, &machine.id, &source)?;
    let Some((date, names)) = names.split_first() else {
        let dates = dates(&moments).into_iter().map(|(name, moment)| Item::folder(name, Some(moment.received_at)));
        let newest = moments.first().map(|moment| moment.received_at);
        return Ok(Found { address, item: item(newest), node: Node::Few(dates.collect()) });
    };
    let moment = moment_of(&moments, date).ok_or(PageError::NotFound)?;
    let place = Place { site, scope, moment, subject: format!("{}/{}", machine.name, source.as_str()) };
    place.find(names, address, item(Some(moment.received_at)))
}

/// A snapshot that is looked into.
struct Place<'p> {
    site: &'p Arc<Site>,
    scope: &'p Scope,
    moment: &'p Moment,
    subject: String,
}

impl Place<'_> {
    fn find(&self, names: &[String], mut address: String, item: Item) -> Result<Found, PageError> {
        let Some(path) = path_of(names)? else { return self.folder(None, address, item) };
        match browse::entry(self.site, self.scope, &self.moment.id, &path) {
            Ok(entry) if entry.kind == EntryKind::File => {
                address.pop();
                let facts = FileFacts { size: entry.size, tag: version_of(&self.moment.id, &path) };
                let (snapshot, received_at) = (self.moment.id, self.moment.received_at);
                let item = Item { file: Some(facts), modified: Some(millis(entry.modified)), ..item };
                let file = SnapshotFile { snapshot, received_at, path, subject: self.subject.clone() };
                Ok(Found { address, item, node: Node::File(file) })
            }
            Ok(entry) => self.folder(Some(path), address, Item { modified: Some(millis(entry.modified)), ..item }),
            // A folder on the way to what was backed up has no entry itself.
            Err(BrowseError::NotFound) => self.folder(Some(path), address, Item { modified: None, ..item }),
            Err(error) => Err(error.into()),
        }
    }

    fn folder(&self, path: Option<EntryPath>, address: String, item: Item) -> Result<Found, PageError> {
        let snapshot = self.moment.id;
        let reader = browse::open_folder(self.site, self.scope, &snapshot, path.as_ref())?;
        Ok(Found { address, item, node: Node::Folder(Box::new(SnapshotFolder { snapshot, path, reader })) })
    }
}

impl SnapshotFolder {
    /// The next folder or file; links, devices and the like have no bytes and are not shown.
    ///
    /// # Errors
    /// A part of the folder cannot be read. Whoever copies it must not take the rest for all of it.
    pub(super) fn next(&mut self) -> Result<Option<Item>, PageError> {
        loop {
            let entry = self.reader.next_entry()?;
            if self.reader.is_damaged() {
                return Err(PageError::Other("a part of a folder's listing cannot be read".to_owned()));
            }
            let Some(entry) = entry else { return Ok(None) };
            if let Some(item) = self.item(&entry) {
                return Ok(Some(item));
            }
        }
    }

    fn item(&self, entry: &FolderEntry) -> Option<Item> {
        let path = match &self.path {
            Some(path) => path.join(&entry.name),
            None => EntryPath::parse(entry.name.clone()),
        };
        // A longer path is in no snapshot.
        let path = path.ok()?;
        let file = match entry.kind {
            EntryKind::File => Some(FileFacts { size: entry.size, tag: version_of(&self.snapshot, &path) }),
            EntryKind::Dir => None,
            EntryKind::Symlink | EntryKind::Block | EntryKind::Char | EntryKind::Fifo | EntryKind::Socket => {
                return None;
            }
        };
        Some(Item { name: shown(&entry.name), file, modified: entry.known.map(|(at, _)| millis(at)) })
    }
}

fn path_of(names: &[String]) -> Result<Option<EntryPath>, PageError> {
    let mut path: Option<EntryPath> = None;
    for name in names {
        let name = meant(name).ok_or(PageError::NotFound)?;
        let next = match &path {
            Some(path) => path.join(&name),
            None => EntryPath::parse(name),
        };
        path = Some(next.map_err(|_| PageError::NotFound)?);
    }
    Ok(path)
}

fn millis(at: FileTime) -> UnixMillis {
    UnixMillis(at.seconds.saturating_mul(1_000))
}

/// The machines that may be seen, by the names of their folders.
fn machines(site: &Site, scope: &Scope) -> Result<Vec<(String, Machine)>, PageError> {
    let mut all = operations::list_machines(site)?;
    // Those that come in now go before those of their name that are gone.
    all.sort_by_key(|machine| machine.state != MachineState::Active);
    let mut taken: HashMap<String, ()> = HashMap::new();
    let mut named: Vec<(String, Machine)> = Vec::new();
    for machine in all {
        let plain = shown(machine.name.as_str().as_bytes());
        // To Windows, large and small letters are the same. No machine has a name with brackets.
        let is_first = taken.insert(plain.to_lowercase(), ()).is_none();
        let name = if is_first { plain } else { format!("{plain} ({})", short(&machine.id)) };
        named.push((name, machine));
    }
    named.retain(|(_, machine)| scope.holds(&machine.id));
    named.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(named)
}

fn short(id: &MachineId) -> String {
    id.to_string().chars().take(8).collect()
}

fn source_name(source: &SourceName) -> String {
    shown(source.as_str().as_bytes())
}

fn source_meant(text: &str) -> Result<SourceName, PageError> {
    let name = meant(text).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(PageError::NotFound)?;
    name.parse().map_err(|_| PageError::NotFound)
}

/// To the second, in UTC, without the colons that Windows refuses.
fn date_of(moment: &Moment) -> String {
    let at = jiff::Timestamp::from_millisecond(moment.received_at.0);
    at.map(|at| at.strftime("%Y-%m-%d %H.%M.%S").to_string()).unwrap_or_default()
}

/// For what is not the first snapshot of its second, and right for each one at any time.
fn long_date_of(moment: &Moment) -> String {
    let id: String = moment.id.to_string().chars().take(8).collect();
    format!("{} {id}", date_of(moment))
}

/// The snapshots by the names of their folders, newest first. The first of a second has the plain date, so that what comes
/// later changes no address.
fn dates(moments: &[Moment]) -> Vec<(String, &Moment)> {
    let mut named: Vec<(String, &Moment)> = Vec::new();
    let mut before = None;
    for moment in moments.iter().rev() {
        let plain = date_of(moment);
        let is_first = before.replace(plain.clone()).is_none_or(|before| before != plain);
        named.push((if is_first { plain } else { long_date_of(moment) }, moment));
    }
    named.reverse();
    named
}

fn moment_of<'m>(moments: &'m [Moment], name: &str) -> Option<&'m Moment> {
    let of_name = |is_it: fn(&Moment) -> String| moments.iter().rev().find(|moment| is_it(moment) == name);
    of_name(date_of).or_else(|| of_name(long_date_of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::moment;

    #[test]
    fn dates_read_well_and_two_of_one_second_stay_two() {
        let at = 1_795_300_205_000;
        let moments = [moment(3, at + 9_000), moment(2, at + 700), moment(1, at)];
        let named = dates(&moments);
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2026-11-21 22.30.14", "2026-11-21 22.30.05 02020202", "2026-11-21 22.30.05"]);
        for (name, moment) in &named {
            assert_eq!(moment_of(&moments, name).map(|found| found.id), Some(moment.id), "{name}");
            let long = long_date_of(moment);
            assert_eq!(moment_of(&moments, &long).map(|found| found.id), Some(moment.id), "{long}");
        }
        assert_eq!(dates(&moments[2..])[0].0, dates(&moments[1..])[1].0, "what comes later changes no address");
        for name in ["", "2026-11-21", "2026-11-21 22.30.06", "2026-11-21 22.30.05 03030303"] {
            assert!(moment_of(&moments, name).is_none(), "{name}");
        }
    }

    #[test]
    fn addresses_are_decoded_once_and_lead_nowhere_else() {
        let read = |path: &str| segments(path);
        assert_eq!(read("/dav"), Some(vec![]));
        assert_eq!(read("/dav//a%20b/%c3%A9/"), Some(vec!["a b".to_owned(), "é".to_owned()]));
        assert_eq!(read("/dav/%252e%252e"), Some(vec!["%2e%2e".to_owned()]));
        for wrong in ["/dav/%", "/dav/%4", "/dav/%zz", "/dav/%ff", "/other"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let path = |names: &[&str]| path_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(matches!(path(&[]), Ok(None)));
        assert!(path(&["a", "b"]).is_ok_and(|path| path.is_some_and(|path| path.as_bytes() == b"a/b")));
        for wrong in [&[".."][..], &["a", ".."], &["."], &["a/b"], &["a", "../b"], &["a\0"], &["^2E^2E"], &["a^2Fb"]] {
            assert!(matches!(path(wrong), Err(PageError::NotFound)), "{wrong:?}");
        }
    }
}
