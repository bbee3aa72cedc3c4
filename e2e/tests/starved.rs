//! What a machine lacks: room on a disk, or an address family.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Stage, binary, disk::SmallDisk, eventually};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

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

/// A place outside of `/tmp`, with a program, a site and a config of its own.
fn elsewhere(listen: &str) -> tempfile::TempDir {
    let for_all = Permissions::from_mode(0o755);
    let place = tempfile::Builder::new().permissions(for_all).tempdir_in("/var/tmp").unwrap();
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

/// O18 of the threats: nothing is kept in `/tmp`, so it may be full.
#[test]
fn a_full_folder_of_temporary_files_is_no_matter() {
    let place = elsewhere("\"127.0.0.1:0\"");
    let fill = "mount -t tmpfs -o size=4k full /tmp && ! head -c 9000 /dev/zero 2>&- >/tmp/full";
    let server = launch(place.path(), "--mount", fill).start();
    for _ in 0..20 {
        assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().text(), "0123456789");
    }
    let words = ["reload", place.path().join("gannet.toml").to_str().unwrap()].map(str::to_owned);
    let (code, _, stderr) = Launch::of(words.to_vec()).finish();
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.stop();
}

/// O17 of the threats: a machine without IPv6 serves by IPv4 where nobody has asked for more, and
/// where somebody has, it says that it cannot.
#[test]
fn a_machine_without_ipv6() {
    const OFF: &str = "echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null";
    let place = elsewhere("[\"8080\", \"unix:s\"]");
    let server = launch(place.path(), "--net", OFF).start();
    assert!(server.addr().is_ipv4());
    let mut client = Client::connect_unix(&place.path().join("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    server.stop();
    let place = elsewhere("[\"127.0.0.1:0\", \"[::1]:8080\"]");
    let (code, _, stderr) = launch(place.path(), "--net", OFF).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("[::1]:8080"), "{stderr}");
}
