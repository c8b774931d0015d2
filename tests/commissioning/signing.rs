//! The whole way to a signature, with the real box at a good site: everything outside is found, and people do what is theirs
//! to do in the portal, by HTTP as a browser would.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use harness::people::{PASSWORD, code, path_of};
use harness::portal::{Answer, Visitor};
use harness::{Finished, Programs, repository, wait_for};
use serde_json::Value;

use crate::routers::ANY_PORT;
use crate::site::{Site, TIME, outcome};

/// The company's mail server, beside the time server.
const MAIL: u16 = 2525;

/// Everything that needs somebody outside.
const OUTSIDE: [&str; 13] = [
    "wan.proxy",
    "wan.uplink",
    "wan.captive",
    "wan.tls",
    "out.matrix",
    "wan.public",
    "wan.cgnat",
    "wan.portset",
    "in.map",
    "in.dialback",
    "in.hairpin",
    "path.mtu",
    "path.rate",
];

/// What people have to have done.
const DONE: [&str; 10] = [
    "acct.admin",
    "key.kit",
    "mail.test",
    "client.first",
    "site.place",
    "site.power",
    "site.access",
    "site.line",
    "site.shared",
    "site.operator",
];

/// A good site whose box runs, its mail server, and somebody at the portal.
struct Office {
    site: Site,
    visitor: Visitor,
    mails: Receiver<String>,
}

