//! Datagrams that are answered: whether UDP gets out, and how large a packet may be. The answer is never longer than the
//! question, so that nobody can use it to make more of a forged address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const QUESTION: &[u8; 8] = b"datisq1\0";
const ANSWER: &[u8; 8] = b"datisa1\0";
/// Magic, nonce.
const HEAD: usize = 8 + 16;
/// The length of an answer: magic, nonce, address, port, length of the question.
pub(crate) const ECHO_ANSWER: usize = HEAD + 16 + 2 + 2;
/// The shortest question, so that the answer is not longer.
pub(crate) const ECHO_MIN: usize = ECHO_ANSWER;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EchoAnswer {
    /// From where the question came, seen from there.
    pub(crate) from: SocketAddr,
    /// How long it was.
    pub(crate) length: u16,
}

/// A question of `length` bytes, at least [`ECHO_MIN`].
pub(crate) fn echo_question(nonce: [u8; 16], length: usize) -> Vec<u8> {
    let mut question = Vec::with_capacity(length.max(ECHO_MIN));
    question.extend(QUESTION);
    question.extend(nonce);
    question.resize(length.max(ECHO_MIN), 0);
    question
}

/// The answer to a question; `None` for anything else.
pub(crate) fn answer_echo(question: &[u8], from: SocketAddr) -> Option<[u8; ECHO_ANSWER]> {
    if question.len() < ECHO_MIN || !question.starts_with(QUESTION) {
        return None;
    }
    let mut answer = [0; ECHO_ANSWER];
    answer[..8].copy_from_slice(ANSWER);
    answer[8..HEAD].copy_from_slice(&question[8..HEAD]);
    let address = match from.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    answer[HEAD..HEAD + 16].copy_from_slice(&address.octets());
    answer[HEAD + 16..HEAD + 18].copy_from_slice(&from.port().to_be_bytes());
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    answer[HEAD + 18..].copy_from_slice(&length.to_be_bytes());
    Some(answer)
}

impl EchoAnswer {
    /// Reads an answer to the question with this nonce.
    pub(crate) fn read(answer: &[u8], nonce: [u8; 16]) -> Option<Self> {
        let rest = answer.strip_prefix(ANSWER)?.strip_prefix(&nonce)?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let ip = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
        let from = SocketAddr::new(ip, u16::from_be_bytes(*port));
        rest.is_empty().then_some(Self { from, length: u16::from_be_bytes(*length) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_where_the_question_came_from_and_is_never_longer() {
        for (from, length) in [("11.22.33.2:4711", 0), ("[2001:db8::1]:4711", 1_472)] {
            let from: SocketAddr = from.parse().expect("address");
            let question = echo_question([7; 16], length);
            let answer = answer_echo(&question, from).expect("an answer");
            assert!(answer.len() <= question.len());
            let read = EchoAnswer::read(&answer, [7; 16]).expect("an answer");
            assert_eq!((read.from, usize::from(read.length)), (from, question.len()));
            assert_eq!(EchoAnswer::read(&answer, [8; 16]), None);
            assert_eq!(answer_echo(&question[..ECHO_MIN - 1], from), None);
            assert_eq!(answer_echo(&answer, from), None, "two coordinators would talk for ever");
        }
    }
}
