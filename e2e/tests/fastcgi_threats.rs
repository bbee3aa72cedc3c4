//! What clients and applications do to one another with the server between them: hostile names,
//! content that nobody reads, answers that are broken off.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Ending, Server,
    application::{Asked, answer, end, output, record},
    frames::{DATA, END, HEADERS, OPENING, RST_STREAM, WINDOW_UPDATE, frame, get, read},
};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
};
use tempfile::TempDir;

/// A site with programs, and with what somebody may have uploaded.
fn site() -> TempDir {
    let folder = e2e::folder();
    for name in ["index.php", "admin.php", "denied.php", "guarded.php", "files/run.php"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "<?php SECRET").unwrap();
    }
    for name in ["admin.php~", "admin.php.bak", "old.phtml", "x.PHP"] {
        fs::write(folder.path().join(name), "SECRET").unwrap();
    }
    // Letters that are longer or shorter once they are made small, and one that looks like a `p`.
    for name in ["name.\u{a1}.txt", "\u{130}\u{130}.jpg", "\u{212a}.jpg", "shell.\u{ff50}hp"] {
        fs::write(folder.path().join(name), "<?php uploaded").unwrap();
    }
    fs::write(folder.path().join("a.jpg"), "picture").unwrap();
    folder
}

/// Serves `root`; `lines` are of the site's table.
fn serve(root: &Path, lines: &str) -> Server {
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\n[site.default]\nroot = {root:?}\n{lines}"
    ))
}

/// Says which program it was asked for, and with which path behind it.
fn say(asked: &Asked, stream: &mut UnixStream) {
    let text = ["SCRIPT_NAME", "PATH_INFO"].map(|name| asked.get(name)).join("|");
    answer(stream, format!("Content-Type: text/plain\r\n\r\n{text}").as_bytes());
}

/// Rows 92, 93, 103.
#[test]
fn no_name_shows_a_source_or_runs_what_was_uploaded() {
    let site = site();
    let application = Application::start(say);
    let server = serve(site.path(), &application.setting(""));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, expect: Result<&str, u16>| {
        let response = client.get(target).unwrap();
        assert!(!response.text().contains("SECRET"), "{target}");
        let seen = if response.status == 200 { Ok(response.text()) } else { Err(response.status) };
        assert_eq!(seen.as_deref(), expect.as_ref().copied(), "{target}");
    };
    let none = [
        "/admin.php~",
        "/admin.php.bak",
        "/admin.PHP",
        "/admin.php.",
        "/admin.php%20",
        "/old.phtml",
        "/x.PHP",
        "/x.PHP/",
        "/%61dmin.php%7e",
        "/a.jpg/x.php",
        "/a.jpg/x.php/y.php",
        "/name.%C2%A1.txt/x.php",
        "/%C4%B0%C4%B0.jpg/x.php",
        "/%E2%84%AA.jpg/x.php",
        "/shell.%EF%BD%90hp/x.php",
    ];
    none.into_iter().for_each(|target| check(target, Err(404)));
    check("/admin.php/", Ok("/admin.php|/"));
    check("/%61dmin.ph%70/%C4%B0.jpg", Ok("/admin.php|/\u{130}.jpg"));
    for name in ["/name.%C2%A1.txt", "/%C4%B0%C4%B0.jpg", "/%E2%84%AA.jpg", "/shell.%EF%BD%90hp"] {
        check(name, Ok("<?php uploaded"));
    }
    // Nor does one that nobody runs.
    drop(application);
    none.into_iter().for_each(|target| check(target, Err(404)));
    for target in ["/admin.php", "/admin.php/", "/admin.php/x", "/%61dmin.php", "/"] {
        check(target, Err(502));
    }
    // Bytes that stand in no URL.
    check("/shell.\u{ff50}hp", Err(400));
    server.stop();
}

/// Rows 105, 106 over HTTP/2, where names are small letters by themselves.
#[test]
fn names_that_could_be_others_are_not_told() {
    let site = site();
    let application = Application::start(|asked, stream| {
        let names: Vec<_> = asked.variables.keys().map(String::as_str).collect();
        answer(stream, format!("Content-Type: text/x\r\n\r\n{}", names.join(" ")).as_bytes());
    });
    let server = serve(site.path(), &application.setting(""));
    let url = format!("http://{}/index.php", server.addr());
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", protocol]);
        for field in ["proxy: x", "x_real_ip: 1", "remote.user: root", "x-good: 1"] {
            curl.args(["--header", field]);
        }
        let told = String::from_utf8(curl.arg(&url).output().unwrap().stdout).unwrap();
        assert!(told.contains("HTTP_X_GOOD"), "{protocol}: {told}");
        for name in ["PROXY", "REAL", "HTTP_REMOTE"] {
            assert!(!told.contains(name), "{protocol}: {told}");
        }
    }
    server.stop();
}

