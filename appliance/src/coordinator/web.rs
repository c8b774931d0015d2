//! Plain HTTP: the one answer that shows whether somebody stands in between. It says nothing that TLS would have to hide.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::limits::OPENING;
use crate::partner::{CAPTIVE_PATH, CHALLENGE_HEADER, CHALLENGE_MAX, SEEN_HEADER, Timed};

/// The longest head of a request.
const HEAD_MAX: u64 = 2_048;

pub(super) fn serve(stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let mut stream = Timed::new(stream, OPENING);
    let challenge = read_head((&mut stream).take(HEAD_MAX))?;
    let answer = match challenge {
        Asked::Challenge(challenge) => format!(
            "HTTP/1.1 204 No Content\r\n{CHALLENGE_HEADER}: {challenge}\r\n{SEEN_HEADER}: {peer}\r\n\
             cache-control: no-store\r\nconnection: close\r\n\r\n"
        ),
        Asked::Other => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes())?;
    stream.stream().shutdown(std::net::Shutdown::Write)
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Challenge(String),
    Other,
}

fn read_head(stream: impl Read) -> io::Result<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ');
    let is_asked = words.next() == Some("GET") && words.next() == Some(CAPTIVE_PATH);
    let mut challenge = None;
    loop {
        let line = lines.next().ok_or(ErrorKind::UnexpectedEof)??;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case(CHALLENGE_HEADER)
        {
            challenge = Some(value.trim().to_owned());
        }
    }
    // It goes back into a header: letters and digits only.
    let is_sound = |c: &String| (1..=CHALLENGE_MAX).contains(&c.len()) && c.chars().all(|c| c.is_ascii_alphanumeric());
    Ok(challenge.filter(|c| is_asked && is_sound(c)).map_or(Asked::Other, Asked::Challenge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_question_is_answered() {
        let asked = |text: &str| read_head(text.as_bytes());
        let good = asked("GET /generate_204 HTTP/1.1\r\nHost: x\r\nX-Datis-Challenge: ab12\r\n\r\n").expect("head");
        assert_eq!(good, Asked::Challenge("ab12".to_owned()));
        for bad in [
            "GET / HTTP/1.1\r\nX-Datis-Challenge: ab12\r\n\r\n",
            "POST /generate_204 HTTP/1.1\r\nX-Datis-Challenge: ab12\r\n\r\n",
            "GET /generate_204 HTTP/1.1\r\nX-Datis-Challenge: a b\r\n\r\n",
            "GET /generate_204 HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(asked(bad).expect("head"), Asked::Other, "{bad:?}");
        }
        assert!(asked("GET /generate_204 HTTP/1.1\r\n").is_err(), "cut off");
        assert!(asked("\u{fffd}").is_err());
    }
}
