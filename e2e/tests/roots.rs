//! The folders of sites: opened when they are asked for, some of them kept, gone and back again.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Server, eventually};
use std::{fmt::Write, fs, path::Path};

/// Descriptors of roots that are kept open at most.
const ROOTS_MAX: usize = 1024;

/// Descriptors that a server with one loop and a few connections needs for other things.
const OTHERS_MAX: usize = 32;

/// A config that serves so many folders below `all`, each to the host of its name; they are made,
/// each with a page of its own.
fn config(all: &Path, count: usize) -> String {
    let mut config = String::from("[server]\nlisten = '127.0.0.1:0'\nthreads = 1\n");
    for number in 0..count {
        let root = all.join(number.to_string());
        fs::create_dir(&root).unwrap();
        fs::write(root.join("page.txt"), format!("page of {number}")).unwrap();
        write!(config, "[site.'{number}.example']\nroot = {root:?}\n").unwrap();
    }
    config
}

fn get(client: &mut Client, number: usize) -> (u16, String) {
    client
        .send(format!("GET /page.txt HTTP/1.1\r\nHost: {number}.example\r\n\r\n"))
        .and_then(|()| client.response())
        .map(|response| (response.status, response.text()))
        .unwrap()
}

#[test]
fn of_many_folders_so_many_are_kept_open_and_all_are_served() {
    let all = e2e::folder();
    let count = ROOTS_MAX + 100;
    let server = Server::run(&config(all.path(), count));
    assert!(server.process().descriptors() < OTHERS_MAX);
    let mut client = Client::connect(server.addr());
    for _ in 0..2 {
        for number in 0..count {
            assert_eq!(get(&mut client, number), (200, format!("page of {number}")));
        }
        let open = server.process().descriptors();
        assert!((ROOTS_MAX..ROOTS_MAX + OTHERS_MAX).contains(&open), "{open} are open");
    }
    server.stop();
}

#[test]
fn what_is_gone_when_it_is_asked_for_is_back_when_it_is_back() {
    let all = e2e::folder();
    let server = Server::run(&config(all.path(), 2));
    let mut client = Client::connect(server.addr());
    let (root, away) = (all.path().join("1"), all.path().join("away"));
    fs::rename(&root, &away).unwrap();
    assert_eq!(get(&mut client, 1).0, 404);
    assert_eq!(get(&mut client, 0).0, 200);
    fs::write(&root, "no folder").unwrap();
    assert_eq!(get(&mut client, 1).0, 404);
    fs::remove_file(&root).unwrap();
    fs::rename(&away, &root).unwrap();
    let is_back = || get(&mut client, 1) == (200, "page of 1".to_owned());
    assert!(eventually(is_back));
    server.stop();
}

/// A link in a new folder leads to the very file that the old one held, which lies outside by now.
#[test]
fn no_page_outlives_the_folder_that_it_was_found_in() {
    let all = e2e::folder();
    let server = Server::run(&config(all.path(), 1));
    let mut client = Client::connect(server.addr());
    assert_eq!(get(&mut client, 0).0, 200);
    let (root, away) = (all.path().join("0"), all.path().join("away"));
    fs::rename(&root, &away).unwrap();
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink("../away/page.txt", root.join("page.txt")).unwrap();
    assert!(eventually(|| get(&mut client, 0).0 == 404));
    server.stop();
}
