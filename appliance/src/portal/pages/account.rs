//! The own account: password, authenticator, language, where it is signed in, tokens.

use actix_web::{HttpResponse, web};
use askama::Template;
use data_encoding::HEXLOWER;
use datis_engine::units::Seconds;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::{Frame, role_key};
use super::super::visit::Visit;
use super::welcome::RecoveryCodesPage;
use super::{Choice, When};
use crate::catalog::TokenRow;
use crate::locale::Language;
use crate::operations::accounts::{self, AccountError, Right, TokenScope};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'p> {
    frame: Frame<'p>,
    name: String,
    role: String,
    services: Vec<String>,
    languages: Vec<Choice>,
    has_factor: bool,
    recovery_codes: String,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenView>,
    scopes: Vec<Choice>,
    folders: Option<FolderWays>,
    problem: Option<String>,
}

struct SessionRow {
    id: String,
    agent: String,
    address: String,
    begun: When,
    seen: When,
    is_this: bool,
}

/// What has to be typed to open the backups as a network folder.
struct FolderWays {
    /// As most programs take it.
    address: String,
    /// As the file manager of Linux takes it.
    linux: String,
}

impl FolderWays {
    /// `None` for those who may not.
    fn of(visit: &Visit) -> Result<Option<Self>, PageError> {
        let here = visit.here();
        let linux = here.replacen("https://", "davs://", 1);
        let ways = Self { address: format!("{here}/dav/"), linux: format!("{linux}/dav/") };
        Ok(visit.actor()?.has(Right::OpenFolders).then_some(ways))
    }
}

struct TokenView {
    row: i64,
    name: String,
    scope: String,
    is_over: bool,
    until: String,
    used: Option<When>,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(account_page(visit, None)?))).await
}