/// Rows 30, 31: whatever is answered without the application, content is no request, and nobody is
/// asked to send what nobody wants.
#[test]
fn content_that_no_program_reads_is_no_request() {
    const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let site = site();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&asked);
    let application = Application::start(move |asked, stream| {
        there.lock().unwrap().push(asked.get("REQUEST_URI").to_owned());
        answer(stream, &[b"\r\n", &asked.content[..]].concat());
    });
    let lines = "php-deny = '/files/*'\n\
                 route.'/denied.php' = { deny = ['0.0.0.0/0'] }\n\
                 route.'/guarded.php' = { auth = { users = { alice = \
                 '$2b$08$3k1cR3mki9PmjO4/PzS7V.nMBXm9RNVffoyfiyFcthf6sjy4VwsMe' } } }\n";
    let server = serve(site.path(), &(application.setting("upload-max = '1MB'") + lines));
    let early = [
        ("/a.jpg", 405),
        ("/missing.php", 404),
        ("/files/run.php", 404),
        ("/denied.php", 403),
        ("/denied.php/x", 403),
        ("/guarded.php", 401),
        ("/index.php/%0a", 400),
    ];
    let post = |target: &str, fields: &str, content: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{content}")
    };
    let small = format!("Content-Length: {}\r\n", SMUGGLED.len());
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (target, status) in early {
        let mut client = Client::connect(server.addr());
        for request in
            [post(target, &small, SMUGGLED), post(target, "Transfer-Encoding: chunked\r\n", &chunk)]
        {
            client.send(request).unwrap();
            assert_eq!(client.response().unwrap().status, status, "{target}");
            assert_eq!(client.get("/next").unwrap().status, 200, "{target}");
        }
        // What is not worth being read ends the connection.
        let much = "x".repeat(70_000) + SMUGGLED;
        client.send(post(target, &format!("Content-Length: {}\r\n", much.len()), &much)).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{target}");
        client.ending().unwrap();
        let mut client = Client::connect(server.addr());
        client.send(post(target, &format!("Expect: 100-continue\r\n{small}"), "")).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{target}");
        let _ = client.send(SMUGGLED);
        client.ending().unwrap();
    }
    for (fields, status) in [
        ("Expect: y\r\nContent-Length: 5\r\n", 417),
        ("Expect: 100-continue\r\nContent-Length: 1000001\r\n", 413),
    ] {
        let mut client = Client::connect(server.addr());
        client.send(post("/index.php", fields, "")).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{fields}");
        let _ = client.send(SMUGGLED);
        client.ending().unwrap();
    }
    // What belongs to a request reaches its program, whatever the method, and nothing else does.
    let mut client = Client::connect(server.addr());
    client.send(format!("GET /index.php HTTP/1.1\r\nHost: a\r\n{small}\r\n{SMUGGLED}")).unwrap();
    assert_eq!(client.response().unwrap().text(), SMUGGLED);
    client.send("GET /index.php HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    assert_eq!(client.get("/next").unwrap().status, 200);
    server.stop();
    let asked: BTreeSet<_> = asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(asked.iter().map(String::as_str).collect::<Vec<_>>(), ["/index.php", "/next"]);
}

/// Breaks off its answers in various ways, or does not end them.
fn break_off(asked: &Asked, stream: &mut UnixStream) {
    // Nothing that a coding makes small.
    let mut state = 1_u32;
    let much: Vec<u8> = (0..200_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let head = |length: &str| output(format!("Content-Type: text/x\r\n{length}\r\n").as_bytes());
    let bytes = match asked.get("REQUEST_URI") {
        "/hangs-up" => [head(""), output(&much)].concat(),
        "/refuses" => [head(""), output(&much), end(1)].concat(),
        "/other-kind" => [head(""), output(&much), record(5, b"x"), end(0)].concat(),
        "/short" => [head("Content-Length: 300000\r\n"), output(&much), end(0)].concat(),
        "/long" => [head("Content-Length: 100000\r\n"), output(&much), end(0)].concat(),
        "/no-end" => [head(""), output(&much)].concat(),
        "/whole-no-end" => [head("Content-Length: 5\r\n"), output(b"hello")].concat(),
        _ => [head(""), output(b"fine"), end(0)].concat(),
    };
    let _ = stream.write_all(&bytes);
    if asked.get("REQUEST_URI").ends_with("no-end") {
        let _ = stream.read(&mut [0]);
    }
}

/// Row 108: what was begun and not ended is never taken for the whole, in no protocol and no
/// coding; and nobody else suffers by it.
#[test]
fn an_answer_that_is_broken_off_is_seen_to_be() {
    let site = site();
    let application = Application::start(break_off);
    let server = serve(site.path(), &application.setting("time = '2s'"));
    for target in ["/hangs-up", "/refuses", "/other-kind", "/short", "/no-end"] {
        let asked = [
            "HTTP/1.1\r\nHost: a\r\n\r\n",
            "HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
            "HTTP/1.1\r\nHost: a\r\nAccept-Encoding: zstd\r\n\r\n",
            "HTTP/1.0\r\nHost: a\r\n\r\n",
        ]
        .map(|head| {
            let mut client = Client::connect(server.addr());
            client.send(format!("GET {target} {head}")).unwrap();
            (head, client)
        });
        for (head, mut client) in asked {
            let (bytes, ending) = client.drain().unwrap();
            // The end of the connection would end such an answer in order.
            assert_eq!(ending, Ending::Reset, "{target} {head}");
            assert!(!bytes.ends_with(b"\r\n0\r\n\r\n"), "{target} {head}");
        }
        let mut client = Client::connect(server.addr());
        let room = |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 10, 0, 0]);
        client.send([OPENING, &room(0), &get(1, target), &room(1)].concat()).unwrap();
        let reset = loop {
            let frame = read(&mut client).unwrap();
            assert!(!matches!(frame.kind, DATA | HEADERS) || frame.flags & END == 0, "{target}");
            if frame.kind == RST_STREAM {
                break frame;
            }
        };
        assert_eq!((reset.stream, reset.code()), (1, 2), "{target}: INTERNAL_ERROR");
        client.send(get(3, "/fine")).unwrap();
        let fine = e2e::frames::until(&mut client, DATA).unwrap();
        assert_eq!((fine.stream, &*fine.payload), (3, &b"fine"[..]), "{target}");
    }
    let mut client = Client::connect(server.addr());
    assert_eq!(client.get("/long").unwrap().body.len(), 100_000);
    assert_eq!(client.get("/fine").unwrap().text(), "fine");
    // All of it is there: what comes behind, or does not, is the application's affair.
    assert_eq!(client.get("/whole-no-end").unwrap().text(), "hello");
    assert_eq!(Client::connect(server.addr()).get("/fine").unwrap().text(), "fine");
    let log = server.stop();
    for target in ["/hangs-up", "/refuses", "/other-kind", "/short", "/no-end"] {
        let mut lines = log.lines.iter().filter(|line| line["target"] == target);
        let is_told = |line: &serde_json::Value| {
            line["reason"].as_str().unwrap().starts_with("the application")
        };
        assert!(lines.all(is_told), "{target}");
    }
}

