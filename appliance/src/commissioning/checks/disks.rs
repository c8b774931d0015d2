//! `hw.smart`: what the disks themselves say. Asked of `smartctl` (smartmontools), which knows every disk that people buy;
//! its exit status is a mask of bits (smartctl(8), "EXIT STATUS"), and what it found is in its JSON.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;

/// A disk that sleeps takes seconds to answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// More than any disk says, in bytes.
const OUTPUT_MAX: u64 = 1 << 20;
/// No computer that this runs on has more.
const DISKS_MAX: usize = 24;
/// From here on an SSD is to be replaced soon, in percent of what it is made for.
const WORN: u64 = 90;

/// Of the exit status: the command line was not understood, the disk could not be opened, a command to it failed.
const NOT_ASKED: i32 = 0b0000_0011;
/// Of the exit status: the disk says that it is failing; a value is past its threshold now.
const FAILING: i32 = 0b0001_1000;

/// What `smartctl --json --all` says of one disk, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    smartctl: Run,
    model_name: String,
    serial_number: String,
    smart_status: Option<Status>,
    power_on_time: Hours,
    ata_smart_attributes: Attributes,
    nvme_smart_health_information_log: Option<NvmeLog>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Run {
    exit_status: i32,
    messages: Vec<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    string: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    passed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hours {
    hours: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    table: Vec<Attribute>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attribute {
    id: u16,
    raw: Raw,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    value: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NvmeLog {
    critical_warning: u64,
    percentage_used: u64,
    media_errors: u64,
}

/// How one disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    /// Nobody can tell: a virtual disk, a card, a controller that hides its disks.
    Mute,
    Good,
    /// It has given up places, or has used up most of what it is made for.
    Worn,
    /// It says that it is failing.
    Failing,
}

pub(super) fn look(program: &Path) -> Found {
    let disks = disks_of(Path::new("/sys/block"));
    if disks.is_empty() {
        return (Finding::DisksMute, vec![Fact::lines("disks", Vec::new())]);
    }
    let mut all = Vec::new();
    for disk in disks.iter().take(DISKS_MAX) {
        match ask(program, disk) {
            Ok(told) => all.push((disk.display().to_string(), told)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return (Finding::DisksUnasked, vec![Fact::text("reason", format!("{}: {error}", program.display()))]);
            }
            Err(error) => {
                return (Finding::Untold, vec![Fact::text("reason", format!("{}: {error}", program.display()))]);
            }
        }
    }
    judge(&all)
}

/// Whole disks that are made of something: no loops, no memory, nothing that a program put together.
fn disks_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut disks: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("device").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with("sr"))
        .map(|name| Path::new("/dev").join(name))
        .collect();
    disks.sort();
    disks
}

fn ask(program: &Path, disk: &Path) -> std::io::Result<Told> {
    let mut child = Command::new(program)
        .args(["--json", "--all"])
        .arg(disk)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map(|out| out.take(OUTPUT_MAX).read_to_string(&mut text));
        read.transpose().map(|_| text)
    });
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            // Its end is all that is waited for.
            let _ = child.wait();
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = reading.join().map_err(|_| std::io::Error::other("its answer could not be read"))??;
    serde_json::from_str(&text).map_err(std::io::Error::other)
}

fn health(told: &Told) -> Health {
    let status = told.smartctl.exit_status;
    let says_failing = told.smart_status.as_ref().is_some_and(|status| !status.passed);
    let nvme = told.nvme_smart_health_information_log.as_ref();
    let critical = nvme.is_some_and(|log| log.critical_warning != 0);
    if says_failing || critical || status & FAILING != 0 {
        return Health::Failing;
    }
    if status & NOT_ASKED != 0 || (told.smart_status.is_none() && nvme.is_none()) {
        return Health::Mute;
    }
    let worn = nvme.is_some_and(|log| log.percentage_used > WORN || log.media_errors > 0);
    if worn || given_up(told) > 0 { Health::Worn } else { Health::Good }
}

/// Whether it was not asked because the box may not.
fn is_denied(told: &Told) -> bool {
    told.smartctl.messages.iter().any(|message| message.string.contains("Permission denied"))
}

/// Sectors that are given up, or could not be read (attributes 5, 197 and 198).
fn given_up(told: &Told) -> u64 {
    let bad = told.ata_smart_attributes.table.iter().filter(|attribute| matches!(attribute.id, 5 | 197 | 198));
    bad.map(|attribute| attribute.raw.value).sum()
}

