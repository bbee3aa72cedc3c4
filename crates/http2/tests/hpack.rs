//! Field compression beside two other implementations: Python's `hpack`, and nghttp2's by way of
//! its library. Both come from Debian's packages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use base::Moment;
use http2::{Block, Connection, Event, PREFACE};
use message::{Body, Limits, Output, Prepared, Response, Slots, Status, response::Line};
use std::{
    io::Write,
    process::{Command, Stdio},
    rc::Rc,
};

/// What both programs share: the two implementations under one interface.
const BOTH: &str = r#"
import ctypes, random, sys
from hpack import Decoder, Encoder
lib = ctypes.CDLL("libnghttp2.so.14")
BYTES = ctypes.POINTER(ctypes.c_uint8)
class Field(ctypes.Structure):
    _fields_ = [("name", BYTES), ("value", BYTES), ("name_bytes", ctypes.c_size_t),
                ("value_bytes", ctypes.c_size_t), ("flags", ctypes.c_uint8)]
def room(data):
    return (ctypes.c_uint8 * max(1, len(data))).from_buffer_copy(data or b"\0")
class Deflater:
    def __init__(self):
        self.state = ctypes.c_void_p()
        assert lib.nghttp2_hd_deflate_new(ctypes.byref(self.state), 4096) == 0
    def resize(self, size):
        assert lib.nghttp2_hd_deflate_change_table_size(self.state, ctypes.c_size_t(size)) == 0
    def encode(self, fields):
        rooms = [(room(name), room(value), len(name), len(value), 0) for name, value in fields]
        array = (Field * len(rooms))(*[Field(ctypes.cast(a, BYTES), ctypes.cast(b, BYTES), c, d, e)
                                       for a, b, c, d, e in rooms])
        out = (ctypes.c_uint8 * 65536)()
        lib.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
        count = lib.nghttp2_hd_deflate_hd(self.state, out, ctypes.c_size_t(65536), array,
                                          ctypes.c_size_t(len(rooms)))
        assert count > 0
        return bytes(out[:count])
class Inflater:
    def __init__(self):
        self.state = ctypes.c_void_p()
        assert lib.nghttp2_hd_inflate_new(ctypes.byref(self.state)) == 0
    def decode(self, block):
        fields, data, at = [], room(block), 0
        lib.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        while True:
            field, flags = Field(), ctypes.c_int(0)
            start = ctypes.cast(ctypes.addressof(data) + at, BYTES)
            used = lib.nghttp2_hd_inflate_hd2(self.state, ctypes.byref(field), ctypes.byref(flags),
                                              start, ctypes.c_size_t(len(block) - at), 1)
            if used < 0:
                return None
            at += used
            if flags.value & 2:
                fields.append((bytes(field.name[:field.name_bytes]),
                               bytes(field.value[:field.value_bytes])))
            if flags.value & 1:
                lib.nghttp2_hd_inflate_end_headers(self.state)
                return fields
            if not flags.value & 2 and at == len(block):
                return None
def python_decode(decoder, block):
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
    except Exception:
        return None
def tell(fields):
    return "-" if fields is None else ",".join(a.hex() + ":" + b.hex() for a, b in fields)
"#;

/// Writes, for many connections of some requests each, every block and its fields: `new` begins a
/// connection, and `?` leads a block that is mostly broken, the last or but one of its connection,
/// with what nghttp2 makes of it, and Python. Where both understand it, a request follows that
/// names what it has left in the table.
const MAKE: &str = r#"
random.seed(7541)
NAMES = [b"accept", b"x-a", b"x-b", b"referer", b"user-agent", b"x-" + b"n" * 60, b"etag"]
WORDS = [b"", b"1", b"text/html", b"*/*", b"\xfc\xff\x80", b"a b", b"v" * 300, b"w" * 4000]
START = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a")]
def fields():
    some = [(random.choice(NAMES), random.choice(WORDS[:7] if random.random() < .9 else WORDS[:8]) +
             random.choice([b"", b"%d" % random.randrange(50)])) for _ in range(random.randrange(9))]
    some = [(name, value.strip()) for name, value in some]
    return START + [(b":path", b"/%d" % random.randrange(9))] + some
def blocks(number, count):
    print("new")
    encoder = Deflater() if number % 2 else Encoder()
    for _ in range(count):
        if random.random() < .1:
            size = random.choice([0, 40, 100, 1000, 4096])
            if number % 2:
                encoder.resize(size)
            else:
                encoder.header_table_size = size
        told = fields()
        yield encoder.encode(told) if number % 2 else encoder.encode(told, huffman=random.random() < .7), told
def show(block, told):
    print(block.hex(), tell(told))
def left(decoder):
    number, block = 61, bytearray(b"\x82\x86\x01\x01a\x84")
    for name, value in decoder.header_table.dynamic_entries:
        number += 1
        if number < 127 and bytes(name) in NAMES and bytes(value) in WORDS:
            block.append(0x80 | number)
    return bytes(block)
for number in range(120):
    for block, told in blocks(number, 30):
        show(block, told)
for number in range(600):
    inflater, decoder = Inflater(), Decoder()
    *sound, (last, _) = list(blocks(number, random.randrange(1, 9)))
    for block, told in sound:
        show(block, told)
        inflater.decode(block), python_decode(decoder, block)
    block = bytearray(last)
    for _ in range(random.randrange(1, 4)):
        block[random.randrange(len(block))] = random.randrange(256)
    block = bytes(block)
    both = inflater.decode(block), python_decode(decoder, block)
    print("?", block.hex(), *map(tell, both))
    if both[0] == both[1] != None:
        probe = left(decoder)
        show(probe, inflater.decode(probe))
