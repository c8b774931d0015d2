//! What the format asks for each byte, whatever the program around it: with the raw stream's own cost it says how much of that
//! stream a machine could reach at all.
//!
//! One thread does that work and nothing else: no network, no catalog, no waiting, all memory used again.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use datis_engine::erasure::restore::restore_reusing;
use datis_engine::erasure::scheme::Scheme;
use datis_engine::erasure::shard::{ShardFile, name_shard};
use datis_engine::erasure::stripe::Stripe;
use datis_engine::ids::PackId;
use datis_engine::keys::DispersalSecret;
use datis_engine::pack::PACK_TARGET;
use harness::Random;

use crate::cost::Cost;

/// How often the same pack goes out and comes back.
const TIMES: usize = 24;

/// Processor time without the network, in seconds.
pub(crate) struct Least {
    /// For a GiB on the wire: a pack read and checked, sealed, coded and named; its shards checked by name and written.
    pub(crate) out: f64,
    /// For a GiB of packs: the shards with its data read; the pack opened, checked by name and written.
    pub(crate) back: f64,
}

/// Measures it with one full pack at 6+4; files lie in `folder`.
pub(crate) fn measure(folder: &Path) -> Least {
    let (pack, secret) = (Random::new(64).bytes(PACK_TARGET), DispersalSecret::generate().expect("randomness"));
    let id = PackId::from_bytes(*blake3::hash(&pack).as_bytes());
    let scheme = Scheme::new(6, 4).expect("a scheme");
    let (source, copy) = (folder.join("pack"), folder.join("copy"));
    let shard_file = |index: usize| folder.join(format!("shard {index}"));
    std::fs::write(&source, &pack).expect("room");
    let (mut read, mut used, mut wire_bytes) = (Vec::new(), Vec::new(), 0);
    let me = [std::process::id()];
    let out = Cost::of(&me, || {
        for _ in 0..TIMES {
            read_again(&source, &mut read);
            let stripe = Stripe::new(id, &read, scheme, &secret).expect("the pack");
            for (index, shard) in stripe.encode_reusing(&mut used).into_iter().enumerate() {
                assert_eq!(name_shard(&shard.bytes), shard.id);
                write(&shard_file(index), &shard.bytes);
                wire_bytes += shard.bytes.len() as u64;
                used.push(shard.bytes);
            }
        }
    });
    let (mut files, mut bytes) = (vec![Vec::new(); usize::from(scheme.data())], Vec::new());
    let back = Cost::of(&me, || {
        for _ in 0..TIMES {
            files.iter_mut().enumerate().for_each(|(index, file)| read_again(&shard_file(index), file));
            let open = |file| ShardFile::open(file, None, &secret).expect("a shard");
            let shards: Vec<ShardFile<'_>> = files.iter().map(|file| open(file)).collect();
            bytes = restore_reusing(&shards, &secret, std::mem::take(&mut bytes)).expect("the pack").bytes;
            write(&copy, &bytes);
        }
    });
    assert_eq!(bytes, pack);
    Least { out: out.cpu_per_gib(wire_bytes), back: back.cpu_per_gib((TIMES * PACK_TARGET) as u64) }
}

/// The whole file, into memory that is there already.
fn read_again(path: &Path, bytes: &mut Vec<u8>) {
    bytes.clear();
    File::open(path).and_then(|mut file| file.read_to_end(bytes)).expect("the file is there");
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).and_then(|mut file| file.write_all(bytes)).expect("room");
}
