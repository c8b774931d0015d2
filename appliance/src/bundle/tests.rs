//! What a box takes, and everything that it does not take.

use datis_engine::ids::{MachineName, Profile};
use datis_engine::keys::{SigningContext, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{BundleConfig, Config, KeyPrint};
use crate::operations::accounts::{Actor, Origin, Role, accept_invitation, admin_link, audit_log};
use crate::operations::testing::{Client, TestBox};
use crate::operations::{ApplyBundleError, BundleRefusal, Channel, Severity};

/// The example of docs/BUNDLE.md.
fn example() -> Value {
    let document = include_str!("../../../docs/BUNDLE.md");
    let start = document.find("```json\n{\n  \"format\"").expect("the example") + "```json\n".len();
    let text = document[start..].split("```").next().expect("its end");
    serde_json::from_str(text).expect("JSON")
}

fn with(pointer: &str, value: Value) -> Value {
    let mut changed = example();
    let (place, key) = pointer.rsplit_once('/').expect("a pointer");
    changed.pointer_mut(place).and_then(Value::as_object_mut).expect("an object").insert(key.to_owned(), value);
    changed
}

fn key() -> SigningKey {
    key_from_pem(new_key_pem().expect("key").as_bytes()).expect("its own text")
}

fn print(key: &SigningKey) -> KeyPrint {
    KeyPrint::of(&key.public_key())
}

fn sealed(content: &Value, key: &SigningKey) -> Vec<u8> {
    Envelope::seal(content.to_string().as_bytes(), key).expect("seal")
}

/// What is set, so that it can be seen that nothing is.
fn settings(site: &Site) -> String {
    let mail = operations::mail_setting(site).expect("mail");
    let alerts = operations::alert_setting(site).expect("alerts");
    let machines = Profile::ALL.iter().map(|profile| operations::default_policy(site, *profile).expect("policy"));
    let defaults = config_defaults(site).expect("defaults");
    format!("{mail:?} {alerts:?} {:?} {defaults:?}", machines.collect::<Vec<_>>())
}

fn activate(site: &Site) {
    let link = admin_link(site, &Actor::console()).expect("link");
    let origin = Origin { address: [192, 0, 2, 1].into(), agent: "test".to_owned() };
    accept_invitation(site, &origin, link.expose(), "claire", "correct horse battery").expect("accepted");
}

#[test]
fn the_example_of_the_document_is_signed_and_applied() {
    let (test, key) = (TestBox::start(), key());
    let site = test.site();
    let bytes = sealed(&example(), &key);
    let taken = apply(site, &Actor::console(), &bytes, Some(print(&key)), false).expect("applied");
    assert!(taken.is_new);
    let config = Config::read_over(&test.dir(), &config_defaults(site).expect("defaults")).expect("config");
    assert_eq!(config.portal.names[0].as_str(), "sauvegarde.lan");
    assert!(config.machine_port.keep_open && config.discovery.mdns && config.commissioning.automatic);
    let servers: Vec<String> = config.commissioning.time_servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["ntp.exemple.fr", "0.pool.ntp.org"]);
    assert_eq!(config.commissioning.coordinators[0].to_string(), "box.exemple.fr:20601");
    let mail = operations::mail_setting(site).expect("mail").expect("set");
    assert_eq!((mail.host.as_str(), mail.port, mail.language.as_str()), ("smtp.exemple.fr", 587, "fr"));
    assert_eq!((mail.report_minute, mail.weekends, mail.password), (7 * 60 + 30, false, None));
    let alerts = operations::alert_setting(site).expect("alerts");
    assert_eq!((alerts.quiet.hours, alerts.quiet.weekends), (Some((1_200, 420)), true));
    assert!(!alerts.tells(Channel::Mail, Severity::Information) && alerts.tells(Channel::Mail, Severity::Warning));
    let entry = audit_log(site, &Actor::console(), None, 1).expect("log").remove(0);
    assert_eq!((entry.action.as_str(), entry.subject.as_str()), ("bundle-applied", "Exemple Informatique"));
    assert!(entry.detail.contains("serial 7") && entry.detail.contains(&print(&key).to_string()), "{}", entry.detail);
    let told = sentences(&taken.content).join("\n");
    for said in ["Exemple Informatique", "serial 7", "2099-12-31", "sauvegarde.lan", "07:30", "20:00 to 07:00", "30m"] {
        assert!(told.contains(said), "{said} in {told}");
    }
    assert_eq!(only_from_the_next_start(&taken.content).len(), 6);
    // A second time it is nothing.
    let before = settings(site);
    assert!(!apply(site, &Actor::console(), &bytes, Some(print(&key)), false).expect("applied").is_new);
    assert_eq!(settings(site), before);
}

