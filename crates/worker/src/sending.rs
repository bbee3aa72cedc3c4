//! From the output's pieces to the socket: bytes together in one call, files by sendfile.

use crate::{
    core::Core,
    gathering::gather,
    log::{Incident, Kind},
    pool::{Lane, POOL_IS_FULL},
    records::Records,
    secure::Secure,
    share::Share,
    socket::Socket,
};
use base::Moment;
use message::{FileRange, Output, body::Resident};
use net::file;
use std::{
    future::Future,
    io::{self, ErrorKind, IoSlice},
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// Bytes of a file that are read ahead in one step, and sent where more may not be in memory.
const STEP_BYTES: u64 = 256 * 1024;

/// Bytes that a connection may write before the others of its loop get a turn.
const BURST_BYTES: usize = 1024 * 1024;

/// Bytes that are put together for one call.
const GATHERED_BYTES: usize = 128 * 1024;

/// Pieces that one call takes at most.
const SLICES: usize = 32;

/// The piece of a file that is being read on the pool because reading it may block.
#[derive(Default)]
pub(crate) struct Fetch(Option<oneshot::Receiver<io::Result<Option<Vec<u8>>>>>);

/// How far writing came.
pub(crate) enum Written {
    /// Everything is with the kernel.
    All,
    /// The peer, or a slow disk, must be waited for; the task is woken then. Tells whether it is
    /// the peer that is waited for, and how many bytes the kernel took this time.
    Blocked { by_peer: bool, bytes: usize },
    /// The connection is broken, or the file no longer holds what was promised.
    Failed,
}

impl Fetch {
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }
}

/// Who is written to, and the TLS that is spoken with it, if any is.
pub(crate) struct Peer<'p> {
    pub(crate) socket: &'p Socket,
    pub(crate) secure: Option<&'p mut Secure>,
    /// Room for records, and to put pieces together.
    pub(crate) records: &'p mut Records,
    /// Whether nothing follows what is written.
    pub(crate) is_last: bool,
}

/// What writing may have to wait for beside the peer: the disk, and the client's bandwidth. With it
/// the time that it is now.
pub(crate) type Waits<'w> = (&'w mut Fetch, &'w mut Option<Share>, Moment);

/// Writes as much of `output` as the peer takes, and may be sent.
pub(crate) fn write(
    peer: &mut Peer<'_>,
    output: &mut Output,
    (fetch, share, now): Waits<'_>,
    core: &Core,
    context: &mut Context<'_>,
) -> Written {
    let mut written = 0;
    while !output.is_empty() || peer.has_unsent() {
        if written >= BURST_BYTES {
            context.waker().wake_by_ref();
            return Written::Blocked { by_peer: false, bytes: written };
        }
        // As many records as there is room for leave together. What waits for a disk, or for
        // bandwidth, is not waited for.
        let may_seal = !output.is_empty() && share.is_none() && !fetch.is_under_way();
        if peer.has_unsent() && !(may_seal && peer.takes_record()) {
            match peer.send_sealed(output.is_empty(), &mut written, context) {
                None => continue,
                Some(end) => return end,
            }
        }
        let most = match share.as_mut().map(|one| one.usable_bytes(output.len(), core, now)) {
            Some(None) => return Written::Blocked { by_peer: false, bytes: written },
            most => most.flatten(),
        };
        let was_waited_for = match &mut fetch.0 {
            None => false,
            Some(receiver) => {
                let Poll::Ready(fetched) = Pin::new(receiver).poll(context) else {
                    return Written::Blocked { by_peer: false, bytes: written };
                };
                fetch.0 = None;
                match fetched {
                    Ok(Ok(Some(bytes))) if !bytes.is_empty() => {
                        output.put_fetched(bytes);
                        continue;
                    }
                    // In memory now, as far as anybody can tell: sent without asking again.
                    Ok(Ok(None)) => true,
                    Ok(Ok(Some(_)) | Err(_)) | Err(_) => return Written::Failed,
                }
            }
        };
        let Some(sent) = peer.send(output, most, (was_waited_for, now)) else {
            fetch.0 = output.file().and_then(|range| read_on_pool(core, range));
            match fetch.0 {
                None => return Written::Failed,
                Some(_) => continue,
            }
        };
        match sent {
            Ok(0) => return Written::Failed,
            Ok(count) => {
                // What is sealed counts once it is sent.
                written += if peer.secure.is_none() { count } else { 0 };
                share.iter_mut().for_each(|share| share.spend(count));
            }
            Err(error) => {
                if let Some(end) = peer.wait(&error, written, context) {
                    return end;
                }
            }
        }
    }
    Written::All
}

