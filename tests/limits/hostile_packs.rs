//! Packs that are not what their name, directory or length says, and listings that are bombs.

use std::io::Write;
use std::time::{Duration, Instant};

use datis_engine::chunk::seal::SEGMENT_PLAIN_MAX;
use datis_engine::format::VERSION;
use datis_engine::format::content::{Content, ContentNode, Ref};
use datis_engine::format::directory::{ChunkInfo, ENCODED_MAX};
use datis_engine::format::listing::{Entry, ListingRoot, Node, Totals};
use datis_engine::ids::{ChunkId, PackId};
use datis_engine::pack::{FinishedPack, PackWriter};
use datis_engine::units::FileTime;
use datis_engine::wire::{Commit, Locate, RefusalCode, pack_path, put_body_head};
use harness::raw::{Answer, Raw, RawMachine, put_body};
use minicbor::Encoder;

use crate::stage::Stage;

/// Sends a body for a pack under the name `id`.
fn put(machine: &RawMachine, id: &PackId, body: &[u8]) -> Answer {
    let mut raw = machine.connect();
    let session = begin(&mut raw);
    raw.exchange("PUT", &pack_path(session, id), body).expect("an answer")
}

fn begin(raw: &mut Raw) -> datis_engine::wire::SessionId {
    let run = datis_engine::ids::RunId::from_bytes([9; 16]);
    let begin = datis_engine::wire::Begin { source: "packs".parse().expect("name"), base: None, run };
    raw.ask(&begin).expect("begin").session
}

#[test]
fn packs_that_are_not_what_they_say_are_refused_and_nothing_of_them_is_kept() {
    let stage = Stage::set();
    let machine = &stage.machine;
    let pack = machine.pack(&[b"one chunk", &[5; 100_000]]);
    let body = put_body(&pack);
    let directory = pack.directory.encode();
    let head = |len: usize| put_body_head(u32::try_from(len).expect("short"));
    let with_directory = |directory: &[u8]| [&head(directory.len())[..], directory, &pack.bytes].concat();
    let changed = |change: &dyn Fn(&mut FinishedPack)| {
        let mut pack = pack.clone();
        change(&mut pack);
        put_body(&pack)
    };
    let flipped = {
        let mut flipped = body.clone();
        let last = flipped.len() - 100;
        flipped[last] ^= 1;
        flipped
    };
    let lies: Vec<(&str, Vec<u8>)> = vec![
        ("a flipped bit", flipped),
        ("bytes that are missing at its end", body[..body.len() - 1].to_vec()),
        ("bytes that are too many", [&body[..], b"x"].concat()),
        ("nothing", vec![]),
        ("less than a length", vec![1, 0]),
        ("no directory", [&head(0)[..], &pack.bytes].concat()),
        ("a directory longer than any", [&head(ENCODED_MAX + 1)[..], &pack.bytes].concat()),
        ("a directory longer than the body", [&head(body.len() * 2)[..], &body].concat()),
        ("a directory of 4 GiB", [&[0xff; 4][..], &body].concat()),
        ("a directory of noise", with_directory(&[0xa5; 300])),
        ("a directory of brackets", with_directory(&[0x9f; 30_000])),
        ("a directory cut short", with_directory(&directory[..directory.len() - 1])),
        ("a directory without segments", changed(&|p| p.directory.segments.clear())),
        ("more chunks than segments", changed(&|p| p.directory.chunks.push(p.directory.chunks[0]))),
        ("a longer chunk", changed(&|p| p.directory.chunks[0].len += 1)),
        ("a chunk of 4 GiB", changed(&|p| p.directory.chunks[0].len = u32::MAX)),
        ("a longer segment", changed(&|p| p.directory.segments[0].sealed_len += 1_000)),
        ("a segment of 4 GiB", changed(&|p| p.directory.segments[0].plain_len = u32::MAX)),
        ("a first segment elsewhere", changed(&|p| p.directory.first_offset -= 1)),
        ("a first segment beyond the end", changed(&|p| p.directory.first_offset = u32::MAX)),
        ("no magic", changed(&|p| p.bytes[0] ^= 1)),
        ("a later version", changed(&|p| p.bytes[7] = 2)),
    ];
    for (what, body) in &lies {
        let answer = put(machine, &pack.id, body);
        let code = answer.refusal().code;
        let expected = [RefusalCode::Corrupt, RefusalCode::Malformed, RefusalCode::TooLarge];
        assert!(expected.contains(&code), "{what}: {code:?}");
    }
    // The right bytes under another name, and half a pack whose sender goes away.
    assert_eq!(put(machine, &PackId::from_bytes([1; 32]), &body).refusal().code, RefusalCode::Corrupt);
    let mut raw = machine.connect();
    let session = begin(&mut raw);
    let head =
        format!("PUT {} HTTP/1.1\r\nhost: box\r\ncontent-length: {}\r\n\r\n", pack_path(session, &pack.id), body.len());
    raw.send(&[head.as_bytes(), &body[..body.len() / 2]].concat()).expect("send");
    drop(raw);
    let mut raw = machine.connect();
    let known = raw.ask(&Locate { ids: machine.keys.name(b"one chunk").0.as_bytes().to_vec() }).expect("an answer");
    assert_eq!(known.places, [None], "something of a pack that was refused is known");
    harness::wait_for("the staged file to go", Duration::from_secs(20), || {
        let mut left = std::fs::read_dir(stage.boxed.data().join("store/incoming")).expect("a folder");
        left.next().is_none().then_some(())
    });
    assert_eq!(stage.boxed.packs().len(), 0, "a pack that was refused is kept");
    // The same bytes as they should be are taken: it was the lies that were refused.
    assert_eq!(put(machine, &pack.id, &body).status, 204);
    stage.assert_unharmed();
}

