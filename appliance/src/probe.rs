//! What can only be seen with a privilege that the daemon must not have: frames on the wire, and what disks say of
//! themselves. Asked of the helper `datis-probe`, a program that looks at these and does nothing else.
//!
//! The helper reads one question and writes one answer, each a line of JSON. Under systemd it stands behind two sockets, each
//! with the privilege for its questions alone (CAP_NET_RAW, or the disks), and is started for each question; where there is
//! no such socket, the daemon starts the helper that lies beside it, which works for root. It never takes an address and
//! never answers for one: it asks, and listens for a few seconds.

pub mod disks;
mod frames;
mod helper;

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::helpers::HelperError;
use crate::helpers::{Helper, Line};
pub use helper::main;

const HELPER: Helper = Helper { program: "datis-probe", socket: "/run/datis-probe.sock" };
/// The same program with another privilege.
const DISKS: Helper = Helper { program: "datis-probe", socket: "/run/datis-disks.sock" };
/// More than any answer takes: frames are listened for less than half of this, disks are waited for 13 of these seconds
/// ([`disks`]).
const PATIENCE: Duration = Duration::from_secs(15);

/// What the helper can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Who else has this address? (ARP probe, RFC 5227.)
    Holders {
        /// On which port.
        port: PortName,
        /// The address.
        address: Ipv4Addr,
    },
    /// What would DHCP servers lend? (DHCPDISCOVER, RFC 2131; nothing is taken.) To the box; to somebody unknown with the
    /// box's hardware address, who would like the first of `free`; and to two unknown ones with one other hardware
    /// address, who would like one each.
    Offers {
        /// On which port.
        port: PortName,
        /// Addresses that nobody has, as far as any were found.
        free: Vec<Ipv4Addr>,
    },
    /// How are the disks? (`smartctl`, with the words that the helper has for it.)
    Disks {},
}

impl Question {
    const fn helper(&self) -> &'static Helper {
        match self {
            Self::Holders { .. } | Self::Offers { .. } => &HELPER,
            Self::Disks {} => &DISKS,
        }
    }
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Hardware addresses, each once.
    Holders {
        /// Of those that answered for the address.
        macs: Vec<String>,
    },
    /// Offers, in the order of their coming.
    Offers {
        /// To the box.
        known: Vec<Offer>,
        /// To the unknown one with the box's hardware address.
        unknown: Vec<Offer>,
        /// To each of the two others. A server that goes by hardware addresses takes them for one.
        others: [Vec<Offer>; 2],
    },
    /// What the disks say.
    Disks {
        /// Each disk of the computer.
        disks: Vec<disks::Disk>,
    },
    /// It could not look.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What a DHCP server would lend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which server.
    pub server: Ipv4Addr,
    /// The address.
    pub address: Ipv4Addr,
    /// For how long.
    pub lease_seconds: Option<u32>,
}

/// The name of a network port: 1 to 15 printable characters without slash or space, as the kernel allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortName(String);

impl PortName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PortName {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let is_name = (1..=15).contains(&raw.len())
            && raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
            && raw != "."
            && raw != "..";
        if is_name { Ok(Self(raw)) } else { Err(format!("`{raw}` is no name of a network port")) }
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> Self {
        name.0
    }
}

/// Asks the helper.
///
/// # Errors
/// [`HelperError`].
pub fn ask(question: &Question) -> Result<Answer, HelperError> {
    let helper = question.helper();
    let line = Line::open(helper)?;
    line.say(question)?;
    line.finish();
    match line.hear(PATIENCE)? {
        Answer::Failed { reason } => Err(helper.failed(reason)),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_come_back_and_names_of_ports_are_checked_again() {
        let port = PortName::try_from("eth0".to_owned()).expect("a name");
        let question = Question::Holders { port, address: Ipv4Addr::new(192, 168, 1, 60) };
        let text = serde_json::to_string(&question).expect("encode");
        assert_eq!(serde_json::from_str::<Question>(&text).expect("decode"), question);
        for bad in ["", "..", "../x", "a b", "a-very-long-name-of-a-port", "eth\u{e9}"] {
            let bad = text.replace("eth0", bad);
            assert!(serde_json::from_str::<Question>(&bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Question>(r#"{"ask":"take","port":"eth0"}"#).is_err());
        // Disks are asked by words of the helper's own: there is nothing that could be added.
        assert_eq!(serde_json::from_str::<Question>(r#"{"ask":"disks"}"#).expect("decode"), Question::Disks {});
        assert!(serde_json::from_str::<Question>(r#"{"ask":"disks","disk":"/dev/sda"}"#).is_err());
    }
}
