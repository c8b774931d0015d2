//! The other boxes: who belongs together, how each does, who wants to come in, what this one keeps for the others, and how much
//! of its own is outside.

mod coming_in;
mod drilling;
mod ledger;
mod member;
mod problem;

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::ids::MemberName;
use datis_engine::life::reach::Reach;
use datis_engine::life::ways::Way;
use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;

pub(in crate::portal) use coming_in::{admit, ask_no_more, found, invite, invite_aloud, join, refuse, revoke};
pub(in crate::portal) use drilling::{Drilling, drill};
pub(in crate::portal) use member::{
    agree, appoint, confirm, describe, dismiss, forget, leave, remove, show as show_member,
};

use ledger::LedgerView;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::{Date, When};
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::community::{
    self, CommunityError, MemberState, MemberView, Overview, Parted, Proposal, Proposed, overview,
};
use crate::operations::dispersal::{DispersalStatus, dispersal_status};
use crate::operations::{can_be_recovered, drill_status};
use crate::reports::drill_sentence;
use crate::vault::VaultError;

#[derive(Template)]
#[template(path = "peers.html")]
struct PeersPage<'p> {
    frame: Frame<'p>,
    community: Option<Shown>,
    /// What this box has asked for.
    joining: Option<Waiting>,
    /// Whether the visitor may change anything.
    may_manage: bool,
    /// Whether the recovery kit has to be typed.
    needs_kit: bool,
    typed: Typed,
    problem: Option<String>,
}

/// What was typed into the forms of a box that is in no community, to be typed no second time.
#[derive(Default)]
struct Typed {
    name: String,
    member: String,
    invitation: String,
    address: String,
}

struct Shown {
    name: String,
    /// Whether this box may let others in.
    is_admin: bool,
    members: Vec<Row>,
    applicants: Vec<Waiting>,
    proposals: Vec<ProposalRow>,
    /// Members whose log is another one, a sentence each.
    partings: Vec<String>,
    /// What it means that no other box takes this one for a member.
    refused: Option<String>,
    /// Who has seen the kit of this box in strange hands, and what that means.
    kit_used: Option<String>,
    invitations: Vec<Open>,
    /// How packs are coded, as `6+4`.
    scheme: Option<String>,
    fragments: String,
    /// What is being checked, as a sentence.
    unchecked: Option<String>,
    /// When the oldest change came that is not outside.
    oldest: Option<When>,
    ledger: Option<LedgerView>,
    drill: Option<Drilled>,
    machines: Vec<Outside>,
}

/// How recovery was tried last.
struct Drilled {
    sentence: String,
    /// Why it was in vain.
    why: String,
    /// Since when it is being tried now.
    running: Option<When>,
    may_try: bool,
    /// Whether the box cannot do it by itself, since the kit's key is not on it.
    needs_kit: bool,
}

struct Row {
    path: String,
    name: String,
    is_here: bool,
    site: Option<String>,
    role: String,
    /// Style class.
    class: &'static str,
    state: String,
    kept_here: String,
    kept_there: u64,
    heard: Option<When>,
    /// How this box reaches it; of this box whether others do.
    way: String,
}

/// Somebody who waits, here or at another box.
struct Waiting {
    /// As it calls itself; of this box: where it has asked.
    name: String,
    digits: String,
    since: When,
}

/// What waits for more admins.
struct ProposalRow {
    /// Where this box agrees; `None`: it has, or is not asked.
    path: Option<String>,
    what: String,
    agreed: String,
    since: When,
}

struct Open {
    path: String,
    until: Date,
}

struct Outside {
    machine: String,
    packs: String,
    safe: Option<When>,
    full: Option<When>,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(peers_page(visit, Typed::default(), None)?))).await
}

