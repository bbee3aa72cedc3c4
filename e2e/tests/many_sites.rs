//! A host of 10,000 sites: loaded in a blink, and the last one is as near as the first.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch};
use std::{fmt::Write, fs, os::unix::fs::symlink, time::Duration};

const SITES: usize = 10_000;

/// Processor time, ten times what it may take in a build for use: this one is none.
const LOAD_TIME_MAX: Duration = Duration::from_secs(10);

#[test]
fn ten_thousand_sites_are_loaded_and_served() {
    let all = e2e::folder();
    // To make and to remove so many folders takes longer than all else here: links stand for them.
    fs::create_dir(all.path().join("release")).unwrap();
    let mut config = String::from("[server]\nlisten = '127.0.0.1:0'\nthreads = 1\n");
    for number in 0..SITES {
        let root = all.path().join(number.to_string());
        symlink("release", &root).unwrap();
        let site = format!("site.'{number}.example'");
        let lines = [
            format!("[{site}]\naliases = 'www.{number}.example'\nroot = {root:?}\nlisting = true"),
            format!("[{site}.route.'/assets/*']\ncache-control = 'max-age=60'"),
            format!("[{site}.route.'/old/*']\nredirect = '/new/{{rest}}'"),
            format!("[{site}.route.'/number']\nrespond = '{number}'"),
        ];
        lines.iter().for_each(|line| writeln!(config, "{line}").unwrap());
    }
    let (code, stdout, stderr) = Launch::check(&config).finish();
    assert!(code == Some(0) && stdout.contains("10000 sites, no mistakes"), "{stdout}{stderr}");
    let server = Launch::run(&config).start();
    let loaded = server.cpu_time();
    assert!(loaded < LOAD_TIME_MAX, "loaded in {loaded:?}");
    let mut client = Client::connect(server.addr());
    for number in [0, 1, SITES / 2, SITES - 1] {
        for host in [format!("{number}.example"), format!("WWW.{number}.EXAMPLE")] {
            client.send(format!("GET /number HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
            assert_eq!(client.response().unwrap().text(), number.to_string());
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
            assert_eq!(client.response().unwrap().status, 200);
        }
    }
    client.send(format!("GET / HTTP/1.1\r\nHost: {SITES}.example\r\n\r\n")).unwrap();
    assert_eq!(client.response().unwrap().status, 421);
    server.stop();
}
