//! Listeners on which a balancer says who the client is, before the client's first byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{Client, Server, Site, eventually};
use serde_json::Value;
use std::net::SocketAddr;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A server with one loop whose listener takes headers; `server` and `limits` are lines of these
/// two tables.
fn server(site: &Site, server: &str, limits: &str) -> Server {
    let listen = "listen = { address = \"127.0.0.1:0\", proxy-protocol = true }";
    let config = site.config(&format!("threads = 1\n{server}"), limits);
    Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen))
}

fn v1(source: &str) -> Vec<u8> {
    let family = if source.contains(':') { "TCP6" } else { "TCP4" };
    let to = if source.contains(':') { "::1" } else { "127.0.0.1" };
    format!("PROXY {family} {source} {to} 4711 80\r\n").into_bytes()
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v2_ipv4(source: [u8; 4]) -> Vec<u8> {
    v2(0x21, 0x11, &[&source[..], &[127, 0, 0, 1, 0x12, 0x67, 0, 80], b"\x04\0\x01x"].concat())
}

const REQUEST: &[u8] = b"GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends the header with a request behind it; the status of the answer.
fn ask(addr: SocketAddr, header: &[u8]) -> u16 {
    let mut client = Client::connect(addr);
    client.send([header, REQUEST].concat()).unwrap();
    client.response().unwrap().status
}

fn requests(server: &Server) -> Vec<Value> {
    server.lines().into_iter().filter(|line| line["event"] == "request").collect()
}

#[test]
fn the_header_names_the_client() {
    let site = Site::new();
    let server = server(&site, "", "");
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 15], &[1, 0, 1, 0, 80]].concat();
    let headers = [
        (v1("203.0.113.7"), "203.0.113.7"),
        (v1("2001:db8::7"), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2_ipv4([203, 0, 113, 8]), "203.0.113.8"),
        (v2(0x21, 0x21, &v6), "2001:db8::7"),
        (v2(0x20, 0x00, b""), "127.0.0.1"),
        (v2(0x21, 0x31, &[b'/'; 216]), "127.0.0.1"),
    ];
    for (header, _) in &headers {
        assert_eq!(ask(server.addr(), header), 200, "{}", header.escape_ascii());
    }
    // However the bytes come in, and for every request of the connection.
    let mut client = Client::connect(server.addr());
    client.send_dribbling(&[&v1("203.0.113.9")[..], REQUEST].concat()).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    assert!(eventually(|| requests(&server).len() == headers.len() + 2));
    let clients = requests(&server).iter().map(|line| line["client"].clone()).collect::<Vec<_>>();
    let expect = headers.iter().map(|(_, client)| *client).chain(["203.0.113.9"; 2]);
    assert_eq!(clients, expect.collect::<Vec<_>>());
    server.stop();
}

/// What comes without a header is nobody's, and gets no answer: it might be from anybody.
#[test]
fn who_sends_no_header_is_shut_out() {
    let site = Site::new();
    let server = server(&site, "", "head-time = \"2s\"");
    let long = v2(0x21, 0x11, &[0; 600]);
    let hostile: [&[u8]; 7] = [
        REQUEST,
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\nGET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n",
        b"PROXY ",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        &long,
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ];
    for bytes in hostile {
        let mut client = Client::connect(server.addr());
        client.send(bytes).unwrap();
        let (answer, _) = client.drain().unwrap();
        assert!(answer.is_empty(), "{} is answered", bytes.escape_ascii());
    }
    let is_counted = || requests(&server).len() == hostile.len();
    assert!(eventually(is_counted), "{:?}", requests(&server));
    let late = requests(&server)
        .into_iter()
        .filter(|line| line["reason"] == "the header of the PROXY protocol came too late");
    assert_eq!(late.count(), 1);
    assert_eq!(ask(server.addr(), &v1("203.0.113.7")), 200);
    assert_eq!(server.stop().lines.pop().unwrap()["shut_out"], 7);
}

