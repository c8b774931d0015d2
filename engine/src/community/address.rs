//! Where a member can be reached, signed by itself.
//!
//! Any member passes these records on; none can make one for another.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::dial::{AllowPrivate, Dial, NotDialled, check_ip};
use super::roster::{Member, Roster};
use super::signed::{Signed, decode_record};
use crate::format::{FormatError, VERSION, encode};
use crate::ids::{CommunityId, MemberId};
use crate::keys::{SigningContext, SigningKey};
use crate::units::{Seconds, UnixMillis};

/// The most addresses of one record.
pub const ADDRESSES_MAX: usize = 8;

/// The longest signed record, in bytes.
pub const RECORD_MAX: usize = 4 << 10;

/// How long a record counts unless it says otherwise (mutual-backup 4.11).
pub const TTL_DEFAULT: Seconds = Seconds::DAY;

/// The longest time that a record may ask for.
pub const TTL_MAX: Seconds = Seconds(7 * 86_400);

const RECORD: &str = "address record";

/// Host and port, as `192.0.2.1:20600`, `[2001:db8::1]:20600` or `box.example:20600`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: Host,
    port: u16,
}

/// The first part of an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: write HOST:PORT, with an IPv6 address in brackets")]
pub struct AddressError(pub String);

impl Address {
    /// An address of numbers.
    #[must_use]
    pub fn of(address: SocketAddr) -> Option<Self> {
        (address.port() != 0).then(|| Self { host: Host::Ip(address.ip()), port: address.port() })
    }

    /// Not 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it may be dialled, and how.
    ///
    /// # Errors
    /// [`NotDialled`].
    pub fn dial(&self, private: AllowPrivate) -> Result<Dial<'_>, NotDialled> {
        match &self.host {
            Host::Ip(ip) => check_ip(*ip, private).map(|()| Dial::Connect(SocketAddr::new(*ip, self.port))),
            Host::Name(name) if is_local_name(name) && private == AllowPrivate::No => {
                Err(NotDialled { address: self.to_string(), why: "a name of the local network" })
            }
            Host::Name(name) => Ok(Dial::Resolve { name, port: self.port }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(raw: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError(raw.chars().take(80).filter(|c| !c.is_control()).collect());
        let (host, port) = raw.rsplit_once(':').ok_or_else(refuse)?;
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
        let port: u16 = port.parse().ok().filter(|_| digits).ok_or_else(refuse)?;
        let host = if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Host::Ip(IpAddr::V6(inner.parse().map_err(|_| refuse())?))
        } else if let Ok(ip) = host.parse::<Ipv4Addr>() {
            Host::Ip(IpAddr::V4(ip))
        } else {
            let name = host.to_ascii_lowercase();
            if is_dns_name(&name) { Host::Name(name) } else { return Err(refuse()) }
        };
        Ok(Self { host, port })
    }
}

impl<C> Encode<C> for Address {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Address {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("not an address"))
    }
}

/// Letters, digits and inner dashes, and not a number at the end, which some resolvers take for an IPv4 address.
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Names that mean something else in each network.
fn is_local_name(name: &str) -> bool {
    const LOCAL: [&str; 8] = ["localhost", "local", "internal", "lan", "home", "corp", "localdomain", "intranet"];
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.') || LOCAL.contains(&last) || name.ends_with(".home.arpa")
}

/// Where one member can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AddressRecord {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// Of which community.
    #[n(1)]
    pub community: CommunityId,
    /// Who.
    #[n(2)]
    pub member: MemberId,
    /// At most [`ADDRESSES_MAX`], the best first; none means that it can only be reached backwards.
    #[n(3)]
    pub addresses: Vec<Address>,
    /// Larger in each later record.
    #[n(4)]
    pub sequence: u64,
    /// How long it counts after it was issued or, for another box, received.
    #[n(5)]
    pub ttl: Seconds,
    /// By the member's clock: information only.
    #[n(6)]
    pub issued_at: UnixMillis,
    /// What it gives to the others, in bytes of shards: how much of its own they keep follows from that
    /// ([`super::ledger::share_of`]). `None`: it does not say.
    #[n(7)]
    pub gives_bytes: Option<u64>,
}

/// Why an address record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another community.
    #[error("the address record is of another community")]
    Community,
    /// Nobody who is in.
    #[error("the address record is by {0}, who is not a member now")]
    Member(MemberId),
    /// By another key, or altered.
    #[error("the address record is not signed by the present box of {0}")]
    Signature(MemberId),
}

impl AddressRecord {
    /// A record as the member's box signs it; the version is set.
    #[must_use]
    pub fn sign(self, device: &SigningKey) -> Signed {
        Signed::new(encode(&Self { version: VERSION, ..self }), SigningContext::AddressRecord, device)
    }

