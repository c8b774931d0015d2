//! Founding a community, inviting, and coming in: the proof of the invitation, the digits that people compare, and the entry
//! that an admin signs.

use datis_engine::community::address::Address;
use datis_engine::community::check::{Pairing, PairingKey};
use datis_engine::community::entry::{Admission, Change, Domains};
use datis_engine::community::invitation::{Invitation, JoinRequest, Joined};
use datis_engine::community::log::{Log, LogError};
use datis_engine::community::roster::Rights;
use datis_engine::ids::{CommunityName, InvitationId, MemberId, MemberName};
use datis_engine::keys::{PublicKey, SigningKey, VaultIdentity, recovery_key};
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{AskToJoin, JoinAnswer};
use minicbor::bytes::ByteVec;

use super::super::accounts::{Action, Actor, Right, record};
use super::super::site::lock;
use super::super::{OperationError, Site};
use super::CommunityError;
use crate::catalog::CatalogError;
use crate::catalog::community::{self, Joining, Request, RequestState};

/// Invitations, and likewise requests, that are open at a time.
const OPEN_MAX: u64 = 32;
/// How many days hosts refuse to delete in a new community (mutual-backup 4.7).
const WINDOW_DAYS: u16 = 90;

/// Somebody who waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// As it wants to be called.
    pub name: MemberName,
    /// What has to stand on its screen.
    pub digits: String,
    /// When it came.
    pub asked_at: UnixMillis,
    device: PublicKey,
    request: JoinRequest,
}

/// An invitation that nobody has used yet. Its line was shown once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenInvitation {
    /// As both sides call it on the wire.
    pub id: InvitationId,
    /// Until when it counts.
    pub expires: UnixMillis,
}

/// A request to join, ready to be sent on the connection that it is bound to.
#[derive(Debug)]
pub struct JoinTry<M> {
    /// To be sent.
    pub message: M,
    /// What to show, and to remember once it was sent.
    joining: Joining,
}

impl<M> JoinTry<M> {
    /// What has to stand on both screens.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.joining.digits
    }
}

/// Founds a community with this box as its first member and admin. `kit`: the identity of this box's recovery kit.
///
/// # Errors
/// [`CommunityError`].
pub fn found(
    site: &Site,
    by: &Actor,
    name: CommunityName,
    member: MemberName,
    kit: &VaultIdentity,
) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let _gate = lock(&site.joining);
    if site.community().is_some() {
        return Err(CommunityError::Already);
    }
    let recovery = recovery_of(site, kit)?;
    let admission = Admission {
        name: member,
        recovery: recovery.public_key(),
        device: site.vault.device_key.public_key(),
        domains: Domains::default(),
    };
    let me = admission.member();
    let label = name.to_string();
    let change = Change::Found { name, founder: Box::new(admission), removal_threshold: 1, window_days: WINDOW_DAYS };
    let mut first = Log::founding(site.clock.now(), change);
    first.sign(&site.vault.device_key);
    first.sign(&recovery);
    let log = Log::begin(first)?;
    site.take_log(me, log, |tx| record(tx, site, by, Action::CommunityFounded, &label, ""))
}

/// Invites one box: the line for its admin. `hints`: where this box can be reached.
///
/// # Errors
/// [`CommunityError`].
pub fn invite(site: &Site, by: &Actor, hints: Vec<Address>) -> Result<Invitation, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let known = site.in_community()?;
    if !known.roster().is_admin(known.me) {
        return Err(CommunityError::NotAdmin);
    }
    super::addresses::announce_first(site, &hints)?;
    let now = site.clock.now();
    let pin = site.vault.device_key.public_key().spki_pin();
    let invitation = Invitation::new(known.log.community(), pin, now, hints).map_err(OperationError::from)?;
    let written = site.catalog.writer().write(|tx| {
        if community::open_invitations(tx, now)? >= OPEN_MAX {
            return Ok(false);
        }
        community::add_invitation(tx, &invitation.id(), &invitation.expose(), invitation.expires)?;
        record(tx, site, by, Action::MemberInvited, "", "")?;
        Ok(true)
    });
    let written = written.map_err(|e: CatalogError| site.noted(e.into()))?;
    if written { Ok(invitation) } else { Err(CommunityError::TooMany(OPEN_MAX)) }
}

/// The invitations that can still be used, the first one to end first.
///
/// # Errors
/// [`CommunityError`].
pub fn invitations(site: &Site) -> Result<Vec<OpenInvitation>, CommunityError> {
    let now = site.clock.now();
    let open = site.catalog.reader().read(|tx| community::invitations(tx, now))?;
    Ok(open.into_iter().map(|(id, expires)| OpenInvitation { id, expires }).collect())
}

