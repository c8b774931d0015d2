//! `/metrics`: the figures of the machine port, of the box, and of its background work, in the OpenMetrics text form.
//!
//! They hold numbers and fixed words, never the name of a machine or a source: supervision is shown to more people than
//! the portal is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::scene::Scene;
use crate::commissioning::{CheckState, Remembered};
use crate::meters::WorkerMood;
use crate::operations::Severity;
use crate::reports::Health;

/// Media type of the OpenMetrics text form.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    check: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabels {
    worker: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabel {
    worker: &'static str,
}

/// Writes what `counters` have counted and what `scene` shows.
///
/// # Errors
/// A metric cannot be encoded.
pub(super) fn encode(counters: &Registry, scene: &Scene) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, counters)?;
    encode_registry(&mut text, &of_scene(scene))?;
    encode_eof(&mut text)?;
    Ok(text)
}

fn of_scene(scene: &Scene) -> Registry {
    let status = &scene.status;
    let mut registry = Registry::with_prefix("datis");
    let states = [
        ("stored", &status.stored),
        ("outside", &status.kept_outside),
        ("condemned", &status.condemned),
        ("damaged", &status.damaged),
    ];
    let by_state = |values: [u64; 4]| {
        let family = Family::<StateLabel, Gauge>::default();
        for ((state, _), value) in states.iter().zip(values) {
            family.get_or_create(&StateLabel { state }).set(whole(value));
        }
        family
    };
    registry.register("packs", "Packs by state", by_state(states.map(|(_, totals)| totals.packs)));
    let bytes = by_state(states.map(|(_, totals)| totals.bytes));
    registry.register_with_unit("pack", "Bytes of packs by state", Unit::Bytes, bytes);
    registry.register("chunks", "Chunks in packs by state", by_state(states.map(|(_, totals)| totals.chunks)));

    let single = |value: u64| -> Gauge {
        let gauge = Gauge::default();
        gauge.set(whole(value));
        gauge
    };
    registry.register("unverified_packs", "Stored packs that wait to be checked", single(status.unverified_packs));
    registry.register("sessions", "Open backups", single(status.sessions));
    if let (Some(total), Some(free)) = (status.disk_total_bytes, status.disk_free_bytes) {
        registry.register_with_unit("disk", "Bytes that the disk holds in all", Unit::Bytes, single(total));
        registry.register_with_unit("disk_free", "Bytes that are free on the disk", Unit::Bytes, single(free));
    }
    let sources = status.machines.iter().flat_map(|machine| &machine.sources);
    let (live, damaged) = sources.fold((0, 0), |(live, damaged), s| (live + s.snapshots, damaged + s.damaged));
    registry.register("snapshots", "Snapshots that can be listed", single(live));
    registry.register("outside_snapshots", "Snapshots that are kept outside only", single(status.snapshots_outside));
    registry.register("damaged_snapshots", "Snapshots that rest on damaged packs", single(damaged));
    registry.register("machines", "Machines by how they are", machines(scene));
    registry.register("alerts", "Open alerts by severity", alerts(scene));
    registry.register("check_state", "1 for the state that a check of the site was found in", check_states(scene));
    registry.register("worker_state", "1 for the state that a background worker is in", worker_states(scene));
    registry.register(
        "worker_last_run_timestamp_seconds",
        "When a background worker last ended a round",
        worker_runs(scene),
    );
    registry
}

fn machines(scene: &Scene) -> Family<StateLabel, Gauge> {
    let family = Family::<StateLabel, Gauge>::default();
    for health in Health::ALL {
        family.get_or_create(&StateLabel { state: health.word() }).set(0);
    }
    for (health, ..) in scene.machines_by_health() {
        family.get_or_create(&StateLabel { state: health.word() }).inc();
    }
    family
}

fn alerts(scene: &Scene) -> Family<SeverityLabel, Gauge> {
    let family = Family::<SeverityLabel, Gauge>::default();
    for severity in Severity::ALL {
        family.get_or_create(&SeverityLabel { severity: severity.word() }).set(0);
    }
    for alert in &scene.alerts {
        family.get_or_create(&SeverityLabel { severity: alert.key.kind.severity().word() }).inc();
    }
    family
}

fn check_states(scene: &Scene) -> Family<CheckLabels, Gauge> {
    let family = Family::<CheckLabels, Gauge>::default();
    for Remembered { outcome, .. } in &scene.checks {
        for state in CheckState::ALL {
            let labels = CheckLabels { check: outcome.check.word(), state: state.word() };
            family.get_or_create(&labels).set(i64::from(*state == outcome.state()));
        }
    }
    family
}

fn worker_states(scene: &Scene) -> Family<WorkerLabels, Gauge> {
    let family = Family::<WorkerLabels, Gauge>::default();
    for worker in &scene.workers {
        for mood in WorkerMood::ALL {
            let labels = WorkerLabels { worker: worker.name, state: mood.word() };
            family.get_or_create(&labels).set(i64::from(mood == worker.state));
        }
    }
    family
}

fn worker_runs(scene: &Scene) -> Family<WorkerLabel, Gauge> {
    let family = Family::<WorkerLabel, Gauge>::default();
    for worker in &scene.workers {
        if let Some(at) = worker.last_run {
            family.get_or_create(&WorkerLabel { worker: worker.name }).set(at.div_euclid(1_000));
        }
    }
    family
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
