//! What the disks say of themselves: asked of `smartctl` (smartmontools), which knows every disk that people buy. Always with
//! the same words, and only of disks that the kernel lists.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A disk that sleeps takes seconds to answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// More than any disk says, in bytes.
const OUTPUT_MAX: u64 = 1 << 20;
/// After this, for those whose asking ends with it.
const MOMENT: Duration = Duration::from_secs(1);
/// So many are asked.
const DISKS_MAX: usize = 24;
/// So many are told of; no computer that this runs on has more.
const TOLD_MAX: usize = 160;
/// Of what is told about one disk: messages, and characters of each text. All disks together fit into one answer.
const MESSAGES_MAX: usize = 2;
const TEXT_MAX: usize = 160;
/// Attributes that are passed on: sectors that were given up, wait for that, or could not be read.
const ATTRIBUTES: [u16; 3] = [5, 197, 198];
/// Where the system's own programs are.
const PROGRAMS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// One disk that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its device, such as `/dev/sda`.
    pub path: String,
    /// What it said; `Err`: why it said nothing, in words.
    pub told: Result<Told, String>,
}

/// What `smartctl --json --all` says of one disk, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Told {
    pub smartctl: Run,
    pub model_name: String,
    pub serial_number: String,
    pub smart_status: Option<Status>,
    pub power_on_time: Hours,
    pub ata_smart_attributes: Attributes,
    pub nvme_smart_health_information_log: Option<NvmeLog>,
}

/// How `smartctl` ended: its exit status is a mask of bits (smartctl(8), "EXIT STATUS").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Run {
    pub exit_status: i32,
    pub messages: Vec<Message>,
}

/// What it complained of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Message {
    pub string: String,
}

/// The disk's own verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Status {
    pub passed: bool,
}

/// How long it has run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Hours {
    pub hours: u64,
}

/// What disks of the ATA family count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Attributes {
    pub table: Vec<Attribute>,
}

/// One of these counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Attribute {
    pub id: u16,
    pub raw: Raw,
}

/// The number as the disk has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct Raw {
    pub value: u64,
}

/// What NVMe disks count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of smartctl's JSON")]
pub struct NvmeLog {
    pub critical_warning: u64,
    pub percentage_used: u64,
    pub media_errors: u64,
}

/// Asks all disks of this computer at once.
///
/// # Errors
/// Why the program cannot be started, in words.
pub fn ask_all(program: &Path) -> Result<Vec<Disk>, String> {
    ask_each(program, &disks_of(Path::new("/sys/block")), PATIENCE)
}

/// One that hangs must not keep the others from being told: whatever has not come in time is left behind.
fn ask_each(program: &Path, paths: &[PathBuf], patience: Duration) -> Result<Vec<Disk>, String> {
    let mut asked: BTreeMap<usize, std::io::Result<Told>> = BTreeMap::new();
    let (answers, heard) = channel();
    for (number, path) in paths.iter().take(DISKS_MAX).cloned().enumerate() {
        let (program, answers) = (program.to_owned(), answers.clone());
        // Nobody may be there any more to hear it.
        let ask = move || drop(answers.send((number, ask(&program, &path, patience))));
        if let Err(error) = std::thread::Builder::new().spawn(ask) {
            asked.insert(number, Err(error));
        }
    }
    drop(answers);
    let until = Instant::now() + patience + MOMENT;
    while let Ok((number, told)) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        asked.insert(number, told);
    }
    let told_of = |(number, path): (usize, &PathBuf)| {
        let told = match asked.remove(&number) {
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", program.display()));
            }
            Some(told) => told.map(bounded).map_err(|error| short(&error.to_string())),
            None if number < DISKS_MAX => Err("it does not answer".to_owned()),
            None => Err(format!("not asked: only {DISKS_MAX} disks are")),
        };
        Ok(Disk { path: path.display().to_string(), told })
    };
    paths.iter().take(TOLD_MAX).enumerate().map(told_of).collect()
}

/// Whole disks that are made of something: no loops, no memory, nothing that a program put together, and no single way to
/// a disk that has several (the kernel hides it, and the disk is there under a name of its own).
fn disks_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut disks: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("device").exists())
        .filter(|entry| !std::fs::read_to_string(entry.path().join("hidden")).is_ok_and(|hidden| hidden.trim() == "1"))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with("sr"))
        .map(|name| Path::new("/dev").join(name))
        .collect();
    disks.sort();
    disks
}

