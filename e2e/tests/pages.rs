//! A site's own pages: for errors, for listings, and for the paths of an application that its
//! script draws.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Response, Server, Stopped, webdriver::Browser};
use serde_json::json;
use std::{fs, path::PathBuf};

/// A folder with a config, and what it names.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self { folder: e2e::folder() };
        for (name, content) in files {
            let path = place.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Serves `root`, with these lines in its site.
    fn serve(&self, lines: &str) -> Server {
        self.serve_by("threads = 1", lines)
    }

    /// The same with so many loops and workers.
    fn serve_by(&self, loops: &str, lines: &str) -> Server {
        let root = self.path("root");
        let lines = lines.replace("@", self.folder.path().to_str().unwrap());
        Server::run(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n{loops}\n\
             [site.default]\nroot = {root:?}\n{lines}\n"
        ))
    }
}

fn ask(server: &Server, head: &str) -> Response {
    let mut client = Client::connect(server.addr());
    client.send(format!("{head}\r\n\r\n")).unwrap();
    if head.starts_with("HEAD") {
        return client.response_to_head().unwrap();
    }
    client.response().unwrap()
}

/// The status and the content for a path.
fn get(server: &Server, path: &str) -> (u16, String) {
    let response = ask(server, &format!("GET {path} HTTP/1.1\r\nHost: a.example"));
    (response.status, response.text())
}

#[test]
fn a_page_can_name_the_exchange() {
    let place = Place::new(&[
        ("root/index.html", "home"),
        ("404.html.j2", "{% if request_id %}tell us {{ request_id }}{% else %}no id{% endif %}"),
    ]);
    let lines = "error-pages = { 404 = \"@/404.html.j2\" }";
    let server = place.serve(lines);
    assert_eq!(get(&server, "/nothing"), (404, "no id".to_owned()));
    server.stop();
    let root = place.path("root");
    let page = place.path("404.html.j2");
    let server = Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nrequest-id = true\n\
         [site.default]\nroot = {root:?}\nerror-pages = {{ 404 = {page:?} }}\n"
    ));
    let response = ask(&server, "GET /nothing HTTP/1.1\r\nHost: x");
    let id = response.get("x-request-id").unwrap().to_owned();
    assert_eq!(response.text(), format!("tell us {id}"));
    server.stop();
}

fn counted(stopped: &Stopped, counter: &str) -> u64 {
    stopped.lines.last().unwrap()[counter].as_u64().unwrap()
}

#[test]
fn the_most_exact_page_answers_an_error() {
    let place = Place::new(&[
        ("root/index.html", "home"),
        ("root/404.html", "the root's own"),
        ("pages/404.html.j2", "{{ status }} {{ reason }}: {{ method }} {{ path }} on {{ host }}"),
        ("pages/4xx.txt", "yours"),
        ("pages/any.json.j2", "{\"status\": {{ status }}, \"path\": {{ path }}}"),
    ]);
    let pages = "error-pages = { 404 = \"@/pages/404.html.j2\", 4xx = \"@/pages/4xx.txt\", \
                 any = \"@/pages/any.json.j2\" }\n\
                 [site.default.route.\"/gone\"]\nrespond = { status = 410 }\n\
                 [site.default.route.\"/down\"]\nrespond = { status = 503 }\n\
                 [site.default.route.\"/plain/*\"]\n\
                 error-pages = { 404 = \"\", 4xx = \"\", any = \"\" }\n\
                 [site.default.route.\"/other/*\"]\nerror-pages = { 404 = \"@/pages/4xx.txt\" }";
    for loops in ["threads = 1", "workers = 2\nthreads = 2"] {
        check_pages(&place.serve_by(loops, pages));
    }
}

fn check_pages(server: &Server) {
    let checked = |path: &str, status: u16, media_type: &str, text: &str| {
        let response = ask(server, &format!("GET {path} HTTP/1.1\r\nHost: a.example"));
        assert_eq!(response.status, status, "{path}");
        assert_eq!(response.get("content-type"), Some(media_type), "{path}");
        assert_eq!(response.text(), text, "{path}");
    };
    let (html, text, json) =
        ("text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json");
    checked("/", 200, html, "home");
    checked("/x/y", 404, html, "404 Not Found: GET &#x2f;x&#x2f;y on a.example");
    checked("/gone", 410, text, "yours");
    checked("/down", 503, json, "{\"status\": 503, \"path\": \"/down\"}");
    checked("/plain/x", 404, html, "the root's own");
    checked("/other/x", 404, text, "yours");

    let response = ask(server, "HEAD /x HTTP/1.1\r\nHost: a.example");
    assert_eq!(response.status, 404);
    let response = ask(server, "GET / HTTP/1.1\r\nHost: a.example\r\nIf-Match: \"other\"");
    assert_eq!((response.status, response.text().as_str()), (412, "yours"));
}

