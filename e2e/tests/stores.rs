//! Where certificates are kept: a folder that cannot be made, that is gone, that several share.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, Server,
    authority::{Manner, free_ports},
    clock,
    disk::SmallDisk,
    eventually,
    issuing::{DAY, Issuing, issuer, serves},
};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};

/// Where Pebble takes orders.
const ORDER: &str = "/order-plz";

const SITE: (&str, &str) = ("a.test", "\"auto\"");

/// O15 of the threats: no folder at all.
#[test]
fn a_folder_that_is_not_there_is_found_once_it_is() {
    let issuing = Issuing::new(Manner::default());
    let kept = issuing.place.path("kept");
    fs::write(&kept, "a file is in the way").unwrap();
    let server = issuing.serve("", &[SITE]);
    // By a key and with a certificate that are in memory.
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let is_logged = || issuing.place.log().contains("kept/account.pem: Not a directory");
    assert!(eventually(is_logged), "{}", issuing.place.log());
    let why = "kept: nothing can be kept: is no folder";
    let is_said =
        || issuing.place.shown()["error"].as_str().is_some_and(|said| said.ends_with(why));
    assert!(eventually(is_said), "{}", issuing.place.shown());
    assert!(issuing.place.listed()["error"].as_str().unwrap().ends_with(why));
    fs::remove_file(&kept).unwrap();
    fs::create_dir(&kept).unwrap();
    let is_kept = || kept.join("sites/a.test.pem").exists() && kept.join("account.pem").exists();
    assert!(eventually(is_kept), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    assert_eq!(issuing.authority.books.issued().len(), 1);
    server.stop();
}

/// O15 of the threats: somebody removes all of it, and servers go on to prove hosts at port 80 by
/// the key that was in it.
#[test]
fn a_folder_that_is_gone_is_filled_again() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("proof = \"http\"", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let kept = issuing.place.path("kept");
    let texts =
        || ["sites/a.test.pem", "account.pem"].map(|name| fs::read_to_string(kept.join(name)).ok());
    let before = texts();
    fs::remove_dir_all(&kept).unwrap();
    assert!(eventually(|| texts() == before), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    clock::set_ahead(issuer(&server), 61 * DAY);
    assert!(eventually(|| issuing.authority.books.issued().len() == 2), "{}", issuing.place.log());
    assert!(eventually(|| texts()[0] != before[0]), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// O15 of the threats: a folder that is mounted to be read only, as the server starts and later.
#[test]
fn a_folder_that_is_only_read_holds_nothing_up_and_is_filled_once_it_is_not() {
    let issuing = Issuing::new(Manner::default());
    let disk = SmallDisk::mount(&issuing.place.path("kept"));
    let file = issuing.place.path("kept/sites/a.test.pem");
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let way_out = "this machine has it mounted to be read only: remount it";
    disk.set_only_read(true);
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    for count in 1..3 {
        let is_said = || issuing.place.log().matches(way_out).count() > count;
        assert!(eventually(is_said), "{}", issuing.place.log());
        let is_shown = || issuing.place.shown()["error"].to_string().contains(way_out);
        assert!(eventually(is_shown), "{}", issuing.place.shown());
        let before = read();
        disk.set_only_read(false);
        assert!(eventually(|| read() != before), "{}", issuing.place.log());
        issuing.check_books(&["a.test"]);
        assert_eq!(issuing.authority.books.issued().len(), count);
        // The second time, one is to be renewed.
        disk.set_only_read(true);
        clock::set_ahead(issuer(&server), 61 * DAY);
    }
    server.stop();
}

/// Another server of the same sites that keeps its certificates in the same folder.
fn other(issuing: &Issuing) -> Server {
    let [http, tls, admin] = free_ports(issuing.place.address);
    let text = fs::read_to_string(issuing.place.config()).unwrap();
    let port = |port: u16| format!("{}:{port}\"", issuing.place.address);
    let text = text.replace(&port(issuing.ports.0), &port(http));
    let text = text.replace(&port(issuing.ports.1), &port(tls));
    let text = text.replace(&port(issuing.place.admin), &port(admin));
    let file = issuing.place.path("other.toml");
    fs::write(&file, text.replace("errors.log", "others.log")).unwrap();
    Launch::of(vec!["run".to_owned(), file.to_str().unwrap().to_owned()]).start()
}

/// 81 of the threats: one order for each name, and who dies holds nobody up.
#[test]
fn servers_that_share_a_folder_order_each_certificate_once() {
    let issuing = Issuing::with_front(Manner::default());
    // All are due at two thirds of their life.
    issuing.front().wants_renewal("whenever you like");
    let hosts: Vec<String> = (0..6).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let servers = [issuing.serve("", &sites), other(&issuing)];
    let orders = || issuing.front().asked(ORDER).len();
    let visitor = issuing.visitor();
    for server in &servers {
        for host in &hosts {
            let is_served = || serves(&visitor, server.addr(), host);
            assert!(eventually(is_served), "{host}: {}", issuing.place.log());
        }
    }
    assert_eq!(orders(), hosts.len());
    let text = |host: &String| {
        let file = issuing.place.path(&format!("kept/sites/{host}.pem"));
        fs::read_to_string(file).unwrap()
    };
    let before: Vec<_> = hosts.iter().map(text).collect();
    // Whoever asks first is killed while it has the turns of some.
    let first = issuer(&servers[0]);
    clock::set_ahead(first, 61 * DAY);
    assert!(eventually(|| orders() > hosts.len()), "{}", issuing.place.log());
    first.kill();
    clock::set_ahead(issuer(&servers[1]), 61 * DAY);
    let is_renewed = || hosts.iter().zip(&before).all(|(host, before)| text(host) != *before);
    let others = || fs::read_to_string(issuing.place.path("others.log")).unwrap();
    assert!(eventually(is_renewed), "{}", others());
    for (host, text) in hosts.iter().map(|host| (host, text(host))) {
        assert!(text.ends_with("-----END CERTIFICATE-----\n"), "{host} is whole");
        assert_eq!(text.matches("PRIVATE KEY-----\n").count(), 2, "{host} has one key");
    }
    // What the one had begun that was killed is begun once more; it has four threads.
    assert!(orders() <= 2 * hosts.len() + 4, "{}", orders());
    assert!(eventually(|| issuing.authority.books.orders() == orders()));
    issuing.check_books(&hosts);
    servers.into_iter().for_each(|server| drop(server.stop()));
}

/// 81 of the threats: who stops while it has a turn, and lives, holds nobody up past a quarter of
/// an hour; here it is a second.
#[test]
fn who_hangs_with_a_turn_holds_no_other_up_for_ever() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let lock = File::open(issuing.place.path("kept/sites/a.test.lock")).unwrap();
    // As one that is frozen would have it.
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    server.stop();
    let server = issuing.place.launch().env("GANNET_FAIL", "turn=set:1").start();
    clock::set_ahead(issuer(&server), 61 * DAY);
    let is_renewed = || issuing.authority.books.issued().len() == 2;
    assert!(eventually(is_renewed), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}

/// Whatever is wrong with this program itself.
#[test]
fn who_panics_while_it_asks_is_followed_by_another() {
    let issuing = Issuing::new(Manner::default());
    let jobs = File::create(issuing.place.path("jobs")).unwrap();
    jobs.set_len(999).unwrap();
    issuing.write("", &[SITE]);
    let order = format!("order=panic:1000:{}", issuing.place.path("jobs").display());
    let server = issuing.place.launch().env("GANNET_FAIL", &order).start();
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let why = "the process that has certificates issued ended with exit code 101";
    let is_logged = || issuing.place.log().contains(why);
    assert!(eventually(is_logged), "{}", issuing.place.log());
    server.stop();
}

/// 81 of the threats: who stops while it makes an account known holds up nobody who has one.
#[test]
fn who_hangs_as_an_account_is_made_known_holds_up_none_that_is() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let accounts = fs::read_dir(issuing.place.path("kept/accounts")).unwrap();
    let mut paths = accounts.map(|entry| entry.unwrap().path());
    let lock = paths.find(|path| path.extension().is_some_and(|end| end == "lock")).unwrap();
    let lock = File::open(lock).unwrap();
    // For a quarter of an hour: nobody here waits as long.
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    clock::set_ahead(issuer(&server), 61 * DAY);
    let is_renewed = || issuing.authority.books.issued().len() == 2;
    assert!(eventually(is_renewed), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}
