//! A real php-fpm behind the server, beside nginx with the same one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Peer, Php, Place, Server, place};
use serde_json::{Map, Value};
use std::{fs, os::unix::fs::symlink, path::Path};
use tempfile::TempDir;

/// Shows what PHP was told.
const SHOW: &str = "<?php header('Content-Type: application/json');
echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST,
    'files' => array_map(fn($file) => md5_file($file['tmp_name']), $_FILES),
    'body' => md5(file_get_contents('php://input'))], JSON_INVALID_UTF8_SUBSTITUTE);
";

/// Writes more than any buffer holds.
const LARGE: &str = "<?php header('Content-Type: image/x');
for ($i = 0; $i < 300; $i++) echo str_repeat(chr(65 + $i % 26), 10000);
";

/// Ends the answer before its work.
const EARLY: &str = "<?php echo 'early'; fastcgi_finish_request(); sleep(60);";

/// Leaves a word in the error log.
const WARN: &str = "<?php error_log('a word to the wise'); echo 'warned';";

/// Knows its page again by its tag, as frameworks do, and says by what it could vary.
const TAGGED: &str = "<?php header('ETag: \"1\"'); header('Vary: Accept-Encoding, Cookie');
header('Content-Type: text/html');
$named = str_replace(['W/', ' '], '', $_SERVER['HTTP_IF_NONE_MATCH'] ?? '');
if (in_array('\"1\"', explode(',', $named))) { http_response_code(304); exit; }
echo str_repeat('<p>The gannet folds its wings.</p>', 100);";

/// A pool that takes a program for what it was when it was first seen.
const RELEASES: &str =
    "php_admin_flag[opcache.enable] = on\nphp_admin_flag[opcache.validate_timestamps] = off\n";

fn site() -> TempDir {
    let folder = e2e::folder();
    let programs =
        [("index.php", SHOW), ("large.php", LARGE), ("early.php", EARLY), ("warn.php", WARN)];
    for (name, text) in programs {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/index.php"), SHOW).unwrap();
    fs::write(folder.path().join("style.css"), "p {}").unwrap();
    folder
}

fn serve(root: &Path, php: &Php) -> Server {
    Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nrequest-id = 'X-Request-Id'\n\
         [site.default]\nroot = {root:?}\nphp = {{ socket = {:?} }}\n",
        php.socket()
    ))
}

/// What is not the same behind another server, or another time.
const OWN: [&str; 9] = [
    "SERVER_SOFTWARE",
    "SERVER_PORT",
    "REMOTE_PORT",
    "REQUEST_TIME",
    "REQUEST_TIME_FLOAT",
    "REQUEST_ID",
    // Who is let in, not who says so.
    "REMOTE_USER",
    // That is of the connection; the content has been taken out of its chunks.
    "HTTP_TRANSFER_ENCODING",
    "HTTP_EXPECT",
];

/// The name of the host by which both are asked: what nginx calls its server, too.
const HOST: &str = "a.example";

fn told(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let mut told = value.as_object().unwrap().clone();
    let server = told["server"].as_object_mut().unwrap();
    OWN.iter().for_each(|name| drop(server.remove(*name)));
    told
}

