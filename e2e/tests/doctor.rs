//! `gannet doctor` finds what usually goes wrong, and nothing where all is well.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, NOBODY, Sites,
    authority::{free_ports, own_address},
    eventually,
    process::Process,
    secure::Certificates,
    sites::{self, master},
};
use rustix::{
    net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen},
    process::{Pid, Signal, geteuid, kill_process_group},
};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        net::{UnixListener, UnixStream},
    },
    process::{Child, Command},
    time::Instant,
};

/// A folder with a site, and a config for it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(e2e::folder());
        fs::create_dir(place.path("www")).unwrap();
        fs::write(place.path("www/index.html"), "front").unwrap();
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// What is said of this config, `ROOT` in it being the folder of the site, after a command.
    fn examined(&self, server: &str, site: &str, before: &str) -> (Option<i32>, Vec<Value>) {
        let file = self.path("gannet.toml");
        let root = self.path("www");
        fs::write(&file, format!("[server]\n{server}\n{site}\n").replace("ROOT", &root)).unwrap();
        let words = ["doctor", &file, "--json"].map(str::to_owned).to_vec();
        let (code, said, stderr) = Launch::of(words).after(before).finish();
        assert_eq!(stderr, "");
        // What is closed to everybody is never to be opened to everybody.
        assert!(!said.contains("o+"), "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        (code, said["findings"].as_array().unwrap().clone())
    }

    /// What `gannet check` says of the config that was examined last.
    fn checked(&self) -> (Option<i32>, String, String) {
        Launch::of(vec!["check".to_owned(), self.path("gannet.toml")]).finish()
    }

    /// Starts the server of that config.
    fn start(&self) -> e2e::Server {
        Launch::of(vec!["run".to_owned(), self.path("gannet.toml")]).start()
    }

    /// Checks that this fault is found, with a cause and a cure that have these words in them.
    fn check(&self, server: &str, site: &str, before: &str, kind: &str, words: [&str; 2]) {
        let (code, all) = self.examined(server, site, before);
        let faults: Vec<_> = all.iter().filter(|found| found["is_fault"] == true).collect();
        let is_it = |found: &&&Value| {
            let has = |member: &str, words: &str| found[member].as_str().unwrap().contains(words);
            found["kind"] == kind && has("cause", words[0]) && has("cure", words[1])
        };
        assert!(faults.iter().any(|found| is_it(&found)), "{kind} {words:?}: {all:#?}");
        assert_eq!((code, faults.len()), (Some(1), 1), "{all:#?}");
    }
}

const LISTEN: &str = "listen = \"127.0.0.1:0\"";
const SITE: &str = "[site.default]\nroot = \"ROOT\"";

/// An address where nobody listens.
fn free() -> SocketAddr {
    let address = own_address();
    let [port] = free_ports(address);
    (address, port).into()
}

fn set_mode(path: &str, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_sound_server_has_no_faults() {
    let place = Place::new();
    let (code, all) = place.examined(LISTEN, SITE, "true");
    assert!(all.iter().all(|found| found["kind"] == "clock"), "{all:?}");
    assert_eq!(code, Some(0));
    // So it is told to people.
    let (code, said, _) = Launch::of(vec!["doctor".to_owned(), place.path("gannet.toml")]).finish();
    assert!(code == Some(0) && said.contains("nothing is wrong"), "{said}");
    // Where it runs, its own port is no fault.
    let listen = format!("listen = \"{}\"", free());
    place.examined(&listen, SITE, "true");
    let server = Launch::of(vec!["run".to_owned(), place.path("gannet.toml")]).start();
    let (code, all) = place.examined(&listen, SITE, "true");
    assert_eq!(code, Some(0), "{all:?}");
    server.stop();
}

#[test]
fn mistakes_of_the_config_are_said_as_check_does() {
    let place = Place::new();
    let file = place.path("gannet.toml");
    fs::write(&file, "[server]\nlisten = 7\n").unwrap();
    let (code, _, stderr) = Launch::of(vec!["doctor".to_owned(), file]).finish();
    assert!(code == Some(2) && stderr.contains("gannet.toml:2:10"), "{stderr}");
}

#[test]
fn folders_and_files_that_are_closed_to_the_user_who_serves() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    set_mode(place.0.path().to_str().unwrap(), 0o700);
    place.check(LISTEN, SITE, "true", "folders", ["may not pass it", "chmod g=x "]);
    set_mode(place.0.path().to_str().unwrap(), 0o755);
    set_mode(&place.path("www"), 0o750);
    place.check(LISTEN, SITE, "true", "folders", ["may not read it", "chmod g=rx "]);
    set_mode(&place.path("www"), 0o755);
    set_mode(&place.path("www/index.html"), 0o600);
    place.check(LISTEN, SITE, "true", "folders", ["may not read index.html", "chgrp "]);
    set_mode(&place.path("www/index.html"), 0o644);
    fs::create_dir(place.path("cache")).unwrap();
    set_mode(&place.path("cache"), 0o755);
    let cached = format!("{LISTEN}\ncompress-cache = {{ folder = {:?} }}", place.path("cache"));
    place.check(&cached, SITE, "true", "disk", ["may not write there", "chmod g=rwx "]);
}

