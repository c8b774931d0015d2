//! Mail: to whom the box reports, through which server, and what that server said.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::{Choice, When};
use crate::links;
use crate::locale::{Language, Locale};
use crate::operations::accounts::{AccountError, Right};
use crate::operations::{self, MailSecurity, MailSetting, MailState, OperationError};
use crate::reports;

/// Mails that are shown.
const SHOWN: u32 = 30;

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage<'p> {
    frame: Frame<'p>,
    may_change: bool,
    is_set: bool,
    form: MailForm,
    has_password: bool,
    securities: Vec<Choice>,
    languages: Vec<Choice>,
    mails: Vec<MailLine>,
    problem: Option<String>,
    /// Whether the code of a test mail is waited for.
    awaits_code: bool,
    code_problem: Option<String>,
}

struct MailLine {
    subject: String,
    kind: String,
    /// Style class.
    state: &'static str,
    state_word: String,
    answer: String,
    when: When,
}

#[derive(Deserialize, Clone, ToSchema)]
pub(in crate::portal) struct MailForm {
    host: String,
    port: u16,
    security: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    sender: String,
    recipients: String,
    language: String,
    /// `07:30`.
    at: String,
    #[serde(default)]
    weekends: Option<String>,
}

impl MailForm {
    fn of(setting: Option<&MailSetting>, language: Language) -> Self {
        let minute = setting.map_or(7 * 60, |setting| setting.report_minute);
        let text = |get: fn(&MailSetting) -> String| setting.map(get).unwrap_or_default();
        Self {
            host: text(|s| s.host.clone()),
            port: setting.map_or(587, |setting| setting.port),
            security: setting.map_or(MailSecurity::StartTls, |setting| setting.security).word().to_owned(),
            user: text(|s| s.user.clone().unwrap_or_default()),
            password: String::new(),
            sender: text(|s| s.sender.clone()),
            recipients: text(|s| s.recipients.join("\n")),
            language: setting.map_or(language.code().to_owned(), |setting| setting.language.clone()),
            at: format!("{:02}:{:02}", minute / 60, minute % 60),
            weekends: setting.filter(|setting| setting.weekends).map(|_| "yes".to_owned()),
        }
    }

    /// The setting that it describes, or the key of what is wrong with it.
    fn setting(&self) -> Result<MailSetting, &'static str> {
        let host = self.host.trim();
        if !operations::is_mail_host(host) || self.port == 0 {
            return Err("err-mail-host");
        }
        let sender = self.sender.trim();
        let recipients: Vec<String> = self
            .recipients
            .split([',', ';', '\n'])
            .map(str::trim)
            .filter(|r| !r.is_empty())
            .map(str::to_owned)
            .collect();
        let all_are_addresses = recipients.iter().chain([&sender.to_owned()]).all(|a| links::mail::is_address(a));
        if !all_are_addresses || recipients.is_empty() || recipients.len() > operations::RECIPIENTS_MAX {
            return Err("err-mail-address");
        }
        let (hour, minute) = self.at.split_once(':').ok_or("err-mail-time")?;
        let (hour, minute): (u16, u16) =
            hour.parse().ok().zip(minute.get(..2).and_then(|m| m.parse().ok())).ok_or("err-mail-time")?;
        if hour > 23 || minute > 59 {
            return Err("err-mail-time");
        }
        let user = self.user.trim();
        Ok(MailSetting {
            host: host.to_owned(),
            port: self.port,
            security: self.security.parse().map_err(|_| "err-mail-host")?,
            user: (!user.is_empty()).then(|| user.to_owned()),
            password: None,
            sender: sender.to_owned(),
            recipients,
            language: Language::of_code(&self.language).unwrap_or(Language::English).code().to_owned(),
            report_minute: hour * 60 + minute,
            weekends: self.weekends.is_some(),
        })
    }
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(reports_page(visit, None, None)?))).await
}

