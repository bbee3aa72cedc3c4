//! The error log: what went wrong, why, and which setting says so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Site, Stage, eventually, secure_place::SecurePlace, stage::get};
use serde_json::Value;

/// The error log says why, and which setting says so.
#[test]
fn refusals_are_told_with_their_reasons() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"json\"\nerror-log = { file = \"LOGS/errors.log\" }",
        "route.\"/deny\".deny = \"127.0.0.0/8\"\nroute.\"/allow\".allow = \"10.0.0.1\"\n\
         route.\"/post\" = { methods = \"POST\", respond = \"let in\" }\nroute.\"PUT /put\".respond = \"put\"\n\
         route.\"/said\".respond = { status = 403, text = \"by the config\" }\n\
         route.\"/both\" = { deny = \"::2\", allow = \"::1\", respond = \"let in\" }\n\
         route.\"/auth\".auth.users.alice = \"$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"",
        "",
    );
    let check = |head: &str, status: u16, reason: &str, setting: Option<&str>| {
        let before = stage.lines("errors.log").len();
        let mut client = Client::connect(server.addr());
        client.send(head).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{head}");
        assert!(eventually(|| stage.lines("errors.log").len() > before), "{head} is not told");
        let line = stage.lines("errors.log").pop().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert!(line["reason"].as_str().is_some_and(|found| found.contains(reason)), "{line}");
        assert_eq!(line["setting"].as_str(), setting, "{line}");
        assert_eq!(line["place"].is_string(), setting.is_some(), "{line}");
    };
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    // What is merely not there, and what the config itself says, is no trouble.
    assert_eq!(get(server.addr(), "x", "/nothing").status, 404);
    assert_eq!(get(server.addr(), "x", "/said").status, 403);
    assert_eq!(get(server.addr(), "x", "/auth").status, 401);
    check("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "more than one host", None);
    check(&ask("/%00"), 400, "path", None);
    check(&ask("/deny"), 403, "address", Some("deny"));
    check(&ask("/allow"), 403, "address", Some("allow"));
    check(&ask("/both"), 403, "address", Some("allow"));
    let wrong = "GET /auth HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6eA==\r\n\r\n";
    check(wrong, 401, "password", Some("auth"));
    check(&ask("/post"), 405, "method", Some("methods"));
    check(&ask("/put"), 405, "method", Some("route"));
    // The lines of both stand one below the other.
    let place = |line: &String| -> Option<usize> {
        let line: Value = serde_json::from_str(line).unwrap();
        line["place"].as_str()?.rsplit(':').nth(1)?.parse().ok()
    };
    let places: Vec<_> = stage.lines("errors.log").iter().filter_map(place).collect();
    let [.., post, put] = *places else { panic!("{places:?}") };
    assert_eq!(put, post + 1);
    server.stop();
    assert_eq!(stage.lines("errors.log").len(), 8);
}

/// A flood of nonsense fills no disk: the lines of a second are counted, and each is accounted for.
#[test]
fn repeats_are_counted_instead_of_written() {
    const REFUSALS: usize = 500;
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"off\"\nerror-log = { format = \"json\", file = \"LOGS/errors.log\" }",
        "",
        "",
    );
    // Together, so that all of them come in a second or two.
    let refuse = |times: usize| {
        let mut clients: Vec<_> = (0..times).map(|_| Client::connect(server.addr())).collect();
        clients.iter_mut().for_each(|client| client.send("nonsense\r\n\r\n").unwrap());
        for client in &mut clients {
            assert_eq!(client.response().unwrap().status, 400);
        }
    };
    refuse(REFUSALS);
    let told = || {
        let lines = stage.lines("errors.log");
        let repeats = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["repeats"].as_u64().unwrap_or(1) as usize
        };
        (lines.len(), lines.iter().map(repeats).sum::<usize>())
    };
    assert!(eventually(|| told().1 == REFUSALS), "{:?}", told());
    assert!(told().0 < REFUSALS / 2, "{:?}", told());
    // A second that is not over when the server stops is accounted for, too.
    refuse(30);
    server.stop();
    assert_eq!(told().1, REFUSALS + 30);
}

