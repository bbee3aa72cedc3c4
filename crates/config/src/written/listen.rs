//! `listen`: where connections come in, each address as a text or as a table with more to say.

use crate::{
    kind::{Flag, Mode, Text},
    setting::{At, Preset, Section, Setting},
    source::{Listed, Word},
};

/// What was typed for one address.
#[derive(Debug, Default)]
pub(crate) struct Listen {
    pub(crate) address: Option<Word<String>>,
    pub(crate) mode: Option<Word<u32>>,
    pub(crate) proxy_protocol: Option<Word<bool>>,
    pub(crate) http2: Option<Word<bool>>,
    pub(crate) tls: Option<Word<bool>>,
}

/// All that was typed for `listen`.
pub(crate) type Listens = Listed<Listen>;

/// The settings of an address where it is a table.
pub(crate) const LISTEN: Section<Listen> = Section {
    title: "[[server.listen]]",
    settings: &[
        Setting {
            name: "address",
            doc: "An address and port, a port alone, or `unix:` and the path of a socket.",
            preset: Preset::Words("none: every listener needs one"),
            example: r#""unix:/run/gannet.sock""#,
            value: &At(Text, |listen: &mut Listen| &mut listen.address),
        },
        Setting {
            name: "mode",
            doc: "Who may connect to a Unix socket: the permissions of its file, in octal.",
            preset: Preset::Value(r#""0660""#),
            example: r#""0666""#,
            value: &At(Mode, |listen: &mut Listen| &mut listen.mode),
        },
        Setting {
            name: "proxy-protocol",
            doc: "Whether a balancer says first who the client is, by the PROXY protocol.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |listen: &mut Listen| &mut listen.proxy_protocol),
        },
        Setting {
            name: "http2",
            doc: "Whether HTTP/2 is spoken: by TLS with clients that choose it, without TLS with \
                  those that begin with it.",
            preset: Preset::Words("true with TLS, else false"),
            example: "true",
            value: &At(Flag, |listen: &mut Listen| &mut listen.http2),
        },
        Setting {
            name: "tls",
            doc: "Whether TLS is spoken at this address.",
            preset: Preset::Words("true for port 443, else false"),
            example: "true",
            value: &At(Flag, |listen: &mut Listen| &mut listen.tls),
        },
    ],
    common: None,
};
