//! Where attacks take place: a hostile box, a machine enrolled with it, a target, and everything around the target that
//! must stay as it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use datis_engine::keys::SigningKey;
use tempfile::TempDir;

use crate::hostile::{HostileBox, Script};

/// What a restore may use at most, in KiB.
const MEMORY_MAX: u64 = 128 << 10;

/// A restore of some files that has not ended by then never will.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Somebody who is not root; the number that systems give to nobody.
const NOBODY: u32 = 65_534;

/// Who restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Self_,
    /// A user without rights.
    Nobody,
}

pub(crate) struct Arena {
    folder: TempDir,
    boxed: HostileBox,
    key: SigningKey,
    who: Who,
}

/// What is at a path; all that may not change outside of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    len: u64,
    changed: (i64, i64),
    content: Vec<u8>,
}

/// How a run of the client ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Peak resident memory in KiB.
    pub(crate) peak: u64,
}

impl Arena {
    /// A machine that is enrolled with a hostile box.
    pub(crate) fn new(who: Who) -> Self {
        let folder = tempfile::Builder::new().prefix("datis-attack-").tempdir().expect("folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let boxed = HostileBox::start();
        for name in ["state", "home", "home/outside"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("mkdir");
            if who == Who::Nobody {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("chown");
            }
        }
        fs::write(folder.path().join("home/outside/secret"), b"not yours").expect("write");
        let mut arena = Self { key: crate::any_key(), folder, boxed, who };
        let ended = arena.run(&["enrol", &arena.boxed.uri()]);
        assert!(ended.status.success(), "{ended:?}");
        let key = fs::read(arena.folder.path().join("state/machine.key")).expect("key");
        arena.key = SigningKey::from_pkcs8(&key).expect("key");
        arena
    }

    /// What signs this machine's records.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn play(&self, script: Script) {
        self.boxed.play(script);
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.folder.path().join("home/target")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().join("home/outside")
    }

    /// An empty target, as whoever restores would make it.
    pub(crate) fn fresh_target(&self) -> PathBuf {
        let target = self.target();
        self.remove_target();
        fs::create_dir(&target).expect("mkdir");
        if self.who == Who::Nobody {
            chown(&target, Some(NOBODY), Some(NOBODY)).expect("chown");
        }
        target
    }

    /// With the program for it: a hostile tree may be deeper than a recursion of this process.
    fn remove_target(&self) {
        let removed = Command::new("rm").arg("-rf").arg(self.target()).status();
        assert!(removed.expect("rm starts").success(), "the target cannot be removed");
    }

    /// Everything that is not the target nor the machine's own state.
    pub(crate) fn surroundings(&self) -> BTreeMap<PathBuf, Seen> {
        let mut seen = census(&self.folder.path().join("home"), Some(&self.target()));
        seen.extend(fs::read_dir(self.folder.path()).expect("list").map(|entry| {
            let path = entry.expect("entry").path();
            let kind = Seen { mode: 0, owner: (0, 0), links: 0, len: 0, changed: (0, 0), content: Vec::new() };
            (path.join("."), kind)
        }));
        seen
    }

    /// Restores the newest snapshot into the target.
    pub(crate) fn restore(&self, more: &[&str]) -> Ended {
        let target = self.target();
        let mut args = vec!["restore", "latest", "--json", "--to", target.to_str().expect("UTF-8")];
        args.extend(more);
        self.run(&args)
    }

