//! Boxes that do not all reach one another, in a laboratory with real routers: behind a translation of addresses, behind a
//! provider's, and where connections get through in one direction only.
//!
//! ```text
//! shop 192.168.77.60 ── nat 11.22.33.2 ──────────────┐
//!                                                    net ── host 44.128.1.1
//! home 192.168.88.60 ── nat2 100.64.9.2 ── translated ┘
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datis_engine::erasure::scheme::Scheme;
use harness::{BoxOptions, Invocation, Lab, Machine, Programs, Random, TestBox, wait_for};
use serde_json::Value;

use crate::saved::newest_file;

/// Until something has spread, over whatever it takes.
const SPREAD: Duration = Duration::from_secs(240);

fn community(of: &TestBox, words: &[&str]) -> Invocation {
    of.command(["community"].iter().chain(words))
}

fn shown(of: &TestBox) -> Value {
    community(of, &["show", "--json"]).run().expect_success().json()
}

/// How `of` reaches the member with this name.
fn way(of: &TestBox, name: &str) -> Option<String> {
    let told = shown(of);
    let member = told["members"].as_array()?.iter().find(|member| member["name"] == name)?.clone();
    member["way"].as_str().map(str::to_owned)
}

/// A box in a namespace, at its only address.
fn start(lab: &Lab, space: &str, address: &str) -> TestBox {
    let address: IpAddr = address.parse().expect("an address");
    let config = "[storage]\nreserve_bytes = 1048576\n";
    lab.within(space, || BoxOptions::new().config(config).listen(address).start())
}

/// A box in a namespace that others find at another address and port.
fn start_behind(lab: &Lab, space: &str, own: &str, (address, port): (&str, u16)) -> TestBox {
    let own: IpAddr = own.parse().expect("an address");
    let config =
        format!("[storage]\nreserve_bytes = 1048576\n[machine_port]\naddress = \"{address}\"\noutside_port = {port}\n");
    lab.within(space, || BoxOptions::new().config(config).listen(own).start())
}

/// One box lets another in.
fn let_in(founder: &TestBox, other: &TestBox, name: &str) {
    let line = community(founder, &["invite"]).run().expect_success().text();
    let asked = community(other, &["join", line.trim(), "--as", name, "--json"]).run().expect_success().json();
    let digits = asked["digits"].as_str().expect("digits").to_owned();
    let _admitted = community(founder, &["admit", name, &digits]).run().expect_success();
}

fn wait_for_members(of: &TestBox, count: usize) {
    wait_for("the community", SPREAD, || (shown(of)["members"].as_array()?.len() == count).then_some(()));
}

/// Something that the box at `space` has a backup of.
struct Desk {
    machine: Machine,
    papers: PathBuf,
}

impl Desk {
    fn at(lab: &Lab, space: &str, of: &TestBox) -> Self {
        let machine = lab.within(space, || of.enrol("desk"));
        let papers = of.beside().join("papers");
        std::fs::create_dir(&papers).expect("a folder");
        Self { machine, papers }
    }

    fn save(&self, lab: &Lab, space: &str, seed: u8) {
        std::fs::write(self.papers.join(format!("ledger {seed}")), Random::new(seed.into()).bytes(1_500_000))
            .expect("a file");
        let _saved = lab.within(space, || self.machine.backup(&self.papers));
    }
}

/// Waits until the newest backup is at every other box, with the map and the head.
fn wait_until_everywhere(of: &TestBox) {
    wait_for("everything is outside", SPREAD, || {
        let status = of.status();
        let machine = &status["outside"]["machines"][0];
        let is_everywhere = machine["packs_in_place"] == machine["packs_needed"] && machine["last_full"].is_i64();
        let sources = status["machines"][0]["sources"].as_array()?;
        let newest = sources.iter().filter_map(|source| source["last_received_at"].as_i64()).max()?;
        (is_everywhere && machine["last_full"].as_i64()? >= newest).then_some(())
    });
}

/// The Internet, and a box at a public address in it.
fn internet() -> Lab {
    let mut lab = Lab::new();
    lab.space("net");
    lab.sysctl("net", "net.ipv4.ip_forward=1");
    public(&mut lab, "host", "44.128.1");
    lab
}

