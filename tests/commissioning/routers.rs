//! The router as one that can be asked, the address it has, and the path behind it: good, and each bad case.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::checks::{check, check_only, skipped};
use crate::partners::{MACHINES, PORT, PUBLIC};
use crate::site::{BOX, Site, outcome};

impl Site {
    /// Starts miniupnpd on the router. Its chains must be there before it.
    pub(crate) fn open_by_itself(&mut self, settings: &str) {
        self.lab.nft(
            "rtr",
            "table inet miniupnpd { chain forward { type filter hook forward priority 0; jump miniupnpd; }\n\
             chain miniupnpd { }\n\
             chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }\n\
             chain postrouting { type nat hook postrouting priority 99; jump postrouting_miniupnpd; }\n\
             chain prerouting_miniupnpd { }\n chain postrouting_miniupnpd { }\n}",
        );
        let config = self.lab.folder().join("miniupnpd.conf");
        let text = format!(
            "ext_ifname=net\nlistening_ip=box\nport=0\nsecure_mode=yes\nsystem_uptime=yes\n\
             uuid=00112233-4455-6677-8899-aabbccddeeff\nupnp_table_name=miniupnpd\nupnp_nat_table_name=miniupnpd\n\
             upnp_forward_chain=miniupnpd\nupnp_nat_chain=prerouting_miniupnpd\n\
             upnp_nat_postrouting_chain=postrouting_miniupnpd\n{settings}\n"
        );
        std::fs::write(&config, text).expect("configuration");
        let pid = self.lab.folder().join("miniupnpd.pid");
        let daemon = self.lab.inside("rtr", "miniupnpd").arg("-d").arg("-f").arg(config).arg("-P").arg(pid);
        self.lab.serve(daemon);
        self.wait_for_port("rtr", ":1900");
    }

    /// Whether the router lets the machine port in, by miniupnpd's doing.
    fn is_open(&self) -> bool {
        let chain = self.lab.inside("rtr", "nft").args(["list", "chain", "inet", "miniupnpd", "prerouting_miniupnpd"]);
        chain.run().expect_success().text().contains(&format!("dport {MACHINES}"))
    }

    /// The provider gives the router an address that is not public, and hides all its customers behind its own.
    fn share_the_address(&self) {
        for command in ["addr flush dev net", "addr add 100.64.9.2/24 dev net", "route add default via 100.64.9.1"] {
            self.lab.ip("rtr", command);
        }
        self.lab.ip("net", "addr add 100.64.9.1/24 dev rtr");
        self.lab.nft(
            "net",
            "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"out\" masquerade; }\n}",
        );
    }

    /// The router's translation of addresses, with what is to be done to ports.
    fn translate_to(&self, ports: &str) {
        self.lab.nft(
            "rtr",
            &format!(
                "table ip ports {{ chain post {{ type nat hook postrouting priority srcnat - 1; \
                 oifname \"net\" meta l4proto {{ tcp, udp }} masquerade {ports}; }}\n}}"
            ),
        );
    }
}

/// A router that opens any port of the box to it.
pub(crate) const ANY_PORT: &str = "enable_upnp=yes\nenable_natpmp=yes\nallow 1024-65535 192.168.77.0/24 1024-65535";