/// Takes an invitation back: whoever has its line is not let in with it any more.
///
/// # Errors
/// [`CommunityError::NoInvitation`] for one that is used up or over.
pub fn revoke(site: &Site, by: &Actor, id: &InvitationId) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let _gate = lock(&site.joining);
    if invitations(site)?.iter().all(|open| open.id != *id) {
        return Err(CommunityError::NoInvitation);
    }
    let now = site.clock.now();
    let written = site.catalog.writer().write(|tx| {
        community::drop_invitation(tx, id, now)?;
        record(tx, site, by, Action::InvitationRevoked, "", "")
    });
    Ok(written.map_err(|e: CatalogError| site.noted(e.into()))?)
}

/// What this box has asked for; `None`: nothing, or it is in.
///
/// # Errors
/// [`CommunityError`].
pub fn joining(site: &Site) -> Result<Option<Joining>, CommunityError> {
    Ok(site.catalog.reader().read(|tx| community::joining(tx))?)
}

/// Somebody with an invitation asks to be let in, on the connection of `pairing`. Blocks on nothing but the catalog.
///
/// # Errors
/// [`CommunityError`]; after a wrong proof the invitation is still there.
pub fn take_request(
    site: &Site,
    id: &InvitationId,
    request: &[u8],
    joiner: PublicKey,
    channel: [u8; 32],
) -> Result<(), CommunityError> {
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let line = site.catalog.reader().read(|tx| community::invitation(tx, id))?;
    let invitation: Invitation = line.and_then(|line| line.parse().ok()).ok_or(CommunityError::NoInvitation)?;
    let inviter = site.vault.device_key.public_key();
    let pairing = Pairing { community: known.log.community(), inviter, joiner, channel };
    let parsed = JoinRequest::decode(request)?;
    let joined = invitation.redeem(&parsed, &pairing, site.clock.now()).map_err(|refused| refused.1)?;
    note_request(site, Some(id), joiner, request, &joined)
}

