//! What `gannet status` counts of each site and route, and what outlives workers and configs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Place, Site, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{fmt::Write, net::SocketAddr};

/// A config with these sites.
fn with(sites: &str) -> String {
    format!("[server]\nlisten = \"127.0.0.1:0\"\nlog = \"off\"\nworkers = 2\nthreads = 2\n{sites}")
}

fn ask(addr: SocketAddr, host: &str, target: &str) -> u16 {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client.response().unwrap().status
}

/// What `site` has had: requests, then those of each route that has had some.
fn had(status: &Value, site: &str) -> Value {
    let sites = status["sites"].as_array().unwrap();
    let Some(site) = sites.iter().find(|known| known["site"] == site) else { return Value::Null };
    let routes = site["routes"].as_array().unwrap().iter();
    let routes = routes.filter(|route| route["requests"] != 0);
    let routes: Vec<_> = routes.map(|route| json!([route["route"], route["requests"]])).collect();
    json!([site["requests"], routes])
}

const SITES: &str = "[site.\"a.example\"]\nroot = 'ROOT'\nredirect-from = [\"old.example\"]\n\
                     [site.\"a.example\".route]\n\"/sub/*\" = { respond = \"yes\" }\n\
                     \"POST /form\" = { respond = \"thanks\" }\n";

#[test]
fn each_site_and_route_is_counted_by_name_whatever_becomes_of_workers() {
    let place = Place::new(&with(SITES));
    let server = place.start();
    let addr = server.addr();
    for (host, target, count) in [
        ("a.example", "/sub/x", 5),
        ("a.example", "/digits.txt", 1),
        ("a.example", "/large.bin", 1),
        ("a.example", "/missing", 1),
        ("old.example", "/", 3),
        ("other.example", "/", 4),
    ] {
        (0..count).for_each(|_| _ = ask(addr, host, target));
    }
    let mut client = Client::connect(addr);
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nBad Name: x\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    let first = json!([11, [["/*", 6], ["/sub/*", 5]]]);
    let told = |site: &str| had(&place.status(), site);
    assert!(eventually(|| told("a.example") == first), "{}", told("a.example"));
    assert!(eventually(|| told("(none)")[0] == 5), "{}", told("(none)"));
    let status = place.status();
    assert_eq!(had(&status, "a.example"), first);
    assert_eq!(had(&status, "(none)"), json!([5, [["(other)", 5]]]));
    let site = &status["sites"][1];
    let of = |name: &str| site[name].as_u64().unwrap();
    assert_eq!([of("2xx"), of("3xx"), of("4xx"), of("5xx")], [7, 3, 1, 0]);
    assert!(of("bytes") >= Site::large().len() as u64 + 5 * 3, "{site}");
    let form = site["routes"].as_array().unwrap().iter().find(|one| one["route"] == "POST /form");
    assert_eq!(form.unwrap()["requests"], 0, "one that nobody asks for is told, too");
    let text = place.order(&["status"]);
    let line = text.lines().find(|line| line.starts_with("  a.example ")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..6], ["a.example", "11", "7", "3", "1", "0"]);

    // Both workers die, and the next ones know other sites.
    let before = server.workers();
    before.iter().for_each(|worker| worker.kill());
    assert!(eventually(|| {
        let now = server.workers();
        now.len() == 2 && now.iter().all(|worker| !before.contains(worker))
    }));
    assert_eq!(ask(addr, "a.example", "/sub/x"), 200);
    let second = json!([12, [["/*", 6], ["/sub/*", 6]]]);
    assert!(eventually(|| told("a.example") == second), "{}", told("a.example"));
    place.write(&with(&SITES.replace("a.example", "b.example")));
    place.order(&["reload"]);
    assert_eq!(ask(addr, "b.example", "/sub/x"), 200);
    let third = json!([1, [["/sub/*", 1]]]);
    assert!(eventually(|| told("b.example") == third), "{}", told("b.example"));
    let status = place.status();
    assert_eq!(had(&status, "a.example"), second);
    assert_eq!((&status["restarts"], &status["reload"]["done"]), (&2.into(), &true.into()));
    server.stop();
}

#[test]
fn many_sites_share_what_has_no_room() {
    let mut sites = String::new();
    for number in 0..1_500 {
        writeln!(sites, "[site.\"s{number:04}.example\"]\nroot = 'ROOT'").unwrap();
    }
    let place = Place::new(&with(&sites));
    let server = place.start();
    assert_eq!(ask(server.addr(), "s0000.example", "/digits.txt"), 200);
    assert_eq!(ask(server.addr(), "s1498.example", "/digits.txt"), 200);
    assert_eq!(ask(server.addr(), "s1499.example", "/digits.txt"), 200);
    let of = |site: &str| had(&place.status(), site);
    for (site, count) in [("s0000.example", 1), ("(other)", 2)] {
        let expect = json!([count, [["(other)", count]]]);
        assert!(eventually(|| of(site) == expect), "{}", of(site));
    }
    server.stop();
}

#[test]
fn loops_connections_layers_and_requests_that_were_cut_off_are_told() {
    let place = Place::new(&with("[site.default]\nroot = 'ROOT'\n"));
    let server = place.start();
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    let are_counted = |status: &Value| {
        let workers = status["generations"][0]["workers"].as_array().unwrap().iter();
        workers.map(|worker| worker["requests"].as_u64().unwrap()).sum::<u64>() == 20
    };
    assert!(eventually(|| are_counted(&place.status())), "{}", place.status());
    let status = place.status();
    let workers = status["generations"][0]["workers"].as_array().unwrap();
    let sum = |name: &str| workers.iter().map(|worker| worker[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("loops"), sum("connections_now"), sum("requests")), (4, 20, 20));
    let loops = workers.iter().flat_map(|worker| worker["by_loop"].as_array().unwrap());
    let by_loop: u64 = loops.map(|one| one["requests"].as_u64().unwrap()).sum();
    assert_eq!((by_loop, &status["connections_now"]), (20, &20.into()));
    assert!(status["sandbox"].as_array().unwrap().contains(&"no core dumps: on".into()));
    assert_eq!(status["cut_off"], 0);

    let mut busy = Client::connect_narrow(server.addr());
    // More than the kernel holds.
    busy.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(40)).unwrap();
    assert_eq!(busy.take(13).unwrap(), b"HTTP/1.1 200 ");
    server.workers().iter().for_each(|worker| worker.signal(Signal::KILL));
    let mut seen = Value::Null;
    assert!(
        eventually(|| {
            seen = place.status();
            seen["cut_off"] == 1
        }),
        "{seen}"
    );
    assert!(place.order(&["status"]).contains("1 request cut off"));
    server.stop();
}
