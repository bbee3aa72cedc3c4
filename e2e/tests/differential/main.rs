//! The same requests to gannet, nginx and lighttpd: whatever differs is on the page of differences,
//! and nothing on that page has ceased to differ.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

mod page;
mod requests;
mod site;

use e2e::{Answer, Peer, Server};
use page::Difference;
use requests::{Request, requests};
use site::Site;
use std::collections::BTreeMap;

/// The three servers of one site.
struct Servers {
    gannet: Server,
    nginx: Peer,
    lighttpd: Peer,
}

/// What [`Peer`] has its peers do for these paths, in our words.
const ROUTES: &str = r#"
fields = { X-Frame-Options = "DENY" }

[site.default.route]
"/sub/*" = { cache-control = "max-age=60" }
"/old/*" = { redirect = "/sub/{rest}" }
"/moved/*" = { rewrite = "/sub/{rest}" }
"/guarded/*" = { respond = { status = 403 } }
"#;

impl Servers {
    fn start(site: &Site) -> Self {
        let root = site.root();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n\
             [site.default]\nroot = {root:?}\n{ROUTES}"
        );
        Self {
            gannet: Server::run(&config),
            nginx: Peer::nginx(&root),
            lighttpd: Peer::lighttpd(&root),
        }
    }

    /// The answers to `request`, ours first.
    fn ask(&self, request: &Request) -> [Answer; 3] {
        let of = |ask: &dyn Fn(&[u8]) -> Answer| ask(&request.bytes(ask));
        [
            of(&|bytes| self.gannet.ask(bytes)),
            of(&|bytes| self.nginx.ask(bytes)),
            of(&|bytes| self.lighttpd.ask(bytes)),
        ]
    }
}

#[test]
fn what_differs_from_other_servers_is_on_the_page_and_nothing_else_is() {
    let site = Site::new();
    let servers = Servers::start(&site);
    let requests = requests();
    assert!(requests.len() > 2000, "only {} requests", requests.len());
    let mut found = BTreeMap::new();
    for request in &requests {
        for difference in differences(request, &servers.ask(request)) {
            found.entry(difference).or_insert(request);
        }
    }
    servers.gannet.stop();

    let listed = page::differences();
    let is_listed = |found: &Difference| listed.iter().any(|row| row.covers(found));
    let is_stale = |row: &&Difference| !found.keys().any(|found| row.covers(found));
    let unlisted = found.iter().filter(|(found, _)| !is_listed(found));
    let unlisted: Vec<_> = unlisted.map(|(row, request)| format!("{row}\n    {request}")).collect();
    let stale: Vec<_> = listed.iter().filter(is_stale).map(ToString::to_string).collect();
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "mend these, or list them in {}:\n{}\n\nno longer so, take them out of it:\n{}",
        page::NAME,
        unlisted.join("\n"),
        stale.join("\n")
    );
}

