//! Parts of an application that lie elsewhere: what is there is sent, and what is not there is for
//! the program at the top of the application.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Application, Client, Launch, Server, application::answer};
use rustix::process::geteuid;
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// What an application keeps elsewhere, and others beside it.
fn place() -> TempDir {
    let folder = e2e::folder();
    for name in ["site/index.php", "site/own.php", "part/index.php", "part/run.php"] {
        write(folder.path(), name, "<?php SECRET");
    }
    write(folder.path(), "part/a.txt", "text");
    write(folder.path(), "part/empty/a.txt", "text");
    write(folder.path(), "app/index.php", "<?php SECRET");
    write(folder.path(), "up/index.php", "<?php SECRET");
    write(folder.path(), "up/b.txt", "more");
    write(folder.path(), "bare/a.txt", "text");
    symlink("../up/b.txt", folder.path().join("part/link.txt")).unwrap();
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// An application that says which program was asked for, by which path.
fn application() -> Application {
    Application::start(|asked, stream| {
        let text = ["SCRIPT_FILENAME", "SCRIPT_NAME"].map(|name| asked.get(name)).join("|");
        answer(stream, format!("Content-Type: text/plain\r\n\r\n{text}").as_bytes());
    })
}

fn config(place: &Path, root: &str, php: &str, routes: &str) -> String {
    let root = place.join(root);
    let routes = routes.replace("PLACE", place.to_str().unwrap());
    format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nrequest-id = 'X-Request-Id'\n\
         [site.default]\nroot = {root:?}\n{php}\n{routes}"
    )
}

/// The status and the content of an answer; of a program the path of its file, from `place` on, and
/// its own.
fn asked(client: &mut Client, place: &Path, target: &str) -> (u16, String) {
    let response = client.get(target).unwrap();
    let place = place.canonicalize().unwrap().to_str().unwrap().to_owned();
    let text = match response.status {
        200 => response.text().replace(&place, ""),
        _ => String::new(),
    };
    assert!(!text.contains("SECRET"), "{target}: {text}");
    (response.status, text)
}

#[test]
fn what_is_missing_in_a_part_is_for_the_application_that_it_is_a_part_of() {
    let (place, application) = (place(), application());
    let own = application.setting("");
    let routes = format!(
        "route.'/part/*'.alias = 'PLACE/part'\n\
         route.'/part/up/*'.root = 'PLACE/bare'\n\
         route.'/app/*' = {{ alias = 'PLACE/app', {} }}\n\
         route.'/app/up/*'.alias = 'PLACE/up'\n\
         route.'/files/*' = {{ alias = 'PLACE/part', php = false }}\n",
        own.trim()
    );
    let server = Server::run(&config(place.path(), "site", &own, &routes));
    let mut client = Client::connect(server.addr());
    let mut check = |target: &str, status: u16, text: &str| {
        let expect = (status, text.to_owned());
        assert_eq!(asked(&mut client, place.path(), target), expect, "{target}");
    };
    let site = "/site/index.php|/index.php";
    check("/part/a.txt", 200, "text");
    check("/part/run.php", 200, "/part/run.php|/part/run.php");
    check("/part/", 200, "/part/index.php|/part/index.php");
    for missing in ["/part/b.txt", "/part/x/y/", "/part/empty/", "/part/link.txt", "/missing"] {
        check(missing, 200, site);
    }
    check("/part/missing.php", 404, "");
    check("/part/up/a.txt", 200, site);
    // An application of its own, and a part of that.
    check("/app/missing", 200, "/app/index.php|/app/index.php");
    check("/app/up/b.txt", 200, "more");
    check("/app/up/c.txt", 200, "/app/index.php|/app/index.php");
    // Where no program is run, none is.
    check("/files/b.txt", 404, "");
    server.stop();
}

#[test]
fn an_application_without_a_front_has_none_in_its_parts_and_one_kept_page_is_kept_for_all() {
    let (place, application) = (place(), application());
    let part = "route.'/part/*'.alias = 'PLACE/part'\n";
    let server = Server::run(&config(place.path(), "bare", &application.setting(""), part));
    let mut client = Client::connect(server.addr());
    assert_eq!(asked(&mut client, place.path(), "/part/b.txt").0, 404);
    server.stop();
    let php = application.setting("micro-cache = '60s'");
    let server = Server::run(&config(place.path(), "site", &php, part));
    let mut client = Client::connect(server.addr());
    for expect in ["gannet; fwd=miss", "gannet; hit"] {
        let response = client.get("/part/b.txt").unwrap();
        assert_eq!((response.status, response.get("cache-status")), (200, Some(expect)));
        assert!(response.text().ends_with("|/index.php"), "{}", response.text());
    }
    server.stop();
}

#[test]
fn a_folder_of_the_application_that_is_gone_is_nothing_to_wait_for() {
    let (place, application) = (place(), application());
    let part = "route.'/part/*'.alias = 'PLACE/part'\n";
    let server = Server::run(&config(place.path(), "site", &application.setting(""), part));
    fs::remove_dir_all(place.path().join("site")).unwrap();
    let mut client = Client::connect(server.addr());
    assert_eq!(asked(&mut client, place.path(), "/part/a.txt"), (200, "text".to_owned()));
    assert_eq!(asked(&mut client, place.path(), "/part/b.txt").0, 404);
    server.stop();
}

