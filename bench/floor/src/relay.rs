//! The floor of programs: each request is passed to php-fpm by a connection of its own, and what
//! comes back goes to the client in one piece. Like the rest of the floor it has no limits and no
//! deadlines, and it is told which program answers. Whatever goes wrong ends it, so that no figure
//! is made of it.

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::{FIELDS_MAX, INPUT_BYTES, key, take_waiting};

/// Records of FastCGI (specification, section 8): the bytes in front of each, and their kinds.
const RECORD_BYTES: usize = 8;
const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

/// Who answers all requests.
pub(super) struct Program {
    address: SocketAddrUnix,
    /// The variables that are the same for all of them.
    standing: Vec<u8>,
}

/// What a descriptor is, at the place of its number.
enum Side {
    /// A client, whether it waits for an answer, and whether it has hung up.
    Client { socket: OwnedFd, waits: bool, has_ended: bool },
    /// php-fpm, asked for the client of that number; and what it has said so far.
    Application { socket: OwnedFd, client: usize, said: Vec<u8> },
}

/// The loop: its sockets, and room to read into.
struct Relay<'p> {
    program: &'p Program,
    poll: OwnedFd,
    sides: Vec<Option<Side>>,
    input: Vec<u8>,
}

impl Program {
    /// The one at `path`, which the php-fpm at `socket` runs.
    pub(super) fn new(socket: &OsStr, path: &OsStr) -> io::Result<Self> {
        let path = Path::new(path);
        let folder = path.parent().unwrap_or(path).as_os_str().as_bytes();
        let name = path.file_name().unwrap_or_default().as_bytes();
        let name = [b"/", name].concat();
        let mut standing = Vec::new();
        for (name, value) in [
            (&b"SCRIPT_FILENAME"[..], path.as_os_str().as_bytes()),
            (b"SCRIPT_NAME", &name),
            (b"DOCUMENT_URI", &name),
            (b"DOCUMENT_ROOT", folder),
            (b"QUERY_STRING", b""),
            (b"REQUEST_METHOD", b"GET"),
            (b"CONTENT_TYPE", b""),
            (b"CONTENT_LENGTH", b""),
            (b"SERVER_PROTOCOL", b"HTTP/1.1"),
            (b"REQUEST_SCHEME", b"http"),
            (b"GATEWAY_INTERFACE", b"CGI/1.1"),
            (b"SERVER_SOFTWARE", b"floor"),
            (b"REDIRECT_STATUS", b"200"),
            (b"REMOTE_ADDR", b"127.0.0.1"),
            (b"SERVER_ADDR", b"127.0.0.1"),
        ] {
            push_pair(name, value, &mut standing);
        }
        Ok(Self { address: SocketAddrUnix::new(socket.as_bytes())?, standing })
    }

    /// What asks it for `target` of `host`.
    fn question(&self, target: &[u8], host: &[u8]) -> Vec<u8> {
        let mut pairs = self.standing.clone();
        push_pair(b"REQUEST_URI", target, &mut pairs);
        push_pair(b"SERVER_NAME", host, &mut pairs);
        push_pair(b"HTTP_HOST", host, &mut pairs);
        let mut question = Vec::with_capacity(pairs.len() + 6 * RECORD_BYTES);
        // A responder, which closes the connection behind its answer.
        push_record(BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0], &mut question);
        push_record(PARAMS, &pairs, &mut question);
        push_record(PARAMS, b"", &mut question);
        push_record(STDIN, b"", &mut question);
        question
    }
}

/// Accepts, asks and answers for ever.
pub(super) fn serve(listener: &TcpListener, program: &Program) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let listener_key = key(listener);
    epoll::add(&poll, listener, EventData::new_u64(listener_key), EventFlags::IN)?;
    let (sides, input) = (Vec::new(), vec![0; INPUT_BYTES]);
    let mut relay = Relay { program, poll, sides, input };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&relay.poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == listener_key {
                while let Some(socket) = take_waiting(listener) {
                    let side = |socket| Side::Client { socket, waits: false, has_ended: false };
                    relay.put(side, socket)?;
                }
                continue;
            }
            relay.go_on(key as usize)?;
        }
    }
}

