//! A small shop: the box behind a router that shares one public address, and the Internet behind that.
//!
//! ```text
//! box 192.168.77.60 ── 192.168.77.1 rtr 11.22.33.2 ── 11.22.33.1 net
//! ```
//! The router serves names; the Internet has a time server on port 123.

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use harness::{Finished, Invocation, Lab, Programs};
use serde_json::Value;

/// The address of the box.
pub(crate) const BOX: &str = "192.168.77.60";
/// The router, from inside.
pub(crate) const ROUTER: &str = "192.168.77.1";
/// The time server.
pub(crate) const TIME: &str = "11.22.33.1";

/// What the router's resolver says when it is honest.
pub(crate) const HONEST: [&str; 2] = ["--address=/a.root-servers.net/198.41.0.4", "--local=/invalid/"];

pub(crate) struct Site {
    pub(crate) lab: Lab,
    pub(crate) resolvers: Vec<&'static str>,
    /// On a small disk in memory.
    data: PathBuf,
    datisd: PathBuf,
    /// Lines for the configuration, one a partner.
    pub(crate) partners: Vec<String>,
}

impl Site {
    /// The shop as it should be, but for names and time.
    pub(crate) fn build() -> Self {
        let mut lab = Lab::new();
        for space in ["box", "rtr", "net"] {
            lab.space(space);
        }
        lab.cable("box", "rtr");
        lab.cable("rtr", "net");
        lab.ip("box", &format!("addr add {BOX}/24 dev rtr"));
        lab.ip("box", &format!("route add default via {ROUTER}"));
        lab.ip("rtr", &format!("addr add {ROUTER}/24 dev box"));
        lab.ip("rtr", "addr add 11.22.33.2/24 dev net");
        lab.ip("net", &format!("addr add {TIME}/24 dev rtr"));
        lab.sysctl("rtr", "net.ipv4.ip_forward=1");
        lab.nft(
            "rtr",
            "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"net\" masquerade; }\n}",
        );
        let data = lab.folder().join("data");
        std::fs::create_dir(&data).expect("folder");
        let options = ["-t", "tmpfs", "-o", "size=64m,mode=0700", "disk"];
        let _mounted = Invocation::new("mount").args(options).arg(&data).run().expect_success();
        std::fs::write(data.join("datisd.toml"), format!("[commissioning]\ntime_servers = [\"{TIME}\"]\n"))
            .expect("configuration");
        Self { lab, resolvers: vec![ROUTER], data, datisd: Programs::plain().datisd(), partners: Vec::new() }
    }

    /// The shop as it should be.
    pub(crate) fn good() -> Self {
        let mut site = Self::build();
        site.serve_names(&HONEST);
        site.serve_time(0.0);
        site
    }

    /// Starts the router's resolver.
    pub(crate) fn serve_names(&mut self, says: &[&str]) {
        let options =
            ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--no-ping"];
        let pid_file = format!("--pid-file={}", self.lab.folder().join("dnsmasq.pid").display());
        let leases = format!("--dhcp-leasefile={}", self.lab.folder().join("leases").display());
        let dnsmasq = self.lab.inside("rtr", "dnsmasq").args(options).args([pid_file, leases]).args(says);
        self.lab.serve(dnsmasq);
        self.wait_for_port("rtr", ":53");
    }

    /// The hardware address of the box.
    pub(crate) fn mac(&self) -> String {
        self.mac_of("box", "rtr")
    }

    fn mac_of(&self, space: &str, port: &str) -> String {
        let told =
            self.lab.inside(space, "ip").args(["-json", "link", "show", "dev", port]).run().expect_success().json();
        told[0]["address"].as_str().expect("a hardware address").to_owned()
    }

    /// The box takes a lease by a client that tells the kernel nothing of its end, and loses the address it had.
    pub(crate) fn take_a_lease_silently(&self) -> String {
        self.lab.ip("box", "addr flush dev rtr");
        let script = self.lab.folder().join("udhcpc.sh");
        let text = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip addr add \"$ip/24\" dev \"$interface\"\n\
                    ip route replace default via \"$router\"\necho \"lent $ip\"\n";
        std::fs::write(&script, text).expect("script");
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("script");
        let options = ["udhcpc", "--foreground", "--quit", "--now", "--interface", "rtr", "--script"];
        let ran = self.lab.inside("box", "busybox").args(options).arg(script).run().expect_success().text();
        ran.lines().find_map(|line| line.strip_prefix("lent ")).expect("a lease").to_owned()
    }

