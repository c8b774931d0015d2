//! The community of boxes, on the console.

use std::collections::BTreeMap;

use datis_engine::community::entry::{Change, Domains};
use datis_engine::community::roster::{Roster, Standing};
use datis_engine::ids::{CommunityName, DomainLabel, MemberId, MemberName};
use datis_engine::keys::VaultIdentity;
use datis_engine::life::ways::Way;
use datis_engine::units::UnixMillis;
use serde_json::json;

use super::command::{Answer, CommunityCommand, Failed, FailedKind, Outcome};
use super::execute::Desk;
use super::show::{self, with_causes};
use super::{ledger, reach};
use crate::operations::accounts::Actor;
use crate::operations::community::{self, CommunityError, Decided, KitUse, Parted, Proposed};
use crate::operations::hosting::{self, OwnerReport};
use crate::peers::{Lifted, Peers, PeersError, Reached};

impl From<CommunityError> for Failed {
    fn from(error: CommunityError) -> Self {
        match error {
            CommunityError::Operation(error) => error.into(),
            refused => Self { sentence: with_causes(&refused), kind: FailedKind::Failed },
        }
    }
}

impl From<PeersError> for Failed {
    fn from(error: PeersError) -> Self {
        match error {
            PeersError::Community(error) => error.into(),
            refused => Self { sentence: with_causes(&refused), kind: FailedKind::Failed },
        }
    }
}

