//! What is said of connections agrees with what was done to them, and with what others see.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Ending, Launch, Link, Server, Site, application, eventually,
    frames::{self, HEADERS, OPENING, SETTINGS, WINDOW_UPDATE, frame, get},
    link::run,
    look::{admin, connection, json},
    secure_place::SecurePlace,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A server at that host with one site, of which more is said.
fn serve(host: &str, more: &str) -> (Server, Site, tempfile::TempDir) {
    let (launch, site, folder) = launch(host, more);
    (launch.start(), site, folder)
}

/// The same, which is still to be started.
fn launch(host: &str, more: &str) -> (Launch, Site, tempfile::TempDir) {
    let (site, folder) = (Site::new(), e2e::folder());
    let file = folder.path().join("gannet.toml");
    let root = site.root_text();
    let text = format!(
        "[server]\nlisten = {{ address = \"{host}:0\", http2 = true }}\nlog = \"json\"\nadmin = \"127.0.0.1:0\"\n\
         threads = 1\nrequest-id = true\n\
         [site.default]\nroot = {root:?}\n{more}"
    );
    fs::write(&file, text).unwrap();
    let words = ["run", file.to_str().unwrap()].map(str::to_owned);
    (Launch::of(words.to_vec()), site, folder)
}

/// What has gone wrong of late.
fn troubles(addr: SocketAddr) -> Vec<Value> {
    json(addr, "/requests")["troubles"].as_array().unwrap().clone()
}

fn peer(client: &Client) -> String {
    format!("127.0.0.1:{}", client.port())
}

#[test]
fn an_application_that_sleeps_is_what_limits_its_client() {
    // It sleeps until the test lets it go.
    let gate = Arc::new(Mutex::new(()));
    let (shut, held) = (gate.lock().unwrap(), Arc::clone(&gate));
    let sleeper = Application::start(move |_, stream| {
        drop(held.lock());
        application::answer(stream, b"Content-Type: text/plain\r\n\r\nawake");
    });
    let (server, site, _folder) = serve("127.0.0.1", &sleeper.setting(""));
    site.write("sleep.php", b"");
    let addr = admin(&server);
    let mut client = Client::connect(server.addr());
    client.send("GET /sleep.php HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let own = peer(&client);
    let said = || connection(addr, &own);
    let is_late = || said()["why"].as_str().is_some_and(|why| why.ends_with("is not there"));
    assert!(eventually(is_late), "{:?}", said());
    assert_eq!(said()["limited_by"], "application");
    drop(shut);
    assert_eq!(client.response().unwrap().text(), "awake");
    let is_over = || said()["limited_by"].is_null() && said()["answers"][0].is_object();
    assert!(eventually(is_over), "{}", said());
    let said = said();
    // The time that it took is the answer's.
    let answer = &said["answers"][0];
    assert_eq!((&answer["path"], &answer["status"]), (&"/sleep.php".into(), &200.into()));
    assert!(answer["first_us"].as_u64().unwrap() > 200_000, "{answer}");
    server.stop();
}

#[test]
fn a_request_is_told_step_by_step_by_its_id() {
    let broken = Application::start(|_, _| ());
    let (server, site, folder) = serve("127.0.0.1", &broken.setting(""));
    site.write("broken.php", b"");
    let file = folder.path().join("gannet.toml");
    let tell = |id: &str| {
        let words = ["explain", "--live", id, "-c", file.to_str().unwrap()].map(str::to_owned);
        Launch::of(words.to_vec()).finish()
    };
    // What fails is put down though nobody looks.
    let mut client = Client::connect(server.addr());
    let answer = client.get("/broken.php").unwrap();
    assert_eq!(answer.status, 502);
    let id = answer.get("x-request-id").unwrap();
    assert!(eventually(|| tell(id).0 == Some(0)), "{:?}", tell(id));
    let (_, said, _) = tell(id);
    let lines: Vec<_> = said.lines().map(|line| line.split_once(" ms  ").unwrap()).collect();
    let words = ["accepted: ", "the request is there: GET localhost/broken.php, from 127.0.0.1"];
    let more = ["its first byte is sent: status 502", "its last byte is sent: "];
    for start in words.iter().chain(&more) {
        assert!(lines.iter().any(|(_, words)| words.starts_with(start)), "{start}: {said}");
    }
    let times: Vec<f64> = lines.iter().map(|(when, _)| when.trim().parse().unwrap()).collect();
    assert!(times.is_sorted() && times.contains(&0.0), "{said}");
    let answer = client.get("/digits.txt").unwrap();
    let (code, _, stderr) = tell(answer.get("x-request-id").unwrap());
    assert!(code == Some(1) && stderr.contains("no such request is known"), "{stderr}");
    server.stop();
}

/// Its window is the client's to open, and the kernel knows nothing of it.
#[test]
fn who_lets_no_more_come_by_http2_is_what_limits_itself() {
    let (server, _site, _folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let mut client = Client::connect(server.addr());
    // A window of ten bytes.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 10]);
    let preface = &OPENING[..OPENING.len() - 9];
    client.send([preface, &settings, &get(1, "/huge.bin")].concat()).unwrap();
    assert_eq!(frames::until(&mut client, frames::DATA).unwrap().payload.len(), 10);
    let said = || connection(addr, &peer(&client));
    let words = "its HTTP/2 window is used up, and it has opened none for ";
    let is_told = || said()["why"].as_str().is_some_and(|why| why.starts_with(words));
    assert!(eventually(is_told), "{:?}", said());
    assert_eq!(said()["limited_by"], "client");
    // It opens it by ten bytes, which leave at once, and owes more again.
    client.send(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 10])).unwrap();
    assert_eq!(frames::until(&mut client, frames::DATA).unwrap().payload.len(), 10);
    let is_told = || connection(addr, &peer(&client))["limited_by"] == "client";
    assert!(eventually(is_told), "{:?}", connection(addr, &peer(&client)));
    // A head that has come in part is owed, too.
    let mut other = Client::connect(server.addr());
    other.send([OPENING, &frame(HEADERS, 0, 1, &frames::fields(0x82, "/"))].concat()).unwrap();
    let said = || connection(addr, &peer(&other));
    let owes = |why: &str| why.starts_with("it owes the rest of what it has begun");
    assert!(eventually(|| said()["why"].as_str().is_some_and(owes)), "{:?}", said());
    assert_eq!(said()["limited_by"], "client");
    drop((client, other));
    server.stop();
}

