//! The box changes its own address under the real systemd-networkd: kept only when somebody says so from there, and taken
//! back whatever happens meanwhile.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Finished, Invocation, Lab, Managed, Programs, Running, wait_for};
use rustix::process::Signal;
use serde_json::Value;

const OLD: &str = "192.168.77.60";
const NEW: &str = "192.168.77.61";
/// As whoever manages this computer has set it.
const LAN: &str = "[Match]\nName=lan\n[Network]\nAddress=192.168.77.60/24\nGateway=192.168.77.1\nIPv6AcceptRA=no\n";
/// The time to confirm, in place of a minute.
const TRIAL: u64 = 8;

/// A box on a computer that systemd-networkd manages, and a desk on its cable.
struct Moving {
    lab: Lab,
    managed: Managed,
    data: PathBuf,
    daemon: Option<Running>,
    port: String,
}

impl Moving {
    fn start() -> Self {
        let mut lab = Lab::new();
        lab.space("box");
        lab.space("lan");
        lab.cable("box", "lan");
        lab.ip("lan", "addr add 192.168.77.1/24 dev box");
        let managed = Managed::start(&mut lab, "box", &[("20-lan.network", LAN)]);
        let data = lab.folder().join("data");
        std::fs::create_dir(&data).expect("folder");
        let config = format!(
            "[commissioning]\nautomatic = false\n[discovery]\nmdns = false\n[network]\ntrial_seconds = {TRIAL}\n"
        );
        std::fs::write(data.join("datisd.toml"), config).expect("configuration");
        let mut moving = Self { lab, managed, data, daemon: None, port: String::new() };
        moving.is_at(&[OLD]);
        moving.start_box();
        moving
    }

    fn start_box(&mut self) {
        let ready = self.data.join("run.json");
        // Of a run before that was killed.
        let _gone = std::fs::remove_file(&ready);
        self.daemon = Some(self.datisd(&["run", "--portal-port", "0"]).start());
        let told = wait_for("the box", Duration::from_secs(20), || std::fs::read_to_string(&ready).ok());
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let portal = told["portal"].as_str().expect("an address");
        portal.rsplit(':').next().expect("a port").clone_into(&mut self.port);
    }

    fn datisd(&self, words: &[&str]) -> Invocation {
        let datisd = self.managed.inside(&self.lab, Programs::plain().datisd());
        datisd.arg("--data").arg(&self.data).args(words)
    }

    /// Begins to try an address; gives the link that keeps it.
    fn attempt(&self, address: &str) -> String {
        let words =
            ["network", "set", "--address", address, "--gateway", "192.168.77.1", "--dns", "192.168.77.1", "--json"];
        let told = self.datisd(&words).run().expect_success().json();
        assert_eq!(told["seconds"], TRIAL, "{told}");
        let link = told["link"].as_str().expect("a link");
        link.split("/system").nth(1).map(|path| format!("/system{path}")).expect("a path")
    }

    /// Waits until the box has exactly these addresses.
    #[track_caller]
    fn is_at(&self, addresses: &[&str]) {
        let within = Duration::from_secs(TRIAL + 20);
        wait_for(&format!("{addresses:?}"), within, || {
            (self.managed.addresses(&self.lab, "lan") == addresses).then_some(())
        });
    }