    /// Runs the client and watches it.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(crate::client());
        command.arg("--state").arg(self.folder.path().join("state")).args(args);
        command.current_dir(self.folder.path().join("home")).env("HOME", self.folder.path().join("home"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.who == Who::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        watch(command.spawn().expect("the client starts"))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.remove_target();
    }
}

fn watch(mut child: Child) -> Ended {
    let (mut out, mut err) = (child.stdout.take().expect("pipe"), child.stderr.take().expect("pipe"));
    let reader = |pipe: &mut dyn Read| {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).expect("read");
        String::from_utf8_lossy(&text).into_owned()
    };
    std::thread::scope(|scope| {
        let (out, err) = (scope.spawn(move || reader(&mut out)), scope.spawn(move || reader(&mut err)));
        let started = Instant::now();
        let mut peak = 0;
        let status = loop {
            peak = peak.max(peak_memory(child.id()));
            if let Some(status) = child.try_wait().expect("wait") {
                break status;
            }
            if started.elapsed() > TIME_MAX || peak > 4 * MEMORY_MAX {
                child.kill().expect("kill");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ended { status, stdout: out.join().expect("reader"), stderr: err.join().expect("reader"), peak }
    })
}

/// Peak resident memory of a process in KiB; 0 when it is gone.
fn peak_memory(process: u32) -> u64 {
    // Until the new program runs, the process has the memory of the one that started it.
    let runs = fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|exe| exe.file_name() == Some("datis".as_ref()));
    if !runs {
        return 0;
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

/// `Ok`, or what was wrong in one line.
pub(crate) type Verdict = Result<(), String>;

/// `Err` with `why` unless `holds`.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

impl Ended {
    /// What holds for every run, whatever the box says: it ends by itself, in little memory, says what was wrong, and
    /// lets nothing through to the terminal that would move its cursor.
    pub(crate) fn is_civil(&self) -> Verdict {
        ensure(self.status.signal().is_none(), || "crashed or had to be killed".to_owned())?;
        ensure(!self.stderr.contains("panicked"), || "panicked".to_owned())?;
        ensure(self.peak <= MEMORY_MAX, || format!("used {} KiB", self.peak))?;
        ensure([0, 1, 3, 12, 13].contains(&self.code()), || "ended with an impossible code".to_owned())?;
        let lines = self.stderr.lines().filter(|line| !line.trim().is_empty()).count();
        ensure(self.code() != 1 || lines == 1, || format!("said {lines} sentences instead of one"))?;
        let lists = lines > 0 || self.stdout.contains("\"problems\":[{");
        ensure(self.code() != 3 || lists, || "did not list its problems".to_owned())?;
        // What is printed for programs is JSON, which has no more than this to be escaped.
        let quiet = !self.stdout.contains(|c: char| c.is_ascii_control() && c != '\n')
            && !self.stderr.contains(|c: char| c.is_control() && c != '\n');
        ensure(quiet, || "let control characters through to the terminal".to_owned())
    }

    pub(crate) fn assert_civil(&self, what: &str) {
        self.is_civil().unwrap_or_else(|why| panic!("{what}: it {why}: {}", self.short()));
    }

    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// How it ended, in one line.
    pub(crate) fn short(&self) -> String {
        let last = self.stdout.lines().last().unwrap_or_default();
        let cut = |text: &str| text.chars().take(400).flat_map(char::escape_default).collect::<String>();
        format!("{}, {} KiB, `{}`, `{}`", self.status, self.peak, cut(last), cut(&self.stderr))
    }
}

/// Everything below `root`, links not followed, without what is in `but`.
pub(crate) fn census(root: &Path, but: Option<&Path>) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if but == Some(&path) {
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let kind = meta.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(&path).expect("link").into_os_string().into_encoded_bytes()
        } else if kind.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            if kind.is_dir() {
                waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            assert!(!kind.is_socket() || but.is_none(), "a socket outside of the target: {}", path.display());
            Vec::new()
        };
        // The folder that the target is in changes when the target is made.
        let is_top = path == root;
        let changed = if is_top { (0, 0) } else { (meta.ctime(), meta.ctime_nsec()) };
        let (links, len) = if is_top { (0, 0) } else { (meta.nlink(), meta.len()) };
        seen.insert(path, Seen { mode: meta.mode(), owner: (meta.uid(), meta.gid()), links, len, changed, content });
    }
    seen
}
