//! HTTP/2 over TLS: who chooses it, what is answered to whom, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site, eventually, extent, frames,
    secure::{self, Certificates},
};
use rustix::process::Signal;
use std::{
    fs,
    process::{Command, Stdio},
};

/// Certificates for a few hosts, and the site that all of them show.
struct Place {
    site: Site,
    certificates: Certificates,
}

impl Place {
    fn new() -> Self {
        let (site, certificates) = (Site::new(), Certificates::new());
        certificates.make("a", "ec", &["a.example", "*.a.example"]);
        certificates.make("b", "ec", &["b.example"]);
        certificates.make("staff", "ec", &["staff"]);
        Self { site, certificates }
    }

    /// A site with that pair and these further words about its TLS.
    fn of(&self, host: &str, pair: &str, more: &str) -> String {
        let (root, words) = (self.site.root_text(), self.certificates.words(pair));
        format!("[site.\"{host}\"]\nroot = {root:?}\nlisting = true\ntls = {{ {words}{more} }}\n")
    }

    /// Serves `sites`; `more` are words about the address.
    fn serve(&self, more: &str, sites: &str) -> Server {
        Server::run(&format!(
            "[server]\nlisten = {{ address = \"127.0.0.1:0\", tls = true{more} }}\nthreads = 1\n\
             log = \"json\"\n{sites}"
        ))
    }
}

/// What a program says on standard output; it has to succeed.
fn output(program: &str, words: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {errors}");
    output.stdout
}

/// What curl gets of `a.example` when it asks with these words.
fn curl(server: &Server, words: &[&str], target: &str) -> Vec<u8> {
    let port = server.addr().port();
    let to = format!("a.example:{port}:127.0.0.1");
    let url = format!("https://a.example:{port}{target}");
    output("curl", &[&["--silent", "--insecure", "--resolve", &to][..], words, &[&url]].concat())
}

/// What a script says that has Python's h2; `begin` connects to a host and offers protocols.
fn python(server: &Server, script: &str) -> String {
    const BEGIN: &str = r#"
import socket, ssl, sys
from h2.connection import H2Connection
from h2.config import H2Configuration
from h2.events import *
def begin(host, protocols=("h2", "http/1.1")):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(protocols)
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
    return context.wrap_socket(peer, server_hostname=host, suppress_ragged_eofs=False)
"#;
    let (port, script) = (server.addr().port().to_string(), format!("{BEGIN}{script}"));
    String::from_utf8(output("/usr/bin/python3", &["-c", &script, &port])).unwrap()
}

#[test]
fn a_client_that_chooses_http2_gets_what_others_get() {
    let place = Place::new();
    let server = place.serve("", &place.of("a.example", "a", ""));
    for (words, target) in [
        (&["--include"][..], "/digits.txt"),
        (&["--head"], "/digits.txt"),
        (&["--include", "--range", "2-5"], "/digits.txt"),
        (&["--include", "--header", "Accept-Encoding: br"], "/style.css"),
        (&["--include"], "/none"),
        (&["--include", "--data", "x=y"], "/digits.txt"),
    ] {
        let ask = |version| curl(&server, &[words, &[version]].concat(), target);
        let [over_http2, over_http1] = ["--http2", "--http1.1"].map(|version| {
            let answer = String::from_utf8(ask(version)).unwrap();
            let (head, content) = answer.split_once("\r\n\r\n").unwrap();
            let mut lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
            let first = lines.remove(0);
            lines.retain(|line| !line.starts_with("date:") && !line.starts_with("connection:"));
            lines.sort();
            let (version, status) = first.split_once(' ').unwrap();
            (version.to_owned(), status[..3].to_owned(), lines, content.to_owned())
        });
        assert_eq!((over_http2.0.as_str(), over_http1.0.as_str()), ("http/2", "http/1.1"));
        assert_eq!(over_http2.1, over_http1.1, "{words:?}");
        assert_eq!((over_http2.2, over_http2.3), (over_http1.2, over_http1.3), "{words:?}");
    }
    let line = server.wait_for(|line| line["event"] == "request");
    assert_eq!(line["protocol"], "HTTP/2.0");
    server.stop();
}

