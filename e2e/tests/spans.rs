//! Spans of exchanges: what a collector is told of them, and that they come through whatever
//! happens to the processes on their way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Place, Server, application,
    collector::{Collector, Span},
    eventually, look,
    place::config,
    process::Process,
};
use rustix::process::Signal;
use std::{
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A place where each trace that begins is sampled, with what is typed for `otlp`.
fn place(otlp: &str, server: &str, site: &str) -> Place {
    let traced = "threads = 1\nrequest-id = true\ntrace = '1/1'";
    Place::new(&config(&format!("{traced}\notlp = {otlp}\n{server}"), "", site))
}

/// The process that sends spans, once it is there.
fn sender(server: &Server) -> Process {
    let mut found = None;
    assert!(eventually(|| {
        let children = server.started().children();
        found = children.into_iter().find(|child| child.name() == "gannet-spans");
        found.is_some()
    }));
    found.unwrap()
}

/// Asks for a page so often, which is there each time.
fn ask(server: &Server, count: usize) {
    let mut client = Client::connect(server.addr());
    for _ in 0..count {
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    }
}

/// The spans of that path.
fn of<'s>(spans: &'s [Span], path: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.get("url.path") == path).collect()
}

#[test]
fn a_span_says_what_was_asked_and_what_came_of_it() {
    let told = Application::start(|asked, stream| {
        let said = ["HTTP_TRACEPARENT", "HTTP_TRACESTATE"].map(|name| asked.get(name)).join("|");
        let status = if asked.get("SCRIPT_NAME") == "/fails.php" { "500 Oh" } else { "200 OK" };
        let head = format!("Status: {status}\r\nContent-Type: text/plain\r\n\r\n{said}");
        application::answer(stream, head.as_bytes());
    });
    let collector = Collector::start();
    let otlp = format!(
        "{{ endpoint = '{}/', service = 'shop', fields = {{ X-Key = 'secret' }} }}",
        collector.url()
    );
    let site = told.setting("") + "route.'/sub/*'.listing = true\n";
    let listen = "listen = { address = '127.0.0.1:0', http2 = true }";
    let place = place(&otlp, listen, &site);
    for name in ["told.php", "fails.php"] {
        place.site.write(name, b"");
    }
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let server = place.start();
    let mut client = Client::connect(server.addr());
    let mut send = |line: &str, fields: &str| {
        client.send(format!("{line} HTTP/1.1\r\nHost: a.example:81\r\n{fields}\r\n")).unwrap();
        client.response().unwrap()
    };
    let sampled = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=1\r\n");
    let answer = send("GET /told.php?secret=1", &format!("{sampled}User-Agent: b\u{e9}\r\n"));
    let (parent, _) = answer.text().split_once('|').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    assert_eq!(send("GET /fails.php", "").status, 500);
    let unsampled = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    assert_eq!(send("GET /digits.txt", &unsampled).status, 200);
    assert_eq!(send("BREW /sub/page.txt", "").status, 405);
    assert_eq!(send("GET /sub/page.txt", "").status, 200);
    let url = format!("http://{}/style.css", server.addr());
    let words = ["--silent", "--fail", "--http2-prior-knowledge", "--output", "/dev/null", &url];
    assert!(Command::new("curl").args(words).status().unwrap().success());
    Client::download(server.addr(), "/huge.bin").abort();
    let spans = collector.wait_for_spans(6);
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();

    for delivered in collector.delivered() {
        let get = |name: &str| {
            let found = delivered.fields.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(delivered.line, "POST /v1/traces HTTP/1.1");
        assert_eq!(get("content-type"), Some("application/x-protobuf"));
        assert_eq!((get("x-key"), get("content-encoding")), (Some("secret"), None));
    }
    for span in &spans {
        let time = |key: &str| span.all[key].as_str().unwrap().parse::<u128>().unwrap();
        let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
        assert!(before <= start && start <= end && end <= after, "{span:?}");
        assert_eq!((&*span.service, &span.all["kind"]), ("shop", &"SPAN_KIND_SERVER".into()));
        assert_eq!(span.id("traceId").len(), 32);
        assert_eq!(span.get("client.address"), "127.0.0.1");
        assert_eq!(
            (span.get("gannet.site"), span.get("url.scheme")),
            (&"default".into(), &"http".into())
        );
    }
    assert_eq!(of(&spans, "/digits.txt").len(), 0, "it is not sampled");
    let [span] = of(&spans, "/told.php")[..] else { panic!("{spans:?}") };
    let ids = ["traceId", "spanId", "parentSpanId"].map(|key| span.id(key));
    assert_eq!(parent, format!("00-{}-{}-01", ids[0], ids[1]), "PHP stands below it");
    assert_eq!((&*ids[0], &*ids[2], &span.all["traceState"]), (TRACE, PARENT, &"a=1".into()));
    let expect = [
        ("http.request.method", "GET"),
        ("http.route", "/*"),
        ("http.response.status_code", "200"),
        ("server.address", "a.example"),
        ("server.port", "81"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "b\u{e9}"),
        ("gannet.request_id", answer.get("x-request-id").unwrap()),
    ];
    for (key, value) in expect {
        assert_eq!(span.get(key), value, "{key}");
    }
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
    let [span] = of(&spans, "/fails.php")[..] else { panic!("{spans:?}") };
    assert!(span.all["parentSpanId"].is_null() && span.id("traceId") != TRACE);
    assert_eq!(
        (span.get("error.type"), &span.all["status"]["code"]),
        (&"500".into(), &"STATUS_CODE_ERROR".into(),)
    );
    let names: Vec<_> = of(&spans, "/sub/page.txt").iter().map(|one| &one.all["name"]).collect();
    assert_eq!(names, ["HTTP /sub/*", "GET /sub/*"]);
    let [span] = of(&spans, "/style.css")[..] else { panic!("{spans:?}") };
    assert_eq!(span.get("network.protocol.version"), "2");
    let [span] = of(&spans, "/huge.bin")[..] else { panic!("{spans:?}") };
    assert_eq!(
        (span.get("error.type"), span.get("gannet.reason")),
        (&"cut_off".into(), &"cut off".into(),)
    );
    assert_eq!(span.all["events"][0]["name"], "gannet.first_byte");
    server.stop();
}

#[test]
fn without_a_collector_nobody_sends_anything() {
    let place = Place::new(&config("request-id = true\ntrace = '1/1'", "", ""));
    let server = place.start();
    ask(&server, 1);
    let names: Vec<_> = server.started().children().iter().map(|one| one.name()).collect();
    assert!(!names.contains(&"gannet-spans".to_owned()), "{names:?}");
    let stopped = server.stop();
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["spans_sent"], &last["spans_dropped"]), (&0.into(), &0.into()));
}

