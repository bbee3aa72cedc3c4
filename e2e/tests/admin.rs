//! What is seen at the address of `admin`, and by whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Launch, Server, Site, eventually,
    look::{admin, ask, connection, figures, json},
    process::Process,
    response::Bytes,
    webdriver::Browser,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// A server with a config that a test may change.
struct Place {
    site: Site,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(admin: &str) -> Self {
        let place = Self { site: Site::new(), folder: e2e::folder() };
        place.write(admin, "");
        place
    }

    fn write(&self, admin: &str, site: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\nthreads = 2\nadmin = {admin}\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [site.default]\nroot = {:?}\nroute.\"/moved\".redirect = \"/digits.txt\"\n{site}\n",
            self.site.root_text()
        );
        fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> String {
        self.folder.path().join("gannet.toml").to_str().unwrap().to_owned()
    }

    fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }

    fn tell(&self, words: &[&str]) {
        let words = words.iter().map(|word| (*word).to_owned()).chain([self.file()]);
        let (code, _, stderr) = Launch::of(words.collect()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
    }
}

/// The process that shows it, once it is there.
fn shower_of(server: &Server) -> Process {
    assert!(eventually(|| shower(server).is_some()));
    shower(server).unwrap()
}

/// The process that shows it.
fn shower(server: &Server) -> Option<Process> {
    server.started().children().into_iter().find(|child| child.name() == "gannet-admin")
}

#[test]
fn each_request_is_seen_in_the_figures() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    for (target, status) in [("/digits.txt", 200), ("/moved", 308), ("/not-there", 404)] {
        assert_eq!(Client::connect(server.addr()).get(target).unwrap().status, status);
    }
    // It is more than the kernel takes for a client that reads nothing.
    let mut slow = Client::connect_narrow(server.addr());
    slow.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(slow.take(13).unwrap(), b"HTTP/1.1 200 ");
    let under_way = || figures(addr)["gannet_requests_under_way{phase=\"serving\"}"];
    assert!(eventually(|| under_way() == 1.0));
    let open = || figures(addr)["gannet_open_connections{phase=\"serving\"}"];
    assert!(eventually(|| open() >= 1.0), "{}", open());
    let of_route = || {
        let labels = "{site=\"default\",route=\"/*\"}";
        figures(addr)[&format!("gannet_site_requests_under_way{labels}")]
    };
    assert!(eventually(|| of_route() == 1.0), "{}", of_route());
    slow.abort();
    assert!(eventually(|| under_way() == 0.0 && of_route() == 0.0));
    let is_counted = |all: &BTreeMap<String, f64>| {
        let labels = "{site=\"default\",route=\"/*\"}";
        all["gannet_requests_total"] == 4.0
            && all[&format!("gannet_response_seconds_count{labels}")] == 3.0
    };
    assert!(eventually(|| is_counted(&figures(addr))), "{:?}", figures(addr));
    let all = figures(addr);
    let labels = |route: &str| format!("site=\"default\",route=\"{route}\"");
    let of =
        |name: &str, route: &str, more: &str| all[&format!("{name}{{{}{more}}}", labels(route))];
    assert_eq!(of("gannet_site_requests_total", "/*", ",class=\"2xx\""), 2.0);
    assert_eq!(of("gannet_site_requests_total", "/*", ",class=\"4xx\""), 1.0);
    assert_eq!(of("gannet_site_requests_total", "/moved", ",class=\"3xx\""), 1.0);
    assert!(of("gannet_site_sent_bytes_total", "/*", "") > 1e5);
    for name in ["gannet_first_byte_seconds", "gannet_response_seconds"] {
        assert_eq!(of(&format!("{name}_count"), "/*", ""), 3.0);
        assert_eq!(of(&format!("{name}_bucket"), "/*", ",le=\"+Inf\""), 3.0);
    }
    let (first, whole) = ("gannet_first_byte_seconds_sum", "gannet_response_seconds_sum");
    assert!(of(first, "/*", "") > 0.0 && of(first, "/*", "") < of(whole, "/*", ""));
    assert_eq!((all["gannet_requests_total"], all["gannet_generation"]), (4.0, 1.0));
    let queue = format!("gannet_accept_queue_max{{address=\"{}\"}}", server.addr());
    assert!(all[&queue] > 0.0 && all["gannet_loop_looks_total"] > 0.0);
    assert!(
        all.iter()
            .any(|(name, bytes)| name.starts_with("gannet_worker_memory_bytes") && *bytes > 1e6)
    );
    let open = ask(addr, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.text().ends_with("# EOF\n"));
    let status = json(addr, "/status");
    assert_eq!((&status["requests"], &status["pid"]), (&4.into(), &server.started().0.into()));
    assert_eq!(ask(addr, "/not-there", "").status, 404);
    server.stop();
}

