//! How a box with a very large catalog does: how long it takes to start, how fast it tells which chunks it has, and how
//! much memory it takes. The rows are generated; nothing that they describe is stored.
//!
//! `cargo run --release -p datis-appliance --features bench --example big_catalog [CHUNKS [FOLDER]]`

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use datis_appliance::catalog::generated::Generated;
use datis_appliance::config::DataDir;
use datis_appliance::operations::accounts::Actor;
use datis_appliance::operations::{
    self, Limits, Machine, PruneOptions, Site, begin, create_enrolment_code, have, redeem_enrolment_code, status,
};
use datis_appliance::vault::Vault;
use datis_engine::ids::{Profile, RunId};
use datis_engine::keys::{PublicKey, random_bytes};
use datis_engine::wire::{BATCH_MAX, Begin, Have, SessionId};

/// 16 Mi.
const CHUNKS: u64 = 1 << 24;
/// Requests that are measured; each has as many chunks as one may have.
const BATCHES: u64 = 128;

const START_MAX: Duration = Duration::from_secs(10);
const RATE_MIN: f64 = 200_000.0;
const MEMORY_MAX_MIB: u64 = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let chunks = arguments.next().map_or(Ok(CHUNKS), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("datis-big-catalog-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let result = run(&DataDir::new(&folder), chunks);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn run(dir: &DataDir, chunks: u64) -> Result<(), Box<dyn Error>> {
    let (machine, generated) = make(dir, chunks)?;
    println!("catalog        {chunks} chunks, {} MiB on disk", std::fs::metadata(dir.catalog_file())?.len() >> 20);

    let began = Instant::now();
    let site = open(dir)?;
    let shown = status(&site)?;
    let start = began.elapsed();
    println!(
        "start          {:.2} s for {} packs (at most {:.0} s)",
        start.as_secs_f64(),
        shown.stored.packs,
        START_MAX.as_secs_f64()
    );

    let rate = ask(&site, &machine, &generated)?;
    println!("have           {rate:.0} ids/s (at least {RATE_MIN:.0})");
    let memory = peak_mib()?;
    println!("memory         {memory} MiB at the most until here (at most {MEMORY_MAX_MIB})");

    let began = Instant::now();
    let report = operations::prune(&site, &PruneOptions { dry_run: true, ..PruneOptions::default() })?;
    println!("prune, dry     {:.1} s, {} packs are dead", began.elapsed().as_secs_f64(), report.condemned_packs);
    let memory = peak_mib()?;
    println!("memory         {memory} MiB at the most in all (at most {MEMORY_MAX_MIB})");

    if start > START_MAX || rate < RATE_MIN || memory > MEMORY_MAX_MIB {
        return Err("a target was missed".into());
    }
    Ok(())
}

fn open(dir: &DataDir) -> Result<Site, Box<dyn Error>> {
    let vault = Vault::open_or_make(dir, None, &mut |_| ())?;
    Ok(Site::open(dir, vault, Limits { disk_reserve: Some(0), ..Limits::default() })?)
}

fn make(dir: &DataDir, chunks: u64) -> Result<(Machine, Generated), Box<dyn Error>> {
    let site = open(dir)?;
    let (even, odd) = (enrol(&site, "even")?, enrol(&site, "odd")?);
    let generated = Generated { chunks, even: even.row, odd: odd.row };
    generated.write(&site.catalog)?;
    Ok((even, generated))
}

fn enrol(site: &Site, name: &str) -> Result<Machine, Box<dyn Error>> {
    let code = create_enrolment_code(site, &Actor::console(), &name.parse()?, Profile::Server)?;
    let key = PublicKey::from_slice(&random_bytes::<32>()?).ok_or("no key")?;
    Ok(redeem_enrolment_code(site, &code, key)?)
}

/// Asks as a machine does, one request after the other: a third its own, a third another machine's, a third unknown.
fn ask(site: &Site, machine: &Machine, generated: &Generated) -> Result<f64, Box<dyn Error>> {
    let begin_message = Begin { source: "system".parse()?, base: None, run: RunId::from_bytes(random_bytes()?) };
    let session = begin(site, machine, &begin_message)?.session;
    let mut seed = 1;
    let (mut spent, mut asked, mut known) = (Duration::ZERO, 0_u64, 0_u64);
    for _ in 0..BATCHES {
        let (message, expected) = request(session, generated, &mut seed);
        let began = Instant::now();
        let answer = have(site, machine, &message)?;
        spent += began.elapsed();
        let found = (0..BATCH_MAX).filter(|at| answer.get(*at)).count() as u64;
        if found > expected {
            return Err("unknown chunks are said to be known".into());
        }
        (asked, known) = (asked + BATCH_MAX as u64, known + found);
    }
    println!("known          {} of {asked} ids asked for", known);
    Ok(rate(asked, spent))
}

/// A request, and how many of its chunks are there.
fn request(session: SessionId, generated: &Generated, seed: &mut u64) -> (Have, u64) {
    let mut message = Have { session, chunks: Vec::with_capacity(BATCH_MAX * Have::ITEM_LEN) };
    let mut there = 0;
    for at in 0..BATCH_MAX {
        // Steele, Lea & Flood's splitmix64.
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = *seed;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut number = random % generated.chunks;
        if at % 3 == 0 {
            number += generated.chunks;
        } else {
            while generated.is_even(number) != (at % 3 == 1) {
                number = (number + 1) % generated.chunks;
            }
            there += 1;
        }
        let (id, witness) = generated.chunk(number);
        message.push(&id, &witness);
    }
    (message, there)
}

/// `count` is far below 2^53.
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The most memory that this process ever had in RAM.
fn peak_mib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? >> 10)
}
