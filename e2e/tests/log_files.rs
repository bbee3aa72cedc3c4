//! Which log has the line of an exchange, and the files that logs are: shared, moved, full.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Site, Stage, eventually,
    process::Process,
    stage::{get, lines},
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use serde_json::Value;
use std::{collections::HashSet, fs, os::unix::fs::symlink, path::Path, thread};

#[test]
fn each_exchange_is_in_the_log_of_its_route_and_in_no_other() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"{host} {path}\", file = \"LOGS/all.log\" }",
        "route.\"/digits.txt\".log = \"off\"\nroute.\"/sub/*\".log = { only = [\"4xx\"] }",
        "[site.\"b.example\"]\nroot = \"ROOT\"\nlog = { file = \"LOGS/b.log\" }\n\
         [site.\"c.example\"]\nroot = \"ROOT\"\nlog = { file = \"LOGS/all.log\", sample = \"1/3\" }",
    );
    for (host, target) in [
        ("a", "/page.html"),
        ("a", "/digits.txt"),
        ("a", "/sub/page.txt"),
        ("a", "/sub/nothing"),
        ("b.example", "/digits.txt"),
        ("b.example", "/nothing"),
    ] {
        get(server.addr(), host, target);
    }
    // All on one connection, and so on one loop.
    let mut client = Client::connect(server.addr());
    for number in 0..7 {
        let head = format!("GET /digits.txt?{number} HTTP/1.1\r\nHost: c.example\r\n\r\n");
        client.send(head).unwrap();
        client.response().unwrap();
    }
    server.stop();
    let mut all = stage.lines("all.log");
    all.sort();
    let sampled = "c.example /digits.txt";
    assert_eq!(all, ["a /page.html", "a /sub/nothing", sampled, sampled, sampled]);
    let mut b = stage.lines("b.log");
    b.sort();
    assert_eq!(b, ["b.example /digits.txt", "b.example /nothing"]);
}

/// However its path is written.
#[test]
fn a_file_of_several_logs_is_opened_once() {
    let stage = Stage::new();
    let all = stage.file("all.log");
    let name = all.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let server = stage.serve(
        &format!(
            "log = {{ file = \"LOGS/all.log\" }}\n\
             error-log = {{ file = \"LOGS/../{name}/all.log\" }}"
        ),
        "",
        &format!(
            "[site.\"b.example\"]\nroot = \"ROOT\"\n\
             log = {{ file = \"LOGS/./../{name}/all.log\" }}"
        ),
    );
    let folder = format!("/proc/{}/fd", server.process().0);
    let files = fs::read_dir(folder).unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    assert_eq!(files.filter(|file| file.ends_with("all.log")).count(), 1);
    server.stop();
}

/// Two loops and two sites write to one file as fast as they can.
#[test]
fn no_line_of_a_shared_file_is_torn() {
    const REQUESTS: usize = 3_000;
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"{host} {query} {host}\", file = \"LOGS/a.log\", buffer = \"16KiB\" }\n\
         threads = 2",
        "",
        "[site.\"b.example\"]\nroot = \"ROOT\"\nlog = { format = \"{host} {query} {host}\" }",
    );
    let addr = server.addr();
    thread::scope(|scope| {
        for host in ["a.example", "b.example", "a.example", "b.example"] {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                let query = "x".repeat(100);
                for _ in 0..REQUESTS / 100 {
                    let head = format!("GET /digits.txt?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                    client.send(head.repeat(100)).unwrap();
                    (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
                }
            });
        }
    });
    let dropped = server.stop().lines.last().unwrap()["log_lines_dropped"].as_u64().unwrap();
    let lines = stage.lines("a.log");
    assert_eq!(lines.len() as u64 + dropped, 4 * REQUESTS as u64);
    assert!(!lines.is_empty());
    let query = "x".repeat(100);
    let whole = |line: &&String| {
        ["a", "b"].iter().any(|site| **line == format!("{site}.example {query} {site}.example"))
    };
    assert_eq!(lines.iter().filter(whole).count(), lines.len());
}