/// Releases are switched so: what is closed is on the way to where the link leads.
#[test]
fn a_folder_behind_a_link_is_looked_at_where_it_lies() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    fs::create_dir_all(place.path("private/site")).unwrap();
    symlink("private/site", place.path("current")).unwrap();
    set_mode(&place.path("private"), 0o700);
    let site = format!("[site.default]\nroot = {:?}", place.path("current"));
    let private = place.path("private");
    let words = [&*format!("{private} has mode 0700"), &*format!("chmod g=x {private}")];
    place.check(LISTEN, &site, "true", "folders", words);
    set_mode(&private, 0o755);
    assert_eq!(place.examined(LISTEN, &site, "true").0, Some(0));
    fs::remove_dir(place.path("private/site")).unwrap();
    let (code, _, stderr) = place.checked();
    let missing = format!("{private}/site does not exist");
    assert!(code == Some(2) && stderr.contains(&missing), "{stderr}");
}

/// Whoever asks in two ways how to let the server in is told one thing, and not to let all in.
#[test]
fn the_check_of_a_config_has_the_same_cures() {
    if !geteuid().is_root() {
        return;
    }
    let (place, daemon) = (Place::new(), 1);
    for (name, mode, group) in
        [("", 0o700, 0), ("", 0o710, daemon), ("www", 0o700, 0), ("www", 0o750, daemon)]
    {
        let path = place.path(name);
        let path = path.trim_end_matches('/');
        chown(path, None, Some(group)).unwrap();
        set_mode(path, mode);
        let (_, all) = place.examined(LISTEN, SITE, "true");
        let found = all.iter().find(|found| found["kind"] == "folders").unwrap();
        let cure = found["cure"].as_str().unwrap();
        let (code, _, stderr) = place.checked();
        assert!(code == Some(2) && stderr.contains(cure), "{name} {mode:o}: {cure}: {stderr}");
        assert!(!stderr.contains("o+"), "{stderr}");
        set_mode(path, 0o755);
    }
}

#[test]
fn files_below_the_top_that_are_closed_are_named_by_their_paths() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    fs::create_dir_all(place.path("www/css/old/.git")).unwrap();
    write_closed(&place.path("www/css/a.css"), 0o600, 0);
    write_closed(&place.path("www/css/old/.git/config"), 0o600, 0);
    let (code, all) = place.examined(LISTEN, SITE, "true");
    let found = all.iter().find(|found| found["kind"] == "folders").unwrap();
    assert_eq!((code, &found["is_fault"]), (Some(0), &Value::Bool(false)), "{found}");
    let (cause, cure) = (found["cause"].as_str().unwrap(), found["cure"].as_str().unwrap());
    assert!(cause.contains("may not read css/a.css: clients"), "{cause}");
    assert!(cure.contains(&place.path("www/css/a.css")), "{cure}");
}

/// A file as its owner and a group of it may see it.
fn write_closed(path: &str, mode: u32, group: u32) {
    fs::write(path, "x").unwrap();
    chown(path, None, Some(group)).unwrap();
    set_mode(path, mode);
}

#[test]
fn what_is_never_sent_may_be_closed_to_the_server() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    for name in ["www/.env", "www/wp-config.php", "www/wp-config.php~", "www/.htpasswd"] {
        write_closed(&place.path(name), 0o600, 0);
    }
    fs::create_dir(place.path("www/.git")).unwrap();
    set_mode(&place.path("www/.git"), 0o700);
    let (code, all) = place.examined(LISTEN, SITE, "true");
    assert!(all.iter().all(|found| found["kind"] == "clock"), "{all:?}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_file_that_is_closed_may_be_meant_so_and_is_opened_to_a_group_only() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let daemon = 1;
    for (mode, group, cure) in [
        (0o600, daemon, "&& chmod g=r "),
        (0o640, daemon, "usermod -aG daemon "),
        (0o640, 0, "chgrp "),
    ] {
        write_closed(&place.path("www/dump.sql"), mode, group);
        let (code, all) = place.examined(LISTEN, SITE, "true");
        let found = all.iter().find(|found| found["kind"] == "folders").unwrap();
        assert_eq!((code, &found["is_fault"]), (Some(0), &Value::Bool(false)), "{found}");
        let said = found["cure"].as_str().unwrap();
        assert!(said.contains("if everybody is to see that") && said.contains(cure), "{said}");
    }
}

