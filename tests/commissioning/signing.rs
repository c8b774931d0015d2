//! The whole first day at a good site, as people click it: the admin comes in, the technician answers, mends and lets the
//! first machine in, the admin shows the kit and restores the first file, the technician signs. The box, its router, its
//! partners outside, the UPS and the mail server are real; the checks find all of them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use harness::browser::Browser;
use harness::clicks::{become_admin, invite, picture, prove_the_kit, see_the_checks_end, tick};
use harness::people::{PASSWORD, path_of};
use harness::{Finished, Programs, repository};
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

/// A good site whose box runs, and its mail server.
struct Office {
    site: Site,
    portal: String,
    mails: Mutex<Receiver<String>>,
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
        let port = told["portal"].as_str().and_then(|address| address.rsplit(':').next()).expect("a port");
        let portal = format!("https://127.0.0.1:{port}");
        Self { site, portal, mails: Mutex::new(mails) }
    }

    /// A browser at the site that has the box's authority.
    fn browser(&self) -> Browser {
        Browser::start(Some(&self.site.data().join("keys/portal-ca.der")), "en")
    }

    /// The address of a page.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.portal)
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

    /// What is worth a backup.
    fn papers(&self) -> PathBuf {
        let papers = self.site.lab.folder().join("papers");
        std::fs::create_dir(&papers).expect("a folder");
        std::fs::write(papers.join("contract.txt"), "in writing").expect("a file");
        papers
    }

    fn admin_comes_in(&self, admin: &Browser) {
        let link = self.url(&path_of(&self.datisd(&["auth", "admin-link"]).text()));
        become_admin(admin, &link, "claire");
        admin.see("The box is ready. Add the first machine.");
    }

    fn technician_comes_in(&self, admin: &Browser, technician: &Browser) {
        admin.press("Accounts");
        let link = invite(admin, "Théo", "technician");
        technician.open(&self.url(&path_of(&link)));
        technician.fill("New password", PASSWORD);
        technician.press("Continue");
        technician.see("This box is not signed for yet.");
        technician.open(&self.url("/setup/sign-off"));
        technician.see("Nobody can sign for this box yet");
    }

    fn technician_answers_about_the_place(&self, technician: &Browser) {
        technician.open(&self.url("/setup/place"));
        tick(technician, &PLACE);
        technician.press("Save");
        technician.see("Saved.");
        technician.see("The place is dry, out of the sun, free of dust, and has a network and a power socket.");
        picture(technician, "setup-place");
    }

    fn technician_sets_up_the_mail(&self, technician: &Browser) {
        technician.open(&self.url("/setup/mail"));
        technician.see("Nobody gets mail from this box");
        technician.press("To mail and reports");
        technician.fill("Addresses, one a line", "claire@example.org");
        technician.fill("Mail server (SMTP)", TIME);
        technician.fill("Port", &MAIL.to_string());
        technician.choose("Protection", "none (own network only)");
        technician.fill("Sender's address", "box@example.org");
        technician.press("Save");
        technician.see("Saved.");
        technician.press("Send a test");
        technician.see("The mail is on its way.");
        let mails = self.mails.lock().expect("nobody else reads mail");
        let mail = mails.recv_timeout(Duration::from_secs(60)).expect("a mail");
        let told = mail.replace("=\n", "");
        let code = told.split("The code of this mail is ").nth(1).and_then(|rest| rest.get(..6)).expect("a code");
        technician.see("taken by the server");
        technician.fill("Code of the mail", code);
        technician.press("Check the code");
        technician.see("The mail has arrived and was read.");
        picture(technician, "reports");
    }

    fn technician_lets_the_first_machine_in(&self, technician: &Browser) {
        technician.open(&self.url("/setup/first-machine"));
        technician.press("Add the first machine");
        technician.fill("Name of the machine", "till");
        technician.choose("What it is", "server");
        technician.press("Make the line");
        let command = technician.content("#command");
        let uri = command.split('\'').nth(1).unwrap_or_else(|| panic!("no address in {command}"));
        let papers = self.papers();
        let _enrolled = self.datis(&["enrol", uri]);
        let _saved = self.datis(&["backup", papers.to_str().expect("a path")]);
        technician.press("Overview");
        technician.see("All is well: every machine has a recent backup.");
    }

    fn admin_shows_the_kit(&self, admin: &Browser) {
        admin.open(&self.url("/setup/kit"));
        admin.press("To the recovery kit");
        prove_the_kit(admin, &self.datisd(&["kit"]).text());
    }

    fn admin_restores_the_first_file(&self, admin: &Browser) {
        admin.press("Restore");
        admin.press("till: papers");
        // A search finds it too, once the box has entered the new names: the folders are there at once.
        let papers = self.site.lab.folder().join("papers");
        for folder in papers.components().skip(1) {
            admin.press(folder.as_os_str().to_str().expect("a name"));
        }
        admin.see("contract.txt");
        picture(admin, "restore");
        admin.press("Download: contract.txt");
        assert_eq!(admin.downloaded("contract.txt"), b"in writing");
    }

    /// The checks in the portal, and all of them again on the console, which tells more.
    fn technician_checks_the_site(&self, technician: &Browser) {
        technician.press("The site");
        let began = Instant::now();
        technician.press("Check now");
        technician.see("The checks have been started.");
        see_the_checks_end(technician);
        let took = began.elapsed();
        println!("all checks took {took:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
        picture(technician, "site-good");

        let printed = self.site.commission(&["--json"]).expect_success().json();
        let with_state = |state: &str| -> Vec<String> {
            let all = printed.as_array().expect("an array").iter().filter(|outcome| outcome["state"] == state);
            all.map(|outcome| format!("{} {}", outcome["id"], outcome["finding"])).collect()
        };
        for id in OUTSIDE.iter().chain(&DONE).chain(&["hw.smart", "hw.ups", "hw.room", "time.ntp"]) {
            assert_eq!(outcome(&printed, id)["state"], "pass", "{:#}", outcome(&printed, id));
        }
        assert_eq!((with_state("fail"), with_state("skip")), (Vec::new(), Vec::new()));
        println!("warned: {:?}", with_state("warn"));
    }

    fn technician_signs(&self, technician: &Browser) {
        technician.open(&self.url("/setup/sign-off"));
        picture(technician, "setup-sign-off");
        technician.press("Sign for this box");
        technician.see("Signed. The certificate is kept on the box.");
        technician.open(&self.url("/setup/sign-off"));
        technician.see("This box is signed for.");
        let script = "return fetch('/site/signed.pdf').then((answer) => answer.arrayBuffer())\
                      .then((bytes) => new TextDecoder('latin1').decode(bytes))";
        let sheet = technician.run(script, &[]);
        let sheet = sheet.as_str().expect("a document");
        // Only a document with the verdict that the box has passed has this title.
        assert!(sheet.starts_with("%PDF-") && sheet.contains("Commissioning certificate"), "{} bytes", sheet.len());
        assert!(!sheet.contains("Not in order") && !sheet.contains("not signed"));
        technician.press("Overview");
        technician.see("All is well: every machine has a recent backup.");
        assert!(!technician.text().contains("not signed for"), "{}", technician.text());
    }
}

