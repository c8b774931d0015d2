//! The way of every message: head, place, body, machine, verb, answer.
//!
//! A message holds its place from before its body is read until its answer is on its way out, so that the memory of all
//! messages together is bounded whatever machines send and however slowly they read.

use actix_web::{HttpRequest, HttpResponse, Route, web};
use datis_engine::format::decode_all;
use datis_engine::wire::{BATCH_MAX, Have, Message, Refusal, RefusalCode};

use super::machines::CertifiedKey;
use super::{Intake, answer};
use crate::doorway::body::{PacedBody, check_head};
use crate::doorway::places::{Place, Places};
use crate::operations::{Machine, Site};

/// The verb that answers a message.
type Verb<M> = fn(&Site, &Machine, &M) -> Result<<M as Message>::Response, Refusal>;

/// Messages at a time, over all and of one machine.
const MESSAGES_MAX: usize = 96;
const MESSAGES_PER_MACHINE_MAX: usize = 12;

/// The longest message of a few fields, in bytes.
pub(super) const SMALL: usize = 64 << 10;
/// The longest message about a batch of chunks, in bytes.
pub(super) const BATCH: usize = 1 << 20;
const _: () = assert!(BATCH > BATCH_MAX * Have::ITEM_LEN);

/// Places for messages.
pub(super) fn places() -> Places {
    Places::new(MESSAGES_MAX, MESSAGES_PER_MACHINE_MAX)
}

/// Serves `M`, which is at most `max` bytes long, with `verb`.
pub(super) fn route<M>(max: usize, verb: Verb<M>) -> Route
where
    M: Message + Send + 'static,
    M::Response: Send + 'static,
{
    web::post().to(move |intake: web::Data<Intake>, request: HttpRequest, payload: web::Payload| async move {
        let key = match CertifiedKey::of(&request) {
            Ok(key) => key,
            Err(why) => return answer::refusal_and_close(&intake, &why),
        };
        let Some(place) = intake.messages.enter(key.0).await else {
            return answer::refusal_and_close(&intake, &answer::fault());
        };
        let message = match receive::<M>(&intake, &request, payload, max).await {
            Ok(message) => message,
            Err(why) => return answer::refusal_and_close(&intake, &why),
        };
        let work = move |intake: &Intake| verb(&intake.site, &*intake.machines.get(&intake.site, key)?, &message);
        reply::<M>(&intake, answer::blocking(&intake, work).await, Some(place))
    })
}

/// Reads a message of at most `max` bytes. The connection cannot go on after an error: its body may be half read.
pub(super) async fn receive<M: Message>(
    intake: &Intake,
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
) -> Result<M, Refusal> {
    check_head(request, max)?;
    let body = PacedBody::new(payload, intake.patience.pace).all(max).await?;
    decode_all("request", &body).map_err(|e| {
        Refusal::new(
            RefusalCode::Malformed,
            format!("the request is not understood ({e}); client and box may differ in version"),
        )
    })
}

/// The answer to a message; it holds the message's place until it is on its way out.
pub(super) fn reply<M: Message>(
    intake: &Intake,
    result: Result<M::Response, Refusal>,
    place: Option<Place>,
) -> HttpResponse {
    match result {
        Ok(value) => answer::response::<M>(value, place),
        Err(why) => answer::refusal(intake, &why),
    }
}
