//! Sites and routes: which one a request takes, what is done for it, and how its answer looks.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Response, Server, Site};

const ROUTES: &str = r#"
[site."a.example"]
aliases = ["www.a.example", "*.wild.example"]
redirect-from = ["old.example"]
respond = "site"
fields = { X-Site = "a", X-Twice = ["one", "two"], X-Gone = "here" }
cache-control = "max-age=60"

[site."a.example".route]
"/exact" = { respond = "exact" }
"/dir/" = { respond = "directory" }
"/p/*" = { respond = "prefix {rest}", fields = { X-Gone = "", X-P = "p" } }
"/p/q/*" = { respond = "longer {1}-{2}" }
"/p/*.pdf" = { respond = "suffix {rest}" }
"*.pdf" = { respond = "top suffix" }
"/p/exact.pdf" = { respond = "exact again" }
"POST /form" = { respond = "posted" }
"PUT /form" = { respond = "put" }
"POST /p/form" = { respond = "posted below" }
"GET /get" = { respond = "got" }
"/gone" = { respond = { status = 410 } }
"/json" = { respond = { text = "{{}}", type = "application/json", status = 203 } }
"/echo/*" = { respond = "{method} {host} {path} {query} {client}" }
"/page/*" = { respond = { text = "<p title='{rest}'>{query}</p>", type = "text/html" } }
"/data/*" = { respond = { text = '{{"a": "{rest}", "b": "{query}"}}', type = "application/json" } }
"/script/*" = { respond = { text = "a = `{rest}`", type = "text/javascript" } }
"/k/*" = { rewrite = "/{rest}" }
"/r/*" = { redirect = "/new/{rest}" }
"/slash/*" = { redirect = "/{rest}" }
"/away/*" = { redirect = { to = "https://b.example{path}", status = "temporary" } }
"/there/*" = { redirect = "https://{host}/x{path}" }
"/query" = { redirect = "/to?x={query}" }
"/re/*" = { rewrite = "/p/{rest}" }
"/hop/*" = { rewrite = "/re/{rest}" }
"/asked/*" = { rewrite = "/echo/{1}?a={2}&b=?{query}" }
"/circle/*" = { rewrite = "/circle/x{rest}" }
"/into/*" = { rewrite = "/inner/{rest}" }
"/inner/*" = { allow = "10.0.0.0/8" }
"/inner/*.txt" = { respond = "never" }
"/read/*" = { methods = ["GET"] }
"/closed/*" = { deny = "127.0.0.0/8" }
"/closed/open/*" = { deny = [], respond = "open again" }
"/host/*" = { fields.X-Host = "{host}" }
"/kept/*" = { fields.Cache-Control = "private", respond = "kept" }
"/kept/longer/*" = { cache-control = "max-age=9" }

[[site."a.example".route."/case/*".when]]
from = "127.0.0.0/8"
fields = { X-Preview = "yes" }
then = { respond = "preview", fields.X-Case = "1", cache-control = "" }
[[site."a.example".route."/case/*".when]]
fields = { X-Preview = "no" }
then.redirect = "/p/away"

[site."b.wild.example"]
respond = "exact host"
"#;

fn server() -> Server {
    Server::run(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{ROUTES}"))
}

fn ask(server: &Server, method: &str, host: &str, target: &str, fields: &str) -> Response {
    let mut client = Client::connect(server.addr());
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).unwrap();
    if method == "HEAD" { client.response_to_head().unwrap() } else { client.response().unwrap() }
}