pub(super) fn execute(desk: &Desk, what: &CommunityCommand) -> Result<Answer, Failed> {
    let (site, by) = (&*desk.site, Actor::console());
    if let (true, Some(peers)) = (signs(what), &desk.peers) {
        peers.hear()?;
    }
    match what {
        CommunityCommand::Found { name, member, kit } => {
            let member = own_name(desk, member.clone())?;
            community::found(site, &by, name.clone(), member, &kit_of(desk, kit.as_deref())?)?;
            Ok(said(
                format!("The community `{name}` is founded; this box is its admin."),
                json!({ "founded": name.as_str() }),
            ))
        }
        CommunityCommand::Invite { aloud: true } => {
            let peers = running(desk)?;
            let made = community::invite_aloud(site, &by, &peers.places())?;
            let places: Vec<String> = peers.places().iter().map(ToString::to_string).collect();
            let text = format!(
                "Read this to the admin of the other box within a quarter of an hour:\n  code     {}\n  address  {}",
                made.as_str(),
                places.join(" or ")
            );
            Ok(said(text, json!({ "code": made.as_str(), "places": places })))
        }
        CommunityCommand::Invite { aloud: false } => {
            let peers = running(desk)?;
            let invitation = community::invite(site, &by, peers.places())?;
            let line = invitation.expose();
            Ok(Answer { text: format!("{}\n", line.as_str()), json: json!(line.as_str()), outcome: Outcome::Done })
        }
        CommunityCommand::Join { line, at, member, kit } => {
            let (member, kit) = (own_name(desk, member.clone())?, kit_of(desk, kit.as_deref())?);
            let digits = match at {
                None => running(desk)?.join(&by, line, member, &kit)?,
                Some(place) => {
                    let code = line.parse().map_err(CommunityError::Spoken)?;
                    running(desk)?.join_aloud(&by, (code, place), member, &kit)?
                }
            };
            let text = format!(
                "Asked. Tell the admin of the other box these digits; it has to show the same: {digits}\n\
                 Once the admin has agreed, this box is in by itself."
            );
            Ok(said(text, json!({ "digits": digits })))
        }
        CommunityCommand::Requests => requests(desk),
        CommunityCommand::Admit { name, digits } => {
            community::admit(site, &by, name, digits)?;
            Ok(said(format!("`{name}` is let in."), json!({ "admitted": name.as_str() })))
        }
        CommunityCommand::Confirm { name, kit } => {
            let kit = kit.as_deref().map(|kit| kit_of(desk, Some(kit))).transpose()?;
            community::confirm(site, &by, name, kit.as_ref())?;
            let text = format!("`{name}` is confirmed on its new box.");
            Ok(said(text, json!({ "confirmed": name.as_str() })))
        }
        CommunityCommand::Appoint { name } => {
            let decided = community::appoint(site, &by, name)?;
            Ok(told(decided, format!("`{name}` is an admin of the community."), json!({ "appointed": name.as_str() })))
        }
        CommunityCommand::Vouch { name } => {
            let decided = community::vouch(site, &by, name)?;
            let text = format!(
                "`{name}` is not held to the share of a new member any more; the others hear it within minutes."
            );
            Ok(told(decided, text, json!({ "vouched": name.as_str() })))
        }
        CommunityCommand::Remove { name } => {
            let decided = community::remove(site, &by, name)?;
            let text = format!(
                "`{name}` is put out: its box is refused from now on. What it holds is made again elsewhere, and what is \
                 kept for it stays until its time is over."
            );
            Ok(told(decided, text, json!({ "removed": name.as_str() })))
        }
        CommunityCommand::Dismiss { name } => {
            let decided = community::dismiss(site, &by, name)?;
            let text = format!("`{name}` is no admin of the community any more.");
            Ok(told(decided, text, json!({ "dismissed": name.as_str() })))
        }
        CommunityCommand::Rename { name, new } => {
            let decided = community::rename(site, &by, name, new)?;
            Ok(told(decided, format!("`{name}` is called `{new}` now."), json!({ "renamed": new.as_str() })))
        }
        CommunityCommand::Label { name, customer, site: place, reseller, ring } => {
            let known = site.community().ok_or(CommunityError::None)?;
            let member = known.roster().active().find(|member| member.name == *name).ok_or(CommunityError::NoMember)?;
            let mut domains = member.domains.clone();
            set_label(&mut domains.customer, customer.as_deref())?;
            set_label(&mut domains.site, place.as_deref())?;
            set_label(&mut domains.reseller, reseller.as_deref())?;
            set_label(&mut domains.update_ring, ring.as_deref())?;
            let decided = community::label(site, &by, name, domains)?;
            Ok(told(decided, format!("The labels of `{name}` are set."), json!({ "labelled": name.as_str() })))
        }
        CommunityCommand::Leave => {
            let decided = community::leave(site, &by)?;
            let text = "This box leaves the community. Keep it running for 30 days: the others make again elsewhere what it \
                        holds for them, and keep what is theirs to keep of it until its time is over.";
            Ok(told(decided, text.to_owned(), json!({ "left": true })))
        }
        CommunityCommand::Forget { name } => {
            community::forget(site, &by, name)?;
            let text = format!("This box knows nothing of `{name}` any more, and can found or join another community.");
            Ok(said(text, json!({ "forgotten": name.as_str() })))
        }
        CommunityCommand::TakeLog { name } => {
            let before = site.community().ok_or(CommunityError::None)?;
            let lost = community::take_log_of(site, &by, name)?;
            let mut text = format!("This box goes on with the log of `{name}`.\n");
            let lost: Vec<String> = lost.iter().map(|change| change_words(change, before.roster())).collect();
            for one in &lost {
                text.push_str(&format!("  given up: {one}; decide it again if it is still wanted\n"));
            }
            Ok(Answer { text, json: json!({ "taken": name.as_str(), "given_up": lost }), outcome: Outcome::Done })
        }
        CommunityCommand::Ledger => ledger::shown(desk),
        CommunityCommand::Proposals => proposals(desk),
        CommunityCommand::Agree { proposal } => {
            let found =
                community::proposals(site)?.into_iter().filter(|one| one.hash.to_string().starts_with(proposal));
            let mut found = found.peekable();
            let one = found.next().filter(|_| found.peek().is_none()).ok_or(CommunityError::NoProposal)?;
            let decided = community::agree(site, &by, &one.hash)?;
            Ok(told(decided, "It is done.".to_owned(), json!({ "agreed": one.hash.to_string() })))
        }
        CommunityCommand::Refuse { name } => {
            community::refuse(site, &by, name, None)?;
            Ok(said(format!("`{name}` is sent away."), json!({ "refused": name.as_str() })))
        }
        CommunityCommand::LiftBrake { kit } => {
            let lifted = running(desk)?.lift_brakes(&kit_of(desk, Some(kit))?)?;
            let mut text = String::new();
            for Lifted { member: name, held } in &lifted {
                text.push_str(&match held {
                    Ok(true) => format!("{name}: deletions go on, and for a week nothing holds them up"),
                    Ok(false) => format!("{name}: nothing was held up; for a week nothing will be"),
                    Err(why) => format!("{name}: not asked; {why}"),
                });
                text.push('\n');
            }
            let lifted: Vec<_> =
                lifted.iter().map(|one| json!({ "name": one.member, "held": one.held.as_ref().ok() })).collect();
            Ok(Answer { text, json: json!(lifted), outcome: Outcome::Done })
        }
        CommunityCommand::Show => shown(desk),
    }
}

