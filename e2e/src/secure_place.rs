//! A site over TLS by a config in a file, and visitors who come while something is done to it.

use crate::{
    Launch, Server, Site,
    secure::{Certificates, Visitor},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
};

/// A request of `a.example` that ends its connection.
pub const LAST: &str = "GET /digits.txt HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// A site, certificates, and a config in a file.
pub struct SecurePlace {
    /// What is served.
    pub site: Site,
    /// The pair `a`, and whatever a test makes.
    pub certificates: Certificates,
    /// Where the config and the error log lie.
    pub folder: tempfile::TempDir,
}

impl SecurePlace {
    /// One whose config is not written yet.
    #[expect(clippy::new_without_default, reason = "it makes folders; that is no default value")]
    pub fn new() -> Self {
        let (site, certificates) = (Site::new(), Certificates::new());
        certificates.make("a", "ec", &["a.example", "*.a.example"]);
        Self { site, certificates, folder: tempfile::tempdir().unwrap() }
    }

    /// The config.
    pub fn file(&self) -> String {
        self.folder.path().join("gannet.toml").to_str().unwrap().to_owned()
    }

    /// A site with that pair and these further words about its TLS.
    pub fn of(&self, host: &str, pair: &str, more: &str) -> String {
        let words = self.certificates.words(pair);
        let root = self.site.root_text();
        format!("[site.\"{host}\"]\nroot = {root:?}\ntls = {{ {words}{more} }}\n")
    }

    /// Writes a config of `sites`, with TLS at the first address and without at the second.
    pub fn write(&self, server: &str, sites: &str) {
        let text = format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = true }}, \"127.0.0.1:0\"]\n\
             log = \"json\"\nerror-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             {server}\n{sites}"
        );
        fs::write(self.file(), text).unwrap();
    }

    /// Serves what is written.
    pub fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }

    /// Writes that and serves it.
    pub fn serve(&self, server: &str, sites: &str) -> Server {
        self.write(server, sites);
        self.start()
    }

    /// Gives the server an order, which it has to carry out.
    pub fn tell(&self, words: &[&str]) {
        let file = self.file();
        let words = words.iter().map(|&word| word.to_owned()).chain([file]).collect();
        let (code, _, stderr) = Launch::of(words).finish();
        assert_eq!(code, Some(0), "{stderr}");
    }

    /// What the error log says about `event`.
    pub fn reasons(&self, event: &str) -> Vec<String> {
        let about = self.errors(event).into_iter();
        about.map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// The lines of the error log about such an event.
    pub fn errors(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("errors.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }
}

/// The address without TLS.
pub fn plain(server: &Server) -> SocketAddr {
    let start = server.wait_for(|line| line["event"] == "start");
    start["listens"][1].as_str().unwrap().parse().unwrap()
}

/// Does `work` while visitors come, on new connections and on ones that are kept; none may fail.
pub fn under_load(visitor: &Visitor, addr: SocketAddr, work: impl FnOnce()) -> u32 {
    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for keeps in [true, false] {
            let (is_over, asked) = (&is_over, &asked);
            scope.spawn(move || {
                let mut client = visitor.connect(addr, "a.example");
                while !is_over.load(Relaxed) {
                    let answer = client.get("/digits.txt").unwrap();
                    assert_eq!(answer.text(), "0123456789");
                    asked.fetch_add(1, Relaxed);
                    if !keeps || answer.closes() {
                        client = visitor.connect(addr, "a.example");
                    }
                }
            });
        }
        struct Over<'o>(&'o AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let _over = Over(&is_over);
        work();
    });
    asked.into_inner()
}

/// What `openssl s_client` says when it is given `input`.
pub fn openssl(addr: SocketAddr, words: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &addr.to_string()]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    // Who is told something ends by itself.
    let _open = (!input.is_empty()).then_some(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
