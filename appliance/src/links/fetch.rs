//! Fetching a small document over HTTPS.

use std::time::Duration;

use super::https::{self, HttpsError};
use crate::operations::WebhookUrl;

/// From the connection to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Head of an answer, in bytes.
const HEAD_MAX: usize = 8 << 10;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Not an address of HTTPS.
    #[error("it is no address; write https://HOST/PATH, without a user and without spaces")]
    Address,
    /// There is no way to it.
    #[error(transparent)]
    Way(#[from] HttpsError),
    /// It leads somewhere else.
    #[error("it answered {0} and wants to be asked elsewhere, which is not done: name the address it leads to")]
    Moved(u16),
    /// It says no.
    #[error("it answered {0}")]
    Refused(u16),
    /// Longer than it may be.
    #[error("the document is longer than {0} bytes")]
    TooLong(usize),
    /// Only as it is, in one piece.
    #[error("the document comes in a form that is not understood")]
    Form,
}

impl FetchError {
    /// Whether it may be there in a moment: the network of a box that was just switched on.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Way(HttpsError::Name { .. } | HttpsError::Connect { .. } | HttpsError::Broken { .. }))
    }
}

/// The document at `address`, at most `max` bytes. `authority`: who is believed in place of the system's.
pub(crate) fn fetch(address: &str, authority: Option<&str>, max: usize) -> Result<Vec<u8>, FetchError> {
    let url: WebhookUrl = address.parse().map_err(|_| FetchError::Address)?;
    // HTTP/1.0: the document ends with the connection, and comes in one piece.
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: Datis/{}\r\nAccept: application/json\r\n\r\n",
        url.target(),
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    let limit = u64::try_from(HEAD_MAX + max + 1).unwrap_or(u64::MAX);
    document(&https::ask(&url, authority, &request, PATIENCE, limit)?, max)
}

fn document(answer: &[u8], max: usize) -> Result<Vec<u8>, FetchError> {
    let end = answer.windows(4).take(HEAD_MAX).position(|window| window == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&answer[..end.unwrap_or(answer.len().min(HEAD_MAX))]);
    match https::status(&head)? {
        200 => {}
        status @ 300..=399 => return Err(FetchError::Moved(status)),
        status => return Err(FetchError::Refused(status)),
    }
    let body = end.and_then(|end| answer.get(end + 4..)).ok_or(FetchError::Form)?;
    let has_form = |line: &str| {
        line.split_once(':').is_some_and(|(name, _)| {
            name.eq_ignore_ascii_case("transfer-encoding") || name.eq_ignore_ascii_case("content-encoding")
        })
    };
    if head.lines().any(has_form) {
        return Err(FetchError::Form);
    }
    if body.len() > max { Err(FetchError::TooLong(max)) } else { Ok(body.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::super::https::testing::receiver;
    use super::*;

    #[test]
    fn a_document_comes_from_a_server_that_can_show_its_certificate() {
        let (port, certificate, served) = receiver("127.0.0.1", "HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\n{\"a\":1}");
        let address = format!("https://127.0.0.1:{port}/box/bundle.json?x=1");
        assert_eq!(fetch(&address, Some(&certificate), 100).expect("document"), b"{\"a\":1}");
        let heard = served.join().expect("served");
        assert!(heard.starts_with("GET /box/bundle.json?x=1 HTTP/1.0\r\nHost: 127.0.0.1:"), "{heard}");
        let (port, _, _served) = receiver("127.0.0.1", "HTTP/1.0 200 OK\r\n\r\n{}");
        let (_, other, _never) = receiver("127.0.0.1", "");
        let unknown = fetch(&format!("https://127.0.0.1:{port}/"), Some(&other), 100).expect_err("another authority");
        assert!(unknown.may_pass() && matches!(unknown, FetchError::Way(HttpsError::Broken { .. })), "{unknown}");
    }

    #[test]
    fn nothing_leads_elsewhere_and_nothing_is_too_long() {
        assert_eq!(document(b"HTTP/1.1 200 OK\r\n\r\nabc", 3).expect("document"), b"abc");
        assert!(matches!(document(b"HTTP/1.1 200 OK\r\n\r\nabcd", 3), Err(FetchError::TooLong(3))));
        assert!(matches!(document(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", 3), Err(FetchError::Moved(301))));
        assert!(matches!(document(b"HTTP/1.1 404 Not Found\r\n\r\n", 3), Err(FetchError::Refused(404))));
        assert!(matches!(document(b"HTTP/1.1 200 OK\r\nx", 3), Err(FetchError::Form)));
        for form in ["Transfer-Encoding: chunked", "content-encoding: gzip"] {
            let answer = format!("HTTP/1.1 200 OK\r\n{form}\r\n\r\nabc");
            assert!(matches!(document(answer.as_bytes(), 9), Err(FetchError::Form)), "{form}");
        }
        for bad in [&b""[..], b"SSH-2.0-x", b"HTTP/2 200 OK\r\n\r\n"] {
            assert!(matches!(document(bad, 3), Err(FetchError::Way(HttpsError::NotHttp))));
        }
        let long = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; HEAD_MAX], b"\r\n\r\nabc".to_vec()].concat();
        assert!(matches!(document(&long, 3), Err(FetchError::Form)));
        for address in ["http://a.example/", "https://a b/", "https://u:p@a.example/", "file:///etc/passwd"] {
            assert!(matches!(fetch(address, None, 9), Err(FetchError::Address)), "{address}");
        }
    }
}
