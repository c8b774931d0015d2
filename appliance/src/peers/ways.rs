//! The ways to a member: by dialling it, on a connection that it has lent, or through another member. Callers ask for a
//! connection and do not see which it is.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::ids::{MemberId, SpkiPin};
use datis_engine::life::ways::{Way, Ways};
use datis_engine::wire::reach::OpenChannel;

use super::{BRIEF, PATIENCE, Peers, PeersError};
use crate::channels::{AnyPipe, Pair};
use crate::links::peers::{DialError, PeerLink, PipeError};
use crate::operations::community::{self, CommunityError};

/// For dialling a member that there is another way to.
const DIRECT_BESIDE_OTHERS: Duration = Duration::from_secs(5);
/// A member that lends connections lends the next one at once.
const NEXT_LENT: Duration = Duration::from_secs(3);
const LOOK_FOR_LENT: Duration = Duration::from_millis(50);
/// Lent connections that are tried in a row. Two wait as a rule, so these may have died unseen; more that lead nowhere are no accident.
const LENT_TRIED_MAX: usize = 3;
/// Members that are asked in turn to relay.
const RELAYS_MAX: usize = 3;

/// What is known of one member's ways.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    ways: Ways,
    /// Through whom it was reached last, when it was through somebody.
    via: Option<MemberId>,
}

/// How a member is reached, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The way that worked last.
    pub(crate) way: Way,
    /// Through whom, if through somebody.
    pub(crate) via: Option<MemberId>,
}

impl Peers {
    /// Connects to a member's present box, by the best way that works.
    ///
    /// # Errors
    /// [`PeersError`]: why it could not be dialled, if it could not; else of the last way.
    pub(crate) fn connect(&self, member: MemberId) -> Result<PeerLink, PeersError> {
        let pin = self.pin_of(member)?;
        let (mut direct, mut last) = (None, None);
        for way in self.known_ways(member).ways.order(self.site.clock.now()) {
            match self.try_way(way, member, pin) {
                Ok(Some(link)) => return Ok(link),
                // There is no such way at present.
                Ok(None) => {}
                Err(error) if way == Way::Direct => direct = Some(error),
                Err(error) => last = Some(error),
            }
        }
        Err(direct.or(last).unwrap_or(DialError::Nowhere.into()))
    }

    /// How a member was reached last; `None`: not at all.
    pub(crate) fn reached(&self, member: MemberId) -> Option<Reached> {
        let known = self.known_ways(member);
        let way = known.ways.worked()?;
        Some(Reached { way, via: known.via.filter(|_| way == Way::Relay) })
    }

    /// Bytes to a member's machine port, for somebody else whom this box relays for: where they end shows the member's key first.
    ///
    /// # Errors
    /// [`PeersError`].
    pub(crate) async fn pipe_for_relay(&self, to: MemberId, pair: &mut Pair) -> Result<AnyPipe, PeersError> {
        let is_usual = self.known_ways(to).ways.worked() == Some(Way::Reverse);
        let began = Instant::now();
        loop {
            if let Some(lent) = self.channels.take_for_others(to, pair) {
                return Ok(lent);
            }
            if !is_usual || began.elapsed() >= NEXT_LENT {
                break;
            }
            tokio::time::sleep(LOOK_FOR_LENT).await;
        }
        let (pin, site) = (self.pin_of(to)?, Arc::clone(&self.site));
        // The catalog is a file.
        let places = tokio::task::spawn_blocking(move || community::places_of(&site, to)).await;
        let places = places.map_err(|e| DialError::from(PipeError::Broken(std::io::Error::other(e))))??;
        let dialled = self.dialler.tcp_to(&places).await.map_err(DialError::from)?;
        let carried = self.dialler.channel(dialled, pin, &OpenChannel::Relayed).await;
        Ok(carried.map_err(DialError::from)?)
    }

    /// Looks whether a member that is reached by a worse way can be dialled again.
    pub(super) fn try_to_dial(&self, member: MemberId) {
        if let Ok(pin) = self.pin_of(member) {
            // That it still cannot is remembered, and all there is to it.
            let _ = self.try_way(Way::Direct, member, pin);
        }
    }

    /// Members that are worth dialling again.
    pub(super) fn due_for_dialling(&self) -> Vec<MemberId> {
        let now = self.site.clock.now();
        let known = self.lock_ways();
        known.iter().filter(|(_, known)| known.ways.is_direct_due(now)).map(|(member, _)| *member).collect()
    }

    pub(super) fn pin_of(&self, member: MemberId) -> Result<SpkiPin, PeersError> {
        let known = self.site.community().ok_or(CommunityError::None)?;
        Ok(known.roster().member(member).ok_or(DialError::Nowhere)?.device.spki_pin())
    }

