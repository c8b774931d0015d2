//! `datis backup --stdin`: a dump goes straight to the box.

use harness::{Random, Summary, TestBox, scratch};

const STREAM: [&str; 7] = ["backup", "--stdin", "--source", "orders", "--kind", "database", "--json"];

#[test]
fn a_stream_comes_back_byte_by_byte_and_a_changed_one_costs_little() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let mut dump = Random::new(1).text(20 << 20);
    let first = Summary::of(&machine.command(STREAM).input(dump.clone()).run().expect_success());
    assert_eq!((first.files, first.bytes), (1, dump.len() as u64));
    for at in 0..20 {
        dump[(at << 20) + 17..][..8].copy_from_slice(b"CHANGED!");
    }
    dump.splice(5_000_000..5_000_000, *b"a row was inserted here;");
    let second = Summary::of(&machine.command(STREAM).input(dump.clone()).run().expect_success());
    assert!(second.sent_bytes * 10 < first.sent_bytes, "{} after {}", second.sent_bytes, first.sent_bytes);
    let read = machine.run(["cat", "orders@latest:orders"]).expect_success();
    assert!(read.stdout == dump, "{} bytes came back of {}", read.stdout.len(), dump.len());
    let folder = scratch();
    let target = folder.path().join("target");
    machine.restore("orders@latest", &target);
    assert!(std::fs::read(target.join("orders")).expect("restored") == dump);
    let row = machine.snapshots().remove(0);
    assert_eq!((row.source.as_str(), row.kind.as_str(), row.state.as_str()), ("orders", "database", "complete"));
}

#[test]
fn an_empty_stream_is_an_empty_file() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let summary = Summary::of(&machine.command(STREAM).run().expect_success());
    assert_eq!((summary.files, summary.bytes), (1, 0));
    assert_eq!(machine.run(["cat", "latest:orders"]).expect_success().stdout, b"");
}

#[test]
fn no_temporary_file_is_written_for_a_stream() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).expect("folder");
    let watch = temporary.clone();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let state = machine.state();
    let watching = std::thread::spawn(move || {
        let mut largest = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            largest = largest.max(size_of(&watch) + size_of(&state));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        largest
    });
    let command = machine.command(STREAM).env("TMPDIR", &temporary).input(Random::new(2).bytes(40 << 20));
    let _summary = Summary::of(&command.run().expect_success());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let largest = watching.join().expect("watcher");
    assert!(largest < 8 << 20, "{largest} bytes lay on the machine's disk meanwhile");
}

fn size_of(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let mut bytes = 0;
    for entry in entries.flatten() {
        // Files come and go meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { size_of(&entry.path()) } else { metadata.len() };
    }
    bytes
}
