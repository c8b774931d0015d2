//! Messages about the community: between members, and from boxes that are none yet, which are known by their key alone.

use actix_web::{HttpRequest, Route, web};
use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::{AskAgain, AskToJoin, BeginSpoken, ClaimOwner, ConfirmSpoken, Exchange, JoinSpoken};
use datis_engine::wire::{Message, REQUEST_MAX, Refusal};

use super::messages::{self, SMALL, receive};
use super::{Peering, blocking_at, path};
use crate::doorway::{Channel, PeerKey, answer};
use crate::operations::Site;
use crate::operations::community::{
    answer_again, answer_claim, answer_exchange, answer_join, answer_spoken, answer_spoken_confirm, answer_spoken_join,
};

/// The longest request to join, in bytes.
const JOIN: usize = 8 << 10;

pub(super) fn configure(routes: &mut web::ServiceConfig) {
    routes
        .route(path::<Exchange>(), messages::route(REQUEST_MAX, answer_exchange))
        .route(path::<AskToJoin>(), open(JOIN, answer_join))
        .route(path::<BeginSpoken>(), open(SMALL, answer_spoken))
        .route(path::<ConfirmSpoken>(), open(SMALL, answer_spoken_confirm))
        .route(path::<JoinSpoken>(), open(JOIN, answer_spoken_join))
        .route(path::<AskAgain>(), open(SMALL, answer_again))
        .route(path::<ClaimOwner>(), open(SMALL, answer_claim));
}

/// The verb that answers somebody who is known by the key and the connection alone.
type Verb<M> = fn(&Site, PublicKey, [u8; 32], &M) -> Result<<M as Message>::Response, Refusal>;

/// Serves `M` to whoever has a certificate of its own. All strangers together have few places.
fn open<M>(max: usize, verb: Verb<M>) -> Route
where
    M: Message + Send + 'static,
    M::Response: Send + 'static,
{
    web::post().to(move |peering: web::Data<Peering>, request: HttpRequest, payload: web::Payload| async move {
        let asked = async {
            let key = PeerKey::of(&request)?;
            let Channel(channel) = messages::channel_of(&request)?;
            // The place is taken when all of it is there: who sends slowly holds nobody up.
            let message = receive::<M>(&peering, &request, payload, max).await?;
            let place = peering.strangers.enter(key.0).await.ok_or_else(answer::fault)?;
            Ok((key, channel, place, message))
        };
        let (key, channel, place, message) = match asked.await {
            Ok(asked) => asked,
            Err(why) => return answer::refusal_and_close(&peering.meters, &why),
        };
        match blocking_at(&peering, place, move |peering| verb(&peering.site, key.0, channel, &message)).await {
            Ok((value, place)) => answer::response::<M>(value, Some(place)),
            Err(why) => answer::refusal(&peering.meters, &why),
        }
    })
}
