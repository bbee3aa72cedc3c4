//! WordPress as Debian packages it, with a MariaDB and a php-fpm that the server starts: what
//! somebody does with a browser who sets up a site.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Answer, Client, Database, Launch, Peer, Php, Server, visitor::Visitor, webdriver::Browser,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The package's own folder.
const PACKAGE: &str = "/usr/share/wordpress";

/// WordPress in a folder of its own.
struct Place {
    folder: TempDir,
    database: Database,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: e2e::folder(), database: Database::start() };
        let is_copied = Command::new("cp").arg("-a").arg(PACKAGE).arg(place.folder.path()).status();
        assert!(is_copied.unwrap().success(), "apt-get install wordpress");
        // Its links lead to where they led to before.
        let relink =
            "find . -type l -exec sh -c 'ln -sfn \"$(realpath \"$1\")\" \"$2/$1\"' - {} $0 ';'";
        let mut shell = Command::new("sh");
        shell.args(["-c", relink]).arg(place.root()).current_dir(PACKAGE);
        assert!(shell.status().unwrap().success());
        // The package looks for its settings in /etc; this one has its own.
        fs::write(place.root().join("wp-config.php"), place.config()).unwrap();
        fs::create_dir(place.root().join("wp-content/uploads")).unwrap();
        let owner = Command::new("chown").args(["-R", "www-data:"]).arg(place.root()).status();
        assert!(owner.unwrap().success() || !rustix::process::geteuid().is_root());
        place.database.run(
            "CREATE DATABASE wordpress; CREATE USER wp@localhost IDENTIFIED BY 'secret'; \
             GRANT ALL ON wordpress.* TO wp@localhost",
        );
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("wordpress")
    }

    fn config(&self) -> String {
        let socket = self.database.socket();
        let keys = ["AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"];
        let secret =
            |key| format!("define('{key}_KEY', '{key}'); define('{key}_SALT', '{key}');\n");
        format!(
            "<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'wp'); define('DB_PASSWORD', 'secret');
define('DB_HOST', 'localhost:{}'); define('DB_CHARSET', 'utf8mb4');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true);
{}$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
",
            socket.display(),
            keys.map(secret).concat()
        )
    }

    fn serve(&self) -> Server {
        Server::run(&format!(
            "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n\
             links = '/usr/share/javascript'\nphp-deny = '/wp-content/uploads/*'\n\
             php = {{ workers = 4 }}\n",
            self.root()
        ))
    }
}

/// Somebody who sets a site up.
struct Author {
    browser: Browser,
    base: String,
}