/// However much of it there is room for. The limit of a file's size stands for a full disk.
#[test]
fn a_line_that_does_not_fit_is_not_there_in_part() {
    const BYTES: usize = 2 << 20;
    let (site, folder) = (Site::new(), e2e::folder());
    let [file, log] = ["gannet.toml", "a.log"].map(|name| folder.path().join(name));
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nthreads = 1\n\
         log = {{ format = \"{{query}}\", file = \"a.log\" }}\n\
         [server.limits]\nconnections-max = 100\nclients-max = 1024\n\
         [site.default]\nroot = {:?}\n",
        site.root_text()
    );
    fs::write(&file, config).unwrap();
    let words = |verb: &str| vec![verb.to_owned(), file.to_str().unwrap().to_owned()];
    // Who writes more than it may is not ended for that.
    let limit = format!("trap '' XFSZ && ulimit -f {}", BYTES / 512);
    let server = Launch::of(words("run")).after(&limit).start();
    let line = "x".repeat(4000);
    let mut client = Client::connect(server.addr());
    for _ in 0..6 {
        let head = format!("GET /digits.txt?{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(head.repeat(100)).unwrap();
        (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
    }
    let dropped = || {
        let words = [words("status"), vec!["--json".to_owned()]].concat();
        let (_, status, _) = Launch::of(words).finish();
        serde_json::from_str::<Value>(&status).unwrap()["log_lines_dropped"].as_u64().unwrap()
    };
    let fit = BYTES / (line.len() + 1);
    assert!(eventually(|| dropped() == 600 - fit as u64), "{}", dropped());
    // One that is shorter fits behind those.
    get(server.addr(), "a", "/digits.txt?short");
    server.stop();
    let lines = lines(&log);
    assert_eq!((lines.len(), lines.last().unwrap().as_str()), (fit + 1, "short"));
    assert!(lines.iter().rev().skip(1).all(|one| *one == line));
}

/// logrotate moves the file away and sends SIGUSR1, while the server is busy.
#[test]
fn moved_files_are_opened_anew_and_nothing_is_lost() {
    let stage = Stage::new();
    let log = "log = { format = \"{query}\", file = \"LOGS/a.log\" }\nthreads = 2\nworkers = 2";
    let server = stage.serve(log, "", "");
    let addr = server.addr();
    let ask = |from: usize| {
        let mut clients: Vec<_> = (0..8).map(|_| Client::connect(addr)).collect();
        for number in from..from + 400 {
            let target = format!("/digits.txt?{number}");
            assert_eq!(clients[number % 8].get(&target).unwrap().status, 200);
        }
    };
    let mut files = vec![stage.file("a.log")];
    for round in 0..5 {
        ask(round * 400);
        // What was logged so far is at most gathered; the flush is a second away.
        let moved = stage.file(&format!("a.log.{round}"));
        fs::rename(stage.file("a.log"), &moved).unwrap();
        server.signal(Signal::USR1);
        assert!(eventually(|| stage.file("a.log").exists()), "a new file");
        let writes_there = |worker: &Process| {
            let held = worker.held();
            held.contains(&stage.file("a.log").display().to_string())
                && !held.contains(&moved.display().to_string())
        };
        assert!(eventually(|| server.workers().iter().all(writes_there)), "in all workers");
        let numbers = |path: &Path| -> HashSet<usize> {
            lines(path).iter().map(|line| line.parse().unwrap()).collect()
        };
        let all: HashSet<usize> = (round * 400..(round + 1) * 400).collect();
        assert!(eventually(|| all == numbers(&moved)), "all of it is in the old file");
        files.push(moved);
    }
    server.stop();
    let all: Vec<_> = files.iter().flat_map(|file| lines(file)).collect();
    assert_eq!(all.len(), 2_000, "each once");
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_kept() {
    let stage = Stage::new();
    fs::create_dir(stage.file("logs")).unwrap();
    let server = stage.serve(
        "log = { format = \"{path}\", file = \"LOGS/logs/a.log\" }\n\
         error-log = { format = \"json\", file = \"LOGS/errors.log\" }",
        "",
        "",
    );
    assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    fs::rename(stage.file("logs"), stage.file("moved")).unwrap();
    server.signal(Signal::USR1);
    let complaint = || {
        let lines = stage.lines("errors.log");
        lines.iter().any(|line| line.contains("log_kept") && line.contains("logs/a.log"))
    };
    assert!(eventually(complaint), "{:?}", stage.lines("errors.log"));
    assert_eq!(get(server.addr(), "x", "/page.html").status, 200);
    server.stop();
    assert_eq!(stage.lines("moved/a.log"), ["/digits.txt", "/page.html"]);
}

/// Whoever may make one in that folder could have the server write anywhere.
#[test]
fn a_link_in_the_place_of_a_moved_file_is_not_followed() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"{path}\", file = \"LOGS/a.log\" }\n\
         error-log = { format = \"json\", file = \"LOGS/errors.log\" }",
        "",
        "",
    );
    fs::rename(stage.file("a.log"), stage.file("moved")).unwrap();
    fs::write(stage.file("precious"), "").unwrap();
    symlink(stage.file("precious"), stage.file("a.log")).unwrap();
    server.signal(Signal::USR1);
    let complaint = || {
        let lines = stage.lines("errors.log");
        lines.iter().any(|line| line.contains("log_kept") && line.contains("a symbolic link"))
    };
    assert!(eventually(complaint), "{:?}", stage.lines("errors.log"));
    assert_eq!(get(server.addr(), "x", "/page.html").status, 200);
    server.stop();
    assert_eq!(stage.lines("moved"), ["/page.html"]);
    assert_eq!(stage.lines("precious"), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
    let stage = Stage::new();
    fs::create_dir(stage.file("folder")).unwrap();
    mkfifoat(CWD, stage.file("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    symlink(stage.file("nothing"), stage.file("link")).unwrap();
    let root = stage.site.root();
    for (name, why) in [
        ("folder", "it is a folder, not a file"),
        ("pipe", "it is a pipe, not a file"),
        ("link", "it is a symbolic link, not a file"),
        ("nowhere/a.log", "nowhere does not exist"),
    ] {
        let file = stage.file(name);
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = {{ file = {file:?} }}\n[site.default]\nroot = {root:?}\n"
        );
        let (code, _, stderr) = Launch::run(&config).finish();
        assert_eq!(code, Some(2), "{stderr}");
        let is_told = |part: &str| stderr.contains(part);
        assert!(is_told(why) && is_told(file.to_str().unwrap()) && is_told(":3:16"), "{stderr}");
    }
}

/// O3 of the threats: where the disk is full, serving goes on, and what is lost is counted.
#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let stage = Stage::new();
    let server = stage.serve("log = { format = \"json\", file = \"/dev/full\" }", "", "");
    for _ in 0..20 {
        assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    }
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["log_lines_dropped"], 20);
}
