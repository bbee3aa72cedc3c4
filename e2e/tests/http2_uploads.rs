//! Content that is sent over HTTP/2 while other things go on, on the same connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site,
    application::{self, Application},
    frames::{
        DATA, END, GOAWAY, HEADERS, OPENING, PING, RST_STREAM, WHOLE, WINDOW_UPDATE, fields, frame,
        read,
    },
};
use std::collections::BTreeMap;

/// `wonderland`, hashed at a cost that takes a while.
const USERS: &str = "{ users = { alice = \
                     \"$2b$08$3k1cR3mki9PmjO4/PzS7V.nMBXm9RNVffoyfiyFcthf6sjy4VwsMe\" } }";

/// A POST to the application from alice, with her password or another one.
fn post(stream: u32, is_right: bool) -> Vec<u8> {
    let mut block = fields(0x83, "/index.php");
    // `authorization` of the standing table, kept out of the other one.
    let value: &[u8] =
        if is_right { b"Basic YWxpY2U6d29uZGVybGFuZA==" } else { b"Basic YWxpY2U6d29ybmc=" };
    block.extend([0x0f, 0x08, u8::try_from(value.len()).unwrap()]);
    block.extend_from_slice(value);
    frame(HEADERS, WHOLE, stream, &block)
}

/// Whose password is checked holds up neither the rest of its connection nor other checks; content
/// that comes meanwhile is not lost, and is let in as far as the windows go.
#[test]
fn a_password_that_is_checked_holds_up_nobody_else() {
    let php = Application::start(|asked, stream| {
        application::answer(
            stream,
            &[b"Content-Type: text/x\r\n\r\n", &asked.content[..]].concat(),
        );
    });
    let site = Site::new();
    site.write("index.php", b"");
    let server = Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\n[site.default]\nroot = {:?}\n{}route.'*.php'.auth = {USERS}\n",
        site.root(),
        php.setting("upload-max = '4MB'")
    ));
    let mut client = Client::connect(server.addr());
    let streams = || (0..6).map(|at| 1 + 2 * at);
    let asked = streams().flat_map(|stream| post(stream, stream != 1));
    let early = streams().flat_map(|stream| frame(DATA, 0, stream, &[b'a'; 5000]));
    let meanwhile = [
        frame(PING, 0, 0, b"meanwhil"),
        frame(HEADERS, END | WHOLE, 21, &fields(0x82, "/digits.txt")),
    ];
    let begun: Vec<u8> = asked.chain(early).chain(meanwhile.concat()).collect();
    client.send([OPENING, &begun].concat()).unwrap();
    let mut came = Vec::new();
    while came.len() < 3 {
        let next = read(&mut client).unwrap();
        if matches!(next.kind, PING | HEADERS | DATA) {
            came.push((next.kind, next.stream));
        }
    }
    assert_eq!(came, [(PING, 0), (HEADERS, 21), (DATA, 21)], "before any password was checked");
    let rest = streams().flat_map(|stream| frame(DATA, END, stream, b"b"));
    client.send(rest.collect::<Vec<u8>>()).unwrap();
    let mut answers = BTreeMap::<_, Vec<u8>>::new();
    let mut ended = 0;
    while ended < 6 {
        let next = read(&mut client).unwrap();
        assert!(!matches!(next.kind, GOAWAY | RST_STREAM), "{next:?}");
        if next.kind == DATA {
            ended += usize::from(next.flags & END != 0);
            answers.entry(next.stream).or_default().extend(next.payload);
        }
    }
    let refused = answers.remove(&1).unwrap();
    assert!(String::from_utf8_lossy(&refused).contains("401"), "{refused:?}");
    let whole = [&[b'a'; 5000][..], b"b"].concat();
    assert!(answers.values().all(|answer| *answer == whole), "{:?}", answers.keys());
    // So much more than a window holds is let in.
    client.send(post(31, true)).unwrap();
    let mut room = BTreeMap::from([(0, 65_535 - 6 * 5001), (31, 65_535)]);
    for _ in 0..30 {
        while room.values().any(|&room| room < 10_000) {
            let next = read(&mut client).unwrap();
            if let (WINDOW_UPDATE, Some(room)) = (next.kind, room.get_mut(&next.stream)) {
                *room += next.code();
            }
        }
        client.send(frame(DATA, 0, 31, &[b'c'; 10_000])).unwrap();
        room.values_mut().for_each(|room| *room -= 10_000);
    }
    drop(client);
    server.stop();
}
