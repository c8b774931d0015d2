//! A community of three for tests: the box itself and two members with their keys.

use std::sync::Arc;

use datis_engine::community::entry::{Admission, Change, Domains, SignedEntry};
use datis_engine::community::log::Log;
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{OfferShard, ShardOffer, ShardReceipt};

use super::super::Site;
use super::super::community::enter_for_tests;
use super::super::testing::new_key;
use super::{Peer, offer_shard, peer_by_key, receive_piece};

/// A member with its keys.
pub(crate) struct Person {
    pub(crate) device: SigningKey,
    /// The same, as PKCS#8 (DER).
    pub(crate) document: Vec<u8>,
    pub(crate) recovery: SigningKey,
}

impl Person {
    fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("key").as_ref().to_vec();
        Self { device: SigningKey::from_pkcs8(&document).expect("key"), document, recovery: new_key() }
    }

    pub(crate) fn id(&self) -> MemberId {
        self.recovery.public_key().member_id()
    }

    pub(crate) fn peer(&self, site: &Site) -> Peer {
        peer_by_key(site, &self.device.public_key()).expect("a member")
    }
}

/// A community that a box is in as its founder, and the others of it.
pub(crate) struct Circle {
    pub(crate) log: Log,
    pub(crate) me: MemberId,
    pub(crate) one: Person,
    pub(crate) other: Person,
}

fn admission(name: &str, device: &SigningKey, recovery: &SigningKey) -> Admission {
    Admission {
        name: name.parse().expect("name"),
        recovery: recovery.public_key(),
        device: device.public_key(),
        domains: Domains::default(),
    }
}

impl Circle {
    pub(crate) fn around(site: &Site) -> Self {
        let (device, recovery) = (&site.vault.device_key, new_key());
        let founder = admission("host", device, &recovery);
        let me = founder.member();
        let founding = Change::Found {
            name: "Quartier".parse().expect("name"),
            founder: Box::new(founder),
            removal_threshold: 1,
            window_days: 30,
        };
        let log = Log::begin(signed(Log::founding(UnixMillis(1), founding), &[device, &recovery])).expect("founding");
        let mut circle = Self { log, me, one: Person::new(), other: Person::new() };
        for (name, person) in [("one", 0), ("other", 1)] {
            let person = if person == 0 { &circle.one } else { &circle.other };
            let admission = admission(name, &person.device, &person.recovery);
            let consent = admission.consent(circle.log.community(), &person.device, &person.recovery);
            let change = Change::Admit { admission: Box::new(admission), consent: Box::new(consent) };
            let entry = signed(circle.log.draft(UnixMillis(2), change), &[device]);
            circle.log.append(entry).expect("admission");
        }
        circle.enter(site);
        circle
    }

    pub(crate) fn enter(&self, site: &Site) {
        enter_for_tests(site, &self.log, self.me);
    }

    /// What the first member says with its recovery key and the key of its new box.
    pub(crate) fn say_for_one(&mut self, site: &Site, change: Change, new: &SigningKey) {
        let entry = signed(self.log.draft(UnixMillis(3), change), &[&self.one.recovery, new]);
        self.log.append(entry).expect("entry");
        self.enter(site);
    }
}

fn signed(mut entry: SignedEntry, keys: &[&SigningKey]) -> SignedEntry {
    keys.iter().for_each(|key| entry.sign(key));
    entry
}

/// Bytes that nobody could guess, and their name.
pub(crate) fn shard(len: usize, seed: u8) -> (ShardId, Vec<u8>) {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    (ShardId::from_bytes(*blake3::hash(&bytes).as_bytes()), bytes)
}

pub(crate) fn offer(site: &Site, peer: &Peer, shard: ShardId, len: usize) -> ShardOffer {
    let len = u32::try_from(len).expect("short");
    offer_shard(site, peer, &OfferShard { shard, len, window_days: 1 }).expect("offer")
}

/// Keeps a shard, in one piece.
pub(crate) fn keep(site: &Arc<Site>, peer: &Peer, shard: ShardId, bytes: &[u8]) -> ShardReceipt {
    let ShardOffer::Send { from: 0 } = offer(site, peer, shard, bytes.len()) else { panic!("not wanted") };
    let len = u32::try_from(bytes.len()).expect("short");
    let mut piece = receive_piece(site, peer, shard, 0, len, len).expect("piece");
    bytes.chunks(10_000).for_each(|bytes| piece.write(bytes).expect("write"));
    let receipt = piece.finish().expect("finish").expect("the last byte is there");
    ShardReceipt::verify(&receipt, &site.vault.device_key.public_key()).expect("receipt")
}

/// Lets counted time pass.
pub(crate) fn pass_days(site: &Site, days: u64) {
    site.hosted.clock.pass_days(days);
}

/// Two boxes in one community, which `host` has founded and `owner` was let into: their recovery keys.
pub(crate) fn join_two(host: &Site, owner: &Site) -> (SigningKey, SigningKey) {
    let (host_kit, owner_kit) = (new_key(), new_key());
    let founder = admission("host", &host.vault.device_key, &host_kit);
    let founding = Change::Found {
        name: "Quartier".parse().expect("name"),
        founder: Box::new(founder),
        removal_threshold: 1,
        window_days: 30,
    };
    let first = signed(Log::founding(UnixMillis(1), founding), &[&host.vault.device_key, &host_kit]);
    let mut log = Log::begin(first).expect("founding");
    let admission = admission("owner", &owner.vault.device_key, &owner_kit);
    let consent = admission.consent(log.community(), &owner.vault.device_key, &owner_kit);
    let change = Change::Admit { admission: Box::new(admission), consent: Box::new(consent) };
    let entry = signed(log.draft(UnixMillis(2), change), &[&host.vault.device_key]);
    log.append(entry).expect("admission");
    for (site, kit) in [(host, &host_kit), (owner, &owner_kit)] {
        enter_for_tests(site, &log, kit.public_key().member_id());
    }
    (host_kit, owner_kit)
}

/// Forgets what is in memory, as a restart does.
pub(crate) fn forget(site: &Site) {
    super::lock(&site.hosted.owners).clear();
}
