//! What one message and one connection may cost: every limit with its name, unit and default.

use std::time::Duration;

/// The limits of the protocol rooms. A peer that goes over one gets the answer named with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head, request line and fields together; more is 431.
    pub head_bytes_max: usize,
    /// Field lines of a head; more is 431. At most [`Limits::FIELDS_CEILING`].
    pub fields_max: usize,
    /// Bytes of the request target; more is 414.
    pub target_bytes_max: usize,
    /// Bytes of chunk extensions, all chunks of a message together; more is 400.
    pub chunk_extension_bytes_max: usize,
    /// Bytes of a trailer section; more is 431.
    pub trailer_bytes_max: usize,
    /// Bytes of content, with its framing, that are read and thrown away to keep a connection; more
    /// closes it.
    pub drain_bytes_max: u64,
    /// Time for a whole head, from its first byte or, on a new connection, from the accept; more
    /// is 408.
    pub head_time: Duration,
    /// Time that a connection may wait for its next request; then it is closed.
    pub idle_time: Duration,
    /// Time from its beginning in which a connection takes requests; the answer to the next one
    /// is its last, as with `requests_max`.
    pub connection_time: Duration,
    /// Time without a byte while content is due; then 408.
    pub body_idle_time: Duration,
    /// Least bytes a second of content, on average once `body_idle_time` has passed; below it 408.
    pub body_rate_min: u64,
    /// Time in which a peer must take some of what is written; then the connection is reset.
    pub write_stall_time: Duration,
    /// Least bytes a second that a peer must take, on average over a `write_stall_time`, while it
    /// is waited for; below it the connection is reset. Zero asks for nothing but some.
    pub write_rate_min: u64,
    /// Time that a closed connection goes on reading, so that the last answer is not lost.
    pub linger_time: Duration,
    /// Requests on one connection; the last one's answer says `connection: close`.
    pub requests_max: u32,
    /// Time to shake hands by TLS, from the accept on.
    pub handshake_time: Duration,
    /// Bytes of answers that may wait to be written before the next pipelined request is looked at.
    pub output_bytes_max: usize,
}

/// A limit that a message went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The setting that says so.
    pub setting: &'static str,
    /// What it allows.
    pub most: usize,
    /// Of what: bytes, fields, connections or milliseconds.
    pub unit: &'static str,
}

impl Exceeded {
    const fn bytes(setting: &'static str, most: usize) -> Self {
        Self { setting, most, unit: "bytes" }
    }
}

impl Limits {
    /// The limit of a whole head.
    #[must_use]
    pub const fn head(&self) -> Exceeded {
        Exceeded::bytes("head-bytes-max", self.head_bytes_max)
    }

    /// The limit of its fields.
    #[must_use]
    pub const fn fields(&self) -> Exceeded {
        Exceeded { setting: "fields-max", most: self.fields_max, unit: "fields" }
    }

    /// The limit of the request target.
    #[must_use]
    pub const fn target(&self) -> Exceeded {
        Exceeded::bytes("target-bytes-max", self.target_bytes_max)
    }

    /// The limit of chunk extensions.
    #[must_use]
    pub const fn chunk_extensions(&self) -> Exceeded {
        Exceeded::bytes("chunk-extension-bytes-max", self.chunk_extension_bytes_max)
    }

    /// The limit of a trailer section.
    #[must_use]
    pub const fn trailers(&self) -> Exceeded {
        Exceeded::bytes("trailer-bytes-max", self.trailer_bytes_max)
    }

    /// The limit of the time that a head may take.
    #[must_use]
    pub const fn head_wait(&self) -> Exceeded {
        Exceeded { setting: "head-time", most: self.head_time.as_millis() as usize, unit: "ms" }
    }

    /// The most that `fields_max` may be: the slots that are set aside for a head.
    pub const FIELDS_CEILING: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 32 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            chunk_extension_bytes_max: 16 * 1024,
            trailer_bytes_max: 8 * 1024,
            drain_bytes_max: 64 * 1024,
            head_time: Duration::from_secs(30),
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            connection_time: Duration::from_secs(3600),
            body_idle_time: Duration::from_secs(20),
            body_rate_min: 240,
            write_stall_time: Duration::from_secs(30),
            write_rate_min: 240,
            linger_time: Duration::from_secs(2),
            requests_max: 100_000,
            output_bytes_max: 256 * 1024,
        }
    }
}
