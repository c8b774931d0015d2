//! Who belongs to a community once its log has been read: members, admins, and what each may do.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Admission, Change, Domains};
use crate::ids::{CommunityId, CommunityName, MemberId, MemberName, SpkiPin};
use crate::keys::PublicKey;
use crate::units::{Seconds, UnixMillis};

/// The most members that are not removed.
pub const MEMBERS_MAX: usize = 256;

/// How long a box that replaced another may read only, by the clock of the box that serves it (mutual-backup 4.9).
pub const REBIND_HOLD: Seconds = Seconds::DAY;

/// How long a member that leaves still reads and is read, by each box's own clock (mutual-backup 4.15).
pub const LEAVING_TIME: Seconds = Seconds(30 * 86_400);

/// The most other names and labels that a member takes without an admin: the log is everybody's, and no member may fill it.
pub const OWN_RENAMES_MAX: u16 = 16;

/// The most with an admin: a stolen admin's box may not fill it either.
pub const RENAMES_MAX: u16 = 256;

/// The most boxes that a member may have had, for the same reason.
pub const BOXES_MAX: usize = 64;

/// Where a member stands. `since` is the sequence of the entry that put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// With all rights.
    Full,
    /// On a new box that nobody has confirmed yet.
    Rebound {
        /// The rebinding.
        since: u64,
    },
    /// On its way out.
    Leaving {
        /// The leave.
        since: u64,
    },
    /// Put out.
    Removed {
        /// The removal.
        since: u64,
    },
}

/// What a box grants to a member now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    All,
    /// Reading its own data only, until then.
    ReadOnly {
        /// By the asking box's clock.
        until: UnixMillis,
    },
    /// Reading, and being read, until then.
    Leaving {
        /// By the asking box's clock.
        until: UnixMillis,
    },
    /// Nothing: it was removed, or has left.
    None,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// BLAKE3 of [`Self::recovery`].
    pub id: MemberId,
    /// As the others see it.
    pub name: MemberName,
    /// Proves the member without its box.
    pub recovery: PublicKey,
    /// Of its present box; of no use once it is removed.
    pub device: PublicKey,
    /// Device keys that count no more, the oldest first.
    pub revoked: Vec<PublicKey>,
    /// What it shares with others.
    pub domains: Domains,
    /// Where it stands.
    pub standing: Standing,
    /// Sequence of the entry that let it in.
    pub admitted: u64,
    /// How often its name or what it shares with others was said anew.
    pub renames: u16,
    /// Whether an admin vouches for it, so that its time as a new member is over.
    pub vouched: bool,
}

impl Member {
    fn new(admission: &Admission, sequence: u64, revoked: Vec<PublicKey>) -> Self {
        Self {
            id: admission.member(),
            name: admission.name.clone(),
            recovery: admission.recovery,
            device: admission.device,
            revoked,
            domains: admission.domains.clone(),
            standing: Standing::Full,
            admitted: sequence,
            renames: 0,
            vouched: false,
        }
    }

    /// Not removed; a member that leaves counts until its time is over, which the log cannot know.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !matches!(self.standing, Standing::Removed { .. })
    }

    /// What a box grants it at `now`. `seen_at`: when that box first saw the entry of the standing's `since`, by its
    /// own clock.
    #[must_use]
    pub fn rights(&self, seen_at: UnixMillis, now: UnixMillis) -> Rights {
        #[cfg(feature = "plant")]
        match self.standing {
            Standing::Rebound { .. } if crate::plant::planted("rebound-writes-at-once") => return Rights::All,
            Standing::Removed { .. } if crate::plant::planted("removed-keeps-rights") => return Rights::All,
            _ => {}
        }
        match self.standing {
            Standing::Full => Rights::All,
            Standing::Rebound { .. } => {
                let until = seen_at.plus(REBIND_HOLD);
                if now >= until { Rights::All } else { Rights::ReadOnly { until } }
            }
            Standing::Leaving { .. } => {
                let until = seen_at.plus(LEAVING_TIME);
                if now >= until { Rights::None } else { Rights::Leaving { until } }
            }
            Standing::Removed { .. } => Rights::None,
        }
    }
}

/// Whose key a pin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned<'r> {
    /// The present box of a member that is not removed.
    Current(&'r Member),
    /// A box that was replaced or put out.
    Revoked(&'r Member),
    /// Nobody's.
    Unknown,
}

/// The community after some entry of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    community: CommunityId,
    name: CommunityName,
    members: BTreeMap<MemberId, Member>,
    admins: BTreeSet<MemberId>,
    pins: BTreeMap<SpkiPin, MemberId>,
    removal_threshold: u8,
    window_days: u16,
    sequence: u64,
}