    /// Asks the portal from the desk, as a browser would; gives status and page.
    fn ask(&self, method: &str, host: &str, path: &str) -> (String, String) {
        let curl = self.lab.inside("lan", "curl").args(["-sk", "-X", method, "-m", "10", "-w", "\n%{http_code}"]);
        let url = format!("https://{host}:{}{path}", self.port);
        let told = curl.args(["-H", "Sec-Fetch-Site: same-origin", "-d", "", &url]).run().text();
        let (page, status) = told.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), page.to_owned())
    }

    fn status_of(&self, method: &str, host: &str, path: &str) -> String {
        self.ask(method, host, path).0
    }

    /// The box's address for this cable alone, as the desk has to write it.
    fn link_local(&self) -> String {
        let told = self.lab.inside("box", "ip").args(["-json", "-6", "addr", "show", "dev", "lan"]);
        let told = told.run().expect_success().json();
        let address = told[0]["addr_info"][0]["local"].as_str().expect("an address").to_owned();
        format!("[{address}%25box]")
    }

    /// What of the network stands in the audit log, the newest first.
    fn refused(&self, words: &[&str]) -> Finished {
        let mut all = vec!["network", "set"];
        all.extend(words);
        self.datisd(&all).run().expect_code(1)
    }

    fn kill_everything(&mut self) {
        // The daemon must not see its helper go, and have another one take the address back; nor the helper its daemon.
        self.daemon.as_ref().expect("it runs").signal(Signal::STOP);
        let helpers = self.lab.inside("box", "sh").args(["-c", "pidof datis-hand || true"]).run().text();
        let ours = helpers.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| {
            let state = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let folder = self.lab.folder().to_string_lossy().into_owned();
            state.windows(folder.len()).any(|window| window == folder.as_bytes())
        });
        for pid in ours.collect::<Vec<_>>() {
            let pid = rustix::process::Pid::from_raw(pid).expect("a process");
            rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
        }
        let _dead = self.daemon.take().expect("it runs").kill();
    }
}

#[test]
fn an_address_that_is_confirmed_from_there_stays() {
    let moving = Moving::start();
    let shown = moving.datisd(&["network", "show", "--json"]).run().expect_success().json();
    assert_eq!((&shown["manager"], &shown["gateway"]), (&"systemd-networkd".into(), &"192.168.77.1".into()), "{shown}");
    let link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    let elsewhere = moving.link_local();
    let (status, page) = moving.ask("GET", &elsewhere, &link);
    assert_eq!(status, "200", "{page}");
    let (status, page) = moving.ask("POST", &elsewhere, &link);
    assert!(status == "422" && page.contains("192.168.77.61/24"), "it came in on another address: {status} {page}");
    assert_eq!(moving.status_of("POST", NEW, "/system/network/keep/0123456789"), "422");
    assert_eq!(moving.status_of("GET", NEW, &link), "200");
    assert_eq!(moving.status_of("POST", NEW, &link), "303");
    std::thread::sleep(Duration::from_secs(TRIAL + 1));
    moving.is_at(&[NEW]);
    assert!(
        moving
            .managed
            .kept()
            .expect("a file")
            .contains("Address=192.168.77.61/24\nGateway=192.168.77.1\nDNS=192.168.77.1")
    );
    moving.managed.forget_like_a_power_cut(&moving.lab);
    std::thread::sleep(Duration::from_secs(1));
    moving.is_at(&[NEW]);
    // And on from there, this time from the console.
    let _link = moving.attempt("192.168.77.62/24");
    moving.is_at(&["192.168.77.62"]);
    let over_ssh = |ours: &str| {
        let connection = format!("192.168.77.1 50000 {ours} 22");
        moving.datisd(&["network", "confirm"]).env("SSH_CONNECTION", connection).run()
    };
    let refused = over_ssh(NEW).expect_code(1);
    assert!(refused.to_string().contains("by another way than 192.168.77.62/24"), "{refused}");
    let _kept = over_ssh("192.168.77.62").expect_success();
    let log = moving.datisd(&["auth", "verify-log", "--json"]).run().expect_success().json();
    assert_eq!(log["entries"], 4, "two were tried and two kept: {log}");
}

