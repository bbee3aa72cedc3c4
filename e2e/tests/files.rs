//! Files under attack: nothing outside of the root is ever read, whatever moves beneath the server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Ending, Launch, Server, Site, eventually, extent};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

/// Word lists of attempts to get out of a root, from Debian's package `wfuzz`.
const LISTS: [&str; 4] = [
    "Injections/Traversal.txt",
    "vulns/dirTraversal-nix.txt",
    "vulns/dirTraversal-win.txt",
    "vulns/dirTraversal.txt",
];

/// What the root itself shows.
const FRONT: &str = "<!doctype html><title>front</title>\n";

/// Sends a request for each target on as few connections as the server allows, and hands each
/// answer to `judge`.
fn ask(server: &Server, targets: &[Vec<u8>], mut judge: impl FnMut(&[u8], &e2e::Response)) {
    let mut client = Client::connect(server.addr());
    for target in targets {
        let request = [b"GET ", &**target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        client.send(request).unwrap();
        let response = client.response().unwrap();
        judge(target, &response);
        if response.closes() {
            client = Client::connect(server.addr());
        }
    }
}

/// The lines of the word lists, made into targets: as they are, and with what a target cannot hold
/// encoded.
fn attempts() -> Vec<Vec<u8>> {
    let mut targets = Vec::new();
    for list in LISTS {
        let path = Path::new("/usr/share/wfuzz/wordlist").join(list);
        let text = fs::read(&path)
            .unwrap_or_else(|e| panic!("{}: {e}: apt-get install wfuzz", path.display()));
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            for file in ["etc/passwd", "outside.txt", "outside/secret.txt"] {
                let words = String::from_utf8_lossy(line).replace("{FILE}", file);
                let words = words.replace("etc/passwd", file);
                let mut target = if words.starts_with('/') { vec![] } else { vec![b'/'] };
                for byte in words.bytes() {
                    match byte {
                        b'!'..=b'~' => target.push(byte),
                        _ => target.extend_from_slice(format!("%{byte:02x}").as_bytes()),
                    }
                }
                targets.push(target);
            }
        }
    }
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Rows 83, 84, 85, 86: the promise that nothing outside a root is ever read.
#[test]
fn nothing_outside_of_the_root_is_read() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", ""));
    let targets = attempts();
    assert!(targets.len() > 2000, "only {} attempts", targets.len());
    ask(&server, &targets, |target, response| {
        let text = response.text();
        let target = target.escape_ascii();
        // Some attempts come down to the root itself.
        let is_harmless = text == FRONT && response.status == 200;
        let is_refused = matches!(response.status, 400 | 404 | 414);
        assert!(is_harmless || is_refused, "{target}: {} {text}", response.status);
        assert!(!text.contains(Site::SECRET) && !text.contains("root:"), "{target}: {text}");
    });
    server.stop();
}

/// Row 90: a folder becomes a link to the outside and back, all the time.
#[test]
fn swapping_a_folder_for_a_link_lets_nothing_out() {
    let site = Site::new();
    site.write("swap/secret.txt", b"inside\n");
    let (folder, link) = (site.path("swap"), site.path("swap-link"));
    symlink(site.root().join("../outside"), &link).unwrap();
    let server = Server::run(&site.config("threads = 2", ""));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            while !is_over.load(Ordering::Relaxed) {
                renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let mut seen = [0; 2];
        let targets = vec![b"/swap/secret.txt".to_vec(); extent(3000, 300_000)];
        // A quick server may be through with the requests before the swapping begins.
        for _ in 0..100 {
            ask(&server, &targets, |_, response| match response.status {
                200 => {
                    seen[0] += 1;
                    assert_eq!(response.text(), "inside\n");
                }
                404 => seen[1] += 1,
                status => panic!("{status}: {}", response.text()),
            });
            if seen.iter().all(|&count| count > 0) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(seen.iter().all(|&count| count > 0), "both sides of the swap were seen: {seen:?}");
    });
    server.stop();
}