#[test]
fn the_last_spans_are_sent_before_a_server_stops() {
    let collector = Collector::start();
    let place = place(&format!("'{}'", collector.url()), "workers = 2", "");
    let server = place.start();
    let sends = sender(&server);
    ask(&server, 5);
    let stopped = server.stop();
    assert_eq!(collector.spans().len(), 5);
    assert_eq!(stopped.lines.last().unwrap()["spans_sent"], 5);
    assert!(eventually(|| !sends.is_alive()));
}

#[test]
fn who_sends_them_has_a_sandbox_and_is_replaced_when_it_dies() {
    let collector = Collector::start();
    let place = place(&format!("'{}'", collector.url()), "admin = '127.0.0.1:0'", "");
    let server = place.start();
    let first = sender(&server);
    let holds = |name: &str, value: &str| {
        let status = fs::read_to_string(format!("/proc/{}/status", first.0)).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1) == Some(value)
    };
    assert!(eventually(|| holds("Seccomp:", "2")), "its calls are restricted");
    assert!(holds("NoNewPrivs:", "1") && holds("CapEff:", "0000000000000000"));
    ask(&server, 1);
    collector.wait_for_spans(1);
    first.kill();
    // What comes while nobody reads waits for the next one.
    ask(&server, 2);
    assert_eq!(collector.wait_for_spans(3).len(), 3);
    assert_ne!(sender(&server), first);
    let said = || place.reasons("spans");
    let is_said = || said().first().is_some_and(|one| one.contains("another one is started"));
    assert!(eventually(is_said), "{:?}", said());
    let addr = look::admin(&server);
    let figure = |name: &str| look::figures(addr)[&format!("gannet_spans_{name}_total")];
    assert!(eventually(|| figure("sent") == 3.0));
    assert_eq!(figure("dropped"), 0.0);
    server.stop();
}

#[test]
fn a_reload_has_others_get_them() {
    let (one, other) = (Collector::start(), Collector::start());
    let place = place(&format!("'{}'", one.url()), "", "");
    let server = place.start();
    let first = sender(&server);
    ask(&server, 3);
    place.edit(&one.url(), &other.url());
    place.order(&["reload"]);
    assert!(eventually(|| !first.is_alive()));
    ask(&server, 2);
    let second = sender(&server);
    assert!(eventually(|| one.spans().len() + other.spans().len() == 5));
    assert!(other.spans().len() >= 2, "who came after the reload");
    // Nothing has changed for it.
    place.order(&["reload"]);
    assert_eq!(sender(&server), second);
    place.edit(&format!("otlp = '{}'", other.url()), "");
    place.order(&["reload"]);
    assert!(eventually(|| !second.is_alive()));
    ask(&server, 1);
    let stopped = server.stop();
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["spans_sent"], &last["spans_dropped"]), (&5.into(), &0.into()));
}

#[test]
fn an_upgrade_loses_none() {
    let collector = Collector::start();
    let place = place(&format!("'{}'", collector.url()), "", "");
    let server = place.start();
    let first = sender(&server);
    for _ in 0..2 {
        ask(&server, 3);
        place.order(&["upgrade", "-c"]);
        ask(&server, 3);
    }
    assert!(eventually(|| collector.spans().len() == 12));
    assert!(eventually(|| !first.is_alive()));
    let stopped = server.stop();
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["spans_sent"], &last["spans_dropped"]), (&12.into(), &0.into()));
}

#[test]
fn what_workers_hand_over_outlives_who_watches_them() {
    let collector = Collector::start();
    let place = place(&format!("'{}'", collector.url()), "", "");
    let server = place.start();
    let first = sender(&server);
    server.started().signal(Signal::KILL);
    assert!(eventually(|| !server.started().is_alive() && !first.is_alive()));
    ask(&server, 4);
    let next = place.start();
    assert_eq!(collector.wait_for_spans(4).len(), 4);
    ask(&next, 1);
    next.stop();
    assert_eq!(collector.spans().len(), 5);
}
