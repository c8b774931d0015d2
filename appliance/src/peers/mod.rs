//! The other boxes, from this one's side: how each is reached, how it asks to be let in, and how all of them come to know the same.

mod dialling;
mod keeper;
mod ways;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::community::address::Address;
use datis_engine::community::invitation::{Invitation, LineError};
use datis_engine::community::roster::Member;
use datis_engine::community::spoken::SpokenCode;
use datis_engine::ids::{MemberId, MemberName};
use datis_engine::keys::{SigningContext, VaultIdentity, recovery_key};
use datis_engine::wire::peers::{AskAgain, JoinAnswer, LiftBrake, lift_message};
use datis_engine::wire::{Message, RefusalCode};

use datis_engine::wire::reach::DialFound;

pub(crate) use self::dialling::{DIAL_EVERY, Standing, Told};
pub(crate) use self::ways::Reached;
use crate::channels::Channels;
use crate::links::packs::{Fetcher, NoLine, Reach};
pub(crate) use crate::links::peers::{AllowPrivate, Dialler, Identity};
use crate::links::peers::{DialError, PeerLink, PeerLinkError, PipeError};
use crate::operations::accounts::Actor;
use crate::operations::awaited::Fetch;
use crate::operations::community::{self, CommunityError, JoinTry};
use crate::operations::{OperationError, Site, chain};

/// For connecting, and for each answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// So many members are asked what they know before this box signs something: with those, hardly anything is missed.
const ASKED_FIRST: usize = 16;
/// What is not heard by then is signed without.
const HEARD_WITHIN: Duration = Duration::from_secs(8);
/// For connecting when somebody waits for it.
const BRIEF: Duration = Duration::from_secs(8);
/// Without news, members are asked this often what they know (mutual-backup 4.11).
const ASK_EVERY: Duration = Duration::from_secs(30 * 60);
/// A member that did not answer is asked again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How often the box says where it is.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(30 * 60);

/// How the other boxes are reached.
pub(crate) struct Peers {
    site: Arc<Site>,
    dialler: Dialler,
    /// Where this box is, as its configuration says.
    places: Vec<Address>,
    /// At which port others outside find it.
    port: u16,
    channels: Arc<Channels>,
    ways: Mutex<HashMap<MemberId, ways::Known>>,
    rounds: Mutex<dialling::Rounds>,
    began: Instant,
    known: Mutex<HashMap<MemberId, Known>>,
    /// When this box said last where it is, and where.
    announced: Mutex<Option<(Instant, Vec<Address>)>>,
}

/// What was found when a member was asked last.
#[derive(Debug, Clone, Copy)]
struct Known {
    asked: Instant,
    /// Sequence of its last entry; `None`: it did not answer, or not with anything that holds.
    sequence: Option<u64>,
    /// The box's own, then.
    mine: u64,
    /// What waited for more admins, then ([`community::news`]).
    news: usize,
    /// It said that this box is of no member.
    is_refused: bool,
}

/// What came of asking a member to let its brake go.
pub(crate) struct Lifted {
    /// What it is called.
    pub(crate) member: String,
    /// Whether it held, or why it was not asked.
    pub(crate) held: Result<bool, String>,
}

