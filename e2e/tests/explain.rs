//! `gannet explain` says what a running server answers, and names the line that is the reason.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site};
use serde_json::Value;
use std::{fs, os::unix::fs::symlink, thread};

/// Requests that are compared.
const REQUESTS: usize = 1000;

const CONFIG: &str = r#"
trusted-proxies = ["127.0.0.1"]
[site.default]
root = "ROOT"
listing = true
fields = { X-Site = "default", X-Host = "{host}" }
security = "strict"

[site."a.example"]
aliases = ["*.a.example"]
redirect-from = ["old.example"]
root = "ROOT"
cache-control = "max-age=60"
fields = { Last-Modified = "" }
error-pages = { 404 = "ROOT/page.html", 4xx = "ROOT/../oops.html.jinja" }
[site."a.example".route]
"/sub/*" = { fields = { X-Sub = "1" }, index = ["page.txt"] }
"/img/*" = { rewrite = "/sub/{rest}" }
"/old/*" = { redirect = "/new/{rest}", bandwidth = "99MiB/s" }
"/i/*" = { alias = "ROOT/img", cache-control = "no-store" }
"/empty.txt/*" = { fallback = "/page.html", trailing-slash = "remove" }
"*.css" = { fields.X-Css = "yes" }
"/list/x" = { compress.codings = "gzip" }
"POST /form" = { respond = "thanks" }
"/admin/*" = { allow = "10.0.0.0/8" }
"/list/*" = { listing = true, methods = ["GET"], limit = { rate = "99999/s", burst = 9999 } }
"/crowd/*" = { auth = "USERS", cors = { origins = "https://app.example.com", credentials = true } }
"/nothing/*" = { cors = "*", fallback = "/page.html", trailing-slash = "add", error-pages.404 = "" }
"/page.html" = { redirect = { to = "https://b.example/{path}", status = "found" } }
[[site."a.example".route."/data.json".when]]
fields.X-Preview = "*"
then.respond = { status = 202, text = "{client}", type = "application/json" }
"#;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn pick<'t>(&mut self, among: &[&'t str]) -> &'t str {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        among[(self.0 >> 33) as usize % among.len()]
    }
}

struct Asked {
    host: &'static str,
    method: &'static str,
    target: String,
    fields: Vec<&'static str>,
}

fn generate(numbers: &mut Numbers) -> Asked {
    let host = numbers.pick(&["a.example", "x.a.example", "old.example", "b.example", "localhost"]);
    let method = numbers.pick(&["GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"]);
    let first = numbers.pick(&[
        "/",
        "/sub",
        "/sub/",
        "/img/",
        "/img",
        "/old/",
        "/i/",
        "/admin/",
        "/list/",
        "/form",
        "//sub//",
        "/./sub/",
        "/%73ub/",
        "/.git/",
        "/%2e%2e/",
        "/crowd/",
        "/nothing/",
        "/nothing",
        "/empty.txt/",
        "/empty.txt/x/",
    ]);
    let second = numbers.pick(&[
        "",
        "",
        "page.txt",
        "a.txt",
        "index.html",
        "style.css",
        "stale.css",
        "data.json",
        "page.html",
        "digits.txt",
        "empty.txt",
        "shell.php",
        "a%20b.txt",
        "..%2fx",
        "%zz",
        "x",
        "large.bin",
    ]);
    let query = numbers.pick(&["", "", "?", "?a=b", "?sort=size&order=desc"]);
    let mut fields = Vec::new();
    for _ in 0..2 {
        fields.push(numbers.pick(&[
            "Accept: text/html",
            "Accept: application/json",
            "Accept-Encoding: gzip, br",
            "Accept-Encoding: identity;q=0",
            "Range: bytes=0-3",
            "Range: bytes=5-2,1-",
            "Range: bytes=999999999-",
            "If-None-Match: *",
            "If-Match: \"x\"",
            "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT",
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
            "X-Preview: 1",
            "Authorization: Basic YWxpY2U6d29uZGVybGFuZA==",
            "Authorization: Basic YWxpY2U6",
            "Origin: https://app.example.com",
            "Access-Control-Request-Method: PUT",
            "Connection: close",
            "X-Forwarded-For: 6.6.6.6, 10.1.2.3",
            "Forwarded: for=10.1.2.3",
        ]));
    }
    fields.dedup();
    Asked { host, method, target: format!("{first}{second}{query}"), fields }
}

