//! What must hold of every log, by what is truly so: who was put out, who has signed, and for how long a box has known something.
//!
//! It is reckoned on its own, from the entries alone, so that a rule that the engine forgets is missed here.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::community::entry::{Change, SignedEntry};
use datis_engine::community::log::Log;
use datis_engine::community::roster::{Rights, Standing};
use datis_engine::ids::{EntryHash, MemberId};
use datis_engine::keys::PublicKey;

use super::node::{By, Hands, Node, Taken};
use crate::host::DAY;

/// Who is in after some entry, and who has to agree.
#[derive(Debug, Clone, Default)]
struct After {
    /// The present box of each that is in.
    devices: BTreeMap<MemberId, PublicKey>,
    admins: BTreeSet<MemberId>,
    needed: usize,
}

pub(super) struct Truth {
    after: BTreeMap<EntryHash, After>,
    /// Entries that were looked at, each with who had signed.
    looked_at: BTreeSet<(EntryHash, Vec<PublicKey>)>,
}

impl Truth {
    pub(super) fn new(log: &Log) -> Self {
        let mut truth = Self { after: BTreeMap::new(), looked_at: BTreeSet::new() };
        let mut state = After::default();
        for entry in log.entries() {
            state.goes_on(entry);
            truth.after.insert(entry.hash(), state.clone());
            truth.looked_at.insert((entry.hash(), signers(entry)));
        }
        truth
    }

    /// A box has come in, or back, with the log of another one.
    pub(super) fn entered(&mut self, node: &mut Node, t: u64) {
        node.rebound_at.clear();
        let rebound = node.log().entries().filter(|entry| matches!(change(entry), Change::Rebind { .. }));
        let hashes: Vec<EntryHash> = rebound.map(SignedEntry::hash).collect();
        node.rebound_at.extend(hashes.into_iter().map(|hash| (hash, t)));
    }

    /// Looks at what a box has in its log now. How many entries are new there.
    pub(super) fn look(&mut self, node: &mut Node, taken: &Taken, t: u64) -> u64 {
        if node.hands == Hands::Thief {
            return 0;
        }
        let Some(before) = &taken.before else { return 0 };
        let common = before.common_entries(node.log());
        if taken.by != By::People {
            nothing_is_given_up_that_others_decided(before, &taken.gave_way_to, common);
        }
        if taken.by == By::GivingWay {
            what_it_said_of_itself_is_said_again(before, node, common);
        }
        let kept: BTreeSet<EntryHash> = node.log().entries().map(SignedEntry::hash).collect();
        node.rebound_at.retain(|hash, _| kept.contains(hash));
        let new: Vec<SignedEntry> = node.log().entries().skip(common).cloned().collect();
        for entry in &new {
            self.may_be_there(entry);
            self.kit_was_known_for_a_day(node, entry, t);
            if matches!(change(entry), Change::Rebind { .. }) {
                node.rebound_at.insert(entry.hash(), t);
            }
        }
        self.who_is_out_has_no_rights(node, t);
        new.len() as u64
    }

    /// Signed by those who have to, none of whom is out or has another box by now.
    fn may_be_there(&mut self, entry: &SignedEntry) {
        let read = entry.entry().expect("an entry of a log");
        if !self.looked_at.insert((entry.hash(), signers(entry))) {
            return;
        }
        let mut state = self.after.get(&read.previous).expect("the entry before was looked at").clone();
        let by: Vec<PublicKey> = signers(entry);
        let boxes: BTreeSet<MemberId> = by.iter().filter_map(|key| state.whose(key)).collect();
        let by_boxes_alone = by.iter().all(|key| state.whose(key).is_some());
        match &read.change {
            Change::Remove { member } | Change::Dismiss { member } if boxes.len() != 1 || !boxes.contains(member) => {
                let admins = boxes.iter().filter(|one| state.admins.contains(*one) && *one != member).count();
                let others = state.admins.iter().filter(|one| *one != member).count();
                let needed = state.needed.min(others).max(1);
                assert!(by_boxes_alone && admins >= needed, "{admins} of {needed} admins put a member out");
            }
            Change::Appoint { .. } | Change::SetRemovalThreshold { .. } | Change::SetWindow { .. } => {
                let admins = boxes.iter().filter(|one| state.admins.contains(*one)).count();
                let needed = state.needed.min(state.admins.len()).max(1);
                assert!(by_boxes_alone && admins >= needed, "{admins} of {needed} admins decided {:?}", read.change);
            }
            Change::Rebind { member, device } => {
                let recovery = by.iter().any(|key| key.member_id() == *member);
                assert!(recovery && by.contains(device), "a box took a member's place without its kit");
            }
            Change::Confirm { member } => {
                let by_kit = by.iter().any(|key| key.member_id() == *member);
                let by_other = boxes.iter().any(|one| one != member && state.admins.contains(one));
                assert!(by_kit || by_other, "a box confirmed itself without its kit");
            }
            _ => assert!(
                by_boxes_alone && !by.is_empty(),
                "{:?} was signed by a key that is nobody's any more",
                read.change
            ),
        }
        state.goes_on(entry);
        self.after.insert(entry.hash(), state);
    }

