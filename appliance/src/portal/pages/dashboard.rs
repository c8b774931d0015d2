//! The first page: a sentence, the two tiles, the disk, the machines.

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::units::UnixMillis;

use super::super::answer::Reply;
use super::super::frame::Frame;
use super::super::scene::Scene;
use super::super::visit::Visit;
use super::bandwidth;
use super::machines::{Row, rows};
use super::proofs::sentence_of_all;
use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::accounts::{Actor, Right};
use crate::operations::browse::{self, Proof};
use crate::operations::dispersal::MachineDispersal;
use crate::operations::{self, Forecast, Status};
use crate::reports::{About, Health, drill_sentence};

/// Machines at most: whoever has more wants to know which are in a bad way, and finds the others on their own page.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage<'p> {
    frame: Frame<'p>,
    notices: Vec<Notice>,
    local: Tile,
    external: Tile,
    disk: Option<Disk>,
    /// The worst ones.
    machines: Vec<Row>,
    /// How many are not among them, and where they are.
    more: Option<String>,
    may_enrol: bool,
    /// Whether the page of the other boxes is for the visitor.
    may_look: bool,
    /// What proofs of restoring came to.
    proofs: Option<String>,
}

/// A sentence at the top, and where it leads.
struct Notice {
    /// Style class.
    tone: &'static str,
    text: String,
    path: Option<&'static str>,
}

/// One of the two answers to "are we safe?".
struct Tile {
    /// Style class.
    tone: &'static str,
    word: String,
    text: String,
    /// What else is to be known, a sentence each.
    notes: Vec<String>,
}

