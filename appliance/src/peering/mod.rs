//! What other boxes of the community ask on the machine port, below `/v1/peers/`: to keep shards and heads, to give them back,
//! and to show that they are there. Handlers only translate; each is one verb of `operations::hosting`, on a blocking thread.
//!
//! Who asks is known by the key of its own certificate ([`PeerKey`]). A key that is no member's is refused before anything of
//! its request is read. Nobody holds more than its places, so that one slow or hostile box hurts nobody.

mod channels;
mod community;
mod messages;
mod reach;
mod shards;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{HttpRequest, web};
use datis_engine::ids::MemberId;
use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::{
    AgreeStatement, Audit, Condemn, KeepHead, LiftBrake, ListHeads, ListShards, OfferShard, RenewLease, SHARD_PATH,
};
use datis_engine::wire::{Message, Refusal};
use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::channels::AnyPipe;
use crate::doorway::places::{Place, Places};
use crate::doorway::{PeerKey, answer};
use crate::meters::Meters;
use crate::operations::Site;
use crate::operations::hosting::{self, Peer};
use crate::peers::{DIAL_EVERY, Peers};
use crate::rates::Rates;

use messages::{BATCH, HEAD, SMALL};

/// Messages at a time, over all and of one member.
const MESSAGES_MAX: usize = 48;
const MESSAGES_PER_PEER_MAX: usize = 8;
/// Pieces and ranges of shards at a time; a member opens 4 to 8 connections.
const TRANSFERS_MAX: usize = 64;
const TRANSFERS_PER_PEER_MAX: usize = 8;
/// Audits at a time: each keeps the disk busy.
const AUDITS_MAX: usize = 2;
const AUDITS_PER_PEER_MAX: usize = 1;
/// Boxes that ask to be let in, or show a kit, at a time.
const STRANGERS_MAX: usize = 8;
const STRANGERS_PER_KEY_MAX: usize = 2;
/// Members whose turn to be dialled is remembered.
const DIALLED_MAX: usize = 4_096;
/// Connections that carry bytes of others at a time, and of those that one member has opened.
const CHANNELS_MAX: usize = 256;
const CHANNELS_PER_PEER_MAX: usize = 24;
/// For each stretch of a body.
const PACE: Duration = Duration::from_secs(30);

/// What all handlers share.
pub(crate) struct Peering {
    site: Arc<Site>,
    meters: Meters,
    messages: Places,
    transfers: Places,
    audits: Places,
    /// For boxes that are no members, all together.
    strangers: Places,
    peers: Arc<Peers>,
    carried: Places,
    /// How often each member is dialled back.
    dials: Rates<MemberId>,
    pace: Duration,
    stopping: AtomicBool,
}

impl Peering {
    pub(crate) fn new(site: Arc<Site>, meters: Meters, peers: Arc<Peers>) -> Arc<Self> {
        Arc::new(Self {
            site,
            meters,
            messages: Places::new(MESSAGES_MAX, MESSAGES_PER_PEER_MAX),
            transfers: Places::new(TRANSFERS_MAX, TRANSFERS_PER_PEER_MAX),
            audits: Places::new(AUDITS_MAX, AUDITS_PER_PEER_MAX),
            strangers: Places::new(STRANGERS_MAX, STRANGERS_PER_KEY_MAX),
            peers,
            carried: Places::new(CHANNELS_MAX, CHANNELS_PER_PEER_MAX),
            dials: Rates::new(1.0, 1.0 / DIAL_EVERY.as_secs_f64(), DIALLED_MAX),
            pace: PACE,
            stopping: AtomicBool::new(false),
        })
    }

    /// From now on every new request is refused with the sentence that the box is stopping.
    pub(crate) fn stop_taking_requests(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// What the port needs to serve it.
    pub(crate) fn routes(self: &Arc<Self>) -> Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync> {
        let peering = web::Data::from(Arc::clone(self));
        Arc::new(move |routes| {
            routes.app_data(peering.clone());
            configure(routes);
        })
    }

    /// What the port does with connections that carry bytes of others.
    pub(crate) fn channels(
        self: &Arc<Self>,
    ) -> Arc<dyn Fn(AnyPipe, PublicKey) -> LocalBoxFuture<'static, ()> + Send + Sync> {
        let peering = Arc::clone(self);
        Arc::new(move |pipe, key| Arc::clone(&peering).carry(pipe, key).boxed_local())
    }

