//! How the server starts, how it stops, and what it says when it cannot.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Ending, Launch, Server, Site, eventually};
use rustix::process::Signal;
use std::{
    fs,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

/// Starts a download and reads only its first bytes.
fn download(server: &Server, target: &str) -> Client {
    let mut client = Client::connect_narrow(server.addr());
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
    assert_eq!(client.take(13).unwrap(), b"HTTP/1.1 200 ");
    client
}

#[test]
fn what_is_under_way_is_finished_before_the_end() {
    for number in 0..3 {
        let site = Site::new();
        let server = match number {
            0 => Server::start(&[&site.root_text(), "--threads", "1"]),
            1 => Server::start(&[&site.root_text(), "--threads", "2"]),
            _ => Server::run(&site.config("workers = 2\nthreads = 2", "")),
        };
        let addr = server.addr();
        let mut idle = Client::connect(addr);
        idle.get("/digits.txt").unwrap();
        let mut busy = download(&server, "/large.bin");
        server.signal(Signal::TERM);
        // The idle connection ends first: that is the sign that its loop has understood. The other
        // one may take a moment longer.
        assert_eq!(idle.ending().unwrap(), Ending::Closed);
        let is_shut = || Client::try_connect(addr).is_none();
        assert!(eventually(is_shut), "nobody new is let in");
        let (bytes, ending) = busy.drain().unwrap();
        let start = Instant::now();
        assert_eq!(ending, Ending::Closed);
        assert!(bytes.ends_with(&Site::large()), "the download is whole");
        let stopped = server.ended();
        // A connection may wait for its next request for a minute, and the server for half of one.
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(15), "waited for a next request {waited:?}");
        let line = stopped.lines.iter().find(|line| line["target"] == "/large.bin").unwrap();
        assert_eq!(line["status"], 200);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::new();
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let server = Server::start(&[&site.root_text()]);
        let mut idle = Client::connect(server.addr());
        idle.get("/digits.txt").unwrap();
        let mut busy = download(&server, "/huge.bin");
        server.signal(Signal::TERM);
        assert_eq!(idle.ending().unwrap(), Ending::Closed);
        let start = Instant::now();
        server.signal(signal);
        // Even so it says what it has done.
        let stopped = server.ended_with(code);
        assert_eq!(stopped.lines.last().unwrap()["connections"], 2);
        assert!(start.elapsed() < e2e::PATIENCE / 4, "it took {:?}", start.elapsed());
        let (bytes, _) = busy.drain().unwrap();
        assert!((bytes.len() as u64) < Site::HUGE_BYTES, "the download is cut off");
    }
}

#[test]
fn what_does_not_end_in_time_is_cut_off() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", "stop-time = \"300ms\""));
    let _stalled = download(&server, "/huge.bin");
    server.stop();
}

#[test]
fn an_interrupt_stops_it_as_well() {
    let site = Site::new();
    let server = Server::start(&[&site.root_text()]);
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.signal(Signal::INT);
    server.ended();
}

#[test]
fn a_lost_terminal_stops_it_unless_it_was_told_to_stay() {
    let site = Site::new();
    let server = Server::start(&[&site.root_text()]);
    server.signal(Signal::HUP);
    server.ended();
    let server = Launch::quick(&[&site.root_text()]).after("trap '' HUP").start();
    server.signal(Signal::HUP);
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    assert_eq!(server.stop().status.code(), Some(0));
}

#[test]
fn clients_that_vanish_do_no_harm() {
    let site = Site::new();
    let server = Server::start(&[&site.root_text()]);
    for _ in 0..50 {
        download(&server, "/large.bin").abort();
        let mut client = Client::connect(server.addr());
        client.send("GET /digits.txt HT").unwrap();
        client.abort();
    }
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_by_whom() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let args = [site.root_text(), "--port".to_owned(), port.clone()];
    let (code, _, stderr) = Launch::of(args.to_vec()).finish();
    assert_eq!(code, Some(1), "{stderr}");
    let me = fs::read_to_string("/proc/self/comm").unwrap();
    for part in [&*port, me.trim(), &std::process::id().to_string()] {
        assert!(stderr.contains(part), "it does not say {part:?}: {stderr}");
    }
}

#[test]
fn a_port_that_another_gannet_has_is_not_shared() {
    let site = Site::new();
    let first = Server::start(&[&site.root_text()]);
    let port = first.addr().port().to_string();
    let args = [site.root_text(), "--port".to_owned(), port];
    let (code, _, stderr) = Launch::of(args.to_vec()).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&first.process().0.to_string()), "{stderr}");
    first.stop();
}

/// Nobody asked for the default port, so the next one does as well.
#[test]
fn a_default_port_that_is_taken_is_not_insisted_on() {
    let sites = [Site::new(), Site::new()];
    let servers = sites.each_ref().map(|site| {
        site.write("who.txt", site.root_text().as_bytes());
        let args = [site.root_text(), "--log".to_owned(), "json".to_owned()];
        Launch::of(args.to_vec()).start()
    });
    let [first, second] = servers.each_ref().map(|server| server.addr().port());
    assert_ne!(first, second);
    for (site, server) in sites.iter().zip(servers) {
        let remark = &server.wait_for(|line| line["event"] == "start")["remark"];
        match server.addr().port() {
            7890 => assert!(remark.is_null(), "{remark}"),
            port => assert_eq!(remark, &format!("port 7890 is taken, so it is {port}")),
        }
        let response = Client::connect(server.addr()).get("/who.txt").unwrap();
        assert_eq!(response.text(), site.root_text(), "each serves its own folder");
        server.stop();
    }
}

