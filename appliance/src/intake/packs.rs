//! Packs coming in: read from TLS here, hashed and written by `operations` on a blocking thread, in gulps.
//!
//! The two sides hand a fixed set of buffers to and fro, so an upload never holds more than [`GULPS`] of them, and a disk
//! that is slower than the network slows the sender down.

use actix_web::{HttpRequest, HttpResponse, web};
use datis_engine::format::directory::ENCODED_MAX;
use datis_engine::ids::PackId;
use datis_engine::pack::PACK_MAX;
use datis_engine::wire::{Refusal, RefusalCode, SessionId};
use tokio::sync::mpsc;

use super::machines::CertifiedKey;
use super::{Intake, answer};
use crate::doorway::body::{PacedBody, content_length};
use crate::doorway::places::Places;
use crate::operations;

/// Bytes of one buffer.
const GULP: usize = 512 << 10;
/// Buffers of one upload.
const GULPS: usize = 3;
/// The longest body: length, directory, pack.
const BODY_MAX: u64 = 4 + ENCODED_MAX as u64 + PACK_MAX;
/// Uploads at a time, over all and of one machine. The others wait in the order they came.
const UPLOADS_MAX: usize = 32;
const UPLOADS_PER_MACHINE_MAX: usize = 6;

/// Places for uploads.
pub(super) fn places() -> Places {
    Places::new(UPLOADS_MAX, UPLOADS_PER_MACHINE_MAX)
}

/// `PUT` of a pack.
pub(super) async fn put(
    intake: web::Data<Intake>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    match receive(&intake, &request, &path, payload).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(why) => answer::refusal_and_close(&intake, &why),
    }
}

async fn receive(
    intake: &web::Data<Intake>,
    request: &HttpRequest,
    (session, pack): &(String, String),
    payload: web::Payload,
) -> Result<(), Refusal> {
    let key = CertifiedKey::of(request)?;
    let malformed = |sentence: &str| Refusal::new(RefusalCode::Malformed, sentence);
    let session = SessionId(session.parse().map_err(|_| malformed("the session in the path is no number"))?);
    let pack: PackId = pack.parse().map_err(|_| malformed("the pack id in the path is not 64 hexadecimal digits"))?;
    let length = content_length(request).ok_or_else(|| malformed("a pack must come with its Content-Length"))?;
    if length > BODY_MAX {
        return Err(Refusal::new(RefusalCode::TooLarge, format!("the pack is longer than {BODY_MAX} bytes")));
    }

    let _place = intake.uploads.enter(key.0).await.ok_or_else(answer::fault)?;
    intake.meters.uploads.inc();
    let result = transfer(intake, key, session, pack, length, PacedBody::new(payload, intake.patience.pace)).await;
    intake.meters.uploads.dec();
    result
}

async fn transfer(
    intake: &web::Data<Intake>,
    key: CertifiedKey,
    session: SessionId,
    pack: PackId,
    length: u64,
    body: PacedBody,
) -> Result<(), Refusal> {
    let (full_in, mut full_out) = mpsc::channel::<Vec<u8>>(GULPS);
    let (empty_in, empty_out) = mpsc::channel::<Vec<u8>>(GULPS);
    let writer = answer::blocking(intake, move |intake| {
        let machine = intake.machines.get(&intake.site, key)?;
        let mut taking = operations::receive_pack(&intake.site, &machine, session, pack, length)?;
        let mut left = length;
        while let Some(mut gulp) = full_out.blocking_recv() {
            taking.write(&gulp)?;
            left = left.saturating_sub(gulp.len() as u64);
            gulp.clear();
            // The reader may be done and gone; then nobody needs the buffer.
            let _ = empty_in.try_send(gulp);
        }
        if left > 0 {
            return Err(Refusal::new(RefusalCode::Malformed, "the pack was cut short; send it again"));
        }
        taking.finish()?;
        intake.meters.received_bytes.inc_by(length);
        Ok(())
    });
    let reader = read_gulps(body, full_in, empty_out);
    // Both run at the same time; what the writer refuses matters more than that the reader then had nobody to hand to.
    let (written, read) = futures_util::future::join(writer, reader).await;
    match (written, read) {
        (Err(why), Ok(())) => Err(why),
        (_, Err(why)) => Err(why),
        (Ok(()), Ok(())) => Ok(()),
    }
}

/// Fills buffers and hands them over; ends early, without an error of its own, when the writer has stopped.
async fn read_gulps(
    mut body: PacedBody,
    full: mpsc::Sender<Vec<u8>>,
    mut empty: mpsc::Receiver<Vec<u8>>,
) -> Result<(), Refusal> {
    let mut fresh = GULPS;
    let mut gulp = Vec::new();
    while let Some(piece) = body.next().await? {
        if gulp.capacity() == 0 {
            gulp = match (empty.try_recv(), fresh) {
                (Ok(returned), _) => returned,
                (Err(_), 0) => match empty.recv().await {
                    Some(returned) => returned,
                    None => return Ok(()),
                },
                (Err(_), _) => {
                    fresh -= 1;
                    Vec::with_capacity(GULP + (64 << 10))
                }
            };
        }
        gulp.extend_from_slice(&piece);
        if gulp.len() >= GULP && full.send(std::mem::take(&mut gulp)).await.is_err() {
            return Ok(());
        }
    }
    if !gulp.is_empty() {
        // A writer that has stopped says why itself.
        let _ = full.send(gulp).await;
    }
    Ok(())
}
