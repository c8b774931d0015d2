//! An example of every message between boxes, and of what is signed in them. The keys are fixed, and so are the signatures.

use std::collections::BTreeMap;

use datis_engine::community::address::AddressRecord;
use datis_engine::community::entry::{Admission, Change, Consent, Domains, Entry, SignedEntry};
use datis_engine::community::head::Head;
use datis_engine::community::invitation::JoinRequest;
use datis_engine::community::ledger::{SignedStatement, Statement};
use datis_engine::format::{VERSION, decode_all, encode};
use datis_engine::ids::{CommunityId, EntryHash, HeadHash, InvitationId, MemberId, ShardId, SpkiPin};
use datis_engine::keys::{Signature, SigningKey};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{
    AgreeStatement, AskAgain, AskToJoin, Audit, AuditRange, Audited, BeginSpoken, BrakeLifted, ClaimOwner, Claimed,
    Condemn, Condemned, ConfirmSpoken, Exchange, Exchanged, HeadKept, HeadPage, JoinAnswer, JoinSpoken, KeepHead,
    KitShown, LeaseAnswer, LiftBrake, ListHeads, ListShards, ListedShard, OfferShard, RenewLease, ShardOffer,
    ShardPage, ShardReceipt, SpokenBegun, SpokenConfirmed, StatementAnswer, Wish,
};
use datis_engine::wire::reach::{
    ChannelAnswer, ChannelClosed, DialBack, DialFound, DialledBack, OpenChannel, Ping, Pong,
};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

pub(crate) const AT: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) fn community() -> CommunityId {
    CommunityId::from_bytes([0xc0; 32])
}

fn shard() -> ShardId {
    ShardId::from_bytes([0x5a; 32])
}

fn record_bytes() -> ByteVec {
    vec![1, 2, 3].into()
}

/// A member with both of its keys.
pub(crate) struct Person {
    pub(crate) device: SigningKey,
    pub(crate) recovery: SigningKey,
}

impl Person {
    fn new(number: u8) -> Self {
        let key = |purpose| SigningKey::from_seed(&[number + purpose; 32]);
        Self { device: key(0), recovery: key(100) }
    }

    pub(crate) fn id(&self) -> MemberId {
        self.recovery.public_key().member_id()
    }

    pub(crate) fn admission(&self, name: &str) -> Admission {
        let label = |text: &str| Some(text.parse().expect("label"));
        let domains =
            Domains { customer: label("Rivage"), site: label("Gare"), reseller: label("Sud"), update_ring: label("B") };
        let (recovery, device) = (self.recovery.public_key(), self.device.public_key());
        Admission { name: name.parse().expect("name"), recovery, device, domains }
    }

    pub(crate) fn consent(&self, admission: &Admission, community: CommunityId) -> Consent {
        admission.consent(community, &self.device, &self.recovery)
    }
}

pub(crate) fn owner() -> Person {
    Person::new(1)
}

pub(crate) fn host() -> Person {
    Person::new(2)
}

fn some_signature() -> Signature {
    Signature::from_slice(&[0x51; 64]).expect("64 bytes")
}

pub(crate) fn receipt() -> ShardReceipt {
    ShardReceipt { owner: owner().id(), host: host().id(), shard: shard(), len: 70_000, received_at: AT }
}

pub(crate) fn statement(community: CommunityId) -> Statement {
    let (owner, host) = (owner().id(), host().id());
    Statement { version: VERSION, community, owner, host, bytes: 1 << 40, count: 300, list_hash: [7; 32], day: 19_675 }
}

pub(crate) fn address_record() -> AddressRecord {
    AddressRecord {
        version: VERSION,
        community: community(),
        member: owner().id(),
        addresses: vec!["box.example.org:20600".parse().expect("address")],
        sequence: 9,
        ttl: Seconds::DAY,
        issued_at: AT,
        gives_bytes: Some(2 << 40),
    }
}

pub(crate) fn head() -> Head {
    let previous = HeadHash::from_bytes([0x8e; 32]);
    let (community, member) = (community(), owner().id());
    Head { version: VERSION, community, member, sequence: 4, previous, made_at: AT, catalog: vec![1, 2, 3] }
}

fn join_request() -> JoinRequest {
    let admission = owner().admission("north");
    let consent = owner().consent(&admission, community());
    let bytes = encode(&(VERSION, &admission, &consent, ByteArray::from([0x70; 32])));
    JoinRequest::decode(&bytes).expect("a request")
}

fn entry(change: Change) -> Entry {
    Entry { version: VERSION, previous: EntryHash::from_bytes([0xe0; 32]), sequence: 12, at: AT, change }
}

pub(crate) fn signed_entry() -> SignedEntry {
    let change = Change::Leave { member: owner().id() };
    let mut entry = SignedEntry::unsigned(EntryHash::from_bytes([0xe0; 32]), 12, AT, change);
    entry.sign(&owner().device);
    entry
}

