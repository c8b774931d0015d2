//! Which checks there are, what they rest on, and what they can find.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use crate::operations::CheckState;

/// A check. Its word is its id everywhere: in texts, on the console, towards support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A cable is plugged in, and how fast it is.
    LanLink,
    /// The box has one IPv4 address in the network that leads outside (D1).
    LanAddress,
    /// Nobody else has that address.
    LanDuplicate,
    /// Not more than one DHCP server lends addresses.
    LanDhcp,
    /// The router keeps the address for the box, if it lends it.
    LanReserved,
    /// That address will not change by itself (D2).
    LanStable,
    /// The gateway of the network answers.
    WanGateway,
    /// Names are resolved, and truly.
    LanDns,
    /// The box is found in the network by its name.
    LanFound,
    /// Its own name leads to it.
    LanRebind,
    /// The line that the box goes out by does not move.
    WanUplink,
    /// There is a way out without a proxy.
    WanProxy,
    /// Nobody answers in the name of others: no log-in page.
    WanCaptive,
    /// Nobody opens encrypted connections on their way.
    WanTls,
    /// What must get out gets out.
    OutMatrix,
    /// The address that others see.
    WanPublic,
    /// The router's own address is the public one.
    WanShared,
    /// All ports of that address are this site's.
    WanPorts,
    /// The router lets connections in when it is asked to.
    InMap,
    /// Others reach the box from outside.
    InDialback,
    /// The box is found from inside by its outside address.
    InHairpin,
    /// IPv6 leads in and out.
    InV6,
    /// How large a packet may be.
    PathMtu,
    /// How much goes through.
    PathRate,
    /// The clock is right.
    Time,
    /// There is room for backups.
    Room,
    /// The power is protected.
    Power,
    /// The disks say that they are well.
    Disks,
    /// The box belongs to somebody.
    Admin,
    /// Somebody has the recovery kit.
    Kit,
    /// Mail arrives.
    Mail,
    /// A machine is backed up, and something was restored from it.
    FirstMachine,
    /// Where the box stands; people say so, as with those that follow (D16).
    SitePlace,
    /// Its power is protected (D17).
    SitePower,
    /// Somebody can work at the workstations (D18).
    SiteAccess,
    /// The line is a fixed one (D13).
    SiteLine,
    /// The line is this site's alone (D14).
    SiteShared,
    /// The contract gives an address of its own (D15).
    SiteOperator,
}

impl Check {
    /// All checks, each after those it rests on.
    pub const ALL: [Self; 38] = [
        Self::LanLink,
        Self::LanAddress,
        Self::LanDuplicate,
        Self::LanDhcp,
        Self::LanReserved,
        Self::LanStable,
        Self::WanGateway,
        Self::LanDns,
        Self::LanFound,
        Self::LanRebind,
        Self::WanUplink,
        Self::WanProxy,
        Self::WanCaptive,
        Self::WanTls,
        Self::OutMatrix,
        Self::WanPublic,
        Self::WanShared,
        Self::WanPorts,
        Self::InMap,
        Self::InDialback,
        Self::InHairpin,
        Self::InV6,
        Self::PathMtu,
        Self::PathRate,
        Self::Time,
        Self::Room,
        Self::Power,
        Self::Disks,
        Self::Admin,
        Self::Kit,
        Self::Mail,
        Self::FirstMachine,
        Self::SitePlace,
        Self::SitePower,
        Self::SiteAccess,
        Self::SiteLine,
        Self::SiteShared,
        Self::SiteOperator,
    ];

