//! A client that sends exactly the bytes it is given and reads strictly what comes back.

use crate::{
    PATIENCE,
    response::{Bytes, Checked, Fault, Response, fault},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{ioctl_fionread, retry_on_intr},
    net::{
        AddressFamily, SocketFlags, SocketType, bind, connect, socket_with,
        sockopt::{set_socket_linger, set_socket_recv_buffer_size},
    },
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    thread,
    time::Duration,
};

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// What has come and is not read yet.
    unread: Vec<u8>,
    /// How many bytes are read at a time, and how long this side rests before each.
    pace: (usize, Duration),
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order (FIN).
    Closed,
    /// By a reset (RST).
    Reset,
}

impl Client {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).expect("the server accepts"))
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("the server accepts");
        // Nothing that is asked of it here depends on the family of its address.
        Self::timed(TcpStream::from(OwnedFd::from(stream)))
    }

    /// Connects, if anybody listens there.
    pub fn try_connect(addr: SocketAddr) -> Option<Self> {
        TcpStream::connect(addr).ok().map(Self::over)
    }

    /// Connects from another address of this host, such as 127.0.0.2.
    pub fn connect_from(source: IpAddr, addr: SocketAddr) -> Self {
        let socket = unconnected();
        bind(&socket, &SocketAddr::new(source, 0)).unwrap();
        connect(&socket, &addr).expect("the server accepts");
        Self::over(TcpStream::from(socket))
    }

    /// Asks for what is more than the kernel takes for a client that reads nothing, and reads only
    /// the first bytes of it.
    pub fn download(addr: SocketAddr, path: &str) -> Self {
        let mut client = Self::connect_narrow(addr);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
        assert_eq!(client.take(13).unwrap(), b"HTTP/1.1 200 ");
        client
    }

    /// Connects with room for next to nothing on this side, so that the server feels at once when
    /// nobody reads.
    pub fn connect_narrow(addr: SocketAddr) -> Self {
        let socket = unconnected();
        set_socket_recv_buffer_size(&socket, 2048).unwrap();
        connect(&socket, &addr).expect("the server accepts");
        Self::over(TcpStream::from(socket))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::timed(stream)
    }

    fn timed(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, unread: Vec::new(), pace: (64 * 1024, Duration::ZERO) }
    }

    /// The port of this side.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// From now on reads at most `bytes` at a time and rests before each time.
    #[must_use]
    pub fn slowed(mut self, bytes: usize, rest: Duration) -> Self {
        self.pace = (bytes, rest);
        self
    }

    /// The same connection a second time, to send on while the first one reads.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::over(self.stream.try_clone().unwrap())
    }

    /// Sends `bytes` in one write.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Checked<()> {
        self.stream.write_all(bytes.as_ref()).map_err(|e| Fault(format!("cannot send: {e}")))
    }

    /// Sends `bytes`, each byte in a write and a segment of its own.
    pub fn send_dribbling(&mut self, bytes: &[u8]) -> Checked<()> {
        bytes.iter().try_for_each(|byte| self.send([*byte]))
    }

    /// Sends as much of `bytes` as the server takes: ends early once it has taken nothing for
    /// `patience`. Says how much it took.
    pub fn send_until_stalled(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let mut ready = [PollFd::new(&self.stream, PollFlags::OUT)];
                    let patience = Timespec::try_from(patience).unwrap();
                    if retry_on_intr(|| poll(&mut ready, Some(&patience))).unwrap() == 0 {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        self.stream.set_nonblocking(false).unwrap();
        sent
    }

    /// Says that nothing more will be sent; what is to come can still be read.
    pub fn shut(&self) -> Checked<()> {
        let result = self.stream.shutdown(Shutdown::Write);
        result.map_err(|e| Fault(format!("cannot shut: {e}")))
    }

    /// Goes away with a reset instead of an orderly close.
    pub fn abort(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    /// The next response.
    pub fn response(&mut self) -> Checked<Response> {
        Response::read(self, false)
    }

    /// The next response, to a HEAD.
    pub fn response_to_head(&mut self) -> Checked<Response> {
        Response::read(self, true)
    }

    /// Asks for `target`, keeping the connection.
    pub fn get(&mut self, target: &str) -> Checked<Response> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        self.response()
    }

    /// Takes so many bytes, whatever they are.
    pub fn take(&mut self, count: usize) -> Checked<Vec<u8>> {
        self.exactly(count)
    }

    /// Whether something can be read, or the end of it, within `patience`.
    pub fn hears_within(&self, patience: Duration) -> bool {
        let mut ready = [PollFd::new(&self.stream, PollFlags::IN)];
        let patience = Timespec::try_from(patience).unwrap();
        !self.unread.is_empty() || retry_on_intr(|| poll(&mut ready, Some(&patience))).unwrap() == 1
    }

    /// Bytes that the server has sent and that nobody has read. Those on their way by TCP are not
    /// among them.
    pub fn sent_bytes(&self) -> usize {
        self.unread.len() + usize::try_from(ioctl_fionread(&self.stream).unwrap()).unwrap()
    }

    /// Reads nothing, and waits until the server resets the connection.
    pub fn wait_for_reset(&self) {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        // POLLERR and POLLHUP are always reported; nothing else is asked for.
        let mut ended = [PollFd::new(&self.stream, PollFlags::empty())];
        assert_eq!(
            retry_on_intr(|| poll(&mut ended, Some(&patience))).unwrap(),
            1,
            "the server never resets"
        );
        assert!(ended[0].revents().contains(PollFlags::ERR), "{:?}", ended[0].revents());
    }

    /// Reads all that comes, and how it ends.
    pub fn drain(&mut self) -> Checked<(Vec<u8>, Ending)> {
        loop {
            match self.fill() {
                Ok(0) => return Ok((std::mem::take(&mut self.unread), Ending::Closed)),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    return Ok((std::mem::take(&mut self.unread), Ending::Reset));
                }
                Err(e) => return fault(format!("the connection does not end: {e}")),
            }
        }
    }

    /// Checks that the server ends the connection without another byte, and says how.
    pub fn ending(&mut self) -> Checked<Ending> {
        match self.drain()? {
            (bytes, ending) if bytes.is_empty() => Ok(ending),
            (bytes, _) => fault(format!("bytes where none were due: {}", bytes.escape_ascii())),
        }
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        thread::sleep(self.pace.1);
        let mut buffer = vec![0; self.pace.0];
        // A read with a timeout is not taken up again by itself when something interrupts it.
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Reads on until `is_enough` finds an end in what has come; takes what lies before it.
    fn until(&mut self, is_enough: impl Fn(&[u8], usize) -> Option<usize>) -> Checked<Vec<u8>> {
        let mut seen = 0;
        loop {
            if let Some(end) = is_enough(&self.unread, seen) {
                return Ok(self.unread.drain(..end).collect());
            }
            seen = self.unread.len();
            match self.fill() {
                Ok(0) => return fault(format!("cut off behind {}", self.tail())),
                Ok(_) => {}
                Err(e) => return fault(format!("{e} behind {}", self.tail())),
            }
        }
    }

    /// The end of what has come, for a message.
    fn tail(&self) -> String {
        let from = self.unread.len().saturating_sub(60);
        format!("{} bytes \"{}\"", self.unread.len(), self.unread[from..].escape_ascii())
    }
}

/// A socket that servers started by other tests of this process do not inherit.
fn unconnected() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
}

impl Bytes for Client {
    fn line(&mut self) -> Checked<Vec<u8>> {
        self.until(|bytes, seen| {
            bytes[seen..].iter().position(|&byte| byte == b'\n').map(|at| seen + at + 1)
        })
    }

    fn exactly(&mut self, count: usize) -> Checked<Vec<u8>> {
        self.until(|bytes, _| (bytes.len() >= count).then_some(count))
    }

    fn rest(&mut self) -> Checked<Vec<u8>> {
        match self.drain()? {
            (bytes, Ending::Closed) => Ok(bytes),
            (bytes, Ending::Reset) => fault(format!("reset behind {} bytes", bytes.len())),
        }
    }
}