#[test]
fn a_port_that_somebody_holds() {
    let place = Place::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"", holder.local_addr().unwrap());
    let pid = format!("(pid {}) listens there", std::process::id());
    place.check(&listen, SITE, "true", "addresses", [&pid, "another port"]);
    let absent = "listen = \"192.0.2.1:0\"";
    place.check(absent, SITE, "true", "addresses", ["no interface", "0.0.0.0"]);
}

#[test]
fn what_a_running_server_has_not_yet_is_looked_at_as_before_its_start() {
    let place = Place::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free();
    place.examined(&format!("listen = \"{own}\""), SITE, "true");
    let server = place.start();
    let with = |more: &str| format!("listen = [\"{own}\", \"{more}\"]");
    let held = with(&holder.local_addr().unwrap().to_string());
    let pid = format!("(pid {}) listens there", std::process::id());
    place.check(&held, SITE, "true", "addresses", [&pid, "another port"]);
    let absent = with(&format!("192.0.2.1:{}", own.port()));
    place.check(&absent, SITE, "true", "addresses", ["no interface", "0.0.0.0"]);
    assert_eq!(place.examined(&with("127.0.0.1:0"), SITE, "true").0, Some(0));
    server.stop();
}

#[test]
fn a_unix_socket_that_somebody_holds_or_that_has_no_folder() {
    let (place, other) = (Place::new(), Place::new());
    let at = |path: &str| format!("listen = [\"127.0.0.1:0\", \"unix:{path}\"]");
    let socket = place.path("own.sock");
    assert_eq!(place.examined(&at(&socket), SITE, "true").0, Some(0));
    let server = place.start();
    // It is its own, and nobody else's.
    assert_eq!(place.examined(&at(&socket), SITE, "true").0, Some(0));
    let cause = format!("another server, `gannet` (pid {}), listens there", server.started().0);
    other.check(&at(&socket), SITE, "true", "addresses", [&cause, "at another path"]);
    server.stop();
    drop(UnixListener::bind(&socket).unwrap());
    assert_eq!(other.examined(&at(&socket), SITE, "true").0, Some(0), "a dead one is replaced");
    let file = place.path("www/index.html");
    other.check(&at(&file), SITE, "true", "addresses", ["is no socket", "another path"]);
    let nowhere = other.path("nowhere");
    let admin = format!("{LISTEN}\nadmin = \"unix:{nowhere}/admin.sock\"");
    other.check(&admin, SITE, "true", "disk", [&nowhere, "make "]);
}

/// A server that another user has started, whose control socket only that user knows of.
#[test]
fn a_server_of_another_user_is_known_and_its_eyes_are_looked_with() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let sockets = e2e::folder_of_nobody();
    // What only its group may read is enough for it, and not for whom root would have serve.
    chown(place.path("www"), None, Some(NOBODY)).unwrap();
    set_mode(&place.path("www"), 0o750);
    let text = format!("listen = \"{}\"", free());
    place.check(&text, SITE, "true", "folders", ["may not read it", "usermod -aG "]);
    let launch = Launch::of(vec!["run".to_owned(), place.path("gannet.toml")]);
    let sockets = sockets.path().to_str().unwrap();
    let server =
        launch.env("XDG_RUNTIME_DIR", sockets).after("ulimit -n 20000").as_nobody().start();
    // As root, and as the user that systemd has told less than the server.
    let nobody = "true && exec env -u XDG_RUNTIME_DIR setpriv --reuid=65534 --regid=65534 \
                  --clear-groups \"$0\" \"$@\"; true";
    for before in ["true", nobody, "ulimit -n 300"] {
        let (code, all) = place.examined(&text, SITE, before);
        assert_eq!(code, Some(0), "{before}: {all:?}");
    }
    // Of what it may not read it is said that it is it.
    set_mode(&place.path("www"), 0o700);
    place.check(&text, SITE, "true", "folders", ["so that nobody may not", "chmod g+rx "]);
    set_mode(&place.path("www"), 0o755);
    // Another config at the same address is something else, but no reason to stop a server.
    let other = Place::new();
    let cause = format!("another server, `gannet` (pid {}), listens there", server.started().0);
    other.check(&text, SITE, "true", "addresses", [&cause, "have one of the two `listen`"]);
    server.stop();
}

