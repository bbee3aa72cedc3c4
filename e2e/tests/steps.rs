//! Each call of the kernel that a start, a reload or an upgrade takes fails once, in whichever
//! process it is made, and the right thing comes of it: an error that says why, or a server that
//! goes on as it was, and nothing that is left behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Server, Site, binary, eventually, extent, process::Process, sites, stage,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The call fails that makes the file of calls so long.
const LENGTH: u64 = 1_000_000;

/// What a call says that fails.
const CAUSE: &str = "Too many open files";

const WORKERS: usize = 2;

/// A config, and the file that all processes count their calls in.
struct Place {
    site: Site,
    folder: tempfile::TempDir,
    calls: File,
}

impl Place {
    fn new() -> Self {
        let folder = e2e::folder();
        let calls = File::create(folder.path().join("calls")).unwrap();
        fs::create_dir(folder.path().join("forms")).unwrap();
        fs::create_dir(folder.path().join("php")).unwrap();
        fs::write(folder.path().join("php/index.php"), "<?= ini_get('precision');").unwrap();
        ["forms", "php"].iter().for_each(|name| e2e::give_to_server(&folder.path().join(name)));
        let place = Self { site: Site::new(), folder, calls };
        place.write(0);
        place.disarm();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Has the call fail that comes as the `nth` from now.
    fn arm(&self, nth: u64) {
        self.calls.set_len(LENGTH - nth).unwrap();
    }

    /// Has none fail; whether one has, since one was to.
    fn disarm(&self) -> bool {
        let has_fired = self.calls.metadata().unwrap().len() >= LENGTH;
        self.calls.set_len(LENGTH).unwrap();
        has_fired
    }

    fn write(&self, version: u32) {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\", \"unix:s\"]\ncontrol = \"c\"\nlog = \"json\"\n\
             workers = {WORKERS}\nthreads = 2\ncompress-cache = {{ folder = \"forms\" }}\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [site.default]\nroot = {:?}\nfields = {{ X-Version = \"{version}\" }}\n\
             [site.\"{}\"]\nroot = \"php\"\n\
             php = {{ ini = {{ precision = \"{version}\" }} }}\n",
            self.site.root_text(),
            self.host()
        );
        fs::write(self.config(), text).unwrap();
    }

    /// The site that PHP runs for, of a name that no other test has.
    fn host(&self) -> String {
        let name = self.folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        format!("{}.example", name.replace('.', ""))
    }

    fn launch(&self) -> Launch {
        let fail = format!("call=fail:{LENGTH}:{}", self.path("calls").display());
        Launch::of(vec!["run".to_owned(), self.config()])
            .program(&self.path("gannet"))
            .env("GANNET_FAIL", &fail)
    }

    /// `gannet WORDS`: the exit code, and what is said.
    fn tell(words: &[&str]) -> (Option<i32>, String) {
        let (code, _, stderr) =
            Launch::of(words.iter().map(|word| (*word).to_owned()).collect()).finish();
        (code, stderr)
    }
}

/// Which calls are tried: all of them where a test may take its time, else some, at a stride that
/// meets others next time something is changed before them.
fn calls() -> impl Iterator<Item = u64> {
    (1..).step_by(extent(3, 1))
}

/// What the server says of its config.
fn version(client: &mut Client) -> u32 {
    let answer = client.get("/digits.txt").unwrap();
    assert_eq!(answer.status, 200);
    answer.get("x-version").unwrap().parse().unwrap()
}

/// Checks that the server serves this version, by as many processes and with as many descriptors
/// as ever.
fn check((place, server): (&Place, &Server), expect: u32, descriptors: usize, nth: u64) {
    for _ in 0..2 * WORKERS {
        assert_eq!(version(&mut Client::connect(server.addr())), expect, "call {nth}");
    }
    let program = stage::get(server.addr(), &place.host(), "/");
    assert_eq!(program.text(), expect.to_string(), "call {nth}");
    let started = server.started();
    let is_settled = || {
        server.workers().len() == WORKERS
            && started.children_but_keeper().len() == WORKERS + 1
            && sites::sockets(server).len() == 1
            && started.zombies() == 0
            && started.lasting_descriptors() <= descriptors
    };
    let left = || {
        let children = started.children_but_keeper().into_iter().map(Process::name);
        (children.collect::<Vec<_>>(), sites::sockets(server), started.lasting_descriptors())
    };
    assert!(eventually(is_settled), "call {nth}: {:?}, more than {descriptors}", left());
}

