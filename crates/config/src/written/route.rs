//! `[site."HOST".route."KEY"]`: what is done for the paths that match a key.

use super::{
    policy::{POLICY, Policy},
    site::Site,
};
use crate::{
    kind::{FieldMap, FieldWords, Texts},
    mistake::Mistake,
    setting::{At, Notes, Preset, Section, Setting, Table, Typed, Value, Within},
    shape::Shape,
    source::{Span, Word},
};
use toml::{Spanned, de::DeValue};

/// One route as it was typed.
#[derive(Debug)]
pub(crate) struct NamedRoute {
    pub(crate) key: Word<String>,
    pub(crate) words: Route,
}

/// What was typed for one route.
#[derive(Debug, Default)]
pub(crate) struct Route {
    pub(crate) policy: Policy,
    pub(crate) cases: Vec<Case>,
}

/// What was typed for one case of a route.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) span: Option<Span>,
    pub(crate) from: Option<Word<Vec<Word<String>>>>,
    pub(crate) fields: Option<Word<Vec<FieldWords>>>,
    pub(crate) then: Policy,
    /// Whether anything stands in `then`.
    pub(crate) has_effect: bool,
}

/// The settings of a route.
pub(crate) const ROUTE: Section<Route> = Section {
    title: "[site.\"HOST\".route.\"KEY\"]",
    settings: &[Setting {
        name: "when",
        doc: "Cases in which something else is done, told apart by client and request fields.",
        preset: Preset::Value("[]"),
        example: r#"[{ from = "10.0.0.0/8", then = { respond = "hello, colleague" } }]"#,
        value: &Cases,
    }],
    common: Some(&Within { section: &POLICY, place: |route: &mut Route| &mut route.policy }),
};

const CASE: Section<Case> = Section {
    title: "[[site.\"HOST\".route.\"KEY\".when]]",
    settings: &[
        Setting {
            name: "from",
            doc: "The case applies to clients with one of these addresses or networks.",
            preset: Preset::Words("every client"),
            example: r#"["10.0.0.0/8"]"#,
            value: &At(Texts, |case: &mut Case| &mut case.from),
        },
        Setting {
            name: "fields",
            doc: "The case applies to requests with these fields; `\"*\"` is any value. Several \
                  lines of one field are one value, joined by `, `.",
            preset: Preset::Words("every request"),
            example: r#"{ X-Preview = "yes" }"#,
            value: &At(FieldMap, |case: &mut Case| &mut case.fields),
        },
        Setting {
            name: "then",
            doc: "What is done in this case, in addition to what the route says or instead of it.",
            preset: Preset::Words("none: every case needs it"),
            example: r#"{ cache-control = "no-store" }"#,
            value: &Table {
                section: &POLICY,
                short: None,
                place: |case: &mut Case| &mut case.then,
            },
        },
    ],
    common: None,
};

/// A table of routes by their keys.
pub(crate) struct Routes;

impl Value<Site> for Routes {
    fn read(&self, site: &mut Site, typed: &Typed<'_>, notes: &mut Notes) {
        let DeValue::Table(table) = typed.value.get_ref() else {
            return notes.mistakes.push(typed.wrong_kind(typed.value, &Value::<Site>::noun(self)));
        };
        for (key, value) in table {
            let key = Word { value: key.get_ref().to_string(), span: key.span().into() };
            let mut words = Route::default();
            match value.get_ref() {
                DeValue::Table(table) => ROUTE.read(table, &mut words, notes),
                _ => notes.mistakes.push(no_table(value, "a route", "for example: `redirect = …`")),
            }
            site.routes.push(NamedRoute { key, words });
        }
    }

    fn noun(&self) -> String {
        "a table of routes by their paths".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::Table(ROUTE.layout())))
    }
}

/// A list of cases.
struct Cases;

impl Value<Route> for Cases {
    fn read(&self, route: &mut Route, typed: &Typed<'_>, notes: &mut Notes) {
        let DeValue::Array(list) = typed.value.get_ref() else {
            return notes.mistakes.push(typed.wrong_kind(typed.value, &Value::<Route>::noun(self)));
        };
        for item in list.iter() {
            let span = Some(item.span().into());
            let mut case = Case { span, ..Case::default() };
            match item.get_ref() {
                DeValue::Table(table) => {
                    let then = table.get("then").map(|then| then.get_ref());
                    let is_empty =
                        |then: &DeValue<'_>| then.as_table().is_some_and(|t| t.is_empty());
                    case.has_effect = then.is_some_and(|then| !is_empty(then));
                    CASE.read(table, &mut case, notes);
                }
                _ => notes.mistakes.push(no_table(item, "a case", "for example: `from = …`")),
            }
            route.cases.push(case);
        }
    }

    fn noun(&self) -> String {
        "a list of tables".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::List(Box::new(Shape::Table(CASE.layout())))
    }
}

fn no_table(value: &Spanned<DeValue<'_>>, what: &str, help: &'static str) -> Mistake {
    let cause = format!("{what} is a table");
    Mistake::new(value.span().into(), cause, "not a table").help(help)
}
