//! Machines: the list, one of them, and how a new one comes in.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::enrolment::EnrolmentUri;
use datis_engine::ids::{MachineName, Profile};
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::Frame;
use super::super::qr;
use super::super::visit::Visit;
use super::{Choice, Date, When, past, proofs, restore};
use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::accounts::{AccountError, Right};
use crate::operations::browse;
use crate::operations::{self, Machine, MachineState, MachineStatus, OperationError, PolicyChange};
use crate::reports::Health;

/// A machine in a list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) profile: String,
    pub(super) seen: String,
    /// Style class.
    pub(super) health: &'static str,
    pub(super) health_word: String,
    pub(super) sources: Vec<SourceRow>,
}

pub(super) struct SourceRow {
    pub(super) name: String,
    /// Where what is in its backups is shown.
    pub(super) contents: String,
    pub(super) kind: String,
    pub(super) snapshots: u64,
    pub(super) last: When,
    pub(super) size: String,
}

pub(super) fn rows(machines: &[(Health, &Machine, &MachineStatus)], now: i64, locale: &Locale) -> Vec<Row> {
    machines.iter().map(|(health, machine, status)| row(*health, machine, status, now, locale)).collect()
}

fn row(health: Health, machine: &Machine, status: &MachineStatus, now: i64, locale: &Locale) -> Row {
    let sources = status.sources.iter().map(|source| SourceRow {
        name: source.source.clone(),
        contents: restore::address_of(&machine.id, &source.source),
        kind: locale.word(&format!("kind-{}", source.kind)),
        snapshots: source.snapshots,
        last: When::new(UnixMillis(source.last_received_at), UnixMillis(now), locale),
        size: locale.bytes(source.last_bytes),
    });
    Row {
        id: status.id.clone(),
        name: status.name.clone(),
        profile: locale.word(profile_key(machine.profile)),
        seen: status.last_sign_at().map_or_else(|| locale.word("never"), |at| locale.ago(Ago::between(at, now))),
        health: health.word(),
        health_word: locale.word(&format!("health-{}", health.word())),
        sources: sources.collect(),
    }
}

fn profile_key(profile: Profile) -> &'static str {
    match profile {
        Profile::Server => "profile-server",
        Profile::Desktop => "profile-desktop",
        Profile::Laptop => "profile-laptop",
    }
}

#[derive(Template)]
#[template(path = "machines.html")]
struct MachinesPage<'p> {
    frame: Frame<'p>,
    machines: Vec<Row>,
    may_enrol: bool,
}

