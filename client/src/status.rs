//! How this machine stands: its box, its sources, and how old their last snapshots are against what the box wants.

use datis_engine::ids::{SourceKind, SourceName};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::SnapshotState;

use crate::exit::Exit;
use crate::link::{Connection, LinkError};
use crate::service::plan::{Decision, Failed, History, Reason, Rules, Trouble, due, jitter, next_due};
use crate::service::{heartbeat, remembered, surroundings, wall_now};
use crate::snapshots::{Snapshot, SnapshotList};
use crate::state::{KnownSource, LastRun, State, StateError};

/// A source is late once its last snapshot is twice as old as the box wants, since a run was missed then; but not before it
/// is so much older than wanted.
const GRACE_MIN: Seconds = Seconds(600);

/// How a source stands; the words are those of the box's portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Young enough and whole.
    Ok,
    /// Being backed up now.
    Running,
    /// Older than the box allows.
    Late,
    /// Young enough, but some entries could not be read.
    Incomplete,
    /// The last run failed for a reason that does not pass by itself.
    Failed,
    /// Never backed up.
    Never,
    /// The box's admin lets this machine rest.
    Paused,
    /// Backed up once, by hand, and not by the service.
    Off,
    /// The box does not answer, and nothing is known here.
    Unknown,
}

impl Standing {
    /// The word for it on screens and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Running => "running",
            Self::Late => "late",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Never => "never",
            Self::Paused => "paused",
            Self::Off => "off",
            Self::Unknown => "unknown",
        }
    }

    /// What it means for the exit code of `datis status`.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::Running | Self::Paused | Self::Off | Self::Unknown => Exit::Complete,
            Self::Incomplete => Exit::Incomplete,
            Self::Late | Self::Failed | Self::Never => Exit::Failed,
        }
    }
}

/// The newest snapshot of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its name; `None` when the box does not answer.
    pub id: Option<datis_engine::ids::SnapshotId>,
    /// When the box had all of it; by this machine's clock when the box does not answer.
    pub received_at: UnixMillis,
    /// What is known of it.
    pub state: SnapshotState,
}

/// One source.
#[derive(Debug)]
pub struct SourceReport {
    /// Its name.
    pub name: SourceName,
    /// How it is cut.
    pub kind: SourceKind,
    /// Whether the service backs it up.
    pub is_scheduled: bool,
    /// How it stands.
    pub standing: Standing,
    /// Its newest snapshot.
    pub newest: Option<Newest>,
    /// How its last run on this machine ended.
    pub last_run: LastRun,
    /// When the service backs it up next, and why not earlier; `None` when nobody does, or it is not known how often.
    pub next: Option<(UnixMillis, Option<Reason>)>,
}

/// Everything.
#[derive(Debug)]
pub struct Report {
    /// Why the box does not answer; `None` when it does.
    pub unreachable: Option<LinkError>,
    /// How often the box wants each source; as it last said when it does not answer.
    pub every: Option<Seconds>,
    /// How far this machine's clock is ahead of the box's, in seconds; `None` when the box does not answer.
    pub clock_ahead: Option<i64>,
    /// Until when the box's admin lets this machine rest, by the box's clock.
    pub paused_until: Option<UnixMillis>,
    /// How many requests to put something back wait here for somebody to agree.
    pub requests: u32,
    /// Whether `datis service` runs with this state directory.
    pub service_runs: bool,
    /// Snapshots whose record is altered, signed by another key, or of a later format.
    pub rejected: usize,
    /// The time that ages are counted from: the box's, if it answers.
    pub now: UnixMillis,
    /// The sources, by name.
    pub sources: Vec<SourceReport>,
}

impl Report {
    /// How the program ends: the box first, then the worst source.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let worst = [Exit::Failed, Exit::Incomplete].into_iter();
        let has = |exit: &Exit| self.sources.iter().any(|source| source.standing.exit() == *exit);
        match &self.unreachable {
            Some(error) => error.exit(),
            None => worst.into_iter().find(has).unwrap_or(Exit::Complete),
        }
    }
}

/// What the box says.
struct Answer {
    every: Seconds,
    now: UnixMillis,
    paused_until: Option<UnixMillis>,
    requests: u32,
    list: SnapshotList,
}