/// Writes down that somebody whose proof was checked waits to be let in; the invitation `used` is gone with that. The caller holds
/// [`Site::joining`].
pub(super) fn note_request(
    site: &Site,
    used: Option<&InvitationId>,
    joiner: PublicKey,
    request: &[u8],
    joined: &Joined,
) -> Result<(), CommunityError> {
    let now = site.clock.now();
    let waiting = site.catalog.reader().read(|tx| community::requests(tx))?;
    let waiting = waiting.iter().filter(|one| one.state == RequestState::Waiting && one.device != joiner).count();
    if waiting as u64 >= OPEN_MAX {
        return Err(CommunityError::TooMany(OPEN_MAX));
    }
    let request = Request {
        device: joiner,
        request: request.to_vec(),
        digits: joined.key.check_digits().to_string(),
        asked_at: now,
        state: RequestState::Waiting,
    };
    let written = site.catalog.writer().write(|tx| {
        used.map_or(Ok(()), |id| community::drop_invitation(tx, id, now))?;
        community::add_request(tx, &request)
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// Who waits to be let in.
///
/// # Errors
/// [`CommunityError`].
pub fn applicants(site: &Site) -> Result<Vec<Applicant>, CommunityError> {
    let all = site.catalog.reader().read(|tx| community::requests(tx))?;
    let waiting = all.into_iter().filter(|one| one.state == RequestState::Waiting);
    waiting
        .map(|one| {
            let request = JoinRequest::decode(&one.request)?;
            let name = request.admission.name.clone();
            Ok(Applicant { name, digits: one.digits, asked_at: one.asked_at, device: one.device, request })
        })
        .collect()
}

/// Lets somebody in whose screen shows `digits`; blanks in them do not matter.
///
/// # Errors
/// [`CommunityError`].
pub fn admit(site: &Site, by: &Actor, name: &MemberName, digits: &str) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let mut named = applicants(site)?.into_iter().filter(|one| one.name == *name).peekable();
    if named.peek().is_none() {
        return Err(CommunityError::NoRequest);
    }
    let bare = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let wanted = named.find(|one| bare(&one.digits) == bare(digits)).ok_or(CommunityError::Digits)?;
    let change = Change::Admit {
        admission: Box::new(wanted.request.admission.clone()),
        consent: Box::new(wanted.request.consent.clone()),
    };
    let mut log = known.log.clone();
    let mut entry = log.draft(site.clock.now(), change);
    entry.sign(&site.vault.device_key);
    super::deciding::check_is_heard(site, &known, &entry)?;
    log.append(entry)?;
    site.take_log(known.me, log, |tx| {
        community::set_request_state(tx, &wanted.device, RequestState::Admitted)?;
        record(tx, site, by, Action::MemberAdmitted, name.as_str(), "")
    })
}

/// Sends somebody away. `digits`: which one, where several have the name.
///
/// # Errors
/// [`CommunityError`].
pub fn refuse(site: &Site, by: &Actor, name: &MemberName, digits: Option<&str>) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let is_meant = |one: &Applicant| one.name == *name && digits.is_none_or(|digits| one.digits == digits);
    let wanted = applicants(site)?.into_iter().find(is_meant).ok_or(CommunityError::NoRequest)?;
    let written = site.catalog.writer().write(|tx| {
        community::set_request_state(tx, &wanted.device, RequestState::Refused)?;
        record(tx, site, by, Action::MemberRefused, name.as_str(), "")
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// What somebody who has asked is told.
///
/// # Errors
/// [`CommunityError`].
pub fn join_answer(site: &Site, device: &PublicKey) -> Result<JoinAnswer, CommunityError> {
    // Not between the request that is admitted and the log that says so: whoever hears that it was refused gives up.
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let is_in = |member| known.rights_of(member, site.clock.now()) != Rights::None;
    if known.who(device).is_some_and(is_in) {
        return Ok(JoinAnswer::Admitted { log: known.log.encode().into(), records: super::addresses::known(site)? });
    }
    let all = site.catalog.reader().read(|tx| community::requests(tx))?;
    let state = all.iter().find(|one| one.device == *device).map(|one| one.state);
    Ok(match state {
        Some(RequestState::Waiting) => JoinAnswer::Waiting,
        Some(RequestState::Admitted | RequestState::Refused) | None => JoinAnswer::Refused,
    })
}

/// Makes a request to join with an invitation, for the connection with this `channel` to the box at `address` whose key is
/// `inviter`. `kit`: the identity of this box's recovery kit.
///
/// # Errors
/// [`CommunityError`].
pub fn try_to_join(
    site: &Site,
    by: &Actor,
    invitation: &Invitation,
    (address, inviter, channel): (&Address, PublicKey, [u8; 32]),
    member: MemberName,
    kit: &VaultIdentity,
) -> Result<JoinTry<AskToJoin>, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let joiner = site.vault.device_key.public_key();
    let pairing = Pairing { community: invitation.community, inviter, joiner, channel };
    let key = invitation.pairing_key(&pairing).ok_or(CommunityError::NoInvitation)?;
    let way = Way { address, pairing: &pairing, key: &key };
    let id = invitation.id();
    make_request(site, way, member, kit, |request| AskToJoin { invitation: id, request: request.into() })
}

/// How a request to join goes out.
pub(super) struct Way<'w> {
    /// Where the inviting box is.
    pub(super) address: &'w Address,
    /// Both boxes and their connection.
    pub(super) pairing: &'w Pairing,
    /// What they share.
    pub(super) key: &'w PairingKey,
}

/// Signs what the log shall say of this box, as the message that `wrap` makes of it.
pub(super) fn make_request<M>(
    site: &Site,
    way: Way<'_>,
    member: MemberName,
    kit: &VaultIdentity,
    wrap: impl FnOnce(Vec<u8>) -> M,
) -> Result<JoinTry<M>, CommunityError> {
    if site.community().is_some() {
        return Err(CommunityError::Already);
    }
    let (community, recovery) = (way.pairing.community, recovery_of(site, kit)?);
    let device = &site.vault.device_key;
    let admission = Admission {
        name: member,
        recovery: recovery.public_key(),
        device: device.public_key(),
        domains: Domains::default(),
    };
    let consent = admission.consent(community, device, &recovery);
    let joining = Joining {
        community,
        member: admission.member(),
        pin: way.pairing.inviter.spki_pin(),
        address: way.address.to_string(),
        digits: way.key.check_digits().to_string(),
        asked_at: site.clock.now(),
    };
    let request = JoinRequest::new(way.key, admission, consent);
    Ok(JoinTry { message: wrap(request.encode()), joining })
}

/// The request has arrived: the box asks from time to time what has become of it.
///
/// # Errors
/// [`CommunityError`].
pub fn asked_to_join<M>(site: &Site, by: &Actor, sent: &JoinTry<M>) -> Result<(), CommunityError> {
    let written = site.catalog.writer().write(|tx| {
        community::set_joining(tx, Some(&sent.joining))?;
        record(tx, site, by, Action::CommunityAsked, &sent.joining.address, "")
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// Somebody here does not want in any more.
///
/// # Errors
/// [`CommunityError`].
pub fn stop_asking(site: &Site, by: &Actor) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    not_asked(site)
}

/// The request was refused at once: the box asks no more.
///
/// # Errors
/// [`CommunityError`].
pub fn not_asked(site: &Site) -> Result<(), CommunityError> {
    let written = site.catalog.writer().write(|tx| community::set_joining(tx, None));
    Ok(written.map_err(|e: CatalogError| site.noted(e.into()))?)
}

/// What came of the request: the log is checked, and the box is a member. `false`: somebody has refused, and it asks no more.
///
/// # Errors
/// [`CommunityError`]; the box is no member then.
pub fn joined(site: &Site, asked: &Joining, answer: &JoinAnswer) -> Result<bool, CommunityError> {
    let _gate = lock(&site.joining);
    match answer {
        JoinAnswer::Waiting => Ok(true),
        JoinAnswer::Refused => {
            let written = site.catalog.writer().write(|tx| community::set_joining(tx, None));
            written.map_err(|e: CatalogError| site.noted(e.into()))?;
            Ok(false)
        }
        JoinAnswer::Admitted { log, records } => {
            if site.community().is_some() {
                return Err(CommunityError::Already);
            }
            let log = Log::decode(log, asked.community)?;
            let device = site.vault.device_key.public_key();
            let is_me = log.roster().member(asked.member).is_some_and(|member| member.device == device);
            if !is_me {
                return Err(LogError::Format(datis_engine::format::FormatError::damaged(
                    "log",
                    "it does not name this box",
                ))
                .into());
            }
            let name = log.roster().name().to_string();
            site.take_log(asked.member, log, |tx| {
                record(tx, site, &Actor::the_box(), Action::CommunityJoined, &name, "")
            })?;
            super::addresses::take(site, records)?;
            Ok(true)
        }
    }
}

/// Confirms a member that is back on a new box, so that it is trusted as before: this box's admin for another member, or the member
/// itself with its kit a day after it came back: the others would not take that earlier, and their logs would part from this one.
///
/// # Errors
/// [`CommunityError::TooEarly`].
pub fn confirm(site: &Site, by: &Actor, name: &MemberName, kit: Option<&VaultIdentity>) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let recovery = kit.map(|kit| recovery_of(site, kit)).transpose()?;
    let known = site.in_community()?;
    let member = known.roster().active().find(|member| member.name == *name);
    let from = member.filter(|_| recovery.is_some()).and_then(|member| known.confirms_itself_from(member.id));
    if let Some(until) = from.filter(|from| site.clock.now() < *from) {
        return Err(CommunityError::TooEarly { until });
    }
    sign_about(site, name, Action::MemberConfirmed, by, |member| Change::Confirm { member }, recovery.as_ref())
}

/// Writes a change about the member of this name into the log, signed by this box, or by `recovery` in its place.
fn sign_about(
    site: &Site,
    name: &MemberName,
    action: Action,
    by: &Actor,
    change: impl FnOnce(MemberId) -> Change,
    recovery: Option<&SigningKey>,
) -> Result<(), CommunityError> {
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let member = known.roster().active().find(|member| member.name == *name).ok_or(CommunityError::NoMember)?;
    let mut log = known.log.clone();
    let mut entry = log.draft(site.clock.now(), change(member.id));
    entry.sign(recovery.unwrap_or(&site.vault.device_key));
    super::deciding::check_is_heard(site, &known, &entry)?;
    log.append(entry)?;
    site.take_log(known.me, log, |tx| record(tx, site, by, action, name.as_str(), ""))
}

/// This box takes the place of a lost one of `member`: it knows `log`, and has signed the last entry of it with the recovery key and
/// its own. In a catalog that was just made out of packs. `records`: where the others said that they are.
///
/// # Errors
/// [`CommunityError`].
pub fn come_back(site: &Site, log: Log, member: MemberId, records: &[ByteVec]) -> Result<(), CommunityError> {
    let _gate = lock(&site.joining);
    if site.community().is_some() {
        return Err(CommunityError::Already);
    }
    let name = log.roster().name().to_string();
    site.take_log(member, log, |tx| record(tx, site, &Actor::the_box(), Action::CommunityJoined, &name, ""))?;
    super::addresses::take(site, records)
}

/// The recovery key, if the kit is one of this vault.
pub(super) fn recovery_of(site: &Site, kit: &VaultIdentity) -> Result<SigningKey, CommunityError> {
    let own = kit.recipient() == site.vault.identity.recipient();
    let is_kit = !own && site.vault.recipients.to_strings().contains(&kit.recipient());
    if is_kit { Ok(recovery_key(kit)) } else { Err(CommunityError::OtherKit) }
}