/// Why another box was not asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    /// The invitation is none.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It is not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It does not answer, or refuses.
    #[error(transparent)]
    Link(#[from] PeerLinkError),
    /// What was to be done here.
    #[error(transparent)]
    Community(#[from] CommunityError),
}

impl PeersError {
    /// Whether the other box has answered that this one is of no member.
    fn is_of_no_member(&self) -> bool {
        matches!(self, Self::Link(PeerLinkError::Refused(refusal)) if refusal.code == RefusalCode::UnknownMachine)
    }
}

impl From<OperationError> for PeersError {
    fn from(error: OperationError) -> Self {
        Self::Community(error.into())
    }
}

impl Peers {
    /// `places` and `port`: where others find this box.
    pub(crate) fn new(
        site: Arc<Site>,
        dialler: Dialler,
        (places, port): (Vec<Address>, u16),
        channels: Arc<Channels>,
    ) -> Self {
        Self {
            site,
            dialler,
            places,
            port,
            channels,
            ways: Mutex::default(),
            rounds: Mutex::default(),
            began: Instant::now(),
            known: Mutex::default(),
            announced: Mutex::default(),
        }
    }

    /// Of a box that knows no others and cannot reach them.
    #[cfg(test)]
    pub(crate) fn of_nobody(site: &Arc<Site>) -> Self {
        use rustls::pki_types::PrivatePkcs8KeyDer;

        use crate::channels::RelayLimits;
        use crate::links::peers::{AllowPrivate, Identity};
        let identity = Identity::new((Vec::new().into(), PrivatePkcs8KeyDer::from(Vec::new()).into()));
        let limits = RelayLimits { bits_per_second: 0, bytes_per_day: 0 };
        let channels = Channels::new(([127, 0, 0, 1], 1).into(), limits);
        Self::new(Arc::clone(site), Dialler::new(identity, AllowPrivate::No), (Vec::new(), 1), channels)
    }

    /// The packs of this box that others hold.
    pub(crate) fn packs(self: &Arc<Self>) -> Arc<dyn Fetch> {
        Arc::new(Fetcher::new(Arc::clone(self), self.site.vault.dispersal.clone()))
    }

    /// Connections that members lend, and those that this box relays.
    pub(crate) fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// Looks for a member's box at the address that it asked from, and sends it at most `budget` bytes.
    ///
    /// # Errors
    /// An address that is not dialled.
    pub(crate) fn dial_back(
        &self,
        member: MemberId,
        address: SocketAddr,
        budget: usize,
    ) -> Result<DialFound, PeersError> {
        let pin = self.pin_of(member)?;
        Ok(self.dialler.look(address, pin, budget).map_err(DialError::from)?)
    }

    /// Asks to be let in with the invitation `line`: the digits that the other box's admin has to see there. `kit`: the identity of
    /// this box's recovery kit.
    ///
    /// # Errors
    /// [`PeersError`].
    pub(crate) fn join(
        &self,
        by: &Actor,
        line: &str,
        member: MemberName,
        kit: &VaultIdentity,
    ) -> Result<String, PeersError> {
        let invitation: Invitation = line.parse()?;
        let (place, mut link) = self.dialler.dial_one_of(&invitation.hints, invitation.inviter, BRIEF)?;
        let connection = (place, link.key(), link.channel());
        let attempt = community::try_to_join(&self.site, by, &invitation, connection, member, kit)?;
        self.send_request(by, &mut link, &attempt)
    }

    /// The same with a code that was read out, to the box at `place`.
    ///
    /// # Errors
    /// [`PeersError`].
    pub(crate) fn join_aloud(
        &self,
        by: &Actor,
        (code, place): (SpokenCode, &Address),
        member: MemberName,
        kit: &VaultIdentity,
    ) -> Result<String, PeersError> {
        let mut link = self.dialler.dial_anyone(place, BRIEF)?;
        let beginning = community::begin_aloud(&self.site, by, code, kit, (link.key(), link.channel()))?;
        let begun = link.ask(&beginning.message)?;
        let answering = community::answer_aloud(beginning, &begun)?;
        let told = link.ask(&answering.message)?;
        let attempt = community::request_aloud(&self.site, by, (answering, &told), place, member, kit)?;
        self.send_request(by, &mut link, &attempt)
    }

    /// Sends a request to join: the digits that the other box's admin has to see there.
    fn send_request<M: Message<Response = JoinAnswer>>(
        &self,
        by: &Actor,
        link: &mut PeerLink,
        attempt: &JoinTry<M>,
    ) -> Result<String, PeersError> {
        // Before it is sent: an invitation is used up by the first request that arrives, also if the answer gets lost.
        community::asked_to_join(&self.site, by, attempt)?;
        if let Err(error) = link.ask(&attempt.message) {
            if matches!(error, PeerLinkError::Refused(_)) {
                community::not_asked(&self.site)?;
            }
            return Err(error.into());
        }
        Ok(attempt.digits().to_owned())
    }

    /// Asks each member to let its brake go for this box's data, with the kit.
    ///
    /// # Errors
    /// [`PeersError`]: of this box itself, also when the kit is another one's.
    pub(crate) fn lift_brakes(&self, kit: &VaultIdentity) -> Result<Vec<Lifted>, PeersError> {
        let known = self.site.community().ok_or(CommunityError::None)?;
        let (community, me) = (known.log.community(), known.me);
        let key = recovery_key(kit);
        if key.public_key().member_id() != me {
            return Err(CommunityError::OtherKit.into());
        }
        let ask = |member: MemberId| {
            let mut link = self.connect(member)?;
            let message = lift_message(community, me, member, &link.channel());
            let signature = key.sign(SigningContext::LiftBrake, &message);
            Ok::<_, PeersError>(link.ask(&LiftBrake { signature })?.held)
        };
        let lifted = |member: &Member| {
            let held = ask(member.id).map_err(|error| chain(&error));
            Lifted { member: member.name.to_string(), held }
        };
        Ok(known.others().map(lifted).collect())
    }

    /// Does what is due: asks what has become of a request to join, says where the box is, and compares notes with the others.
    ///
    /// # Errors
    /// [`PeersError`]: of this box itself. Members that do not answer are none.
    pub(crate) fn step(&self) -> Result<(), PeersError> {
        if self.site.community().is_none() {
            return self.ask_again();
        }
        self.announce()?;
        let known = self.site.community().ok_or(CommunityError::None)?;
        let (mine, others) = (known.roster().sequence(), known.partners(self.site.clock.now()));
        drop(known);
        let news = community::news(&self.site)?;
        for member in others.into_iter().filter(|member| self.is_due(*member, mine, news)) {
            self.site.check_running()?;
            let mut is_refused = false;
            let sequence = match self.compare_notes(member) {
                Ok(sequence) => Some(sequence),
                Err(PeersError::Community(CommunityError::Operation(error))) => return Err(error.into()),
                // Somebody else will tell soon; to look again costs nothing.
                Err(PeersError::Dial(DialError::Nowhere)) => {
                    self.forget_answer(member);
                    continue;
                }
                Err(error) => {
                    tracing::info!(%member, error = %error, "A member of the community does not answer");
                    is_refused = error.is_of_no_member();
                    None
                }
            };
            let asked = Known { asked: Instant::now(), sequence, mine, news, is_refused };
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(member, asked);
        }
        self.round_if_due();
        Ok(())
    }

    /// What a member has answered before says nothing of now.
    fn forget_answer(&self, member: MemberId) {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&member) {
            (known.sequence, known.is_refused) = (None, false);
        }
    }

    /// Members that say that this box is of no member, where none takes it for one: it was put out, or another box is in its place.
    /// Somebody who has just come in is not known to all at once.
    pub(crate) fn refusing(&self) -> Vec<MemberName> {
        let Some(community) = self.site.community() else { return Vec::new() };
        let present = community.partners(self.site.clock.now());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let refusing = refusals(&present, |member| match known.get(&member)? {
            Known { sequence: Some(_), .. } => Some(true),
            Known { is_refused, .. } => is_refused.then_some(false),
        });
        let members = refusing.iter().filter_map(|member| community.roster().member(*member));
        let mut names: Vec<MemberName> = members.map(|member| member.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Hears what those members have to say that answered when they were asked last, or were not asked yet. To be called before this
    /// box signs something: of two next entries that are signed at once only one can stay. Nobody holds that up for longer than
    /// [`HEARD_WITHIN`], also who is to be put out by it.
    ///
    /// # Errors
    /// [`OperationError`]: of this box itself. Members that do not answer are none.
    pub(crate) fn hear(self: &Arc<Self>) -> Result<(), OperationError> {
        let Some(known) = self.site.community() else { return Ok(()) };
        let answered = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let partners = known.partners(self.site.clock.now());
        drop(known);
        let others = first_to_ask(partners, |member| answered.get(&member).map(|known| known.sequence.is_some()));
        let (told, answers) = channel();
        for member in others {
            let (peers, told) = (Arc::clone(self), told.clone());
            // Whoever has stopped to listen has decided without it.
            std::thread::spawn(move || drop(told.send((member, peers.compare_notes(member)))));
        }
        drop(told);
        let until = Instant::now() + HEARD_WITHIN;
        // It ends when all have answered; what comes later is taken in all the same.
        while let Ok((member, asked)) = answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match asked {
                Err(PeersError::Community(CommunityError::Operation(error))) => return Err(error),
                Err(error) => tracing::info!(%member, error = %error, "A member of the community does not answer"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn is_due(&self, member: MemberId, mine: u64, news: usize) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&member).copied();
        let Some(known) = known else { return true };
        let wait = match known.sequence {
            None => TRY_AGAIN,
            // Something new is told at once. Who stays behind all the same is asked again later.
            Some(_) if known.mine != mine || known.news != news => Duration::ZERO,
            Some(sequence) if sequence < mine => TRY_AGAIN,
            Some(_) => ASK_EVERY,
        };
        known.asked.elapsed() >= wait
    }

    /// Both sides know the same afterwards; the sequence that the other one has then.
    fn compare_notes(&self, member: MemberId) -> Result<u64, PeersError> {
        let mut link = self.connect(member)?;
        community::compare_notes(&self.site, member, |asked| link.ask(asked).map_err(PeersError::from))
    }

    fn announce(&self) -> Result<(), PeersError> {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let places = self.places();
        let is_said = |(at, said): &(Instant, Vec<Address>)| at.elapsed() < ANNOUNCE_EVERY && *said == places;
        if !announced.as_ref().is_some_and(is_said) {
            community::announce(&self.site, places.clone())?;
            *announced = Some((Instant::now(), places));
        }
        Ok(())
    }

    /// `false` ends it: the box has asked for nothing.
    fn ask_again(&self) -> Result<(), PeersError> {
        let Some(asked) = community::joining(&self.site)? else { return Ok(()) };
        let place: Address = asked.address.parse().map_err(|_| DialError::Name(asked.address.clone()))?;
        let answer: JoinAnswer = match self.dialler.dial(&place, asked.pin, BRIEF) {
            Ok(mut link) => link.ask(&AskAgain { community: asked.community })?,
            Err(DialError::Link(PeerLinkError::Pipe(PipeError::Connect { .. } | PipeError::Late))) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !community::joined(&self.site, &asked, &answer)? {
            tracing::warn!(address = asked.address, "The box was not let into the community");
        }
        Ok(())
    }
}

/// Of `partners` those to ask before something is signed: those that `answered` when they were asked last, then those that were not
/// asked since this box has started.
fn first_to_ask(partners: Vec<MemberId>, answered: impl Fn(MemberId) -> Option<bool>) -> Vec<MemberId> {
    let (asked, others): (Vec<_>, Vec<_>) = partners.into_iter().partition(|member| answered(*member).is_some());
    let answer = asked.into_iter().filter(|member| answered(*member) == Some(true));
    answer.chain(others).take(ASKED_FIRST).collect()
}

/// Of what `present` members answered last, those that say that this box is of no member, unless one takes it for one: `None` for
/// whoever did not answer.
fn refusals(present: &[MemberId], answered: impl Fn(MemberId) -> Option<bool>) -> Vec<MemberId> {
    let takes = |member: &MemberId| answered(*member);
    if present.iter().any(|member| takes(member) == Some(true)) {
        return Vec::new();
    }
    present.iter().copied().filter(|member| takes(member) == Some(false)).collect()
}

impl Reach for Arc<Peers> {
    fn reach(&self, member: MemberId) -> Result<PeerLink, NoLine> {
        let is_in = |known: &community::Community| known.others().any(|other| other.id == member);
        if self.site.community().is_some_and(|known| !is_in(&known)) {
            return Err(NoLine::Gone);
        }
        self.connect(member).map_err(|_| NoLine::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::from_bytes([number; 32])
    }

    fn members(numbers: impl IntoIterator<Item = u8>) -> Vec<MemberId> {
        numbers.into_iter().map(member).collect()
    }

    #[test]
    fn those_are_asked_first_that_answered_and_after_a_start_anybody() {
        let after_a_start = first_to_ask(members(1..=40), |_| None);
        assert_eq!(after_a_start, members(1..=16));
        // 1 did not answer, 2 and 30 did, the others were not asked yet.
        let answered = |id: MemberId| match id {
            id if id == member(1) => Some(false),
            id if [member(2), member(30)].contains(&id) => Some(true),
            _ => None,
        };
        let asked = first_to_ask(members(1..=40), answered);
        assert_eq!(asked, members([2, 30].into_iter().chain(3..=16)));
    }

    #[test]
    fn who_refuses_is_named_unless_somebody_present_takes_this_box_for_a_member() {
        let answered = |id: MemberId| match id {
            id if id == member(1) => Some(true),
            id if id == member(2) => None,
            _ => Some(false),
        };
        assert_eq!(refusals(&members(1..=4), answered), []);
        assert_eq!(refusals(&members(2..=4), answered), members(3..=4), "the one that did is gone");
        assert_eq!(refusals(&members(2..=2), answered), []);
    }
}
