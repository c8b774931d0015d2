//! Finding the community: the kit is shown to all boxes side by side. A site that has burnt down does not say that nobody is there,
//! it says nothing; so whoever is silent must hold up neither the others nor, for long, the recovery.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use datis_engine::community::log::Log;
use datis_engine::format::kit::KitHint;
use datis_engine::ids::{MemberId, SpkiPin};
use datis_engine::wire::peers::Claimed;

use super::RecoveryError;
use super::abreast::{Abreast, ENOUGH, WAIT};
use super::peers::{Community, Proof, RELAYS_MAX, active};
use crate::links::peers::{DialError, PeerLink};

/// One way to a box.
#[derive(Clone)]
struct Attempt {
    pin: SpkiPin,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Place(KitHint),
    /// Through the box at one of these places, which has seen the kit.
    Through(Vec<KitHint>, MemberId),
}

/// What came of it.
type Shown = Result<(PeerLink, Claimed), RecoveryError>;

struct Gathering<'g> {
    proof: &'g Arc<Proof>,
    hints: &'g [KitHint],
    progress: &'g mut dyn FnMut(String),
    community: Option<Community>,
    links: Vec<(SpkiPin, PeerLink)>,
    attempts: Abreast<Attempt, (PeerLink, Claimed), RecoveryError>,
    /// Of each box those that have not ended, begun or not.
    open: HashMap<SpkiPin, usize>,
    dialled: HashSet<(SpkiPin, String)>,
    relays: HashMap<MemberId, Vec<MemberId>>,
    /// Why a box is not there, as it came out first.
    failed: HashMap<SpkiPin, RecoveryError>,
}

/// Shows the kit to the boxes that it names, and to all others of the community that those name; goes on as soon as all have
/// answered, or enough of them and the others had their time.
///
/// # Errors
/// [`RecoveryError::Nobody`].
pub(super) fn gather(
    proof: &Arc<Proof>,
    hints: &[KitHint],
    progress: &mut dyn FnMut(String),
) -> Result<Community, RecoveryError> {
    let shown = Arc::clone(proof);
    let attempts = Abreast::new(move |attempt: &Attempt| match &attempt.way {
        Way::Place(hint) => shown.show_to(hint),
        Way::Through(between, to) => shown.show_through(between, (*to, attempt.pin)),
    });
    let mut gathering = Gathering {
        proof,
        hints,
        progress,
        community: None,
        links: Vec::new(),
        attempts,
        open: HashMap::new(),
        dialled: HashSet::new(),
        relays: HashMap::new(),
        failed: HashMap::new(),
    };
    hints.iter().for_each(|hint| gathering.dial(hint));
    gathering.listen();
    gathering.end()
}

