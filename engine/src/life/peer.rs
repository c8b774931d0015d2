//! What an owner believes of one peer, by the answers it gets.
//!
//! | state | when | its shards count | new shards |
//! |---|---|---|---|
//! | ok | answers | yes | yes |
//! | away | silent for more than 4 h | yes | no |
//! | absent | silent for more than 72 h | no | no |
//! | suspect | proven to have lost a shard | yes, but the lost ones | no |
//! | gone | silent for more than 30 d | no | no |
//! | expelled | by people | no | no |
//!
//! Silence is counted from the last answer about data, so a peer whose disk is not mounted is silent too. To the worse it
//! takes two rounds without an answer, to the better two rounds with one. Who was absent or gone is sampled before its
//! shards count again. A suspect of which nothing is left that it could be asked for proves nothing by being there: it is
//! one for as long as any other. Source: mutual-backup 4.5, 4.6, decision 0028.

use super::audit::{RETURN_RANGES, Round, SWEEP_RANGES};
use super::clock::since;
use crate::units::{Seconds, UnixMillis};

/// Silent for longer: away.
pub const AWAY_AFTER: Seconds = Seconds(4 * 3_600);
/// Silent for longer: absent, and its shards are made again elsewhere.
pub const ABSENT_AFTER: Seconds = Seconds(72 * 3_600);
/// Silent for longer: gone.
pub const GONE_AFTER: Seconds = Seconds(30 * 86_400);
/// How many rounds in a row have to say the same before a peer's state follows.
pub const ROUNDS_TO_CHANGE: u8 = 2;
/// A suspect is swept again after this, until a sweep is clean; where there is nothing to sweep, it is one for so long after its last
/// loss.
pub const SWEEP_AGAIN_AFTER: Seconds = Seconds::DAY;
/// The state of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It answers.
    Ok,
    /// Silent for more than [`AWAY_AFTER`].
    Away,
    /// Silent for more than [`ABSENT_AFTER`].
    Absent,
    /// Proven to have lost something.
    Suspect,
    /// Silent for more than [`GONE_AFTER`].
    Gone,
    /// Put out by people; only people bring it back.
    Expelled,
}

impl Standing {
    /// The word for it on screens and in the catalog.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Away => "away",
            Self::Absent => "absent",
            Self::Suspect => "suspect",
            Self::Gone => "gone",
            Self::Expelled => "expelled",
        }
    }
}

/// How closely a peer is looked at before it counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// [`RETURN_RANGES`] ranges: it was absent.
    Return,
    /// [`SWEEP_RANGES`] ranges: it lost something, or was gone.
    Sweep,
    /// A range of every shard: a sweep has found more that is lost.
    EveryShard,
}

impl Check {
    /// How many ranges to draw; `None`: one of every shard.
    #[must_use]
    pub const fn ranges(self) -> Option<u32> {
        match self {
            Self::Return => Some(RETURN_RANGES),
            Self::Sweep => Some(SWEEP_RANGES),
            Self::EveryShard => None,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A round of audits is over.
    Round(Round),
    /// The check that was asked for by [`Effect::Look`] is over. A round of nothing at all: the peer answers, and there was nothing
    /// to ask it for.
    Checked(Check, Round),
    /// People put the peer out.
    Expelled,
    /// People take it back; it is swept before it counts.
    Readmitted,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Tell people, and look at the stripes again.
    Changed {
        /// What it was.
        from: Standing,
        /// What it is.
        to: Standing,
    },
    /// Ask for these ranges, mark what is proven lost, and report the sum as [`Event::Checked`].
    Look(Check),
}

/// The owner's view of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    standing: Standing,
    answered_at: UnixMillis,
    misses: u8,
    hits: u8,
    /// What it has to pass before its shards count; `None`: they count.
    owes: Option<Check>,
    /// The check that is under way.
    running: Option<Check>,
    checked_at: UnixMillis,
    /// When it was last proven to have lost something; `None`: not since it was last without fault.
    lost_at: Option<UnixMillis>,
}

impl Peer {
    /// A peer that has just been met.
    #[must_use]
    pub const fn met(now: UnixMillis) -> Self {
        let (misses, hits, owes, running, lost_at) = (0, 0, None, None, None);
        Self { standing: Standing::Ok, answered_at: now, misses, hits, owes, running, checked_at: now, lost_at }
    }

