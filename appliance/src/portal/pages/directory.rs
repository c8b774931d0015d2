//! How the company's directory is asked, and what it answers.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::{Frame, role_key};
use super::super::openapi::Pairs;
use super::super::visit::Visit;
use super::Choice;
use crate::links::directory::OverLdap;
use crate::links::trust;
use crate::operations::accounts::{
    self, AccountError, DirectorySecurity, DirectorySetting, Known, Role, ServiceAccount,
};

/// Groups of one role.
const GROUPS_MAX: usize = 50;
/// The longest name of an entry, in bytes.
const ENTRY_MAX: usize = 500;

#[derive(Template)]
#[template(path = "directory.html")]
struct DirectoryPage<'p> {
    frame: Frame<'p>,
    is_set: bool,
    has_password: bool,
    form: DirectoryForm,
    securities: Vec<Choice>,
    roles: Vec<RoleGroups>,
    problem: Option<String>,
    told: Option<Told>,
}

/// Which groups give a role.
struct RoleGroups {
    field: String,
    word: String,
    groups: String,
}

/// What came out of a try.
struct Told {
    /// Style class.
    tone: &'static str,
    text: String,
    detail: Vec<String>,
}

/// What the form sends, or what it is to show.
#[derive(Clone)]
struct DirectoryForm {
    host: String,
    port: String,
    security: String,
    authority: String,
    template: String,
    service: String,
    password: String,
    base: String,
    filter: String,
    groups: Vec<(Role, String)>,
}

impl DirectoryForm {
    fn of(setting: Option<&DirectorySetting>) -> Self {
        let groups_of = |role: Role| {
            let groups = setting.iter().flat_map(|setting| &setting.groups).filter(|(_, gives)| *gives == role);
            groups.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("\n")
        };
        let text = |get: fn(&DirectorySetting) -> Option<&String>| setting.and_then(get).cloned().unwrap_or_default();
        Self {
            host: text(|s| Some(&s.host)),
            port: setting.map_or(636, |setting| setting.port).to_string(),
            security: setting.map_or(DirectorySecurity::Ldaps, |setting| setting.security).word().to_owned(),
            authority: text(|s| s.authority.as_ref()),
            template: text(|s| s.template.as_ref()),
            service: text(|s| s.service.as_ref().map(|service| &service.name)),
            password: String::new(),
            base: text(|s| Some(&s.base)),
            filter: setting.map_or("(uid={name})".to_owned(), |setting| setting.filter.clone()),
            groups: Role::ALL.iter().map(|role| (*role, groups_of(*role))).collect(),
        }
    }

    fn sent(fields: &[(String, String)]) -> Self {
        let of = |name: &str| -> String {
            fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Self {
            host: of("host"),
            port: of("port"),
            security: of("security"),
            authority: of("authority"),
            template: of("template"),
            service: of("service"),
            password: of("password"),
            base: of("base"),
            filter: of("filter"),
            groups: Role::ALL.iter().map(|role| (*role, of(&field_of(*role)))).collect(),
        }
    }

    /// The setting that it describes, or the key of what is wrong with it.
    fn setting(&self) -> Result<DirectorySetting, &'static str> {
        let is_host = (1..=253).contains(&self.host.len())
            && self.host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        let port = self.port.parse::<u16>().ok().filter(|port| *port > 0);
        let security: Option<DirectorySecurity> = self.security.parse().ok();
        let (true, Some(port), Some(security)) = (is_host, port, security) else { return Err("err-directory-host") };
        if self.host.contains(':') && security != DirectorySecurity::None {
            return Err("err-directory-address");
        }
        let is_here = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if security == DirectorySecurity::None && !is_here {
            return Err("err-directory-plain");
        }
        let authority = Some(self.authority.clone()).filter(|pem| !pem.is_empty());
        if authority.as_deref().is_some_and(|pem| !trust::is_authority(pem)) {
            return Err("err-hook-authority");
        }
        let is_entry = |text: &str| text.len() <= ENTRY_MAX && !text.chars().any(char::is_control);
        let texts = [&self.template, &self.service, &self.base, &self.filter];
        if !texts.into_iter().all(|text| is_entry(text)) || self.base.is_empty() {
            return Err("err-directory-base");
        }
        let has_name = |text: &str| text.contains("{name}");
        let is_filter = self.filter.starts_with('(') && self.filter.ends_with(')') && has_name(&self.filter);
        if !is_filter || !(self.template.is_empty() || has_name(&self.template)) {
            return Err("err-directory-name");
        }
        if self.template.is_empty() && self.service.is_empty() {
            return Err("err-directory-way");
        }
        let mut groups = Vec::new();
        for (role, lines) in &self.groups {
            let names = lines.lines().map(str::trim).filter(|line| !line.is_empty());
            groups.extend(names.map(|name| (name.to_owned(), *role)));
        }
        let are_groups = groups.iter().all(|(name, _)| is_entry(name) && name.contains('='));
        if groups.is_empty() || groups.len() > GROUPS_MAX || !are_groups {
            return Err("err-directory-groups");
        }
        let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(DirectorySetting {
            host: self.host.clone(),
            port,
            security,
            authority,
            template: set(&self.template),
            service: set(&self.service).map(|name| ServiceAccount { name, password: Vec::new() }),
            base: self.base.clone(),
            filter: self.filter.clone(),
            groups,
        })
    }
}

