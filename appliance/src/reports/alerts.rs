//! Which alerts there should be, and what is said of each: on the page, in mails, to the webhook.

use datis_engine::units::{Seconds, UnixMillis};
use fluent_bundle::FluentArgs;
use serde_json::json;

use super::health::Health;
use super::standing::{Standing, Tone};
use crate::commissioning::{self, Check, CheckState, Remembered};
use crate::locale::Locale;
use crate::operations::community::Wrong;
use crate::operations::{Alert, AlertKey, AlertKind, Judgement, MachineState, Severity};

/// A check of the site must fail for so long before somebody is told.
const LASTING: Seconds = Seconds(600);
/// The portal's certificate is made anew 60 days before its end: one that has less than this was not.
const ENDING: Seconds = Seconds(30 * 86_400);
/// The form of what the webhook is told; another number means that old receivers do not understand it.
const FORM: &str = "datis-alert-1";

impl Standing {
    /// What should be open now. `certificate_ends`: that of the portal.
    pub(crate) fn judge(&self, certificate_ends: Option<UnixMillis>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut bad = |kind, subject: String| judgement.bad.insert(AlertKey { kind, subject });
        for (health, machine, _) in self.machines_by_health() {
            let kind = match health {
                Health::Damaged => AlertKind::MachineDamaged,
                Health::Late => AlertKind::MachineLate,
                Health::Incomplete => AlertKind::MachineIncomplete,
                Health::Paused | Health::Empty | Health::Current | Health::Retired => continue,
            };
            bad(kind, machine.id.to_string());
        }
        for (machine, proof) in &self.proofs {
            let is_in_use = self.machines.iter().any(|m| m.id == *machine && m.state != MachineState::Retired);
            if is_in_use && proof.failures > 0 {
                bad(AlertKind::ProofFailed, machine.to_string());
            }
        }
        // What fails for a short time only may mend itself.
        let before = UnixMillis(self.status.now).minus(LASTING);
        for check in &self.checks {
            let word = check.outcome.check.word();
            match check.outcome.state() {
                CheckState::Fail if check.since < before => _ = bad(AlertKind::CheckFails, word.to_owned()),
                // What was never better is how the site is; what has become so is news.
                CheckState::Warn if check.since < before && check.passed_at.is_some() => {
                    bad(AlertKind::CheckWarns, word.to_owned());
                }
                CheckState::Pass | CheckState::Warn | CheckState::Fail | CheckState::Skip => {}
            }
        }
        for worry in &self.worries {
            let kind = match worry.what {
                Wrong::Suspect => AlertKind::PeerSuspect,
                Wrong::Absent => AlertKind::PeerAbsent,
                Wrong::Frozen => AlertKind::DeletionsFrozen,
                Wrong::Silent => AlertKind::OwnerSilent,
                Wrong::Books => AlertKind::BooksDiffer,
                Wrong::Parted => AlertKind::CommunityParted,
                Wrong::Rebound => AlertKind::MemberRebound,
            };
            bad(kind, worry.member.to_string());
        }
        match &self.status.drill {
            Some(drill) if drill.last_at.is_some() && !drill.passed => bad(AlertKind::DrillFailed, String::new()),
            Some(drill) if drill.overdue => bad(AlertKind::DrillOverdue, String::new()),
            Some(_) | None => false,
        };
        if self.is_kit_old {
            bad(AlertKind::KitOld, String::new());
        }
        if self.kit_use.is_some() {
            bad(AlertKind::KitUsed, String::new());
        }
        if self.is_reach_lost {
            bad(AlertKind::ReachLost, String::new());
        }
        if self.status.damaged.packs > 0 {
            bad(AlertKind::DamagedPacks, String::new());
        }
        if self.is_disk_full() {
            bad(AlertKind::DiskFull, String::new());
        } else if self.is_disk_low() {
            bad(AlertKind::DiskLow, String::new());
        }
        let is_ending = certificate_ends.is_some_and(|end| end < UnixMillis(self.status.now).plus(ENDING));
        if is_ending || self.is_certificate_ending() {
            bad(AlertKind::Certificate, String::new());
        }
        // Whether what was skipped is still so, nobody knows.
        let skipped = self.checks.iter().filter(|check| check.outcome.state() == CheckState::Skip);
        judgement.undecided = skipped
            .flat_map(|check| {
                let subject = check.outcome.check.word();
                [AlertKind::CheckFails, AlertKind::CheckWarns]
                    .map(|kind| AlertKey { kind, subject: subject.to_owned() })
            })
            .collect();
        judgement
    }