/// What is true of a good place, in the words of the page.
const PLACE: [&str; 10] = [
    "It is dry",
    "The sun does not get to it",
    "It is free of dust",
    "It has a network socket",
    "It has a power socket",
    "By a UPS",
    "All of them",
    "Fibre",
    "No, it is this site’s alone",
    "No",
];

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
fn the_first_day_at_a_good_site_is_clicked_from_the_link_to_the_signature() {
    let office = Office::open();
    office.site.lab.within("box", || {
        let (admin, technician) = (office.browser(), office.browser());
        office.admin_comes_in(&admin);
        office.technician_comes_in(&admin, &technician);
        office.technician_answers_about_the_place(&technician);
        office.technician_sets_up_the_mail(&technician);
        office.technician_lets_the_first_machine_in(&technician);
        office.admin_shows_the_kit(&admin);
        office.admin_restores_the_first_file(&admin);
        office.technician_checks_the_site(&technician);
        office.technician_signs(&technician);
        for browser in [&admin, &technician] {
            assert_eq!(browser.complaints(), Vec::<String>::new());
        }
    });
}

#[test]
fn what_a_machine_has_restored_by_itself_counts_as_the_first_restore() {
    let office = Office::open();
    let papers = office.papers();
    let uri = office.datisd(&["enrol-code", "--machine", "till", "--profile", "desktop"]).text();
    let _enrolled = office.datis(&["enrol", uri.trim()]);
    let _saved = office.datis(&["backup", papers.to_str().expect("a path")]);
    let finding = || {
        let told = office.site.commission(&["--json", "--only", "client.first"]).json();
        outcome(&told, "client.first")["finding"].clone()
    };
    assert_eq!(finding(), "machine-saved");
    let back = office.site.lab.folder().join("back");
    let _restored = office.datis(&["restore", "latest", "--to", back.to_str().expect("a path")]);
    let file = back.join(papers.strip_prefix("/").expect("below the root")).join("contract.txt");
    assert_eq!(std::fs::read_to_string(file).expect("it is back"), "in writing");
    assert_eq!(finding(), "machine-restored");
}
