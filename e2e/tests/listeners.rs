//! Where connections come in: IPv4, IPv6 and Unix sockets, for all sites and for single ones.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::SocketAddr,
    os::{
        fd::AsFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::PathBuf,
    thread,
};

/// A folder for sockets beside a site.
struct Place {
    site: Site,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { site: Site::new(), folder: e2e::folder() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("gannet.sock")
    }

    /// A config that listens on a port and on the socket, and serves the root to all hosts.
    fn config(&self) -> String {
        let listen = format!("listen = ['127.0.0.1:0', 'unix:{}']", self.socket().display());
        self.with(&listen)
    }

    fn with(&self, listen: &str) -> String {
        format!("[server]\n{listen}\n[site.default]\nroot = {:?}", self.site.root())
    }
}

/// The addresses in the start line.
fn addresses(server: &Server) -> Vec<SocketAddr> {
    let start = server.wait_for(|line| line["event"] == "start");
    let all = start["listens"].as_array().unwrap().iter().filter_map(|place| place.as_str());
    all.filter_map(|place| place.parse().ok()).collect()
}

fn status(mut client: Client, host: &str) -> u16 {
    client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client.response().unwrap().status
}

#[test]
fn every_kind_of_socket_serves_the_same() {
    let place = Place::new();
    let listen = format!(
        "threads = 2\nlisten = ['127.0.0.1:0', '[::1]:0', 'unix:{}']",
        place.socket().display()
    );
    let server = Server::run(&place.with(&listen));
    let addresses = addresses(&server);
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6() && addresses.len() == 2);
    let clients: [&dyn Fn() -> Client; 3] =
        [&|| Client::connect(addresses[0]), &|| Client::connect(addresses[1]), &|| {
            Client::connect_unix(&place.socket())
        }];
    for (kind, connect) in clients.into_iter().enumerate() {
        let mut client = connect();
        assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789", "{kind}");
        // Sent from memory, from a descriptor, in parts, and on a connection that is kept.
        let large = client.get("/large.bin").unwrap();
        assert!(large.body == Site::large(), "{kind}: {} bytes", large.body.len());
        client.send("GET /digits.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().text(), "01", "{kind}");
        client.send("nonsense\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().status, 400, "{kind}");
        client.ending().unwrap();
    }
    let stopped = server.stop();
    let clients = stopped.lines.iter().filter_map(|line| line["client"].as_str());
    let seen: BTreeSet<_> = clients.collect();
    assert_eq!(seen, BTreeSet::from(["127.0.0.1", "::1", "unix"]));
}

/// The status of an answer at `addr` in the network of `server`, which the test is not in.
fn status_there(server: &Server, addr: SocketAddr) -> Option<u16> {
    let ask = || {
        let network = File::open(format!("/proc/{}/ns/net", server.process().0)).unwrap();
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Client::try_connect(addr).map(|client| status(client, "localhost"))
    };
    thread::scope(|scope| scope.spawn(ask).join().unwrap())
}

#[test]
fn others_come_by_every_address_or_by_the_one_that_was_named() {
    const NETWORK: &str = "exec unshare --net sh -c 'ip link set lo up && \
                           ip address add 192.0.2.7/32 dev lo && \
                           ip address add 192.0.2.8/32 dev lo && exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    const ALL: [&str; 3] = ["127.0.0.1", "192.0.2.7", "192.0.2.8"];
    let site = Site::new();
    let root = site.root_text();
    for (args, hosts, served) in [
        (&[&*root][..], &["127.0.0.1"][..], &["127.0.0.1"][..]),
        (&[&*root, "--lan"], &["192.0.2.7", "192.0.2.8", "localhost"], &ALL),
        (&[&*root, "--bind", "192.0.2.8"], &["192.0.2.8"], &["192.0.2.8"]),
    ] {
        let server = Launch::quick(args).after(NETWORK).start();
        let port = server.addr().port();
        let urls: Vec<_> = hosts.iter().map(|host| format!("http://{host}:{port}/")).collect();
        let start = server.wait_for(|line| line["event"] == "start");
        assert_eq!(start["urls"], serde_json::json!(urls));
        for host in ALL {
            let addr = format!("{host}:{port}").parse().unwrap();
            let expect = served.contains(&host).then_some(200);
            assert_eq!(status_there(&server, addr), expect, "{args:?} {host}");
        }
        server.stop();
    }
}

#[test]
fn the_file_of_a_socket_comes_with_its_mode_and_goes_with_the_server() {
    let place = Place::new();
    let socket = place.socket();
    let mode = || fs::metadata(&socket).unwrap().permissions().mode() & 0o7777;
    let server = Server::run(&place.config());
    assert_eq!(mode(), 0o660);
    server.stop();
    assert!(!socket.exists());

    // What a dead server left behind is replaced.
    drop(UnixListener::bind(&socket).unwrap());
    let path = socket.display();
    let listen = format!("listen = ['127.0.0.1:0', {{ address = 'unix:{path}', mode = '0606' }}]");
    let server = Server::run(&place.with(&listen));
    assert_eq!(mode(), 0o606);
    assert_eq!(status(Client::connect_unix(&socket), "x"), 200);

    // A living one is named, and goes on.
    let (code, _, stderr) = Launch::run(&place.config()).finish();
    assert_eq!(code, Some(1));
    let expect = format!("unix:{path}: gannet (pid {}) listens there", server.started().0);
    assert!(stderr.contains(&expect), "{stderr}");
    assert_eq!(status(Client::connect_unix(&socket), "x"), 200);

    // A server that is told to stop leaves the place to the next one at once.
    let mut busy = Client::connect(server.addr());
    busy.send("GET /digits.txt HTTP/1.1\r\n").unwrap();
    server.signal(rustix::process::Signal::TERM);
    assert!(e2e::eventually(|| !socket.exists()));
    let next = Server::run(&place.config());
    busy.send("Host: x\r\n\r\n").unwrap();
    busy.response().unwrap();
    server.ended();
    assert_eq!(status(Client::connect_unix(&socket), "x"), 200);
    next.stop();
}

#[test]
fn what_cannot_be_listened_on_is_explained() {
    let place = Place::new();
    let check = |path: &str, expect: &str| {
        let path = place.folder.path().join(path);
        let listen = format!("listen = 'unix:{}'", path.display());
        let (code, _, stderr) = Launch::run(&place.with(&listen)).finish();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(expect) && stderr.contains(".toml:2:10)"), "{stderr}");
    };
    fs::write(place.folder.path().join("file"), "precious").unwrap();
    check("file", "what lies there is no socket");
    check("no/folder", "its folder does not exist");
    assert_eq!(fs::read(place.folder.path().join("file")).unwrap(), b"precious");
}

