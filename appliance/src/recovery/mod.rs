//! A box out of its recovery kit: the community tells where the shards are, and the catalog is made anew out of snapshots and the
//! directories of packs. Then the box runs; the packs themselves are read where they are, and come back while it does
//! (`operations::awaited`, decision 0033).
//!
//! All of it can be done again: what is in the folder already is not fetched a second time. Nothing here needs the box that was
//! lost, its catalog, or anybody's word but the kit's: the log is checked from its first entry on, heads by their signatures,
//! shards and packs by their names.

mod abreast;
mod drill;
mod gathering;
mod heads;
mod packs;
mod peers;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datis_engine::community::entry::{Change, ENTRY_MAX, SignedEntry};
use datis_engine::community::head::VerifiedHead;
use datis_engine::community::log::{Log, LogError};
use datis_engine::community::roster::Member;
use datis_engine::format::kit::{KitHint, RecoveryKit};
use datis_engine::ids::{MemberId, PackId, SpkiPin};
use datis_engine::keys::{KeyError, SigningKey, recovery_key};
use datis_engine::outside::OutsideError;
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectName, PackStore, StoreError};
use datis_engine::units::UnixMillis;

use self::abreast::BrokenOff;
pub(crate) use self::drill::{DrillError, Drilled, clear_sandbox, drill};
use self::gathering::gather;
use self::heads::{Newest, newest_readable};
use self::packs::fetch_directories;
use self::peers::{Community, Proof};
use crate::certs::{CertError, Certs};
use crate::config::DataDir;
use crate::files::{self, FileError};
use crate::links::packs::Fetcher;
use crate::links::peers::{AllowPrivate, DialError, Dialler, Identity, PeerLinkError};
use crate::operations::Site;
use crate::operations::awaited::{self, AwaitedError, Fetch, FetchError, Memory};
use crate::operations::community::{self, CommunityError};
use crate::operations::dispersal::{self, AdoptHeadError, TakeOverError};
use crate::vault::{self, VaultError};

/// Where the entry is kept that gives the member this box, until it is told.
const REBINDING: &str = "rebinding";
/// So many boxes tell what there was last before it is believed (mutual-backup 4.9).
const WITNESSES: usize = 2;