#[test]
fn explain_cannot_lie() {
    let site = Site::new();
    site.write("../oops.html.jinja", b"{{ status }} {{ method }} {{ path }} {{ host }}");
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n{CONFIG}");
    let users = site.path("../users.htpasswd");
    let hash = "alice:$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\n";
    fs::write(&users, hash).unwrap();
    let config = config.replace("ROOT", &site.root_text());
    let config = config.replace("USERS", users.to_str().unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &config).unwrap();
    let server = Server::run(&config);
    let mut numbers = Numbers(7);
    let asked: Vec<Asked> = (0..REQUESTS).map(|_| generate(&mut numbers)).collect();
    thread::scope(|scope| {
        for part in asked.chunks(REQUESTS.div_ceil(4)) {
            let (server, file) = (&server, &file);
            scope.spawn(move || {
                for asked in part {
                    let file = file.path().to_str().unwrap();
                    compare(asked, &explained(asked, file), server);
                }
            });
        }
    });
    server.stop();
}

/// The answer alone does not tell such a file from one that is not there.
#[test]
fn a_file_behind_a_link_that_leads_out_is_told_of() {
    let site = Site::new();
    site.write("../outside/style.css", b"p {}");
    symlink(site.path("../outside/style.css"), site.path("linked.css")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let steps = |more: &str| {
        let text = format!("[server]\n[site.default]\nroot = {:?}\n{more}", site.root_text());
        fs::write(file.path(), text).unwrap();
        let words = ["explain", "http://localhost/linked.css", file.path().to_str().unwrap()];
        let words = words.map(str::to_owned).to_vec();
        let (code, said, stderr) = Launch::of(words).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
        said
    };
    let said = steps("");
    let line = said.lines().find(|line| line.starts_with("passed over")).unwrap_or_default();
    assert!(line.contains("/linked.css: a link leads to /"), "{said}");
    assert!(line.contains("outside/style.css, which `links` does not name"), "{said}");
    // Where PHP answers in its place, that is no error at all.
    site.write("index.php", b"");
    assert!(steps("php = { socket = \"/nowhere.sock\" }").contains("a link leads to"));
    let named = site.path("../outside").canonicalize().unwrap();
    assert!(!steps(&format!("links = [{named:?}]")).contains("a link leads to"));
}

fn explained(asked: &Asked, file: &str) -> Value {
    let url = format!("http://{}{}", asked.host, asked.target);
    let mut args = vec!["explain", &url, "-X", asked.method, "-c", file, "--json"];
    asked.fields.iter().for_each(|field| args.extend(["-H", field]));
    let (code, stdout, stderr) = Launch::of(args.into_iter().map(str::to_owned).collect()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""), "{url}");
    serde_json::from_str(&stdout).unwrap()
}

fn compare(asked: &Asked, explained: &Value, server: &Server) {
    let Asked { host, method, target, fields } = asked;
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n\r\n", fields.join("\r\n"));
    let mut client = Client::connect(server.addr());
    client.send(&head).unwrap();
    let response = match *method {
        "HEAD" => client.response_to_head(),
        _ => client.response(),
    };
    let response = response.unwrap();
    let status = explained["status"].as_str().unwrap();
    assert_eq!(status[9..12], response.status.to_string(), "{head}{explained:#}");
    let is_same_each_time = |name: &str| name != "date" && name != "content-range";
    let mut sent: Vec<_> = response.fields.clone();
    let mut told: Vec<_> = explained["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("value"))
        })
        .collect();
    // The boundary between several ranges is made up anew each time.
    for fields in [&mut sent, &mut told] {
        fields.retain(|(name, _)| is_same_each_time(name));
        for (_, value) in fields.iter_mut().filter(|(_, value)| value.contains("boundary=")) {
            value.truncate(value.find("boundary=").unwrap());
        }
    }
    assert_eq!(sent, told, "{head}{explained:#}");
}

