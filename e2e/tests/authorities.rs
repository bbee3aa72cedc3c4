//! Authorities at their worst, and the machine itself: whatever happens, the site is served.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    authority::{EXTERNAL, Manner},
    clock,
    disk::SmallDisk,
    eventually,
    issuing::{DAY, Issuing, issuer},
};
use serde_json::Value;
use std::fs;

const HOUR: i32 = 3_600;

/// Where Pebble takes orders.
const ORDER: &str = "/order-plz";

const SITE: (&str, &str) = ("a.test", "\"auto\"");

/// 79 of the threats: 429 with `Retry-After`.
#[test]
fn who_is_asked_too_often_is_left_alone_for_as_long_as_it_says() {
    let issuing = Issuing::with_front(Manner::default());
    issuing.front().refuse(Some(7200));
    let hosts: Vec<String> = (0..8).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let server = issuing.serve("", &sites);
    let is_noted = |host: &String| issuing.noted(host, "failures") == Some(1);
    assert!(eventually(|| hosts.iter().all(is_noted)), "{}", issuing.place.log());
    let asked = issuing.front().asked("/").len();
    assert!(asked <= 4, "each of those who ask is told once: {asked}");
    for host in &hosts {
        let wait = issuing.noted(host, "next").unwrap() - issuing.noted(host, "last").unwrap();
        assert!(wait >= 7190, "{wait}");
    }
    // Whoever asks is told the same by all, the error log among them.
    let why = "too many new orders of late";
    let is_logged = || issuing.place.log().contains(why);
    assert!(eventually(is_logged), "{}", issuing.place.log());
    let listed = issuing.place.listed();
    assert!(listed["error"].as_str().unwrap().contains(why), "{listed}");
    assert!(eventually(|| issuing.place.shown() == listed), "{}", issuing.place.shown());
    assert!(issuing.place.order(&["status"]).contains(why));
    issuing.front().refuse(None);
    clock::set_ahead(issuer(&server), 3 * HOUR);
    assert!(issuing.serves_all(&hosts), "{}", issuing.place.log());
    issuing.check_books(&hosts);
    assert_eq!(issuing.authority.books.issued().len(), hosts.len());
    server.stop();
}

#[test]
fn an_authority_may_take_only_accounts_that_it_has_given_a_key() {
    let mut issuing = Issuing::new(Manner { is_external: true, ..Manner::default() });
    let server = issuing.serve("", &[SITE]);
    let is_said = || issuing.place.log().contains("name it by `eab-id` and `eab-key`");
    assert!(eventually(is_said), "{}", issuing.place.log());
    server.stop();
    let (id, key) = EXTERNAL;
    issuing.more = format!(", eab-id = {id:?}, eab-key = {key:?}");
    fs::remove_dir_all(issuing.place.path("kept/attempts")).unwrap();
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    server.stop();
}

/// What Let's Encrypt does where it has revoked a certificate: it wants it to be renewed at once,
/// here in its first hours, and then without end.
#[test]
fn an_authority_is_told_which_kind_is_wanted_and_says_when_to_renew() {
    let mut issuing = Issuing::with_front(Manner::default());
    issuing.more = ", profile = \"shortlived\"".to_owned();
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let orders = issuing.front().asked(ORDER);
    assert_eq!((orders.len(), &orders[0]["profile"]), (1, &Value::from("shortlived")));
    let mut kept = issuing.visitor().connect(issuing.addr(), "a.test");
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    issuing.front().wants_renewal("2020-01-01T00:00:00Z");
    clock::set_ahead(issuer(&server), 2 * HOUR);
    let is_renewed = || {
        let mut client = issuing.visitor().connect(issuing.addr(), "a.test");
        client.get("/digits.txt").is_ok() && client.shown() != kept.shown()
    };
    assert!(eventually(is_renewed), "{}", issuing.place.log());
    assert!(issuing.front().asked(ORDER)[1]["replaces"].is_string());
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200, "nobody is turned out");
    // It says when to ask again; who says that of each certificate is believed once a day.
    let wishes = || issuing.front().asked("/renewal").len();
    for hours in [4, 6] {
        let before = wishes();
        clock::set_ahead(issuer(&server), hours * HOUR);
        assert!(eventually(|| wishes() > before), "{hours}: {}", issuing.place.log());
    }
    assert_eq!(issuing.front().asked(ORDER).len(), 2);
    clock::set_ahead(issuer(&server), 27 * HOUR);
    assert!(eventually(|| issuing.front().asked(ORDER).len() > 2), "{}", issuing.place.log());
    server.stop();
}

#[test]
fn the_next_authority_is_asked_where_one_does_not_answer() {
    let issuing = Issuing::new(Manner::default());
    let words = format!("authority = [\"https://127.0.0.1:1/dir\", {}]", issuing.words());
    issuing.place.set(issuing.ports, &words, &[SITE]);
    let server = issuing.place.start();
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    assert!(issuing.place.listed().get("error").is_none());
    server.stop();
}

