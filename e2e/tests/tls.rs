//! Sites over TLS: who is answered with what, who is not, and how the certificates change.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Launch, Server, Site, clock, eventually, extent,
    look::{admin, ask},
    process::Process,
    secure::{Certificates, Visitor},
    webdriver::Browser,
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use rustls::{ProtocolVersion, version};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
};

/// A site, certificates, and a config in a file.
struct Place {
    site: Site,
    certificates: Certificates,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let (site, certificates) = (Site::new(), Certificates::new());
        certificates.make("a", "ec", &["a.example", "*.a.example"]);
        Self { site, certificates, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> String {
        self.folder.path().join("gannet.toml").to_str().unwrap().to_owned()
    }

    /// A site with that pair and these further words about its TLS.
    fn of(&self, host: &str, pair: &str, more: &str) -> String {
        let words = self.certificates.words(pair);
        let root = self.site.root_text();
        format!("[site.\"{host}\"]\nroot = {root:?}\ntls = {{ {words}{more} }}\n")
    }

    /// Serves `sites`, with TLS at the first address and without at the second.
    fn write(&self, server: &str, sites: &str) {
        let text = format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = true }}, \"127.0.0.1:0\"]\n\
             log = \"json\"\nerror-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             {server}\n{sites}"
        );
        fs::write(self.file(), text).unwrap();
    }

    fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }

    fn serve(&self, server: &str, sites: &str) -> Server {
        self.write(server, sites);
        self.start()
    }

    fn tell(&self, words: &[&str]) {
        let file = self.file();
        let words = words.iter().map(|&word| word.to_owned()).chain([file]).collect();
        let (code, _, stderr) = Launch::of(words).finish();
        assert_eq!(code, Some(0), "{stderr}");
    }

    /// What the error log says about `event`.
    fn reasons(&self, event: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("errors.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let about = lines.filter(|line| line["event"] == event);
        about.map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
    }
}

/// The address without TLS.
fn plain(server: &Server) -> SocketAddr {
    let start = server.wait_for(|line| line["event"] == "start");
    start["listens"][1].as_str().unwrap().parse().unwrap()
}

/// Does `work` while visitors come, on new connections and on ones that are kept; none may fail.
fn under_load(visitor: &Visitor, addr: SocketAddr, work: impl FnOnce()) -> u32 {
    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for keeps in [true, false] {
            let (is_over, asked) = (&is_over, &asked);
            scope.spawn(move || {
                let mut client = visitor.connect(addr, "a.example");
                while !is_over.load(Relaxed) {
                    let answer = client.get("/digits.txt").unwrap();
                    assert_eq!(answer.text(), "0123456789");
                    asked.fetch_add(1, Relaxed);
                    if !keeps || answer.closes() {
                        client = visitor.connect(addr, "a.example");
                    }
                }
            });
        }
        struct Over<'o>(&'o AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let _over = Over(&is_over);
        work();
    });
    asked.into_inner()
}

