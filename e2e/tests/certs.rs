//! Certificates that come by themselves: of the local authority, and of one that the world trusts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Response, Server, Site,
    authority::{Authority, free_ports, own_address},
    clock, eventually,
    process::Process,
    secure::{Certificates, Visitor},
    webdriver::Browser,
};
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

const DAY: i32 = 86_400;

/// A site, certificates, a folder for what is kept, and a config in a file.
struct Place {
    site: Site,
    certificates: Certificates,
    folder: tempfile::TempDir,
    address: Ipv4Addr,
}

impl Place {
    fn new() -> Self {
        let (site, certificates) = (Site::new(), Certificates::new());
        Self { site, certificates, folder: tempfile::tempdir().unwrap(), address: own_address() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Writes a config with these sites, each with what it says about its TLS.
    fn write(&self, (http, tls): (u16, u16), server: &str, sites: &[(&str, &str)]) {
        let (root, address) = (self.site.root_text(), self.address);
        let sites = sites
            .iter()
            .map(|(host, tls)| format!("[site.\"{host}\"]\nroot = {root:?}\ntls = {tls}\n"));
        let text = format!(
            "[server]\nlisten = [{{ address = \"{address}:{tls}\", tls = true }}, \
             \"{address}:{http}\"]\nlog = \"json\"\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [server.certificates]\nfolder = \"kept\"\n{server}\n{}",
            sites.collect::<String>()
        );
        fs::write(self.file(), text).unwrap();
    }

    fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }

    fn tell(&self, words: &[&str]) -> String {
        let file = self.file();
        let words = words.iter().map(|&word| word.to_owned()).chain([file]).collect();
        let (code, said, stderr) = Launch::of(words).finish();
        assert_eq!(code, Some(0), "{stderr}");
        said
    }

    /// What the error log says.
    fn errors(&self) -> String {
        fs::read_to_string(self.path("errors.log")).unwrap_or_default()
    }

    /// What `gannet certs` says of the first certificate.
    fn listed(&self) -> Value {
        let said: Value = serde_json::from_str(&self.tell(&["certs", "--json"])).unwrap();
        said["certificates"][0].clone()
    }

    /// Somebody who trusts the local authority.
    fn local_visitor(&self) -> Visitor {
        let text = fs::read_to_string(self.path("kept/authority.pem")).unwrap();
        let at = text.find("-----BEGIN CERTIFICATE").unwrap();
        fs::write(self.certificates.path("local.pem"), &text[at..]).unwrap();
        self.certificates.visitor(&["local"])
    }
}

/// The process that has certificates issued.
fn issuer(server: &Server) -> Process {
    let find = || server.started().children().into_iter().find(|one| one.name() == "gannet-certs");
    assert!(eventually(|| find().is_some()));
    find().unwrap()
}

/// Whether who is trusted by that visitor serves the page.
fn serves(visitor: &Visitor, addr: SocketAddr, host: &str) -> bool {
    visitor.get(addr, host, "/digits.txt").is_ok_and(|answer| answer.status == 200)
}

/// How many files of that folder hold a key that others may read.
fn open_keys(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += open_keys(&path);
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("PRIVATE")) {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            count += usize::from(mode & 0o077 != 0);
        }
    }
    count
}

#[test]
fn the_local_authority_signs_for_private_names_and_stays_the_same() {
    let place = Place::new();
    place.write((0, 0), "", &[("localhost", "\"internal\""), ("a.test", "\"internal\"")]);
    let server = place.start();
    let visitor = place.local_visitor();
    for host in ["localhost", "a.test"] {
        assert!(serves(&visitor, server.addr(), host), "{host}");
    }
    assert_eq!(open_keys(&place.path("kept")), 0);
    let mut kept = visitor.connect(server.addr(), "a.test");
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    place.tell(&["reload"]);
    assert!(serves(&place.local_visitor(), server.addr(), "a.test"), "the root is the same");
    // Another root takes its place without a reload, and nobody who is there notices.
    let mut shown = visitor.connect(server.addr(), "a.test");
    shown.get("/digits.txt").unwrap();
    fs::remove_file(place.path("kept/authority.pem")).unwrap();
    let is_new = || place.path("kept/authority.pem").exists();
    assert!(eventually(is_new), "{}", place.errors());
    let other = place.local_visitor();
    assert!(eventually(|| serves(&other, server.addr(), "a.test")), "{}", place.errors());
    assert_eq!(shown.get("/digits.txt").unwrap().status, 200);
    server.stop();
}

