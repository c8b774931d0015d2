//! The community as one box knows it: its log, and since when the box has had each of its entries.

use std::collections::BTreeMap;

use super::log::Log;
use super::roster::{Member, Pinned, REBIND_HOLD, Rights, Roster, Standing};
use crate::ids::MemberId;
use crate::keys::PublicKey;
use crate::units::{Seconds, UnixMillis};

/// A box's own view. Never changed: a longer log is another one.
#[derive(Debug, Clone)]
pub struct Community {
    /// What its members have signed.
    pub log: Log,
    /// Which of them this box is.
    pub me: MemberId,
    /// When this box first had each entry, by its own clock.
    pub seen: BTreeMap<u64, UnixMillis>,
}

impl Community {
    /// As a box knows it that has just heard of all of it.
    #[must_use]
    pub fn entered(log: Log, me: MemberId, now: UnixMillis) -> Self {
        let seen = (0..=log.roster().sequence()).map(|sequence| (sequence, now)).collect();
        Self { log, me, seen }
    }

    /// The same with another log: what both have keeps its time, and the rest is seen `now`.
    #[must_use]
    pub fn with_log(&self, log: Log, now: UnixMillis) -> Self {
        let common = self.log.common_entries(&log) as u64;
        let mut seen = self.seen.clone();
        seen.split_off(&common);
        seen.extend((common..=log.roster().sequence()).map(|sequence| (sequence, now)));
        Self { log, me: self.me, seen }
    }

    /// Where the log has led to.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        self.log.roster()
    }

    /// What this box grants to a member now.
    #[must_use]
    pub fn rights_of(&self, member: MemberId, now: UnixMillis) -> Rights {
        let Some(member) = self.roster().member(member) else { return Rights::None };
        let since = match member.standing {
            Standing::Full => member.admitted,
            Standing::Rebound { since } | Standing::Leaving { since } | Standing::Removed { since } => since,
        };
        member.rights(self.seen_at(since), now)
    }

    /// The member whose present box has this key.
    #[must_use]
    pub fn who(&self, device: &PublicKey) -> Option<MemberId> {
        match self.roster().who(device.spki_pin()) {
            Pinned::Current(member) => Some(member.id),
            Pinned::Revoked(_) | Pinned::Unknown => None,
        }
    }

    /// For how long this box has known a member.
    #[must_use]
    pub fn time_in(&self, member: MemberId, now: UnixMillis) -> Seconds {
        let admitted = self.roster().member(member).map_or(now, |member| self.seen_at(member.admitted));
        Seconds(u64::try_from(now.0.saturating_sub(admitted.0) / 1_000).unwrap_or(0))
    }

    /// The others to whom this box talks now, by id: not those whose time after leaving is over.
    #[must_use]
    pub fn partners(&self, now: UnixMillis) -> Vec<MemberId> {
        let talks = |member: &MemberId| self.rights_of(*member, now) != Rights::None;
        self.others().map(|member| member.id).filter(talks).collect()
    }

    /// The others that are in, by id.
    pub fn others(&self) -> impl Iterator<Item = &Member> {
        self.roster().active().filter(|member| member.id != self.me)
    }

    /// From when on the others take a confirmation of this member by its kit alone, as far as this box can tell; `None`: it waits for
    /// none.
    #[must_use]
    pub fn confirms_itself_from(&self, member: MemberId) -> Option<UnixMillis> {
        match self.roster().member(member)?.standing {
            Standing::Rebound { since } => Some(self.seen_at(since).plus(REBIND_HOLD)),
            Standing::Full | Standing::Leaving { .. } | Standing::Removed { .. } => None,
        }
    }

    /// Whether this box has known the rebinding of this sequence for as long as a kit alone has to wait. One that is not in the log
    /// yet is seen only now.
    #[must_use]
    pub fn is_old(&self, since: u64, now: UnixMillis) -> bool {
        #[cfg(feature = "plant")]
        if crate::plant::planted("kit-at-once") {
            return true;
        }
        self.seen.get(&since).is_some_and(|seen| now >= seen.plus(REBIND_HOLD))
    }

    /// An entry that was never seen counts as seen long ago: its hold is for the others to keep.
    fn seen_at(&self, sequence: u64) -> UnixMillis {
        self.seen.get(&sequence).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::community::entry::Change;
    use crate::community::testing::{community, say};

    #[test]
    fn what_two_logs_share_keeps_its_time_and_the_rest_is_seen_when_it_comes() {
        let (log, people) = community(3, 1);
        let rename = |name: &str| Change::Rename { member: people[1].id(), name: name.parse().expect("name") };
        let (mut ours, mut theirs) = (log.clone(), log.clone());
        say(&mut ours, rename("a"), &[&people[1].device]).expect("said");
        say(&mut theirs, rename("b"), &[&people[1].device]).expect("said");
        say(&mut theirs, rename("c"), &[&people[1].device]).expect("said");
        let (last, at) = (log.roster().sequence(), UnixMillis(1_000));
        let known = Community::entered(ours, people[0].id(), at).with_log(theirs, UnixMillis(9_000));
        let times: Vec<UnixMillis> = known.seen.values().copied().collect();
        let expected = (0..=last).map(|_| at).chain([UnixMillis(9_000); 2]);
        assert_eq!(times, expected.collect::<Vec<_>>());
        assert_eq!(known.time_in(people[2].id(), UnixMillis(61_000)), Seconds(60));
    }
}
