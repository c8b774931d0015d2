//! `hw.smart`: what the disks themselves say, as the helper that may open them has heard it ([`crate::probe::disks`]).

use std::path::Path;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::operations::chain;
use crate::probe::disks::{Disk, Told, ask_all};
use crate::probe::{self, Answer, Question};

/// From here on an SSD is to be replaced soon, in percent of what it is made for.
const WORN: u64 = 90;

/// Of the exit status: the command line was not understood, as of a device that is no disk which could tell.
const NOT_ASKED: i32 = 0b0000_0001;
/// Of the exit status: the disk could not be opened.
const NOT_OPENED: i32 = 0b0000_0010;
/// Of the exit status: the disk says that it is failing; a value is past its threshold now.
const FAILING: i32 = 0b0001_1000;

/// How one disk is; the worse, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    /// Nobody can tell: a virtual disk, a card, a controller that hides its disks.
    Mute,
    Good,
    /// It did not answer in time or in a form that is understood.
    Silent,
    /// Whoever asked may not open it.
    Denied,
    /// It has given up places, or has used up most of what it is made for.
    Worn,
    /// It says that it is failing.
    Failing,
}

/// `program`: one that the configuration names, which the box runs itself.
pub(super) fn look(program: Option<&Path>) -> Found {
    let unasked = |reason| (Finding::DisksUnasked, vec![Fact::text("reason", reason)]);
    let asked = match program {
        Some(program) => ask_all(program),
        None => match probe::ask(&Question::Disks {}) {
            Ok(Answer::Disks { disks }) => Ok(disks),
            Ok(_) => Err("the helper `datis-probe` answers something else".to_owned()),
            Err(error) => Err(chain(&error)),
        },
    };
    asked.map_or_else(unasked, |disks| judge(&disks))
}

fn health(disk: &Disk) -> Health {
    let Ok(told) = &disk.told else { return Health::Silent };
    let status = told.smartctl.exit_status;
    let says_failing = told.smart_status.as_ref().is_some_and(|status| !status.passed);
    let nvme = told.nvme_smart_health_information_log.as_ref();
    let critical = nvme.is_some_and(|log| log.critical_warning != 0);
    if says_failing || critical || status & FAILING != 0 {
        return Health::Failing;
    }
    if is_denied(told) {
        return Health::Denied;
    }
    if status & NOT_ASKED != 0 || (told.smart_status.is_none() && nvme.is_none()) {
        return Health::Mute;
    }
    let worn = nvme.is_some_and(|log| log.percentage_used > WORN || log.media_errors > 0);
    if worn || given_up(told) > 0 { Health::Worn } else { Health::Good }
}

/// Whether it was not asked because whoever asked may not open it, or does not see its device.
fn is_denied(told: &Told) -> bool {
    let reasons = ["Permission denied", "Operation not permitted", "No such file", "No such device"];
    let says_so = told.smartctl.messages.iter().any(|message| reasons.iter().any(|r| message.string.contains(r)));
    told.smartctl.exit_status & NOT_OPENED != 0 || says_so
}

/// Sectors that are given up, or could not be read (attributes 5, 197 and 198).
fn given_up(told: &Told) -> u64 {
    let bad = told.ata_smart_attributes.table.iter().filter(|attribute| matches!(attribute.id, 5 | 197 | 198));
    // Each is a number of up to 48 bits in practice, and whatever a disk says on a bad day.
    bad.fold(0, |sum, attribute| sum.saturating_add(attribute.raw.value))
}