/// A fault of ours has a line that says where, and one that says whose request it ended; the answer
/// is dressed like every other of its site.
#[test]
fn a_panic_is_told_with_the_request_that_it_ended() {
    let site = Site::new();
    let root = site.root_text();
    let server = "[server]\nlisten = \"127.0.0.1:0\"\nthreads = 1\nlog = \"off\"\n";
    let config =
        format!("{server}[site.\"x\"]\nroot = {root:?}\nfields = {{ X-Site = \"here\" }}\n");
    // The first one is the worker's own, with which it tries out whether it can serve.
    let server = Launch::run(&config).env("GANNET_FAIL", "exchange=panic:2").start();
    let answer = get(server.addr(), "x", "/digits.txt");
    assert_eq!((answer.status, answer.get("x-site")), (500, Some("here")));
    assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    let stopped = server.stop();
    let lines: Vec<Value> =
        stopped.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [fault, exchange] = &lines[..] else { panic!("{}", stopped.stderr) };
    assert_eq!((&fault["event"], &fault["level"]), (&"panicked".into(), &"error".into()));
    let reason = fault["reason"].as_str().unwrap();
    assert!(reason.contains("exchange") && reason.contains(".rs:"), "{reason}");
    assert_eq!((&exchange["event"], &exchange["status"]), (&"failed".into(), &500.into()));
    assert_eq!(exchange["target"], "/digits.txt");
}

#[test]
fn what_a_check_warns_of_is_said_at_a_start_and_by_a_reload() {
    let place = SecurePlace::new();
    let socket = place.folder.path().join("fpm.sock");
    let site = place.of("a.example", "a", "") + &format!("php = {{ socket = {socket:?} }}\n");
    let server = place.serve("threads = 1", &site);
    let warned = |times| {
        let said = place.reasons("warning");
        let is_it = |one: &String| one.contains("fpm.sock: there is no such socket: start php-fpm");
        said.len() == times && said.iter().all(is_it)
    };
    assert!(eventually(|| warned(1)), "{:?}", place.reasons("warning"));
    place.tell(&["reload"]);
    assert!(eventually(|| warned(2)), "{:?}", place.reasons("warning"));
    server.stop();
}

/// Whoever goes over a limit of messages is told which, and so is whoever may raise it.
#[test]
fn a_limit_that_is_gone_over_is_named_with_what_it_allows() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"json\", file = \"LOGS/access.log\" }\n\
         error-log = { file = \"LOGS/errors.log\" }\n\
         limits = { head-bytes-max = \"4KiB\", target-bytes-max = \"1KiB\", fields-max = 7 }",
        "",
        "",
    );
    let long = "x".repeat(2_000);
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let (target, fields) = (format!("GET /{long} HTTP/1.1\r\n\r\n"), "X: y\r\n".repeat(7));
    for (bytes, status, setting, limit, unit) in [
        (target, 414, "target-bytes-max", 1024, "bytes"),
        (head(&format!("X: {}\r\n", long.repeat(3))), 431, "head-bytes-max", 4096, "bytes"),
        (head(&fields), 431, "fields-max", 7, "fields"),
    ] {
        let counts = || ["errors.log", "access.log"].map(|name| stage.lines(name).len());
        let before = counts();
        let mut client = Client::connect(server.addr());
        client.send(bytes).unwrap();
        let said = String::from_utf8(client.drain().unwrap().0).unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{setting}: {said}");
        let words = format!("at most {limit} {unit} ({setting}).");
        assert!(said.contains(&words), "{setting}: {said}");
        assert!(eventually(|| counts().into_iter().zip(before).all(|(now, then)| now > then)));
        let [error, access] = ["errors.log", "access.log"].map(|name| {
            let line = stage.lines(name).pop().unwrap();
            serde_json::from_str::<Value>(&line).unwrap()
        });
        assert_eq!((&error["setting"], &error["limit"]), (&setting.into(), &limit.into()));
        for line in [error, access] {
            let reason = line["reason"].as_str().unwrap();
            assert!(reason.contains(&format!("`{setting}`")), "{line}");
        }
    }
    server.stop();
}

