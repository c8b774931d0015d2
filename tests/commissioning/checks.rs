//! The checks, one after another, good and bad.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::site::{BOX, HONEST, ROUTER, Site, TIME, outcome};

/// What a check must say: its id, its state, its finding, and the evidence that must be shown.
pub(crate) type Expected<'e> = (&'e str, &'e str, &'e str, &'e [(&'e str, Value)]);

#[track_caller]
pub(crate) fn check(site: &Site, code: i32, expected: &[Expected<'_>]) -> Value {
    compare(site.commission(&["--json"]).expect_code(code).json(), expected)
}

/// The same for one check alone, and what it rests on.
#[track_caller]
pub(crate) fn check_only(site: &Site, code: i32, expected: Expected<'_>) -> Value {
    compare(site.commission(&["--json", "--only", expected.0]).expect_code(code).json(), &[expected])
}

#[track_caller]
pub(crate) fn compare(printed: Value, expected: &[Expected<'_>]) -> Value {
    for (id, state, finding, evidence) in expected {
        let outcome = outcome(&printed, id);
        assert_eq!((&outcome["state"], &outcome["finding"]), (&json!(state), &json!(finding)), "{outcome:#}");
        for (name, value) in *evidence {
            assert_eq!(&outcome["evidence"][name], value, "{name} of {outcome:#}");
        }
        for text in ["message", "remedy"] {
            // A variable that the sentence lacks is shown as its name.
            let text = outcome[text].as_str().unwrap_or_default();
            assert!(!text.contains('$') && !text.contains('{'), "{outcome:#}");
        }
        assert_eq!(outcome["remedy"].is_null(), *state == "pass", "{outcome:#}");
    }
    printed
}

/// All of `ids` were skipped because of `cause`, which is none of them.
#[track_caller]
pub(crate) fn skipped(printed: &Value, cause: &str, ids: &[&str]) {
    for id in ids {
        let outcome = outcome(printed, id);
        assert_eq!((&outcome["state"], &outcome["because"]), (&json!("skip"), &json!(cause)), "{outcome:#}");
        assert!(outcome["evidence"].as_object().is_some_and(serde_json::Map::is_empty), "{outcome:#}");
    }
}

#[test]
fn a_good_site_passes_within_thirty_seconds() {
    let site = Site::good().init();
    let began = Instant::now();
    let printed = check(
        &site,
        0,
        &[
            ("lan.link", "pass", "link-fast", &[("port", json!("rtr")), ("duplex", json!("full"))]),
            ("lan.addr", "pass", "address-one", &[("address", json!(format!("{BOX}/24"))), ("gateway", json!(ROUTER))]),
            ("lan.dup", "pass", "address-unshared", &[("address", json!(BOX))]),
            ("lan.dhcp2", "pass", "dhcp-none", &[]),
            ("lan.reserved", "pass", "reserved-not-needed", &[("address", json!(BOX))]),
            ("lan.stable", "pass", "stable-static", &[("address", json!(BOX))]),
            ("wan.gateway", "pass", "gateway-answers", &[("gateway", json!(ROUTER))]),
            ("lan.dns", "pass", "names-resolve", &[("resolver", json!(ROUTER))]),
            ("time.ntp", "pass", "clock-right", &[]),
        ],
    );
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(printed.as_array().map(Vec::len), Some(38));
    let text = site.commission(&["--only", "lan.link", "--only", "lan.addr"]).expect_success().text();
    assert!(text.contains("Network cable") && text.contains("All is as it should be."), "{text}");
    assert!(!text.contains("wan.gateway"), "{text}");
}

#[test]
fn without_a_cable_one_root_cause_is_named_and_the_rest_waits() {
    let site = Site::good().init();
    site.lab.ip("rtr", "link set box down");
    let printed = check(&site, 3, &[("lan.link", "fail", "link-down", &[("port", json!("rtr"))])]);
    skipped(
        &printed,
        "lan.link",
        &["lan.addr", "lan.dup", "lan.dhcp2", "lan.reserved", "lan.stable", "wan.gateway", "lan.dns", "time.ntp"],
    );
    assert_eq!(outcome(&printed, "hw.room")["because"], Value::Null);
    let text = site.commission(&[]).expect_code(3).text();
    assert!(text.contains("Plug the network cable") && text.contains("mended: Network cable"), "{text}");
}

#[test]
fn a_box_without_a_network_port_says_so() {
    let site = Site::good().init();
    site.lab.ip("box", "link del rtr");
    let printed = check(&site, 3, &[("lan.link", "fail", "link-none", &[])]);
    skipped(&printed, "lan.link", &["lan.addr", "time.ntp"]);
}

#[test]
fn addresses_that_will_not_do_are_told_apart() {
    let cases: [(&[&str], i32, &str, &str); 4] = [
        (&["addr flush dev rtr"], 3, "fail", "address-none"),
        (&["addr flush dev rtr", "addr add 169.254.7.9/16 dev rtr"], 3, "fail", "address-self-assigned"),
        (&["route del default"], 3, "fail", "address-without-route"),
        (&["addr add 192.168.77.61/24 dev rtr"], 0, "warn", "address-several"),
    ];
    for (changes, code, state, finding) in cases {
        let site = Site::good().init();
        for change in changes {
            site.lab.ip("box", change);
        }
        let printed = check(&site, code, &[("lan.addr", state, finding, &[("port", json!("rtr"))])]);
        if state == "fail" {
            skipped(&printed, "lan.addr", &["lan.stable", "wan.gateway", "lan.dns", "time.ntp"]);
        }
    }
}

#[test]
fn an_address_that_ends_is_a_lease() {
    let site = Site::good().init();
    site.lab.ip("box", &format!("addr change {BOX}/24 dev rtr valid_lft 7230 preferred_lft 7230"));
    let evidence = [("address", json!(BOX)), ("lease-minutes", json!(120.0))];
    check(
        &site,
        0,
        &[("lan.stable", "pass", "stable-lent", &evidence), ("lan.reserved", "warn", "reserved-unproved", &[])],
    );
}

#[test]
fn an_address_that_has_changed_since_the_last_run_is_a_failure() {
    let site = Site::good().init();
    let lent = |address: &str| {
        site.lab.ip("box", "addr flush dev rtr");
        site.lab.ip("box", &format!("addr add {address}/24 dev rtr valid_lft 7200 preferred_lft 7200"));
        site.lab.ip("box", &format!("route replace default via {ROUTER}"));
    };
    lent(BOX);
    check(&site, 0, &[("lan.stable", "pass", "stable-lent", &[])]);
    lent("192.168.77.61");
    let evidence = [("address", json!("192.168.77.61")), ("moved-from", json!(BOX))];
    // It stays one until somebody does something about it.
    for _ in 0..2 {
        check(&site, 3, &[("lan.stable", "fail", "stable-moved", &evidence)]);
    }
    site.lab.ip("box", "addr change 192.168.77.61/24 dev rtr valid_lft forever preferred_lft forever");
    check(&site, 0, &[("lan.stable", "pass", "stable-static", &[])]);
}

/// What a DHCP server on the router is told, beside the range that it lends.
const LENDING: &str = "--dhcp-range=192.168.77.50,192.168.77.150,255.255.255.0,";

#[test]
fn a_lease_that_the_kernel_does_not_know_of_and_its_reservation_are_found_out() {
    for (time, reserved, code, state, finding) in [
        ("36h", false, 0, "warn", "reserved-not"),
        ("36h", true, 0, "pass", "reserved-for-box"),
        ("2h", true, 0, "pass", "reserved-for-box"),
    ] {
        let mut site = Site::build().init();
        site.serve_time(0.0);
        let range = format!("{LENDING}{time}");
        let kept = format!("--dhcp-host={},{BOX}", site.mac());
        let mut says = vec![HONEST[0], HONEST[1], range.as_str(), "--dhcp-authoritative"];
        if reserved {
            says.push(&kept);
        }
        site.serve_names(&says);
        let address = site.take_a_lease_silently();
        let evidence = [("address", json!(address))];
        check(
            &site,
            code,
            &[
                ("lan.reserved", state, finding, &evidence),
                ("lan.stable", "pass", "stable-lent", &evidence),
                ("lan.dhcp2", "pass", "dhcp-one", &[("servers", json!([ROUTER]))]),
            ],
        );
    }
}

#[test]
fn a_short_lease_without_a_reservation_is_a_failure() {
    let mut site = Site::build().init();
    site.serve_time(0.0);
    let range = format!("{LENDING}2h");
    site.serve_names(&[HONEST[0], HONEST[1], range.as_str(), "--dhcp-authoritative"]);
    let address = site.take_a_lease_silently();
    let evidence = [("address", json!(address)), ("lease-hours", json!(2.0))];
    check(&site, 3, &[("lan.reserved", "fail", "reserved-not-and-short", &evidence)]);
}

/// It offers the stranger with the box's hardware address what it has lent to the box: that proves no reservation.
#[test]
fn a_server_that_goes_by_hardware_addresses_proves_nothing() {
    let mut site = Site::good().init();
    site.lend_by_hardware();
    let address = site.take_a_lease_silently();
    check(
        &site,
        0,
        &[
            ("lan.reserved", "warn", "reserved-unproved", &[("address", json!(address))]),
            ("lan.stable", "pass", "stable-lent", &[]),
        ],
    );
}

#[test]
fn without_the_helper_nothing_is_claimed_that_it_would_have_to_see() {
    let site = Site::good().init().without_the_helper();
    check(
        &site,
        0,
        &[
            ("lan.dup", "warn", "probe-missing", &[]),
            ("lan.dhcp2", "warn", "probe-missing", &[]),
            ("lan.reserved", "warn", "probe-missing", &[]),
            ("lan.stable", "warn", "stable-unproved", &[("address", json!(BOX))]),
        ],
    );
}

#[test]
fn another_device_with_the_same_address_is_found_even_if_it_answers_no_ping() {
    let mut site = Site::good().init();
    let mac = site.add_a_till(BOX);
    site.lab.nft("till", "table ip quiet { chain input { type filter hook input priority filter; drop; }\n}");
    let evidence = [("address", json!(BOX)), ("other-macs", json!([mac]))];
    check(&site, 3, &[("lan.dup", "fail", "address-shared", &evidence)]);
}

#[test]
fn a_second_dhcp_server_is_found() {
    let mut site = Site::build().init();
    site.serve_time(0.0);
    let range = format!("{LENDING}36h");
    site.serve_names(&[HONEST[0], HONEST[1], range.as_str()]);
    site.add_a_till("192.168.77.200");
    site.lend_from("till");
    check(&site, 3, &[("lan.dhcp2", "fail", "dhcp-several", &[("servers", json!([ROUTER, "192.168.77.200"]))])]);
}

#[test]
fn a_gateway_that_is_not_there_and_one_that_is_mute_are_two_things() {
    let site = Site::good().init();
    site.lab.ip("box", "route replace default via 192.168.77.99");
    let printed = check(&site, 3, &[("wan.gateway", "fail", "gateway-gone", &[("gateway", json!("192.168.77.99"))])]);
    skipped(&printed, "wan.gateway", &["lan.dns", "time.ntp"]);

    let site = Site::good().init();
    let rules = "table ip mute { chain input { type filter hook input priority filter; \
                 ip protocol icmp drop; tcp dport { 53, 80, 443 } drop; }\n}";
    site.lab.nft("rtr", rules);
    check(
        &site,
        0,
        &[
            ("wan.gateway", "warn", "gateway-mute", &[("gateway", json!(ROUTER))]),
            ("lan.dns", "pass", "names-resolve", &[]),
        ],
    );
}

#[test]
fn a_resolver_that_answers_for_names_that_do_not_exist_lies() {
    let mut site = Site::build().init();
    site.serve_time(0.0);
    site.serve_names(&["--address=/a.root-servers.net/198.41.0.4", "--address=/invalid/192.0.2.80"]);
    let printed = check(&site, 3, &[("lan.dns", "fail", "names-lie", &[("resolver", json!(ROUTER))])]);
    assert!(outcome(&printed, "lan.dns").to_string().contains(".invalid = 192.0.2.80"), "{printed:#}");
    skipped(&printed, "lan.dns", &["time.ntp"]);
}

#[test]
fn a_resolver_that_gives_another_address_for_a_known_name_lies() {
    let mut site = Site::build().init();
    site.serve_names(&["--address=/#/192.0.2.80"]);
    check_only(&site, 3, ("lan.dns", "fail", "names-lie", &[("resolver", json!(ROUTER))]));
}

#[test]
fn resolvers_that_do_not_answer_refuse_or_are_slow_are_told_apart() {
    // Nobody serves names.
    let mut site = Site::build().init();
    site.serve_time(0.0);
    check_only(&site, 3, ("lan.dns", "fail", "names-silent", &[("resolver", json!(ROUTER))]));
    // None is set.
    site.resolvers.clear();
    check_only(&site, 3, ("lan.dns", "fail", "names-nobody", &[]));
    // It knows of nothing and asks nobody.
    site.resolvers.push(ROUTER);
    site.serve_names(&["--local=/invalid/"]);
    let refused = [("resolvers", json!([format!("{ROUTER}: Refused")]))];
    check_only(&site, 3, ("lan.dns", "fail", "names-refused", &refused));

    let mut site = Site::good().init();
    // One of two is gone: what is left works, slowly.
    site.resolvers.push("192.168.77.2");
    check_only(&site, 0, ("lan.dns", "warn", "names-partly", &[("resolver", json!("192.168.77.2"))]));
    site.resolvers.pop();
    serve_names_slowly(&site);
    site.resolvers[0] = TIME;
    check_only(&site, 0, ("lan.dns", "warn", "names-slow", &[("resolver", json!(TIME))]));
}

/// A resolver in the Internet that thinks for 700 ms, then says that what was asked for is the root server, or nothing
/// when that was not asked for.
fn serve_names_slowly(site: &Site) {
    let address = (TIME.parse::<Ipv4Addr>().expect("an address"), 53).into();
    site.lab.answer_datagrams("net", address, |question| {
        std::thread::sleep(Duration::from_millis(700));
        let is_known = question.windows(12).any(|window| window == b"root-servers");
        let mut answer = question.to_vec();
        // A response, recursion available; NXDOMAIN, or one record that points to the question's name (RFC 1035, 4.1).
        (answer[2], answer[3]) = (0x81, if is_known { 0x80 } else { 0x83 });
        if is_known {
            answer[7] = 1;
            answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(Ipv4Addr::new(198, 41, 0, 4).octets());
        }
        answer
    });
}

#[test]
fn a_wrong_clock_is_measured() {
    for (ahead, code, state, finding, direction) in [
        (137.5, 3, "fail", "clock-wrong", "slow"),
        (-2.0, 0, "warn", "clock-off", "fast"),
        (3.0, 0, "warn", "clock-off", "slow"),
    ] {
        let mut site = Site::build().init();
        site.serve_names(&HONEST);
        site.serve_time(ahead);
        let printed = check_only(&site, code, ("time.ntp", state, finding, &[("direction", json!(direction))]));
        let offset = outcome(&printed, "time.ntp")["evidence"]["offset"].as_f64().expect("an offset");
        assert!((offset - ahead.abs()).abs() < 0.25, "{offset} s measured, {ahead} s it is");
    }
}

#[test]
fn a_clock_that_nobody_confirms_is_not_called_right() {
    let mut site = Site::build().init();
    site.serve_names(&HONEST);
    let sources = [("sources", json!([format!("{TIME}: -")]))];
    check_only(&site, 3, ("time.ntp", "fail", "clock-unchecked", &sources));
}

#[test]
fn room_is_what_the_disk_of_the_packs_has() {
    let site = Site::good().init();
    for (percent, code, state, finding) in
        [(50, 0, "pass", "room-enough"), (80, 0, "warn", "room-short"), (93, 3, "fail", "room-none")]
    {
        site.fill_to(percent);
        let printed = check_only(&site, code, ("hw.room", state, finding, &[]));
        let said = outcome(&printed, "hw.room")["evidence"]["percent"].as_f64().expect("a number");
        assert!((said - percent as f64).abs() <= 1.0, "{said}");
    }
}

#[test]
fn the_ups_is_asked_how_it_is() {
    for (told, code, state, finding) in [
        ("ups.status: OL\nbattery.charge: 98\nbattery.runtime: 1800\n", 0, "pass", "power-protected"),
        ("ups.status: OL\nbattery.runtime: 120\n", 0, "warn", "power-short"),
        ("ups.status: OB DISCHRG\nbattery.runtime: 1800\n", 3, "fail", "power-on-battery"),
        ("ups.status: OL RB\nbattery.runtime: 1800\n", 3, "fail", "power-battery-worn"),
    ] {
        let mut site = Site::good().init();
        site.add_a_ups(told);
        check_only(&site, code, ("hw.ups", state, finding, &[("ups", json!("shop"))]));
    }
    let site = Site::good().init();
    let evidence = [("nut-server", json!("127.0.0.1:3493"))];
    check_only(&site, 0, ("hw.ups", "warn", "power-unprotected", &evidence));
}
