//! A connection that ends at a certain time, however slowly the other end drips.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Bytes under way at most, where writes are paced. They take 2.6 s at 0.8 Mb/s, and fill 40 Mb/s at 50 ms.
const UNDER_WAY_MAX: usize = 256 << 10;

/// A stream whose reads and writes fail once the time is over.
#[derive(Debug)]
pub(crate) struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, until: Instant::now() + patience }
    }

    /// Sets a new end.
    pub(crate) fn extend(&mut self, patience: Duration) {
        self.until = Instant::now() + patience;
    }

    /// Has writes go at the pace of the line: what the system would take for sending later stands on a slow line for longer
    /// than a measurement lasts.
    pub(crate) fn pace_writes(&self) -> io::Result<()> {
        SockRef::from(&self.stream).set_send_buffer_size(UNDER_WAY_MAX)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        // Zero would mean "for ever" to the system.
        if left < Duration::from_millis(1) { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(from).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