#[test]
fn new_machines_begin_with_what_the_bundle_says_and_it_can_be_changed() {
    let (test, key) = (TestBox::start(), key());
    let site = test.site();
    apply(site, &Actor::console(), &sealed(&example(), &key), Some(print(&key)), false).expect("applied");
    let policy = |name: &str| operations::policy(site, &name.parse::<MachineName>().expect("name")).expect("policy");
    let late = Client::enrol(site, "late");
    assert_eq!(policy("late").every.to_string(), "30m");
    assert_eq!(policy("late").external, operations::RetentionPreset::Years.policy());
    let change = operations::PolicyChange { every: Some("2h".parse().expect("length")), ..Default::default() };
    let set = operations::set_default_policy(site, &Actor::console(), late.machine.profile, &change).expect("set");
    assert_eq!((set.every.to_string().as_str(), set.local), ("2h", policy("late").local));
    let _latest = Client::enrol(site, "latest");
    assert_eq!(policy("latest").every.to_string(), "2h");
}

#[test]
fn a_newer_one_replaces_all_of_an_earlier_one_and_an_older_one_is_refused() {
    let (test, key, other) = (TestBox::start(), key(), key());
    let (site, by) = (test.site(), Actor::console());
    let untouched = settings(site);
    let take = |content: &Value, key: &SigningKey, may_be_older| {
        apply(site, &by, &sealed(content, key), Some(print(key)), may_be_older)
    };
    take(&example(), &key, false).expect("7");
    let bare = |serial: u32| {
        json!({ "format": 1, "reseller": { "name": "x", "contact": "y" }, "serial": serial,
                                     "not_after": "2099-12-31" })
    };
    let older = take(&bare(6), &key, false).expect_err("6");
    assert!(matches!(older, BundleError::Apply(ApplyBundleError::Older { serial: 6, applied: 7 })), "{older}");
    let same = take(&bare(7), &key, false).expect_err("another 7");
    assert!(matches!(same, BundleError::Apply(ApplyBundleError::Changed { serial: 7 })), "{same}");
    assert_ne!(settings(site), untouched);
    assert!(take(&bare(8), &key, false).expect("8").is_new);
    assert_eq!(settings(site), untouched, "what it does not name is as the program has it");
    take(&example(), &key, false).expect_err("7 again");
    take(&example(), &key, true).expect("if it is wanted");
    take(&bare(1), &other, false).expect("another reseller counts for itself");
    // What was chosen by hand is not taken back by what lies in the folder, nor by anything older than that.
    let again = take(&example(), &key, false).expect_err("7, after another reseller");
    assert!(matches!(again, BundleError::Apply(ApplyBundleError::Replaced { serial: 7 })), "{again}");
    let older = take(&bare(6), &key, false).expect_err("6, after another reseller");
    assert!(matches!(older, BundleError::Apply(ApplyBundleError::Older { serial: 6, applied: 7 })), "{older}");
    assert_eq!(settings(site), untouched);
    assert!(take(&example(), &key, true).expect("if it is wanted").is_new);
}

#[test]
fn whose_key_nobody_has_named_or_another_one_sets_nothing() {
    let (test, key) = (TestBox::start(), key());
    let (site, by) = (test.site(), Actor::console());
    let untouched = settings(site);
    let bytes = sealed(&example(), &key);
    let unnamed = apply(site, &by, &bytes, None, false).expect_err("nobody");
    assert!(unnamed.to_string().contains(&print(&key).to_string()), "{unnamed}");
    assert!(matches!(unnamed, BundleError::Untrusted { .. }));
    let another = apply(site, &by, &bytes, Some(print(&super::tests::key())), false).expect_err("another");
    assert!(matches!(another, BundleError::OtherKey { .. }), "{another}");
    assert_eq!(settings(site), untouched);
}

