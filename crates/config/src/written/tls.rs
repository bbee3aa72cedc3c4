//! `tls`: what makes a site one that is served over TLS.

use crate::{
    kind::{Choice, Flag, Text, Texts},
    plan::TlsVersion,
    setting::{At, Preset, Section, Setting},
    source::Word,
};

/// What was typed for the TLS of a site.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    pub(crate) mode: Option<Word<Mode>>,
    pub(crate) cert: Option<Word<Vec<Word<String>>>>,
    pub(crate) key: Option<Word<Vec<Word<String>>>>,
    pub(crate) min_version: Option<Word<TlsVersion>>,
    pub(crate) client_ca: Option<Word<String>>,
    pub(crate) redirect: Option<Word<bool>>,
    pub(crate) hsts: Option<Word<bool>>,
}

/// Where certificates come from, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// There are none: the site does not speak TLS.
    Off,
    /// They are in the files that are named.
    Files,
    /// They come from an authority of the world.
    Auto,
    /// They come from the local authority.
    Internal,
}

/// The settings of the TLS of a site.
pub(crate) const TLS: Section<Tls> = Section {
    title: "[site.\"HOST\".tls]",
    settings: &[
        Setting {
            name: "mode",
            doc: "Where the certificate comes from: \"auto\" from an authority by itself, \
                  \"internal\" from the local authority, \"files\"; \"off\" leaves TLS out.",
            preset: Preset::Words("\"files\" where one is named, else \"auto\""),
            example: r#""off""#,
            value: &At(
                Choice(&[
                    ("files", Mode::Files),
                    ("off", Mode::Off),
                    ("auto", Mode::Auto),
                    ("internal", Mode::Internal),
                ]),
                |tls: &mut Tls| &mut tls.mode,
            ),
        },
        Setting {
            name: "cert",
            doc: "The file of the certificate and its chain (PEM), or one for each kind of key.",
            preset: Preset::Words("none: TLS needs one"),
            example: r#""certs/example.com.pem""#,
            value: &At(Texts, |tls: &mut Tls| &mut tls.cert),
        },
        Setting {
            name: "key",
            doc: "The file of the certificate's private key (PEM), or one for each certificate.",
            preset: Preset::Words("none: TLS needs one"),
            example: r#""certs/example.com.key""#,
            value: &At(Texts, |tls: &mut Tls| &mut tls.key),
        },
        Setting {
            name: "min-version",
            doc: "The oldest version of TLS that is spoken.",
            preset: Preset::Value(r#""1.2""#),
            example: r#""1.3""#,
            value: &At(
                Choice(&[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)]),
                |tls: &mut Tls| &mut tls.min_version,
            ),
        },
        Setting {
            name: "client-ca",
            doc: "The file of the authorities (PEM) by one of which each client must be certified.",
            preset: Preset::Words("none: anybody may come"),
            example: r#""certs/staff-ca.pem""#,
            value: &At(Text, |tls: &mut Tls| &mut tls.client_ca),
        },
        Setting {
            name: "redirect",
            doc: "Whether requests that come without TLS are sent on to it (308), not answered.",
            preset: Preset::Value("true"),
            example: "false",
            value: &At(Flag, |tls: &mut Tls| &mut tls.redirect),
        },
        Setting {
            name: "hsts",
            doc: "Whether browsers are told to ask by TLS only, for the next two years.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |tls: &mut Tls| &mut tls.hsts),
        },
    ],
    common: None,
};
