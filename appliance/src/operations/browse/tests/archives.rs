//! Archives, unpacked by stock tools.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use super::*;

fn make(site: &Arc<Site>, id: &SnapshotId, paths: &[&str]) -> (ArchiveReport, tempfile::NamedTempFile) {
    let mut target = tempfile::NamedTempFile::new().expect("file");
    let paths: Vec<_> = paths.iter().map(|p| path(p)).collect();
    let report = archive(site, &Scope::All, id, &paths, &mut target).expect("archive");
    assert_eq!(target.as_file().metadata().expect("length").len(), report.written);
    (report, target)
}

/// What a stock reader finds, one line an entry: name, size, permissions, digest; it checks every sum.
fn with_python(archive: &Path) -> Vec<String> {
    let program = "import sys,zipfile,hashlib
z=zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for i in z.infolist():
    h=hashlib.sha256()
    with z.open(i) as f:
        for p in iter(lambda:f.read(1<<20),b''): h.update(p)
    print(i.filename.encode('unicode_escape').decode(),i.file_size,oct(i.external_attr>>16),h.hexdigest()[:8])
print(len(z.infolist()))";
    let out = Command::new("python3").arg("-c").arg(program).arg(archive).output().expect("python3");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn unpacked(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let out = Command::new("unzip").arg("-q").arg(archive).arg("-d").arg(folder.path()).output().expect("unzip");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    folder
}

#[test]
fn files_and_folders_come_out_with_stock_tools() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let large = noise(3_000_000, 1);
    let mut sparse = vec![0; 2_000_000];
    sparse[1_000_000..1_000_300].copy_from_slice(&noise(300, 2));
    let id = client
        .back_up_tree(
            site,
            tree(&[
                ("srv/docs", Planted::Dir),
                ("srv/docs/empty", file(b"")),
                ("srv/docs/été.txt", file(b"bonjour")),
                ("srv/docs/large", file(&large)),
                ("srv/docs/link", Planted::Symlink(b"/etc/passwd")),
                ("srv/docs/none", Planted::Dir),
                ("srv/docs/pipe", Planted::Fifo),
                ("srv/docs/sparse", Planted::Sparse(2_000_000, vec![(1_000_000, 300)], noise(300, 2))),
                ("srv/other", file(b"other")),
                ("srv/unwanted", file(b"unwanted")),
            ]),
        )
        .snapshot;
    let (report, target) = make(site, &id, &["srv/docs", "srv/docs/large", "srv/other"]);
    let counts = (report.files, report.folders, report.failed, report.left_out, report.renamed);
    assert_eq!(counts, (5, 2, 0, 2, 0));
    assert!(report.is_complete());
    let folder = unpacked(target.path());
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect(name);
    assert_eq!(read("docs/été.txt"), b"bonjour");
    assert_eq!((read("docs/empty"), read("other")), (Vec::new(), b"other".to_vec()));
    assert_eq!(read("docs/large"), large);
    assert_eq!(read("docs/sparse"), sparse);
    assert!(folder.path().join("docs/none").is_dir());
    assert!(!folder.path().join("docs/link").exists() && !folder.path().join("unwanted").exists());
    let note = String::from_utf8(read("DATIS-PROBLEMS.txt")).expect("text");
    assert!(note.contains("srv/docs/link: left out, a symbolic link to /etc/passwd") && note.contains("srv/docs/pipe"));
    let time = std::fs::metadata(folder.path().join("other")).expect("file").modified().expect("time");
    let since = time.duration_since(std::time::UNIX_EPOCH).expect("time");
    assert_eq!(since.as_secs(), 1_700_000_000);
    let listed = with_python(target.path());
    assert_eq!(listed.last().map(String::as_str), Some("8"));
    assert!(listed.iter().any(|line| line.starts_with("docs/none/ 0 0o40755")), "{listed:?}");
}

