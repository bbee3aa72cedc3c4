//! What may become of certificates, each time compared with the books of the authority that has
//! issued them.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, NOBODY, Response,
    authority::Manner,
    clock, eventually,
    issuing::{DAY, Issuing, issuer, serves},
    secure::{SecureClient, number_and_end},
};
use serde_json::Value;
use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::{MetadataExt, chown, symlink},
};

const HOUR: i32 = 3_600;

const SITE: (&str, &str) = ("a.test", "\"auto\"");

/// Somebody who has asked and stays.
fn guest(issuing: &Issuing) -> SecureClient {
    let mut client = issuing.visitor().connect(issuing.addr(), "a.test");
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    client
}

/// The number of the certificate that is shown to who comes now.
fn shown(issuing: &Issuing) -> String {
    number_and_end(&guest(issuing).shown()).0
}

/// Its authority says that it is to be renewed, or else a reload does.
#[test]
fn a_certificate_that_is_taken_back_is_replaced() {
    for has_front in [true, false] {
        let of = if has_front { Issuing::with_front } else { Issuing::new };
        let issuing = of(Manner::default());
        let server = issuing.serve("", &[SITE]);
        assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
        let (books, first) = (&issuing.authority.books, shown(&issuing));
        assert_eq!(books.certificate(&first)["Status"], "Valid");
        let mut guest = guest(&issuing);
        // A connection with nothing under way need not outlive a reload and what it has issued.
        guest.send("GET /digits.txt HTTP/1.1\r\n").unwrap();
        let (code, said) = issuing.place.tell(&["certs", "--revoke", "b.test"]);
        assert!(code == Some(1) && said.contains("no authority issues a certificate for b.test"));
        let said = issuing.place.order(&["certs", "--revoke", "a.test"]);
        assert!(said.starts_with("a.test: revoked\nnext: `gannet reload "), "{said}");
        let book = books.certificate(&first);
        assert_eq!((&book["Status"], &book["Reason"]), (&"Revoked".into(), &Value::from(1)));
        match has_front {
            true => clock::set_ahead(issuer(&server), 2 * HOUR),
            false => drop(issuing.place.order(&["reload"])),
        }
        assert!(eventually(|| shown(&issuing) != first), "{}", issuing.place.log());
        guest.send("Host: a.test\r\n\r\n").unwrap();
        let answer = Response::read(&mut guest, false).unwrap();
        assert_eq!(answer.status, 200, "nobody is turned out");
        issuing.check_books(&["a.test"]);
        assert_eq!(books.issued(), [first, shown(&issuing)]);
        server.stop();
    }
}

/// Whoever has another key is somebody else, whatever the one before was called.
#[test]
fn the_key_of_an_account_may_be_taken_away() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    server.stop();
    fs::remove_file(issuing.place.path("kept/account.pem")).unwrap();
    let server = issuing.serve("", &[SITE]);
    clock::set_ahead(issuer(&server), 61 * DAY);
    let books = &issuing.authority.books;
    assert!(eventually(|| books.issued().len() == 2), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// Root looks after a folder of another user's, such as one of a service: that one reads what root
/// has made there.
#[test]
fn what_root_makes_for_another_user_is_that_users() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    server.stop();
    let kept = issuing.place.path("kept");
    let file = kept.join("sites/a.test.pem");
    for path in [&kept, &kept.join("sites"), &file] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::remove_file(kept.join("sites/a.test.lock")).unwrap();
    issuing.place.order(&["certs", "--revoke", "a.test"]);
    assert!(fs::read_to_string(&file).unwrap().contains("\nwindow 0 0\n"), "it is noted");
    let home = issuing.place.path("home").display().to_string();
    let words = ["trust", "--only-browsers", "--folder", kept.to_str().unwrap()];
    let launch = Launch::of(words.map(str::to_owned).to_vec()).env("HOME", &home);
    let (code, _, stderr) = launch.finish();
    assert_eq!((code, &*stderr), (Some(0), ""));
    for name in ["sites/a.test.pem", "sites/a.test.lock", "authority.pem"] {
        let found = fs::metadata(kept.join(name)).unwrap();
        let expect = (NOBODY, NOBODY, 0o600);
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), expect, "{name}");
    }
    // That user may put links there, which lead to what is root's.
    let (secret, lock) = (issuing.place.path("secret"), kept.join("sites/a.test.lock"));
    fs::write(&secret, "").unwrap();
    fs::remove_file(&lock).unwrap();
    symlink(&secret, &lock).unwrap();
    let before = fs::metadata(&secret).unwrap().uid();
    issuing.place.order(&["certs", "--revoke", "a.test"]);
    assert_eq!(fs::metadata(&secret).unwrap().uid(), before);
}

