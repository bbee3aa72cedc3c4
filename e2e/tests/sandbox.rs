//! What processes are confined to, tried from within: nothing of it may succeed.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::Launch;
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
