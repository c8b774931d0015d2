//! Results as text for people and as JSON for programs.

mod prune;

use std::fmt::Write;

use datis_engine::format::kit::RecoveryKit;
use datis_engine::format::kit_sheets::KitSheet;
use datis_engine::ids::{MachineName, Profile};
use datis_engine::units::UnixMillis;
use serde_json::{Value, json};

pub(super) use self::prune::prune;
use super::command::{Answer, Outcome};
use crate::commissioning::{self, CheckState, Verdict};
use crate::figures::{self, Ago};
use crate::locale::Locale;
use crate::operations::awaited::ComingBack;
use crate::operations::bandwidth::Outgoing;
use crate::operations::dispersal::DispersalStatus;
use crate::operations::{
    DrillStatus, Machine, MachineOrigin, MachinePolicy, MachineState, MachineStatus, Progress, RebuildReport, Status,
    VerifyReport,
};
use crate::recovery::{Drilled, Recovered};
use crate::vault;

/// Packs that are named one by one.
const NAMED_MAX: usize = 10;

/// One line that is the whole answer.
pub(super) fn line(text: String) -> Answer {
    Answer { json: json!(text), text: text + "\n", outcome: Outcome::Done }
}

/// An error with all its causes, as one sentence.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Transparent errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// `packs: 1.2 GiB of 3.4 GiB`.
pub(crate) fn progress(at: &Progress) -> String {
    match at.phase {
        "packs" => format!("packs: {} of {}", figures::bytes(at.done), figures::bytes(at.total)),
        phase => format!("{phase}: {} of {}", at.done, at.total),
    }
}

pub(super) fn status(status: &Status, more: Value) -> Answer {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_status(&mut text, status);
    if let Some(portal) = more.get("portal") {
        let word = |key| portal.get(key).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "Portal {}\n  authority SHA-256 {}", word("url"), word("authority_sha256"));
    }
    if let Some(line) = more.pointer("/addresses/coordinator").and_then(Value::as_str) {
        let _ = writeln!(text, "Answers other boxes; their line for datisd.toml: coordinators = [\"{line}\"]");
    }
    if let Some(workers) = more.get("workers").and_then(Value::as_array).filter(|workers| !workers.is_empty()) {
        text.push_str("Background work\n");
        for worker in workers {
            let word = |key| worker.get(key).and_then(Value::as_str).unwrap_or_default();
            let _ = write!(text, "  {:<12} {:<8} {}", word("name"), word("state"), word("progress"));
            if !word("last_error").is_empty() {
                let _ = write!(text, " (last error: {})", word("last_error"));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
    }
    let mut json = json!(status);
    if let (Some(json), Value::Object(more)) = (json.as_object_mut(), more) {
        json.extend(more);
    }
    Answer { text, json, outcome: Outcome::Done }
}

fn write_status(out: &mut String, status: &Status) -> std::fmt::Result {
    writeln!(out, "Box {} (vault {})", status.box_name, status.vault)?;
    if let Some(reason) = &status.poisoned {
        writeln!(out, "The box must start again: {reason}")?;
    }
    if let (Some(free), Some(total)) = (status.disk_free_bytes, status.disk_total_bytes) {
        writeln!(out, "Disk: {} free of {}", figures::bytes(free), figures::bytes(total))?;
    }
    let stored = &status.stored;
    writeln!(out, "Stored: {} in {}, {}", figures::bytes(stored.bytes), packs(stored.packs), chunks(stored.chunks))?;
    writeln!(
        out,
        "Packs not yet checked: {}; damaged: {}; on their way out: {}",
        status.unverified_packs, status.damaged.packs, status.condemned.packs
    )?;
    if status.snapshots_outside > 0 {
        writeln!(
            out,
            "Kept outside only: {}; {} in {} are not on this disk any more",
            snapshots(status.snapshots_outside),
            figures::bytes(status.kept_outside.bytes),
            packs(status.kept_outside.packs)
        )?;
    }
    if let Some(back) = &status.coming_back {
        write_coming_back(out, back)?;
    }
    writeln!(out, "Backups running: {}", status.sessions)?;
    if let Some(outside) = &status.outside {
        write_outside(out, outside, status.now)?;
    }
    if let Some(drill) = &status.drill {
        write_drill(out, drill, status.now)?;
    }
    match status.machines.as_slice() {
        [] => writeln!(
            out,
            "No machine is enrolled yet; `datisd enrol-code --machine NAME --profile server` lets one in."
        ),
        machines => {
            out.push_str("Machines\n");
            machines.iter().try_for_each(|machine| write_machine(out, machine, status.now))
        }
    }
}

/// A box that was lost.
fn write_coming_back(out: &mut String, back: &ComingBack) -> std::fmt::Result {
    writeln!(
        out,
        "Coming back: {} of {} are here, {} of {}; the others are read from other boxes when they are needed",
        back.all_packs - back.packs,
        packs(back.all_packs as u64),
        figures::bytes(back.all_bytes - back.bytes),
        figures::bytes(back.all_bytes)
    )?;
    for pack in back.unanswered.iter().take(NAMED_MAX) {
        writeln!(out, "  Pack {pack} cannot be had until more of the other boxes answer")?;
    }
    match back.unanswered.len().checked_sub(NAMED_MAX) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more"),
        Some(_) | None => Ok(()),
    }
}

