//! The status page: ready values for the template, nothing to decide there.

use std::collections::HashMap;

use askama::Template;
use datis_engine::ids::Profile;

use super::health::Health;
use crate::commissioning::{self, CheckState, Remembered, Verdict};
use crate::figures::Ago;
use crate::locale::{Locale, Locales};
use crate::meters::{WorkerMood, WorkerView};
use crate::operations::{Machine, MachineStatus, Status};

/// `/`.
#[derive(Template)]
#[template(path = "status.html")]
pub(super) struct StatusPage<'w> {
    locale: &'w Locale,
    languages: Vec<LanguageLink>,
    box_name: &'w str,
    vault: &'w str,
    version: &'static str,
    notices: Vec<Notice>,
    disk: Option<Disk>,
    tiles: Vec<Tile>,
    machines: Vec<MachineRow<'w>>,
    checks: Vec<CheckRow>,
    workers: Vec<WorkerRow<'w>>,
}

struct LanguageLink {
    code: &'static str,
    name: String,
}

/// A sentence at the top.
struct Notice {
    /// Style class.
    tone: &'static str,
    text: String,
}

/// Ends of the parts of the bar in thousandths, and their sizes.
struct Disk {
    backups_end: u64,
    other_end: u64,
    backups: String,
    other: String,
    free: String,
    total: String,
}

struct Tile {
    label: String,
    value: String,
    alarm: bool,
}

struct MachineRow<'w> {
    name: &'w str,
    profile: String,
    seen: String,
    health: &'static str,
    health_word: String,
    sources: Vec<SourceRow<'w>>,
}

struct SourceRow<'w> {
    name: &'w str,
    kind: &'static str,
    snapshots: u64,
    ago: String,
    at: String,
    size: String,
}

/// A check of the site.
struct CheckRow {
    id: &'static str,
    /// Style class.
    state: &'static str,
    word: String,
    title: String,
    /// Empty when it was skipped.
    message: String,
    remedy: Option<String>,
    evidence: String,
    /// What it was skipped for.
    because: Option<String>,
    /// When it was last in order, unless it is now.
    passed: Option<String>,
    ago: String,
    at: String,
}

struct WorkerRow<'w> {
    name: String,
    mood: &'static str,
    word: String,
    progress: &'w str,
    last_error: &'w str,
}

/// What the page is made of.
pub(super) struct Scene {
    pub(super) status: Status,
    pub(super) machines: Vec<Machine>,
    pub(super) workers: Vec<WorkerView>,
    pub(super) checks: Vec<Remembered>,
}

impl Scene {
    /// Each machine with how it is.
    pub(super) fn machines_by_health(&self) -> impl Iterator<Item = (Health, &Machine, &MachineStatus)> {
        let by_id: HashMap<String, &Machine> = self.machines.iter().map(|m| (m.id.to_string(), m)).collect();
        self.status.machines.iter().filter_map(move |status| {
            let machine = by_id.get(&status.id)?;
            Some((Health::of(machine, status, self.status.now), *machine, status))
        })
    }
}

impl<'w> StatusPage<'w> {
    pub(super) fn new(scene: &'w Scene, locales: &Locales, locale: &'w Locale) -> Self {
        let status = &scene.status;
        let mut machines: Vec<_> = scene.machines_by_health().collect();
        // What needs somebody comes first.
        machines.sort_by_key(|(health, machine, _)| (*health, machine.name.clone()));
        let healths: Vec<Health> = machines.iter().map(|(health, ..)| *health).collect();
        Self {
            locale,
            languages: locales
                .all()
                .map(|other| LanguageLink { code: other.language.code(), name: other.word("language-name") })
                .collect(),
            box_name: &status.box_name,
            vault: &status.vault,
            version: env!("CARGO_PKG_VERSION"),
            notices: notices(scene, &healths, locale),
            disk: disk(status, locale),
            tiles: tiles(status, locale),
            machines: machines
                .iter()
                .map(|(health, machine, of)| row(*health, machine, of, status.now, locale))
                .collect(),
            checks: scene.checks.iter().map(|check| check_row(check, status.now, locale)).collect(),
            workers: scene.workers.iter().map(|worker| worker_row(worker, locale)).collect(),
        }
    }
}