/// Its file stays as long as there is somebody to ask.
#[test]
fn by_a_unix_socket_a_server_is_seen_to_drain() {
    let folder = e2e::folder();
    let path = folder.path().join("admin.sock");
    let place = Place::new(&format!("\"unix:{}\"", path.display()));
    let server = place.start();
    let status = |of: &str| Client::connect_unix(&path).get(of).unwrap().status;
    assert!(eventually(|| status("/readyz") == 200));
    let mut busy = Client::connect_narrow(server.addr());
    busy.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(busy.take(13).unwrap(), b"HTTP/1.1 200 ");
    server.signal(Signal::TERM);
    assert!(eventually(|| status("/readyz") == 503));
    assert_eq!(status("/healthz"), 200);
    busy.abort();
    server.ended();
    assert!(!path.exists(), "it is taken away in the end");
}

/// Whatever hosts somebody makes up.
#[test]
fn what_is_asked_is_counted_for_the_site_that_has_answered() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let sites = || json(addr, "/requests")["sites"].clone();
    assert!(eventually(|| sites().is_array()));
    let mut client = Client::connect(server.addr());
    let is_counted = || {
        for host in ["evil.example", "LOCALHOST", "x.localhost"] {
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
            client.response().unwrap();
        }
        sites()[0]["times"].as_u64() > Some(3)
    };
    assert!(eventually(is_counted), "{}", sites());
    let all = sites();
    assert!(all.as_array().unwrap().len() == 1 && all[0]["name"] == "default", "{all}");
    let peer = format!("127.0.0.1:{}", client.port());
    let found = |site: &str| {
        let all = json(addr, &format!("/sockets?site={site}"));
        let all = all["sockets"].as_array().unwrap().clone();
        all.iter().any(|one| one["client"] == peer)
    };
    assert!(found("default") && !found("evil"));
    server.stop();
}

/// A script with a word misspelled is told so, and does not see that nobody is like that.
#[test]
fn there_is_no_filter_by_what_there_is_not() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let all = "/sockets?client=&limit=server&state=TIME_WAIT&site=&answers=&max=9&stories=";
    assert!(eventually(|| ask(addr, all, "").status == 200));
    for query in ["limit=clientt", "stat=TIME_WAIT", "state=XX", "max=abc", "answers=bad"] {
        let said = ask(addr, &format!("/sockets?{query}"), "");
        let name = query.split('=').next().unwrap();
        assert_eq!(said.status, 400, "{query}");
        assert!(said.text().starts_with(&format!("there is no {name}")), "{}", said.text());
    }
    // A reason is whole that the error log has whole.
    let mut client = Client::connect(server.addr());
    client.send(format!("{} / HTTP/1.1\r\n\r\n", "x".repeat(40))).unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    let reason = "the method is not a token of at most 32 bytes, followed by one space";
    assert!(eventually(|| json(addr, "/requests")["troubles"][0]["reason"] == reason));
    server.stop();
}

#[test]
fn it_is_ready_until_it_is_told_to_stop() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let is_ready = || ask(addr, "/readyz", "").status;
    assert!(eventually(|| is_ready() == 200));
    // Whoever kills what shows it finds another one at the same address.
    let first = shower_of(&server);
    first.kill();
    assert!(eventually(|| shower(&server).is_some_and(|next| next.0 != first.0)));
    assert!(eventually(|| is_ready() == 200));
    let mut busy = Client::connect_narrow(server.addr());
    busy.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(busy.take(13).unwrap(), b"HTTP/1.1 200 ");
    server.signal(Signal::TERM);
    assert!(eventually(|| is_ready() == 503));
    assert_eq!(ask(addr, "/healthz", "").status, 200);
    busy.abort();
    let last = shower(&server);
    server.ended();
    assert!(last.is_none_or(|last| eventually(|| !last.is_alive())), "nobody is left behind");
}