    /// Its id.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LanLink => "lan.link",
            Self::LanAddress => "lan.addr",
            Self::LanDuplicate => "lan.dup",
            Self::LanDhcp => "lan.dhcp2",
            Self::LanReserved => "lan.reserved",
            Self::LanStable => "lan.stable",
            Self::WanGateway => "wan.gateway",
            Self::LanDns => "lan.dns",
            Self::LanFound => "lan.mdns",
            Self::LanRebind => "lan.rebind",
            Self::WanUplink => "wan.uplink",
            Self::WanProxy => "wan.proxy",
            Self::WanCaptive => "wan.captive",
            Self::WanTls => "wan.tls",
            Self::OutMatrix => "out.matrix",
            Self::WanPublic => "wan.public",
            Self::WanShared => "wan.cgnat",
            Self::WanPorts => "wan.portset",
            Self::InMap => "in.map",
            Self::InDialback => "in.dialback",
            Self::InHairpin => "in.hairpin",
            Self::InV6 => "in.v6",
            Self::PathMtu => "path.mtu",
            Self::PathRate => "path.rate",
            Self::Time => "time.ntp",
            Self::Room => "hw.room",
            Self::Power => "hw.ups",
            Self::Disks => "hw.smart",
            Self::Admin => "acct.admin",
            Self::Kit => "key.kit",
            Self::Mail => "mail.test",
            Self::FirstMachine => "client.first",
            Self::SitePlace => "site.place",
            Self::SitePower => "site.power",
            Self::SiteAccess => "site.access",
            Self::SiteLine => "site.line",
            Self::SiteShared => "site.shared",
            Self::SiteOperator => "site.operator",
        }
    }

    /// What must not have failed for this check to say anything.
    #[must_use]
    pub const fn rests_on(self) -> &'static [Self] {
        match self {
            Self::LanLink | Self::Room | Self::Power | Self::Disks | Self::Admin | Self::Kit => &[],
            Self::SitePlace
            | Self::SitePower
            | Self::SiteAccess
            | Self::SiteLine
            | Self::SiteShared
            | Self::SiteOperator => &[],
            Self::LanAddress | Self::InV6 => &[Self::LanLink],
            Self::LanDuplicate | Self::LanDhcp | Self::LanReserved | Self::LanStable | Self::WanGateway => {
                &[Self::LanAddress]
            }
            Self::LanFound | Self::WanUplink | Self::FirstMachine => &[Self::LanAddress],
            Self::LanDns | Self::WanProxy => &[Self::WanGateway],
            Self::LanRebind => &[Self::LanDns],
            Self::WanCaptive => &[Self::WanProxy],
            Self::WanTls | Self::OutMatrix => &[Self::WanCaptive],
            Self::WanPublic | Self::PathRate => &[Self::WanTls],
            Self::WanShared | Self::WanPorts | Self::PathMtu => &[Self::WanPublic],
            Self::InMap | Self::InDialback => &[Self::WanShared],
            Self::InHairpin => &[Self::InDialback],
            Self::Time | Self::Mail => &[Self::LanDns],
        }
    }

    /// Whether it asks nobody but the box itself, and is made within an instant.
    #[must_use]
    pub const fn is_at_hand(self) -> bool {
        matches!(
            self,
            Self::Admin
                | Self::Kit
                | Self::Mail
                | Self::FirstMachine
                | Self::SitePlace
                | Self::SitePower
                | Self::SiteAccess
                | Self::SiteLine
                | Self::SiteShared
                | Self::SiteOperator
        )
    }

    /// Whether the box cannot be put into service while this fails.
    #[must_use]
    pub const fn blocks_activation(self) -> bool {
        match self {
            Self::LanLink
            | Self::LanAddress
            | Self::LanDuplicate
            | Self::LanDhcp
            | Self::LanReserved
            | Self::LanStable
            | Self::Time
            | Self::Room
            | Self::Disks
            | Self::Admin
            | Self::Kit
            | Self::SitePlace
            | Self::SitePower
            | Self::SiteAccess
            | Self::SiteLine
            | Self::SiteShared
            | Self::SiteOperator => true,
            // Machines of the same network reach the box without either, and without a battery.
            Self::WanGateway
            | Self::LanDns
            | Self::LanFound
            | Self::LanRebind
            | Self::WanUplink
            | Self::WanProxy
            | Self::WanCaptive
            | Self::WanTls
            | Self::OutMatrix
            | Self::WanPublic
            | Self::WanShared
            | Self::WanPorts
            | Self::InMap
            | Self::InDialback
            | Self::InHairpin
            | Self::InV6
            | Self::PathMtu
            | Self::PathRate
            | Self::Power
            // The workstations may come later.
            | Self::Mail
            | Self::FirstMachine => false,
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A word that is no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no check `{0}`; `datisd commission` without `--only` runs and names them all")]
pub struct NoSuchCheck(String);

impl FromStr for Check {
    type Err = NoSuchCheck;

    fn from_str(word: &str) -> Result<Self, NoSuchCheck> {
        Self::ALL.into_iter().find(|check| check.word() == word).ok_or_else(|| NoSuchCheck(word.to_owned()))
    }
}

/// One line a finding: its name, its word, and what it means.
macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal: $state:ident,)+) => {
        /// What a check can find.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Finding {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Finding {
            /// All findings, check by check.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its id, under which the texts are.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn state(self) -> CheckState {
                match self { $(Self::$name => CheckState::$state,)+ }
            }
        }
    };
}