    /// Another device in the shop, on the router's switch. Gives its hardware address.
    pub(crate) fn add_a_till(&mut self, address: &str) -> String {
        self.lab.space("till");
        self.lab.cable("till", "rtr");
        // What was a cable between box and router becomes a switch with three.
        for command in ["link add lan type bridge", "link set lan up", "addr del 192.168.77.1/24 dev box"] {
            self.lab.ip("rtr", command);
        }
        for port in ["box", "till"] {
            self.lab.ip("rtr", &format!("link set {port} master lan"));
        }
        self.lab.ip("rtr", &format!("addr add {ROUTER}/24 dev lan"));
        self.lab.ip("till", &format!("addr add {address}/24 dev rtr"));
        self.mac_of("till", "rtr")
    }

    /// A device in the shop lends addresses too.
    pub(crate) fn lend_from(&mut self, space: &str) {
        let options = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping"];
        let range = "--dhcp-range=192.168.77.210,192.168.77.220,255.255.255.0,36h";
        let pid_file = format!("--pid-file={}", self.lab.folder().join("second.pid").display());
        let leases = format!("--dhcp-leasefile={}", self.lab.folder().join("second.leases").display());
        let second = self.lab.inside(space, "dnsmasq").args(options).args([range, &pid_file, &leases]);
        self.lab.serve(second);
        self.wait_for_port(space, ":67");
    }

    /// A UPS on the box's computer that says what is in `told`: NUT's own server and its driver for tests.
    pub(crate) fn add_a_ups(&mut self, told: &str) {
        let folder = self.lab.folder().join("nut");
        std::fs::create_dir(&folder).expect("folder");
        for (name, text) in [
            ("ups.conf", "[shop]\ndriver = dummy-ups\nport = shop.dev\n"),
            ("upsd.conf", "LISTEN 127.0.0.1 3493\n"),
            ("upsd.users", ""),
            ("shop.dev", told),
        ] {
            std::fs::write(folder.join(name), text).expect("configuration");
        }
        for (program, options) in
            [("/lib/nut/dummy-ups", &["-u", "root", "-F", "-a", "shop"][..]), ("/lib/nut/upsd", &["-u", "root", "-F"])]
        {
            let service = self.lab.inside("box", program).args(options);
            self.lab.serve(service.env("NUT_CONFPATH", &folder).env("NUT_STATEPATH", &folder));
        }
        let asked = self.lab.inside("box", "upsc").args(["shop@127.0.0.1", "ups.status"]);
        harness::wait_for("the UPS", Duration::from_secs(30), || {
            let answer = asked.clone().run();
            // The server says so until the driver has told it anything.
            (answer.code() == Some(0) && answer.text().trim() != "WAIT").then_some(())
        });
    }

    /// Runs the box itself, from now on.
    pub(crate) fn run(&mut self) {
        let datisd = self.lab.inside_with_resolvers("box", &self.resolvers, &self.datisd);
        let daemon = datisd.arg("--data").arg(&self.data).args(["run", "--portal-port", "0"]);
        self.lab.serve(daemon);
        let ready = self.data.join("run.json");
        harness::wait_for("the box", Duration::from_secs(20), || ready.exists().then_some(()));
    }

    pub(crate) fn wait_for_port(&self, space: &str, port: &str) {
        let listening = self.lab.inside(space, "ss").arg("-Hlun");
        harness::wait_for(port, Duration::from_secs(20), || {
            listening.clone().run().text().contains(port).then_some(())
        });
    }

    /// Starts a time server whose clock is `ahead` seconds ahead.
    pub(crate) fn serve_time(&self, ahead: f64) {
        let address = (TIME.parse::<Ipv4Addr>().expect("an address"), 123).into();
        self.lab.answer_datagrams("net", address, move |query| time_answer(query, ahead).to_vec());
    }

    /// The folder of the box.
    pub(crate) fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The program as the box has it.
    pub(crate) fn datisd(&self) -> &std::path::Path {
        &self.datisd
    }

