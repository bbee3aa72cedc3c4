//! How much a client may ask for: over all loops, told politely, and only the client who asks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{Client, Response, Server, Site, eventually};
use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A server whose default site has the route `/digits.txt` with these settings.
fn server(site: &Site, server: &str, route: &str) -> Server {
    let route = format!("[site.\"default\".route.\"/digits.txt\"]\n{route}\n");
    Server::run(&(site.config(server, "") + &route))
}

fn get(client: &mut Client) -> Response {
    client.get("/digits.txt").unwrap()
}

/// Asks without a pause on eight connections for a second; how many answers of each kind came.
fn flood(addr: SocketAddr) -> (usize, usize) {
    let (given, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(addr)).collect();
    // Every connection is there before the second begins.
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    let start = Instant::now();
    thread::scope(|scope| {
        for mut client in clients {
            let (given, refused) = (&given, &refused);
            scope.spawn(move || {
                loop {
                    let status = get(&mut client).status;
                    // An answer that comes later may be to a request that was let in later.
                    if start.elapsed() > Duration::from_secs(1) {
                        return;
                    }
                    match status {
                        200 => given.fetch_add(1, Ordering::Relaxed),
                        429 => refused.fetch_add(1, Ordering::Relaxed),
                        status => panic!("{status}"),
                    };
                }
            });
        }
    });
    (given.into_inner(), refused.into_inner())
}

#[test]
fn all_loops_of_all_workers_let_in_as_many_as_one() {
    let site = Site::new();
    for loops in ["threads = 1", "threads = 2", "threads = 2\nworkers = 2"] {
        let server = server(&site, loops, "limit = \"20/s\"");
        let mut refused = 0;
        // Two at once, and one in each 50 ms; whoever has no time to ask gets none of them.
        assert!(eventually(|| {
            let (given, others) = flood(server.addr());
            assert!(given <= 22, "{given} with {loops}");
            refused += others;
            given >= 15 && others > 100
        }));
        // Others do not feel it, and nor does what is not limited.
        let other = "127.0.0.2".parse().unwrap();
        assert_eq!(get(&mut Client::connect_from(other, server.addr())).status, 200);
        assert_eq!(Client::connect(server.addr()).get("/page.html").unwrap().status, 200);
        let stopped = server.stop();
        let last = stopped.lines.last().unwrap();
        assert!(last["limited"].as_u64().unwrap() as usize >= refused, "{last}");
        let reasons = stopped.lines.iter().filter(|line| line["status"] == 429);
        assert!(reasons.clone().count() >= refused);
        assert!(reasons.clone().all(|line| line["reason"] == "too many requests"));
    }
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let site = Site::new();
    let server = server(&site, "threads = 1", "limit = { rate = \"6/m\", burst = 3 }");
    let mut client = Client::connect(server.addr());
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(get(&mut client).status, 200);
    }
    let refused = get(&mut client);
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.get("retry-after").unwrap().parse().unwrap();
    let since = start.elapsed().as_secs() + 1;
    assert!((10_u64.saturating_sub(since)..=10).contains(&seconds), "{seconds}, {since} later");
    assert!(refused.text().contains("429 Too Many Requests"));
    assert!(!refused.closes(), "the connection is as good as before");
    assert_eq!(client.get("/page.html").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_limit_on_trial_refuses_nobody() {
    let site = Site::new();
    let route = "limit = { rate = \"1/h\", dry-run = true }";
    let server = server(&site, "threads = 1", route);
    let mut client = Client::connect(server.addr());
    (0..5).for_each(|_| assert_eq!(get(&mut client).status, 200));
    drop(client);
    let lines = server.stop().lines;
    assert_eq!(lines.last().unwrap()["limited_on_trial"], 4);
    let marked = lines.iter().filter(|line| line["reason"] == "too many requests (dry run)");
    assert_eq!(marked.count(), 4);
}

/// What a site says holds for its routes together; an empty value takes it away.
#[test]
fn routes_share_the_limit_that_they_inherit() {
    let site = Site::new();
    let config = site.config("threads = 1", "")
        + &format!(
            "[site.\"limited.example\"]\nroot = {:?}\nlimit = \"1/h\"\n\
             route.\"/a\" = {{ rewrite = \"/index.html\" }}\n\
             route.\"/free\" = {{ limit = \"\", respond = \"free\" }}\n\
             route.\"/own\" = {{ limit = \"2/h\", respond = \"own\" }}\n",
            site.root()
        );
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut check = |target, expect| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: limited.example\r\n\r\n");
        client.send(request).unwrap();
        assert_eq!(client.response().unwrap().status, expect, "{target}");
    };
    // It passes the guard twice, and is charged once.
    check("/a", 200);
    check("/a", 429);
    check("/", 429);
    check("/free", 200);
    check("/free", 200);
    check("/own", 200);
    check("/own", 429);
    server.stop();
}

