//! Reports, alerts, and the way to the mail server.

use datis_engine::units::UnixMillis;
use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, Zoned};

use super::steps::Done;
use crate::links;
use crate::locale::{Language, Locale};
use crate::operations::{self, MailKind, MailSetting, OperationError, Site, chain};
use crate::reports::{self, Standing};

/// Makes what is to be told now: the daily report when its time has come, and what has just become bad.
pub(super) fn report(site: &Site, portal_url: &str) -> Result<Done, OperationError> {
    let Some(setting) = operations::mail_setting(site)?.filter(|setting| !setting.recipients.is_empty()) else {
        return Ok(Done::Everything);
    };
    let standing = Standing::look(site)?;
    let alerts = standing.alerts();
    let untold = operations::untold_alerts(site, &alerts)?;
    let (now, last) = (local(site.clock.now()), operations::last_report(site)?.and_then(local));
    let is_due = now.is_some_and(|now| is_report_due(&setting, &now, last.as_ref()));
    if untold.is_empty() && !is_due {
        operations::tell(site, &alerts, None)?;
        return Ok(Done::Everything);
    }
    let words = |e: &dyn std::fmt::Display| OperationError::Words(e.to_string());
    let language = Language::of_code(&setting.language).unwrap_or(Language::English);
    let locale = Locale::open(language).map_err(|e| words(&e))?;
    let alert = match untold.is_empty() {
        true => None,
        false => Some(reports::alert(&standing, &untold, portal_url, &locale).map_err(|e| words(&e))?),
    };
    operations::tell(site, &alerts, alert.as_ref())?;
    if alert.is_some() {
        tracing::warn!(alerts = untold.len(), "Somebody is told of what has become bad");
    }
    if is_due {
        let content = reports::daily(&standing, portal_url, &locale).map_err(|e| words(&e))?;
        operations::queue_mail(site, MailKind::Report, &content)?;
    }
    Ok(Done::Everything)
}

fn local(at: UnixMillis) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(jiff::tz::TimeZone::system()))
}

/// Whether the report of today is due and was not made yet. A box that was off at that time makes it later.
fn is_report_due(setting: &MailSetting, now: &Zoned, last: Option<&Zoned>) -> bool {
    let is_weekend = matches!(now.weekday(), Weekday::Saturday | Weekday::Sunday);
    if is_weekend && !setting.weekends {
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
    match links::mail::send(&setting, password, &mail, &site.vault.box_name) {
        Ok(answer) => operations::note_mail(site, &mail, Ok(&answer))?,
        Err(error) => {
            let answer = chain(&error);
            tracing::warn!(error = %answer, "A mail was not taken by the mail server");
            operations::note_mail(site, &mail, Err(&answer))?;
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
