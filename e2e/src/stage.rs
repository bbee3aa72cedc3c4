//! A site, and a folder for its logs.

use crate::{Client, Response, Server, Site};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A site, and a folder for its logs.
pub struct Stage {
    /// The site.
    pub site: Site,
    logs: tempfile::TempDir,
}

impl Stage {
    /// Makes both.
    #[expect(clippy::new_without_default, reason = "it writes files; that is no default value")]
    pub fn new() -> Self {
        Self { site: Site::new(), logs: crate::folder() }
    }

    /// Where the log `name` is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.logs.path().join(name)
    }

    /// Serves with these settings of the server, with one loop unless they say otherwise, and of
    /// the default site, and `more` sites. `LOGS` in them stands for the folder of the logs.
    pub fn serve(&self, server: &str, site: &str, more: &str) -> Server {
        let root = self.site.root();
        let loops = if server.contains("threads") { "" } else { "threads = 1" };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{loops}\n{server}\n\
             [site.default]\nroot = {root:?}\n{site}\n{more}\n"
        );
        let config = config.replace("ROOT", self.site.root_text().as_str());
        Server::run(&config.replace("LOGS", self.logs.path().to_str().unwrap()))
    }

    /// What it holds.
    pub fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.file(name))
    }
}

/// The lines of a log, each of them whole and printable.
pub fn lines(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with(b"\n"), "whole lines");
    let is_printable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b' '..=b'~');
    assert!(text.iter().all(is_printable), "odd bytes in {}", path.display());
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// The answer to a GET.
pub fn get(addr: SocketAddr, host: &str, target: &str) -> Response {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client.response().unwrap()
}
