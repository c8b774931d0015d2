//! The portal spoken by hand: TLS that trusts the box's authority alone.

use std::io::Read;
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