impl Gathering<'_> {
    fn listen(&mut self) {
        let mut until: Option<Instant> = None;
        while let Some((attempt, shown)) = self.attempts.next(until.filter(|_| self.links.len() >= ENOUGH)) {
            self.take(&attempt, shown);
            if !self.links.is_empty() {
                until.get_or_insert_with(|| Instant::now() + WAIT);
            }
        }
    }

    /// Once at each place.
    fn dial(&mut self, hint: &KitHint) {
        if self.dialled.insert((hint.pin, hint.place.clone())) {
            self.add(Attempt { pin: hint.pin, way: Way::Place(hint.clone()) });
        }
    }

    fn add(&mut self, attempt: Attempt) {
        *self.open.entry(attempt.pin).or_default() += 1;
        self.attempts.add(attempt);
    }

    fn take(&mut self, attempt: &Attempt, shown: Shown) {
        let pin = attempt.pin;
        if let Some(open) = self.open.get_mut(&pin) {
            *open -= 1;
        }
        let mut is_news = false;
        match shown {
            // Another of its places was faster.
            Ok(_) if self.has_answered(&pin) => {}
            Ok((link, claimed)) => match Log::decode(&claimed.log, self.proof.community) {
                Ok(log) => {
                    let begin = || Community::begin(log.clone(), self.proof, self.hints.to_vec());
                    is_news = self.community.is_none();
                    is_news |= self.community.get_or_insert_with(begin).hear(&pin, log, claimed.records);
                    self.links.push((pin, link));
                }
                Err(error) => {
                    let error = RecoveryError::from(error);
                    let name = self.name(attempt);
                    (self.progress)(format!("{name} is left out: it answers with no log of the community: {error}"));
                    self.failed.insert(pin, error);
                }
            },
            Err(error) => {
                if let Way::Place(hint) = &attempt.way
                    && self.hints.contains(hint)
                {
                    (self.progress)(format!("{} is not to be had: {error}", hint.place));
                }
                self.failed.entry(pin).or_insert(error);
            }
        }
        if is_news {
            self.dial_all();
        }
        self.go_round();
    }

    fn has_answered(&self, pin: &SpkiPin) -> bool {
        self.links.iter().any(|(answered, _)| answered == pin)
    }

    /// By its name in the community, where that is known.
    fn name(&self, attempt: &Attempt) -> String {
        let member = self.community.as_ref().and_then(|community| active(community.log(), &attempt.pin));
        match (member, &attempt.way) {
            (Some(member), _) => member.name.to_string(),
            (None, Way::Place(hint)) => hint.place.clone(),
            (None, Way::Through(_, member)) => member.to_string(),
        }
    }

    /// Whoever is in the community and has not answered, where the others say that it is.
    fn dial_all(&mut self) {
        let Some(community) = &self.community else { return };
        let mut places = community.places();
        places.remove(&self.proof.member);
        for hint in places.into_values().flatten() {
            if !self.has_answered(&hint.pin) {
                self.dial(&hint);
            }
        }
    }

    /// Those that answer may reach those that do not: the next one is asked for each of whom nothing else is left to try.
    fn go_round(&mut self) {
        let Some(community) = &self.community else { return };
        let is_open = |pin: &SpkiPin| self.open.get(pin).is_some_and(|open| *open > 0);
        let given_up: Vec<(MemberId, SpkiPin)> = community
            .others()
            .map(|member| (member.id, member.device.spki_pin()))
            .filter(|(_, pin)| !self.has_answered(pin) && !is_open(pin))
            .collect();
        if given_up.is_empty() {
            return;
        }
        let places = community.places();
        let answered: Vec<MemberId> =
            self.links.iter().filter_map(|(pin, _)| active(community.log(), pin)).map(|member| member.id).collect();
        for (to, pin) in given_up {
            let tried = self.relays.entry(to).or_default();
            let next = answered.iter().find(|via| !tried.contains(via)).filter(|_| tried.len() < RELAYS_MAX);
            let Some(via) = next else { continue };
            tried.push(*via);
            let between = places.get(via).cloned().unwrap_or_default();
            self.add(Attempt { pin, way: Way::Through(between, to) });
        }
    }

    /// What came out, and whoever is not there by name.
    fn end(mut self) -> Result<Community, RecoveryError> {
        let Some(mut community) = self.community else {
            let last = self.hints.iter().rev().find_map(|hint| self.failed.remove(&hint.pin));
            return Err(RecoveryError::Nobody(Box::new(last.unwrap_or_else(|| DialError::Nowhere.into()))));
        };
        community.settle(self.links, self.progress);
        let mut last = RecoveryError::from(DialError::Nowhere);
        for member in community.silent().collect::<Vec<_>>() {
            let name = community.name(member);
            let pin = community.log().roster().member(member).map(|member| member.device.spki_pin());
            match pin.and_then(|pin| self.failed.remove(&pin)) {
                Some(error) => {
                    (self.progress)(format!("{name} does not answer: {error}"));
                    last = error;
                }
                None => (self.progress)(format!("{name} has not answered yet; it is asked again when it is needed")),
            }
        }
        if community.links.is_empty() {
            (self.progress)("of the community that the kit names nobody answers".to_owned());
            return Err(RecoveryError::Nobody(Box::new(last)));
        }
        Ok(community)
    }
}
