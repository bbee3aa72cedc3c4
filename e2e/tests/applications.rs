//! What an application may ask of the server beside an answer, and what becomes of it when nobody
//! waits for that any more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Server,
    application::{Asked, answer, end, output},
    eventually,
    frames::{self, OPENING, RST_STREAM},
    secure::Certificates,
};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
};

/// Serves `root`; `lines` are of the site's table.
fn serve(root: &Path, lines: &str) -> Server {
    fs::write(root.join("index.php"), "<?php").unwrap();
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         [site.default]\nroot = {root:?}\n{lines}"
    ))
}

/// Writes down what an application has seen.
fn note<T: Send + 'static>() -> (impl Fn(T) + Send + Sync, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    (move |word| sender.lock().unwrap().send(word).unwrap(), receiver)
}

#[test]
fn a_client_that_leaves_is_noticed_while_the_application_is_silent() {
    let folder = e2e::folder();
    let (note, noted) = note();
    let application = Application::start(move |asked, stream| {
        if asked.get("REQUEST_URI") == "/begun" {
            stream.write_all(&output(b"Content-Type: text/x\r\n\r\nhello")).unwrap();
        }
        note(format!("asked for {}", asked.get("REQUEST_URI")));
        // It says nothing until it is left alone.
        let _ = stream.read(&mut [0]);
        note(format!("left by {}", asked.get("REQUEST_URI")));
    });
    let server = serve(folder.path(), &application.setting("time = '1h'"));
    let hear = |word: &str| assert_eq!(noted.recv_timeout(e2e::PATIENCE).unwrap(), word);
    // Whatever else it has sent that nobody has read yet.
    for more in ["", "\r\n", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = Client::connect(server.addr());
        client.send(format!("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n{more}")).unwrap();
        hear("asked for /silent");
        drop(client);
        hear("left by /silent");
    }
    let mut client = Client::connect(server.addr());
    client.send("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    hear("asked for /begun");
    client.take(17).unwrap();
    drop(client);
    hear("left by /begun");
    // Over HTTP/2 one stream is called off, and then the connection ends.
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &frames::get(1, "/off"), &frames::get(3, "/on")].concat()).unwrap();
    let mut asked = [(); 2].map(|()| noted.recv_timeout(e2e::PATIENCE).unwrap());
    asked.sort();
    assert_eq!(asked, ["asked for /off", "asked for /on"]);
    client.send(frames::frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).unwrap();
    hear("left by /off");
    drop(client);
    hear("left by /on");
    let log = server.stop();
    let line = |target: &str| log.lines.iter().find(|line| line["target"] == target).unwrap();
    assert_eq!(line("/silent")["status"], 499);
    assert_eq!(
        (&line("/begun")["status"], &line("/begun")["reason"]),
        (&200.into(), &"cut off".into())
    );
    assert_eq!(line("/on")["status"], 499);
}

/// An application that goes on though all is said that was asked for, as no php-fpm does.
#[test]
fn one_whose_head_was_all_that_was_asked_for_is_let_go() {
    let folder = e2e::folder();
    let (note, noted) = note();
    let application = Application::start(move |_, stream| {
        stream.write_all(&output(b"Content-Type: text/x\r\n\r\n")).unwrap();
        while stream.write_all(&output(&[b'x'; 1000])).is_ok() {}
        note("let go");
    });
    let server = serve(folder.path(), &application.setting("requests-max = 1"));
    let mut client = Client::connect(server.addr());
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response_to_head().unwrap().status, 200);
    assert_eq!(noted.recv_timeout(e2e::PATIENCE), Ok("let go"));
    // Nothing is wrong with that, and there is room for the next one.
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response_to_head().unwrap().status, 200);
    assert!(!server.stop().stderr.contains("\"error\""));
}