    /// What a kit alone confirms waits for a day at each box, and an admin's word does not.
    fn kit_was_known_for_a_day(&self, node: &Node, entry: &SignedEntry, t: u64) {
        let Change::Confirm { member } = change(entry) else { return };
        let read = entry.entry().expect("an entry of a log");
        let state = self.after.get(&read.previous).expect("looked at");
        let by_admin = signers(entry).iter().filter_map(|key| state.whose(key)).any(|one| one != member);
        let rebinds =
            node.log().entries().filter(|one| matches!(change(one), Change::Rebind { member: of, .. } if of == member));
        let before = rebinds.filter(|one| one.entry().is_ok_and(|one| one.sequence < read.sequence)).last();
        let known_since = before.and_then(|rebind| node.rebound_at.get(&rebind.hash()));
        let is_old = known_since.is_some_and(|since| t >= since + DAY);
        assert!(by_admin || is_old, "a kit alone confirmed a box that was known since {known_since:?}, at {t}");
    }

    /// Whether the box with this key may write and condemn at another one, which has it from the log and from true time.
    pub(super) fn may_write(&self, at: &Node, key: &PublicKey, t: u64) -> bool {
        let state = self.after.get(&at.log().last_hash()).expect("looked at");
        let Some(member) = state.whose(key) else { return false };
        let last = at.log().entries().filter_map(|entry| match change(entry) {
            Change::Rebind { member: of, .. } if of == member => Some(Some(entry.hash())),
            Change::Confirm { member: of } if of == member => Some(None),
            Change::Admit { admission, .. } if admission.member() == member => Some(None),
            _ => None,
        });
        match last.last().flatten() {
            None => true,
            Some(rebind) => at.rebound_at.get(&rebind).is_some_and(|since| t >= since + DAY),
        }
    }

    fn who_is_out_has_no_rights(&self, node: &mut Node, t: u64) {
        let now = node.clocks.now(t);
        let state = self.after.get(&node.log().last_hash()).expect("looked at");
        let known = node.known.as_ref().expect("in the community");
        for member in known.roster().members() {
            let is_in = state.devices.contains_key(&member.id);
            let rights = known.rights_of(member.id, now);
            assert!(is_in || rights == Rights::None, "{rights:?} of a member that was put out");
            assert!(is_in || known.who(&member.device).is_none(), "a box that was put out is taken for a member's");
            let is_new = matches!(member.standing, Standing::Rebound { .. });
            let may = self.may_write(node, &member.device, t);
            assert!(!is_new || rights != Rights::All || may, "a box that is new here may write and condemn");
        }
    }
}

impl After {
    fn whose(&self, key: &PublicKey) -> Option<MemberId> {
        self.devices.iter().find(|(_, device)| *device == key).map(|(member, _)| *member)
    }

