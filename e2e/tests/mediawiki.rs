//! MediaWiki as Debian packages it, on SQLite: pages with short URLs, an upload, a search, and its
//! two interfaces for programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Server, give_to_server,
    visitor::{Visitor, between},
};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command};
use tempfile::TempDir;

/// A wiki's folder: the package's own is links to `/usr/share/mediawiki`.
const PACKAGE: &str = "/var/lib/mediawiki";

const SECRET: &str = "a long enough secret 7";

/// Settings beside those that the installer writes.
const SETTINGS: &str = "
$wgServer = 'http://' . $_SERVER['HTTP_HOST'];
$wgArticlePath = '/wiki/$1';
$wgEnableUploads = true;
$wgUploadPath = '/images';
$wgCacheDirectory = false;
$wgUseImageMagick = false;
";

struct Wiki(TempDir);

impl Wiki {
    fn install() -> Self {
        let wiki = Self(e2e::folder());
        let is_copied = Command::new("cp").arg("-a").arg(PACKAGE).arg(wiki.0.path()).status();
        assert!(is_copied.unwrap().success(), "apt-get install mediawiki");
        for name in ["LocalSettings.php", "images/.htaccess"] {
            let _ = fs::remove_file(wiki.path("mediawiki").join(name));
        }
        fs::create_dir(wiki.path("data")).unwrap();
        let (settings, data) = (wiki.0.path().to_str().unwrap(), wiki.path("data"));
        let done = Command::new("php")
            .arg("/usr/share/mediawiki/maintenance/install.php")
            .args(["--dbtype", "sqlite", "--dbname", "wiki", "--confpath", settings, "--dbpath"])
            .arg(data)
            .args(["--scriptpath", "", "--pass", SECRET, "Gannets", "Ann"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let written = fs::read_to_string(wiki.path("LocalSettings.php")).unwrap();
        let images = wiki.path("mediawiki/images");
        let own = format!("$wgUploadDirectory = '{}';\n", images.display());
        fs::write(wiki.path("LocalSettings.php"), written + SETTINGS + &own).unwrap();
        // The package looks for its settings in /etc; this one has its own.
        let before = format!("<?php putenv('MW_CONFIG_FILE={settings}/LocalSettings.php');");
        fs::write(wiki.path("before.php"), before).unwrap();
        if rustix::process::geteuid().is_root() {
            let owner = Command::new("chown").args(["-R", "www-data:"]).arg(wiki.0.path()).status();
            assert!(owner.unwrap().success());
        }
        give_to_server(wiki.0.path());
        wiki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn serve(&self) -> Server {
        Server::run(&format!(
            "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n\
             links = '/usr/share/mediawiki'\nphp-deny = '/images/*'\n\
             php = {{ workers = 4, ini = {{ auto_prepend_file = {:?} }} }}\n",
            self.path("mediawiki"),
            self.path("before.php")
        ))
    }
}

/// Asks the interface for programs.
fn ask(visitor: &Visitor, words: &[(&str, &str)]) -> Value {
    let all = [&[("format", "json")], words].concat();
    let text = visitor.post("/api.php", &all);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

fn token(visitor: &Visitor, kind: &str) -> String {
    let told = ask(visitor, &[("action", "query"), ("meta", "tokens"), ("type", kind)]);
    told["query"]["tokens"][format!("{kind}token")].as_str().unwrap().to_owned()
}

#[test]
fn a_wiki_is_written_searched_and_read() {
    let wiki = Wiki::install();
    let server = wiki.serve();
    let visitor = Visitor::of(server.addr());
    assert!(visitor.get("/").contains("MediaWiki has been installed."));
    let word = token(&visitor, "login");
    let login =
        [("action", "login"), ("lgname", "Ann"), ("lgpassword", SECRET), ("lgtoken", &word)];
    assert_eq!(ask(&visitor, &login)["login"]["result"], "Success");
    // One page is written by the form, another one by the interface.
    let form = visitor.get("/index.php?title=Bass_Rock&action=edit");
    let field = |name: &str| {
        let (before, _) = form.split_once(&format!("name=\"{name}\"")).expect(name);
        let tag = &form[before.rfind('<').unwrap()..];
        between(tag, "value=\"", "\"").to_owned()
    };
    let names = ["wpEditToken", "wpStarttime", "wpEdittime", "wpUnicodeCheck", "wpUltimateParam"];
    let values = names.map(field);
    let hidden = names.iter().copied().zip(values.iter().map(String::as_str));
    let typed = [("wpTextbox1", "A rock full of gannets."), ("wpSave", "Save page")];
    let fields: Vec<_> = hidden.chain(typed).collect();
    visitor.post("/index.php?title=Bass_Rock&action=submit", &fields);
    assert!(visitor.get("/wiki/Bass_Rock").contains("A rock full of gannets."));
    let word = token(&visitor, "csrf");
    let text = "Northern gannets dive from [[Bass Rock]].";
    let edit = [("action", "edit"), ("title", "Birds/Gannet?"), ("text", text), ("token", &word)];
    assert_eq!(ask(&visitor, &edit)["edit"]["result"], "Success");
    let page = visitor.get("/wiki/Birds/Gannet%3F");
    assert!(page.contains("<a href=\"/wiki/Bass_Rock\""), "{page}");
    let found = visitor.get("/index.php?search=full+of+gannets&fulltext=1&ns0=1");
    assert!(found.contains("<a href=\"/wiki/Bass_Rock\""), "{found}");
    assert!(visitor.get("/wiki/Special:RecentChanges").contains("Bass_Rock"));
    // A picture is taken in, made smaller, and sent.
    let picture = wiki.path("gannet.png");
    let draw = format!(
        "$i = imagecreatetruecolor(900, 600); imagefill($i, 0, 0, 255); imagepng($i, '{}');",
        picture.display()
    );
    assert!(Command::new("php").args(["-r", &draw]).status().unwrap().success());
    let word = token(&visitor, "csrf");
    let upload = [("action", "upload"), ("filename", "Gannet.png"), ("token", &*word)];
    let upload = [&[("format", "json"), ("ignorewarnings", "1")], &upload[..]].concat();
    let told = visitor.upload("/api.php", &upload, ("file", &picture));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["upload"]["result"], "Success", "{told}");
    let url = told["upload"]["imageinfo"]["url"].as_str().unwrap();
    let (_, target) = url.split_once("/images").unwrap();
    let sent = visitor.bytes(&format!("/images{target}"), &[]);
    assert!(sent == fs::read(&picture).unwrap(), "{url}");
    let small = visitor.get("/wiki/File:Gannet.png");
    let small = between(&small, "src=\"/images/thumb/", "\"");
    assert!(visitor.bytes(&format!("/images/thumb/{small}"), &[]).starts_with(b"\x89PNG"));
    let rest: Value = serde_json::from_str(&visitor.get("/rest.php/v1/page/Bass_Rock")).unwrap();
    assert_eq!(rest["source"], "A rock full of gannets.");
    assert!(visitor.get("/load.php?modules=startup&only=scripts").contains("mw.loader"));
    server.stop();
}
