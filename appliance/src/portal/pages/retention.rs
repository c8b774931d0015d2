//! The retention simulator: which snapshots of a machine a policy would keep, which would go now or soon, and what that gives
//! back. Looking changes nothing; from here the policy is saved.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::ids::MachineId;
use datis_engine::retention::{KeepReason, RetentionPolicy};
use datis_engine::units::Seconds;
use datis_engine::wire::SnapshotState;
use fluent_bundle::FluentArgs;

use super::super::answer::{PageError, Reply, encoded};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::{Choice, Date};
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::{
    self, Machine, MachineState, OperationError, PolicyPreview, PolicyWeight, RetentionPreset, SOON, Site, Why,
};

/// Rows of one page.
const PAGE: usize = 200;
/// Questions about weight that wait or were answered; the oldest make room.
const WEIGHED_MAX: usize = 8;
/// How long the scales wait while a collection runs.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// What is weighed: a policy for a machine, at a state of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    machine: MachineId,
    policy: RetentionPolicy,
    /// How many snapshots it would take: others came or went, another weight.
    expired: usize,
    kept: usize,
}

/// How far the answer to a question is.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Waiting,
    Known(PolicyWeight),
    Failed,
}

/// Weighs policies one after the other, on a thread of its own: it takes as long as a collection.
#[derive(Default)]
pub(in crate::portal) struct Weighing(Mutex<VecDeque<(Question, Scale)>>);

impl Weighing {
    fn queue(&self) -> MutexGuard<'_, VecDeque<(Question, Scale)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many questions are still open: pages that are open hear when that changes.
    pub(in crate::portal) fn open(&self) -> usize {
        self.queue().iter().filter(|(_, scale)| matches!(scale, Scale::Waiting)).count()
    }

    /// What is known of the question by now; has it weighed if nobody has asked before.
    fn ask(self: &Arc<Self>, site: &Arc<Site>, machine: &Machine, question: Question) -> std::io::Result<Scale> {
        let mut queue = self.queue();
        if let Some((_, scale)) = queue.iter().find(|(known, _)| *known == question) {
            return Ok(*scale);
        }
        let is_idle = queue.iter().all(|(_, scale)| !matches!(scale, Scale::Waiting));
        if is_idle {
            let (weighing, site) = (Arc::clone(self), Arc::clone(site));
            // It waits for the queue, so it finds the question there.
            std::thread::Builder::new().name("weighing".into()).spawn(move || weighing.work(&site))?;
        } else if queue.iter().filter(|(_, scale)| matches!(scale, Scale::Waiting)).count() >= WEIGHED_MAX {
            tracing::debug!(machine = %machine.name, "Too many policies are being tried at a time");
            return Ok(Scale::Waiting);
        }
        queue.push_back((question, Scale::Waiting));
        while queue.len() > WEIGHED_MAX {
            let Some(old) = queue.iter().position(|(_, scale)| !matches!(scale, Scale::Waiting)) else { break };
            queue.remove(old);
        }
        Ok(Scale::Waiting)
    }

    fn work(&self, site: &Site) {
        let _guard = Emptied(self);
        while let Some(question) = self.next() {
            let scale = match weigh(site, &question) {
                Ok(weight) => Scale::Known(weight),
                Err(OperationError::Running { .. }) => {
                    std::thread::sleep(PATIENCE);
                    continue;
                }
                Err(OperationError::Stopped | OperationError::Poisoned { .. }) => return,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "A policy could not be weighed");
                    Scale::Failed
                }
            };
            if let Some((_, answer)) = self.queue().iter_mut().find(|(known, _)| *known == question) {
                *answer = scale;
            }
        }
    }

    fn next(&self) -> Option<Question> {
        self.queue().iter().find(|(_, scale)| matches!(scale, Scale::Waiting)).map(|(question, _)| question.clone())
    }
}

/// Forgets what waits when its thread ends before its time, so that it can be asked for again.
struct Emptied<'w>(&'w Weighing);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        self.0.queue().retain(|(_, scale)| !matches!(scale, Scale::Waiting));
    }
}

fn weigh(site: &Site, question: &Question) -> Result<PolicyWeight, OperationError> {
    let machine = operations::list_machines(site)?.into_iter().find(|machine| machine.id == question.machine);
    // Machines are never removed from the catalog.
    let machine = machine.ok_or(OperationError::Forbidden)?;
    operations::weigh_policy(site, &machine, &question.policy)
}

/// Which of the lists is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Gone,
    Soon,
    Kept,
}

impl List {
    const ALL: [Self; 3] = [Self::Gone, Self::Soon, Self::Kept];

    const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Soon => "soon",
            Self::Kept => "kept",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Gone => "retention-gone",
            Self::Soon => "retention-soon",
            Self::Kept => "retention-kept",
        }
    }

    fn of(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|list| Some(list.word()) == word).unwrap_or(Self::Gone)
    }
}

