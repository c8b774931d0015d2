//! How fast the pages of a large box are while sixteen machines upload: `datis-bench-portal BUSY_BOX [TIMES]`, where
//! BUSY_BOX is the example of that name, which fills the box, and TIMES is how often each kind of page is asked for.
//!
//! An admin is made as in life, and every page that can be reached by links from the first one is asked for again and
//! again, each time over a new connection, so that what is measured has TLS in it. Files, archives and events are left
//! out. Ends with 1 when one page in a hundred takes longer than 200 ms.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::portal::Visitor;
use harness::{Invocation, Machine, Random, TestBox, people, wait_for};

const UPLOADS: usize = 16;
/// What one backup sends.
const UPLOAD_LEN: usize = 16 << 20;
/// Addresses of one kind that are asked for in turns.
const ADDRESSES_MAX: usize = 40;
/// How often each kind of page is asked for, unless something else is said.
const TIMES: usize = 100;
const BAR: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let Some(busy_box) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("Name the program of the example busy_box.");
        return ExitCode::from(2);
    };
    let times = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(TIMES).max(1);
    let mut the_box = TestBox::start();
    the_box.stop();
    let filled = Invocation::new(busy_box).arg(the_box.data()).patience(Duration::from_secs(900)).run();
    println!("{}", filled.expect_success().text());
    the_box.start_again();
    let mut admin = people::admin(&the_box, "bench");
    let restored = the_box.enrol("restored");
    let _summary = restored.backup(Path::new("/usr/share/doc"));
    wait_for("the index of names", Duration::from_secs(120), || {
        admin.get("/restore/search?q=copyright").body.contains("copyright").then_some(())
    });

    println!("without uploads");
    let quiet = measure(&mut admin, times);
    println!("\nwhile {UPLOADS} machines upload");
    let busy = while_uploading(&the_box, || measure(&mut admin, times));
    if quiet <= BAR && busy <= BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs `work` while machines back up new data without a break. In life they have processors of their own; here they get
/// what the box leaves over, so that what is measured is the box.
fn while_uploading<T>(the_box: &TestBox, work: impl FnOnce() -> T) -> T {
    let machines: Vec<Machine> = (0..UPLOADS).map(|number| the_box.enrol(&format!("upload-{number}"))).collect();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let done = std::thread::scope(|scope| {
        for (seed, machine) in (1..).zip(&machines) {
            let (stop, sent) = (&stop, &sent);
            scope.spawn(move || {
                let folder = harness::scratch();
                let mut random = Random::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    std::fs::write(folder.path().join("new"), random.bytes(UPLOAD_LEN)).expect("a file can be written");
                    let backup = machine.backup_command(folder.path(), [""; 0]).behind_others().run();
                    let _told = backup.expect_success();
                    sent.fetch_add(UPLOAD_LEN as u64, Ordering::Relaxed);
                }
            });
        }
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    });
    let rate = sent.load(Ordering::Relaxed) as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64();
    println!("meanwhile {rate:.0} MiB/s came in");
    done
}

/// Asks for all pages; gives the time that 99 of 100 did not need.
fn measure(admin: &mut Visitor, times: usize) -> Duration {
    let kinds = addresses(admin);
    let mut all = Vec::new();
    println!("{:52} {:>7} {:>7} {:>7}", "page", "median", "p99", "most");
    for (kind, addresses) in &kinds {
        let mut took: Vec<Duration> = (0..times)
            .map(|turn| {
                let address = &addresses[turn % addresses.len()];
                let began = Instant::now();
                let answer = admin.get(address);
                assert_eq!(answer.status, 200, "{address}: {}", answer.body);
                began.elapsed()
            })
            .collect();
        row(kind, &mut took);
        all.extend(took);
    }
    row(&format!("all {} kinds", kinds.len()), &mut all)
}

/// Prints a row, and gives the p99 of it.
fn row(kind: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let shown = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    println!("{kind:52} {:>7} {:>7} {:>7}", shown(at(50)), shown(at(99)), shown(at(100)));
    at(99)
}

/// Pages that links lead to, by what kind of page they are.
fn addresses(admin: &mut Visitor) -> BTreeMap<String, Vec<String>> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut queue, mut seen) = (VecDeque::from(["/".to_owned()]), BTreeSet::new());
    queue.push_back("/restore/search?q=copyright".to_owned());
    queue.push_back("/restore/search?q=nowhere".to_owned());
    while let Some(address) = queue.pop_front() {
        let kind = kind_of(&address);
        if !seen.insert(address.clone()) || kinds.get(&kind).is_some_and(|known| known.len() >= ADDRESSES_MAX) {
            continue;
        }
        let answer = admin.get(&address);
        if answer.status != 200 || !answer.body.trim_start().starts_with("<!DOCTYPE html>") {
            continue;
        }
        kinds.entry(kind).or_default().push(address);
        queue.extend(links(&answer.body));
    }
    kinds
}

/// Addresses of this portal that a page leads to by links.
fn links(page: &str) -> Vec<String> {
    let after = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ours = after.filter(|address| {
        let leaves_out = ["/static/", "/events", "//"].iter().any(|start| address.starts_with(start));
        let is_data = ["/file", "/archive"].iter().any(|end| path_of(address).ends_with(end));
        address.starts_with('/') && !leaves_out && !is_data && !address.contains("lang=")
    });
    ours.map(|address| address.replace("&amp;", "&").replace("&#38;", "&")).collect()
}

fn path_of(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or(address)
}

/// The address without what tells one page of a kind from another.
fn kind_of(address: &str) -> String {
    let known = |part: &str| if part.len() > 20 { "…".to_owned() } else { part.to_owned() };
    let mut kind = path_of(address).split('/').map(known).collect::<Vec<_>>().join("/");
    if let Some(query) = address.split('#').next().and_then(|address| address.split_once('?')) {
        let names: Vec<&str> = query.1.split('&').filter_map(|pair| pair.split('=').next()).collect();
        kind.push_str(&format!("?{}", names.join("&")));
    }
    kind
}
