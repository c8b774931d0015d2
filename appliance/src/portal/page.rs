//! The status page: ready values for the template, nothing to decide there.

use std::collections::HashMap;

use askama::Template;
use datis_engine::ids::Profile;

use super::health::Health;
use super::locale::{Languages, Words, with_number};
use crate::figures::Ago;
use crate::meters::{WorkerMood, WorkerView};
use crate::operations::{Machine, MachineStatus, Status};

/// `/`.
#[derive(Template)]
#[template(path = "status.html")]
pub(super) struct StatusPage<'w> {
    words: &'w Words,
    languages: Vec<LanguageLink<'w>>,
    box_name: &'w str,
    vault: &'w str,
    version: &'static str,
    notices: Vec<Notice>,
    disk: Option<Disk>,
    tiles: Vec<Tile<'w>>,
    machines: Vec<MachineRow<'w>>,
    workers: Vec<WorkerRow<'w>>,
}

struct LanguageLink<'w> {
    code: &'w str,
    name: &'w str,
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

struct Tile<'w> {
    label: &'w str,
    value: String,
    alarm: bool,
}

struct MachineRow<'w> {
    name: &'w str,
    profile: &'w str,
    seen: String,
    health: &'static str,
    health_word: &'w str,
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

struct WorkerRow<'w> {
    name: &'w str,
    mood: &'static str,
    word: &'w str,
    progress: &'w str,
    last_error: &'w str,
}

/// What the page is made of.
pub(super) struct Scene {
    pub(super) status: Status,
    pub(super) machines: Vec<Machine>,
    pub(super) workers: Vec<WorkerView>,
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
    pub(super) fn new(scene: &'w Scene, languages: &'w Languages, words: &'w Words) -> Self {
        let status = &scene.status;
        let mut machines: Vec<_> = scene.machines_by_health().collect();
        // What needs somebody comes first.
        machines.sort_by_key(|(health, machine, _)| (*health, machine.name.clone()));
        let healths: Vec<Health> = machines.iter().map(|(health, ..)| *health).collect();
        Self {
            words,
            languages: languages
                .all()
                .iter()
                .map(|other| LanguageLink { code: &other.language, name: &other.language_name })
                .collect(),
            box_name: &status.box_name,
            vault: &status.vault,
            version: env!("CARGO_PKG_VERSION"),
            notices: notices(status, &healths, words),
            disk: disk(status, words),
            tiles: tiles(status, words),
            machines: machines
                .iter()
                .map(|(health, machine, of)| row(*health, machine, of, status.now, words))
                .collect(),
            workers: scene.workers.iter().map(|worker| worker_row(worker, words)).collect(),
        }
    }
}

fn notices(status: &Status, healths: &[Health], words: &Words) -> Vec<Notice> {
    let mut all = Vec::new();
    let mut say = |tone, text| all.push(Notice { tone, text });
    if status.poisoned.is_some() {
        say("bad", words.must_restart.clone());
    }
    if status.damaged.packs > 0 {
        say("bad", with_number(&words.some_damaged, status.damaged.packs));
    }
    // Backups are refused at 2 %; this leaves time to act.
    if let (Some(free), Some(total)) = (status.disk_free_bytes, status.disk_total_bytes)
        && free < total / 20
    {
        say("warn", words.disk_low.clone());
    }
    let count = |health| healths.iter().filter(|h| **h == health).count() as u64;
    for (health, pattern) in [(Health::Late, &words.some_late), (Health::Incomplete, &words.some_incomplete)] {
        if count(health) > 0 {
            say("warn", with_number(pattern, count(health)));
        }
    }
    if healths.iter().all(|health| *health == Health::Retired) {
        say("plain", words.nobody.clone());
    } else if all.is_empty() {
        all.push(Notice { tone: "good", text: words.all_well.clone() });
    }
    all
}

fn disk(status: &Status, words: &Words) -> Option<Disk> {
    let (total, free) = (status.disk_total_bytes?, status.disk_free_bytes?);
    let used = total.saturating_sub(free);
    let backups = (status.stored.bytes + status.condemned.bytes + status.damaged.bytes).min(used);
    let thousandths = |bytes: u64| u64::try_from(u128::from(bytes) * 1_000 / u128::from(total.max(1))).unwrap_or(1_000);
    Some(Disk {
        backups_end: thousandths(backups),
        other_end: thousandths(used),
        backups: words.bytes(backups),
        other: words.bytes(used - backups),
        free: words.bytes(free),
        total: words.bytes(total),
    })
}

fn tiles<'w>(status: &Status, words: &'w Words) -> Vec<Tile<'w>> {
    let tile = |label: &'w str, value: String| Tile { label, value, alarm: false };
    vec![
        tile(&words.stored, words.bytes(status.stored.bytes)),
        tile(&words.packs, status.stored.packs.to_string()),
        tile(&words.chunks, status.stored.chunks.to_string()),
        tile(&words.unchecked, status.unverified_packs.to_string()),
        Tile { alarm: status.damaged.packs > 0, ..tile(&words.damaged_packs, status.damaged.packs.to_string()) },
        tile(&words.running, status.sessions.to_string()),
    ]
}

fn row<'w>(health: Health, machine: &Machine, status: &'w MachineStatus, now: i64, words: &'w Words) -> MachineRow<'w> {
    let sources = status.sources.iter().map(|source| SourceRow {
        name: &source.source,
        kind: source.kind,
        snapshots: source.snapshots,
        ago: words.ago(Ago::between(source.last_received_at, now)),
        at: jiff::Timestamp::from_millisecond(source.last_received_at).map(|at| at.to_string()).unwrap_or_default(),
        size: words.bytes(source.last_bytes),
    });
    MachineRow {
        name: &status.name,
        profile: match machine.profile {
            Profile::Server => &words.profile_server,
            Profile::Desktop => &words.profile_desktop,
            Profile::Laptop => &words.profile_laptop,
        },
        seen: status.last_sign_at().map_or_else(|| words.never.clone(), |at| words.ago(Ago::between(at, now))),
        health: health.word(),
        health_word: match health {
            Health::Damaged => &words.health_damaged,
            Health::Late => &words.health_late,
            Health::Incomplete => &words.health_incomplete,
            Health::Empty => &words.health_empty,
            Health::Current => &words.health_current,
            Health::Retired => &words.health_retired,
        },
        sources: sources.collect(),
    }
}

fn worker_row<'w>(worker: &'w WorkerView, words: &'w Words) -> WorkerRow<'w> {
    let word = match worker.state {
        WorkerMood::Idle => &words.mood_idle,
        WorkerMood::Working => &words.mood_working,
        WorkerMood::Waiting => &words.mood_waiting,
        WorkerMood::Failed => &words.mood_failed,
    };
    WorkerRow {
        name: match worker.name {
            "verifier" => &words.work_verifier,
            "scrub" => &words.work_scrub,
            "prune" => &words.work_prune,
            "compaction" => &words.work_compaction,
            other => other,
        },
        mood: worker.state.word(),
        word,
        progress: worker.progress.as_deref().unwrap_or_default(),
        last_error: worker.last_error.as_deref().unwrap_or_default(),
    }
}