/// The bytes of one message.
pub(crate) struct Example {
    pub(crate) bytes: Vec<u8>,
    /// Reads such bytes and writes them again; `None`: they are not understood.
    pub(crate) again: fn(&[u8]) -> Option<Vec<u8>>,
}

fn again<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<Vec<u8>> {
    decode_all::<T>("example", bytes).ok().map(|read| encode(&read))
}

/// Examples by the name that the document has for them.
#[derive(Default)]
pub(crate) struct Examples(pub(crate) BTreeMap<String, Example>);

impl Examples {
    fn add<T: Encode<()> + for<'b> Decode<'b, ()>>(&mut self, name: &str, example: &T) {
        let bytes = encode(example);
        assert_eq!(again::<T>(&bytes).as_ref(), Some(&bytes), "{name} comes back");
        let example = Example { bytes, again: again::<T> };
        assert!(self.0.insert(name.to_owned(), example).is_none(), "{name} is there twice");
    }

    pub(crate) fn all() -> Self {
        let mut examples = Self::default();
        examples.about_the_community();
        examples.about_shards();
        examples.about_books_and_heads();
        examples.about_ways();
        examples.signed_records();
        examples.changes();
        examples
    }

    fn about_the_community(&mut self) {
        let (last, some) = (EntryHash::from_bytes([0xe1; 32]), || vec![record_bytes()]);
        let (entries, records, proposals) = (some(), some(), some());
        self.add(
            "Exchange",
            &Exchange { sequence: 12, last, entries, records, proposals, entries_at_most: Some(4_096) },
        );
        let (entries, records, proposals) = (some(), some(), some());
        let shown = KitShown { pin: SpkiPin::from_bytes([0x1d; 32]), at: AT };
        self.add("KitShown", &shown);
        let kits_shown = vec![shown];
        self.add("Exchanged", &Exchanged { sequence: 13, last, entries, records, proposals, kits_shown });
        let invitation = InvitationId::from_bytes([0x11; 16]);
        self.add("AskToJoin", &AskToJoin { invitation, request: record_bytes() });
        self.add("AskAgain", &AskAgain { community: community() });
        self.add("BeginSpoken", &BeginSpoken { number: 999, commitment: [0x21; 32].into() });
        self.add("SpokenBegun", &SpokenBegun { community: community(), message: [0x22; 33].into() });
        self.add("ConfirmSpoken", &ConfirmSpoken { message: [0x23; 33].into(), confirmation: [0x24; 32].into() });
        self.add("SpokenConfirmed", &SpokenConfirmed { confirmation: [0x25; 32].into() });
        self.add("JoinSpoken", &JoinSpoken { request: record_bytes() });
        self.add("JoinAnswer 0 Waiting", &JoinAnswer::Waiting);
        self.add("JoinAnswer 1 Admitted", &JoinAnswer::Admitted { log: record_bytes(), records: some() });
        self.add("JoinAnswer 2 Refused", &JoinAnswer::Refused);
        let (member, signature) = (owner().id(), some_signature());
        self.add("ClaimOwner", &ClaimOwner { community: community(), member, signature });
        self.add("Claimed", &Claimed { log: record_bytes(), records: some() });
    }

    fn about_shards(&mut self) {
        self.add("OfferShard", &OfferShard { shard: shard(), len: 70_000, window_days: 90 });
        let receipt = receipt();
        let signed = receipt.sign(&host().device);
        self.add("ShardReceipt", &receipt);
        self.add("Signed", &signed);
        self.add("ShardOffer 0 Held", &ShardOffer::Held { receipt: signed });
        self.add("ShardOffer 1 Send", &ShardOffer::Send { from: 65_536 });
        self.add("ShardOffer 2 OverQuota", &ShardOffer::OverQuota { left: 1 << 33 });
        self.add("ShardOffer 3 NoRoom", &ShardOffer::NoRoom);
        let range = AuditRange { shard: shard(), start: 16_384, len: 16_384 };
        self.add("AuditRange", &range);
        self.add("Audit", &Audit { nonce: [0x31; 32].into(), ranges: vec![range], with_proofs: true });
        self.add("Audited 0 Digest", &Audited::Digest([0x32; 32].into()));
        self.add("Audited 1 Proofs", &Audited::Proofs(vec![record_bytes()]));
        self.add("Audited 2 NotFound", &Audited::NotFound(vec![shard()]));
        self.add("Audited 3 Corrupt", &Audited::Corrupt(vec![shard()]));
        self.add("Audited 4 Unavailable", &Audited::Unavailable);
        self.add("Audited 5 Overloaded", &Audited::Overloaded);
        let listed = ListedShard { shard: shard(), len: 70_000, received_at: AT, is_kept: true };
        self.add("ListShards", &ListShards { after: Some(shard()) });
        self.add("ListedShard", &listed);
        self.add("ShardPage", &ShardPage { shards: vec![listed] });
        self.add("Condemn", &Condemn { shards: vec![shard()], wish: Wish::DeleteWithinBrake });
        self.add("Condemned", &Condemned { noted: 5, taken: 7, frozen_until: Some(AT) });
    }

