//! The box's own address: how it is now, and another one, tried until somebody confirms it from there.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::visit::Visit;
use super::ways;
use crate::commissioning::PortView;
use crate::hand::addressing::{Addressing, AddressingError, Fixed};
use crate::host::{self, Arrival, Ended, HostError};
use crate::locale::Locale;
use crate::operations::accounts::Right;

#[derive(Template)]
#[template(path = "system_network.html")]
struct NetworkPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    port: Option<PortView>,
    /// Who manages the port, or why nobody knows.
    manager: String,
    /// Whether the form is shown.
    may_change: bool,
    /// What is being tried, and for how long.
    trial: Option<(String, String)>,
    last: Option<(&'static str, String)>,
    form: NetworkForm,
    problem: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub(in crate::portal) struct NetworkForm {
    /// `dhcp` or `fixed`.
    how: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    names: String,
}

impl NetworkForm {
    /// As the port is now.
    fn of(port: Option<&PortView>) -> Self {
        let Some(port) = port else { return Self { how: "dhcp".to_owned(), ..Self::default() } };
        let held = port.addresses.first();
        Self {
            how: if held.is_some_and(|held| !held.is_lent) { "fixed" } else { "dhcp" }.to_owned(),
            address: held.map(|held| format!("{}/{}", held.ip, held.prefix)).unwrap_or_default(),
            gateway: port.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
            names: port.names.iter().filter(|ip| ip.is_ipv4()).map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    /// `None` when `how` is neither of the two.
    fn wanted(&self) -> Option<Result<Addressing, AddressingError>> {
        match self.how.as_str() {
            "fixed" => Some(Fixed::parse(&self.address, &self.gateway, &self.names).map(Addressing::Fixed)),
            "dhcp" => Some(Ok(Addressing::Dhcp)),
            _ => None,
        }
    }

    fn is_fixed(&self) -> bool {
        self.how == "fixed"
    }
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(network_page(visit, None, None)?))).await
}

/// `form`: what was typed; `None` shows how the port is.
fn network_page(visit: &Visit, form: Option<NetworkForm>, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let (port, manager, is_managed) = match host::look() {
        Ok(view) => match view.manager {
            Ok(Some(manager)) => (Some(view.port), manager.name().to_owned(), true),
            Ok(None) => (Some(view.port), locale.word("network-unmanaged"), false),
            Err(_) => (Some(view.port), locale.word("network-no-helper"), false),
        },
        Err(_) => (None, locale.word("network-no-port"), false),
    };
    let trial = visit.portal.ways.host.trial();
    let form = form.unwrap_or_else(|| NetworkForm::of(port.as_ref()));
    let page = NetworkPage {
        frame: Frame::new(visit, &locale.word("sys-network")),
        ways: ways(visit, "/system/network")?,
        may_change: is_managed && trial.is_none() && visit.actor()?.has(Right::RunBox),
        port,
        manager,
        trial: trial.map(|trial| (trial.wanted, locale.count("network-left", trial.seconds_left))),
        last: visit.portal.ways.host.last_end().map(|ended| told(&ended, locale)),
        form,
        problem,
    };
    Ok(page.render()?)
}

/// How the last change ended: a style and a sentence.
fn told(ended: &Ended, locale: &Locale) -> (&'static str, String) {
    match ended {
        Ended::Kept { wanted } => ("good", locale.naming("network-was-kept", wanted)),
        Ended::TakenBack { wanted } => ("warn", locale.naming("network-was-taken-back", wanted)),
        Ended::Down { wanted, .. } => ("bad", locale.naming("network-is-down", wanted)),
        Ended::Failed { wanted, .. } => ("bad", locale.naming("network-has-failed", wanted)),
        Ended::Stuck { wanted, .. } => ("bad", locale.naming("network-is-stuck", wanted)),
    }
}

/// What is wrong, in the visitor's language; `None` for what is the box's own fault.
fn problem(error: &HostError, locale: &Locale) -> Option<String> {
    Some(match error {
        HostError::NoPort => locale.word("network-no-port"),
        HostError::Unmanaged { .. } => locale.word("network-unmanaged"),
        HostError::Taken { mac, .. } => locale.naming("err-network-taken", mac),
        HostError::Unprobed { .. } => locale.word("err-network-unprobed"),
        HostError::Busy => locale.word("err-network-busy"),
        HostError::NothingTried => locale.word("err-network-nothing"),
        HostError::FromElsewhere { wanted } => locale.naming("err-network-elsewhere", wanted),
        HostError::NotYet => locale.word("err-network-not-yet"),
        HostError::Down(_) => locale.word("err-network-down"),
        HostError::Stuck(_) => locale.word("err-network-stuck"),
        HostError::TooLate => locale.word("err-network-late"),
        HostError::Hand(_) | HostError::Failed(_) => locale.word("err-hand"),
        HostError::Operation(_)
        | HostError::Untold(_)
        | HostError::Note(_)
        | HostError::Thread(_)
        | HostError::Random => return None,
    })
}

/// The same for an address that cannot work.
fn problem_of(error: &AddressingError, locale: &Locale) -> String {
    match error {
        AddressingError::NoAddress(_) => locale.word("err-network-address"),
        AddressingError::NoIp(text) => locale.naming("err-network-ip", text),
        AddressingError::Prefix(_) => locale.word("err-network-prefix"),
        AddressingError::Unusable(ip) => locale.naming("err-network-unusable", &ip.to_string()),
        AddressingError::Ends(ip) => locale.naming("err-network-ends", &ip.to_string()),
        AddressingError::GatewayOutside { network, .. } => locale.naming("err-network-gateway", network),
        AddressingError::GatewayIsBox(_) => locale.word("err-network-gateway-box"),
        AddressingError::TooManyNames => locale.word("err-network-names"),
    }
}

/// Where the new address is, and how it is confirmed.
#[derive(Template)]
#[template(path = "system_network_try.html")]
struct TryPage<'p> {
    frame: Frame<'p>,
    sentence: String,
    links: Vec<String>,
}

