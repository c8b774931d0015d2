//! What one TLS stream of raw bytes reaches on this machine: the measure for everything that goes between boxes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::cost::Cost;

/// What is written and read at once.
const PIECE: usize = 256 << 10;
const NAME: &str = "raw.invalid";

/// Sends so many bytes over loopback through TLS 1.3 of the provider that the boxes use, one thread at each end.
pub(crate) fn send(bytes: u64) -> Cost {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("a port");
    let server = server(certificate.clone(), key);
    let client = client(certificate);
    Cost::of(&[std::process::id()], || {
        std::thread::scope(|scope| {
            let receiver = scope.spawn(move || {
                let (tcp, _) = listener.accept().expect("a connection");
                let mut tls = StreamOwned::new(server, tcp);
                let (mut buffer, mut left) = (vec![0; PIECE], bytes);
                while left > 0 {
                    let many = tls.read(&mut buffer).expect("bytes");
                    assert!(many > 0, "the stream ended early");
                    left -= many as u64;
                }
            });
            let mut tls = StreamOwned::new(client, TcpStream::connect(place).expect("a connection"));
            let piece = vec![0x5a; PIECE];
            for _ in 0..bytes / PIECE as u64 {
                tls.write_all(&piece).expect("bytes are taken");
            }
            tls.write_all(&piece[..(bytes % PIECE as u64) as usize]).expect("bytes are taken");
            tls.flush().expect("bytes are taken");
            receiver.join().expect("all came");
        });
    })
}

fn server(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> ServerConnection {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    ServerConnection::new(Arc::new(config)).expect("a connection")
}

fn client(certificate: CertificateDer<'static>) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a connection")
}
