//! Certificates that come by themselves while a config changes: names, authorities, and the wish to
//! have it tried again.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Response,
    authority::Manner,
    clock, eventually,
    front::Front,
    issuing::{Issuing, issuer, serves},
    place::ERROR_LOG,
    secure::number_and_end,
};
use std::{
    fs,
    net::Ipv4Addr,
    time::{SystemTime, UNIX_EPOCH},
};

const HOUR: i32 = 3_600;

const SITE: (&str, &str) = ("a.test", "\"auto\"");

/// Where nobody is.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

/// What is shown to who comes now.
fn shown(issuing: &Issuing, host: &str) -> String {
    let mut client = issuing.visitor().connect(issuing.addr(), host);
    client.get("/digits.txt").map(|_| number_and_end(&client.shown()).0).unwrap_or_default()
}

/// Nobody had to say anything: no `tls`, neither ports nor names that are special.
#[test]
fn a_public_name_is_served_over_https_with_http2_by_itself() {
    let issuing = Issuing::new(Manner::default());
    let (place, (http, tls)) = (&issuing.place, issuing.ports);
    let address = place.address;
    place.write(&format!(
        "[server]\nlisten = [{{ address = \"{address}:{tls}\", tls = true }}, \
         \"{address}:{http}\"]\nlog = \"json\"\n{ERROR_LOG}\
         [server.certificates]\nfolder = \"kept\"\nproof = \"http\"\nauthority = {}\n\
         [site.\"shop.my-site.dev\"]\nroot = 'ROOT'\naliases = [\"www.my-site.dev\"]\n\
         redirect-from = [\"old.my-site.dev\"]\n",
        issuing.words()
    ));
    let server = place.start();
    assert!(issuing.serves_all(&["shop.my-site.dev", "www.my-site.dev"]), "{}", place.log());
    let visitor = issuing.visitor();
    let moved = visitor.get(issuing.addr(), "old.my-site.dev", "/digits.txt").unwrap();
    assert_eq!(moved.status, 308, "it has a certificate, too");
    let ask = |more: &[&str]| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "--http2", "-w", " %{http_version} %{http_code}"]).args(more);
        curl.arg("--cacert").arg(place.certificates.path("root.pem"));
        curl.args(["--resolve", &format!("shop.my-site.dev:{tls}:{address}")]);
        curl.arg(format!("https://shop.my-site.dev:{tls}/digits.txt"));
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    assert_eq!(ask(&[]), "0123456789 2 200");
    let mut plain = Client::connect((address, http).into());
    plain.send("GET /digits.txt HTTP/1.1\r\nHost: shop.my-site.dev\r\n\r\n").unwrap();
    let answer = Response::read(&mut plain, false).unwrap();
    let to = format!("https://shop.my-site.dev:{tls}/digits.txt");
    assert_eq!((answer.status, answer.get("location")), (308, Some(&*to)));
    server.stop();
}

