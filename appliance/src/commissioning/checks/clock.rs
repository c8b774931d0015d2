//! `time.ntp`: is the clock right? Retention goes by it, certificates are checked by it, and every report shows it.
//!
//! Several time servers are asked at once (SNTP, RFC 5905), and the median of their answers counts: one wrong server
//! among three does not matter.

use std::net::SocketAddr;
use std::time::Duration;

use rsntp::{Config, SntpClient, SynchronizationError};

use super::{Found, names};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::config::TimeServer;

/// For each server.
const PATIENCE: Duration = Duration::from_secs(3);
/// Off by this many seconds, somebody should look.
const OFF: f64 = 0.5;
/// Off by this many seconds, it is wrong.
const WRONG: f64 = 5.0;

pub(super) fn look(servers: &[TimeServer]) -> Found {
    let answers: Vec<(&TimeServer, Result<f64, String>)> = std::thread::scope(|scope| {
        let asked: Vec<_> = servers.iter().map(|server| (server, scope.spawn(move || offset(server)))).collect();
        let panicked = |_| Err("-".to_owned());
        asked.into_iter().map(|(server, thread)| (server, thread.join().unwrap_or_else(panicked))).collect()
    });
    let shown = answers.iter().map(|(server, answer)| match answer {
        Ok(offset) => format!("{server} {offset:+.3} s"),
        Err(reason) => format!("{server}: {reason}"),
    });
    let mut facts = vec![Fact::lines("sources", shown.collect())];
    let offset = median(answers.iter().filter_map(|(_, answer)| answer.as_ref().ok().copied()).collect());
    // Shown without a sign: the text says whether the clock is slow or fast.
    facts.extend(offset.map(|offset| Fact::number("offset", (offset.abs() * 1_000.0).round() / 1_000.0)));
    facts.extend(offset.map(|offset| Fact::text("direction", if offset > 0.0 { "slow" } else { "fast" })));
    (judge(offset), facts)
}

/// How many seconds this clock is behind the server's.
fn offset(server: &TimeServer) -> Result<f64, String> {
    let ip = names::address_of(server.host()).ok_or_else(|| "-".to_owned())?;
    let client = SntpClient::with_config(Config::default().timeout(PATIENCE));
    let answer = client.synchronize(SocketAddr::from((ip, server.port()))).map_err(|error| match error {
        SynchronizationError::IOError(_) => "-".to_owned(),
        // Such as a server that is not synchronised itself.
        SynchronizationError::ProtocolError(error) => error.to_string(),
    })?;
    Ok(answer.clock_offset().as_secs_f64())
}

fn median(mut offsets: Vec<f64>) -> Option<f64> {
    offsets.sort_by(f64::total_cmp);
    let middle = offsets.len() / 2;
    match offsets.len() % 2 {
        1 => offsets.get(middle).copied(),
        // Of two servers that contradict each other the one that is nearer is as likely as the other.
        _ => Some(f64::midpoint(*offsets.get(middle.checked_sub(1)?)?, *offsets.get(middle)?)),
    }
}

fn judge(offset: Option<f64>) -> Finding {
    match offset.map(f64::abs) {
        None => Finding::ClockUnchecked,
        Some(offset) if offset < OFF => Finding::ClockRight,
        Some(offset) if offset < WRONG => Finding::ClockOff,
        Some(_) => Finding::ClockWrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_server_among_three_does_not_matter() {
        for (offsets, expected) in [
            (vec![0.01, 137.5, -0.02], Finding::ClockRight),
            (vec![137.5, 137.4, 0.0], Finding::ClockWrong),
            (vec![-0.6], Finding::ClockOff),
            (vec![-4.0, -5.8], Finding::ClockOff),
            (vec![-5.0], Finding::ClockWrong),
            (vec![0.0, 11.0], Finding::ClockWrong),
            (vec![], Finding::ClockUnchecked),
        ] {
            assert_eq!(judge(median(offsets.clone())), expected, "{offsets:?}");
        }
    }
}
