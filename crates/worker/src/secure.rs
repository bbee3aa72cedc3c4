//! TLS on a connection, between its socket and its protocol room.
//!
//! A turn works in room that the loop lends it, as with everything else. What it leaves undone is
//! kept: half a record that has come, and records that have not been sent.

use crate::{
    core::Core,
    gathering::gather,
    log::{Incident, Kind},
    record::{About, Subject},
    records::{READ_BYTES, Records},
    socket::Socket,
};
use base::Moment;
use control::{
    Counter,
    lives::{Name, What},
    trail::Phase,
};
use message::Output;
use net::socket;
use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    net::IpAddr,
    os::fd::AsFd,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tls::{Event, Failure, Protocol, RECORD_BYTES_MAX, Received, Why};

/// Reads in a row that nothing comes of before the others of the loop have a turn.
const IDLE_READS_MAX: u32 = 8;

/// The TLS of one connection.
pub(crate) struct Secure {
    tls: tls::Connection,
    listener: usize,
    /// What the connection is called in what is told of its life.
    name: Name,
    /// Until when hands must be shaken.
    until: Moment,
    left: Option<Box<Left>>,
    peer_has_ended: bool,
    /// Whether the last answer was cut off, which must not look like its end.
    is_cut: bool,
    /// The last other host that it was found to be good for: to find that out takes locks that all
    /// loops share, and a certificate has to be read.
    covered: RefCell<Option<Box<str>>>,
    /// Whom the certificate of the client is of, where it has to show one.
    certificate: Option<Arc<str>>,
}

/// What a turn left undone.
struct Left {
    sealed: Vec<u8>,
    unsent: Vec<u8>,
}

/// What reading has come to.
pub(crate) enum Intake {
    /// So many plain bytes, perhaps none.
    Plain(usize),
    /// The peer will send nothing more.
    End,
    /// It is no TLS: these bytes are in clear.
    Foreign(Vec<u8>),
    /// It does not go on.
    Over,
}

impl Secure {
    /// On a connection to that listener, which has until then to shake hands.
    pub(crate) fn new(listener: usize, until: Moment, name: Name) -> Self {
        Self {
            tls: tls::Connection::default(),
            listener,
            name,
            until,
            left: None,
            peer_has_ended: false,
            is_cut: false,
            covered: RefCell::default(),
            certificate: None,
        }
    }

    /// Lays out what the last turn left undone.
    pub(crate) fn lay_out(&mut self, records: &mut Records) {
        records.sealed.resize(READ_BYTES, 0);
        records.count = 0;
        match self.left.take() {
            None => records.output.lay_out(&[]),
            Some(left) => {
                records.put(&left.sealed);
                records.output.lay_out(&left.unsent);
            }
        }
    }

    /// Keeps what is left undone, if anything is.
    pub(crate) fn keep(&mut self, records: &Records) {
        if records.count > 0 || !records.output.is_empty() {
            let sealed = records.sealed[..records.count].to_vec();
            self.left = Some(Box::new(Left { sealed, unsent: records.output.unsent().to_vec() }));
        }
    }

    /// Whether nothing is under way that closing would spoil.
    pub(crate) fn is_idle(&self) -> bool {
        self.left.is_none() && !self.tls.is_shaking()
    }

