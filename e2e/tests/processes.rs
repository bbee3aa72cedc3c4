//! What `gannet run` does with its processes: it starts them, has them replaced, and outlives them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Place, Server, Site, eventually,
    place::{config, version},
    process::Process,
};
use rustix::process::Signal;
use std::{
    fs,
    time::{Duration, Instant},
};

#[test]
fn several_workers_serve_one_address_and_stop_together() {
    let place = Place::new(&config("workers = 3\nthreads = 2", "", ""));
    let server = place.start();
    assert_eq!(server.workers().len(), 3);
    for _ in 0..20 {
        version(server.addr());
    }
    let workers = server.workers();
    let stopped = server.stop();
    assert!(workers.iter().all(|worker| !worker.is_alive()), "nobody is left behind");
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["connections"], &last["requests"]), (&20.into(), &20.into()));
    assert_eq!(stopped.stderr, "");
}

#[test]
fn a_worker_that_dies_is_replaced_and_the_others_do_not_notice() {
    let place = Place::serving("workers = 2\nthreads = 1", 1);
    let server = place.start();
    // Connections to both.
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    let before = server.workers();
    let workers = place.status()["generations"][0]["workers"].clone();
    let mut workers = workers.as_array().unwrap().iter();
    let other = workers.find(|worker| worker["pid"] == before[1].0).unwrap();
    before[0].kill();
    assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&before[0])));
    // Nobody is refused meanwhile, and whoever waits is served.
    (0..40).for_each(|_| assert_eq!(version(server.addr()), 1));
    let served = clients.iter_mut().filter_map(|client| client.get("/").ok()).count();
    assert_eq!(other["connections_now"], served, "who had the other worker has it still");
    assert!((1..40).contains(&served), "{served} of 40");
    let status = || place.status();
    // Who has just been served and has left may be counted for a moment still.
    assert!(eventually(|| status()["connections_now"] == served), "the dead have none");
    assert!(eventually(|| status()["restarts"] == 1), "{}", status());
    let died = || place.reasons("worker_died");
    assert!(eventually(|| !died().is_empty()) && died()[0].contains("signal 9"), "{:?}", died());
    let stopped = server.stop();
    assert!(stopped.lines.last().unwrap()["requests"].as_u64().unwrap() >= 80, "none is forgotten");
}

/// A fifth of a second is what it may take on a machine of its own, in a build for use: this one is
/// neither, and now and then it has much else to do.
#[test]
fn a_worker_of_a_hundred_sites_that_dies_is_back_in_a_blink() {
    let times: Vec<_> = (0..3).map(|_| time_of_a_death()).collect();
    assert!(times.iter().any(|time| *time < Duration::from_secs(2)), "{times:?}");
}

/// How long it takes until somebody is served again.
fn time_of_a_death() -> Duration {
    let sites = (0..100).map(|at| format!("[site.\"s{at}.example\"]\nroot = 'ROOT'\n"));
    let place = Place::new(&config("threads = 1", "", &sites.collect::<String>()));
    let server = place.start();
    version(server.addr());
    let worker = server.process();
    worker.kill();
    assert!(eventually(|| !worker.is_alive()));
    let start = Instant::now();
    version(server.addr());
    let time = start.elapsed();
    server.stop();
    time
}

/// Passwords may be among what is there for configs to name.
#[test]
fn nobody_who_serves_knows_the_environment() {
    let place = Place::serving("threads = 1", 1);
    let server = place.launch().env("PASSWORD", "Tr0ub4dor").env("RUST_BACKTRACE", "1").start();
    let knows = |process: Process, word: &str| {
        let found = fs::read(format!("/proc/{}/environ", process.0)).ok()?;
        Some(String::from_utf8_lossy(&found).split('\0').any(|one| one == word))
    };
    assert_eq!(knows(server.started(), "PASSWORD=Tr0ub4dor"), Some(true));
    // Who has looked at the config may not have ended yet.
    let is_alone = || server.started().children().len() == 2;
    assert!(eventually(is_alone), "a worker, and who keeps copies");
    for child in server.started().children() {
        let found = || ["PASSWORD=Tr0ub4dor", "RUST_BACKTRACE=1"].map(|word| knows(child, word));
        // Only root may look into a worker; who was started just now is not itself yet.
        let is_fine = || matches!(found(), [Some(false), Some(true)] | [None, None]);
        assert!(eventually(is_fine), "{:?}", found());
    }
    server.stop();
}