/// What other boxes hold.
fn write_outside(out: &mut String, outside: &DispersalStatus, now: i64) -> std::fmt::Result {
    match &outside.scheme {
        Some(scheme) => writeln!(out, "Outside, as {scheme}")?,
        None => writeln!(out, "Outside: nothing yet")?,
    }
    if let Some(line) = paused(&outside.outgoing, now) {
        writeln!(out, "  {line}")?;
    }
    if outside.fragments_unchecked > 0 {
        let sentence =
            "fragments are being checked: they were taken over, and the boxes that have them are to confirm it";
        writeln!(out, "  {} {sentence}", outside.fragments_unchecked)?;
    }
    if outside.scheme.is_none() {
        return Ok(());
    }
    if outside.thin_packs > 0 {
        writeln!(out, "  {} packs have less outside than they should; it is made again", outside.thin_packs)?;
    }
    if outside.homeless_packs > 0 {
        let sentence =
            "packs have lost a part that no other box is free to take: have a box come back, or let another one in";
        writeln!(out, "  {} {sentence}", outside.homeless_packs)?;
    }
    if outside.beyond_reach_packs > 0 {
        writeln!(out, "  {} packs could not be brought back by the other boxes now", outside.beyond_reach_packs)?;
    }
    let ago = |at: Option<i64>| at.map_or("never".to_owned(), |at| figures::ago(Ago::between(at, now)));
    writeln!(out, "  Fragments in place: {} of {}", outside.fragments_in_place, outside.fragments_needed)?;
    for machine in &outside.machines {
        writeln!(
            out,
            "  {}: {} of {} packs off-site safe; newest backup that is safe {}, fully protected {}",
            machine.machine,
            machine.packs_in_place,
            machine.packs_needed,
            ago(machine.last_safe),
            if outside.fragments_unchecked > 0 { "being checked".to_owned() } else { ago(machine.last_full) }
        )?;
    }
    Ok(())
}

/// How recovery was tried last.
fn write_drill(out: &mut String, drill: &DrillStatus, now: i64) -> std::fmt::Result {
    let ago = |at| figures::ago(Ago::between(at, now));
    match drill.last_at {
        None => writeln!(out, "Recovery: not tried yet"),
        Some(at) if drill.passed => writeln!(out, "Recovery: tried {}, and it went well", ago(at)),
        Some(at) => writeln!(out, "Recovery: tried {} in vain: {}", ago(at), drill.why),
    }
}

/// That what can wait does not go out in this hour; `None`: it does.
pub(super) fn paused(outgoing: &Outgoing, now: i64) -> Option<String> {
    let until = outgoing.paused_until.map(|until| format!(" until {}", figures::wall_clock(until, now)));
    let until = until.unwrap_or_default();
    outgoing.paused.then(|| format!("Sending to other boxes is paused{until}, as the week's plan says"))
}

