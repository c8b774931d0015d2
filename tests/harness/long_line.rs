//! A line that is long: what comes to it goes on to a box's port, and every byte gets there later by the time that it is on its way.
//!
//! Nothing else of a real line is here: no loss, no limit of its rate. With a window as much of one connection is on its way at
//! most, in each direction, until the other end could have said that it has it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that are read at once.
const GULP: usize = 64 << 10;

/// How long the line is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Length {
    /// There and back.
    pub round_trip: Duration,
    /// Bytes of one connection that are on their way at most; `None`: any number.
    pub window: Option<usize>,
}

/// Such a line. It ends when it is dropped.
#[derive(Debug)]
pub struct LongLine {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    to: AtomicU16,
    length: Mutex<Length>,
    /// Bytes that came out at the box's port.
    arrived: AtomicU64,
    /// Connections that stand, and the most that stood together.
    open: AtomicUsize,
    open_max: AtomicUsize,
    is_over: AtomicBool,
}

impl LongLine {
    /// A line that leads nowhere yet, and is short.
    ///
    /// # Panics
    /// When the system gives no port.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared::default());
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Self { port, shared, accepting: Some(accepting) }
    }

    /// Where it begins.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections come out at this port.
    pub fn lead_to(&self, port: u16) {
        self.shared.to.store(port, Ordering::SeqCst);
    }

    /// What is sent from now on takes this long.
    pub fn set_length(&self, length: Length) {
        *self.shared.length.lock().unwrap_or_else(PoisonError::into_inner) = length;
    }

    /// Bytes that came out at the box's port so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.shared.arrived.load(Ordering::SeqCst)
    }

    /// The most connections that stood together since this was asked last.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        self.shared.open_max.swap(self.shared.open.load(Ordering::SeqCst), Ordering::SeqCst)
    }
}

impl Default for LongLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LongLine {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // It waits for the next connection: this one.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ended = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for near in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
            shared.open_max.fetch_max(open, Ordering::SeqCst);
            // Whoever uses it sees that it has ended.
            let _ended = near.and_then(|near| join(&near, &shared));
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Moves bytes both ways until both ends have closed.
fn join(near: &TcpStream, shared: &Shared) -> io::Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.to.load(Ordering::SeqCst)))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    std::thread::scope(|scope| {
        for (from, to, counts) in [(near, &far, true), (&far, near, false)] {
            let (send, due) = channel();
            scope.spawn(move || take(from, shared, &send));
            scope.spawn(move || give(to, &due, counts.then_some(&shared.arrived)));
        }
    });
    Ok(())
}

/// Bytes, and when they get there.
type OnTheWay = (Instant, Vec<u8>);

fn take(mut from: &TcpStream, shared: &Shared, send: &Sender<OnTheWay>) {
    let mut buffer = vec![0; GULP];
    let (mut unheard, mut unheard_bytes) = (VecDeque::<(Instant, usize)>::new(), 0);
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let Length { round_trip, window } = *shared.length.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((heard, bytes)) = unheard.front().copied() {
            let left = heard.saturating_duration_since(Instant::now());
            if !left.is_zero() && window.is_none_or(|window| unheard_bytes < window) {
                break;
            }
            std::thread::sleep(left);
            unheard_bytes -= bytes;
            unheard.pop_front();
        }
        let now = Instant::now();
        if window.is_some() {
            unheard.push_back((now + round_trip, len));
            unheard_bytes += len;
        }
        if send.send((now + round_trip / 2, buffer[..len].to_vec())).is_err() {
            return;
        }
    }
}

fn give(mut to: &TcpStream, due: &Receiver<OnTheWay>, arrived: Option<&AtomicU64>) {
    for (at, bytes) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            // Nothing more is taken either.
            let _gone = to.shutdown(Shutdown::Both);
            return;
        }
        if let Some(arrived) = arrived {
            arrived.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}
