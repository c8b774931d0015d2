//! Keeps connections at other boxes that may not be able to dial this one: it dials them and lends them what stands then, so that
//! they reach it all the same. Each says for itself whether it needs that. Also looks from time to time whether who had to be reached
//! by a worse way can be dialled again.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use datis_engine::ids::MemberId;
use datis_engine::wire::reach::{ChannelClosed, OpenChannel};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::Peers;
use crate::channels::lend;
use crate::links::peers::PipeError;
use crate::operations::community;

/// Connections that wait at a member to be taken.
const WAITING: usize = 2;
/// Connections with one member, waiting or in use: as many as it uses itself at the most, and some for those whom it relays.
const OPEN_MAX: usize = 10;
/// Between two looks at what is to be done.
const LOOK: Duration = Duration::from_millis(250);
/// Before a member is offered a connection again that needs none.
const NOT_NEEDED: Duration = Duration::from_secs(30);
/// After the first attempt that failed; twice as long after each further one, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(3);
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// Members that are dialled at a time to see whether they can be.
const LOOKS_MAX: usize = 4;

/// What is lent to one member.
#[derive(Debug)]
struct Lending {
    /// Waiting there, or being offered.
    waiting: usize,
    /// In use.
    used: usize,
    next: Instant,
    failed: u32,
}

/// What is lent to whom. Shared with the connections themselves.
type Ledger = Arc<Mutex<HashMap<MemberId, Lending>>>;

impl Peers {
    /// Starts keeping; it ends when the site stops.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn keep_reachable(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let peers = Arc::clone(self);
        std::thread::Builder::new().name("reachable".to_owned()).spawn(move || runtime.block_on(keep(&peers)))
    }
}

async fn keep(peers: &Arc<Peers>) {
    let (lent, looking) = (Ledger::default(), Arc::new(Mutex::new(BTreeSet::new())));
    while peers.site.check_running().is_ok() {
        if let Some(known) = peers.site.community() {
            for member in known.others() {
                offer(peers, &lent, member.id);
            }
        }
        for member in peers.due_for_dialling() {
            look_again(peers, &looking, member);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Offers a member one more connection, if it is time.
fn offer(peers: &Arc<Peers>, lent: &Ledger, member: MemberId) {
    {
        let (mut all, now) = (lock(lent), Instant::now());
        let lending = all.entry(member).or_insert(Lending { waiting: 0, used: 0, next: now, failed: 0 });
        if lending.waiting >= WAITING || lending.waiting + lending.used >= OPEN_MAX || lending.next > now {
            return;
        }
        lending.waiting += 1;
    }
    let (peers, lent) = (Arc::clone(peers), Arc::clone(lent));
    tokio::spawn(async move {
        let ended = lend_one(&peers, &lent, member).await;
        let (mut all, now) = (lock(&lent), Instant::now());
        let Some(lending) = all.get_mut(&member) else { return };
        lending.next = now
            + match ended {
                Ended::Used => {
                    lending.used -= 1;
                    return;
                }
                // It stood for a while: the network has changed, or the other box has started again.
                Ended::Broken => jittered(PAUSE),
                Ended::NotNeeded => jittered(NOT_NEEDED),
                Ended::Failed => {
                    lending.failed = lending.failed.saturating_add(1);
                    jittered(PAUSE.saturating_mul(1 << lending.failed.min(8)).min(PAUSE_MAX))
                }
            };
        lending.waiting -= 1;
    });
}

/// What became of a connection.
enum Ended {
    /// It was taken, and is over.
    Used,
    /// It was not taken before it broke.
    Broken,
    /// The other box reaches this one by itself, or has enough of them.
    NotNeeded,
    /// There was none.
    Failed,
}

async fn lend_one(peers: &Arc<Peers>, lent: &Ledger, member: MemberId) -> Ended {
    let offered = async {
        let pin = peers.pin_of(member).map_err(|_| PipeError::Nowhere)?;
        let places = community::places_of(&peers.site, member).map_err(|_| PipeError::Nowhere)?;
        let pipe = peers.dialler.tcp_to(&places).await?;
        peers.dialler.channel(pipe, pin, &OpenChannel::Lend).await
    };
    let pipe = match offered.await {
        Ok(pipe) => pipe,
        Err(PipeError::Closed(ChannelClosed::NotNeeded | ChannelClosed::Busy)) => return Ended::NotNeeded,
        Err(error) => {
            tracing::debug!(%member, error = %error, "A member cannot be lent a connection");
            return Ended::Failed;
        }
    };
    if let Some(lending) = lock(lent).get_mut(&member) {
        lending.failed = 0;
    }
    let mut was_taken = false;
    let taken = || {
        was_taken = true;
        if let Some(lending) = lock(lent).get_mut(&member) {
            lending.waiting -= 1;
            lending.used += 1;
        }
    };
    // Why it ended matters to nobody: whoever used it sees that it has.
    let _ = lend(&peers.channels, member, pipe, taken).await;
    if was_taken { Ended::Used } else { Ended::Broken }
}

/// Dials a member on a thread of its own to see whether it can be.
fn look_again(peers: &Arc<Peers>, looking: &Arc<Mutex<BTreeSet<MemberId>>>, member: MemberId) {
    {
        let mut busy = lock(looking);
        if busy.len() >= LOOKS_MAX || !busy.insert(member) {
            return;
        }
    }
    let (peers, looking) = (Arc::clone(peers), Arc::clone(looking));
    tokio::task::spawn_blocking(move || {
        peers.try_to_dial(member);
        lock(&looking).remove(&member);
    });
}

/// About as long, so that boxes that lost their connections at the same moment do not all come back at the same.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness all come at once, which is no harm but for a moment.
    let _ = SystemRandom::new().fill(&mut byte);
    pause.mul_f64(0.75 + f64::from(byte[0]) / 510.0)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
