//! Asks a php-fpm how it is, at the socket that it has for that.

use fastcgi::{Answer, Event, FIRST_ID, Limits, Variables};
use std::{
    io::{self, ErrorKind},
    os::{fd::OwnedFd, unix::net},
};
use supervisor::fpm::SHOWN_NAME;
use tokio::net::UnixStream;

/// Bytes of what one says at most: some 500 for each worker.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that one read takes.
const READ_BYTES: usize = 16 * 1024;

/// Asks the one at the other end of `socket`; of each of its workers, too, where that is in full.
/// How long that may take is for others to say.
pub(crate) async fn ask(socket: OwnedFd, is_full: bool) -> io::Result<String> {
    let stream = net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    let stream = UnixStream::from_std(stream)?;
    let mut question = question(is_full);
    while !question.is_empty() {
        stream.writable().await?;
        match stream.try_write(&question) {
            Ok(count) => drop(question.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = Answer::new(FIRST_ID, Limits::default());
    let (mut unread, mut content) = (Vec::new(), Vec::new());
    loop {
        let fault = |fault| io::Error::other(format!("{fault:?}"));
        match answer.receive(&unread).map_err(fault)? {
            (_, Event::End) => break,
            (used, Event::Incomplete) => {
                unread.drain(..used);
                if read(&stream, &mut unread).await? == 0 || content.len() > ANSWER_BYTES_MAX {
                    return Err(io::Error::other("it has not said all"));
                }
            }
            (used, event) => {
                if let Event::Content(piece) = event {
                    content.extend_from_slice(piece);
                }
                unread.drain(..used);
            }
        }
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}

fn question(is_full: bool) -> Vec<u8> {
    let variables = Variables::given([
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", SHOWN_NAME),
        ("SCRIPT_FILENAME", SHOWN_NAME),
        ("QUERY_STRING", if is_full { "full" } else { "" }),
    ]);
    let mut question = variables.begin(FIRST_ID, false);
    fastcgi::stdin(FIRST_ID, b"", &mut question);
    question
}

/// Waits for more, and appends it: how many bytes; none at the end.
async fn read(stream: &UnixStream, unread: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        let mut room = [0; READ_BYTES];
        match stream.try_read(&mut room) {
            Ok(count) => {
                unread.extend_from_slice(room.get(..count).unwrap_or_default());
                return Ok(count);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
