//! `datis status`.

use std::path::PathBuf;

use datis_engine::units::UnixMillis;
use serde_json::{Value, json};

use super::args::StatusArguments;
use super::output::{Failure, Output, count, local_time, timestamp};
use super::snapshots::ID_SHOWN;
use crate::errors::chain;
use crate::exit::Exit;
use crate::service::plan::Reason;
use crate::state::State;
use crate::status::{Newest, Report, SourceReport, Standing, report};

/// A clock that is less off than this, in seconds, is not worth a word.
const CLOCK_OFF_MIN: u64 = 60;

pub(super) fn run(dir: PathBuf, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let state = match State::open(dir) {
        Ok(state) => state,
        Err(error) => {
            if arguments.json {
                not_enrolled(&error)?;
            }
            return Err(error.into());
        }
    };
    let seen = report(&state)?;
    let mut output = Output::new();
    if arguments.json {
        output.line(&fields(&state, &seen).to_string())?;
    } else {
        lines(&state, &seen).iter().try_for_each(|line| output.line(line))?;
    }
    output.finish()?;
    Ok(seen.exit())
}

fn not_enrolled(error: &crate::state::StateError) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(&json!({ "enrolled": false, "outcome": error.exit().word(), "message": chain(error) }).to_string())?;
    output.finish()
}

fn address(state: &State) -> String {
    let endpoint = state.endpoint();
    format!("{}:{}", endpoint.host, endpoint.port)
}

fn fields(state: &State, seen: &Report) -> Value {
    json!({
        "enrolled": true,
        "outcome": seen.exit().word(),
        "machine": state.machine_name.as_str(),
        "machine_id": state.machine.to_string(),
        "profile": state.profile.word(),
        "box": {
            "name": state.box_name,
            "address": address(state),
            "reachable": seen.unreachable.is_none(),
            "message": seen.unreachable.as_ref().map(|error| chain(error)),
        },
        "every_seconds": seen.every.map(|every| every.0),
        "clock_ahead_seconds": seen.clock_ahead,
        "paused_until": seen.paused_until.map(timestamp),
        "requests": seen.requests,
        "service_running": seen.service_runs,
        "rejected_snapshots": seen.rejected,
        "sources": seen.sources.iter().map(|source| source_fields(seen, source)).collect::<Vec<_>>(),
    })
}

fn source_fields(seen: &Report, source: &SourceReport) -> Value {
    let time = |at: Option<i64>| at.map(|at| timestamp(UnixMillis(at)));
    json!({
        "source": source.name.as_str(),
        "kind": source.kind.word(),
        "state": source.standing.word(),
        "scheduled": source.is_scheduled,
        "snapshot": source.newest.and_then(|newest| newest.id).map(|id| id.to_string()),
        "snapshot_state": source.newest.map(|newest| newest.state.word()),
        "received_at": source.newest.map(|newest| timestamp(newest.received_at)),
        "age_seconds": source.newest.map(|newest| age(seen, &newest)),
        "succeeded_at": time(source.last_run.succeeded_at),
        "tried_at": time(source.last_run.tried_at),
        "last_exit_code": source.last_run.exit_code,
        "next_due": source.next.map(|(at, _)| timestamp(at)),
        "waits_because": source.next.and_then(|(_, because)| because).map(Reason::word),
    })
}

fn age(seen: &Report, newest: &Newest) -> u64 {
    u64::try_from(seen.now.0.saturating_sub(newest.received_at.0) / 1_000).unwrap_or(0)
}