fn write_machine(out: &mut String, machine: &MachineStatus, now: i64) -> std::fmt::Result {
    let seen = machine
        .last_sign_at()
        .map_or("never seen".to_owned(), |at| format!("last seen {}", figures::ago(Ago::between(at, now))));
    let retired = match machine.paused_until {
        _ if machine.state == MachineState::Retired => ", retired".to_owned(),
        Some(until) if machine.is_paused(now) => format!(", paused until {}", exactly(until)),
        Some(_) | None => String::new(),
    };
    writeln!(
        out,
        "  {} ({}{retired}), {seen}, {} sent",
        machine.name,
        machine.profile,
        figures::bytes(machine.stored.bytes)
    )?;
    for source in &machine.sources {
        write!(
            out,
            "    {} ({}): {}, last {}: {}, {}",
            source.source,
            source.kind,
            snapshots(source.snapshots),
            figures::ago(Ago::between(source.last_received_at, now)),
            figures::count(source.last_entries, "entry", "entries"),
            figures::bytes(source.last_bytes)
        )?;
        if source.last_problems > 0 {
            write!(out, ", {} could not be read", figures::count(source.last_problems, "entry", "entries"))?;
        }
        if source.damaged > 0 {
            write!(out, ", {} damaged", snapshots(source.damaged))?;
        }
        out.push('\n');
    }
    Ok(())
}

/// RFC 3339, in UTC.
fn exactly(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).and_then(|at| at.round(jiff::Unit::Second));
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn packs(number: u64) -> String {
    figures::count(number, "pack", "packs")
}

fn chunks(number: u64) -> String {
    figures::count(number, "chunk", "chunks")
}

fn snapshots(number: u64) -> String {
    figures::count(number, "snapshot", "snapshots")
}

pub(super) fn verify(report: &VerifyReport) -> Answer {
    let mut text = format!(
        "Read and checked: {} with {} ({}) and {}.\n",
        packs(report.packs),
        chunks(report.chunks),
        figures::bytes(report.bytes),
        snapshots(report.snapshots)
    );
    if report.awaited_packs > 0 {
        let _ = writeln!(
            text,
            "Not read, since they are still with other boxes only: {}; each is checked when it comes.",
            packs(report.awaited_packs)
        );
    }
    if report.snapshots_outside > 0 {
        let _ = writeln!(
            text,
            "Not read, since they are kept outside only: {} with {}; the other boxes are asked for proofs that they have them.",
            snapshots(report.snapshots_outside),
            packs(report.outside_packs)
        );
    }
    for damaged in &report.damaged {
        let _ = writeln!(text, "Pack {} is damaged: {}.", damaged.pack, damaged.reason.trim_end_matches('.'));
    }
    for snapshot in &report.snapshots_affected {
        let _ = writeln!(text, "Snapshot {snapshot} cannot be restored whole.");
    }
    text.push_str(if report.is_sound() {
        "All is sound.\n"
    } else {
        "The next backup of each affected machine sends again what is missing, as far as the machine still has it.\n"
    });
    let outcome = if report.is_sound() { Outcome::Done } else { Outcome::Attention };
    let mut json = json!(report);
    if let Some(json) = json.as_object_mut() {
        json.insert("sound".to_owned(), json!(report.is_sound()));
    }
    Answer { text, json, outcome }
}

/// What a rebuild found.
pub(crate) fn rebuild(report: &RebuildReport) -> Answer {
    let mut text = format!(
        "The new catalog has {} ({}) with {}, {} and {}.\n",
        packs(report.packs),
        figures::bytes(report.bytes),
        chunks(report.chunks),
        snapshots(report.snapshots),
        figures::count(report.machines.len() as u64, "machine", "machines")
    );
    for machine in report.machines.iter().filter(|machine| machine.origin == MachineOrigin::Snapshots) {
        let _ = writeln!(
            text,
            "Machine {} is known from its snapshots alone; it comes in as before, with the default policy.",
            machine.name
        );
    }
    for damaged in &report.damaged {
        let _ = writeln!(text, "Pack {} is damaged: {}.", damaged.pack, damaged.reason.trim_end_matches('.'));
    }
    for snapshot in &report.snapshots_affected {
        let _ = writeln!(text, "Snapshot {snapshot} cannot be restored whole.");
    }
    for snapshot in &report.snapshots_unreadable {
        let _ = writeln!(text, "The record of snapshot {snapshot} cannot be read; its file was left where it is.");
    }
    let outcome = if report.is_sound() { Outcome::Done } else { Outcome::Attention };
    Answer { text, json: json!(report), outcome }
}

