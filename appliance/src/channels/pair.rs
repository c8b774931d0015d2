//! What is relayed between two members: so many connections, so many bytes a second and a day, both directions together.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::ids::MemberId;
use datis_engine::wire::reach::ChannelClosed;
use tokio::time::{Instant, sleep};

/// Connections between two members.
const PER_PAIR_MAX: usize = 8;
/// Of these, over connections that one of them has lent this box: it lends few, and other members and this box itself need some.
const LENT_PER_PAIR_MAX: usize = 3;
/// Connections between all of them.
const ALL_MAX: usize = 64;
/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// How much is relayed between two members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayLimits {
    /// Bits a second.
    pub(crate) bits_per_second: u64,
    /// Bytes a day.
    pub(crate) bytes_per_day: u64,
}

/// What was relayed between two members in the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// The two, in the order of their ids.
    pub(crate) between: (MemberId, MemberId),
    /// Bytes.
    pub(crate) bytes: u64,
    /// Of how many.
    pub(crate) of: u64,
    /// Connections that are open.
    pub(crate) open: usize,
}

/// All pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    limits: RelayLimits,
    accounts: Arc<Mutex<HashMap<(MemberId, MemberId), Account>>>,
}

#[derive(Debug)]
struct Account {
    open: usize,
    /// Of these, over lent connections.
    lent: usize,
    /// Since when bytes are counted.
    since: Instant,
    bytes: u64,
    /// When what was let through is through, at the pace that is allowed.
    free_at: Instant,
}

impl Pairs {
    pub(super) fn new(limits: RelayLimits) -> Self {
        Self { limits, accounts: Arc::default() }
    }

    pub(super) fn enter(&self, one: MemberId, other: MemberId) -> Result<Pair, ChannelClosed> {
        let (key, now) = ((one.min(other), one.max(other)), Instant::now());
        let mut accounts = lock(&self.accounts);
        accounts.retain(|_, account| account.open > 0 || account.since + DAY > now);
        let open: usize = accounts.values().map(|account| account.open).sum();
        let account = accounts.entry(key).or_insert(Account { open: 0, lent: 0, since: now, bytes: 0, free_at: now });
        if account.left(self.limits, now) == 0 || self.limits.bits_per_second == 0 {
            return Err(ChannelClosed::UsedUp);
        }
        if open >= ALL_MAX || account.open >= PER_PAIR_MAX {
            return Err(ChannelClosed::Busy);
        }
        account.open += 1;
        Ok(Pair { limits: self.limits, key, is_lent: false, accounts: Arc::clone(&self.accounts) })
    }

    pub(super) fn today(&self) -> Vec<Relayed> {
        let (accounts, now, of) = (lock(&self.accounts), Instant::now(), self.limits.bytes_per_day);
        let current = accounts.iter().filter(|(_, account)| account.open > 0 || account.since + DAY > now);
        current.map(|(key, account)| Relayed { between: *key, bytes: account.bytes, of, open: account.open }).collect()
    }
}

impl Account {
    /// What may still go; a new day begins when the last one is over.
    fn left(&mut self, limits: RelayLimits, now: Instant) -> u64 {
        if self.since + DAY <= now {
            (self.since, self.bytes) = (now, 0);
        }
        limits.bytes_per_day.saturating_sub(self.bytes)
    }
}

/// One relayed connection's share of what its two members have.
pub(crate) struct Pair {
    limits: RelayLimits,
    key: (MemberId, MemberId),
    /// Whether it goes over a lent connection.
    is_lent: bool,
    accounts: Arc<Mutex<HashMap<(MemberId, MemberId), Account>>>,
}

impl Pair {
    /// Counts it as one that goes over a lent connection; `false` when the two have enough of these.
    pub(super) fn count_as_lent(&mut self) -> bool {
        let mut accounts = lock(&self.accounts);
        let free = accounts.get_mut(&self.key).filter(|account| account.lent < LENT_PER_PAIR_MAX);
        let Some(account) = free.filter(|_| !self.is_lent) else { return false };
        account.lent += 1;
        self.is_lent = true;
        true
    }

    /// Waits until so many bytes more may go.
    ///
    /// # Errors
    /// The day's bytes are used up.
    pub(super) async fn spend(&self, len: usize) -> io::Result<()> {
        let wait = {
            let (mut accounts, now) = (lock(&self.accounts), Instant::now());
            let account = accounts.get_mut(&self.key).ok_or(io::ErrorKind::NotFound)?;
            if account.left(self.limits, now) < len as u64 {
                return Err(io::Error::other("what is relayed a day is used up"));
            }
            account.bytes += len as u64;
            let takes = Duration::from_secs_f64(len as f64 * 8.0 / self.limits.bits_per_second.max(1) as f64);
            account.free_at = account.free_at.max(now) + takes;
            account.free_at - now
        };
        sleep(wait).await;
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Some(account) = lock(&self.accounts).get_mut(&self.key) {
            account.open -= 1;
            account.lent -= usize::from(self.is_lent);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_s_bytes_are_there_again_the_next_day() {
        let (limits, now) = (RelayLimits { bits_per_second: 8, bytes_per_day: 100 }, Instant::now());
        let mut account = Account { open: 0, lent: 0, since: now, bytes: 70, free_at: now };
        assert_eq!(account.left(limits, now + DAY - Duration::from_secs(1)), 30);
        assert_eq!(account.left(limits, now + DAY), 100);
    }
}
