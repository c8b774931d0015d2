//! How fast packs become shards and shards packs, on one thread.
//!
//! `cargo run --release -p datis-engine --example erasure_speed`: a pack of 32 MiB, best of some runs, MiB of pack a second.

use std::time::{Duration, Instant};

use datis_engine::erasure::proof::{GroupHashes, bytes_of, verify};
use datis_engine::erasure::restore::restore;
use datis_engine::erasure::scheme::Scheme;
use datis_engine::erasure::shard::{Shard, ShardFile};
use datis_engine::erasure::stripe::Stripe;
use datis_engine::ids::PackId;
use datis_engine::keys::DispersalSecret;

const PACK_LEN: usize = 32 << 20;

fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    let time = |run: &mut dyn FnMut() -> T| {
        let start = Instant::now();
        let made = run();
        let took = start.elapsed();
        drop(made);
        took
    };
    (0..9).map(|_| time(&mut run)).min().unwrap_or_default()
}

fn main() {
    let mut bytes = vec![0; PACK_LEN];
    blake3::Hasher::new().update(b"speed").finalize_xof().fill(&mut bytes);
    let id = PackId::from_bytes(*blake3::hash(&bytes).as_bytes());
    let secret = DispersalSecret::from_bytes([1; 32]);
    let mib_per_second = |took: Duration| (PACK_LEN >> 20) as f64 / took.as_secs_f64();
    println!("scheme   encode  reusing  one data  one parity  all data  m data lost   (MiB/s of pack)");
    for scheme in Scheme::all() {
        let stripe = || Stripe::new(id, &bytes, scheme, &secret).expect("stripe");
        let shards = stripe().encode();
        let back = |some: &[Shard]| {
            let files: Vec<_> =
                some.iter().map(|s| ShardFile::open(&s.bytes, Some(s.id), &secret).expect("open")).collect();
            restore(&files, &secret).expect("restore")
        };
        let (k, m) = (usize::from(scheme.data()), usize::from(scheme.parity()));
        let mut used = Vec::new();
        let figures = [
            best(|| stripe().encode()),
            best(|| used = stripe().encode_reusing(&mut used).into_iter().map(|shard| shard.bytes).collect()),
            best(|| stripe().encode_some(&[0], &mut Vec::new())),
            best(|| stripe().encode_some(&[scheme.width() - 1], &mut Vec::new())),
            best(|| back(&shards[..k])),
            best(|| back(&shards[m..])),
        ]
        .map(mib_per_second);
        let [all, again, data, parity, direct, lost] = figures;
        println!(
            "{:6} {all:8.0}  {again:7.0}  {data:8.0}  {parity:10.0}  {direct:8.0}  {lost:11.0}",
            scheme.to_string()
        );
    }
    let shard =
        Stripe::new(id, &bytes, Scheme::new(6, 4).expect("scheme"), &secret).expect("stripe").encode().remove(0);
    let hashes = GroupHashes::of(&shard.bytes).expect("hashes");
    let hashing = best(|| GroupHashes::of(&shard.bytes));
    let (range, len) = (100..101, shard.bytes.len());
    let proof = hashes.prove(&range, &shard.bytes[bytes_of(len, &range)]).expect("prove");
    let proving = best(|| hashes.prove(&range, &shard.bytes[bytes_of(len, &range)]));
    let verifying = best(|| verify(shard.id, len, &range, &proof));
    println!(
        "shard of {len} bytes: group hashes {hashing:?}, proof of {} bytes {proving:?}, check {verifying:?}",
        proof.len()
    );
}
