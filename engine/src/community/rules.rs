//! Which change may be made when, and who has to sign it: one exhaustive table.
//!
//! One admin alone lets members in, renames, labels and confirms. What could be turned against the others (making admins,
//! taking them out, removing members, holding everybody's disks for longer) needs `k` admins, or all there are.

use super::entry::{Admission, Change, SignedEntry};
use super::roster::{BOXES_MAX, MEMBERS_MAX, Member, OWN_RENAMES_MAX, Pinned, RENAMES_MAX, Roster, Standing};
use crate::ids::{MemberId, MemberName};
use crate::keys::{PublicKey, SigningContext};

/// The largest number of admins that can be asked for.
pub const THRESHOLD_MAX: u8 = 32;

/// The shortest immutability window (mutual-backup 4.7).
pub const WINDOW_DAYS_MIN: u16 = 30;

/// The longest: ten years.
pub const WINDOW_DAYS_MAX: u16 = 3_650;

/// Why an entry may not be in the log at its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A second founding, or a log that starts with something else.
    #[error("a log is founded by its first entry and by no other")]
    Founding,
    /// Nobody of that id.
    #[error("{0} is not a member")]
    NoMember(MemberId),
    /// Somebody who is not there any more, or not yet fully.
    #[error("{0} is not in the standing for this")]
    Standing(MemberId),
    /// Already inside.
    #[error("{0} is a member already")]
    Member(MemberId),
    /// Two of one name.
    #[error("another member is called `{0}`")]
    Name(MemberName),
    /// A device key that somebody has or had.
    #[error("this device key is in use or was revoked")]
    DeviceKey,
    /// One member would fill the log.
    #[error("{0} has had {BOXES_MAX} boxes, and no more are written down")]
    Boxes(MemberId),
    /// The same.
    #[error("{0} was named and described {RENAMES_MAX} times, and no more is written down")]
    Renames(MemberId),
    /// Not by both keys of the one who comes in.
    #[error("the one who is admitted has not signed it with both keys")]
    Consent,
    /// Too many.
    #[error("a community has at most {MEMBERS_MAX} members")]
    Full,
    /// Vouching twice.
    #[error("an admin vouches for {0} already")]
    Vouched(MemberId),
    /// Appointing one that is.
    #[error("{0} is an admin already")]
    Admin(MemberId),
    /// Dismissing one that is not.
    #[error("{0} is not an admin")]
    NotAdmin(MemberId),
    /// Nobody would be left to sign anything.
    #[error("{0} is the last admin: appoint another one first")]
    LastAdmin(MemberId),
    /// Out of range.
    #[error("the number of admins for a removal is 1 to {THRESHOLD_MAX}")]
    Threshold,
    /// Shorter than now, or out of range.
    #[error("the window is {WINDOW_DAYS_MIN} to {WINDOW_DAYS_MAX} days and can only be extended")]
    Window,
    /// Nobody who could sign is in full standing.
    #[error("no admin in full standing is left who could sign this")]
    NoAdmin,
    /// Fewer than are needed.
    #[error("{found} of {needed} signatures that this needs are there")]
    TooFew {
        /// Of those who may sign.
        found: usize,
        /// By the rules.
        needed: usize,
    },
    /// Altered, by somebody who may not sign this, or twice by one.
    #[error("a signature does not fit, is there twice, or is by a key that may not sign this")]
    Signature,
}

/// The keys that have to sign: all of `all`, and `count` of `of`; or the one of `alone`.
struct Quorum {
    all: Vec<PublicKey>,
    count: usize,
    of: Vec<PublicKey>,
    alone: Vec<PublicKey>,
}

impl Quorum {
    fn all(all: Vec<PublicKey>) -> Self {
        Self { all, count: 0, of: Vec::new(), alone: Vec::new() }
    }

