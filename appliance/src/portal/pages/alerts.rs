//! What needs somebody, and how that is told.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::openapi::Pairs;
use super::super::visit::Visit;
use super::reports::send_code;
use super::{Choice, When};
use crate::links::trust;
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::{
    self, Alert, AlertChange, AlertKind, AlertRow, AlertSetting, Channel, NOTE_MAX, PostState, QuietHours, SECRET_MAX,
    SECRET_MIN, SetAlertsError, Severity, WebhookChange,
};
use crate::reports::{self, Standing};

/// Open alerts that are shown, and those that are over.
const SHOWN: usize = 200;
/// Messages to the webhook that are shown.
const POSTS_SHOWN: u32 = 30;

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage<'p> {
    frame: Frame<'p>,
    may_change: bool,
    note_max: usize,
    open: Vec<AlertLine>,
    seen: Vec<AlertLine>,
    is_cut: bool,
    over: Vec<AlertLine>,
}

struct AlertLine {
    row: i64,
    /// Style class.
    tone: &'static str,
    severity: String,
    text: String,
    /// Where to look further.
    path: String,
    since: When,
    until: Option<When>,
    seen: Option<Seen>,
}

struct Seen {
    by: String,
    when: When,
    note: String,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, site) = (visit.locale(), visit.site());
            let standing = Standing::look(site)?;
            let history = operations::alert_history(site, u32::try_from(SHOWN).unwrap_or(u32::MAX))?;
            let line = |alert: &Alert| alert_line(&standing, alert, visit);
            let mut open: Vec<&Alert> = standing.alerts.iter().collect();
            // The worst first, and of those the newest.
            open.sort_by_key(|alert| std::cmp::Reverse((rank(alert), alert.row.0)));
            let (seen, unseen): (Vec<_>, Vec<_>) = open.into_iter().partition(|alert| alert.acknowledged.is_some());
            let page = AlertsPage {
                frame: Frame::new(visit, &locale.word("nav-alerts")),
                may_change: visit.actor()?.has(Right::ChangeBox),
                note_max: NOTE_MAX,
                is_cut: unseen.len() > SHOWN || seen.len() > SHOWN,
                open: unseen.into_iter().take(SHOWN).map(line).collect(),
                seen: seen.into_iter().take(SHOWN).map(line).collect(),
                over: history.iter().map(line).collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn rank(alert: &Alert) -> usize {
    let severity = alert.key.kind.severity();
    Severity::ALL.iter().position(|each| *each == severity).unwrap_or_default()
}

fn alert_line(standing: &Standing, alert: &Alert, visit: &Visit) -> AlertLine {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let severity = alert.key.kind.severity();
    AlertLine {
        row: alert.row.0,
        tone: reports::tone(severity).word(),
        severity: locale.word(&format!("severity-{}", severity.word())),
        text: standing.sentence(alert, locale),
        path: path_of(alert),
        since: When::new(alert.opened_at, now, locale),
        until: alert.closed_at.map(|at| When::new(at, now, locale)),
        seen: alert.acknowledged.as_ref().map(|seen| Seen {
            by: seen.by.clone(),
            when: When::new(seen.at, now, locale),
            note: seen.note.clone(),
        }),
    }
}

fn path_of(alert: &Alert) -> String {
    match alert.key.kind {
        AlertKind::MachineDamaged | AlertKind::MachineLate | AlertKind::MachineIncomplete | AlertKind::ProofFailed => {
            format!("/machines/{}", alert.key.subject)
        }
        AlertKind::CheckFails | AlertKind::CheckWarns | AlertKind::ReachLost => "/site".to_owned(),
        AlertKind::DamagedPacks
        | AlertKind::DiskFull
        | AlertKind::DiskLow
        | AlertKind::Certificate
        | AlertKind::KitOld => "/system".to_owned(),
        AlertKind::PeerSuspect
        | AlertKind::PeerAbsent
        | AlertKind::DeletionsFrozen
        | AlertKind::OwnerSilent
        | AlertKind::BooksDiffer
        | AlertKind::DrillFailed
        | AlertKind::DrillOverdue
        | AlertKind::CommunityParted
        | AlertKind::MemberRebound
        | AlertKind::KitUsed => "/peers".to_owned(),
    }
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct NoteForm {
    #[serde(default)]
    note: String,
}

pub(in crate::portal) async fn acknowledge(
    visit: Visit,
    alert: web::Path<String>,
    form: web::Form<NoteForm>,
) -> HttpResponse {
    visit
        .answer(move |visit| {
            let row = AlertRow(alert.parse().map_err(|_| PageError::NotFound)?);
            let is_open = operations::acknowledge_alert(visit.site(), visit.actor()?, row, &form.note)?;
            Ok(Reply::Go(format!("/alerts?said={}", if is_open { "alert-seen" } else { "alert-gone" })))
        })
        .await
}

#[derive(Template)]
#[template(path = "alerts_settings.html")]
struct SettingsPage<'p> {
    frame: Frame<'p>,
    routes: Vec<Route>,
    has_mail: bool,
    has_webhook: bool,
    form: SettingsForm,
    posts: Vec<PostLine>,
    secret_min: usize,
    secret_max: usize,
    problem: Option<String>,
}

/// What is told on one way.
struct Route {
    channel: &'static str,
    word: String,
    severities: Vec<Choice>,
}

struct PostLine {
    event: String,
    /// Style class.
    state: &'static str,
    state_word: String,
    answer: String,
    when: When,
}

/// What the form sends, or what it is to show.
#[derive(Clone, Default)]
struct SettingsForm {
    routes: Vec<(Channel, Severity)>,
    quiet_from: String,
    quiet_until: String,
    quiet_weekends: bool,
    url: String,
    secret: String,
    authority: String,
}

impl SettingsForm {
    fn of(setting: &AlertSetting) -> Self {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let webhook = setting.webhook.as_ref();
        Self {
            routes: setting.routes.clone(),
            quiet_from: setting.quiet.hours.map(|(from, _)| time(from)).unwrap_or_default(),
            quiet_until: setting.quiet.hours.map(|(_, until)| time(until)).unwrap_or_default(),
            quiet_weekends: setting.quiet.weekends,
            url: webhook.map(|webhook| webhook.url.as_str().to_owned()).unwrap_or_default(),
            secret: String::new(),
            authority: webhook.and_then(|webhook| webhook.authority.clone()).unwrap_or_default(),
        }
    }

    fn sent(fields: &[(String, String)]) -> Self {
        let of = |name: &str| -> String {
            fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut routes = Vec::new();
        for channel in Channel::ALL {
            let chosen = fields.iter().filter(|(key, _)| key == channel.word());
            routes.extend(chosen.filter_map(|(_, word)| Some((*channel, word.parse().ok()?))));
        }
        Self {
            routes,
            quiet_from: of("quiet_from"),
            quiet_until: of("quiet_until"),
            quiet_weekends: !of("quiet_weekends").is_empty(),
            url: of("url"),
            secret: of("secret"),
            authority: of("authority"),
        }
    }

    /// The change that it describes, or the key of what is wrong with it.
    fn change(&self) -> Result<AlertChange, &'static str> {
        let hours = match (minute(&self.quiet_from), minute(&self.quiet_until)) {
            (Some(from), Some(until)) => Some((from, until)),
            (None, None) if self.quiet_from.is_empty() && self.quiet_until.is_empty() => None,
            _ => return Err("err-quiet"),
        };
        let webhook = if self.url.is_empty() {
            None
        } else {
            let authority = Some(self.authority.clone()).filter(|pem| !pem.is_empty());
            if authority.as_deref().is_some_and(|pem| !trust::is_authority(pem)) {
                return Err("err-hook-authority");
            }
            Some(WebhookChange {
                url: self.url.parse().map_err(|_| "err-hook-url")?,
                secret: Some(self.secret.clone()).filter(|secret| !secret.is_empty()),
                authority,
            })
        };
        let quiet = QuietHours { hours, weekends: self.quiet_weekends };
        Ok(AlertChange { routes: self.routes.clone(), quiet, webhook })
    }
}

/// Of `07:30`, as browsers send it.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.get(..2)?.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

pub(in crate::portal) async fn settings(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(settings_page(visit, None)?))).await
}