/// Looks at this machine, and asks the box.
///
/// # Errors
/// [`StateError`]; that the box does not answer is none.
pub fn report(state: &State) -> Result<Report, StateError> {
    let asked = state.link().and_then(|link| link.connect()).and_then(|connection| ask(state, connection));
    let (answer, unreachable) = match asked {
        Ok(answer) => (Some(answer), None),
        Err(error) => (None, Some(error)),
    };
    let here = wall_now();
    let every = answer.as_ref().map(|answer| answer.every).or_else(|| remembered::every(state.dir()));
    let paused_until = answer.as_ref().and_then(|answer| answer.paused_until);
    let view = View {
        state,
        every,
        is_paused: paused_until.is_some(),
        here,
        now: answer.as_ref().map_or(here, |answer| answer.now),
    };
    let known = state.sources()?;
    let snapshots: Vec<&Snapshot> = answer.iter().flat_map(|answer| answer.list.latest_of_each()).collect();
    let mut sources = Vec::new();
    for source in &known {
        let newest = snapshots.iter().find(|snapshot| snapshot.record.source == source.name).copied();
        sources.push(view.scheduled(source, newest, answer.is_some())?);
    }
    for snapshot in snapshots {
        if known.iter().all(|source| source.name != snapshot.record.source) {
            sources.push(view.by_hand(snapshot)?);
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Report {
        unreachable,
        every,
        clock_ahead: answer.as_ref().map(|answer| (here.0 - answer.now.0) / 1_000),
        paused_until,
        requests: answer.as_ref().map_or(0, |answer| answer.requests),
        service_runs: is_busy(state.lock_service())?,
        rejected: answer.as_ref().map_or(0, |answer| answer.list.rejected.len()),
        now: view.now,
        sources,
    })
}

fn ask(state: &State, mut connection: Connection) -> Result<Answer, LinkError> {
    let policy = heartbeat(&mut connection)?;
    let list = SnapshotList::fetch(&mut connection, &state.signing_key().public_key(), None)?;
    let paused_until = policy.paused_until.filter(|until| *until > policy.now);
    Ok(Answer { every: policy.every, now: policy.now, paused_until, requests: policy.requests.unwrap_or(0), list })
}

struct View<'s> {
    state: &'s State,
    every: Option<Seconds>,
    is_paused: bool,
    /// By this machine's clock.
    here: UnixMillis,
    /// By the box's clock.
    now: UnixMillis,
}

impl View<'_> {
    fn scheduled(
        &self,
        source: &KnownSource,
        newest: Option<&Snapshot>,
        is_answered: bool,
    ) -> Result<SourceReport, StateError> {
        let last_run = self.state.last_run(&source.name);
        let newest = if is_answered { newest.map(newest_of) } else { remembered_newest(&last_run) };
        let trouble = last_run.exit_code.and_then(|code| Trouble::of_code(Some(code)));
        let facts = Facts {
            is_running: is_busy(self.state.lock_source(&source.name))?,
            is_scheduled: true,
            is_paused: self.is_paused,
            is_answered,
            trouble,
            newest,
        };
        Ok(SourceReport {
            name: source.name.clone(),
            kind: source.kind,
            is_scheduled: true,
            standing: standing(self.now, self.every, &facts),
            newest,
            last_run,
            next: self.every.map(|every| self.next(source, every, &last_run, trouble)),
        })
    }

    /// A source that the box has, and that nobody here backs up by himself.
    fn by_hand(&self, snapshot: &Snapshot) -> Result<SourceReport, StateError> {
        let name = &snapshot.record.source;
        let last_run = self.state.last_run(name);
        let newest = Some(newest_of(snapshot));
        let is_running = is_busy(self.state.lock_source(name))?;
        let facts = Facts {
            is_running,
            is_scheduled: false,
            is_paused: self.is_paused,
            is_answered: true,
            trouble: None,
            newest,
        };
        Ok(SourceReport {
            name: name.clone(),
            kind: snapshot.record.kind,
            is_scheduled: false,
            standing: standing(self.now, self.every, &facts),
            newest,
            last_run,
            next: None,
        })
    }

    /// As the service would decide now; by this machine's clock, as the service does.
    fn next(
        &self,
        source: &KnownSource,
        every: Seconds,
        last_run: &LastRun,
        trouble: Option<Trouble>,
    ) -> (UnixMillis, Option<Reason>) {
        let jitter = jitter(self.state.machine, &source.name, every);
        let rules = Rules { every, profile: self.state.profile, jitter };
        let failed = last_run.tried_at.map(UnixMillis).zip(trouble);
        let failed = failed.map(|(at, why)| Failed { at: at.min(self.here), why, times: 1, has_moved: false });
        let history = History { succeeded_at: last_run.success(), failed };
        match due(self.here, &rules, &history, &surroundings(&rules)) {
            Decision::Run => (next_due(self.here, &rules, &history).unwrap_or(self.here), None),
            Decision::Wait { until, because } => (until, Some(because)),
        }
    }
}