fn reports_page(
    visit: &Visit,
    refused: Option<(MailForm, String)>,
    code_problem: Option<String>,
) -> Result<String, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let setting = operations::mail_setting(visit.site())?;
    let has_password = setting.as_ref().is_some_and(|setting| setting.password.is_some());
    let (form, problem) = match refused {
        Some((form, problem)) => (form, Some(problem)),
        None => (MailForm::of(setting.as_ref(), visit.language), None),
    };
    let securities = MailSecurity::ALL.iter().map(|each| Choice {
        value: each.word(),
        word: locale.word(&format!("security-{}", each.word())),
        is_chosen: each.word() == form.security,
    });
    let languages = Language::ALL.into_iter().map(|each| Choice {
        value: each.code(),
        word: visit.portal.locales.of(each).word("language-name"),
        is_chosen: each.code() == form.language,
    });
    let mails = operations::newest_mail(visit.site(), SHOWN)?.into_iter().map(|mail| MailLine {
        kind: locale.word(&format!("mail-kind-{}", mail.kind.word())),
        state: match mail.state {
            MailState::Waiting => "waiting",
            MailState::Sent => "pass",
            MailState::Failed => "fail",
        },
        state_word: locale.word(&format!("mail-{}", mail.state.word())),
        answer: mail.answer,
        when: When::new(mail.created_at, now, locale),
        subject: mail.subject,
    });
    let page = ReportsPage {
        frame: Frame::new(visit, &locale.word("nav-reports")),
        may_change: visit.actor()?.has(Right::ChangeBox),
        is_set: setting.is_some(),
        securities: securities.collect(),
        languages: languages.collect(),
        mails: mails.collect(),
        form,
        has_password,
        problem,
        awaits_code: operations::is_mail_code_awaited(visit.site())?,
        code_problem,
    };
    Ok(page.render()?)
}

pub(in crate::portal) async fn set(visit: Visit, form: web::Form<MailForm>) -> HttpResponse {
    let form = form.into_inner();
    visit
        .answer(move |visit| match form.setting() {
            Ok(setting) => {
                let password = Some(form.password.as_str()).filter(|password| !password.is_empty());
                operations::set_mail(visit.site(), visit.actor()?, &setting, password)?;
                Ok(Reply::Go("/reports?said=saved".to_owned()))
            }
            Err(key) => {
                let shown = MailForm { password: String::new(), ..form };
                Ok(Reply::Refused(reports_page(visit, Some((shown, visit.locale().word(key))), None)?))
            }
        })
        .await
}

/// The report as it would be sent now, as a sheet of paper.
pub(in crate::portal) async fn sheet(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let scene = visit.portal.look()?;
            let bytes = reports::daily_sheet(&scene, &visit.portal.ways.url, visit.locale());
            let bytes = bytes.map_err(|error| PageError::Other(operations::chain(&error)))?;
            Ok(Reply::File { name: "datis-report.pdf", media_type: "application/pdf", bytes })
        })
        .await
}

pub(in crate::portal) async fn test(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            send_code(visit)?;
            Ok(Reply::Go("/reports?said=queued".to_owned()))
        })
        .await
}

/// Sends a mail with a code that is to be typed in here; `false` when nobody is to get mail.
pub(super) fn send_code(visit: &Visit) -> Result<bool, PageError> {
    let language = operations::mail_setting(visit.site())?.and_then(|s| Language::of_code(&s.language));
    let locale: &Locale = visit.portal.locales.of(language.unwrap_or(visit.language));
    let standing = reports::Standing::look(visit.site())?;
    Ok(operations::send_mail_code(visit.site(), visit.actor()?, |code| {
        reports::test_mail(&standing, code, &visit.portal.ways.url, locale)
            .map_err(|e| OperationError::Words(e.to_string()))
    })?)
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct MailCode {
    code: String,
}

/// Somebody types what a test mail brought.
pub(in crate::portal) async fn give_code(visit: Visit, form: web::Form<MailCode>) -> HttpResponse {
    visit
        .answer(move |visit| {
            match operations::type_mail_code(visit.site(), visit.actor()?, visit.origin.address, &form.code) {
                Ok(()) => Ok(Reply::Go("/reports?said=mail-proved".to_owned())),
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(_) if matches!(error, AccountError::Wrong) => {
                        Ok(Reply::Refused(reports_page(visit, None, Some(visit.locale().word("err-mail-code")))?))
                    }
                    Some(text) => Ok(Reply::Refused(reports_page(visit, None, Some(text))?)),
                    None => Err(error.into()),
                },
            }
        })
        .await
}
