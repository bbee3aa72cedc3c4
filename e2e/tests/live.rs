//! `gannet PATH --live`: a browser that follows the files of a site while they are edited.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, authority::own_address, response::Bytes, webdriver::Browser};
use serde_json::json;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

const PAGE: &str = "<!doctype html>\n<title>Shop</title>\n\
    <link rel=\"stylesheet\" href=\"/style.css\">\n<body>\n<h1>open</h1>\n</body>\n</html>\n";

/// A site that is edited.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: e2e::folder() };
        desk.write("index.html", PAGE);
        desk.write("style.css", "h1 { color: rgb(1, 2, 3) }");
        desk.write("picture.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
        fs::create_dir_all(desk.path("below")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn serve(&self, args: &[&str]) -> Server {
        let root = self.folder.path().to_str().unwrap();
        Server::start(&[&[root, "--live"], args].concat())
    }
}

#[test]
fn a_page_shows_what_is_saved_without_anybody_asking() {
    let desk = Desk::new();
    let server = desk.serve(&[]);
    let browser = Browser::start();
    let shows = |heading: &str| {
        browser.wait_until(&format!("document.querySelector('h1')?.innerText === '{heading}'"));
    };
    browser.open(&format!("http://{}/", server.addr()));
    shows("open");

    desk.write("index.html", &PAGE.replace("open", "closed"));
    shows("closed");

    // A style sheet changes in the page that is there: what its reader has typed stays.
    browser.run("window.typed = 'much'");
    desk.write("style.css", "h1 { color: rgb(4, 5, 6) }");
    browser.wait_until("getComputedStyle(document.querySelector('h1')).color === 'rgb(4, 5, 6)'");
    browser.wait_until("document.querySelectorAll('link').length === 1");
    assert_eq!(browser.run("return window.typed"), json!("much"));
    // And once more, as some editors save: a file beside it, then renamed.
    desk.write("style.css.tmp", "h1 { color: rgb(7, 8, 9) }");
    fs::rename(desk.path("style.css.tmp"), desk.path("style.css")).unwrap();
    browser.wait_until("getComputedStyle(document.querySelector('h1')).color === 'rgb(7, 8, 9)'");
    assert_eq!(browser.run("return window.typed"), json!("much"));

    // What is not there yet, in a folder that is not there yet.
    browser.open(&format!("http://{}/new/page.html", server.addr()));
    assert!(browser.page_text().contains("404"));
    desk.write("new/page.html", &PAGE.replace("open", "new"));
    shows("new");
    desk.write("new/page.html", &PAGE.replace("open", "newer"));
    shows("newer");

    // A listing is a page as well.
    browser.open(&format!("http://{}/below/", server.addr()));
    desk.write("below/fresh.txt", "fresh");
    browser.wait_until("document.body.innerText.includes('fresh.txt')");
}

#[test]
fn an_application_that_was_opened_by_a_deep_link_follows_its_files() {
    let desk = Desk::new();
    let script = "document.querySelector('h1').innerText = location.pathname";
    desk.write("app.js", script);
    desk.write("index.html", &PAGE.replace("</body>", "<script src=\"/app.js\"></script></body>"));
    let server = desk.serve(&["--spa"]);
    let browser = Browser::start();
    let shows = |heading: &str| {
        browser.wait_until(&format!("document.querySelector('h1')?.innerText === '{heading}'"));
    };
    browser.open(&format!("http://{}/deep/link", server.addr()));
    shows("/deep/link");
    browser.run("window.typed = 'much'");
    desk.write("style.css", "h1 { color: rgb(4, 5, 6) }");
    browser.wait_until("getComputedStyle(document.querySelector('h1')).color === 'rgb(4, 5, 6)'");
    assert_eq!(browser.run("return window.typed"), json!("much"));
    desk.write("app.js", &format!("{script} + '!'"));
    shows("/deep/link!");
    assert!(browser.url().ends_with("/deep/link"), "{}", browser.url());
    assert_eq!(Client::connect(server.addr()).get("/gone.js").unwrap().status, 404);
}

#[test]
fn a_page_that_was_loaded_before_the_server_was_started_anew_is_loaded_again() {
    let desk = Desk::new();
    // Nobody else takes its port meanwhile.
    let address = own_address().to_string();
    let server = desk.serve(&["--bind", &address]);
    let port = server.addr().port().to_string();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.addr()));
    server.stop();
    desk.write("index.html", &PAGE.replace("open", "closed"));
    let root = desk.folder.path().to_str().unwrap();
    let args = [root, "--live", "--bind", &address, "--port", &port, "--log", "json"];
    let args = args.map(str::to_owned);
    let server = Launch::of(args.to_vec()).start();
    browser.wait_until("document.querySelector('h1')?.innerText === 'closed'");
    server.stop();
}

