//! Certificates that come by themselves: of the local authority, and of one that the world trusts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Response, Site,
    authority::Manner,
    clock, eventually, frames,
    issuing::{DAY, Issuing, Place, issuer, open_keys, serves},
    name_server::KEY,
    process::Process,
    secure::SecureClient,
    webdriver::Browser,
};
use std::{
    fs::{self, File},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[test]
fn the_local_authority_signs_for_private_names_and_stays_the_same() {
    let place = Place::new();
    place.set((0, 0), "", &[("localhost", "\"internal\""), ("a.test", "\"internal\"")]);
    let server = place.start();
    let visitor = place.local_visitor();
    for host in ["localhost", "a.test"] {
        assert!(serves(&visitor, server.addr(), host), "{host}");
    }
    assert_eq!(open_keys(&place.path("kept")), 0);
    let mut kept = visitor.connect(server.addr(), "a.test");
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    place.order(&["reload"]);
    assert!(serves(&place.local_visitor(), server.addr(), "a.test"), "the root is the same");
    // Another root takes its place without a reload, and nobody who is there notices.
    let mut shown = visitor.connect(server.addr(), "a.test");
    shown.get("/digits.txt").unwrap();
    fs::remove_file(place.path("kept/authority.pem")).unwrap();
    let is_new = || place.path("kept/authority.pem").exists();
    assert!(eventually(is_new), "{}", place.log());
    let other = place.local_visitor();
    assert!(eventually(|| serves(&other, server.addr(), "a.test")), "{}", place.log());
    assert_eq!(shown.get("/digits.txt").unwrap().status, 200);
    server.stop();
}

#[test]
fn the_local_authority_cannot_sign_for_what_somebody_owns() {
    let place = Place::new();
    place.set((0, 0), "", &[("localhost", "\"internal\"")]);
    place.start().stop();
    // Whoever has stolen its key signs for another name, and nobody takes that.
    let kept = place.path("kept/authority.pem");
    let path = |name: &str| place.path(name).display().to_string();
    let run = |words: &[&str]| {
        let output = Command::new("openssl").args(words).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (host, is_fine) in [
        ("a.test", true),
        ("bank.dev", false),
        ("test.dev", false),
        ("10.1.2.3", true),
        ("8.8.8.8", false),
        ("fd00::1", true),
        ("2001:4860::1", false),
    ] {
        let is_address = host.parse::<IpAddr>().is_ok();
        let kind = if is_address { "IP" } else { "DNS" };
        let names = format!("subjectAltName={kind}:{host}");
        fs::write(place.path("names"), names).unwrap();
        let (request, key, leaf) = (path("request"), path("key"), path("leaf"));
        let subject = ["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x"];
        assert!(run(&[&subject[..], &["-keyout", &key, "-out", &request]].concat()).0);
        let ca = kept.to_str().unwrap();
        let sign = ["x509", "-req", "-in", &request, "-CA", ca, "-CAkey", ca, "-out", &leaf];
        let (is_done, said) =
            run(&[&sign[..], &["-days", "2", "-extfile", &path("names")]].concat());
        assert!(is_done, "{said}");
        let (is_taken, said) = run(&["verify", "-x509_strict", "-CAfile", ca, &leaf]);
        assert_eq!(is_taken, is_fine, "{host}: {said}");
    }
}

#[test]
fn a_folder_is_served_over_tls_and_a_browser_takes_it_after_trust() {
    let (site, home) = (Site::new(), e2e::folder());
    let home_text = home.path().to_str().unwrap().to_owned();
    let data = home.path().join("data").display().to_string();
    let by = |words: &[&str]| {
        let launch = Launch::of(words.iter().map(|&word| word.to_owned()).collect());
        launch.env("HOME", &home_text).env("XDG_DATA_HOME", &data)
    };
    let folder = match rustix_is_root() {
        // Root keeps it for the whole machine, where no test may.
        true => home.path().join("kept"),
        false => home.path().join("data/gannet"),
    };
    let folder_text = folder.to_str().unwrap();
    let (code, said, stderr) = by(&["trust", "--only-browsers", "--folder", folder_text]).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(said.contains("gannet local authority") && said.contains(".pki/nssdb"), "{said}");
    let root = site.root_text();
    let config = home.path().join("gannet.toml");
    let text = format!(
        "[server]\nlisten = {{ address = \"127.0.0.1:0\", tls = true }}\n\
         certificates.folder = {folder_text:?}\n\
         [site.localhost]\nroot = {root:?}\ntls = \"internal\"\n"
    );
    fs::write(&config, text).unwrap();
    let server = by(&["run", config.to_str().unwrap()]).start();
    let url = format!("https://localhost:{}/page.html", server.addr().port());
    let browser = Browser::of_user(home.path());
    browser.open(&url);
    assert_eq!(browser.run("return document.title + ' ' + isSecureContext"), "page true");
    drop(browser);
    let (code, said, stderr) =
        by(&["untrust", "--only-browsers", "--folder", folder_text]).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(said.contains("no longer"), "{said}");
    let browser = Browser::of_user(home.path());
    browser.open(&url);
    let text = browser.page_text();
    assert!(text.contains("ERR_CERT_AUTHORITY_INVALID"), "nobody trusts it any more: {text}");
    server.stop();
}

fn rustix_is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// 79 of the threats: nonces that are refused, and a proof at port 80, from where all else is sent
/// on.
#[test]
fn a_certificate_is_issued_renewed_and_used_at_once() {
    for (proof, bad_nonces) in [("http", 30), ("tls", 5)] {
        let issuing = Issuing::new(Manner { bad_nonces, retry_after: 1, ..Manner::default() });
        issuing.write(&format!("proof = \"{proof}\""), &[("a.test", "\"auto\"")]);
        issuing.place.edit("log = \"json\"", "threads = 2\nworkers = 2\nlog = \"json\"");
        let server = issuing.place.start();
        let (visitor, to) = (issuing.visitor(), issuing.addr());
        let is_issued = || serves(&visitor, to, "a.test");
        assert!(eventually(is_issued), "{proof}: {}", issuing.place.log());
        assert_eq!(open_keys(&issuing.place.path("kept")), 0);
        let listed = issuing.place.listed();
        assert!(listed["issuer"].as_str().unwrap().contains("Pebble"), "{listed}");
        assert!(listed["next"].as_str().unwrap().starts_with("renewed "), "{listed}");
        assert!(listed.get("error").is_none(), "{listed}");
        // Without TLS, all but the proof is sent on.
        let mut plain = Client::connect((issuing.place.address, issuing.ports.0).into());
        plain.send("GET /digits.txt HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut plain, false).unwrap().status, 308);
        let mut kept = visitor.connect(to, "a.test");
        assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
        let mut streams = visitor.choosing_http2().connect(to, "a.test");
        streams.send(frames::OPENING).unwrap();
        check_digits(&mut streams, 1);
        let first = kept.shown();
        clock::set_ahead(issuer(&server), 61 * DAY);
        let is_renewed = || {
            // One that was there before would bring a ticket.
            let mut client = issuing.visitor().connect(to, "a.test");
            client.get("/digits.txt").is_ok() && client.shown() != first
        };
        assert!(eventually(is_renewed), "{}", issuing.place.log());
        assert_eq!(kept.get("/digits.txt").unwrap().status, 200, "nobody is turned out");
        check_digits(&mut streams, 3);
        // Whichever loop of whichever worker it is.
        assert!(eventually(|| (0..24).all(|_| is_renewed())), "{}", issuing.place.log());
        issuing.check_books(&["a.test"]);
        assert_eq!(issuing.authority.books.issued().len(), 2);
        server.stop();
    }
}

/// Sees to it that a stream of a connection is answered, which goes on.
fn check_digits(client: &mut SecureClient, stream: u32) {
    client.send(frames::get_for("a.test", stream, "/digits.txt")).unwrap();
    loop {
        let came = frames::read(client).unwrap();
        assert_ne!(came.kind, frames::GOAWAY, "{came:?}");
        if came.kind == frames::DATA {
            return assert_eq!((came.stream, &*came.payload), (stream, &b"0123456789"[..]));
        }
    }
}

/// What stands for a password.
const HASH: &str = "$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q";

/// Whoever looks for a proof has no password, and nobody else needs none.
#[test]
fn a_site_behind_a_password_gets_a_certificate() {
    let issuing = Issuing::new(Manner::default());
    issuing.write("proof = \"http\"", &[("a.test", "\"auto\"")]);
    let auth = format!("auth.users.alice = {HASH:?}\nredirect-from = [\"old.test\"]");
    issuing.place.edit("tls = \"auto\"", &format!("tls = \"auto\"\n{auth}"));
    let server = issuing.place.start();
    let visitor = issuing.visitor();
    for (host, status) in [("a.test", 401), ("old.test", 308)] {
        let is_answered = || {
            let answer = visitor.get(issuing.addr(), host, "/digits.txt");
            answer.is_ok_and(|answer| answer.status == status)
        };
        assert!(eventually(is_answered), "{host}: {}", issuing.place.log());
    }
    server.stop();
}

/// RFC 8738: who looks for a proof asks for another name than that of the address.
#[test]
fn an_address_gets_a_certificate_by_tls() {
    let issuing = Issuing::new(Manner::default());
    let host = issuing.place.address.to_string();
    let server = issuing.serve("proof = \"tls\"", &[(&host, "\"auto\"")]);
    let kept = issuing.place.path(&format!("kept/sites/{host}.pem"));
    assert!(eventually(|| kept.exists()), "{}", issuing.place.log());
    server.stop();
}

/// 74 of the threats: whoever shakes hands as an authority does that looks for a proof has shown
/// nothing that would let them in.
#[test]
fn a_proof_lets_nobody_into_a_site() {
    let issuing = Issuing::new(Manner { retry_after: 5, ..Manner::default() });
    let certificates = &issuing.place.certificates;
    certificates.make("b", "ec", &["b.test"]);
    certificates.make("staff", "ec", &["staff"]);
    let (words, staff) = (certificates.words("b"), certificates.path("staff.pem"));
    let closed = format!("{{ {words}, client-ca = {staff:?} }}");
    let sites = [("a.test", "\"auto\""), ("b.test", &*closed)];
    let server = issuing.serve("proof = \"tls\"", &sites);
    let ask = format!(
        "printf 'GET /digits.txt HTTP/1.1\\r\\nHost: b.test\\r\\nConnection: close\\r\\n\\r\\n' | \
         openssl s_client -ign_eof -alpn acme-tls/1 -servername a.test -connect {} 2>&1",
        issuing.addr()
    );
    let mut said = String::new();
    assert!(eventually(|| {
        said = run("sh", &["-c", &ask]).1;
        said.contains("ALPN protocol: acme-tls/1")
    }));
    assert!(!said.contains("HTTP/1.1") && !said.contains("0123456789"), "{said}");
    server.stop();
}

#[test]
fn until_there_is_a_certificate_the_site_is_served_and_says_so() {
    let mut issuing = Issuing::new(Manner::default());
    issuing.authority.go_down();
    let server = issuing.serve("", &[("a.test", "\"auto\""), ("b.test", "\"internal\"")]);
    let is_said = || issuing.place.log().contains("nobody listens there");
    assert!(eventually(is_said), "{}", issuing.place.log());
    assert!(serves(&issuing.place.local_visitor(), server.addr(), "b.test"));
    let said = Command::new("openssl")
        .args(["s_client", "-connect", &server.addr().to_string(), "-servername", "a.test"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("CN = a.test"), "one stands in");
    // Whoever goes past the warning is served.
    let to = format!("a.test:{}:{}", server.addr().port(), server.addr().ip());
    let url = format!("https://a.test:{}/digits.txt", server.addr().port());
    let (is_answered, said) = run("curl", &["-sk", "--resolve", &to, &url]);
    assert_eq!((is_answered, &*said), (true, "0123456789"));
    let listed = issuing.place.listed();
    assert!(listed["error"].as_str().unwrap().contains("nobody listens there"), "{listed}");
    assert!(listed["next"].as_str().unwrap().starts_with("asked for "), "{listed}");
    let is_warned = || issuing.place.log().contains("is not there yet");
    assert!(eventually(is_warned), "{}", issuing.place.log());
    server.stop();
}

/// O7 of the threats.
#[test]
fn whoever_is_killed_while_a_certificate_is_issued_leaves_nothing_broken() {
    let issuing = Issuing::new(Manner { bad_nonces: 20, ..Manner::default() });
    let hosts: Vec<String> = (0..6).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let server = issuing.serve("", &sites);
    // Each time the next one comes later.
    for _ in 0..3 {
        let process = issuer(&server);
        process.kill();
        assert!(eventually(|| !process.is_alive()));
        issuing.place.order(&["certs"]);
    }
    let visitor = issuing.visitor();
    for host in &hosts {
        let is_issued = || serves(&visitor, issuing.addr(), host);
        assert!(eventually(is_issued), "{host}: {}", issuing.place.log());
    }
    server.stop();
}

/// The files in `folder` and below it that have their names, and what they hold.
fn kept(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let named =
        paths.filter(|path| !path.file_name().unwrap().as_encoded_bytes().starts_with(b"."));
    let named = named.flat_map(|path| match path.is_dir() {
        true => kept(&path),
        false => {
            let text = fs::read_to_string(&path).unwrap();
            vec![(path, text)]
        }
    });
    named.filter(|(path, _)| path.extension().is_none_or(|end| end != "lock")).collect()
}

/// O7 of the threats: each file that is written once was half written when that process was killed.
#[test]
fn whoever_is_killed_while_it_writes_leaves_each_file_whole_or_not_there() {
    let issuing = Issuing::new(Manner::default());
    let place = &issuing.place;
    let writes = File::create(place.path("writes")).unwrap();
    issuing.write("", &[("a.test", "\"auto\"")]);
    let order = format!("keep=hang:1000:{}", place.path("writes").display());
    // The first is the key by which authorities are asked, before anybody serves.
    writes.set_len(998).unwrap();
    let server = place.launch().env("GANNET_FAIL", &order).start();
    let is_there = || place.path("kept/sites/a.test.pem").exists();
    let is_written = || writes.metadata().unwrap().len() >= 1000;
    let mut before = 0;
    while !is_there() {
        assert!(eventually(|| is_written() || is_there()), "{}", place.log());
        let files = kept(&place.path("kept"));
        let is_whole = |text: &str| {
            let [begin, end] = ["-----BEGIN ", "-----END "].map(|line| text.matches(line).count());
            text.ends_with('\n') && begin == end
        };
        for (path, text) in &files {
            assert!(is_whole(text), "{}: {text}", path.display());
        }
        assert!(files.len() >= before, "what is there stays");
        before = files.len();
        // The next one writes what this one was at, and stops at the next.
        writes.set_len(998).unwrap();
        issuer(&server).kill();
    }
    assert!(before >= 2, "{:?}", kept(&place.path("kept")));
    assert!(issuing.serves_all(&["a.test"]), "{}", place.log());
    server.stop();
}

/// O7 of the threats: the first of all is the key by which authorities are asked.
#[test]
fn whoever_is_killed_while_it_writes_the_key_of_an_account_leaves_nothing_broken() {
    let issuing = Issuing::new(Manner::default());
    let place = &issuing.place;
    let writes = File::create(place.path("writes")).unwrap();
    writes.set_len(999).unwrap();
    issuing.write("", &[("a.test", "\"auto\"")]);
    let mut command = Command::new(e2e::binary::path());
    command.args(["run", &place.config()]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("GANNET_FAIL", format!("keep=hang:1000:{}", place.path("writes").display()));
    let mut child = command.spawn().unwrap();
    assert!(eventually(|| writes.metadata().unwrap().len() >= 1000));
    let started = Process(child.id());
    let mut all = started.children();
    all.push(started);
    all.iter().for_each(|process| process.kill());
    child.wait().unwrap();
    assert!(eventually(|| !all.iter().any(|process| process.is_alive())));
    let left = fs::read_dir(place.path("kept")).unwrap().count();
    assert!(!place.path("kept/account.pem").exists() && left > 0, "it was at it");
    let server = place.start();
    assert!(issuing.serves_all(&["a.test"]), "{}", place.log());
    assert_eq!(open_keys(&place.path("kept")), 0);
    server.stop();
}

#[test]
fn names_below_one_are_proved_by_a_program_that_sets_records() {
    let issuing = Issuing::new(Manner::default());
    let program = issuing.place.path("record");
    let to = issuing.authority.names();
    let text = format!(
        "#!/bin/sh\ncase $1 in set) curl -s -d \"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\" \
         {to}/set-txt;; *) curl -s -d \"{{\\\"host\\\":\\\"$2.\\\"}}\" {to}/clear-txt;; esac\n"
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let server = issuing.serve("dns-program = \"record\"", &[("*.a.test", "\"auto\"")]);
    let visitor = issuing.visitor();
    let is_issued = || serves(&visitor, issuing.addr(), "www.a.test");
    assert!(eventually(is_issued), "{}", issuing.place.log());
    server.stop();
}

/// What a name server of the world is told, with a key that both know, and not without.
#[test]
fn names_below_one_are_proved_by_updates_of_a_name_server() {
    // The zone is further up than anybody would guess.
    let issuing = Issuing::new(Manner { zone: Some("test"), ..Manner::default() });
    let (address, (name, secret)) = (issuing.authority.updates(), KEY);
    let words = |secret: &str| {
        format!(
            "dns-server = {{ address = \"{address}\", key-name = {name:?}, key = {secret:?}, \
             wait = \"2s\" }}"
        )
    };
    let sites = [("*.deep.a.test", "\"auto\"")];
    let server = issuing.serve(&words("bm90IHRoZSBrZXk="), &sites);
    let is_said = || issuing.place.log().contains("has no zone for deep.a.test, or not this key");
    assert!(eventually(is_said), "{}", issuing.place.log());
    server.stop();
    fs::remove_dir_all(issuing.place.path("kept/attempts")).unwrap();
    // The name itself is proved by another text of the same record.
    issuing.write(&words(secret), &sites);
    issuing.place.edit("tls = \"auto\"", "tls = \"auto\"\naliases = [\"deep.a.test\"]");
    let (server, begun) = (issuing.place.start(), Instant::now());
    let hosts = ["www.deep.a.test", "deep.a.test"];
    assert!(issuing.serves_all(&hosts), "{}", issuing.place.log());
    assert!(begun.elapsed() >= Duration::from_secs(2), "other name servers may hear of it first");
    server.stop();
}

/// Runs a program; whether it has succeeded, and what it has said.
fn run(program: &str, words: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(words).output().unwrap();
    let said = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat();
    (output.status.success(), said)
}

#[test]
fn the_system_trusts_the_local_authority_after_trust() {
    let place = Place::new();
    place.set((0, 0), "", &[("localhost", "\"internal\"")]);
    let server = place.start();
    let (folder, port) = (place.path("."), server.addr().port());
    let (folder, address) = (folder.to_str().unwrap(), place.address);
    // What the system trusts is another folder for these processes than for all others.
    let script = format!(
        "cd {folder} && export HOME=$PWD/home && mkdir home own all && cp -a /etc/ssl/certs/. all &&
         mount --bind all /etc/ssl/certs && mount --bind own /usr/local/share/ca-certificates &&
         ask() {{ curl -sS --resolve localhost:{port}:{address} https://localhost:{port}/digits.txt; }}
         ask && exit 3
         \"$0\" trust --folder kept && ask && ls own && \"$0\" untrust --folder kept && ! ask && ls own"
    );
    let program = e2e::binary::path().to_str().unwrap();
    let (is_done, said) = run("unshare", &["--mount", "sh", "-c", &script, program]);
    assert!(is_done, "{said}");
    assert!(
        said.contains("  trusted by this machine (/usr/local/share/ca-certificates)"),
        "{said}"
    );
    assert!(said.contains("0123456789gannet-local-authority-0.crt\n"), "{said}");
    assert_eq!(said.matches("gannet-local-authority-0.crt").count(), 1, "{said}");
    server.stop();
}

#[test]
fn a_folder_that_is_served_over_tls_gets_another_certificate_in_time() {
    let (site, home) = (Site::new(), e2e::folder());
    let words = ["--tls", "--port", "0", &site.root_text()].map(str::to_owned);
    let kept = home.path().join("kept");
    let launch = Launch::of(words.to_vec()).env("STATE_DIRECTORY", kept.to_str().unwrap());
    let server = launch.start();
    let addr = server.addr().to_string();
    let shown = || {
        let (_, said) =
            run("openssl", &["s_client", "-connect", &addr, "-servername", "localhost"]);
        let begin = said.find("-----BEGIN CERTIFICATE").unwrap();
        said[begin..said.find("-----END CERTIFICATE").unwrap()].to_owned()
    };
    let first = shown();
    assert_eq!(shown(), first);
    let text = fs::read_to_string(kept.join("authority.pem")).unwrap();
    fs::write(home.path().join("root.pem"), &text[text.find("-----BEGIN CERT").unwrap()..])
        .unwrap();
    let (root, url) = (home.path().join("root.pem"), format!("https://{addr}/digits.txt"));
    let ask = ["-sS", "--cacert", root.to_str().unwrap(), &url];
    assert_eq!(run("curl", &ask), (true, "0123456789".to_owned()));
    clock::set_ahead(server.started(), 61 * DAY);
    let mut second = first.clone();
    assert!(eventually(|| {
        second = shown();
        second != first
    }));
    clock::set_ahead(server.started(), 0);
    // One that is of the future is no good by a clock that is right.
    assert!(eventually(|| shown() != second && run("curl", &ask).0));
    server.stop();
}

#[test]
fn status_names_certificates_and_warns_of_their_end() {
    let place = Place::new();
    place.certificates.make_between(["-80 days", "10 days"], "short", &["early.test"]);
    let files = format!("{{ {} }}", place.certificates.words("short"));
    place.set((0, 0), "", &[("early.test", &*files), ("localhost", "\"internal\"")]);
    let server = place.start();
    assert!(eventually(|| place.shown()["warning"].is_string()), "{}", place.shown());
    let status = place.shown();
    assert_eq!(status["hosts"][0], "early.test");
    assert!(status["warning"].as_str().unwrap().starts_with("expires on "), "{status}");
    let is_same = || place.listed() == place.shown();
    assert!(eventually(is_same), "it is the same without the server: {}", place.listed());
    let is_logged = || place.log().contains("short.pem") && place.log().contains(" expires on ");
    assert!(eventually(is_logged), "{}", place.log());
    let told = || place.order(&["status"]);
    assert!(eventually(|| told().contains("    localhost\n      issued by ")), "{}", told());
    let said = told();
    let expect = "  certificates\n    early.test\n      issued by short, until ";
    assert!(said.contains(expect) && said.contains("      warning: expires on "), "{said}");
    assert!(said.contains("    localhost\n      issued by the local authority, until "), "{said}");
    server.stop();
}

/// No capability, as the kernel shows it.
const NOTHING: &str = "0000000000000000";

#[test]
fn who_has_certificates_issued_is_walled_in_but_for_programs_of_the_operators() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[("a.test", "\"auto\"")]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let status = |name: &str| {
        let text =
            fs::read_to_string(format!("/proc/{}/status", issuer(&server).0)).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        value.trim_start_matches(':').trim().to_owned()
    };
    let is_walled = |seccomp: &str| {
        status("Seccomp") == seccomp && status("NoNewPrivs") == "1" && status("CapEff") == NOTHING
    };
    assert!(eventually(|| is_walled("2")));
    // Another config may want a program to be run, and then another no longer.
    for (more, seccomp) in [("dns-program = \"/bin/true\"", "0"), ("", "2")] {
        issuing.write(more, &[("a.test", "\"auto\"")]);
        issuing.place.order(&["reload"]);
        assert!(eventually(|| is_walled(seccomp)), "{more}");
    }
    server.stop();
}

/// The walls are around the files of one moment: when another one takes the place of one of them,
/// another process takes the place of the one that cannot read it.
#[test]
fn who_is_asked_for_names_may_be_said_by_another_file_each_day() {
    let issuing = Issuing::new(Manner::default());
    let names = issuing.place.path("hosts");
    fs::copy("/etc/hosts", &names).unwrap();
    issuing.write("", &[("a.test", "\"auto\"")]);
    let own_names = format!(
        "exec unshare --mount sh -c 'mount --bind {} /etc/hosts && exec \"$0\" \"$@\"' \"$0\" \"$@\"",
        names.display()
    );
    let server = issuing.place.launch().after(&own_names).start();
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let (before, pid) = (issuer(&server), server.started().0.to_string());
    let (is_done, said) = run("nsenter", &["--target", &pid, "--mount", "umount", "/etc/hosts"]);
    assert!(is_done, "{said}");
    assert!(eventually(|| issuer(&server) != before), "{}", issuing.place.log());
    clock::set_ahead(issuer(&server), 61 * DAY);
    let has_another = || issuing.authority.books.issued().len() == 2;
    assert!(eventually(has_another), "{}", issuing.place.log());
    issuing.check_books(&["a.test"]);
    server.stop();
}
