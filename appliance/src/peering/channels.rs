//! Connections of other boxes that carry bytes instead of requests: lent to this box, to be relayed to another member, or relayed
//! to this one. Whoever opens one is looked up like whoever asks; what is inside shows its own keys at its two ends.

use std::sync::Arc;
use std::time::Duration;

use datis_engine::ids::MemberId;
use datis_engine::keys::PublicKey;
use datis_engine::life::ways::Way;
use datis_engine::wire::reach::{ChannelAnswer, ChannelClosed, OpenChannel};

use super::Peering;
use crate::channels::{AnyPipe, Pace, keep, read_message, splice, write_message};
use crate::operations::hosting;

/// For the message that says what a connection is for.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a place.
const WAIT: Duration = Duration::from_secs(1);

impl Peering {
    /// Serves a connection until it is over.
    pub(super) async fn carry(self: Arc<Self>, mut pipe: AnyPipe, key: PublicKey) {
        let Ok(asked) = read_message::<OpenChannel>(&mut pipe, PATIENCE).await else { return };
        let Ok(peer) = hosting::peer_by_key(&self.site, &key) else {
            return close(pipe, ChannelClosed::NoMember).await;
        };
        let place = tokio::time::timeout(WAIT, self.carried.enter(key)).await;
        let Ok(Some(_place)) = place else { return close(pipe, ChannelClosed::Busy).await };
        match asked {
            OpenChannel::Lend => self.borrow(pipe, peer.member).await,
            OpenChannel::Relay { to } => self.relay(pipe, peer.member, to).await,
            OpenChannel::Relayed => self.take_in(pipe, peer.member).await,
        }
    }

    /// The member lends it, for this box to reach the member.
    async fn borrow(&self, mut pipe: AnyPipe, member: MemberId) {
        let channels = self.peers.channels();
        if self.peers.reached(member).is_some_and(|reached| reached.way == Way::Direct) {
            return close(pipe, ChannelClosed::NotNeeded).await;
        }
        if channels.is_full_of(member) {
            return close(pipe, ChannelClosed::Busy).await;
        }
        if write_message(&mut pipe, &ChannelAnswer::Ready).await.is_ok() {
            keep(channels, member, pipe).await;
        }
    }

    /// Between the asking member and another one.
    async fn relay(&self, mut pipe: AnyPipe, from: MemberId, to: MemberId) {
        let is_other = |known: &crate::operations::community::Community| known.others().any(|other| other.id == to);
        if from == to || !self.site.community().is_some_and(|known| is_other(&known)) {
            return close(pipe, ChannelClosed::NoMember).await;
        }
        let mut pair = match self.peers.channels().relay(from, to) {
            Ok(pair) => pair,
            Err(why) => return close(pipe, why).await,
        };
        let onward = match self.peers.pipe_for_relay(to, &mut pair).await {
            Ok(onward) => onward,
            Err(error) => {
                tracing::debug!(%from, %to, error = %error, "Nothing to relay through");
                return close(pipe, ChannelClosed::NoWay).await;
            }
        };
        if write_message(&mut pipe, &ChannelAnswer::Ready).await.is_ok() {
            splice(pipe, onward, Pace::Pair(&pair)).await;
        }
    }

    /// By a member that relays for another one, who is to show its key inside.
    async fn take_in(&self, mut pipe: AnyPipe, by: MemberId) {
        let inside = self.peers.channels().connect_inside(by).await;
        let Ok((inside, _known)) = inside else { return close(pipe, ChannelClosed::NoWay).await };
        if write_message(&mut pipe, &ChannelAnswer::Ready).await.is_ok() {
            splice(pipe, inside, Pace::None).await;
        }
    }
}

async fn close(mut pipe: AnyPipe, why: ChannelClosed) {
    // Who has gone meanwhile does not need to know.
    let told = write_message(&mut pipe, &ChannelAnswer::Closed(why)).await;
    if told.is_ok() {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut pipe).await;
    }
}
