//! The service: backs up, as the box wants it, every source that `datis backup` was once used on.
//!
//! ```text
//! signals, heartbeats, backups ─► events ─► one loop ─► plan: what is due? ─► a backup, as a process of its own
//! ```
//! All it has to know across restarts stands in the state directory: whatever ends it, the next one runs what is overdue.
//! One backup runs at a time, the one that has waited longest first.

mod child;
mod clocks;
mod heart;
pub mod plan;
pub mod remembered;

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use datis_engine::ids::SourceName;
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::Policy;

use self::child::Ended;
use self::clocks::{Clocks, Jump};
use self::heart::{Heart, HeartError};
use self::plan::{Decision, Failed, History, Reason, Rules, Surroundings, Trouble, due, jitter};
use crate::exit::Exit;
use crate::platform::host::addresses;
use crate::platform::power::{metering, power};
use crate::platform::process::Handle;
use crate::platform::signals::on_stop_request;
use crate::requests::{Beforehand, beforehand};
use crate::state::{KnownSource, State, StateError};

pub(crate) use clocks::wall_now;
pub(crate) use heart::ask as heartbeat;

/// How often the loop looks around: after so long a machine that woke up goes on, a new network is noticed, and a new
/// source is known.
const TICK: Duration = Duration::from_secs(5);

/// How long a backup may take to end when the service is stopped; then it is ended by force.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// How long the system may take to end it by force.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// After a start nothing runs for up to so long, so that a building full of machines does not come all at once after a
/// power cut.
const START_DELAY_MAX: Seconds = Seconds(60);

/// No box lets a machine rest for longer at a time.
const PAUSE_MAX: Seconds = Seconds(366 * 86_400);

/// How far this machine's clock may be from the box's before the log says so.
const CLOCK_OFF_MAX: Seconds = Seconds(300);

/// Why the service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Signals cannot be watched.
    #[error("signals cannot be watched ({0}), so that the service could not be stopped; is the system out of threads?")]
    Signals(#[source] io::Error),
}

impl ServiceError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::State(error) => error.exit(),
            Self::Signals(_) => Exit::Failed,
        }
    }
}

enum Event {
    Stop,
    Answered(Result<Policy, HeartError>),
    Ended(io::Result<Ended>),
    Served,
}

/// Runs until the process is asked to stop; then ends the running backup cleanly, within bounded time.
///
/// # Errors
/// [`ServiceError`] when it cannot begin.
pub fn run(state: State) -> Result<(), ServiceError> {
    let _only_one = state.lock_service()?;
    let (events, inbox) = channel();
    let stop = events.clone();
    on_stop_request(move || drop(stop.send(Event::Stop))).map_err(ServiceError::Signals)?;
    tracing::info!("the service of `{}` with {} has started", state.machine_name, state.box_name);
    let mut service = Service::new(state, events);
    service.work(&inbox);
    service.end(&inbox);
    tracing::info!("the service has stopped");
    Ok(())
}

struct Service {
    state: State,
    events: Sender<Event>,
    clocks: Clocks,
    heart: Heart,
    /// How often, as the box last said it.
    every: Option<Seconds>,
    /// Until when the box wants nothing, by this machine's clock.
    paused_until: Option<UnixMillis>,
    /// How many requests waited when the box last answered.
    requests: u32,
    /// What carries out those that were agreed to.
    serving: Option<Handle>,
    addresses: String,
    /// Nothing runs before.
    begins_at: UnixMillis,
    failed: HashMap<SourceName, Failed>,
    running: Option<(SourceName, Handle)>,
    /// The last reason for waiting that was logged, by source.
    told: HashMap<SourceName, Reason>,
    has_told_state: bool,
}

impl Service {
    fn new(state: State, events: Sender<Event>) -> Self {
        let every = remembered::every(state.dir());
        let clocks = Clocks::new();
        let begins_at = clocks.now().plus(start_delay(&state, every));
        Self {
            state,
            events,
            clocks,
            heart: Heart::new(),
            every,
            paused_until: None,
            requests: 0,
            serving: None,
            addresses: addresses(),
            begins_at,
            failed: HashMap::new(),
            running: None,
            told: HashMap::new(),
            has_told_state: false,
        }
    }