/// How many sockets of this machine listen at a port.
fn listening(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_there = |line: &&str| {
        let mut words = line.split_whitespace();
        let (own, state) = (words.nth(1).unwrap_or_default(), words.nth(1));
        own.ends_with(&format!(":{port:04X}")) && state == Some("0A")
    };
    table.lines().filter(is_there).count()
}

#[test]
fn each_core_has_a_loop_and_each_loop_a_socket_of_its_own() {
    let site = Site::new();
    let cores = thread::available_parallelism().unwrap().get();
    for (args, loops) in [(&[][..], cores), (&["--threads", "3"], 3)] {
        let root = site.root_text();
        let server = Server::start(&[&[&*root], args].concat());
        let start = server.wait_for(|line| line["event"] == "start");
        assert_eq!(start["threads"], loops);
        assert_eq!(listening(server.addr().port()), loops);
        server.stop();
    }
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    let cases: [(&[&str], &str); 5] = [
        (&["/no/such/folder"], "/no"),
        (&["--no-such-word"], "--no-such-word"),
        (&["--port", "70000"], "70000"),
        (&["--threads", "0"], "threads"),
        (&["run", "/no/such/file.toml"], "/no/such/file.toml"),
    ];
    for (args, part) in cases {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let (code, stdout, stderr) = Launch::of(args).finish();
        assert!(matches!(code, Some(1 | 2)), "{code:?}: {stderr}");
        assert!(stderr.contains(part), "it does not say {part:?}: {stderr}");
        assert_eq!(stdout, "", "{part}");
    }
}

#[test]
fn it_says_what_it_is_and_what_it_has_checked() {
    let (code, stdout, _) = Launch::of(vec!["--version".to_owned()]).finish();
    assert_eq!((code, &*stdout), (Some(0), concat!("gannet ", env!("CARGO_PKG_VERSION"), "\n")));
    let site = |host: &str| format!("[site.\"{host}\"]\nroot = \"/\"\n");
    for (config, expect) in [
        (site("a.example"), ": 1 site, no mistakes\n"),
        (site("a.example") + &site("b.example"), ": 2 sites, no mistakes\n"),
    ] {
        let (code, stdout, stderr) = Launch::check(&config).finish();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.ends_with(expect), "{stdout}");
    }
}

#[test]
fn mistakes_in_a_config_are_shown_where_they_are() {
    let (code, stdout, stderr) =
        Launch::run("[server]\nlisten = \"127.0.0.1:0\"\nthraeds = 2\n").finish();
    assert_eq!(code, Some(2), "{stderr}");
    for part in ["thraeds", "threads", ":3:"] {
        assert!(stderr.contains(part), "it does not say {part:?}: {stderr}");
    }
    assert_eq!(stdout, "");
}

#[test]
fn a_host_that_nobody_serves_is_misdirected() {
    let site = Site::new();
    let root = site.root();
    let server = Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n[site.\"a.example\"]\nroot = {root:?}\n"
    ));
    for (host, status) in [("a.example", 200), ("b.example", 421), ("127.0.0.1", 421)] {
        let mut client = Client::connect(server.addr());
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{host}");
    }
    server.stop();
}

/// A request that was sent before the server could know that it has to stop is answered.
#[test]
fn a_request_on_its_way_is_answered_before_the_end() {
    for threads in ["1", "2"] {
        let site = Site::new();
        let server = Launch::quick(&[&site.root_text(), "--threads", threads]).start();
        let mut idle = Client::connect(server.addr());
        idle.get("/digits.txt").unwrap();
        server.signal(Signal::STOP);
        idle.send(b"GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        assert_eq!(idle.response().unwrap().status, 200);
        assert_eq!(idle.ending().unwrap(), Ending::Closed);
        server.ended();
    }
}

/// O9 of the threats: signals that others understand do no harm, however many there are, and one
/// that was to be ignored from the start stays ignored.
#[test]
fn a_storm_of_signals_stops_nothing() {
    let site = Site::new();
    let server = Launch::quick(&[site.root_text()]).after("trap '' HUP").start();
    let mut client = Client::connect(server.addr());
    for _ in 0..200 {
        for signal in [Signal::USR1, Signal::USR2, Signal::PIPE, Signal::HUP] {
            server.signal(signal);
        }
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    }
    server.stop();
}

/// `gannet PATH` and `gannet run`, with one loop each.
fn shapes(site: &Site) -> [Launch; 2] {
    let config = site.config("threads = 1", "");
    [Launch::quick(&[&site.root_text(), "--threads", "1"]), Launch::run(&config)]
}

/// A panic outside of every exchange costs a loop its connections, but never its listener.
#[test]
fn a_panic_of_a_loop_leaves_it_serving() {
    let site = Site::new();
    for fault in ["loop=panic:1", "accept=panic:1"] {
        for launch in shapes(&site) {
            let server = launch.env("GANNET_FAIL", fault).start();
            let before = server.process();
            // The first one may be let down.
            let _ = Client::connect(server.addr()).get("/digits.txt");
            assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
            assert_eq!(server.process(), before, "it is the same that serves");
            let stopped = server.stop();
            assert_eq!(stopped.lines.last().unwrap()["panics"], 1, "{fault}");
        }
    }
}

#[test]
fn a_panic_costs_one_answer() {
    let site = Site::new();
    // Under somebody who watches, a worker first answers itself.
    for (launch, fault) in shapes(&site).into_iter().zip(["exchange=panic:2", "exchange=panic:3"]) {
        let server = launch.env("GANNET_FAIL", fault).start();
        let mut client = Client::connect(server.addr());
        let mut other = Client::connect(server.addr());
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        assert_eq!(client.get("/digits.txt").unwrap().status, 500);
        assert_eq!(other.get("/digits.txt").unwrap().status, 200, "others do not notice");
        assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
        let stopped = server.stop();
        assert_eq!(stopped.lines.last().unwrap()["panics"], 1);
    }
}
