//! Connections to php-fpm that are kept: what goes by them, what becomes of those that are closed,
//! and that no answer is ever somebody else's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Application, Client, Php, Server, application::Asked, eventually};
use rustix::net::{RecvFlags, recv};
use std::{
    fs::{self, Permissions},
    io::{Read, Write, copy},
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// A server whose site has the programs of this folder, of which connections are kept.
fn serve(root: &Path, php: &str) -> Server {
    Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nthreads = 2\n\
         [site.default]\nroot = {root:?}\nphp = {php}\n"
    ))
}

fn get(client: &mut Client, target: &str) -> (u16, String) {
    let answer = client.get(target).unwrap();
    (answer.status, answer.text())
}

/// Somebody between the server and php-fpm, who counts the connections that there were, and those
/// that there are.
struct Counting {
    folder: tempfile::TempDir,
    all: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Counting {
    fn before(php: PathBuf) -> Self {
        let (folder, all, open) = (e2e::folder(), Arc::default(), Arc::default());
        let counting = Self { folder, all, open };
        let listener = UnixListener::bind(counting.socket()).unwrap();
        fs::set_permissions(counting.socket(), Permissions::from_mode(0o666)).unwrap();
        let (all, open) = (Arc::clone(&counting.all), Arc::clone(&counting.open));
        thread::spawn(move || {
            for here in listener.incoming() {
                all.fetch_add(1, SeqCst);
                open.fetch_add(1, SeqCst);
                let (mut here, mut there) = (here.unwrap(), UnixStream::connect(&php).unwrap());
                let (mut back, mut forth) = (there.try_clone().unwrap(), here.try_clone().unwrap());
                let open = Arc::clone(&open);
                thread::spawn(move || {
                    let _ = copy(&mut forth, &mut there);
                    let _ = there.shutdown(Shutdown::Both);
                    open.fetch_sub(1, SeqCst);
                });
                thread::spawn(move || {
                    let _ = copy(&mut back, &mut here);
                    let _ = here.shutdown(Shutdown::Both);
                });
            }
        });
        counting
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn all(&self) -> usize {
        self.all.load(SeqCst)
    }
}

#[test]
fn what_only_reads_shares_a_connection_and_none_is_held_for_long() {
    const READS: usize = 40;
    const WRITES: usize = 5;
    let php = Php::start(4, "");
    let (counting, site) = (Counting::before(php.socket()), e2e::folder());
    fs::write(site.path().join("index.php"), "<?php echo 'index';").unwrap();
    let server = serve(site.path(), &format!("{{ socket = {:?}, keep = 2 }}", counting.socket()));
    let mut clients = [(); 4].map(|()| Client::connect(server.addr()));
    let mut ask = |at: usize, line: &str, fields: &str| {
        let client = &mut clients[at % 4];
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
        assert_eq!(client.response().unwrap().text(), "index");
    };
    // Whichever loop asks; too much time may pass on a busy machine, but not each time.
    let mut reads = 0;
    let are_shared = eventually(|| {
        let before = counting.all();
        (0..READS).for_each(|at| ask(at, "GET /", ""));
        reads = counting.all() - before;
        reads < READS / 2
    });
    assert!(are_shared && counting.all() > 0, "{reads} connections for {READS} requests");
    let before = counting.all();
    for at in 0..WRITES {
        ask(at, "POST /", "Content-Length: 0\r\n");
    }
    assert_eq!(counting.all(), before + WRITES);
    ask(0, "GET /", "");
    assert!(eventually(|| counting.open.load(SeqCst) == 0), "somebody holds a child");
    server.stop();
}

/// Waits until another request lies there, whoever sends it, or nobody does any more.
fn wait(stream: &UnixStream) {
    let _ = recv(stream, &mut [0; 1], RecvFlags::PEEK);
}

/// How a connection ends that was kept, by the path of its second request.
fn misbehave(asked: &Asked, stream: &mut UnixStream) -> bool {
    let target = asked.get("REQUEST_URI");
    let head = b"Content-Type: text/plain\r\n\r\n";
    let text = [&head[..], target.as_bytes()].concat();
    let (bytes, goes_on) = match (target, asked.id) {
        ("/closed" | "/unread" | "/unread-in-part", _) => (asked.answer(&text), false),
        ("/silent", 2..) => (Vec::new(), false),
        ("/half", 2..) => (asked.record(6, &text), false),
        ("/mid-header", 2..) => (asked.record(6, &text)[..5].to_vec(), false),
        ("/late", 2..) => {
            // It had more to say to whoever was there before.
            let before = Asked { id: asked.id - 1, ..asked.clone() };
            ([before.answer(b"\r\nSECRET"), asked.answer(&text)].concat(), true)
        }
        ("/more", _) => {
            // What comes behind the end of an answer is nobody's.
            let late = asked.record(6, b"Set-Cookie: somebody=else\r\n\r\nSECRET");
            ([asked.answer(&text), late].concat(), true)
        }
        ("/padded", _) => {
            let mut end = asked.record(3, &[0; 8]);
            end[6] = 8;
            ([asked.record(6, &text), end].concat(), true)
        }
        _ => (asked.answer(&text), true),
    };
    // Who has gone need not hear it.
    let is_sent = stream.write_all(&bytes).is_ok();
    if target.starts_with("/unread") {
        // The next request is there already when it goes.
        wait(stream);
    }
    if target == "/unread-in-part" {
        // As php-fpm does that has answered as many as it may.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0; 8]);
    }
    is_sent && goes_on
}

/// Nobody is asked anything twice: whoever has not taken a request by a connection that was kept
/// has not heard of it, and whoever has is not asked again, whatever becomes of it.
#[test]
fn one_that_was_closed_meanwhile_fails_nobody_but_whose_request_was_taken() {
    const ROUNDS: usize = 10;
    let all = Arc::<Mutex<Vec<(String, u16, bool)>>>::default();
    let list = Arc::clone(&all);
    let application = Application::keeping(move |asked, stream| {
        let target = asked.get("REQUEST_URI").to_owned();
        list.lock().unwrap().push((target, asked.id, asked.may_be_kept));
        misbehave(asked, stream)
    });
    let site = e2e::folder();
    fs::write(site.path().join("index.php"), "").unwrap();
    let server = serve(site.path(), &application.setting("keep = 2").replace("php = ", ""));
    let mut client = Client::connect(server.addr());
    let is_met =
        |target: &str| all.lock().unwrap().iter().any(|(asked, id, _)| asked == target && *id > 1);
    let to_be_met = ["/silent", "/late", "/half", "/unread", "/unread-in-part"];
    let mut firsts = 0;
    // Each of these comes behind a request that leaves a connection waiting.
    for (target, status) in [
        ("/closed", 200),
        ("/unread", 200),
        ("/unread-in-part", 200),
        ("/late", 200),
        ("/more", 200),
        ("/padded", 200),
        ("/silent", 502),
        ("/half", 502),
        ("/mid-header", 502),
    ] {
        let mut rounds = 0;
        // On a busy machine none may wait any more, but not each time.
        while rounds < ROUNDS || (rounds < 1000 && to_be_met.contains(&target) && !is_met(target)) {
            rounds += 1;
            assert_eq!(get(&mut client, "/first"), (200, "/first".to_owned()));
            let Ok(answer) = client.get(target) else {
                // It had begun, and is broken off.
                assert_eq!(target, "/half");
                client = Client::connect(server.addr());
                continue;
            };
            // Another connection may be taken, if none waits any more.
            assert!(answer.status == status || answer.status == 200, "{target}: {}", answer.status);
            if answer.status == 200 {
                assert_eq!(answer.text(), target);
            }
        }
        let all = all.lock().unwrap();
        let count = all.iter().filter(|(asked, ..)| asked == target).count();
        assert_eq!(count, rounds, "{target} is asked once each time");
        firsts += rounds;
    }
    client.send("POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    assert!(to_be_met.into_iter().all(is_met), "{:?}", all.lock().unwrap());
    let all = all.lock().unwrap();
    assert_eq!(all.iter().filter(|(asked, ..)| asked == "/first").count(), firsts);
    assert_eq!(all.last(), Some(&("/silent".to_owned(), 1, false)), "its content is sent once");
    drop(client);
    server.stop();
}

/// A program that says more when its answer is over, to a connection that is kept.
#[test]
fn what_a_program_says_behind_its_answer_reaches_nobody() {
    const LATE: &str = "<?php echo 'early'; fastcgi_finish_request();
        usleep(2000); echo 'SECRET'; flush(); header('X-Late: SECRET');";
    let (php, site) = (Php::start(2, ""), e2e::folder());
    fs::write(site.path().join("late.php"), LATE).unwrap();
    fs::write(site.path().join("index.php"), "<?php echo $_SERVER['REQUEST_URI'];").unwrap();
    let server = serve(site.path(), &format!("{{ socket = {:?}, keep = 1 }}", php.socket()));
    let mut client = Client::connect(server.addr());
    for number in 0..50 {
        assert_eq!(get(&mut client, "/late.php"), (200, "early".to_owned()));
        let target = format!("/{number}");
        let answer = client.get(&target).unwrap();
        assert_eq!((answer.status, answer.text()), (200, target));
        assert_eq!(answer.get("x-late"), None);
    }
    server.stop();
}