    fn work(&mut self, inbox: &Receiver<Event>) {
        loop {
            self.look_around();
            let events = self.events.clone();
            self.heart.beat(self.state.dir().to_owned(), move |answer| drop(events.send(Event::Answered(answer))));
            let wait = self.start_what_is_due();
            match inbox.recv_timeout(wait.min(TICK)) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Event::Answered(answer)) => self.answered(answer),
                Ok(Event::Ended(ended)) => self.ended(ended),
                Ok(Event::Served) => self.serving = None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Notices sleep, clocks that were set, and networks that were changed.
    fn look_around(&mut self) {
        let jump = self.clocks.tick();
        match jump {
            Jump::None => {}
            Jump::Forward(by) => {
                tracing::info!("the machine slept, or its clock was set forward by {} s", by.as_secs())
            }
            Jump::Back(by) => {
                tracing::warn!("the clock was set back by {} s", by.as_secs());
                self.begins_at = self.begins_at.min(self.clocks.now());
            }
        }
        let addresses = addresses();
        let has_moved = addresses != self.addresses;
        if has_moved || jump != Jump::None {
            self.addresses = addresses;
            self.heart.hurry();
            self.retry_unreachable();
        }
    }

    fn retry_unreachable(&mut self) {
        self.failed.values_mut().for_each(|failed| failed.has_moved = true);
    }

    fn answered(&mut self, answer: Result<Policy, HeartError>) {
        let was_failing = self.heart.is_failing();
        self.heart.ended(answer.is_ok());
        match answer {
            Ok(policy) => {
                if was_failing {
                    tracing::info!("the box answers again");
                    self.retry_unreachable();
                }
                self.take(&policy);
            }
            Err(error) if !was_failing => {
                tracing::warn!(error = %crate::errors::chain(&error), "the box could not be told that this machine is alive");
            }
            Err(_) => {}
        }
    }

    fn take(&mut self, policy: &Policy) {
        let off = policy.now.0.abs_diff(wall_now().0) / 1_000;
        if off > CLOCK_OFF_MAX.0 {
            tracing::warn!("this machine's clock is {off} s off the box's; set it, or let a time server do so");
        }
        self.serve_requests(policy.requests.unwrap_or(0));
        if self.every != Some(policy.every) {
            tracing::info!("the box wants every source every {}", policy.every);
            self.every = Some(policy.every);
        }
        let paused_until = paused_here(policy, self.clocks.now());
        match (self.paused_until.is_some(), paused_until) {
            (false, Some(until)) => {
                tracing::info!("the box's admin has paused this machine for {} min", (until.0 - wall_now().0) / 60_000);
            }
            (true, None) => tracing::info!("this machine is not paused any more"),
            (true, Some(_)) | (false, None) => {}
        }
        self.paused_until = paused_until;
        if let Err(error) = remembered::remember(self.state.dir(), policy.every) {
            tracing::warn!(error = %crate::errors::chain(&error), "what the box wants could not be remembered");
        }
    }

    /// What was agreed to beforehand is carried out; for everything else somebody has to be there.
    fn serve_requests(&mut self, waiting: u32) {
        if waiting != self.requests && waiting > 0 {
            tracing::info!("{waiting} request(s) to put something back wait; see `datis requests`");
        }
        self.requests = waiting;
        if waiting == 0 || self.serving.is_some() || beforehand(self.state.dir()) == Beforehand::Ask {
            return;
        }
        let events = self.events.clone();
        match child::serve_requests(self.state.dir(), move || drop(events.send(Event::Served))) {
            Ok(serving) => self.serving = Some(serving),
            Err(error) => tracing::error!(%error, "what was agreed to could not be started"),
        }
    }

    /// Starts at most one backup. Returns how long there is nothing to do.
    fn start_what_is_due(&mut self) -> Duration {
        let now = self.clocks.now();
        let (Some(every), None) = (self.every, &self.running) else { return TICK };
        if now < self.begins_at {
            return until(now, self.begins_at);
        }
        if let Some(end) = self.paused_until.filter(|end| *end > now) {
            return until(now, end);
        }
        let mut wait = TICK;
        for source in self.waiting_longest_first() {
            let rules =
                Rules { every, profile: self.state.profile, jitter: jitter(self.state.machine, &source.name, every) };
            let history = self.history(&source.name, now);
            match decide(now, &rules, &history) {
                Decision::Run => {
                    self.start(&source);
                    return TICK;
                }
                Decision::Wait { until: at, because } => {
                    wait = wait.min(until(now, at));
                    self.tell(&source.name, because);
                }
            }
        }
        wait
    }

    fn waiting_longest_first(&mut self) -> Vec<KnownSource> {
        let mut sources = match self.state.sources() {
            Ok(sources) => {
                self.has_told_state = false;
                sources
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_told_state, true) {
                    tracing::error!(error = %crate::errors::chain(&error), "the sources are not known; nothing is backed up");
                }
                Vec::new()
            }
        };
        sources.sort_by_key(|source| self.state.last_run(&source.name).succeeded_at);
        sources
    }

