//! Why the box refuses.

use minicbor::{Decode, Encode};

/// Why the box refuses; the body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// For programs.
    #[n(0)]
    pub code: RefusalCode,
    /// For people: what happened and what to do, in one sentence.
    #[n(1)]
    pub sentence: String,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $num:literal, $status:literal;)+) => {
        /// What a refusal is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum RefusalCode {
            $($(#[$doc])* #[n($num)] $variant,)+
        }

        impl RefusalCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

refusals! {
    /// No certificate, where one is needed.
    NoCertificate = 0, 401;
    /// The certificate is none of this box's machines', or the machine was retired.
    UnknownMachine = 1, 403;
    /// The enrolment code is wrong, used or expired.
    BadCode = 2, 403;
    /// The request cannot be understood.
    Malformed = 3, 400;
    /// A limit of size or count is passed.
    TooLarge = 4, 413;
    /// Too many requests or sessions at a time; try again later.
    Busy = 5, 429;
    /// Another run of the same source is open.
    SessionTaken = 6, 409;
    /// The session is not open any more; begin again.
    SessionUnknown = 7, 410;
    /// The bytes are not what their name or directory says.
    Corrupt = 8, 422;
    /// The snapshot refers to chunks that the box does not have for this machine.
    ChunksMissing = 9, 409;
    /// No such thing for this machine.
    NotFound = 10, 404;
    /// The disk of the box is full.
    Full = 11, 507;
    /// The record is not signed by this machine, or is not about it.
    BadSignature = 12, 422;
    /// Bytes on the box's disk are damaged.
    Damaged = 13, 500;
    /// The box has a fault of its own; its log says which.
    Fault = 14, 500;
    /// The box is stopping.
    Stopping = 15, 503;
}

impl Refusal {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: RefusalCode, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}
