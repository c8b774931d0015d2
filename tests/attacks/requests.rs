//! Requests that no box may make: the machine does not do them, not even when somebody there agrees.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use datis_engine::format::encode;
use datis_engine::ids::SnapshotId;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{ListPutBacks, Message, PutBack, PutBackAnswer, PutBackMode, PutBacks, TellPutBack};

use crate::arena::{Arena, Ended, Who};
use crate::forge::{DATA, Forge};
use crate::hostile::http;

/// A path as listings have it.
fn bytes(path: &Path) -> Vec<u8> {
    path.strip_prefix("/").expect("absolute").as_os_str().as_bytes().to_vec()
}

/// A mark that no request has.
const NO_MARK: &str = "7-AAAAAAAAAAAA";

/// The box asks for `paths` of the snapshot that the machine has signed, or of another one. In its listing are files of
/// these paths; what was backed up is the target alone.
fn ask(arena: &Arena, paths: &[Vec<u8>], own_snapshot: bool, times: usize) {
    let mut forge = Forge::new();
    let file = forge.file();
    let mut sorted: Vec<Vec<u8>> = paths.to_vec();
    sorted.sort();
    let items: Vec<(&[u8], _)> = sorted.iter().map(|path| (path.as_slice(), file.clone())).collect();
    let root = forge.leaf(&items);
    let target = arena.target().as_os_str().as_bytes().to_vec();
    let mut script = forge.sign_with(root, arena.key(), &|record| record.roots = vec![target.clone()]);
    let signed = script.snapshots[0].signed.id();
    let request = PutBack {
        id: 7,
        snapshot: if own_snapshot { signed } else { SnapshotId::from_bytes([9; 32]) },
        paths: paths.iter().map(|path| path.clone().into()).collect(),
        mode: PutBackMode::Overwrite,
        asked_by: "\u{1b}[2Jclaire".to_owned(),
        asked_at: UnixMillis(1),
        expires_at: UnixMillis(i64::MAX),
    };
    let listed = encode(&PutBacks { requests: vec![request; times] });
    script.instead = Some(Box::new(move |path, _| match path {
        ListPutBacks::PATH => Some(http(200, &listed)),
        TellPutBack::PATH => Some(http(200, &encode(&PutBackAnswer { goes_on: true }))),
        _ => None,
    }));
    arena.play(script);
    arena.fresh_target();
}

/// The mark of what the machine shows, if it shows anything that can be agreed to.
fn shown(arena: &Arena) -> Option<String> {
    let listed = arena.run(&["requests", "--json"]);
    listed.assert_civil("a list");
    let requests: serde_json::Value = serde_json::from_str(&listed.stdout).ok()?;
    requests[0]["mark"].as_str().map(str::to_owned)
}

/// Somebody at the machine agrees to whatever is shown there.
fn agree(arena: &Arena, paths: &[Vec<u8>], own_snapshot: bool, times: usize) -> Ended {
    ask(arena, paths, own_snapshot, times);
    let mark = shown(arena).unwrap_or_else(|| NO_MARK.to_owned());
    arena.run(&["requests", "accept", &mark])
}

#[test]
fn a_box_puts_nothing_back_but_what_was_backed_up_to_where_it_was() {
    let arena = Arena::new(Who::Self_);
    let secret = arena.outside().join("secret");
    let inside = arena.target().join("a");
    let up = arena.target().join("../outside/secret");
    let absolute = secret.as_os_str().as_bytes().to_vec();
    let many: Vec<Vec<u8>> = (0..500).map(|n| bytes(&arena.target().join(format!("{n:04}")))).collect();
    for (what, paths, own, times) in [
        ("a path outside", vec![bytes(&secret)], true, 1),
        ("one path inside and one outside", vec![bytes(&inside), bytes(&secret)], true, 1),
        ("a path that goes up", vec![bytes(&up)], true, 1),
        ("an absolute path", vec![absolute], true, 1),
        ("the root of everything", vec![Vec::new()], true, 1),
        ("a snapshot of nobody", vec![bytes(&inside)], false, 1),
        ("more paths than any request has", many, true, 1),
        ("more requests than any machine has", vec![bytes(&inside)], true, 1_000),
        ("one number for two requests", vec![bytes(&inside)], true, 2),
    ] {
        let ended = agree(&arena, &paths, own, times);
        ended.assert_civil(what);
        assert_ne!(ended.code(), 0, "{what}: {}", ended.short());
        assert_eq!(fs::read(&secret).expect("secret"), b"not yours", "{what}");
        assert_eq!(fs::read_dir(arena.target()).expect("target").count(), 0, "{what}: {}", ended.short());
    }
    // The same box with a request that it may make: what was refused was refused for what it asked.
    let ended = agree(&arena, &[bytes(&inside)], true, 1);
    assert_eq!(ended.code(), 0, "{}", ended.short());
    assert_eq!(fs::read(&inside).expect("put back"), DATA);
}

#[test]
fn a_box_that_asks_for_something_else_than_was_shown_gets_nothing() {
    let arena = Arena::new(Who::Self_);
    let path = |name: &str| bytes(&arena.target().join(name));
    ask(&arena, &[path("a")], true, 1);
    let mark = shown(&arena).expect("a mark");
    for other in [vec![path("b")], vec![path("a"), path("b")]] {
        ask(&arena, &other, true, 1);
        let ended = arena.run(&["requests", "accept", &mark]);
        ended.assert_civil("something else");
        assert_eq!(ended.code(), 1, "{}", ended.short());
        assert!(ended.stderr.contains("is not what it was when it was shown"), "{}", ended.stderr);
        assert_eq!(fs::read_dir(arena.target()).expect("target").count(), 0, "{}", ended.short());
    }
    let number = arena.run(&["requests", "accept", "7"]);
    assert_ne!(number.code(), 0, "a number alone names nothing that was shown");
    assert_eq!(fs::read_dir(arena.target()).expect("target").count(), 0);
}
