//! A grid of Tahoe-LAFS on loopback: an introducer, ten storage nodes, and a client that wants its file on all ten, any three
//! of which give it back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Invocation, Random, wait_for};

const NODES: usize = 10;
/// Of these the shares are lost for the repair; as many as ours.
const LOSERS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);
const STARTS_WITHIN: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);
const PIECE: usize = 32 << 20;

/// What it took, in seconds.
pub(crate) struct Tahoe {
    pub(crate) upload_seconds: f64,
    pub(crate) download_seconds: f64,
    pub(crate) repair_seconds: f64,
}

/// Measures a file of `size` bytes; everything lies below `folder`.
pub(crate) fn measure(program: &Path, folder: &Path, size: u64) -> Tahoe {
    let mut grid = Grid::start(program, &folder.join("tahoe"));
    let (file, back) = (folder.join("tahoe file"), folder.join("tahoe file back"));
    write(&file, size);
    let seconds = |began: Instant| began.elapsed().as_secs_f64();

    let began = Instant::now();
    let put = grid.client(["put"]).arg(&file).run().expect_success();
    let upload_seconds = seconds(began);
    let capability = put.text().trim().to_owned();

    for node in &grid.nodes[..LOSERS] {
        std::fs::remove_dir_all(node.join("storage/shares")).expect("shares can be lost");
        std::fs::create_dir(node.join("storage/shares")).expect("a folder");
    }
    let began = Instant::now();
    let _told = grid.client(["check", "--repair", &capability]).run().expect_success();
    let repair_seconds = seconds(began);

    let began = Instant::now();
    let _got = grid.client(["get", &capability]).arg(&back).run().expect_success();
    let download_seconds = seconds(began);
    let same = Command::new("cmp").arg(&file).arg(&back).status().expect("cmp starts");
    assert!(same.success(), "Tahoe-LAFS gives back what it was given");
    grid.end();
    Tahoe { upload_seconds, download_seconds, repair_seconds }
}

struct Grid {
    program: PathBuf,
    folder: PathBuf,
    nodes: Vec<PathBuf>,
    running: Vec<Child>,
}

impl Grid {
    fn start(program: &Path, folder: &Path) -> Self {
        std::fs::create_dir(folder).expect("a folder");
        let mut grid =
            Self { program: program.to_owned(), folder: folder.to_owned(), nodes: Vec::new(), running: Vec::new() };
        grid.make("introducer", &["create-introducer"], &[]);
        let furl = folder.join("introducer/private/introducer.furl");
        let furl = wait_for("the introducer", STARTS_WITHIN, || {
            std::thread::sleep(LOOK);
            std::fs::read_to_string(&furl).ok().filter(|text| text.ends_with('\n'))
        });
        let introducer = format!("--introducer={}", furl.trim());
        for number in 0..NODES {
            let name = format!("node{number}");
            grid.make(&name, &["create-node", "--webport=none"], &[&introducer]);
            grid.nodes.push(folder.join(name));
        }
        let web = free_port();
        let port = format!("--webport=tcp:{web}:interface=127.0.0.1");
        let shares = ["--shares-needed=3", "--shares-happy=10", "--shares-total=10"];
        grid.make("client", &["create-client", &port], &[&[introducer.as_str()], &shares[..]].concat());
        wait_for("the grid", STARTS_WITHIN, || {
            std::thread::sleep(LOOK);
            (connected(web)? >= NODES).then_some(())
        });
        grid
    }

    /// Makes a node and runs it. Clients listen on no port of their own.
    fn make(&mut self, name: &str, verb: &[&str], more: &[&str]) {
        let node = self.folder.join(name);
        let port = free_port();
        let listens = [format!("--port=tcp:{port}:interface=127.0.0.1"), format!("--location=tcp:127.0.0.1:{port}")];
        let listens: &[String] = if name == "client" { &[] } else { &listens };
        let made = Invocation::new(&self.program).args(verb).args(listens).args(more).arg(&node).run();
        let _told = made.expect_success();
        let log = std::fs::File::create(self.folder.join(format!("{name}.log"))).expect("a log");
        let mut run = Command::new(&self.program);
        run.arg("run").arg("--allow-stdin-close").arg(&node);
        run.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.running.push(run.spawn().expect("tahoe starts"));
    }

    fn client<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Invocation {
        let client = Invocation::new(&self.program).arg("-d").arg(self.folder.join("client"));
        client.args(words).patience(PATIENCE)
    }

    fn end(&mut self) {
        for node in &mut self.running {
            node.kill().expect("a child can be killed");
            node.wait().expect("a killed child ends");
        }
        self.running.clear();
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        self.end();
    }
}

/// How many storage nodes the client with its page on `port` is connected to; `None` while it serves none.
fn connected(port: u16) -> Option<usize> {
    let mut page = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(page, "GET /?t=json HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    page.read_to_string(&mut answer).ok()?;
    let told: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    let is_connected = |server: &&serde_json::Value| {
        server["connection_status"].as_str().is_some_and(|status| status.eq_ignore_ascii_case("connected"))
    };
    Some(told["servers"].as_array()?.iter().filter(is_connected).count())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn write(file: &Path, size: u64) {
    let mut out = std::fs::File::create(file).expect("a file");
    let mut left = size;
    for seed in 1.. {
        let some = left.min(PIECE as u64);
        out.write_all(&Random::new(seed).bytes(some as usize)).expect("room");
        left -= some;
        if left == 0 {
            return;
        }
    }
}