#[test]
fn the_local_authority_cannot_sign_for_what_somebody_owns() {
    let place = Place::new();
    place.write((0, 0), "", &[("localhost", "\"internal\"")]);
    place.start().stop();
    // Whoever has stolen its key signs for another name, and nobody takes that.
    let kept = place.path("kept/authority.pem");
    let path = |name: &str| place.path(name).display().to_string();
    let run = |words: &[&str]| {
        let output = Command::new("openssl").args(words).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (host, is_fine) in [("a.test", true), ("bank.dev", false), ("10.1.2.3", true)] {
        let kind = if host.starts_with('1') { "IP" } else { "DNS" };
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

/// Everything that a test of issuing needs.
struct Issuing {
    place: Place,
    authority: Authority,
    ports: (u16, u16),
}

impl Issuing {
    fn new(bad_nonces: u8) -> Self {
        let place = Place::new();
        let [http, tls] = free_ports(place.address);
        let ports = (http, tls);
        let authority = Authority::start(&place.certificates, place.address, ports, bad_nonces);
        Self { place, authority, ports }
    }

    /// The settings of the authority, with more.
    fn words(&self, more: &str) -> String {
        let trusted = self.place.certificates.path("pebble.pem");
        format!("authority = {{ url = {:?}, trusted = {trusted:?} }}\n{more}", self.authority.url())
    }

    fn serve(&self, more: &str, sites: &[(&str, &str)]) -> Server {
        self.place.write(self.ports, &self.words(more), sites);
        self.place.start()
    }

    /// Where it is served with TLS.
    fn addr(&self) -> SocketAddr {
        (self.place.address, self.ports.1).into()
    }

    fn visitor(&self) -> Visitor {
        self.authority.fetch_root(&self.place.certificates);
        self.place.certificates.visitor(&["root"])
    }
}

#[test]
fn a_certificate_is_issued_renewed_and_used_at_once() {
    for (proof, bad_nonces) in [("http", 30), ("tls", 5)] {
        let issuing = Issuing::new(bad_nonces);
        let server = issuing.serve(&format!("proof = \"{proof}\""), &[("a.test", "\"auto\"")]);
        let (visitor, to) = (issuing.visitor(), issuing.addr());
        let is_issued = || serves(&visitor, to, "a.test");
        assert!(eventually(is_issued), "{proof}: {}", issuing.place.errors());
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
        let first = kept.shown();
        clock::set_ahead(issuer(&server), 61 * DAY);
        let is_renewed = || {
            // One that was there before would bring a ticket.
            let mut client = issuing.visitor().connect(to, "a.test");
            client.get("/digits.txt").is_ok() && client.shown() != first
        };
        assert!(eventually(is_renewed), "{}", issuing.place.errors());
        assert_eq!(kept.get("/digits.txt").unwrap().status, 200, "nobody is turned out");
        server.stop();
    }
}

#[test]
fn until_there_is_a_certificate_the_site_is_served_and_says_so() {
    let mut issuing = Issuing::new(0);
    issuing.authority.go_down();
    let server = issuing.serve("", &[("a.test", "\"auto\""), ("b.test", "\"internal\"")]);
    let is_said = || issuing.place.errors().contains("nobody listens there");
    assert!(eventually(is_said), "{}", issuing.place.errors());
    assert!(serves(&issuing.place.local_visitor(), server.addr(), "b.test"));
    let said = Command::new("openssl")
        .args(["s_client", "-connect", &server.addr().to_string(), "-servername", "a.test"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("CN = a.test"), "one stands in");
    let listed = issuing.place.listed();
    assert!(listed["error"].as_str().unwrap().contains("nobody listens there"), "{listed}");
    assert!(listed["next"].as_str().unwrap().starts_with("asked for "), "{listed}");
    assert!(issuing.place.errors().contains("is not there yet"), "{}", issuing.place.errors());
    server.stop();
}

#[test]
fn whoever_is_killed_while_a_certificate_is_issued_leaves_nothing_broken() {
    let issuing = Issuing::new(20);
    let hosts: Vec<String> = (0..6).map(|at| format!("s{at}.test")).collect();
    let sites: Vec<_> = hosts.iter().map(|host| (host.as_str(), "\"auto\"")).collect();
    let server = issuing.serve("", &sites);
    for _ in 0..4 {
        let process = issuer(&server);
        process.kill();
        assert!(eventually(|| !process.is_alive()));
        issuing.place.tell(&["certs"]);
    }
    let visitor = issuing.visitor();
    for host in &hosts {
        let is_issued = || serves(&visitor, issuing.addr(), host);
        assert!(eventually(is_issued), "{host}: {}", issuing.place.errors());
    }
    server.stop();
}

#[test]
fn names_below_one_are_proved_by_a_program_that_sets_records() {
    let issuing = Issuing::new(0);
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
    assert!(eventually(is_issued), "{}", issuing.place.errors());
    server.stop();
}
