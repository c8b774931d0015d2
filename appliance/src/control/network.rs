//! The box's own address, from the console.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::command::{Answer, Failed, FailedKind, NetworkCommand, Outcome};
use super::show::with_causes;
use crate::hand::addressing::Addressing;
use crate::host::{self, Arrival, Begun, Host, HostError, NetworkView};
use crate::operations::accounts::Actor;

impl From<HostError> for Failed {
    fn from(error: HostError) -> Self {
        Self { sentence: with_causes(&error), kind: FailedKind::Failed }
    }
}

/// `portal`: where people find the portal now.
pub(super) fn execute(host: Option<&Arc<Host>>, portal: &str, what: &NetworkCommand) -> Result<Answer, Failed> {
    // A process that ends with its command could not wait for the word to keep it.
    let running = || {
        host.ok_or_else(|| Failed {
            sentence: "the box does not run, and who tries an address has to wait for its end; start it first"
                .to_owned(),
            kind: FailedKind::Failed,
        })
    };
    match what {
        NetworkCommand::Show => Ok(shown(&host::look()?, host)),
        NetworkCommand::Set { wanted } => {
            Ok(begun(&running()?.try_network(&Actor::console(), wanted)?, wanted, portal))
        }
        NetworkCommand::Confirm { arrived_on } => {
            running()?.keep(None, arrived_on.map_or(Arrival::AtTheBox, Arrival::On))?;
            Ok(done("The new address is kept, also after a restart.\n", json!({ "kept": true })))
        }
        NetworkCommand::Revert => {
            running()?.take_back(&Actor::console())?;
            Ok(done("The box has its old address again.\n", json!({ "kept": false })))
        }
    }
}

fn done(text: &str, json: Value) -> Answer {
    Answer { text: text.to_owned(), json, outcome: Outcome::Done }
}

fn begun(begun: &Begun, wanted: &Addressing, portal: &str) -> Answer {
    let port = portal.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let link = begun.address.map(|ip| format!("https://{ip}{port}/system/network/keep/{}", begun.link));
    let or_link = link.as_ref().map(|link| format!(", or from elsewhere at {link}")).unwrap_or_default();
    let text = format!(
        "{wanted} is tried in two seconds, for {} seconds, and taken back unless it is confirmed: with `datisd network \
         confirm`{or_link}\n",
        begun.seconds
    );
    let json = json!({ "trying": wanted, "seconds": begun.seconds, "link": link });
    Answer { text, json, outcome: Outcome::Done }
}

fn shown(view: &NetworkView, host: Option<&Arc<Host>>) -> Answer {
    let NetworkView { port, manager } = view;
    let mut text = String::new();
    let signal = if port.has_signal { "" } else { ", no signal" };
    // Writing to a string does not fail.
    let _ = writeln!(text, "Port          {} ({}{signal})", port.name, port.mac);
    for held in &port.addresses {
        let _ = writeln!(
            text,
            "Address       {}/{}, {}",
            held.ip,
            held.prefix,
            if held.is_lent { "lent" } else { "fixed" }
        );
    }
    let gateway = port.gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
    let names = port.names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let manager_text = match manager {
        Ok(Some(manager)) => manager.name().to_owned(),
        Ok(None) => {
            "neither systemd-networkd nor NetworkManager; change it where this computer's network is set".to_owned()
        }
        Err(reason) => format!("not known: {reason}"),
    };
    let _ = writeln!(text, "Gateway       {gateway}\nName servers  {}\nManaged by    {manager_text}", names.join(" "));
    let trial = host.and_then(|host| host.trial());
    if let Some(trial) = &trial {
        let _ = writeln!(text, "Being tried   {}, for {} more seconds", trial.wanted, trial.seconds_left);
    }
    let addresses: Vec<Value> = port
        .addresses
        .iter()
        .map(|held| json!({ "address": held.ip, "prefix": held.prefix, "lent": held.is_lent }))
        .collect();
    let json = json!({
        "port": port.name,
        "mac": port.mac,
        "signal": port.has_signal,
        "addresses": addresses,
        "gateway": port.gateway,
        "name_servers": names,
        "manager": manager.as_ref().ok().and_then(|manager| manager.map(|manager| manager.name())),
        "trying": trial.map(|trial| json!({ "wanted": trial.wanted, "seconds_left": trial.seconds_left })),
    });
    Answer { text, json, outcome: Outcome::Done }
}
