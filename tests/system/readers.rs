//! Recovery without the product: packs, the kit, the `age` tool and a page of Python.

use harness::{Invocation, TestBox, repository, scratch, tree};

/// Set by `make test`; without it a Python with the packages is expected in the path.
fn python() -> String {
    std::env::var("DATIS_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

#[test]
fn docs_reader_restores_what_a_box_stored_with_the_kit_alone() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::every_kind(&source, 1);
    let snapshot = machine.backup(&source).snapshot;
    let kit = folder.path().join("kit.txt");
    std::fs::write(&kit, the_box.command(["kit"]).run().expect_success().stdout).expect("kit");
    the_box.stop();
    let store = the_box.data().join("store");
    let reader = |words: &[&str]| {
        Invocation::new(python()).arg(repository().join("docs/reader.py")).arg(&store).arg(&kit).args(words)
    };
    let listed = reader(&["list"]).run().expect_success().text();
    assert!(listed.contains(&snapshot), "{listed}");
    let target = folder.path().join("target");
    std::fs::create_dir(&target).expect("folder");
    let _done = reader(&["restore", &snapshot]).arg(&target).run().expect_success();
    tree::assert_same(&source, &target.join(source.strip_prefix("/").expect("absolute")));
}

#[test]
fn the_key_of_a_pack_opens_with_the_stock_age_tool_and_the_kit() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 5, 1);
    let _summary = machine.backup(&source);
    let kit = the_box.command(["kit"]).run().expect_success().text();
    let identity =
        kit.split_whitespace().find(|word| word.starts_with("AGE-SECRET-KEY-1")).expect("an age identity in the kit");
    let key = folder.path().join("identity");
    std::fs::write(&key, format!("{identity}\n")).expect("file");
    let pack = std::fs::read(&the_box.packs()[0]).expect("pack");
    let begin =
        pack.windows(21).position(|window| window == b"age-encryption.org/v1").expect("an age file in the pack");
    // A header that ends with a line of dashes and 43 letters, a nonce of 16 bytes, the sealed key with its tag.
    let dashes = pack[begin..].windows(5).position(|window| window == b"\n--- ").expect("the end of the header");
    let end = begin + dashes + 5 + 43 + 1 + 16 + 32 + 16;
    let decrypt = Invocation::new("/usr/bin/age").args(["--decrypt", "--identity"]).arg(&key);
    let opened = decrypt.input(&pack[begin..end]).run().expect_success();
    assert_eq!(opened.stdout.len(), 32, "{opened}");
}
