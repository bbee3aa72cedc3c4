//! What is said of common mistakes can be followed: commands in it work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Launch, NOBODY, Place, Site, secure::Certificates};
use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
};

/// Runs a command of a shell in `folder` that nobody is asked anything by but for a password.
fn shell(folder: &Path, command: &str) {
    let mut child = Command::new("setsid")
        .args(["-w", "sh", "-ec", command])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"secret\nsecret\n");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {stderr}");
}

/// What `gannet check` says of a site with these two files.
fn check(site: &Site, certificates: &Certificates, cert: &str, key: &str) -> (Option<i32>, String) {
    let [cert, key] = [cert, key].map(|name| certificates.path(name));
    let (code, _, stderr) = Launch::check(&format!(
        "server.listen = [{{ address = '127.0.0.1:0', tls = true }}]\n[site.'a.example']\n\
         root = {:?}\ntls = {{ cert = {cert:?}, key = {key:?} }}\n",
        site.root_text()
    ))
    .finish();
    (code, stderr)
}

/// What stands behind the last `help` of a message.
fn help(stderr: &str) -> &str {
    stderr.rsplit_once("= help: ").unwrap_or_else(|| panic!("no help: {stderr}")).1.trim()
}

/// The name of the file in `folder` that a message says to name.
fn named(folder: &Path, help: &str) -> String {
    let (_, name) = help.rsplit_once("name ").unwrap_or_else(|| panic!("names nothing: {help}"));
    let path = name.split_whitespace().next().unwrap();
    Path::new(path).strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_certificate_that_is_something_else_is_made_one_by_the_command_that_is_named() {
    let (site, certificates) = (Site::new(), Certificates::new());
    certificates.make("a", "ec", &["a.example"]);
    certificates.make("b", "ec", &["b.example"]);
    let folder = certificates.path("");
    for (make, cert, key, says) in [
        ("cat b.pem a.pem > 1.pem", "1.pem", "a.key", "number 2 of 2, which has to stand first"),
        ("cat b.pem a.pem b.pem > 2.pem", "2.pem", "a.key", "certificate, which is that of \"b\""),
        ("openssl x509 -in a.pem -outform DER -out 3.der", "3.der", "a.key", "in DER, not PEM"),
        ("openssl x509 -in a.pem -trustout -out 4.pem", "4.pem", "a.key", "of openssl's own"),
        (
            "openssl crl2pkcs7 -nocrl -certfile a.pem -out 5.p7b",
            "5.p7b",
            "a.key",
            "it is PKCS #7, not PEM",
        ),
        (
            "openssl crl2pkcs7 -nocrl -certfile a.pem -outform DER -out 6.p7b",
            "6.p7b",
            "a.key",
            "PKCS #7 in DER",
        ),
        ("(printf '\\357\\273\\277'; cat a.pem) > 7.pem", "7.pem", "a.key", "(BOM)"),
        ("(printf '\\377\\376'; iconv -t UTF-16LE a.pem) > 8.pem", "8.pem", "a.key", "UTF-16"),
        (
            "openssl pkcs12 -export -in a.pem -inkey a.key -passout pass:secret -out 'a b.p12'",
            "a b.p12",
            "a.key",
            "PKCS #12",
        ),
        ("openssl pkey -in a.key -outform DER -out 10.der", "a.pem", "10.der", "a key in DER"),
        (
            "openssl ec -in a.key -outform DER -out 11.der",
            "a.pem",
            "11.der",
            "a key in DER, not PEM",
        ),
        (
            "openssl pkey -in a.key -aes256 -passout pass:secret -out 12.key",
            "a.pem",
            "12.key",
            "its key is encrypted",
        ),
        (
            "openssl ec -in a.key -aes256 -passout pass:secret -out 13.key",
            "a.pem",
            "13.key",
            "its key is encrypted",
        ),
        (
            "openssl pkcs8 -topk8 -in a.key -passout pass:secret -outform DER -out 14.der",
            "a.pem",
            "14.der",
            "its key is encrypted, and in DER",
        ),
        ("cp 'a b.p12' 15.pfx", "a.pem", "15.pfx", "PKCS #12"),
    ] {
        shell(&folder, make);
        let (code, stderr) = check(&site, &certificates, cert, key);
        assert!(code == Some(2) && stderr.contains(says), "{make}: {says}: {stderr}");
        let help = help(&stderr);
        let command = help.split('`').nth(1).unwrap();
        shell(&folder, command);
        let (cert, key) = match cert {
            "a.pem" => (cert.to_owned(), named(&folder, help)),
            _ if help.contains("'") && cert.contains(' ') => {
                ("a b.p12.pem".to_owned(), key.to_owned())
            }
            _ => (named(&folder, help), key.to_owned()),
        };
        let (code, stderr) = check(&site, &certificates, &cert, &key);
        assert_eq!(code, Some(0), "{command}: {stderr}");
    }
    // The archive has become one file for both.
    let mode = fs::metadata(certificates.path("a b.p12.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "a key is in it");
    let (code, stderr) = check(&site, &certificates, "a b.p12.pem", "a b.p12.pem");
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_file_that_cannot_become_a_certificate_or_a_key_is_said_to_be_what_it_is() {
    let (site, certificates) = (Site::new(), Certificates::new());
    certificates.make("a", "ec", &["a.example"]);
    certificates.make("b", "ec", &["b.example"]);
    let folder = certificates.path("");
    shell(
        &folder,
        "openssl ecparam -name prime256v1 -out parameters.pem\n\
         openssl pkey -in a.key -pubout -out public.pem\n\
         openssl req -new -key a.key -subj /CN=a -config openssl.cnf -out request.pem\n\
         head -c 300 a.pem > cut.pem\nhead -c 100 a.key > cut.key\n: > empty.pem",
    );
    for (cert, key, cause, way_out) in [
        ("a.key", "a.pem", "`cert` and `key` are exchanged", "write `cert` for "),
        ("a.key", "a.key", "a private key, and no certificate", "fullchain.pem"),
        ("a.pem", "a.pem", "a certificate, and no private key", "privkey.pem"),
        ("a.pem", "b.key", "not the one of the certificate, which is that of \"a\"", "-pubkey"),
        ("a.pem", "parameters.pem", "only the parameters of EC keys", "openssl genpkey"),
        ("a.pem", "public.pem", "a public key", "privkey.pem"),
        ("request.pem", "a.key", "a request for a certificate", "internal"),
        ("cut.pem", "a.key", "a certificate in it is cut off", "as a whole"),
        ("a.pem", "cut.key", "the key in it is cut off", "as a whole"),
        ("empty.pem", "a.key", "it is empty", "name another file"),
        ("openssl.cnf", "a.key", "there is no certificate in it", "BEGIN CERTIFICATE"),
        ("a.pem", "openssl.cnf", "there is no private key in it", "BEGIN PRIVATE KEY"),
    ] {
        let (code, stderr) = check(&site, &certificates, cert, key);
        assert!(code == Some(2) && stderr.contains(cause), "{cert} {key}: {cause}: {stderr}");
        assert!(help(&stderr).contains(way_out), "{cert} {key}: {way_out}: {stderr}");
    }
    // Both keys are shown, and differ; another key can be made.
    let (_, stderr) = check(&site, &certificates, "a.pem", "b.key");
    let commands: Vec<_> = help(&stderr).split('`').skip(1).step_by(2).collect();
    commands.iter().for_each(|command| shell(&folder, command));
    assert_eq!(commands.len(), 2, "{stderr}");
    let (_, stderr) = check(&site, &certificates, "a.pem", "parameters.pem");
    shell(&folder, help(&stderr).split('`').nth(1).unwrap());
}

#[test]
fn who_has_a_port_and_by_what_another_one_is_chosen_is_said_of_the_setting_that_named_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let own = format!("(`kill {}`)", std::process::id());
    let site = Site::new();
    let port = taken.port().to_string();
    let of = |words: &str| format!("[server]\n{words}\n[site.default]\nrespond = 'hello'\n");
    let by_admin = of(&format!("listen = '127.0.0.1:0'\nadmin = '{taken}'"));
    let by_sites = of(&format!("listen = '{taken}'"));
    for (launch, says, never) in [
        (Launch::run(&by_admin), "by `address` of [server.admin]", "`listen`"),
        (Launch::run(&by_sites), "by `listen`", "--port"),
        (Launch::of(vec!["--port".to_owned(), port, site.root_text()]), "by --port N", "`listen`"),
    ] {
        let (code, _, stderr) = launch.finish();
        assert_eq!(code, Some(1), "{stderr}");
        for part in [says, "the port is taken by ", &own] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
        assert!(!stderr.contains(never), "{never}: {stderr}");
    }
    // Who may not see whose it is learns at least the user.
    if rustix::process::geteuid().is_root() {
        let launch = Launch::run(&by_sites).after("chmod a+r \"$2\"").as_nobody();
        let (_, _, stderr) = launch.finish();
        assert!(stderr.contains("taken by a program of root, which `ss -tanp"), "{stderr}");
    }
}

#[test]
fn what_may_not_be_read_is_opened_to_who_needs_it_and_to_nobody_else() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    let folder = e2e::folder();
    let secret = folder.path().join("token");
    fs::write(&secret, "hello").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let says = format!("site.default.respond = '${{file:{}}}'\n", secret.display());
    let launch = || Launch::check(&says).after("chmod a+r \"$2\"").as_nobody();
    let (code, _, stderr) = launch().finish();
    assert_eq!(code, Some(2), "{stderr}");
    let (_, cure) = stderr.split_once("as root: ").unwrap_or_else(|| panic!("{stderr}"));
    let cure = cure.split_once(')').unwrap().0;
    shell(folder.path(), cure);
    let mode = || fs::metadata(&secret).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o640, "{cure}");
    assert_eq!(launch().finish().0, Some(0), "{cure}");

    // A folder on the way that only its owner enters, for who serves.
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let root = closed.join("site");
    shell(folder.path(), &format!("cp -r {} {}", site.root_text(), root.display()));
    let text = format!("server.user = 'nobody'\nsite.default.root = {root:?}\n");
    let (code, _, stderr) = Launch::check(&text).finish();
    assert!(code == Some(2) && stderr.contains("nobody may not enter "), "{stderr}");
    let (_, cure) = stderr.split_once("as root: ").unwrap_or_else(|| panic!("{stderr}"));
    shell(folder.path(), cure.split_once(')').unwrap().0);
    assert_eq!(fs::metadata(&closed).unwrap().permissions().mode() & 0o7, 0, "nobody else");
    assert_eq!(Launch::check(&text).finish().0, Some(0));
}

#[test]
fn a_server_that_is_not_found_is_named_among_those_that_run() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let elsewhere = e2e::folder();
    let name = format!("`gannet status {}`", place.config());
    let tell = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let launch = Launch::of(words).after(&format!("cd {}", elsewhere.path().display()));
        launch.finish()
    };
    for verb in ["status", "top"] {
        let (code, _, stderr) = tell(&[verb]);
        assert_eq!(code, Some(1), "{stderr}");
        let name = name.replace("status", verb);
        for part in ["there is no gannet.toml here", "name the config file", &name] {
            assert!(stderr.contains(part), "{verb}: {part}: {stderr}");
        }
    }
    for verb in ["stop", "reload", "certs", "doctor"] {
        let (_, _, stderr) = tell(&[verb]);
        assert!(stderr.contains(&format!("`gannet {verb} {}`", place.config())), "{stderr}");
    }
    let command: Vec<_> = name.trim_matches('`').split(' ').skip(1).collect();
    assert_eq!(tell(&command).0, Some(0));
    server.stop();
}

