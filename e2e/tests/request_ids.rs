//! Ids of exchanges: in their answers and in their lines.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Stage, stage::get};
use serde_json::Value;
use std::collections::HashSet;

#[test]
fn an_id_is_in_the_answer_and_in_its_lines() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"json\"\nrequest-id = true\nerror-log = { file = \"LOGS/errors.log\" }",
        "route.\"/id\".respond = \"it is {request-id}\"\nroute.\"/no\".deny = \"127.0.0.1\"",
        "",
    );
    let mut seen = HashSet::new();
    let mut check = |head: &str, status: u16| {
        let mut client = Client::connect(server.addr());
        client.send(head).unwrap();
        let response = client.response().unwrap();
        assert_eq!(response.status, status, "{head}");
        let id = response.get("x-request-id").expect(head).to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let line = server.wait_for(|line| line["request_id"] == *id);
        assert_eq!(line["status"], status, "{line}");
        assert!(seen.insert(id.clone()), "{id} came twice");
        (id, response)
    };
    let ask =
        |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n");
    let (id, response) = check(&ask("/id"), 200);
    assert_eq!(response.text(), format!("it is {id}"));
    check(&ask("/digits.txt"), 200);
    check(&ask("/large.bin"), 200);
    check(&ask("/nothing"), 404);
    let (refused, _) = check("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
    let (denied, _) = check(&ask("/no"), 403);
    server.stop();
    let errors = stage.lines("errors.log");
    let ids: Vec<Value> = errors
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].clone())
        .collect();
    assert_eq!(ids, [&*refused, &*denied]);
}

#[test]
fn a_trusted_proxy_names_the_exchange() {
    let stage = Stage::new();
    let server =
        stage.serve("log = \"json\"\nrequest-id = true\ntrusted-proxies = [\"127.0.0.1\"]", "", "");
    let id = |field: &str| {
        let mut client = Client::connect(server.addr());
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: x\r\n{field}\r\n")).unwrap();
        client.response().unwrap().get("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("X-Request-Id: Root=1-67.a\r\n"), "Root=1-67.a");
    server.wait_for(|line| line["request_id"] == "Root=1-67.a");
    for odd in ["X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n", ""] {
        assert_eq!(id(odd).len(), 32, "{odd}");
    }
    server.stop();
}

#[test]
fn without_ids_nobody_gets_one() {
    let stage = Stage::new();
    let server = stage.serve("log = \"json\"", "", "");
    assert_eq!(get(server.addr(), "x", "/digits.txt").get("x-request-id"), None);
    let line = server.wait_for(|line| line["event"] == "request");
    assert!(line["request_id"].is_null(), "{line}");
    server.stop();
}
