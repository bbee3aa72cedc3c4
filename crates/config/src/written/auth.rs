//! `auth`: who may enter by password.

use crate::{
    kind::{NamedTexts, Text, TextMap},
    setting::{At, Preset, Section, Setting},
    source::Word,
};

/// What was typed about passwords.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    pub(crate) realm: Option<Word<String>>,
    pub(crate) users: Option<Word<NamedTexts>>,
    pub(crate) file: Option<Word<String>>,
}

/// The settings of `auth`.
pub(crate) const AUTH: Section<Auth> = Section {
    title: "`auth`",
    settings: &[
        Setting {
            name: "realm",
            doc: "The name that browsers show when they ask for the password.",
            preset: Preset::Value(r#""restricted""#),
            example: r#""staff""#,
            value: &At(Text, |auth: &mut Auth| &mut auth.realm),
        },
        Setting {
            name: "users",
            doc: "The users and the hashes of their passwords, as `gannet hash-password` makes them.",
            preset: Preset::Value("{}"),
            example: r#"{ alice = "$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe" }"#,
            value: &At(TextMap("names with their texts"), |auth: &mut Auth| &mut auth.users),
        },
        Setting {
            name: "file",
            doc: "A file with a line `USER:HASH` for each user, read when the config is.",
            preset: Preset::Words("none"),
            example: r#""staff.htpasswd""#,
            value: &At(Text, |auth: &mut Auth| &mut auth.file),
        },
    ],
    common: None,
};
