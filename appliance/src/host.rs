//! The computer under the box: its address and its power. What is wanted is decided here, by whom it may be, and written
//! into the audit log; the helper does it ([`crate::hand`]).
//!
//! A new address is tried for a minute and kept only when somebody says so from there. The box notes in its own folder that
//! it tries one: whatever ends it meanwhile, its next start has the helper take it back.

mod error;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::commissioning::{self, PortView};
use crate::config::{DataDir, NetworkConfig};
use crate::files;
use crate::hand::addressing::Addressing;
use crate::hand::{self, Answer, HelperError, Manager, Order, PortName, Trial, TrialSeconds};
use crate::operations::Site;
use crate::operations::accounts::{Action, Actor, Right, Secret, log_use};

pub(crate) use crate::hand::Switch;
pub(crate) use error::HostError;

/// The helper keeps or takes back within this time.
const END_WITHIN: Duration = Duration::from_secs(60);
/// No note of a trial is longer, in bytes.
const NOTE_MAX: u64 = 1 << 10;

/// The computer under the running box.
pub(crate) struct Host {
    site: Arc<Site>,
    dir: DataDir,
    seconds: TrialSeconds,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// What is being tried.
    running: Option<Running>,
    /// How the last one ended.
    last: Option<Ended>,
}

/// What is being tried.
struct Running {
    trial: Arc<Trial>,
    port: PortName,
    wanted: Addressing,
    link: Secret,
    by: Actor,
    /// `None` until it is on.
    until: Option<Instant>,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is the box's address now.
    Kept { wanted: String },
    /// Nobody confirmed it, or somebody wanted it back.
    TakenBack { wanted: String },
    /// So it was, but what was there before does not come up.
    Down { wanted: String, reason: String },
    /// It could not be put on or not be kept, and all is as before.
    Failed { wanted: String, reason: String },
    /// It could not be taken back, or nobody knows; the next start of the box takes it back.
    Stuck { wanted: String, reason: String },
}

/// A trial as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TrialView {
    pub(crate) wanted: String,
    pub(crate) seconds_left: u64,
}

/// What somebody has to know who has just begun a trial.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Whoever shows this at the new address may keep it.
    pub(crate) link: String,
    /// The new address; `None` as long as DHCP has not lent one.
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) seconds: u16,
}

/// The network as it is now.
#[derive(Debug)]
pub(crate) struct NetworkView {
    pub(crate) port: PortView,
    /// Who manages it, as far as the helper can tell.
    pub(crate) manager: Result<Option<Manager>, String>,
}

/// Where the word to keep an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Over the network, on this address of the box.
    On(IpAddr),
    /// From somebody at the box itself.
    AtTheBox,
}