/// 78 of the threats: whatever becomes of the file, the certificate that was in it is shown, and is
/// in it again.
#[test]
fn a_file_that_is_broken_is_no_loss() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let first = shown(&issuing);
    server.stop();
    let file = issuing.place.path("kept/sites/a.test.pem");
    let text = fs::read_to_string(&file).unwrap();
    let certificates = &issuing.place.certificates;
    certificates.make("other", "ec", &["b.test"]);
    let [key, chain] =
        ["other.key", "other.pem"].map(|name| fs::read_to_string(certificates.path(name)).unwrap());
    let (head, own_key) = (text.find("-----").unwrap(), text.find("-----BEGIN CERT").unwrap());
    let head = &text[..head];
    for (what, broken) in [
        ("half of it is written", Some(text[..text.len() / 2].to_owned())),
        ("its key is another's", Some(format!("{head}{key}{}", &text[own_key..]))),
        ("it is for another host", Some(format!("{head}{key}{chain}"))),
        ("nothing is in it", Some(String::new())),
        ("it is gone", None),
    ] {
        let server = issuing.serve("", &[SITE]);
        let mut guest = guest(&issuing);
        let says = ["is in its file again", "is gone: the one before goes on"];
        let log = || issuing.place.log();
        let said = || says.iter().map(|words| log().matches(words).count()).sum::<usize>();
        let before = said();
        let is_mended = || fs::read_to_string(&file).is_ok_and(|found| found == text);
        match broken {
            // Another owner, too: it is for nobody to read.
            Some(other) => {
                fs::write(&file, other).unwrap();
                chown(&file, Some(65_534), None).unwrap();
            }
            None => fs::remove_file(&file).unwrap(),
        }
        // Who has just started to ask authorities mends it without a word.
        assert!(eventually(|| said() > before || is_mended()), "{what}: {}", log());
        assert_eq!(shown(&issuing), first, "{what}");
        issuing.place.order(&["reload"]);
        assert!(eventually(is_mended), "{what}: {}", log());
        issuing.check_books(&["a.test"]);
        assert_eq!(shown(&issuing), first, "{what}");
        assert_eq!(guest.get("/digits.txt").unwrap().status, 200, "{what}");
        server.stop();
    }
    assert_eq!(issuing.authority.books.issued(), [first], "none is asked for twice");
}

/// 79 of the threats: one of two challenges is dead, after more failures than anybody counts.
#[test]
fn a_host_that_leads_elsewhere_holds_up_no_other_and_is_asked_for_by_and_by() {
    let issuing = Issuing::new(Manner::default());
    issuing.authority.lead("b.test", Some(Ipv4Addr::new(127, 255, 255, 254)));
    let folder = issuing.place.path("kept/attempts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("b.test"), format!("failures {}\nlast 0\nnext 0\n", u32::MAX)).unwrap();
    let server = issuing.serve("", &[SITE, ("b.test", "\"auto\"")]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let noted = |name| issuing.noted("b.test", name).unwrap();
    assert!(eventually(|| noted("last") > 0), "{}", issuing.place.log());
    let listed = issuing.place.order(&["certs"]);
    assert!(listed.contains("b.test: ") && listed.contains(", failure 4294967295 in a row"));
    let wait = noted("next") - noted("last");
    assert!((12 * 3_600..16 * 3_600).contains(&wait), "{wait}");
    let books = &issuing.authority.books;
    assert_eq!((books.orders(), books.issued()), (2, vec![shown(&issuing)]));
    issuing.authority.lead("b.test", None);
    clock::set_ahead(issuer(&server), 16 * HOUR);
    assert!(issuing.serves_all(&["b.test"]), "{}", issuing.place.log());
    issuing.check_books(&["a.test", "b.test"]);
    assert_eq!((books.orders(), books.issued().len()), (3, 2));
    server.stop();
}

/// 80 of the threats: nothing is asked for but what is configured, however many names are named.
#[test]
fn nothing_is_asked_for_because_visitors_name_it() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let visitor = issuing.visitor();
    for number in 0..300 {
        assert!(!serves(&visitor, issuing.addr(), &format!("s{number}.a.test")), "{number}");
    }
    // An order would have been placed before this one is.
    clock::set_ahead(issuer(&server), 61 * DAY);
    let books = &issuing.authority.books;
    assert!(eventually(|| books.issued().len() == 2), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    assert_eq!((books.orders(), books.issued().len()), (2, 2));
    server.stop();
}

/// O16 of the threats: early after a machine has started, the kernel takes its time over each
/// random number.
#[test]
fn random_numbers_that_come_late_hold_up_nothing_else() {
    let issuing = Issuing::new(Manner::default());
    issuing.write("", &[SITE]);
    let trace = issuing.place.path("trace");
    let late = format!(
        "exec strace -D -f --seccomp-bpf -o {} -e trace=getrandom \
         -e inject=getrandom:delay_enter=100000 \"$0\" \"$@\"",
        trace.display()
    );
    let server = issuing.place.launch().after(&late).start();
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    assert_eq!(issuing.authority.books.issued(), [shown(&issuing)]);
    server.stop();
    let is_traced = || fs::read_to_string(&trace).unwrap().matches("getrandom(").count() > 5;
    assert!(eventually(is_traced));
}

/// 82 of the threats: all are over at once while nobody issues any, and then the clock goes back.
#[test]
fn certificates_that_are_over_are_shown_until_there_are_others() {
    let mut issuing = Issuing::with_front(Manner::default());
    let hosts: Vec<String> = (0..12).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let server = issuing.serve("", &sites);
    assert!(issuing.serves_all(&hosts), "{}", issuing.place.log());
    issuing.authority.go_down();
    clock::set_ahead(issuer(&server), 91 * DAY);
    let has_failed = |host: &String| issuing.noted(host, "failures") == Some(1);
    assert!(eventually(|| hosts.iter().all(has_failed)), "{}", issuing.place.log());
    let visitor = issuing.place.certificates.visitor(&["root"]);
    assert!(hosts.iter().all(|host| serves(&visitor, issuing.addr(), host)));
    issuing.authority.go_up();
    clock::set_ahead(issuer(&server), 92 * DAY);
    let is_well = |host: &String| issuing.noted(host, "failures").is_none();
    assert!(eventually(|| hosts.iter().all(is_well)), "{}", issuing.place.log());
    issuing.check_books(&hosts);
    // Long before they were issued, by this clock.
    let asked = || issuing.front().asked("/renewal").len();
    let before = asked();
    clock::set_ahead(issuer(&server), 0);
    assert!(eventually(|| asked() >= before + hosts.len()), "{}", issuing.place.log());
    issuing.check_books(&hosts);
    assert_eq!(issuing.authority.books.issued().len(), 2 * hosts.len());
    server.stop();
}