#[test]
fn whoever_says_goodbye_by_tls_has_left_as_well() {
    let folder = e2e::folder();
    let (note, noted) = note();
    let application = Application::start(move |_, stream| {
        note("asked");
        let _ = stream.read(&mut [0]);
        note("left");
    });
    let certificates = Certificates::new();
    certificates.make("a", "ec", &["a.example"]);
    fs::write(folder.path().join("index.php"), "<?php").unwrap();
    fs::write(folder.path().join("a.txt"), "text").unwrap();
    let server = Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', tls = true }}\nlog = 'json'\n\
         [site.'a.example']\nroot = {:?}\ntls = {{ {} }}\n{}",
        folder.path(),
        certificates.words("a"),
        application.setting("time = '1h'")
    ));
    let visitor = certificates.visitor(&["a"]);
    let mut client = visitor.connect(server.addr(), "a.example");
    assert_eq!(client.get("/a.txt").unwrap().text(), "text");
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert_eq!(noted.recv_timeout(e2e::PATIENCE), Ok("asked"));
    drop(client);
    assert_eq!(noted.recv_timeout(e2e::PATIENCE), Ok("left"));
    server.stop();
}

#[test]
fn what_may_be_fetched_meanwhile_is_told_before_the_answer() {
    let folder = e2e::folder();
    let application = Application::start(|_, stream| {
        let early = "Status: 103\r\nLink: </a.css>; rel=preload\r\nContent-Length: 5\r\n\r\n";
        stream.write_all(&output(early.as_bytes())).unwrap();
        answer(stream, format!("{early}Content-Type: text/x\r\n\r\nhello").as_bytes());
    });
    let server = serve(folder.path(), &application.setting(""));
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.take(2 * hint.len()).unwrap(), hint.repeat(2).as_bytes());
    assert_eq!(client.response().unwrap().text(), "hello");
    // HTTP/1.0 knows one answer to a request.
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "hello");
    let url = format!("http://{}/", server.addr());
    let words = ["--silent", "--include", "--http2-prior-knowledge", &url];
    let told = Command::new("curl").args(words).output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    let hint = "HTTP/2 103 \r\nlink: </a.css>; rel=preload\r\n\r\n";
    assert!(told.starts_with(&(hint.repeat(2) + "HTTP/2 200")), "{told}");
    let log = server.stop();
    assert!(log.lines.iter().filter(|line| line["status"] == 200).count() == 3);
}

/// Has a file sent that the query names.
fn send(asked: &Asked, stream: &mut UnixStream) {
    let (field, file) = asked.get("QUERY_STRING").split_once('=').unwrap();
    let head = format!(
        "{field}: {file}\r\nContent-Type: x/own\r\nContent-Disposition: attachment\r\n\
         Set-Cookie: a=b\r\nETag: \"of the program\"\r\n\r\nnot sent"
    );
    answer(stream, head.as_bytes());
}

