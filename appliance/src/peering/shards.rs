//! Shards coming in piece by piece, and ranges of them going out. Neither holds a thread while the network is slow, nor more
//! than one gulp of memory.

use std::ops::Range;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_RANGE, RANGE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use datis_engine::community::signed::Signed;
use datis_engine::format::encode;
use datis_engine::ids::ShardId;
use datis_engine::wire::{CBOR, Refusal, RefusalCode};
use futures_util::stream;

use super::{Peering, blocking_at};
use crate::doorway::answer;
use crate::doorway::body::{PacedBody, content_length};
use crate::doorway::places::Place;
use crate::operations::bandwidth::{Traffic, Turn, take_turn};
use crate::operations::hosting::Peer;
use crate::operations::hosting::{PieceIntake, read_shard, receive_piece, shard_len};

/// Bytes that are written or read at a time.
const GULP: u32 = 1 << 20;
/// Of these, what is handed to the connection at a time: it is copied and sealed there, and so much stays in the processor's cache.
const SIP: usize = 64 << 10;
/// A kind of traffic that is held is asked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const OCTETS: &str = "application/octet-stream";

fn malformed(sentence: &str) -> Refusal {
    Refusal::new(RefusalCode::Malformed, sentence)
}

fn shard_of(path: &str) -> Result<ShardId, Refusal> {
    path.parse().map_err(|_| malformed("the shard id in the path is not 64 hexadecimal digits"))
}

/// `PUT` of one piece: 200 with the signed receipt when it was the last, else 204.
pub(super) async fn put(
    peering: web::Data<Peering>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    match receive(&peering, &request, &path, payload).await {
        Ok(Some(receipt)) => HttpResponse::Ok().content_type(CBOR).body(encode(&receipt)),
        Ok(None) => HttpResponse::NoContent().finish(),
        Err(why) => answer::refusal_and_close(&peering.meters, &why),
    }
}

async fn receive(
    peering: &web::Data<Peering>,
    request: &HttpRequest,
    path: &str,
    payload: web::Payload,
) -> Result<Option<Signed>, Refusal> {
    let (key, peer) = peering.peer(request)?;
    let shard = shard_of(path)?;
    let header = request.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let (range, total) = header
        .and_then(piece_range)
        .ok_or_else(|| malformed("a piece must come with `Content-Range: bytes FIRST-LAST/TOTAL`"))?;
    let len = range.end - range.start;
    if content_length(request) != Some(u64::from(len)) {
        return Err(malformed("the piece is not as long as its Content-Range says"));
    }
    let place = peering.transfers.enter(key.0).await.ok_or_else(answer::fault)?;
    let begun = move |peering: &Peering| receive_piece(&peering.site, &peer, shard, range.start, total, len);
    let (mut piece, mut place) = blocking_at(peering, place, begun).await?;
    let mut body = PacedBody::new(payload, peering.pace);
    // One memory for all of it: fresh memory costs as much as writing it.
    let (mut gulp, mut left) = (Vec::with_capacity(len.min(GULP) as usize), u64::from(len));
    loop {
        let next = body.next().await;
        if let Ok(Some(bytes)) = &next {
            left = left.saturating_sub(bytes.len() as u64);
            gulp.extend_from_slice(bytes);
            if gulp.len() < GULP as usize && left > 0 {
                continue;
            }
        }
        // Also what came before a cut: the shard goes on behind it.
        if !gulp.is_empty() {
            ((piece, gulp), place) = write(peering, place, piece, gulp).await?;
        }
        if next?.is_none() {
            break;
        }
    }
    if left > 0 {
        return Err(malformed("the piece was cut short; offer the shard again and go on where it ended"));
    }
    peering.meters.received_bytes.inc_by(u64::from(len));
    let (receipt, _place) = blocking_at(peering, place, move |_| piece.finish()).await?;
    Ok(receipt)
}

/// The memory comes back empty.
async fn write(
    peering: &web::Data<Peering>,
    place: Place,
    mut piece: PieceIntake,
    mut gulp: Vec<u8>,
) -> Result<((PieceIntake, Vec<u8>), Place), Refusal> {
    blocking_at(peering, place, move |_| {
        piece.write(&gulp)?;
        gulp.clear();
        Ok((piece, gulp))
    })
    .await
}

/// `GET` of one range, or of all: 206 or 200 with the bytes.
pub(super) async fn get(peering: web::Data<Peering>, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    match send(&peering, &request, &path).await {
        Ok(response) => response,
        Err(why) => answer::refusal(&peering.meters, &why),
    }
}