fn lines(state: &State, seen: &Report) -> Vec<String> {
    let mut lines = vec![
        verdict(seen),
        String::new(),
        format!("This machine   {} ({})", state.machine_name, state.profile),
        format!("Box            {} at {}, {}", state.box_name, address(state), reached(seen)),
        format!("Wanted every   {}", seen.every.map_or_else(|| "not known yet".to_owned(), |every| every.to_string())),
        format!(
            "Service        {}",
            if seen.service_runs { "running" } else { "not running; start it with `datis service`" }
        ),
    ];
    if seen.requests > 0 {
        let waiting = count(u64::from(seen.requests), "request waits", "requests wait");
        lines.push(format!("Put back       {waiting} for you; `datis requests` shows what is asked"));
    }
    if let Some(until) = seen.paused_until {
        lines.push(format!("Paused         by the box's admin until {}", local_time(until)));
    }
    if let Some(ahead) = seen.clock_ahead.filter(|ahead| ahead.unsigned_abs() >= CLOCK_OFF_MIN) {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        lines.push(format!("Clock          {} {side} the box's; set it", span(ahead.unsigned_abs())));
    }
    if seen.rejected > 0 {
        lines.push(format!(
            "Not usable     {}; `datis snapshots` says why",
            count(seen.rejected as u64, "snapshot", "snapshots")
        ));
    }
    if let Some(error) = &seen.unreachable {
        lines.push(format!("Why            {}", chain(error)));
    }
    if !seen.sources.is_empty() {
        lines.push(String::new());
    }
    let width = seen.sources.iter().map(|source| source.name.as_str().chars().count()).max().unwrap_or(0);
    lines.extend(seen.sources.iter().map(|source| {
        format!("{:<10}  {:<width$}  {}", source.standing.word(), source.name.as_str(), told(seen, source))
    }));
    lines
}

/// The sentence that says it all.
fn verdict(seen: &Report) -> String {
    let of = |standings: &[Standing]| {
        seen.sources.iter().filter(|source| standings.contains(&source.standing)).count() as u64
    };
    let sources = |n| count(n, "source", "sources");
    if seen.unreachable.is_some() {
        return "The box cannot be asked; what follows is what this machine remembers.".to_owned();
    }
    let not_protected = of(&[Standing::Failed, Standing::Late, Standing::Never]);
    let incomplete = of(&[Standing::Incomplete]);
    match (seen.sources.len(), not_protected, incomplete) {
        (0, _, _) => "Nothing is backed up yet; start with `datis backup PATH`.".to_owned(),
        (_, 0, 0) if seen.paused_until.is_some() => {
            "The box's admin has paused this machine; nothing new is backed up.".to_owned()
        }
        (_, 0, 0) => "Everything is backed up.".to_owned(),
        (_, 0, n) => format!(
            "Everything is backed up, but {} not whole.",
            if n == 1 { "one source is" } else { "some sources are" }
        ),
        (_, n, _) => format!(
            "{} not backed up as the box wants it.",
            if n == 1 { "1 source is".to_owned() } else { format!("{} are", sources(n)) }
        ),
    }
}

fn reached(seen: &Report) -> &'static str {
    if seen.unreachable.is_none() { "answers" } else { "does not answer" }
}

fn told(seen: &Report, source: &SourceReport) -> String {
    let newest = source.newest.map_or_else(
        || "no snapshot".to_owned(),
        |newest| {
            let id = newest.id.map(|id| format!(" {}", &id.to_string()[..ID_SHOWN])).unwrap_or_default();
            format!("snapshot{id} of {} ({} ago)", local_time(newest.received_at), span(age(seen, &newest)))
        },
    );
    let next = match source.next {
        Some((_, Some(Reason::OnBattery))) => "; waits for power".to_owned(),
        Some((_, Some(Reason::Metered))) => "; waits for a network that costs nothing".to_owned(),
        Some((at, Some(Reason::FailedLately))) => format!("; tried again at {}", local_time(at)),
        Some((at, Some(Reason::NotDue))) => format!("; due at {}", local_time(at)),
        Some((_, None)) => "; due now".to_owned(),
        None if source.is_scheduled => String::new(),
        None => "; not backed up by the service".to_owned(),
    };
    newest + &next
}

/// A length of time in its largest unit, as people say it.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => count(seconds, "second", "seconds"),
        60..3_600 => count(seconds / 60, "minute", "minutes"),
        3_600..172_800 => count(seconds / 3_600, "hour", "hours"),
        _ => count(seconds / 86_400, "day", "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let told: Vec<_> = [1, 59, 60, 3_599, 3_600, 90_000, 172_800, 864_000].into_iter().map(span).collect();
        assert_eq!(
            told,
            ["1 second", "59 seconds", "1 minute", "59 minutes", "1 hour", "25 hours", "2 days", "10 days"]
        );
    }
}
