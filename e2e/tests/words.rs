//! The config as a language: several files, secrets, and the verbs that speak of settings.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch};
use std::{fs, net::SocketAddr, os::unix::fs::symlink, path::Path};

/// What `gannet ARGS` says: its exit code, standard output and standard error.
fn gannet(args: &[&str]) -> (Option<i32>, String, String) {
    Launch::of(args.iter().map(|arg| (*arg).to_owned()).collect()).finish()
}

/// Writes files below `folder`, with the folders they need.
fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

fn status_and_text(addr: SocketAddr, host: &str, target: &str) -> (u16, String) {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    let response = client.response().unwrap();
    (response.status, response.text())
}

#[test]
fn sites_in_files_of_their_own_are_served() {
    let folder = e2e::folder();
    let main = "include = ['enabled/*.toml']\nserver.listen = '127.0.0.1:${PORT}'\n";
    write(
        folder.path(),
        &[
            ("main.toml", main),
            ("available/a.toml", "[site.'a.example']\nroot = 'a'\n"),
            ("available/a/index.html", "this is a"),
            ("enabled/b.toml", "[site.'b.example'.route.'/*']\nrespond = '${file:secret}'\n"),
            ("enabled/secret", "line one\nline two\n"),
            ("enabled/.c.toml.swp", "not a config"),
        ],
    );
    symlink("../available/a.toml", folder.path().join("enabled/a.toml")).unwrap();
    let file = folder.path().join("main.toml").to_str().unwrap().to_owned();
    let server = Launch::of(vec!["run".to_owned(), file]).env("PORT", "0").start();
    let get = |host: &str| status_and_text(server.addr(), host, "/");
    // A link is followed before relative paths start from the folder of the file.
    assert_eq!(get("a.example"), (200, "this is a".to_owned()));
    assert_eq!(get("b.example"), (200, "line one\nline two".to_owned()));
    server.stop();
}

#[test]
fn mistakes_name_the_file_they_are_in_and_give_no_secret_away() {
    let folder = e2e::folder();
    write(
        folder.path(),
        &[
            ("main.toml", "include = ['sites/*.toml', 'nowhere/x.toml', 'sites/a.toml']\n"),
            ("sites/a.toml", "[site.'a.example']\nrot = '/'\n[server]\n"),
            ("sites/b.toml", "[site.'b.example']\nroot = '/nowhere/${PASSWORD}'\n"),
            ("sites/c.toml", "[site.'c.example']\nroot = '${file:d}${UNSET}'\n"),
            ("sites/d/e", ""),
        ],
    );
    let check = vec!["check".to_owned(), "main.toml".to_owned()];
    let folder = folder.path().to_str().unwrap();
    let launch = Launch::of(check).after(&format!("cd {folder}")).env("PASSWORD", "Tr0ub4dor");
    let (code, stdout, stderr) = launch.finish();
    assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
    for part in [
        "--> main.toml:1:28",
        "nowhere does not exist",
        "--> sites/a.toml:2:1",
        "did you mean `root`?",
        "`[server]` stands in the main file only",
        "`sites/a.toml` is included twice",
        "--> sites/b.toml:2:8",
        "stands for /nowhere/${PASSWORD}",
        "/nowhere does not exist",
        "--> sites/c.toml:2:9",
        "d is not a file",
        "main.toml: 6 mistakes in 4 files",
    ] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
    assert!(!stderr.contains("Tr0ub"), "{stderr}");
}

#[test]
fn a_file_that_is_filled_in_has_64_kib_at_most() {
    let folder = e2e::folder();
    let config = "site.default.respond = '${file:secret}'\nserver.listen = '127.0.0.1:0'";
    write(folder.path(), &[("main.toml", config)]);
    let check = |bytes: usize| {
        fs::write(folder.path().join("secret"), "x".repeat(bytes)).unwrap();
        gannet(&["check", folder.path().join("main.toml").to_str().unwrap()])
    };
    let (code, _, stderr) = check(64 * 1024);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let (code, _, stderr) = check(64 * 1024 + 1);
    assert!(code == Some(2) && stderr.contains("has more than 65536 bytes"), "{stderr}");
}

