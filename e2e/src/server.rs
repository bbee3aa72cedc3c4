//! A `gannet` process under test: started, watched through its log, stopped.

use crate::{NOBODY, PATIENCE, binary, eventually, process::Process};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
    process::{Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open},
};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a start may take before a test gives up on it: one of ten thousand sites has much to
/// do, and one that fails ends.
const START_PATIENCE: Duration = Duration::from_secs(150);

/// How a server is to be started.
pub struct Launch {
    program: Option<PathBuf>,
    args: Vec<String>,
    config: Option<tempfile::NamedTempFile>,
    environment: Vec<(String, String)>,
    prelude: String,
    input: Option<OwnedFd>,
    held: Vec<OwnedFd>,
    reads_log: bool,
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    addr: SocketAddr,
    log: Arc<Log>,
    /// Reads the log to its end; for a server whose log nobody reads, what is left to be read.
    stdout: Result<JoinHandle<()>, BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    _config: Option<tempfile::NamedTempFile>,
}

/// What is left of a server that has ended.
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// Its whole log, line by line.
    pub lines: Vec<Value>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// The log as far as it has been read.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Launch {
    /// `gannet ARGS --port 0 --log json`.
    pub fn quick<S: AsRef<str>>(args: &[S]) -> Self {
        let args = args.iter().map(|arg| arg.as_ref().to_owned());
        let fixed = ["--port", "0", "--log", "json"].map(str::to_owned);
        Self::of(args.chain(fixed).collect())
    }

    /// `gannet run FILE`, the file holding `config`.
    pub fn run(config: &str) -> Self {
        Self::with_config("run", config)
    }

    /// `gannet check FILE`, the file holding `config`.
    pub fn check(config: &str) -> Self {
        Self::with_config("check", config)
    }

    fn with_config(verb: &str, config: &str) -> Self {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        Self { config: Some(file), ..Self::of(vec![verb.to_owned(), path]) }
    }

    /// `gannet ARGS`, as they are.
    pub fn of(args: Vec<String>) -> Self {
        Self {
            program: None,
            args,
            config: None,
            environment: Vec::new(),
            prelude: String::new(),
            input: None,
            held: Vec::new(),
            reads_log: true,
        }
    }

    /// Starts the program at `path` instead of the one that was built.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a shell command before the server takes the shell's place, such as `ulimit -n 64`.
    #[must_use]
    pub fn after(mut self, command: &str) -> Self {
        self.prelude.push_str(&format!("{command} && "));
        self
    }

    /// Has it run by a user who may do nothing: by [`NOBODY`] where root runs the tests.
    #[must_use]
    pub fn as_nobody(self) -> Self {
        let words = format!("--reuid={NOBODY} --regid={NOBODY} --clear-groups");
        match geteuid().is_root() {
            true => self.after(&format!("exec setpriv {words} \"$0\" \"$@\"")),
            false => self,
        }
    }

    /// Gives it this as its standard input, for a prelude to do something with.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<OwnedFd>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Holds these until it has started, for a prelude that does something with their numbers.
    #[must_use]
    pub fn holding(mut self, descriptors: Vec<OwnedFd>) -> Self {
        self.held = descriptors;
        self
    }

    /// Leaves the log unread from its second line on, until the server has ended.
    #[must_use]
    pub fn with_unread_log(mut self) -> Self {
        self.reads_log = false;
        self
    }

    /// Starts the server and waits for the line that says where it listens.
    pub fn start(self) -> Server {
        let outcome = self.try_start();
        outcome.unwrap_or_else(|(_, stderr)| panic!("the server has not started: {stderr}"))
    }

    /// The same for one that may fail to: its exit code, then, and what was written to standard
    /// error, once none of its processes is left.
    pub fn try_start(self) -> Result<Server, (Option<i32>, String)> {
        let mut child = self.command().spawn().expect("the binary can be started");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let log = Arc::new(Log::default());
        let stdout = if self.reads_log {
            let log = Arc::clone(&log);
            Ok(thread::spawn(move || log.read(stdout)))
        } else {
            log.read_line(&mut stdout);
            Err(stdout)
        };
        let Some(start) = log.wait(START_PATIENCE, |line| line["event"] == "start") else {
            if !log.lines.lock().unwrap().1 {
                let _ = child.kill();
            }
            let code = child.wait().unwrap().code();
            assert!(eventually(|| stderr.is_finished()), "a process is left behind");
            return Err((code, stderr.join().unwrap()));
        };
        let addr = start["listens"][0].as_str().expect("the start line says where");
        let addr = addr.parse().expect("the first is an address");
        assert_eq!(start["pid"], child.id(), "the start line says who");
        Ok(Server { child, addr, log, stdout, stderr, _config: self.config })
    }

    /// Runs a command that ends by itself: its exit code, standard output and standard error.
    pub fn finish(self) -> (Option<i32>, String, String) {
        let output = self.command().output().expect("the binary can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn command(&self) -> Command {
        let program = self.program.as_deref().unwrap_or_else(|| binary::path());
        let mut command = if self.prelude.is_empty() {
            Command::new(program)
        } else {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{}exec \"$0\" \"$@\"", self.prelude)).arg(program);
            shell
        };
        command
            .args(self.args.iter().map(OsStr::new))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(match &self.input {
                Some(input) => Stdio::from(input.try_clone().unwrap()),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Server {
    /// Serves a folder as `gannet ARGS` does, on a free port.
    pub fn start<S: AsRef<str>>(args: &[S]) -> Self {
        Launch::quick(args).start()
    }

    /// Serves what the TOML text `config` says, as `gannet run` does.
    pub fn run(config: &str) -> Self {
        Launch::run(config).start()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process that serves; of several workers the one that was started first.
    pub fn process(&self) -> Process {
        self.workers().first().copied().unwrap_or(self.started())
    }

    /// The process that was started, which has the others do its work where it was `gannet run`.
    pub fn started(&self) -> Process {
        Process(self.child.id())
    }

    /// The worker processes, in the order they were started.
    pub fn workers(&self) -> Vec<Process> {
        let children = self.started().children().into_iter();
        children.filter(|child| child.name() == "gannet-worker").collect()
    }

    /// Has the config read again, and waits until other workers stand in the place of all of these,
    /// which are so many.
    pub fn replace_workers(&self, count: usize) {
        self.replace_workers_by(Signal::HUP, count);
    }

    /// The same by a signal that has workers replaced.
    pub fn replace_workers_by(&self, signal: Signal, count: usize) {
        assert!(eventually(|| self.workers().len() == count));
        let before = self.workers();
        self.signal(signal);
        assert!(eventually(|| {
            let now = self.workers();
            now.len() == count && now.iter().all(|worker| !before.contains(worker))
        }));
    }

    /// Processor time that the server has used so far, with its workers: how long its start has
    /// taken, but for what else the machine has to do.
    pub fn cpu_time(&self) -> Duration {
        let all = [self.started()].into_iter().chain(self.workers());
        all.map(Process::cpu_time).sum()
    }

    /// The first line of the log that `is_wanted`, as soon as it is there.
    pub fn wait_for(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        self.log.wait(PATIENCE, is_wanted).expect("the log holds the wanted line before it ends")
    }

    /// All lines of the log so far.
    pub fn lines(&self) -> Vec<Value> {
        let guard = self.log.lines.lock().unwrap();
        guard.0.iter().map(|line| parse(line)).collect()
    }

    /// Closes this end of the pipe that the log goes into, as a reader does that dies.
    pub fn close_log(&mut self) {
        self.stdout = Ok(thread::spawn(|| ()));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server runs");
    }

    /// Asks the server to stop, and checks that it ends cleanly.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for the end of a server that was told to stop, and checks that it is a clean one.
    pub fn ended(self) -> Stopped {
        self.ended_with(0)
    }

    /// The same for an end that has its exit code.
    pub fn ended_with(mut self, code: i32) -> Stopped {
        // With its log unread the server may have to wait for room in the pipe; so this reads, but
        // only once the server was told to stop.
        if let Err(unread) = &mut self.stdout {
            while self.log.read_line(unread) {}
        }
        let status = self.wait();
        match std::mem::replace(&mut self.stdout, Ok(thread::spawn(|| ()))) {
            Ok(reader) => reader.join().unwrap(),
            Err(unread) => self.log.read(unread),
        }
        let stderr = std::mem::replace(&mut self.stderr, thread::spawn(String::new));
        let stderr = stderr.join().unwrap();
        let lines = self.lines();
        assert_eq!(status.code(), Some(code), "the server ended with {status}: {stderr}");
        let last = lines.last().expect("there is a log");
        assert_eq!(last["event"], "stop", "the last line of the log says that it stops");
        Stopped { status, lines, stderr }
    }

    /// Waits for the end of a server that was told to stop, whatever its end is like; a log that
    /// was left unread stays so.
    pub fn status(mut self) -> ExitStatus {
        self.wait()
    }

    fn wait(&mut self) -> ExitStatus {
        let handle = pidfd_open(self.pid(), PidfdFlags::empty()).expect("the server is ours");
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let mut ready = [PollFd::new(&handle, PollFlags::IN)];
        let count = retry_on_intr(|| poll(&mut ready, Some(&patience))).unwrap();
        assert_eq!(count, 1, "the server has not ended in {PATIENCE:?}");
        self.child.wait().unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Workers outlive the process that watches them.
        let children = self.started().children();
        let _ = self.child.kill();
        children.into_iter().for_each(Process::kill);
        let _ = self.child.wait();
    }
}

impl Log {
    /// Reads `stdout` to its end.
    fn read(&self, mut stdout: impl BufRead) {
        while self.read_line(&mut stdout) {}
        self.lines.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// Reads one line; `false` at the end.
    fn read_line(&self, stdout: &mut impl BufRead) -> bool {
        let mut line = Vec::new();
        if stdout.read_until(b'\n', &mut line).is_err() || line.is_empty() {
            return false;
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        self.lines.lock().unwrap().0.push(line);
        self.changed.notify_all();
        true
    }

    /// The first line that `is_wanted`; `None` when the log ends without it, or time runs out.
    fn wait(&self, patience: Duration, is_wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let give_up = Instant::now() + patience;
        let mut seen = 0;
        let mut guard = self.lines.lock().unwrap();
        loop {
            if let Some(line) = guard.0[seen..].iter().map(|l| parse(l)).find(|l| is_wanted(l)) {
                return Some(line);
            }
            seen = guard.0.len();
            let left = give_up.saturating_duration_since(Instant::now());
            if guard.1 || left == Duration::ZERO {
                return None;
            }
            guard = self.changed.wait_timeout(guard, left).unwrap().0;
        }
    }
}

/// A line of the log, which must be one whole JSON object, and harmless on a terminal, whatever a
/// client sent.
fn parse(line: &str) -> Value {
    assert!(line.ends_with('\n'), "a whole line: {line:?}");
    let is_printable = |byte| matches!(byte, b' '..=b'~');
    assert!(line.trim_end().bytes().all(is_printable), "odd bytes: {line:?}");
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    assert!(value["event"].is_string(), "an event: {line}");
    value
}
