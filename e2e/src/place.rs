//! A folder with a config that a test may change, and what `gannet` says of the server it is for.

use crate::{Client, Launch, Server, Site, folder};
use serde_json::Value;
use std::{fs, net::SocketAddr, path::PathBuf};
use tempfile::TempDir;

/// A site to serve, and a folder with `gannet.toml`, its error log and whatever else is put there.
pub struct Place {
    /// What `ROOT` stands for in the config.
    pub site: Site,
    folder: TempDir,
}

impl Place {
    /// One with a config of that text.
    pub fn new(text: &str) -> Self {
        let place = Self { site: Site::new(), folder: folder() };
        place.write(text);
        place
    }

    /// One whose site says that it is of `version`, with more lines in `[server]`.
    pub fn serving(server: &str, version: u32) -> Self {
        Self::new(&config(server, "", &says(version)))
    }

    /// What has that name in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the config.
    pub fn config(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// The text of the config.
    pub fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// Writes the config; `ROOT` stands for the root of the site.
    pub fn write(&self, text: &str) {
        fs::write(self.config(), text.replace("ROOT", &self.site.root_text())).unwrap();
    }

    /// Writes one whose site says that it is of `version`, with more lines in `[server]`.
    pub fn serve(&self, server: &str, version: u32) {
        self.write(&config(server, "", &says(version)));
    }

    /// Writes the text that is there with `new` in the place of `old`.
    pub fn edit(&self, old: &str, new: &str) {
        let text = self.text();
        assert!(text.contains(old), "{old} in {text}");
        self.write(&text.replace(old, new));
    }

    /// `gannet run` of the config.
    pub fn launch(&self) -> Launch {
        Launch::of(vec!["run".to_owned(), self.config()])
    }

    /// Starts the server.
    pub fn start(&self) -> Server {
        self.launch().start()
    }

    /// `gannet WORDS CONFIG`: the exit code, and what is said on both streams.
    pub fn ask(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let words = words.iter().map(|&word| word.to_owned());
        Launch::of(words.chain([self.config()]).collect()).finish()
    }

    /// The same: the exit code and what is said of errors.
    pub fn tell(&self, words: &[&str]) -> (Option<i32>, String) {
        let (code, _, stderr) = self.ask(words);
        (code, stderr)
    }

    /// The same, which has to succeed: what is said.
    pub fn order(&self, words: &[&str]) -> String {
        let (code, stdout, stderr) = self.ask(words);
        assert_eq!((code, &*stderr), (Some(0), ""), "{words:?}");
        stdout
    }

    /// What `gannet status` knows.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.order(&["status", "--json"])).unwrap()
    }

    /// The lines of the error log about `event`.
    pub fn errors(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path("errors.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// The reasons that they give.
    pub fn reasons(&self, event: &str) -> Vec<String> {
        let lines = self.errors(event).into_iter();
        lines.map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
    }
}

/// The setting by which [`Place::errors`] finds what the error log says.
pub const ERROR_LOG: &str = "error-log = { format = \"json\", file = \"errors.log\" }\n";

/// A config at a port of its own, with more lines in `[server]`, `[server.limits]` and its site.
pub fn config(server: &str, limits: &str, site: &str) -> String {
    let listen = if server.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    format!(
        "[server]\n{listen}log = \"json\"\n{server}\n{ERROR_LOG}\
         [server.limits]\n{limits}\n[site.default]\nroot = 'ROOT'\n{site}\n"
    )
}

/// Has a site say that it is of `version`.
pub fn says(version: u32) -> String {
    format!("fields = {{ X-Version = \"{version}\" }}")
}

/// What a site says of its version; 0 where it says nothing.
pub fn version(addr: SocketAddr) -> u32 {
    let answer = Client::connect(addr).get("/digits.txt").unwrap();
    assert_eq!(answer.status, 200);
    answer.get("x-version").map_or(0, |version| version.parse().unwrap())
}
