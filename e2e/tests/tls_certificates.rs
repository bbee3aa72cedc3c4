//! Certificates of sites whose files change, break, end and are mended while they are served.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Server, Stalling, clock, eventually,
    look::{admin, ask},
    process::Process,
    secure::Certificates,
    secure_place::{SecurePlace, openssl, plain, under_load},
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

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
        "is cut off",
    ),
    (|_, used| fs::remove_file(used).unwrap(), "does not exist"),
    // Whoever opens it waits for somebody at the other end.
    (|_, used| mkfifoat(CWD, used, Mode::RWXU).unwrap(), "is not a file"),
];

/// What the figures say of a file: whether what is in it is not used.
fn failed(server: &Server, file: &Path) -> Option<String> {
    let figures = ask(admin(server), "/metrics", "").text();
    let name = format!("gannet_certificate_failed{{file={file:?}}} ");
    figures.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
}

/// What `gannet status` says.
fn status(place: &SecurePlace) -> Value {
    let words = ["status", "--json", &place.file()].map(str::to_owned);
    let (_, said, stderr) = Launch::of(words.to_vec()).finish();
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{stderr}"))
}

#[test]
fn certificates_that_change_are_used_and_broken_ones_are_not() {
    let place = SecurePlace::new();
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
    let failed = || failed(&server, &certificates.path("used.pem"));
    let status = || status(&place)["certificates"][0].clone();
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
            let is_told = || status()["error"].as_str().is_some_and(|said| said.contains(words));
            assert!(eventually(is_told), "{}", status());
            assert_eq!(shown(), Some(next.clone()), "the last good one");
        }
        assert_eq!(faults().len(), BREAKS.len(), "each is said once: {:?}", faults());
        certificates.replace("third", "used");
        assert!(eventually(|| place.reasons("renewed").len() == 2), "{:?}", faults());
        assert!(eventually(|| shown() == Some(third.clone())));
        assert!(eventually(|| failed() == Some("0".to_owned())));
        assert!(eventually(|| status()["error"].is_null()), "{}", status());
        assert_eq!(pids(), before, "nobody was started anew");
    });
    // Who is started now has the newest, too.
    server.workers().iter().for_each(|worker| worker.kill());
    assert!(eventually(|| {
        let now = pids();
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
    }));
    assert_eq!(shown(), Some(third));
    assert_ne!(Some(first), shown());
}

/// A network disk may never answer; that is said, and is nobody's matter whose files lie elsewhere.
#[test]
fn a_certificate_on_a_disk_that_hangs_holds_up_no_other() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    ["used", "next"].iter().for_each(|name| certificates.make(name, "ec", &["b.example"]));
    let folder = place.folder.path().join("disk");
    fs::create_dir(&folder).unwrap();
    let mut disk = Stalling::mount(&folder);
    let lead_to = |file: &Path| {
        let new = certificates.path("new");
        symlink(file, &new).unwrap();
        fs::rename(new, certificates.path("linked.pem")).unwrap();
    };
    lead_to(&certificates.path("a.pem"));
    fs::copy(certificates.path("a.key"), certificates.path("linked.key")).unwrap();
    let sites = place.of("a.example", "linked", "") + &place.of("b.example", "used", "");
    let server = place.serve("threads = 1", &sites);
    lead_to(&folder.join("look.pem"));
    assert!(eventually(|| disk.stalled() > 0), "it is looked at");
    let error = || status(&place)["certificates"][0]["error"].as_str().map(str::to_owned);
    assert_eq!(error(), None, "who asks for the status waits for no disk");
    certificates.replace("next", "used");
    assert!(eventually(|| place.reasons("renewed").len() == 1), "the other one is used");
    let is_said = |said: &str| said.contains("linked.pem") && said.contains("does not answer");
    assert!(eventually(|| place.reasons("certificate").iter().any(|said| is_said(said))));
    assert!(eventually(|| error().is_some_and(|said| is_said(&said))), "{:?}", error());
    let visitor = certificates.visitor(&["a", "next"]);
    for host in ["a.example", "b.example"] {
        assert_eq!(visitor.connect(server.addr(), host).get("/digits.txt").unwrap().status, 200);
    }
    // It answers, if only that there is nothing, and then there is something.
    disk.end();
    assert!(eventually(|| error().is_some_and(|said| !is_said(&said))));
    lead_to(&certificates.path("a.pem"));
    assert!(eventually(|| error().is_none()), "{:?}", error());
    server.stop();
}