    /// Its state.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// What decisions about stripes need to know of it.
    #[must_use]
    pub fn presence(&self, now: UnixMillis) -> Presence {
        let silent = if self.misses < ROUNDS_TO_CHANGE { Seconds(0) } else { since(self.answered_at, now) };
        Presence { standing: self.standing, counts: self.counts(), silent }
    }

    /// The check that was asked for and is not over. Whoever was restarted meanwhile begins it again.
    #[must_use]
    pub const fn under_way(&self) -> Option<Check> {
        self.running
    }

    fn counts(&self) -> bool {
        match self.standing {
            Standing::Ok | Standing::Away | Standing::Suspect => self.owes.is_none(),
            Standing::Absent | Standing::Gone | Standing::Expelled => false,
        }
    }

    /// Takes in what happened; returns what is to be done.
    pub fn step(&mut self, now: UnixMillis, event: Event) -> Vec<Effect> {
        let from = self.standing;
        let mut effects = match event {
            Event::Round(round) => self.round(now, round),
            Event::Checked(check, round) => self.checked(now, check, round),
            Event::Expelled => {
                self.standing = Standing::Expelled;
                self.running = None;
                Vec::new()
            }
            Event::Readmitted => self.readmitted(now),
        };
        if self.standing != from {
            effects.insert(0, Effect::Changed { from, to: self.standing });
        }
        effects
    }

    fn round(&mut self, now: UnixMillis, round: Round) -> Vec<Effect> {
        if self.standing == Standing::Expelled {
            return Vec::new();
        }
        if round.good == 0 && round.lost == 0 {
            self.hits = 0;
            self.misses = self.misses.saturating_add(1);
            self.grow_silent(now);
            return Vec::new();
        }
        self.answered_at = now;
        self.misses = 0;
        self.hits = self.hits.saturating_add(1);
        if round.lost > 0 {
            self.lost_at = Some(now);
            return self.suspected();
        }
        match self.standing {
            Standing::Ok | Standing::Expelled => Vec::new(),
            Standing::Away if self.hits < ROUNDS_TO_CHANGE => Vec::new(),
            Standing::Away => self.back_from_away(),
            Standing::Absent => self.look(Check::Return),
            Standing::Gone => self.look(Check::Sweep),
            Standing::Suspect if since(self.checked_at, now) < SWEEP_AGAIN_AFTER => Vec::new(),
            Standing::Suspect => self.look(Check::Sweep),
        }
    }

    /// Silence makes a state worse, never better, and only after two rounds.
    fn grow_silent(&mut self, now: UnixMillis) {
        if self.misses < ROUNDS_TO_CHANGE {
            return;
        }
        let silent = since(self.answered_at, now);
        if silent > GONE_AFTER {
            self.standing = Standing::Gone;
            self.owes = Some(Check::Sweep);
            self.running = None;
        } else if silent > ABSENT_AFTER && self.standing != Standing::Gone {
            // Who was suspect before owes more than who was merely away.
            let more = self.standing == Standing::Suspect || self.owes == Some(Check::Sweep);
            self.standing = Standing::Absent;
            self.owes = Some(if more { Check::Sweep } else { Check::Return });
            self.running = None;
        } else if silent > AWAY_AFTER && self.standing == Standing::Ok {
            self.standing = Standing::Away;
        }
    }

    fn back_from_away(&mut self) -> Vec<Effect> {
        match self.owes {
            None => {
                self.standing = Standing::Ok;
                Vec::new()
            }
            Some(check) => self.look(check),
        }
    }

    fn suspected(&mut self) -> Vec<Effect> {
        if self.standing == Standing::Suspect && self.running.is_some() {
            return Vec::new();
        }
        self.standing = Standing::Suspect;
        self.look(Check::Sweep)
    }

    /// Asks for a check once; what was owed and is more is asked for instead.
    fn look(&mut self, check: Check) -> Vec<Effect> {
        if self.running.is_some() {
            return Vec::new();
        }
        let check = if self.owes == Some(Check::Sweep) { Check::Sweep } else { check };
        self.running = Some(check);
        vec![Effect::Look(check)]
    }

