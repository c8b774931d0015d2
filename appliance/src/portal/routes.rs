//! Every route of the portal, and what it takes to be let through: the one place where both stand. The gate goes by this
//! table, and tests ask for each of its rows as each role.

use actix_web::http::Method;
use actix_web::{guard, web};
use utoipa::openapi::path::Operation;

use super::access::Access;
use super::dav;
use super::openapi;
use super::pages::{
    account, alerts, assets, audit, back, bandwidth, dashboard, directory, entry, events, figures, machines, peers,
    people, proofs, reports, restore, retention, setup, site, system, welcome,
};
use crate::operations::accounts::Right;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// As actix-web has it, with `{names}` for parts that vary.
    pub(super) pattern: &'static str,
    pub(super) access: Access,
}

impl Route {
    /// Whether it only looks.
    pub(super) fn is_look(&self) -> bool {
        matches!(self.method, "GET" | "PROPFIND" | "OPTIONS")
    }
}

macro_rules! routes {
    ($($method:ident $pattern:literal $access:expr => $handler:path,)+) => {
        /// The table.
        pub(super) const ROUTES: &[Route] = &[
            $(Route { method: method!($method), pattern: $pattern, access: $access }),+
        ];

        /// What each handler does, for programs.
        pub(super) fn operations() -> Vec<(&'static Route, Operation)> {
            let handlers: &[fn(&Route) -> Operation] = &[
                $(|route| openapi::operation(&$handler, route, stringify!($handler))),+
            ];
            ROUTES.iter().zip(handlers).map(|(route, describe)| (route, describe(route))).collect()
        }

        /// Tells actix-web the handlers of the table.
        pub(super) fn configure(config: &mut web::ServiceConfig) {
            $(config.route($pattern, web::route().guard(guard!($method)).to($handler));)+
        }
    };
}

macro_rules! method {
    (get) => {
        "GET"
    };
    (post) => {
        "POST"
    };
    (options) => {
        "OPTIONS"
    };
    (propfind) => {
        "PROPFIND"
    };
}

macro_rules! guard {
    (get) => {
        guard::Any(guard::Get()).or(guard::Head())
    };
    (post) => {
        guard::Post()
    };
    (options) => {
        guard::Options()
    };
    (propfind) => {
        guard::fn_guard(|context| context.head().method.as_str() == "PROPFIND")
    };
}