#[test]
fn an_activated_box_takes_nothing() {
    let (test, key) = (TestBox::start(), key());
    let site = test.site();
    activate(site);
    let untouched = settings(site);
    let bytes = sealed(&example(), &key);
    let refused = apply(site, &Actor::console(), &bytes, Some(print(&key)), false).expect_err("an admin");
    assert!(matches!(refused, BundleError::Apply(ApplyBundleError::Activated)), "{refused}");
    assert!(refused.to_string().contains("portal"), "{refused}");
    // Also when somebody becomes the admin between the look and the change.
    let content = Content::parse(example().to_string().as_bytes()).expect("content");
    let new = operations::NewBundle {
        key: key.public_key(),
        serial: 7,
        content: "{}",
        reseller: "x",
        settings: &content.settings.catalog(),
        may_be_older: false,
    };
    let refused = operations::apply_bundle(site, &Actor::console(), &new).expect_err("an admin");
    assert!(matches!(refused, ApplyBundleError::Activated), "{refused}");
    std::fs::write(test.dir().bundle_file(), &bytes).expect("file");
    assert!(!looked(&test.dir(), &BundleConfig { key: Some(print(&key)), url: None }, site));
    assert_eq!(settings(site), untouched);
    assert!(operations::refused_bundle(site).expect("read").is_none(), "nobody has to do anything");
}

#[test]
fn a_box_with_machines_takes_nothing_though_its_accounts_are_lost() {
    let (test, key) = (TestBox::start(), key());
    let site = test.site();
    let _machine = Client::enrol(site, "early");
    let untouched = settings(site);
    let refused = apply(site, &Actor::console(), &sealed(&example(), &key), Some(print(&key)), false);
    assert!(matches!(refused, Err(BundleError::Apply(ApplyBundleError::Activated))), "{refused:?}");
    assert_eq!(settings(site), untouched);
}

#[test]
fn who_may_not_change_the_box_sets_no_bundle() {
    let (test, key) = (TestBox::start(), key());
    let bytes = sealed(&example(), &key);
    for role in [Role::Member, Role::Auditor] {
        let refused = apply(test.site(), &Actor::for_tests(role), &bytes, Some(print(&key)), false);
        refused.expect_err("forbidden");
    }
}

#[test]
fn the_start_looks_into_the_folder_and_goes_on_whatever_is_there() {
    let (test, key, other) = (TestBox::start(), key(), key());
    let (site, dir) = (test.site(), test.dir());
    let config = |key: Option<&SigningKey>| BundleConfig { key: key.map(print), url: None };
    let untouched = settings(site);
    assert!(!looked(&dir, &config(Some(&key)), site));
    assert!(operations::refused_bundle(site).expect("read").is_none(), "no bundle is no fault");
    let reason = |bytes: &[u8], believed: Option<&SigningKey>| {
        std::fs::write(dir.bundle_file(), bytes).expect("file");
        assert!(!looked(&dir, &config(believed), site));
        operations::refused_bundle(site).expect("read").expect("refused").reason
    };
    let good = sealed(&example(), &key);
    let mut tampered = good.clone();
    let at = tampered.windows(11).position(|window| window == b"\"content\": ").expect("content") + 12;
    tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
    for (bytes, believed, expected) in [
        (good.as_slice(), None, BundleRefusal::Untrusted),
        (&good, Some(&other), BundleRefusal::OtherKey),
        (&tampered, Some(&key), BundleRefusal::Signature),
        (b"{}", Some(&key), BundleRefusal::Malformed),
        (&vec![b' '; ENVELOPE_MAX + 1], Some(&key), BundleRefusal::Unreachable),
        (&sealed(&with("/not_after", json!("2001-01-01")), &key), Some(&key), BundleRefusal::Expired),
        (&sealed(&with("/colour", json!(1)), &key), Some(&key), BundleRefusal::Malformed),
    ] {
        assert_eq!(reason(bytes, believed), expected);
        assert_eq!(settings(site), untouched, "{expected:?}");
    }
    std::fs::write(dir.bundle_file(), &good).expect("file");
    assert!(looked(&dir, &config(Some(&key)), site));
    assert!(operations::refused_bundle(site).expect("read").is_none(), "what was refused before is over");
    assert!(!looked(&dir, &config(Some(&key)), site), "once");
    assert_eq!(reason(&sealed(&with("/serial", json!(6)), &key), Some(&key)), BundleRefusal::Older);
    // A folder in place of the file.
    std::fs::remove_file(dir.bundle_file()).expect("remove");
    std::fs::create_dir(dir.bundle_file()).expect("folder");
    assert!(!looked(&dir, &config(Some(&key)), site));
    assert_eq!(operations::refused_bundle(site).expect("read").expect("refused").reason, BundleRefusal::Unreachable);
    std::fs::remove_dir(dir.bundle_file()).expect("remove");
    assert!(!looked(&dir, &config(Some(&key)), site));
    assert!(operations::refused_bundle(site).expect("read").is_none(), "it is not there any more");
}

