//! What is told of a connection while it lasts, and of how it ended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Ending, Launch, Response, Server, Site, application, eventually,
    frames::{self, DATA, OPENING, PING, frame},
    look::{admin, connection, json},
    secure_place::SecurePlace,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    cell::RefCell,
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

/// A server with one site, of which more is said, and its config.
fn serve(more: &str) -> (Server, Site, tempfile::TempDir, PathBuf) {
    let (site, folder) = (Site::new(), e2e::folder());
    let file = folder.path().join("gannet.toml");
    let root = site.root_text();
    let text = format!(
        "[server]\nlisten = {{ address = \"127.0.0.1:0\", http2 = true }}\nlog = \"json\"\n\
         admin = \"127.0.0.1:0\"\nthreads = 1\nrequest-id = true\n\
         [site.default]\nroot = {root:?}\n{more}"
    );
    fs::write(&file, text).unwrap();
    let words = ["run", file.to_str().unwrap()].map(str::to_owned);
    (Launch::of(words.to_vec()).start(), site, folder, file)
}

/// An application that answers as soon as it is let through.
fn sleeper(gate: &Arc<Mutex<()>>) -> Application {
    let gate = Arc::clone(gate);
    Application::start(move |_, stream| {
        drop(gate.lock());
        application::answer(stream, b"\r\nawake");
    })
}

fn peer(client: &Client) -> String {
    format!("127.0.0.1:{}", client.port())
}

/// What `gannet explain --live` says.
fn explained(file: &Path, id: &str) -> String {
    let words = ["explain", "--live", id, "-c", file.to_str().unwrap()].map(str::to_owned);
    let (code, said, stderr) = Launch::of(words.to_vec()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""));
    said
}

/// How the connection of that client has ended, once it has.
fn ending(addr: SocketAddr, client: &str) -> String {
    let said = || {
        let told = connection(addr, client);
        let last = told["events"].as_array()?.last()?["what"].as_str()?.to_owned();
        last.strip_prefix("ended: ").map(str::to_owned)
    };
    assert!(eventually(|| said().is_some()), "{}", connection(addr, client));
    said().unwrap()
}

