//! Moving bytes between two connections, in both directions, until one of them ends.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::{GULP, Pair, Pipe};

/// After one direction has ended, the other one has this long.
const LINGER: Duration = Duration::from_secs(30);
/// Two connections between which nothing moves for so long are closed.
const IDLE_MAX: Duration = Duration::from_secs(180);

/// How fast bytes may go.
pub(crate) enum Pace<'p> {
    /// As fast as they can.
    None,
    /// As that of two members who are relayed for.
    Pair(&'p Pair),
}

/// Moves bytes until both sides have ended, or one has and the other takes too long, or one breaks, or nothing moves any more. A box
/// that was killed breaks its connections: what was lent or counted for them is free at once.
pub(crate) async fn splice(one: impl Pipe, other: impl Pipe, pace: Pace<'_>) {
    let moved = Mutex::new(Instant::now());
    let (one_in, one_out) = tokio::io::split(one);
    let (other_in, other_out) = tokio::io::split(other);
    let mut there = std::pin::pin!(pump(one_in, other_out, &pace, &moved));
    let mut back = std::pin::pin!(pump(other_in, one_out, &pace, &moved));
    // How it ended, the two ends see for themselves.
    tokio::select! {
        ended = &mut there => if ended.is_ok() { drop(timeout(LINGER, back).await) },
        ended = &mut back => if ended.is_ok() { drop(timeout(LINGER, there).await) },
        () = idle(&moved) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pace: &Pace<'_>,
    moved: &Mutex<Instant>,
) -> io::Result<()> {
    let mut gulp = vec![0; GULP];
    loop {
        let len = from.read(&mut gulp).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        if let Pace::Pair(pair) = pace {
            pair.spend(len).await?;
        }
        to.write_all(&gulp[..len]).await?;
        to.flush().await?;
        *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

async fn idle(moved: &Mutex<Instant>) {
    loop {
        let until = *moved.lock().unwrap_or_else(PoisonError::into_inner) + IDLE_MAX;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