    /// What is noted of all runs, by hand or by this service, and what this service has seen itself.
    fn history(&self, source: &SourceName, now: UnixMillis) -> History {
        let last = self.state.last_run(source);
        let noted = last.tried_at.map(UnixMillis).zip(Trouble::of_code(last.exit_code.or(Some(0))));
        let noted = noted.map(|(at, why)| Failed { at: at.min(now), why, times: 1, has_moved: false });
        let seen = self.failed.get(source).copied();
        // A success by hand after a failure here ends the waiting.
        let seen = seen.filter(|seen| last.success().is_none_or(|success| success <= seen.at));
        History { succeeded_at: last.success(), failed: seen.or(noted) }
    }

    fn tell(&mut self, source: &SourceName, because: Reason) {
        if self.told.insert(source.clone(), because) == Some(because) {
            return;
        }
        match because {
            Reason::OnBattery => tracing::info!("`{source}` waits: the battery is low"),
            Reason::Metered => tracing::info!("`{source}` waits: the network costs money"),
            Reason::NotDue | Reason::FailedLately => {}
        }
    }

    fn start(&mut self, source: &KnownSource) {
        self.told.remove(&source.name);
        let events = self.events.clone();
        match child::start(self.state.dir(), source, move |ended| drop(events.send(Event::Ended(ended)))) {
            Ok(run) => {
                tracing::info!("backing up `{}`", source.name);
                self.running = Some((source.name.clone(), run));
            }
            Err(error) => {
                tracing::error!(%error, "the backup of `{}` could not be started", source.name);
                self.note(&source.name, Some(Trouble::Other));
            }
        }
    }

    fn ended(&mut self, ended: io::Result<Ended>) {
        let Some((source, _)) = self.running.take() else { return };
        let trouble = match ended {
            Ok(ended) => {
                let trouble = Trouble::of_code(ended.code);
                told_end(&source, &ended, trouble);
                trouble
            }
            Err(error) => {
                tracing::error!(%error, "how the backup of `{source}` ended is not known");
                Some(Trouble::Other)
            }
        };
        self.note(&source, trouble);
    }

    fn note(&mut self, source: &SourceName, trouble: Option<Trouble>) {
        match trouble {
            None => {
                self.failed.remove(source);
            }
            Some(why) => {
                let times = self.failed.get(source).map_or(0, |failed| failed.times).saturating_add(1);
                let failed = Failed { at: wall_now(), why, times, has_moved: false };
                self.failed.insert(source.clone(), failed);
            }
        }
    }

    /// Ends the running backup, and what is being put back: first they are asked to, then they are made to. What a backup has
    /// sent is used by the next one; what is back is whole.
    fn end(&mut self, inbox: &Receiver<Event>) {
        for (grace, end) in [(STOP_GRACE, Handle::stop as fn(&Handle)), (KILL_GRACE, Handle::kill)] {
            self.children().for_each(end);
            self.wait_for_end(inbox, grace);
        }
    }