pub(super) fn kit(kit: &RecoveryKit) -> Answer {
    let text = vault::kit_page(kit).as_str().to_owned();
    Answer { json: json!({ "kit": text }), text, outcome: Outcome::Done }
}

/// One after the other; each begins with its own header.
pub(super) fn kit_sheets(sheets: &[KitSheet]) -> Answer {
    let texts: Vec<&str> = sheets.iter().map(KitSheet::text).collect();
    Answer { json: json!({ "sheets": texts }), text: texts.join("\n"), outcome: Outcome::Done }
}

pub(super) fn policies<'m>(machines: impl Iterator<Item = (&'m MachineName, &'m MachinePolicy)>) -> Answer {
    let mut text = String::new();
    let mut all = Vec::new();
    for (name, MachinePolicy { every, local, external }) in machines {
        let _ = writeln!(text, "{name}: every {every}; kept here {local}; kept by peers {external}");
        all.push(json!({
            "machine": name.as_str(),
            "every": every.to_string(),
            "local": local.to_string(),
            "external": external.to_string(),
        }));
    }
    if all.is_empty() {
        text.push_str("No machine is enrolled yet.\n");
    }
    Answer { text, json: Value::Array(all), outcome: Outcome::Done }
}

/// What machines of a profile begin with.
pub(super) fn default_policy(profile: Profile, policy: &MachinePolicy) -> Answer {
    let MachinePolicy { every, local, external } = policy;
    Answer {
        text: format!("new machines, {profile}: every {every}; kept here {local}; kept by peers {external}\n"),
        json: json!({
            "new": profile.word(),
            "every": every.to_string(),
            "local": local.to_string(),
            "external": external.to_string(),
        }),
        outcome: Outcome::Done,
    }
}

/// To the minute, in UTC.
pub(super) fn day(at: UnixMillis) -> String {
    let shown = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    shown.unwrap_or_default()
}

pub(super) fn machines(machines: &[Machine], now: UnixMillis) -> Answer {
    let mut text = String::new();
    let mut all = Vec::new();
    for machine in machines {
        let seen = machine
            .last_seen_at
            .map_or("never seen".to_owned(), |at| format!("last seen {}", figures::ago(Ago::between(at.0, now.0))));
        let _ = writeln!(text, "{}: {}, {}, {seen}", machine.name, machine.profile, machine.state.word());
        all.push(json!({
            "name": machine.name.as_str(),
            "id": machine.id.to_string(),
            "profile": machine.profile.word(),
            "state": machine.state.word(),
            "created_at": machine.created_at.0,
            "last_seen_at": machine.last_seen_at.map(|at| at.0),
            "client_version": machine.client_version,
        }));
    }
    if all.is_empty() {
        text.push_str("No machine is enrolled yet.\n");
    }
    Answer { text, json: Value::Array(all), outcome: Outcome::Done }
}

/// `lan.link: ok`, as soon as a check has ended.
pub(super) fn outcome_line(outcome: &commissioning::Outcome, locale: &Locale) -> String {
    format!("{}: {}", outcome.check.word(), commissioning::state_word(outcome.state(), locale))
}

/// What commissioning found: a block of lines a check, then a sentence.
pub(super) fn commission(outcomes: &[commissioning::Outcome], locale: &Locale) -> Answer {
    let mut text = String::new();
    for outcome in outcomes {
        // Writing to a string does not fail.
        let _ = write_outcome(&mut text, outcome, locale);
    }
    let of_state = |state| outcomes.iter().filter(move |outcome| outcome.state() == state);
    let failed = of_state(CheckState::Fail).count() as u64;
    let blocking = of_state(CheckState::Fail).filter(|outcome| outcome.check.blocks_activation()).count() as u64;
    let warned = of_state(CheckState::Warn).count() as u64;
    text.push_str(&match (blocking, failed, warned) {
        (0, 0, 0) => locale.word("commission-well"),
        (0, 0, warned) => locale.count("commission-look", warned),
        (0, failed, _) => locale.count("commission-mend-later", failed),
        (blocking, ..) => locale.count("commission-mend-first", blocking),
    });
    text.push('\n');
    let outcome = if failed == 0 { Outcome::Done } else { Outcome::Attention };
    Answer { text, json: outcomes.iter().map(|outcome| outcome_json(outcome, locale)).collect(), outcome }
}

