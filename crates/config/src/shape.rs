//! What values look like from outside, for those who describe the config to people and editors.

/// What holds where a setting is not typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This value, in TOML.
    Value(&'static str),
    /// What this sentence says.
    Words(&'static str),
}

/// A setting, for help pages and editors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The table it stands in, such as `[server.limits]`.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What holds where it is not typed.
    pub preset: Preset,
    /// A value, in TOML.
    pub example: &'static str,
    /// What kind of value it takes, such as "a duration from 1ms to 1h".
    pub kind: String,
}

/// What a value looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Of which no more is known than that it is some value.
    Any,
    Text,
    /// A text that a regular expression describes.
    Like(String),
    /// One of these texts.
    Words(Vec<&'static str>),
    /// A whole number from the first to the second.
    Number(u64, u64),
    Flag,
    List(Box<Self>),
    Table(Layout),
    /// A table whose keys the operator chooses, with such values.
    Map(Box<Self>),
    Either(Vec<Self>),
}

/// A table, and what may stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) title: &'static str,
    pub(crate) members: Vec<Member>,
    /// A table whose settings may stand in this one, too.
    pub(crate) common: Option<Box<Self>>,
}

/// A setting of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) preset: Preset,
    pub(crate) example: &'static str,
    pub(crate) kind: String,
    pub(crate) shape: Shape,
}

impl Shape {
    /// A text or a list of texts.
    pub(crate) fn texts() -> Self {
        Self::Either(vec![Self::Text, Self::List(Box::new(Self::Text))])
    }

    /// The tables in it, but not those inside of them.
    pub(crate) fn tables(&self) -> Vec<&Layout> {
        match self {
            Self::Table(layout) => vec![layout],
            Self::List(inside) | Self::Map(inside) => inside.tables(),
            Self::Either(all) => all.iter().flat_map(Self::tables).collect(),
            Self::Any
            | Self::Text
            | Self::Like(_)
            | Self::Words(_)
            | Self::Number(..)
            | Self::Flag => Vec::new(),
        }
    }
}

impl Layout {
    /// This table, the one that it shares settings with, and those inside, each once.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        self.gather(&mut all);
        all
    }

    /// Adds them to `all`, but those that are there already.
    pub(crate) fn gather<'l>(&'l self, all: &mut Vec<&'l Self>) {
        if all.iter().any(|known| known.title == self.title) {
            return;
        }
        all.push(self);
        self.common.iter().for_each(|common| common.gather(all));
        let inside = self.members.iter().flat_map(|member| member.shape.tables());
        inside.for_each(|layout| layout.gather(all));
    }

    /// Describes the settings that are only this table's.
    pub(crate) fn describe(&self) -> impl Iterator<Item = Description> {
        self.members.iter().map(|member| Description {
            section: self.title,
            name: member.name,
            doc: member.doc,
            preset: member.preset,
            example: member.example,
            kind: member.kind.clone(),
        })
    }
}