/// What of an answer is compared, and how it is told in a table.
type Aspect = (&'static str, fn(&Answer) -> String);

/// What is compared of answers with what was asked for.
const OF_SUCCESS: [Aspect; 8] = [
    ("content-type", |answer| field(answer, "content-type")),
    ("content-encoding", |answer| field(answer, "content-encoding")),
    ("accept-ranges", |answer| field(answer, "accept-ranges")),
    ("etag", |answer| validator(answer, "etag")),
    ("last-modified", |answer| field(answer, "last-modified")),
    ("vary", |answer| field(answer, "vary")),
    ("cache-control", |answer| field(answer, "cache-control")),
    ("x-frame-options", |answer| field(answer, "x-frame-options")),
];

/// What is compared of those that send it in the same form, too.
const OF_THE_SAME_FORM: [Aspect; 3] = [
    ("content-length", length),
    ("content-range", |answer| field(answer, "content-range")),
    ("content", content),
];

/// What is compared of the others, whose pages are everybody's own.
const OF_OTHERS: [Aspect; 8] = [
    ("location", |answer| field(answer, "location")),
    ("etag", |answer| validator(answer, "etag")),
    ("last-modified", |answer| field(answer, "last-modified")),
    ("vary", |answer| field(answer, "vary")),
    ("cache-control", |answer| field(answer, "cache-control")),
    ("x-frame-options", |answer| field(answer, "x-frame-options")),
    ("content-range", |answer| field(answer, "content-range")),
    ("allow", |answer| field(answer, "allow")),
];

/// Where the answers of the peers differ from ours.
fn differences(request: &Request, answers: &[Answer; 3]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: &str, told: [String; 3], counts: [bool; 2]| {
        let [ours, nginx, lighttpd] = told;
        let alike = |peer: String, counts: bool| {
            if peer == ours || !counts { "=".to_owned() } else { peer }
        };
        let (nginx, lighttpd) = (alike(nginx, counts[0]), alike(lighttpd, counts[1]));
        if (&*nginx, &*lighttpd) != ("=", "=") {
            let group = request.group.clone();
            found.push(Difference { group, what: what.into(), nginx, lighttpd, gannet: ours });
        }
    };
    compare("status", answers.each_ref().map(|answer| answer.status.to_string()), [true; 2]);
    // Who comes to another end has other fields and content, too.
    let [ours, nginx, lighttpd] = answers;
    let counts = [nginx, lighttpd].map(|peer| peer.status == ours.status);
    let aspects = if ours.status < 300 { &OF_SUCCESS[..] } else { &OF_OTHERS };
    for (what, tell) in aspects {
        compare(what, answers.each_ref().map(tell), counts);
    }
    if ours.status < 300 {
        let form =
            |answer: &Answer| ["content-type", "content-encoding"].map(|name| field(answer, name));
        let are_alike = |peer: &Answer| peer.status == ours.status && form(peer) == form(ours);
        let counts = [nginx, lighttpd].map(are_alike);
        for (what, tell) in &OF_THE_SAME_FORM {
            compare(what, answers.each_ref().map(tell), counts);
        }
    }
    found
}

fn field(answer: &Answer, name: &str) -> String {
    let value = answer.get(name).unwrap_or_else(|| "none".into());
    let is_multipart = value.starts_with("multipart/byteranges");
    if is_multipart { "multipart/byteranges".into() } else { value.to_ascii_lowercase() }
}

/// The length, where it is that of a file: boundaries differ in length, and so do compressors.
fn length(answer: &Answer) -> String {
    let is_multipart = field(answer, "content-type").starts_with("multipart");
    match is_multipart || answer.get("content-encoding").is_some() {
        true => "some".into(),
        false => field(answer, "content-length"),
    }
}

/// A validator, whose text is everybody's own.
fn validator(answer: &Answer, name: &str) -> String {
    let kind = |value: String| if value.starts_with("W/") { "weak" } else { "strong" };
    answer.get(name).map_or("none", kind).into()
}

/// The content; of several parts, their ranges and contents, since boundaries are everybody's own.
fn content(answer: &Answer) -> String {
    let content_type = answer.get("content-type").unwrap_or_default();
    let text = answer.body.escape_ascii().to_string();
    let text = match content_type.split_once("boundary=") {
        Some((_, boundary)) => parts(&text, boundary),
        None if answer.body.starts_with(&[0x1f, 0x8b]) => "compressed".into(),
        None => text,
    };
    match text.len() {
        0..=60 => text,
        length => format!("{}… ({length})", &text[..40]),
    }
}

fn parts(text: &str, boundary: &str) -> String {
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let parts = text.split(&boundary);
    let part = |part: &str| {
        let (head, content) = part.split_once(r"\r\n\r\n")?;
        let head = head.to_ascii_lowercase();
        let (_, range) = head.split_once("content-range: bytes ")?;
        let range = range.split(r"\r\n").next()?;
        Some(format!("{range} {}", content.trim_end_matches(r"\r\n")))
    };
    parts.filter_map(part).collect::<Vec<_>>().join(", ")
}