#[test]
fn settings_are_explained() {
    fn check(word: &str, parts: &[&str]) {
        let (code, stdout, stderr) = gannet(&["help", word]);
        assert_eq!((code, &*stderr), (Some(0), ""), "{word}");
        for part in parts {
            assert!(stdout.contains(part), "{word}: {part:?} is not in\n{stdout}");
        }
        assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    }
    check("idle-time", &["[server.limits]", "a duration from 1ms to 1d", "\"1m\"", "idle-time ="]);
    check("server.limits.idle-time", &["[server.limits]"]);
    check("status", &["Usage: gannet status", "of `redirect`", "of `respond`"]);
    check("redirect.status", &["\"permanent\""]);
    check("log", &["[server]", "flush"]);
    check("site", &["[site.\"HOST\"]", "aliases", "root"]);
    check("site.route.when", &["a list of tables", "from", "then"]);
    check("[server.log]", &["format", "file", "buffer"]);
    check("run", &["Usage: gannet run"]);
    check("site.root", &["`root`, a setting of a site or one of its routes", "root ="]);
    check("live", &["gannet PATH --live", "Reload pages"]);
    check("hash-password", &["from standard input"]);
    let (code, stdout, stderr) = gannet(&["help", "idle_tme"]);
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.ends_with("did you mean `idle-time`?\n"), "{stderr}");
    let (code, stdout, _) = gannet(&["help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Usage: gannet") && stdout.contains("completions"), "{stdout}");
}

#[test]
fn what_cannot_be_done_is_said_with_the_way_out() {
    fn check(args: &[&str], expect: &str) {
        let (code, stdout, stderr) = gannet(args);
        assert!(code.is_some_and(|code| code > 0) && stdout.is_empty(), "{args:?}: {stdout}");
        assert!(stderr.contains(expect), "{args:?}: {expect:?} is not in\n{stderr}");
        assert!(!stderr.contains("os error") && !stderr.contains("as a value"), "{stderr}");
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let (taken, missing) = (format!("{root}/taken.toml"), format!("{root}/missing.toml"));
    fs::write(&taken, "").unwrap();
    let run =
        format!("missing.toml does not exist: name the folder to serve; `gannet run {missing}`");
    check(&[&missing], &run);
    check(&["check", &missing], "does not exist: name a config file behind the verb");
    check(&["explain", "localhost", "-c", &missing], "name a config file by `-c FILE`");
    check(&["save", root, "-o", &taken], "taken.toml exists already: name a file");
    check(&["/dev/null"], "/dev/null is no folder: name a folder\n");
    check(&["no\x1b[31m"], "no\u{241b}[31m does not exist");
    check(&["--bind", "224.0.0.1", root], "that is the address of a group");
    check(&["check", "--json"], "unexpected argument '--json'");
}

#[test]
fn schema_is_json() {
    let (code, stdout, stderr) = gannet(&["schema"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["site"].is_object(), "{stdout}");
}

#[test]
fn saved_config_serves_the_same() {
    let folder = e2e::folder();
    write(folder.path(), &[("my ${site}/page.html", "a page")]);
    let site = folder.path().join("my ${site}").to_str().unwrap().to_owned();
    let file = folder.path().join("gannet.toml").to_str().unwrap().to_owned();
    let args = ["save", &site, "--port", "0", "--threads", "1", "--log", "json"];
    let (code, stdout, stderr) = gannet(&args);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let (code, _, _) = gannet(&[&args[..], &["-o", &file]].concat());
    assert_eq!((code, fs::read_to_string(&file).ok()), (Some(0), Some(stdout)));
    let (code, _, stderr) = gannet(&[&args[..], &["-o", &file]].concat());
    assert!(code == Some(1) && stderr.contains("not there yet"), "{code:?}: {stderr}");

    let live = folder.path().join("live.toml").to_str().unwrap().to_owned();
    let (code, stdout, stderr) = gannet(&["save", &site, "--live", "-o", &live]);
    assert_eq!((code, &*stdout, fs::exists(live).unwrap()), (Some(2), "", false));
    assert!(stderr.contains("a config has no setting for --live"), "{stderr}");

    let saved = Launch::of(vec!["run".to_owned(), file]).start();
    let quick = Launch::quick(&[&*site, "--threads", "1"]).start();
    for target in ["/", "/page.html", "/absent"] {
        let get = |addr| status_and_text(addr, "any.example", target);
        assert_eq!(get(saved.addr()), get(quick.addr()), "{target}");
    }
    saved.stop();
    quick.stop();
}

#[test]
fn shells_get_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, stderr) = gannet(&["completions", shell]);
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.contains("gannet") && stdout.contains("check"), "{shell}: {stdout}");
    }
}