fn settings_page(visit: &Visit, refused: Option<(SettingsForm, String)>) -> Result<String, PageError> {
    let (locale, site) = (visit.locale(), visit.site());
    let setting = operations::alert_setting(site)?;
    let (form, problem) = match refused {
        Some((form, problem)) => (SettingsForm { secret: String::new(), ..form }, Some(problem)),
        None => (SettingsForm::of(&setting), None),
    };
    let posts = operations::newest_posts(site, POSTS_SHOWN)?.into_iter().map(|post| PostLine {
        event: locale.word(&format!("post-{}", post.event.word())),
        state: match post.state {
            PostState::Waiting => "waiting",
            PostState::Sent => "pass",
            PostState::Failed => "fail",
        },
        state_word: locale.word(&format!("post-{}", post.state.word())),
        answer: post.answer,
        when: When::new(post.created_at, site.clock.now(), locale),
    });
    let page = SettingsPage {
        frame: Frame::new(visit, &locale.word("alert-settings")),
        routes: Channel::ALL.iter().map(|channel| route(*channel, &form, locale)).collect(),
        has_mail: operations::mail_setting(site)?.is_some_and(|mail| !mail.recipients.is_empty()),
        has_webhook: setting.webhook.is_some(),
        posts: posts.collect(),
        form,
        secret_min: SECRET_MIN,
        secret_max: SECRET_MAX,
        problem,
    };
    Ok(page.render()?)
}