fn notices(scene: &Scene, healths: &[Health], locale: &Locale) -> Vec<Notice> {
    let status = &scene.status;
    let mut all = Vec::new();
    let mut say = |tone, text| all.push(Notice { tone, text });
    if status.poisoned.is_some() {
        say("bad", locale.word("notice-must-restart"));
    }
    if status.damaged.packs > 0 {
        say("bad", locale.count("notice-damaged", status.damaged.packs));
    }
    let failed = scene.checks.iter().filter(|check| check.outcome.state() == CheckState::Fail).count() as u64;
    if failed > 0 {
        say("bad", locale.count("notice-site", failed));
    }
    // Backups are refused at 2 %; this leaves time to act.
    if let (Some(free), Some(total)) = (status.disk_free_bytes, status.disk_total_bytes)
        && free < total / 20
    {
        say("warn", locale.word("notice-disk-low"));
    }
    let count = |health| healths.iter().filter(|h| **h == health).count() as u64;
    for (health, key) in [(Health::Late, "notice-late"), (Health::Incomplete, "notice-incomplete")] {
        if count(health) > 0 {
            say("warn", locale.count(key, count(health)));
        }
    }
    if healths.iter().all(|health| *health == Health::Retired) {
        say("plain", locale.word("notice-nobody"));
    } else if all.is_empty() {
        all.push(Notice { tone: "good", text: locale.word("notice-well") });
    }
    all
}

fn disk(status: &Status, locale: &Locale) -> Option<Disk> {
    let (total, free) = (status.disk_total_bytes?, status.disk_free_bytes?);
    let used = total.saturating_sub(free);
    let backups = (status.stored.bytes + status.condemned.bytes + status.damaged.bytes).min(used);
    let thousandths = |bytes: u64| u64::try_from(u128::from(bytes) * 1_000 / u128::from(total.max(1))).unwrap_or(1_000);
    Some(Disk {
        backups_end: thousandths(backups),
        other_end: thousandths(used),
        backups: locale.bytes(backups),
        other: locale.bytes(used - backups),
        free: locale.bytes(free),
        total: locale.bytes(total),
    })
}

fn tiles(status: &Status, locale: &Locale) -> Vec<Tile> {
    let tile = |key: &str, value: String| Tile { label: locale.word(key), value, alarm: false };
    vec![
        tile("stored", locale.bytes(status.stored.bytes)),
        tile("packs", status.stored.packs.to_string()),
        tile("chunks", status.stored.chunks.to_string()),
        tile("unchecked", status.unverified_packs.to_string()),
        Tile { alarm: status.damaged.packs > 0, ..tile("damaged-packs", status.damaged.packs.to_string()) },
        tile("running", status.sessions.to_string()),
    ]
}

fn row<'w>(health: Health, machine: &Machine, status: &'w MachineStatus, now: i64, locale: &Locale) -> MachineRow<'w> {
    let sources = status.sources.iter().map(|source| SourceRow {
        name: &source.source,
        kind: source.kind,
        snapshots: source.snapshots,
        ago: locale.ago(Ago::between(source.last_received_at, now)),
        at: exactly(source.last_received_at),
        size: locale.bytes(source.last_bytes),
    });
    MachineRow {
        name: &status.name,
        profile: locale.word(match machine.profile {
            Profile::Server => "profile-server",
            Profile::Desktop => "profile-desktop",
            Profile::Laptop => "profile-laptop",
        }),
        seen: status.last_sign_at().map_or_else(|| locale.word("never"), |at| locale.ago(Ago::between(at, now))),
        health: health.word(),
        health_word: locale.word(match health {
            Health::Damaged => "health-damaged",
            Health::Late => "health-late",
            Health::Incomplete => "health-incomplete",
            Health::Empty => "health-empty",
            Health::Current => "health-current",
            Health::Retired => "health-retired",
        }),
        sources: sources.collect(),
    }
}

fn check_row(check: &Remembered, now: i64, locale: &Locale) -> CheckRow {
    let outcome = &check.outcome;
    let (because, evidence) = match outcome.verdict {
        Verdict::Found(_) => (None, commissioning::evidence(outcome, locale)),
        Verdict::Skipped { because } => (Some(commissioning::title(because, locale)), String::new()),
    };
    CheckRow {
        id: outcome.check.word(),
        state: outcome.state().word(),
        word: commissioning::state_word(outcome.state(), locale),
        title: commissioning::title(outcome.check, locale),
        message: commissioning::message(outcome, locale),
        remedy: commissioning::remedy(outcome, locale),
        evidence,
        because,
        passed: check
            .passed_at
            .filter(|_| outcome.state() != CheckState::Pass)
            .map(|at| locale.ago(Ago::between(at.0, now))),
        ago: locale.ago(Ago::between(outcome.started_at.0, now)),
        at: exactly(outcome.started_at.0),
    }
}

/// For programs, and for those who point at it.
fn exactly(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|at| at.to_string()).unwrap_or_default()
}

fn worker_row<'w>(worker: &'w WorkerView, locale: &Locale) -> WorkerRow<'w> {
    WorkerRow {
        name: locale.word(&format!("work-{}", worker.name)),
        mood: worker.state.word(),
        word: locale.word(match worker.state {
            WorkerMood::Idle => "mood-idle",
            WorkerMood::Working => "mood-working",
            WorkerMood::Waiting => "mood-waiting",
            WorkerMood::Failed => "mood-failed",
        }),
        progress: worker.progress.as_deref().unwrap_or_default(),
        last_error: worker.last_error.as_deref().unwrap_or_default(),
    }
}
