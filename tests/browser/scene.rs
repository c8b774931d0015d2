//! What the tests begin with: a place without a network, a box in it, people with accounts.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use harness::browser::Browser;
use harness::portal::Visitor;
use harness::{BoxOptions, Invocation, Lab, TestBox};
use ring::hmac;

/// What everybody signs in with.
pub(crate) const PASSWORD: &str = "les trois cafés du port";

/// Runs a test in a network namespace: the box of the test has a port with an address and a way out, and behind it a
/// router that answers and knows nobody. What the box looks for there cannot leave.
pub(crate) fn apart(test: impl FnOnce(&Place) + Send + 'static) {
    let mut lab = Lab::new();
    for space in ["box", "rtr"] {
        lab.space(space);
    }
    // Addresses that come by themselves a second later would make the browser start again with what it is loading.
    lab.sysctl("box", "net.ipv6.conf.default.disable_ipv6=1");
    lab.cable("box", "rtr");
    lab.ip("box", "addr add 192.168.77.60/24 dev rtr");
    lab.ip("rtr", "addr add 192.168.77.1/24 dev box");
    lab.ip("box", "route add default via 192.168.77.1");
    let place = Place { folder: lab.folder().to_owned(), disks: RefCell::default() };
    std::fs::write(place.resolvers(), "nameserver 192.168.77.1\n").expect("resolv.conf");
    let ended = lab.thread("box", move || test(&place)).join();
    drop(lab);
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// Where a test is.
pub(crate) struct Place {
    folder: PathBuf,
    /// Those of the boxes.
    disks: RefCell<Vec<PathBuf>>,
}

impl Place {
    fn resolvers(&self) -> PathBuf {
        self.folder.join("resolv.conf")
    }

    /// A fresh box on an empty disk, which has a name of its own, sees no network ports and asks no resolvers but those
    /// of the place.
    pub(crate) fn start_box(&self) -> TestBox {
        let disk = self.folder.join(format!("disk-{}", self.disks.borrow().len()));
        std::fs::create_dir(&disk).expect("a folder");
        let options = ["-t", "tmpfs", "-o", "size=500g,mode=0700", "disk"];
        let _mounted = Invocation::new("mount").args(options).arg(&disk).run().expect_success();
        self.disks.borrow_mut().push(disk.clone());
        let script = "mount -t sysfs lab /sys && mount --bind \"$0\" /etc/resolv.conf && \
                      echo cellar >/proc/sys/kernel/hostname && exec \"$@\"";
        let own_mounts = ["unshare", "--uts", "--mount", "--propagation", "private", "sh", "-c", script];
        let resolvers = self.resolvers().to_string_lossy().into_owned();
        let words = own_mounts.into_iter().map(str::to_owned).chain([resolvers]);
        BoxOptions::new().launcher(words).data(disk).start()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for disk in self.disks.get_mut() {
            let gone = Invocation::new("umount").arg("--lazy").arg(disk).run();
            if gone.code() != Some(0) {
                eprintln!("{gone}");
            }
        }
    }
}

/// A browser that has `the_box`'s authority.
pub(crate) fn browser(the_box: &TestBox) -> Browser {
    Browser::start(Some(&the_box.authority()), "en")
}

/// The path of a one-time link that makes an admin.
pub(crate) fn admin_link(the_box: &TestBox) -> String {
    let told = the_box.command(["auth", "admin-link"]).run().expect_success().text();
    path_of(&told)
}

/// The path within a text that ends with a link.
pub(crate) fn path_of(link: &str) -> String {
    let at = link.find("/welcome/").unwrap_or_else(|| panic!("no link in {link}"));
    link[at..].split_whitespace().next().expect("a path").to_owned()
}

/// Makes an admin without a browser.
pub(crate) fn admin(the_box: &TestBox, name: &str) -> Visitor {
    let mut visitor = half_an_admin(the_box, name);
    let page = visitor.get("/welcome/second-factor").body;
    let secret = page.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("secret");
    let set = visitor.post("/welcome/second-factor", &[("secret", secret), ("code", &code(secret))]);
    assert_eq!(set.status, 200, "{}", set.body);
    visitor
}

/// An admin who has a password and no second factor yet.
pub(crate) fn half_an_admin(the_box: &TestBox, name: &str) -> Visitor {
    let mut visitor = the_box.visitor();
    let accepted = visitor.post(&admin_link(the_box), &[("name", name), ("password", PASSWORD)]);
    assert_eq!(accepted.location, "/welcome/second-factor", "{}", accepted.body);
    visitor
}

/// Has `admin` invite somebody: the path of their link.
pub(crate) fn invite(admin: &mut Visitor, name: &str, role: &str) -> String {
    let invited = admin.post("/people/new", &[("name", name), ("role", role), ("service", "restore")]);
    assert_eq!(invited.status, 200, "{}", invited.body);
    let link = invited.body.split("id=\"link\"").nth(1).and_then(|rest| rest.split('<').next()).expect("a link");
    path_of(link)
}

/// Somebody who needs no second factor, signed in.
pub(crate) fn person(the_box: &TestBox, admin: &mut Visitor, name: &str, role: &str) -> Visitor {
    let link = invite(admin, name, role);
    let mut visitor = the_box.visitor();
    let accepted = visitor.post(&link, &[("password", PASSWORD)]);
    assert_eq!(accepted.location, "/", "{}", accepted.body);
    visitor
}

/// What an authenticator app shows now for a secret in base 32 (RFC 6238: SHA-1, 30 seconds, six digits).
pub(crate) fn code(secret: &str) -> String {
    let letters: String = secret.chars().filter(|c| !c.is_whitespace()).collect();
    let key = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).expect("a secret is base 32");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    code_at(&key, now / 30)
}

/// RFC 4226, 5.3.
fn code_at(key: &[u8], step: u64) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 0x0f);
    let number = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[test]
fn codes_are_those_of_the_standard() {
    // RFC 4226, appendix D.
    let codes = [(0, "755224"), (1, "287082"), (9, "520489")];
    for (step, expected) in codes {
        assert_eq!(code_at(b"12345678901234567890", step), expected);
    }
}