/// A place with a public address, which ends in `.1`.
fn public(lab: &mut Lab, space: &str, network: &str) {
    lab.space(space);
    lab.cable("net", space);
    lab.ip("net", &format!("addr add {network}.254/24 dev {space}"));
    lab.ip(space, &format!("addr add {network}.1/24 dev net"));
    lab.ip(space, &format!("route add default via {network}.254"));
}

/// A place behind a router that shares its own address.
fn hidden(lab: &mut Lab, (space, inside): (&str, &str), (router, own, gateway): (&str, &str, &str)) {
    lab.space(space);
    lab.space(router);
    lab.cable(space, router);
    lab.cable(router, "net");
    lab.ip(space, &format!("addr add {inside}.60/24 dev {router}"));
    lab.ip(space, &format!("route add default via {inside}.1"));
    lab.ip(router, &format!("addr add {inside}.1/24 dev {space}"));
    lab.ip(router, &format!("addr add {own}/24 dev net"));
    lab.ip(router, &format!("route add default via {gateway}"));
    lab.ip("net", &format!("addr add {gateway}/24 dev {router}"));
    lab.sysctl(router, "net.ipv4.ip_forward=1");
    lab.nft(
        router,
        "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"net\" masquerade; }\n}",
    );
}

#[test]
fn boxes_that_nobody_can_dial_keep_packs_and_one_comes_back() {
    let mut lab = internet();
    hidden(&mut lab, ("shop", "192.168.77"), ("nat", "11.22.33.2", "11.22.33.1"));
    hidden(&mut lab, ("home", "192.168.88"), ("nat2", "100.64.9.2", "100.64.9.1"));
    // The provider translates once more.
    lab.nft(
        "net",
        "table ip nat { chain post { type nat hook postrouting priority srcnat; ip saddr 100.64.0.0/10 masquerade; }\n}",
    );
    let host = start(&lab, "host", "44.128.1.1");
    let mut shop = start(&lab, "shop", "192.168.77.60");
    let home = start(&lab, "home", "192.168.88.60");
    let _founded = community(&host, &["found", "harbour", "--as", "host"]).run().expect_success();
    for (other, name) in [(&shop, "shop"), (&home, "home")] {
        let_in(&host, other, name);
    }
    for one in [&host, &shop, &home] {
        wait_for_members(one, 3);
    }

    // The shop dials the host, and is relayed to the home; the host uses connections that both lend it.
    let desk = Desk::at(&lab, "shop", &shop);
    desk.save(&lab, "shop", 1);
    let counter = Desk::at(&lab, "host", &host);
    counter.save(&lab, "host", 2);
    wait_until_everywhere(&shop);
    wait_until_everywhere(&host);
    let told = (way(&shop, "host"), way(&shop, "home"), way(&host, "shop"), way(&host, "home"));
    let expected = ["direct", "relay", "reverse", "reverse"].map(|word| Some(word.to_owned()));
    assert_eq!([told.0, told.1, told.2, told.3], expected);
    let relayed = shown(&host)["relayed"][0].clone();
    let between = relayed["between"].as_array().expect("two").clone();
    assert!(between.contains(&"shop".into()) && between.contains(&"home".into()), "{relayed}");
    assert!(relayed["bytes"].as_u64() > Some(1_500_000), "all of its packs went through: {relayed}");
    assert_eq!(relayed["of"], 20_000_000_000_u64);

    // Each learns by itself how it stands, by the word of the one it can ask.
    wait_for("a round of dialling", SPREAD, || (shown(&shop)["reach"]["last_round"] == "not reachable").then_some(()));
    let reach = shown(&shop)["reach"].clone();
    assert_eq!((&reach["state"], &reach["told"][0]["address"]), (&"not known".into(), &"11.22.33.2".into()), "{reach}");
    let text = community(&shop, &["show"]).run().expect_success().text();
    assert!(text.contains("reached through host") && text.contains("did not reach this box"), "{text}");

    // The shop burns down. A blank box in its place, with the kit.
    let kit = shop.command(["kit"]).run().expect_success().text();
    shop.kill();
    std::fs::remove_dir_all(shop.data()).expect("it is gone");
    let blank = BoxOptions::new().prepare();
    std::fs::remove_dir_all(blank.data()).expect("a blank place");
    // What the host had of it is lost too, so all has to come from the home, through the host.
    forget_shards(&host.data().join("hosted"));
    let paper = blank.beside().join("kit.txt");
    std::fs::write(&paper, &kit).expect("the kit is typed");
    let recovering = blank.command(["recover", "--json", "--kit"]).arg(&paper);
    let recovered = lab.within("shop", || recovering.run()).expect_success().json();
    assert_eq!((&recovered["snapshots"], &recovered["answering"]), (&1.into(), &2.into()), "{recovered}");
}