impl Roster {
    /// The community that a first entry makes.
    pub(super) fn founded(
        community: CommunityId,
        name: &CommunityName,
        founder: &Admission,
        removal_threshold: u8,
        window_days: u16,
    ) -> Self {
        let mut roster = Self {
            community,
            name: name.clone(),
            members: BTreeMap::new(),
            admins: BTreeSet::from([founder.member()]),
            pins: BTreeMap::new(),
            removal_threshold,
            window_days,
            sequence: 0,
        };
        roster.admit(founder, 0);
        roster
    }

    /// Which community.
    #[must_use]
    pub fn community(&self) -> CommunityId {
        self.community
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &CommunityName {
        &self.name
    }

    /// Sequence of the last entry.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many admins have to sign what one alone may not do, if there are so many.
    #[must_use]
    pub fn removal_threshold(&self) -> u8 {
        self.removal_threshold
    }

    /// For how long hosts refuse to delete, at least.
    #[must_use]
    pub fn window(&self) -> Seconds {
        Seconds(u64::from(self.window_days) * Seconds::DAY.0)
    }

    /// The same, in days.
    #[must_use]
    pub fn window_days(&self) -> u16 {
        self.window_days
    }

    /// A member, whatever its standing.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// All that ever were, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// All that are not removed, by id.
    pub fn active(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.is_active())
    }

    /// Whether it is one now.
    #[must_use]
    pub fn is_admin(&self, id: MemberId) -> bool {
        self.admins.contains(&id)
    }

    /// All admins, by id.
    pub fn admins(&self) -> impl Iterator<Item = &Member> {
        self.admins.iter().filter_map(|id| self.members.get(id))
    }

    /// Whose certificate has this pin.
    #[must_use]
    pub fn who(&self, pin: SpkiPin) -> Pinned<'_> {
        let Some(member) = self.pins.get(&pin).and_then(|id| self.members.get(id)) else { return Pinned::Unknown };
        if member.is_active() && member.device.spki_pin() == pin {
            Pinned::Current(member)
        } else {
            Pinned::Revoked(member)
        }
    }

    /// The admins whose word counts: not those on a box that nobody has confirmed.
    pub fn signing_admins(&self) -> impl Iterator<Item = &Member> {
        self.admins().filter(|member| member.standing == Standing::Full)
    }

    pub(super) fn admin_count(&self) -> usize {
        self.admins.len()
    }

    /// Makes the change of the entry at `sequence`, which `rules` has checked before.
    pub(super) fn apply(&mut self, change: &Change, sequence: u64) {
        self.sequence = sequence;
        match change {
            Change::Found { .. } => {}
            Change::Admit { admission, .. } => self.admit(admission, sequence),
            Change::Rename { member, name } => self.with(*member, |m| {
                m.name = name.clone();
                m.renames = m.renames.saturating_add(1);
            }),
            Change::Appoint { member } => {
                self.admins.insert(*member);
            }
            Change::Dismiss { member } => {
                self.admins.remove(member);
            }
            Change::SetRemovalThreshold { threshold } => self.removal_threshold = *threshold,
            Change::Remove { member } => {
                self.admins.remove(member);
                self.with(*member, |m| {
                    m.revoked.push(m.device);
                    m.standing = Standing::Removed { since: sequence };
                });
            }
            Change::Leave { member } => {
                self.admins.remove(member);
                self.with(*member, |m| m.standing = Standing::Leaving { since: sequence });
            }
            Change::Rebind { member, device } => {
                self.pins.insert(device.spki_pin(), *member);
                self.with(*member, |m| {
                    m.revoked.push(std::mem::replace(&mut m.device, *device));
                    // Whoever leaves only reads anyway.
                    if !matches!(m.standing, Standing::Leaving { .. }) {
                        m.standing = Standing::Rebound { since: sequence };
                    }
                });
            }
            Change::Confirm { member } => self.with(*member, |m| m.standing = Standing::Full),
            Change::SetWindow { days } => self.window_days = *days,
            Change::Vouch { member } => self.with(*member, |m| m.vouched = true),
            Change::SetDomains { member, domains } => self.with(*member, |m| {
                m.domains = domains.clone();
                m.renames = m.renames.saturating_add(1);
            }),
        }
    }

    fn admit(&mut self, admission: &Admission, sequence: u64) {
        let before = self.members.get(&admission.member());
        let mut revoked = before.map(|member| member.revoked.clone()).unwrap_or_default();
        // A removed member's device key was revoked with it, and counts again when that very box comes back.
        revoked.retain(|key| *key != admission.device);
        let replaced = before.filter(|member| member.is_active() && member.device != admission.device);
        revoked.extend(replaced.map(|member| member.device));
        let renames = before.map_or(0, |member| member.renames);
        let member = Member { renames, ..Member::new(admission, sequence, revoked) };
        self.pins.insert(member.device.spki_pin(), member.id);
        self.members.insert(member.id, member);
    }

    fn with(&mut self, id: MemberId, edit: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&id) {
            edit(member);
        }
    }
}
