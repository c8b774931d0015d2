//! A neighbour who may write into the target swaps directories for links that lead out, while the restore runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use datis_engine::format::content::Ref;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::arena::{Arena, Who};
use crate::forge::{Forge, directory, entry, file_of, link, linked, tree_file};

/// Directories that are fought over: more than a restore keeps open, so that it has to open them again and again.
const DIRS: usize = 48;
/// Those of them with a long file, which is opened several times.
const WITH_LONG: usize = 8;
/// Restores that are run against the neighbour.
const ROUNDS: usize = 6;

/// Directories with files, links, second names and a long file each: whatever a restore makes step by step.
fn battlefield(forge: &mut Forge) -> Vec<(Vec<u8>, datis_engine::format::listing::Entry)> {
    let mut items = Vec::new();
    let mut long = Vec::new();
    for n in 0..600_u32 {
        let plain = [n.to_le_bytes(), *b"long"].concat();
        long.push(Ref { id: forge.add(&plain), len: plain.len() as u64 });
    }
    let nodes: Vec<Ref> = long.chunks(300).map(|refs| forge.content_node(1, refs.to_vec())).collect();
    for dir in 0..DIRS {
        items.push((format!("d{dir}").into_bytes(), directory()));
        if dir < WITH_LONG {
            items.push((format!("d{dir}/0long").into_bytes(), tree_file(1, nodes.clone())));
        }
        for n in 0..40 {
            let plain = format!("file {n} of directory {dir}").into_bytes();
            let file = file_of(vec![Ref { id: forge.add(&plain), len: plain.len() as u64 }]);
            let file = if n == 0 { linked(file, dir as u64) } else { file };
            items.push((format!("d{dir}/f{n:03}").into_bytes(), file));
        }
        items.push((format!("d{dir}/g").into_bytes(), linked(file_of(vec![]), dir as u64)));
        items.push((format!("d{dir}/h").into_bytes(), link(b"anywhere")));
        items.push((format!("d{dir}/p").into_bytes(), entry(datis_engine::format::listing::Node::Fifo)));
        items.push((format!("d{dir}/s").into_bytes(), directory()));
        for (n, chunk) in long.iter().take(20).enumerate() {
            items.push((format!("d{dir}/s/f{n:03}").into_bytes(), file_of(vec![*chunk])));
        }
    }
    items.sort_by(|(a, _), (b, _)| datis_engine::format::path::compare(a, b));
    items
}

/// Swaps directories of the target, and files in them, for links that lead out, and back. Every name is a link about half
/// of the time, so that whoever opens a path without care follows one sooner or later.
fn fight(target: &Path, traps: &Path, stop: &AtomicBool, swaps: &AtomicU64) {
    let swap = |a: &Path, b: &Path| {
        let swapped = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok();
        swaps.fetch_add(u64::from(swapped), Ordering::Relaxed);
        swapped
    };
    let dirs: Vec<_> = (0..DIRS).map(|n| (target.join(format!("d{n}")), traps.join(format!("d{n}")))).collect();
    let files: Vec<_> =
        (0..DIRS).map(|n| (target.join(format!("d{n}/0long")), traps.join(format!("file{n}")))).collect();
    while !stop.load(Ordering::Relaxed) {
        for pairs in [&files, &dirs] {
            for (n, (_, trap)) in pairs.iter().enumerate().filter(|(_, (_, trap))| !trap.is_symlink()) {
                // A restore that overwrites has taken the link away, and what stood in its place is here: a new trap.
                let moved = swaps.load(Ordering::Relaxed);
                let _taken = fs::rename(trap, traps.join(format!("taken-{n}-{moved}")));
                let _planted = symlink(if pairs == &files { "../../outside/secret" } else { "../outside" }, trap);
            }
            let swapped: Vec<_> = pairs.iter().filter(|(own, trap)| swap(own, trap)).collect();
            std::thread::sleep(Duration::from_micros(300));
            for (own, trap) in swapped {
                swap(own, trap);
            }
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

fn race(more: &[&str], prepare: &dyn Fn(&Path)) {
    let arena = Arena::new(Who::Self_);
    // On the same file system as the target, but not in it: links that lead out.
    let traps = arena.outside().parent().expect("home").join("traps");
    let mut forge = Forge::new();
    let items = battlefield(&mut forge);
    let items: Vec<_> = items.iter().map(|(path, entry)| (path.as_slice(), entry.clone())).collect();
    // Leaves of the length that a client makes.
    let leaves: Vec<_> = items.chunks(200).map(|some| (some[0].0, forge.leaf(some))).collect();
    let root = forge.inner(1, &leaves);
    arena.play(forge.sign(root, arena.key()));

    let swaps = AtomicU64::new(0);
    for round in 0..ROUNDS {
        let target = arena.fresh_target();
        prepare(&target);
        fs::create_dir(&traps).expect("mkdir");
        for dir in 0..DIRS {
            symlink("../outside", traps.join(format!("d{dir}"))).expect("symlink");
            symlink(arena.outside().join("secret"), traps.join(format!("file{dir}"))).expect("symlink");
        }
        let before = crate::arena::census(&arena.outside(), None);
        let stop = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| fight(&target, &traps, &stop, &swaps));
            let ended = arena.restore(more);
            stop.store(true, Ordering::Relaxed);
            ended
        });
        ended.assert_civil(&format!("round {round}"));
        let after = crate::arena::census(&arena.outside(), None);
        assert_eq!(after, before, "round {round}: something was written outside of the target: {}", ended.short());
        fs::remove_dir_all(&traps).expect("clean up");
    }
    let swaps = swaps.load(Ordering::Relaxed);
    assert!(swaps > 500, "the neighbour swapped {swaps} times only, which tests nothing");
}

#[test]
fn a_neighbour_who_swaps_directories_for_links_cannot_lead_a_restore_out_of_the_target() {
    race(&[], &|_| ());
}

#[test]
fn nor_a_restore_that_overwrites() {
    race(&["--mode", "overwrite"], &|target| {
        for dir in 0..DIRS {
            fs::create_dir(target.join(format!("d{dir}"))).expect("mkdir");
            fs::write(target.join(format!("d{dir}/0long")), b"old").expect("write");
        }
        std::thread::sleep(Duration::from_millis(1));
    });
}
