//! One member: how it does, and what people decide about it.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::community::entry::Domains;
use datis_engine::ids::{DomainLabel, EntryHash, MemberId, MemberName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::Frame;
use super::super::super::visit::Visit;
use super::super::Date;
use super::coming_in::{kit_of, settled};
use super::{Row, needs_kit, problem, row};
use crate::operations::Site;
use crate::operations::accounts::{Actor, Right};
use crate::operations::community::{self, CommunityError, Decided, overview};

#[derive(Template)]
#[template(path = "peer.html")]
struct MemberPage<'p> {
    frame: Frame<'p>,
    member: Row,
    is_rebound: bool,
    /// From when on this box confirms itself; `None`: now.
    confirms_itself_from: Option<Date>,
    may_manage: bool,
    /// Whether it can be made an admin: it is none, and this box is one.
    may_be_appointed: bool,
    /// Whether it is an admin, and this box may say that it is none any more.
    may_be_dismissed: bool,
    /// Whether an admin's word confirms it, rather than its own kit.
    may_be_confirmed: bool,
    /// Whether this box may say how it is called and what it has in common with others.
    may_be_described: bool,
    /// Whether this box may put it out, or propose it.
    may_be_removed: bool,
    /// Whether it is this box, and may still go.
    may_leave: bool,
    labels: Labels,
    needs_kit: bool,
    problem: Option<String>,
}

pub(in crate::portal) async fn show(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| Ok(Reply::Page(member_page(visit, &id, None)?))).await
}

fn member_page(visit: &Visit, id: &str, problem: Option<String>) -> Result<String, PageError> {
    let now = visit.site().clock.now();
    let known = overview(visit.site())?.ok_or(PageError::NotFound)?;
    let member = known.members.iter().find(|member| member.id.to_string() == id).ok_or(PageError::NotFound)?;
    let is_here = member.is_here;
    let page = MemberPage {
        frame: Frame::new(visit, &member.name),
        member: row(visit, member, now),
        is_rebound: member.is_rebound,
        confirms_itself_from: member.confirms_itself_from.filter(|from| now < *from).map(Date::new),
        may_manage: visit.actor()?.has(Right::ManageCommunity),
        may_be_appointed: known.is_admin && !member.is_admin && member.may_decide,
        may_be_dismissed: known.is_admin && member.is_admin,
        may_be_confirmed: known.is_admin && !is_here,
        may_be_described: known.is_admin || is_here,
        may_be_removed: known.is_admin && !is_here,
        may_leave: is_here && member.may_decide,
        labels: Labels::of(visit, member.id),
        needs_kit: needs_kit(visit)?,
        problem,
    };
    Ok(page.render()?)
}

/// The member becomes an admin of the community.
pub(in crate::portal) async fn appoint(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| decided(visit, &id, community::appoint)).await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct ConfirmForm {
    #[serde(default)]
    kit: String,
}

/// A member that is back on a new box is trusted as before.
pub(in crate::portal) async fn confirm(
    visit: Visit,
    id: web::Path<String>,
    form: web::Form<ConfirmForm>,
) -> HttpResponse {
    visit
        .answer(move |visit| {
            let is_here = visit.site().community().is_some_and(|known| known.me.to_string() == *id);
            let kit = match is_here.then(|| kit_of(visit, &form.kit)).transpose() {
                Ok(kit) => kit,
                Err(undone) => {
                    let sentence = undone.sentence(visit.locale())?;
                    return Ok(Reply::Refused(member_page(visit, &id, Some(sentence))?));
                }
            };
            decided(visit, &id, |site, by, name| {
                community::confirm(site, by, name, kit.as_ref()).map(|()| Decided::Done)
            })
        })
        .await
}

/// The member is no admin any more.
pub(in crate::portal) async fn dismiss(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| decided(visit, &id, community::dismiss)).await
}

/// Puts the member out.
pub(in crate::portal) async fn remove(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| decided(visit, &id, community::remove)).await
}

