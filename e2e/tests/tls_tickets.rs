//! Who comes back over TLS with a ticket: known where it is good, and nowhere else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, eventually,
    secure_place::{LAST, SecurePlace, openssl},
};
use std::{net::SocketAddr, path::Path};

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

/// 74 of the threats: a ticket of one site lets nobody into another.
#[test]
fn a_ticket_is_good_for_its_own_site_and_no_other() {
    let place = SecurePlace::new();
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

/// Has keys changed each two seconds.
const ROTATION: &str = "rotation=set:2000,look=set:200";

/// A key lives as long where upgrades come faster than it would age.
#[test]
fn tickets_end_with_their_keys_however_often_programs_change() {
    let place = SecurePlace::new();
    let ticket = place.folder.path().join("ticket");
    place.write("threads = 1", &place.of("a.example", "a", ""));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    let server = launch.env("GANNET_FAIL", ROTATION).start();
    let is_known = || {
        let said = come_with(&ticket, server.addr(), "a.example", "-tls1_3");
        said.contains("Reused, TLSv1.3")
    };
    // A busy machine may be too slow to come back in time, but not each time.
    assert!((0..5).any(|_| {
        fetch(&ticket, server.addr(), "a.example", "-tls1_3");
        is_known()
    }));
    assert!(eventually(|| {
        place.tell(&["upgrade", "-c"]);
        !is_known()
    }));
    server.stop();
}

#[test]
fn who_comes_back_to_a_folder_is_known_as_long_as_the_key_is_there() {
    let place = SecurePlace::new();
    let ticket = place.folder.path().join("ticket");
    let launch = Launch::quick(&[&*place.site.root_text(), "--tls", "--threads", "2"]);
    let launch = launch.env("STATE_DIRECTORY", place.folder.path().to_str().unwrap());
    let server = launch.env("GANNET_FAIL", ROTATION).start();
    let is_known = || {
        let said = come_with(&ticket, server.addr(), "localhost", "-tls1_3");
        said.contains("Reused, TLSv1.3")
    };
    let are_known = || {
        fetch(&ticket, server.addr(), "localhost", "-tls1_3");
        (0..6).all(|_| is_known())
    };
    assert!((0..3).any(|_| are_known()), "whichever loop it is");
    assert!(eventually(|| !is_known()));
    server.stop();
}

#[test]
fn who_comes_back_is_known_to_all_workers_and_generations() {
    let place = SecurePlace::new();
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
