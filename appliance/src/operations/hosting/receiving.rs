//! Shards coming in: offered, sent in pieces, and held once all bytes are there and durable under their name.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datis_engine::community::signed::Signed;
use datis_engine::erasure::layout::SHARD_LEN_MAX;
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::hosting::{Stored, Window};
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectName, PackStore, Staged, StoreError};
use datis_engine::wire::peers::{OfferShard, ShardOffer, ShardReceipt};
use datis_engine::wire::{Refusal, RefusalCode};

use super::super::error::{Failure, OperationError, full, read_only};
use super::super::site::{Site, lock};
use super::folder::{check_writable, on_disk};
use super::{Coming, Owner, Peer, unreadable};

/// Shards of one owner that are offered and not here yet.
const COMING_MAX: usize = 4_096;
/// An offer of which nothing has come counts for so long.
const OFFER_KEPT: Duration = Duration::from_secs(3_600);
/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 20;

/// Whether the shard is wanted, and from where on.
///
/// # Errors
/// [`RefusalCode::UnknownMachine`] for who may only read; [`RefusalCode::Malformed`]; [`RefusalCode::Corrupt`] when a shard of
/// this name has another length here; [`RefusalCode::Busy`] when too many are on their way; [`Refusal`].
pub fn offer_shard(site: &Site, peer: &Peer, offer: &OfferShard) -> Result<ShardOffer, Refusal> {
    try_offer(site, peer, offer).map_err(|failure| site.refusal(failure))
}

fn try_offer(site: &Site, peer: &Peer, offer: &OfferShard) -> Result<ShardOffer, Failure> {
    peer.check_may_write()?;
    if offer.len == 0 || offer.len as usize > SHARD_LEN_MAX {
        let sentence = format!("a shard has 1 to {SHARD_LEN_MAX} bytes");
        return Err(Failure::refuse(RefusalCode::Malformed, sentence));
    }
    let store = match site.hosted.folder.store_or_make(site) {
        Ok(store) => store,
        Err(Failure::Fault(OperationError::HostedAway { .. } | OperationError::HostedBarred { .. })) => {
            return Ok(ShardOffer::NoRoom);
        }
        Err(failure) => return Err(failure),
    };
    let window = Window::of_days(u32::from(offer.window_days)).max(peer.window);
    site.with_owner(peer.member, |owner| owner.offer(site, &store, offer, window))
}