#[test]
fn explain_names_the_lines() {
    let site = Site::new();
    let text = format!(
        "[site.\"a.example\"]\nroot = {:?}\nfields.X-A = \"1\"\n[site.\"a.example\".route.\"/sub/*\"]\n\
         deny = \"10.0.0.0/8\"\nlimit = \"20/s\"\nbandwidth = \"1MiB/s\"\n[site.\"a.example\".route.\"/sub/page.txt\"]\ncache-control = \"no-store\"\n\
         [site.\"a.example\".route.\"/img/*\"]\nauth = \"users\"\ncors = \"*\"\n",
        site.root_text()
    );
    let folder = e2e::folder();
    let file = folder.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let hash = "alice:$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\n";
    fs::write(folder.path().join("users"), hash).unwrap();
    let run = |args: &[&str]| {
        let args = [&["explain"], args, &["-c", file.to_str().unwrap()]].concat();
        Launch::of(args.into_iter().map(str::to_owned).collect()).finish()
    };
    let (code, stdout, _) = run(&["http://a.example/sub/page.txt"]);
    let stdout = joined(&stdout);
    assert_eq!(code, Some(0));
    for (what, text, place) in [
        ("site", "a.example", "site.toml:1:7"),
        ("passed over", "/sub/*", "site.toml:4:25"),
        ("route", "/sub/page.txt", "site.toml:8:25"),
        ("deny", "10.0.0.0/8", "site.toml:5:8"),
        ("limit", "20/s, 2 at once", "site.toml:6:9"),
        ("bandwidth", "1MiB/s", "site.toml:7:13"),
        ("file", "sub/page.txt", "site.toml:2:8"),
        ("", "x-a: 1", "site.toml:3:8"),
        ("", "cache-control: no-store", "site.toml:9:17"),
    ] {
        let line = stdout.lines().find(|line| line.starts_with(what) && line.contains(text));
        assert!(line.is_some_and(|line| line.ends_with(place)), "{what} {text} {place}: {stdout}");
    }
    let (_, stdout, _) = run(&["a.example/sub/x", "--from", "10.1.1.1"]);
    assert!(stdout.contains("403 Forbidden") && stdout.contains("refused"), "{stdout}");
    let check = |args: &[&str], expect: &[(&str, &str)]| {
        let stdout = joined(&run(args).1);
        for (part, place) in expect {
            let line = stdout.lines().find(|line| line.contains(part));
            assert!(line.is_some_and(|line| line.ends_with(place)), "{part} {place}: {stdout}");
        }
    };
    let refused = [
        ("refused      no password was given", "site.toml:11:8"),
        ("www-authenticate: Basic", "site.toml:11:8"),
        ("HTTP/1.1 401", "Unauthorized"),
    ];
    check(&["a.example/img/a.txt"], &refused);
    let wrong = [("refused      there is no user with that password", "site.toml:11:8")];
    check(&["a.example/img/a.txt", "-H", "Authorization: Basic YWxpY2U6"], &wrong);
    // A place is told apart from a text, however long that is.
    let (_, stdout, _) = run(&[&format!("a.example/sub/{}", "x".repeat(70))]);
    let below = format!("x is not there\n{:62}/", "");
    assert!(stdout.contains(&below), "{stdout}");
    check(
        &["a.example/img/a.txt", "-H", "Authorization: Basic YWxpY2U6d29uZGVybGFuZA=="],
        &[("HTTP/1.1 200", "OK"), ("access-control-allow-origin: *", "site.toml:12:8")],
    );
    let (origin, asked) = ("Origin: https://x", "Access-Control-Request-Method: PUT");
    check(
        &["a.example/img/a.txt", "-X", "OPTIONS", "-H", origin, "-H", asked],
        &[("preflight", "site.toml:12:8"), ("access-control-allow-methods", "site.toml:12:8")],
    );
    for (args, part) in [
        (&["ftp://a.example/"][..], "name one such as"),
        (&["/old/page"], "\"/old/page\": a URL has a host: name one such as"),
        (&[""], "a URL has a host"),
        (&["a.example:81/"], "nobody listens at port 81: this config does at 0.0.0.0:80"),
        (&["a.example", "--from", "unix"], "nobody listens at a Unix socket"),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, &*stdout), (Some(2), ""), "{args:?}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

/// What was said, the place of each line in it.
fn joined(said: &str) -> String {
    said.replace(&format!("\n{:62}", ""), "  ")
}

#[test]
fn a_field_is_of_the_setting_that_made_it() {
    let site = Site::new();
    let text = format!(
        "[site.\"a.example\"]\nroot = {:?}\nfields = {{ Vary = \"origin\", WWW-Authenticate = \"x\", Access-Control-Allow-Origin = \"*\" }}\n\
         route.\"/sub/*\" = {{ fields.Access-Control-Allow-Origin = \"\", cors = \"*\" }}\n",
        site.root_text()
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let check = |url: &str, field: &str, origin: &str| {
        let args = ["explain", url, "-c", file.path().to_str().unwrap()];
        let (_, stdout, _) = Launch::of(args.map(str::to_owned).into()).finish();
        let line = stdout.lines().find(|line| line.contains(field));
        assert!(line.is_some_and(|line| line.contains(origin)), "{field} {origin}: {stdout}");
    };
    check("a.example/page.html", "vary: accept-encoding", "the choice among forms");
    check("a.example/page.html", "vary: origin", "fields /");
    check("a.example/page.html", "www-authenticate: x", "fields /");
    check("a.example/page.html", "access-control-allow-origin: *", "fields /");
    check("a.example/sub/page.txt", "access-control-allow-origin: *", "cors /");
}

/// What `gannet explain` says with these arguments, of a config with two listeners.
fn told(args: &[&str]) -> String {
    const CONFIG: &str = "[server]\nlisten = [\"127.0.0.1:80\", \"unix:/run/gannet.sock\"]\n\
        trusted-proxies = [\"unix\"]\nrequest-id = \"X-Request-Id\"\n\
        [site.\"a.example\"]\nrespond = \"a\"\n[site.\"b.example\"]\nroot = \"ROOT\"\n\
        [site.\"b.example\".route]\n\"/circle/*\" = { rewrite = \"/circle/x{rest}\" }\n\
        \"/office/*\" = { allow = \"10.0.0.0/8\" }\n\"POST /form\" = { respond = \"thanks\" }\n\
        \"/closed/*\" = { error-pages = { 404 = \"own.html\" } }\n";
    let folder = e2e::folder();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::create_dir(folder.path().join("closed")).unwrap();
    fs::write(folder.path().join("404.html"), "nothing here").unwrap();
    fs::write(folder.path().join("own.html"), "nor here").unwrap();
    let file = folder.path().join(".site.toml");
    fs::write(&file, CONFIG.replace("ROOT", folder.path().to_str().unwrap())).unwrap();
    let args = [&["explain"], args, &["-c", file.to_str().unwrap()]].concat();
    let (code, stdout, stderr) =
        Launch::of(args.iter().map(|&arg| arg.to_owned()).collect()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""), "{args:?}");
    stdout
}

#[test]
fn a_request_is_explained_as_it_would_come() {
    fn check(args: &[&str], expect: &[&str], absent: &[&str]) {
        let told = told(args);
        let lines: Vec<_> = told.lines().collect();
        let has = |part: &&&str| lines.iter().any(|line| line.contains(**part));
        assert_eq!(expect.iter().find(|part| !has(part)), None, "{args:?}: {told}");
        assert_eq!(absent.iter().find(has), None, "{args:?}: {told}");
    }
    // The field that is typed is the one that is sent.
    let host = ["-H", "host: b.example"];
    check(&[&["a.example/missing"], &host[..]].concat(), &["site         b.example", "404"], &[]);
    check(&[&["a.example/"], &host[..], &host[..]].concat(), &["refused", "400"], &[]);
    // A Unix socket has no address, but a listener.
    let (proxy, tcp) = (["-H", "X-Forwarded-For: 10.1.2.3"], "127.0.0.1:80");
    let office = "b.example/office/x";
    check(
        &[&[office, "--from", "unix"], &proxy[..]].concat(),
        &["unix:/run", "10.1.2.3", "404"],
        &[tcp],
    );
    check(&[office, "--from", "unix"], &["unix:/run", "403"], &["client "]);
    check(&[&[office], &proxy[..]].concat(), &[tcp, "403"], &["client "]);
    // The id of a proxy that is trusted stays.
    let id = ["-H", "X-Request-Id: from-proxy"];
    check(
        &[&["a.example", "--from", "unix"], &id[..]].concat(),
        &["x-request-id: from-proxy"],
        &[],
    );
    check(&[&["a.example"], &id[..]].concat(), &["x-request-id: "], &["from-proxy"]);
    // The server as a whole.
    let whole = ["*", "-X", "OPTIONS"];
    check(
        &[&whole[..], &host[..]].concat(),
        &["site         b.example", "204", "allow: GET, HEAD, OPTIONS"],
        &[],
    );
    check(&whole, &["204"], &[]);
    check(&["*"], &["refused", "400"], &[]);
    // What leads nowhere is not called a file.
    let circle = ["failed       the rewrites lead in a circle", "500"];
    check(&["b.example/circle/x"], &circle, &["is not there"]);
    check(&["b.example/x", "-X", "PUT"], &["405"], &["is not there"]);
    // Why there is nothing, and whose page says so.
    let closed = "/sub/ is a folder with no index file, and `listing` is off";
    check(&["b.example/sub/"], &[closed, "page  ", "/404.html", "404 Not Found"], &[]);
    check(&["b.example/sub"], &["/sub is a folder", "301"], &["listing", "page  "]);
    let own = "page         the site's own for 404";
    check(&["b.example/closed/x"], &["is not there", own], &["/404.html"]);
    check(&["b.example/form"], &["refused      only OPTIONS, POST", "405"], &["is not there"]);
    let refused = told(&["b.example/form"]);
    let place = refused.lines().find(|line| line.starts_with("refused")).map(str::trim_end);
    assert!(place.is_some_and(|line| line.ends_with("site.toml:12:1")), "{refused}");
}
