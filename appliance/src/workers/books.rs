//! Tells each member once a day that the box lives, compares what both believe to be there, and agrees on a statement.
//!
//! A host that has something else than it signed for is asked for a proof, and what it has and nobody needs is condemned like all
//! else: by lists that the host's brake guards. Source: mutual-backup 4.7, 4.8.

use std::time::{Duration, Instant};

use datis_engine::community::ledger::Agreement;
use datis_engine::ids::MemberId;
use datis_engine::wire::peers::{
    AgreeStatement, Condemn, LeaseAnswer, ListShards, ListedShard, PEER_BATCH_MAX, RenewLease, Wish,
};

use super::lines::{Line, LineError, Lines};
use super::{abreast, audit};
use crate::operations::dispersal::{self, Circle, Difference, Shelves, StatementRefusal};
use crate::operations::{OperationError, Site, chain};

/// Shards of one member that are listed at most: more than any box has. Whoever lists more is not believed.
const LISTED_MAX: usize = 1 << 20;

/// For one member. Its lease is renewed by the first question; the rest is for the next round then.
const COMPARED_WITHIN: Duration = Duration::from_secs(300);

/// Why books were not compared.
#[derive(Debug, thiserror::Error)]
enum BooksError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the statement of the other box does not count: {0}")]
    Statement(StatementRefusal),
    #[error("the other box lists no end of shards")]
    Endless,
    #[error("the other box takes too long for each answer; it is asked again in the next round")]
    Slow,
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<StatementRefusal> for BooksError {
    fn from(refusal: StatementRefusal) -> Self {
        match refusal {
            StatementRefusal::Operation(error) => Self::Operation(error),
            other => Self::Statement(other),
        }
    }
}

/// Compares books with everybody for whom that is due. Who does not answer is asked again in the next round.
pub(super) fn compare<L: Lines>(
    site: &Site,
    circle: &Circle,
    lines: &L,
    working: &dyn Fn(Option<String>),
) -> Result<(), OperationError> {
    let due = dispersal::leases_due(site, circle)?;
    if due.is_empty() {
        return Ok(());
    }
    working(Some("comparing books with the other boxes".to_owned()));
    abreast::each(due, |member| {
        site.check_running()?;
        match compare_with(site, circle, lines, member) {
            Ok(()) => dispersal::note_leased(site, &member)?,
            Err(BooksError::Operation(error)) => return Err(error),
            Err(error) => tracing::info!(peer = %member, reason = %chain(&error), "Books are not compared with a peer"),
        }
        Ok(())
    })
    .map(drop)
}

fn compare_with<L: Lines>(site: &Site, circle: &Circle, lines: &L, member: MemberId) -> Result<(), BooksError> {
    let until = Instant::now() + COMPARED_WITHIN;
    let mut line = lines.open(member)?;
    let believed = dispersal::shelf_of(site, &member)?;
    let lease = RenewLease { list_hash: believed.list_hash().into() };
    if line.renew_lease(&lease)? == LeaseAnswer::Differs {
        let listed = inventory(site, &mut line, until)?;
        let difference = dispersal::differences(site, &member, &believed, &listed)?;
        settle(site, lines, &mut line, (member, &believed), &difference, until)?;
    }
    let ours = dispersal::statement_for(site, circle, &member, &dispersal::shelf_of(site, &member)?)?;
    let answer = line.agree_statement(&AgreeStatement { statement: ours.encode().into() })?;
    if let Agreement::Differs { bytes, count } = dispersal::note_statement(site, &ours, &answer.statement)? {
        tracing::info!(peer = %member, bytes, shards = count, "A peer has more or less in its books than this box");
    }
    Ok(())
}

fn check_time(site: &Site, until: Instant) -> Result<(), BooksError> {
    site.check_running()?;
    if Instant::now() < until { Ok(()) } else { Err(BooksError::Slow) }
}

