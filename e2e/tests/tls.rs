//! Sites over TLS: who is answered with what, and who is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, eventually, extent,
    frames::{self, OPENING},
    secure_place::{LAST, SecurePlace, openssl, plain, under_load},
    webdriver::Browser,
};
use rustls::{ProtocolVersion, version};
use std::{fs, process::Command};

#[test]
fn a_site_is_served_over_both_versions_by_the_key_that_the_client_understands() {
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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

/// Each time, whichever protocol is spoken, and in no other way than the log itself has.
#[test]
fn whoever_has_to_show_a_certificate_is_named_in_the_log() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    certificates.make("s,taff", "ec", &["staff"]);
    // What is not sent at once has its line in two steps.
    fs::write(place.site.root().join("big.bin"), vec![0; 3_000_000]).unwrap();
    let authority = format!(", client-ca = {:?}", certificates.path("s,taff.pem"));
    let sites = place.of("a.example", "a", "") + &place.of("b.a.example", "a", &authority);
    let server = place.serve("", &sites);
    let known = certificates.visitor_by(&["a"], Some("s,taff"), rustls::ALL_VERSIONS);
    let named = |target: &str| {
        let line = server.wait_for(|line| line["target"] == target);
        line.get("client_certificate").cloned()
    };
    let name = Some("CN=s\\,taff".into());
    for target in ["/digits.txt?1", "/digits.txt?2", "/big.bin?3"] {
        let mut client = known.connect(server.addr(), "b.a.example");
        assert_eq!(client.get(target).unwrap().status, 200);
        assert_eq!(named(target), name, "{target}");
    }
    let mut many = known.choosing_http2().connect(server.addr(), "b.a.example");
    let asked = [1, 3]
        .map(|stream| frames::get_for("b.a.example", stream, &format!("/digits.txt?h2-{stream}")));
    many.send([OPENING, &asked.concat()].concat()).unwrap();
    frames::until(&mut many, frames::DATA).unwrap();
    for target in ["/digits.txt?h2-1", "/digits.txt?h2-3"] {
        assert_eq!(named(target), name, "{target}");
    }
    let mut client = known.connect(server.addr(), "b.a.example");
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    client.send("nonsense\r\n\r\n").unwrap();
    let line = server.wait_for(|line| line["refused"] == "nonsense");
    assert_eq!(line.get("client_certificate"), name.as_ref());
    let is_told = |line: &serde_json::Value| line.get("client_certificate") == name.as_ref();
    assert!(eventually(|| place.errors("refused").iter().any(is_told)));
    // Who need not show one is nobody in particular.
    assert_eq!(known.get(server.addr(), "a.example", "/digits.txt?open").unwrap().status, 200);
    assert_eq!(named("/digits.txt?open"), None);
    server.stop();
}

#[test]
fn clients_show_a_certificate_where_one_is_asked_for_and_no_way_leads_around_it() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    certificates.make("staff", "ec", &["staff"]);
    certificates.make("other", "ec", &["other"]);
    certificates.make_between(["-9 days", "-2 days"], "late", &["late"]);
    certificates.make_between(["2 days", "9 days"], "early", &["early"]);
    make_first(&place, "first");
    let pems =
        ["staff", "late", "early"].map(|name| fs::read(certificates.path(&format!("{name}.pem"))));
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
    for visitor in [&stranger, &by("other"), &by("late"), &by("early")] {
        assert!(visitor.get(server.addr(), "staff.a.example", "/digits.txt").is_err());
    }
    let [pem, key] = ["pem", "key"].map(|kind| certificates.path(&format!("first.{kind}")));
    let [pem, key] = [pem.to_str().unwrap(), key.to_str().unwrap()];
    openssl(server.addr(), &["-servername", "staff.a.example", "-cert", pem, "-key", key], "");
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
        "the client's certificate is not valid yet",
        "the client's certificate is of X.509 version 1, not 3: sign it with extensions",
        "no authority of `client-ca` has signed the client's certificate",
        "the connection was made for another name",
    ] {
        let is_told = || place.reasons("refused").iter().any(|one| one == reason);
        assert!(eventually(is_told), "{reason}: {:?}", place.reasons("refused"));
    }
    // Whose visitors they are.
    let lines = place.errors("refused").into_iter();
    let mut shaken = lines.filter(|line| line["reason"].as_str().unwrap().contains("certificate"));
    assert!(shaken.all(|line| line["host"] == "staff.a.example"));
}

/// Makes a pair with a certificate of the first version of X.509, as `openssl x509` does where it
/// is told nothing of extensions.
fn make_first(place: &SecurePlace, name: &str) {
    let path = |kind: &str| place.certificates.path(&format!("{name}.{kind}"));
    place.certificates.make(name, "ec", &[name]);
    let ask = Command::new("openssl")
        .args(["req", "-new", "-subj", "/CN=first", "-key"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("csr"))
        .output();
    let sign = Command::new("openssl")
        .args(["x509", "-req", "-days", "9", "-in"])
        .arg(path("csr"))
        .arg("-signkey")
        .arg(path("key"))
        .arg("-out")
        .arg(path("pem"))
        .output();
    assert!([ask, sign].iter().all(|done| done.as_ref().unwrap().status.success()));
}

#[test]
fn who_shakes_hands_slowly_or_wrongly_is_not_waited_for_long() {
    let place = SecurePlace::new();
    let limits = "[server.limits]\nhandshake-time = \"3s\"\nhead-time = \"20s\"";
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
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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

#[test]
fn failed_handshakes_are_counted_by_what_went_wrong() {
    let place = SecurePlace::new();
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

#[test]
fn a_browser_shows_a_page_over_tls() {
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
    let server = place.serve("threads = 1", &place.of("a.example", "a", ""));
    let visitor = place.certificates.visitor(&["a"]);
    let come = || {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        client
    };
    // What all connections share is there by then.
    let _first: Vec<_> = (0..20).map(|_| come()).collect();
    let before = server.process().own_memory_kib();
    let _crowd: Vec<_> = (0..CONNECTIONS).map(|_| come()).collect();
    let each = server.process().own_memory_kib().saturating_sub(before) * 1024 / CONNECTIONS;
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes each");
}