    fn checked(&mut self, now: UnixMillis, check: Check, round: Round) -> Vec<Effect> {
        if self.running != Some(check) || self.standing == Standing::Expelled {
            return Vec::new();
        }
        self.running = None;
        if round.absent == 0 || round.good > 0 || round.lost > 0 {
            self.answered_at = now;
        }
        if round.lost > 0 {
            self.lost_at = Some(now);
        }
        if round.absent > 0 {
            // It stopped to answer in the middle: the next good round asks again. What was proven lost stays so.
            if round.lost > 0 {
                self.standing = Standing::Suspect;
                self.checked_at = now.minus(SWEEP_AGAIN_AFTER);
            }
            return Vec::new();
        }
        self.checked_at = now;
        match (check, round.lost) {
            (Check::Return | Check::Sweep, 0) if round == Round::default() && self.has_lost_lately(now) => {
                self.owes = None;
                self.standing = Standing::Suspect;
                Vec::new()
            }
            (Check::Return | Check::Sweep, 0) => {
                self.owes = None;
                self.lost_at = None;
                self.standing = Standing::Ok;
                Vec::new()
            }
            (Check::Return | Check::Sweep, _) => {
                self.standing = Standing::Suspect;
                self.running = Some(Check::EveryShard);
                vec![Effect::Look(Check::EveryShard)]
            }
            // Every shard was asked for: what is left counts, and a clean sweep a day later ends the suspicion.
            (Check::EveryShard, _) => {
                self.owes = None;
                self.standing = Standing::Suspect;
                Vec::new()
            }
        }
    }

    fn has_lost_lately(&self, now: UnixMillis) -> bool {
        self.lost_at.is_some_and(|at| since(at, now) < SWEEP_AGAIN_AFTER)
    }

    fn readmitted(&mut self, now: UnixMillis) -> Vec<Effect> {
        if self.standing != Standing::Expelled {
            return Vec::new();
        }
        *self = Self { standing: Standing::Gone, owes: Some(Check::Sweep), ..Self::met(now) };
        Vec::new()
    }
}

/// A peer as decisions about stripes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Its state.
    pub standing: Standing,
    /// Whether what it holds is believed to be there.
    pub counts: bool,
    /// For how long it has not answered; nothing before two rounds without an answer.
    pub silent: Seconds,
}

impl Presence {
    /// Of a member that leaves and answers: nobody else is well and does not count.
    const LEAVING: Self = Self { standing: Standing::Ok, counts: false, silent: Seconds(0) };

    /// The same of a member that leaves: what it holds has to be elsewhere before it is gone, and is read from it until
    /// then (mutual-backup 4.15).
    #[must_use]
    pub fn leaving(self) -> Self {
        let absent = Self { standing: Standing::Absent, counts: false, silent: self.silent.max(ABSENT_AFTER) };
        if self.answers() { Self::LEAVING } else { absent }
    }

    /// Whether it is about to go, and still answers.
    #[must_use]
    pub fn leaves(&self) -> bool {
        *self == Self::LEAVING
    }

    /// Whether it may be given new shards.
    #[must_use]
    pub fn may_receive(&self) -> bool {
        self.standing == Standing::Ok && self.counts && self.silent == Seconds(0)
    }

    /// Whether it can be read from now.
    #[must_use]
    pub fn answers(&self) -> bool {
        (self.counts || self.leaves()) && self.silent == Seconds(0)
    }

    /// Whether what it holds is given up.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.standing, Standing::Gone | Standing::Expelled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{days, hours};
    use super::*;
    use proptest::prelude::*;

    const GOOD: Round = Round { good: 10, lost: 0, absent: 0 };
    const LOST: Round = Round { good: 9, lost: 1, absent: 0 };
    const SILENT: Round = Round { good: 0, lost: 0, absent: 10 };

    /// Half-hourly rounds from one hour to another; returns how often the state changed.
    fn rounds(peer: &mut Peer, from_hour: u64, to_hour: u64, round: impl Fn(u64) -> Round) -> usize {
        let mut changes = 0;
        for half in from_hour * 2..to_hour * 2 {
            let now = UnixMillis(hours(0).0 + i64::try_from(half).expect("small") * 1_800_000);
            let effects = peer.step(now, Event::Round(round(half)));
            changes += effects.iter().filter(|effect| matches!(effect, Effect::Changed { .. })).count();
        }
        changes
    }

