//! `[site."HOST"]`: what is done for the requests to one host.

use super::{
    listen::{LISTEN, Listens},
    policy::{POLICY, Policy},
    route::{self, NamedRoute},
    tls::{TLS, Tls},
};
use crate::{
    kind::Texts,
    setting::{At, Preset, Record, Section, Setting, Tables, Within},
    source::Word,
};

/// What was typed for one site.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) aliases: Option<Word<Vec<Word<String>>>>,
    pub(crate) redirect_from: Option<Word<Vec<Word<String>>>>,
    pub(crate) listen: Listens,
    pub(crate) tls: Option<Word<Tls>>,
    pub(crate) policy: Policy,
    pub(crate) routes: Vec<NamedRoute>,
}

/// The settings of a site.
pub(crate) const SITE: Section<Site> = Section {
    title: "[site.\"HOST\"]",
    settings: &[
        Setting {
            name: "aliases",
            doc: "Other hosts that are served as this one.",
            preset: Preset::Value("[]"),
            example: r#"["www.example.com", "*.example.net"]"#,
            value: &At(Texts, |site: &mut Site| &mut site.aliases),
        },
        Setting {
            name: "redirect-from",
            doc: "Other hosts whose requests are sent on to this one (308).",
            preset: Preset::Value("[]"),
            example: r#"["example.org", "*.example.org"]"#,
            value: &At(Texts, |site: &mut Site| &mut site.redirect_from),
        },
        Setting {
            name: "listen",
            doc: "The addresses at which this site is served, instead of those of the server.",
            preset: Preset::Words("what `[server]` says"),
            example: r#"["127.0.0.1:7891", "unix:/run/site.sock"]"#,
            value: &Tables {
                section: &LISTEN,
                short: &LISTEN.settings[0],
                place: |site: &mut Site| &mut site.listen,
            },
        },
        Setting {
            name: "tls",
            doc: "Whether and how the site is served over TLS: \"auto\", \"internal\", \"off\", or \
                  a table that says more.",
            preset: Preset::Words(
                "\"auto\" for a public name where there is an address with TLS, else \"off\"",
            ),
            example: r#"{ cert = "certs/example.com.pem", key = "certs/example.com.key" }"#,
            value: &Record {
                section: &TLS,
                short: Some("mode"),
                place: |site: &mut Site| &mut site.tls,
            },
        },
        Setting {
            name: "route",
            doc: "What is done for some of the paths, each a table named by its path.",
            preset: Preset::Value("{}"),
            example: r#"{ "/old/*" = { redirect = "/new/{rest}" } }"#,
            value: &route::Routes,
        },
    ],
    common: Some(&Within { section: &POLICY, place: |site: &mut Site| &mut site.policy }),
};
