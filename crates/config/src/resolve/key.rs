//! The key of a route: a method, if there is one, and a pattern of paths.

use crate::{
    mistake::{Mistake, quote},
    source::{Span, Word},
};
use foldhash::HashMap;
use message::{Path, path::push_encoded_path};

/// A key in the form in which keys are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) method: Option<Box<str>>,
    /// The whole path, or what stands before the `*`, which ends in a slash.
    path: Box<[u8]>,
    /// Whether there is a `*`.
    pub(crate) is_prefix: bool,
    /// What stands behind the `*`.
    pub(crate) suffix: Option<Box<[u8]>>,
    /// Where it was typed.
    pub(crate) span: Span,
}

impl Key {
    /// The key of a site's own settings.
    pub(crate) fn everything() -> Self {
        let span = Span { start: 0, end: 0 };
        Self { method: None, path: (*b"/").into(), is_prefix: true, suffix: None, span }
    }

    /// The key of exactly `path`.
    pub(crate) fn exactly(path: &Path<'_>) -> Self {
        Self { path: path.as_bytes().into(), is_prefix: false, ..Self::everything() }
    }

    /// The key of all that is below `path`, which ends in a slash.
    pub(crate) fn below(path: &str) -> Self {
        Self { path: path.as_bytes().into(), ..Self::everything() }
    }

    /// Reads what was typed.
    pub(crate) fn parse(word: &Word<String>) -> Result<Self, Box<Mistake>> {
        let refuse = |cause: String, help: String| {
            Err(Box::new(Mistake::new(word.span, cause, "not a route").help(help)))
        };
        let typed = word.value.trim();
        let (method, pattern) = match typed.split_once(' ') {
            Some((method, pattern)) => (Some(method), pattern.trim_start()),
            None => (None, typed),
        };
        if let Some(method) = method
            && !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        {
            let cause = format!("{} is not a method", quote(method));
            return refuse(cause, "methods are in capitals: `\"POST /form\"`".to_owned());
        }
        let whole = match pattern.strip_prefix("*.") {
            Some(ending) => format!("/*.{ending}"),
            None => pattern.to_owned(),
        };
        if !whole.starts_with('/') {
            let cause = format!("{} is not a path", quote(pattern));
            return refuse(
                cause,
                "a route is a path such as `\"/a\"`, `\"/a/*\"` or `\"*.pdf\"`".into(),
            );
        }
        let (before, behind) = match whole.split_once('*') {
            Some((before, behind)) => (before, Some(behind)),
            None => (&*whole, None),
        };
        if behind.is_some_and(|behind| behind.contains('*')) {
            let cause = format!("{} has two `*`", quote(pattern));
            return refuse(cause, "a route has one `*` at most".to_owned());
        }
        if behind.is_some() && !before.ends_with('/') {
            let cause = format!("the `*` in {} does not begin a segment", quote(pattern));
            let meant = &before[..=before.rfind('/').unwrap_or(0)];
            return refuse(cause, format!("write `\"{meant}*\"`, or the whole path"));
        }
        match Path::of_decoded(before.as_bytes()) {
            Ok(path) if path.as_bytes() == before.as_bytes() && !before.contains('%') => Ok(Self {
                method: method.map(Into::into),
                path: before.as_bytes().into(),
                is_prefix: behind.is_some(),
                suffix: behind.filter(|behind| !behind.is_empty()).map(|b| b.as_bytes().into()),
                span: word.span,
            }),
            _ => {
                let cause =
                    format!("{} is not in the form that paths are compared in", quote(pattern));
                let normal = Path::parse(before).ok().map(|path| {
                    let mut text = String::new();
                    match std::str::from_utf8(path.as_bytes()) {
                        Ok(plain) => text.push_str(plain),
                        Err(_) => push_encoded_path(&mut text, path.as_bytes()),
                    }
                    text
                });
                let behind = behind.map_or_else(String::new, |behind| format!("*{behind}"));
                let help = match normal {
                    Some(normal) => format!(
                        "write `\"{normal}{behind}\"`: without escapes, dot segments and doubled \
                         slashes"
                    ),
                    None => "write it without escapes, dot segments and doubled slashes".to_owned(),
                };
                refuse(cause, help)
            }
        }
    }

    /// The path without the `*` and what stands behind it.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.path
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The path without a slash at its end: what keys of `/a`, `/a/` and `/a/*` have in common.
    fn stem(&self) -> &[u8] {
        self.path.strip_suffix(b"/").unwrap_or(&self.path)
    }

    /// The stems of all keys that may cover this one.
    fn stems(&self) -> impl Iterator<Item = &[u8]> {
        let stem = self.stem();
        let borders = stem.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        borders.map(|(at, _)| &stem[..at]).chain([stem])
    }

    /// What sorts those that cover others before them, and equal ones beside each other.
    pub(crate) fn order(&self) -> impl Ord + use<'_> {
        (self.path.len(), !self.is_prefix, &self.suffix, &self.method, &self.path)
    }

    /// What is greatest for the most exact of those that match one path.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        (!self.is_prefix, self.path.len(), self.suffix.as_ref().map_or(0, |suffix| suffix.len()))
    }

    /// Whether every request that matches `other` matches this one, too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        (self.method.is_none() || self.method == other.method) && self.covers_paths(other)
    }

    /// Whether every path that matches `other` matches this one, too.
    pub(crate) fn covers_paths(&self, other: &Self) -> bool {
        if !self.is_prefix {
            return !other.is_prefix && self.path == other.path;
        }
        let is_below = other.path.starts_with(&self.path)
            || (!other.is_prefix && self.path.strip_suffix(b"/") == Some(&other.path));
        let ending = other.suffix.as_deref().or((!other.is_prefix).then_some(&*other.path));
        is_below
            && match (&self.suffix, ending) {
                (None, _) => true,
                (Some(suffix), Some(ending)) => ending.ends_with(suffix),
                (Some(_), None) => false,
            }
    }
}

/// The keys of a site's routes, sorted, so that those which cover a path are found without a look
/// at all of them.
pub(crate) struct Keys<'k> {
    pub(crate) all: Vec<&'k Key>,
    by_stem: HashMap<&'k [u8], Vec<usize>>,
}

impl<'k> Keys<'k> {
    pub(crate) fn new(all: Vec<&'k Key>) -> Self {
        let mut by_stem: HashMap<&[u8], Vec<usize>> = HashMap::default();
        for (at, key) in all.iter().enumerate() {
            by_stem.entry(key.stem()).or_default().push(at);
        }
        Self { all, by_stem }
    }

    /// The places of those that cover `key` as `covers` says, in their order.
    pub(crate) fn matching(
        &self,
        key: &Key,
        covers: impl Fn(&Key, &Key) -> bool,
    ) -> impl Iterator<Item = usize> {
        let candidates = key.stems().filter_map(|stem| self.by_stem.get(stem)).flatten();
        let mut matching: Vec<usize> =
            candidates.copied().filter(|&at| covers(self.all[at], key)).collect();
        matching.sort_unstable();
        matching.into_iter()
    }
}