/// Threat 113: what a client sends is text in a page and never a part of the template.
#[test]
fn values_are_never_expanded_twice_and_never_markup() {
    let place = Place::new(&[("root/a", ""), ("404.html.j2", "<p>{{ path }}|{{ host }}</p>")]);
    let server = place.serve("error-pages = { 404 = \"@/404.html.j2\" }");
    for (path, shown) in [
        ("/%7B%7B%207*7%20%7D%7D", "&#x2f;{{ 7*7 }}"),
        ("/%7B%25%20if%20%25%7D", "&#x2f;{% if %}"),
        ("/%3Cscript%3E", "&#x2f;&lt;script&gt;"),
        ("/{host}", "&#x2f;{host}"),
    ] {
        assert_eq!(get(&server, path), (404, format!("<p>{shown}|a.example</p>")), "{path}");
    }
}

#[test]
fn explain_says_whose_page_answers_and_what_stands_for_a_missing_one() {
    let place = Place::new(&[("root/index.html", "app"), ("oops.txt", "oops")]);
    let (root, page) = (place.path("root"), place.path("oops.txt"));
    let config = format!(
        "[site.default]\nroot = {root:?}\nfallback = \"/index.html\"\n\
         error-pages = {{ 404 = {page:?} }}\n"
    );
    let file = place.path("site.toml");
    fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    for (path, expect) in [
        ("/deep/link", "/index.html in place of a page that is not there".to_owned()),
        ("/gone.js", "the site's own for 404 Not Found".to_owned()),
        ("/gone.js", format!("{file}:4:23")),
    ] {
        let url = format!("http://a.example{path}");
        let args = ["explain", &url, "-c", file].map(str::to_owned);
        let (code, stdout, stderr) = Launch::of(args.to_vec()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""), "{path}");
        assert!(stdout.contains(&expect), "{path}: {expect}: {stdout}");
    }
}

#[test]
fn a_template_that_fails_is_replaced_and_counted() {
    let place = Place::new(&[
        ("root/a.txt", ""),
        ("404.html.j2", "{% for n in range(path|length * 400) %}{{ n }},{% endfor %}"),
        ("listing.html.j2", "{% if sort == 'size' %}{{ entries[99].name }}{% endif %}listed"),
    ]);
    let server = place.serve(
        "listing = true\nlisting-template = \"@/listing.html.j2\"\n\
         error-pages = { 404 = \"@/404.html.j2\" }",
    );
    let (status, text) = get(&server, "/x");
    assert_eq!((status, text.split(',').count()), (404, 801));
    let (status, text) = get(&server, &format!("/{}", "x".repeat(2000)));
    assert!(status == 404 && text.contains("Check its spelling"), "{text}");
    assert_eq!(get(&server, "/"), (200, "listed".to_owned()));
    let (status, text) = get(&server, "/?sort=size");
    assert!(status == 200 && text.contains("Index of"), "{text}");
    assert_eq!(counted(&server.stop(), "templates_failed"), 2);
}

#[test]
fn a_listing_by_a_template_has_all_values() {
    let template = "{{ path }} {{ sort }} {{ order }} {{ left_out }}:\
        {% for e in entries %} [{{ e.name }} {{ e.href }} {{ e.is_folder }} {{ e.size }} \
        {{ e.size_text }} {{ e.modified[:4] }}]{% endfor %}";
    let place = Place::new(&[
        ("root/a/<b> ü.txt", "1234"),
        ("root/a/sub/x", ""),
        ("root/a/.hidden", ""),
        ("listing.html.jinja", template),
    ]);
    let server = place.serve("listing = true\nlisting-template = \"@/listing.html.jinja\"");
    let (status, text) = get(&server, "/a/?sort=size&order=desc");
    assert_eq!(status, 200);
    let text = text.replace("&#x2f;", "/").replace('\u{a0}', " ");
    let year = &text[text.len() - 5..text.len() - 1];
    let expect = format!(
        "/a/ size desc 0: [sub/ sub/ True None  {year}] \
         [&lt;b&gt; ü.txt %3Cb%3E%20%C3%BC.txt False 4 4 B {year}]"
    );
    assert_eq!(text, expect);
    let response =
        ask(&server, "GET /a/ HTTP/1.1\r\nHost: a.example\r\nAccept: application/json, */*");
    assert_eq!(response.get("content-type"), Some("application/json"));
}

