//! Boxes that belong together: one founds a community, lets the others in as admins do it, and spreads its packs over them.

use std::time::Duration;

use datis_engine::format::kit::HINTS_MAX;
use serde_json::Value;

use crate::{BoxOptions, Invocation, TestBox, wait_for};

/// How soon after the last one was let in everybody knows of everybody.
const KNOWN_WITHIN: Duration = Duration::from_secs(240);

/// How often a box is asked how far it is: asking takes its time too.
const LOOK: Duration = Duration::from_millis(500);

/// A box that finds others on this computer, and keeps things for them whatever else fills its disk.
#[must_use]
pub fn neighbour() -> BoxOptions {
    neighbour_with("")
}

/// The same with more in its section `community`.
#[must_use]
pub fn neighbour_with(more: &str) -> BoxOptions {
    BoxOptions::new().config(format!("[community]\nallow_private = true\n{more}[storage]\nreserve_bytes = 1048576\n"))
}

/// `datisd community WORDS` of a box, to be run.
#[must_use]
pub fn community(of: &TestBox, words: &[&str]) -> Invocation {
    of.command(["community"].iter().chain(words))
}

/// Makes the first of `boxes` found a community and let the others in. `names`: of each of them there, in the same order.
///
/// # Panics
/// When a box does not do its part, or the two screens show different digits.
pub fn unite(boxes: &[&TestBox], names: &[&str]) {
    let (first, others) = boxes.split_first().expect("a founder");
    let _founded = community(first, &["found", "harbour", "--as", names[0]]).run().expect_success();
    others.iter().zip(&names[1..]).for_each(|(other, name)| let_in(first, other, name));
    for one in boxes {
        wait_for("the community", KNOWN_WITHIN, || (members(one).len() == names.len()).then_some(()));
        let named = (names.len() - 1).min(HINTS_MAX);
        wait_for("where the others are", KNOWN_WITHIN, || (hints(one) == named).then_some(()));
    }
}

/// How many others the recovery kit says the address of.
fn hints(of: &TestBox) -> usize {
    std::thread::sleep(LOOK);
    of.command(["kit"]).run().expect_success().text().matches("# Peer: ").count()
}

/// Has `first`, an admin of its community, let another box in.
///
/// # Panics
/// When a box does not do its part, or the two screens show different digits.
pub fn let_in(first: &TestBox, other: &TestBox, name: &str) {
    let line = community(first, &["invite"]).run().expect_success().text();
    let asked = community(other, &["join", line.trim(), "--as", name, "--json"]).run().expect_success().json();
    let digits = asked["digits"].as_str().expect("digits").to_owned();
    let waiting = community(first, &["requests", "--json"]).run().expect_success().json();
    assert_eq!(waiting[0]["digits"], digits.as_str(), "both screens show the same");
    let _admitted = community(first, &["admit", name, &digits]).run().expect_success();
}

/// The names of all members, as a box knows them.
///
/// # Panics
/// When the box does not tell.
#[must_use]
pub fn members(of: &TestBox) -> Vec<String> {
    let told = community(of, &["show", "--json"]).run().expect_success().json();
    let names = told["members"].as_array().into_iter().flatten();
    names.map(|member| member["name"].as_str().expect("a name").to_owned()).collect()
}

/// How much of a box other boxes keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// How packs are coded now, as `3+2`.
    pub scheme: Option<String>,
    /// Packs that are off-site safe, and all.
    pub packs: (u64, u64),
    /// Their bytes, before coding.
    pub bytes: (u64, u64),
    /// Whether every snapshot is fully protected: as many boxes as the scheme allows may be lost.
    pub is_everything: bool,
}

impl Outside {
    /// As the box says it now.
    ///
    /// # Panics
    /// When the box does not tell.
    #[must_use]
    pub fn of(the_box: &TestBox) -> Self {
        let status = the_box.status();
        let machines = |of: &Value| of["machines"].as_array().cloned().unwrap_or_default();
        let (told, outside) = (machines(&status), machines(&status["outside"]));
        let sum = |key: &str| outside.iter().filter_map(|machine| machine[key].as_u64()).sum::<u64>();
        let sources = told.iter().filter_map(|machine| machine["sources"].as_array()).flatten();
        let newest = sources.filter_map(|source| source["last_received_at"].as_i64()).max();
        let newest_full = outside.iter().filter_map(|machine| machine["last_full"].as_i64()).max();
        let packs = (sum("packs_in_place"), sum("packs_needed"));
        Self {
            scheme: status["outside"]["scheme"].as_str().map(str::to_owned),
            packs,
            bytes: (sum("bytes_in_place"), sum("bytes_needed")),
            is_everything: packs.0 == packs.1 && newest.is_some() && newest_full >= newest,
        }
    }
}

/// Waits until every snapshot of a box is fully protected: all shards, the map and the head are where they belong.
///
/// # Panics
/// When it is not `within` this time.
pub fn wait_until_outside(of: &TestBox, within: Duration) -> Outside {
    watch_outside(of, within, |_| ())
}

/// The same, and shows how far it is from time to time.
///
/// # Panics
/// When it is not `within` this time.
pub fn watch_outside(of: &TestBox, within: Duration, mut show: impl FnMut(&Outside)) -> Outside {
    wait_for("everything is outside", within, || {
        let outside = Outside::of(of);
        if outside.is_everything {
            return Some(outside);
        }
        show(&outside);
        std::thread::sleep(LOOK);
        None
    })
}
