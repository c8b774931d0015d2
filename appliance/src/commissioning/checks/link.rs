//! `lan.link`: is there a cable, and is it a good one? A cable with a broken pair works at 100 Mb/s and is noticed by
//! nobody until the first restore.

use std::fs;
use std::path::Path;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::{Network, Port};
use crate::commissioning::outcome::Fact;

/// What a box should have, in Mb/s.
const FAST: u32 = 1_000;

/// What a port says of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Speed {
    mbit: u32,
    duplex: String,
}

pub(super) fn judge(network: &Network) -> Found {
    let Some(port) = network.main_port() else { return (Finding::LinkNone, Vec::new()) };
    let mut facts = vec![Fact::text("port", &port.name), Fact::text("mac", &port.mac)];
    if !port.carrier {
        return (Finding::LinkDown, facts);
    }
    let speed = speed(Path::new("/sys/class/net"), port);
    if let Some(Speed { mbit, duplex }) = &speed {
        facts.extend([Fact::number("speed", f64::from(*mbit)), Fact::text("duplex", duplex)]);
    }
    (judge_speed(speed.as_ref()), facts)
}

fn judge_speed(speed: Option<&Speed>) -> Finding {
    match speed {
        None => Finding::LinkUnmeasured,
        Some(Speed { mbit: FAST.., duplex }) if duplex == "full" => Finding::LinkFast,
        Some(_) => Finding::LinkSlow,
    }
}

/// Reads what the driver tells; `None` when it tells nothing, as most virtual ones do.
fn speed(ports: &Path, port: &Port) -> Option<Speed> {
    let read = |name: &str| Some(fs::read_to_string(ports.join(&port.name).join(name)).ok()?.trim().to_owned());
    // Where this file system shows the network of another namespace, a port of the same name is another one.
    if read("ifindex")? != port.index.to_string() {
        return None;
    }
    // -1 while the driver does not know.
    let mbit = read("speed")?.parse().ok().filter(|mbit| *mbit > 0)?;
    let duplex = read("duplex")?;
    (duplex != "unknown").then_some(Speed { mbit, duplex })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabit_in_both_directions_is_what_a_box_should_have() {
        let speed = |mbit, duplex: &str| Speed { mbit, duplex: duplex.to_owned() };
        for (speed, expected) in [
            (Some(speed(1_000, "full")), Finding::LinkFast),
            (Some(speed(10_000, "full")), Finding::LinkFast),
            (Some(speed(100, "full")), Finding::LinkSlow),
            (Some(speed(1_000, "half")), Finding::LinkSlow),
            (None, Finding::LinkUnmeasured),
        ] {
            assert_eq!(judge_speed(speed.as_ref()), expected, "{speed:?}");
        }
    }

    #[test]
    fn a_driver_that_knows_nothing_and_a_port_of_elsewhere_tell_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let port = Port { index: 7, name: "eth0".to_owned(), carrier: true, ..Port::default() };
        let write = |files: [(&str, &str); 3]| {
            fs::create_dir_all(folder.path().join("eth0")).expect("folder");
            for (name, text) in files {
                fs::write(folder.path().join("eth0").join(name), text).expect("file");
            }
        };
        assert_eq!(speed(folder.path(), &port), None);
        write([("ifindex", "7\n"), ("speed", "100\n"), ("duplex", "full\n")]);
        assert_eq!(speed(folder.path(), &port), Some(Speed { mbit: 100, duplex: "full".to_owned() }));
        write([("ifindex", "7\n"), ("speed", "-1\n"), ("duplex", "full\n")]);
        assert_eq!(speed(folder.path(), &port), None);
        write([("ifindex", "7\n"), ("speed", "100\n"), ("duplex", "unknown\n")]);
        assert_eq!(speed(folder.path(), &port), None);
        write([("ifindex", "8\n"), ("speed", "100\n"), ("duplex", "full\n")]);
        assert_eq!(speed(folder.path(), &port), None);
    }
}
