//! The files that are served: made in a temporary folder, gone with it.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::Outcome;
use super::cases::{SMALL, Site};
use crate::command;

/// Virtual hosts of [`Site::Hosts`], and files of each.
const HOSTS: usize = 100;
const FILES_PER_HOST: usize = 10;
/// Folders of [`Site::Heap`], files in each, and bytes of each.
const FOLDERS: usize = 200;
const FILES_PER_FOLDER: usize = 1000;
const HEAP_FILE_BYTES: usize = 4096;
/// Bytes of each page of [`Site::Articles`].
const ARTICLE_BYTES: usize = 100 * 1024;

/// The folder of [`Site::FrontPage`].
const FRONT_PAGE: &str = "front-page";

/// Bytes of what `/large.php` says, beside the program of [`Site::Program`].
const LARGE_BYTES: usize = 2 * 1024 * 1024;

/// A temporary folder with the sites that were asked for so far, and room for the servers' files.
pub(super) struct Content {
    folder: TempDir,
}

/// What one request asks for.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) path: String,
}

impl Content {
    /// An empty folder, which a server's unprivileged user can read as well.
    pub(super) fn new() -> Outcome<Self> {
        let readable = Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("bench-").permissions(readable).tempdir()?;
        Ok(Self { folder })
    }

    /// Where servers may keep their configurations, logs and scripts.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of `site`, made at the first call. That of [`Site::Hosts`] holds a folder for
    /// each host, named like it.
    pub(super) fn root(&self, site: Site) -> Outcome<PathBuf> {
        let root = self.folder().join(match site {
            Site::Single { bytes } => format!("single-{bytes}"),
            Site::Hosts => "hosts".into(),
            Site::Heap => "heap".into(),
            Site::Articles(count) => format!("articles-{count}"),
            Site::Certified(_) => format!("single-{SMALL}"),
            Site::Program { bytes } => format!("program-{bytes}"),
            Site::Wordpress => return Ok(fs::canonicalize(self.wordpress())?),
            Site::FrontPage => FRONT_PAGE.into(),
        });
        if root.exists() {
            return Ok(root);
        }
        let file_bytes = self.file_bytes(site)?;
        let content: String = PAGE.chars().cycle().take(file_bytes).collect();
        let mut words = Words::default();
        let mut folder = PathBuf::new();
        for Target { host, path } in targets(site) {
            let file = match site {
                Site::Hosts => root.join(host).join(path.trim_start_matches('/')),
                _ => root.join(path.trim_start_matches('/')),
            };
            if let Some(parent) = file.parent().filter(|parent| **parent != folder) {
                fs::create_dir_all(parent)?;
                folder = parent.to_owned();
            }
            match site {
                Site::Articles(_) => fs::write(&file, words.article(file_bytes))?,
                Site::Program { .. } => {
                    let large = content.chars().cycle().take(LARGE_BYTES).collect::<String>();
                    fs::write(root.join("large.php"), program(&large))?;
                    fs::write(&file, program(&content))?;
                }
                _ => fs::write(&file, &content)?,
            }
            age(&file)?;
        }
        Ok(root)
    }

    /// The files of a certificate and its key, made at the first call. It is for `localhost` and
    /// for the first host that has one out of it.
    pub(super) fn pair(&self) -> Outcome<(PathBuf, PathBuf)> {
        let [pem, key] = ["tls.pem", "tls.key"].map(|name| self.folder().join(name));
        if !pem.exists() {
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-nodes", "-days", "90", "-subj", "/CN=bench"]);
            openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
            openssl.args(["-addext", "subjectAltName=DNS:localhost,DNS:site00000.example"]);
            openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]);
            command::output(openssl.arg(&key).arg("-out").arg(&pem))?;
        }
        Ok((pem, key))
    }

    /// Where the php-fpm listens that runs programs.
    pub(super) fn application(&self) -> PathBuf {
        self.folder().join("php.sock")
    }

    /// A link to the folder of the WordPress that runs.
    pub(super) fn wordpress(&self) -> PathBuf {
        self.folder().join("wordpress")
    }

    /// Its front page as a file.
    pub(super) fn front_page(&self) -> PathBuf {
        self.folder().join(FRONT_PAGE).join("page.html")
    }

    /// The size of each file of `site`, or of what its program says.
    pub(super) fn file_bytes(&self, site: Site) -> Outcome<usize> {
        Ok(match site {
            Site::Single { bytes } | Site::Program { bytes } => bytes,
            Site::Hosts | Site::Certified(_) => SMALL,
            Site::Heap => HEAP_FILE_BYTES,
            Site::Articles(_) => ARTICLE_BYTES,
            Site::Wordpress | Site::FrontPage => {
                fs::metadata(self.front_page())?.len().try_into()?
            }
        })
    }

    /// The folder of so many certificates.
    pub(super) fn certificates(&self, count: usize) -> PathBuf {
        self.folder().join(format!("certificates-{count}"))
    }

    /// A file that lists the targets of `site`, a host and a path in each line.
    pub(super) fn list(&self, site: Site) -> Outcome<PathBuf> {
        let path = self.root(site)?.with_extension("list");
        let mut lines = BufWriter::new(File::create(&path)?);
        for Target { host, path } in targets(site) {
            writeln!(lines, "{host} {path}")?;
        }
        lines.flush()?;
        Ok(path)
    }
}

