//! The configs in `examples/` are sound, and serve what their comments say.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// A host, a target, and what is answered: the status and something in the content.
type Ask = (&'static str, &'static str, u16, &'static str);

const EXAMPLES: &[(&str, &[Ask])] = &[
    (
        "one-site.toml",
        &[("localhost", "/", 200, "<title>"), ("any.example", "/gallery/", 200, "poster.png")],
    ),
    (
        "several-sites.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("gallery.localhost", "/", 200, "poster.png"),
            ("other.example", "/", 421, "421"),
        ],
    ),
    (
        "logs.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("localhost", "/images/sea.svg", 200, "<svg"),
            ("gallery.localhost", "/?x", 200, "poster.png"),
            ("other.example", "/", 421, "421"),
        ],
    ),
    (
        "limits.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("localhost", "/api/a", 200, "{}"),
            ("localhost", "/gallery/", 200, "poster.png"),
            ("localhost", "/search", 200, "nothing found"),
            ("localhost", "/gallery/overhead.svg", 200, "<svg"),
        ],
    ),
    (
        "behind-a-balancer.toml",
        &[("localhost", "/", 200, "<title>"), ("localhost", "/office/", 403, "403")],
    ),
    (
        "listeners.toml",
        &[("localhost", "/", 200, "<title>"), ("gallery.localhost", "/", 421, "421")],
    ),
    (
        "routes.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("old.localhost", "/style.css", 308, ""),
            ("localhost", "/assets/style.css", 200, "body"),
            ("localhost", "/old/style.css", 308, ""),
            ("localhost", "/register", 405, ""),
            ("localhost", "/register.html", 200, "<title>"),
            ("localhost", "/gallery/", 200, "poster.png"),
            ("localhost", "/health", 200, "ok"),
            ("localhost", "/inside/x", 200, "for colleagues"),
        ],
    ),
    (
        "links.toml",
        &[
            ("localhost", "/", 200, "pictures/"),
            ("localhost", "/pictures/", 200, "poster.png"),
            ("localhost", "/pictures/overhead.svg", 200, "<svg"),
            ("localhost", "/stranger/style.css", 404, "404"),
        ],
    ),
    (
        "spa.toml",
        &[
            ("localhost", "/notes/herring", 200, "<title>Notes</title>"),
            ("localhost", "/app.js", 200, "draw"),
            ("localhost", "/gone.js", 404, "404"),
        ],
    ),
    (
        "php.toml",
        &[
            ("localhost", "/style.css", 200, "font"),
            ("localhost", "/uploads/note.txt", 200, "uploaded"),
            ("localhost", "/uploads/picture.php", 404, "404"),
            ("localhost", "/index.php~", 404, "404"),
        ],
    ),
    (
        "wordpress.toml",
        &[
            ("localhost", "/wp-includes/css/style.css", 200, "font"),
            ("localhost", "/wp-content/uploads/note.txt", 200, "uploaded"),
            ("localhost", "/wp-content/uploads/picture.php", 404, "404"),
            ("localhost", "/wp-login.php~", 404, "404"),
            ("localhost", "/xmlrpc.php", 403, "403"),
            ("localhost", "/xmlrpc.php/x", 404, "404"),
            ("localhost", "/readme.html", 404, "404"),
        ],
    ),
    (
        "error-pages.toml",
        &[
            ("localhost", "/", 200, "<title>Pictures in"),
            ("localhost", "/nothing", 404, "Nothing but water"),
            ("localhost", "/api/old", 410, "\"error\": \"Gone\""),
        ],
    ),
    (
        "compress.toml",
        &[
            ("localhost", "/register.html", 200, "<title>"),
            ("localhost", "/gallery/overhead.svg", 200, "<svg"),
        ],
    ),
    (
        "password.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("localhost", "/gallery/", 401, "401"),
            ("localhost", "//%67allery/poster.png", 401, "401"),
            ("localhost", "/gallery/overhead.svg", 200, "<svg"),
            ("localhost", "/staff.htpasswd", 404, ""),
        ],
    ),
    (
        "https.toml",
        &[
            ("localhost", "/style.css?v=1", 308, "https://localhost/style.css?v=1"),
            ("gallery.localhost", "/", 200, "poster.png"),
        ],
    ),
    (
        "cors.toml",
        &[("localhost", "/", 200, "<title>"), ("localhost", "/gallery/overhead.svg", 200, "<svg")],
    ),
    (
        "many-files.toml",
        &[
            ("localhost", "/", 200, "<title>"),
            ("localhost", "/version", 200, "this is 2026-11\n"),
            ("gallery.localhost", "/", 200, "poster.png"),
            ("other.example", "/", 421, "421"),
        ],
    ),
];

