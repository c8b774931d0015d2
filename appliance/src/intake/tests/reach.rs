//! Ways between boxes at the machine port: dialling a member back, connections that members lend, and those that are relayed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use datis_engine::format::{decode_all, encode};
use datis_engine::ids::MemberId;
use datis_engine::life::ways::Way;
use datis_engine::wire::RefusalCode;
use datis_engine::wire::reach::{
    CHANNEL_PROTOCOL, ChannelClosed, DIAL_BACK_LEN, DialBack, DialFound, DialledBack, OpenChannel, Ping, Pong,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::runtime::Runtime;

use super::fixture::{Identity, Port, post};
use crate::channels::{AnyPipe, Channels, RelayLimits, lend};
use crate::intake::Patience;
use crate::links::peers::PipeError;
use crate::operations::hosting::testing::{Circle, Person};
use crate::peers::{AllowPrivate, Dialler, Identity as Shown};

const PATIENCE: Duration = Duration::from_secs(20);

/// A box with a member's key that answers pings on any number of connections. What it was sent in all comes out of each thread.
struct MemberBox {
    address: SocketAddr,
    served: std::sync::mpsc::Receiver<usize>,
}

impl MemberBox {
    fn of(person: &Person) -> Self {
        let identity = Identity::self_signed(&person.document);
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(identity.certificate)],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key)),
            );
        let mut config = config.expect("TLS");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("address");
        let (tell, served) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, tell) = (Arc::clone(&config), tell.clone());
                std::thread::spawn(move || {
                    // Few tests want to know how much it was.
                    let _ = tell.send(answer_pings(stream.expect("a connection"), config));
                });
            }
        });
        Self { address, served }
    }
}

/// Counts what comes in below TLS.
struct Counted(TcpStream, usize);

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.read(buf)?;
        self.1 += len;
        Ok(len)
    }
}

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn answer_pings(stream: TcpStream, config: Arc<ServerConfig>) -> usize {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut tls = StreamOwned::new(ServerConnection::new(config).expect("TLS"), Counted(stream, 0));
    let mut came = Vec::new();
    let mut byte = [0];
    while let Ok(1) = tls.read(&mut byte) {
        came.push(byte[0]);
        let Some(body_at) = came.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let head = String::from_utf8_lossy(&came[..body_at]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.expect("a length").trim().parse().expect("a length");
        if came.len() < body_at + length {
            continue;
        }
        let ping: Ping = decode_all("ping", &came[body_at..]).expect("a ping");
        let body = encode(&Pong { nonce: ping.nonce });
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\n\r\n", body.len());
        tls.write_all(&[head.as_bytes(), &body].concat()).expect("answer");
        came.clear();
    }
    tls.sock.1
}

fn dialler(person: &Person) -> Dialler {
    let Identity { key, certificate } = Identity::self_signed(&person.document);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
    Dialler::new(Shown::new((CertificateDer::from(certificate), key)), AllowPrivate::Yes)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn a_member_is_dialled_where_it_asks_from_once_in_a_while_and_with_no_more_than_it_sent() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let (one, other) = (Identity::self_signed(&circle.one.document), Identity::self_signed(&circle.other.document));
    let there = MemberBox::of(&circle.one);
    let ask = |identity: &Identity, asked: &DialBack| port.connect(Some(identity)).message(asked).expect("answer");

    let mut short = DialBack::at(there.address.port());
    short.padding = vec![0; DIAL_BACK_LEN - 1].into();
    for malformed in [DialBack::at(0), short] {
        assert_eq!(ask(&one, &malformed).refusal().code, RefusalCode::Malformed, "{}", malformed.port);
    }
    let asked = DialBack::at(there.address.port());
    let told: DialledBack = decode_all("answer", &ask(&one, &asked).body).expect("an answer");
    assert!(told.found.is_reached() && told.address == "127.0.0.1", "{told:?}");
    let sent = there.served.recv_timeout(PATIENCE).expect("it was there");
    assert!(sent > 0 && sent < encode(&asked).len(), "{sent} bytes for {}", encode(&asked).len());

    assert_eq!(ask(&one, &asked).refusal().code, RefusalCode::Busy, "once in ten minutes");
    // The port leads to somebody else's box.
    let told: DialledBack = decode_all("answer", &ask(&other, &asked).body).expect("each has its own turn");
    assert_eq!(told.found, DialFound::OtherKey);
    let stranger = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("key");
    assert_eq!(ask(&Identity::self_signed(stranger.as_ref()), &asked).refusal().code, RefusalCode::UnknownMachine);
}

#[test]
fn what_came_on_a_channel_is_not_dialled_back() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let runtime = runtime();
    let (stream, _inside) =
        runtime.block_on(port.peers.channels().connect_inside(circle.one.id())).expect("its own port");
    let stream = stream.into_std().expect("a stream");
    stream.set_nonblocking(false).expect("blocking");
    let mut wire = port.connect_over(stream, &Identity::self_signed(&circle.one.document));
    // Else a member could have the box look at its own ports.
    let answer = wire.message(&DialBack::at(port.address.port())).expect("answer");
    assert_eq!(answer.refusal().code, RefusalCode::Malformed, "{}", answer.refusal());
    assert!(answer.refusal().sentence.contains("does not show from where"));
}

