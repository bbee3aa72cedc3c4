//! `otlp`: where spans of exchanges are sent.

use crate::{
    kind::{FieldMap, FieldWords, Text},
    setting::{At, Preset, Section, Setting},
    source::Word,
};

/// What was typed for `otlp`.
#[derive(Debug, Default)]
pub(crate) struct Otlp {
    pub(crate) endpoint: Option<Word<String>>,
    pub(crate) fields: Option<Word<Vec<FieldWords>>>,
    pub(crate) service: Option<Word<String>>,
}

/// The settings of `otlp` where it is a table.
pub(crate) const OTLP: Section<Otlp> = Section {
    title: "[server.otlp]",
    settings: &[
        Setting {
            name: "endpoint",
            doc: "The URL of the collector; `/v1/traces` is added where it does not end with that.",
            preset: Preset::Words("none: no span is sent"),
            example: r#""http://127.0.0.1:4318""#,
            value: &At(Text, |otlp: &mut Otlp| &mut otlp.endpoint),
        },
        Setting {
            name: "fields",
            doc: "Fields of each request to it, such as one that lets it in.",
            preset: Preset::Value("{}"),
            example: r#"{ Authorization = "Bearer carrots-and-27-umbrellas" }"#,
            value: &At(FieldMap, |otlp: &mut Otlp| &mut otlp.fields),
        },
        Setting {
            name: "service",
            doc: "What this server is called there: `service.name` of its spans.",
            preset: Preset::Value(r#""gannet""#),
            example: r#""shop""#,
            value: &At(Text, |otlp: &mut Otlp| &mut otlp.service),
        },
    ],
    common: None,
};
