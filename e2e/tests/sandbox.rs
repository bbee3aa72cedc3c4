//! What a worker is confined to, tried from within: nothing of it may succeed.

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

/// The exit code of `gannet run --selftest-sandbox` for a site in `root`, and what is said.
fn tried(root: &Path) -> (Option<i32>, String) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(&file, format!("[site.default]\nroot = {root:?}\n")).unwrap();
    let args = ["run", file.path().to_str().unwrap(), "--selftest-sandbox"];
    let (code, out, err) = Launch::of(args.map(str::to_owned).to_vec()).finish();
    (code, out + &err)
}

#[test]
fn nothing_that_is_tried_succeeds() {
    let root = e2e::folder();
    // Anybody may write there, so that nothing but the sandbox is in the way.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, said) = tried(root.path());
    assert_eq!(code, Some(0), "{said}");
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
    let (code, said) = tried(Path::new("/nowhere"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
}
