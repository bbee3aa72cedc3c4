//! What was typed, setting by setting, each value with its place; whether it makes sense together
//! is not asked here.

mod limits;
mod listen;
mod admin;
mod log;
mod otlp;
mod server;
mod auth;
mod cors;
mod tls;
mod certificates;
mod php;
mod answers;
mod policy;
mod route;
mod site;

pub(crate) use admin::Admin;
pub(crate) use auth::Auth;
pub(crate) use certificates::{Authority, Certificates, DnsServer};
pub(crate) use cors::Cors;
pub(crate) use limits::Limits;
pub(crate) use listen::{Listen, Listens};
pub(crate) use log::{ErrorFormat, ErrorLog, Log, ServerLog};
pub(crate) use otlp::Otlp;
pub(crate) use php::Php;
pub(crate) use policy::{Policy, Security};
pub(crate) use route::{Case, NamedRoute};
pub(crate) use server::{CompressCache, Server};
pub(crate) use site::Site;
pub(crate) use tls::{Mode, Tls};

use crate::{
    guess,
    kind::Texts,
    mistake::{Mistake, quote},
    nginx,
    setting::{At, Notes, Preset, Section, Setting, Typed, Unknown},
    shape::{Description, Layout, Member, Shape},
    source::Word,
};
use server::SERVER;
use site::SITE;
use std::borrow::Cow;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The settings of the uppermost level that are not tables.
const TOP: Section<Written> = Section {
    title: "the uppermost level",
    settings: &[Setting {
        name: "include",
        doc: "Further files of the config; `*` and `?` stand for any characters, or one, of a name.",
        preset: Preset::Value("[]"),
        example: r#"["sites/*.toml"]"#,
        value: &At(Texts, |written: &mut Written| &mut written.include),
    }],
    common: None,
};

/// The tables of the uppermost level, and how their headers look.
const TABLES: [(&str, &str); 2] = [("server", "[server]"), ("site", "[site.\"example.com\"]")];

/// A whole config as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The files that the one read last includes.
    pub(crate) include: Option<Word<Vec<Word<String>>>>,
    pub(crate) server: Server,
    pub(crate) sites: Vec<Named>,
}

/// One site as it was typed.
#[derive(Debug)]
pub(crate) struct Named {
    /// Its key, which should be a host.
    pub(crate) key: Word<String>,
    pub(crate) words: Site,
    /// Whether all of it was understood, so that what is not there is really missing.
    pub(crate) is_sound: bool,
}

/// Every setting there is, table by table.
#[must_use]
pub fn settings() -> Vec<Description> {
    let tops = [TOP.layout(), SERVER.layout(), SITE.layout()];
    let mut tables = Vec::new();
    // The tables of `listen` may stand in two of them.
    tops.iter().for_each(|top| top.gather(&mut tables));
    tables.iter().flat_map(|table| table.describe()).collect()
}

/// What a whole file looks like.
pub(crate) fn layout() -> Layout {
    let mut top = TOP.layout();
    let table = |name, doc, example, shape| Member {
        name,
        doc,
        preset: Preset::Words("none"),
        example,
        kind: "a table".to_owned(),
        shape,
    };
    top.members.push(table(
        "server",
        "What holds for the whole process, whichever site is asked for.",
        r#"{ listen = "8080" }"#,
        Shape::Table(SERVER.layout()),
    ));
    top.members.push(table(
        "site",
        "What is done for each host, in tables named by them.",
        r#"{ "example.com" = { root = "/srv/site" } }"#,
        Shape::Map(Box::new(Shape::Table(SITE.layout()))),
    ));
    top
}