    /// `count` of `admins`, or as many as there are, but one at least. Those on a box that nobody has confirmed do not sign, and
    /// are still counted: else whoever is left would decide alone until they are back.
    fn some<'m>(count: usize, admins: impl Iterator<Item = &'m Member>) -> Result<Self, Refusal> {
        let admins: Vec<&Member> = admins.collect();
        let may_sign = admins.iter().filter(|admin| admin.standing == Standing::Full);
        let of: Vec<PublicKey> = may_sign.map(|admin| admin.device).collect();
        if of.is_empty() {
            return Err(Refusal::NoAdmin);
        }
        Ok(Self { all: Vec::new(), count: count.clamp(1, admins.len()), of, alone: Vec::new() })
    }

    fn or_alone(mut self, key: PublicKey) -> Self {
        self.alone.push(key);
        self
    }

    /// The keys that have signed; all of them may, and each signature fits.
    fn signers(&self, entry: &SignedEntry) -> Result<Vec<PublicKey>, Refusal> {
        let mut found: Vec<PublicKey> = Vec::new();
        for signed in &entry.signatures {
            let may = [&self.all, &self.of, &self.alone].iter().any(|keys| keys.contains(&signed.key));
            if !may || found.contains(&signed.key) {
                return Err(Refusal::Signature);
            }
            let fits = signed.key.verify(SigningContext::CommunityEntry, &entry.body, &signed.signature);
            fits.map_err(|_| Refusal::Signature)?;
            found.push(signed.key);
        }
        Ok(found)
    }

    fn check(&self, entry: &SignedEntry) -> Result<(), Refusal> {
        let found = self.signers(entry)?;
        let of_all = self.all.iter().filter(|key| found.contains(key)).count();
        let of_some = self.of.iter().filter(|key| found.contains(key)).count().min(self.count);
        let (found_count, needed) = (of_all + of_some, self.all.len() + self.count);
        if found_count == needed || self.alone.iter().any(|key| found.contains(key)) {
            Ok(())
        } else {
            Err(Refusal::TooFew { found: found_count, needed })
        }
    }
}

/// Checks that the first entry founds a community and is signed by both keys of its founder.
pub(super) fn check_founding(change: &Change, entry: &SignedEntry) -> Result<(), Refusal> {
    let Change::Found { founder, removal_threshold, window_days, .. } = change else { return Err(Refusal::Founding) };
    check_threshold(*removal_threshold)?;
    if !(WINDOW_DAYS_MIN..=WINDOW_DAYS_MAX).contains(window_days) {
        return Err(Refusal::Window);
    }
    Quorum::all(vec![founder.device, founder.recovery]).check(entry)
}

/// Checks that `change` may follow on `roster`, and that those have signed it who must.
pub(super) fn check(change: &Change, entry: &SignedEntry, roster: &Roster) -> Result<(), Refusal> {
    quorum(change, roster)?.check(entry)
}

/// Which keys have signed `entry`, which makes `change`, and how many have to.
pub(super) fn weigh(change: &Change, entry: &SignedEntry, roster: &Roster) -> Result<(Vec<PublicKey>, usize), Refusal> {
    let quorum = quorum(change, roster)?;
    Ok((quorum.signers(entry)?, quorum.all.len() + quorum.count))
}

fn quorum(change: &Change, roster: &Roster) -> Result<Quorum, Refusal> {
    let threshold = usize::from(roster.removal_threshold());
    match change {
        Change::Found { .. } => Err(Refusal::Founding),
        Change::Admit { admission, consent } => {
            check_admission(admission, roster)?;
            admission.check_consent(roster.community(), consent).map_err(|_| Refusal::Consent)?;
            Quorum::some(1, roster.admins())
        }
        Change::Rename { member, name } => {
            let member = active(*member, roster)?;
            check_name(name, member.id, roster)?;
            about_itself(member, roster)
        }
        Change::SetDomains { member, .. } => about_itself(active(*member, roster)?, roster),
        Change::Appoint { member } => {
            let member = in_full_standing(*member, roster)?;
            if roster.is_admin(member.id) {
                return Err(Refusal::Admin(member.id));
            }
            Quorum::some(threshold, roster.admins())
        }
        Change::Dismiss { member } => {
            let admin = active(*member, roster)?;
            if !roster.is_admin(admin.id) {
                return Err(Refusal::NotAdmin(admin.id));
            }
            check_not_last_admin(admin.id, roster)?;
            let others = Quorum::some(threshold, roster.admins().filter(|other| other.id != admin.id));
            // Stepping back is everyone's own affair.
            Ok(match others {
                Ok(others) => others.or_alone(admin.device),
                Err(_) => Quorum::all(vec![admin.device]),
            })
        }
        Change::SetRemovalThreshold { threshold: wanted } => {
            check_threshold(*wanted)?;
            Quorum::some(threshold, roster.admins())
        }
        Change::Remove { member } => {
            let member = active(*member, roster)?;
            check_not_last_admin(member.id, roster)?;
            #[cfg(feature = "plant")]
            let threshold = if crate::plant::planted("one-admin-removes") { 1 } else { threshold };
            Quorum::some(threshold, roster.admins().filter(|admin| admin.id != member.id))
        }
        Change::Leave { member } => {
            let member = in_full_standing(*member, roster)?;
            check_not_last_admin(member.id, roster)?;
            Ok(Quorum::all(vec![member.device]))
        }
        Change::Rebind { member, device } => {
            let member = active(*member, roster)?;
            check_device(device, roster)?;
            if member.revoked.len() >= BOXES_MAX {
                return Err(Refusal::Boxes(member.id));
            }
            Ok(Quorum::all(vec![member.recovery, *device]))
        }
        Change::Confirm { member } => {
            let member = active(*member, roster)?;
            if !matches!(member.standing, Standing::Rebound { .. }) {
                return Err(Refusal::Standing(member.id));
            }
            // By itself it needs the kit, and others take the entry only after a day (`Log::rests_on_rebind`).
            Ok(match Quorum::some(1, roster.admins().filter(|admin| admin.id != member.id)) {
                Ok(admins) => admins.or_alone(member.recovery),
                Err(_) => Quorum::all(vec![member.recovery]),
            })
        }
        Change::Vouch { member } => {
            let member = in_full_standing(*member, roster)?;
            if member.vouched {
                return Err(Refusal::Vouched(member.id));
            }
            Quorum::some(1, roster.admins().filter(|admin| admin.id != member.id))
        }
        Change::SetWindow { days } => {
            if *days <= roster.window_days() || *days > WINDOW_DAYS_MAX {
                return Err(Refusal::Window);
            }
            Quorum::some(threshold, roster.admins())
        }
    }
}

