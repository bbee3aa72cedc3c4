//! What an operator wishes of a running server by `gannet VERB`, and is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Place, eventually,
    place::{config, version},
    process::Process,
};
use rustix::process::Signal;
use std::{fs, os::unix::fs::PermissionsExt, thread};

#[test]
fn an_operator_is_told_what_comes_of_a_wish() {
    let place = Place::serving("workers = 2\nthreads = 2", 1);
    let (code, stderr) = place.tell(&["status"]);
    assert!(code == Some(1) && stderr.contains("no server listens there"), "{stderr}");
    assert!(stderr.contains("where `control` was changed since it started"), "{stderr}");
    let server = place.start();
    assert_eq!(version(server.addr()), 1);
    let now = place.status();
    assert_eq!(now["pid"], server.started().0);
    assert_eq!(now["generations"][0]["phase"], "serving");
    assert_eq!(now["generations"][0]["workers"][1]["loops"], 2);
    assert_eq!(now["restarts"], 0);
    assert!(eventually(|| place.status()["requests"] == 1), "{}", place.status());

    place.serve("workers = 1\nthreads = 1", 2);
    place.order(&["reload"]);
    assert_eq!(version(server.addr()), 2, "it is served as soon as that is said");

    place.serve("thraeds = 1", 3);
    let (_, checked) = place.tell(&["check"]);
    assert_eq!(place.tell(&["reload"]), (Some(2), checked));
    assert_eq!(version(server.addr()), 2);
    assert_eq!(place.status()["reload"]["done"], false);
    assert!(eventually(|| place.status()["requests"] == 3), "{}", place.status());

    place.order(&["stop"]);
    assert!(Client::try_connect(server.addr()).is_none());
    server.ended();
}

/// Two configs may name one control socket, of which one server can have it.
#[test]
fn a_reload_says_which_file_was_read() {
    let place = Place::serving("threads = 1\ncontrol = 'here.sock'", 1);
    let server = place.start();
    let name = |name: &str| place.path(name).to_str().unwrap().to_owned();
    let tell =
        |words: &[&str]| Launch::of(words.iter().map(|word| (*word).to_owned()).collect()).finish();
    let good = place.text();
    fs::write(name("other.toml"), good.replace("version\" = \"1", "version\" = \"2")).unwrap();
    for words in [&["reload"][..], &["reload", "--diff"]] {
        let (code, stdout, stderr) = tell(&[words, &[&*name("other.toml")]].concat());
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(&format!("reads {}: name that file", place.config())), "{stderr}");
    }
    let (code, stdout, stderr) = tell(&["reload", "--control", &name("here.sock")]);
    assert_eq!(
        (code, &*stdout, &*stderr),
        (Some(0), &*format!("{}: reloaded\n", place.config()), "")
    );
    std::os::unix::fs::symlink(place.config(), name("link.toml")).unwrap();
    let (code, stdout, _) = tell(&["reload", &name("link.toml")]);
    assert_eq!((code, stdout), (Some(0), format!("{}: reloaded\n", name("link.toml"))));
    server.stop();
}

/// It may be wrong because somebody is at work on it.
#[test]
fn a_server_is_found_though_its_config_is_wrong_by_now() {
    let place = Place::serving("control = 'here.sock'", 1);
    let server = place.start();
    let tell = |words: &[&str]| place.tell(words);
    place.write(&config("control = 'here.sock'\nthraeds = 1", "", "root = 'nowhere'"));
    assert_eq!(tell(&["status"]), (Some(0), String::new()));
    let control = place.path("here.sock");
    let control = ["--control", control.to_str().unwrap()];
    place.write("[server\ncontrol = 'here.sock'");
    let (code, stderr) = tell(&["status"]);
    assert_eq!(code, Some(1), "{stderr}");
    for expect in ["no server listens there", "usual place", "gannet.toml:1", "outlived it"] {
        assert!(stderr.contains(expect), "{expect}: {stderr}");
    }
    assert_eq!(tell(&["status", control[0], control[1]]), (Some(0), String::new()));
    fs::remove_file(place.config()).unwrap();
    assert_eq!(tell(&["stop", control[0], control[1]]), (Some(0), String::new()));
    server.ended();
}

/// Who starts the server makes the socket, and so does not have to be the one who serves.
#[test]
fn the_control_socket_may_lie_where_only_its_user_enters() {
    let place = Place::new(&config("threads = 1\ncontrol = 'private/c'", "", ""));
    let private = place.path("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(private, fs::Permissions::from_mode(0o700)).unwrap();
    let server = place.start();
    place.order(&["reload"]);
    server.stop();
    place.write(&config("user = 'no-such-user'", "", ""));
    let (code, stderr) = place.tell(&["check"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no-such-user"), "{stderr}");
}

#[test]
fn many_who_wish_the_same_get_it_at_once() {
    let place = Place::serving("control = 'here.sock'", 1);
    let server = place.start();
    let socket = place.path("here.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    place.serve("control = 'here.sock'", 2);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                place.order(&["reload"]);
                assert_eq!(version(server.addr()), 2);
            });
        }
    });
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn who_wishes_anything_of_a_server_that_stops_is_told_so_at_once() {
    let place = Place::new(&config("threads = 1", "", "bandwidth = \"16KiB/s\""));
    let server = place.launch().env("GANNET_FAIL", "check=stall:3000").start();
    let _busy = Client::download(server.addr(), "/large.bin");
    let tell = |words: &[&str]| place.tell(words);
    let told = (Some(1), "error: the server stops\n".to_owned());
    thread::scope(|scope| {
        let before = scope.spawn(|| tell(&["reload"]));
        let is_check = |child: Process| child.name() == "gannet-check";
        assert!(eventually(|| server.started().children().into_iter().any(is_check)));
        server.signal(Signal::TERM);
        assert_eq!(before.join().unwrap(), told);
    });
    for words in [&["reload"][..], &["reload", "--diff"], &["upgrade", "-c"]] {
        assert_eq!(tell(words), told, "{words:?}");
        assert!(Client::try_connect(server.addr()).is_none(), "{words:?} lets nobody in");
    }
    assert_eq!(tell(&["status"]).0, Some(0));
    server.signal(Signal::TERM);
    server.ended_with(143);
}

#[test]
fn a_config_that_is_named_where_a_program_stands_is_told_so() {
    let place = Place::serving("", 1);
    let (code, stderr) = place.tell(&["upgrade"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("is no program: `gannet upgrade -c "), "{stderr}");
}

/// What the user who serves may not read is a mistake that `check` finds, too.
#[test]
fn a_folder_that_is_closed_to_the_user_who_serves_is_found_before() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::serving("threads = 1", 1);
    let root = place.site.root();
    fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    for verb in ["check", "run"] {
        let (code, stderr) = place.tell(&[verb]);
        assert_eq!(code, Some(2), "{verb}: {stderr}");
        assert!(stderr.contains("www-data may not enter "), "{verb}: {stderr}");
        assert!(stderr.contains("let that user in"), "{verb}: {stderr}");
    }
}