impl Owner {
    fn offer(
        &mut self,
        site: &Site,
        store: &FolderStore,
        offer: &OfferShard,
        window: Window,
    ) -> Result<ShardOffer, Failure> {
        let OfferShard { shard, len, .. } = *offer;
        let member = self.hosting.owner();
        if self.hosting.get(&shard).is_some_and(|held| held.len != len) {
            let sentence = format!("a shard of the name {shard} and of another length is here already");
            return Err(Failure::refuse(RefusalCode::Corrupt, sentence));
        }
        // Whoever is sending it has said how long it is, and that holds until the piece is over.
        if lock(&site.hosted.receiving).contains(&(member, shard)) {
            return Err(Failure::refuse(RefusalCode::Busy, "a piece of this shard is coming in"));
        }
        // What is held was perhaps put just before a crash, or has rotted since and is offered again.
        let found = match sound_len(store, member, shard) {
            Ok(found) => found,
            // What is damaged cannot be taken out of the way.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(ShardOffer::NoRoom);
            }
            // What the disk does not give is no fault of the box that is said again with each offer.
            Err(error @ StoreError::Io { .. }) => {
                site.hosted.folder.store(site)?;
                site.hosted.note_unreadable(member, shard, &error);
                return Err(unreadable().into());
            }
            Err(error) => return Err(on_disk(error).into()),
        };
        if let Some(found) = found {
            if found != u64::from(len) {
                let sentence = format!("shard {shard} has {found} bytes, not {len}");
                return Err(Failure::refuse(RefusalCode::Corrupt, sentence));
            }
            // Whoever put it may have died before it synced.
            store.make_durable(ObjectName::Shard(member, shard)).map_err(on_disk)?;
            // It takes no more room than it has already.
            self.hosting.found(site.counted_now(), shard, len, window);
            self.coming.remove(&shard);
            return Ok(ShardOffer::Held { receipt: self.hold(site, shard, len, window)? });
        }
        self.forget_stale_offers(store, u64::from(len))?;
        let coming: u64 = self.coming.iter().filter(|(id, _)| **id != shard).map(|(_, c)| u64::from(c.len)).sum();
        let left = self.hosting.left_bytes().saturating_sub(coming);
        if self.hosting.get(&shard).is_none() && u64::from(len) > left {
            return Ok(ShardOffer::OverQuota { left });
        }
        if !self.coming.contains_key(&shard) && self.coming.len() >= COMING_MAX {
            let sentence = "too many shards of this member are on their way; send those first";
            return Err(Failure::refuse(RefusalCode::Busy, sentence));
        }
        if store.is_read_only()? {
            return Ok(ShardOffer::NoRoom);
        }
        let mut from = store.part_len(member, shard)?;
        if from >= u64::from(len) {
            // It had all come, and the last step was cut off.
            let staged = store.resume(member, shard)?;
            if from == u64::from(len) && hash(staged.reread()?).map_err(unread)? == shard {
                put(store, member, shard, staged)?;
                self.coming.remove(&shard);
                return Ok(ShardOffer::Held { receipt: self.hold(site, shard, len, window)? });
            }
            staged.discard();
            from = 0;
        }
        if !site.hosted.folder.has_room(site, store, u64::from(len).saturating_sub(from))? {
            return Ok(ShardOffer::NoRoom);
        }
        self.coming.insert(shard, Coming { len, window: Some(window), at: Instant::now() });
        Ok(ShardOffer::Send { from: u32::try_from(from).unwrap_or(len) })
    }

    /// What was offered long ago and never sent takes no room from `more` bytes.
    fn forget_stale_offers(&mut self, store: &FolderStore, more: u64) -> Result<(), StoreError> {
        let coming: u64 = self.coming.values().map(|coming| u64::from(coming.len)).sum();
        if self.coming.len() < COMING_MAX && coming + more <= self.hosting.left_bytes() {
            return Ok(());
        }
        let member = self.hosting.owner();
        let mut stale = Vec::new();
        for (shard, _) in self.coming.iter().filter(|(_, coming)| coming.at.elapsed() >= OFFER_KEPT) {
            if store.part_len(member, *shard)? == 0 {
                stale.push(*shard);
            }
        }
        self.coming.retain(|shard, _| !stale.contains(shard));
        Ok(())
    }

    /// Enters a shard whose bytes are durable; the receipt is given when that is durable too.
    fn hold(&mut self, site: &Site, shard: ShardId, len: u32, window: Window) -> Result<Signed, Failure> {
        match self.hosting.store(site.counted_now(), shard, len, window) {
            Stored::New | Stored::Already | Stored::Spared => {}
            Stored::OverQuota { .. } => {
                let sentence = "the member has used up what it may store here; nothing that is held is touched";
                return Err(Failure::refuse(RefusalCode::Full, sentence));
            }
            Stored::Differs => {
                let sentence = format!("a shard of the name {shard} and of another length is here already");
                return Err(Failure::refuse(RefusalCode::Corrupt, sentence));
            }
        }
        self.save(site, &[shard])?;
        let received_at = self.held(site, &shard)?.received_at;
        let community = site
            .community()
            .ok_or_else(|| Refusal::new(RefusalCode::UnknownMachine, "the box belongs to no community any more"))?;
        let receipt = ShardReceipt { owner: self.hosting.owner(), host: community.me, shard, len, received_at };
        Ok(receipt.sign(&site.vault.device_key))
    }
}