#[test]
fn only_trusted_proxies_may_send_one_where_there_are_any() {
    let site = Site::new();
    let server = server(&site, "trusted-proxies = [\"127.0.0.2\", \"10.0.0.0/8\"]", "");
    let from = |address: &str, header: &[u8], fields: &str| {
        let mut client = Client::connect_from(address.parse().unwrap(), server.addr());
        let request = format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        client.send([header, request.as_bytes()].concat()).ok()?;
        client.response().ok().map(|response| response.status)
    };
    let header = v1("203.0.113.7");
    assert_eq!(from("127.0.0.1", &header, ""), None, "a stranger is answered");
    assert_eq!(from("127.0.0.2", &header, ""), Some(200));
    // The client that the header names is not a proxy: what it says of others is nothing. Where it
    // is one, the chain goes on.
    let field = "X-Forwarded-For: 198.51.100.1\r\n";
    assert_eq!(from("127.0.0.2", &header, field), Some(200));
    assert_eq!(from("127.0.0.2", &v1("10.9.9.9"), field), Some(200));
    assert!(eventually(|| requests(&server).len() == 4));
    let clients = requests(&server).iter().map(|line| line["client"].clone()).collect::<Vec<_>>();
    assert_eq!(clients, ["127.0.0.1", "203.0.113.7", "203.0.113.7", "198.51.100.1"]);
    server.stop();
}

/// O20: the client behind the balancer is who counts, not the balancer.
#[test]
fn connections_count_for_whom_the_header_names() {
    let site = Site::new();
    let server = server(&site, "", "connections-per-client-max = 2");
    let connect = |source: &str| {
        let mut client = Client::connect(server.addr());
        client.send([&v1(source)[..], REQUEST].concat()).unwrap();
        (client.response().unwrap(), client)
    };
    let kept: Vec<_> = (1..=5).map(|number| connect(&format!("203.0.113.{number}"))).collect();
    assert!(kept.iter().all(|(response, _)| response.status == 200), "one each");
    let second = connect("203.0.113.1");
    assert_eq!(second.0.status, 200);
    let (third, _) = connect("203.0.113.1");
    assert_eq!((third.status, third.closes()), (503, true));
    drop(second);
    assert!(eventually(|| connect("203.0.113.1").0.status == 200), "there is room again");
    server.stop();
}

/// A header is only taken where one is due: elsewhere it is a request that makes no sense.
#[test]
fn other_listeners_take_no_header() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    assert_eq!(ask(server.addr(), &v1("203.0.113.7")), 400);
    assert_eq!(ask(server.addr(), b""), 200);
    server.stop();
}

/// A proxy of this machine that comes by a Unix socket has no address to be trusted by: it is
/// trusted by name, in whichever way it says who the client is.
#[test]
fn a_proxy_on_a_unix_socket() {
    let site = Site::new();
    let folder = e2e::folder();
    let (plain, introduced) = (folder.path().join("plain"), folder.path().join("introduced"));
    let listen = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\", {{ address = \"unix:{}\", \
         proxy-protocol = true }}]",
        plain.display(),
        introduced.display()
    );
    let config = |trusted: &str| {
        let config = site.config(&format!("threads = 1\n{trusted}"), "");
        config.replace("listen = \"127.0.0.1:0\"", &listen)
    };
    let ask = |mut client: Client, header: &[u8]| {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
        client.send([header, request].concat()).ok()?;
        client.response().ok().map(|response| response.status)
    };
    let header = v1("203.0.113.7");
    for (trusted, expect) in [
        ("", ["unix", "203.0.113.7", "127.0.0.1"]),
        ("trusted-proxies = \"unix\"", ["198.51.100.1", "203.0.113.7", "127.0.0.1"]),
        ("trusted-proxies = \"127.0.0.1\"", ["unix", "unix", "198.51.100.1"]),
    ] {
        let server = Server::run(&config(trusted));
        let is_trusted = trusted != "trusted-proxies = \"127.0.0.1\"";
        assert_eq!(ask(Client::connect_unix(&plain), b""), Some(200));
        assert_eq!(ask(Client::connect_unix(&introduced), &header), is_trusted.then_some(200));
        assert_eq!(ask(Client::connect(server.addr()), b""), Some(200));
        assert!(eventually(|| requests(&server).len() == 3), "{:?}", requests(&server));
        let clients =
            requests(&server).iter().map(|line| line["client"].clone()).collect::<Vec<_>>();
        assert_eq!(clients, expect, "{trusted}");
        server.stop();
    }
}