#[test]
fn only_pages_differ_from_what_is_sent_without_it() {
    let desk = Desk::new();
    desk.write("large.html", &format!("{PAGE}{}", "<p>much</p>\n".repeat(20_000)));
    desk.write("index.html.gz", "not what anybody should get");
    let server = desk.serve(&["--threads", "2"]);
    let mut client = Client::connect(server.addr());
    for (name, range) in [("/", "index.html"), ("/large.html", "large.html")] {
        let ask = format!(
            "GET {name} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\n\
             If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n"
        );
        client.send(ask).unwrap();
        let response = client.response().unwrap();
        let file = fs::read_to_string(desk.path(range)).unwrap();
        let text = response.text();
        let script = text.strip_prefix(&*file).unwrap_or_else(|| panic!("{name}: {response:?}"));
        let script = script.trim();
        assert!(script.starts_with("<script src=\"/.gannet/live.js?"), "{script}");
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.get("cache-control"), Some("no-store"));
        for absent in ["etag", "last-modified", "accept-ranges", "content-encoding"] {
            assert_eq!(response.get(absent), None, "{name}: {absent}");
        }
    }
    let style = client.get("/style.css").unwrap();
    assert_eq!(style.text(), "h1 { color: rgb(1, 2, 3) }");
    assert!(style.get("etag").is_some());
    assert_eq!(style.get("cache-control"), Some("no-cache"), "asked for again, then 304");
    let script = client.get("/.gannet/live.js").unwrap();
    assert_eq!(script.get("content-type"), Some("text/javascript; charset=utf-8"));
    for (target, status) in [("/.gannet/", 404), ("/.gannet/x", 404)] {
        assert_eq!(client.get(target).unwrap().status, status, "{target}");
    }
    for (method, status) in [("POST", 405), ("OPTIONS", 204)] {
        client.send(format!("{method} /.gannet/live HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        let response = client.response().unwrap();
        assert_eq!((response.status, response.get("allow")), (status, Some("GET, HEAD, OPTIONS")));
    }

    let plain = Server::start(&[desk.folder.path().to_str().unwrap()]);
    let mut client = Client::connect(plain.addr());
    assert_eq!(client.get("/").unwrap().text(), PAGE);
    assert_eq!(client.get("/.gannet/live").unwrap().status, 404);
    assert_eq!(client.get("/.gannet/live.js").unwrap().status, 404);
}

/// Listens to the changes; reads up to the end of the first event.
fn listen(server: &Server) -> Client {
    let mut client = Client::connect(server.addr());
    client.send("GET /.gannet/live HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read_event(&mut client).contains("event: number"));
    client
}

/// The text that comes up to the end of an event.
fn read_event(client: &mut Client) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n\r\n") {
        text.extend(client.line().unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_build_of_a_thousand_files_is_one_change() {
    let desk = Desk::new();
    let server = desk.serve(&["--threads", "2"]);
    let mut listeners = [listen(&server), listen(&server)];
    let mut pauses = 0;
    for number in 0..1000 {
        let start = Instant::now();
        desk.write(&format!("build/{}/{number}.html", number % 10), PAGE);
        // Who stops for so long in the middle may be taken to be done.
        pauses += usize::from(start.elapsed() > Duration::from_millis(50));
    }
    for client in &mut listeners {
        assert!(read_event(client).contains("event: page"));
    }
    // The next event is the next change, and no second part of the build.
    desk.write("style.css", "");
    for client in &mut listeners {
        let mut more = 0;
        while !read_event(client).contains("event: style") {
            more += 1;
            assert!(more <= pauses, "{more} parts with {pauses} pauses");
        }
    }
}

#[test]
fn a_stop_does_not_wait_for_those_who_listen() {
    let desk = Desk::new();
    let server = desk.serve(&["--threads", "2"]);
    let mut listeners = [listen(&server), listen(&server), listen(&server)];
    let begin = Instant::now();
    server.stop();
    // Half of what others have who are at something.
    assert!(begin.elapsed() < Duration::from_secs(15), "it took {:?}", begin.elapsed());
    for client in &mut listeners {
        assert_eq!(client.rest().unwrap(), b"0\r\n\r\n", "the stream ends in order");
    }
}

#[test]
fn the_start_line_says_what_is_watched() {
    let desk = Desk::new();
    let root = desk.folder.path().to_str().unwrap();
    let said = |launch: Launch| {
        let server = launch.start();
        let start = server.wait_for(|line| line["event"] == "start");
        assert_eq!(Client::connect(server.addr()).get("/").unwrap().status, 200);
        start["live"].as_str().map(str::to_owned)
    };
    let watched = said(Launch::quick(&[root, "--live"]));
    assert_eq!(watched.as_deref(), Some("pages follow their files in 2 folders"));
    assert_eq!(said(Launch::quick(&[root])), None);
}
