//! `[server]`: what holds for the whole process, whichever site is asked for.

use super::{
    admin::{ADMIN, Admin},
    certificates::{CERTIFICATES, Certificates},
    limits::{LIMITS, Limits},
    listen::{LISTEN, Listens},
    log::{ERROR_LOG, ErrorLog, SERVER_LOG, ServerLog},
    otlp::{OTLP, Otlp},
};
use crate::{
    kind::{Count, Size, Text, Texts},
    log_kind::{FieldOrFlag, Share},
    setting::{At, Preset, Section, Setting, Table, Tables},
    source::Word,
};
use std::num::NonZero;

/// What was typed in `[server]`.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) listen: Listens,
    pub(crate) threads: Option<Word<usize>>,
    pub(crate) workers: Option<Word<usize>>,
    pub(crate) control: Option<Word<String>>,
    pub(crate) admin: Admin,
    pub(crate) user: Option<Word<String>>,
    pub(crate) log: ServerLog,
    pub(crate) error_log: ErrorLog,
    pub(crate) request_id: Option<Word<Option<Box<str>>>>,
    pub(crate) trace: Option<Word<NonZero<u32>>>,
    pub(crate) otlp: Otlp,
    pub(crate) trusted_proxies: Option<Word<Vec<Word<String>>>>,
    pub(crate) file_cache: Option<Word<usize>>,
    pub(crate) compress_cache: CompressCache,
    pub(crate) certificates: Certificates,
    pub(crate) limits: Limits,
}

/// What was typed about the store of compressed forms.
#[derive(Debug, Default)]
pub(crate) struct CompressCache {
    pub(crate) memory: Option<Word<usize>>,
    pub(crate) folder: Option<Word<String>>,
    pub(crate) disk: Option<Word<u64>>,
}