/// What a member says of itself, or one admin of it: so often by itself that it cannot fill the log.
fn about_itself(member: &Member, roster: &Roster) -> Result<Quorum, Refusal> {
    if member.renames >= RENAMES_MAX {
        return Err(Refusal::Renames(member.id));
    }
    let admins = Quorum::some(1, roster.admins());
    if member.renames >= OWN_RENAMES_MAX {
        return admins;
    }
    Ok(match admins {
        Ok(admins) => admins.or_alone(member.device),
        Err(_) => Quorum::all(vec![member.device]),
    })
}

fn active(id: MemberId, roster: &Roster) -> Result<&Member, Refusal> {
    let member = roster.member(id).ok_or(Refusal::NoMember(id))?;
    if member.is_active() { Ok(member) } else { Err(Refusal::Standing(id)) }
}

fn in_full_standing(id: MemberId, roster: &Roster) -> Result<&Member, Refusal> {
    let member = active(id, roster)?;
    if member.standing == Standing::Full { Ok(member) } else { Err(Refusal::Standing(id)) }
}

fn check_threshold(threshold: u8) -> Result<(), Refusal> {
    if (1..=THRESHOLD_MAX).contains(&threshold) { Ok(()) } else { Err(Refusal::Threshold) }
}

fn check_not_last_admin(id: MemberId, roster: &Roster) -> Result<(), Refusal> {
    if roster.is_admin(id) && roster.admin_count() == 1 { Err(Refusal::LastAdmin(id)) } else { Ok(()) }
}

fn check_name(name: &MemberName, of: MemberId, roster: &Roster) -> Result<(), Refusal> {
    let folded = |name: &MemberName| name.as_str().to_lowercase();
    let taken = roster.active().any(|other| other.id != of && folded(&other.name) == folded(name));
    if taken { Err(Refusal::Name(name.clone())) } else { Ok(()) }
}

fn check_device(device: &PublicKey, roster: &Roster) -> Result<(), Refusal> {
    match roster.who(device.spki_pin()) {
        Pinned::Unknown => Ok(()),
        Pinned::Current(_) | Pinned::Revoked(_) => Err(Refusal::DeviceKey),
    }
}

/// A new member; or one that was removed or leaves, and comes back: also on the box that it had last, which was put out with it
/// and was not replaced by another.
fn check_admission(admission: &Admission, roster: &Roster) -> Result<(), Refusal> {
    let id = admission.member();
    check_name(&admission.name, id, roster)?;
    let before = roster.member(id);
    let inside = |member: &&Member| member.is_active();
    let leaves = |member: &&Member| matches!(member.standing, Standing::Leaving { .. });
    match before.filter(inside) {
        Some(member) if !leaves(&member) => return Err(Refusal::Member(id)),
        Some(member) if member.device == admission.device => return Ok(()),
        Some(_) => {}
        None if roster.active().count() >= MEMBERS_MAX => return Err(Refusal::Full),
        None if before.is_some_and(|member| member.device == admission.device) => return Ok(()),
        None => {}
    }
    check_device(&admission.device, roster)
}