    #[test]
    fn silence_makes_a_peer_away_then_absent_then_gone() {
        let mut peer = Peer::met(hours(0));
        for (hour, standing, counts) in [
            (4, Standing::Ok, true),
            (5, Standing::Away, true),
            (72, Standing::Away, true),
            (73, Standing::Absent, false),
            (30 * 24, Standing::Absent, false),
            (30 * 24 + 1, Standing::Gone, false),
            (400 * 24, Standing::Gone, false),
        ] {
            peer.step(hours(hour - 1), Event::Round(SILENT));
            peer.step(hours(hour), Event::Round(SILENT));
            assert_eq!((peer.standing(), peer.presence(hours(hour)).counts), (standing, counts), "hour {hour}");
        }
    }

    #[test]
    fn one_missed_round_after_a_long_pause_is_no_absence() {
        let mut peer = Peer::met(hours(0));
        assert_eq!(peer.step(days(40), Event::Round(SILENT)), []);
        assert_eq!(peer.presence(days(40)).silent, Seconds(0));
        let effects = peer.step(days(40), Event::Round(SILENT));
        assert_eq!(effects, [Effect::Changed { from: Standing::Ok, to: Standing::Gone }]);
    }

    #[test]
    fn a_peer_that_flaps_each_hour_never_changes_its_state() {
        let mut peer = Peer::met(hours(0));
        let changes = rounds(&mut peer, 0, 24 * 30, |half| if half / 2 % 2 == 0 { GOOD } else { SILENT });
        assert_eq!((changes, peer.standing()), (0, Standing::Ok));
    }

    #[test]
    fn who_comes_back_after_29_or_31_days_counts_again_once_it_is_sampled() {
        for (day, check) in [(29, Check::Return), (31, Check::Sweep)] {
            let mut peer = Peer::met(hours(0));
            rounds(&mut peer, 0, day * 24, |_| SILENT);
            let effects = peer.step(days(day), Event::Round(GOOD));
            assert_eq!(effects, [Effect::Look(check)], "day {day}");
            assert!(!peer.presence(days(day)).counts);
            let from = peer.standing();
            let effects = peer.step(days(day), Event::Checked(check, GOOD));
            assert_eq!(effects, [Effect::Changed { from, to: Standing::Ok }]);
            assert!(peer.presence(days(day)).may_receive());
        }
    }

    #[test]
    fn a_proven_loss_leads_to_a_sweep_then_to_every_shard_then_to_a_clean_sweep() {
        let mut peer = Peer::met(hours(0));
        let to_suspect = Effect::Changed { from: Standing::Ok, to: Standing::Suspect };
        assert_eq!(peer.step(hours(1), Event::Round(LOST)), [to_suspect, Effect::Look(Check::Sweep)]);
        assert_eq!(peer.step(hours(1), Event::Round(LOST)), [], "one sweep at a time");
        let effects = peer.step(hours(2), Event::Checked(Check::Sweep, LOST));
        assert_eq!(effects, [Effect::Look(Check::EveryShard)]);
        assert_eq!(peer.step(hours(3), Event::Checked(Check::EveryShard, LOST)), []);
        assert!(peer.presence(hours(3)).counts && !peer.presence(hours(3)).may_receive());
        assert_eq!(peer.step(hours(20), Event::Round(GOOD)), []);
        assert_eq!(peer.step(hours(28), Event::Round(GOOD)), [Effect::Look(Check::Sweep)]);
        let to_ok = Effect::Changed { from: Standing::Suspect, to: Standing::Ok };
        assert_eq!(peer.step(hours(29), Event::Checked(Check::Sweep, GOOD)), [to_ok]);
    }

