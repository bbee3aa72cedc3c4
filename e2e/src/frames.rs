//! HTTP/2 as a client speaks it that was written for tests: frame by frame, right or wrong.

use crate::{
    Client, eventually,
    load::Over,
    response::{Bytes, Checked, Fault, fault},
    secure::SecureClient,
};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

/// The kinds of frames.
pub const DATA: u8 = 0;
/// A head, or trailers.
pub const HEADERS: u8 = 1;
/// A priority of RFC 7540.
pub const PRIORITY: u8 = 2;
/// The end of a stream before its time.
pub const RST_STREAM: u8 = 3;
/// What one side has to know of the other.
pub const SETTINGS: u8 = 4;
/// What is to come back.
pub const PING: u8 = 6;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// Room for content.
pub const WINDOW_UPDATE: u8 = 8;
/// More of a head.
pub const CONTINUATION: u8 = 9;

/// What flags say: that a stream ends, or that something is acknowledged.
pub const END: u8 = 1;
/// That a head is whole.
pub const WHOLE: u8 = 4;

/// The first steps of a client: the preface, and settings that say nothing.
pub const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// ENHANCE_YOUR_CALM.
pub const CALM: u32 = 11;

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The fields of a request that asks for `target`; every number is of the standing table.
pub fn fields(method: u8, target: &str) -> Vec<u8> {
    fields_for(method, "a.example", target)
}

/// The same for another host.
fn fields_for(method: u8, host: &str, target: &str) -> Vec<u8> {
    let mut fields = vec![method, 0x86];
    for (name, text) in [(1, host), (4, target)] {
        fields.extend([name, u8::try_from(text.len()).unwrap()]);
        fields.extend_from_slice(text.as_bytes());
    }
    fields
}

/// A GET.
pub fn get(stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, &fields(0x82, target))
}

/// A GET for another host.
pub fn get_for(host: &str, stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, &fields_for(0x82, host, target))
}

/// A POST whose content follows.
pub fn post(stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &fields(0x83, target))
}

/// A frame that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number at the end of a frame that holds one or two: an error code.
    pub fn code(&self) -> u32 {
        u32::from_be_bytes(*self.payload.last_chunk().unwrap())
    }
}

/// The next frame.
pub fn read(wire: &mut impl Bytes) -> Checked<Frame> {
    let head = wire.exactly(9)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, &byte| all << 8 | u32::from(byte));
    let payload = wire.exactly(number(&head[..3]) as usize)?;
    Ok(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload })
}

/// All frames in what has come, but for the beginning of one at its end.
pub fn all(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes(stream);
        frames.push(Frame { kind, flags, stream, payload: payload.to_vec() });
        bytes = rest;
    }
    frames
}

/// The next frame of that kind.
pub fn until(wire: &mut impl Bytes, kind: u8) -> Checked<Frame> {
    loop {
        let frame = read(wire)?;
        if frame.kind == kind {
            return Ok(frame);
        }
    }
}

/// What frames are sent by, and come by.
pub trait Wire: Bytes {
    /// Sends bytes.
    fn put(&mut self, bytes: &[u8]) -> Checked<()>;
}

impl Wire for Client {
    fn put(&mut self, bytes: &[u8]) -> Checked<()> {
        self.send(bytes)
    }
}

impl Wire for SecureClient {
    fn put(&mut self, bytes: &[u8]) -> Checked<()> {
        self.send(bytes)
    }
}

/// Does `work` while clients ask for `/digits.txt`, each on several streams at once, on connections
/// that are kept as long as the server keeps them. A fault where a stream was not answered that had
/// to be.
pub fn under_load<W: Wire>(connect: impl Fn() -> W + Sync, work: impl FnOnce()) -> Checked<()> {
    const CLIENTS: usize = 3;
    let (is_over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let ask = || {
            while !is_over.load(Ordering::Relaxed) {
                let mut wire = connect();
                wire.put(OPENING)?;
                ask_on(&mut wire, ("/digits.txt", Some(b"0123456789")), (&is_over, &answered))?;
            }
            Ok(())
        };
        let asking: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let over = Over(&is_over);
        let enough = || answered.load(Ordering::Relaxed) > 1000;
        // Whoever finds a fault asks no more.
        assert!(eventually(|| enough() || asking.iter().any(|one| one.is_finished())));
        work();
        drop(over);
        asking.into_iter().try_for_each(|one| one.join().unwrap())
    })
}

/// Asks for `target` on one connection that has been opened, on several streams at once, until it
/// is over; counts those that were answered, by that content where it is known. A fault where one
/// was not answered that had to be.
pub fn ask_on(
    wire: &mut impl Wire,
    (target, content): (&str, Option<&[u8]>),
    (is_over, answered): (&AtomicBool, &AtomicU32),
) -> Checked<()> {
    const AT_ONCE: usize = 8;
    let (mut open, mut next, mut last) = (BTreeSet::new(), 1, u32::MAX >> 1);
    let mut is_told = false;
    loop {
        let mut asked = Vec::new();
        while !is_told && !is_over.load(Ordering::Relaxed) && open.len() < AT_ONCE {
            asked.extend(get(next, target));
            open.insert(next);
            next += 2;
        }
        // Who is told that the end is near may find the connection closed.
        wire.put(&asked).or_else(|fault| if is_told { Ok(()) } else { Err(fault) })?;
        if open.is_empty() {
            return Ok(());
        }
        let came =
            read(wire).map_err(|Fault(why)| Fault(format!("{why}; waiting for {open:?}")))?;
        match came.kind {
            HEADERS if came.payload.iter().find(|&&byte| byte != 0x20) != Some(&0x88) => {
                return fault(format!("not 200: {came:?}"));
            }
            DATA if content.is_some_and(|content| came.payload != content) => {
                return fault(format!("{came:?}"));
            }
            DATA if came.flags & END != 0 && open.remove(&came.stream) => {
                answered.fetch_add(1, Ordering::Relaxed);
                let taken = u32::try_from(came.payload.len()).unwrap().to_be_bytes();
                // As above: a server that is gone needs no window.
                let _ = wire.put(&frame(WINDOW_UPDATE, 0, 0, &taken));
            }
            RST_STREAM => return fault(format!("{came:?}")),
            SETTINGS | PING if came.flags & END == 0 => {
                let payload = if came.kind == PING { &came.payload[..] } else { &[] };
                // As above: a server that is gone needs no answer.
                let _ = wire.put(&frame(came.kind, END, 0, payload));
            }
            GOAWAY if came.code() != 0 => return fault(format!("{came:?}")),
            GOAWAY => {
                let told = u32::from_be_bytes(*came.payload.first_chunk().unwrap());
                if told > last {
                    return fault(format!("the last stream rises from {last} to {told}"));
                }
                (is_told, last) = (true, told);
                // What is beyond it was not looked at: it may be asked again elsewhere.
                open.retain(|&stream| stream <= last);
            }
            _ => {}
        }
    }
}
