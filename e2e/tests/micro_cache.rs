//! Pages that are kept for a moment: who gets them, who never does, and what an application is
//! asked meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Php, Response, Server,
    application::{Asked, answer, end, output},
    eventually,
    secure::Certificates,
};
use rustix::process::Signal;
use std::{
    fs,
    io::Write,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// An application that numbers its answers, and what it was asked.
struct Counting {
    application: Application,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Counting {
    /// `head` says which fields an answer has.
    fn start(head: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let list = Arc::clone(&asked);
        let application = Application::start(move |asked, stream| {
            let number = {
                let mut list = list.lock().unwrap();
                list.push(asked.clone());
                list.len()
            };
            let fields = head(asked);
            answer(stream, format!("Content-Type: text/plain\r\n{fields}\r\n{number}").as_bytes());
        });
        Self { application, asked }
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn site() -> TempDir {
    let folder = e2e::folder();
    for name in ["index.php", "admin.php"] {
        fs::write(folder.path().join(name), "<?php SECRET").unwrap();
    }
    folder
}

/// The table of a site that keeps pages as `words` say.
fn keeping(folder: &TempDir, application: &Application, words: &str) -> String {
    format!("root = {:?}\n{}", folder.path(), application.setting(words))
}

fn serve(folder: &TempDir, application: &Application, words: &str) -> Server {
    let table = keeping(folder, application, words);
    Server::run(&format!("[server]\nlisten = '127.0.0.1:0'\n[site.default]\n{table}"))
}

/// Asks with these lines of a head, of which the first names method and target.
fn ask(client: &mut Client, lines: &str) -> Response {
    let (line, fields) = lines.split_once('\n').unwrap_or((lines, ""));
    let host = if fields.starts_with("Host:") { "" } else { "Host: localhost\r\n" };
    let fields: String = fields.lines().map(|line| format!("{line}\r\n")).collect();
    client.send(format!("{line} HTTP/1.1\r\n{host}{fields}\r\n")).unwrap();
    let is_head = line.starts_with("HEAD");
    if is_head { client.response_to_head().unwrap() } else { client.response().unwrap() }
}

fn said(response: &Response) -> &str {
    response.get("cache-status").unwrap_or("nothing")
}

const HOUR: &str = "micro-cache = '1h'";
const HIT: &str = "gannet; hit";
const MISS: &str = "gannet; fwd=miss";
const BYPASS: &str = "gannet; fwd=bypass";

#[test]
fn only_who_cannot_be_told_from_another_gets_what_that_one_got() {
    let (site, counting) = (site(), Counting::start(|_| String::new()));
    let server = serve(&site, &counting.application, HOUR);
    let mut client = Client::connect(server.addr());
    let mut check = |lines: &str, expect: &str| {
        let before = counting.count();
        let response = ask(&mut client, lines);
        assert_eq!((response.status, said(&response)), (200, expect), "{lines}");
        let is_asked = counting.count() > before;
        assert_eq!(is_asked, expect != HIT, "{lines}");
        if !is_asked && !lines.starts_with("HEAD") {
            assert!(response.get("age").is_some(), "{lines}");
        }
    };
    check("GET /a", MISS);
    for usual in [
        "GET /a",
        "HEAD /a",
        "GET /a\nUser-Agent: x\nReferer: http://a/\nSec-Fetch-Mode: navigate",
        "GET /a\nCache-Control: no-cache\nPragma: no-cache\nAccept-Encoding: gzip",
        "GET /a\nX-Forwarded-For: 192.0.2.1",
    ] {
        check(usual, HIT);
    }
    for own in [
        "GET /a\nCookie: session=1",
        "GET /a\ncookie:",
        "HEAD /a\nCookie: session=1",
        "GET /a\nAuthorization: Bearer x",
        "POST /a\nContent-Length: 0",
        "GET /a\nTransfer-Encoding: chunked\n\n0",
        "OPTIONS /a",
    ] {
        check(own, BYPASS);
    }
    for other in [
        "GET /b",
        "GET /a?",
        "GET /a?x=1&y=2",
        "GET /a?y=2&x=1",
        "GET /%61",
        "GET /a\nHost: other",
        "GET /a\nHost: LOCALHOST",
        "GET /a\nHost: localhost:81",
        "GET /a\nAccept: application/json",
        "GET /a\nAccept-Language: de",
        "GET /a\nX-Forwarded-Proto: https",
        "GET /a\nX-Forwarded-Host: evil",
        "GET /a\nOrigin: http://b",
        "GET /a\nX-Requested-With: XMLHttpRequest",
    ] {
        check(other, MISS);
        check(other, HIT);
    }
    check("HEAD /c", MISS);
    check("HEAD /c", MISS);
}

/// A program that sends visitors of `http` to `https` must not send those of `https` there as well.
#[test]
fn what_was_said_in_clear_is_said_to_nobody_who_came_by_tls_and_the_other_way_round() {
    let certificates = Certificates::new();
    certificates.make("a", "ec", &["a.example"]);
    let fields = |asked: &Asked| format!("X-Https: <{}>\r\n", asked.get("HTTPS"));
    let (site, counting) = (site(), Counting::start(fields));
    let server = Server::run(&format!(
        "[server]\nlisten = [{{ address = '127.0.0.1:0', tls = true }}, \
         '127.0.0.1:0', '127.0.0.1:0']\n[site.'a.example']\n{}\
         tls = {{ {}, redirect = false }}\n",
        keeping(&site, &counting.application, HOUR),
        certificates.words("a")
    ));
    let start = server.wait_for(|line| line["event"] == "start");
    let clear = [1, 2].map(|at| start["listens"][at].as_str().unwrap().parse().unwrap());
    let visitor = certificates.visitor(&["a"]);
    let secure = || visitor.get(server.addr(), "a.example", "/").unwrap();
    let clear = |at: usize| ask(&mut Client::connect(clear[at]), "GET /\nHost: a.example");
    for round in 0..2 {
        let expect = if round == 0 { MISS } else { HIT };
        let answers = [clear(0), secure(), clear(1)];
        let told = answers.each_ref().map(|answer| (said(answer), answer.get("x-https")));
        assert_eq!(told, [(expect, Some("<>")), (expect, Some("<on>")), (expect, Some("<>"))]);
        assert_eq!(answers.map(|answer| answer.text()), ["1", "2", "3"]);
    }
    assert_eq!(counting.count(), 3);
}

#[test]
fn an_answer_that_is_for_somebody_is_given_to_nobody_else() {
    let (site, counting) = (site(), Counting::start(named));
    let server = serve(&site, &counting.application, HOUR);
    let mut client = Client::connect(server.addr());
    let mut bodies = |query: &str| {
        let mut body = || ask(&mut client, &format!("GET /?{query}")).text();
        (body(), body())
    };
    for query in [
        "Set-Cookie:a=b",
        "Cache-Control:private",
        "Cache-Control:no-store",
        "Cache-Control:no-cache,+must-revalidate,+max-age=0",
        "Cache-Control:max-age=0",
        "Pragma:no-cache",
        "Expires:Wed,+11+Jan+1984+05:00:00+GMT",
        "Expires:0",
        "Vary:*",
        "Vary:Cookie",
        "Vary:Accept-Language",
        "Content-Encoding:x",
        "Status:500",
        "Status:503",
        "Status:403",
        "Status:302",
    ] {
        let (first, second) = bodies(query);
        assert_ne!(first, second, "{query}");
    }
    for query in ["Vary:Accept-Encoding", "Cache-Control:max-age=60", "Status:404", "X-Any:thing"] {
        let (first, second) = bodies(query);
        assert_eq!(first, second, "{query}");
    }
}

/// Fields of an answer as its query has them.
fn named(asked: &Asked) -> String {
    format!("{}\r\n", asked.get("QUERY_STRING").replace('+', " ").replace('|', "\r\n"))
}

#[test]
fn the_age_that_an_answer_has_already_counts() {
    let (site, counting) = (site(), Counting::start(named));
    let server = serve(&site, &counting.application, HOUR);
    let mut client = Client::connect(server.addr());
    let mut ages = |query: &str| {
        let target = format!("GET /?{query}");
        [(); 2].map(|()| {
            let response = ask(&mut client, &target);
            let ages = response.fields.iter().filter(|(name, _)| name == "age");
            let ages: Vec<u64> = ages.map(|(_, age)| age.parse().unwrap()).collect();
            (said(&response).to_owned(), ages)
        })
    };
    let [first, second] = ages("Age:+100|Cache-Control:+max-age=3600");
    assert_eq!(first, (MISS.to_owned(), vec![100]));
    assert!(second.0 == HIT && second.1.len() == 1 && second.1[0] >= 100, "{second:?}");
    let over = (MISS.to_owned(), vec![100]);
    assert_eq!(ages("Age:+100|Cache-Control:+max-age=60"), [over.clone(), over]);
}

#[test]
fn who_has_changed_a_page_sees_it_changed() {
    let (site, counting) = (site(), Counting::start(named));
    let server = serve(&site, &counting.application, HOUR);
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, method: &str, expect: &str| {
        for fields in ["", "\nAccept: text/plain"] {
            ask(&mut client, &format!("GET {target}{fields}"));
            assert_eq!(said(&ask(&mut client, &format!("GET {target}{fields}"))), HIT);
        }
        let lines = format!("{method} {target}\nContent-Length: 0");
        assert_eq!(said(&ask(&mut client, &lines)), BYPASS, "{method} {target}");
        for fields in ["", "\nAccept: text/plain"] {
            let page = ask(&mut client, &format!("GET {target}{fields}"));
            assert_eq!(said(&page), expect, "{method} {target} {fields}");
        }
    };
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        check("/a", method, MISS);
        check("/?Status:+301|Location:+/b", method, MISS);
        // It was not done.
        check("/?Status:+404", method, HIT);
    }
    check("/a", "OPTIONS", HIT);
    // That is another page.
    assert_eq!(said(&ask(&mut client, "POST /a?X-Any:+thing\nContent-Length: 0")), BYPASS);
    assert_eq!(said(&ask(&mut client, "GET /a")), HIT);
}

#[test]
fn sites_guards_and_denied_folders_are_apart() {
    let (site, counting) = (site(), Counting::start(|_| String::new()));
    let table = keeping(&site, &counting.application, HOUR);
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\n[site.'a.test']\n{table}php-deny = '/admin.php'\n\
         [site.'a.test'.route.'/x']\ndeny = '127.0.0.1'\n[site.'b.test']\n{table}\
         [site.'c.test']\n{table}[site.'c.test'.route.'/index.php']\ndeny = '127.0.0.2'\n"
    ));
    let mut client = Client::connect(server.addr());
    let mut status = |host: &str, target: &str| {
        let response = ask(&mut client, &format!("GET {target}\nHost: {host}"));
        (response.status, response.text())
    };
    assert_eq!(status("a.test", "/"), (200, "1".to_owned()));
    assert_eq!(status("b.test", "/"), (200, "2".to_owned()));
    assert_eq!(status("a.test", "/"), (200, "1".to_owned()));
    assert_eq!(status("b.test", "/x"), (200, "3".to_owned()));
    assert_eq!(status("a.test", "/x").0, 403);
    assert_eq!(status("b.test", "/admin.php"), (200, "4".to_owned()));
    assert_eq!(status("a.test", "/admin.php").0, 404);
    // The guards of the program's own path are asked of everybody, page or no page.
    assert_eq!(status("c.test", "/"), (200, "5".to_owned()));
    let mut other = Client::connect_from([127, 0, 0, 2].into(), server.addr());
    assert_eq!(ask(&mut other, "GET /\nHost: c.test").status, 403);
    assert_eq!(ask(&mut other, "GET /\nHost: a.test").text(), "1");
    assert_eq!(counting.count(), 5);
}

/// A gate that requests wait at.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (is_open, opened) = &*self.0;
        drop(opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[test]
fn one_asks_for_all_who_come_meanwhile() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let (site, counting) = (
        site(),
        Counting::start(move |_| {
            waiting.pass();
            String::new()
        }),
    );
    let server = serve(&site, &counting.application, HOUR);
    let mut clients: Vec<Client> = (0..50).map(|_| Client::connect(server.addr())).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    assert!(eventually(|| counting.count() > 0));
    // The first one leaves, who may be the one that asks; those who stay hear of it all the same.
    clients.remove(0).abort();
    gate.open();
    for client in &mut clients {
        let response = client.response().unwrap();
        assert_eq!((response.status, &*response.text()), (200, "1"));
    }
    assert_eq!(counting.count(), 1);
}

#[test]
fn who_asks_for_what_is_not_kept_waits_for_nobody() {
    let gate = Gate::default();
    let (waiting, asked) = (gate.clone(), Arc::<AtomicUsize>::default());
    let number = Arc::clone(&asked);
    let fields = move |_: &Asked| {
        if number.fetch_add(1, SeqCst) > 0 {
            waiting.pass();
        }
        "Cache-Control: private\r\n".to_owned()
    };
    let (site, counting) = (site(), Counting::start(fields));
    let server = serve(&site, &counting.application, HOUR);
    ask(&mut Client::connect(server.addr()), "GET /");
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(server.addr())).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    assert!(eventually(|| asked.load(SeqCst) == 11), "all are with the application at once");
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().unwrap().status, 200);
    }
}

