//! `php`: whether PHP runs here, and where its programs are run.

use crate::{
    ini_kind::{Ini, IniMap},
    kind::{Count, Flag, OrNone, Size, Text, Time},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use std::time::Duration;

/// What was typed of PHP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Php {
    pub(crate) on: Option<Word<bool>>,
    pub(crate) socket: Option<Word<String>>,
    pub(crate) address: Option<Word<String>>,
    pub(crate) version: Option<Word<String>>,
    pub(crate) user: Option<Word<String>>,
    pub(crate) workers: Option<Word<usize>>,
    pub(crate) ini: Option<Word<Ini>>,
    pub(crate) send_root: Option<Word<String>>,
    pub(crate) slow: Option<Word<Duration>>,
    pub(crate) time: Option<Word<Duration>>,
    pub(crate) content_bytes_max: Option<Word<u64>>,
    pub(crate) buffer_bytes_max: Option<Word<u64>>,
    pub(crate) requests_max: Option<Word<usize>>,
    pub(crate) keep: Option<Word<usize>>,
    pub(crate) cache: Option<Word<Option<Duration>>>,
    pub(crate) cache_stale: Option<Word<Duration>>,
    pub(crate) cache_bytes_max: Option<Word<u64>>,
}

impl Php {
    /// These words, and of those that hold for more the ones that these say nothing of. Where these
    /// name a php-fpm that runs already, nothing that is said of one that is started holds, nor the
    /// other way round.
    pub(crate) fn within(self, mut wider: Self) -> Self {
        if self.socket.is_some() || self.address.is_some() {
            (wider.socket, wider.address) = (None, None);
            (wider.version, wider.user, wider.workers, wider.ini) = (None, None, None, None);
        }
        let is_started = self.version.is_some() || self.user.is_some();
        if is_started || self.workers.is_some() || self.ini.is_some() {
            (wider.socket, wider.address) = (None, None);
        }
        Self {
            // A table that does not say so is on, whatever was said before.
            on: self.on,
            socket: self.socket.or(wider.socket),
            address: self.address.or(wider.address),
            version: self.version.or(wider.version),
            user: self.user.or(wider.user),
            workers: self.workers.or(wider.workers),
            ini: with(self.ini, wider.ini),
            send_root: self.send_root.or(wider.send_root),
            slow: self.slow.or(wider.slow),
            time: self.time.or(wider.time),
            content_bytes_max: self.content_bytes_max.or(wider.content_bytes_max),
            buffer_bytes_max: self.buffer_bytes_max.or(wider.buffer_bytes_max),
            requests_max: self.requests_max.or(wider.requests_max),
            keep: self.keep.or(wider.keep),
            cache: self.cache.or(wider.cache),
            cache_stale: self.cache_stale.or(wider.cache_stale),
            cache_bytes_max: self.cache_bytes_max.or(wider.cache_bytes_max),
        }
    }
}

/// The settings of PHP's own in both, those of the first in place of others of their name.
fn with(own: Option<Word<Ini>>, wider: Option<Word<Ini>>) -> Option<Word<Ini>> {
    let (mut own, wider) = match (own, wider) {
        (Some(own), Some(wider)) => (own, wider),
        (own, wider) => return own.or(wider),
    };
    let is_new = |(name, _): &(Word<String>, String)| {
        own.value.iter().all(|(own, _)| own.value != name.value)
    };
    let more: Vec<_> = wider.value.into_iter().filter(is_new).collect();
    own.value.extend(more);
    Some(own)
}

/// The settings of `php`.
pub(crate) const PHP: Section<Php> = Section {
    title: "`php`",
    settings: &[
        Setting {
            name: "on",
            doc: "Whether PHP runs here, by a php-fpm that the server starts, where no other is named.",
            preset: Preset::Value("true"),
            example: "false",
            value: &At(Flag, |php: &mut Php| &mut php.on),
        },
        Setting {
            name: "socket",
            doc: "The Unix socket of a php-fpm that runs already.",
            preset: Preset::Words("none: the server starts one"),
            example: r#""/run/php/php8.2-fpm.sock""#,
            value: &At(Text, |php: &mut Php| &mut php.socket),
        },
        Setting {
            name: "address",
            doc: "The address of a php-fpm that runs already, where it is reached by TCP.",
            preset: Preset::Words("none"),
            example: r#""127.0.0.1:9000""#,
            value: &At(Text, |php: &mut Php| &mut php.address),
        },
        Setting {
            name: "version",
            doc: "The version of PHP, of several that are installed side by side.",
            preset: Preset::Words("the newest"),
            example: r#""8.2""#,
            value: &At(Text, |php: &mut Php| &mut php.version),
        },
        Setting {
            name: "user",
            doc: "The user whom programs run as; only root starts them as somebody else.",
            preset: Preset::Words("under root the owner of the folder, else who runs the server"),
            example: r#""shop""#,
            value: &At(Text, |php: &mut Php| &mut php.user),
        },
        Setting {
            name: "workers",
            doc: "The most programs that run at a time; further requests wait.",
            preset: Preset::Value("10"),
            example: "4",
            value: &At(Count(1..=4096), |php: &mut Php| &mut php.workers),
        },
        Setting {
            name: "ini",
            doc: "Settings of PHP, which no program changes.",
            preset: Preset::Words("those of its php.ini"),
            example: r#"{ memory_limit = "256M", display_errors = false }"#,
            value: &At(IniMap, |php: &mut Php| &mut php.ini),
        },
        Setting {
            name: "send-root",
            doc: "A folder from which programs may have files sent by `X-Sendfile` or \
                  `X-Accel-Redirect`.",
            preset: Preset::Words("none: such an answer is 502"),
            example: r#""/srv/shop/private""#,
            value: &At(Text, |php: &mut Php| &mut php.send_root),
        },
        Setting {
            name: "slow",
            doc: "Time after which a request that has no answer yet is told in the error log, with \
                  its program; where the server has started php-fpm, also what that is at by then.",
            preset: Preset::Value(r#""10s""#),
            example: r#""3s""#,
            value: &At(Time(10..=86_400_000), |php: &mut Php| &mut php.slow),
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
            doc: "The most content that a request may bring along; more is 413. A php-fpm that \
                  runs already has limits of its own: `upload_max_filesize`, `post_max_size`.",
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
        Setting {
            name: "keep",
            doc: "The most connections to php-fpm that are kept for the next request, by all worker \
                  processes together. Each holds one of its workers, so half of `workers` is the \
                  most.",
            preset: Preset::Value("0"),
            example: "2",
            value: &At(Count(0..=2048), |php: &mut Php| &mut php.keep),
        },
        Setting {
            name: "micro-cache",
            doc: "Time for which a page is kept that is the same for everybody, unless the program \
                  says less: for requests without a cookie, a password or content.",
            preset: Preset::Value(r#""""#),
            example: r#""1s""#,
            value: &At(OrNone(Time(100..=86_400_000)), |php: &mut Php| &mut php.cache),
        },
        Setting {
            name: "micro-cache-stale",
            doc: "Time for which a page that is older is sent while one request asks for another.",
            preset: Preset::Value(r#""10s""#),
            example: r#""1m""#,
            value: &At(Time(0..=86_400_000), |php: &mut Php| &mut php.cache_stale),
        },
        Setting {
            name: "micro-cache-max",
            doc: "The most memory for such pages in each worker process.",
            preset: Preset::Value(r#""64MiB""#),
            example: r#""256MiB""#,
            value: &At(Size(1 << 20..=1 << 40), |php: &mut Php| &mut php.cache_bytes_max),
        },
    ],
    common: None,
};
