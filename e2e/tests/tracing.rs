//! Traces: an exchange has its place in the one that its client names, and so has what it asks.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Application, Client, Launch, Server, Site, application};
use std::{collections::HashSet, fs};
use tempfile::TempDir;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server whose application says what it was told of the trace.
fn serve(lines: &str) -> (Server, Site, TempDir, Application) {
    let told = Application::start(|asked, stream| {
        let said = ["HTTP_TRACEPARENT", "HTTP_TRACESTATE"].map(|name| asked.get(name));
        let status = if asked.get("SCRIPT_NAME") == "/fails.php" { "500 Oh" } else { "200 OK" };
        let head = format!("Status: {status}\r\nContent-Type: text/plain\r\n\r\n");
        application::answer(stream, (head + &said.join("|")).as_bytes());
    });
    let (site, folder) = (Site::new(), e2e::folder());
    site.write("told.php", b"");
    site.write("fails.php", b"");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n{lines}\n\
         [site.default]\nroot = {:?}\n{}",
        site.root_text(),
        told.setting("")
    );
    let file = folder.path().join("gannet.toml");
    fs::write(&file, text).unwrap();
    let words = ["run", file.to_str().unwrap()].map(str::to_owned);
    (Launch::of(words.to_vec()).start(), site, folder, told)
}

/// What the application was told where these fields were sent: trace, span and flags, and the
/// state; with the id of the exchange.
fn told(client: &mut Client, path: &str, fields: &str) -> ([String; 4], String) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).unwrap();
    let answer = client.response().unwrap();
    let text = answer.text();
    let (parent, state) = text.split_once('|').unwrap();
    let parts: Vec<_> = parent.split('-').map(str::to_owned).collect();
    let [version, trace, span, flags] = <[String; 4]>::try_from(parts).unwrap();
    assert_eq!((&*version, trace.len(), span.len()), ("00", 32, 16), "{text}");
    ([trace, span, flags, state.to_owned()], answer.get("x-request-id").unwrap().to_owned())
}

#[test]
fn a_trace_goes_on_by_way_of_the_server() {
    let (server, _site, folder, _told) =
        serve("log = 'json'\nrequest-id = true\ntrace = '1/1000000'");
    let mut client = Client::connect(server.addr());
    let fields = format!("TraceParent: {PARENT}\r\nTracestate: a=1\r\ntracestate: b=2\r\n");
    let ([trace, span, flags, state], id) = told(&mut client, "/fails.php", &fields);
    assert_eq!((&*trace, &*flags, &*state), (TRACE, "01", "a=1, b=2"));
    assert_ne!(span, "b7ad6b7169203331", "what is asked stands below the server's own span");
    let line = server.wait_for(|line| line["request_id"] == *id);
    assert_eq!((&line["trace_id"], &line["span_id"]), (&trace.into(), &span.into()));
    let file = folder.path().join("gannet.toml");
    let words = ["explain", "--live", &id, "-c", file.to_str().unwrap()].map(str::to_owned);
    let (code, said, stderr) = Launch::of(words.to_vec()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(said.contains(&format!("it belongs to the trace {TRACE}\n")), "{said}");
    // A state that is none is dropped, and its trace goes on.
    let fields = format!("traceparent: {PARENT}\r\ntracestate: a=1,a=2\r\n");
    let ([trace, .., state], _) = told(&mut client, "/told.php", &fields);
    assert_eq!((&*trace, &*state), (TRACE, ""));
    server.stop();
}

#[test]
fn where_there_is_no_trace_a_new_one_begins() {
    let (server, _site, _folder, _told) = serve("log = 'json'\nrequest-id = true\ntrace = '1/1'");
    let mut client = Client::connect(server.addr());
    let mut seen = HashSet::new();
    for fields in [
        String::new(),
        "traceparent: \r\n".to_owned(),
        format!("traceparent: ff{}\r\n", &PARENT[2..]),
        format!("traceparent: {}\r\n", PARENT.to_uppercase()),
        format!("traceparent: {PARENT}-00\r\n"),
        format!("traceparent: 00-{}-b7ad6b7169203331-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{TRACE}-{}-01\r\n", "0".repeat(16)),
        format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n"),
    ] {
        let fields = format!("{fields}tracestate: a=1\r\n");
        let ([trace, span, flags, state], _) = told(&mut client, "/told.php", &fields);
        assert_eq!((&*flags, &*state), ("01", ""), "{fields}");
        assert!(trace != TRACE && seen.insert(trace.clone()) && seen.insert(span), "{fields}");
    }
    server.stop();
}

#[test]
fn whether_a_new_trace_is_sampled_is_for_the_share_to_say() {
    let (server, _site, _folder, _told) = serve("log = 'off'\nrequest-id = true\ntrace = '1/4'");
    let mut client = Client::connect(server.addr());
    let mut ask = || told(&mut client, "/told.php", "").0[2] == "01";
    let sampled = (0..200).filter(|_| ask()).count();
    // A quarter of 200, give or take five times what is usual.
    assert!((20..=80).contains(&sampled), "{sampled}");
    server.stop();
}

#[test]
fn without_traces_fields_are_passed_on_as_they_came() {
    let (server, _site, _folder, _told) = serve("log = 'json'\nrequest-id = true");
    let mut client = Client::connect(server.addr());
    let ([trace, span, ..], id) =
        told(&mut client, "/told.php", &format!("traceparent: {PARENT}\r\n"));
    assert_eq!((&*trace, &*span), (TRACE, "b7ad6b7169203331"));
    let line = server.wait_for(|line| line["request_id"] == *id);
    assert!(line["trace_id"].is_null(), "{line}");
    server.stop();
}