"#;

/// Reads blocks, one a line, as both implementations do, each in one connection; writes the fields.
const READ: &str = r#"
inflater, decoder = Inflater(), Decoder()
for line in sys.stdin:
    block = bytes.fromhex(line)
    told = inflater.decode(block)
    assert told == python_decode(decoder, block), (told, block)
    print(tell(told))
"#;

fn python(script: &str, input: &str) -> String {
    let script = format!("{BOTH}{script}");
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One connection, whose requests take turns on streams of their own.
struct Reader {
    http: Connection,
    stream: u32,
}

impl Reader {
    fn new() -> Self {
        let limits = Box::leak(Box::new(Limits { requests_max: 1000, ..Limits::default() }));
        let mut reader = Self { http: Connection::new(limits, Moment(0)), stream: 1 };
        let opening = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        let (mut block, mut slots) = (Block::default(), Slots::new());
        let room = (&mut block, &mut slots);
        reader.http.receive(&opening, Moment(0), room, &mut Output::default());
        reader
    }

    /// The fields of a block as `told` writes them; `-` where it cannot be decoded, and `?` where
    /// it can but is no request.
    fn read(&mut self, coded: &[u8]) -> String {
        let mut bytes = (coded.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([1, 5]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(coded);
        let (mut block, mut slots) = (Block::default(), Slots::new());
        let (room, mut output) = ((&mut block, &mut slots), Output::default());
        let (_, event) = self.http.receive(&bytes, Moment(0), room, &mut output);
        self.stream += 2;
        let request = match event {
            Event::Request(_, request, _) => request,
            Event::Broken(_) => return "-".to_owned(),
            _ => return "?".to_owned(),
        };
        let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}{query}", request.path);
        let mut told = vec![(&b":path"[..], target.as_bytes())];
        let lines = request.fields.lines().iter();
        told.extend(lines.filter(|line| line.name != b"host").map(|line| (line.name, line.value)));
        let pairs = told.into_iter().map(|(name, value)| format!("{}:{}", hex(name), hex(value)));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// What [`Reader::read`] says of a request with the fields that another implementation has told:
/// what all requests have in common is left out.
fn without_start(told: &str) -> String {
    let is_start = |field: &&str| {
        let start = [":method", ":scheme", ":authority", "host"];
        start.iter().any(|name| {
            field.strip_prefix(&hex(name.as_bytes())).is_some_and(|rest| rest.starts_with(':'))
        })
    };
    let (path, others): (Vec<_>, Vec<_>) = told
        .split(',')
        .filter(|field| !is_start(field))
        .partition(|field| field.starts_with(&hex(b":path")));
    [path, others].concat().join(",")
}

#[test]
fn fields_are_what_other_implementations_say() {
    let made = python(MAKE, "");
    let mut reader = Reader::new();
    let (mut sound, mut broken, mut understood, mut differing) = (0, 0, 0, 0);
    for line in made.lines() {
        let (is_hostile, line) = line.strip_prefix("? ").map_or((false, line), |line| (true, line));
        let Some((coded, expect)) = line.split_once(' ') else {
            reader = Reader::new();
            continue;
        };
        let read = reader.read(&unhex(coded));
        let Some((expect, other)) = expect.split_once(' ').filter(|_| is_hostile) else {
            assert_eq!(read, without_start(expect), "{coded}");
            sound += 1;
            continue;
        };
        assert_eq!(read == "-", expect == "-", "{coded}");
        match &*read {
            "-" => broken += 1,
            // It is no request.
            "?" => {}
            read => {
                assert_eq!(read, without_start(expect), "{coded}");
                understood += 1;
            }
        }
        differing += usize::from(expect != other);
    }
    let counts = [sound, broken, understood, differing];
    assert!(sound > 5000 && broken > 100 && understood > 100 && differing < 30, "{counts:?}");
}

#[test]
fn answers_are_read_by_other_implementations() {
    let mut reader = Reader::new();
    let (mut blocks, mut expect) = (String::new(), String::new());
    for number in 0..200_u16 {
        assert_eq!(reader.read(b"\x82\x86\x84\x01\x01a"), "3a70617468:2f");
        let value = "v\u{fc}, ".repeat(usize::from(number) % 70) + &number.to_string();
        let prepared = Prepared::new(vec![Line::fixed("etag", "\"1\""), Line::fixed("x-own", "")]);
        let mut response = Response::empty(Status(200 + number));
        response.prepared = Some(Rc::new(prepared));
        response.lines.push(Line::new("location", value.clone()));
        response.body = Body::Bytes(b"12345".to_vec().into());
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        let mut output = Output::default();
        reader.http.respond(0, response, (date, Moment(0), false), &mut output);
        let status = Status(200 + number);
        let own = [("x-own", String::new())];
        let fields = [(":status", status.0.to_string()), ("server", "gannet".to_owned())]
            .into_iter()
            .chain([("date", String::from_utf8_lossy(date).into_owned())])
            .chain([("etag", "\"1\"".to_owned())])
            .chain(own.into_iter().filter(|_| status != Status::NOT_MODIFIED))
            .chain([("location", value)])
            .chain((!status.is_bodiless()).then(|| ("content-length", "5".to_owned())));
        let pairs = fields
            .map(|(name, value)| format!("{}:{}", hex(name.as_bytes()), hex(value.as_bytes())));
        expect += &(pairs.collect::<Vec<_>>().join(",") + "\n");
        let sent = output.bytes();
        let length = u32::from_be_bytes([0, sent[0], sent[1], sent[2]]) as usize;
        blocks += &(hex(&sent[9..9 + length]) + "\n");
    }
    assert_eq!(python(READ, &blocks), expect);
}
