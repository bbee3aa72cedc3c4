//! A php-fpm for each site: whom it runs as, and what it outlives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Server, Sites, eventually,
    sites::{HOSTS, SHOW, USERS, get, master, masters, show, sockets},
    under_load,
};
use rustix::process::{Signal, geteuid};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
};

#[test]
fn two_sites_have_two_users_and_neither_reads_the_other() {
    let place = Sites::new();
    let server = place.start();
    let sockets = sockets(&server);
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    for (at, host) in HOSTS.into_iter().enumerate() {
        assert_eq!(get(&server, host, "/style.css").text(), "p {}");
        let (own, other) = (["a", "b"][at], ["b", "a"][at]);
        let file = |name: &str| format!("file={}", place.path(name).join("own.txt").display());
        let said = show(&server, host, &file(own));
        assert_eq!(said["file"], own);
        let reaches = sockets.iter().filter(|socket| {
            show(&server, host, &format!("socket={}", socket.display()))["socket"] == true
        });
        match geteuid().is_root() {
            true => {
                assert_eq!(said["user"], USERS[at].1);
                assert_eq!(show(&server, host, &file(other))["file"], Value::Bool(false));
                assert_eq!(reaches.count(), 0, "nobody runs programs as another user");
            }
            false => assert_eq!(said["user"], geteuid().as_raw()),
        }
    }
    let worker = fs::metadata(format!("/proc/{}", server.workers()[0].0)).unwrap();
    for socket in &sockets {
        let found = fs::metadata(socket).unwrap();
        assert_eq!(found.mode() & 0o777, 0o660);
        assert!(geteuid().is_root() || found.gid() == worker.gid());
    }
    let said = show(&server, "a.example", "");
    assert_eq!((&said["limit"], &said["set"]), (&"32M".into(), &Value::Bool(false)));
    let masters = masters(&server);
    server.stop();
    let have_ended = || masters.iter().all(|master| !master.is_alive());
    assert!(eventually(have_ended), "they end with the server");
    assert!(sockets.iter().all(|socket| !socket.exists()));
}

/// Both workers of a site are at a request, and a third one waits: each is named by its id.
#[test]
fn it_is_shown_which_worker_is_at_which_request() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nrequest-id = 'X-Request-Id'");
    let server = place.start();
    let (begun, go) = (place.path("b/begun"), place.path("go"));
    let targets = ["/first", "/second?x=", "/third"];
    let mut clients = Vec::new();
    let look = || {
        let (code, stdout, stderr) = place.ask(&["status", "--php", "--json"]);
        assert_eq!((code, &*stderr), (Some(0), ""));
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    for target in targets {
        let mut client = Client::connect(server.addr());
        let and = if target.contains('?') { '&' } else { '?' };
        let line = format!("GET {target}{and}wait={} HTTP/1.1", go.display());
        client.send(format!("{line}\r\nHost: b.example\r\n\r\n")).unwrap();
        clients.push(client);
        match clients.len() {
            3 => assert!(eventually(|| {
                let shown = look();
                let waits = |pool: &Value| pool["waiting"] == 1;
                shown["others"].as_array().unwrap().len() == 1
                    && shown["pools"].as_array().unwrap().iter().any(waits)
            })),
            _ => assert!(eventually(|| fs::remove_file(&begun).is_ok())),
        }
    }
    // A php-fpm that takes its time to say how it is is not waited for.
    let text = || place.order(&["status", "--php"]);
    let is_told = |text: &str| {
        text.contains("b.example: 2 of 2 workers busy, 0 idle, 1 request waits")
            && text.contains("default: 0 of 10 workers busy")
    };
    assert!(eventually(|| is_told(&text())), "{}", text());
    for line in ["  GET b.example/first?wait=", "  GET b.example/third?wait="] {
        assert!(eventually(|| text().contains(line)), "{}", text());
    }
    let of = |shown: &Value, host: &str| {
        let mut pools = shown["pools"].as_array().unwrap().iter();
        pools.find(|pool| pool["site"] == host).cloned().unwrap_or_default()
    };
    let mut shown = Value::Null;
    assert!(
        eventually(|| {
            shown = look();
            of(&shown, "default")["busy"] == 0 && of(&shown, "b.example")["busy"] == 2
        }),
        "{shown}"
    );
    let busy = of(&shown, "b.example");
    assert_eq!((&busy["workers_max"], &busy["waiting"]), (&2.into(), &1.into()));
    assert_eq!(shown["others"][0]["host"], "b.example");
    fs::write(&go, "").unwrap();
    let workers = busy["workers"].as_array().unwrap();
    let told = [&workers[0], &workers[1], &shown["others"][0]];
    for ((target, told), mut client) in targets.into_iter().zip(told).zip(clients) {
        assert!(told["target"].as_str().unwrap().starts_with(target), "{target}: {shown}");
        assert!(told["script"].as_str().unwrap().ends_with("/b/index.php"), "{shown}");
        let answer = client.response().unwrap();
        assert_eq!(answer.get("x-request-id"), told["id"].as_str(), "{target}: {shown}");
    }
    assert!(eventually(
        || look()["pools"][1]["busy"] == 0 && look()["others"] == Value::from([(); 0])
    ));
    // One that has died is another one soon.
    master(&server, "b.example").kill();
    assert!(eventually(|| place.count("php_died") == 1));
    show(&server, "b.example", "");
    assert!(eventually(|| look()["pools"].as_array().unwrap().len() == 2), "{}", look());
    server.stop();
}