fn write_outcome(out: &mut String, outcome: &commissioning::Outcome, locale: &Locale) -> std::fmt::Result {
    let title = commissioning::title(outcome.check, locale);
    writeln!(out, "{:<7} {:<12} {title}", commissioning::state_word(outcome.state(), locale), outcome.check.word())?;
    let mut indented = |text: &str| writeln!(out, "        {text}");
    if let Verdict::Skipped { because } = outcome.verdict {
        return indented(&format!("{} {}", locale.word("site-waits"), commissioning::title(because, locale)));
    }
    indented(&commissioning::message(outcome, locale))?;
    if let Some(remedy) = commissioning::remedy(outcome, locale) {
        indented(&format!("{}: {remedy}", locale.word("site-to-do")))?;
    }
    match commissioning::evidence(outcome, locale) {
        evidence if evidence.is_empty() => Ok(()),
        evidence => indented(&evidence),
    }
}

/// `id`, `state`, `title`, `depends_on`, `blocks_activation`, `started_at`, `took_ms`, `evidence`; of a check that was
/// made also `finding`, `message` and `remedy`, of one that was skipped `because`.
fn outcome_json(outcome: &commissioning::Outcome, locale: &Locale) -> Value {
    let evidence: serde_json::Map<String, Value> =
        outcome.facts.iter().map(|fact| (fact.name.to_string(), json!(fact.value))).collect();
    let mut json = json!({
        "id": outcome.check,
        "state": outcome.state(),
        "title": commissioning::title(outcome.check, locale),
        "depends_on": outcome.check.rests_on(),
        "blocks_activation": outcome.check.blocks_activation(),
        "started_at": outcome.started_at.0,
        "took_ms": outcome.took_ms,
        "evidence": evidence,
    });
    let more = match outcome.verdict {
        Verdict::Found(finding) => json!({
            "finding": finding.word(),
            "message": commissioning::message(outcome, locale),
            "remedy": commissioning::remedy(outcome, locale),
        }),
        Verdict::Skipped { because } => json!({ "because": because }),
    };
    if let (Some(json), Value::Object(more)) = (json.as_object_mut(), more) {
        json.extend(more);
    }
    json
}

/// A recovery that was tried.
pub(super) fn drilled(what: &Drilled) -> Answer {
    let text = format!(
        "The drill went well: out of the kit alone, {} of {} boxes answered, {} were found and \
         {} snapshots, {} of them still on this box, and {} ({}) were restored to nowhere, in {} s.\n",
        what.members.0,
        what.members.1,
        packs(what.packs as u64),
        what.snapshots.1,
        what.snapshots.0,
        figures::count(what.files.0, "file", "files"),
        figures::bytes(what.files.1),
        what.took_ms.div_ceil(1_000),
    );
    let json = json!({
        "answering": what.members.0,
        "members": what.members.1,
        "packs": what.packs,
        "snapshots": what.snapshots.0,
        "files": what.files.0,
        "bytes": what.files.1,
        "took_ms": what.took_ms,
    });
    Answer { text, json, outcome: Outcome::Done }
}

/// A box that came back.
pub(crate) fn recovered(what: &Recovered, told: usize, rebuilt: Answer) -> Answer {
    let text = format!(
        "The box can be started: {} snapshots can be restored at once, their {} packs ({} MiB) come back while it runs. {} of {} \
         boxes of the community answered, {told} know of the new box already.\n\
         For a day it may only read what the others keep for it, unless an admin of the community confirms it before. Machines \
         have to be enrolled again: they know a box by its key.\n",
        what.snapshots,
        what.packs.0,
        what.bytes >> 20,
        what.members.0,
        what.members.1,
    );
    let json = json!({
        "catalog": rebuilt.json,
        "packs": what.packs.0,
        "unreadable_packs": what.packs.1,
        "bytes": what.bytes,
        "snapshots": what.snapshots,
        "members": what.members.1,
        "answering": what.members.0,
        "told": told,
    });
    Answer { text: rebuilt.text + &text, json, outcome: rebuilt.outcome }
}
