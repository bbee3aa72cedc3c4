//! WordPress by gannet and by nginx, with the same php-fpm: two hundred URLs, and what somebody
//! does who sets up a site and writes, are answered in the same way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Peer, Php, Server, Wordpress,
    comparison::{differ, differs},
    visitor::{Visitor, between},
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// What somebody types who sets up a site.
const FORM: [(&str, &str); 7] = [
    ("weblog_title", "Gannets"),
    ("user_name", "ann"),
    ("admin_password", "secret"),
    ("admin_password2", "secret"),
    ("pw_weak", "on"),
    ("admin_email", "ann@a.example"),
    ("language", ""),
];

/// A theme, and the file of it that is changed.
const THEME: &str = "twentytwentythree";
const STYLE: &str = "wp-content/themes/twentytwentythree/style.css";

/// Both servers of one WordPress.
struct Both {
    server: Server,
    nginx: Peer,
    php: Php,
}

impl Both {
    fn of(place: &Wordpress) -> Self {
        // A program's answer has a field by which it is known.
        let php = Php::start(4, "php_admin_flag[expose_php] = on\n");
        let server = Server::run(&format!(
            "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n\
             links = '/usr/share/javascript'\nphp = {{ socket = {:?} }}\n",
            place.root(),
            php.socket()
        ));
        let nginx = Peer::nginx_with_php(&place.root(), &php.socket());
        Self { server, nginx, php }
    }

    fn visitors(&self) -> [Visitor; 2] {
        [
            Visitor::by_name("a.example", self.server.addr()),
            Visitor::by_socket("a.example", &self.nginx.socket()),
        ]
    }
}

/// Installs WordPress by one of them, with pretty URLs, which its installer turns on where it
/// reaches the site by its name.
fn install(place: &Wordpress, visitor: &Visitor, name: &str) {
    assert!(visitor.post("/wp-admin/install.php?step=2", &FORM).contains("Success!"));
    place.database.run(&format!(
        "UPDATE {name}.wp_options SET option_value = '/%postname%/' \
         WHERE option_name = 'permalink_structure'; \
         DELETE FROM {name}.wp_options WHERE option_name = 'rewrite_rules'"
    ));
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
            .take(40)
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
    let place = Wordpress::new();
    let both = Both::of(&place);
    install(&place, &both.visitors()[0], "gannet");
    let pages = PAGES.map(str::to_owned).into_iter();
    let targets: Vec<_> = pages.chain(files(&place.root())).collect();
    assert!(targets.len() >= 200, "{}", targets.len());
    let gets = targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\n"));
    let heads = targets.iter().step_by(5).map(|target| format!("HEAD {target} HTTP/1.1\r\n"));
    let parts = targets.iter().skip(60).step_by(7);
    let parts = parts.map(|target| format!("GET {target} HTTP/1.1\r\nRange: bytes=3-20\r\n"));
    let mut differences = String::new();
    for request in gets.chain(heads).chain(parts) {
        let whole = format!("{request}Host: a.example\r\nConnection: close\r\n\r\n");
        let ask = || {
            let (ours, theirs) =
                (both.server.ask(whole.as_bytes()), both.nginx.ask(whole.as_bytes()));
            differs(&request, &ours, &theirs)
        };
        // Some say which second it is.
        if !ask().is_empty() {
            differences += &ask();
        }
    }
    assert!(differences.is_empty(), "{differences}");
    both.server.stop();
    drop(both.php);
}

/// Logs in, writes a post with a picture, which is read and commented on, and changes the theme;
/// what was told to this visitor alone.
fn write(visitor: &Visitor, picture: &Path) -> Vec<String> {
    let login = [
        ("log", "ann"),
        ("pwd", "secret"),
        ("testcookie", "1"),
        ("redirect_to", "/wp-admin/users.php"),
    ];
    visitor.get("/wp-login.php");
    assert!(visitor.post("/wp-login.php", &login).contains("ann@a.example"));
    let editor = visitor.get("/wp-admin/post-new.php");
    let nonce = between(&editor, "createNonceMiddleware( \"", "\"").to_owned();
    let told = |target: &str, words: &[&str]| -> Value {
        let word = format!("X-WP-Nonce: {nonce}");
        let text = visitor.bytes(target, &[&["--header", &word], words].concat());
        serde_json::from_slice(&text).unwrap_or_else(|_| panic!("{target}: {text:?}"))
    };
    let file = format!("file=@{}", picture.display());
    let media = told("/wp-json/wp/v2/media", &["--form", &file]);
    let url = media["source_url"].as_str().unwrap();
    let content = format!("<p>They dive.</p><img src=\"{url}\">");
    // Its place in the feed is the same, whether or not the second of the installation is over.
    let date = "2020-01-02T03:04:05";
    let post =
        json!({ "title": "Diving birds", "content": content, "status": "publish", "date": date });
    let kind = ["--header", "Content-Type: application/json"];
    let post = told("/wp-json/wp/v2/posts", &[&kind[..], &["--data", &post.to_string()]].concat());
    assert_eq!(post["link"], "http://a.example/diving-birds/", "{post}");
    assert!(visitor.get("/diving-birds/").contains("They dive."));
    let target = url.strip_prefix("http://a.example").unwrap();
    assert!(visitor.bytes(target, &[]) == fs::read(picture).unwrap());
    visitor.bytes(target, &["--range", "9-99"]);
    let id = post["id"].to_string();
    let comment = [("comment", "They do indeed."), ("comment_post_ID", &*id)];
    assert!(visitor.post("/wp-comments-post.php", &comment).contains("They do indeed."));
    assert!(visitor.get("/wp-json/wp/v2/posts?search=diving").contains("Diving birds"));
    assert!(visitor.get("/feed/").contains("They dive."));
    let page = visitor.get(&format!("/wp-admin/theme-editor.php?file=style.css&theme={THEME}"));
    let change = between(&page, "name=\"nonce\" value=\"", "\"").to_owned();
    let style = format!("/{STYLE}");
    let text = visitor.get(&style) + "/* a new feather */\n";
    let fields = [
        ("action", "edit-theme-plugin-file"),
        ("nonce", &change),
        ("theme", THEME),
        ("file", "style.css"),
        ("newcontent", &text),
    ];
    assert!(visitor.post("/wp-admin/admin-ajax.php", &fields).contains("\"success\":true"));
    assert!(visitor.get(&style).contains("a new feather"));
    vec![nonce, change]
}

#[test]
fn somebody_who_writes_is_answered_as_by_nginx() {
    let place = Wordpress::new();
    place.part();
    let both = Both::of(&place);
    let picture = place.root().join("gannet.png");
    let draw = format!(
        "$i = imagecreatetruecolor(900, 600); imagefill($i, 0, 0, 255); imagepng($i, '{}');",
        picture.display()
    );
    assert!(Command::new("php").args(["-r", &draw]).status().unwrap().success());
    let style = fs::read(place.root().join(STYLE)).unwrap();
    let visitors = both.visitors();
    let secrets = [0, 1].map(|at| {
        // Both begin with the same files.
        let uploads = place.root().join("wp-content/uploads");
        for entry in fs::read_dir(uploads).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        fs::write(place.root().join(STYLE), &style).unwrap();
        install(&place, &visitors[at], ["gannet", "nginx"][at]);
        write(&visitors[at], &picture)
    });
    let [ours, theirs] = visitors.map(|visitor| visitor.notes());
    let differences = differ(&ours, &theirs, secrets.each_ref().map(|all| &all[..]));
    assert!(differences.is_empty(), "{differences}");
    assert!(ours.len() >= 15);
    both.server.stop();
    drop(both.php);
}