#[test]
fn a_program_has_files_sent_from_one_folder_and_no_other() {
    let (site, files) = (e2e::folder(), e2e::folder());
    let large: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    fs::create_dir(files.path().join("in")).unwrap();
    fs::write(files.path().join("in/a b.txt"), "0123456789").unwrap();
    fs::write(files.path().join("large"), &large).unwrap();
    fs::write(files.path().join(".secret"), "SECRET").unwrap();
    fs::write(site.path().join("page.html"), "SECRET").unwrap();
    std::os::unix::fs::symlink(site.path(), files.path().join("out")).unwrap();
    let application = Application::start(send);
    let setting = application.setting(&format!("send-root = {:?}", files.path()));
    let server = serve(site.path(), &setting);
    let mut client = Client::connect(server.addr());
    let mut ask = |query: &str, fields: &str| {
        client.send(format!("GET /?{query} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
        client.response().unwrap()
    };
    let here = files.path().display();
    let whole = ask("X-Accel-Redirect=/in/a%20b.txt", "");
    assert_eq!((whole.status, whole.text()), (200, "0123456789".to_owned()));
    assert_eq!(whole.get("content-type"), Some("x/own"));
    assert_eq!(whole.get("content-disposition"), Some("attachment"));
    assert_eq!(whole.get("set-cookie"), Some("a=b"));
    assert_eq!(whole.get("x-accel-redirect"), None);
    // What is sent can be had in part, and need not be sent again.
    let tag = whole.get("etag").unwrap();
    assert!(!tag.contains("program"), "{tag}");
    let part = ask("X-Accel-Redirect=/in/a%20b.txt", "Range: bytes=2-3\r\n");
    assert_eq!((part.status, part.text()), (206, "23".to_owned()));
    let again = ask("X-Accel-Redirect=/in/a%20b.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(ask(&format!("X-Sendfile={here}/large"), "").body == large);
    for (query, status) in [
        (format!("X-Sendfile={here}/missing"), 404),
        (format!("X-Sendfile={here}/in"), 404),
        ("X-Accel-Redirect=/.secret".to_owned(), 404),
        ("X-Accel-Redirect=/out/page.html".to_owned(), 404),
        ("X-Accel-Redirect=/../page.html".to_owned(), 502),
        ("X-Sendfile=/etc/passwd".to_owned(), 502),
        (format!("X-Sendfile={here}/../../etc/passwd"), 502),
        ("X-Sendfile=in/large".to_owned(), 502),
    ] {
        let refused = ask(&query, "");
        assert_eq!(refused.status, status, "{query}");
        assert!(!refused.text().contains("SECRET"), "{query}");
    }
    // Nobody but a program has them sent.
    let mut client = Client::connect(server.addr());
    client.send("GET /large HTTP/1.1\r\nHost: a\r\nX-Sendfile: /large\r\n\r\n").unwrap();
    assert_ne!(client.response().unwrap().body, large);
    let log = server.stop().stderr;
    assert!(log.contains("not below `send-root`"), "{log}");
    assert!(log.contains("a file sent that is not there"), "{log}");
}

/// A program knows its folder by the path without links, which is another one in each release.
#[test]
fn what_a_new_release_has_sent_is_sent() {
    let (site, place) = (e2e::folder(), e2e::folder());
    let path = |name: &str| place.path().join(name);
    for release in ["one", "two"] {
        fs::create_dir_all(path(release).join("private")).unwrap();
        fs::write(path(release).join("private/a.txt"), release).unwrap();
    }
    std::os::unix::fs::symlink("one", path("current")).unwrap();
    let application = Application::start(send);
    let private = path("current/private");
    let setting = application.setting(&format!("send-root = {private:?}"));
    let server = serve(site.path(), &setting);
    let mut client = Client::connect(server.addr());
    let mut sent = |folder: &str| {
        let file = path(folder).join("private/a.txt");
        let response = client.get(&format!("/?X-Sendfile={}", file.display())).unwrap();
        (response.status, response.text())
    };
    let one = (200, "one".to_owned());
    assert_eq!([sent("one"), sent("current")], [one.clone(), one]);
    std::os::unix::fs::symlink("two", path("next")).unwrap();
    fs::rename(path("next"), path("current")).unwrap();
    assert!(eventually(|| sent("two") == (200, "two".to_owned())));
    assert_eq!(sent("current"), (200, "two".to_owned()));
    assert_eq!(sent("one").0, 502);
}

#[test]
fn whoever_finds_the_queue_full_is_told_to_come_again() {
    let (site, place) = (e2e::folder(), e2e::folder());
    let path = place.path().join("socket");
    // Nobody takes what stands in its queue.
    let address = SocketAddrUnix::new(&path).unwrap();
    let listener = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let server = serve(site.path(), &format!("php = {{ socket = {path:?} }}\n"));
    let mut client = Client::connect(server.addr());
    let refused = client.get("/").unwrap();
    assert_eq!((refused.status, refused.get("retry-after")), (503, Some("1")));
    let log = server.stop().stderr;
    assert!(log.contains("too many requests wait for the application"), "{log}");
}

#[test]
fn a_request_is_sent_once_whatever_becomes_of_it() {
    let site = e2e::folder();
    let (note, noted) = note();
    let application = Application::start(move |asked, stream| {
        note(asked.get("REQUEST_URI").to_owned());
        if asked.get("REQUEST_URI") == "/begun" {
            let _ = stream.write_all(&[output(b"\r\nhel"), end(1)].concat());
        }
    });
    let server = serve(site.path(), &application.setting(""));
    for target in ["/hung-up", "/begun", "/last"] {
        let _ = Client::connect(server.addr()).get(target);
    }
    server.stop();
    drop(application);
    assert_eq!(noted.try_iter().collect::<Vec<_>>(), ["/hung-up", "/begun", "/last"]);
}
