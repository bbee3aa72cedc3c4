//! What a machine lacks: room on a disk, an address family, or numbers that nobody can guess.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Launch, Place, Server, Stage, application::answer, binary,
    disk::SmallDisk, eventually, place::version,
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The page of the site that is worth compressing, whole, whichever form it is sent in.
fn check(server: &Server, page: &[u8]) {
    for codings in ["identity", "zstd"] {
        let mut client = Client::connect(server.addr());
        let head = "GET /page.html HTTP/1.1\r\nHost: localhost\r\n";
        client.send(format!("{head}Accept-Encoding: {codings}\r\n\r\n")).unwrap();
        let answer = client.response().unwrap();
        assert_eq!(answer.status, 200);
        let is_compressed = answer.get("content-encoding").is_some();
        assert_eq!(is_compressed, codings == "zstd");
        let body = match is_compressed {
            true => zstd::decode_all(&*answer.body).unwrap(),
            false => answer.body,
        };
        assert!(body == page, "{} bytes", body.len());
    }
}

/// O3 of the threats: without room for logs and compressed forms there are none, and everything
/// else goes on; once there is room there are some again.
#[test]
fn a_full_disk_costs_logs_and_forms_and_nothing_else() {
    let stage = Stage::new();
    let page = b"<p>The gannet dives.</p>\n".repeat(500);
    stage.site.write("page.html", &page);
    let disk = SmallDisk::mount(&stage.file("small"));
    fs::create_dir(stage.file("small/forms")).unwrap();
    e2e::give_to_server(&stage.file("small/forms"));
    let server = stage.serve(
        "workers = 2\nthreads = 2\ncompress-cache = { folder = \"LOGS/small/forms\" }\n\
         log = { format = \"json\", file = \"LOGS/small/access.log\", buffer = \"4KiB\" }\n\
         error-log = { format = \"json\", file = \"LOGS/small/errors.log\" }",
        "compress = true",
        "",
    );
    let text = || fs::read_to_string(stage.file("small/access.log")).unwrap();
    let lines = || text().lines().count();
    check(&server, &page);
    assert!(eventually(|| lines() > 0), "there is a log");
    disk.fill();
    (0..100).for_each(|_| check(&server, &page));
    // A worker that comes now does not mind either.
    server.workers()[0].kill();
    assert!(eventually(|| server.workers().len() == 2));
    (0..100).for_each(|_| check(&server, &page));
    disk.empty();
    let before = lines();
    assert!(eventually(|| {
        check(&server, &page);
        lines() > before
    }));
    let stopped = server.stop();
    assert!(stopped.lines.last().unwrap()["log_lines_dropped"].as_u64().unwrap() > 0);
    // For a part of a line there may have been room, of which another process does not know.
    let is_torn = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_err();
    assert!(text().lines().filter(is_torn).count() <= 4, "{}", text());
}

/// A place in that folder, with a program, a site and a config of its own.
fn inside(folder: &str, listen: &str) -> TempDir {
    let for_all = Permissions::from_mode(0o755);
    let place = tempfile::Builder::new().permissions(for_all).tempdir_in(folder).unwrap();
    let path = |name: &str| place.path().join(name);
    fs::copy(binary::path(), path("gannet")).unwrap();
    fs::create_dir(path("www")).unwrap();
    fs::write(path("www/digits.txt"), "0123456789").unwrap();
    let text = format!(
        "[server]\nlisten = {listen}\nlog = \"json\"\nworkers = 2\nthreads = 2\n\
         control = \"c\"\n[site.default]\nroot = {:?}\n",
        path("www")
    );
    fs::write(path("gannet.toml"), text).unwrap();
    place
}

/// `gannet run` there, in other namespaces, once a shell has done `first` in them.
fn launch(place: &Path, namespace: &str, first: &str) -> Launch {
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let script = format!("{first} && exec \"$0\" run \"$1\"");
    let words = [namespace, "sh", "-c", &script, &path("gannet"), &path("gannet.toml")];
    Launch::of(words.map(str::to_owned).to_vec()).program("unshare".as_ref())
}

/// What a shell does to have a disk in the place of that folder on which there is no room.
fn full(folder: &str) -> String {
    format!(
        "mount -t tmpfs -o size=4k full {folder} && ! head -c 9000 /dev/zero 2>&- >{folder}/full"
    )
}

