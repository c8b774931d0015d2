//! A connection to a partner, known by its key.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use datis_engine::ids::SpkiPin;
use rustls::{ClientConnection, StreamOwned};

use super::{
    Answer, CHUNK_MAX, Measured, RATE_BYTES_MAX, RATE_TIME_MAX, Reach, Refusal, Request, Timed, greet, read_message,
    write_message,
};

/// For opening a connection, and again for the handshake.
const OPENING: Duration = Duration::from_millis(2_500);

/// An open connection to the right box.
pub(crate) struct Link {
    tls: StreamOwned<ClientConnection, Timed>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// No connection.
    Unreached(Reach),
    /// Another key than the partner's; who signed its certificate.
    Other(String),
    /// Something is there that does not speak TLS 1.3, or no partner's protocol.
    Foreign(String),
    /// The partner does not want to.
    Refused(Refusal),
    /// The connection broke.
    Broken(String),
}

impl Link {
    /// Connects, and looks at the other end's key before anything is said.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) fn open(address: SocketAddr, pin: SpkiPin) -> Result<Self, Unanswered> {
        let (reach, _, stream) = Reach::try_tcp(address, OPENING);
        let stream = stream.ok_or(Unanswered::Unreached(reach))?;
        let greeting = greet(stream, OPENING, true).map_err(|error| Unanswered::Foreign(error.to_string()))?;
        if greeting.pin != pin {
            return Err(Unanswered::Other(greeting.issuer));
        }
        if !greeting.is_partner {
            return Err(Unanswered::Foreign("ALPN".to_owned()));
        }
        Ok(Self { tls: greeting.tls })
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) fn ask(&mut self, request: &Request, patience: Duration) -> Result<Answer, Unanswered> {
        self.tls.sock.extend(patience);
        write_message(&mut self.tls, request).and_then(|()| read_message(&mut self.tls)).map_err(broken).and_then(taken)
    }

    /// Sends for some seconds. Gives what arrived.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) fn upload(&mut self) -> Result<Measured, Unanswered> {
        self.tls.sock.extend(RATE_TIME_MAX * 3);
        let answer: Answer = self.send().and_then(|()| read_message(&mut self.tls)).map_err(broken)?;
        measured(answer)
    }

    fn send(&mut self) -> io::Result<()> {
        self.tls.sock.pace_writes()?;
        write_message(&mut self.tls, &Request::Upload)?;
        let (piece, began, mut sent) = (vec![0x5A; CHUNK_MAX], Instant::now(), 0);
        while sent < RATE_BYTES_MAX && began.elapsed() < RATE_TIME_MAX {
            self.tls.write_all(&(CHUNK_MAX as u16).to_be_bytes())?;
            self.tls.write_all(&piece)?;
            sent += CHUNK_MAX as u64;
        }
        self.tls.write_all(&[0, 0])?;
        self.tls.flush()
    }

    /// Receives for some seconds. Gives what arrived here.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) fn download(&mut self) -> Result<Measured, Unanswered> {
        self.tls.sock.extend(RATE_TIME_MAX * 3);
        self.receive().map_err(broken)
    }

    fn receive(&mut self) -> io::Result<Measured> {
        write_message(&mut self.tls, &Request::Download)?;
        let (mut piece, mut began, mut bytes) = (vec![0; CHUNK_MAX], None, 0_u64);
        loop {
            let mut length = [0; 2];
            self.tls.read_exact(&mut length)?;
            let began = *began.get_or_insert_with(Instant::now);
            let length = usize::from(u16::from_be_bytes(length));
            if length == 0 {
                let millis = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX).max(1);
                // What the sender counted is not asked about: what arrived is what matters.
                let _: Answer = read_message(&mut self.tls)?;
                return Ok(Measured { bytes, millis });
            }
            let room = piece.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
            self.tls.read_exact(room)?;
            bytes += length as u64;
            if bytes > RATE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn broken(error: io::Error) -> Unanswered {
    Unanswered::Broken(error.to_string())
}

fn taken(answer: Answer) -> Result<Answer, Unanswered> {
    match answer {
        Answer::Refused(refusal) => Err(Unanswered::Refused(refusal)),
        answer => Ok(answer),
    }
}

fn measured(answer: Answer) -> Result<Measured, Unanswered> {
    match taken(answer)? {
        Answer::Measured(measured) => Ok(measured),
        _ => Err(Unanswered::Foreign("CBOR".to_owned())),
    }
}
