//! Applications that are asked by FastCGI: what they are told, and what becomes of their answers,
//! however they behave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Ending, Launch, Server,
    application::{Asked, answer, end, output, record},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::{Mutex, mpsc},
};
use tempfile::TempDir;

/// A site with a few programs, whose source no answer may ever hold.
fn site() -> TempDir {
    let folder = e2e::folder();
    for name in ["index.php", "shop/index.php", "admin.php", "files/run.php", "CAPITAL.PHP"] {
        write(folder.path(), name, "<?php SECRET");
    }
    for name in ["admin.php~", "admin.php.bak", "old.phtml", ".env"] {
        write(folder.path(), name, "SECRET");
    }
    write(folder.path(), "a.jpg", "picture");
    write(folder.path(), "files/a.txt", "text");
    write(folder.path(), "pages/index.html", "page");
    write(folder.path(), "dir.php/inner.php", "<?php SECRET");
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Serves `root`; `lines` are of the site's table.
fn serve(root: &Path, lines: &str) -> Server {
    Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {root:?}\n{lines}"
    ))
}

/// Says which program it was asked for.
fn say(asked: &Asked, stream: &mut UnixStream) {
    let text = ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"].map(|name| asked.get(name)).join("|");
    answer(stream, format!("Content-Type: text/plain\r\n\r\n{text}").as_bytes());
}

#[test]
fn a_path_is_a_program_a_file_or_for_the_program_at_the_top() {
    let (site, application) = (site(), Application::start(say));
    let deny = "php-deny = ['/files/*', '/shop/up', '/dir.php/in*']\n";
    let server = serve(site.path(), &(application.setting("") + deny));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, status: u16, expect: &str| {
        let response = client.get(target).unwrap();
        assert!(!response.text().contains("SECRET"), "{target}: {}", response.text());
        assert_eq!(response.status, status, "{target}");
        if status == 200 {
            assert_eq!(response.text(), expect, "{target}");
        }
    };
    check("/", 200, "/index.php||");
    check("/index.php", 200, "/index.php||");
    check("/index.php/a/b?c=d", 200, "/index.php|/a/b|c=d");
    check("/shop/", 200, "/shop/index.php||");
    check("/shop", 301, "");
    check("/pages/", 200, "page");
    check("/a.jpg", 200, "picture");
    check("/hello/world?x", 200, "/index.php||x");
    check("/missing.jpg", 200, "/index.php||");
    check("/admin.php", 200, "/admin.php||");
    // What is denied is a folder, and not all whose names begin so, unless that is said.
    for name in ["shop/upper/x.php", "shop/up/x.php", "dir.php/outer.php"] {
        write(site.path(), name, "<?php SECRET");
    }
    check("/shop/upper/x.php", 200, "/shop/upper/x.php||");
    check("/shop/up/x.php", 404, "");
    check("/dir.php/outer.php/x", 200, "/dir.php/outer.php|/x|");
    check("/dir.php/inner.php/x", 404, "");
    check(&"/missing.php".repeat(500), 404, "");
    // What names a program that is not there is nothing, and nobody guesses.
    for target in [
        "/a.jpg/x.php",
        "/missing.php",
        "/missing.php/index.php",
        "/CAPITAL.PHP",
        "/admin.PHP",
        "/admin.php~",
        "/admin.php.bak",
        "/admin.php.",
        "/admin.php%20",
        "/old.phtml",
        "/.env",
        "/shop/.git/config",
        "/admin%2ephp%2fx",
        "/files/run.php",
        "/files/run.php/x",
        "/shell.%EF%BD%90hp/x.php",
    ] {
        check(target, 404, "");
    }
    check("/index.php/%0aX", 400, "");
    check("/x.php%00.jpg", 400, "");
    check("/files/a.txt", 200, "text");
    server.stop();
}

