//! Who may enter by password: the right ones, by no way round, and at no cost to others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, PATIENCE, Response, Server, Site, binary};
use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
    time::Instant,
};

/// Users as `htpasswd -nbB` makes them: alice has `wonderland`, björn has `smör å`.
const USERS: &str = "alice:$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\n\
                     bj\u{f6}rn:$2y$04$KzaVFF4dzQ6./YE79jQeauqdHEXM390FU9TgcemUWiSJnKzdzccVa\n";

/// A config in which `/admin/*` of the default site asks for a password, and what it says beside.
fn config(site: &Site, more: &str) -> String {
    site.write("../users.htpasswd", format!("# staff\n\n{USERS}").as_bytes());
    let users = site.path("../users.htpasswd");
    format!(
        "{}[site.default.route.\"/admin/*\"]\nauth = {{ realm = \"staff \\\"A\\\"\", file = {users:?} }}\n{more}",
        site.config("threads = 1", "")
    )
}

/// `text` in base64.
fn base64(text: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", base64(credentials.as_bytes()))
}

/// Asks for `target` with the lines `fields`, each ended.
fn ask(client: &mut Client, target: &str, fields: &str) -> Response {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).unwrap();
    client.response().unwrap()
}

#[test]
fn who_knows_the_password_enters_and_is_named_in_the_log() {
    let site = Site::new();
    let server = Server::run(&config(&site, ""));
    let mut client = Client::connect(server.addr());
    let mut check = |fields: &str, status: u16, text: &str, user: Option<&str>| {
        let response = ask(&mut client, "/admin/x", fields);
        assert_eq!(response.status, status, "{fields}");
        assert!(response.text().contains(text), "{fields}: {}", response.text());
        let challenge = response.get("www-authenticate");
        let expect =
            (status == 401).then_some("Basic realm=\"staff \\\"A\\\"\", charset=\"UTF-8\"");
        assert_eq!(challenge, expect, "{fields}");
        user.map(str::to_owned)
    };
    let expect = [
        check("", 401, "401", None),
        check(&basic("alice:wonderland"), 200, "admin\n", Some("alice")),
        check(&basic("alice:wonderland"), 200, "admin\n", Some("alice")),
        check(&basic("alice:wonderlan"), 401, "401", None),
        check(&basic("alice:wonderland "), 401, "401", None),
        check(&basic("alice:"), 401, "401", None),
        check(&basic("bob:wonderland"), 401, "401", None),
        check(&basic(":wonderland"), 401, "401", None),
        check(&basic("Alice:wonderland"), 401, "401", None),
        check(&basic("bj\u{f6}rn:sm\u{f6}r \u{e5}"), 200, "admin\n", Some("bj\u{f6}rn")),
    ];
    let lines = server.stop().lines;
    let seen: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "request")
        .map(|line| line["user"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(seen, expect);
}

/// Odd credentials are no credentials, and never anything worse.
#[test]
fn what_is_no_credentials_is_refused() {
    let site = Site::new();
    let server = Server::run(&config(&site, ""));
    let valid = base64(b"alice:wonderland");
    let check = |value: &[u8], status: u16| {
        let mut client = Client::connect(server.addr());
        let head = b"GET /admin/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: ";
        client.send([head, value, b"\r\n\r\n"].concat()).unwrap();
        let response = client.response().unwrap();
        let shown = value[..value.len().min(60)].escape_ascii();
        assert_eq!(response.status, status, "{shown}");
    };
    check(format!("Basic {valid}").as_bytes(), 200);
    check(format!("bAsIc {valid}").as_bytes(), 200);
    check(format!("Basic {}", valid.trim_end_matches('=')).as_bytes(), 401);
    check(format!("Basic {valid}=").as_bytes(), 401);
    check(format!("Basic {valid} x").as_bytes(), 401);
    check(format!("Basic {valid}\r\nAuthorization: Basic {valid}").as_bytes(), 401);
    check(format!("Bearer {valid}").as_bytes(), 401);
    check(format!("Digest username=\"alice\", response=\"{valid}\"").as_bytes(), 401);
    check(b"", 401);
    check(b"Basic", 401);
    check(b"Basic ====", 401);
    check(b"Basic \xff\xfe", 401);
    for text in [
        &b"alice"[..],
        b"alice:wonderland\0",
        b"alice\0:wonderland",
        b"alice:wonderland\n",
        b"alice:\xff\xfe",
        b"bj\xf6rn:sm\xf6r \xe5",
        &[b"alice:", &[b'x'; 20_000][..]].concat(),
    ] {
        check(format!("Basic {}", base64(text)).as_bytes(), 401);
    }
    check(format!("Basic {}", base64(&[b'x'; 1 << 20])).as_bytes(), 431);
    assert_eq!(server.stop().lines.last().unwrap()["panics"], 0);
}

/// Rows 83 to 91 of the threats: one normal form for the guard and for the files.
#[test]
fn no_way_of_writing_a_path_leads_around_the_guard() {
    let site = Site::new();
    let server = Server::run(&config(&site, ""));
    for target in [
        "/admin/x",
        "/admin",
        "/admin/",
        "/%61dmin/x",
        "/adm%69n/%78",
        "//admin/x",
        "///admin///x",
        "/./admin/x",
        "/admin/./x",
        "/sub/../admin/x",
        "/sub/%2e%2e/admin/x",
        "/admin/../admin/x",
        "/admin/x?y",
        "/admin%2fx",
        "/admin%2Fx",
        "/sub/..%2fadmin/x",
        "/admin%00/x",
        "/admin/x%00",
        "/admin/x%zz",
        "/%c0%ae/admin/x",
        "/admin\\x",
        "/admin%5cx",
        "/sub/..;/admin/x",
        "/ADMIN/x",
        "/admin./x",
        "/..//admin/x",
        "http://localhost/admin/x",
        "http://localhost//admin/x",
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "BREW"] {
            let mut client = Client::connect(server.addr());
            let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client.send(request).unwrap();
            let response = match method {
                "HEAD" => client.response_to_head().unwrap(),
                _ => client.response().unwrap(),
            };
            assert_ne!(response.status, 200, "{method} {target}");
            assert!(!response.text().contains("admin\n"), "{method} {target}");
        }
    }
    server.stop();
}