#[test]
fn php_is_told_the_same_as_by_nginx() {
    let (site, php) = (site(), Php::start(2, ""));
    let server = serve(site.path(), &php);
    let nginx = Peer::nginx_with_php(site.path(), &php.socket());
    let mut requests = Vec::new();
    for target in [
        "/",
        "/?",
        "/?a=b&c[]=d",
        "/index.php",
        "/index.php?x=%00%ff",
        "/index.php/path/info",
        "/index.php/path%20info/?q",
        "/sub/",
        "/sub/index.php/x",
        "/pretty/url",
        "/pretty%20url?x=y",
        "/%C3%BCber",
        "//double//slash",
        "/a/./b/../c",
        "/?a=b&a=c",
        "/?x[y][z]=1",
        "/?q=%2B+%20",
        "/?%66oo=1",
        "/?a;b",
        "/?=x",
        "/??",
        "/?a=b?c=d",
        "/index.php?",
        "/index.php//a",
        "/index.php/a/../b",
        "/index.php/%E4%B8%AD",
        "/index.php/a.php",
        "/index.php/index.php",
        "/sub/?x",
        "/sub/index.php?a",
        "/sub/index.php/",
        "/pretty/",
        "/pretty/x.html",
        "/style.css/x",
        "/a+b",
        "/a%2Bb",
        "/~user",
        "/a;b=c",
        "/a:b@c,d",
        "/a'b(c)!$*",
        "/a&b=c",
        "/a%25b",
        "/a%3Fb?c",
        "/a%23b",
        "/%41bc",
        "/sub/../pretty",
    ] {
        requests.push(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n"));
    }
    for fields in [
        "Cookie: a=b; c=d\r\n",
        "User-Agent: x\r\nAccept: text/html\r\nReferer: http://a/\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X_Under_Score: 1\r\n",
        "X.Dot: 1\r\n",
        "Authorization: Basic YTpi\r\n",
        "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\n",
        "X-Empty:\r\n",
        "X-Latin: \u{fc}\r\n",
        "Accept-Language: de, en;q=0.5\r\nAccept-Encoding: gzip\r\n",
        "Content-Type: text/plain\r\n",
        "Origin: http://a\r\nVia: 1.1 p\r\n",
        "X-Requested-With: XMLHttpRequest\r\nDNT: 1\r\n",
        "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
        "X--Two: 1\r\nX-9: 2\r\n",
    ] {
        requests.push(format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\n{fields}"));
        requests.push(format!("GET /index.php/i HTTP/1.0\r\nHost: {HOST}\r\n{fields}"));
        requests.push(format!("POST /sub/index.php/p?q=1 HTTP/1.1\r\nHost: {HOST}\r\n{fields}"));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        requests.push(format!("{method} /x?a=b HTTP/1.1\r\nHost: {HOST}\r\n"));
        requests.push(format!(
            "{method} /index.php HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 7\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\na=b&c=d"
        ));
    }
    for line in [
        "GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n",
        "GET http://a.example HTTP/1.1\r\nHost: a.example\r\n",
        "GET /x HTTP/1.1\r\nHost: a.example:8080\r\n",
        "GET /x HTTP/1.1\r\nHost:   a.example  \r\n",
        "GET /index.php/%2e/x HTTP/1.1\r\nHost: a.example\r\n",
        "GET /index.php/%41%3f%23 HTTP/1.1\r\nHost: a.example\r\n",
        "GET /sub/index.php/a/./b/../c HTTP/1.1\r\nHost: a.example\r\n",
        "GET /%69ndex.php/x HTTP/1.1\r\nHost: a.example\r\n",
        "GET /?%00 HTTP/1.1\r\nHost: a.example\r\n",
        "GET /?a[b]=%5B&a[c]=%5D HTTP/1.1\r\nHost: a.example\r\n",
        "GET /x HTTP/1.1\r\nHost: a.example\r\nX-Long: LONG\r\n",
        "POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=b",
    ] {
        requests.push(line.replace("LONG", &"x".repeat(5000)));
    }
    assert!(requests.len() >= 100, "{}", requests.len());
    for request in requests {
        let request = match request.contains("\r\n\r\n") {
            true => request.replacen("\r\nHost", "\r\nConnection: close\r\nHost", 1),
            false => format!("{request}Connection: close\r\n\r\n"),
        };
        let (ours, theirs) = (server.ask(request.as_bytes()), nginx.ask(request.as_bytes()));
        assert_eq!((ours.status, theirs.status), (200, 200), "{request}");
        assert_eq!(told(&ours.body), told(&theirs.body), "{request}");
        assert_eq!(ours.get("content-type"), theirs.get("content-type"), "{request}");
    }
    server.stop();
}

/// A page has one tag for its forms, a weak one where it is compressed, and is sent once.
#[test]
fn who_has_a_page_of_a_program_already_is_told_so_as_by_nginx() {
    let (site, php) = (site(), Php::start(2, ""));
    fs::write(site.path().join("tagged.php"), TAGGED).unwrap();
    let server = serve(site.path(), &php);
    let nginx = Peer::nginx_with_php(site.path(), &php.socket());
    let gzip = "Accept-Encoding: gzip\r\n";
    for (fields, status, coding, tag) in [
        ("", 200, None, "\"1\""),
        (gzip, 200, Some("gzip"), "W/\"1\""),
        ("If-None-Match: \"1\"\r\n", 304, None, "\"1\""),
        ("If-None-Match: \"2\", W/\"1\"\r\n", 304, None, "W/\"1\""),
        ("Accept-Encoding: gzip\r\nIf-None-Match: W/\"1\"\r\n", 304, None, "W/\"1\""),
        ("Accept-Encoding: gzip\r\nIf-None-Match: W/\"2\"\r\n", 200, Some("gzip"), "W/\"1\""),
        ("Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n", 200, Some("gzip"), "W/\"1\""),
    ] {
        let request = format!(
            "GET /tagged.php HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{fields}\r\n"
        );
        let (ours, theirs) = (server.ask(request.as_bytes()), nginx.ask(request.as_bytes()));
        for answer in [&ours, &theirs] {
            let seen = (answer.status, answer.get("content-encoding"));
            assert_eq!(seen, (status, coding.map(str::to_owned)), "{fields}");
        }
        assert_eq!(ours.get("etag").as_deref(), Some(tag), "{fields}");
        let is_the_same = status == 304 || ours.get("etag") == theirs.get("etag");
        assert!(is_the_same, "{fields}: {:?}", theirs.get("etag"));
        if status == 200 {
            assert_eq!(ours.get("vary").as_deref(), Some("Accept-Encoding, Cookie"), "{fields}");
        }
    }
    let trace = b"TRACE /tagged.php HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    assert_eq!([server.ask(trace).status, nginx.ask(trace).status], [405, 405]);
    server.stop();
}

#[test]
fn a_script_gets_uploads_and_sends_large_answers() {
    let (site, php) = (site(), Php::start(2, "php_admin_value[post_max_size] = 20M\n"));
    let server = serve(site.path(), &php);
    let mut client = Client::connect(server.addr());
    let large = client.get("/large.php").unwrap();
    assert_eq!((large.status, large.body.len()), (200, 3_000_000));
    let expect = (0..300_usize).flat_map(|i| vec![65 + (i % 26) as u8; 10_000]);
    assert!(large.body.iter().copied().eq(expect));
    // A body as programs send it that do not know its length.
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    for _ in 0..100 {
        client.send(format!("2710\r\n{}\r\n", "x".repeat(10_000))).unwrap();
    }
    client.send("0\r\n\r\n").unwrap();
    let told: Value = serde_json::from_slice(&client.response().unwrap().body).unwrap();
    assert_eq!(told["server"]["CONTENT_LENGTH"], "1000000");
    // The md5 of a million of x.
    let whole = told["body"].as_str().unwrap().to_owned();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    client.send("x".repeat(1_000_000)).unwrap();
    let told: Value = serde_json::from_slice(&client.response().unwrap().body).unwrap();
    assert_eq!(told["body"], *whole);
    let id = told["server"]["REQUEST_ID"].as_str().unwrap();
    server.wait_for(|line| line["method"] == "PUT" && line["request_id"] == id);
    assert_eq!(client.get("/style.css").unwrap().text(), "p {}");
    server.stop();
}

#[test]
fn an_answer_is_there_when_the_script_says_so_and_its_warnings_are_in_the_log() {
    let (site, php) = (site(), Php::start(2, "php_admin_flag[log_errors] = on\n"));
    let server = serve(site.path(), &php);
    let mut client = Client::connect(server.addr());
    assert_eq!(client.get("/early.php").unwrap().text(), "early");
    assert_eq!(client.get("/warn.php?x=1").unwrap().text(), "warned");
    let errors = server.stop().stderr;
    let line = errors.lines().find(|line| line.contains("a word to the wise")).unwrap();
    assert!(line.contains("\"event\":\"stderr\"") && line.contains("/warn.php?x=1"), "{line}");
    assert!(line.contains("\"request_id\""), "{line}");
}

#[test]
fn a_folder_with_an_application_is_a_running_site() {
    let site = site();
    fs::create_dir_all(site.path().join("wp-content/uploads")).unwrap();
    fs::create_dir(site.path().join("wp-includes")).unwrap();
    fs::write(site.path().join("wp-includes/version.php"), "").unwrap();
    fs::write(site.path().join("wp-content/uploads/x.php"), SHOW).unwrap();
    let server = Server::start(&[site.path().to_str().unwrap()]);
    let start = server.wait_for(|line| line["event"] == "start");
    let found = start["found"].as_str().unwrap();
    assert!(found.starts_with("a PHP application (index.php), run by php-fpm"), "{found}");
    let user = if rustix::process::geteuid().is_root() { "as nobody" } else { "as " };
    assert!(found.contains(user), "{found}");
    let mut client = Client::connect(server.addr());
    let answer = client.get("/some/page?a=b").unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["get"]["a"], "b");
    assert_eq!(client.get("/style.css").unwrap().text(), "p {}");
    assert_eq!(client.get("/wp-content/uploads/x.php").unwrap().status, 404);
    let php = server.started().children();
    assert!(!php.is_empty());
    server.stop();
    let has_ended = || php.iter().all(|child| !child.is_alive());
    assert!(e2e::eventually(has_ended), "php-fpm has not ended with the server");
}

/// As on a machine where nobody has installed it.
#[test]
fn where_there_is_no_php_it_is_said_and_files_are_sent_but_no_source() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let missing = "exec unshare -m sh -c 'mount -t tmpfs none /usr/sbin && exec \"$0\" \"$@\"' \
                   \"$0\" \"$@\"; true";
    let what_to_do = "there is no php-fpm here: install it (Debian: `apt install php-fpm`)";
    let (site, project) = (site(), e2e::folder());
    fs::write(project.path().join("composer.json"), "{}").unwrap();
    symlink(site.path(), project.path().join("public")).unwrap();
    for root in [site.path(), project.path()] {
        let server = Launch::quick(&[root.to_str().unwrap()]).after(missing).start();
        let start = server.wait_for(|line| line["event"] == "start");
        let found = start["found"].as_str().unwrap();
        assert!(found.starts_with("a PHP application") && found.ends_with(what_to_do), "{found}");
        let mut client = Client::connect(server.addr());
        assert_eq!(client.get("/style.css").unwrap().text(), "p {}");
        for target in ["/", "/index.php", "/index.php/x", "/sub/", "/some/page", "/composer.json"] {
            let answer = client.get(target).unwrap();
            assert_eq!(answer.status, 404, "{target}: {}", answer.text());
            assert!(!answer.text().contains("<?php"), "{target}");
        }
        server.stop();
    }
    let config = format!("[site.default]\nroot = {:?}\nphp = true\n", site.path());
    let (code, _, stderr) = Launch::check(&config).after(missing).finish();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("error: there is no php-fpm here\n"), "{stderr}");
    let help = "= help: install it (Debian: `apt install php-fpm`)\n";
    assert!(stderr.contains(help), "{stderr}");
}

