//! The children of a php-fpm are few: nobody holds one that does nothing, and a client holds one no
//! longer than it has to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Php, Place, Server,
    application::{end, output},
    eventually,
    load::Over,
    place, under_load,
};
use std::{
    fs,
    io::{ErrorKind, Write, copy},
    net::{Shutdown, TcpListener},
    os::unix::net::UnixStream,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

/// A server with two processes of two loops; `php` is the value of that setting.
fn place(php: &str) -> Place {
    let place = Place::new("");
    let site = format!("php = {php}");
    place.write(&place::config("workers = 2\nthreads = 2", "", &site));
    place
}

/// Waits until somebody else is at it, too.
const MEET: &str = "<?php touch(__DIR__ . '/' . $_GET['me']);
while (!file_exists(__DIR__ . '/' . $_GET['other'])) { usleep(1000); clearstatcache(); }
echo 'met';";

/// Two children, four loops, eight clients that keep their connections after an answer of PHP, and
/// a generation that still has something to do: both children are free for who asks next.
#[test]
fn nobody_waits_for_a_child_that_is_idle() {
    let php = Php::start(2, "");
    for keep in ["", ", keep = 1"] {
        with_idle_clients(&php, keep);
    }
}

fn with_idle_clients(php: &Php, keep: &str) {
    let place = place(&format!("{{ socket = {:?}{keep} }}", php.socket()));
    // PHP's children leave their marks where they can write.
    let root = php.socket().parent().unwrap().join(format!("site{}", keep.len()));
    fs::create_dir(&root).unwrap();
    e2e::give_to_server(&root);
    place.edit(&place.site.root_text(), root.to_str().unwrap());
    fs::write(root.join("meet.php"), MEET).unwrap();
    fs::write(root.join("index.php"), "<?php echo 'index';").unwrap();
    fs::write(root.join("large.bin"), vec![b'x'; 20_000_000]).unwrap();
    let server = place.start();
    let mut idle: Vec<_> = (0..8).map(|_| Client::connect(server.addr())).collect();
    let mut old = Client::download(server.addr(), "/large.bin");
    for client in &mut idle {
        assert_eq!(client.get("/").unwrap().text(), "index");
    }
    let workers = server.workers();
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    idle.extend((0..8).map(|_| Client::connect(server.addr())));
    for client in &mut idle[8..] {
        assert_eq!(client.get("/").unwrap().text(), "index");
    }
    let mut pair = ["me=a&other=b", "me=b&other=a"].map(|words| {
        let mut client = Client::connect(server.addr());
        client.send(format!("GET /meet.php?{words} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        client
    });
    pair.iter_mut().for_each(|client| assert_eq!(client.response().unwrap().text(), "met"));
    assert!(workers.iter().any(|one| one.is_alive()), "the old generation has something to do");
    old.drain().unwrap();
    drop(idle);
    server.stop();
}

/// No more children than are kept, and many clients: who asks again at once, by a connection that
/// is kept, could pass those for whom php-fpm has no child yet, each time.
#[test]
fn nobody_is_passed_again_and_again() {
    const CLIENTS: usize = 16;
    const ANSWERS: usize = 3_200;
    let php = Php::start(1, "");
    let site = php.socket().parent().unwrap().join("site");
    fs::create_dir(&site).unwrap();
    e2e::give_to_server(&site);
    fs::write(site.join("index.php"), "<?php echo 'index';").unwrap();
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'off'\nthreads = 1\n\
         [site.default]\nroot = {site:?}\nphp = {{ socket = {:?}, keep = 1 }}\n",
        php.socket()
    ));
    let all = AtomicUsize::new(0);
    let ask = || {
        let mut client = Client::connect(server.addr());
        let mut own = 0;
        while all.fetch_add(1, Relaxed) < ANSWERS {
            assert_eq!(client.get("/").unwrap().text(), "index");
            own += 1;
        }
        own
    };
    let counts: Vec<usize> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(counts.iter().all(|&own| own > ANSWERS / CLIENTS / 10), "{counts:?}");
    server.stop();
}

/// A php-fpm that is told to begin anew ends what it is at, unless it gives that time; whoever asks
/// meanwhile waits for the next one.
#[test]
fn a_php_that_begins_anew_fails_nobody_but_who_is_with_it() {
    const ASKING: usize = 2;
    let patient = "[global]\nprocess_control_timeout = 5s\n";
    let cases = [(patient, "", 0), (patient, ", keep = 1", 0), ("", "", ASKING)];
    for (time, keep, failures_max) in cases {
        let php = Php::start(ASKING, time);
        let place = place(&format!("{{ socket = {:?}{keep} }}", php.socket()));
        fs::write(place.site.path("index.php"), "<?php echo 'index';").unwrap();
        let server = place.start();
        let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        let ask = || {
            let mut client = Client::connect(server.addr());
            let (mut answered, mut failed) = (0, 0);
            while !is_over.load(Relaxed) {
                let answer = client.get("/index.php").unwrap();
                match answer.status {
                    200 => {
                        assert_eq!(answer.text(), "index");
                        served.fetch_add(1, Relaxed);
                    }
                    status => assert_eq!(status, 502),
                }
                *if answer.status == 200 { &mut answered } else { &mut failed } += 1;
            }
            (answered, failed)
        };
        thread::scope(|scope| {
            let asking = [(); ASKING].map(|()| scope.spawn(ask));
            let over = Over(&is_over);
            assert!(eventually(|| served.load(Relaxed) >= 10 * ASKING));
            under_load(server.addr(), || php.reload());
            drop(over);
            let all = asking.map(|one| one.join().unwrap());
            assert!(all.iter().map(|(_, failed)| failed).sum::<usize>() <= failures_max, "{all:?}");
        });
        server.stop();
    }
}

/// What a slow client leaves is kept to a limit; then its program waits, and loses nothing. Where a
/// route keeps nothing, as for events, it waits at once; its php-fpm is the one of the site.
#[test]
fn no_more_is_kept_for_a_slow_client_than_may_be() {
    const BYTES: usize = 20_000_000;
    let (sender, seen) = mpsc::channel();
    let sender = Mutex::new(sender);
    let application = Application::start(move |_, stream| {
        let all = [output(b"Content-Type: image/x\r\n\r\n"), output(&vec![b'x'; BYTES]), end(0)];
        let (all, mut at, mut is_told) = (all.concat(), 0, false);
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        while at < all.len() {
            match stream.write(&all[at..]) {
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !is_told {
                        sender.lock().unwrap().send(at).unwrap();
                    }
                    is_told = true;
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    let site = e2e::folder();
    fs::write(site.path().join("index.php"), "<?php").unwrap();
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n{}\
         route.'/events/*'.php = {{ buffer-max = '0B' }}\n",
        site.path(),
        application.setting("buffer-max = '8MB'")
    ));
    let taken = ["/", "/events/x"].map(|target| {
        let mut client = Client::connect_narrow(server.addr());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        let taken = seen.recv_timeout(e2e::PATIENCE).unwrap();
        let body = client.response().unwrap().body;
        assert!(body.len() == BYTES && body.iter().all(|&byte| byte == b'x'), "{target}");
        taken
    });
    // What the kernel keeps for both connections comes on top.
    assert!((8_000_000..16_000_000).contains(&taken[0]), "{taken:?}");
    assert!(taken[1] + 6_000_000 < taken[0], "{taken:?}");
    server.stop();
}

/// A php-fpm that is reached by TCP.
#[test]
fn an_application_may_listen_on_a_port() {
    let php = Php::start(1, "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = php.socket();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut here, mut there) = (stream.unwrap(), UnixStream::connect(&socket).unwrap());
            let (mut back, mut forth) = (there.try_clone().unwrap(), here.try_clone().unwrap());
            thread::spawn(move || {
                let _ = copy(&mut forth, &mut there);
            });
            let _ = copy(&mut back, &mut here);
            let _ = here.shutdown(Shutdown::Both);
        }
    });
    let place = place(&format!("{{ address = '{address}' }}"));
    let index = "<?php echo strlen(file_get_contents('php://input'));";
    fs::write(place.site.path("index.php"), index).unwrap();
    let server = place.start();
    let mut client = Client::connect(server.addr());
    for bytes in [0, 1, 3_000_000] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
        client.send(head + &"x".repeat(bytes)).unwrap();
        assert_eq!(client.response().unwrap().text(), bytes.to_string());
    }
    assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789");
    server.stop();
}