/// Lends the port one connection of a member whose box is `there`, on a thread of its own.
fn lend_one(port: &Port, person: &Person, there: SocketAddr) -> JoinHandle<std::io::Result<()>> {
    let (dialler, address, pin) = (dialler(person), port.address, port.certs.pin());
    let before = port.peers.channels().lent_by(person.id());
    let lending = std::thread::spawn(move || {
        runtime().block_on(async {
            let limits = RelayLimits { bits_per_second: 1, bytes_per_day: 1 };
            let place = [address.to_string().parse().expect("a place")];
            let tcp = dialler.tcp_to(&place).await.expect("a connection");
            let pipe = dialler.channel(tcp, pin, &OpenChannel::Lend).await.expect("it is wanted");
            lend(&Channels::new(there, limits), MemberId::from_bytes([9; MemberId::LEN]), pipe, || ()).await
        })
    });
    let began = std::time::Instant::now();
    while port.peers.channels().lent_by(person.id()) == before {
        assert!(began.elapsed() < PATIENCE, "it is lent");
        std::thread::sleep(Duration::from_millis(5));
    }
    lending
}

#[test]
fn a_member_whose_lent_connections_lead_nowhere_holds_nobody_up() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let nowhere = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
    let lent: Vec<_> = (0..4).map(|_| lend_one(&port, &circle.one, nowhere)).collect();
    assert!(port.peers.connect(circle.one.id()).is_err());
    assert_eq!(port.peers.channels().lent_by(circle.one.id()), 1, "three were tried");
    port.peers.channels().give_back(circle.one.id());
    lent.into_iter().for_each(|lent| drop(lent.join().expect("no panic")));
}

/// Asks the port to carry bytes, as a member.
fn open(port: &Port, person: &Person, request: OpenChannel) -> Result<AnyPipe, PipeError> {
    let place = [port.address.to_string().parse().expect("a place")];
    let dialler = dialler(person);
    runtime().block_on(async { dialler.channel(dialler.tcp_to(&place).await?, port.certs.pin(), &request).await })
}

