//! How much of the line goes to the other boxes, from the console.

use std::fmt::Write;

use serde_json::json;

use super::command::{Answer, BandwidthCommand, Failed, Outcome};
use crate::operations::Site;
use crate::operations::accounts::Actor;
use crate::operations::bandwidth::{
    BandwidthPlan, HourClass, Megabits, Stroke, WEEK, bandwidth_plan, outgoing, set_bandwidth,
};

pub(super) fn execute(site: &Site, what: &BandwidthCommand) -> Result<Answer, Failed> {
    if let BandwidthCommand::Set { full, reduced, unlimited, hours } = what {
        let mut plan = bandwidth_plan(site);
        plan.full = if *unlimited { None } else { full.or(plan.full) };
        plan.reduced = reduced.unwrap_or(plan.reduced);
        hours.iter().for_each(|stroke| stroke.paint(&mut plan.hours));
        set_bandwidth(site, &Actor::console(), &plan)?;
    }
    Ok(shown(site, &bandwidth_plan(site)))
}

fn shown(site: &Site, plan: &BandwidthPlan) -> Answer {
    let full = plan.full.map_or_else(|| "as much as the line takes".to_owned(), rate);
    let mut text = format!("To the other boxes, in full hours: {full}; in reduced hours: {}\n", rate(plan.reduced));
    let strokes: Vec<String> = Stroke::of_week(&plan.hours).iter().map(ToString::to_string).collect();
    if plan.hours.count(HourClass::Full) < WEEK {
        for stroke in &strokes {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {stroke}");
        }
    } else {
        text.push_str("All hours are full.\n");
    }
    let now = outgoing(site);
    if let Some(line) = super::show::paused(&now, site.clock.now().0) {
        text.push_str(&line);
        text.push('\n');
    }
    let json = json!({
        "full_mbit": plan.full.map(Megabits::get),
        "reduced_mbit": plan.reduced.get(),
        "hours": strokes,
        "now": now,
    });
    Answer { text, json, outcome: Outcome::Done }
}

fn rate(rate: Megabits) -> String {
    format!("{} Mbit/s", rate.get())
}
