//! Communities for tests: keys from numbers, and entries signed in one line.

use super::entry::{Admission, Change, Domains, SignedEntry};
use super::log::{Log, LogError};
use crate::ids::{MemberId, SpkiPin};
use crate::keys::SigningKey;
use crate::units::UnixMillis;

/// A member with all its keys.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) device: SigningKey,
    pub(super) recovery: SigningKey,
}

impl Person {
    pub(super) fn new(number: u8) -> Self {
        let name = format!("box-{number}");
        Self { name, device: key(number, 1), recovery: key(number, 2) }
    }

    pub(super) fn id(&self) -> MemberId {
        self.recovery.public_key().member_id()
    }

    pub(super) fn pin(&self) -> SpkiPin {
        self.device.public_key().spki_pin()
    }

    pub(super) fn admission(&self) -> Admission {
        Admission {
            name: self.name.parse().expect("name"),
            recovery: self.recovery.public_key(),
            device: self.device.public_key(),
            domains: Domains { site: Some("Gare".parse().expect("label")), ..Domains::default() },
        }
    }

    pub(super) fn admit(&self, log: &Log) -> Change {
        let admission = self.admission();
        let consent = admission.consent(log.community(), &self.device, &self.recovery);
        Change::Admit { admission: Box::new(admission), consent: Box::new(consent) }
    }
}

/// Key `which` of somebody.
pub(super) fn key(number: u8, which: u8) -> SigningKey {
    let mut seed = [which; 32];
    seed[0] = number;
    SigningKey::from_seed(&seed)
}

pub(super) fn founding(founder: &Person, threshold: u8) -> SignedEntry {
    let change = Change::Found {
        name: "Quartier".parse().expect("name"),
        founder: Box::new(founder.admission()),
        removal_threshold: threshold,
        window_days: 30,
    };
    signed(Log::founding(UnixMillis(1), change), &[&founder.device, &founder.recovery])
}

pub(super) fn signed(mut entry: SignedEntry, keys: &[&SigningKey]) -> SignedEntry {
    keys.iter().for_each(|key| entry.sign(key));
    entry
}

pub(super) fn say(log: &mut Log, change: Change, keys: &[&SigningKey]) -> Result<(), LogError> {
    log.append(signed(log.draft(UnixMillis(2), change), keys))
}

/// A community of `count` members of which the first `admins` are admins; removals need two.
pub(super) fn community(count: u8, admins: u8) -> (Log, Vec<Person>) {
    let people: Vec<Person> = (0..count).map(Person::new).collect();
    let mut log = Log::begin(founding(&people[0], 2)).expect("founding");
    for person in &people[1..] {
        let change = person.admit(&log);
        say(&mut log, change, &[&people[0].device]).expect("admission");
    }
    for index in 1..usize::from(admins) {
        let keys: Vec<&SigningKey> = people[..index.min(2)].iter().map(|person| &person.device).collect();
        say(&mut log, Change::Appoint { member: people[index].id() }, &keys).expect("appointment");
    }
    (log, people)
}