/// What `openssl s_client` says when it is given `input`.
fn openssl(addr: SocketAddr, words: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &addr.to_string()]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    // Who is told something ends by itself.
    let _open = (!input.is_empty()).then_some(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A request that ends its connection.
const LAST: &str = "GET /digits.txt HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// What `openssl s_client` says that shows the ticket in that file, whoever has given it. (Others
/// would show it to nobody but the host that they have it from.)
fn come_with(ticket: &Path, addr: SocketAddr, host: &str, version: &str) -> String {
    let words = ["-servername", host, version, "-sess_in", ticket.to_str().unwrap()];
    openssl(addr, &words, LAST)
}

/// Gets a ticket of `host` and puts it into that file.
fn fetch(ticket: &Path, addr: SocketAddr, host: &str, version: &str) {
    let words = ["-servername", host, version, "-sess_out", ticket.to_str().unwrap()];
    let said = openssl(addr, &words, LAST);
    assert!(said.contains("New, TLSv1") && said.contains("0123456789"), "{said}");
}

#[test]
fn a_site_is_served_over_both_versions_by_the_key_that_the_client_understands() {
    let place = Place::new();
    place.certificates.make("rsa", "rsa", &["a.example"]);
    let path = |name: &str| place.certificates.path(name);
    let big: Vec<u8> = (0..3_000_000u32).map(|number| (number * 7) as u8).collect();
    fs::write(place.site.root().join("big.bin"), &big).unwrap();
    let (certs, keys) = ([path("a.pem"), path("rsa.pem")], [path("a.key"), path("rsa.key")]);
    let root = place.site.root_text();
    let site = format!(
        "[site.\"a.example\"]\nroot = {root:?}\ntls = {{ cert = {certs:?}, key = {keys:?} }}\n"
    );
    let server = place.serve("", &site);
    for (version, expect) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let visitor = place.certificates.visitor_by(&["a"], None, &[version]);
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789");
        assert_eq!(client.version(), Some(expect));
        assert!(client.get("/big.bin").unwrap().body == big);
        let pipelined = "GET /digits.txt HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(3);
        client.send(pipelined).unwrap();
        for _ in 0..3 {
            assert_eq!(e2e::Response::read(&mut client, false).unwrap().status, 200);
        }
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(e2e::Response::read(&mut client, false).unwrap().status, 200);
        assert!(client.ends_well(), "it says that it ends");
    }
    let addr = server.addr();
    for (scheme, expect) in [("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256", "RSA-PSS")] {
        let words = ["-servername", "a.example", "-sigalgs", scheme];
        let said = openssl(addr, &words, "");
        assert!(said.contains(&format!("Peer signature type: {expect}")), "{said}");
    }
    let said =
        openssl(addr, &["-servername", "a.example", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "");
    assert!(said.contains("no peer certificate available"), "{said}");
    let stopped = server.stop();
    assert!(stopped.lines.iter().all(|line| !line.to_string().contains("PRIVATE")));
}

#[test]
fn names_and_hosts_have_to_agree() {
    let place = Place::new();
    place.certificates.make("b", "ec", &["b.example"]);
    place.certificates.make("any", "ec", &["*.a.example"]);
    let sites = [
        place.of("a.example", "a", ""),
        place.of("*.a.example", "any", ""),
        place.of("b.example", "b", ""),
        place.of("strict.a.example", "a", ", min-version = \"1.3\""),
    ]
    .concat();
    let server = place.serve("", &sites);
    let visitor = place.certificates.visitor(&["a", "b", "any"]);
    for (name, host, expect) in [
        ("a.example", "a.example", 200),
        ("a.example", "A.EXAMPLE:8443", 200),
        ("www.a.example", "www.a.example", 200),
        // The certificate covers it, and the terms are the same.
        ("a.example", "www.a.example", 200),
        ("a.example", "b.example", 421),
        ("b.example", "a.example", 421),
        ("a.example", "strict.a.example", 421),
        ("a.example", "c.example", 421),
    ] {
        let answer = visitor.connect(server.addr(), name).get_of(host, "/digits.txt").unwrap();
        assert_eq!(answer.status, expect, "{host} by {name}");
    }
    let fault = visitor.get(server.addr(), "c.example", "/").unwrap_err();
    assert!(fault.0.contains("UnrecognisedName"), "{fault}");
    let said = openssl(server.addr(), &["-noservername"], "");
    assert!(said.contains("unrecognized name"), "{said}");
    let said = openssl(server.addr(), &["-servername", "a.example", "-alpn", "smtp"], "");
    assert!(said.contains("alert no application protocol"), "{said}");
    server.stop();
    // The exact name goes before the wildcard, and whoever names nobody gets the default site.
    let server = place.serve("", &format!("{sites}{}", place.of("default", "b", "")));
    for (words, expect) in [
        (&["-servername", "www.a.example"][..], "CN = any"),
        (&["-servername", "strict.a.example"], "CN = a"),
        (&["-servername", "c.example"], "CN = b"),
        (&["-noservername"], "CN = b"),
    ] {
        let said = openssl(server.addr(), words, &LAST.replace("a.example", "c.example"));
        let shown = said.lines().find_map(|line| line.strip_prefix("subject="));
        assert_eq!(shown, Some(expect), "{words:?}: {said}");
        assert_eq!(said.contains("HTTP/1.1 200 "), expect == "CN = b", "{words:?}: {said}");
    }
}

#[test]
fn without_tls_one_is_sent_on_or_told() {
    let place = Place::new();
    let site = place.of("a.example", "a", ", hsts = true");
    let own = place.of("b.a.example", "a", ", redirect = false");
    let server = place.serve("", &format!("{site}{own}"));
    let clear = |addr, host: &str| {
        let mut client = Client::connect(addr);
        client.send(format!("GET /sub/?q=1 HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        client.response().unwrap()
    };
    let answer = clear(plain(&server), "a.example");
    // Where the kernel chooses the port, nobody can know it yet.
    let to = answer.get("location").unwrap();
    assert_eq!((answer.status, to), (308, "https://a.example/sub/?q=1"));
    assert_eq!(answer.get("strict-transport-security"), None);
    assert_eq!(clear(plain(&server), "b.a.example").status, 200);
    let answer = clear(server.addr(), "a.example");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https://a.example/"), "{}", answer.text());
    let visitor = place.certificates.visitor(&["a"]);
    let answer = visitor.get(server.addr(), "a.example", "/digits.txt").unwrap();
    assert_eq!(answer.get("strict-transport-security"), Some("max-age=63072000"));
    let answer = visitor.get(server.addr(), "b.a.example", "/digits.txt").unwrap();
    assert_eq!(answer.get("strict-transport-security"), None);
    // Nor does it matter what else it is that came.
    for bytes in [&b"POST /x HTTP/1.0\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x80"] {
        let mut client = Client::connect(server.addr());
        client.send([bytes, b"\r\n\r\n"].concat()).unwrap();
        let text = String::from_utf8(client.drain().unwrap().0).unwrap();
        let expect = "TLS is spoken here: ask by https:// instead of http://\n";
        assert!(text.ends_with(expect) && text.starts_with("HTTP/1.1 "), "{text}");
    }
    // TLS where none is spoken is no request.
    let said = openssl(plain(&server), &["-servername", "a.example"], "");
    assert!(said.contains("wrong version number"), "{said}");
}

#[test]
fn a_site_may_be_served_without_tls_beside_others() {
    let place = Place::new();
    let root = place.site.root_text();
    let off = format!("[site.\"b.a.example\"]\nroot = {root:?}\ntls = \"off\"\n");
    let server = place.serve("", &(place.of("a.example", "a", "") + &off));
    let mut client = Client::connect(plain(&server));
    client.send("GET /digits.txt HTTP/1.1\r\nHost: b.a.example\r\n\r\n").unwrap();
    let answer = client.response().unwrap();
    assert_eq!((answer.status, &*answer.text()), (200, "0123456789"), "nobody is sent on");
    // It is nobody's over TLS, though a certificate is for its name.
    let visitor = place.certificates.visitor(&["a"]);
    let fault = visitor.get(server.addr(), "b.a.example", "/digits.txt").unwrap_err();
    assert!(fault.0.contains("UnrecognisedName"), "{fault}");
    let mut client = visitor.connect(server.addr(), "a.example");
    assert_eq!(client.get_of("b.a.example", "/digits.txt").unwrap().status, 421);
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
}

#[test]
fn clients_show_a_certificate_where_one_is_asked_for_and_no_way_leads_around_it() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make("staff", "ec", &["staff"]);
    certificates.make("other", "ec", &["other"]);
    certificates.make_between(["-9 days", "-2 days"], "late", &["late"]);
    let pems = ["staff", "late"].map(|name| fs::read(certificates.path(&format!("{name}.pem"))));
    fs::write(certificates.path("staff-ca.pem"), pems.map(Result::unwrap).concat()).unwrap();
    let authority = format!(", client-ca = {:?}", certificates.path("staff-ca.pem"));
    let open = place.of("a.example", "a", "");
    let closed = ["staff.a.example", "b.a.example"].map(|host| place.of(host, "a", &authority));
    let server = place.serve("", &format!("{open}{}", closed.concat()));
    let by = |name| certificates.visitor_by(&["a"], Some(name), rustls::ALL_VERSIONS);
    let known = by("staff");
    for _ in 0..2 {
        let mut client = known.connect(server.addr(), "staff.a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        assert!(!client.is_resumed(), "it is shown each time");
        // Who is let in by both sites alike may ask both on one connection.
        assert_eq!(client.get_of("b.a.example", "/digits.txt").unwrap().status, 200);
    }
    let stranger = certificates.visitor(&["a"]);
    for visitor in [&stranger, &by("other"), &by("late")] {
        assert!(visitor.get(server.addr(), "staff.a.example", "/digits.txt").is_err());
    }
    // A connection that was made for the open site leads to no other, whoever comes.
    for visitor in [&stranger, &known] {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get_of("staff.a.example", "/digits.txt").unwrap().status, 421);
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    }
    let mut client = known.connect(server.addr(), "staff.a.example");
    assert_eq!(client.get_of("a.example", "/digits.txt").unwrap().status, 421);
    for reason in [
        "the client has shown no certificate",
        "the client's certificate has expired",
        "the connection was made for another name",
    ] {
        assert!(eventually(|| place.reasons("refused").iter().any(|one| one == reason)));
    }
}

/// 74 of the threats: a ticket of one site lets nobody into another.
#[test]
fn a_ticket_is_good_for_its_own_site_and_no_other() {
    let place = Place::new();
    let staff = format!(", client-ca = {:?}", place.certificates.path("a.pem"));
    let sites = [
        place.of("a.example", "a", ""),
        place.of("b.a.example", "a", ""),
        place.of("staff.a.example", "a", &staff),
    ];
    let server = place.serve("", &sites.concat());
    let ticket = place.folder.path().join("ticket");
    for version in ["-tls1_2", "-tls1_3"] {
        fetch(&ticket, server.addr(), "a.example", version);
        for (host, is_known, is_let_in) in [
            ("a.example", true, true),
            ("b.a.example", false, true),
            ("staff.a.example", false, false),
            ("a.example", true, true),
        ] {
            let said = come_with(&ticket, server.addr(), host, version);
            assert_eq!(said.contains("Reused, TLSv1"), is_known, "{host} {version}: {said}");
            assert_eq!(said.contains("0123456789"), is_let_in, "{host} {version}: {said}");
            assert_eq!(said.contains("alert number"), !is_let_in, "{host} {version}: {said}");
        }
    }
}

/// Has keys changed each second.
const ROTATION: &str = "rotation=set:1000,look=set:100";

/// A key lives as long where upgrades come faster than it would age.
#[test]
fn tickets_end_with_their_keys_however_often_programs_change() {
    let place = Place::new();
    let ticket = place.folder.path().join("ticket");
    place.write("threads = 1", &place.of("a.example", "a", ""));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    let server = launch.env("GANNET_FAIL", ROTATION).start();
    fetch(&ticket, server.addr(), "a.example", "-tls1_3");
    let is_known = || {
        let said = come_with(&ticket, server.addr(), "a.example", "-tls1_3");
        said.contains("Reused, TLSv1.3")
    };
    assert!(is_known());
    assert!(eventually(|| {
        place.tell(&["upgrade", "-c"]);
        !is_known()
    }));
    server.stop();
}

#[test]
fn who_comes_back_to_a_folder_is_known_as_long_as_the_key_is_there() {
    let place = Place::new();
    let ticket = place.folder.path().join("ticket");
    let launch = Launch::quick(&[&*place.site.root_text(), "--tls", "--threads", "2"]);
    let launch = launch.env("STATE_DIRECTORY", place.folder.path().to_str().unwrap());
    let server = launch.env("GANNET_FAIL", ROTATION).start();
    fetch(&ticket, server.addr(), "localhost", "-tls1_3");
    let is_known = || {
        let said = come_with(&ticket, server.addr(), "localhost", "-tls1_3");
        said.contains("Reused, TLSv1.3")
    };
    assert!(is_known() && is_known(), "whichever loop it is");
    assert!(eventually(|| !is_known()));
    server.stop();
}

#[test]
fn who_comes_back_is_known_to_all_workers_and_generations() {
    let place = Place::new();
    let server = place.serve("workers = 2\nthreads = 1", &place.of("a.example", "a", ""));
    let visitor = place.certificates.visitor(&["a"]);
    let come = || {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        client.is_resumed()
    };
    assert!(!come());
    for _ in 0..20 {
        assert!(come(), "whichever worker it is");
    }
    for number in 1..3 {
        place.tell(&["reload"]);
        let done = || place.reasons("reloaded").len() == number;
        assert!(eventually(done));
        assert!(come(), "another generation");
    }
    place.tell(&["upgrade", "-c"]);
    assert!(eventually(|| !place.reasons("upgraded").is_empty()));
    assert!(come(), "another program");
    server.started().kill();
    assert!(eventually(|| !server.started().is_alive()));
    let next = place.start();
    assert_eq!(next.addr(), server.addr());
    assert!(come(), "another supervisor");
    next.stop();
}

#[test]
fn who_shakes_hands_slowly_or_wrongly_is_not_waited_for_long() {
    let place = Place::new();
    let limits = "[server.limits]\nhandshake-time = \"1s\"\nhead-time = \"20s\"";
    let server = place.serve(limits, &place.of("a.example", "a", ""));
    let hello = b"\x16\x03\x01\0\x01\x01\x16\x03\x01\0\x01\0";
    for bytes in [&b""[..], &hello[..3], hello] {
        let mut client = Client::connect(server.addr());
        client.send_dribbling(bytes).unwrap();
        assert_eq!(client.drain().unwrap(), (Vec::new(), Ending::Closed), "{bytes:?}");
    }
    for bytes in [&b"\x16\x03\x01\0\x04\x02\0\0\0"[..], b"\x16\x03\x01\xff\xff"] {
        let mut client = Client::connect(server.addr());
        client.send(bytes).unwrap();
        assert_eq!(client.drain().unwrap().0, b"\x15\x03\x03\0\x02\x02\x32", "decode_error");
    }
    // A renegotiation is refused, and nobody else has to know.
    let said = openssl(server.addr(), &["-servername", "a.example", "-tls1_2"], "R\n");
    assert!(said.contains("no renegotiation") || said.contains("unexpected message"), "{said}");
    let visitor = place.certificates.visitor(&["a"]);
    assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    let mut client = Client::connect(server.addr());
    client.send(hello).unwrap();
    drop(client);
    for reason in [
        "hands were not shaken within `handshake-time`",
        "the client has left before hands were shaken",
    ] {
        let is_told = || place.reasons("refused").iter().any(|one| one == reason);
        assert!(eventually(is_told), "{reason}: {:?}", place.reasons("refused"));
    }
    let last = server.stop().lines.pop().unwrap();
    // Who has said nothing has not begun to.
    assert!(last["handshakes"].as_u64() >= Some(2) && last["handshakes_failed"] == 6, "{last}");
    assert_eq!(last["panics"], 0);
}

/// 73 of the threats: one that ends at once, in good order, before there is anything to end.
#[test]
fn who_ends_while_hands_are_shaken_is_not_waited_for() {
    let place = Place::new();
    let limits = "[server.limits]\nhandshake-time = \"1m\"";
    let server = place.serve(limits, &place.of("a.example", "a", ""));
    let hello = place.certificates.visitor(&["a"]).hello("a.example");
    let mut client = Client::connect(server.addr());
    client.send([&hello, &b"\x15\x03\x03\0\x02\x01\0"[..]].concat()).unwrap();
    client.drain().unwrap();
    assert_eq!(server.stop().lines.pop().unwrap()["panics"], 0);
}

#[test]
fn reloads_fail_no_request() {
    let place = Place::new();
    let server = place.serve("workers = 2\nthreads = 1", &place.of("a.example", "a", ""));
    let visitor = place.certificates.visitor(&["a"]);
    let asked = under_load(&visitor, server.addr(), || {
        let mut reloads = 0;
        for upgrades in 1..=extent(1, 10) {
            for _ in 0..3 {
                reloads += 1;
                place.tell(&["reload"]);
                assert!(eventually(|| place.reasons("reloaded").len() == reloads));
            }
            place.tell(&["upgrade", "-c"]);
            assert!(eventually(|| place.reasons("upgraded").len() == upgrades));
        }
    });
    assert!(asked > 0);
}

/// What comes over the file of a certificate that is no good, with words of what is said of it.
type Break = (fn(&Certificates, &Path), &'static str);

const BREAKS: [Break; 4] = [
    // Half of a pair, and half of a file.
    (|all, _| all.replace_file("third.pem", "used.pem"), "is not the one of the certificate"),
    (
        |_, used| {
            let whole = fs::read(used).unwrap();
            fs::write(used, &whole[..whole.len() / 2]).unwrap();
        },
        "is no PEM",
    ),
    (|_, used| fs::remove_file(used).unwrap(), "does not exist"),
    // Whoever opens it waits for somebody at the other end.
    (|_, used| mkfifoat(CWD, used, Mode::RWXU).unwrap(), "is not a file"),
];

#[test]
fn certificates_that_change_are_used_and_broken_ones_are_not() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make("next", "ec", &["a.example"]);
    certificates.make("third", "ec", &["a.example"]);
    certificates.make("first", "ec", &["a.example"]);
    certificates.replace("first", "used");
    let words = "workers = 2\nthreads = 1\nadmin = \"127.0.0.1:0\"";
    let server = place.serve(words, &place.of("a.example", "used", ""));
    let trusted = ["first", "next", "third"];
    let visitor = certificates.visitor(&trusted);
    let [first, next, third] = trusted.map(|name| {
        let mut command = Command::new("openssl");
        let pem = certificates.path(&format!("{name}.pem"));
        command.args(["x509", "-outform", "DER", "-in"]).arg(pem).output().unwrap().stdout
    });
    let shown = || {
        let mut client = certificates.visitor(&trusted).connect(server.addr(), "a.example");
        client.get("/digits.txt").is_ok().then(|| client.shown())
    };
    let faults = || place.reasons("certificate");
    // What is said of it as long as it is so.
    let failed = || {
        let figures = ask(admin(&server), "/metrics", "").text();
        let name =
            format!("gannet_certificate_failed{{file={:?}}} ", certificates.path("used.pem"));
        figures.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
    };
    let status = || {
        let (_, said, stderr) =
            Launch::of(["status", "--json", &place.file()].map(str::to_owned).to_vec()).finish();
        serde_json::from_str::<Value>(&said).expect(&stderr)["certificates"][0].clone()
    };
    let pids = || server.workers().iter().map(|worker| worker.0).collect::<Vec<_>>();
    let before = pids();
    under_load(&visitor, server.addr(), || {
        certificates.replace("next", "used");
        assert!(eventually(|| place.reasons("renewed").len() == 1), "{:?}", faults());
        assert!(eventually(|| shown() == Some(next.clone())));
        for (breaks, words) in BREAKS {
            breaks(certificates, &certificates.path("used.pem"));
            let is_said = || faults().last().is_some_and(|last| last.contains(words));
            assert!(eventually(is_said), "{words}: {:?}", faults());
            assert!(eventually(|| failed() == Some("1".to_owned())), "{words}");
            assert!(status()["error"].as_str().unwrap().contains(words), "{}", status());
            assert_eq!(shown(), Some(next.clone()), "the last good one");
        }
        assert_eq!(faults().len(), BREAKS.len(), "each is said once: {:?}", faults());
        certificates.replace("third", "used");
        assert!(eventually(|| place.reasons("renewed").len() == 2), "{:?}", faults());
        assert!(eventually(|| shown() == Some(third.clone())));
        assert!(eventually(|| failed() == Some("0".to_owned())) && status()["error"].is_null());
        assert_eq!(pids(), before, "nobody was started anew");
    });
    // Who is started now has the newest, too.
    server.workers().iter().for_each(|worker| worker.kill());
    assert!(eventually(|| pids().len() == 2 && pids() != before));
    assert_eq!(shown(), Some(third));
    assert_ne!(Some(first), shown());
}

#[test]
fn authorities_that_change_decide_who_is_let_in_and_broken_ones_do_not() {
    let place = Place::new();
    let certificates = &place.certificates;
    let names = ["staff", "guest"];
    names.iter().for_each(|name| certificates.make(name, "ec", &[name]));
    certificates.replace_file("staff.pem", "used.pem");
    let authority = format!(", client-ca = {:?}", certificates.path("used.pem"));
    let server = place.serve("workers = 2\nthreads = 1", &place.of("a.example", "a", &authority));
    let let_in = || {
        names.map(|name| {
            let visitor = certificates.visitor_by(&["a"], Some(name), rustls::ALL_VERSIONS);
            visitor.get(server.addr(), "a.example", "/digits.txt").is_ok()
        })
    };
    assert_eq!(let_in(), [true, false]);
    let known = certificates.visitor_by(&["a"], Some("staff"), rustls::ALL_VERSIONS);
    let mut kept = known.connect(server.addr(), "a.example");
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    certificates.replace_file("guest.pem", "used.pem");
    assert!(
        eventually(|| place.reasons("renewed").len() == 1),
        "{:?}",
        place.reasons("certificate")
    );
    assert!(eventually(|| (0..8).all(|_| let_in() == [false, true])), "by both workers");
    fs::write(certificates.path("used.pem"), "no PEM").unwrap();
    assert!(eventually(|| place.reasons("certificate").len() == 1));
    assert_eq!(let_in(), [false, true], "the last good ones");
    // Hands are shaken once: who is in stays in until the connection ends.
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
}

#[test]
fn certificates_that_change_are_used_after_an_upgrade_has_failed() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make("next", "ec", &["a.example"]);
    certificates.replace("a", "used");
    let sites = place.of("a.example", "used", "");
    let server = place.serve("control = \"c.sock\"", &sites);
    // What only shows once the next program has taken over.
    fs::write(place.folder.path().join("taken"), "precious").unwrap();
    place.write("control = \"taken\"", &sites);
    server.signal(Signal::USR2);
    assert!(eventually(|| place.reasons("not_upgraded").len() == 1));
    place.write("control = \"c.sock\"", &sites);
    let words = ["status", "--json", &place.file()].map(str::to_owned);
    let (_, status, stderr) = Launch::of(words.to_vec()).finish();
    let status: Value = serde_json::from_str(&status).expect(&stderr);
    assert_eq!(status["reload"]["done"], false, "it is remembered: {status}");
    certificates.replace("next", "used");
    assert!(eventually(|| place.reasons("renewed").len() == 1));
    let visitor = certificates.visitor(&["next"]);
    assert!(eventually(|| {
        let mut client = visitor.connect(server.addr(), "a.example");
        client.get("/digits.txt").is_ok()
    }));
    server.stop();
}

/// A disk may not answer.
#[test]
fn no_upgrade_waits_for_a_look_at_certificates() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.replace("a", "used");
    place.write("threads = 1", &place.of("a.example", "used", ""));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    // Time enough to find who looks.
    let server = launch.env("GANNET_FAIL", "check=stall:500").start();
    let is_look = |child: &Process| child.name() == "gannet-check";
    let mut look = None;
    assert!(eventually(|| {
        look = server.started().children().into_iter().find(is_look);
        look.is_some()
    }));
    look.unwrap().signal(Signal::STOP);
    place.tell(&["upgrade", "-c"]);
    server.stop();
}