    fn children(&self) -> impl Iterator<Item = &Handle> {
        self.running.iter().map(|(_, run)| run).chain(&self.serving)
    }

    fn wait_for_end(&mut self, inbox: &Receiver<Event>, grace: Duration) {
        let started = std::time::Instant::now();
        while self.children().next().is_some() && started.elapsed() < grace {
            match inbox.recv_timeout(grace.saturating_sub(started.elapsed())) {
                Ok(Event::Ended(ended)) => self.ended(ended),
                Ok(Event::Served) => self.serving = None,
                Ok(Event::Stop | Event::Answered(_)) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// The end of a pause by this machine's clock, which may differ from the box's; one that is over is none.
fn paused_here(policy: &Policy, now: UnixMillis) -> Option<UnixMillis> {
    let left = policy.paused_until?.0.saturating_sub(policy.now.0);
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(now.plus(Seconds(left.div_ceil(1_000)).min(PAUSE_MAX)))
}

/// Power and network are looked at only where it matters: asking is work, too.
fn decide(now: UnixMillis, rules: &Rules, history: &History) -> Decision {
    match due(now, rules, history, &Surroundings::BEST) {
        Decision::Run => due(now, rules, history, &surroundings(rules)),
        wait @ Decision::Wait { .. } => wait,
    }
}

pub(crate) fn surroundings(rules: &Rules) -> Surroundings {
    match rules.profile {
        datis_engine::ids::Profile::Laptop => Surroundings { power: power(), metering: metering() },
        datis_engine::ids::Profile::Server | datis_engine::ids::Profile::Desktop => Surroundings::BEST,
    }
}

fn start_delay(state: &State, every: Option<Seconds>) -> Seconds {
    let longest = every.map_or(START_DELAY_MAX.0, |every| every.0.min(START_DELAY_MAX.0 * 10));
    // A tenth of what is given, another one for every machine.
    "service".parse().map_or(Seconds(0), |name| jitter(state.machine, &name, Seconds(longest)))
}

fn told_end(source: &SourceName, ended: &Ended, trouble: Option<Trouble>) {
    let number = |name: &str| ended.summary.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    match (trouble, ended.code) {
        (None, _) => tracing::info!(
            snapshot = ended.summary.get("snapshot").and_then(serde_json::Value::as_str),
            bytes = number("bytes"),
            new_bytes = number("new_bytes"),
            problems = number("problems"),
            "`{source}` is backed up"
        ),
        // The backup itself has said why, in its own words.
        (Some(_), Some(code)) => {
            tracing::warn!("the backup of `{source}` ended with code {code}; it will be tried again")
        }
        (Some(_), None) => tracing::warn!("the backup of `{source}` was ended by force; it will be tried again"),
    }
}

fn until(now: UnixMillis, at: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LastRun;

    fn service(dir: &std::path::Path) -> Service {
        Service::new(crate::state::tests::enrolled(dir), channel().0)
    }

    #[test]
    fn a_pause_ends_by_this_machines_clock_and_is_never_longer_than_a_year() {
        let here = UnixMillis(50_000_000);
        let policy = |paused_until: Option<i64>| Policy {
            every: Seconds::HOUR,
            local: datis_engine::retention::RetentionPolicy::default_local(),
            external: datis_engine::retention::RetentionPolicy::default_external(),
            now: UnixMillis(1_000_000),
            paused_until: paused_until.map(UnixMillis),
            requests: None,
        };
        assert_eq!(paused_here(&policy(None), here), None);
        assert_eq!(paused_here(&policy(Some(1_000_000)), here), None, "it is over");
        assert_eq!(paused_here(&policy(Some(i64::MIN)), here), None);
        assert_eq!(paused_here(&policy(Some(1_060_000)), here), Some(here.plus(Seconds(60))));
        assert_eq!(paused_here(&policy(Some(i64::MAX)), here), Some(here.plus(PAUSE_MAX)));
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut service = service(dir.path());
        service.every = Some(Seconds::HOUR);
        service.begins_at = UnixMillis(0);
        let until = service.clocks.now().0 + 3_600_000 - service.clocks.now().0 + 1_000_000;
        service.take(&policy(Some(until)));
        assert!(service.paused_until.is_some());
        assert!(service.start_what_is_due() > TICK, "it waits for the end");
        service.take(&policy(None));
        assert_eq!(service.paused_until, None);
    }

    #[test]
    fn what_is_being_put_back_ends_with_the_service() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (events, inbox) = channel();
        let mut service = Service::new(crate::state::tests::enrolled(dir.path()), events.clone());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        service.serving = Some(Handle::of(&child).expect("handle"));
        let watcher = std::thread::spawn(move || {
            let status = child.wait().expect("status");
            events.send(Event::Served).expect("the service waits");
            status
        });
        service.end(&inbox);
        assert!(service.serving.is_none(), "the service has waited for its end");
        let status = watcher.join().expect("watcher");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "asked, not forced");
    }

    fn name() -> SourceName {
        "docs".parse().expect("name")
    }

    #[test]
    fn a_run_that_was_killed_with_the_service_counts_as_none() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let service = service(dir.path());
        let now = UnixMillis(1_000_000);
        assert_eq!(service.history(&name(), now), History::default());
        let run = LastRun { succeeded_at: Some(500), tried_at: Some(900), exit_code: None };
        service.state.keep_last_run(&name(), &run).expect("keep");
        assert_eq!(service.history(&name(), now), History { succeeded_at: Some(UnixMillis(500)), failed: None });
    }

    #[test]
    fn a_failure_that_was_noted_before_a_restart_is_still_waited_for() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let service = service(dir.path());
        let run = LastRun { succeeded_at: None, tried_at: Some(900), exit_code: Some(Exit::BoxFull.code()) };
        service.state.keep_last_run(&name(), &run).expect("keep");
        let failed = service.history(&name(), UnixMillis(1_000)).failed.expect("failed");
        assert_eq!((failed.at, failed.why, failed.times), (UnixMillis(900), Trouble::BoxFull, 1));
    }

