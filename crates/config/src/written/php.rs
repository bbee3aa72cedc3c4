//! `php`: whether PHP runs here, and where its programs are run.

use crate::{
    kind::{Count, Flag, Size, Text, Time},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use std::time::Duration;

/// What was typed of PHP.
#[derive(Debug, Default)]
pub(crate) struct Php {
    pub(crate) on: Option<Word<bool>>,
    pub(crate) socket: Option<Word<String>>,
    pub(crate) address: Option<Word<String>>,
    pub(crate) time: Option<Word<Duration>>,
    pub(crate) content_bytes_max: Option<Word<u64>>,
    pub(crate) buffer_bytes_max: Option<Word<u64>>,
    pub(crate) requests_max: Option<Word<usize>>,
}

/// The settings of `php`.
pub(crate) const PHP: Section<Php> = Section {
    title: "`php`",
    settings: &[
        Setting {
            name: "on",
            doc: "Whether PHP runs here, by the php-fpm of this machine where none is named.",
            preset: Preset::Value("true"),
            example: "false",
            value: &At(Flag, |php: &mut Php| &mut php.on),
        },
        Setting {
            name: "socket",
            doc: "The Unix socket of the php-fpm that is asked.",
            preset: Preset::Words("the one that this machine's php-fpm has"),
            example: r#""/run/php/php8.2-fpm.sock""#,
            value: &At(Text, |php: &mut Php| &mut php.socket),
        },
        Setting {
            name: "address",
            doc: "The address of the php-fpm that is asked, where it is reached by TCP.",
            preset: Preset::Words("none"),
            example: r#""127.0.0.1:9000""#,
            value: &At(Text, |php: &mut Php| &mut php.address),
        },
        Setting {
            name: "time",
            doc: "Time that php-fpm may take for its next word; more is 504.",
            preset: Preset::Value(r#""60s""#),
            example: r#""5m""#,
            value: &At(Time(10..=86_400_000), |php: &mut Php| &mut php.time),
        },
        Setting {
            name: "upload-max",
            doc: "The most content that a request may bring along; more is 413. PHP has limits of \
                  its own: `upload_max_filesize`, `post_max_size`.",
            preset: Preset::Value(r#""64MiB""#),
            example: r#""1GiB""#,
            value: &At(Size(0..=1 << 40), |php: &mut Php| &mut php.content_bytes_max),
        },
        Setting {
            name: "buffer-max",
            doc: "The most of an answer that is kept for a slow client, so that php-fpm need not \
                  wait for it.",
            preset: Preset::Value(r#""256MiB""#),
            example: r#""0B""#,
            value: &At(Size(0..=1 << 40), |php: &mut Php| &mut php.buffer_bytes_max),
        },
        Setting {
            name: "requests-max",
            doc: "The most requests of a worker process that wait for php-fpm or are answered by \
                  it; one more is 503.",
            preset: Preset::Value("512"),
            example: "64",
            value: &At(Count(1..=65_536), |php: &mut Php| &mut php.requests_max),
        },
    ],
    common: None,
};