#[derive(Template)]
#[template(path = "retention.html")]
struct RetentionPage<'p> {
    frame: Frame<'p>,
    machine: String,
    id: String,
    presets: Vec<Choice>,
    /// The policy in words of its own, as it was sent or as it is.
    local: String,
    problem: Option<String>,
    tried: Option<Tried>,
}

/// What the policy that was tried would do.
struct Tried {
    is_present: bool,
    policy: String,
    every: String,
    external: String,
    may_save: bool,
    /// Style class, and what the brake would do.
    brake: Option<String>,
    sentence: String,
    /// What it gives back, and whether that is still being found out.
    weight: String,
    is_weighing: bool,
    again: String,
    tabs: Vec<Tab>,
    list: &'static str,
    rows: Vec<Row>,
    previous: Option<String>,
    next: Option<String>,
}

struct Tab {
    word: String,
    count: usize,
    address: String,
    is_here: bool,
}

struct Row {
    date: Date,
    source: String,
    state: String,
    /// Style class.
    tone: &'static str,
    why: String,
}

pub(in crate::portal) async fn show(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| Ok(Reply::Page(page(visit, &id)?))).await
}

fn page(visit: &Visit, id: &str) -> Result<String, PageError> {
    let (locale, actor) = (visit.locale(), visit.actor()?);
    let machines = operations::list_machines(visit.site())?;
    let machine = machines.into_iter().find(|machine| machine.id.to_string() == id && actor.sees(&machine.id));
    let machine = machine.ok_or(PageError::NotFound)?;
    let asked = visit.query("preset").filter(|word| !word.is_empty());
    let preset = RetentionPreset::ALL.into_iter().find(|preset| Some(preset.word()) == asked.as_deref());
    let written = visit.query("local").filter(|text| !text.trim().is_empty());
    let (policy, problem) = match (preset, &written) {
        (Some(preset), _) => (Some(preset.policy()), None),
        (None, Some(text)) => match text.parse::<RetentionPolicy>() {
            Ok(policy) => (Some(policy), None),
            Err(_) => (None, Some(locale.word("err-policy"))),
        },
        (None, None) => (Some(machine.policy.local.clone()), None),
    };
    let local = match &policy {
        Some(policy) => policy.to_string(),
        None => written.unwrap_or_default().chars().take(200).collect(),
    };
    let chosen = policy.as_ref().and_then(RetentionPreset::of);
    let page = RetentionPage {
        frame: Frame::new(visit, &locale.word("retention-title")),
        machine: machine.name.to_string(),
        id: id.to_owned(),
        presets: presets(chosen, locale),
        local,
        problem,
        tried: policy.map(|policy| tried(visit, &machine, policy)).transpose()?,
    };
    Ok(page.render()?)
}

fn presets(chosen: Option<RetentionPreset>, locale: &Locale) -> Vec<Choice> {
    let own = Choice { value: "", word: locale.word("preset-own"), is_chosen: chosen.is_none() };
    let presets = RetentionPreset::ALL.into_iter().map(|preset| Choice {
        value: preset.word(),
        word: locale.word(&format!("preset-{}", preset.word())),
        is_chosen: chosen == Some(preset),
    });
    presets.chain([own]).collect()
}

fn tried(visit: &Visit, machine: &Machine, policy: RetentionPolicy) -> Result<Tried, PageError> {
    let (locale, actor) = (visit.locale(), visit.actor()?);
    let preview = operations::preview_policy(visit.site(), machine, &policy)?;
    let question = Question {
        machine: machine.id,
        policy: policy.clone(),
        expired: preview.expired.len(),
        kept: preview.kept.len(),
    };
    let scale = if preview.expired.is_empty() {
        None
    } else {
        let scale = visit.portal.weighing.ask(&visit.portal.site, machine, question);
        Some(scale.map_err(|e| PageError::Other(format!("the policy cannot be weighed: {e}")))?)
    };
    let list = List::of(visit.query("list").as_deref());
    let from = visit.query("from").and_then(|from| from.parse::<usize>().ok()).unwrap_or(0);
    let address = |list: List, from: usize| {
        let text = encoded(&policy.to_string());
        format!("/machines/{}/retention?local={text}&list={}&from={from}", machine.id, list.word())
    };
    let count = |list: List| match list {
        List::Gone => preview.expired.len(),
        List::Soon => preview.soon.len(),
        List::Kept => preview.kept.len(),
    };
    let tabs = List::ALL.map(|each| Tab {
        word: locale.count(each.key(), SOON.0 / Seconds::DAY.0),
        count: count(each),
        address: address(each, 0),
        is_here: each == list,
    });
    Ok(Tried {
        is_present: policy == machine.policy.local,
        policy: policy.to_string(),
        every: machine.policy.every.to_string(),
        external: machine.policy.external.to_string(),
        may_save: machine.state == MachineState::Active && actor.has(Right::ChangeMachines),
        brake: brake(&preview, scale, locale),
        sentence: locale.count("retention-takes", preview.expired.len() as u64),
        weight: weight(scale, locale),
        is_weighing: matches!(scale, Some(Scale::Waiting)),
        again: address(list, from),
        tabs: tabs.into(),
        list: list.word(),
        rows: rows(&preview, list, from, locale),
        previous: (from > 0).then(|| address(list, from.saturating_sub(PAGE))),
        next: (from.saturating_add(PAGE) < count(list)).then(|| address(list, from + PAGE)),
    })
}