pub(in crate::portal) async fn change(visit: Visit, form: web::Form<NetworkForm>) -> HttpResponse {
    let form = form.into_inner();
    visit
        .answer(move |visit| {
            let locale = visit.locale();
            let refuse = |problem| Ok(Reply::Refused(network_page(visit, Some(form.clone()), Some(problem))?));
            let wanted = match form.wanted() {
                Some(Ok(wanted)) => wanted,
                Some(Err(error)) => return refuse(problem_of(&error, locale)),
                None => return refuse(locale.word("err-network-how")),
            };
            let begun = match visit.portal.ways.host.try_network(visit.actor()?, &wanted) {
                Ok(begun) => begun,
                Err(HostError::Operation(error)) => return Err(error.into()),
                Err(error) => match problem(&error, locale) {
                    Some(problem) => return refuse(problem),
                    None => return Err(PageError::Other(crate::operations::chain(&error))),
                },
            };
            // By its address, and by its name, which finds it wherever it is.
            let by_name = format!("{}.local", visit.portal.site.vault.box_name);
            let hosts = begun.address.map(|ip| ip.to_string()).into_iter().chain([by_name]);
            let port = visit.port().map(|port| format!(":{port}")).unwrap_or_default();
            let page = TryPage {
                frame: Frame::new(visit, &locale.word("network-try-title")),
                sentence: locale.count("network-try-text", begun.seconds.into()),
                links: hosts.map(|host| format!("https://{host}{port}/system/network/keep/{}", begun.link)).collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

pub(in crate::portal) async fn take_back(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| match visit.portal.ways.host.take_back(visit.actor()?) {
            Ok(()) => Ok(Reply::Go("/system/network".to_owned())),
            Err(HostError::Operation(error)) => Err(error.into()),
            Err(error) => match problem(&error, visit.locale()) {
                Some(problem) => Ok(Reply::Refused(network_page(visit, None, Some(problem))?)),
                None => Err(PageError::Other(crate::operations::chain(&error))),
            },
        })
        .await
}

/// For whoever followed the link, signed in or not: at the new address nobody is.
#[derive(Template)]
#[template(path = "system_network_keep.html")]
struct KeepPage<'p> {
    frame: Frame<'p>,
    link: Option<String>,
    problem: Option<String>,
}

fn keep_page(visit: &Visit, link: Option<String>, problem: Option<String>) -> Result<String, PageError> {
    let frame = Frame::new(visit, &visit.locale().word("network-keep-title"));
    Ok(KeepPage { frame, link, problem }.render()?)
}

pub(in crate::portal) async fn keep_form(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            if visit.portal.ways.host.is_link(&link) {
                Ok(Reply::Page(keep_page(visit, Some(link.into_inner()), None)?))
            } else {
                let over = visit.locale().word("err-network-nothing");
                Ok(Reply::Refused(keep_page(visit, None, Some(over))?))
            }
        })
        .await
}

pub(in crate::portal) async fn keep(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let host = &visit.portal.ways.host;
            // An address that is not known is none that was tried.
            let arrival = visit.arrived_on.ok_or(HostError::NothingTried).map(Arrival::On);
            match arrival.and_then(|arrival| host.keep(Some(&link), arrival)) {
                Ok(()) => Ok(Reply::Go("/system/network".to_owned())),
                Err(error) => {
                    let sentence = problem(&error, visit.locale());
                    let sentence = sentence.ok_or_else(|| PageError::Other(crate::operations::chain(&error)))?;
                    let link = host.is_link(&link).then(|| link.into_inner());
                    Ok(Reply::Refused(keep_page(visit, link, Some(sentence))?))
                }
            }
        })
        .await
}