#[test]
fn what_a_technician_has_taken_by_hand_is_no_fault_at_the_next_start() {
    let (test, key, other) = (TestBox::start(), key(), key());
    let (site, dir, nobody) = (test.site(), test.dir(), BundleConfig::default());
    let refused = || operations::refused_bundle(site).expect("read").map(|refused| refused.reason);
    let bytes = sealed(&example(), &key);
    std::fs::write(dir.bundle_file(), &bytes).expect("file");
    assert!(!looked(&dir, &nobody, site));
    assert_eq!(refused(), Some(BundleRefusal::Untrusted));
    assert!(apply(site, &Actor::console(), &bytes, Some(print(&key)), false).expect("by hand").is_new);
    assert!(!looked(&dir, &nobody, site));
    assert_eq!(refused(), None);
    // One that could not be taken in between is over, too, when this one lies there again.
    operations::note_refused_bundle(site, BundleRefusal::Unreachable, "x").expect("noted");
    assert!(!looked(&dir, &nobody, site));
    assert_eq!(refused(), None);
    let by_hand = sealed(&with("/serial", json!(1)), &other);
    assert!(apply(site, &Actor::console(), &by_hand, Some(print(&other)), false).expect("by hand").is_new);
    assert!(!looked(&dir, &BundleConfig { key: Some(print(&key)), url: None }, site));
    assert_eq!(refused(), None, "it was replaced by hand, and that is no fault");
    assert_eq!(operations::applied_bundle(site).expect("read").expect("applied").key, other.public_key());
}

#[test]
fn words_from_the_file_move_no_cursor_and_fill_no_log() {
    let key = key();
    let long = "x".repeat(5_000);
    for name in ["\\u001b]0;owned\\u0007\\u009b2J", &long] {
        let outside = format!("{{\"datis_bundle\":1,\"{name}\":1}}");
        let mut inside = example();
        let fields = inside.as_object_mut().expect("an object");
        fields.insert(serde_json::from_str(&format!("\"{name}\"")).expect("text"), json!(1));
        let envelope = Envelope::open(outside.as_bytes()).expect_err("a field too many").to_string();
        let content = Content::parse(inside.to_string().as_bytes()).expect_err("a field too many");
        let content = operations::chain(&content);
        let sealed = Envelope::open(&sealed(&inside, &key)).expect("signed");
        assert!(Content::parse(&sealed.content).is_err());
        for told in [envelope, content] {
            assert!(!told.chars().any(char::is_control) && told.chars().count() < 400, "{told:?}");
        }
    }
}

#[test]
fn a_reseller_turns_no_writing_around() {
    for mark in ['\u{61c}', '\u{202e}', '\u{2066}'] {
        let content = with("/reseller/name", json!(format!("Tills{mark}sllit")));
        assert!(Content::parse(content.to_string().as_bytes()).is_err(), "{mark:?}");
    }
}

#[test]
fn what_was_taken_in_time_is_no_fault_when_its_last_day_is_over() {
    let (test, key) = (TestBox::start(), key());
    let site = test.site();
    let content = with("/not_after", json!("2001-01-01"));
    let set = Content::parse(content.to_string().as_bytes()).expect("content").settings.catalog();
    let new = operations::NewBundle {
        key: key.public_key(),
        serial: 7,
        content: &content.to_string(),
        reseller: "x",
        settings: &set,
        may_be_older: false,
    };
    assert!(operations::apply_bundle(site, &Actor::console(), &new).expect("in time"));
    let again = apply(site, &Actor::console(), &sealed(&content, &key), Some(print(&key)), false);
    assert!(!again.expect("taken").is_new);
}

