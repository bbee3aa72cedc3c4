//! What is counted moves at `/metrics` when it happens, each by itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Launch, Server, Site, eventually,
    frames::{self, OPENING},
    look::{admin, connection, figures},
    secure_place::{SecurePlace, openssl},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

/// A server with one loop that is looked at, with these further lines of it and of its site.
fn launch(site: &Site, server: &str, lines: &str) -> Launch {
    let listen = if server.contains("listen") { "" } else { "listen = '127.0.0.1:0'\n" };
    Launch::run(&format!(
        "[server]\n{listen}log = 'json'\nthreads = 1\nadmin = '127.0.0.1:0'\n{server}\n\
         [site.default]\nroot = {:?}\n{lines}\n",
        site.root_text()
    ))
}

/// The address number `at` of those that clients come in by.
fn listens(server: &Server, at: usize) -> SocketAddr {
    let start = server.wait_for(|line| line["event"] == "start");
    start["listens"][at].as_str().unwrap().parse().unwrap()
}

fn total(addr: SocketAddr, name: &str) -> f64 {
    figures(addr)[&format!("gannet_{name}_total")]
}

/// Checks that the counters come to be so much.
fn check(addr: SocketAddr, expect: &[(&str, f64)]) {
    let found =
        || -> Vec<_> { expect.iter().map(|(name, _)| (*name, total(addr, name))).collect() };
    assert!(eventually(|| found() == expect), "{:?}, not {expect:?}", found());
}

fn seconds_from_now(time: f64) -> f64 {
    time - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A download of an hour is not nothing for an hour, and then all at once.
#[test]
fn what_is_sent_of_an_answer_is_counted_while_it_goes_on() {
    let site = Site::new();
    let listen = "listen = { address = '127.0.0.1:0', http2 = true }";
    let server = launch(&site, listen, "").start();
    let addr = admin(&server);
    let sent = || figures(addr)["gannet_site_sent_bytes_total{site=\"default\",route=\"/*\"}"];
    let mut plain = Client::connect(server.addr());
    plain.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut taken = 0;
    let is_counted = || {
        taken += plain.take(16 * 1024).unwrap().len();
        sent() > 0.0
    };
    assert!(eventually(is_counted) && taken < 1 << 25, "{taken} bytes of 64 MiB");
    let (rest, ending) = plain.drain().unwrap();
    assert!(ending == Ending::Closed && taken + rest.len() > 1 << 26);
    check(addr, &[("requests", 1.0)]);
    assert_eq!(sent(), f64::from(1 << 26), "each byte is counted once");
    // By HTTP/2 as much is sent as the client lets come.
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &frames::get(1, "/huge.bin")].concat()).unwrap();
    let window = |stream| frames::frame(frames::WINDOW_UPDATE, 0, stream, &[0, 0, 0x40, 0]);
    let is_counted = || {
        client.send([window(0), window(1)].concat()).unwrap();
        frames::until(&mut client, frames::DATA).unwrap();
        sent() > f64::from(1 << 26)
    };
    assert!(eventually(is_counted));
    assert!(sent() < f64::from(1 << 27), "{}", sent());
    client.abort();
    server.stop();
}