/// What `gannet explain` says of a target is what is sent, as far as it is not the program's.
#[test]
fn it_is_explained_what_is_added_to_what_a_program_says() {
    let (place, application) = (place(), application());
    let more = "fields = { X-Frame-Options = 'deny' }\nroute.'/part/*'.alias = 'PLACE/part'\n";
    let text = config(place.path(), "site", &application.setting("micro-cache = '1s'"), more);
    let file = place.path().join("g.toml");
    fs::write(&file, &text).unwrap();
    let explain = |more: &[&str]| {
        let words = ["explain", "http://a.example/part/b.txt", "-c", file.to_str().unwrap()];
        let words = words.iter().chain(more).map(|&word| word.to_owned());
        let (code, stdout, stderr) = Launch::of(words.collect()).finish();
        assert_eq!(code, Some(0), "{stderr}");
        stdout
    };
    let told: Value = serde_json::from_str(&explain(&["--json"])).unwrap();
    let fields = told["fields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| &field["name"]).collect();
    let server = Launch::of(vec!["run".to_owned(), file.to_str().unwrap().to_owned()]).start();
    let response = Client::connect(server.addr()).get("/part/b.txt").unwrap();
    for name in ["server", "date", "x-request-id", "cache-status", "x-frame-options"] {
        assert!(names.contains(&&Value::from(name)), "{name}: {told}");
        assert!(response.get(name).is_some(), "{name}");
    }
    for name in ["content-length", "content-type"] {
        assert!(!names.contains(&&Value::from(name)), "{name}: {told}");
    }
    assert_eq!(told["status"], "HTTP/1.1 as the program says, and beside its own fields");
    let text = explain(&[]);
    assert!(text.contains("/site/index.php, run by "), "{text}");
    assert!(!text.contains("200 OK"), "{text}");
    server.stop();
}

/// A WordPress whose config has its `wp-content` elsewhere, as Debian's has.
fn wordpress() -> (TempDir, PathBuf) {
    let folder = e2e::folder();
    let content = folder.path().canonicalize().unwrap().join("content");
    write(folder.path(), "wp/index.php", "<?php echo 'front';");
    write(folder.path(), "wp/wp-includes/version.php", "<?php");
    write(folder.path(), "wp/wp-content/themes/x/style.css", "p {}");
    write(folder.path(), "content/uploads/x.txt", "uploaded");
    write(folder.path(), "content/uploads/x.php", "<?php echo 'run';");
    write(folder.path(), "content/plugins/x/x.css", "b {}");
    write(folder.path(), "content/index.php", "<?php // Silence is golden.");
    symlink(folder.path().join("wp/wp-content/themes"), content.join("themes")).unwrap();
    let config = format!("<?php\ndefine('WP_CONTENT_DIR', '{}');\n", content.display());
    write(folder.path(), "wp/wp-config.php", &config);
    let file = folder.path().join("wp/wp-config.php");
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    (folder, content)
}

#[test]
fn a_folder_of_wordpress_that_lies_elsewhere_is_served_by_one_command_and_by_its_config() {
    let (folder, content) = wordpress();
    let root = folder.path().join("wp").to_str().unwrap().to_owned();
    let file = folder.path().join("g.toml").to_str().unwrap().to_owned();
    let (code, _, stderr) =
        Launch::of(["save", &*root, "-o", &*file].map(str::to_owned).to_vec()).finish();
    assert_eq!(code, Some(0), "{stderr}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("[site.default.route.\"/wp-content/*\"]\nalias = "), "{text}");
    let listen = text.lines().find(|line| line.starts_with("listen")).unwrap();
    fs::write(&file, text.replace(listen, "listen = \"127.0.0.1:0\"")).unwrap();
    for words in [vec![root], vec!["run".to_owned(), file]] {
        let is_quick = words.len() == 1;
        let server =
            if is_quick { Server::start(&[&*words[0]]) } else { Launch::of(words).start() };
        if is_quick {
            let start = server.wait_for(|line| line["event"] == "start");
            let words = format!(", with /wp-content from {}", content.display());
            assert!(start["found"].as_str().unwrap().contains(&words), "{start}");
        }
        let mut client = Client::connect(server.addr());
        for (target, status, text) in [
            ("/wp-content/uploads/x.txt", 200, "uploaded"),
            ("/wp-content/plugins/x/x.css", 200, "b {}"),
            ("/wp-content/themes/x/style.css", 200, "p {}"),
            ("/wp-content/uploads/missing.png", 200, "front"),
            ("/a-pretty-url/", 200, "front"),
        ] {
            let response = client.get(target).unwrap();
            assert_eq!((response.status, &*response.text()), (status, text), "{target}");
        }
        assert_eq!(client.get("/wp-content/uploads/x.php").unwrap().status, 404);
        server.stop();
    }
    // Whoever else may write it does not have a server of root's serve what he likes.
    if geteuid().is_root() {
        let config = folder.path().join("wp/wp-config.php");
        fs::set_permissions(config, Permissions::from_mode(0o666)).unwrap();
        let (_, text, _) = Launch::of(
            ["save", folder.path().join("wp").to_str().unwrap()].map(str::to_owned).to_vec(),
        )
        .finish();
        assert!(!text.contains("alias"), "{text}");
    }
}
