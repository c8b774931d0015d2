//! The portal spoken by hand: TLS that trusts the box's authority alone.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A connection to a portal.
pub type PortalStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects to the portal on this computer; its certificate must be one of `authority` (DER) for 127.0.0.1.
///
/// # Panics
/// When it does not accept connections.
#[must_use]
pub fn connect(address: (&str, u16), authority: Vec<u8>) -> PortalStream {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority)).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let address: SocketAddr = format!("{}:{}", address.0, address.1).parse().expect("an address");
    let stream = TcpStream::connect(address).expect("the portal accepts connections");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    // As browsers do: otherwise the second half of a request waits 40 ms for an acknowledgement of the first.
    stream.set_nodelay(true).expect("delays can be switched off");
    StreamOwned::new(connection, stream)
}

/// Reads until the portal has closed the connection.
///
/// # Panics
/// When the portal breaks off.
pub fn read_to_end(stream: &mut PortalStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // Closed without a closing message, which HTTP does not need: its lengths tell the end.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {}
        Err(e) => panic!("the portal does not answer: {e}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Somebody who speaks to a portal by hand, with the session that the portal has given.
#[derive(Debug, Clone)]
pub struct Visitor {
    port: u16,
    authority: Vec<u8>,
    /// What it calls itself.
    pub agent: String,
    /// The session's secret; empty for a stranger.
    pub cookie: String,
}

/// An answer of the portal.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Where it leads on to; mostly empty.
    pub location: String,
    /// What it says.
    pub body: String,
}

/// The cookie of a session.
pub const COOKIE: &str = "__Host-datis";

impl Visitor {
    /// A stranger at the portal on `port` of this computer, which has certificates of `authority`.
    #[must_use]
    pub fn new(port: u16, authority: Vec<u8>) -> Self {
        Self { port, authority, agent: "a test".to_owned(), cookie: String::new() }
    }

    /// Looks at a page.
    ///
    /// # Panics
    /// When the portal does not answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Sends a form, as a page of the portal would.
    ///
    /// # Panics
    /// When the portal does not answer.
    #[track_caller]
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.ask("POST", path, &fields.join("&"))
    }

    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, form: &str) -> Answer {
        let mut stream = connect(("127.0.0.1", self.port), self.authority.clone());
        let (port, agent, cookie, length) = (self.port, &self.agent, &self.cookie, form.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {agent}\r\n\
             Cookie: {COOKIE}={cookie}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        )
        .expect("the portal reads");
        let answer = read_to_end(&mut stream);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer has a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an HTTP answer has a status");
        let mut location = String::new();
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            match name.to_ascii_lowercase().as_str() {
                "location" => value.clone_into(&mut location),
                "set-cookie" => {
                    if let Some((COOKIE, rest)) = value.split_once('=') {
                        rest.split(';').next().unwrap_or_default().clone_into(&mut self.cookie);
                    }
                }
                _ => {}
            }
        }
        Answer { status, location, body: body.to_owned() }
    }
}

/// For a value of a form (RFC 3986, 2.3: all but unreserved characters).
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}
