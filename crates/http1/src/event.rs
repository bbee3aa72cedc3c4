//! What a connection tells its caller.

use crate::refusal::Refusal;
use message::Request;

/// What the bytes that came mean.
#[derive(Debug)]
pub enum Event<'b> {
    /// Nothing yet: more bytes are needed, or first the answer to the request at hand.
    Incomplete,
    /// A request. Unless its length is known to be zero, `Content` and at last `End` follow.
    Request(Request<'b>),
    /// A piece of its content.
    Content(&'b [u8]),
    /// Its content is complete.
    End,
    /// The message cannot be trusted. The answer to it is due, and will be the last.
    Refused(Refusal),
    /// The content cannot be trusted of a request whose answer has begun or been given. There is no
    /// second one, and the connection is closing.
    Dropped(Refusal),
    /// Bytes are thrown away: the connection is closing. If content had not come to its `End`, it
    /// never will.
    Closed,
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has not passed.
    Nothing,
    /// The connection is to be closed without a word.
    Close,
    /// The answer to this is due, and will be the last.
    Refuse(Refusal),
    /// The peer takes nothing: the connection is to be reset.
    Reset,
}
