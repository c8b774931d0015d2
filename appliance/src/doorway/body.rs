//! Bodies: never more than was allowed, and never slower than [`PACE_BYTES`] in the pace that the edge gives.

use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use datis_engine::wire::{CBOR, Refusal, RefusalCode};
use futures_util::StreamExt;

/// A body must bring this many bytes in each `pace` of waiting for it: 16 KiB a second at 30 s.
const PACE_BYTES: usize = 480 << 10;

/// A body that is read piece by piece. Only time spent waiting for the sender counts against it.
pub(crate) struct PacedBody {
    payload: Payload,
    pace: Duration,
    waited: Duration,
    brought: usize,
}

impl PacedBody {
    pub(crate) fn new(payload: Payload, pace: Duration) -> Self {
        Self { payload, pace, waited: Duration::ZERO, brought: 0 }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The sender is too slow, or went away.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let asked = Instant::now();
        let left = self.pace.saturating_sub(self.waited);
        let piece = tokio::time::timeout(left, self.payload.next()).await;
        self.waited += asked.elapsed();
        match piece {
            Err(_) => Err(Refusal::new(
                RefusalCode::Busy,
                "the request came in too slowly; try again when the network is better",
            )),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Refusal::new(RefusalCode::Malformed, "the request was cut short")),
            Ok(Some(Ok(bytes))) => {
                self.brought += bytes.len();
                if self.brought >= PACE_BYTES {
                    (self.waited, self.brought) = (Duration::ZERO, 0);
                }
                Ok(Some(bytes))
            }
        }
    }

    /// All of it, when it is no longer than `max` bytes.
    ///
    /// # Errors
    /// As [`Self::next`], and too large.
    pub(crate) async fn all(mut self, max: usize) -> Result<Bytes, Refusal> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > max {
                return Err(too_large(max));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// Refuses what cannot be a message before any of its body is read.
pub(crate) fn check_head(request: &HttpRequest, max: usize) -> Result<(), Refusal> {
    let cbor = request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == CBOR.as_bytes());
    if !cbor {
        return Err(Refusal::new(
            RefusalCode::Malformed,
            format!("the body must be {CBOR}, and the request must say so"),
        ));
    }
    match content_length(request) {
        Some(length) if length > max as u64 => Err(too_large(max)),
        _ => Ok(()),
    }
}

/// What the request says its body's length is, in bytes.
pub(crate) fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max: usize) -> Refusal {
    Refusal::new(RefusalCode::TooLarge, format!("the request is longer than {max} bytes; ask for less at a time"))
}