/// 79 of the threats: nobody is there.
#[test]
fn an_authority_that_is_down_for_a_week_is_asked_now_and_then() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.go_down();
    let server = issuing.serve("", &[SITE]);
    let failures = || issuing.noted("a.test", "failures").unwrap_or(0);
    assert!(eventually(|| failures() == 1), "{}", issuing.place.log());
    let issuer = issuer(&server);
    for day in 1..=7 {
        clock::set_ahead(issuer, day * DAY);
        assert!(eventually(|| failures() > i64::from(day)), "{}", issuing.place.log());
    }
    assert_eq!(failures(), 8, "once each day, as nobody was there on any");
    issuing.authority.go_up();
    clock::set_ahead(issuer, 8 * DAY);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// O15 of the threats: a disk without room.
#[test]
fn what_cannot_be_kept_is_used_and_kept_once_there_is_room() {
    let mut issuing = Issuing::with_front(Manner::default());
    let disk = SmallDisk::mount(&issuing.place.path("kept"));
    issuing.authority.go_down();
    let server = issuing.serve("", &[SITE]);
    assert!(eventually(|| issuing.noted("a.test", "failures").is_some()));
    // Else there would be room once that is over.
    fs::remove_file(issuing.place.path("kept/attempts/a.test")).unwrap();
    disk.fill();
    issuing.authority.go_up();
    clock::set_ahead(issuer(&server), HOUR);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let is_logged = || issuing.place.log().contains("cannot be kept in ");
    assert!(eventually(is_logged), "{}", issuing.place.log());
    let is_shown = || issuing.place.shown()["error"].to_string().contains("cannot be kept");
    assert!(eventually(is_shown), "{}", issuing.place.shown());
    // Whoever comes after the process that knew of it knows of it, too.
    let (orders, before) = (issuing.front().asked(ORDER).len(), issuer(&server));
    before.kill();
    assert!(eventually(|| !before.is_alive()));
    let next = issuer(&server);
    let asked = issuing.front().asked("/renewal").len();
    clock::set_ahead(next, 8 * HOUR);
    let has_asked = || issuing.front().asked("/renewal").len() > asked;
    assert!(eventually(has_asked), "{}", issuing.place.log());
    assert_eq!(issuing.front().asked(ORDER).len(), orders, "nothing is asked for twice");
    disk.empty();
    issuing.check_books(&["a.test"]);
    assert_eq!(issuing.authority.books.issued().len(), 1);
    server.stop();
}

/// O15 of the threats: what fails on such a disk is told as what fails anywhere.
#[test]
fn what_fails_and_cannot_be_noted_is_told_all_the_same() {
    let mut issuing = Issuing::new(Manner::default());
    let disk = SmallDisk::mount(&issuing.place.path("kept"));
    disk.fill();
    issuing.authority.go_down();
    let server = issuing.serve("", &[SITE]);
    let is_told = |words: &str| {
        let is_in = |row: &Value| row["error"].as_str().is_some_and(|said| said.contains(words));
        let shown = issuing.place.shown();
        is_in(&shown) && issuing.place.seen() == Value::from(vec![shown])
    };
    for (hours, words) in [(0, "failure 1 in a row"), (1, "failure 2 in a row")] {
        clock::set_ahead(issuer(&server), hours * HOUR);
        assert!(eventually(|| is_told(words)), "{words}: {}", issuing.place.shown());
    }
    assert!(issuing.noted("a.test", "failures").is_none(), "nothing can be noted");
    issuing.authority.go_up();
    clock::set_ahead(issuer(&server), 4 * HOUR);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    assert!(eventually(|| is_told("cannot be kept in ")), "{}", issuing.place.shown());
    disk.empty();
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// 82 and O6 of the threats: a clock that is a year late, or early.
#[test]
fn a_clock_that_is_wrong_holds_nothing_up_once_it_is_right() {
    for days in [-400, 400] {
        let mut issuing = Issuing::new(Manner::default());
        issuing.authority.go_down();
        let server = issuing.serve("", &[SITE]);
        assert!(eventually(|| issuing.noted("a.test", "failures") == Some(1)));
        issuing.authority.go_up();
        clock::set_ahead(issuer(&server), days * DAY);
        let is_said = || issuing.place.log().contains("is the clock of this machine right?");
        assert!(eventually(is_said), "{days}: {}", issuing.place.log());
        clock::set_ahead(issuer(&server), 0);
        assert!(issuing.serves_all(&["a.test"]), "{days}: {}", issuing.place.log());
        issuing.check_books(&["a.test"]);
        server.stop();
    }
}

#[test]
fn five_hundred_sites_are_served_by_and_by() {
    let issuing = Issuing::with_front(Manner::default());
    let hosts: Vec<String> = (0..500).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let server = issuing.serve("", &sites);
    let kept = issuing.place.path("kept/sites");
    let is_kept = |host: &&String| kept.join(format!("{host}.pem")).exists();
    let count = || hosts.iter().filter(is_kept).count();
    let mut before = 0;
    while before < hosts.len() {
        assert!(eventually(|| count() > before), "{before}: {}", issuing.place.log());
        before = count();
    }
    assert!(issuing.serves_all(&hosts), "{}", issuing.place.log());
    assert_eq!(issuing.front().asked(ORDER).len(), hosts.len());
    // One that is over may be counted beside the next.
    assert!(issuing.front().connections_most() <= 8, "a few at a time");
    server.stop();
}