pub(in crate::portal) async fn list(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, actor, scene) = (visit.locale(), visit.actor()?, visit.portal.look()?);
            let page = MachinesPage {
                frame: Frame::new(visit, &locale.word("nav-machines")),
                machines: rows(&scene.machines_seen_by(actor), scene.status.now, locale),
                may_enrol: actor.has(Right::EnrolMachines),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

#[derive(Template)]
#[template(path = "machine.html")]
struct MachinePage<'p> {
    frame: Frame<'p>,
    machine: Row,
    id: String,
    created: When,
    version: String,
    stored: String,
    policy: PolicyForm,
    may_change: bool,
    /// Whether the visitor may try other policies.
    may_try: bool,
    may_retire: bool,
    problem: Option<String>,
    may_restore: bool,
    /// What the last proof of restoring came to: style class and sentence.
    proof: (&'static str, String),
    is_proving: bool,
    may_prove: bool,
    calendar: past::Calendar,
    runs: Vec<past::RunRow>,
    excludes: Vec<(String, String)>,
    sizes: Option<past::Sizes>,
    /// Until when it rests.
    paused_until: Option<Date>,
    put_backs: Vec<restore::PutBackLine>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct PolicyForm {
    every: String,
    local: String,
    external: String,
}

pub(in crate::portal) async fn show(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| Ok(Reply::Page(machine_page(visit, &id, None)?))).await
}

/// `refused`: the form as it was sent, and what is wrong with it.
fn machine_page(visit: &Visit, id: &str, refused: Option<(PolicyForm, String)>) -> Result<String, PageError> {
    let (locale, actor, scene) = (visit.locale(), visit.actor()?, visit.portal.look()?);
    let machines = scene.machines_seen_by(actor);
    // One that the visitor may not see is not there.
    let (health, machine, status) =
        *machines.iter().find(|(_, _, status)| status.id == id).ok_or(PageError::NotFound)?;
    let (policy, problem) = match refused {
        Some((form, problem)) => (form, Some(problem)),
        None => (
            PolicyForm {
                every: machine.policy.every.to_string(),
                local: machine.policy.local.to_string(),
                external: machine.policy.external.to_string(),
            },
            None,
        ),
    };
    let is_active = machine.state == MachineState::Active;
    let past = operations::past(visit.site(), machine)?;
    let proof = browse::last_proof(visit.site(), &visit.scope()?, &machine.id)?;
    let page = MachinePage {
        frame: Frame::new(visit, machine.name.as_str()),
        machine: row(health, machine, status, scene.status.now, locale),
        id: status.id.clone(),
        created: When::new(machine.created_at, UnixMillis(scene.status.now), locale),
        version: machine.client_version.clone().unwrap_or_default(),
        stored: locale.bytes(status.stored.bytes),
        policy,
        may_try: actor.has(Right::LookAtBox),
        may_change: is_active && actor.has(Right::ChangeMachines),
        may_retire: is_active && actor.has(Right::RetireMachines),
        problem,
        may_restore: actor.has(Right::Restore),
        proof: proofs::sentence(proof.as_ref(), UnixMillis(scene.status.now), locale),
        is_proving: visit.portal.proving.holds(&machine.id),
        // Also of one that is gone: there may be nothing else left of it.
        may_prove: !status.sources.is_empty() && actor.has(Right::ChangeMachines),
        paused_until: (health == Health::Paused)
            .then(|| status.paused_until.map(|until| Date::new(UnixMillis(until))))
            .flatten(),
        put_backs: if actor.has(Right::Restore) {
            let found = operations::put_backs_of(visit.site(), machine)?;
            restore::put_back_lines(&found, UnixMillis(scene.status.now), locale)
        } else {
            Vec::new()
        },
        calendar: past::calendar(&past, machine.created_at, locale),
        runs: past::run_rows(&past.runs, scene.status.now, locale),
        excludes: past::excludes(&past.runs),
        sizes: past::sizes(past.size, scene.status.now, locale),
    };
    Ok(page.render()?)
}

fn name_of(visit: &Visit, id: &str) -> Result<MachineName, PageError> {
    let machines = operations::list_machines(visit.site())?;
    let actor = visit.actor()?;
    let found = machines.into_iter().find(|machine| machine.id.to_string() == id && actor.sees(&machine.id));
    found.map(|machine| machine.name).ok_or(PageError::NotFound)
}

pub(in crate::portal) async fn set_policy(
    visit: Visit,
    id: web::Path<String>,
    form: web::Form<PolicyForm>,
) -> HttpResponse {
    let form = form.into_inner();
    visit
        .answer(move |visit| {
            let name = name_of(visit, &id)?;
            let locale = visit.locale();
            let parsed = (form.every.trim().parse::<Seconds>(), form.local.trim().parse::<RetentionPolicy>());
            let change = match (parsed, form.external.trim().parse()) {
                ((Ok(every), Ok(local)), Ok(external)) if every.0 > 0 => {
                    PolicyChange { every: Some(every), local: Some(local), external: Some(external) }
                }
                ((Ok(_), Ok(_)), Ok(_)) | ((Err(_), _), _) => {
                    let problem = locale.word("err-every");
                    return Ok(Reply::Refused(machine_page(visit, &id, Some((form, problem)))?));
                }
                _ => {
                    let problem = locale.word("err-policy");
                    return Ok(Reply::Refused(machine_page(visit, &id, Some((form, problem)))?));
                }
            };
            operations::set_policy(visit.site(), visit.actor()?, &name, &change)?;
            Ok(Reply::Go(format!("/machines/{id}?said=saved")))
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct PauseForm {
    /// `1d`, `7d`, or nothing when a date is given.
    length: String,
    /// `2026-12-24`: its first moment in UTC.
    #[serde(default)]
    until: String,
}

impl PauseForm {
    fn end(&self, now: UnixMillis) -> Result<UnixMillis, OperationError> {
        if !self.length.is_empty() {
            return self
                .length
                .parse::<Seconds>()
                .map(|length| now.plus(length))
                .map_err(|_| OperationError::PauseLength);
        }
        let date = self.until.trim().parse::<jiff::civil::Date>();
        let start = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC));
        start.map(|start| UnixMillis(start.timestamp().as_millisecond())).map_err(|_| OperationError::PauseLength)
    }
}

pub(in crate::portal) async fn pause(visit: Visit, id: web::Path<String>, form: web::Form<PauseForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = name_of(visit, &id)?;
            let until = form.end(visit.site().clock.now())?;
            operations::pause_machine(visit.site(), visit.actor()?, &name, until)?;
            Ok(Reply::Go(format!("/machines/{id}?said=paused")))
        })
        .await
}

