//! Putting something back on its machine: asked for at the portal, agreed to at the machine, through both programs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use harness::portal::Visitor;
use harness::{Finished, Machine, Summary, TestBox, scratch, wait_for};
use ring::hmac;

const PASSWORD: &str = "les trois cafés du port";

/// A box with an admin, and a machine with one backup.
struct Scene {
    the_box: TestBox,
    admin: Visitor,
    machine: Machine,
    id: String,
    folder: tempfile::TempDir,
    snapshot: String,
}

impl Scene {
    fn begin() -> Self {
        let the_box = TestBox::start();
        let machine = the_box.enrol("pc");
        let folder = scratch();
        let source = folder.path().join("source");
        std::fs::create_dir_all(source.join("sub")).expect("folders");
        for (name, text) in [("a.txt", "first a"), ("sub/b.txt", "first b"), ("sub/c.txt", "first c")] {
            std::fs::write(source.join(name), text).expect("a file");
        }
        let snapshot = machine.backup(&source).snapshot;
        let id = the_box.status()["machines"][0]["id"].as_str().expect("an id").to_owned();
        let admin = admin(&the_box);
        Self { the_box, admin, machine, id, folder, snapshot }
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// Asks at the portal that `names` of `below` be put back; first sees the exact paths.
    fn ask(&mut self, below: &Path, names: &[&str], kind: &str) -> u64 {
        let address = format!("/restore/{}/source/{}/put-back", self.id, self.snapshot);
        let path = below.strip_prefix("/").expect("absolute").to_str().expect("text").to_owned();
        let mut form: Vec<(&str, &str)> = vec![("path", &path)];
        form.extend(names.iter().map(|name| ("name", *name)));
        let preview = self.admin.post(&address, &form);
        for name in names {
            let exact = below.join(name);
            assert!(preview.body.contains(exact.to_str().expect("text")), "{}", preview.body);
        }
        form.push(("kind", kind));
        let asked = self.admin.post(&address, &form);
        let number = asked.location.strip_prefix("/put-backs/").and_then(|rest| rest.split('?').next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{asked:?}"))
    }

    fn page(&mut self, request: u64) -> String {
        self.admin.get(&format!("/put-backs/{request}")).body
    }

    /// What the machine shows of a request: number and letters.
    fn mark(&self, request: u64) -> String {
        let listed = self.machine.run(["requests", "--json"]).expect_success().json();
        let listed = listed.as_array().expect("a list").iter().find(|one| one["request"] == request).cloned();
        listed.and_then(|one| one["mark"].as_str().map(str::to_owned)).unwrap_or_else(|| panic!("no request {request}"))
    }

    /// Somebody at the machine agrees to what it shows.
    fn accept(&self, request: u64) -> Finished {
        self.machine.run(["requests", "accept", &self.mark(request)])
    }

    /// What is in the source's folder beside what was backed up, by name.
    fn beside(&self, name: &str) -> Vec<PathBuf> {
        let there = std::fs::read_dir(self.source()).expect("the source");
        let paths = there.map(|entry| entry.expect("an entry").path());
        let is_it = |path: &PathBuf| {
            path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&format!("{name} (2")))
        };
        paths.filter(is_it).collect()
    }
}

fn admin(the_box: &TestBox) -> Visitor {
    let told = the_box.command(["auth", "admin-link"]).run().expect_success().text();
    let at = told.find("/welcome/").expect("a link");
    let mut visitor = the_box.visitor();
    let link = told[at..].split_whitespace().next().expect("a path");
    let accepted = visitor.post(link, &[("name", "claire"), ("password", PASSWORD)]);
    assert_eq!(accepted.location, "/welcome/second-factor", "{}", accepted.body);
    let page = visitor.get("/welcome/second-factor").body;
    let secret = page.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("secret");
    let set = visitor.post("/welcome/second-factor", &[("secret", secret), ("code", &code(secret))]);
    assert_eq!(set.status, 200, "{}", set.body);
    visitor
}

/// What an authenticator app shows now (RFC 6238: SHA-1, 30 seconds, six digits).
fn code(secret: &str) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base 32");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs() / 30;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &now.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 0x0f);
    let number = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn nothing_is_put_back_before_somebody_at_the_machine_agrees() {
    let mut scene = Scene::begin();
    let source = scene.source();
    std::fs::write(source.join("a.txt"), "second a").expect("write");
    let request = scene.ask(&source, &["a.txt"], "beside");
    let listed = scene.machine.run(["requests"]).expect_success().text();
    assert!(listed.contains("claire") && listed.contains("a.txt") && listed.contains("beside"), "{listed}");
    let status = scene.machine.run(["status"]).expect_success().text();
    assert!(status.contains("1 request waits"), "{status}");
    assert!(scene.page(request).contains("waits for the machine"));
    assert!(scene.beside("a.txt").is_empty(), "nobody has agreed yet");

    let mark = scene.mark(request);
    assert!(listed.contains(&mark), "{listed}");
    let _done = scene.machine.run(["requests", "accept", &mark]).expect_success();
    assert_eq!(read(&source.join("a.txt")), "second a", "what is there stays");
    let beside = scene.beside("a.txt");
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert_eq!(read(&beside[0]), "first a");
    let page = scene.page(request);
    assert!(page.contains("done") && page.contains("root") && page.contains(&scene.snapshot), "{page}");
    let log = scene.admin.get("/audit").body;
    assert!(log.contains("agreed to put something back") && log.contains("machine pc"), "{log}");
    assert!(log.contains("1 files, 7 bytes, 0 problems"), "{log}");
    let _twice = scene.machine.run(["requests", "accept", &mark]).expect_refusal(1, &["no request"]);
    assert_eq!(scene.beside("a.txt").len(), 1);

    // A folder that is still there gets a brother with the date.
    let folder = scene.ask(&source, &["sub"], "beside");
    let _done = scene.accept(folder).expect_success();
    let beside = scene.beside("sub");
    assert_eq!(read(&beside[0].join("b.txt")), "first b");
    assert_eq!(std::fs::read_dir(source.join("sub")).expect("sub").count(), 2);
    scene.the_box.assert_sound();
}