/// O18 of the threats: nothing is kept in `/tmp`, so it may be full.
#[test]
fn a_full_folder_of_temporary_files_is_no_matter() {
    let place = inside("/var/tmp", "\"127.0.0.1:0\"");
    let (config, php) = (place.path().join("gannet.toml"), place.path().join("php"));
    // What PHP itself keeps there of an upload is up to whoever sets it up.
    let site = "[site.\"php.example\"]\nroot = \"php\"\n\
                php = { ini = { sys_temp_dir = \"/var/tmp\" } }\n";
    fs::write(&config, fs::read_to_string(&config).unwrap() + site).unwrap();
    fs::create_dir(&php).unwrap();
    fs::write(php.join("index.php"), "<?= strlen(file_get_contents('php://input'));").unwrap();
    e2e::give_to_server(&php);
    let server = launch(place.path(), "--mount", &full("/tmp")).start();
    let check = || {
        for _ in 0..10 {
            let mut client = Client::connect(server.addr());
            assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789");
            let head = "POST / HTTP/1.1\r\nHost: php.example\r\nContent-Length: 1000000\r\n\r\n";
            client.send([head.as_bytes(), &[b'x'; 1_000_000]].concat()).unwrap();
            let answer = client.response().unwrap();
            assert_eq!((answer.status, &*answer.text()), (200, "1000000"));
        }
    };
    check();
    let words = ["reload", config.to_str().unwrap()].map(str::to_owned);
    let (code, _, stderr) = Launch::of(words.to_vec()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""));
    check();
    server.stop();
}

/// O3 of the threats: what is too large for memory, or for a slow client, lies in `/var/tmp`. Where
/// that is full, whoever sends such content is told so, programs wait for slow clients, and nobody
/// else notices.
#[test]
fn a_full_folder_of_large_contents_is_no_matter_to_others() {
    const ANSWER_BYTES: usize = 16_000_000;
    let listen = "{ address = \"127.0.0.1:0\", http2 = true }";
    let place = inside("/tmp", listen);
    let application = Application::start(|asked, stream| {
        let bytes = if asked.get("QUERY_STRING") == "large" { ANSWER_BYTES } else { 2 };
        answer(stream, &[b"Content-Type: text/plain\r\n\r\n", &vec![b'x'; bytes][..]].concat());
    });
    let config = place.path().join("gannet.toml");
    let text = fs::read_to_string(&config).unwrap() + &application.setting("");
    fs::write(config, text).unwrap();
    fs::write(place.path().join("www/index.php"), "<?php").unwrap();
    let large = place.path().join("large");
    fs::write(&large, vec![b'x'; 1_000_000]).unwrap();
    let server = launch(place.path(), "--mount", &full("/var/tmp")).start();
    let post = |content: &[u8], length: usize| {
        let mut client = Client::connect(server.addr());
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send([head.as_bytes(), content].concat()).unwrap();
        client.response().unwrap().status
    };
    let mut slow = Client::connect_narrow(server.addr());
    slow.send("GET /?large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    slow.take(13).unwrap();
    for _ in 0..5 {
        assert_eq!(post(&[b'x'; 100_000], 1_000_000), 507);
        assert_eq!(post(b"small", 5), 200);
        let mut client = Client::connect(server.addr());
        assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789");
        assert_eq!(client.get("/").unwrap().text(), "xx");
    }
    let url = format!("http://{}/", server.addr());
    let words = ["--verbose", "--data", large.to_str().unwrap(), &url];
    let said = Command::new("nghttp").args(words).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&said).contains(":status: 507"), "{said:?}");
    let (bytes, _) = slow.drain().unwrap();
    assert!(bytes.ends_with(b"\r\n0\r\n\r\n") && bytes.len() > ANSWER_BYTES, "{}", bytes.len());
    let log = server.stop().stderr;
    let told = log.matches("a program waits for its client: /var/tmp: No space left").count();
    assert_eq!(told, 1, "{log}");
}

/// O16 of the threats: early after a machine was started the kernel has no random numbers yet.
#[test]
fn a_start_waits_for_random_numbers() {
    let place = Place::serving("threads = 1", 1);
    fs::write(place.path("asked"), "").unwrap();
    let fault = format!("random=stall:300:{}", place.path("asked").display());
    let begun = Instant::now();
    let server = place.launch().env("GANNET_FAIL", &fault).start();
    assert!(begun.elapsed() >= Duration::from_millis(300), "it does without");
    assert_ne!(fs::read(place.path("asked")).unwrap().len(), 0);
    assert_eq!(version(server.addr()), 1);
    server.stop();
}

/// O17 of the threats: a machine without IPv6 serves by IPv4 where nobody has asked for more, and
/// where somebody has, it says that it cannot.
#[test]
fn a_machine_without_ipv6() {
    const OFF: &str = "echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null";
    let place = inside("/var/tmp", "[\"8080\", \"unix:s\"]");
    let server = launch(place.path(), "--net", OFF).start();
    assert!(server.addr().is_ipv4());
    let mut client = Client::connect_unix(&place.path().join("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    server.stop();
    let place = inside("/var/tmp", "[\"127.0.0.1:0\", \"[::1]:8080\"]");
    let (code, _, stderr) = launch(place.path(), "--net", OFF).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("[::1]:8080"), "{stderr}");
}
