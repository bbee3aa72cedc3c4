//! The folder that all three servers send.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

/// A folder, gone when dropped.
pub(crate) struct Site(tempfile::TempDir);

const FILES: [(&str, &str); 13] = [
    ("index.html", "<!doctype html><title>front</title>\n"),
    ("letters.txt", "abcdefghijklmnopqrstuvwxyz"),
    ("empty.txt", ""),
    ("sub/index.html", "sub\n"),
    ("sub/page.txt", "page\n"),
    ("bare/page.txt", "page\n"),
    ("a b.txt", "blank\n"),
    ("\u{fc}.txt", "umlaut\n"),
    ("100%.txt", "per cent\n"),
    ("style.css", "p { color: red }\n"),
    (".env", "secret\n"),
    (".well-known/security.txt", "contact\n"),
    ("shell.php", "source\n"),
];

/// When all files were last changed: a Sunday in 1994.
const MODIFIED: Duration = Duration::from_secs(784_111_777);

impl Site {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let site = Self(e2e::folder());
        for (name, content) in FILES {
            let path = site.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).unwrap();
        }
        // The sibling gets the time of its file.
        let mut gzip = Command::new("gzip");
        let done = gzip.args(["--keep", "--best"]).arg(site.root().join("style.css")).status();
        assert!(done.unwrap().success());
        site
    }

    /// The folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("www")
    }
}