/// Whoever has heard enough answers before all of the content is read, and hangs up.
#[test]
fn an_answer_counts_though_the_content_was_not_read() {
    let (site, place) = (site(), e2e::folder());
    let path = place.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A start looks whether somebody is there, and says nothing.
            if stream.read_exact(&mut [0; 16]).is_err() {
                continue;
            }
            answer(&mut stream, b"Status: 413\r\nContent-Type: text/x\r\n\r\nenough");
        }
    });
    let server = serve(site.path(), &format!("php = {{ socket = {path:?} }}\n"));
    let mut client = Client::connect(server.addr());
    for bytes in [10, 100_000, 5_000_000] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
        client.send(head + &"x".repeat(bytes)).unwrap();
        let answer = client.response().unwrap();
        assert_eq!((answer.status, answer.text()), (413, "enough".to_owned()), "{bytes}");
    }
    server.stop();
}

/// What a program writes is with its client before it writes more, compressed or not.
#[test]
fn events_are_passed_on_as_they_come() {
    let site = site();
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    let application = Application::start(move |_, stream| {
        let head = "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";
        stream.write_all(&output(head.as_bytes())).unwrap();
        for number in 1..=3 {
            stream.write_all(&output(format!("data: {number}\n\n").as_bytes())).unwrap();
            may_go.lock().unwrap().recv().unwrap();
        }
        stream.write_all(&end(0)).unwrap();
    });
    for setting in ["", "buffer-max = '0B'"] {
        let server = serve(site.path(), &application.setting(setting));
        let url = format!("http://{}/events", server.addr());
        for words in [&["--http1.1"][..], &["--compressed"], &["--http2-prior-knowledge"]] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--no-buffer", "--max-time", "20"]).args(words).arg(&url);
            let mut curl = curl.stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
            for number in 1..=3 {
                let line = lines.next().map(Result::unwrap);
                assert_eq!(line, Some(format!("data: {number}")), "{words:?} {setting}");
                assert_eq!(lines.next().map(Result::unwrap).as_deref(), Some(""));
                go.send(()).unwrap();
            }
            assert!(lines.next().is_none());
            assert!(curl.wait().unwrap().success(), "{words:?} {setting}");
        }
        server.stop();
    }
}

/// Programs set many cookies, or large ones.
#[test]
fn a_large_head_passes_whole() {
    let site = site();
    let application = Application::start(|_, stream| {
        let cookies = (0..30).map(|at| format!("Set-Cookie: c{at}={}\r\n", "x".repeat(2000)));
        answer(stream, format!("{}\r\nhello", cookies.collect::<String>()).as_bytes());
    });
    let server = serve(site.path(), &application.setting(""));
    let url = format!("http://{}/", server.addr());
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        let told = curl.args(["--silent", "--include", protocol, &url]).output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        let cookies: Vec<_> =
            told.lines().filter(|line| line.to_lowercase().starts_with("set-cookie: c")).collect();
        assert_eq!(cookies.len(), 30, "{protocol}");
        assert!(cookies.iter().all(|line| line.len() >= 2015), "{protocol}");
        assert!(told.ends_with("\r\n\r\nhello"), "{protocol}");
    }
    server.stop();
}
