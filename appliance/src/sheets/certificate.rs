//! The certificate: every check as it was found, and who answers for it. A box that is not in order gets a sheet that
//! says so, and never one that could be taken for a certificate.

use datis_engine::units::UnixMillis;

use super::{Whereabouts, minute};
use crate::bundle;
use crate::commissioning::{self, CheckState, Lan, Remembered, Verdict};
use crate::locale::Locale;
use crate::operations::{OperationError, Signature, Site};
use crate::paper::{Cell, Column, Paper, Tone};

pub(super) fn paper(
    site: &Site,
    place: &Whereabouts<'_>,
    lan: Option<&Lan>,
    known: &[Remembered],
    started_at: UnixMillis,
    signature: Option<&Signature>,
    locale: &Locale,
) -> Result<Paper, OperationError> {
    let obstacles = commissioning::obstacles(known);
    let now = signature.map_or_else(|| site.clock.now(), |signature| signature.signed_at);
    let (title, verdict, tone) = match (signature, obstacles.is_empty()) {
        (_, false) => ("cert-title-bad", "cert-verdict-bad", Tone::Bad),
        (Some(_), true) => ("cert-title", "cert-verdict-good", Tone::Good),
        (None, true) => ("cert-title-open", "cert-verdict-open", Tone::Warn),
    };
    let box_name = &site.vault.box_name;
    let footer = format!("Datis {} · {} · {}", env!("CARGO_PKG_VERSION"), site.vault.id, minute(now));
    let mut paper = Paper::new(locale.language, locale.word(title), now).header(box_name).footer(footer);
    paper.verdict(locale.count(verdict, obstacles.len() as u64), tone);
    paper.facts(facts(site, place, lan, started_at, signature, now, locale));
    if let Some(bundle) = bundle::applied(site)? {
        let reseller = &bundle.content.reseller;
        let reached = format!("{}\n{}", reseller.name.as_str(), reseller.contact.as_str());
        paper.facts(vec![(locale.word("cert-reseller"), reached.into())]);
    }
    let standing_in_the_way: Vec<&Remembered> =
        known.iter().filter(|check| obstacles.contains(&check.outcome.check)).collect();
    if !obstacles.is_empty() {
        paper.heading(locale.word("cert-obstacles"));
        let columns = vec![Column::new(locale.word("cert-check"), 2), Column::new(locale.word("cert-todo"), 5)];
        let rows = obstacles.iter().map(|check| {
            let found = standing_in_the_way.iter().find(|known| known.outcome.check == *check);
            let todo = found.map_or_else(|| locale.word("cert-never-looked"), |known| todo(known, locale));
            vec![Cell::toned(commissioning::title(*check, locale), Tone::Bad), todo.into()]
        });
        paper.table(columns, rows.collect());
    }
    paper.heading(locale.word("cert-all-checks"));
    let columns = vec![
        Column::new(locale.word("cert-check"), 5),
        Column::new(locale.word("cert-state"), 2),
        Column::new(locale.word("cert-found"), 12),
        Column::new(locale.word("cert-when"), 4),
    ];
    paper.table(columns, known.iter().map(|check| row(check, locale)).collect());
    paper.note(locale.word("cert-note"));
    if obstacles.is_empty() {
        let line = "_".repeat(40);
        paper.facts(vec![
            (locale.word("cert-sign-technician"), line.clone().into()),
            (locale.word("cert-sign-customer"), line.into()),
        ]);
    }
    Ok(paper)
}

fn facts(
    site: &Site,
    place: &Whereabouts<'_>,
    lan: Option<&Lan>,
    started_at: UnixMillis,
    signature: Option<&Signature>,
    now: UnixMillis,
    locale: &Locale,
) -> Vec<(String, Cell)> {
    let mut facts = vec![
        (locale.word("cert-box"), Cell::strong(&site.vault.box_name)),
        (locale.word("cert-serial"), site.vault.id.to_string().into()),
        (locale.word("cert-version"), env!("CARGO_PKG_VERSION").into()),
        (locale.word("cert-address"), format!("{}:{}", place.host, place.door.port).into()),
        (locale.word("cert-portal"), place.url.into()),
    ];
    facts.extend(lan.map(|lan| (locale.word("cert-mac"), format!("{} ({})", lan.mac, lan.port).into())));
    facts.push((locale.word("cert-started"), minute(started_at).into()));
    match signature {
        Some(signature) => {
            facts.push((locale.word("cert-signed-by"), Cell::strong(&signature.signed_by)));
            facts.push((locale.word("cert-signed-at"), minute(signature.signed_at).into()));
            facts.push((locale.word("cert-elapsed"), elapsed(started_at, now, locale).into()));
        }
        None => facts.push((locale.word("cert-signed-by"), Cell::toned(locale.word("cert-nobody"), Tone::Warn))),
    }
    facts
}

/// Whole minutes of a visit; days, when a box is signed for again later.
fn elapsed(from: UnixMillis, to: UnixMillis, locale: &Locale) -> String {
    let minutes = u64::try_from((to.0 - from.0).max(0)).unwrap_or(0).div_ceil(60_000);
    if minutes < 2 * 24 * 60 {
        locale.count("cert-minutes", minutes)
    } else {
        locale.count("cert-days", minutes / 1_440)
    }
}

fn row(check: &Remembered, locale: &Locale) -> Vec<Cell> {
    let outcome = &check.outcome;
    let tone = match outcome.state() {
        CheckState::Pass => Tone::Good,
        CheckState::Warn => Tone::Warn,
        CheckState::Fail => Tone::Bad,
        CheckState::Skip => Tone::Muted,
    };
    let when = format!("{}\n{}", minute(outcome.started_at), seconds(outcome.took_ms, locale));
    vec![
        Cell::new(format!("{}\n{}", commissioning::title(outcome.check, locale), outcome.check.word())),
        Cell::toned(commissioning::state_word(outcome.state(), locale), tone),
        found(check, locale).into(),
        Cell::toned(when, Tone::Muted),
    ]
}

fn seconds(millis: u64, locale: &Locale) -> String {
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("s", (millis as f64 / 100.0).round() / 10.0);
    locale.say("cert-took", &args)
}

/// What was found, what that rests on, and what to do about it.
fn found(check: &Remembered, locale: &Locale) -> String {
    let outcome = &check.outcome;
    if let Verdict::Skipped { because } = outcome.verdict {
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("check", commissioning::title(because, locale));
        return locale.say("cert-skipped", &args);
    }
    let parts = [
        commissioning::message(outcome, locale),
        commissioning::evidence(outcome, locale),
        commissioning::remedy(outcome, locale).map(|remedy| format!("→ {remedy}")).unwrap_or_default(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn todo(check: &Remembered, locale: &Locale) -> String {
    match check.outcome.verdict {
        Verdict::Skipped { .. } => found(check, locale),
        Verdict::Found(_) => commissioning::remedy(&check.outcome, locale)
            .unwrap_or_else(|| commissioning::message(&check.outcome, locale)),
    }
}
