//! Where certificates are kept: a folder that cannot be made, that is gone, that several share.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, Server,
    authority::{Manner, free_ports},
    clock, eventually,
    issuing::{DAY, Issuing, issuer, serves},
};
use std::fs;

/// Where Pebble takes orders.
const ORDER: &str = "/order-plz";

/// O15 of the threats: no folder at all.
#[test]
fn a_folder_that_is_not_there_is_found_once_it_is_and_filled_again_when_it_is_gone() {
    let issuing = Issuing::with_front(Manner::default());
    let kept = issuing.place.path("kept");
    fs::write(&kept, "a file is in the way").unwrap();
    let server = issuing.serve("", &[("a.test", "\"auto\"")]);
    let is_said = || issuing.place.errors().contains("no certificate: ");
    assert!(eventually(is_said), "{}", issuing.place.errors());
    let listed = issuing.place.listed();
    let why = "kept: nothing can be kept: is no folder";
    assert!(listed["error"].as_str().unwrap().ends_with(why), "{listed}");
    assert!(eventually(|| issuing.place.status() == listed), "{}", issuing.place.status());
    fs::remove_file(&kept).unwrap();
    fs::create_dir(&kept).unwrap();
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.errors());
    assert!(eventually(|| issuing.place.status() == issuing.place.listed()));
    assert!(issuing.place.status().get("error").is_none(), "{}", issuing.place.status());
    // Somebody removes all of it.
    let file = kept.join("sites/a.test.pem");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(&kept).unwrap();
    let is_back = || fs::read_to_string(&file).is_ok_and(|found| found == text);
    assert!(eventually(is_back), "{}", issuing.place.errors());
    assert_eq!(issuing.front().asked(ORDER).len(), 1, "what is used is put there again");
    assert!(serves(&issuing.visitor(), issuing.addr(), "a.test"));
    server.stop();
}

/// Another server of the same sites that keeps its certificates in the same folder.
fn other(issuing: &Issuing) -> Server {
    let [http, tls] = free_ports(issuing.place.address);
    let text = fs::read_to_string(issuing.place.file()).unwrap();
    let port = |port: u16| format!("{}:{port}\"", issuing.place.address);
    let text = text.replace(&port(issuing.ports.0), &port(http));
    let text = text.replace(&port(issuing.ports.1), &port(tls));
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
            assert!(eventually(is_served), "{host}: {}", issuing.place.errors());
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
    assert!(eventually(|| orders() > hosts.len()), "{}", issuing.place.errors());
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
    servers.into_iter().for_each(|server| drop(server.stop()));
}