    #[test]
    fn a_suspect_of_which_nothing_is_left_is_not_sound_because_it_answers() {
        let mut peer = Peer::met(hours(0));
        peer.step(hours(1), Event::Round(LOST));
        let all = Round { good: 0, lost: 20, absent: 0 };
        assert_eq!(peer.step(hours(1), Event::Checked(Check::Sweep, all)), [Effect::Look(Check::EveryShard)]);
        peer.step(hours(1), Event::Checked(Check::EveryShard, all));
        for hour in [2, 24] {
            assert_eq!(peer.step(hours(hour), Event::Round(Round::greeting())), []);
            assert!(!peer.presence(hours(hour)).may_receive(), "hour {hour}");
        }
        assert_eq!(peer.step(hours(25), Event::Round(Round::greeting())), [Effect::Look(Check::Sweep)]);
        let to_ok = Effect::Changed { from: Standing::Suspect, to: Standing::Ok };
        assert_eq!(peer.step(hours(25), Event::Checked(Check::Sweep, Round::default())), [to_ok]);
        assert_eq!(peer, Peer { hits: peer.hits, ..Peer::met(hours(25)) }, "it begins anew");
        // The shard that was found lost was all that it had, so there is nothing to look at more closely.
        peer.step(hours(30), Event::Round(LOST));
        assert_eq!(peer.step(hours(30), Event::Checked(Check::Sweep, Round::default())), []);
        assert_eq!(peer.step(hours(53), Event::Round(Round::greeting())), []);
        assert!(!peer.presence(hours(53)).may_receive());
        assert_eq!(peer.step(hours(54), Event::Round(Round::greeting())), [Effect::Look(Check::Sweep)]);
        assert_eq!(peer.step(hours(54), Event::Checked(Check::Sweep, Round::default())), [to_ok]);
    }

    #[test]
    fn whoever_has_lost_nothing_and_holds_nothing_is_back_when_it_answers_also_after_long() {
        for day in [4, 40] {
            let mut peer = Peer::met(hours(0));
            rounds(&mut peer, 0, day * 24, |_| SILENT);
            let effects = peer.step(days(day), Event::Round(Round::greeting()));
            let [Effect::Look(check)] = effects[..] else { panic!("{effects:?}") };
            peer.step(days(day), Event::Checked(check, Round::default()));
            assert!(peer.presence(days(day)).may_receive(), "day {day}");
        }
    }

    #[test]
    fn a_check_that_breaks_off_is_asked_for_again() {
        let mut peer = Peer::met(hours(0));
        rounds(&mut peer, 0, 100, |_| SILENT);
        assert_eq!(peer.step(hours(100), Event::Round(GOOD)), [Effect::Look(Check::Return)]);
        let half = Round { good: 200, lost: 0, absent: 280 };
        assert_eq!(peer.step(hours(101), Event::Checked(Check::Return, half)), []);
        assert_eq!(peer.standing(), Standing::Absent);
        assert_eq!(peer.step(hours(102), Event::Round(GOOD)), [Effect::Look(Check::Return)]);
    }

    #[test]
    fn only_people_bring_back_whom_people_expelled() {
        let mut peer = Peer::met(hours(0));
        peer.step(hours(0), Event::Expelled);
        rounds(&mut peer, 0, 48, |_| GOOD);
        assert_eq!(peer.standing(), Standing::Expelled);
        peer.step(hours(48), Event::Readmitted);
        assert_eq!(peer.step(hours(49), Event::Round(GOOD)), [Effect::Look(Check::Sweep)]);
    }

    proptest! {
        /// Whatever is answered in whatever order: only a proven loss makes a suspect, and only a check ends an absence.
        #[test]
        fn states_follow_from_what_was_answered(steps in prop::collection::vec((0..5_u8, 0..40_u64), 0..80)) {
            let mut peer = Peer::met(hours(0));
            let mut hour = 0;
            for (kind, passed) in steps {
                hour += passed;
                let before = peer;
                let event = match kind {
                    0 | 1 => Event::Round(SILENT),
                    2 => Event::Round(GOOD),
                    3 => Event::Round(LOST),
                    _ => Event::Checked(before.running.unwrap_or(Check::Return), GOOD),
                };
                peer.step(hours(hour), event);
                if peer.standing == Standing::Suspect && before.standing != Standing::Suspect {
                    prop_assert_eq!(event, Event::Round(LOST));
                }
                if peer.counts() && !before.counts() {
                    prop_assert!(matches!(event, Event::Checked(..)));
                }
                if peer.standing == Standing::Absent && before.standing == Standing::Ok {
                    prop_assert!(peer.misses >= ROUNDS_TO_CHANGE);
                }
            }
        }
    }
}