impl Peer<'_> {
    /// Whether bytes are sealed and not sent.
    fn has_unsent(&self) -> bool {
        self.secure.is_some() && self.records.has_unsent()
    }

    /// Whether one more record can be sealed before any is sent.
    fn takes_record(&self) -> bool {
        self.secure.is_some() && self.records.output.takes_record()
    }

    /// Sends what is sealed, which is all there is to write or not; what ends the writing, if
    /// anything does.
    fn send_sealed(
        &mut self,
        is_all: bool,
        written: &mut usize,
        context: &mut Context<'_>,
    ) -> Option<Written> {
        let Some(secure) = &mut self.secure else { return Some(Written::Failed) };
        if is_all && self.is_last {
            // That nothing more will come leaves with the last of it.
            secure.end(self.records);
        }
        match self.records.send(self.socket) {
            Ok(0) => Some(Written::Failed),
            Ok(count) => {
                *written += count;
                None
            }
            Err(error) => self.wait(&error, *written, context),
        }
    }

    /// Sends or seals what stands in front, perhaps with what follows, and at most so many bytes.
    /// `None` if that is a file whose disk would have to be waited for, unless it
    /// `was_waited_for`.
    fn send(
        &mut self,
        output: &mut Output,
        most: Option<usize>,
        (was_waited_for, now): (bool, Moment),
    ) -> Option<io::Result<usize>> {
        if let Some(secure) = &mut self.secure {
            let most = most.unwrap_or(usize::MAX);
            return secure.seal(output, most, was_waited_for, self.records).transpose();
        }
        if most.is_none() && output.is_in_pieces() {
            let room = &mut self.records.plain;
            return send_gathered(self.socket, output, was_waited_for, room).transpose();
        }
        let Some(range) = output.file() else {
            return Some(match most {
                None => send_bytes(self.socket, output),
                Some(most) => send_front(self.socket, output, most),
            });
        };
        let resident = if was_waited_for { STEP_BYTES } else { resident_bytes(range, now)? };
        let resident = usize::try_from(resident).unwrap_or(usize::MAX);
        Some(send_file(self.socket, output, most.map_or(resident, |most| most.min(resident))))
    }

    /// What `error` means: that the peer has to be waited for, that it is gone, or nothing.
    fn wait(
        &self,
        error: &io::Error,
        written: usize,
        context: &mut Context<'_>,
    ) -> Option<Written> {
        match error.kind() {
            ErrorKind::Interrupted => None,
            ErrorKind::WouldBlock => match self.socket.poll_writable(context) {
                Poll::Ready(Ok(())) => None,
                Poll::Ready(Err(_)) => Some(Written::Failed),
                Poll::Pending => Some(Written::Blocked { by_peer: true, bytes: written }),
            },
            _ => Some(Written::Failed),
        }
    }
}

/// How many bytes the peer has taken since this was last asked. `queued` is what the kernel held
/// for it then, and is brought up to date; `sent` have been added to that since.
///
/// What the kernel accepts says little of what a slow peer takes: only once a third of its buffer,
/// which can be megabytes, is free again does it accept more.
pub(crate) fn taken(peer: &Socket, queued: &mut u64, sent: usize) -> u64 {
    let before = *queued + sent as u64;
    *queued = net::socket::unacknowledged(peer.as_fd()).unwrap_or(before);
    before.saturating_sub(*queued)
}

/// Sends what stands before the first file; says to the kernel when one follows, so that the head
/// leaves in one packet with the beginning of it.
fn send_bytes(peer: &Socket, output: &mut Output) -> io::Result<usize> {
    let count = if output.is_run() {
        peer.write(|socket| net::socket::send(socket, output.run()))?
    } else {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (filled, file_follows) = output.slices(&mut slices);
        peer.write(|socket| net::socket::send_more(socket, &slices[..filled], file_follows))?
    };
    output.advance(count);
    Ok(count)
}

/// Sends what stands in front, files or not, in one call; `None` as with [`gather`].
fn send_gathered(
    peer: &Socket,
    output: &mut Output,
    was_waited_for: bool,
    room: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    if room.len() < GATHERED_BYTES {
        room.resize(GATHERED_BYTES, 0);
    }
    let Some(filled) = gather(output, &mut room[..GATHERED_BYTES], was_waited_for)? else {
        return Ok(None);
    };
    let count = peer.write(|socket| net::socket::send(socket, &room[..filled]))?;
    output.advance(count);
    Ok(Some(count))
}

