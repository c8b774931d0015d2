//! Mails: the daily report, which always comes, and alerts, which come at once and once.

use std::collections::BTreeSet;

use askama::Template;
use datis_engine::units::{Seconds, UnixMillis};
use fluent_bundle::FluentArgs;

use super::health::Health;
use super::standing::{Standing, Tone};
use crate::catalog::mail::MailContent;
use crate::commissioning;
use crate::figures::Ago;
use crate::locale::Locale;

/// A check of the site must fail for so long before somebody is told.
const LASTING: Seconds = Seconds(600);

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
struct Report {
    box_name: String,
    /// Colour of the verdict.
    colour: &'static str,
    verdict: String,
    sentences: Vec<String>,
    machines: Vec<MachineLine>,
    checks: Vec<CheckLine>,
    disk: Option<String>,
    url: String,
    made: String,
}

struct MachineLine {
    name: String,
    state: String,
    colour: &'static str,
    last: String,
    size: String,
}

struct CheckLine {
    title: String,
    message: String,
    remedy: String,
}

/// The daily report: its verdict is in the subject, so that it can be read in the list of mails.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn daily(standing: &Standing, url: &str, locale: &Locale) -> Result<MailContent, askama::Error> {
    let (tone, verdict) = verdict(standing, locale);
    let report = report(standing, tone, verdict.clone(), url, locale);
    let subject = format!("{}: {verdict}", standing.status.box_name);
    content(subject, &report, locale)
}

/// What has just become bad.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn alert(
    standing: &Standing,
    alerts: &BTreeSet<String>,
    url: &str,
    locale: &Locale,
) -> Result<MailContent, askama::Error> {
    let verdict = locale.count("mail-alert", alerts.len() as u64);
    let report = report(standing, Tone::Bad, verdict.clone(), url, locale);
    content(format!("{}: {verdict}", standing.status.box_name), &report, locale)
}

/// For somebody who wants to see that mail arrives.
///
/// # Errors
/// The template cannot be filled.
pub(crate) fn test_mail(standing: &Standing, url: &str, locale: &Locale) -> Result<MailContent, askama::Error> {
    let verdict = locale.word("mail-test");
    let report = report(standing, Tone::Plain, verdict.clone(), url, locale);
    content(format!("{}: {verdict}", standing.status.box_name), &report, locale)
}

fn content(subject: String, report: &Report, locale: &Locale) -> Result<MailContent, askama::Error> {
    let subject = subject.chars().filter(|c| !c.is_control()).collect();
    Ok(MailContent {
        subject,
        text: ReportText { locale, body: report }.render()?,
        html: ReportHtml { locale, body: report }.render()?,
    })
}

impl Standing {
    /// What somebody should know of at once, one word for each thing, so that each is told once.
    pub(crate) fn alerts(&self) -> BTreeSet<String> {
        let mut alerts = BTreeSet::new();
        for (health, machine, _) in self.machines_by_health() {
            if matches!(health, Health::Damaged | Health::Late) {
                alerts.insert(format!("{} {}", health.word(), machine.id));
            }
        }
        // What fails for a short time only may mend itself.
        let before = UnixMillis(self.status.now).minus(LASTING);
        let lasting = self.failed_checks().filter(|check| check.since < before);
        alerts.extend(lasting.map(|check| format!("site {}", check.outcome.check.word())));
        if self.status.damaged.packs > 0 {
            alerts.insert("damaged".to_owned());
        }
        if self.is_disk_low() {
            alerts.insert("disk".to_owned());
        }
        alerts
    }
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

fn report(standing: &Standing, tone: Tone, verdict: String, url: &str, locale: &Locale) -> Report {
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
                colour: match health {
                    Health::Damaged => colour(Tone::Bad),
                    Health::Late | Health::Incomplete => colour(Tone::Warn),
                    Health::Empty | Health::Retired => colour(Tone::Plain),
                    Health::Current => colour(Tone::Good),
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
        colour: colour(tone),
        verdict,
        sentences: standing.notices(&healths, true).iter().map(|notice| notice.text(locale)).collect(),
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

/// Mail programs know no style sheets; these are those of the portal.
fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "#1f7a4a",
        Tone::Plain => "#0f5f78",
        Tone::Warn => "#8f5a07",
        Tone::Bad => "#b3261e",
    }
}

/// In the box's own time zone.
fn made(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    at.map(|at| at.strftime("%Y-%m-%d %H:%M %Z").to_string()).unwrap_or_default()
}
