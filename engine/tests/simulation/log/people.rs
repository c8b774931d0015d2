//! Who takes part: members with their keys, and the communities that runs begin with.

use std::sync::OnceLock;

use datis_engine::community::entry::{Admission, Change, Domains, SignedEntry};
use datis_engine::community::log::Log;
use datis_engine::community::proposals::majority;
use datis_engine::ids::{MemberId, MemberName};
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;

/// The most boxes that a run begins with.
pub(super) const MEMBERS_MAX: usize = 8;
pub(super) const ADMINS_MAX: usize = 5;
/// These come in later: as others let them in.
const PEOPLE: usize = 24;
/// The boxes that one member may have one after another in a run, and those of a thief among them.
pub(super) const DEVICES: usize = 10;

/// Somebody with the kit, and all boxes that were ever made with it.
pub(super) struct Person {
    pub(super) recovery: SigningKey,
    pub(super) devices: Vec<SigningKey>,
    pub(super) id: MemberId,
}

pub(super) fn person(number: usize) -> &'static Person {
    static ALL: OnceLock<Vec<Person>> = OnceLock::new();
    &ALL.get_or_init(|| (0..PEOPLE).map(Person::new).collect())[number]
}

/// Whose key nobody has ever heard of.
pub(super) fn stranger() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| key(250, 250))
}

impl Person {
    fn new(number: usize) -> Self {
        let number = u8::try_from(number).expect("few people");
        let devices = (1..=DEVICES).map(|which| key(number, u8::try_from(which).expect("few"))).collect();
        let recovery = key(number, 0);
        let id = recovery.public_key().member_id();
        Self { recovery, devices, id }
    }

    fn admission(&self, number: usize) -> Admission {
        Admission {
            name: name(format!("box-{number}")),
            recovery: self.recovery.public_key(),
            device: self.devices[0].public_key(),
            domains: Domains::default(),
        }
    }
}

/// That somebody is let in, as it wishes.
pub(super) fn admit(number: usize, log: &Log) -> Change {
    let one = person(number);
    let admission = one.admission(number);
    let consent = admission.consent(log.community(), &one.devices[0], &one.recovery);
    Change::Admit { admission: Box::new(admission), consent: Box::new(consent) }
}

pub(super) fn name(text: String) -> MemberName {
    text.parse().expect("a name")
}

pub(super) fn signed(mut entry: SignedEntry, keys: &[&SigningKey]) -> SignedEntry {
    keys.iter().for_each(|key| entry.sign(key));
    entry
}

/// A community of so many members, the first ones of which are admins; as many have to agree as boxes set it by themselves.
pub(super) fn community(members: usize, admins: usize) -> &'static Log {
    static ALL: [[OnceLock<Log>; ADMINS_MAX + 1]; MEMBERS_MAX + 1] =
        [const { [const { OnceLock::new() }; ADMINS_MAX + 1] }; MEMBERS_MAX + 1];
    ALL[members][admins].get_or_init(|| {
        let founder = person(0);
        let founding = Change::Found {
            name: "Quartier".parse().expect("a name"),
            founder: Box::new(founder.admission(0)),
            removal_threshold: 1,
            window_days: 30,
        };
        let first = signed(Log::founding(UnixMillis(1), founding), &[&founder.devices[0], &founder.recovery]);
        let mut log = Log::begin(first).expect("a founding");
        for number in 1..members {
            let change = admit(number, &log);
            say(&mut log, change, 1);
        }
        for number in 1..admins {
            let needed = usize::from(log.roster().removal_threshold());
            say(&mut log, Change::Appoint { member: person(number).id }, needed);
            let threshold = majority(log.roster());
            if threshold > log.roster().removal_threshold() {
                say(&mut log, Change::SetRemovalThreshold { threshold }, needed);
            }
        }
        log
    })
}

fn say(log: &mut Log, change: Change, signers: usize) {
    let keys: Vec<&SigningKey> = (0..signers).map(|number| &person(number).devices[0]).collect();
    log.append(signed(log.draft(UnixMillis(2), change), &keys)).expect("it may be said");
}

fn key(number: u8, which: u8) -> SigningKey {
    let mut seed = [which; 32];
    seed[0] = number;
    SigningKey::from_seed(&seed)
}