/// The virtual hosts of [`Site::Hosts`].
pub(super) fn hosts() -> impl Iterator<Item = String> {
    (0..HOSTS).map(|number| format!("site{number:02}.example"))
}

/// Everything that can be asked of `site`.
pub(super) fn targets(site: Site) -> Box<dyn Iterator<Item = Target>> {
    let one =
        |path: &str| Box::new([Target { host: "localhost".into(), path: path.into() }].into_iter());
    match site {
        Site::Single { .. } | Site::Certified(_) | Site::FrontPage => one("/page.html"),
        Site::Program { .. } => one("/page.php"),
        Site::Wordpress => one("/"),
        Site::Articles(count) => Box::new(
            (0..count)
                .map(|number| Target { host: "localhost".into(), path: format!("/{number}.html") }),
        ),
        Site::Hosts => Box::new(hosts().flat_map(|host| {
            (0..FILES_PER_HOST)
                .map(move |file| Target { host: host.clone(), path: format!("/{file}.html") })
        })),
        Site::Heap => Box::new((0..FOLDERS).flat_map(|folder| {
            (0..FILES_PER_FOLDER).map(move |file| Target {
                host: "localhost".into(),
                path: format!("/{folder:03}/{file:03}.html"),
            })
        })),
    }
}

/// Has a file be changed last so long ago that no server expects another change right away.
pub(super) fn age(file: &Path) -> Outcome<()> {
    let file = File::options().append(true).open(file)?;
    Ok(file.set_modified(SystemTime::now() - Duration::from_secs(3600))?)
}

/// A program that says `content`, in pieces as programs do.
fn program(content: &str) -> String {
    let pieces: Vec<_> = content.as_bytes().chunks(8192).map(String::from_utf8_lossy).collect();
    let head = format!("<?php\nheader('Content-Length: {}');\n", content.len());
    pieces.iter().fold(head, |text, piece| text + &format!("echo '{piece}';\n"))
}

/// Makes text that compresses as pages of people do, the same in every run.
#[derive(Default)]
struct Words(u64);

impl Words {
    /// A page of that many bytes.
    fn article(&mut self, bytes: usize) -> String {
        let mut page = "<!doctype html>\n<html lang=\"en\">\n<title>Article</title>\n".to_owned();
        while page.len() < bytes {
            page.push_str("<div class=\"entry\">\n<h2><a href=\"/article/");
            page.push_str(&(self.next() % 10_000).to_string());
            page.push_str(".html\">");
            self.push_words(&mut page, 4);
            page.push_str("</a></h2>\n<p class=\"text\">");
            self.push_words(&mut page, 40);
            page.push_str("</p>\n</div>\n");
        }
        page.truncate(bytes);
        page
    }

    fn push_words(&mut self, page: &mut String, count: usize) {
        for _ in 0..count {
            // Of 4,096 words the first are by far the most frequent, as in any language.
            let (a, b) = (self.next() % 64, self.next() % 64);
            let mut word = (a * b * 2_654_435_761) % 4096 + 7;
            while word > 0 {
                page.push(char::from(b"etaoinshrdlucmfw"[(word % 16) as usize]));
                word /= 12;
            }
            page.push(' ');
        }
    }

    /// The next of a long row of numbers (Knuth's generator).
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// What the pages say, over and over.
const PAGE: &str = "<p>The gannet folds its wings and dives.</p>\n";
