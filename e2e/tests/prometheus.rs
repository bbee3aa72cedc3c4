//! Prometheus's own judge has nothing to say against what it is given.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Sites,
    binary::workspace,
    look::{admin, ask},
    sites::{HOSTS, get},
};
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Has it look at something, which may come on its standard input.
fn judge(words: &[&str], input: &[u8]) -> String {
    let mut tool = Command::new("promtool");
    tool.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn figures_are_as_it_wants_them() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    place.edit("workers = 2 }", "workers = 2, micro-cache = '1h' }");
    let server = place.start();
    for (host, target) in HOSTS.iter().flat_map(|host| ["/style.css", "/"].map(|to| (host, to))) {
        assert_eq!(get(&server, host, target).status, 200);
    }
    let text = ask(admin(&server), "/metrics", "").text();
    for name in ["site_requests_total", "php_workers", "micro_cache_requests_total"] {
        assert!(text.contains(&format!("gannet_{name}{{site=")), "{text}");
    }
    assert_eq!(judge(&["check", "metrics"], text.as_bytes()), "");
    server.stop();
}

#[test]
fn rules_of_alerts_are_rules() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let said = judge(&["check", "rules", rules.to_str().unwrap()], b"");
    assert!(said.contains("SUCCESS"), "{said}");
}
