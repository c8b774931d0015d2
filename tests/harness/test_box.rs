//! A real `datisd` in a folder of its own, on ports of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{signal_process, wait_until};
use crate::{Invocation, Machine, Programs, portal, scratch, wait_for};

/// How long a box may take from its start until it serves (invariant: 30 s).
const START: Duration = Duration::from_secs(30);

/// How long a box may take to stop after SIGTERM.
const STOP: Duration = Duration::from_secs(30);

/// The site is checked in a laboratory, not wherever the tests run.
const NO_SITE: &str = "[commissioning]\nautomatic = false\n[discovery]\nmdns = false\n";

/// What a box is started with.
#[derive(Debug)]
pub struct BoxOptions {
    programs: Programs,
    data: Option<PathBuf>,
    config: Option<String>,
    environment: Vec<(OsString, OsString)>,
    launcher: Vec<OsString>,
    listen: IpAddr,
}

impl Default for BoxOptions {
    fn default() -> Self {
        let (environment, launcher, listen) = (Vec::new(), Vec::new(), Ipv4Addr::LOCALHOST.into());
        Self { programs: Programs::plain(), data: None, config: None, environment, launcher, listen }
    }
}

impl BoxOptions {
    /// The usual: shipped programs, a fresh folder, no configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the programs.
    #[must_use]
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    /// Sets the box's folder, for instance on a file system that the test made; it is not removed afterwards.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Sets `datisd.toml`.
    #[must_use]
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = Some(toml.into());
        self
    }

    /// Sets an environment variable of the daemon and of its commands.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Moves the daemon's clock, such as by `+10y`, `-400d` (libfaketime). Time goes on at its usual speed.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    #[must_use]
    pub fn clock(self, offset: &str) -> Self {
        const ARCHITECTURES: [&str; 2] = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        let library = ARCHITECTURES.map(|name| PathBuf::from(format!("/usr/lib/{name}/faketime/libfaketimeMT.so.1")));
        let library =
            library.into_iter().find(|path| path.is_file()).expect("the Debian package libfaketime is installed");
        self.env("LD_PRELOAD", library).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Starts the daemon through another program, such as `prlimit --nofile=100`. The process id is then that one's: it must
    /// replace itself by the daemon.
    #[must_use]
    pub fn launcher<A: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = A>) -> Self {
        self.launcher = words.into_iter().map(|w| w.as_ref().to_owned()).collect();
        self
    }

    /// Sets the address that it listens on; loopback, unless one is set.
    #[must_use]
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.listen = address;
        self
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(self) -> TestBox {
        let mut stopped = self.prepare();
        stopped.start_again();
        stopped
    }

    /// Makes the folder and starts nothing: [`TestBox::start_again`] and [`TestBox::try_start`] do.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn prepare(self) -> TestBox {
        let folder = scratch();
        let data = self.data.clone().unwrap_or_else(|| folder.path().join("box"));
        let config = data.join("datisd.toml");
        if self.config.is_some() || !config.exists() {
            let set = self.config.as_deref().unwrap_or_default();
            let as_the_box_would = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&data);
            as_the_box_would.expect("the box's folder can be made");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(config);
            let written = file.as_mut().map(|file| file.write_all(format!("{set}\n{NO_SITE}").as_bytes()));
            written.expect("datisd.toml can be made").expect("datisd.toml can be written");
        }
        let log = folder.path().join("datisd.log");
        TestBox { options: self, folder, data, log, daemon: None, ports: None }
    }
}

/// A box. Its daemon is killed when it is dropped.
#[derive(Debug)]
pub struct TestBox {
    options: BoxOptions,
    folder: tempfile::TempDir,
    data: PathBuf,
    log: PathBuf,
    daemon: Option<Child>,
    ports: Option<Ports>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    machine: u16,
    portal: u16,
}

impl TestBox {
    /// A box with the defaults.
    #[must_use]
    pub fn start() -> Self {
        BoxOptions::new().start()
    }

    /// Its folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Makes the next start use the ports of another box, which must be stopped by then.
    pub fn take_ports_of(&mut self, other: &Self) {
        self.ports = other.ports;
    }

    /// A folder beside it for whatever the test needs, removed with the box.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    /// Its machine port.
    ///
    /// # Panics
    /// When it was never started.
    #[must_use]
    pub fn machine_port(&self) -> u16 {
        self.ports.expect("the box was started").machine
    }