impl Author {
    fn go(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.base));
    }

    /// Fills in fields of a form as scripts do, of which each is told, and sends it.
    fn fill_in(&self, fields: &[(&str, &str)], button: &str) {
        for (selector, words) in fields {
            self.browser.run(&format!(
                "const field = document.querySelector('{selector}'); field.value = '{words}';
                 field.dispatchEvent(new Event('input', {{ bubbles: true }}));"
            ));
        }
        self.browser.run(&format!("document.querySelector('{button}').click()"));
    }

    fn installs(&self) {
        self.go("/");
        self.browser.wait_until("location.pathname === '/wp-admin/install.php'");
        self.browser.take_picture("wordpress-install");
        let fields = [
            ("#weblog_title", "Gannets"),
            ("#user_login", "ann"),
            ("#pass1", "a long enough secret 7"),
            ("#admin_email", "ann@a.example"),
        ];
        self.browser.wait_until("document.querySelector('#pass1').value");
        self.fill_in(&fields, "#submit");
        self.browser.wait_until("document.body?.innerText.includes('Success!')");
    }

    fn logs_in(&self) {
        self.go("/wp-login.php");
        let fields = [("#user_login", "ann"), ("#user_pass", "a long enough secret 7")];
        self.fill_in(&fields, "#wp-submit");
        self.browser.wait_until("document.querySelector('#wpadminbar #wp-admin-bar-my-account')");
    }

    /// Writes a post with a picture, as the editor does it; its address.
    fn writes(&self) -> String {
        self.go("/wp-admin/post-new.php");
        self.browser.wait_until("window.wp?.data?.select('core/editor')?.getCurrentPostId()");
        let written = self.browser.run_until_done(
            "(async () => {
                 const canvas = document.createElement('canvas');
                 [canvas.width, canvas.height] = [1600, 900];
                 const paper = canvas.getContext('2d');
                 for (let at = 0; at < 900; at++) {
                     paper.fillStyle = `hsl(${at * 7} 80% 50%)`;
                     paper.fillRect(at % 1600, 0, 1600 - at, at);
                 }
                 const blob = await new Promise((take) => canvas.toBlob(take, 'image/png'));
                 const body = new FormData();
                 body.append('file', blob, 'gannet.png');
                 const media = await wp.apiFetch({ path: '/wp/v2/media', method: 'POST', body });
                 const { insertBlocks } = wp.data.dispatch('core/block-editor');
                 const { editPost, savePost } = wp.data.dispatch('core/editor');
                 insertBlocks([
                     wp.blocks.createBlock('core/paragraph', { content: 'They dive.' }),
                     wp.blocks.createBlock('core/image', { id: media.id, url: media.source_url }),
                 ]);
                 editPost({ title: 'Diving birds', status: 'publish' });
                 await savePost();
                 return [wp.data.select('core/editor').getPermalink(), Object.keys(media.media_details.sizes)];
             })().then(done, (error) => done(String(error?.message ?? error)));",
        );
        self.browser.take_picture("wordpress-editor");
        // Smaller pictures were made of it.
        assert!(written[1].as_array().unwrap().len() >= 3, "{written}");
        written[0].as_str().unwrap().to_owned()
    }

    fn reads(&self, url: &str) {
        self.browser.open(url);
        self.browser.wait_until("document.querySelector('.wp-block-image img')?.complete");
        let picture = "return document.querySelector('.wp-block-image img').naturalWidth";
        assert_ne!(self.browser.run(picture), 0);
        assert!(self.browser.page_text().contains("They dive."));
    }

    fn comments(&self) {
        self.fill_in(&[("#comment", "They do indeed.")], "#submit");
        self.browser.wait_until("location.hash.startsWith('#comment-')");
        assert!(self.browser.page_text().contains("They do indeed."));
        self.browser.take_picture("wordpress-post");
    }

    fn changes_the_theme(&self) {
        self.go("/wp-admin/theme-editor.php?file=style.css&theme=twentytwentythree");
        self.browser.wait_until("window.wp?.themePluginEditor?.instance?.codemirror");
        self.browser.run(
            "document.querySelector('.file-editor-warning-dismiss')?.click();
             const editor = wp.themePluginEditor.instance.codemirror;
             editor.setValue(editor.getValue() + '/* a new feather */');
             document.querySelector('#submit').click();",
        );
        self.browser.wait_until("document.querySelector('.notice-success')");
    }
}

#[test]
fn somebody_sets_up_a_site_writes_and_is_read() {
    let place = Place::new();
    let server = place.serve();
    let base = format!("http://{}", server.addr());
    let author = Author { browser: Browser::start(), base: base.clone() };
    author.installs();
    author.logs_in();
    let post = author.writes();
    assert!(post.starts_with(&base) && post.ends_with("/diving-birds/"), "a pretty URL: {post}");
    author.reads(&post);
    author.comments();
    author.changes_the_theme();
    let mut client = Client::connect(server.addr());
    let style = client.get("/wp-content/themes/twentytwentythree/style.css").unwrap();
    assert!(style.text().contains("a new feather"));
    // Who is not logged in reads it all, too, by the pages as by the interface for programs.
    let visitor = Visitor::of(server.addr());
    let page = visitor.get(post.strip_prefix(&base).unwrap());
    assert!(page.contains("They do indeed."), "{page}");
    let posts = visitor.get("/wp-json/wp/v2/posts?search=diving");
    assert!(posts.contains("Diving birds"), "{posts}");
    assert!(visitor.get("/feed/").contains("<rss"));
    // What links to other packages is sent from there.
    let script = client.get("/wp-includes/js/underscore.min.js").unwrap();
    assert_eq!(
        (script.status, script.get("content-type")),
        (200, Some("text/javascript; charset=utf-8"))
    );
    // What was uploaded is never run, and what is secret is never told.
    fs::write(place.root().join("wp-content/uploads/x.php"), "<?php echo 'run';").unwrap();
    for target in ["/wp-content/uploads/x.php", "/wp-config.php.bak", "/.htaccess"] {
        assert_eq!(client.get(target).unwrap().status, 404, "{target}");
    }
    assert_eq!(client.get("/wp-config.php").unwrap().body.len(), 0);
    server.stop();
}