#[test]
fn an_address_that_nobody_confirms_is_taken_back() {
    let moving = Moving::start();
    let began = Instant::now();
    let link = moving.attempt("192.168.77.61/24");
    let again = moving.refused(&["--dhcp"]);
    assert!(again.to_string().contains("another address is being tried"), "{again}");
    moving.is_at(&[NEW]);
    moving.is_at(&[OLD]);
    let took = began.elapsed().as_secs();
    assert!((TRIAL..TRIAL + 10).contains(&took), "{took} s");
    wait_for("the end", Duration::from_secs(10), || {
        moving.datisd(&["network", "show", "--json"]).run().json()["trying"].is_null().then_some(())
    });
    assert_eq!(moving.status_of("POST", OLD, &link), "422", "its time is over");
    assert_eq!(moving.managed.kept(), None);
    assert!(!moving.data.join("network-trial").exists());
    // At once, when somebody says so.
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    let _back = moving.datisd(&["network", "revert"]).run().expect_success();
    moving.is_at(&[OLD]);
}

#[test]
fn whatever_dies_meanwhile_the_old_address_comes_back() {
    let mut moving = Moving::start();
    // The daemon: the helper sees it go.
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    let _dead = moving.daemon.take().expect("it runs").kill();
    moving.is_at(&[OLD]);
    moving.start_box();
    // Both: the next start looks into the journal.
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    moving.kill_everything();
    std::thread::sleep(Duration::from_secs(TRIAL + 1));
    assert_eq!(moving.managed.addresses(&moving.lab, "lan"), [NEW], "nobody is left to take it back");
    moving.start_box();
    moving.is_at(&[OLD]);
    // The power: what was tried is nowhere any more, before the box has even started.
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    moving.kill_everything();
    moving.managed.forget_like_a_power_cut(&moving.lab);
    moving.is_at(&[OLD]);
    moving.start_box();
    wait_for("the note to go", Duration::from_secs(10), || (!moving.data.join("network-trial").exists()).then_some(()));
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
}

