//! A laboratory: sites made of network namespaces, with real routers in them, in which a real box runs.
//!
//! Everything has addresses of its own inside the namespaces and ends with the [`Lab`]. Needs root.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Invocation, Running, scratch};

/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";

/// A set of network namespaces, and what runs in them.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    spaces: Vec<String>,
    services: Vec<Running>,
    folder: tempfile::TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// An empty laboratory.
    ///
    /// # Panics
    /// When its folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("datis-{}-{}-", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        Self { prefix, spaces: Vec::new(), services: Vec::new(), folder: scratch() }
    }

    /// A folder that goes with the laboratory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a namespace, with its loopback device up.
    ///
    /// # Panics
    /// When the kernel makes none.
    pub fn space(&mut self, name: &str) {
        run("ip", ["netns", "add", &self.full(name)]);
        self.spaces.push(name.to_owned());
        self.ip(name, "link set lo up");
    }

    /// Lays a cable between two namespaces; each end has the name of the other end's namespace.
    ///
    /// # Panics
    /// When the kernel lays none.
    pub fn cable(&self, one: &str, other: &str) {
        let (here, there) = (self.full(one), self.full(other));
        run("ip", ["link", "add", other, "netns", &here, "type", "veth", "peer", "name", one, "netns", &there]);
        self.ip(one, &format!("link set {other} up"));
        self.ip(other, &format!("link set {one} up"));
    }

    /// Runs `ip` in a namespace; `words` are separated by spaces.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ip(&self, space: &str, words: &str) {
        self.run_in(space, "ip", words.split(' '));
    }

    /// Runs `nft` in a namespace, with `rules` as its input.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn nft(&self, space: &str, rules: &str) {
        let _done = self.inside(space, "nft").args(["-f", "-"]).input(rules).run().expect_success();
    }

    /// Sets a kernel parameter of a namespace.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn sysctl(&self, space: &str, setting: &str) {
        self.run_in(space, "sysctl", ["-q", "-w", setting]);
    }

    #[track_caller]
    fn run_in<'w>(&self, space: &str, program: &str, words: impl IntoIterator<Item = &'w str>) {
        let _done = self.inside(space, program).args(words).run().expect_success();
    }

    /// `program` in a namespace. In `/sys` it still sees the computer's own ports.
    #[must_use]
    pub fn inside(&self, space: &str, program: impl AsRef<std::ffi::OsStr>) -> Invocation {
        Invocation::new("nsenter").args(self.enter(space)).arg("--").arg(program)
    }

    /// The same with a resolv.conf(5) of its own, and with the namespace's ports in `/sys`.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn inside_with_resolvers(
        &self,
        space: &str,
        resolvers: &[&str],
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Invocation {
        let file = self.folder.path().join(format!("resolv-{space}.conf"));
        let lines: String = resolvers.iter().map(|resolver| format!("nameserver {resolver}\n")).collect();
        std::fs::write(&file, lines).expect("resolv.conf");
        let script = "mount -t sysfs lab /sys && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let own_mounts = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script];
        Invocation::new("nsenter").args(self.enter(space)).arg("--").args(own_mounts).arg(file).arg(program)
    }

    fn enter(&self, space: &str) -> [String; 1] {
        [format!("--net={}", self.path(space).display())]
    }

    /// Starts a service; it is killed with the laboratory.
    pub fn serve(&mut self, service: Invocation) {
        self.services.push(service.start());
    }

    /// A thread that lives in a namespace.
    ///
    /// # Panics
    /// When there is no such namespace. The thread panics when it cannot enter it.
    pub fn thread<T: Send + 'static>(&self, space: &str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let space = File::open(self.path(space)).expect("the namespace is there");
        std::thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("a thread can move");
            work()
        })
    }

    /// Does something within a namespace, and waits for it. What it starts lives there too.
    ///
    /// # Panics
    /// When there is no such namespace, or with what `work` panics.
    pub fn within<T: Send>(&self, space: &str, work: impl FnOnce() -> T + Send) -> T {
        let space = File::open(self.path(space)).expect("the namespace is there");
        let done = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("a thread can move");
                work()
            });
            inside.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A service that answers datagrams at an address of a namespace. It ends a minute after the last question: its
    /// test is over then.
    ///
    /// # Panics
    /// When the address is taken or there is no such namespace. The service panics when it cannot answer.
    pub fn answer_datagrams(
        &self,
        space: &str,
        address: SocketAddr,
        mut answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    ) {
        let (ready, is_ready) = std::sync::mpsc::channel();
        self.thread(space, move || {
            let socket = UdpSocket::bind(address).expect("the address is free");
            socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
            ready.send(()).expect("the test waits");
            let mut question = [0; 2_048];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                socket.send_to(&answer(&question[..length]), from).expect("an answer");
            }
        });
        is_ready.recv().expect("the service runs");
    }

    /// A service that takes connections at an address of a namespace, each on a thread of its own. It ends a minute after
    /// the last one: its test is over then.
    ///
    /// # Panics
    /// When the address is taken or there is no such namespace.
    pub fn answer_connections(
        &self,
        space: &str,
        address: SocketAddr,
        answer: impl Fn(TcpStream) + Clone + Send + 'static,
    ) {
        let (ready, is_ready) = std::sync::mpsc::channel();
        self.thread(space, move || {
            let listener = TcpListener::bind(address).expect("the address is free");
            listener.set_nonblocking(true).expect("a listener that does not wait for ever");
            ready.send(()).expect("the test waits");
            let mut last = Instant::now();
            while last.elapsed() < Duration::from_secs(60) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                last = Instant::now();
                stream.set_nonblocking(false).expect("a stream");
                let answer = answer.clone();
                std::thread::spawn(move || answer(stream));
            }
        });
        is_ready.recv().expect("the service runs");
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(NAMESPACES).join(self.full(name))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.services.clear();
        for space in &self.spaces {
            let gone = Invocation::new("ip").args(["netns", "del", &self.full(space)]).run();
            if gone.code() != Some(0) {
                eprintln!("{gone}");
            }
        }
    }
}

#[track_caller]
fn run<'w>(program: &str, words: impl IntoIterator<Item = &'w str>) {
    let _done = Invocation::new(program).args(words).run().expect_success();
}
