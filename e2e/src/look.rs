//! A running server as it is seen at the address of `admin`.

use crate::{Client, Response, Server};
use serde_json::Value;
use std::{collections::BTreeMap, net::SocketAddr};

/// Where the server is looked at.
pub fn admin(server: &Server) -> SocketAddr {
    let start = server.wait_for(|line| line["event"] == "start");
    let url = start["admin"].as_str().expect("the start line says where");
    url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// What is answered there, with further fields in the request.
pub fn ask(addr: SocketAddr, path: &str, fields: &str) -> Response {
    let mut client = Client::connect(addr);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).unwrap();
    client.response().unwrap()
}

/// What is answered there as JSON.
pub fn json(addr: SocketAddr, path: &str) -> Value {
    let answer = ask(addr, path, "");
    assert_eq!((answer.status, answer.get("content-type")), (200, Some("application/json")));
    serde_json::from_str(&answer.text()).unwrap()
}

/// The figures, by their names and labels.
pub fn figures(addr: SocketAddr) -> BTreeMap<String, f64> {
    let answer = ask(addr, "/metrics", "");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(figure).collect()
}

/// What is said of the connection whose client is at `peer`; nothing where there is none.
pub fn connection(addr: SocketAddr, peer: &str) -> Value {
    let all = json(addr, "/sockets");
    let is_it = |one: &&Value| one["client"] == peer;
    all["sockets"].as_array().unwrap().iter().find(is_it).cloned().unwrap_or_default()
}