/// Row 94: a file loses its end while it is sent. Its length is promised already, so the answer
/// can only be cut off, and the client can tell.
#[test]
fn a_file_that_shrinks_while_it_is_sent() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.take(1000).unwrap();
    File::options().write(true).open(site.path("huge.bin")).unwrap().set_len(4096).unwrap();
    let (bytes, _) = client.drain().unwrap();
    assert!((bytes.len() as u64) < Site::HUGE_BYTES, "it did not make up what is gone");
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.stop();
}

/// Row 94: a file grows while it is sent: what was promised is sent, and no more.
#[test]
fn a_file_that_grows_while_it_is_sent() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(client.take(9).unwrap(), b"HTTP/1.1 ");
    let mut file = OpenOptions::new().append(true).open(site.path("large.bin")).unwrap();
    std::io::Write::write_all(&mut file, &[b'x'; 5000]).unwrap();
    client
        .send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let (bytes, ending) = client.drain().unwrap();
    assert_eq!(ending, Ending::Closed);
    assert!(bytes.ends_with(b"0123456789"));
    let next = bytes.windows(9).rposition(|window| window == b"HTTP/1.1 ").unwrap();
    assert!(bytes[..next].ends_with(&Site::large()), "the answer is as long as was promised");
    server.stop();
}

/// What the server holds in memory of a file is no older than the file.
#[test]
fn changes_of_files_are_seen() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect(server.addr());
    // Files are looked at once in a tick of the clock; the next tick is what this waits for.
    let mut expect = |target: &str, status: u16, text: &str| {
        let mut ask = || {
            let response = client.get(target).unwrap();
            (response.status, response.text())
        };
        let is_seen = eventually(|| ask() == (status, text.to_owned()));
        assert!(is_seen, "{target}: {:?}", ask());
    };
    expect("/digits.txt", 200, "0123456789");
    site.write("digits.txt", b"abcdefghij");
    expect("/digits.txt", 200, "abcdefghij");
    site.write("digits.txt", b"shorter");
    expect("/digits.txt", 200, "shorter");
    fs::rename(site.path("sub/page.txt"), site.path("digits.txt")).unwrap();
    expect("/digits.txt", 200, "page\n");
    site.write("sub/index.html", b"new\n");
    expect("/sub/", 200, "new\n");
    fs::remove_file(site.path("digits.txt")).unwrap();
    assert!(eventually(|| client.get("/digits.txt").unwrap().status == 404));
    server.stop();
}

/// A build tool throws the folder away and makes it anew, a release turns a link: both are seen.
#[test]
fn a_folder_that_was_replaced_is_served() {
    let place = Site::new();
    for release in ["one", "two"] {
        fs::create_dir(place.path(release)).unwrap();
        place.write(&format!("{release}/page.txt"), release.as_bytes());
    }
    symlink(place.path("one"), place.path("current")).unwrap();
    let current = place.path("current");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n[site.default]\nroot = {current:?}\n"
    );
    let server = Server::run(&config);
    let mut client = Client::connect(server.addr());
    let mut becomes = |text: &str| eventually(|| client.get("/page.txt").unwrap().text() == text);
    assert!(becomes("one"));
    symlink(place.path("two"), place.path("next")).unwrap();
    fs::rename(place.path("next"), place.path("current")).unwrap();
    assert!(becomes("two"), "the link was turned");
    fs::remove_dir_all(place.path("two")).unwrap();
    fs::create_dir(place.path("two")).unwrap();
    place.write("two/page.txt", b"anew");
    assert!(becomes("anew"), "the folder was made anew");
    server.stop();
}

/// Row 99: no two states of a file have the same entity tag.
#[test]
fn every_state_of_a_file_has_its_own_tag() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(0x1234_5670);
    // Digits of time and size that would run together without something in between, and changes
    // within one second.
    let states = [
        (long_ago, 0x11),
        (long_ago + Duration::from_secs(1), 0x1),
        (long_ago, 0x1),
        (long_ago + Duration::from_nanos(0x11), 0x1),
        (long_ago + Duration::from_nanos(0x1), 0x11),
        (long_ago + Duration::from_nanos(0x1), 0x1),
        (long_ago + Duration::from_millis(500), 0x1),
    ];
    let mut tags = Vec::new();
    for (number, (changed, size)) in states.into_iter().enumerate() {
        let name = format!("state-{number}.bin");
        site.write(&name, &vec![b'x'; size]);
        File::options().append(true).open(site.path(&name)).unwrap().set_modified(changed).unwrap();
        let response = Client::connect(server.addr()).get(&format!("/{name}")).unwrap();
        let tag = response.get("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "a file this old is settled: {tag}");
        assert!(!tags.contains(&tag), "{tag} stands for two states");
        tags.push(tag);
    }
    server.stop();
}