#[test]
fn packages_of_debian_are_sites_by_one_command() {
    for (root, link, target) in [
        (PACKAGE, "/usr/share/javascript", "/wp-includes/js/underscore.min.js"),
        (
            "/var/lib/mediawiki",
            "/usr/share/mediawiki",
            "/resources/assets/poweredby_mediawiki_88x31.png",
        ),
        ("/usr/share/phpmyadmin", "/usr/share/javascript", "/js/vendor/jquery/jquery.min.js"),
    ] {
        let server = Server::start(&[root]);
        let start = server.wait_for(|line| line["event"] == "start");
        let found = start["found"].as_str().unwrap();
        assert!(found.ends_with(&format!(", with links to {link}")), "{found}");
        assert_eq!(Client::connect(server.addr()).get(target).unwrap().status, 200, "{target}");
        server.stop();
        let (code, config, _) = Launch::of(vec!["save".to_owned(), root.to_owned()]).finish();
        assert_eq!(code, Some(0));
        assert!(config.contains(&format!("links = [\"{link}\"]")), "{config}");
    }
}

/// Fields that differ, or that only one of the two sends: what each says of itself and of the
/// connection, how each frames and tags what it sends, and what gannet adds to files.
const OWN: [&str; 11] = [
    "accept-ranges",
    "connection",
    "content-length",
    "date",
    "etag",
    "expires",
    "server",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-powered-by",
];

/// The fields of an answer that have to be the same, with one name for the types of scripts,
/// without what says how text is encoded, as nginx does not say it of files, and without the host
/// of redirects, which gannet leaves out.
fn fields(answer: &Answer) -> Vec<(String, String)> {
    let mut fields = answer.fields.clone();
    fields.retain(|(name, _)| !OWN.contains(&&**name));
    for (name, value) in &mut fields {
        if name == "content-type" {
            *value = value.to_lowercase().replace("; charset=utf-8", "");
            *value = value.replace("application/javascript", "text/javascript");
        }
        if name == "location" {
            *value = value.replace("http://a.example", "");
        }
    }
    fields.sort();
    fields
}

/// Files of WordPress itself, some of each kind.
fn files(root: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    find.args(["wp-includes", "wp-admin", "-type", "f"]).current_dir(root);
    let all = String::from_utf8(find.output().unwrap().stdout).unwrap();
    let mut all: Vec<&str> = all.lines().collect();
    all.sort_unstable();
    let kinds = ["css", "js", "png", "gif", "svg", "jpg", "html", "txt"];
    let of_kind = |kind: &&str| {
        let ending = format!(".{kind}");
        all.iter()
            .filter(move |name| name.ends_with(&ending))
            .take(30)
            .map(|name| format!("/{name}"))
            .collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of_kind).collect()
}