#[test]
fn an_old_page_is_sent_while_one_asks_for_another_or_in_vain() {
    let gate = Gate::default();
    let (waiting, asked) = (gate.clone(), Arc::<AtomicUsize>::default());
    let number = Arc::clone(&asked);
    let fields = move |_: &Asked| match number.fetch_add(1, SeqCst) {
        0 => String::new(),
        1 => {
            waiting.pass();
            String::new()
        }
        _ => "Status: 503\r\n".to_owned(),
    };
    let (site, counting) = (site(), Counting::start(fields));
    let words = "micro-cache = '100ms', micro-cache-stale = '1h'";
    let server = serve(&site, &counting.application, words);
    let mut client = Client::connect(server.addr());
    let mut page = || {
        let response = ask(&mut client, "GET /");
        assert_eq!(response.status, 200);
        response.text()
    };
    assert_eq!(page(), "1");
    assert!(eventually(|| {
        assert_eq!(page(), "1");
        asked.load(SeqCst) == 2
    }));
    assert_eq!(page(), "1");
    gate.open();
    assert!(eventually(|| page() == "2"));
    // Whatever it says from now on is no page.
    assert!(eventually(|| {
        assert_eq!(page(), "2");
        asked.load(SeqCst) > 2
    }));
    assert_eq!(page(), "2");
}

