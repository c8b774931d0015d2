//! Long answers: made on a thread of their own, handed over in pieces through a short queue, and broken off on an error,
//! so that nobody takes half of something for all of it.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::answer::PageError;

/// Downloads at a time: each has a thread, and a browser that takes its bytes slowly keeps it for long.
pub(super) const AT_A_TIME: usize = 16;
/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the connection. With the piece that is being filled, half a megabyte for each download.
const WAITING: usize = 8;
/// Whoever takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait before looking again whether there is room in the queue: it empties much slower than in this time.
const LOOK_AGAIN: Duration = Duration::from_millis(4);

enum Message {
    Piece(Bytes),
    /// That was all.
    End,
    /// It ends here, too early.
    Failed(PageError),
}

/// Where the thread puts the bytes.
pub(super) struct Outlet {
    to: Sender<Message>,
    piece: Vec<u8>,
}

impl Outlet {
    fn hand_over(&self, mut message: Message) -> io::Result<()> {
        let since = Instant::now();
        loop {
            message = match self.to.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if since.elapsed() > PATIENCE => return Err(io::ErrorKind::TimedOut.into()),
                Err(TrySendError::Full(message)) => message,
            };
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        let (now, _) = bytes.split_at(taken);
        self.piece.extend_from_slice(now);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.hand_over(Message::Piece(piece.into()))
    }
}

/// The body of a long answer.
pub(super) struct Flow {
    /// Bytes in all, when that is known before.
    length: Option<u64>,
    first: Option<Message>,
    from: Receiver<Message>,
    is_over: bool,
}

/// Starts making an answer of `length` bytes on a thread of its own. `make` writes all of them, or fails. `permit` is held
/// until then.
pub(super) fn start(
    permit: impl Send + 'static,
    length: Option<u64>,
    make: impl FnOnce(&mut Outlet) -> Result<(), PageError> + Send + 'static,
) -> io::Result<Flow> {
    let (to, from) = channel(WAITING);
    std::thread::Builder::new().name("download".into()).spawn(move || {
        let _permit = permit;
        let mut outlet = Outlet { to, piece: Vec::with_capacity(PIECE) };
        let made = make(&mut outlet).and_then(|()| outlet.flush().map_err(PageError::Sink));
        let last = match made {
            Ok(()) => Message::End,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "A download was broken off");
                Message::Failed(error)
            }
        };
        // Without its last message the answer is broken off all the same.
        let _ = outlet.hand_over(last);
    })?;
    Ok(Flow { length, first: None, from, is_over: false })
}

impl Flow {
    /// Waits until there is something to send, so that what fails before can be answered with a page.
    pub(super) async fn begun(mut self) -> Result<Self, PageError> {
        match self.from.recv().await {
            Some(Message::Failed(error)) => Err(error),
            None => Err(PageError::Other("the download ended before its first byte".to_owned())),
            first => {
                self.first = first;
                Ok(self)
            }
        }
    }
}

impl MessageBody for Flow {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let message = match self.first.take() {
            Some(first) => Some(first),
            None => std::task::ready!(self.from.poll_recv(context)),
        };
        if let Some(Message::Piece(piece)) = message {
            return Poll::Ready(Some(Ok(piece)));
        }
        self.is_over = true;
        // An error makes the HTTP layer end the connection, or reset the stream, without saying that this was all.
        let is_whole = matches!(message, Some(Message::End));
        Poll::Ready((!is_whole).then(|| Err(io::Error::other("the download was broken off"))))
    }
}

/// A body that is as long as another one, and has no byte: for `HEAD`.
pub(super) struct Lengthy(pub(super) u64);

impl MessageBody for Lengthy {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    async fn rest(mut flow: Flow) -> (usize, bool) {
        let mut len = 0;
        loop {
            match poll_fn(|context| Pin::new(&mut flow).poll_next(context)).await {
                Some(Ok(piece)) => {
                    assert!(piece.len() <= PIECE);
                    len += piece.len();
                }
                Some(Err(_)) => return (len, false),
                None => return (len, true),
            }
        }
    }

    #[actix_web::test]
    async fn what_is_made_comes_out_and_what_fails_is_broken_off() {
        let places = Arc::new(Semaphore::new(8));
        let place = || Arc::clone(&places).try_acquire_owned().expect("a place");
        let bytes = vec![7; 5 * PIECE + 3];
        let made = bytes.clone();
        let flow = start(place(), Some(bytes.len() as u64), move |out| out.write_all(&made).map_err(PageError::Sink));
        let flow = flow.expect("start").begun().await.expect("begun");
        assert_eq!(flow.size(), BodySize::Sized(bytes.len() as u64));
        assert_eq!(rest(flow).await, (bytes.len(), true));

        let made = bytes.clone();
        let broken = start(place(), None, move |out| {
            out.write_all(&made).map_err(PageError::Sink)?;
            Err(PageError::NotFound)
        });
        let broken = broken.expect("start").begun().await.expect("begun");
        assert_eq!(rest(broken).await, (5 * PIECE, false));

        let panicked = start(place(), None, |out| {
            out.write_all(&[0; PIECE]).expect("write");
            panic!("planted")
        });
        assert_eq!(rest(panicked.expect("start").begun().await.expect("begun")).await, (PIECE, false));

        let early = start(place(), None, |_| Err(PageError::NotFound)).expect("start").begun().await;
        assert!(matches!(early, Err(PageError::NotFound)));
    }

    #[actix_web::test]
    async fn whoever_goes_away_frees_the_place_and_little_waits_for_them() {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().expect("a place");
        let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let flow = start(place, None, move |out| {
            loop {
                out.write_all(&[0; PIECE]).map_err(PageError::Sink)?;
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        let flow = flow.expect("start").begun().await.expect("begun");
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        assert!(written.load(std::sync::atomic::Ordering::SeqCst) <= WAITING + 2, "{written:?}");
        assert_eq!(places.available_permits(), 0);
        drop(flow);
        let place = actix_web::rt::time::timeout(Duration::from_secs(20), places.acquire()).await;
        assert!(place.expect("in time").is_ok());
    }
}