/// Removes all shards below a folder.
fn forget_shards(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            forget_shards(&path);
        } else if path.extension().is_some_and(|extension| extension == "shard") {
            std::fs::remove_file(path).expect("it is removed");
        }
    }
}

#[test]
fn where_connections_get_through_in_one_direction_only_the_other_side_opens_them() {
    let mut lab = internet();
    public(&mut lab, "far", "55.66.77");
    let host = start(&lab, "host", "44.128.1.1");
    let far = start(&lab, "far", "55.66.77.1");
    let _founded = community(&host, &["found", "harbour", "--as", "host"]).run().expect_success();
    let_in(&host, &far, "far");
    wait_for_members(&far, 2);
    let desk = Desk::at(&lab, "host", &host);
    desk.save(&lab, "host", 1);
    wait_until_everywhere(&host);
    assert_eq!(way(&host, "far").as_deref(), Some("direct"));

    // Something between the two lets nothing begin from here to there any more.
    lab.nft(
        "net",
        "table ip cut { chain pass { type filter hook forward priority filter; \
         iifname \"host\" oifname \"far\" tcp flags & (syn | ack) == syn drop; }\n}",
    );
    desk.save(&lab, "host", 2);
    wait_until_everywhere(&host);
    wait_for("the other way", SPREAD, || (way(&host, "far").as_deref() == Some("reverse")).then_some(()));
    assert_eq!(way(&far, "host").as_deref(), Some("direct"));
}

#[test]
fn a_box_is_found_at_whatever_port_its_router_forwards() {
    let mut lab = internet();
    hidden(&mut lab, ("shop", "192.168.77"), ("nat", "11.22.33.2", "11.22.33.1"));
    let host = start(&lab, "host", "44.128.1.1");
    let shop = start_behind(&lab, "shop", "192.168.77.60", ("11.22.33.2", 443));
    lab.nft(
        "nat",
        &format!(
            "table ip forwarded {{ chain pre {{ type nat hook prerouting priority dstnat; \
             iifname \"net\" tcp dport 443 dnat to 192.168.77.60:{}; }}\n}}",
            shop.machine_port()
        ),
    );
    let _founded = community(&host, &["found", "harbour", "--as", "host"]).run().expect_success();
    let_in(&host, &shop, "shop");
    wait_for_members(&shop, 2);
    let counter = Desk::at(&lab, "host", &host);
    counter.save(&lab, "host", 1);
    wait_until_everywhere(&host);
    assert_eq!(way(&host, "shop").as_deref(), Some("direct"));
    let kit = host.command(["kit"]).run().expect_success().text();
    assert!(kit.contains("# Peer: 11.22.33.2:443"), "{kit}");
}

/// A place with an IPv6 address only, which ends in `::1`.
fn only_ipv6(lab: &mut Lab, space: &str, network: &str) {
    lab.space(space);
    lab.cable("net", space);
    // Nobody else has it, so nothing has to be asked before it is used.
    lab.ip("net", &format!("-6 addr add {network}::254/64 dev {space} nodad"));
    lab.ip(space, &format!("-6 addr add {network}::1/64 dev net nodad"));
    lab.ip(space, &format!("-6 route add default via {network}::254"));
}