pub(in crate::portal) async fn resume(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = name_of(visit, &id)?;
            operations::resume_machine(visit.site(), visit.actor()?, &name)?;
            Ok(Reply::Go(format!("/machines/{id}?said=resumed")))
        })
        .await
}

pub(in crate::portal) async fn retire(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let name = name_of(visit, &id)?;
            operations::retire_machine(visit.site(), visit.actor()?, &name)?;
            Ok(Reply::Go(format!("/machines/{id}?said=retired")))
        })
        .await
}

#[derive(Template)]
#[template(path = "machine_new.html")]
struct NewMachinePage<'p> {
    frame: Frame<'p>,
    name: String,
    profiles: Vec<Choice>,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct NewMachine {
    name: String,
    profile: String,
}

#[derive(Template)]
#[template(path = "machine_code.html")]
struct CodePage<'p> {
    frame: Frame<'p>,
    name: MachineName,
    command: String,
    picture: String,
}

pub(in crate::portal) async fn new_form(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(new_page(visit, String::new(), Profile::Server, None)?))).await
}

fn new_page(visit: &Visit, name: String, profile: Profile, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let profiles = Profile::ALL.iter().map(|each| Choice {
        value: each.word(),
        word: locale.word(profile_key(*each)),
        is_chosen: *each == profile,
    });
    let frame = Frame::new(visit, &locale.word("enrol-title"));
    Ok(NewMachinePage { frame, name, profiles: profiles.collect(), problem }.render()?)
}

pub(in crate::portal) async fn make_code(visit: Visit, form: web::Form<NewMachine>) -> HttpResponse {
    let NewMachine { name, profile } = form.into_inner();
    visit
        .answer(move |visit| {
            let locale = visit.locale();
            let profile: Profile = profile.parse().unwrap_or(Profile::Server);
            let Ok(parsed) = name.trim().parse::<MachineName>() else {
                let problem = locale.word("err-machine-name");
                return Ok(Reply::Refused(new_page(visit, name, profile, Some(problem))?));
            };
            let code = match operations::create_enrolment_code(visit.site(), visit.actor()?, &parsed, profile) {
                Ok(code) => code,
                Err(error @ OperationError::NameTaken { .. }) => {
                    let problem = answer::problem(&AccountError::from(error), locale);
                    return Ok(Reply::Refused(new_page(visit, name, profile, problem)?));
                }
                Err(error) => return Err(error.into()),
            };
            let ways = &visit.portal.ways;
            let (port, pin) = (ways.door.port, ways.door.pin);
            let uri = EnrolmentUri { host: ways.machine_host.clone(), port, code, pin }.to_string();
            let page = CodePage {
                frame: Frame::new(visit, &locale.word("enrol-title")),
                name: parsed,
                picture: qr::svg(&uri)?,
                command: format!("datis enrol '{uri}'"),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}
