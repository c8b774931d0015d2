//! Reports, alerts, and the ways to the mail server and the webhook.

use datis_engine::units::UnixMillis;
use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, Zoned};

use super::Orders;
use super::steps::Done;
use crate::links;
use crate::locale::{Language, Locale};
use crate::operations::accounts::{self, AccountError};
use crate::operations::{self, AlertRow, Channel, MailKind, MailSetting, OperationError, Site, chain};
use crate::reports::{self, Standing};

/// Opens and closes alerts, and makes what is to be told now: what has just become bad, and the daily report when its
/// time has come.
pub(super) fn report(site: &Site, orders: &Orders) -> Result<Done, OperationError> {
    if accounts::end_support_in_time(site).map_err(as_operation)? {
        tracing::info!("The support access has ended");
    }
    let standing = Standing::look(site)?;
    operations::judge_alerts(site, &standing.judge((orders.certificate_ends)()))?;
    let standing = standing.with_alerts_of_now(site)?;
    let mail = operations::mail_setting(site)?.filter(|setting| !setting.recipients.is_empty());
    let language = mail.as_ref().and_then(|mail| Language::of_code(&mail.language)).unwrap_or(Language::English);
    let locale = Locale::open(language).map_err(|e| words(&e))?;
    let now = local(site.clock.now());
    let is_quiet = match &now {
        Some(now) => operations::alert_setting(site)?.quiet.are_on(minute_of(now), is_weekend(now)),
        None => false,
    };
    let telling = Telling { site, standing: &standing, url: &orders.portal_url, locale: &locale };
    telling.by_mail(is_quiet)?;
    telling.by_webhook(is_quiet)?;
    let last = operations::last_report(site)?.and_then(local);
    let is_due = mail.zip(now).is_some_and(|(mail, now)| is_report_due(&mail, &now, last.as_ref()));
    if is_due {
        let content = reports::daily(&standing, &orders.portal_url, &locale).map_err(|e| words(&e))?;
        operations::queue_mail(site, MailKind::Report, &content)?;
    }
    Ok(Done::Everything)
}

/// Ending an account by itself asks nobody who could be refused.
fn as_operation(error: AccountError) -> OperationError {
    match error {
        AccountError::Operation(error) => error,
        refused => OperationError::Words(refused.to_string()),
    }
}

/// What is told, where people look further, and in which language.
struct Telling<'t> {
    site: &'t Site,
    standing: &'t Standing,
    url: &'t str,
    locale: &'t Locale,
}

impl Telling<'_> {
    fn by_mail(&self, is_quiet: bool) -> Result<(), OperationError> {
        let untold = operations::untold_alerts(self.site, Channel::Mail, is_quiet)?;
        if untold.is_empty() {
            return Ok(());
        }
        let content = reports::alert(self.standing, &untold, self.url, self.locale).map_err(|e| words(&e))?;
        let rows: Vec<AlertRow> = untold.iter().map(|alert| alert.row).collect();
        operations::tell_by_mail(self.site, &rows, &content)?;
        tracing::warn!(alerts = untold.len(), "Somebody is told by mail of what has become bad");
        Ok(())
    }

    /// That something is over is told at any hour: it wakes nobody up.
    fn by_webhook(&self, is_quiet: bool) -> Result<(), OperationError> {
        let over = operations::alerts_over_untold(self.site)?;
        let untold = operations::untold_alerts(self.site, Channel::Webhook, is_quiet)?;
        let tellings: Vec<_> = over
            .iter()
            .chain(&untold)
            .map(|alert| operations::Telling {
                alert: alert.row,
                is_over: alert.closed_at.is_some(),
                body: reports::webhook_body(self.standing, alert, self.url, self.locale),
            })
            .collect();
        if tellings.is_empty() {
            return Ok(());
        }
        operations::tell_webhook(self.site, &tellings)?;
        tracing::warn!(alerts = tellings.len(), "The webhook is told of what has changed");
        Ok(())
    }
}

fn words(error: &dyn std::fmt::Display) -> OperationError {
    OperationError::Words(error.to_string())
}

