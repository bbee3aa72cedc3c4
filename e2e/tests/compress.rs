//! Compression on the fly: the right coding, the right fields, and always the same content.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Response, Server, Site, eventually};
use std::{fs, io::Read, thread};

/// Larger than what is held in memory of a plain file, and smaller.
const LARGE: &str = "large.html";
const SMALL: &str = "small.html";

const BROWSER: &str = "gzip, deflate, br, zstd";

fn page(paragraphs: usize) -> Vec<u8> {
    let paragraph = |number| format!("<p>{number}: the gannet folds its wings and dives.</p>\n");
    (0..paragraphs).map(paragraph).collect::<String>().into_bytes()
}

/// A site with pages worth compressing, and what is not.
fn site() -> Site {
    let site = Site::new();
    site.write(LARGE, &page(2000));
    site.write(SMALL, &page(200));
    site.write("tiny.html", &page(2));
    site.write("photo.png", &page(200));
    // No compressor makes this shorter, whatever its name says.
    let mut state = 1u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    site.write("noise.txt", &noise.take(50_000).collect::<Vec<_>>());
    site
}

fn ask(server: &Server, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(server.addr());
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.send(format!("{method} /{target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).unwrap();
    let response = if method == "HEAD" { client.response_to_head() } else { client.response() };
    response.unwrap()
}

fn get(server: &Server, target: &str, codings: &str) -> Response {
    ask(server, "GET", target, &[("Accept-Encoding", codings)])
}

fn decoded(response: &Response) -> Vec<u8> {
    let mut content = Vec::new();
    let body = &*response.body;
    match response.get("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut content).unwrap(),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut content).unwrap(),
        Some("zstd") => {
            zstd::stream::read::Decoder::new(body).unwrap().read_to_end(&mut content).unwrap()
        }
        None => return body.to_vec(),
        Some(other) => panic!("{other} was not asked for"),
    };
    content
}

/// Asks twice, when the form is made and when it is there: coding and content are the same.
#[track_caller]
fn check(server: &Server, target: &str, codings: &str, coding: Option<&str>, content: &[u8]) {
    for time in ["first", "second"] {
        let response = get(server, target, codings);
        assert_eq!(response.status, 200, "{target} {codings}, {time}");
        assert_eq!(response.get("content-encoding"), coding, "{target} {codings}, {time}");
        assert!(decoded(&response) == content, "{target} {codings}, {time}");
        if let Some(coding) = coding {
            assert!(2 * response.body.len() < content.len(), "{} bytes", response.body.len());
            assert_eq!(response.get("vary"), Some("accept-encoding"));
            assert_eq!(response.get("accept-ranges"), None);
            let etag = response.get("etag").unwrap();
            assert!(etag.starts_with("W/\"") && etag.ends_with(&format!("-{coding}\"")), "{etag}");
        }
    }
}

#[test]
fn a_file_is_sent_in_the_coding_that_its_client_likes_best() {
    let site = site();
    let server = Server::start(&[site.root_text()]);
    for (target, content) in [(LARGE, page(2000)), (SMALL, page(200))] {
        check(&server, target, BROWSER, Some("zstd"), &content);
        check(&server, target, "gzip, br", Some("br"), &content);
        check(&server, target, "gzip", Some("gzip"), &content);
        check(&server, target, "gzip, br;q=0.5", Some("gzip"), &content);
        check(&server, target, "gzip;q=0.5, identity", None, &content);
        check(&server, target, "*", Some("zstd"), &content);
        check(&server, target, "*;q=0.5, zstd;q=0", Some("br"), &content);
        check(&server, target, "identity;q=0, gzip", Some("gzip"), &content);
        check(&server, target, "", None, &content);
    }
    assert_eq!(get(&server, SMALL, "*;q=0").status, 406);
    server.stop();
}

#[test]
fn what_is_not_worth_it_or_lies_there_compressed_is_left_alone() {
    let site = site();
    site.write("own.html", &page(100));
    site.write("own.html.gz", b"not even gzip");
    let server = Server::start(&[site.root_text()]);
    check(&server, "tiny.html", BROWSER, None, &page(2));
    check(&server, "photo.png", BROWSER, None, &page(200));
    let noise = fs::read(site.path("noise.txt")).unwrap();
    check(&server, "noise.txt", BROWSER, None, &noise);
    let own = get(&server, "own.html", BROWSER);
    assert_eq!((own.get("content-encoding"), &*own.body), (Some("gzip"), &b"not even gzip"[..]));
    assert!(own.get("etag").unwrap().starts_with('"'), "what lies there has a strong tag");
    check(&server, "own.html", "br", Some("br"), &page(100));
    server.stop();
}

/// Rows 98, 101: coding, method, precondition and range in one request.
#[test]
fn preconditions_ranges_and_methods() {
    let site = site();
    let server = Server::start(&[site.root_text()]);
    for target in [LARGE, SMALL] {
        let gzip = ("Accept-Encoding", "gzip");
        let head = ask(&server, "HEAD", target, &[gzip]);
        let whole = ask(&server, "GET", target, &[gzip]);
        for name in ["content-encoding", "content-length", "etag", "vary", "last-modified"] {
            assert!(head.get(name).is_some() && head.get(name) == whole.get(name), "{name}");
        }
        let plain = ask(&server, "GET", target, &[]);
        assert_eq!(plain.get("vary"), Some("accept-encoding"));
        let (tag, plain_tag) = (whole.get("etag").unwrap(), plain.get("etag").unwrap());
        assert_ne!(tag, plain_tag);

        let status = |fields: &[(&str, &str)]| {
            let response = ask(&server, "GET", target, fields);
            if response.status == 304 {
                assert!(response.body.is_empty() && response.get("content-encoding").is_none());
            }
            response.status
        };
        assert_eq!(status(&[gzip, ("If-None-Match", tag)]), 304);
        assert_eq!(status(&[("Accept-Encoding", "br"), ("If-None-Match", tag)]), 200);
        assert_eq!(status(&[("If-None-Match", tag)]), 200);
        assert_eq!(status(&[gzip, ("If-Match", tag)]), 412, "a weak tag matches nothing strongly");

        let range = ("Range", "bytes=10-19");
        let part = ask(&server, "GET", target, &[gzip, range]);
        assert_eq!((part.status, part.get("content-encoding")), (206, None));
        assert_eq!(part.body, plain.body[10..20]);
        let part = ask(&server, "GET", target, &[gzip, range, ("If-Range", plain_tag)]);
        assert_eq!((part.status, &*part.body), (206, &plain.body[10..20]));
        let all = ask(&server, "GET", target, &[gzip, range, ("If-Range", tag)]);
        assert_eq!((all.status, all.get("content-encoding")), (200, None));

        // What means nothing changes nothing, and who takes no plain bytes gets the others.
        let only = ("Accept-Encoding", "gzip, identity;q=0");
        let senseless = ("Range", "lines=10-19");
        for fields in [[gzip, senseless], [only, senseless], [only, range]] {
            let all = ask(&server, "GET", target, &fields);
            assert_eq!((all.status, &all.body), (200, &whole.body), "{fields:?}");
            assert_eq!(all.get("content-encoding"), Some("gzip"), "{fields:?}");
        }
        assert_eq!(status(&[gzip, senseless, ("If-None-Match", tag)]), 304);
        for coding in [gzip, only] {
            let all = ask(&server, "HEAD", target, &[coding, range]);
            assert_eq!(all.get("content-length"), whole.get("content-length"), "{coding:?}");
        }
    }
    server.stop();
}

#[test]
fn a_file_that_changes_is_compressed_anew() {
    let site = site();
    let server = Server::start(&[&*site.root_text(), "--threads", "1"]);
    for paragraphs in [3000, 300, 2900] {
        let content = page(paragraphs);
        site.write("next.html", &content);
        fs::rename(site.path("next.html"), site.path(LARGE)).unwrap();
        // What changes twice within a tick of the clock is noticed in the next one.
        assert!(eventually(|| get(&server, LARGE, "").body == content));
        check(&server, LARGE, BROWSER, Some("zstd"), &content);
    }
    server.stop();
}

#[test]
fn many_who_ask_at_once_all_get_the_page() {
    let site = site();
    // Whoever asks while the form is being made gets the page as it is.
    let server =
        Launch::quick(&[&site.root_text()]).env("GANNET_FAIL", "compress=stall:6000").start();
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..20).map(|_| scope.spawn(|| get(&server, LARGE, "gzip"))).collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        let coded = answers.filter(|answer| {
            assert!(decoded(answer) == page(2000));
            answer.get("content-encoding").is_some()
        });
        assert_eq!(coded.count(), 1);
    });
    check(&server, LARGE, "gzip", Some("gzip"), &page(2000));
    server.stop();
}