#[test]
fn one_that_dies_is_replaced_and_no_request_fails() {
    let place = Sites::new();
    let server = place.start();
    let other = master(&server, "b.example");
    under_load(server.addr(), || {
        // Nobody is kept waiting for one that dies three times at once.
        for number in 1..=2 {
            let before = master(&server, "a.example");
            before.kill();
            assert!(eventually(|| master(&server, "a.example") != before));
            assert!(eventually(|| place.count("php_died") == number));
        }
    });
    assert_eq!(master(&server, "b.example"), other);
    server.stop();
}

#[test]
fn a_reload_touches_those_that_have_changed_and_no_others() {
    let place = Sites::new();
    let server = place.start();
    let [a, b] = masters(&server);
    under_load(server.addr(), || {
        assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
        assert_eq!(masters(&server), [a, b]);
        place.limit("64M");
        assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
        assert_eq!(show(&server, "a.example", "")["limit"], "64M");
    });
    assert!(eventually(|| !a.is_alive()));
    assert_eq!(master(&server, "b.example"), b);
    assert!(eventually(|| sockets(&server).len() == 2), "{:?}", sockets(&server));
    // What is wrong is said, and changes nothing.
    place.edit("workers = 2 }", "version = '9.9' }");
    let (code, stderr) = place.tell(&["reload"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no php-fpm 9.9 here"), "{stderr}");
    assert!(stderr.contains("apt install php9.9-fpm"), "{stderr}");
    assert_eq!(master(&server, "b.example"), b);
    // The version that is here can be named.
    let version = show(&server, "b.example", "")["version"].as_str().unwrap().to_owned();
    place.edit("'9.9'", &format!("'{version}'"));
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(show(&server, "b.example", "")["version"], *version);
    server.stop();
}

/// Settings of PHP: one that its `php.ini` has is emptied, and others are what would mean something
/// else where it reads them without quotes.
const SETTINGS: [(&str, &str); 5] = [
    ("request_order", ""),
    ("error_prepend_string", r#"a;b #c = [d] ${HOME} "e" \"#),
    ("arg_separator.output", ";"),
    ("display_errors", "on"),
    ("user_agent", "none"),
];

#[test]
fn sites_have_the_version_and_the_settings_that_are_written() {
    let place = Sites::new();
    let server = place.start();
    let version = show(&server, "b.example", "")["version"].as_str().unwrap().to_owned();
    // The config would take the variable for one of its own.
    let text = |value: &str| value.replace("${", "$${");
    let settings = SETTINGS.map(|(name, value)| format!("\"{name}\" = '''{}'''", text(value)));
    place.edit("ini = { ", &format!("version = '{version}', ini = {{ {}, ", settings.join(", ")));
    place.edit("workers = 2 }", &format!("version = '{version}' }}"));
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    for host in HOSTS {
        assert_eq!(show(&server, host, "")["version"], *version);
    }
    for (name, value) in SETTINGS {
        let [own, other] = HOSTS.map(|host| show(&server, host, &format!("ini={name}")));
        assert_eq!(own["ini"], value, "{name}");
        assert_ne!(other["ini"], value, "{name}");
    }
    server.stop();
}

#[test]
fn they_outlive_an_upgrade_and_the_process_that_has_started_them() {
    let place = Sites::new();
    let mut server = place.start();
    let before = masters(&server);
    under_load(server.addr(), || {
        assert_eq!(place.tell(&["upgrade", "-c"]), (Some(0), String::new()));
        assert_eq!(masters(&server), before);
        server.started().kill();
        assert!(eventually(|| !server.started().is_alive()));
        assert_eq!(masters(&server), before);
        let workers = server.workers();
        server = place.start();
        assert!(eventually(|| place.count("adopted") == 1 && place.count("reloaded") == 1));
        assert!(eventually(|| workers.iter().all(|worker| !worker.is_alive())));
    });
    assert_eq!(masters(&server), before);
    // Whoever has adopted them looks after them, and ends them.
    before[0].kill();
    assert!(eventually(|| master(&server, "a.example") != before[0]));
    let now = masters(&server);
    server.stop();
    assert!(eventually(|| now.iter().all(|master| !master.is_alive())));
}

/// Passwords may be among what is there for configs to name.
#[test]
fn programs_find_nothing_of_the_environment() {
    let place = Sites::new();
    let index = place.path("a/index.php");
    // All that the process has in its memory that looks like one of these variables.
    fs::write(
        &index,
        "<?php
        $memory = fopen('/proc/self/mem', 'rb');
        $found = [];
        foreach (file('/proc/self/maps') as $line) {
            if (preg_match('/^(\\w+)-(\\w+) rw.*\\[(heap|stack)\\]/', $line, $part)) {
                fseek($memory, hexdec($part[1]));
                $bytes = fread($memory, hexdec($part[2]) - hexdec($part[1]));
                preg_match_all('/(DB_PASSWORD|LANG)=\\w+/', $bytes, $all);
                $found = array_merge($found, $all[0]);
            }
        }
        echo json_encode(array_unique($found), JSON_FORCE_OBJECT);",
    )
    .unwrap();
    if geteuid().is_root() {
        chown(index, Some(USERS[0].1), Some(USERS[0].2)).unwrap();
    }
    let server = place.launch().env("DB_PASSWORD", "Tr0ub4dor").env("LANG", "C").start();
    let found = get(&server, "a.example", "/shown");
    let found = found.text();
    assert!(found.contains("LANG=C"), "{found}");
    assert!(!found.contains("DB_PASSWORD"), "{found}");
    server.stop();
}

#[test]
fn those_who_ask_may_become_another_user() {
    if !geteuid().is_root() {
        return;
    }
    let place = Sites::new();
    place.edit("[server]", "[server]\nuser = 'www-data'");
    let server = place.start();
    let [_, before] = masters(&server);
    place.edit("'www-data'", "'nobody'");
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    masters(&server);
    assert!(eventually(|| !before.is_alive()), "its socket is for others");
    server.stop();
}

#[test]
fn a_single_process_replaces_its_own() {
    let folder = e2e::folder();
    fs::write(folder.path().join("index.php"), SHOW).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap()]);
    let before = master(&server, "localhost");
    before.kill();
    let is_replaced = || {
        let answer = Client::connect(server.addr()).get("/").unwrap();
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        said["master"].as_u64().is_some_and(|master| master > 1 && master != u64::from(before.0))
    };
    assert!(eventually(is_replaced));
    let now = master(&server, "localhost");
    server.signal(Signal::TERM);
    let stopped = server.ended();
    assert!(stopped.stderr.contains("another one is started"), "{}", stopped.stderr);
    assert!(eventually(|| !now.is_alive()));
}

/// As by a debugger or a freezer; it hears nothing of its end.
#[test]
fn one_that_is_stopped_keeps_nobody_from_ending() {
    let folder = e2e::folder();
    fs::write(folder.path().join("index.php"), SHOW).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap()]);
    let stopped = master(&server, "localhost");
    stopped.signal(Signal::STOP);
    server.stop();
    assert!(eventually(|| !stopped.is_alive()));
}