fn peers_page(visit: &Visit, typed: Typed, problem: Option<String>) -> Result<String, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let may_manage = visit.actor()?.has(Right::ManageCommunity);
    let community = match overview(visit.site())? {
        Some(known) => Some(shown(visit, &known, &dispersal_status(visit.site())?, may_manage)?),
        None => None,
    };
    let joining = community::joining(visit.site()).map_err(broken)?.map(|asked| Waiting {
        name: asked.address,
        digits: asked.digits,
        since: When::new(asked.asked_at, now, locale),
    });
    let own_name = || visit.site().vault.box_name.clone();
    let typed = Typed { member: Some(typed.member).filter(|name| !name.is_empty()).unwrap_or_else(own_name), ..typed };
    let frame = Frame::new(visit, &locale.word("nav-peers"));
    let needs_kit = needs_kit(visit)?;
    let page = PeersPage { frame, community, joining, may_manage, needs_kit, typed, problem };
    Ok(page.render()?)
}

/// Whether the recovery kit was taken off the box, so that it has to be typed.
fn needs_kit(visit: &Visit) -> Result<bool, PageError> {
    match visit.site().vault.recovery_kit(&visit.portal.dir) {
        Ok(_) => Ok(false),
        Err(VaultError::KitGone { .. }) => Ok(true),
        Err(error) => Err(PageError::Other(error.to_string())),
    }
}

/// A failure of the box itself.
fn broken(error: CommunityError) -> PageError {
    match error {
        CommunityError::Operation(error) => error.into(),
        other => PageError::Other(other.to_string()),
    }
}

fn shown(visit: &Visit, known: &Overview, outside: &DispersalStatus, may_manage: bool) -> Result<Shown, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let when = |at: Option<i64>| at.map(|at| When::new(UnixMillis(at), now, locale));
    // Digits and invitations are for those who may do something about them.
    let (applicants, invitations) = if may_manage {
        let waiting = community::applicants(visit.site()).map_err(broken)?;
        (waiting, community::invitations(visit.site()).map_err(broken)?)
    } else {
        (Vec::new(), Vec::new())
    };
    Ok(Shown {
        name: known.name.clone(),
        is_admin: known.is_admin,
        partings: community::partings(visit.site()).iter().map(|one| parting_text(one, locale)).collect(),
        refused: refused_text(&visit.portal.ways.peers.refusing(), locale),
        kit_used: community::kit_use(visit.site())?.map(|used| locale.naming("peer-kit-used-text", &used.witnesses())),
        members: known.members.iter().map(|member| row(visit, member, now)).collect(),
        applicants: applicants
            .into_iter()
            .map(|one| Waiting {
                name: one.name.to_string(),
                digits: one.digits,
                since: When::new(one.asked_at, now, locale),
            })
            .collect(),
        proposals: community::proposals(visit.site())
            .map_err(broken)?
            .into_iter()
            .map(|proposal| proposal_row(&proposal, now, locale))
            .collect(),
        invitations: invitations
            .into_iter()
            .map(|open| Open { path: format!("/peers/invitations/{}/revoke", open.id), until: Date::new(open.expires) })
            .collect(),
        scheme: outside.scheme.clone(),
        fragments: format!("{} / {}", outside.fragments_in_place, outside.fragments_needed),
        unchecked: (outside.fragments_unchecked > 0)
            .then(|| locale.count("external-checked-text", outside.fragments_unchecked)),
        oldest: when(outside.oldest_missing),
        ledger: community::ledger(visit.site())?.map(|ledger| LedgerView::of(&ledger, locale)),
        drill: drilled(visit, outside)?,
        machines: outside
            .machines
            .iter()
            .map(|machine| Outside {
                machine: machine.machine.clone(),
                packs: format!("{} / {}", machine.packs_in_place, machine.packs_needed),
                safe: when(machine.last_safe),
                full: when(machine.last_full),
            })
            .collect(),
    })
}

fn drilled(visit: &Visit, outside: &DispersalStatus) -> Result<Option<Drilled>, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let may_try = visit.actor()?.has(Right::ChangeBox) && can_be_recovered(visit.site(), outside);
    let needs_kit = needs_kit(visit)?;
    let drill = drill_status(visit.site())?;
    Ok(drill.map(|drill| Drilled {
        sentence: drill_sentence(&drill, now.0, locale),
        running: visit.portal.drilling.since().map(|since| When::new(since, now, locale)),
        why: drill.why,
        may_try,
        needs_kit,
    }))
}