/// No more can be asked just now; who asks for what is not kept is told to come again.
#[test]
fn an_old_page_is_sent_while_php_has_too_much_to_do() {
    let (gate, number) = (Gate::default(), AtomicUsize::new(0));
    let waiting = gate.clone();
    let fields = move |asked: &Asked| {
        if asked.get("REQUEST_URI") == "/slow" {
            waiting.pass();
        }
        number.fetch_add(1, SeqCst);
        String::new()
    };
    let (site, counting) = (site(), Counting::start(fields));
    let words = "requests-max = 1, micro-cache = '100ms', micro-cache-stale = '1h'";
    let server = serve(&site, &counting.application, words);
    let mut client = Client::connect(server.addr());
    assert_eq!(ask(&mut client, "GET /").text(), "1");
    let mut slow = Client::connect(server.addr());
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(eventually(|| counting.count() == 2));
    let refused = ask(&mut client, "GET /other");
    assert_eq!((refused.status, refused.get("retry-after")), (503, Some("1")));
    // It is old by now, or soon is.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        let page = ask(&mut client, "GET /");
        assert_eq!((page.status, &*page.text()), (200, "1"));
    }
    gate.open();
    assert_eq!(slow.response().unwrap().status, 200);
    assert!(eventually(|| ask(&mut client, "GET /").text() != "1"));
}