/// A unit file tells the server where its sockets are, and nobody else.
#[test]
fn a_server_that_a_unit_file_starts_is_found_by_its_user() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    place.examined(LISTEN, SITE, "true");
    let nobody = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
    let namespace = format!(
        "exec unshare -m sh -c 'mkdir -p /run/gannet && mount -t tmpfs -o mode=700,uid={NOBODY} \
         tmpfs /run/gannet && exec {nobody} \"$0\" \"$@\"' \"$0\" \"$@\"; true"
    );
    let launch = Launch::of(vec!["run".to_owned(), place.path("gannet.toml")]);
    let server = launch.env("XDG_RUNTIME_DIR", "/run/gannet").after(&namespace).start();
    let inside = format!(
        "exec env -u XDG_RUNTIME_DIR nsenter -t {} -m {nobody} \"$0\" \"$@\"; true",
        server.started().0
    );
    let words = vec!["status".to_owned(), place.path("gannet.toml")];
    let (code, said, stderr) = Launch::of(words).after(&inside).finish();
    assert!(code == Some(0) && said.contains("generation 1"), "{said}{stderr}");
    server.stop();
}

/// Before the first start of a server its unit says who it will be.
#[test]
fn a_server_that_a_unit_file_would_start_is_judged_as_that_says() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let units = place.path("units");
    fs::create_dir(&units).unwrap();
    let write = |more: &str| {
        let file = place.path("gannet.toml");
        let text = format!("[Service]\nExecStart=/usr/bin/gannet run {file}\n{more}\n");
        fs::write(place.path("units/web.service"), text).unwrap();
    };
    let inside = |before: &str| {
        format!(
            "exec unshare -m -n sh -c 'ip link set lo up && mount --bind {units} \
             /etc/systemd/system && {before} \"$0\" \"$@\"' \"$0\" \"$@\"; true"
        )
    };
    // What its group may read is enough for it, and its port is not for whoever asks here.
    chown(place.path("www"), None, Some(NOBODY)).unwrap();
    set_mode(&place.path("www"), 0o750);
    let low = "listen = \"127.0.0.1:80\"";
    let unprivileged = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
    let user = format!("User={NOBODY}\nAmbientCapabilities=CAP_NET_BIND_SERVICE");
    write(&user);
    for before in ["", &format!("ulimit -n 300 && {unprivileged}")] {
        let (code, all) = place.examined(low, SITE, &inside(before));
        assert_eq!(code, Some(0), "{before}: {all:?}");
    }
    // Its logs are its own to open.
    fs::create_dir(place.path("logs")).unwrap();
    let log = format!("{low}\nlog = {{ file = {:?} }}", place.path("logs/access.log"));
    place.check(&log, SITE, &inside(""), "disk", ["nobody may not write there", "chmod g=wx "]);
    write(&(user + "\nLimitNOFILE=1000"));
    let words = ["web.service may have 1000 descriptors", "LimitNOFILE=10512"];
    place.check(low, SITE, &inside(""), "descriptors", words);
    write(&format!("User={NOBODY}"));
    let before = inside(&unprivileged);
    place.check(low, SITE, &before, "addresses", ["below port 1024", "start it as root"]);
    set_mode(&place.path("www"), 0o755);
    write("User=whom-nobody-knows");
    place.check(low, SITE, &inside(""), "config", ["no user `whom-nobody-knows`", "useradd"]);
}

/// A program that holds what it was given and does nothing, until dropped.
struct Idle(Child);

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What systemd listens for is started once somebody comes.
#[test]
fn a_socket_unit_may_be_the_servers_own() {
    let place = Place::new();
    let program = place.path("systemd");
    fs::copy("/bin/sleep", &program).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("listen = \"{}\"", listener.local_addr().unwrap());
    let mut command = Command::new(&program);
    let child = command.arg("600").stdin(std::os::fd::OwnedFd::from(listener)).spawn().unwrap();
    drop(command);
    let idle = Idle(child);
    assert!(eventually(|| Process(idle.0.id()).name() == "systemd"));
    let (code, all) = place.examined(&text, SITE, "true");
    let found = all.iter().find(|found| found["kind"] == "addresses").unwrap();
    assert_eq!((code, &found["is_fault"]), (Some(0), &Value::Bool(false)), "{found}");
    assert!(found["cause"].as_str().unwrap().contains("for a socket unit"), "{found}");
}