fn proposal_row(proposal: &Proposal, now: UnixMillis, locale: &Locale) -> ProposalRow {
    let (key, what) = match &proposal.what {
        Proposed::Remove(name) => ("peer-proposed-remove", name.to_string()),
        Proposed::Appoint(name) => ("peer-proposed-appoint", name.to_string()),
        Proposed::Dismiss(name) => ("peer-proposed-dismiss", name.to_string()),
        Proposed::Threshold(many) => ("peer-proposed-threshold", many.to_string()),
        Proposed::Window(days) => ("peer-proposed-window", days.to_string()),
    };
    let mut args = FluentArgs::new();
    args.set("agreed", proposal.agreed.len() as u64);
    args.set("needed", proposal.needed as u64);
    let names: Vec<&str> = proposal.agreed.iter().map(MemberName::as_str).collect();
    args.set("names", names.join(", "));
    ProposalRow {
        path: proposal.waits_for_this_box.then(|| format!("/peers/proposals/{}/agree", proposal.hash)),
        what: locale.naming(key, &what),
        agreed: locale.say("peer-agreed", &args),
        since: When::new(proposal.at, now, locale),
    }
}

fn parting_text(parted: &Parted, locale: &Locale) -> String {
    let mut args = FluentArgs::new();
    args.set("name", parted.name.to_string());
    args.set("since", Date::new(parted.since).shown);
    args.set("ours", parted.ours.len() as u64);
    args.set("theirs", parted.theirs.len() as u64);
    locale.say("peer-parted-text", &args)
}

fn refused_text(by: &[MemberName], locale: &Locale) -> Option<String> {
    let names: Vec<&str> = by.iter().map(MemberName::as_str).collect();
    (!names.is_empty()).then(|| locale.naming("peer-refused-by-text", &names.join(", ")))
}

fn row(visit: &Visit, member: &MemberView, now: UnixMillis) -> Row {
    let locale = visit.locale();
    let class = match member.state {
        MemberState::Here | MemberState::Ok => "current",
        MemberState::Away | MemberState::Leaving | MemberState::Left | MemberState::Rebound => "late",
        MemberState::Absent | MemberState::Suspect | MemberState::Gone => "damaged",
    };
    Row {
        path: format!("/peers/members/{}", member.id),
        name: member.name.clone(),
        is_here: member.is_here,
        site: member.site.clone(),
        role: locale.word(if member.is_admin { "peer-admin" } else { "peer-member" }),
        class,
        state: locale.word(&format!("peer-{}", member.state.word())),
        kept_here: locale.bytes(member.kept_here.1),
        kept_there: member.kept_there.0,
        heard: member.heard_at.map(|at| When::new(at, now, locale)),
        way: if member.is_here { reach_of(visit) } else { way_of(visit, member) },
    }
}

/// Whether others reach this box, as far as it is known.
fn reach_of(visit: &Visit) -> String {
    match visit.portal.ways.peers.standing().reach {
        Reach::NotKnown => String::new(),
        Reach::Reachable => visit.locale().word("peer-reached"),
        Reach::NotReachable => visit.locale().word("peer-not-reached"),
    }
}

/// How this box has reached a member last, in words.
fn way_of(visit: &Visit, member: &MemberView) -> String {
    let locale = visit.locale();
    let Some(reached) = visit.portal.ways.peers.reached(member.id) else { return locale.word("peer-way-none") };
    match reached.way {
        Way::Direct => locale.word("peer-way-direct"),
        Way::Reverse => locale.word("peer-way-reverse"),
        Way::Relay => {
            let known = visit.site().community();
            let via = reached.via.and_then(|via| Some(known.as_ref()?.roster().member(via)?.name.to_string()));
            via.map_or_else(|| locale.word("peer-way-relay"), |name| locale.naming("peer-way-relay-by", &name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;

    #[test]
    fn a_box_that_others_refuse_says_who_does_and_what_to_do() {
        let names = ["bakery", "mill"].map(|name| name.parse().expect("a name"));
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            assert_eq!(refused_text(&[], &locale), None);
            let said = refused_text(&names, &locale).expect("it is said");
            assert!(said.contains("bakery, mill"), "{said}");
        }
        let english = Locale::open(Language::English).expect("locale");
        let said = refused_text(&names, &english).expect("it is said");
        assert!(said.contains("another box was brought back in its place") && said.contains("call an admin"), "{said}");
    }
}
