//! Entries of a listing as text lines and as JSON objects.

use datis_engine::format::listing::{Entry, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::units::FileTime;
use serde_json::{Map, Value};

use super::output::path_fields;
use crate::errors::shown;

/// `drwxr-xr-x   0   0      1234  2026-11-21 15:04:05  usr/share -> …`
pub(super) fn long_line(path: &EntryPath, entry: &Entry) -> String {
    let what = match &entry.node {
        Node::BlockDevice { major, minor } | Node::CharDevice { major, minor } => format!("{major}, {minor}"),
        Node::Directory | Node::File { .. } | Node::Symlink { .. } | Node::Fifo | Node::Socket => {
            entry.size().to_string()
        }
    };
    let target = match &entry.node {
        Node::Symlink { target } => format!(" -> {}", shown(target)),
        _ => String::new(),
    };
    let (mode, time) = (mode_text(entry), local_time(entry.modified));
    format!("{mode}  {:>6}  {:>6}  {what:>12}  {time:19}  {path}{target}", entry.uid, entry.gid)
}

/// One object; `path` is without a leading slash.
pub(super) fn object(path: &EntryPath, entry: &Entry) -> Map<String, Value> {
    let mut fields = path_fields(path);
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("type", entry.node.word().into());
    put("mode", format!("{:04o}", entry.mode).into());
    put("uid", entry.uid.into());
    put("gid", entry.gid.into());
    put("mtime", utc_time(entry.modified).into());
    match &entry.node {
        Node::File { size, .. } => put("size", (*size).into()),
        Node::Symlink { target } => put("target", String::from_utf8_lossy(target).into()),
        Node::BlockDevice { major, minor } | Node::CharDevice { major, minor } => {
            put("major", (*major).into());
            put("minor", (*minor).into());
        }
        Node::Directory | Node::Fifo | Node::Socket => {}
    }
    if !entry.xattrs.is_empty() {
        let names: Vec<_> = entry.xattrs.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        put("xattrs", names.into());
    }
    fields
}

/// As `ls -l` shows it: the sort, then three letters for owner, group and others.
fn mode_text(entry: &Entry) -> String {
    let sort = match entry.node {
        Node::Directory => 'd',
        Node::File { .. } => '-',
        Node::Symlink { .. } => 'l',
        Node::BlockDevice { .. } => 'b',
        Node::CharDevice { .. } => 'c',
        Node::Fifo => 'p',
        Node::Socket => 's',
    };
    let mut text = String::from(sort);
    for (shift, special, letters) in [(6, 0o4000, ('s', 'S')), (3, 0o2000, ('s', 'S')), (0, 0o1000, ('t', 'T'))] {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => letters.0,
            (true, false) => letters.1,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn instant(time: FileTime) -> Option<jiff::Timestamp> {
    // At most 999 999 999.
    jiff::Timestamp::new(time.seconds, i32::try_from(time.nanoseconds).ok()?).ok()
}

/// RFC 3339 in UTC to the nanosecond; seconds since 1970 where a file's time is outside the calendar.
fn utc_time(time: FileTime) -> String {
    instant(time).map_or_else(|| time.seconds.to_string(), |at| format!("{at:.9}"))
}

fn local_time(time: FileTime) -> String {
    let shown =
        instant(time).map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string());
    shown.unwrap_or_else(|| time.seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, node: Node) -> Entry {
        let modified = FileTime { seconds: 1_700_000_000, nanoseconds: 1 };
        Entry { mode, uid: 0, gid: 12, modified, xattrs: vec![(b"user.a".to_vec(), vec![])], hard_link: None, node }
    }

    #[test]
    fn modes_look_as_they_do_elsewhere() {
        for (mode, text) in [(0o755, "drwxr-xr-x"), (0o7644, "drwSr-Sr-T"), (0o7711, "drws--s--t"), (0, "d---------")] {
            assert_eq!(mode_text(&entry(mode, Node::Directory)), text);
        }
    }

    #[test]
    fn an_object_has_what_its_sort_has() {
        let path = EntryPath::parse(b"dev/x".to_vec()).expect("path");
        let link = object(&path, &entry(0o777, Node::Symlink { target: b"/t".to_vec() }));
        assert_eq!((&link["type"], &link["target"], &link["mode"]), (&"symlink".into(), &"/t".into(), &"0777".into()));
        assert_eq!((&link["mtime"], &link["xattrs"][0]), (&"2023-11-14T22:13:20.000000001Z".into(), &"user.a".into()));
        assert!(!link.contains_key("size"));
        assert_eq!(object(&path, &entry(0o600, Node::CharDevice { major: 5, minor: 1 }))["minor"], 1);
        assert!(long_line(&path, &entry(0o777, Node::Symlink { target: b"/t".to_vec() })).ends_with("  dev/x -> /t"));
    }
}