/// Whether this box signs something for the community: then it hears first what the others have signed.
fn signs(what: &CommunityCommand) -> bool {
    match what {
        CommunityCommand::Admit { .. }
        | CommunityCommand::Confirm { .. }
        | CommunityCommand::Appoint { .. }
        | CommunityCommand::Vouch { .. }
        | CommunityCommand::Remove { .. }
        | CommunityCommand::Dismiss { .. }
        | CommunityCommand::Rename { .. }
        | CommunityCommand::Label { .. }
        | CommunityCommand::Leave
        | CommunityCommand::Agree { .. } => true,
        CommunityCommand::Found { .. }
        | CommunityCommand::Invite { .. }
        | CommunityCommand::Join { .. }
        | CommunityCommand::Requests
        | CommunityCommand::Refuse { .. }
        | CommunityCommand::Forget { .. }
        | CommunityCommand::TakeLog { .. }
        | CommunityCommand::Ledger
        | CommunityCommand::Proposals
        | CommunityCommand::LiftBrake { .. }
        | CommunityCommand::Show => false,
    }
}

fn said(text: String, json: serde_json::Value) -> Answer {
    Answer { text: format!("{text}\n"), json, outcome: Outcome::Done }
}

/// The same of what may need more admins.
fn told(decided: Decided, text: String, mut json: serde_json::Value) -> Answer {
    match decided {
        Decided::Done => said(text, json),
        Decided::Waiting { agreed, needed } => {
            if let Some(fields) = json.as_object_mut() {
                fields.insert("waiting".to_owned(), json!({ "agreed": agreed, "needed": needed }));
            }
            let text = format!(
                "This needs {needed} admins, and {agreed} agree so far. The others find it with `datisd community \
                 proposals` on their own boxes."
            );
            said(text, json)
        }
    }
}

/// What an entry of the log says.
fn change_words(change: &Change, roster: &Roster) -> String {
    let name = |id: &MemberId| roster.member(*id).map_or_else(|| id.to_string(), |member| member.name.to_string());
    match change {
        Change::Found { name, .. } => format!("`{name}` is founded"),
        Change::Admit { admission, .. } => format!("`{}` is let in", admission.name),
        Change::Rename { member, name: new } => format!("`{}` is called `{new}`", name(member)),
        Change::Appoint { member } => format!("`{}` is an admin", name(member)),
        Change::Dismiss { member } => format!("`{}` is no admin any more", name(member)),
        Change::SetRemovalThreshold { threshold } => format!("{threshold} admins have to agree"),
        Change::Remove { member } => format!("`{}` is put out", name(member)),
        Change::Leave { member } => format!("`{}` leaves", name(member)),
        Change::Rebind { member, .. } => format!("`{}` is on a new box", name(member)),
        Change::Confirm { member } => format!("`{}` is confirmed on its new box", name(member)),
        Change::Vouch { member } => format!("an admin vouches for `{}`", name(member)),
        Change::SetWindow { days } => format!("nothing is deleted for {days} days"),
        Change::SetDomains { member, .. } => format!("the labels of `{}` are set", name(member)),
    }
}

/// Members whose log is another one, and what each side would lose.
fn partings_text(partings: &[Parted], roster: &Roster) -> String {
    let mut text = String::new();
    for one in partings {
        text.push_str(&format!(
            "The community has parted: the log of `{}` is another one from entry {} on, as this box has known since {}.\n",
            one.name,
            one.at,
            show::day(one.since)
        ));
        for (whose, changes) in [("here", &one.ours), ("there", &one.theirs)] {
            let said: Vec<String> = changes.iter().map(|change| change_words(change, roster)).collect();
            text.push_str(&format!("  only {whose}: {}\n", said.join("; ")));
        }
        text.push_str(&format!(
            "  Agree with its admin which log stays. On each box whose log goes: datisd community take-log NAME; here: {}\n",
            one.name
        ));
    }
    text
}

fn set_label(label: &mut Option<DomainLabel>, said: Option<&str>) -> Result<(), CommunityError> {
    if let Some(said) = said {
        let said = said.trim();
        *label = if said.is_empty() { None } else { Some(said.parse().map_err(CommunityError::Name)?) };
    }
    Ok(())
}

fn proposals(desk: &Desk) -> Result<Answer, Failed> {
    let open = community::proposals(&desk.site)?;
    let mut text = String::new();
    let mut json = Vec::new();
    for one in &open {
        let what = match &one.what {
            Proposed::Remove(name) => format!("put out `{name}`"),
            Proposed::Appoint(name) => format!("make `{name}` an admin"),
            Proposed::Dismiss(name) => format!("`{name}` is no admin any more"),
            Proposed::Threshold(many) => format!("{many} admins have to agree"),
            Proposed::Window(days) => format!("nothing is deleted for {days} days"),
        };
        let hash = one.hash.to_string();
        let names: Vec<&str> = one.agreed.iter().map(MemberName::as_str).collect();
        let short = hash.get(..8).unwrap_or(&hash);
        text.push_str(&format!("{short}  {what}  {} of {} agree: {}\n", names.len(), one.needed, names.join(", ")));
        json.push(json!({ "proposal": hash, "what": what, "agreed": names, "needed": one.needed }));
    }
    text.push_str(if open.is_empty() {
        "Nothing waits for more admins.\n"
    } else {
        "Agree: datisd community agree PROPOSAL\n"
    });
    Ok(Answer { text, json: json.into(), outcome: Outcome::Done })
}