/// Row 99: while a file is so fresh that it may change again without its times telling, its tag is
/// weak (RFC 9110 section 8.8.1).
#[test]
fn a_fresh_file_has_a_weak_tag() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    site.write("fresh.bin", b"x");
    // On a busy machine it may be old by the time it is asked for, but not each time.
    let tag = || {
        site.date("fresh.bin", 0);
        let response = Client::connect(server.addr()).get("/fresh.bin").unwrap();
        response.get("etag").unwrap().to_owned()
    };
    assert!(eventually(|| tag().starts_with("W/\"")), "{}", tag());
    server.stop();
}

/// Row 94: what may not be read is refused or denied. Whoever starts it, root does not serve.
#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.write("locked.txt", Site::SECRET.as_bytes());
    let locked = fs::Permissions::from_mode(0o000);
    fs::set_permissions(site.path("locked.txt"), locked).unwrap();
    let server = Server::run(&site.config("threads = 1", ""));
    let status = Client::connect(server.addr()).get("/locked.txt").unwrap().status;
    assert!(matches!(status, 403 | 404), "{status}");
    server.stop();
}

/// Row 92: a folder's page is not its source, nor a fallback: a config that wants it so is refused.
#[test]
fn an_index_that_is_never_served() {
    let site = Site::new();
    let root = site.root();
    let config = format!("[site.default]\nroot = {root:?}\nindex = [\"index.php\", \".env\"]\n");
    let (code, _, errors) = Launch::check(&config).finish();
    assert_eq!(code, Some(2), "{errors}");
    for name in ["index.php", ".env"] {
        assert!(errors.contains(&format!("`{name}` is ")), "{errors}");
    }
    for fallback in ["/.git/config", "/shell.php"] {
        let config = format!("[site.default]\nroot = {root:?}\nfallback = {fallback:?}\n");
        let (code, _, errors) = Launch::check(&config).finish();
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(&format!("`{fallback}` is ")), "{errors}");
    }
}

/// Files in a folder may be for all although its names are not: such a folder is found as well.
#[test]
fn a_folder_that_may_be_entered_but_not_listed() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.write("closed/index.html", b"open\n");
    let closed = fs::Permissions::from_mode(0o111);
    fs::set_permissions(site.path("closed"), closed).unwrap();
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect(server.addr());
    assert_eq!(client.get("/closed/").unwrap().text(), "open\n");
    assert_eq!(client.get("/closed").unwrap().status, 301);
    server.stop();
}

/// A listing links to nothing that would be refused.
#[test]
fn a_listing_of_names_that_no_path_can_hold() {
    let site = Site::new();
    site.write("list/a\nb.txt", b"");
    site.write("list/a\tb.txt", b"");
    let server = Server::run(&site.config("threads = 1", ""));
    let text = Client::connect(server.addr()).get("/list/").unwrap().text();
    assert!(!text.contains("%0A") && !text.contains("%09"), "{text}");
    server.stop();
}

/// Row 100: a folder of many thousand names is listed in a bounded form, and costs bounded memory.
#[test]
fn a_huge_folder() {
    let site = Site::new();
    for number in 0..12_000 {
        let name = format!("many/{}-{number}.txt", "n".repeat(100));
        if number == 0 {
            site.write(&name, b"");
        } else {
            File::create(site.path(&name)).unwrap();
        }
    }
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect(server.addr());
    client.get("/list/").unwrap();
    let before = server.process().memory_kib();
    let response = client.get("/many/").unwrap();
    assert_eq!(response.status, 200);
    let shown = response.text().matches("nnn-").count();
    assert!((1000..=20_100).contains(&shown), "{shown} times a name of 12,000");
    let grown = server.process().memory_peak_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "it cost {grown} KiB");
    server.stop();
}
