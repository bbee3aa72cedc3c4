//! Somebody with cookies who fills in forms: curl.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

/// A visitor of one server, who keeps what cookies it is given.
pub struct Visitor {
    base: String,
    jar: tempfile::NamedTempFile,
}

impl Visitor {
    /// A new one.
    pub fn of(addr: SocketAddr) -> Self {
        Self { base: format!("http://{addr}"), jar: tempfile::NamedTempFile::new().unwrap() }
    }

    /// The content of the page at `target`, redirects followed.
    pub fn get(&self, target: &str) -> String {
        String::from_utf8(self.bytes(target, &[])).unwrap()
    }

    /// Sends a form in the way of browsers; what comes back.
    pub fn post(&self, target: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let words: Vec<_> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        String::from_utf8(self.bytes(target, &words)).unwrap()
    }

    /// Sends a form with a file.
    pub fn upload(
        &self,
        target: &str,
        fields: &[(&str, &str)],
        (name, file): (&str, &Path),
    ) -> String {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let file = format!("{name}=@{}", file.display());
        let words = fields.iter().flat_map(|field| ["--form-string", field]);
        let words: Vec<_> = words.chain(["--form", &file]).collect();
        String::from_utf8(self.bytes(target, &words)).unwrap()
    }

    /// What is answered when curl is told this much more.
    pub fn bytes(&self, target: &str, words: &[&str]) -> Vec<u8> {
        let jar = self.jar.path().to_str().unwrap();
        let url = format!("{}{target}", self.base);
        let always =
            ["--silent", "--location", "--max-time", "60", "--cookie", jar, "--cookie-jar", jar];
        let mut curl = Command::new("curl");
        let done = curl.args(always).args(words).arg(url).stdin(Stdio::null());
        let done = done.output().unwrap_or_else(|error| panic!("curl: {error}"));
        assert!(done.status.success(), "{target}: {}", done.status);
        done.stdout
    }
}

/// What stands in `text` between two words.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map_or_else(|| panic!("no {before}: {text}"), |(between, _)| between)
}
