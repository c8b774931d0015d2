//! A box under attack, and somebody who only wants to back up.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use datis_engine::units::UnixMillis;
use datis_engine::wire::Heartbeat;
use harness::raw::RawMachine;
use harness::{Summary, TestBox, tree};

/// The most that the box may ever use, in KiB.
const MEMORY_MAX: u64 = 256 << 10;

/// Files of the backup that runs beside an attack.
const FILES: u64 = 400;

pub(crate) struct Stage {
    pub(crate) boxed: TestBox,
    /// A machine that the attacker has stolen, or is.
    pub(crate) machine: RawMachine,
    folder: tempfile::TempDir,
}

/// A local address, so that the limits by address of one attacker are not those of others. Tests use different ones.
pub(crate) fn attacker(number: u8) -> Option<IpAddr> {
    Some(Ipv4Addr::new(127, 0, 1, number).into())
}

impl Stage {
    pub(crate) fn set() -> Self {
        let boxed = TestBox::start();
        let mut machine = RawMachine::enrol(&boxed.enrol_code("attacker", "server")).expect("enrolled");
        machine.from = attacker(1);
        let folder = harness::scratch();
        tree::many_files(folder.path(), FILES, 7);
        Self { boxed, machine, folder }
    }

    pub(crate) fn port(&self) -> SocketAddr {
        self.machine.port
    }

    /// Runs an attack; all the while a real client backs up from another address, and must succeed at the first try.
    pub(crate) fn while_backing_up(&self, attack: impl FnOnce()) {
        let victim = self.boxed.enrol("victim");
        let summary = std::thread::scope(|scope| {
            let backup = scope.spawn(|| victim.backup(self.folder.path()));
            attack();
            backup.join().expect("the backup beside the attack")
        });
        let Summary { outcome, snapshot, .. } = summary;
        assert_eq!(outcome, "complete", "the backup beside the attack: {snapshot:?}");
    }

    /// The box answers, has not grown, and has nothing half-done left over.
    pub(crate) fn assert_unharmed(&self) {
        let (status, health) = self.boxed.get("/healthz");
        assert_eq!(status, 200, "{health}");
        let honest = self.second_machine("honest");
        honest.connect().ask(&Heartbeat { client_version: "raw".to_owned(), now: UnixMillis(0) }).expect("an answer");
        let peak = self.peak_memory();
        assert!(peak <= MEMORY_MAX, "the box has used {peak} KiB");
        let incoming = fs::read_dir(self.boxed.data().join("store/incoming")).expect("a folder").count();
        assert_eq!(incoming, 0, "files that nobody will ever finish are left");
    }

    pub(crate) fn second_machine(&self, name: &str) -> RawMachine {
        RawMachine::enrol(&self.boxed.enrol_code(name, "server")).expect("enrolled")
    }

    /// In KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.boxed.pid())).expect("the box runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line about memory");
        line.trim().trim_end_matches("kB").trim().parse().expect("a number")
    }
}