/// What a program may say of the words of one visitor is said to nobody else.
#[test]
fn who_asks_for_all_tells_nothing_that_is_no_part_of_the_key() {
    let fields = |asked: &Asked| {
        let told: Vec<_> =
            asked.variables.keys().filter(|name| name.starts_with("HTTP_")).collect();
        format!("X-Told: {}\r\n", told.into_iter().cloned().collect::<Vec<_>>().join(" "))
    };
    let (site, counting) = (site(), Counting::start(fields));
    let server = serve(&site, &counting.application, HOUR);
    let mut client = Client::connect(server.addr());
    let lines = "GET /\nReferer: http://evil/\nX-Forwarded-For: 192.0.2.1\nX-Real-IP: 192.0.2.1\n\
                 Via: 1.1 evil\nSec-Fetch-Site: cross-site\nPragma: evil\nUser-Agent: x\n\
                 Accept: text/html\nX-Own: 1";
    let page = ask(&mut client, lines);
    let told = "HTTP_ACCEPT HTTP_HOST HTTP_USER_AGENT HTTP_X_OWN";
    assert_eq!((said(&page), page.get("x-told")), (MISS, Some(told)));
    // Whoever asks alone is told of with all that is said.
    let own = ask(&mut client, &format!("{lines}\nCookie: a=b"));
    assert!(own.get("x-told").unwrap().contains("HTTP_REFERER"), "{own:?}");
}

