//! What a person at a terminal sees of a server, and what a terminal that is stopped costs.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Site, binary, eventually};
use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// What the keys send that stop a terminal, have it go on, and interrupt what runs on it.
const CTRL_S: &[u8] = b"\x13";
const CTRL_Q: &[u8] = b"\x11";
const CTRL_C: &[u8] = b"\x03";

/// A terminal with a program on it, which ends with this.
struct Terminal {
    keys: File,
    screen: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    child: Child,
}

impl Terminal {
    /// Runs `gannet ARGS` on a new one, once a shell has done `first` in a network of its own; in
    /// that of all others where there is nothing to be done.
    fn run(first: &str, args: &[&str]) -> Self {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&own).unwrap();
        unlockpt(&own).unwrap();
        let name = ptsname(&own, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other = || Stdio::from(open(name.as_c_str(), flags, Mode::empty()).unwrap());
        let mut command = match first {
            "" => Command::new("setsid"),
            _ => {
                let mut command = Command::new("unshare");
                let script = format!("{first} && exec setsid \"$@\"");
                command.args(["--net", "sh", "-c", &script, "sh"]);
                command
            }
        };
        command.arg("--ctty").arg(binary::path()).args(args);
        let child = command.stdin(other()).stdout(other()).stderr(other()).spawn().unwrap();
        // Or what is read of the terminal would have no end.
        drop(command);
        let (keys, mut own) = (File::from(own.try_clone().unwrap()), File::from(own));
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut room = [0; 64 * 1024];
            // An error is the end: nobody has the other side any more.
            while let Ok(count @ 1..) = own.read(&mut room) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&room[..count]));
            }
        });
        Self { keys, screen, reader: Some(reader), child }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Has the terminal so many rows and columns.
    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).unwrap();
    }

    /// The lines of the last picture that is whole, of those that begin in the upper left corner.
    fn picture(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap();
        let whole = screen.rsplit("\x1b[H").nth(1).unwrap_or_default();
        let text = whole.trim_end_matches("\x1b[J").replace("\x1b[K", "");
        text.lines().map(str::to_owned).collect()
    }

    /// What is on the screen, once `text` is.
    fn shows(&self, text: &str) -> String {
        let is_there = || self.screen.lock().unwrap().contains(text);
        assert!(eventually(is_there), "{text}: {}", self.screen.lock().unwrap());
        self.screen.lock().unwrap().clone()
    }

    /// The port in the first URL that is shown.
    fn port(&self) -> u16 {
        let text = self.shows("Ctrl-C stops it");
        let url = text.lines().find_map(|line| line.trim().strip_prefix("http://")).unwrap();
        url.rsplit_once(':').unwrap().1.trim_end_matches('/').parse().unwrap()
    }

    /// All that was ever shown, once the program has ended as it should.
    fn ended(mut self) -> String {
        assert!(eventually(|| self.child.try_wait().unwrap().is_some()));
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.reader.take().unwrap().join().unwrap();
        self.screen.lock().unwrap().clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_person_sees_short_lines_and_stops_it_by_a_key() {
    let site = Site::new();
    let mut terminal = Terminal::run("", &[&site.root_text(), "--port", "0"]);
    let addr = ([127, 0, 0, 1], terminal.port()).into();
    let greeting = terminal.shows("Ctrl-C stops it");
    assert!(greeting.starts_with("gannet ") && greeting.lines().count() <= 8, "{greeting}");
    assert_eq!(Client::connect(addr).get("/digits.txt").unwrap().status, 200);
    terminal.shows(" 127.0.0.1 GET /digits.txt 200 10 B ");
    terminal.press(CTRL_C);
    let all = terminal.ended();
    assert!(all.ends_with("gannet has stopped: 1 connection, 1 request\r\n"), "{all}");
    assert!(!all.contains('█'), "nobody else is meant to come: {all}");
}

#[test]
fn others_are_shown_the_way_by_a_code() {
    let site = Site::new();
    let first = "ip link set lo up && ip address add 192.0.2.7/32 dev lo";
    let mut terminal = Terminal::run(first, &[&site.root_text(), "--port", "0", "--lan"]);
    let url = format!("http://192.0.2.7:{}/", terminal.port());
    let text = terminal.shows(&format!("scan to open {url}"));
    let code: Vec<_> = text.lines().filter(|line| line.contains('█')).collect();
    let width = code[0].trim().chars().count();
    // Two modules stand in each character, one above the other.
    assert!(width > 20 && width.div_ceil(2) == code.len(), "{text}");
    terminal.press(CTRL_C);
    terminal.ended();
}

#[test]
fn a_person_follows_a_server_and_goes_back_to_what_was_there() {
    let site = Site::new();
    let folder = e2e::folder();
    let file = folder.path().join("gannet.toml");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nadmin = '127.0.0.1:0'\n\
         [site.default]\nroot = {:?}\n",
        site.root_text()
    );
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let server = Launch::of(["run", file].map(str::to_owned).to_vec()).start();
    let mut terminal = Terminal::run("", &["top", file]);
    let mut client = Client::connect(server.addr());
    // Two frames at least: the second begins where the first did.
    let frames = || terminal.screen.lock().unwrap().matches("\x1b[Hgannet ").count();
    assert!(eventually(|| {
        client.get("/digits.txt").unwrap();
        frames() >= 2
    }));
    terminal.shows("requests     ");
    terminal.shows("default ");
    // All of it has its place, however small the terminal is.
    terminal.resize(9, 40);
    let fits = |line: &String| line.chars().count() <= 40;
    let is_small = |lines: &[String]| lines.len() <= 9 && lines.iter().all(fits);
    assert!(eventually(|| is_small(&terminal.picture())), "{:?}", terminal.picture());
    assert!(terminal.picture()[0].starts_with("gannet "), "{:?}", terminal.picture());
    // It outlives the server, and finds it again.
    server.stop();
    terminal.shows("The server is looked for.");
    let server = Launch::of(["run", file].map(str::to_owned).to_vec()).start();
    let before = frames();
    assert!(eventually(|| frames() > before));
    terminal.press(CTRL_C);
    let all = terminal.ended();
    assert!(all.starts_with("\x1b[?1049h") && all.ends_with("\x1b[?25h\x1b[?1049l"), "{all}");
    server.stop();
}

