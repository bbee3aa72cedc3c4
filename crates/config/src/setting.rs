//! The description of a setting, and how a table of them is read.

use crate::{
    guess,
    mistake::{Mistake, quote},
    shape::{Layout, Member, Shape},
    source::{Listed, Span, Word},
};
use std::borrow::Cow;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(crate) use crate::shape::Preset;

/// A table of the config and the settings that may stand in it.
pub(crate) struct Section<S: 'static> {
    /// The table as a message names it, such as `[server]`.
    pub(crate) title: &'static str,
    pub(crate) settings: &'static [Setting<S>],
    /// The settings that this table has in common with others.
    pub(crate) common: Option<&'static dyn Common<S>>,
}

/// The settings of one table that may stand in others too.
pub(crate) trait Common<S> {
    /// Reads a setting if it is one of these; false if not.
    fn read(&self, name: &str, value: &Typed<'_>, section: &mut S, notes: &mut Notes) -> bool;

    fn title(&self) -> &'static str;

    fn names(&self) -> Vec<&'static str>;

    fn layout(&self) -> Layout;
}

/// The settings of the section `T`, which may stand in the section `S` as well.
pub(crate) struct Within<S: 'static, T: 'static> {
    pub(crate) section: &'static Section<T>,
    pub(crate) place: fn(&mut S) -> &mut T,
}

impl<S, T> Common<S> for Within<S, T> {
    fn read(&self, name: &str, value: &Typed<'_>, section: &mut S, notes: &mut Notes) -> bool {
        let known = self.section.settings.iter().find(|known| known.name == name);
        if let Some(setting) = known {
            let typed = Typed { name: setting.name, example: setting.example, value: value.value };
            setting.value.read((self.place)(section), &typed, notes);
        }
        known.is_some()
    }

    fn title(&self) -> &'static str {
        self.section.title
    }

    fn names(&self) -> Vec<&'static str> {
        self.section.settings.iter().map(|setting| setting.name).collect()
    }

    fn layout(&self) -> Layout {
        self.section.layout()
    }
}

/// Everything there is to know about one setting of the section `S`.
pub(crate) struct Setting<S: 'static> {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) doc: &'static str,
    pub(crate) preset: Preset,
    /// A value, in TOML.
    pub(crate) example: &'static str,
    pub(crate) value: &'static dyn Value<S>,
}

impl<S> Section<S> {
    /// Reads what stands in `table` into `section`.
    pub(crate) fn read(&self, table: &DeTable<'_>, section: &mut S, notes: &mut Notes) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(setting) = self.find(name) {
                let typed = Typed { name: setting.name, example: setting.example, value };
                setting.value.read(section, &typed, notes);
                continue;
            }
            let typed = Typed { name: "", example: "", value };
            if self.common.is_some_and(|common| common.read(name, &typed, section, notes)) {
                continue;
            }
            notes.unknown.push(Unknown {
                key: Word { value: name.to_owned(), span: key.span().into() },
                section: self.title,
                common: self.common.map(Common::title),
                guess: guess::nearest(name, self.names()),
            });
        }
    }

    /// The setting of that name, of those that are only its own.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Setting<S>> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The names of all settings that may stand in the section.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone + use<S> {
        let common = self.common.map(Common::names).unwrap_or_default();
        self.settings.iter().map(|setting| setting.name).chain(common)
    }

    /// What the section looks like.
    pub(crate) fn layout(&self) -> Layout {
        let members = self.settings.iter().map(|setting| Member {
            name: setting.name,
            doc: setting.doc,
            preset: setting.preset,
            example: setting.example,
            kind: setting.value.noun(),
            shape: setting.value.shape(),
        });
        let common = self.common.map(|common| Box::new(common.layout()));
        Layout { title: self.title, members: members.collect(), common }
    }
}

/// What is noticed while a config is read.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) unknown: Vec<Unknown>,
}

/// A key that its section does not have. What to say of it takes a look at all sections.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) key: Word<String>,
    pub(crate) section: &'static str,
    /// The table with which that one has settings in common.
    pub(crate) common: Option<&'static str>,
    pub(crate) guess: Option<&'static str>,
}

/// What was typed for one setting.
pub(crate) struct Typed<'t> {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
    pub(crate) value: &'t Spanned<DeValue<'t>>,
}

impl Typed<'_> {
    pub(crate) fn span(&self) -> Span {
        self.value.span().into()
    }

    /// The mistake that `cause`, which follows the setting's name, describes.
    pub(crate) fn mistake(
        &self,
        span: Span,
        cause: &str,
        label: impl Into<Cow<'static, str>>,
    ) -> Mistake {
        let Self { name, example, .. } = self;
        Mistake::new(span, format!("`{name}` {cause}"), label)
            .help(format!("for example: `{name} = {example}`"))
    }

    /// The mistake of a value that is not of the kind `noun`.
    pub(crate) fn wrong_kind(&self, value: &Spanned<DeValue<'_>>, noun: &str) -> Mistake {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("the text {}", quote(text)),
            DeValue::Integer(_) => "a bare number".to_owned(),
            DeValue::Float(_) => "a fraction".to_owned(),
            DeValue::Boolean(flag) => format!("`{flag}`"),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.mistake(value.span().into(), &format!("takes {noun}, not {found}"), found)
    }
}