/// Its own visitor waits for a page that comes bit by bit for a moment, and others not at all then.
#[test]
fn a_page_that_comes_slowly_is_passed_on_as_it_comes() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let application = Application::start(move |_, stream| {
        let head = output(b"Content-Type: text/plain\r\n\r\nbegun");
        stream.write_all(&head).unwrap();
        gone.lock().unwrap().recv().unwrap();
        stream.write_all(&[output(b" ended"), end(0)].concat()).unwrap();
    });
    let site = site();
    let server = serve(&site, &application, HOUR);
    // The first one looks whether it is there in time; the others know better.
    let mut times = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(server.addr());
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let start = Instant::now();
        let mut seen = Vec::new();
        while !seen.ends_with(b"begun") {
            seen.extend(client.take(1).unwrap());
        }
        times.push(start.elapsed());
        go.send(()).unwrap();
        client.abort();
    }
    // Five seconds are waited for; a machine may be too busy for one of the others, but not each.
    assert!(times[0] < Duration::from_secs(20), "{times:?}");
    assert!(times[1..].iter().any(|time| *time < Duration::from_secs(2)), "{times:?}");
}

/// A file that has to be looked for first.
#[test]
fn it_is_told_once_where_an_answer_comes_from() {
    let files = e2e::folder();
    fs::write(files.path().join("large"), vec![b'x'; 300_000]).unwrap();
    let (site, counting) = (site(), Counting::start(|_| "X-Accel-Redirect: /large\r\n".to_owned()));
    let words = format!("{HOUR}, send-root = {:?}", files.path());
    let server = serve(&site, &counting.application, &words);
    let sent = ask(&mut Client::connect(server.addr()), "GET /");
    let told = sent.fields.iter().filter(|(name, _)| name == "cache-status");
    assert_eq!((sent.body.len(), told.count()), (300_000, 1));
}