#[test]
fn no_source_is_sent_while_nobody_runs_it() {
    let site = site();
    let application = Application::start(say);
    let setting = application.setting("");
    drop(application);
    let server = serve(site.path(), &setting);
    let mut client = Client::connect(server.addr());
    for target in ["/index.php", "/", "/admin.php", "/shop/", "/nothing"] {
        let response = client.get(target).unwrap();
        assert_eq!(response.status, 502, "{target}");
        assert!(!response.text().contains("SECRET"), "{target}");
    }
    assert_eq!(client.get("/a.jpg").unwrap().status, 200);
    let line = server.wait_for(|line| line["status"] == 502);
    assert_eq!(line["target"], "/index.php");
    let stopped = server.stop();
    assert!(stopped.stderr.contains("no application listens where it should"));
}

#[test]
fn a_program_is_told_of_the_request_and_nothing_that_a_client_makes_up() {
    let site = site();
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let application = Application::start(move |asked, stream| {
        sender.lock().unwrap().send(asked.clone()).unwrap();
        answer(stream, b"\r\n");
    });
    let server = serve(site.path(), &application.setting(""));
    let mut client = Client::connect(server.addr());
    let request = "POST /admin.php/x?a=b HTTP/1.1\r\nHost: localhost\r\nProxy: http://evil\r\n\
                   X_Forwarded_For: 1\r\nRemote.User: root\r\nX-Good: 1\r\nX-Good: 2\r\n\
                   Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    client.send(request).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    let asked = told.recv().unwrap();
    let root = site.path().canonicalize().unwrap().to_str().unwrap().to_owned();
    let port = server.addr().port().to_string();
    for (name, value) in [
        ("SCRIPT_FILENAME", &*format!("{root}/admin.php")),
        ("DOCUMENT_ROOT", &*root),
        ("REQUEST_URI", "/admin.php/x?a=b"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "5"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SERVER_ADDR", "127.0.0.1"),
        ("SERVER_PORT", &*port),
        ("HTTP_X_GOOD", "1, 2"),
    ] {
        assert_eq!(asked.get(name), value, "{name}");
    }
    assert_eq!(asked.content, b"hello");
    for name in asked.variables.keys() {
        assert!(!name.contains("PROXY") && !name.contains("FORWARDED"), "{name}");
    }
    assert_eq!(asked.get("REMOTE_USER"), "");
    assert_eq!(asked.get("HTTP_REMOTE_USER"), "");
    server.stop();
}

/// What an application sends for a path of the table below.
fn misbehave(asked: &Asked, stream: &mut UnixStream) {
    let head = output(b"Content-Type: text/plain\r\n\r\nhello");
    let other = |at: usize, byte: u8| {
        let mut bytes = head.clone();
        bytes[at] = byte;
        bytes
    };
    let bytes = match asked.get("REQUEST_URI") {
        "/nothing" => Vec::new(),
        "/mid-header" => vec![1, 6, 0],
        "/mid-head" => output(b"Content-Type: te"),
        "/no-blank-line" => [output(b"Content-Type: text/plain\r\n"), end(0)].concat(),
        "/no-colon" => [output(b"Status: 200\r\nX\r\n\r\n"), end(0)].concat(),
        "/split" => [output(b"X: a\rSet-Cookie: b\r\n\r\n"), end(0)].concat(),
        "/long-head" => output(format!("X: {}\r\n", "x".repeat(70_000)).as_bytes()),
        "/overloaded" => end(2),
        "/other-id" => other(3, 2),
        "/http" => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        "/interim" => [output(b"Status: 100\r\n\r\n"), end(0)].concat(),
        "/file" => [output(b"X-Accel-Redirect: /etc/passwd\r\n\r\n"), end(0)].concat(),
        "/short" => [output(b"Content-Length: 9\r\n\r\nhello"), end(0)].concat(),
        "/long" => [output(b"Content-Length: 3\r\n\r\nhello"), end(0)].concat(),
        "/errors" => {
            let errors: Vec<u8> = (0..70).flat_map(|_| record(7, &[b'e'; 1000])).collect();
            [record(7, b"PHP Warning: first\n"), errors, head, end(0)].concat()
        }
        "/cut-off" => [output(b"\r\n"), output(&[b'x'; 200_000])].concat(),
        "/late" => {
            // Nothing comes until the server has lost its patience.
            let _ = stream.read(&mut [0]);
            return;
        }
        other => panic!("{other}"),
    };
    let _ = stream.write_all(&bytes);
}

#[test]
fn whatever_an_application_does_wrong_is_no_fault_of_the_next_request() {
    let site = site();
    let application = Application::start(misbehave);
    let server = serve(site.path(), &application.setting("time = '3s'"));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, status: u16| {
        let response = client.get(target).unwrap();
        assert_eq!(response.status, status, "{target}");
        response
    };
    for target in [
        "/nothing",
        "/mid-header",
        "/mid-head",
        "/no-blank-line",
        "/no-colon",
        "/split",
        "/long-head",
        "/other-id",
        "/http",
        "/interim",
        "/file",
        "/short",
    ] {
        let response = check(target, 502);
        assert_eq!(response.get("set-cookie"), None);
    }
    let busy = check("/overloaded", 503);
    assert_eq!(busy.get("retry-after"), Some("1"));
    check("/late", 504);
    assert_eq!(check("/long", 200).text(), "hel");
    assert_eq!(check("/errors", 200).text(), "hello");
    // What was begun is broken off, and cannot be taken for the whole.
    let mut other = Client::connect(server.addr());
    other.send("GET /cut-off HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (bytes, ending) = other.drain().unwrap();
    assert!(ending == Ending::Reset || !bytes.ends_with(b"0\r\n\r\n"));
    let log = server.stop();
    assert!(log.stderr.contains("PHP Warning: first"), "{}", log.stderr);
    let cut = log.lines.iter().find(|line| line["target"] == "/cut-off").unwrap();
    assert_eq!(cut["reason"], "the application hung up before the end of its answer");
    let late = log.lines.iter().find(|line| line["target"] == "/late").unwrap();
    assert!(late["reason"].as_str().unwrap().contains("workers may all have been busy"), "{late}");
}

#[test]
fn content_is_taken_whole_before_a_program_is_asked_however_it_comes() {
    let site = site();
    let application = Application::start(|asked, stream| {
        let sum: u64 = asked.content.iter().map(|byte| u64::from(*byte)).sum();
        let told = [asked.get("CONTENT_LENGTH"), &sum.to_string()].join(" ");
        answer(stream, format!("\r\n{told}").as_bytes());
    });
    let server = serve(site.path(), &application.setting("upload-max = '1MB'"));
    let mut client = Client::connect(server.addr());
    let content: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
    let sum: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
    for _ in 0..2 {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n").unwrap();
        client.send(&content).unwrap();
        assert_eq!(client.response().unwrap().text(), format!("700000 {sum}"));
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for piece in content.chunks(7000) {
            client.send(format!("{:x}\r\n", piece.len())).unwrap();
            client.send([piece, b"\r\n"].concat()).unwrap();
        }
        client.send("0\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().text(), format!("700000 {sum}"));
    }
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head).unwrap();
    assert_eq!(client.take(25).unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abcde").unwrap();
    assert_eq!(client.response().unwrap().text(), "5 495");
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "0 0");
    assert_eq!(client.get("/x").unwrap().text(), " 0");
    let mut large = Client::connect(server.addr());
    large.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n").unwrap();
    assert_eq!(large.response().unwrap().status, 413);
    let mut large = Client::connect(server.addr());
    large.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    large.send(format!("f4241\r\n{}", "x".repeat(1_000_001))).unwrap();
    assert_eq!(large.response().unwrap().status, 413);
    drop(large);
    // One that goes away in the middle asks nobody anything.
    let mut gone = Client::connect(server.addr());
    gone.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").unwrap();
    drop(gone);
    assert_eq!(client.get("/x").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_slow_client_does_not_hold_a_program() {
    const BYTES: usize = 8_000_000;
    let site = site();
    let (sender, done) = mpsc::channel();
    let sender = Mutex::new(sender);
    let application = Application::start(move |_, stream| {
        let content: Vec<u8> = (0..BYTES).map(|number| (number % 253) as u8).collect();
        stream.write_all(&output(b"Content-Type: image/x\r\n\r\n")).unwrap();
        stream.write_all(&output(&content)).unwrap();
        stream.write_all(&end(0)).unwrap();
        sender.lock().unwrap().send(()).unwrap();
    });
    let server = serve(site.path(), &application.setting(""));
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // Nothing has been read, and the program is free.
    done.recv_timeout(e2e::PATIENCE).unwrap();
    let body = client.response().unwrap().body;
    assert_eq!(body.len(), BYTES);
    assert!(body.iter().enumerate().all(|(number, byte)| *byte == (number % 253) as u8));
    server.stop();
}

#[test]
fn one_request_too_many_is_told_to_come_again() {
    let site = site();
    let (sender, begun) = mpsc::channel();
    let sender = Mutex::new(sender);
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let application = Application::start(move |_, stream| {
        sender.lock().unwrap().send(()).unwrap();
        let _ = held.lock().unwrap().recv();
        answer(stream, b"\r\nhello");
    });
    let server = serve(site.path(), &application.setting("requests-max = 1"));
    let mut first = Client::connect(server.addr());
    first.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    begun.recv_timeout(e2e::PATIENCE).unwrap();
    let refused = Client::connect(server.addr()).get("/b").unwrap();
    assert_eq!((refused.status, refused.get("retry-after")), (503, Some("1")));
    release.send(()).unwrap();
    assert_eq!(first.response().unwrap().text(), "hello");
    drop(release);
    assert_eq!(first.get("/c").unwrap().text(), "hello");
    server.stop();
}

/// An address that takes no connections, as behind a wall that swallows them.
#[test]
fn one_that_takes_no_connections_is_not_waited_for_without_end() {
    let site = site();
    // Nobody takes those that stand in its queue, and with them there is no room for more.
    let listener =
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddrV4::try_from(getsockname(&listener).unwrap()).unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let server = serve(site.path(), &format!("php = {{ address = '{address}' }}\n"));
    let mut client = Client::connect(server.addr());
    assert_eq!(client.get("/").unwrap().status, 504);
    assert_eq!(client.get("/a.jpg").unwrap().status, 200);
    let log = server.stop().stderr;
    assert!(log.contains("the application does not take connections"), "{log}");
}

#[test]
fn an_answer_passes_as_the_program_meant_it() {
    let site = site();
    let application = Application::start(|asked, stream| match asked.get("REQUEST_URI") {
        "/tagged" => answer(stream, b"ETag: \"1\"\r\nContent-Type: x/y\r\n\r\n0123456789"),
        "/part" => answer(
            stream,
            b"Status: 206\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\n0123",
        ),
        "/unchanged" => answer(stream, b"Status: 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
        "/away" => answer(stream, b"Location: /there\r\n\r\n"),
        "/error" => answer(stream, b"Status: 500\r\nContent-Type: text/plain\r\n\r\nmine"),
        "/cookies" => answer(stream, b"Set-Cookie: a\r\nSet-Cookie: b\r\nX-Big: 1\r\n\r\n"),
        "/head" => answer(stream, b"Content-Length: 7\r\n\r\n"),
        "/latin" => answer(stream, b"Location: /caf\xe9\r\nX-Tail: \xff\x80\r\n\r\n"),
        other => panic!("{other}"),
    });
    let server = serve(site.path(), &application.setting(""));
    let mut client = Client::connect(server.addr());
    let mut ask = |target: &str, fields: &str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
        client.response().unwrap()
    };
    // Whether a client has it already, and which part it gets, is for the program to say.
    assert_eq!(ask("/tagged", "If-None-Match: \"1\"\r\n").status, 200);
    let whole = ask("/tagged", "Range: bytes=0-3\r\n");
    assert_eq!((whole.status, whole.text()), (200, "0123456789".to_owned()));
    let part = ask("/part", "");
    assert_eq!((part.status, part.get("content-range")), (206, Some("bytes 0-3/9")));
    assert_eq!(ask("/unchanged", "").status, 304);
    let away = ask("/away", "");
    assert_eq!((away.status, away.get("location")), (302, Some("/there")));
    assert_eq!(ask("/error", "").text(), "mine");
    let cookies = ask("/cookies", "");
    assert_eq!(cookies.fields.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response_to_head().unwrap().get("content-length"), Some("7"));
    // Bytes that are no UTF-8 are nobody's to change.
    let mut latin = TcpStream::connect(server.addr()).unwrap();
    latin.write_all(b"GET /latin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    latin.read_to_end(&mut bytes).unwrap();
    let text = bytes.escape_ascii().to_string();
    assert!(text.contains("location: /caf\\xe9\\r\\nx-tail: \\xff\\x80\\r\\n"), "{text}");
    // It is not asked.
    client.send("TRACE /trace HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let trace = client.response().unwrap();
    assert_eq!(trace.status, 405);
    assert!(trace.get("allow").is_some_and(|allow| allow.contains("POST")));
    server.stop();
}

#[test]
fn the_guards_of_a_program_stand_in_front_of_every_path_that_leads_to_it() {
    let site = site();
    let application = Application::start(say);
    let routes = "route.'/admin.php' = { deny = ['0.0.0.0/0'] }\n\
                  route.'/shop/index.php' = { deny = ['0.0.0.0/0'] }\n\
                  route.'/files/run.php' = { php = false }\n";
    let server = serve(site.path(), &(application.setting("") + routes));
    let mut client = Client::connect(server.addr());
    for (target, status) in [
        ("/admin.php", 403),
        ("/admin.php/x", 403),
        ("/shop/", 403),
        ("/shop/index.php/x", 403),
        ("/files/run.php", 404),
        ("/files/run.php/x", 404),
        ("/else", 200),
    ] {
        assert_eq!(client.get(target).unwrap().status, status, "{target}");
    }
    server.stop();
}

#[test]
fn it_is_explained_which_program_would_be_run() {
    let site = site();
    let root = site.path().canonicalize().unwrap();
    let setting = "php = { address = '127.0.0.1:9' }\nphp-deny = '/files/*'\n";
    let text = format!("[server]\nlisten = '80'\n[site.default]\nroot = {root:?}\n{setting}");
    let folder = e2e::folder();
    let file = folder.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let check = |target: &str, expect: &str| {
        let args = ["explain", &format!("http://a{target}"), "-c", file.to_str().unwrap()];
        let (code, stdout, stderr) = Launch::of(args.map(str::to_owned).to_vec()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.contains(expect), "{target}: {stdout}");
    };
    check("/admin.php/x", &format!("{}/admin.php, run by 127.0.0.1:9", root.display()));
    check("/pretty", &format!("{}/index.php, run by 127.0.0.1:9", root.display()));
    check("/a.jpg", &format!("{}/a.jpg", root.display()));
    check("/files/run.php", "404");
    // The line that is the reason.
    let place = |line: usize| format!("site.toml:{line}:");
    check("/files/run.php", "php-deny");
    check("/files/run.php", &place(6));
    check("/admin.php", &place(5));
}

/// The error log names the setting, and where an application was looked for.
#[test]
fn who_gets_no_answer_of_a_program_is_told_why_with_the_setting() {
    let site = site();
    let server = serve(site.path(), "php = { address = '127.0.0.1:9', upload-max = '1MB' }");
    assert_eq!(Client::connect(server.addr()).get("/in-vain").unwrap().status, 502);
    let mut large = Client::connect(server.addr());
    large.send("POST /said HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n").unwrap();
    assert_eq!(large.response().unwrap().status, 413);
    drop(large);
    let mut large = Client::connect(server.addr());
    large.send("POST /come HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    large.send(format!("f4241\r\n{}", "x".repeat(1_000_001))).unwrap();
    assert_eq!(large.response().unwrap().status, 413);
    drop(large);
    let stopped = server.stop();
    let told: Vec<serde_json::Value> =
        stopped.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (target, reason) in [
        ("/in-vain", "no application listens where it should"),
        ("/said", "the content is larger than `upload-max` allows"),
        ("/come", "the content is larger than `upload-max` allows"),
    ] {
        let line = told.iter().find(|line| line["target"] == target).unwrap();
        assert_eq!((&line["reason"], &line["setting"]), (&reason.into(), &"php".into()), "{line}");
        assert!(line["place"].as_str().unwrap().contains(".toml:6:"), "{line}");
        let address = (target == "/in-vain").then_some("127.0.0.1:9");
        assert_eq!(line["application"].as_str(), address, "{line}");
        let line = stopped.lines.iter().find(|line| line["target"] == target).unwrap();
        assert_eq!(line["reason"], reason, "{line}");
    }
}
