//! Every route of the portal, and what it takes to be let through: the one place where both stand. The gate goes by this
//! table, and tests ask for each of its rows as each role.

use actix_web::http::Method;
use actix_web::web;

use super::access::Access;
use super::pages::{
    account, assets, audit, dashboard, entry, events, figures, machines, people, reports, site, system, welcome,
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
        self.method == "GET"
    }
}

macro_rules! routes {
    ($($method:ident $pattern:literal $access:expr => $handler:path,)+) => {
        /// The table.
        pub(super) const ROUTES: &[Route] = &[
            $(Route { method: method!($method), pattern: $pattern, access: $access }),+
        ];

        /// Tells actix-web the handlers of the table.
        pub(super) fn configure(config: &mut web::ServiceConfig) {
            $(config.route($pattern, web::$method().to($handler));)+
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
}

routes! {
    get "/static/{file}" Access::Public => assets::file,
    get "/ca.crt" Access::Public => assets::authority,
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
    get "/confirm" Access::SignedIn => entry::confirm_form,
    post "/confirm" Access::SignedIn => entry::confirm,
    get "/" Access::SignedIn => dashboard::show,
    get "/events" Access::SignedIn => events::stream,
    get "/machines" Access::SignedIn => machines::list,
    get "/machines/new" Access::Has(Right::EnrolMachines) => machines::new_form,
    post "/machines/new" Access::Has(Right::EnrolMachines) => machines::make_code,
    get "/machines/{id}" Access::SignedIn => machines::show,
    post "/machines/{id}/policy" Access::Has(Right::ChangeMachines) => machines::set_policy,
    post "/machines/{id}/retire" Access::Has(Right::RetireMachines) => machines::retire,
    get "/site" Access::Has(Right::LookAtBox) => site::show,
    post "/site/run" Access::Has(Right::Commission) => site::run,
    get "/reports" Access::Has(Right::LookAtBox) => reports::show,
    post "/reports" Access::Has(Right::ChangeBox) => reports::set,
    post "/reports/test" Access::Has(Right::ChangeBox) => reports::test,
    get "/people" Access::Has(Right::ManageAccounts) => people::list,
    get "/people/new" Access::Has(Right::ManageAccounts) => people::new_form,
    post "/people/new" Access::Has(Right::ManageAccounts) => people::invite,
    get "/people/{name}" Access::Has(Right::ManageAccounts) => people::show,
    post "/people/{name}" Access::Has(Right::ManageAccounts) => people::change,
    post "/people/{name}/link" Access::Has(Right::ManageAccounts) => people::link,
    post "/people/{name}/second-factor" Access::Has(Right::ManageAccounts) => people::reset_second_factor,
    post "/people/{name}/remove" Access::Has(Right::ManageAccounts) => people::remove,
    get "/audit" Access::Has(Right::ReadAudit) => audit::show,
    get "/system" Access::Has(Right::LookAtBox) => system::show,
    post "/system/kit" Access::Has(Right::SeeKit) => system::kit,
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
}

/// The row for a request; `pattern` as actix-web has matched it.
pub(super) fn find(method: &Method, pattern: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|route| route.method == method && route.pattern == pattern)
}

/// A path for the log: links that let in are secrets.
pub(super) fn shown(path: &str) -> &str {
    if path.starts_with("/welcome/") { "/welcome/…" } else { path }
}
