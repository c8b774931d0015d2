//! The helper itself: one question in, one answer out.

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use datis_engine::keys::random_bytes;
use smoltcp::phy::{Device, Medium, RawSocket, RxToken, TxToken, wait};
use smoltcp::wire::EthernetAddress;

use super::disks;
use super::frames::{Discover, arp_probe, holder, offer};
use super::{Answer, Offer, PortName, Question};
use crate::helpers::{line_of, read_line};

/// Probes for an address, and the time between them. RFC 5227 wants a second or two, for a whole network that starts at
/// once; this is one question of one box.
const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_millis(300);
/// Servers look whether somebody has an address before they offer it, for up to three seconds.
const OFFERS_WITHIN: Duration = Duration::from_secs(5);
/// After the first answers, the time for a second server.
const SECOND_SERVER_WITHIN: Duration = Duration::from_secs(1);
/// Questions are sent again after this time: datagrams get lost.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The program `datis-probe`.
#[must_use]
pub fn main() -> ExitCode {
    let answer = read_line(std::io::stdin().lock()).map_err(|e| e.to_string()).and_then(|line| {
        let question = serde_json::from_str(&line).map_err(|e| format!("the question is not understood ({e})"))?;
        // The raw socket panics when its port goes away in the middle.
        catch_unwind(|| look(&question)).unwrap_or_else(|_| Err("the port failed while it was listened on".to_owned()))
    });
    let answer = answer.unwrap_or_else(|reason| Answer::Failed { reason });
    let written = line_of(&answer).and_then(|line| std::io::stdout().lock().write_all(&line));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn look(question: &Question) -> Result<Answer, String> {
    match question {
        Question::Holders { port, address } => Port::open(port)?.holders(*address).map(|macs| Answer::Holders { macs }),
        Question::Offers { port, free } => Port::open(port)?.offers(free),
        Question::Disks {} => disks::ask_all(Path::new("smartctl")).map(|disks| Answer::Disks { disks }),
    }
}

/// A port with its hardware address, to send and hear frames.
struct Port {
    socket: RawSocket,
    mac: EthernetAddress,
}

impl Port {
    fn open(name: &PortName) -> Result<Self, String> {
        let path = format!("/sys/class/net/{}/address", name.as_str());
        let text = std::fs::read_to_string(path).map_err(|e| format!("there is no port {} ({e})", name.as_str()))?;
        let mac = text.trim().parse().map_err(|()| format!("port {} has no hardware address", name.as_str()))?;
        let socket = RawSocket::new(name.as_str(), Medium::Ethernet)
            .map_err(|e| format!("frames cannot be sent on port {}: {e}", name.as_str()))?;
        Ok(Self { socket, mac })
    }

    fn holders(&mut self, address: Ipv4Addr) -> Result<Vec<String>, String> {
        let own = self.mac;
        let mut macs: Vec<String> = Vec::new();
        for _ in 0..PROBES {
            self.send(&arp_probe(own, address));
            self.hear(Instant::now() + PROBE_PAUSE, |frame| {
                let mac = holder(frame, address, own).map(written);
                if let Some(mac) = mac.filter(|mac| !macs.contains(mac)) {
                    macs.push(mac);
                }
            })?;
        }
        Ok(macs)
    }

    fn offers(&mut self, free: &[Ipv4Addr]) -> Result<Answer, String> {
        let random = |_| "there are no random numbers".to_owned();
        let transaction = || random_bytes::<4>().map(u32::from_be_bytes).map_err(random);
        let stranger = || random_bytes::<4>().map(locally_made).map_err(random);
        let known = Discover { from: self.mac, transaction: transaction()?, client: None, liked: None };
        let like = |at: usize| free.get(at).copied();
        let unknown = Discover { transaction: transaction()?, client: Some(stranger()?), liked: like(0), ..known };
        let elsewhere = stranger()?;
        let other = |at| -> Result<Discover, String> {
            Ok(Discover { from: elsewhere, transaction: transaction()?, client: Some(stranger()?), liked: like(at) })
        };
        let asked = [known, unknown, other(0)?, other(1)?];
        let mut heard: [Vec<Offer>; 4] = Default::default();
        let mut end = Instant::now() + OFFERS_WITHIN;
        while Instant::now() < end {
            for discover in asked {
                self.send(&discover.frame().ok_or("the question cannot be written")?);
            }
            let again = (Instant::now() + ASK_AGAIN).min(end);
            self.hear(again, |frame| {
                let Some((transaction, offer)) = offer(frame) else { return };
                for (discover, offers) in asked.iter().zip(&mut heard) {
                    if discover.transaction == transaction && !offers.contains(&offer) {
                        offers.push(offer.clone());
                    }
                }
            })?;
            if heard.iter().all(|offers| !offers.is_empty()) {
                end = end.min(Instant::now() + SECOND_SERVER_WITHIN);
            }
        }
        let [known, unknown, one, two] = heard;
        Ok(Answer::Offers { known, unknown, others: [one, two] })
    }

    fn send(&mut self, frame: &[u8]) {
        if let Some(token) = self.socket.transmit(now()) {
            token.consume(frame.len(), |room| room.copy_from_slice(frame));
        }
    }

    /// Gives every frame that comes until then to `take`.
    fn hear(&mut self, until: Instant, mut take: impl FnMut(&[u8])) -> Result<(), String> {
        loop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Ok(());
            };
            wait(self.socket.as_raw_fd(), Some(left.into())).map_err(|e| format!("frames cannot be heard: {e}"))?;
            // On a busy network there is always another frame.
            while Instant::now() < until
                && let Some((token, _)) = self.socket.receive(now())
            {
                token.consume(&mut take);
            }
        }
    }
}

/// An address of no hardware (IEEE 802: locally administered).
fn locally_made([a, b, c, d]: [u8; 4]) -> EthernetAddress {
    EthernetAddress([0x02, 0xDA, a, b, c, d])
}

/// As on the labels of devices.
fn written(mac: EthernetAddress) -> String {
    mac.0.map(|byte| format!("{byte:02x}")).join(":")
}

fn now() -> smoltcp::time::Instant {
    smoltcp::time::Instant::now()
}
