//! The daily report as a sheet of paper: what the mail says, to be kept or laid on a desk.

use datis_engine::units::UnixMillis;

use super::report::{AlertLine, CheckLine, MachineLine, Report};
use super::standing::Tone;
use crate::locale::Locale;
use crate::paper::{self, Cell, Column, Paper};

pub(super) fn paper(report: &Report, made_at: UnixMillis, locale: &Locale) -> Paper {
    let footer = format!("Datis {} · {} · {}", env!("CARGO_PKG_VERSION"), report.made, report.url);
    let mut paper =
        Paper::new(locale.language, locale.word("report-title"), made_at).header(&report.box_name).footer(footer);
    paper.verdict(&report.verdict, on_paper(report.tone));
    for sentence in &report.sentences {
        paper.paragraph(sentence);
    }
    if !report.alerts.is_empty() {
        paper.heading(locale.word("nav-alerts"));
        let columns = vec![Column::new(locale.word("alert-severity"), 2), Column::new(locale.word("alert-what"), 8)];
        paper.table(columns, report.alerts.iter().map(alert_row).collect());
    }
    if !report.checks.is_empty() {
        paper.heading(locale.word("nav-site"));
        let columns = vec![Column::new(locale.word("cert-check"), 2), Column::new(locale.word("site-to-do"), 6)];
        paper.table(columns, report.checks.iter().map(check_row).collect());
    }
    if !report.machines.is_empty() {
        paper.heading(locale.word("machines"));
        let columns = vec![
            Column::new(locale.word("machine"), 4),
            Column::new(locale.word("state"), 4),
            Column::new(locale.word("last-backup"), 3),
            Column::new(locale.word("stored"), 2),
        ];
        paper.table(columns, report.machines.iter().map(machine_row).collect());
    }
    if let Some(disk) = &report.disk {
        paper.note(disk);
    }
    paper
}

fn alert_row(alert: &AlertLine) -> Vec<Cell> {
    let seen = alert.seen.as_ref().map_or_else(String::new, |seen| format!("\n{seen}"));
    let text = format!("{} ({}){seen}", alert.text, alert.since);
    vec![Cell::toned(&alert.severity, on_paper(alert.tone)), text.into()]
}

fn check_row(check: &CheckLine) -> Vec<Cell> {
    let text = format!("{}\n{}", check.message, check.remedy);
    vec![Cell::strong(&check.title), text.trim_end().into()]
}

fn machine_row(machine: &MachineLine) -> Vec<Cell> {
    vec![
        Cell::strong(&machine.name),
        Cell::toned(&machine.state, on_paper(machine.tone)),
        (&machine.last).into(),
        (&machine.size).into(),
    ]
}

const fn on_paper(tone: Tone) -> paper::Tone {
    match tone {
        Tone::Good => paper::Tone::Good,
        Tone::Plain => paper::Tone::Plain,
        Tone::Warn => paper::Tone::Warn,
        Tone::Bad => paper::Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Standing, daily};
    use super::*;
    use crate::locale::Language;
    use crate::operations::testing::{Client, TestBox, files};

    #[test]
    fn the_report_comes_with_a_sheet_that_says_the_same() {
        let test = TestBox::start();
        let site = test.site();
        Client::enrol(site, "till").back_up(site, &files(2, 1));
        let standing = Standing::look(site).expect("look");
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            let mail = daily(&standing, "https://datis-0a1b.local", &locale).expect("mail");
            assert!(mail.pdf.is_some_and(|pdf| pdf.starts_with(b"%PDF-")), "{language:?}");
            let report = super::super::report::report_of_now(&standing, "https://datis-0a1b.local", &locale);
            let sheet = format!("{:?}", paper(&report, UnixMillis(standing.status.now), &locale));
            let (_, verdict) = mail.subject.split_once(": ").expect("a verdict");
            for said in ["till", "https://datis-0a1b.local", verdict] {
                assert!(sheet.contains(said) && mail.text.contains(said), "{said} in {sheet}");
            }
        }
    }
}
