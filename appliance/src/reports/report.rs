//! Mails: the daily report, which always comes, and alerts, which come at once and once.

use askama::Template;
use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;

use super::alerts;
use super::drill::drill_sentence;
use super::health::Health;
use super::sheet;
use super::standing::{Standing, Tone};
use crate::catalog::mail::MailContent;
use crate::commissioning;
use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::{Alert, Severity};
use crate::paper::PaperError;
use crate::plain::plain;

#[derive(Template)]
#[template(path = "mail_report.html")]
struct ReportHtml<'r> {
    locale: &'r Locale,
    body: &'r Report,
}

#[derive(Template)]
#[template(path = "mail_report.txt", escape = "none")]
struct ReportText<'r> {
    locale: &'r Locale,
    body: &'r Report,
}

/// What a report says; ready values.
pub(super) struct Report {
    pub(super) box_name: String,
    /// Of the verdict.
    pub(super) tone: Tone,
    pub(super) verdict: String,
    pub(super) sentences: Vec<String>,
    pub(super) alerts: Vec<AlertLine>,
    pub(super) machines: Vec<MachineLine>,
    pub(super) checks: Vec<CheckLine>,
    pub(super) disk: Option<String>,
    pub(super) url: String,
    pub(super) made: String,
}

pub(super) struct AlertLine {
    pub(super) severity: String,
    pub(super) tone: Tone,
    pub(super) text: String,
    pub(super) since: String,
    /// Who has seen to it, and what they wrote.
    pub(super) seen: Option<String>,
}

pub(super) struct MachineLine {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) tone: Tone,
    pub(super) last: String,
    pub(super) size: String,
}

pub(super) struct CheckLine {
    pub(super) title: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// The daily report: its verdict is in the subject, so that it can be read in the list of mails. The same as a sheet of
/// paper comes with it; without that, if it cannot be laid out, since the report always comes.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn daily(standing: &Standing, url: &str, locale: &Locale) -> Result<MailContent, askama::Error> {
    let report = report_of_now(standing, url, locale);
    let subject = format!("{}: {}", report.box_name, report.verdict);
    let pdf = sheet::paper(&report, UnixMillis(standing.status.now), locale).pdf();
    let pdf = pdf.inspect_err(|error| tracing::error!(%error, "The report goes without its PDF")).ok();
    Ok(MailContent { pdf, ..content(subject, &report, locale)? })
}

/// The report of this moment as a sheet of paper, PDF.
///
/// # Errors
/// [`PaperError`].
pub(crate) fn daily_sheet(standing: &Standing, url: &str, locale: &Locale) -> Result<Vec<u8>, PaperError> {
    sheet::paper(&report_of_now(standing, url, locale), UnixMillis(standing.status.now), locale).pdf()
}

pub(super) fn report_of_now(standing: &Standing, url: &str, locale: &Locale) -> Report {
    let (tone, verdict) = verdict(standing, locale);
    report(standing, tone, verdict, &standing.alerts, url, locale)
}

/// What has just become bad.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn alert(
    standing: &Standing,
    told: &[Alert],
    url: &str,
    locale: &Locale,
) -> Result<MailContent, askama::Error> {
    let is_alarm = told.iter().any(|alert| alert.key.kind.severity() == Severity::Alarm);
    let (tone, key) = if is_alarm { (Tone::Bad, "mail-alert") } else { (Tone::Warn, "mail-alert-look") };
    let verdict = locale.count(key, told.len() as u64);
    let report = report(standing, tone, verdict.clone(), told, url, locale);
    content(format!("{}: {verdict}", standing.status.box_name), &report, locale)
}

/// For somebody who wants to see that mail arrives: with a code that is typed back.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn test_mail(
    standing: &Standing,
    code: &str,
    url: &str,
    locale: &Locale,
) -> Result<MailContent, askama::Error> {
    let verdict = locale.word("mail-test");
    let mut report = report(standing, Tone::Plain, verdict.clone(), &standing.alerts, url, locale);
    let mut args = FluentArgs::new();
    args.set("code", code);
    report.sentences.insert(0, locale.say("mail-code-text", &args));
    content(format!("{}: {verdict}", standing.status.box_name), &report, locale)
}

fn content(subject: String, report: &Report, locale: &Locale) -> Result<MailContent, askama::Error> {
    Ok(MailContent {
        subject: plain(&subject, usize::MAX),
        text: ReportText { locale, body: report }.render()?,
        html: ReportHtml { locale, body: report }.render()?,
        pdf: None,
    })
}