/// Why a box does not come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// The kit was printed before the box was in a community.
    #[error(
        "this kit names no community: it was printed before the box was in one, and opens only what is left of the box's own disk"
    )]
    NoCommunity,
    /// A box is there.
    #[error(
        "{folder} is not empty: a box is recovered into an empty folder, so that nothing is lost that is in this one"
    )]
    NotEmpty { folder: PathBuf },
    /// Nobody on the kit is to be had.
    #[error(
        "none of the boxes that the kit names answers; name another one of the community with --peer HOST:PORT#PIN"
    )]
    Nobody(#[source] Box<RecoveryError>),
    /// Nobody has taken the entry that gives the member this box.
    #[error("no other box has taken note of this one yet; try again, what was fetched is kept")]
    NotTold,
    /// One box's word, where others are silent.
    #[error(
        "only one box that answers has told what there was last; if that is old, all that came later is given up. Start one of \
         those that do not answer, then try again: {}. If all of them are lost, say that one box is enough: --one-peer",
        silent.join(", ")
    )]
    OneWord { silent: Vec<String> },
    /// Nobody has a head.
    #[error(
        "none of {asked} boxes that answer has shown anything that it keeps for this box{}",
        who_is_silent(unheard)
    )]
    NoHead { asked: usize, unheard: Vec<String> },
    /// Where a box cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// What another box answers.
    #[error(transparent)]
    Link(#[from] PeerLinkError),
    /// Asking another box came to no end.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    /// The community's log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A head or a part of the map.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// Packs that cannot be read from what the boxes have that answer.
    #[error("{} of {all} packs cannot be put together yet: {}{}", packs.len(), first_names(packs), who_is_silent(silent))]
    Packs { packs: Vec<PackId>, all: usize, silent: Vec<String> },
    /// A part of the map. `silent`: who may have a shard of it.
    #[error("a part of the map cannot be put together{}", who_is_silent(silent))]
    Map {
        silent: Vec<String>,
        #[source]
        source: FetchError,
    },
    /// The list of packs that are to come back.
    #[error(transparent)]
    Awaited(#[from] AwaitedError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new box in its community.
    #[error(transparent)]
    Community(#[from] CommunityError),
    /// It has a later head than the one that it found.
    #[error(transparent)]
    Head(#[from] AdoptHeadError),
    /// A newer head has come up since the map was fetched.
    #[error("what is outside cannot be taken over; begin the recovery again")]
    TakeOver(#[from] TakeOverError),
    /// The box's new keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its certificate.
    #[error(transparent)]
    Certs(#[from] CertError),
}

fn first_names(packs: &[PackId]) -> String {
    let mut names: Vec<String> = packs.iter().take(8).map(ToString::to_string).collect();
    if packs.len() > names.len() {
        names.push(format!("and {} more", packs.len() - names.len()));
    }
    names.join(", ")
}

/// All of them, since any one may be the one that is needed: a stripe has 48 at most.
fn who_is_silent(silent: &[String]) -> String {
    if silent.is_empty() { String::new() } else { format!("; these boxes do not answer: {}", silent.join(", ")) }
}

/// What somebody has agreed to, so that a recovery goes on where it would wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Consent {
    /// Packs that cannot be put together are named and left out.
    pub(crate) without_lost: bool,
    /// One box that tells what there was last is believed, though others are silent.
    pub(crate) one_peer: bool,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovered {
    /// Members that answered, and all there are.
    pub(crate) members: (usize, usize),
    /// Packs that there are, and those among them that cannot be read.
    pub(crate) packs: (usize, usize),
    /// Bytes of all packs.
    pub(crate) bytes: u64,
    /// Snapshots there are.
    pub(crate) snapshots: usize,
}

/// A recovery that is under way.
pub(crate) struct Recovery<'r> {
    dir: &'r DataDir,
    kit: RecoveryKit,
    proof: Arc<Proof>,
    device: SigningKey,
    hints: Vec<KitHint>,
    /// The head that it goes on from, once that is known.
    head: Mutex<Option<VerifiedHead>>,
}

/// What a head leads to.
struct Outside {
    content: HeadContent,
    /// The way to packs and parts of the map.
    fetch: Arc<dyn Fetch>,
    map: MapPart,
    /// The parts of the map as they are with the others.
    sealed_map: Vec<Vec<u8>>,
}

impl<'r> Recovery<'r> {
    /// Marks the folder, and makes the new box's own key. `more`: boxes to begin with, besides those on the kit.
    ///
    /// # Errors
    /// [`RecoveryError`].
    pub(crate) fn begin(
        dir: &'r DataDir,
        kit: RecoveryKit,
        more: &[KitHint],
        private: AllowPrivate,
    ) -> Result<Self, RecoveryError> {
        let known = kit.community.as_ref().ok_or(RecoveryError::NoCommunity)?;
        let hints = more.iter().chain(&known.hints).cloned().collect();
        let dialler = begin(dir, &kit, private)?;
        let (recovery, device) = (recovery_key(&kit.identity), vault::device_key(dir)?);
        let (community, member) = (known.id, recovery.public_key().member_id());
        let proof = Arc::new(Proof { community, member, recovery, device: device.public_key(), dialler });
        Ok(Self { dir, kit, proof, device, hints, head: Mutex::new(None) })
    }

    /// Of the key with which the kit is shown.
    pub(crate) fn pin(&self) -> SpkiPin {
        self.device.public_key().spki_pin()
    }

    fn me(&self) -> MemberId {
        self.proof.member
    }

    fn find(&self, progress: &mut dyn FnMut(String)) -> Result<Community, RecoveryError> {
        gather(&self.proof, &self.hints, progress)
    }

    /// Fetches what a catalog is made of (`operations::rebuild`): the vault file, snapshots, the map and the directories of packs.
    /// The packs stay where they are. Gives what there is, and the way to the packs.
    ///
    /// # Errors
    /// [`RecoveryError`]; done again, it goes on from what is there.
    pub(crate) fn fill(
        &self,
        consent: Consent,
        progress: &mut dyn FnMut(String),
    ) -> Result<(Recovered, Arc<dyn Fetch>), RecoveryError> {
        let community = self.find(progress)?;
        let (asked, others) = (community.links.len(), community.others().count());
        progress(format!("{asked} of {others} boxes of the community answer"));
        let (_, Outside { content, fetch, map, sealed_map }) = self.newest(&community, consent, progress)?;
        awaited::write_down(self.dir, &sealed_map)?;
        let (all, bytes) = (map.stripes.len(), map.stripes.values().map(|one| one.layout.pack_len() as u64).sum());
        progress(format!("{all} packs and {} snapshots are to come back", map.snapshots.len()));

        // What opens the packs comes first: whatever breaks off later, what is there can be read with the kit.
        let store = FolderStore::open(&self.dir.store_dir())?;
        vault::inherit(self.dir, &content)?;
        for (id, sealed) in &map.snapshots {
            let mut staged = store.stage()?;
            staged.write_all(sealed)?;
            store.put_new(ObjectName::Snapshot(*id), staged)?;
        }
        let lost = fetch_directories(self.dir, fetch.as_ref(), &self.kit.identity, &map, progress)?;
        let (members, packs) = ((asked, others), (all, lost.len()));
        match lost {
            lost if lost.is_empty() => {}
            lost if consent.without_lost => {
                progress(format!("Goes on without {} of {all} packs: {}", lost.len(), first_names(&lost)));
            }
            packs => {
                let holders = packs.iter().filter_map(|pack| map.stripes.get(pack)).flat_map(StripeRef::holders);
                let silent = community.silent_among(holders);
                return Err(RecoveryError::Packs { packs, all, silent });
            }
        }
        Ok((Recovered { members, packs, bytes, snapshots: map.snapshots.len() }, fetch))
    }

    /// The newest head that leads to a map, and what it leads to.
    fn newest(
        &self,
        community: &Community,
        consent: Consent,
        progress: &mut dyn FnMut(String),
    ) -> Result<(VerifiedHead, Outside), RecoveryError> {
        let of = (self.me(), community.log().roster());
        let read = |head: &VerifiedHead| self.follow(community, head);
        let Newest { head, read: outside, witnesses, unheard } =
            newest_readable(community, of, consent.without_lost, progress, read)?;
        if witnesses < WITNESSES && !consent.one_peer {
            let mut silent = community.silent_among(community.others().map(|member| member.id));
            silent.extend(unheard);
            // When all have answered, nobody is left who could know better.
            if !silent.is_empty() {
                return Err(RecoveryError::OneWord { silent });
            }
        }
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head.clone());
        Ok((head, outside))
    }

    fn follow(&self, community: &Community, head: &VerifiedHead) -> Result<Outside, RecoveryError> {
        let content = HeadContent::open(&head.head().catalog, &self.kit.identity)?;
        let fetcher = Fetcher::new(community.reach(), content.dispersal.clone());
        fetcher.leave_alone(community.silent());
        let fetch: Arc<dyn Fetch> = Arc::new(fetcher);
        let whole = |part: &StripeRef| {
            let read = fetch.whole(part, &mut Memory::default()).map(<[u8]>::to_vec);
            read.map_err(|source| {
                let silent = match source {
                    FetchError::Away { .. } => community.silent_among(part.holders()),
                    FetchError::Lost { .. } => Vec::new(),
                };
                RecoveryError::Map { silent, source }
            })
        };
        let sealed_map = content.parts.iter().map(whole).collect::<Result<Vec<Vec<u8>>, RecoveryError>>()?;
        let parts: Result<Vec<MapPart>, OutsideError> =
            sealed_map.iter().map(|bytes| MapPart::open(bytes, &self.kit.identity)).collect();
        Ok(Outside { content, fetch, map: merge(parts?), sealed_map })
    }

    /// Once the catalog is made: this box takes the place of the lost one in its community, and goes on after its last head, with
    /// the map that it names. Whoever answers is told now, the others hear it from them. Gives how many were told.
    ///
    /// # Errors
    /// [`RecoveryError`].
    pub(crate) fn take_the_place(&self, site: &Site, progress: &mut dyn FnMut(String)) -> Result<usize, RecoveryError> {
        let community = self.find(progress)?;
        let known = self.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let head = match known {
            Some(head) => head,
            None => self.newest(&community, Consent::default(), progress)?.0,
        };
        let mut log = community.log().clone();
        let is_ours = |member: &Member| member.device == self.device.public_key();
        let is_known = log.roster().member(self.me()).is_some_and(is_ours);
        if !is_known {
            log.append(self.rebinding(&log, site.clock.now())?)?;
        }
        let told = community.tell(&log);
        if told == 0 && !is_known {
            return Err(RecoveryError::NotTold);
        }
        // An earlier try may have come as far as here.
        if site.community().is_none() {
            community::come_back(site, log, self.me(), &community.records)?;
        }
        match dispersal::adopt_head(site, &head) {
            Err(AdoptHeadError::NotLater { ours, theirs }) if ours == theirs => {}
            adopted => adopted?,
        }
        dispersal::take_over_map(site, &awaited::written_down(self.dir)?)?;
        files::remove_if_there(&self.dir.root().join(REBINDING))?;
        files::remove_if_there(&self.dir.recovery_mark())?;
        Ok(told)
    }

    /// The entry that gives the member this box. The one of an earlier try is used again where it still fits: two of one number
    /// would part the community.
    fn rebinding(&self, log: &Log, now: UnixMillis) -> Result<SignedEntry, RecoveryError> {
        let file = self.dir.root().join(REBINDING);
        let earlier = files::read_if_there(&file, ENTRY_MAX as u64)?.and_then(|bytes| SignedEntry::decode(&bytes).ok());
        if let Some(entry) = earlier.filter(|entry| log.clone().append(entry.clone()).is_ok()) {
            return Ok(entry);
        }
        let change = Change::Rebind { member: self.me(), device: self.device.public_key() };
        let mut entry = log.draft(now, change);
        entry.sign(&self.proof.recovery);
        entry.sign(&self.device);
        files::replace(&file, &entry.encode())?;
        Ok(entry)
    }
}

/// Marks the folder as one that is being filled, and makes the new box's own key.
fn begin(dir: &DataDir, kit: &RecoveryKit, private: AllowPrivate) -> Result<Dialler, RecoveryError> {
    files::make_private_dir(dir.root())?;
    let mark = dir.recovery_mark();
    let own = kit.vault.to_string();
    match files::read_if_there(&mark, 64)? {
        Some(of) if of == own.as_bytes() => {}
        Some(_) => return Err(RecoveryError::NotEmpty { folder: dir.root().to_owned() }),
        None if dir.keys_dir().exists() || dir.store_dir().exists() => {
            return Err(RecoveryError::NotEmpty { folder: dir.root().to_owned() });
        }
        None => files::put_new(&mark, own.as_bytes())?,
    }
    files::make_private_dir(&dir.keys_dir())?;
    files::make_private_dir(&dir.store_dir())?;
    vault::make_own_keys(dir)?;
    let certs = Certs::open_or_make(dir, kit.vault, &mut |_| ())?;
    Ok(Dialler::new(Identity::new(certs.server()), private))
}