#[test]
fn boxes_with_ipv6_only_keep_packs_for_each_other_and_one_comes_back() {
    let mut lab = Lab::new();
    lab.space("net");
    lab.sysctl("net", "net.ipv6.conf.all.forwarding=1");
    only_ipv6(&mut lab, "six", "2a02:1234:1:1");
    only_ipv6(&mut lab, "sixty", "2a02:1234:2:1");
    let mut shop = start(&lab, "six", "2a02:1234:1:1::1");
    let host = start(&lab, "sixty", "2a02:1234:2:1::1");
    let _founded = community(&host, &["found", "harbour", "--as", "host"]).run().expect_success();
    let_in(&host, &shop, "shop");
    wait_for_members(&shop, 2);
    let desk = Desk::at(&lab, "six", &shop);
    desk.save(&lab, "six", 1);
    wait_until_everywhere(&shop);
    assert_eq!(way(&shop, "host").as_deref(), Some("direct"));
    let kit = shop.command(["kit"]).run().expect_success().text();
    assert!(kit.contains("# Peer: [2a02:1234:2:1::1]:"), "{kit}");

    shop.kill();
    std::fs::remove_dir_all(shop.data()).expect("it is gone");
    let blank = BoxOptions::new().prepare();
    std::fs::remove_dir_all(blank.data()).expect("a blank place");
    let paper = blank.beside().join("kit.txt");
    std::fs::write(&paper, &kit).expect("the kit is typed");
    let recovering = blank.command(["recover", "--json", "--kit"]).arg(&paper);
    let recovered = lab.within("six", || recovering.run()).expect_success().json();
    assert_eq!((&recovered["snapshots"], &recovered["answering"]), (&1.into(), &1.into()), "{recovered}");
}

/// Somebody who has typed the kit has the first file within a minute (mutual-backup, of a community of which half is lost).
const FIRST_FILE: Duration = Duration::from_secs(60);

#[test]
fn places_that_swallow_what_is_sent_to_them_hold_a_recovery_up_for_seconds() {
    // Unlike a program that has ended, a site that has burnt down does not even say that nobody is there.
    const OTHERS: usize = 4;
    let mut lab = internet();
    public(&mut lab, "far", "55.66.77");
    // Each in a network of its own: boxes in one network would count as one place.
    let address = |at: usize| format!("{}.128.1.1", 44 + at);
    for at in 1..OTHERS {
        lab.ip("net", &format!("addr add {}.128.1.254/24 dev host", 44 + at));
        lab.ip("host", &format!("addr add {}/24 dev net", address(at)));
    }
    let mut others: Vec<TestBox> = (0..OTHERS).map(|at| start(&lab, "host", &address(at))).collect();
    let mut far = start(&lab, "far", "55.66.77.1");
    let _founded = community(&others[0], &["found", "harbour", "--as", "host 0"]).run().expect_success();
    (1..OTHERS).for_each(|at| let_in(&others[0], &others[at], &format!("host {at}")));
    let_in(&others[0], &far, "far");
    wait_for_members(&far, OTHERS + 1);
    let desk = Desk::at(&lab, "far", &far);
    std::fs::write(desk.papers.join("letter"), "Dear all").expect("a file");
    desk.save(&lab, "far", 1);
    wait_until_everywhere(&far);
    let kit = wait_for("where the others are", SPREAD, || {
        let kit = far.command(["kit"]).run().expect_success().text();
        (kit.matches("# Peer: ").count() == OTHERS).then_some(kit)
    });

    far.kill();
    std::fs::remove_dir_all(far.data()).expect("it is gone");
    let dead: Vec<String> = (0..OTHERS / 2).map(address).collect();
    others.drain(..OTHERS / 2).for_each(drop);
    let rule = format!(
        "table ip fire {{ chain gone {{ type filter hook input priority filter; ip daddr {{ {} }} drop; }}\n}}",
        dead.join(", ")
    );
    lab.nft("host", &rule);
    let blank = BoxOptions::new().prepare();
    std::fs::remove_dir_all(blank.data()).expect("a blank place");
    let paper = blank.beside().join("kit.txt");
    std::fs::write(&paper, &kit).expect("the kit is typed");
    let (began, recovering) = (Instant::now(), blank.command(["recover", "--json", "--kit"]).arg(&paper));
    let done = lab.within("far", || recovering.run()).expect_success();
    let here: IpAddr = "55.66.77.1".parse().expect("an address");
    let file = lab.within("far", || newest_file(&BoxOptions::new().data(blank.data()).listen(here).start(), "letter"));
    let took = began.elapsed();
    assert_eq!(file, "Dear all");
    let recovered = done.json();
    assert_eq!((&recovered["answering"], &recovered["members"]), (&2.into(), &4.into()), "{recovered}");
    assert!(took < FIRST_FILE, "{took:?}\n{done}");
}

/// The others in the large community, and how many of them are silent for a while: more than may be lost.
const MANY: (usize, usize) = (16, 8);
/// So many rounds of audits.
const SILENT_ROUNDS: usize = 3;
/// How long a round takes at most in which half of all are silent.
const ROUND: Duration = Duration::from_secs(900);

