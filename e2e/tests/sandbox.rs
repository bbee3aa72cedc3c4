//! What processes are confined to: tried from within, nothing of it may succeed, and seen from
//! outside, each worker is.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Launch, Place, Server, eventually, process::Process};
use rustix::process::geteuid;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// What is tried, as the server says it.
const ATTEMPTS: [&str; 7] = [
    "read /etc/shadow",
    "run a shell",
    "connect to a port",
    "trace a process",
    "make a user namespace",
    "write a file in",
    "give the server an order",
];

/// The exit code of `gannet run --selftest-sandbox` for a site in `root` with these settings before
/// it, and what is said.
fn tried(settings: &str, root: &Path) -> (Option<i32>, String) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(&file, format!("{settings}\nroot = {root:?}\n")).unwrap();
    let args = ["run", file.path().to_str().unwrap(), "--selftest-sandbox"];
    let (code, out, err) = Launch::of(args.map(str::to_owned).to_vec()).finish();
    (code, out + &err)
}

#[test]
fn nothing_that_is_tried_succeeds() {
    let root = e2e::folder();
    // Anybody may write there, so that nothing but the sandbox is in the way.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, said) = tried("[site.default]", root.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("certificates"), "nobody has any issued: {said}");
    for attempt in ATTEMPTS {
        let line = said.lines().find(|line| line.trim_start().starts_with(attempt));
        assert!(line.is_some_and(|line| line.contains(": refused (")), "{attempt}: {said}");
    }
    for layer in [
        "no capabilities",
        "no new privileges",
        "no core dumps",
        "private memory",
        "landlock",
        "seccomp",
    ] {
        assert!(said.contains(&format!("  {layer}: on")), "{layer}: {said}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn it_is_a_config_that_is_tried() {
    let (code, said) = tried("[site.default]", Path::new("/nowhere"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
}

/// Who asks authorities reads who is asked for names and whom the system trusts, and no more of
/// what lies beside that.
#[test]
fn who_has_certificates_issued_reads_no_secrets() {
    let (root, kept) = (e2e::folder(), e2e::folder());
    let folder = kept.path();
    let settings = format!(
        "[server]\nlisten = {{ address = \"127.0.0.1:0\", tls = true }}\n\
         certificates = {{ folder = {folder:?}, authority = \"https://127.0.0.1:1/dir\" }}\n\
         [site.\"a.test\"]\ntls = \"auto\""
    );
    let (code, said) = tried(&settings, root.path());
    assert_eq!(code, Some(0), "{said}");
    let (_, of_issuing) =
        said.split_once("who has certificates issued tries in vain to:\n").unwrap();
    for secret in ["/etc/shadow", "/etc/ssl/private", "/etc/letsencrypt"] {
        let line = format!("  read {secret}: refused (");
        assert!(of_issuing.contains(&line), "{secret}: {said}");
    }
    assert!(of_issuing.contains("read /etc/shadow: refused (Permission denied"), "{said}");
}

/// Whether each of its threads is nobody special and can become nobody else, as the kernel sees it.
fn is_confined(worker: Process) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", worker.0)) else { return false };
    let mut states = threads.map(|thread| {
        fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default()
    });
    states.all(|state| {
        let words = |name: &str| {
            let line = state.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace().collect::<Vec<_>>()
        };
        let is_none = |set: &str| words(set) == ["0000000000000000"];
        // Who is not root starts them as itself, and may not touch what programs could ever get.
        let is_root = geteuid().is_root();
        let is_nobody = |ids: &str| !words(ids).is_empty() && !words(ids).contains(&"0");
        (!is_root || is_nobody("Uid") && is_nobody("Gid") && !words("Groups").contains(&"0"))
            && ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().all(is_none)
            && (!is_root || is_none("CapBnd"))
            && (words("NoNewPrivs"), words("Seccomp")) == (vec!["1"], vec!["2"])
    })
}

#[test]
fn every_worker_is_confined_whatever_has_brought_it() {
    let place = Place::serving("workers = 2\nthreads = 2", 1);
    let server = place.start();
    let mut before = Vec::new();
    let mut check = |server: &Server, others: usize, what: &str| {
        let mut now = Vec::new();
        assert!(eventually(|| {
            now = server.workers();
            now.len() == 2
                && now.iter().filter(|worker| !before.contains(*worker)).count() == others
        }));
        // One that has just been started is confined before anybody is served by it.
        assert!(eventually(|| now.iter().all(|worker| is_confined(*worker))), "{what}");
        before = now;
    };
    check(&server, 2, "a start");
    place.order(&["reload"]);
    check(&server, 2, "a reload");
    place.order(&["upgrade", "-c"]);
    check(&server, 2, "an upgrade");
    server.workers()[0].kill();
    check(&server, 1, "a death");
    server.stop();
}
