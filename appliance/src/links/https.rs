//! One question over HTTPS and its answer: a certificate that is checked, one deadline for all of it, and no more of the answer
//! than was agreed. Nothing is followed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::trust::{self, TrustError};
use crate::operations::WebhookUrl;
use crate::partner::Timed;

/// For connecting to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
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
    /// That was no HTTP.
    #[error("what it answered is not HTTP")]
    NotHttp,
}

/// Sends `request`; gives at most `max` bytes of what is answered. `authority`: who is believed in place of the system's.
/// `patience`: from the connection to the end of the answer.
pub(crate) fn ask(
    url: &WebhookUrl,
    authority: Option<&str>,
    request: &str,
    patience: Duration,
    max: u64,
) -> Result<Vec<u8>, HttpsError> {
    let broken = |source| HttpsError::Broken { host: url.host().to_owned(), source };
    let server =
        ServerName::try_from(url.host().to_owned()).map_err(|_| HttpsError::Name { host: url.host().to_owned() })?;
    let tls =
        ClientConnection::new(trust::client_config(authority)?, server).map_err(|e| HttpsError::Trust(e.into()))?;
    let mut stream = StreamOwned::new(tls, Timed::new(connect(url)?, patience));
    stream.write_all(request.as_bytes()).map_err(broken)?;
    stream.flush().map_err(broken)?;
    let mut answer = Vec::new();
    // Servers that close without saying goodbye have said all that matters: the status comes first.
    match stream.take(max).read_to_end(&mut answer) {
        Err(source) if answer.is_empty() => Err(broken(source)),
        Ok(_) | Err(_) => Ok(answer),
    }
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> Result<u16, HttpsError> {
    let first = answer.lines().next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    status.ok_or(HttpsError::NotHttp)
}

fn connect(url: &WebhookUrl) -> Result<TcpStream, HttpsError> {
    let host = url.host();
    let nowhere = || HttpsError::Name { host: host.to_owned() };
    let addresses: Vec<SocketAddr> =
        (host, url.port()).to_socket_addrs().map_err(|_| nowhere())?.take(ADDRESSES_MAX).collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(nowhere, |source| HttpsError::Connect { host: host.to_owned(), source }))
}

#[cfg(test)]
pub(super) mod testing {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;

    fn is_whole(heard: &str) -> bool {
        heard.split_once("\r\n\r\n").is_some_and(|(head, body)| !head.contains("Content-Length") || body.ends_with('}'))
    }

    /// A receiver for one message, with a certificate for `name`; gives its address, its certificate, and what it heard.
    pub(in super::super) fn receiver(name: &str, answer: &'static str) -> (u16, String, JoinHandle<String>) {
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
                if count == 0 || is_whole(&text) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_nowhere_is_told() {
        let url = "https://no-such-host.invalid/".parse().expect("url");
        let nowhere = connect(&url).expect_err("nowhere");
        assert!(matches!(nowhere, HttpsError::Name { .. }), "{nowhere}");
    }
}
