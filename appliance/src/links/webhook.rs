//! Handing a message to the webhook: one POST over HTTPS, signed. Redirects are not followed, and what is answered is
//! read up to a small limit only.

use std::time::Duration;

use data_encoding::HEXLOWER;
use datis_engine::units::UnixMillis;
use ring::hmac;

use super::https::{self, HttpsError};
use crate::operations::{Post, Webhook, WebhookUrl};
use crate::plain::plain;

/// From the connection to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// An answer is read up to here, in bytes.
const ANSWER_MAX: u64 = 8 << 10;
/// Of what is answered, so much is shown, in characters.
const SHOWN_MAX: usize = 200;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// There is no way to it.
    #[error(transparent)]
    Way(#[from] HttpsError),
    /// It leads somewhere else.
    #[error("it answered {status} and wants to be asked elsewhere, which is not done: enter the address it leads to")]
    Moved { status: u16 },
    /// It says no.
    #[error("it answered {answer}")]
    Refused { answer: String },
}

/// Hands `post` over; gives what was answered. `secret`: what it is signed with.
pub(crate) fn post(webhook: &Webhook, secret: &[u8], post: &Post, now: UnixMillis) -> Result<String, WebhookError> {
    let answer = https::ask(
        &webhook.url,
        webhook.authority.as_deref(),
        &request(&webhook.url, secret, post, now),
        PATIENCE,
        ANSWER_MAX,
    )?;
    judge(&String::from_utf8_lossy(&answer))
}

/// The signature covers the time, so that a message that somebody has kept cannot be sent again much later.
fn request(url: &WebhookUrl, secret: &[u8], post: &Post, now: UnixMillis) -> String {
    let (body, timestamp) = (&post.body, now.0.div_euclid(1_000));
    let signature = signature(secret, timestamp, body);
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Datis/{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Datis-Event: {}\r\nDatis-Delivery: {}\r\nDatis-Timestamp: {timestamp}\r\nDatis-Signature: sha256={signature}\r\n\
         Connection: close\r\n\r\n{body}",
        url.target(),
        url.authority(),
        env!("CARGO_PKG_VERSION"),
        body.len(),
        post.event.word(),
        post.row.0,
    )
}

/// HMAC-SHA256 of `TIMESTAMP.BODY`, in hexadecimal.
fn signature(secret: &[u8], timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    HEXLOWER.encode(hmac::sign(&key, format!("{timestamp}.{body}").as_bytes()).as_ref())
}

fn judge(answer: &str) -> Result<String, WebhookError> {
    let status = https::status(answer)?;
    let first = answer.lines().next().unwrap_or_default();
    let words = first.get(9..).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = plain(body, SHOWN_MAX);
    let shown = format!("{words} {}", body.trim()).trim().to_owned();
    match status {
        200..=299 => Ok(shown),
        300..=399 => Err(WebhookError::Moved { status }),
        _ => Err(WebhookError::Refused { answer: shown }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::https::testing::receiver;
    use super::*;
    use crate::catalog::PostRow;
    use crate::operations::{PostState, WebhookEvent};

    fn hook(port: u16, authority: Option<String>) -> Webhook {
        let url = format!("https://127.0.0.1:{port}/api/webhook/abc?x=1").parse().expect("url");
        Webhook { url, secret: Vec::new(), authority }
    }

    fn message() -> Post {
        Post {
            row: PostRow(17),
            event: WebhookEvent::Opened,
            state: PostState::Waiting,
            body: r#"{"text":"été"}"#.to_owned(),
            tries: 0,
            answer: String::new(),
            created_at: UnixMillis(0),
            next_at: UnixMillis(0),
            done_at: None,
        }
    }

    const NOW: UnixMillis = UnixMillis(1_700_000_000_123);

    #[test]
    fn a_message_arrives_signed_and_the_answer_comes_back() {
        let (port, certificate, served) = receiver("127.0.0.1", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\"ok\":true}");
        let answer = post(&hook(port, Some(certificate)), b"secret", &message(), NOW).expect("taken");
        assert_eq!(answer, "200 OK {\"ok\":true}");
        let heard = served.join().expect("served");
        let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, message().body);
        let signed = signature(b"secret", 1_700_000_000, body);
        for line in [
            "POST /api/webhook/abc?x=1 HTTP/1.1",
            &format!("Host: 127.0.0.1:{port}"),
            "Content-Type: application/json",
            "Content-Length: 16",
            "Datis-Event: opened",
            "Datis-Delivery: 17",
            "Datis-Timestamp: 1700000000",
            &format!("Datis-Signature: sha256={signed}"),
        ] {
            assert!(head.lines().any(|l| l == line), "{line} in {head}");
        }
    }

    /// RFC 4231 has no such form; this one was made with `openssl dgst -sha256 -hmac`.
    #[test]
    fn the_signature_is_that_of_other_programs() {
        let made = signature(b"secret", 1_700_000_000, "{}");
        assert_eq!(made, "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163");
        assert_ne!(made, signature(b"secret", 1_700_000_001, "{}"));
        assert_ne!(made, signature(b"secreu", 1_700_000_000, "{}"));
    }

    #[test]
    fn who_cannot_show_the_right_certificate_gets_nothing() {
        let (port, certificate, served) = receiver("other.test", "HTTP/1.1 200 OK\r\n\r\n");
        let wrong_name = post(&hook(port, Some(certificate)), b"secret", &message(), NOW).expect_err("wrong name");
        assert!(matches!(wrong_name, WebhookError::Way(HttpsError::Broken { .. })), "{wrong_name}");
        assert_eq!(served.join().expect("served"), "");
        let (port, _, served) = receiver("127.0.0.1", "HTTP/1.1 200 OK\r\n\r\n");
        let (_, other, _never) = receiver("127.0.0.1", "");
        let unknown = post(&hook(port, Some(other)), b"secret", &message(), NOW).expect_err("another authority");
        assert!(matches!(unknown, WebhookError::Way(HttpsError::Broken { .. })), "{unknown}");
        assert_eq!(served.join().expect("served"), "");
    }

    #[test]
    fn only_a_yes_is_one_and_nothing_leads_elsewhere() {
        assert_eq!(judge("HTTP/1.1 204 No Content\r\n\r\n").expect("yes"), "204 No Content");
        assert_eq!(judge("HTTP/1.0 200\r\n\r\n").expect("yes"), "200");
        assert!(matches!(
            judge("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\n\r\n"),
            Err(WebhookError::Moved { status: 302 })
        ));
        for (answer, told) in [
            ("HTTP/1.1 500 Oops\r\n\r\nno\u{7} luck", "500 Oops no luck"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
        ] {
            let Err(WebhookError::Refused { answer }) = judge(answer) else { panic!("{answer}") };
            assert_eq!(answer, told);
        }
        for bad in ["", "SSH-2.0-x\r\n", "HTTP/1.1 2x0 OK", "HTTP/2 200", "HTTP/1.1 2é"] {
            assert!(matches!(judge(bad), Err(WebhookError::Way(HttpsError::NotHttp))), "{bad}");
        }
        let long = judge(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(9_000))).expect("yes");
        assert!(long.len() < 300);
    }

    #[test]
    fn who_is_not_there_or_says_nothing_is_told_so() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).expect("listen").local_addr().expect("address").port();
        let away = post(&hook(closed, None), b"s", &message(), NOW).expect_err("away");
        assert!(matches!(away, WebhookError::Way(HttpsError::Connect { .. } | HttpsError::Trust(_))), "{away}");
    }
}