fn running(desk: &Desk) -> Result<&Peers, Failed> {
    desk.peers.as_deref().ok_or_else(|| Failed {
        sentence: "the box has to run for this; start it first".to_owned(),
        kind: FailedKind::Failed,
    })
}

/// As the others see it: what was said, else the box's own name.
fn own_name(desk: &Desk, said: Option<MemberName>) -> Result<MemberName, Failed> {
    match said {
        Some(name) => Ok(name),
        None => Ok(desk.site.vault.box_name.parse().map_err(CommunityError::Name)?),
    }
}

/// The kit's key: as typed, else as long as it is on the box.
fn kit_of(desk: &Desk, typed: Option<&str>) -> Result<VaultIdentity, Failed> {
    match typed {
        None => Ok(desk.site.vault.recovery_kit(&desk.dir)?.identity),
        Some(text) => {
            VaultIdentity::parse(text).map_err(|e| Failed { sentence: with_causes(&e), kind: FailedKind::Failed })
        }
    }
}

fn requests(desk: &Desk) -> Result<Answer, Failed> {
    let waiting = community::applicants(&desk.site)?;
    let mut text = String::new();
    for one in &waiting {
        text.push_str(&format!("{}  {}  since {}\n", one.digits, one.name, show::day(one.asked_at)));
    }
    if waiting.is_empty() {
        text.push_str("Nobody waits to be let in.\n");
    } else {
        text.push_str("Let one in whose screen shows the same digits: datisd community admit NAME DIGITS\n");
    }
    let json = waiting.iter().map(|one| json!({ "name": one.name.as_str(), "digits": one.digits })).collect();
    Ok(Answer { text, json, outcome: Outcome::Done })
}

fn shown(desk: &Desk) -> Result<Answer, Failed> {
    let Some(known) = desk.site.community() else {
        let text = match community::joining(&desk.site)? {
            Some(asked) => format!("This box has asked to be let in; the digits are {}.", asked.digits),
            None => "This box is in no community.".to_owned(),
        };
        return Ok(said(text, serde_json::Value::Null));
    };
    let roster = known.roster();
    let name: &CommunityName = roster.name();
    let mut text = format!("community {name}, {} entries in its log\n", roster.sequence() + 1);
    let mut members = Vec::new();
    for member in roster.members() {
        let standing = standing_word(member.standing);
        let role = if roster.is_admin(member.id) { "admin" } else { "member" };
        let here = if member.id == known.me { "  (this box)" } else { "" };
        let labels = labels_of(&member.domains);
        let shown: Vec<String> = labels.iter().map(|(what, label)| format!("  {what} {label}")).collect();
        let reached = desk.peers.as_deref().filter(|_| member.id != known.me).map(|peers| peers.reached(member.id));
        let way = reached.map_or(String::new(), |reached| format!("  {}", way_words(reached, roster)));
        text.push_str(&format!("  {}  {role}  {standing}{here}{way}{}\n", member.name, shown.concat()));
        members.push(json!({
            "name": member.name.as_str(),
            "id": member.id.to_string(),
            "admin": roster.is_admin(member.id),
            "standing": standing,
            "this_box": member.id == known.me,
            "labels": labels.into_iter().collect::<BTreeMap<_, _>>(),
            "way": reached.flatten().map(|reached| reached.way.word()),
        }));
    }
    let hosted = hosting::hosted_for(&desk.site)?;
    let read_over = hosting::read_over(&desk.site)?;
    text.push_str(&hosted_text(&hosted, read_over));
    let going = community::going(&desk.site)?;
    if let Some(needed_by) = &going {
        text.push_str(&going_text(needed_by));
    }
    let partings = community::partings(&desk.site);
    text.push_str(&partings_text(&partings, roster));
    let parted: Vec<_> = partings.iter().map(|one| json!({ "name": one.name.as_str(), "at": one.at })).collect();
    let mut json =
        json!({ "name": name.as_str(), "sequence": roster.sequence(), "members": members, "parted": parted });
    if let Some(needed_by) = going {
        let names: Vec<&str> = needed_by.iter().map(MemberName::as_str).collect();
        json["going"] = json!({ "may_go": names.is_empty(), "needed_by": names });
    }
    json["hosted"] = json!({
        "shards": hosted.iter().map(|owner| owner.shards).sum::<u64>(),
        "damaged": hosted.iter().map(|owner| owner.damaged).sum::<u64>(),
        "read_over": read_over.map(|at| at.0),
    });
    if let Some(used) = community::kit_use(&desk.site)? {
        text.push_str(&kit_used_text(&used));
        let seen_by: Vec<&str> = used.seen_by.iter().map(MemberName::as_str).collect();
        json["kit_used"] = json!({ "at": used.at.0, "seen_by": seen_by });
    }
    if let Some(peers) = desk.peers.as_deref() {
        let refusing = peers.refusing();
        let refusing: Vec<&str> = refusing.iter().map(MemberName::as_str).collect();
        text.push_str(&refusing_text(&refusing));
        json["refused_by"] = json!(refusing);
        let standing = peers.standing();
        text.push_str(&reach::said(&standing));
        json["reach"] = reach::json(&standing);
        let relayed = peers.channels().relayed();
        text.push_str(&reach::relayed_text(&relayed, roster));
        json["relayed"] = reach::relayed_json(&relayed, roster);
    }
    Ok(Answer { text, json, outcome: Outcome::Done })
}

