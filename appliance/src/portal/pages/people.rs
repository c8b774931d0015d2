//! Who may come in, as admins see it.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::ids::MachineId;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::{Frame, role_key};
use super::super::openapi::Pairs;
use super::super::visit::Visit;
use super::{Choice, When};
use crate::locale::Locale;
use crate::operations;
use crate::operations::accounts::{
    self, AccountName, AccountState, NewPerson, Person, PersonChange, Role, Secret, Service,
};

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage<'p> {
    frame: Frame<'p>,
    people: Vec<PersonRow>,
}

struct PersonRow {
    name: String,
    path: String,
    role: String,
    /// Style class.
    state: &'static str,
    state_word: String,
    has_factor: bool,
    is_of_directory: bool,
    last: Option<When>,
}

pub(in crate::portal) async fn list(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            let now = visit.site().clock.now();
            let people = accounts::list_people(visit.site(), visit.actor()?)?;
            let rows = people.iter().map(|Person { account, entry, .. }| PersonRow {
                is_of_directory: entry.is_some(),
                name: account.name.to_string(),
                path: path_of(&account.name),
                role: locale.word(role_key(account.role)),
                state: account.state.word(),
                state_word: locale.word(&format!("account-{}", account.state.word())),
                has_factor: account.totp.is_some(),
                last: account.last_login_at.map(|at| When::new(at, now, locale)),
            });
            let page = PeoplePage { frame: Frame::new(visit, &locale.word("nav-people")), people: rows.collect() };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn path_of(name: &AccountName) -> String {
    format!("/people/{}", answer::encoded(name.as_str()))
}

/// The part of a form that says what somebody is and may do.
struct Standing {
    roles: Vec<Choice>,
    services: Vec<Choice>,
    machines: Vec<MachineChoice>,
}

struct MachineChoice {
    id: String,
    name: String,
    is_chosen: bool,
}

fn standing(
    visit: &Visit,
    role: Role,
    services: &[Service],
    machines: &BTreeSet<MachineId>,
) -> Result<Standing, PageError> {
    let locale = visit.locale();
    let roles = Role::ALL.iter().map(|each| Choice {
        value: each.word(),
        word: locale.word(role_key(*each)),
        is_chosen: *each == role,
    });
    let offered = Service::ALL.iter().map(|each| Choice {
        value: each.word(),
        word: locale.word(&format!("service-{}", each.word())),
        is_chosen: services.contains(each),
    });
    let all = operations::list_machines(visit.site())?;
    let offered_machines = all.into_iter().map(|machine| MachineChoice {
        id: machine.id.to_string(),
        name: machine.name.to_string(),
        is_chosen: machines.contains(&machine.id),
    });
    Ok(Standing { roles: roles.collect(), services: offered.collect(), machines: offered_machines.collect() })
}

/// What such a form sends: names may come several times.
type Fields = web::Form<Pairs>;

struct Sent {
    role: Role,
    may_come_in: bool,
    services: Vec<Service>,
    machines: BTreeSet<MachineId>,
}

fn sent(visit: &Visit, fields: &[(String, String)]) -> Result<Sent, PageError> {
    let of = |name: &'static str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let chosen: BTreeSet<&str> = of("machine").collect();
    let all = operations::list_machines(visit.site())?;
    Ok(Sent {
        role: of("role").next().and_then(|word| word.parse().ok()).ok_or(PageError::NotFound)?,
        may_come_in: of("active").next().is_some(),
        services: of("service").filter_map(|word| word.parse().ok()).collect(),
        machines: all.iter().filter(|machine| chosen.contains(machine.id.to_string().as_str())).map(|m| m.id).collect(),
    })
}

#[derive(Template)]
#[template(path = "person_new.html")]
struct NewPersonPage<'p> {
    frame: Frame<'p>,
    name: String,
    standing: Standing,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage<'p> {
    frame: Frame<'p>,
    name: String,
    url: String,
}

pub(in crate::portal) async fn new_form(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let standing = standing(visit, Role::Member, &[Service::Restore], &BTreeSet::new())?;
            Ok(Reply::Page(new_page(visit, String::new(), standing, None)?))
        })
        .await
}

fn new_page(visit: &Visit, name: String, standing: Standing, problem: Option<String>) -> Result<String, PageError> {
    let frame = Frame::new(visit, &visit.locale().word("invite-title"));
    Ok(NewPersonPage { frame, name, standing, problem }.render()?)
}