    /// Writes the configuration of the box: its partners, and what stands in `more`.
    pub(crate) fn configure(&self, more: &str) {
        let text =
            format!("[commissioning]\ntime_servers = [\"{TIME}\"]\ncoordinators = {:?}\n{more}\n", self.partners);
        std::fs::write(self.data.join("datisd.toml"), text).expect("configuration");
    }

    /// Runs `datisd commission` in the shop.
    pub(crate) fn commission(&self, options: &[&str]) -> Finished {
        let datisd = self.lab.inside_with_resolvers("box", &self.resolvers, &self.datisd);
        datisd.arg("--data").arg(&self.data).arg("commission").args(options).run()
    }

    /// Fills that disk until so much of it is used.
    pub(crate) fn fill_to(&self, percent: u64) {
        let filler = File::options().append(true).create(true).open(self.data.join("filler")).expect("a file");
        let disk = rustix::fs::fstatvfs(&filler).expect("the room");
        let used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize;
        let more = (disk.f_blocks * disk.f_frsize * percent / 100).checked_sub(used).expect("there is less on it");
        std::io::copy(&mut std::io::repeat(7).take(more), &mut &filler).expect("room");
    }

    /// The daemon alone, in a folder of its own.
    pub(crate) fn without_the_helper(mut self) -> Self {
        let alone = self.lab.folder().join("datisd");
        std::fs::copy(&self.datisd, &alone).expect("a copy");
        self.datisd = alone;
        self
    }

    /// The router lends addresses, and tells clients apart by nothing but their hardware addresses.
    pub(crate) fn lend_by_hardware(&mut self) {
        let folder = self.lab.folder();
        let leases = folder.join("udhcpd.leases");
        std::fs::write(&leases, "").expect("file");
        let config = format!(
            "interface box\nstart 192.168.77.50\nend 192.168.77.150\nlease_file {}\npidfile {}\n\
             opt subnet 255.255.255.0\nopt router {ROUTER}\nopt lease 129600\n",
            leases.display(),
            folder.join("udhcpd.pid").display()
        );
        std::fs::write(folder.join("udhcpd.conf"), config).expect("configuration");
        let udhcpd = self.lab.inside("rtr", "busybox").args(["udhcpd", "-f"]).arg(folder.join("udhcpd.conf"));
        self.lab.serve(udhcpd);
        self.wait_for_port("rtr", ":67");
    }

    /// Makes the box; without it there is nothing to commission.
    pub(crate) fn init(self) -> Self {
        let datisd = self.lab.inside("box", &self.datisd);
        let _made = datisd.arg("--data").arg(&self.data).arg("init").run().expect_success();
        self
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let gone = Invocation::new("umount").arg(&self.data).run();
        if gone.code() != Some(0) {
            eprintln!("{gone}");
        }
    }
}

/// An answer of SNTP (RFC 5905, figure 8): version 4, server, stratum 1.
fn time_answer(query: &[u8], ahead: f64) -> [u8; 48] {
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_secs_f64() + ahead;
    // Seconds since 1900 and their 2^32nd parts; the 53 bits of the number are good for a millionth of a second.
    let since_1900 = ((now + 2_208_988_800.0) * f64::from(1 << 16)) as u64;
    let stamp = (since_1900 << 16).to_be_bytes();
    let mut answer = [0; 48];
    (answer[0], answer[1], answer[3]) = (0x24, 1, 0xEC);
    answer[12..16].copy_from_slice(b"LAB\0");
    answer[16..24].copy_from_slice(&stamp);
    // What the client sent comes back, so that it knows its own question.
    answer[24..32].copy_from_slice(&query[40..48]);
    answer[32..40].copy_from_slice(&stamp);
    answer[40..48].copy_from_slice(&stamp);
    answer
}

/// The outcome of one check in what `datisd commission --json` printed.
#[track_caller]
pub(crate) fn outcome<'j>(printed: &'j Value, id: &str) -> &'j Value {
    let all = printed.as_array().expect("an array");
    all.iter().find(|outcome| outcome["id"] == id).unwrap_or_else(|| panic!("no check {id} in {printed:#}"))
}
