//! What machines tell of their runs, and what is known of their days and sizes.

use datis_engine::wire::{self, Done, Refusal, RefusalCode, RestoreReport, RunReport};

use super::error::Failure;
use super::keeping::Deed;
use super::site::Site;
use super::{Machine, OperationError};
use crate::catalog::runs::{self, Day, DayRuns, MachineRestore, MachineSize, Run, RunOutcome};
use crate::catalog::{CatalogError, snapshots};
use crate::plain::plain;

/// Patterns of one source that are kept, and characters of each.
const EXCLUDES_MAX: usize = 64;
const EXCLUDE_MAX: usize = 200;
/// Characters of what a machine says about a failure.
const MESSAGE_MAX: usize = 300;
/// Days that are looked back: 53 weeks.
const DAYS: i64 = 53 * 7;
/// Runs that are shown.
const RUNS: u32 = 20;

/// Keeps what a machine tells of a run. What it says is information for people, and cut to a bounded length.
///
/// # Errors
/// [`Refusal`].
pub fn report_run(site: &Site, machine: &Machine, message: &RunReport) -> Result<Done, Refusal> {
    let run = Run {
        source: message.source.clone(),
        outcome: match message.outcome {
            wire::RunOutcome::Complete => RunOutcome::Complete,
            wire::RunOutcome::Incomplete => RunOutcome::Incomplete,
            wire::RunOutcome::Failed => RunOutcome::Failed,
        },
        reported_at: site.clock.now(),
        reading_ms: message.reading_ms,
        commit_ms: message.commit_ms,
        took_ms: message.took_ms,
        entries: message.entries,
        new_bytes: message.new_bytes,
        problems: message.problems,
        message: plain(&message.message, MESSAGE_MAX),
        excludes: message.excludes.iter().take(EXCLUDES_MAX).map(|pattern| plain(pattern, EXCLUDE_MAX)).collect(),
    };
    let kept = site.catalog.writer().write(|tx| runs::keep(tx, machine.row, &message.run, &run));
    kept.map_err(|e: CatalogError| site.refusal(e.into()))?;
    Ok(Done {})
}

/// Keeps that a machine has restored something of its own: at least one file.
///
/// # Errors
/// [`RefusalCode::NotFound`] when it has no such snapshot; [`Refusal`].
pub fn report_restore(site: &Site, machine: &Machine, message: &RestoreReport) -> Result<Done, Refusal> {
    let now = site.clock.now();
    let kept = site.catalog.writer().write(|tx| {
        let snapshot = snapshots::by_id(tx, machine.row, &message.snapshot)?;
        let snapshot = snapshot.ok_or_else(|| {
            Failure::refuse(RefusalCode::NotFound, format!("the box has no snapshot {}", message.snapshot))
        })?;
        if message.files > 0 {
            let last = MachineRestore { source: snapshot.source, files: message.files, reported_at: now };
            runs::keep_restore(tx, machine.row, &last)?;
        }
        Ok::<_, Failure>(Done {})
    });
    kept.map_err(|failure| site.refusal(failure))
}

/// The last restore that any machine told of, with `MACHINE/SOURCE` as its subject.
///
/// # Errors
/// [`OperationError`].
pub fn last_machine_restore(site: &Site) -> Result<Option<Deed>, OperationError> {
    let last = site.catalog.reader().read(|tx| runs::newest_restore(tx))?;
    Ok(last.map(|(machine, last)| Deed {
        at: last.reported_at,
        subject: format!("{machine}/{}", last.source),
        by: machine,
    }))
}

/// What a machine did in the last 53 weeks, and what it takes.
#[derive(Debug, Clone)]
pub struct Past {
    /// Today.
    pub today: Day,
    /// Days with a run, in their order.
    pub days: Vec<DayRuns>,
    /// The last runs that it told of, newest first.
    pub runs: Vec<Run>,
    /// What it takes, if that was weighed yet.
    pub size: Option<MachineSize>,
}

/// What a machine did, and what it takes.
///
/// # Errors
/// [`OperationError`].
pub fn past(site: &Site, machine: &Machine) -> Result<Past, OperationError> {
    let today = Day::of(site.clock.now());
    let past = site.catalog.reader().read(|tx| {
        Ok::<_, CatalogError>(Past {
            today,
            days: runs::days(tx, machine.row, Day(today.0 - DAYS))?,
            runs: runs::newest(tx, machine.row, RUNS)?,
            size: runs::size(tx, machine.row)?,
        })
    });
    Ok(past?)
}