    /// Its portal port.
    ///
    /// # Panics
    /// When it was never started.
    #[must_use]
    pub fn portal_port(&self) -> u16 {
        self.ports.expect("the box was started").portal
    }

    /// The daemon's process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").id()
    }

    /// What the daemon has logged in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Starts the daemon, on the same ports as before.
    ///
    /// # Panics
    /// When it does not serve within 30 s.
    #[track_caller]
    pub fn start_again(&mut self) {
        let began = Instant::now();
        loop {
            match self.try_start() {
                Ok(()) => return,
                // Between two lives of the box another program of this computer may have been given its port.
                Err(told) if told.contains("in use") && began.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(told) => panic!("the box does not start: {told}"),
            }
        }
    }

    /// Starts the daemon; what it logged this time, when it ends instead of serving.
    ///
    /// # Errors
    /// The lines that it logged.
    ///
    /// # Panics
    /// When it runs already, or neither serves nor ends within 30 s.
    pub fn try_start(&mut self) -> Result<(), String> {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log_len = self.log().len();
        let (machine_port, portal_port) = self.ports.map_or((0, 0), |ports| (ports.machine, ports.portal));
        let mut words = self.options.launcher.clone();
        words.push(self.options.programs.datisd().into_os_string());
        let listen = self.options.listen.to_string();
        for word in ["--data", &self.data.to_string_lossy(), "run", "--listen", &listen, "--portal-listen", "127.0.0.1"]
        {
            words.push(word.into());
        }
        for (flag, port) in [("--machine-port", machine_port), ("--portal-port", portal_port)] {
            words.extend([flag.into(), port.to_string().into()]);
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("datisd can be started");
        let stdout = child.stdout.take().expect("a pipe was asked for");
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more after the first line; the pipe is emptied all the same.
                let _listening = tell.send(line);
            }
        });
        let deadline = Instant::now() + START;
        loop {
            match told.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => {
                    if let Some(ports) = read_ready_line(&line) {
                        self.ports = Some(ports);
                        self.daemon = Some(child);
                        return Ok(());
                    }
                }
                Err(_) if child.try_wait().expect("the system tells").is_some() => {
                    return Err(self.log().get(log_len..).unwrap_or_default().to_owned());
                }
                Err(_) => {}
            }
            if Instant::now() > deadline {
                self.daemon = Some(child);
                panic!("the box does not serve after {} s\n{}", START.as_secs(), self.log());
            }
        }
    }

    /// Kills the daemon as a crash would (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.kill().expect("a child can be killed");
        daemon.wait().expect("a killed child ends");
    }

    /// Has the daemon stand still (SIGSTOP): it takes connections, and answers nothing. It can be killed as ever.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        signal_process(self.pid(), Signal::STOP);
    }

    /// Has it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        signal_process(self.pid(), Signal::CONT);
    }

    /// Lets go of the daemon: it goes on running when this is dropped, and its folder and log stay.
    pub fn leave_running(mut self) {
        self.folder.disable_cleanup(true);
        self.daemon = None;
    }

    /// Asks the daemon to stop (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// When it does not end within 30 s with exit code 0.
    #[track_caller]
    pub fn stop(&mut self) {
        signal_process(self.pid(), Signal::TERM);
        let status = self.wait_for_end(STOP);
        assert_eq!(
            status.and_then(|s| s.code()),
            Some(0),
            "the box did not stop gracefully: {status:?}\n{}",
            self.log()
        );
    }

    /// Waits until the daemon ends by itself; `None` when it still runs after `within`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn wait_for_end(&mut self, within: Duration) -> Option<ExitStatus> {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = daemon.try_wait().expect("the system tells") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.daemon = Some(daemon);
        None
    }

    /// `datisd --data … WORDS`, to be run.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Invocation {
        let mut command = Invocation::new(self.options.programs.datisd()).arg("--data").arg(&self.data).args(words);
        for (name, value) in &self.options.environment {
            command = command.env(name, value);
        }
        command
    }

    /// A fresh enrolment URI.
    ///
    /// # Panics
    /// When the box gives none.
    #[track_caller]
    #[must_use]
    pub fn enrol_code(&self, machine: &str, profile: &str) -> String {
        let finished = self.command(["enrol-code", "--machine", machine, "--profile", profile]).run().expect_success();
        let text = finished.text();
        let uri = text.trim_end();
        assert!(uri.starts_with("datis://") && !uri.contains(char::is_whitespace), "no enrolment URI\n{finished}");
        uri.to_owned()
    }

    /// A machine that is not enrolled; its state lies beside the box.
    #[must_use]
    pub fn machine(&self, name: &str) -> Machine {
        Machine::new(&self.options.programs, self.folder.path().join(format!("machine-{name}")), name)
    }

    /// An enrolled server.
    ///
    /// # Panics
    /// When enrolment does not work.
    #[track_caller]
    #[must_use]
    pub fn enrol(&self, name: &str) -> Machine {
        let machine = self.machine(name);
        machine.run(["enrol", &self.enrol_code(name, "server")]).expect_success();
        machine
    }

    /// `datisd status --json`.
    ///
    /// # Panics
    /// When it does not work.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        self.command(["status", "--json"]).run().expect_success().json()
    }

    /// `datisd verify`: reads and opens everything.
    ///
    /// # Panics
    /// When it finds damage or does not work.
    #[track_caller]
    pub fn assert_sound(&self) {
        self.command(["verify"]).run().expect_success();
    }

    /// GET on the portal, from this computer and as nobody: status and body.
    ///
    /// # Panics
    /// When it does not answer, or its certificate is not one of the box's authority for this address.
    #[track_caller]
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        let port = self.portal_port();
        let authority = std::fs::read(self.data.join("keys/portal-ca.der")).expect("the portal's authority");
        let mut stream = portal::connect(("127.0.0.1", port), authority);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")
            .expect("the portal reads");
        let answer = portal::read_to_end(&mut stream);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer has a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an HTTP answer has a status");
        (status, body.to_owned())
    }

    /// The certificate of its portal's authority, as DER.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.data.join("keys/portal-ca.der")
    }

    /// Somebody who speaks to the portal by hand, and is not signed in.
    ///
    /// # Panics
    /// When the box was never started.
    #[must_use]
    pub fn visitor(&self) -> portal::Visitor {
        portal::Visitor::new(self.portal_port(), std::fs::read(self.authority()).expect("the portal's authority"))
    }

    /// An address of the portal.
    ///
    /// # Panics
    /// When it was never started.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.portal_port())
    }

    /// The value of one metric, all its labels added up; `None` when there is none of this name.
    ///
    /// # Panics
    /// When the portal does not answer.
    #[track_caller]
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        let values: Vec<f64> = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Every pack file in the store, sorted.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    pub fn packs(&self) -> Vec<PathBuf> {
        let mut packs = Vec::new();
        let root = self.data.join("store").join("packs");
        if root.is_dir() {
            collect(&root, &mut packs);
        }
        packs.retain(|path| path.extension().is_some_and(|e| e == "pack"));
        packs.sort();
        packs
    }

    /// Every shard that it keeps for others, with its length in bytes.
    #[must_use]
    pub fn shards(&self) -> Vec<(PathBuf, u64)> {
        let (mut found, mut left) = (Vec::new(), vec![self.data.join("hosted")]);
        while let Some(folder) = left.pop() {
            // A box that keeps nothing has no such folder, and what is moved while this looks is seen the next time.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
                if about.is_dir() {
                    left.push(path);
                } else if path.extension().is_some_and(|extension| extension == "shard") {
                    found.push((path, about.len()));
                }
            }
        }
        found
    }

    /// Waits until the box has opened and verified everything that it stores, so that machines share it.
    ///
    /// # Panics
    /// When it has not within a minute.
    #[track_caller]
    pub fn wait_until_verified(&self) {
        wait_for("the verifier", Duration::from_secs(60), || {
            (self.status().get("unverified_packs").and_then(serde_json::Value::as_u64) == Some(0)).then_some(())
        });
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // It may have ended already; what else could fail does not matter any more.
            let _asked = daemon.kill();
            wait_until(daemon, Instant::now() + STOP);
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the box's last log lines\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// `datisd ready machine=127.0.0.1:40001 portal=127.0.0.1:40002`
fn read_ready_line(line: &str) -> Option<Ports> {
    let rest = line.strip_prefix("datisd ready ")?;
    let port = |name: &str| {
        let address = rest.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        address.rsplit_once(':')?.1.parse().ok()
    };
    Some(Ports { machine: port("machine")?, portal: port("portal")? })
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the store can be read") {
        let path = entry.expect("the store can be read").path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

/// Turns one byte of a file over, as a bad disk does.
///
/// # Panics
/// When the file is shorter or cannot be written.
pub fn flip_byte(path: &Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let file = File::options().read(true).write(true).open(path).expect("the file can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("the file is long enough");
    file.write_all_at(&[byte[0] ^ 0x55], offset).expect("the file can be written");
}