#[test]
fn a_site_that_is_good_all_the_way_passes_within_thirty_seconds() {
    let mut site = Site::with_partners(3);
    site.serve_names(&crate::site::HONEST);
    site.serve_time(0.0);
    site.open_by_itself(ANY_PORT);
    let began = Instant::now();
    let port = [("outside-port", json!("20600"))];
    check(
        &site,
        0,
        &[
            ("wan.captive", "pass", "captive-free", &[]),
            ("wan.tls", "pass", "tls-untouched", &[]),
            ("out.matrix", "pass", "out-open", &[]),
            ("wan.public", "pass", "public-one", &[("public", json!(PUBLIC))]),
            ("wan.cgnat", "pass", "cgnat-none", &[("router-address", json!(PUBLIC)), ("public", json!(PUBLIC))]),
            ("wan.portset", "pass", "ports-all", &[("ports-kept", json!(16.0))]),
            ("in.map", "pass", "map-opened", &[("method", json!("PCP")), ("outside-port", json!("20600"))]),
            ("in.dialback", "pass", "dialback-reached", &port),
            ("in.hairpin", "pass", "hairpin-none", &port),
            ("in.v6", "warn", "v6-none", &[]),
            ("path.mtu", "pass", "mtu-full", &[("mtu", json!(1500.0))]),
            ("path.rate", "pass", "rate-good", &[]),
        ],
    );
    let took = began.elapsed();
    println!("all checks took {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!site.is_open(), "what was asked for to see whether it works is taken back");
}

#[test]
fn a_router_that_knows_only_upnp_is_asked_by_that() {
    let mut site = Site::with_partners(1);
    site.open_by_itself("enable_upnp=yes\nenable_natpmp=no\nallow 1024-65535 192.168.77.0/24 1024-65535");
    let evidence = [("method", json!("UPnP")), ("outside-port", json!("20600"))];
    check_only(&site, 0, ("in.map", "pass", "map-opened", &evidence));
    assert!(!site.is_open());
}

#[test]
fn a_router_that_refuses_and_one_that_says_nothing_are_told_apart() {
    let mut site = Site::with_partners(1);
    site.open_by_itself("enable_upnp=yes\nenable_natpmp=no\ndeny 0-65535 0.0.0.0/0 0-65535");
    check_only(&site, 3, ("in.map", "fail", "map-refused", &[]));
    let site = Site::with_partners(1);
    check_only(&site, 0, ("in.map", "warn", "map-nobody", &[]));
    check_only(&site, 0, ("wan.cgnat", "warn", "cgnat-untold", &[("public", json!(PUBLIC))]));
}

#[test]
fn a_shared_address_is_one_root_cause_unless_somebody_forwards() {
    let mut site = Site::with_partners(1);
    site.share_the_address();
    site.open_by_itself(ANY_PORT);
    let public = [("public", json!("44.128.1.254"))];
    let printed = check(&site, 3, &[("wan.cgnat", "fail", "cgnat-shared", &public)]);
    skipped(&printed, "wan.cgnat", &["in.map", "in.dialback", "in.hairpin"]);
    // The one with the public address forwards, and so does the router.
    site.lab.nft(
        "net",
        &format!(
            "table ip forward {{ chain pre {{ type nat hook prerouting priority dstnat; iifname \"out\" \
             tcp dport {MACHINES} dnat to 100.64.9.2:{MACHINES}; }}\n}}"
        ),
    );
    site.forward();
    check_only(&site, 0, ("wan.cgnat", "pass", "cgnat-forwarded", &public));
}

#[test]
fn a_second_router_is_told_from_a_shared_address() {
    let mut site = Site::with_partners(1);
    site.open_by_itself(&format!("{ANY_PORT}\next_ip=11.22.33.9"));
    let evidence = [("router-address", json!("11.22.33.9")), ("public", json!(PUBLIC))];
    site.filter("net", &format!("tcp dport {MACHINES} drop"));
    check_only(&site, 3, ("wan.cgnat", "fail", "cgnat-second", &evidence));
}

#[test]
fn the_running_box_keeps_its_port_open_at_the_router() {
    let mut site = Site::with_partners(1);
    // A lease of six seconds, renewed after five: sooner is never asked.
    site.open_by_itself(&format!("{ANY_PORT}\nmin_lifetime=5\nmax_lifetime=6"));
    site.configure("[machine_port]\nkeep_open = true");
    site.run();
    harness::wait_for("the mapping", Duration::from_secs(20), || site.is_open().then_some(()));
    check_only(&site, 0, ("in.dialback", "pass", "dialback-reached", &[("arrivals", json!(1.0))]));
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(9) {
        assert!(site.is_open(), "after {:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_part_of_the_ports_is_found_by_where_connections_come_out() {
    for (ports, code, state, finding, from) in [
        ("to :16384-32767", 0, "pass", "ports-fit", Some("16384")),
        ("to :32768-49151", 3, "fail", "ports-part", Some("32768")),
        ("random", 0, "pass", "ports-all", None),
    ] {
        let site = Site::with_partners(1);
        site.translate_to(ports);
        let printed = check_only(&site, code, ("wan.portset", state, finding, &[]));
        let evidence = &outcome(&printed, "wan.portset")["evidence"];
        assert_eq!(evidence["ports-from"].as_str(), from, "{evidence:#}");
    }
}

#[test]
fn small_packets_and_holes_in_the_path_are_measured() {
    let hole = "table ip mute { chain out { type filter hook output priority filter; icmp code frag-needed drop; }\n}";
    for (mtu, is_mute, code, state, finding) in [
        (1_400, false, 0, "pass", "mtu-full"),
        (1_300, false, 0, "warn", "mtu-small"),
        (1_000, false, 3, "fail", "mtu-tiny"),
        (1_400, true, 3, "fail", "mtu-hole"),
    ] {
        let site = Site::with_partners(1);
        site.lab.ip("net", &format!("link set out mtu {mtu}"));
        site.lab.ip("out", &format!("link set net mtu {mtu}"));
        if is_mute {
            site.lab.nft("net", hole);
        }
        let evidence = [("mtu", json!(f64::from(mtu))), ("mtu-own", json!(1500.0))];
        check_only(&site, code, ("path.mtu", state, finding, &evidence));
    }
    let site = Site::with_partners(1);
    site.filter("rtr", &format!("udp dport {PORT} drop"));
    check_only(&site, 0, ("path.mtu", "warn", "mtu-untold", &[]));
}

#[test]
fn the_speed_of_the_line_is_measured() {
    for (kbytes, code, state, finding) in
        [(None, 0, "pass", "rate-good"), (Some(800), 0, "warn", "rate-slow"), (Some(100), 3, "fail", "rate-poor")]
    {
        let site = Site::with_partners(1);
        if let Some(kbytes) = kbytes {
            // Without this a packet is as large as a line of this speed carries in a second.
            site.lab.ip("box", "link set rtr gso_max_segs 1");
            site.filter(
                "rtr",
                &format!(
                    "iifname \"box\" tcp dport {PORT} limit rate over {kbytes} kbytes/second burst 20 kbytes drop"
                ),
            );
        }
        check_only(&site, code, ("path.rate", state, finding, &[]));
    }
}

#[test]
fn the_outside_address_may_or_may_not_lead_in_from_inside() {
    let site = Site::with_partners(1);
    site.forward();
    check_only(&site, 0, ("in.hairpin", "pass", "hairpin-none", &[("public", json!(PUBLIC))]));
    site.lab.nft(
        "rtr",
        &format!(
            "table ip hairpin {{ chain pre {{ type nat hook prerouting priority dstnat; iifname \"box\" \
             ip daddr {PUBLIC} tcp dport {MACHINES} dnat to {BOX}; }}\n\
             chain post {{ type nat hook postrouting priority srcnat; oifname \"box\" ip saddr {BOX} masquerade; }}\n}}"
        ),
    );
    check_only(&site, 0, ("in.hairpin", "pass", "hairpin-works", &[("public", json!(PUBLIC))]));
}

#[test]
fn ipv6_leads_in_out_or_nowhere() {
    for (rule, state, finding) in [
        (None, "pass", "v6-in"),
        (Some("iifname \"net\" ct state new drop"), "warn", "v6-out"),
        (Some("oifname \"net\" drop"), "warn", "v6-dead"),
    ] {
        let mut site = Site::with_partners(0);
        for (space, words) in [
            ("box", "-6 addr add 2001:db8:77::60/64 dev rtr nodad"),
            ("rtr", "-6 addr add 2001:db8:77::1/64 dev box nodad"),
            ("box", "-6 route add default via 2001:db8:77::1"),
            ("rtr", "-6 addr add 2001:db8:33::2/64 dev net nodad"),
            ("net", "-6 addr add 2001:db8:33::1/64 dev rtr nodad"),
            ("rtr", "-6 route add default via 2001:db8:33::1"),
            ("net", "-6 route add 2001:db8:77::/64 via 2001:db8:33::2"),
            ("net", "-6 addr add 2001:db8:1::254/64 dev out nodad"),
            ("out", "-6 addr add 2001:db8:1::1/64 dev net nodad"),
            ("out", "-6 route add default via 2001:db8:1::254"),
        ] {
            site.lab.ip(space, words);
        }
        for space in ["rtr", "net"] {
            site.lab.sysctl(space, "net.ipv6.conf.all.forwarding=1");
        }
        if let Some(rule) = rule {
            site.lab.nft(
                "rtr",
                &format!("table ip6 filter {{ chain pass {{ type filter hook forward priority filter; {rule}; }}\n}}"),
            );
        }
        site.add_partner("2001:db8:1::1", "");
        site.configure("");
        check_only(&site, 0, ("in.v6", state, finding, &[]));
    }
    let site = Site::with_partners(1);
    check_only(&site, 0, ("in.v6", "warn", "v6-none", &[]));
}