#[test]
fn every_example_is_sound_and_is_tried() {
    let mut found: Vec<_> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    found.sort();
    let mut tried = EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    tried.sort_unstable();
    assert_eq!(found, tried);
    for name in tried {
        let file = examples().join(name).to_str().unwrap().to_owned();
        let (code, stdout, stderr) = Launch::of(vec!["check".to_owned(), file]).finish();
        // What an example names that others start need not be here.
        let has_php = ["php.toml", "wordpress.toml"].contains(&name);
        let is_warned = has_php && stderr.starts_with("warning: /run/php/");
        assert!(code == Some(0) && (stderr.is_empty() || is_warned), "{name}: {stderr}");
        assert!(stdout.ends_with("no mistakes\n"), "{name}: {stdout}");
    }
}

#[test]
fn every_example_serves_what_it_says() {
    for &(name, asks) in EXAMPLES {
        let folder = e2e::folder();
        let server = start(name, folder.path());
        for &(host, target, status, part) in asks {
            let mut client = Client::connect(server.addr());
            client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
            let response = client.response().unwrap();
            assert_eq!(response.status, status, "{name}: {host}{target}");
            assert!(response.text().contains(part), "{name}: {host}{target} has no {part:?}");
            assert_eq!(
                explained(&folder.path().join(name), host, target),
                status,
                "{name}: {target}"
            );
        }
        server.stop();
        for (example, log, lines) in [
            ("several-sites.toml", "gannet.log", asks.len()),
            ("logs.toml", "access.log", 2),
            ("logs.toml", "gallery.log", 1),
            ("logs.toml", "errors.log", 1),
        ] {
            let lines = if example == name { lines } else { 0 };
            let log = fs::read_to_string(folder.path().join(log)).unwrap_or_default();
            assert_eq!(log.lines().count(), lines, "{name}: {log}");
        }
    }
}

/// The status that `gannet explain` says a request is answered with.
fn explained(file: &Path, host: &str, target: &str) -> u16 {
    let args = ["explain", &format!("http://{host}{target}"), "-c", file.to_str().unwrap()];
    let (code, stdout, stderr) = Launch::of(args.map(str::to_owned).to_vec()).finish();
    assert_eq!(code, Some(0), "{stderr}");
    let answer = stdout.lines().find(|line| line.starts_with("answer")).unwrap();
    answer.split(' ').find_map(|word| word.parse().ok()).unwrap()
}

/// Serves a copy of an example in `folder`, on a port that is free.
fn start(name: &str, folder: &Path) -> Server {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(examples().join(".")).arg(folder);
    assert!(copy.status().unwrap().success());
    // A link that is not named by `links` leads nowhere.
    symlink("../site", folder.join("linked/stranger")).unwrap();
    let file = folder.join(name);
    let mut config = fs::read_to_string(&file).unwrap();
    let listens = config.lines().filter(|line| line.starts_with("listen = ")).map(str::to_owned);
    for line in listens.collect::<Vec<_>>() {
        let tls = ", { address = \"127.0.0.1:0\", tls = true }";
        let tls = if line.contains("tls = true") { tls } else { "" };
        config = config.replace(&line, &format!("listen = [\"127.0.0.1:0\"{tls}]"));
    }
    fs::write(&file, config).unwrap();
    Launch::of(vec!["run".to_owned(), file.to_str().unwrap().to_owned()]).start()
}

fn examples() -> PathBuf {
    e2e::binary::workspace().join("examples")
}
