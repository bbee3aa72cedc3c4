//! `log` and `error-log`: what was typed of the logs, for the server, a site or a route.

use crate::{
    kind::{Choice, Size, Text, Time},
    log_kind::{LineFormat, Share, StatusList},
    plan::{LogFormat, Statuses},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use std::{num::NonZero, time::Duration};

/// What was typed about an access log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) format: Option<Word<LogFormat>>,
    pub(crate) file: Option<Word<String>>,
    pub(crate) only: Option<Word<Statuses>>,
    pub(crate) sample: Option<Word<NonZero<u32>>>,
}

/// What was typed about the server's access log, and the writing of all of them.
#[derive(Debug, Default)]
pub(crate) struct ServerLog {
    pub(crate) log: Log,
    pub(crate) buffer: Option<Word<usize>>,
    pub(crate) flush: Option<Word<Duration>>,
}

/// What was typed about the error log.
#[derive(Debug, Default)]
pub(crate) struct ErrorLog {
    pub(crate) format: Option<Word<ErrorFormat>>,
    pub(crate) file: Option<Word<String>>,
}

/// How a line of the error log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    Pretty,
    Json,
    Off,
}

const FORMAT_DOC: &str =
    "How a line looks: for eyes, one JSON object, as other servers write it, as a template says.";
const FILE_DOC: &str = "The file that lines are appended to; relative to the config file's folder.";
const ONLY_DOC: &str = "The answers that have a line, by status or class of status.";
const SAMPLE_DOC: &str = "The share of those lines that is written.";

/// The settings of the `log` of a site or of one of its routes, where it is a table.
pub(crate) const LOG: Section<Log> = Section {
    title: "[site.\"HOST\".log]",
    settings: &[
        Setting {
            name: "format",
            doc: FORMAT_DOC,
            preset: Preset::Words("what the site or the server says"),
            example: r#""combined""#,
            value: &At(LineFormat, |log: &mut Log| &mut log.format),
        },
        Setting {
            name: "file",
            doc: FILE_DOC,
            preset: Preset::Words("what the site or the server says"),
            example: r#""/var/log/example.com.log""#,
            value: &At(Text, |log: &mut Log| &mut log.file),
        },
        Setting {
            name: "only",
            doc: ONLY_DOC,
            preset: Preset::Words("what the site or the server says"),
            example: r#"["4xx", "5xx"]"#,
            value: &At(StatusList, |log: &mut Log| &mut log.only),
        },
        Setting {
            name: "sample",
            doc: SAMPLE_DOC,
            preset: Preset::Words("what the site or the server says"),
            example: r#""1/10""#,
            value: &At(Share, |log: &mut Log| &mut log.sample),
        },
    ],
    common: None,
};

/// The settings of the server's `log` where it is a table.
pub(crate) const SERVER_LOG: Section<ServerLog> = Section {
    title: "[server.log]",
    settings: &[
        Setting {
            name: "format",
            doc: FORMAT_DOC,
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#""combined""#,
            value: &At(LineFormat, |log: &mut ServerLog| &mut log.log.format),
        },
        Setting {
            name: "file",
            doc: FILE_DOC,
            preset: Preset::Words("standard output"),
            example: r#""/var/log/gannet.log""#,
            value: &At(Text, |log: &mut ServerLog| &mut log.log.file),
        },
        Setting {
            name: "only",
            doc: ONLY_DOC,
            preset: Preset::Value("[]"),
            example: r#"["4xx", "5xx"]"#,
            value: &At(StatusList, |log: &mut ServerLog| &mut log.log.only),
        },
        Setting {
            name: "sample",
            doc: SAMPLE_DOC,
            preset: Preset::Value(r#""1/1""#),
            example: r#""1/10""#,
            value: &At(Share, |log: &mut ServerLog| &mut log.log.sample),
        },
        Setting {
            name: "buffer",
            doc: "The bytes of lines that an event loop gathers before it writes them.",
            preset: Preset::Value(r#""64KiB""#),
            example: r#""16KiB""#,
            value: &At(Size(1024..=16 << 20), |log: &mut ServerLog| &mut log.buffer),
        },
        Setting {
            name: "flush",
            doc: "The time after which gathered lines are written even if they are few.",
            preset: Preset::Value(r#""1s""#),
            example: r#""250ms""#,
            value: &At(Time(1..=3_600_000), |log: &mut ServerLog| &mut log.flush),
        },
    ],
    common: None,
};

/// The settings of `error-log` where it is a table.
pub(crate) const ERROR_LOG: Section<ErrorLog> = Section {
    title: "[server.error-log]",
    settings: &[
        Setting {
            name: "format",
            doc: "How a line looks: for eyes, one JSON object, or there are none.",
            preset: Preset::Words("\"pretty\" on a terminal, else \"json\""),
            example: r#""off""#,
            value: &At(
                Choice(&[
                    ("pretty", ErrorFormat::Pretty),
                    ("json", ErrorFormat::Json),
                    ("off", ErrorFormat::Off),
                ]),
                |log: &mut ErrorLog| &mut log.format,
            ),
        },
        Setting {
            name: "file",
            doc: FILE_DOC,
            preset: Preset::Words("standard error"),
            example: r#""/var/log/gannet-errors.log""#,
            value: &At(Text, |log: &mut ErrorLog| &mut log.file),
        },
    ],
    common: None,
};
