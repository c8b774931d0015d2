//! A computer in a namespace whose addresses the real systemd-networkd manages: with a `/run`, a system bus and a
//! `/etc/systemd/network` of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Invocation, Lab, PATIENCE, wait_for};

/// What everything in the computer is started by. `$0` is its folder; what follows is run in the mounts that it made.
const MOUNTS: &str = "set -e
mount --make-rprivate /
mount -t tmpfs run /run
mkdir -p /run/dbus /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/udev
chown -R systemd-network:systemd-network /run/systemd/netif
mount -t sysfs -o ro sysfs /sys
mkdir -p \"$0/network\" \"$0/hand\"
mount --bind \"$0/network\" /etc/systemd/network
dbus-daemon --system --nopidfile --fork
exec /lib/systemd/systemd-networkd";

/// A namespace with systemd-networkd in it.
#[derive(Debug)]
pub struct Managed {
    space: String,
    folder: PathBuf,
    pid: u32,
}

impl Managed {
    /// Starts systemd-networkd in a namespace. `files`: names and texts for `/etc/systemd/network`.
    ///
    /// # Panics
    /// When it does not come up: without systemd-networkd and dbus-daemon nothing of this can be tested.
    #[must_use]
    pub fn start(lab: &mut Lab, space: &str, files: &[(&str, &str)]) -> Self {
        for program in ["/lib/systemd/systemd-networkd", "/usr/bin/networkctl", "/usr/bin/dbus-daemon"] {
            assert!(Path::new(program).exists(), "{program} is needed for this test: install systemd and dbus");
        }
        let folder = lab.folder().join(format!("managed-{space}"));
        std::fs::create_dir_all(folder.join("network")).expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.join("network").join(name), text).expect("a file");
        }
        // Its user must be able to come to the files.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(lab.folder(), open).expect("permissions");
        let unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNTS];
        let pid_file = folder.join("pid");
        let note = format!("echo $$ > {}\n{MOUNTS}", pid_file.display());
        let started = lab.inside(space, unshared[0]).args(&unshared[1..6]).arg(note).arg(&folder);
        lab.serve(started);
        let pid = wait_for("the pid of systemd-networkd", PATIENCE, || {
            std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        });
        let managed = Self { space: space.to_owned(), folder, pid };
        wait_for("systemd-networkd", Duration::from_secs(20), || {
            let reload = managed.inside(lab, "networkctl").arg("reload").run();
            (reload.code() == Some(0)).then_some(())
        });
        managed
    }

    /// A program in the computer: in its namespace, with its mounts. The box's helper keeps its journal there too.
    #[must_use]
    pub fn inside(&self, lab: &Lab, program: impl AsRef<std::ffi::OsStr>) -> Invocation {
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.pid);
        let entered = lab.inside(&self.space, "nsenter").arg(mounts).arg("--").arg(program);
        entered.env("STATE_DIRECTORY", self.folder.join("hand"))
    }

    /// The IPv4 addresses of a port.
    ///
    /// # Panics
    /// When the port is not there.
    #[must_use]
    pub fn addresses(&self, lab: &Lab, port: &str) -> Vec<String> {
        let told = lab.inside(&self.space, "ip").args(["-json", "-4", "addr", "show", "dev", port]);
        let told = told.run().expect_success().json();
        let all = told[0]["addr_info"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|address| address["local"].as_str().map(str::to_owned)).collect()
    }

    /// The files that the box may have written: in `/etc/systemd/network`.
    ///
    /// # Panics
    /// When the folder cannot be read.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join("network/06-datis.network")).ok()
    }

    /// Empties what a power cut empties, and starts the manager anew: all files in `/run/systemd/network` are gone.
    ///
    /// # Panics
    /// When it cannot.
    pub fn forget_like_a_power_cut(&self, lab: &Lab) {
        let script = "rm -f /run/systemd/network/*; networkctl reload";
        let _done = self.inside(lab, "sh").args(["-c", script]).run().expect_success();
    }
}