/// O4 of the threats.
#[test]
fn a_terminal_that_is_stopped_holds_nobody_up() {
    // As many as fill all the room for lines that wait.
    const REQUESTS: usize = 20_000;
    const AT_ONCE: usize = 200;
    let site = Site::new();
    let mut terminal = Terminal::run("", &[&site.root_text(), "--port", "0", "--threads", "1"]);
    let mut client = Client::connect(([127, 0, 0, 1], terminal.port()).into());
    terminal.press(CTRL_S);
    let request = format!("GET /digits.txt?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200));
    for _ in 0..REQUESTS / AT_ONCE {
        client.send(request.repeat(AT_ONCE)).unwrap();
        for _ in 0..AT_ONCE {
            assert_eq!(client.response().unwrap().status, 200);
        }
    }
    terminal.press(CTRL_Q);
    // What waited is written before what comes now.
    let mut last = 0;
    assert!(eventually(|| {
        last += 1;
        client.get("/digits.txt?last").unwrap();
        terminal.screen.lock().unwrap().contains("?last")
    }));
    let pid = Pid::from_child(&terminal.child);
    kill_process(pid, Signal::TERM).unwrap();
    let text = terminal.ended();
    let shown = text.matches("GET /digits.txt?").count();
    let (_, farewell) = text.rsplit_once("gannet has stopped: ").unwrap();
    let dropped = farewell.trim_end().strip_suffix(" log lines dropped");
    let dropped: usize = dropped.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(shown + dropped, REQUESTS + last, "each is shown or counted: {farewell}");
}
