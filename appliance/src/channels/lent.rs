//! A lent connection, on both sides: it is kept alive until the borrower takes it; then its bytes go to and from the lender's
//! machine port. Each side says that it is taken before anything else follows, so that what kept it alive never mixes with that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use datis_engine::ids::MemberId;
use datis_engine::wire::reach::{LENT_ALIVE, LENT_TAKEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::{Channels, Pace, Pipe, splice};

/// How often the lender shows that it is there: routers forget connections that are silent for some minutes.
const ALIVE_EVERY: Duration = Duration::from_secs(25);
/// Nothing was heard for so long: the connection is gone.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// For the lender to say that it knows that the connection is taken.
const TAKEN_PATIENCE: Duration = Duration::from_secs(8);

/// The borrower's side: keeps the connection until it is taken from [`Channels::take`], or until it is not needed. `false`: there
/// are enough of this member.
pub(crate) async fn keep(channels: &Channels, member: MemberId, mut pipe: impl Pipe) -> bool {
    let Some(mut taken) = channels.put(member) else { return false };
    let end = loop {
        tokio::select! {
            end = &mut taken => match end {
                Ok(end) => break end,
                // It is not needed any more.
                Err(_) => return true,
            },
            heard = hear(&mut pipe, SILENT_MAX) => match heard {
                Ok(LENT_ALIVE) => {
                    if say(&mut pipe, LENT_ALIVE).await.is_err() {
                        return true;
                    }
                }
                Ok(_) | Err(_) => return true,
            },
        }
    };
    let is_taken = async {
        say(&mut pipe, LENT_TAKEN).await?;
        // What kept it alive may still be on its way.
        while hear(&mut pipe, TAKEN_PATIENCE).await? != LENT_TAKEN {}
        Ok::<_, io::Error>(())
    };
    if timeout(TAKEN_PATIENCE, is_taken).await.is_ok_and(|taken| taken.is_ok()) {
        splice(pipe, end, Pace::None).await;
    }
    true
}

/// The lender's side: until the connection was taken, and then until all is over. `taken` hears when it is, so that another one can
/// be lent.
///
/// # Errors
/// The connection broke, or the borrower does not need it any more.
pub(crate) async fn lend(
    channels: &Arc<Channels>,
    borrower: MemberId,
    mut pipe: impl Pipe,
    taken: impl FnOnce(),
) -> io::Result<()> {
    let (mut asked_at, mut silent) = (tokio::time::Instant::now(), false);
    loop {
        let next = asked_at + ALIVE_EVERY;
        tokio::select! {
            heard = hear(&mut pipe, SILENT_MAX) => match heard? {
                LENT_ALIVE => silent = false,
                LENT_TAKEN => break,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            },
            () = tokio::time::sleep_until(next) => {
                if silent {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                (asked_at, silent) = (tokio::time::Instant::now(), true);
                say(&mut pipe, LENT_ALIVE).await?;
            }
        }
    }
    taken();
    say(&mut pipe, LENT_TAKEN).await?;
    let (inside, _known) = channels.connect_inside(borrower).await?;
    splice(pipe, inside, Pace::None).await;
    Ok(())
}

/// One byte. Nothing is lost when this is dropped before it has come.
async fn hear(pipe: &mut impl Pipe, patience: Duration) -> io::Result<u8> {
    let mut byte = [0];
    tokio::select! {
        read = pipe.read(&mut byte) => if read? == 1 { Ok(byte[0]) } else { Err(io::ErrorKind::UnexpectedEof.into()) },
        () = sleep(patience) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn say(pipe: &mut impl Pipe, byte: u8) -> io::Result<()> {
    pipe.write_all(&[byte]).await?;
    pipe.flush().await
}