#[test]
fn authorities_that_change_decide_who_is_let_in_and_broken_ones_do_not() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    let names = ["staff", "guest"];
    names.iter().for_each(|name| certificates.make(name, "ec", &[name]));
    certificates.replace_file("staff.pem", "used.pem");
    let authority = format!(", client-ca = {:?}", certificates.path("used.pem"));
    let words = "workers = 2\nthreads = 1\nadmin = \"127.0.0.1:0\"";
    let server = place.serve(words, &place.of("a.example", "a", &authority));
    let failed = || failed(&server, &certificates.path("used.pem"));
    let let_in = || {
        names.map(|name| {
            let visitor = certificates.visitor_by(&["a"], Some(name), rustls::ALL_VERSIONS);
            visitor.get(server.addr(), "a.example", "/digits.txt").is_ok()
        })
    };
    assert_eq!(let_in(), [true, false]);
    assert!(eventually(|| failed() == Some("0".to_owned())));
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
    // It is said as long as it is so, and no reload goes by it.
    assert!(eventually(|| failed() == Some("1".to_owned())));
    let said = status(&place);
    let row = said["certificates"].as_array().unwrap().iter().find(|one| one["of_clients"] == true);
    let row = row.unwrap();
    assert!(row["error"].as_str().unwrap().contains("there is no certificate in it"), "{row}");
    assert_eq!(
        (&row["hosts"][0], row["hosts"].as_array().unwrap().len()),
        (&"a.example".into(), 1)
    );
    let (_, said, _) = Launch::of(vec!["status".to_owned(), place.file()]).finish();
    assert!(said.contains("authorities that certify its clients"), "{said}");
    let (code, _, stderr) = Launch::of(vec!["reload".to_owned(), place.file()]).finish();
    assert!(
        code != Some(0) && stderr.contains("the file of `client-ca` cannot be used"),
        "{stderr}"
    );
    certificates.replace_file("guest.pem", "used.pem");
    assert!(eventually(|| failed() == Some("0".to_owned())));
    // Hands are shaken once: who is in stays in until the connection ends.
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
}

#[test]
fn certificates_that_change_are_used_after_an_upgrade_has_failed() {
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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
    let place = SecurePlace::new();
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

/// A visitor may go past a warning, but not past a server that says nothing.
#[test]
fn an_expired_certificate_is_used_where_there_is_no_better_one() {
    let place = SecurePlace::new();
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

/// Whoever reloads may have changed something else.
#[test]
fn no_reload_parts_with_a_good_certificate_for_a_bad_one() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    certificates.make_between(["-9 days", "-2 days"], "old", &["a.example"]);
    certificates.replace("a", "used");
    let site = |more: &str| place.of("a.example", "used", "") + more;
    let server = place.serve("workers = 2\nthreads = 1", &site(""));
    let shows = |name: &str| {
        let said = openssl(server.addr(), &["-servername", "a.example"], "");
        said.contains(&format!("subject=CN = {name}\n"))
    };
    assert!(shows("a"));
    certificates.replace("old", "used");
    let is_refused = || place.reasons("certificate").len() == 1;
    assert!(eventually(is_refused), "{:?}", place.reasons("certificate"));
    let (code, _, stderr) = Launch::of(vec!["check".to_owned(), place.file()]).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("used.pem: it has expired on"), "{stderr}");
    for more in ["cache-control = \"no-store\"\n", ""] {
        place.write("workers = 2\nthreads = 1", &site(more));
        place.tell(&["reload"]);
        assert!((0..8).all(|_| shows("a")), "by both workers: {more}");
    }
    // It is the one that new workers and the next program have, too.
    place.tell(&["upgrade", "-c"]);
    assert!((0..8).all(|_| shows("a")));
    let row = status(&place)["certificates"][0].clone();
    assert!(
        row["error"].as_str().is_none_or(|why| why.contains("the one before goes on")),
        "{row}"
    );
    certificates.make("next", "ec", &["a.example"]);
    certificates.replace("next", "used");
    assert!(eventually(|| shows("next")));
    server.stop();
}