/// What hangs is what somebody opens the page for.
#[test]
fn a_request_that_is_waited_for_is_told_of_though_it_came_before_anybody_looked() {
    let gate = Arc::new(Mutex::new(()));
    let (shut, held) = (gate.lock().unwrap(), Arc::clone(&gate));
    let (tell, asked) = mpsc::channel();
    let sleeper = Application::start(move |_, stream| {
        let _ = tell.send(());
        drop(held.lock());
        application::answer(stream, b"Content-Type: text/plain\r\n\r\nawake");
    });
    let (server, site, _folder, file) = serve(&sleeper.setting(""));
    site.write("sleep.php", b"");
    let addr = admin(&server);
    let mut one = Client::connect(server.addr());
    one.send("GET /sleep.php?s=6 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    asked.recv_timeout(e2e::PATIENCE).unwrap();
    let mut many = Client::connect(server.addr());
    many.send([OPENING, &frames::get(1, "/sleep.php"), &frames::get(3, "/sleep.php")].concat())
        .unwrap();
    // An upload of which a part has come, and a download of which a part is taken.
    let mut upload = Client::connect(server.addr());
    upload
        .send("POST /sleep.php HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        .unwrap();
    let download = Client::download(server.addr(), "/huge.bin");
    let mut idle = Client::connect(server.addr());
    (0..3).for_each(|_| assert_eq!(idle.get("/digits.txt").unwrap().status, 200));
    let open = |client: &Client| {
        let told = connection(addr, &peer(client));
        let all = told["answers"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|answer| answer["whole_us"].is_null()).collect::<Vec<_>>()
    };
    let clients = [(&one, 1), (&many, 2), (&upload, 1), (&download, 1)];
    let are_told = || clients.iter().all(|(client, count)| open(client).len() == *count);
    assert!(eventually(are_told), "{}", json(addr, "/sockets"));
    let text = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    let waiting = open(&one).remove(0);
    assert_eq!(
        ["method", "host", "path", "query"].map(|name| text(&waiting, name)),
        ["GET", "localhost", "/sleep.php", "s=6"]
    );
    assert!(waiting["status"].is_null() && waiting["under_way_us"].is_u64(), "{waiting}");
    assert_eq!(open(&many).iter().map(|one| one["stream"].clone()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(text(&open(&upload)[0], "method"), "POST");
    let sent = open(&download).remove(0);
    assert_eq!((&sent["status"], &*text(&sent, "path")), (&200.into(), "/huge.bin"));
    // It has not been answered yet.
    assert_eq!(connection(addr, &peer(&download))["requests"], 0);
    // Those are listed first on which something is under way, the oldest before others.
    let listed = json(addr, "/sockets?max=4")["sockets"].clone();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| one["client"].clone()).collect();
    assert!(clients.iter().all(|(client, _)| listed.contains(&peer(client).into())), "{listed:?}");
    assert_eq!(listed[0], peer(&one));
    let of_site = json(addr, "/sockets?site=default&state=ESTABLISHED");
    assert!(
        of_site["sockets"].as_array().unwrap().iter().any(|found| found["client"] == peer(&one))
    );
    let id = text(&waiting, "id");
    let said = explained(&file, &id);
    assert!(said.contains("the request is there: GET localhost/sleep.php"), "{said}");
    assert!(said.contains("its answer is still to come"), "{said}");
    drop(shut);
    assert_eq!(one.response().unwrap().text(), "awake");
    drop((many, upload, download));
    assert!(eventually(|| open(&one).is_empty()), "{}", connection(addr, &peer(&one)));
    assert!(explained(&file, &id).contains("its first byte is sent: status 200"));
    server.stop();
}

/// Who waits may say meanwhile that they are there.
#[test]
fn a_request_is_as_old_as_it_is_whatever_its_client_says_meanwhile() {
    let gate = Arc::new(Mutex::new(()));
    let (shut, sleeper) = (gate.lock().unwrap(), sleeper(&gate));
    let (server, site, _folder, _file) = serve(&sleeper.setting(""));
    site.write("sleep.php", b"");
    let addr = admin(&server);
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &frames::get(1, "/sleep.php")].concat()).unwrap();
    let client = RefCell::new(client);
    let said = || {
        client.borrow_mut().send(frame(PING, 0, 0, b"are you?")).unwrap();
        connection(addr, &peer(&client.borrow()))["why"].as_str().unwrap_or_default().to_owned()
    };
    assert!(eventually(|| said().ends_with(" ms ago, and its answer is not there")), "{}", said());
    drop(shut);
    drop(client);
    server.stop();
}

#[test]
fn the_clients_goodbye_is_first_where_it_came_first() {
    const FIRST: &str = "the client's FIN came first";
    let gate = Arc::new(Mutex::new(()));
    let (shut, sleeper) = (gate.lock().unwrap(), sleeper(&gate));
    let (server, site, _folder, _file) = serve(&sleeper.setting(""));
    site.write("sleep.php", b"");
    let addr = admin(&server);
    json(addr, "/sockets");
    // One that does not wait for the application: it is gone when it is told so.
    let mut client = Client::connect(server.addr());
    client.send("GET /sleep.php HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let name = peer(&client);
    let is_asked = || connection(addr, &name)["limited_by"] == "application";
    assert!(eventually(is_asked), "{}", connection(addr, &name));
    drop(client);
    let said = ending(addr, &name);
    assert!(said.ends_with(FIRST), "{said}");
    // One that is refused: the server closes it, and the client then.
    let mut client = Client::connect(server.addr());
    client.send("BAD\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let name = peer(&client);
    drop(client);
    let said = ending(addr, &name);
    assert_eq!(said, "the server closed it after its last answer; this server's FIN went first");
    drop(shut);
    server.stop();
}

/// Whoever says goodbye by TLS and closes answers the server's own goodbye with a reset.
#[test]
fn a_goodbye_by_tls_is_the_clients() {
    let place = SecurePlace::new();
    let sites = place.of("a.example", "a", "");
    let server = place.serve("admin = \"127.0.0.1:0\"", &sites);
    let addr = admin(&server);
    let visitor = place.certificates.visitor(&["a"]);
    let worker = server.workers()[0];
    let get = b"GET /digits.txt HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
    let frames = [OPENING, &frames::get(1, "/digits.txt")].concat();
    for (visitor, words, is_http2) in
        [(&visitor, get, false), (&visitor.choosing_http2(), frames, true)]
    {
        let attempt = || {
            json(addr, "/sockets");
            let mut client = visitor.connect(server.addr(), "a.example");
            client.send(&words).unwrap();
            match is_http2 {
                true => drop(frames::until(&mut client, DATA).unwrap()),
                false => drop(Response::read(&mut client, false).unwrap()),
            }
            // Both goodbyes are there when the server comes to read them, unless it is just at it.
            worker.signal(Signal::STOP);
            client.part();
            let name = format!("127.0.0.1:{}", client.port());
            drop(client);
            worker.signal(Signal::CONT);
            ending(addr, &name)
        };
        let said = [(); 5].map(|()| attempt());
        let is_told = |said: &String| said.ends_with("the client's FIN came first");
        assert!(said.iter().filter(|said| is_told(said)).count() >= 3, "{said:?}");
    }
    server.stop();
}

#[test]
fn who_is_accepted_without_a_word_has_said_nothing() {
    let (server, _site, _folder, _file) = serve("");
    let addr = admin(&server);
    let client = Client::connect(server.addr());
    let is_there = || {
        let told = connection(addr, &peer(&client));
        told["events"].as_array().is_some_and(|events| !events.is_empty())
    };
    assert!(eventually(is_there), "{}", json(addr, "/sockets"));
    let told = connection(addr, &peer(&client));
    let events = told["events"].as_array().unwrap();
    let events: Vec<_> = events.iter().map(|one| one["what"].as_str().unwrap()).collect();
    let silent = "its client has said nothing yet";
    assert_eq!(events, ["accepted: this server has it from now on", silent]);
    // What the kernel has measured is how long it was silent.
    assert!(told["rtt_us"].is_null() && told["min_rtt_us"].is_null(), "{told}");
    drop(client);
    server.stop();
}

#[test]
fn whose_fault_it_is_that_an_answer_was_cut_off_is_told() {
    const REASON: &str = "the application hung up before the end of its answer";
    let dying = Application::start(|_, stream| {
        let head = application::output(b"Content-Type: text/plain\r\n\r\n");
        let content: Vec<u8> =
            [b'x'; 200_000].chunks(50_000).flat_map(application::output).collect();
        let _ = stream.write_all(&[head, content].concat());
    });
    let (server, site, _folder, file) = serve(&dying.setting(""));
    site.write("dies.php", b"");
    let addr = admin(&server);
    json(addr, "/sockets");
    let mut client = Client::connect(server.addr());
    let name = peer(&client);
    client.send("GET /dies.php HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.drain().unwrap();
    let line = server.wait_for(|line| line["target"] == "/dies.php");
    assert_eq!(line["reason"], REASON);
    let troubles = json(addr, "/requests")["troubles"].clone();
    assert_eq!(
        (&troubles[0]["path"], &troubles[0]["reason"]),
        (&"/dies.php".into(), &REASON.into())
    );
    let said = explained(&file, line["request_id"].as_str().unwrap());
    assert!(said.contains(&format!(" bytes; {REASON}\n")), "{said}");
    let said = ending(addr, &name);
    assert_eq!(said, "the rest of an answer could not be had; this server cut it off with a RST");
    server.stop();
}

#[test]
fn what_was_no_request_is_explained_as_such() {
    let (server, _site, _folder, file) = serve("");
    let addr = admin(&server);
    json(addr, "/sockets");
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\nHost : x\r\n\r\n").unwrap();
    let answer = client.response().unwrap();
    assert_eq!(answer.status, 400);
    let said = explained(&file, answer.get("x-request-id").unwrap());
    assert!(said.contains("  what came is no request, from 127.0.0.1\n"), "{said}");
    server.stop();
}