impl Office {
    fn open() -> Self {
        let mut site = Site::with_partners(3);
        site.serve_names(&crate::site::HONEST);
        site.serve_time(0.0);
        site.open_by_itself(ANY_PORT);
        site.add_a_ups("ups.status: OL\nbattery.charge: 98\nbattery.runtime: 1800\n");
        let (told, mails) = channel();
        let server = format!("{TIME}:{MAIL}").parse::<SocketAddr>().expect("an address");
        site.lab.answer_connections("net", server, move |stream| take_mail(stream, &told));
        let disks = site.lab.folder().join("smartctl");
        let good = repository().join("appliance/src/commissioning/checks/smart/sata_ok.json");
        std::fs::write(&disks, format!("#!/bin/sh\ncat {}\n", good.display())).expect("a script");
        std::fs::set_permissions(&disks, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
        // The disk of the laboratory is smaller than what a box leaves free of its own.
        site.configure(&format!("automatic = false\nsmartctl = {disks:?}\n[storage]\nreserve_bytes = 1048576\n"));
        site.run();
        let told = std::fs::read_to_string(site.data().join("run.json")).expect("the box runs");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let port = told["portal"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
        let authority = std::fs::read(site.data().join("keys/portal-ca.der")).expect("the portal's authority");
        let visitor = Visitor::new(port.expect("a port"), authority);
        Self { site, visitor, mails }
    }

    /// Does something at the portal, within the network of the box.
    fn at_portal(&mut self, act: impl FnOnce(&mut Visitor) -> Answer + Send + 'static) -> Answer {
        let mut visitor = self.visitor.clone();
        let asked = self.site.lab.thread("box", move || {
            let answer = act(&mut visitor);
            (visitor, answer)
        });
        let answer;
        (self.visitor, answer) = asked.join().expect("the portal answers");
        answer
    }

    fn get(&mut self, path: &'static str) -> Answer {
        self.at_portal(move |visitor| visitor.get(path))
    }

    #[track_caller]
    fn post(&mut self, path: &str, form: &[(&'static str, &str)], location: &str) {
        let path = path.to_owned();
        let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let answer = self.at_portal(move |visitor| {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            visitor.post(&path, &form)
        });
        assert_eq!(answer.location, location, "{} {}", answer.status, answer.body);
    }

    /// `datisd`, at the running box.
    fn datisd(&self, words: &[&str]) -> Finished {
        let datisd = self.site.lab.inside("box", self.site.datisd()).arg("--data").arg(self.site.data());
        datisd.args(words).run().expect_success()
    }

    /// `datis`, on a machine in the network of the box.
    fn datis(&self, words: &[&str]) -> Finished {
        let state = self.site.lab.folder().join("machine");
        let datis = self.site.lab.inside("box", Programs::plain().datis()).arg("--state").arg(state);
        datis.args(words).env("HOME", self.site.lab.folder()).run().expect_success()
    }

    fn becomes_admin(&mut self) {
        let link = path_of(&self.datisd(&["auth", "admin-link"]).text());
        self.post(&link, &[("name", "claire"), ("password", PASSWORD)], "/welcome/second-factor");
        let page = self.get("/welcome/second-factor").body;
        let secret = page.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let secret = secret.expect("a secret").to_owned();
        let set = self.at_portal(move |visitor| {
            visitor.post("/welcome/second-factor", &[("secret", &secret), ("code", &code(&secret))])
        });
        assert_eq!(set.status, 200, "{}", set.body);
    }

    fn has_the_kit(&mut self) {
        let kit = self.datisd(&["kit"]).text();
        let page = self.get("/system").body;
        let form = page.split("action=\"/system/kit/proof\"").nth(1).expect("a form");
        let groups: Vec<String> = form
            .split("Group ")
            .skip(1)
            .take(2)
            .map(|rest| {
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                kit.split(&format!(" {number}: "))
                    .nth(1)
                    .and_then(|rest| rest.get(..4))
                    .expect("its letters")
                    .to_owned()
            })
            .collect();
        self.post("/system/kit/proof", &[("first", &groups[0]), ("second", &groups[1])], "/system?said=kit-proved");
    }

    fn reads_the_mail(&mut self) {
        let setting = [
            ("host", TIME),
            ("port", "2525"),
            ("security", "none"),
            ("user", ""),
            ("password", ""),
            ("sender", "box@example.org"),
            ("recipients", "claire@example.org"),
            ("language", "en"),
            ("at", "07:00"),
        ];
        self.post("/reports", &setting, "/reports?said=saved");
        self.post("/reports/test", &[], "/reports?said=queued");
        let mail = self.mails.recv_timeout(Duration::from_secs(60)).expect("a mail");
        let told = mail.replace("=\n", "");
        let code = told.split("The code of this mail is ").nth(1).and_then(|rest| rest.get(..6)).expect("a code");
        self.post("/reports/code", &[("code", code)], "/reports?said=mail-proved");
    }

    fn answers_about_the_place(&mut self) {
        let answers = [
            ("place_dry", "yes"),
            ("place_shade", "yes"),
            ("place_clean", "yes"),
            ("place_network", "yes"),
            ("place_socket", "yes"),
            ("power", "ups"),
            ("access", "all"),
            ("line", "fibre"),
            ("shared", "alone"),
            ("contact", ""),
            ("operator", "other"),
        ];
        self.post("/setup/place", &answers, "/setup/place?said=saved");
    }

    /// Gives the folder with what came back.
    fn saves_a_machine_and_restores_a_file(&self) -> PathBuf {
        let (papers, back) = (self.site.lab.folder().join("papers"), self.site.lab.folder().join("back"));
        std::fs::create_dir(&papers).expect("a folder");
        std::fs::write(papers.join("contract"), "in writing").expect("a file");
        let uri = self.datisd(&["enrol-code", "--machine", "till", "--profile", "desktop"]).text();
        let _enrolled = self.datis(&["enrol", uri.trim()]);
        let _saved = self.datis(&["backup", papers.to_str().expect("a path")]);
        let state = |office: &Self| {
            let told = office.site.commission(&["--json", "--only", "client.first"]).json();
            outcome(&told, "client.first")["finding"].clone()
        };
        assert_eq!(state(self), "machine-saved");
        let _restored = self.datis(&["restore", "latest", "--to", back.to_str().expect("a path")]);
        assert_eq!(state(self), "machine-restored");
        back.join(papers.strip_prefix("/").expect("below the root"))
    }
}

/// A mail server that takes everything and passes it on.
fn take_mail(stream: TcpStream, told: &Sender<String>) {
    let mut answers = stream.try_clone().expect("a stream");
    let mut say = |line: &str| answers.write_all(format!("{line}\r\n").as_bytes()).expect("an answer");
    say("220 mail.test");
    let mut mail: Option<String> = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        match (&mut mail, line.as_str()) {
            (Some(text), ".") => {
                told.send(std::mem::take(text)).expect("the test waits");
                mail = None;
                say("250 taken");
            }
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, "DATA") => {
                mail = Some(String::new());
                say("354 go on");
            }
            (None, "QUIT") => return say("221 bye"),
            (None, _) => say("250 fine"),
        }
    }
}

#[test]
fn a_good_site_is_checked_and_signed_for_to_the_end() {
    let mut office = Office::open();
    office.becomes_admin();
    let refused = office.at_portal(|visitor| visitor.post("/site/sign", &[]));
    assert_eq!(refused.status, 422, "nothing is in order yet: {}", refused.body);
    office.has_the_kit();
    office.reads_the_mail();
    office.answers_about_the_place();
    let back = office.saves_a_machine_and_restores_a_file();
    assert_eq!(std::fs::read_to_string(back.join("contract")).expect("it is back"), "in writing");

    let began = Instant::now();
    let printed = office.site.commission(&["--json"]).expect_success().json();
    let took = began.elapsed();
    println!("all checks took {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let with_state = |state: &str| -> Vec<String> {
        let all = printed.as_array().expect("an array").iter().filter(|outcome| outcome["state"] == state);
        all.map(|outcome| format!("{} {}", outcome["id"], outcome["finding"])).collect()
    };
    for id in OUTSIDE.iter().chain(&DONE).chain(&["hw.smart", "hw.ups", "hw.room", "time.ntp"]) {
        assert_eq!(outcome(&printed, id)["state"], "pass", "{:#}", outcome(&printed, id));
    }
    assert_eq!((with_state("fail"), with_state("skip")), (Vec::new(), Vec::new()));
    println!("warned: {:?}", with_state("warn"));

    let unsigned = office.get("/site/certificate.pdf");
    assert!(unsigned.body.contains("Commissioning report, not signed"), "the title of the document");
    office.post("/site/sign", &[], "/site?said=signed");
    let signed = wait_for("the certificate", Duration::from_secs(10), || {
        Some(office.get("/site/signed.pdf")).filter(|answer| answer.status == 200)
    });
    // Only a document with the verdict that the box has passed has this title.
    assert!(signed.body.starts_with("%PDF-") && signed.body.contains("Commissioning certificate"), "{}", signed.status);
    assert!(!signed.body.contains("Not in order") && !signed.body.contains("not signed"));
    assert!(office.get("/setup/sign-off").body.contains("claire"), "who has signed is shown");
}