#[test]
fn a_compressor_that_fails_costs_one_answer() {
    let site = site();
    let server = Launch::quick(&[&site.root_text()]).env("GANNET_FAIL", "compress=panic:1").start();
    assert_eq!(get(&server, LARGE, "gzip").status, 500);
    check(&server, LARGE, "gzip", Some("gzip"), &page(2000));
    server.stop();
}

#[test]
fn settings() {
    let site = site();
    let text = "gannet ".repeat(1000);
    let config = site.config("compress-cache = \"1MiB\"", "").replace(
        "[site.\"other.example\"]",
        &format!(
            "compress = {{ codings = [\"gzip\"], most = \"20KiB\" }}\n\
             [site.default.route.\"/{SMALL}\"]\ncompress = {{ codings = [\"br\", \"gzip\"] }}\n\
             [site.default.route.\"/off/*\"]\ncompress = false\nalias = {0:?}\n\
             [site.default.route.\"/asis/*\"]\ncache-control = \"no-transform\"\nalias = {0:?}\n\
             [site.default.route.\"/text\"]\nrespond = \"{text}\"\n\
             [site.\"other.example\"]",
            site.root_text()
        ),
    );
    let server = Server::run(&config);
    check(&server, LARGE, BROWSER, None, &page(2000));
    check(&server, SMALL, BROWSER, Some("br"), &page(200));
    check(&server, SMALL, "zstd, gzip", Some("gzip"), &page(200));
    for folder in ["off", "asis"] {
        check(&server, &format!("{folder}/{SMALL}"), BROWSER, None, &page(200));
    }
    let answer = get(&server, "text", BROWSER);
    assert_eq!(answer.get("content-encoding"), Some("gzip"));
    assert_eq!(decoded(&answer), text.as_bytes());
    server.stop();
}