/// A script may have had the wrong host in a variable.
#[test]
fn a_certificate_for_other_hosts_is_not_taken_where_the_one_before_is_for_them() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    certificates.make("other", "ec", &["b.example"]);
    certificates.make("half", "ec", &["a.example"]);
    certificates.make("whole", "ec", &["a.example", "www.a.example"]);
    certificates.replace("a", "used");
    let site =
        place.of("a.example", "used", "").replace("\ntls", "\naliases = [\"www.a.example\"]\ntls");
    let server = place.serve("threads = 1\nadmin = \"127.0.0.1:0\"", &site);
    let shows = |name: &str| {
        let said = openssl(server.addr(), &["-servername", "a.example"], "");
        said.contains(&format!("subject=CN = {name}\n"))
    };
    assert!(eventually(|| failed(&server, &certificates.path("used.pem")) == Some("0".to_owned())));
    let hosts = status(&place)["certificates"][0]["hosts"].clone();
    assert_eq!(hosts, serde_json::json!(["a.example", "www.a.example"]));
    for (name, missing) in [("other", "a.example, www.a.example"), ("half", "www.a.example")] {
        certificates.replace(name, "used");
        let words =
            format!("is not for {missing}: browsers refuse it there: the one before goes on");
        let is_refused = || place.reasons("certificate").iter().any(|one| one.ends_with(&words));
        assert!(eventually(is_refused), "{:?}", place.reasons("certificate"));
        place.tell(&["reload"]);
        assert!(shows("a"), "{name}");
    }
    // What was there before is well again, which is said once.
    let wells =
        || place.reasons("certificate").iter().filter(|one| one.contains("well again")).count();
    certificates.replace("a", "used");
    assert!(eventually(|| wells() == 1), "{:?}", place.reasons("certificate"));
    assert!(place.reasons("renewed").is_empty());
    certificates.replace("whole", "used");
    assert!(eventually(|| shows("whole")));
    assert_eq!(wells(), 1);
    server.stop();
    // Where there was no better one, it is used, and all say what it is.
    certificates.replace("other", "used");
    let server = place.start();
    assert!(eventually(|| !status(&place)["certificates"][0]["warning"].is_null()));
    for verb in ["status", "certs", "check"] {
        let (_, stdout, stderr) = Launch::of(vec![verb.to_owned(), place.file()]).finish();
        let said = stdout + &stderr;
        assert!(said.contains("is not for a.example, www.a.example: browsers refuse"), "{said}");
    }
    let is_said =
        || place.reasons("certificate").iter().any(|one| one.ends_with("refuse it there"));
    assert!(eventually(is_said), "{:?}", place.reasons("certificate"));
    server.stop();
}

#[test]
fn a_broken_certificate_keeps_no_other_from_being_listed() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    for (name, kind) in [("half", "ec"), ("gone", "ec"), ("clients", "ec")] {
        certificates.make(name, kind, &["b.example"]);
    }
    let authority = format!(", client-ca = {:?}", certificates.path("clients.pem"));
    let sites = place.of("a.example", "a", &authority)
        + &place.of("b.example", "half", "")
        + &place.of("c.example", "gone", "");
    place.write("", &sites);
    let half = fs::read(certificates.path("half.pem")).unwrap();
    fs::write(certificates.path("half.pem"), &half[..half.len() / 2]).unwrap();
    fs::write(certificates.path("clients.pem"), "").unwrap();
    fs::remove_file(certificates.path("gone.key")).unwrap();
    let list =
        || Launch::of(["certs", "--json", &place.file()].map(str::to_owned).to_vec()).finish();
    let (code, said, stderr) = list();
    assert_eq!(code, Some(0), "{stderr}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let rows = said["certificates"].as_array().unwrap();
    let expect = [
        ("a.pem", None),
        ("half.pem", Some("is cut off")),
        ("gone.pem", Some("gone.key does not exist")),
        ("clients.pem", Some("it is empty")),
    ];
    assert_eq!(rows.len(), expect.len(), "{said}");
    for (file, words) in expect {
        let is_it = |row: &&Value| row["file"].as_str().is_some_and(|path| path.ends_with(file));
        let row = rows.iter().find(is_it).unwrap();
        let error = row["error"].as_str();
        assert_eq!(error.is_some(), words.is_some(), "{row}");
        assert!(words.is_none_or(|words| error.unwrap().contains(words)), "{row}");
    }
    // What else is wrong with a config is a mistake here as well.
    let text = fs::read_to_string(place.file()).unwrap();
    fs::write(place.file(), format!("include = [\"nowhere.toml\"]\n{text}")).unwrap();
    let (code, _, stderr) = list();
    assert!(code == Some(2) && stderr.contains("nowhere.toml"), "{stderr}");
}

/// Where the one before ends soon, too, nobody would be there to look again the next day.
#[test]
fn a_certificate_of_the_future_is_used_as_soon_as_it_holds() {
    let place = SecurePlace::new();
    let certificates = &place.certificates;
    certificates.replace("a", "used");
    let server = place.serve("", &place.of("a.example", "used", ""));
    let shows = |name: &str| {
        let said = openssl(server.addr(), &["-servername", "a.example"], "");
        said.contains(&format!("subject=CN = {name}\n"))
    };
    certificates.make_between(["15 seconds", "90 days"], "soon", &["a.example"]);
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
    let place = SecurePlace { folder: e2e::folder_of_nobody(), ..SecurePlace::new() };
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
        reasons.iter().any(|reason| reason.contains("may not read it"))
    };
    assert!(eventually(is_said), "{:?}", place.reasons("certificate"));
    let visitor = certificates.visitor(&["a"]);
    assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_clock_that_jumps_stops_nobody() {
    const DAY: i32 = 24 * 60 * 60;
    let place = SecurePlace::new();
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