/// Row 118: one rule, however its path and its host are written. O10: a circle of rewrites ends,
/// and is charged once.
#[test]
fn no_other_spelling_leads_past_a_limit() {
    let site = Site::new();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nthreads = 1\nlog = \"json\"\n\
         [site.\"limited.example\"]\nroot = {:?}\n\
         [site.\"limited.example\".route.\"/admin/*\"]\nlimit = \"1/h\"\n\
         [site.\"limited.example\".route.\"/circle/*\"]\n\
         limit = {{ rate = \"2/h\", burst = 2 }}\nrewrite = \"/circle/{{1}}\"\n",
        site.root()
    );
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut check = |host: &str, target: &str, expect| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        assert_eq!(client.response().unwrap().status, expect, "{host}{target}");
    };
    check("limited.example", "/admin/x", 200);
    for (host, target) in [
        ("limited.example", "/admin/x"),
        ("LiMiTeD.eXaMpLe", "/admin/x"),
        ("limited.example.", "/admin/x"),
        ("limited.example:80", "/admin/x"),
        ("limited.example", "/%61dmin/x"),
        ("limited.example", "//admin//x"),
        ("limited.example", "/sub/../admin/x"),
        ("limited.example", "/./admin/x?y"),
        ("limited.example", "/admin"),
    ] {
        check(host, target, 429);
    }
    check("limited.example", "/circle/x", 500);
    check("limited.example", "/circle/x", 500);
    check("limited.example", "/circle/x", 429);
    server.stop();
}

/// A listing is made by the pool: the request passes the guards on its first way through only, and
/// what they found of it is not forgotten meanwhile.
#[test]
fn who_waits_for_the_pool_is_charged_once() {
    let site = Site::new();
    for dry_run in [false, true] {
        let config = site.config("threads = 1", "")
            + "[site.\"default\".route.\"/list/*\"]\n"
            + &format!("limit = {{ rate = \"3/h\", burst = 3, dry-run = {dry_run} }}\n");
        let server = Server::run(&config);
        let mut client = Client::connect(server.addr());
        let statuses: Vec<_> = (0..4).map(|_| client.get("/list/").unwrap().status).collect();
        let fourth = if dry_run { 200 } else { 429 };
        assert_eq!(statuses, [200, 200, 200, fourth]);
        drop(client);
        let lines = server.stop().lines;
        let reasons = lines.iter().filter_map(|line| line["reason"].as_str()).collect::<Vec<_>>();
        let expect = if dry_run { "too many requests (dry run)" } else { "too many requests" };
        assert_eq!(reasons, [expect]);
    }
}

/// A limit is asked before the password, so that trying passwords costs nobody but who does; and a
/// request that waits for its password is charged once.
#[test]
fn passwords_cannot_be_tried_faster_than_the_limit() {
    let site = Site::new();
    let config = site.config("threads = 1", "")
        + "[site.\"default\".route.\"/sub/*\"]\nlimit = { rate = \"3/h\", burst = 3 }\n\
           auth.users.alice = \"$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"\n";
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut check = |credentials: &str, expect| {
        let field = format!("Authorization: Basic {credentials}");
        let head = format!("GET /sub/page.txt HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n");
        client.send(head).unwrap();
        assert_eq!(client.response().unwrap().status, expect, "{credentials}");
    };
    // `alice:b`, and then the right one, `alice:a`.
    check("YWxpY2U6Yg==", 401);
    check("YWxpY2U6YQ==", 200);
    check("YWxpY2U6Yg==", 401);
    check("YWxpY2U6Yg==", 429);
    check("YWxpY2U6YQ==", 429);
    server.stop();
}

