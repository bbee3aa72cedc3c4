//! What one connection may cost beside what `message::Limits` says: every limit with its unit.

/// Streams of one connection that may be open at once; one more is refused, to be tried again.
pub const STREAMS_MAX: usize = 128;

/// Bytes of a frame's payload; a longer one breaks the connection.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a field block's table, counted as HPACK does: 32 for each entry beside its text.
pub const TABLE_BYTES_MAX: usize = 4096;

/// What a field counts for beside its text, in tables (RFC 7541 section 4.1) and in heads (RFC 9113
/// section 6.5.2).
pub const ENTRY_BYTES: usize = 32;

/// Crumbs of a cookie, which are one field together; one more is 431. Browsers send one for each of
/// the up to 180 cookies that they keep for a host.
pub const CRUMBS_MAX: usize = 256;

/// Frames that one field block may go on in; one more breaks the connection.
pub const CONTINUATIONS_MAX: u32 = 16;

/// How many times as long as a head its field block may be, as it is told and as it unfolds. It is
/// read to its end, since the table depends on it, and then answered with 431; a longer one breaks
/// the connection.
pub const BLOCK_HEADS_MAX: usize = 4;

/// Bytes of memory that the requests of a connection may take while they wait for their answers:
/// heads, and content that is not in a file. Beyond it content goes to a file at once, and a
/// request that would have to wait, too, is refused, to be tried again.
pub const WAITING_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of memory that the answers of a connection may take which are made for it alone, while
/// they wait for its windows. With as many, no listing is made for it and no application asked
/// before some are sent; a listing that is begun may be beyond it.
pub const ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that an answer counts for at least which comes piece by piece: before it has begun, and
/// while a piece of it waits.
pub const ASKED_BYTES: usize = 128 * 1024;

/// Bytes of a file that are read at once for a stream whose disk has to be waited for: what its
/// windows hold and its pace allows, but at least so many, and at most so many.
pub const FETCH_BYTES_MIN: u64 = 4 * 1024;
/// The latter.
pub const FETCH_BYTES_MAX: u64 = 256 * 1024;

/// Bytes that the streams of a connection may have had read like that, or have asked for, and not
/// sent; where less is left than is worth a read, no more is read for it.
pub const FETCHED_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of content that may be on their way on a connection, and on each of its streams, at first.
pub const WINDOW_BYTES: u32 = 65_535;

/// The same, where the way to the peer holds so much, and as long as we take what comes.
pub const WINDOW_BYTES_MAX: u32 = 1024 * 1024;

/// Streams that are reset because of what the peer sends: so many at once, and so many a second on
/// average. Who has more of them reset breaks the connection.
pub const RESETS: Rate = Rate { burst: 300, per_second: 30 };

/// Streams that the peer resets: the same, and one more for each that has come to its end. A map
/// that is zoomed drops most of what it has asked for, and takes the rest.
pub const CANCELS: Rate = RESETS;

/// Of streams that the peer resets when their answer has begun, so many count as one: most of what
/// they cost is done, and is no more than that of others.
pub const CANCELS_BEGUN: u32 = 4;

/// Frames that carry nothing forward (settings, pings, priorities, empty and tiny content, heads
/// that are too long), and updates of windows beyond those that are paid for: so many of each at
/// once, and so many a second on average.
pub const IDLE_FRAMES: Rate = Rate { burst: 1000, per_second: 200 };

/// Updates of windows that an answer pays for once all its content is sent.
pub const UPDATES_PAID: u32 = 3;

/// Bytes of content sent to the peer that pay for one more. Some clients widen both windows for
/// every 4 KiB that they read.
pub const UPDATE_BYTES: u32 = 256;

/// Bytes of content below which a frame that is not the last counts as an idle one.
pub const CONTENT_BYTES_MIN: usize = 16;

/// Streams whose priority may be told before they begin; what goes beyond them is forgotten.
pub const EARLY_PRIORITIES_MAX: usize = 8;

/// Streams that were reset lately whose late frames are dropped in silence: as many as are reset at
/// once.
pub const RESETS_REMEMBERED: usize = RESETS.burst as usize;

/// Slots for streams that an idle connection keeps.
pub const SLOTS_KEPT: usize = 2;

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// On average.
    pub per_second: u32,
}
