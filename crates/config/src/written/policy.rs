//! What may be said of a site and of each of its routes.

use super::{
    answers::{REDIRECT, RESPOND, Redirect, Respond},
    auth::{AUTH, Auth},
    cors::{CORS, Cors},
    log::{LOG, Log},
    php::{PHP, Php},
};
use crate::{
    kind::{
        Choice, Count, FieldMap, FieldWords, Flag, NamedTexts, OrNone, Rate, Size, Text, TextMap,
        Texts, Times, Words,
    },
    plan::TrailingSlash,
    setting::{At, Preset, Record, Section, Setting, Table},
    source::{Span, Word},
    unit::Frequency,
};

/// What was typed for a site, a route or a case of one.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// Where the site's `tls` says that browsers shall ask by TLS only.
    pub(crate) hsts: Option<Span>,
    pub(crate) root: Option<Word<String>>,
    pub(crate) alias: Option<Word<String>>,
    pub(crate) index: Option<Word<Vec<Word<String>>>>,
    pub(crate) listing: Option<Word<bool>>,
    pub(crate) listing_template: Option<Word<String>>,
    pub(crate) links: Option<Word<Vec<Word<String>>>>,
    pub(crate) fallback: Option<Word<String>>,
    pub(crate) trailing_slash: Option<Word<TrailingSlash>>,
    pub(crate) php: Option<Word<Php>>,
    pub(crate) php_deny: Option<Word<Vec<Word<String>>>>,
    pub(crate) error_pages: Option<Word<NamedTexts>>,
    pub(crate) redirect: Redirect,
    pub(crate) respond: Respond,
    pub(crate) rewrite: Option<Word<String>>,
    pub(crate) allow: Option<Word<Vec<Word<String>>>>,
    pub(crate) deny: Option<Word<Vec<Word<String>>>>,
    pub(crate) methods: Option<Word<Vec<Word<String>>>>,
    pub(crate) limit: Limit,
    pub(crate) bandwidth: Option<Word<Option<u64>>>,
    pub(crate) fields: Option<Word<Vec<FieldWords>>>,
    pub(crate) cache_control: Option<Word<String>>,
    pub(crate) compress: Compress,
    pub(crate) auth: Option<Word<Auth>>,
    pub(crate) security: Option<Word<Security>>,
    pub(crate) cors: Option<Word<Cors>>,
    pub(crate) log: Log,
}

/// How careful browsers are told to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Unsaid,
    Strict,
}

/// What is compressed on the fly, as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Compress {
    pub(crate) on: Option<Word<bool>>,
    pub(crate) codings: Option<Word<Vec<Word<String>>>>,
    pub(crate) least: Option<Word<u64>>,
    pub(crate) most: Option<Word<u64>>,
}

/// How often a client may ask, as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    pub(crate) rate: Option<Word<Option<Frequency>>>,
    pub(crate) burst: Option<Word<u64>>,
    pub(crate) dry_run: Option<Word<bool>>,
}

impl Policy {
    /// Whether a guard is named here, or taken away.
    pub(crate) fn guards(&self) -> bool {
        let Self { allow, deny, methods, limit, auth, .. } = self;
        let by_address = allow.is_some() || deny.is_some();
        by_address || methods.is_some() || auth.is_some() || limit.rate.is_some()
    }
}

