//! A box among others of which one is older: it knows fewer requests, and answers the rest with its refusal. What it knows goes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use datis_engine::erasure::shard::name_shard;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{Exchange, KeepHead, OfferShard, ShardOffer, ShardReceipt};
use datis_engine::wire::{CBOR, Message, Refusal, RefusalCode};
use harness::community::{community, wait_until_outside};
use harness::raw::{Identity, server_of_boxes};
use harness::{Random, TestBox};
use minicbor::bytes::ByteVec;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::saved::{SPREAD, boxes};

/// What the older box has, and what it was asked that it does not know.
#[derive(Default)]
struct Kept {
    shards: BTreeMap<ShardId, Vec<u8>>,
    heads: u32,
    refused: BTreeMap<String, u32>,
}

/// In the place of a box, with its key: it compares notes without proposals, takes shards and heads, and knows nothing else.
struct Older {
    key: SigningKey,
    host: MemberId,
    owner: MemberId,
    kept: Mutex<Kept>,
}

impl Older {
    /// Takes the place of a box that was killed.
    fn in_the_place_of(former: &TestBox, (host, owner): (MemberId, MemberId)) -> Arc<Self> {
        let key = std::fs::read(former.data().join("keys/tls.pkcs8")).expect("its key");
        let config = Arc::new(server_of_boxes(&Identity::of_box(&key)));
        let key = SigningKey::from_pkcs8(&key).expect("a key");
        let older = Arc::new(Self { key, host, owner, kept: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, former.machine_port())).expect("its port is free");
        let all = Arc::clone(&older);
        // Both end with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (one, config) = (Arc::clone(&all), Arc::clone(&config));
                std::thread::spawn(move || one.serve(config, stream));
            }
        });
        older
    }

    /// One request after the other, until the other side goes.
    fn serve(&self, config: Arc<ServerConfig>, stream: TcpStream) {
        let connection = ServerConnection::new(config).expect("a connection");
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        while let Some((line, headers, body)) = read_request(&mut stream) {
            let (status, body) = self.answer(&line, &headers, &body);
            let len = body.len();
            let head = format!("HTTP/1.1 {status} -\r\ncontent-type: {CBOR}\r\ncontent-length: {len}\r\n\r\n");
            let told = stream.get_mut().write_all(&[head.as_bytes(), &body].concat());
            if told.and_then(|()| stream.get_mut().flush()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, line: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> (u16, Vec<u8>) {
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut kept = self.kept.lock().expect("the test has not failed");
        if method == "PUT" {
            return self.take(&mut kept, path, &headers["content-range"], body);
        }
        match path {
            Exchange::PATH => {
                let asked: Exchange = decode_all("exchange", body).expect("a message");
                // It knows what it is asked with, and of no proposals.
                let none = Vec::<ByteVec>::new();
                (200, encode(&(asked.sequence, asked.last, none.clone(), none)))
            }
            OfferShard::PATH => {
                let asked: OfferShard = decode_all("offer", body).expect("a message");
                (
                    200,
                    encode(&match kept.shards.get(&asked.shard) {
                        Some(bytes) if bytes.len() == asked.len as usize => {
                            ShardOffer::Held { receipt: self.receipt(asked.shard, asked.len) }
                        }
                        Some(_) | None => ShardOffer::Send { from: 0 },
                    }),
                )
            }
            KeepHead::PATH => {
                kept.heads += 1;
                let asked: KeepHead = decode_all("head", body).expect("a message");
                (200, encode(&(sequence_of(&asked),)))
            }
            unknown => {
                *kept.refused.entry(unknown.to_owned()).or_default() += 1;
                let sentence = "the box serves no such request; client and box may differ in version".to_owned();
                (404, encode(&Refusal { code: RefusalCode::NotFound, sentence }))
            }
        }
    }

    /// `bytes FIRST-LAST/TOTAL`
    fn take(&self, kept: &mut Kept, path: &str, range: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let shard: ShardId = path.rsplit('/').next().and_then(|name| name.parse().ok()).expect("a shard");
        let (first, rest) = range.trim_start_matches("bytes ").split_once('-').expect("a range");
        let total: usize = rest.split_once('/').and_then(|(_, total)| total.parse().ok()).expect("a length");
        let bytes = kept.shards.entry(shard).or_default();
        bytes.truncate(first.parse().expect("a number"));
        bytes.extend_from_slice(body);
        if bytes.len() < total {
            return (204, Vec::new());
        }
        assert_eq!(name_shard(bytes), shard);
        (200, encode(&self.receipt(shard, u32::try_from(total).expect("short"))))
    }

    fn receipt(&self, shard: ShardId, len: u32) -> datis_engine::community::signed::Signed {
        let receipt =
            ShardReceipt { owner: self.owner, host: self.host, shard, len, received_at: UnixMillis(1_700_000_000_000) };
        receipt.sign(&self.key)
    }
}

/// The fourth field of a head's body.
fn sequence_of(head: &KeepHead) -> u64 {
    let signed: datis_engine::community::signed::Signed = decode_all("head", &head.head).expect("signed");
    let mut body = minicbor::Decoder::new(&signed.body);
    body.array().expect("a record");
    for _ in 0..3 {
        body.skip().expect("a field");
    }
    body.u64().expect("a sequence")
}

type Request = (String, BTreeMap<String, String>, Vec<u8>);

fn read_request(stream: &mut impl BufRead) -> Option<Request> {
    let mut lines = stream.by_ref().lines();
    let first = lines.next()?.ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let line = lines.next()?.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").map_or(0, |len| len.parse().expect("a length"));
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    Some((first, headers, body))
}

fn id_of(told: &serde_json::Value, name: &str) -> MemberId {
    let members = told["members"].as_array().expect("members");
    let found = members.iter().find(|member| member["name"] == name).expect("it is there");
    found["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

#[test]
fn a_member_that_knows_fewer_requests_keeps_what_it_is_given_and_the_rest_goes_on_without_it() {
    let mut both = boxes(&["inn", "bakery"]);
    let (owner, mut former) = (both.remove(0), both.remove(0));
    let told = community(&owner, &["show", "--json"]).run().expect_success().json();
    former.kill();
    let older = Older::in_the_place_of(&former, (id_of(&told, "bakery"), id_of(&told, "inn")));
    let desk = owner.enrol("desk");
    let papers = owner.beside().join("papers");
    std::fs::create_dir(&papers).expect("a folder");
    for seed in 0..2 {
        std::fs::write(papers.join(format!("ledger {seed}")), Random::new(seed).bytes(700_000)).expect("a file");
        let _saved = desk.backup(&papers);
        let outside = wait_until_outside(&owner, SPREAD);
        assert_eq!(outside.scheme.as_deref(), Some("1+0"));
    }
    // A name that is new is told, whoever hears it.
    let _renamed = community(&owner, &["rename", "inn", "smithy"]).run().expect_success();
    let kept = older.kept.lock().expect("it has not failed");
    println!("{} shards, {} heads, refused: {:?}", kept.shards.len(), kept.heads, kept.refused);
    assert!(kept.shards.len() > 2 && kept.heads > 0);
    assert!(!kept.refused.is_empty(), "it was asked for more than it knows");
}
