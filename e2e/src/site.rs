//! A folder to be served, with everything in it that a test may ask for, and what lies outside.

use std::{
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The site that most tests serve. It is gone when dropped.
///
/// `www/` is the root, `other/` that of a second host; all else lies outside of both, and nothing
/// of it may ever be sent: every file there holds [`Site::SECRET`].
pub struct Site {
    folder: tempfile::TempDir,
}

/// Files of the root and what they hold.
const FILES: [(&str, &str); 31] = [
    ("index.html", "<!doctype html><title>front</title>\n"),
    ("digits.txt", "0123456789"),
    ("empty.txt", ""),
    ("sub/index.html", "sub\n"),
    ("sub/page.txt", "page\n"),
    ("img/a.txt", "image\n"),
    ("admin/x", "admin\n"),
    ("list/a b.txt", "blank\n"),
    ("list/<img src=x onerror=alert(1)>.txt", "hostile name\n"),
    ("list/\u{fc}.txt", "umlaut\n"),
    ("list/'\"&.txt", "quotes\n"),
    ("list/.hidden", Site::SECRET),
    ("%2e%2e/%2e.txt", "percent signs\n"),
    (".env", Site::SECRET),
    (".htpasswd", Site::SECRET),
    (".git/config", Site::SECRET),
    ("sub/.svn/entries", Site::SECRET),
    (".well-known/security.txt", "contact\n"),
    ("shell.php", "source\n"),
    ("name.\u{a1}.txt", "inverted\n"),
    ("style.css", "p { color: red }\n"),
    ("style.css.br", "brotli"),
    ("style.css.gz", "gzip"),
    ("stale.css", "p { color: blue }\n"),
    ("stale.css.br", "stale brotli"),
    ("sheet.css", "p { color: gray }\n"),
    ("sheet.css.zst", "zstd"),
    ("sheet.css.gz", "gzip"),
    ("lonely.css", "p { color: green }\n"),
    ("data.json", "{}\n"),
    ("page.html", "<!doctype html><title>page</title>\n"),
];

/// Routes as a line of their site's table; `ROOT` stands for the root.
const ROUTES: &str = r#"
    "/admin/*" = { respond = { status = 403, text = "guarded" } },
    "/pictures/*" = { alias = "ROOT/img" },
    "/old/*" = { redirect = "/sub/{rest}" },
    "/turn" = { redirect = "/{query}" },
    "/away/*" = { redirect = "https://other.example/{rest}" },
    "/moved/*" = { rewrite = "/sub/{rest}" },
    "POST /form" = { respond = "thanks" },
    "/talk" = { respond = "talk", methods = ["GET", "POST"] },
    "/both" = { root = "ROOT" },
    "POST /both" = { respond = "posted" },
    "/most" = { respond = "most", methods = ["PUT"] },
    "DELETE /most" = { respond = "deleted", methods = ["DELETE"] },
    "/told" = { respond = "options", methods = ["GET", "OPTIONS"] },
    "/sub/*" = { methods = ["POST", "GET"] },
    "/away/talk" = { methods = ["GET"], redirect = "/talk" },
"#;

impl Site {
    /// What no answer may ever hold.
    pub const SECRET: &str = "SECRET: not for the public";

    /// Bytes of `large.bin`, 1 MiB.
    pub const LARGE_BYTES: usize = 1024 * 1024;

    /// Bytes of `huge.bin`, a hole of 64 MiB.
    pub const HUGE_BYTES: u64 = 64 * 1024 * 1024;

    /// Makes it.
    #[expect(clippy::new_without_default, reason = "it writes files; that is no default value")]
    pub fn new() -> Self {
        let site = Self { folder: crate::folder() };
        for (name, content) in FILES {
            site.write(name, content.as_bytes());
        }
        site.write("large.bin", &Self::large());
        File::create(site.path("huge.bin")).unwrap().set_len(Self::HUGE_BYTES).unwrap();
        // Enough names for a listing that is sent in several pieces.
        (0..1000).for_each(|number| site.write(&format!("crowd/{number:04}.txt"), b""));
        site.date("stale.css.br", 2000);
        site.write("../other/index.html", b"other\n");
        site.write("../outside.txt", Self::SECRET.as_bytes());
        site.write("../outside/secret.txt", Self::SECRET.as_bytes());
        // A sibling whose name begins with the root's: a careless prefix test lets it in.
        site.write("../www-private/secret.txt", Self::SECRET.as_bytes());
        site.add_links();
        site.add_special_files();
        site
    }

    /// The folder to serve.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    /// The same as text, for arguments and configs.
    pub fn root_text(&self) -> String {
        self.root().to_str().unwrap().to_owned()
    }

    /// A path in the root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file, with the folders it needs.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self.date(name, 1000);
    }

    /// Sets when a file was last changed to so many seconds ago.
    pub fn date(&self, name: &str, seconds_ago: u64) {
        let file = File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago)).unwrap();
    }

    /// A config that serves the root to all hosts, the other folder to `other.example`, and to
    /// `routes.example` the root with some routes; `server` and `limits` are lines of these two
    /// tables.
    pub fn config(&self, server: &str, limits: &str) -> String {
        let (root, other) = (self.root(), self.folder.path().join("other"));
        let routes = ROUTES.replace("ROOT", &self.root_text());
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n{server}\n\
             [server.limits]\n{limits}\n\
             [site.\"default\"]\nroot = {root:?}\nlisting = true\n\
             [site.\"other.example\"]\nroot = {other:?}\n\
             [site.\"routes.example\"]\naliases = [\"[2001:db8::1]\"]\n\
             root = {root:?}\nroute = {{ {routes} }}\n"
        )
    }

    /// What `large.bin` holds.
    pub fn large() -> Vec<u8> {
        b"0123456789abcde\n".repeat(Self::LARGE_BYTES / 16)
    }

    fn add_links(&self) {
        let outside = self.folder.path().join("outside");
        let link = |target: &Path, name: &str| symlink(target, self.path(name)).unwrap();
        link(&outside, "link-absolute");
        link(Path::new("../outside"), "link-climbing");
        link(Path::new("../outside.txt"), "link-file.txt");
        link(Path::new("/etc"), "link-etc");
        link(Path::new("/proc/self"), "link-proc");
        link(Path::new("link-loop"), "link-loop");
        link(Path::new("nowhere"), "link-dangling");
        link(Path::new("digits.txt"), "link-inside.txt");
        link(&self.path("digits.txt"), "link-inside-absolute.txt");
        link(Path::new("../../outside"), "sub/link-two-up");
    }

    fn add_special_files(&self) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let for_all = Mode::RUSR | Mode::RGRP | Mode::ROTH;
        mknodat(CWD, self.path("fifo"), FileType::Fifo, for_all, 0).unwrap();
        drop(UnixListener::bind(self.path("socket")).unwrap());
        symlink("/dev/zero", self.path("device")).unwrap();
        let name = std::ffi::OsStr::from_bytes(b"list/\xff.txt");
        fs::write(self.root().join(name), "not UTF-8\n").unwrap();
    }
}