    fn about_books_and_heads(&mut self) {
        self.add("RenewLease", &RenewLease { list_hash: [0x41; 32].into() });
        self.add("LeaseAnswer 0 Same", &LeaseAnswer::Same);
        self.add("LeaseAnswer 1 Differs", &LeaseAnswer::Differs);
        self.add("AgreeStatement", &AgreeStatement { statement: record_bytes() });
        self.add("StatementAnswer", &StatementAnswer { statement: record_bytes() });
        self.add("LiftBrake", &LiftBrake { signature: some_signature() });
        self.add("BrakeLifted", &BrakeLifted { held: true });
        self.add("KeepHead", &KeepHead { head: record_bytes() });
        self.add("HeadKept", &HeadKept { sequence: 4 });
        self.add("ListHeads", &ListHeads { limit: 16, before: Some(4) });
        self.add("HeadPage", &HeadPage { heads: vec![record_bytes()] });
    }

    fn about_ways(&mut self) {
        self.add("Ping", &Ping { nonce: [0x61; 8].into() });
        self.add("Pong", &Pong { nonce: [0x61; 8].into() });
        self.add("DialBack", &DialBack { port: 20_600, padding: vec![0; 3].into() });
        let (address, found) = ("198.51.100.7".to_owned(), DialFound::Reached { millis: 300 });
        self.add("DialledBack", &DialledBack { address, found });
        self.add("DialFound 0 Silent", &DialFound::Silent);
        self.add("DialFound 1 Refused", &DialFound::Refused);
        self.add("DialFound 2 Prohibited", &DialFound::Prohibited);
        self.add("DialFound 3 NoTls", &DialFound::NoTls);
        self.add("DialFound 4 OtherKey", &DialFound::OtherKey);
        self.add("DialFound 5 NoAnswer", &DialFound::NoAnswer);
        self.add("DialFound 6 Reached", &found);
        self.add("OpenChannel 0 Lend", &OpenChannel::Lend);
        self.add("OpenChannel 1 Relay", &OpenChannel::Relay { to: owner().id() });
        self.add("OpenChannel 2 Relayed", &OpenChannel::Relayed);
        self.add("ChannelAnswer 0 Ready", &ChannelAnswer::Ready);
        self.add("ChannelAnswer 1 Closed", &ChannelAnswer::Closed(ChannelClosed::UsedUp));
    }

    fn signed_records(&mut self) {
        let word = Some(some_signature());
        self.add("Statement", &statement(community()));
        self.add("SignedStatement", &SignedStatement { body: vec![1, 2, 3], owner: word, host: word });
        self.add("AddressRecord", &address_record());
        self.add("Head", &head());
        self.add("JoinRequest", &join_request());
        let admission = owner().admission("north");
        self.add("Consent", &owner().consent(&admission, community()));
        self.add("Domains", &admission.domains);
        self.add("Admission", &admission);
        self.add("Entry", &entry(Change::SetWindow { days: 120 }));
        let signed = signed_entry();
        self.add("KeyedSignature", &signed.signatures[0]);
        self.add("SignedEntry", &signed);
    }

    fn changes(&mut self) {
        let (member, device) = (owner().id(), host().device.public_key());
        let admission = || Box::new(owner().admission("north"));
        let consent = Box::new(owner().consent(&admission(), community()));
        let (name, founder) = ("valley".parse().expect("name"), admission());
        self.add("Change 0 Found", &Change::Found { name, founder, removal_threshold: 2, window_days: 90 });
        self.add("Change 1 Admit", &Change::Admit { admission: admission(), consent });
        self.add("Change 2 Rename", &Change::Rename { member, name: "south".parse().expect("name") });
        self.add("Change 3 Appoint", &Change::Appoint { member });
        self.add("Change 4 Dismiss", &Change::Dismiss { member });
        self.add("Change 5 SetRemovalThreshold", &Change::SetRemovalThreshold { threshold: 3 });
        self.add("Change 6 Remove", &Change::Remove { member });
        self.add("Change 7 Leave", &Change::Leave { member });
        self.add("Change 8 Rebind", &Change::Rebind { member, device });
        self.add("Change 9 Confirm", &Change::Confirm { member });
        self.add("Change 10 SetWindow", &Change::SetWindow { days: 120 });
        self.add("Change 11 SetDomains", &Change::SetDomains { member, domains: admission().domains });
        self.add("Change 12 Vouch", &Change::Vouch { member });
    }
}