/// The settings of `[server]`.
pub(crate) const SERVER: Section<Server> = Section {
    title: "[server]",
    settings: &[
        Setting {
            name: "listen",
            doc: "The addresses to listen on; a port alone stands for every address there is.",
            preset: Preset::Value(r#""80""#),
            example: r#"["127.0.0.1:7890", "[::1]:7890"]"#,
            value: &Tables {
                section: &LISTEN,
                short: &LISTEN.settings[0],
                place: |server: &mut Server| &mut server.listen,
            },
        },
        Setting {
            name: "threads",
            doc: "The number of event loops of a worker process.",
            preset: Preset::Words("as many as there are cores"),
            example: "4",
            value: &At(Count(1..=1024), |server: &mut Server| &mut server.threads),
        },
        Setting {
            name: "workers",
            doc: "The number of worker processes of `gannet run`; a crash costs one of them its \
                  connections.",
            preset: Preset::Value("1"),
            example: "2",
            value: &At(Count(1..=64), |server: &mut Server| &mut server.workers),
        },
        Setting {
            name: "control",
            doc: "The socket by which `gannet reload`, `stop` and `status` reach the server.",
            preset: Preset::Words(
                "in /run/gannet or the user's folder for such, named after the config",
            ),
            example: r#""/run/gannet.sock""#,
            value: &At(Text, |server: &mut Server| &mut server.control),
        },
        Setting {
            name: "admin",
            doc: "The address at which an operator, and programs, look at the running server, or a \
                  table with more to say.",
            preset: Preset::Words("none: there are no such pages"),
            example: r#""127.0.0.1:7891""#,
            value: &Table {
                section: &ADMIN,
                short: Some("address"),
                place: |s: &mut Server| &mut s.admin,
            },
        },
        Setting {
            name: "user",
            doc: "The user that worker processes run as where root starts the server.",
            preset: Preset::Words("\"www-data\" if there is one, else \"nobody\""),
            example: r#""www""#,
            value: &At(Text, |server: &mut Server| &mut server.user),
        },
        Setting {
            name: "trusted-proxies",
            doc: "The proxies whose word on who the client is counts: networks, or \"unix\".",
            preset: Preset::Value("[]"),
            example: r#"["10.0.0.0/8", "::1"]"#,
            value: &At(Texts, |server: &mut Server| &mut server.trusted_proxies),
        },
        Setting {
            name: "log",
            doc: "The access log: how its lines look, or a table that says which lines go where.",
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#"{ format = "json", file = "/var/log/gannet.log" }"#,
            value: &Table {
                section: &SERVER_LOG,
                short: Some("format"),
                place: |s: &mut Server| &mut s.log,
            },
        },
        Setting {
            name: "error-log",
            doc: "The log of what goes wrong: how its lines look, or a table that says where, too.",
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#"{ format = "json", file = "/var/log/gannet-errors.log" }"#,
            value: &Table {
                section: &ERROR_LOG,
                short: Some("format"),
                place: |s: &mut Server| &mut s.error_log,
            },
        },
        Setting {
            name: "request-id",
            doc: "Whether each exchange has an id: in its log lines, and in this field of its answer.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(FieldOrFlag("x-request-id"), |server: &mut Server| &mut server.request_id),
        },
        Setting {
            name: "trace",
            doc: "Whether exchanges have a place in a trace (W3C Trace Context), their client's or \
                  a new one; of new ones this share is marked as sampled.",
            preset: Preset::Words("none: no exchange is traced"),
            example: r#""1/10""#,
            value: &At(Share, |server: &mut Server| &mut server.trace),
        },
        Setting {
            name: "otlp",
            doc: "The collector that the spans of sampled traces are sent to (OTLP/HTTP): its URL, \
                  or a table with more to say.",
            preset: Preset::Words("none: no span is sent"),
            example: r#""http://127.0.0.1:4318""#,
            value: &Table {
                section: &OTLP,
                short: Some("endpoint"),
                place: |s: &mut Server| &mut s.otlp,
            },
        },
        Setting {
            name: "file-cache",
            doc: "The memory for files that are asked for often, whole process; 0B keeps none.",
            preset: Preset::Value(r#""64MiB""#),
            example: r#""1GiB""#,
            value: &At(Size(0..=1 << 40), |server: &mut Server| &mut server.file_cache),
        },
        Setting {
            name: "compress-cache",
            doc: "The memory for files in compressed form, whole process, or a table that names a \
                  folder, too; a file larger than a quarter of the memory is not compressed.",
            preset: Preset::Value(r#""64MiB""#),
            example: r#""256MiB""#,
            value: &Table {
                section: &COMPRESS_CACHE,
                short: Some("memory"),
                place: |s: &mut Server| &mut s.compress_cache,
            },
        },
        Setting {
            name: "certificates",
            doc: "How the certificates of sites are had whose `tls` is \"auto\" or \"internal\".",
            preset: Preset::Value("{}"),
            example: r#"{ email = "admin@example.com" }"#,
            value: &Table {
                section: &CERTIFICATES,
                short: None,
                place: |s: &mut Server| &mut s.certificates,
            },
        },
        Setting {
            name: "limits",
            doc: "What a message, a connection and the whole process may cost.",
            preset: Preset::Value("{}"),
            example: r#"{ idle-time = "15s" }"#,
            value: &Table { section: &LIMITS, short: None, place: |s: &mut Server| &mut s.limits },
        },
    ],
    common: None,
};

/// The settings of `compress-cache` where it is a table.
const COMPRESS_CACHE: Section<CompressCache> = Section {
    title: "[server.compress-cache]",
    settings: &[
        Setting {
            name: "memory",
            doc: "The memory for files in compressed form, whole process; 0B makes none.",
            preset: Preset::Value(r#""64MiB""#),
            example: r#""256MiB""#,
            value: &At(Size(0..=1 << 40), |cache: &mut CompressCache| &mut cache.memory),
        },
        Setting {
            name: "folder",
            doc: "The folder in which they outlive the process; nobody else may write there.",
            preset: Preset::Words("none"),
            example: r#""/var/cache/gannet""#,
            value: &At(Text, |cache: &mut CompressCache| &mut cache.folder),
        },
        Setting {
            name: "disk",
            doc: "The bytes of files in that folder; the oldest make room for new ones.",
            preset: Preset::Value(r#""1GiB""#),
            example: r#""256MiB""#,
            value: &At(Size(1 << 20..=1 << 44), |cache: &mut CompressCache| &mut cache.disk),
        },
    ],
    common: None,
};
