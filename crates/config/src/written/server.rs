//! `[server]`: what holds for the whole process, whichever site is asked for.

use super::limits::{LIMITS, Limits};
use crate::{
    kind::{Choice, Count, Size, Text, Texts, Time},
    plan::LogFormat,
    setting::{At, Preset, Section, Setting, Table},
    source::Word,
};
use std::time::Duration;

/// What was typed in `[server]`.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) listen: Option<Word<Vec<Word<String>>>>,
    pub(crate) threads: Option<Word<usize>>,
    pub(crate) log: Log,
    pub(crate) file_cache: Option<Word<usize>>,
    pub(crate) limits: Limits,
}

/// What was typed about the access log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) format: Option<Word<LogFormat>>,
    pub(crate) file: Option<Word<String>>,
    pub(crate) buffer: Option<Word<usize>>,
    pub(crate) flush: Option<Word<Duration>>,
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
            value: &At(Texts, |server: &mut Server| &mut server.listen),
        },
        Setting {
            name: "threads",
            doc: "The number of event loops.",
            preset: Preset::Words("as many as there are cores"),
            example: "4",
            value: &At(Count(1..=1024), |server: &mut Server| &mut server.threads),
        },
        Setting {
            name: "log",
            doc: "The access log: how its lines look, or a table that says where they go, too.",
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#"{ format = "json", file = "/var/log/gannet.log" }"#,
            value: &Table {
                section: &LOG,
                short: Some("format"),
                place: |s: &mut Server| &mut s.log,
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
            name: "limits",
            doc: "What a message, a connection and the whole process may cost.",
            preset: Preset::Value("{}"),
            example: r#"{ idle-time = "15s" }"#,
            value: &Table { section: &LIMITS, short: None, place: |s: &mut Server| &mut s.limits },
        },
    ],
    common: None,
};

/// The settings of `log` where it is a table.
pub(crate) const LOG: Section<Log> = Section {
    title: "[server.log]",
    settings: &[
        Setting {
            name: "format",
            doc: "How a line looks: coloured for eyes, one JSON object, or there are none.",
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#""json""#,
            value: &At(
                Choice(&[
                    ("pretty", LogFormat::Pretty),
                    ("json", LogFormat::Json),
                    ("off", LogFormat::Off),
                ]),
                |log: &mut Log| &mut log.format,
            ),
        },
        Setting {
            name: "file",
            doc: "The file that lines are appended to; relative to the config file's folder.",
            preset: Preset::Words("standard output"),
            example: r#""/var/log/gannet.log""#,
            value: &At(Text, |log: &mut Log| &mut log.file),
        },
        Setting {
            name: "buffer",
            doc: "The bytes of lines that an event loop gathers before it writes them.",
            preset: Preset::Value(r#""64KiB""#),
            example: r#""16KiB""#,
            value: &At(Size(1024..=16 << 20), |log: &mut Log| &mut log.buffer),
        },
        Setting {
            name: "flush",
            doc: "The time after which gathered lines are written even if they are few.",
            preset: Preset::Value(r#""1s""#),
            example: r#""250ms""#,
            value: &At(Time(1..=3_600_000), |log: &mut Log| &mut log.flush),
        },
    ],
    common: None,
};