fn route(channel: Channel, form: &SettingsForm, locale: &Locale) -> Route {
    let severities = Severity::ALL.iter().map(|severity| Choice {
        value: severity.word(),
        word: locale.word(&format!("severity-{}", severity.word())),
        is_chosen: form.routes.contains(&(channel, *severity)),
    });
    let word = locale.word(&format!("channel-{}", channel.word()));
    Route { channel: channel.word(), word, severities: severities.collect() }
}

pub(in crate::portal) async fn set(visit: Visit, fields: web::Form<Pairs>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let form = SettingsForm::sent(&fields.0.0);
            let again = |form: &SettingsForm, key: &str| {
                Ok(Reply::Refused(settings_page(visit, Some((form.clone(), visit.locale().word(key))))?))
            };
            let change = match form.change() {
                Ok(change) => change,
                Err(key) => return again(&form, key),
            };
            match operations::set_alerts(visit.site(), visit.actor()?, &change) {
                Ok(()) => Ok(Reply::Go("/alerts/settings?said=saved".to_owned())),
                Err(SetAlertsError::Secret) => again(&form, "err-hook-secret"),
                Err(SetAlertsError::Operation(error)) => Err(error.into()),
            }
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct TestForm {
    channel: String,
}

pub(in crate::portal) async fn test(visit: Visit, form: web::Form<TestForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let (site, actor) = (visit.site(), visit.actor()?);
            let (is_sent, next) = match form.channel.parse().map_err(|_| PageError::NotFound)? {
                Channel::Mail => (send_code(visit)?, "/reports?said=queued"),
                Channel::Webhook => {
                    let body = reports::webhook_test(&Standing::look(site)?, &visit.portal.ways.url);
                    (operations::test_webhook(site, actor, &body)?, "/alerts/settings?said=posted")
                }
            };
            if is_sent {
                return Ok(Reply::Go(next.to_owned()));
            }
            let form = SettingsForm::of(&operations::alert_setting(site)?);
            Ok(Reply::Refused(settings_page(visit, Some((form, visit.locale().word("err-try-nobody"))))?))
        })
        .await
}