/// Adds all settings of a file of the config, which is the main one or included and was understood
/// as a whole or in parts; notes what is not a setting, or is not of its kind.
pub(crate) fn read(
    file: &DeTable<'_>,
    is_main: bool,
    is_whole: bool,
    written: &mut Written,
    mistakes: &mut Vec<Mistake>,
) {
    let mut notes = Notes::default();
    for (key, value) in file {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("server", _) if !is_main => notes.mistakes.push(
                Mistake::new(
                    key.span().into(),
                    "`[server]` stands in the main file only",
                    "not here",
                )
                .help("move its settings to the file that `gannet run` names"),
            ),
            ("server", DeValue::Table(table)) => {
                SERVER.read(table, &mut written.server, &mut notes);
            }
            ("site", DeValue::Table(table)) => {
                for (key, value) in table {
                    let so_far = (notes.mistakes.len(), notes.unknown.len());
                    let key = Word { value: key.get_ref().to_string(), span: key.span().into() };
                    let words = site(&key, value, &mut notes);
                    let is_sound = so_far == (notes.mistakes.len(), notes.unknown.len());
                    written.sites.push(Named { key, words, is_sound: is_sound && is_whole });
                }
            }
            (name, _) if let Some(setting) = TOP.find(name) => {
                let typed = Typed { name: setting.name, example: setting.example, value };
                setting.value.read(written, &typed, &mut notes);
            }
            (name, _) => match TABLES.iter().find(|(table, _)| *table == name) {
                Some((_, header)) => notes.mistakes.push(
                    Mistake::new(
                        value.span().into(),
                        format!("`{name}` must be a table"),
                        "no table",
                    )
                    .help(format!("write its settings below {header}")),
                ),
                None => notes.unknown.push(Unknown {
                    key: Word { value: name.to_owned(), span: key.span().into() },
                    section: TOP.title,
                    common: None,
                    guess: guess::nearest(name, top_names()),
                }),
            },
        }
    }
    mistakes.append(&mut notes.mistakes);
    if !notes.unknown.is_empty() {
        let known = settings();
        mistakes.extend(notes.unknown.into_iter().map(|unknown| unknown_setting(unknown, &known)));
    }
}

fn top_names() -> impl Iterator<Item = &'static str> {
    let settings = TOP.settings.iter().map(|setting| setting.name);
    settings.chain(TABLES.map(|(table, _)| table))
}

fn site(key: &Word<String>, value: &Spanned<DeValue<'_>>, notes: &mut Notes) -> Site {
    let mut site = Site::default();
    let DeValue::Table(table) = value.get_ref() else {
        let mistake = Mistake::new(value.span().into(), "a site is a table", "not a table");
        let help = format!("write its settings below `[site.\"{}\"]`", key.value);
        notes.mistakes.push(mistake.help(help));
        return site;
    };
    match unquoted_host(&key.value, table) {
        Some(host) => notes.mistakes.push(
            Mistake::new(key.span, "a host name with dots stands in quotes", "no quotes")
                .help(format!("write `[site.\"{host}\"]`")),
        ),
        None => SITE.read(table, &mut site, notes),
    }
    site
}

/// The host that was meant where dots without quotes around them made tables inside tables of it.
fn unquoted_host(name: &str, table: &DeTable<'_>) -> Option<String> {
    let (label, inside) = table.iter().next()?;
    let is_setting = |name: &str| SITE.names().any(|known| known == name);
    let is_label = |(name, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        value.get_ref().is_table() && !is_setting(name.get_ref())
    };
    table.iter().all(is_label).then(|| {
        let host = format!("{name}.{}", label.get_ref());
        let inside = inside.get_ref().as_table();
        inside.and_then(|inside| unquoted_host(&host, inside)).unwrap_or(host)
    })
}

fn unknown_setting(unknown: Unknown, known: &[Description]) -> Mistake {
    let Unknown { key, section, common, guess } = unknown;
    let name = quote(&key.value);
    let label = format!("not a setting of {section}");
    let mistake = Mistake::new(key.span, format!("unknown setting {name}"), label);
    if let Some(home) = known.iter().find(|setting| setting.name == key.value) {
        // Below the header of a table, a line belongs to that table.
        if home.section == TOP.title {
            return mistake.help("it belongs above the header of the first table");
        }
        return mistake.help(format!("it belongs in {}", home.section));
    }
    if let Some(way_out) = nginx::way_out(&key.value) {
        return mistake.help(format!("this is of nginx; here: {way_out}"));
    }
    if let Some(guess) = guess {
        return mistake.help(format!("did you mean `{guess}`?"));
    }
    let elsewhere = guess::nearest(&key.value, known.iter().map(|setting| setting.name))
        .and_then(|name| known.iter().find(|setting| setting.name == name));
    if let Some(setting) = elsewhere {
        return mistake.help(format!("did you mean `{}` in {}?", setting.name, setting.section));
    }
    let of = |title| known.iter().filter(move |setting| Some(setting.section) == title);
    let here = of(Some(section)).chain(of(common));
    let mut names: Vec<_> = here.map(|setting| setting.name).collect();
    if section == TOP.title {
        names.extend(TABLES.map(|(_, header)| header));
    }
    mistake.help(format!("there are {}", names.join(", ")))
}