fn inventory<L: Line>(site: &Site, line: &mut L, until: Instant) -> Result<Vec<ListedShard>, BooksError> {
    let mut all: Vec<ListedShard> = Vec::new();
    loop {
        check_time(site, until)?;
        let after = all.last().map(|one| one.shard);
        let page = line.list_shards(&ListShards { after })?.shards;
        let goes_on = page.len() >= PEER_BATCH_MAX;
        let is_ordered = page.first().is_none_or(|first| after.is_none_or(|after| after < first.shard))
            && page.is_sorted_by(|one, next| one.shard < next.shard);
        all.extend(page);
        if !is_ordered || all.len() > LISTED_MAX {
            return Err(BooksError::Endless);
        }
        if !goes_on {
            return Ok(all);
        }
    }
}

fn settle<L: Lines>(
    site: &Site,
    lines: &L,
    line: &mut L::Line,
    (member, believed): (MemberId, &Shelves),
    difference: &Difference,
    until: Instant,
) -> Result<(), BooksError> {
    let Difference { missing, condemned, unknown } = difference;
    if !missing.is_empty() {
        tracing::warn!(peer = %member, shards = missing.len(), "A peer does not list what it signed for");
        audit::confirm(site, lines, (member, believed), missing, until)?;
    }
    for shards in condemned.chunks(PEER_BATCH_MAX) {
        check_time(site, until)?;
        line.condemn(&Condemn { shards: shards.to_vec(), wish: Wish::Spare })?;
    }
    if !unknown.is_empty() && dispersal::condemnable(site)? {
        tracing::info!(peer = %member, shards = unknown.len(), "A peer keeps what nothing needs any more; it is condemned");
        for shards in unknown.chunks(PEER_BATCH_MAX) {
            check_time(site, until)?;
            line.condemn(&Condemn { shards: shards.to_vec(), wish: Wish::DeleteWithinBrake })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use bytes::Bytes;
    use datis_engine::community::signed::Signed;
    use datis_engine::format::{decode_all, encode};
    use datis_engine::ids::ShardId;
    use datis_engine::keys::{SigningContext, SigningKey};
    use datis_engine::life::audit::Round;
    use datis_engine::life::peer::Event;
    use datis_engine::store::ObjectName;
    use datis_engine::wire::peers::{
        Audit, Audited, Condemned, HeadKept, HeadPage, KeepHead, LiftBrake, ListHeads, OfferShard, ShardOffer,
        ShardPage, StatementAnswer, lift_message,
    };
    use datis_engine::wire::{Refusal, RefusalCode};

    use super::super::spread;
    use super::*;
    use crate::catalog::dispersal::outside;
    use crate::catalog::{CatalogError, statements};
    use crate::operations::Pace;
    use crate::operations::hosting::testing::{join_two, keep, pass_days, shard};
    use crate::operations::hosting::{self, Peer, hosted_for, hosting_step, peer_by_key};
    use crate::operations::testing::{Client, TestBox, files};

    /// The other box, called without a network between.
    struct Direct<'t> {
        host: &'t Arc<Site>,
        peer: Peer,
    }

    fn told(refusal: Refusal) -> LineError {
        LineError::Refused(refusal.sentence)
    }

    impl<'t> Lines for Direct<'t> {
        type Line = Direct<'t>;

        fn open(&self, _: MemberId) -> Result<Direct<'t>, LineError> {
            Ok(Direct { host: self.host, peer: self.peer })
        }
    }

    impl Line for Direct<'_> {
        fn offer(&mut self, offer: &OfferShard) -> Result<ShardOffer, LineError> {
            hosting::offer_shard(self.host, &self.peer, offer).map_err(told)
        }

        fn put(&mut self, id: ShardId, from: u32, total: u32, bytes: Bytes) -> Result<Option<Signed>, LineError> {
            let len = u32::try_from(bytes.len()).expect("short");
            let mut piece = hosting::receive_piece(self.host, &self.peer, id, from, total, len).map_err(told)?;
            piece.write(&bytes).map_err(told)?;
            piece.finish().map_err(told)
        }

        fn keep_head(&mut self, head: &KeepHead) -> Result<HeadKept, LineError> {
            hosting::keep_head(self.host, &self.peer, head).map_err(told)
        }

        fn list_heads(&mut self, list: &ListHeads) -> Result<HeadPage, LineError> {
            hosting::list_heads(self.host, &self.peer, list).map_err(told)
        }

        fn condemn(&mut self, condemn: &Condemn) -> Result<Condemned, LineError> {
            hosting::condemn(self.host, &self.peer, condemn).map_err(told)
        }

        fn audit(&mut self, audit: &Audit) -> Result<Audited, LineError> {
            hosting::audit(self.host, &self.peer, audit).map_err(told)
        }

        fn renew_lease(&mut self, lease: &RenewLease) -> Result<LeaseAnswer, LineError> {
            hosting::renew_lease(self.host, &self.peer, lease).map_err(told)
        }

        fn list_shards(&mut self, list: &ListShards) -> Result<ShardPage, LineError> {
            hosting::list_shards(self.host, &self.peer, list).map_err(told)
        }

        fn agree_statement(&mut self, statement: &AgreeStatement) -> Result<StatementAnswer, LineError> {
            hosting::agree_statement(self.host, &self.peer, statement).map_err(told)
        }
    }

    /// An owner that has all it has with one host, and the recovery key of the owner.
    struct Pair {
        host: TestBox,
        owner: TestBox,
        owner_kit: SigningKey,
    }

    impl Pair {
        fn start() -> Self {
            let (host, owner) = (TestBox::start(), TestBox::start());
            let (_, owner_kit) = join_two(host.site(), owner.site());
            let client = Client::enrol(owner.site(), "alice");
            for seed in 0..12 {
                client.back_up(owner.site(), &files(2, seed));
            }
            let pair = Self { host, owner, owner_kit };
            let circle = pair.circle();
            let rounded = spread::round(pair.owner.site(), &circle, &pair.lines(), 30, &|_| ()).expect("round");
            assert!(rounded.receipts >= 12 && rounded.silent.is_empty(), "{rounded:?}");
            hosting_step(pair.host.site()).expect("step");
            // What is new is not condemned by anybody.
            [&pair.host, &pair.owner].into_iter().for_each(|test| pass_days(test.site(), 31));
            pair
        }

        fn circle(&self) -> Circle {
            Circle::of(self.owner.site()).expect("circle").expect("a community")
        }

        fn peer(&self) -> Peer {
            peer_by_key(self.host.site(), &self.owner.site().vault.device_key.public_key()).expect("a member")
        }

        fn lines(&self) -> Direct<'_> {
            Direct { host: self.host.site(), peer: self.peer() }
        }

        fn member(&self) -> MemberId {
            self.owner_kit.public_key().member_id()
        }

        fn compare(&self) {
            compare(self.owner.site(), &self.circle(), &self.lines(), &|_| ()).expect("compared");
        }

        /// What both have written down: bytes by the owner's books, by the host's, and whether both have signed the same.
        fn books(&self) -> (u64, u64, bool) {
            let read = |test: &TestBox| test.site().catalog.reader().read(|tx| statements::all(tx)).expect("books");
            let (owners, hosts) = (read(&self.owner), read(&self.host));
            let ([by_owner], [by_host]) = (owners.as_slice(), hosts.as_slice()) else { panic!("one statement each") };
            let agreed = by_owner.theirs.is_none() && by_owner.signed == by_host.signed;
            (by_owner.bytes, by_host.bytes, agreed)
        }

        fn held(&self) -> Vec<ShardId> {
            let page = hosting::list_shards(self.host.site(), &self.peer(), &ListShards { after: None }).expect("list");
            page.shards.iter().filter(|one| one.is_kept).map(|one| one.shard).collect()
        }
    }

    #[test]
    fn owner_and_host_agree_once_a_day_and_the_host_hears_that_the_owner_lives() {
        let pair = Pair::start();
        pass_days(pair.host.site(), 3);
        let silent_since = hosted_for(pair.host.site()).expect("hosted")[0].lease_at;
        pair.compare();
        let (bytes, same, agreed) = pair.books();
        assert!(agreed && bytes == same && bytes > 0);
        assert!(hosted_for(pair.host.site()).expect("hosted")[0].lease_at > silent_since);
        let due = |pair: &Pair| dispersal::leases_due(pair.owner.site(), &pair.circle()).expect("due").len();
        assert_eq!(due(&pair), 0);
        pass_days(pair.owner.site(), 1);
        assert_eq!(due(&pair), 1);
    }

    #[test]
    fn what_a_host_has_lost_is_found_at_once_and_both_books_are_shown_until_it_is_back() {
        let pair = Pair::start();
        let lost = pair.held()[0];
        let path = pair.host.dir().hosted_dir().join(ObjectName::Shard(pair.member(), lost).to_string());
        fs::remove_file(path).expect("remove");
        let forgotten = pair.host.site().catalog.writer().write(|tx| {
            tx.execute("DELETE FROM hosted_shard WHERE shard = ?1", [lost.as_bytes()]).map(drop)?;
            Ok::<_, CatalogError>(())
        });
        forgotten.expect("forget");
        hosting::testing::forget(pair.host.site());
        pair.compare();
        let held = dispersal::shelf_of(pair.owner.site(), &pair.circle().fellows[0].member).expect("shelf").held;
        assert!(held.iter().all(|held| held.shard != lost), "it does not count any more");
        let (by_owner, by_host, agreed) = pair.books();
        assert!(agreed && by_owner == by_host, "both know by now");
    }

    #[test]
    fn what_rots_on_a_host_s_disk_is_told_to_its_owner_and_made_again_there() {
        let pair = Pair::start();
        let (host, member) = (pair.host.site(), pair.circle().fellows[0].member);
        let scrub = || while hosting::scrub_next(host, Pace::Steady, &|| ()).expect("scrub") {};
        scrub();
        pass_days(host, 26);
        let rotten = pair.held()[0];
        let path = pair.host.dir().hosted_dir().join(ObjectName::Shard(pair.member(), rotten).to_string());
        let mut bytes = fs::read(&path).expect("read");
        bytes[5] ^= 1;
        fs::remove_file(&path).expect("remove");
        crate::files::replace(&path, &bytes).expect("rot");
        scrub();
        pair.compare();
        let holds = || {
            let held = dispersal::shelf_of(pair.owner.site(), &member).expect("shelf").held;
            held.iter().any(|held| held.shard == rotten)
        };
        assert!(!holds() && !pair.held().contains(&rotten), "it does not count any more");
        // There is no third box, so it is made again for the one that lost it, once that was looked at closely.
        let circle = pair.circle();
        super::super::audit::round(pair.owner.site(), &circle, &pair.lines(), &|_| ()).expect("round");
        pass_days(pair.owner.site(), 2);
        super::super::audit::round(pair.owner.site(), &circle, &pair.lines(), &|_| ()).expect("round");
        spread::round(pair.owner.site(), &circle, &pair.lines(), 30, &|_| ()).expect("round");
        assert!(holds() && pair.held().contains(&rotten), "it is there again");
        assert_eq!(
            fs::read(&path).map(|now| ShardId::from_bytes(*blake3::hash(&now).as_bytes())).expect("read"),
            rotten
        );
    }

    #[test]
    fn what_was_safe_outside_is_said_to_be_so_only_as_long_as_enough_members_answer() {
        let pair = Pair::start();
        let site = pair.owner.site();
        let status = || dispersal::dispersal_status(site).expect("status");
        assert_eq!((status().thin_packs, status().beyond_reach_packs), (0, 0));
        let member = pair.circle().fellows[0].member;
        let silent = || dispersal::note_peer(site, &member, Event::Round(Round { good: 0, lost: 0, absent: 10 }));
        silent().expect("noted");
        pass_days(site, 1);
        silent().expect("noted");
        assert_eq!(status().beyond_reach_packs, 0, "it may be back in a moment");
        pass_days(site, 4);
        silent().expect("noted");
        let packs: u64 = status().machines.iter().map(|machine| machine.packs_needed).sum();
        assert_eq!((status().thin_packs, status().beyond_reach_packs), (0, packs), "one copy, and it is away");
        assert!(packs > 0);
    }

    #[test]
    fn what_nothing_needs_is_condemned_after_two_days_and_what_is_needed_is_spared() {
        let pair = Pair::start();
        let (extra, bytes) = shard(1_000, 9);
        keep(pair.host.site(), &pair.peer(), extra, &bytes);
        let needed = pair.held().into_iter().find(|id| *id != extra).expect("one");
        // A list that the owner knows nothing of, by whoever had its box for a moment.
        let condemn = Condemn { shards: vec![needed], wish: Wish::Delete };
        let condemned = hosting::condemn(pair.host.site(), &pair.peer(), &condemn).expect("condemn");
        assert_eq!(condemned.noted, 1);
        pair.compare();
        assert!(pair.held().contains(&needed), "it is spared");
        assert!(pair.held().contains(&extra), "it came a moment ago");
        assert!(!pair.books().2, "the host has more than the owner knows of");
        pass_days(pair.owner.site(), 3);
        pair.compare();
        assert!(!pair.held().contains(&extra));
        assert!(pair.books().2);
    }

    #[test]
    fn nothing_is_condemned_while_a_damaged_pack_is_nowhere_else_or_no_own_head_is_kept() {
        let pair = Pair::start();
        let site = pair.owner.site();
        let condemnable = || dispersal::condemnable(site).expect("looked");
        assert!(condemnable());
        Client::enrol(site, "bob").back_up(site, &files(2, 99));
        assert!(!condemnable(), "it is not outside yet");
        let write = |sql: &str| {
            let changed = site.catalog.writer().write(|tx| Ok::<_, crate::catalog::CatalogError>(tx.execute(sql, [])?));
            assert!(changed.expect("changed") > 0);
        };
        write("UPDATE pack SET state = 'damaged' WHERE id = (SELECT max(id) FROM pack)");
        assert!(!condemnable(), "what the host has may be the last good copy");
        write("UPDATE pack SET state = 'stored'");
        spread::round(site, &pair.circle(), &pair.lines(), 30, &|_| ()).expect("round");
        assert!(condemnable());
        write("UPDATE holder SET head = head - 1");
        assert!(!condemnable());
        write("UPDATE holder SET head = head + 1");
        write("UPDATE head SET parts = x''");
        assert!(!condemnable(), "the head is that of another box");
    }

    #[test]
    fn a_box_with_nothing_of_its_own_condemns_nothing_of_what_others_keep_for_it() {
        let (host, owner) = (TestBox::start(), TestBox::start());
        let (_, owner_kit) = join_two(host.site(), owner.site());
        let pair = Pair { host, owner, owner_kit };
        let (kept, bytes) = shard(1_000, 9);
        keep(pair.host.site(), &pair.peer(), kept, &bytes);
        // So much more that the brake would not hold the first one back.
        let (more, bytes) = shard(100_000, 10);
        keep(pair.host.site(), &pair.peer(), more, &bytes);
        [&pair.host, &pair.owner].into_iter().for_each(|test| pass_days(test.site(), 31));
        pair.compare();
        assert_eq!(pair.held().len(), 2, "it may have lost its disk");
        assert!(!dispersal::condemnable(pair.owner.site()).expect("looked"));
    }

    #[test]
    fn that_another_box_makes_heads_is_believed_by_a_signed_head_only() {
        let pair = Pair::start();
        let site = pair.owner.site();
        let last =
            |site: &Arc<Site>| site.catalog.reader().read(|tx| outside::last_head(tx)).expect("read").expect("head");
        let give = || spread::round(site, &pair.circle(), &pair.lines(), 30, &|_| ());
        let first = last(site);
        Client::enrol(site, "bob").back_up(site, &files(2, 99));
        give().expect("round");
        let there = || {
            let page = hosting::list_heads(pair.host.site(), &pair.peer(), &ListHeads { limit: 9, before: None })
                .expect("heads");
            page.heads.into_iter().map(Vec::from).collect::<Vec<Vec<u8>>>()
        };
        let heads = there();
        let check = |heads: &[Vec<u8>]| dispersal::hear_heads(site, &pair.circle(), heads);
        assert!(heads.len() > 1 && check(&heads).is_ok(), "they are its own");
        // As a copy of the box has it that was made before the last head.
        let before = |tx: &rusqlite::Transaction<'_>| {
            outside::set_head(tx, &first)?;
            let kept = i64::try_from(first.sequence).expect("small");
            Ok::<_, CatalogError>(tx.execute("UPDATE holder SET head = ?1", [kept])?)
        };
        site.catalog.writer().write(before).expect("before");
        assert!(matches!(check(&heads), Err(OperationError::OtherBox { .. })));
        let mut forged = heads[0].clone();
        *forged.last_mut().expect("a byte") ^= 1;
        assert!(check(&[forged, b"number 9 of you".to_vec()]).is_ok(), "a word is no proof");
        // What the host keeps, the copy hears when it gives it its own next head.
        let told = give();
        assert!(matches!(told, Err(OperationError::OtherBox { .. })), "{told:?}");
        // A box that has lost its catalog has nobody written down who keeps a head of it: it goes on after what is there.
        let lost = |tx: &rusqlite::Transaction<'_>| {
            tx.execute("DELETE FROM head", [])?;
            Ok::<_, CatalogError>(tx.execute("UPDATE holder SET head = NULL", [])?)
        };
        site.catalog.writer().write(lost).expect("lost");
        check(&heads).expect("adopted");
        assert!(give().expect("round").silent.is_empty());
        assert!(there().len() > heads.len() && last(site).sequence > first.sequence + 1, "its next one is kept");
    }

    #[test]
    fn only_the_recovery_kit_lets_the_brake_go_and_only_on_the_connection_that_it_signed_for() {
        let pair = Pair::start();
        let (host, peer, all) = (pair.host.site(), pair.peer(), pair.held());
        let frozen =
            hosting::condemn(host, &peer, &Condemn { shards: pair.held(), wish: Wish::Delete }).expect("condemn");
        assert!(frozen.frozen_until.is_some());
        let me = host.community().expect("community").me;
        let community = host.community().expect("community").log.community();
        let lift_signed_for = |key: &SigningKey, signed: u8, channel: u8| {
            let message = lift_message(community, pair.member(), me, &[signed; 32]);
            let signature = key.sign(SigningContext::LiftBrake, &message);
            let sent: LiftBrake = decode_all("lift", &encode(&LiftBrake { signature })).expect("own bytes");
            hosting::lift_brake(host, &peer, &[channel; 32], &sent)
        };
        let lift_on = |key: &SigningKey, channel: u8| lift_signed_for(key, channel, channel);
        let by_box = lift_on(&pair.owner.site().vault.device_key, 1).expect_err("not the kit");
        assert_eq!(by_box.code, RefusalCode::BadSignature);
        assert_eq!(lift_signed_for(&pair.owner_kit, 1, 2).expect_err("again").code, RefusalCode::BadSignature);
        assert!(hosted_for(host).expect("hosted")[0].frozen_until.is_some());
        assert!(lift_on(&pair.owner_kit, 1).expect("the kit").held);
        assert!(hosted_for(host).expect("hosted")[0].frozen_until.is_none());
        let condemned =
            hosting::condemn(host, &peer, &Condemn { shards: pair.held(), wish: Wish::Delete }).expect("condemn");
        assert!(condemned.frozen_until.is_none() && condemned.noted > 0);
        // A week later the brake is back, and what the kit has signed on that connection counts no more.
        pass_days(host, 8);
        let spared = Condemn { shards: all.clone(), wish: Wish::Spare };
        hosting::condemn(host, &peer, &spared).expect("spared");
        let again = |held: bool, channel: u8| {
            let condemned = Condemn { shards: all.clone(), wish: Wish::Delete };
            hosting::condemn(host, &peer, &condemned).expect("condemn");
            assert_eq!(lift_on(&pair.owner_kit, channel).expect("the kit").held, held);
            hosted_for(host).expect("hosted")[0].frozen_until.is_some()
        };
        assert!(again(true, 1), "it was used up");
        assert!(!again(true, 3), "people have decided anew, on another connection");
    }
}