#[test]
fn a_config_that_is_taken_back_has_the_newest_certificates() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make("next", "ec", &["a.example"]);
    certificates.replace("a", "used");
    let sites = place.of("a.example", "used", "");
    let server = place.serve("threads = 1", &sites);
    let mut busy = Client::connect_narrow(plain(&server));
    busy.send("GET /large.bin HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert_eq!(busy.take(9).unwrap(), b"HTTP/1.1 ");
    let old = server.workers();
    place.write("threads = 1", &format!("{sites}cache-control = \"no-store\"\n"));
    place.tell(&["reload"]);
    certificates.replace("next", "used");
    assert!(eventually(|| place.reasons("renewed").len() == 1));
    let is_back = || !place.reasons("taken_back").is_empty();
    assert!(eventually(|| {
        let new = server.workers().into_iter().filter(|worker| !old.contains(worker));
        is_back() || {
            new.for_each(|worker| worker.kill());
            false
        }
    }));
    let visitor = certificates.visitor(&["next"]);
    assert!(eventually(|| {
        let mut client = visitor.connect(server.addr(), "a.example");
        client.get("/digits.txt").is_ok()
    }));
    drop(busy);
    server.stop();
}

#[test]
fn failed_handshakes_are_counted_by_what_went_wrong() {
    let place = Place::new();
    place.certificates.make("b", "ec", &["b.example"]);
    let ca = place.certificates.path("b.pem");
    let sites = place.of("a.example", "a", "")
        + &place.of("b.example", "b", &format!(", client-ca = {ca:?}"));
    let server = place.serve("threads = 1", &sites);
    let ca = ca.to_str().unwrap();
    let (key, chain) = (place.certificates.path("b.key"), place.certificates.path("chain.pem"));
    let pem = fs::read(ca).unwrap();
    fs::write(&chain, pem.repeat(100)).unwrap();
    let (key, chain) = (key.to_str().unwrap(), chain.to_str().unwrap());
    for words in [
        &["-servername", "b.example", "-cert", ca, "-key", key, "-cert_chain", chain][..],
        &["-servername", "nobody.example"],
        &["-servername", "a.example", "-verify_return_error", "-CAfile", ca],
        &["-servername", "a.example", "-tls1_2", "-cipher", "AES128-SHA"],
        &["-servername", "b.example"],
    ] {
        openssl(server.addr(), words, "");
    }
    let last = server.stop().lines.pop().unwrap();
    for kind in ["nameless", "refused", "incompatible", "uncertified"] {
        assert_eq!(last[format!("handshakes_{kind}")], 1, "{kind}: {last}");
    }
    assert_eq!(last["handshakes_failed"], 5);
    let is_long = |reason: &String| reason == "a message of its handshake is longer than 32 KiB";
    assert!(place.reasons("refused").iter().any(is_long), "{:?}", place.reasons("refused"));
}