/// The certificate that is there is good for the names that it is for, whoever else cannot be
/// proved, and whichever of them comes first.
#[test]
fn a_name_that_is_added_takes_nothing_from_the_others() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.lead("b.test", Some(NOWHERE));
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let (visitor, first) = (issuing.visitor(), shown(&issuing, "a.test"));
    issuing.place.edit("tls = \"auto\"", "tls = \"auto\"\naliases = [\"b.test\"]");
    issuing.place.order(&["reload"]);
    assert!(serves(&visitor, issuing.addr(), "a.test"));
    let is_noted = || issuing.noted("a.test", "failures") == Some(1);
    assert!(eventually(is_noted), "{}", issuing.place.log());
    assert_eq!(shown(&issuing, "a.test"), first);
    let missing = "is not for b.test yet";
    let is_said = || issuing.place.log().contains(missing);
    assert!(eventually(is_said), "{}", issuing.place.log());
    let is_told = || issuing.place.shown()["warning"].to_string().contains(missing);
    assert!(eventually(is_told), "{}", issuing.place.shown());
    let listed = issuing.place.listed();
    assert!(eventually(|| issuing.place.shown() == listed), "{}", issuing.place.shown());
    assert!(listed["issuer"].as_str().unwrap().contains("Pebble"), "{listed}");
    assert!(listed["error"].as_str().unwrap().contains("b.test"), "{listed}");
    // The other one is the first now, and so the file is another.
    issuing.place.edit("[site.\"a.test\"]", "[site.\"b.test\"]");
    issuing.place.edit("aliases = [\"b.test\"]", "aliases = [\"a.test\"]");
    issuing.place.order(&["reload"]);
    assert_eq!(shown(&issuing, "a.test"), first);
    let is_noted = || issuing.noted("b.test", "failures") == Some(1);
    assert!(eventually(is_noted), "{}", issuing.place.log());
    assert_eq!(shown(&issuing, "a.test"), first);
    issuing.authority.lead("b.test", None);
    clock::set_ahead(issuer(&server), HOUR);
    assert!(issuing.serves_all(&["a.test", "b.test"]), "{}", issuing.place.log());
    assert_ne!(shown(&issuing, "a.test"), first);
    server.stop();
    // One that has failed may be left out again, and then nothing is wrong.
    issuing.authority.go_down();
    issuing.place.edit("aliases = [\"a.test\"]", "aliases = [\"a.test\", \"c.test\"]");
    let server = issuing.place.start();
    let has_failed = || issuing.noted("b.test", "failures") == Some(1);
    assert!(eventually(has_failed), "{}", issuing.place.log());
    issuing.place.edit(", \"c.test\"", "");
    issuing.place.order(&["reload"]);
    assert!(eventually(|| issuing.noted("b.test", "failures").is_none()));
    let is_well = || issuing.place.shown().get("error").is_none();
    assert!(eventually(is_well), "{}", issuing.place.shown());
    assert!(issuing.place.listed().get("warning").is_none());
    server.stop();
}

/// Whoever has tried an authority for tests goes on to another one.
#[test]
fn a_config_that_names_another_authority_has_another_certificate_issued() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[SITE]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let first = shown(&issuing, "a.test");
    // One more that is asked changes nothing: the one that has issued it is asked, too.
    let front = Front::of(&issuing.authority, &issuing.place.certificates, issuing.place.address);
    let trusted = issuing.place.certificates.path("pebble.pem");
    let other = format!("{{ url = {:?}, trusted = {trusted:?} }}", front.url());
    let words = |list: &str| format!("authority = [{list}]");
    let both = words(&format!("{}, {other}", issuing.words()));
    issuing.place.set(issuing.ports, &both, &[SITE]);
    issuing.place.order(&["reload"]);
    issuing.check_books(&["a.test"]);
    assert!(front.asked("/").is_empty(), "the first that issues is enough");
    let mut kept = issuing.visitor().connect(issuing.addr(), "a.test");
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    // A connection with nothing under way need not outlive an issuing that takes long.
    kept.send("GET /digits.txt HTTP/1.1\r\n").unwrap();
    issuing.place.set(issuing.ports, &words(&other), &[SITE]);
    issuing.place.order(&["reload"]);
    let next = || shown(&issuing, "a.test");
    assert!(eventually(|| next() != first), "{}", issuing.place.log());
    kept.send("Host: a.test\r\n\r\n").unwrap();
    let answer = Response::read(&mut kept, false).unwrap();
    assert_eq!(answer.status, 200, "nobody is turned out");
    assert_eq!(front.orders_of("a.test"), 1);
    issuing.check_books(&["a.test"]);
    assert_eq!(issuing.authority.books.issued(), [first, next()]);
    server.stop();
}

