//! The helper itself: one order in, one answer out; for something that is tried, two.

use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use rustix::fs::Mode;

use super::addressing::Addressing;
use super::journal::{Entry, Journal};
use super::manager::{Back, run};
use super::{Answer, KEEP, Manager, Order, PortName, Switch, TrialSeconds};
use crate::helpers::{LINE_MAX, line_of, read_line};

/// Before a new address is put on: whoever asked for it is still to hear that it will be.
const MOMENT: Duration = Duration::from_secs(2);
/// A helper that has just lost its daemon takes back what it tries; the next one waits for it.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(20);

/// The program `datis-hand`.
#[must_use]
pub fn main() -> ExitCode {
    // Managers run as users of their own and read what is written here.
    rustix::process::umask(Mode::from_bits_truncate(0o022));
    let mut input = std::io::stdin();
    let read = read_line(&mut input).map_err(|e| e.to_string());
    let order = read.and_then(|line| {
        serde_json::from_str::<Order>(&line).map_err(|e| format!("the order is not understood ({e})"))
    });
    let answer = order.and_then(|order| match order {
        Order::Look { port } => Ok(Answer::Managed { by: Manager::of(&known(port)?) }),
        Order::Try { port, wanted, seconds } => attempt(known(port)?, wanted, seconds),
        Order::Settle => settle(),
        Order::Power { switch } => power(switch),
    });
    let answer = answer.unwrap_or_else(|reason| Answer::Failed { reason });
    if say(&answer) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(answer: &Answer) -> bool {
    let written = line_of(answer).and_then(|line| {
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    });
    written.is_ok()
}

/// A port of this computer, whose name means nothing else to a manager (they know patterns).
fn known(port: PortName) -> Result<PortName, String> {
    let is_plain = port.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
    let is_there = std::path::Path::new("/sys/class/net").join(port.as_str()).exists();
    if is_plain && is_there { Ok(port) } else { Err(format!("there is no port {}", port.as_str())) }
}

/// How a trial ended, for the helper.
enum Tried {
    Kept,
    /// No word for it came in time, or nobody is there to say one.
    Unconfirmed,
    Failed(String),
}

/// Puts an address on, and keeps it only when the word for it comes in time.
fn attempt(port: PortName, wanted: Addressing, seconds: TrialSeconds) -> Result<Answer, String> {
    let manager = Manager::of(&port)
        .ok_or_else(|| format!("neither systemd-networkd nor NetworkManager manages port {}", port.as_str()))?;
    let journal = Journal::open()?.ok_or("another change of the network is being tried")?;
    if let Some(entry) = journal.left_over()? {
        // An old setting that does not come up is no reason to refuse a new one.
        let _: Back = entry.manager.take_back(entry.before.as_deref())?;
    }
    let before = manager.before(&port)?;
    let entry = Entry { manager, port, wanted, before };
    journal.write(&entry)?;
    // Who does not hear this does not learn where the box will be.
    if !say(&Answer::Trying) {
        journal.clear()?;
        return Ok(Answer::TakenBack);
    }
    let words = listen();
    std::thread::sleep(MOMENT);
    if !forget_early(&words) {
        journal.clear()?;
        return Ok(Answer::TakenBack);
    }
    let outcome = match put_on_and_wait(&entry, &words, seconds) {
        Tried::Kept => Ok(Answer::Kept),
        not_kept @ (Tried::Unconfirmed | Tried::Failed(_)) => {
            // While this fails the journal stays, and the next start tries again.
            match (manager.take_back(entry.before.as_deref()), not_kept) {
                (Err(reason), _) => return Ok(Answer::Stuck { reason }),
                (Ok(Back::Down(reason)), _) => Ok(Answer::Down { reason }),
                (Ok(Back::Whole), Tried::Failed(reason)) => Err(reason),
                (Ok(Back::Whole), Tried::Kept | Tried::Unconfirmed) => Ok(Answer::TakenBack),
            }
        }
    };
    // Whoever comes next takes back what its journal holds, also what was kept.
    if let Err(reason) = journal.clear() {
        return Ok(Answer::Stuck { reason });
    }
    if matches!(outcome, Ok(Answer::Kept)) {
        manager.forget(entry.before.as_deref());
    }
    outcome
}

fn put_on_and_wait(entry: &Entry, words: &Receiver<Keep>, seconds: TrialSeconds) -> Tried {
    if let Err(reason) = entry.manager.put_on(&entry.port, &entry.wanted) {
        return Tried::Failed(reason);
    }
    let end = Instant::now() + seconds.time();
    // What was said until now came by the old address.
    if !forget_early(words) || !say(&Answer::On) {
        return Tried::Unconfirmed;
    }
    // No word: the other side went away, or the time is over.
    match words.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(Keep) => match entry.manager.keep(&entry.port, &entry.wanted) {
            Ok(()) => Tried::Kept,
            Err(reason) => Tried::Failed(reason),
        },
        Err(_) => Tried::Unconfirmed,
    }
}

/// The daemon's word that what is tried is to be kept.
struct Keep;

/// Hears the words; the channel ends when the daemon says anything else or goes away.
fn listen() -> Receiver<Keep> {
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let input = BufReader::new(std::io::Read::take(std::io::stdin().lock(), LINE_MAX));
        for line in input.lines().map_while(Result::ok) {
            if line.trim_end() != KEEP || said.send(Keep).is_err() {
                return;
            }
        }
    });
    heard
}

/// Forgets what was said until now; whether anybody is still there.
fn forget_early(words: &Receiver<Keep>) -> bool {
    loop {
        match words.try_recv() {
            Ok(Keep) => {}
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

fn settle() -> Result<Answer, String> {
    let until = Instant::now() + OTHERS_END_WITHIN;
    let journal = loop {
        match Journal::open()? {
            Some(journal) => break journal,
            None if Instant::now() > until => return Err("another change of the network is being tried".to_owned()),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let Some(entry) = journal.left_over()? else { return Ok(Answer::Nothing) };
    let answer = match entry.manager.take_back(entry.before.as_deref()) {
        Ok(Back::Whole) => Answer::TakenBack,
        Ok(Back::Down(reason)) => Answer::Down { reason },
        Err(reason) => return Ok(Answer::Stuck { reason }),
    };
    journal.clear()?;
    Ok(answer)
}

/// The service manager ends everything in order, the box too, and only then the computer.
fn power(switch: Switch) -> Result<Answer, String> {
    let word = match switch {
        Switch::Restart => "reboot",
        Switch::Off => "poweroff",
    };
    run("systemctl", &[word]).map(|_| Answer::Told)
}