/// A visitor may go past a warning, but not past a server that says nothing.
#[test]
fn an_expired_certificate_is_used_where_there_is_no_better_one() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.make_between(["-9 days", "-2 days"], "old", &["a.example"]);
    certificates.replace("old", "used");
    let server = place.serve("", &place.of("a.example", "used", ""));
    let shows = |name: &str| {
        let said = openssl(server.addr(), &["-servername", "a.example"], "");
        said.contains(&format!("subject=CN = {name}\n"))
    };
    let says = |words: &str| {
        let is_it = |reason: &String| reason.contains("used.pem") && reason.ends_with(words);
        place.reasons("certificate").iter().any(is_it)
    };
    assert!(shows("old"));
    assert!(eventually(|| says(": browsers refuse it")), "{:?}", place.reasons("certificate"));
    certificates.replace("a", "used");
    assert!(eventually(|| shows("a")));
    certificates.replace("old", "used");
    let is_refused = || says(": browsers refuse it: the one before goes on");
    assert!(eventually(is_refused), "{:?}", place.reasons("certificate"));
    assert!(shows("a"));
    server.stop();
}

/// Where the one before ends soon, too, nobody would be there to look again the next day.
#[test]
fn a_certificate_of_the_future_is_used_as_soon_as_it_holds() {
    let place = Place::new();
    let certificates = &place.certificates;
    certificates.replace("a", "used");
    let server = place.serve("", &place.of("a.example", "used", ""));
    let shows = |name: &str| {
        let said = openssl(server.addr(), &["-servername", "a.example"], "");
        said.contains(&format!("subject=CN = {name}\n"))
    };
    certificates.make_between(["6 seconds", "90 days"], "soon", &["a.example"]);
    certificates.replace("soon", "used");
    let is_refused = || place.reasons("certificate").iter().any(|one| one.contains("only from"));
    assert!(eventually(is_refused), "{:?}", place.reasons("certificate"));
    assert!(eventually(|| shows("soon")));
    assert!(eventually(|| place.reasons("renewed").len() == 1));
    server.stop();
}

