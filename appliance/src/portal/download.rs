//! Files that are taken out of backups: their names, and parts of them (RFC 9110, 6266, 8187).

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, header::HeaderName};
use actix_web::{HttpRequest, HttpResponse};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::SnapshotId;

use super::answer::{PageError, encoded};
use super::pages::shown_name;
use super::pipe::{self, Flow, Lengthy};
use super::visit::Visit;
use crate::operations::browse;
use crate::plain::is_direction;

/// No browser shows it, or runs anything in it, whatever it is.
const ANY_BYTES: &str = "application/octet-stream";

/// Names are cut there, in characters: no file system takes more than 255 bytes.
const NAME_MAX: usize = 120;

/// What of a file is asked for, and whether only its head is.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) is_head: bool,
    range: Option<String>,
    if_range: Option<String>,
}

impl Wish {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().map(str::to_owned).ok();
        // RFC 9110, 14.2: a range means something for GET only; the head of a whole file is what tells its length.
        let is_head = *request.method() == Method::HEAD;
        Self { is_head, range: header(RANGE).filter(|_| !is_head), if_range: header(IF_RANGE) }
    }

    /// Which part of a file of `length` bytes, of which `tag` is the version.
    pub(super) fn part(&self, length: u64, tag: &str) -> Part {
        let is_of_this = self.if_range.as_deref().is_none_or(|wanted| wanted == tag);
        match &self.range {
            Some(range) if is_of_this => Part::of(range, length),
            Some(_) | None => Part::Whole,
        }
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// From the first of these bytes to the last one, both of them too.
    Bytes(u64, u64),
    /// There is no such part.
    None,
}

impl Part {
    /// Of a `Range`. Several ranges at once, and what cannot be understood, are answered with the whole file, as RFC 9110,
    /// 14.2, allows.
    fn of(range: &str, length: u64) -> Self {
        let wanted = range.trim().split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
        let Some((first, last)) = wanted.and_then(|(_, set)| set.split_once('-')) else { return Self::Whole };
        let (first, last) = (first.trim(), last.trim());
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            // A number that is too large is still one.
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (number(first), number(last)) {
            (None, Some(suffix)) if first.is_empty() => match length.checked_sub(1) {
                Some(end) if suffix > 0 => Self::Bytes(length.saturating_sub(suffix), end),
                Some(_) | None => Self::None,
            },
            (Some(start), Some(end)) if start > end => Self::Whole,
            (Some(start), end) if end.is_some() || last.is_empty() => match length.checked_sub(1) {
                Some(newest) if start <= newest => Self::Bytes(start, end.unwrap_or(newest).min(newest)),
                Some(_) | None => Self::None,
            },
            _ => Self::Whole,
        }
    }

    /// Where it begins in a file of `length` bytes, and how long it is.
    pub(super) fn span(self, length: u64) -> (u64, u64) {
        match self {
            Self::Whole => (0, length),
            Self::Bytes(first, last) => (first, last - first + 1),
            Self::None => (0, 0),
        }
    }
}

/// A file with known bytes, or a part of it.
pub(super) struct Extent {
    pub(super) part: Part,
    /// Of the whole file.
    pub(super) length: u64,
    /// Its version, as an entity tag.
    pub(super) tag: String,
}

/// Something to be saved as a file.
pub(super) struct Download {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    /// `None` when its length is not known before.
    pub(super) extent: Option<Extent>,
    /// `None` when only the head is wanted, or there is no such part.
    pub(super) flow: Option<Flow>,
}

/// The file at `path` of a snapshot that the visitor may see. `place`: one of those for downloads. `receipt` is written before the first byte leaves the box;
/// not when nothing does.
pub(super) fn file<P: Send + 'static>(
    visit: &Visit,
    snapshot: &SnapshotId,
    path: &EntryPath,
    wish: &Wish,
    place: impl FnOnce() -> Option<P>,
    receipt: impl FnOnce() -> Result<(), PageError>,
) -> Result<Download, PageError> {
    let scope = visit.scope()?;
    let open = |from, len| browse::read_file(&visit.portal.site, &scope, snapshot, path, from, len);
    let mut reader = open(0, u64::MAX)?;
    let length = reader.detail().size;
    let tag = version_of(snapshot, path);
    let part = wish.part(length, &tag);
    if let Part::Bytes(..) = part {
        let (from, len) = part.span(length);
        reader = open(from, len)?;
    }
    let flow = if wish.is_head || part == Part::None {
        // Nothing is taken out.
        None
    } else {
        let permit = place().ok_or(PageError::Busy)?;
        receipt()?;
        let flow = pipe::start(permit, Some(reader.left()), move |out| {
            while let Some(piece) = reader.next_piece()? {
                out.write_all(piece).map_err(PageError::Sink)?;
            }
            Ok(())
        });
        Some(flow.map_err(PageError::Sink)?)
    };
    let extent = Some(Extent { part, length, tag });
    Ok(Download { name: shown_name(path.name()), media_type: ANY_BYTES, extent, flow })
}