    /// Whether that is so but for a part of a record that has come.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_sent = |left: &Left| left.unsent.is_empty();
        self.left.as_deref().is_none_or(is_sent) && !self.tls.is_shaking()
    }

    /// Whether the client owes the rest of what it has begun: a handshake, or a record.
    pub(crate) fn is_owed(&self) -> bool {
        let has_part = |left: &Left| !left.sealed.is_empty();
        self.tls.is_shaking() || self.left.as_deref().is_some_and(has_part)
    }

    pub(crate) fn is_shaking(&self) -> bool {
        self.tls.is_shaking()
    }

    /// The protocol that was chosen, once that is known.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.tls.protocol()
    }

    /// Whom the certificate of the client is of that was verified, where it had to show one.
    pub(crate) fn certificate(&self) -> Option<&Arc<str>> {
        self.certificate.as_ref()
    }

    /// When it has to be looked at again; `NEVER` once hands are shaken.
    pub(crate) fn deadline(&self) -> Moment {
        if self.tls.is_beginning() || self.tls.is_shaking() { self.until } else { Moment::NEVER }
    }

    /// Whether the connection was made for a name and a site that `host` is not covered by.
    pub(crate) fn misdirects(&self, host: &str, core: &Core) -> bool {
        let is_it = |name: &str| name.eq_ignore_ascii_case(host);
        if self.tls.name().is_some_and(is_it) || self.covered.borrow().as_deref().is_some_and(is_it)
        {
            return false;
        }
        let other = core.plan.site_number(host, self.listener);
        let (Some(sites), Some(other)) = (core.sites, other) else { return false };
        let covers = |own| own == other || sites.covers(own, other, host);
        let is_good = self.tls.site().is_some_and(covers);
        if is_good {
            *self.covered.borrow_mut() = Some(host.into());
        }
        !is_good
    }

    /// Takes in what has come: plain bytes at the front of `room`.
    pub(crate) fn poll_receive(
        &mut self,
        socket: &Socket,
        (room, records): (&mut [u8], &mut Records),
        (core, client): (&Core, Option<IpAddr>),
        context: &mut Context<'_>,
    ) -> Poll<Intake> {
        if self.peer_has_ended {
            return Poll::Ready(Intake::End);
        }
        poll_often(context, |context| {
            let count = ready!(socket.poll_receive(&mut records.sealed[records.count..], context));
            if count == 0 {
                return Poll::Ready(Some(Intake::End));
            }
            records.count += count;
            Poll::Ready(match self.open(room, records, (core, client)) {
                Intake::Plain(0) if records.output.is_empty() && !self.peer_has_ended => None,
                Intake::Plain(0) if self.peer_has_ended => Some(Intake::End),
                intake => Some(intake),
            })
        })
    }

    /// The same of what is there at once, or has been read in clear behind a balancer's header.
    pub(crate) fn receive_now(
        &mut self,
        socket: &Socket,
        (room, records): (&mut [u8], &mut Records),
        about: (&Core, Option<IpAddr>),
    ) -> Intake {
        let received = socket::receive(socket.as_fd(), &mut records.sealed[records.count..]);
        records.count += received.unwrap_or(0);
        self.open(room, records, about)
    }

    /// Opens the records that are whole.
    pub(crate) fn open(
        &mut self,
        room: &mut [u8],
        records: &mut Records,
        (core, client): (&Core, Option<IpAddr>),
    ) -> Intake {
        let Some(sites) = core.sites else { return Intake::Over };
        if !self.tls.is_open() {
            core.trail.go(Phase::ShakingHands);
        }
        let Records { sealed, count, output, .. } = records;
        let came = &mut sealed[..*count];
        let Received { used, plain, event } =
            self.tls.receive(came, room, output, (sites, self.listener));
        sealed.copy_within(used..*count, 0);
        *count -= used;
        match event {
            Event::None => {}
            Event::Opened { is_resumed } => {
                core.count(Counter::Handshakes);
                core.count_many(Counter::HandshakesResumed, u64::from(is_resumed));
                self.certificate = self.tls.client().map(Arc::from);
                let (version, suite) = self.tls.terms();
                core.tell(self.name, What::Shaken { is_resumed, version, suite });
            }
            Event::Proved => {
                core.count(Counter::Handshakes);
                return Intake::Over;
            }
            Event::PeerEnded => self.peer_has_ended = true,
            Event::Foreign => {
                let clear = sealed[..*count].to_vec();
                *count = 0;
                return Intake::Foreign(clear);
            }
            Event::Failed(failure) => {
                report(failure, core, (client, self.tls.name()));
                *count = 0;
                return Intake::Over;
            }
        }
        Intake::Plain(plain)
    }

    /// Takes notice of an end that comes before hands are shaken, where the client had begun to.
    pub(crate) fn part(&self, records: &Records, core: &Core, client: Option<IpAddr>) {
        let has_begun = self.tls.is_beginning() && records.count > 0;
        if has_begun || self.tls.is_shaking() {
            let words = match core.now() >= self.until {
                true => "hands were not shaken within `handshake-time`",
                false => "the client has left before hands were shaken",
            };
            report(Failure { why: Why::Broken, words }, core, (client, self.tls.name()));
        }
    }

    /// The last answer was cut off.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Says that nothing more will come, unless it was said before or is not so; whether there is
    /// something to send now.
    pub(crate) fn end(&mut self, records: &mut Records) -> bool {
        if self.is_cut {
            return false;
        }
        self.tls.end(&mut records.sealed[..records.count], &mut records.output);
        !records.output.is_empty()
    }

    /// The same, without waiting for a peer that takes nothing.
    pub(crate) fn end_now(&mut self, socket: &Socket, records: &mut Records) {
        if records.output.is_empty() && self.end(records) {
            // Whoever is gone need not know.
            let _ = socket::send(socket.as_fd(), records.output.unsent());
            records.output.lay_out(&[]);
        }
    }

    /// Seals what stands in front of `output`, at most so many bytes: how many; zero if a file ends
    /// before its time, and `None` if a disk would have to be waited for, unless that
    /// `was_waited_for`. Pieces that are short share their records.
    pub(crate) fn seal(
        &mut self,
        output: &mut Output,
        most: usize,
        was_waited_for: bool,
        records: &mut Records,
    ) -> io::Result<Option<usize>> {
        let Records { sealed, count, output: outgoing, plain } = records;
        let came = &mut sealed[..*count];
        let room = most.min(outgoing.plain_bytes_max());
        let front = output.front();
        if front.len() >= RECORD_BYTES_MAX.min(room) || output.is_run() {
            let bytes = &front[..front.len().min(room)];
            let taken = self.tls.seal(came, bytes, outgoing).map_err(|_| broken())?;
            output.advance(taken);
            return Ok(Some(taken));
        }
        if plain.len() < room {
            plain.resize(room, 0);
        }
        let Some(filled) = gather(output, &mut plain[..room], was_waited_for)? else {
            return Ok(None);
        };
        let taken = self.tls.seal(came, &plain[..filled], outgoing).map_err(|_| broken())?;
        output.advance(taken);
        Ok(Some(taken))
    }
}