    /// What an alert is about, for people: a machine, a check, another box, or nothing.
    pub(crate) fn name_of(&self, key: &AlertKey, locale: &Locale) -> String {
        match key.kind {
            AlertKind::MachineDamaged
            | AlertKind::MachineLate
            | AlertKind::MachineIncomplete
            | AlertKind::ProofFailed => {
                let machine = self.machines.iter().find(|machine| machine.id.to_string() == key.subject);
                machine.map_or_else(|| key.subject.clone(), |machine| machine.name.to_string())
            }
            AlertKind::CheckFails | AlertKind::CheckWarns => {
                let check: Option<Check> = key.subject.parse().ok();
                check.map_or_else(|| key.subject.clone(), |check| commissioning::title(check, locale))
            }
            AlertKind::PeerSuspect
            | AlertKind::PeerAbsent
            | AlertKind::DeletionsFrozen
            | AlertKind::OwnerSilent
            | AlertKind::BooksDiffer
            | AlertKind::CommunityParted
            | AlertKind::MemberRebound => {
                let member = key.subject.parse().ok().and_then(|id| self.community.as_ref()?.roster().member(id));
                member.map_or_else(|| key.subject.clone(), |member| member.name.to_string())
            }
            AlertKind::DamagedPacks
            | AlertKind::DiskFull
            | AlertKind::DiskLow
            | AlertKind::Certificate
            | AlertKind::DrillFailed
            | AlertKind::DrillOverdue
            | AlertKind::KitOld
            | AlertKind::KitUsed
            | AlertKind::ReachLost => String::new(),
        }
    }

    /// A sentence or two: what it is, and what is to be done. While it is so, what is known of it too.
    pub(crate) fn sentence(&self, alert: &Alert, locale: &Locale) -> String {
        let key = &alert.key;
        let mut args = FluentArgs::new();
        args.set("name", self.name_of(key, locale));
        let text = locale.say(&format!("alert-{}", key.kind.word()), &args);
        let known = if alert.closed_at.is_none() { self.details(key, locale) } else { String::new() };
        format!("{text} {known}").trim_end().to_owned()
    }

    /// What a check has found, and which boxes have seen the kit.
    fn details(&self, key: &AlertKey, locale: &Locale) -> String {
        let check = self.checks.iter().find(|check| is_about(key, check)).map(|check| {
            let message = commissioning::message(&check.outcome, locale);
            let remedy = commissioning::remedy(&check.outcome, locale).unwrap_or_default();
            format!("{message} {remedy}")
        });
        let kit = self.kit_use.as_ref().filter(|_| key.kind == AlertKind::KitUsed);
        let seen = kit.map(|kit| locale.naming("alert-kit-used-by", &kit.witnesses()));
        check.or(seen).unwrap_or_default()
    }
}

fn is_about(key: &AlertKey, check: &Remembered) -> bool {
    matches!(key.kind, AlertKind::CheckFails | AlertKind::CheckWarns) && key.subject == check.outcome.check.word()
}

/// The colour of a severity: that of the sentences on the first page.
pub(crate) const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Information => Tone::Plain,
        Severity::Warning => Tone::Warn,
        Severity::Alarm => Tone::Bad,
    }
}

