//! What Prometheus finds of each site's php-fpm and of the pages that are kept, while it happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Server, Sites,
    application::answer,
    eventually,
    look::{admin, figures, json},
    process::Process,
    sites::{get, master, show},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    sync::mpsc,
    sync::{Arc, Mutex},
};

/// The figure of that name of `site`, with further labels; nothing where there is none.
fn of(all: &BTreeMap<String, f64>, name: &str, site: &str, more: &str) -> Option<f64> {
    all.get(&format!("gannet_{name}{{site=\"{site}\"{more}}}")).copied()
}

/// A figure of the second site.
fn b(addr: SocketAddr, name: &str, more: &str) -> Option<f64> {
    of(&figures(addr), name, "b.example", more)
}

#[test]
fn what_its_php_is_at_is_seen_by_site() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    place.edit("workers = 2 }", "workers = 1, slow = '1s' }");
    let server = place.start();
    let addr = admin(&server);
    // A php-fpm that takes its time is not waited for, which is told as if it were away.
    let is_up = |all: &BTreeMap<String, f64>| {
        let of = |name| of(all, name, "b.example", "");
        (of("php_up"), of("php_requests_total")) == (Some(1.0), Some(0.0))
            && of("php_queue_max") > Some(0.0)
    };
    assert!(eventually(|| is_up(&figures(addr))), "{:?}", figures(addr));
    let (begun, go) = (place.path("b/begun"), place.path("go"));
    let mut clients = [(); 3].map(|()| Client::connect(server.addr()));
    for (at, client) in clients.iter_mut().enumerate() {
        let line = format!("GET /?wait={} HTTP/1.1", go.display());
        client.send(format!("{line}\r\nHost: b.example\r\n\r\n")).unwrap();
        if at == 0 {
            assert!(eventually(|| begun.exists()));
        }
    }
    // Its only worker is busy for more than a second, and two requests wait for it.
    let is = |name: &str, more: &str, expect: f64| {
        assert!(
            eventually(|| b(addr, name, more) == Some(expect)),
            "{name}{more}: {:?}",
            figures(addr)
        );
    };
    is("php_queue", "", 2.0);
    is("php_workers", ",state=\"busy\"", 1.0);
    is("php_workers_busy_most", "", 1.0);
    is("php_slow_total", "", 1.0);
    assert!(eventually(|| b(addr, "php_workers_all_busy_total", "") > Some(0.0)));
    let told = || {
        let status = json(addr, "/status");
        let mut all = status["php"].as_array().unwrap().iter();
        all.find(|one| one["site"] == "b.example").cloned().unwrap_or_default()
    };
    assert!(eventually(|| told()["up"] == true && told()["waiting"] == 2), "{}", told());
    fs::write(&go, "").unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().unwrap().status, 200));
    is("php_requests_total", "", 3.0);
    is("php_workers", ",state=\"idle\"", 1.0);
    is("php_queue", "", 0.0);
    // The other site has nothing to do with it.
    let other = || of(&figures(addr), "php_requests_total", "default", "");
    assert!(eventually(|| other() == Some(0.0)), "{:?}", other());
    server.stop();
}

/// What the server itself ends, or has another one take the place of, has not died.
#[test]
fn how_often_one_has_died_is_counted_by_site() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    let server = place.start();
    let addr = admin(&server);
    let tolls = |site: &str| {
        let all = figures(addr);
        ["php_deaths_total", "php_restarts_total"].map(|name| of(&all, name, site, ""))
    };
    let check = |site: &str, count: f64| {
        let expect = [Some(count); 2];
        assert!(eventually(|| tolls(site) == expect), "{site}: {:?}", tolls(site));
    };
    check("b.example", 0.0);
    for count in [1.0, 2.0] {
        master(&server, "b.example").kill();
        check("b.example", count);
    }
    assert!(eventually(|| b(addr, "php_up", "") == Some(1.0)));
    let before = master(&server, "b.example");
    place.edit("workers = 2 }", "workers = 1 }");
    place.tell(&["reload"]);
    assert!(eventually(|| master(&server, "b.example") != before));
    assert!(eventually(|| !before.is_alive()));
    check("b.example", 2.0);
    check("default", 0.0);
    let status = json(addr, "/status");
    let told = status["php"].as_array().unwrap().iter().find(|one| one["site"] == "b.example");
    assert_eq!((&told.unwrap()["deaths"], &told.unwrap()["restarts"]), (&2.into(), &2.into()));
    server.stop();
}

