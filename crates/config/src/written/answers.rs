//! `redirect` and `respond`: the answers that stand in the config itself.

use crate::{
    kind::{Choice, Count, Text, Words},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use message::Status;

/// Where else to look, as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Redirect {
    pub(crate) to: Option<Word<String>>,
    pub(crate) status: Option<Word<Status>>,
}

/// An answer as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Respond {
    pub(crate) text: Option<Word<String>>,
    pub(crate) status: Option<Word<u16>>,
    pub(crate) media_type: Option<Word<String>>,
}

/// The settings of `redirect` where it is a table.
pub(super) const REDIRECT: Section<Redirect> = Section {
    title: "`redirect`",
    settings: &[
        Setting {
            name: "to",
            doc: "A path on this host or a URL, with placeholders such as `{rest}`.",
            preset: Preset::Words("none"),
            example: r#""https://example.com/{rest}""#,
            value: &At(Text, |redirect: &mut Redirect| &mut redirect.to),
        },
        Setting {
            name: "status",
            doc: "Whether it holds for good, and whether the method may change.",
            preset: Preset::Value("\"permanent\""),
            example: r#""temporary""#,
            value: &At(
                Choice(&[
                    ("permanent", Status::PERMANENT_REDIRECT),
                    ("temporary", Status::TEMPORARY_REDIRECT),
                    ("see-other", Status::SEE_OTHER),
                    ("moved", Status::MOVED_PERMANENTLY),
                    ("found", Status::FOUND),
                ]),
                |redirect: &mut Redirect| &mut redirect.status,
            ),
        },
    ],
    common: None,
};

/// The settings of `respond` where it is a table.
pub(super) const RESPOND: Section<Respond> = Section {
    title: "`respond`",
    settings: &[
        Setting {
            name: "text",
            doc: "The content, with placeholders such as `{host}`.",
            preset: Preset::Words("none"),
            example: r#""hello from {host}\n""#,
            value: &At(Words, |respond: &mut Respond| &mut respond.text),
        },
        Setting {
            name: "status",
            doc: "The status code.",
            preset: Preset::Value("200"),
            example: "410",
            value: &At(Count(200..=599), |respond: &mut Respond| &mut respond.status),
        },
        Setting {
            name: "type",
            doc: "The media type of the content.",
            preset: Preset::Value(r#""text/plain; charset=utf-8""#),
            example: r#""application/json""#,
            value: &At(Text, |respond: &mut Respond| &mut respond.media_type),
        },
    ],
    common: None,
};
