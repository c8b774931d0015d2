//! `hw.ups`: does the box outlive a power cut? The original guide asks for protected power; a box that is switched off
//! during the night's backup has no backup that night, and disks do not like it.
//!
//! Asked of the NUT server of this computer (network UPS tools, its text protocol), which knows every UPS that people buy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;

/// A server on the same computer answers at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// More lines than any UPS has variables.
const LINES_MAX: usize = 500;
/// More bytes than those lines have.
const BYTES_MAX: u64 = 64 << 10;
/// Less than this is not enough to end what runs, and to outlive the usual short cuts.
const RUNTIME_SECONDS: f64 = 300.0;

pub(super) fn look(server: SocketAddr) -> Found {
    match ask(server) {
        Ok(all) if all.is_empty() => (Finding::PowerUnprotected, vec![Fact::text("nut-server", server)]),
        Ok(all) => judge(&all),
        // Nobody listens: the usual state of a box without UPS.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            (Finding::PowerUnprotected, vec![Fact::text("nut-server", server)])
        }
        Err(error) => (Finding::Untold, vec![Fact::text("reason", format!("{server}: {error}"))]),
    }
}

/// What is known of one UPS.
#[derive(Debug, Clone, Default, PartialEq)]
struct Ups {
    name: String,
    /// Words such as OL (on line), OB (on battery), LB (low battery), RB (replace battery); empty when it does not tell.
    status: String,
    charge_percent: Option<f64>,
    runtime_seconds: Option<f64>,
}

/// Of several the first counts: one computer has one.
fn judge(all: &[Ups]) -> Found {
    let Some(ups) = all.first() else { return (Finding::PowerUnprotected, Vec::new()) };
    let mut facts = vec![Fact::text("ups", &ups.name), Fact::text("ups-status", &ups.status)];
    facts.extend(ups.charge_percent.map(|percent| Fact::number("ups-charge", percent)));
    facts.extend(ups.runtime_seconds.map(|seconds| Fact::number("ups-minutes", (seconds / 60.0).floor())));
    let has = |word: &str| ups.status.split_whitespace().any(|status| status == word);
    let finding = if has("RB") {
        Finding::PowerBatteryWorn
    } else if has("OB") {
        Finding::PowerOnBattery
    } else if !has("OL") {
        Finding::PowerUnknown
    } else if has("LB") {
        Finding::PowerCharging
    } else if ups.runtime_seconds.is_some_and(|seconds| seconds < RUNTIME_SECONDS) {
        Finding::PowerShort
    } else {
        Finding::PowerProtected
    };
    (finding, facts)
}

fn ask(server: SocketAddr) -> std::io::Result<Vec<Ups>> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new((&stream).take(BYTES_MAX));
    let mut talk = |question: &str| -> std::io::Result<Vec<String>> {
        (&stream).write_all(format!("{question}\n").as_bytes())?;
        list(&mut lines)
    };
    let names =
        talk("LIST UPS")?.into_iter().filter_map(|line| Some(line.strip_prefix("UPS ")?.split(' ').next()?.to_owned()));
    names
        .collect::<Vec<_>>()
        .into_iter()
        .map(|name| {
            let variables = talk(&format!("LIST VAR {name}"))?;
            let value = |variable: &str| variables.iter().find_map(|line| value_of(line, &name, variable));
            // Drivers that do not know a number write `nan`.
            let number = |variable| value(variable)?.parse().ok().filter(|number: &f64| number.is_finite());
            Ok(Ups {
                status: value("ups.status").unwrap_or_default().to_owned(),
                charge_percent: number("battery.charge"),
                runtime_seconds: number("battery.runtime"),
                name: name.clone(),
            })
        })
        .collect()
}

/// The lines between `BEGIN LIST …` and `END LIST …`; none when the server answers with an error.
fn list(lines: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for line in lines.lines().take(LINES_MAX) {
        let line = line?;
        if line.starts_with("END LIST") || line.starts_with("ERR") {
            return Ok(found);
        }
        if !line.starts_with("BEGIN LIST") {
            found.push(line);
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

/// The value in `VAR ups variable "value"`.
fn value_of<'l>(line: &'l str, ups: &str, variable: &str) -> Option<&'l str> {
    let rest = line.strip_prefix("VAR ")?.strip_prefix(ups)?.strip_prefix(' ')?;
    rest.strip_prefix(variable)?.strip_prefix(" \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_judged_by_the_words_of_the_ups_and_by_its_runtime() {
        let ups = |status: &str, runtime_seconds| Ups { status: status.to_owned(), runtime_seconds, ..Ups::default() };
        for (all, expected) in [
            (vec![], Finding::PowerUnprotected),
            (vec![ups("OL", Some(1_800.0))], Finding::PowerProtected),
            (vec![ups("OL CHRG", None)], Finding::PowerProtected),
            (vec![ups("OL", Some(120.0))], Finding::PowerShort),
            (vec![ups("OB DISCHRG", Some(1_800.0))], Finding::PowerOnBattery),
            (vec![ups("OB DISCHRG LB", Some(60.0))], Finding::PowerOnBattery),
            (vec![ups("OL CHRG LB", Some(60.0))], Finding::PowerCharging),
            (vec![ups("OL RB", Some(1_800.0))], Finding::PowerBatteryWorn),
            (vec![ups("", None)], Finding::PowerUnknown),
        ] {
            assert_eq!(judge(&all).0, expected, "{all:?}");
        }
    }

    #[test]
    fn the_servers_lists_are_read_to_their_end_and_no_further() {
        let mut lines = "BEGIN LIST VAR shop\nVAR shop ups.status \"OL CHRG\"\nEND LIST VAR shop\nleft".as_bytes();
        let found = list(&mut lines).expect("a list");
        assert_eq!(value_of(&found[0], "shop", "ups.status"), Some("OL CHRG"));
        assert_eq!(value_of(&found[0], "shop", "ups.stat"), None);
        assert_eq!(value_of(&found[0], "sho", "ups.status"), None);
        assert!(list(&mut "ERR DRIVER-NOT-CONNECTED\n".as_bytes()).expect("an error is an answer").is_empty());
        assert!(list(&mut "BEGIN LIST UPS\nUPS a \"b\"\n".as_bytes()).is_err(), "cut off");
    }
}
