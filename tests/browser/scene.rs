//! What the tests begin with: a place without a network, a box in it, people with accounts.

use std::cell::RefCell;
use std::path::PathBuf;

use harness::browser::Browser;
pub(crate) use harness::people::{PASSWORD, admin, admin_link, code, half_an_admin, invite, person};
use harness::{BoxOptions, Invocation, Lab, TestBox};

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
