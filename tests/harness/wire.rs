//! What goes over a wire, written down: a port in front of a box that passes everything on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One direction of one connection.
type Direction = Arc<Mutex<Vec<u8>>>;

/// A port that passes everything on, and keeps a copy.
#[derive(Debug)]
pub struct Recorder {
    port: u16,
    target: Arc<OnceLock<u16>>,
    connections: Arc<Mutex<Vec<(Direction, Direction)>>>,
}

impl Recorder {
    /// Listens on a free port of this computer; connections are passed on once [`Self::lead_to`] says where to.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (target, connections) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
        let recorder = Self { port, target: Arc::clone(&target), connections: Arc::clone(&connections) };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Some(far) = target.get().and_then(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok())
                else {
                    continue;
                };
                let (there, back) = (Direction::default(), Direction::default());
                connections
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((Arc::clone(&there), Arc::clone(&back)));
                for (from, to, kept) in [(&near, &far, there), (&far, &near, back)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    std::thread::spawn(move || pass_on(from, to, &kept));
                }
            }
        });
        recorder
    }

    /// The port to be found at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes connections on to this port of this computer from now on.
    ///
    /// # Panics
    /// When it was said before.
    pub fn lead_to(&self, port: u16) {
        self.target.set(port).expect("it leads nowhere yet");
    }

    /// What came through so far: of each connection both directions, each in one piece.
    #[must_use]
    pub fn recorded(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let copy = |one: &Direction| one.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().map(|(there, back)| (copy(there), copy(back))).collect()
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, kept: &Direction) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // Whoever has ended already needs no word.
    let _ = to.shutdown(Shutdown::Write);
}