/// Pages, feeds, interfaces, redirects and what is not there.
const PAGES: [&str; 60] = [
    "/",
    "/?p=1",
    "/?p=1&preview=true",
    "/?page_id=2",
    "/?s=hello",
    "/?s=%3Cscript%3E",
    "/?cat=1",
    "/?author=1",
    "/?feed=rss2",
    "/?m=2026",
    "/?paged=2",
    "/index.php",
    "/index.php?p=1",
    "/index.php/",
    "/index.php/sample-page/",
    "/sample-page/",
    "/sample-page",
    "/sample-page/feed/",
    "/hello-world/",
    "/HELLO-WORLD/",
    "/category/uncategorized/",
    "/category/nothing/",
    "/author/ann/",
    "/author/nobody/",
    "/feed/",
    "/feed/atom/",
    "/comments/feed/",
    "/page/2/",
    "/no/such/page/",
    "/no-such-page",
    "/%C3%BCber/",
    "/a%20b/",
    "/robots.txt",
    "/wp-sitemap.xml",
    "/wp-sitemap-posts-post-1.xml",
    "/wp-sitemap.xsl",
    "/favicon.ico",
    "/wp-json/",
    "/wp-json/wp/v2/posts",
    "/wp-json/wp/v2/posts/1",
    "/wp-json/wp/v2/pages?per_page=1",
    "/wp-json/wp/v2/users/me",
    "/wp-json/wp/v2/nothing",
    "/?rest_route=/wp/v2/types",
    "/wp-json/wp/v2/taxonomies",
    "/wp-login.php",
    "/wp-login.php?action=lostpassword",
    "/wp-login.php?action=logout",
    "/wp-admin",
    "/wp-admin/",
    "/wp-admin/index.php",
    "/wp-admin/admin-ajax.php",
    "/wp-admin/load-styles.php?load=common",
    "/xmlrpc.php",
    "/wp-cron.php",
    "/wp-trackback.php",
    "/wp-comments-post.php",
    "/wp-links-opml.php",
    "/wp-signup.php",
    "/readme.html",
];

#[test]
fn two_hundred_urls_are_answered_as_by_nginx() {
    let (place, php) = (Place::new(), Php::start(2, ""));
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n\
         links = '/usr/share/javascript'\nphp = {{ socket = {:?} }}\n",
        place.root(),
        php.socket()
    ));
    let form = "weblog_title=Gannets&user_name=ann&admin_password=secret&admin_password2=secret&\
                pw_weak=on&admin_email=ann@a.example&language=";
    let length = form.len();
    let installed = server.ask(
        format!(
            "POST /wp-admin/install.php?step=2 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        )
        .as_bytes(),
    );
    assert!(String::from_utf8_lossy(&installed.body).contains("Success!"));
    // Pretty URLs, which the installer turns on where it reaches the site by its name.
    place.database.run(
        "UPDATE wordpress.wp_options SET option_value = '/%postname%/' \
         WHERE option_name = 'permalink_structure'; \
         DELETE FROM wordpress.wp_options WHERE option_name = 'rewrite_rules'",
    );
    let nginx = Peer::nginx_with_php(&place.root(), &php.socket());
    let pages = PAGES.map(str::to_owned).into_iter();
    let targets: Vec<_> = pages.chain(files(&place.root())).collect();
    assert!(targets.len() >= 180, "{}", targets.len());
    let gets = targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\n"));
    let heads = targets.iter().step_by(5).map(|target| format!("HEAD {target} HTTP/1.1\r\n"));
    let parts = targets.iter().skip(60).step_by(7);
    let parts = parts.map(|target| format!("GET {target} HTTP/1.1\r\nRange: bytes=3-20\r\n"));
    let mut differences = String::new();
    for request in gets.chain(heads).chain(parts) {
        let whole = format!("{request}Host: a.example\r\nConnection: close\r\n\r\n");
        let (ours, theirs) = (server.ask(whole.as_bytes()), nginx.ask(whole.as_bytes()));
        // What stands on a page of the server's own is its own affair.
        let same_body = ours.body == theirs.body || ours.status >= 300;
        if ours.status != theirs.status || fields(&ours) != fields(&theirs) || !same_body {
            let show = |answer: &Answer| {
                format!("{} {:?} {}", answer.status, fields(answer), answer.body.len())
            };
            differences += &format!("{request}  {}\n  {}\n", show(&ours), show(&theirs));
        }
    }
    assert!(differences.is_empty(), "{differences}");
    server.stop();
}