    /// Reads a record, and checks that the present box of a member made it. To be asked again after a rebinding.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn verify(bytes: &[u8], roster: &Roster) -> Result<Self, RecordError> {
        let signed = Signed::decode(RECORD, bytes, RECORD_MAX)?;
        let record: Self = decode_record(RECORD, &signed.body)?;
        if record.addresses.len() > ADDRESSES_MAX || record.ttl.0 == 0 || record.ttl > TTL_MAX {
            return Err(FormatError::damaged(RECORD, "too many addresses, or no sound time to live").into());
        }
        if record.community != roster.community() {
            return Err(RecordError::Community);
        }
        let is_active = |member: &&Member| member.is_active();
        let member = roster.member(record.member).filter(is_active).ok_or(RecordError::Member(record.member))?;
        signed
            .verify(SigningContext::AddressRecord, &member.device)
            .map_err(|_| RecordError::Signature(record.member))?;
        Ok(record)
    }

    /// Whether it counts at `now`, having been received at `received_at` by the same clock.
    #[must_use]
    pub fn is_fresh(&self, received_at: UnixMillis, now: UnixMillis) -> bool {
        now < received_at.plus(self.ttl)
    }

    /// Whether it takes the place of `other`, which is of the same member. An equal sequence does not.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        self.member == other.member && self.sequence > other.sequence
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::entry::Change;
    use crate::community::testing::{community, key, say};

    fn record(community: CommunityId, member: MemberId) -> AddressRecord {
        let addresses = ["81.2.69.142:20600", "[2a00:1450::1]:443", "box.example.org:20600"];
        AddressRecord {
            version: VERSION,
            community,
            member,
            addresses: addresses.map(|a| a.parse().expect("address")).to_vec(),
            sequence: 7,
            ttl: TTL_DEFAULT,
            issued_at: UnixMillis(5),
            gives_bytes: Some(7 << 40),
        }
    }

    #[test]
    fn a_record_counts_only_from_the_present_box_of_its_member() {
        let (mut log, people) = community(3, 1);
        let mine = record(log.community(), people[1].id());
        let bytes = mine.clone().sign(&people[1].device).encode();
        assert_eq!(AddressRecord::verify(&bytes, log.roster()).expect("own record"), mine);
        let forged = mine.clone().sign(&people[2].device).encode();
        assert!(matches!(AddressRecord::verify(&forged, log.roster()), Err(RecordError::Signature(_))));
        let other = record(CommunityId::from_bytes([1; 32]), people[1].id()).sign(&people[1].device).encode();
        assert!(matches!(AddressRecord::verify(&other, log.roster()), Err(RecordError::Community)));
        let new = key(1, 77);
        let rebind = Change::Rebind { member: people[1].id(), device: new.public_key() };
        say(&mut log, rebind, &[&people[1].recovery, &new]).expect("rebinding");
        assert!(matches!(AddressRecord::verify(&bytes, log.roster()), Err(RecordError::Signature(_))));
        assert!(AddressRecord::verify(&mine.sign(&new).encode(), log.roster()).is_ok());
    }

    #[test]
    fn the_newest_sequence_wins_and_a_record_ages_by_the_clock_of_who_got_it() {
        let old = record(CommunityId::from_bytes([1; 32]), MemberId::from_bytes([2; 32]));
        let new = AddressRecord { sequence: 8, issued_at: UnixMillis(0), ..old.clone() };
        assert!(new.replaces(&old) && !old.replaces(&new) && !old.replaces(&old));
        let got = UnixMillis(1_000);
        assert!(old.is_fresh(got, got.plus(Seconds(86_399))) && !old.is_fresh(got, got.plus(Seconds::DAY)));
    }

    #[test]
    fn too_many_addresses_or_an_endless_time_are_refused() {
        let (log, people) = community(2, 1);
        let good = record(log.community(), people[1].id());
        let many = AddressRecord { addresses: vec![good.addresses[0].clone(); ADDRESSES_MAX + 1], ..good.clone() };
        let endless = AddressRecord { ttl: Seconds(u64::MAX), ..good.clone() };
        let dead = AddressRecord { ttl: Seconds(0), ..good };
        for bad in [many, endless, dead] {
            let bytes = bad.sign(&people[1].device).encode();
            assert!(matches!(AddressRecord::verify(&bytes, log.roster()), Err(RecordError::Format(_))));
        }
    }

    #[test]
    fn addresses_read_what_they_print_and_nothing_doubtful() {
        for good in ["81.2.69.142:1", "[2a00::1]:65535", "a.b-c.example:20600", "box:80"] {
            assert_eq!(good.parse::<Address>().expect(good).to_string(), good);
        }
        for bad in [
            "",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:01",
            "a b:1",
            "2a00::1:1",
            "[a]:1",
            "[1.2.3.4]:1",
            "1.2.3:1",
            "0x7f.1:1",
            "0x7f000001:1",
            "2130706433:1",
            "127.1:1",
            "a..b:1",
            "-a.b:1",
            "a.b-:1",
            "a.b.:1",
            "a@b:1",
            "a/b:1",
            "é.fr:1",
            "[fe80::1%eth0]:1",
            "a\n:1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_the_local_network_are_looked_up_only_where_it_may_be_dialled() {
        use AllowPrivate::{No, Yes};
        let name = |raw: &str, private| raw.parse::<Address>().expect(raw).dial(private).is_ok();
        assert!(name("box.example.org:1", No));
        for local in
            ["localhost:1", "a.localhost:1", "nas:1", "nas.local:1", "metadata.google.internal:1", "x.home.arpa:1"]
        {
            assert!(!name(local, No) && name(local, Yes), "{local}");
        }
    }

    proptest! {
        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,60}") {
            let (log, _) = community(1, 1);
            prop_assert!(AddressRecord::verify(&bytes, log.roster()).is_err());
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn an_altered_record_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let (log, people) = community(1, 1);
            let mut bytes = record(log.community(), people[0].id()).sign(&people[0].device).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(AddressRecord::verify(&bytes, log.roster()).is_err());
        }
    }
}