fn closed(opened: Result<AnyPipe, PipeError>) -> ChannelClosed {
    match opened {
        Err(PipeError::Closed(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is open"),
    }
}

#[test]
fn a_member_that_cannot_be_dialled_is_reached_on_a_connection_that_it_lends() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let (one, other) = (circle.one.id(), circle.other.id());
    assert!(port.peers.connect(one).is_err(), "nobody knows where it is");
    let there = MemberBox::of(&circle.one);
    let lending = lend_one(&port, &circle.one, there.address);
    assert!(port.peers.connect(other).is_err(), "what one lends leads to it alone");
    let mut link = port.peers.connect(one).expect("it lends one");
    assert_eq!(link.key(), circle.one.device.public_key(), "the same key as if it were dialled");
    for nonce in [[1; 8], [2; 8]] {
        assert_eq!(link.ask(&Ping { nonce: nonce.into() }).expect("it answers").nonce, nonce.into());
    }
    assert_eq!(port.peers.reached(one).map(|reached| reached.way), Some(Way::Reverse));
    drop(link);
    assert!(lending.join().expect("no panic").is_ok());
    // Somebody else's box behind it is found out.
    let _lending = lend_one(&port, &circle.one, MemberBox::of(&circle.other).address);
    assert!(port.peers.connect(one).is_err());
}

#[test]
fn two_members_who_reach_this_box_alone_reach_each_other_through_it() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let there = MemberBox::of(&circle.one);
    // One stays for the box in between itself.
    let _lending = [lend_one(&port, &circle.one, there.address), lend_one(&port, &circle.one, there.address)];
    let (dialler, pin) = (dialler(&circle.other), port.certs.pin());
    let place = [port.address.to_string().parse().expect("a place")];
    let to_one = OpenChannel::Relay { to: circle.one.id() };
    let connecting = async { dialler.channel(dialler.tcp_to(&place).await?, pin, &to_one).await };
    let mut link = dialler.link_over(connecting, circle.one.device.public_key().spki_pin(), PATIENCE).expect("a link");
    assert_eq!(link.ask(&Ping { nonce: [7; 8].into() }).expect("it answers").nonce, [7; 8].into());
    let relayed = port.peers.channels().relayed();
    let (first, second) = (circle.one.id().min(circle.other.id()), circle.one.id().max(circle.other.id()));
    assert_eq!(relayed[0].between, (first, second));
    assert!(relayed[0].bytes > 500 && relayed[0].open == 1, "{relayed:?}");
    // The box in between cannot pass itself off as the other end.
    let connecting = async { dialler.channel(dialler.tcp_to(&place).await?, pin, &OpenChannel::Relayed).await };
    let other_end = dialler.link_over(connecting, circle.one.device.public_key().spki_pin(), PATIENCE);
    assert!(other_end.is_err());
}

#[test]
fn a_member_that_opens_many_channels_uses_up_its_own_places_only() {
    let port = Port::serve_with(Patience::default());
    let circle = Circle::around(&port.site);
    let held: Vec<_> = (0..24).map(|_| open(&port, &circle.one, OpenChannel::Relayed).expect("it is open")).collect();
    assert_eq!(closed(open(&port, &circle.one, OpenChannel::Relayed)), ChannelClosed::Busy);
    assert!(open(&port, &circle.other, OpenChannel::Relayed).is_ok());
    drop(held);
}

#[test]
fn nothing_is_carried_for_strangers_nor_to_anybody_but_members() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let stranger = Circle::around(&Port::serve().site);
    for request in [OpenChannel::Lend, OpenChannel::Relayed, OpenChannel::Relay { to: circle.one.id() }] {
        assert_eq!(closed(open(&port, &stranger.one, request)), ChannelClosed::NoMember, "{request:?}");
    }
    for (to, expected) in [
        (stranger.one.id(), ChannelClosed::NoMember),
        (MemberId::from_bytes([0; MemberId::LEN]), ChannelClosed::NoMember),
        (circle.me, ChannelClosed::NoMember),
        (circle.one.id(), ChannelClosed::NoMember),
        (circle.other.id(), ChannelClosed::NoWay),
    ] {
        assert_eq!(closed(open(&port, &circle.one, OpenChannel::Relay { to })), expected);
    }
    // What is no message ends the connection.
    for noise in [&[3, 0xFF, 0xFF, 0xFF][..], &[255], &[0]] {
        let mut wire = port.connect_speaking(&Identity::self_signed(&circle.one.document), CHANNEL_PROTOCOL);
        wire.send(noise).expect("sent");
        wire.0.sock.shutdown(std::net::Shutdown::Write).expect("no more");
        assert!(wire.is_ended(), "{noise:?}");
    }
    // And who says that it speaks this is served nothing else.
    let mut wire = port.connect_speaking(&Identity::self_signed(&circle.one.document), CHANNEL_PROTOCOL);
    wire.send(&post("/v1/peers/ping", b"\x80")).expect("sent");
    assert!(wire.is_ended());
}