#[test]
fn the_day_counts_to_its_end() {
    let content = Content::parse(with("/not_after", json!("2027-12-31")).to_string().as_bytes()).expect("content");
    let at =
        |text: &str| datis_engine::units::UnixMillis(text.parse::<jiff::Timestamp>().expect("time").as_millisecond());
    assert!(!content.not_after.is_over(at("2027-12-31T23:59:59Z")));
    assert!(content.not_after.is_over(at("2028-01-01T00:00:00Z")));
}

#[test]
fn what_cannot_be_is_refused_and_named() {
    let settings = |key: &str, value: Value| with(&format!("/settings/{key}"), value);
    for (content, named) in [
        (with("/colour", json!(1)), "colour"),
        (settings("colour", json!(1)), "colour"),
        (settings("mail/password", json!("secret")), "password"),
        (settings("portal/from_outside", json!(true)), "from_outside"),
        (settings("machine_port/port", json!(1)), "port"),
        (with("/format", json!(2)), "format 2"),
        (with("/serial", json!(0)), "nonzero"),
        (with("/serial", json!(-1)), "-1"),
        (with("/serial", json!(1_u64 << 32)), "4294967296"),
        (with("/not_after", json!("31.12.2027")), "31.12.2027"),
        (with("/not_after", json!("2027-02-30")), "2027-02-30"),
        (with("/not_after", json!("2027-12-31T00:00")), "2027-12-31T00:00"),
        (with("/reseller/name", json!("")), "1 to 80"),
        (with("/reseller/name", json!("x".repeat(81))), "1 to 80"),
        (with("/reseller/contact", json!("a\nb")), "1 to 200"),
        (with("/settings", Value::Null), "null"),
        (settings("portal", Value::Null), "null"),
        (settings("mail", Value::Null), "null"),
        (settings("portal/names", json!(["a b"])), "a b"),
        (settings("portal/names", json!(vec!["a.lan"; 17])), "portal.names"),
        (settings("commissioning/time_servers", json!([])), "commissioning.time_servers"),
        (settings("commissioning/time_servers", json!(["ntp.lan:0"])), "ntp.lan:0"),
        (settings("commissioning/coordinators", json!(["box.lan"])), "box.lan"),
        (settings("mail/host", json!("a b")), "mail.host"),
        (settings("mail/port", json!(0)), "mail.port"),
        (settings("mail/port", json!(70_000)), "70000"),
        (settings("mail/security", json!("ssl")), "ssl"),
        (settings("mail/sender", json!("box")), "mail.sender"),
        (settings("mail/recipients", json!([])), "mail.recipients"),
        (settings("mail/recipients", json!(vec!["a@b.example"; 21])), "mail.recipients"),
        (settings("mail/recipients", json!(["a@b.example\nc@d.example"])), "mail.recipients"),
        (settings("mail/language", json!("de")), "de"),
        (settings("mail/report_at", json!("24:00")), "24:00"),
        (settings("mail/report_at", json!("7:30")), "7:30"),
        (settings("mail/report_at", json!("é7:30")), "é7:30"),
        (settings("alerts/mail", json!(["loud"])), "loud"),
        (settings("alerts/quiet", json!({ "from": "20:00" })), "alerts.quiet"),
        (settings("machines/server/every", json!("59s")), "59s"),
        (settings("machines/server/every", json!("3y")), "3y"),
        (settings("machines/server/local", json!("for ever")), "for ever"),
        (settings("machines/till", json!({})), "till"),
    ] {
        let refused = Content::parse(content.to_string().as_bytes()).expect_err(named).to_string();
        assert!(refused.contains(named) && refused.starts_with("what the bundle says"), "{named}: {refused}");
    }
    let text = example().to_string();
    let doubled = text.replacen("\"serial\":7", "\"serial\":7,\"serial\":8", 1);
    assert!(Content::parse(doubled.as_bytes()).expect_err("twice").to_string().contains("serial"));
    let long = format!("{text}{}", " ".repeat(16 << 10));
    Content::parse(long.as_bytes()).expect_err("long");
    for missing in ["format", "reseller", "serial", "not_after"] {
        let mut content = example();
        content.as_object_mut().expect("an object").remove(missing);
        let refused = Content::parse(content.to_string().as_bytes()).expect_err(missing).to_string();
        assert!(refused.contains(missing), "{refused}");
    }
    // The smallest one sets nothing.
    let mut bare = example();
    bare.as_object_mut().expect("an object").remove("settings");
    let bare = Content::parse(bare.to_string().as_bytes()).expect("bare");
    assert_eq!(bare.settings.config(), ConfigDefaults::default());
}