/// O20: behind one IPv6 network there is one client, wherever it moves in it. The addresses are
/// told by a proxy, as this machine has but one of each kind.
#[test]
fn an_ipv6_network_is_one_client() {
    let site = Site::new();
    let proxies = "threads = 2\ntrusted-proxies = [\"127.0.0.1\"]";
    let server = server(&site, proxies, "limit = \"1/h\"");
    let mut client = Client::connect(server.addr());
    let mut check = |address: &str, expect| {
        let field = format!("X-Forwarded-For: {address}");
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")).unwrap();
        assert_eq!(client.response().unwrap().status, expect, "{address}");
    };
    check("2001:db8::1", 200);
    check("2001:db8::2:3:4", 429);
    check("2001:db8:0:1::1", 200);
    check("192.0.2.1", 200);
    check("192.0.2.2", 200);
    check("::ffff:192.0.2.1", 429);
    server.stop();
}

/// O12: a table that is full of offenders lets newcomers in, and forgets no offender.
#[test]
fn a_flood_of_addresses_frees_nobody() {
    let site = Site::new();
    let config = site
        .config("threads = 1\ntrusted-proxies = [\"127.0.0.1\"]", "clients-max = 1024")
        + "[site.\"default\".route.\"/digits.txt\"]\nlimit = \"1/h\"\n";
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut ask = |addresses: Vec<IpAddr>| -> Vec<u16> {
        let request = |address: &IpAddr| {
            format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n")
        };
        client.send(addresses.iter().map(request).collect::<String>()).unwrap();
        addresses.iter().map(|_| client.response().unwrap().status).collect()
    };
    let address = |network: u8, number: u16| {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([198, 18 + network, high, low])
    };
    let offenders: Vec<_> = (0..100).map(|number| address(0, number)).collect();
    assert!(ask(offenders.clone()).iter().all(|&status| status == 200));
    for start in (0..5_000).step_by(100) {
        let newcomers = (start..start + 100).map(|number| address(1, number)).collect();
        assert!(ask(newcomers).iter().all(|&status| status == 200), "newcomers are let in");
    }
    assert!(ask(offenders).iter().all(|&status| status == 429), "offenders are remembered");
    let counts = server.stop().lines.pop().unwrap();
    assert!(counts["uncounted"].as_u64().unwrap() >= 4_000, "{counts}");
}

/// Row 111: who may be believed about the client, and what is logged, limited and let in.
#[test]
fn the_client_behind_a_balancer() {
    let site = Site::new();
    let server = server(
        &site,
        "threads = 1\ntrusted-proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]",
        "allow = \"203.0.113.0/24\"",
    );
    let status = |from: &str, fields: &str| {
        let mut client = Client::connect_from(from.parse().unwrap(), server.addr());
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
        client.response().unwrap().status
    };
    assert_eq!(status("127.0.0.1", ""), 403, "the balancer itself");
    assert_eq!(status("127.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.1.1\r\n"), 200);
    assert_eq!(status("127.0.0.1", "Forwarded: for=6.6.6.6, for=\"203.0.113.8:80\"\r\n"), 200);
    assert_eq!(status("127.0.0.1", "X-Forwarded-For: 203.0.113.9, 6.6.6.6\r\n"), 403);
    assert_eq!(status("127.0.0.1", "X_Forwarded_For: 203.0.113.7\r\n"), 403);
    assert_eq!(status("127.0.0.2", "X-Forwarded-For: 203.0.113.7\r\n"), 403, "nobody's word");
    let both = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=203.0.113.7\r\n";
    assert_eq!(status("127.0.0.1", both), 400, "one of them is the client's own word");
    let lines = || server.lines().into_iter().filter(|line| line["event"] == "request");
    assert!(eventually(|| lines().count() == 7));
    let clients: Vec<_> = lines().map(|line| line["client"].as_str().unwrap().to_owned()).collect();
    let (balancer, stranger) = ("127.0.0.1", "6.6.6.6");
    let expect =
        [balancer, "203.0.113.7", "203.0.113.8", stranger, balancer, "127.0.0.2", balancer];
    assert_eq!(clients, expect);
    let reason = lines().next_back().unwrap()["reason"].clone();
    assert_eq!(reason, "Forwarded and X-Forwarded-For contradict each other");
    server.stop();
}