async fn send(peering: &web::Data<Peering>, request: &HttpRequest, path: &str) -> Result<HttpResponse, Refusal> {
    let (key, peer) = peering.peer(request)?;
    let shard = shard_of(path)?;
    let place = peering.transfers.enter(key.0).await.ok_or_else(answer::fault)?;
    let (total, place) = blocking_at(peering, place, move |peering| shard_len(&peering.site, &peer, shard)).await?;
    let asked = match request.headers().get(RANGE) {
        None => None,
        Some(value) => {
            let range = value.to_str().ok().and_then(byte_range).filter(|range| range.end <= total);
            Some(range.ok_or_else(|| malformed("the range must be `Range: bytes=FIRST-LAST`, within the shard"))?)
        }
    };
    let range = asked.clone().unwrap_or(0..total);
    let mut out = Outgoing {
        peering: peering.clone(),
        peer,
        shard,
        range: range.clone(),
        read: Bytes::new(),
        place: Some(place),
    };
    // The first bytes are read before anything is said, so that what is wrong has its own answer.
    let first = out.next().await?;
    let rest = stream::unfold((Some(first), out), |(first, mut out)| async move {
        let bytes = match first {
            Some(bytes) => Ok(bytes),
            None if out.is_over() => return None,
            None => out.next().await.map_err(|why| std::io::Error::other(why.sentence)),
        };
        Some((bytes, (None, out)))
    });
    let body = SizedStream::new(u64::from(range.end - range.start), rest);
    let mut response = match asked {
        None => HttpResponse::Ok(),
        Some(range) => {
            let mut response = HttpResponse::PartialContent();
            response.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{total}", range.start, range.end - 1)));
            response
        }
    };
    Ok(response.content_type(OCTETS).body(body))
}

/// Bytes on their way out.
struct Outgoing {
    peering: web::Data<Peering>,
    peer: Peer,
    shard: ShardId,
    /// What is still to be read.
    range: Range<u32>,
    /// What was read and is still to go.
    read: Bytes,
    /// With whoever reads, while somebody does.
    place: Option<Place>,
}

impl Outgoing {
    fn is_over(&self) -> bool {
        self.range.is_empty() && self.read.is_empty()
    }

    async fn next(&mut self) -> Result<Bytes, Refusal> {
        if self.read.is_empty() {
            self.read = self.gulp().await?;
        }
        Ok(self.read.split_to(self.read.len().min(SIP)))
    }

    async fn gulp(&mut self) -> Result<Bytes, Refusal> {
        let gulp = self.range.end.saturating_sub(self.range.start).min(GULP);
        let end = self.range.start.saturating_add(turn(&self.peering, gulp).await);
        let (peer, shard, range) = (self.peer, self.shard, self.range.start..end);
        let place = self.place.take().ok_or_else(answer::fault)?;
        let read = move |peering: &Peering| read_shard(&peering.site, &peer, shard, range);
        let (bytes, place) = blocking_at(&self.peering, place, read).await?;
        (self.range.start, self.place) = (end, Some(place));
        Ok(bytes.into())
    }
}

/// Waits until some of the `wanted` bytes may go; how many.
async fn turn(peering: &Peering, wanted: u32) -> u32 {
    loop {
        match take_turn(&peering.site, Traffic::Restore, wanted as usize) {
            Turn::Go(bytes) => return u32::try_from(bytes).unwrap_or(wanted),
            Turn::Wait(time) => tokio::time::sleep(time).await,
            // What somebody waits for is never held; looked at again all the same, since the plan may change.
            Turn::Held => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// `bytes FIRST-LAST/TOTAL`, with at least one byte.
fn piece_range(value: &str) -> Option<(Range<u32>, u32)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (range, total) = (closed(range)?, number(total)?);
    (range.end <= total).then_some((range, total))
}

/// `bytes=FIRST-LAST`, one range with both ends.
fn byte_range(value: &str) -> Option<Range<u32>> {
    closed(value.strip_prefix("bytes=")?)
}

fn closed(range: &str) -> Option<Range<u32>> {
    let (first, last) = range.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    (first < end).then_some(first..end)
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(piece_range("bytes 0-0/1"), Some((0..1, 1)));
        assert_eq!(piece_range("bytes 5-9/4294967295"), Some((5..10, u32::MAX)));
        assert_eq!(byte_range("bytes=7-7"), Some(7..8));
        for bad in [
            "",
            "bytes 0-1",
            "bytes 0-1/1",
            "bytes 2-1/9",
            "bytes */9",
            "bytes 0-1/*",
            "bytes -1/9",
            "bytes 0-/9",
            "bytes +0-1/9",
            "bytes 0-4294967295/4294967295",
            "bytes=0-1/9",
            "octets 0-1/9",
        ] {
            assert_eq!(piece_range(bad), None, "{bad}");
        }
        for bad in
            ["", "bytes=", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "bytes=3-1", "bytes=0-4294967295", "bytes 0-1"]
        {
            assert_eq!(byte_range(bad), None, "{bad}");
        }
    }
}