#[test]
fn who_has_begun_to_say_hello_owes_the_rest_of_it() {
    let place = SecurePlace::new();
    let server = place.serve("admin = \"127.0.0.1:0\"", &place.of("a.example", "a", ""));
    let addr = admin(&server);
    let mut client = Client::connect(server.addr());
    // A record that holds 512 bytes, and none of them.
    client.send([0x16, 3, 1, 2, 0]).unwrap();
    let said = || connection(addr, &peer(&client));
    let owes = |why: &str| why.starts_with("it owes the rest of what it has begun");
    assert!(eventually(|| said()["why"].as_str().is_some_and(owes)), "{:?}", said());
    assert_eq!(said()["limited_by"], "client");
    server.stop();
}

/// A loop that is busy reads its clock seldom.
#[test]
fn a_connection_comes_before_what_is_asked_on_it_however_busy_its_loop_is() {
    let (server, _site, folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let file = folder.path().join("gannet.toml");
    let line = "GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut kept = Client::connect(server.addr());
    let worker = server.workers()[0];
    for _ in 0..5 {
        // Whoever looks has each answer put down.
        json(addr, "/sockets");
        // What has come meanwhile is met in one stretch of work, the answer to one who was there
        // before first.
        worker.signal(Signal::STOP);
        kept.send(line).unwrap();
        let mut new = Client::connect(server.addr());
        new.send(line).unwrap();
        worker.signal(Signal::CONT);
        assert_eq!(kept.response().unwrap().status, 200);
        let answer = new.response().unwrap();
        let id = answer.get("x-request-id").unwrap();
        let words = ["explain", "--live", id, "-c", file.to_str().unwrap()].map(str::to_owned);
        let tell = || Launch::of(words.to_vec()).finish();
        assert!(eventually(|| tell().0 == Some(0)), "{:?}", tell());
        let (_, said, _) = tell();
        let at = |words: &str| said.lines().position(|line| line.contains(words)).unwrap();
        assert!(at("  accepted: ") < at("  the request is there: "), "{said}");
    }
    server.stop();
}

/// The kernel has them wait there until they say something, for a second or so.
#[test]
fn who_has_connected_and_said_nothing_is_seen_as_ss_does() {
    let (server, _site, _folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let port = server.addr().port();
    let told = || {
        let states = json(addr, "/sockets")["states"].as_array().unwrap().clone();
        let found = states.iter().filter(|one| one["state"] == "SYN_RECV");
        found.map(|one| one["count"].as_u64().unwrap()).sum::<u64>()
    };
    let seen = || run(&format!("ss -Htan state syn-recv 'sport = :{port}'")).lines().count() as u64;
    let mut found = (0, 0);
    let is_seen = || {
        let _silent = [(); 3].map(|()| Client::connect(server.addr()));
        found = (told(), seen());
        found.0 >= 3 && found.0 == found.1
    };
    assert!(eventually(is_seen), "{found:?}");
    server.stop();
}

/// It took its time, and nobody looked meanwhile.
#[test]
fn a_slow_answer_is_put_down_though_nobody_looks_and_its_connection_is_found() {
    let sleeper = Application::start(|_, stream| {
        // Longer than what is slow.
        thread::sleep(Duration::from_millis(1_100));
        application::answer(stream, b"Content-Type: text/plain\r\n\r\nat last");
    });
    let (server, site, _folder) = serve("127.0.0.1", &sleeper.setting(""));
    site.write("sleep.php", b"");
    let addr = admin(&server);
    let (mut slow, mut quick) = (Client::connect(server.addr()), Client::connect(server.addr()));
    assert_eq!(slow.get("/sleep.php").unwrap().text(), "at last");
    assert_eq!(quick.get("/digits.txt").unwrap().status, 200);
    assert!(eventually(|| !troubles(addr).is_empty()));
    let all = json(addr, "/requests");
    let troubles = all["troubles"].as_array().unwrap();
    assert_eq!((troubles.len(), &troubles[0]["path"]), (1, &"/sleep.php".into()));
    assert!(troubles[0]["whole_us"].as_u64().unwrap() > 1_000_000, "{all}");
    let clients = |answers: &str| {
        let all = json(addr, &format!("/sockets?answers={answers}"));
        let all = all["sockets"].as_array().unwrap().clone();
        all.iter().map(|one| one["client"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(clients("slow"), [peer(&slow)]);
    assert!(clients("").contains(&peer(&quick)));
    server.stop();
}

/// What is refused before it is a request is put down with the time at which that was.
#[test]
fn what_was_no_request_is_told_to_have_been_refused_just_now() {
    let (server, _site, _folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/3.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 505);
    assert!(eventually(|| !troubles(addr).is_empty()));
    let ago_us = troubles(addr)[0]["ago_us"].as_u64().unwrap();
    assert!(u128::from(ago_us) < 2 * e2e::PATIENCE.as_micros(), "{ago_us}");
    // What is a client's own fault is told to who looks, too.
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    let is_told = || troubles(addr).iter().any(|one| one["status"] == 400);
    assert!(eventually(is_told), "{:?}", troubles(addr));
    server.stop();
}

/// The answers of a loop that has died say nothing of those of the one in its place.
#[test]
fn what_fails_on_a_loop_that_has_started_anew_is_shown() {
    let broken = Application::start(|_, _| ());
    let (launch, site, _folder) = launch("127.0.0.1", &broken.setting(""));
    site.write("broken.php", b"");
    let server = launch.env("GANNET_FAIL", "accept=panic:4").start();
    let addr = admin(&server);
    let ask = || Client::connect(server.addr()).get("/broken.php").map(|answer| answer.status);
    let count = || troubles(addr).len();
    assert_eq!([(); 3].map(|()| ask().unwrap()), [502; 3]);
    assert!(eventually(|| count() == 3), "{}", count());
    assert!(ask().is_err(), "its loop has died");
    assert_eq!(ask().unwrap(), 502);
    assert!(eventually(|| count() == 4), "{}", count());
    server.stop();
}

/// Nobody but the server was to end it.
#[test]
fn a_connection_whose_time_was_over_is_told_to_be_one() {
    let (server, _site, _folder) = serve("127.0.0.1", "[server.limits]\nidle-time = \"1s\"\n");
    let addr = admin(&server);
    json(addr, "/sockets");
    let mut client = Client::connect(server.addr());
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let said = || connection(addr, &peer(&client));
    let last = || said()["events"].as_array()?.last()?["what"].as_str().map(str::to_owned);
    let words = "ended: its time was over; this server's FIN went first";
    assert!(eventually(|| last().as_deref() == Some(words)), "{}", said());
    server.stop();
}

/// What was promised to be there and is not, though nobody looked and it had begun in time.
#[test]
fn an_answer_that_is_cut_off_is_put_down_though_nobody_looks() {
    let (server, _site, _folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.take(13).unwrap();
    client.abort();
    server.wait_for(|line| line["reason"] == "cut off");
    assert!(eventually(|| !troubles(addr).is_empty()));
    let trouble = &troubles(addr)[0];
    assert_eq!(
        (&trouble["path"], &trouble["reason"], &trouble["status"]),
        (&"/huge.bin".into(), &"cut off".into(), &200.into())
    );
    server.stop();
}

#[test]
fn who_says_goodbye_first_is_known() {
    let (server, _site, _folder) = serve("127.0.0.1", "");
    let addr = admin(&server);
    let first = |client: &str| {
        let told = connection(addr, client);
        let last = told["events"].as_array()?.last()?.clone();
        let words = last["what"].as_str()?.strip_prefix("ended: ")?.to_owned();
        Some(words.rsplit_once("; ")?.1.to_owned())
    };
    json(addr, "/sockets");
    // Those that are over are told of as long as the kernel keeps them in mind.
    let mut client = Client::connect(server.addr());
    client
        .send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    client.response().unwrap();
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let by_server = peer(&client);
    drop(client);
    assert!(eventually(|| first(&by_server).as_deref() == Some("this server's FIN went first")));
    // One that goes, and one that cuts off what it gets: the kernel forgets them at once.
    let mut client = Client::connect(server.addr());
    client.get("/digits.txt").unwrap();
    let by_client = peer(&client);
    client.shut().unwrap();
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    drop(client);
    assert!(eventually(|| first(&by_client).as_deref() == Some("the client's FIN came first")));
    assert_eq!(connection(addr, &by_client)["state"], "CLOSED");
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.take(13).unwrap();
    let cut = peer(&client);
    client.abort();
    let is_cut = || first(&cut).is_some_and(|words| words.starts_with("it was cut off: by a RST"));
    assert!(eventually(is_cut), "{:?}", first(&cut));
    // TIME_WAIT is counted as `ss` counts it.
    let count = || {
        let states = json(addr, "/sockets")["states"].as_array().unwrap().clone();
        let waiting = states.iter().filter(|one| one["state"] == "TIME_WAIT");
        waiting.map(|one| one["count"].as_u64().unwrap()).sum::<u64>()
    };
    let port = server.addr().port();
    let seen =
        || run(&format!("ss -Htan state time-wait 'sport = :{port}'")).lines().count() as u64;
    assert!(eventually(|| count() == 1 && seen() == 1), "{} {}", count(), seen());
    server.stop();
}

#[test]
fn a_narrow_link_is_what_limits_who_is_behind_it() {
    // Only root makes networks.
    let Some(link) = Link::new(7) else { return };
    let (server, _site, _folder) = serve(&link.host(), "");
    let addr = admin(&server);
    let mut fetch = link.fetch(&[&format!("http://{}/huge.bin", server.addr())]);
    let verdict = || {
        let all = json(addr, "/sockets")["sockets"].as_array().unwrap().clone();
        let one = all.into_iter().find(|one| one["state"] == "ESTABLISHED")?;
        let sent = one["sent"].as_u64()?;
        // By then the kernel knows the link.
        (sent > 500_000).then(|| (one["limited_by"].clone(), one["why"].clone()))
    };
    let is_network = || verdict().is_some_and(|(by, _)| by == "network");
    assert!(eventually(is_network), "{:?}", verdict());
    fetch.kill().unwrap();
    fetch.wait().unwrap();
    server.stop();
}
