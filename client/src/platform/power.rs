//! Linux: what this machine lives on, and whether its way out costs money.

use std::path::Path;
use std::process::{Command, Stdio};

/// Where the kernel shows batteries and mains.
const SUPPLIES: &str = "/sys/class/power_supply";

/// What a machine lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Mains, or nobody can tell.
    Mains,
    /// A battery, with so many per cent left.
    Battery {
        /// 0 to 100.
        percent: u8,
    },
}

/// What the network says about its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// Bytes cost nothing, or nobody can tell.
    Free,
    /// Bytes cost money, or may.
    Metered,
}

/// What this machine lives on now.
#[must_use]
pub fn power() -> Power {
    power_in(Path::new(SUPPLIES))
}

fn power_in(supplies: &Path) -> Power {
    let Ok(dir) = std::fs::read_dir(supplies) else { return Power::Mains };
    let mut charges: Vec<u32> = Vec::new();
    let mut is_discharging = false;
    for supply in dir.flatten().map(|entry| entry.path()) {
        let read = |name: &str| std::fs::read_to_string(supply.join(name)).unwrap_or_default().trim().to_owned();
        match (read("type").as_str(), read("scope").as_str()) {
            // The battery of a mouse says nothing about the machine.
            (_, "Device") => {}
            ("Battery", _) => {
                is_discharging |= read("status") == "Discharging";
                charges.extend(read("capacity").parse::<u32>());
            }
            (_, _) if read("online") == "1" => return Power::Mains,
            (_, _) => {}
        }
    }
    let count = u32::try_from(charges.len()).unwrap_or(u32::MAX);
    match charges.iter().sum::<u32>().checked_div(count) {
        Some(percent) if is_discharging => Power::Battery { percent: u8::try_from(percent.min(100)).unwrap_or(100) },
        Some(_) | None => Power::Mains,
    }
}

/// What NetworkManager says about the way out; free where it does not run.
#[must_use]
pub fn metering() -> Metering {
    let asked = Command::new("busctl")
        .args(["--system", "--timeout=5", "get-property", "org.freedesktop.NetworkManager"])
        .args(["/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager", "Metered"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    asked.map_or(Metering::Free, |answer| metering_of(&String::from_utf8_lossy(&answer.stdout)))
}

/// NMMetered: 0 unknown, 1 yes, 2 no, 3 guessed yes, 4 guessed no.
fn metering_of(answer: &str) -> Metering {
    match answer.trim() {
        "u 1" | "u 3" => Metering::Metered,
        _ => Metering::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supplies(supplies: &[(&str, &[(&str, &str)])]) -> Power {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (supply, files) in supplies {
            std::fs::create_dir(dir.path().join(supply)).expect("folder");
            for (name, content) in *files {
                std::fs::write(dir.path().join(supply).join(name), format!("{content}\n")).expect("file");
            }
        }
        power_in(dir.path())
    }

    #[test]
    fn a_laptop_is_on_battery_when_it_discharges_and_no_mains_is_there() {
        let battery = ("BAT0", &[("type", "Battery"), ("status", "Discharging"), ("capacity", "41")][..]);
        let second = ("BAT1", &[("type", "Battery"), ("status", "Unknown"), ("capacity", "81")][..]);
        let unplugged = ("AC", &[("type", "Mains"), ("online", "0")][..]);
        let plugged = ("USB", &[("type", "USB"), ("online", "1")][..]);
        let mouse =
            ("hid", &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "5")][..]);
        assert_eq!(supplies(&[battery, unplugged]), Power::Battery { percent: 41 });
        assert_eq!(supplies(&[battery, second, mouse]), Power::Battery { percent: 61 });
        assert_eq!(supplies(&[battery, plugged]), Power::Mains);
        assert_eq!(supplies(&[mouse]), Power::Mains);
        assert_eq!(supplies(&[]), Power::Mains);
        assert_eq!(power_in(Path::new("/nowhere")), Power::Mains);
    }

    #[test]
    fn a_way_out_is_metered_when_the_system_says_so_or_thinks_so() {
        for (answer, metering) in
            [("u 1\n", Metering::Metered), ("u 3", Metering::Metered), ("u 4", Metering::Free), ("", Metering::Free)]
        {
            assert_eq!(metering_of(answer), metering);
        }
    }
}
