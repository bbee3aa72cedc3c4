//! Prometheus's own judge has nothing to say against what it is given.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Site,
    binary::workspace,
    look::{admin, ask},
};
use std::{
    fs,
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
    let (site, folder) = (Site::new(), e2e::folder());
    let file = folder.path().join("gannet.toml");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nadmin = '127.0.0.1:0'\n\
         [site.default]\nroot = {:?}\n",
        site.root_text()
    );
    fs::write(&file, text).unwrap();
    let server = Launch::of(vec!["run".to_owned(), file.to_str().unwrap().to_owned()]).start();
    for target in ["/digits.txt", "/not-there"] {
        Client::connect(server.addr()).get(target).unwrap();
    }
    let text = ask(admin(&server), "/metrics", "").text();
    assert!(text.contains("gannet_site_requests_total{"), "{text}");
    assert_eq!(judge(&["check", "metrics"], text.as_bytes()), "");
    server.stop();
}

#[test]
fn rules_of_alerts_are_rules() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let said = judge(&["check", "rules", rules.to_str().unwrap()], b"");
    assert!(said.contains("SUCCESS"), "{said}");
}
