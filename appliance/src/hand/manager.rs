//! Who manages a port's addresses on this computer, and how it is told: systemd-networkd by files of the box's own,
//! NetworkManager by `nmcli`. What is tried is put where a restart forgets it, and nothing that was there is touched.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::addressing::Addressing;
use super::networkd::{self, Networkd};
use super::{PortName, profiles};

/// A manager takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a manager prints is read up to here, in bytes.
const OUTPUT_MAX: u64 = 64 << 10;
/// Where the system's own programs are.
const PROGRAMS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that manages addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

/// What was tried is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// All is as before.
    Whole,
    /// What was there before does not come up, and why. The manager has it, and trying again is its own business.
    Down(String),
}

impl Manager {
    /// Its own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Networkd => "systemd-networkd",
            Self::NetworkManager => "NetworkManager",
        }
    }

    /// The one that manages the port, if any does.
    pub(super) fn of(port: &PortName) -> Option<Self> {
        if networkd::manages(port) {
            return Some(Self::Networkd);
        }
        profiles::manages(&nmcli, port).then_some(Self::NetworkManager)
    }

    /// What has to be known to go back; asked before anything is changed.
    pub(super) fn before(self, port: &PortName) -> Result<Option<String>, String> {
        match self {
            Self::Networkd => Networkd::of_this_computer().before().map(Some),
            Self::NetworkManager => profiles::before(&nmcli, port),
        }
    }

    pub(super) fn put_on(self, port: &PortName, wanted: &Addressing) -> Result<(), String> {
        match self {
            Self::Networkd => Networkd::of_this_computer().put_on(port, wanted),
            Self::NetworkManager => profiles::put_on(&nmcli, port, wanted),
        }
    }

    /// From now on also after a restart.
    pub(super) fn keep(self, port: &PortName, wanted: &Addressing) -> Result<(), String> {
        match self {
            Self::Networkd => Networkd::of_this_computer().keep(port, wanted),
            Self::NetworkManager => profiles::keep(&nmcli),
        }
    }

    /// What an earlier change has left goes, once nothing can be taken back any more.
    pub(super) fn forget(self, before: Option<&str>) {
        match self {
            // It has one file, and that is written over.
            Self::Networkd => {}
            Self::NetworkManager => profiles::forget(&nmcli, before),
        }
    }

    /// As it was. Does no harm when it is so already.
    ///
    /// # Errors
    /// Why what was tried may still be there, in words.
    pub(super) fn take_back(self, before: Option<&str>) -> Result<Back, String> {
        match self {
            Self::Networkd => Networkd::of_this_computer().take_back(before).map(|()| Back::Whole),
            Self::NetworkManager => profiles::take_back(&nmcli, before),
        }
    }
}

fn nmcli(words: &[&str]) -> Result<String, String> {
    run("nmcli", words)
}

/// Runs one of the system's programs, with nothing of the environment; gives what it prints.
pub(super) fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", PROGRAMS).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("`{program}` cannot be started: {e}"))?;
    let (told, complained) = (child.stdout.take(), child.stderr.take());
    let told = std::thread::spawn(move || read(told));
    let complained = std::thread::spawn(move || read(complained));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|e| format!("`{program}` is lost: {e}"))? {
            Some(status) => break status,
            None if Instant::now() > end => {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{program} {}` did not end", words.join(" ")));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (told, complained) = (told.join().unwrap_or_default(), complained.join().unwrap_or_default());
    if status.success() {
        Ok(told)
    } else {
        let line = complained.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        Err(format!("`{program} {}` failed: {line}", words.join(" ")))
    }
}

fn read(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is still worth showing.
        let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_complains_of_is_told() {
        assert_eq!(run("echo", &["a", "b"]).expect("echo"), "a b\n");
        assert!(run("ls", &["/no/such/folder"]).expect_err("ls").contains("/no/such/folder"));
        assert!(run("no-such-program", &[]).expect_err("nothing").contains("no-such-program"));
    }
}