/// Broken content behind an answer has no second one; that it was refused is told and counted.
#[test]
fn content_that_is_refused_behind_its_answer_is_told() {
    let stage = Stage::new();
    let server = stage.serve(
        "error-log = { file = \"LOGS/errors.log\" }\n\
         limits = { chunk-extension-bytes-max = \"9B\", trailer-bytes-max = \"11B\" }",
        "",
        "",
    );
    let long = "x".repeat(20);
    let cases = [
        ("GET", 200, "ZZ\r\n".to_owned(), "chunk size", "ZZ", None),
        ("POST", 405, "FFFFFFFFFFFFFFFFF\r\n".to_owned(), "chunk size", "F", None),
        ("GET", 200, "1\nZ".to_owned(), "chunk size", "", None),
        ("GET", 200, "0\r\nX : 1\r\n\r\n".to_owned(), "trailer field", " : 1", None),
        (
            "GET",
            200,
            format!("1;{long}\r\n"),
            "`chunk-extension-bytes-max`",
            &long[9..],
            Some(("chunk-extension-bytes-max", 9)),
        ),
        (
            "GET",
            200,
            format!("0\r\nX: {long}\r\n\r\n"),
            "`trailer-bytes-max`",
            &long[8..],
            Some(("trailer-bytes-max", 11)),
        ),
    ];
    // No status was sent for these; the answer to POST has a line with its own.
    let dropped = || -> Vec<Value> {
        let lines = stage.lines("errors.log");
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["status"].is_null()).collect()
    };
    for (number, (method, status, content, reason, refused, limit)) in cases.iter().enumerate() {
        let head =
            format!("{method} /digits.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked");
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut client = Client::connect(server.addr());
        client.send(format!("{head}\r\n\r\n{content}{smuggled}")).unwrap();
        assert_eq!(client.response().unwrap().status, *status, "{content}");
        assert!(client.drain().unwrap().0.is_empty(), "{content}: a second answer");
        assert!(eventually(|| dropped().len() > number), "{content} is not told");
        let line = dropped().pop().unwrap();
        let told = ["event", "level", "client", "refused"].map(|name| line[name].as_str().unwrap());
        assert_eq!(told, ["refused", "notice", "127.0.0.1", refused], "{line}");
        assert!(line["reason"].as_str().unwrap().contains(reason), "{line}");
        let setting = line["setting"].as_str().zip(line["limit"].as_u64());
        assert_eq!(setting, *limit, "{line}");
    }
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["refused"], cases.len());
    let answers = stopped.lines.iter().filter(|line| line["event"] == "request").count();
    assert_eq!(answers, cases.len(), "one line each");
}

/// Whoever is turned away or too slow, the setting that says so is named with what it allows.
#[test]
fn a_limit_of_connections_or_time_is_named() {
    let stage = Stage::new();
    let server = stage.serve(
        "error-log = { file = \"LOGS/errors.log\" }\n\
         limits = { head-time = \"700ms\", connections-per-client-max = 1 }",
        "",
        "",
    );
    let mut slow = Client::connect(server.addr());
    slow.send("GET / HT").unwrap();
    let mut second = Client::connect(server.addr());
    second.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(second.response().unwrap().status, 503);
    let response = slow.response().unwrap();
    assert_eq!(response.status, 408);
    assert!(response.text().contains("at most 700 ms (head-time)."), "{}", response.text());
    server.stop();
    let lines = stage.lines("errors.log");
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [turned_away, late] = &lines[..] else { panic!("{lines:?}") };
    for (line, event, setting, limit) in [
        (turned_away, "turned_away", "connections-per-client-max", 1),
        (late, "refused", "head-time", 700),
    ] {
        assert_eq!((&line["event"], &line["limit"]), (&event.into(), &limit.into()), "{line}");
        assert_eq!(line["setting"], setting, "{line}");
        assert!(line["reason"].as_str().unwrap().contains(&format!("`{setting}`")), "{line}");
    }
}
