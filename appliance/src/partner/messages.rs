//! The messages: two bytes of length, most significant first, then one CBOR value.

use std::io::{self, Read, Write};
use std::time::Duration;

use datis_engine::ids::SpkiPin;
use minicbor::{Decode, Encode};

/// The longest message.
const MESSAGE_MAX: usize = 1_024;
/// The longest piece of a rate test.
pub(crate) const CHUNK_MAX: usize = 16 << 10;
/// The most that one rate test moves.
pub(crate) const RATE_BYTES_MAX: u64 = 8 << 20;
/// The longest that one rate test lasts.
pub(crate) const RATE_TIME_MAX: Duration = Duration::from_secs(2);

/// What a box asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Request {
    /// From where do you see me, and what time is it?
    #[n(0)]
    Hello,
    /// Dial the address that you see, at this port: is the box with this key there?
    #[n(1)]
    Dial {
        #[n(0)]
        port: u16,
        #[n(1)]
        pin: SpkiPin,
    },
    /// Pieces of any content follow, the last one empty; how fast did they come?
    #[n(2)]
    Upload,
    /// Send pieces, the last one empty.
    #[n(3)]
    Download,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Answer {
    /// To [`Request::Hello`].
    #[n(0)]
    Seen(#[n(0)] Seen),
    /// To [`Request::Dial`].
    #[n(1)]
    Dialled(#[n(0)] Dialled),
    /// To [`Request::Upload`], and after the last piece of [`Request::Download`].
    #[n(2)]
    Measured(#[n(0)] Measured),
    /// To anything.
    #[n(3)]
    Refused(#[n(0)] Refusal),
}

/// How the other end sees the one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Seen {
    /// The address.
    #[n(0)]
    pub(crate) address: String,
    /// The port.
    #[n(1)]
    pub(crate) port: u16,
    /// Milliseconds since 1970, by its own clock.
    #[n(2)]
    pub(crate) now: i64,
    /// The ports it answers on; the first one answers datagrams too.
    #[n(3)]
    pub(crate) ports: Vec<u16>,
}

/// What became of dialling back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Dialled {
    #[n(0)]
    pub(crate) verdict: DialVerdict,
    #[n(1)]
    pub(crate) millis: u32,
    /// From where it was tried.
    #[n(2)]
    pub(crate) from: String,
}

/// What was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum DialVerdict {
    /// The box with the key.
    #[n(0)]
    Ours,
    /// Somebody else: another key, or no TLS.
    #[n(1)]
    Other,
    /// A refusal.
    #[n(2)]
    Refused,
    /// Nothing came back.
    #[n(3)]
    TimedOut,
    /// A word from the network that there is no way.
    #[n(4)]
    Prohibited,
}

/// How fast bytes came or went.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Measured {
    #[n(0)]
    pub(crate) bytes: u64,
    #[n(1)]
    pub(crate) millis: u32,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Refusal {
    /// The message is none of this protocol.
    #[n(0)]
    Unreadable,
    /// This address has asked for that too often.
    #[n(1)]
    TooOften,
    /// Too many are being served.
    #[n(2)]
    Busy,
    /// A port below 1024 is never dialled.
    #[n(3)]
    Port,
}

/// Writes a message.
///
/// # Errors
/// The stream's.
pub(crate) fn write_message(stream: &mut impl Write, message: &impl Encode<()>) -> io::Result<()> {
    let mut bytes = vec![0; 2];
    minicbor::encode(message, &mut bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let length = bytes.len() - 2;
    let Ok(length) = u16::try_from(length) else { return Err(io::ErrorKind::InvalidInput.into()) };
    bytes[..2].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Reads a message.
///
/// # Errors
/// The stream's; [`io::ErrorKind::InvalidData`] when it is too long or none of this protocol.
pub(crate) fn read_message<T: for<'b> Decode<'b, ()>>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > MESSAGE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    minicbor::decode(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_written() {
        let asked =
            [Request::Hello, Request::Dial { port: 20_600, pin: SpkiPin::from_bytes([7; 32]) }, Request::Upload];
        let mut bytes = Vec::new();
        for request in &asked {
            write_message(&mut bytes, request).expect("write");
        }
        let mut left = bytes.as_slice();
        for request in &asked {
            assert_eq!(&read_message::<Request>(&mut left).expect("read"), request);
        }
        assert!(left.is_empty());
    }

    #[test]
    fn what_is_too_long_cut_off_or_foreign_is_an_error() {
        for bytes in [&[0xFF, 0xFF, 0][..], &[0, 5, 0x82], &[0, 1, 0x00], &[0], &[0, 2, 0x82, 0x18]] {
            assert!(read_message::<Request>(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