/// The shards of packs on these boxes. What is smaller is of the map, which changes.
fn shards_of_packs(others: &[TestBox]) -> BTreeSet<PathBuf> {
    let shards = others.iter().flat_map(TestBox::shards);
    shards.filter(|(_, len)| *len > 100_000).map(|(path, _)| path).collect()
}

#[test]
#[ignore = "17 boxes and a quarter of an hour: make soak"]
fn eight_of_sixteen_others_that_are_silent_for_a_while_have_lost_nothing_and_count_again() {
    let Some(programs) = Programs::planted() else {
        eprintln!("SKIPPED: DATIS_PLANTED_BIN_DIR is not set; `make soak` sets it");
        return;
    };
    let mut random = Random::from_environment();
    let mut lab = internet();
    public(&mut lab, "shop", "55.66.77");
    let (many, silent) = MANY;
    let address = |at: usize| format!("{}.128.1.1", 44 + at);
    for at in 1..many {
        lab.ip("net", &format!("addr add {}.128.1.254/24 dev host", 44 + at));
        lab.ip("host", &format!("addr add {}/24 dev net", address(at)));
    }
    let others: Vec<TestBox> = (0..many).map(|at| start(&lab, "host", &address(at))).collect();
    // It asks for proofs all the time.
    let here: IpAddr = "55.66.77.1".parse().expect("an address");
    let hurried = BoxOptions::new().programs(programs).env("DATIS_PLANT", "hurried-audits").listen(here);
    let owner = lab.within("shop", || hurried.config("[storage]\nreserve_bytes = 1048576\n").start());
    let _founded = community(&others[0], &["found", "harbour", "--as", "host 0"]).run().expect_success();
    (1..many).for_each(|at| let_in(&others[0], &others[at], &format!("host {at}")));
    let_in(&others[0], &owner, "shop");
    wait_for_members(&owner, many + 1);
    let desk = Desk::at(&lab, "shop", &owner);
    desk.save(&lab, "shop", 1);
    wait_until_everywhere(&owner);
    let scheme = Scheme::for_peers(many).expect("a scheme");
    let width = usize::from(scheme.width());
    let before = shards_of_packs(&others);
    assert_eq!(before.len(), width, "one pack of that length: {before:?}");

    let mut quiet: Vec<usize> = (0..many).collect();
    while quiet.len() > silent {
        let _speaks = quiet.swap_remove(usize::try_from(random.below(quiet.len() as u64)).expect("few"));
    }
    println!("{quiet:?} are silent");
    let places: Vec<String> = quiet.iter().map(|at| address(*at)).collect();
    let audited = "datis_worker_last_run_timestamp_seconds{worker=\"audit\"}";
    let rounds = || lab.within("shop", || owner.metric(audited));
    let rule = format!(
        "table ip silence {{ chain gone {{ type filter hook input priority filter; ip daddr {{ {} }} drop; }}\n}}",
        places.join(", ")
    );
    lab.nft("host", &rule);
    let began = Instant::now();
    desk.save(&lab, "shop", 2);
    let outside = || owner.status()["outside"].clone();
    for round in 0..SILENT_ROUNDS {
        let last = rounds();
        wait_for("a round of audits", ROUND, || (rounds() != last).then_some(()));
        println!("round {round} is over after {:.0} s", began.elapsed().as_secs_f64());
        let told = outside();
        assert_eq!((&told["thin_packs"], &told["beyond_reach_packs"]), (&0.into(), &0.into()), "{told}");
    }
    let during = shards_of_packs(&others);
    assert!(before.is_subset(&during), "what was there is there");
    let came = during.len() - before.len();
    assert!(came > 0 && came <= many - silent, "one shard of the new pack for each that answers: {came}");
    assert!(!owner.log().contains("A peer has lost shards"), "{}", owner.log());

    lab.nft("host", "delete table ip silence");
    wait_until_everywhere(&owner);
    let after = shards_of_packs(&others);
    assert!(during.is_subset(&after) && after.len() == 2 * width, "each shard once: {} of {}", after.len(), 2 * width);
    let told = outside();
    assert_eq!(told["fragments_in_place"], told["fragments_needed"], "all counts again: {told}");
    assert!(!owner.log().contains("A peer has lost shards"), "{}", owner.log());
}
