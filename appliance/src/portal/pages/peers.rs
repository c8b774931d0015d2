//! The other boxes: who belongs together, how each does, what this one keeps for the others, and how much of its own is outside.

use actix_web::HttpResponse;
use askama::Template;

use super::super::answer::Reply;
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::When;
use crate::figures;
use crate::locale::Locale;
use crate::operations::community::{MemberState, MemberView, Overview, overview};
use crate::operations::dispersal::{DispersalStatus, dispersal_status};
use datis_engine::units::UnixMillis;

#[derive(Template)]
#[template(path = "peers.html")]
struct PeersPage<'p> {
    frame: Frame<'p>,
    community: Option<Shown>,
}

struct Shown {
    name: String,
    members: Vec<Row>,
    /// How packs are coded, as `6+4`.
    scheme: Option<String>,
    machines: Vec<Outside>,
}

struct Row {
    name: String,
    role: String,
    /// Style class.
    class: &'static str,
    state: String,
    kept: String,
}

struct Outside {
    machine: String,
    packs: String,
    safe: Option<When>,
    full: Option<When>,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            let now = visit.site().clock.now();
            let community = match overview(visit.site())? {
                Some(known) => Some(shown(&known, &dispersal_status(visit.site())?, now, locale)),
                None => None,
            };
            let page = PeersPage { frame: Frame::new(visit, &locale.word("nav-peers")), community };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn shown(known: &Overview, outside: &DispersalStatus, now: UnixMillis, locale: &Locale) -> Shown {
    let when = |at: Option<i64>| at.map(|at| When::new(UnixMillis(at), now, locale));
    Shown {
        name: known.name.clone(),
        members: known.members.iter().map(|member| row(member, locale)).collect(),
        scheme: outside.scheme.clone(),
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
    }
}

fn row(member: &MemberView, locale: &Locale) -> Row {
    let class = match member.state {
        MemberState::Here | MemberState::Ok => "current",
        MemberState::Away | MemberState::Leaving | MemberState::Rebound => "late",
        MemberState::Absent | MemberState::Suspect | MemberState::Gone => "damaged",
    };
    Row {
        name: member.name.clone(),
        role: locale.word(if member.is_admin { "peer-admin" } else { "peer-member" }),
        class,
        state: locale.word(&format!("peer-{}", member.state.word())),
        kept: figures::bytes(member.kept_here.1),
    }
}
