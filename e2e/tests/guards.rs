//! Who may enter: what site, routes and cases say adds up, by whatever path a file is sent.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

/// The user `alice` with the password `wonderland`.
const AUTH: &str =
    "auth.users.alice = \"$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q\"";

const RIGHT: &str = "Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n";
const WRONG: &str = "Authorization: Basic YWxpY2U6d29uZGVybGFuRA==\r\n";

/// A folder with a site in `site`.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        for name in ["index.html", "g/index.html", "h/index.html", "welcome.txt"] {
            let file = place.path("site").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, name).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A config with these lines in its site; `@` stands for the folder, `AUTH` for a password.
    fn config(&self, server: &str, lines: &str) -> String {
        let lines = lines.replace('@', self.folder.path().to_str().unwrap()).replace("AUTH", AUTH);
        let root = self.path("site");
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\nthreads = 1\n{server}\n\
             [site.default]\nroot = {root:?}\n{lines}\n"
        )
    }
}

fn ask(server: &Server, path: &str, fields: &str) -> u16 {
    let mut client = Client::connect(server.addr());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
    client.response().unwrap().status
}

/// Row by row: a path, fields, and the status that it gets time and again.
fn check(lines: &str, rows: &[(&str, &str, u16)]) {
    let place = Place::new();
    for cache in ["", "file-cache = \"0B\""] {
        let server = Server::run(&place.config(cache, lines));
        for _ in 0..2 {
            for (path, fields, status) in rows {
                assert_eq!(ask(&server, path, fields), *status, "{lines}: {path} {fields}");
            }
        }
        server.stop();
    }
}

#[test]
fn a_fallback_has_the_guards_of_its_own_path() {
    check(
        "route.\"/app/*\" = { alias = \"@/site\", fallback = \"/g/index.html\" }\n\
         route.\"/app/g/*\" = { AUTH }",
        &[
            ("/app/g/index.html", "", 401),
            ("/app/g/", "", 401),
            ("/app/missing", "", 401),
            ("/app/missing", WRONG, 401),
            ("/app/missing", RIGHT, 200),
            ("/app/welcome.txt", "", 200),
        ],
    );
    check(
        "route.\"/app/*\".when = [{ fields = { X-A = \"1\" }, then.fallback = \"/g/index.html\" }]\n\
         route.\"/g/*\" = { AUTH }",
        &[
            ("/app/missing", "X-A: 1\r\n", 401),
            ("/app/missing", "X-A: 2\r\n", 404),
            ("/app/missing", &format!("X-A: 1\r\n{RIGHT}"), 200),
        ],
    );
}

#[test]
fn an_index_has_the_guards_of_its_own_path() {
    check(
        "route.\"*.html\" = { AUTH }\nroute.\"/\" = { redirect = \"/welcome.txt\" }",
        &[
            ("/g/index.html", "", 401),
            ("/g/", "", 401),
            ("/g/", WRONG, 401),
            ("/g/", RIGHT, 200),
            ("/welcome.txt", "", 200),
        ],
    );
    check(
        "route.\"*.html\" = { AUTH }\nroute.\"/\" = { AUTH }",
        &[("/", "", 401), ("/", WRONG, 401), ("/", RIGHT, 200), ("/h/", "", 401)],
    );
    check(
        "route.\"/h/index.html\".when = [{ from = \"0.0.0.0/0\", then.deny = \"0.0.0.0/0\" }]",
        &[("/h/index.html", "", 403), ("/h/", "", 403), ("/g/", "", 200), ("/", "", 200)],
    );
    check(
        "trailing-slash = \"remove\"\nroute.\"/g/\" = { AUTH }",
        &[("/g/", "", 401), ("/g", "", 401), ("/g", RIGHT, 200), ("/h", "", 200)],
    );
}