/// Commits a snapshot whose chunks are exactly these, `listing` among them; gives what was said and how long it took.
fn commit(machine: &RawMachine, chunks: &[&[u8]], listing: ListingRoot) -> (Result<(), RefusalCode>, Duration) {
    let mut raw = machine.connect();
    let session = begin(&mut raw);
    let pack = machine.pack(chunks);
    assert_eq!(machine.put(&mut raw, session, &pack).expect("put").status, 204);
    let signed = machine.sign(&machine.record("packs", listing, Totals { entries: 1, bytes: 8 }));
    let started = Instant::now();
    raw.be_patient(Duration::from_secs(60)).expect("set");
    let answer = raw.ask(&Commit { session, signed });
    (answer.map(|_| ()).map_err(|refusal| refusal.code), started.elapsed())
}

fn entry(node: Node) -> Entry {
    let modified = FileTime { seconds: 0, nanoseconds: 0 };
    Entry { mode: 0o644, uid: 0, gid: 0, modified, xattrs: vec![], hard_link: None, node }
}

/// A leaf of any entries, each with how much of its path it shares with the one before.
fn leaf(items: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.array(3).and_then(|e| e.u8(VERSION)?.u8(0)?.array(items.len() as u64)).expect("memory");
    for (shared, path, body) in items {
        e.array(3).and_then(|e| e.u32(*shared)?.bytes(path)).expect("memory");
        e.writer_mut().write_all(body).expect("memory");
    }
    e.into_writer()
}

#[test]
fn a_listing_that_decodes_to_far_more_than_it_is_does_not_cost_the_box_its_memory() {
    let stage = Stage::set();
    let (long, body) = ([&[b'd'; 250][..], b"/"].concat().repeat(120), entry(Node::Fifo).encode());
    let shared = u32::try_from(long.len()).expect("short");
    let mut items = vec![(0, [&long[..], b"0"].concat(), body.clone())];
    items.extend((10_000..50_000_u32).map(|n| (shared, n.to_string().into_bytes(), body.clone())));
    let bomb = leaf(&items);
    assert!(bomb.len() < SEGMENT_PLAIN_MAX);
    let root =
        ListingRoot { id: stage.machine.keys.name(&bomb).0, level: 0, len: u32::try_from(bomb.len()).expect("short") };
    stage.while_backing_up(|| {
        let (said, _) = commit(&stage.machine, &[&bomb], root);
        assert_eq!(said, Err(RefusalCode::Corrupt));
    });
    stage.assert_unharmed();
}