#[test]
fn large_files_arrive_whole_and_many_at_once() {
    let place = Place::new();
    let server = place.serve("", &place.of("a.example", "a", ""));
    let large = fs::read(place.site.path("large.bin")).unwrap();
    assert!(curl(&server, &["--http2"], "/large.bin") == large);
    let port = server.addr().port();
    let url = format!("https://127.0.0.1:{port}/large.bin");
    for bits in ["10", "16", "30"] {
        let windows = ["--window-bits", bits, "--connection-window-bits", bits];
        let words =
            [&windows[..], &["--header", ":authority: a.example", &url, "--no-dep"]].concat();
        assert!(output("nghttp", &words) == large, "windows of 2^{bits} bytes");
    }
    for (count, path) in [("20000", "/digits.txt"), ("120", "/large.bin"), ("200", "/list/")] {
        let url = format!("https://a.example:{port}{path}");
        let to = format!("--connect-to=127.0.0.1:{port}");
        let words = ["-n", count, "-c", "4", "-m", "50", &to, &url];
        let report = String::from_utf8(output("h2load", &words)).unwrap();
        assert!(report.contains("Application protocol: h2"), "{report}");
        assert!(report.contains(&format!("{count} succeeded, 0 failed")), "{report}");
        assert!(report.contains(&format!("status codes: {count} 2xx")), "{report}");
    }
    server.stop();
}

/// A browser asks for a second host on the same connection where the certificate is for it: that is
/// answered under equal terms only (RFC 9113 section 9.1.2).
#[test]
fn a_host_that_the_connection_was_not_made_for_is_misdirected() {
    let place = Place::new();
    let staff = place.certificates.path("staff.pem");
    let sites = [
        place.of("a.example", "a", ""),
        place.of("www.a.example", "a", ""),
        place.of("staff.a.example", "a", &format!(", client-ca = {staff:?}")),
        place.of("strict.a.example", "a", ", min-version = \"1.3\""),
        place.of("b.example", "b", ""),
    ];
    let server = place.serve("", &sites.concat());
    let script = r#"
peer = begin("a.example")
h2 = H2Connection(H2Configuration(client_side=True))
h2.initiate_connection()
hosts = ["a.example", "A.EXAMPLE", "www.a.example", "staff.a.example", "strict.a.example",
         "b.example", "c.example", "a.example"]
for at, host in enumerate(hosts):
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/digits.txt")]
    h2.send_headers(2 * at + 1, fields, end_stream=True)
peer.sendall(h2.data_to_send())
statuses = {}
while len(statuses) < len(hosts):
    for event in h2.receive_data(peer.recv(65536)):
        if isinstance(event, ResponseReceived):
            statuses[event.stream_id] = dict(event.headers)[b":status"].decode()
print(" ".join(status for _, status in sorted(statuses.items())))
"#;
    assert_eq!(python(&server, script), "200 200 200 421 421 421 421 200\n");
    server.stop();
}

#[test]
fn who_is_let_in_by_a_certificate_is_so_over_http2_and_by_all_sites_that_ask_alike() {
    let place = Place::new();
    place.certificates.make("other", "ec", &["other"]);
    let by = |name: &str| format!(", client-ca = {:?}", place.certificates.path(name));
    let sites = [
        place.of("a.example", "a", &by("staff.pem")),
        place.of("b.a.example", "a", &by("staff.pem")),
        place.of("c.a.example", "a", &by("other.pem")),
        place.of("d.a.example", "a", ""),
    ];
    let server = place.serve("", &sites.concat());
    for (own, name, expect) in [
        (Some("staff"), "a.example", Some(true)),
        (Some("staff"), "b.a.example", Some(true)),
        (Some("other"), "c.a.example", Some(false)),
        (None, "d.a.example", Some(false)),
        (Some("other"), "a.example", None),
        (None, "a.example", None),
    ] {
        let versions = rustls::ALL_VERSIONS;
        let visitor = place.certificates.visitor_by(&["a"], own, versions).choosing_http2();
        let mut wire = visitor.connect(server.addr(), name);
        // It is a.example that is asked for on all of them.
        let asked = wire.send([frames::OPENING, &frames::get(1, "/digits.txt")].concat());
        let content = asked.and_then(|()| frames::until(&mut wire, frames::DATA));
        let found = content.ok().map(|frame| frame.payload == b"0123456789");
        assert_eq!(found, expect, "{own:?} at {name}");
    }
    server.stop();
}