/// Does `read` until something comes of it; where nothing does again and again, though it never has
/// to wait, the task is woken to go on when the others of its loop had a turn.
fn poll_often<T>(
    context: &mut Context<'_>,
    mut read: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>,
) -> Poll<T> {
    for _ in 0..IDLE_READS_MAX {
        if let Some(came) = ready!(read(context)) {
            return Poll::Ready(came);
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Counts and tells of a connection that TLS could not be spoken on.
fn report(
    Failure { why, words }: Failure,
    core: &Core,
    (client, name): (Option<IpAddr>, Option<&str>),
) {
    core.count(Counter::HandshakesFailed);
    kind(why).into_iter().for_each(|counter| core.count(counter));
    let subject = name.map_or(Subject::Refused(b""), Subject::Hello);
    let about = Some(About { client, id: None, user: None, certificate: None, subject });
    core.report(&Incident { about, ..Incident::new(Kind::Refused, words) });
}

/// What failures of that kind are counted by, beside all of them.
fn kind(why: Why) -> Option<Counter> {
    Some(match why {
        Why::Name => Counter::HandshakesNameless,
        Why::Refused => Counter::HandshakesRefused,
        Why::Uncertified => Counter::HandshakesUncertified,
        Why::Incompatible => Counter::HandshakesIncompatible,
        Why::Broken => return None,
    })
}

fn broken() -> io::Error {
    ErrorKind::BrokenPipe.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::{Wake, Waker},
    };

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What comes of reads of which the first `idle` bring nothing, and how often one is woken.
    fn read(idle: u32, then: Poll<Option<u32>>) -> (Poll<u32>, u32) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut reads = 0;
        let polled = poll_often(&mut Context::from_waker(&waker), |_| {
            reads += 1;
            if reads <= idle { Poll::Ready(None) } else { then }
        });
        (polled, woken.0.load(Ordering::Relaxed))
    }

    #[test]
    fn who_sends_records_of_nothing_leaves_a_turn_to_others() {
        let came = Poll::Ready(Some(7));
        assert_eq!(read(0, came), (Poll::Ready(7), 0));
        assert_eq!(read(IDLE_READS_MAX - 1, came), (Poll::Ready(7), 0));
        assert_eq!(read(2, Poll::Pending), (Poll::Pending, 0), "the socket wakes");
        assert_eq!(read(u32::MAX, came), (Poll::Pending, 1));
    }
}