    #[test]
    fn failures_are_counted_until_a_run_succeeds_here_or_by_hand() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut service = service(dir.path());
        service.note(&name(), Some(Trouble::Other));
        service.note(&name(), Some(Trouble::Unreachable));
        let failed = service.history(&name(), wall_now()).failed.expect("failed");
        assert_eq!((failed.times, failed.why, failed.has_moved), (2, Trouble::Unreachable, false));
        service.retry_unreachable();
        assert!(service.history(&name(), wall_now()).failed.expect("failed").has_moved);
        let by_hand =
            LastRun { succeeded_at: Some(wall_now().0 + 1), tried_at: Some(wall_now().0), exit_code: Some(0) };
        service.state.keep_last_run(&name(), &by_hand).expect("keep");
        assert_eq!(service.history(&name(), wall_now()).failed, None);
        service.note(&name(), None);
        assert!(service.failed.is_empty());
    }

    #[test]
    fn nothing_is_started_before_the_box_has_said_how_often() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut service = service(dir.path());
        assert_eq!((service.every, service.start_what_is_due()), (None, TICK));
        assert!(service.running.is_none());
    }

    #[test]
    fn the_source_that_has_waited_longest_comes_first() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut service = service(dir.path());
        for (name, succeeded_at) in [("a", Some(30)), ("b", None), ("c", Some(20))] {
            let source = KnownSource {
                name: name.parse().expect("name"),
                kind: datis_engine::ids::SourceKind::Files,
                roots: vec![crate::state::SourceRoot("/".into())],
                excludes: Vec::new(),
                one_file_system: false,
            };
            service.state.remember_source(&source).expect("remember");
            let run = LastRun { succeeded_at, tried_at: succeeded_at, exit_code: Some(0) };
            service.state.keep_last_run(&source.name, &run).expect("keep");
        }
        let order: Vec<_> = service.waiting_longest_first().iter().map(|s| s.name.to_string()).collect();
        assert_eq!(order, ["b", "c", "a"]);
    }
}
