//! Showing a member that this box is there, and looking for a member where it asks from.

use std::net::{IpAddr, SocketAddr};

use actix_web::{HttpRequest, Route, web};
use datis_engine::wire::reach::{DIAL_BACK_LEN, DialBack, DialledBack, Ping, Pong};
use datis_engine::wire::{Refusal, RefusalCode};

use super::messages::{self, SMALL, receive};
use super::{Peering, blocking_at, path};
use crate::doorway::answer;
use crate::operations::Site;
use crate::operations::hosting::Peer;

pub(super) fn configure(routes: &mut web::ServiceConfig) {
    routes.route(path::<Ping>(), messages::route(SMALL, pong)).route(path::<DialBack>(), dial_back());
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a verb")]
fn pong(_: &Site, _: &Peer, ping: &Ping) -> Result<Pong, Refusal> {
    Ok(Pong { nonce: ping.nonce })
}

/// Dials the member that asks: where it asks from and nowhere else, once in a while, and never with more than it has sent.
fn dial_back() -> Route {
    web::post().to(|peering: web::Data<Peering>, request: HttpRequest, payload: web::Payload| async move {
        let asked = async {
            let (key, peer) = peering.peer(&request)?;
            let place = peering.messages.enter(key.0).await.ok_or_else(answer::fault)?;
            let message = receive::<DialBack>(&peering, &request, payload, SMALL).await?;
            let from = dialled_from(&peering, &request, &peer, &message)?;
            Ok((peer, place, from, message))
        };
        let (peer, place, from, message) = match asked.await {
            Ok(asked) => asked,
            Err(why) => return answer::refusal_and_close(&peering.meters, &why),
        };
        let budget = message.padding.len();
        let found = blocking_at(&peering, place, move |peering| {
            let found = peering.peers.dial_back(peer.member, SocketAddr::new(from, message.port), budget);
            found.map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string()))
        });
        match found.await {
            Ok((found, place)) => {
                answer::response::<DialBack>(DialledBack { address: from.to_string(), found }, Some(place))
            }
            Err(why) => answer::refusal(&peering.meters, &why),
        }
    })
}

/// The address that may be dialled for this question, if one may.
fn dialled_from(peering: &Peering, request: &HttpRequest, peer: &Peer, message: &DialBack) -> Result<IpAddr, Refusal> {
    let no = |code, sentence: &str| Err(Refusal::new(code, sentence));
    if !peer.may_write() {
        return no(RefusalCode::UnknownMachine, "only members in full standing are dialled back");
    }
    if message.port == 0 || message.padding.len() < DIAL_BACK_LEN {
        return no(
            RefusalCode::Malformed,
            "a question to be dialled names a port and is as long as what dialling sends",
        );
    }
    let from = request.peer_addr().filter(|from| peering.peers.channels().opened_by(*from).is_none());
    let Some(from) = from else {
        return no(
            RefusalCode::Malformed,
            "this connection does not show from where it comes; ask on one that was dialled",
        );
    };
    if !peering.dials.take(&peer.member, std::time::Instant::now()) {
        return no(
            RefusalCode::Busy,
            "this box has dialled for this member in the last ten minutes; ask another one, or later",
        );
    }
    Ok(from.ip().to_canonical())
}