/// Whoever has mended what was wrong says so.
#[test]
fn a_reload_has_what_has_failed_tried_again() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.go_down();
    let server = issuing.serve("", &[SITE]);
    for (hour, failures) in (0..5).zip(1..) {
        clock::set_ahead(issuer(&server), hour * HOUR);
        let has_failed = || issuing.noted("a.test", "failures") == Some(failures);
        assert!(eventually(has_failed), "{failures}: {}", issuing.place.log());
    }
    issuing.authority.go_up();
    // By now the next attempt is more than an hour away.
    clock::set_ahead(issuer(&server), 4 * HOUR + HOUR / 6);
    assert_eq!(issuing.authority.books.orders(), 0);
    issuing.place.order(&["reload"]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    server.stop();
}

/// The same where the server is started anew, but not within minutes of the last attempt.
#[test]
fn a_start_has_what_has_failed_tried_again() {
    let issuing = Issuing::new(Manner::default());
    let folder = issuing.place.path("kept/attempts");
    fs::create_dir_all(&folder).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let note = |host: &str, last: u64| {
        let text = format!("failures 9\nlast {last}\nnext {}\nwhy of old\n", now + 40_000);
        fs::write(folder.join(host), text).unwrap();
    };
    // A while ago, and a moment.
    note("a.test", now - 900);
    note("b.test", now);
    let server = issuing.serve("", &[("b.test", "\"auto\""), SITE]);
    let is_told = || issuing.place.shown_of("b.test")["error"].to_string().contains("of old");
    assert!(eventually(is_told), "{}", issuing.place.shown_of("b.test"));
    assert!(issuing.place.shown_of("b.test")["next"].as_str().unwrap().starts_with("asked for "));
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    assert_eq!(
        (issuing.authority.books.orders(), issuing.noted("b.test", "failures")),
        (1, Some(9))
    );
    server.stop();
}

/// P10: from 14 days before its end, where nobody renews it, the log and the status say so.
#[test]
fn the_end_of_a_certificate_is_spoken_of_in_good_time() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.go_down();
    let hosts = ["soon.test", "later.test"];
    let folder = issuing.place.path("kept/sites");
    fs::create_dir_all(&folder).unwrap();
    for (host, times) in hosts.iter().zip([["77 days ago", "13 days"], ["75 days ago", "15 days"]])
    {
        let certificates = &issuing.place.certificates;
        certificates.make_between(times, host, &[*host]);
        let [key, pem] = ["key", "pem"]
            .map(|kind| fs::read_to_string(certificates.path(&format!("{host}.{kind}"))).unwrap());
        let url = issuing.authority.url();
        let text = format!("gannet certificate 1\nauthority {url}\nissued 1\n{key}{pem}");
        fs::write(folder.join(format!("{host}.pem")), text).unwrap();
    }
    let server = issuing.serve("", &hosts.map(|host| (host, "\"auto\"")));
    let warning = |rows: serde_json::Value, host: &str| {
        let mut all = rows.as_array().unwrap().iter();
        // Nothing is known of any before the first look at them.
        all.find(|row| row["hosts"][0] == host).map(|row| row["warning"].clone())
    };
    let told = || issuing.place.status()["certificates"].clone();
    let said = |host: &str| warning(told(), host).map(|said| said.to_string());
    let is_said = || said("soon.test").is_some_and(|said| said.contains("expires on "));
    assert!(eventually(is_said), "{}", told());
    assert_eq!(said("later.test").as_deref(), Some("null"), "{}", told());
    let visitor = issuing.place.certificates.visitor(&hosts);
    assert!(hosts.iter().all(|host| serves(&visitor, issuing.addr(), host)));
    let is_logged = || {
        let log = issuing.place.log();
        let lines = log.lines().filter(|line| line.contains(" expires on "));
        lines.clone().count() == 1 && lines.clone().all(|line| line.contains("soon.test"))
    };
    assert!(eventually(is_logged), "{}", issuing.place.log());
    let listed = issuing.place.order(&["certs"]);
    assert_eq!(listed.matches("  warning: expires on ").count(), 1, "{listed}");
    server.stop();
}