/// A resolver that says nothing holds nobody up for each name.
#[test]
fn names_that_nothing_is_said_of() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let [.., high, low] = std::process::id().to_be_bytes();
    let silent = Ipv4Addr::new(127, 101, high, low);
    let _silent = UdpSocket::bind((silent, 53)).unwrap();
    let resolver = place.path("resolv.conf");
    fs::write(&resolver, format!("nameserver {silent}\noptions timeout:30 attempts:1\n")).unwrap();
    let before = format!(
        "exec unshare -m sh -c 'mount --bind {resolver} /etc/resolv.conf && exec \"$0\" \"$@\"' \
         \"$0\" \"$@\"; true"
    );
    let sites: String = (0..40)
        .map(|at| SITE.replace("default", &format!("\"n{at}.example.net\"")) + "\n")
        .collect();
    let start = Instant::now();
    let words = ["nothing has answered within 10 s", "/etc/resolv.conf"];
    place.check("listen = \"0.0.0.0:0\"", &sites, &before, "names", words);
    assert!(start.elapsed().as_secs() < 100, "{:?}", start.elapsed());
}

#[test]
fn a_name_that_leads_nowhere() {
    let place = Place::new();
    let site = SITE.replace("default", "\"nobody.invalid\"");
    place.check("listen = \"0.0.0.0:0\"", &site, "true", "names", ["no address is known", "DNS"]);
    if !geteuid().is_root() {
        return;
    }
    // One that leads elsewhere may be meant: to a router, say.
    let hosts = place.path("hosts");
    fs::write(&hosts, "192.0.2.77 nobody.invalid\n").unwrap();
    let before = format!(
        "exec unshare -m sh -c 'mount --bind {hosts} /etc/hosts && exec \"$0\" \"$@\"' \"$0\" \
         \"$@\"; true"
    );
    let (code, all) = place.examined("listen = \"0.0.0.0:0\"", &site, &before);
    let said = all.iter().find(|found| found["kind"] == "names").unwrap();
    assert_eq!((code, &said["is_fault"]), (Some(0), &false.into()), "{said}");
    assert!(said["cause"].as_str().unwrap().contains("leads to 192.0.2.77"), "{said}");
}

#[test]
fn aliases_are_looked_up_and_names_that_only_this_machine_comes_by_are_not() {
    let place = Place::new();
    let listen = "listen = \"0.0.0.0:0\"";
    let site = SITE.replace("default", "localhost") + "\naliases = [\"nobody.invalid\"]";
    let (code, all) = place.examined(listen, &site, "true");
    let found = all.iter().find(|found| found["kind"] == "names").unwrap();
    assert_eq!((code, &found["about"]), (Some(1), &"nobody.invalid".into()), "{found}");
    let inner = SITE.replace("default", "\"nobody.invalid\"") + "\nlisten = \"127.0.0.1:0\"";
    let (code, all) = place.examined(listen, &format!("{SITE}\n{inner}"), "true");
    assert_eq!(code, Some(0), "{all:?}");
}

/// Older certbots left keys so: who does not get into the folder does not get at the key.
#[test]
fn a_key_in_a_folder_that_is_closed_is_known_to_nobody() {
    let (place, certificates) = (Place::new(), Certificates::new());
    certificates.make("x", "ec", &["a.test"]);
    let key = certificates.path("x.key");
    set_mode(key.to_str().unwrap(), 0o644);
    let listen = "listen = { address = \"127.0.0.1:0\", tls = true }";
    let site = SITE.replace("default", "\"a.test\"");
    let site = format!("{site}\ntls = {{ {} }}", certificates.words("x"));
    let words = ["can be read by everybody", "chmod o= "];
    place.check(listen, &site, "true", "certificates", words);
    set_mode(key.parent().unwrap().to_str().unwrap(), 0o700);
    let (code, all) = place.examined(listen, &site, "true");
    assert_eq!(code, Some(0), "{all:?}");
}

#[test]
fn a_collector_at_which_nobody_is() {
    let place = Place::new();
    let listener = TcpListener::bind(free()).unwrap();
    let traced = format!(
        "{LISTEN}\nrequest-id = true\ntrace = \"1/1\"\notlp = \"http://{}\"",
        listener.local_addr().unwrap()
    );
    let (code, all) = place.examined(&traced, SITE, "true");
    assert_eq!(code, Some(0), "{all:?}");
    drop(listener);
    place.check(&traced, SITE, "true", "collector", ["nobody can be reached", "`otlp`"]);
}