fn is_weekend(now: &Zoned) -> bool {
    matches!(now.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn minute_of(now: &Zoned) -> u16 {
    u16::try_from(i16::from(now.hour()) * 60 + i16::from(now.minute())).unwrap_or_default()
}

fn local(at: UnixMillis) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(jiff::tz::TimeZone::system()))
}

/// Whether the report of today is due and was not made yet. A box that was off at that time makes it later.
fn is_report_due(setting: &MailSetting, now: &Zoned, last: Option<&Zoned>) -> bool {
    if is_weekend(now) && !setting.weekends {
        return false;
    }
    let minute = i16::try_from(setting.report_minute).unwrap_or_default();
    let (Ok(hour), Ok(minute)) = (i8::try_from(minute / 60), i8::try_from(minute % 60)) else { return false };
    let Ok(time) = Time::new(hour, minute, 0, 0) else { return false };
    let Ok(due) = now.date().to_datetime(time).to_zoned(now.time_zone().clone()) else { return false };
    *now >= due && last.is_none_or(|last| *last < due)
}

/// Hands the next mail to the server, and notes what it answered.
pub(super) fn send_next(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let Some(mail) = operations::due_mail(site)? else { return Ok(Done::Everything) };
    let Some(setting) = operations::mail_setting(site)? else { return Ok(Done::Everything) };
    working(Some(setting.host.clone()));
    let password = operations::mail_password(site, &setting)?;
    let password = password.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let pdf = operations::mail_pdf(site, &mail)?;
    match links::mail::send(&setting, password, (&mail, pdf), &site.vault.box_name) {
        Ok(answer) => operations::note_mail(site, &mail, Ok(&answer))?,
        Err(error) => {
            let answer = chain(&error);
            tracing::warn!(error = %answer, "A mail was not taken by the mail server");
            operations::note_mail(site, &mail, Err(&answer))?;
        }
    }
    Ok(Done::Part)
}

/// Hands the next message to the webhook, and notes what it answered.
pub(super) fn post_next(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let Some((webhook, post)) = operations::due_post(site)? else { return Ok(Done::Everything) };
    working(Some(webhook.url.authority().to_owned()));
    let secret = operations::webhook_secret(site, &webhook)?;
    match links::webhook::post(&webhook, &secret, &post, site.clock.now()) {
        Ok(answer) => operations::note_post(site, &post, Ok(&answer))?,
        Err(error) => {
            let answer = chain(&error);
            tracing::warn!(error = %answer, "A message was not taken by the webhook");
            operations::note_post(site, &post, Err(&answer))?;
        }
    }
    Ok(Done::Part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::MailSecurity;

    #[test]
    fn the_report_comes_once_a_day_and_on_weekends_if_it_should() {
        let setting = |weekends| MailSetting {
            host: String::new(),
            port: 25,
            security: MailSecurity::None,
            user: None,
            password: None,
            sender: String::new(),
            recipients: Vec::new(),
            language: "en".to_owned(),
            report_minute: 7 * 60 + 30,
            weekends,
        };
        let at = |text: &str| text.parse::<Zoned>().expect(text);
        for (now, last, weekends, due) in [
            ("2026-11-20T07:29:00[Europe/Paris]", None, false, false),
            ("2026-11-20T07:30:00[Europe/Paris]", None, false, true),
            ("2026-11-20T16:00:00[Europe/Paris]", Some("2026-11-19T07:30:00[Europe/Paris]"), false, true),
            ("2026-11-20T16:00:00[Europe/Paris]", Some("2026-11-20T07:31:00[Europe/Paris]"), false, false),
            ("2026-11-21T08:00:00[Europe/Paris]", Some("2026-11-20T07:31:00[Europe/Paris]"), false, false),
            ("2026-11-21T08:00:00[Europe/Paris]", Some("2026-11-20T07:31:00[Europe/Paris]"), true, true),
            ("2026-11-23T08:00:00[Europe/Paris]", Some("2026-11-20T07:31:00[Europe/Paris]"), false, true),
        ] {
            let last = last.map(at);
            assert_eq!(is_report_due(&setting(weekends), &at(now), last.as_ref()), due, "{now}");
        }
    }
}