/// Parts of the ring in thousandths of its length, and their sizes.
struct Disk {
    backups: u64,
    other: u64,
    used_percent: u64,
    backups_size: String,
    other_size: String,
    free_size: String,
    total_size: String,
    /// When it will be full.
    forecast: String,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let scene = visit.portal.look()?;
            let (locale, actor) = (visit.locale(), visit.actor()?);
            let seen = scene.machines_seen_by(actor);
            let healths: Vec<Health> = seen.iter().map(|(health, ..)| *health).collect();
            let forecast = operations::forecast(visit.site())?;
            let proofs = browse::last_proofs(visit.site(), &visit.scope()?)?;
            let proofs: Vec<&Proof> = proofs.iter().map(|(_, proof)| proof).collect();
            let page = DashboardPage {
                frame: Frame::new(visit, &locale.word("nav-dashboard")),
                notices: notices(&scene, &healths, actor, operations::last_signature(visit.site())?.is_some(), locale),
                local: if proofs.iter().any(|proof| proof.failures > 0) {
                    // What could not be read once is not safe until a proof says otherwise.
                    damage(locale)
                } else {
                    local(&scene.status, &healths, locale)
                },
                proofs: sentence_of_all(&proofs, UnixMillis(scene.status.now), locale),
                external: external(&scene.status, locale),
                disk: actor.has(Right::LookAtBox).then(|| disk(&scene.status, forecast, locale)).flatten(),
                machines: rows(seen.get(..SHOWN).unwrap_or(&seen), scene.status.now, locale),
                more: seen.len().checked_sub(SHOWN + 1).map(|over| locale.count("machines-more", over as u64 + 1)),
                may_enrol: actor.has(Right::EnrolMachines),
                may_look: actor.has(Right::LookAtBox),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

/// Green only while every pack is where it outlives this box, and a blank box would find it.
fn external(status: &Status, locale: &Locale) -> Tile {
    let tile = |tone, word: &str, text: String| {
        let notes = external_notes(status, locale);
        Tile { tone, word: locale.word(word), text, notes }
    };
    let Some(outside) = &status.outside else {
        return tile("plain", "external-none", locale.word("external-none-text"));
    };
    let sum = |of: fn(&MachineDispersal) -> u64| outside.machines.iter().map(of).sum::<u64>();
    let (safe, all) = (sum(|machine| machine.packs_in_place), sum(|machine| machine.packs_needed));
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("n", safe);
    args.set("all", all);
    if outside.last_head_at.is_none() {
        tile("warn", "external-begun", locale.word("external-begun-text"))
    } else if outside.beyond_reach_packs > 0 {
        tile("bad", "external-short", locale.count("external-short-text", outside.beyond_reach_packs))
    } else if outside.homeless_packs > 0 {
        tile("warn", "external-homeless", locale.count("external-homeless-text", outside.homeless_packs))
    } else if outside.thin_packs > 0 {
        tile("warn", "external-thin", locale.count("external-thin-text", outside.thin_packs))
    } else if outside.fragments_unchecked > 0 {
        tile("warn", "external-checked", locale.count("external-checked-text", outside.fragments_unchecked))
    } else if safe < all {
        tile("warn", "external-behind", locale.say("external-behind-text", &args))
    } else {
        tile("good", "external-good", locale.say("external-good-text", &args))
    }
}

/// How far it is, what waits, and whether it would come back.
fn external_notes(status: &Status, locale: &Locale) -> Vec<String> {
    let Some(outside) = &status.outside else { return Vec::new() };
    let fragments = (outside.fragments_needed > 0).then(|| {
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("n", outside.fragments_in_place);
        args.set("all", outside.fragments_needed);
        locale.say("external-fragments", &args)
    });
    let oldest =
        outside.oldest_missing.map(|at| locale.naming("external-oldest", &locale.ago(Ago::between(at, status.now))));
    let paused = bandwidth::paused(&outside.outgoing, status.now, locale);
    let drill = status.drill.as_ref().map(|drill| drill_sentence(drill, status.now, locale));
    fragments.into_iter().chain(oldest).chain(paused).chain(drill).collect()
}

fn damage(locale: &Locale) -> Tile {
    Tile { tone: "bad", word: locale.word("local-bad"), text: locale.word("local-bad-text"), notes: Vec::new() }
}

/// Green only while every machine is within its own allowance, and everything stored is here and not damaged.
fn local(status: &Status, healths: &[Health], locale: &Locale) -> Tile {
    let tile = |tone, word: &str, text: String| Tile { tone, word: locale.word(word), text, notes: Vec::new() };
    let count = |wanted: &[Health]| healths.iter().filter(|health| wanted.contains(health)).count() as u64;
    let in_use = healths.len() as u64 - count(&[Health::Retired]);
    let unsafe_ones = count(&[Health::Damaged]);
    if status.poisoned.is_some() || unsafe_ones > 0 || status.damaged.packs > 0 {
        damage(locale)
    } else if let Some(back) = &status.coming_back {
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("done", locale.bytes(back.all_bytes - back.bytes));
        args.set("all", locale.bytes(back.all_bytes));
        tile("warn", "local-back", locale.say("local-back-text", &args))
    } else if in_use == 0 {
        tile("plain", "local-none", locale.word("local-none-text"))
    } else if count(&[Health::Late, Health::Incomplete, Health::Empty]) > 0 {
        let well = count(&[Health::Current]);
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("n", well);
        args.set("all", in_use);
        tile("warn", "local-warn", locale.say("local-warn-text", &args))
    } else if count(&[Health::Paused]) > 0 {
        tile("plain", "local-paused", locale.count("local-paused-text", count(&[Health::Paused])))
    } else {
        tile("good", "local-good", locale.count("local-good-text", in_use))
    }
}

fn notices(scene: &Scene, healths: &[Health], actor: &Actor, is_signed: bool, locale: &Locale) -> Vec<Notice> {
    let all = scene.notices(healths, actor.has(Right::LookAtBox));
    // Until somebody has signed, the box is being put into service.
    let setup = (!is_signed && actor.has(Right::Commission)).then(|| Notice {
        tone: "plain",
        text: locale.word("setup-go-on"),
        path: Some("/setup"),
    });
    all.iter()
        .map(|notice| Notice {
            tone: notice.tone.word(),
            text: notice.text(locale),
            path: notice.about.map(|about| match about {
                About::Machines => "/machines",
                About::Site => "/site",
                About::Box => "/system",
            }),
        })
        .chain(setup)
        .collect()
}

fn disk(status: &Status, forecast: Forecast, locale: &Locale) -> Option<Disk> {
    let (total, free) = (status.disk_total_bytes?, status.disk_free_bytes?);
    let used = total.saturating_sub(free);
    let backups = (status.stored.bytes + status.condemned.bytes + status.damaged.bytes).min(used);
    let of_total = |bytes: u64, parts: u128| {
        u64::try_from(u128::from(bytes) * parts / u128::from(total.max(1))).unwrap_or(u64::MAX)
    };
    Some(Disk {
        backups: of_total(backups, 1_000),
        other: of_total(used - backups, 1_000),
        used_percent: of_total(used, 100),
        backups_size: locale.bytes(backups),
        other_size: locale.bytes(used - backups),
        free_size: locale.bytes(free),
        total_size: locale.bytes(total),
        forecast: forecast_text(forecast, locale),
    })
}

fn forecast_text(forecast: Forecast, locale: &Locale) -> String {
    match forecast {
        Forecast::TooEarly { days, needed } => {
            let mut args = fluent_bundle::FluentArgs::new();
            args.set("n", days);
            args.set("needed", needed);
            locale.say("forecast-early", &args)
        }
        Forecast::NotGrowing => locale.word("forecast-not-growing"),
        Forecast::Full { weeks } => locale.count("forecast-full", weeks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;
    use crate::operations::DrillStatus;
    use crate::operations::PackTotals;
    use crate::operations::bandwidth::Outgoing;
    use crate::operations::dispersal::DispersalStatus;

    fn status() -> Status {
        let none = || PackTotals::default();
        Status {
            outside: None,
            drill: None,
            coming_back: None,
            box_name: "cellar".to_owned(),
            vault: String::new(),
            now: 0,
            machines: Vec::new(),
            stored: none(),
            kept_outside: none(),
            snapshots_outside: 0,
            condemned: none(),
            damaged: none(),
            unverified_packs: 0,
            sessions: 0,
            disk_total_bytes: Some(1_000),
            disk_free_bytes: Some(100),
            poisoned: None,
        }
    }

    #[test]
    fn the_external_tile_is_green_only_when_everything_is_outside_and_can_be_found() {
        let locale = Locale::open(Language::English).expect("locale");
        let machine = |in_place: u64, needed: u64| MachineDispersal {
            machine: "till".to_owned(),
            last_safe: None,
            last_full: None,
            packs_in_place: in_place,
            packs_needed: needed,
            bytes_in_place: 0,
            bytes_needed: 0,
            oldest_missing: None,
        };
        let with = |in_place, needed, head| DispersalStatus {
            scheme: Some("2+2".to_owned()),
            machines: vec![machine(3, 3), machine(in_place, needed)],
            last_head_at: head,
            oldest_missing: None,
            thin_packs: 0,
            beyond_reach_packs: 0,
            homeless_packs: 0,
            fragments_in_place: 8,
            fragments_needed: 9,
            fragments_unchecked: 0,
            outgoing: Outgoing::default(),
        };
        let tile =
            |outside: &Option<DispersalStatus>| external(&Status { outside: outside.clone(), ..status() }, &locale);
        let thinned =
            |thin_packs, beyond_reach_packs| DispersalStatus { thin_packs, beyond_reach_packs, ..with(4, 4, Some(1)) };
        for (outside, tone) in [
            (None, "plain"),
            (Some(DispersalStatus::default()), "warn"),
            (Some(with(4, 4, None)), "warn"),
            (Some(with(3, 4, Some(1))), "warn"),
            (Some(with(4, 4, Some(1))), "good"),
            (Some(thinned(1, 0)), "warn"),
            (Some(thinned(1, 1)), "bad"),
            (Some(DispersalStatus { fragments_unchecked: 1, ..with(4, 4, Some(1)) }), "warn"),
            (Some(DispersalStatus { homeless_packs: 1, ..with(4, 4, Some(1)) }), "warn"),
        ] {
            assert_eq!(tile(&outside).tone, tone, "{outside:?}");
        }
    }

    #[test]
    fn the_external_tile_says_how_far_it_is_what_waits_and_when_recovery_was_tried() {
        let locale = Locale::open(Language::English).expect("locale");
        let mut outside = DispersalStatus::default();
        let notes = |outside: &DispersalStatus, drill: Option<DrillStatus>| {
            external(&Status { outside: Some(outside.clone()), drill, ..status() }, &locale).notes
        };
        assert!(notes(&outside, None).is_empty());
        outside.outgoing = Outgoing { paused: true, paused_until: Some(status().now + 3_600_000) };
        outside.fragments_needed = 9;
        outside.oldest_missing = Some(status().now - 3 * 3_600_000);
        let drill = DrillStatus { last_at: None, passed: false, why: String::new(), overdue: false };
        let notes = notes(&outside, Some(drill));
        let [fragments, oldest, paused, drill] = notes.as_slice() else { panic!("{notes:?}") };
        assert!(
            fragments.contains("0 of 9") && oldest.contains("3 h ago") && drill.contains("not been tried"),
            "{notes:?}"
        );
        assert!(paused.contains(":"), "{paused}");
    }

    /// The original's figure 1 shows both tiles green beside a machine without a recent backup.
    #[test]
    fn the_local_tile_is_never_green_while_a_machine_is_not_well() {
        let locale = Locale::open(Language::English).expect("locale");
        for health in Health::ALL {
            for others in [vec![], vec![Health::Current], vec![Health::Current, Health::Retired]] {
                let healths: Vec<Health> = others.into_iter().chain([health]).collect();
                let well = healths.iter().all(|h| matches!(h, Health::Current | Health::Retired))
                    && healths.contains(&Health::Current);
                assert_eq!(local(&status(), &healths, &locale).tone == "good", well, "{healths:?}");
            }
        }
        let mut damaged = status();
        damaged.damaged.packs = 1;
        assert_eq!(local(&damaged, &[Health::Current], &locale).tone, "bad");
        assert_eq!(local(&status(), &[], &locale).tone, "plain");
    }

    #[test]
    fn the_parts_of_the_ring_are_those_of_the_disk() {
        let locale = Locale::open(Language::English).expect("locale");
        let mut status = status();
        status.stored.bytes = 300;
        let disk = disk(&status, Forecast::Full { weeks: 3 }, &locale).expect("disk");
        assert!(disk.forecast.contains("3 weeks"), "{}", disk.forecast);
        assert_eq!((disk.backups, disk.other, disk.used_percent), (300, 600, 90));
        status.disk_total_bytes = None;
        assert!(super::disk(&status, Forecast::NotGrowing, &locale).is_none());
    }
}