/// This box leaves the community.
pub(in crate::portal) async fn leave(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let is_here = visit.site().community().is_some_and(|known| known.me.to_string() == *id);
            if !is_here {
                return Err(PageError::NotFound);
            }
            decided(visit, &id, |site, by, _| community::leave(site, by))
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct ForgetForm {
    name: String,
}

/// The box forgets its community; its name is typed.
pub(in crate::portal) async fn forget(visit: Visit, form: web::Form<ForgetForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let forgotten = match form.name.trim().parse() {
                Ok(name) => community::forget(visit.site(), visit.actor()?, &name),
                Err(_) => Err(CommunityError::OtherCommunity),
            };
            settled(visit, forgotten)
        })
        .await
}

/// What a member shares with others, as it is typed.
#[derive(Default)]
struct Labels {
    customer: String,
    site: String,
    reseller: String,
    ring: String,
}

impl Labels {
    fn of(visit: &Visit, member: MemberId) -> Self {
        let known = visit.site().community();
        let Some(domains) = known.as_ref().and_then(|known| known.roster().member(member)).map(|m| &m.domains) else {
            return Self::default();
        };
        let text = |label: &Option<DomainLabel>| label.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            customer: text(&domains.customer),
            site: text(&domains.site),
            reseller: text(&domains.reseller),
            ring: text(&domains.update_ring),
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct DescribeForm {
    name: String,
    customer: String,
    site: String,
    reseller: String,
    ring: String,
}

impl DescribeForm {
    fn domains(&self) -> Result<Domains, CommunityError> {
        let label = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(CommunityError::Name),
        };
        Ok(Domains {
            customer: label(&self.customer)?,
            site: label(&self.site)?,
            reseller: label(&self.reseller)?,
            update_ring: label(&self.ring)?,
        })
    }
}

/// How the member is called, and what it shares with others. What stays as it is makes no entry of the log.
pub(in crate::portal) async fn describe(
    visit: Visit,
    id: web::Path<String>,
    form: web::Form<DescribeForm>,
) -> HttpResponse {
    visit
        .answer(move |visit| {
            decided(visit, &id, |site, by, name| {
                let (new, domains) = (form.name.trim().parse().map_err(CommunityError::Name)?, form.domains()?);
                let known = site.community().ok_or(CommunityError::None)?;
                let member = known.roster().active().find(|member| member.name == *name);
                let before = member.ok_or(CommunityError::NoMember)?.domains.clone();
                if domains != before {
                    community::label(site, by, name, domains)?;
                }
                if new == *name { Ok(Decided::Done) } else { community::rename(site, by, name, &new) }
            })
        })
        .await
}

/// Agrees to what another admin has proposed.
pub(in crate::portal) async fn agree(visit: Visit, proposal: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let hash: EntryHash = proposal.parse().map_err(|_| PageError::NotFound)?;
            visit.portal.ways.peers.hear()?;
            settled(visit, community::agree(visit.site(), visit.actor()?, &hash).map(|_| ()))
        })
        .await
}

/// Does it with the member of this id, and shows what has become of it.
fn decided(
    visit: &Visit,
    id: &str,
    decide: impl FnOnce(&Site, &Actor, &MemberName) -> Result<Decided, CommunityError>,
) -> Result<Reply, PageError> {
    let id: MemberId = id.parse().map_err(|_| PageError::NotFound)?;
    visit.portal.ways.peers.hear()?;
    let known = visit.site().community().ok_or(PageError::NotFound)?;
    let member = known.roster().member(id).ok_or(PageError::NotFound)?;
    match decide(visit.site(), visit.actor()?, &member.name) {
        // Who was put out has no page any more, and what waits for others stands among all that does.
        Ok(Decided::Waiting { .. }) => Ok(Reply::Go("/peers?said=proposed".to_owned())),
        Ok(Decided::Done) if !is_active(visit, id) => Ok(Reply::Go("/peers?said=saved".to_owned())),
        Ok(Decided::Done) => Ok(Reply::Go(format!("/peers/members/{id}?said=saved"))),
        Err(error) => {
            let sentence = problem::sentence(error, visit.locale())?;
            Ok(Reply::Refused(member_page(visit, &id.to_string(), Some(sentence))?))
        }
    }
}

fn is_active(visit: &Visit, id: MemberId) -> bool {
    let known = visit.site().community();
    known.is_some_and(|known| known.roster().member(id).is_some_and(|member| member.is_active()))
}