#[test]
fn reloads_and_other_programs_are_seen_at_the_same_address() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let before = shower_of(&server);
    place.write("\"127.0.0.1:0\"", "listing = true");
    place.tell(&["reload"]);
    assert_eq!(shower(&server).unwrap().0, before.0, "a reload is nothing to it");
    let is_told = |all: &BTreeMap<String, f64>| {
        let done = all["gannet_reloads_total{outcome=\"done\"}"];
        (done, all["gannet_generation"]) == (1.0, 2.0)
    };
    assert!(eventually(|| is_told(&figures(addr))), "{:?}", figures(addr));
    place.tell(&["upgrade", "-c"]);
    let count = |addr| figures(addr)["gannet_generation"];
    assert!(eventually(|| shower(&server).is_some_and(|next| next.0 != before.0)));
    assert!(eventually(|| count(addr) == 3.0), "{}", count(addr));
    assert!(!before.is_alive() || eventually(|| !before.is_alive()));
    // Where the config does not want it any more, nobody is there.
    let text = fs::read_to_string(place.file()).unwrap();
    fs::write(place.file(), text.replace("admin = \"127.0.0.1:0\"\n", "")).unwrap();
    place.tell(&["reload"]);
    assert!(eventually(|| Client::try_connect(addr).is_none() && shower(&server).is_none()));
    server.stop();
}

#[test]
fn verdicts_of_limits_are_seen_by_site_and_route() {
    let place = Place::new("\"127.0.0.1:0\"");
    place.write(
        "\"127.0.0.1:0\"",
        "route.\"/few/*\" = { limit = \"1/h\", respond = \"few\" }\n\
         route.\"/trial\" = { limit = { rate = \"1/h\", dry-run = true }, respond = \"trial\" }",
    );
    let server = place.start();
    let addr = admin(&server);
    let ask = |target: &str| Client::connect(server.addr()).get(target).unwrap().status;
    // One is let in by its burst, and so is whatever is on trial.
    for (target, statuses) in [("/few/x", [200, 429, 429]), ("/trial", [200; 3])] {
        assert_eq!([(); 3].map(|()| ask(target)), statuses, "{target}");
    }
    let of = |route: &str, verdict: &str| {
        let labels = format!("site=\"default\",route=\"{route}\",verdict=\"{verdict}\"");
        figures(addr).get(&format!("gannet_site_limited_total{{{labels}}}")).copied()
    };
    let both = |route: &str| ["refused", "on trial"].map(|verdict| of(route, verdict));
    for (route, expect) in [("/few/*", [Some(2.0), None]), ("/trial", [None, Some(2.0)])] {
        assert!(eventually(|| both(route) == expect), "{route}: {:?}", both(route));
    }
    assert_eq!(of("/*", "refused"), None);
    server.stop();
}

#[test]
fn who_drains_is_seen_and_for_how_long_still() {
    let place = Place::new("\"127.0.0.1:0\"");
    place.write("\"127.0.0.1:0\"\nlimits.drain-time = \"90s\"", "");
    let server = place.start();
    let addr = admin(&server);
    let mut busy = Client::connect_narrow(server.addr());
    busy.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(busy.take(13).unwrap(), b"HTTP/1.1 200 ");
    place.tell(&["reload"]);
    let generations = || json(addr, "/status")["generations"].as_array().unwrap().clone();
    assert!(eventually(|| generations().len() == 2), "{:?}", generations());
    let [before, now] = <[Value; 2]>::try_from(generations()).unwrap();
    assert_eq!((&before["phase"], &now["phase"]), (&"draining".into(), &"serving".into()));
    // Beyond the limit a worker has ten seconds to be gone.
    let left = before["seconds_left"].as_u64().unwrap();
    assert!((60..=100).contains(&left) && now["seconds_left"].is_null(), "{before} {now}");
    assert!(eventually(|| generations()[0]["seconds_left"].as_u64().is_some_and(|now| now < left)));
    busy.abort();
    assert!(eventually(|| generations().len() == 1));
    server.stop();
}