    /// Dials a member, and remembers whether it could be.
    pub(super) fn dial_directly(&self, member: MemberId, patience: Duration) -> Result<Option<PeerLink>, PeersError> {
        let pin = self.pin_of(member)?;
        let places = community::places_of(&self.site, member)?;
        if places.is_empty() {
            return Ok(None);
        }
        let dialled = self.dialler.dial_one_of(&places, pin, patience);
        Ok(Some(self.remember(member, Way::Direct, None, dialled.map(|(_, link)| link))?))
    }

    fn try_way(&self, way: Way, member: MemberId, pin: SpkiPin) -> Result<Option<PeerLink>, PeersError> {
        match way {
            Way::Direct => {
                let has_other = self.channels.lent_by(member) > 0 || self.known_ways(member).ways.worked().is_some();
                self.dial_directly(member, if has_other { DIRECT_BESIDE_OTHERS } else { PATIENCE })
            }
            Way::Reverse => self.over_lent(member, pin),
            Way::Relay => self.through_others(member, pin),
        }
    }

    /// Over a connection that the member has lent.
    fn over_lent(&self, member: MemberId, pin: SpkiPin) -> Result<Option<PeerLink>, PeersError> {
        let is_usual = self.known_ways(member).ways.worked() == Some(Way::Reverse);
        let (began, mut last, mut tried) = (Instant::now(), None, 0);
        while tried < LENT_TRIED_MAX {
            self.site.check_running()?;
            match self.channels.take(member) {
                Some(pipe) => match self.dialler.link_over(std::future::ready(Ok(pipe)), pin, BRIEF) {
                    Ok(link) => return Ok(Some(self.remember(member, Way::Reverse, None, Ok(link))?)),
                    // One that has died unseen; the next one may stand.
                    Err(error) => (last, tried) = (Some(error), tried + 1),
                },
                None if is_usual && began.elapsed() < NEXT_LENT => std::thread::sleep(LOOK_FOR_LENT),
                None => break,
            }
        }
        match last {
            Some(error) => Ok(Some(self.remember(member, Way::Reverse, None, Err(error))?)),
            None if is_usual => Ok(Some(self.remember(member, Way::Reverse, None, Err(DialError::Nowhere))?)),
            None => Ok(None),
        }
    }

    /// Through another member that both reach; those through whom it went last, and that are dialled, first.
    fn through_others(&self, member: MemberId, pin: SpkiPin) -> Result<Option<PeerLink>, PeersError> {
        let last_via = self.known_ways(member).via;
        let mut relays: Vec<_> = {
            let ways = self.lock_ways();
            let reached = ways.iter().filter(|(other, _)| **other != member);
            let near = reached.filter_map(|(other, known)| match known.ways.worked()? {
                Way::Direct => Some((last_via != Some(*other), 0, *other)),
                Way::Reverse => Some((last_via != Some(*other), 1, *other)),
                Way::Relay => None,
            });
            near.collect()
        };
        relays.sort_unstable();
        let mut last = None;
        for (.., via) in relays.into_iter().take(RELAYS_MAX) {
            let via_pin = self.pin_of(via)?;
            let connecting = async {
                let pipe = self.pipe_to(via).await?;
                self.dialler.channel(pipe, via_pin, &OpenChannel::Relay { to: member }).await
            };
            match self.dialler.link_over(connecting, pin, PATIENCE) {
                Ok(link) => return Ok(Some(self.remember(member, Way::Relay, Some(via), Ok(link))?)),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => Ok(Some(self.remember(member, Way::Relay, None, Err(error))?)),
            None => Ok(None),
        }
    }

    /// Bytes to the machine port of a member that needs no relay.
    async fn pipe_to(&self, member: MemberId) -> Result<AnyPipe, PipeError> {
        if self.known_ways(member).ways.worked() == Some(Way::Reverse)
            && let Some(lent) = self.channels.take(member)
        {
            return Ok(lent);
        }
        let places = community::places_of(&self.site, member).map_err(|_| PipeError::Nowhere)?;
        self.dialler.tcp_to(&places).await
    }

    fn remember(
        &self,
        member: MemberId,
        way: Way,
        via: Option<MemberId>,
        link: Result<PeerLink, DialError>,
    ) -> Result<PeerLink, PeersError> {
        let now = self.site.clock.now();
        let mut ways = self.lock_ways();
        let known = ways.entry(member).or_default();
        let before = known.ways.worked();
        match &link {
            Ok(_) => {
                known.ways.works(way);
                known.via = via.or(known.via);
            }
            Err(_) => known.ways.fails(way, now),
        }
        drop(ways);
        if link.is_ok() && before != Some(way) {
            tracing::info!(%member, way = way.word(), "A member is reached");
        }
        if link.is_ok() && way == Way::Direct {
            // What it has lent is not needed any more.
            self.channels.give_back(member);
        }
        Ok(link?)
    }

    fn known_ways(&self, member: MemberId) -> Known {
        self.lock_ways().get(&member).copied().unwrap_or_default()
    }

    fn lock_ways(&self) -> MutexGuard<'_, HashMap<MemberId, Known>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