#[test]
fn a_page_that_is_too_old_is_nobodys() {
    let (site, counting) = (site(), Counting::start(|_| String::new()));
    let words = "micro-cache = '100ms', micro-cache-stale = '0s'";
    let server = serve(&site, &counting.application, words);
    let mut client = Client::connect(server.addr());
    assert_eq!(ask(&mut client, "GET /").text(), "1");
    let mut last = None;
    assert!(eventually(|| {
        last = Some(ask(&mut client, "GET /"));
        last.as_ref().is_some_and(|last| last.text() == "2")
    }));
    assert_eq!(said(&last.unwrap()), MISS);
}

#[test]
fn a_reload_begins_with_nothing() {
    let (site, counting) = (site(), Counting::start(|_| String::new()));
    let server = serve(&site, &counting.application, HOUR);
    let page = || ask(&mut Client::connect(server.addr()), "GET /").text();
    assert_eq!((page(), page()), ("1".to_owned(), "1".to_owned()));
    server.signal(Signal::HUP);
    assert!(eventually(|| page() == "2"));
}

#[test]
fn a_page_of_php_is_sent_in_each_coding_in_part_and_not_twice_to_who_has_it() {
    const PAGE: &str = "<?php header('ETag: \"1\"'); header('Content-Type: text/html');
        echo uniqid('', true), str_repeat('<p>The gannet folds its wings.</p>', isset($_GET['large']) ? 5000 : 500);";
    const LOGIN: &str = "<?php session_start(); echo uniqid('', true);";
    let (folder, php) = (e2e::folder(), Php::start(2, ""));
    fs::write(folder.path().join("index.php"), PAGE).unwrap();
    fs::write(folder.path().join("login.php"), LOGIN).unwrap();
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\n[site.default]\nroot = {:?}\n\
         php = {{ socket = {:?}, {HOUR} }}\n",
        folder.path(),
        php.socket()
    ));
    let mut client = Client::connect(server.addr());
    let first = ask(&mut client, "GET /\nIf-None-Match: \"1\"\nRange: bytes=0-9");
    assert_eq!((first.status, said(&first)), (200, MISS));
    let whole = ask(&mut client, "GET /");
    assert_eq!((said(&whole), whole.text()), (HIT, first.text()));
    assert_eq!(whole.get("vary"), Some("accept-encoding"));
    for coding in ["gzip", "zstd"] {
        let lines = format!("GET /\nAccept-Encoding: {coding}");
        let (coded, again) = (ask(&mut client, &lines), ask(&mut client, &lines));
        assert_eq!((coded.get("content-encoding"), said(&coded)), (Some(coding), HIT));
        let tag = "W/\"1\"";
        assert_eq!(coded.get("etag"), Some(tag));
        assert!(coded.body.len() < whole.body.len() / 10 && coded.body == again.body);
        let known = ask(&mut client, &format!("{lines}\nIf-None-Match: {tag}"));
        assert_eq!((known.status, said(&known)), (304, HIT));
        assert_eq!(known.get("etag"), Some(tag));
    }
    let part = ask(&mut client, "GET /\nRange: bytes=1-3");
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[1..4]));
    let whole_of = |range| format!("GET /\nAccept-Encoding: gzip\nRange: {range}");
    let coded = ask(&mut client, &whole_of("lines=1-3"));
    assert_eq!((coded.status, coded.get("content-encoding")), (200, Some("gzip")));
    let part = ask(&mut client, &whole_of("bytes=1-3"));
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[1..4]));
    let head = ask(&mut client, "HEAD /");
    assert_eq!(head.get("content-length"), Some(&*whole.body.len().to_string()));
    let miss = ask(&mut client, "GET /?large\nAccept-Encoding: gzip");
    let large = ask(&mut client, "GET /?large");
    assert_eq!((miss.get("content-encoding"), said(&miss)), (Some("gzip"), MISS));
    assert_eq!((large.body.len() > 150_000, said(&large)), (true, HIT));
    let mut login = || ask(&mut client, "GET /login.php").text();
    assert_ne!(login(), login());
}
