//! The floor: one epoll loop that parses request heads and sends one canned answer.
//!
//! `floor PORT [FILE]` answers every request on 127.0.0.1:PORT with 200 and the content of FILE,
//! or with 304 where no FILE is given; `floor PORT SOCKET PROGRAM` with what the php-fpm at SOCKET
//! makes of PROGRAM. It has no routes, no limits and no deadlines: it shows what the kernel and the
//! parsing of a head cost, so that a server's figure can be read as a multiple of what nobody can
//! avoid.

mod relay;

use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{SendFlags, SocketFlags};

/// Content from this size on goes out by `sendfile`, as in the servers that are measured.
const SENDFILE_BYTES_MIN: u64 = 64 * 1024;
/// Answers in memory are repeated up to this size, so that a batch of them is one write.
const BATCH_BYTES: u64 = 64 * 1024;
/// One read takes this much; a head that does not fit into it ends the connection.
const INPUT_BYTES: usize = 64 * 1024;
/// Field lines of a request head.
const FIELDS_MAX: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let usage = "floor PORT [FILE], or floor PORT SOCKET PROGRAM";
    let port = words.first().and_then(|word| word.to_str()).ok_or(usage)?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    // Accepted sockets inherit it, which saves a system call for each of them.
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    let served = match &words[1..] {
        [socket, path] => relay::serve(&listener, &relay::Program::new(socket, path)?),
        file => serve(&listener, &Answer::new(file.first().map(|word| word.as_os_str()))?),
    };
    Ok(served?)
}

/// Accepts, reads and answers for ever.
fn serve(listener: &TcpListener, answer: &Answer) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let listener_key = key(listener);
    epoll::add(&poll, listener, EventData::new_u64(listener_key), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut input = vec![0; INPUT_BYTES];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == listener_key {
                accept(listener, &poll, &mut connections)?;
                continue;
            }
            let Some(slot) = connections.get_mut(key as usize) else { continue };
            let Some(connection) = slot else { continue };
            let was_blocked = connection.owed > 0;
            match connection.advance(answer, &mut input) {
                Ok(true) if (connection.owed > 0) != was_blocked => {
                    let flags = if was_blocked { EventFlags::IN } else { EventFlags::OUT };
                    epoll::modify(&poll, &connection.socket, EventData::new_u64(key), flags)?;
                }
                Ok(true) => {}
                Ok(false) | Err(_) => *slot = None,
            }
        }
    }
}

/// Takes every waiting connection; each is kept at the index of its descriptor.
fn accept(
    listener: &TcpListener,
    poll: &OwnedFd,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    while let Some(socket) = take_waiting(listener) {
        let key = key(&socket);
        epoll::add(poll, &socket, EventData::new_u64(key), EventFlags::IN)?;
        let index = key as usize;
        if connections.len() <= index {
            connections.resize_with(index + 1, || None);
        }
        connections[index] = Some(Connection { socket, owed: 0 });
    }
    Ok(())
}

/// A connection that waits, if one does.
fn take_waiting(listener: &TcpListener) -> Option<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::accept_with(listener, flags).ok()
}

fn key(socket: &impl AsFd) -> u64 {
    u64::from(socket.as_fd().as_raw_fd().unsigned_abs())
}

/// The one answer, ready to be sent.
struct Answer {
    /// Bytes of head and content.
    length: u64,
    /// The answer several times over, or its head alone where the content is sent from `file`.
    memory: Vec<u8>,
    file: Option<File>,
}

impl Answer {
    fn new(path: Option<&OsStr>) -> io::Result<Self> {
        let Some(path) = path else {
            let head = head("304 Not Modified", "");
            return Ok(Self::in_memory(head.as_bytes()));
        };
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let fields = format!(
            "content-type: text/html\r\naccept-ranges: bytes\r\ncontent-length: {size}\r\n"
        );
        let mut memory = head("200 OK", &fields).into_bytes();
        if size >= SENDFILE_BYTES_MIN {
            return Ok(Self { length: memory.len() as u64 + size, memory, file: Some(file) });
        }
        file.read_to_end(&mut memory)?;
        Ok(Self::in_memory(&memory))
    }

    fn in_memory(once: &[u8]) -> Self {
        let length = once.len() as u64;
        let times = (BATCH_BYTES / length).max(1) as usize;
        Self { length, memory: once.repeat(times), file: None }
    }

    /// Sends what one system call takes of the `owed` last bytes of a row of answers.
    fn send(&self, socket: &OwnedFd, owed: u64) -> rustix::io::Result<u64> {
        let start = (self.length - owed % self.length) % self.length;
        let waiting = self.memory.get(start as usize..).unwrap_or_default();
        let sent = match &self.file {
            None => {
                let end = waiting.len().min(owed as usize);
                rustix::net::send(socket, &waiting[..end], SendFlags::NOSIGNAL)?
            }
            Some(_) if !waiting.is_empty() => {
                rustix::net::send(socket, waiting, SendFlags::NOSIGNAL | SendFlags::MORE)?
            }
            Some(file) => {
                let mut offset = start - self.memory.len() as u64;
                let rest = (self.length - start) as usize;
                rustix::fs::sendfile(socket, file, Some(&mut offset), rest)?
            }
        };
        Ok(sent as u64)
    }
}

/// A head as long as the ones that the measured servers send.
fn head(status: &str, fields: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nserver: floor\r\ndate: Tue, 24 Nov 2026 14:56:00 GMT\r\n\
         last-modified: Tue, 24 Nov 2026 14:56:00 GMT\r\netag: \"5f-3b5\"\r\n{fields}\r\n"
    )
}

/// One client.
struct Connection {
    socket: OwnedFd,
    /// Bytes of answers that are still to be sent; nothing is read before they are gone.
    owed: u64,
}

impl Connection {
    /// Reads what there is and answers all of it; false when the connection is over.
    fn advance(&mut self, answer: &Answer, input: &mut [u8]) -> io::Result<bool> {
        if self.owed == 0 {
            let read = match rustix::io::read(&self.socket, &mut *input) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(rustix::io::Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            self.owed = answer.length * count(&input[..read])?;
        }
        while self.owed > 0 {
            match answer.send(&self.socket, self.owed) {
                Ok(0) => return Ok(false),
                Ok(sent) => self.owed -= sent,
                Err(rustix::io::Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// How many requests `input` holds. A head that is cut off or wrong is an error: the floor keeps no
/// input from one read to the next.
fn count(input: &[u8]) -> io::Result<u64> {
    let (mut used, mut requests) = (0, 0);
    while used < input.len() {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        match httparse::Request::new(&mut fields).parse(&input[used..]) {
            Ok(httparse::Status::Complete(length)) => used += length,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        requests += 1;
    }
    Ok(requests)
}
