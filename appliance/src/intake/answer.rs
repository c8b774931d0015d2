//! Answers: CBOR with the message's response, or with a refusal and its status. Nothing else ever leaves the port.

use actix_web::dev::Payload;
use actix_web::{HttpResponse, web};
use datis_engine::wire::{Message, Refusal, RefusalCode};

use super::Intake;
use crate::doorway::answer as doorway;
use crate::doorway::places::Place;

pub(super) use crate::doorway::answer::fault;

/// A success with the response to `M`, which holds `place` until its last pieces are handed to the connection.
pub(super) fn response<M: Message>(value: M::Response, place: Option<Place>) -> HttpResponse {
    doorway::response::<M>(value, place)
}

/// Refuses a body of unknown length.
pub(super) fn length_required(intake: &Intake, unread: Payload) -> HttpResponse {
    doorway::length_required(&intake.meters, unread)
}

/// A refusal; counted.
pub(super) fn refusal(intake: &Intake, refusal: &Refusal) -> HttpResponse {
    doorway::refusal(&intake.meters, refusal)
}

/// A refusal before the whole body was read: the connection ends with it, so that the rest need not be waited for.
pub(super) fn refusal_and_close(intake: &Intake, why: &Refusal) -> HttpResponse {
    doorway::refusal_and_close(&intake.meters, why)
}

/// Any path or method that is not served.
pub(super) async fn not_found(intake: web::Data<Intake>) -> HttpResponse {
    refusal(&intake, &no_such_request())
}

/// Of another version, or never heard of.
pub(super) fn no_such_request() -> Refusal {
    Refusal::new(RefusalCode::NotFound, "the box serves no such request; client and box may differ in version")
}

/// Runs `work` on a blocking thread. After a failed write to the disk nothing is said to have succeeded any more.
pub(super) async fn blocking<T: Send + 'static>(
    intake: &web::Data<Intake>,
    work: impl FnOnce(&Intake) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if intake.stopping.load(std::sync::atomic::Ordering::Acquire) {
        return Err(doorway::stopping());
    }
    let shared = intake.clone();
    doorway::blocking(move || {
        let result = work(&shared);
        if shared.site.poisoned().is_some() { Err(doorway::starting_again()) } else { result }
    })
    .await
}
