//! `gannet reload --diff`: what another config would change for the requests of late.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Place, eventually, under_load};
use serde_json::Value;
use std::{fs, net::SocketAddr, path::Path};

/// Users as `htpasswd -nbB` makes them: alice has `wonderland`.
const USERS: &str = "alice:$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\n";

/// A config with more lines in `[server]`, and with `sites`.
fn with(server: &str, sites: &str) -> String {
    format!("[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n{server}\n{sites}")
}

/// What would change, and the exit code.
fn diff(place: &Place) -> (Option<i32>, Value) {
    let (code, stdout, stderr) = place.ask(&["reload", "--diff", "--json"]);
    assert_eq!(stderr, "");
    (code, serde_json::from_str(&stdout).unwrap())
}

/// The same once so many requests are known: each is put down when its answer has left.
fn diff_of(place: &Place, requests: u64) -> (Option<i32>, Value) {
    let mut found = diff(place);
    let are_known = eventually(|| {
        found = diff(place);
        found.1["requests"] == requests
    });
    assert!(are_known, "{requests}: {}", found.1);
    found
}

fn ask(addr: SocketAddr, target: &str, fields: &str) -> u16 {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\n{fields}\r\n")).unwrap();
    client.response().unwrap().status
}

/// The changes of that kind, as before, after, and how many requests.
fn of(found: &Value, what: &str) -> Vec<(String, String, u64)> {
    let changes = found["changes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    changes
        .filter(|change| change["what"] == what)
        .map(|change| {
            (text(&change["before"]), text(&change["after"]), change["count"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn what_would_change_is_shown_and_nothing_is_changed() {
    const SITES: &str =
        "[site.\"a.example\"]\nroot = 'ROOT'\n[site.\"b.example\"]\nroot = 'ROOT'\n";
    let place = Place::new(&with("workers = 2\nthreads = 1", SITES));
    let server = place.start();
    let host = |name: &str| format!("Host: {name}\r\n");
    for _ in 0..5 {
        assert_eq!(ask(server.addr(), "/digits.txt?token=1", &host("a.example")), 200);
    }
    assert_eq!(ask(server.addr(), "/sub/a", &host("b.example")), 404);
    assert_eq!(ask(server.addr(), "/", &host("c.example")), 421);

    let (code, found) = diff_of(&place, 7);
    assert_eq!((code, &found["changed"]), (Some(0), &0.into()));
    let (code, text, _) = place.ask(&["reload", "--diff"]);
    assert!(code == Some(0) && text.contains("all would be answered as before"), "{text}");

    let more = "fields = { X-Version = \"2\" }\n[site.\"b.example\".route]\n\
                \"/sub/*\" = { redirect = \"/new/{rest}\" }\n[site.default]\nroot = 'ROOT'\n";
    place.write(&with("workers = 2\nthreads = 1", &format!("{SITES}{more}")));
    let workers = server.workers();
    let (code, found) = diff(&place);
    assert_eq!((code, &found["changed"]), (Some(3), &2.into()), "{found}");
    let change = |before: &str, after: &str| vec![(before.to_owned(), after.to_owned(), 1)];
    assert_eq!(of(&found, "site"), change("none", "default"));
    assert_eq!(of(&found, "route"), change("/*", "/sub/*"));
    let statuses = of(&found, "status");
    assert!(statuses.contains(&change("404 Not Found", "308 Permanent Redirect")[0]), "{found}");
    assert_eq!(of(&found, "location").len(), 1);
    let changes = found["changes"].as_array().unwrap();
    let location = changes.iter().find(|change| change["what"] == "location").unwrap();
    let example = &location["examples"][0];
    assert_eq!(example["request"], "GET http://b.example/sub/a");
    assert_eq!((&example["client"], &example["after"]), (&"127.0.0.1".into(), &"/new/a".into()));
    assert!(location["place"].as_str().unwrap().contains("gannet.toml:"), "{location}");
    let (code, text, _) = place.ask(&["reload", "--diff"]);
    assert!(code == Some(3) && text.contains("b.example/sub/a from 127.0.0.1: none → /new/a"));
    assert_eq!(ask(server.addr(), "/sub/a", &host("b.example")), 404, "nothing is changed");
    assert_eq!(server.workers(), workers);

    place.write(&with("thraeds = 1", SITES));
    let (code, stdout, stderr) = place.ask(&["reload", "--diff"]);
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("did you mean `threads`"), "{stderr}");
    let (code, _, stderr) = place.ask(&["reload", "--json"]);
    assert!(code == Some(2) && stderr.contains("--diff"), "{stderr}");
    server.stop();
}

/// A worker that dies, a config that is replaced: its last requests are still there.
#[test]
fn requests_outlive_the_worker_that_had_them() {
    let sites = "[site.default]\nroot = 'ROOT'\n";
    let place = Place::new(&with("threads = 1", sites));
    let server = place.start();
    ask(server.addr(), "/digits.txt", "Host: a\r\n");
    diff_of(&place, 1);
    let first = server.workers();
    first[0].kill();
    assert!(eventually(|| server.workers().len() == 1 && server.workers() != first));
    ask(server.addr(), "/", "Host: a\r\n");
    diff_of(&place, 2);
    let second = server.workers();
    place.order(&["reload"]);
    assert!(eventually(|| !second[0].is_alive()));
    ask(server.addr(), "/", "Host: b\r\n");
    diff_of(&place, 3);
    server.stop();
}

/// Whoever gave a password once is compared as one who is let in, though nobody has kept it.
#[test]
fn what_lies_behind_a_password_is_compared_without_it() {
    let sites = "[site.default]\nroot = 'ROOT'\nauth = 'users'\n";
    let place = Place::new("");
    fs::write(place.path("users"), USERS).unwrap();
    place.write(&with("threads = 1", sites));
    let server = place.start();
    let secret =
        "Host: a\r\nAuthorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\nCookie: my-secret\r\n";
    assert_eq!(ask(server.addr(), "/digits.txt", secret), 200);
    assert_eq!(ask(server.addr(), "/digits.txt", "Host: a\r\n"), 401);
    place.write(&with("threads = 1", &format!("{sites}fields = {{ X-A = \"1\" }}\n")));
    let (_, found) = diff_of(&place, 2);
    assert_eq!(found["changed"], 2, "{found}");
    assert_eq!(of(&found, "x-a"), [("none".to_owned(), "1".to_owned(), 2)]);
    assert_eq!(found["changes"].as_array().unwrap().len(), 1, "{found}");
    place.write(&with("threads = 1", &format!("{sites}route.\"/digits.txt\".respond = \"no\"\n")));
    let (_, found) = diff(&place);
    let actions = of(&found, "action");
    assert_eq!(actions.len(), 1, "{found}");
    assert_eq!((&*actions[0].1, actions[0].2), ("respond", 1));

    // Neither in memory that others could look at nor on a disk is there anything of it.
    for worker in server.workers() {
        let shared = fs::read_dir(format!("/proc/{}/map_files", server.started().0)).unwrap();
        let named = shared.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        assert!(named.into_iter().all(|path| !path.starts_with("/memfd:gannet-recents")));
        let recents = recents(server.started().0);
        assert!(!recents.is_empty(), "{}", worker.0);
        for memory in recents {
            let bytes = fs::read(memory).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(has("GET /digits.txt HTTP/1.1\r\nHost: a\r\n"));
            assert!(!has("YWxpY2U6") && !has("my-secret"));
        }
    }
    server.stop();
}

/// Workers write while it is read, and of the many requests there is room for some.
#[test]
fn under_load_the_last_ones_are_compared() {
    let sites = "[site.default]\nroot = 'ROOT'\n";
    let place = Place::new(&with("workers = 2\nthreads = 2", sites));
    let server = place.start();
    under_load(server.addr(), || {
        for _ in 0..5 {
            let (code, found) = diff(&place);
            let requests = found["requests"].as_u64().unwrap();
            assert!(code == Some(0) && requests <= 1_000, "{found}");
        }
        // What is asked meanwhile pushes out what was asked before.
        assert!(eventually(|| diff(&place).1["requests"] == 1_000));
    });
    server.stop();
}

/// The memory with the last requests, as the supervisor has it.
fn recents(process: u32) -> Vec<std::path::PathBuf> {
    let folder = format!("/proc/{process}/fd");
    let all = fs::read_dir(Path::new(&folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &std::path::PathBuf| {
        let target = fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().starts_with("/memfd:gannet-recents")
    };
    all.filter(is_one).collect()
}

#[test]
fn a_listener_that_goes_takes_its_requests_along() {
    let sites = "[site.default]\nroot = 'ROOT'\n";
    let place = Place::new(&with("threads = 1", sites));
    let socket = place.path("sock");
    let listen = format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]", socket.to_str().unwrap());
    place.edit("listen = \"127.0.0.1:0\"", &listen);
    let server = place.start();
    Client::connect_unix(&socket).get("/digits.txt").unwrap();
    ask(server.addr(), "/digits.txt", "Host: a\r\n");
    place.write(&with("threads = 1", sites));
    let (code, found) = diff_of(&place, 2);
    assert_eq!((code, &found["changed"]), (Some(3), &1.into()));
    assert_eq!(found["changes"][0]["what"], "listener");
    assert_eq!(found["changes"][0]["examples"][0]["client"], "unix");
    server.stop();
}
