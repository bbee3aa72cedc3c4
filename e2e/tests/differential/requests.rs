//! What is asked: tables of what people and attackers send, and combinations of it.

use e2e::Answer;
use std::fmt;

/// A request, and the group under which the page tells of its answers.
pub(crate) struct Request {
    pub(crate) group: String,
    method: &'static str,
    target: String,
    version: &'static str,
    /// Field lines, with `{etag}` and `{weak}` for the server's own tag of the target.
    fields: Vec<String>,
}

impl Request {
    fn get(group: &str, target: &str, fields: &[&str]) -> Self {
        Self {
            group: group.to_owned(),
            method: "GET",
            target: target.to_owned(),
            version: "HTTP/1.1",
            fields: fields.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    fn with_method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// The bytes for a server that can be asked for its tags.
    pub(crate) fn bytes(&self, ask: &dyn Fn(&[u8]) -> Answer) -> Vec<u8> {
        let mut text = self.text();
        if text.contains("{etag}") || text.contains("{weak}") {
            let plain = Self::get("", &self.target, &[]).text();
            let tag = ask(plain.as_bytes()).get("etag").unwrap_or_default();
            let opaque = tag.trim_start_matches("W/");
            text = text.replace("{etag}", opaque).replace("{weak}", &format!("W/{opaque}"));
        }
        text.into_bytes()
    }

    fn text(&self) -> String {
        let has_host = self.fields.iter().any(|line| line.starts_with("Host:"));
        let host = if has_host || self.version == "HTTP/1.0" { "" } else { "Host: localhost\r\n" };
        let fields: String = self.fields.iter().map(|line| format!("{line}\r\n")).collect();
        let Self { method, target, version, .. } = self;
        format!("{method} {target} {version}\r\n{host}{fields}Connection: close\r\n\r\n")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().escape_debug().to_string();
        let short: String = text.chars().take(300).collect();
        f.write_str(&short)
    }
}

/// All requests, always the same ones.
pub(crate) fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    methods(&mut all);
    paths(&mut all);
    hosts(&mut all);
    ranges(&mut all);
    if_range(&mut all);
    preconditions(&mut all);
    codings(&mut all);
    expectations(&mut all);
    routes(&mut all);
    random_ranges(&mut all);
    all
}

fn methods(all: &mut Vec<Request>) {
    for target in ["/letters.txt", "/", "/sub", "/nothing"] {
        for (group, method, fields) in [
            ("HEAD", "HEAD", &[][..]),
            ("OPTIONS", "OPTIONS", &[]),
            ("another method: POST", "POST", &["Content-Length: 0"]),
            ("another method: PUT", "PUT", &["Content-Length: 0"]),
            ("another method: DELETE", "DELETE", &[]),
            ("another method: PATCH", "PATCH", &["Content-Length: 0"]),
            ("another method: TRACE", "TRACE", &[]),
            ("another method: BREW", "BREW", &[]),
            ("another method: get", "get", &[]),
        ] {
            all.push(Request::get(group, target, fields).with_method(method));
        }
    }
    all.push(Request::get("OPTIONS *", "*", &[]).with_method("OPTIONS"));
    all.push(Request::get("GET *", "*", &[]));
    all.push(Request::get("CONNECT", "a.example:443", &[]).with_method("CONNECT"));
}

fn paths(all: &mut Vec<Request>) {
    for (group, targets) in [
        (
            "a file",
            &["/", "/letters.txt", "/sub/", "/sub/page.txt", "/empty.txt", "/style.css"][..],
        ),
        ("a file with a query", &["/?", "/letters.txt?x=1", "/sub/?a/../b", "/letters.txt?%zz"]),
        (
            "an encoded path",
            &["/%6cetters.txt", "/a%20b.txt", "/%c3%bc.txt", "/100%25.txt", "/sub%2e/"],
        ),
        (
            "a path with dot segments",
            &[
                "/./letters.txt",
                "/sub/../letters.txt",
                "/sub/..",
                "/sub/.",
                "/sub/./page.txt",
                "/x/../letters.txt",
                "/%2e/letters.txt",
                "/sub/%2e%2e/letters.txt",
            ],
        ),
        (
            "a path that climbs",
            &["/..", "/../letters.txt", "/sub/../../letters.txt", "/%2e%2e/letters.txt", "/.%2e/"],
        ),
        (
            "doubled slashes",
            &["//letters.txt", "/sub//page.txt", "///", "/sub///", "//sub//page.txt"],
        ),
        ("a folder without its slash", &["/sub", "/sub?a=b", "/./sub", "//sub", "/bare"]),
        ("a folder without an index", &["/bare/"]),
        ("a file with a slash", &["/letters.txt/", "/sub/page.txt/"]),
        ("a file with a path behind it", &["/letters.txt/more", "/index.html/x/y"]),
        (
            "nothing",
            &[
                "/nothing",
                "/sub/nothing.html",
                "/nothing/",
                "/LETTERS.TXT",
                "/letters.txt.",
                "/letters.txt%20",
            ],
        ),
        (
            "an encoded slash",
            &["/sub%2fpage.txt", "/sub%2Fpage.txt", "/%2fletters.txt", "/..%2fletters.txt"],
        ),
        ("a backslash", &["/sub\\page.txt", "/sub%5cpage.txt", "/..%5cletters.txt"]),
        ("NUL", &["/letters.txt%00", "/%00", "/shell.php%00.txt"]),
        ("a control character", &["/%0d%0aSet-Cookie:x", "/letters.txt%0a", "/%1f", "/%7f"]),
        ("a broken escape", &["/%", "/%z", "/%zz", "/letters.txt%2", "/%u002e"]),
        ("overlong UTF-8", &["/%c0%ae%c0%ae/letters.txt", "/%c0%af", "/%e0%80%af"]),
        ("a fragment", &["/letters.txt#part", "/#"]),
        ("bytes beyond ASCII", &["/\u{fc}.txt"]),
        ("a dotfile", &["/.env", "/%2eenv", "/.git/config", "/sub/.htaccess"]),
        (".well-known", &["/.well-known/security.txt"]),
        (
            "PHP source",
            &["/shell.php", "/shell.PHP", "/shell.php/info", "/shell.php~", "/shell.php.bak"],
        ),
        ("a target without a slash", &["letters.txt", "?x", "sub/page.txt"]),
        (
            "an absolute target",
            &[
                "http://localhost/letters.txt",
                "HTTP://localhost/",
                "http://localhost",
                "http://localhost?x",
            ],
        ),
        ("an absolute target of another kind", &["ftp://localhost/letters.txt", "localhost:80"]),
    ] {
        all.extend(targets.iter().map(|target| Request::get(group, target, &[])));
    }
    let long = |bytes| format!("/{}", "x".repeat(bytes));
    all.push(Request::get("a target of 4 KB", &long(4000), &[]));
    all.push(Request::get("a target of 20 KB", &long(20_000), &[]));
}

fn hosts(all: &mut Vec<Request>) {
    for (group, lines) in [
        ("Host", &["Host: localhost"][..]),
        ("Host", &["Host: LOCALHOST.:8080"]),
        ("Host", &["Host: [::1]"]),
        ("an empty Host", &["Host:"]),
        ("two Hosts", &["Host: a", "Host: a"]),
        ("two Hosts", &["Host: a", "Host: b"]),
        ("a list of hosts", &["Host: a, b"]),
        ("a Host that is none", &["Host: a b"]),
        ("a Host that is none", &["Host: a/b"]),
        ("a Host that is none", &["Host: user@a"]),
        ("a Host that is none", &["Host: ["]),
        ("a Host with a bad port", &["Host: a:x"]),
        ("a Host with a bad port", &["Host: a:99999"]),
    ] {
        all.push(Request::get(group, "/letters.txt", lines));
    }
    let old = |group, fields: &[&str]| {
        let request = Request::get(group, "/letters.txt", fields);
        Request { version: "HTTP/1.0", ..request }
    };
    all.push(old("HTTP/1.0", &[]));
    all.push(old("HTTP/1.0", &["Host: localhost"]));
    all.push(old("HTTP/1.0", &["Range: bytes=2-4"]));
    for (group, version) in [
        ("HTTP/1.2", "HTTP/1.2"),
        ("HTTP/2.0 in text", "HTTP/2.0"),
        ("HTTP/0.9 in the words of 1.1", "HTTP/0.9"),
        ("no version", "HTTP"),
        ("a version in small letters", "http/1.1"),
    ] {
        let request = Request::get(group, "/letters.txt", &["Host: localhost"]);
        all.push(Request { version, ..request });
    }
    let big = format!("X-Big: {}", "x".repeat(6000));
    all.push(Request::get("a head of 6 KB", "/letters.txt", &[&big]));
    all.push(Request::get("a head of 48 KB", "/letters.txt", &[big.as_str(); 8]));
    all.push(Request::get("a head of 90 fields", "/letters.txt", &["X: y"; 90]));
    all.push(Request::get("a space before the colon", "/letters.txt", &["X-Y : z"]));
    all.push(Request::get("a folded field", "/letters.txt", &["X-Y: z", " more"]));
    all.push(Request::get("a field without a name", "/letters.txt", &[": z"]));
    all.push(Request::get("a NUL in a field", "/letters.txt", &["X-Y: a\0b"]));
}

fn ranges(all: &mut Vec<Request>) {
    for (group, ranges) in [
        (
            "one range",
            &[
                "0-0", "0-", "5-9", "25-25", "25-", "0-25", "0-26", "3-999", "-1", "-26", "-27",
                "-999",
            ][..],
        ),
        (
            "a range beyond the end",
            &["26-", "26-30", "999-", "18446744073709551615-", "99999999999999999999999-"],
        ),
        ("an empty suffix", &["-0"]),
        (
            "a range that makes no sense",
            &["5-3", "a-b", "", "-", "--1", "1", "1-2-3", "0x1-2", "1-2;3"],
        ),
        ("a range with spaces", &[" 1-2", "1-2 ", "1 - 2"]),
        ("several ranges", &["0-0,2-2", "0-3,10-12,20-", "1-2, 4-5", "-2,0-1", "20-21,0-1"]),
        ("several ranges, one beyond the end", &["0-1,30-31", "99-,0-0"]),
        ("several ranges, all beyond the end", &["30-31,40-", "99-,-0"]),
        ("several ranges, one without sense", &["0-1,x", "5-3,0-1", "0-1,,3-4", ",0-1"]),
        ("several ranges, adjacent", &["0-4,5-9", "0-0,1-1,2-2"]),
        ("several ranges, overlapping", &["0-5,3-8", "0-10,5-6", "0-1,0-1"]),
        ("several ranges, more bytes than there are", &["0-,0-,0-", "0-25,0-25", "0-20,5-25"]),
    ] {
        for range in ranges {
            let line = format!("Range: bytes={range}");
            all.push(Request::get(group, "/letters.txt", &[&line]));
            all.push(
                Request::get(&format!("HEAD: {group}"), "/letters.txt", &[&line])
                    .with_method("HEAD"),
            );
        }
    }
    let many = |count: usize| {
        (0..count).map(|at| format!("{}-{}", at % 26, at % 26)).collect::<Vec<_>>().join(",")
    };
    for (group, count) in [("several ranges, 13", 13), ("several ranges, 200", 200)] {
        let line = format!("Range: bytes={}", many(count));
        all.push(Request::get(group, "/letters.txt", &[&line]));
    }
    all.push(Request::get("another unit", "/letters.txt", &["Range: lines=1-2"]));
    all.push(Request::get("the unit in capitals", "/letters.txt", &["Range: BYTES=1-2"]));
    all.push(Request::get(
        "two Range fields",
        "/letters.txt",
        &["Range: bytes=1-2", "Range: bytes=4-5"],
    ));
    all.push(Request::get("a range of nothing", "/empty.txt", &["Range: bytes=0-"]));
    all.push(Request::get("a range of nothing", "/empty.txt", &["Range: bytes=-5"]));
    all.push(Request::get("a range of an error", "/nothing", &["Range: bytes=0-1"]));
    all.push(Request::get("a range of a redirect", "/sub", &["Range: bytes=0-1"]));
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATES: [(&str, &str); 6] = [
    ("the date", DATE),
    ("an earlier date", "Sat, 05 Nov 1994 08:49:37 GMT"),
    ("a later date", "Mon, 07 Nov 1994 08:49:37 GMT"),
    ("the date in an old form", "Sunday, 06-Nov-94 08:49:37 GMT"),
    ("the date in the form of asctime", "Sun Nov  6 08:49:37 1994"),
    ("no date", "yesterday"),
];
const TAGS: [(&str, &str); 8] = [
    ("the tag", "{etag}"),
    ("the tag, weak", "{weak}"),
    ("another tag", "\"other\""),
    ("a list with the tag", "\"a\", {etag}, \"b\""),
    ("a list with the tag, weak", "\"a\", {weak}"),
    ("a list of others", "\"a\", W/\"b\""),
    ("*", "*"),
    ("a tag without quotes", "other"),
];

fn if_range(all: &mut Vec<Request>) {
    for (kind, value) in TAGS.iter().chain(&DATES) {
        let line = format!("If-Range: {value}");
        let fields = ["Range: bytes=2-4", &line];
        all.push(Request::get(&format!("If-Range: {kind}"), "/letters.txt", &fields));
        let fields = ["Range: bytes=99-", &line];
        all.push(Request::get(
            &format!("If-Range: {kind}, beyond the end"),
            "/letters.txt",
            &fields,
        ));
    }
}

fn preconditions(all: &mut Vec<Request>) {
    for (kinds, names) in [
        (&TAGS[..], ["If-Match", "If-None-Match"]),
        (&DATES, ["If-Modified-Since", "If-Unmodified-Since"]),
    ] {
        for name in names {
            for (kind, value) in kinds {
                for method in ["GET", "HEAD"] {
                    let group = format!("{name}: {kind}");
                    let line = format!("{name}: {value}");
                    all.push(Request::get(&group, "/letters.txt", &[&line]).with_method(method));
                }
            }
        }
    }
    // What is there is weighed in the order of RFC 9110 section 13.2.2, whatever else is there.
    let pick =
        |random: &mut Random, kinds: &[(&str, &'static str)]| kinds[random.below(kinds.len())].1;
    let mut random = Random(0x6761_6e6e_6574);
    for _ in 0..300 {
        let mut fields = Vec::new();
        let mut names = Vec::new();
        for (name, kinds) in [
            ("If-Match", &TAGS[..]),
            ("If-Unmodified-Since", &DATES),
            ("If-None-Match", &TAGS),
            ("If-Modified-Since", &DATES),
        ] {
            if random.below(2) == 1 {
                fields.push(format!("{name}: {}", pick(&mut random, kinds)));
                names.push(name);
            }
        }
        if random.below(3) == 0 {
            fields.push(format!("Range: bytes={}", ["2-4", "-3", "99-"][random.below(3)]));
            names.push("Range");
        }
        if names.len() < 2 {
            continue;
        }
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        all.push(Request::get("several preconditions", "/letters.txt", &fields));
    }
}

fn codings(all: &mut Vec<Request>) {
    for (group, values) in [
        ("a coding, there", &["gzip", "x-gzip", "GZIP", "gzip;q=0.5", "br, gzip", "*"][..]),
        (
            "a coding, refused",
            &["gzip;q=0", "gzip;q=0.0, identity", "*;q=0, identity", "gzip; q=0"],
        ),
        ("a coding, not there", &["br", "zstd", "compress", "identity", ""]),
        ("no coding, nor none", &["identity;q=0, br", "identity;q=0", "*;q=0"]),
        ("a coding, senseless", &["gzip;q=2", "gzip;q=x", ";;", "gzipped", "gzip;x=1"]),
        ("a coding, less liked than none", &["gzip;q=0.1, identity", "identity, gzip;q=0.5"]),
    ] {
        for value in values {
            let line = format!("Accept-Encoding: {value}");
            all.push(Request::get(group, "/style.css", &[&line]));
            all.push(
                Request::get(&format!("HEAD: {group}"), "/style.css", &[&line]).with_method("HEAD"),
            );
            all.push(Request::get(&format!("{group}, no sibling"), "/letters.txt", &[&line]));
        }
    }
    let line = "Accept-Encoding: gzip";
    all.push(Request::get(
        "a range of a compressed file",
        "/style.css",
        &[line, "Range: bytes=2-4"],
    ));
    all.push(Request::get(
        "the tag of another coding",
        "/style.css",
        &[line, "If-None-Match: {etag}"],
    ));
}

fn expectations(all: &mut Vec<Request>) {
    for (group, lines) in [
        ("Expect without content", &["Expect: 100-continue"][..]),
        ("Expect of something else", &["Expect: the-unexpected"]),
        ("GET with content", &["Content-Length: 0"]),
        ("TE and Trailer", &["TE: trailers", "Trailer: X"]),
        ("Upgrade to HTTP/2", &["Upgrade: h2c"]),
        ("Upgrade to WebSocket", &["Upgrade: websocket", "Sec-WebSocket-Version: 13"]),
    ] {
        all.push(Request::get(group, "/letters.txt", lines));
    }
}

fn routes(all: &mut Vec<Request>) {
    for (group, targets) in [
        ("a redirect", &["/old/x", "/old/", "/old/a/b?x=1", "/old/x?", "/old/a~b-c.d_e"][..]),
        ("a redirect of the folder itself", &["/old"]),
        ("a redirect, encoded", &["/old/a%20b", "/old/%c3%bc", "/old/%25", "/old/a%3fb"]),
        ("a redirect, other spellings", &["//old//x", "/old/../old/x", "/%6fld/x", "/old/a/../b"]),
        ("a redirect, lines", &["/old/%0d%0aSet-Cookie:x", "/old/x?%0d%0aSet-Cookie:x"]),
        ("beside a route", &["/oldx", "/old%2fx", "/guardedx", "/OLD/x"]),
        (
            "a guarded path",
            &[
                "/guarded/x",
                "/guarded/",
                "/guarded",
                "//guarded/x",
                "/./guarded/x",
                "/x/../guarded/x",
            ],
        ),
        ("a guarded path, encoded", &["/%67uarded/x", "/x/%2e%2e/guarded/x", "/guarded%2fx"]),
        ("a guarded path, around it", &["/guarded/../letters.txt", "/x/..%2fguarded/x"]),
        ("a rewrite", &["/moved/page.txt", "/moved/", "/moved/page.txt?x", "/moved/nothing"]),
        (
            "a rewrite, other spellings",
            &["//moved/page.txt", "/moved//page.txt", "/moved/x/../page.txt"],
        ),
        ("fields", &["/sub/page.txt", "/sub/nothing", "/sub/index.html"]),
    ] {
        all.extend(targets.iter().map(|target| Request::get(group, target, &[])));
    }
    for (group, line) in [
        ("fields of a 304", "If-None-Match: {etag}"),
        ("fields of a 206", "Range: bytes=1-2"),
        ("fields of a 416", "Range: bytes=99-"),
        ("fields of a 412", "If-Match: \"other\""),
    ] {
        all.push(Request::get(group, "/sub/page.txt", &[line]));
    }
    all.push(Request::get("a redirect", "/old/x", &[]).with_method("HEAD"));
    all.push(
        Request::get("a redirect of a POST", "/old/x", &["Content-Length: 0"]).with_method("POST"),
    );
}

fn random_ranges(all: &mut Vec<Request>) {
    let mut random = Random(0x6469_7665);
    for _ in 0..300 {
        let count = 1 + random.below(4);
        let specs: Vec<_> = (0..count)
            .map(|_| {
                let (first, length) = (random.below(32), random.below(8));
                match random.below(8) {
                    0 => format!("{first}-"),
                    1 => format!("-{first}"),
                    2 => format!("{first}-{}", first.saturating_sub(length)),
                    _ => format!("{first}-{}", first + length),
                }
            })
            .collect();
        let line = format!("Range: bytes={}", specs.join(","));
        let group = if count == 1 { "one range at random" } else { "several ranges at random" };
        all.push(Request::get(group, "/letters.txt", &[&line]));
    }
}

/// Random numbers that are always the same (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