/// The length of the whole shard, if it is in the store; what is damaged is taken out of the way, so that it can come again.
fn sound_len(store: &FolderStore, member: MemberId, shard: ShardId) -> Result<Option<u64>, StoreError> {
    let name = ObjectName::Shard(member, shard);
    let found = match store.size(name) {
        Err(StoreError::Absent { .. }) => return Ok(None),
        found => found?,
    };
    // Its name vouches for its bytes; what the owner says of it does not.
    if hash_of(store, name)? == shard {
        return Ok(Some(found));
    }
    tracing::warn!(%member, %shard, "A shard that is kept for another member is damaged; it may be sent again");
    store.delete(name)?;
    Ok(None)
}

/// Makes a checked file durable under its name. Nothing of this name is there, or it is as good.
fn put(store: &FolderStore, member: MemberId, shard: ShardId, staged: Staged) -> Result<(), Failure> {
    let name = ObjectName::Shard(member, shard);
    match store.size(name) {
        Ok(found) if found != staged.len_bytes() => store.delete(name).map_err(on_disk)?,
        Ok(_) | Err(StoreError::Absent { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(store.put_new(name, staged).map_err(on_disk)?)
}

/// The hash of a shard's file.
pub(super) fn hash_of(store: &FolderStore, name: ObjectName) -> Result<ShardId, StoreError> {
    let failed = |source| StoreError::Io { step: "read", path: name.to_string().into(), source };
    hash(store.reader(name)?).map_err(failed)
}

fn hash(mut bytes: impl Read) -> io::Result<ShardId> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        match bytes.read(&mut piece)? {
            0 => return Ok(ShardId::from_bytes(*hasher.finalize().as_bytes())),
            many => hasher.update(&piece[..many]),
        };
    }
}

fn unread(source: io::Error) -> OperationError {
    OperationError::Io { step: "read a shard", source }
}

/// One piece of a shard that is coming in. What was written stays when it is dropped, and the shard goes on there.
pub struct PieceIntake {
    site: Arc<Site>,
    store: Arc<FolderStore>,
    member: MemberId,
    shard: ShardId,
    coming: Coming,
    window: Window,
    staged: Option<Staged>,
    /// Of all that was written, if that was seen from the first byte on.
    hasher: Option<blake3::Hasher>,
    /// The last field: whoever comes next finds all that was written.
    _receiving: Receiving,
}

/// That nobody else appends to a shard, as long as it lives.
struct Receiving {
    site: Arc<Site>,
    key: (MemberId, ShardId),
}

impl Receiving {
    fn begin(site: &Arc<Site>, member: MemberId, shard: ShardId) -> Result<Self, Refusal> {
        let key = (member, shard);
        if lock(&site.hosted.receiving).insert(key) {
            return Ok(Self { site: Arc::clone(site), key });
        }
        Err(Refusal::new(RefusalCode::Busy, "another piece of this shard is coming in"))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        lock(&self.site.hosted.receiving).remove(&self.key);
    }
}

/// Begins to take a piece in, which is `piece_len` bytes of a shard of `total` from `from` on.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`] when it was not offered or goes on elsewhere: offer it again; [`RefusalCode::Busy`] while
/// another piece of it comes in; [`RefusalCode::Full`]; [`Refusal`].
pub fn receive_piece(
    site: &Arc<Site>,
    peer: &Peer,
    shard: ShardId,
    from: u32,
    total: u32,
    piece_len: u32,
) -> Result<PieceIntake, Refusal> {
    try_receive(site, peer, shard, from, total, piece_len).map_err(|failure| site.refusal(failure))
}

fn try_receive(
    site: &Arc<Site>,
    peer: &Peer,
    shard: ShardId,
    from: u32,
    total: u32,
    piece_len: u32,
) -> Result<PieceIntake, Failure> {
    peer.check_may_write()?;
    let offer_first = |sentence: String| Failure::refuse(RefusalCode::SessionUnknown, sentence);
    if u64::from(from) + u64::from(piece_len) > u64::from(total) {
        return Err(Failure::refuse(RefusalCode::Malformed, "the piece is longer than the rest of the shard"));
    }
    // In one step with the look at the offer: nobody makes another one of it in between.
    let (coming, window, receiving) = site.with_owner(peer.member, |owner| {
        let offered = owner.coming.get(&shard).copied().filter(|coming| coming.len == total);
        let (coming, window) = offered
            .and_then(|coming| Some((coming, coming.window?)))
            .ok_or_else(|| offer_first("this shard was not offered with this length; offer it first".to_owned()))?;
        Ok((coming, window, Receiving::begin(site, peer.member, shard)?))
    })?;
    let store = site.hosted.folder.store(site)?;
    check_writable(&store)?;
    if store.is_read_only()? {
        return Err(read_only().into());
    }
    if !site.hosted.folder.has_room(site, &store, u64::from(piece_len))? {
        return Err(full().into());
    }
    let staged = store.resume(peer.member, shard)?;
    if staged.len_bytes() != u64::from(from) {
        return Err(offer_first(format!("the shard goes on at byte {}; offer it again", staged.len_bytes())));
    }
    let (site, member, staged) = (Arc::clone(site), peer.member, Some(staged));
    let hasher = (from == 0).then(blake3::Hasher::new);
    Ok(PieceIntake { site, store, member, shard, coming, window, staged, hasher, _receiving: receiving })
}

impl PieceIntake {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`RefusalCode::Corrupt`], [`RefusalCode::Full`]; [`Refusal`]. Nothing more is taken afterwards.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.take(bytes).map_err(|failure| {
            self.staged = None;
            self.site.refusal(failure)
        })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.site.check_running()?;
        let too_long = || Failure::refuse(RefusalCode::Corrupt, "the piece is longer than announced");
        let staged = self.staged.as_mut().ok_or_else(too_long)?;
        if staged.len_bytes() + bytes.len() as u64 > u64::from(self.coming.len) {
            return Err(too_long());
        }
        staged.write_all(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// The piece is over. `Some`: it was the last one, all is durable, and this is the signed [`ShardReceipt`].
    ///
    /// # Errors
    /// [`RefusalCode::Corrupt`] when the bytes are not those of the name: the shard begins from its first byte again;
    /// [`RefusalCode::Full`]; [`Refusal`].
    pub fn finish(mut self) -> Result<Option<Signed>, Refusal> {
        let done = self.complete();
        done.map_err(|failure| self.site.refusal(failure))
    }

    fn complete(&mut self) -> Result<Option<Signed>, Failure> {
        let broken = || Failure::refuse(RefusalCode::Corrupt, "an earlier part of it was refused");
        let mut staged = self.staged.take().ok_or_else(broken)?;
        if staged.len_bytes() < u64::from(self.coming.len) {
            return Ok(None);
        }
        let found = match self.hasher.take() {
            Some(hasher) => ShardId::from_bytes(*hasher.finalize().as_bytes()),
            None => hash(staged.reread()?).map_err(unread)?,
        };
        if found != self.shard {
            staged.discard();
            let sentence = format!("the bytes are not those of shard {}; send it again from its start", self.shard);
            return Err(Failure::refuse(RefusalCode::Corrupt, sentence));
        }
        // The long wait comes before the owner's lock, so that several shards wait together.
        staged.sync().map_err(on_disk)?;
        let (site, shard, len) = (&self.site, self.shard, self.coming.len);
        let receipt = site.with_owner(self.member, |owner| {
            // What is put into a disk that was taken away is not in the folder, though all of it succeeds.
            site.hosted.folder.check_current(site, &self.store)?;
            owner.coming.remove(&shard);
            if owner.hosting.get(&shard).is_none() && owner.hosting.left_bytes() < u64::from(len) {
                staged.discard();
                let sentence = "the member has used up what it may store here; nothing that is held is touched";
                return Err(Failure::refuse(RefusalCode::Full, sentence));
            }
            put(&self.store, self.member, shard, staged)?;
            owner.hold(site, shard, len, self.window)
        })?;
        Ok(Some(receipt))
    }
}
