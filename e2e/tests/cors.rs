//! What browsers are told: which other origins may read (CORS), and how strict to be.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Response, Server, Site};

const APP: &str = "https://app.example.com";

/// The default site with `lines` of its own.
fn config(site: &Site, lines: &str) -> String {
    site.config("threads = 1", "")
        .replace("listing = true\n", &format!("listing = true\n{lines}\n"))
}

fn ask(server: &Server, first: &str, fields: &[(&str, &str)]) -> Response {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut client = Client::connect(server.addr());
    client.send(format!("{first} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).unwrap();
    client.response().unwrap()
}

/// The values of the fields `names`, those that are not there as `-`.
fn values(response: &Response, names: &[&str]) -> String {
    let value = |name: &&str| {
        let all = response.fields.iter().filter(|(have, _)| have == name);
        let all: Vec<_> = all.map(|(_, value)| value.as_str()).collect();
        if all.is_empty() { "-".to_owned() } else { all.join("+") }
    };
    names.iter().map(value).collect::<Vec<_>>().join(" | ")
}

const READING: [&str; 3] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
];

#[test]
fn listed_origins_may_read_every_answer_and_no_others_may() {
    let site = Site::new();
    let server = Server::run(&config(
        &site,
        "cors = { origins = [\"https://app.example.com\", \"http://localhost:3000\"], \
         expose = [\"ETag\", \"X-Total\"], credentials = true }\n\
         [site.default.route.\"/admin/*\"]\n\
         auth = { users = { alice = \"$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\" } }",
    ));
    let etag = ask(&server, "GET /digits.txt", &[]).get("etag").unwrap().to_owned();
    let all = "https://app.example.com | true | ETag, X-Total";
    let none = "- | - | -";
    let check = |first: &str, fields: &[(&str, &str)], status: u16, expect: &str| {
        let response = ask(&server, first, fields);
        assert_eq!(response.status, status, "{first} {fields:?}");
        assert_eq!(values(&response, &READING), expect, "{first} {fields:?}");
        // Whoever asks, the answer depends on it.
        let varies =
            response.fields.iter().any(|(name, value)| name == "vary" && value == "origin");
        assert!(varies, "{first} {fields:?}: {:?}", response.fields);
    };
    let app = ("Origin", APP);
    check("GET /digits.txt", &[app], 200, all);
    check("GET /missing", &[app], 404, all);
    check("GET /sub", &[app], 301, all);
    check("GET /admin/x", &[app], 401, all);
    check("PUT /digits.txt", &[app], 405, all);
    check("GET /digits.txt", &[app, ("If-None-Match", &etag)], 304, all);
    check("GET /digits.txt", &[app, ("Range", "bytes=1-2")], 206, all);
    check("GET /digits.txt", &[app, ("Range", "bytes=99-")], 416, all);
    check("GET /style.css", &[app, ("Accept-Encoding", "br")], 200, all);
    let local = "http://localhost:3000 | true | ETag, X-Total";
    check("GET /digits.txt", &[("Origin", "http://localhost:3000")], 200, local);
    for other in [
        "https://app.example.com.evil.example",
        "https://app.example.co",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "null",
        "*",
        "",
        "https://app.example.com, https://evil.example",
    ] {
        check("GET /digits.txt", &[("Origin", other)], 200, none);
    }
    check("GET /digits.txt", &[app, app], 200, none);
    check("GET /digits.txt", &[], 200, none);
    server.stop();
}

#[test]
fn a_preflight_is_answered_before_a_password_is_asked_for() {
    const NAMES: [&str; 4] = [
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-max-age",
    ];
    let site = Site::new();
    let server = Server::run(&config(
        &site,
        "cors = { origins = [\"https://app.example.com\"], methods = [\"GET\", \"PUT\"], \
         fields = [\"Content-Type\", \"X-Token\"], max-age = \"10m\" }\n\
         auth = { users = { alice = \"$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\" } }\n\
         [site.default.route.\"/img/*\"]\ncors = {}\nauth = {}",
    ));
    let check = |first: &str, fields: &[(&str, &str)], status: u16, expect: &str| {
        let response = ask(&server, first, fields);
        assert_eq!(response.status, status, "{first} {fields:?}");
        assert_eq!(values(&response, &NAMES), expect, "{first} {fields:?}");
    };
    let (app, put) = (("Origin", APP), ("Access-Control-Request-Method", "PUT"));
    let told = "GET, PUT | Content-Type, X-Token | 600";
    check("OPTIONS /x", &[app, put], 204, &format!("{APP} | {told}"));
    check(
        "OPTIONS /x",
        &[app, put, ("Access-Control-Request-Headers", "x-token")],
        204,
        &format!("{APP} | {told}"),
    );
    check("OPTIONS /x", &[("Origin", "https://evil.example"), put], 204, &format!("- | {told}"));
    // What is no preflight is asked for a password.
    check("OPTIONS /x", &[app], 401, &format!("{APP} | - | - | -"));
    check("OPTIONS /x", &[put], 401, "- | - | - | -");
    check("GET /x", &[app, put], 401, &format!("{APP} | - | - | -"));
    // Where a route takes it away there is none.
    check("OPTIONS /img/a.txt", &[app, put], 204, "- | - | - | -");
    server.stop();
}

#[test]
fn a_preflight_is_for_the_route_of_the_method_that_it_asks_about() {
    let site = Site::new();
    let server = Server::run(&config(
        &site,
        "[site.default.route.\"PUT /a\"]\nrespond = \"put\"\n\
         cors = { origins = \"*\", methods = \"PUT\" }\n\
         [site.default.route.\"DELETE /a\"]\nrespond = \"delete\"\n\
         [site.default.route.\"PUT /b\"]\nrespond = \"put\"\ncors = \"*\"\n\
         [site.default.route.\"OPTIONS /b\"]\nrespond = \"own answer\"",
    ));
    let check = |target: &str, method: &str, status: u16, allowed: &str| {
        let fields = [("Origin", APP), ("Access-Control-Request-Method", method)];
        let response = ask(&server, &format!("OPTIONS {target}"), &fields);
        assert_eq!(response.status, status, "{target} {method}");
        let seen = values(&response, &["access-control-allow-methods"]);
        assert_eq!(seen, allowed, "{target} {method}");
    };
    check("/a", "PUT", 204, "PUT");
    check("/a", "DELETE", 204, "-");
    check("/a", "\u{fc}", 204, "-");
    check("/b", "PUT", 200, "-");
    server.stop();
}

#[test]
fn every_origin_may_read_where_the_config_says_so() {
    let site = Site::new();
    let server = Server::run(&config(&site, "cors = \"*\""));
    for fields in [&[("Origin", APP)][..], &[("Origin", "null")], &[]] {
        let response = ask(&server, "GET /digits.txt", fields);
        assert_eq!(values(&response, &READING), "* | - | -", "{fields:?}");
        assert!(!response.fields.iter().any(|(_, value)| value == "origin"), "{fields:?}");
    }
    server.stop();
}

/// The strict set, as the book lists it.
const STRICT: [&str; 7] = [
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
];

#[test]
fn one_word_makes_browsers_strict_and_each_field_can_be_changed() {
    let site = Site::new();
    let server = Server::run(&config(
        &site,
        "security = \"strict\"\nfields = { X-Frame-Options = \"DENY\", Permissions-Policy = \"\" }\n\
         [site.default.route.\"/img/*\"]\nsecurity = \"\"\n\
         [site.default.route.\"/sub/*\"]\nfields = { Referrer-Policy = \"no-referrer\" }",
    ));
    for target in ["/digits.txt", "/missing", "/sub", "/list/"] {
        let response = ask(&server, &format!("GET {target}"), &[]);
        let seen = values(&response, &STRICT);
        let expect = [
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
            "same-origin",
            "same-origin",
            "-",
            if target == "/sub" { "no-referrer" } else { "strict-origin-when-cross-origin" },
            "nosniff",
            "DENY",
        ];
        assert_eq!(seen, expect.join(" | "), "{target}");
        assert_eq!(response.get("strict-transport-security"), None, "not over plain HTTP");
    }
    let response = ask(&server, "GET /img/a.txt", &[]);
    assert_eq!(values(&response, &STRICT), "- | - | - | - | - | nosniff | DENY");
    server.stop();
}

#[test]
fn the_book_has_every_field_of_the_strict_set() {
    let site = Site::new();
    let server = Server::run(&config(&site, "security = \"strict\""));
    let response = ask(&server, "GET /digits.txt", &[]);
    let book = std::fs::read_to_string(e2e::binary::workspace().join("docs/book/security.md"));
    let book = book.unwrap();
    for name in STRICT {
        let value = response.get(name).unwrap();
        let row =
            book.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("| {name} |")));
        assert!(row.is_some_and(|row| row.contains(&format!("`{value}`"))), "{name}: {value}");
    }
    server.stop();
}

#[test]
fn credentials_for_every_origin_are_refused() {
    let site = Site::new();
    let config = config(&site, "cors = { origins = \"*\", credentials = true }");
    let (code, _, errors) = Launch::check(&config).finish();
    assert_eq!(code, Some(2));
    assert!(errors.contains("credentials are not for every origin"), "{errors}");
}
