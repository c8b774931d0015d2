//! Running a program: what it was asked, what it said, how it ended. Nothing waits for ever.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A program to be run, with its arguments.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    input: Vec<u8>,
    patience: Duration,
}

impl Invocation {
    /// `program` without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            input: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the folder to run in.
    #[must_use]
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets what it reads from standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Has it run behind everything else: for programs of other computers, which have processors of their own.
    #[must_use]
    pub fn behind_others(mut self) -> Self {
        let words = ["-n".into(), "19".into(), self.program.into_os_string()];
        self.program = "nice".into();
        self.arguments.splice(0..0, words);
        self
    }

    /// The command line, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.program.display().to_string();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }

    /// Starts it and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(self) -> Running {
        let line = self.line();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{line} does not start: {e}"));
        let mut stdin = child.stdin.take().expect("a pipe was asked for");
        let input = self.input;
        // A program that ends early closes the pipe; its exit code says more than this thread could.
        std::thread::spawn(move || stdin.write_all(&input).is_ok());
        let stdout = drain(child.stdout.take().expect("a pipe was asked for"));
        let stderr = drain(child.stderr.take().expect("a pipe was asked for"));
        Running {
            line,
            child: Some(child),
            stdout: Some(stdout),
            stderr: Some(stderr),
            started: Instant::now(),
            patience: self.patience,
        }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    #[must_use]
    pub fn run(self) -> Finished {
        self.start().wait()
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still worth showing.
        let _ended = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// A program that runs; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Option<Child>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    started: Instant,
    patience: Duration,
}

impl Running {
    /// Its process id.
    ///
    /// # Panics
    /// Never: it runs.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("the system tells").is_some())
    }

    /// Sends a signal; nothing happens when it has ended.
    ///
    /// # Panics
    /// Never: its id is a process id.
    pub fn signal(&self, signal: rustix::process::Signal) {
        signal_process(self.pid(), signal);
    }

    /// Kills it and waits until it is gone.
    #[must_use]
    pub fn kill(self) -> Finished {
        self.signal(rustix::process::Signal::KILL);
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time; it is killed then.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let mut child = self.child.take().expect("it runs");
        let deadline = self.started + self.patience;
        let (status, in_time) = wait_until(&mut child, deadline);
        let seconds = self.started.elapsed().as_secs_f64();
        let collect = |pipe: &mut Option<JoinHandle<Vec<u8>>>| {
            pipe.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (collect(&mut self.stdout), collect(&mut self.stderr));
        let finished = Finished { line: std::mem::take(&mut self.line), status, stdout, stderr, seconds };
        assert!(in_time, "killed after {seconds:.0} s\n{finished}");
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already, and there is nobody left to tell.
            let _gone = child.kill().and_then(|()| child.wait());
        }
    }
}

pub(crate) fn signal_process(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(e) => panic!("process {pid:?} cannot be signalled: {e}"),
    }
}

/// Waits; kills at the deadline and says so with `false`.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> (ExitStatus, bool) {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("the system tells how a child ended") {
            return (status, true);
        }
        if Instant::now() >= deadline {
            child.kill().expect("a child can be killed");
            return (child.wait().expect("a killed child ends"), false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was run.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed beside that.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub seconds: f64,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(8_000)..]).into_owned();
        let (out, err) = (shown(&self.stdout), shown(&self.stderr));
        write!(f, "$ {}\n{} after {:.2} s\n--- stdout\n{out}\n--- stderr\n{err}", self.line, self.status, self.seconds)
    }
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Demands an exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "\n{self}");
        self
    }

    /// Demands that all went well.
    ///
    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        self.expect_code(0)
    }

    /// Demands a refusal as people want to read them: this exit code, one sentence on standard error that has all of
    /// `words`, no trace of a program's inside.
    ///
    /// # Panics
    /// When something of that does not hold.
    #[track_caller]
    pub fn expect_refusal(self, code: i32, words: &[&str]) -> Self {
        let finished = self.expect_code(code);
        let text = finished.error_text();
        for word in words {
            assert!(
                text.to_lowercase().contains(&word.to_lowercase()),
                "the refusal does not say `{word}`\n{finished}"
            );
        }
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "a refusal is one sentence\n{finished}");
        for inside in ["panicked", "RUST_BACKTRACE", "unwrap", "Os {", "Error {", "stack backtrace"] {
            assert!(!text.contains(inside), "the refusal shows `{inside}`\n{finished}");
        }
        finished
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{self}"))
    }

    /// Standard output as one JSON value a line.
    ///
    /// # Panics
    /// When a line is none.
    #[track_caller]
    #[must_use]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line}\n{self}")))
            .collect()
    }
}
