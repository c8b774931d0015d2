//! The community of boxes that this one belongs to: founding it, letting others in, being let in, and knowing what the others
//! know. All that counts stands in its log, which every member holds and checks (`docs/PROTOCOL.md`, "Communities").

mod addresses;
mod asked;
mod claims;
mod coming_in;
mod deciding;
mod exchange;
mod kits;
mod ledger;
mod overview;
mod partings;
mod reach;
mod spoken;
#[cfg(test)]
mod tests;
mod worries;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use datis_engine::community::accused::Accusations;
use datis_engine::community::entry::SignedEntry;
use datis_engine::community::log::{Log, LogError};
use datis_engine::format::FormatError;
use datis_engine::ids::MemberId;
use datis_engine::units::UnixMillis;

pub use addresses::kit_community;
pub(crate) use addresses::{announce, given_by, places_of};
pub(crate) use asked::{
    answer_again, answer_claim, answer_exchange, answer_join, answer_spoken, answer_spoken_confirm, answer_spoken_join,
};
pub(crate) use claims::KitClaims;
pub use coming_in::{
    Applicant, JoinTry, OpenInvitation, admit, applicants, asked_to_join, come_back, confirm, found, invitations,
    invite, join_answer, joined, joining, not_asked, refuse, revoke, stop_asking, take_request, try_to_join,
};
pub use datis_engine::community::known::Community;
pub(crate) use deciding::news;
pub use deciding::{
    Decided, Proposal, Proposed, agree, appoint, dismiss, forget, label, leave, proposals, remove, rename, vouch,
};
pub(crate) use exchange::{compare_notes, give};
pub(crate) use kits::note_own_drill;
pub use kits::{KitUse, kit_use};
pub use ledger::{Ledger, Pair, Stated, Sum, ledger};
pub use overview::{MemberState, MemberView, Overview, going, overview};
pub use partings::{Parted, partings, take_log_of};
pub(crate) use reach::note_reach;
pub use reach::reach_lost_at;
pub use spoken::invite_aloud;
pub(crate) use spoken::{SpokenCodes, answer_aloud, begin_aloud, request_aloud};
pub use worries::{Worry, Wrong, worries};

use super::{OperationError, Site};
use crate::catalog::CatalogError;
use crate::catalog::community::{self, Membership};

/// The community that the box is in now.
#[derive(Debug, Default)]
pub(in crate::operations) struct Present {
    now: RwLock<Option<Arc<Community>>>,
    /// Members whose log parts from it.
    parted: Mutex<BTreeMap<MemberId, partings::Told>>,
    /// Since when a proposal to put somebody out has held up what that member says.
    accusations: Mutex<Accusations>,
}

/// Why something about the community was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommunityError {
    /// It needs one.
    #[error("this box is in no community yet; found one, or join one with an invitation")]
    None,
    /// It has one.
    #[error("this box is in a community already; a box is in one only")]
    Already,
    /// An admin's box signs.
    #[error("this box is no admin of its community; ask the admin of another box")]
    NotAdmin,
    /// What was typed does not belong to it.
    #[error("this is no recovery kit of this box; type the key line of the kit that was printed from it")]
    OtherKit,
    /// The name cannot be used.
    #[error(transparent)]
    Name(#[from] datis_engine::ids::IdError),
    /// Nobody came, or not any more.
    #[error("nobody of this name waits to be let in; `datisd community requests` shows who does")]
    NoRequest,
    /// Nobody of this name is in.
    #[error("no member of the community has this name; `datisd community show` lists them")]
    NoMember,
    /// Somebody stands between the boxes, or it is another one.
    #[error("the digits are not those of this box: do not let it in, and make a new invitation")]
    Digits,
    /// The invitation is used up, or never was.
    #[error("this invitation was used already, or is over; ask for another one")]
    NoInvitation,
    /// As many as may be open are open.
    #[error("{0} invitations or requests are open; that is as many as there may be at a time")]
    TooMany(u64),
    /// Something else was done before it, or it is done.
    #[error(
        "this is not proposed any more: it is done, or the community has gone on; propose it again if it is still wanted"
    )]
    NoProposal,
    /// Snapshots would be lost with the community.
    #[error(
        "{0} {are} kept outside only and would be lost; keep more here (`datisd policy --local`) and wait until all is back, or keep \
         less outside (`datisd policy --external`) and collect (`datisd prune`), then try again",
        are = if *.0 == 1 { "snapshot is" } else { "snapshots are" }
    )]
    OnlyOutside(u64),
    /// Another name than that of the community was typed.
    #[error("the community of this box has another name; type the name of the one that it is to forget")]
    OtherCommunity,
    /// There is nothing to choose between.
    #[error("the log of this member does not part from this box's; `datisd community show` names those that do")]
    NotParted,
    /// It would be out.
    #[error(
        "the log of that member knows nothing of this box; to go with it, let this box forget its community and ask to be let in"
    )]
    Unknown,
    /// The others would not take it yet.
    #[error("the kit alone confirms this box a day after it came back; until then the admin of another box can do it")]
    TooEarly {
        /// By this box's clock.
        until: UnixMillis,
    },
    /// The others would not take it while they decide.
    #[error(
        "other admins are asked whether this box stays in the community, and until then, three days at most, nobody takes what \
         it alone signs; what several admins sign together goes on"
    )]
    Accused,
    /// The proof is none.
    #[error(transparent)]
    Join(#[from] datis_engine::community::invitation::JoinError),
    /// A code that was read out led to nothing.
    #[error(transparent)]
    Spoken(datis_engine::community::spoken::SpokenError),
    /// The log does not take it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Not allowed, or the catalog failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<CatalogError> for CommunityError {
    fn from(error: CatalogError) -> Self {
        Self::Operation(error.into())
    }
}