#[test]
fn a_php_fpm_of_the_servers_own_that_answers_nobody() {
    let place = Sites::new();
    let server = place.start();
    let start = server.wait_for(|line| line["event"] == "start");
    let found = start["found"].as_str().unwrap();
    let users = sites::USERS.map(|(name, ..)| name).join(", ");
    let users = if geteuid().is_root() { &*users } else { "" };
    assert!(found.contains(&format!("whose programs run as {users}")), "{found}");
    let faults = || {
        let (_, said, stderr) = place.ask(&["doctor", "--json"]);
        assert_eq!(stderr, "");
        let said: Value = serde_json::from_str(&said).unwrap();
        let all = said["findings"].as_array().unwrap().clone();
        all.into_iter().filter(|found| found["kind"] == "applications").collect::<Vec<_>>()
    };
    assert_eq!(faults(), Vec::<Value>::new());
    let Process(stopped) = master(&server, "b.example");
    let group = Pid::from_raw(stopped.cast_signed()).unwrap();
    kill_process_group(group, Signal::STOP).unwrap();
    let found = faults();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["about"], &found[0]["is_fault"]),
        (&"PHP of b.example".into(), &true.into())
    );
    assert!(found[0]["cause"].as_str().unwrap().contains("answers nobody"), "{found:?}");
    kill_process_group(group, Signal::CONT).unwrap();
    assert!(eventually(|| faults().is_empty()));
    server.stop();
}

#[test]
fn certificates_that_are_over_or_not_yet_or_for_others_or_known_to_all() {
    let (place, certificates) = (Place::new(), Certificates::new());
    for (name, times, mode, words) in [
        ("a.test", ["-9 days", "-2 days"], 0o600, ["it has expired on", "renewed"]),
        ("a.test", ["2 days", "9 days"], 0o600, ["it holds only from", "clock"]),
        ("a.test", ["-79 days", "11 days"], 0o600, ["it expires on", "renewed"]),
        ("a.test", ["-5 days", "1 day"], 0o600, ["it expires on", "renewed"]),
        ("b.test", ["-2 days", "90 days"], 0o600, ["it is not for a.test", "names a.test"]),
        ("a.test", ["-2 days", "90 days"], 0o644, ["can be read by everybody", "chmod o= "]),
    ] {
        certificates.make_between(times, "x", &[name]);
        set_mode(certificates.path("x.key").to_str().unwrap(), mode);
        let listen = "listen = { address = \"127.0.0.1:0\", tls = true }";
        let site = format!(
            "{}\ntls = {{ {} }}",
            SITE.replace("default", "\"a.test\""),
            certificates.words("x")
        );
        place.check(listen, &site, "true", "certificates", words);
    }
    // All of its hosts count, a wildcard as any of those that it stands for.
    certificates.make("x", "ec", &["a.test", "*.b.test"]);
    set_mode(certificates.path("x.key").to_str().unwrap(), 0o600);
    let (listen, tls) =
        ("listen = { address = \"127.0.0.1:0\", tls = true }", certificates.words("x"));
    let site = |hosts: &str| {
        let name = SITE.replace("default", "\"a.test\"");
        format!("{name}\naliases = [\"*.b.test\"{hosts}]\ntls = {{ {tls} }}")
    };
    let words = ["it is not for www.a.test: browsers", "names www.a.test"];
    place.check(listen, &site(", \"www.a.test\""), "true", "certificates", words);
    assert_eq!(place.examined(listen, &site(""), "true").0, Some(0));
    // One for six days is not to be spoken of in all of them.
    certificates.make_between(["-3 days", "3 days"], "x", &["a.test"]);
    set_mode(certificates.path("x.key").to_str().unwrap(), 0o600);
    let listen = "listen = { address = \"127.0.0.1:0\", tls = true }";
    let tls = certificates.words("x");
    let site = format!("{}\ntls = {{ {tls} }}", SITE.replace("default", "\"a.test\""));
    let (code, all) = place.examined(listen, &site, "true");
    assert_eq!(code, Some(0), "{all:?}");
}

