//! The checks of names and lines in the shop itself: found by name, its own name, a proxy, a mobile line.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::json;

use crate::checks::{check, check_only, skipped};
use crate::partners::{PORT, partner};
use crate::site::{BOX, HONEST, ROUTER, Site, TIME, outcome};

#[test]
fn the_box_is_found_by_its_name_unless_something_stops_it() {
    let site = Site::build().init();
    let printed = check_only(&site, 0, ("lan.mdns", "pass", "mdns-found", &[("addresses", json!([BOX]))]));
    let name = outcome(&printed, "lan.mdns")["evidence"]["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("datis-") && name.ends_with(".local"), "{name}");
    site.lab
        .nft("box", "table inet mute { chain out { type filter hook output priority filter; udp dport 5353 drop; }\n}");
    check_only(&site, 0, ("lan.mdns", "warn", "mdns-silent", &[]));
}

/// Asks the network for the address of a host, as a machine does that knows nothing but the protocol (RFC 6762, 5.1).
fn ask_for(host: &str) -> bool {
    let mut question = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.split('.') {
        question.push(u8::try_from(label.len()).expect("a short label"));
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let address = BOX.parse::<Ipv4Addr>().expect("an address").octets();
    (0..10).any(|_| {
        socket.send_to(&question, ("224.0.0.251", 5353)).expect("sent");
        let mut answer = [0; 1_500];
        socket.recv(&mut answer).is_ok_and(|read| answer[..read].windows(4).any(|window| window == address))
    })
}

#[test]
fn the_running_box_answers_to_its_name_and_can_be_told_not_to() {
    let mut site = Site::build().init();
    let printed = check_only(&site, 0, ("lan.mdns", "pass", "mdns-found", &[]));
    let name = outcome(&printed, "lan.mdns")["evidence"]["name"].as_str().expect("a name").to_owned();
    site.run();
    check_only(&site, 0, ("lan.mdns", "pass", "mdns-found", &[]));
    site.lab.ip("rtr", "route add 224.0.0.0/4 dev box");
    assert!(site.lab.thread("rtr", move || ask_for(&name)).join().expect("a thread"), "somebody asks for its name");

    let mut site = Site::build().init();
    site.configure("[discovery]\nmdns = false");
    site.run();
    check_only(&site, 0, ("lan.mdns", "pass", "mdns-off", &[]));
}

#[test]
fn the_boxs_own_name_is_looked_up_at_the_resolvers() {
    let upstream = format!("--server=/box.shop/{TIME}");
    let (here, there) = (format!("--address=/box.shop/{BOX}"), "--address=/box.shop/11.22.33.2");
    for (says, code, state, finding) in [
        (here.as_str(), 0, "pass", "rebind-kept"),
        (there, 0, "warn", "rebind-elsewhere"),
        (upstream.as_str(), 3, "fail", "rebind-filtered"),
    ] {
        let mut site = Site::build().init();
        site.configure("[machine_port]\naddress = \"box.shop\"");
        let options = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"];
        let pid = format!("--pid-file={}", site.lab.folder().join("upstream.pid").display());
        let dnsmasq = site.lab.inside("net", "dnsmasq").args(options).arg(&here).arg(pid);
        site.lab.serve(dnsmasq);
        site.wait_for_port("net", ":53");
        site.serve_names(&[HONEST[0], HONEST[1], says, "--stop-dns-rebind"]);
        check_only(&site, code, ("lan.rebind", state, finding, &[("name", json!("box.shop"))]));
    }
    let site = Site::good().init();
    check_only(&site, 0, ("lan.rebind", "pass", "rebind-not-needed", &[]));
}

#[test]
fn a_proxy_that_is_the_only_way_out_is_named() {
    let site = Site::with_partners(1);
    check_only(&site, 0, ("wan.proxy", "pass", "proxy-none", &[]));
    site.filter("rtr", "iifname \"box\" oifname \"net\" drop");
    let address = SocketAddr::from(([192, 168, 77, 1], 3_128));
    site.lab.answer_connections("rtr", address, |mut stream| {
        let mut asked = String::new();
        let _read = BufReader::new(&stream).read_line(&mut asked);
        let is_partner = asked.starts_with(&format!("CONNECT {}:{PORT} ", partner(1)));
        let answer = match TcpStream::connect((partner(1), PORT)) {
            Ok(_) if is_partner => "HTTP/1.1 200 Connection established\r\n\r\n",
            _ => "HTTP/1.1 403 Forbidden\r\n\r\n",
        };
        let _sent = stream.write_all(answer.as_bytes());
    });
    let proxy = [("proxy", json!(format!("{ROUTER}:3128")))];
    let printed = check(&site, 3, &[("wan.proxy", "fail", "proxy-only", &proxy)]);
    skipped(&printed, "wan.proxy", &["wan.captive", "wan.tls", "out.matrix", "in.dialback"]);
}

#[test]
fn a_mobile_line_is_a_warning() {
    let site = Site::build().init();
    check_only(&site, 0, ("wan.uplink", "pass", "uplink-fixed", &[("port", json!("rtr"))]));
    for words in ["link set rtr down", "link set rtr name wwan0", "link set wwan0 up"] {
        site.lab.ip("box", words);
    }
    site.lab.ip("box", &format!("route replace default via {ROUTER}"));
    check_only(&site, 0, ("wan.uplink", "warn", "uplink-mobile", &[("port", json!("wwan0"))]));
}
