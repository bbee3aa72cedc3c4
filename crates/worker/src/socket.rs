//! Sockets on their loop. What listens and what is connected may be of TCP or of Unix; nobody
//! outside of this file has to ask which.

use config::plan::Upstream;
use fastcgi::Ends;
use net::{
    listener::Listening,
    socket::{self, Received},
    unix,
};
use std::{
    cell::{Cell, OnceCell},
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::timeout,
};

/// A socket that connections come in by.
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Time for a connection to an application.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A connected socket.
pub(crate) struct Socket {
    stream: Stream,
    /// The addresses at its two ends, once somebody has asked for them.
    ends: OnceCell<Ends>,
    /// Whether its peer is known to have said that nothing more will come.
    has_ended: Cell<bool>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Of which kind, nobody has to know.
    Application(AsyncFd<OwnedFd>),
}

impl Acceptor {
    /// Has the loop look after a copy of `listening`.
    pub(crate) fn new(listening: &Listening) -> io::Result<Self> {
        Ok(match listening {
            Listening::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket.try_clone()?)?),
            Listening::Unix(socket) => Self::Unix(UnixListener::from_std(socket.try_clone()?)?),
        })
    }

    /// The port that connections come in by; 0 where there is none.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or(0, |own| own.port()),
            Self::Unix(_) => 0,
        }
    }

    /// The next connection, and where its client is, which one on a Unix socket does not say.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, client) = listener.accept().await?;
                Ok((Stream::Tcp(socket).into(), Some(client)))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok((Stream::Unix(socket).into(), None))
            }
        }
    }
}

impl From<Stream> for Socket {
    fn from(stream: Stream) -> Self {
        Self { stream, ends: OnceCell::new(), has_ended: Cell::new(false) }
    }
}

impl Socket {
    /// A connection to an application, and how much of `first` it has been sent, which is all that
    /// it is told or not; `TimedOut` where it takes no connections.
    pub(crate) async fn connect(
        address: &Upstream,
        first: &[u8],
        is_all: bool,
    ) -> io::Result<(Self, usize)> {
        match address {
            Upstream::Unix(path) => {
                Self::of_application(unix::connect_at_once(path)?, first, is_all)
            }
            Upstream::Tcp(address) => {
                let connected = timeout(CONNECT_TIME, TcpStream::connect(address)).await??;
                Ok((Stream::Tcp(connected).into(), 0))
            }
        }
    }

    /// The connection to an application which this is, and how much of `first` it has been sent:
    /// what the kernel takes now need not wait for the loop to know the socket. Where that is all
    /// that is said, the loop is not woken for there being room for more.
    pub(crate) fn of_application(
        descriptor: OwnedFd,
        first: &[u8],
        is_all: bool,
    ) -> io::Result<(Self, usize)> {
        // Where this fails, sending again does, and there that is told.
        let sent = socket::send(descriptor.as_fd(), first).unwrap_or(0);
        let interest = match is_all && sent == first.len() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        #[expect(deprecated, reason = "what replaces it has the caller vouch for the descriptor")]
        let stream = Stream::Application(AsyncFd::with_interest(descriptor, interest)?);
        Ok((stream.into(), sent))
    }

    /// The same for another loop to go on with.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        Ok(match self.stream {
            Stream::Tcp(socket) => socket.into_std()?.into(),
            Stream::Unix(socket) => socket.into_std()?.into(),
            Stream::Application(socket) => socket.into_inner(),
        })
    }

    /// The addresses at its two ends.
    pub(crate) fn ends(&self) -> &Ends {
        self.ends.get_or_init(|| match &self.stream {
            Stream::Tcp(socket) => Ends::new(socket.local_addr().ok(), socket.peer_addr().ok()),
            Stream::Unix(_) | Stream::Application(_) => Ends::new(None, None),
        })
    }

    /// Takes what has come, as much as `room` holds; zero at the end, or where it is broken.
    pub(crate) fn poll_receive(&self, room: &mut [u8], context: &mut Context<'_>) -> Poll<usize> {
        let room_bytes = room.len();
        let take = |socket: BorrowedFd<'_>| {
            Ok(Received::of(socket::receive(socket, &mut *room)?, room_bytes))
        };
        self.poll_read(take, context).map(|read| match read {
            Ok(received) => {
                self.has_ended.set(self.has_ended() || received.bytes == 0 && room_bytes > 0);
                received.bytes
            }
            Err(_) => 0,
        })
    }

    /// Whether its peer is known to have said that nothing more will come, with a FIN.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Its peer has said so, as somebody has found out.
    pub(crate) fn note_end(&self) {
        self.has_ended.set(true);
    }

    /// Takes what has come by `take`; told how the socket is broken.
    pub(crate) fn poll_read(
        &self,
        mut take: impl FnMut(BorrowedFd<'_>) -> io::Result<Received>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Received>> {
        loop {
            let ready = match &self.stream {
                Stream::Tcp(socket) => socket.poll_read_ready(context),
                Stream::Unix(socket) => socket.poll_read_ready(context),
                Stream::Application(socket) => socket.poll_read_ready(context).map_ok(drop),
            };
            ready!(ready)?;
            match self.attempt(Interest::READABLE, &mut take) {
                Ok(received) => {
                    if received.is_all {
                        // The socket is empty now. To say so spares the call that would find out.
                        let empty = |_: BorrowedFd<'_>| Err(io::ErrorKind::WouldBlock.into());
                        let _ = self.attempt::<()>(Interest::READABLE, empty);
                    }
                    return Poll::Ready(Ok(received));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Whether it has broken, which is told once.
    pub(crate) fn has_failed(&self) -> bool {
        socket::has_failed(self.as_fd())
    }

    /// Writes by `call`; `WouldBlock` where that finds the socket full, or it is known to be.
    pub(crate) fn write<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.attempt(Interest::WRITABLE, call)
    }

    /// Waits until the socket takes something again.
    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(socket) => socket.poll_write_ready(context),
            Stream::Unix(socket) => socket.poll_write_ready(context),
            Stream::Application(socket) => socket.poll_write_ready(context).map_ok(drop),
        }
    }

    fn attempt<T>(
        &self,
        interest: Interest,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.stream {
            Stream::Tcp(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Stream::Unix(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Stream::Application(socket) => socket.try_io(interest, |socket| call(socket.as_fd())),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(socket) => socket.as_fd(),
            Stream::Unix(socket) => socket.as_fd(),
            Stream::Application(socket) => socket.as_fd(),
        }
    }
}