#[test]
fn whoever_is_refused_limited_or_shut_out() {
    let (site, folder) = (Site::new(), e2e::folder());
    let page = folder.path().join("404.html.j2");
    fs::write(&page, "{% for n in range(path|length * 400) %}{{ n }},{% endfor %}").unwrap();
    let lines = format!(
        "error-pages = {{ 404 = {page:?} }}\n\
         route.'/few' = {{ limit = '1/h', respond = 'few' }}\n\
         route.'/trial' = {{ limit = {{ rate = '1/h', dry-run = true }}, respond = 'trial' }}"
    );
    let listen = "listen = ['127.0.0.1:0', { address = '127.0.0.1:0', proxy-protocol = true }]";
    let server = launch(&site, listen, &lines).start();
    let addr = admin(&server);
    let names = ["refused", "limited", "limited_on_trial", "shut_out", "templates_failed"];
    check(addr, &names.map(|name| (name, 0.0)));
    let get = |target: &str| Client::connect(server.addr()).get(target).unwrap().status;
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    check(addr, &[("refused", 1.0)]);
    assert_eq!([(); 3].map(|()| get("/few")), [200, 429, 429]);
    assert_eq!([(); 2].map(|()| get("/trial")), [200; 2]);
    assert_eq!(get(&format!("/{}", "x".repeat(2_000))), 404);
    let mut stranger = Client::connect(listens(&server, 1));
    stranger.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(stranger.drain().unwrap().0.is_empty());
    check(addr, &names.into_iter().zip([1.0, 2.0, 1.0, 1.0, 1.0]).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn what_has_to_be_looked_up_or_made_and_is_in_memory_then() {
    let site = Site::new();
    site.write("words.txt", "one word after another\n".repeat(400).as_bytes());
    let server = launch(&site, "", "").start();
    let addr = admin(&server);
    let held = || figures(addr)["gannet_pages_bytes"];
    check(addr, &[("pages_loaded", 0.0), ("pages_compressed", 0.0), ("pages_from_memory", 0.0)]);
    assert_eq!(held(), 0.0);
    let mut client = Client::connect(server.addr());
    let mut ask = |fields: &str| {
        let head = format!("GET /words.txt HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        client.send(head.repeat(10)).unwrap();
        (0..10).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
    };
    ask("");
    check(addr, &[("pages_loaded", 1.0), ("pages_compressed", 0.0), ("pages_from_memory", 9.0)]);
    assert!(eventually(|| held() > 9_000.0 && held() < 30_000.0), "{}", held());
    ask("Accept-Encoding: gzip\r\n");
    check(addr, &[("pages_compressed", 1.0)]);
    assert!(total(addr, "pages_loaded") < 10.0, "it is in memory again");
    server.stop();
}

#[test]
fn pages_that_others_have_no_room_beside() {
    let site = Site::new();
    let names: Vec<_> = (0..100).map(|at| format!("{at}.txt")).collect();
    names.iter().for_each(|name| site.write(name, &[b'x'; 8_000]));
    let server = launch(&site, "file-cache = '256KiB'", "").start();
    let addr = admin(&server);
    check(addr, &[("pages_dropped", 0.0)]);
    let mut client = Client::connect(server.addr());
    // What is asked for once drives nothing out.
    for name in names.iter().flat_map(|name| [name; 2]) {
        assert_eq!(client.get(&format!("/{name}")).unwrap().status, 200);
    }
    let both = || (total(addr, "pages_dropped"), figures(addr)["gannet_pages_bytes"]);
    let is_full =
        |(dropped, held): (f64, f64)| dropped > 50.0 && held > 100_000.0 && held <= 262_144.0;
    assert!(eventually(|| is_full(both())), "{:?}", both());
    server.stop();
}

#[test]
fn whoever_finds_no_room() {
    let site = Site::new();
    let server = launch(&site, "limits.connections-max = 2", "").start();
    let addr = admin(&server);
    let busy = [(); 2].map(|()| Client::download(server.addr(), "/huge.bin"));
    assert!(eventually(|| figures(addr)["gannet_requests_under_way{phase=\"serving\"}"] == 2.0));
    check(addr, &[("turned_away", 0.0)]);
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 503);
    check(addr, &[("turned_away", 1.0), ("evicted", 0.0)]);
    drop(busy);
    server.stop();
    // The process that shows it has enough descriptors, too.
    let server = launch(&site, "", "").after("ulimit -n 64").start();
    let addr = admin(&server);
    check(addr, &[("exhausted", 0.0)]);
    let busy: Vec<_> = (0..100)
        .map(|_| {
            let mut client = Client::connect(server.addr());
            client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            client
        })
        .collect();
    assert!(eventually(|| total(addr, "exhausted") > 0.0));
    drop(busy);
    server.stop();
}

#[test]
fn more_clients_than_there_is_room_for_in_their_table() {
    let site = Site::new();
    let lines = "trusted-proxies = ['127.0.0.1']\nlimits.clients-max = 1024";
    let server = launch(&site, lines, "route.'/digits.txt'.limit = '1/h'").start();
    let addr = admin(&server);
    check(addr, &[("uncounted", 0.0)]);
    let mut client = Client::connect(server.addr());
    for start in (0..5_000_u16).step_by(100) {
        let request = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let from = IpAddr::from([198, 18, high, low]);
            format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {from}\r\n\r\n")
        };
        client.send((start..start + 100).map(request).collect::<String>()).unwrap();
        (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
    }
    assert!(eventually(|| total(addr, "uncounted") > 0.0));
    server.stop();
}

#[test]
fn faults_of_the_server_itself() {
    let site = Site::new();
    let server = launch(&site, "", "").env("GANNET_FAIL", "accept=panic:1").start();
    let addr = admin(&server);
    // The first one is let down, of those who look as well.
    for addr in [server.addr(), addr] {
        let _ = Client::connect(addr).get("/digits.txt");
    }
    check(addr, &[("panics", 1.0)]);
    server.stop();
}

#[test]
fn lines_that_the_log_does_not_take() {
    let site = Site::new();
    let server = launch(&site, "", "").with_unread_log().start();
    let addr = admin(&server);
    check(addr, &[("log_lines_dropped", 0.0)]);
    let mut client = Client::connect(server.addr());
    let line = format!("GET /digits.txt?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200));
    assert!(eventually(|| {
        client.send(line.repeat(100)).unwrap();
        (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
        total(addr, "log_lines_dropped") > 0.0
    }));
    server.stop();
}

/// It is one count for the whole network that this machine is to the server.
#[test]
fn connections_that_are_never_accepted() {
    let site = Site::new();
    let server = launch(&site, "", "").start();
    let addr = admin(&server);
    let before = ["accept_overflows", "accept_drops"].map(|name| total(addr, name));
    let flags = SocketFlags::NONBLOCK;
    let socket =
        || rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let full = socket();
    bind(&full, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&full, 0).unwrap();
    let there: SocketAddr = getsockname(&full).unwrap().try_into().unwrap();
    let _clients = [(); 8].map(|()| {
        let client = socket();
        let _ = connect(&client, &there);
        client
    });
    let has_moved = || {
        let now = ["accept_overflows", "accept_drops"].map(|name| total(addr, name));
        now[0] > before[0] && now[1] > before[1]
    };
    assert!(eventually(has_moved));
    server.stop();
}

#[test]
fn hands_that_are_shaken_or_not() {
    let place = SecurePlace::new();
    place.certificates.make("b", "ec", &["b.example"]);
    let ca = place.certificates.path("b.pem");
    let sites = place.of("a.example", "a", "")
        + &place.of("b.example", "b", &format!(", client-ca = {ca:?}"));
    let server = place.serve("threads = 1\nadmin = '127.0.0.1:0'", &sites);
    let addr = admin(&server);
    let ca = ca.to_str().unwrap();
    let visitor = place.certificates.visitor(&["a"]);
    for is_resumed in [false, true] {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        assert_eq!(client.is_resumed(), is_resumed);
    }
    check(addr, &[("handshakes", 2.0), ("handshakes_resumed", 1.0), ("handshakes_failed", 0.0)]);
    for (at, (kind, words)) in [
        ("handshakes_nameless", &["-servername", "nobody.example"][..]),
        (
            "handshakes_refused",
            &["-servername", "a.example", "-verify_return_error", "-CAfile", ca],
        ),
        (
            "handshakes_incompatible",
            &["-servername", "a.example", "-tls1_2", "-cipher", "AES128-SHA"],
        ),
        ("handshakes_uncertified", &["-servername", "b.example"]),
    ]
    .into_iter()
    .enumerate()
    {
        openssl(server.addr(), words, "");
        check(addr, &[(kind, 1.0), ("handshakes_failed", 1.0 + at as f64)]);
    }
    // When certificates end is told anew once another one is there.
    let file = place.certificates.path("a.pem");
    let end = || {
        let name = format!("gannet_certificate_end_seconds{{file={file:?}}}");
        seconds_from_now(figures(addr)[&name]) / 86_400.0
    };
    assert!((89.0..91.0).contains(&end()), "{}", end());
    place.certificates.make_for(30, "c", "ec", &["a.example"]);
    place.certificates.replace("c", "a");
    assert!(eventually(|| (29.0..31.0).contains(&end())), "{}", end());
    // And that one of them is near its end.
    let is_warned = || figures(addr)[&format!("gannet_certificate_warning{{file={file:?}}}")];
    assert_eq!(is_warned(), 0.0);
    place.certificates.make_between(["-80 days", "2 days"], "d", &["a.example"]);
    place.certificates.replace("d", "a");
    assert!(eventually(|| is_warned() == 1.0));
    server.stop();
}

/// What is done without TLS for a site that is served with it is the site's, and so is its line.
#[test]
fn who_is_sent_on_is_counted_and_logged_for_the_site_that_was_asked_for() {
    let place = SecurePlace::new();
    let log = place.folder.path().join("a.log");
    let site = place.of("a.example", "a", "")
        + &format!("aliases = [\"b.a.example\"]\nlog = {{ file = {log:?} }}\n");
    let server = place.serve("threads = 1\nadmin = '127.0.0.1:0'", &site);
    let addr = admin(&server);
    let answers = |site: &str, class: &str| {
        let all = figures(addr).into_iter().filter(|(name, _)| {
            let is = |label: String| name.contains(&label);
            name.starts_with("gannet_site_requests_total{")
                && is(format!("site=\"{site}\""))
                && is(format!("class=\"{class}\""))
        });
        all.map(|(_, count)| count).sum::<f64>()
    };
    let none = answers("(none)", "4xx");
    for (host, status) in [("a.example", 308), ("b.a.example", 308), ("c.example", 421)] {
        let mut client = Client::connect(listens(&server, 1));
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{host}");
    }
    let found = || {
        let of = |site| ["3xx", "4xx"].map(|class| answers(site, class));
        (of("a.example"), of("(none)"))
    };
    let expect = ([2.0, 0.0], [0.0, none + 1.0]);
    assert!(eventually(|| found() == expect), "{:?}", found());
    let lines = || fs::read_to_string(&log).unwrap_or_default();
    assert!(eventually(|| lines().lines().count() == 2), "{}", lines());
    assert!(lines().lines().all(|line| line.contains("\"status\":308")), "{}", lines());
    server.stop();
}

#[test]
fn connections_are_told_apart_by_address_protocol_and_state() {
    let place = SecurePlace::new();
    let socket = place.folder.path().join("socket");
    let text = format!(
        "[server]\nlisten = ['127.0.0.1:0', {{ address = '127.0.0.1:0', http2 = true }}, \
         {{ address = '127.0.0.1:0', tls = true }}, {:?}]\nlog = 'json'\nthreads = 1\n\
         admin = '127.0.0.1:0'\n{}",
        format!("unix:{}", socket.display()),
        place.of("a.example", "a", ", redirect = false"),
    );
    fs::write(place.file(), text).unwrap();
    let server = place.start();
    let addr = admin(&server);
    let at = |number| listens(&server, number);
    let spoken = || {
        let all = figures(addr);
        ["http1", "http2"].map(|protocol| {
            ["no", "yes"].map(|tls| {
                let labels = format!("{{protocol=\"{protocol}\",tls=\"{tls}\"}}");
                all[&format!("gannet_protocol_connections{labels}")]
            })
        })
    };
    let check =
        |expect: [[f64; 2]; 2]| assert!(eventually(|| spoken() == expect), "{:?}", spoken());
    check([[0.0; 2]; 2]);
    let ask = |mut client: Client| {
        client.send("GET /digits.txt HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().status, 200);
        client
    };
    let plain = [ask(Client::connect(at(0))), ask(Client::connect_unix(&socket))];
    check([[2.0, 0.0], [0.0; 2]]);
    let mut many = Client::connect(at(1));
    many.send([OPENING, &frames::get(1, "/digits.txt")].concat()).unwrap();
    check([[2.0, 0.0], [1.0, 0.0]]);
    let visitor = place.certificates.visitor(&["a"]);
    let mut secure = visitor.connect(at(2), "a.example");
    assert_eq!(secure.get("/digits.txt").unwrap().status, 200);
    let mut both = visitor.choosing_http2().connect(at(2), "a.example");
    both.send([OPENING, &frames::get(1, "/digits.txt")].concat()).unwrap();
    frames::until(&mut both, frames::DATA).unwrap();
    check([[2.0, 1.0], [1.0, 1.0]]);
    let of = |name: &str, labels: &str| {
        figures(addr).get(&format!("gannet_{name}{{{labels}}}")).copied()
    };
    let accepted = || {
        let sockets = [0, 1, 2].map(|number| at(number).to_string());
        let all = sockets.into_iter().chain([format!("unix:{}", socket.display())]);
        all.map(|address| of("listener_connections_total", &format!("address=\"{address}\"")))
            .collect::<Vec<_>>()
    };
    let are_counted = || accepted() == [1.0, 1.0, 2.0, 1.0].map(Some);
    assert!(eventually(are_counted), "{:?}", accepted());
    let state = |state: &str| of("sockets", &format!("state=\"{state}\"")).unwrap();
    let states = || (state("ESTABLISHED"), state("LISTEN"), state("TIME_WAIT"));
    assert!(eventually(|| states() == (4.0, 3.0, 0.0)), "{:?}", states());
    // A reload begins none of that anew.
    place.tell(&["reload"]);
    assert!(eventually(are_counted), "{:?}", accepted());
    drop((plain, many, secure, both));
    check([[0.0; 2]; 2]);
    assert!(eventually(|| state("ESTABLISHED") == 0.0));
    server.stop();
}

#[test]
fn what_comes_before_a_request_is_told_of_its_connection() {
    let place = SecurePlace::new();
    let text = format!(
        "[server]\nlisten = [{{ address = '127.0.0.1:0', tls = true }}, \
         {{ address = '127.0.0.1:0', proxy-protocol = true }}]\nlog = 'json'\nthreads = 1\n\
         admin = '127.0.0.1:0'\n{}",
        place.of("a.example", "a", ", redirect = false"),
    );
    fs::write(place.file(), text).unwrap();
    let server = place.start();
    let addr = admin(&server);
    let story = |port: u16| {
        let told = connection(addr, &format!("127.0.0.1:{port}"));
        let events = told["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| event["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let visitor = place.certificates.visitor(&["a"]);
    for how in ["in full", "with a ticket"] {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        let words = format!("hands shaken {how}: TLS 1.3, AES-");
        let said = || story(client.port());
        let is_told = || said().iter().any(|what| what.starts_with(&words));
        assert!(eventually(is_told), "{:?}", said());
    }
    let mut client = Client::connect(listens(&server, 1));
    client.send("PROXY TCP4 203.0.113.7 203.0.113.1 4242 80\r\n").unwrap();
    client.send("GET /digits.txt HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    let said = || story(client.port());
    let words = "the balancer says that the client is 203.0.113.7";
    assert!(eventually(|| said().iter().any(|what| what == words)), "{:?}", said());
    server.stop();
}

/// Whether a figure of that name, and not a longer one, is named in `tests`.
fn is_named(tests: &str, name: &str) -> bool {
    let ends = |rest: &str| {
        let rest = ["_total", "_count", "_bucket", "_sum"]
            .iter()
            .find_map(|end| rest.strip_prefix(end))
            .unwrap_or(rest);
        !rest.starts_with(|next: char| next == '_' || next.is_ascii_lowercase())
    };
    [format!("gannet_{name}"), format!("\"{name}")]
        .iter()
        .any(|start| tests.split(start.as_str()).skip(1).any(ends))
}

/// Whoever adds a figure has a test see it move.
#[test]
fn each_figure_of_the_book_is_in_a_test() {
    let workspace = e2e::binary::workspace();
    let read = |name: &str| fs::read_to_string(workspace.join(name)).unwrap();
    let tests = ["counters", "figures", "php_figures", "admin", "tls_certificates", "spans"];
    let tests: String = tests.iter().map(|name| read(&format!("e2e/tests/{name}.rs"))).collect();
    let book = read("docs/book/admin.md");
    let names = book.lines().filter_map(|line| line.strip_prefix("| `gannet_"));
    let names: Vec<_> = names.filter_map(|rest| rest.split('`').next()).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let bare = name.strip_suffix("_total").unwrap_or(name);
        // Those of pages that are kept are named by the rest of their names.
        let own = bare.strip_prefix("micro_cache_").unwrap_or(bare);
        assert!(is_named(&tests, own), "no test sees gannet_{name} move");
    }
    assert!(!is_named("\"connections_now\", builds, \"open_connections\"", "connections"));
}