#[test]
fn what_is_refused_or_cancelled_is_never_put_back() {
    let mut scene = Scene::begin();
    let source = scene.source();
    std::fs::remove_file(source.join("a.txt")).expect("remove");
    let refused = scene.ask(&source, &["a.txt"], "overwrite");
    let refused_mark = scene.mark(refused);
    let _done = scene.machine.run(["requests", "refuse", &refused.to_string()]).expect_success();
    assert!(scene.page(refused).contains("refused at the machine"));
    let cancelled = scene.ask(&source, &["a.txt"], "overwrite");
    let cancelled_mark = scene.mark(cancelled);
    let told = scene.admin.post(&format!("/put-backs/{cancelled}/cancel"), &[]);
    assert!(told.location.ends_with("said=cancelled"), "{}", told.body);
    // Nobody is told that they refused what they did not.
    let over = ["requests", "refuse", &cancelled.to_string()].map(str::to_owned);
    let _over = scene.machine.run(over).expect_refusal(1, &["is over"]);
    for mark in [refused_mark, cancelled_mark] {
        let _gone = scene.machine.run(["requests", "accept", &mark]).expect_refusal(1, &["no request"]);
    }
    assert!(!source.join("a.txt").exists());
}

#[test]
fn overwriting_replaces_what_the_backup_has_and_follows_no_link() {
    let mut scene = Scene::begin();
    let source = scene.source();
    std::fs::write(source.join("sub/b.txt"), "second b").expect("write");
    std::fs::remove_file(source.join("sub/c.txt")).expect("remove");
    std::fs::write(source.join("sub/own"), "mine").expect("write");
    let request = scene.ask(&source, &["sub"], "overwrite");
    let _done = scene.accept(request).expect_success();
    assert_eq!(read(&source.join("sub/b.txt")), "first b");
    assert_eq!(read(&source.join("sub/c.txt")), "first c");
    assert_eq!(read(&source.join("sub/own")), "mine", "what the backup does not have stays");

    // Meanwhile somebody leads the folder elsewhere.
    let outside = scene.folder.path().join("outside");
    std::fs::create_dir(&outside).expect("folder");
    std::fs::write(outside.join("b.txt"), "not yours").expect("write");
    std::fs::remove_dir_all(source.join("sub")).expect("remove");
    std::os::unix::fs::symlink(&outside, source.join("sub")).expect("link");
    let request = scene.ask(&source.join("sub"), &["b.txt"], "overwrite");
    let ended = scene.accept(request);
    assert_ne!(ended.code(), Some(0), "{ended}");
    assert_eq!(read(&outside.join("b.txt")), "not yours");
    assert!(scene.page(request).contains("is not there any more"), "{}", scene.page(request));
}

#[test]
fn the_service_carries_out_what_was_agreed_to_beforehand_and_nothing_else() {
    let mut scene = Scene::begin();
    let source = scene.source();
    std::fs::write(source.join("a.txt"), "second a").expect("write");
    let replace = scene.ask(&source, &["a.txt"], "overwrite");
    let beside = scene.ask(&source, &["a.txt"], "beside");
    let _set = scene.machine.run(["requests", "allow", "beside"]).expect_success();
    let service = scene.machine.command(["service"]).patience(Duration::from_secs(300)).start();
    wait_for("the request", Duration::from_secs(90), || {
        scene.page(beside).contains("requests allow beside").then_some(())
    });
    wait_for("its end", Duration::from_secs(60), || (scene.beside("a.txt").len() == 1).then_some(()));
    service.signal(rustix::process::Signal::TERM);
    let _ended = service.wait();
    assert_eq!(read(&source.join("a.txt")), "second a");
    assert!(scene.page(replace).contains("waits for the machine"));
}

#[test]
fn a_stream_cannot_be_put_back_and_nobody_is_offered_to() {
    let mut scene = Scene::begin();
    let stream = ["backup", "--stdin", "--source", "orders", "--json"];
    let backup = Summary::of(&scene.machine.command(stream).input(b"a row".to_vec()).run().expect_success());
    let folder = format!("/restore/{}/orders/{}", scene.id, backup.snapshot);
    let page = scene.admin.get(&folder).body;
    assert!(page.contains("/archive") && !page.contains("/put-back"), "{page}");
    let form = [("path", ""), ("name", "orders"), ("kind", "beside")];
    let refused = scene.admin.post(&format!("{folder}/put-back"), &form);
    assert!(refused.body.contains("no place on the machine to go back to"), "{refused:?}");
    // What was somewhere can go back there.
    let folder = format!("/restore/{}/source/{}", scene.id, scene.snapshot);
    assert!(scene.admin.get(&folder).body.contains("/put-back"));
}