fn verdict(standing: &Standing, locale: &Locale) -> (Tone, String) {
    let healths: Vec<Health> = standing.machines_by_health().map(|(health, ..)| health).collect();
    let notices = standing.notices(&healths, true);
    let worst = notices.iter().map(|notice| notice.tone).max().unwrap_or(Tone::Good);
    let well = healths.iter().filter(|health| **health == Health::Current).count();
    let all = healths.iter().filter(|health| **health != Health::Retired).count();
    let mut args = FluentArgs::new();
    args.set("n", well);
    args.set("all", all);
    let key = match worst {
        Tone::Good => "mail-verdict-good",
        Tone::Plain => "mail-verdict-plain",
        Tone::Warn => "mail-verdict-warn",
        Tone::Bad => "mail-verdict-bad",
    };
    (worst, locale.say(key, &args))
}

fn report(standing: &Standing, tone: Tone, verdict: String, shown: &[Alert], url: &str, locale: &Locale) -> Report {
    let status = &standing.status;
    let mut machines: Vec<_> = standing.machines_by_health().collect();
    machines.sort_by_key(|(health, machine, _)| (*health, machine.name.clone()));
    let healths: Vec<Health> = machines.iter().map(|(health, ..)| *health).collect();
    let lines =
        machines.iter().filter(|(health, ..)| *health != Health::Retired).map(|(health, machine, status_of)| {
            let last = status_of.sources.iter().map(|source| source.last_received_at).max();
            MachineLine {
                name: machine.name.to_string(),
                state: locale.word(&format!("health-{}", health.word())),
                tone: match health {
                    Health::Damaged => Tone::Bad,
                    Health::Late | Health::Incomplete => Tone::Warn,
                    Health::Paused | Health::Empty | Health::Retired => Tone::Plain,
                    Health::Current => Tone::Good,
                },
                last: last.map_or_else(|| locale.word("never"), |at| locale.ago(Ago::between(at, status.now))),
                size: locale.bytes(status_of.stored.bytes),
            }
        });
    let disk = status.disk_free_bytes.zip(status.disk_total_bytes).map(|(free, total)| {
        format!("{}: {} {} {}", locale.word("disk-free"), locale.bytes(free), locale.word("of"), locale.bytes(total))
    });
    Report {
        box_name: status.box_name.clone(),
        tone,
        verdict,
        sentences: standing
            .notices(&healths, true)
            .iter()
            .map(|notice| notice.text(locale))
            .chain(status.drill.iter().map(|drill| drill_sentence(drill, status.now, locale)))
            .collect(),
        alerts: shown.iter().map(|alert| alert_line(standing, alert, locale)).collect(),
        machines: lines.collect(),
        checks: standing
            .failed_checks()
            .map(|check| CheckLine {
                title: commissioning::title(check.outcome.check, locale),
                message: commissioning::message(&check.outcome, locale),
                remedy: commissioning::remedy(&check.outcome, locale).unwrap_or_default(),
            })
            .collect(),
        disk,
        url: url.to_owned(),
        made: made(UnixMillis(status.now)),
    }
}

fn alert_line(standing: &Standing, alert: &Alert, locale: &Locale) -> AlertLine {
    let severity = alert.key.kind.severity();
    AlertLine {
        severity: locale.word(&format!("severity-{}", severity.word())),
        tone: alerts::tone(severity),
        text: standing.sentence(alert, locale),
        since: locale.ago(Ago::between(alert.opened_at.0, standing.status.now)),
        seen: alert.acknowledged.as_ref().map(|seen| {
            let text = format!("{}: {} {}", locale.word("alert-seen-by"), seen.by, seen.note.replace('\n', " "));
            text.trim_end().to_owned()
        }),
    }
}

impl Tone {
    /// Mail programs know no style sheets; these colours are those of the portal.
    const fn colour(self) -> &'static str {
        match self {
            Self::Good => "#1f7a4a",
            Self::Plain => "#0f5f78",
            Self::Warn => "#8f5a07",
            Self::Bad => "#b3261e",
        }
    }
}

/// In the box's own time zone.
fn made(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    at.map(|at| at.strftime("%Y-%m-%d %H:%M %Z").to_string()).unwrap_or_default()
}