#[cfg(test)]
mod tests {
    use datis_engine::ids::RunId;

    use super::super::testing::{Client, TestBox, files, source};
    use super::*;

    fn told(run: u8, outcome: wire::RunOutcome) -> RunReport {
        RunReport {
            source: source(),
            run: RunId::from_bytes([run; 16]),
            outcome,
            reading_ms: 1_200,
            commit_ms: 80,
            took_ms: 1_300,
            entries: 7,
            new_bytes: 9,
            problems: 0,
            message: "the\ndisk \u{1b}[31mfailed".repeat(40),
            excludes: vec!["*.tmp\n/etc".to_owned(); 100],
        }
    }

    #[test]
    fn runs_are_kept_once_and_what_machines_say_is_bounded() {
        let test = TestBox::start();
        let site = test.site();
        let client = Client::enrol(site, "till");
        for _ in 0..2 {
            report_run(site, &client.machine, &told(1, wire::RunOutcome::Failed)).expect("report");
        }
        client.back_up(site, &files(2, 1));
        report_run(site, &client.machine, &told(2, wire::RunOutcome::Complete)).expect("report");
        let past = past(site, &client.machine).expect("past");
        let day = DayRuns { day: past.today, complete: 1, incomplete: 0, failed: 1 };
        assert_eq!(past.days, [day], "asked again counts once, and a snapshot counts by itself");
        assert_eq!(
            past.runs.iter().map(|run| run.outcome).collect::<Vec<_>>(),
            [RunOutcome::Complete, RunOutcome::Failed]
        );
        let run = &past.runs[0];
        assert_eq!((run.message.chars().count(), run.excludes.len()), (MESSAGE_MAX, EXCLUDES_MAX));
        assert!(!run.message.contains(['\n', '\u{1b}']) && run.excludes[0] == "*.tmp/etc");
        for n in 0..60 {
            report_run(site, &client.machine, &told(10 + n, wire::RunOutcome::Complete)).expect("report");
        }
        let rows = site.catalog.reader().read(|tx| runs::newest(tx, client.machine.row, 1_000)).expect("runs");
        assert_eq!(rows.len(), 50);
    }

    #[test]
    fn the_last_restore_of_a_machine_out_of_its_own_snapshots_is_kept() {
        let test = TestBox::start();
        let site = test.site();
        let (one, two) = (Client::enrol(site, "one"), Client::enrol(site, "two"));
        let of_one = one.back_up(site, &files(2, 1)).0.snapshot;
        let tell = |client: &Client, files| {
            let message = RestoreReport { snapshot: of_one, files, bytes: 7, problems: 0 };
            report_restore(site, &client.machine, &message)
        };
        tell(&one, 0).expect("told");
        assert_eq!(tell(&two, 3).expect_err("not its own").code, RefusalCode::NotFound);
        assert_eq!(last_machine_restore(site).expect("read"), None, "no file came back");
        for files in 1..3 {
            tell(&one, files).expect("told");
        }
        let last = last_machine_restore(site).expect("read").expect("a restore");
        assert_eq!(last.subject, format!("one/{}", source()));
    }

    #[test]
    fn sizes_say_what_is_a_machines_own_and_what_it_shares() {
        let test = TestBox::start();
        let site = test.site();
        let (one, two) = (Client::enrol(site, "one"), Client::enrol(site, "two"));
        let shared = files(4, 1);
        one.back_up(site, &[&shared[..], &[("own", super::super::testing::noise(400_000, 9))]].concat());
        two.back_up(site, &shared);
        assert_eq!(past(site, &one.machine).expect("past").size, None, "nothing was weighed yet");
        super::super::prune(site, &super::super::PruneOptions::default()).expect("prune");
        let size = |client: &Client| past(site, &client.machine).expect("past").size.expect("weighed");
        let (one, two) = (size(&one), size(&two));
        assert!((350_000..550_000).contains(&one.unique_bytes), "{one:?}");
        assert!(two.unique_bytes < 20_000, "{two:?}");
        assert!((25_000..60_000).contains(&one.shared_bytes), "{one:?}");
        assert_eq!(one.shared_bytes, two.shared_bytes);
    }
}