#[test]
fn php_ends_with_a_server_that_is_killed() {
    let site = site();
    let server = Server::start(&[site.path().to_str().unwrap()]);
    let php = server.started().children();
    assert_eq!(Client::connect(server.addr()).get("/").unwrap().status, 200);
    server.signal(rustix::process::Signal::KILL);
    assert!(e2e::eventually(|| php.iter().all(|child| !child.is_alive())));
}

#[test]
fn php_that_is_killed_takes_with_it_what_it_was_at_and_nothing_else() {
    let site = site();
    let sleep = "<?php while (true) usleep(1000);";
    fs::write(site.path().join("long.php"), sleep).unwrap();
    let php = Php::start(2, "");
    let server = serve(site.path(), &php);
    let mut long = Client::connect(server.addr());
    long.send("GET /long.php HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut other = Client::connect(server.addr());
    assert_eq!(other.get("/").unwrap().status, 200);
    let socket = php.socket();
    drop(php);
    assert_eq!(long.response().unwrap().status, 502);
    assert_eq!(other.get("/").unwrap().status, 502);
    assert_eq!(other.get("/style.css").unwrap().status, 200);
    // Another one at the same place is asked at once.
    let again = Php::start(2, "");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    symlink(again.socket(), &socket).unwrap();
    assert_eq!(other.get("/").unwrap().status, 200);
    server.stop();
    fs::remove_dir_all(socket.parent().unwrap()).unwrap();
}

/// A release is switched by a link while OPcache is told never to look whether a file has changed:
/// what is new runs all the same, since it lies elsewhere.
#[test]
fn a_release_that_is_switched_runs_at_once() {
    let (place, php) = (Place::new(""), Php::start(2, RELEASES));
    for release in ["one", "two"] {
        fs::create_dir(place.path(release)).unwrap();
        let text = format!("<?php require __DIR__ . '/part.php'; echo ' by {release}';");
        fs::write(place.path(release).join("index.php"), text).unwrap();
        let text = format!("<?php echo '{release}', opcache_get_status() ? '' : ' uncached';");
        fs::write(place.path(release).join("part.php"), text).unwrap();
    }
    symlink("one", place.path("current")).unwrap();
    let site = format!("php = {{ socket = {:?} }}", php.socket());
    place.write(&place::config("", "", &site).replace("'ROOT'", "'current'"));
    let server = place.start();
    let says = || Client::connect(server.addr()).get("/").unwrap().text();
    assert_eq!([says(), says()], ["one by one", "one by one"]);
    symlink("two", place.path("next")).unwrap();
    fs::rename(place.path("next"), place.path("current")).unwrap();
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!([says(), says()], ["two by two", "two by two"]);
    server.stop();
}