#[test]
fn nobody_looks_who_should_not() {
    let token = "carrots and 27 umbrellas";
    for (admin_at, host, fields, expect) in [
        ("\"127.0.0.1:0\"", "localhost", "", 200),
        ("\"127.0.0.1:0\"", "evil.example", "", 421),
        ("\"127.0.0.1:0\"", "127.0.0.1", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("\"127.0.0.1:0\"", "127.0.0.1", "Origin: http://evil.example\r\n", 403),
        ("{ address = \"127.0.0.1:0\", token = \"TOKEN\" }", "any.example", "", 401),
        (
            "{ address = \"127.0.0.1:0\", token = \"TOKEN\" }",
            "any.example",
            "Authorization: Bearer TOKEN\r\n",
            200,
        ),
        (
            "{ address = \"127.0.0.1:0\", token = \"TOKEN\" }",
            "any.example",
            "Authorization: Bearer other\r\n",
            401,
        ),
        // As a browser sends it: of `me:` and the token.
        (
            "{ address = \"127.0.0.1:0\", token = \"TOKEN\" }",
            "any.example",
            "Authorization: Basic bWU6Y2Fycm90cyBhbmQgMjcgdW1icmVsbGFz\r\n",
            200,
        ),
        // It sends it for a page of another site as well.
        (
            "{ address = \"127.0.0.1:0\", token = \"TOKEN\" }",
            "any.example",
            "Authorization: Bearer TOKEN\r\nSec-Fetch-Site: cross-site\r\n",
            403,
        ),
    ] {
        let place = Place::new(&admin_at.replace("TOKEN", token));
        let server = place.start();
        let addr = admin(&server);
        if expect == 200 {
            // Where all is shown, it is shown once the server is ready.
            let fields = fields.replace("TOKEN", token);
            assert!(eventually(|| ask(addr, "/readyz", &fields).status == 200), "{fields}");
        }
        for path in ["/", "/metrics", "/status", "/sockets", "/requests", "/readyz", "/events"] {
            let mut client = Client::connect(addr);
            let fields = fields.replace("TOKEN", token);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).unwrap();
            let start = String::from_utf8(client.take(13).unwrap()).unwrap();
            assert_eq!(start, format!("HTTP/1.1 {expect} "), "{path} {host} {fields}");
        }
        server.stop();
    }
    let (code, _, stderr) = Launch::check(
        "[server]\nadmin = \"192.0.2.1:7891\"\n[site.default]\nredirect = \"https://a.example\"\n",
    )
    .finish();
    assert!(code == Some(2) && stderr.contains("add a `token`"), "{stderr}");
}

/// Whoever reaches the address without a token cannot keep those who have it from looking: a
/// balancer would take the server for one that drains.
#[test]
fn heads_that_never_end_keep_nobody_from_looking() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let _owing: Vec<_> = (0..140)
        .map(|_| {
            let mut client = Client::connect(addr);
            client.send("GET /readyz HTTP/1.1\r\n").unwrap();
            client
        })
        .collect();
    let is_ready = || Client::connect(addr).get("/readyz").is_ok_and(|answer| answer.status == 200);
    // The heads themselves are waited for half a minute.
    let begun = Instant::now();
    assert!(eventually(is_ready) && begun.elapsed() < Duration::from_secs(20));
    server.stop();
}