/// What the webhook is told of an alert (docs/OPERATING.md, "Webhook"). `url`: that of the portal.
pub(crate) fn webhook_body(standing: &Standing, alert: &Alert, url: &str, locale: &Locale) -> String {
    let event = if alert.closed_at.is_some() { "closed" } else { "opened" };
    let shown = json!({
        "id": alert.row.0,
        "kind": alert.key.kind.word(),
        "severity": alert.key.kind.severity().word(),
        "subject": alert.key.subject,
        "name": standing.name_of(&alert.key, locale),
        "text": standing.sentence(alert, locale),
        "opened_at": rfc3339(alert.opened_at),
        "closed_at": alert.closed_at.map(rfc3339),
    });
    body(standing, event, &shown, url)
}

/// What the webhook is told by somebody who wants to see that it arrives.
pub(crate) fn webhook_test(standing: &Standing, url: &str) -> String {
    body(standing, "test", &serde_json::Value::Null, url)
}

fn body(standing: &Standing, event: &str, alert: &serde_json::Value, url: &str) -> String {
    json!({
        "form": FORM,
        "event": event,
        "box": standing.status.box_name,
        "vault": standing.status.vault,
        "alert": alert,
        "open_alerts": standing.alerts.len(),
        "portal": format!("{url}/alerts"),
    })
    .to_string()
}