impl Relay<'_> {
    /// Watches a socket. Of a client it is told once when something has come: one that hangs up is
    /// left as it is until its answer is there.
    fn put(&mut self, side: impl FnOnce(OwnedFd) -> Side, socket: OwnedFd) -> io::Result<()> {
        let (key, side) = (key(&socket), side(socket));
        let (socket, flags) = match &side {
            Side::Client { socket, .. } => (socket, EventFlags::IN | EventFlags::ET),
            Side::Application { socket, .. } => (socket, EventFlags::IN),
        };
        epoll::add(&self.poll, socket, EventData::new_u64(key), flags)?;
        let index = key as usize;
        if self.sides.len() <= index {
            self.sides.resize_with(index + 1, || None);
        }
        self.sides[index] = Some(side);
        Ok(())
    }

    /// Reads what has come by the socket of that number.
    fn go_on(&mut self, index: usize) -> io::Result<()> {
        match self.sides.get_mut(index).and_then(Option::take) {
            Some(Side::Client { socket, waits, .. }) => {
                let read = match rustix::io::read(&socket, &mut *self.input) {
                    Err(rustix::io::Errno::AGAIN) => None,
                    read => Some(read.unwrap_or(0)),
                };
                let (asks, has_ended) = (read > Some(0), read == Some(0));
                if has_ended && !waits {
                    return Ok(());
                }
                self.sides[index] = Some(Side::Client { socket, waits: waits || asks, has_ended });
                match read {
                    Some(count @ 1..) => self.ask(index, count),
                    _ => Ok(()),
                }
            }
            Some(Side::Application { socket, client, mut said }) => {
                let is_over = loop {
                    match rustix::io::read(&socket, &mut *self.input) {
                        Ok(0) => break true,
                        Ok(count) => {
                            said.extend_from_slice(&self.input[..count]);
                            if count < self.input.len() {
                                break ends(&said);
                            }
                        }
                        Err(rustix::io::Errno::AGAIN) => break false,
                        Err(error) => return Err(error.into()),
                    }
                };
                if !is_over {
                    self.sides[index] = Some(Side::Application { socket, client, said });
                    return Ok(());
                }
                drop(socket);
                self.answer(client, &said)
            }
            None => Ok(()),
        }
    }

    /// Asks the program what the first `count` bytes of the input ask for.
    fn ask(&mut self, client: usize, count: usize) -> io::Result<()> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        if !matches!(request.parse(&self.input[..count]), Ok(httparse::Status::Complete(_))) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let host = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
        let host = host.map(|field| field.value).unwrap_or_default();
        let question = self.program.question(request.path.unwrap_or("/").as_bytes(), host);
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
        let socket = rustix::net::socket_with(family, kind, flags, None)?;
        rustix::net::connect(&socket, &self.program.address)?;
        let sent = rustix::net::send(&socket, &question, SendFlags::NOSIGNAL)?;
        whole(sent == question.len())?;
        self.put(|socket| Side::Application { socket, client, said: Vec::new() }, socket)
    }

    /// Sends the client of that number what its program has said.
    fn answer(&mut self, client: usize, said: &[u8]) -> io::Result<()> {
        let Some(Some(Side::Client { socket, waits, has_ended })) = self.sides.get_mut(client)
        else {
            return Ok(());
        };
        *waits = false;
        let said = records(said).filter(|(kind, _)| *kind == STDOUT).map(|(_, data)| data);
        let mut pieces: Vec<_> = [&b""[..]].into_iter().chain(said).collect();
        // The program's own fields end in the first record.
        let first = pieces.get(1).copied().unwrap_or_default();
        let end = first.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let bytes = pieces.iter().map(|piece| piece.len()).sum::<usize>() - end;
        let head = format!(
            "HTTP/1.1 200 OK\r\nserver: floor\r\ndate: Tue, 24 Nov 2026 14:56:00 GMT\r\n\
             content-type: text/html; charset=UTF-8\r\ncontent-length: {bytes}\r\n\r\n"
        );
        pieces[0] = head.as_bytes();
        if let Some(content) = pieces.get_mut(1) {
            *content = &first[end..];
        }
        let pieces: Vec<_> = pieces.into_iter().map(io::IoSlice::new).collect();
        // Whoever has gone needs no answer.
        let sent = rustix::io::writev(&*socket, &pieces).unwrap_or(head.len() + bytes);
        if *has_ended {
            self.sides[client] = None;
        }
        whole(sent == head.len() + bytes)
    }
}

/// The records in `said`, each with its kind.
fn records(mut said: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = said.split_first_chunk::<RECORD_BYTES>()?;
        let bytes = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let data = rest.get(..bytes)?;
        said = rest.get(bytes + usize::from(head[6])..)?;
        Some((head[1], data))
    })
}

/// What goes out goes in one call.
fn whole(is_whole: bool) -> io::Result<()> {
    if is_whole { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Whether `said` is all that a program says.
fn ends(said: &[u8]) -> bool {
    records(said).any(|(kind, _)| kind == END)
}

fn push_record(kind: u8, data: &[u8], out: &mut Vec<u8>) {
    let [high, low] = (data.len() as u16).to_be_bytes();
    out.extend_from_slice(&[1, kind, 0, 1, high, low, 0, 0]);
    out.extend_from_slice(data);
}

/// Appends a variable, whose name is short.
fn push_pair(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(&(value.len() as u32 | 0x8000_0000).to_be_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}
