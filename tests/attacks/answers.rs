//! Answers of a box that no box gives: too long, too many, never ending, of other bytes than were asked for.

use std::fs;
use std::io::Write;

use datis_engine::format::content::Ref;
use datis_engine::format::listing::ListingRoot;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{ChunkId, PackId};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{
    ChunkPlace, ListSnapshots, Locate, Located, Message, ReadSegment, Refusal, RefusalCode, SegmentFrame, SnapshotInfo,
    SnapshotPage, SnapshotState,
};

use crate::arena::{Arena, Ended, Who};
use crate::forge::{DATA, Forge, file_of, record};
use crate::hostile::{Instead, http};

/// Restores a snapshot of one file at `a` from a box that answers some requests with something else.
fn restore_with(forge: &dyn Fn(&mut Forge) -> ListingRoot, instead: Option<Instead>) -> (Arena, Ended) {
    let arena = Arena::new(Who::Self_);
    let mut made = Forge::new();
    let root = forge(&mut made);
    let mut script = made.sign(root, arena.key());
    script.instead = instead;
    arena.play(script);
    arena.fresh_target();
    let ended = arena.restore(&[]);
    (arena, ended)
}

fn one_file(forge: &mut Forge) -> ListingRoot {
    let file = forge.file();
    forge.leaf(&[(b"a", file)])
}

fn assert_refused(what: &str, instead: Instead) {
    let (arena, ended) = restore_with(&one_file, Some(instead));
    ended.assert_civil(what);
    assert_ne!(ended.code(), 0, "{what}: {}", ended.short());
    assert!(!arena.target().join("a").exists(), "{what}: the file was restored: {}", ended.short());
}

#[test]
fn places_that_cannot_be_are_refused() {
    let place = |pack, offset, len| Some(ChunkPlace { pack, segment: 0, offset, len });
    let packs = || vec![PackId::from_bytes([1; 32])];
    let lies: Vec<(&str, Located)> = vec![
        ("a pack that is not listed", Located { packs: packs(), places: vec![place(1, 0, 8)] }),
        ("a pack beyond all numbers", Located { packs: packs(), places: vec![place(u32::MAX, 0, 8)] }),
        ("a place beyond all numbers", Located { packs: packs(), places: vec![place(0, u32::MAX, u32::MAX)] }),
        ("no places", Located { packs: packs(), places: vec![] }),
        ("more places than asked for", Located { packs: packs(), places: vec![place(0, 0, 8); 100_000] }),
        ("more packs than places", Located { packs: vec![packs()[0]; 200_000], places: vec![None] }),
    ];
    for (what, lie) in lies {
        assert_refused(what, Box::new(move |path, _| (path == Locate::PATH).then(|| http(200, &encode(&lie)))));
    }
}

fn zstd(plain: &[u8], window_log: Option<u32>) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(vec![1], 1).expect("encoder");
    if let Some(log) = window_log {
        encoder.long_distance_matching(true).expect("set");
        encoder.window_log(log).expect("set");
        encoder.include_contentsize(false).expect("set");
    }
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn segments_that_are_bombs_or_noise_are_refused() {
    let bomb = zstd(&vec![0; 256 << 20], None);
    let frame = |plain_len, frame: Vec<u8>| SegmentFrame { whole: true, plain_len, frame };
    let lies: Vec<(&str, SegmentFrame)> = vec![
        ("a frame of 256 MiB that says it has 8 bytes", frame(8, bomb.clone())),
        ("a frame of 256 MiB that says it has 4 MiB", frame(4 << 20, bomb.clone())),
        ("a frame of 256 MiB that says so", frame(256 << 20, bomb)),
        ("a frame of 4 GiB", frame(u32::MAX, zstd(DATA, None))),
        ("a frame with a window of 2 GiB", frame(8, zstd(DATA, Some(31)))),
        ("an unknown coding", frame(8, [&[7], DATA].concat())),
        ("an empty frame", frame(8, vec![])),
        ("a raw frame that is too long", frame(8, [&[0], DATA, DATA].concat())),
        ("a raw frame that is too short", frame(8, vec![0])),
        ("noise", frame(8, vec![1; 1_000])),
        ("other bytes", frame(8, b"\0PLANTED\n".to_vec())),
        ("only some chunks, and none of them", SegmentFrame { whole: false, plain_len: 0, frame: vec![0] }),
    ];
    for (what, lie) in lies {
        assert_refused(what, Box::new(move |path, _| (path == ReadSegment::PATH).then(|| http(200, &encode(&lie)))));
    }
}

#[test]
fn a_bomb_in_a_file_s_segment_costs_that_file_alone() {
    let (arena, ended) = restore_with(
        &|forge| {
            let (sound, id) = (forge.file(), ChunkId::from_bytes([6; ChunkId::LEN]));
            let bomb = SegmentFrame { whole: true, plain_len: 8, frame: zstd(&vec![0; 64 << 20], None) };
            forge.add_frame(id, 8, bomb);
            forge.leaf(&[(b"a", file_of(vec![Ref { id, len: 8 }])), (b"b", sound)])
        },
        None,
    );
    ended.assert_civil("bomb");
    assert_eq!(ended.code(), 3, "{}", ended.short());
    assert_eq!(fs::read(arena.target().join("b")).expect("restored"), DATA);
    assert!(!arena.target().join("a").exists());
}

