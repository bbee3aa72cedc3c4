//! `admin`: where an operator looks at the running server.

use crate::{
    kind::{Mode, Text},
    setting::{At, Preset, Section, Setting},
    source::Word,
};

/// What was typed for `admin`.
#[derive(Debug, Default)]
pub(crate) struct Admin {
    pub(crate) address: Option<Word<String>>,
    pub(crate) mode: Option<Word<u32>>,
    pub(crate) token: Option<Word<String>>,
}

/// The settings of `admin` where it is a table.
pub(crate) const ADMIN: Section<Admin> = Section {
    title: "[server.admin]",
    settings: &[
        Setting {
            name: "address",
            doc: "An address and port, or `unix:` and the path of a socket.",
            preset: Preset::Words("none: there are no such pages"),
            example: r#""127.0.0.1:7891""#,
            value: &At(Text, |admin: &mut Admin| &mut admin.address),
        },
        Setting {
            name: "mode",
            doc: "Who may connect to a Unix socket: the permissions of its file, in octal.",
            preset: Preset::Value(r#""0600""#),
            example: r#""0660""#,
            value: &At(Mode, |admin: &mut Admin| &mut admin.mode),
        },
        Setting {
            name: "token",
            doc: "What has to be known: the password of a browser, or a bearer token; any address \
                  but loopback and Unix sockets needs one.",
            preset: Preset::Words("none: whoever reaches the address may look"),
            example: r#""carrots and 27 umbrellas""#,
            value: &At(Text, |admin: &mut Admin| &mut admin.token),
        },
    ],
    common: None,
};
