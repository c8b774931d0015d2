//! A growing delay between failed attempts, in place of a lock-out: guessing becomes hopeless, and nobody can lock the
//! owner out for long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing: people mistype.
const FREE: u32 = 3;
/// The longest delay of an address, and of an account from one address.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The longest delay of an account over all addresses: whoever attacks it must not keep its owner out.
const LONGEST_FOR_ALL: Duration = Duration::from_secs(30);
/// Failures are forgotten after this time without another one.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3_600);
/// What is remembered at a time; beyond it, what is longest ago is forgotten.
const REMEMBERED_MAX: usize = 8_192;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Account(String),
    Both(IpAddr, String),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn until(self, longest: Duration) -> Instant {
        let over = self.count.saturating_sub(FREE);
        let wait = if over == 0 { Duration::ZERO } else { Duration::from_secs(1 << over.min(20)).min(longest) };
        self.last + wait
    }
}

/// Who has failed, and how often. In memory only: a restart of the box forgives.
#[derive(Debug, Default)]
pub(crate) struct Delays(Mutex<HashMap<Key, Failures>>);

impl Delays {
    /// How long whoever comes from `address` has to wait before `account` can be tried; `None`: not at all.
    pub(in super::super) fn wait(&self, address: IpAddr, account: &str, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = keys(address, account).into_iter().filter_map(|(key, longest)| {
            let failures = known.get(&key).filter(|failures| now.duration_since(failures.last) < FORGOTTEN)?;
            failures.until(longest).checked_duration_since(now).filter(|wait| !wait.is_zero())
        });
        waits.max()
    }

    /// Notes a failure.
    pub(in super::super) fn failed(&self, address: IpAddr, account: &str, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys(address, account) {
            if known.len() >= REMEMBERED_MAX && !known.contains_key(&key) {
                let oldest = known.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone());
                oldest.map(|key| known.remove(&key));
            }
            let failures = known.entry(key).or_insert(Failures { count: 0, last: now });
            if now.duration_since(failures.last) >= FORGOTTEN {
                failures.count = 0;
            }
            *failures = Failures { count: failures.count.saturating_add(1), last: now };
        }
    }

    /// Whoever signs in proves that the account's failures from there were mistypings. Those of the address stay: its
    /// next attempts may be for other accounts.
    pub(in super::super) fn succeeded(&self, address: IpAddr, account: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&Key::Both(of_one_site(address), account.to_owned()));
        known.remove(&Key::Account(account.to_owned()));
        if let Some(failures) = known.get_mut(&Key::Address(of_one_site(address))) {
            failures.count = failures.count.min(FREE);
        }
    }
}

fn keys(address: IpAddr, account: &str) -> [(Key, Duration); 3] {
    let address = of_one_site(address);
    [
        (Key::Address(address), LONGEST),
        (Key::Both(address, account.to_owned()), LONGEST),
        (Key::Account(account.to_owned()), LONGEST_FOR_ALL),
    ]
}

/// One who has a /64 of IPv6 has 2^64 addresses.
fn of_one_site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn the_delay_grows_and_a_success_ends_it() {
        let (delays, here, start) = (Delays::default(), address("192.0.2.1"), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..16 {
            waits.push(delays.wait(here, "claire", start).map_or(0, |wait| wait.as_secs()));
            delays.failed(here, "claire", start);
        }
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        delays.succeeded(here, "claire");
        assert_eq!(delays.wait(here, "claire", start), None);
    }

    #[test]
    fn an_attacker_elsewhere_keeps_the_owner_waiting_half_a_minute_at_most() {
        let (delays, start) = (Delays::default(), Instant::now());
        for n in 0..200 {
            delays.failed(address(&format!("2001:db8:{n:x}::1")), "claire", start);
        }
        let wait = delays.wait(address("192.0.2.1"), "claire", start).expect("a delay");
        assert_eq!(wait, LONGEST_FOR_ALL);
        assert_eq!(delays.wait(address("192.0.2.1"), "paul", start), None);
    }

    #[test]
    fn one_address_cannot_try_one_account_after_another() {
        let (delays, start) = (Delays::default(), Instant::now());
        for n in 0..12 {
            delays.failed(address(&format!("2001:db8::{n:x}")), &format!("name{n}"), start);
        }
        assert!(delays.wait(address("2001:db8::ffff"), "another", start).expect("a delay") > Duration::from_secs(60));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_after_a_day() {
        let (delays, start) = (Delays::default(), Instant::now());
        for n in 0..20_000_u32 {
            delays.failed(IpAddr::from(n.to_be_bytes()), &n.to_string(), start + Duration::from_micros(n.into()));
            if n % 1_000 == 0 {
                assert!(delays.0.lock().expect("lock").len() <= REMEMBERED_MAX);
            }
        }
        let later = start + Duration::from_secs(1);
        for _ in 0..9 {
            delays.failed(address("192.0.2.1"), "claire", later);
        }
        assert!(delays.wait(address("192.0.2.1"), "claire", later).is_some());
        assert_eq!(delays.wait(address("192.0.2.1"), "claire", later + FORGOTTEN), None);
    }
}