#[test]
fn the_signature_is_over_these_bytes_and_for_bundles_alone() {
    let (key, other) = (key(), key());
    let content = example().to_string();
    let good: Value = serde_json::from_slice(&Envelope::seal(content.as_bytes(), &key).expect("seal")).expect("JSON");
    let open = |file: &Value| Envelope::open(file.to_string().as_bytes());
    assert_eq!(open(&good).expect("open").content, content.as_bytes());
    let base64 = |bytes: &[u8]| json!(data_encoding::BASE64.encode(bytes));
    let elsewhere = key.sign(SigningContext::Receipt, content.as_bytes());
    for (field, value, named) in [
        ("signature", base64(elsewhere.as_bytes()), "not as it was signed"),
        ("signature", base64(&[0; 64]), "not as it was signed"),
        ("signature", base64(&[0; 63]), "64 bytes"),
        ("key", base64(other.public_key().as_bytes()), "not as it was signed"),
        ("key", base64(&[0; 32]), "not as it was signed"),
        ("key", base64(&[]), "32 bytes"),
        ("content", base64(b"{}"), "not as it was signed"),
        ("content", json!("?"), "base64"),
        ("datis_bundle", json!(2), "form 2"),
        ("colour", json!(1), "colour"),
    ] {
        let mut file = good.clone();
        file[field] = value;
        let refused = open(&file).expect_err(named).to_string();
        assert!(refused.contains(named), "{named}: {refused}");
    }
    let long = Envelope::seal(&vec![b' '; (16 << 10) + 1], &key).expect("seal");
    Envelope::open(&long).expect_err("long");
}

#[test]
fn keys_are_read_as_they_are_written_and_also_those_of_openssl() {
    // Made with `openssl genpkey -algorithm ed25519`.
    let theirs = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                  -----END PRIVATE KEY-----\n";
    let key = key_from_pem(theirs.as_bytes()).expect("theirs");
    // The public key of that private key: RFC 8410, 10.1.
    assert_eq!(
        data_encoding::BASE64.encode(key.public_key().as_bytes()),
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    );
    for bad in ["", "-----BEGIN PRIVATE KEY-----", &theirs.replace("MC4C", "MC5C"), &theirs.replace("MC4C", "?C4C")] {
        assert!(key_from_pem(bad.as_bytes()).is_err(), "{bad}");
    }
    let own = new_key_pem().expect("key");
    assert!(own.lines().all(|line| line.len() <= 64), "as RFC 7468 has it");
}

proptest! {
    #[test]
    fn whatever_is_changed_is_refused_and_nothing_panics(
        at in 0_usize..1_000_000,
        byte in any::<u8>(),
        cut in 0_usize..1_000_000,
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        static SIGNED: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| sealed(&example(), &key()));
        let original = Envelope::open(&SIGNED).expect("open");
        let mut changed = SIGNED.clone();
        let at = at % changed.len();
        changed[at] = byte;
        // White space between the fields may change, and nothing else.
        if let Ok(opened) = Envelope::open(&changed) {
            prop_assert_eq!(&opened, &original);
        }
        let cut = cut % SIGNED.trim_ascii_end().len();
        prop_assert!(Envelope::open(&SIGNED[..cut]).is_err());
        prop_assert!(Envelope::open(&noise).is_err());
        // The decoder behind the signature, which only holders of a key reach.
        let mut content = example().to_string().into_bytes();
        let at = at % content.len();
        content[at] = byte;
        if let Ok(content) = Content::parse(&content) {
            let _ = (sentences(&content), content.settings.catalog());
        }
        let _ = Content::parse(&noise);
        let _ = key_from_pem(&noise);
    }
}