/// 78 of the threats: whoever renews a key forgets whom it is for.
#[test]
fn a_key_that_may_not_be_read_any_more_is_spoken_of() {
    let place = Place { folder: e2e::folder_of_nobody(), ..Place::new() };
    let certificates = &place.certificates;
    certificates.replace("a", "used");
    let key = certificates.path("used.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    place.write("threads = 1", &place.of("a.example", "used", ""));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]).as_nobody();
    let server = launch.env("XDG_RUNTIME_DIR", place.folder.path().to_str().unwrap()).start();
    fs::set_permissions(&key, Permissions::from_mode(0o000)).unwrap();
    let is_said = || {
        let reasons = place.reasons("certificate");
        reasons.iter().any(|reason| reason.contains("this user may not read it"))
    };
    assert!(eventually(is_said), "{:?}", place.reasons("certificate"));
    let visitor = certificates.visitor(&["a"]);
    assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_clock_that_jumps_stops_nobody() {
    const DAY: i32 = 24 * 60 * 60;
    let place = Place::new();
    let server = place.serve("threads = 1", &place.of("a.example", "a", ""));
    let visitor = place.certificates.visitor(&["a"]);
    // Over the end of all certificates, and back before their beginning.
    for (days, is_known) in [(0, false), (100, true), (-1, true), (0, true)] {
        server.workers().into_iter().for_each(|worker| clock::set_ahead(worker, days * DAY));
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200, "{days}");
        assert_eq!(client.is_resumed(), is_known, "{days}");
    }
}

#[test]
fn a_browser_shows_a_page_over_tls() {
    let place = Place::new();
    place.certificates.make("here", "ec", &["localhost"]);
    let server = place.serve("", &place.of("localhost", "here", ""));
    let browser = Browser::start();
    browser.open(&format!("https://localhost:{}/page.html", server.addr().port()));
    let seen = browser.run(
        "const [page] = performance.getEntriesByType('navigation');\
         return [document.title, location.protocol, page.nextHopProtocol].join(' ');",
    );
    assert_eq!(seen, "page https: h2");
    assert_eq!(server.stop().lines.pop().unwrap()["handshakes_failed"], 0);
}

/// Bytes of memory that a connection may have which waits for its next request: 12 KiB.
const IDLE_BYTES_MAX: u64 = 12 * 1024;

#[test]
fn a_connection_that_waits_keeps_no_buffer() {
    const CONNECTIONS: u64 = 500;
    let place = Place::new();
    let server = place.serve("threads = 1", &place.of("a.example", "a", ""));
    let visitor = place.certificates.visitor(&["a"]);
    let come = || {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        client
    };
    // What all connections share is there by then.
    let _first: Vec<_> = (0..20).map(|_| come()).collect();
    let before = server.process().memory_kib();
    let _crowd: Vec<_> = (0..CONNECTIONS).map(|_| come()).collect();
    let each = (server.process().memory_kib() - before) * 1024 / CONNECTIONS;
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes each");
}
