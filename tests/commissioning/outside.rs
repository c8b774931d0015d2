//! The checks that ask partners outside: good, and each bad case.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use serde_json::json;

use crate::checks::{check, check_only, skipped};
use crate::partners::{MACHINES, PUBLIC, partner};
use crate::site::{Site, outcome};

/// Checks that need somebody outside.
const OUTSIDE: [&str; 11] = [
    "wan.proxy",
    "wan.captive",
    "wan.tls",
    "out.matrix",
    "wan.public",
    "wan.cgnat",
    "wan.portset",
    "in.dialback",
    "in.hairpin",
    "path.mtu",
    "path.rate",
];

#[test]
fn without_partners_nothing_is_claimed_about_the_outside() {
    let site = Site::build().init();
    check(&site, 3, &OUTSIDE.map(|id| (id, "warn", "partner-none", &[][..])));
}

#[test]
fn partners_that_are_gone_are_no_verdict_about_the_way() {
    let mut site = Site::with_partners(0);
    site.partners.push(format!("{}:20601#{}", partner(1), "ab".repeat(32)));
    site.configure("");
    let silent = OUTSIDE.into_iter().filter(|id| *id != "out.matrix");
    check(&site, 3, &silent.map(|id| (id, "warn", "partner-silent", &[][..])).collect::<Vec<_>>());
}

#[test]
fn partners_find_the_box_where_it_is_forwarded_to() {
    let site = Site::with_partners(3);
    site.forward();
    let printed = check_only(
        &site,
        0,
        ("in.dialback", "pass", "dialback-reached", &[("outside-port", json!("20600")), ("arrivals", json!(3.0))]),
    );
    let votes = outcome(&printed, "in.dialback")["evidence"]["votes"].as_array().expect("votes").clone();
    assert!(votes.len() == 3 && votes.iter().all(|vote| vote.to_string().contains("ours")), "{votes:?}");
    check_only(&site, 0, ("wan.public", "pass", "public-one", &[("public", json!(PUBLIC))]));
    check_only(&site, 0, ("wan.captive", "pass", "captive-free", &[]));
    check_only(&site, 0, ("wan.tls", "pass", "tls-untouched", &[]));
    check_only(&site, 0, ("out.matrix", "pass", "out-open", &[]));
}

#[test]
fn the_running_box_is_found_by_its_own_port() {
    let mut site = Site::with_partners(1);
    site.forward();
    site.run();
    check_only(&site, 0, ("in.dialback", "pass", "dialback-reached", &[("arrivals", json!(1.0))]));
}

#[test]
fn two_of_three_decide() {
    for (blocked, code, state, finding) in
        [(&[3][..], 0, "pass", "dialback-reached"), (&[2, 3], 0, "warn", "dialback-partly")]
    {
        let site = Site::with_partners(3);
        site.forward();
        let rules: Vec<_> =
            blocked.iter().map(|n| format!("ip saddr {} tcp dport {MACHINES} drop", partner(*n))).collect();
        site.filter("rtr", &rules.join("; "));
        check_only(&site, code, ("in.dialback", state, finding, &[]));
    }
}

#[test]
fn why_nobody_gets_in_is_told_apart() {
    let blocked = |rule: &str| format!("tcp dport {MACHINES} {rule}");
    // Nothing is forwarded: the router itself refuses.
    let site = Site::with_partners(1);
    check_only(&site, 3, ("in.dialback", "fail", "dialback-refused", &[("arrivals", json!(0.0))]));
    // The provider answers that it is not allowed, then lets it vanish.
    for (rule, finding) in
        [("reject with icmp type admin-prohibited", "dialback-prohibited"), ("drop", "dialback-silent")]
    {
        let site = Site::with_partners(1);
        site.forward();
        site.filter("net", &blocked(rule));
        check_only(&site, 3, ("in.dialback", "fail", finding, &[("arrivals", json!(0.0))]));
    }
    // Forwarded to an address where nobody is any more.
    let site = Site::with_partners(1);
    site.forward_to("192.168.77.99", MACHINES);
    check_only(&site, 3, ("in.dialback", "fail", "dialback-silent", &[]));
    // Forwarded to another device, which speaks no TLS.
    let mut site = Site::with_partners(1);
    site.add_a_till("192.168.77.20");
    site.lab.ip("till", "route add default via 192.168.77.1");
    site.forward_to("192.168.77.20", MACHINES);
    let till = SocketAddr::from((Ipv4Addr::new(192, 168, 77, 20), MACHINES));
    site.lab.answer_connections("till", till, |mut stream| drop(stream.write_all(b"220 till\r\n")));
    check_only(&site, 3, ("in.dialback", "fail", "dialback-other", &[("arrivals", json!(0.0))]));
    // It comes in, and what the box says does not get out.
    let site = Site::with_partners(1);
    site.forward();
    site.lab.nft(
        "net",
        &format!(
            "table ip filter {{ chain pass {{ type filter hook forward priority filter; \
             ip saddr {PUBLIC} tcp sport {MACHINES} drop; }}\n}}"
        ),
    );
    check_only(&site, 3, ("in.dialback", "fail", "dialback-halfway", &[("arrivals", json!(1.0))]));
}

