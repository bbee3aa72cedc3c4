//! `[server.limits]`: what a message, a connection and the whole process may cost.

use crate::{
    kind::{Count, Rate, Size, Time},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use message::Limits as Message;
use std::time::Duration;

/// The limits that were typed.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) head_bytes_max: Option<Word<usize>>,
    pub(crate) fields_max: Option<Word<usize>>,
    pub(crate) target_bytes_max: Option<Word<usize>>,
    pub(crate) chunk_extension_bytes_max: Option<Word<usize>>,
    pub(crate) trailer_bytes_max: Option<Word<usize>>,
    pub(crate) drain_bytes_max: Option<Word<u64>>,
    pub(crate) head_time: Option<Word<Duration>>,
    pub(crate) handshake_time: Option<Word<Duration>>,
    pub(crate) idle_time: Option<Word<Duration>>,
    pub(crate) connection_time: Option<Word<Duration>>,
    pub(crate) body_idle_time: Option<Word<Duration>>,
    pub(crate) body_rate_min: Option<Word<u64>>,
    pub(crate) write_stall_time: Option<Word<Duration>>,
    pub(crate) write_rate_min: Option<Word<u64>>,
    pub(crate) linger_time: Option<Word<Duration>>,
    pub(crate) requests_max: Option<Word<u32>>,
    pub(crate) output_bytes_max: Option<Word<usize>>,
    pub(crate) connections_max: Option<Word<usize>>,
    pub(crate) connections_per_client_max: Option<Word<u32>>,
    pub(crate) clients_max: Option<Word<usize>>,
    pub(crate) stop_time: Option<Word<Duration>>,
    pub(crate) drain_time: Option<Word<Duration>>,
    pub(crate) pool_threads_max: Option<Word<usize>>,
    pub(crate) password_checks_max: Option<Word<usize>>,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// In milliseconds, as durations are counted here.
const HOUR: u64 = 3_600_000;

/// The settings of `[server.limits]`.
pub(crate) const LIMITS: Section<Limits> = Section {
    title: "[server.limits]",
    settings: &[
        Setting {
            name: "head-bytes-max",
            doc: "The most bytes of a request head, request line and fields together; more is 431.",
            preset: Preset::Value(r#""32KiB""#),
            example: r#""64KiB""#,
            value: &At(Size(KIB..=MIB), |limits: &mut Limits| &mut limits.head_bytes_max),
        },
        Setting {
            name: "fields-max",
            doc: "The most field lines of a request head; more is 431.",
            preset: Preset::Value("100"),
            example: "150",
            value: &At(Count(1..=Message::FIELDS_CEILING), |limits: &mut Limits| {
                &mut limits.fields_max
            }),
        },
        Setting {
            name: "target-bytes-max",
            doc: "The most bytes of a request target as it was sent, with scheme and host where it \
                  names them; more is 414.",
            preset: Preset::Value(r#""8KiB""#),
            example: r#""4KiB""#,
            value: &At(Size(64..=MIB), |limits: &mut Limits| &mut limits.target_bytes_max),
        },
        Setting {
            name: "chunk-extension-bytes-max",
            doc: "The most bytes of chunk extensions in one message; more is 400.",
            preset: Preset::Value(r#""16KiB""#),
            example: r#""1KiB""#,
            value: &At(Size(0..=MIB), |limits: &mut Limits| &mut limits.chunk_extension_bytes_max),
        },
        Setting {
            name: "trailer-bytes-max",
            doc: "The most bytes of the trailer section of a request; more is 431.",
            preset: Preset::Value(r#""8KiB""#),
            example: r#""4KiB""#,
            value: &At(Size(0..=MIB), |limits: &mut Limits| &mut limits.trailer_bytes_max),
        },
        Setting {
            name: "drain-bytes-max",
            doc: "The most bytes of unwanted content, with chunk heads and trailers, that are read to \
                  keep a connection.",
            preset: Preset::Value(r#""64KiB""#),
            example: r#""1MiB""#,
            value: &At(Size(0..=1 << 30), |limits: &mut Limits| &mut limits.drain_bytes_max),
        },
        Setting {
            name: "head-time",
            doc: "The time for a whole request head, from its first byte or the accept; then 408.",
            preset: Preset::Value(r#""30s""#),
            example: r#""10s""#,
            value: &At(Time(1..=HOUR), |limits: &mut Limits| &mut limits.head_time),
        },
        Setting {
            name: "handshake-time",
            doc: "The time to shake hands by TLS, from the accept on.",
            preset: Preset::Value(r#""10s""#),
            example: r#""5s""#,
            value: &At(Time(1..=HOUR), |limits: &mut Limits| &mut limits.handshake_time),
        },
        Setting {
            name: "idle-time",
            doc: "The time that a connection may wait for its next request.",
            preset: Preset::Value(r#""1m""#),
            example: r#""15s""#,
            value: &At(Time(1..=24 * HOUR), |limits: &mut Limits| &mut limits.idle_time),
        },
        Setting {
            name: "connection-time",
            doc: "The time in which a connection takes requests; the next one's answer is its last.",
            preset: Preset::Value(r#""1h""#),
            example: r#""10m""#,
            value: &At(Time(1..=8760 * HOUR), |limits: &mut Limits| &mut limits.connection_time),
        },
        Setting {
            name: "body-idle-time",
            doc: "The time without a byte while content of a request is due; then 408.",
            preset: Preset::Value(r#""20s""#),
            example: r#""1m""#,
            value: &At(Time(1..=HOUR), |limits: &mut Limits| &mut limits.body_idle_time),
        },
        Setting {
            name: "body-rate-min",
            doc: "The least content that a client must send, on average; slower is 408.",
            preset: Preset::Value(r#""240B/s""#),
            example: r#""1KB/s""#,
            value: &At(Rate(0..=1 << 20), |limits: &mut Limits| &mut limits.body_rate_min),
        },
        Setting {
            name: "write-stall-time",
            doc: "The time in which a client must take some of an answer; then it is cut off.",
            preset: Preset::Value(r#""30s""#),
            example: r#""1m""#,
            value: &At(Time(1..=HOUR), |limits: &mut Limits| &mut limits.write_stall_time),
        },
        Setting {
            name: "write-rate-min",
            doc: "The least that a client must take of an answer, on average; slower is cut off.",
            preset: Preset::Value(r#""240B/s""#),
            example: r#""1KB/s""#,
            value: &At(Rate(0..=1 << 20), |limits: &mut Limits| &mut limits.write_rate_min),
        },
        Setting {
            name: "linger-time",
            doc: "The time that a closed connection goes on reading, so that its answer arrives.",
            preset: Preset::Value(r#""2s""#),
            example: r#""500ms""#,
            value: &At(Time(1..=HOUR), |limits: &mut Limits| &mut limits.linger_time),
        },
        Setting {
            name: "requests-max",
            doc: "The most requests on one connection; then it is closed.",
            preset: Preset::Value("100000"),
            example: "1000",
            value: &At(Count(1..=u32::MAX), |limits: &mut Limits| &mut limits.requests_max),
        },
        Setting {
            name: "output-bytes-max",
            doc: "The most bytes of answers that wait before the next pipelined request is read.",
            preset: Preset::Value(r#""256KiB""#),
            example: r#""64KiB""#,
            value: &At(Size(KIB..=1024 * MIB), |limits: &mut Limits| &mut limits.output_bytes_max),
        },
        Setting {
            name: "connections-max",
            doc: "The most connections at a time; one more takes an idle one's place, or gets 503.",
            preset: Preset::Value("10000"),
            example: "50000",
            value: &At(Count(1..=10_000_000), |limits: &mut Limits| &mut limits.connections_max),
        },
        Setting {
            name: "connections-per-client-max",
            doc: "The most connections of one client address at a time; one more gets 503.",
            preset: Preset::Value("1024"),
            example: "64",
            value: &At(Count(1..=10_000_000), |limits: &mut Limits| {
                &mut limits.connections_per_client_max
            }),
        },
        Setting {
            name: "clients-max",
            doc: "The most clients and limits that account is kept of, each in 64 bytes.",
            preset: Preset::Value("65536"),
            example: "1048576",
            value: &At(Count(1024..=1 << 26), |limits: &mut Limits| &mut limits.clients_max),
        },
        Setting {
            name: "stop-time",
            doc: "The time for what is under way when the server is told to stop.",
            preset: Preset::Value(r#""30s""#),
            example: r#""10s""#,
            value: &At(Time(0..=24 * HOUR), |limits: &mut Limits| &mut limits.stop_time),
        },
        Setting {
            name: "drain-time",
            doc: "The time for what is under way in a worker that a reload has replaced.",
            preset: Preset::Value(r#""1h""#),
            example: r#""10m""#,
            value: &At(Time(0..=24 * HOUR), |limits: &mut Limits| &mut limits.drain_time),
        },
        Setting {
            name: "pool-threads-max",
            doc: "The most threads for work that would stall an event loop.",
            preset: Preset::Value("16"),
            example: "32",
            value: &At(Count(1..=1024), |limits: &mut Limits| &mut limits.pool_threads_max),
        },
        Setting {
            name: "password-checks-max",
            doc: "The most passwords that are checked at a time; 64 wait, and one more gets 503.",
            preset: Preset::Value("4"),
            example: "2",
            value: &At(Count(1..=1023), |limits: &mut Limits| &mut limits.password_checks_max),
        },
    ],
    common: None,
};