fn kit_used_text(used: &KitUse) -> String {
    format!(
        "Somebody has shown the recovery kit of this box to {}, as this box has known since {}, and reads what is kept for it \
         there. If that was none of you, the kit is in the wrong hands: set up a new box with a new kit.\n",
        used.witnesses(),
        show::day(used.at)
    )
}

fn refusing_text(refusing: &[&str]) -> String {
    if refusing.is_empty() {
        return String::new();
    }
    format!(
        "Refused by {}: this box was put out of the community, or another box was brought back in its place with its recovery \
         kit. Nothing of it goes to the others any more, and what they keep is safe. If nobody has done that on purpose, call an \
         admin of the community; else switch this box off, or set it up anew.\n",
        refusing.join(", ")
    )
}

/// What is kept for the others, and when it was last read to see whether it is sound.
fn hosted_text(hosted: &[OwnerReport], read_over: Option<UnixMillis>) -> String {
    let shards: u64 = hosted.iter().map(|owner| owner.shards).sum();
    if shards == 0 {
        return String::new();
    }
    let read = read_over.map_or("not read over yet".to_owned(), |at| format!("last read over on {}", show::day(at)));
    let damaged = match hosted.iter().map(|owner| owner.damaged).sum::<u64>() {
        0 => String::new(),
        many => format!(
            "; {many} have rotted on this box's disk and are made again by their owners: have the disk looked at"
        ),
    };
    format!("kept for other boxes: {shards} shards, {read}{damaged}\n")
}

/// Whether a box that leaves may be switched off. `needed_by`: members that have not got elsewhere yet all that is here.
fn going_text(needed_by: &[MemberName]) -> String {
    if needed_by.is_empty() {
        return "This box leaves, and all others have elsewhere what it held for them: it may be switched off now.\n"
            .to_owned();
    }
    let names: Vec<&str> = needed_by.iter().map(MemberName::as_str).collect();
    format!("This box leaves; keep it running, it still holds what {} have not got elsewhere yet.\n", names.join(", "))
}

/// What is said of it, by the names of the options that set it.
fn labels_of(domains: &Domains) -> Vec<(&'static str, String)> {
    let Domains { customer, site, reseller, update_ring } = domains;
    let all = [("customer", customer), ("site", site), ("reseller", reseller), ("ring", update_ring)];
    all.into_iter().filter_map(|(what, label)| Some((what, label.as_ref()?.to_string()))).collect()
}

/// How a member is reached, in words.
fn way_words(reached: Option<Reached>, roster: &Roster) -> String {
    let name = |id| roster.member(id).map_or_else(|| "another member".to_owned(), |member| member.name.to_string());
    match reached {
        None => "not reached yet".to_owned(),
        Some(Reached { way: Way::Direct, .. }) => "dialled".to_owned(),
        Some(Reached { way: Way::Reverse, .. }) => "reached on a connection that it opens itself".to_owned(),
        Some(Reached { way: Way::Relay, via }) => {
            format!("reached through {}", via.map_or_else(|| "another member".to_owned(), name))
        }
    }
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Full => "in",
        Standing::Rebound { .. } => "on a new box, not confirmed yet",
        Standing::Leaving { .. } => "leaving",
        Standing::Removed { .. } => "removed",
    }
}
