//! Answers: CBOR with the message's response, or with a refusal and its status. Nothing else ever leaves the port.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use datis_engine::format::encode;
use datis_engine::wire::{CBOR, Message, Refusal, RefusalCode};

use super::places::Place;
use crate::meters::Meters;

/// Pieces that an answer goes out in, in bytes; no more than a few of them wait in the connection's buffer.
const PIECE: usize = 64 << 10;

/// A success with the response to `M`, which holds `places` until its last pieces are handed to the connection.
pub(crate) fn response<M: Message>(value: M::Response, places: impl IntoIterator<Item = Place>) -> HttpResponse {
    let (left, places) = (M::parts(value).map(Bytes::from), places.into_iter().collect());
    HttpResponse::Ok().content_type(CBOR).body(Held { left, _places: places, _unread: None })
}

/// Refuses a body of unknown length. Its rest must not be dropped before the answer is out: the HTTP layer would take
/// that for leave to read on to its end, and there may be none.
pub(crate) fn length_required(meters: &Meters, unread: Payload) -> HttpResponse {
    let why = Refusal::new(RefusalCode::Malformed, "a request must come with its Content-Length");
    let left = [encode(&why).into(), Bytes::new()];
    refusal_and_close(meters, &why)
        .set_body(Held { left, _places: Vec::new(), _unread: Some(unread) })
        .map_into_boxed_body()
}

struct Held {
    left: [Bytes; 2],
    _places: Vec<Place>,
    _unread: Option<Payload>,
}

impl MessageBody for Held {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left.iter().map(|part| part.len() as u64).sum())
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let part = self.left.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(part.map(|part| Ok(part.split_to(part.len().min(PIECE)))))
    }
}

/// A refusal; counted.
pub(crate) fn refusal(meters: &Meters, refusal: &Refusal) -> HttpResponse {
    meters.refusal(refusal.code);
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(CBOR).body(encode(refusal))
}

/// A refusal before the whole body was read: the connection ends with it, so that the rest need not be waited for.
pub(crate) fn refusal_and_close(meters: &Meters, why: &Refusal) -> HttpResponse {
    let mut response = refusal(meters, why);
    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    response
}

/// Runs `work` on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    web::block(work).await.unwrap_or_else(|_| Err(fault()))
}

/// The box takes no more requests.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(RefusalCode::Stopping, "the box is stopping; try again in a minute")
}

/// Whatever was done may not last: the box stops now, and the other side goes on with the next one that runs.
pub(crate) fn starting_again() -> Refusal {
    let sentence = "the box could not make data durable and starts again; try again in a minute";
    Refusal::new(RefusalCode::Stopping, sentence)
}

/// The box's own fault; the cause is in its log.
pub(crate) fn fault() -> Refusal {
    Refusal::new(
        RefusalCode::Fault,
        "the box has a fault of its own; its log says which, and the request may be tried again",
    )
}