fn ask(program: &Path, disk: &Path, patience: Duration) -> std::io::Result<Told> {
    let mut child = Command::new(program)
        .args(["--json", "--all"])
        .arg(disk)
        .env_clear()
        .env("PATH", PROGRAMS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take();
    let (text, read) = channel();
    std::thread::spawn(move || {
        let mut all = String::new();
        let read = stdout.map(|out| out.take(OUTPUT_MAX).read_to_string(&mut all));
        // Whoever asked may have gone.
        let _ = text.send(read.transpose().map(|_| all));
    });
    let until = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            // A program that a disk holds in the kernel ends when the disk lets it go, if ever.
            std::thread::spawn(move || child.wait());
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = read.recv_timeout(until.saturating_duration_since(Instant::now()));
    let text = text.map_err(|_| std::io::Error::other("its answer could not be read"))??;
    serde_json::from_str(&text).map_err(std::io::Error::other)
}

/// Only what is looked at, so that many disks fit into one answer.
fn bounded(mut told: Told) -> Told {
    told.model_name = short(&told.model_name);
    told.serial_number = short(&told.serial_number);
    told.ata_smart_attributes.table.retain(|attribute| ATTRIBUTES.contains(&attribute.id));
    told.ata_smart_attributes.table.truncate(ATTRIBUTES.len());
    told.smartctl.messages.truncate(MESSAGES_MAX);
    for message in &mut told.smartctl.messages {
        message.string = short(&message.string);
    }
    told
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, lines: &str) -> PathBuf {
        let path = folder.join("says");
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("script");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        path
    }

    #[test]
    fn a_disk_that_hangs_or_one_too_many_does_not_keep_the_others_from_being_told() {
        let folder = tempfile::tempdir().expect("folder");
        // The first goes on, the second leaves somebody behind who holds its output.
        let says = "case $3 in /dev/sd0) exec sleep 9;; /dev/sd1) sleep 9 & ;; *) echo {};; esac";
        let says = script(folder.path(), says);
        let paths: Vec<PathBuf> = (0..=DISKS_MAX).map(|number| format!("/dev/sd{number}").into()).collect();
        let began = Instant::now();
        let disks = ask_each(&says, &paths, Duration::from_secs(4)).expect("asked");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert_eq!(disks.len(), paths.len());
        assert!(disks[0].told.is_err() && disks[1].told.is_err());
        assert!(disks[2..DISKS_MAX].iter().all(|disk| disk.told == Ok(Told::default())), "{disks:?}");
        assert!(disks[DISKS_MAX].told.as_ref().expect_err("one too many").contains("not asked"));
    }

    #[test]
    fn a_program_that_is_missing_mad_or_slow_is_no_reason_to_stop() {
        let folder = tempfile::tempdir().expect("folder");
        let missing = ask(&folder.path().join("smartctl"), Path::new("/dev/sda"), PATIENCE).expect_err("missing");
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
        let says = |text: &str| {
            let path = script(folder.path(), &format!("cat <<'E'\n{text}\nE\nexit 4"));
            ask(&path, Path::new("/dev/sda"), PATIENCE)
        };
        assert!(says("no JSON").is_err());
        assert!(says("{\"smartctl\":7}").is_err());
        assert_eq!(says("{}").ok(), Some(Told::default()));
    }

    #[test]
    fn only_disks_that_are_made_of_something_are_asked() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["sda/device", "loop0", "nvme0n1/device", "sr0/device", "dm-0"] {
            std::fs::create_dir_all(folder.path().join(name)).expect(name);
        }
        // A disk behind two ways, and one of them.
        for (name, hidden) in [("nvme0n1", "0\n"), ("nvme0c0n1", "1\n")] {
            std::fs::create_dir_all(folder.path().join(name).join("device")).expect(name);
            std::fs::write(folder.path().join(name).join("hidden"), hidden).expect(name);
        }
        assert_eq!(disks_of(folder.path()), [Path::new("/dev/nvme0n1"), Path::new("/dev/sda")]);
        assert!(disks_of(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn the_answer_of_a_full_rack_fits_into_one_line() {
        let message = Message { string: "\u{1f4a5}\"".repeat(1_000) };
        let attribute = |id| Attribute { id, raw: Raw { value: u64::MAX } };
        let told = Told {
            smartctl: Run { exit_status: -1, messages: vec![message; 50] },
            model_name: "m\n".repeat(1_000),
            serial_number: "s".repeat(1_000),
            smart_status: Some(Status { passed: true }),
            power_on_time: Hours { hours: u64::MAX },
            ata_smart_attributes: Attributes { table: (0..400).map(attribute).collect() },
            nvme_smart_health_information_log: Some(NvmeLog::default()),
        };
        let disk = Disk { path: "/dev/nvme12n1".to_owned(), told: Ok(bounded(told)) };
        let mut disks = vec![disk; DISKS_MAX];
        let not_asked = |number| Disk {
            path: format!("/dev/sd{number}"),
            told: Err(format!("not asked: only {DISKS_MAX} disks are")),
        };
        disks.extend((DISKS_MAX..TOLD_MAX).map(not_asked));
        let answer = super::super::Answer::Disks { disks };
        let line = serde_json::to_vec(&answer).expect("encode");
        assert!((line.len() as u64) < crate::helpers::LINE_MAX, "{}", line.len());
        assert_eq!(serde_json::from_slice::<super::super::Answer>(&line).expect("decode"), answer);
    }
}