/// What a browser sends for a page, a script and a picture.
const ACCEPTS: [&str; 3] = ["text/html,*/*;q=0.8", "*/*", "image/avif,image/webp,image/*;q=0.8"];

#[test]
fn a_fallback_is_for_pages_alone() {
    let place = Place::new(&[
        ("root/index.html", "app"),
        ("root/app.js", "run()"),
        ("root/assets/logo.svg", "<svg/>"),
    ]);
    let server = place.serve("fallback = \"/index.html\"");
    let [page, any, image] = ACCEPTS;
    for (method, path, accept, status) in [
        ("GET", "/", page, 200),
        ("GET", "/deep/link", page, 200),
        ("GET", "/deep/link/", any, 200),
        ("HEAD", "/deep/link", page, 200),
        ("GET", "/old.html", page, 200),
        ("GET", "/assets/", page, 200),
        ("GET", "/app.js", any, 200),
        ("GET", "/gone.js", any, 404),
        ("GET", "/gone.css", page, 404),
        ("GET", "/gone.css/", page, 404),
        ("GET", "/assets/gone.svg", image, 404),
        ("GET", "/deep/link", image, 404),
        ("GET", "/api/item", "application/json", 404),
        ("GET", "/.git/config", page, 404),
        ("GET", "/x.php", page, 404),
        ("GET", "/x%2Fy", page, 404),
        ("POST", "/deep/link", page, 405),
    ] {
        for _ in 0..2 {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}");
            let coded = format!("{head}\r\nAccept-Encoding: gzip");
            for head in [&head, &coded] {
                let response = ask(&server, head);
                assert_eq!(response.status, status, "{head}");
                // Where the field decides, and only there, caches have to know.
                let varies = response.fields.iter().any(|(n, v)| n == "vary" && v == "accept");
                let is_decided = !matches!(path, "/" | "/.git/config" | "/x%2Fy")
                    && method != "POST"
                    && (path.ends_with(".html") || !path.contains('.'));
                assert_eq!(varies, is_decided, "{head}");
                if method == "GET" && status == 404 {
                    assert!(!response.text().contains("app"), "{head}: {}", response.text());
                }
            }
        }
    }
    assert_eq!(get(&server, "/deep/link"), (200, "app".to_owned()));
    let etag = |path: &str| {
        let response = ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: a"));
        response.get("etag").unwrap().to_owned()
    };
    assert_eq!(etag("/deep/link"), etag("/"));

    fs::remove_file(place.path("root/index.html")).unwrap();
    // A file is looked at once in a tick of the clock.
    let is_missing = || get(&server, "/deep/link").0 == 404;
    assert!(e2e::eventually(is_missing), "a fallback that is missing itself");
}

#[test]
fn the_slash_at_the_end_is_as_the_config_has_it() {
    let place = Place::new(&[
        ("root/index.html", "home"),
        ("root/docs/index.html", "docs"),
        ("root/page.html", "page"),
        ("root/LICENSE", "terms"),
    ]);
    let check = |lines: &str, asks: &[(&str, u16, &str)]| {
        let server = place.serve(lines);
        for &(path, status, expect) in asks {
            for _ in 0..2 {
                let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br");
                let response = ask(&server, &head);
                assert_eq!(response.status, status, "{lines}: {path}");
                match response.get("location") {
                    Some(location) => assert_eq!(location, expect, "{lines}: {path}"),
                    None if status == 200 => assert_eq!(response.text(), expect, "{lines}: {path}"),
                    None => assert_eq!(expect, "", "{lines}: {path} leads nowhere"),
                }
            }
        }
    };
    check(
        "fallback = \"/index.html\"",
        &[
            ("/docs", 301, "/docs/"),
            ("/docs/", 200, "docs"),
            ("/deep", 200, "home"),
            ("/deep/", 200, "home"),
        ],
    );
    check(
        "trailing-slash = \"remove\"\nfallback = \"/index.html\"",
        &[
            ("/", 200, "home"),
            ("/docs", 200, "docs"),
            ("/docs/?a=b", 308, "/docs?a=b"),
            ("/deep/link/", 308, "/deep/link"),
            ("/deep/link", 200, "home"),
            ("//evil.example/", 308, "/evil.example"),
            ("/%2Fevil.example/", 404, ""),
            ("/%5Cevil.example/", 308, "/%5Cevil.example"),
            ("/a/..//evil.example/", 308, "/evil.example"),
        ],
    );
    check(
        "trailing-slash = \"add\"\nfallback = \"/index.html\"",
        &[
            ("/docs", 301, "/docs/"),
            ("/LICENSE", 200, "terms"),
            ("/page.html", 200, "page"),
            ("/deep/link?a=b", 308, "/deep/link/?a=b"),
            ("/deep/link/", 200, "home"),
            ("/gone.js", 404, ""),
        ],
    );
}

