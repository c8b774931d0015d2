//! One plain HTTP question to a partner, with a challenge that has to come back: the one thing that somebody in between
//! cannot do, and from which port it came out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use data_encoding::HEXLOWER;
use datis_engine::keys::random_bytes;

use crate::partner::{CAPTIVE_PATH, CHALLENGE_HEADER, Reach, SEEN_HEADER, Timed};
use crate::plain::plain;

/// For connecting, and again for the answer.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// The longest head of an answer.
const HEAD_MAX: u64 = 16 << 10;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Web {
    /// The partner's own answer, and from where it was asked.
    Genuine { seen: Option<SocketAddr> },
    /// Somebody else's: the status, and where it leads.
    Other { status: u16, location: Option<String> },
    /// No connection.
    Unreached(Reach),
    /// A connection, and nothing that is HTTP.
    Mute,
}

/// Asks, from a port of one's own if one is given.
pub(super) fn ask(partner: SocketAddr, from_port: Option<u16>) -> Web {
    let any: IpAddr = if partner.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let own = SocketAddr::new(any, from_port.unwrap_or(0));
    let (reach, _, stream) = Reach::try_tcp_from(own, partner, PATIENCE);
    let Some(stream) = stream else { return Web::Unreached(reach) };
    let Ok(challenge) = random_bytes::<16>() else { return Web::Mute };
    let challenge = HEXLOWER.encode(&challenge);
    let mut stream = Timed::new(stream, PATIENCE);
    let question = format!(
        "GET {CAPTIVE_PATH} HTTP/1.1\r\nHost: {partner}\r\n{CHALLENGE_HEADER}: {challenge}\r\nConnection: close\r\n\r\n"
    );
    if stream.write_all(question.as_bytes()).is_err() {
        return Web::Mute;
    }
    read(stream.take(HEAD_MAX), &challenge).unwrap_or(Web::Mute)
}

fn read(answer: impl Read, challenge: &str) -> Option<Web> {
    let mut lines = BufReader::new(answer).lines().map_while(Result::ok);
    let status: u16 = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let (mut echoed, mut location, mut seen) = (false, None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            CHALLENGE_HEADER => echoed = value == challenge,
            SEEN_HEADER => seen = value.parse().ok(),
            "location" => location = Some(plain(value, 200)),
            _ => {}
        }
    }
    Some(if status == 204 && echoed { Web::Genuine { seen } } else { Web::Other { status, location } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_the_challenge_is_the_partners_own() {
        let other = |status, location: Option<&str>| Web::Other { status, location: location.map(str::to_owned) };
        for (text, expected) in [
            (
                "HTTP/1.1 204 No Content\r\nX-Datis-Challenge: ab\r\nX-Datis-Seen: 11.22.33.2:4711\r\n\r\n",
                Some(Web::Genuine { seen: "11.22.33.2:4711".parse().ok() }),
            ),
            ("HTTP/1.1 204 No Content\r\nX-Datis-Challenge: cd\r\n\r\n", Some(other(204, None))),
            ("HTTP/1.1 204 No Content\r\n\r\n", Some(other(204, None))),
            ("HTTP/1.0 302 Found\r\nLocation: http://login/\r\n\r\n", Some(other(302, Some("http://login/")))),
            ("HTTP/1.1 200 OK\r\nX-Datis-Challenge: ab\r\n\r\n", Some(other(200, None))),
            ("SSH-2.0-x\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(text.as_bytes(), "ab"), expected, "{text}");
        }
    }
}
