//! Authorities that refuse some of what is wanted, and what is not affected by that.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    authority::Manner,
    clock, eventually,
    issuing::{Issuing, issuer},
};
use std::fs;

const HOUR: i32 = 3_600;

const AUTO: &str = "\"auto\"";

/// 79 of the threats: the limit of one name is not that of others, and holds for processes that
/// come later, too.
#[test]
fn one_certificate_too_many_holds_up_no_other() {
    let issuing = Issuing::with_front(Manner::default());
    issuing.front().refuse_host("b.test", 7200);
    let server = issuing.serve("", &[("b.test", AUTO)]);
    assert!(eventually(|| issuing.noted("b.test", "failures") == Some(1)));
    let wait = issuing.noted("b.test", "next").unwrap() - issuing.noted("b.test", "last").unwrap();
    assert!((7190..7300).contains(&wait), "{wait}");
    let sites = ["a.test", "b.test", "c.test"].map(|host| (host, AUTO));
    issuing.write("", &sites);
    issuing.place.order(&["reload"]);
    assert!(issuing.serves_all(&["a.test", "c.test"]), "{}", issuing.place.log());
    server.stop();
    // Whoever knows of no attempt knows what the authority wants.
    fs::remove_dir_all(issuing.place.path("kept/attempts")).unwrap();
    let server = issuing.serve("", &sites);
    assert!(eventually(|| issuing.noted("b.test", "failures") == Some(1)));
    let told = issuing.place.order(&["certs"]);
    assert!(told.contains("too many certificates for this host of late"), "{told}");
    assert_eq!(issuing.front().orders_of("b.test"), 1, "it was left alone");
    issuing.front().refuse_host("", 0);
    clock::set_ahead(issuer(&server), 3 * HOUR);
    assert!(issuing.serves_all(&["b.test"]), "{}", issuing.place.log());
    issuing.check_books(&["a.test", "b.test", "c.test"]);
    server.stop();
}

/// 79 of the threats: an order that is refused, by Pebble itself.
#[test]
fn a_host_that_is_refused_holds_up_no_other_and_is_spoken_of() {
    let issuing = Issuing::new(Manner { blocked: Some("a.test"), ..Manner::default() });
    let server = issuing.serve("", &[("a.test", AUTO), ("b.test", AUTO)]);
    assert!(issuing.serves_all(&["b.test"]), "{}", issuing.place.log());
    assert!(eventually(|| issuing.noted("a.test", "failures") == Some(1)));
    let why = "(rejectedIdentifier)";
    let is_logged = || issuing.place.log().contains(why);
    assert!(eventually(is_logged), "{}", issuing.place.log());
    let listed = issuing.place.listed();
    assert!(listed["error"].as_str().unwrap().contains(why), "{listed}");
    assert!(eventually(|| issuing.place.shown() == listed), "{}", issuing.place.shown());
    assert_eq!(issuing.authority.books.issued().len(), 1);
    server.stop();
}

/// A port that a firewall closes is no way; the other one may be.
#[test]
fn where_one_way_is_dead_the_next_is_taken() {
    let issuing = Issuing::new(Manner { has_no_http: true, ..Manner::default() });
    let server = issuing.serve("", &[("a.test", AUTO)]);
    let noted = |name| issuing.noted("a.test", name);
    assert!(eventually(|| noted("failures") == Some(1)), "{}", issuing.place.log());
    assert_eq!(noted("proofs"), Some(1));
    clock::set_ahead(issuer(&server), HOUR);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// An authority whose limit is that of all is left alone with all, and asked as soon as another one
/// may be: here each has its own.
#[test]
fn the_next_authority_need_not_be_left_alone() {
    let issuing = Issuing::with_front(Manner::default());
    issuing.front().refuse(Some(7200));
    let direct = issuing.authority.url();
    let trusted = issuing.place.certificates.path("pebble.pem");
    let blocked = "https://127.0.0.1:1/dir";
    let words = |url: &str| {
        format!("authority = [{}, {{ url = {url:?}, trusted = {trusted:?} }}]", issuing.words())
    };
    issuing.place.set(issuing.ports, &words(blocked), &[("a.test", AUTO)]);
    let server = issuing.place.start();
    let noted = |name| issuing.noted("a.test", name).unwrap_or(0);
    assert!(eventually(|| noted("failures") == 1), "{}", issuing.place.log());
    let wait = noted("next") - noted("last");
    assert!((300..380).contains(&wait), "the second says nothing about when: {wait}");
    let asked = issuing.front().asked("/").len();
    clock::set_ahead(issuer(&server), 400);
    assert!(eventually(|| noted("failures") == 2), "{}", issuing.place.log());
    assert_eq!(issuing.front().asked("/").len(), asked, "the first is left alone meanwhile");
    let before = issuer(&server);
    issuing.place.set(issuing.ports, &words(&direct), &[("a.test", AUTO)]);
    issuing.place.order(&["reload"]);
    // Another config has another process.
    assert!(eventually(|| issuer(&server) != before));
    clock::set_ahead(issuer(&server), HOUR);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    assert_eq!(issuing.front().asked("/").len(), asked);
    server.stop();
}

/// O15 of the threats: what is in no file is known by each process that looks for the folder.
#[test]
fn who_cannot_note_what_went_wrong_asks_no_more_often() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.go_down();
    fs::write(issuing.place.path("kept"), "a file is in the way").unwrap();
    issuing.write("", &[("a.test", AUTO)]);
    let server = issuing.place.launch().env("GANNET_FAIL", "folder=set:1").start();
    let log = || issuing.place.log();
    assert!(eventually(|| log().contains("no certificate: ")), "{}", log());
    for _ in 0..3 {
        let before = issuer(&server);
        assert!(eventually(|| issuer(&server) != before), "it looks for the folder");
    }
    assert_eq!(log().matches("no certificate: ").count(), 1, "{}", log());
    issuing.authority.go_up();
    fs::remove_file(issuing.place.path("kept")).unwrap();
    fs::create_dir(issuing.place.path("kept")).unwrap();
    assert!(eventually(|| issuing.noted("a.test", "failures") == Some(1)), "{}", log());
    clock::set_ahead(issuer(&server), HOUR);
    assert!(issuing.serves_all(&["a.test"]), "{}", log());
    server.stop();
}
