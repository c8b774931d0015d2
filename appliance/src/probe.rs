//! Frames on the wire, which need a privilege (CAP_NET_RAW) that the daemon must not have: asked of the helper
//! `datis-probe`, a program that does these two things and nothing else.
//!
//! The helper reads one question and writes one answer, each a line of JSON. Under systemd it stands behind a socket and
//! is started for each question; where there is no such socket, the daemon starts the helper that lies beside it, which
//! works for root. It never takes an address and never answers for one: it asks, and listens for a few seconds.

mod frames;
mod helper;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use helper::main;

/// Where the helper answers under systemd.
const SOCKET: &str = "/run/datis-probe.sock";
/// The helper beside the daemon.
const PROGRAM: &str = "datis-probe";
/// The helper listens for no longer than half of this.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest question or answer, in bytes.
const LINE_MAX: u64 = 64 << 10;

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

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be started.
    #[error("the helper `datis-probe` cannot be started")]
    Start(#[source] std::io::Error),
    /// It went away, or was too slow.
    #[error("the helper `datis-probe` does not answer")]
    Silent(#[source] std::io::Error),
    /// It says something else.
    #[error("the helper `datis-probe` answers in a form that is not understood; is it of another version?")]
    Strange,
    /// It could not look.
    #[error("the helper `datis-probe` could not look: {0}")]
    Failed(String),
}

/// Asks the helper.
///
/// # Errors
/// [`ProbeError`].
pub fn ask(question: &Question) -> Result<Answer, ProbeError> {
    let line = match UnixStream::connect(SOCKET) {
        Ok(stream) => converse(&stream, question).map_err(ProbeError::Silent)?,
        Err(_) => start_and_converse(question)?,
    };
    match serde_json::from_str(&line).map_err(|_| ProbeError::Strange)? {
        Answer::Failed { reason } => Err(ProbeError::Failed(reason)),
        answer => Ok(answer),
    }
}

fn converse(stream: &UnixStream, question: &Question) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut writer = stream;
    writer.write_all(&line_of(question)?)?;
    stream.shutdown(Shutdown::Write)?;
    read_line(stream)
}

/// The helper's own output is the other end of a pair of sockets, so that waiting for it has a limit.
fn start_and_converse(question: &Question) -> Result<String, ProbeError> {
    let beside = std::env::current_exe().map_err(ProbeError::Start)?.with_file_name(PROGRAM);
    let (ours, theirs) = UnixStream::pair().map_err(ProbeError::Start)?;
    let input = theirs.try_clone().map_err(ProbeError::Start)?;
    let mut command = Command::new(beside);
    command.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(theirs)));
    let mut child = command.stderr(Stdio::null()).spawn().map_err(ProbeError::Start)?;
    // Its ends of the pair are the child's alone from here on: when it goes away, reading ends.
    drop(command);
    let line = converse(&ours, question);
    if line.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    child.wait().map_err(ProbeError::Silent)?;
    line.map_err(ProbeError::Silent)
}

fn line_of(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn read_line(from: impl Read) -> std::io::Result<String> {
    let mut line = String::new();
    match BufReader::new(from.take(LINE_MAX)).read_line(&mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
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
    }
}