#[test]
fn whom_it_would_run_as_is_checked() {
    let folder = e2e::folder();
    fs::write(folder.path().join("index.php"), SHOW).unwrap();
    for (user, as_root, else_) in [
        ("", "never runs PHP", ""),
        ("user = 'root'", "root's number", "only root"),
        ("user = 'nobody-knows'", "there is no user `nobody-knows`", "there is no user"),
        ("user = 'games'", "", "only root runs PHP as another user"),
    ] {
        let root = folder.path();
        let php = if user.is_empty() { "true".to_owned() } else { format!("{{ {user} }}") };
        let config = format!("[site.default]\nroot = {root:?}\nphp = {php}\n");
        let check = |launch: Launch, expect: &str| {
            let (code, _, stderr) = launch.finish();
            assert_eq!(code, Some(if expect.is_empty() { 0 } else { 2 }), "{user}: {stderr}");
            assert!(stderr.contains(expect), "{user}: {stderr}");
        };
        // The file is root's, and readable by nobody else.
        let launch = Launch::check(&config).after("chmod a+r \"$2\"");
        check(launch.as_nobody(), else_);
        if geteuid().is_root() {
            check(Launch::check(&config), as_root);
        }
    }
}

/// A program that waits for a file to be there.
const WAIT: &str = "<?php
function dive($file) { while (!file_exists($file)) { usleep(10000); clearstatcache(); } }
dive(__DIR__ . '/go');
";

#[test]
fn a_slow_program_is_told_with_what_it_is_at() {
    let place = Sites::new();
    place.edit("php = { ini", "php = { slow = '1s', ini");
    fs::write(place.path("a/wait.php"), WAIT).unwrap();
    let server = place.start();
    let mut client = Client::connect(server.addr());
    client.send("GET /wait.php?x=y HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let log = || fs::read_to_string(place.path("errors.log")).unwrap_or_default();
    let line = |event: &str, word: &str| {
        let text = log();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.into_iter().find(|line| {
            line["event"] == event
                && line["reason"].as_str().is_some_and(|said| said.contains(word))
        })
    };
    assert!(eventually(|| line("slow", "/a/wait.php").is_some()), "{}", log());
    let slow = line("slow", "/a/wait.php").unwrap();
    assert_eq!((&slow["target"], &slow["method"]), (&"/wait.php?x=y".into(), &"GET".into()));
    // Where the machine lets one process look into another, it is seen what it is at.
    assert!(eventually(|| line("php", "dive() ").is_some()), "{}", log());
    fs::write(place.path("a/go"), "").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    server.stop();
}