#[test]
fn a_content_that_refers_to_itself_over_and_over_is_dealt_with_in_little_time() {
    let stage = Stage::set();
    let machine = &stage.machine;
    let data = b"planted\n".to_vec();
    let mut chunks = vec![data.clone()];
    let mut node = Ref { id: machine.keys.name(&data).0, len: 8 };
    for level in 1..=8 {
        let content = ContentNode { level, refs: vec![node; 512] };
        let bytes = content.encode();
        let len = content.refs.iter().fold(0_u64, |sum, r| sum.saturating_add(r.len));
        node = Ref { id: machine.keys.name(&bytes).0, len };
        chunks.push(bytes);
    }
    let content = Content { level: 8, refs: vec![node] };
    let file = entry(Node::File { size: content.len(), extents: None, content }).encode();
    let listing = leaf(&[(0, b"a".to_vec(), file)]);
    let root =
        ListingRoot { id: machine.keys.name(&listing).0, level: 0, len: u32::try_from(listing.len()).expect("short") };
    chunks.push(listing);
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    stage.while_backing_up(|| {
        let (_, took) = commit(machine, &chunks, root);
        assert!(took < Duration::from_secs(10), "the commit was answered after {took:?}");
    });
    stage.assert_unharmed();
}

#[test]
fn listings_that_are_no_listings_are_refused_at_the_commit() {
    let stage = Stage::set();
    let machine = &stage.machine;
    let file = entry(Node::Fifo).encode();
    let up = leaf(&[(0, b"../planted".to_vec(), file.clone())]);
    let twice = leaf(&[(0, b"a".to_vec(), file.clone()), (0, b"a".to_vec(), file.clone())]);
    let noise = vec![0x9f; 100_000];
    for (what, bytes) in [("leads out", up), ("names twice", twice), ("noise", noise), ("empty", vec![])] {
        for level in [0, 1, 13, 255] {
            let id = machine.keys.name(&bytes).0;
            let root = ListingRoot { id, level, len: u32::try_from(bytes.len()).expect("short") };
            let (said, _) = commit(machine, &[&bytes], root);
            assert_eq!(said, Err(RefusalCode::Corrupt), "{what} at level {level}");
        }
    }
    let nowhere = ListingRoot { id: ChunkId::from_bytes([3; ChunkId::LEN]), level: 0, len: 10 };
    assert_eq!(commit(machine, &[b"other"], nowhere).0, Err(RefusalCode::ChunksMissing));
    stage.assert_unharmed();
}

#[test]
fn a_pack_whose_chunks_have_other_names_than_their_bytes_serves_nobody_else() {
    let stage = Stage::set();
    let machine = &stage.machine;
    // The attacker knows what another machine will back up, and stores something else under its name.
    let (victims, witness) = machine.keys.name(b"what the victim will back up");
    let mut encoder = datis_engine::chunk::seal::FrameEncoder::new(datis_engine::chunk::seal::Effort::Passing);
    let encoder = encoder.as_mut().expect("encoder");
    let mut writer = PackWriter::create(&machine.recipients()).expect("pack");
    let poison = b"something else, of this length";
    let info = ChunkInfo { id: victims, len: u32::try_from(poison.len()).expect("short") };
    writer.push(encoder.encode(poison, SEGMENT_PLAIN_MAX).expect("frame"), &[info]);
    let pack = writer.finish(encoder).expect("pack");
    assert_eq!(put(machine, &pack.id, &put_body(&pack)).status, 204);
    // Whether the box has looked at it yet or not, the victim has to send its own.
    let victim = stage.second_machine("victim of poison");
    let asked = || {
        let mut raw = victim.connect();
        let session = begin(&mut raw);
        victim.have(&mut raw, session, &[(victims, witness)]).expect("an answer")
    };
    assert_eq!(asked(), [false]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(asked(), [false], "a poisoned chunk is offered to another machine");
    stage.assert_unharmed();
}