impl Host {
    pub(crate) fn new(site: Arc<Site>, dir: &DataDir, config: &NetworkConfig) -> Arc<Self> {
        // The configuration has the same limits.
        let seconds = TrialSeconds::try_from(config.trial_seconds).unwrap_or(TrialSeconds::USUAL);
        Arc::new(Self { site, dir: dir.clone(), seconds, state: Mutex::default(), ended: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was being tried when the box stopped. Called at each start.
    pub(crate) fn settle(&self) {
        self.settle_by(|| hand::tell(&Order::Settle));
    }

    fn settle_by(&self, settle: impl FnOnce() -> Result<Answer, HelperError>) {
        let note = match files::read_if_there(&self.dir.trial_file(), NOTE_MAX) {
            Ok(Some(note)) => note,
            Ok(None) => return,
            Err(e) => {
                tracing::error!(
                    error = &e as &dyn std::error::Error,
                    "Whether an address was being tried is not known"
                );
                return;
            }
        };
        let last = settled(settle(), String::from_utf8_lossy(&note).into_owned());
        match &last {
            Ended::TakenBack { wanted } => {
                tracing::warn!(wanted, "The box stopped while an address was being tried; it was taken back");
                self.log(&Actor::the_box(), Action::NetworkTakenBack, "", wanted);
                self.forget_note();
            }
            Ended::Down { wanted, reason } => {
                tracing::error!(wanted, reason, "An address was taken back, and the old one does not come up");
                self.log(&Actor::the_box(), Action::NetworkTakenBack, "", wanted);
                self.forget_note();
            }
            // It was never put on, or its end was the last thing that the box saw.
            Ended::Kept { .. } | Ended::Failed { .. } => return self.forget_note(),
            Ended::Stuck { wanted, reason } => {
                tracing::error!(wanted, reason, "An address that was tried is not taken back");
            }
        }
        self.state().last = Some(last);
    }

    /// Tries another way to the box's address. Blocks for the second that it takes to see whether the address is free.
    ///
    /// # Errors
    /// [`HostError`]; nothing is changed then.
    pub(crate) fn try_network(self: &Arc<Self>, by: &Actor, wanted: &Addressing) -> Result<Begun, HostError> {
        by.may(Right::RunBox)?;
        let port = commissioning::main_port().map_err(HostError::Untold)?.ok_or(HostError::NoPort)?;
        let name = PortName::try_from(port.name.clone()).map_err(HostError::Untold)?;
        if self.state().running.is_some() {
            return Err(HostError::Busy);
        }
        match hand::tell(&Order::Look { port: name.clone() })? {
            Answer::Managed { by: Some(_) } => {}
            Answer::Managed { by: None } => return Err(HostError::Unmanaged { port: port.name }),
            _ => return Err(hand::strange().into()),
        }
        if let Addressing::Fixed(fixed) = wanted
            && !port.addresses.iter().any(|held| held.ip == fixed.address())
        {
            let address = fixed.address();
            let macs = commissioning::holders_of(address).map_err(|reason| HostError::Unprobed { address, reason })?;
            if let Some(mac) = macs.into_iter().next() {
                return Err(HostError::Taken { address, mac });
            }
        }
        let link = Secret::generate().map_err(|_| HostError::Random)?;
        let begun = Begun {
            link: link.expose().to_owned(),
            address: match wanted {
                Addressing::Dhcp => None,
                Addressing::Fixed(fixed) => Some(fixed.address()),
            },
            seconds: self.seconds.get(),
        };
        let mut state = self.state();
        if state.running.is_some() {
            return Err(HostError::Busy);
        }
        log_use(&self.site, by, Right::RunBox, Action::NetworkTried, &port.name, &wanted.to_string())?;
        // Of one that could not be taken back: the next start still has to.
        let earlier = files::read_if_there(&self.dir.trial_file(), NOTE_MAX).map_err(HostError::Note)?;
        files::replace(&self.dir.trial_file(), wanted.to_string().as_bytes()).map_err(HostError::Note)?;
        let trial = match hand::begin(name.clone(), wanted.clone(), self.seconds) {
            Ok(trial) => Arc::new(trial),
            Err(error) => {
                self.note_again(earlier)?;
                return Err(error.into());
            }
        };
        let (host, waited_for) = (Arc::clone(self), Arc::clone(&trial));
        let waiting = std::thread::Builder::new().name("trial".into()).spawn(move || host.finish(&waited_for));
        if let Err(error) = waiting {
            // Nobody would hear of the end: `trial` is dropped, and the helper puts nothing on.
            self.note_again(earlier)?;
            return Err(HostError::Thread(error));
        }
        state.running = Some(Running { trial, port: name, wanted: wanted.clone(), link, by: by.clone(), until: None });
        state.last = None;
        Ok(begun)
    }

    /// Waits for the end of a trial, and writes down how it went.
    fn finish(&self, trial: &Trial) {
        let mut end = trial.next();
        if matches!(end, Ok(Answer::On)) {
            if let Some(running) = &mut self.state().running {
                running.until = Some(Instant::now() + self.seconds.time());
            }
            end = trial.next();
        }
        let told = self.state().running.as_ref().map(|r| (r.by.clone(), r.port.clone(), r.wanted.to_string()));
        let Some((by, port, wanted)) = told else { return };
        let last = if matches!(end, Err(HelperError::Silent { .. })) {
            // The helper is gone, or goes on hearing this: another one looks into its journal.
            trial.take_back();
            settled(hand::tell(&Order::Settle), wanted)
        } else {
            ended(end, wanted)
        };
        match &last {
            Ended::Kept { wanted } => self.log(&by, Action::NetworkKept, port.as_str(), wanted),
            Ended::TakenBack { wanted } => self.log(&by, Action::NetworkTakenBack, port.as_str(), wanted),
            Ended::Down { wanted, reason } => {
                tracing::error!(wanted, reason, "An address was taken back, and the old one does not come up");
                self.log(&by, Action::NetworkTakenBack, port.as_str(), wanted);
            }
            Ended::Failed { wanted, reason } => tracing::error!(wanted, reason, "An address could not be tried"),
            Ended::Stuck { wanted, reason } => tracing::error!(wanted, reason, "An address is not taken back yet"),
        }
        // The next start of the box looks after what is not known to be over.
        if !matches!(last, Ended::Stuck { .. }) {
            self.forget_note();
        }
        let mut state = self.state();
        (state.running, state.last) = (None, Some(last));
        drop(state);
        self.ended.notify_all();
    }

    /// Keeps what is being tried. `link`: the secret that [`Begun`] gave, for those who are not known otherwise.
    ///
    /// # Errors
    /// [`HostError`]; it is taken back then, once its time is over.
    pub(crate) fn keep(&self, link: Option<&str>, arrival: Arrival) -> Result<(), HostError> {
        let state = self.state();
        let running = state.running.as_ref().ok_or(HostError::NothingTried)?;
        if link.is_some_and(|shown| !running.link.is(shown)) {
            return Err(HostError::NothingTried);
        }
        if let Arrival::On(ip) = arrival {
            running.is_at(ip.to_canonical())?;
        }
        running.until.ok_or(HostError::NotYet)?;
        // A helper that hears nothing any more has ended it, and its end says how.
        let _ = running.trial.keep();
        match self.wait_for_end(state) {
            Some(Ended::Kept { .. }) => Ok(()),
            Some(Ended::Down { reason, .. }) => Err(HostError::Down(reason)),
            Some(Ended::Failed { reason, .. }) => Err(HostError::Failed(reason)),
            Some(Ended::Stuck { reason, .. }) => Err(HostError::Stuck(reason)),
            Some(Ended::TakenBack { .. }) | None => Err(HostError::TooLate),
        }
    }

    /// Whether such a link may be shown: something is being tried, and this is its secret.
    pub(crate) fn is_link(&self, shown: &str) -> bool {
        self.state().running.as_ref().is_some_and(|running| running.link.is(shown))
    }

    /// Takes back what is being tried.
    ///
    /// # Errors
    /// [`HostError`].
    pub(crate) fn take_back(&self, by: &Actor) -> Result<(), HostError> {
        by.may(Right::RunBox)?;
        let state = self.state();
        state.running.as_ref().ok_or(HostError::NothingTried)?.trial.take_back();
        match self.wait_for_end(state) {
            Some(Ended::TakenBack { .. }) => Ok(()),
            Some(Ended::Down { reason, .. }) => Err(HostError::Down(reason)),
            Some(Ended::Failed { reason, .. }) => Err(HostError::Failed(reason)),
            Some(Ended::Stuck { reason, .. }) => Err(HostError::Stuck(reason)),
            Some(Ended::Kept { .. }) | None => Err(HostError::TooLate),
        }
    }

    fn wait_for_end(&self, state: MutexGuard<'_, State>) -> Option<Ended> {
        let waited = self.ended.wait_timeout_while(state, END_WITHIN, |state| state.last.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.last.clone()
    }

    /// Starts the computer again or switches it off. Its service manager ends the box first, as on every stop: what runs gets
    /// ten seconds, and what was not whole by then is sent again.
    ///
    /// # Errors
    /// [`HostError`]; the computer runs on then.
    pub(crate) fn power(&self, by: &Actor, switch: Switch) -> Result<(), HostError> {
        let action = match switch {
            Switch::Restart => Action::Restarted,
            Switch::Off => Action::SwitchedOff,
        };
        log_use(&self.site, by, Right::RunBox, action, "", "")?;
        match hand::tell(&Order::Power { switch })? {
            Answer::Told => Ok(()),
            _ => Err(hand::strange().into()),
        }
    }

    /// What is being tried, as it is shown.
    pub(crate) fn trial(&self) -> Option<TrialView> {
        let state = self.state();
        let running = state.running.as_ref()?;
        let left = running.until.map_or(self.seconds.time(), |until| until.saturating_duration_since(Instant::now()));
        Some(TrialView { wanted: running.wanted.to_string(), seconds_left: left.as_secs() })
    }

    /// How the last trial since the start ended.
    pub(crate) fn last_end(&self) -> Option<Ended> {
        self.state().last.clone()
    }

    /// What the box did is remembered even when nobody asked for it; a log that cannot be written stops nothing here.
    fn log(&self, by: &Actor, action: Action, subject: &str, detail: &str) {
        if let Err(e) = log_use(&self.site, by, Right::RunBox, action, subject, detail) {
            tracing::error!(error = &e as &dyn std::error::Error, "A change of the computer is not in the audit log");
        }
    }

    /// Nothing is tried after all: the note is again what it was before.
    fn note_again(&self, earlier: Option<Vec<u8>>) -> Result<(), HostError> {
        match earlier {
            Some(note) => files::replace(&self.dir.trial_file(), &note).map_err(HostError::Note),
            None => {
                self.forget_note();
                Ok(())
            }
        }
    }

    fn forget_note(&self) {
        if let Err(e) = std::fs::remove_file(self.dir.trial_file()) {
            tracing::warn!(error = %e, "The note of a trial could not be removed");
        }
    }
}

/// What the last answer of the helper that tried it means.
fn ended(end: Result<Answer, HelperError>, wanted: String) -> Ended {
    match end {
        Ok(Answer::Kept) => Ended::Kept { wanted },
        Ok(Answer::TakenBack) => Ended::TakenBack { wanted },
        Ok(Answer::Down { reason }) => Ended::Down { wanted, reason },
        Err(HelperError::Failed { reason, .. }) => Ended::Failed { wanted, reason },
        other => Ended::Stuck { wanted, reason: unknown_end(other) },
    }
}

/// What the answer of a helper means that was to take back what another one tried. One that could not do it has seen
/// no end: the other may hold its trial still.
fn settled(end: Result<Answer, HelperError>, wanted: String) -> Ended {
    match end {
        Ok(Answer::TakenBack) => Ended::TakenBack { wanted },
        Ok(Answer::Down { reason }) => Ended::Down { wanted, reason },
        // Its journal was cleared already: it was over.
        Ok(Answer::Nothing) => Ended::Failed { wanted, reason: "the helper went away at the end of it".to_owned() },
        other => Ended::Stuck { wanted, reason: unknown_end(other) },
    }
}

/// Why nobody knows that it is over.
fn unknown_end(end: Result<Answer, HelperError>) -> String {
    match end {
        Ok(Answer::Stuck { reason }) => reason,
        Ok(_) => hand::strange().to_string(),
        Err(error) => crate::operations::chain(&error),
    }
}

impl Running {
    /// Whether a word that came in on `ip` came by the way that is being tried.
    fn is_at(&self, ip: IpAddr) -> Result<(), HostError> {
        let is_there = match &self.wanted {
            Addressing::Fixed(fixed) => ip == IpAddr::V4(fixed.address()),
            // Whatever was lent: the old address has no end, or it was lent too and stays the same.
            Addressing::Dhcp => {
                let port = commissioning::main_port().map_err(HostError::Untold)?.ok_or(HostError::NoPort)?;
                port.addresses.iter().any(|held| held.is_lent && IpAddr::V4(held.ip) == ip)
            }
        };
        if is_there { Ok(()) } else { Err(HostError::FromElsewhere { wanted: self.wanted.to_string() }) }
    }
}

/// The network as it is now.
///
/// # Errors
/// [`HostError`].
pub(crate) fn look() -> Result<NetworkView, HostError> {
    let port = commissioning::main_port().map_err(HostError::Untold)?.ok_or(HostError::NoPort)?;
    let name = PortName::try_from(port.name.clone()).map_err(HostError::Untold)?;
    let manager = match hand::tell(&Order::Look { port: name }) {
        Ok(Answer::Managed { by }) => Ok(by),
        Ok(_) => Err(hand::strange().to_string()),
        Err(error) => Err(crate::operations::chain(&error)),
    };
    Ok(NetworkView { port, manager })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::operations::testing::TestBox;

    fn failed() -> Result<Answer, HelperError> {
        let reason = "another change of the network is being tried".to_owned();
        Err(HelperError::Failed { program: "datis-hand", reason })
    }

    #[test]
    fn only_who_has_tried_it_knows_by_failing_that_it_is_over() {
        let wanted = || "DHCP".to_owned();
        assert!(matches!(ended(failed(), wanted()), Ended::Failed { .. }));
        assert!(matches!(settled(failed(), wanted()), Ended::Stuck { .. }), "the other helper may hold it still");
        assert!(matches!(settled(Ok(Answer::Stuck { reason: String::new() }), wanted()), Ended::Stuck { .. }));
        assert!(matches!(settled(Err(hand::strange()), wanted()), Ended::Stuck { .. }));
        let down = || Ok(Answer::Down { reason: String::new() });
        assert!(matches!(
            (ended(down(), wanted()), settled(down(), wanted())),
            (Ended::Down { .. }, Ended::Down { .. })
        ));
        assert!(matches!(settled(Ok(Answer::TakenBack), wanted()), Ended::TakenBack { .. }));
        assert!(matches!(settled(Ok(Answer::Nothing), wanted()), Ended::Failed { .. }));
    }

    #[test]
    fn a_start_that_cannot_take_it_back_says_so_and_remembers_it() {
        let test = TestBox::start();
        let host = Host::new(Arc::clone(test.site()), &test.dir(), &Config::default().network);
        let note = test.dir().trial_file();
        host.settle_by(failed);
        assert_eq!(host.last_end(), None, "nothing was being tried");
        std::fs::write(&note, "DHCP").expect("a note");
        host.settle_by(failed);
        assert!(matches!(host.last_end(), Some(Ended::Stuck { wanted, .. }) if wanted == "DHCP"));
        assert!(note.exists(), "the next start tries again");
        host.settle_by(|| Ok(Answer::TakenBack));
        assert!(matches!(host.last_end(), Some(Ended::TakenBack { .. })));
        assert!(!note.exists());
    }

    #[test]
    fn what_is_not_tried_after_all_leaves_the_note_of_an_earlier_one() {
        let test = TestBox::start();
        let host = Host::new(Arc::clone(test.site()), &test.dir(), &Config::default().network);
        let note = test.dir().trial_file();
        std::fs::write(&note, "the later").expect("a note");
        host.note_again(Some(b"the earlier".to_vec())).expect("noted");
        assert_eq!(std::fs::read_to_string(&note).expect("a note"), "the earlier");
        host.note_again(None).expect("forgotten");
        assert!(!note.exists());
    }
}
