//! What boxes ask one another about the way between them: a box that is being commissioned asks its partners, and any box
//! may be one (`coordinator`). The protocol is in `docs/PROTOCOL.md`, "A partner outside".
//!
//! Here is what both ends need: messages, TLS that goes by the key alone, connections with a time limit, and how a
//! connection that failed is to be understood.

mod door;
mod echo;
mod link;
mod messages;
mod reach;
mod stream;
mod tls;

pub(crate) use door::{Arrivals, AskMembers, Door, MemberDial};
pub(crate) use echo::{ECHO_ANSWER, ECHO_MIN, EchoAnswer, answer_echo, echo_question};
pub(crate) use link::{Link, Unanswered};
pub(crate) use messages::{
    Answer, CHUNK_MAX, DialVerdict, Dialled, Measured, RATE_BYTES_MAX, RATE_TIME_MAX, Refusal, Request, Seen,
    read_message, write_message,
};
pub(crate) use reach::Reach;
pub(crate) use stream::Timed;
pub(crate) use tls::{Shown, TLS_NAME, greet, server_config};

/// The path of the answer that shows whether somebody stands in between.
pub(crate) const CAPTIVE_PATH: &str = "/generate_204";
/// The header that carries what has to come back.
pub(crate) const CHALLENGE_HEADER: &str = "x-datis-challenge";
/// The header that says from where the question came.
pub(crate) const SEEN_HEADER: &str = "x-datis-seen";
/// The longest challenge.
pub(crate) const CHALLENGE_MAX: usize = 64;