/// A balancer has the connections of all of its clients.
#[test]
fn a_trusted_proxy_may_have_many_connections() {
    let site = Site::new();
    let proxies = "threads = 2\ntrusted-proxies = [\"127.0.0.1\"]";
    let server = Server::run(&site.config(proxies, "connections-per-client-max = 2"));
    let from = |address: &str| Client::connect_from(address.parse().unwrap(), server.addr());
    let mut kept: Vec<_> = (0..20).map(|_| from("127.0.0.1")).collect();
    assert!(kept.iter_mut().all(|client| get(client).status == 200));
    let mut others: Vec<_> = (0..3).map(|_| from("127.0.0.2")).collect();
    let statuses: Vec<_> = others.iter_mut().map(|client| get(client).status).collect();
    assert_eq!(statuses, [200, 200, 503]);
    server.stop();
}

/// Asks for the large file of the site.
fn ask(mut client: Client) -> (Client, Instant) {
    let start = Instant::now();
    client.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    (client, start)
}

/// How long it takes until it is here.
fn fetched((mut client, start): (Client, Instant)) -> Duration {
    let response = client.response().unwrap();
    assert_eq!((response.status, response.body.len()), (200, Site::LARGE_BYTES));
    start.elapsed()
}

/// All connections of a client share what it may be sent, on whichever loop they are, and each gets
/// its part; waiting for it breaks no limit of time.
#[test]
fn connections_of_a_client_share_its_bandwidth() {
    let site = Site::new();
    for loops in ["threads = 1", "threads = 2", "threads = 2\nworkers = 2"] {
        let limits = "write-stall-time = \"200ms\"\nwrite-rate-min = \"1MiB/s\"";
        let config = site.config(loops, limits)
            + "[site.\"default\".route.\"/large.bin\"]\nbandwidth = \"1MiB/s\"\n";
        let server = Server::run(&config);
        let alone = fetched(ask(Client::connect(server.addr())));
        assert!(alone >= Duration::from_millis(700), "1 MiB in {alone:?}");
        assert!(alone <= Duration::from_secs(10), "1 MiB in {alone:?}");
        let stranger = Client::connect_from("127.0.0.2".parse().unwrap(), server.addr());
        let mut all = vec![stranger];
        all.extend((0..3).map(|_| Client::connect(server.addr())));
        // All are there before the first asks, so that none has a start.
        let all: Vec<_> = all.into_iter().map(ask).collect();
        let mut times: Vec<Duration> = thread::scope(|scope| {
            let all: Vec<_> = all.into_iter().map(|one| scope.spawn(|| fetched(one))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let other = times.remove(0);
        for time in &times {
            assert!(*time >= Duration::from_millis(1_900), "one of three came first: {time:?}");
            assert!(*time <= Duration::from_secs(30), "3 MiB in {time:?}");
        }
        let last = times.iter().max().unwrap();
        assert!(other + Duration::from_millis(700) < *last, "another client: {other:?} {last:?}");
        let lines = server.stop().lines;
        assert!(!lines.iter().any(|line| line["reason"] == "cut off"), "{lines:?}");
    }
}

/// Small answers and those that are made as they are sent are held to it, too, and what is not
/// limited on the same connection is not.
#[test]
fn bandwidth_holds_for_answers_of_any_kind() {
    let site = Site::new();
    let config = site.config("threads = 1", "")
        + "[site.\"default\".route.\"/crowd/*\"]\nbandwidth = \"40KiB/s\"\n";
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let start = Instant::now();
    let listing = client.get("/crowd/").unwrap();
    assert!(listing.body.len() > 60_000, "{}", listing.body.len());
    let time = start.elapsed();
    let at_least = Duration::from_secs(1);
    assert!(time >= at_least, "{} bytes in {time:?}", listing.body.len());
    // Pipelined behind one another: a limited answer holds up the next, and that is all.
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let targets = ["/digits.txt", "/crowd/0001.txt", "/large.bin", "/crowd/0002.txt"];
    client.send(targets.map(request).concat()).unwrap();
    let statuses = targets.map(|_| client.response().unwrap().status);
    assert_eq!(statuses, [200; 4]);
    assert!(start.elapsed() < Duration::from_secs(20));
    server.stop();
}