#[test]
fn one_that_does_not_answer_holds_up_no_figures() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    let server = place.start();
    let addr = admin(&server);
    show(&server, "a.example", "");
    let Process(stopped) = master(&server, "b.example");
    // With it all that it has started.
    let group = Pid::from_raw(stopped.cast_signed()).unwrap();
    kill_process_group(group, Signal::STOP).unwrap();
    let other = || of(&figures(addr), "php_requests_total", "default", "");
    assert!(eventually(|| other() > Some(0.0)), "{:?}", other());
    let all = figures(addr);
    assert_eq!(of(&all, "php_up", "b.example", ""), Some(0.0));
    assert_eq!(of(&all, "php_requests_total", "b.example", ""), None);
    let other = || of(&figures(addr), "php_up", "default", "");
    assert!(eventually(|| other() == Some(1.0)), "{:?}", other());
    assert!(all["gannet_requests_total"] > 0.0);
    kill_process_group(group, Signal::CONT).unwrap();
    assert!(eventually(|| b(addr, "php_up", "") == Some(1.0)));
    server.stop();
}

/// One request is made each time the application is let go on.
#[test]
fn it_is_seen_how_often_a_page_that_is_kept_spares_a_request() {
    let (go, gone) = mpsc::channel::<()>();
    let (gone, asked) = (Mutex::new(gone), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&asked);
    let application = Application::start(move |_, stream| {
        count.fetch_add(1, SeqCst);
        gone.lock().unwrap().recv().unwrap();
        answer(stream, b"Content-Type: text/plain\r\n\r\npage");
    });
    let site = e2e::folder();
    fs::write(site.path().join("index.php"), "").unwrap();
    let words = "micro-cache = '100ms', micro-cache-stale = '1h'";
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[site.'a.test']\nroot = {:?}\n{}",
        site.path(),
        application.setting(words)
    ));
    let addr = admin(&server);
    let figure = |name: &str, more: &str| {
        of(&figures(addr), &format!("micro_cache_{name}"), "a.test", more).unwrap_or(0.0)
    };
    let [hit, stale, miss] = ["hit", "stale", "miss"]
        .map(|outcome| move || figure("requests_total", &format!(",outcome=\"{outcome}\"")));
    let page = || assert_eq!(get(&server, "a.test", "/").text(), "page");
    assert_eq!((hit(), miss(), figure("pages", "")), (0.0, 0.0, 0.0));
    let mut clients = [(); 3].map(|()| Client::connect(server.addr()));
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    }
    let under_way = || figures(addr)["gannet_requests_under_way{phase=\"serving\"}"];
    assert!(eventually(|| under_way() == 3.0), "{}", under_way());
    assert_eq!((miss(), hit(), figure("pages", "")), (1.0, 0.0, 0.0));
    go.send(()).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().unwrap().status, 200));
    let waited = || (figure("waited_total", ""), hit());
    assert!(eventually(|| waited() == (2.0, 2.0)), "{:?}", waited());
    assert!(eventually(|| figure("pages", "") == 1.0 && figure("bytes", "") > 100.0));
    // It gets old: one asks for another, and has the old one as long as that is under way.
    let mut pages = 3.0;
    assert!(eventually(|| {
        page();
        pages += 1.0;
        asked.load(SeqCst) == 2
    }));
    let counted = || hit() + stale() + miss();
    assert!(eventually(|| counted() == pages), "{} of {pages}", counted());
    let before = stale();
    page();
    assert!(eventually(|| stale() == before + 1.0), "{} after {before}", stale());
    assert_eq!(miss(), 1.0);
    go.send(()).unwrap();
    let status = json(addr, "/status");
    let told = status["sites"].as_array().unwrap().iter().find(|one| one["site"] == "a.test");
    assert_eq!(told.unwrap()["micro_cache"]["misses"], 1);
    server.stop();
}
