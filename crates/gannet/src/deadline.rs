//! A stream of which each piece of work has a time by which it has to be over, however slowly
//! bytes come.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// When what is under way has to be over; it is set anew for each piece of work.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Arc<Mutex<Instant>>);

impl Deadline {
    /// So much time from now on.
    pub(crate) fn after(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now() + time)))
    }

    /// The same, anew.
    pub(crate) fn set(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }

    /// How much of it is left.
    fn left(&self) -> io::Result<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A stream with such a time.
pub(crate) struct Timed {
    stream: TcpStream,
    deadline: Deadline,
    /// How long each read and write may take.
    word: Duration,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream, deadline: Deadline, word: Duration) -> Self {
        Self { stream, deadline, word }
    }
}

impl Read for Timed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.left()?;
        self.stream.set_read_timeout(Some(left.min(self.word)))?;
        self.stream.read(room)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.deadline.left()?;
        self.stream.set_write_timeout(Some(left.min(self.word)))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    #[test]
    fn who_says_a_byte_now_and_then_is_not_heard_for_ever() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        thread::spawn(move || while other.write_all(b"x").is_ok() {});
        let deadline = Deadline::after(Duration::from_millis(100));
        let mut timed = Timed::new(stream, deadline.clone(), Duration::from_secs(600));
        let begun = Instant::now();
        let fault = loop {
            if let Err(fault) = timed.read(&mut [0; 1]) {
                break fault;
            }
        };
        assert_eq!(fault.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert_eq!(timed.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
        deadline.set(Duration::from_secs(600));
        assert_eq!(timed.read(&mut [0; 1]).unwrap(), 1);
    }
}
