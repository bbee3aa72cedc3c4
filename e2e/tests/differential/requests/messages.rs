//! Methods, hosts, versions, sizes of heads: what is asked for beside a path.

use super::Request;

pub(super) fn methods(all: &mut Vec<Request>) {
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

pub(super) fn hosts(all: &mut Vec<Request>) {
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

pub(super) fn expectations(all: &mut Vec<Request>) {
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
