//! `cors`: which pages of other origins may ask, and read the answers.

use crate::{
    kind::{Flag, Texts, Time},
    setting::{At, Preset, Section, Setting},
    source::Word,
};
use std::time::Duration;

/// Milliseconds of the longest time that a browser may be told to remember a preflight.
const AGE_MAX: u64 = 86_400_000;

/// What was typed about other origins.
#[derive(Debug, Default)]
pub(crate) struct Cors {
    pub(crate) origins: Option<Word<Vec<Word<String>>>>,
    pub(crate) methods: Option<Word<Vec<Word<String>>>>,
    pub(crate) fields: Option<Word<Vec<Word<String>>>>,
    pub(crate) expose: Option<Word<Vec<Word<String>>>>,
    pub(crate) credentials: Option<Word<bool>>,
    pub(crate) max_age: Option<Word<Duration>>,
}

/// The settings of `cors`.
pub(crate) const CORS: Section<Cors> = Section {
    title: "`cors`",
    settings: &[
        Setting {
            name: "origins",
            doc: "The origins whose pages may read the answers; `\"*\"` stands for all.",
            preset: Preset::Words("none"),
            example: r#"["https://app.example.com"]"#,
            value: &At(Texts, |cors: &mut Cors| &mut cors.origins),
        },
        Setting {
            name: "methods",
            doc: "The methods that their pages may use.",
            preset: Preset::Value(r#"["GET", "HEAD", "POST"]"#),
            example: r#"["GET", "PUT", "DELETE"]"#,
            value: &At(Texts, |cors: &mut Cors| &mut cors.methods),
        },
        Setting {
            name: "fields",
            doc: "The request fields that their pages may send beyond the usual ones.",
            preset: Preset::Value("[]"),
            example: r#"["Content-Type", "X-Token"]"#,
            value: &At(Texts, |cors: &mut Cors| &mut cors.fields),
        },
        Setting {
            name: "expose",
            doc: "The response fields that their pages may see beyond the usual ones.",
            preset: Preset::Value("[]"),
            example: r#"["ETag", "X-Total"]"#,
            value: &At(Texts, |cors: &mut Cors| &mut cors.expose),
        },
        Setting {
            name: "credentials",
            doc: "Whether browsers may send cookies and passwords along; not for all origins.",
            preset: Preset::Value("false"),
            example: "true",
            value: &At(Flag, |cors: &mut Cors| &mut cors.credentials),
        },
        Setting {
            name: "max-age",
            doc: "How long a browser may remember what it was told about methods and fields.",
            preset: Preset::Words("not said"),
            example: r#""10m""#,
            value: &At(Time(0..=AGE_MAX), |cors: &mut Cors| &mut cors.max_age),
        },
    ],
    common: None,
};
