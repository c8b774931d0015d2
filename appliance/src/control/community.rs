//! The community of boxes, on the console.

use datis_engine::community::roster::Standing;
use datis_engine::ids::{CommunityName, MemberName};
use datis_engine::keys::VaultIdentity;
use serde_json::json;

use super::command::{Answer, CommunityCommand, Failed, FailedKind, Outcome};
use super::execute::Desk;
use super::show::{self, with_causes};
use crate::operations::accounts::Actor;
use crate::operations::community::{self, CommunityError};
use crate::peers::{Peers, PeersError};

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
    match what {
        CommunityCommand::Found { name, member, kit } => {
            let member = own_name(desk, member.clone())?;
            community::found(site, &by, name.clone(), member, &kit_of(desk, kit.as_deref())?)?;
            Ok(said(
                format!("The community `{name}` is founded; this box is its admin."),
                json!({ "founded": name.as_str() }),
            ))
        }
        CommunityCommand::Invite => {
            let peers = running(desk)?;
            let invitation = community::invite(site, &by, peers.places().to_vec())?;
            let line = invitation.expose();
            Ok(Answer { text: format!("{}\n", line.as_str()), json: json!(line.as_str()), outcome: Outcome::Done })
        }
        CommunityCommand::Join { line, member, kit } => {
            let member = own_name(desk, member.clone())?;
            let digits = running(desk)?.join(&by, line, member, &kit_of(desk, kit.as_deref())?)?;
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
            community::appoint(site, &by, name)?;
            Ok(said(format!("`{name}` is an admin of the community."), json!({ "appointed": name.as_str() })))
        }
        CommunityCommand::Refuse { name } => {
            community::refuse(site, &by, name)?;
            Ok(said(format!("`{name}` is sent away."), json!({ "refused": name.as_str() })))
        }
        CommunityCommand::LiftBrake { kit } => {
            let lifted = running(desk)?.lift_brakes(&kit_of(desk, Some(kit))?)?;
            let mut text = String::new();
            for (name, found) in &lifted {
                text.push_str(&match found {
                    Ok(true) => format!("{name}: deletions go on, and for a week nothing holds them up"),
                    Ok(false) => format!("{name}: nothing was held up; for a week nothing will be"),
                    Err(why) => format!("{name}: not asked; {why}"),
                });
                text.push('\n');
            }
            let lifted: Vec<_> =
                lifted.iter().map(|(name, found)| json!({ "name": name, "held": found.as_ref().ok() })).collect();
            Ok(Answer { text, json: json!(lifted), outcome: Outcome::Done })
        }
        CommunityCommand::Show => shown(desk),
    }
}

fn said(text: String, json: serde_json::Value) -> Answer {
    Answer { text: format!("{text}\n"), json, outcome: Outcome::Done }
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
        text.push_str(&format!("  {}  {role}  {standing}{here}\n", member.name));
        members.push(json!({
            "name": member.name.as_str(),
            "id": member.id.to_string(),
            "admin": roster.is_admin(member.id),
            "standing": standing,
            "this_box": member.id == known.me,
        }));
    }
    let json = json!({ "name": name.as_str(), "sequence": roster.sequence(), "members": members });
    Ok(Answer { text, json, outcome: Outcome::Done })
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Full => "in",
        Standing::Rebound { .. } => "on a new box, not confirmed yet",
        Standing::Leaving { .. } => "leaving",
        Standing::Removed { .. } => "removed",
    }
}