#[test]
fn what_limits_a_connection_is_said_in_a_word() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let mut slow = Client::connect_narrow(server.addr());
    slow.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut idle = Client::connect(server.addr());
    idle.get("/digits.txt").unwrap();
    let verdicts = || {
        let sockets = json(addr, "/sockets")["sockets"].as_array().unwrap().clone();
        let open = sockets.iter().filter(|socket| socket["state"] == "ESTABLISHED");
        let mut all: Vec<_> = open.map(|socket| socket["limited_by"].clone()).collect();
        all.sort_by_key(Value::to_string);
        all
    };
    assert!(eventually(|| verdicts() == ["client".into(), Value::Null]), "{:?}", verdicts());
    let count = |state: &str| {
        let states = json(addr, "/sockets")["states"].as_array().unwrap().clone();
        let found = states.iter().filter(|one| one["state"] == state);
        found.map(|one| one["count"].as_u64().unwrap()).sum::<u64>()
    };
    let both = || (count("ESTABLISHED"), count("LISTEN"));
    assert!(eventually(|| both() == (2, 2)), "{:?}", both());
    // Who is asked to close is closed upon, and kept in mind for a minute.
    let mut last = Client::connect(server.addr());
    last.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    last.response().unwrap();
    // Whoever says goodbye first is the one who keeps it in mind.
    assert_eq!(last.ending().unwrap(), Ending::Closed);
    drop(last);
    assert!(eventually(|| count("TIME_WAIT") == 1));
    slow.abort();
    server.stop();
}

#[test]
fn a_connection_keeps_its_story_however_much_is_asked_on_it() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let mut busy = Client::connect(server.addr());
    let story = |port: u16| connection(addr, &format!("127.0.0.1:{port}"));
    // A pipeline, so that it takes no longer than it has to.
    for _ in 0..100 {
        busy.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(101)).unwrap();
        (0..101).for_each(|_| assert_eq!(busy.response().unwrap().status, 200));
    }
    // Each has its time, though a hundred left together.
    let times = || figures(addr)["gannet_response_seconds_count{site=\"default\",route=\"/*\"}"];
    assert!(eventually(|| times() == 10_100.0), "{}", times());
    let told = story(busy.port());
    assert_eq!((&told["requests"], &told["answers"]), (&10_100.into(), &Value::Array(vec![])));
    let first = told["events"][0]["what"].as_str().unwrap();
    assert_eq!(first, "accepted: this server has it from now on");
    // From the first look on, what is asked is put down; and so is what failed before.
    busy.get("/digits.txt").unwrap();
    let told = || story(busy.port());
    assert!(eventually(|| told()["requests"] == 10_101), "{}", told());
    assert_eq!(told()["answers"][0]["path"], "/digits.txt");
    assert_eq!(busy.get("/not-there").unwrap().status, 404);
    let all = || json(addr, "/requests");
    assert!(eventually(|| all()["seen"] == 2), "{}", all());
    assert_eq!(all()["not_found"][0]["name"], "localhost/not-there");
    assert_eq!(all()["paths"][0]["name"], "localhost/digits.txt");
    server.stop();
}

/// Reads up to the next event that one who follows is told.
fn hear(client: &mut Client) {
    while !client.line().unwrap().starts_with(b"data: {") {}
}

/// However many look, and however slowly they take what they are told.
#[test]
fn those_who_look_are_bounded_and_none_drives_the_server_or_holds_up_another() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let follow = || {
        let mut client = Client::connect_narrow(addr);
        client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        String::from_utf8(client.line().unwrap()).map(|start| (client, start)).unwrap()
    };
    let began = Instant::now();
    let mut all: Vec<_> = (0..16).map(|_| follow()).collect();
    assert!(all.iter().all(|(_, start)| start == "HTTP/1.1 200 OK\r\n"), "{:?}", all[0].1);
    let late = ask(addr, "/events", "");
    assert_eq!((late.status, &*late.text()), (503, "enough follow already\n"));
    // One asks for more whenever it is told something; the others read nothing.
    let (mut busy, _) = all.pop().unwrap();
    for told in 1..=5 {
        json(addr, "/sockets");
        assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
        hear(&mut busy);
        // Once each second, and the first at once; one may have been under way.
        let most = began.elapsed().as_secs() + 2;
        assert!(told <= most, "{told} times in {:?}", began.elapsed());
    }
    drop(busy);
    assert!(eventually(|| follow().1.starts_with("HTTP/1.1 200")));
    server.stop();
}

