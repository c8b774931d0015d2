//! Messages about the ways between boxes: whether one is there, whether it is reached from outside, and connections that carry
//! the bytes of others. `docs/PROTOCOL.md` describes them.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::Message;
use crate::format::{FormatError, decode_all, encode};
use crate::ids::MemberId;

/// A box shows that it is there and answers: a handshake alone proves neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ping {
    /// Comes back.
    #[n(0)]
    pub nonce: ByteArray<8>,
}
message!(Ping => Pong, "/v1/peers/ping");

/// It is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Pong {
    /// That of the question.
    #[n(0)]
    pub nonce: ByteArray<8>,
}

/// A member asks to be dialled at the address that its question came from, and at no other.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DialBack {
    /// At which port; not 0.
    #[n(0)]
    pub port: u16,
    /// Nothing, but as much of it as the answering side may then send to that address ([`DIAL_BACK_LEN`]).
    #[n(1)]
    pub padding: ByteVec,
}
message!(DialBack => DialledBack, "/v1/peers/dialback");

/// The length of a [`DialBack`] in bytes: dialling sends less, so that nobody makes much out of little with it.
pub const DIAL_BACK_LEN: usize = 3 << 10;

impl DialBack {
    /// The question about a port, as long as it has to be.
    #[must_use]
    pub fn at(port: u16) -> Self {
        Self { port, padding: vec![0; DIAL_BACK_LEN].into() }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DialledBack {
    /// The address that was dialled, as text.
    #[n(0)]
    pub address: String,
    /// How far it went.
    #[n(1)]
    pub found: DialFound,
}

/// How far dialling went: each step includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum DialFound {
    /// No connection: nothing came back.
    #[n(0)]
    Silent,
    /// No connection: somebody refused.
    #[n(1)]
    Refused,
    /// No connection: the network said that there is no way.
    #[n(2)]
    Prohibited,
    /// A connection, and nobody there speaks TLS as boxes do.
    #[n(3)]
    NoTls,
    /// TLS, with another key than the member's.
    #[n(4)]
    OtherKey,
    /// The member's key, and no answer on that connection.
    #[n(5)]
    NoAnswer,
    /// The member's box answers.
    #[n(6)]
    Reached {
        /// From the question to the answer.
        #[n(0)]
        millis: u32,
    },
}

impl DialFound {
    /// Whether the member's box is reached there.
    #[must_use]
    pub const fn is_reached(self) -> bool {
        match self {
            Self::Reached { .. } => true,
            Self::Silent | Self::Refused | Self::Prohibited | Self::NoTls | Self::OtherKey | Self::NoAnswer => false,
        }
    }
}

/// What a connection speaks that carries bytes of others, in the place of HTTP (ALPN).
pub const CHANNEL_PROTOCOL: &[u8] = b"datis-channel/1";

/// The longest message on such a connection, in bytes.
pub const CHANNEL_MESSAGE_MAX: usize = 64;

/// The first message on such a connection: what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum OpenChannel {
    /// The asking side lends it: the asked one may take it, once, as a connection to the asking one's machine port.
    #[n(0)]
    Lend,
    /// To be a connection to another member's machine port.
    #[n(1)]
    Relay {
        /// Whose.
        #[n(0)]
        to: MemberId,
    },
    /// To be a connection to the asked side's own machine port, by somebody whom the asking side relays for.
    #[n(2)]
    Relayed,
}

/// The answer to [`OpenChannel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ChannelAnswer {
    /// So be it; what follows is no message any more.
    #[n(0)]
    Ready,
    /// It ends here.
    #[n(1)]
    Closed(#[n(0)] ChannelClosed),
}

/// Why a connection is not to carry bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[cbor(index_only)]
pub enum ChannelClosed {
    /// The asked side reaches the asking one by itself.
    #[n(0)]
    #[error("the other box reaches this one by itself")]
    NotNeeded,
    /// The asking side is no member, or the other one is none.
    #[n(1)]
    #[error("one of the two boxes is not of the community")]
    NoMember,
    /// The asked side does not reach the member either.
    #[n(2)]
    #[error("the box in between does not reach the other one either")]
    NoWay,
    /// There are as many as there may be.
    #[n(3)]
    #[error("the box in between has no place left")]
    Busy,
    /// What it carries a day for these two is used up, or it relays for nobody.
    #[n(4)]
    #[error("the box in between carries no more between the two today")]
    UsedUp,
}

/// On a lent connection, every so often in both directions: it is alive.
pub const LENT_ALIVE: u8 = 0;
/// On a lent connection: the borrower takes it. The lender says the same; what follows it goes to and from its machine port.
pub const LENT_TAKEN: u8 = 1;

/// A message on a channel: its length in one byte, then CBOR.
///
/// # Panics
/// Never: no message here is longer than [`CHANNEL_MESSAGE_MAX`], which a test holds.
#[must_use]
pub fn channel_frame<T: Encode<()>>(message: &T) -> Vec<u8> {
    let body = encode(message);
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[len], body.as_slice()].concat()
}

/// Reads the message of a frame, without its length.
///
/// # Errors
/// [`FormatError`].
pub fn read_channel_message<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, FormatError> {
    decode_all("channel", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_on_channels_fit_their_frame_and_come_back() {
        for asked in [
            OpenChannel::Lend,
            OpenChannel::Relayed,
            OpenChannel::Relay { to: MemberId::from_bytes([255; MemberId::LEN]) },
        ] {
            let frame = channel_frame(&asked);
            assert!(frame.len() <= 1 + CHANNEL_MESSAGE_MAX && usize::from(frame[0]) == frame.len() - 1);
            assert_eq!(read_channel_message::<OpenChannel>(&frame[1..]).expect("a message"), asked);
        }
        for told in [ChannelAnswer::Ready, ChannelAnswer::Closed(ChannelClosed::UsedUp)] {
            let frame = channel_frame(&told);
            assert_eq!(read_channel_message::<ChannelAnswer>(&frame[1..]).expect("a message"), told);
        }
        for noise in [&b""[..], b"\xff", b"\x82\x09\x80", b"\x82\x00\x80\x00"] {
            assert!(read_channel_message::<OpenChannel>(noise).is_err(), "{noise:?}");
        }
    }

    #[test]
    fn a_question_to_be_dialled_is_as_long_as_it_says() {
        assert!(encode(&DialBack::at(20_600)).len() >= DIAL_BACK_LEN);
        assert!(encode(&DialBack::at(u16::MAX)).len() < 4 << 10, "it is a small message");
    }
}