/// What one site makes of a folder without its slash is nothing to another of the same files.
#[test]
fn the_slash_at_the_end_is_a_matter_of_each_site() {
    let place = Place::new(&[("root/docs/index.html", "docs")]);
    let root = place.path("root");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\nthreads = 1\n\
         [site.\"bare.example\"]\nroot = {root:?}\ntrailing-slash = \"remove\"\n\
         [site.default]\nroot = {root:?}\n"
    );
    let server = Server::run(&config);
    let ask = |host: &str, path: &str| {
        ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: {host}")).status
    };
    for _ in 0..2 {
        assert_eq!(ask("bare.example", "/docs"), 200);
        assert_eq!(ask("other.example", "/docs"), 301);
        assert_eq!(ask("other.example", "/docs/"), 200);
        assert_eq!(ask("bare.example", "/docs/"), 308);
    }
}

#[test]
fn a_browser_opens_a_deep_link_of_an_application() {
    let file = e2e::binary::workspace().join("examples/app");
    let server = Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n\
         [site.default]\nroot = {file:?}\nfallback = \"/index.html\"\n"
    ));
    let browser = Browser::start();
    browser.open(&format!("http://{}/notes/herring", server.addr()));
    assert!(browser.page_text().contains("Off the Bass Rock, at dawn."));
    browser.click("nav a[href='/notes/weather']");
    browser.wait_until("document.querySelector('h1').innerText === 'weather'");
    assert_eq!(browser.run("return location.pathname"), json!("/notes/weather"));
    assert_eq!(browser.complaints(), [""; 0]);
    let status = browser.run_until_done(
        "fetch('/assets/gone.js').then(async (answer) =>
             done([answer.status, (await answer.text()).includes('app.js')]))",
    );
    assert_eq!(status, json!([404, false]), "a script that is missing is missing");
}

#[test]
fn pages_from_templates_are_read_on_a_phone_and_a_desk_in_light_and_dark() {
    let examples = e2e::binary::workspace().join("examples");
    let (root, pages) = (examples.join("site/gallery"), examples.join("pages"));
    let pages = pages.to_str().unwrap();
    let server = Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n[site.default]\nroot = {root:?}\n\
         listing = true\nlisting-template = \"{pages}/listing.html.jinja\"\n\
         error-pages = {{ 404 = \"{pages}/404.html.jinja\" }}\n"
    ));
    let browser = Browser::start();
    let mut colours = Vec::new();
    for (look, width, is_dark) in [
        ("desk", 1280, false),
        ("desk-dark", 1280, true),
        ("phone", 360, false),
        ("phone-dark", 360, true),
    ] {
        browser.set_look(width, is_dark);
        for (path, name, words) in [
            ("", "listing", "overhead.svg"),
            ("no/such/fish", "error", "There is no /no/such/fish on"),
        ] {
            browser.open(&format!("http://{}/{path}", server.addr()));
            browser.take_picture(&format!("template-{name}-{look}"));
            assert!(browser.page_text().contains(words), "{}", browser.page_text());
            let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert_eq!(browser.run(fits), true, "{name} on a {look}: no scrolling sideways");
        }
        colours.push(browser.run("return getComputedStyle(document.querySelector('h1')).color"));
    }
    assert_ne!(colours[0], colours[1], "dark differs from light");
    assert_eq!(colours[0], colours[2]);
}