#[test]
fn a_log_in_page_is_found_and_everything_behind_it_waits() {
    let site = Site::with_partners(1);
    let address = site.divert("80, 443, 20601", 8080);
    site.lab.answer_connections("rtr", address, |mut stream| {
        let _asked = stream.read(&mut [0; 2_048]);
        let page = "HTTP/1.1 302 Found\r\nLocation: http://hotel.example/login\r\nContent-Length: 0\r\n\r\n";
        let _sent = stream.write_all(page.as_bytes());
    });
    let evidence = [("status", json!(302.0)), ("location", json!("http://hotel.example/login"))];
    let printed = check(&site, 3, &[("wan.captive", "fail", "captive-portal", &evidence)]);
    skipped(&printed, "wan.captive", &["wan.tls", "out.matrix", "wan.public", "in.dialback"]);
}

/// Lets plain connections through to the partner, and does to encrypted ones what `meddle` does.
fn in_between(site: &Site, meddle: impl Fn(TcpStream) + Clone + Send + 'static) {
    let address = site.divert("20601", 8443);
    site.lab.answer_connections("rtr", address, move |stream| {
        let mut first = [0];
        if stream.peek(&mut first).is_ok() && first[0] == 0x16 {
            return meddle(stream);
        }
        let onward = TcpStream::connect((partner(1), 20_601)).expect("the partner");
        let (mut from, mut to) = (stream.try_clone().expect("clone"), onward.try_clone().expect("clone"));
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut from, mut to) = (onward, stream);
        let _copied = std::io::copy(&mut from, &mut to);
        let _ended = to.shutdown(std::net::Shutdown::Both);
    });
}

#[test]
fn whoever_opens_encrypted_connections_is_named() {
    let site = Site::with_partners(1);
    let key = rcgen::KeyPair::generate().expect("key");
    let mut names = rcgen::CertificateParams::new(vec!["datis.box".to_owned()]).expect("names");
    names.distinguished_name.push(rcgen::DnType::CommonName, "mitm-CA");
    let certificate = names.self_signed(&key).expect("certificate").der().clone();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("configuration");
    let config = Arc::new(config);
    in_between(&site, move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
    });
    let printed = check_only(&site, 3, ("wan.tls", "fail", "tls-opened", &[]));
    let issuer = outcome(&printed, "wan.tls")["evidence"]["issuer"].as_str().expect("an issuer").to_owned();
    assert!(issuer.contains("mitm-CA"), "{issuer}");
    let printed = check(&site, 3, &[("wan.captive", "pass", "captive-free", &[])]);
    skipped(&printed, "wan.tls", &["wan.public", "in.dialback"]);
}

#[test]
fn something_that_is_no_box_at_a_partners_port_is_found() {
    let site = Site::with_partners(1);
    in_between(&site, |mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    check_only(&site, 3, ("wan.tls", "fail", "tls-foreign", &[]));
}

#[test]
fn what_does_not_get_out_is_named_with_who_stands_in_the_way() {
    for (rule, code, state, finding, blocked) in [
        ("tcp dport 80 drop", 0, "warn", "out-partly", "TCP 80"),
        ("tcp dport 80 reject with tcp reset", 0, "warn", "out-partly", "TCP 80"),
        ("udp dport 20601 drop", 0, "warn", "out-partly", "UDP 20601"),
        ("tcp dport 20601 drop", 3, "fail", "out-blocked", "TCP 20601"),
        ("tcp dport 20601 reject with tcp reset", 3, "fail", "out-blocked", "TCP 20601"),
        ("tcp dport 20601 reject with icmp type admin-prohibited", 3, "fail", "out-blocked", "TCP 20601"),
    ] {
        let site = Site::with_partners(1);
        site.filter("rtr", rule);
        let printed = check_only(&site, code, ("out.matrix", state, finding, &[("blocked", json!([blocked]))]));
        let how = match rule {
            _ if rule.ends_with("drop") => "dropped",
            _ if rule.ends_with("reset") => "rejected-near",
            _ => "prohibited",
        };
        assert_eq!(outcome(&printed, "out.matrix")["evidence"]["how"], json!(how), "{rule}");
    }
}

#[test]
fn different_addresses_for_different_partners_are_noticed() {
    let site = Site::with_partners(2);
    site.lab.ip("rtr", "addr add 11.22.33.3/24 dev net");
    site.lab.nft(
        "rtr",
        &format!(
            "table ip second {{ chain post {{ type nat hook postrouting priority srcnat - 1; \
             ip daddr {} snat to 11.22.33.3; }}\n}}",
            partner(2)
        ),
    );
    let publics = [("publics", json!([PUBLIC, "11.22.33.3"]))];
    check_only(&site, 0, ("wan.public", "warn", "public-several", &publics));
}