    fn goes_on(&mut self, entry: &SignedEntry) {
        match change(entry) {
            Change::Found { founder, removal_threshold, .. } => {
                self.devices.insert(founder.member(), founder.device);
                self.admins.insert(founder.member());
                self.needed = usize::from(removal_threshold);
            }
            Change::Admit { admission, .. } => {
                self.devices.insert(admission.member(), admission.device);
            }
            Change::Rebind { member, device } => {
                self.devices.insert(member, device);
            }
            Change::Remove { member } => {
                self.devices.remove(&member);
                self.admins.remove(&member);
            }
            Change::Dismiss { member } | Change::Leave { member } => {
                self.admins.remove(&member);
            }
            Change::Appoint { member } => {
                self.admins.insert(member);
            }
            Change::SetRemovalThreshold { threshold } => self.needed = usize::from(threshold),
            Change::Rename { .. }
            | Change::Confirm { .. }
            | Change::SetWindow { .. }
            | Change::SetDomains { .. }
            | Change::Vouch { .. } => {}
        }
    }
}

/// What a box gives up by itself is a member's word about itself, or that of one whom two others put out in what it gave way
/// `to`; that may come after something that this box takes only later.
fn nothing_is_given_up_that_others_decided(before: &Log, to: &[SignedEntry], common: usize) {
    let put_out: BTreeSet<MemberId> = to
        .iter()
        .filter(|entry| entry.signatures.len() >= 2)
        .filter_map(|entry| match change(entry) {
            Change::Remove { member } | Change::Dismiss { member } => Some(member),
            _ => None,
        })
        .collect();
    for (at, entry) in before.entries().enumerate().skip(common) {
        let (by, there) = (signers(entry), before.up_to(at as u64 - 1));
        let roster = there.roster();
        let signs = |member: MemberId| roster.member(member).is_some_and(|one| by == [one.device]);
        let change = change(entry);
        // With its kit a member says of itself which box is its own, and that it is who it says.
        let by_kit = |member: &MemberId| match &change {
            Change::Rebind { member: of, device } => {
                of == member && by.iter().all(|key| key == device || key.member_id() == *member)
            }
            Change::Confirm { member: of } => of == member && by.iter().all(|key| key.member_id() == *member),
            _ => false,
        };
        let is_word = match &change {
            Change::Rename { member, .. } | Change::SetDomains { member, .. } | Change::Leave { member } => {
                signs(*member)
            }
            _ => false,
        };
        assert!(
            is_word || put_out.iter().any(|member| signs(*member) || by_kit(member)),
            "what others decided was given up: {change:?}"
        );
    }
}

/// Whom one admin has put out alone, as each may where there are two at most (decision 0034): who did, and whom.
pub(super) fn put_out_by_one(log: &Log) -> Vec<(MemberId, MemberId)> {
    let by_one = |(at, entry): (usize, &SignedEntry)| {
        let (Change::Remove { member } | Change::Dismiss { member }) = change(entry) else { return None };
        let [key] = signers(entry)[..] else { return None };
        let before = log.up_to(at as u64 - 1);
        let by = before.roster().active().find(|one| one.device == key)?.id;
        (by != member).then_some((by, member))
    };
    log.entries().enumerate().skip(1).filter_map(by_one).collect()
}

/// Its name is the one that it had called itself by last, unless somebody else is called so.
fn what_it_said_of_itself_is_said_again(before: &Log, node: &Node, common: usize) {
    let (me, key) = (node.id(), node.key().public_key());
    let said =
        before.entries().skip(common).filter(|entry| signers(entry) == [key]).filter_map(|entry| match change(entry) {
            Change::Rename { member, name } if member == me => Some(name),
            _ => None,
        });
    let (Some(last), Some(member)) = (said.last(), node.log().roster().member(me)) else { return };
    let is_taken = node
        .log()
        .roster()
        .active()
        .any(|other| other.id != me && other.name.as_str().to_lowercase() == last.as_str().to_lowercase());
    let can_say = member.is_active() && member.device == key;
    assert!(!can_say || is_taken || member.name == last, "a box is not called any more what it had called itself");
}

/// What a log says after so many entries, for people.
pub(super) fn tail(log: &Log, common: usize) -> Vec<(Change, usize)> {
    log.entries().skip(common).map(|entry| (change(entry), entry.signatures.len())).collect()
}

fn signers(entry: &SignedEntry) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = entry.signatures.iter().map(|signed| signed.key).collect();
    keys.sort_unstable();
    keys
}

fn change(entry: &SignedEntry) -> Change {
    entry.entry().expect("an entry of a log").change
}