#[test]
fn certificates_that_should_come_by_themselves_and_do_not() {
    let (place, certificates) = (Place::new(), Certificates::new());
    let (kept, listen) = (place.path("kept"), "{ address = \"127.0.0.1:0\", tls = true }");
    let server = format!(
        "listen = {listen}\ncertificates = {{ folder = {kept:?}, authority = \"https://127.0.0.1:1/\" }}"
    );
    let site = format!("{}\ntls = \"auto\"", SITE.replace("default", "\"a.test\""));
    let check = |words| place.check(&server, &site, "true", "certificates", words);
    fs::create_dir_all(format!("{kept}/sites")).unwrap();
    fs::create_dir_all(format!("{kept}/attempts")).unwrap();
    let (code, all) = place.examined(&server, &site, "true");
    assert!(code == Some(0), "nothing has gone wrong yet: {all:?}");
    let attempts = format!("{kept}/attempts/a.test");
    fs::write(&attempts, "failures 3\nlast 7\nnext 8\nwhy it is closed\n").unwrap();
    check(["failure 3 in a row: it is closed", "`gannet certs` says when"]);
    fs::remove_file(&attempts).unwrap();
    certificates.make_between(["-90 days", "-2 days"], "x", &["a.test"]);
    let [key, chain] =
        ["x.key", "x.pem"].map(|name| fs::read_to_string(certificates.path(name)).unwrap());
    let head = "gannet certificate 1\nauthority https://127.0.0.1:1/\nissued 7\n";
    let file = format!("{kept}/sites/a.test.pem");
    fs::write(&file, format!("{head}{key}{chain}")).unwrap();
    set_mode(&file, 0o600);
    check(["it has expired on", "`gannet certs`"]);
    certificates.make_between(["-2 days", "88 days"], "x", &["a.test"]);
    let [key, chain] =
        ["x.key", "x.pem"].map(|name| fs::read_to_string(certificates.path(name)).unwrap());
    fs::write(&file, format!("{head}{key}{chain}")).unwrap();
    set_mode(&kept, 0o775);
    check(["others may write there (mode 0775)", "chmod go-w "]);
    set_mode(&kept, 0o755);
    if geteuid().is_root() {
        chown(&kept, Some(NOBODY), Some(NOBODY)).unwrap();
        check(["it is root's, and nobody, whose folder it is in, may not read it", "chown --ref"]);
    }
}

#[test]
fn applications_that_are_not_there_or_not_for_this_user() {
    let place = Place::new();
    let socket = place.path("fpm.sock");
    let site = format!("{SITE}\nphp = {{ socket = {socket:?} }}");
    let file = place.path("gannet.toml");
    // The config is sound all the same: what is not there may be there when the server starts.
    let warned = || {
        let (code, said, warned) = Launch::of(vec!["check".to_owned(), file.clone()]).finish();
        assert!(code == Some(0) && said.ends_with("1 site, no mistakes\n"), "{said}");
        warned
    };
    let check = |words: [&str; 2]| {
        place.check(LISTEN, &site, "true", "applications", words);
        let warned = warned();
        let head = format!("warning: {socket}: ");
        assert!(warned.starts_with(&head) && warned.contains(words[0]), "{warned}");
        assert!(warned.contains("\n  = help: ") && warned.contains(words[1]), "{warned}");
    };
    check(["there is no such socket", "start php-fpm"]);
    let listener = UnixListener::bind(&socket).unwrap();
    if geteuid().is_root() {
        set_mode(&socket, 0o600);
        check(["may not write there", "listen.owner"]);
        set_mode(&socket, 0o666);
    }
    assert_eq!(warned(), "");
    drop(listener);
    check(["nobody listens", "start php-fpm"]);
    // One that takes nobody in is not waited for.
    fs::remove_file(&socket).unwrap();
    let stuck = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&stuck, &SocketAddrUnix::new(&socket).unwrap()).unwrap();
    listen(&stuck, 0).unwrap();
    set_mode(&socket, 0o666);
    let _waiting = UnixStream::connect(&socket).unwrap();
    check(["its queue is full", "pm.max_children"]);
}