#[test]
fn answers_that_are_longer_than_any_are_refused_in_little_memory() {
    let long = |status: &str, head: &str, body: usize| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/cbor\r\n{head}\r\n\r\n");
        [head.as_bytes(), &vec![0x61; body]].concat()
    };
    // 63 MiB of a sound answer: within the limit of the protocol, and far more than a segment may have.
    let segment = SegmentFrame { whole: true, plain_len: 8, frame: vec![0; 63 << 20] };
    let segment = http(200, &encode(&segment));
    let nested = [vec![0x9f; 1 << 20], vec![0xff; 1 << 20]].concat();
    let lies: Vec<(&str, &'static str, Vec<u8>)> = vec![
        ("a segment of 63 MiB", ReadSegment::PATH, segment),
        ("brackets in brackets", Locate::PATH, http(200, &nested)),
        ("2^60 packs", Locate::PATH, http(200, &[0x82, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("2^60 bytes", Locate::PATH, http(200, &[0x82, 0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("a body of 80 MiB", Locate::PATH, long("200 OK", &format!("content-length: {}", 80 << 20), 80 << 20)),
        ("a head of 8 MiB", Locate::PATH, long("200 OK", &format!("x: {}", "y".repeat(8 << 20)), 0)),
        ("a hundred thousand headers", Locate::PATH, long("200 OK", &"x: y\r\n".repeat(100_000), 0)),
        ("chunks of 80 MiB", Locate::PATH, {
            let chunk = [format!("{:x}\r\n", 80 << 20).as_bytes(), &vec![0; 80 << 20], b"\r\n0\r\n\r\n"].concat();
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &chunk[..]].concat()
        }),
        ("a refusal of 60 MiB", Locate::PATH, {
            let refusal = Refusal::new(RefusalCode::NotFound, "y".repeat(60 << 20));
            http(404, &encode(&refusal))
        }),
    ];
    for (what, at, lie) in lies {
        assert_refused(what, Box::new(move |path, _| (path == at).then(|| lie.clone())));
    }
}

#[test]
fn a_list_of_snapshots_without_end_is_given_up_in_little_memory() {
    let arena = Arena::new(Who::Self_);
    let key = crate::any_key();
    let mut made = Forge::new();
    let root = one_file(&mut made);
    let mut script = made.sign(root, arena.key());
    script.instead = Some(Box::new(move |path, body| {
        let asked: ListSnapshots =
            (path == ListSnapshots::PATH).then(|| decode_all("list", body).expect("a request"))?;
        let seed =
            asked.after.map_or(0, |after| u64::from_le_bytes(after.as_bytes()[..8].try_into().expect("8 bytes")));
        let mut first = record(root);
        first.client_version = format!("{seed:016x}");
        let mut signed = first.sign(&key);
        let snapshots = (0..1_000_u32).map(|n| {
            signed.record.extend_from_slice(&n.to_le_bytes());
            SnapshotInfo {
                signed: signed.clone(),
                received_at: UnixMillis(1),
                state: SnapshotState::Complete,
                outside_only: false,
            }
        });
        Some(http(200, &encode(&SnapshotPage { snapshots: snapshots.collect(), more: true })))
    }));
    arena.play(script);
    arena.fresh_target();
    let ended = arena.restore(&[]);
    ended.assert_civil("endless list");
    assert_ne!(ended.code(), 0, "{}", ended.short());
}

#[test]
fn what_the_box_says_reaches_the_terminal_without_its_control_characters() {
    let refusal = Refusal::new(RefusalCode::Fault, "first\x1b[2J\nsecond\rthird\u{9b}31m");
    let lie = http(500, &encode(&refusal));
    let (_, ended) =
        restore_with(&one_file, Some(Box::new(move |path, _| (path == Locate::PATH).then(|| lie.clone()))));
    ended.assert_civil("refusal");
    assert_eq!(ended.code(), 1, "{}", ended.short());
}

#[test]
fn a_record_of_another_key_or_a_later_version_is_refused_by_name() {
    let arena = Arena::new(Who::Self_);
    let play = |key: &datis_engine::keys::SigningKey, version| {
        let mut forge = Forge::new();
        let root = one_file(&mut forge);
        arena.play(forge.sign_with(root, key, &|record| record.version = version));
        arena.fresh_target();
        arena.restore(&[])
    };
    assert_eq!(play(arena.key(), 1).code(), 0);
    for (key, version) in [(&crate::any_key(), 1), (arena.key(), 2)] {
        let ended = play(key, version);
        ended.assert_civil("record");
        assert_eq!(ended.code(), 1, "{}", ended.short());
        assert!(!arena.target().join("a").exists());
    }
}