#[test]
fn hostile_names_unpack_below_the_place_they_are_unpacked_to() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let names: [&[u8]; 8] = [
        b"..\\..\\evil",
        b"C:\\evil",
        b"\xff\xfe bytes",
        b"a\x1b[2Jb",
        b"DATIS-PROBLEMS.txt",
        b"nul",
        b"<script>",
        b".. /.. /x",
    ];
    let entries = names.iter().map(|name| (name.to_vec(), file(b"content"))).collect();
    let id = client.back_up_tree(site, entries).snapshot;
    let (report, target) = make(site, &id, &[]);
    assert_eq!((report.files, report.renamed, report.failed), (8, 8, 0));
    let folder = unpacked(target.path());
    let mut count = 0;
    for entry in std::fs::read_dir(folder.path()).expect("folder") {
        let name = entry.expect("entry").file_name().into_string().expect("text");
        assert!(name.starts_with('_') || name == "DATIS-PROBLEMS.txt", "{name}");
        count += 1;
    }
    assert_eq!((count, with_python(target.path()).len()), (9, 10));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_there() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let (small, large) = (noise(9_000, 1), noise(1_500_000, 2));
    client.back_up_tree(site, tree(&[("large", file(&large)), ("small", file(&small))]));
    let before = packs(site);
    let entries = tree(&[("large", file(&large)), ("new", file(b"new")), ("small", file(&small))]);
    let id = client.back_up_tree(site, entries).snapshot;
    for name in before {
        site.store.delete(name).expect("delete");
    }
    let (report, target) = make(site, &id, &[]);
    assert_eq!((report.files, report.failed, report.is_complete()), (1, 2, false));
    let folder = unpacked(target.path());
    assert_eq!(std::fs::read(folder.path().join("new")).expect("new"), b"new");
    let note = std::fs::read_to_string(folder.path().join("DATIS-PROBLEMS.txt")).expect("note");
    assert!(note.contains("large: cut off at byte 0") && note.contains("small: not here"), "{note}");
}

#[test]
fn more_entries_than_sixteen_bits_count_are_all_there() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let entries = (0..70_000).map(|n| (format!("d/{n:06}").into_bytes(), file(b"x"))).collect();
    let id = client.back_up_tree(site, entries).snapshot;
    let (report, target) = make(site, &id, &[]);
    assert_eq!(report.files, 70_000);
    assert_eq!(with_python(target.path()).last().map(String::as_str), Some("70000"));
}

#[test]
fn nothing_is_written_for_what_is_not_there() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let id = alice.back_up_tree(site, tree(&[("a", file(b"1"))])).snapshot;
    let mut sink = Vec::new();
    assert!(is_not_found(archive(site, &Scope::All, &id, &[path("a"), path("b")], &mut sink)));
    assert!(is_not_found(archive(site, &only(&[bob.machine.id]), &id, &[path("a")], &mut sink)));
    assert!(sink.is_empty());
}

#[test]
fn whoever_stops_taking_ends_it() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let id = client.back_up_tree(site, tree(&[("a", file(&noise(50_000, 1)))])).snapshot;
    for room in [0, 40, 10_000] {
        let ended = archive(site, &Scope::All, &id, &[], Full(room));
        assert!(matches!(ended, Err(BrowseError::Sink(_))), "{room}");
    }
}

/// `cargo test --release -p datis-appliance --lib more_than_four -- --ignored --nocapture`
#[test]
#[ignore = "writes 5 GiB"]
fn a_file_of_more_than_four_gibibytes_and_one_behind_it_come_out() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let size = 5 << 30;
    let entries = tree(&[
        ("huge", Planted::Sparse(size, vec![(size - 300, 300)], noise(300, 1))),
        ("next", file(b"behind four gibibytes")),
    ]);
    let id = client.back_up_tree(site, entries).snapshot;
    let began = std::time::Instant::now();
    let (report, target) = make(site, &id, &[]);
    println!("{} bytes in {:?}", report.written, began.elapsed());
    let listed = with_python(target.path());
    assert!(listed[0].starts_with("huge 5368709120 0o100644"), "{listed:?}");
    assert!(listed[1].starts_with("next 21 "), "{listed:?}");
    let out = Command::new("unzip").arg("-tq").arg(target.path()).output().expect("unzip");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}
