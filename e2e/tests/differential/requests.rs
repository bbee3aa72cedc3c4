//! What is asked: tables of what people and attackers send, and combinations of it.

mod choices;
mod messages;
mod paths;
mod ranges;

use e2e::Answer;
use std::fmt;

/// A request, and the group under which the page tells of its answers.
pub(crate) struct Request {
    pub(crate) group: String,
    method: &'static str,
    target: String,
    version: &'static str,
    /// Field lines, with `{etag}` and `{weak}` for the server's own tag of the target.
    fields: Vec<String>,
}

impl Request {
    fn get(group: &str, target: &str, fields: &[&str]) -> Self {
        Self {
            group: group.to_owned(),
            method: "GET",
            target: target.to_owned(),
            version: "HTTP/1.1",
            fields: fields.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    fn with_method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// The bytes for a server that can be asked for its tags.
    pub(crate) fn bytes(&self, ask: &dyn Fn(&[u8]) -> Answer) -> Vec<u8> {
        let mut text = self.text();
        if text.contains("{etag}") || text.contains("{weak}") {
            let plain = Self::get("", &self.target, &[]).text();
            let tag = ask(plain.as_bytes()).get("etag").unwrap_or_default();
            let opaque = tag.trim_start_matches("W/");
            text = text.replace("{etag}", opaque).replace("{weak}", &format!("W/{opaque}"));
        }
        text.into_bytes()
    }

    fn text(&self) -> String {
        let has_host = self.fields.iter().any(|line| line.starts_with("Host:"));
        let host = if has_host || self.version == "HTTP/1.0" { "" } else { "Host: localhost\r\n" };
        let fields: String = self.fields.iter().map(|line| format!("{line}\r\n")).collect();
        let Self { method, target, version, .. } = self;
        format!("{method} {target} {version}\r\n{host}{fields}Connection: close\r\n\r\n")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().escape_debug().to_string();
        let short: String = text.chars().take(300).collect();
        f.write_str(&short)
    }
}

/// All requests, always the same ones.
pub(crate) fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    messages::methods(&mut all);
    paths::paths(&mut all);
    messages::hosts(&mut all);
    ranges::ranges(&mut all);
    choices::if_range(&mut all);
    choices::preconditions(&mut all);
    choices::codings(&mut all);
    messages::expectations(&mut all);
    paths::routes(&mut all);
    ranges::ranges_at_random(&mut all);
    all
}

/// Random numbers that are always the same (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