/// A script that starts the server may hold what is nobody else's.
#[test]
fn what_the_server_was_left_is_for_nobody_who_serves() {
    let place = Place::serving("threads = 1", 1);
    let secret = place.path("secret");
    fs::write(&secret, "").unwrap();
    let server = place.launch().after(&format!("exec 9<{}", secret.display())).start();
    let holds = |process: Process| {
        let all = fs::read_dir(format!("/proc/{}/fd", process.0)).into_iter().flatten();
        let mut targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target == secret)
    };
    assert!(holds(server.started()));
    let children = server.started().children();
    assert!(children.len() >= 2, "a worker, and who keeps copies");
    // Who was started just now is not itself yet.
    assert!(eventually(|| !children.iter().any(|child| holds(*child))));
    server.stop();
}

#[test]
fn a_gentle_stop_waits_for_what_is_under_way() {
    let place = Place::new(&config("threads = 1", "stop-time = \"0s\"", ""));
    let server = place.start();
    let mut busy = Client::download(server.addr(), "/large.bin");
    server.signal(Signal::QUIT);
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()), "nobody new is let in");
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&Site::large()), "the download is whole");
    server.ended();
}

#[test]
fn workers_outlive_the_process_that_watches_them() {
    let place = Place::serving("workers = 2\nthreads = 1", 1);
    let server = place.start();
    let workers = server.workers();
    server.started().kill();
    assert!(eventually(|| !server.started().is_alive()));
    for _ in 0..20 {
        assert_eq!(version(server.addr()), 1);
    }
    // They end as they are told, and one after the other.
    for worker in &workers {
        worker.signal(Signal::TERM);
        assert!(eventually(|| !worker.is_alive()));
    }
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()));
}

#[test]
fn a_role_is_not_for_people() {
    for role in ["check", "worker", "keeper"] {
        let (code, _, stderr) = Launch::of(["role", role].map(str::to_owned).to_vec()).finish();
        assert_eq!(code, Some(2));
        assert!(stderr.contains("use `gannet run FILE`"), "{stderr}");
    }
}

#[test]
fn log_files_are_opened_anew_for_all_workers() {
    let place = Place::new(&config(
        "workers = 2\nthreads = 2",
        "",
        "log = { file = \"access.log\", format = \"json\" }",
    ));
    let server = place.start();
    let count =
        |name: &str| fs::read_to_string(place.path(name)).unwrap_or_default().lines().count();
    (0..20).for_each(|_| _ = version(server.addr()));
    fs::rename(place.path("access.log"), place.path("access.log.1")).unwrap();
    server.signal(Signal::USR1);
    assert!(eventually(|| count("access.log.1") == 20), "what was before is in the old one");
    assert!(eventually(|| place.path("access.log").exists()));
    // A worker that comes later gets the new one, too.
    let victim = server.workers()[0];
    victim.kill();
    assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&victim)));
    (0..20).for_each(|_| _ = version(server.addr()));
    server.stop();
    assert_eq!((count("access.log.1"), count("access.log")), (20, 20));
}

/// A worker that cannot answer itself is not let near anybody else.
#[test]
fn a_worker_that_dies_before_it_is_ready_is_the_end_of_the_start() {
    let place = Place::new(&config("threads = 1", "", ""));
    let launch = place.launch();
    let (code, stdout, stderr) = launch.env("GANNET_FAIL", "exchange=panic:1").finish();
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("a worker ended before it was ready"), "{stderr}");
}

/// A link in the first lines leads to a page of somebody's, not to "nobody is here".
#[test]
fn the_start_names_urls_that_a_site_answers() {
    let site = Site::new();
    let root = site.root_text();
    for (name, urls) in [("default", 1), ("127.0.0.1", 1), ("a.example", 0)] {
        let server = Server::run(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[site.{name:?}]\nroot = {root:?}\n"
        ));
        let start = server.wait_for(|line| line["event"] == "start");
        assert_eq!(start["urls"].as_array().unwrap().len(), urls, "{start}");
        let remark = start["remark"].as_str().unwrap_or_default();
        assert_eq!(remark.contains(&server.addr().to_string()), urls == 0, "{start}");
        server.stop();
    }
}