#[test]
fn a_file_too_large_for_the_cache_is_sent_as_it_is() {
    let site = site();
    for (bytes, coding) in [("100KiB", None), ("1MiB", Some("gzip")), ("0B", None)] {
        let server = Server::run(&site.config(&format!("compress-cache = \"{bytes}\""), ""));
        check(&server, LARGE, "gzip", coding, &page(2000));
        server.stop();
    }
}

#[test]
fn what_is_made_for_one_answer_is_compressed_as_it_is_sent() {
    let site = site();
    let server = Server::start(&[site.root_text()]);
    for coding in ["gzip", "zstd"] {
        // 1,000 entries come in pieces, the few of `list` in one.
        for target in ["crowd/", "list/"] {
            let plain = ask(&server, "GET", target, &[]);
            let coded = get(&server, target, coding);
            assert_eq!(coded.get("content-encoding"), Some(coding), "{target}");
            assert!(decoded(&coded) == plain.body && 2 * coded.body.len() < plain.body.len());
            assert_eq!(coded.get("vary"), Some("accept, accept-encoding"), "{target}");
        }
        let plain = ask(&server, "HEAD", "crowd/", &[("Accept-Encoding", coding)]);
        assert_eq!(plain.get("content-encoding"), Some(coding));
    }
    server.stop();
}

#[test]
fn forms_in_a_folder_outlive_the_server_and_spoiled_ones_are_not_sent() {
    let (site, folder) = (site(), e2e::folder());
    let folder = folder.path();
    e2e::give_to_server(folder);
    let cache = format!("compress-cache = {{ folder = {folder:?} }}");
    let config = site.config(&cache, "");
    // What changed a moment ago may change again: its form is not stored yet.
    let forms = |server: &Server| {
        let answer = get(server, LARGE, "gzip");
        assert!(decoded(&answer) == page(2000));
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        names.collect::<Vec<_>>()
    };
    let stored = |config: &str| {
        let mut found = Vec::new();
        let mut server = Server::run(config);
        assert!(eventually(|| {
            found = forms(&server);
            if found.is_empty() {
                std::mem::replace(&mut server, Server::run(config)).stop();
            }
            !found.is_empty()
        }));
        server.stop();
        found
    };
    let found = stored(&config);
    let [form] = &*found else { panic!("{found:?}") };
    let whole = fs::read(form).unwrap();

    // The next server sends it without making it: its compressor would fail.
    let sound = |fault: &str| {
        let server = Launch::run(&config).env("GANNET_FAIL", fault).start();
        let answer = get(&server, LARGE, "gzip");
        assert_eq!((answer.status, answer.get("content-encoding")), (200, Some("gzip")));
        assert!(decoded(&answer) == page(2000));
        server.stop();
        fs::read(form).unwrap()
    };
    assert!(sound("encode=panic") == whole);
    for spoiled in [whole[..whole.len() / 2].to_vec(), vec![], vec![0; whole.len()]] {
        fs::write(form, spoiled).unwrap();
        assert!(sound("") == whole, "it is made anew");
    }
}
