//! What is wrong with what a peer sent: with its connection or one stream, or with one request.

use message::{Limits, limits::Exceeded};

/// The error codes of RFC 9113 section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// Nothing is wrong.
    NoError = 0,
    /// A rule of the protocol was broken.
    ProtocolError = 1,
    /// A fault of ours.
    InternalError = 2,
    /// More was sent than the other side has room for.
    FlowControlError = 3,
    /// Something came on a stream that is over.
    StreamClosed = 5,
    /// A frame has a length that it cannot have.
    FrameSizeError = 6,
    /// The stream was not looked at; it may be tried again.
    RefusedStream = 7,
    /// The stream is not wanted any more.
    Cancel = 8,
    /// The state of the field compression is lost.
    CompressionError = 9,
    /// The peer costs too much.
    EnhanceYourCalm = 11,
}

/// Why a connection or a stream is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the peer is told.
    pub code: Code,
    /// What is wrong, in words, for the log.
    pub reason: &'static str,
}

impl Fault {
    pub(crate) const fn new(code: Code, reason: &'static str) -> Self {
        Self { code, reason }
    }

    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self::new(Code::ProtocolError, reason)
    }

    pub(crate) const fn size(reason: &'static str) -> Self {
        Self::new(Code::FrameSizeError, reason)
    }
}

message::reasons! {
    /// A reason to turn a request down with an answer; its stream and its connection are sound.
    pub enum Refusal;

    HeadTooLong = FIELDS_TOO_LARGE "the head is longer than `head-bytes-max` allows";
    TooManyFields = FIELDS_TOO_LARGE "the head has more fields than `fields-max` allows";
    TooManyCrumbs = FIELDS_TOO_LARGE "the cookie comes in more than 256 pieces";
    TargetTooLong = URI_TOO_LONG "the request target is longer than `target-bytes-max` allows";
    Connect = METHOD_NOT_ALLOWED "this server opens no tunnels";
    Expectation = EXPECTATION_FAILED "only 100-continue can be expected";
}

impl Refusal {
    /// Which of `limits` the request went over, if that is why it is turned down.
    #[must_use]
    pub const fn exceeded(self, limits: &Limits) -> Option<Exceeded> {
        match self {
            Self::HeadTooLong => Some(limits.head()),
            Self::TooManyFields => Some(limits.fields()),
            Self::TargetTooLong => Some(limits.target()),
            Self::TooManyCrumbs | Self::Connect | Self::Expectation => None,
        }
    }
}