/// What they put down goes along in more than one note.
#[test]
fn the_connections_of_as_many_workers_as_there_can_be_are_seen() {
    let place = Place::new("\"127.0.0.1:0\"");
    place.write("\"127.0.0.1:0\"\nworkers = 64", "");
    let text = fs::read_to_string(place.file()).unwrap();
    fs::write(place.file(), text.replace("threads = 2", "threads = 1")).unwrap();
    let server = place.start();
    let addr = admin(&server);
    // So many that each worker has some.
    let mut clients: Vec<_> = (0..512).map(|_| Client::connect(server.addr())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    }
    let all = || {
        let all = json(addr, "/sockets?state=ESTABLISHED");
        all["sockets"].as_array().unwrap().clone()
    };
    let are_seen =
        |all: &[Value]| all.len() >= clients.len() && all.iter().all(|one| one["requests"] == 1);
    assert!(eventually(|| are_seen(&all())), "{:?}", all());
    server.stop();
}

#[test]
fn a_terminal_shows_what_has_happened_in_a_second() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let looking = std::thread::spawn({
        let file = place.file();
        move || Launch::of(vec!["top".to_owned(), file]).finish()
    });
    // As long as it looks there is something to see.
    let mut client = Client::connect(server.addr());
    while !looking.is_finished() {
        client.get("/digits.txt").unwrap();
    }
    let (code, said, stderr) = looking.join().unwrap();
    assert_eq!((code, &*stderr), (Some(0), ""));
    let requests = said.lines().find_map(|line| line.strip_prefix("requests     ")).unwrap();
    let (rate, rest) = requests.split_once("/s").unwrap();
    assert!(
        rate.parse::<u64>().unwrap() > 0 && rest.contains("p99 ") && !rest.contains('–'),
        "{said}"
    );
    assert!(said.lines().any(|line| line.starts_with("default ")), "{said}");
    let own = format!("127.0.0.1:{} ", client.port());
    let own = said.lines().find(|line| line.starts_with(&own));
    assert!(own.is_some_and(|line| line.contains(" ESTABLISHED ")), "{said}");
    server.stop();
}

#[test]
fn a_person_sees_it_move() {
    let place = Place::new("\"127.0.0.1:0\"");
    let server = place.start();
    let addr = admin(&server);
    let browser = Browser::start();
    for (look, width, is_dark) in [("desk", 1280, false), ("phone-dark", 360, true)] {
        browser.set_look(width, is_dark);
        browser.open(&format!("http://{addr}/"));
        let mut client = Client::connect(server.addr());
        // Its script may come a little later than the page.
        let load = "typeof params === 'object' && params.rows.some((row) => row.requests > 0)";
        // As long as the page has not seen any, more come.
        while browser.run(&format!("return {load}")) != true {
            client.get("/digits.txt").unwrap();
        }
        browser.wait_until("document.querySelectorAll('#charts canvas').length === 8");
        browser.wait_until("document.querySelector('#sites tbody td')?.textContent === 'default'");
        let fits =
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.run(fits), true, "{look}: no scrolling sideways");
        browser.take_picture(&format!("admin-now-{look}"));
        browser.run("location.hash = 'connections'");
        browser.wait_until("document.querySelector('#sockets tbody tr') !== null");
        assert_eq!(browser.run(fits), true, "{look}: no scrolling sideways");
        // The story of the connection that all this was asked by.
        browser.run("document.querySelector('#sockets button').click()");
        browser.wait_until("document.querySelectorAll('#sockets .story li').length > 2");
        assert!(browser.page_text().contains("answered 200: "));
        browser.take_picture(&format!("admin-connections-{look}"));
        browser.run("location.hash = 'requests'");
        browser.wait_until(
            "document.querySelector('#top-paths td')?.textContent.includes('/digits.txt')",
        );
        assert_eq!(browser.run(fits), true, "{look}: no scrolling sideways");
        browser.take_picture(&format!("admin-requests-{look}"));
        browser.run("location.hash = 'kernel'");
        browser.wait_until("document.querySelector('#states').textContent.includes('LISTEN')");
        for story in ["travel", "travel.zh"] {
            browser.open(&format!("http://{addr}/{story}"));
            browser.wait_until("document.querySelector('[data-state=LISTEN]').textContent === '2'");
            assert_eq!(browser.run(fits), true, "{story} on a {look}: no scrolling sideways");
            browser.take_picture(&format!("admin-{story}-{look}"));
        }
    }
    assert_eq!(browser.complaints(), [""; 0], "nothing is asked of anybody else");
    server.stop();
}
