//! Background work: each worker looks at what should be and at what is, and closes the gap, a small step at a time.
//!
//! First try, retry and restart are the same path: nothing is remembered between steps but what the catalog says.
//! Backups have the right of way: workers run at the lowest priority, and begin a step only when no backup has asked
//! for anything for a second, or when they have waited long enough.

mod abreast;
mod audit;
mod board;
mod books;
mod carriers;
mod lines;
mod post;
mod spread;
mod steps;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use datis_engine::units::UnixMillis;

pub use board::{WorkState, WorkerState};

use self::board::Board;
use self::steps::{Done, Worker};
use crate::config::CommissioningConfig;
use crate::operations::dispersal::on_orders;
use crate::operations::{OperationError, Site, chain};
use crate::partner::Door;
use crate::peers::Peers;

/// A worker that gave way for so long does one step all the same.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often a worker that gives way looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// While another operation is in the way; after a step that failed, at least this.
const RETRY: Duration = Duration::from_secs(60);

/// The running workers. Dropping them stops them.
pub struct Workers {
    site: Arc<Site>,
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

/// What workers have to know besides the site.
#[derive(Clone)]
pub(crate) struct Orders {
    /// How the site is checked.
    pub(crate) commissioning: CommissioningConfig,
    /// The machine port as somebody outside has to find it.
    pub(crate) door: Door,
    /// Where people find the portal: mails lead there.
    pub(crate) portal_url: String,
    /// When the portal's certificate ends.
    pub(crate) certificate_ends: CertificateEnd,
    /// How the other boxes are reached.
    pub(crate) peers: Arc<Peers>,
    /// Tries a recovery with the kit that is on the box; what has failed. Without that kit nothing is tried.
    pub(crate) drill: Drill,
}

/// Tries a recovery.
pub(crate) type Drill = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Asks when a certificate ends; `None` where it does not say so.
pub(crate) type CertificateEnd = Arc<dyn Fn() -> Option<UnixMillis> + Send + Sync>;

/// Starts all workers, each on a thread of its own.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start(site: Arc<Site>, orders: &Orders) -> io::Result<Workers> {
    let board = Arc::new(Board::new(Worker::ALL.iter().map(|worker| worker.name())));
    let mut workers = Workers { site, board, threads: Vec::new() };
    if let Some(spread) = Worker::ALL.iter().position(|worker| *worker == Worker::Spread) {
        let board = Arc::clone(&workers.board);
        on_orders(&workers.site, move || board.nudge(spread));
    }
    for (at, worker) in Worker::ALL.iter().enumerate() {
        let (site, board, orders) = (Arc::clone(&workers.site), Arc::clone(&workers.board), orders.clone());
        let run = move || run(&site, &orders, &board, at, *worker);
        workers.threads.push(std::thread::Builder::new().name(worker.name().to_owned()).spawn(run)?);
    }
    Ok(workers)
}

impl Workers {
    /// What each of them does, in a fixed order.
    #[must_use]
    pub fn states(&self) -> Vec<WorkerState> {
        self.board.states()
    }

    /// Ends all of them, also long steps at their next safe point ([`Site::stop`], after which the site takes no more
    /// requests either), and waits for that: a second or two, some more
    /// while the site is checked.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.site.stop();
        self.board.stop();
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "A worker ended with a panic");
            }
        }
    }
}

/// Audits with hardly any pause, so that tests between real boxes see what comes of many of them. Never part of a release.
#[cfg(feature = "plant")]
fn hurried(worker: Worker, pause: Duration) -> Duration {
    let is_hurried = worker == Worker::Audit && crate::operations::planted("hurried-audits");
    if is_hurried { Duration::from_secs(1) } else { pause }
}

#[cfg(not(feature = "plant"))]
const fn hurried(_: Worker, pause: Duration) -> Duration {
    pause
}

fn run(site: &Arc<Site>, orders: &Orders, board: &Board, at: usize, worker: Worker) {
    // On Linux this is for the calling thread alone. Without it the work is done all the same.
    let _ = rustix::process::nice(19);
    let mut pause = worker.first_pause();
    let mut waiting_since: Option<Instant> = None;
    while board.sleep(at, hurried(worker, pause)) {
        if worker.gives_way() && !site.is_quiet() && waiting_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
        {
            board.note(at, WorkState::Waiting, None);
            pause = LOOK_AGAIN;
            continue;
        }
        waiting_since = None;
        let began = Instant::now();
        pause = match worker.step(site, orders, &|progress| board.note(at, WorkState::Working, progress)) {
            Ok(Done::Everything) => {
                board.succeeded(at, site.clock.now());
                worker.pause()
            }
            Ok(Done::Again) => {
                board.succeeded(at, site.clock.now());
                Worker::AGAIN
            }
            Ok(Done::For(pause)) => {
                board.succeeded(at, site.clock.now());
                pause
            }
            Ok(Done::Failed(reason)) => {
                tracing::warn!(worker = worker.name(), reason, "A step of background work failed");
                board.failed(at, reason);
                RETRY
            }
            Ok(Done::Part) => began.elapsed() * worker.rest(),
            Err(OperationError::Stopped) => return,
            Err(OperationError::Running { .. }) => {
                board.note(at, WorkState::Waiting, None);
                RETRY
            }
            Err(error) => {
                let text = chain(&error);
                tracing::warn!(worker = worker.name(), error = %text, "A step of background work failed");
                board.failed(at, text);
                worker.pause().max(RETRY)
            }
        };
    }
}
