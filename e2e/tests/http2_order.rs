//! Whose content comes first over HTTP/2: what its client says of it (RFC 9218), as far as the
//! windows go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site,
    frames::{
        DATA, END, HEADERS, OPENING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, fields, frame,
        get, read, until,
    },
};
use std::iter;

/// RFC 9218 section 7.1.
const PRIORITY_UPDATE: u8 = 16;

/// What a connection's window holds at first.
const WINDOW_BYTES: usize = 65_535;

/// Bytes of a frame, where the client does not say otherwise.
const FRAME_BYTES: usize = 16 * 1024;

/// Frames of each page that is asked for.
const FRAMES: usize = 3;

/// Pages that are asked for together.
const PAGES: usize = 4;

/// A client that has asked for some pages, while nothing more can be sent on its connection.
struct Shut {
    client: Client,
}

impl Shut {
    /// One that asks with these priorities, on the streams 3, 5 and so on.
    fn new(server: &Server, priorities: [&str; PAGES]) -> Self {
        let mut client = Client::connect(server.addr());
        // The windows of streams hold 1 MiB, so that the connection's is what counts.
        let wide = frame(SETTINGS, 0, 0, &[0, 4, 0, 16, 0, 0]);
        client.send([OPENING, &wide, &get(1, "/large.bin")].concat()).unwrap();
        let mut came = 0;
        while came < WINDOW_BYTES {
            came += until(&mut client, DATA).unwrap().payload.len();
        }
        client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).unwrap();
        for (stream, priority) in streams().zip(priorities) {
            client.send(asks(stream, priority)).unwrap();
        }
        // Heads need no window: when the last is here, everything is known.
        streams()
            .for_each(|stream| assert_eq!(until(&mut client, HEADERS).unwrap().stream, stream));
        Self { client }
    }

    /// Whose bytes come when the window is opened by `bytes`, again and again.
    fn turns(&mut self, bytes: usize, times: usize) -> Vec<u32> {
        iter::repeat_with(|| self.turn(bytes)).take(times).collect()
    }

    fn turn(&mut self, bytes: usize) -> u32 {
        let payload = u32::try_from(bytes).unwrap().to_be_bytes();
        self.client.send(frame(WINDOW_UPDATE, 0, 0, &payload)).unwrap();
        let data = until(&mut self.client, DATA).unwrap();
        assert_eq!(data.payload.len(), bytes, "of one stream alone");
        data.stream
    }

    fn tell(&mut self, stream: u32, priority: &str) {
        let payload = [&stream.to_be_bytes()[..], priority.as_bytes()].concat();
        self.client.send(frame(PRIORITY_UPDATE, 0, 0, &payload)).unwrap();
    }

    /// The streams in the order of their ends, with the window wide open.
    fn ends(mut self) -> Vec<u32> {
        self.client.send(frame(WINDOW_UPDATE, 0, 0, &[0, 16, 0, 0])).unwrap();
        let data = iter::repeat_with(|| read(&mut self.client).unwrap());
        let ends = data.filter(|frame| frame.kind == DATA && frame.flags & END != 0);
        ends.map(|frame| frame.stream).take(PAGES).collect()
    }
}

/// The streams that the pages are asked for on.
fn streams() -> impl Iterator<Item = u32> {
    (3..).step_by(2).take(PAGES)
}

fn asks(stream: u32, priority: &str) -> Vec<u8> {
    let mut block = fields(0x82, "/page.bin");
    block.push(0);
    for text in ["priority", priority] {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend_from_slice(text.as_bytes());
    }
    frame(HEADERS, END | WHOLE, stream, &block)
}

/// A server of a page that is larger than what goes with its head, and held in memory.
fn server(site: &Site) -> Server {
    site.write("page.bin", &[b'x'; FRAMES * FRAME_BYTES]);
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config("threads = 1", "");
    Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen))
}

#[test]
fn a_window_that_opens_frame_by_frame_goes_to_the_most_urgent() {
    let site = Site::new();
    let server = server(&site);
    for (priorities, expect) in [
        // Of equals, one after the other.
        (["", "", "", ""], [3, 3, 3, 5, 5, 5, 7, 7, 7, 9, 9, 9]),
        (["u=5", "u=0", "", "u=1"], [5, 5, 5, 9, 9, 9, 7, 7, 7, 3, 3, 3]),
        // What can be used in part takes turns, with its equals alone.
        (["i", "i", "i", "i"], [3, 5, 7, 9, 3, 5, 7, 9, 3, 5, 7, 9]),
        (["u=4, i", "u=2, i", "u=4, i", "u=2, i"], [5, 9, 5, 9, 5, 9, 3, 7, 3, 7, 3, 7]),
        // What is of no use before it is whole goes first.
        (["i", "", "i", ""], [5, 5, 5, 9, 9, 9, 3, 7, 3, 7, 3, 7]),
        (["i", "u=4", "i", "u=2"], [9, 9, 9, 3, 7, 3, 7, 3, 7, 5, 5, 5]),
    ] {
        let came = Shut::new(&server, priorities).turns(FRAME_BYTES, PAGES * FRAMES);
        assert_eq!(came, expect, "{priorities:?}");
    }
    server.stop();
}

#[test]
fn a_window_that_opens_bit_by_bit_is_shared_by_turns() {
    let site = Site::new();
    let server = server(&site);
    let mut shut = Shut::new(&server, ["i", "i", "u=2", "i"]);
    assert_eq!(shut.turns(1000, 40), [7; 40], "one that waits to be whole");
    shut.tell(7, "u=7");
    assert_eq!(shut.turns(700, 60), [3, 5, 9].repeat(20));
    // Nobody's turn is lost because its frame was short.
    assert_eq!(shut.turns(1, 6), [3, 5, 9, 3, 5, 9]);
    shut.tell(9, "u=1, i");
    assert_eq!(shut.turns(700, 10), [9; 10]);
    shut.tell(5, "u=1, i");
    let mut turns = shut.turns(700, 10);
    turns.dedup();
    assert_eq!(turns.len(), 10, "{turns:?}");
    assert_eq!(shut.ends(), [5, 9, 3, 7]);
    server.stop();
}
