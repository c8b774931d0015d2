//! What goes over a wire: a port in front of a box that passes everything on, and writes it down or goes slowly.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Sees what goes in one direction of one connection, piece by piece, before it is passed on.
type Watch = Box<dyn FnMut(&[u8]) + Send>;

/// A port that passes everything on, once it is said where to.
#[derive(Debug)]
struct Front {
    port: u16,
    target: Arc<OnceLock<u16>>,
}

impl Front {
    /// `watch`: for each connection, what sees what goes there and what comes back.
    fn open(watch: impl Fn() -> (Watch, Watch) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let target = Arc::new(OnceLock::new());
        let front = Self { port, target: Arc::clone(&target) };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Some(far) = target.get().and_then(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok())
                else {
                    continue;
                };
                let (there, back) = watch();
                for (from, to, watch) in [(&near, &far, there), (&far, &near, back)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    std::thread::spawn(move || pass_on(from, to, watch));
                }
            }
        });
        front
    }

    fn lead_to(&self, port: u16) {
        self.target.set(port).expect("it leads nowhere yet");
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut watch: Watch) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        watch(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // Whoever has ended already needs no word.
    let _ = to.shutdown(Shutdown::Write);
}

/// One direction of one connection.
type Direction = Arc<Mutex<Vec<u8>>>;

/// A port that passes everything on, and keeps a copy.
#[derive(Debug)]
pub struct Recorder {
    front: Front,
    connections: Arc<Mutex<Vec<(Direction, Direction)>>>,
}

impl Recorder {
    /// Listens on a free port of this computer; connections are passed on once [`Self::lead_to`] says where to.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&connections);
        let front = Front::open(move || {
            let (there, back) = (Direction::default(), Direction::default());
            let both = (Arc::clone(&there), Arc::clone(&back));
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(both);
            (keep_in(there), keep_in(back))
        });
        Self { front, connections }
    }

    /// The port to be found at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.front.port
    }

    /// Passes connections on to this port of this computer from now on.
    ///
    /// # Panics
    /// When it was said before.
    pub fn lead_to(&self, port: u16) {
        self.front.lead_to(port);
    }

    /// What came through so far: of each connection both directions, each in one piece.
    #[must_use]
    pub fn recorded(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let copy = |one: &Direction| one.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().map(|(there, back)| (copy(there), copy(back))).collect()
    }
}

fn keep_in(direction: Direction) -> Watch {
    Box::new(move |bytes| direction.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes))
}

/// A port that passes everything on: as fast as it comes, until what comes back is to go slowly.
#[derive(Debug)]
pub struct Bottleneck {
    front: Front,
    line: Arc<Line>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Line {
    /// In bytes a second; 0: as fast as it comes.
    rate: AtomicU32,
    /// Whoever sends has it.
    sending: Mutex<()>,
}

impl Line {
    /// Returns when so much has gone through.
    fn send(&self, bytes: usize) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            let _alone = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            std::thread::sleep(Duration::from_secs_f64(f64::from(bytes) / f64::from(rate)));
        }
    }
}

impl Bottleneck {
    /// Listens on a free port of this computer; connections are passed on once [`Self::lead_to`] says where to.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let line = Arc::new(Line::default());
        let shared = Arc::clone(&line);
        let front = Front::open(move || {
            let line = Arc::clone(&shared);
            (Box::new(|_: &[u8]| ()), Box::new(move |bytes: &[u8]| line.send(bytes.len())))
        });
        Self { front, line }
    }

    /// The port to be found at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.front.port
    }

    /// Passes connections on to this port of this computer from now on.
    ///
    /// # Panics
    /// When it was said before.
    pub fn lead_to(&self, port: u16) {
        self.front.lead_to(port);
    }

    /// From now on so many bytes a second come back, of all connections together.
    pub fn narrow_to(&self, bytes_a_second: u32) {
        self.line.rate.store(bytes_a_second, Ordering::Relaxed);
    }
}