/// O13 of the threats: the clock does not tell who there is. A fault at the sixth hash tells how
/// many there were before.
#[test]
fn an_unknown_user_costs_a_hash_too_and_a_right_password_is_hashed_once() {
    let site = Site::new();
    let launch = Launch::run(&config(&site, "")).env("GANNET_FAIL", "hash=panic:6");
    let server = launch.start();
    let mut client = Client::connect(server.addr());
    let mut check = |credentials: &str, status: u16| {
        let response = ask(&mut client, "/admin/x", &basic(credentials));
        assert_eq!(response.status, status, "{credentials}");
    };
    check("alice:wrong", 401);
    check("alice:wrong", 401);
    check("nobody:wrong", 401);
    check("nobody:wrong", 401);
    check("alice:wonderland", 200);
    check("alice:wonderland", 200);
    check("alice:wonderlanD", 500);
    check("alice:wonderland", 200);
    check("alice:wonderlanD", 401);
    server.stop();
}

#[test]
fn a_password_is_right_only_for_the_list_that_it_is_in() {
    let site = Site::new();
    let other = "[site.default.route.\"/img/*\"]\nauth = { users = { alice = \
                 \"$2y$10$7rNorUDccQOS7xM4IgflbO964oXvno.dqys5sxNXlVpTljRp50JkO\" } }\n\
                 [site.default.route.\"/admin/open/*\"]\nauth = {}\n";
    site.write("admin/open/y", b"open\n");
    let server = Server::run(&config(&site, other));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, fields: &str, status: u16| {
        assert_eq!(ask(&mut client, target, fields).status, status, "{target} {fields}");
    };
    let (one, two) = (basic("alice:wonderland"), basic("alice:builder"));
    check("/admin/x", &one, 200);
    check("/img/a.txt", &one, 401);
    check("/img/a.txt", &two, 200);
    check("/admin/x", &two, 401);
    check("/admin/open/y", "", 200);
    check("/admin/open/y", &two, 200);
    check("/", "", 200);
    server.stop();
}

#[test]
fn a_rewrite_leads_through_the_guards_of_all_its_routes() {
    let site = Site::new();
    let more = "[site.default.route.\"/back/*\"]\nrewrite = \"/admin/{rest}\"\n\
                [site.default.route.\"/both/*\"]\nrewrite = \"/admin/{rest}\"\nauth.users.bob = \
                \"$2y$10$7rNorUDccQOS7xM4IgflbO964oXvno.dqys5sxNXlVpTljRp50JkO\"\n\
                [site.default.route.\"/out/*\"]\nrewrite = \"/sub/{rest}\"\nauth.users.bob = \
                \"$2y$10$7rNorUDccQOS7xM4IgflbO964oXvno.dqys5sxNXlVpTljRp50JkO\"\n";
    let server = Server::run(&config(&site, more));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, fields: &str, status: u16| {
        assert_eq!(ask(&mut client, target, fields).status, status, "{target} {fields}");
    };
    let (alice, bob) = (basic("alice:wonderland"), basic("bob:builder"));
    check("/back/x", "", 401);
    check("/back/x", &bob, 401);
    check("/back/x", &alice, 200);
    check("/both/x", &alice, 401);
    check("/both/x", &bob, 401);
    check("/out/page.txt", &alice, 401);
    check("/out/page.txt", &bob, 200);
    check("/sub/page.txt", "", 200);
    server.stop();
}

