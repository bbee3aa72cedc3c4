//! `[site."HOST"]`: what is done for the requests to one host.

use crate::{
    kind::{Flag, Text, Texts},
    setting::{At, Preset, Section, Setting},
    source::Word,
};

/// What was typed for one site.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) root: Option<Word<String>>,
    pub(crate) index: Option<Word<Vec<Word<String>>>>,
    pub(crate) listing: Option<Word<bool>>,
    pub(crate) links: Option<Word<Vec<Word<String>>>>,
}

/// The settings of a site.
pub(crate) const SITE: Section<Site> = Section {
    title: "[site.\"HOST\"]",
    settings: &[
        Setting {
            name: "root",
            doc: "The folder whose files are sent; relative to the config file's folder.",
            preset: Preset::Words("none: every site needs one"),
            example: r#""/srv/site""#,
            value: &At(Text, |site: &mut Site| &mut site.root),
        },
        Setting {
            name: "index",
            doc: "The file names that stand for a folder; the first that exists is sent.",
            preset: Preset::Value(r#"["index.html"]"#),
            example: r#"["index.html", "index.htm"]"#,
            value: &At(Texts, |site: &mut Site| &mut site.index),
        },
        Setting {
            name: "listing",
            doc: "Whether a folder without such a file is answered with a list of what is in it.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |site: &mut Site| &mut site.listing),
        },
        Setting {
            name: "links",
            doc: "The folders outside the root that symbolic links in it may lead to.",
            preset: Preset::Value("[]"),
            example: r#"["/usr/share/javascript"]"#,
            value: &At(Texts, |site: &mut Site| &mut site.links),
        },
    ],
};