#[test]
fn a_word_that_comes_before_the_address_is_on_does_not_keep_it() {
    let moving = Moving::start();
    let order = r#"{"do":"try","port":"lan","wanted":{"fixed":{"address":"192.168.77.61","prefix":24,"gateway":null,"names":[]}},"seconds":5}"#;
    let hand = Programs::plain().datisd().with_file_name("datis-hand");
    let began = Instant::now();
    // The word comes right behind the order; the line stays open.
    let script = format!("(echo '{order}'; echo keep; sleep 30) | \"$0\"");
    let told = moving.managed.inside(&moving.lab, "sh").arg("-c").arg(script).arg(&hand).run().text();
    let answers: Vec<&str> = told.lines().collect();
    assert_eq!(answers, [r#"{"answer":"trying"}"#, r#"{"answer":"on"}"#, r#"{"answer":"taken-back"}"#]);
    assert!(began.elapsed() >= Duration::from_secs(7), "two until it is on, and five from then");
    moving.is_at(&[OLD]);
    assert_eq!(moving.managed.kept(), None);
}

#[test]
fn what_cannot_be_taken_back_now_is_taken_back_at_the_next_start() {
    let mut moving = Moving::start();
    // In place of the real one: it fails while the file is there.
    let (flag, real, stand_in) = (moving.data.join("fails"), moving.data.join("real"), moving.data.join("networkctl"));
    std::fs::copy("/usr/bin/networkctl", &real).expect("a copy");
    let script = format!("#!/bin/sh\n[ -e {} ] && exit 1\nexec {} \"$@\"\n", flag.display(), real.display());
    std::fs::write(&stand_in, script).expect("a script");
    for program in [&real, &stand_in] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(program, open).expect("a program");
    }
    let bound = moving.managed.inside(&moving.lab, "mount").args(["--bind"]).arg(&stand_in).arg("/usr/bin/networkctl");
    let _bound = bound.run().expect_success();
    let entries = |moving: &Moving| {
        moving.datisd(&["auth", "verify-log", "--json"]).run().expect_success().json()["entries"].as_u64()
    };
    let _link = moving.attempt("192.168.77.61/24");
    moving.is_at(&[NEW]);
    std::fs::write(&flag, "").expect("a file");
    let stuck = moving.datisd(&["network", "revert"]).run().expect_code(1);
    assert!(stuck.to_string().contains("takes it back at its next start"), "{stuck}");
    assert!(moving.data.join("network-trial").exists());
    assert_eq!(entries(&moving), Some(1), "it was tried, and is not taken back yet");
    // Another one cannot be tried before, and that changes nothing.
    let _refused = moving.refused(&["--address", "192.168.77.62/24"]);
    assert!(moving.data.join("network-trial").exists());
    std::fs::remove_file(&flag).expect("a file");
    let _dead = moving.daemon.take().expect("it runs").kill();
    moving.start_box();
    moving.is_at(&[OLD]);
    wait_for("the note to go", Duration::from_secs(10), || (!moving.data.join("network-trial").exists()).then_some(()));
    assert_eq!(entries(&moving), Some(3), "tried twice, taken back once");
}

#[test]
fn what_cannot_work_is_refused_and_nothing_is_touched() {
    let mut moving = Moving::start();
    moving.lab.ip("lan", "addr add 192.168.77.70/24 dev box");
    for (words, told) in [
        (&["--address", "192.168.77.61/24", "--gateway", "192.168.78.1"][..], "outside of the network 192.168.77.0/24"),
        (&["--address", "192.168.77.255/24"], "everybody in it"),
        (&["--address", "192.168.77.61"], "192.168.1.20/24"),
        (&["--address", "192.168.77.70/24"], "is used already"),
    ] {
        let refused = moving.refused(words);
        assert!(refused.to_string().contains(told), "{refused}");
    }
    moving.is_at(&[OLD]);
    assert!(!moving.data.join("network-trial").exists());
    // Nobody manages this one.
    let mut plain = Lab::new();
    plain.space("box");
    plain.space("lan");
    plain.cable("box", "lan");
    plain.ip("box", "addr add 192.168.77.60/24 dev lan");
    let data = plain.folder().join("data");
    let datisd = |words: &[&str]| {
        let mounted = plain.inside_with_resolvers("box", &[], Programs::plain().datisd());
        mounted.arg("--data").arg(&data).args(words)
    };
    let _made = datisd(&["init"]).run().expect_success();
    std::fs::write(data.join("datisd.toml"), "[commissioning]\nautomatic = false\n").expect("configuration");
    let daemon = datisd(&["run", "--portal-port", "0"]).start();
    wait_for("the box", Duration::from_secs(20), || data.join("run.json").exists().then_some(()));
    let refused = datisd(&["network", "set", "--dhcp"]).run().expect_code(1);
    assert!(refused.to_string().contains("neither systemd-networkd nor NetworkManager manages port lan"), "{refused}");
    let _dead = daemon.kill();
    let _dead = moving.daemon.take().expect("it runs").kill();
}

#[test]
fn the_computer_is_switched_by_its_service_manager() {
    let moving = Moving::start();
    // In place of the real one, which would take the computer of the tests along: it notes what it is told.
    let told = moving.lab.folder().join("told");
    let stand_in = moving.lab.folder().join("systemctl");
    std::fs::write(&stand_in, format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display())).expect("a script");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&stand_in, open).expect("a program");
    let bound = moving.managed.inside(&moving.lab, "mount").args(["--bind"]).arg(&stand_in).arg("/usr/bin/systemctl");
    let _bound = bound.run().expect_success();
    let hand = Programs::plain().datisd().with_file_name("datis-hand");
    let tell = |order: &str| {
        let asked = moving.managed.inside(&moving.lab, &hand).input(format!("{order}\n"));
        asked.run().text()
    };
    assert!(tell(r#"{"do":"power","switch":"restart"}"#).contains(r#""answer":"told""#));
    assert!(tell(r#"{"do":"power","switch":"off"}"#).contains(r#""answer":"told""#));
    for noise in ["", "{}", r#"{"do":"power","switch":"explode"}"#, r#"{"do":"look","port":"../lan"}"#] {
        assert!(tell(noise).contains(r#""answer":"failed""#), "{noise}");
    }
    assert_eq!(std::fs::read_to_string(told).expect("a note"), "reboot\npoweroff\n");
}