/// Sends at most so many of the bytes in front.
fn send_front(peer: &Socket, output: &mut Output, most: usize) -> io::Result<usize> {
    let mut front = [IoSlice::new(&[])];
    output.slices(&mut front);
    let bytes = &front[0][..front[0].len().min(most)];
    let count = peer.write(|socket| net::socket::send(socket, bytes))?;
    output.advance(count);
    Ok(count)
}

/// Sends at most so many bytes of the file in front.
fn send_file(peer: &Socket, output: &mut Output, most: usize) -> io::Result<usize> {
    let Some(range) = output.file() else { return Ok(0) };
    let FileRange { file, range: Range { start, end } } = range;
    let count = usize::try_from(end - start).unwrap_or(usize::MAX).min(most);
    let count =
        peer.write(|socket| file::send_file(socket, file.descriptor.as_fd(), *start, count))?;
    output.advance(count);
    Ok(count)
}

fn step(range: &Range<u64>) -> Range<u64> {
    range.start..range.end.min(range.start.saturating_add(STEP_BYTES))
}

/// How many bytes of a file can be sent without stalling this loop, as far as that can be told by
/// little. They are looked at again when they are sent.
pub(crate) fn at_hand(FileRange { file, range }: &FileRange, now: Moment) -> u64 {
    let (resident, looked_at) = (file.resident.get(), file.looked_at.get());
    let is_known =
        |known: &&Resident| known.at == now && (known.start..known.end).contains(&range.start);
    if let Some(known) = [resident, looked_at].iter().find(is_known) {
        return known.end - range.start;
    }
    let step = step(range);
    if file.may_stall || !file::seems_resident(file.descriptor.as_fd(), step.clone()) {
        return 0;
    }
    // Whoever sends the file from its beginning on looks at each part of it once.
    let follows = looked_at.at == now && (looked_at.start..=looked_at.end).contains(&step.start);
    let start = if follows { looked_at.start } else { step.start };
    file.looked_at.set(Resident { at: now, start, end: step.end });
    step.end - step.start
}

/// How much of a file can be sent without stalling this loop: a burst, a step, or nothing. Looking
/// for a whole burst costs little more than for a step, a call that sends it costs much less than
/// four, and every other one who is sent the file in this tick is told.
fn resident_bytes(range: &FileRange, now: Moment) -> Option<u64> {
    let FileRange { file, range } = range;
    if file.is_memory {
        return Some(range.end - range.start);
    }
    let step = step(range);
    let known = file.resident.get();
    if known.at == now && known.start <= step.start && step.end <= known.end {
        return Some(known.end - step.start);
    }
    let is_in_memory = |part: &Range<u64>| {
        !file.may_stall && file::is_resident(file.descriptor.as_fd(), part.clone())
    };
    let burst = step.start..range.end.min(step.start.saturating_add(BURST_BYTES as u64));
    let Range { start, end } = [burst, step].into_iter().find(is_in_memory)?;
    file.resident.set(Resident { at: now, start, end });
    Some(end - start)
}

/// Has the pool read the next step; `None` when the pool has too much to do.
fn read_on_pool(
    core: &Core,
    range: &FileRange,
) -> Option<oneshot::Receiver<io::Result<Option<Vec<u8>>>>> {
    let step = step(&range.range);
    let may_stall = range.file.may_stall;
    on_pool(core, range, move |descriptor| match may_stall {
        true => read(descriptor, step).map(Some),
        false => file::read_ahead(descriptor, step).map(|()| None),
    })
}

/// Has the pool read that part of a file, which is fewer bytes only where the file ends before;
/// `None` when the pool has too much to do.
pub(crate) fn fetch(
    core: &Core,
    part: &FileRange,
) -> Option<oneshot::Receiver<io::Result<Vec<u8>>>> {
    let range = part.range.clone();
    on_pool(core, part, |descriptor| read(descriptor, range))
}

/// Has the pool do that with a file.
fn on_pool<T: Send + 'static>(
    core: &Core,
    FileRange { file, .. }: &FileRange,
    work: impl FnOnce(BorrowedFd<'_>) -> T + Send + 'static,
) -> Option<oneshot::Receiver<T>> {
    let descriptor = Arc::clone(&file.descriptor);
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // A connection, or a stream, that is gone needs no answer.
        if !sender.is_closed() {
            let _ = sender.send(work(descriptor.as_fd()));
        }
    };
    let is_taken = core.pool.submit(Lane::Folder(file.folder), || Box::new(work));
    if !is_taken {
        core.report(&Incident::new(Kind::Busy, POOL_IS_FULL));
    }
    is_taken.then_some(receiver)
}

/// The bytes of that range, as far as the file has them.
fn read(descriptor: BorrowedFd<'_>, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file::read(descriptor, &mut bytes[filled..], range.start + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