#[test]
fn a_flood_of_passwords_is_turned_away_and_harms_nobody_else() {
    let site = Site::new();
    let launch = Launch::run(&config(&site, "")).env("GANNET_FAIL", "hash=stall:300");
    let server = launch.start();
    let addr = server.addr();
    // All are there before the first asks, so that they come at once.
    let flood: Vec<_> = (0..120).map(|_| Client::connect(addr)).collect();
    let flood: Vec<_> = flood
        .into_iter()
        .enumerate()
        .map(|(number, mut client)| {
            let fields = basic(&format!("alice:{number}"));
            let request = format!("GET /admin/x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
            client.send(request).unwrap();
            client
        })
        .collect();
    let mut other = Client::connect(addr);
    assert_eq!(ask(&mut other, "/page.html", "").status, 200);
    assert_eq!(ask(&mut other, "/list/", "").status, 200);
    let mut seen = [0, 0];
    for mut client in flood {
        let response = client.response().unwrap();
        match response.status {
            401 => seen[0] += 1,
            503 => {
                seen[1] += 1;
                assert_eq!(response.get("retry-after"), Some("1"));
            }
            status => panic!("{status}"),
        }
    }
    assert!(seen[0] >= 4 && seen[1] >= 40, "checked and turned away: {seen:?}");
    let lines = server.stop().lines;
    let listing = lines.iter().position(|line| line["target"] == "/list/");
    let checked = lines.iter().rposition(|line| line["status"] == 401);
    assert!(listing < checked, "what reads a folder has waited behind all that was checked");
}

/// P4: what a check takes, it gives back.
#[test]
fn checks_leave_no_memory_behind() {
    let site = Site::new();
    let config = config(&site, "");
    let (_, line, _) = run(&["hash-password", "alice"], "wonderland");
    fs::write(site.path("../users.htpasswd"), line).unwrap();
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut try_often = |count| {
        for number in 0..count {
            let fields = basic(&format!("alice:{number}"));
            assert_eq!(ask(&mut client, "/admin/x", &fields).status, 401);
        }
        server.process().memory_share_kib()
    };
    let before = try_often(2);
    let grown = try_often(60).saturating_sub(before);
    assert!(grown < 16 * 1024, "60 checks of 19 MiB each have left {grown} KiB");
    server.stop();
}

/// `gannet ARGS` with `input` on its standard input: exit code, output, errors.
fn run(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary::path());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who is refused for its arguments may have ended before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_line_that_hash_password_makes_lets_its_user_in() {
    let (code, line, errors) = run(&["hash-password", "carol"], "sesame open\nnot read\n");
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(line.starts_with("carol:$argon2id$v=19$") && line.ends_with('\n'), "{line}");
    let (_, hash, _) = run(&["hash-password"], "sesame open");
    assert!(hash.starts_with("$argon2id$") && !line.contains(hash.trim()), "salts differ: {hash}");

    let site = Site::new();
    let config = config(&site, "");
    fs::write(site.path("../users.htpasswd"), line).unwrap();
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    assert_eq!(ask(&mut client, "/admin/x", &basic("carol:sesame open")).status, 200);
    assert_eq!(ask(&mut client, "/admin/x", &basic("carol:sesame")).status, 401);
    server.stop();
}

#[test]
fn hash_password_refuses_what_no_browser_could_send() {
    let check = |args: &[&str], input: &str, part: &str| {
        let (code, output, errors) = run(args, input);
        assert_eq!((code, &*output), (Some(2), ""), "{input:?}");
        assert!(errors.contains(part), "{errors}");
    };
    check(&["hash-password"], "", "there was no password");
    check(&["hash-password"], "\n", "is empty");
    check(&["hash-password"], "a\tb\n", "control character");
    check(&["hash-password", "a:b"], "x\n", "the name of a user");
    check(&["hash-password", ""], "x\n", "the name of a user");
}

/// What a person types is asked twice and never shown. `script` lends a terminal.
#[test]
fn hash_password_shows_nothing_on_a_terminal() {
    let check = |typed: [&str; 2], part: &str, code: i32| {
        let command = format!("{} hash-password dora", binary::path().display());
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut shown = Vec::new();
        for (question, answer) in ["Password: ", "Once more: "].into_iter().zip(typed) {
            let start = Instant::now();
            while !shown.ends_with(question.as_bytes()) {
                let mut byte = [0];
                output.read_exact(&mut byte).unwrap();
                shown.push(byte[0]);
                assert!(start.elapsed() < PATIENCE);
            }
            input.write_all(answer.as_bytes()).unwrap();
            if answer.ends_with('\u{3}') {
                break;
            }
        }
        output.read_to_end(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{shown}");
        assert!(!shown.contains("hush") && shown.contains(part), "{shown}");
    };
    check(["hush-hush\n", "hush-hush\n"], "dora:$argon2id$", 0);
    check(["hush-hush\n", "hush\n"], "the two differ", 2);
    check(["hush\u{3}", ""], "", 130);
}

#[test]
fn weak_hashes_are_refused_with_their_line() {
    let site = Site::new();
    let config = config(&site, "");
    fs::write(site.path("../users.htpasswd"), "a:$apr1$IkVnzRBM$8.lHvW6Z2pYxLHqAPwGsH1\nb:x\n")
        .unwrap();
    let (code, _, errors) = Launch::check(&config).finish();
    assert_eq!(code, Some(2));
    for part in ["users.htpasswd:1", "users.htpasswd:2", "MD5", "gannet hash-password"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}