/// A value that can be read into the section `S`.
pub(crate) trait Value<S> {
    fn read(&self, section: &mut S, typed: &Typed<'_>, notes: &mut Notes);

    /// What kind of value it is, with an article.
    fn noun(&self) -> String;

    /// What it looks like.
    fn shape(&self) -> Shape;
}

/// A kind of value, whatever section it is for.
pub(crate) trait Kind {
    type Value;

    /// The value, or `None` with a note of what is wrong.
    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Self::Value>;

    fn noun(&self) -> String;

    /// What it looks like.
    fn shape(&self) -> Shape {
        Shape::Any
    }
}

/// A value of kind `K` and its place in the section `S`.
pub(crate) struct At<S: 'static, K: Kind + 'static>(
    pub(crate) K,
    pub(crate) fn(&mut S) -> &mut Option<Word<K::Value>>,
);

impl<S, K: Kind> Value<S> for At<S, K> {
    fn read(&self, section: &mut S, typed: &Typed<'_>, notes: &mut Notes) {
        let Self(kind, place) = self;
        if let Some(value) = kind.parse(typed, notes) {
            *place(section) = Some(Word { value, span: typed.span() });
        }
    }

    fn noun(&self) -> String {
        self.0.noun()
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }
}

/// A list of tables `T` inside the section `S`; one alone needs no list, and a text stands for a
/// table that says no more than the setting `short`.
pub(crate) struct Tables<S: 'static, T: 'static> {
    pub(crate) section: &'static Section<T>,
    pub(crate) short: &'static Setting<T>,
    pub(crate) place: fn(&mut S) -> &mut Listed<T>,
}

impl<S, T: Default> Value<S> for Tables<S, T> {
    fn read(&self, section: &mut S, typed: &Typed<'_>, notes: &mut Notes) {
        let noun = self.noun();
        let (items, noun) = match typed.value.get_ref() {
            DeValue::Array(list) => (list.iter().collect(), "texts or tables"),
            _ => (vec![typed.value], noun.as_str()),
        };
        let mut tables = Vec::with_capacity(items.len());
        for value in items {
            let mut table = T::default();
            match value.get_ref() {
                DeValue::Table(inside) => self.section.read(inside, &mut table, notes),
                DeValue::String(_) => {
                    self.short.value.read(&mut table, &Typed { value, ..*typed }, notes);
                }
                other => {
                    let mistake = typed.wrong_kind(value, noun);
                    notes.mistakes.push(match other {
                        DeValue::Integer(number) => {
                            mistake.help(format!("write it in quotes: `\"{number}\"`"))
                        }
                        _ => mistake,
                    });
                }
            }
            tables.push(Word { value: table, span: value.span().into() });
        }
        *(self.place)(section) = Some(Word { value: tables, span: typed.span() });
    }

    fn noun(&self) -> String {
        format!("{}, a table, or a list of these", self.short.value.noun())
    }

    fn shape(&self) -> Shape {
        let one = vec![self.short.value.shape(), Shape::Table(self.section.layout())];
        let list = Shape::List(Box::new(Shape::Either(one.clone())));
        Shape::Either(one.into_iter().chain([list]).collect())
    }
}

/// A table `T` inside the section `S` that may be left out, which is not the same as an empty one.
pub(crate) struct Record<S: 'static, T: 'static> {
    pub(crate) section: &'static Section<T>,
    /// The setting that a value stands for which is not a table.
    pub(crate) short: Option<&'static str>,
    pub(crate) place: fn(&mut S) -> &mut Option<Word<T>>,
}

impl<S, T: Default> Value<S> for Record<S, T> {
    fn read(&self, section: &mut S, typed: &Typed<'_>, notes: &mut Notes) {
        let mut value = T::default();
        self.table().read(&mut value, typed, notes);
        *(self.place)(section) = Some(Word { value, span: typed.span() });
    }

    fn noun(&self) -> String {
        self.table().noun()
    }

    fn shape(&self) -> Shape {
        self.table().shape()
    }
}

impl<S, T> Record<S, T> {
    /// The table as it is read once there is room for it.
    fn table(&self) -> Table<T, T> {
        Table { section: self.section, short: self.short, place: |value| value }
    }
}

/// A table `T` inside the section `S`.
pub(crate) struct Table<S: 'static, T: 'static> {
    pub(crate) section: &'static Section<T>,
    /// The setting that a value stands for which is not a table.
    pub(crate) short: Option<&'static str>,
    pub(crate) place: fn(&mut S) -> &mut T,
}

impl<S, T> Table<S, T> {
    fn short(&self) -> Option<&'static Setting<T>> {
        self.section.settings.iter().find(|setting| Some(setting.name) == self.short)
    }
}

impl<S, T> Value<S> for Table<S, T> {
    fn read(&self, section: &mut S, typed: &Typed<'_>, notes: &mut Notes) {
        match (typed.value.get_ref(), self.short()) {
            (DeValue::Table(table), _) => self.section.read(table, (self.place)(section), notes),
            (_, Some(short)) => short.value.read((self.place)(section), typed, notes),
            _ => notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun())),
        }
    }

    fn noun(&self) -> String {
        let short = self.short().map(|short| format!("{}, or ", short.value.noun()));
        format!("{}a table", short.unwrap_or_default())
    }

    fn shape(&self) -> Shape {
        let table = Shape::Table(self.section.layout());
        match self.short() {
            Some(short) => Shape::Either(vec![short.value.shape(), table]),
            None => table,
        }
    }
}
