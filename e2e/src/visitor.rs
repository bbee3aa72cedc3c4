//! Somebody with cookies who fills in forms: curl.

use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

/// A visitor of one server, who keeps what cookies it is given, and remembers what was answered.
pub struct Visitor {
    base: String,
    /// How the server is reached.
    way: Vec<String>,
    jar: tempfile::NamedTempFile,
    heads: tempfile::NamedTempFile,
    notes: RefCell<Vec<Note>>,
}

/// What was answered to one step of a visitor.
#[derive(Clone, Debug)]
pub struct Note {
    /// What was asked for.
    pub target: String,
    /// The status and the fields of each answer on the way, redirects included.
    pub heads: Vec<(u16, Vec<(String, String)>)>,
    /// The content of the last one.
    pub body: Vec<u8>,
}

impl Visitor {
    /// A new one.
    pub fn of(addr: SocketAddr) -> Self {
        Self::new(format!("http://{addr}"), Vec::new())
    }

    /// One who knows the server by the name of that host.
    pub fn by_name(host: &str, addr: SocketAddr) -> Self {
        let way = ["--connect-to".to_owned(), format!("::{addr}")];
        Self::new(format!("http://{host}"), way.into())
    }

    /// The same of one that listens at a Unix socket.
    pub fn by_socket(host: &str, socket: &Path) -> Self {
        let way = ["--unix-socket".to_owned(), socket.to_str().unwrap().to_owned()];
        Self::new(format!("http://{host}"), way.into())
    }

    fn new(base: String, way: Vec<String>) -> Self {
        let [jar, heads] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        Self { base, way, jar, heads, notes: RefCell::default() }
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
        let [jar, heads] = [&self.jar, &self.heads].map(|file| file.path().to_str().unwrap());
        let url = format!("{}{target}", self.base);
        let always = ["--silent", "--location", "--max-time", "100", "--dump-header", heads];
        let mut curl = Command::new("curl");
        curl.args(always).args(["--cookie", jar, "--cookie-jar", jar]).args(&self.way);
        let done = curl.args(words).arg(url).stdin(Stdio::null());
        let done = done.output().unwrap_or_else(|error| panic!("curl: {error}"));
        assert!(done.status.success(), "{target}: {}", done.status);
        let heads = fs::read(self.heads.path()).unwrap();
        let heads = read_heads(&String::from_utf8_lossy(&heads));
        let note = Note { target: target.to_owned(), heads, body: done.stdout.clone() };
        self.notes.borrow_mut().push(note);
        done.stdout
    }

    /// All that was answered so far.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.borrow().clone()
    }
}

fn read_heads(text: &str) -> Vec<(u16, Vec<(String, String)>)> {
    let heads = text.split("\r\n\r\n").filter(|head| !head.trim().is_empty());
    let read = |head: &str| {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        (status, fields.collect())
    };
    heads.map(read).collect()
}

/// What stands in `text` between two words.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map_or_else(|| panic!("no {before}: {text}"), |(between, _)| between)
}