#[test]
fn the_most_exact_route_answers() {
    let server = server();
    let check = |method: &str, target: &str, status: u16, expect: &str| {
        let response = ask(&server, method, "a.example", target, "");
        let text = response.text();
        assert_eq!(response.status, status, "{method} {target}: {text}");
        if status < 300 {
            assert_eq!(text, expect, "{method} {target}");
        }
        response
    };
    check("GET", "/", 200, "site");
    check("GET", "/exact", 200, "exact");
    check("GET", "/exact/", 200, "site");
    check("GET", "/dir/", 200, "directory");
    check("GET", "/dir", 200, "site");
    check("GET", "/p", 200, "prefix ");
    check("GET", "/p/", 200, "prefix ");
    check("GET", "/p/x/y", 200, "prefix x/y");
    check("GET", "/px", 200, "site");
    check("GET", "/p/q/1/2/3", 200, "longer 1-2");
    check("GET", "/p/q/1.pdf", 200, "longer 1.pdf-");
    check("GET", "/p/x/y.pdf", 200, "suffix x/y");
    check("GET", "/x/y.pdf", 200, "top suffix");
    check("GET", "/p/exact.pdf", 200, "exact again");
    check("GET", "/gone", 410, "");
    check("GET", "/json", 203, "{}");
    // One normal form: encoded letters, doubled slashes and dot segments are no way around.
    check("GET", "/%70/x", 200, "prefix x");
    check("GET", "//p//x", 200, "prefix x");
    check("GET", "/y/../p/./x", 200, "prefix x");
    check("GET", "/p/..%2fexact", 404, "");
    check("GET", "/%zz", 400, "");

    let posted = check("POST", "/form", 200, "posted");
    assert_eq!(posted.get("x-content-type-options"), Some("nosniff"));
    check("PUT", "/form", 200, "put");
    let refused = check("GET", "/form", 405, "");
    assert_eq!(refused.get("allow"), Some("OPTIONS, POST, PUT"));
    let asked = check("OPTIONS", "/form", 204, "");
    assert_eq!(asked.get("allow"), Some("OPTIONS, POST, PUT"));
    check("OPTIONS", "*", 204, "");
    check("POST", "/p/form", 200, "posted below");
    check("GET", "/get", 200, "got");
    check("HEAD", "/get", 200, "");
    assert_eq!(check("POST", "/get", 405, "").get("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(check("POST", "/read/x", 405, "").get("allow"), Some("GET, HEAD, OPTIONS"));
    check("GET", "/read/x", 200, "site");
    check("HEAD", "/read/x", 200, "");
    check("GET", "/closed", 403, "");
    check("GET", "/%63losed/x", 403, "");
    check("GET", "//closed/x", 403, "");
    check("GET", "/closed/open/x", 200, "open again");
    server.stop();
}

#[test]
fn hosts_find_their_site() {
    let server = server();
    let text = |host: &str| ask(&server, "GET", host, "/", "").text();
    assert_eq!(text("a.example"), "site");
    assert_eq!(text("WWW.a.Example."), "site");
    assert_eq!(text("x.y.wild.example:80"), "site");
    assert_eq!(text("b.wild.example"), "exact host");
    assert_eq!(ask(&server, "GET", "wild.example", "/", "").status, 421);
    let moved = ask(&server, "GET", "old.example:8080", "/x%20y?q=%41", "");
    assert_eq!(moved.status, 308);
    assert_eq!(moved.get("location"), Some("//a.example:8080/x%20y?q=%41"));
    // An absolute target names the port, too: what the Host field says is ignored.
    let port = |target: &str| {
        let moved = ask(&server, "GET", "a.example:4444", target, "");
        moved.get("location").map(str::to_owned)
    };
    assert_eq!(port("http://old.example/x").as_deref(), Some("//a.example/x"));
    assert_eq!(port("http://old.example:81/x").as_deref(), Some("//a.example:81/x"));
    server.stop();
}

#[test]
fn redirects_lead_where_they_shall_and_nowhere_else() {
    let server = server();
    let check = |target: &str, status: u16, expect: &str| {
        let response = ask(&server, "GET", "a.example", target, "");
        let location = Some(expect).filter(|expect| !expect.is_empty());
        assert_eq!((response.status, response.get("location")), (status, location), "{target}");
    };
    check("/r/a/b", 308, "/new/a/b");
    check("/r/a?x=1&y=2", 308, "/new/a?x=1&y=2");
    check("/r/%0d%0aSet-Cookie:x", 400, "");
    check("/r/%c3%a4", 308, "/new/%C3%A4");
    check("/r/a%22%3Cb", 308, "/new/a%22%3Cb");
    check("/slash//evil.example/x", 308, "/evil.example/x");
    check("/slash/%5Cevil.example", 308, "/%5Cevil.example");
    check("/there/x", 308, "https://a.example/x/there/x");
    check("/away/x", 307, "https://b.example/away/x");
    check("/query?a=b", 308, "/to?x=a=b");
    server.stop();
}

#[test]
fn rewrites_are_matched_anew_and_end() {
    let server = server();
    let ask = |target: &str| ask(&server, "GET", "a.example", target, "");
    assert_eq!(ask("/re/x").text(), "prefix x");
    assert_eq!(ask("/hop/q/1/2").text(), "longer 1-2");
    assert_eq!(ask("/asked/x%3Fy/z%26/?q").text(), "GET a.example /echo/x?y a=z%26&b=?q 127.0.0.1");
    assert_eq!(ask("/circle/x").status, 500);
    // It would end, and that it takes so long is the client's doing.
    assert_eq!(ask("/k/k/k/exact").text(), "exact");
    assert_eq!(ask(&format!("{}/exact", "/k".repeat(11))).status, 404);
    assert_eq!(ask("/into/a.txt").status, 403, "the guard of where it leads to applies");
    server.stop();
}

#[test]
fn fields_add_up_and_are_taken_away() {
    let site = Site::new();
    let root = site.root_text();
    let files = format!(
        "[site.files]\nroot = {root:?}\n\
         fields = {{ X-Site = \"f\", Last-Modified = \"\", Content-Type = \"text/x-own\" }}\n\
         cache-control = \"max-age=5\"\n"
    );
    let server = Server::run(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{ROUTES}{files}"));
    let ask = |host: &str, target: &str, fields: &str| ask(&server, "GET", host, target, fields);
    let all = |response: &Response, name: &str| -> Vec<String> {
        let named = response.fields.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    let response = ask("a.example", "/p/x", "");
    assert_eq!(all(&response, "x-site"), ["a"]);
    assert_eq!(all(&response, "x-twice"), ["one", "two"]);
    assert_eq!((response.get("x-p"), response.get("x-gone")), (Some("p"), None));
    assert_eq!(all(&response, "cache-control"), ["max-age=60"]);
    let longer = ask("a.example", "/p/q/x", "");
    assert_eq!((longer.get("x-p"), longer.get("x-gone")), (Some("p"), None), "covered by /p/*");
    assert_eq!(ask("a.example", "/host/x", "").get("x-host"), Some("a.example"));
    // Of two ways to say for how long it may be kept the more exact route's counts.
    assert_eq!(all(&ask("a.example", "/kept/x", ""), "cache-control"), ["private"]);
    assert_eq!(all(&ask("a.example", "/kept/longer/x", ""), "cache-control"), ["max-age=9"]);
    let gone = ask("a.example", "/gone", "");
    assert_eq!((gone.get("x-site"), gone.get("cache-control")), (Some("a"), None));

    let found = ask("files", "/digits.txt", "");
    assert_eq!(all(&found, "content-type"), ["text/x-own"]);
    assert_eq!((found.get("last-modified"), found.get("x-site")), (None, Some("f")));
    let tag = found.get("etag").unwrap();
    let again = ask("files", "/digits.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.get("x-site")), (304, Some("f")));
    assert_eq!(all(&again, "cache-control"), ["max-age=5"]);
    let missing = ask("files", "/nothing", "");
    assert_eq!((missing.status, missing.get("cache-control")), (404, None));
    server.stop();
}

#[test]
fn cases_apply_where_their_conditions_are_met() {
    let server = server();
    let ask = |fields: &str| ask(&server, "GET", "a.example", "/case/x", fields);
    let preview = ask("X-Preview: yes\r\n");
    assert_eq!((preview.text().as_str(), preview.get("x-case")), ("preview", Some("1")));
    assert_eq!((preview.get("x-site"), preview.get("cache-control")), (Some("a"), None));
    assert_eq!(ask("x-preview: no\r\n").get("location"), Some("/p/away"));
    assert_eq!(ask("").text(), "site");
    assert_eq!(ask("X-Preview: other\r\n").text(), "site");
    for both in ["X-Preview: yes\r\nX-Preview: no\r\n", "X-Preview: no\r\nX-Preview: yes\r\n"] {
        assert_eq!(ask(both).text(), "site", "two lines are one value");
    }
    server.stop();
}

#[test]
fn what_is_echoed_is_never_filled_in_twice() {
    let server = server();
    let echoed = ask(&server, "GET", "a.example", "/echo/%7Bhost%7D?{host}", "").text();
    assert_eq!(echoed, "GET a.example /echo/{host} {host} 127.0.0.1");
    let text = |target: &str| ask(&server, "GET", "a.example", target, "").text();
    assert_eq!(text("/page/%3Cb%3E?a'b"), "<p title='&lt;b&gt;'>a&#39;b</p>");
    assert_eq!(
        text("/data/a%22%5Cb%3C/script?c'd"),
        r#"{"a": "a\"\\b\u003c/script", "b": "c\u0027d"}"#
    );
    assert_eq!(text("/script/$%7Ba%7D%60"), r"a = `\u0024{a}\u0060`");
    server.stop();
}

#[test]
fn files_are_found_by_root_and_by_alias() {
    let site = Site::new();
    let root = site.root_text();
    let server = Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[site.default]\nroot = {root:?}\n\
         [site.default.route]\n\"/i/*\" = {{ alias = \"{root}/img\" }}\n\
         \"/deep/er/*\" = {{ alias = {root:?}, listing = true }}\n\
         \"/app/*\" = {{ rewrite = \"/{{rest}}\" }}\n\"/one\" = {{ rewrite = \"/sub?b\" }}\n"
    ));
    let ask = |target: &str| ask(&server, "GET", "x", target, "");
    assert_eq!(ask("/img/a.txt").text(), "image\n");
    assert_eq!(ask("/i/a.txt").text(), "image\n");
    assert_eq!(ask("/deep/er/sub/page.txt").text(), "page\n");
    assert_eq!(ask("/deep/er/sub").get("location"), Some("/deep/er/sub/"));
    // Where a slash is missing, it is added to the path that the client knows, if that helps.
    assert_eq!(ask("/app/sub?a").get("location"), Some("/app/sub/?a"));
    assert_eq!(ask("/one?a").get("location"), Some("/sub/?b"));
    assert!(ask("/deep/er/list/").text().contains("a%20b.txt"));
    // Row 89: a prefix ends on a segment's border.
    for target in ["/i../digits.txt", "/i/../digits.txt/../i../x", "/ix/a.txt", "/i/%2e%2e/secret"]
    {
        assert_eq!(ask(target).status, 404, "{target}");
    }
    server.stop();
}

#[test]
fn a_config_without_any_answer_is_refused() {
    let (code, _, stderr) = Launch::check("[site.x]\nfields = { A = \"b\" }\n").finish();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("the site `x` has no root"), "{stderr}");
}