#[test]
fn a_server_starts_or_says_why_not() {
    let place = Place::new();
    copy(&place.path("gannet")).unwrap();
    let mut failed = 0;
    for nth in calls() {
        place.arm(nth);
        let outcome = place.launch().try_start();
        let has_fired = place.disarm();
        match outcome {
            Ok(server) => {
                assert_eq!(version(&mut Client::connect(server.addr())), 0, "call {nth}");
                assert!(eventually(|| server.workers().len() == WORKERS), "call {nth}");
                let stopped = server.stop();
                assert!(stopped.stderr.is_empty() || has_fired, "{}", stopped.stderr);
            }
            Err((code, stderr)) => {
                failed += 1;
                assert_eq!(code, Some(1), "call {nth}: {stderr}");
                assert!(stderr.starts_with("error: "), "call {nth}: {stderr}");
                assert!(stderr.contains(CAUSE), "call {nth}: {stderr}");
            }
        }
        assert!(!place.path("s").exists() && !place.path("c").exists(), "call {nth}");
        assert!(eventually(|| sites::fpms(&place.host()).is_empty()), "call {nth}");
        if !has_fired {
            break;
        }
    }
    assert!(failed > 20, "only {failed} calls are such that nothing comes of a start");
}

/// Has the server take a step again and again, in each of which the next call fails, and checks
/// what comes of it.
fn step(words: impl Fn(&Place) -> Vec<String>) {
    let place = Place::new();
    copy(&place.path("gannet")).unwrap();
    let server = place.launch().start();
    let pid = server.started();
    let tell = || {
        let words = words(&place);
        Place::tell(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut served = 1;
    place.write(served);
    assert_eq!(tell(), (Some(0), String::new()));
    assert!(eventually(|| server.workers().len() == WORKERS));
    let descriptors = pid.lasting_descriptors();
    let (mut done, mut refused) = (0, 0);
    for nth in calls() {
        let mut kept = Client::connect(server.addr());
        assert_eq!(version(&mut kept), served);
        place.write(served + 1);
        place.arm(nth);
        let (code, said) = tell();
        let has_fired = place.disarm();
        match code {
            Some(0) => {
                served += 1;
                done += 1;
            }
            code => {
                refused += 1;
                assert_eq!(code, Some(1), "call {nth}: {said}");
                assert!(said.starts_with("error: "), "call {nth}: {said}");
                assert!(has_fired, "call {nth}: {said}");
            }
        }
        assert!((served - 1..=served).contains(&version(&mut kept)), "who was there is served");
        drop(kept);
        check((&place, &server), served, descriptors, nth);
        if !has_fired {
            break;
        }
    }
    assert!(done > 0 && refused > 10, "{done} of {} steps were done", done + refused);
    // Nothing of all that keeps it from doing the same as ever.
    place.write(served + 1);
    assert_eq!(tell(), (Some(0), String::new()));
    check((&place, &server), served + 1, descriptors, 0);
    server.stop();
    assert!(eventually(|| sites::fpms(&place.host()).is_empty()));
}

#[test]
fn a_reload_is_done_or_changes_nothing() {
    step(|place| vec!["reload".to_owned(), place.config()]);
}

#[test]
fn an_upgrade_is_done_or_changes_nothing() {
    step(|place| vec!["upgrade".to_owned(), "-c".to_owned(), place.config()]);
}

/// A program of its own, so that an upgrade finds one at the same place.
fn copy(path: &Path) -> std::io::Result<()> {
    fs::copy(binary::path(), path).map(drop)
}