fn field_of(role: Role) -> String {
    format!("groups-{}", role.word())
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(directory_page(visit, None, None)?))).await
}

fn directory_page(
    visit: &Visit,
    refused: Option<(DirectoryForm, String)>,
    told: Option<Told>,
) -> Result<String, PageError> {
    let locale = visit.locale();
    let setting = accounts::directory_setting(visit.site(), visit.actor()?)?;
    let (form, problem) = match refused {
        Some((form, problem)) => (DirectoryForm { password: String::new(), ..form }, Some(problem)),
        None => (DirectoryForm::of(setting.as_ref()), None),
    };
    let securities = DirectorySecurity::ALL.iter().map(|each| Choice {
        value: each.word(),
        word: locale.word(&format!("directory-{}", each.word())),
        is_chosen: each.word() == form.security,
    });
    let roles = form.groups.iter().map(|(role, groups)| RoleGroups {
        field: field_of(*role),
        word: locale.word(role_key(*role)),
        groups: groups.clone(),
    });
    let page = DirectoryPage {
        frame: Frame::new(visit, &locale.word("directory-title")),
        is_set: setting.is_some(),
        has_password: setting.is_some_and(|setting| setting.service.is_some()),
        securities: securities.collect(),
        roles: roles.collect(),
        form,
        problem,
        told,
    };
    Ok(page.render()?)
}

/// What such a form sends.
type Fields = web::Form<Pairs>;

pub(in crate::portal) async fn set(visit: Visit, fields: Fields) -> HttpResponse {
    visit
        .answer(move |visit| {
            let form = DirectoryForm::sent(&fields.0.0);
            let again = |key: &str| {
                Ok(Reply::Refused(directory_page(visit, Some((form.clone(), visit.locale().word(key))), None)?))
            };
            let setting = match form.setting() {
                Ok(setting) => setting,
                Err(key) => return again(key),
            };
            let password = Some(form.password.as_str()).filter(|password| !password.is_empty());
            match accounts::set_directory(visit.site(), visit.actor()?, Some(&setting), password) {
                Ok(()) => Ok(Reply::Go("/people/directory?said=saved".to_owned())),
                Err(AccountError::PasswordShort) => again("err-directory-password"),
                Err(error) => Err(error.into()),
            }
        })
        .await
}

pub(in crate::portal) async fn remove(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            accounts::set_directory(visit.site(), visit.actor()?, None, None)?;
            Ok(Reply::Go("/people/directory?said=removed".to_owned()))
        })
        .await
}

#[derive(serde::Deserialize, utoipa::ToSchema)]
pub(in crate::portal) struct TryForm {
    name: String,
    #[serde(default)]
    password: String,
}

/// Asks for somebody, with what is saved.
pub(in crate::portal) async fn test(visit: Visit, form: web::Form<TryForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let locale = visit.locale();
            let password = Some(form.password.as_str()).filter(|password| !password.is_empty());
            let asked = accounts::try_directory(visit.site(), visit.actor()?, &OverLdap, &form.name, password);
            let told = match asked {
                Ok((Known::Entry { entry, groups }, role)) => {
                    let role = role.map(|role| locale.word(role_key(role)));
                    let (tone, text) = match role {
                        Some(role) => ("good", format!("{} {role}", locale.word("directory-told-in"))),
                        None => ("warn", locale.word("directory-told-out")),
                    };
                    Told { tone, text, detail: std::iter::once(entry).chain(groups).collect() }
                }
                Ok((Known::Nobody, _)) => {
                    Told { tone: "warn", text: locale.word("directory-told-nobody"), detail: Vec::new() }
                }
                Err(AccountError::Directory(error)) => {
                    Told { tone: "bad", text: locale.word("directory-told-away"), detail: vec![error.0] }
                }
                Err(error) => match answer::problem(&error, locale) {
                    Some(text) => Told { tone: "bad", text, detail: Vec::new() },
                    None => return Err(error.into()),
                },
            };
            Ok(Reply::Page(directory_page(visit, None, Some(told))?))
        })
        .await
}