/// The settings that a site and its routes share.
pub(crate) const POLICY: Section<Policy> = Section {
    title: "a site or one of its routes",
    settings: &[
        Setting {
            name: "root",
            doc: "The folder that files are sent from, looked up by the whole path; relative to the \
                  config file's folder.",
            preset: Preset::Words("none"),
            example: r#""/srv/site""#,
            value: &At(Text, |policy: &mut Policy| &mut policy.root),
        },
        Setting {
            name: "alias",
            doc: "As `root`, but only what the `*` of the route stands for is looked up in it.",
            preset: Preset::Words("none"),
            example: r#""/srv/assets""#,
            value: &At(Text, |policy: &mut Policy| &mut policy.alias),
        },
        Setting {
            name: "index",
            doc: "The file names that stand for a folder; the first that exists is sent.",
            preset: Preset::Value(r#"["index.html"]"#),
            example: r#"["index.html", "index.htm"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.index),
        },
        Setting {
            name: "listing",
            doc: "Whether a folder without such a file is answered with a list of what is in it.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |policy: &mut Policy| &mut policy.listing),
        },
        Setting {
            name: "listing-template",
            doc: "The template of such a list, a file; relative to the config file's folder.",
            preset: Preset::Words("a built-in page"),
            example: r#""listing.html.jinja""#,
            value: &At(Words, |policy: &mut Policy| &mut policy.listing_template),
        },
        Setting {
            name: "links",
            doc: "The folders outside the root that symbolic links in it may lead to.",
            preset: Preset::Value("[]"),
            example: r#"["/usr/share/javascript"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.links),
        },
        Setting {
            name: "fallback",
            doc: "The path in the root that is sent (200) for a missing one that asks for a page.",
            preset: Preset::Words("none"),
            example: r#""/index.html""#,
            value: &At(Words, |policy: &mut Policy| &mut policy.fallback),
        },
        Setting {
            name: "trailing-slash",
            doc: "Whether the slash at the end of a path is kept, added or removed by a redirect.",
            preset: Preset::Value("\"keep\""),
            example: "\"remove\"",
            value: &At(
                Choice(&[
                    ("keep", TrailingSlash::Keep),
                    ("add", TrailingSlash::Add),
                    ("remove", TrailingSlash::Remove),
                ]),
                |policy: &mut Policy| &mut policy.trailing_slash,
            ),
        },
        Setting {
            name: "php",
            doc: "Whether PHP runs here: a program or a file where the path names one, for all else \
                  /index.php; or a table that says by which php-fpm. What the table of a route does \
                  not say, that of its site does.",
            preset: Preset::Value("false"),
            example: r#"{ socket = "/run/php/php8.2-fpm.sock" }"#,
            value: &Record {
                section: &PHP,
                short: Some("on"),
                place: |policy: &mut Policy| &mut policy.php,
            },
        },
        Setting {
            name: "php-deny",
            doc: "The paths at which no PHP program is run, such as those of uploads.",
            preset: Preset::Value("[]"),
            example: r#"["/wp-content/uploads/*"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.php_deny),
        },
        Setting {
            name: "error-pages",
            doc: "Files to send for errors, by status, `4xx`, `5xx` or `any`; those that end in \
                  `.jinja` or `.j2` are templates.",
            preset: Preset::Value("{}"),
            example: r#"{ 404 = "errors/404.html", 5xx = "errors/oops.html.jinja" }"#,
            value: &At(TextMap("errors with their pages"), |policy: &mut Policy| {
                &mut policy.error_pages
            }),
        },
        Setting {
            name: "redirect",
            doc: "Where requests are sent on to, or a table that says with which status, too.",
            preset: Preset::Words("none"),
            example: r#""/new/{rest}""#,
            value: &Table {
                section: &REDIRECT,
                short: Some("to"),
                place: |policy: &mut Policy| &mut policy.redirect,
            },
        },
        Setting {
            name: "respond",
            doc: "A text to answer with, or a table that says with which status and type, too.",
            preset: Preset::Words("none"),
            example: r#"{ status = 410, text = "gone for good" }"#,
            value: &Table {
                section: &RESPOND,
                short: Some("text"),
                place: |policy: &mut Policy| &mut policy.respond,
            },
        },
        Setting {
            name: "rewrite",
            doc: "The path that is looked for instead; it is matched to the routes anew.",
            preset: Preset::Words("none"),
            example: r#""/v2/{rest}""#,
            value: &At(Text, |policy: &mut Policy| &mut policy.rewrite),
        },
        Setting {
            name: "allow",
            doc: "The addresses and networks that may enter; with it, no others may. Who enters is in \
                  each list that is inherited, too; an empty one takes those away.",
            preset: Preset::Words("everybody"),
            example: r#"["10.0.0.0/8", "::1"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.allow),
        },
        Setting {
            name: "deny",
            doc: "The addresses and networks that may not enter, even if they are allowed. Lists \
                  add up with those that are inherited; an empty one takes those away.",
            preset: Preset::Words("nobody"),
            example: r#"["10.6.6.0/24"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.deny),
        },
        Setting {
            name: "methods",
            doc: "The methods that may be used; HEAD goes with GET, and OPTIONS says which there are.",
            preset: Preset::Words("all that what answers knows"),
            example: r#"["GET", "POST"]"#,
            value: &At(Texts, |policy: &mut Policy| &mut policy.methods),
        },
        Setting {
            name: "limit",
            doc: "How often a client may ask, or a table that says more; beyond it is 429.",
            preset: Preset::Value(r#""""#),
            example: r#"{ rate = "20/s", burst = 40 }"#,
            value: &Table {
                section: &LIMIT,
                short: Some("rate"),
                place: |policy: &mut Policy| &mut policy.limit,
            },
        },
        Setting {
            name: "bandwidth",
            doc: "The most that is sent to a client, over all of its connections.",
            preset: Preset::Value(r#""""#),
            example: r#""1MiB/s""#,
            value: &At(OrNone(Rate(1024..=1 << 30)), |policy: &mut Policy| &mut policy.bandwidth),
        },
        Setting {
            name: "fields",
            doc: "Response fields to send, in place of others of their name; an empty value takes \
                  one away. Of what HTTP requires, such as `Location` or `Vary`, it takes away \
                  only what a wider route has added.",
            preset: Preset::Value("{}"),
            example: r#"{ X-Frame-Options = "DENY", X-Powered-By = "" }"#,
            value: &At(FieldMap, |policy: &mut Policy| &mut policy.fields),
        },
        Setting {
            name: "cache-control",
            doc: "How long caches may keep what is found; errors are not for them.",
            preset: Preset::Words("not said"),
            example: r#""public, max-age=31536000, immutable""#,
            value: &At(Words, |policy: &mut Policy| &mut policy.cache_control),
        },
        Setting {
            name: "auth",
            doc: "Who may enter by password: a file of users, or a table; `{}` lets everybody in.",
            preset: Preset::Words("everybody"),
            example: r#"{ realm = "staff", file = "staff.htpasswd" }"#,
            value: &Record {
                section: &AUTH,
                short: Some("file"),
                place: |policy: &mut Policy| &mut policy.auth,
            },
        },
        Setting {
            name: "security",
            doc: "The response fields that make browsers careful, all by one word.",
            preset: Preset::Value("\"\""),
            example: r#""strict""#,
            value: &At(
                Choice(&[("strict", Security::Strict), ("", Security::Unsaid)]),
                |policy: &mut Policy| &mut policy.security,
            ),
        },
        Setting {
            name: "cors",
            doc: "The other origins whose pages may read the answers, or a table that says what \
                  else they may; `{}` is nobody.",
            preset: Preset::Value("{}"),
            example: r#"{ origins = ["https://app.example.com"], max-age = "10m" }"#,
            value: &Record {
                section: &CORS,
                short: Some("origins"),
                place: |policy: &mut Policy| &mut policy.cors,
            },
        },
        Setting {
            name: "compress",
            doc: "Whether text and the like is compressed on the fly, or a table that says how.",
            preset: Preset::Value("true"),
            example: r#"{ codings = ["zstd", "gzip"], least = "4KiB" }"#,
            value: &Table {
                section: &COMPRESS,
                short: Some("on"),
                place: |policy: &mut Policy| &mut policy.compress,
            },
        },
        Setting {
            name: "log",
            doc: "The access log that has the lines of these requests, in place of another.",
            preset: Preset::Words("what the site or the server says"),
            example: r#"{ file = "/var/log/example.com.log" }"#,
            value: &Table {
                section: &LOG,
                short: Some("format"),
                place: |policy: &mut Policy| &mut policy.log,
            },
        },
    ],
    common: None,
};

const LIMIT: Section<Limit> = Section {
    title: "`limit`",
    settings: &[
        Setting {
            name: "rate",
            doc: "How often a client may ask, evenly spread.",
            preset: Preset::Value(r#""""#),
            example: r#""100/m""#,
            value: &At(OrNone(Times(1..=1_000_000 * 86_400)), |limit: &mut Limit| &mut limit.rate),
        },
        Setting {
            name: "burst",
            doc: "How many of its requests may come at once.",
            preset: Preset::Words("a tenth of the number in `rate`, at least 1"),
            example: "40",
            value: &At(Count(1..=1_000_000), |limit: &mut Limit| &mut limit.burst),
        },
        Setting {
            name: "dry-run",
            doc: "Whether requests beyond it are only counted and marked in the log.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |limit: &mut Limit| &mut limit.dry_run),
        },
    ],
    common: None,
};

const COMPRESS: Section<Compress> = Section {
    title: "`compress`",
    settings: &[
        Setting {
            name: "on",
            doc: "Whether anything is compressed on the fly.",
            preset: Preset::Value("true"),
            example: "false",
            value: &At(Flag, |compress: &mut Compress| &mut compress.on),
        },
        Setting {
            name: "codings",
            doc: "What is offered; of those that a client likes equally, the first is sent.",
            preset: Preset::Value(r#"["zstd", "br", "gzip"]"#),
            example: r#"["br", "gzip"]"#,
            value: &At(Texts, |compress: &mut Compress| &mut compress.codings),
        },
        Setting {
            name: "least",
            doc: "The size from which on content is worth it.",
            preset: Preset::Value(r#""1KiB""#),
            example: r#""4KiB""#,
            value: &At(Size(0..=1 << 30), |compress: &mut Compress| &mut compress.least),
        },
        Setting {
            name: "most",
            doc: "The size up to which files are worth it.",
            preset: Preset::Value(r#""16MiB""#),
            example: r#""1MiB""#,
            value: &At(Size(0..=1 << 30), |compress: &mut Compress| &mut compress.most),
        },
    ],
    common: None,
};
