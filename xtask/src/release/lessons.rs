//! What a build that counts is taught by: the requests that sites have most of.

use super::attempt;
use crate::command::{self, finish};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Seconds of each load, and of a load that does not end by itself.
const LOAD_SECONDS: &str = "2";
const LOAD_SECONDS_MAX: u32 = 20;

/// A server that does not listen by then has failed to start.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// One that has not ended by then does not.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Files of the site with many of them.
const FILES: usize = 200;

/// What a browser says beside what it asks for, as wrk is told of it.
const BROWSER: &str = "\
wrk.headers[\"User-Agent\"] = \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0\"
wrk.headers[\"Accept\"] = \"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\"
wrk.headers[\"Accept-Language\"] = \"en-US,en;q=0.5\"
wrk.headers[\"Accept-Encoding\"] = \"gzip, deflate, br, zstd\"
wrk.headers[\"Cookie\"] = \"session=5d41402abc4b2a76b9719d911017c592\"
";

/// A server, and what it is asked.
struct Lesson {
    /// The folder that it serves, and the options that it is started with.
    folder: &'static str,
    options: &'static [&'static str],
    loads: &'static [Load],
}

/// A path, and how it is asked for.
enum Load {
    /// By HTTP/1.1, with more for wrk's script.
    Http1(&'static str, &'static str),
    /// By HTTP/2, ten at a time on each connection.
    Http2(&'static str),
}

const LESSONS: [Lesson; 4] = [
    Lesson {
        folder: "files",
        options: &["--log", "off"],
        loads: &[
            Load::Http1("/", ""),
            Load::Http1("/page.html", ""),
            Load::Http1("/large.bin", ""),
            Load::Http1("/", CONDITIONAL),
            Load::Http1("/", MANY),
            Load::Http1(NOTHING, ""),
            Load::Http1("/", CLOSING),
        ],
    },
    Lesson {
        folder: "files",
        options: &["--log", "json"],
        loads: &[Load::Http1("/", ""), Load::Http1("/page.html", "")],
    },
    Lesson {
        folder: "files",
        options: &["--log", "off", "--tls"],
        loads: &[
            Load::Http1("/", ""),
            Load::Http1("/large.bin", ""),
            Load::Http1("/", CLOSING),
            Load::Http2("/"),
            Load::Http2("/page.html"),
        ],
    },
    Lesson {
        folder: "programs",
        options: &["--log", "off"],
        loads: &[
            Load::Http1("/", ""),
            Load::Http1("/page.php", ""),
            Load::Http1("/slow.php", ""),
            Load::Http1("/large.php", ""),
            Load::Http1("/pretty/path?a=b", ""),
            Load::Http1("/style.css", ""),
        ],
    },
];

/// A page that is not there.
const NOTHING: &str = "/nothing";

/// The answer is known already.
const CONDITIONAL: &str =
    "wrk.headers[\"If-Modified-Since\"] = \"Fri, 01 Jan 2100 00:00:00 GMT\"\n";

/// Each request comes by a connection of its own.
const CLOSING: &str = "wrk.headers[\"Connection\"] = \"close\"\n";

/// One file after the other; [`FILES`] is known to wrk's script.
const MANY: &str = "\
local number = 0
request = function()
  number = (number + 1) % FILES
  return wrk.format(nil, \"/many/\" .. number .. \".html\")
end
";

/// What is served: text that repeats no more than text does.
fn text(bytes: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|number| {
        let word = number.wrapping_mul(2_654_435_761) >> 12;
        format!("<p>{word:x} of {}</p>\n", word % 1000).into_bytes()
    });
    words.take(bytes).collect()
}

/// Runs all lessons with `program`, which writes down by itself what it has learned.
pub(super) fn teach(program: &Path) -> Result<(), String> {
    let place = tempfile::tempdir().map_err(|error| format!("a folder for sites: {error}"))?;
    lay_out(place.path())?;
    LESSONS.iter().try_for_each(|lesson| lesson.run(program, place.path()))
}

fn lay_out(place: &Path) -> Result<(), String> {
    // Programs may run as somebody else, whatever the mode of new files is.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    attempt("open", place, open)?;
    for folder in ["files", "files/many", "programs", "own"] {
        attempt("make", &place.join(folder), |path| {
            fs::create_dir(path)?;
            open(path)
        })?;
    }
    let write = |name: &str, content: &[u8]| {
        attempt("write", &place.join(name), |path| {
            fs::write(path, content)?;
            open(path)
        })
    };
    write("files/index.html", &text(921))?;
    write("files/page.html", &text(16 * 1024))?;
    write("files/large.bin", &text(1024 * 1024))?;
    for number in 0..FILES {
        write(&format!("files/many/{number}.html"), &text(921))?;
    }
    write("programs/index.php", b"<?php echo str_repeat('x', 921);")?;
    write("programs/page.php", b"<?php echo str_repeat('0123456789abcdef', 3840);")?;
    write("programs/large.php", b"<?php echo str_repeat('0123456789abcdef', 65536);")?;
    // In pieces, as large programs write their pages.
    write(
        "programs/slow.php",
        b"<?php usleep(5000); for ($i = 0; $i < 12; $i++) { echo str_repeat('0123456789abcdef', \
          256); if ($i > 8) usleep(300); }",
    )?;
    write("programs/style.css", &text(4096))
}

impl Lesson {
    fn run(&self, program: &Path, place: &Path) -> Result<(), String> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|one| one.local_addr());
        let address = free.map_err(|error| format!("a free port: {error}"))?;
        let mut server = Command::new(program);
        server.arg(place.join(self.folder)).args(self.options);
        server.args(["--threads", "1", "--port", &address.port().to_string()]);
        // Its authority is nobody else's.
        server.env("STATE_DIRECTORY", place.join("own")).env_remove("LLVM_PROFILE_FILE");
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = server.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let mut server = Server(child);
        server.wait_for(address)?;
        let is_secure = self.options.contains(&"--tls");
        let script = place.join("script.lua");
        for load in self.loads {
            load.run(address, is_secure, &script)?;
        }
        server.stop()
    }
}

impl Load {
    fn run(&self, address: SocketAddr, is_secure: bool, script: &Path) -> Result<(), String> {
        let scheme = if is_secure { "https" } else { "http" };
        let mut load = command::bounded(
            match self {
                Self::Http1(..) => "wrk",
                Self::Http2(_) => "h2load",
            },
            LOAD_SECONDS_MAX,
            Path::new("."),
        );
        match self {
            Self::Http1(path, more) => {
                let text = format!("FILES = {FILES}\n{BROWSER}{more}");
                attempt("write", script, |script| fs::write(script, text))?;
                load.args(["-t1", "-c32", "-d", LOAD_SECONDS, "-s"]).arg(script);
                load.arg(format!("{scheme}://{address}{path}"));
            }
            Self::Http2(path) => {
                load.args(["--duration", LOAD_SECONDS, "--clients=16"]);
                load.args(["--max-concurrent-streams=10", "--connect-to", &address.to_string()]);
                load.arg(format!("{scheme}://localhost:{}{path}", address.port()));
            }
        }
        let done = finish(&mut load)?;
        let is_taught = done.is_success && self.is_answered(&done.output);
        if is_taught { Ok(()) } else { Err(format!("{load:?} was not answered:\n{}", done.output)) }
    }

    /// Whether the answers were those that sites give, by what the load says of them.
    fn is_answered(&self, said: &str) -> bool {
        match self {
            Self::Http1(NOTHING, _) => true,
            Self::Http1(..) => !said.contains("Non-2xx") && !said.contains(" 0 requests in"),
            Self::Http2(_) => said.contains(" 0 failed, 0 errored") && !said.contains(" 0 2xx"),
        }
    }
}

/// A running server; it ends with this value.
struct Server(Child);

impl Server {
    fn wait_for(&mut self, address: SocketAddr) -> Result<(), String> {
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let has_ended = self.0.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || started.elapsed() > START_TIME_MAX {
                return Err("the build that counts does not listen".to_owned());
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    /// Has it end by itself, so that it writes down its counts.
    fn stop(mut self) -> Result<(), String> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let asked = pid.map(|pid| kill_process(pid, Signal::TERM));
        let started = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(Some(ended)) if ended.success() && matches!(asked, Some(Ok(()))) => {
                    return Ok(());
                }
                Ok(None) if started.elapsed() < STOP_TIME_MAX => sleep(LOOK_INTERVAL),
                ended => return Err(format!("the build that counts does not end well: {ended:?}")),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Most have ended by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
