//! The way of every message: member, place, head, body, verb, answer.

use std::time::Duration;

use actix_web::{HttpRequest, Route, web};
use datis_engine::community::head::HEAD_MAX;
use datis_engine::format::decode_all;
use datis_engine::wire::peers::{Audit, Audited};
use datis_engine::wire::{Message, Refusal, RefusalCode};

use super::{Peering, blocking_at};
use crate::doorway::body::{PacedBody, check_head};
use crate::doorway::{Channel, answer};
use crate::operations::Site;
use crate::operations::hosting::{self, Peer};

/// The longest message of a few fields, in bytes.
pub(super) const SMALL: usize = 4 << 10;
/// The longest message about a batch of shards, in bytes.
pub(super) const BATCH: usize = 256 << 10;
/// The longest message with a head, in bytes.
pub(super) const HEAD: usize = HEAD_MAX + (1 << 10);

/// An audit that does not get its turn in this time is told that there is too much to do; owners wait 15 s for an answer.
const AUDIT_WAIT: Duration = Duration::from_secs(5);

/// The verb that answers a message.
type Verb<M> = fn(&Site, &Peer, &M) -> Result<<M as Message>::Response, Refusal>;

/// The verb that answers a message which counts on its connection alone.
type BoundVerb<M> = fn(&Site, &Peer, &[u8; 32], &M) -> Result<<M as Message>::Response, Refusal>;

/// Serves `M`, which is at most `max` bytes long, with `verb`.
pub(super) fn route<M>(max: usize, verb: Verb<M>) -> Route
where
    M: Message + Send + 'static,
    M::Response: Send + 'static,
{
    serve(max, move |site, peer, _, message| verb(site, peer, message))
}

/// The same for what is bound to the connection.
pub(super) fn bound<M>(max: usize, verb: BoundVerb<M>) -> Route
where
    M: Message + Send + 'static,
    M::Response: Send + 'static,
{
    serve(max, verb)
}

fn serve<M, V>(max: usize, verb: V) -> Route
where
    M: Message + Send + 'static,
    M::Response: Send + 'static,
    V: Fn(&Site, &Peer, &[u8; 32], &M) -> Result<M::Response, Refusal> + Copy + Send + 'static,
{
    web::post().to(move |peering: web::Data<Peering>, request: HttpRequest, payload: web::Payload| async move {
        let asked = async {
            let (key, peer) = peering.peer(&request)?;
            let Channel(channel) = channel_of(&request)?;
            let place = peering.messages.enter(key.0).await.ok_or_else(answer::fault)?;
            Ok((peer, channel, place, receive::<M>(&peering, &request, payload, max).await?))
        };
        let (peer, channel, place, message) = match asked.await {
            Ok(asked) => asked,
            Err(why) => return answer::refusal_and_close(&peering.meters, &why),
        };
        match blocking_at(&peering, place, move |peering| verb(&peering.site, &peer, &channel, &message)).await {
            Ok((value, place)) => answer::response::<M>(value, Some(place)),
            Err(why) => answer::refusal(&peering.meters, &why),
        }
    })
}

/// What only the two ends of the connection know.
pub(super) fn channel_of(request: &HttpRequest) -> Result<Channel, Refusal> {
    let unknown = || Refusal::new(RefusalCode::NoCertificate, "the connection cannot be told from others");
    request.conn_data::<Channel>().copied().ok_or_else(unknown)
}

/// Serves audits, of which few are under way at a time.
pub(super) fn audit() -> Route {
    web::post().to(|peering: web::Data<Peering>, request: HttpRequest, payload: web::Payload| async move {
        let asked = async {
            let (key, peer) = peering.peer(&request)?;
            let place = peering.messages.enter(key.0).await.ok_or_else(answer::fault)?;
            Ok((key, peer, place, receive::<Audit>(&peering, &request, payload, BATCH).await?))
        };
        let (key, peer, place, message) = match asked.await {
            Ok(asked) => asked,
            Err(why) => return answer::refusal_and_close(&peering.meters, &why),
        };
        let Ok(Some(turn)) = tokio::time::timeout(AUDIT_WAIT, peering.audits.enter(key.0)).await else {
            return answer::response::<Audit>(Audited::Overloaded, Some(place));
        };
        // Both are held by the work, whoever waits for it.
        let looked = move |peering: &Peering| {
            let audited = hosting::audit(&peering.site, &peer, &message);
            audited.map(|audited| (audited, turn.left_to_others()))
        };
        match blocking_at(&peering, place, looked).await {
            // The answer may be long, and is there until it was taken: one for each member.
            Ok(((value, turn), place)) => answer::response::<Audit>(value, [place, turn]),
            Err(why) => answer::refusal(&peering.meters, &why),
        }
    })
}

/// Reads a message of at most `max` bytes. The connection cannot go on after an error: its body may be half read.
pub(super) async fn receive<M: Message>(
    peering: &Peering,
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
) -> Result<M, Refusal> {
    check_head(request, max)?;
    let body = PacedBody::new(payload, peering.pace).all(max).await?;
    decode_all("request", &body).map_err(|e| {
        Refusal::new(
            RefusalCode::Malformed,
            format!("the request is not understood ({e}); the two boxes may differ in version"),
        )
    })
}