/// To the second, in UTC.
fn rfc3339(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).and_then(|at| at.round(jiff::Unit::Second));
    at.map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::locale::Language;
    use crate::operations::accounts::Actor;
    use crate::operations::community::{self, Community, KitUse, Worry};
    use crate::operations::testing::{Client, TestBox, files};
    use crate::operations::{self, AlertRow, CheckOutcome, Site};

    const NOW: i64 = 1_700_000_000_000;

    fn looked(site: &Site) -> Standing {
        let mut standing = Standing::look(site).expect("look");
        (standing.status.disk_free_bytes, standing.status.disk_total_bytes) = (Some(60), Some(100));
        standing
    }

    fn kinds(standing: &Standing) -> Vec<(AlertKind, String)> {
        let mut kinds: Vec<_> = standing.judge(None).bad.into_iter().map(|key| (key.kind, key.subject)).collect();
        kinds.sort_by_key(|(kind, subject)| (kind.word(), subject.clone()));
        kinds
    }

    fn check(word: &str, state: CheckState, finding: Option<&str>, because: Option<&str>, at: i64) -> CheckOutcome {
        CheckOutcome {
            check: word.to_owned(),
            state,
            finding: finding.map(str::to_owned),
            because: because.map(str::to_owned),
            facts: "[]".to_owned(),
            started_at: UnixMillis(at),
            took_ms: 1,
        }
    }

    #[test]
    fn what_is_wrong_with_machines_and_disk_is_an_alert_and_what_is_well_is_none() {
        let test = TestBox::start();
        let site = test.site();
        let client = Client::enrol(site, "till");
        assert_eq!(kinds(&looked(site)), [], "a new machine has time");
        client.back_up(site, &files(2, 1));
        let mut standing = looked(site);
        assert_eq!(kinds(&standing), []);
        let id = client.machine.id.to_string();
        standing.status.now += 400 * 86_400_000;
        assert_eq!(kinds(&standing), [(AlertKind::MachineLate, id.clone())]);
        for (free, expected) in [(4, Some(AlertKind::DiskLow)), (1, Some(AlertKind::DiskFull)), (5, None)] {
            let mut standing = looked(site);
            standing.status.disk_free_bytes = Some(free);
            let found: Vec<AlertKind> = kinds(&standing).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{free} %");
        }
        let mut standing = looked(site);
        standing.status.damaged.packs = 1;
        let proof = |failures| operations::browse::Proof {
            started_at: UnixMillis(1),
            took_ms: 1,
            files: 3,
            bytes: 4,
            failures,
            failed: Vec::new(),
        };
        standing.proofs = vec![(client.machine.id, proof(2))];
        assert_eq!(kinds(&standing), [(AlertKind::DamagedPacks, String::new()), (AlertKind::ProofFailed, id)]);
        standing.proofs = vec![(client.machine.id, proof(0))];
        assert_eq!(kinds(&standing), [(AlertKind::DamagedPacks, String::new())]);
        let ends = |days: i64| standing.judge(Some(UnixMillis(standing.status.now + days * 86_400_000))).bad.len();
        assert_eq!((ends(60), ends(29), ends(-1)), (1, 2, 2));
    }

    #[test]
    fn what_goes_wrong_between_boxes_is_an_alert_by_the_name_of_the_other_one() {
        let test = TestBox::start();
        let founded = founded(&test);
        let mut standing = looked(test.site());
        assert!(standing.worries.is_empty());
        let member = founded.me;
        standing.worries = [Wrong::Suspect, Wrong::Frozen].map(|what| Worry { member, what }).to_vec();
        let subject = member.to_string();
        let expected = [(AlertKind::DeletionsFrozen, subject.clone()), (AlertKind::PeerSuspect, subject.clone())];
        assert_eq!(kinds(&standing), expected);
        let key = AlertKey { kind: AlertKind::PeerSuspect, subject };
        let locale = Locale::open(Language::ALL[0]).expect("locale");
        standing.worries.clear();
        assert_eq!(standing.name_of(&key, &locale), "Café", "also when it is over");
        standing.community = None;
        assert_eq!(standing.name_of(&key, &locale), key.subject, "nobody knows any more");
    }

    #[test]
    fn a_kit_that_was_shown_is_an_alert_that_names_the_boxes_that_have_seen_it_while_it_is_open() {
        let test = TestBox::start();
        let mut standing = looked(test.site());
        assert!(standing.kit_use.is_none());
        let seen_by = ["bakery", "mill"].map(|name| name.parse().expect("a name")).to_vec();
        standing.kit_use = Some(KitUse { at: UnixMillis(NOW), seen_by });
        let key = AlertKey { kind: AlertKind::KitUsed, subject: String::new() };
        assert_eq!(kinds(&standing), [(key.kind, key.subject.clone())]);
        let mut alert =
            Alert { row: AlertRow(7), key, opened_at: UnixMillis(NOW), closed_at: None, acknowledged: None };
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            let said = standing.sentence(&alert, &locale);
            assert!(said.ends_with(": bakery, mill."), "{said}");
        }
        alert.closed_at = Some(UnixMillis(NOW));
        let english = Locale::open(Language::English).expect("locale");
        assert!(!standing.sentence(&alert, &english).contains("bakery"), "it may be another time that they have seen");
    }

    /// It has founded a community in which it is called Café.
    fn founded(test: &TestBox) -> Arc<Community> {
        let (name, member) = ("harbour".parse().expect("a name"), "Café".parse().expect("a name"));
        let kit = test.site().vault.recovery_kit(&test.dir()).expect("kit").identity;
        community::found(test.site(), &Actor::console(), name, member, &kit).expect("founded");
        test.site().community().expect("it is in one")
    }

    #[test]
    fn others_that_do_not_reach_the_box_any_more_are_an_alert() {
        use crate::operations::community::note_reach;
        use datis_engine::life::reach::Reach;
        let test = TestBox::start();
        let reach_lost = [(AlertKind::ReachLost, String::new())];
        for (reach, expected) in [
            (Reach::NotReachable, &[][..]),
            (Reach::Reachable, &[]),
            (Reach::NotReachable, &reach_lost),
            (Reach::NotKnown, &reach_lost),
            (Reach::Reachable, &[]),
        ] {
            note_reach(test.site(), reach).expect("note");
            assert_eq!(kinds(&looked(test.site())), expected, "{reach:?}");
        }
    }

    #[test]
    fn a_recovery_that_failed_or_was_not_tried_for_long_is_an_alert() {
        let test = TestBox::start();
        let mut standing = looked(test.site());
        for (passed, overdue, expected) in [
            (true, false, None),
            (true, true, Some(AlertKind::DrillOverdue)),
            (false, false, Some(AlertKind::DrillFailed)),
            (false, true, Some(AlertKind::DrillFailed)),
        ] {
            let drill = operations::DrillStatus { last_at: Some(1), passed, why: String::new(), overdue };
            standing.status.drill = Some(drill);
            let found: Vec<AlertKind> = kinds(&standing).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
        standing.status.drill = None;
        standing.is_kit_old = true;
        assert_eq!(kinds(&standing), [(AlertKind::KitOld, String::new())]);
    }

    #[test]
    fn checks_alarm_once_they_have_failed_for_a_while_and_what_is_skipped_stays_open() {
        let test = TestBox::start();
        let site = test.site();
        let keep = |outcomes: &[CheckOutcome]| operations::keep_outcomes(site, outcomes).expect("keep");
        keep(&[
            check("lan.link", CheckState::Pass, Some("link-fast"), None, 1),
            check("lan.dns", CheckState::Fail, Some("names-silent"), None, 1),
        ]);
        keep(&[check("lan.link", CheckState::Warn, Some("link-slow"), None, NOW)]);
        let at = |now: i64| {
            let mut standing = looked(site);
            standing.status.now = now;
            standing
        };
        let words = |now: i64| -> Vec<(AlertKind, String)> { kinds(&at(now)) };
        assert_eq!(words(600_000), [], "it may mend itself");
        assert_eq!(words(NOW), [(AlertKind::CheckFails, "lan.dns".to_owned())]);
        let both = [(AlertKind::CheckFails, "lan.dns".to_owned()), (AlertKind::CheckWarns, "lan.link".to_owned())];
        assert_eq!(words(NOW + 601_000), both);
        keep(&[check("lan.dns", CheckState::Skip, None, Some("lan.link"), NOW)]);
        let judgement = at(NOW).judge(None);
        assert!(judgement.bad.is_empty());
        let key = AlertKey { kind: AlertKind::CheckFails, subject: "lan.dns".to_owned() };
        assert!(judgement.undecided.contains(&key));
    }

    #[test]
    fn every_alert_has_a_sentence_in_every_language_and_the_webhook_is_told_all_of_it() {
        let test = TestBox::start();
        let client = Client::enrol(test.site(), "till");
        let standing = looked(test.site());
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            for severity in Severity::ALL {
                assert!(locale.has(&format!("severity-{}", severity.word())));
            }
            for kind in AlertKind::ALL {
                let subject = match kind {
                    AlertKind::CheckFails | AlertKind::CheckWarns => "lan.dns".to_owned(),
                    _ => client.machine.id.to_string(),
                };
                let alert = Alert {
                    row: AlertRow(7),
                    key: AlertKey { kind: *kind, subject },
                    opened_at: UnixMillis(NOW),
                    closed_at: None,
                    acknowledged: None,
                };
                let said = standing.sentence(&alert, &locale);
                assert!(!said.contains("alert-") && !said.contains('$'), "{said}");
                let told: serde_json::Value =
                    serde_json::from_str(&webhook_body(&standing, &alert, "https://box", &locale)).expect("JSON");
                assert_eq!(told["alert"]["text"], said.as_str());
                assert_eq!((&told["event"], &told["form"]), (&json!("opened"), &json!(FORM)));
                assert_eq!(told["alert"]["opened_at"], "2023-11-14T22:13:20Z");
                assert_eq!(told["portal"], "https://box/alerts");
            }
        }
        let test: serde_json::Value = serde_json::from_str(&webhook_test(&standing, "https://box")).expect("JSON");
        assert!(test["event"] == "test" && test["alert"].is_null());
    }
}
