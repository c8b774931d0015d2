//! Handing a message to the webhook: one POST over HTTPS, signed. Redirects are not followed, and what is answered is
//! read up to a small limit only.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use data_encoding::HEXLOWER;
use datis_engine::units::UnixMillis;
use ring::hmac;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::trust::{self, TrustError};
use crate::operations::{Post, Webhook, WebhookUrl};
use crate::partner::Timed;
use crate::plain::plain;

/// For connecting to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// From the connection to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// An answer is read up to here, in bytes.
const ANSWER_MAX: u64 = 8 << 10;
/// Of what is answered, so much is shown, in characters.
const SHOWN_MAX: usize = 200;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// The name leads nowhere.
    #[error("the name `{host}` leads to no address")]
    Name { host: String },
    /// No connection to any of its addresses.
    #[error("no connection to {host}")]
    Connect {
        host: String,
        #[source]
        source: io::Error,
    },
    /// Its certificate cannot be checked.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It broke off, or its certificate is wrong.
    #[error("the connection to {host} failed")]
    Broken {
        host: String,
        #[source]
        source: io::Error,
    },
    /// It leads somewhere else.
    #[error("it answered {status} and wants to be asked elsewhere, which is not done: enter the address it leads to")]
    Moved { status: u16 },
    /// It says no.
    #[error("it answered {answer}")]
    Refused { answer: String },
    /// That was no HTTP.
    #[error("what it answered is not HTTP")]
    NotHttp,
}

/// Hands `post` over; gives what was answered. `secret`: what it is signed with.
pub(crate) fn post(webhook: &Webhook, secret: &[u8], post: &Post, now: UnixMillis) -> Result<String, WebhookError> {
    let url = &webhook.url;
    let broken = |source| WebhookError::Broken { host: url.host().to_owned(), source };
    let server =
        ServerName::try_from(url.host().to_owned()).map_err(|_| WebhookError::Name { host: url.host().to_owned() })?;
    let tls = ClientConnection::new(trust::client_config(webhook.authority.as_deref())?, server)
        .map_err(|e| WebhookError::Trust(e.into()))?;
    let mut stream = StreamOwned::new(tls, Timed::new(connect(url)?, PATIENCE));
    stream.write_all(request(url, secret, post, now).as_bytes()).map_err(broken)?;
    stream.flush().map_err(broken)?;
    let mut answer = Vec::new();
    // Servers that close without saying goodbye have said all that matters: the status comes first.
    match stream.take(ANSWER_MAX).read_to_end(&mut answer) {
        Err(source) if answer.is_empty() => Err(broken(source)),
        Ok(_) | Err(_) => judge(&String::from_utf8_lossy(&answer)),
    }
}

fn connect(url: &WebhookUrl) -> Result<TcpStream, WebhookError> {
    let host = url.host();
    let nowhere = || WebhookError::Name { host: host.to_owned() };
    let addresses: Vec<SocketAddr> =
        (host, url.port()).to_socket_addrs().map_err(|_| nowhere())?.take(ADDRESSES_MAX).collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(nowhere, |source| WebhookError::Connect { host: host.to_owned(), source }))
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
    let first = answer.lines().next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let status = status.ok_or(WebhookError::NotHttp)?;
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
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;
    use crate::catalog::PostRow;
    use crate::operations::{PostState, WebhookEvent};

    /// A receiver for one message, with a certificate for `name`; gives its address, its certificate, and what it heard.
    fn receiver(name: &str, answer: &'static str) -> (u16, String, JoinHandle<String>) {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("names");
        let certificate = params.self_signed(&key).expect("certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("certificate");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let port = listener.local_addr().expect("address").port();
        let served = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("accept");
            let tls = ServerConnection::new(Arc::new(config)).expect("tls");
            let mut stream = StreamOwned::new(tls, stream);
            let mut heard = Vec::new();
            let mut piece = [0; 1_024];
            while let Ok(count) = stream.read(&mut piece) {
                heard.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&heard);
                if count == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
                    break;
                }
            }
            // Whoever does not believe the certificate is gone by now.
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
            stream.conn.send_close_notify();
            let _ = stream.flush();
            String::from_utf8_lossy(&heard).into_owned()
        });
        (port, certificate.pem(), served)
    }

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
        assert!(matches!(wrong_name, WebhookError::Broken { .. }), "{wrong_name}");
        assert_eq!(served.join().expect("served"), "");
        let (port, _, served) = receiver("127.0.0.1", "HTTP/1.1 200 OK\r\n\r\n");
        let (_, other, _never) = receiver("127.0.0.1", "");
        let unknown = post(&hook(port, Some(other)), b"secret", &message(), NOW).expect_err("another authority");
        assert!(matches!(unknown, WebhookError::Broken { .. }), "{unknown}");
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
            assert!(matches!(judge(bad), Err(WebhookError::NotHttp)), "{bad}");
        }
        let long = judge(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(9_000))).expect("yes");
        assert!(long.len() < 300);
    }

    #[test]
    fn who_is_not_there_or_says_nothing_is_told_so() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).expect("listen").local_addr().expect("address").port();
        let away = post(&hook(closed, None), b"s", &message(), NOW).expect_err("away");
        assert!(matches!(away, WebhookError::Connect { .. } | WebhookError::Trust(_)), "{away}");
        let url = "https://no-such-host.invalid/".parse().expect("url");
        let nowhere = connect(&url).expect_err("nowhere");
        assert!(matches!(nowhere, WebhookError::Name { .. }), "{nowhere}");
    }
}