fn newest_of(snapshot: &Snapshot) -> Newest {
    Newest { id: Some(snapshot.id), received_at: snapshot.received_at, state: snapshot.state }
}

fn remembered_newest(last_run: &LastRun) -> Option<Newest> {
    let is_incomplete = last_run.exit_code == Some(Exit::Incomplete.code());
    let state = if is_incomplete { SnapshotState::Incomplete } else { SnapshotState::Complete };
    last_run.success().map(|received_at| Newest { id: None, received_at, state })
}

fn is_busy<L>(lock: Result<L, StateError>) -> Result<bool, StateError> {
    match lock {
        Ok(_) => Ok(false),
        Err(StateError::SourceBusy { .. } | StateError::ServiceBusy { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What the standing of a source follows from.
#[derive(Debug, Clone, Copy)]
struct Facts {
    is_running: bool,
    is_scheduled: bool,
    is_paused: bool,
    is_answered: bool,
    trouble: Option<Trouble>,
    newest: Option<Newest>,
}

fn standing(now: UnixMillis, every: Option<Seconds>, facts: &Facts) -> Standing {
    let fails = match facts.trouble {
        Some(Trouble::BoxFull | Trouble::Refused | Trouble::Other) => true,
        // These pass by themselves; if they do not, the source becomes late.
        Some(Trouble::Unreachable | Trouble::Passing) | None => false,
    };
    let Some(newest) = facts.newest else {
        return match (facts.is_running, fails, facts.is_answered) {
            (true, _, _) => Standing::Running,
            (false, true, _) => Standing::Failed,
            (false, false, true) => Standing::Never,
            (false, false, false) => Standing::Unknown,
        };
    };
    let is_old = every.is_some_and(|every| newest.received_at.plus(every).plus(every.max(GRACE_MIN)) < now);
    match newest.state {
        _ if facts.is_running => Standing::Running,
        _ if facts.is_paused && facts.is_scheduled => Standing::Paused,
        _ if fails => Standing::Failed,
        _ if is_old && !facts.is_scheduled => Standing::Off,
        _ if is_old => Standing::Late,
        SnapshotState::Complete => Standing::Ok,
        SnapshotState::Incomplete | SnapshotState::Damaged => Standing::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn newest(ago: u64, state: SnapshotState) -> Option<Newest> {
        Some(Newest { id: None, received_at: NOW.minus(Seconds(ago)), state })
    }

    const FACTS: Facts = Facts {
        is_running: false,
        is_scheduled: true,
        is_paused: false,
        is_answered: true,
        trouble: None,
        newest: None,
    };

    fn stands(facts: Facts) -> Standing {
        standing(NOW, Some(Seconds::HOUR), &facts)
    }

    #[test]
    fn a_source_is_late_when_it_is_twice_as_old_as_the_box_wants() {
        let aged = |ago| stands(Facts { newest: newest(ago, SnapshotState::Complete), ..FACTS });
        assert_eq!([aged(0), aged(7_200), aged(7_201)], [Standing::Ok, Standing::Ok, Standing::Late]);
        let unscheduled = Facts { newest: newest(7_201, SnapshotState::Complete), is_scheduled: false, ..FACTS };
        assert_eq!(stands(unscheduled), Standing::Off);
        let often =
            |ago| standing(NOW, Some(Seconds(5)), &Facts { newest: newest(ago, SnapshotState::Complete), ..FACTS });
        assert_eq!([often(605), often(606)], [Standing::Ok, Standing::Late]);
        let no_policy = standing(NOW, None, &Facts { newest: newest(1 << 30, SnapshotState::Complete), ..FACTS });
        assert_eq!(no_policy, Standing::Ok);
    }

    #[test]
    fn a_machine_that_rests_is_neither_late_nor_ok() {
        let old = Facts { newest: newest(1 << 20, SnapshotState::Complete), is_paused: true, ..FACTS };
        assert_eq!(stands(old), Standing::Paused);
        assert_eq!(stands(Facts { is_running: true, ..old }), Standing::Running);
        assert_eq!(stands(Facts { is_scheduled: false, ..old }), Standing::Off);
        assert_eq!(stands(Facts { is_paused: true, ..FACTS }), Standing::Never, "there is nothing to restore");
    }

    #[test]
    fn trouble_that_does_not_pass_is_a_failure_and_trouble_that_does_is_none() {
        let after =
            |trouble| stands(Facts { trouble: Some(trouble), newest: newest(60, SnapshotState::Complete), ..FACTS });
        for trouble in [Trouble::BoxFull, Trouble::Refused, Trouble::Other] {
            assert_eq!(after(trouble), Standing::Failed);
        }
        assert_eq!([after(Trouble::Unreachable), after(Trouble::Passing)], [Standing::Ok, Standing::Ok]);
    }

    #[test]
    fn a_source_without_a_snapshot_says_why() {
        assert_eq!(stands(FACTS), Standing::Never);
        assert_eq!(stands(Facts { is_answered: false, ..FACTS }), Standing::Unknown);
        assert_eq!(stands(Facts { trouble: Some(Trouble::Other), ..FACTS }), Standing::Failed);
        assert_eq!(stands(Facts { is_running: true, trouble: Some(Trouble::Other), ..FACTS }), Standing::Running);
    }

    #[test]
    fn what_could_not_be_read_or_is_damaged_is_not_called_ok() {
        for state in [SnapshotState::Incomplete, SnapshotState::Damaged] {
            assert_eq!(stands(Facts { newest: newest(60, state), ..FACTS }), Standing::Incomplete);
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_box_and_then_of_the_worst_source() {
        let source = |standing| SourceReport {
            name: "a".parse().expect("name"),
            kind: SourceKind::Files,
            is_scheduled: true,
            standing,
            newest: None,
            last_run: LastRun::default(),
            next: None,
        };
        let with = |unreachable, standings: &[Standing]| {
            let sources = standings.iter().map(|standing| source(*standing)).collect();
            Report {
                unreachable,
                every: None,
                clock_ahead: None,
                paused_until: None,
                requests: 0,
                service_runs: false,
                rejected: 0,
                now: NOW,
                sources,
            }
            .exit()
        };
        let away = || Some(LinkError::Unreachable { address: "a:1".to_owned(), reason: "off".to_owned() });
        assert_eq!(with(None, &[]), Exit::Complete);
        assert_eq!(with(None, &[Standing::Ok, Standing::Off, Standing::Running]), Exit::Complete);
        assert_eq!(with(None, &[Standing::Incomplete, Standing::Ok]), Exit::Incomplete);
        assert_eq!(with(None, &[Standing::Incomplete, Standing::Late]), Exit::Failed);
        assert_eq!(with(away(), &[Standing::Late]), Exit::Unreachable);
    }

    #[test]
    fn a_box_that_is_not_there_is_reported_and_no_error() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = crate::state::tests::enrolled(dir.path());
        let source = KnownSource {
            name: "docs".parse().expect("name"),
            kind: SourceKind::Files,
            roots: vec![crate::state::SourceRoot("/".into())],
            excludes: Vec::new(),
            one_file_system: false,
        };
        state.remember_source(&source).expect("remember");
        let run = LastRun { succeeded_at: Some(5), tried_at: Some(4), exit_code: Some(3) };
        state.keep_last_run(&source.name, &run).expect("keep");
        let view = View { state: &state, every: Some(Seconds::HOUR), is_paused: false, here: NOW, now: NOW };
        let seen = view.scheduled(&source, None, false).expect("report");
        assert_eq!(
            (seen.standing, seen.next),
            (
                Standing::Late,
                Some((
                    UnixMillis(5).plus(Seconds::HOUR).plus(jitter(state.machine, &source.name, Seconds::HOUR)),
                    None
                ))
            )
        );
        let _held = state.lock_source(&source.name).expect("lock");
        assert_eq!(view.scheduled(&source, None, false).expect("report").standing, Standing::Running);
    }
}