/// `/dev/sda Samsung SSD (S4X…), 12034 h, 3 sectors given up`.
fn line(disk: &str, told: &Told) -> String {
    let mut line = disk.to_owned();
    let mut add = |text: String| line.push_str(&text);
    if !told.model_name.is_empty() {
        add(format!(" {} ({}), {} h", told.model_name, told.serial_number, told.power_on_time.hours));
    }
    match given_up(told) {
        0 => {}
        count => add(format!(", {count} sectors")),
    }
    if let Some(log) = &told.nvme_smart_health_information_log {
        add(format!(", {} %", log.percentage_used));
    }
    if let Some(message) = told.smartctl.messages.first() {
        add(format!(": {}", message.string));
    }
    line
}

/// The worst disk decides; those that tell nothing count only while all do.
fn judge(all: &[(String, Told)]) -> Found {
    let worst = all.iter().map(|(_, told)| health(told)).max().unwrap_or(Health::Mute);
    let mut facts = vec![Fact::lines("disks", all.iter().map(|(disk, told)| line(disk, told)).collect())];
    let denied = all.iter().find(|(_, told)| health(told) == Health::Mute && is_denied(told));
    if let (Health::Mute, Some((disk, told))) = (worst, denied) {
        return (Finding::DisksUnasked, vec![Fact::text("reason", line(disk, told))]);
    }
    let of_worst = || all.iter().filter(|(_, told)| health(told) == worst).map(|(disk, _)| disk.clone()).collect();
    let finding = match worst {
        Health::Mute => Finding::DisksMute,
        Health::Good => Finding::DisksGood,
        Health::Worn => Finding::DisksWorn,
        Health::Failing => Finding::DisksFailing,
    };
    if matches!(worst, Health::Worn | Health::Failing) {
        facts.push(Fact::lines("disk", of_worst()));
    }
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str) -> Told {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commissioning/checks/smart").join(name);
        serde_json::from_str(&std::fs::read_to_string(&path).expect(name)).expect(name)
    }

    #[test]
    fn disks_are_judged_by_what_they_say_of_themselves() {
        for (name, expected) in [
            ("sata_ok.json", Health::Good),
            ("sata_reallocated.json", Health::Worn),
            ("nvme_worn.json", Health::Worn),
            ("sata_failing.json", Health::Failing),
            ("virtual.json", Health::Mute),
        ] {
            assert_eq!(health(&recorded(name)), expected, "{name}");
        }
    }

    #[test]
    fn the_worst_disk_decides_and_is_named() {
        let disk = |name: &str, file: &str| (name.to_owned(), recorded(file));
        let (finding, facts) = judge(&[disk("/dev/sda", "sata_ok.json"), disk("/dev/sdb", "sata_failing.json")]);
        assert_eq!(finding, Finding::DisksFailing);
        assert_eq!(facts[1].value, crate::commissioning::Value::Lines(vec!["/dev/sdb".to_owned()]));
        let lines = facts[0].value.to_string();
        assert!(lines.contains("/dev/sda") && lines.contains("WD40EFZX") && lines.contains(" h"), "{lines}");
        // A virtual disk beside a real one says nothing against it.
        assert_eq!(judge(&[disk("/dev/sda", "sata_ok.json"), disk("/dev/vda", "virtual.json")]).0, Finding::DisksGood);
        assert_eq!(judge(&[disk("/dev/vda", "virtual.json")]).0, Finding::DisksMute);
        assert_eq!(judge(&[]).0, Finding::DisksMute);
        let mut denied = disk("/dev/sda", "virtual.json");
        denied.1.smartctl.messages[0].string = "Smartctl open device: /dev/sda failed: Permission denied".to_owned();
        assert_eq!(judge(&[denied]).0, Finding::DisksUnasked);
    }

    #[test]
    fn a_program_that_is_missing_mad_or_slow_is_no_reason_to_stop() {
        let folder = tempfile::tempdir().expect("folder");
        let missing = ask(&folder.path().join("smartctl"), Path::new("/dev/sda")).expect_err("missing");
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
        let says = |text: &str| {
            let path = folder.path().join("says");
            std::fs::write(&path, format!("#!/bin/sh\ncat <<'E'\n{text}\nE\nexit 4\n")).expect("script");
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
            ask(&path, Path::new("/dev/sda"))
        };
        assert!(says("no JSON").is_err());
        assert!(says("{\"smartctl\":7}").is_err());
        assert_eq!(says("{}").map(|told| health(&told)).ok(), Some(Health::Mute));
        let good = r#"{"smartctl":{"exit_status":4},"smart_status":{"passed":true}}"#;
        assert_eq!(says(good).map(|told| health(&told)).ok(), Some(Health::Good), "another command failed, no matter");
    }

    #[test]
    fn only_disks_that_are_made_of_something_are_asked() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["sda/device", "loop0", "nvme0n1/device", "sr0/device", "dm-0"] {
            std::fs::create_dir_all(folder.path().join(name)).expect(name);
        }
        assert_eq!(disks_of(folder.path()), [Path::new("/dev/nvme0n1"), Path::new("/dev/sda")]);
        assert!(disks_of(Path::new("/nowhere")).is_empty());
    }
}