/// `/dev/sda Samsung SSD (S4X…), 12034 h, 3 sectors given up`.
fn line(disk: &Disk) -> String {
    let mut line = disk.path.clone();
    let mut add = |text: String| line.push_str(&text);
    let told = match &disk.told {
        Ok(told) => told,
        Err(reason) => {
            add(format!(": {reason}"));
            return line;
        }
    };
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
fn judge(all: &[Disk]) -> Found {
    let worst = all.iter().map(health).max().unwrap_or(Health::Mute);
    let of_worst = || all.iter().filter(|disk| health(disk) == worst);
    let reason = || vec![Fact::text("reason", of_worst().map(line).collect::<Vec<_>>().join("; "))];
    let facts = || vec![Fact::lines("disks", all.iter().map(line).collect())];
    let named = || {
        let disks = of_worst().map(|disk| disk.path.clone()).collect();
        facts().into_iter().chain([Fact::lines("disk", disks)]).collect()
    };
    match worst {
        Health::Mute => (Finding::DisksMute, facts()),
        Health::Good => (Finding::DisksGood, facts()),
        Health::Silent => (Finding::Untold, reason()),
        Health::Denied => (Finding::DisksUnasked, reason()),
        Health::Worn => (Finding::DisksWorn, named()),
        Health::Failing => (Finding::DisksFailing, named()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str) -> Told {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commissioning/checks/smart").join(name);
        serde_json::from_str(&std::fs::read_to_string(&path).expect(name)).expect(name)
    }

    fn disk(path: &str, file: &str) -> Disk {
        Disk { path: path.to_owned(), told: Ok(recorded(file)) }
    }

    /// One that said nothing but this, with this exit status.
    fn saying(path: &str, message: &str, exit_status: i32) -> Disk {
        let mut told = recorded("virtual.json");
        message.clone_into(&mut told.smartctl.messages[0].string);
        told.smartctl.exit_status = exit_status;
        Disk { path: path.to_owned(), told: Ok(told) }
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
            assert_eq!(health(&disk("/dev/sda", name)), expected, "{name}");
        }
        let told = |json: &str| Disk { path: "/dev/sda".to_owned(), told: Ok(serde_json::from_str(json).expect(json)) };
        assert_eq!(health(&told("{}")), Health::Mute);
        let good = r#"{"smartctl":{"exit_status":4},"smart_status":{"passed":true}}"#;
        assert_eq!(health(&told(good)), Health::Good, "another command failed, no matter");
        let mad = r#"{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[
            {"id":5,"raw":{"value":18446744073709551615}},{"id":197,"raw":{"value":18446744073709551615}}]}}"#;
        assert_eq!(health(&told(mad)), Health::Worn);
    }

    #[test]
    fn the_worst_disk_decides_and_is_named() {
        let (finding, facts) = judge(&[disk("/dev/sda", "sata_ok.json"), disk("/dev/sdb", "sata_failing.json")]);
        assert_eq!(finding, Finding::DisksFailing);
        assert_eq!(facts[1].value, crate::commissioning::Value::Lines(vec!["/dev/sdb".to_owned()]));
        let lines = facts[0].value.to_string();
        assert!(lines.contains("/dev/sda") && lines.contains("WD40EFZX") && lines.contains(" h"), "{lines}");
        // A virtual disk beside a real one says nothing against it.
        assert_eq!(judge(&[disk("/dev/sda", "sata_ok.json"), disk("/dev/vda", "virtual.json")]).0, Finding::DisksGood);
        assert_eq!(judge(&[disk("/dev/vda", "virtual.json")]).0, Finding::DisksMute);
        assert_eq!(judge(&[]).0, Finding::DisksMute);
    }

    #[test]
    fn a_failing_disk_is_told_of_beside_one_that_does_not_answer() {
        let silent = || Disk { path: "/dev/sda".to_owned(), told: Err("timed out".to_owned()) };
        let (finding, facts) = judge(&[silent(), disk("/dev/sdb", "sata_failing.json")]);
        assert_eq!(finding, Finding::DisksFailing);
        assert!(facts[0].value.to_string().contains("/dev/sda: timed out"));
        assert_eq!(judge(&[silent(), disk("/dev/sdb", "sata_reallocated.json")]).0, Finding::DisksWorn);
        let (finding, facts) = judge(&[silent(), disk("/dev/sdb", "sata_ok.json")]);
        assert_eq!((finding, facts[0].value.to_string().as_str()), (Finding::Untold, "/dev/sda: timed out"));
    }

    #[test]
    fn a_disk_that_could_not_be_opened_was_not_asked_also_beside_good_ones() {
        let good = || disk("/dev/sdb", "sata_ok.json");
        for denied in [
            saying("/dev/sda", "Smartctl open device: /dev/sda failed: Permission denied", 2),
            saying("/dev/sda", "Smartctl open device: /dev/sda failed: No such device", 2),
            saying("/dev/sda", "/dev/sda: No such file or directory", 1),
            saying("/dev/sda", "Smartctl open device: /dev/sda [SAT] failed", 2),
        ] {
            for all in [vec![denied.clone()], vec![denied.clone(), good()]] {
                let (finding, facts) = judge(&all);
                assert_eq!(finding, Finding::DisksUnasked, "{denied:?}");
                assert!(facts[0].value.to_string().starts_with("/dev/sda"), "{facts:?}");
            }
            assert_eq!(judge(&[denied, disk("/dev/sdc", "sata_failing.json")]).0, Finding::DisksFailing);
        }
    }
}
