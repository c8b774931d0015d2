//! What a collection did.

use std::fmt::Write as _;

use serde_json::json;

use super::{Answer, Outcome};
use crate::figures;
use crate::operations::PruneReport;

pub(in crate::control) fn prune(report: &PruneReport) -> Answer {
    let mut text = String::new();
    let would = if report.dry_run { "that would be " } else { "" };
    for snapshot in &report.expired {
        let _ = writeln!(text, "Snapshot {} of {} on {}", snapshot.snapshot, snapshot.source, snapshot.machine);
    }
    for snapshot in &report.sent_outside {
        let _ = writeln!(
            text,
            "Snapshot {} of {} on {} is {would}kept outside only",
            snapshot.snapshot, snapshot.source, snapshot.machine
        );
    }
    let _ = writeln!(text, "Snapshots {would}removed: {}; kept: {}.", report.expired.len(), report.kept_snapshots);
    if report.outside_snapshots > 0 {
        let _ = writeln!(
            text,
            "Snapshots kept outside only: {}; packs that gave up their place here: {} ({}).",
            report.outside_snapshots,
            report.given_up_packs,
            figures::bytes(report.given_up_bytes)
        );
    }
    let _ = writeln!(
        text,
        "Packs {would}condemned: {} ({}); rewritten: {}; deleted: {} ({}).",
        report.condemned_packs,
        figures::bytes(report.condemned_bytes),
        report.rewritten_packs,
        report.deleted_packs,
        figures::bytes(report.deleted_bytes)
    );
    for machine in &report.held_back {
        let _ =
            writeln!(text, "Nothing of {} was collected: {}.", machine.machine, machine.reason.trim_end_matches('.'));
    }
    if report.dry_run && report.over_brake {
        let _ = writeln!(
            text,
            "This is more than 10 % ({} of {}, {} of {}), so a run stops before it unless it has `--force`.",
            figures::bytes(report.doomed_bytes),
            figures::bytes(report.stored_bytes),
            report.days_lost,
            figures::count(report.days, "day", "days")
        );
    }
    let outcome = if report.held_back.is_empty() { Outcome::Done } else { Outcome::Attention };
    Answer { text, json: json!(report), outcome }
}