#[test]
fn addresses_have_to_be_let_in_by_site_route_and_case() {
    let lines = "deny = \"127.0.0.0/8\"\n\
        route.\"/p/*\" = { deny = \"9.9.9.9\" }\n\
        route.\"/q\".when = [{ fields = { X-A = \"1\" }, then.deny = \"8.8.8.8\" }]\n\
        route.\"/p/open/*\" = { deny = [], respond = \"open\" }";
    check(lines, &[("/", "", 403), ("/p/x", "", 403), ("/q", "X-A: 1\r\n", 403)]);
    check(lines, &[("/p/open/x", "", 200)]);
    check(
        "allow = \"127.0.0.0/8\"\nroute.\"/p/*\" = { allow = \"127.0.0.8/29\" }\n\
         route.\"/q/*\" = { allow = \"127.0.0.0/24\", respond = \"in\" }",
        &[("/", "", 200), ("/p/x", "", 403), ("/q/x", "", 200)],
    );

    let place = Place::new();
    let file = place.path("gannet.toml");
    fs::write(&file, place.config("", lines)).unwrap();
    let file = file.to_str().unwrap();
    let args = ["explain", "http://a/p/x", "-c", file].map(str::to_owned);
    let (_, told, _) = Launch::of(args.to_vec()).finish();
    for (list, line) in [("127.0.0.0/8", 8), ("9.9.9.9", 9)] {
        let is_told = |told: &str| told.contains(list) && told.contains(&format!("{file}:{line}:"));
        assert!(told.lines().any(is_told), "{list}: {told}");
    }
}

/// What the server itself reads and writes is not sent, whoever put it into a root.
#[test]
fn files_of_the_server_itself_do_not_lie_in_a_root() {
    let place = Place::new();
    let users = AUTH.split(['"']).nth(1).unwrap();
    fs::write(place.path("site/staff"), format!("alice:{users}\n")).unwrap();
    fs::write(place.path("site/.staff"), format!("alice:{users}\n")).unwrap();
    fs::write(place.path("site/secret"), "xyzzy").unwrap();
    fs::create_dir(place.path("site/forms")).unwrap();
    symlink(place.path("site"), place.path("link")).unwrap();
    let check = |file: &str, server: &str, lines: &str, named: &[&str]| {
        let file = place.path(file);
        let here = place.folder.path().to_str().unwrap();
        fs::write(&file, place.config(&server.replace('@', here), lines)).unwrap();
        let args = vec!["check".to_owned(), file.to_str().unwrap().to_owned()];
        let (code, _, errors) = Launch::of(args).finish();
        assert_eq!(code, Some(if named.is_empty() { 0 } else { 2 }), "{errors}");
        for name in named {
            assert!(errors.contains(&format!("`{name}`, a")), "{name}: {errors}");
        }
    };
    check("gannet.toml", "", "", &[]);
    check("site/gannet.toml", "", "", &["gannet.toml"]);
    check("site/.gannet.toml", "", "auth = \"@/site/.staff\"", &[]);
    check("gannet.toml", "", "auth = \"@/site/staff\"", &["staff"]);
    check("gannet.toml", "", "auth = \"@/link/staff\"", &["staff"]);
    check("gannet.toml", "", "fields.X-Key = \"${file:@/site/secret}\"", &["secret"]);
    check("gannet.toml", "", "log.file = \"@/link/new.log\"", &["new.log"]);
    check("gannet.toml", "error-log.file = \"@/site/e.log\"", "", &["e.log"]);
    check("gannet.toml", "compress-cache.folder = \"@/site/forms\"", "", &["forms"]);
}

/// What lies among the compressed forms is sent, so nobody else may put anything there.
#[test]
fn a_folder_of_forms_that_others_may_write_to_is_refused() {
    let place = Place::new();
    let forms = place.path("forms");
    fs::create_dir(&forms).unwrap();
    e2e::give_to_server(&forms);
    let config = place.config(&format!("compress-cache = {{ folder = {forms:?} }}"), "");
    for (mode, expect) in [(0o777, 2), (0o775, 2), (0o755, 0), (0o700, 0)] {
        fs::set_permissions(&forms, fs::Permissions::from_mode(mode)).unwrap();
        let (code, _, errors) = Launch::check(&config).finish();
        assert_eq!(code, Some(expect), "{mode:o}: {errors}");
        assert_eq!(errors.contains("chmod go-w"), expect == 2, "{mode:o}: {errors}");
    }
}
