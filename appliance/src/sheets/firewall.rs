//! The sheet for whoever runs the firewall: what has to get out, what has to be let in, for which address, and how to see
//! that it works.

use fluent_bundle::FluentArgs;

use super::{SheetError, Whereabouts, minute};
use crate::commissioning::Lan;
use crate::locale::Locale;
use crate::operations::{self, Site};
use crate::paper::{Cell, Column, Paper};

pub(super) fn paper(
    site: &Site,
    place: &Whereabouts<'_>,
    lan: Option<&Lan>,
    locale: &Locale,
) -> Result<Paper, SheetError> {
    let now = site.clock.now();
    let footer = format!("Datis {} · {}", env!("CARGO_PKG_VERSION"), minute(now));
    let mut paper =
        Paper::new(locale.language, locale.word("fw-title"), now).header(&site.vault.box_name).footer(footer);
    paper.paragraph(locale.word("fw-intro"));
    let address = lan.and_then(|lan| lan.address.as_deref());
    let inside = address.unwrap_or(place.host);

    paper.heading(locale.word("fw-box"));
    let unknown = || locale.word("fw-unknown");
    paper.facts(vec![
        (locale.word("cert-box"), Cell::strong(&site.vault.box_name)),
        (locale.word("fw-address"), Cell::strong(inside)),
        (locale.word("fw-mac"), Cell::strong(lan.map_or_else(unknown, |lan| lan.mac.clone()))),
        (locale.word("fw-gateway"), lan.and_then(|lan| lan.gateway.clone()).unwrap_or_else(unknown).into()),
    ]);
    paper.paragraph(locale.word("fw-reserve"));

    paper.heading(locale.word("fw-out"));
    paper.table(columns(locale), outgoing(site, place, locale)?);

    paper.heading(locale.word("fw-in"));
    let outside = place.door.outside_port.unwrap_or(place.door.port);
    let rule = Cell::strong(format!("TCP {outside}  →  {inside}:{}", place.door.port));
    paper.table(
        vec![Column::new(locale.word("fw-rule"), 3), Column::new(locale.word("fw-why"), 4)],
        vec![vec![rule, locale.word("fw-in-why").into()]],
    );
    paper.paragraph(locale.word("fw-in-never"));

    paper.heading(locale.word("fw-test"));
    let mut args = FluentArgs::new();
    args.set("url", format!("{}/site", place.url));
    args.set("port", u32::from(outside));
    paper.paragraph(locale.say("fw-test-text", &args));
    Ok(paper)
}

fn columns(locale: &Locale) -> Vec<Column> {
    vec![
        Column::new(locale.word("fw-port"), 2),
        Column::new(locale.word("fw-to"), 4),
        Column::new(locale.word("fw-why"), 5),
    ]
}

/// What the box itself connects to, as it is set.
fn outgoing(site: &Site, place: &Whereabouts<'_>, locale: &Locale) -> Result<Vec<Vec<Cell>>, SheetError> {
    let row = |port: String, to: String, why: &str| vec![Cell::strong(port), to.into(), locale.word(why).into()];
    let mut rows = vec![row("UDP 53, TCP 53".to_owned(), locale.word("fw-to-resolvers"), "fw-why-names")];
    for server in &place.config.time_servers {
        rows.push(row(format!("UDP {}", server.port()), server.host().to_owned(), "fw-why-time"));
    }
    for partner in &place.config.coordinators {
        let port = partner.port();
        rows.push(row(format!("TCP {port}, UDP {port}"), partner.host().to_owned(), "fw-why-partner"));
    }
    if let Some(mail) = operations::mail_setting(site)? {
        rows.push(row(format!("TCP {}", mail.port), mail.host, "fw-why-mail"));
    }
    Ok(rows)
}
