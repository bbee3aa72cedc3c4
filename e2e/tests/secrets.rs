//! Where keys are not: in what a process that dies would leave in a core dump, and in anything that
//! is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{Launch, Server, Site, eventually, process::Process, secure::Certificates};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

/// The memory in which the keys of tickets are, as the kernel shows it.
const TICKETS: &str = "/memfd:gannet-tickets";

/// A part of a process's memory.
struct Part {
    start: u64,
    end: u64,
    name: String,
    /// Whether it would be in a core dump.
    is_dumped: bool,
}

fn parts(process: Process) -> Vec<Part> {
    let text = fs::read_to_string(format!("/proc/{}/smaps", process.0)).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let part = parts.last_mut().unwrap();
            part.is_dumped = flags.split_whitespace().all(|flag| flag != "dd");
        } else if let Some((start, end)) = words[0].split_once('-') {
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = (number(start), number(end));
            let name = words.get(5).copied().unwrap_or_default().to_owned();
            parts.push(Part { start, end, name, is_dumped: true });
        }
    }
    parts
}

/// What is in a part; nothing where the kernel shows it to nobody.
fn content(process: Process, part: &Part) -> Vec<u8> {
    let memory = File::open(format!("/proc/{}/mem", process.0)).unwrap();
    let mut bytes = vec![0; usize::try_from(part.end - part.start).unwrap()];
    match memory.read_exact_at(&mut bytes, part.start) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret)
}

/// The words of the keys of tickets: numbers of keys are small, and what is unused is zero.
fn ticket_keys(process: Process) -> Vec<[u8; 8]> {
    let all = parts(process);
    let part = all.iter().find(|part| part.name == TICKETS).expect("it has the keys");
    let bytes = content(process, part);
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().filter(|word| u64::from_ne_bytes(**word) > 1 << 32).copied().collect()
}

/// The number that is the key, as PEM has it and as it is.
fn secrets(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.len() == 64).map(|line| line.as_bytes().to_vec());
    let key = PrivateKeyDer::from_pem_file(path).unwrap();
    let der = key.secret_der();
    let at = der.windows(2).position(|part| part == [0x04, 0x20]).expect("a key of P-256");
    lines.chain([der[at + 2..at + 34].to_vec()]).collect()
}

/// The user to whom the kernel says that a process belongs: root, where it leaves no core dump and
/// is shown to nobody.
fn owner(process: Process) -> u32 {
    fs::metadata(format!("/proc/{}/status", process.0)).unwrap().uid()
}

/// Checks that no core dump of a server that has two workers would hold one of these keys.
fn check_dumps(server: &Server, keys: &[Vec<u8>]) {
    let first = server.started();
    let tickets = ticket_keys(first);
    assert!(tickets.len() >= 4, "a key has four words: {tickets:?}");
    let keeper = first.children().into_iter().find(|child| child.name() == "gannet-keeper");
    for process in [first, keeper.expect("there is a keeper")] {
        for part in parts(process).iter().filter(|part| part.is_dumped) {
            let (bytes, name) = (content(process, part), process.name());
            let of_tickets = tickets.iter().any(|word| holds(&bytes, word));
            assert!(!of_tickets, "a key of tickets is in {name} {:x} {}", part.start, part.name);
            let of_sites = keys.iter().any(|key| holds(&bytes, key));
            assert!(!of_sites, "a certificate's key is in {name} {:x} {}", part.start, part.name);
        }
    }
    assert!(eventually(|| server.workers().len() == 2));
    for worker in server.workers() {
        let limits = fs::read_to_string(format!("/proc/{}/limits", worker.0)).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!((owner(worker), core.split_whitespace().nth(4)), (0, Some("0")), "{core}");
    }
}

#[test]
fn keys_are_in_no_core_dump_and_in_nothing_that_is_said() {
    let (site, certificates, folder) = (Site::new(), Certificates::new(), e2e::folder());
    for name in ["a", "used", "b"] {
        certificates.make(name, "ec", &["a.example"]);
    }
    let file = folder.path().join("gannet.toml");
    let (root, words) = (site.root_text(), certificates.words("used"));
    let config = format!(
        "[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = true }}]\nworkers = 2\n\
         log = {{ format = \"json\", file = \"access.log\" }}\n\
         error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
         [site.\"a.example\"]\nroot = {root:?}\ntls = {{ {words} }}\n"
    );
    fs::write(&file, &config).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let mut said = Vec::new();
    let mut tell = |words: &[&str], code| {
        let words = words.iter().map(|&word| word.to_owned()).chain([file.clone()]).collect();
        let (ended, stdout, stderr) = Launch::of(words).finish();
        assert_eq!(ended, Some(code), "{stderr}");
        said.extend([stdout, stderr]);
    };
    let log = || fs::read_to_string(folder.path().join("errors.log")).unwrap_or_default();
    let launch = Launch::of(vec!["run".to_owned(), file.clone()]);
    let server = launch.after("ulimit -c unlimited").start();
    let visitor = certificates.visitor(&["used", "a"]);
    let mut keys = secrets(&certificates.path("used.key"));
    for _ in 0..3 {
        assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    }
    tell(&["reload"], 0);
    certificates.replace("a", "used");
    assert!(eventually(|| log().contains("\"renewed\"")));
    certificates.replace_file("b.pem", "used.pem");
    assert!(eventually(|| log().contains("is not the one of the certificate")));
    tell(&["check"], 2);
    tell(&["status"], 0);
    assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    keys.extend(secrets(&certificates.path("used.key")));

    check_dumps(&server, &keys);
    certificates.replace("a", "used");
    tell(&["upgrade", "-c"], 0);
    assert!(eventually(|| log().contains("\"upgraded\"")));
    assert_eq!(visitor.get(server.addr(), "a.example", "/digits.txt").unwrap().status, 200);
    check_dumps(&server, &keys);
    let stopped = server.stop();
    said.extend(stopped.lines.iter().map(ToString::to_string).chain([stopped.stderr]));
    said.extend([log(), fs::read_to_string(folder.path().join("access.log")).unwrap()]);
    let hex = |key: &[u8]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for text in said {
        let is_told =
            keys.iter().any(|key| holds(text.as_bytes(), key) || text.contains(&hex(key)));
        assert!(!is_told, "{text}");
    }
}

#[test]
fn who_serves_a_folder_alone_leaves_no_core_dump_where_there_is_a_key() {
    for (words, leaves_one) in [(&["--tls"][..], false), (&[], true)] {
        let (site, home) = (Site::new(), e2e::folder_of_nobody());
        let launch = Launch::quick(&[&[&*site.root_text()], words].concat());
        let launch = launch.env("STATE_DIRECTORY", home.path().join("kept").to_str().unwrap());
        let server = launch.after("ulimit -c unlimited").as_nobody().start();
        assert_eq!(owner(server.started()) != 0, leaves_one, "{words:?}");
        server.stop();
    }
}
