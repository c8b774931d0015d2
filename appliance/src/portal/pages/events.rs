//! Says to open pages that something has changed (server-sent events, HTML Living Standard 9.2). What has changed is not
//! said: pages ask for themselves again, so that rights stand in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::rt::time::sleep;
use actix_web::web::{self, Bytes};
use futures_util::stream::{self, StreamExt};

use super::super::visit::Visit;
use super::super::{Portal, answer};

/// Streams at a time; pages without one ask from time to time.
const STREAMS_MAX: usize = 64;
/// How often there is a look for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two events at least this long: while backups run something changes all the time.
const GAP: Duration = Duration::from_secs(2);
/// Without an event something is sent after this time, so that both ends see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this time; the browser opens another one, and shows anew who it is.
const LIFE: Duration = Duration::from_secs(600);

/// How many streams are open.
#[derive(Debug, Default)]
pub(in crate::portal) struct Streams(AtomicUsize);

/// A place among them, as long as it is held.
struct Place(Arc<Streams>);

impl Place {
    fn take(streams: &Arc<Streams>) -> Option<Self> {
        let taken = streams.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < STREAMS_MAX).then_some(n + 1));
        taken.is_ok().then(|| Self(Arc::clone(streams)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What is looked at for changes.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    commits: u64,
    checked: Option<usize>,
    weighed: usize,
    drilled: bool,
    workers: Vec<(Option<String>, &'static str)>,
}

impl Seen {
    fn now(portal: &Portal) -> Self {
        let workers = (portal.workers)().into_iter().map(|worker| (worker.progress, worker.state.word()));
        Self {
            commits: portal.site.changes(),
            checked: portal.checking.count(),
            weighed: portal.weighing.open(),
            drilled: portal.drilling.since().is_some(),
            workers: workers.collect(),
        }
    }
}

struct Stream {
    portal: web::Data<Portal>,
    _place: Place,
    opened: Instant,
    said: Instant,
    seen: Seen,
}

pub(in crate::portal) async fn stream(visit: Visit) -> HttpResponse {
    let portal = visit.portal.clone();
    let Some(place) = Place::take(&portal.streams) else {
        return answer::plain(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open".to_owned());
    };
    let now = Instant::now();
    let seen = Seen::now(&portal);
    let stream = Stream { portal, _place: place, opened: now, said: now, seen };
    // Changes are told from here on. The page hears at once that it is so, and asks for what it has missed.
    let greeting = stream::iter([Ok(Bytes::from_static(b": here\n\n"))]);
    let changes = stream::unfold(stream, |stream| async { stream.next().await });
    HttpResponse::Ok().content_type("text/event-stream").streaming(greeting.chain(changes))
}

impl Stream {
    /// The next thing to say; `None` ends the stream.
    async fn next(mut self) -> Option<(Result<Bytes, actix_web::Error>, Self)> {
        loop {
            sleep(LOOK_EVERY).await;
            if self.opened.elapsed() > LIFE || self.portal.site.check_running().is_err() {
                return None;
            }
            let seen = Seen::now(&self.portal);
            let said = if seen != self.seen && self.said.elapsed() >= GAP {
                self.seen = seen;
                Bytes::from_static(b"event: box\ndata: changed\n\n")
            } else if self.said.elapsed() > KEEP_ALIVE {
                Bytes::from_static(b": still here\n\n")
            } else {
                continue;
            };
            self.said = Instant::now();
            return Some((Ok(said), self));
        }
    }
}