pub(in crate::portal) async fn invite(visit: Visit, form: Fields) -> HttpResponse {
    visit
        .answer(move |visit| {
            let typed = form.0.0.iter().find(|(key, _)| key == "name").map_or("", |(_, value)| value).to_owned();
            let Sent { role, services, machines, .. } = sent(visit, &form.0.0)?;
            let again = |problem: String| {
                let standing = standing(visit, role, &services, &machines)?;
                Ok(Reply::Refused(new_page(visit, typed.clone(), standing, Some(problem))?))
            };
            let Ok(name) = typed.parse::<AccountName>() else { return again(visit.locale().word("err-bad-name")) };
            let person = NewPerson { name, role, services: services.clone(), machines: machines.clone() };
            match accounts::invite(visit.site(), visit.actor()?, &person) {
                Ok(link) => Ok(Reply::Page(link_page(visit, &person.name, &link)?)),
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(problem) => again(problem),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

fn link_page(visit: &Visit, name: &AccountName, link: &Secret) -> Result<String, PageError> {
    let page = LinkPage {
        frame: Frame::new(visit, &visit.locale().word("link-title")),
        name: name.to_string(),
        url: format!("{}/welcome/{}", visit.here(), link.expose()),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage<'p> {
    frame: Frame<'p>,
    name: String,
    path: String,
    is_active: bool,
    is_off: bool,
    has_factor: bool,
    /// The name of their entry in the company's directory.
    entry: Option<String>,
    standing: Standing,
    problem: Option<String>,
}

fn named(name: &str) -> Result<AccountName, PageError> {
    name.parse().map_err(|_| PageError::NotFound)
}

fn found(error: accounts::AccountError) -> PageError {
    match error {
        accounts::AccountError::NoSuchAccount => PageError::NotFound,
        other => other.into(),
    }
}

pub(in crate::portal) async fn show(visit: Visit, name: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| Ok(Reply::Page(person_page(visit, &named(&name)?, None)?))).await
}

fn person_page(visit: &Visit, name: &AccountName, problem: Option<String>) -> Result<String, PageError> {
    let Person { account, services, machines, entry } =
        accounts::person(visit.site(), visit.actor()?, name).map_err(found)?;
    let page = PersonPage {
        frame: Frame::new(visit, name.as_str()),
        name: name.to_string(),
        path: path_of(name),
        is_active: account.state != AccountState::Off,
        is_off: account.state == AccountState::Off,
        has_factor: account.totp.is_some(),
        entry,
        standing: standing(visit, account.role, &services, &machines)?,
        problem,
    };
    Ok(page.render()?)
}

/// After a change: on, or the page again with what is wrong.
fn done(
    visit: &Visit,
    name: &AccountName,
    result: Result<(), accounts::AccountError>,
    next: String,
) -> Result<Reply, PageError> {
    match result {
        Ok(()) => Ok(Reply::Go(next)),
        Err(error) => match problem_of_change(&error, visit.locale()) {
            Some(problem) => Ok(Reply::Refused(person_page(visit, name, Some(problem))?)),
            None => Err(found(error)),
        },
    }
}

fn problem_of_change(error: &accounts::AccountError, locale: &Locale) -> Option<String> {
    let is_gone = matches!(error, accounts::AccountError::NoSuchAccount);
    if is_gone { None } else { answer::problem(error, locale) }
}

pub(in crate::portal) async fn change(visit: Visit, name: web::Path<String>, form: Fields) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = named(&name)?;
            let Sent { role, may_come_in, services, machines } = sent(visit, &form.0.0)?;
            let change = PersonChange { role, may_come_in: Some(may_come_in), services, machines };
            let changed = accounts::change_person(visit.site(), visit.actor()?, &name, &change);
            done(visit, &name, changed, format!("{}?said=saved", path_of(&name)))
        })
        .await
}

pub(in crate::portal) async fn link(visit: Visit, name: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = named(&name)?;
            match accounts::link_for(visit.site(), visit.actor()?, &name) {
                Ok(link) => Ok(Reply::Page(link_page(visit, &name, &link)?)),
                Err(error) => done(visit, &name, Err(error), String::new()),
            }
        })
        .await
}

pub(in crate::portal) async fn reset_second_factor(visit: Visit, name: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = named(&name)?;
            let reset = accounts::reset_second_factor(visit.site(), visit.actor()?, &name);
            done(visit, &name, reset, format!("{}?said=saved", path_of(&name)))
        })
        .await
}

pub(in crate::portal) async fn remove(visit: Visit, name: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = named(&name)?;
            let removed = accounts::remove_person(visit.site(), visit.actor()?, &name);
            done(visit, &name, removed, "/people?said=removed".to_owned())
        })
        .await
}