/// Threat 40 on a Unix socket, where the kernel knows of no acknowledgements.
#[test]
fn who_takes_nothing_from_a_unix_socket_is_cut_off() {
    let place = Place::new();
    let config = place.config();
    let server = Server::run(&format!("{config}\n[server.limits]\nwrite-stall-time = '200ms'"));
    let mut client = Client::connect_unix(&place.socket());
    client.send("GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let line = server.wait_for(|line| line["target"] == "/huge.bin");
    assert_eq!((&line["reason"], &line["client"]), (&"cut off".into(), &"unix".into()));
    let (bytes, _) = client.drain().unwrap();
    assert!((bytes.len() as u64) < Site::HUGE_BYTES);
    server.stop();
}

#[test]
fn a_site_with_addresses_of_its_own_is_served_there_and_nowhere_else() {
    let place = Place::new();
    let (root, path) = (place.site.root(), place.socket());
    let server = Server::run(&format!(
        "[server]\nlisten = ['127.0.0.1:0', 'unix:{}']\n\
         [site.'a.example']\nroot = {root:?}\n\
         [site.'b.example']\nroot = {root:?}\nlisten = ['[::1]:0', 'unix:{0}']\n",
        path.display()
    ));
    let addresses = addresses(&server);
    let check = |host: &str, expect: [u16; 3]| {
        let clients = [
            Client::connect(addresses[0]),
            Client::connect(addresses[1]),
            Client::connect_unix(&path),
        ];
        assert_eq!(clients.map(|client| status(client, host)), expect, "{host}");
    };
    check("a.example", [200, 421, 200]);
    check("b.example", [421, 200, 200]);
    check("c.example", [421, 421, 421]);
    server.stop();
}

#[test]
fn explain_names_the_listener_at_which_the_host_is_served() {
    let place = Place::new();
    let root = place.site.root();
    let file = place.folder.path().join("gannet.toml");
    let config = format!(
        "[server]\nlisten = ['127.0.0.1:80', '127.0.0.1:81']\n\
         [site.'a.example']\nroot = {root:?}\n\
         [site.'b.example']\nroot = {root:?}\nlisten = ['127.0.0.2:81', 'unix:b.sock']\n"
    );
    fs::write(&file, config).unwrap();
    let check = |url: &str, listener: &str, status: &str| {
        let words = ["explain", url, "-c", file.to_str().unwrap()].map(str::to_owned);
        let (code, stdout, stderr) = Launch::of(words.to_vec()).finish();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains(listener) && stdout.contains(status), "{url}: {stdout}");
    };
    check("http://a.example/digits.txt", "127.0.0.1:80", "200");
    check("http://a.example:81/digits.txt", "127.0.0.1:81", "200");
    check("http://b.example:81/digits.txt", "127.0.0.2:81", "200");
    check("http://b.example/digits.txt", "127.0.0.1:80", "421");
}

#[test]
fn where_a_site_is_not_served_the_default_one_answers() {
    let place = Place::new();
    let root = place.site.root();
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\n\
         [site.'a.example']\nroot = {root:?}\nlisten = '127.0.0.1:0'\nredirect-from = 'b.example'\n\
         [site.default]\nrespond = {{ status = 404, text = 'the default one' }}\n"
    ));
    let addresses = addresses(&server);
    let at = |address| {
        ["a.example", "b.example", "c.example"].map(|host| status(Client::connect(address), host))
    };
    assert_eq!(at(addresses[0]), [404, 404, 404]);
    assert_eq!(at(addresses[1]), [200, 308, 421]);
    server.stop();
}