/// One server each of root and of somebody else, who are told of each other's.
#[test]
fn whose_a_server_is_and_how_it_is_asked_is_said_to_others() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::serving("threads = 1", 1);
    chown(place.path(""), Some(NOBODY), None).unwrap();
    let launch = |verb: &str| Launch::of(vec![verb.to_owned(), place.config()]);
    let server = place.start();
    let ask = |verb: &str| launch(verb).as_nobody().finish();
    for verb in ["status", "top", "stop", "reload"] {
        let (code, _, stderr) = ask(verb);
        assert_eq!(code, Some(1), "{stderr}");
        let way_out = format!("`sudo gannet {} {}`", verb, place.config());
        for part in ["its server belongs to root", &way_out] {
            assert!(stderr.contains(part), "{verb}: {part}: {stderr}");
        }
    }
    server.stop();

    fs::remove_file(place.path("errors.log")).unwrap();
    // Somebody else's: root is told of it, and asks it where the config is theirs as well.
    let server = place.launch().as_nobody().start();
    let ask = |verb: &str| launch(verb).finish();
    let (code, _, stderr) = ask("status");
    assert!(code == Some(1) && stderr.contains("though the file is not theirs"), "{stderr}");
    let command = stderr.split('`').nth(1).unwrap().split(' ').skip(1).map(str::to_owned);
    assert_eq!(Launch::of(command.collect()).finish().0, Some(0), "{stderr}");
    chown(place.config(), Some(NOBODY), None).unwrap();
    for verb in ["status", "top", "reload"] {
        let (code, _, stderr) = ask(verb);
        assert_eq!(code, Some(0), "{verb}: {stderr}");
    }
    server.stop();
}