/// What the catalog holds, checked again from the first entry on.
pub(in crate::operations) fn read(tx: &rusqlite::Transaction<'_>) -> Result<Option<Community>, CommunityError> {
    let Some(membership) = community::membership(tx)? else { return Ok(None) };
    let entries = community::entries(tx)?;
    let (mut seen, mut log): (_, Option<Log>) = (BTreeMap::new(), None);
    for (at, (bytes, seen_at)) in entries.iter().enumerate() {
        let entry = SignedEntry::decode(bytes)?;
        match &mut log {
            None => log = Some(Log::begin(entry)?),
            Some(log) => log.append(entry)?,
        }
        seen.insert(at as u64, *seen_at);
    }
    let log = log.ok_or(LogError::Format(FormatError::damaged("community", "it has no first entry")))?;
    if log.community() != membership.community {
        return Err(LogError::Community { found: log.community(), wanted: membership.community }.into());
    }
    Ok(Some(Community { log, me: membership.member, seen }))
}

/// Puts a box into a community, all of whose entries it has seen just now.
#[cfg(test)]
pub(crate) fn enter_for_tests(site: &Site, log: &Log, me: MemberId) {
    site.community.set(Some(Community::entered(log.clone(), me, site.clock.now())));
}

impl Present {
    pub(in crate::operations) fn set(&self, community: Option<Community>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = community.map(Arc::new);
    }

    fn get(&self) -> Option<Arc<Community>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Site {
    /// The community that the box is in; `None`: in none.
    #[must_use]
    pub fn community(&self) -> Option<Arc<Community>> {
        self.community.get()
    }

    /// The same, where nothing can be done without one.
    fn in_community(&self) -> Result<Arc<Community>, CommunityError> {
        self.community().ok_or(CommunityError::None)
    }

    /// Writes what `log` has more than the catalog, together with `more`, and goes on with it. What it has not, where the two part,
    /// is given up. The caller holds [`Site::joining`], so that nobody else appends meanwhile.
    fn take_log(
        &self,
        me: MemberId,
        log: Log,
        more: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), CatalogError>,
    ) -> Result<(), CommunityError> {
        let (before, now) = (self.community(), self.clock.now());
        let common = before.as_ref().map_or(0, |community| community.log.common_entries(&log));
        let gives_up = before.as_ref().is_some_and(|community| community.log.entries().count() > common);
        let next = match before.filter(|_| common > 0) {
            Some(before) => before.with_log(log, now),
            None => Community::entered(log, me, now),
        };
        let written = self.catalog.writer().write(|tx| {
            if common == 0 {
                community::enter(tx, &Membership { community: next.log.community(), member: me, joined_at: now })?;
            }
            if gives_up {
                community::cut(tx, common as u64)?;
            }
            for (sequence, entry) in (0_u64..).zip(next.log.entries()).skip(common) {
                community::append(tx, sequence, &entry.encode(), now)?;
            }
            community::drop_proposals(tx)?;
            more(tx)
        });
        written.map_err(|e: CatalogError| self.noted(e.into()))?;
        self.community.set(Some(next));
        Ok(())
    }
}