/// What a collection would do that has to remove so much.
fn brake(preview: &PolicyPreview, scale: Option<Scale>, locale: &Locale) -> Option<String> {
    let by_bytes = matches!(scale, Some(Scale::Known(weight)) if weight.over_brake);
    if !preview.over_brake && !by_bytes {
        return None;
    }
    let mut args = FluentArgs::new();
    args.set("n", preview.days_lost);
    args.set("all", preview.days);
    Some(locale.say("retention-brake", &args))
}

/// What it would give back, as far as that is known.
fn weight(scale: Option<Scale>, locale: &Locale) -> String {
    let weight = match scale {
        None => return locale.word("retention-frees-nothing"),
        Some(Scale::Waiting) => return locale.word("retention-weighing"),
        Some(Scale::Failed) => return locale.word("retention-not-weighed"),
        Some(Scale::Known(weight)) => weight,
    };
    let mut args = FluentArgs::new();
    args.set("size", locale.bytes(weight.freed_bytes));
    locale.say(if weight.is_at_least { "retention-frees-at-least" } else { "retention-frees" }, &args)
}

fn rows(preview: &PolicyPreview, list: List, from: usize, locale: &Locale) -> Vec<Row> {
    match list {
        List::Gone => {
            let shown = preview.expired.iter().skip(from).take(PAGE);
            shown.map(|snapshot| row(snapshot, String::new(), locale)).collect()
        }
        List::Soon => {
            let shown = preview.soon.iter().skip(from).take(PAGE);
            shown.map(|soon| row(&soon.snapshot, Date::new(soon.at).shown, locale)).collect()
        }
        List::Kept => {
            let shown = preview.kept.iter().skip(from).take(PAGE);
            shown.map(|kept| row(&kept.snapshot, why(kept.why, locale), locale)).collect()
        }
    }
}

fn row(snapshot: &operations::SnapshotBrief, why: String, locale: &Locale) -> Row {
    let (tone, key) = match snapshot.state {
        SnapshotState::Complete if snapshot.is_outside => ("pass", "snapshot-outside"),
        SnapshotState::Complete => ("pass", "snapshot-complete"),
        SnapshotState::Incomplete => ("warn", "snapshot-incomplete"),
        SnapshotState::Damaged => ("fail", "snapshot-damaged"),
    };
    Row {
        date: Date::new(snapshot.received_at),
        source: snapshot.source.to_string(),
        state: locale.word(key),
        tone,
        why,
    }
}

fn why(why: Why, locale: &Locale) -> String {
    let rule = match why {
        Why::InUse => return locale.word("keep-in-use"),
        Why::NoPolicy => return locale.word("keep-no-policy"),
        Why::NotYetOutside(_) => return locale.word("keep-not-yet-outside"),
        Why::OutsideOnly(_) => return locale.word("keep-outside-only"),
        Why::Policy(KeepReason::Future) => return locale.word("keep-future"),
        Why::Policy(KeepReason::Newest) => return locale.word("keep-newest"),
        Why::Policy(KeepReason::NewestComplete) => return locale.word("keep-newest-complete"),
        Why::Policy(KeepReason::Rule(rule)) => rule,
    };
    let mut args = FluentArgs::new();
    args.set("rule", rule.to_string());
    args.set("period", rule.period.to_string());
    args.set("duration", rule.duration.to_string());
    locale.say("keep-rule", &args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;

    #[test]
    fn every_reason_and_preset_has_a_sentence() {
        for language in Language::ALL {
            let locale = Locale::open(language).expect("tables");
            for preset in RetentionPreset::ALL {
                assert!(locale.has(&format!("preset-{}", preset.word())));
                assert_eq!(RetentionPreset::of(&preset.policy()), Some(preset));
            }
            for list in List::ALL {
                assert!(locale.has(list.key()));
                assert_eq!(List::of(Some(list.word())), list);
            }
            let [rule, ..] = RetentionPolicy::lean().rules().to_owned()[..] else { panic!("rules") };
            assert!(why(Why::Policy(KeepReason::Rule(rule)), &locale).contains("1d"), "{language:?}");
        }
    }

    #[test]
    fn what_is_weighed_is_said_as_it_is_known() {
        let locale = Locale::open(Language::English).expect("tables");
        let known = |is_at_least| {
            let weight =
                PolicyWeight { freed_bytes: 3 << 20, is_at_least, over_brake: false, doomed_bytes: 0, stored_bytes: 1 };
            weight_of(weight, &locale)
        };
        assert!(known(false).contains("3.0\u{a0}MiB") || known(false).contains("3\u{a0}MiB"), "{}", known(false));
        assert_ne!(known(true), known(false));
    }

    fn weight_of(known: PolicyWeight, locale: &Locale) -> String {
        weight(Some(Scale::Known(known)), locale)
    }
}