#[test]
fn who_does_not_choose_it_speaks_http1() {
    let place = Place::new();
    let site = place.of("a.example", "a", "");
    let script = r#"
ask = b"GET /digits.txt HTTP/1.1\r\nHost: a.example\r\n\r\n"
for protocols in (["http/1.1"], ["h2", "http/1.1"], ["spdy/3", "http/1.1"]):
    peer = begin("a.example", protocols)
    peer.sendall(ask)
    print(peer.selected_alpn_protocol(), peer.recv(12))
# The beginning of HTTP/2 is none where it was not chosen.
peer = begin("a.example", ["http/1.1"])
peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
print(peer.recv(12))
"#;
    let without = place.serve(", http2 = false", &site);
    assert_eq!(
        python(&without, script),
        "http/1.1 b'HTTP/1.1 200'\nhttp/1.1 b'HTTP/1.1 200'\nhttp/1.1 b'HTTP/1.1 200'\n\
         b'HTTP/1.1 505'\n"
    );
    without.stop();
    let with = place.serve("", &site);
    let script = script.replace("[\"h2\", \"http/1.1\"]", "[\"http/1.1\", \"x\"]");
    assert!(python(&with, &script).ends_with("b'HTTP/1.1 505'\n"));
    // Neither is it spoken in clear where TLS is.
    let mut client = Client::connect(with.addr());
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let (answer, _) = client.drain().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    with.stop();
}

/// However a connection ends, its client is told by TLS that it has everything.
#[test]
fn a_connection_ends_in_good_order() {
    let place = Place::new();
    let server = place.serve("", &place.of("a.example", "a", ""));
    let script = r#"
def talk(fault):
    peer = begin("a.example")
    assert peer.selected_alpn_protocol() == "h2"
    h2 = H2Connection(H2Configuration(client_side=True))
    h2.initiate_connection()
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/large.bin")]
    h2.send_headers(1, fields, end_stream=True)
    peer.sendall(h2.data_to_send() + fault)
    ends = []
    while not ends or fault:
        data = peer.recv(65536)
        if not data:
            ends.append("close_notify")
            return ends
        for event in h2.receive_data(data):
            if isinstance(event, DataReceived):
                h2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, ConnectionTerminated):
                ends.append(int(event.error_code))
            elif isinstance(event, StreamEnded) and not fault:
                ends.append("whole")
                h2.close_connection()
        peer.sendall(h2.data_to_send())
    try:
        peer.unwrap()
        ends.append("close_notify")
    except Exception as fault:
        ends.append(fault)
    return ends
print(talk(b""), talk(b"\0\0\x01\x06\0\0\0\0\0x"))
"#;
    assert_eq!(python(&server, script), "['whole', 'close_notify'] [6, 'close_notify']\n");
    server.stop();
}

/// Workers are replaced, and the program with them, and then the certificate that they show.
#[test]
fn reloads_upgrades_and_renewals_fail_no_stream_over_tls() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make("next", "ec", &["a.example"]);
    certificates.replace("a", "used");
    let site = format!("workers = 2\n{}", place.of("a.example", "used", ""));
    let server = place.serve("", &site);
    let visitor = certificates.visitor(&["a", "next"]).choosing_http2();
    let connect = || visitor.connect(server.addr(), "a.example");
    // Who has been there before would bring a ticket, and be shown nothing.
    let next = secure::certificate(&certificates.path("next.pem"));
    let is_renewed = || {
        let newcomer = certificates.visitor(&["next"]).choosing_http2();
        let mut client = newcomer.connect(server.addr(), "a.example");
        client.send(frames::OPENING).is_ok()
            && frames::read(&mut client).is_ok()
            && client.shown() == *next
    };
    let outcome = frames::under_load(connect, || {
        for _ in 0..extent(1, 20) {
            server.replace_workers_by(Signal::HUP, 2);
            server.replace_workers_by(Signal::USR2, 2);
        }
        certificates.replace("next", "used");
        assert!(eventually(is_renewed));
    });
    outcome.unwrap();
    server.stop();
}