/// The version of a file, as an entity tag: one of a snapshot never changes, so that is where it is.
pub(super) fn version_of(snapshot: &SnapshotId, path: &EntryPath) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(snapshot.as_bytes()).update(path.as_bytes());
    format!("\"{}\"", &hasher.finalize().to_hex()[..32])
}

impl Download {
    /// The answer, once there are bytes to send.
    pub(super) async fn response(self) -> Result<HttpResponse, PageError> {
        let mut response = HttpResponse::Ok();
        response
            .content_type(self.media_type)
            .insert_header((CONTENT_DISPOSITION, disposition(&self.name)))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if let Some(Extent { part, length, tag }) = &self.extent {
            response.insert_header((ACCEPT_RANGES, "bytes")).insert_header((ETAG, tag.as_str()));
            match part {
                Part::Whole => {}
                Part::Bytes(first, last) => {
                    response.status(StatusCode::PARTIAL_CONTENT);
                    response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{length}")));
                }
                Part::None => {
                    response.status(StatusCode::RANGE_NOT_SATISFIABLE);
                    response.insert_header((CONTENT_RANGE, format!("bytes */{length}")));
                }
            }
        }
        Ok(match (self.flow, self.extent) {
            (Some(flow), _) => response.body(flow.begun().await?),
            (None, Some(extent)) => response.body(Lengthy(extent.part.span(extent.length).1)),
            (None, None) => response.finish(),
        })
    }
}

/// `Content-Disposition`: the name in plain letters for old programs, and as it is for all others. Neither has a
/// character that could end it or mean a folder.
fn disposition(name: &str) -> String {
    let is_unsafe = |c: char| c.is_control() || is_direction(c) || matches!(c, '/' | '\\' | '\u{fffd}');
    let name: String = name.chars().take(NAME_MAX).map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '(' | ')' | '+' | ',');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encoded(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_all_else_is_the_whole_file() {
        for (range, length, expected) in [
            ("bytes=0-0", 10, Part::Bytes(0, 0)),
            ("bytes=2-5", 10, Part::Bytes(2, 5)),
            ("Bytes = 2 - 5", 10, Part::Bytes(2, 5)),
            ("bytes=2-", 10, Part::Bytes(2, 9)),
            ("bytes=2-99999999999999999999999", 10, Part::Bytes(2, 9)),
            ("bytes=-3", 10, Part::Bytes(7, 9)),
            ("bytes=-30", 10, Part::Bytes(0, 9)),
            ("bytes=-0", 10, Part::None),
            ("bytes=10-", 10, Part::None),
            ("bytes=99999999999999999999999-", 10, Part::None),
            ("bytes=0-", 0, Part::None),
            ("bytes=-1", 0, Part::None),
            ("bytes=5-2", 10, Part::Whole),
            ("bytes=0-1,4-5", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=a-b", 10, Part::Whole),
            ("bytes=1-b", 10, Part::Whole),
            ("bytes=--1", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("lines=1-2", 10, Part::Whole),
            ("", 10, Part::Whole),
        ] {
            assert_eq!(Part::of(range, length), expected, "{range}");
        }
        assert_eq!(Part::Bytes(2, 5).span(10), (2, 4));
        let wish = Wish { is_head: false, range: Some("bytes=1-2".to_owned()), if_range: Some("\"a\"".to_owned()) };
        assert_eq!((wish.part(10, "\"a\""), wish.part(10, "\"b\"")), (Part::Bytes(1, 2), Part::Whole));
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        assert_eq!(disposition("été.txt"), "attachment; filename=\"_t_.txt\"; filename*=UTF-8''%C3%A9t%C3%A9.txt");
        let hostile = disposition("a\"; x=\"\r\nSet-Cookie: b\u{202e}../..\\c%41'");
        assert!(hostile.is_ascii() && !hostile.contains(['\r', '\n', '\\']), "{hostile}");
        assert!(
            hostile.ends_with("filename*=UTF-8''a%22%3B%20x%3D%22__Set-Cookie%3A%20b_.._.._c%2541%27"),
            "{hostile}"
        );
        assert_eq!(hostile.matches('"').count(), 2, "{hostile}");
        assert!(disposition(&"é".repeat(5_000)).len() < 1_000);
    }
}
