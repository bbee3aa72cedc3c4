//! The program of the operator's that sets records of DNS: it gets what the server was told.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    authority::Manner,
    eventually,
    issuing::{Issuing, issuer},
};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn a_program_that_sets_records_has_the_environment_of_the_server() {
    let issuing = Issuing::new(Manner::default());
    let program = issuing.place.path("record");
    let to = issuing.authority.names();
    let text = format!(
        "#!/bin/sh\nenv > ${{0%/*}}/told\ncase $1 in set) curl -s -d \
         \"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\" {to}/set-txt;; esac\n"
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let sites = [("*.a.test", "\"auto\"")];
    issuing.write("dns-program = \"record\"", &sites);
    let launch = issuing.place.launch().env("DNS_TOKEN", "a secret").env("HOME", "/at/home");
    let server = launch.start();
    assert!(issuing.serves_all(&["www.a.test"]), "{}", issuing.place.log());
    let told = fs::read_to_string(issuing.place.path("told")).unwrap();
    for line in ["DNS_TOKEN=a secret", "HOME=/at/home", "PATH="] {
        assert!(told.lines().any(|own| own.starts_with(line)), "{line}: {told}");
    }
    // Who runs none is told nothing that is not for it, and then, where another config wants it, is
    // once more.
    let knows = || {
        let path = format!("/proc/{}/environ", issuer(&server).0);
        fs::read(path).is_ok_and(|told| String::from_utf8_lossy(&told).contains("DNS_TOKEN"))
    };
    assert!(knows());
    for (more, expect) in [("", false), ("dns-program = \"record\"", true)] {
        issuing.write(more, &[("a.test", "\"auto\"")]);
        issuing.place.order(&["reload"]);
        assert!(eventually(|| knows() == expect), "{more}: {}", issuing.place.log());
    }
    server.stop();
}