    /// The member that asks; nothing of the request was read yet.
    fn peer(&self, request: &HttpRequest) -> Result<(PeerKey, Peer), Refusal> {
        let key = PeerKey::of(request)?;
        Ok((key, hosting::peer_by_key(&self.site, &key.0)?))
    }
}

/// Registers the routes; handlers take [`web::Data<Peering>`].
pub(crate) fn configure(routes: &mut web::ServiceConfig) {
    community::configure(routes);
    reach::configure(routes);
    routes
        .route(path::<OfferShard>(), messages::route(SMALL, hosting::offer_shard))
        .route(path::<Audit>(), messages::audit())
        .route(path::<ListShards>(), messages::route(SMALL, hosting::list_shards))
        .route(path::<Condemn>(), messages::route(BATCH, hosting::condemn))
        .route(path::<RenewLease>(), messages::route(SMALL, hosting::renew_lease))
        .route(path::<AgreeStatement>(), messages::route(SMALL, hosting::agree_statement))
        .route(path::<LiftBrake>(), messages::bound(SMALL, hosting::lift_brake))
        .route(path::<KeepHead>(), messages::route(HEAD, hosting::keep_head))
        .route(path::<ListHeads>(), messages::route(SMALL, hosting::list_heads))
        .route(SHARD_PATH, web::put().to(shards::put))
        .route(SHARD_PATH, web::get().to(shards::get));
}

const fn path<M: Message>() -> &'static str {
    M::PATH
}

/// Runs `work` on a blocking thread. After a failed write to the disk nothing is said to have succeeded any more.
async fn blocking<T: Send + 'static>(
    peering: &web::Data<Peering>,
    work: impl FnOnce(&Peering) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if peering.stopping.load(Ordering::Acquire) {
        return Err(answer::stopping());
    }
    let shared = peering.clone();
    answer::blocking(move || {
        let result = work(&shared);
        if shared.site.poisoned().is_some() { Err(answer::starting_again()) } else { result }
    })
    .await
}

/// The same for work that needs a place. It has that until it is over, and not only as long as somebody waits for it: who goes away
/// again and again would else have any number of threads at work.
async fn blocking_at<T: Send + 'static>(
    peering: &web::Data<Peering>,
    place: Place,
    work: impl FnOnce(&Peering) -> Result<T, Refusal> + Send + 'static,
) -> Result<(T, Place), Refusal> {
    blocking(peering, move |peering| {
        let done = work(peering);
        done.map(|done| (done, place))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{TestBox, new_key};

    #[actix_web::test]
    async fn work_keeps_its_place_when_nobody_waits_for_it_any_more() {
        let test = TestBox::start();
        let peers = Arc::new(Peers::of_nobody(test.site()));
        let peering = web::Data::from(Peering::new(Arc::clone(test.site()), Meters::new(), peers));
        let key = new_key().public_key();
        let place = peering.audits.enter(key).await.expect("a place");
        let ((end, ended), (begin, begun)) = (std::sync::mpsc::channel::<()>(), tokio::sync::oneshot::channel());
        let work = blocking_at(&peering, place, move |_| {
            let _ = begin.send(());
            let _ = ended.recv();
            Ok(())
        });
        tokio::select! {
            _ = work => panic!("it is not over"),
            begun = begun => begun.expect("it has begun"),
        }
        // Whoever asked is gone, and the thread is not.
        let again = || peering.audits.enter(key);
        assert!(tokio::time::timeout(Duration::from_millis(50), again()).await.is_err());
        drop(end);
        assert!(tokio::time::timeout(Duration::from_secs(20), again()).await.is_ok());
    }
}