fn account_page(visit: &Visit, problem: Option<String>) -> Result<String, PageError> {
    let (locale, actor) = (visit.locale(), visit.actor()?);
    let own = accounts::own_account(visit.site(), actor)?;
    let now = own.now;
    let languages = Language::ALL.into_iter().map(|language| Choice {
        value: language.code(),
        word: visit.portal.locales.of(language).word("language-name"),
        is_chosen: own.account.language.as_deref() == Some(language.code()),
    });
    // That for network folders has a form of its own, which says what it is for.
    let scopes = TokenScope::ALL.iter().filter(|scope| **scope != TokenScope::Webdav).map(|scope| Choice {
        value: scope.word(),
        word: locale.word(&format!("scope-{}", scope.word())),
        is_chosen: *scope == TokenScope::Read,
    });
    let sessions = own.sessions.iter().map(|session| SessionRow {
        id: HEXLOWER.encode(&session.digest),
        agent: session.agent.clone(),
        address: session.address.clone(),
        begun: When::new(session.created_at, now, locale),
        seen: When::new(session.seen_at, now, locale),
        is_this: own.this_session == Some(session.digest),
    });
    let tokens = own.tokens.iter().map(|token| TokenView {
        row: token.row.0,
        name: token.name.clone(),
        scope: locale.word(&format!("scope-{}", token.scope.word())),
        is_over: token.expires_at <= now,
        until: super::exactly(token.expires_at.0).split('T').next().unwrap_or_default().to_owned(),
        used: token.used_at.map(|at| When::new(at, now, locale)),
    });
    let page = AccountPage {
        frame: Frame::new(visit, &locale.word("nav-account")),
        name: own.account.name.to_string(),
        role: locale.word(role_key(own.account.role)),
        services: own.services.iter().map(|service| locale.word(&format!("service-{}", service.word()))).collect(),
        languages: languages.collect(),
        has_factor: own.account.totp.is_some(),
        recovery_codes: locale.count("codes-left", own.recovery_codes),
        sessions: sessions.collect(),
        tokens: tokens.collect(),
        scopes: scopes.collect(),
        folders: FolderWays::of(visit)?,
        problem,
    };
    Ok(page.render()?)
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct LanguageForm {
    language: String,
}

pub(in crate::portal) async fn set_language(visit: Visit, form: web::Form<LanguageForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let language = Language::of_code(&form.language).map(Language::code);
            accounts::set_language(visit.site(), visit.actor()?, language)?;
            Ok(Reply::Go("/account?said=saved".to_owned()))
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct NewPassword {
    password: String,
}

pub(in crate::portal) async fn change_password(visit: Visit, form: web::Form<NewPassword>) -> HttpResponse {
    visit
        .answer(move |visit| {
            done(
                visit,
                accounts::change_password(visit.site(), visit.actor()?, &form.password),
                "/account?said=password",
            )
        })
        .await
}

/// After a change: on, or the page again with what is wrong. Whoever has to give the password first comes back to it.
fn done(visit: &Visit, result: Result<(), AccountError>, next: &str) -> Result<Reply, PageError> {
    match result {
        Ok(()) => Ok(Reply::Go(next.to_owned())),
        Err(AccountError::Operation(crate::operations::OperationError::ConfirmFirst)) => Ok(confirm()),
        Err(error) => match answer::problem(&error, visit.locale()) {
            Some(problem) => Ok(Reply::Refused(account_page(visit, Some(problem))?)),
            None => Err(error.into()),
        },
    }
}

fn confirm() -> Reply {
    Reply::Go("/confirm?next=/account".to_owned())
}

pub(in crate::portal) async fn recovery_codes(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| match accounts::new_recovery_codes(visit.site(), visit.actor()?) {
            Ok(codes) => {
                let frame = Frame::new(visit, &visit.locale().word("codes-title"));
                Ok(Reply::Page(RecoveryCodesPage { frame, codes }.render()?))
            }
            Err(error) => done(visit, Err(error), ""),
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct SessionForm {
    session: String,
}

pub(in crate::portal) async fn end_session(visit: Visit, form: web::Form<SessionForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let decoded = HEXLOWER.decode(form.session.as_bytes()).ok();
            let session = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or(PageError::NotFound)?;
            accounts::end_session(visit.site(), visit.actor()?, &session)?;
            Ok(Reply::Go("/account?said=ended".to_owned()))
        })
        .await
}

pub(in crate::portal) async fn end_other_sessions(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            accounts::end_other_sessions(visit.site(), visit.actor()?)?;
            Ok(Reply::Go("/account?said=ended".to_owned()))
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct TokenForm {
    name: String,
    scope: String,
    days: u16,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage<'p> {
    frame: Frame<'p>,
    name: String,
    token: &'p str,
    /// Of a token for network folders: the name that goes with it, and where to.
    folders: Option<(String, FolderWays)>,
}

pub(in crate::portal) async fn make_token(visit: Visit, form: web::Form<TokenForm>) -> HttpResponse {
    let TokenForm { name, scope, days } = form.into_inner();
    visit
        .answer(move |visit| {
            let scope: TokenScope = scope.parse().map_err(|_| PageError::NotFound)?;
            let life = Seconds(Seconds::DAY.0 * u64::from(days));
            match accounts::make_token(visit.site(), visit.actor()?, &name, scope, life) {
                Ok(token) => {
                    let frame = Frame::new(visit, &visit.locale().word("token-title"));
                    let ways = FolderWays::of(visit)?.filter(|_| scope == TokenScope::Webdav);
                    let account = visit.actor()?.name().to_owned();
                    let folders = ways.map(|ways| (account, ways));
                    Ok(Reply::Page(TokenPage { frame, name, token: token.expose(), folders }.render()?))
                }
                Err(error) => done(visit, Err(error), ""),
            }
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct TokenRowForm {
    token: i64,
}

pub(in crate::portal) async fn revoke_token(visit: Visit, form: web::Form<TokenRowForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            accounts::revoke_token(visit.site(), visit.actor()?, TokenRow(form.token))?;
            Ok(Reply::Go("/account?said=removed".to_owned()))
        })
        .await
}
