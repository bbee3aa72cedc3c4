//! What a connection tells its caller.

use crate::{
    fault::{Fault, Refusal},
    stream::Key,
};
use message::{Request, Source};

/// What the bytes that came mean.
#[derive(Debug)]
pub enum Event<'b> {
    /// Nothing yet: more bytes are needed.
    Incomplete,
    /// Nothing that concerns the caller; there may be more.
    Handled,
    /// A request, and its fields in a form that can be kept for [`crate::Connection::reread`].
    /// Unless its length is known to be zero, `Content` and at last `End` follow.
    Request(Key, Request<'b>, &'b [u8]),
    /// A request that is turned down; the answer to it is due.
    Refused(Key, Refusal),
    /// What was no request, for this reason. Its stream is reset.
    Malformed(&'static str),
    /// A piece of a request's content.
    Content(Key, &'b [u8]),
    /// A request's content is complete.
    End(Key),
    /// An exchange is over before its answer was given.
    Cut(Ended),
    /// The connection cannot go on. All exchanges are over; what the peer is told is in the output.
    Broken(Fault),
    /// Bytes are thrown away: the connection is closing.
    Closed,
}

/// How far an answer got when it was handed over.
pub enum Given {
    /// All of it is in the output.
    Whole,
    /// Its content waits for its turn; its end will be told.
    Later,
    /// Its content is to be given piece by piece, whenever the stream is hungry.
    From(Box<dyn Source>),
}

/// An answer that was not given at once, and has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub key: Key,
    /// Bytes of content that were not sent.
    pub unsent_bytes: u64,
    /// Why it was cut off, where it was.
    pub reason: Option<&'static str>,
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing for the caller; there may be output.
    Nothing,
    /// The connection cannot go on; what the peer is told is in the output.
    Broken(Fault),
    /// The connection is to be closed without a word.
    Close,
    /// The peer takes nothing: the connection is to be reset.
    Reset,
}
