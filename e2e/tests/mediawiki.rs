//! MediaWiki as Debian packages it, on SQLite: its installer, pages with short URLs, an upload, a
//! search, and its two interfaces for programs; and the same by nginx.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Peer, Php, Server,
    comparison::differ,
    give_to_server,
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
    /// The package in a folder of its own, which nobody has set up yet.
    fn new() -> Self {
        let wiki = Self(e2e::folder());
        let is_copied = Command::new("cp").arg("-a").arg(PACKAGE).arg(wiki.0.path()).status();
        assert!(is_copied.unwrap().success(), "apt-get install mediawiki");
        for name in ["LocalSettings.php", "images/.htaccess"] {
            let _ = fs::remove_file(wiki.path("mediawiki").join(name));
        }
        // The package looks for its settings in /etc; this one has its own.
        let settings = wiki.path("LocalSettings.php");
        let before = format!("<?php putenv('MW_CONFIG_FILE={}');", settings.display());
        fs::write(wiki.path("before.php"), before).unwrap();
        give_to_server(wiki.0.path());
        give_to_server(&wiki.path("mediawiki"));
        wiki.clear();
        wiki
    }

    /// Takes away what is kept of it.
    fn clear(&self) {
        for name in ["data", "mediawiki/images"] {
            let _ = fs::remove_dir_all(self.path(name));
            fs::create_dir(self.path(name)).unwrap();
            give_to_server(&self.path(name));
        }
        let _ = fs::remove_file(self.path("LocalSettings.php"));
    }

    /// Sets it up, page by page, as its installer asks.
    fn install(&self, visitor: &Visitor) {
        let data = self.path("data");
        let step = |page: &str, fields: &[(&str, &str)]| {
            let fields = [fields, &[("submit-continue", "Continue")]].concat();
            visitor.post(&format!("/mw-config/index.php?page={page}"), &fields)
        };
        let first = visitor.get("/mw-config/index.php");
        let time = between(&first, "type=\"hidden\" value=\"", "\"");
        step("Language", &[("uselang", "en"), ("ContLang", "en"), ("LanguageRequestTime", time)]);
        step("Welcome", &[]);
        let database = [
            ("DBType", "sqlite"),
            ("sqlite_wgSQLiteDataDir", data.to_str().unwrap()),
            ("sqlite_wgDBname", "wiki"),
        ];
        step("DBConnect", &database);
        let names = [
            ("config_wgSitename", "Gannets"),
            ("config__NamespaceType", "site-name"),
            ("config__AdminName", "Ann"),
            ("config__AdminPassword", SECRET),
            ("config__AdminPasswordConfirm", SECRET),
            ("config__SkipOptional", "skip"),
        ];
        step("Name", &names);
        let done = step("Install", &[]);
        assert!(done.contains("Creating main page with default content"), "{done}");
        step("Install", &[]);
        let written = visitor.get("/mw-config/index.php?localsettings=1");
        assert!(written.contains("$wgSitename = \"Gannets\";"), "{written}");
        let images = self.path("mediawiki/images");
        let own = format!("$wgUploadDirectory = '{}';\n", images.display());
        fs::write(self.path("LocalSettings.php"), written + SETTINGS + &own).unwrap();
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

/// Logs in, writes pages, looks for them, sends a picture.
fn work(wiki: &Wiki, visitor: &Visitor) {
    assert!(visitor.get("/").contains("MediaWiki has been installed."));
    let word = token(visitor, "login");
    let login =
        [("action", "login"), ("lgname", "Ann"), ("lgpassword", SECRET), ("lgtoken", &word)];
    assert_eq!(ask(visitor, &login)["login"]["result"], "Success");
    // One page is written by the form, another one by the interface.
    let form = visitor.get("/index.php?title=Bass_Rock&action=edit");
    let field = |name: &str| {
        let (before, _) = form.split_once(&format!("name=\"{name}\"")).unwrap();
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
    let word = token(visitor, "csrf");
    let text = "Northern gannets dive from [[Bass Rock]].";
    let edit = [("action", "edit"), ("title", "Birds/Gannet?"), ("text", text), ("token", &word)];
    assert_eq!(ask(visitor, &edit)["edit"]["result"], "Success");
    let page = visitor.get("/wiki/Birds/Gannet%3F");
    assert!(page.contains("<a href=\"/wiki/Bass_Rock\""), "{page}");
    let found = visitor.get("/index.php?search=full+of+gannets&fulltext=1&ns0=1");
    assert!(found.contains("<a href=\"/wiki/Bass_Rock\""), "{found}");
    let history = visitor.get("/index.php?title=Bass_Rock&action=history");
    assert!(history.contains("mw-userlink"), "{history}");
    // A picture is taken in, made smaller, and sent.
    let picture = wiki.path("gannet.png");
    let draw = format!(
        "$i = imagecreatetruecolor(900, 600); imagefill($i, 0, 0, 255); imagepng($i, '{}');",
        picture.display()
    );
    assert!(Command::new("php").args(["-r", &draw]).status().unwrap().success());
    let word = token(visitor, "csrf");
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
}

#[test]
fn a_wiki_is_set_up_written_searched_and_read() {
    let wiki = Wiki::new();
    let server = wiki.serve();
    let visitor = Visitor::of(server.addr());
    wiki.install(&visitor);
    work(&wiki, &visitor);
    server.stop();
}

#[test]
fn all_of_it_is_answered_as_by_nginx() {
    let wiki = Wiki::new();
    let before = wiki.path("before.php");
    let php = Php::start(
        4,
        &format!(
            "php_admin_flag[expose_php] = on\nphp_admin_value[auto_prepend_file] = {}\n",
            before.display()
        ),
    );
    let root = wiki.path("mediawiki");
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {root:?}\n\
         links = '/usr/share/mediawiki'\nphp = {{ socket = {:?} }}\n",
        php.socket()
    ));
    let nginx = Peer::nginx_with_php(&root, &php.socket());
    let visitors = [
        Visitor::by_name("a.example", server.addr()),
        Visitor::by_socket("a.example", &nginx.socket()),
    ];
    for visitor in &visitors {
        wiki.clear();
        wiki.install(visitor);
        work(&wiki, visitor);
    }
    let [ours, theirs] = visitors.map(|visitor| visitor.notes());
    let differences = differ(&ours, &theirs, [&[], &[]]);
    assert!(differences.is_empty(), "{differences}");
    server.stop();
}