/// php-fpm takes them without a word.
#[test]
fn settings_that_php_does_not_have() {
    let place = Place::new();
    let file = place.path("gannet.toml");
    let user = if geteuid().is_root() { "user = 'games', " } else { "" };
    let check = |ini: &str| {
        let site = format!("{SITE}\nphp = {{ {user}ini = {{ {ini} }} }}");
        let text = format!("[server]\n{LISTEN}\n{site}\n").replace("ROOT", &place.path("www"));
        fs::write(&file, text).unwrap();
        let (code, _, said) = Launch::of(vec!["check".to_owned(), file.clone()]).finish();
        (site, code, said)
    };
    let (site, code, warned) =
        check("memory_limt = '1G', post_max_size = '1G', 'xdebug.mode' = 'off', 'session.x' = 1");
    assert_eq!(code, Some(0), "{warned}");
    for (name, help) in
        [("memory_limt", "did you mean `memory_limit`? "), ("session.x", "leave it")]
    {
        let words = format!(
            "warning: `ini` of default: PHP has no setting `{name}` and would not say so\n  \
             = help: {help}"
        );
        assert!(warned.contains(&words), "{warned}");
    }
    assert_eq!(warned.matches("warning: ").count(), 2, "{warned}");
    let (_, all) = place.examined(LISTEN, &site, "true");
    let is_told = |name: &str| {
        let words = format!("no setting `{name}`");
        all.iter().any(|found| found["cause"].as_str().unwrap().contains(&words))
    };
    assert!(is_told("memory_limt") && is_told("session.x"), "{all:?}");
    assert_eq!(check("memory_limit = '1G'").2, "");
    let (_, code, refused) = check("memory_limit = \"1G\\nextension = x\"");
    assert!(code == Some(2) && refused.contains("a control character"), "{refused}");
}

/// Whoever may ask the php-fpm of another site may have it do what its user can.
#[test]
fn sites_whose_programs_are_among_those_who_serve() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let file = place.path("gannet.toml");
    let warned = |first: &str| {
        let site = format!(
            "[site.default]\nroot = \"ROOT\"\nphp = {{ user = {first:?} }}\n\
             [site.'b.test']\nroot = \"ROOT\"\nphp = {{ user = \"games\" }}\n\
             [site.'c.test']\nroot = \"ROOT\"\nphp = {{ user = \"mail\" }}"
        );
        let (code, all) = place.examined(LISTEN, &site, "true");
        assert_eq!(code, Some(0), "{all:?}");
        let is_it = |found: &Value| {
            found["cause"].as_str().unwrap().contains("other sites: b.test, c.test")
        };
        let (code, _, warned) = Launch::of(vec!["check".to_owned(), file.clone()]).finish();
        assert_eq!(code, Some(0));
        assert_eq!(all.iter().any(is_it), !warned.is_empty(), "{all:?} {warned}");
        warned
    };
    assert_eq!(warned("news"), "");
    let text = warned("www-data");
    assert!(text.starts_with("warning: PHP of default: its programs run as www-data"), "{text}");
}

/// What PHP sends may have to lie there for a while.
#[test]
fn a_folder_of_large_contents_that_cannot_be_written() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let socket = place.path("fpm.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    set_mode(&socket, 0o666);
    let site = format!("{SITE}\nphp = {{ socket = {socket:?} }}");
    let read_only = "exec unshare -m sh -c 'mount -t tmpfs -o ro tmpfs /var/tmp && exec \"$0\" \"$@\"' \
                     \"$0\" \"$@\"; true";
    place.check(LISTEN, &site, read_only, "disk", ["cannot be written there", "1777"]);
    let words = vec!["check".to_owned(), place.path("gannet.toml")];
    let (code, _, warned) = Launch::of(words).after(read_only).finish();
    assert!(code == Some(0) && warned.starts_with("warning: /var/tmp: what is too"), "{warned}");
}

#[test]
fn limits_that_are_too_low_for_what_is_wanted() {
    let place = Place::new();
    let descriptors = ["1000 descriptors open", "LimitNOFILE=10512"];
    place.check(LISTEN, SITE, "ulimit -n 1000", "descriptors", descriptors);
    if geteuid().is_root() {
        let namespace = "exec unshare -n sh -c 'ip link set lo up && \
                         echo 128 > /proc/sys/net/core/somaxconn && exec \"$0\" \"$@\"' \"$0\" \"$@\"; true";
        place.check(LISTEN, SITE, namespace, "queues", ["at most 128", "somaxconn=4096"]);
        let disk = place.path("disk");
        fs::create_dir(&disk).unwrap();
        let full = format!(
            "exec unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs {disk} && \
             dd if=/dev/zero of={disk}/x bs=1k count=64 2> /dev/null; exec \"$0\" \"$@\"' \"$0\" \"$@\"; true"
        );
        let log = format!("{LISTEN}\nlog = {{ file = \"{disk}/access.log\", format = \"json\" }}");
        place.check(&log, SITE, &full, "disk", ["its disk is full", "another disk"]);
    }
}