routes! {
    get "/static/{file}" Access::Public => assets::file,
    get "/ca.crt" Access::Public => assets::authority,
    get "/openapi.json" Access::SignedIn => openapi::show,
    get "/healthz" Access::Public => figures::health,
    get "/metrics" Access::Figures => figures::metrics,
    get "/login" Access::Public => entry::form,
    post "/login" Access::Public => entry::sign_in,
    get "/login/code" Access::HalfSignedIn => entry::code_form,
    post "/login/code" Access::HalfSignedIn => entry::give_code,
    post "/logout" Access::Public => entry::sign_out,
    get "/welcome/second-factor" Access::HalfSignedIn => welcome::second_factor_form,
    post "/welcome/second-factor" Access::HalfSignedIn => welcome::set_second_factor,
    get "/welcome/{link}" Access::Public => welcome::form,
    post "/welcome/{link}" Access::Public => welcome::accept,
    get "/welcome/{link}/back" Access::Public => back::show,
    post "/welcome/{link}/back" Access::Public => back::begin,
    post "/welcome/{link}/back/start" Access::Public => back::start_again,
    get "/confirm" Access::SignedIn => entry::confirm_form,
    post "/confirm" Access::SignedIn => entry::confirm,
    get "/" Access::SignedIn => dashboard::show,
    get "/events" Access::SignedIn => events::stream,
    get "/machines" Access::SignedIn => machines::list,
    get "/machines/new" Access::Has(Right::EnrolMachines) => machines::new_form,
    post "/machines/new" Access::Has(Right::EnrolMachines) => machines::make_code,
    get "/machines/{id}" Access::SignedIn => machines::show,
    get "/machines/{id}/retention" Access::Has(Right::LookAtBox) => retention::show,
    post "/machines/{id}/policy" Access::Has(Right::ChangeMachines) => machines::set_policy,
    post "/machines/{id}/pause" Access::Has(Right::ChangeMachines) => machines::pause,
    post "/machines/{id}/resume" Access::Has(Right::ChangeMachines) => machines::resume,
    post "/machines/{id}/retire" Access::Has(Right::RetireMachines) => machines::retire,
    post "/machines/{id}/prove" Access::Has(Right::ChangeMachines) => proofs::prove,
    get "/restore" Access::Has(Right::Restore) => restore::start,
    get "/restore/search" Access::Has(Right::Restore) => restore::search,
    get "/restore/{machine}/{source}" Access::Has(Right::Restore) => restore::newest,
    get "/restore/{machine}/{source}/versions" Access::Has(Right::Restore) => restore::versions,
    get "/restore/{machine}/{source}/{snapshot}" Access::Has(Right::Restore) => restore::folder,
    get "/restore/{machine}/{source}/{snapshot}/file" Access::Has(Right::Restore) => restore::file,
    get "/restore/{machine}/{source}/{snapshot}/archive" Access::Has(Right::Restore) => restore::whole_folder,
    post "/restore/{machine}/{source}/{snapshot}/archive" Access::Has(Right::Restore) => restore::selection,
    post "/restore/{machine}/{source}/{snapshot}/put-back" Access::Has(Right::Restore) => restore::ask_put_back,
    get "/put-backs/{number}" Access::Has(Right::Restore) => restore::show_put_back,
    post "/put-backs/{number}/cancel" Access::Has(Right::Restore) => restore::cancel_put_back,
    get "/setup" Access::Has(Right::LookAtBox) => setup::start,
    get "/setup/place" Access::Has(Right::LookAtBox) => setup::place,
    post "/setup/place" Access::Has(Right::Commission) => setup::answer,
    get "/setup/{step}" Access::Has(Right::LookAtBox) => setup::show,
    get "/peers" Access::Has(Right::LookAtBox) => peers::show,
    post "/peers/found" Access::Has(Right::ManageCommunity) => peers::found,
    post "/peers/join" Access::Has(Right::ManageCommunity) => peers::join,
    post "/peers/ask-no-more" Access::Has(Right::ManageCommunity) => peers::ask_no_more,
    post "/peers/invite" Access::Has(Right::ManageCommunity) => peers::invite,
    post "/peers/invite-aloud" Access::Has(Right::ManageCommunity) => peers::invite_aloud,
    post "/peers/invitations/{id}/revoke" Access::Has(Right::ManageCommunity) => peers::revoke,
    post "/peers/admit" Access::Has(Right::ManageCommunity) => peers::admit,
    post "/peers/refuse" Access::Has(Right::ManageCommunity) => peers::refuse,
    post "/peers/drill" Access::Has(Right::ChangeBox) => peers::drill,
    get "/peers/bandwidth" Access::Has(Right::LookAtBox) => bandwidth::show,
    post "/peers/bandwidth" Access::Has(Right::ChangeBox) => bandwidth::set,
    post "/peers/bandwidth/hours" Access::Has(Right::ChangeBox) => bandwidth::paint,
    get "/peers/members/{id}" Access::Has(Right::LookAtBox) => peers::show_member,
    post "/peers/members/{id}/appoint" Access::Has(Right::ManageCommunity) => peers::appoint,
    post "/peers/members/{id}/dismiss" Access::Has(Right::ManageCommunity) => peers::dismiss,
    post "/peers/members/{id}/describe" Access::Has(Right::ManageCommunity) => peers::describe,
    post "/peers/members/{id}/remove" Access::Has(Right::ManageCommunity) => peers::remove,
    post "/peers/members/{id}/leave" Access::Has(Right::ManageCommunity) => peers::leave,
    post "/peers/forget" Access::Has(Right::ManageCommunity) => peers::forget,
    post "/peers/proposals/{id}/agree" Access::Has(Right::ManageCommunity) => peers::agree,
    post "/peers/members/{id}/confirm" Access::Has(Right::ManageCommunity) => peers::confirm,
    get "/site" Access::Has(Right::LookAtBox) => site::show,
    post "/site/run" Access::Has(Right::Commission) => site::run,
    post "/site/sign" Access::Has(Right::Commission) => site::sign,
    get "/site/certificate.pdf" Access::Has(Right::LookAtBox) => site::certificate,
    get "/site/signed.pdf" Access::Has(Right::LookAtBox) => site::signed,
    get "/site/firewall.pdf" Access::Has(Right::LookAtBox) => site::firewall,
    get "/alerts" Access::Has(Right::LookAtBox) => alerts::show,
    post "/alerts/{alert}/acknowledge" Access::Has(Right::ChangeBox) => alerts::acknowledge,
    get "/alerts/settings" Access::Has(Right::ChangeBox) => alerts::settings,
    post "/alerts/settings" Access::Has(Right::ChangeBox) => alerts::set,
    post "/alerts/settings/test" Access::Has(Right::ChangeBox) => alerts::test,
    get "/reports" Access::Has(Right::LookAtBox) => reports::show,
    get "/reports/report.pdf" Access::Has(Right::LookAtBox) => reports::sheet,
    post "/reports" Access::Has(Right::ChangeBox) => reports::set,
    post "/reports/test" Access::Has(Right::ChangeBox) => reports::test,
    post "/reports/code" Access::Has(Right::ChangeBox) => reports::give_code,
    get "/people" Access::Has(Right::ManageAccounts) => people::list,
    get "/people/new" Access::Has(Right::ManageAccounts) => people::new_form,
    post "/people/new" Access::Has(Right::ManageAccounts) => people::invite,
    get "/people/directory" Access::Has(Right::ManageAccounts) => directory::show,
    post "/people/directory" Access::Has(Right::ManageAccounts) => directory::set,
    post "/people/directory/test" Access::Has(Right::ManageAccounts) => directory::test,
    post "/people/directory/remove" Access::Has(Right::ManageAccounts) => directory::remove,
    get "/people/{name}" Access::Has(Right::ManageAccounts) => people::show,
    post "/people/{name}" Access::Has(Right::ManageAccounts) => people::change,
    post "/people/{name}/link" Access::Has(Right::ManageAccounts) => people::link,
    post "/people/{name}/second-factor" Access::Has(Right::ManageAccounts) => people::reset_second_factor,
    post "/people/{name}/remove" Access::Has(Right::ManageAccounts) => people::remove,
    get "/audit" Access::Has(Right::ReadAudit) => audit::show,
    get "/system" Access::Has(Right::LookAtBox) => system::show,
    get "/system/network" Access::Has(Right::LookAtBox) => system::network::show,
    post "/system/network" Access::Has(Right::RunBox) => system::network::change,
    post "/system/network/revert" Access::Has(Right::RunBox) => system::network::take_back,
    get "/system/network/keep/{link}" Access::Public => system::network::keep_form,
    post "/system/network/keep/{link}" Access::Public => system::network::keep,
    get "/system/time" Access::Has(Right::LookAtBox) => system::facts::time,
    get "/system/storage" Access::Has(Right::LookAtBox) => system::facts::storage,
    get "/system/ups" Access::Has(Right::LookAtBox) => system::facts::ups,
    get "/system/services" Access::Has(Right::LookAtBox) => system::facts::services,
    get "/system/components" Access::Has(Right::LookAtBox) => system::components::show,
    get "/system/components.json" Access::Has(Right::LookAtBox) => system::components::file,
    get "/system/power" Access::Has(Right::RunBox) => system::power::show,
    post "/system/power" Access::Has(Right::RunBox) => system::power::switch,
    get "/system/certificate" Access::Has(Right::LookAtBox) => system::certificate::show,
    post "/system/certificate" Access::Has(Right::RunBox) => system::certificate::set,
    post "/system/certificate/remove" Access::Has(Right::RunBox) => system::certificate::forget,
    get "/system/support" Access::Has(Right::ManageAccounts) => system::support::show,
    post "/system/support" Access::Has(Right::ManageAccounts) => system::support::open,
    post "/system/support/close" Access::Has(Right::ManageAccounts) => system::support::close,
    post "/system/kit" Access::Has(Right::SeeKit) => system::kit,
    post "/system/kit.pdf" Access::Has(Right::SeeKit) => system::kit_sheet,
    post "/system/kit/sheets" Access::Has(Right::SeeKit) => system::kit_in_three,
    post "/system/kit/sheets.pdf" Access::Has(Right::SeeKit) => system::kit_in_three_sheets,
    post "/system/kit/paper" Access::Has(Right::SeeKit) => system::prove_paper,
    post "/system/kit/proof" Access::Has(Right::SeeKit) => system::prove_kit,
    get "/account" Access::SignedIn => account::show,
    post "/account/language" Access::SignedIn => account::set_language,
    post "/account/password" Access::SignedIn => account::change_password,
    get "/account/second-factor" Access::SignedIn => welcome::second_factor_form,
    post "/account/second-factor" Access::SignedIn => welcome::set_second_factor,
    post "/account/recovery-codes" Access::SignedIn => account::recovery_codes,
    post "/account/sessions/end" Access::SignedIn => account::end_session,
    post "/account/sessions/end-others" Access::SignedIn => account::end_other_sessions,
    post "/account/tokens" Access::SignedIn => account::make_token,
    post "/account/tokens/revoke" Access::SignedIn => account::revoke_token,
    options "/dav" Access::Folders => dav::options,
    options "/dav/{path:.*}" Access::Folders => dav::options,
    propfind "/dav" Access::Folders => dav::list,
    propfind "/dav/{path:.*}" Access::Folders => dav::list,
    get "/dav" Access::Folders => dav::read,
    get "/dav/{path:.*}" Access::Folders => dav::read,
}

/// The row for a request; `pattern` as actix-web has matched it.
pub(super) fn find(method: &Method, pattern: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|route| route.method == method && route.pattern == pattern)
}

/// A path for the log: links that let in are secrets, and names of files are nobody's business.
pub(super) fn shown(path: &str) -> &str {
    if path.starts_with("/welcome/") {
        "/welcome/…"
    } else if path.starts_with("/system/network/keep/") {
        "/system/network/keep/…"
    } else if dav::is_within(path) {
        "/dav/…"
    } else {
        path
    }
}
