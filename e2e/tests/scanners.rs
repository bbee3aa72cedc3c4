//! What sslyze and testssl.sh, two judges of TLS, have to say of a site.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{
    Launch, Peer, Server, Site,
    authority::{free_ports, own_address},
    binary::workspace,
    extent,
    secure::Certificates,
};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    process::{Command, Output},
};

/// Findings above low that are right, and why.
const RIGHT: [(&str, &str); 2] = [
    (
        "cipher_order",
        "all that are spoken are good, and the client knows whether its machine is quick at AES: \
         Mozilla's intermediate configuration says the same",
    ),
    ("cert_revocation", "a certificate of our own making can be revoked by nobody"),
];

/// A site as the book has it, and its certificates.
fn site(certificates: &Certificates) -> (Site, Server) {
    certificates.make("a", "ec", &["a.example"]);
    let site = Site::new();
    let config = format!(
        "[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = true }}]\nlog = \"json\"\n\
         [site.\"a.example\"]\nroot = {:?}\ntls = {{ {}, hsts = true }}\n",
        site.root_text(),
        certificates.words("a")
    );
    let server = Launch::run(&config).start();
    (site, server)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[test]
fn sslyze_finds_what_mozilla_recommends() {
    let certificates = Certificates::new();
    let (_site, server) = site(&certificates);
    let mut sslyze = Command::new(workspace().join("target/tools/sslyze/bin/sslyze"));
    sslyze.args(["--mozilla_config=intermediate", "--sni=a.example"]);
    let output = run(sslyze.arg(server.addr().to_string()));
    let said = String::from_utf8_lossy(&output.stdout);
    let (_, verdict) = said.split_once("COMPLIANCE AGAINST").expect("it has judged");
    let is_judged = verdict.contains("Not compliant") && said.contains("SCANS COMPLETED");
    // Nobody trusts a certificate of our own making, and that is all there is to say.
    let faults = verdict.lines().filter(|line| line.trim_start().starts_with("* "));
    let others: Vec<_> = faults.filter(|line| !line.contains("certificate_path")).collect();
    assert!(is_judged && others.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.stop().lines.pop().unwrap()["panics"], 0);
}

/// What testssl.sh found: an id, how severe it is, and words.
type Finding = (String, String, String);

/// What it finds where that site is served, and all that it says.
fn scan(certificates: &Certificates, addr: SocketAddr) -> (Vec<Finding>, String) {
    let folder = e2e::folder();
    let report = folder.path().join("report.json");
    let mut testssl = Command::new("testssl");
    testssl.args(["--quiet", "--color", "0", "--ip", &addr.ip().to_string(), "--add-ca"]);
    testssl.arg(certificates.path("a.pem")).arg("--jsonfile").arg(&report);
    // All of it takes a minute.
    testssl.args(["--protocols"].iter().take(extent(1, 0)));
    let output = run(testssl.arg(format!("a.example:{}", addr.port())));
    let all: Vec<Value> = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let finding = |one| (text(one, "id"), text(one, "severity"), text(one, "finding"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (all.iter().map(finding).collect(), said)
}

/// How many findings there are of each severity, the worst first: less is better. (The testssl.sh
/// of Debian gives no grade yet.)
fn verdict(found: &[Finding]) -> [usize; 5] {
    let count = |severity| found.iter().filter(|(_, how, _)| how == severity).count();
    ["FATAL", "CRITICAL", "HIGH", "MEDIUM", "LOW"].map(count)
}

#[test]
fn testssl_finds_nothing_above_low_and_no_more_than_in_the_best_peer() {
    let certificates = Certificates::new();
    let (site, server) = site(&certificates);
    let (found, said) = scan(&certificates, server.addr());
    let is_bad = |severity: &str| ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&severity);
    let is_right = |id: &str| RIGHT.iter().any(|(right, _)| *right == id);
    let bad: Vec<_> = found.iter().filter(|(id, how, _)| is_bad(how) && !is_right(id)).collect();
    assert!(!found.is_empty() && bad.is_empty(), "{bad:?}\n{said}");
    for (id, _, words) in &found {
        match id.as_str() {
            "SSLv2" | "SSLv3" | "TLS1" | "TLS1_1" => assert_eq!(words, "not offered", "{id}"),
            "TLS1_2" | "TLS1_3" => assert!(words.starts_with("offered"), "{id}: {words}"),
            _ => {}
        }
    }
    assert_eq!(server.stop().lines.pop().unwrap()["panics"], 0);
    // Nor does it find more than in the best peer, where there is time to ask for all of it.
    if extent(0, 1) > 0 {
        let address = own_address();
        let [port] = free_ports(address);
        let addr = (address, port).into();
        let _peer = Peer::nginx_with_tls(&site.root(), addr, &certificates.path("a"));
        let (of_peer, said) = scan(&certificates, addr);
        let is_offered = |(id, _, words): &Finding| id == "TLS1_3" && words.starts_with("offered");
        assert!(of_peer.iter().any(is_offered), "{said}");
        let verdicts = [&found, &of_peer].map(|found| verdict(found));
        assert!(verdicts[0] <= verdicts[1], "{verdicts:?}: {found:?}\n{said}");
    }
}
