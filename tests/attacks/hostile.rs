//! A box that lies: it speaks the protocol well enough to be enrolled with, and answers with whatever a test has set up.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use datis_engine::enrolment::{EnrolmentCode, EnrolmentUri};
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{ChunkId, MachineId, PackId, SpkiPin};
use datis_engine::keys::VaultIdentity;
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::{
    CBOR, ChunkPlace, Enrol, Enrolled, Heartbeat, ListSnapshots, Locate, Located, Message, Policy, ReadSegment,
    Refusal, RefusalCode, SegmentFrame, SnapshotInfo, SnapshotPage,
};
use rcgen::{CertificateParams, CertificateSigningRequestParams, KeyPair, PublicKeyData};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The secret that every machine of this box gets.
pub(crate) const SECRET: [u8; 32] = [0xd5; 32];

/// The machine that every enrolment makes.
pub(crate) const MACHINE: MachineId = MachineId::from_bytes(*b"hostile machine.");

/// What the box says; each field is believed by nobody who should not.
#[derive(Default)]
pub(crate) struct Script {
    /// Where each chunk is said to be.
    pub(crate) places: HashMap<ChunkId, (PackId, ChunkPlace)>,
    /// What is said to be there.
    pub(crate) segments: HashMap<(PackId, u32), SegmentFrame>,
    /// Newest first.
    pub(crate) snapshots: Vec<SnapshotInfo>,
    /// Asked first: the whole answer to a request, head and body, by path and body.
    pub(crate) instead: Option<Instead>,
}

/// Answers a request (path, body) with bytes of its own; `None`: as the rest of the script says.
pub(crate) type Instead = Box<dyn Fn(&str, &[u8]) -> Option<Vec<u8>> + Send>;

/// The box; its threads end with the test.
pub(crate) struct HostileBox {
    address: SocketAddr,
    pin: SpkiPin,
    script: Arc<Mutex<Script>>,
}

impl HostileBox {
    pub(crate) fn start() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        let params = CertificateParams::new(vec!["datis.box".to_owned()]).expect("params");
        let certificate = params.self_signed(&key).expect("certificate").der().clone();
        let digest = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
        let pin = SpkiPin::from_slice(digest.as_ref()).expect("pin");
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], private)
            .expect("certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("address");
        let script = Arc::new(Mutex::new(Script::default()));
        let (config, shared) = (Arc::new(config), script.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, script) = (config.clone(), shared.clone());
                // A client that is gone ends its thread; it says itself why.
                std::thread::spawn(move || serve(config, stream, &script));
            }
        });
        Self { address, pin, script }
    }

    pub(crate) fn uri(&self) -> String {
        let code = EnrolmentCode::generate().expect("random");
        EnrolmentUri { host: self.address.ip().to_string(), port: self.address.port(), code, pin: self.pin }.to_string()
    }

    /// From now on it answers like this.
    pub(crate) fn play(&self, script: Script) {
        *self.script.lock().expect("lock") = script;
    }
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream, script: &Mutex<Script>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    loop {
        let (path, body) = read_request(&mut tls)?;
        let answer = answer(&path, &body, &script.lock().expect("lock"));
        tls.write_all(&answer)?;
        tls.flush()?;
    }
}

fn read_request(tls: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    tls.read_exact(&mut body)?;
    Ok((path, body))
}

fn answer(path: &str, body: &[u8], script: &Script) -> Vec<u8> {
    if let Some(bytes) = script.instead.as_ref().and_then(|instead| instead(path, body)) {
        return bytes;
    }
    match path {
        Enrol::PATH => http(200, &encode(&enrol(body))),
        ListSnapshots::PATH => http(200, &encode(&SnapshotPage { snapshots: script.snapshots.clone(), more: false })),
        Locate::PATH => http(200, &encode(&locate(body, script))),
        ReadSegment::PATH => {
            let asked: ReadSegment = decode_all("read", body).expect("a request");
            match script.segments.get(&(asked.pack, asked.segment)) {
                Some(frame) => http(200, &encode(frame)),
                None => refuse(RefusalCode::NotFound),
            }
        }
        Heartbeat::PATH => http(
            200,
            &encode(&Policy {
                every: Seconds::HOUR,
                local: RetentionPolicy::default_local(),
                external: RetentionPolicy::default_external(),
                now: UnixMillis(1_800_000_000_000),
                paused_until: None,
                requests: None,
            }),
        ),
        _ => refuse(RefusalCode::NotFound),
    }
}

/// A whole answer with these bytes as its body.
pub(crate) fn http(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-type: {CBOR}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn refuse(code: RefusalCode) -> Vec<u8> {
    http(code.status(), &encode(&Refusal::new(code, "the hostile box says no")))
}

/// The place of every chunk as the script has it, in the order asked.
pub(crate) fn locate(body: &[u8], script: &Script) -> Located {
    let asked: Locate = decode_all("locate", body).expect("a request");
    let mut located = Located { packs: Vec::new(), places: Vec::new() };
    for id in asked.items().expect("ids") {
        let place = script.places.get(&id).map(|(pack, place)| {
            let index = located.packs.iter().position(|known| known == pack).unwrap_or_else(|| {
                located.packs.push(*pack);
                located.packs.len() - 1
            });
            ChunkPlace { pack: u32::try_from(index).expect("few packs"), ..*place }
        });
        located.places.push(place);
    }
    located
}

fn enrol(body: &[u8]) -> Enrolled {
    let request: Enrol = decode_all("enrol", body).expect("a request");
    let request = CertificateSigningRequestDer::from(request.signing_request);
    let request = CertificateSigningRequestParams::from_der(&request).expect("a signing request");
    let authority = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    let issuer = rcgen::Issuer::new(CertificateParams::default(), authority);
    let certificate = CertificateParams::default().signed_by(&request.public_key, &issuer).expect("certificate");
    Enrolled {
        machine: MACHINE,
        machine_name: "victim".parse().expect("name"),
        profile: datis_engine::ids::Profile::Desktop,
        certificate: certificate.der().to_vec(),
        dedup_secret: SECRET.to_vec(),
        recipients: vec![VaultIdentity::generate().recipient()],
        receipt_key: vec![3; 32],
        box_name: "hostile box".to_owned(),
    }
}
