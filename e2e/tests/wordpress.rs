//! WordPress as Debian packages it, with a MariaDB and a php-fpm that the server starts: what
//! somebody does with a browser who sets up a site.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Server, Wordpress, visitor::Visitor, webdriver::Browser, wordpress::PACKAGE,
};
use std::fs;

fn serve(place: &Wordpress) -> Server {
    Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = {:?}\n\
         links = '/usr/share/javascript'\nphp-deny = '/wp-content/uploads/*'\n\
         php = {{ workers = 4 }}\n",
        place.root()
    ))
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
    let place = Wordpress::new();
    let server = serve(&place);
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
    for (root, links, target, denied) in [
        (
            PACKAGE,
            &["/usr/share/javascript"][..],
            "/wp-includes/js/underscore.min.js",
            Some("/wp-content/uploads/*"),
        ),
        (
            "/var/lib/mediawiki",
            &["/usr/share/mediawiki"],
            "/resources/assets/poweredby_mediawiki_88x31.png",
            Some("/images/*"),
        ),
        (
            "/usr/share/phpmyadmin",
            &["/usr/share/javascript", "/usr/share/doc/phpmyadmin"],
            "/doc/html/index.html",
            None,
        ),
    ] {
        let server = Server::start(&[root]);
        let start = server.wait_for(|line| line["event"] == "start");
        let found = start["found"].as_str().unwrap();
        let told: String = links.iter().map(|link| format!(", with links to {link}")).collect();
        assert!(found.ends_with(&told), "{found}");
        let mut client = Client::connect(server.addr());
        let page = client.get(target).unwrap();
        assert!(page.status == 200 && page.get("set-cookie").is_none(), "{target}: {page:?}");
        let is_of_tables = root == "/usr/share/phpmyadmin";
        for target in ["/templates/login/form.twig", "/libraries/constants.php"] {
            let status = client.get(target).unwrap().status;
            assert!(status == 404 || !is_of_tables, "{target}: {status}");
        }
        server.stop();
        let (code, config, _) = Launch::of(vec!["save".to_owned(), root.to_owned()]).finish();
        assert_eq!(code, Some(0));
        assert!(config.contains(&format!("links = {links:?}\n")), "{config}");
        let told = config.lines().find(|line| line.starts_with("php-deny"));
        let denied = denied.map(|path| format!("php-deny = [\"{path}\"]"));
        assert_eq!(told, denied.as_deref(), "{config}");
        // That is whom Debian has made them for.
        let user = "php = { user = \"www-data\" }";
        assert_eq!(config.contains(user), rustix::process::geteuid().is_root(), "{config}");
        let part = "[site.default.route.\"/wp-content/*\"]\n\
                    alias = \"/var/lib/wordpress/wp-content\"\n\
                    links = [\"/usr/share/javascript\", \"/usr/share/wordpress/wp-content\"]\n";
        assert_eq!(config.contains(part), root == PACKAGE, "{config}");
        for name in ["libraries", "templates"] {
            let closed =
                format!("[site.default.route.\"/{name}/*\"]\nrespond = {{ status = 404 }}\n");
            assert_eq!(config.contains(&closed), is_of_tables, "{config}");
        }
    }
}
