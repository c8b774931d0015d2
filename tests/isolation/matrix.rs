//! All routes, all identities, all ids.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use datis_engine::enrolment::EnrolmentCode;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::RunId;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{
    Abandon, Begin, Begun, Commit, Enrol, Have, Heartbeat, ListPutBacks, ListSnapshots, Locate, Message, PACK_PATH,
    PutBackStep, ReadSegment, RefusalCode, Renew, RestoreReport, RunOutcome, RunReport, SessionId, TellPutBack,
    pack_path,
};
use harness::raw::{Answer, Authority, Identity, Raw, RawMachine, fresh_key, put_body};
use rcgen::KeyPair;

use crate::scene::{Ids, Scene, Tenant};

/// A thing that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Session,
    Snapshot,
    Pack,
    Chunk,
}

/// One route, and how it is asked.
struct Row {
    path: &'static str,
    /// What it names. Each is tried with ids of others and of nothing.
    slots: &'static [Slot],
    /// Method, path and body of a request by `who` about `ids`.
    request: fn(who: &Tenant, ids: &Ids) -> (&'static str, String, Vec<u8>),
}

fn post<M: Message>(message: &M) -> (&'static str, String, Vec<u8>) {
    ("POST", M::PATH.to_owned(), encode(message))
}

/// Every route of the machine port; a route that is missing here fails a test below.
const ROWS: &[Row] = &[
    Row {
        path: Enrol::PATH,
        slots: &[],
        request: |_, _| {
            let code = EnrolmentCode::generate().expect("random").expose().to_owned();
            post(&Enrol { code, signing_request: RawMachine::signing_request(&fresh_key()) })
        },
    },
    Row { path: Renew::PATH, slots: &[], request: |who, _| post(&Renew { signing_request: own_request(who) }) },
    Row {
        path: Heartbeat::PATH,
        slots: &[],
        request: |_, _| post(&Heartbeat { client_version: "raw".to_owned(), now: UnixMillis(0) }),
    },
    Row {
        path: RunReport::PATH,
        slots: &[],
        request: |_, _| {
            post(&RunReport {
                source: "documents".parse().expect("a name"),
                run: RunId::from_bytes([2; 16]),
                outcome: RunOutcome::Failed,
                reading_ms: 1,
                commit_ms: 2,
                took_ms: 3,
                entries: 0,
                new_bytes: 0,
                problems: 0,
                message: "the disk is gone".to_owned(),
                excludes: vec!["*.tmp".to_owned()],
            })
        },
    },
    Row {
        path: RestoreReport::PATH,
        slots: &[Slot::Snapshot],
        request: |_, ids| post(&RestoreReport { snapshot: ids.snapshot, files: 1, bytes: 2, problems: 0 }),
    },
    Row { path: ListPutBacks::PATH, slots: &[], request: |_, _| post(&ListPutBacks {}) },
    Row {
        path: TellPutBack::PATH,
        slots: &[],
        request: |_, _| {
            post(&TellPutBack {
                request: 1,
                step: PutBackStep::Working,
                by: "somebody".to_owned(),
                files: 0,
                bytes: 0,
                problems: 0,
                reason: String::new(),
            })
        },
    },
    Row {
        path: Begin::PATH,
        slots: &[Slot::Snapshot],
        request: |_, ids| {
            // One run, so that no session stands in the way of the next; the source is that of the snapshots.
            let (source, run) = ("documents".parse().expect("a name"), RunId::from_bytes([1; 16]));
            post(&Begin { source, base: Some(ids.snapshot), run })
        },
    },
    Row {
        path: Have::PATH,
        slots: &[Slot::Session, Slot::Chunk],
        request: |_, ids| {
            let mut have = Have { session: ids.session, chunks: Vec::new() };
            have.push(&ids.chunk.0, &ids.chunk.1);
            post(&have)
        },
    },
    Row {
        path: PACK_PATH,
        slots: &[Slot::Session, Slot::Pack],
        // Of a pack that the machine has sent before nothing is looked at; of any other, the bytes do not fit the name.
        request: |who, ids| ("PUT", pack_path(ids.session, &ids.pack), put_body(&who.raw.pack(&[b"other bytes"]))),
    },
    Row {
        path: Commit::PATH,
        slots: &[Slot::Session, Slot::Chunk],
        request: |who, ids| {
            let made = who.raw.make("open", &[], &[("named", ids.chunk.0, FILE_LEN)]);
            let sent = who.raw.put(&mut who.connect(), who.session, &made.pack).expect("put");
            assert_eq!(sent.status, 204, "the listing is not taken: {sent:?}");
            post(&Commit { session: ids.session, signed: made.signed })
        },
    },
    Row {
        path: ListSnapshots::PATH,
        slots: &[Slot::Snapshot],
        request: |_, ids| post(&ListSnapshots { source: None, after: Some(ids.snapshot) }),
    },
    Row {
        path: Locate::PATH,
        slots: &[Slot::Chunk],
        request: |_, ids| post(&Locate { ids: ids.chunk.0.as_bytes().to_vec() }),
    },
    Row {
        path: ReadSegment::PATH,
        // The chunks do not matter to the owner of the pack; `sharing` has what they mean to others.
        slots: &[Slot::Pack],
        request: |_, ids| post(&ReadSegment { pack: ids.pack, segment: 0, ids: ids.chunk.0.as_bytes().to_vec() }),
    },
    Row { path: Abandon::PATH, slots: &[Slot::Session], request: |_, ids| post(&Abandon { session: ids.session }) },
];

fn own_request(who: &Tenant) -> Vec<u8> {
    RawMachine::signing_request(&KeyPair::try_from(who.raw.identity.key.as_slice()).expect("a key"))
}

/// Length of each of a tenant's files.
const FILE_LEN: u64 = "file 1 of machine-a, and of nobody else".len() as u64;

fn ask(raw: &mut Raw, row: &Row, who: &Tenant, ids: &Ids) -> Answer {
    let (method, path, body) = (row.request)(who, ids);
    raw.exchange(method, &path, &body).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The same answer without what is random or was asked for.
fn comparable(row: &Row, answer: Answer, ids: &Ids) -> Answer {
    let words = ids.words();
    let mut answer = answer.without(&words.each_ref().map(String::as_str));
    if row.path == Begin::PATH && answer.status == 200 {
        let begun: Begun = decode_all("begun", &answer.body).expect("an answer");
        answer.body = encode(&Begun { session: SessionId(0), ..begun });
        answer.headers.retain(|(name, _)| name != "content-length");
    }
    answer
}

#[test]
fn every_route_of_the_machine_port_is_in_the_table() {
    let read = |path: &str| fs::read_to_string(harness::repository().join(path)).expect("a source file");
    let modules = ["machine", "put_back", "backup", "snapshots", "restore"];
    let wire = modules.map(|module| read(&format!("engine/src/wire/{module}.rs"))).concat();
    let messages = wire.split("message!(").skip(1).filter_map(|rest| rest.split(')').next()?.split('"').nth(1));
    let in_wire: BTreeSet<&str> = messages.chain([PACK_PATH]).collect();
    let in_table: BTreeSet<&str> = ROWS.iter().map(|row| row.path).collect();
    assert!(in_wire.len() > 10, "the messages of the protocol were not found in engine/src/wire: {in_wire:?}");
    assert_eq!(in_table, in_wire, "a route is asked for by the protocol or by this table alone");
    let served = read("appliance/src/intake/mod.rs").matches(".route(").count();
    assert_eq!(served, ROWS.len(), "the box serves another number of routes than this table has rows");
}

#[test]
fn an_id_of_another_machine_is_answered_exactly_as_one_that_is_nowhere() {
    let mut scene = Scene::set();
    scene.boxed.wait_until_verified();
    let (foreign, nothing) = (scene.a.ids(), Ids::of_nothing());
    for row in ROWS {
        for slot in row.slots {
            let own = scene.b.ids();
            let put = |from: &Ids| match slot {
                Slot::Session => Ids { session: from.session, ..own },
                Slot::Snapshot => Ids { snapshot: from.snapshot, ..own },
                Slot::Pack => Ids { pack: from.pack, ..own },
                // The witness is part of the secret: a machine that has it has had the chunk.
                Slot::Chunk => Ids { chunk: (from.chunk.0, own.chunk.1), ..own },
            };
            let answer = |ids: Ids| comparable(row, ask(&mut scene.b.connect(), row, &scene.b, &ids), &ids);
            let (of_other, of_nothing) = (answer(put(&foreign)), answer(put(&nothing)));
            assert_eq!(of_other, of_nothing, "{} tells an id of another machine from nothing by {slot:?}", row.path);
            // Of its own it is told something else: otherwise nothing was compared.
            let of_own = answer(own);
            assert_ne!(of_own, of_nothing, "{} does not look at {slot:?}", row.path);
            assert!([200, 204].contains(&of_own.status), "{} is refused to its owner: {of_own:?}", row.path);
            if [Commit::PATH, Abandon::PATH].contains(&row.path) {
                let begun = scene.b.raw.begin(&mut scene.b.connect(), "open");
                scene.b.session = begun.expect("begin");
            }
        }
    }
}

#[test]
fn strangers_get_one_answer_whatever_they_ask_for() {
    let scene = Scene::set();
    let (existing, nothing) = (scene.a.ids(), Ids::of_nothing());
    for (who, identity) in scene.strangers() {
        let expected = if identity.is_some() { RefusalCode::UnknownMachine } else { RefusalCode::NoCertificate };
        for row in ROWS.iter().filter(|row| row.path != Enrol::PATH) {
            let answer = |ids: &Ids| {
                let mut raw = Raw::open(scene.a.raw.port, identity.as_ref()).expect("connect");
                ask(&mut raw, row, &scene.a, ids)
            };
            let (of_existing, of_nothing) = (answer(&existing), answer(&nothing));
            assert_eq!(of_existing.refusal().code, expected, "{} answers {who}: {of_existing:?}", row.path);
            assert_eq!(of_existing, of_nothing, "{} tells {who} what there is", row.path);
        }
    }
    let mut raw = scene.a.connect();
    assert!(raw.ask(&Abandon { session: scene.a.session }).is_ok(), "a stranger has closed a session");
}

#[test]
fn certificates_of_others_or_of_another_time_or_for_another_use_end_in_the_handshake() {
    let scene = Scene::set();
    let (key, authority) = (&scene.a.raw.identity.key, scene.authority());
    let impostor = Authority::stranger("Datis machines");
    let refused: Vec<(&str, Identity)> = vec![
        ("signed by a stranger", Authority::stranger("anybody").certify(key, 2020..2090)),
        ("signed by a stranger with the name of the box's authority", impostor.certify(key, 2020..2090)),
        ("expired", authority.certify(key, 2020..2021)),
        ("not valid yet", authority.certify(key, 2089..2090)),
        ("for servers", authority.certify_server(key, 2020..2090)),
    ];
    for (what, identity) in &refused {
        for row in ROWS {
            let (method, path, body) = (row.request)(&scene.a, &scene.a.ids());
            let answer =
                Raw::open(scene.a.raw.port, Some(identity)).and_then(|mut raw| raw.exchange(method, &path, &body));
            assert!(answer.is_err(), "a certificate {what} was answered by {path}: {answer:?}");
        }
    }
    // The same key with a certificate that is valid now: it was the certificates that were refused.
    let renewed = authority.certify(key, 2020..2090);
    let mut raw = Raw::open(scene.a.raw.port, Some(&renewed)).expect("connect");
    assert!(raw.ask(&Abandon { session: scene.a.session }).is_ok());
}

#[test]
fn ids_of_no_form_are_refused_and_never_become_paths() {
    let scene = Scene::set();
    let session = scene.b.session.0;
    let pack = scene.a.stored.pack.to_string();
    let body = put_body(&scene.b.raw.pack(&[b"bytes"]));
    let upper = pack.to_uppercase();
    for path in [
        format!("/v1/packs/{session}/../../planted"),
        format!("/v1/packs/{session}/..%2f..%2fplanted"),
        format!("/v1/packs/{session}/%2e%2e"),
        format!("/v1/packs/{session}/{upper}"),
        format!("/v1/packs/{session}/{}", &pack[1..]),
        format!("/v1/packs/{session}/{pack}0"),
        format!("/v1/packs/{session}/{}%00", &pack[1..]),
        format!("/v1/packs/{session}/"),
        format!("/v1/packs//{pack}"),
        format!("/v1/packs/-1/{pack}"),
        format!("/v1/packs/99999999999999999999/{pack}"),
        format!("/v1/packs/0x10/{pack}"),
        format!("/v1/packs/../packs/{session}/{pack}"),
        format!("/v1/packs/{session}/{pack}/config"),
        "/v1/packs".to_owned(),
        "/".to_owned(),
        "/v2/begin".to_owned(),
    ] {
        let answer = scene.b.connect().exchange("PUT", &path, &body).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
    }
    let store = scene.boxed.data().join("store");
    let strange: Vec<_> = names_below(&store).into_iter().filter(|name| !is_of_the_store(name)).collect();
    assert!(strange.is_empty(), "a path made {strange:?}");
    // The next session may hang on a session that is no number; ids in bodies that are too short or too long.
    for body in [
        encode(&Locate { ids: vec![1; 31] }),
        encode(&Locate { ids: vec![1; 33] }),
        vec![],
        vec![0x80],
        vec![0xa1, 0x00],
        vec![0xff; 100],
    ] {
        let answer = scene.b.connect().exchange("POST", Locate::PATH, &body).expect("an answer");
        assert_eq!(answer.refusal().code, RefusalCode::Malformed, "{answer:?}");
    }
}

#[test]
fn no_other_method_does_anything_and_none_tells_what_there_is() {
    let scene = Scene::set();
    let (existing, nothing) = (scene.a.ids(), Ids::of_nothing());
    for method in ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        for row in ROWS {
            let answer = |ids: &Ids| {
                let (_, path, _) = (row.request)(&scene.b, ids);
                let mut raw = scene.b.connect();
                let head = format!("{method} {path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n");
                raw.send(head.as_bytes()).expect("send");
                raw.head_of_answer().unwrap_or_else(|e| panic!("{method} {path}: {e}"))
            };
            let (of_other, of_nothing) = (answer(&existing), answer(&nothing));
            assert!([404, 405].contains(&of_other.status), "{method} {}: {of_other:?}", row.path);
            assert_eq!(of_other, of_nothing, "{method} {} tells what there is", row.path);
        }
    }
    assert_eq!(scene.a.raw.back_up("documents", &[("one", b"again")]).chunks.len(), 1);
}

/// The files below `folder`, by their names in it.
fn names_below(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let name = path.strip_prefix(folder).expect("below it");
            names.insert(name.to_str().expect("UTF-8").to_owned());
        }
    }
    names
}

/// Whether the box itself gives files such names.
fn is_of_the_store(name: &str) -> bool {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    match name.split('/').collect::<Vec<_>>()[..] {
        ["vault.age"] => true,
        ["incoming", staged] => is_hex(staged, 32),
        ["packs", folder, file] => {
            file.strip_suffix(".pack").is_some_and(|id| is_hex(id, 64) && id.starts_with(folder))
        }
        ["snapshots", folder, file] => {
            file.strip_suffix(".age").is_some_and(|id| is_hex(id, 64) && id.starts_with(folder))
        }
        _ => false,
    }
}