findings! {
    /// A cable with 1 Gb/s or more, in both directions at once.
    LinkFast = "link-fast": Pass,
    /// A cable; the port does not tell how fast it is, as in virtual machines.
    LinkUnmeasured = "link-unmeasured": Pass,
    /// Less than 1 Gb/s, or one direction at a time.
    LinkSlow = "link-slow": Warn,
    /// No signal.
    LinkDown = "link-down": Fail,
    /// No network port at all.
    LinkNone = "link-none": Fail,

    /// One address.
    AddressOne = "address-one": Pass,
    /// Several addresses in the network that leads outside.
    AddressSeveral = "address-several": Warn,
    /// An address, and no way outside.
    AddressWithoutRoute = "address-without-route": Fail,
    /// An address that the box gave itself, since nobody gave it one (RFC 3927).
    AddressSelfAssigned = "address-self-assigned": Fail,
    /// No address.
    AddressNone = "address-none": Fail,

    /// Nobody else answers for it.
    AddressUnshared = "address-unshared": Pass,
    /// Somebody else answers for it.
    AddressShared = "address-shared": Fail,

    /// Nobody lends addresses.
    DhcpNone = "dhcp-none": Pass,
    /// One server does.
    DhcpOne = "dhcp-one": Pass,
    /// More than one does.
    DhcpSeveral = "dhcp-several": Fail,

    /// The router keeps the address for the box.
    ReservedForBox = "reserved-for-box": Pass,
    /// The address is not lent.
    ReservedNotNeeded = "reserved-not-needed": Pass,
    /// The address is lent, and the servers' answers prove nothing.
    ReservedUnproved = "reserved-unproved": Warn,
    /// The router would give the box another address.
    ReservedNot = "reserved-not": Warn,
    /// The same, and what it lends it takes back within a day.
    ReservedNotAndShort = "reserved-not-and-short": Fail,

    /// Set by hand: no lease, no end.
    StableStatic = "stable-static": Pass,
    /// Lent by a DHCP server; whether that keeps it for the box is another check's matter.
    StableLent = "stable-lent": Pass,
    /// The kernel knows of no end, and DHCP servers could not be asked.
    StableUnproved = "stable-unproved": Warn,
    /// Lent, and another one than a short time ago.
    StableMoved = "stable-moved": Fail,

    /// It answers.
    GatewayAnswers = "gateway-answers": Pass,
    /// The way out is a link to one other end.
    GatewayNotNeeded = "gateway-not-needed": Pass,
    /// It is there, and answers nothing.
    GatewayMute = "gateway-mute": Warn,
    /// Nobody has that address.
    GatewayGone = "gateway-gone": Fail,

    /// All resolvers answer, truly and soon.
    NamesResolve = "names-resolve": Pass,
    /// One takes its time.
    NamesSlow = "names-slow": Warn,
    /// One of several does not answer.
    NamesPartly = "names-partly": Warn,
    /// One gives addresses for names that do not exist, or wrong ones.
    NamesLie = "names-lie": Fail,
    /// All refuse to answer.
    NamesRefused = "names-refused": Fail,
    /// None answers.
    NamesSilent = "names-silent": Fail,
    /// No resolver is set.
    NamesNobody = "names-nobody": Fail,

    /// Announced, and found at its own address.
    MdnsFound = "mdns-found": Pass,
    /// Switched off.
    MdnsOff = "mdns-off": Pass,
    /// Somebody else has its name.
    MdnsTaken = "mdns-taken": Warn,
    /// Not found.
    MdnsSilent = "mdns-silent": Warn,
    /// There is no socket for it.
    MdnsDead = "mdns-dead": Fail,

    /// Every resolver gives its own address.
    RebindKept = "rebind-kept": Pass,
    /// Machines are told an address and no name.
    RebindNotNeeded = "rebind-not-needed": Pass,
    /// A resolver gives another address.
    RebindElsewhere = "rebind-elsewhere": Warn,
    /// A resolver gives none.
    RebindFiltered = "rebind-filtered": Fail,

    /// No mobile line, as far as the box can tell.
    UplinkFixed = "uplink-fixed": Pass,
    /// A mobile line.
    UplinkMobile = "uplink-mobile": Warn,

    /// Directly.
    ProxyNone = "proxy-none": Pass,
    /// Only through a proxy.
    ProxyOnly = "proxy-only": Fail,

    /// What was asked came back from the partner itself.
    CaptiveFree = "captive-free": Pass,
    /// Somebody else answered: a log-in page.
    CaptivePortal = "captive-portal": Fail,

    /// The partner's own key.
    TlsUntouched = "tls-untouched": Pass,
    /// Another key: somebody opens encrypted connections.
    TlsOpened = "tls-opened": Fail,
    /// The port is open, and no partner behind it.
    TlsForeign = "tls-foreign": Fail,

    /// Everything gets out.
    OutOpen = "out-open": Pass,
    /// What is needed gets out, and something else does not.
    OutPartly = "out-partly": Warn,
    /// What is needed does not get out.
    OutBlocked = "out-blocked": Fail,

    /// All partners see the same address.
    PublicOne = "public-one": Pass,
    /// They see different ones.
    PublicSeveral = "public-several": Warn,

    /// The router's address is the one that others see.
    CgnatNone = "cgnat-none": Pass,
    /// It is not, and others reach the box all the same.
    CgnatForwarded = "cgnat-forwarded": Pass,
    /// The router does not tell its address.
    CgnatUntold = "cgnat-untold": Warn,
    /// There is another router before it.
    CgnatSecond = "cgnat-second": Fail,
    /// The provider gives the router no public address.
    CgnatShared = "cgnat-shared": Fail,

    /// Ports all over the range.
    PortsAll = "ports-all": Pass,
    /// Some of the ports, and the box's is one of them.
    PortsFit = "ports-fit": Pass,
    /// Some of the ports, and the box's is none of them.
    PortsPart = "ports-part": Fail,

    /// The router lets the port in, and knows that it does.
    MapOpened = "map-opened": Pass,
    /// It says so, and then does not know of it.
    MapUnproved = "map-unproved": Warn,
    /// Nobody there to ask.
    MapNobody = "map-nobody": Warn,
    /// It refuses.
    MapRefused = "map-refused": Fail,

    /// Most partners found the box at its port.
    DialbackReached = "dialback-reached": Pass,
    /// Fewer than two of several did.
    DialbackPartly = "dialback-partly": Warn,
    /// The router refuses.
    DialbackRefused = "dialback-refused": Fail,
    /// Nothing answers, and nothing has come here.
    DialbackSilent = "dialback-silent": Fail,
    /// A connection has come here, and its answer did not get back.
    DialbackHalfway = "dialback-halfway": Fail,
    /// Somebody else answers.
    DialbackOther = "dialback-other": Fail,
    /// The network says that there is no way.
    DialbackProhibited = "dialback-prohibited": Fail,

    /// The outside address leads to the box from inside too.
    HairpinWorks = "hairpin-works": Pass,
    /// It does not, as with many routers.
    HairpinNone = "hairpin-none": Pass,

    /// Others reach the box over IPv6.
    V6In = "v6-in": Pass,
    /// It leads out only.
    V6Out = "v6-out": Warn,
    /// There is an address, and nobody is reached from it.
    V6Dead = "v6-dead": Warn,
    /// No IPv6.
    V6None = "v6-none": Warn,

    /// 1 400 bytes or more.
    MtuFull = "mtu-full": Pass,
    /// 1 280 bytes or more.
    MtuSmall = "mtu-small": Warn,
    /// Less.
    MtuTiny = "mtu-tiny": Fail,
    /// Larger packets vanish without a word.
    MtuHole = "mtu-hole": Fail,
    /// No datagram is answered.
    MtuUntold = "mtu-untold": Warn,

    /// 10 Mb/s upwards, or more.
    RateGood = "rate-good": Pass,
    /// 2 Mb/s or more.
    RateSlow = "rate-slow": Warn,
    /// Less.
    RatePoor = "rate-poor": Fail,

    /// No partner is named.
    PartnerNone = "partner-none": Warn,
    /// None of those that are named answers.
    PartnerSilent = "partner-silent": Warn,

    /// Off by less than half a second.
    ClockRight = "clock-right": Pass,
    /// Off by less than five seconds.
    ClockOff = "clock-off": Warn,
    /// Off by more.
    ClockWrong = "clock-wrong": Fail,
    /// No time server answers.
    ClockUnchecked = "clock-unchecked": Fail,

    /// Less than 70 % full.
    RoomEnough = "room-enough": Pass,
    /// Less than 90 % full.
    RoomShort = "room-short": Warn,
    /// Fuller than that.
    RoomNone = "room-none": Fail,

    /// A UPS, on line, that lasts for five minutes or more.
    PowerProtected = "power-protected": Pass,
    /// A UPS that does not last for five minutes.
    PowerShort = "power-short": Warn,
    /// A UPS on line whose battery is not charged yet.
    PowerCharging = "power-charging": Warn,
    /// No UPS that this computer knows of.
    PowerUnprotected = "power-unprotected": Warn,
    /// A UPS that does not tell how it is.
    PowerUnknown = "power-unknown": Warn,
    /// The power has failed, and the battery is being used up.
    PowerOnBattery = "power-on-battery": Fail,
    /// The battery is to be replaced.
    PowerBatteryWorn = "power-battery-worn": Fail,

    /// They say so.
    DisksGood = "disks-good": Pass,
    /// None of them tells, as in virtual machines.
    DisksMute = "disks-mute": Pass,
    /// There is no program to ask them with, or it may not.
    DisksUnasked = "disks-unasked": Warn,
    /// One has given up places, or has used up nearly all that it is made for.
    DisksWorn = "disks-worn": Warn,
    /// One says that it is failing.
    DisksFailing = "disks-failing": Fail,

    /// An admin with a second factor and recovery codes.
    AdminReady = "admin-ready": Pass,
    /// Hardly any recovery codes are left.
    AdminFewCodes = "admin-few-codes": Warn,
    /// A password alone.
    AdminOneFactor = "admin-one-factor": Warn,
    /// Nobody has come in yet.
    AdminNone = "admin-none": Warn,

    /// Somebody has typed parts of it within a quarter.
    KitProved = "kit-proved": Pass,
    /// That was longer ago.
    KitStale = "kit-stale": Warn,
    /// Somebody took it, and has not shown that they have it.
    KitTaken = "kit-taken": Warn,
    /// Nobody took it.
    KitNone = "kit-none": Warn,

    /// Somebody has typed the code of a mail.
    MailRead = "mail-read": Pass,
    /// The server has taken a mail; nobody has typed its code.
    MailSent = "mail-sent-only": Warn,
    /// It was set up, and not tried.
    MailUntried = "mail-untried": Warn,
    /// It was not set up.
    MailUnset = "mail-unset": Warn,
    /// The server refuses, or is not reached.
    MailRefused = "mail-refused": Fail,

    /// Backed up, and a file of it restored.
    MachineRestored = "machine-restored": Pass,
    /// Backed up.
    MachineSaved = "machine-saved": Warn,
    /// No machine has a backup.
    MachineNone = "machine-none": Warn,

    /// Nobody has answered yet.
    QuestionOpen = "question-open": Warn,
    /// Dry, out of the sun, free of dust, with both sockets.
    PlaceGood = "place-good": Pass,
    /// Something of that is lacking.
    PlaceLacking = "place-lacking": Warn,
    /// A UPS, or a protected socket.
    SupplyProtected = "supply-protected": Pass,
    /// None is known of, and a UPS answers all the same.
    SupplyFound = "supply-found": Pass,
    /// None.
    SupplyNone = "supply-none": Fail,
    /// All of them.
    AccessAll = "access-all": Pass,
    /// Some of them.
    AccessSome = "access-some": Warn,
    /// None of them.
    AccessNone = "access-none": Warn,
    /// Fibre or DSL.
    LineFixed = "line-fixed": Pass,
    /// A mobile line.
    LineMobile = "line-mobile": Warn,
    /// Nobody here knows.
    LineUnknown = "line-unknown": Warn,
    /// Nobody else uses it.
    LineOwn = "line-own": Pass,
    /// Others do, and somebody can be called who runs it.
    LineSharedContact = "line-shared-contact": Warn,
    /// Others do, and nobody knows who runs it.
    LineSharedAlone = "line-shared-alone": Fail,
    /// None of those that share addresses.
    OperatorFine = "operator-fine": Pass,
    /// One that does, with an address of its own.
    OperatorDedicated = "operator-dedicated": Pass,
    /// One that does.
    OperatorFree = "operator-free": Warn,

    /// The helper that may send frames cannot be started.
    ProbeMissing = "probe-missing": Warn,
    /// The system did not answer the box's question.
    Untold = "untold": Warn,
}

impl Finding {
    /// Whether it says only that people have not done yet what nobody else can do for them. That is no failure, but
    /// nobody signs for a box before it is done.
    #[must_use]
    pub const fn is_undone(self) -> bool {
        matches!(self, Self::AdminNone | Self::KitNone | Self::QuestionOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_comes_after_those_it_rests_on() {
        for (at, check) in Check::ALL.iter().enumerate() {
            for ground in check.rests_on() {
                assert!(Check::ALL[..at].contains(ground), "{check:?} comes before {ground:?}");
            }
        }
    }

    #[test]
    fn words_are_unique_and_come_back() {
        for check in Check::ALL {
            assert_eq!(check.word().parse(), Ok(check));
        }
        let error = "lan.lnk".parse::<Check>().expect_err("no check").to_string();
        assert!(error.contains("lan.lnk"), "{error}");
        for (at, finding) in Finding::ALL.iter().enumerate() {
            assert!(Finding::ALL[..at].iter().all(|other| other.word() != finding.word()), "{finding:?}");
            assert_ne!(finding.state(), CheckState::Skip, "skipping is no finding: {finding:?}");
        }
    }
}
